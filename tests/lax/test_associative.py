"""``associative_scan`` against running reductions, loops and JAX."""

import operator
from typing import NamedTuple

import numpy as np
import pytest

import fxad
from fxad import lax
from fxad.test_util import check_grads
from tests.lax.parity import check, needs_jax

LENGTHS = [0, 1, 2, 3, 4, 5, 7, 8, 13, 16, 17, 100, 1009]


def after(f, g):
    """The affine map ``x -> a x + b`` followed by another: associative, and the order matters."""
    (a, b), (c, d) = f, g
    return a * c, b * c + d


def running(f, elems):
    """The scan by a loop, along the first axis."""
    out = [tuple(x[0] for x in elems)]
    for i in range(1, len(elems[0])):
        out.append(f(out[-1], tuple(x[i] for x in elems)))
    return [np.stack(parts) for parts in zip(*out, strict=True)]


@pytest.mark.parametrize("n", LENGTHS)
def test_sums(n):
    x = np.arange(2 * n).reshape(n, 2) + 7
    out = lax.associative_scan(operator.add, x)
    np.testing.assert_array_equal(out, np.cumsum(x, 0), strict=True)
    out = lax.associative_scan(np.add, x.T, True, -1)
    np.testing.assert_array_equal(out, np.cumsum(x.T[:, ::-1], 1)[:, ::-1], strict=True)


@pytest.mark.parametrize("n", LENGTHS[1:-2])
def test_functions_in_order(n, rng):
    elems = tuple(rng.uniform(0.5, 1.2, (2, n, 3)))
    for got, wanted in zip(
        lax.associative_scan(after, elems), running(after, elems), strict=True
    ):
        np.testing.assert_allclose(got, wanted, rtol=1e-12)
    backward = running(after, [x[::-1] for x in elems])
    for got, wanted in zip(
        lax.associative_scan(after, elems, reverse=True), backward, strict=True
    ):
        np.testing.assert_allclose(got, wanted[::-1], rtol=1e-12)


def test_the_number_of_calls_is_logarithmic():
    calls = []

    def add(x, y):
        calls.append(x.shape)
        return x + y

    lax.associative_scan(add, np.ones(1 << 10))
    assert len(calls) == 19
    assert sum(n for (n,) in calls) < 2 << 10


@needs_jax
@pytest.mark.parametrize("n", [1, 2, 5, 8])
def test_as_jax(n, rng):
    a, b = rng.uniform(0.5, 1.5, (2, n, 2))
    for options in ({}, {"reverse": True}, {"axis": 1}, {"axis": -2}):
        check(lambda m, o=options: lambda a, b: m.associative_scan(after, (a, b), **o), a, b)
    check(lambda m: lambda x: m.associative_scan(m.max, x), a)
    check(lambda m: lambda x: m.associative_scan(m.mul, x), (4 * a).astype(np.int8))


class Pair(NamedTuple):
    first: np.ndarray
    second: np.ndarray


def test_structures():
    data = Pair(np.array([0.0, 1.0, 2.0]), np.array([[0], [10], [20]], np.float32))

    def add(x, y):
        return Pair(x.first + y.first, x.second + y.second)

    out = lax.associative_scan(add, elems=data)
    assert type(out) is Pair
    np.testing.assert_array_equal(out.first, np.array([0.0, 1.0, 3.0]), strict=True)
    np.testing.assert_array_equal(out.second, np.array([[0], [10], [30]], np.float32), strict=True)


def test_truths():
    x = np.array([False, True, True, True, False, True])
    out = lax.associative_scan(lax.bitwise_xor, x)
    np.testing.assert_array_equal(out, [False, True, False, True, True, False], strict=True)


def test_products_of_matrices(rng):
    m = rng.normal(size=(6, 2, 2))
    out = fxad.jit(lambda m: lax.associative_scan(np.matmul, m))(m)
    np.testing.assert_allclose(out[-1], np.linalg.multi_dot(list(m)), rtol=1e-12)


def test_a_function_of_single_elements(rng):
    ms, vs = np.repeat(np.eye(2)[None], 43, 0), np.ones((43, 2))

    @fxad.vmap
    def solve(x, y):
        (m, v), (n, w) = x, y
        return m + n, np.linalg.solve(m, w) + np.linalg.solve(n, v)

    sums, _ = lax.associative_scan(solve, (ms, vs))
    np.testing.assert_array_equal(sums, np.cumsum(ms, 0))


def test_derivatives(rng):
    a, b = rng.uniform(0.5, 1.2, (2, 5))

    def scan(a, b, w):
        def f(x, y):
            return x[0] * y[0], lax.tanh(w) * x[1] * y[0] + y[1]

        return lax.associative_scan(f, (a, b), reverse=True)

    check_grads(scan, (a, b, 0.4), 2)
    third = fxad.grad(fxad.grad(fxad.grad(lambda x: lax.associative_scan(lax.mul, x * a).sum())))
    powers = np.cumprod(a) * np.arange(1, 6) * np.arange(5) * np.arange(-1, 4)
    np.testing.assert_allclose(third(1.0), powers.sum(), rtol=1e-12)


def test_composes(rng):
    x = rng.uniform(0.5, 1.5, (3, 6))

    def scan(x):
        return lax.associative_scan(lambda x, y: x * y, x)

    wanted = np.cumprod(x, 1)
    for f in (fxad.vmap(scan), fxad.jit(fxad.vmap(scan)), fxad.vmap(fxad.jit(scan))):
        np.testing.assert_allclose(f(x), wanted, rtol=1e-13)
    slopes = fxad.vmap(fxad.jacfwd(scan))(x)
    np.testing.assert_allclose(slopes, fxad.jit(fxad.vmap(fxad.jacrev(scan)))(x), rtol=1e-13)
    np.testing.assert_allclose(slopes[:, -1], wanted[:, -1:] / x, rtol=1e-13)
    assert fxad.grad(lambda x: scan(x).sum())(x[0].astype(np.float32)).dtype == np.float32


def test_short_results_are_the_callers_own():
    x = np.ones((1, 3))
    out = lax.associative_scan(lax.add, x)
    assert not np.shares_memory(out, x)


def test_what_does_not_fit_is_refused():
    x, y = np.ones((4, 2)), np.ones((3, 2), np.float32)
    for call, kind, message in (
        (lambda: lax.associative_scan(3, x), TypeError, r"\[associative_scan\] got int64\[\], wan"),
        (lambda: lax.associative_scan(lax.add, ()), ValueError, "got no elements"),
        (lambda: lax.associative_scan(lax.add, 3.0), ValueError, "got axis 0"),
        (lambda: lax.associative_scan(lax.add, x, axis=2), ValueError, "got axis 2"),
        (
            lambda: lax.associative_scan(after, {"a": x, "b": y}),
            ValueError,
            r"got 4 elements along axis 0 of elems\['a'\], and elems\['b'\] of shape \(3, 2\)",
        ),
        (lambda: lax.associative_scan(lambda a, b: (a, b), x), ValueError, "of another structure"),
        (lambda: lax.associative_scan(lambda a, b: a[:1], x), ValueError, r"makes float64\[1,2\]"),
        (lambda: lax.associative_scan(lax.lt, x), TypeError, r"makes bool\[2,2\] of two float64"),
        (lambda: lax.associative_scan(lambda a, b: (a[0], 2.0), (y, y)), ValueError, r"at \[1\]"),
        (lambda: lax.associative_scan(lambda a, b: None, x), ValueError, "of another structure"),
    ):
        with pytest.raises(kind, match=message):
            call()
