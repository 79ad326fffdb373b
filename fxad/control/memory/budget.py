"""The plan for a function whose gradient is to need no more memory than a budget."""

from __future__ import annotations

from bisect import bisect
from collections.abc import Sequence
from itertools import islice
from math import prod
from typing import Any, NamedTuple

import numpy as np

from fxad.control.call import jaxpr_cost, per_jaxpr
from fxad.control.custom import has_tangent
from fxad.control.effects import refuse_io_twice
from fxad.control.memory.chain import SLOTS, Plan, Solution, neighbours
from fxad.control.memory.derivative import gradient, work_of
from fxad.control.memory.ghosts import run_on_ghosts
from fxad.control.memory.heap import readable
from fxad.control.memory.model import Prepare, footprint, unprepared
from fxad.control.memory.stages import Repeat, Stages
from fxad.core.inlining import inline_calls
from fxad.core.jaxpr import ClosedJaxpr, Eqn, dce_jaxpr
from fxad.core.source import error
from fxad.core.staging import JaxprTrace, stage
from fxad.core.trace import Tracer, current_trace
from fxad.errors import MemoryBudgetError
from fxad.transforms.vmap import BatchTrace

#: How many equations are derived at most to try changes of a plan.
TRIED = 6000


class Choice(NamedTuple):
    """A way to run a function.

    Args:
      program: what to run.
      plan: which stages of it run again.
      peak: the bytes that its gradient allocates at most, as predicted.
      work: of the function and its gradient, in operations and bytes moved.
      flops: the operations alone.
    """

    program: ClosedJaxpr
    plan: Plan
    peak: int
    work: float
    flops: float


class Planner:
    """Plans for one function.

    Args:
      closed: the function, without constants.
      nonzero: which inputs are differentiated.
      repeat: makes the equation of a region that runs again.
      compiled: whether the gradient runs as a program, and not one operation after another.
      copies: how many of it run at once, as under ``vmap``.
      prepare: what becomes of a program before it runs: the compiler's passes.
    """

    def __init__(
        self,
        closed: ClosedJaxpr,
        nonzero: Sequence[bool],
        repeat: Repeat,
        compiled: bool = True,
        copies: int = 1,
        prepare: Prepare = unprepared,
    ) -> None:
        inlined = inline_calls(closed.jaxpr, _is_plain_call)
        self.nonzero, self.compiled, self.copies = tuple(nonzero), compiled, copies
        self.prepare = prepare
        # What runs one operation after another is held by the frames of who called it.
        self.stages = Stages(ClosedJaxpr(dce_jaxpr(inlined)), nonzero, repeat, not compiled)
        self._tried: dict[Plan, Choice] = {}

    def tried(self, plan: Plan) -> Choice:
        """What a plan comes to: its gradient is derived, and its memory followed."""
        if plan not in self._tried:
            self._tried[plan] = self.predicted(self.stages.rewritten(plan), plan)
        return self._tried[plan]

    def predicted(self, program: ClosedJaxpr, plan: Plan = ()) -> Choice:
        """What a program for the function comes to."""
        function, avals = gradient(program, self.nonzero)
        staged = stage(function, avals, "grad")
        if self.compiled:
            found = footprint(staged, self.prepare, owned=True)
        else:
            found = run_on_ghosts(function, avals, self.prepare)
        flops, _ = jaxpr_cost(staged)
        return Choice(program, plan, found.peak * self.copies, work_of(staged.eqns), flops)

    def under(self, budget: int) -> Choice | None:
        """The least work whose peak is within a budget; None where there is none.

        The best plans for all amounts of memory come from the recursion, which is exact for
        chains. Where values skip stages its bytes are bounds, so that what is asked of it may
        have to be more or less than the budget: that is searched for.
        """
        plain = self.tried(())
        if plain.peak <= budget:
            return plain
        solution, frugal = self._solved(budget)
        low = bisect(frugal, budget, key=lambda slots: self.tried(solution.plan(slots)).peak)
        for slots in frugal[low : low + 4]:  # more memory for the recursion may be less in truth
            self.tried(solution.plan(slots))
        fitting = [choice for choice in self._tried.values() if choice.peak <= budget]
        best = min(fitting, key=lambda choice: (choice.work, choice.peak), default=None)
        return best if best is None or self.stages.chain.simple else self._refined(best, budget)

    def _refined(self, best: Choice, budget: int) -> Choice:
        """The choice after small changes of its plan, as long as one does less work."""
        count = len(self.stages.cuts) - 1
        trials = TRIED // max(count, len(self.stages.jaxpr.eqns))
        better: Choice | None = best
        while better is not None:
            best, better = better, None
            for plan in islice(neighbours(best.plan, 0, count), max(trials, 0)):
                trials -= plan not in self._tried
                choice = self.tried(plan)
                if choice.peak <= budget and choice.work < best.work:
                    better = choice
                    break
        return best

    def _solved(self, capacity: int) -> tuple[Solution, list[int]]:
        """The best plans up to an amount of memory, and where more of it is less work.

        Buffers that values share are counted for each in the chain: it is asked for more memory,
        by what it counts too much where everything is kept.
        """
        chain, plain = self.stages.chain, self.tried(()).peak // self.copies
        capacity = capacity // self.copies + max(chain.plain_peak() - plain, 0)
        solution = Solution(chain, capacity + capacity // 4, SLOTS)
        work = solution.work()
        better = np.isfinite(work) & (work < np.append(np.inf, work[:-1]))
        return solution, np.flatnonzero(better).tolist()

    def least(self) -> Choice:
        """The least peak that any plan has."""
        capacity, before = self.tried(()).peak, 0
        while capacity != before:  # the finer the closer to what is needed
            solution, frugal = self._solved(capacity)
            found = [self.tried(solution.plan(slots)).peak for slots in frugal[:2]]
            before, capacity = capacity, min([capacity, *found])
        return min(self._tried.values(), key=lambda choice: choice.peak)


def _is_plain_call(eqn: Eqn) -> bool:
    """Whether a call may be written out: it has no rule of its own, and recomputes nothing."""
    return eqn.primitive.stage is None and "prevent_cse" not in eqn.params


@per_jaxpr
def within_budget(
    closed: ClosedJaxpr,
    budget: int,
    nonzero: tuple[bool, ...],
    compiled: bool,
    copies: int,
    repeat: Repeat,
) -> ClosedJaxpr:
    """The program that does the least work within a budget; as for ``Planner``.

    Raises:
      MemoryBudgetError: there is none; the message names the smallest budget for which there is.
    """
    planner = Planner(closed, nonzero, repeat, compiled, copies)
    choice = planner.under(budget) or planner.least()
    if choice.peak <= budget:
        return choice.program
    plain = planner.tried(()).peak
    raise error(
        MemoryBudgetError,
        "checkpoint",
        f"got memory_budget={budget} ({readable(budget)}) for a gradient that takes "
        f"{readable(plain)} with everything kept and at least {choice.peak} "
        f"({readable(choice.peak)}) with the most computed again",
        f"Give memory_budget={choice.peak} or more, or smaller arguments; fxad.memory_plan shows "
        "what is large.",
    )


def run_within(
    closed: ClosedJaxpr, consts: Sequence[Any], leaves: Sequence[Any], budget: int, repeat: Repeat
) -> list[Any]:
    """Applies a jaxpr to constants and arguments so that its gradient keeps to a budget."""
    refuse_io_twice("checkpoint", closed)
    operands = [*consts, *leaves]
    known = [has_tangent(x) for x in operands]
    if not any(known):  # a derivative may be taken outside of what is traced now
        known = [isinstance(x, Tracer) for x in consts] + [True] * len(leaves)
    floats = [a.dtype.kind in "fc" for a in closed.in_avals]
    nonzero = tuple(k and f for k, f in zip(known, floats, strict=True))
    traces = list(current_trace().ancestors())
    staged = any(isinstance(t, JaxprTrace) for t in traces)
    copies = prod(int(t.size) for t in traces if isinstance(t, BatchTrace))
    program: ClosedJaxpr = within_budget(closed, budget, nonzero, staged, copies, repeat)
    return program(*operands)
