"""``while_loop`` and ``fori_loop``: loops whose number of steps only running them may tell."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, TypeVar

import numpy as np

import fxad.config as config
import fxad.tree as tree
from fxad.control.body import (
    Body,
    Naming,
    all_concrete,
    as_own,
    flat_call,
    gives_way,
    holding,
    joined_carry,
    like_avals,
    merged,
    owned,
    runs_as_python,
    stage_body,
    unchanged,
)
from fxad.control.repeat import bind_repeat
from fxad.control.scan import looped
from fxad.control.trajectory import Repeat, checked_scheme, exceeded
from fxad.core.aval import ShapedArray, aval_of, describe, is_value, promote
from fxad.core.blame import counts
from fxad.core.number import number
from fxad.core.source import error
from fxad.core.trace import EVAL, Tracer, current_trace
from fxad.core.tracebacks import public
from fxad.errors import (
    ArgumentTypeError,
    ArgumentValueError,
    ConcretizationTypeError,
)
from fxad.ops.base import convert
from fxad.ops.identity import copy
from fxad.transforms.common import check_callable, flatten_inputs
from fxad.transforms.watch import in_sight

T = TypeVar("T")


@public
@in_sight
def while_loop(
    cond_fun: Callable[[Any], Any],
    body_fun: Callable[[Any], Any],
    init_val: Any,
    *,
    checkpoint: bool | int | str | None = None,
    max_steps: int | None = None,
) -> Any:
    """Carries a value through a loop while a condition holds of it.

    It means::

        value = init_val
        while cond_fun(value):
            value = body_fun(value)
        return value

    On plain values it runs as that Python does. Under transformations both functions are traced
    once. Reverse mode works whatever the number of steps: what the derivative of each step needs is
    kept on a stack that grows with them, or, with ``checkpoint``, some of the states, from which
    the steps are run again.

    Under ``vmap`` the loop runs until all examples are done; those that are done stay as they are.

    Args:
      cond_fun: ``cond_fun(value)``: a truth value of shape ``()``.
      body_fun: ``body_fun(value) -> value``, of the same tree, shapes and dtypes (a Python number
        gives way to the dtype that comes out).
      init_val: a pytree, the first value.
      checkpoint: what reverse mode keeps of ``n`` steps: None, the residuals of all; True or
        ``"sqrt"``, some ``2 sqrt(n)`` states for one more run of each step; ``"log"``, some
        ``2 log2(n)`` states for ``O(log n)`` runs; an integer, that many states.
      max_steps: an error is raised if the condition still holds after so many steps.

    Returns:
      The first value of which the condition does not hold.

    Raises:
      StructureError: the value changes its tree, shape or dtype; the message names the leaf.
      ArgumentTypeError: the condition is not a truth value of shape ``()``.
      LoopBoundError: the loop takes more than ``max_steps`` steps.

    Source: the schedule under ``checkpoint``: Griewank and Walther, Revolve, ACM Transactions on
    Mathematical Software 26, 2000.

    Example:
      >>> import numpy as np, fxad
      >>> from fxad import lax
      >>> def root(a):  # by Newton's method
      ...     return lax.while_loop(lambda x: abs(x * x - a) > 1e-9, lambda x: (x + a / x) / 2, a)
      >>> round(float(root(2.0)), 6), round(float(fxad.grad(root)(2.0)), 6)
      (1.414214, 0.353553)
    """
    for fun in (cond_fun, body_fun):
        check_callable("while_loop", fun, "lax.while_loop(cond_fun, body_fun, init_val)")
    return _looped(
        Naming("while_loop"), cond_fun, body_fun, init_val, checkpoint, _max_steps(max_steps)
    )


def _max_steps(max_steps: Any) -> int | None:
    if max_steps is None:
        return None
    if isinstance(max_steps, int | np.integer) and max_steps >= 0:
        return int(max_steps)
    raise error(
        ArgumentValueError,
        "while_loop",
        f"got max_steps={max_steps!r}, wanted None or an integer of at least 0",
    )


def _looped(
    naming: Naming,
    cond_fun: Callable[[Any], Any],
    body_fun: Callable[[Any], Any],
    init_val: Any,
    checkpoint: Any,
    max_steps: int | None = None,
) -> Any:
    """``while_loop``, for a loop of another name as well."""
    scheme = checked_scheme(naming.operation, checkpoint)
    leaves, structure = flatten_inputs(naming.operation, init_val)
    loop = _While(naming, cond_fun, body_fun, structure, scheme, max_steps)
    if runs_as_python(leaves):
        try:
            return loop.run(leaves)
        except ConcretizationTypeError:
            if not config.disable_jit and current_trace() is EVAL:
                raise
            # The condition differs between the examples of a vmap, or is only counted: no Python
            # can follow it.
    try:
        return loop.bind(leaves)
    except ConcretizationTypeError:
        # A function needs values, and they are there: under derivatives it runs as Python does.
        if not all_concrete(leaves):
            raise
        return loop.run(leaves)


class _While:
    """A loop over a user's functions: run as Python, or staged and bound."""

    def __init__(
        self, naming: Naming, cond: Callable[..., Any], body: Callable[..., Any], structure: Any,
        scheme: Any, max_steps: int | None,
    ) -> None:
        self.naming, self.cond, self.body, self.structure = naming, cond, body, structure
        self.scheme, self.max_steps = scheme, max_steps
        self.step = flat_call(naming.operation, body, tuple_of(structure))

    def goes_on(self, leaves: Sequence[Any]) -> Any:
        """What the condition says, checked to be a truth value."""
        out = self.cond(tree.unflatten(self.structure, leaves))
        if is_value(out):
            aval = aval_of(out)
            if aval.shape == () and aval.dtype.kind == "b":
                return out
        raise error(
            ArgumentTypeError,
            "while_loop",
            f"got a condition that returned {describe(out)}, wanted a truth value of shape ()",
            "Reduce it: np.any(x), np.all(x); compare numbers: x != 0.",
        )

    def run(self, leaves: list[Any]) -> Any:
        """Runs the user's functions step by step."""
        carry = as_own(leaves)
        avals, steps = [aval_of(c) for c in carry], 0
        while self.goes_on(carry):
            if steps == self.max_steps:
                raise exceeded(steps)
            outs, structure = self.step(*carry)
            after = [aval_of(y) for y in outs]
            wanted = joined_carry(self.naming, self.structure, avals, structure, after)
            if steps == 0 and gives_way(avals, wanted):
                # A number that gave way: the first step as all the others are. It has run, with
                # all of its effects: of a step that can be traced only the types change.
                try:
                    wanted = self.staged(wanted)[1]
                except ConcretizationTypeError:
                    carry, avals = like_avals(carry, wanted, leaves), wanted
                    continue
            carry, steps = list(map(number, outs)), steps + 1
            if wanted is not avals:
                carry, avals = like_avals(carry, wanted), wanted
        return tree.unflatten(self.structure, owned(carry, leaves))

    def bind(self, leaves: list[Any]) -> Any:
        """Stages the user's functions and binds the loop."""
        body, avals = self.staged([aval_of(x) for x in leaves])
        test = stage_body("while_loop", self.cond, lambda *xs: ([self.goes_on(xs)], None), avals)
        before = like_avals(leaves, avals)
        held = unchanged(body, len(leaves))
        test = holding(test, held, before, outputs=False)
        body = holding(body, held, before, outputs=True)
        carry = [c for c, flag in zip(before, held, strict=True) if not flag]
        repeat = Repeat(
            test.closed,
            body.closed,
            len(test.consts),
            len(body.consts),
            len(carry),
            checkpoint=self.scheme,
            max_steps=self.max_steps,
        )
        outs = merged(before, held, bind_repeat(repeat, [*test.consts, *body.consts, *carry]))
        return tree.unflatten(self.structure, owned(outs, leaves))

    def staged(self, avals: list[ShapedArray]) -> tuple[Body, list[ShapedArray]]:
        """The body with a carry of types that stay as they are."""
        while True:
            body = stage_body(self.naming.operation, self.body, self.step, avals)
            wanted = joined_carry(
                self.naming, self.structure, avals, body.structure, body.out_avals
            )
            if wanted == avals:
                break
            avals = wanted
        if body.out_avals != avals:

            def converted(*leaves: Any) -> tuple[list[Any], Any]:
                outs, structure = self.step(*leaves)
                return like_avals(outs, avals), structure

            body = stage_body(self.naming.operation, self.body, converted, avals)
        return body, avals


counts(_While.run, "step", "while_loop", "steps")


def tuple_of(structure: Any) -> Any:
    """The structure of a tuple of one such tree."""
    return tree.structure((tree.unflatten(structure, range(structure.num_leaves)),))


@public
@in_sight
def fori_loop(
    lower: Any,
    upper: Any,
    body_fun: Callable[[Any, Any], Any],
    init_val: Any,
    *,
    unroll: int | bool | None = None,
    checkpoint: bool | int | str | None = None,
) -> Any:
    """Carries a value through a loop over the integers from ``lower`` to ``upper``.

    It means::

        value = init_val
        for i in range(lower, upper):
            value = body_fun(i, value)
        return value

    Bounds that are known make it a ``scan``, others a ``while_loop``; both are differentiated in
    both modes.

    Args:
      lower: an integer of shape ``()``, the first index.
      upper: an integer of shape ``()``, after the last index. Both may be whole floats instead.
      body_fun: ``body_fun(i, value) -> value``, of the same tree, shapes and dtypes. ``i`` has the
        dtype of ``lower``; of a Python integer it gives way to the dtypes beside it as that does.
      init_val: a pytree, the first value.
      unroll: how many steps to put into one turn of the loop; only for bounds that are known.
      checkpoint: as for ``while_loop``.

    Returns:
      The last value.

    Raises:
      StructureError: the value changes its tree, shape or dtype; the message names the leaf.
      ArgumentTypeError: a bound is not an integer of shape ``()``.

    Example:
      >>> import numpy as np, fxad
      >>> from fxad import lax
      >>> def power(x, n):
      ...     return lax.fori_loop(0, n, lambda i, y: y * x, 1.0)
      >>> float(power(2.0, 5)), float(fxad.jit(fxad.grad(power))(2.0, 5))
      (32.0, 80.0)
    """
    check_callable("fori_loop", body_fun, "lax.fori_loop(lower, upper, body_fun, init_val)")
    flatten_inputs("fori_loop", init_val)
    kinds = "f" if _is_float(lower) and _is_float(upper) else "iu"
    first, last = _bound("lower", lower, kinds), _bound("upper", upper, kinds)
    index, end = aval_of(lower), aval_of(upper)
    if not index.weak_type:
        lower = convert(lower, promote((index, end))[0])
    if first is not None and last is not None:

        @_same_code(body_fun)
        def step(carry: Any, _: Any) -> tuple[Any, None]:
            i, value = carry
            return (i + 1, body_fun(i, value)), None

        steps, unroll = max(last - first, 0), False if unroll is None else unroll
        if not steps and config.disable_jit:  # where a scan refuses to trace its body
            return tree.map(copy, init_val)
        carry = looped(
            Naming("fori_loop", part=1), step, (lower, init_val), None, steps, False, unroll,
            checkpoint,
        )[0]
        return carry[1]
    if unroll not in (None, 1, False):
        raise error(
            ArgumentValueError,
            "fori_loop",
            f"got unroll={unroll!r} and bounds whose values are not known, wanted known ones",
            "Drop unroll, or pass the bounds as static_argnums of jit.",
        )

    def goes_on(carry: Any) -> Any:
        i, end, _ = carry
        return i < end

    @_same_code(body_fun)
    def turn(carry: Any) -> Any:
        i, end, value = carry
        return i + 1, end, body_fun(i, value)

    start = lower, upper, init_val
    return _looped(Naming("fori_loop", part=2), goes_on, turn, start, checkpoint)[2]


def _same_code(fun: Callable[..., Any]) -> Callable[[T], T]:
    """Marks a function as a user's function in another form, for what remembers by its code."""

    def mark(wrapper: T) -> T:
        wrapper.__wrapped__ = fun  # type: ignore[attr-defined]
        return wrapper

    return mark


def _is_float(x: Any) -> bool:
    return is_value(x) and aval_of(x).dtype.kind == "f"


def _bound(name: str, x: Any, kinds: str) -> int | None:
    """The value of a bound where it is known; of two fractions that are whole as well."""
    if is_value(x):
        aval = aval_of(x)
        if aval.shape == () and aval.dtype.kind in kinds:
            value = x.concrete() if isinstance(x, Tracer) else x
            if value is None or value % 1 == 0:
                return None if value is None else int(value)
    raise error(
        ArgumentTypeError,
        "fori_loop",
        f"got {name}={describe(x)}, wanted an integer of shape ()",
    )
