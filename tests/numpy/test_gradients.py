"""Plain NumPy code is differentiated: against central differences, to second order."""

import numpy as np
import pytest

import fxad
import fxad.numpy as fnp
from fxad.test_util import check_grads

rng = np.random.default_rng(1)
V, M, B = rng.normal(size=5), rng.normal(size=(3, 4)), rng.normal(size=(2, 3, 3))
S, P = np.sort(rng.normal(size=6)), np.abs(V) + 0.5

FUNCTIONS = {
    "the issue's own": (lambda x: np.sum(np.sin(x) @ x), V),
    "solve": (lambda a, b: np.linalg.solve(a, b), B[0], V[:3]),
    "concatenate": (lambda a: np.concatenate([a, a[:1] ** 2, np.ones((1, 4))]), M),
    "where": (lambda a: np.where(a > 0, np.exp(a), a**3), M),
    "einsum": (lambda a, b: np.einsum("ij,kji->k", a[:, :3], b), M, B),
    "mean": (lambda a: np.mean(a**2, axis=0), M),
    "stack": (lambda x: np.stack([x[0], x[1] * x[2]]), V),
    "clip": (lambda x: np.clip(x, -0.4, 0.7), V),
    "maximum.reduce": (lambda a: np.maximum.reduce(a, axis=1), M),
    "var": (lambda a: (np.var(a, 0, ddof=1), np.std(a, 1)), M),
    "prod": (lambda a: np.prod(a, 1), M),
    "cumprod": (lambda x: np.cumprod(x), V),
    "sort": (lambda a: np.sort(a, 1) * np.arange(4), M),
    "median": (lambda a: (np.median(a, 1), np.quantile(a, [0.2, 0.9])), M),
    "cov": (lambda a: np.cov(a), M),
    "corrcoef": (lambda a: np.corrcoef(a)[0, 1:], M),
    "average": (lambda a, w: np.average(a, weights=w**2, axis=0), M, V[:3]),
    "pad": (lambda a: np.pad(a, 2, "reflect") ** 2, M),
    "pad odd": (lambda x: np.pad(x, 7, "symmetric", reflect_type="odd"), V),
    "roll": (lambda a: np.roll(a, 2, 1) * a, M),
    "tile": (lambda x: np.tile(x, (2, 1)) ** 2, V),
    "repeat": (lambda x: np.repeat(x, [2, 0, 1, 3, 1]) ** 2, V),
    "insert": (lambda x, v: np.insert(x, 2, v) ** 2, V, M[0]),
    "diag": (lambda x: np.linalg.det(np.diag(x) + 0.1), V),
    "trace": (lambda a: np.trace(a @ a.T, 1), M),
    "tril": (lambda a: np.tril(a) @ np.triu(a).T, M),
    "kron": (lambda a, x: np.kron(a, x), M, V),
    "cross": (lambda b: np.cross(b, b[::-1]), B),
    "tensordot": (lambda a, b: np.tensordot(a, b, ([0], [1])), M, B),
    "convolve": (lambda x, y: np.convolve(x, y, "same"), V, S),
    "correlate": (lambda x, y: np.correlate(x, y, "full"), V, S),
    "interp": (lambda x, s, f: np.interp(x, s, f, left=0.0), V, S, M[:2, :3].ravel()),
    "gradient": (lambda a: np.gradient(a**2, 0.5), M),
    "trapezoid": (lambda y, x: np.trapezoid(y, x), V, V**3),
    "unwrap": (lambda x: np.unwrap(3 * x) ** 2, V),
    "diff": (lambda a: np.diff(a**2, axis=0, prepend=1.0), M),
    "linspace": (lambda x: np.linspace(x[0], x[1], 4) ** 2, V),
    "geomspace": (lambda x: np.geomspace(x[0], x[1], 4), P),
    "vander": (lambda x: np.vander(x, 3), V),
    "polyval": (lambda p, x: np.polyval(p, x), V, M),
    "polyfit": (lambda x, y: np.polyfit(x, y, 2), S, V[[0, 1, 2, 3, 4, 0]]),
    "roots": (lambda p: np.roots(p), np.array([1.0, -6.0, 11.0, -6.0])),
    "sinc": (lambda x: np.sinc(x), np.array([0.0, 1e-4, 0.1, 0.9])),
    "angle": (lambda x: np.angle(x[0] + 1j * x[1]), V),
    "complex": (lambda x: np.abs(x + 1j * x[::-1]), V),
    "logaddexp": (lambda x: np.logaddexp.reduce(x) + np.logaddexp.accumulate(x), V),
    "power": (lambda x: np.power(x, x) + x**-2 + 2.0**x, P),
    "float_power": (lambda x: np.float_power(x, 1.5), P),
    "frexp": (lambda x: np.frexp(x)[0] ** 2, V),
    "modf": (lambda x: np.modf(3 * x)[0] ** 2, V),
    "divmod": (lambda x: np.divmod(x, 0.3)[1] ** 2, V),
    "take_along_axis": (lambda a: np.take_along_axis(a, np.argsort(a, 1)[:, :2], 1) ** 2, M),
    "select": (lambda a: np.select([a > 0.5, a < -0.5], [a**2, a**3], a), M),
    "piecewise": (lambda a: np.piecewise(a, [a < 0], [np.exp, np.sin]), M),
    "choose": (lambda a: np.choose([0, 2, 1, 1], list(a**2)), M),
    "block": (lambda a: np.block([[a, a**2], [a[:1], 1 + a[:1]]]), M),
    "norms": (lambda a: (np.linalg.norm(a), np.linalg.norm(a, 3, 1), np.linalg.norm(a, "nuc")), M),
    "inverses": (lambda b: (np.linalg.inv(b), np.linalg.pinv(b[:, :2])), B),
    "slogdet": (lambda b: np.linalg.slogdet(b)[1], B),
    "cholesky": (lambda b: np.linalg.cholesky(b @ b.mT + np.eye(3)), B),
    "eigvalsh": (lambda b: np.linalg.eigvalsh(b + b.mT), B),
    "svdvals": (lambda b: np.linalg.svdvals(b), B),
    "histogram": (lambda x, w: np.histogram(V, [-2.0, 0, 2], weights=w * x)[0], V, V**2),
    "bincount": (lambda w: np.bincount([0, 2, 2, 1, 0], w**2), V),
    "mask": (lambda a: a[a > 0] ** 2, M),
    "unique": (lambda x: np.unique(np.round(V)[[0, 0, 1]] * x[0] + x[1]), P),
    "nan functions": (lambda a: np.nanmean(np.where(V > 0, a, np.nan)) ** 2, V),
    "iteration": (lambda a: sum(row @ row * i for i, row in enumerate(a)), M),
    "average of a list": (lambda x: fnp.mean([x[0], x[1] ** 2]), V),
}


@pytest.mark.parametrize("name", FUNCTIONS)
def test_gradients(name):
    function, *args = FUNCTIONS[name]
    check_grads(function, tuple(args), order=2)


def test_float32_stays_float32():
    x = V.astype(np.float32)
    functions = (
        lambda x: np.sum(np.sin(x) @ x),
        lambda x: np.mean(x**2) + np.var(x) + np.std(x),
        lambda x: np.linalg.norm(x) + np.median(x) + np.max(x) * 2.0,
        lambda x: np.float32(2) * np.sort(x)[1] + np.trapezoid(x),
        lambda x: np.sum(np.where(x > 0, x, 0.0)) + np.prod(np.clip(x, -1.0, 1.0)),
        lambda x: np.sum(np.sinc(x) + np.logaddexp(x, 1.0) + np.hypot(x, 2.0)),
        lambda x: np.sum(np.linspace(x[0], x[1], 5) ** 2) + np.convolve(x, x)[2],
    )
    for f in functions:
        value, gradient = fxad.value_and_grad(f)(x)
        assert (value.dtype, gradient.dtype) == (np.float32, np.float32)
    # NumPy interpolates in double precision, traced or not.
    value, gradient = fxad.value_and_grad(lambda x: np.interp(0.1, np.sort(x), x))(x)
    assert (value.dtype, gradient.dtype) == (np.interp(0.1, np.sort(x), x).dtype, np.float32)


def test_control_flow_and_loops_of_plain_code():
    def newton(x):
        y = 1.0
        while abs(y * y - x) > 1e-12:
            y = 0.5 * (y + x / y)
        return y

    assert fxad.grad(newton)(2.0) == pytest.approx(0.5 / np.sqrt(2.0), rel=1e-6)
