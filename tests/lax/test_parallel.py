"""Collectives under ``vmap`` against JAX's."""

from typing import Any

import numpy as np
import pytest

import fxad
from fxad import lax
from fxad.errors import ArgumentValueError, AxisNameError, ShapeError
from tests.lax.parity import assert_same, directions, needs_jax

try:
    import jax
except ImportError:
    jax = None

X = np.random.default_rng(5).normal(size=(4, 4, 2))
CASES: dict[str, Any] = {
    "psum": lambda m, x: m.lax.psum(x, "i"),
    "psum of a number": lambda m, x: x / m.lax.psum(1, "i"),
    "psum of a tree": lambda m, x: m.lax.psum({"a": x, "b": (x[0],)}, "i"),
    "pmean": lambda m, x: m.lax.pmean(x, "i"),
    "pmax": lambda m, x: m.lax.pmax(x, "i"),
    "pmin": lambda m, x: m.lax.pmin(x, "i"),
    "axis_index": lambda m, x: x * m.lax.axis_index("i"),
    "axis_size": lambda m, x: x * m.lax.axis_size("i"),
    "all_gather": lambda m, x: m.lax.all_gather(x, "i"),
    "all_gather along": lambda m, x: m.lax.all_gather(x, "i", axis=1),
    "all_gather tiled": lambda m, x: m.lax.all_gather(x, "i", axis=1, tiled=True),
    "psum_scatter": lambda m, x: m.lax.psum_scatter(x, "i"),
    "psum_scatter tiled": lambda m, x: m.lax.psum_scatter(x, "i", tiled=True),
    "ppermute": lambda m, x: m.lax.ppermute(x, "i", [(0, 1), (1, 3), (3, 0), (2, 2)]),
    "pshuffle": lambda m, x: m.lax.pshuffle(x, "i", [2, 0, 3, 1]),
    "softmax": lambda m, x: m.lax.psum(x * x, "i") / (1 + m.lax.pmean(x, "i") ** 2) * x,
}


@needs_jax
@pytest.mark.parametrize("case", CASES)
def test_collective(case):
    """Values, and derivatives through the batch, are JAX's."""
    fun = CASES[case]
    ours = fxad.vmap(lambda x: fun(fxad, x), axis_name="i")
    theirs = jax.vmap(lambda x: fun(jax, x), axis_name="i")
    assert_same(ours(X), theirs(X))
    assert_same(fxad.jit(ours)(X), theirs(X))
    if case in ("pmax", "pmin"):
        return  # JAX has no derivative
    out, pull = fxad.vjp(ours, X)
    ct = fxad.tree.map(directions, out)
    jax_out, jax_pull = jax.vjp(theirs, X)
    jax_ct = jax.tree.unflatten(jax.tree.structure(jax_out), fxad.tree.leaves(ct))
    assert_same(pull(ct), jax_pull(jax_ct))
    assert_same(fxad.jvp(ours, (X,), (X[::-1],))[1], jax.jvp(theirs, (X,), (X[::-1],))[1])


@needs_jax
@pytest.mark.parametrize("case", ["psum", "pmax", "all_gather", "psum_scatter", "ppermute"])
def test_collective_within_another_batch(case):
    fun, x = CASES[case], np.stack([X, 2 * X[::-1]])
    for outer in (0, 2):
        moved = np.moveaxis(x, 0, outer)
        ours = fxad.vmap(fxad.vmap(lambda v: fun(fxad, v), axis_name="i"), outer)
        theirs = jax.vmap(jax.vmap(lambda v: fun(jax, v), axis_name="i"), outer)
        assert_same(ours(moved), theirs(moved))


@needs_jax
def test_several_axes():
    def fun(m: Any, x: Any) -> Any:
        both = ("i", "j")
        place = m.lax.axis_index(both)
        return m.lax.psum(x * place, both), m.lax.pmax(x, both), m.lax.axis_size(both) * x

    ours = fxad.vmap(fxad.vmap(lambda x: fun(fxad, x), axis_name="j"), axis_name="i")
    theirs = jax.vmap(jax.vmap(lambda x: fun(jax, x), axis_name="j"), axis_name="i")
    assert_same(ours(X), theirs(X))


def test_parts_of_a_sum_over_several_axes(rng):
    x = rng.normal(size=(2, 3, 5, 12))
    for tiled, shape in ((False, (6,)), (True, (12,))):

        def part(v: Any, tiled: bool = tiled, shape: tuple[int, ...] = shape) -> Any:
            return lax.psum_scatter(
                v[..., : shape[0]], ("i", "j"), scatter_dimension=1, tiled=tiled
            )

        got = fxad.vmap(fxad.vmap(part, axis_name="j"), axis_name="i")(x)
        total = x.sum((0, 1))[:, : shape[0]].reshape(5, 2, 3, -1).transpose(1, 2, 0, 3)
        np.testing.assert_allclose(got, total if tiled else total[..., 0], rtol=1e-12)


def test_the_derivative_of_one_example():
    """Within the batch, where an example is all that the function knows."""

    def share(x):
        return x / lax.psum(x, "i")

    slopes = fxad.vmap(fxad.grad(share), axis_name="i")(np.array([1.0, 3.0]))
    assert slopes.shape == (2,)


def test_no_axis_of_that_name():
    for name in ("psum", "pmean", "pmax", "pmin", "all_gather", "psum_scatter"):
        with pytest.raises(AxisNameError, match=rf"(?s)\[{name}\].*'k'.*axis_name='k'"):
            fxad.vmap(lambda x, name=name: getattr(lax, name)(x, "k"), axis_name="i")(X)
    for name in ("axis_index", "axis_size"):
        with pytest.raises(AxisNameError, match=rf"\[{name}\] got the unbound axis name 'k'"):
            getattr(lax, name)("k")


def test_bad_permutations():
    for perm in ([(0, 9)], [(0, 1), (2, 1)]):
        with pytest.raises(ArgumentValueError, match=r"\[ppermute\] got perm="):
            fxad.vmap(lambda x, p=perm: lax.ppermute(x, "i", p), axis_name="i")(X)
    with pytest.raises(ArgumentValueError, match="perm="):
        fxad.vmap(lambda x: lax.pshuffle(x, "i", [0, 0, 1, 2]), axis_name="i")(X)
    with pytest.raises(ArgumentValueError, match=r"\[ppermute\] got axis_name=\('i', 'j'\)"):
        lax.ppermute(X, ("i", "j"), [(0, 1)])


def test_parts_that_do_not_come_out_even():
    for tiled in (False, True):
        with pytest.raises(ShapeError, match=r"\[psum_scatter\] got \(4, 2\) .* 4 examples"):
            fxad.vmap(
                lambda x, t=tiled: lax.psum_scatter(x, "i", scatter_dimension=1, tiled=t),
                axis_name="i",
            )(X)


def test_the_extremum_shares_its_derivative():
    gradient = fxad.grad(lambda x: np.sum(fxad.vmap(lambda v: lax.pmax(v, "i"), axis_name="i")(x)))
    assert gradient(np.array([1.0, 3.0, 3.0])).tolist() == [0.0, 1.5, 1.5]


def test_examples_that_nothing_is_sent_to():
    shift = fxad.vmap(lambda v: lax.ppermute(v, "i", [(0, 1), (1, 2)]), axis_name="i")
    assert shift(np.array([np.nan, 2.0, 3.0])).tolist()[::2] == [0.0, 2.0]
