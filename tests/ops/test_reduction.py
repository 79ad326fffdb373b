"""Reductions and running ones: NumPy's values and dtypes, right derivatives at the edges too."""

import functools
import warnings

import numpy as np
import pytest

import fxad.ops.cumulative as cumulative
import fxad.ops.exponential as exponential
import fxad.ops.reduction as reduction
from fxad.errors import ArgumentValueError, DtypeError, ShapeError
from fxad.ops.base import reduce_sum
from fxad.ops.elementwise import mul
from fxad.ops.trigonometry import sin
from fxad.transforms.jvp import jvp
from fxad.transforms.linearize import grad, vjp
from tests.ops.checks import assert_same, check_abstract, check_op, check_value, check_vmap

DTYPES = "?bBhHiIlLefdFD"
SHAPES = [(), (1,), (4,), (0,), (3, 4), (0, 3), (3, 0), (2, 3, 4)]
REDUCTIONS = {
    "sum_": np.sum,
    "prod": np.prod,
    "amax": np.max,
    "amin": np.min,
    "any_": np.any,
    "all_": np.all,
    "mean": np.mean,
    "var": np.var,
    "std": np.std,
    "ptp": np.ptp,
    "count_nonzero": np.count_nonzero,
    "argmax": np.argmax,
    "argmin": np.argmin,
}
MOMENTS = ("mean", "var", "std")
RUNNING = {
    "cumsum": np.cumsum,
    "cumprod": np.cumprod,
    "cummax": np.maximum.accumulate,
    "cummin": np.minimum.accumulate,
    "cumlogsumexp": np.logaddexp.accumulate,
}


def sample(rng: np.random.Generator, shape: tuple[int, ...], dtype: str) -> np.ndarray:
    x = rng.normal(size=shape) * 2
    if dtype in "FD":
        x = x + 1j * rng.normal(size=shape)
    if dtype in "BHIL":
        x = np.abs(x)
    return np.asarray(x).astype(dtype)


def axes_of(shape: tuple[int, ...]) -> list[object]:
    """None, every axis from both ends, and tuples of them."""
    n = len(shape)
    single = [*range(-n, n)] if n else [0, -1]
    return [None, (), *single, *([(0, n - 1)] if n > 1 else []), *([(-1, 1, 0)] if n > 2 else [])]


def reference_or_error(fun, *args, **kwargs):
    """NumPy's result without its warnings; None where NumPy refuses."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", RuntimeWarning)
        try:
            return fun(*args, **kwargs)
        except (ValueError, TypeError):
            return None


@pytest.mark.parametrize("name", REDUCTIONS)
@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.filterwarnings("ignore::RuntimeWarning")
def test_values_and_dtypes_are_numpys(name, dtype, rng):
    fun, reference = getattr(reduction, name), REDUCTIONS[name]
    for shape in SHAPES:
        x = sample(rng, shape, dtype)
        for axis in axes_of(shape):
            if name in ("argmax", "argmin") and isinstance(axis, tuple):
                continue
            if name == "ptp" and axis == ():  # NumPy subtracts views of one another
                continue
            for keepdims in (False, True):
                if name in MOMENTS and not shape and axis is not None:
                    continue  # NumPy refuses
                wanted = reference_or_error(reference, x, axis=axis, keepdims=keepdims)
                call = functools.partial(fun, axis=axis, keepdims=keepdims)
                if wanted is None:
                    with pytest.raises((ArgumentValueError, DtypeError)):
                        call(x)
                    continue
                assert_same(call(x), wanted)
                if not keepdims:
                    check_abstract(call, [x])


@pytest.mark.parametrize("name", RUNNING)
@pytest.mark.parametrize("dtype", DTYPES)
def test_running_values_are_numpys(name, dtype, rng):
    fun, reference = getattr(cumulative, name), RUNNING[name]
    if name == "cumlogsumexp" and dtype in "FD":
        with pytest.raises(DtypeError, match=r"\[cumlogsumexp\] got complex"):
            fun(np.ones(2, dtype))
        return
    for shape in SHAPES[1:]:
        x = sample(rng, shape, dtype)
        for axis in range(-len(shape), len(shape)):
            given = x.astype(np.float64) if name == "cumlogsumexp" and dtype not in "efd" else x
            wanted = reference(given, axis=axis)
            assert_same(fun(x, axis), wanted)
            back = functools.partial(fun, axis=axis, reverse=True)
            assert_same(back(x), np.flip(reference(np.flip(given, axis), axis=axis), axis))
            check_abstract(back, [x])
    for shape in [(), (2, 3)]:
        x = sample(rng, shape, "d")
        assert_same(fun(x), reference(x.ravel()))


@pytest.mark.parametrize("name", ["sum_", "prod", "cumsum", "cumprod"])
def test_dtype_argument(name, rng):
    fun = getattr(reduction, name, None) or getattr(cumulative, name)
    reference = {**REDUCTIONS, **RUNNING}[name]
    x = sample(rng, (3, 4), "i")
    for dtype in (np.int8, np.float32, np.complex64):
        assert_same(fun(x, axis=1, dtype=dtype), reference(x, 1, dtype))


@pytest.mark.parametrize("name", ["sum_", "prod", "amax", "amin"])
@pytest.mark.parametrize("dtype", "bfdD")
def test_initial_and_where(name, dtype, rng):
    fun, reference = getattr(reduction, name), REDUCTIONS[name]
    x = sample(rng, (3, 4), dtype)
    mask = rng.random((3, 4)) < 0.6
    for where in (True, mask, mask[0], mask[:, :1]):
        for axis in (None, 0, (0, 1)):
            options = {"axis": axis, "initial": 2, "where": where}
            check_value(
                functools.partial(fun, **options), functools.partial(reference, **options), [x]
            )
    empty = x[:, :0]
    assert_same(fun(empty, 1, initial=3), reference(empty, 1, initial=3))
    assert_same(fun(empty, keepdims=True, initial=3), reference(empty, keepdims=True, initial=3))


def test_where_in_moments_and_logic(rng):
    x, mask = rng.normal(size=(3, 4)), rng.random((3, 4)) < 0.6
    mask[:, 0] = True
    for dtype in (np.float16, np.float32, np.float64):
        for name in ("mean", "var", "std"):
            fun, reference = getattr(reduction, name), REDUCTIONS[name]
            y = x.astype(dtype)
            for where in (mask, mask[0]):
                assert_same(fun(y, 1, where=where), reference(y, 1, where=where))
    assert_same(reduction.any_(x > 0, 1, where=mask), np.any(x > 0, 1, where=mask))
    assert_same(reduction.all_(x > 0, 0, where=mask), np.all(x > 0, 0, where=mask))


@pytest.mark.parametrize("ddof", [0, 1, 0.5])
def test_degrees_of_freedom(ddof, rng):
    x = rng.normal(size=(3, 4)) + 1j * rng.normal(size=(3, 4))
    assert_same(reduction.var(x, 0, ddof=ddof), np.var(x, 0, ddof=ddof))
    assert_same(reduction.std(x.real, ddof=ddof), np.std(x.real, ddof=ddof))


def test_logsumexp_values():
    special = pytest.importorskip("scipy.special")
    rng = np.random.default_rng(0)
    for x in (rng.normal(size=(3, 4)) * 50, rng.normal(size=(3, 4)) + 1j):
        for axis in (None, 0, -1, (0, 1)):
            assert_same(exponential.logsumexp(x, axis), special.logsumexp(x, axis))
            assert_same(exponential.softmax(x, axis), special.softmax(x, axis))
        if x.dtype == np.float64:
            assert_same(exponential.log_softmax(x, 0), special.log_softmax(x, 0))
    for dtype in (np.float16, np.float32, np.int32):
        x = np.arange(5).astype(dtype)
        wanted = special.logsumexp(x).astype(dtype if dtype != np.int32 else np.float64)
        assert_same(exponential.logsumexp(x), wanted)
    assert_same(exponential.logsumexp(np.zeros((2, 0)), 1), np.full(2, -np.inf))
    assert_same(exponential.softmax(np.zeros((2, 0)), 1), np.zeros((2, 0)))


def test_logsumexp_at_infinities():
    inf, nan = np.inf, np.nan
    x = np.array([[-inf, -inf], [-inf, 1.0], [inf, 1000.0], [inf, inf], [inf, -inf], [nan, inf]])
    assert_same(exponential.logsumexp(x, 1), np.array([-inf, 1.0, inf, inf, inf, nan]))
    wanted = np.array([[0.5, 0.5], [0, 1], [1, 0], [0.5, 0.5], [1, 0], [nan, nan]])
    assert_same(exponential.softmax(x, 1), wanted)
    _, pull = vjp(lambda x: exponential.logsumexp(x, 1), x)
    assert_same(pull(np.ones(6))[0], wanted)
    assert exponential.logsumexp(np.zeros(0, np.float32)) == -inf
    assert exponential.logsumexp(np.zeros(0, np.float32)).dtype == np.float32
    assert exponential.logsumexp(np.array([1000.0, 1000.0])) == 1000.0 + np.log(2.0)


def test_running_logsumexp_at_infinities():
    inf, rows = np.inf, np.eye(4)
    for x in ([-inf, -inf, 1, 0], [inf, 1, 2, 3], [1, inf, 0, inf], [-inf] * 4, [-inf, 2, 1, -inf]):
        x = np.array(x)
        _, pull = vjp(cumulative.cumlogsumexp, x)
        wanted = [np.append(exponential.softmax(x[: i + 1]), np.zeros(3 - i)) for i in range(4)]
        assert_same(np.stack([pull(row)[0] for row in rows]), np.stack(wanted))


DIFFERENTIABLE = {
    "sum": lambda x: reduction.sum_(x, 1),
    "prod": lambda x: reduction.prod(x, (0, 2)),
    "prod of one": lambda x: reduction.prod(x, ()),
    "max": lambda x: reduction.amax(x, (1, 2)),
    "min": lambda x: reduction.amin(x, 0, keepdims=True),
    "max initial": lambda x: reduction.amax(x, 0, initial=0.1),
    "mean": lambda x: reduction.mean(x, 2),
    "var": lambda x: reduction.var(x, (0, 1), ddof=0.5),
    "std": lambda x: reduction.std(x, 1, keepdims=True),
    "ptp": lambda x: reduction.ptp(x, 0),
    "logsumexp": lambda x: exponential.logsumexp(x, 1),
    "softmax": lambda x: exponential.softmax(x, (0, 1)),
    "log_softmax": lambda x: exponential.log_softmax(x),
    "cumsum": lambda x: cumulative.cumsum(x, 1),
    "cumsum reverse": lambda x: cumulative.cumsum(x, 2, reverse=True),
    "cumprod": lambda x: cumulative.cumprod(x, -1),
    "cumprod reverse": lambda x: cumulative.cumprod(x, 1, reverse=True),
    "cummax": lambda x: cumulative.cummax(x, 1),
    "cummin reverse": lambda x: cumulative.cummin(x, 2, reverse=True),
    "cumlogsumexp": lambda x: cumulative.cumlogsumexp(x, 1),
    "cumlogsumexp reverse": lambda x: cumulative.cumlogsumexp(x, 2, reverse=True),
}
REAL_ONLY = {"cumlogsumexp", "cumlogsumexp reverse"}


@pytest.mark.parametrize("name", DIFFERENTIABLE)
def test_derivatives(name, rng):
    fun = DIFFERENTIABLE[name]
    for shape in [(2, 3, 4), (1, 1, 1)]:
        check_op(fun, [rng.normal(size=shape)])
    check_op(fun, [rng.normal(size=(2, 3, 2)).astype(np.float32)], order=1)
    if name not in REAL_ONLY:
        check_op(fun, [rng.normal(size=(2, 2, 3)) + 1j * rng.normal(size=(2, 2, 3))])


@pytest.mark.parametrize("name", DIFFERENTIABLE)
@pytest.mark.filterwarnings("ignore::RuntimeWarning")  # the mean of nothing
def test_derivatives_of_nothing(name):
    fun = DIFFERENTIABLE[name]
    for shape in [(0, 2, 2), (2, 0, 2), (2, 2, 0)]:
        x = np.zeros(shape)
        try:
            out, pull = vjp(fun, x)
        except ArgumentValueError:
            assert name in ("max", "min", "ptp")
            continue
        assert_same(pull(out)[0], x)
        assert_same(jvp(fun, (x,), (x,))[1].shape, out.shape)
        check_abstract(fun, [x])


@pytest.mark.parametrize("name", DIFFERENTIABLE)
def test_batches(name, rng):
    check_vmap(DIFFERENTIABLE[name], [rng.normal(size=(2, 3, 2))])


@pytest.mark.parametrize("name", ["any_", "all_", "argmax", "argmin", "count_nonzero"])
def test_batches_of_integer_results(name, rng):
    x = rng.integers(0, 2, (3, 4))
    for axis in (0, 1, None):
        check_vmap(lambda x: getattr(reduction, name)(x, axis), [x], 3)  # noqa: B023


def test_linear_recurrence(rng):
    for n in (1, 2, 3, 7, 8):
        a, b = rng.normal(size=(2, 3, n))
        wanted = np.zeros((3, n))
        for i in range(n):
            wanted[:, i] = b[:, i] + (a[:, i] * wanted[:, i - 1] if i else 0)
        assert_same(cumulative.linear_recurrence(a, b, 1), wanted)
        back = cumulative.linear_recurrence(a[:, ::-1], b[:, ::-1], 1, reverse=True)
        assert_same(back, wanted[:, ::-1])
    for reverse in (False, True):
        fun = functools.partial(cumulative.linear_recurrence, axis=1, reverse=reverse)
        check_op(fun, list(rng.normal(size=(2, 2, 5))))
        check_vmap(fun, list(rng.normal(size=(2, 2, 3))))
    empty = np.zeros((2, 0))
    assert_same(cumulative.linear_recurrence(empty, empty, 1), empty)
    with pytest.raises(
        ShapeError, match=r"\[linear_recurrence\] got float64\[2,0\] and float64\[\]"
    ):
        cumulative.linear_recurrence(empty, 1.0, 1)


def zeros_among(rng: np.random.Generator, *places: tuple[int, int]) -> np.ndarray:
    x = rng.normal(size=(3, 4))
    for place in places:
        x[place] = 0.0
    return x


@pytest.mark.parametrize(
    "fun", [lambda x: reduction.prod(x, 1), lambda x: cumulative.cumprod(x, 1)]
)
def test_products_with_zeros_to_third_order(fun, rng):
    x = zeros_among(rng, (0, 1), (1, 0), (1, 2), (2, 0), (2, 1), (2, 3))
    check_op(fun, [x], order=3)


def hessian_times(fun, x, v):
    return jvp(grad(fun), (x,), (v,))[1]


@pytest.mark.parametrize("name", ["amax", "amin"])
def test_ties_share_equally_as_in_jax(name, rng):
    jax = pytest.importorskip("jax")
    x = np.array([[1.0, 3.0, 3.0], [2.0, 2.0, 2.0], [0.0, -0.0, -1.0]])
    w = rng.normal(size=3)
    theirs = jax.grad(lambda x: (getattr(jax.numpy, name)(x, 1) * w).sum())(x)
    ours = grad(lambda x: reduce_sum(mul(getattr(reduction, name)(x, 1), w), (0,)))(x)
    assert_same(ours, np.asarray(theirs))


@pytest.mark.parametrize("name", ["amax", "amin"])
def test_nan_takes_the_derivative_that_it_caused(name):
    x = np.array([[1.0, np.nan, 3.0, np.nan], [1.0, 2.0, 3.0, 4.0]])
    _, pull = vjp(lambda x: getattr(reduction, name)(x, 1), x)
    place = 3 if name == "amax" else 0
    wanted = np.array([[0, 0.5, 0, 0.5], np.eye(4)[place]])
    assert_same(pull(np.ones(2))[0], wanted)
    tangent = jvp(lambda x: getattr(reduction, name)(x, 1), (x,), (np.ones((2, 4)) * [1, 2, 3, 4],))
    assert_same(tangent[1], np.array([3.0, place + 1]))


@pytest.mark.parametrize("dtype", [np.float16, np.float32])
def test_many_ties_in_low_precision(dtype):
    n = 70000  # more than float16 can count
    pulled = grad(lambda x: reduction.amax(x))(np.ones(n, dtype))
    assert_same(pulled, np.full(n, dtype(1 / n)))


def test_running_ties_share_equally():
    x = np.array([1.0, 1.0, 0.0, 1.0, 2.0, 2.0])
    rows = [vjp(cumulative.cummax, x)[1](row)[0] for row in np.eye(6)]
    third, half = 1 / 3, 1 / 2
    wanted = [
        [1, 0, 0, 0, 0, 0],
        [half, half, 0, 0, 0, 0],
        [half, half, 0, 0, 0, 0],
        [third, third, 0, third, 0, 0],
        [0, 0, 0, 0, 1, 0],
        [0, 0, 0, 0, half, half],
    ]
    assert_same(np.array(rows), np.array(wanted))
    # The last running maximum has the derivative of the maximum.
    assert_same(grad(reduction.amax)(x), np.array(wanted[-1]))
    assert_same(grad(lambda x: reduction.amax(x, initial=2.0))(x), np.array(wanted[-1]) / 2)
    x = np.array([1.0, np.nan, 2.0, np.nan])
    rows = [vjp(cumulative.cummin, x)[1](row)[0] for row in np.eye(4)]
    wanted = [[1, 0, 0, 0], [0, 1, 0, 0], [0, 1, 0, 0], [0, half, 0, half]]
    assert_same(np.array(rows), np.array(wanted))


def test_std_of_equal_elements_is_flat():
    x = np.ones((2, 3))
    assert_same(grad(reduction.std)(x), np.zeros((2, 3)))
    assert_same(hessian_times(lambda x: reduction.std(sin(x)), x, x), np.zeros((2, 3)))


def test_products_agree_with_jax_at_zeros(rng):
    jax = pytest.importorskip("jax")
    x, v = zeros_among(rng, (0, 1), (1, 0), (1, 2)), rng.normal(size=(3, 4))
    theirs = jax.jvp(jax.grad(lambda x: jax.numpy.sin(jax.numpy.cumprod(x, 1)).sum()), (x,), (v,))
    ours = hessian_times(lambda x: reduce_sum(sin(cumulative.cumprod(x, 1)), (0, 1)), x, v)
    assert_same(ours, np.asarray(theirs[1]))


@pytest.mark.parametrize(
    ("call", "text"),
    [
        (lambda: reduction.sum_(np.ones(3), 1), r"\[sum\] got axis 1 for an array with 1 dim"),
        (lambda: reduction.mean(np.ones((2, 2)), (0, -2)), r"\[mean\] got the axes \(0, -2\), one"),
        (lambda: reduction.amax(np.ones((0, 2)), 0), r"\[reduce_max\] got \(0, 2\) along the axes"),
        (lambda: reduction.argmin(np.ones(0)), r"\[argmin\] got \(0,\) along the axes \(0,\)"),
        (lambda: reduction.amin(np.ones(2), where=np.ones(2, bool)), r"\[min\] got where= without"),
        (lambda: cumulative.cumsum(np.ones(3), 2), r"\[cumsum\] got axis 2 for an array with 1"),
        (lambda: reduction.sum_(np.ones(3), where=np.ones((2, 3), bool)), r"more dimensions than"),
    ],
)
def test_errors_name_the_operation(call, text):
    with pytest.raises(ValueError, match=text):
        call()
