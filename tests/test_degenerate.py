"""Kinks, jumps, poles and infinities: the subgradients that are documented, and no warnings."""

import numpy as np
import pytest

import fxad
import fxad.numpy as fnp

INF = np.inf

#: A function, a point and its gradient there, in the function's sum.
POINTS = {
    "abs": (np.abs, [0.0, -0.0, -2.0], [0.0, 0.0, -1.0]),
    "maximum of equals": (lambda x: np.maximum(x, 1.0), [1.0, 2.0, 0.0], [0.5, 1.0, 0.0]),
    "maximum with itself": (lambda x: np.maximum(x, x), [1.0], [1.0]),
    "max of equals": (np.max, [3.0, 1.0, 3.0], [0.5, 0.0, 0.5]),
    "min of equals": (np.min, [1.0, 1.0, 1.0, 5.0], [1 / 3, 1 / 3, 1 / 3, 0.0]),
    "ptp of equals": (np.ptp, [2.0, 2.0], [0.0, 0.0]),
    "norm of zero": (np.linalg.norm, [0.0, 0.0], [0.0, 0.0]),
    "norm with zeros": (lambda x: np.linalg.norm(x, 1), [0.0, -2.0], [0.0, -1.0]),
    "norm 3 of zero": (lambda x: np.linalg.norm(x, 3), [0.0, 0.0], [0.0, 0.0]),
    "norm inf of equals": (lambda x: np.linalg.norm(x, INF), [2.0, -2.0], [0.5, -0.5]),
    "hypot of zero": (lambda x: np.hypot(x, 0 * x), [0.0, 2.0], [0.0, 1.0]),
    "std of equals": (np.std, [2.0, 2.0, 2.0], [0.0, 0.0, 0.0]),
    "prod with a zero": (np.prod, [2.0, 0.0, 3.0], [0.0, 6.0, 0.0]),
    "prod with two zeros": (np.prod, [2.0, 0.0, 0.0], [0.0, 0.0, 0.0]),
    "cumprod with a zero": (np.cumprod, [2.0, 0.0, 3.0], [1.0, 8.0, 0.0]),
    "powers at zero": (lambda x: x**0 + x**1 + x**2, [0.0], [1.0]),
    "float powers at zero": (lambda x: x**0.0 + x**1.0 + x**2.5, [0.0], [1.0]),
    "power of both": (lambda x: x**x, [1.0], [1.0]),
    "zero to a power": (lambda x: 0.0**x, [2.0, 0.5], [0.0, 0.0]),
    "negative base": (lambda x: x**3.0, [-2.0], [12.0]),
    "relu": (lambda x: np.where(x > 0, x, 0.0), [0.0, -1.0, 2.0], [0.0, 0.0, 1.0]),
    "where without its pole": (
        lambda x: np.where(x > 0, np.log(np.where(x > 0, x, 1.0)), 0.0), [0.0, 2.0], [0.0, 0.5]
    ),
    "clip at its bounds": (lambda x: np.clip(x, 0.0, 1.0), [-1.0, 0.5, 2.0], [0.0, 1.0, 0.0]),
    "logaddexp of two infinities": (lambda x: np.logaddexp(x, -INF), [-INF, 0.0], [0.5, 1.0]),
    "logaddexp of equals": (lambda x: np.logaddexp(x, x), [INF, 0.0], [1.0, 1.0]),
    "logaddexp of equals below": (lambda x: np.logaddexp(x, x), [-INF, 0.0], [1.0, 1.0]),
    "logsumexp of minus infinity": (
        lambda x: fxad.numpy.logaddexp.reduce(x), [-INF, 0.0], [0.0, 1.0]
    ),
    "sign": (lambda x: np.sign(x) * x, [0.0, -3.0], [0.0, -1.0]),
    "floor at an integer": (lambda x: np.floor(x) * x, [2.0], [2.0]),
    "sinc at zero": (np.sinc, [0.0], [0.0]),
    "sort of equals": (lambda x: np.sort(x) * np.array([1.0, 2.0]), [1.0, 1.0], [1.0, 2.0]),
    "nansum": (np.nansum, [1.0, np.nan], [1.0, 0.0]),
    "singular det": (lambda x: np.linalg.det(np.diag(x)), [0.0, 2.0, 3.0], [6.0, 0.0, 0.0]),
    "twice the same element": (lambda x: x[[0, 0]], [5.0, 1.0], [2.0, 0.0]),
}  # fmt: skip


@pytest.mark.parametrize("name", POINTS)
def test_gradient(name):
    """Reverse, forward and under jit: the same finite subgradient."""
    f, point, wanted = POINTS[name]

    def total(x):
        return np.sum(f(x))

    x = np.array(point)
    for gradient in (fxad.grad(total), fxad.jit(fxad.grad(total)), fxad.jacfwd(total)):
        np.testing.assert_allclose(gradient(x), wanted, rtol=1e-14, atol=1e-14)


@pytest.mark.parametrize("name", POINTS)
def test_second_derivatives_are_no_nan(name):
    """Where the function is piecewise smooth its second derivatives are finite too."""
    f, point, _ = POINTS[name]
    if name in ("float powers at zero", "power of both"):
        pytest.skip("x**2.5 and x**x are smooth on one side alone")
    assert np.isfinite(fxad.hessian(lambda x: np.sum(f(x)))(np.array(point))).all()


def test_poles_are_infinite_as_in_calculus():
    with np.errstate(divide="ignore"):
        assert fxad.grad(np.sqrt)(0.0) == INF
        assert fxad.grad(np.log)(0.0) == INF
        assert fxad.grad(np.cbrt)(0.0) == INF
        assert fxad.grad(lambda x: 1 / x)(0.0) == -INF


MATRICES = {
    "equal singular values": np.eye(3),
    "zero": np.zeros((3, 3)),
    "rank one": np.outer([1.0, 2.0, 2.0], [3.0, 0.0, 4.0]),
    "a zero column": np.array([[1.0, 0.0], [2.0, 0.0], [0.0, 0.0]]),
}


@pytest.mark.parametrize("name", MATRICES)
def test_singular_values_at_repeated_ones(name):
    """A function of the singular values alone has the gradient that its definition says."""
    a = MATRICES[name]
    norm = fxad.grad(lambda a: np.sum(np.linalg.svd(a, compute_uv=False) ** 2))(a)
    np.testing.assert_allclose(norm, 2 * a, atol=1e-12)  # the squared Frobenius norm
    u, _s, vh = np.linalg.svd(a, full_matrices=False)
    for full in (False, True):

        def rebuilt(a, full=full):
            u, s, vh = fnp.linalg.svd(a, full_matrices=full)
            k = s.shape[-1]
            return np.sum(((u[:, :k] * s) @ vh[:k]) ** 2)

        np.testing.assert_allclose(fxad.grad(rebuilt)(a), 2 * a, atol=1e-10)
    assert np.isfinite(u).all() and np.isfinite(vh).all()


@pytest.mark.parametrize("name", ["equal singular values", "zero"])
def test_eigenvalues_at_repeated_ones(name):
    a = MATRICES[name]
    trace = fxad.grad(lambda a: np.sum(np.linalg.eigh(a)[0]))(a)
    np.testing.assert_allclose(trace, np.eye(3), atol=1e-12)

    def rebuilt(a):
        w, v = fnp.linalg.eigh(a)
        return np.sum(((v * w) @ v.T) ** 2)

    gradient = fxad.grad(rebuilt)(a)
    np.testing.assert_allclose(gradient + gradient.T, 4 * a, atol=1e-10)
    assert np.isfinite(fxad.hessian(lambda a: np.sum(np.linalg.eigvalsh(a) ** 2))(a)).all()


def test_nan_stays_where_it_is():
    """A NaN of one element does not spread to the gradients of others."""
    x = np.array([1.0, np.nan, 2.0])
    gradient = fxad.grad(lambda x: np.sum(np.sin(x) * x))(x)
    np.testing.assert_array_equal(np.isnan(gradient), [False, True, False])


@pytest.mark.parametrize("scale", [1e-23, 1.0, 1e25])
def test_the_gradient_of_an_angle_at_any_distance(scale):
    """The squares of the distance are no float32, the derivatives are."""
    y, x = np.float32(3 * scale), np.float32(4 * scale)
    gradients = fxad.grad(np.arctan2, (0, 1))(y, x)
    np.testing.assert_allclose(gradients, [4 / 25 / scale, -3 / 25 / scale], rtol=1e-6)
    assert {g.dtype for g in gradients} == {np.dtype(np.float32)}
    z = np.complex64(complex(4, 3) * scale)
    np.testing.assert_allclose(
        fxad.grad(fnp.angle)(z), complex(-3, -4) / 25 / scale, rtol=1e-6
    )


@pytest.mark.parametrize("dtype", ["float16", "float32", "float64"])
def test_sinc_far_from_zero(dtype):
    """The series near zero is not summed there, where its powers would overflow."""
    x = np.array([0.75, 7.25, 100.25, 3000.5], dtype)
    y = np.pi * x.astype(float)
    slope = np.pi * (np.cos(y) - np.sin(y) / y) / y
    tolerance = 5 * np.finfo(dtype).eps * y
    got = fxad.grad(lambda x: np.sum(np.sinc(x)))(x)
    assert (abs(got - slope) <= tolerance + 5 * np.finfo(dtype).eps).all()
    np.testing.assert_allclose(fxad.jit(np.sinc)(x), np.sinc(x), rtol=1e-2)
