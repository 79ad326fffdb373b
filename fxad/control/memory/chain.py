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


class Region(NamedTuple):
    """Stages ``start`` to ``stop`` that run again, with the regions among them that do so twice."""

    start: int
    stop: int
    parts: tuple[Region, ...] = ()


Plan = tuple[Region, ...]


def depth(plan: Plan) -> int:
    """How many regions there are within one another."""
    return max((1 + depth(region.parts) for region in plan), default=0)


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
    """What one stage costs. Bytes are beside those of its inputs, unless said otherwise.

    Args:
      work: of running it.
      running: bytes while it runs, results included.
      backward: bytes while it is pulled back, the cotangents of its outputs included.
      keeps_input: bytes of values that no stage before it reads and its derivative does.
      keeps: bytes of other values that its derivative reads.
      keeps_output: bytes of its outputs that its derivative reads.
      last_work: of running it for its derivative alone.
      last_running: bytes while that runs.
    """

    work: float
    running: int
    backward: int
    keeps_input: int
    keeps: int
    keeps_output: int
    last_work: float
    last_running: int


class Interval(NamedTuple):
    """A value that goes from stage to stage: bytes, who makes it, who reads it first and last."""

    nbytes: int
    made: int
    first: int
    last: int
    #: Whether it has a cotangent.
    active: bool = True


class Chain:
    """Stages one after another, and the values between them.

    Args:
      stages: in the order in which they run.
      values: what some stages make and others read; not arguments, which the caller keeps.
      gradients: for each number of stages, the bytes of finished gradients once all stages from
        there on have been pulled back.
    """

    def __init__(
        self, stages: Sequence[Stage], values: Sequence[Interval], gradients: Sequence[int]
    ) -> None:
        self.stages = list(stages)
        #: Whether every value is read by the next stage alone: the recursion is exact then.
        self.simple = all(v.made + 1 == v.first == v.last for v in values)
        count = len(self.stages)
        self.cotangents = [
            sum(v.nbytes for v in values if v.active and v.made < k <= v.last)
            for k in range(count + 1)
        ]
        self.after = [c + g for c, g in zip(self.cotangents, gradients, strict=True)]
        #: Bytes while a stage is pulled back, beside what is kept.
        self.pulling = [
            self.after[s + 1]
            + stage.backward
            - sum(v.nbytes for v in values if v.active and v.made == s and v.last > s)
            for s, stage in enumerate(self.stages)
        ]
        self.forward = np.concatenate([[0.0], np.cumsum([s.work for s in self.stages])])
        self.reads = np.zeros((count + 1, count + 1), np.int64)
        alive = np.zeros((count + 1, count + 1), np.int64)
        for v in values:
            # A region keeps what it is the first to read; within one, what it made is alive.
            self.reads[v.made + 1 : v.first + 1, v.first + 1 :] += v.nbytes
            alive[: v.made + 1, v.made + 1 : v.last + 1] += v.nbytes
        running = np.array([s.running for s in self.stages])
        #: ``running[s, e]``: bytes while the stages from s to e run and nothing is kept.
        self.running = np.zeros((count + 1, count + 1), np.int64)
        for s in range(count):
            self.running[s, s + 1 :] = np.maximum.accumulate(alive[s, s:count] + running[s:])

    def keeping(self, start: int, known: int) -> tuple[int, int]:
        """Bytes that a plain stage keeps beside what is kept, and those of what it reads."""
        stage = self.stages[start]
        own = stage.keeps + stage.keeps_output
        if known == _ALL:
            return own, 0
        there = self.known_output(start) if known == _OUTPUT else 0
        read = max(int(self.reads[start, start + 1]) - there, 0)
        return own + max(stage.keeps_input - there, 0), read

    def plain_peak(self) -> int:
        """The bytes that it takes if everything is kept."""
        peak = kept = 0
        known = _ALL
        for s, stage in enumerate(self.stages):
            added, read = self.keeping(s, known)
            running = self.after[-1] + read + stage.running
            peak = max(peak, kept + max(running, added + self.pulling[s]))
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
    parts = {*chain.after, *chain.pulling, *chain.reads.flat, *chain.running.flat}
    for stage in chain.stages:
        parts.update((stage.keeps_input, stage.keeps, stage.keeps_output, stage.last_running))
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
        shape = (self.count + 1, self.count + 1, self.slots + 1)
        self._again = [np.full(shape, np.inf) for _ in range(3)]
        self._choice = [np.zeros(shape, np.int32) for _ in range(3)]
        for known in range(3):
            for s in range(self.count + 1):
                self._again[known][s, s] = 0.0
        for length in range(1, self.count + 1):
            for s in range(self.count + 1 - length):
                t = s + length
                for known in range(3):
                    if known == _OUTPUT and not chain.known_output(s):
                        best = self._again[_NONE][s, t], self._choice[_NONE][s, t]
                    else:
                        best = self._best(s, t, known, self._again, True)
                    self._again[known][s, t], self._choice[known][s, t] = best
        self._first = [np.full((self.count + 1, self.slots + 1), np.inf) for _ in range(3)]
        self._first_choice = [np.zeros_like(f, np.int32) for f in self._first]
        for known in range(3):
            self._first[known][self.count] = 0.0
        for s in reversed(range(self.count)):
            for known in range(3):
                self._first[known][s], self._first_choice[known][s] = self._best(
                    s, self.count, known, [f[:, None] for f in self._first], False
                )

    def work(self) -> Any:
        """The least extra work for each number of slots; infinite where there is no plan."""
        return self._first[_ALL][0]

    def plan(self, slots: int) -> Plan:
        """The plan that does the least extra work in this memory."""
        return self._parts(0, self.count, slots, _ALL, self._first_choice)

    def _parts(self, s: int, t: int, slots: int, known: int, choices: Any) -> Plan:
        parts = []
        again = choices is self._choice
        while s < t:
            of = choices[known][s, t] if again else choices[known][s]
            stop = int(of[slots])
            if not stop:
                slots -= int(self._up(self.chain.keeping(s, known)[0]))
                known = _OUTPUT if self.chain.stages[s].keeps_output else _NONE
                s += 1
                continue
            slots -= int(self._up(self.chain.kept(s, stop, known)))
            inner = self._parts(s, stop, slots, _ALL, self._choice)
            parts.append(Region(s, stop, inner))
            s, known = stop, _NONE
        return tuple(parts)

    def _best(self, s: int, t: int, known: int, rest: Any, again: bool) -> tuple[Any, Any]:
        """The least work for the stages from s to t, and the choice that is to be made first.

        ``rest`` is what the stages after the first item cost; ``again`` says that all of this
        runs a second time, so that the forward pass is work as well.
        """
        chain, column = self.chain, t if again else 0
        base = chain.after[t]
        ends = np.arange(s + 1, t + 1)
        kept = chain.kept(s, ends, known)
        needs = base + kept + chain.running[s, ends]
        both = rest[_NONE][ends, column] + self._again[_ALL][s, ends]
        work = self._shifted(both, kept, needs)
        if again:
            work += np.where(ends == t, 0.0, chain.forward[ends] - chain.forward[s])[:, None]
        plain = self._plain(s, t, known, rest, again)
        work = np.concatenate([plain[None], work])
        choice = work.argmin(0)
        return np.take_along_axis(work, choice[None], 0)[0], np.where(choice, s + choice, 0)

    def _plain(self, s: int, t: int, known: int, rest: Any, again: bool) -> Any:
        """The work if the first stage keeps what its derivative reads."""
        chain, stage, column = self.chain, self.chain.stages[s], t if again else 0
        last = again and s == t - 1
        added, read = chain.keeping(s, known)
        running = stage.last_running if last else stage.running
        need = max(chain.after[t] + read + running, added + chain.pulling[s])
        known_next = _OUTPUT if stage.keeps_output else _NONE
        below = rest[known_next][s + 1, column]
        work = self._shifted(below[None], np.array([added]), np.array([need]))[0]
        return work + (stage.last_work if last else stage.work) * again

    def _up(self, nbytes: Any) -> Any:
        return -(-np.asarray(nbytes, np.int64) // self.unit)

    def _shifted(self, work: Any, taken: Any, needed: Any) -> Any:
        """The work with so much less memory each; infinite where less than the needed is there."""
        slots = np.arange(self.slots + 1)
        source = slots - self._up(taken)[:, None]
        shifted = work[np.arange(len(work))[:, None], np.maximum(source, 0)]
        shifted[(source < 0) | (slots < self._up(needed)[:, None])] = np.inf
        return shifted
