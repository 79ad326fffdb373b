"""Eager derivatives of small and large work, beside the peers."""

import numpy as np
import pytest

from benchmarks import isolated
from benchmarks.libraries import libraries
from benchmarks.race import assert_same_numbers
from benchmarks.report import Row, ratio
from benchmarks.workloads import (
    elementwise,
    elementwise_input,
    mlp_loss,
    mlp_parameters,
    sin_exp,
)

ELEMENTWISE = "gradient of sum(sin(x)exp(-x²)+log1p(x²)tanh(x)), 1e6 float32"


def test_gradient_of_a_small_mlp(race, report):
    rng = np.random.default_rng(0)
    params = mlp_parameters([8, 16, 16, 1], rng)
    x, y = rng.normal(size=(4, 8)), rng.normal(size=(4, 1))
    calls = {library.name: library.gradient(mlp_loss, params, x, y) for library in libraries()}
    assert_same_numbers(calls, rtol=1e-12)
    times = {name: 1e6 * seconds for name, seconds in race(calls).items()}
    report.add(Row("gradient of an MLP 8-16-16-1, batch 4", "µs", times,
                   "fxad / autograd", ratio(times, "autograd"), 0.5))


def test_third_derivative_at_a_scalar(race, report):
    calls = {library.name: library.derivative(sin_exp, 3, 1.3) for library in libraries()}
    assert_same_numbers(calls, rtol=1e-12)
    times = {name: 1e6 * seconds for name, seconds in race(calls).items()}
    report.add(Row("third derivative of sin(x)exp(x) at a scalar", "µs", times,
                   "fxad / autograd", ratio(times, "autograd"), 0.5))


def test_gradient_of_an_elementwise_sum(race, report):
    x = elementwise_input()
    calls = {library.name: library.gradient(elementwise, x) for library in libraries()}
    assert calls["fxad"]().dtype == np.float32
    assert_same_numbers(calls, rtol=1e-5)
    times = {name: 1e3 * seconds for name, seconds in race(calls, seconds=5.0).items()}
    report.add(Row(f"{ELEMENTWISE}, in one process", "ms", times, "fxad / autograd",
                   ratio(times, "autograd"), 0.5))


@pytest.mark.parametrize(
    ("work", "label"),
    [("elementwise", "each in processes of its own"),
     ("elementwise, drawn narrow", "each in processes of its own, x drawn in float32")],
)
def test_gradient_of_an_elementwise_sum_isolated(request, report, work, label):
    if request.config.getoption("benchmark_disable"):
        pytest.skip("a timing only")
    entries = {library.name: (library.name, work, "gradient")
               for library in libraries("fxad", "fxad jit", "autograd")}
    times = {name: 1e3 * seconds for name, seconds in isolated.race(entries).items()}
    report.add(Row(f"{ELEMENTWISE}, {label}", "ms", times, "fxad / autograd",
                   ratio(times, "autograd"), 0.5,
                   "what the heap has freed before decides: see benchmarks/isolated.py"))
