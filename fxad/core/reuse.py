"""Which results of a jaxpr may be written over once nothing reads them any more."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Collection, Set
from itertools import compress
from typing import Any, NamedTuple

from fxad.core.jaxpr import Atom, ClosedJaxpr, Eqn, Jaxpr, Var


class Ownership(NamedTuple):
    """What a jaxpr that is called does with arrays.

    Args:
      results: which results are new arrays that nothing else refers to.
      operands: which operands nothing that it made or called refers to once it has run.
    """

    results: list[bool]
    operands: list[bool]


#: Tells the ownership of a called jaxpr.
Called = Callable[[ClosedJaxpr], Ownership]


def fresh_variables(
    jaxpr: Jaxpr, given: Collection[Var] = (), called: Called | None = None
) -> set[Any]:
    """The variables whose arrays nothing but their own slot refers to.

    A fresh operation makes a new array, as ``given`` are; the operations that read it must not
    make views. What becomes of operands and results of calls, ``called`` tells.
    """
    fresh = {v for eqn in jaxpr.eqns if eqn.primitive.fresh for v in eqn.outvars if v.aval.shape}
    fresh.update(given)
    for eqn in jaxpr.eqns:
        if eqn.primitive.fresh:
            continue
        let_go: set[Any] = set()
        if called is not None and eqn.primitive.calls is not None:
            owned = called(eqn.params[eqn.primitive.calls])
            fresh.update(compress(eqn.outvars, owned.results))
            pairs = list(zip(eqn.invars, owned.operands, strict=True))
            let_go = {v for v, free in pairs if free}.difference(v for v, free in pairs if not free)
        fresh.difference_update(v for v in eqn.invars if v not in let_go)
    return fresh


def ownership(jaxpr: Jaxpr, called: Called | None = None) -> Ownership:
    """The ownership of a jaxpr without constants."""
    fresh = fresh_variables(jaxpr, jaxpr.invars, called)
    times, inputs = Counter[Atom](jaxpr.outvars), set(jaxpr.invars)
    return Ownership(
        [v in fresh and v not in inputs and times[v] == 1 for v in jaxpr.outvars],
        [v in fresh and v not in times for v in jaxpr.invars],
    )


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
