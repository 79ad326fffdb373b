"""Which results of a jaxpr may be written over once nothing reads them any more."""

from __future__ import annotations

from collections.abc import Collection, Set
from typing import Any

from fxad.core.jaxpr import Eqn, Jaxpr, Var


def fresh_variables(jaxpr: Jaxpr, given: Collection[Var] = ()) -> set[Any]:
    """The variables whose arrays nothing but their own slot refers to.

    A fresh operation makes a new array, as ``given`` are; the operations that read it must not
    make views.
    """
    fresh = {v for eqn in jaxpr.eqns if eqn.primitive.fresh for v in eqn.outvars if v.aval.shape}
    fresh.update(given)
    for eqn in jaxpr.eqns:
        if not eqn.primitive.fresh:
            fresh.difference_update(v for v in eqn.invars if isinstance(v, Var))
    return fresh


def written_over(eqn: Eqn, reusable: Set[Any]) -> int | None:
    """The position of the operand, of those that may be, in whose memory a ufunc's result goes."""
    if eqn.primitive.ufunc is None:
        return None
    out = eqn.outvars[0].aval
    if out.dtype.char not in "fd":
        return None
    for i, v in enumerate(eqn.invars):
        if v in reusable and v.aval.shape == out.shape and v.aval.dtype == out.dtype:
            return i
    return None
