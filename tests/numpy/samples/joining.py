"""Calls of functions that join, split, repeat and edit."""

# fmt: off
# ruff: noqa: F403, F405

import numpy as np

from tests.numpy.samples.call import by_value, call, rough, wrong
from tests.numpy.samples.data import *

CONCATENATE = [
    call([M, N]), call((M, N)), call([M, N], 1), call([M, N], axis=-1), call([M, N], axis=None),
    call([V, W, U]), call([M]), call([V, [1.0, 2.0]]), call([V, [1, 2]]), call([F, M]),
    call([F, N[:1]], 0), call([F, I8]), call([I, I32]), call([I8, U8], 1), call([T, I]),
    call([T, F]), call([C, M]), call([F, C64], 1), call([E, Q]), call([E0, V]), call([B, B[:1]]),
    call([B, B], 2), call([M, N], dtype=np.float32),
    call([M, N], axis=0, dtype="f4", casting="unsafe"), call([F, F], dtype=float),
    call([I, I], dtype=float), call([M, V[:, None].T]), call([M, X0], axis=None),
    call([M, 2.0], None), call([[1, 2], [3, 4]]), call([[1.0, X0], [3, 4]]), call(([X0, 1], [2.0])),
    call(B), call(M, 0), call([F, [1.0]], None), call([I, [1.5]], None), call([I8, [3]], None),
    call([F, [1]], None), wrong([M, V]), wrong([M, N], 2), wrong([M, Q]), wrong([M, N[:2]], 1),
    wrong([]), wrong([X0, X0]), wrong(X0), wrong([M, N], dtype=int),
    rough([M, N], dtype=int, casting="unsafe"), wrong([M, N], 1.0), wrong(M, N), wrong([M, 2.0]),
    rough([T, T]), rough([TV, T[0]]), call([V, M], axis=None), wrong(2.0), call([H, F], 1),
    call([M, N], 0, None),
]
STACK = [
    call([M, N]), call((M, N), 1), call([M, N], axis=-1), call([M, N], axis=2), call([V, W]),
    call([X0, 1.0]), call([X0, X0]), call([V, [1, 2, 3, 4]]), call([F, M]), call([I, T]),
    call([F, C]), call(B), call(M, 1), call([M]), call([[1, 2], [3, 4]], 1), call([E, E], 1),
    call([M, N], dtype=np.float32), call([F, F], axis=1, dtype=float), call([1.0, 2.0]),
    call([F[0, 0], 1.0]), call([F, I8]), wrong([M, V]), wrong([]), wrong([M, N], 3),
    wrong([M, N], -4), wrong([V, U]), wrong([M, N], dtype=int), wrong([M, N], 1.0), wrong(X0),
    rough([T, T]), call([U8, I8]), rough([M, N], dtype=int, casting="unsafe"),
    call([M, N], 0, None), call(((X0, 2.0), (3.0, X0))),
]
HSTACK = [
    call([V, W]), call((M, N)), call([M, R]), call([X0, 1.0]), call([B, B]), call([V, [1.0, 2]]),
    call([F, I8]), call(M), call(B), call([V, X0]), call([M]), call([M, N], dtype=np.float32),
    rough([M, N], dtype=int, casting="unsafe"), wrong([M, V]), wrong([]), wrong([M, Q[:2]]),
    wrong([M, N], dtype=int), call([[1, 2], [3, 4]]), call([[1.0, X0], [3, 4]]), call([E0, V]),
    rough([T, T]), call([2.0, 3.0]),
]
VSTACK = [
    call([V, W]), call((M, N)), call([M, V]), call([X0, 1.0]), call([B, B]),
    call([M, [1.0, 2, 3, 4]]), call([F, I8]), call(M), call(B), call([M]),
    call([M, N], dtype=np.float32), rough([M, N], dtype=int, casting="unsafe"), wrong([M, U]),
    wrong([]), wrong([M, N], dtype=int), call([[1, 2], [3, 4]]), call([[1.0, X0], [3, 4]]),
    call([E, Q]), rough([T, T]), call([2.0, X0]),
]
DSTACK = [
    call([V, W]), call((M, N)), call([X0, 1.0]), call([B, B]), call([M, M[..., None]]),
    call([F, I8]), call(M), call([M]), call(B), wrong([M, V]), wrong([]), call([[1, 2], [3, 4]]),
    call([[1.0, X0], [3, 4]]), rough([T, T]),
]
COLUMNS = [
    call([V, W]), call((V, M.T)), call([M, N]), call([U, M]), call([X0, 1.0]), call([F, I8]),
    call(M), call([V]), wrong([V, U]), wrong([]), call([[1, 2], [3, 4]]), call([[1.0, X0], [3, 4]]),
    rough([T, U]), call([B, B]),
]
SPLIT = [
    call(V, 2), call(V, 4), call(V, [1, 3]), call(V, (2,)), call(V, [-1]), call(V, [3, 1]),
    call(V, [0, 9]), call(V, []), call(M, 3), call(M, 3, 0), call(M, [1], axis=0), rough(I, 3),
    wrong(X0, 1), wrong(M, 0), by_value(V, np.array([1, 2])), rough(M, 1),
]
_ALONG = [
    call(M, 2, 1), call(M, 2, -1), call(M, [1, 2], axis=1), call(B, 2, 2), call(B, [1], -2),
    wrong(M, 2, 2),
]
ROWS = [
    call(M, 3), call(B, 2), call(M, [1, 2]), call(M, 1), rough(I, 3), call(M, [-1]),
    call(V[:, None], 2), wrong(M, 0), wrong(M, 2),
]

SAMPLES = {
    "concatenate": CONCATENATE,
    "concat": CONCATENATE,
    "stack": STACK,
    "hstack": HSTACK,
    "vstack": VSTACK,
    "dstack": DSTACK,
    "column_stack": COLUMNS,
    "block": [
        call([V, W]), call([[M, N], [N, M]]), call([[M, R], [V, X0]]),
        call([[M, R], [V[None], X0]]), call(M), call(X0), call(2.5), call([X0, 1.0, 2]),
        call([[X0, 1.0], [2.0, 3.0]]), call([B, B]), call([[B], [B]]), call([[[B, B]], [[B, B]]]),
        wrong([F, 2.0]), call([F, I8]), call([M, N]), call([[V], [W]]), call([[V, U], [U, V]]),
        call([[T, T]]), wrong([I, 1.5]), wrong([[V, W], [V]]), wrong([]), wrong([[]]),
        wrong([[V], W]), wrong((V, W)), wrong([M, V[:2]]), call([[1, 2], [3, 4]]), call([V]),
    ],
    "append": [
        call(V, W), call(M, N), call(M, N, 0), call(M, N, axis=1), call(V, 2.0), call(V, [1, 2]),
        call(2.0, V), call(X0, X0), call([1.0, X0], [2]), call(F, 2.0), call(F, M), call(I, 2.5),
        rough(I, 3), call(M, [[1, 2, 3, 4]], 0), wrong(M, V, 0), wrong(M, N, 2), rough(T, True),
        call(E0, 1), call([1, 2], 3), wrong(M), call(M, R, 1), call(arr=V, values=W),
    ],
    "array_split": [
        *SPLIT, *_ALONG, call(V, 3), call(V7, 3), call(M, 3, 1), call(M, 7, 1), call(V, 9),
        wrong(V, -1), call(V, 1.5),
    ],
    "split": [*SPLIT, *_ALONG, wrong(V, 3), wrong(M, 2), wrong(V, 1.5)],
    "hsplit": [
        call(M, 2), call(M, [1, 3]), call(V, 2), call(B, 3), rough(I, 4), wrong(X0, 1), wrong(M, 3),
    ],
    "vsplit": [*ROWS, wrong(V, 2), wrong(X0, 1)],
    "dsplit": [
        call(B, 2), call(B, [1, 2]), call(D, 3), wrong(M, 2), wrong(B, 3), rough(I[None], 2),
    ],
    "unstack": [
        call(M), call(M, axis=1), call(M, axis=-1), call(B, axis=1), call(V), rough(I), wrong(X0),
        wrong(M, axis=2), wrong(M, 1), call(E), call(np.zeros((2, 0)), axis=1), wrong(M, axis=1.0),
    ],
    "tile": [
        call(V, 2), call(M, 2), call(M, (2, 1)), call(M, (2, 1, 3)), call(V, (2, 2)), call(X0, 3),
        call(X0, (2, 2)), call(2.5, 2), call(B, 2), call(M, [1, 2]), call(M, ()), call(M, 0),
        call(M, (0, 2)), call(M, 1), call([1.0, X0], 2), call([1, 2], 2), rough(I, 2), call(E, 2),
        wrong(M, -1), wrong(M, 1.5), rough(T, (1, 2)), call(A=M, reps=2),
        by_value(M, np.array([1, 2])), call(B, (2, 1)), call(V, 1),
    ],
    "resize": [
        call(V, 2), call(V, 7), call(M, (5, 4)), call(M, (2, 2)), call(M, 30), call(X0, (2, 2)),
        call(2.5, 3), call([1.0, X0], (2, 3)), call([1, 2], 3), rough(I, (2, 5)), call(E0, 3),
        call(M, (0, 2)), call(M, 0), call(M, ()), wrong(M, -1), call(M, [2, 3]), wrong(M, (-1, 2)),
        call(a=M, new_shape=(2, 2)), call(C, 3), call(E, (2, 2)), wrong(M, 2.5),
    ],
    "repeat": [
        call(V, 2), call(M, 3), call(M, 2, 0), call(M, 2, axis=-1), call(V, [1, 0, 2, 1]),
        call(M, [1, 0, 2], axis=0), call(M, [2], 1), call(X0, 3), call(2.5, 3), call([1.0, X0], 2),
        call([1, 2], [2, 1]), call(M, 0), call(V, (1, 2, 0, 1)), rough(I, 2, 1), rough(T, 2),
        call(E, 2, 1), by_value(V, np.array([1, 0, 2, 1])), by_value(M, np.array([1, 0, 2]), 0),
        by_value(M, np.array(2), 0), wrong(V, -1), wrong(V, [1, 2]), call(V, 1.5), wrong(M, 2, 2),
        wrong(M, [1, 2], 0), wrong(V, [1, -1, 1, 1]), call(V, True), call(a=V, repeats=2, axis=0),
        wrong(V, [[1, 2, 1, 1]]), wrong(M, 2, 1.0), call(C, 2),
    ],
    "delete": [
        call(V, 1), call(V, -1), call(V, [0, 2]), call(V, [0, -1]), call(V, slice(1, 3)),
        call(V, slice(None, None, 2)), call(V, slice(None, None, -1)),
        call(V, [True, False, False, True]), call(M, 1, 0), call(M, [0, 2], axis=1), call(M, 5),
        call(M, slice(0, 2), 1), call(M, [], 0), call(V, [1, 1]), call(V, ()),
        call([1.0, X0, 3], 0), call([1, 2, 3], [0]), rough(I, 1, 1), call(M, -1, -1), call(X0, 0),
        wrong(V, 4), wrong(V, -5), wrong(V, [0, 9]), wrong(M, 0, 2), wrong(V, 1.5), wrong(V, [1.5]),
        by_value(V, np.array([0, 2])), by_value(V, np.array(2)),
        by_value(V, np.array([True, False, False, True])), wrong(V, [True, False]),
        call(arr=V, obj=0), wrong(V, [[True, False, False, True]]), call(V, [[0, 1]]),
        wrong(M, 0, 1.0), call(E0, []), wrong(E0, 0), call(V, range(2)),
    ],
    "insert": [
        wrong(I8, 0, 300), call(I8, 0, 100), call(I8, 0, 1.5),
        call(V, 1, 5), call(V, 1, X0), call(V, 1, [5.0, 6.0]), call(V, [1, 3], [5, 6]),
        call(V, [1, 1, 3], [5, 6, 7]), call(V, [3, 1], [5, 6]), call(V, [0, 4], 9),
        call(V, slice(1, 3), [5, 6]), call(V, slice(1, 3), 5), call(V, -1, 5), call(V, 4, 5),
        call(V, 2, W), call(M, 1, 5), call(M, 1, 5, 0), call(M, 1, V, 0),
        call(M, 1, [1, 2, 3], axis=1), call(M, [1], [[1], [2], [3]], axis=1),
        call(M, [1, 3], N[:, :2], 1), call(M, 2, N, 0), call(M, [0, 2], V, 0),
        call(M, 0, N[:2], axis=0), call(F, 1, 2.5), call(F, 1, X0), rough(I, 1, 7),
        rough(I, 1, 2.7), call([1.0, X0, 3], 0, 9), call([1, 2, 3], 1, 2.5), call(M, [], 5, 0),
        call(V, [], []), call(X0, 0, 1.0), rough(T, 1, True), call(C, 1, 2), wrong(M, 1, 2j),
        wrong(V, 5, 1), wrong(V, -6, 1), wrong(V, [0, 9], 1), wrong(V, [0, 1], [1, 2, 3]),
        wrong(M, 0, U, 0), wrong(M, 0, 1, 2), wrong(V, 1.5, 1),
        by_value(V, np.array([1, 3]), [5, 6]), by_value(V, np.array(1), 5),
        call(arr=V, obj=0, values=1.0), call(M, 1, [[1], [2], [3]], axis=1),
        call(M, 1, [[1, 2, 3]], axis=1), call(M, [1], [1, 2, 3], axis=1), call(B, 1, M[0], 1),
        call(V, range(2), [7, 8]), call(B, 1, 1.0, 2), call(B, 0, M, 0), call(B, [0, 1], M, 0),
        call(B, 1, B[:, :1], 1),
    ],
    "trim_zeros": [
        by_value(np.array([0.0, 1, 0, 2, 0])), by_value(np.array([0.0, 1, 0, 2, 0]), "f"),
        by_value(np.array([0.0, 1, 0, 2, 0]), trim="b"), by_value(np.zeros(3)),
        by_value(np.zeros(3), "f"), by_value(np.zeros(3), "b"), by_value(M, axis=()),
        by_value(np.pad(B, 1), "b", axis=(0, -1)), by_value(V), by_value(np.array([0, 1, 0])),
        by_value(E0), call([0, 1, 0]), by_value([0.0, X0, 0.0]), by_value(np.pad(M, 1)),
        by_value(np.pad(M, 1), "f"), by_value(np.pad(M, 1), "fb", axis=0),
        by_value(np.pad(M, 1), axis=-1), by_value(np.pad(M, 1), axis=(0, 1)), wrong(V, "x"),
        wrong(V, axis=1), by_value(np.zeros((2, 2))),
    ],
}
