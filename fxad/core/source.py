"""The user's own line: for errors, reports and the equations of a jaxpr."""

from __future__ import annotations

import functools
import linecache
import os
import sys
from collections.abc import Callable
from contextvars import ContextVar, Token
from opcode import opmap
from types import CodeType, FrameType
from typing import Any, TypeVar

import numpy

from fxad.errors import ArgumentTypeError

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
F = TypeVar("F", bound=Callable[..., Any])


class Source:
    """A line of the user's code, and the ``named_scope`` that it ran in.

    Cheap to take, formatted only when somebody looks.
    """

    __slots__ = ("function", "filename", "line", "scope")

    def __init__(self, filename: str, line: int, function: str, scope: str = "") -> None:
        self.filename, self.line, self.function, self.scope = filename, line, function, scope

    def __str__(self) -> str:
        text = linecache.getline(self.filename, self.line).strip()
        place = f"{os.path.basename(self.filename)}:{self.line}"
        scope = f" (in {self.scope})" if self.scope else ""
        return f"{place}{scope}: {text}" if text else f"{place}{scope}"

    def within(self, scope: str) -> Source:
        """The same line, called in an outer scope."""
        if not scope:
            return self
        return Source(self.filename, self.line, self.function, _joined(scope, self.scope))


_scope: ContextVar[str] = ContextVar("fxad_scope", default="")


def _joined(outer: str, inner: str) -> str:
    return f"{outer}/{inner}" if outer and inner else outer or inner


class named_scope:
    """Names a part of a program: in printed programs, in messages and in reports.

    A context manager, and a decorator. Scopes in scopes are joined: ``"block/attention"``.

    Args:
      name: what the part is called.

    Raises:
      ArgumentTypeError: the name is not a string.

    Example:
      >>> import numpy as np, fxad
      >>> def layer(w, x):
      ...     with fxad.named_scope("layer"):
      ...         return np.tanh(w @ x)
      >>> fxad.make_jaxpr(layer)(np.eye(2), np.ones(2))
      { lambda ; a:f64[2,2] b:f64[2]. let
          c:f64[2] = dot_general[dimension_numbers=(((1,), (0,)), ((), ()))] a b  # layer
          d:f64[2] = tanh c  # layer
        in (d,) }
    """

    __slots__ = ("name", "_tokens")

    def __init__(self, name: str) -> None:
        if not isinstance(name, str):
            raise error(
                ArgumentTypeError,
                "named_scope",
                f"got a name of type {type(name).__name__}, wanted a string",
                "Write @fxad.named_scope('layer') or with fxad.named_scope('layer'):",
            )
        self.name = name
        self._tokens: list[Token[str]] = []

    def __enter__(self) -> None:
        self._tokens.append(_scope.set(_joined(_scope.get(), self.name)))

    def __exit__(self, *_: object) -> None:
        _scope.reset(self._tokens.pop())

    def __call__(self, fun: F) -> F:
        """The function, with all that it does in the scope."""

        @functools.wraps(fun)
        def scoped(*args: Any, **kwargs: Any) -> Any:
            with named_scope(self.name):
                return fun(*args, **kwargs)

        return scoped  # type: ignore[return-value]


def outside_scopes(function: Callable[..., Any], /, *args: Any) -> Any:
    """Calls a function whose program may be used in other scopes than the present one."""
    token = _scope.set("")
    try:
        return function(*args)
    finally:
        _scope.reset(token)


def assigns_item(depth: int) -> bool:
    """Whether the frame that many calls up the stack is in the middle of ``a[i] = ...``."""
    frame = sys._getframe(depth + 1)
    return frame.f_code.co_code[frame.f_lasti] == _STORE_ITEM


#: Functions of the library that go through equations, and how to find the present one's source.
_replaying: dict[CodeType, Callable[[dict[str, Any]], Source | None]] = {}


def register_replay(
    function: Callable[..., Any], source: Callable[[dict[str, Any]], Source | None]
) -> None:
    """Tells how the local variables of a function say which user's line it is at."""
    _replaying[function.__code__] = source


def user_source() -> Source | None:
    """The innermost frame on the stack that is not the library's own.

    While equations are evaluated, it is the line that the present one comes from.
    """
    frame: FrameType | None = sys._getframe(1)
    while frame is not None:
        code = frame.f_code
        if not code.co_filename.startswith(_LIBRARY):
            return Source(code.co_filename, frame.f_lineno, code.co_name, _scope.get())
        if code in _replaying:
            source = _replaying[code](frame.f_locals)
            if source is not None:
                return source
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
