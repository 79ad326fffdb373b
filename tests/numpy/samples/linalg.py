"""Calls of numpy.linalg."""

# fmt: off
# ruff: noqa: F403, F405

import numpy as np

from tests.numpy.samples.call import Call, call, rough, wrong
from tests.numpy.samples.computing import SAMPLES as OF_NUMPY
from tests.numpy.samples.data import *

G = Q @ Q.T + np.eye(3)
GC = C[:, :3] @ C[:, :3].conj().T + np.eye(3)
HALF = D + 3 * np.eye(3)
SINGULAR = np.ones((3, 3))
ONE = [[2.0, X0], [1.0, 3.0]]

SQUARE = [
    call(Q), call(HALF), call(Q.astype(np.float32)), call(GC), rough(np.array([[2, 1], [1, 3]])),
    call([[2, 1], [1, 3]]), call(ONE), call(np.zeros((0, 0))), call(np.zeros((2, 0, 0))), wrong(M),
    wrong(V), wrong(X0), call(HALF[None]), call(G),
]
SYMMETRIC = [
    call(G), call(D @ D.mT + np.eye(3)), call(G.astype(np.float32)), call(GC),
    rough(np.array([[2, 1], [1, 3]])), call([[2.0, X0], [X0, 3.0]]), call(np.zeros((0, 0))),
    wrong(M), wrong(V),
]
ANY = [
    call(M), call(M.T), call(B), call(F), call(C), rough(I), call([[1.0, X0], [2, 3]]), wrong(V),
    call(Q),
]
GENERAL = [
    rough(Q), rough(G), rough(HALF), rough(GC), rough(ONE), rough(np.diag([1.0, 2.0]) + 0j),
]
ORDERS = [None, "fro", "nuc", 1, -1, 2, -2, np.inf, -np.inf]
NORM = [
    call(V), call(M), call(B), call(X0), call(C), call(CV), call(F), rough(I), call([1.0, X0]),
    call([3, 4]), call(M, axis=0), call(M, axis=-1, keepdims=True), call(B, axis=(1, 2)),
    call(B, axis=(0, -1), keepdims=True), call(M, keepdims=True), *[call(M, o) for o in ORDERS],
    *[call(B, o, (0, 2)) for o in ORDERS], *[call(M, o, keepdims=True) for o in ORDERS],
    *[call(V, o) for o in (None, 0.5, 1, 2, 3, -1, -2, np.inf, -np.inf, 0)],
    *[call(C, o, 1) for o in (None, 0.5, 1, 2, 3, -1, np.inf, -np.inf)],
    *[call(M, o, axis=0, keepdims=True) for o in (1, 2, 3, 0, np.inf)],
    *[call(C, o) for o in ORDERS], wrong(M, 3), wrong(V, "fro"), wrong(V, "nuc"), wrong(B, 1),
    wrong(M, axis=2), wrong(M, "unknown"), wrong(B, 1, (0, 1, 2)), wrong(M, axis=(0, 0)),
    rough(I, 1), rough(F, 1), call(E0), rough(np.zeros(3)), call(E, 1, 1), call(E, None, 0),
    call(x=V, ord=1), rough(T), call(F, np.inf, 0), call(M, axis=(1,)),
]

SAMPLES: dict[str, list[Call]] = {
    "inv": SQUARE,
    "det": SQUARE,
    "slogdet": SQUARE,
    "cond": [
        call(Q), call(M), call(HALF),
        *[call(Q, p) for p in (None, 1, -1, 2, -2, np.inf, -np.inf, "fro", "nuc")],
        call(Q.astype(np.float32)), call(GC), wrong(V), wrong(M, 1), call(HALF, 1), call(ONE),
        wrong(np.zeros((0, 0))),
    ],
    "solve": [
        call(Q, U), call(Q, M), call(HALF, M), call(HALF, U), call(D + 3 * np.eye(3), B),
        call(Q.astype(np.float32), F), call(GC, M), rough(np.array([[2, 1], [1, 3]]), [1, 2]),
        call(ONE, [1, 2]), call(Q, [1.0, X0, 2.0]), wrong(Q, V), wrong(M, U), wrong(V, V),
        wrong(Q, X0), call(Q, E.T), call(np.zeros((0, 0)), E0), call(D + 3 * np.eye(3), U),
        call(Q[None], M), call(Q, F),
    ],
    "cholesky": [*SYMMETRIC, call(G, upper=True), call(GC, upper=True)],
    "eigh": [rough(s.args[0]) if not s.wrong else s for s in SYMMETRIC],
    "eigvalsh": [
        *SYMMETRIC, call(G, "U"), call(GC, UPLO="U"), call(Q), call(Q, "U"), wrong(G, "X"),
    ],
    "eigvals": [*GENERAL, wrong(M), wrong(V)],
    "svdvals": [*ANY, call(E), wrong(X0)],
    "qr": [
        *[rough(x, m) for x in (M, M.T, B, F, C) for m in ("reduced", "complete", "r")], wrong(V),
        rough(M), call(M, mode="r"), wrong(M, "unknown"), rough(ONE), rough(I, mode="r"),
    ],
    "svd": [
        *[rough(x, compute_uv=False) for x in (M, M.T, B, F, C, I)], call(M, True, False), wrong(V),
    ],
    "pinv": [
        call(M), call(M.T), call(B), call(F), call(C), call(M, 1e-3), rough(I), call(ONE),
        call(G, hermitian=True), call(M, rtol=1e-3), wrong(V), call(E), rough(SINGULAR),
    ],
    "lstsq": [
        call(M.T, V), call(M.T, N.T[:, :2]), call(M, U), call(F.T, FV), call(C.T, CV),
        call(ONE, [1.0, 2.0]), call(M.T, V, 1e-3), wrong(M, V), wrong(V, V), wrong(B, V),
        call(M.T, V, rcond=-1),
    ],
    "matrix_rank": [
        rough(M), rough(SINGULAR), rough(B), rough(V), rough(G, hermitian=True),
        rough(SINGULAR, tol=1e-3), rough(SINGULAR, rtol=1e-3), rough(I), rough(F), rough(X0),
        rough(ONE),
    ],
    "matrix_power": [
        *[call(Q, n) for n in (0, 1, 2, 3, 5, -1, -3)], call(HALF, 2),
        rough(np.array([[2, 1], [1, 3]]), 3), rough(np.array([[2, 1], [1, 3]]), 0),
        rough(np.array([[2, 1], [1, 3]]), -1), call(ONE, 2), call(GC, 2), wrong(M, 2),
        wrong(Q, 1.5), wrong(V, 2),
    ],
    "multi_dot": [
        call([M, N.T]), call([M, N.T, Q]), call([U, M, V]), call([M, N.T, Q, U]), call([V, M.T]),
        call((Q, Q, Q, Q)), call([F, N.T]), rough([I, I.T, I]), wrong([M]), wrong([M, N]),
        wrong([M, B]), wrong([]),
    ],
    "norm": NORM,
    "vector_norm": [
        call(V), call(M), call(B), call(X0), call(M, axis=0), call(B, axis=(0, 2), keepdims=True),
        call(M, ord=1), call(B, axis=1, ord=3), call(M, ord=np.inf), call(M, ord=-np.inf, axis=1),
        call(M, ord=0.5), rough(M, ord=0, axis=0), call(C), rough(I), call(F, axis=0),
        call(M, keepdims=True), wrong(M, axis=2), call([1.0, X0]), call(B, axis=(0, 2), ord=1),
    ],
    "matrix_norm": [
        call(M), call(B), *[call(B, ord=o) for o in ("fro", "nuc", 1, -1, 2, -2, np.inf, -np.inf)],
        call(M, keepdims=True), call(C), rough(I), call(F), wrong(V), wrong(M, ord=3), call(ONE),
    ],
    "tensorinv": [
        call((Q @ Q.T + np.eye(3)).reshape(3, 3, 1), 1),
        call(np.eye(24).reshape(4, 6, 8, 3) + 0.1, ind=2), wrong(M), wrong(Q, 0),
    ],
    "tensorsolve": [
        call(np.eye(12).reshape(3, 4, 3, 4) + 0.1, M), call(Q, U), wrong(Q, V), call(Q.tolist(), U),
    ],
    "trace": [
        call(M), call(B), call(M, offset=1), call(B, offset=-1), rough(I), rough(I8),
        call(F, dtype=float), wrong(V), wrong(X0), call(C), call(ONE),
    ],
    "diagonal": [
        call(M), call(B), call(M, offset=1), call(B, offset=-1), rough(I), wrong(V), wrong(X0),
        call(C),
    ],
    "matrix_transpose": [call(M), call(B), wrong(V), rough(I)],
    "outer": [
        call(V, U), call(CV, U), rough(IV, IV), wrong(M, V), wrong(X0, V), call([1.0, X0], [2, 3]),
        call(F[0], V),
    ],
    "cross": [
        call(U, U[::-1]), call(Q, Q.T), call(D, D[::-1], axis=1), wrong(V, V), wrong(V[:2], W[:2]),
        rough(I[:, :3], I[:, 1:]), call([1.0, X0, 2.0], [1, 2, 3]),
    ],
    "matmul": OF_NUMPY["matmul"][:20],
    "vecdot": OF_NUMPY["vecdot"][:12],
    "tensordot": [call(M, N, axes=([0], [0])), call(M, N), call(M, N.T, axes=1)],
    "eig": [*GENERAL, wrong(M), wrong(V)],
}
