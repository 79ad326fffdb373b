"""What the backward pass of a function finds again: kept from the forward pass, or recomputed."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any, NamedTuple

from fxad.control.branches import cond_p
from fxad.control.call import Call, per_jaxpr
from fxad.control.loop import scan_p
from fxad.control.recomputed import choose_recomputed, recomputed_p
from fxad.control.saving_inner import (
    Choice,
    Offloadable,
    Saveable,
    Word,
    apart,
    choose_in_branches,
    choose_in_loop,
    factors_of_branches,
    factors_of_loop,
    inlined,
)
from fxad.core.jaxpr import Atom, ClosedJaxpr, Eqn, Jaxpr, Var, dce_jaxpr
from fxad.core.staging import hoist, stage
from fxad.ops.identity import name_p
from fxad.ops.transfer import fetch_p, offload_p
from fxad.transforms.staged import linearize_jaxpr, postponed


class Saving(NamedTuple):
    """The derivative of a jaxpr, parted into what runs forward and what runs backward.

    ``forward`` is ``primals -> outputs, saved``; ``tangents`` is ``kept primals, saved, nonzero
    tangents -> nonzero tangents of the outputs`` and computes again what it needs beside them.
    Each comes with the constants that are its first operands.
    """

    forward: Call
    tangents: Call
    kept: list[int]
    out_nonzero: list[bool]


@per_jaxpr
def derivative_jaxpr(
    closed: ClosedJaxpr, nonzero: tuple[bool, ...]
) -> tuple[ClosedJaxpr, list[bool]]:
    """The jaxpr ``primals, nonzero tangents -> outputs, nonzero tangents``, without calls.

    Each of its equations either computes with tangents and is linear in them, or could run in
    the forward pass already. Also tells which outputs have tangents.
    """
    forward, linear, out_nonzero = linearize_jaxpr(closed, nonzero)
    inputs, outputs = len(closed.in_avals), len(closed.out_avals)

    def both(*args: Any) -> list[Any]:
        outs = forward(*args[:inputs])
        return [*outs[:outputs], *linear(*outs[outputs:], *args[inputs:])]

    tangent_avals = linear.in_avals[len(linear.in_avals) - sum(nonzero) :]
    staged = inlined(stage(both, [*closed.in_avals, *tangent_avals], "checkpoint"))
    return ClosedJaxpr(dce_jaxpr(staged.jaxpr), staged.consts), out_nonzero


@per_jaxpr
def linearize_saving(
    closed: ClosedJaxpr, nonzero: tuple[bool, ...], saveable: Saveable
) -> Saving:
    """Parts the derivative of a jaxpr: of what the tangents need, only the saveable is kept.

    A value is kept if it is saveable and something reads it that runs backward: the linear part,
    or what has to be computed again. Inputs are kept where something reads them.
    """
    derivative, out_nonzero = derivative_jaxpr(closed, nonzero)
    jaxpr, outputs = derivative.jaxpr, len(closed.out_avals)
    primals = jaxpr.invars[: len(closed.in_avals)]
    tangents = jaxpr.invars[len(primals) :]
    known, linear = apart(jaxpr.eqns, tangents)
    factors, linear = _factors(linear, tangents, saveable)
    needed = {v for v in jaxpr.outvars[outputs:] if isinstance(v, Var)}.difference(tangents)
    reads = needed.union(*(eqn.invars for eqn in linear))
    known += factors

    def may_save(eqn: Eqn, index: int) -> Word:
        return factors[eqn][index] if eqn in factors else saveable(eqn, index)

    saved, again, changed = _choose(known, reads, may_save)
    hosts = _hosts(saved)
    leaving = [hosts.get(v, v) for v in saved]
    forward: Call = closed, []
    if saved:
        outvars = [*jaxpr.outvars[:outputs], *leaving]
        eqns = _offloading([changed.get(eqn, eqn) for eqn in known], hosts)
        forward = hoist(_part(derivative, primals, eqns, outvars))
    fetches = [Eqn(fetch_p, (host,), (v,), {}) for v, host in hosts.items()]
    backward = [*fetches, *again, *linear]
    read = {v for eqn in backward for v in eqn.invars} | needed
    kept = [i for i, v in enumerate(primals) if v in read]
    invars = [*(primals[i] for i in kept), *leaving, *tangents]
    pushed = _part(derivative, invars, backward, jaxpr.outvars[outputs:])
    pushed = ClosedJaxpr(postponed(pushed.jaxpr, tangents), pushed.consts)
    return Saving(forward, hoist(pushed), kept, out_nonzero)


#: What saves values within itself, and what linear ones have to save.
_CHOICES = {
    scan_p: choose_in_loop,
    cond_p: choose_in_branches,
    recomputed_p: choose_recomputed,
}
_FACTORS = {scan_p: factors_of_loop, cond_p: factors_of_branches}


def _choose(known: Sequence[Eqn], reads: Iterable[Atom], saveable: Saveable) -> Choice:
    """How what is read backward comes about, from equations that run forward."""
    needed = {v for v in reads if isinstance(v, Var)}
    made = {v for eqn in known for v in eqn.outvars}
    saved: list[tuple[Var, Word]] = []
    again = []
    forward: dict[Eqn, Eqn] = {}
    named: dict[Atom, Eqn] = {}
    for eqn in reversed(known):
        value = eqn.invars[0] if eqn.primitive is name_p else None
        if isinstance(value, Var) and value in needed and value in made and saveable(eqn, 0):
            # The value under its name is the value: what reads the one can read the other.
            needed.remove(value)
            needed.update(eqn.outvars)
            named[value] = Eqn(name_p, eqn.outvars, [value], eqn.params, eqn.source)
        wanted = [(v, saveable(eqn, i)) for i, v in enumerate(eqn.outvars) if v in needed]
        # What prints is heard of both runs, as in JAX, unless the policy may save it.
        heard = bool(eqn.effects()) and not saveable(eqn, 0)
        if all(word for _, word in wanted) and not heard:
            saved += wanted
            continue
        # Else it makes all of its results anew; loops and branches, what is not saved within.
        rule = _CHOICES.get(eqn.primitive)
        inner = None if rule is None else rule(_choose, eqn, needed, saveable)
        if inner is not None:
            saved += reversed(inner.saved.items())
            forward.update(inner.forward)
        rest = [eqn] if inner is None else inner.again
        again += rest
        needed.update(v for e in rest for v in e.invars if isinstance(v, Var))
        for v in (v for e in rest for v in e.outvars):
            named.pop(v, None)
    return Choice(dict(reversed(saved)), [*named.values(), *reversed(again)], forward)


def _factors(
    linear: Sequence[Eqn], tangents: Sequence[Var], saveable: Saveable
) -> tuple[dict[Eqn, list[Word]], list[Eqn]]:
    """What makes the values that linear loops and branches could save, and those, reading them."""
    active: set[Atom] = set(tangents)
    factors, pushing = {}, []
    for eqn in linear:
        rule = _FACTORS.get(eqn.primitive)
        flags = [v in active for v in eqn.invars]
        parts = None if rule is None else rule(_choose, eqn, flags, saveable)
        if parts is not None:
            factors[parts.made] = parts.words
        pushing.append(eqn if parts is None else parts.pushing)
        active.update(eqn.outvars)
    return factors, pushing


def _hosts(saved: dict[Var, Word]) -> dict[Var, Var]:
    """For each value that moves to the host's memory, the variable that it is there."""
    moved = [v for v, word in saved.items() if isinstance(word, Offloadable)]
    return {v: Var(v.aval) for v in moved if v.aval.shape}  # numbers are not worth the way


def _offloading(eqns: Sequence[Eqn], hosts: dict[Var, Var]) -> list[Eqn]:
    """The equations, each followed by the moves of its results to the host."""
    out = []
    for eqn in eqns:
        moved = [v for v in eqn.outvars if v in hosts]
        out += [eqn, *(Eqn(offload_p, (v,), (hosts[v],), {}, eqn.source) for v in moved)]
    return out


def _part(
    derivative: ClosedJaxpr, invars: Sequence[Var], eqns: Sequence[Eqn], outvars: Sequence[Atom]
) -> ClosedJaxpr:
    """Some equations of the derivative as a jaxpr, with those of its constants that they read."""
    jaxpr = dce_jaxpr(Jaxpr((), invars, eqns, outvars))
    read = {v for eqn in jaxpr.eqns for v in eqn.invars}.union(outvars)
    pairs = zip(derivative.jaxpr.constvars, derivative.consts, strict=True)
    constants = [(v, value) for v, value in pairs if v in read]
    part = Jaxpr([v for v, _ in constants], invars, jaxpr.eqns, outvars)
    return ClosedJaxpr(part, [value for _, value in constants])
