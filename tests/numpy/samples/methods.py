"""Calls of the methods of arrays, of operators and of indexing."""

# fmt: off
# ruff: noqa: F403, F405

from dataclasses import replace

import numpy as np

from tests.numpy.samples.call import Call, by_value, call, rough, wrong, wrong_by_value
from tests.numpy.samples.data import *

_S = np.s_
REDUCING = [
    call(M), call(M, 0), call(M, axis=-1), call(B, (0, 2)), call(M, 1, keepdims=True), call(X0),
    call(V), rough(I), rough(T), call(F), call(M, where=T, **{}), wrong(M, 2), wrong(M, nonsense=1),
]
NUMBERS = [
    call(M, dtype=np.float32), call(M, 0, np.float32), call(M, 0, None, None, True),
    rough(I, dtype=float), call(C),
]
STARTING = [
    call(M, initial=9.5), call(M, 0, None, True, 9.5), call(M, 0, initial=-9.5, where=T),
    wrong(M, where=T),
]

#: What leaves a trace has no derivative.
NUMBER = [
    replace(by_value(X0), rough=True), replace(by_value(V, 1), rough=True),
    replace(by_value(M, 1, 2), rough=True),
]

METHODS: dict[str, list[Call]] = {
    "sum": [*REDUCING, *NUMBERS, call(M, initial=2.0), call(M, 0, None, None, False, 2.0)],
    "prod": [*REDUCING, *NUMBERS, call(M, initial=2.0)],
    "mean": [*REDUCING, *NUMBERS],
    "var": [*REDUCING, *NUMBERS[:2], call(M, ddof=1), call(M, 0, None, None, 1), call(C, 0)],
    "std": [
        *REDUCING, *NUMBERS[:2], call(M, ddof=1), call(M, 0, None, None, 1),
        call(M, 0, ddof=1, keepdims=True),
    ],
    "max": [*[s for s in REDUCING if "where" not in s.kwargs], *STARTING],
    "min": [*[s for s in REDUCING if "where" not in s.kwargs], *STARTING],
    "all": REDUCING,
    "any": REDUCING,
    "argmax": [
        call(M), call(M, 0), call(M, axis=-1), call(M, 1, keepdims=True), rough(I), call(X0),
        wrong(M, 2),
    ],
    "argmin": [
        call(M), call(M, 0), call(M, axis=-1), call(M, 1, keepdims=True), rough(I), wrong(M, 2),
    ],
    "argsort": [
        call(M), call(M, 0), call(M, axis=None), rough(STEPS, kind="stable"),
        rough(STEPS, stable=True), wrong(M, 2),
    ],
    "argpartition": [rough(V, 1), rough(M, 1, 0), rough(M, (0, 2), axis=1), wrong(V, 9)],
    "cumsum": [
        call(M), call(M, 0), call(M, axis=1), call(M, 0, np.float32), rough(I), wrong(M, 2),
    ],
    "cumprod": [call(M), call(M, 0), call(M, axis=1, dtype=np.float32), rough(I), wrong(M, 2)],
    "reshape": [
        call(M, 2, -1), call(M, (2, -1)), call(M, -1), call(M, [4, 3]), call(M, 4, 3, order="F"),
        call(M, (4, 3), order="F"), call(M, (4, 3), copy=None), call(X0, 1, 1), call(X0, (1,)),
        call(E, 3, 0), call(X0, ()), call(V[:1], ()), wrong(V[:1]), wrong(M, 5, 3),
        wrong(M, (5, 3)), wrong(M, -1, -1), wrong(M, 2.0, 6), wrong(M), wrong(M, 4, 3, order="X"),
        wrong(M, (4, 3), "F"), call(M, 12),
    ],
    "transpose": [
        call(M), call(B), call(B, 1, 0, 2), call(B, (1, 0, 2)), call(B, [1, 0, 2]), call(B, None),
        call(B, -1, 0, 1), call(V), call(V, 0), call(X0), wrong(B, 1, 0), wrong(M, 0, 0),
        wrong(M, (0, 2)), call(M, 1, 0),
    ],
    "T": [call(M), call(B), call(V), call(X0)], "mT": [call(M), call(B), wrong(V), wrong(X0)],
    "real": [call(M), call(C), rough(I), call(X0)],
    "imag": [call(M), call(C), rough(I), call(X0)],
    "shape": [call(M), call(X0)],
    "ndim": [call(M), call(X0)],
    "size": [call(M), call(E)],
    "dtype": [call(M), call(F), call(I)],
    "itemsize": [call(M), call(F)],
    "nbytes": [call(M), call(F)],
    "astype": [
        call(M, np.float32), call(M, "f4"), call(M, dtype=float), rough(M, int), call(I, float),
        call(C, np.complex64), call(M, complex), call(M, np.float32, "C"),
        call(M, float, copy=False), call(M, float, casting="safe"),
        wrong(M, np.float32, casting="safe"), wrong(M, int, casting="same_kind"), rough(M, bool),
        wrong(M, "unknown"),
    ],
    "clip": [
        call(M, -0.5, 0.5), call(M, None, 0.5), call(M, -0.5), call(M, min=-0.5), call(M, max=0.5),
        call(M, -0.5, max=0.5), call(M, V - 1, R + 1), rough(I, -2, 3), call(F, 0, 1),
        wrong(M, U, 1), call(M, -0.5, None),
    ],
    "round": [call(M), call(M, 2), call(M, decimals=1), rough(I, -1), call(C, 1), wrong(M, 1.5)],
    "swapaxes": [call(M, 0, 1), call(B, 0, -1), wrong(M, 0, 2)],
    "squeeze": [
        call(M[None]), call(M[None, :, None], 0), call(M[None, :, None], axis=-2),
        call(M[None, :, None], (0, 2)), wrong(M, 0),
    ],
    "ravel": [call(M), call(M, "F"), call(M, order="F"), call(X0), call(M, "K"), wrong(M, "X")],
    "flatten": [call(M), call(M, "F"), call(M, order="C"), call(X0), call(B, "F"), wrong(M, "X")],
    "repeat": [call(V, 2), call(M, 2, 1), call(M, [1, 0, 2], axis=0), wrong(V, [1, 2])],
    "take": [
        call(V, [0, 2]), call(M, 1, 0), call(M, [3, -1], axis=1), call(V, [9], mode="clip"),
        call(V, [9], None, None, "wrap"), call(V, np.array([0, 1])), wrong(V, 4),
    ],
    "diagonal": [call(M), call(M, 1), call(B, 0, 1, 2), call(B, axis1=0, axis2=2), wrong(V)],
    "trace": [call(M), call(M, 1), call(B, 0, 1, 2), call(M, dtype=np.float32), wrong(V)],
    "dot": [
        call(M, N.T), call(M, V), call(V, W), call(V, 2.0), call(X0, M), wrong(M, N),
        call(M, [1.0, 2, 3, 4]),
    ],
    "conj": [call(C), call(M), rough(I)],
    "conjugate": [call(C), call(M)],
    "copy": [call(M), call(X0), call(M, "F"), call(M, order="C")],
    "nonzero": [by_value(M), by_value(I), by_value(GRID)],
    "searchsorted": [
        call(S, 0.1), call(S, M), call(S, M, "right"), call(S, V, side="left"), wrong(M, 1.0),
    ],
    "choose": [
        call(np.array([0, 1, 1, 0]), [V, W]), call(np.array([0, 3, -1, 0]), (V, W), mode="clip"),
    ],
    "tolist": [wrong(M, 1)],
    "unknown": [wrong(M)],
    "view": [
        call(M, np.int64), call(M), rough(I, float), call(M, np.float64), wrong(M, "unknown"),
        call(M, np.float32), call(M, complex), call(V, np.uint8), rough(I8, np.int32),
        wrong(X0, "f"), wrong(M[:, :3], complex), wrong(F[0, :3], float), call(E, np.int8),
        call(C, float), call(C64, np.float32), call(F, np.complex64), rough(C, np.float32),
    ],
    "__len__": [call(M), call(V), wrong(X0)],
    "__abs__": [call(M), call(C), rough(I)],
    "item": [*NUMBER, by_value(T, 1), by_value(I, (1, 2)), wrong(V), wrong(V, 9)],
    "__float__": [*NUMBER[:1], wrong(V)],
    "__int__": [by_value(X0), wrong(V)],
    "__bool__": [by_value(X0), wrong(V)],
    "__complex__": [by_value(X0)],
    "__index__": [by_value(I[0, 0]), wrong(X0), wrong(V)],
    "__divmod__": [call(M, 2.0), call(M, N)],
    "__rdivmod__": [call(M, 2.0)],
    "__contains__": [by_value(M, M[0, 0]), by_value(V, 99.0)],
}

BINARY = [
    call(M, N), call(M, V), call(R, V), call(M, 2.5), call(2.5, M), call(M, 2), call(3, M),
    call(M, X0), call(X0, M), call(M, np.float64(2)), call(np.float64(2), M), call(F, 2.5),
    call(2.5, F), call(F, N), call(F, np.float64(2)), call(M, [1.0, 2.0, 3.0, 4.0]),
    call([1, 2, 3, 4], M), call(M, True), rough(P, IV + 10), rough(P, 3), rough(3, P),
    rough(P, 2.5), rough(I8, 3), rough(U8 + 1, I8), rough(T, 2), rough(2.5, P), wrong(M, U),
    wrong(M, "a"), wrong(M, None), call(C, M), call(M, 2j), call(2, C), rough(T, TV), rough(I, F),
    rough(P, np.int8(3)), wrong(M, [1.0, 2.0]), rough(np.int64(7), P), rough(F, P),
]
WHOLE = [
    rough(I, P), rough(I, IV), rough(I, 3), rough(3, I), rough(T, TV), rough(T, True),
    rough(True, T), rough(I8, U8), rough(I, T), rough(I32, I8), wrong(M, N), wrong(M, 2),
    rough(I, [1, 2, 3, 4]), wrong(I, 2.5), rough(np.int8(3), I8),
]
COMPARED = [
    *BINARY[:24], rough(SPECIAL, SPECIAL[:, None]), rough(I, 3), rough(T, TV), rough(GRID, 0),
    rough(I8, 300), rough(U8, -1), rough(I, 2.5), call(M, F), wrong(M, U),
]
POWERS = [s for s in BINARY if s.args[0] is not M or type(s.args[1]) is int]
NAMES = {
    "add": BINARY,
    "sub": BINARY,
    "mul": BINARY,
    "truediv": BINARY,
    "floordiv": BINARY,
    "mod": BINARY,
    "pow": [
        *POWERS, call(A, N), call(A, 2.5), call(M, 3), call(M, -2), call(M, 0), call(M, 1),
        call(F, 2), call(F, 0.5), call(2.5, M), rough(I, 2), rough(I, 0), rough(P, P % 4),
        wrong(P, -1), rough(P, np.int64(2)), rough(T, 2), call(C, 2), call(C, -1), rough(2, P),
        rough(I8, 2), rough(U8, 3), rough(I32, 2.0), call(H, 2),
    ],
    "and_": WHOLE,
    "or_": WHOLE,
    "xor": WHOLE,
    "lshift": [rough(P, 2), rough(P, P % 5), rough(2, P), wrong(M, 2), rough(I8, 3)],
    "rshift": [rough(I, 2), rough(P, P % 5), rough(900, P), wrong(M, 2), rough(I8, 3)],
    "eq": COMPARED,
    "ne": COMPARED,
    "lt": COMPARED,
    "le": COMPARED,
    "gt": COMPARED,
    "ge": COMPARED,
    "matmul": [
        call(M, N.T), call(M, V), call(U, M), call(V, W), call(D, Q), call(M, N.T.tolist()),
        call(M.tolist(), N.T), wrong(M, N), wrong(M, 2.0), wrong(2.0, M), call(F, N.T),
        rough(I, I.T),
    ],
    "neg": [call(M), call(C), rough(I), wrong(T), call(X0), rough(U8)],
    "pos": [call(M), call(C), rough(I), wrong(T), call(X0)],
    "abs": [call(M), call(C), rough(I), rough(T), call(X0)],
    "invert": [rough(I), rough(T), wrong(M), rough(U8)]}

GETTING = [
    call(M, _S[0]), call(M, _S[-1]), call(M, _S[0, 1]), call(M, _S[1:]), call(M, _S[:, 1]),
    call(M, _S[:, 1:3]), call(M, _S[::-1]), call(M, _S[::-2, ::2]), call(M, _S[...]),
    call(M, _S[..., 0]), call(M, _S[None]), call(M, _S[:, None]), call(M, _S[..., None, 0]),
    call(M, _S[()]), call(X0, _S[()]), call(X0, _S[...]), call(X0, _S[None]), call(V, _S[1:99]),
    call(V, _S[-99:2]), call(V, _S[3:1]), call(V, _S[5:]), call(V, _S[::3]), call(V, _S[-1:-3:-1]),
    call(M, [0, 2]), call(M, ([0, 2],)), call(M, ([0, 2], [1, 3])), call(M, (slice(None), [1, 3])),
    call(B, (0, [0, 2], slice(1, 3))), call(B, ([0, 1], slice(None), [1, 2])),
    call(B, ([0, 1], [1, 2])), call(B, (slice(None), [[0], [1]], [1, 2])),
    call(B, (Ellipsis, [0, 1])), call(B, ([[0, 1], [1, 0]],)), call(M, np.array([0, 2])),
    call(M, (np.array([0, 2]), 1)), call(M, np.array(1)),
    call(M, (np.array([[0], [2]]), np.array([1, 3]))), call(M, (None, [0, 1])),
    call(B, ([0, 1], None, 0)), call(B, (0, slice(None), [0, 1])),
    call(B, (slice(None), 0, [0, 1])), call(V, -1), call(V, 1), rough(I, _S[1:]), rough(T, _S[0]),
    call(M, [True, False, True]), call(M, [[True] * 4, [False] * 4, [True, False] * 2]),
    by_value(M, T), by_value(M, np.array([True, False, True])), by_value(M, (slice(None), TV)),
    by_value(B, (0, T)), by_value(M, (np.array([True, False, True]), 0)),
    by_value(V, np.array(True)), call(V, True), call(V, False), call(M, []), call(M, ([], 0)),
    call(M, np.zeros((0,), int)), call(M, (np.array([-1, 0]), slice(None, None, -1))),
    call(E, _S[:, 0]), call(M, (0, Ellipsis, 1)), call(B, (slice(None), np.array([1]), 2)),
    call(M, np.array([1, 2], np.uint8)), call(M, (_S[1:], np.array([0, -1]))), wrong(M, 3),
    wrong(M, -4), wrong(M, (0, 4)), wrong(M, (0, 0, 0)), wrong(M, 1.0), wrong(M, [0.5]),
    wrong(M, np.array([0.5])), wrong(M, "a"), wrong(X0, 0), wrong(M, _S[::0]),
    wrong(M, (Ellipsis, Ellipsis)), wrong(M, [0, 9]), wrong(M, ([0, 1], [0, 1, 2])),
    wrong(M, [True, False]), wrong(M, np.array([[True, False]])), wrong(M, _S[1.0:]), wrong(M, {}),
    wrong(V, [[0], [1, 2]]), wrong_by_value(M, np.array([9])), call(M, (np.array([0, 1]), [2, 3])),
    call(B, (np.array([[0, 1]]), slice(None), np.array([[1], [2]]))), wrong(V, (0, 1)),
    wrong(M, (None, 0, 0, 0)),
]

SAMPLES: dict[str, list[Call]] = {f"ndarray.{name}": samples for name, samples in METHODS.items()}
SAMPLES |= {f"operator.{name}": samples for name, samples in NAMES.items()}
SAMPLES["operator.getitem"] = GETTING

#: Whose samples are shared: NumPy refuses some of them.
PARTIAL = [f"operator.{name}" for name in NAMES]
