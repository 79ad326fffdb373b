"""Loops and branches in cases that JAX's own tests hold its to."""

import numpy as np
import pytest

import fxad
from fxad import config, lax


def test_unroll_may_be_zero():
    """All steps in one turn, as True."""
    xs = np.arange(5.0)

    def f(c, unroll):
        return lax.scan(lambda c, x: (c * x + 1, c), c, xs, unroll=unroll)

    for unroll in (0, 2, True, False):
        np.testing.assert_array_equal(fxad.jit(lambda c, u=unroll: f(c, u))(1.0)[1], f(1.0, 1)[1])
    equations = fxad.make_jaxpr(lambda c: f(c, 0))(1.0).eqns
    turns = fxad.make_jaxpr(lambda c: lax.fori_loop(0, 9, lambda i, c: c + i, c, unroll=0))(1.0)
    for eqns in (equations, turns.eqns):
        (loop,) = [eqn for eqn in eqns if str(eqn.primitive) == "scan"]
        assert loop.params["length"] == 1
    assert lax.scan(lambda c, _: (c, None), 1.0, length=0, unroll=0)[0] == 1.0
    with pytest.raises(ValueError, match="unroll=-1"):
        f(1.0, -1)


def test_no_steps_without_jit():
    """Which JAX's ``fori_loop`` takes, and its ``scan`` does not."""
    x = np.ones(2)
    with config.override(disable_jit=True):
        out = lax.fori_loop(0, 0, lambda i, x: x + i, {"a": x, "b": 1.0})
        with pytest.raises(ValueError, match="got a loop of no steps with jit disabled"):
            lax.scan(lambda c, x: (c + x, x), 0.0, np.zeros(0))
    assert (out["a"].tolist(), out["b"]) == ([1.0, 1.0], 1.0)
    assert out["a"] is not x


def test_a_condition_of_examples_without_jit():
    """Where no Python condition can tell, the loop is staged all the same."""

    def until_ten(y):
        return lax.while_loop(lambda x: x < 10.0, lambda x: x + 1.0, y)

    with config.override(disable_jit=True):
        assert fxad.vmap(until_ten)(np.array([3.0, 14.5])).tolist() == [10.0, 14.5]
        assert until_ten(3.5) == 10.5


def test_bounds_may_both_be_whole_floats():
    def f(x):
        return lax.fori_loop(x, x + 2.0, lambda i, c: 2 * c, x)

    assert f(1.0) == 4.0
    assert fxad.grad(f)(1.0) == 4.0
    assert fxad.linearize(f, 1.0)[1](1.0) == 4.0
    assert fxad.jit(f)(1.0) == 4.0
    for lower, upper in ((0.0, 2.5), (0, 2.0), (0.0, np.inf), (0, 1j), (0, "a"), (0, np.ones(1))):
        with pytest.raises(TypeError, match=r"\[fori_loop\] got upper=.*, wanted an integer"):
            lax.fori_loop(lower, upper, lambda i, c: c, 1.0)


@pytest.mark.parametrize("transform", [lambda f: f, fxad.jit], ids=["eager", "jit"])
def test_no_derivative_comes_from_the_branch_of_other_examples(transform):
    """Zero cotangents do not meet the infinite slopes of a branch that is not taken."""

    def safe(x):
        return lax.cond(x < 1e-3, lambda: 2e-3, lambda: np.sqrt(x))

    x = np.array([0.0, 4.0, -1.0])
    with np.errstate(all="raise"):
        total = transform(lambda x: fxad.vmap(safe)(x).sum())
        assert transform(fxad.grad(total))(x).tolist() == [0.0, 0.25, 0.0]
        assert transform(fxad.vmap(fxad.grad(transform(safe))))(x).tolist() == [0.0, 0.25, 0.0]
        diagonal = np.diag([0.0, -1 / 32, 0.0])
        np.testing.assert_array_equal(fxad.hessian(total)(x), diagonal)
        np.testing.assert_array_equal(fxad.jacrev(transform(fxad.grad(total)))(x), diagonal)
    with np.errstate(all="ignore"):  # rows in which nobody takes the branch
        twice = fxad.grad(lambda x: fxad.vmap(fxad.vmap(safe))(x).sum())(x.reshape(3, 1))
    assert twice.tolist() == [[0.0], [0.25], [0.0]]


def test_the_cotangents_of_integers_may_be_integers():
    """As what comes out of a loop does: it says nothing of the inputs."""
    xs = np.arange(1.0, 4.0)
    out, pull = fxad.vjp(lambda xs: lax.scan(lambda c, x: (c * x, (c, 7)), 1.0, xs), xs)
    wanted = fxad.vjp(lambda xs: lax.scan(lambda c, x: (c * x, c), 1.0, xs), xs)
    carry, (products, sevens) = out
    assert sevens.tolist() == [7, 7, 7]
    np.testing.assert_array_equal(pull(out)[0], wanted[1]((carry, products))[0])
    with pytest.raises(fxad.errors.StructureError, match=r"cotangent float64\[3\], wanted float0"):
        pull((carry, (products, sevens + 0.5)))
    with pytest.raises(fxad.errors.StructureError, match=r"cotangent int64\[2\], wanted float0"):
        pull((carry, (products, sevens[:2])))


def test_what_loops_and_branches_hand_on_is_the_same_for_all_examples(rng):
    """A carry that no step changes is stored once, and no choice is made of it."""
    w, xs = rng.normal(size=(2, 2)), rng.normal(size=(4, 2))

    def power(w, x, n):
        def turn(value):
            i, x, w = value
            return i + 1, x @ w, w

        _, x, w = lax.while_loop(lambda value: value[0] < n, turn, (0, x, w))
        return w, x

    same, out = fxad.vmap(power, in_axes=(None, 0, 0), out_axes=(None, 0))(w, xs, np.arange(4))
    np.testing.assert_array_equal(same, w)
    assert same is not w
    wanted = [x @ np.linalg.matrix_power(w, n) for n, x in enumerate(xs)]
    np.testing.assert_allclose(out, wanted, rtol=1e-12)
    grads = fxad.vmap(fxad.grad(lambda *args: power(*args)[1].sum()), (None, 0, 0))
    slopes = [fxad.grad(lambda w, a=a: (a[1] @ np.linalg.matrix_power(w, a[0])).sum())(w)
              for a in enumerate(xs)]
    np.testing.assert_allclose(grads(w, xs, np.arange(4)), slopes, rtol=1e-12)

    def chosen(x, w):
        def once(w):
            return lax.scan(lambda w, _: (w, None), w, length=1)[0]

        return lax.cond(x[0] < 0, lambda x, w: (2 * x, once(w)), lambda x, w: (x, once(w)), x, w)

    out, same = fxad.vmap(chosen, (0, None), (0, None))(xs, w)
    np.testing.assert_array_equal(out, np.where(xs[:, :1] < 0, 2 * xs, xs))
    np.testing.assert_array_equal(same, w)
    total = fxad.grad(lambda w: sum(np.sum(y) for y in fxad.vmap(chosen, (0, None), 0)(xs, w)))
    np.testing.assert_array_equal(total(w), np.full((2, 2), 4.0))


def test_loops_that_change_nothing():
    x = np.ones(2)
    loops = (
        lambda x: lax.while_loop(lambda x: x[0] < 0, lambda x: x, x),
        lambda x: lax.fori_loop(0, 3, lambda i, x: x, x),
        lambda x: lax.scan(lambda x, _: (x, None), x, length=3, checkpoint=True)[0],
        lambda x: lax.cond(x[0] < 0, lambda x: x, lambda x: x, x),
    )
    for f in loops:
        for g in (f, fxad.jit(f)):
            out = g(x)
            assert out.tolist() == [1.0, 1.0]
            assert not np.shares_memory(out, x)
            assert fxad.grad(lambda x, g=g: g(x).sum())(x).tolist() == [1.0, 1.0]
            assert fxad.vmap(g)(x.reshape(2, 1)).tolist() == [[1.0], [1.0]]
