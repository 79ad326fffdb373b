"""The nodes of the tape: what they keep alive, and for how long; the backward pass."""

import gc
import weakref

import numpy as np
import pytest

import fxad
import fxad.numpy as fnp


class Watched:
    """Arrays that a function makes, by weak references."""

    def __init__(self):
        self.references = []

    def __call__(self, value):
        while isinstance(value, fxad.core.trace.Tracer):
            value = value.below()
        self.references.append(weakref.ref(value))

    def alive(self):
        gc.collect()
        return [r() is not None for r in self.references]


def test_residuals_of_dropped_results_are_dropped():
    watched = Watched()

    def f(x):
        kept, dropped = fnp.exp(x), fnp.exp(2.0 * x)
        watched(kept)
        watched(dropped)
        return fnp.sum(kept * kept)

    _, pull = fxad.vjp(f, np.ones(3))
    assert watched.alive() == [True, False]
    del pull
    assert watched.alive() == [False, False]


def test_what_the_derivative_does_not_read_is_not_kept():
    watched = Watched()

    def f(x):
        linear = 3.0 * x
        watched(linear)
        return fnp.sum(linear + 1.0)

    _, pull = fxad.vjp(f, np.ones(3))
    assert watched.alive() == [False]
    np.testing.assert_array_equal(pull(1.0)[0], [3.0] * 3)


def test_a_gradient_leaves_nothing_behind():
    watched = Watched()

    def f(x):
        y = fnp.tanh(x)
        watched(y)
        return fnp.sum(y * y)

    fxad.grad(f)(np.ones(3))
    assert watched.alive() == [False]


def test_residuals_are_freed_as_the_backward_pass_goes():
    """The last layer's are gone before the first layer's are read."""
    alive_at_start, watched = [], Watched()
    spy = fxad.custom_vjp(lambda x: x)

    def bwd(_, ct):
        alive_at_start.append(watched.alive())
        return (ct,)

    spy.defvjp(lambda x: (x, None), bwd)

    def f(x):
        x = spy(x)
        for _ in range(3):
            x = fnp.exp(-x)
            watched(x)
        return fnp.sum(x)

    fxad.grad(f)(np.ones(3))
    assert alive_at_start == [[False, False, False]]


def test_a_pullback_can_be_used_again():
    _, pull = fxad.vjp(lambda x, y: fnp.sin(x) * y, 1.0, 2.0)
    assert [pull(ct) for ct in (1.0, 2.0, 1.0)] == [
        (2.0 * np.cos(1.0) * ct, np.sin(1.0) * ct) for ct in (1.0, 2.0, 1.0)
    ]


def test_cotangents_of_values_used_many_times_add_up():
    def f(x):
        y = x * x
        return y + y * x + fnp.sin(y)

    assert fxad.grad(f)(2.0) == pytest.approx(4.0 + 12.0 + np.cos(4.0) * 4.0, rel=1e-15)


def test_long_chains_do_not_recurse():
    def f(x):
        for _ in range(20_000):
            x = x + 1.0
        return x * x

    assert fxad.grad(f)(0.0) == 40_000.0


def test_a_product_of_nodes_adds_up_its_operands():
    x, w = np.arange(6.0).reshape(2, 3), np.arange(6.0).reshape(3, 2) - 2.0
    by_x, by_w = fxad.grad(lambda x, w: fnp.sum(x @ w @ x), (0, 1))(x, w)
    ones = np.ones((2, 3))
    np.testing.assert_array_equal(by_x, ones @ (w @ x).T + (x @ w).T @ ones)
    np.testing.assert_array_equal(by_w, x.T @ ones @ x.T)
    _, push = fxad.linearize(lambda x, w: x @ w, x, w)
    np.testing.assert_array_equal(push(ones, 2.0 * w), ones @ w + x @ (2.0 * w))
