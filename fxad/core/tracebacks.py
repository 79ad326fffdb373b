"""Tracebacks that show the user's frames, not the library's: the doors of public functions."""

from __future__ import annotations

import functools
from collections.abc import Callable
from contextlib import suppress
from types import TracebackType
from typing import Any, TypeVar

import fxad.config as config
from fxad.core.source import PACKAGE, Source

F = TypeVar("F", bound=Callable[..., Any])


def public(function: F) -> F:
    """A public function: exceptions that leave it show none of the library's own frames."""
    return public_as(function)(function)


def public_as(fun: Callable[..., Any]) -> Callable[[F], F]:
    """As ``public``, for a function that stands for a user's, with its name and signature."""

    def decorate(function: F) -> F:
        @functools.wraps(fun)
        def door(*args: Any, **kwargs: Any) -> Any:
            try:
                return function(*args, **kwargs)
            except Exception as e:
                if config.traceback_filtering != "off":
                    hide_library(e)
                raise

        return door  # type: ignore[return-value]

    return decorate


def name_operation(exception: Exception, operation: str, source: Source | None) -> None:
    """Notes which operation of a program failed, and the user's line that it comes from."""
    notes = getattr(exception, "__notes__", ())
    if source is None or str(source) in str(exception) or any(_RAN in note for note in notes):
        return
    with suppress(Exception):  # some exceptions cannot be written to
        exception.add_note(f"[{operation}] {_RAN} {source}")


_RAN = "failed while the program ran. Written at"


def hide_library(exception: BaseException) -> None:
    """Takes the library's frames out of the traceback of an exception, and of what caused it."""
    seen: set[int] = set()
    pending: list[BaseException | None] = [exception]
    while pending:
        e = pending.pop()
        if e is not None and id(e) not in seen:
            seen.add(id(e))
            # By the method, since some exceptions cannot be written to.
            e.with_traceback(_without_library(e.__traceback__))
            pending += [e.__cause__, e.__context__]


def _without_library(traceback: TracebackType | None) -> TracebackType | None:
    entries = []
    while traceback is not None:
        if not traceback.tb_frame.f_code.co_filename.startswith(PACKAGE):
            entries.append(traceback)
        traceback = traceback.tb_next
    shown: TracebackType | None = None
    for t in reversed(entries):
        shown = TracebackType(shown, t.tb_frame, t.tb_lasti, t.tb_lineno)
    return shown
