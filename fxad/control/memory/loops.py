"""What loops take whose trajectories are recorded: the schedules of ``trajectory``, with no arrays.

The number of steps counts as one where only running the loop tells it.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, NamedTuple

from fxad.control.call import per_jaxpr
from fxad.control.loop import Linearized
from fxad.control.memory.heap import Heap
from fxad.control.memory.model import Walk, footprint, nbytes_of, outside, unprepared
from fxad.control.products import Product, summed
from fxad.control.trajectory import Flags, Repeat, States, Trajectory, backwards, reverse_parts
from fxad.core.aval import ShapedArray
from fxad.core.jaxpr import ClosedJaxpr
from fxad.core.staging import stage


class Step(NamedTuple):
    """Bytes that the steps of a recorded loop take.

    Args:
      state: of the carry.
      residuals: that a step keeps for its derivative; what two steps read counts once.
      carried: the residuals among them that are the carry before the step.
      shared: residuals that all steps share.
      running: while a step runs.
      saving: while one runs that keeps its residuals.
      pulling: while one is pulled back.
      factors: that each step back leaves for the products after the loop.
      products: those products, each with its sum and the two factors of a step.
    """

    state: int
    residuals: int
    carried: int
    shared: int
    running: int
    saving: int
    pulling: int
    factors: int
    products: list[tuple[Product, list[ShapedArray]]]

    def back(self, count: int) -> int:
        """Bytes while so many steps are pulled back, whose residuals are there."""
        factors = count * self.factors
        summing = [_summing(product, count, *avals) for product, avals in self.products]
        return max([self.pulling + factors, *(factors + n for n in summing)])


def _summing(
    product: Product, count: int, total: ShapedArray, left: ShapedArray, right: ShapedArray
) -> int:
    """Bytes while the products of so many steps are summed, stacks of their factors included."""
    stacks = [ShapedArray((count, *a.shape), a.dtype) for a in (left, right)]
    closed = stage(lambda *args: [summed(product, *args)], [total, *stacks], "memory_plan")
    return _total(stacks) + footprint(closed).peak


def running(repeat: Repeat) -> int:
    """Bytes while a loop runs, beside its results."""
    return footprint(repeat.body_jaxpr).peak


def held(repeat: Repeat, nonzero: Flags) -> int:
    """Bytes of a loop's trajectory."""
    step, steps = _step(repeat, nonzero), repeat.length or 1
    if repeat.checkpoint is None:
        return step.shared + steps * step.residuals - step.carried
    return step.shared + len(_states(repeat, steps)[0].kept) * step.state


def recording(repeat: Repeat, nonzero: Flags) -> int:
    """Bytes while a loop is recorded, beside its results and the trajectory."""
    step = _step(repeat, nonzero)
    if repeat.checkpoint is None:
        return max(step.saving - step.residuals, 0)
    states, most = _states(repeat, repeat.length or 1)
    return step.running + (most - len(states.kept)) * step.state


def pulling(repeat: Repeat, nonzero: Flags) -> int:
    """Bytes while a loop is pulled back, beside its results and the trajectory."""
    step, steps = _step(repeat, nonzero), repeat.length or 1
    if repeat.checkpoint is None:
        return step.back(steps)
    states, meter = _states(repeat, steps)[0], _Meter(repeat, step)
    runner: Any = meter
    back: dict[int, int] = {}
    trajectory = Trajectory(repeat, nonzero, steps, [], None, states.kept, states.free(steps))
    for start, stop, residuals in backwards(runner, _UNREAD, trajectory):
        if stop - start not in back:
            back[stop - start] = step.back(stop - start)
        meter.note(back[stop - start])
        del residuals
    return meter.peak


#: A meter does not look at what a step back is made of.
_UNREAD: Any = None


def _states(repeat: Repeat, steps: int) -> tuple[States, int]:
    """The states that a loop keeps, and how many there were at most."""
    states, most = States(repeat.checkpoint), 0
    for i in range(steps):
        states.offer(i, [])
        most = max(most, len(states.kept))
    return states, most


class _Meter:
    """In the place of a ``Runner``: what it would make is counted for as long as it is there."""

    def __init__(self, repeat: Repeat, step: Step) -> None:
        self.repeat, self.step = repeat, step
        self.bytes = self.peak = 0

    def note(self, more: int) -> None:
        """So much is taken for a moment."""
        self.peak = max(self.peak, self.bytes + more)

    def advance(self, carry: Any, start: int, stop: int) -> Any:
        """The carry some steps later."""
        if start == stop:
            return carry
        self.note(self.step.running + self.step.state)
        return _Held(self, self.step.state)

    def save(self, parts: Any, carry: Any, start: int, stop: int) -> Any:
        """The residuals of some steps."""
        # The carry before the first of them is held already.
        found = _Held(self, (stop - start) * self.step.residuals - self.step.carried)
        self.note(max(self.step.saving - self.step.residuals, 0))
        return found


class _Held:
    """Memory that is free when nothing refers to it any more."""

    def __init__(self, meter: _Meter, nbytes: int) -> None:
        self.meter, self.nbytes = meter, nbytes
        meter.bytes += nbytes

    def __del__(self) -> None:
        self.meter.bytes -= self.nbytes


def _total(avals: Iterable[ShapedArray]) -> int:
    return sum(map(nbytes_of, avals))


def _step(repeat: Repeat, nonzero: Flags) -> Step:
    found: Step = _step_of(repeat.body_jaxpr, repeat, nonzero)
    return found


@per_jaxpr
def _step_of(body: ClosedJaxpr, repeat: Repeat, nonzero: Flags) -> Step:
    """What the steps of a loop take."""
    linearized, (back, _), products = reverse_parts(repeat, nonzero)
    residuals, carried, saving = _saved(linearized, repeat)
    n, m = repeat.body_nconsts, repeat.num_carry
    _, consts_nz, carry_nz, xs_nz = repeat.parts(nonzero)
    scanned = [body.in_avals[i] for i in linearized.scanned]
    kept = [linearized.forward[0].out_avals[i] for i in linearized.stacked]
    given = [y for y, flag in zip(body.out_avals[m:], linearized.ys_nz, strict=True) if flag]
    made = back.out_avals[sum(consts_nz) + sum(carry_nz) + sum(xs_nz) :]
    places = {"x": [*scanned, *kept, *given], "y": made}
    return Step(
        state=_total(body.in_avals[n : n + m]),
        residuals=residuals,
        carried=carried,
        shared=_total(linearized.invariants[0].out_avals),
        running=footprint(body).peak,
        saving=saving,
        pulling=footprint(back).peak,
        factors=_total(made),
        products=[
            (p, [back.out_avals[p.position], *(places[kind][i] for kind, i in p.sources)])
            for p in products
        ],
    )


def _saved(linearized: Linearized, repeat: Repeat) -> tuple[int, int, int]:
    """Bytes that a step keeps, those of the carry before it among them, and while it runs."""
    forward, heap = linearized.forward[0], Heap()
    walk = Walk(heap, unprepared)
    first = len(forward.in_avals) - len(repeat.body_jaxpr.in_avals) + repeat.body_nconsts
    last = first + repeat.num_carry
    args = [
        walk.given(aval) if first <= i < last else outside(aval)
        for i, aval in enumerate(forward.in_avals)
    ]
    before = heap.bytes
    outs = walk.run(forward.jaxpr, args)
    # What the carry is after a step it is before the next.
    handed = zip(outs[: repeat.num_carry], args[first:last], strict=True)
    same = {id(after.storage): id(now.storage) for after, now in handed}
    kept = {
        same.get(id(v.storage), id(v.storage)): v.storage.buffer.nbytes
        for v in (outs[i] for i in linearized.stacked)
        if v.storage.buffer is not None
    }
    carried = sum(kept.get(id(now.storage), 0) for now in args[first:last])
    return sum(kept.values()), carried, heap.peak - before
