"""Calls of functions that make arrays, and of those that ask about them."""

# fmt: off
# ruff: noqa: F403, F405

import numpy as np

from tests.numpy.samples.call import alike, by_value, call, rough, wrong, wrong_by_value
from tests.numpy.samples.data import *

OF_SHAPE = [
    call(3), call((2, 3)), call([2, 3]), call(()), call(0), call((2, 0)), call(2, dtype=int),
    call(2, "f4"), call((2, 3), bool), call(2, complex), call((2, 3), order="F"),
    call(2, dtype=np.int8), wrong(-1), wrong((2, -1)), wrong(2.5), wrong("a"),
    by_value(np.int64(3)), by_value(np.array([2, 3])), call(shape=3), call(3, None),
    wrong(3, "unknown"), wrong((2, 1.5)),
]
LIKE = [
    call(M), call(X0), call([1.0, 2.0]), call([1.0, X0]), call(2.5), call(2), rough(I), rough(T),
    call(F), call(C), call(M, int), call(M, dtype=np.float32), call(M, dtype="f4", order="C"),
    call(F, shape=(2, 2)), call(F, shape=3), call(M, bool, "K", True, (2,)), call(E),
    rough(I8, dtype=float), wrong(M, shape=(-1,)), wrong(M, "unknown"), call(F, shape=[2, 3]),
    call(M, shape=()), call(I32, complex),
]
TRIANGLE = [
    call(M), call(M, 1), call(M, -1), call(M, k=9), call(M, -9), call(B), call(B, 1), call(V),
    call([[1, 2], [3, 4]]), call([[1.0, X0], [2, 3]]), rough(I, -1), rough(T), call(F), call(C, 1),
    call(E), wrong(X0), call(Q, 0), call(M, 0.5),
]
MESH = [
    call(V, U), call(V), call(), call(V, U, X0), call(V, U, indexing="ij"), call(V, U, sparse=True),
    call(V, U, indexing="ij", sparse=True), call([1, 2], [3.0, X0]), call(IV, F[0]), call(V, M),
    call(V, U, copy=False), wrong(V, indexing="zz"), call(2.0, V), call(V, U, W[:2], indexing="ij"),
    wrong(V, nonsense=1),
]

SAMPLES = {
    "zeros": OF_SHAPE,
    "ones": OF_SHAPE,
    "empty": [call((2, 0)), call(0), wrong(-1), wrong("a"), call((0, 3), dtype=int), wrong(2.5)],
    "full": [
        call(3, 2.5), call((2, 3), 1), call(2, True), call(2, 2j), call((3, 4), V),
        call((3, 4), X0), call(3, X0, np.float32), call((), X0), call(2, 1, float),
        call(2, 2.7, int), call([2, 3], X0), call((2, 4), [1, 2, 3, 4]), call((2, 2), [1.0, X0]),
        call((0, 3), X0), call(2, F[0, 0]), call(2, I8[0, 0]), call(shape=3, fill_value=X0),
        wrong((2, 3), V), wrong(-1, 0.0), wrong(2), rough(2, X0, int), call(2, X0, complex),
        call((2, 4), V, "f4", "F"),
    ],
    "zeros_like": LIKE,
    "ones_like": LIKE,
    "empty_like": [call(E), call(E, int), call(M, shape=(0,)), call(M, shape=0)],
    "full_like": [
        wrong(I8, 300), call(I8, 100), wrong(I, -1, np.uint8),
        call(M, 7), call(M, X0), call(M, 2.5, int), call(I, 2), rough(I, 2.7), rough(I, X0),
        call(F, X0), call(F, 1), call(M, V), call(M, [1, 2, 3, 4]), call([1, 2], 3),
        call([1.0, X0], 3), call(X0, X0), call(M, X0, shape=(2,)), call(M, V, shape=(2, 4)),
        call(M, X0, dtype=np.float32), call(T, X0), wrong(M, U), call(2.5, X0), call(C, X0),
        call(I8, 3),
    ],
    "array": [
        call(2.5), call(2), call(True), call(2j), call([1, 2]), call([1.5, 2]), call([True, 2]),
        call([[1, 2], [3, 4]]), call((1.0, 2)), call(M), call(X0), call([X0, 1.0]), call([X0, 1]),
        call([X0, X0]), call([[X0, 1.0], [2, X0]]), call([M, N]), call([V, [1, 2, 3, 4]]),
        call([F[0], V]), call([F[0], [1, 2, 3, 4]]), call([F[0, 0], 1.0]), call([F[0, 0], X0]),
        call([I[0, 0], 1.5]), call([I8[0, 0], U8[0, 0]]), call([T[0, 0], 2]), call([X0, 2j]),
        call(M, np.float32), call(M, dtype=int), call([X0, 1.5], dtype=np.float32),
        call([X0, 1.5], int), call(M, ndmin=3), call([1.0, X0], ndmin=2), call(X0, ndmin=1),
        call(M, copy=True), call(M, copy=None), call([]), call([[], []]), call([[X0], [1.0]]),
        call(((X0, 1), [2, 3])), call(M, order="F"), wrong([M, V]), wrong([[X0], [1.0, 2.0]]),
        wrong([X0, [1.0]]), wrong([V, U]), call(object=V), wrong([1, [2, 3]]), call(M, None),
        call(C, complex), call([M[0], N[0]]), call(T), call([TV, [0, 1, 2, 3]]),
    ],
    "asarray": [
        call(2.5), call(2), call([1, 2]), call([1.5, 2]), call(M), call(X0), call([X0, 1.0]),
        call([[X0, 1.0], [2, X0]]), call([V, [1, 2, 3, 4]]), call(M, np.float32),
        call(M, dtype=int), call([X0, 1.5], dtype=np.float32), call(M, order="C"), wrong([M, V]),
        call(a=V), call(M, copy=True), call([]), call(T), call([F[0], V]),
    ],
    "copy": [
        call(M), call(X0), call([1.0, X0]), call(2.5), call([1, 2]), rough(I), call(M, "F"),
        call(M, order="C"), call(a=V),
    ],
    "astype": [
        call(M, np.float32), call(M, float), call(M, int), call(M, complex), call(I, float),
        rough(I, np.int8), rough(M, bool), call(T, float), call(F, float), call(C, np.complex64),
        call(M, np.float32, copy=False), call(X0, "f4"), wrong([1.0, X0], int), wrong(M, "unknown"),
        wrong(M, float, "C"), rough(np.array([-1.5, 300.7, 0.0]), np.uint8),
        rough(np.array([-1.5, 300.7]), np.int16), wrong(2.5, int),
        call(M.astype(np.float16), float),
    ],
    "arange": [
        call(3), call(3.5), call(1, 4), call(1, 4, 2), call(4, 1, -1), call(0.5, 3, 0.5),
        call(3, dtype=float), call(0), call(-2), call(1, 4, dtype=np.float32), call(0, 1, 0.1),
        call(start=1, stop=4), call(0, 3, 0.7), by_value(X0 * 5), by_value(X0, 4.0),
        by_value(0.0, X0, 0.1), call(stop=3), wrong(0, 1, 0), by_value(np.int64(5)), wrong("a"),
        call(True), call(2, 9, 3), wrong(), call(5, 2), by_value(F[0, 0] + 3),
        by_value(0.0, np.float32(3.5)), by_value(F[0, 0], 3, 0.5), by_value(I8[0, 0], 9),
    ],
    "linspace": [
        call(0, 1), call(0, 1, 5), call(0.0, 3, 4, False), call(0, 1, 5, retstep=True),
        call(0, 10, 5, dtype=int), call(X0, 2.0, 5), call(0, X0, 5),
        call(X0, 2 * X0, 4, endpoint=False, retstep=True), call(V, W, 3), call(V, 2.0, 4, axis=1),
        call(V, W, 3, axis=-1), call(M, V, 3), call(F, 1.0, 3), call(F, N, 3), call(F[0, 0], 1, 4),
        call(I, 9, 4), call(I8[0, 0], 5, 3), call(C, 1.0, 3), call(0, 1j, 3), call(X0, 1.0, 1),
        call(X0, 1.0, 0), call(X0, 1.0, 1, retstep=True), call(X0, 1.0, 1, False),
        call(V, W, 2, dtype=np.float32), rough(X0, 9.0, 4, dtype=int), wrong(0, 1, -1),
        wrong(0, 1, 2.5), wrong(V, U), wrong(X0, 1.0, -1), wrong(V, W, 3, axis=2), call(X0, X0, 3),
        call([1.0, X0], 3, 3), call(start=X0, stop=2.0, num=3), call(T, 2.0, 3), call(1, 0, 5),
        rough(-2.5, X0, 7, dtype=int), call(V, W, 0), call(np.float32(0.3), F[0, 0], 3),
        call(X0, np.inf, 3),
    ],
    "logspace": [
        call(0, 1, 4), call(X0, 2.0, 5), call(0, X0, 4, False), call(V, W, 3),
        call(V, 2.0, 4, axis=1), call(X0, 2.0, 4, base=2), call(X0, 2.0, 4, base=X0 + 2),
        call(0, 1, 3, base=AV), call(0, 1, 3, base=AV, axis=1), call(F, 1.0, 3),
        rough(0, 3, 4, dtype=int), call(X0, 1.0, 3, dtype=np.float32), call(I[0, 0], 3, 3),
        call(C[0, 0], 1, 3), wrong(0, 1, -1), call(V, W, 3, base=[2.0, 3, 4, 5]), call(X0, 1.0, 1),
        call(X0, 1.0, 0),
    ],
    "geomspace": [
        call(1, 8, 4), call(X0, 2.0, 5), call(1, X0, 4, False), call(AV, 2 * AV, 3),
        call(AV, 2.0, 4, axis=1), call(-AV, -2.0, 3), call(np.abs(F) + 1, 9.0, 3),
        rough(1, 1000, 4, dtype=int), call(X0, 1.0, 3, dtype=np.float32), rough(P, 100, 3),
        call(C + 1, 2.0 + 1j, 3), call(1j, 16j, 3), call(X0, 2j, 3), wrong_by_value(0, 1),
        wrong_by_value(X0 * 0, 2.0, 3), wrong(1, 2, -1), call(X0, 2.0, 1), call(X0, 2.0, 0),
        call(AV, -AV[::-1], 3), call([1.0, X0], [2.0, 4.0], 3), call(2, 2, 3), call(-X0, -2.0, 5),
        call(-X0, 2.0, 3), call(2, 256, 3),
    ],
    "eye": [
        call(3), call(3, 4), call(3, 4, 1), call(3, k=-1), call(3, dtype=int), call(2, 3, 9),
        call(0), call(3, None, 1, np.float32), call(N=2, M=3), call(1), wrong(2.5),
        by_value(np.int64(2)), wrong(2, "a"), call(3, order="F"), call(2, 3, 5, bool),
    ],
    "identity": [call(3), call(2, int), call(0), call(n=2), call(2, dtype=bool), wrong(2.5)],
    "tri": [
        call(3), call(3, 4), call(3, 4, 1), call(3, k=-1), call(3, dtype=int), call(0),
        call(2, 3, 9), call(2, 3, -9), call(2.5), call(3, None, 0, bool),
    ],
    "tril": TRIANGLE,
    "triu": TRIANGLE,
    "vander": [
        call(V), call(V, 3), call(V, 4, True), call(V, increasing=True), call(V, N=2), rough(IV),
        call([1.0, X0]), call([1, 2, 3]), call(F[0]), call(CV), call(V, 0), call(V, 1),
        rough(I8[0]), rough(TV), wrong(M), wrong(X0), wrong(V, -1), call(E0), rough(U8[0], 3),
        call(x=V),
    ],
    "meshgrid": MESH,
    "indices": [
        call((2, 3)), call((2,)), call(()), call((2, 3), float), call((2, 3), sparse=True),
        call([2, 3]), call((2, 0)), wrong((2.5, 1)), call(dimensions=(2, 3), dtype=np.int8),
        wrong((-1, 2)),
    ],
    "diag": [
        call(V), call(V, 1), call(V, -2), call(M), call(M, 1), call(M, -1), call(M, k=9),
        call(M, -9), call([1.0, X0]), call([1, 2]), call([[1, 2], [3, 4]]), rough(I), rough(IV, 2),
        call(C), call(F[0]), wrong(X0), wrong(B), call(E0), call(E), wrong(M, 0.5), call(T),
        call(v=V, k=1), call(E0, 2), call(R),
    ],
    "diagflat": [
        call(V), call(V, 1), call(V, -2), call(M), call(X0), call(2.5), call([[1.0, X0]], 1),
        call([1, 2]), rough(I, -1), call(B), call(E0), call(v=V, k=2), wrong(V, 0.5), call(T),
        call(X0, 1),
    ],
    "diagonal": [
        call(M), call(M, 1), call(M, -1), call(M, offset=9), call(M, -9), call(B), call(B, 1, 1, 2),
        call(B, 0, -1, 0), call(B, axis1=2, axis2=0, offset=-1), rough(I), call([[1, 2], [3, 4]]),
        call([[1.0, X0], [2, 3]]), call(E), wrong(V), wrong(X0), wrong(M, 0, 0, 0),
        wrong(M, 0, 0, 2), wrong(M, 0.5), call(C), call(T), call(B[None], 1), wrong(B, 0, 0, -3),
        call(Q.T),
    ],
    "trace": [
        call(M), call(M, 1), call(M, -1), call(M, offset=9), call(B), call(B, 1, 1, 2),
        call(B, 0, -1, 0), call(M, dtype=np.float32), call(M, 0, 0, 1, float), rough(I), rough(I8),
        rough(T), call([[1, 2], [3, 4]]), call([[1.0, X0], [2, 3]]), call(E), wrong(V), wrong(X0),
        wrong(M, 0, 0, 0), wrong(M, 0, 0, 2), call(F), call(C), call(F, dtype=float),
        rough(I8, dtype=np.int8), call(M, dtype=complex), wrong(M, 0.5), rough(U8),
        rough(T, dtype=float), call(B, axis1=-2, axis2=-1),
    ],
    "diag_indices": [call(3), call(3, 3), call(2, ndim=1), call(2.5), call(0)],
    "diag_indices_from": [alike(Q), alike(D[0]), wrong(M), wrong(V), alike(np.ones((2, 2, 2)))],
    "tril_indices": [call(3), call(3, 1), call(3, -1, 4), call(3, m=2), call(2.5)],
    "triu_indices": [call(3), call(3, 1), call(3, -1, 4), call(3, m=2), call(2.5)],
    "tril_indices_from": [alike(M), alike(Q, 1), alike(Q, k=-1), wrong(V), wrong(B)],
    "triu_indices_from": [alike(M), alike(Q, 1), alike(Q, k=-1), wrong(V), wrong(B)],
    "mask_indices": [call(3, np.triu), call(3, np.tril, -1), call(2, np.triu, k=1)],
    "ix_": [
        call([0, 1], [1, 2]), rough(np.array([0, 1]), np.array([2, 0, 1])),
        call([True, False], [0, 1]), by_value(TV, np.array([0])), call([0]), call(), wrong(I),
        wrong(X0), call([], [1]), call(V), call((1, 2), [0]),
    ],
    "unravel_index": [
        rough(np.array([5, 7]), (3, 4)), call(5, (3, 4)), call([5, 0], (3, 4)),
        call([5, 7], shape=(3, 4), order="F"), call(3, 4),
        rough(np.array([[1, 2], [3, 4]]), (2, 3, 4)), wrong(12, (3, 4)), wrong(-1, (3, 4)),
        wrong(1.5, (3, 4)), wrong_by_value(np.array([12]), (3, 4)), rough(np.array(5), [3, 4]),
        wrong([1], (3, 4), order="X"), call([0], (1, 1)), rough(np.array([5], np.uint8), (3, 4)),
    ],
    "ravel_multi_index": [
        rough((np.array([1, 2]), np.array([3, 0])), (3, 4)), call((1, 3), (3, 4)),
        call(([1, 2], [3, 0]), (3, 4), order="F"), call(([5], [-1]), (3, 4), mode="wrap"),
        call(([5], [-1]), (3, 4), "clip"), call(([5], [1]), (3, 4), ("wrap", "clip")),
        rough(np.array([[1, 2], [3, 0]]), (3, 4)), wrong((3, 0), (3, 4)), wrong((1.5, 0), (3, 4)),
        wrong_by_value((np.array([5]), np.array([0])), (3, 4)), wrong((1,), (3, 4)),
        wrong((1, 1), (3, 4), "unknown"),
        rough((np.array([7]), np.array([-3])), (3, 4), mode="wrap"),
        rough((np.array([7]), np.array([-3])), (3, 4), mode="clip"),
    ],
    "shape": [call(M), call(X0), call([[1.0, X0]]), call([1, 2]), call(2.5), call(E), rough(I)],
    "ndim": [call(M), call(X0), call([[1.0, X0]]), call([1, 2]), call(2.5), call(E), rough(I)],
    "size": [
        call(M), call(M, 0), call(M, axis=-1), call(X0), call([[1.0, X0]]), call([1, 2]), call(2.5),
        call(E), rough(I), wrong(M, 2), call(B, (0, 2)), call(M, None), wrong(M, 1.0),
    ],
    "can_cast": [
        call("f4", "f8"), call("f8", "f4"), call(float, int, "unsafe"),
        call(np.float32, float, casting="no"), call("i8", "f8"), wrong("f4", "unknown"),
        wrong("f4", "f8", "never"), call("f8", "f4", "same_kind"),
    ],
    "result_type": [
        call(M, F), call(F, 2.0), call(F, 2), call(I, 2.5), call(F, I), call("f4", M),
        call(np.float32, 3), call(I8, U8), call(F, 1j), call(T, 1), call(3), call(2.5),
        call(F, "i8"), call(X0, F), wrong(), call(M), call(H, 1),
    ],
}
