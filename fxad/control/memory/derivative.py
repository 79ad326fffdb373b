"""The gradient of a jaxpr as a jaxpr of its own, and what running jaxprs costs."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from fxad.core.aval import ShapedArray
from fxad.core.jaxpr import Atom, ClosedJaxpr, Eqn, Jaxpr, Var
from fxad.transforms.nodes import backward
from fxad.transforms.staged import linearize_jaxpr
from fxad.transforms.tape import linearize_flat


def gradient(
    closed: ClosedJaxpr, nonzero: Sequence[bool]
) -> tuple[Callable[..., list[Any]], list[ShapedArray]]:
    """The map ``primals, cotangents -> outputs, nonzero gradients``, and what it takes.

    It runs forward, then backward. ``nonzero`` tells which inputs are differentiated; there is a
    cotangent for each output that can have one.
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
    return both, [*closed.in_avals, *cotangents]


def kept_bytes(closed: ClosedJaxpr, nonzero: Sequence[bool]) -> int:
    """What the derivative holds between its passes, beside arguments and constants."""
    forward, _, _ = linearize_jaxpr(closed, nonzero)
    inner = forward.jaxpr
    roots = roots_of_views(inner)
    held = {roots.get(v, v) for v in inner.outvars[len(closed.out_avals) :]}
    theirs = {v for v in held if isinstance(v, Var)}.difference(inner.invars, inner.constvars)
    return sum(v.aval.size * v.aval.dtype.itemsize for v in theirs)


def roots_of_views(jaxpr: Jaxpr) -> dict[Atom, Atom]:
    """What has the memory that a view shows, for each view."""
    roots: dict[Atom, Atom] = {}
    for eqn in jaxpr.eqns:
        if eqn.primitive.view and eqn.invars:
            each = len(eqn.invars) == len(eqn.outvars)
            shown = eqn.invars if each else eqn.invars[:1] * len(eqn.outvars)
            roots.update((v, roots.get(x, x)) for v, x in zip(eqn.outvars, shown, strict=True))
    return roots


def work_of(eqns: Sequence[Eqn]) -> float:
    """What equations cost, in one number: moving a byte counts as one operation.

    That is about the balance of a core: some gigabytes and gigaflops a second, of which products
    of matrices reach more and transcendental functions less.
    """
    total = 0.0
    for eqn in eqns:
        flops, moved = eqn.primitive.cost([v.aval for v in eqn.invars], eqn.params)
        total += flops + moved
    return total
