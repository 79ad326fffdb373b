"""Values that a derivative computes again from others, instead of keeping them."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import compress
from typing import Any

from fxad.control.call import Call, call_primitive, per_jaxpr
from fxad.control.saving_inner import Choice, Choose, Saveable
from fxad.core.inlining import Builder, inline_calls
from fxad.core.jaxpr import ClosedJaxpr, Eqn, Jaxpr, Var, axis_names, dce_jaxpr
from fxad.core.primitive import Primitive
from fxad.core.staging import hoist
from fxad.ops.base import to_front
from fxad.transforms.vmap import batch_jaxpr

# The values, as they are; the operands after them are what ``source`` makes the same values from.
# Within ``checkpoint`` the backward pass runs that instead of keeping the values.


def _batch(
    size: Any, args: Sequence[Any], dims: Sequence[Any], *, source: ClosedJaxpr, **params: Any
) -> tuple[list[Any], list[Any]]:
    count, key = len(source.out_avals), (int(size), size.name, tuple(dims[len(source.out_avals) :]))
    _, made = _batched(source, *key, (False,) * count, size)
    along = tuple(a is not None or b is not None for a, b in zip(dims[:count], made, strict=True))
    (again, consts), _ = _batched(source, *key, along, size)
    triples = zip(args[:count], dims[:count], along, strict=True)
    values = [to_front(x, dim, size) if batched else x for x, dim, batched in triples]
    outs = bind_recomputed(values, again, [*consts, *args[count:]])
    return outs, [0 if batched else None for batched in along]


@per_jaxpr
def _batched(
    closed: ClosedJaxpr, size: int, name: Any, dims: tuple[Any, ...], forced: Any, axis: Any
) -> tuple[Call, list[int | None]]:
    batched, out_dims = batch_jaxpr(closed, axis, dims, forced)
    return hoist(batched), out_dims


def _values(args: Sequence[Any], source: ClosedJaxpr) -> list[Any]:
    return list(args[: len(source.out_avals)])


recomputed_p: Primitive = Primitive(
    "recomputed",
    abstract=lambda *avals, source, **params: _values(avals, source),
    impl=lambda xp, *args, source, **params: _values(args, source),
    jvp=lambda primals, tangents, *, source, **params: (
        bind_recomputed(_values(primals, source), source, primals[len(source.out_avals) :]),
        _values(tangents, source),
    ),
    transpose=lambda cts, *args, source, **params: [*cts, *[None] * len(source.in_avals)],
    split=lambda args, linear, /, *, source, **params: _values(args, source),
    batch=_batch,
    cost=lambda avals, params: (0.0, 0.0),
    multiple_results=True,
    view=True,
    scratch=lambda *operands, **params: 0,
    collective=True,
)


def bind_recomputed(values: Sequence[Any], source: ClosedJaxpr, operands: Sequence[Any]) -> Any:
    """The values, which a derivative within ``checkpoint`` computes again from the operands."""
    return recomputed_p.bind(*values, *operands, source=source, axis_name=axis_names(source))


def recomputed(
    values: Sequence[Var], source: ClosedJaxpr, operands: Sequence[Var], results: Sequence[Var]
) -> Eqn:
    """The equation of it."""
    params = {"source": source, "axis_name": axis_names(source)}
    return Eqn(recomputed_p, [*values, *operands], results, params, source.eqns[0].source)


#: Runs a jaxpr, for a derivative.
recompute_p = call_primitive("recompute", inlines="jaxpr")


def choose_recomputed(choose: Choose, eqn: Eqn, needed: set[Var], saveable: Saveable) -> Choice:
    """Of the values those that are read are made again."""
    source: ClosedJaxpr = eqn.params["source"]
    operands = eqn.invars[len(source.out_avals) :]
    wanted = [v in needed for v in eqn.outvars]
    jaxpr = dce_jaxpr(source.jaxpr, wanted)
    read = {v for e in jaxpr.eqns for v in e.invars}.union(jaxpr.outvars)
    used = [v in read for v in jaxpr.invars]
    part = ClosedJaxpr(Jaxpr((), list(compress(jaxpr.invars, used)), jaxpr.eqns, jaxpr.outvars))
    params = {"jaxpr": part, "name": "recompute", "axis_name": axis_names(part), "linear": False}
    outvars = list(compress(eqn.outvars, wanted))
    again = Eqn(recompute_p, list(compress(operands, used)), outvars, params, eqn.source)
    return Choice({}, [again], {})


def written_out(jaxpr: Jaxpr) -> Jaxpr:
    """The jaxpr with those that it calls in the place of the calls, and values without sources.

    What a derivative computes again stays apart, so that it is not found to be there already;
    unless ``prevent_cse`` is off.
    """
    flat = inline_calls(jaxpr, lambda eqn: not stays_apart(eqn))
    builder = Builder()
    for eqn in flat.eqns:
        invars = [builder.read(v) for v in eqn.invars]
        if eqn.primitive is recomputed_p:
            builder.replaced.update(zip(eqn.outvars, invars, strict=False))
        else:
            builder.eqns.append(eqn.replace(invars))
    return builder.finish(flat)


def stays_apart(eqn: Eqn) -> bool:
    """Whether a call computes for a derivative what the forward pass has computed before."""
    return bool(eqn.params.get("prevent_cse") and eqn.params.get("differentiated"))
