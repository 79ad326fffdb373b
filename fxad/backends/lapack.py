"""LU and triangular solves on the CPU, batched: SciPy's LAPACK and BLAS, or plain NumPy."""

import functools
import math
from typing import Any

import numpy as np

from fxad.backends.optional import installed, optional


def factor_dtype(*arrays: Any) -> np.dtype[Any]:
    """The dtype that numpy.linalg computes in: the same four types, integers as float64."""
    dtype = np.result_type(*arrays)
    if dtype.kind in "biu":
        return np.dtype(np.float64)
    if dtype.char not in "fdFD":
        raise TypeError(f"array type {dtype.name} is unsupported in linalg")
    return dtype


@functools.cache
def _routine(module: str, name: str, char: str) -> Any:
    """SciPy's `name` for that dtype, say dgetrf."""
    prefix = {"f": "s", "d": "d", "F": "c", "D": "z"}[char]
    return getattr(optional(f"scipy.linalg.{module}", name), prefix + name)


def _one_by_one(batch: int, n: int) -> bool:
    """Whether a library call per matrix beats n steps of NumPy over the whole batch."""
    return installed("scipy") and batch <= 4 * n


def lu(a: Any) -> tuple[Any, Any]:
    """(..., m, n) -> L and U in one array, and the row swapped with each row, as LAPACK's getrf."""
    a = np.asarray(a)
    *batch, m, n = a.shape
    pivots = np.empty((*batch, min(m, n)), np.int32)
    flat_pivots = pivots.reshape(math.prod(batch), min(m, n))
    if a.size and _one_by_one(len(flat_pivots), n):
        factors = _by_columns(a, factor_dtype(a), a.shape)
        getrf = _routine("lapack", "getrf", factors.dtype.char)
        if not batch:
            factors, pivots[:], _ = getrf(factors, overwrite_a=True)
            return factors, pivots
        for matrix, row in zip(_each(factors), flat_pivots, strict=True):
            _, row[:], _ = getrf(matrix, overwrite_a=True)
        return factors, pivots
    factors = np.array(a, factor_dtype(a), order="C")
    if a.size:
        _lu_in_place(factors.reshape(-1, m, n), flat_pivots)
    return factors, pivots


def _by_columns(a: Any, dtype: Any, shape: tuple[int, ...]) -> Any:
    """A copy whose matrices lie in memory column by column, so that LAPACK works in place."""
    out = np.empty((*shape[:-2], shape[-1], shape[-2]), dtype).swapaxes(-1, -2)
    out[...] = a
    return out


def _each(a: Any) -> Any:
    """The matrices of a stack that ``_by_columns`` made, not copied."""
    stack = a.swapaxes(-1, -2).reshape(-1, a.shape[-1], a.shape[-2])
    return stack.swapaxes(-1, -2)


def _lu_in_place(a: Any, pivots: Any) -> None:
    """Right-looking elimination with partial pivoting, over a batch (b, m, n) at once."""
    each = np.arange(len(a))
    for k in range(pivots.shape[1]):
        column = a[:, k:, k]
        pivots[:, k] = k + np.argmax(np.abs(column.real) + np.abs(column.imag), axis=1)
        top = a[:, k].copy()
        a[:, k] = a[each, pivots[:, k]]
        a[each, pivots[:, k]] = top
        pivot = a[:, k, k, None]
        a[:, k + 1 :, k] /= np.where(pivot == 0, 1, pivot)
        a[:, k + 1 :, k + 1 :] -= a[:, k + 1 :, k, None] * a[:, k, None, k + 1 :]


def pivots_to_permutation(pivots: Any, size: int) -> Any:
    """The order of rows that the successive swaps (..., k) lead to, as (..., size) int32."""
    *batch, swaps = pivots.shape
    rows = math.prod(batch)
    flat = pivots.reshape(rows, swaps)
    order = np.tile(np.arange(size, dtype=np.int32), (rows, 1))
    each = np.arange(rows)
    for k in range(swaps):
        top = order[:, k].copy()
        order[:, k] = order[each, flat[:, k]]
        order[each, flat[:, k]] = top
    return order.reshape(*batch, size)


def solve_with_factors(xp: Any, factors: Any, pivots: Any, b: Any, trans: int = 0) -> Any:
    """As ``lu_solve``, with LAPACK's getrs where a call for each matrix pays."""
    batch = factors.shape[:-2]
    if batch != b.shape[:-2]:
        batch = np.broadcast_shapes(batch, b.shape[:-2])
    n, k = b.shape[-2:]
    if not (b.size and _one_by_one(math.prod(batch), n)):
        return lu_solve(xp, factors, pivots, b, trans)
    _refuse_singular(factors)
    dtype = factor_dtype(factors, b)
    x = _by_columns(b, dtype, (*batch, n, k))
    factors = factors.astype(dtype, copy=False)
    getrs = _routine("lapack", "getrs", dtype.char)
    if not batch:
        getrs(factors, pivots, x, trans, overwrite_b=True)
        return x
    factors, pivots = np.broadcast_to(factors, (*batch, n, n)), np.broadcast_to(pivots, (*batch, n))
    for i, columns in zip(np.ndindex(*batch), _each(x), strict=True):
        getrs(factors[i], pivots[i], columns, trans, overwrite_b=True)
    return x


def _refuse_singular(factors: Any) -> None:
    if not factors.diagonal(axis1=-2, axis2=-1).all():
        raise np.linalg.LinAlgError("Singular matrix")


def lu_solve(xp: Any, factors: Any, pivots: Any, b: Any, trans: int = 0) -> Any:
    """Solve op(a) x = b, with b (..., n, k); trans 0: a, 1: its transpose, 2: its adjoint.

    The same code for every array module ``xp`` that has ``triangular_solve``.
    """
    _refuse_singular(factors)
    order = xp.pivots_to_permutation(pivots, factors.shape[-1])
    batch = np.broadcast_shapes(order.shape[:-1], b.shape[:-2])
    b = xp.broadcast_to(b, (*batch, *b.shape[-2:]))
    if trans == 0:
        y = xp.take_along_axis(b, _rows(xp, order, b), axis=-2)
        y = xp.triangular_solve(factors, y, lower=True, unit_diagonal=True)
        return xp.triangular_solve(factors, y)
    y = xp.triangular_solve(factors, b, trans=trans)
    y = xp.triangular_solve(factors, y, lower=True, trans=trans, unit_diagonal=True)
    return xp.take_along_axis(y, _rows(xp, xp.argsort(order, axis=-1), b), axis=-2)


def _rows(xp: Any, order: Any, b: Any) -> Any:
    """An order of rows (..., n) as an index for take_along_axis on b (..., n, k)."""
    return xp.broadcast_to(order[..., None], (*b.shape[:-1], 1))


def triangular_solve(
    a: Any, b: Any, lower: bool = False, trans: int = 0, unit_diagonal: bool = False
) -> Any:
    """Solve op(a) x = b for a triangular (..., n, n) and b (..., n, k); only that triangle is read.

    A zero on the diagonal gives infinities or nan, as in BLAS.
    """
    a, b = np.asarray(a), np.asarray(b)
    dtype = factor_dtype(a, b)
    batch = np.broadcast_shapes(a.shape[:-2], b.shape[:-2])
    n, k = b.shape[-2:]
    x = np.array(np.broadcast_to(b, (*batch, n, k)), dtype, order="C")
    if not x.size:
        return x
    a = np.broadcast_to(a.astype(dtype, copy=False), (*batch, n, n)).reshape(-1, n, n)
    flat = x.reshape(-1, n, k)
    if _one_by_one(len(flat), n):
        trsm = _routine("blas", "trsm", dtype.char)
        for i, matrix in enumerate(a):
            flat[i] = trsm(1.0, matrix, flat[i], lower=lower, trans_a=trans, diag=unit_diagonal)
        return x
    if trans:
        a, lower = np.swapaxes(a, -1, -2), not lower
        a = a.conj() if trans == 2 else a
    with np.errstate(all="ignore"):
        _substitute(a, flat, lower, unit_diagonal)
    return x


def _substitute(a: Any, x: Any, lower: bool, unit_diagonal: bool) -> None:
    """Forward (lower) or backward substitution in place, one row of all systems at a time."""
    n = a.shape[-1]
    for i in range(n) if lower else reversed(range(n)):
        done = slice(0, i) if lower else slice(i + 1, n)
        x[:, i] -= (a[:, i, None, done] @ x[:, done])[:, 0]
        if not unit_diagonal:
            x[:, i] /= a[:, i, i, None]
