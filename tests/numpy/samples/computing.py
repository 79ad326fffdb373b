"""Calls of products, numerical functions, polynomials and rounding."""

# fmt: off
# ruff: noqa: F403, F405

import numpy as np

from tests.numpy.samples.call import Call, call, rough, wrong
from tests.numpy.samples.data import *

_K = np.array([0.5, -1.0, 2.0])

MATMUL = [
    call(M, N.T), call(M, V), call(U, M), call(V, W), call(B, B.mT @ D), call(B.mT, B), call(D, Q),
    call(Q, D), call(D, U), call(U, D), call(F, M.T), call(F, F.T), rough(I, I.T), rough(I8, I8.T),
    rough(T, T.T), call(M, I.T), call(C, M.T), call(C64, F.T), call(E, Q), call(E.T, E),
    call(np.zeros((3, 0)), np.zeros((0, 2))), call([[1.0, X0]], M[:2]),
    call([[1, 2], [3, 4]], [[1], [2]]), call(M, [1.0, 2, 3, 4]), call(F, [1, 2, 3, 4]),
    call(B[:, None], B.mT[None]), wrong(M, N), wrong(X0, M), wrong(M, 2.0), wrong(V, U),
    wrong(D, B[:, :2]), call(M, N.T, dtype=np.float32), call(F, F.T, dtype=float),
    call(M, N.T, None), wrong(M), call(R.T, R), call(E0, E0), wrong(M, N.T, dtype=int),
    call(H, H.T),
]
DOT = [
    call(M, N.T), call(M, V), call(U, M), call(V, W), call(M, 2.0), call(3, M), call(X0, M),
    call(X0, 2), call(B, V), call(B.mT, B), call(B, M.T), call(V, M.T), call(F, M.T), rough(I, I.T),
    rough(T, T.T), call(C, M.T), call(E, Q), call([[1.0, X0]], M[:2]), call([1, 2], [3, 4]),
    call(F, 2.0), call(F, X0), call(I, 2.5), wrong(M, N), wrong(V, U), wrong(B, M),
    call(M, V, None), call(E0, E0), call(a=V, b=W),
]
INNER = [
    call(V, W), call(M, N), call(M, V), call(B, M), call(B, B), call(M, 2.0), call(X0, M),
    call([1.0, X0], [2, 3]), call([1, 2], [3, 4]), call(F, V), rough(I, IV), call(C, V), call(E, E),
    wrong(M, U), wrong(V, U), rough(T, TV), call(X0, X0),
]
OUTER = [
    call(V, U), call(M, V), call(X0, V), call(2.0, V), call([1.0, X0], [2, 3]),
    call([1, 2], [3, 4]), call(F, 2.0), call(F[0], V), rough(IV, I32), call(CV, V), rough(TV, TV),
    call(E0, V), call(B, U), call(V, U, None), call(a=V, b=U),
]
VDOT = [
    call(V, W), call(M, N), call(CV, V), call(CV, CV * 1j), call(V, CV), call(X0, 2.0),
    call(X0, X0), call([1.0, X0], [2, 3]), call([1, 2], [3, 4]), call(F, M), rough(I, I),
    call(C, C.T), call(E, E), wrong(V, U), rough(T, T), wrong(M, V),
]
VECDOT = [
    call(V, W), call(M, V), call(M, N), call(B, V), call(C, CV), call(B, B, axis=1),
    call(M, N, axis=0), call(M, N, axis=-1), call([1.0, X0], [2, 3]), call(F, V), rough(I, I),
    wrong(M, U), wrong(X0, V), call(E, E), call(R, V[:1]), rough(T, TV), wrong(M, N, axis=2),
    call(F, F, dtype=float),
]
CROSS = [
    call(U, Q), call(Q, Q.T), call(D, U), call(Q, U), call([1.0, X0, 2], [2, 3, 4]),
    call([1, 2, 3], [3, 4, 5]), call(B.mT, B.mT[::-1]), call(D, D[::-1], axis=1),
    call(Q.T, Q, 0, 1), call(Q, Q.T, axisa=0, axisb=1, axisc=0), call(D, D[::-1], -1, -1, 0),
    rough(I[:, :3], I[:, 1:]), call(F[:, :3], M[:, 1:]), call(C[:, :3], U), wrong(V, V),
    wrong(M, U), wrong(X0, U), wrong(U, M), wrong(Q, Q, axis=5), call(E, E),
]
TENSORDOT = [
    call(M, N.T, 1), call(M, N, 2), call(M, N, 0), call(B, B, 3), call(M, N, ([0, 1], [0, 1])),
    call(M, N, ([0], [0])), call(M, N, (0, 0)), call(M, N, axes=(1, 1)),
    call(B, M, ([1, 2], [0, 1])), call(B, M, ((2, 1), (1, 0))), call(M, N, [0, 0]), call(V, W, 1),
    call(B, D, ([0, -2], [0, 2])), call(X0, M, 0), call([[1.0, X0]], [[2], [3]], 1),
    rough(I, I.T, 1), call(F, M.T, 1), call(C, N.T, 1), wrong(M, N, 1), call(M, N),
    wrong(M, N, ([0], [1])), wrong(M, N, ([0, 1], [0])), wrong(M, N, 3), call(E, Q, 1),
    wrong(M, N, ([2], [0])), call(M, N, ((), ())), call(M, N, axes=((1,), (-1,))),
    call(B, B, ([0, 1, 2], [0, 1, 2])),
]
EINSUM = [
    call("ij,kj->ik", M, N), call("ij,ij", M, N), call("ij->ji", M), call("ij", M), call("ji", M),
    call("ii", Q), call("ii->i", Q), call("ij->", M), call("i,i->", V, W), call("i,j", V, U),
    call("ij,j", M, V), call("bij,bjk->bik", D, D), call("...ij,...jk", D, Q),
    call("...j,j->...", B, V), call("b...->...", B), call("i...->...", B), call("...", M),
    call("ij,jk,kl->il", Q, Q.T, Q), call("ij,jk,kl", Q, Q.T, M, optimize=True),
    call("ij,jk,kl", Q, Q.T, M, optimize="greedy"),
    call("ij,jk,kl", Q, Q.T, M, optimize=["einsum_path", (0, 1), (0, 1)]), call("i->i", V),
    call(",", X0, 2.0), call(",i->i", X0, V), call("ij,ij->i", M, N),
    call("iij->j", np.stack([Q, Q, Q])), call("i,i,i->i", V, W, V), call("ij,i->j", M, U),
    call(M, [0, 1], N, [2, 1]), call(M, [0, 1], N, [2, 1], [2, 0]), call(M, [0, 1]),
    call(M, [Ellipsis, 0], V, [0], [Ellipsis]), call("ij,jk", [[1.0, X0]], [[2], [3]]),
    rough("ij,kj", I, I), call("ij,kj", F, M), call("ij,kj", F, F, dtype=float),
    call("ij,kj->ik", C, M), call("ij,kj", M, N, order="C"), call("IJ,KJ", M, N),
    call(" ij , kj -> ik ", M, N), call("ij,kj->ik", M, N, optimize="optimal"),
    call("abc,abd->cd", B, D), call("ij,ij->ij", M, R), call("ij,ij->ij", M, V[None]),
    rough("ij,ij->i", T, T), call("ij->i", E), call("ij,jk", E, Q), call("ab,ba", Q, Q),
    call("aab,bc->ac", np.stack([Q, Q, Q]), Q), call("i,->i", V, 3), rough("ij,j", I8, I8[0]),
    wrong("ij,jk", M, N), wrong("ij,j->ik", M, V), wrong("ij", V), wrong("ij,kj", M),
    wrong("ii", M), wrong("ij->ii", Q), wrong("i1", M), wrong("ij->ij->ij", M), wrong("ij", M, N),
    wrong("ij->iz", M), wrong("...ij->ij", D), wrong("ij,kj", M, N, nonsense=1),
    wrong("ij,kj", M, N, dtype=int),
]
MODES = [
    call(V7, V), call(V, V7), call(V7, V, "same"), call(V, V7, "same"), call(V7, V, mode="valid"),
    call(V, V7, "valid"), call(V, W, "full"), call(V, W, "valid"), call([1.0, X0, 2], [1, 2]),
    call([1, 2, 3], [0, 1]), rough(IV, IV[:2]), call(CV, V), call(V, CV), call(CV, CV[:2] * 1j),
    call(F[0], V7), call(F[0], F[1]), rough(I8[0], I8[1]), rough(TV, T[0]), wrong(E0, V),
    wrong(M, V), wrong(V, W, "unknown"), call(V7, V[:2], "same"), call(V7, V[:3], "valid"),
    call(F[0], [1.0, 2]), call(CV, V7, "same"), call(V, CV[:3], "valid"),
]
DIFF = [
    call(V), call(V, 2), call(V, n=3), call(V, 4), call(V, 9), call(M), call(M, 1, 0),
    call(M, axis=-1), call(M, 2, axis=0), call(M, 0), call(V, prepend=0),
    call(V, append=[1.0, 2.0]), call(V, 1, -1, X0, 2.0), call(M, axis=0, prepend=0, append=V[None]),
    call(M, axis=1, prepend=R), call(M, prepend=0.0), rough(I), rough(I8, 2, 0), rough(T),
    rough(T, 2), rough(U8), call(C), call(F), call(F, prepend=0), call(F, prepend=0.5),
    call(F, prepend=X0), rough(I, append=2.5), call([1.0, X0, 3]), call([1, 4, 9]), call(E0),
    call(E, axis=0), wrong(X0), wrong(V, -1), wrong(M, 1, 2), wrong(M, axis=1, prepend=V),
    call(a=V, n=1), wrong(V, 1.5),
]
GRADIENT = [
    call(V), call(M), call(M, axis=0), call(M, axis=-1), call(B), call(B, axis=(0, 2)),
    call(V, 2.0), call(M, 2.0, 0.5), call(M, 0.5, axis=1), call(V, S[:4]), call(M, S[:3], S[:4]),
    call(M, 2.0, S[:4]), call(M, S[:4], axis=1), call(V, edge_order=2),
    call(B[0], 2.0, edge_order=2), call(V, S[:4], edge_order=2), rough(I), rough(I, 2),
    rough(U8, axis=0), call(F), call(F, 2.0), call(F, X0), call(C), call([1.0, X0, 4.0]),
    call([1, 4, 9]), call(V, X0), call(H, axis=1), call(M, [0.0, 1.0, 4.0], axis=0),
    call(V, np.linspace(0, 1, 4)), call(X0), wrong(V[:1]), wrong(Q, U), wrong(V, S),
    wrong(M, 1.0, 2.0, 3.0), wrong(V[:2], edge_order=2), wrong(V, edge_order=3), wrong(M, axis=2),
    wrong(M, M, axis=0), wrong(M, axis=(0, 0)), rough(F, S[:3].astype(np.float32), axis=0),
    rough(V, [0, 1, 3, 4]), rough(V, IV * 0 + np.arange(4)),
]
INTERP = [
    call(M, S, V7[:6]), call(X0, S, V7[:6]), call(0.3, S, V7[:6]), call([0.1, X0], S, V7[:6]),
    call([0, 1, 2], [0, 1, 2], [3, 4, 5]), call(M, S, V7[:6], -5),
    call(M, S, V7[:6], left=-5, right=X0), call(3 * M, S, V7[:6], period=2.5),
    call(3 * M, S, V7[:6], period=-2.5), rough(S, S, V7[:6]), call(M, S, CV[[0, 1, 2, 3, 0, 1]]),
    call(F, S, V7[:6]), rough(I, S, V7[:6]), call(M, [0.0, 1.0], [X0, 2.0]),
    rough(SPECIAL, S, V7[:6]), rough(M, S, IV[[0, 1, 2, 3, 0, 1]]), call(M, [0.0], [2.0]),
    wrong(M, S, V), wrong(M, E0, E0), wrong(C, S, V7[:6]), wrong(M, S, V7[:6], period=0),
    wrong(M, M, M), rough(M, [0.0, 0.0, 1.0], [1.0, 2.0, 3.0]),
    call(M, S[::-1], V7[:6], period=7.0), rough(M, S, [1, 2, 3, 4, 5, 6]),
    call(x=X0, xp=S, fp=V7[:6]), rough(M, S, [np.inf, 1, 2, np.nan, 4, 5]),
]
UNWRAP = [
    call(5 * V7), call(5 * M), call(5 * M, axis=0), call(5 * M, 4.0), call(5 * V7, discont=0.5),
    call(5 * V7, period=2.0), call(5 * M, axis=0, period=2.5, discont=1.0), rough(I, period=5),
    rough(I, period=4), rough(I, period=5.0), call(5 * F), call([1.0, X0, 9.0]),
    call([0, 5, 9], period=4), call(E0), wrong(X0), wrong(M, axis=2),
    rough(np.array([0.0, np.pi, 2 * np.pi, -np.pi])), rough(I8, period=6), wrong(C),
]
ROUND = [
    call(M), call(M, 2), call(M, decimals=-1), call(10 * M, -1), call(X0), call(2.5),
    call([1.25, X0], 1), call([1, 2]), rough(I), rough(I, -1), rough(I, 2), rough(I8, -1),
    call(C, 1), call(F, 2), call(H, 1), rough(SPECIAL), rough(SPECIAL, 1), rough(T), call(E),
    call(M, 0, None), rough(np.array([0.5, 1.5, -0.5, 2.5])), wrong(M, 1.5), call(a=M, decimals=1),
    rough(np.array([15, 25, -15]), -1), rough(np.array([1e17, 2.675]), 2), rough(U8, -1),
    wrong(M, "a"),
]
CLIP = [
    call(M, -0.5, 0.5), call(M, None, 0.5), call(M, -0.5, None), call(M, N - 1, N + 1),
    call(M, V - 1, R + 1), call(X0, 0.0, 1.0), call(2.5, 0.0, X0), call([1.0, X0], 0.8, 2),
    call([1, 5], 2, 3), rough(I, -2, 3), rough(I, 0.5, 2.5), rough(I, -2, None), rough(I8, -2, 100),
    rough(U8, 2, 5), rough(T, 0, 1), call(F, -0.5, 0.5), call(F, 0, 1), call(F, X0 - 1, X0),
    call(F, N - 1, 1), rough(SPECIAL, -1, 1), rough(M, np.nan, 1.0), rough(C, 0, 1),
    rough(C, -1j, 1 + 1j), call(M, min=-0.5, max=0.5), call(M, min=0.1), call(M, max=0.1),
    call(M, 0.5, -0.5), call(M, -np.inf, 0.0), call(M, -0.5, 0.5, None), call(M),
    wrong(M, 0, 1, min=0), wrong(M, U, 1), call(a=M, a_min=0, a_max=1), rough(I8, -200, 300),
    rough(U8, -1, 3), call(M, None, None), call(E, 0, 1), call(H, 0, 1),
    call(M, -0.5, 0.5, dtype=np.float32), call(M, [0, 0, 0, 0], 1), rough(I, X0, 5),
    call(M, True, 2),
]
ANGLE = [
    call(M), call(C), call(C, True), call(M, deg=True), call(X0), call(1 + 1j), call([1.0, X0]),
    call([1j, X0]), rough(I), rough(I, True), call(F), call(C64), call(C64, deg=True),
    rough(SPECIAL), rough(T), call(E), rough(np.array([0j, -0j, -1 + 0j, -1 - 0j])), rough(U8),
    rough(I8, True), rough(I32[0]),
]
PARTS = [
    call(M), call(C), call(X0), call(1 + 2j), call([1.0, X0]), call([1j, X0]), rough(I), call(F),
    call(C64), rough(T), call(E), call(2.5),
]
NAN = [
    call(M), rough(HOLES), rough(SPECIAL), rough(SPECIAL32), rough(HOLES, nan=2.5),
    rough(SPECIAL, nan=1, posinf=5, neginf=-5), rough(SPECIAL, True, 7.0),
    rough(SPECIAL, posinf=X0), rough(C * np.array([1, np.nan, np.inf, 1])), rough(I), call(X0),
    call(2.5), call([1.0, X0]), rough(T), rough(HOLES.astype(np.float16)), rough(HOLES, nan=X0),
    call(E),
]
POLY2 = [
    call(V, W), call(V, _K), call(_K, V7), call(V, 2.0), call(X0, V), call([1.0, X0], [2, 3]),
    call([1, 2], [3]), rough(IV, IV[:2]), call(F[0], V), call(CV, V), call(V, [1, 2, 3, 4, 5]),
    rough(TV, V), call(F[0], FV),
]

SAMPLES: dict[str, list[Call]] = {
    "matmul": MATMUL,
    "dot": DOT,
    "inner": INNER,
    "outer": OUTER,
    "vdot": VDOT,
    "vecdot": VECDOT,
    "cross": CROSS,
    "tensordot": TENSORDOT,
    "einsum": EINSUM,
    "matvec": [
        call(M, V), call(D, U), call(M, np.stack([V, W])), call(D, np.stack([U, U])),
        call([[1.0, X0]], [2, 3]), rough(I, IV), call(C, V), call(F, V), wrong(M, U), wrong(V, V),
        wrong(X0, V),
    ],
    "vecmat": [
        call(U, M), call(U, D), call(np.stack([U, U]), D), call([1.0, X0], [[2], [3]]),
        rough(I[:, 0], I), call(C[:, 0], C), call(F[:, 0], M), wrong(V, M), wrong(V, V),
        wrong(X0, M),
    ],
    "kron": [
        call(V, U), call(M, V), call(V, M), call(M, N), call(X0, M), call(2.0, V), call(B, M),
        call([1.0, X0], [2, 3]), call([1, 2], [3, 4]), rough(I, IV), call(F, M), call(C, V),
        call(E0, V), rough(T, I), call(X0, X0), call(F, 2.0),
    ],
    "convolve": [*MODES, call(X0, V), call(V, 2.0)],
    "correlate": [*MODES, wrong(X0, V), wrong(V, 2.0)],
    "diff": DIFF,
    "gradient": GRADIENT,
    "interp": INTERP,
    "unwrap": UNWRAP,
    "ediff1d": [
        call(V), call(M), call(V, 1.0), call(V, to_begin=[1, 2], to_end=3.0), call(V, X0, V),
        call(X0), call([1.0, X0]), call([1, 4, 9]), rough(I), rough(IV, 7), rough(IV, [1, 2], 3),
        wrong(IV, 1.5), call(F), call(F, 1.0), call(F, [1, 2]), call(C), call(E0), call(V[:1], 5),
        rough(U8), wrong(F, 1j), call(M, to_end=M), call(ary=V, to_end=1), rough(I8, to_begin=[1]),
    ],
    "trapezoid": [
        call(V), call(M), call(M, axis=0), call(V, S[:4]), call(M, S[:4]), call(M, S[:3], axis=0),
        call(M, N), call(V, dx=0.5), call(M, None, X0, 0), call(V, None, 2), rough(I),
        rough(I, dx=2), call(F), call(F, dx=0.5), call(F, N), call(C), call([1.0, X0]),
        call([1, 2, 3]), call([1.0, X0], [0, 2]), call(V[:1]), call(E0), wrong(X0), wrong(M, S),
        wrong(M, axis=2), rough(T), call(y=V, x=S[:4]), call(B, S[:3], axis=1), call(M, dx=AV[:3]),
        call(V, CV), call(M, S[:3, None], axis=0), call(B, M, axis=-2), call(B, M[:, :1], axis=-2),
        wrong(B, M, axis=1),
    ],
    "polyval": [
        call(V, M), call(V, X0), call(V, 2.0), call([1.0, X0], 3), call([1, 2, 3], 2),
        call([1, 2, 3], [1.0, X0]), rough(IV, I), rough(IV, 2), call(V, C), call(CV, M),
        call(F[0], F), call(F[0], M), call(V, E), call(E0, V), wrong(X0, V), call(p=V, x=W),
        rough(TV, V), call(M, V), call(M[:, None], N), call(B, 2.0), wrong(M, U),
    ],
    "polyder": [
        call(V), call(V, 2), call(V, m=3), call(V, 9), call(V, 0), call([1.0, X0, 2]),
        call([1, 2, 3]), rough(IV), call(CV), call(F[0]), wrong(V, -1), call(E0), wrong(X0),
        rough(TV), call(p=V),
    ],
    "polyint": [
        call(V), call(V, 2), call(V, m=2, k=3.0), call(V, 2, [1.0, X0]), call(V, 0),
        call([1.0, X0, 2]), call([1, 2, 3]), rough(IV), call(CV), call(F[0]), wrong(V, -1),
        call(V, 2, [1.0, 2.0, 3.0]), call(E0), call(V, 1, 2.5), call(V, 3, [5]),
    ],
    "polyadd": POLY2, "polysub": POLY2,
    "polymul": POLY2,
    "polydiv": [
        call(V7, V), call(V, _K), call(_K, V7), call([1.0, X0, 2.0], [1, 2]),
        call([1, 2, 3], [1, 2]), call(IV, IV[:2] + 20), call(CV, V[:2]), call(F[0], _K),
        call(V, 2.0), call(V, X0), call(F[0], FV[:2]), call(u=V, v=_K),
    ],
    "polyfit": [
        call(V, W, 1), call(V, W, 2), call(V, M.T, 1), call(S, V7[:6], 3), call(V, W, 1, w=AV),
        call([0.0, X0, 2.0], [1.0, 2.0, X0], 1), call([0, 1, 2], [1, 2, 4], 1),
        rough(np.arange(4), IV, 1), call(V, CV, 1), call(F[0], F[1], 1), call(V, W, 1, cov=True),
        call(V, W, 1, None, False, AV, "unscaled"), call(V, W, 1, full=True), wrong(V, U, 1),
        wrong(V, W, -1), wrong(M, W, 1), wrong(E0, E0, 1), wrong(V, B, 1), wrong(V, W, 1, w=U),
        call(x=V, y=W, deg=1), call(V, W, 0), call(V, W, 1, rcond=1e-10),
    ],
    "poly": [
        call(V), call(Q), call([1.0, X0]), call([1, 2]), rough(IV), call(CV), call(F[0]), wrong(X0),
        call(E0), wrong(M), wrong(B), call(Q + Q.T), call(seq_of_zeros=V),
        rough(np.array([1 + 2j, 1 - 2j])),
    ],
    "roots": [
        call(V7), call(np.array([1.0, -3, 2])), call(np.array([0, 0, 1.0, -3, 2, 0, 0])),
        call([1.0, X0 - 3, 2]), call([1, -3, 2]), call(CV), call(F[0]), call(V[:1]),
        call(np.zeros(3)), call(E0), wrong(M), call(np.array([1, -3, 2])), wrong(X0),
    ],
    "around": ROUND,
    "round": ROUND,
    "clip": CLIP,
    "fix": [
        call(M), call(X0), call(-2.5), call([1.25, X0]), call([1, 2]), rough(I), call(F),
        rough(SPECIAL), call(M, None), wrong(C), rough(T), call(H),
    ],
    "angle": ANGLE,
    "real": PARTS,
    "imag": PARTS,
    "isreal": PARTS,
    "iscomplex": PARTS,
    "isneginf": [
        call(M), rough(SPECIAL), call(X0), call([1.0, X0]), rough(I), wrong(C), call(-np.inf),
        call(F), rough(T), call(M, None),
    ],
    "isposinf": [
        call(M), rough(SPECIAL), call(X0), call([1.0, X0]), rough(I), wrong(C), call(np.inf),
        call(F), rough(T), call(M, None),
    ],
    "nan_to_num": NAN,
    "i0": [
        call(M), call(30 * M), call(X0), call([1.0, X0]), call([1, 2]), rough(I), call(F), call(H),
        rough(SPECIAL), rough(SPECIAL32), rough(T), call(E), wrong(C), call(x=V),
        call(np.array([0.0, -0.0, 19.9, -20.1, 650.0])),
    ],
    "sinc": [
        call(M), call(X0), call(0.3), call([1.0, X0]), call([0, 1]), rough(I), call(F), call(C),
        rough(np.array([0.0, 1e-9, -1e-3, 1.0])), rough(np.float32([0.0, 1e-9, 1.0])),
        rough(SPECIAL), rough(T), call(H), call(E),
    ],
}
