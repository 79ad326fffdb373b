"""The plan for a function whose gradient is to need no more memory than a budget."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from fxad.control.memory.chain import SLOTS, Plan, Solution
from fxad.control.memory.derivative import gradient_jaxpr, work_of
from fxad.control.memory.heap import readable
from fxad.control.memory.model import footprint
from fxad.control.memory.stages import MOST, Repeat, Stages
from fxad.core.inlining import inline_calls
from fxad.core.jaxpr import ClosedJaxpr, Eqn, dce_jaxpr
from fxad.core.source import error
from fxad.errors import MemoryBudgetError


class Choice(NamedTuple):
    """A way to run a function.

    Args:
      program: what to run.
      plan: which stages of it run again.
      peak: the bytes that its gradient allocates at most, as predicted.
      work: of the function and its gradient, in operations and bytes moved.
    """

    program: ClosedJaxpr
    plan: Plan
    peak: int
    work: float


class Planner:
    """Plans for one function.

    Args:
      closed: the function, without constants.
      nonzero: which inputs are differentiated.
      repeat: makes the equation of a region that runs again.
      reuse: whether the gradient runs as a program, and not one operation after another.
      most: the number of stages beyond which equations are planned in groups.
    """

    def __init__(
        self,
        closed: ClosedJaxpr,
        nonzero: Sequence[bool],
        repeat: Repeat,
        reuse: bool = True,
        most: int = MOST,
    ) -> None:
        inlined = inline_calls(closed.jaxpr, _is_plain_call)
        self.nonzero, self.reuse = tuple(nonzero), reuse
        self.stages = Stages(ClosedJaxpr(dce_jaxpr(inlined)), nonzero, repeat, most)
        self._tried: dict[Plan, Choice] = {}

    def tried(self, plan: Plan) -> Choice:
        """What a plan comes to: its gradient is derived, and its memory followed."""
        if plan not in self._tried:
            program = self.stages.rewritten(plan)
            gradient = gradient_jaxpr(program, self.nonzero)
            peak = footprint(gradient, reuse=self.reuse, owned=True).peak
            self._tried[plan] = Choice(program, plan, peak, work_of(gradient.eqns))
        return self._tried[plan]

    def under(self, budget: int) -> Choice | None:
        """The least work whose peak is within a budget; None where there is none.

        The best plans for all amounts of memory come from the recursion, which is exact for
        chains. Where values skip stages its bytes are bounds, so that what is asked of it may
        have to be more or less than the budget: that is searched for.
        """
        plain = self.tried(())
        if plain.peak <= budget:
            return plain
        plans = self._plans(budget + budget // 4)
        low, high = 0, len(plans)
        while low < high:
            middle = (low + high) // 2
            if self.tried(plans[middle]).peak <= budget:
                low = middle + 1
            else:
                high = middle
        for plan in plans[low : low + 4]:  # more memory for the recursion may be less in truth
            self.tried(plan)
        fitting = [choice for choice in self._tried.values() if choice.peak <= budget]
        return min(fitting, key=lambda choice: (choice.work, choice.peak), default=None)

    def _plans(self, capacity: int) -> list[Plan]:
        """The best plans for the amounts of memory up to a capacity, the most frugal first."""
        solution = Solution(self.stages.chain, capacity, SLOTS)
        work = solution.work()
        better = np.flatnonzero(np.isfinite(work) & (work < np.append(np.inf, work[:-1])))
        return [solution.plan(int(slots)) for slots in better]

    def least(self) -> Choice:
        """The least peak that any plan has."""
        capacity = self.tried(()).peak
        for _ in range(3):  # the finer the closer to what is needed
            plans = self._plans(capacity)
            if not plans:
                break
            best = min(map(self.tried, plans[:4]), key=lambda choice: choice.peak)
            capacity = best.peak + best.peak // 4
        return min(self._tried.values(), key=lambda choice: choice.peak)


def _is_plain_call(eqn: Eqn) -> bool:
    """Whether a call may be written out: it has no rule of its own, and recomputes nothing."""
    return eqn.primitive.stage is None and "prevent_cse" not in eqn.params


def within_budget(planner: Planner, budget: int) -> ClosedJaxpr:
    """The program that does the least work within a budget.

    Raises:
      MemoryBudgetError: there is none; the message names the smallest budget for which there is.
    """
    choice = planner.under(budget)
    if choice is None:
        least = planner.least()
        if least.peak <= budget:
            return least.program
        raise error(
            MemoryBudgetError,
            "checkpoint",
            f"got memory_budget={budget} ({readable(budget)}) for a gradient that takes "
            f"{readable(planner.tried(()).peak)} without recomputation and at least {least.peak} "
            f"({readable(least.peak)}) with it",
            f"Give memory_budget={least.peak} or more, or smaller batches: "
            "fxad.memory_plan shows what is large.",
        )
    return choice.program
