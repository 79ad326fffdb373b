"""Calls of averages, covariances and order statistics."""

# fmt: off
# ruff: noqa: F403, F405

import numpy as np

from tests.numpy.samples.call import call, rough, wrong, wrong_by_value
from tests.numpy.samples.data import *

_METHODS = (
    "inverted_cdf", "averaged_inverted_cdf", "closest_observation", "interpolated_inverted_cdf",
    "hazen", "weibull", "linear",
    "median_unbiased", "normal_unbiased", "lower", "higher", "midpoint", "nearest",
)
_Q = np.array([0.1, 0.5, 0.93])

MEDIAN = [
    call(V), call(M), call(X0), call([1.0, X0, 3.0]), call([3, 1, 2, 2]), call(M, 0),
    call(M, axis=-1), call(B, axis=(0, 2)), call(B, (1, -1), keepdims=True),
    call(M, axis=1, keepdims=True), call(M, keepdims=True), call(F), call(F, 0), rough(I),
    rough(I, 1), rough(T, 0), rough(T), rough(HOLES), rough(HOLES, 0),
    rough(HOLES, axis=1, keepdims=True), rough(SPECIAL), rough(SPECIAL.reshape(2, 5), 1),
    rough(GRID, 1), rough(STEPS), call(V7), call(M, 0, None, False), call(H, 0), rough(C, 0),
    rough(C), wrong(M, 2), wrong(M, (0, 0)), wrong(M, 1.0), call(E0), call(np.ones((0, 3)), 0),
    call(np.ones((2, 0)), 1), call(E, 1), call(np.full((2, 3), np.nan), 1),
    rough(np.array([np.nan, 1.0, 2.0])), rough(U8, 0), rough(I8), call(B, axis=[0, 1]),
    call(B, axis=()), rough(np.array([[np.inf, 1, np.nan], [2, np.inf, 3]]), 1),
]
QUANTILE = [
    call(V, 0.3), call(M, 0.5), call(M, 0.3, 0), call(M, 0.25, axis=-1), call(M, [0.1, 0.9]),
    call(M, [0.0, 0.5, 1.0], axis=1), call(M, (0.2, 0.4), 0, keepdims=True),
    call(M, 0.3, keepdims=True), call(B, 0.4, axis=(0, 2)),
    call(B, [0.4, 0.1], axis=(0, -1), keepdims=True), call(M, [[0.1, 0.2], [0.7, 0.8]], 1),
    call(X0, 0.5), call([1.0, X0, 3.0], 0.2), call([3, 1, 2], 0.2), call(F, 0.3),
    call(F, [0.3, 0.7], 0), call(F, np.float64(0.3)), call(F, np.array([0.2, 0.6]), axis=1),
    call(F, np.float32(0.3)), call(F, [0.3], method="midpoint"), call(F, 0.4, method="midpoint"),
    call(F, np.float32(0.3), method="averaged_inverted_cdf"), rough(I, 0.3),
    rough(I, [0.25, 0.5], 0),
    rough(T, 0.5, method="nearest"), rough(M, _Q), rough(M, _Q, axis=1), rough(V, np.array(0.37)),
    rough(V, np.float64(0.37)), rough(HOLES, 0.5), rough(HOLES, 0.3, 0),
    rough(HOLES, [0.2, 0.7], axis=1, keepdims=True), rough(SPECIAL, 0.4), rough(GRID, 0.3, 1),
    rough(V, 0), rough(V, 1), rough(V, 0.0), rough(V, 1.0), call(V7, 0.5), call(H, 0.3),
    wrong(E0, 0.5), wrong(np.ones((2, 0)), 0.5, 1), wrong(M, 1.5), wrong(M, -0.1),
    wrong(M, [0.5, 1.2]), wrong(M, 0.5, 2), wrong(M, 0.5, (0, 0)), wrong(M, 0.5, 1.0),
    wrong(C, 0.5), wrong(M, 0.5j), wrong(M, 0.5, method="unknown"),
    call(M, 0.5, 0, None, False, "lower"), wrong(M),
    *[call(M, 0.3, axis=0, method=m) for m in _METHODS],
    *[rough(M, [0.0, 0.25, 0.5, 0.77, 1.0], axis=1, method=m) for m in _METHODS],
    *[rough(I, 0.4, axis=1, method=m) for m in _METHODS],
    *[rough(F, 0.4, axis=1, method=m) for m in _METHODS],
    *[rough(V7, [0.02, 0.98, 0.5], method=m) for m in _METHODS],
    call(np.full((2, 3), np.nan), 0.5, 1),
    rough(np.array([[np.inf, 1, np.nan], [2, np.inf, 3]]), 0.3, 1),
    rough(M, 0.4, weights=A, method="inverted_cdf"), wrong(M, 0.4, weights=A),
    rough(V, 0.4, weights=[1, 2, 3, 4], method="inverted_cdf"),
    rough(M, 0.4, axis=0, weights=A, method="inverted_cdf", keepdims=True),
    rough(M, 0.5, axis=0, weights=P, method="inverted_cdf"),
    wrong_by_value(M, 0.4, weights=-A, method="inverted_cdf"),
    wrong(M, 0.4, 0, weights=AV, method="inverted_cdf"),
    rough(np.array([np.inf, -np.inf, 1.0, 2.0]), 0.3), rough(V, True),
    wrong(V, 0.5, interpolation="lower"),
]
PERCENTILE = [
    call(V, 30), call(M, 50), call(M, 30, 0), call(M, 25.5, axis=-1), call(M, [10, 90]),
    call(M, [0.0, 50, 100], axis=1), call(M, (20, 40), 0, keepdims=True),
    call(M, 30, keepdims=True), call(B, 40, axis=(0, 2)),
    call(B, [40, 10], axis=(0, -1), keepdims=True), call(X0, 50), call([1.0, X0, 3.0], 20),
    call(F, 30), call(F, [30, 70], 0), rough(I, 30), rough(I, [25, 50], 0),
    rough(M, 100 * _Q, axis=1), rough(HOLES, 30, 0), rough(HOLES, [20, 70], axis=1, keepdims=True),
    rough(SPECIAL, 40), rough(V, 0), rough(V, 100), wrong(E0, 50), wrong(M, 101), wrong(M, -1),
    wrong(M, 50, 2), wrong(C, 50), wrong(M, 50, method="unknown"),
    call(M, 40, 0, None, False, "higher"), *[rough(M, 30, axis=0, method=m) for m in _METHODS],
    rough(M, 40, weights=A, method="inverted_cdf"), rough(F, np.array([20, 60])),
    rough(T, 50, method="nearest"), rough(M, np.array([20, 60]), 1), rough(M, np.int64(30), 1),
    rough(M, np.float32(30), 1), rough(F, np.float64(30), 1),
]
AVERAGE = [
    call(V), call(M), call(X0), call([1.0, X0]), call([1, 2, 4]), call(M, 0), call(M, axis=-1),
    call(B, axis=(0, 2)), call(M, axis=1, keepdims=True), call(F), rough(I), rough(I, 1),
    call(C, 0), rough(T), call(M, 0, A), call(M, None, A), call(M, weights=A), call(M, 1, AV),
    call(M, axis=0, weights=[1, 2, 3]), call(M, axis=1, weights=AV, keepdims=True),
    call(V, weights=[1, 2, 3, 4]), call(V, weights=AV, returned=True), call(M, 0, A, True),
    call(M, returned=True), call(M, 1, returned=True, keepdims=True),
    call(M, weights=A, returned=True, keepdims=True), rough(I, 1, IV + 20), rough(I, 1, AV),
    call(F, 1, AV), call(F, 1, FV), call(F, 0, [1, 2, 3]), call(M, 0, P), call(C, 1, AV),
    call(M, 1, CV), call(V, 0, X0 * V), call(B, (0, 2), A[:2]), call(B, axis=(1, 2), weights=A),
    call(B, axis=(2, 1), weights=A.T), call(B, 1, np.abs(B)), rough(T, 0, A), rough(T, weights=T),
    wrong(M, weights=V), wrong(M, 0, V), wrong(M, 2), wrong(M, 0, A[:2]),
    wrong_by_value(V, weights=np.zeros(4)), wrong_by_value(M, 1, weights=[1, -1, 1, -1]),
    rough(HOLES, 0), rough(HOLES, 1, AV), wrong(M, 1.0), wrong(B, 0, A), rough(M, 0, T * 1.0 + 0.1),
    rough(I8, 1, weights=U8[0] + 1), call(F, weights=A, returned=True),
    call(a=M, axis=0, weights=A),
]
COV = [
    call(M), call(V), call(M, N), call(V, W), call(M, V), call(M, rowvar=False),
    call(M.T, N.T, False), call(M, bias=True), call(M, None, True, True), call(M, ddof=0),
    call(M, ddof=2), call(M, ddof=1, bias=True), call(X0), call([1.0, X0]),
    call([[1, 2, 3], [5, 1, 2]]), call([[1.0, X0, 3.0], [5, 1, 2]]), call(F), rough(I), call(C),
    call(C, M), call(CV), call(M, fweights=[1, 2, 3, 4]), call(M, aweights=AV),
    call(M, fweights=[1, 2, 1, 1], aweights=AV), call(M, aweights=AV, bias=True),
    call(M, aweights=AV, ddof=0), call(M, dtype=np.float32), call(F, dtype=np.float64),
    call(M, rowvar=False, aweights=[0.5, 1, 2]), call(M, V[None]), call(V[None]),
    call(V[:, None], rowvar=False), call(E0), rough(HOLES), wrong(B), wrong(M, B),
    wrong(M, aweights=A), wrong_by_value(M, aweights=-AV), wrong(M, fweights=[1.5, 1, 1, 1]),
    wrong(M, fweights=[-1, 1, 1, 1]), wrong(M, fweights=[1, 2]), wrong(M, aweights=[0.5, 1]),
    wrong(M, ddof=0.5), wrong(M, V[:2]), call(M, fweights=np.array([1, 2, 3, 4])), call(M, ddof=9),
    rough(T), call(m=M, y=N),
]
CORRCOEF = [
    call(M), call(V), call(M, N), call(V, W), call(M, V), call(M, rowvar=False),
    call(M.T, N.T, False), call(X0), call([[1.0, X0, 3.0], [5, 1, 2]]), call(F), rough(I), call(C),
    call(CV), call(M, dtype=np.float32), call(F, dtype=np.float64), rough(HOLES), wrong(B),
    call(x=M), rough(np.ones((2, 3))), call(C, N), wrong(M, V[:2]), rough(E0),
]

SAMPLES = {
    "average": AVERAGE,
    "cov": COV,
    "corrcoef": CORRCOEF,
    "median": MEDIAN,
    "nanmedian": over_holes(MEDIAN),
    "quantile": QUANTILE,
    "nanquantile": over_holes(s for s in QUANTILE if np.size(s.args[0])),
    "percentile": PERCENTILE,
    "nanpercentile": over_holes(s for s in PERCENTILE if np.size(s.args[0])),
}
