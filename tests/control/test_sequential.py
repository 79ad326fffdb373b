"""``checkpoint_sequential``: segments of a chain, what they keep, what runs again."""

import functools

import numpy as np
import pytest

import fxad
import fxad.numpy as fnp
from fxad.ad_checkpoint import saved_residuals
from fxad.errors import ArgumentTypeError, ArgumentValueError
from tests.control.counting import count, counted

rng = np.random.default_rng(0)
PARAMS = [(rng.normal(size=(3, 3)), rng.normal(size=3)) for _ in range(10)]
X = rng.normal(size=(4, 3))


def dense(params, x):
    w, b = params
    return fnp.tanh(x @ w + b)


def plain(params, x):
    return functools.reduce(lambda x, p: dense(p, x), params, x)


@pytest.mark.parametrize("segments", ["sqrt", 1, 4, 10, [1, 2, 7], (10,)])
def test_values_and_gradients_are_those_of_the_chain(segments):
    net = fxad.checkpoint_sequential([dense] * 10, segments)
    np.testing.assert_array_equal(net(PARAMS, X), plain(PARAMS, X))
    for transform in (lambda f: f, fxad.jit):
        got = transform(fxad.grad(lambda p, x: net(p, x).sum(), argnums=(0, 1)))(PARAMS, X)
        wanted = fxad.grad(lambda p, x: plain(p, x).sum(), argnums=(0, 1))(PARAMS, X)
        for a, b in zip(fxad.tree.leaves(got), fxad.tree.leaves(wanted), strict=True):
            np.testing.assert_allclose(a, b, rtol=1e-12)


def test_layers_may_hold_their_parameters():
    def loss(params):
        layers = [functools.partial(dense, p) for p in params]
        return fxad.checkpoint_sequential(layers)(X).sum()

    got = fxad.tree.leaves(fxad.grad(loss)(PARAMS))
    wanted = fxad.tree.leaves(fxad.grad(lambda p: plain(p, X).sum())(PARAMS))
    for a, b in zip(got, wanted, strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-12)


def test_layers_hand_on_trees():
    layers = [lambda pair: {"a": pair[0] * 2.0, "b": pair[1]}, lambda d: d["a"] * d["b"],
              lambda x: x + 1.0]
    net = fxad.checkpoint_sequential(layers, 3)
    assert net((3.0, 4.0)) == 25.0
    assert fxad.grad(net)((3.0, 4.0)) == (8.0, 6.0)


@pytest.mark.parametrize(
    ("segments", "held", "again"),
    # The inputs of the segments that run again; of the last, its input and every layer's result.
    [("sqrt", 2 + 4, 6), (1, 10, 0), (9, 8 + 2, 8), ([2, 3, 4], 2 + 5, 5), (2, 1 + 6, 4)],
)
def test_what_is_kept_and_what_runs_again(segments, held, again):
    net = fxad.checkpoint_sequential([lambda x: counted(fnp.sin(x))] * 9, segments)
    with count() as forward:
        y, pull = fxad.vjp(net, 0.3)
    with count() as backward:
        pull(y)
    assert (len(forward), len(backward)) == (9, again)
    assert len(saved_residuals(net, 0.3)) == held


def test_a_policy_for_the_segments():
    policy = fxad.checkpoint_policies.dots_saveable
    net = fxad.checkpoint_sequential([dense] * 10, 5, policy=policy)
    kept = [a.shape for a, _ in saved_residuals(lambda x: net(PARAMS, x), X)]
    assert len(kept) > len(saved_residuals(
        lambda x: fxad.checkpoint_sequential([dense] * 10, 5)(PARAMS, x), X))


@pytest.mark.parametrize(
    ("layers", "segments", "kind", "match"),
    [
        ([], "sqrt", ArgumentValueError, "got no layers"),
        (dense, "sqrt", ArgumentTypeError, "got layers of type function"),
        ([dense, 3.0], "sqrt", ArgumentTypeError, "wanted a function"),
        ([dense], 2, ArgumentValueError, "got segments=2 for 1 layers"),
        ([dense], 0, ArgumentValueError, "wanted 1 to 1"),
        ([dense], "log", ArgumentTypeError, "wanted a number, 'sqrt' or a list of lengths"),
        ([dense], True, ArgumentTypeError, "wanted a number"),
        ([dense] * 3, [1, 1], ArgumentValueError, "positive lengths whose sum is 3"),
        ([dense] * 3, [3, 0], ArgumentValueError, "positive lengths"),
        ([dense] * 3, [1.5, 1.5], ArgumentTypeError, "list of lengths"),
    ],
)
def test_what_is_refused(layers, segments, kind, match):
    with pytest.raises(kind, match=rf"\[checkpoint_sequential\] .*{match}"):
        fxad.checkpoint_sequential(layers, segments)


def test_calls_that_are_refused():
    net = fxad.checkpoint_sequential([dense] * 3)
    with pytest.raises(ArgumentValueError, match="got parameters for 2, wanted them for 3 layers"):
        net(PARAMS[:2], X)
    with pytest.raises(ArgumentValueError, match="got parameters for a dict"):
        net({"w": 1.0}, X)
    with pytest.raises(ArgumentTypeError, match=r"got 3 arguments, wanted \(x\) or \(params, x\)"):
        net(PARAMS, X, X)
