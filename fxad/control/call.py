"""Primitives that call a jaxpr: the rules that ``jit`` and ``checkpoint`` share."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import wraps
from typing import Any

import fxad.config as config
from fxad.core.aval import ShapedArray
from fxad.core.jaxpr import ClosedJaxpr, axis_names, execute
from fxad.core.primitive import Primitive, Rule
from fxad.core.source import outside_rules
from fxad.core.staging import hoist
from fxad.core.trace import is_linear
from fxad.transforms.jvp import jvp_jaxpr
from fxad.transforms.staged import linearize_jaxpr, split_jaxpr, transpose_jaxpr
from fxad.transforms.vmap import batch_jaxpr


def per_jaxpr(function: Callable[..., Any], traces: bool = True) -> Callable[..., Any]:
    """Remembers what a function of a closed jaxpr and hashable arguments gave, while it lives.

    What it traces (a derivative, a batch) it remembers for the settings of the day.
    """

    @wraps(function)
    def remembered(closed: ClosedJaxpr, *key: Any) -> Any:
        full_key = (function, config.trace_key() if traces else None, *key)
        found = closed.derived.get(full_key)
        if found is None:
            found = closed.derived[full_key] = outside_rules(function, closed, *key)
        return found

    return remembered


Call = tuple[ClosedJaxpr, list[Any]]


@per_jaxpr
def _jvp(closed: ClosedJaxpr, nonzero: tuple[bool, ...]) -> tuple[Call, list[bool]]:
    both, out_nonzero = jvp_jaxpr(closed, nonzero)
    return hoist(both), out_nonzero


@per_jaxpr
def _linearized(
    closed: ClosedJaxpr, nonzero: tuple[bool, ...]
) -> tuple[Call, ClosedJaxpr, list[bool]]:
    forward, linear, out_nonzero = linearize_jaxpr(closed, nonzero)
    return hoist(forward), linear, out_nonzero


@per_jaxpr
def _split(closed: ClosedJaxpr, linear: tuple[bool, ...]) -> tuple[Call, ClosedJaxpr, list[bool]]:
    known, rest, out_linear = split_jaxpr(closed, linear)
    return hoist(known), rest, out_linear


@per_jaxpr
def _transposed(
    closed: ClosedJaxpr, linear: tuple[bool, ...], given: tuple[bool, ...]
) -> tuple[Call, list[bool]]:
    transposed, nonzero = transpose_jaxpr(closed, linear, given)
    return hoist(transposed), nonzero


@per_jaxpr
def _batched(
    closed: ClosedJaxpr, size: int, name: Any, dims: tuple[int | None, ...], axis: Any
) -> tuple[Call, list[int | None]]:
    batched, out_dims = batch_jaxpr(closed, axis, dims)
    return hoist(batched), out_dims


def spread(values: Sequence[Any], present: Sequence[bool]) -> list[Any]:
    """The values at the places that are present, None at the others."""
    given = iter(values)
    return [next(given) if p else None for p in present]


def jaxpr_cost(closed: ClosedJaxpr) -> tuple[float, float]:
    """The floating-point operations and the bytes moved of all equations."""
    flops = moved = 0.0
    for eqn in closed.eqns:
        f, b = eqn.primitive.cost([v.aval for v in eqn.invars], eqn.params)
        flops, moved = flops + f, moved + b
    return flops, moved


def _call_cost(avals: Sequence[ShapedArray], params: dict[str, Any]) -> tuple[float, float]:
    return jaxpr_cost(params["jaxpr"])


def call_primitive(
    name: str, linearize: Rule | None = None, inlines: str | None = None
) -> Primitive:
    """A primitive with the parameters ``jaxpr``, ``name``, ``axis_name``, ``linear`` and others.

    The others go along. ``linearize`` is its rule where the usual one, which keeps what the
    tangents need, is not wanted.
    """

    def bind(call: Call, args: Sequence[Any], params: dict[str, Any], linear: bool = False) -> Any:
        jaxpr, consts = call
        return bind_call(primitive, jaxpr, [*consts, *args], **{**params, "linear": linear})

    def jvp(
        primals: Sequence[Any], tangents: Sequence[Any], *, jaxpr: ClosedJaxpr, **params: Any
    ) -> tuple[list[Any], list[Any]]:
        nonzero = tuple(t is not None for t in tangents)
        both, out_nonzero = _jvp(jaxpr, nonzero)
        outs = bind(both, [*primals, *present(tangents)], params)
        count = len(jaxpr.out_avals)
        return outs[:count], spread(outs[count:], out_nonzero)

    def keep(
        primals: Sequence[Any], tangents: Sequence[Any], *, jaxpr: ClosedJaxpr, **params: Any
    ) -> tuple[list[Any], list[Any]]:
        nonzero = tuple(t is not None for t in tangents)
        forward, linear, out_nonzero = _linearized(jaxpr, nonzero)
        outs = bind(forward, primals, params)
        count = len(jaxpr.out_avals)
        pushed = bind((linear, []), [*outs[count:], *present(tangents)], params, linear=True)
        return outs[:count], spread(pushed, out_nonzero)

    def split(
        args: Sequence[Any], linear: Sequence[bool], /, *, jaxpr: ClosedJaxpr, **params: Any
    ) -> list[Any]:
        known, rest, out_linear = _split(jaxpr, tuple(linear))
        fixed_args = [a for a, is_lin in zip(args, linear, strict=True) if not is_lin]
        outs = bind(known, fixed_args, params)
        count = len(out_linear) - sum(out_linear)
        tangents = [a for a, is_lin in zip(args, linear, strict=True) if is_lin]
        pushed = iter(bind((rest, []), [*outs[count:], *tangents], params, linear=True))
        fixed = iter(outs[:count])
        return [next(pushed) if is_lin else next(fixed) for is_lin in out_linear]

    def transpose(
        cts: Sequence[Any], *args: Any, jaxpr: ClosedJaxpr, **params: Any
    ) -> list[Any]:
        linear = tuple(is_linear(a) for a in args)
        given = tuple(ct is not None for ct in cts)
        transposed, nonzero = _transposed(jaxpr, linear, given)
        fixed = [a for a, is_lin in zip(args, linear, strict=True) if not is_lin]
        results = iter(spread(bind(transposed, [*fixed, *present(cts)], params), nonzero))
        return [next(results) if is_lin else None for is_lin in linear]

    def batch(
        size: Any, args: Sequence[Any], dims: Sequence[Any], *, jaxpr: ClosedJaxpr, **params: Any
    ) -> tuple[list[Any], list[Any]]:
        batched, out_dims = _batched(jaxpr, int(size), size.name, tuple(dims), size)
        return bind(batched, args, params, params["linear"]), out_dims

    primitive = Primitive(
        name,
        abstract=lambda *avals, jaxpr, **params: jaxpr.out_avals,
        impl=lambda xp, *args, jaxpr, **params: execute(jaxpr, *args),
        jvp=jvp,
        linearize=linearize or keep,
        split=split,
        transpose=transpose,
        batch=batch,
        cost=_call_cost,
        multiple_results=True,
        calls="jaxpr",
        inlines=inlines,
        collective=True,
    )
    return primitive


def bind_call(
    primitive: Primitive,
    jaxpr: ClosedJaxpr,
    args: Sequence[Any],
    name: str,
    linear: bool = False,
    **params: Any,
) -> list[Any]:
    """Calls a jaxpr without constants through one of these primitives."""
    jaxpr.name = jaxpr.name or name
    params.update(jaxpr=jaxpr, name=name, axis_name=axis_names(jaxpr), linear=linear)
    outs: list[Any] = primitive.bind(*args, **params)
    return outs


def present(values: Sequence[Any]) -> list[Any]:
    """The values that are not None."""
    return [v for v in values if v is not None]
