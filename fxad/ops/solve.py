"""Linear systems: LU once, then everything from its factors.

The derivative of a solution, ``d(A^-1 b) = A^-1 (db - dA A^-1 b)``, reuses them too, so that the
backward pass of ``solve`` costs two triangular solves.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np

from fxad.core.aval import ShapedArray, broadcast_shapes
from fxad.core.primitive import Primitive
from fxad.core.source import error
from fxad.core.trace import is_linear
from fxad.errors import ShapeError
from fxad.ops.base import add_any, broadcast_to, moveaxis, reshape, shape_of
from fxad.ops.contraction import matmul
from fxad.ops.elementwise import add, neg
from fxad.ops.indexing import take_along_axis
from fxad.ops.matrices import (
    cubic,
    identity_beside,
    lapack_error,
    matrices,
    matrix_primitive,
    swap,
    tril,
    triu,
    work,
)
from fxad.ops.rules import nonlinear
from fxad.ops.shape import pad, slice_in_dim
from fxad.ops.triangular import batch_of_columns, solve_triangle

_INT32 = np.dtype(np.int32)

# LU ----------------------------------------------------------------------------------------------


def _factor_abstract(a: ShapedArray) -> list[ShapedArray]:
    *lead, m, n = a.shape
    return [a.strong(), ShapedArray((*lead, min(m, n)), _INT32)]


#: The factors in one matrix and the row swaps. They have no derivative of their own: what is
#: computed with them has one by the matrix itself.
lu_factor_p = matrix_primitive(
    "lu_factor",
    abstract=_factor_abstract,
    impl=lambda xp, a: list(xp.lu(a)),
    jvp=None,
    cost=cubic(2 / 3),
)


def _lu_impl(xp: Any, a: Any) -> list[Any]:
    factors, pivots = xp.lu(a)
    return [factors, pivots, xp.pivots_to_permutation(pivots, a.shape[-2])]


def _lu_jvp(primals: Sequence[Any], tangents: Sequence[Any]) -> tuple[Any, Any]:
    """De Hoog, Anderssen and Lukas, Differentiation of matrix functionals, 2011."""
    factors, pivots, permutation = lu_p.bind(*primals)
    *lead, m, n = shape_of(factors)
    k = min(m, n)
    ndim = len(lead) + 2
    lower = _grow(tril(slice_in_dim(factors, 0, k, ndim - 1), -1), (0, 0), (0, m - k))
    upper = _grow(triu(slice_in_dim(factors, 0, k, ndim - 2)), (0, n - k), (0, 0))
    if n > k:
        ones = identity_beside(factors, n - k, tuple(lead))
        upper = add(upper, _grow(ones, (k, 0), (k, 0)))
    order = reshape(permutation, (*shape_of(permutation), 1))
    t = take_along_axis(tangents[0], order, -2)
    t = solve_triangle(lower, t, lower=True, unit_diagonal=True)
    t = swap(solve_triangle(upper, swap(t), lower=False, trans=1))
    below = tril(t, -1)
    tangent = add(add(below, matmul(lower, below)), matmul(triu(t), upper))
    return [factors, pivots, permutation], [tangent, None, None]


def _grow(x: Any, rows: tuple[int, int], columns: tuple[int, int]) -> Any:
    """Zeros before and after the rows and columns of matrices."""
    lead = [(0, 0, 0)] * (len(shape_of(x)) - 2)
    return pad(x, 0, [*lead, (*rows, 0), (*columns, 0)])


lu_p: Primitive = matrix_primitive(
    "lu",
    abstract=lambda a: [*_factor_abstract(a), ShapedArray(a.shape[:-1], _INT32)],
    impl=_lu_impl,
    jvp=_lu_jvp,
    cost=cubic(2 / 3),
)


def lu(a: Any) -> tuple[Any, Any, Any]:
    """The LU factors of matrices with partial pivoting.

    Args:
      a: ``(..., m, n)``. Derivatives need no zero among the first ``min(m, n)`` pivots.

    Returns:
      ``(factors, pivots, permutation)``: L (without its unit diagonal) and U in one matrix, the row
      that is swapped with each row, and the order of rows these swaps lead to.

    Raises:
      ShapeError: ``a`` is no matrix.

    Example:
      >>> import numpy as np
      >>> from fxad import lax
      >>> lax.linalg.lu(np.array([[1.0, 2.0], [4.0, 4.0]]))[0].tolist()
      [[4.0, 4.0], [0.25, 1.0]]
    """
    (a,) = matrices("lu", a)
    factors, pivots, permutation = lu_p.bind(a)
    return factors, pivots, permutation


# Solve with factors ------------------------------------------------------------------------------


def _solve_impl(xp: Any, a: Any, factors: Any, pivots: Any, b: Any, *, trans: int) -> Any:
    try:
        return xp.lu_solve(factors, pivots, b, trans)
    except np.linalg.LinAlgError:
        raise lapack_error(
            "solve",
            f"got a singular matrix of shape {a.shape}, wanted an invertible one",
            "Use fnp.linalg.lstsq or fnp.linalg.pinv for the solution of least norm.",
        ) from None


def _solve_jvp(primals: Sequence[Any], tangents: Sequence[Any], *, trans: int) -> tuple[Any, Any]:
    (a, factors, pivots, b), (ta, _, _, tb) = primals, tangents
    out = solve_p.bind(a, factors, pivots, b, trans=trans)
    if ta is not None:
        tb = add_any(tb, neg(matmul(swap(ta) if trans else ta, out)))
    return out, solve_p.bind(a, factors, pivots, tb, trans=trans)


def _solve_transpose(
    ct: Any, a: Any, factors: Any, pivots: Any, b: Any, *, trans: int
) -> list[Any]:
    if is_linear(a):
        raise nonlinear("solve")
    return [None, None, None, solve_p.bind(a, factors, pivots, ct, trans=1 - trans)]


def _solve_cost(avals: Sequence[ShapedArray], params: dict[str, Any]) -> tuple[float, float]:
    a, b = avals[0], avals[-1]
    return 2.0 * b.size * a.shape[-1], float((a.size + 2 * b.size) * b.dtype.itemsize)


#: ``solve_p.bind(a, factors, pivots, b, trans=)`` is the solution of ``a x = b`` or, with ``trans``
#: 1, of ``a^T x = b``; factors and pivots are those of ``a`` and save their computation.
solve_p: Primitive = Primitive(
    "solve",
    abstract=lambda a, factors, pivots, b, *, trans: b.strong(),
    impl=_solve_impl,
    jvp=_solve_jvp,
    transpose=_solve_transpose,
    batch=lambda size, args, dims, **params: batch_of_columns(solve_p, size, args, dims, params),
    cost=_solve_cost,
)


def solve(a: Any, b: Any) -> Any:
    """The solution of ``a @ x = b``.

    Args:
      a: ``(..., n, n)``.
      b: ``(n,)``, or ``(..., n, k)``; leading axes broadcast.

    Returns:
      ``x``, of the shape of ``b``, broadcast.

    Raises:
      ShapeError: ``a`` is not square or ``b`` has another length.
      numpy.linalg.LinAlgError: ``a`` is singular.

    Source: LU with partial pivoting (LAPACK getrf); the derivative reuses its factors.

    Example:
      >>> import fxad.numpy as fnp
      >>> fnp.linalg.solve(fnp.array([[2.0, 0.0], [0.0, 4.0]]), fnp.array([2.0, 4.0])).tolist()
      [1.0, 1.0]
    """
    vector = len(shape_of(b)) == 1
    if vector:
        b = reshape(b, (*shape_of(b), 1))
    a, b = matrices("solve", a, b)
    (*a_lead, m, n), (*b_lead, rows, columns) = shape_of(a), shape_of(b)
    if m != n or rows != n:
        wanted = f"(..., {n}, k) or ({n},)" if m == n else "a square matrix"
        got = (*b_lead, rows) if vector else shape_of(b)
        raise error(ShapeError, "solve", f"got {shape_of(a)} and {got}, wanted {wanted}")
    lead = broadcast_shapes("solve", (tuple(a_lead), tuple(b_lead)))
    if not a_lead and b_lead:  # one system: all right sides as columns
        b = reshape(moveaxis(b, len(b_lead), 0), (n, math.prod(lead) * columns))
        x = reshape(solve_with(a, lu_factor_p.bind(a), b), (n, *lead, columns))
        return moveaxis(x, 0, len(lead))
    a, b = broadcast_to(a, (*lead, n, n)), broadcast_to(b, (*lead, n, columns))
    x = solve_with(a, lu_factor_p.bind(a), b)
    return reshape(x, shape_of(x)[:-1]) if vector else x


def solve_with(a: Any, factors: Sequence[Any], b: Any, trans: int = 0) -> Any:
    """The solution of ``a x = b`` (or of the transposed system), by the factors of ``a``."""
    return solve_p.bind(a, *factors, b, trans=trans)


def inverse_transposed(a: Any, factors: Sequence[Any]) -> Any:
    """``a^-T`` by the factors of ``a``."""
    *lead, n, _ = shape_of(a)
    return solve_with(a, factors, identity_beside(a, n, tuple(lead)), trans=1)


# Inverse -----------------------------------------------------------------------------------------


def _inv_impl(xp: Any, a: Any) -> Any:
    try:
        return xp.inv(a)
    except np.linalg.LinAlgError:
        raise lapack_error(
            "inv",
            f"got a singular matrix of shape {a.shape}, wanted an invertible one",
            "Use fnp.linalg.pinv for the pseudo-inverse.",
        ) from None


def _inv_jvp(primals: Sequence[Any], tangents: Sequence[Any]) -> tuple[Any, Any]:
    out = inv_p.bind(*primals)
    return out, neg(matmul(matmul(out, tangents[0]), out))


inv_p: Primitive = matrix_primitive(
    "inv",
    multiple_results=False,
    abstract=lambda a: a.strong(),
    impl=_inv_impl,
    jvp=_inv_jvp,
    cost=cubic(2.0),
    scratch=work(lambda m, n: 2 * m * n),
)


def inv(a: Any) -> Any:
    """The inverse matrices.

    Args:
      a: ``(..., n, n)``.

    Returns:
      ``(..., n, n)``.

    Raises:
      ShapeError: ``a`` is not square.
      numpy.linalg.LinAlgError: ``a`` is singular.

    Example:
      >>> import fxad.numpy as fnp
      >>> fnp.linalg.inv(fnp.array([[2.0, 0.0], [0.0, 4.0]])).tolist()
      [[0.5, 0.0], [0.0, 0.25]]
    """
    return inv_p.bind(*matrices("inv", a, square=True))
