"""A jaxpr as a chain of stages, and the jaxpr that runs it by a plan."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Sequence
from itertools import compress, pairwise
from typing import Any

from fxad.control.memory.chain import Chain, Interval, Plan, Region, Stage, turns
from fxad.control.memory.costs import Derived, Marks, derive, eager, examine
from fxad.control.memory.derivative import work_of
from fxad.control.memory.model import nbytes_of
from fxad.control.recomputed import recomputed
from fxad.core.jaxpr import ClosedJaxpr, Eqn, Jaxpr, Var, dce_jaxpr, print_jaxpr

#: A program of more stages is planned in groups of them.
MOST = 96

#: Makes the equation that runs a jaxpr, from its operands to its results, a second time.
Repeat = Callable[[ClosedJaxpr, Sequence[Var], Sequence[Var]], Eqn]


class Stages:
    """A jaxpr parted into stages, as the chain that a plan is made for.

    Args:
      closed: the jaxpr, without constants.
      nonzero: which inputs are differentiated.
      repeat: makes the equation of a region.
      is_eager: whether what does not run again runs one operation after another.
      most: the number of stages beyond which equations are grouped.
    """

    def __init__(
        self,
        closed: ClosedJaxpr,
        nonzero: Sequence[bool],
        repeat: Repeat,
        is_eager: bool = False,
        most: int = MOST,
    ) -> None:
        self.jaxpr, self._repeat = closed.jaxpr, repeat
        self._made = {v: i for i, eqn in enumerate(self.jaxpr.eqns) for v in eqn.outvars}
        self._read = _readers(self.jaxpr)
        self.cuts = self._cuts(most)
        self._stage_of = [k for k, (a, b) in enumerate(pairwise(self.cuts)) for _ in range(b - a)]
        self._stage_of.append(len(self.cuts) - 1)  # of the outputs, which are read in the end
        self._active = {v for v, n in zip(self.jaxpr.invars, nonzero, strict=True) if n}
        self._outputs = {v for v in self._made if v in self.jaxpr.outvars}
        #: The stages whose derivatives first make cotangents in memory of their own.
        self._pulled: dict[Var, int] = {}
        compiled, first = self._costs(self._derived(), is_eager)
        results = sum(nbytes_of(v.aval) for v in self._outputs)
        values, gradients = self._values(), self._gradients()
        self.chain = Chain(compiled, values, gradients, results, first if is_eager else None)

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

    def _derived(self) -> list[Derived]:
        """The stages with their derivatives; equal ones are derived once."""
        known: dict[Any, Derived] = {}
        found = []
        for a, b in pairwise(self.cuts):
            jaxpr = self._section(a, b)
            results = [v for v in jaxpr.outvars if isinstance(v, Var)]
            active = [v in self._active for v in jaxpr.invars]
            key = print_jaxpr(jaxpr), *active
            known.setdefault(key, derive(jaxpr, active))
            found.append(known[key]._replace(jaxpr=jaxpr))
            self._active.update(compress(results, known[key].out_active))
        return found

    def _costs(self, parts: Sequence[Derived], is_eager: bool) -> tuple[list[Stage], list[Stage]]:
        """What each stage costs in a program, and where it runs one operation after another."""
        known: dict[Any, tuple[Stage, Stage, list[bool]]] = {}
        compiled, first, seen = list[Stage](), list[Stage](), set[Var]()
        for k, part in reversed(list(enumerate(parts))):  # a stage tells what cotangents it makes
            marks = self._marks(k, part)
            key = id(part.back), marks
            if key not in known:
                stage, own = examine(part, marks)
                known[key] = stage, eager(stage, part, marks) if is_eager else stage, own
            stage, other, own = known[key]
            compiled.append(stage)
            first.append(other)
            for v in compress(part.jaxpr.invars, own):
                self._pulled.setdefault(v, k)
            for v in compress(part.jaxpr.invars, part.pulled):  # a second part makes a sum
                if v in seen:
                    self._pulled.setdefault(v, k)
                seen.add(v)
        return compiled[::-1], first[::-1]

    def _marks(self, k: int, part: Derived) -> Marks:
        operands = part.jaxpr.invars
        results = [v for v in part.jaxpr.outvars if isinstance(v, Var)]
        return Marks(
            tuple(v in self._made and self._first_reader(v) == k for v in operands),
            tuple(v in self._made and self._stage_of[self._read[v][-1]] == k for v in operands),
            tuple(v in self._outputs for v in (*operands, *results)),
            tuple(v in self._pulled for v in results),
        )

    def _values(self) -> list[Interval]:
        """What goes from stage to stage; outputs are there until the end in any case."""
        found = []
        for v, i in self._made.items():
            first, made = self._first_reader(v), self._stage_of[i]
            if first is not None and v not in self._outputs:
                last, pulled = self._stage_of[self._read[v][-1]], self._pulled.get(v, made)
                found.append(Interval(nbytes_of(v.aval), made, first, last, pulled))
        return found

    def _gradients(self) -> list[int]:
        """Bytes of gradients that are there once the stages from each one on are pulled back."""
        held = [0] * len(self.cuts)
        for v in self.jaxpr.invars:
            for k in range(self._pulled.get(v, -1) + 1):
                held[k] += nbytes_of(v.aval)
        return held

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
            eqns.append(self._region(region))
            start = region.stop
        return eqns + list(self.jaxpr.eqns[self.cuts[start] : self.cuts[stop]])

    def _region(self, region: Region) -> Eqn:
        """What runs again: in turns, if there are more than one."""
        found = [self._turn(turn, region.start) for turn in turns(region)]
        if len(found) == 1:
            return found[0]
        whole = self._section(self.cuts[region.start], self.cuts[region.stop])
        results = [v for v in whole.outvars if isinstance(v, Var)]
        inner = ClosedJaxpr(Jaxpr((), whole.invars, found, results))
        return self._repeat(inner, whole.invars, results)

    def _turn(self, region: Region, source: int) -> Eqn:
        """A region that runs again, from the stage at ``source`` on."""
        whole = self._section(self.cuts[region.start], self.cuts[region.stop])
        eqns = self._by_plan(region.start, region.stop, region.parts)
        results = [v for v in whole.outvars if isinstance(v, Var)]
        before = self._section(self.cuts[source], self.cuts[region.start])
        made = [v for v in before.outvars if isinstance(v, Var) and v in whole.invars]
        given = [Var(v.aval) for v in made]
        others = dict.fromkeys(v for v in whole.invars if v not in made)
        if made:
            again = ClosedJaxpr(dce_jaxpr(before, [v in made for v in before.outvars]))
            others.update(dict.fromkeys(before.invars))
            eqns.insert(0, recomputed(given, again, before.invars, made))
        inner = ClosedJaxpr(Jaxpr((), [*given, *others], eqns, whole.outvars))
        return self._repeat(inner, [*made, *others], results)


def _readers(jaxpr: Jaxpr) -> defaultdict[Var, list[int]]:
    """The equations that read each variable; outputs are read by one beyond the last."""
    readers = defaultdict[Var, list[int]](list)
    for i, atoms in enumerate([*(eqn.invars for eqn in jaxpr.eqns), jaxpr.outvars]):
        for v in atoms:
            if isinstance(v, Var):
                readers[v].append(i)
    return readers
