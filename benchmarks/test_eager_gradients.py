"""Eager derivatives of small and large work, beside the peers."""

import itertools

import numpy as np

from benchmarks.libraries import libraries
from benchmarks.race import assert_same_numbers
from benchmarks.report import Row, ratio


def mlp_loss(xp, params, x, y):
    *hidden, w, b = params
    for weight, bias in zip(hidden[::2], hidden[1::2], strict=True):
        x = xp.tanh(x @ weight + bias)
    return xp.mean((x @ w + b - y) ** 2)


def mlp_parameters(sizes, rng, dtype=np.float64):
    layers = itertools.pairwise(sizes)
    return [array.astype(dtype) for inputs, outputs in layers
            for array in (rng.normal(size=(inputs, outputs)) / inputs**0.5, np.zeros(outputs))]


def sin_exp(xp, x):
    return xp.sin(x) * xp.exp(x)


def elementwise(xp, x):
    return xp.sum(xp.sin(x) * xp.exp(-x**2) + xp.log1p(x**2) * xp.tanh(x))


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
    x = np.random.default_rng(0).normal(size=1_000_000).astype(np.float32)
    calls = {library.name: library.gradient(elementwise, x) for library in libraries()}
    assert calls["fxad"]().dtype == np.float32
    assert_same_numbers(calls, rtol=1e-5)
    times = {name: 1e3 * seconds for name, seconds in race(calls, seconds=5.0).items()}
    report.add(Row("gradient of sum(sin(x)exp(-x²)+log1p(x²)tanh(x)), 1e6 float32", "ms", times,
                   "fxad / autograd", ratio(times, "autograd"), 0.5))
