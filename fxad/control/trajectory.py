"""Loops whose number of steps only running them tells: run, recorded, and run backwards.

This is what the primitives of ``repeat`` compute, on arrays. A recorded loop keeps for each step
what the derivative needs; with a checkpointing scheme it keeps some of the states, and runs the
steps between them again when they are wanted, last ones first.

Sources: Griewank and Walther, Revolve, ACM Transactions on Mathematical Software 26, 2000; Stumm
and Walther, New algorithms for optimal online checkpointing, SIAM Journal on Scientific Computing
32, 2010.
"""

from __future__ import annotations

import functools
import math
from collections.abc import Iterator, Sequence
from typing import Any, NamedTuple

import numpy as np

from fxad.control.effects import refuse_io_twice
from fxad.control.loop import (
    Linearized,
    Loop,
    at_home,
    linearized_body,
    selected,
    transposed_body,
)
from fxad.control.products import Product, summed
from fxad.core.jaxpr import ClosedJaxpr, prepare
from fxad.core.source import error
from fxad.core.trace import EVAL, under
from fxad.errors import ArgumentValueError, LoopBoundError

Flags = tuple[bool, ...]


def checked_scheme(operation: str, checkpoint: Any) -> Any:
    """A checkpointing scheme in its normal form: None, ``"sqrt"``, ``"log"`` or a number."""
    if checkpoint is None or checkpoint is False:
        return None
    if checkpoint is True:
        return "sqrt"
    if checkpoint in ("sqrt", "log"):
        return checkpoint
    if isinstance(checkpoint, int | np.integer) and checkpoint >= 1:
        return int(checkpoint)
    raise error(
        ArgumentValueError,
        operation,
        f"got checkpoint={checkpoint!r}, wanted None, True, 'sqrt', 'log' or a number of states "
        "of at least 1",
    )


class Repeat(NamedTuple):
    """A loop: while ``cond_jaxpr`` holds of the carry, or ``length`` times.

    The operands are the constants of the condition and of the body, the carry, and, for a known
    length, arrays that are scanned over their first axis.
    """

    cond_jaxpr: ClosedJaxpr | None
    body_jaxpr: ClosedJaxpr
    cond_nconsts: int
    body_nconsts: int
    num_carry: int
    length: int | None = None
    reverse: bool = False
    checkpoint: Any = None
    max_steps: int | None = None

    def parts(self, values: Sequence[Any]) -> tuple[list[Any], ...]:
        """The condition's constants, the body's, the carry, and what is scanned."""
        a = self.cond_nconsts
        b = a + self.body_nconsts
        c = b + self.num_carry
        return list(values[:a]), list(values[a:b]), list(values[b:c]), list(values[c:])

    def refuse_io_twice(self) -> None:
        """Refuses to run a loop again that calls to the world."""
        for jaxpr in (self.cond_jaxpr, self.body_jaxpr):
            if jaxpr is not None:
                refuse_io_twice("a loop", jaxpr)

    @property
    def loop(self) -> Loop:
        """The body's part, as ``scan`` divides it."""
        return Loop(self.body_nconsts, self.num_carry, 0, self.reverse)


class Trajectory(NamedTuple):
    """What a recorded loop has kept.

    Args:
      repeat: the loop.
      nonzero: the operands that it was differentiated by.
      steps: how many there were.
      fixed: residuals that all steps share.
      columns: for each of the other residuals a list over the steps; None under checkpointing.
      states: the carry before some of the steps, by their number, under checkpointing.
      free: how many states, or residuals of steps, may be held.
    """

    repeat: Repeat
    nonzero: Flags
    steps: int
    fixed: list[Any]
    columns: list[list[Any]] | None
    states: list[tuple[int, list[Any]]]
    free: int


#: How a trajectory goes from one operation to the next: a number with it inside, on the host. It is
#: no more than a memory: an operation that finds another one, or none, runs the loop again.
trajectory_dtype = np.dtype([("trajectory", object)])
NONE = np.zeros((), trajectory_dtype)


def boxed(trajectory: Trajectory) -> Any:
    """The array that carries a trajectory."""
    box = np.zeros((), trajectory_dtype)
    box["trajectory"] = np.array([trajectory, None], object)[:1].reshape(())
    return box


def unboxed(box: Any, repeat: Repeat, nonzero: Flags) -> Trajectory | None:
    """The trajectory of a loop that an array carries; None if it is that of another loop."""
    found = np.asarray(box)["trajectory"]
    value = found.item() if found.shape == () else None
    same = isinstance(value, Trajectory) and (value.repeat, value.nonzero) == (repeat, nonzero)
    return value if same else None


def exceeded(steps: int) -> LoopBoundError:
    """The error for a loop that takes more steps than it may."""
    return error(
        LoopBoundError,
        "while_loop",
        f"got a condition that still holds after max_steps={steps} steps, wanted it to fail",
        "Look at what the condition reads of the carry, or allow more steps.",
    )


class Runner:
    """A loop at work on some operands."""

    def __init__(self, xp: Any, repeat: Repeat, args: Sequence[Any]) -> None:
        self.xp, self.repeat = xp, repeat
        self.cond_consts, self.consts, self.start, self.xs = repeat.parts(args)
        self.length = repeat.length or 0
        self.test = None if repeat.cond_jaxpr is None else prepare(repeat.cond_jaxpr, xp)

    def goes_on(self, carry: Sequence[Any], step: int) -> bool:
        """Whether there is a step of that number."""
        if self.test is None:
            return step < self.length
        going = bool(self.test(*self.cond_consts, *carry)[0])
        if going and step == self.repeat.max_steps:
            raise exceeded(step)
        return going

    def place(self, step: int) -> int:
        """Which slice of the scanned arrays a step takes."""
        return self.length - 1 - step if self.repeat.reverse else step

    def slices(self, step: int) -> list[Any]:
        """The slices of the scanned arrays at a step."""
        if not self.xs:
            return []
        place = self.place(step)
        return [x[place] for x in self.xs]

    def empty(self, avals: Sequence[Any]) -> list[Any]:
        """Arrays for what every step gives; none where the number of steps is not known."""
        if self.repeat.length is None:
            return []
        length = self.repeat.length
        return [
            (np if a.dtype.kind == "V" else self.xp).zeros((length, *a.shape), a.dtype)
            for a in avals
        ]

    def advance(self, carry: list[Any], start: int, stop: int) -> list[Any]:
        """The carry some steps later."""
        step = prepare(self.repeat.body_jaxpr, self.xp)
        for i in range(start, stop):
            outs = step(*self.consts, *carry, *self.slices(i))
            carry = outs[: self.repeat.num_carry]
        return carry

    def save(self, parts: Reverse, carry: list[Any], start: int, stop: int) -> list[list[Any]]:
        """The residuals of some steps."""
        jaxpr, hoisted = parts.linearized.forward
        step = prepare(jaxpr, self.xp)
        stacked = parts.linearized.stacked
        columns: list[list[Any]] = [[] for _ in stacked]
        for i in range(start, stop):
            outs = step(*hoisted, *self.consts, *carry, *self.slices(i))
            carry = outs[: self.repeat.num_carry]
            for column, position in zip(columns, stacked, strict=True):
                column.append(outs[position])
        return columns


class Reverse(NamedTuple):
    """The parts of a loop's derivative: its step forward, its linear step, and the step back."""

    linearized: Linearized
    back: tuple[ClosedJaxpr, list[Any]]
    products: list[Product]


def reverse_parts(repeat: Repeat, nonzero: Flags) -> Reverse:
    """The parts for the derivative by some operands; ``nonzero`` holds for the carry all along."""
    flags = nonzero[repeat.cond_nconsts :]
    linearized = linearized_body(repeat.body_jaxpr, repeat.loop, flags)
    jaxpr, hoisted = linearized.linear
    consts_nz, carry_nz, xs_nz = repeat.loop.parts(flags)
    n_tangents = sum(consts_nz), sum(carry_nz), sum(xs_nz)
    n_fixed = len(hoisted) + len(linearized.invariants[0].out_avals)
    n_xs = len(jaxpr.in_avals) - n_fixed - sum(n_tangents)
    linear = (
        *(False,) * n_fixed,
        *(True,) * (n_tangents[0] + n_tangents[1]),
        *(False,) * n_xs,
        *(True,) * n_tangents[2],
    )
    loop = Loop(n_fixed + n_tangents[0], n_tangents[1], 0, False)
    given = (True,) * sum(linearized.ys_nz)
    back, products = transposed_body(jaxpr, loop, linear, given)
    return Reverse(linearized, back, products)


# Forward -----------------------------------------------------------------------------------------


def run(xp: Any, repeat: Repeat, args: Sequence[Any]) -> list[Any]:
    """The last carry, and what the steps gave."""
    runner = Runner(xp, repeat, args)
    step, n = prepare(repeat.body_jaxpr, xp), repeat.num_carry
    ys = runner.empty(repeat.body_jaxpr.out_avals[n:])
    carry, consts, i = runner.start, runner.consts, 0
    while runner.goes_on(carry, i):
        outs = step(*consts, *carry, *runner.slices(i))
        carry = outs[:n]
        for y, value in zip(ys, outs[n:], strict=True):
            y[runner.place(i)] = value
        i += 1
    return [*at_home(xp, carry, repeat.body_jaxpr.out_avals[:n]), *ys]


def record(
    xp: Any, repeat: Repeat, nonzero: Flags, args: Sequence[Any]
) -> tuple[list[Any], Trajectory]:
    """As ``run``, and what the derivative by some operands needs."""
    runner = Runner(xp, repeat, args)
    parts = reverse_parts(repeat, nonzero)
    n, ys = repeat.num_carry, runner.empty(repeat.body_jaxpr.out_avals[repeat.num_carry :])
    states = None if repeat.checkpoint is None else States(repeat.checkpoint)
    jaxpr, hoisted = parts.linearized.forward
    consts = runner.consts if states else [*hoisted, *runner.consts]
    step = prepare(repeat.body_jaxpr if states else jaxpr, xp)
    stacked = [] if states else parts.linearized.stacked
    columns: list[list[Any]] = [[] for _ in stacked]
    carry, i = runner.start, 0
    while runner.goes_on(carry, i):
        if states:
            states.offer(i, carry)
        outs = step(*consts, *carry, *runner.slices(i))
        carry = outs[:n]
        for y, value in zip(ys, outs[n:], strict=False):
            y[runner.place(i)] = value
        for column, position in zip(columns, stacked, strict=True):
            column.append(outs[position])
        i += 1
    invariants, more = parts.linearized.invariants
    fixed = prepare(invariants, xp)(*more, *runner.consts)
    kept = (None, states.kept, states.free(i)) if states else (columns, [], 0)
    outs = [*at_home(xp, carry, repeat.body_jaxpr.out_avals[:n]), *ys]
    return outs, Trajectory(repeat, nonzero, i, fixed, *kept)


class States:
    """Carries kept on the way, evenly: every other one is dropped when there are too many."""

    def __init__(self, scheme: Any) -> None:
        self.scheme, self.stride = scheme, 1
        self.kept: list[tuple[int, list[Any]]] = []

    def offer(self, step: int, carry: list[Any]) -> None:
        """Keeps the carry before a step, if it is its turn."""
        if step % self.stride:
            return
        self.kept.append((step, carry))
        if len(self.kept) > self._allowed(step):
            del self.kept[1::2]
            self.stride *= 2

    def _allowed(self, step: int) -> int:
        if self.scheme == "sqrt":
            return 2 * self.stride
        return _slots(self.scheme, step)

    def free(self, steps: int) -> int:
        """How many states or residuals may be held going back: beside these under ``"sqrt"``."""
        if self.scheme == "sqrt":
            return self.stride
        return (2 if self.scheme == "log" else 1) * _slots(self.scheme, steps)


def _slots(scheme: Any, steps: int) -> int:
    return max(2, math.ceil(math.log2(steps + 2))) if scheme == "log" else int(scheme)


# Backward ----------------------------------------------------------------------------------------


def pull(
    xp: Any,
    repeat: Repeat,
    nonzero: Flags,
    args: Sequence[Any],
    trajectory: Trajectory | None,
    cts: Sequence[Any],
) -> list[Any]:
    """The cotangents of those operands, given those of the carry and stacked outputs."""
    if trajectory is None:
        repeat.refuse_io_twice()
        trajectory = record(xp, repeat, nonzero, args)[1]
    runner, parts = Runner(xp, repeat, args), reverse_parts(repeat, nonzero)
    _, consts_nz, carry_nz, xs_nz = repeat.parts(nonzero)
    consts, _, xs = repeat.loop.parts(repeat.body_jaxpr.in_avals)
    n_sums, n_carry = sum(consts_nz), sum(carry_nz)
    sums = [xp.zeros(a.shape, a.dtype) for a in selected(consts, consts_nz)]
    state = [*sums, *cts[:n_carry]]
    ys_cts = list(cts[n_carry:])
    xs_cts = runner.empty(selected(xs, xs_nz))
    scanned = [runner.xs[i - repeat.loop.num_consts - repeat.num_carry]
               for i in parts.linearized.scanned]
    jaxpr, hoisted = parts.back
    back = prepare(jaxpr, xp)
    m, end = len(state), len(state) + len(xs_cts)
    for start, stop, columns in backwards(runner, parts, trajectory):
        factors: list[list[Any]] = [[] for _ in jaxpr.out_avals[end:]]
        places = [runner.place(i) for i in range(start, stop)]
        for i in reversed(range(stop - start)):
            slices = [x[places[i]] for x in scanned]
            outs = back(
                *hoisted,
                *trajectory.fixed,
                *state,
                *slices,
                *(column[i] for column in columns),
                *(y[places[i]] for y in ys_cts),
            )
            state = outs[:m]
            for x, value in zip(xs_cts, outs[m:end], strict=True):
                x[places[i]] = value
            for factor, value in zip(factors, outs[end:], strict=True):
                factor.append(value)
        if stop > start and parts.products:
            # In the order of the steps back, as the other factors.
            rows = [[x[j] for j in reversed(places)] for x in scanned]
            rows += [column[::-1] for column in columns]
            rows += [[y[j] for j in reversed(places)] for y in ys_cts]
            for product in parts.products:
                _add_up(xp, product, state, {"x": rows, "y": factors})
            del rows
        del columns, factors  # before those of the next stretch are made
    return [*state[:n_sums], *state[n_sums:], *xs_cts]


def _add_up(
    xp: Any, product: Product, state: list[Any], rows: dict[str, list[list[Any]]]
) -> None:
    """Adds the products of some steps, taken out of the loop, to the sum that they belong to."""
    left, right = (xp.stack(rows[kind][i]) for kind, i in product.sources)
    position = product.position
    state[position] = under(EVAL, summed, product, state[position], left, right)


Segment = tuple[int, int, list[list[Any]]]


def backwards(runner: Runner, parts: Reverse, trajectory: Trajectory) -> Iterator[Segment]:
    """The residuals of all steps, in stretches, last ones first."""
    if trajectory.columns is not None:
        yield 0, trajectory.steps, trajectory.columns
        return
    trajectory.repeat.refuse_io_twice()
    stop, held = trajectory.steps, len(trajectory.states)
    for start, carry in reversed(trajectory.states):
        held -= 1
        free = trajectory.free if runner.repeat.checkpoint == "sqrt" else trajectory.free - held - 1
        yield from _treeverse(runner, parts, carry, start, stop, free)
        stop = start


def _treeverse(
    runner: Runner, parts: Reverse, carry: list[Any], start: int, stop: int, free: int
) -> Iterator[Segment]:
    """The same for the steps from one state on, with room for ``free`` states or residuals."""
    while stop - start > max(free, 1):
        if free == 0:
            middle = stop - 1
            later = runner.advance(carry, start, middle)
            yield middle, stop, runner.save(parts, later, middle, stop)
        else:
            middle = start + first_part(stop - start, free)
            later = runner.advance(carry, start, middle)
            yield from _treeverse(runner, parts, later, middle, stop, free - 1)
        stop = middle
    yield start, stop, runner.save(parts, carry, start, stop)


@functools.cache
def _reach(states: int, runs: int) -> int:
    """How many steps can be reversed with so many free states, each of them advanced so often."""
    if runs == 0 or states == 0:
        return max(states, runs + 1 if states == 0 else 1)
    return _reach(states, runs - 1) + _reach(states - 1, runs)


def first_part(steps: int, free: int) -> int:
    """Where to put the next state, so that few steps are run more often than they must be.

    The part before it gets one run less for each step, the part after it one state less; between
    the places where both reach, the one that leaves the latter one run less as well is the best.
    """
    runs = 1
    while _reach(free, runs) < steps:
        runs += 1
    lowest = max(steps - _reach(free - 1, runs), 1)
    highest = min(_reach(free, runs - 1), steps - 1)
    return min(max(steps - _reach(free - 1, runs - 1), lowest), highest)


def push(
    xp: Any, repeat: Repeat, nonzero: Flags, trajectory: Trajectory, args: Sequence[Any],
    tangents: Sequence[Any],
) -> list[Any]:
    """The tangents of the carry and stacked outputs, by the recorded linear steps."""
    runner, parts = Runner(xp, repeat, args), reverse_parts(repeat, nonzero)
    _, consts_nz, carry_nz, _ = repeat.parts(nonzero)
    n, m = sum(consts_nz), sum(consts_nz) + sum(carry_nz)
    consts, carry, xs = list(tangents[:n]), list(tangents[n:m]), tangents[m:]
    jaxpr, hoisted = parts.linearized.linear
    step = prepare(jaxpr, xp)
    scanned = [runner.xs[i - repeat.loop.num_consts - repeat.num_carry]
               for i in parts.linearized.scanned]
    ys = runner.empty(jaxpr.out_avals[len(carry) :])
    assert trajectory.columns is not None
    for i in range(trajectory.steps):
        j = runner.place(i)
        outs = step(
            *hoisted,
            *trajectory.fixed,
            *consts,
            *carry,
            *(x[j] for x in scanned),
            *(column[i] for column in trajectory.columns),
            *(x[j] for x in xs),
        )
        carry = outs[: m - n]
        for y, value in zip(ys, outs[m - n :], strict=True):
            y[j] = value
    return [*carry, *ys]
