"""Calls of functions that choose, order and compare elements."""

# fmt: off
# ruff: noqa: F403, F405

import numpy as np

from tests.numpy.samples.call import by_value, call, rough, wrong, wrong_by_value
from tests.numpy.samples.data import *

_I2 = np.array([[0, 2], [1, -1]])
_ORDER = np.argsort(M, 1)

SORT = [
    call(V), call(M), call(M, 0), call(M, axis=1), call(M, axis=None), call(M, -1), call(B, 1),
    call([2.0, X0]), call([3, 1, 2]), rough(I), rough(I, 0), rough(T), call(F), call(C),
    rough(SPECIAL), rough(HOLES, 0), rough(STEPS), rough(GRID, 1, kind="stable"),
    call(M, kind="quicksort"), call(M, 1, "mergesort"), call(M, kind="heapsort"),
    call(M, stable=True), call(M, stable=False), call(E, 0), call(E, 1), call(E0),
    rough(np.array([1 + 2j, 1 + 1j, 0 + 5j, np.nan])), rough(U8, 0), wrong(X0), wrong(M, 2),
    wrong(M, 1.0), wrong(M, (0, 1)), wrong(M, kind="unknown"), wrong(M, kind="stable", stable=True),
    call(a=M, axis=0), wrong(2.0), call(X0, None), rough(HOLES), call(H), wrong(M, order="x"),
]
ARGSORT = [
    call(V), call(M), call(M, 0), call(M, axis=None), call(B, 1), call([2.0, X0]), call([3, 1, 2]),
    rough(I, 0, kind="stable"), rough(STEPS, kind="stable"), rough(STEPS, stable=True),
    rough(GRID, 1, "stable"), rough(T, stable=True), call(F), call(C, 0),
    rough(SPECIAL, stable=True), rough(HOLES, 0, stable=True), call(M, kind="quicksort"),
    call(M, stable=False), call(E, 1), call(E0), call(X0), call(X0, -1), call(X0, None),
    wrong(M, 2), wrong(M, 1.0), wrong(M, kind="unknown"), call(2.0), wrong(X0, 1),
    wrong(M, kind="stable", stable=True), wrong(M, order="x"),
]
TAKE = [
    call(V, 1), call(V, -1), call(V, [0, 2]), call(V, [[0, 2], [1, -1]]), call(M, 5),
    call(M, [3, -1]), call(M, 1, 0), call(M, 1, axis=-1), call(M, [2, 0, 0], axis=0),
    call(M, _I2, 1), call(M, _I2), call(B, [1, 0], 1), call(V, [], 0), call(V, np.array(1)),
    call(V, IV % 4), call(V, [9, -9], mode="wrap"), call(V, [9, -9], mode="clip"),
    call(V, [-1], mode="clip"), call(M, [[30]], mode="wrap"),
    call(M, np.array([9, -7]), 1, mode="wrap"), call(M, np.array([9, -7]), 0, mode="clip"),
    call(V, [0, 1], None, None, "raise"), call(X0, 0), call(X0, [0, 0]), call([1.0, X0, 3], [2, 0]),
    call([1, 2, 3], 1), rough(I, [0, 1], 1), call(C, [1]), call(F, np.array([1, 2], np.int8)),
    call(V, np.array([1, 2], np.uint8)), wrong(V, 4), wrong(V, -5), wrong(V, [0, 9]),
    wrong(M, 3, 0), wrong(M, 0, 2), wrong(V, [0], mode="unknown"), call(V, [True, False]),
    call(a=V, indices=[1], axis=0), wrong(M, 1, 0.0), call(V, (0, 1)), wrong(E0, 0), call(E0, []),
    wrong(E0, [0], mode="wrap"), call(E, [1, 2], 1),
]
WHERE = [
    call(T, M, N), call(T, M, 0), call(T, M, 2.5), call(T, 1.0, M), call(T, 0, 1), call(T, 1.5, 0),
    call(T, F, 2.0), call(T, F, 1), call(T, F, N), call(T, I, 2), call(T, I, 2.5), call(T, I8, 3),
    call(T, U8, I8), call(T, M, N[0]), call(TV, M, V), call(T[:, :1], V, M),
    call(True, M, N), call(False, V, 1.0), call([[True, False]], M[:, :2], 0), call(M, M, N),
    call(I, M, N), call(M > 0, M, -M), call(T, C, M), call(T, F, 1j), call(T, [1.0, 2, 3, 4], M),
    call(X0, X0, 1.0), call(True, 1, 2.0), call(E > 0, E, 1.0),
    call([True, False], [X0, 1.0], [2.0, X0]), call(T, T, 0), call(T, X0, F), call(T, H, F),
    call(np.array(True), M, N), by_value(T), by_value(M), by_value(TV), by_value(I), wrong(T, M),
    wrong(T, M, U), wrong(T, M, N, 3), by_value(B > 0), wrong(T, x=M, y=N), call(C, M, N),
    call(T, np.float64(2), F), call(T, 1j, M),
]
NONZERO = [
    by_value(T), by_value(M), by_value(V), by_value(I), by_value(B > 0), by_value(GRID),
    by_value(E), by_value([0.0, X0]), call([0, 1, 2]), by_value(C), wrong_by_value(X0),
]
PARTITION = [
    rough(V, 1), rough(V, -1), rough(M, 1, 0), rough(M, (0, 2), axis=1), rough(M, 3, None),
    rough([3.0, X0, 1.0], 1), rough(I, 2), rough(F, 1), rough(STEPS, 3), rough(HOLES, 0),
    wrong(V, 4), wrong(M, 0, 2), wrong(V, 1.5), rough(V, [0, 1, 2, 3]), rough(E, 1),
    rough(V, 1, kind="introselect"), wrong(V, 1, kind="unknown"),
]
SEARCH = [
    call(S, 0.1), call(S, [0.1, -5.0, 9.0]), call(S, M), call(S, M, "right"), call(S, S),
    call(S, S, side="right"), call(S, X0), call(np.array([1, 2, 2, 3]), [2, 0, 5]),
    call(np.array([1, 2, 2, 3]), [2, 0, 5], "right"), call(np.array([1, 2, 2, 3]), 2.5),
    call([1.0, X0 + 2, 3.0], 2.0), call([1, 2, 3], X0), call(S, np.nan),
    call(np.array([1.0, 2.0, np.nan]), [np.nan, 5.0, 1.0]),
    call(np.array([1.0, np.inf]), [np.inf, 2.0]), call(S.astype(np.float32), 0.1), call(S, F),
    call(E0, 1.0), call(S, E), call(S, 0.0, sorter=list(range(6))),
    call(S[::-1], M, sorter=np.arange(6)[::-1]), call(S, V, "left", None), wrong(M, 1.0),
    wrong(S, 1.0, "middle"), wrong(X0, 1.0), wrong(S, 1.0, sorter=[0, 1]),
    call(np.array([1 + 1j, 2 + 0j]), [1 + 2j, 0]), call(np.array([False, True]), True),
    wrong(S, 1.0, sorter=[0.0] * 6), call(a=S, v=V),
]
BINS = [
    call(M, S), call(M, S, True), call(M, S[::-1]), call(M, S[::-1], right=True), call(0.3, S),
    call(X0, [0.0, 1.0]), call(M, [-1, 0, 1]), rough(I, [0, 3, 5]), call([0.5, X0], [0, 1]),
    call(S, S), call(S, S, True), call(S, S[::-1]), wrong_by_value(V, np.array([1.0, 0.0, 2.0])),
    wrong(V, [1.0, 0.0, 2.0]), call(V, [1.0, 1.0]), call(V, [0.0]), call(V, []), wrong(C, S),
    wrong(V, M), call(x=V, bins=S), call(HOLES, S), wrong(V, 1.0), call(V, E0),
]
BINCOUNT = [
    by_value(np.array([0, 2, 2, 5])), call([0, 2, 2, 5]), call([0, 2, 2, 5], V),
    call([0, 2, 2, 5], weights=AV, minlength=9), by_value(np.array([0, 2, 2, 5]), V),
    by_value(np.array([0, 2, 2, 5]), minlength=3), call([0, 1, 1, 0], FV),
    call([0, 1, 1, 0], [1, 2, 3, 4]), call([0, 1, 1, 0], IV), call([], [], 3), wrong([0, 1], V),
    wrong([0, -1, 1, 2], V), wrong([[0, 1]], V[:2]), wrong([0, 1, 2, 3], V, -1),
    wrong([0, 1, 2, 3], CV), by_value(np.array([True, False])), wrong(M),
    by_value(np.array([0, 1, 5], np.uint8)),
]
LEX = [
    rough((V, W)), rough((STEPS, V7)), rough([V7, STEPS]), rough(GRID), rough((M, GRID), 0),
    rough((M, GRID), axis=-1), rough(([2.0, X0], [1.0, 1.0])), rough((I[0],)),
    call(((1, 2, 1), (3, 2, 1))), wrong((V, U)), wrong((V, W), 1), rough((C[0], V)),
    rough((HOLES[0], V)), rough((T[0], TV)), rough((X0, X0)), rough(V), rough((X0,), 0),
    wrong((X0,), 1),
]
SELECT = [
    call([T, ~T], [M, N]), call([M > 1, M > 0], [M, N], 5),
    call([M > 1, M > 0], [M, 2 * M], default=X0), call([TV], [M]), call([T, TV], [1.0, M]),
    call([T], [F], 0), call([T, T], [F, N]), call([T], [I], 2), call([T], [I], 2.5),
    call([T, ~T], [M, C]), call((T,), (M,)), call([True, False], [V, W]), wrong([T], [M, N]),
    wrong([], []), wrong([M], [M]), wrong([I], [M]), call([T], [M], [1.0, 2, 3, 4]),
    call([T[:, :1]], [V], -1.0), wrong([T], [U]), call([T], [1.0], 0),
    call([np.array(True)], [M], 0),
]
CHOOSE = [
    call([0, 1, 2, 1], [V, W, 2 * V]), call([0, 1, 1, 0], (V, W)),
    call(np.array([0, 1, 1, 0]), [V, W]), call(T, [M, N]), call(T.astype(int), [M, 5.0]),
    call(T.astype(int), [V, N]), call(0, [V, W]), call([0, 1, 0, 1], B[:, 0]),
    call([[0], [1], [0]], [V, W]), call([5, -1, 1, 0], [V, W], mode="wrap"),
    call([5, -1, 1, 0], [V, W], mode="clip"), call([0, 1, 0, 1], [I[0], 2.5]),
    call([0, 1, 0, 1], [F[0], N[0]]), call([0, 1], [1.0, X0]),
    call([0, 1, 0], [[1, 2, 3], [4, 5, 6]]), wrong([0, 5, 0, 0], [V, W]),
    wrong([0, -1, 0, 0], [V, W]), wrong([0.0, 1, 0, 0], [V, W]), wrong([0, 1, 0, 0], [V, U]),
    wrong([0], []), wrong([0, 1, 0, 1], [V, W], mode="unknown"),
    call(a=[0, 1, 1, 0], choices=[V, W]), call([0, 1, 0, 1], [F[0], 2.0]), rough(I8 & 1, [I8, 3]),
    rough(I8 & 1, [I8, 2.5]), rough([0, 1, 0], [1, 2.5]),
]
PIECEWISE = [
    wrong(I8, [I8 < 0], [300]), rough(I8, [I8 < 0], [100]),
    call(M, [M < 0, M >= 0], [-1, 1]), call(M, [M < 0, M >= 0], [np.negative, np.square]),
    call(M, [M < 0], [lambda x: 2 * x, lambda x: x**2]),
    call(M, [M < -1, M > 1], [lambda x: -x, lambda x: x, 0.5]), call(V, V > 0, [np.sin]),
    call(V, [V > 0], [X0]), call(V, [True, True, False, False], [np.cos, 1.0]),
    call(X0, [X0 > 0], [np.sin]), call(X0, X0 > 1, [np.sin, np.cos]),
    call(M, [M > 0], [lambda x, a, b=1: a * x + b, 0], 2.0, b=3.0), call(F, [F > 0], [np.exp, 1]),
    rough(I, [I > 0], [lambda x: x * 2, -1]), rough(I, [I > 0], [1.7, -1.2]),
    call(M, [T], [np.sin, np.cos]), wrong(M, [T], [1, 2, 3]), wrong(M, [T, T], [1]),
    call(M, [TV[:3]], [1]), call(C, [T], [np.conj, 2.0]),
    call([0.5, X0], [[True, False]], [np.sin, 2.0]),
]

SAMPLES = {
    "sort": SORT,
    "argsort": ARGSORT,
    "sort_complex": [
        call(V), call(M), call(C), call(CV), rough(I), call(F), call(C64), rough(I8),
        call([2.0, X0]), wrong(X0), rough(U8), call(H), rough(T),
    ],
    "partition": PARTITION,
    "argpartition": PARTITION,
    "searchsorted": SEARCH,
    "digitize": BINS,
    "bincount": BINCOUNT,
    "lexsort": LEX,
    "take": TAKE,
    "take_along_axis": [
        call(M, _ORDER, 1), call(M, _ORDER, axis=-1), call(M, np.argsort(M, 0), 0),
        call(M, np.array([[0], [1], [-1]]), 1), call(M, np.array([[2, 0, 1, 1]]), 0),
        call(M, np.array([1, 5, -1]), None), call(V, np.array([0, 2]), 0),
        call(V, np.array([0, 2])), call(M, _ORDER), call(B, np.argsort(B, 1), 1),
        call(B, np.zeros((1, 3, 1), int), 2), rough(I, _ORDER, 1),
        call(F, _ORDER.astype(np.int8), 1), wrong(M, _ORDER, 2), wrong(M, np.array([0, 1]), 1),
        wrong(M, np.array([[9]]), 1), wrong(M, np.array([[1.0]]), 1),
        wrong(M, np.zeros((2, 2), int), 1), call(arr=V, indices=np.array([0]), axis=0),
        wrong(M, _ORDER, None),
    ],
    "where": WHERE,
    "nonzero": NONZERO,
    "flatnonzero": [*[s for s in NONZERO if not s.wrong], by_value(X0)],
    "argwhere": [*[s for s in NONZERO if not s.wrong], by_value(X0), by_value(np.array(0.0))],
    "select": SELECT,
    "choose": CHOOSE,
    "piecewise": PIECEWISE,
    "compress": [
        call([True, False, True, False], V), call([True, False, True], M, 0),
        call([0, 1, 1, 0], M, axis=1), call([True, False], M), call([True, False], M, -1),
        by_value(TV, V), by_value(TV, M, 1), by_value(V > 0, V), by_value(V > 0, N, 1),
        by_value(TV, [1.0, X0, 2, 3]), rough([True, False], I, 1),
        call([True, False, True], [1, 2, 3]), wrong([True] * 9, V), wrong([True] * 9, M, 1),
        wrong(T, M, 0), wrong([True], M, 2), call([], V), call(condition=[True, True], a=M, axis=0),
        call([1.5, 0.0], V),
    ],
    "extract": [
        by_value(T, M), by_value(M > 0, M), call([True, False, True, False], V), by_value(TV, V),
        by_value(T, I), call([1, 0, 1, 0], V), by_value(M, N), call([True, False], M),
        call([[True, False]], [X0, 2.0]), wrong(np.ones(20, bool), V), call([True, False], [1, 2]),
        by_value(X0 > 0, X0),
    ],
    "isin": [
        rough(GRID, [0, 1]), rough(GRID, STEPS), rough(I, [3, 5, -1]), rough(I, IV),
        rough(STEPS, 1.0), rough(GRID, [0, 1], invert=True), rough(GRID, STEPS, assume_unique=True),
        rough(I, [3, 5], kind="sort"), rough(I, IV, kind="table"), rough(X0, [0.7]),
        rough([1.0, X0], [0.7]), call([1, 2], [2]), rough(M, M[0]), rough(T, [True]),
        rough(E0, STEPS), rough(STEPS, E0), rough(F, F[0]), rough(SPECIAL, SPECIAL),
        rough(element=STEPS, test_elements=[1]), wrong(V, V, kind="unknown"), rough(I, M),
        wrong(M, V, kind="table"), rough(STEPS, []), rough(C, C[0]),
    ],
    "isclose": [
        call(M, N), call(M, M + 1e-9), call(M, M + 1e-4, 1e-3),
        call(M, M + 1e-4, rtol=0, atol=1e-3), call(SPECIAL, SPECIAL),
        call(SPECIAL, SPECIAL, equal_nan=True), call(SPECIAL, SPECIAL[:, None]), call(M, V),
        call(M, 0.5), call(F, N), rough(I, I + 1), rough(I, 2), call([1.0, X0], 0.7), call(X0, 0.7),
        call(C, C + 1e-9), call(T, T), call(1.0, X0), call(M, N, np.array(0.5)), call(M, N, A),
        call(M, N, 0.1, V), wrong(M, U), call(np.array([np.inf, 1.0]), [np.inf, np.inf]),
        call(a=M, b=N, atol=1.0),
        call(np.array([np.nan + 1j, 1]), np.array([np.nan + 1j, 1]), equal_nan=True),
    ],
    "allclose": [
        call(M, N), call(M, M), call(M, M + 1e-9), call(M, M + 1e-4, 1e-3),
        call(M, M + 1e-4, rtol=0, atol=1e-3), call(HOLES, HOLES),
        call(HOLES, HOLES, equal_nan=True), call(M, 0.5), rough(I, I), call([1.0, X0], 0.7),
        call(X0, 0.7), call(E0, E0), wrong(M, U), call(C, C), call(T, T),
    ],
    "array_equal": [
        call(M, N), call(M, M), call(M, V), call(M, [1.0]), call(HOLES, HOLES),
        call(HOLES, HOLES, equal_nan=True), rough(I, I), rough(I, I + 0.0),
        call([1.0, X0], [1.0, X0]), call(X0, 0.7), call(E, E), call(T, T), call(C, C, True),
        call([1, 2], [1, 2]), call(M, N[:2]), call(I, I, equal_nan=True),
        call(C * np.nan, C * np.nan, equal_nan=True),
    ],
    "array_equiv": [
        call(M, N), call(M, M), call(V, np.stack([V, V])), call(M, U), call(X0, 0.7), rough(I, I),
        call([1.0, X0], 0.7), call(V, W), call(M, [1.0]), call(E, E), call(np.stack([V, V]), V),
    ],
    "iscomplexobj": [
        call(M), call(C), call(X0), call(2j), call([1.0, X0]), rough(I), call([1j, X0]),
    ],
    "isrealobj": [call(M), call(C), call(X0), call(2j), call([1.0, X0]), rough(I), call([1j, X0])],
    "isscalar": [
        call(M), call(X0), call(2.5), call("a"), call([1.0]), call(np.float64(2)), call(V[0]),
        call(None),
    ],
}
