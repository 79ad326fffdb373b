"""The user's own line: for errors, reports and the equations of a jaxpr."""

from __future__ import annotations

import linecache
import os
import sys
from opcode import opmap
from types import FrameType
from typing import TypeVar

import numpy

#: What the files of fxad begin with.
PACKAGE = os.path.dirname(os.path.dirname(os.path.abspath(__file__))) + os.sep

#: What the files of fxad, NumPy and the interpreter begin with, rather than the user's.
_LIBRARY = (
    PACKAGE,
    os.path.dirname(os.path.abspath(numpy.__file__)) + os.sep,
    "<frozen",
)

_STORE_ITEM = opmap["STORE_SUBSCR"]

E = TypeVar("E", bound=Exception)


class Source:
    """A line of the user's code: cheap to take, formatted only when somebody looks."""

    __slots__ = ("function", "filename", "line")

    def __init__(self, filename: str, line: int, function: str) -> None:
        self.filename, self.line, self.function = filename, line, function

    def __str__(self) -> str:
        text = linecache.getline(self.filename, self.line).strip()
        place = f"{os.path.basename(self.filename)}:{self.line}"
        return f"{place}: {text}" if text else place


def assigns_item(depth: int) -> bool:
    """Whether the frame that many calls up the stack is in the middle of ``a[i] = ...``."""
    frame = sys._getframe(depth + 1)
    return frame.f_code.co_code[frame.f_lasti] == _STORE_ITEM


def user_source() -> Source | None:
    """The innermost frame on the stack that is not the library's own."""
    frame: FrameType | None = sys._getframe(1)
    while frame is not None:
        code = frame.f_code
        if not code.co_filename.startswith(_LIBRARY):
            return Source(code.co_filename, frame.f_lineno, code.co_name)
        frame = frame.f_back
    return None


def error(kind: type[E], operation: str, problem: str, way_out: str = "") -> E:
    """An exception that says operation, problem, the user's line and the way out."""
    source = user_source()
    parts = [f"[{operation}] {problem.rstrip('.')}."]
    if source is not None:
        parts.append(f"At {source}")
    if way_out:
        parts.append(way_out)
    return kind("\n".join(parts) if len(parts) > 2 else " ".join(parts))
