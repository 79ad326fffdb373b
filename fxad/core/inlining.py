"""Called jaxprs in the place of their calls, and jaxprs under construction."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from fxad.core.jaxpr import Atom, ClosedJaxpr, Eqn, Jaxpr, Var


class Builder:
    """Equations under construction, and what stands for variables that are gone."""

    def __init__(self) -> None:
        self.eqns: list[Eqn] = []
        self.replaced: dict[Var, Atom] = {}

    def read(self, atom: Atom) -> Atom:
        """What stands for an atom now."""
        while isinstance(atom, Var) and atom in self.replaced:
            atom = self.replaced[atom]
        return atom

    def finish(self, jaxpr: Jaxpr) -> Jaxpr:
        """The jaxpr with these equations in the place of its own."""
        outvars = [self.read(v) for v in jaxpr.outvars]
        return Jaxpr(jaxpr.constvars, jaxpr.invars, self.eqns, outvars)


def inline_calls(jaxpr: Jaxpr, chosen: Callable[[Eqn], bool]) -> Jaxpr:
    """Puts the equations of called jaxprs in the place of the calls that are chosen."""
    builder = Builder()
    _inline_into(builder, jaxpr.eqns, chosen)
    return builder.finish(jaxpr)


def _inline_into(builder: Builder, eqns: Sequence[Eqn], chosen: Callable[[Eqn], bool]) -> None:
    for eqn in eqns:
        invars = [builder.read(v) for v in eqn.invars]
        if eqn.primitive.inlines is None or not chosen(eqn):
            builder.eqns.append(eqn.replace(invars))
            continue
        scope = eqn.source.scope if eqn.source else ""
        inner = _renamed(eqn.params[eqn.primitive.inlines], scope)
        builder.replaced.update(zip(inner.invars, invars, strict=True))
        _inline_into(builder, inner.eqns, chosen)
        builder.replaced.update(zip(eqn.outvars, inner.outvars, strict=True))


def _renamed(closed: ClosedJaxpr, scope: str) -> Jaxpr:
    """A copy with variables of its own; called jaxprs have their constants as arguments."""
    names: dict[Var, Var] = {}

    def fresh(atom: Atom) -> Any:
        return names.setdefault(atom, Var(atom.aval)) if isinstance(atom, Var) else atom

    jaxpr = closed.jaxpr
    eqns = [
        eqn.replace(
            [fresh(v) for v in eqn.invars],
            outvars=[fresh(v) for v in eqn.outvars],
            source=eqn.source and eqn.source.within(scope),
        )
        for eqn in jaxpr.eqns
    ]
    return Jaxpr((), [fresh(v) for v in jaxpr.invars], eqns, [fresh(v) for v in jaxpr.outvars])
