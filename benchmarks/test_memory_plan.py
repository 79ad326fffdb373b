"""Predicted against measured memory: plain gradients, and gradients under memory budgets.

`fxad.memory_plan` predicts the peak before anything runs; tracemalloc measures it. The work that a
budget costs is drawn beside it: the best plans of the recursion for chains (Beaumont et al. 2019).
"""

import numpy as np
import pytest

import fxad
from benchmarks.report import Row
from fxad.control.checkpoint import repeated
from fxad.control.memory.budget import Planner
from fxad.core.staging import hoist
from fxad.errors import MemoryBudgetError
from tests.programs_of_memory import PROGRAMS, chain, measured, network

#: Budgets as parts of what the gradient takes with everything kept.
PARTS = (1.0, 0.8, 0.6, 0.5, 0.4, 0.3, 0.25, 0.2, 0.15)
BUDGETED = {
    "elementwise chain, 32 layers": chain(32, 30_000),
    "network, 24 layers": network(depth=24, width=64, batch=512),
}


def test_predicted_peaks(report):
    """Every program, as it is and its gradient: the worst error is what is held to 15 %.

    Of peaks below 100 KiB the interpreter's own objects, some kilobytes, are a part.
    """
    errors, large = {}, {}
    for name, (loss, args) in PROGRAMS.items():
        gradient = fxad.grad(loss)
        for kind, f in (
            ("", fxad.jit(loss)),
            (", gradient", fxad.jit(gradient)),
            (", gradient without jit", gradient),
        ):
            predicted = fxad.memory_plan(f, *args).peak_bytes
            taken = measured(f, *args)
            errors[name + kind] = abs(predicted / taken - 1)
            if taken > 100 * 1024:
                large[name + kind] = errors[name + kind]
    report.add(Row("peak predicted by memory_plan against tracemalloc", "relative error", errors,
                   "worst of those over 100 KiB", max(large.values()), 0.15))
    assert max(large.values()) <= 0.15


def under_budgets(loss, args):
    """For each budget that can be met: the budget, the predicted and the measured peak, work."""
    closed, _ = hoist(fxad.make_jaxpr(loss)(*args))
    nonzero = [True] * (len(closed.in_avals) - 1) + [len(args) == 1]
    planner = Planner(closed, nonzero, repeated)
    plain = planner.tried(())
    rows = []
    for part in PARTS:
        budget = int(part * plain.peak)
        gradient = fxad.jit(fxad.grad(fxad.checkpoint(loss, memory_budget=budget)))
        try:
            taken = measured(gradient, *args)
        except MemoryBudgetError:
            break
        choice = planner.under(budget)
        predicted = fxad.memory_plan(gradient, *args).peak_bytes
        rows.append((budget, predicted, taken, choice.flops / plain.flops - 1))
    return rows


def test_budgets(report, results):
    found = {name: under_budgets(*program) for name, program in BUDGETED.items()}
    for name, rows in found.items():
        over = {f"budget {b / 2**20:.2f} MiB": taken / b for b, _, taken, _ in rows}
        report.add(Row(f"gradient under a memory budget, {name}", "measured peak / budget", over,
                       "worst", max(over.values()), 1.05))
        work = {f"budget {b / 2**20:.2f} MiB": more for b, _, _, more in rows}
        half = next(more for b, _, _, more in rows if b <= 0.51 * rows[0][0])
        report.add(Row(f"flops above those with everything kept, {name}", "fraction", work,
                       "at half of the memory", half))
        assert len(rows) >= 4
        assert all(abs(p / taken - 1) <= 0.15 for _, p, taken, _ in rows)
        assert max(over.values()) <= 1.15
    picture = results / f"{report.date}-memory-budgets.png"
    draw(found, picture)
    report.rows[-1].note = f"![memory budgets]({picture.name})"


def draw(found, path):
    """Predicted and measured peaks over budgets, and what they cost."""
    pyplot = pytest.importorskip("matplotlib.pyplot")
    figure, (left, right) = pyplot.subplots(1, 2, figsize=(9.6, 4.0), layout="constrained")
    for name, rows in found.items():
        budgets, predicted, taken, more = (np.array(column) for column in zip(*rows, strict=True))
        (line,) = left.plot(budgets / 2**20, taken / 2**20, "o", label=f"{name}: measured")
        left.plot(budgets / 2**20, predicted / 2**20, "-", color=line.get_color(),
                  label=f"{name}: predicted")
        right.plot(budgets / budgets[0], 100 * more, "o-", label=name)
    limits = [0, max(rows[0][0] for rows in found.values()) / 2**20]
    left.plot(limits, limits, "k:", label="the budget")
    left.set(xlabel="memory budget, MiB", ylabel="peak of the gradient, MiB",
             title="Predicted and measured peak")
    right.set(xlabel="budget / memory with everything kept", ylabel="flops more, %",
              title="What a budget costs")
    for axes in (left, right):
        axes.grid(alpha=0.3)
        axes.legend(frameon=False, fontsize="small")
    path.parent.mkdir(parents=True, exist_ok=True)
    figure.savefig(path, dpi=130)
    pyplot.close(figure)
