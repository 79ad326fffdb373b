"""What to keep of a chain of computations and what to compute again: the best under a budget.

A plan parts the stages of a chain into those that keep what their derivative reads, and regions
that keep their inputs alone. A region runs again when the reverse pass gets to it, by a plan of
its own. The best plan follows from those of shorter chains.

Source: Beaumont, Eyraud-Dubois, Herrmann, Joly and Shilova, Optimal checkpointing for
heterogeneous chains, 2019, whose recursion this is; Griewank and Walther, Revolve, ACM
Transactions on Mathematical Software 26, 2000, for equal stages.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from typing import Any, NamedTuple

import numpy as np

#: Into how many parts a budget is divided at most.
SLOTS = 256

_NONE, _OUTPUT, _ALL = range(3)

#: Work by what is known of the operands of the first stage, its number, the end, and the slots.
Table = list[Any]


class Region(NamedTuple):
    """Stages ``start`` to ``stop`` that run again, with the regions among them that do so twice."""

    start: int
    stop: int
    parts: tuple[Region, ...] = ()


Plan = tuple[Region, ...]


def turns(region: Region) -> list[Region]:
    """The parts in which a region is pulled back, the first to run first.

    A region that begins with another one runs up to the end of that, then the rest of it is pulled
    back, then the other one, from the same state: they need not be within one another.
    """
    found = [region]
    while found[-1].parts and found[-1].parts[0].start == region.start:
        outer = found.pop()
        first, *rest = outer.parts
        if first.stop < outer.stop:
            found.append(Region(first.stop, outer.stop, tuple(rest)))
        found.append(first)
    return found[::-1]


def neighbours(plan: Plan, start: int, stop: int) -> Iterator[Plan]:
    """Plans with one region less, or one whose bounds are moved by a stage."""
    for i, region in enumerate(plan):
        before, after = plan[:i], plan[i + 1 :]
        low = before[-1].stop if before else start
        high = after[0].start if after else stop
        yield (*before, *region.parts, *after)
        inner_low = region.parts[0].start if region.parts else region.stop - 1
        inner_high = region.parts[-1].stop if region.parts else region.start + 1
        for a, b in ((1, 0), (0, -1), (-1, 0), (0, 1)):
            a, b = region.start + a, region.stop + b
            if low <= a <= inner_low and inner_high <= b <= high:
                yield (*before, Region(a, b, region.parts), *after)
        for parts in neighbours(region.parts, region.start, region.stop):
            yield (*before, region._replace(parts=parts), *after)


class Stage(NamedTuple):
    """What one stage costs. Bytes are beside those of its operands.

    Args:
      work: of running it.
      running: bytes while it runs, results included.
      running_over: the same if nothing reads its operands later, so that their memory is free.
      backward: bytes while it is pulled back, beside what it keeps, the cotangents of its outputs
        included.
      backward_over: the same if its operands are free once they have been read.
      keeps_input: bytes of values that no stage before it reads and its derivative does.
      keeps: bytes of other values that its derivative reads.
      keeps_output: bytes of its outputs that its derivative reads.
      last_work: of running it for its derivative alone.
      last_running: bytes while that runs.
      last_running_over: the same if nothing reads its operands later.
    """

    work: float
    running: int
    running_over: int
    backward: int
    backward_over: int
    keeps_input: int
    keeps: int
    keeps_output: int
    last_work: float
    last_running: int
    last_running_over: int


class Interval(NamedTuple):
    """A value that goes from stage to stage.

    Args:
      nbytes: its size.
      made: the stage that makes it.
      first: the stage that reads it first.
      last: the stage that reads it last.
      pulled: the stage that first makes its cotangent on the way back, in memory of its own; that
        of ``made`` if there is none.
    """

    nbytes: int
    made: int
    first: int
    last: int
    pulled: int


class Chain:
    """Stages one after another, and the values between them.

    Args:
      stages: in the order in which they run.
      values: what some stages make and others read; not arguments, which the caller keeps.
      gradients: for each number of stages, the bytes of finished gradients once all stages from
        there on have been pulled back.
      results: the bytes of the results of the whole, which are there from the forward pass on.
      eager: what the stages cost where they run one operation after another, as those do then
        that run once. Who calls a region holds the cotangents of its end until it is pulled back.
    """

    def __init__(
        self,
        stages: Sequence[Stage],
        values: Sequence[Interval],
        gradients: Sequence[int],
        results: int = 0,
        eager: Sequence[Stage] | None = None,
    ) -> None:
        self.stages = list(stages)
        self.eager = None if eager is None else list(eager)
        #: Whether every value is read by the next stage alone: the recursion is exact then.
        self.simple = all(v.made + 1 == v.first == v.last for v in values)
        count = len(self.stages)
        self.cotangents = [
            sum(v.nbytes for v in values if v.made < k <= v.pulled) for k in range(count + 1)
        ]
        pulled = [c + g + results for c, g in zip(self.cotangents, gradients, strict=True)]
        #: Bytes of cotangents, gradients and results while what comes before a stage is at work.
        self.after = [*pulled[:-1], 0]
        #: Those beside what a stage has while it is pulled back.
        self.beside = [
            pulled[s + 1] - sum(v.nbytes for v in values if v.made == s < v.pulled)
            for s in range(count)
        ]
        self.forward = np.concatenate([[0.0], np.cumsum([s.work for s in self.stages])])
        self.reads = np.zeros((count + 1, count + 1), np.int64)
        alive = np.zeros((count + 1, count + 1), np.int64)
        for v in values:
            # A region keeps what it is the first to read; within one, what it made is alive.
            self.reads[v.made + 1 : v.first + 1, v.first + 1 :] += v.nbytes
            alive[: v.made + 1, v.made + 1 : v.last + 1] += v.nbytes
        #: ``running[s, e]``: bytes while the stages from s to e run and nothing is kept.
        self.running = np.zeros((count + 1, count + 1), np.int64)
        for s, stage in enumerate(self.stages):
            running = [stage.running, *(other.running_over for other in self.stages[s + 1 :])]
            self.running[s, s + 1 :] = np.maximum.accumulate(alive[s, s:count] + running)

    def plain(
        self, start: int, known: int, again: bool = False, last: bool = False
    ) -> tuple[int, int, int]:
        """What a stage keeps beside what is kept, and bytes while it runs and is pulled back.

        ``last`` says that it runs again, for its derivative alone.
        """
        stage = self.stages[start] if again or self.eager is None else self.eager[start]
        own, read = stage.keeps + stage.keeps_output, int(self.reads[start, start + 1])
        there = self.known_output(start) if known == _OUTPUT else 0
        running = stage.last_running if last else stage.running
        if known == _ALL:
            return own, running, own + self.beside[start] + stage.backward
        added = own + max(stage.keeps_input - there, 0)
        pulling = added + self.beside[start]
        if there:
            return added, max(read - there, 0) + running, pulling + stage.backward
        if not stage.keeps_input:
            running = stage.last_running_over if last else stage.running_over
        return added, read + running, pulling + stage.backward_over

    def plain_peak(self) -> int:
        """The bytes that it takes if everything is kept."""
        peak = kept = 0
        known = _ALL
        for s, stage in enumerate(self.stages):
            added, running, pulling = self.plain(s, known)
            peak = max(peak, kept + max(self.after[-1] + running, pulling))
            kept, known = kept + added, _OUTPUT if stage.keeps_output else _NONE
        return peak

    def known_output(self, start: int) -> int:
        """Bytes of what a stage reads that a plain one before it keeps."""
        return self.stages[start - 1].keeps_output if start else 0

    def kept(self, start: int, stop: Any, known: int) -> Any:
        """Bytes that a region keeps beside what is kept: its inputs."""
        if known == _ALL:
            return np.zeros_like(self.reads[start, stop])
        there = self.known_output(start) if known == _OUTPUT else 0
        return np.maximum(self.reads[start, stop] - there, 0)


def _unit(chain: Chain, capacity: int, slots: int) -> int:
    """The common divisor of all bytes, if the capacity is few of them; else one that is."""
    parts = {*chain.after, *chain.beside, *chain.reads.flat, *chain.running.flat}
    for stage in [*chain.stages, *(chain.eager or ())]:
        parts.update(n for name, n in stage._asdict().items() if not name.endswith("work"))
    divisor = math.gcd(*map(int, parts)) or 1
    return divisor if capacity <= slots * divisor else -(-capacity // slots)


class Solution:
    """The least work for every amount of memory, by the recursion over shorter chains.

    Args:
      chain: the chain.
      capacity: the most memory that is asked about, in bytes.
      slots: into how many parts it is divided, where its parts have no common divisor: what is
        kept is rounded up to them.
    """

    def __init__(self, chain: Chain, capacity: int, slots: int = SLOTS) -> None:
        self.chain, self.count = chain, len(chain.stages)
        self.unit = _unit(chain, capacity, slots)
        self.slots = capacity // self.unit
        count = self.count
        #: Regions within others; those that are called from outside; what runs once.
        self._again = self._table(count + 1)
        self._called = self._again if chain.eager is None else self._table(count + 1)
        self._first = self._table(1)
        for length in range(1, count + 1):
            for s in range(count + 1 - length):
                self._solve(self._again, s, s + length)
                if self._called is not self._again:
                    self._solve(self._called, s, s + length)
        for s in reversed(range(count)):
            self._solve(self._first, s, count)

    def work(self) -> Any:
        """The least extra work for each number of slots; infinite where there is no plan."""
        return self._first[_ALL][0, -1]

    def plan(self, slots: int) -> Plan:
        """The plan that does the least extra work in this memory."""
        return self._parts(self._first, 0, self.count, slots)

    def _table(self, ends: int) -> Table:
        work = [np.full((self.count + 1, ends, self.slots + 1), np.inf) for _ in range(3)]
        for known in work:
            for end in range(1, ends + 1):
                known[-end, -end] = 0.0
        return work

    def _end(self, table: Table, t: int) -> int:
        return 0 if table is self._first else t

    def _solve(self, table: Table, s: int, t: int) -> None:
        for known in range(3):
            if known == _OUTPUT and not self.chain.known_output(s):
                best = table[_NONE][s, self._end(table, t)]
            else:
                best = self._candidates(table, s, t, known).min(0)
            table[known][s, self._end(table, t)] = best

    def _parts(self, table: Table, s: int, t: int, slots: int) -> Plan:
        parts, known = [], _ALL
        while s < t:
            choice = int(self._candidates(table, s, t, known)[:, slots].argmin())
            if not choice:
                slots -= int(self._up(self.chain.plain(s, known, table is not self._first)[0]))
                known = _OUTPUT if self.chain.stages[s].keeps_output else _NONE
                s += 1
                continue
            stop = s + choice
            slots -= int(self._up(self.chain.kept(s, stop, known)))
            inner, held = self._inner(table, t, known)
            left = slots - int(self._up(held))
            parts.append(Region(s, stop, self._parts(inner, s, stop, left)))
            s, known = stop, _NONE
        return tuple(parts)

    def _candidates(self, table: Table, s: int, t: int, known: int) -> Any:
        """The least work for the stages from s to t, for each choice of what comes first.

        That is the stage itself, or a region up to any of the next ones.
        """
        chain, ends = self.chain, slice(s + 1, t + 1)
        work = np.empty((t - s + 1, self.slots + 1))
        self._plain(table, s, t, known, work[:1])
        inner, held = self._inner(table, t, known)
        work[1:] = inner[_ALL][s, ends]
        if held:
            self._shift(work[1:], np.full(t - s, held))
        work[1:] += table[_NONE][ends, self._end(table, t)]
        if table is not self._first:  # the last region of a part runs once, for its derivative
            work[1:-1] += (chain.forward[s + 1 : t] - chain.forward[s])[:, None]
        kept = chain.kept(s, ends, known)
        self._shift(work[1:], kept, chain.after[t] + kept + chain.running[s, ends])
        return work

    def _inner(self, table: Table, t: int, known: int) -> tuple[Table, int]:
        """Where regions of a table are looked up, and the bytes that are held for them beside.

        A region at the start of another is a turn of its own, called from where the other is.
        """
        if table is self._again or (table is self._called and known != _ALL):
            return self._again, self.chain.cotangents[t] * (table is not self._again)
        return self._called, 0

    def _plain(self, table: Table, s: int, t: int, known: int, out: Any) -> None:
        """The work if the first stage keeps what its derivative reads."""
        chain, stage, again = self.chain, self.chain.stages[s], table is not self._first
        last = again and s == t - 1
        added, running, pulling = chain.plain(s, known, again, last)
        if table is self._called is not self._again and not last:
            pulling += chain.cotangents[t]
        need = max(chain.after[t] + running, pulling)
        below = table[_OUTPUT if stage.keeps_output else _NONE][s + 1, self._end(table, t)]
        out[0] = below + (stage.last_work if last else stage.work) * again
        self._shift(out, np.array([added]), np.array([need]))

    def _up(self, nbytes: Any) -> Any:
        return -(-np.asarray(nbytes, np.int64) // self.unit)

    def _shift(self, work: Any, taken: Any, needed: Any = 0) -> None:
        """Makes it the work with so much less memory each; without the needed there is no way."""
        taken, slots = self._up(taken), np.arange(self.slots + 1)
        for less in np.unique(taken[taken > 0]):
            rows = slice(None) if (taken == less).all() else taken == less
            work[rows, less:] = work[rows, : max(self.slots + 1 - less, 0)]
        np.putmask(work, slots < np.maximum(taken, self._up(needed))[:, None], np.inf)
