"""A jaxpr as a chain of stages, and the jaxpr that runs it by a plan."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Sequence
from itertools import pairwise
from typing import Any

from fxad.control.memory.chain import Chain, Interval, Plan, Region, Stage
from fxad.control.memory.derivative import roots_of_views, work_of
from fxad.control.memory.model import footprint, nbytes_of
from fxad.core.jaxpr import Atom, ClosedJaxpr, Eqn, Jaxpr, Var, dce_jaxpr, print_jaxpr
from fxad.transforms.staged import linearize_jaxpr, transpose_jaxpr

#: A program of more stages is planned in groups of them.
MOST = 48

#: Makes the equation that runs a jaxpr, from its operands to its results, a second time.
Repeat = Callable[[ClosedJaxpr, Sequence[Var], Sequence[Var]], Eqn]


class Stages:
    """A jaxpr parted into stages, as the chain that a plan is made for.

    Args:
      closed: the jaxpr, without constants.
      nonzero: which inputs are differentiated.
      repeat: makes the equation of a region.
      most: the number of stages beyond which equations are grouped.
    """

    def __init__(
        self, closed: ClosedJaxpr, nonzero: Sequence[bool], repeat: Repeat, most: int = MOST
    ) -> None:
        self.jaxpr, self._repeat = closed.jaxpr, repeat
        self._made = {v: i for i, eqn in enumerate(self.jaxpr.eqns) for v in eqn.outvars}
        self._read = _readers(self.jaxpr)
        self.cuts = self._cuts(most)
        self._stage_of = [k for k, (a, b) in enumerate(pairwise(self.cuts)) for _ in range(b - a)]
        self._stage_of.append(len(self.cuts) - 1)  # of the outputs, which are read in the end
        self._active = {v for v, n in zip(self.jaxpr.invars, nonzero, strict=True) if n}
        self._outputs = {v for v in self._made if v in self.jaxpr.outvars}
        self._known: dict[Any, tuple[Stage, list[bool]]] = {}
        stages = [self._stage(k) for k in range(len(self.cuts) - 1)]
        self.chain = Chain(stages, self._values(), self._gradients())

    def _cuts(self, most: int) -> list[int]:
        """The equations before which stages begin, and the end: where little is alive, if many."""
        count = len(self.jaxpr.eqns)
        alive = [0] * (count + 1)
        for v, made in self._made.items():
            for k in range(made + 1, (self._read[v] or [made])[-1] + 1):
                alive[k] += nbytes_of(v.aval)
        cuts = list(range(count + 1))
        work = [work_of([eqn]) for eqn in self.jaxpr.eqns]
        while len(cuts) - 1 > most:
            # The cut goes across which most is alive; of equal ones that between the least work.
            i = min(
                range(1, len(cuts) - 1), key=lambda i: (-alive[cuts[i]], work[i - 1] + work[i])
            )
            work[i - 1 : i + 1] = [work[i - 1] + work[i]]
            del cuts[i]
        return cuts

    def _first_reader(self, v: Var) -> int | None:
        """The first stage, of those after the one that makes a value, that reads it."""
        made = self._stage_of[self._made[v]]
        stages = (self._stage_of[i] for i in self._read[v])
        return next((k for k in stages if k > made), None)

    def _values(self) -> list[Interval]:
        """What goes from stage to stage; outputs are there until the end in any case."""
        found = []
        for v, i in self._made.items():
            first = self._first_reader(v)
            if first is not None and v not in self._outputs:
                last = self._stage_of[self._read[v][-1]]
                size, active = nbytes_of(v.aval), v in self._active
                found.append(Interval(size, self._stage_of[i], first, last, active))
        return found

    def _gradients(self) -> list[int]:
        """Finished gradients, and the outputs, which are there from the forward pass on."""
        count = len(self.cuts) - 1
        held = [sum(nbytes_of(v.aval) for v in self._outputs)] * count + [0]
        for v in self.jaxpr.invars:
            if v in self._active and self._read[v]:
                for k in range(min(self._stage_of[self._read[v][-1]], count - 1) + 1):
                    held[k] += nbytes_of(v.aval)
        return held

    def _stage(self, k: int) -> Stage:
        """What a stage costs; equal ones are looked at once."""
        jaxpr = self._section(self.cuts[k], self.cuts[k + 1])
        active = tuple(v in self._active for v in jaxpr.invars)
        first = tuple(v in self._made and self._first_reader(v) == k for v in jaxpr.invars)
        own = tuple(v in self._outputs for v in (*jaxpr.invars, *jaxpr.outvars))
        key = print_jaxpr(jaxpr), active, first, own
        if key not in self._known:
            self._known[key] = _examine(jaxpr, active, first, own)
        stage, out_active = self._known[key]
        active_outs = {v for v, a in zip(jaxpr.outvars, out_active, strict=True) if a}
        self._active.update(v for v in self._made if v in active_outs)
        return stage

    def _section(self, start: int, stop: int) -> Jaxpr:
        """Some equations in a row: from what they read to what is read of theirs later."""
        eqns = self.jaxpr.eqns[start:stop]
        made = dict.fromkeys(v for eqn in eqns for v in eqn.outvars)
        read = dict.fromkeys(v for eqn in eqns for v in eqn.invars if isinstance(v, Var))
        results = [v for v in made if self._read[v] and self._read[v][-1] >= stop]
        return Jaxpr((), [v for v in read if v not in made], eqns, results)

    def rewritten(self, plan: Plan) -> ClosedJaxpr:
        """The jaxpr that does what a plan says."""
        eqns = self._by_plan(0, len(self.cuts) - 1, plan)
        return ClosedJaxpr(Jaxpr((), self.jaxpr.invars, eqns, self.jaxpr.outvars))

    def _by_plan(self, start: int, stop: int, plan: Plan) -> list[Eqn]:
        eqns: list[Eqn] = []
        for region in plan:
            eqns += self.jaxpr.eqns[self.cuts[start] : self.cuts[region.start]]
            eqns.append(self._call(region))
            start = region.stop
        return eqns + list(self.jaxpr.eqns[self.cuts[start] : self.cuts[stop]])

    def _call(self, region: Region) -> Eqn:
        whole = self._section(self.cuts[region.start], self.cuts[region.stop])
        eqns = self._by_plan(region.start, region.stop, region.parts)
        inner = ClosedJaxpr(Jaxpr((), whole.invars, eqns, whole.outvars))
        results = [v for v in whole.outvars if isinstance(v, Var)]
        return self._repeat(inner, whole.invars, results)


def _readers(jaxpr: Jaxpr) -> defaultdict[Var, list[int]]:
    """The equations that read each variable; outputs are read by one beyond the last."""
    readers = defaultdict[Var, list[int]](list)
    for i, atoms in enumerate([*(eqn.invars for eqn in jaxpr.eqns), jaxpr.outvars]):
        for v in atoms:
            if isinstance(v, Var):
                readers[v].append(i)
    return readers


def _examine(
    jaxpr: Jaxpr, active: Sequence[bool], first: Sequence[bool], outputs: Sequence[bool]
) -> tuple[Stage, list[bool]]:
    """The stage that a jaxpr is, from its derivative; and which of its results have tangents.

    ``first`` tells which operands no stage before reads, ``outputs`` which operands and results
    are outputs of the whole, and so are there in any case.
    """
    closed = ClosedJaxpr(jaxpr)
    forward, linear, out_active = linearize_jaxpr(closed, active)
    residuals = len(linear.in_avals) - sum(active)
    kept = _kept(forward.jaxpr, len(jaxpr.outvars), first, outputs)
    marks = [False] * residuals + [True] * sum(active)
    back, _ = transpose_jaxpr(linear, marks, [True] * sum(out_active))
    given = [False] * residuals + [True] * sum(out_active)
    last = dce_jaxpr(forward.jaxpr, [False] * len(jaxpr.outvars) + [True] * residuals)
    stage = Stage(
        work=work_of(jaxpr.eqns),
        running=footprint(closed).peak,
        backward=footprint(back, given=given).peak,
        keeps_input=kept[0],
        keeps=kept[1],
        keeps_output=kept[2],
        last_work=work_of(last.eqns),
        last_running=footprint(ClosedJaxpr(last)).peak,
    )
    return stage, out_active


def _kept(
    forward: Jaxpr, results: int, first: Sequence[bool], outputs: Sequence[bool]
) -> tuple[int, int, int]:
    """Bytes of operands, of neither, and of results that a derivative keeps."""
    roots = roots_of_views(forward)
    places: dict[Atom, int] = {v: i for i, v in enumerate(forward.invars)}
    for i, v in enumerate(forward.outvars[:results]):
        places.setdefault(roots.get(v, v), len(forward.invars) + i)
    operands = own = out = 0
    for v in {roots.get(v, v) for v in forward.outvars[results:]}:
        place, size = places.get(v), nbytes_of(v.aval)
        if place is None:
            own += size * isinstance(v, Var)
        elif place >= len(forward.invars):
            out += size * (not outputs[place])
        else:
            operands += size * (first[place] and not outputs[place])
    return operands, own, out
