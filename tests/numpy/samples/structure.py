"""Calls of sets, histograms, padding, bits, windows, updates and functions of functions."""

# fmt: off
# ruff: noqa: F403, F405

from dataclasses import replace

import numpy as np

from tests.numpy.samples.call import Call, by_value, call, rough, wrong, wrong_by_value
from tests.numpy.samples.data import *

_ORDER = np.argsort(M, 1)
_BITS = np.array([[1, 0, 1, 1, 0, 0, 0, 1, 1], [0, 0, 1, 0, 0, 0, 0, 0, 1]], np.uint8)

UNIQUE = [
    by_value(STEPS), by_value(GRID), by_value(I), by_value(T), by_value(C), by_value(M),
    by_value([2.0, X0, 2.0]), call([2, 1, 2]), by_value(X0), by_value(HOLES), by_value(SPECIAL),
    by_value(E0), by_value(F),
]
_TIES = [
    by_value(STEPS, GRID), by_value(STEPS, STEPS + 1), by_value(IV, I), by_value([1.0, X0], [1, 2]),
    call([1, 2], [2, 3]), by_value(M, N), by_value(STEPS, [1.0, 2.0]), by_value(GRID, STEPS),
    by_value(E0, STEPS), by_value(I, M), by_value(X0, STEPS), by_value(F[0], V), by_value(T, TV),
    by_value(HOLES[0], HOLES[1]),
]
PAIRS = [replace(s, rough=True) for s in _TIES]
WIDTHS = [
    call(V, 2), call(V, (1, 2)), call(V, [(1, 2)]), call(M, 1), call(M, ((1, 2), (0, 3))),
    call(M, (1, 2)), call(M, 0), call(X0, 1), call([1.0, X0], 1), call([1, 2], 1), rough(I, 1),
    rough(T, 1), call(F, 1), call(C, ((0, 1), (2, 0))), call(B, ((0, 0), (1, 0), (0, 2))),
    call(E0, 2), wrong(V, -1), wrong(V, 1.5), wrong(M, ((1, 2), (0, 3), (1, 1))),
]
PAD = [
    *WIDTHS, call(M, 1, "constant", constant_values=2.5), call(M, 1, constant_values=(1, 2)),
    call(M, 1, constant_values=((1, 2), (3, 4))), call(M, 1, constant_values=X0),
    rough(I, 1, constant_values=2.7), call(F, 1, constant_values=2.5),
    call(F, 1, constant_values=X0), call(M, {0: (1, 2)}), call(M, {-1: 2}), call(M, 2, "edge"),
    call(V, (2, 3), "edge"), call(V, 2, "reflect"), call(V, 9, "reflect"),
    call(V, 9, mode="symmetric"), call(V, 9, "wrap"), call(M, ((3, 7), (9, 2)), "wrap"),
    call(M, ((3, 7), (9, 2)), "reflect", reflect_type="odd"),
    call(M, 2, "symmetric", reflect_type="odd"), call(M, 2, "symmetric", reflect_type="even"),
    call(V, (2, 3), "linear_ramp"), call(M, 2, "linear_ramp", end_values=(5, -4)),
    call(M, 2, "linear_ramp", end_values=((5, -4), (X0, 1))),
    rough(I, 2, "linear_ramp", end_values=(5, -4)), call(M, 2, "maximum"),
    call(M, 2, "minimum", stat_length=2), call(M, 2, "mean"),
    call(M, (1, 2), "mean", stat_length=((1, 2), (3, 4))), call(M, 2, "median"),
    call(M, 2, "median", stat_length=(2, 3)), rough(I, 2, "mean"), rough(I, 2, "median"),
    rough(I, 1, "maximum"), rough(I, 1, "edge"), rough(I, 1, "wrap"), call(F, 2, "mean"),
    rough(T, 1, "edge"), call(V, 0, "empty"), wrong(M, 1, "unknown"), wrong(E0, 1, "edge"),
    wrong(E0, 1, "reflect"), wrong(M, 1, "edge", constant_values=1),
    call(M, 1, "mean", stat_length=0), call(V[:1], 3, "reflect"), call(V[:1], 3, "symmetric"),
    call(C, 1, "mean"), call(C, 1, "edge"), call(M, 1, "maximum", stat_length=1),
    wrong(M, 1, nonsense=1), rough(I, 2, "mean", stat_length=2), call(H, 1, "mean"),
    rough(U8, 2, "linear_ramp"),
]
HISTOGRAM = [
    call(M), call(M, 4), call(M, bins=4, range=(-2, 2)), call(M, S), call(M, [-1.0, 0.0, 1.0]),
    by_value(V7, "auto"), by_value(V7, "fd"), by_value(V7, bins="sturges"), call(M, 4, weights=A),
    call(M, 4, density=True), call(M, [-1, 0, 1], weights=A),
    call(M, [-1, 0, 1], weights=A, density=True), call(I, 4), call([1.0, X0], 3),
    call([1, 2, 1], 3), call(F, 3), call(E0, 3), call(M, 4, weights=P), call(M, 4, weights=C),
    wrong(M, 0), wrong(M, [1.0, 0.0]), wrong(M, 4, weights=V), wrong(M, 4, range=(2, 1)),
    wrong(M, "unknown"), wrong_by_value(HOLES, 3), call(M, [0.0, 0.5, 4.0], density=True),
    wrong(M, 2.5), rough(np.ones(4), 3), wrong(M, [[0.0, 1.0]]), call(M, 4, (-2.0, 2.0)),
    call(M, 3, (-2.0, 2.0), True), call(T, 2),
]
TWO = [
    call(V, W), call(V, W, 4), call(V, W, [3, 4]), call(V, W, bins=[S, 3]),
    call(V, W, [[-1.0, 0.0, 2.0], [-2.0, 1.0]]), call(V, W, [-1.0, 0.0, 2.0]),
    call(V, W, 3, weights=AV), call(V, W, 3, density=True), call(V, W, 3, [[-2, 2], [-1, 1]]),
    call(V, W, 3, [[-2, 2], [-1, 1]], True, AV), call([1.0, X0], [2, 3], 2), wrong(V, U),
    call(V, W, [2, 3, 4]), wrong(V, W, 0),
]
MANY = [
    call(M, 2), call(M.T, 3), call(M.T, [2, 3, 4]), call((V, W), [[-1.0, 0.0, 2.0], [-2.0, 1.0]]),
    call((V, W), 3), call(V, 3), call(M.T, 2, density=True), call(M.T, 2, weights=AV),
    call(M.T, 2, [(-2, 2)] * 3), wrong(M, [2, 3]), wrong(M, 0), call(np.stack([V, W], 1), (3, 4)),
]
ALONG = [
    call(np.sum, 0, M), call(np.sort, 1, M), call(lambda v: v * 2, -1, M),
    call(lambda v: v[0] - v[-1], 0, M), call(lambda v: np.outer(v, v), 1, M),
    call(lambda v, k, b=0: v * k + b, 1, M, 2.0, b=1.0), call(np.cumsum, 1, B),
    call(np.linalg.norm, 0, V), rough(np.max, 0, I), call(np.mean, 0, [[1, 2], [3, 5]]),
    call(np.mean, 0, [[1.0, X0], [3, 5]]), call(lambda v: 1.5, 0, M), wrong(np.sum, 2, M),
    call(np.diff, 0, F), call(lambda v: v.sum(), 0, C), wrong(np.sum, 0, X0),
]
OVER = [
    call(np.sum, M, 0), call(np.sum, B, [0, 2]), call(np.sum, B, (0, -1)), call(np.mean, M, 1),
    rough(np.max, I, [0]), wrong(np.sum, M, 2), call(lambda a, d: a.sum(d), B, [1]),
    call(np.cumsum, M, [0, 1]),
]

SAMPLES: dict[str, list[Call]] = {
    "unique": [
        *UNIQUE, by_value(STEPS, True), by_value(STEPS, True, True, True),
        by_value(GRID, return_inverse=True), by_value(GRID, return_counts=True, axis=1),
        by_value(GRID, axis=0), by_value(np.stack([V, W, V]), axis=0),
        by_value(np.stack([V, W, V]), True, True, True, axis=0), by_value(HOLES, equal_nan=False),
        by_value(B, axis=-1), wrong(M, axis=2), by_value(I, return_inverse=True, axis=1),
        by_value(E, axis=1), call([2, 1, 2], return_counts=True), by_value(GRID, True, axis=0),
        by_value(STEPS),
    ],
    "unique_all": UNIQUE,
    "unique_counts": UNIQUE,
    "unique_inverse": UNIQUE,
    "unique_values": UNIQUE,
    "union1d": PAIRS,
    "setdiff1d": PAIRS,
    "setxor1d": [*PAIRS, by_value(np.unique(STEPS), np.unique(GRID), assume_unique=True)],
    "intersect1d": [
        *PAIRS, by_value(np.unique(STEPS), np.unique(GRID), assume_unique=True),
        by_value(STEPS, GRID, return_indices=True), by_value(STEPS, GRID[0], False, True),
    ],
    "histogram": HISTOGRAM,
    "histogram2d": TWO,
    "histogramdd": MANY,
    "histogram_bin_edges": [s for s in HISTOGRAM if "density" not in s.kwargs and len(s.args) < 4],
    "pad": PAD,
    "packbits": [
        rough(_BITS), rough(_BITS, 1), rough(_BITS, axis=0), rough(_BITS, -1, "little"), rough(T),
        rough(T, 1), rough(I, 1), rough(np.uint8(1)), wrong(M), wrong(_BITS, 2),
        wrong(_BITS, 1, "unknown"), call([1, 0, 1]), rough(U8, axis=0),
    ],
    "unpackbits": [
        rough(U8), rough(U8, 1), rough(U8, axis=0), rough(U8, -1, bitorder="little"),
        rough(U8, 1, 5), rough(U8, axis=1, count=40), rough(U8, 1, -3), rough(U8, count=7),
        wrong(M), wrong(I), wrong(U8, 2), wrong(U8, bitorder="unknown"), rough(U8[0]),
        wrong(U8, 1, -99),
    ],
    "bartlett": [call(5), call(1), call(0), call(4), call(-1), call(2.5)],
    "blackman": [call(5), call(1), call(0), call(4), call(-1), call(2.5)],
    "hamming": [call(5), call(1), call(0), call(4), call(-1), call(2.5)],
    "hanning": [call(5), call(1), call(0), call(4), call(-1), call(2.5)],
    "kaiser": [call(5, 2.0), call(1, 1.0), call(0, 1.0), call(4, 0), call(M=5, beta=14)],
    "put": [
        wrong(I8, [0, 1], 300), rough(I8, [0, 1], 100),
        call(V, [0, 2], [5.0, 6.0]), call(M, [0, 5], 1.5), call(M, 3, X0), call(M, [0, -1], [1, 2]),
        call(M, [0, 1, 2], [5, 6]), call(M, [[0, 1], [2, 3]], V), rough(I, [0, 1], [2, 3]),
        rough(I, [0], 2.7), call(V, [9, -9], [1, 2], mode="wrap"),
        call(V, [9, -9], [1, 2], mode="clip"), call(F, [0], X0), call(V, np.array([1, 2]), W[:2]),
        wrong(V, 4, 1.0), wrong(V, [0], [1.0], mode="unknown"), call(V, [], []), call(X0, 0, 2.0),
        rough(V, [1, 1], [5.0, 6.0]),
    ],
    "put_along_axis": [
        wrong(I8, np.array([[0], [1], [2]]), 300, 1), rough(I8, np.array([[0], [1], [2]]), 100, 1),
        call(M, _ORDER, N, 1), call(M, np.array([[0], [1], [2]]), 5.0, 1),
        call(M, np.array([[2, 0, 1, 1]]), V, 0), call(M, np.array([1, 5, -1]), 2.5, None),
        rough(I, _ORDER, 7, 1), call(V, np.array([1, 0]), [5, 6], 0), call(M, _ORDER, X0, axis=-1),
        wrong(M, _ORDER, N, 2), wrong(M, np.array([0, 1]), 1.0, 1),
        wrong(M, np.array([[9]]), 1.0, 1), call(F, _ORDER, M, 1),
    ],
    "place": [
        by_value(M, T, [1.0, 2.0]), by_value(M, M > 0, [X0]), by_value(V, TV, W),
        by_value(I, T, [7]), call(V, [True, False, True, False], [1.0]), by_value(M, T, 5.0),
        wrong(M, TV, [1.0]), wrong_by_value(M, T, []), call(V, [False] * 4, []),
        by_value(F, T, [X0]), call(V, [1, 0, 1, 0], W),
    ],
    "fill_diagonal": [
        wrong(I8, 300), rough(I8, 100),
        call(Q, 5.0), call(M, 5), call(Q, X0), call(Q, U), call(M, [1, 2, 3]), call(M.T, 5.0),
        call(np.ones((7, 3)), 5.0, True), call(np.ones((7, 3)), [1.0, 2.0]),
        call(np.stack([Q, Q, Q]), 2.0), rough(I, 7), rough(I, 2.7), wrong(V, 1.0), wrong(B, 1.0),
        call(F, X0), call(M, U, wrap=True), call(Q, M),
    ],
    "apply_along_axis": ALONG,
    "apply_over_axes": OVER,
    "vectorize": [
        call(lambda x: 2 * x, M), call(lambda x, y: x - y, M, V), call(lambda x: x, X0),
        call(lambda x, y: x * y, [1.0, X0], 2), call(lambda x: 2 * x, [1, 2]),
        rough(lambda x: x + 1, I), call(lambda x: (x, 2 * x), V),
        call(lambda x, k=1: k * x, V, excluded={"k"}),
        call(lambda a, b: a @ b, M, V, signature="(n),(n)->()"),
        call(lambda a: a[::-1], M, signature="(n)->(n)"), call(lambda x: x * 1.5, F),
        wrong(lambda x, y: x - y, M, U), call(lambda x: x, M, otypes=[float]),
        call(lambda x: 2 * x, V, otypes="f"),
        call(lambda a, b: np.outer(a, b), V, U, signature="(n),(m)->(n,m)"),
        wrong(lambda a, b: a @ b, M, U, signature="(n),(n)->()"),
        call(lambda x, y: x - y, M, y=V), call(lambda x, y: x - y, y=M, x=V),
        call(lambda x, y: (x * y.sum(), x - y), M, V, signature="(),(n)->(),(n)"),
        wrong(lambda x: (x, x), V, signature="(n)->(n)"),
        wrong(lambda x: x, V, signature="(n)->()"), wrong(lambda x: x, V, signature="()->(n)"),
        wrong(lambda x: x[:2], V, signature="(n)->(n)"),
        wrong(lambda x, y: x + y, V, W, signature="(n),(n)->(n),(n)"),
    ],
    "fromfunction": [
        call(lambda i, j: i + j, (2, 3)), call(lambda i, j: i == j, (2, 2), dtype=int),
        call(lambda i: i * 2.5, (3,)), call(lambda i: 7, (3,)),
    ],
    "fromiter": [
        call([1.0, 2.0], float), call([1, 2, 3], dtype=int), call([1, 2, 3], int, 2),
        wrong([1], int, 2),
    ],
    "frombuffer": [
        call(b"\x01\x02\x03\x04", np.uint8), call(b"\x01\x02\x03\x04", dtype=np.int16),
        call(b"\x01\x02\x03\x04", np.uint8, 2, 1), wrong(b"\x01", float),
    ],
    "fromstring": [
        call("1 2 3", sep=" "), call("1,2", int, sep=","), call("1 2 3", float, 2, sep=" "),
    ],
    "fromfile": [call(__file__, np.uint8, 5), call(__file__, dtype=np.uint8, count=3, offset=2)],
}
