"""``scan``: a loop with a known number of steps, which carries a value along."""

from __future__ import annotations

import operator
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

import fxad.config as config
import fxad.tree as tree
from fxad.control.body import (
    Body,
    Naming,
    all_concrete,
    as_own,
    gives_way,
    holding,
    joined_carry,
    key_path,
    like_avals,
    merged,
    owned,
    runs_as_python,
    runs_in_sight,
    stage_body,
    unchanged,
)
from fxad.control.call import per_jaxpr
from fxad.control.loop import Loop, bind_loop
from fxad.control.repeat import bind_repeat
from fxad.control.trajectory import Repeat, checked_scheme
from fxad.core.aval import ShapedArray, aval_of, describe
from fxad.core.blame import counts
from fxad.core.jaxpr import ClosedJaxpr
from fxad.core.number import number
from fxad.core.source import error
from fxad.core.staging import stage
from fxad.core.trace import Tracer
from fxad.core.tracebacks import public
from fxad.errors import (
    ArgumentTypeError,
    ArgumentValueError,
    ConcretizationTypeError,
    ShapeError,
    StructureError,
)
from fxad.ops.base import dtype_of, reshape, shape_of
from fxad.ops.indexing import getitem
from fxad.ops.shape import concatenate, stack
from fxad.transforms.common import check_callable, flatten_inputs, flatten_outputs
from fxad.transforms.watch import in_sight


@public
@in_sight
def scan(
    f: Callable[[Any, Any], tuple[Any, Any]],
    init: Any,
    xs: Any = None,
    length: int | None = None,
    reverse: bool = False,
    unroll: int | bool = 1,
    *,
    checkpoint: bool | int | str | None = None,
) -> tuple[Any, Any]:
    """Carries a value through a loop over the first axis of arrays, stacking what each step gives.

    It means::

        ys = []
        for x in xs:
            carry, y = f(carry, x)
            ys.append(y)
        return carry, stack(ys)

    On plain values it runs as that Python does. Under transformations ``f`` is traced once; reverse
    mode keeps what the derivative of each step needs, stacked, and runs a loop backwards.

    Args:
      f: ``f(carry, x) -> (carry, y)``: the carry keeps its tree, shapes and dtypes (a Python number
        gives way to the dtype that comes out).
      init: a pytree, the first carry.
      xs: a pytree of arrays with one length along their first axes, or None.
      length: the number of steps; needed where there are no ``xs``.
      reverse: run from the last slice to the first; ``ys`` stand in the order of ``xs``.
      unroll: how many steps to put into one turn of the loop; True and 0 put all in one.
      checkpoint: what reverse mode keeps of ``n`` steps: None, the residuals of all; True or
        ``"sqrt"``, some ``2 sqrt(n)`` states for one more run of each step; ``"log"``, some
        ``2 log2(n)`` states for ``O(log n)`` runs; an integer, that many states.

    Returns:
      ``(carry, ys)``: the last carry, and what the steps gave, stacked along a new first axis.

    Raises:
      StructureError: the carry changes its tree, shape or dtype; the message names the leaf.
      ShapeError: the lengths of ``xs`` differ from one another or from ``length``.
      ArgumentTypeError: ``f`` does not return a pair.
      ArgumentValueError: the length is negative or not known.

    Example:
      >>> import numpy as np, fxad
      >>> from fxad import lax
      >>> total, sums = lax.scan(lambda c, x: (c + x, c + x), 0.0, np.array([1.0, 2.0, 3.0]))
      >>> float(total), sums.tolist()
      (6.0, [1.0, 3.0, 6.0])
      >>> def growth(rate):
      ...     return lax.scan(lambda c, _: (rate * c, None), 1.0, length=3)[0]
      >>> float(fxad.grad(growth)(2.0))
      12.0
    """
    check_callable("scan", f, "lax.scan(f, init, xs)")
    return looped(Naming("scan"), f, init, xs, length, reverse, unroll, checkpoint)


def looped(
    naming: Naming,
    f: Callable[[Any, Any], tuple[Any, Any]],
    init: Any,
    xs: Any,
    length: Any,
    reverse: bool,
    unroll: Any,
    checkpoint: Any,
) -> tuple[Any, Any]:
    """``scan``, for a loop of another name as well."""
    leaves, structure = flatten_inputs(naming.operation, (init, xs))
    init_structure, _ = structure.children()
    count = init_structure.num_leaves
    init_leaves, xs_leaves = leaves[:count], leaves[count:]
    steps = _length(xs_leaves, structure, length)
    group = _unrolled(naming.operation, unroll, steps)
    scheme = checked_scheme(naming.operation, checkpoint)
    loop = Steps(naming, f, structure, count, steps, reverse, scheme)
    if (runs_in_sight(leaves) or runs_as_python(leaves)) and (steps or config.disable_jit):
        return loop.run(init_leaves, xs_leaves)
    try:
        return loop.bind(init_leaves, xs_leaves, group)
    except ConcretizationTypeError:
        # The body needs values, and they are there: under derivatives it runs as Python does.
        if not (steps and all_concrete(leaves)):
            raise
        return loop.run(init_leaves, xs_leaves)


def _length(xs: Sequence[Any], structure: Any, length: Any) -> int:
    lengths = []
    for i, x in enumerate(xs):
        if not shape_of(x):
            path = key_path(structure.children()[1], i)
            raise error(
                ShapeError,
                "scan",
                f"got xs{path} {describe(x)}, wanted arrays with a first axis to scan over",
            )
        lengths.append(shape_of(x)[0])
    if length is not None:
        try:
            lengths.append(operator.index(length))
        except TypeError:
            raise error(
                ConcretizationTypeError if isinstance(length, Tracer) else ArgumentTypeError,
                "scan",
                f"got length={describe(length)}, wanted an integer",
                "The number of steps must be known: fori_loop and while_loop take others.",
            ) from None
        if lengths[-1] < 0:
            raise error(ArgumentValueError, "scan", f"got length={length}, wanted at least 0")
    if not lengths:
        raise error(
            ArgumentValueError,
            "scan",
            "got neither xs nor length, wanted the number of steps",
            "Write length=n.",
        )
    if len(set(lengths)) > 1:
        paths = [key_path(structure.children()[1], i) for i in range(len(xs))]
        listed = [f"xs{path} has {n}" for path, n in zip(paths, lengths, strict=False)]
        listed += [f"length={n}" for n in lengths[len(xs) :]]
        raise error(
            ShapeError,
            "scan",
            f"got different lengths along the first axis: {', '.join(listed)}",
            "All arrays that are scanned over must have one length.",
        )
    return lengths[0]


def _unrolled(operation: str, unroll: Any, steps: int) -> int:
    if isinstance(unroll, bool | np.bool_):
        return max(steps, 1) if unroll else 1
    if not isinstance(unroll, int | np.integer) or unroll < 0:
        raise error(
            ConcretizationTypeError if isinstance(unroll, Tracer) else ArgumentValueError,
            operation,
            f"got unroll={unroll!r}, wanted True, False or an integer of at least 0",
        )
    return max(int(min(unroll, steps) or steps), 1)


class Steps:
    """A loop over a user's function: run as Python, or staged and bound."""

    def __init__(
        self,
        naming: Naming,
        fun: Callable[..., Any],
        structure: Any,
        count: int,
        length: int,
        reverse: bool,
        scheme: Any,
    ) -> None:
        self.naming, self.fun, self.structure, self.count = naming, fun, structure, count
        self.length, self.reverse, self.scheme = length, reverse, scheme
        self.init_structure = structure.children()[0]

    def step(self, *leaves: Any) -> tuple[list[Any], Any]:
        """One step: the carry's leaves and those of the slice of output, and both structures."""
        carry, x = tree.unflatten(self.structure, leaves)
        pair = self.fun(carry, x)
        if not isinstance(pair, tuple | list) or len(pair) != 2:
            raise error(
                ArgumentTypeError,
                "scan",
                f"got a function that returned {_kind(pair)}, wanted a pair (carry, y)",
                "Return (carry, None) where the steps give nothing to stack.",
            )
        carried, carry_structure = flatten_outputs(self.naming.operation, pair[0])
        ys, ys_structure = flatten_outputs(self.naming.operation, pair[1])
        return [*carried, *ys], (carry_structure, ys_structure)

    def check(
        self, structures: Any, before: list[ShapedArray], after: Sequence[ShapedArray]
    ) -> list[ShapedArray]:
        """The types of the carry, given those that go in and those that come out."""
        count = structures[0].num_leaves
        return joined_carry(
            self.naming, self.init_structure, before, structures[0], list(after[:count])
        )

    # As Python --------------------------------------------------------------------------------

    def run(self, carry: list[Any], xs: list[Any]) -> tuple[Any, Any]:
        """Runs the user's function step by step."""
        inputs = [*carry, *xs]
        indices = range(self.length)[::-1] if self.reverse else range(self.length)
        if not self.length:
            raise error(
                ArgumentValueError,
                "scan",
                "got a loop of no steps with jit disabled, wanted at least one step: "
                "what a step would give is not known without tracing it",
            )
        carry = as_own(carry)
        rows: list[list[Any]] = []
        ys_structure: Any = None
        avals = [aval_of(c) for c in carry]
        for turn, i in enumerate(indices):
            outs, structures = self.step(*carry, *(_slice(x, i) for x in xs))
            wanted = self.check(structures, avals, [aval_of(y) for y in outs])
            if turn == 0 and gives_way(avals, wanted):
                outs, wanted = self.first_again(carry, wanted, xs, i, outs)
            carry = list(map(number, outs[: self.count]))
            if wanted is not avals:
                carry, avals = like_avals(carry, wanted), wanted
            rows.append(as_own(outs[self.count :]))
            if turn and structures[1] != ys_structure:
                raise error(
                    StructureError,
                    "scan",
                    f"got a body whose output changes its structure at step {turn}: "
                    f"{tree.mismatch(ys_structure, structures[1], name='y')}",
                )
            ys_structure = structures[1]
        if self.reverse:
            rows.reverse()
        ys = [stack(column, 0) for column in zip(*rows, strict=True)]
        outs = owned([*carry, *ys], inputs)
        return self.output(outs, ys_structure)

    def first_again(
        self, carry: list[Any], avals: list[ShapedArray], xs: list[Any], i: int, outs: list[Any]
    ) -> tuple[list[Any], list[ShapedArray]]:
        """The first step as all the others are, after a number of the carry that gave way.

        It has run, with all of its effects: of a step that can be traced only the types change.
        """
        slices = [ShapedArray(shape_of(x)[1:], dtype_of(x)) for x in xs]
        try:
            body, avals = self.staged(avals, slices)
        except ConcretizationTypeError:
            outs, structures = self.step(
                *like_avals(carry, avals, [*carry, *xs]), *(_slice(x, i) for x in xs)
            )
            return outs, self.check(structures, avals, [aval_of(y) for y in outs])
        return like_avals(outs, body.out_avals, [*carry, *xs]), avals

    # As a program -----------------------------------------------------------------------------

    def bind(self, init: list[Any], xs: list[Any], group: int) -> tuple[Any, Any]:
        """Stages the user's function and binds the loop, ``group`` steps to a turn."""
        slices = [ShapedArray(shape_of(x)[1:], dtype_of(x)) for x in xs]
        body, avals = self.staged([aval_of(c) for c in init], slices)
        before = like_avals(init, avals, xs)
        held = unchanged(body, self.count)
        body = holding(body, held, before, outputs=True)
        carry = [c for c, flag in zip(before, held, strict=True) if not flag]
        whole = self.length - self.length % group
        rows: list[list[Any]] = []
        for start, stop, size in ((0, whole, group), (whole, self.length, 1))[:: self._direction]:
            if stop > start or not self.length:
                part = [x if stop - start == self.length else getitem(x, slice(start, stop))
                        for x in xs]
                carry, ys = self.bind_part(body, carry, part, (stop - start) // size, size)
                rows.append(ys)
            if not self.length:
                break
        rows = rows[:: self._direction]
        ys = [c[0] if len(c) == 1 else concatenate(c, 0) for c in zip(*rows, strict=True)]
        carry = merged(before, held, carry)
        return self.output(owned([*carry, *ys], [*init, *xs]), body.structure[1])

    @property
    def _direction(self) -> int:
        return -1 if self.reverse else 1

    def bind_part(
        self, body: Body, carry: list[Any], xs: list[Any], turns: int, size: int
    ) -> tuple[list[Any], list[Any]]:
        """A loop of some turns of ``size`` steps each."""
        closed, consts, count = body.closed, body.consts, len(carry)
        if size > 1:
            closed = _several(closed, len(consts), count, size, self.reverse)
            xs = [reshape(x, (turns, size, *shape_of(x)[1:])) for x in xs]
        if self.scheme is None:
            loop = Loop(len(consts), count, turns, self.reverse)
            outs = bind_loop((closed, consts), loop, (), carry, xs)
        else:
            divided = None, closed, 0, len(consts), count, turns, self.reverse, self.scheme
            outs = bind_repeat(Repeat(*divided), [*consts, *carry, *xs])
        carry, ys = outs[:count], outs[count:]
        if size > 1:
            ys = [reshape(y, (turns * size, *shape_of(y)[2:])) for y in ys]
        return carry, ys

    def staged(
        self, avals: list[ShapedArray], slices: list[ShapedArray]
    ) -> tuple[Body, list[ShapedArray]]:
        """The body with a carry of types that stay as they are."""
        while True:
            body = stage_body(self.naming.operation, self.fun, self.step, [*avals, *slices])
            wanted = self.check(body.structure, avals, body.out_avals)
            if wanted == avals:
                break
            avals = wanted
        if body.out_avals[: self.count] != avals:

            def converted(*leaves: Any) -> tuple[list[Any], Any]:
                outs, structures = self.step(*leaves)
                carried = like_avals(outs[: self.count], avals)
                return [*carried, *outs[self.count :]], structures

            body = stage_body(self.naming.operation, self.fun, converted, [*avals, *slices])
        return body, avals

    def output(self, leaves: list[Any], ys_structure: Any) -> tuple[Any, Any]:
        """The pair of trees that ``scan`` returns."""
        carry = tree.unflatten(self.init_structure, leaves[: self.count])
        return carry, tree.unflatten(ys_structure, leaves[self.count :])


counts(Steps.run, "step", "scan", "i")


def _kind(x: Any) -> str:
    if isinstance(x, tuple | list):
        return f"a {type(x).__name__} of {len(x)}"
    return describe(x) if x is not None else "None"


def _slice(x: Any, i: int) -> Any:
    """A slice as the body gets it: its own array, so that it may write to it."""
    return getitem(x, i) if type(x) is not np.ndarray else x[i].copy() if x.ndim > 1 else x[i]


@per_jaxpr
def _several(
    closed: ClosedJaxpr, num_consts: int, num_carry: int, size: int, reverse: bool
) -> ClosedJaxpr:
    """The jaxpr of several steps of a loop at once."""

    def steps(*args: Any) -> list[Any]:
        consts, carry = args[:num_consts], list(args[num_consts : num_consts + num_carry])
        rows = []
        for i in range(size)[::-1] if reverse else range(size):
            xs = [getitem(x, i) for x in args[num_consts + num_carry :]]
            outs = closed(*consts, *carry, *xs)
            carry = outs[:num_carry]
            rows.append(outs[num_carry:])
        rows = rows[::-1] if reverse else rows
        return [*carry, *(stack(column, 0) for column in zip(*rows, strict=True))]

    split = num_consts + num_carry
    xs = [ShapedArray((size, *a.shape), a.dtype) for a in closed.in_avals[split:]]
    staged = stage(steps, [*closed.in_avals[:split], *xs], "scan")
    assert not staged.consts, "an index by a number makes no constants"
    return staged
