"""Calls of the ufuncs: operands of every kind, most of them the same for all."""

# fmt: off
# ruff: noqa: F403, F405

import numpy as np

from tests.numpy.samples.call import Call, call, rough
from tests.numpy.samples.data import *

_FINITE = np.array([-2.0, -1.0, 0.0, -0.0, 0.5, 3.0])

UNARY = [
    call(V), call(M), call(X0), call(np.float64(0.3)), call(B), call(E), call(F), call(H), call(A),
    call(AV), call(C), call(C64), rough(I), rough(I32), rough(I8), rough(U8), rough(T),
    rough(SPECIAL), rough(SPECIAL32), rough(_FINITE + 1j * _FINITE[:, None]), call([V, 2 * V]),
    call((V, 2 * V)), call([X0, 0.5]), call(np.tanh(M)), call(A + 1.1), rough(I[0, 0]),
    call(M, dtype=np.float64), call(M, dtype=np.float32), call(F, dtype=float),
    call(M, dtype=np.complex128), rough(I, dtype=float), rough(I, dtype="f4"), rough(T, dtype=int),
    call(M, casting="same_kind"), rough(I, casting="no"), call(V, order="C"), call(V, subok=False),
    call(M, None), call(M, where=True), call(M, nonsense=3), call(M, None, 3),
]

BINARY = [
    call(M, N), call(V, N), call(R, V), call(B, M), call(X0, M), call(X0, X0 + 1), call(M, 2.0),
    call(2.0, M), call(M, 2), call(3, M), call(M, True), call(F, 2.0), call(2.0, F), call(F, 3),
    call(F, M), call(F, np.float64(2.0)), call(F, X0), call(H, F), call(H, 2), call(F, C64),
    call(F, 2j), call(F, C), rough(M, C), call(C, C + 1), call(C, 2), call(2j, C), call(C64, 1.5),
    rough(I, P), rough(P, I), rough(I, IV), rough(I, 2), rough(2, I), rough(P, 2.5), rough(2.5, P),
    rough(I, 2j), rough(I32, I8), rough(I8, U8), rough(U8, 3), rough(U8, 300), rough(I8, 3.0),
    rough(I, F), rough(I8, F), rough(I8, H), rough(I, X0), rough(T, TV), rough(T, 2), rough(T, P),
    rough(T, M), rough(T, 2.0), rough(T, U8), rough(T, True), call(E, 2.0), call(E, E), call(E, X0),
    rough(SPECIAL, SPECIAL[:, None]), rough(SPECIAL, 2.0), rough(-3.5, SPECIAL), rough(SPECIAL, 0),
    rough(SPECIAL[:, None], P[0]), rough(SPECIAL32, SPECIAL[3:8, None]), rough(I, 0),
    rough(I, 0 * I), rough(0 * I, I), call(V, [1.0, 2.0, 3.0, -4.0]), call([[1, 2, 3, 4]], M),
    call([X0, 2.0], [1.0, X0]), call([X0, 2], M[:, :2]), call(A, N), call(A, A[:, ::-1] + 0.01),
    call(M, N, dtype=np.float32), call(F, F, dtype=float), call(M, 2, dtype=complex),
    rough(I, P, dtype=float), rough(I, P, dtype=np.int8), rough(I8, I8, dtype=np.int64),
    rough(M, N, dtype=int), rough(M, N, dtype=int, casting="unsafe"), rough(T, T, dtype=bool),
    rough(M, N, dtype=bool), rough(P, P, dtype=np.float32, casting="unsafe"), call(M, N, None),
    call(M, N, where=True), call(M, U8), call(M, V[:3]), call(M), call(M, N, nonsense=1),
    call(np.float32(2), M), call(np.float32(2), F), rough(P, 70), rough(I8, 70), rough(I8, -1),
    rough(I, -1), rough(I32, 2**31 - 1),
]

_WHOLE = [rough(M, I), rough(M, IV), rough(F, I8), rough(M, 3), rough(SPECIAL, P[:, :1])]
_CORNERS = [rough(M, 1e-3), rough(M, M), rough(M, -M), call(-A, 2.0), call(-A, 3), call(-A, 0.5)]

_UNARY = """
    abs absolute acos acosh arccos arccosh arcsin arcsinh arctan arctanh asin asinh atan atanh
    bitwise_count bitwise_invert bitwise_not cbrt ceil conj conjugate cos cosh deg2rad degrees exp
    exp2 expm1 fabs floor frexp invert isfinite isinf isnan log log10 log1p log2 logical_not modf
    negative positive rad2deg radians reciprocal rint sign signbit sin sinh spacing sqrt square tan
    tanh trunc
"""
_BINARY = """
    add arctan2 atan2 bitwise_and bitwise_left_shift bitwise_or bitwise_right_shift bitwise_xor
    copysign divide divmod equal float_power floor_divide fmax fmin fmod gcd greater greater_equal
    heaviside hypot lcm ldexp left_shift less less_equal logaddexp logaddexp2 logical_and
    logical_or logical_xor maximum minimum mod multiply nextafter not_equal pow power remainder
    right_shift subtract true_divide
"""

SAMPLES: dict[str, list[Call]] = dict.fromkeys(_UNARY.split(), UNARY) | dict.fromkeys(
    _BINARY.split(), BINARY + _WHOLE + _CORNERS
)

#: Whose samples NumPy refuses in part: then tracers are refused as well.
PARTIAL = SAMPLES.keys()
