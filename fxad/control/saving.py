"""What the backward pass of a function finds again: kept from the forward pass, or recomputed."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterable, Sequence
from typing import Any, NamedTuple

from fxad.control.call import Call, per_jaxpr
from fxad.control.loop import scan_p
from fxad.core.jaxpr import Atom, ClosedJaxpr, Eqn, Jaxpr, Var, axis_names, dce_jaxpr
from fxad.core.primitive import Primitive
from fxad.core.staging import hoist, stage
from fxad.core.trace import Trace, current_trace, within
from fxad.ops.identity import name_p
from fxad.ops.transfer import fetch_p, offload_p
from fxad.transforms.staged import linearize_jaxpr, postponed


class Offloadable(NamedTuple):
    """A policy's word for: keep it in the host's memory.

    Args:
      src: where the value is, ``"device"``.
      dst: where it is kept, ``"pinned_host"``.

    Example:
      >>> import fxad
      >>> fxad.ad_checkpoint.Offloadable(src="device", dst="pinned_host").dst
      'pinned_host'
    """

    src: str = "device"
    dst: str = "pinned_host"


#: Whether a result of an equation, by its index, may be kept: False, True, or in which memory.
Saveable = Callable[[Eqn, int], bool | Offloadable]


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


class InlineTrace(Trace):
    """Runs the equations of called jaxprs in the place of the calls; ``checkpoint`` stays."""

    __slots__ = ()

    def process(self, primitive: Primitive, args: tuple[Any, ...], params: dict[str, Any]) -> Any:
        """Interprets one application of a primitive."""
        if primitive.inlines == "jaxpr" and "prevent_cse" not in params:
            return params["jaxpr"](*args)
        assert self.parent is not None
        return self.parent.process(primitive, args, params)


@per_jaxpr
def inlined(closed: ClosedJaxpr) -> ClosedJaxpr:
    """The same without calls."""

    def flat(*args: Any) -> list[Any]:
        return within(InlineTrace(current_trace()), closed, *args)

    return stage(flat, closed.in_avals, "checkpoint")


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
    known, linear = _apart(jaxpr.eqns, tangents)
    factors, linear = _factors_of_loops(linear, tangents, saveable)
    known += factors
    needed = {v for v in jaxpr.outvars[outputs:] if isinstance(v, Var)}.difference(tangents)
    reads = needed.union(*(eqn.invars for eqn in linear))
    saved, again, changed = _choose(known, reads, saveable)
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


def _apart(eqns: Sequence[Eqn], tangents: Sequence[Var]) -> tuple[list[Eqn], list[Eqn]]:
    """The equations that do not depend on the tangents, and those that do."""
    active: set[Atom] = set(tangents)
    known, linear = [], []
    for eqn in eqns:
        if active.isdisjoint(eqn.invars):
            known.append(eqn)
        else:
            linear.append(eqn)
            active.update(eqn.outvars)
    return known, linear


class Choice(NamedTuple):
    """What is saved and how, what runs again, and equations whose results it has taken more of."""

    saved: dict[Var, bool | Offloadable]
    again: list[Eqn]
    forward: dict[Eqn, Eqn]


def _choose(known: Sequence[Eqn], reads: Iterable[Atom], saveable: Saveable) -> Choice:
    """How what is read backward comes about, from equations that run forward."""
    needed = {v for v in reads if isinstance(v, Var)}
    made = {v for eqn in known for v in eqn.outvars}
    saved: list[tuple[Var, bool | Offloadable]] = []
    again = []
    forward: dict[Eqn, Eqn] = {}
    named: dict[Atom, Eqn] = {}
    for eqn in reversed(known):
        value = eqn.invars[0] if eqn.primitive is name_p else None
        if value in needed & made and saveable(eqn, 0):
            # The value under its name is the value: what reads the one can read the other.
            needed = needed - {value} | {*eqn.outvars}
            named[value] = eqn.replace(eqn.outvars, outvars=eqn.invars)
        wanted = [(v, saveable(eqn, i)) for i, v in enumerate(eqn.outvars) if v in needed]
        # What prints is heard of both runs, as in JAX, unless the policy may save it.
        heard = bool(eqn.effects()) and not saveable(eqn, 0)
        if all(word for _, word in wanted) and not heard:
            saved += wanted
            continue
        # Else it makes all of its results anew; a loop, what its steps do not save.
        within_steps = _choose_in_loop(eqn, needed, saveable) if eqn.primitive is scan_p else None
        if within_steps is not None:
            saved += reversed(within_steps.saved.items())
            forward.update(within_steps.forward)
        rest = [eqn] if within_steps is None else within_steps.again
        again += rest
        needed.update(v for e in rest for v in e.invars if isinstance(v, Var))
        for v in (v for e in rest for v in e.outvars):
            named.pop(v, None)
    return Choice(dict(reversed(saved)), [*named.values(), *reversed(again)], forward)


def _choose_in_loop(eqn: Eqn, needed: set[Var], saveable: Saveable) -> Choice | None:
    """What the steps of a loop save is stacked, and the loop that runs again scans it.

    None where its steps save nothing.
    """
    jaxpr = inlined(eqn.params["jaxpr"]).jaxpr
    first, count = eqn.params["num_consts"], eqn.params["num_carry"]
    carried = range(first, first + count)
    flags = [v in needed for v in eqn.outvars]
    while True:
        reads: set[Atom] = set(itertools.compress(jaxpr.outvars, flags))
        inner = _choose(jaxpr.eqns, reads, saveable)
        reads.update(v for e in inner.again for v in e.invars)
        grown = [flags[i - first] or jaxpr.invars[i] in reads for i in carried]
        if flags[:count] == grown:
            break
        flags[:count] = grown
    if not inner.saved or jaxpr.constvars:
        return None
    # What is stacked anyway is saved as it is, the rest is stacked beside it.
    stacks: dict[Atom, Var] = dict(zip(jaxpr.outvars[count:], eqn.outvars[count:], strict=True))
    beside = [v for v in inner.saved if v not in stacks]
    eqns = [inner.forward.get(e, e) for e in jaxpr.eqns]
    operands = list(zip(jaxpr.invars, eqn.invars, strict=True))
    forward = _loop(eqn, operands, eqns, [*jaxpr.outvars, *beside], (first, count))
    new = forward.outvars[len(eqn.outvars) :]
    forward = forward.replace(outvars=[*eqn.outvars, *new])
    stacks.update(zip(beside, new, strict=True))
    saved = {stacks[v]: word for v, word in inner.saved.items()}
    read = [flags[i - first] if i in carried else x in reads for i, x in enumerate(jaxpr.invars)]
    operands = list(itertools.compress(operands, read))
    operands += [(v, stacks[v]) for v in inner.saved if v in reads]
    pairs = zip(jaxpr.outvars, eqn.outvars, flags, strict=True)
    results = [(y, v) for y, v, flag in pairs if flag and v not in saved]
    sizes = sum(read[:first]), sum(flags[:count])
    again = _loop(eqn, operands, inner.again, [y for y, _ in results], sizes)
    again = again.replace(outvars=[v for _, v in results])
    return Choice(saved, [again] if results or again.effects() else [], {eqn: forward})


def _factors_of_loops(
    linear: Sequence[Eqn], tangents: Sequence[Var], saveable: Saveable
) -> tuple[list[Eqn], list[Eqn]]:
    """Loops that make what linear loops could save, and the linear loops that scan it."""
    active: set[Atom] = set(tangents)
    factors, loops = [], []
    for eqn in linear:
        parts = None
        if eqn.primitive is scan_p:
            parts = _factors_of_loop(eqn, [v in active for v in eqn.invars], saveable)
        if parts is not None:
            factors.append(parts[0])
        loops.append(eqn if parts is None else parts[1])
        active.update(eqn.outvars)
    return factors, loops


def _factors_of_loop(
    eqn: Eqn, linear_in: Sequence[bool], saveable: Saveable
) -> tuple[Eqn, Eqn] | None:
    jaxpr = inlined(eqn.params["jaxpr"]).jaxpr
    first, count = eqn.params["num_consts"], eqn.params["num_carry"]
    flags = [flag or first <= i < first + count for i, flag in enumerate(linear_in)]
    known, linear = _apart(jaxpr.eqns, list(itertools.compress(jaxpr.invars, flags)))
    reads: set[Atom] = set(jaxpr.outvars).union(*(e.invars for e in linear))
    inner = _choose(known, reads, saveable)
    if not inner.saved or jaxpr.constvars:
        return None
    operands = list(zip(jaxpr.invars, eqn.invars, strict=True))
    fixed = [pair for pair, flag in zip(operands, flags, strict=True) if not flag]
    sizes = first - sum(flags[:first]), 0
    eqns = [inner.forward.get(e, e) for e in known]
    factors = _loop(eqn, fixed, eqns, list(inner.saved), sizes, linear=False)
    reads.update(v for e in inner.again for v in e.invars)
    read = [flag or x in reads for flag, x in zip(flags, jaxpr.invars, strict=True)]
    operands = list(itertools.compress(operands, read))
    operands += zip(inner.saved, factors.outvars, strict=True)
    sizes = sum(read[:first]), count
    pushed = _loop(eqn, operands, [*inner.again, *linear], jaxpr.outvars, sizes)
    return factors, pushed.replace(outvars=eqn.outvars)


def _loop(
    eqn: Eqn,
    operands: Sequence[tuple[Var, Atom]],
    eqns: Sequence[Eqn],
    outvars: Sequence[Atom],
    sizes: tuple[int, int],
    **changes: Any,
) -> Eqn:
    """A loop as another one, with other steps on other operands, so many constants and carries."""
    closed = ClosedJaxpr(Jaxpr((), [x for x, _ in operands], eqns, outvars))
    changes |= {"jaxpr": closed, "num_consts": sizes[0], "num_carry": sizes[1]}
    params = eqn.params | changes | {"axis_name": axis_names(closed)}
    avals = scan_p.abstract(*(v.aval for _, v in operands), **params)
    return Eqn(scan_p, [v for _, v in operands], list(map(Var, avals)), params, eqn.source)


def _hosts(saved: dict[Var, bool | Offloadable]) -> dict[Var, Var]:
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
