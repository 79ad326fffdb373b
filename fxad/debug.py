"""Looking into programs while they run: ``debug.print``, ``debug.callback``, ``debug.breakpoint``.

All of them work under every transformation: eagerly at once, under ``jit`` when the program runs,
under ``grad`` on the values of the forward pass, under ``vmap`` once for each example.
"""

from __future__ import annotations

import builtins
import string
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

import fxad.tree as tree
from fxad.backends.optional import optional
from fxad.control.callback import check_callback, debug_callback
from fxad.core.aval import is_value
from fxad.core.source import error
from fxad.core.trace import EVAL, current_trace
from fxad.core.tracebacks import public
from fxad.errors import ArgumentTypeError, ArgumentValueError

__all__ = ["breakpoint", "callback", "print"]


@public
def callback(
    callback: Callable[..., Any] | None = None, *args: Any, ordered: bool = False, **kwargs: Any
) -> Any:
    """Calls a Python function with the values of a program while it runs, for what it does.

    The program itself is not changed by it: it goes along under ``grad``, ``vmap`` and ``jit``.

    Args:
      callback: the function; it gets read-only NumPy arrays (those of a GPU are copied to the
        host), and what it returns is dropped. Without it, a function that takes the callback and
        its arguments: ``debug.callback(ordered=True)(f, x)``.
      *args: pytrees of arrays or numbers; other leaves are handed over as they are.
      ordered: keep the order of the calls. Programs run in the order in which they were written,
        so that calls are in order without it, too.
      **kwargs: the same, by name.

    Raises:
      ArgumentTypeError: ``callback`` is not a function.
      CallbackDifferentiationError: it gets a tangent in reverse mode, where tangents have no
        values.

    What the callback raises comes out as it is.

    Example:
      >>> import numpy as np, fxad
      >>> seen = []
      >>> def f(x):
      ...     fxad.debug.callback(seen.append, x)
      ...     return x**2
      >>> _ = fxad.jit(fxad.vmap(fxad.grad(f)))(np.arange(3.0))
      >>> np.array(seen).tolist()
      [0.0, 1.0, 2.0]
    """
    if callback is None:
        _check_options("debug.callback", args, kwargs)
        return lambda fun, *args, **kwargs: _call(fun, args, kwargs, ordered)
    return _call(callback, args, kwargs, ordered)


def _call(fun: Callable[..., Any], args: Any, kwargs: Any, ordered: bool) -> None:
    check_callback("debug.callback", fun)
    debug_callback("debug.callback", fun, args, kwargs, ordered)


def _check_options(operation: str, args: Any, kwargs: Any) -> None:
    """Refuses arguments of the callback among the options that come before it."""
    if args or kwargs:
        raise error(
            ArgumentTypeError,
            operation,
            f"{operation} received unexpected arguments in the two-call form: {args} {kwargs}",
            f"Write {operation}(ordered=True)(..., *args, **kwargs).",
        )


class _FieldChecker(string.Formatter):
    """Finds out which arguments a format reads; the values are not looked at."""

    #: The positions and the names that it does not read.
    unused: tuple[list[int], list[str]] = ([], [])

    def format_field(self, value: Any, format_spec: str) -> str:
        return ""

    def convert_field(self, value: Any, conversion: Any) -> Any:
        return value

    def check_unused_args(
        self, used_args: set[int | str], args: Sequence[Any], kwargs: Mapping[str, Any]
    ) -> None:
        self.unused = (
            [i for i in range(len(args)) if i not in used_args],
            [name for name in kwargs if name not in used_args],
        )


def _check_format(fmt: str, args: Any, kwargs: Any) -> None:
    """Refuses a format that does not read all arguments."""
    checker = _FieldChecker()
    checker.vformat(fmt, args, kwargs)
    positions, names = checker.unused
    if positions or names:
        kind = "positional" if positions else "keyword"
        raise error(
            ArgumentValueError,
            "debug.print",
            f"Unused {kind} arguments to `fxad.debug.print`: {positions or names}",
            "Name each of them in the format: debug.print('x: {}, y: {y}', x, y=y). You may be "
            "passing an f-string, which is formatted before values are known.",
        )


@dataclass(frozen=True)
class _Printer:
    """Prints a format, with the options for arrays that held where it was written."""

    fmt: str
    options: tuple[tuple[str, Any], ...]

    def __str__(self) -> str:
        return repr(self.fmt)

    def __call__(self, *args: Any, **kwargs: Any) -> None:
        with np.printoptions(**dict(self.options)):
            text = self.fmt.format(*args, **kwargs)
        builtins.print(text)


@public
def print(fmt: str | None = None, *args: Any, ordered: bool = False, **kwargs: Any) -> Any:
    """Prints values of a program while it runs.

    Eagerly it is ``print(fmt.format(*args, **kwargs))``. Under ``jit`` it prints at each run;
    under ``grad`` the values of the forward pass (to see cotangents, print in the ``bwd`` of a
    ``custom_vjp``); under ``vmap`` once for each example; ``checkpoint`` prints again where it
    computes again.

    Args:
      fmt: a format string as of ``str.format``: ``"x: {x:.3f}"``; no f-string, which would be
        formatted before values are known. Without it, a function that takes the format and the
        arguments: ``debug.print(ordered=True)("x: {}", x)``.
      *args: pytrees of arrays or numbers; other leaves are formatted as they are.
      ordered: keep the order of printing. Programs run in the order in which they were written,
        so that lines are in order without it, too.
      **kwargs: the same, by name.

    Raises:
      ArgumentValueError: the format does not read one of the arguments.
      IndexError: the format reads an argument by position that is not given.
      KeyError: the format reads an argument by name that is not given.

    Example:
      >>> import numpy as np, fxad
      >>> @fxad.jit
      ... def f(x):
      ...     y = np.sin(x)
      ...     fxad.debug.print("sin {x} = {y:.3f}", x=x, y=y)
      ...     return y
      >>> _ = f(1.0)
      sin 1.0 = 0.841
      >>> _ = fxad.vmap(fxad.grad(f))(np.arange(2.0))
      sin 0.0 = 0.000
      sin 1.0 = 0.841
    """
    if fmt is None:
        _check_options("debug.print", args, kwargs)
        return lambda fmt, *args, **kwargs: _print(fmt, args, kwargs, ordered)
    return _print(fmt, args, kwargs, ordered)


def _print(fmt: str, args: Any, kwargs: Any, ordered: bool) -> None:
    if not isinstance(fmt, str):
        raise error(
            ArgumentTypeError,
            "debug.print",
            f"got a format of type {type(fmt).__name__}, wanted a string",
            "Write debug.print('x: {}', x).",
        )
    _check_format(fmt, args, kwargs)
    printer = _Printer(fmt, tuple(np.get_printoptions().items()))
    debug_callback("debug.print", printer, args, kwargs, ordered)


def breakpoint(*, ordered: bool = False, stdin: Any = None, stdout: Any = None) -> None:
    r"""Stops a program in the debugger, with the values that it has when it runs.

    Eagerly this is ``pdb.set_trace()`` at the line that called it. Under transformations the
    program stops where it runs, under ``vmap`` once for each example: the prompt sees the arrays
    among the caller's variables, and the caller's globals. It can look and go on (``c``) or end
    the program (``q``), not step; ``config.disable_jit`` makes ``jit`` run step by step.

    Args:
      ordered: as for ``debug.print``.
      stdin: where the debugger reads from, None for the terminal.
      stdout: where it writes to.

    Example:
      >>> import io
      >>> import fxad
      >>> commands, shown = io.StringIO("p float(y)\nc\n"), io.StringIO()
      >>> @fxad.jit
      ... def f(x):
      ...     y = x * 2.0
      ...     fxad.debug.breakpoint(stdin=commands, stdout=shown)
      ...     return y
      >>> float(f(3.0)), "(Pdb) 6.0" in shown.getvalue()
      (6.0, True)
    """
    frame = sys._getframe(1)
    if current_trace() is EVAL:
        _debugger(stdin, stdout).set_trace(frame)
        return
    values = {name: x for name, x in frame.f_locals.items() if _is_data(x)}
    code = frame.f_code
    where = f"{code.co_filename}:{frame.f_lineno} in {code.co_name}"
    stop = _Stop(frame.f_globals, stdin, stdout, where)
    debug_callback("debug.breakpoint", stop, (values,), {}, ordered)


def _debugger(stdin: Any, stdout: Any) -> Any:
    """Python's own; loaded when it is wanted, as it takes longer to import than most of fxad."""
    return optional("fxad.debugger", "debug.breakpoint").Debugger(stdin, stdout)


def _is_data(x: Any) -> bool:
    leaves = tree.leaves(x)
    return bool(leaves) and all(map(is_value, leaves))


class _Stop:
    """Opens the debugger on values, as if they were the variables of a line."""

    def __init__(self, names: dict[str, Any], stdin: Any, stdout: Any, where: str) -> None:
        self.globals, self.stdin, self.stdout, self.where = names, stdin, stdout, where

    def __str__(self) -> str:
        return self.where

    def __call__(self, values: dict[str, Any]) -> None:
        builtins.print(f"stopped at {self.where}", file=self.stdout)
        debugger, outer = _debugger(self.stdin, self.stdout), sys.gettrace()
        try:
            debugger.run("pass", self.globals, values)
        finally:
            sys.settrace(outer)  # a debugger that runs the whole goes on
        debugger.raise_if_left()
