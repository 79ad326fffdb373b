"""The gradient of a jaxpr as a jaxpr of its own, and what running jaxprs costs."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from fxad.control.call import per_jaxpr
from fxad.core.jaxpr import ClosedJaxpr, Eqn
from fxad.core.staging import stage
from fxad.transforms.staged import linearize_jaxpr, transpose_jaxpr


@per_jaxpr
def gradient_jaxpr(closed: ClosedJaxpr, nonzero: tuple[bool, ...]) -> ClosedJaxpr:
    """The jaxpr ``primals, cotangents -> outputs, nonzero cotangents``: forward, then backward.

    ``nonzero`` tells which inputs are differentiated; there is a cotangent for each output that
    depends on them.
    """
    forward, linear, out_nonzero = linearize_jaxpr(closed, nonzero)
    inputs, outputs = len(closed.in_avals), len(closed.out_avals)
    residuals = len(linear.in_avals) - sum(nonzero)
    marks = [False] * residuals + [True] * sum(nonzero)
    back, _ = transpose_jaxpr(linear, marks, [True] * sum(out_nonzero))

    def both(*args: Any) -> list[Any]:
        outs = forward(*args[:inputs])
        return [*outs[:outputs], *back(*outs[outputs:], *args[inputs:])]

    cotangents = [a.strong() for a, n in zip(closed.out_avals, out_nonzero, strict=True) if n]
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
