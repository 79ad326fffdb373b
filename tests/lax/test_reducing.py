"""Reductions, running ones, and order against JAX's."""

from functools import partial

import numpy as np
import pytest

import fxad
from fxad import lax, tree
from fxad.errors import ArgumentValueError, DtypeError
from fxad.test_util import check_grads
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


# Reductions by a function of the user's own -------------------------------------------------------


def after(f, g):
    """The affine map ``x -> a x + b`` followed by another: associative, and the order matters."""
    (a, b), (c, d) = f, g
    return a * c, b * c + d


def best(x, y):
    """The greater key and its value; the first of equal ones."""
    first = x["key"] >= y["key"]
    return {name: lax.select(first, x[name], y[name]) for name in ("key", "value")}


def log_add(x, y, m=lax):
    greater = m.max(x, y)
    return greater + m.log(m.exp(x - greater) + m.exp(y - greater))


SHAPES = [((7,), (0,)), ((4, 3), (1,)), ((3, 4, 5), (2, 0)), ((3, 4, 5), (0, 1, 2)), ((1, 2), ())]
several = pytest.mark.parametrize(("shape", "axes"), SHAPES, ids=str)


@several
def test_reduce_by_a_function_in_order(shape, axes, rng):
    a, b = rng.uniform(0.5, 1.5, (2, *shape))
    kept = [d for d in range(len(shape)) if d not in axes]
    order = [*kept, *sorted(axes)]
    left = [shape[d] for d in kept]
    rows = (np.transpose(x, order).reshape(*left, -1) for x in (a, b))
    wanted = np.ones(left), np.zeros(left)
    for c, d in zip(*(np.moveaxis(x, -1, 0) for x in rows), strict=True):
        wanted = after(wanted, (c, d))
    got = lax.reduce((a, b), (1.0, 0.0), after, axes)
    for x, y in zip(got, wanted, strict=True):
        np.testing.assert_allclose(x, y, rtol=1e-13)


@needs_jax
@several
def test_reduce_by_a_function_as_jax(shape, axes, rng):
    a, b = rng.uniform(0.5, 1.5, (2, *shape))
    # JAX's derivatives reorder.
    check(lambda m: lambda a, b: m.reduce((a, b), (1.0, 0.0), after, axes), a, b, derivatives=False)
    check(lambda m: lambda x: m.reduce(x, -np.inf, partial(log_add, m=m), axes), a)
    check(lambda m: lambda x: m.reduce(x, 1.0, lambda x, y: x * y + 0.0, axes), a)


@needs_jax
@pytest.mark.parametrize("name", ["add", "mul", "max", "min"])
def test_reduce_by_an_operation(name, rng):
    x = rng.permutation(24).reshape(2, 3, 4) / 7 - 1
    init = {"add": 0.0, "mul": 1.0, "max": -np.inf, "min": np.inf}[name]
    for axes in ((0,), (2, 1), ()):
        check(lambda m, a=axes: lambda x: m.reduce(x, init, getattr(m, name), a), x, rtol=1e-9)
    # JAX's derivatives leave other initial values out.
    for axes in ((0,), (2, 1)):
        by = lambda m, a=axes: lambda x, i: m.reduce(x, i, getattr(m, name), a)  # noqa: E731
        check(by, x, np.float64(0.7), derivatives=False)
        check(by, (9 * x).astype(np.int8), np.int8(3))


@pytest.mark.parametrize(
    ("function", "init", "reduction"),
    [
        (lambda x, y: y + x, 0, "reduce_sum"),
        (np.multiply, 1.0, "reduce_prod"),
        (lax.max, -np.inf, "reduce_max"),
        (np.minimum, np.inf, "reduce_min"),
        (lambda x, y: x - y, 0, None),
        (lambda x, y: x + x, 0, None),
    ],
)
def test_reductions_are_recognised(function, init, reduction):
    staged = fxad.make_jaxpr(lambda x: lax.reduce(x, init, function, (0,)))(np.ones(5))
    names = [str(eqn.primitive) for eqn in staged.eqns]
    assert names == [reduction] if reduction else not any(n.startswith("reduce") for n in names)


def test_reduce_of_bits():
    masks = np.array([[True, False], [True, True]])
    for function, init, ufunc in (
        (lax.bitwise_and, -1, np.bitwise_and),
        (lax.bitwise_or, 0, np.bitwise_or),
        (lax.bitwise_xor, 0, np.bitwise_xor),
    ):
        out = lax.reduce(INTEGERS, init, function, (1,))
        np.testing.assert_array_equal(out, ufunc.reduce(INTEGERS, 1), strict=True)
        out = lax.reduce(masks, bool(init), function, (0,))
        np.testing.assert_array_equal(out, ufunc.reduce(masks, 0), strict=True)
    out = lax.reduce(masks, True, np.logical_and, (0,))
    np.testing.assert_array_equal(out, masks.all(0), strict=True)


def test_reduce_a_tree_of_operations():
    """Each leaf by its own operation, as JAX's test of pytrees."""
    operands = {"x": [np.ones(5), np.arange(5)]}
    out = lax.reduce(operands, {"x": [0.0, 0]}, lambda x, y: tree.map(lax.add, x, y), [0])
    assert out == {"x": [5.0, 10]}
    assert out["x"][1].dtype == np.int64


def test_reduce_keeps_the_first_of_equal_ones():
    keys = np.array([[1, 5, 5, 2], [7, 7, 7, 7]], np.int32)
    operands = {"key": keys, "value": np.arange(8).reshape(2, 4)}
    init = {"key": np.int32(-100), "value": -1}
    out = lax.reduce(operands, init, best, (1,))
    np.testing.assert_array_equal(out["key"], np.array([5, 7], np.int32), strict=True)
    np.testing.assert_array_equal(out["value"], [1, 4], strict=True)


def test_reduce_nothing():
    """What is left of no elements is the initial value."""
    out = lax.reduce(np.ones((2, 0), np.float32), 3, log_add, (1,))
    np.testing.assert_array_equal(out, np.full(2, 3, np.float32), strict=True)
    assert lax.reduce(np.ones((2, 0)), 3.0, log_add, (0,)).shape == (0,)
    assert fxad.grad(lambda i: lax.reduce(np.ones((2, 0)), i, lax.add, (0, 1)))(2.0) == 1


def test_reduce_derivatives(rng):
    """To second order, by operands, initial values and what the function closes over."""

    def f(x, init, w):
        return lax.reduce(x, init, lambda a, b: lax.sin(w) * a * b + a + b, (0, 1))

    check_grads(f, (rng.uniform(0.2, 0.6, (3, 2)), 0.3, 0.4), 2)
    check_grads(lambda x: lax.reduce(x, -np.inf, log_add, (0,)), (rng.normal(size=(5, 2)),), 2)


def test_reduce_composes(rng):
    x = rng.uniform(0.5, 1.5, (4, 5, 3))

    def f(x):
        return lax.reduce(x, -np.inf, log_add, (0,))

    wanted = np.logaddexp.reduce(x, axis=1)
    np.testing.assert_allclose(fxad.jit(fxad.vmap(f))(x), wanted, rtol=1e-13)
    slopes = fxad.vmap(fxad.jit(fxad.jacobian(f)))(x)
    weights = np.exp(x - wanted[:, None])
    np.testing.assert_allclose(slopes, np.einsum("bij,jk->bjik", weights, np.eye(3)), atol=1e-13)
    assert fxad.grad(lambda x: f(x).sum())(x[0].astype(np.float32)).dtype == np.float32


def test_reduce_refuses_what_does_not_fit():
    x = np.ones(3, np.float32)
    for call, kind, message in (
        (lambda: lax.reduce(x, 0.0, 3, (0,)), TypeError, r"\[reduce\] got int64\[\], wanted a fu"),
        (lambda: lax.reduce((), (), lax.add, (0,)), ValueError, "got no operand"),
        (lambda: lax.reduce(x, (0.0,), lax.add, (0,)), ValueError, "initial values of another"),
        (lambda: lax.reduce(x, x, lax.add, (0,)), TypeError, r"shape \(3,\) at init_values, wan"),
        (lambda: lax.reduce(x, 1j, lax.add, (0,)), TypeError, "operand of float32, wanted one"),
        (lambda: lax.reduce(x, np.float64(0), lax.add, (0,)), TypeError, "initial value float64"),
        (lambda: lax.reduce(x, 0.0, lax.lt, (0,)), TypeError, "computation that makes bool"),
        (lambda: lax.reduce(x, 0.0, lambda a, b: (a, b), (0,)), ValueError, "of another structure"),
        (lambda: lax.reduce(x, 0.0, lambda a, b: None, (0,)), ValueError, "of another structure"),
        (lambda: lax.reduce(x, 0.0, lambda a, b: x, (0,)), TypeError, r"makes float32\[3\] of two"),
        (lambda: lax.reduce(x, 0.0, lax.add, (1,)), ValueError, "got axis 1"),
        (
            lambda: lax.reduce((x, np.ones(2)), (0, 0), after, (0,)),
            ValueError,
            r"\(3,\) and, at operands\[1\], \(2,\)",
        ),
    ):
        with pytest.raises(kind, match=message):
            call()


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
