"""The user's own line: for errors, reports and the equations of a jaxpr."""

from __future__ import annotations

import functools
import inspect
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
T = TypeVar("T")

#: The rule of the user's that a transformation is calling, as messages print it, and whether what
#: it does now belongs to it alone.
_inside: ContextVar[tuple[object, bool]] = ContextVar("fxad_inside", default=(None, True))


class Source:
    """A line of the user's code, and the ``named_scope`` that it ran in.

    Cheap to take, formatted only when somebody looks.
    """

    __slots__ = ("function", "filename", "line", "scope", "rule")

    def __init__(
        self, filename: str, line: int, function: str, scope: str = "", rule: object = None
    ) -> None:
        self.filename, self.line, self.function, self.scope = filename, line, function, scope
        #: The rule of the user's that was running, if any.
        self.rule = rule

    def __str__(self) -> str:
        text = linecache.getline(self.filename, self.line).strip()
        place = f"{os.path.basename(self.filename)}:{self.line}"
        scope = f" (in {self.scope})" if self.scope else ""
        return f"{place}{scope}: {text}" if text else f"{place}{scope}"

    def within(self, scope: str) -> Source:
        """The same line, called in an outer scope."""
        if not scope:
            return self
        scope = _joined(scope, self.scope)
        return Source(self.filename, self.line, self.function, scope, self.rule)


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


def is_library(code: CodeType) -> bool:
    """Whether code is not the user's own."""
    return code.co_filename.startswith(_LIBRARY)


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
            line, name = frame.f_lineno, code.co_name
            return Source(code.co_filename, line, name, _scope.get(), running_rule())
        if code in _replaying:
            source = _replaying[code](frame.f_locals)
            if source is not None:
                return source
        frame = frame.f_back
    return None


def inside(what: object, function: Callable[..., T], /, *args: Any, **kwargs: Any) -> T:
    """Calls a function of the user's; errors that are made meanwhile say in what."""
    token = _inside.set((what, True))
    try:
        return function(*args, **kwargs)
    finally:
        _inside.reset(token)


def outside_rules(function: Callable[..., T], /, *args: Any) -> T:
    """Calls a function whose program may be used where the present rule does not run."""
    token = _inside.set((_inside.get()[0], False))
    try:
        return function(*args)
    finally:
        _inside.reset(token)


def running_rule() -> object:
    """The innermost rule of the user's that is running, as messages print it; None for none."""
    what, its_own = _inside.get()
    return what if its_own else None


def defined_at(function: Any) -> str:
    """A function's name and where it is written: ``f_bwd (model.py:12)``."""
    function = inspect.unwrap(function)
    while isinstance(function, functools.partial):
        function = function.func
    name = getattr(function, "__name__", type(function).__name__)
    code = getattr(function, "__code__", None)
    if code is None:
        return name
    return f"{name} ({os.path.basename(code.co_filename)}:{code.co_firstlineno})"


def error(kind: type[E], operation: str, problem: str, way_out: str = "") -> E:
    """An exception that says operation, problem, the user's line and the way out."""
    source = user_source()
    parts = [f"[{operation}] {problem.rstrip('.')}."]
    if source is not None:
        parts.append(f"At {source}")
    rule = _inside.get()[0] or (source and source.rule)
    if rule is not None:
        parts.append(f"In {rule}.")
    if way_out:
        parts.append(way_out)
    return kind("\n".join(parts) if len(parts) > 2 else " ".join(parts))
