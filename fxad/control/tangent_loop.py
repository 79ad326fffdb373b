"""Loops of ``Repeat`` transformed: the loop of values and tangents, and the loop over batches."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

from fxad.control.body import of_examples
from fxad.control.call import per_jaxpr
from fxad.control.effects import refuse_io_of_all_examples
from fxad.control.loop import (
    batched_body,
    instantiated,
    jvp_body,
    selected,
    stable_flags,
    stacked_aval,
)
from fxad.control.trajectory import Flags, Repeat
from fxad.core.aval import ShapedArray
from fxad.core.jaxpr import ClosedJaxpr, Jaxpr, Var, dce_jaxpr
from fxad.core.staging import stage
from fxad.ops.base import moveaxis, reshape, shape_of, to_front
from fxad.ops.elementwise import select
from fxad.ops.reduction import reduce_or_p
from fxad.transforms.vmap import batch_jaxpr

# Which operands, and the loop of pairs -----------------------------------------------------------


class Tangent(NamedTuple):
    """The loop of values and tangents, and which operands and results have tangents."""

    repeat: Repeat
    consts_nz: Flags
    carry_nz: Flags
    xs_nz: Flags
    ys_nz: Flags

    def operands(self, repeat: Repeat, args: Sequence[Any], tangents: Sequence[Any]) -> list[Any]:
        """The operands of the loop of pairs; tangents in the order of the operands."""
        tests, consts, carry, xs = repeat.parts(args)
        n, m = sum(self.consts_nz), sum(self.consts_nz) + sum(self.carry_nz)
        return [
            *tests,
            *consts,
            *tangents[:n],
            *carry,
            *tangents[n:m],
            *xs,
            *tangents[m:],
        ]

    def of_primals(self, flags: Sequence[bool]) -> Flags:
        """Flags for the operands of the loop of pairs, from flags of the primal ones."""
        count = sum(self.consts_nz) + sum(self.carry_nz) + sum(self.xs_nz)
        return tuple(self.operands(self.repeat_of_primals, flags, (False,) * count))

    @property
    def repeat_of_primals(self) -> Repeat:
        """How the primal operands are divided."""
        consts, carry = len(self.consts_nz), len(self.carry_nz)
        return self.repeat._replace(body_nconsts=consts, num_carry=carry)

    def results(self, outs: Sequence[Any]) -> tuple[list[Any], list[Any]]:
        """The results of the loop of pairs: values, and tangents where there are any."""
        n, m = len(self.carry_nz), len(self.carry_nz) + sum(self.carry_nz)
        k = m + len(self.ys_nz)
        return [*outs[:n], *outs[m:k]], [*outs[n:m], *outs[k:]]

    def among_results(self, values: Sequence[Any], tangents: Sequence[Any]) -> list[Any]:
        """The inverse of ``results``."""
        n, m = len(self.carry_nz), sum(self.carry_nz)
        return [*values[:n], *tangents[:m], *values[n:], *tangents[m:]]


@per_jaxpr
def _tangent(body: ClosedJaxpr, repeat: Repeat, nonzero: Flags) -> Tangent:
    (jaxpr, hoisted), carry_nz, ys_nz = jvp_body(body, repeat.loop, nonzero[repeat.cond_nconsts :])
    count = len(hoisted)
    opened = Jaxpr(jaxpr.jaxpr.invars[:count], jaxpr.jaxpr.invars[count:], jaxpr.eqns,
                   jaxpr.jaxpr.outvars)
    _, consts_nz, _, xs_nz = map(tuple, repeat.parts(nonzero))
    cond = repeat.cond_jaxpr
    if cond is not None:
        carry = [v.aval for v in cond.jaxpr.invars[repeat.cond_nconsts :]]
        more = [Var(a.strong()) for a in selected(carry, carry_nz)]
        cond = ClosedJaxpr(
            Jaxpr(
                cond.jaxpr.constvars, (*cond.jaxpr.invars, *more), cond.eqns, cond.jaxpr.outvars
            ),
            cond.consts,
        )
    pairs = repeat._replace(
        cond_jaxpr=cond,
        body_jaxpr=ClosedJaxpr(opened, hoisted),
        body_nconsts=repeat.body_nconsts + sum(consts_nz),
        num_carry=repeat.num_carry + sum(carry_nz),
    )
    return Tangent(pairs, consts_nz, carry_nz, xs_nz, ys_nz)


def tangent_of(repeat: Repeat, nonzero: Flags) -> Tangent:
    """The loop of pairs, for tangents of some operands."""
    found: Tangent = _tangent(repeat.body_jaxpr, repeat, nonzero)
    return found


def settled(repeat: Repeat, tangents: Sequence[Any]) -> Flags:
    """Which operands are to have tangents: those of the carry that get one on the way as well."""
    flags = tuple(t is not None for t in tangents)
    tests, consts, _, xs = repeat.parts(flags)
    carry_nz = tangent_of(repeat, flags).carry_nz
    return (*(False for _ in tests), *consts, *carry_nz, *xs)


def in_avals(repeat: Repeat) -> list[ShapedArray]:
    """The types of the operands."""
    tests = [] if repeat.cond_jaxpr is None else repeat.cond_jaxpr.in_avals[: repeat.cond_nconsts]
    consts, carry, xs = repeat.loop.parts(repeat.body_jaxpr.in_avals)
    xs = [stacked_aval(a, repeat.length or 0) for a in xs]
    return [*tests, *consts, *carry, *xs]


def full_tangents(
    repeat: Repeat, nonzero: Flags, tangents: Sequence[Any], others: Any
) -> list[Any]:
    """The tangents that there are to be, zeros for those that were None."""
    return instantiated(tangents, nonzero, in_avals(repeat), others)


def out_avals(repeat: Repeat) -> list[ShapedArray]:
    """The types of the results."""
    n = repeat.num_carry
    out = repeat.body_jaxpr.out_avals
    return [*out[:n], *(stacked_aval(a, repeat.length or 0) for a in out[n:])]


def tangent_out_avals(repeat: Repeat, nonzero: Flags) -> list[ShapedArray]:
    """The types of the results that have tangents."""
    tangent = tangent_of(repeat, nonzero)
    flags = (*tangent.carry_nz, *tangent.ys_nz)
    return [a.strong() for a in selected(out_avals(repeat), flags)]


# Batches -----------------------------------------------------------------------------------------


@per_jaxpr
def _batched(
    body: ClosedJaxpr,
    repeat: Repeat,
    size: int,
    name: Any,
    batched: Flags,
    ys_forced: Flags,
    axis: Any,
) -> tuple[Repeat, Flags, list[int | None], bool]:
    """The loop over whole batches, which carry and outputs are batched, and whether the condition.

    Where examples differ in their number of steps, those that are done stay as they are.
    """
    tests, consts, carry, xs = (
        [0 if flag else None for flag in part] for part in repeat.parts(batched)
    )
    found: dict[str, Any] = {}

    def grow(flags: Flags) -> list[bool]:
        moved = [0 if flag else None for flag in flags]
        if repeat.cond_jaxpr is not None:
            found["cond"] = batch_jaxpr(repeat.cond_jaxpr, axis, [*tests, *moved])
            if found["cond"][1][0] is not None:
                moved = [0] * len(carry)
        forced = [*(d is not None for d in moved), *ys_forced]
        found["body"] = batched_body(body, axis, [*consts, *moved, *xs], forced)
        return [d is not None for d in found["body"][1][: repeat.num_carry]]

    flags = stable_flags([d is not None for d in carry], grow)
    new_body, out_dims = found["body"]
    differ = "cond" in found and found["cond"][1][0] is not None
    changes: dict[str, Any] = {"body_jaxpr": new_body}
    if differ:
        flags_of_body = [*(d is not None for d in consts), *(True for _ in carry)]
        changes = _freezing(repeat, found["cond"][0], new_body, flags_of_body)
    elif "cond" in found:
        changes["cond_jaxpr"] = found["cond"][0]
    return repeat._replace(**changes), flags, out_dims[repeat.num_carry :], differ


def _freezing(
    repeat: Repeat, test: ClosedJaxpr, body: ClosedJaxpr, batched: Sequence[bool]
) -> dict[str, Any]:
    """A loop that goes on while any example does, and keeps those that are done."""
    n = repeat.cond_nconsts
    refuse_io_of_all_examples("while_loop", (test, body))
    again = ClosedJaxpr(dce_jaxpr(test.jaxpr, effects=False), test.consts)

    def goes_on(*args: Any) -> list[Any]:
        return [reduce_or_p.bind(test(*args)[0], axes=(0,))]

    def step(*args: Any) -> list[Any]:
        carry = args[n + repeat.body_nconsts :]
        going = again(*args[:n], *carry)[0]
        dims = [0 if flag else None for flag in batched]
        after = body(*of_examples(repeat.body_jaxpr, going, args[n:], dims))
        return [_where(going, new, old) for new, old in zip(after, carry, strict=True)]

    avals = [*test.in_avals[:n], *body.in_avals]
    return {
        "cond_jaxpr": stage(goes_on, test.in_avals, "vmap"),
        "body_jaxpr": stage(step, avals, "vmap"),
        "body_nconsts": n + repeat.body_nconsts,
    }


def _where(going: Any, new: Any, old: Any) -> Any:
    """For each example one value or the other."""
    return select(reshape(going, (*shape_of(going), *(1,) * (len(shape_of(new)) - 1))), new, old)


class Batch:
    """A loop under ``vmap``: what becomes of its operands and results.

    Where derivatives by some operands are asked for, all of those are batched: the examples share
    no cotangent.
    """

    def __init__(
        self, repeat: Repeat, size: Any, dims: Sequence[int | None], nonzero: Flags | None
    ) -> None:
        self.before, self.size = repeat, size
        flags = nonzero or (False,) * len(dims)
        batched = tuple(d is not None or n for d, n in zip(dims, flags, strict=True))
        count = len(repeat.body_jaxpr.out_avals) - repeat.num_carry
        forced = (False,) * count if nonzero is None else tangent_of(repeat, nonzero).ys_nz
        key = int(size), size.name, batched, forced, size
        found = _batched(repeat.body_jaxpr, repeat, *key)
        self.repeat, carry, ys, self.differ = found
        tests, consts, _, xs = repeat.parts(batched)
        first = [0 if b else None for b in (*tests, *consts, *carry)]
        #: The batch axis of each operand.
        self.dims = [*first, *(1 if b else None for b in xs)]
        self.given = dims
        carried = [0 if b else None for b in carry]
        self.out_dims = [*carried, *(None if d is None else d + 1 for d in ys)]
        if nonzero is not None:
            new = tangent_of(self.repeat, self.flags(nonzero))
            old = tangent_of(repeat, nonzero)
            assert (new.carry_nz, new.ys_nz) == (old.carry_nz, old.ys_nz)

    def _layout(self, parts: tuple[list[Any], ...]) -> tuple[Any, ...]:
        tests, consts, carry, xs = parts
        return (*tests, *(tests if self.differ else ()), *consts, *carry, *xs)

    def operands(self, args: Sequence[Any]) -> list[Any]:
        """The operands of the loop over batches."""
        moved = [
            self._moved(x, d, to) for x, d, to in zip(args, self.given, self.dims, strict=True)
        ]
        return list(self._layout(self.before.parts(moved)))

    def flags(self, nonzero: Flags) -> Flags:
        """The operands that are differentiated by, of the loop over batches."""
        return self._layout(self.before.parts(nonzero))

    def _moved(self, x: Any, dim: int | None, to: int | None) -> Any:
        if to is None:
            return x
        front = to_front(x, dim, self.size)
        return front if to == 0 else moveaxis(front, 0, to)

    def like_operands(
        self, tangents: Sequence[Any], dims: Sequence[int | None], nonzero: Flags
    ) -> list[Any]:
        """Tangents of operands, batched as those are."""
        places = selected(self.dims, nonzero)
        return [self._moved(t, d, to) for t, d, to in zip(tangents, dims, places, strict=True)]

    def like_results(
        self, cts: Sequence[Any], dims: Sequence[int | None], nonzero: Flags
    ) -> list[Any]:
        """Cotangents of results, batched as those are."""
        places = self.tangent_out_dims(nonzero)
        return [self._moved(ct, d, to) for ct, d, to in zip(cts, dims, places, strict=True)]

    def tangent_out_dims(self, nonzero: Flags) -> list[int]:
        """The batch axes of the results that have tangents."""
        tangent = tangent_of(self.before, nonzero)
        return [0] * sum(tangent.carry_nz) + [1] * sum(tangent.ys_nz)
