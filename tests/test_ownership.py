"""Inputs are never written; what is handed out is the caller's own: writing to it harms nobody."""

import itertools
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import fxad
import fxad.transforms.linearize as linearize
import fxad.transforms.nodes as nodes
from fxad import tree

CONSTANT = np.array([1.0, 2.0, 3.0])

#: Functions whose results could be somebody else's memory.
FUNCTIONS: dict[str, Callable[[Any], Any]] = {
    "identity": lambda x: x,
    "twice the same": lambda x: (x, x),
    "a constant": lambda x: (x, CONSTANT),
    "a view": lambda x: x[::-1],
    "a part": lambda x: (x[:2], x[1:]),
    "a reshape": lambda x: x.reshape(3, 1),
    "a broadcast": lambda x: np.broadcast_to(x, (2, 3)),
    "a transpose": lambda x: x[None].T,
    "a residual": lambda x: np.exp(x),
    "a result and its view": lambda x: (lambda y: (y, y[1:]))(x * 2.0),
    "a sum with zero": lambda x: x + 0.0,
    "one dtype": lambda x: x.astype(np.float64),
    "pieces": lambda x: np.split(x, 3),
    "real part": lambda x: np.real(x),
}


def results(f: Callable[[Any], Any], x: Any, v: Any) -> dict[str, tuple[Any, list[Any]]]:
    """What each transformation hands out, and what it was given."""
    out, pullback = fxad.vjp(f, x)
    ct = tree.map(lambda y: np.ones(np.shape(y)), out)
    line, pushforward = fxad.linearize(f, x)
    stacked = np.stack([x, v])
    return {
        "jit": (fxad.jit(f)(x), [x]),
        "checkpoint": (fxad.checkpoint(f)(x), [x]),
        "jvp": (fxad.jvp(f, (x,), (v,)), [x, v]),
        "vjp": ((out, pullback(ct)), [x, *tree.leaves(ct)]),
        "linearize": ((line, pushforward(v)), [x, v]),
        "vmap": (fxad.vmap(f)(stacked), [stacked]),
        "jit of jvp": (fxad.jit(lambda x, v: fxad.jvp(f, (x,), (v,)))(x, v), [x, v]),
        "jit of vjp": (fxad.jit(lambda x, ct: fxad.vjp(f, x)[1](ct))(x, ct), [x, *tree.leaves(ct)]),
    }


@pytest.mark.parametrize("name", FUNCTIONS)
def test_results_share_no_memory(name):
    """Neither with arguments and constants nor with one another; and they can be written to."""
    x, v = np.array([0.1, 0.2, 0.3]), np.array([1.0, -1.0, 2.0])
    for transformation, (given, held) in results(FUNCTIONS[name], x, v).items():
        arrays = [y for y in tree.leaves(given) if isinstance(y, np.ndarray)]
        assert arrays
        for y in arrays:
            assert y.flags.writeable, transformation
            # What f itself hands out of its closure is f's affair, unless a program keeps it.
            for other in (*held, CONSTANT) if "jit" in transformation else held:
                assert not np.shares_memory(y, other), transformation
        for a, b in itertools.combinations(arrays, 2):
            assert not np.shares_memory(a, b), transformation


@pytest.mark.parametrize("name", FUNCTIONS)
def test_a_second_call_is_not_harmed_by_writing_to_the_first_result(name):
    f, x = FUNCTIONS[name], np.array([0.1, 0.2, 0.3])
    wanted = tree.map(np.array, f(x))
    compiled = fxad.jit(f)
    for _ in range(3):
        for y, w in zip(tree.leaves(compiled(x)), tree.leaves(wanted), strict=True):
            np.testing.assert_array_equal(y, w)
            y[...] = -7.0
    np.testing.assert_array_equal(CONSTANT, [1.0, 2.0, 3.0])
    np.testing.assert_array_equal(x, [0.1, 0.2, 0.3])


@pytest.mark.parametrize("name", FUNCTIONS)
def test_a_pullback_is_not_harmed_by_writing_to_what_was_handed_out(name):
    """Not by writing to the output, to earlier cotangents, nor to auxiliary data."""
    f, x = FUNCTIONS[name], np.array([0.1, 0.2, 0.3])
    fresh = fxad.vjp(f, x)
    ct = tree.map(lambda y: np.ones(np.shape(y)), fresh[0])
    wanted = fresh[1](ct)[0]
    out, pullback = fxad.vjp(f, x)
    for y in tree.leaves(out):
        y[...] = np.nan
    for _ in range(2):
        (got,) = pullback(ct)
        np.testing.assert_array_equal(got, wanted)
        got[...] = np.nan
    (line, pushforward), v = fxad.linearize(f, x), np.ones(3)
    wanted = tree.map(np.array, pushforward(v))
    for y in (*tree.leaves(line), *tree.leaves(pushforward(v))):
        y[...] = np.nan
    for a, b in zip(tree.leaves(pushforward(v)), tree.leaves(wanted), strict=True):
        np.testing.assert_array_equal(a, b)


@pytest.mark.parametrize("transform", ["vjp", "linearize", "jvp", "value_and_grad"])
def test_auxiliary_data_is_the_callers_own_too(transform):
    x = np.array([0.1, 0.2, 0.3])

    def f(x):
        hidden = np.exp(x)
        return np.sum(hidden * hidden), (hidden, x, {"layer": "first", "count": 3})

    if transform == "jvp":
        aux = fxad.jvp(f, (x,), (x,), has_aux=True)[2]
        again = None
    elif transform == "value_and_grad":
        (_, aux), _ = fxad.value_and_grad(f, has_aux=True)(x)
        again = None
    else:
        _, again, aux = getattr(fxad, transform)(f, x, has_aux=True)
    for y in tree.leaves(aux):
        if isinstance(y, np.ndarray):
            y[...] = np.nan
    assert aux[2] == {"layer": "first", "count": 3}
    np.testing.assert_array_equal(x, [0.1, 0.2, 0.3])
    if transform == "vjp":
        np.testing.assert_allclose(again(1.0)[0], 2 * np.exp(2 * x), rtol=1e-14)
    if transform == "linearize":
        np.testing.assert_allclose(again(np.ones(3)), np.sum(2 * np.exp(2 * x)), rtol=1e-14)


def test_gradients_of_shared_arguments_are_separate():
    """One array given twice gets two gradients."""
    x = np.ones(3)
    a, b = fxad.grad(lambda p, q: np.sum(p) + np.sum(q), argnums=(0, 1))(x, x)
    assert not np.shares_memory(a, b)
    tied = {"u": x, "v": x}
    grads = fxad.grad(lambda p: np.sum(p["u"] + p["v"]))(tied)
    assert not np.shares_memory(grads["u"], grads["v"])


def test_read_only_arguments_are_fine():
    x = np.arange(3.0)
    x.flags.writeable = False
    for f in FUNCTIONS.values():
        for given, _ in results(f, x, x).values():
            assert all(y.flags.writeable for y in tree.leaves(given) if isinstance(y, np.ndarray))


def test_donated_arguments_may_be_handed_back():
    x = np.arange(3.0)
    out = fxad.jit(lambda x: x, donate_argnums=0)(x)
    np.testing.assert_array_equal(out, [0.0, 1.0, 2.0])
    y = np.arange(3.0)
    assert fxad.jit(lambda x: x)(y) is not y


def test_what_a_rule_of_the_users_own_holds_is_not_handed_out():
    held = np.ones(3)
    f = fxad.custom_vjp(np.sum)
    f.defvjp(lambda x: (np.sum(x), None), lambda _, ct: (held,))
    x = np.zeros(3)
    for gradient in (fxad.grad(f)(x), fxad.vjp(f, x)[1](1.0)[0]):
        assert gradient.tolist() == held.tolist()
        assert not np.shares_memory(gradient, held)


def test_gradients_that_nobody_else_holds_are_not_copied(monkeypatch):
    made = []

    def backward(*args):
        cts = nodes.backward(*args)
        made.extend(map(id, cts))  # no more than that: a reference would be a holder
        return cts

    monkeypatch.setattr(linearize, "backward", backward)
    x, y = np.ones(3), np.ones(3)
    gradients = fxad.grad(lambda p: fxad.numpy.sum(p[0] * p[1] + p[1]))([x, y])
    assert [id(g) for g in gradients] == made
