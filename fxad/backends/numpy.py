"""The NumPy backend: the namespace `xp` that primitives' `impl(xp, ...)` get on the CPU.

It holds everything of numpy under numpy's names, and beside it what NumPy lacks: special functions,
scatter, LU, and the factorisations of numpy.linalg under one uniform signature.
"""

from contextlib import AbstractContextManager, nullcontext
from platform import machine
from types import SimpleNamespace
from typing import Any

import numpy as np
import numpy.fft

import fxad.backends.lapack as lapack
import fxad.backends.special as special

_COMBINE = {
    "add": np.add,
    "mul": np.multiply,
    "min": np.minimum,
    "max": np.maximum,
}


def scatter(x: Any, index: Any, values: Any, mode: str = "set") -> Any:
    """A copy of x with `values` set, added, ... at x[index]; equal indices combine, none is lost.

    Args:
        x: the array to start from; its dtype and shape are the result's.
        index: any NumPy index.
        values: broadcast against x[index]; cast to x's dtype.
        mode: one of "set", "add", "mul", "min", "max". For "set", the last of equal indices wins.
    """
    out = np.array(x)
    values = np.asarray(values).astype(out.dtype, copy=False)
    if mode == "set":
        out[index] = values
    elif _is_basic(index):  # slices and integers never name an element twice
        out[index] = _COMBINE[mode](out[index], values)
    else:
        _COMBINE[mode].at(out, index, values)
    return out


def _is_basic(index: Any) -> bool:
    parts = index if isinstance(index, tuple) else (index,)
    return all(
        part is None or part is Ellipsis or isinstance(part, slice | int | np.integer)
        for part in parts
    )


def cholesky(a: Any) -> Any:
    """The lower Cholesky factor, from the lower triangle of a (..., n, n)."""
    return np.linalg.cholesky(a)


def eigh(a: Any) -> tuple[Any, Any]:
    """Eigenvalues, ascending, and eigenvectors in columns, from the lower triangle."""
    values, vectors = np.linalg.eigh(a)
    return values, vectors


def svd(a: Any, full_matrices: bool = False, compute_uv: bool = True) -> Any:
    """(u, s, vh), or s alone."""
    if not compute_uv:
        return np.linalg.svd(a, compute_uv=False)
    u, s, vh = np.linalg.svd(a, full_matrices=full_matrices)
    return u, s, vh


def qr(a: Any, mode: str = "reduced") -> Any:
    """(q, r), or r alone with mode "r"."""
    return np.linalg.qr(a, mode="r") if mode == "r" else tuple(np.linalg.qr(a, mode=mode))  # type: ignore[call-overload]


def slogdet(a: Any) -> tuple[Any, Any]:
    """The sign of the determinant and the logarithm of its absolute value."""
    sign, logabsdet = np.linalg.slogdet(a)
    return sign, logabsdet


EXTRAS: dict[str, Any] = {
    "erf": special.erf,
    "erfc": special.erfc,
    "erf_inv": special.erf_inv,
    "lgamma": special.lgamma,
    "digamma": special.digamma,
    "polygamma": special.polygamma,
    "zeta": special.zeta,
    "logistic": special.logistic,
    "scatter": scatter,
    "cholesky": cholesky,
    "eigh": eigh,
    "svd": svd,
    "qr": qr,
    "slogdet": slogdet,
    "inv": np.linalg.inv,
    "det": np.linalg.det,
    "lu": lapack.lu,
    "lu_solve": lapack.lu_solve,
    "triangular_solve": lapack.triangular_solve,
    "pivots_to_permutation": lapack.pivots_to_permutation,
}

xp: Any = SimpleNamespace(**{**vars(np), **EXTRAS})

name = "numpy"
platform = "cpu"


def owns(kind: type) -> bool:
    """NumPy's arrays and scalars and Python's numbers; not masked arrays, whose mask would go."""
    return issubclass(
        kind, np.ndarray | np.generic | bool | int | float | complex
    ) and not issubclass(kind, np.ma.MaskedArray)


def count() -> int:
    """The CPU is one device."""
    return 1


def current() -> int:
    """The CPU's id."""
    return 0


def use(device: int) -> AbstractContextManager[None]:
    """Nothing to switch."""
    return nullcontext()


def device_of(x: Any) -> int:
    """The CPU's id."""
    return 0


def put(x: Any, device: int) -> Any:
    """The array itself; numbers become arrays."""
    return x if isinstance(x, np.ndarray) else np.asarray(x)


def get(x: Any) -> Any:
    """The array itself."""
    return x


def wait(device: int) -> None:
    """NumPy's results are there when its functions return."""


def describe(device: int) -> str:
    """The architecture."""
    return machine() or "cpu"


def memory(device: int) -> None:
    """NumPy allocates from the operating system and does not count."""
