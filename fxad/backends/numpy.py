"""The NumPy backend: the namespace `xp` that primitives' `impl(xp, ...)` get on the CPU.

It holds everything of numpy under numpy's names, and beside it what NumPy lacks: special functions,
scatter, LU, and the factorisations of numpy.linalg under one uniform signature.
"""

import functools
from contextlib import AbstractContextManager, nullcontext
from platform import machine
from types import SimpleNamespace
from typing import Any

import numpy as np
import numpy.fft

import fxad.backends.lapack as lapack
import fxad.backends.special as special
from fxad.backends.pool import room

_COMBINE = {"add": np.add, "mul": np.multiply, "min": np.minimum, "max": np.maximum}


def scatter(x: Any, index: Any, values: Any, mode: str = "set") -> Any:
    """A copy of x with ``values`` set, added, ... at x[index]; no value is lost to an equal index.

    Args:
        x: the array to start from; its dtype and shape are the result's.
        index: any NumPy index.
        values: broadcast against x[index]; cast to x's dtype.
        mode: one of "set", "add", "mul", "min", "max". For "set" the last of equal indices wins.
    """
    out = np.array(x, order="C")
    values = np.asarray(values).astype(out.dtype, copy=False)
    if mode == "set":
        out[index] = values
        return out
    combine = _COMBINE[mode]
    if is_basic(index):
        out[index] = combine(out[index], values)
        return out
    with np.errstate(invalid="ignore"):  # maximum.at complains about the nan it hands on
        if out.ndim == 1 or 8 * values.size < out.size:
            combine.at(out, index, values)
        else:  # ufunc.at is several times as fast over one axis
            positions = np.arange(out.size).reshape(out.shape)[index]
            values = np.broadcast_to(values, positions.shape)
            combine.at(out.reshape(-1), positions.ravel(), values.ravel())
    return out


def is_basic(index: Any) -> bool:
    """Whether an index is made of integers and slices, which never name an element twice."""
    parts = index if isinstance(index, tuple) else (index,)
    return all(
        part is None
        or part is Ellipsis
        or type(part) is int
        or isinstance(part, slice | np.integer)
        for part in parts
    )


def factorizations(linalg: Any) -> dict[str, Any]:
    """The functions of a ``linalg`` module under one signature, with plain tuples as results."""

    def svd(a: Any, full_matrices: bool = False, compute_uv: bool = True) -> Any:
        out = linalg.svd(a, full_matrices=full_matrices, compute_uv=compute_uv)
        return tuple(out) if compute_uv else out

    def qr(a: Any, mode: str = "reduced") -> Any:
        out = linalg.qr(a, mode=mode)
        return out if mode == "r" else tuple(out)

    return {
        "cholesky": linalg.cholesky,
        "eigh": lambda a, uplo="L": tuple(linalg.eigh(a, uplo)),
        "svd": svd,
        "qr": qr,
        "slogdet": lambda a: tuple(linalg.slogdet(a)),
        "inv": linalg.inv,
        "det": linalg.det,
    }


class Namespace(SimpleNamespace):
    """An array module: plain attributes, so that reading one costs what a module's does."""

    def __repr__(self) -> str:
        return f"<array namespace {self.__name__}>"


def public(module: Any) -> dict[str, Any]:
    """The names of a module, without its private ones."""
    return {name: value for name, value in vars(module).items() if not name.startswith("_")}


xp: Any = Namespace(__name__="fxad.backends.numpy", **public(np))
vars(xp).update(
    factorizations(np.linalg),
    erf=special.erf,
    erfc=special.erfc,
    erf_inv=special.erf_inv,
    lgamma=special.lgamma,
    digamma=special.digamma,
    polygamma=special.polygamma,
    zeta=special.zeta,
    logistic=special.logistic,
    scatter=scatter,
    room=room,
    offload=lambda x: x,
    fetch=lambda x: x,
    cummax=lambda x, axis: np.maximum.accumulate(x, axis=axis),
    cummin=lambda x, axis: np.minimum.accumulate(x, axis=axis),
    cumlogsumexp=lambda x, axis: np.logaddexp.accumulate(x, axis=axis),
    lu=lapack.lu,
    lu_solve=functools.partial(lapack.solve_with_factors, xp),
    triangular_solve=lapack.triangular_solve,
    pivots_to_permutation=lapack.pivots_to_permutation,
)

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
