"""``scan_p``: a jaxpr applied a known number of times, and all of its rules.

The operands are constants, the carry, and arrays that are scanned over their first axis; the jaxpr
takes one slice of those, and gives the carry and one slice of each stacked output.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import numpy as np

from fxad.control.body import check_zero, giving_way, split_by_linearizing
from fxad.control.call import Call, jaxpr_cost, per_jaxpr, present, spread
from fxad.control.products import Product, summed, take_products_out, unchanging
from fxad.core.aval import ShapedArray
from fxad.core.blame import counts
from fxad.core.jaxpr import (
    ClosedJaxpr,
    Jaxpr,
    Literal,
    Var,
    axis_names,
    dce_jaxpr,
    eval_jaxpr,
    prepare,
)
from fxad.core.primitive import Primitive
from fxad.core.staging import hoist, stage
from fxad.core.trace import EvalTrace, current_trace, is_linear, within
from fxad.ops.base import add_any, convert, dtype_of, moveaxis, to_front
from fxad.transforms.jvp import jvp_flat, zeros_for
from fxad.transforms.nodes import backward
from fxad.transforms.staged import linearize_jaxpr
from fxad.transforms.tape import TapeTrace
from fxad.transforms.vmap import batch_jaxpr

Flags = tuple[bool, ...]


class Loop(NamedTuple):
    """How the operands and results of a loop are divided, and how it runs."""

    num_consts: int
    num_carry: int
    length: int
    reverse: bool

    def parts(self, values: Sequence[Any]) -> tuple[list[Any], list[Any], list[Any]]:
        """Constants, carry, and what is scanned."""
        start, end = self.num_consts, self.num_consts + self.num_carry
        return list(values[:start]), list(values[start:end]), list(values[end:])


def bind_loop(
    call: Call,
    loop: Loop,
    consts: Sequence[Any],
    carry: Sequence[Any],
    xs: Sequence[Any],
    linear: bool = False,
) -> list[Any]:
    """Runs a jaxpr whose own constants come first as a loop over these operands."""
    jaxpr, hoisted = call
    outs: list[Any] = scan_p.bind(
        *hoisted,
        *consts,
        *carry,
        *xs,
        jaxpr=jaxpr,
        num_consts=len(hoisted) + len(consts),
        num_carry=len(carry),
        length=loop.length,
        reverse=loop.reverse,
        axis_name=axis_names(jaxpr),
        linear=linear,
    )
    return outs


def selected(values: Sequence[Any], flags: Sequence[bool]) -> list[Any]:
    """The values that are flagged."""
    return [v for v, flag in zip(values, flags, strict=True) if flag]


def stable_flags(start: Sequence[bool], grow: Callable[[Flags], Sequence[bool]]) -> Flags:
    """The least flags from ``start`` on that one turn of the loop leaves as they are."""
    flags = tuple(start)
    while True:
        after = tuple(a or b for a, b in zip(flags, grow(flags), strict=True))
        if after == flags:
            return flags
        flags = after


# Forward mode ------------------------------------------------------------------------------------


@per_jaxpr
def jvp_body(closed: ClosedJaxpr, loop: Loop, nonzero: Flags) -> tuple[Call, Flags, Flags]:
    """The jaxpr with tangents after the primals of each kind; which of them there are."""
    consts_nz, carry_nz, xs_nz = map(tuple, loop.parts(nonzero))
    count = len(closed.in_avals)
    found: list[Flags] = []

    def both(flags: Flags, *args: Any) -> list[Any]:
        given = iter(args[count:])
        tangents = [next(given) if flag else None for flag in (*consts_nz, *flags, *xs_nz)]
        outs, pushed = jvp_flat(closed, args[:count], tangents)
        found.append(tuple(t is not None for t in pushed))
        n = loop.num_carry
        carried = [
            zeros_for(a.strong(), args) if t is None else t
            for t, a, flag in zip(pushed[:n], closed.out_avals[:n], flags, strict=True)
            if flag
        ]
        return [*outs[:n], *carried, *outs[n:], *present(pushed[n:])]

    def grow(flags: Flags) -> Flags:
        avals = [*closed.in_avals, *selected(closed.in_avals, (*consts_nz, *flags, *xs_nz))]
        stage(lambda *args: both(flags, *args), avals, "scan")
        return found[-1][: loop.num_carry]

    carry_nz = stable_flags(carry_nz, grow)
    consts, carry, xs = loop.parts(closed.in_avals)
    pairs = (consts, consts_nz), (carry, carry_nz), (xs, xs_nz)
    groups = [group for part, flags in pairs for group in (part, selected(part, flags))]

    def arranged(*args: Any) -> list[Any]:
        given = iter(args)
        parts = [[next(given) for _ in group] for group in groups]
        return both(carry_nz, *(x for part in parts[::2] + parts[1::2] for x in part))

    staged = stage(arranged, [a for group in groups for a in group], "scan")
    return hoist(staged), carry_nz, found[-1][loop.num_carry :]


def _scan_jvp(
    primals: Sequence[Any], tangents: Sequence[Any], *, jaxpr: ClosedJaxpr, **params: Any
) -> tuple[list[Any], list[Any]]:
    loop = _loop(params)
    call, carry_nz, ys_nz = jvp_body(jaxpr, loop, tuple(t is not None for t in tangents))
    consts, carry, xs = loop.parts(primals)
    dot_consts, dot_carry, dot_xs = loop.parts(tangents)
    outs = bind_loop(
        call,
        loop,
        [*consts, *present(dot_consts)],
        [*carry, *instantiated(dot_carry, carry_nz, loop.parts(jaxpr.in_avals)[1], primals)],
        [*xs, *present(dot_xs)],
    )
    n, m = loop.num_carry, loop.num_carry + sum(carry_nz)
    ys = outs[m : m + len(ys_nz)]
    pushed = spread(outs[n:m], carry_nz) + spread(outs[m + len(ys_nz) :], ys_nz)
    return [*outs[:n], *ys], pushed


def instantiated(
    tangents: Sequence[Any], flags: Sequence[bool], avals: Sequence[ShapedArray], others: Any
) -> list[Any]:
    """The tangents that there are to be, zeros for those that were None."""
    return [
        zeros_for(a.strong(), others) if t is None else t
        for t, flag, a in zip(tangents, flags, avals, strict=True)
        if flag
    ]


# Reverse mode ------------------------------------------------------------------------------------


class Linearized(NamedTuple):
    """A loop that also stacks residuals, and the linear loop over them.

    ``invariants`` computes of the constants what the linear loop's constants shall be; ``scanned``
    are the operands that are residuals themselves, ``stacked`` the results of ``forward`` that are.
    """

    forward: Call
    invariants: Call
    scanned: list[int]
    stacked: list[int]
    linear: Call
    carry_nz: Flags
    ys_nz: Flags


@per_jaxpr
def linearized_body(closed: ClosedJaxpr, loop: Loop, nonzero: Flags) -> Linearized:
    """The parts of a loop's derivative by some operands."""
    consts_nz, carry_nz, xs_nz = map(tuple, loop.parts(nonzero))

    def grow(flags: Flags) -> Sequence[bool]:
        return linearize_jaxpr(closed, (*consts_nz, *flags, *xs_nz))[2][: loop.num_carry]

    carry_nz = stable_flags(carry_nz, grow)
    forward, linear, out_nz = linearize_jaxpr(closed, (*consts_nz, *carry_nz, *xs_nz))
    count = len(closed.out_avals)
    outvars = forward.jaxpr.outvars
    fixed, scanned, stacked = _classified(forward.jaxpr, loop, outvars[count:])
    place = {atom: i for i, atom in enumerate([*fixed, *scanned, *stacked])}
    where = [place[atom] for atom in outvars[count:]]
    tangent_avals = linear.in_avals[len(where) :]
    stacked_now = {*scanned, *stacked}
    is_weak = [atom in stacked_now and atom.aval.weak_type for atom in outvars[count:]]
    linear, twins = giving_way(linear, is_weak)
    split_at = sum(consts_nz), sum(consts_nz) + sum(carry_nz)
    n_fixed, n_scanned = len(fixed), len(scanned) + len(stacked)

    def body(*args: Any) -> list[Any]:
        start = n_fixed + split_at[1]
        residuals = [*args[:n_fixed], *args[start : start + n_scanned]]
        tangents = [*args[n_fixed:start], *args[start + n_scanned :]]
        given = [residuals[i] for i in where]
        scales = [convert(given[i], dtype) for i, dtype in twins]
        pushed = spread(linear(*given, *tangents, *scales), out_nz)
        pushed = as_typed(pushed, closed.out_avals)
        carried = instantiated(
            pushed[: loop.num_carry], carry_nz, closed.out_avals[: loop.num_carry], args
        )
        return [*carried, *present(pushed[loop.num_carry :])]

    avals = [
        *(atom.aval for atom in fixed),
        *tangent_avals[: split_at[1]],
        *(atom.aval.strong() for atom in (*scanned, *stacked)),
        *tangent_avals[split_at[1] :],
    ]
    jaxpr = forward.jaxpr
    # What is stacked as a result already is not stacked again.
    results = list(outvars[:count])
    results += [v for v in stacked if v not in results[loop.num_carry :]]
    saving = Jaxpr(jaxpr.constvars, jaxpr.invars, jaxpr.eqns, results)
    computing = Jaxpr(jaxpr.constvars, jaxpr.invars[: loop.num_consts], jaxpr.eqns, fixed)
    return Linearized(
        hoist(ClosedJaxpr(saving, forward.consts)),
        hoist(ClosedJaxpr(dce_jaxpr(computing, effects=False), forward.consts)),
        [jaxpr.invars.index(v) for v in scanned],
        [results.index(v, loop.num_carry) for v in stacked],
        hoist(stage(body, avals, "scan")),
        carry_nz,
        tuple(out_nz[loop.num_carry :]),
    )


def as_typed(values: Sequence[Any], avals: Sequence[ShapedArray]) -> list[Any]:
    """Values in the dtypes that they are to have; None stays."""
    return [
        x if x is None or dtype_of(x) == a.dtype else convert(x, a.dtype)
        for x, a in zip(values, avals, strict=True)
    ]


def batched_body(
    closed: ClosedJaxpr, axis: Any, dims: Sequence[int | None], forced: Sequence[bool]
) -> tuple[ClosedJaxpr, list[int | None]]:
    """As ``batch_jaxpr``, with outputs of the dtypes of one example's.

    A weak number that is batched is one no longer, and would make others wider.
    """
    batched, out_dims = batch_jaxpr(closed, axis, dims, forced)
    pairs = zip(batched.out_avals, closed.out_avals, strict=True)
    if any(a.dtype != b.dtype for a, b in pairs):
        staged = stage(
            lambda *args: as_typed(batched(*args), closed.out_avals), batched.in_avals, "vmap"
        )
        return staged, out_dims
    return batched, out_dims


def _classified(
    jaxpr: Jaxpr, loop: Loop, residuals: Sequence[Any]
) -> tuple[list[Any], list[Any], list[Var]]:
    """Residuals that do not change from step to step, that are scanned anyway, and the others."""
    known = unchanging(jaxpr, loop.num_consts)
    xs = set(jaxpr.invars[loop.num_consts + loop.num_carry :])
    kinds: tuple[dict[Any, None], ...] = ({}, {}, {})
    for atom in residuals:
        kind = 0 if isinstance(atom, Literal) or atom in known else 1 if atom in xs else 2
        kinds[kind][atom] = None
    fixed, scanned, stacked = map(list, kinds)
    return fixed, scanned, stacked


def _scan_linearize(
    primals: Sequence[Any], tangents: Sequence[Any], *, jaxpr: ClosedJaxpr, **params: Any
) -> tuple[list[Any], list[Any]]:
    loop = _loop(params)
    parts = linearized_body(jaxpr, loop, tuple(t is not None for t in tangents))
    consts, carry, xs = loop.parts(primals)
    outs = bind_loop(parts.forward, loop, consts, carry, xs)
    count = len(jaxpr.out_avals)
    invariants, hoisted = parts.invariants
    fixed = eval_jaxpr(invariants.jaxpr, (), *hoisted, *consts)
    dot_consts, dot_carry, dot_xs = loop.parts(tangents)
    pushed = bind_loop(
        parts.linear,
        loop,
        [*fixed, *present(dot_consts)],
        instantiated(dot_carry, parts.carry_nz, loop.parts(jaxpr.in_avals)[1], primals),
        [
            *(primals[i] for i in parts.scanned),
            *(outs[i] for i in parts.stacked),
            *present(dot_xs),
        ],
        linear=True,
    )
    n = sum(parts.carry_nz)
    return outs[:count], spread(pushed[:n], parts.carry_nz) + spread(pushed[n:], parts.ys_nz)


@per_jaxpr
def transposed_body(
    closed: ClosedJaxpr, loop: Loop, linear: Flags, given: Flags
) -> tuple[Call, list[Product]]:
    """The jaxpr of one step back, and the products that are summed after the loop.

    ``fixed constants | sums for the linear constants, cotangents of the carry | fixed slices,
    given cotangents of slices -> the same carry | cotangents of the linear slices``.
    """
    consts_lin, _, xs_lin = loop.parts(linear)
    consts, carry, xs = loop.parts(closed.in_avals)
    fixed_consts = selected(consts, [not flag for flag in consts_lin])
    fixed_xs = selected(xs, [not flag for flag in xs_lin])
    out_avals = closed.out_avals[loop.num_carry :]
    sums = [a.strong() for a in selected(consts, consts_lin)]
    carried = [a.strong() for a in closed.out_avals[: loop.num_carry]]
    slices = [a.strong() for a in selected(out_avals, given)]
    linear_flags = [*consts_lin, *(True for _ in carry), *xs_lin]
    groups = fixed_consts, sums, carried, fixed_xs, slices

    def step(*args: Any) -> list[Any]:
        values = iter(args)
        known_consts, totals, carry_cts, known_xs, ys_cts = (
            [next(values) for _ in group] for group in groups
        )
        tape = TapeTrace(current_trace())
        known = iter([*known_consts, *known_xs])
        inputs = [
            tape.input(a) if lin else next(known)
            for a, lin in zip(closed.in_avals, linear_flags, strict=True)
        ]
        nodes = [tape.node_of(y) for y in within(tape, closed, *inputs)]
        in_nodes = [x.node for x, lin in zip(inputs, linear_flags, strict=True) if lin]
        cts = backward(nodes, [*carry_cts, *spread(ys_cts, given)], in_nodes)
        n, m = len(sums), len(sums) + len(carried)
        added = [t if ct is None else add_any(t, ct) for t, ct in zip(totals, cts[:n], strict=True)]
        avals = [*carried, *(a.strong() for a in selected(xs, xs_lin))]
        rest = [
            zeros_for(a, args) if ct is None else ct for ct, a in zip(cts[n:], avals, strict=True)
        ]
        return [*added, *rest[: m - n], *rest[m - n :]]

    staged = stage(step, [aval for group in groups for aval in group], "scan")
    start = len(fixed_consts)
    places = [(start + i, i) for i in range(len(sums))]
    first_x = start + len(sums) + len(carried)
    jaxpr, products = take_products_out(dce_jaxpr(staged.jaxpr), places, start, first_x)
    return hoist(ClosedJaxpr(dce_jaxpr(jaxpr), staged.consts)), products


def _scan_transpose(
    cts: Sequence[Any], *args: Any, jaxpr: ClosedJaxpr, **params: Any
) -> list[Any]:
    loop = _loop(params)
    linear = tuple(is_linear(a) for a in args)
    given = tuple(ct is not None for ct in cts[loop.num_carry :])
    call, products = transposed_body(jaxpr, loop, linear, given)
    consts, carry, xs = loop.parts(args)
    consts_lin, carry_lin, xs_lin = loop.parts(linear)
    for x in carry:
        check_zero(x)
    scanned = [*(x for x in xs if not is_linear(x)), *present(cts[loop.num_carry :])]
    sums = [a.strong() for a in selected(loop.parts(jaxpr.in_avals)[0], consts_lin)]
    carried = [a.strong() for a in jaxpr.out_avals[: loop.num_carry]]
    outs = bind_loop(
        call,
        loop._replace(reverse=not loop.reverse),
        [x for x in consts if not is_linear(x)],
        [
            *(zeros_for(a, cts) for a in sums),
            *(
                zeros_for(a, cts) if ct is None else ct
                for ct, a in zip(cts[: loop.num_carry], carried, strict=True)
            ),
        ],
        scanned,
    )
    n, m = len(sums), len(sums) + len(carried)
    end = m + sum(xs_lin)
    for product in products:
        factors = ((scanned if kind == "x" else outs[end:])[i] for kind, i in product.sources)
        outs[product.position] = summed(product, outs[product.position], *factors)
    carry_cts = [ct if lin else None for ct, lin in zip(outs[n:m], carry_lin, strict=True)]
    return [*spread(outs[:n], consts_lin), *carry_cts, *spread(outs[m:end], xs_lin)]


# The primitive -----------------------------------------------------------------------------------


def _loop(params: dict[str, Any]) -> Loop:
    return Loop(
        params["num_consts"], params["num_carry"], params["length"], params["reverse"]
    )


def stacked_aval(aval: ShapedArray, length: int) -> ShapedArray:
    """The type of an output of every step, stacked."""
    return ShapedArray((length, *aval.shape), aval.dtype)


def _scan_abstract(*avals: ShapedArray, jaxpr: ClosedJaxpr, **params: Any) -> list[ShapedArray]:
    n = params["num_carry"]
    ys = [stacked_aval(a, params["length"]) for a in jaxpr.out_avals[n:]]
    return [*jaxpr.out_avals[:n], *ys]


def _scan_impl(xp: Any, *args: Any, jaxpr: ClosedJaxpr, **params: Any) -> list[Any]:
    loop = _loop(params)
    step = prepare(jaxpr, xp)
    consts, carry, xs = loop.parts(args)
    n = loop.num_carry
    ys = [
        (np.empty if a.dtype.kind == "V" else xp.room)((loop.length, *a.shape), a.dtype)
        for a in jaxpr.out_avals[n:]
    ]
    steps = range(loop.length)
    for i in reversed(steps) if loop.reverse else steps:
        outs = step(*consts, *carry, *[x[i] for x in xs])
        carry = outs[:n]
        for y, slice_ in zip(ys, outs[n:], strict=True):
            y[i] = slice_
    return [*at_home(xp, carry, jaxpr.out_avals[:n]), *ys]


def at_home(xp: Any, values: Sequence[Any], avals: Sequence[ShapedArray]) -> list[Any]:
    """Values as they leave a loop on a device: a number that no step changed is an array there."""
    if xp is EvalTrace.namespace:
        return list(values)
    return [
        xp.asarray(x, a.dtype) if isinstance(x, np.number | np.bool_) else x
        for x, a in zip(values, avals, strict=True)
    ]


counts(_scan_impl, "step", "scan", "i")


@per_jaxpr
def _batched(
    closed: ClosedJaxpr, loop: Loop, size: int, name: Any, dims: tuple[int | None, ...], axis: Any
) -> tuple[Call, Flags, list[int | None]]:
    consts, carry, xs = loop.parts(dims)
    found: list[Any] = []

    def grow(flags: Flags) -> list[bool]:
        inner = [*consts, *(0 if flag else None for flag in flags), *xs]
        forced = [*flags, *(False for _ in closed.out_avals[loop.num_carry :])]
        found.append(batched_body(closed, axis, inner, forced))
        return [d is not None for d in found[-1][1][: loop.num_carry]]

    flags = stable_flags([d is not None for d in carry], grow)
    batched, out_dims = found[-1]
    return hoist(batched), flags, out_dims[loop.num_carry :]


def _scan_batch(
    size: Any, args: Sequence[Any], dims: Sequence[Any], *, jaxpr: ClosedJaxpr, **params: Any
) -> tuple[list[Any], list[Any]]:
    loop = _loop(params)
    consts, carry, xs = loop.parts(args)
    consts_dims, carry_dims, xs_dims = loop.parts(dims)
    xs = [moveaxis(x, 0, 1) if d == 0 else x for x, d in zip(xs, xs_dims, strict=True)]
    moved = [None if d is None else 0 for d in carry_dims]
    inner = (*consts_dims, *moved, *(d if d is None else max(d - 1, 0) for d in xs_dims))
    call, flags, ys_dims = _batched(jaxpr, loop, int(size), size.name, inner, size)
    carry = [
        to_front(x, d, size) if flag else x
        for x, d, flag in zip(carry, carry_dims, flags, strict=True)
    ]
    outs = bind_loop(call, loop, consts, carry, xs, params["linear"])
    dims_out = [0 if flag else None for flag in flags]
    return outs, [*dims_out, *(None if d is None else d + 1 for d in ys_dims)]


def _scan_cost(avals: Sequence[ShapedArray], params: dict[str, Any]) -> tuple[float, float]:
    flops, moved = jaxpr_cost(params["jaxpr"])
    return params["length"] * flops, params["length"] * moved


scan_p = Primitive(
    "scan",
    abstract=_scan_abstract,
    impl=_scan_impl,
    jvp=_scan_jvp,
    linearize=_scan_linearize,
    split=split_by_linearizing(_scan_linearize),
    transpose=_scan_transpose,
    batch=_scan_batch,
    cost=_scan_cost,
    multiple_results=True,
    collective=True,
)
