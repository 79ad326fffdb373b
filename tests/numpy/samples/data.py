"""The arrays of the samples: small, of every dtype and number of axes."""

from dataclasses import replace

import numpy as np

_rng = np.random.default_rng(20)

X0 = np.array(0.7)
V, W = _rng.normal(size=4), _rng.normal(size=4)
V7 = _rng.normal(size=7)
U = _rng.normal(size=3)
M, N = _rng.normal(size=(3, 4)), _rng.normal(size=(3, 4))
Q = _rng.normal(size=(3, 3))
B = _rng.normal(size=(2, 3, 4))
D = _rng.normal(size=(2, 3, 3))
R = _rng.normal(size=(3, 1))
E0 = np.zeros(0)
E = np.zeros((0, 3))

F = M.astype(np.float32)
FV = V.astype(np.float32)
H = M.astype(np.float16)
C = M + 1j * N
CV = V + 1j * W
C64 = C.astype(np.complex64)

I = _rng.integers(-9, 10, size=(3, 4))  # noqa: E741
IV = _rng.integers(-9, 10, size=4)
I32 = I.astype(np.int32)
I8 = I.astype(np.int8)
U8 = np.abs(I).astype(np.uint8)
P = np.abs(I) + 1
T = _rng.random((3, 4)) < 0.5
TV = np.array([True, False, True, True])

#: In increasing order.
S = np.sort(_rng.normal(size=6))
#: Positive.
A = np.abs(M) + 0.2
AV = np.abs(V) + 0.2
#: Few different values, so that many are equal.
STEPS = np.array([2.0, 0.0, 1.0, 2.0, 0.0, -1.0, 1.0])
GRID = np.round(2 * M)
HOLES = np.where(np.eye(3, 4, 1) + np.eye(3, 4, -1), np.nan, M)
SPECIAL = np.array([np.nan, np.inf, -np.inf, 0.0, -0.0, 1.5, -2.0, 0.5, 1e300, 5e-324])
SPECIAL32 = np.array([np.nan, np.inf, -np.inf, 0.0, -0.0, 1.5, -2.0, 1e30, 1e-45], np.float32)
LIST = [[1.5, 2.0, -1.0], [0.5, 4.0, 3.0]]


def over_holes(samples):
    """The same calls of what passes over NaN, and so is smooth beside it."""
    return [replace(s, rough=s.rough and not any(x is HOLES for x in s.args)) for s in samples]


# What a call writes to it would spoil for all others.
for _array in [x for x in list(globals().values()) if isinstance(x, np.ndarray)]:
    _array.setflags(write=False)
