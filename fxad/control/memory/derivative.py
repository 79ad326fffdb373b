"""The gradient of a jaxpr as a jaxpr of its own, and what running jaxprs costs."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from fxad.core.jaxpr import ClosedJaxpr, Eqn
from fxad.core.staging import stage
from fxad.transforms.nodes import backward
from fxad.transforms.tape import linearize_flat


def gradient_jaxpr(closed: ClosedJaxpr, nonzero: Sequence[bool]) -> ClosedJaxpr:
    """The jaxpr ``primals, cotangents -> outputs, nonzero gradients``: forward, then backward.

    ``nonzero`` tells which inputs are differentiated; there is a cotangent for each output that
    can have one.
    """
    inputs = len(closed.in_avals)
    active = [a.dtype.kind in "fc" for a in closed.out_avals]

    def both(*args: Any) -> list[Any]:
        avals = [a if n else None for a, n in zip(closed.in_avals, nonzero, strict=True)]
        outs, out_nodes, in_nodes = linearize_flat(closed, args[:inputs], avals, "grad")
        given = iter(args[inputs:])
        cotangents = [next(given) if a else None for a in active]
        pulled = backward(out_nodes, cotangents, in_nodes, consume=True)
        return [*outs, *(ct for ct in pulled if ct is not None)]

    cotangents = [y.strong() for y, a in zip(closed.out_avals, active, strict=True) if a]
    return stage(both, [*closed.in_avals, *cotangents], "grad")


def cost_of(eqns: Sequence[Eqn]) -> tuple[float, float]:
    """Floating-point operations, and bytes read and written."""
    costs = [e.primitive.cost([v.aval for v in e.invars], e.params) for e in eqns]
    return sum(flops for flops, _ in costs), sum(moved for _, moved in costs)


def work_of(eqns: Sequence[Eqn]) -> float:
    """What equations cost, in one number: moving a byte counts as one operation.

    That is about the balance of a core: a gigabyte and ten billions of operations a second, of
    which products of matrices reach more and transcendental functions less.
    """
    return sum(cost_of(eqns))
