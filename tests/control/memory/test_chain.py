"""The plan of the recursion is the best there is: all plans of short chains are tried."""

import numpy as np
import pytest

from fxad.control.memory.chain import Chain, Interval, Region, Solution, Stage, turns
from tests.programs_of_memory import depth, plans, revolve


class Run:
    """A plan carried out on a chain, stage by stage: the peak of what is there, and the work.

    What is there are named values, so nothing is counted twice. ``sizes[k]`` is that of what
    stage ``k`` hands on.
    """

    def __init__(self, stages, sizes, gradients, plan):
        self.stages, self.sizes, self.gradients = stages, sizes, gradients
        self.peak, self.work = 0, 0.0
        self.level(0, len(stages), plan, {}, False)

    def note(self, there, more):
        self.peak = max(self.peak, sum(there.values()) + more)

    def after(self, k):
        """Cotangents and gradients once the stages from k on have been pulled back."""
        cotangent = self.sizes[k - 1] if 0 < k < len(self.stages) else 0
        return cotangent + self.gradients[k]

    def handed(self, k):
        return {("value", k - 1): self.sizes[k - 1]} if k else {}

    def level(self, start, stop, plan, there, again):
        kept, done, k = dict(there), [], start
        regions = {region.start: region for region in plan}
        while k < stop:
            if k in regions:
                region = regions[k]
                for j in range(k, region.stop):
                    there = kept | self.handed(k)
                    self.note(there | self.handed(j), self.running(j, there) + self.after(stop))
                    self.work += self.stages[j].work * (again and region.stop != stop)
                kept |= self.handed(k)
                done.append((k, region, dict(kept)))
                k = region.stop
                continue
            stage, last = self.stages[k], again and k == stop - 1
            there = kept | self.handed(k) if stage.keeps_input else dict(kept)
            running = self.running(k, there, last)
            self.note(kept | self.handed(k), running + self.after(stop))
            self.work += (stage.last_work if last else stage.work) * again
            alone = not kept.items() >= self.handed(k).items()
            kept = there
            kept |= {("own", k): stage.keeps}
            kept |= {("value", k): self.sizes[k]} if stage.keeps_output else {}
            done.append((k, alone, dict(kept)))
            k += 1
        for k, item, before in reversed(done):
            if isinstance(item, Region):
                self.level(k, item.stop, item.parts, before, True)
            else:
                own = self.sizes[k] if k < len(self.stages) - 1 else 0
                stage = self.stages[k]
                backward = stage.backward_over if item else stage.backward
                self.note(before, self.after(k + 1) - own + backward)

    def running(self, k, there, last=False):
        """What a stage takes beside its operand, which stays or not."""
        stays, stage = there.items() >= self.handed(k).items(), self.stages[k]
        if last:
            return stage.last_running if stays else stage.last_running_over
        return stage.running if stays else stage.running_over


def random_chain(seed, count):
    rng = np.random.default_rng(seed)
    sizes = [int(n) for n in rng.integers(1, 6, count)]
    stages = []
    for k in range(count):
        ahead = sizes[k] if k < count - 1 else 0
        work, keeps = float(rng.integers(1, 9)), int(rng.integers(0, 4))
        running, backward = (ahead + int(n) for n in rng.integers(0, 3, 2))
        stages.append(
            Stage(
                work=work,
                running=running,
                running_over=max(running - int(rng.integers(0, 3)), 0),
                backward=backward,
                backward_over=max(backward - int(rng.integers(0, 3)), 0),
                keeps_input=sizes[k - 1] * int(rng.integers(0, 2)) if k else 0,
                keeps=keeps,
                keeps_output=ahead * int(rng.integers(0, 2)),
                last_work=work * int(rng.integers(0, 2)),
                last_running=keeps,
                last_running_over=max(keeps - int(rng.integers(0, 2)), 0),
            )
        )
    values = [Interval(sizes[k], k, k + 1, k + 1, k + 1) for k in range(count - 1)]
    gradients = [int(n) for n in np.cumsum(rng.integers(0, 3, count + 1))[::-1]]
    gradients[-1] = 0
    return stages, sizes, gradients, Chain(stages, values, gradients)


@pytest.mark.parametrize("seed", range(12))
def test_the_recursion_finds_the_best_of_all_plans(seed):
    stages, sizes, gradients, chain = random_chain(seed, count=4 + seed % 2)
    tried = [(Run(stages, sizes, gradients, plan), plan) for plan in plans(0, len(stages))]
    assert len(tried) > 300
    most = max(run.peak for run, _ in tried)
    solution = Solution(chain, most)
    assert solution.unit == 1
    for budget in range(most + 1):
        best = min((run.work for run, _ in tried if run.peak <= budget), default=np.inf)
        assert solution.work()[budget] == best, budget
        if np.isfinite(best):
            found = Run(stages, sizes, gradients, solution.plan(budget))
            assert found.peak <= budget
            assert found.work == best


def test_equal_stages_run_as_often_as_in_revolve():
    """Beside the checkpoints two arrays are there: what a step makes, and the cotangent."""
    count = 12
    stages = [Stage(1.0, 1, 1, 2, 2, 1, 0, 0, 0.0, 0, 0) for _ in range(count)]
    values = [Interval(1, k, k + 1, k + 1, k + 1) for k in range(count - 1)]
    work = Solution(Chain(stages, values, [0] * (count + 1)), count + 2).work()
    assert np.all(np.isinf(work[:3]))
    again = [revolve(count, slots) - (count - 1) for slots in range(1, count)]
    assert work[3 : count + 2].tolist() == again


def test_more_memory_never_costs_more_work():
    for seed in range(4):
        work = Solution(random_chain(seed, 9)[-1], 60).work()
        finite = work[np.isfinite(work)]
        assert len(finite) > 10
        assert np.all(np.diff(finite) <= 0)


def test_rounding_is_on_the_safe_side():
    stages, sizes, gradients, chain = random_chain(7, 5)
    most = Run(stages, sizes, gradients, ()).peak
    coarse = Solution(chain, most, slots=8)
    assert coarse.unit > 1
    for slots, work in enumerate(coarse.work()):
        if np.isfinite(work):
            run = Run(stages, sizes, gradients, coarse.plan(slots))
            assert run.peak <= slots * coarse.unit
            assert run.work == work


def test_the_depth_of_a_plan_is_that_of_its_regions_within_one_another():
    inner = Region(0, 5, (Region(1, 4, (Region(2, 3),)),))
    assert depth(()) == 0
    assert depth((Region(0, 1), Region(1, 2))) == 1
    assert depth((inner, Region(5, 6))) == 3


def test_regions_at_the_start_of_others_are_pulled_back_in_turns():
    region = Region(0, 6, (Region(0, 4, (Region(0, 1), Region(2, 3))), Region(4, 5)))
    parts = [Region(0, 1), Region(1, 4, (Region(2, 3),)), Region(4, 6, (Region(4, 5),))]
    assert turns(region) == parts
    assert depth((region,)) == 2
