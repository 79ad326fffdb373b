"""What the NumPy backend adds to NumPy: values against independent references, dtypes, edges."""

import math
import subprocess
import sys

import mpmath
import numpy as np
import pytest
import scipy.linalg
import scipy.special

from fxad.backends import lapack
from fxad.backends.numpy import is_basic, xp
from fxad.errors import MissingDependencyError

FLOATS = ("float16", "float32", "float64")
LINALG = ("float32", "float64", "complex64", "complex128")
UNARY = ("erf", "erfc", "erf_inv", "lgamma", "digamma", "logistic")


def ulps(value, reference):
    """The distance from a float64 reference in units of the last place of the value's dtype."""
    value, reference = np.asarray(value), np.asarray(reference, np.float64)
    spacing = np.spacing(np.abs(reference).astype(value.dtype)).astype(np.float64)
    return float(np.max(np.abs(value.astype(np.float64) - reference) / spacing))


def random(rng, shape, dtype):
    x = rng.normal(size=shape)
    if np.dtype(dtype).kind == "c":
        x = x + 1j * rng.normal(size=shape)
    return x.astype(dtype)


# The namespace


def test_namespace_holds_numpy_and_its_submodules():
    assert xp.sin is np.sin
    assert xp.linalg.solve is np.linalg.solve
    assert xp.fft.fft is np.fft.fft
    assert xp.pi == np.pi
    assert repr(xp) == "<array namespace fxad.backends.numpy>"


# Special functions


@pytest.mark.parametrize("dtype", FLOATS)
@pytest.mark.parametrize("name", UNARY)
@pytest.mark.parametrize("shape", [(), (3,), (2, 3), (0,), (2, 0)])
def test_special_functions_keep_dtype_and_shape(name, dtype, shape):
    x = np.full(shape, 0.3, dtype)
    y = getattr(xp, name)(x)
    assert y.dtype == dtype
    assert y.shape == shape


@pytest.mark.parametrize("name", UNARY)
def test_special_functions_take_scalars(name):
    assert getattr(xp, name)(0.3).dtype == np.float64
    assert getattr(xp, name)(np.float32(0.3)).dtype == np.float32


@pytest.mark.parametrize(
    ("name", "reference"),
    [
        ("erf", mpmath.erf),
        ("erfc", mpmath.erfc),
        ("lgamma", lambda x: mpmath.log(abs(mpmath.gamma(x)))),
        ("digamma", mpmath.digamma),
        ("logistic", lambda x: 1 / (1 + mpmath.exp(-x))),
    ],
)
@pytest.mark.parametrize(("dtype", "bound"), [("float32", 4), ("float64", 8)])
def test_special_functions_against_mpmath(name, reference, dtype, bound):
    x = np.array([-4.3, -1.2, -0.25, 0.1, 0.7, 2.6, 5.5, 9.0], dtype)
    expected = [float(reference(mpmath.mpf(float(v)))) for v in x]
    assert ulps(getattr(xp, name)(x), expected) <= bound


def test_logistic_has_no_overflow_at_either_end():
    for dtype in FLOATS:
        x = np.array([-np.inf, -1e4, -88.0, 88.0, 1e4, np.inf], dtype)
        with np.errstate(over="raise", invalid="raise"):
            y = xp.logistic(x)
        assert y[0] == 0
        assert y[-1] == 1
        assert np.all((y >= 0) & (y <= 1))
    assert math.isclose(xp.logistic(-700.0), math.exp(-700.0), rel_tol=1e-14)
    assert np.isnan(xp.logistic(np.nan))
    z = np.array([0.3 - 1j, -400 + 2j], np.complex64)
    assert xp.logistic(z).dtype == np.complex64
    np.testing.assert_allclose(xp.logistic(z)[0], 1 / (1 + np.exp(-z[0])), rtol=1e-6)


def test_polygamma_and_zeta():
    x = np.array([0.2, 1.0, 3.7, 20.0])
    for n in range(4):
        expected = [float(mpmath.polygamma(n, mpmath.mpf(v))) for v in x]
        np.testing.assert_allclose(xp.polygamma(n, x), expected, rtol=1e-13)
        assert xp.polygamma(n, x.astype(np.float32)).dtype == np.float32
    assert xp.polygamma(1, np.float32(0.5)).dtype == np.float32
    expected = [float(mpmath.zeta(3, mpmath.mpf(v))) for v in x]
    np.testing.assert_allclose(xp.zeta(3.0, x), expected, rtol=1e-13)
    assert xp.zeta(np.float32(3), x.astype(np.float32)).dtype == np.float32
    assert xp.zeta(3.0, np.zeros((0, 2), np.float32)).shape == (0, 2)


NEAR_ONE = 1 - 2.0 ** -np.arange(1, 53)
TINY = 2.0 ** -np.arange(1, 1000, 7)


def test_erf_inv_double_against_mpmath():
    x = np.concatenate([np.linspace(-1, 1, 401)[1:-1], NEAR_ONE, -NEAR_ONE, TINY])
    with mpmath.workdps(40):
        expected = [float(mpmath.erfinv(mpmath.mpf(v))) for v in x]
    assert ulps(xp.erf_inv(x), np.array(expected)) <= 4


def test_erf_inv_single():
    x = np.concatenate([np.linspace(-1, 1, 20001)[1:-1], NEAR_ONE, TINY])
    x = np.unique(x.astype(np.float32))
    x = x[(np.abs(x) < 1) & (np.abs(x) > 1e-30)]
    assert ulps(xp.erf_inv(x), scipy.special.erfinv(x.astype(np.float64))) <= 4
    half = x[::100].astype(np.float16)
    half = half[(np.abs(half) < 1) & (np.abs(half) > 1e-3)]
    assert ulps(xp.erf_inv(half), scipy.special.erfinv(half.astype(np.float64))) <= 1


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_erf_inv_beyond_its_domain(dtype):
    """NaN without a warning, however far beyond."""
    x = np.array([-np.inf, np.finfo(dtype).min, -1.5, -1, 1, 1.5, np.finfo(dtype).max], dtype)
    nan, inf = np.nan, np.inf
    np.testing.assert_array_equal(xp.erf_inv(x), np.array([nan, nan, nan, -inf, inf, nan, nan]))


@pytest.mark.parametrize(("dtype", "rtol"), [("float32", 5e-6), ("float64", 2e-10)])
def test_erf_inv_is_close_to_jax(dtype, rtol):
    # JAX loses digits in 1 - x*x near 1, by up to these bounds; ours is within 4 ulp of the truth.
    jax = pytest.importorskip("jax")
    x = np.concatenate([np.linspace(-0.999, 0.999, 1001), NEAR_ONE[:20]]).astype(dtype)
    np.testing.assert_allclose(xp.erf_inv(x), np.asarray(jax.lax.erf_inv(x)), rtol=rtol)


def test_erf_inv_edges():
    x = np.array([1, -1, 2, -2, 0.0, -0.0, np.nan, np.inf])
    y = xp.erf_inv(x)
    np.testing.assert_array_equal(y, [np.inf, -np.inf, np.nan, np.nan, 0, 0, np.nan, np.nan])
    assert not np.signbit(y[4])
    assert np.signbit(y[5])
    assert xp.erf_inv(0).dtype == np.float64


def test_inputs_are_not_written():
    x = np.array([0.1, 0.9999])
    for name in UNARY:
        getattr(xp, name)(x)
    np.testing.assert_array_equal(x, [0.1, 0.9999])


WITHOUT_SCIPY = """
import sys
sys.modules["scipy"] = None
import numpy as np
from fxad.backends.numpy import xp
from fxad.errors import MissingDependencyError
import math
x = np.array([[-1.5, 0.5], [171.7, 3.0]], np.float32)
assert xp.erf(x).dtype == np.float32 and xp.erf(x).shape == (2, 2)
assert xp.erf(0.5) == math.erf(0.5) and xp.erfc(0.5) == math.erfc(0.5)
assert xp.erf(np.zeros((0, 2))).shape == (0, 2)
assert xp.lgamma(np.array([0.0, -1.0, np.inf, 1e306, 0.5])).tolist() == [
    math.inf, math.inf, math.inf, math.inf, math.lgamma(0.5)]
for name, args in {"digamma": (x,), "polygamma": (1, x), "zeta": (2.0, x)}.items():
    try:
        getattr(xp, name)(*args)
    except MissingDependencyError as error:
        assert name in str(error) and "pip install scipy" in str(error), error
    else:
        raise AssertionError(name)
a = np.random.default_rng(0).normal(size=(2, 4, 4))
f, p = xp.lu(a)
assert np.allclose(a @ xp.lu_solve(f, p, a), a)
"""


def test_without_scipy():
    subprocess.run([sys.executable, "-W", "error", "-c", WITHOUT_SCIPY], check=True)


def test_scipy_is_not_loaded_by_the_backend():
    code = "import sys, fxad.backends; assert not {'scipy', 'cupy'} & set(sys.modules)"
    subprocess.run([sys.executable, "-c", code], check=True)


def test_missing_dependency_error_is_an_import_error():
    assert issubclass(MissingDependencyError, ImportError)


# Scatter


def scatter_loop(x, index, values, combine):
    out = x.copy()
    places = np.arange(x.size).reshape(x.shape)[index]
    values = np.broadcast_to(values, places.shape)
    for place, value in zip(places.ravel(), values.ravel(), strict=True):
        out.flat[place] = combine(out.flat[place], value)
    return out


COMBINE = {
    "set": lambda old, new: new,
    "add": lambda old, new: old + new,
    "mul": lambda old, new: old * new,
    "min": min,
    "max": max,
}
INDICES = (
    np.array([0, 3, 3, -1]),
    (np.array([0, 3, 3, -1]),),
    (slice(None), np.array([2, 0, 2])),
    (np.array([[0], [0]]), np.array([[1, 1, 2]])),
    (np.array([0, 0]), slice(0, 2)),
    (1, slice(None, None, -2)),
    (Ellipsis, 1),
    (None, 2),
    np.array([True, False, True, True]),
    np.zeros(0, int),
    (),
)


@pytest.mark.parametrize("mode", list(COMBINE))
@pytest.mark.parametrize("index", INDICES, ids=str)
def test_scatter(rng, mode, index):
    x = rng.normal(size=(4, 3))
    before = x.copy()
    values = rng.normal(size=x[index].shape)
    np.testing.assert_allclose(
        xp.scatter(x, index, values, mode), scatter_loop(x, index, values, COMBINE[mode])
    )
    np.testing.assert_array_equal(x, before)


@pytest.mark.parametrize("mode", list(COMBINE))
@pytest.mark.parametrize("dtype", ["int8", "int32", "uint8", "float16", "float32", "complex64"])
def test_scatter_keeps_the_dtype_and_casts_the_values(mode, dtype):
    x = np.ones((3,), dtype)
    y = xp.scatter(x, np.array([1, 1]), np.array([2.0, 3.0]), mode)
    assert y.dtype == dtype
    expected = {"set": 3, "add": 6, "mul": 6, "min": 1, "max": 3}[mode]
    np.testing.assert_array_equal(y, np.array([1, expected, 1], dtype))


def test_scatter_edges():
    assert xp.scatter(np.float64(1.0), (), 2.0, "add") == 3.0
    assert xp.scatter(np.zeros((0, 3)), (slice(None), 1), 2.0, "add").shape == (0, 3)
    assert np.isnan(xp.scatter(np.array([np.nan, 1.0]), np.array([0, 1]), np.nan, "max")).all()
    with pytest.raises(IndexError):
        xp.scatter(np.zeros(3), np.array([3]), 1.0)


def test_is_basic():
    assert is_basic((1, slice(None), None, Ellipsis, np.int64(1)))
    assert is_basic(2)
    assert not is_basic(True)
    assert not is_basic((1, np.array([0])))
    assert not is_basic(([0, 1],))


# Cumulative


def test_cumulative(rng):
    x = rng.normal(size=(3, 4, 5))
    for axis in (0, 1, -1):
        np.testing.assert_array_equal(xp.cummax(x, axis), np.maximum.accumulate(x, axis))
        np.testing.assert_array_equal(xp.cummin(x, axis), np.minimum.accumulate(x, axis))
        expected = np.log(np.cumsum(np.exp(x), axis))
        np.testing.assert_allclose(xp.cumlogsumexp(x, axis), expected, rtol=1e-12)


# Linear algebra

SQUARE = [(4, 4), (2, 5, 5), (3, 2, 3, 3), (1, 1), (0, 0), (2, 0, 0), (0, 3, 3), (40, 40)]


@pytest.fixture(params=[True, False], ids=["library", "numpy"])
def either_way(request, monkeypatch):
    """Both paths: a LAPACK call per matrix, and NumPy over the whole batch."""
    monkeypatch.setattr(lapack, "_one_by_one", lambda batch, n: request.param)


def tolerance(dtype):
    return {"rtol": 0, "atol": 2e3 * np.finfo(dtype).eps}


@pytest.mark.usefixtures("either_way")
@pytest.mark.parametrize("dtype", LINALG)
@pytest.mark.parametrize("shape", [*SQUARE, (5, 3), (3, 5), (2, 4, 2), (0, 3), (3, 0)])
def test_lu(rng, dtype, shape):
    a = random(rng, shape, dtype)
    before = a.copy()
    factors, pivots = xp.lu(a)
    m, n = shape[-2:]
    k = min(m, n)
    assert factors.dtype == dtype
    assert pivots.dtype == np.int32
    assert pivots.shape == (*shape[:-2], k)
    lower = np.tril(factors[..., :k], -1) + np.eye(m, k, dtype=dtype)
    upper = np.triu(factors[..., :k, :])
    order = xp.pivots_to_permutation(pivots, m)
    assert order.shape == (*shape[:-2], m)
    permuted = np.take_along_axis(a, order[..., None], -2)
    np.testing.assert_allclose(lower @ upper, permuted, **tolerance(dtype))
    assert np.all(np.abs(lower) <= math.sqrt(2) + 1e-6)  # rows were swapped for the largest pivot
    np.testing.assert_array_equal(a, before)


def test_lu_of_scipy(rng):
    a = rng.normal(size=(6, 6))
    expected, pivots = scipy.linalg.lu_factor(a)
    np.testing.assert_allclose(xp.lu(a)[0], expected, rtol=1e-12)
    np.testing.assert_array_equal(xp.lu(a)[1], pivots)
    assert xp.lu(np.arange(4).reshape(2, 2))[0].dtype == np.float64


def transposed(a, trans):
    return (a, np.swapaxes(a, -1, -2), np.swapaxes(a, -1, -2).conj())[trans]


@pytest.mark.usefixtures("either_way")
@pytest.mark.parametrize("dtype", LINALG)
@pytest.mark.parametrize("trans", [0, 1, 2])
@pytest.mark.parametrize("shape", SQUARE)
def test_lu_solve(rng, dtype, trans, shape):
    n = shape[-1]
    a = random(rng, shape, dtype) + 3 * n * np.eye(n, dtype=dtype)
    for columns in (1, 3, 0):
        b = random(rng, (*shape[:-1], columns), dtype)
        x = xp.lu_solve(*xp.lu(a), b, trans)
        assert x.dtype == dtype
        assert x.shape == b.shape
        np.testing.assert_allclose(transposed(a, trans) @ x, b, **tolerance(dtype))


def test_lu_solve_broadcasts_and_refuses_singular_matrices(rng):
    a, b = rng.normal(size=(3, 3)), rng.normal(size=(4, 3, 2))
    np.testing.assert_allclose(a @ xp.lu_solve(*xp.lu(a), b), b, rtol=1e-10)
    with pytest.raises(np.linalg.LinAlgError, match="Singular"):
        xp.lu_solve(*xp.lu(np.ones((2, 2))), np.ones((2, 1)))


@pytest.mark.usefixtures("either_way")
@pytest.mark.parametrize("dtype", LINALG)
@pytest.mark.parametrize("trans", [0, 1, 2])
@pytest.mark.parametrize("unit", [False, True])
@pytest.mark.parametrize("lower", [False, True])
@pytest.mark.parametrize("shape", SQUARE[:-1])
def test_triangular_solve(rng, dtype, trans, unit, lower, shape):
    n = shape[-1]
    a = random(rng, shape, dtype) + (0 if unit else 3 * n) * np.eye(n, dtype=dtype)
    b = random(rng, (*shape[:-1], 2), dtype)
    x = xp.triangular_solve(a, b, lower=lower, trans=trans, unit_diagonal=unit)
    read = np.tril(a) if lower else np.triu(a)
    if unit:
        read = np.where(np.eye(n, dtype=bool), np.ones((), dtype), read)
    assert x.dtype == dtype
    np.testing.assert_allclose(
        transposed(read, trans) @ x, b, rtol=0, atol=1e5 * np.finfo(dtype).eps
    )


@pytest.mark.usefixtures("either_way")
def test_triangular_solve_of_a_singular_matrix_is_infinite():
    with np.errstate(all="raise"):
        x = xp.triangular_solve(np.zeros((1, 2, 2)), np.ones((1, 2, 1)))
    assert not np.isfinite(x).any()


def test_triangular_solve_broadcasts_and_promotes(rng):
    a, b = rng.normal(size=(2, 1, 3, 3)), random(rng, (5, 3, 2), "complex64")
    x = xp.triangular_solve(a, b)
    assert x.shape == (2, 5, 3, 2)
    assert x.dtype == np.complex128
    np.testing.assert_allclose(np.triu(a) @ x, np.broadcast_to(b, x.shape), rtol=1e-6)


def test_half_precision_is_refused_as_numpy_does():
    half = np.eye(2, dtype=np.float16)
    for call in (xp.lu, lambda a: xp.triangular_solve(a, a), xp.cholesky):
        with pytest.raises(TypeError, match="float16"):
            call(half)


@pytest.mark.parametrize("dtype", LINALG)
@pytest.mark.parametrize("shape", SQUARE)
def test_factorizations(rng, dtype, shape):
    a = random(rng, shape, dtype)
    n = shape[-1]
    hermitian = a @ transposed(a, 2) + n * np.eye(n, dtype=dtype)
    close = {"rtol": 0, "atol": 1e4 * np.finfo(dtype).eps * max(n, 1)}
    factor = xp.cholesky(hermitian)
    np.testing.assert_allclose(factor @ transposed(factor, 2), hermitian, **close)
    values, vectors = xp.eigh(hermitian)
    np.testing.assert_allclose(hermitian @ vectors, vectors * values[..., None, :], **close)
    u, s, vh = xp.svd(a)
    np.testing.assert_allclose((u * s[..., None, :]) @ vh, a, **close)
    np.testing.assert_allclose(xp.svd(a, compute_uv=False), s, **close)
    q, r = xp.qr(a)
    np.testing.assert_allclose(q @ r, a, **close)
    assert xp.qr(a, mode="r").shape == r.shape
    sign, logabsdet = xp.slogdet(hermitian)
    np.testing.assert_allclose(sign, np.ones(shape[:-2]), **close)
    with np.errstate(over="ignore"):
        np.testing.assert_allclose(np.exp(logabsdet), xp.det(hermitian).real, rtol=1e-2)
    for out in (factor, vectors, u, q, xp.inv(hermitian)):
        assert out.dtype == dtype


def test_svd_is_reduced_unless_asked(rng):
    a = rng.normal(size=(5, 3))
    assert xp.svd(a)[0].shape == (5, 3)
    assert xp.svd(a, full_matrices=True)[0].shape == (5, 5)
