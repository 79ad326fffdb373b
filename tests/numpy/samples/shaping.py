"""Calls of functions that move elements without changing them."""

# fmt: off
# ruff: noqa: F403, F405

import numpy as np

from tests.numpy.samples.call import call, rough, wrong
from tests.numpy.samples.data import *

ATLEAST = [
    call(X0), call(2.5), call(V), call(M), call(B), call(B[None]), call([1.0, X0]), call([[1, 2]]),
    call(X0, V, M), call(V, 2.0, [X0]), call(), call(F, I), rough(I), rough(T), call(E), call(C64),
    call(np.float32(2)), call((1, X0)), wrong([V, U]),
]
RESHAPE = [
    call(M, (4, 3)), call(M, (2, -1)), call(M, -1), call(M, 12), call(M, [2, 6]),
    call(M, (3, 2, 2)), call(M, (12,), order="F"), call(M, (4, 3), "F"), call(B, (6, 4), order="F"),
    call(B, (-1, 2), "F"), call(M, (4, 3), order="A"), call(X0, (1, 1)), call(X0, ()),
    call(V[:1], ()), call(E, (3, 0)), call(E, (0, 7)), call(E, -1), call([[1, 2], [3, 4]], 4),
    call([1.0, X0], (2, 1)), call(F, (2, 6)), rough(I, (6, 2)), rough(T, -1), call(C, (2, 2, 3)),
    call(M, shape=(4, 3)), call(M, (4, 3), copy=True), call(M, (4, 3), copy=None),
    call(M.T, (3, 4)), call(B[:, ::2], (-1,)), wrong(M, (5, 3)), wrong(M, (-1, -1)),
    wrong(M, (5, -1)), wrong(M, (2.0, 6)), wrong(M), wrong(E, (0, -1)), wrong(M, (4, 3), order="X"),
    wrong(M, (-2, -6)), call(2.5, (1,)), call(M, ((4), 3)), wrong(M, "ab"),
    call(M, (4, 3), order="c"),
]
RAVEL = [
    call(X0), call(V), call(M), call(B), call(M, "F"), call(M, order="F"), call(B, order="F"),
    call(M, "A"), call(M, "K"), call(B[:, ::-1], "C"), call(E), call([[1, 2], [3, 4]]),
    call([[1.0, X0]]), call(2.5), rough(I), rough(T, "F"), call(C), call(F), wrong(M, "X"),
    wrong([V, U]), call(a=M, order="C"),
]
AXES = [
    call(M), call(B), call(V), call(X0), call([[1, 2], [3, 4]]), call([[1.0, X0]]), rough(I),
    call(F), call(M, None), call(M, (1, 0)), call(M, [1, 0]), call(B, (2, 0, 1)),
    call(B, (-1, 0, 1)), call(B, axes=(1, 0, 2)), call(V, 0), call(V, (0,)), call(X0, ()), call(E),
    wrong(B, (0, 1)), wrong(M, (0, 0)), wrong(M, (0, 2)), wrong(M, 0), wrong(M, (0.0, 1.0)),
    wrong(M, 1, 0), wrong(B, 0), call(B, (-3, -2, -1)), call(M, (-1, -2)), wrong(M, (1, 1)),
]

SAMPLES = {
    "atleast_1d": ATLEAST,
    "atleast_2d": ATLEAST,
    "atleast_3d": ATLEAST,
    "reshape": RESHAPE,
    "ravel": RAVEL,
    "transpose": AXES,
    "permute_dims": AXES,
    "matrix_transpose": [
        call(M), call(B), call(D), call(C), rough(I), call(B[None]), wrong(V), wrong(X0),
        call([[1, 2]]), call([[1.0, X0]]),
    ],
    "swapaxes": [
        call(M, 0, 1), call(B, 0, -1), call(B, -1, -2), call(B, 1, 1), call(V, 0, 0),
        rough(I, 1, 0), call(F, axis1=0, axis2=1), wrong(M, 0, 2), wrong(M, 0), wrong(X0, 0, 0),
        call([[1.0, X0]], 0, 1), wrong(M, 0.0, 1), wrong(M, (0,), 1),
    ],
    "moveaxis": [
        call(B, 0, -1), call(B, (0, 1), (-1, 0)), call(B, [0, 2], [1, 0]), call(B, -1, 0),
        call(M, 0, 0), call(B, (), ()), wrong(B, 0, 3), wrong(B, (0, 1), 0),
        wrong(B, (0, 0), (1, 2)), wrong(B, (0, 1), (1, 1)), rough(I, 0, 1), wrong(X0, 0, 0),
        call(source=0, destination=1, a=M), wrong(B, 0.0, 1), wrong([[1.0, X0]], 2, 0),
        call([[1.0, X0]], 0, 1),
    ],
    "rollaxis": [
        call(B, 2), call(B, 2, 1), call(B, 0, 3), call(B, -1, 0), call(B, 1, -1),
        call(B, 1, start=2), call(M, 0), call(M, 1), wrong(B, 3), wrong(B, 0, 4), rough(I, 1),
        wrong(B, 1.0), call(B, 0, -3), wrong(B, 0, -4),
    ],
    "squeeze": [
        call(M[None]), call(M[None, :, None]), call(M[None, :, None], 0),
        call(M[None, :, None], -2), call(M[None, :, None], (0, 2)),
        call(M[None, :, None], axis=(0,)), call(M), call(X0), call(X0[None]), call(E[None]),
        call(M[None], ()), wrong(M, 0), wrong(M[None], 1), wrong(M[None], 5), wrong(M[None], 0.0),
        wrong(M[None], [0]), rough(I[None]), call([[1.0, X0]]), call([[X0]]),
        wrong(M[None, None], (0, 0)), call(X0, ()), call(X0, 0), call(X0, -1), wrong(X0, 1),
        call(V[None], 0), call(T[None]),
    ],
    "expand_dims": [
        call(M, 0), call(M, 1), call(M, -1), call(M, (0, 2)), call(M, (0, -1)), call(M, [0, 1]),
        call(X0, 0), call(2.5, 0), call(X0, (0, 1)), call([1.0, X0], 0), rough(I, 2),
        call(a=M, axis=1), wrong(M, 3), wrong(M, -4), wrong(M, (0, 0)), wrong(M, 0.0), wrong(M),
        call(M, ()), call(E, 1), wrong(M, (0, 5)),
    ],
    "broadcast_to": [
        call(M, (2, 3, 4)), call(V, (3, 4)), call(X0, (2, 3)), call(2.5, (2,)), call(R, (3, 4)),
        call(M, (3, 4)), call(X0, ()), call(V, 4), call(X0, 3), call([1.0, X0], (3, 2)),
        call(V, [3, 4]), call(E, (2, 0, 3)), call(R, (3, 0)), rough(I, (2, 3, 4)),
        rough(TV, (2, 4)), call(F, (1, 3, 4)), call(array=V, shape=(2, 4)), wrong(M, (4, 3)),
        wrong(M, (4,)), wrong(M, (3, -1)), wrong(M, (2.0, 3, 4)), wrong(V, 5), wrong(V, (4, 3)),
        call(V, (2, 4), True), call(V, (2, 4), subok=True), call(E0, (2, 0)), call(V[:1], (0,)),
    ],
    "broadcast_arrays": [
        call(M, V), call(V, R), call(X0, M), call(M), call(), call(M, 2.0), call([1.0, X0], R),
        call(I, F, 1), call(V, W, subok=True), wrong(M, U), wrong(V, U), call(E, X0), call(T, R),
        call(B, M, V, X0),
    ],
    "flip": [
        call(V), call(M), call(M, 0), call(M, -1), call(M, (0, 1)), call(B, (0, 2)),
        call(B, axis=None), call(X0), call([1.0, X0]), call([[1, 2], [3, 4]], 1), rough(I, 0),
        call(E), wrong(M, 2), wrong(M, (0, 0)), wrong(X0, 0), wrong(M, 1.0), call(M, ()),
        call(M, [0]), call(m=M, axis=1), call(2.5),
    ],
    "fliplr": [call(M), call(B), rough(I), wrong(V), wrong(X0), call([[1.0, X0]])],
    "flipud": [call(V), call(M), call(B), rough(I), wrong(X0), call([[1.0, X0]]), call([1.0, X0])],
    "rot90": [
        call(M), call(M, 2), call(M, 3), call(M, 0), call(M, -1), call(M, 5), call(B, 1, (1, 2)),
        call(B, 1, axes=(0, 2)), call(B, k=2, axes=(2, 0)), call(B, 1, [0, 1]), call(B), rough(I),
        wrong(V), wrong(M, 1, (0, 0)), wrong(M, 1, (0, 2)), wrong(M, 1, (0,)), wrong(M, 1, (0, -2)),
        call(M, 1, (-1, 0)), call([[1.0, X0]]),
    ],
    "roll": [
        call(V, 1), call(V, -2), call(M, 5), call(M, 1, 0), call(M, -1, axis=1),
        call(M, (1, -2), (0, 1)), call(M, 1, (0, 1)), call(M, (1, 2), 0), call(M, (1, 1), (0, 0)),
        call(M, 1, -1), call(V, 9), call(V, 0), call(B, (1, 2, 3), axis=(0, 1, 2)), call(X0, 1),
        call([1.0, X0, 3], 1), call([1, 2, 3], 1), call(E, 1), rough(I, 1, 1), call(E0, 3),
        call(a=M, shift=1, axis=0), wrong(M, 1, 2), wrong(M, (1, 2), (0, 1, 1)),
        wrong(M, (1, 2, 3), (0, 1)), call(V, (1, 2)), call(M, [1, 2], [0, 1]),
        call(V, np.array(1)), call(M, np.array([1, 2]), (0, 1)),
        call(M, np.int64(-2), 1), call(M, np.array([1, 2]), 1), call(V, 1.5),
        wrong(V, 1, 1.0), rough(M, True),
    ],
}
