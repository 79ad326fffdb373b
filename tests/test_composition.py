"""The composition matrix: every word of up to three transformations, on a few functions.

Each letter takes a function of a pytree to one of the same pytree, so that letters spell words:
``("grad", "vmap", "jit")`` is ``grad(vmap(jit(f)))``. The reference of a word is what its first
letter means, by differences or a loop, of the function that the rest of the word spells, whose own
cell holds it; words of up to two letters are held to JAX as well, from end to end.
"""

import itertools
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import fxad
import fxad.numpy as fnp
from fxad import lax, tree

Function = Callable[[Any], Any]
SCALES = (1.0, 0.7)
WEIGHTS = (1.0, -0.5)


def fixed_like(x: Any, seed: int) -> Any:
    """A fixed pytree of numbers of the shapes and dtypes of another: a tangent or cotangent."""
    rng = np.random.default_rng(seed)
    return tree.map(lambda leaf: _fixed(rng, leaf), x)


def _fixed(rng: np.random.Generator, leaf: Any) -> Any:
    dtype = getattr(leaf, "dtype", np.dtype(np.float64))
    return np.asarray(rng.uniform(-1, 1, getattr(leaf, "shape", ())), dtype)


def total(out: Any) -> Any:
    """One number that all of an output enters, none of it alike."""
    parts = [np.sum(y * w) for y, w in zip(tree.leaves(out), weights_of(out), strict=True)]
    return sum(parts[1:], parts[0])


def weights_of(out: Any) -> list[Any]:
    return tree.leaves(fixed_like(out, 1))


def scalar(f: Function) -> Function:
    return lambda x: total(f(x))


# The letters, by fxad ----------------------------------------------------------------------------


def _vmap(f: Function) -> Function:
    def mapped(x: Any) -> Any:
        stacked = tree.map(lambda leaf: np.stack([leaf * s for s in SCALES]), x)
        outs = fxad.vmap(f)(stacked)
        return tree.map(lambda y: y[0] * WEIGHTS[0] + y[1] * WEIGHTS[1], outs)

    return mapped


def _custom_jvp(f: Function) -> Function:
    g = fxad.custom_jvp(lambda x: f(x))

    @g.defjvp
    def rule(primals: Any, tangents: Any) -> Any:
        return fxad.jvp(f, primals, tangents)

    return g


def _custom_vjp(f: Function) -> Function:
    g = fxad.custom_vjp(lambda x: f(x))
    g.defvjp(lambda x: (f(x), x), lambda x, ct: fxad.vjp(f, x)[1](ct))
    return g


def _custom_gradient(f: Function) -> Function:
    @fxad.custom_gradient
    def g(x: Any) -> Any:
        return fxad.vjp(f, x)

    return g


def _custom_vmap(f: Function) -> Function:
    g = fxad.custom_vmap(lambda x: f(x))

    @g.def_vmap
    def rule(size: int, in_batched: Any, x: Any) -> Any:
        axes = tree.map(lambda batched: 0 if batched else None, in_batched[0])
        out = fxad.vmap(f, (axes,), axis_size=size)(x)
        return out, tree.map(lambda _: True, out)

    return g


def _vjp(f: Function) -> Function:
    def pulled(x: Any) -> Any:
        out, pullback = fxad.vjp(f, x)
        return pullback(fixed_like(out, 2))[0]

    return pulled


def _scan(f: Function) -> Function:
    """Two steps of a loop, in which the first argument goes on as it is."""

    def looped(x: Any) -> Any:
        def step(carry: Any, scale: Any) -> Any:
            outs = f(tree.map(lambda leaf: leaf * scale, carry))
            return carry, outs

        _, outs = lax.scan(step, x, np.array(SCALES, leaf_dtype(x)))
        return tree.map(lambda y: y[0] * WEIGHTS[0] + y[1] * WEIGHTS[1], outs)

    return looped


def _while(f: Function) -> Function:
    """As ``_scan``, by a loop that adds up as it goes, whose number of steps depends on values."""

    def looped(x: Any) -> Any:
        scales, weights = np.array(SCALES, leaf_dtype(x)), np.array(WEIGHTS, leaf_dtype(x))

        def step(carry: Any) -> Any:
            i, total = carry
            outs = f(tree.map(lambda leaf: leaf * fnp.at(scales)[i].get(), x))
            weight = fnp.at(weights)[i].get()
            return i + 1, tree.map(lambda t, y: t + y * weight, total, outs)

        zeros = tree.map(lambda y: y * 0, f(x))
        # Two steps, whatever the sign of x is.
        first = tree.leaves(x)[0]
        count = fnp.where(np.sum(first * first) >= 0, 2, 0)
        return lax.while_loop(lambda carry: carry[0] < count, step, (0, zeros))[1]

    return looped


def _cond(f: Function) -> Function:
    """Two branches with the function's value, chosen by a value."""

    def branched(x: Any) -> Any:
        first = np.sum(tree.leaves(x)[0])
        return lax.cond(first > 0.5, f, lambda x: tree.map(lambda y: y * 1.0, f(x)), x)

    return branched


def leaf_dtype(x: Any) -> Any:
    return getattr(tree.leaves(x)[0], "dtype", np.dtype(np.float64))


LETTERS: dict[str, Callable[[Function], Function]] = {
    "grad": lambda f: fxad.grad(scalar(f)),
    "jvp": lambda f: lambda x: fxad.jvp(f, (x,), (fixed_like(x, 3),))[1],
    "vjp": _vjp,
    "linearize": lambda f: lambda x: fxad.linearize(f, x)[1](fixed_like(x, 4)),
    "hvp": lambda f: lambda x: fxad.hvp(scalar(f), x, fixed_like(x, 5)),
    "vmap": _vmap,
    "jit": fxad.jit,
    "checkpoint": fxad.checkpoint,
    "custom_jvp": _custom_jvp,
    "custom_vjp": _custom_vjp,
    "scan": _scan,
    "while": _while,
    "cond": _cond,
    "custom_gradient": _custom_gradient,
    "custom_vmap": _custom_vmap,
}


def spell(word: tuple[str, ...], f: Function) -> Function:
    for letter in reversed(word):
        f = LETTERS[letter](f)
    return f


# The letters, by differences ---------------------------------------------------------------------

STEP = 2e-3


def slope(f: Function, x: Any, v: Any) -> Any:
    """The derivative along v: central differences of sixth order."""

    def at(k: int) -> Any:
        return f(tree.map(lambda a, b: a + k * STEP * b, x, v))

    def combine(*values: Any) -> Any:
        (a, b), (c, d), (e, g) = values[:2], values[2:4], values[4:]
        return (45 * (a - b) - 9 * (c - d) + (e - g)) / (60 * STEP)

    return tree.map(combine, at(1), at(-1), at(2), at(-2), at(3), at(-3))


def _loop(f: Function, x: Any) -> Any:
    outs = [f(tree.map(lambda leaf, s=s: leaf * s, x)) for s in SCALES]
    return tree.map(lambda a, b: a * WEIGHTS[0] + b * WEIGHTS[1], *outs)


def _paired(f: Function, cts: Callable[[Any], Any]) -> Function:
    return lambda x: sum(
        np.sum(y * ct) for y, ct in zip(tree.leaves(f(x)), tree.leaves(cts(f(x))), strict=True)
    )


CUSTOM = ("custom_jvp", "custom_vjp", "custom_gradient", "custom_vmap")
TRIVIAL = ("jit", "checkpoint", "cond", *CUSTOM)
LOOPS = ("vmap", "scan", "while")

# What a letter gives beside what it is to be; gradients along one direction.
Meaning = Callable[[Function, Any, Any], tuple[Any, Any]]


def _along(pulled_of: Callable[[Function], Function]) -> Meaning:
    def meaning(f: Function, x: Any, got: Any) -> tuple[Any, Any]:
        assert [np.shape(g) for g in tree.leaves(got)] == [np.shape(p) for p in tree.leaves(x)]
        v = fixed_like(x, 7)
        return _paired(lambda _: got, lambda _: v)(x), slope(pulled_of(f), x, v)

    return meaning


MEANINGS: dict[str, Meaning] = {
    "grad": _along(scalar),
    "vjp": _along(lambda f: _paired(f, lambda out: fixed_like(out, 2))),
    "jvp": lambda f, x, got: (got, slope(f, x, fixed_like(x, 3))),
    "linearize": lambda f, x, got: (got, slope(f, x, fixed_like(x, 4))),
    "hvp": lambda f, x, got: (got, slope(fxad.grad(scalar(f)), x, fixed_like(x, 5))),
} | dict.fromkeys(TRIVIAL, lambda f, x, got: (got, f(x)))
MEANINGS |= dict.fromkeys(LOOPS, lambda f, x, got: (got, _loop(f, x)))


# The functions -----------------------------------------------------------------------------------

MATRIX = np.array([[0.5, -0.3, 0.2], [0.1, 0.4, -0.6], [0.7, 0.2, 0.3]])


def number(x: Any) -> Any:
    return np.sin(x) * x * x


def vector(x: Any) -> Any:
    return np.sum(np.tanh(MATRIX @ x) * x)


def vectors(x: Any) -> Any:
    return np.exp(x * 0.3) * x[::-1], (np.cos(x) @ MATRIX)[:2]


def network(params: Any) -> Any:
    """Two layers on a pytree, with data that they close over."""
    hidden = np.tanh(MATRIX @ params["w1"] + params["b1"])
    return {"loss": np.mean((hidden @ params["w2"] - MATRIX[:, 0]) ** 2)}


def nested(x: Any) -> Any:
    """Closures over its argument under transformations of its own."""
    slopes = fxad.vmap(fxad.grad(lambda y: np.sin(y * x[0]) * x[1]))(x)
    return np.sum(slopes * x) + fxad.jit(lambda z: z * x[2])(x[0])


def _network_params(scale: float) -> Any:
    rng = np.random.default_rng(6)
    shapes = {"w1": (3, 2), "b1": (2,), "w2": (2,)}
    return {name: scale * rng.uniform(-1, 1, shape) for name, shape in shapes.items()}


FUNCTIONS: dict[str, tuple[Function, tuple[Any, Any]]] = {
    "number": (number, (0.8, 1.3)),
    "vector": (vector, (np.array([0.4, -0.8, 1.1]), np.array([1.0, 0.2, -0.3]))),
    "vectors": (vectors, (np.array([0.4, -0.8, 1.1]), np.array([1.0, 0.2, -0.3]))),
    "network": (network, (_network_params(0.9), _network_params(-0.4))),
    "nested": (nested, (np.array([0.4, -0.8, 1.1]), np.array([1.0, 0.2, -0.3]))),
}


def words(length: int) -> list[tuple[str, ...]]:
    return list(itertools.product(LETTERS, repeat=length))


def assert_close(got: Any, wanted: Any, tol: float, what: str) -> None:
    assert tree.structure(got) == tree.structure(wanted), what
    for x, y in zip(tree.leaves(got), tree.leaves(wanted), strict=True):
        assert np.shape(x) == np.shape(y), what
        scale = 1 + np.max(np.abs(y), initial=0)
        np.testing.assert_allclose(x, y, rtol=tol, atol=tol * scale, err_msg=what)


@pytest.mark.parametrize("word", words(1) + words(2) + words(3), ids=" ".join)
def test_word(word):
    """With jit at two points, so that nothing of the first is baked into the second."""
    for name, (f, points) in FUNCTIONS.items():
        spelled, rest = spell(word, f), spell(word[1:], f)
        for x in points if "jit" in word else points[:1]:
            before = tree.map(np.copy, x)
            assert_close(*MEANINGS[word[0]](rest, x, spelled(x)), 1e-8, name)
            assert_close(x, before, 0.0, name)


@pytest.mark.parametrize("word", words(1) + words(2), ids=" ".join)
def test_words_keep_single_precision(word):
    """float32 parameters give float32 everywhere, near the numbers of double precision."""
    data = MATRIX.astype(np.float32)

    def f(params: Any) -> Any:
        hidden = np.tanh(data @ params["w1"] + params["b1"])
        return np.mean((hidden @ params["w2"] - data[:, 0]) ** 2)

    wide = _network_params(0.9)
    narrow = tree.map(lambda p: p.astype(np.float32), wide)
    got = spell(word, f)(narrow)
    for leaf in tree.leaves(got):
        assert np.asarray(leaf).dtype == np.float32
    assert_close(got, spell(word, lambda p: network(p)["loss"])(wide), 1e-4, "network")


# From end to end, by JAX -------------------------------------------------------------------------


def jax_letters(jax: Any) -> dict[str, Callable[[Function], Function]]:
    np_of_jax = jax.numpy

    def jtotal(out: Any) -> Any:
        leaves = jax.tree.leaves(out)
        return sum(np_of_jax.sum(y * w) for y, w in zip(leaves, weights_of(out), strict=True))

    def jscalar(f: Function) -> Function:
        return lambda x: jtotal(f(x))

    def jvmap(f: Function) -> Function:
        def mapped(x: Any) -> Any:
            stacked = jax.tree.map(lambda leaf: np_of_jax.stack([leaf * s for s in SCALES]), x)
            outs = jax.vmap(f)(stacked)
            return jax.tree.map(lambda y: y[0] * WEIGHTS[0] + y[1] * WEIGHTS[1], outs)

        return mapped

    def jvjp(f: Function) -> Function:
        def pulled(x: Any) -> Any:
            out, pullback = jax.vjp(f, x)
            return pullback(fixed_like(out, 2))[0]

        return pulled

    def jhvp(f: Function) -> Function:
        return lambda x: jax.jvp(jax.grad(jscalar(f)), (x,), (fixed_like(x, 5),))[1]

    return {
        "grad": lambda f: jax.grad(jscalar(f)),
        "jvp": lambda f: lambda x: jax.jvp(f, (x,), (fixed_like(x, 3),))[1],
        "vjp": jvjp,
        "linearize": lambda f: lambda x: jax.linearize(f, x)[1](fixed_like(x, 4)),
        "hvp": jhvp,
        **dict.fromkeys(LOOPS, jvmap),
        # What has the function's own value and derivatives.
        **dict.fromkeys(TRIVIAL, lambda f: f),
    }


def jax_functions(jax: Any) -> dict[str, Function]:
    jnp = jax.numpy

    def jnetwork(params: Any) -> Any:
        hidden = jnp.tanh(MATRIX @ params["w1"] + params["b1"])
        return {"loss": jnp.mean((hidden @ params["w2"] - MATRIX[:, 0]) ** 2)}

    def jnested(x: Any) -> Any:
        slopes = jax.vmap(jax.grad(lambda y: jnp.sin(y * x[0]) * x[1]))(x)
        return jnp.sum(slopes * x) + x[0] * x[2]

    return {
        "number": lambda x: jnp.sin(x) * x * x,
        "vector": lambda x: jnp.sum(jnp.tanh(MATRIX @ x) * x),
        "vectors": lambda x: (jnp.exp(x * 0.3) * x[::-1], (jnp.cos(x) @ MATRIX)[:2]),
        "network": jnetwork,
        "nested": jnested,
    }


@pytest.fixture(scope="module")
def jax() -> Any:
    return pytest.importorskip("jax")


@pytest.mark.parametrize("name", FUNCTIONS)
def test_words_against_jax(name, jax):
    """Words of two letters; in JAX those with no effect on values are left out."""
    f, (x, _) = FUNCTIONS[name]
    letters, g = jax_letters(jax), jax_functions(jax)[name]
    expected: dict[tuple[str, ...], Any] = {}
    for word in words(1) + words(2):
        essence = tuple(letter for letter in word if letter not in TRIVIAL)
        if essence not in expected:
            h = g
            for letter in reversed(essence):
                h = letters[letter](h)
            expected[essence] = tree.map(np.asarray, jax.jit(h)(x))
        assert_close(spell(word, f)(x), expected[essence], 1e-11, f"{word} of {name}")
