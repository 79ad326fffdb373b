"""``cond_p``: one of several jaxprs, and all of its rules."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from fxad.control.body import as_aval, of_examples, split_by_linearizing
from fxad.control.call import jaxpr_cost, per_jaxpr, present, spread
from fxad.control.effects import refuse_io_of_all_examples
from fxad.control.loop import as_typed
from fxad.core.aval import ShapedArray, aval_of
from fxad.core.jaxpr import ClosedJaxpr, Jaxpr, Var, axis_names, execute
from fxad.core.primitive import Primitive
from fxad.core.staging import stage
from fxad.core.trace import Tracer, is_linear
from fxad.ops.base import dtype_of, reshape, shape_of
from fxad.ops.elementwise import select, stop_gradient_p
from fxad.ops.logic import eq
from fxad.ops.reduction import reduce_or_p
from fxad.transforms.jvp import jvp_jaxpr, zeros_for
from fxad.transforms.staged import linearize_jaxpr, transpose_jaxpr
from fxad.transforms.tape import is_recorded
from fxad.transforms.vmap import batch_jaxpr

Branches = tuple[ClosedJaxpr, ...]

# Branches of one signature -----------------------------------------------------------------------


def share_constants(branches: Sequence[ClosedJaxpr]) -> tuple[Branches, list[Any]]:
    """Every branch takes the constants of all of them as leading arguments."""
    shared: dict[int, Any] = {}
    for closed in branches:
        shared.update((id(c), c) for c in closed.consts)
    opened = []
    for closed in branches:
        jaxpr = closed.jaxpr
        own_vars = {id(c): v for v, c in zip(jaxpr.constvars, closed.consts, strict=True)}
        leading = [own_vars.get(key) or Var(aval_of(c)) for key, c in shared.items()]
        opened.append(
            ClosedJaxpr(Jaxpr((), (*leading, *jaxpr.invars), jaxpr.eqns, jaxpr.outvars))
        )
    return tuple(opened), list(shared.values())


def arranged_branch(
    closed: ClosedJaxpr,
    in_avals: Sequence[ShapedArray],
    takes: Sequence[int],
    outputs: Sequence[tuple[ShapedArray, int | None]],
) -> ClosedJaxpr:
    """The jaxpr of other arguments, of which it takes some, and outputs; None among them: zeros.

    All branches give outputs of one type: a number that is weak in one of them is none any longer.
    """

    def arranged(*args: Any) -> list[Any]:
        outs = closed(*(args[i] for i in takes))
        return [
            zeros_for(aval, args) if i is None else as_aval(outs[i], aval) for aval, i in outputs
        ]

    return stage(arranged, in_avals, "cond")


def _alike_outputs(
    branches: Sequence[tuple[ClosedJaxpr, Sequence[bool]]], fixed: int, avals: Sequence[ShapedArray]
) -> tuple[list[ClosedJaxpr], list[bool]]:
    """Branches whose outputs after the first ``fixed`` are there if any branch has them."""
    wanted = [any(flags) for flags in zip(*(nonzero for _, nonzero in branches), strict=True)]
    alike = []
    for closed, nonzero in branches:
        places = spread(range(fixed, fixed + sum(nonzero)), nonzero)
        outputs = [*zip(closed.out_avals[:fixed], range(fixed), strict=True)]
        strong = map(ShapedArray.strong, avals)
        outputs += [(a, i) for a, i, w in zip(strong, places, wanted, strict=True) if w]
        alike.append(arranged_branch(closed, closed.in_avals, range(len(closed.in_avals)), outputs))
    return alike, wanted


@per_jaxpr
def _jvp(first: ClosedJaxpr, rest: Branches, nonzero: tuple[bool, ...]) -> Any:
    branches = [jvp_jaxpr(branch, nonzero) for branch in (first, *rest)]
    alike, out_nonzero = _alike_outputs(branches, len(first.out_avals), first.out_avals)
    return share_constants(alike), out_nonzero


@per_jaxpr
def _linearized(first: ClosedJaxpr, rest: Branches, nonzero: tuple[bool, ...]) -> Any:
    """Branches ``operands -> outputs, residuals``, and ``residuals, tangents -> tangents``."""
    parts = [linearize_jaxpr(branch, nonzero) for branch in (first, *rest)]
    count = len(first.out_avals)
    residual_avals, places = residual_slots([f.out_avals[count:] for f, _, _ in parts])
    out_nonzero = [any(flags) for flags in zip(*(nz for _, _, nz in parts), strict=True)]
    tangent_avals = [a for a, n in zip(first.in_avals, nonzero, strict=True) if n]
    linear_avals = [*residual_avals, *tangent_avals]
    forwards, linears = [], []
    for (forward, linear, own_nonzero), slots in zip(parts, places, strict=True):
        source: list[int | None] = [None] * len(residual_avals)
        for i, slot in enumerate(slots):
            source[slot] = count + i
        outputs: list[tuple[ShapedArray, int | None]] = []
        outputs += zip(forward.out_avals[:count], range(count), strict=True)
        outputs += zip(residual_avals, source, strict=True)
        everything = range(len(first.in_avals))
        forwards.append(arranged_branch(forward, first.in_avals, everything, outputs))
        tangents = range(len(residual_avals), len(linear_avals))
        pushed = spread(range(sum(own_nonzero)), own_nonzero)
        outputs = [
            (a.strong(), i)
            for a, i, w in zip(first.out_avals, pushed, out_nonzero, strict=True)
            if w
        ]
        linears.append(arranged_branch(linear, linear_avals, [*slots, *tangents], outputs))
    return share_constants(forwards), share_constants(linears), out_nonzero


def residual_slots(
    residuals: Sequence[Sequence[ShapedArray]],
) -> tuple[list[ShapedArray], list[list[int]]]:
    """Places for the residuals of whichever branch is taken: those of one type share a place."""
    avals: list[ShapedArray] = []
    places = []
    for needed in residuals:
        free = list(range(len(avals)))
        slots = []
        for aval in map(ShapedArray.strong, needed):
            slot = next((i for i in free if avals[i] == aval), None)
            if slot is None:
                slot = len(avals)
                avals.append(aval)
            else:
                free.remove(slot)
            slots.append(slot)
        places.append(slots)
    return avals, places


@per_jaxpr
def _transposed(
    first: ClosedJaxpr, rest: Branches, linear: tuple[bool, ...], given: tuple[bool, ...]
) -> Any:
    branches = [transpose_jaxpr(branch, linear, given) for branch in (first, *rest)]
    avals = [a.strong() for a, is_lin in zip(first.in_avals, linear, strict=True) if is_lin]
    alike, nonzero = _alike_outputs(branches, 0, avals)
    return share_constants(alike), nonzero


@per_jaxpr
def _batched(
    first: ClosedJaxpr,
    rest: Branches,
    size: int,
    name: Any,
    dims: tuple[int | None, ...],
    axis: Any,
    forced: tuple[bool, ...] | None,
) -> Any:
    parts = [batch_jaxpr(branch, axis, dims, forced) for branch in (first, *rest)]
    wanted = tuple(
        any(d is not None for d in found) for found in zip(*(d for _, d in parts), strict=True)
    )
    if forced != wanted:
        return _batched(first, rest, size, name, dims, axis, wanted)
    return share_constants([closed for closed, _ in parts]), wanted


# The primitive -----------------------------------------------------------------------------------


def bind_branches(
    call: tuple[Branches, list[Any]], index: Any, args: Sequence[Any], linear: bool = False
) -> Any:
    """Runs one of several jaxprs, whose shared constants come first."""
    branches, consts = call
    names = tuple(dict.fromkeys(name for b in branches for name in axis_names(b)))
    return cond_p.bind(
        index, *consts, *args, branches=branches, axis_name=names, linear=linear
    )


def _cond_impl(xp: Any, index: Any, *args: Any, branches: Branches, **params: Any) -> list[Any]:
    return execute(branches[int(index)], *args)


def _cond_jvp(
    primals: Sequence[Any], tangents: Sequence[Any], *, branches: Branches, **params: Any
) -> tuple[list[Any], list[Any]]:
    nonzero = tuple(t is not None for t in tangents[1:])
    call, out_nonzero = _jvp(branches[0], branches[1:], nonzero)
    outs = bind_branches(call, primals[0], [*primals[1:], *present(tangents[1:])], params["linear"])
    count = len(branches[0].out_avals)
    return outs[:count], spread(outs[count:], out_nonzero)


def _cond_linearize(
    primals: Sequence[Any], tangents: Sequence[Any], *, branches: Branches, **params: Any
) -> tuple[list[Any], list[Any]]:
    nonzero = tuple(t is not None for t in tangents[1:])
    forward, linear, out_nonzero = _linearized(branches[0], branches[1:], nonzero)
    outs = bind_branches(forward, primals[0], primals[1:], False)
    count = len(branches[0].out_avals)
    operands = [*outs[count:], *present(tangents[1:])]
    pushed = bind_branches(linear, primals[0], operands, True)
    return outs[:count], spread(pushed, out_nonzero)


def _cond_transpose(
    cts: Sequence[Any], index: Any, *args: Any, branches: Branches, **params: Any
) -> list[Any]:
    linear = tuple(is_linear(a) for a in args)
    given = tuple(ct is not None for ct in cts)
    call, nonzero = _transposed(branches[0], branches[1:], linear, given)
    fixed = [a for a, is_lin in zip(args, linear, strict=True) if not is_lin]
    results = iter(spread(bind_branches(call, index, [*fixed, *present(cts)], False), nonzero))
    return [None, *(next(results) if is_lin else None for is_lin in linear)]


def _cond_batch(
    size: Any, args: Sequence[Any], dims: Sequence[Any], *, branches: Branches, **params: Any
) -> tuple[list[Any], list[Any]]:
    index, *operands = args
    forced = None if dims[0] is None else (True,) * len(branches[0].out_avals)
    key = (branches[1:], int(size), size.name, tuple(dims[1:]), size, forced)
    (batched, consts), out_batched = _batched(branches[0], *key)
    if dims[0] is None:
        outs = bind_branches((batched, consts), index, operands, params["linear"])
        return outs, [0 if b else None for b in out_batched]
    refuse_io_of_all_examples("cond", batched)
    if params["linear"]:
        results = [branch(*consts, *operands) for branch in batched]
    else:
        results = [
            _of_wanted(one, many, consts, eq(index, i), operands, dims[1:])
            for i, (one, many) in enumerate(zip(branches, batched, strict=True))
        ]
    chosen = [_select(index, cases) for cases in zip(*results, strict=True)]
    return chosen, [0] * len(chosen)


def _of_wanted(
    branch: ClosedJaxpr,
    batched: ClosedJaxpr,
    consts: Sequence[Any],
    wanted: Any,
    operands: Sequence[Any],
    dims: Sequence[int | None],
) -> list[Any]:
    """What a branch makes of the examples that take it; of the others there is something as well.

    Where nobody takes it, no values are safe to compute of: nothing is computed if that is known,
    and no derivative comes of it.
    """
    safe = of_examples(branch, wanted, operands, dims)
    if axis_names(branch) or branch.effects():
        return batched(*consts, *safe)
    taken = reduce_or_p.bind(wanted, axes=(0,))
    known = taken.concrete() if isinstance(taken, Tracer) else taken
    if known is None:
        safe = [
            x
            if dim is not None or dtype_of(x).kind not in "fc" or is_recorded(x)
            else select(reshape(taken, (1,) * len(shape_of(x))), x, stop_gradient_p.bind(x))
            for x, dim in zip(safe, dims, strict=True)
        ]
    elif not known and all(a.dtype.kind != "V" for a in batched.out_avals):
        return [zeros_for(a.strong(), operands) for a in batched.out_avals]
    # A number that was chosen is no longer weak, and would make what it meets wider.
    return as_typed(batched(*consts, *safe), batched.out_avals)


def _select(index: Any, cases: Sequence[Any]) -> Any:
    """For each example the case that its index names."""
    which = reshape(index, (*shape_of(index), *(1,) * (len(shape_of(cases[0])) - 1)))
    out = cases[0]
    for i, case in enumerate(cases[1:], 1):
        out = select(eq(which, i), case, out)
    return out


def _cond_cost(avals: Sequence[ShapedArray], params: dict[str, Any]) -> tuple[float, float]:
    costs = [jaxpr_cost(branch) for branch in params["branches"]]
    return max(f for f, _ in costs), max(b for _, b in costs)


cond_p = Primitive(
    "cond",
    abstract=lambda index, *avals, branches, **params: branches[0].out_avals,
    impl=_cond_impl,
    jvp=_cond_jvp,
    linearize=_cond_linearize,
    split=split_by_linearizing(_cond_linearize),
    transpose=_cond_transpose,
    batch=_cond_batch,
    cost=_cond_cost,
    multiple_results=True,
    collective=True,
)
