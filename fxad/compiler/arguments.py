"""Arguments that a caller of ``jit`` singles out by position or by name: static, or donated."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from typing import Any, NoReturn

import numpy as np

import fxad.tree as tree
from fxad.core.source import error
from fxad.errors import ArgumentTypeError, ArgumentValueError


def _as_tuple(value: Any, kind: type) -> tuple[Any, ...]:
    if value is None:
        return ()
    return (value,) if isinstance(value, kind) else tuple(value)


_POSITIONAL = (inspect.Parameter.POSITIONAL_ONLY, inspect.Parameter.POSITIONAL_OR_KEYWORD)


def _parameters(fun: Callable[..., Any]) -> list[inspect.Parameter] | None:
    """The parameters of a function, where its signature can be read."""
    try:
        return list(inspect.signature(fun).parameters.values())
    except (TypeError, ValueError):
        return None


class Chosen:
    """Arguments that the caller of ``jit`` singles out (``static``, ``donate``), both ways."""

    def __init__(self, kind: str, fun: Callable[..., Any], argnums: Any, argnames: Any) -> None:
        self.kind = kind
        numbers, names = list(_as_tuple(argnums, int)), list(_as_tuple(argnames, str))
        parameters = _parameters(fun)
        self._check(parameters, numbers, names)
        positional = [p.name for p in parameters or () if p.kind in _POSITIONAL]
        # Given alone, either one implies the other: a caller may pass the argument both ways.
        if argnums is None:
            numbers += [positional.index(n) for n in names if n in positional]
        if argnames is None:
            count = len(positional)
            names += [positional[n] for n in numbers if -count <= n < count]
        self.numbers, self.names = tuple(dict.fromkeys(numbers)), frozenset(names)

    def _check(
        self, parameters: list[inspect.Parameter] | None, numbers: list[Any], names: list[Any]
    ) -> None:
        if not all(isinstance(n, int | np.integer) for n in numbers):
            self._refuse(ArgumentTypeError, f"argnums={numbers!r}, wanted integers")
        if not all(isinstance(n, str) for n in names):
            self._refuse(ArgumentTypeError, f"argnames={names!r}, wanted strings")
        if parameters is None:
            return
        listed = [p.name for p in parameters]
        count = sum(p.kind in _POSITIONAL for p in parameters)
        if not any(p.kind is p.VAR_POSITIONAL for p in parameters):
            for n in numbers:
                if not -count <= n < count:
                    self._refuse(
                        ArgumentValueError, f"argnums={n} for a function of the parameters {listed}"
                    )
        open_ended = any(p.kind is p.VAR_KEYWORD for p in parameters)
        unnamed = [p.name for p in parameters if p.kind in (p.POSITIONAL_ONLY, p.VAR_POSITIONAL)]
        for name in names:
            if name in unnamed or not (open_ended or name in listed):
                self._refuse(
                    ArgumentValueError,
                    f"argnames={name!r} for a function of the parameters {listed}"
                    + (", where it is not passed by name" if name in unnamed else ""),
                )

    def _refuse(self, kind: type[Exception], problem: str) -> NoReturn:
        raise error(kind, "jit", f"got {self.kind}_{problem}")

    def check_apart(self, other: Chosen) -> None:
        """Refuses an argument that both name."""
        both = {*self.numbers, *self.names} & {*other.numbers, *other.names}
        if both:
            listed = ", ".join(sorted(map(repr, both)))
            raise error(
                ArgumentValueError,
                "jit",
                f"got an argument that is both {self.kind} and {other.kind}d ({listed}), "
                "wanted one or the other: a static argument is no array",
            )

    def others(self, operands: list[Any], args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
        """The operands that are not leaves of the arguments singled out."""
        chosen = [args[n] for n in self.numbers if -len(args) <= n < len(args)]
        chosen += [kwargs[n] for n in self.names if n in kwargs]
        given = {id(x) for x in tree.leaves(chosen)}
        return [x for x in operands if id(x) not in given]

    def split(
        self, args: tuple[Any, ...], kwargs: dict[str, Any]
    ) -> tuple[tuple[Any, ...], dict[str, Any], dict[int, Any], dict[str, Any]]:
        """Arguments that are traced, by position and name, and those that are not."""
        count = len(args)
        fixed = {n % count: args[n % count] for n in self.numbers if -count <= n < count}
        fixed_names = {k: v for k, v in kwargs.items() if k in self.names}
        for where, value in [*fixed.items(), *fixed_names.items()]:
            try:
                hash(value)
            except TypeError:
                raise error(
                    ArgumentValueError,
                    "jit",
                    f"got the static argument {where!r} of type {type(value).__name__}, which "
                    "cannot be hashed, wanted a hashable value: it is a key of the trace cache",
                    "Pass a tuple for a list, or do not make the argument static.",
                ) from None
        dynamic = tuple(a for i, a in enumerate(args) if i not in fixed) if fixed else args
        rest = {k: v for k, v in kwargs.items() if k not in fixed_names} if fixed_names else kwargs
        return dynamic, rest, fixed, fixed_names
