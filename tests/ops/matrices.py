"""Random matrices of the kinds that linear algebra asks for."""

import numpy as np

DTYPES = [np.float64, np.complex128]
SQUARE = [(3, 3), (2, 3, 3), (1, 1), (0, 0), (0, 2, 2)]


def normal(rng, *shape, dtype=np.float64):
    x = rng.standard_normal(shape)
    if np.dtype(dtype).kind == "c":
        x = x + 1j * rng.standard_normal(shape)
    return np.asarray(x, dtype)


def hermitian(rng, *shape, dtype=np.float64):
    x = normal(rng, *shape, dtype=dtype)
    return x + x.conj().swapaxes(-1, -2)


def positive(rng, *shape, dtype=np.float64):
    x = normal(rng, *shape, dtype=dtype)
    return x @ x.conj().swapaxes(-1, -2) + np.eye(shape[-1])


def with_values(rng, values, dtype=np.float64):
    """A Hermitian matrix with these eigenvalues."""
    q = np.linalg.qr(normal(rng, len(values), len(values), dtype=dtype))[0]
    return (q * np.array(values)) @ q.conj().T


def varied(x, k):
    """Another well-behaved matrix of the same kind."""
    return x + 0.1 * k * np.eye(*np.shape(x)[-2:])
