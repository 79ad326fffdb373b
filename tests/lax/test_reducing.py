"""Reductions, running ones, and order against JAX's."""

import numpy as np
import pytest

import fxad
from fxad import lax
from fxad.errors import ArgumentValueError, DtypeError
from tests.lax.parity import check, needs_jax

M = np.random.default_rng(1).permutation(24).reshape(2, 3, 4) / 7 - 1
INTEGERS = np.array([[6, 3, -1, 77], [12, 5, 8, 100], [7, 7, 1, -128]])
TRUTH = np.array([[True, False, True], [True, True, True]])


@needs_jax
@pytest.mark.parametrize("name", ["reduce_sum", "reduce_prod", "reduce_max", "reduce_min"])
def test_reduction(name):
    for axes in ((0,), (2, 0), (0, 1, 2), ()):
        check(name, M, axes=axes, rtol=1e-9)
    check(name, INTEGERS.astype(np.int8), axes=(0,))
    check(name, M.astype(np.float32), axes=(1,), derivatives=False)


@needs_jax
@pytest.mark.parametrize("dtype", [np.float32, np.int8, np.uint8, np.int64])
def test_reductions_of_nothing(dtype):
    x = np.zeros((2, 0, 3), dtype)
    for name in ("reduce_sum", "reduce_prod", "reduce_max", "reduce_min"):
        check(name, x, axes=(1,), derivatives=False)
    if dtype is not np.float32:
        for name in ("reduce_and", "reduce_or", "reduce_xor"):
            check(name, x, axes=(1, 2))


@needs_jax
@pytest.mark.parametrize("name", ["reduce_and", "reduce_or", "reduce_xor"])
def test_reduction_bit_by_bit(name):
    for dtype in (np.int8, np.int64, np.uint8):
        x = INTEGERS.astype(dtype)
        for axes in ((0,), (1,), (0, 1), ()):
            check(name, x, axes=axes)
    for axes in ((0,), (1, 0)):
        check(name, TRUTH, axes=axes)


@pytest.mark.parametrize(
    ("name", "ufunc"),
    [
        ("reduce_and", np.bitwise_and),
        ("reduce_or", np.bitwise_or),
        ("reduce_xor", np.bitwise_xor),
    ],
)
def test_bits_of_all_elements(name, ufunc, rng):
    x = rng.integers(-1000, 1000, (7, 5))
    out = getattr(lax, name)(x, (0,))
    assert out.tolist() == ufunc.reduce(x, axis=0).tolist()


@needs_jax
@pytest.mark.parametrize("name", ["argmax", "argmin"])
def test_places_of_extrema(name):
    for axis in (0, 2):
        check(name, M, axis=axis, index_dtype=np.int32)
    check(name, np.array([1.0, np.nan, 3.0, 3.0, -2.0, -2.0]), axis=0, index_dtype=np.int64)


@needs_jax
@pytest.mark.parametrize("name", ["cumsum", "cumprod", "cummax", "cummin", "cumlogsumexp"])
def test_running_reduction(name):
    for axis, reverse in ((0, False), (2, True), (1, False)):
        check(name, M, axis=axis, reverse=reverse, rtol=1e-9)
    if name != "cumlogsumexp":
        check(name, INTEGERS.astype(np.int8), axis=1)
    check(name, M.astype(np.float32), axis=1, derivatives=False)


@needs_jax
def test_sort():
    check("sort", M)
    check("sort", M, dimension=1, is_stable=False)
    check("sort", np.array([np.nan, 1.0, -np.inf, 0.0, -0.0, np.inf]), derivatives=False)
    check("sort", (np.round(M) + 1j * M))


@needs_jax
def test_sort_together():
    coarse, fine = np.round(M), np.round(3 * M)
    check(lambda m: lambda *xs: m.sort(xs, dimension=2), coarse, M)
    check(lambda m: lambda *xs: m.sort(xs, dimension=2, num_keys=2), coarse, fine, M)
    check(lambda m: lambda x: m.sort((x,)), M)
    check("sort_key_val", coarse, M, dimension=1)


@needs_jax
def test_top_k():
    check("top_k", M, k=2, derivatives=False)
    check("top_k", M, k=2, axis=1, derivatives=False)
    check(lambda m: lambda x: m.top_k(x, 3)[0], M)
    check("top_k", np.array([1.0, np.nan, 3.0, 3.0, -2.0]), k=4, derivatives=False)


def test_bad_reductions():
    for name in ("reduce_and", "reduce_xor"):
        with pytest.raises(DtypeError, match=rf"\[{name}\] got float64, wanted integers"):
            getattr(lax, name)(M, (0,))
    with pytest.raises(ArgumentValueError, match=r"\[reduce_sum\] got the axes \(0, 0\)"):
        lax.reduce_sum(M, (0, 0))
    with pytest.raises(ArgumentValueError, match=r"\[cumsum\] got axis 3"):
        lax.cumsum(M, 3)
    with pytest.raises(ArgumentValueError, match=r"\[top_k\] got k=9"):
        lax.top_k(M, 9)


def test_places_are_integers():
    for find in (lax.argmax, lax.argmin):
        assert find(np.array([2.0, 3.0]), 0, np.uint8).dtype == np.uint8
        for dtype in (np.float32, bool, complex):
            with pytest.raises(DtypeError, match=r"got index_dtype .*, wanted an integer dtype"):
                find(np.array([2.0, 3.0]), 0, dtype)


@pytest.mark.parametrize("name", ["reduce_sum", "reduce_prod", "reduce_max", "reduce_min"])
def test_a_number_reduced_over_no_axes(name):
    """Python numbers, traced or not, become NumPy's; the derivative is that of the identity."""

    def f(x):
        return getattr(lax, name)(x, ()) * x

    assert getattr(lax, name)(3.0, ()).dtype == np.float64
    for second in (fxad.hessian(f), fxad.jit(fxad.hessian(f)), fxad.grad(fxad.grad(f))):
        assert second(3.0) == 2


def test_top_k_keeps_equal_elements_in_their_order():
    x = np.array([1.0, 3.0, 3.0, 2.0, 3.0])
    for stable in (True, False):
        assert lax.top_k(x, 4, is_stable=stable)[1].tolist() == [1, 2, 4, 3]
