"""Calls of reductions, running reductions and those that pass over NaN."""

# fmt: off
# ruff: noqa: F403, F405

import numpy as np

from tests.numpy.samples.call import by_value, call, rough
from tests.numpy.samples.data import *

#: Calls of whatever reduces along axes.
AXES = [
    call(V), call(M), call(X0), call(np.float64(0.3)), call(2.5), call([1.0, X0]), call([M, N]),
    call([[1, 2], [3, 5]]), call(M, 0), call(M, -1), call(M, axis=1), call(B, axis=(0, 2)),
    call(B, (-1, 0)), call(B, axis=(1,)), call(M, axis=None), call(M, keepdims=True),
    call(M, 0, keepdims=True), call(B, axis=(0, 1), keepdims=True), call(X0, keepdims=True),
    call(X0, axis=()), call(M, axis=()), call(B, axis=[0, 1]), call(F), call(F, 0), call(FV),
    call(C), call(C, axis=0), call(C64), rough(I), rough(I, axis=0), rough(I32), rough(I8, axis=1),
    rough(U8), rough(T), rough(T, axis=1), call(H, axis=1), call(np.ones((2, 0, 3)), axis=0),
    call(np.ones((2, 0, 3)), axis=2), rough(SPECIAL), rough(SPECIAL.reshape(5, 2), axis=1),
    rough(SPECIAL32), call(B.T, axis=0), call(B[:, ::-1], axis=1), call(E, axis=0), call(E, axis=1),
    call(E), call(E0), call(M, axis=2), call(M, axis=-3), call(M, axis=(0, 0)),
    call(V, axis=(0, -1)), call(M, axis=1.0), call(M, 0, out=None), call(X0, axis=0),
    call(X0, axis=-1), call(X0, axis=1), call(X0, axis=(0,)), by_value(M, axis=np.int64(1)),
    call(a=M, axis=0), call(M, nonsense=1), call(M, axis="x"), rough(HOLES), rough(HOLES, axis=0),
    rough(HOLES, axis=1, keepdims=True), rough(GRID), rough(GRID, axis=1),
    rough(np.full((2, 3), np.nan), axis=0), rough(C * np.where(np.eye(3, 4), np.nan, 1), axis=1),
    rough(np.zeros(3)), call(B, axis=(0, 1, 2)), call(B, axis=2.5),
]
WHERE = [
    call(M, where=T), call(M, where=T, axis=0), call(M, where=TV),
    call(M, where=TV, axis=1, keepdims=True), call(M, where=[True, False, True, True]),
    call(M, where=T[:1], axis=1), call(M, where=True), call(M, where=False), call(M, where=M),
    call(M, where=T[:, :2]), call(C, where=T), rough(I, where=T), call(V, where=T),
    call(M, where=np.array(True)),
]
INITIAL = [
    call(M, initial=2.5), call(M, axis=0, initial=2), call(F, initial=2.5), call(F, initial=1),
    call(F, axis=1, initial=np.float64(2.5)), rough(I, initial=3), rough(I, initial=2.5),
    rough(I32, initial=7), rough(T, initial=1), call(E, axis=0, initial=1.5), call(E, initial=0),
    call(M, initial=X0), call(M, initial=2j), call(M, initial=2.5, where=T),
    call(M, axis=0, initial=-1, where=TV), rough(I, initial=1, where=T),
    rough(U8, initial=3, axis=0), call(M, initial=None), call(C, initial=1), call(M, initial=V),
    rough(I8, initial=300), rough(M, initial=np.inf), rough(M, initial=-np.inf),
    rough(M, initial=np.nan),
]
DTYPE = [
    call(M, dtype=np.float64), call(M, dtype=np.float32), call(F, dtype=np.float64),
    call(F, dtype=float, axis=0), rough(I, dtype=float), rough(I, dtype=np.int8),
    rough(I8, dtype=np.int8), rough(T, dtype=float), rough(T, dtype=np.int32),
    call(M, dtype=complex), call(C, dtype=np.complex64), rough(M, dtype=int),
    rough(M, dtype="f4", axis=1), call(M, 0, np.float32), call(C, dtype=float),
    rough(T, dtype=bool), rough(U8, dtype=np.uint16, axis=0), call(H, dtype=np.float32),
    call(F, dtype=np.float16),
]
DDOF = [
    call(M, ddof=1), call(M, axis=0, ddof=2), call(M, axis=1, ddof=0.5), call(M, correction=1),
    call(V, ddof=5), call(M, 0, None, None, 1), call(M, 0, None, None, 1, True),
    call(M, ddof=1, where=T), call(M, axis=0, ddof=1, where=TV),
    call(M, axis=0, mean=M.mean(0, keepdims=True)), call(M, mean=M.mean(keepdims=True), ddof=1),
    call(M, axis=0, keepdims=True, mean=M.mean(0, keepdims=True), where=T), call(C, axis=1, ddof=1),
    call(F, ddof=1), rough(I, ddof=1), call(M, correction=1, ddof=1),
    rough(np.ones((2, 3)), axis=1), call(M, axis=(0, 1), ddof=1),
    call(C, axis=0, mean=C.mean(0, keepdims=True)),
]
WHICH = [
    call(V), call(M), call(X0), call(M, 0), call(M, axis=-1), call(M, axis=1, keepdims=True),
    call(M, keepdims=True), call(B, 1), call([[1, 5, 2], [7, 0, 1]]), call([M, N], 0), rough(STEPS),
    rough(GRID, 0), rough(GRID, 1), rough(I, 1), rough(T, 0), rough(T), call(F), rough(SPECIAL),
    rough(HOLES), rough(HOLES, 0), rough(HOLES, axis=1, keepdims=True), rough(C, 0), rough(C),
    rough(np.array([1 + 2j, 1 + 3j, 1 - 1j])), call(E, 0), call(E, 1), call(E0), call(M, 2),
    call(M, (0, 1)), call(M, 0, None), call(M, axis=None, keepdims=True), call(X0, keepdims=True),
    call(X0, 0), call(X0, axis=1), rough(np.array([np.nan, 1 + 1j])), rough(np.full(3, np.nan)),
    rough(np.full((2, 2), -np.inf)), rough(U8), call(M, 1.0), call(np.ones((0, 3)), axis=1),
    rough(np.where(np.eye(3, dtype=bool), np.inf, np.nan), 0),
    rough(np.array([[np.nan, -np.inf], [np.nan, np.nan]]), 1),
]
RUNNING = [
    call(V), call(M), call(X0), call(2.5), call(M, 0), call(M, axis=-1), call(B, axis=1),
    call([1.0, X0]), call([1, 2, 3]), call(F, 0), call(FV), call(C, 1), call(C64), rough(I),
    rough(I8, 0), rough(U8), rough(T, axis=1), rough(T), call(E, 0), call(E, 1), call(E), call(E0),
    rough(SPECIAL), rough(HOLES, 1), rough(HOLES), call(M, 2), call(M, (0, 1)),
    call(M, axis=None, dtype=np.float32), call(M, 1, np.float32), call(F, dtype=float),
    rough(I, dtype=float), rough(I8, dtype=np.int8), rough(M, dtype=int), call(M, 0, None, None),
    call(H), call(M, dtype=complex), call(X0, 0), call(X0, axis=1),
    rough(np.array([0.0, 1.0, 2.0])), rough(np.array([1.0, 0.0, 2.0, 0.0, 3.0])),
    call(M, keepdims=True), rough(np.full((2, 2), np.nan), 0),
    rough(C * np.where(np.eye(3, 4), np.nan, 1), 0),
]
CUMULATIVE = [
    call(V), call(M, axis=0), call(M, axis=-1), call(B, axis=1, include_initial=True),
    call(V, include_initial=True), call(V, dtype=np.float32),
    call(F, axis=0, dtype=float, include_initial=True), rough(I, axis=1),
    rough(I8, axis=1, include_initial=True), rough(T, axis=0), call(C, axis=0), call(M),
    call(M, axis=3), call(V, 0), call(E0), call(E, axis=0, include_initial=True), call(X0),
    call([1.0, X0]), call([1, 2]), call(V, axis=None),
]
BOOLEAN = [*AXES, *WHERE, call(M, dtype=float), call(M, initial=1)]
COUNT = [
    *AXES, call(M, 0), call("abc"), call([T, T]), rough(GRID, axis=(0, 1)), rough(GRID > 0, 0),
    call(M, where=T),
]
MEAN = [*AXES, *WHERE, *DTYPE]
NAN_OF = over_holes([*AXES, *WHERE, *INITIAL])

SAMPLES = {
    "sum": [*AXES, *WHERE, *INITIAL, *DTYPE],
    "prod": [*AXES, *WHERE, *INITIAL, *DTYPE],
    "max": [*AXES, *WHERE, *INITIAL],
    "amax": [*AXES, *WHERE, *INITIAL],
    "min": [*AXES, *WHERE, *INITIAL],
    "amin": [*AXES, *WHERE, *INITIAL],
    "ptp": [*AXES, call(M, initial=0)],
    "any": BOOLEAN,
    "all": BOOLEAN,
    "count_nonzero": COUNT,
    "mean": MEAN,
    "var": [*MEAN, *DDOF],
    "std": [*MEAN, *DDOF],
    "argmax": WHICH,
    "argmin": WHICH,
    "cumsum": RUNNING,
    "cumprod": RUNNING,
    "cumulative_sum": CUMULATIVE,
    "cumulative_prod": CUMULATIVE,
    "nansum": [*NAN_OF, *DTYPE],
    "nanprod": [*NAN_OF, *DTYPE],
    "nanmax": NAN_OF,
    "nanmin": NAN_OF,
    "nanmean": over_holes(MEAN),
    "nanvar": over_holes([*MEAN, *DDOF]),
    "nanstd": over_holes([*MEAN, *DDOF]),
    "nanargmax": WHICH,
    "nanargmin": WHICH,
    "nancumsum": over_holes(RUNNING),
    "nancumprod": over_holes(RUNNING),
}

PARTIAL = SAMPLES.keys()
