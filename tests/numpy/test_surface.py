"""NumPy's functions on tracers do what they do on arrays: values, shapes, dtypes."""

import numpy as np
import pytest

import fxad
import fxad.numpy as fnp
from tests.numpy.values import check

rng = np.random.default_rng(0)
V, W = rng.normal(size=7), rng.normal(size=7)
M, N = rng.normal(size=(3, 4)), rng.normal(size=(3, 4))
B, S = rng.normal(size=(2, 3, 3)), np.sort(rng.normal(size=6))
C = M + 1j * N
P = np.abs(V) + 0.1
F = M.astype(np.float32)
H = M.astype(np.float16)
E = np.zeros((3, 0))
HOLES = np.where(rng.random((3, 4)) < 0.3, np.nan, M)
STEPS = np.round(3 * V)

# Functions of arrays whose results have static shapes: they work under every transformation.
STATIC = {
    "reshape": (lambda a: np.reshape(a, (2, -1)), M),
    "reshape F": (lambda a: np.reshape(a, (2, -1), order="F"), M),
    "ravel": (np.ravel, M),
    "ravel F": (lambda a: np.ravel(a, "F"), M),
    "ravel empty": (np.ravel, E),
    "squeeze": (lambda a: np.squeeze(a[None, :, None], 0), M),
    "expand_dims": (lambda a: np.expand_dims(a, (0, 2)), M),
    "atleast": (lambda a: (np.atleast_1d(a[0, 0]), np.atleast_2d(a[0]), np.atleast_3d(a)), M),
    "broadcast_to": (lambda a: np.broadcast_to(a, (2, 3, 4)), M),
    "broadcast_arrays": (lambda a, v: np.broadcast_arrays(a[0, :, None], v), M, V),
    "transpose": (lambda a: np.transpose(a, (1, 0, -1)), B),
    "transpose all": (np.transpose, B),
    "matrix_transpose": (np.matrix_transpose, B),
    "swapaxes": (lambda a: np.swapaxes(a, 0, -1), B),
    "moveaxis": (lambda a: np.moveaxis(a, (0, 1), (-1, 0)), B),
    "rollaxis": (lambda a: np.rollaxis(a, 2, 1), B),
    "concatenate": (lambda a, b: np.concatenate([a, b], axis=1), M, N),
    "concatenate flat": (lambda a, b: np.concatenate([a, b[:, :2]], axis=None), M, N),
    "concatenate mixed": (lambda a: np.concatenate([a, [[1, 2, 3, 4]]]), F),
    "concatenate dtype": (lambda a: np.concatenate([a, a], dtype=np.float32), M),
    "stack": (lambda a, b: np.stack([a, b], axis=-1), M, N),
    "stack numbers": (lambda a: np.stack([a[0, 0], 1.0]), F),
    "hstack": (lambda a, v: (np.hstack([a, a]), np.hstack([v, 1.0])), M, V),
    "vstack": (lambda a: np.vstack([a, a[0]]), M),
    "dstack": (lambda a, v: (np.dstack([a, a]), np.dstack([v, v])), M, V),
    "column_stack": (lambda a: np.column_stack([a[:, 0], a]), M),
    "block": (lambda a: np.block([[a, a], [a[:1], 2 * a[:1]]]), M),
    "append": (lambda a: np.append(a, [1.0, 2.0]), M),
    "split": (lambda a: np.split(a, [1, 3, 9], axis=1), M),
    "split negative": (lambda a: np.split(a, [-2, 1]), V),
    "array_split": (lambda a: np.array_split(a, 3, axis=1), M),
    "hsplit vsplit dsplit": (
        lambda a, b: [*np.hsplit(a, 2), *np.vsplit(a, 3), *np.dsplit(b, 3)],
        M,
        B,
    ),
    "unstack": (lambda a: np.unstack(a, axis=1), M),
    "flip": (lambda a: (np.flip(a), np.flip(a, 1), np.fliplr(a), np.flipud(a)), M),
    "rot90": (lambda a: [np.rot90(a, k) for k in range(-2, 4)], M),
    "roll": (lambda a: (np.roll(a, 5), np.roll(a, (1, -2), (0, 1))), M),
    "tile": (lambda a: np.tile(a, (2, 1, 3)), M),
    "resize": (lambda a: np.resize(a, (5, 4)), M),
    "repeat": (lambda a: (np.repeat(a, 3), np.repeat(a, [1, 0, 2], axis=0)), M),
    "delete": (lambda a: (np.delete(a, 1), np.delete(a, [0, -1], 1)), M),
    "delete more": (lambda a: np.delete(a, np.array([True, False, True]), 0), M),
    "insert": (lambda a: (np.insert(a, 1, 5), np.insert(a, [1, 1, 3], [5, 6, 7])), V),
    "insert axis": (lambda a: np.insert(a, 1, [1, 2, 3], axis=1), M),
    "insert slices": (lambda a: np.insert(a, [1], [[1], [2], [3]], axis=1), M),
    "pad": (lambda a: np.pad(a, 2, constant_values=((1, 2), (3, 4))), M),
    "pad dict": (lambda a: np.pad(a, {1: (1, 2)}, "edge"), M),
    "pad ramp": (lambda a: np.pad(a, (1, 2), mode="linear_ramp", end_values=(5, -4)), M),
    "pad statistics": (
        lambda a: [
            np.pad(a, 3, mode, stat_length=2) for mode in ("maximum", "minimum", "mean", "median")
        ],
        M,
    ),
    "pad by place": (
        lambda a: [
            np.pad(a, ((3, 7), (9, 2)), mode) for mode in ("edge", "reflect", "symmetric", "wrap")
        ],
        M,
    ),
    "pad odd": (lambda a: np.pad(a, ((3, 7), (9, 2)), "reflect", reflect_type="odd"), M),
    "sum": (lambda a: (np.sum(a), np.sum(a, 1), np.sum(a, (0, 1), keepdims=True)), M),
    "sum where": (lambda a: np.sum(a, where=a > 0, initial=3.0), M),
    "sum float16": (np.sum, H),
    "sum float32": (np.sum, F),
    "sum to float64": (lambda a: np.sum(a, dtype=np.float64), F),
    "sum empty": (lambda a: (np.sum(a), np.sum(a, 1)), E),
    "prod": (lambda a: np.prod(a, 0, initial=2.0), M),
    "max": (lambda a: (np.max(a), np.min(a, 1), np.amax(a, 0), np.amin(a, keepdims=True)), M),
    "max where": (lambda a: np.max(a, initial=0, where=a < 0, axis=0), M),
    "ptp": (lambda a: np.ptp(a, 0), M),
    "any all": (lambda a: (np.any(a > 1, 0), np.all(a < 1)), M),
    "count_nonzero": (lambda a: np.count_nonzero(a > 0, axis=0), M),
    "argmax": (lambda a: (np.argmax(a), np.argmin(a, 1, keepdims=True)), M),
    "mean": (lambda a: (np.mean(a), np.mean(a, 0), np.mean(a, where=a > 0)), M),
    "mean float16": (np.mean, H),
    "var": (lambda a: (np.var(a, 0, ddof=1), np.std(a), np.std(a, 1, keepdims=True)), M),
    "var about": (lambda a: np.var(a, axis=0, mean=np.mean(a, 0, keepdims=True)), M),
    "var complex": (lambda a: (np.var(a), np.std(a, 0)), C),
    "cumsum": (lambda a: (np.cumsum(a), np.cumsum(a, 1), np.cumprod(a, 0)), M),
    "cumulative_sum": (lambda a: np.cumulative_sum(a, axis=1, include_initial=True), M),
    "cumulative_prod": (lambda a: np.cumulative_prod(a, include_initial=True), V),
    "nan": (
        lambda a: [
            f(a, axis=0)
            for f in (np.nansum, np.nanprod, np.nanmax, np.nanmin, np.nanmean, np.nanvar, np.nanstd)
        ],
        HOLES,
    ),
    "nan order": (lambda a: (np.nanmedian(a, 0), np.nanquantile(a, 0.3, 1)), HOLES),
    "nan running": (lambda a: (np.nancumsum(a), np.nancumprod(a, 1)), HOLES),
    "average": (lambda a, w: np.average(a, weights=w**2, axis=1, returned=True), M, N),
    "average vector": (lambda a: np.average(a, weights=[1, 2, 3], axis=0), M),
    "median": (lambda a: (np.median(a), np.median(a, 0), np.median(a, (0, 1))), M),
    "quantile": (lambda a: np.quantile(a, [0.0, 0.3, 1.0], axis=1, keepdims=True), M),
    "quantile float32": (lambda a: np.quantile(a, 0.5, axis=1), F),
    "percentile": (lambda a: (np.percentile(a, 20), np.percentile(a, [10, 99.0])), M),
    "quantile methods": (
        lambda a: [
            np.quantile(a, [0.1, 0.5, 0.77], method=m)
            for m in ("hazen", "weibull", "median_unbiased", "lower", "higher", "midpoint")
        ],
        M,
    ),
    "cov": (lambda a: (np.cov(a), np.cov(a[0]), np.cov(a, rowvar=False, bias=True)), M),
    "cov weights": (lambda a, b: np.cov(a, b, aweights=b[0] ** 2, fweights=[1, 2, 3, 4]), M, N),
    "corrcoef": (np.corrcoef, M),
    "sort": (lambda a: (np.sort(a), np.sort(a, 0), np.sort(a, None)), M),
    "argsort": (lambda a: (np.argsort(a), np.argsort(a, 0, stable=True)), M),
    "lexsort": (lambda a: np.lexsort((a, np.round(a))), V),
    "partition": (lambda a: np.partition(a, 3)[3], V),
    "searchsorted": (lambda a, v: np.searchsorted(a, v, side="right"), S, M),
    "where": (lambda a: np.where(a > 0, a, -1), M),
    "select": (lambda a: np.select([a > 0, a < -1], [a, a**2], -7), M),
    "choose": (lambda a: np.choose([0, 1, 2, 1], list(a)), M),
    "piecewise": (lambda a: np.piecewise(a, [a < 0, a > 1], [np.negative, np.square, 5]), M),
    "take": (lambda a: (np.take(a, [3, -1]), np.take(a, [[2], [0]], axis=1)), M),
    "take modes": (lambda a: (np.take(a, [30, -1], mode="wrap"), a.take([9], 0, None, "clip")), M),
    "take_along_axis": (lambda a: np.take_along_axis(a, np.argsort(a, 1), 1), M),
    "diagonal": (lambda a: [np.diagonal(a, k) for k in range(-3, 5)], M),
    "diagonal axes": (lambda a: np.diagonal(a, 1, -1, 0), B),
    "trace": (lambda a: [np.trace(a, k) for k in range(-3, 5)], M),
    "diag": (lambda v: (np.diag(v, -2), np.diagflat(v, 1)), V),
    "tril triu": (lambda a: [f(a, k) for k in range(-2, 4) for f in (np.tril, np.triu)], M),
    "vander": (lambda v: (np.vander(v, 4), np.vander(v, 3, increasing=True)), V),
    "meshgrid": (lambda v, w: np.meshgrid(v, w[:3]), V, W),
    "meshgrid sparse": (lambda v: np.meshgrid(v, v[:3], indexing="ij", sparse=True), V),
    "linspace": (lambda v: np.linspace(v, 2 * v + 1, 7, axis=1), V),
    "linspace open": (lambda v: np.linspace(v, 5, 4, endpoint=False, retstep=True), V),
    "logspace": (lambda v: np.logspace(v, v + 2, 5, base=3.0), V),
    "geomspace": (lambda v: np.geomspace(v, 3 * v, 5), P),
    "clip": (lambda a, b: (np.clip(a, None, 0.3), np.clip(a, b, 0.5)), M, N),
    "round": (lambda a: (np.round(a, 2), np.around(a), np.fix(a)), M),
    "nan_to_num": (np.nan_to_num, np.array([1.0, np.nan, np.inf, -np.inf])),
    "complex parts": (lambda a: (np.real(a), np.imag(a), np.angle(a), np.conj(a)), C),
    "real parts": (lambda a: (np.real(a), np.imag(a), np.angle(a, deg=True)), M),
    "isreal": (lambda a: (np.isreal(a), np.iscomplex(a)), C),
    "infinities": (lambda a: (np.isposinf(a), np.isneginf(a)), np.array([1.0, np.inf, -np.inf])),
    "sinc": (np.sinc, np.array([-3.3, -1e-9, 0.0, 1e-3, 0.2, 1.0, 7.7])),
    "isclose": (lambda a: np.isclose(a, [1.0, np.nan, np.inf], equal_nan=True), V[:3]),
    "isin": (lambda a: np.isin(a, [0.0, 1.0], invert=True), STEPS),
    "matmul": (lambda a, b: np.matmul(a, b.T), M, N),
    "dot": (lambda a, v: (np.dot(a, v[:4]), np.dot(a, 2.0), a.dot(v[:4])), M, V),
    "vdot": (np.vdot, C, C[::-1]),
    "inner": (np.inner, M, N),
    "outer": (np.outer, V, M),
    "vecdot": (lambda a, b: np.vecdot(a, b, axis=0), C, C[::-1]),
    "tensordot": (lambda a, b: np.tensordot(a, b, ([0], [1])), M, B),
    "kron": (np.kron, M, V),
    "cross": (lambda a, b: np.cross(a, b), B, B[::-1]),
    "einsum": (lambda a, b: np.einsum("ij,kj->ik", a, b), M, N),
    "einsum lists": (lambda a, b: np.einsum(a, [0, 1], b, [2, 1], [2, 0]), M, N),
    "convolve": (lambda v, w: [np.convolve(v, w[:4], m) for m in ("full", "same", "valid")], V, W),
    "convolve longer": (lambda v, w: np.convolve(v[:2], w, "same"), V, W),
    "correlate": (lambda v, w: [np.correlate(v[:n], w[:4], "same") for n in (2, 7)], V, C[0]),
    "diff": (lambda a: (np.diff(a, 2), np.diff(a, axis=0, prepend=0, append=a[:1])), M),
    "ediff1d": (lambda a: np.ediff1d(a, to_end=[1, 2]), M),
    "trapezoid": (lambda a, v: (np.trapezoid(a, dx=0.3), np.trapezoid(a, v[:4])), M, V),
    "gradient": (lambda a: np.gradient(a, 2.0, 0.5, edge_order=2), B[0]),
    "gradient uneven": (lambda a, s: np.gradient(a, s[:4], axis=1), M, S),
    "interp": (lambda x, s, v: np.interp(x, s, v[:6], left=-5), 3 * M, S, V),
    "interp period": (lambda x, s, v: np.interp(x, s, v[:6], period=2.5), 3 * M, S, V),
    "unwrap": (lambda a: (np.unwrap(a), np.unwrap(a, axis=0, period=2.0)), 5 * M),
    "polynomials": (lambda p, x: (np.polyval(p, x), np.polyder(p, 2), np.polyint(p, 2)), V, M),
    "poly sums": (lambda p, q: (np.polyadd(p, q[:3]), np.polysub(p, q[:3])), V, W),
    "poly": (np.poly, V),
    "digitize": (lambda a: (np.digitize(a, [-1, 0, 1]), np.digitize(a, [1, 0], True)), M),
    "histogram edges": (lambda a: np.histogram_bin_edges(a, 5), V),
    "solve": (np.linalg.solve, B, M[:, :2]),
    "inv det": (lambda a: (np.linalg.inv(a), np.linalg.det(a), *np.linalg.slogdet(a)), B),
    "norms": (lambda a: (np.linalg.norm(a), np.linalg.norm(a, 1, 0), np.linalg.norm(a, 2)), M),
    "vector_norm": (lambda a: np.linalg.vector_norm(a, axis=(0, 2), keepdims=True, ord=3), B),
    "matrix_norm": (lambda a: np.linalg.matrix_norm(a, ord=1), B),
    "cholesky": (lambda a: np.linalg.cholesky(a @ a.mT + np.eye(3)), B),
    "eigvalsh": (lambda a: np.linalg.eigvalsh(a + a.mT), B),
    "svdvals": (np.linalg.svdvals, B),
    "qr": (lambda a: tuple(np.linalg.qr(a)), B),
    "matrix_power": (lambda a: np.linalg.matrix_power(a, 3), B),
    "multi_dot": (lambda a: np.linalg.multi_dot([a, a.T, a[:, 0]]), M),
    "linalg names": (
        lambda a: (np.linalg.trace(a), np.linalg.diagonal(a), np.linalg.matrix_transpose(a)),
        B,
    ),
    "like": (lambda a: (np.zeros_like(a), np.ones_like(a, dtype=int), np.full_like(a, 7)), F),
    "like shape": (lambda a: np.zeros_like(a, shape=(2, 2)), F),
    "astype": (lambda a: (np.astype(a, np.float32), a.astype(int)), M),
    "copy": (lambda a: np.copy(a), M),
    "bits": (lambda a: np.packbits(a > 0, axis=1), M),
    "frexp": (lambda a: (*np.frexp(a), *np.modf(a)), M),
}

# The shapes of these results depend on values, which are known to a derivative alone.
BY_VALUE = {
    "nonzero": (lambda a: (*np.nonzero(a > 0), *(a > 0).nonzero(), *np.where(a > 0)), M),
    "argwhere": (lambda a: (np.argwhere(a > 0), np.flatnonzero(a > 0)), M),
    "mask": (lambda a: a[a > 0], M),
    "extract": (lambda a: (np.extract(a > 0, a), np.compress(a[:, 0] > 0, a, axis=0)), M),
    "compress": (lambda a: a.compress([True, False, True], axis=0), M),
    "unique": (lambda a: np.unique(a, True, True, True), STEPS),
    "unique rows": (lambda a: np.unique(np.round(a), axis=0), M),
    "unique_all": (lambda a: (*np.unique_all(a), *np.unique_counts(a)), STEPS),
    "sets": (lambda a: (np.union1d(a, 2 * a), np.intersect1d(a, 2 * a)), STEPS),
    "differences": (lambda a: (np.setdiff1d(a, 2 * a), np.setxor1d(a, 2 * a)), STEPS),
    "trim_zeros": (lambda a: np.trim_zeros(a), np.array([0.0, 1, 0, 2, 0])),
    "histogram": (lambda a, w: np.histogram(a, 5, weights=w**2, density=True), V, W),
    "histogram auto": (lambda a: np.histogram(a, "auto"), V),
    "histogram2d": (lambda a, b: np.histogram2d(a, b, [4, 5], density=True), V, W),
    "bincount": (lambda w: np.bincount([0, 2, 2, 5, 0, 1, 1], w, minlength=9), V),
    "polymul": (lambda p: np.polymul(np.concatenate([[0.0], p]), p), V),
    "polydiv": (lambda p, q: np.polydiv(p, q[:3]), V, W),
    "roots": (np.roots, np.array([0, 0, 1.0, -3, 2, 0, 0])),
    "eig": (lambda a: tuple(np.linalg.eig(a @ a.T)), M),
    "arange": (lambda a: fnp.arange(a[0], 4.0, 0.7), V),
}


@pytest.mark.parametrize("transform", ["jvp", "jit", "vmap"])
@pytest.mark.parametrize("name", STATIC)
def test_static(name, transform):
    function, *args = STATIC[name]
    check(function, *args, transform=transform, rtol=1e-5 if args[0].dtype != np.float64 else 1e-9)


@pytest.mark.parametrize("name", BY_VALUE)
def test_by_value(name):
    function, *args = BY_VALUE[name]
    check(function, *args, rtol=1e-9)


@pytest.mark.parametrize("name", ["nonzero", "mask", "unique", "trim_zeros", "arange"])
def test_by_value_is_refused_while_staging(name):
    function, *args = BY_VALUE[name]
    with pytest.raises(fxad.errors.ConcretizationTypeError, match="known"):
        fxad.jit(function)(*args)


def test_einsum_path_of_tracers_is_that_of_their_shapes():
    wanted = np.einsum_path("ij,jk,k->i", M, N.T, V[:3], optimize="optimal")

    def f(a, b, c):
        found = np.einsum_path("ij,jk,k->i", a, b, c, optimize="optimal")
        assert found == wanted
        assert fnp.einsum_path(a, [0, 1], b, [1, 2])[0] == ["einsum_path", (0, 1)]
        return np.sum(np.einsum("ij,jk,k->i", a, b, c, optimize=found[0]))

    assert np.isclose(fxad.jit(f)(M, N.T, V[:3]), np.sum(M @ N.T @ V[:3]))
    np.testing.assert_allclose(fxad.grad(f)(M, N.T, V[:3]), np.tile(N.T @ V[:3], (3, 1)))
