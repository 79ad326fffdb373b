"""The primitives of loops whose number of steps only running them tells, and of checkpointed ones.

Five primitives, closed under derivatives. ``while_p`` runs a loop; ``while_record_p`` also gives
its trajectory. Of the loop as a function ``W`` of its operands ``p``, ``while_push_p`` is the map
``t -> W'(p) t``, ``while_pull_p`` its transpose, and ``while_curve_p`` the map
``t -> d/dp (ct . W'(p) t)``, which is symmetric. A loop's derivative is a loop, of pairs of values
and tangents: ``W2(p, t) = (W(p), W'(p) t)``. So derivatives of ``push``, ``pull`` and ``curve`` are
``push``, ``pull`` and ``curve`` of ``W2``, and no residual ever has a derivative of its own: the
trajectory is a memory, which saves running the loop again.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

from fxad.control.body import split_by_linearizing
from fxad.control.call import jaxpr_cost, per_jaxpr, spread
from fxad.control.loop import selected
from fxad.control.memory import loops
from fxad.control.tangent_loop import (
    Batch,
    Tangent,
    full_tangents,
    in_avals,
    out_avals,
    settled,
    tangent_of,
    tangent_out_avals,
)
from fxad.control.trajectory import (
    NONE,
    Flags,
    Repeat,
    boxed,
    pull,
    push,
    record,
    run,
    trajectory_dtype,
    unboxed,
)
from fxad.core.aval import ShapedArray, aval_of
from fxad.core.jaxpr import ClosedJaxpr, axis_names
from fxad.core.primitive import Primitive
from fxad.core.trace import is_linear
from fxad.ops.base import add_any
from fxad.transforms.jvp import zeros_for


def _repeat(params: dict[str, Any]) -> Repeat:
    return Repeat(**{name: params[name] for name in Repeat._fields})


def bind_repeat(repeat: Repeat, args: Sequence[Any]) -> list[Any]:
    """Runs a loop."""
    outs: list[Any] = while_p.bind(*args, **_params(repeat))
    return outs


@per_jaxpr
def _names(body: ClosedJaxpr, cond: ClosedJaxpr | None) -> tuple[Any, ...]:
    return tuple(dict.fromkeys((*axis_names(body), *(axis_names(cond) if cond else ()))))


def _params(repeat: Repeat) -> dict[str, Any]:
    return {**repeat._asdict(), "axis_name": _names(repeat.body_jaxpr, repeat.cond_jaxpr)}


# while: the loop itself --------------------------------------------------------------------------


def _while_jvp(
    primals: Sequence[Any], tangents: Sequence[Any], **params: Any
) -> tuple[list[Any], list[Any]]:
    repeat = _repeat(params)
    nonzero = settled(repeat, tangents)
    tangent = tangent_of(repeat, nonzero)
    full = full_tangents(repeat, nonzero, tangents, primals)
    outs = bind_repeat(tangent.repeat, tangent.operands(repeat, primals, full))
    values, pushed = tangent.results(outs)
    return values, spread(pushed, (*tangent.carry_nz, *tangent.ys_nz))


def _while_linearize(
    primals: Sequence[Any], tangents: Sequence[Any], **params: Any
) -> tuple[list[Any], list[Any]]:
    repeat = _repeat(params)
    nonzero = settled(repeat, tangents)
    *outs, box = while_record_p.bind(*primals, nonzero=nonzero, **_params(repeat))
    return outs, _pushed(repeat, nonzero, primals, box, tangents)


def _pushed(
    repeat: Repeat, nonzero: Flags, primals: Sequence[Any], box: Any, tangents: Sequence[Any]
) -> list[Any]:
    full = full_tangents(repeat, nonzero, tangents, primals)
    pushed = while_push_p.bind(*primals, box, *full, nonzero=nonzero, **_params(repeat))
    tangent = tangent_of(repeat, nonzero)
    return spread(pushed, (*tangent.carry_nz, *tangent.ys_nz))


def _while_cost(avals: Sequence[ShapedArray], params: dict[str, Any]) -> tuple[float, float]:
    flops, moved = jaxpr_cost(params["body_jaxpr"])
    steps = params["length"] or 1
    return steps * flops, steps * moved


def _while_batch(
    size: Any, args: Sequence[Any], dims: Sequence[Any], **params: Any
) -> tuple[list[Any], list[Any]]:
    batch = Batch(_repeat(params), size, dims, None)
    return bind_repeat(batch.repeat, batch.operands(args)), batch.out_dims


while_p = Primitive(
    "while",
    abstract=lambda *avals, **params: out_avals(_repeat(params)),
    impl=lambda xp, *args, **params: run(xp, _repeat(params), args),
    jvp=_while_jvp,
    linearize=_while_linearize,
    split=split_by_linearizing(_while_linearize),
    batch=_while_batch,
    cost=_while_cost,
    multiple_results=True,
    scratch=lambda *_, **params: loops.running(_repeat(params)),
    collective=True,
)


# while_record: with its trajectory ---------------------------------------------------------------


def _record_impl(xp: Any, *args: Any, nonzero: Flags, **params: Any) -> list[Any]:
    outs, trajectory = record(xp, _repeat(params), nonzero, args)
    return [*outs, boxed(trajectory)]


def _record_jvp(
    primals: Sequence[Any], tangents: Sequence[Any], *, nonzero: Flags, **params: Any
) -> tuple[list[Any], list[Any]]:
    _repeat(params).refuse_io_twice()
    outs = while_record_p.bind(*primals, nonzero=nonzero, **params)
    return outs, [*_while_jvp(primals, tangents, **params)[1], None]


def _record_linearize(
    primals: Sequence[Any], tangents: Sequence[Any], *, nonzero: Flags, **params: Any
) -> tuple[list[Any], list[Any]]:
    repeat = _repeat(params)
    outs = while_record_p.bind(*primals, nonzero=nonzero, **params)
    ours = settled(repeat, tangents)
    return outs, [*_pushed(repeat, ours, primals, outs[-1], tangents), None]


def _record_batch(
    size: Any, args: Sequence[Any], dims: Sequence[Any], *, nonzero: Flags, **params: Any
) -> tuple[list[Any], list[Any]]:
    batch = Batch(_repeat(params), size, dims, nonzero)
    outs = while_record_p.bind(
        *batch.operands(args), nonzero=batch.flags(nonzero), **_params(batch.repeat)
    )
    return outs, [*batch.out_dims, None]


while_record_p = Primitive(
    "while_record",
    abstract=lambda *avals, nonzero, **params: [
        *out_avals(_repeat(params)),
        ShapedArray((), trajectory_dtype),
    ],
    impl=_record_impl,
    jvp=_record_jvp,
    linearize=_record_linearize,
    split=split_by_linearizing(_record_linearize),
    batch=_record_batch,
    cost=_while_cost,
    multiple_results=True,
    scratch=lambda *_, nonzero, **params: loops.recording(_repeat(params), nonzero),
    holds=lambda *, nonzero, **params: loops.held(_repeat(params), nonzero),
    collective=True,
)


# while_push: primals, trajectory, tangents -> tangents -------------------------------------------


def _divided(repeat: Repeat, args: Sequence[Any]) -> tuple[list[Any], Any, list[Any]]:
    count = len(in_avals(repeat))
    return list(args[:count]), args[count], list(args[count + 1 :])


def _push_impl(xp: Any, *args: Any, nonzero: Flags, **params: Any) -> list[Any]:
    repeat = _repeat(params)
    primals, box, tangents = _divided(repeat, args)
    trajectory = unboxed(box, repeat, nonzero)
    if trajectory is not None and trajectory.columns is not None:
        return push(xp, repeat, nonzero, trajectory, primals, tangents)
    repeat.refuse_io_twice()
    tangent = tangent_of(repeat, nonzero)
    outs = run(xp, tangent.repeat, tangent.operands(repeat, primals, tangents))
    return tangent.results(outs)[1]


def _push_jvp(
    primals: Sequence[Any], tangents: Sequence[Any], *, nonzero: Flags, **params: Any
) -> tuple[list[Any], list[Any]]:
    repeat = _repeat(params)
    outs = while_push_p.bind(*primals, nonzero=nonzero, **params)
    args, box, dots = _divided(repeat, primals)
    args_t, _, dots_t = _divided(repeat, tangents)
    if all(t is None for t in args_t):
        full = [zeros_for(_aval(d), primals) if t is None else t
                for t, d in zip(dots_t, dots, strict=True)]
        return outs, while_push_p.bind(*args, box, *full, nonzero=nonzero, **params)
    tangent = tangent_of(repeat, nonzero)
    operands = tangent.operands(repeat, args, dots)
    operands_t = tangent.operands(repeat, args_t, dots_t)
    ours = settled(tangent.repeat, operands_t)
    pushed = _pushed(tangent.repeat, ours, operands, NONE, operands_t)
    return outs, tangent.results(pushed)[1]


def _aval(x: Any) -> ShapedArray:
    return aval_of(x).strong()


def _push_transpose(
    cts: Sequence[Any], *args: Any, nonzero: Flags, **params: Any
) -> list[Any]:
    repeat = _repeat(params)
    primals, box, tangents = _divided(repeat, args)
    avals = tangent_out_avals(repeat, nonzero)
    full = [zeros_for(a, cts) if ct is None else ct for ct, a in zip(cts, avals, strict=True)]
    pulled = while_pull_p.bind(*primals, box, *full, nonzero=nonzero, **params)
    results = [ct if is_linear(t) else None for ct, t in zip(pulled, tangents, strict=True)]
    return [None] * (len(primals) + 1) + results


def _push_batch(
    size: Any, args: Sequence[Any], dims: Sequence[Any], *, nonzero: Flags, **params: Any
) -> tuple[list[Any], list[Any]]:
    repeat = _repeat(params)
    primals, box, tangents = _divided(repeat, args)
    dims_p, dim_box, dims_t = _divided(repeat, dims)
    batch = Batch(repeat, size, dims_p, nonzero)
    outs = while_push_p.bind(
        *batch.operands(primals),
        box if dim_box is None else NONE,
        *batch.like_operands(tangents, dims_t, nonzero),
        nonzero=batch.flags(nonzero),
        **_params(batch.repeat),
    )
    return outs, batch.tangent_out_dims(nonzero)


while_push_p = Primitive(
    "while_push",
    abstract=lambda *avals, nonzero, **params: tangent_out_avals(_repeat(params), nonzero),
    impl=_push_impl,
    jvp=_push_jvp,
    transpose=_push_transpose,
    batch=_push_batch,
    cost=_while_cost,
    multiple_results=True,
    scratch=lambda *_, nonzero, **params: loops.running(
        tangent_of(_repeat(params), nonzero).repeat
    ),
    collective=True,
)


# while_pull: primals, trajectory, cotangents -> cotangents ---------------------------------------


def _nonzero_avals(repeat: Repeat, nonzero: Flags) -> list[ShapedArray]:
    return [a.strong() for a in selected(in_avals(repeat), nonzero)]


def _pull_impl(xp: Any, *args: Any, nonzero: Flags, **params: Any) -> list[Any]:
    repeat = _repeat(params)
    primals, box, cts = _divided(repeat, args)
    return pull(xp, repeat, nonzero, primals, unboxed(box, repeat, nonzero), cts)


def _pull_jvp(
    primals: Sequence[Any], tangents: Sequence[Any], *, nonzero: Flags, **params: Any
) -> tuple[list[Any], list[Any]]:
    repeat = _repeat(params)
    outs = while_pull_p.bind(*primals, nonzero=nonzero, **params)
    args, box, cts = _divided(repeat, primals)
    args_t, _, cts_t = _divided(repeat, tangents)
    total: list[Any] = [None] * len(outs)
    if any(t is not None for t in cts_t):
        full = [zeros_for(_aval(ct), primals) if t is None else t
                for t, ct in zip(cts_t, cts, strict=True)]
        total = while_pull_p.bind(*args, box, *full, nonzero=nonzero, **params)
    if any(t is not None for t in args_t):
        along = settled(repeat, [n or t for n, t in zip(nonzero, args_t, strict=True)])
        curved = _curve(repeat, nonzero, along, args, cts, args_t)
        total = [c if t is None else add_any(t, c) for t, c in zip(total, curved, strict=True)]
    return outs, total


def _curve(
    repeat: Repeat, nonzero: Flags, along: Flags, args: Sequence[Any], cts: Sequence[Any],
    tangents: Sequence[Any],
) -> list[Any]:
    """How the cotangents of some operands change along tangents; ``along`` holds both of them."""
    narrow, wide = tangent_of(repeat, nonzero), tangent_of(repeat, along)
    given = iter(cts)
    cts = [
        next(given) if has else zeros_for(a, args)
        for has, wanted, a in zip(
            (*narrow.carry_nz, *narrow.ys_nz),
            (*wide.carry_nz, *wide.ys_nz),
            (a.strong() for a in out_avals(repeat)),
            strict=True,
        )
        if wanted
    ]
    full = full_tangents(repeat, along, tangents, args)
    curved = while_curve_p.bind(*args, *cts, *full, nonzero=along, **_params(repeat))
    return selected(curved, selected(nonzero, along))


def _pull_transpose(
    cts: Sequence[Any], *args: Any, nonzero: Flags, **params: Any
) -> list[Any]:
    repeat = _repeat(params)
    primals, box, operands = _divided(repeat, args)
    avals = _nonzero_avals(repeat, nonzero)
    full = [zeros_for(a, cts) if ct is None else ct for ct, a in zip(cts, avals, strict=True)]
    pushed = while_push_p.bind(*primals, box, *full, nonzero=nonzero, **params)
    results = [t if is_linear(ct) else None for t, ct in zip(pushed, operands, strict=True)]
    return [None] * (len(primals) + 1) + results


def _pull_batch(
    size: Any, args: Sequence[Any], dims: Sequence[Any], *, nonzero: Flags, **params: Any
) -> tuple[list[Any], list[Any]]:
    repeat = _repeat(params)
    primals, box, cts = _divided(repeat, args)
    dims_p, dim_box, dims_ct = _divided(repeat, dims)
    batch = Batch(repeat, size, dims_p, nonzero)
    outs = while_pull_p.bind(
        *batch.operands(primals),
        box if dim_box is None else NONE,
        *batch.like_results(cts, dims_ct, nonzero),
        nonzero=batch.flags(nonzero),
        **_params(batch.repeat),
    )
    return outs, selected(batch.dims, nonzero)


while_pull_p = Primitive(
    "while_pull",
    abstract=lambda *avals, nonzero, **params: _nonzero_avals(_repeat(params), nonzero),
    impl=_pull_impl,
    jvp=_pull_jvp,
    transpose=_pull_transpose,
    batch=_pull_batch,
    cost=_while_cost,
    multiple_results=True,
    scratch=lambda *_, nonzero, **params: loops.pulling(_repeat(params), nonzero),
    collective=True,
)


# while_curve: primals, cotangents, tangents -> cotangents ----------------------------------------


class _Curve(NamedTuple):
    """``while_curve`` as the ``while_pull`` of the loop of pairs."""

    tangent: Tangent
    nonzero: Flags

    @classmethod
    def of(cls, repeat: Repeat, nonzero: Flags) -> _Curve:
        tangent = tangent_of(repeat, nonzero)
        start = [True if n else None for n in tangent.of_primals(nonzero)]
        return cls(tangent, settled(tangent.repeat, start))

    def operands(
        self, repeat: Repeat, primals: Sequence[Any], cts: Sequence[Any], tangents: Sequence[Any],
        zero: bool = True,
    ) -> tuple[list[Any], list[Any]]:
        """The primals of the loop of pairs, and cotangents of its results."""
        args = self.tangent.operands(repeat, primals, tangents)
        pairs = tangent_of(self.tangent.repeat, self.nonzero)
        flags = (*pairs.carry_nz, *pairs.ys_nz)
        count = len(repeat.body_jaxpr.out_avals)
        # The tangents have the cotangents given, the values have none.
        full = self.tangent.among_results([None] * count, cts)
        avals = out_avals(self.tangent.repeat)
        return args, [
            zeros_for(a.strong(), primals) if ct is None and zero else ct
            for ct, a, flag in zip(full, avals, flags, strict=True)
            if flag
        ]

    def scratch(self) -> int:
        """What it takes while it runs: it is recorded, and pulled back."""
        return sum(
            of(self.tangent.repeat, self.nonzero)
            for of in (loops.held, loops.recording, loops.pulling)
        )

    def results(self, nonzero: Flags, outs: Sequence[Any]) -> list[Any]:
        """Of the cotangents of the loop of pairs those of the primals."""
        return selected(outs, selected(self.tangent.of_primals(nonzero), self.nonzero))


def _curve_parts(
    repeat: Repeat, nonzero: Flags, args: Sequence[Any]
) -> tuple[list[Any], list[Any], list[Any]]:
    n = len(in_avals(repeat))
    m = n + len(tangent_out_avals(repeat, nonzero))
    return list(args[:n]), list(args[n:m]), list(args[m:])


def _curve_impl(xp: Any, *args: Any, nonzero: Flags, **params: Any) -> list[Any]:
    repeat = _repeat(params)
    curve = _Curve.of(repeat, nonzero)
    operands, cts = curve.operands(repeat, *_curve_parts(repeat, nonzero, args))
    outs = pull(xp, curve.tangent.repeat, curve.nonzero, operands, None, cts)
    return curve.results(nonzero, outs)


def _curve_jvp(
    primals: Sequence[Any], tangents: Sequence[Any], *, nonzero: Flags, **params: Any
) -> tuple[list[Any], list[Any]]:
    repeat = _repeat(params)
    curve = _Curve.of(repeat, nonzero)
    args, cts = curve.operands(repeat, *_curve_parts(repeat, nonzero, primals))
    parts = _curve_parts(repeat, nonzero, tangents)
    args_t, cts_t = curve.operands(repeat, *parts, zero=False)
    pairs = {"nonzero": curve.nonzero, **_params(curve.tangent.repeat)}
    _, pushed = _pull_jvp([*args, NONE, *cts], [*args_t, None, *cts_t], **pairs)
    out = while_curve_p.bind(*primals, nonzero=nonzero, **params)
    return out, curve.results(nonzero, pushed)


def _curve_transpose(
    cts: Sequence[Any], *args: Any, nonzero: Flags, **params: Any
) -> list[Any]:
    repeat = _repeat(params)
    primals, weights, tangents = _curve_parts(repeat, nonzero, args)
    avals = _nonzero_avals(repeat, nonzero)
    full = [zeros_for(a, cts) if ct is None else ct for ct, a in zip(cts, avals, strict=True)]
    outs = while_curve_p.bind(*primals, *weights, *full, nonzero=nonzero, **params)
    results = [ct if is_linear(t) else None for ct, t in zip(outs, tangents, strict=True)]
    return [None] * (len(primals) + len(weights)) + results


def _curve_batch(
    size: Any, args: Sequence[Any], dims: Sequence[Any], *, nonzero: Flags, **params: Any
) -> tuple[list[Any], list[Any]]:
    repeat = _repeat(params)
    primals, cts, tangents = _curve_parts(repeat, nonzero, args)
    dims_p, dims_ct, dims_t = _curve_parts(repeat, nonzero, dims)
    batch = Batch(repeat, size, dims_p, nonzero)
    outs = while_curve_p.bind(
        *batch.operands(primals),
        *batch.like_results(cts, dims_ct, nonzero),
        *batch.like_operands(tangents, dims_t, nonzero),
        nonzero=batch.flags(nonzero),
        **_params(batch.repeat),
    )
    return outs, selected(batch.dims, nonzero)


while_curve_p = Primitive(
    "while_curve",
    abstract=lambda *avals, nonzero, **params: _nonzero_avals(_repeat(params), nonzero),
    impl=_curve_impl,
    jvp=_curve_jvp,
    transpose=_curve_transpose,
    batch=_curve_batch,
    cost=_while_cost,
    multiple_results=True,
    scratch=lambda *_, nonzero, **params: _Curve.of(_repeat(params), nonzero).scratch(),
    collective=True,
)
