"""Functions run operation by operation while values are checked, everything they do in sight."""

from __future__ import annotations

import functools
from collections.abc import Callable, Collection
from typing import Any, TypeVar, cast

import numpy as np

import fxad.config as config
import fxad.tree as tree
from fxad.core.aval import aval_of, is_value
from fxad.core.blame import elements, forbidden, marks, report, watching
from fxad.core.primitive import Primitive
from fxad.core.trace import (
    EVAL,
    Trace,
    Tracer,
    current_trace,
    ground,
    register_tracer,
    within,
)
from fxad.transforms.common import flatten_outputs, own
from fxad.transforms.jvp import PrimalTracer

F = TypeVar("F", bound=Callable[..., Any])


class WatchTracer(PrimalTracer):
    """A value as it is, whose operators and NumPy functions are the library's."""

    __slots__ = ()
    transparent = True

    def __init__(self, trace: WatchTrace, primal: Any) -> None:
        self._trace, self.primal = trace, primal

    def differentiated(self) -> bool:
        """Whether what it stands for is."""
        return isinstance(self.primal, Tracer) and self.primal.differentiated()


register_tracer(WatchTracer)


class WatchTrace(Trace):
    """Leaves everything to its parent, and keeps in sight what comes of values in sight."""

    __slots__ = ("transformation",)

    def __init__(self, parent: Trace, transformation: str) -> None:
        super().__init__(parent)
        self.transformation = transformation

    def process(self, primitive: Primitive, args: tuple[Any, ...], params: dict[str, Any]) -> Any:
        """Interprets one application of a primitive."""
        parent: Any = self.parent
        lowered = tuple(map(self.lower, args))
        out = parent.process(primitive, lowered, params)
        if all(a is b for a, b in zip(args, lowered, strict=True)):
            return out
        if primitive.multiple_results:
            return list(map(self.show, out))
        return self.show(out)

    def show(self, value: Any) -> Any:
        """A result in sight; what a trace above put into a function it runs here stays as it is."""
        value = self.lower(value)
        if isinstance(value, Tracer) and value._trace not in self.ancestors():
            return value
        return WatchTracer(self, value)

    def lower(self, value: Any) -> Any:
        """What the parent knows a value as."""
        mine = type(value) is WatchTracer and value._trace is self
        return value.primal if mine else value


def call_watched(
    transformation: str,
    fun: Callable[..., Any],
    args: tuple[Any, ...],
    kwargs: dict[str, Any],
    fixed: Collection[int | str] = (),
    chosen: Callable[[Any], bool] = is_value,
) -> Any:
    """Calls a function operation by operation, and checks what no operation has made.

    The arguments at positions and of names that are ``fixed`` stay as they are, and leaves that are
    not ``chosen``.
    """
    trace = WatchTrace(current_trace(), transformation)
    leaves: list[Any] = []

    def show(x: Any) -> Any:
        if not chosen(x):
            return x
        leaves.append(x)
        # As for a program: Python's bool is no weak number.
        return WatchTracer(trace, np.bool_(x) if type(x) is bool else x)

    def flat() -> tuple[list[Any], Any]:
        seen = [x if i in fixed else tree.map(show, x) for i, x in enumerate(args)]
        named = {k: x if k in fixed else tree.map(show, x) for k, x in kwargs.items()}
        return flatten_outputs(transformation, fun(*seen, **named))

    outs, out_structure = within(trace, flat)
    results = [trace.lower(y) for y in outs]
    name = getattr(fun, "__name__", "function")
    _check_results(transformation, "" if name == transformation else name, leaves, results)
    closed_over = [y for y in outs if type(y) is not WatchTracer]
    return tree.unflatten(out_structure, own(results, [*leaves, *closed_over]))


def rule_in_sight(rule: Callable[..., Any], *args: Any) -> Any:
    """Calls a rule of the user's on flat arguments; plain values are in sight while checked."""
    if not watching() or current_trace() is not EVAL:
        return rule(*args)
    trace = WatchTrace(EVAL, "a rule")
    shown = tree.map(lambda x: WatchTracer(trace, x) if _is_data(x) else x, args)
    return tree.map(trace.lower, within(trace, rule, *shown))


def in_sight(function: F) -> F:
    """Makes a loop or branch run in sight while values are checked.

    On plain values it runs the user's Python as it is, and what that does to arrays is NumPy's.
    """
    name = function.__name__

    @functools.wraps(function)
    def seen(*args: Any, **kwargs: Any) -> Any:
        if not config.op_by_op or not watching():
            return function(*args, **kwargs)
        if current_trace() is EVAL:
            return call_watched(name, function, args, kwargs, chosen=_is_data)
        out = function(*args, **kwargs)
        _check_results(name, "", [], tree.leaves(out))
        return out

    return cast(F, seen)


def _is_data(x: Any) -> bool:
    """Whether a leaf can hold a NaN: no function, no number of steps."""
    return is_value(x) and aval_of(x).dtype.kind in "fc"


def _check_results(transformation: str, name: str, leaves: list[Any], results: list[Any]) -> None:
    """Raises if a result is NaN that went through, or stood in the function as a constant."""
    for kind in forbidden():
        came_in = any(marks(ground(x), kind) is not None for x in leaves)
        for y in results:
            found = marks(ground(y), kind)
            if found is not None and not (came_in and kind == "inf"):
                where = "came in with an input" if came_in else "is a literal or a constant"
                raise report(
                    f"[{transformation}] invalid value ({kind}) encountered in {transformation} "
                    f"{name}".rstrip() + f": {elements(found)} of a result.",
                    [f"No operation of the function made it: it {where}."],
                    "Look at where that value comes from.",
                )
