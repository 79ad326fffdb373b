"""``map`` against loops, ``vmap`` and JAX."""

import numpy as np
import pytest

import fxad
from fxad import lax
from fxad.test_util import check_grads
from tests.lax.parity import check, needs_jax

SIZES = [None, 0, 1, 3, 4, 7, 8, 20]
each_size = pytest.mark.parametrize("size", SIZES)


@each_size
def test_elements_one_by_one_or_in_batches(size, rng):
    x = rng.normal(size=(8, 3))
    out = lax.map(lambda row: {"sum": row.sum(), "row": row * 2}, x, batch_size=size)
    np.testing.assert_allclose(out["sum"], x.sum(1), rtol=1e-13)
    np.testing.assert_array_equal(out["row"], x * 2, strict=True)


@each_size
def test_trees_and_dtypes(size):
    inputs = {"a": np.arange(7), "b": np.ones((7, 2), np.float32)}
    out = lax.map(lambda x: (x["a"] ** 2, x["b"]), inputs, batch_size=size)
    np.testing.assert_array_equal(out[0], np.arange(7) ** 2, strict=True)
    np.testing.assert_array_equal(out[1], inputs["b"], strict=True)


@pytest.mark.parametrize("size", [None, 0, 2])
def test_nothing(size):
    out = lax.map(lambda x: (x * x, x > 0), np.ones((0, 2), np.float32), batch_size=size)
    assert [(y.shape, y.dtype) for y in out] == [((0, 2), np.float32), ((0, 2), np.bool_)]


@pytest.mark.parametrize(("size", "shapes"), [(None, [(3, 4)]), (3, [(3, 4)] * 2)])
def test_a_function_is_traced_once_for_each_size_of_a_batch(size, shapes):
    seen = []

    def f(x):
        seen.append(x.shape)
        return x + 1

    out = fxad.jit(lambda x: lax.map(f, x, batch_size=size))(np.ones((10, 3, 4)))
    assert out.shape == (10, 3, 4)
    assert seen == shapes


@needs_jax
@each_size
def test_as_jax(size, rng):
    x, y = rng.normal(size=(2, 8, 3))
    check(
        lambda m: lambda x, y: m.map(
            lambda p: (m.sin(p[0]) * p[1], m.exp(p[1]).sum()), (x, y), batch_size=size
        ),
        x,
        y,
    )


@each_size
def test_derivatives(size, rng):
    """By what is mapped over, and by what the function closes over."""
    x = rng.normal(size=(5, 2))
    check_grads(
        lambda x, w: lax.map(lambda row: lax.sin(row * w).sum() ** 2, x, batch_size=size),
        (x, 0.7),
        2,
    )


@each_size
def test_composes(size, rng):
    x = rng.normal(size=(4, 5))

    def f(x):
        return lax.map(lambda a: lax.cond(a > 0, lax.sin, lax.cos, a), x, batch_size=size)

    wanted = np.where(x > 0, np.sin(x), np.cos(x))
    for g in (fxad.vmap(f), fxad.jit(fxad.vmap(f)), fxad.vmap(fxad.jit(f))):
        np.testing.assert_allclose(g(x), wanted, rtol=1e-13)
    np.testing.assert_allclose(lax.map(f, x, batch_size=size), wanted, rtol=1e-13)
    slopes = np.where(x > 0, np.cos(x), -np.sin(x))
    np.testing.assert_allclose(fxad.grad(lambda x: fxad.vmap(f)(x).sum())(x), slopes, rtol=1e-13)
    np.testing.assert_allclose(fxad.vmap(fxad.jacfwd(f))(x).sum(1), slopes, rtol=1e-13)


def test_what_does_not_fit_is_refused():
    x = np.ones((4, 2))
    for call, kind, message in (
        (lambda: lax.map(3, x), TypeError, r"\[map\] got int64\[\], wanted a function"),
        (lambda: lax.map(np.sin, ()), ValueError, r"\[map\] got xs without an array"),
        (lambda: lax.map(np.sin, 3.0), ValueError, r"\[map\] got xs float64\[\], wanted arrays wi"),
        (lambda: lax.map(np.sin, "abc"), TypeError, r"\[map\] got str"),
        (
            lambda: lax.map(lambda p: p["a"], {"a": x, "b": np.ones(3)}),
            ValueError,
            r"different lengths along the first axis: xs\['a'\] has 4, xs\['b'\] has 3",
        ),
        (lambda: lax.map(np.sin, x, batch_size=-1), ValueError, "got batch_size=-1, wanted"),
        (lambda: lax.map(np.sin, x, batch_size=1.5), TypeError, r"batch_size=float64\[\], wanted"),
        (lambda: lax.map(lambda row: "a", x), TypeError, "an output of type str"),
        (lambda: lax.map(lambda row: "a", x, batch_size=2), TypeError, "an output of type str"),
    ):
        with pytest.raises(kind, match=message):
            call()
