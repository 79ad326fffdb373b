"""Policies around loops and branches speak of what is within: steps, and branches taken."""

import numpy as np
import pytest

import fxad
import fxad.numpy as fnp
from fxad import lax
from fxad.ad_checkpoint import Offloadable, checkpoint_name, saved_residuals
from fxad.test_util import check_grads
from tests.control.counting import count, counted

policies = fxad.checkpoint_policies
rng = np.random.default_rng(0)
W, X, XS = 0.5 * rng.normal(size=(3, 3)), rng.normal(size=3), rng.normal(size=(4, 3))


def steps(w, x, xs):
    """Several carries, of which one only counts; a call; outputs stacked; a loop in the loop."""
    def step(carry, slice):
        x, total, n = carry
        h = checkpoint_name(fnp.tanh(w @ x), "hidden")
        y = fxad.jit(lambda h, s: fnp.sin(h) * s + h)(h, slice)
        z, _ = lax.scan(lambda z, _: (fnp.sin(checkpoint_name(w @ z, "inner")), None), y, None, 2)
        return (z, total + fnp.exp(y).sum(), n + 1), (y, checkpoint_name(fnp.cos(z), "out"))

    (x, total, n), (ys, zs) = lax.scan(step, (x, 0.0, 0), xs)
    return fnp.sum(x * x) + total * n + fnp.sum(ys * zs)


def backwards(w, x, xs):
    return lax.scan(lambda c, x: (fnp.sin(w @ c) + x, None), x, xs, reverse=True)[0].sum()


def branches(w, x, xs):
    """Branches with other values to save, in a loop and outside."""
    def first(x):
        return fnp.tanh(checkpoint_name(w @ x, "hidden")) * xs[0]

    def second(x):
        return checkpoint_name(fnp.sin(checkpoint_name(x, "inner")), "out") @ w + fnp.exp(w[0] @ x)

    def third(x):
        return x * 2.0

    y = lax.cond(fnp.sum(x) > 0.0, first, second, x)
    z = lax.switch(fnp.sum(x * x).astype(int) % 3, [third, first, second], y)

    def step(c, x):
        return lax.cond(c[0] > x[0], second, first, c), None

    return fnp.sum(fnp.cos(z)) + lax.scan(step, y, xs)[0].sum()


POLICIES = {
    "everything": policies.everything_saveable,
    "dots": policies.dots_saveable,
    "hidden": policies.save_only_these_names("hidden"),
    "inner": policies.save_only_these_names("inner", "out"),
    "anything but": policies.save_anything_except_these_names("hidden"),
    "cos": lambda primitive, *_, **__: str(primitive) == "cos",
    "offload": policies.save_and_offload_only_these_names(
        names_which_can_be_saved=["hidden"], names_which_can_be_offloaded=["inner"],
        offload_src="device", offload_dst="pinned_host",
    ),
}


@pytest.mark.parametrize("function", [steps, backwards, branches])
@pytest.mark.parametrize("policy", POLICIES.values(), ids=POLICIES.keys())
def test_values_and_derivatives_are_the_functions_own(function, policy):
    f = fxad.checkpoint(function, policy=policy)
    wanted = fxad.value_and_grad(function, argnums=(0, 1, 2))(W, X, XS)
    for transform in (lambda g: g, fxad.jit):
        got = transform(fxad.value_and_grad(f, argnums=(0, 1, 2)))(W, X, XS)
        for a, b in zip(fxad.tree.leaves(got), fxad.tree.leaves(wanted), strict=True):
            np.testing.assert_allclose(a, b, rtol=1e-12)
    _, push = fxad.linearize(f, W, X, XS)
    np.testing.assert_allclose(push(W, X, XS), fxad.jvp(f, (W, X, XS), (W, X, XS))[1], rtol=1e-12)
    rows = fxad.vmap(fxad.grad(f), in_axes=(None, 0, None))(W, np.stack([X, 2 * X]), XS)
    np.testing.assert_allclose(rows[1], fxad.grad(function)(W, 2 * X, XS), rtol=1e-12)


@pytest.mark.parametrize("function", [steps, branches])
@pytest.mark.parametrize("name", ["dots", "cos", "offload"])
def test_second_derivatives(function, name):
    f = fxad.checkpoint(function, policy=POLICIES[name])
    check_grads(f, (W, X, XS), order=2, modes=["rev"])


@pytest.mark.parametrize("function", [steps, branches])
@pytest.mark.parametrize("seed", range(10))
def test_any_choice_gives_the_derivative(function, seed):
    """A policy that throws a die for each kind of operation and number of its operands' axes."""
    words = np.random.default_rng(seed).integers(0, 3, size=1000)

    def policy(primitive, *avals, **params):
        key = sum(map(ord, str(primitive))) + 7 * sum(len(a.shape) for a in avals)
        return (False, True, Offloadable())[words[key % 1000]]

    for x in (X, -X):
        got = fxad.grad(fxad.checkpoint(function, policy=policy), argnums=(0, 1, 2))(W, x, XS)
        wanted = fxad.grad(function, argnums=(0, 1, 2))(W, x, XS)
        for a, b in zip(got, wanted, strict=True):
            np.testing.assert_allclose(a, b, rtol=1e-12)


# What runs again: the counts are JAX's ------------------------------------------------------------


def sines(w):
    def step(x, _):
        for _ in range(3):
            x = fnp.sin(fnp.dot(x, w))
        return x, None

    return step


def runs(f, *args):
    y, pull = fxad.vjp(f, *args)
    text = str(fxad.make_jaxpr(pull)(y))
    return text.count(" sin "), text.count(" cos "), text.count(" dot_general")


def test_products_are_saved_outside_and_inside():
    outside = fxad.checkpoint(
        lambda w: lax.scan(sines(w), np.ones(5), None, 2)[0], policy=policies.dots_saveable
    )
    assert runs(outside, np.ones((5, 5))) == (3, 3, 6)

    def inside(w):
        step = fxad.checkpoint(sines(w), policy=policies.dots_saveable)
        return lax.scan(step, np.ones(5), None, 2)[0]

    assert runs(inside, np.ones((5, 5))) == (2, 3, 6)
    shapes = [a.shape for a, _ in saved_residuals(outside, np.ones((5, 5)))]
    assert sorted(shapes) == [(2, 5), (2, 5), (2, 5), (5,), (5, 5)]  # and where it starts


def test_factors_of_a_linear_loop_are_saved():
    save_cos = POLICIES["cos"]
    f = fxad.checkpoint(
        lambda x: lax.scan(lambda c, _: (fnp.sin(c), fnp.sin(c)), x, None, 3), policy=save_cos
    )
    push = str(fxad.make_jaxpr(fxad.linearize(f, 4.0)[1])(1.0))
    assert push.count(" sin ") == push.count(" cos ") == 0
    check_grads(f, (3.0,), order=2, modes=["rev"])


def test_branches_save_what_the_one_that_is_taken_needs():
    f = fxad.checkpoint(
        lambda x: lax.cond(x > 0, fnp.sin, lambda x: x, x), policy=POLICIES["cos"]
    )
    push = str(fxad.make_jaxpr(fxad.linearize(f, 4.0)[1])(1.0))
    assert push.count(" sin ") == push.count(" cos ") == 0
    assert (fxad.grad(f)(0.5), fxad.grad(f)(-0.5)) == (np.cos(0.5), 1.0)

    def outside(w):
        return lax.cond(w[0, 0] > 0, lambda x: sines(w)(x, None)[0], lambda x: x, np.ones(5))

    g = fxad.checkpoint(outside, policy=policies.dots_saveable)
    # JAX's numbers; a branch per condition is written, and one of them runs.
    assert runs(g, np.ones((5, 5))) == (2, 3, 5)


def test_a_branch_that_is_saved_runs_once():
    def f(x):
        once = lambda x: checkpoint_name(counted(x), "c") * 2.0  # noqa: E731
        return lax.cond(x > 0.0, once, lambda x: counted(counted(x)), x)

    for policy, again in [(policies.save_only_these_names("c"), (0, 2)), (None, (1, 2))]:
        for x, runs in zip((0.5, -0.5), again, strict=True):
            y, pull = fxad.vjp(fxad.jit(fxad.checkpoint(f, policy=policy)), x)
            with count() as found:
                pull(y)
            assert len(found) == runs


def test_steps_that_are_saved_run_once():
    def f(x):
        step = lambda c, _: (checkpoint_name(counted(c * 0.1), "c"), None)  # noqa: E731
        return lax.scan(step, x, None, 5)[0]

    for policy, again in [(policies.save_only_these_names("c"), 0), (None, 5)]:
        y, pull = fxad.vjp(fxad.jit(fxad.checkpoint(f, policy=policy)), 0.5)
        with count() as found:
            pull(y)
        assert len(found) == again


@pytest.mark.parametrize("length", [0, 1])
def test_loops_without_steps_and_with_one(length):
    def f(w):
        return lax.scan(sines(w), X, None, length)[0].sum()

    saving = fxad.checkpoint(f, policy=policies.dots_saveable)
    np.testing.assert_allclose(fxad.grad(saving)(W), fxad.grad(f)(W), rtol=1e-13)
