"""What follows from the decompositions: norms, pseudo-inverse, least squares, rank, powers."""

from __future__ import annotations

import math
import operator
from collections.abc import Sequence
from typing import Any

import numpy as np

from fxad.core.aval import ShapedArray, aval_of
from fxad.core.primitive import Primitive
from fxad.core.source import error
from fxad.core.trace import Tracer
from fxad.errors import ArgumentValueError, ShapeError
from fxad.ops.base import (
    convert,
    dtype_of,
    moveaxis,
    normalize_axis,
    reduce_sum,
    reshape,
    shape_of,
    transpose,
)
from fxad.ops.contraction import matmul
from fxad.ops.decompositions import svd_work, svdvals
from fxad.ops.eigen import eigvalsh
from fxad.ops.einsum import einsum
from fxad.ops.elementwise import (
    abs_,
    add,
    conj,
    div,
    integer_pow,
    mul,
    pow,
    real,
    select,
    square,
    sub,
)
from fxad.ops.indexing import getitem, zeros_beside
from fxad.ops.logic import eq, gt, ne
from fxad.ops.matrices import (
    WORK_IS_SEEN,
    adjoint,
    cubic,
    hermitian_from_lower,
    identity_beside,
    matrices,
    matrix_primitive,
    real_dtype,
)
from fxad.ops.reduction import amax, amin, root_p, sum_
from fxad.ops.shape import ravel
from fxad.ops.solve import inv, solve

# Norms -------------------------------------------------------------------------------------------


def norm(x: Any, ord: Any = None, axis: Any = None, keepdims: bool = False) -> Any:
    """The norm of vectors or matrices.

    Args:
      x: an array.
      ord: of vectors ``None`` or 2 (the length), ``inf``, ``-inf``, 0 (the number of elements that
        are not zero) or any ``p``; of matrices ``None`` or ``"fro"``, ``"nuc"`` (the sum of the
        singular values), 2 and -2 (the greatest and least one), 1, -1, ``inf`` and ``-inf``.
      axis: an axis for vectors, a pair of axes for matrices; ``None`` is all of ``x``: the length
        of the flattened array, or with an ``ord`` that of a vector or matrix.
      keepdims: whether the axes stay, with length 1.

    Returns:
      The norms. Where a norm has a kink its derivative is a subgradient: 0 for the length of a zero
      vector and for zero elements, and equal shares of greatest elements that are equal.

    Raises:
      ArgumentValueError: there is no such norm.

    Example:
      >>> import fxad.numpy as fnp
      >>> float(fnp.linalg.norm(fnp.array([3.0, 4.0])))
      5.0
    """
    if dtype_of(x).kind in "biu":
        x = convert(x, np.float64)
    ndim = len(shape_of(x))
    if axis is None:
        if ord is None or (ord in ("f", "fro") and ndim == 2) or (ord == 2 and ndim == 1):
            out = _length(ravel(x), (0,))
            return reshape(out, (1,) * ndim) if keepdims else out
        axes: tuple[int, ...] = tuple(range(ndim))
    else:
        listed = axis if isinstance(axis, tuple | list) else (axis,)
        axes = tuple(normalize_axis("norm", operator.index(a), ndim) for a in listed)
    if len(axes) == 1:
        out = _vector_norm(x, ord, axes[0])
    elif len(axes) == 2 and axes[0] != axes[1]:
        out = _matrix_norm(x, ord, *axes)
    else:
        raise error(
            ArgumentValueError,
            "norm",
            f"got axis={axis!r} for {shape_of(x)}, wanted one axis or two different ones",
        )
    if not keepdims:
        return out
    return reshape(out, tuple(1 if d in axes else n for d, n in enumerate(shape_of(x))))


def _length(x: Any, axes: Sequence[int]) -> Any:
    """The root of the sum of squares; its derivative at zero is zero."""
    squares = real(mul(conj(x), x)) if dtype_of(x).kind == "c" else square(x)
    return root_p.bind(reduce_sum(squares, axes))


def _number(ord: Any, kind: str) -> float:
    if isinstance(ord, str) or not np.isscalar(ord):
        raise error(ArgumentValueError, "norm", f"got ord={ord!r}, which is no norm of {kind}")
    return float(ord)  # type: ignore[arg-type]


def _vector_norm(x: Any, ord: Any, axis: int) -> Any:
    if ord is None:
        return _length(x, (axis,))
    p = _number(ord, "vectors")
    if p == 2:
        return _length(x, (axis,))
    size = abs_(x)
    if p == 0:
        return reduce_sum(convert(ne(x, 0), dtype_of(size)), (axis,))
    if p == math.inf:
        return amax(size, axis, initial=None if shape_of(x)[axis] else 0)
    if p == -math.inf:
        return amin(size, axis)
    if p == 1:
        return reduce_sum(size, (axis,))
    return _power_at_zero(reduce_sum(_power_at_zero(size, p), (axis,)), 1 / p)


def _power_at_zero(x: Any, p: float) -> Any:
    """A power of numbers >= 0 whose derivative at 0 is 0."""
    if p == int(p) and p > 1:
        return integer_pow(x, int(p))
    zero = eq(x, 0)
    return select(zero, 0.0 if p > 0 else math.inf, pow(select(zero, 1, x), p))


def _matrix_norm(x: Any, ord: Any, row: int, column: int) -> Any:
    if ord in (None, "fro", "f"):
        return _length(x, (row, column))
    if ord == "nuc":
        return sum_(_singular_values(x, row, column), -1)
    p = _number(ord, "matrices")
    if p in (2, -2):
        values, axis = _singular_values(x, row, column), -1
    elif p in (1, -1):
        values, axis = reduce_sum(abs_(x), (row,)), column - (column > row)
    elif abs(p) == math.inf:
        values, axis = reduce_sum(abs_(x), (column,)), row - (row > column)
    else:
        raise error(ArgumentValueError, "norm", f"got ord={ord!r}, which is no norm of matrices")
    if p < 0:
        return amin(values, axis)
    return amax(values, axis, initial=None if shape_of(values)[axis] else 0)


def _singular_values(x: Any, row: int, column: int) -> Any:
    ndim = len(shape_of(x))
    x = moveaxis(x, row, ndim - 1)
    return svdvals(moveaxis(x, column - (column > row), ndim - 1))


def cond(x: Any, p: Any = None) -> Any:
    """The condition number of matrices: the norm times that of the inverse.

    Args:
      x: ``(..., m, n)``; square unless ``p`` is ``None``, 2 or -2.
      p: which norm, as for ``norm``.

    Returns:
      ``(...)``; infinity where the least singular value is zero.

    Raises:
      numpy.linalg.LinAlgError: ``x`` is singular, with another ``p`` than ``None``, 2 or -2.

    Example:
      >>> import fxad.numpy as fnp
      >>> float(fnp.linalg.cond(fnp.array([[4.0, 0.0], [0.0, 1.0]])))
      4.0
    """
    if p in (None, 2, -2):
        s = svdvals(x)
        greatest, least = getitem(s, (..., 0)), getitem(s, (..., -1))
        if p == -2:
            return div(least, greatest)
        singular = eq(least, 0)
        return select(singular, math.inf, div(greatest, select(singular, 1, least)))
    (x,) = matrices("cond", x, square=True)
    return mul(norm(x, p, (-2, -1)), norm(inv(x), p, (-2, -1)))


# Pseudo-inverse and least squares ----------------------------------------------------------------


def _pinv_impl(xp: Any, a: Any, rtol: Any, *, hermitian: bool) -> Any:
    *lead, m, n = a.shape
    if not a.size:
        return xp.zeros((*lead, n, m), a.dtype)
    if hermitian:
        s, u = xp.eigh(a)
        vh = xp.swapaxes(u, -1, -2).conj()
    else:
        u, s, vh = xp.svd(a, full_matrices=False)
    size = abs(s)
    large = size > xp.asarray(rtol)[..., None] * xp.max(size, axis=-1, keepdims=True)
    inverse = xp.where(large, 1 / xp.where(large, s, 1), 0).astype(s.dtype)
    v, uh = xp.swapaxes(vh, -1, -2).conj(), xp.swapaxes(u, -1, -2).conj()
    return v @ (inverse[..., None] * uh)


def _pinv_jvp(
    primals: Sequence[Any], tangents: Sequence[Any], *, hermitian: bool
) -> tuple[Any, Any]:
    """For matrices of constant rank: Golub and Pereyra, SIAM J. Numer. Anal. 10, 1973."""
    (a, _), t = primals, tangents[0]
    out = pinv_p.bind(*primals, hermitian=hermitian)
    if t is None:  # the limit alone varies, which the result does not follow
        return out, None
    if hermitian:
        a, t = hermitian_from_lower(a), hermitian_from_lower(t)
    back, forth = adjoint(t), adjoint(out)
    left = _chain(out, forth, sub(back, _chain(back, a, out)))
    right = _chain(sub(back, _chain(out, a, back)), forth, out)
    return out, sub(add(left, right), _chain(out, t, out))


def _chain(x: Any, y: Any, z: Any) -> Any:
    """``x @ y @ z`` with the smaller of ``x @ y`` and ``y @ z`` between."""
    rows, inner, columns = shape_of(x)[-2], shape_of(y)[-2:], shape_of(z)[-1]
    if rows * inner[1] <= inner[0] * columns:
        return matmul(matmul(x, y), z)
    return matmul(x, matmul(y, z))


def _pinv_scratch(a: Any, rtol: Any, *, hermitian: bool) -> int:
    """The singular vectors, and the left ones scaled; or what finding them takes beside them."""
    m, n = a.shape[-2:]
    count = a.size // max(m * n, 1)
    elements = count * min(m, n) * (2 * m + n)
    if WORK_IS_SEEN and not hermitian:
        sides = count * (min(m, n) * (m + n) - m * n)
        elements = max(elements, sides + int(svd_work(m, n, full=False, vectors=True)))
    return int(elements * a.dtype.itemsize)


pinv_p: Primitive = matrix_primitive(
    "pinv",
    multiple_results=False,
    abstract=lambda a, rtol, *, hermitian: ShapedArray(
        (*a.shape[:-2], a.shape[-1], a.shape[-2]), a.dtype
    ),
    impl=_pinv_impl,
    jvp=_pinv_jvp,
    cost=cubic(25.0),
    scratch=_pinv_scratch,
)


def pinv(a: Any, rcond: Any = None, hermitian: bool = False, *, rtol: Any = None) -> Any:
    """The Moore-Penrose pseudo-inverse of matrices.

    Args:
      a: ``(..., m, n)``.
      rcond: singular values up to ``rcond`` times the greatest count as zero; default 1e-15.
      hermitian: whether ``a`` is Hermitian: its lower triangle alone is read.
      rtol: the same as ``rcond``.

    Returns:
      ``(..., n, m)``. The derivative is that along matrices of the same rank.

    Raises:
      ArgumentValueError: both ``rcond`` and ``rtol`` are given.

    Example:
      >>> import fxad.numpy as fnp
      >>> fnp.linalg.pinv(fnp.array([[2.0, 0.0], [0.0, 0.0]])).tolist()
      [[0.5, 0.0], [0.0, 0.0]]
    """
    if rcond is not None and rtol is not None:
        raise error(ArgumentValueError, "pinv", "got both rcond and rtol, wanted one of them")
    (a,) = matrices("pinv", a, square=hermitian)
    limit = rtol if rcond is None else rcond
    return pinv_p.bind(a, _limits(a, 1e-15 if limit is None else limit), hermitian=hermitian)


def _limits(a: Any, limit: Any) -> Any:
    """One limit for each matrix."""
    limit = limit if isinstance(limit, Tracer) else np.asarray(limit, real_dtype(dtype_of(a)))
    lead = shape_of(a)[:-2]
    return limit if shape_of(limit) == lead else np.broadcast_to(limit, lead)


def lstsq(a: Any, b: Any, rcond: Any = None) -> tuple[Any, Any, Any, Any]:
    """The solution of least norm of ``a @ x = b`` in the sense of least squares.

    Args:
      a: ``(m, n)``.
      b: ``(m,)`` or ``(m, k)``.
      rcond: singular values up to ``rcond`` times the greatest count as zero; default: the
        precision times ``max(m, n)``; -1: the precision.

    Returns:
      ``(x, residuals, rank, s)``: the solution, the sums of squared residuals (empty unless
      ``m > n`` and the rank is ``n``; a rank that is not known while tracing counts as ``n``), the
      rank and the singular values. The derivative is that along matrices of the same rank.

    Raises:
      ShapeError: ``a`` is no matrix, or ``b`` has another number of rows.

    Source: the pseudo-inverse from singular values.

    Example:
      >>> import fxad.numpy as fnp
      >>> a = fnp.array([[1.0, 0.0], [1.0, 1.0], [1.0, 2.0]])
      >>> fnp.linalg.lstsq(a, fnp.array([1.0, 3.0, 5.0]))[0].round(6).tolist()
      [1.0, 2.0]
    """
    vector = len(shape_of(b)) == 1
    a, b = matrices("lstsq", a, reshape(b, (*shape_of(b), 1)) if vector else b)
    if len(shape_of(a)) != 2 or len(shape_of(b)) != 2 or shape_of(a)[0] != shape_of(b)[0]:
        raise error(
            ShapeError,
            "lstsq",
            f"got {shape_of(a)} and {shape_of(b)[: 1 if vector else 2]}, wanted (m, n) and (m,) or "
            "(m, k)",
        )
    m, n = shape_of(a)
    eps = float(np.finfo(dtype_of(a)).eps)
    limit = eps * max(m, n) if rcond is None else eps if rcond == -1 else rcond
    x = matmul(pinv(a, limit), b)
    s = svdvals(a)
    rank = convert(_count_beyond(s, mul(limit, _greatest(s))), np.int32)
    if m > n and (isinstance(rank, Tracer) or int(rank) == n):
        rest = sub(b, matmul(a, x))
        residuals = reduce_sum(real(mul(conj(rest), rest)), (0,))
    else:
        residuals = convert(zeros_beside(a, (0,)), real_dtype(dtype_of(a)))
    return reshape(x, (n,)) if vector else x, residuals, rank, s


def _greatest(s: Any) -> Any:
    return amax(s, -1, keepdims=True, initial=0)


def _count_beyond(s: Any, limit: Any) -> Any:
    return reduce_sum(convert(gt(s, limit), np.int64), (len(shape_of(s)) - 1,))


def matrix_rank(a: Any, tol: Any = None, hermitian: bool = False, *, rtol: Any = None) -> Any:
    """The number of singular values beyond a tolerance.

    Args:
      a: ``(..., m, n)``; a vector has rank 1 unless it is zero.
      tol: the tolerance for each matrix.
      hermitian: whether ``a`` is Hermitian.
      rtol: the tolerance as a part of the greatest one; default: the precision times
        ``max(m, n)``.

    Returns:
      ``(...)`` of integers.

    Raises:
      ArgumentValueError: both ``tol`` and ``rtol`` are given.

    Example:
      >>> import fxad.numpy as fnp
      >>> int(fnp.linalg.matrix_rank(fnp.ones((3, 3))))
      1
    """
    if tol is not None and rtol is not None:
        raise error(ArgumentValueError, "matrix_rank", "got both tol and rtol, wanted one of them")
    if len(shape_of(a)) < 2:
        return convert(amax(ne(a, 0)), np.int64)
    (a,) = matrices("matrix_rank", a, square=hermitian)
    s = abs_(eigvalsh(a)) if hermitian else svdvals(a)
    if tol is None:
        if rtol is None:
            rtol = max(shape_of(a)[-2:]) * float(np.finfo(dtype_of(a)).eps)
        tol = mul(_greatest(s), _last_axis(rtol))
    else:
        tol = _last_axis(tol)
    return _count_beyond(s, tol)


def _last_axis(x: Any) -> Any:
    return reshape(x, (*shape_of(x), 1)) if shape_of(x) else x


# Powers and chains -------------------------------------------------------------------------------


def matrix_power(a: Any, n: int) -> Any:
    """Square matrices to an integer power, by repeated squaring.

    Args:
      a: ``(..., k, k)``.
      n: the power; for negative ones the inverse is taken first.

    Returns:
      ``(..., k, k)``.

    Raises:
      ShapeError: ``a`` is not square.

    Example:
      >>> import fxad.numpy as fnp
      >>> fnp.linalg.matrix_power(fnp.array([[1, 1], [0, 1]]), 5).tolist()
      [[1, 5], [0, 1]]
    """
    shape, n = shape_of(a), operator.index(n)
    if len(shape) < 2 or shape[-1] != shape[-2]:
        raise error(ShapeError, "matrix_power", f"got {shape}, wanted matrices (..., n, n)")
    if n == 0:
        return identity_beside(a, shape[-1], shape[:-2])
    if n < 0:
        a, n = inv(a), -n
    out = None
    while n:
        if n % 2:
            out = a if out is None else matmul(out, a)
        n //= 2
        a = matmul(a, a) if n else a
    return out


def multi_dot(arrays: Sequence[Any]) -> Any:
    """The product of several matrices in the cheapest order; the first and last may be vectors.

    Example:
      >>> import fxad.numpy as fnp
      >>> fnp.linalg.multi_dot([fnp.ones(3), fnp.ones((3, 4)), fnp.ones((4, 2))]).tolist()
      [12.0, 12.0]
    """
    arrays = list(arrays)
    ndims = [len(shape_of(x)) for x in arrays]
    inner, ends = ndims[1:-1], ndims[:1] + ndims[-1:]
    if len(arrays) < 2 or any(d != 2 for d in inner) or any(d not in (1, 2) for d in ends):
        raise error(
            ShapeError,
            "multi_dot",
            f"got arrays of {ndims} dimensions, wanted at least two matrices, the first and the "
            "last of which may be vectors",
        )
    last = len(arrays)
    axes = [[i, i + 1] for i in range(last)]
    axes[0], axes[-1] = axes[0][-ndims[0] :], axes[-1][: ndims[-1]]
    output = [0] * (ndims[0] == 2) + [last] * (ndims[-1] == 2)
    pairs = [v for pair in zip(arrays, axes, strict=True) for v in pair]
    return einsum(*pairs, output, optimize="optimal")


def tensorsolve(a: Any, b: Any, axes: Sequence[int] | None = None) -> Any:
    """The solution of ``tensordot(a, x, x.ndim) = b``; ``axes`` of ``a`` move to its end first."""
    if axes is not None:
        ndim = len(shape_of(a))
        last = [normalize_axis("tensorsolve", axis, ndim) for axis in axes]
        a = transpose(a, [*(d for d in range(ndim) if d not in last), *last])
    rows, shape = aval_of(b).size, shape_of(a)[len(shape_of(b)) :]
    if math.prod(shape) != rows:
        raise error(
            ShapeError,
            "tensorsolve",
            f"got {shape_of(a)} and {shape_of(b)}: the axes of a behind those of b have "
            f"{math.prod(shape)} elements, wanted {rows}",
        )
    return reshape(solve(reshape(a, (rows, rows)), ravel(b)), shape)


def tensorinv(a: Any, ind: int = 2) -> Any:
    """The inverse of ``a`` as a map from its axes from ``ind`` on to the first ``ind`` ones."""
    shape = shape_of(a)
    n, m = math.prod(shape[:ind]), math.prod(shape[ind:])
    if ind <= 0 or n != m:
        raise error(
            ShapeError,
            "tensorinv",
            f"got {shape} and ind={ind}, wanted as many elements in the first {ind} axes as in "
            "the others",
        )
    return reshape(inv(reshape(a, (n, n))), (*shape[ind:], *shape[:ind]))
