"""What the steps of loops and the branches of conditions save for the backward pass."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterable, Sequence
from typing import Any, NamedTuple

from fxad.control.branches import arranged_branch, cond_p, residual_slots
from fxad.control.call import per_jaxpr
from fxad.control.loop import scan_p
from fxad.core.jaxpr import Atom, ClosedJaxpr, Eqn, Jaxpr, Var, axis_names
from fxad.core.primitive import Primitive
from fxad.core.staging import stage
from fxad.core.trace import Trace, current_trace, within


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


#: Whether a value may be kept: False, True, or in which memory.
Word = bool | Offloadable
#: Whether a result of an equation, by its index, may be kept.
Saveable = Callable[[Eqn, int], Word]


class Choice(NamedTuple):
    """What is saved and how, what runs again, and equations whose results it has taken more of."""

    saved: dict[Var, Word]
    again: list[Eqn]
    forward: dict[Eqn, Eqn]


class Factors(NamedTuple):
    """What makes the values that a linear equation could save, and that equation, reading them."""

    made: Eqn
    words: list[Word]
    pushing: Eqn


#: How what is read comes about from equations that run forward.
Choose = Callable[[Sequence[Eqn], Iterable[Atom], Saveable], Choice]


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


def apart(eqns: Sequence[Eqn], tangents: Sequence[Var]) -> tuple[list[Eqn], list[Eqn]]:
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


# Loops -------------------------------------------------------------------------------------------


def choose_in_loop(
    choose: Choose, eqn: Eqn, needed: set[Var], saveable: Saveable
) -> Choice | None:
    """What the steps of a loop save is stacked, and the loop that runs again scans it.

    That one computes what is read alone. None where the loop can only run again as it is.
    """
    jaxpr = inlined(eqn.params["jaxpr"]).jaxpr
    first, count = eqn.params["num_consts"], eqn.params["num_carry"]
    carried = range(first, first + count)
    flags = [v in needed for v in eqn.outvars]
    while True:
        reads: set[Atom] = set(itertools.compress(jaxpr.outvars, flags))
        inner = choose(jaxpr.eqns, reads, saveable)
        reads.update(v for e in inner.again for v in e.invars)
        grown = [flags[i - first] or jaxpr.invars[i] in reads for i in carried]
        if flags[:count] == grown:
            break
        flags[:count] = grown
    if jaxpr.constvars:
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
    forwards = {eqn: forward} if saved else {}
    return Choice(saved, [again] if results or again.effects() else [], forwards)


def factors_of_loop(
    choose: Choose, eqn: Eqn, linear_in: Sequence[bool], saveable: Saveable
) -> Factors | None:
    """A loop that makes what a linear loop could save, and the linear loop that scans it."""
    jaxpr = inlined(eqn.params["jaxpr"]).jaxpr
    first, count = eqn.params["num_consts"], eqn.params["num_carry"]
    flags = [flag or first <= i < first + count for i, flag in enumerate(linear_in)]
    known, linear = apart(jaxpr.eqns, list(itertools.compress(jaxpr.invars, flags)))
    reads: set[Atom] = set(jaxpr.outvars).union(*(e.invars for e in linear))
    inner = choose(known, reads, saveable)
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
    return Factors(factors, list(inner.saved.values()), pushed.replace(outvars=eqn.outvars))


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




# Branches ----------------------------------------------------------------------------------------


def choose_in_branches(
    choose: Choose, eqn: Eqn, needed: set[Var], saveable: Saveable
) -> Choice | None:
    """What the branch that is taken saves is a result, and what runs again is the rest of it.

    Of that, what is read alone. None where the branches can only run again as they are.
    """
    flags = [v in needed for v in eqn.outvars]
    jaxprs = [inlined(branch).jaxpr for branch in eqn.params["branches"]]
    inners = [choose(j.eqns, itertools.compress(j.outvars, flags), saveable) for j in jaxprs]
    every = [True] * len(jaxprs[0].invars)
    whole = [(j.eqns, j.outvars) for j in jaxprs]
    made = _saving_branches(eqn, jaxprs, inners, every, whole)
    if made is None:
        return None
    forward, places = made
    slots = forward.outvars[len(eqn.outvars) :]
    forwards = {eqn: forward.replace(outvars=[*eqn.outvars, *slots])} if slots else {}
    words = _slot_words(inners, places, len(slots))
    rest = [(i.again, list(itertools.compress(j.outvars, flags)))
            for i, j in zip(inners, jaxprs, strict=True)]
    again = _reading_branches(eqn, jaxprs, inners, places, slots, rest)
    again = again.replace(outvars=list(itertools.compress(eqn.outvars, flags)))
    return Choice(dict(zip(slots, words, strict=True)), [again], forwards)


def factors_of_branches(
    choose: Choose, eqn: Eqn, linear_in: Sequence[bool], saveable: Saveable
) -> Factors | None:
    """Branches that make what linear branches could save, and those that read it."""
    jaxprs = [inlined(branch).jaxpr for branch in eqn.params["branches"]]
    parts = [apart(j.eqns, list(itertools.compress(j.invars, linear_in[1:]))) for j in jaxprs]
    inners = [
        choose(known, set(j.outvars).union(*(e.invars for e in linear)), saveable)
        for j, (known, linear) in zip(jaxprs, parts, strict=True)
    ]
    fixed = [not flag for flag in linear_in[1:]]
    empty: list[Atom] = []
    forwards = [(known, empty) for known, _ in parts]
    made = _saving_branches(eqn, jaxprs, inners, fixed, forwards)
    if made is None or not made[0].outvars:
        return None
    factors, places = made
    factors.params["linear"] = False
    rest = [([*i.again, *linear], list(j.outvars))
            for i, j, (_, linear) in zip(inners, jaxprs, parts, strict=True)]
    pushed = _reading_branches(eqn, jaxprs, inners, places, factors.outvars, rest)
    words = _slot_words(inners, places, len(factors.outvars))
    return Factors(factors, words, pushed.replace(outvars=eqn.outvars))


def _slot_words(
    inners: Sequence[Choice], places: Sequence[Sequence[int]], count: int
) -> list[Word]:
    """How the saved values that share a place are saved: on the device, if one of them is."""
    words: list[Any] = [None] * count
    for inner, place in zip(inners, places, strict=True):
        for slot, word in zip(place, inner.saved.values(), strict=True):
            words[slot] = word if words[slot] is None else words[slot] is True or word
    return words


Steps = Sequence[tuple[Sequence[Eqn], Sequence[Atom]]]


def _saving_branches(
    eqn: Eqn, jaxprs: Sequence[Jaxpr], inners: Sequence[Choice], takes: Sequence[bool], steps: Steps
) -> tuple[Eqn, list[list[int]]] | None:
    """Branches with the saved values of whichever is taken as further results, and their places."""
    saved = [v for inner in inners for v in inner.saved]
    if any(v.aval.weak_type for v in saved) or any(j.constvars for j in jaxprs):
        return None
    avals, places = residual_slots([[v.aval for v in inner.saved] for inner in inners])
    branches = []
    for jaxpr, inner, place, (eqns, outvars) in zip(jaxprs, inners, places, steps, strict=True):
        invars = list(itertools.compress(jaxpr.invars, takes))
        changed = [inner.forward.get(e, e) for e in eqns]
        closed = ClosedJaxpr(Jaxpr((), invars, changed, [*outvars, *inner.saved]))
        source: list[int | None] = [None] * len(avals)
        for i, slot in enumerate(place):
            source[slot] = len(outvars) + i
        outputs = [*zip((v.aval for v in outvars), range(len(outvars)), strict=True)]
        outputs += zip(avals, source, strict=True)  # type: ignore[arg-type]
        arranged = arranged_branch(closed, closed.in_avals, range(len(invars)), outputs)
        if arranged.consts:
            return None
        branches.append(arranged)
    operands = [eqn.invars[0], *itertools.compress(eqn.invars[1:], takes)]
    return _cond(eqn, operands, branches), places


def _reading_branches(
    eqn: Eqn,
    jaxprs: Sequence[Jaxpr],
    inners: Sequence[Choice],
    places: Sequence[Sequence[int]],
    slots: Sequence[Var],
    steps: Steps,
) -> Eqn:
    """Branches that read what theirs have saved, and of the operands what some branch reads."""
    reads = [set[Atom](outvars).union(*(e.invars for e in eqns)) for eqns, outvars in steps]
    read = [
        any(v in own for v, own in zip(column, reads, strict=True))
        for column in zip(*(j.invars for j in jaxprs), strict=True)
    ]
    branches = []
    for jaxpr, inner, place, (eqns, outvars) in zip(jaxprs, inners, places, steps, strict=True):
        own = [Var(slot.aval) for slot in slots]
        for v, slot in zip(inner.saved, place, strict=True):
            own[slot] = v
        invars = [*itertools.compress(jaxpr.invars, read), *own]
        branches.append(ClosedJaxpr(Jaxpr((), invars, eqns, outvars)))
    operands = [eqn.invars[0], *itertools.compress(eqn.invars[1:], read), *slots]
    return _cond(eqn, operands, branches)


def _cond(eqn: Eqn, operands: Sequence[Atom], branches: Sequence[ClosedJaxpr]) -> Eqn:
    names = tuple(dict.fromkeys(name for b in branches for name in axis_names(b)))
    params = eqn.params | {"branches": tuple(branches), "axis_name": names}
    outvars = [Var(aval) for aval in branches[0].out_avals]
    return Eqn(cond_p, operands, outvars, params, eqn.source)
