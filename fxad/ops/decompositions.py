"""Factors of matrices: Cholesky, QR and singular values.

Sources of the derivatives: Giles, Collected matrix derivative results for forward and reverse mode
algorithmic differentiation, 2008; Walter and Lehmann, Algorithmic differentiation of linear
algebra functions with application in optimum experimental design, 2010.

Vectors of singular values that repeat, up to rounding, are treated as those of repeated
eigenvalues are in ``eigen``.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from fxad.core.aval import ShapedArray
from fxad.core.primitive import Primitive
from fxad.core.source import error
from fxad.errors import ArgumentValueError
from fxad.ops.base import dtype_of, shape_of
from fxad.ops.contraction import matmul
from fxad.ops.eigen import beyond_rounding_p, eigh_p, inverse_or_zero, no_convergence
from fxad.ops.elementwise import abs_, add, imag, mul, neg, sign, sub
from fxad.ops.indexing import take_along_axis
from fxad.ops.matrices import (
    WORK_IS_SEEN,
    adjoint,
    as_column,
    as_row,
    columns,
    cubic,
    diagonal,
    diagonal_matrix,
    hermitian_from_lower,
    lapack_error,
    lower_half,
    matrices,
    matrix_primitive,
    real_dtype,
    real_part,
    rows,
    swap,
    tril,
    work,
)
from fxad.ops.shape import concatenate, flip, pad
from fxad.ops.sorting import argsort, sort
from fxad.ops.triangular import solve_triangle

# Cholesky ----------------------------------------------------------------------------------------


def _cholesky_impl(xp: Any, a: Any) -> Any:
    try:
        return xp.cholesky(a)
    except np.linalg.LinAlgError:
        raise lapack_error(
            "cholesky", f"got a matrix of shape {a.shape} that is not positive definite"
        ) from None


def _cholesky_jvp(primals: Sequence[Any], tangents: Sequence[Any]) -> tuple[Any, Any]:
    out = cholesky_p.bind(*primals)
    t = solve_triangle(out, hermitian_from_lower(tangents[0]), lower=True)
    t = solve_triangle(out, adjoint(t), lower=True)
    return out, matmul(out, lower_half(t))


cholesky_p: Primitive = matrix_primitive(
    "cholesky",
    multiple_results=False,
    abstract=lambda a: a.strong(),
    impl=_cholesky_impl,
    jvp=_cholesky_jvp,
    cost=cubic(1 / 3),
    scratch=work(lambda m, n: m * n),
)


def cholesky(a: Any, upper: bool = False) -> Any:
    """The triangular factor of positive definite matrices: ``a = l @ l^H``.

    Args:
      a: ``(..., n, n)``, Hermitian. As in NumPy one triangle alone is read, so the gradient has
        zeros in the other one.
      upper: whether to give ``u = l^H``, from the upper triangle.

    Returns:
      ``(..., n, n)``, with a positive diagonal.

    Raises:
      ShapeError: ``a`` is not square.
      numpy.linalg.LinAlgError: ``a`` is not positive definite.

    Example:
      >>> import fxad.numpy as fnp
      >>> fnp.linalg.cholesky(fnp.array([[4.0, 2.0], [2.0, 5.0]])).tolist()
      [[2.0, 0.0], [1.0, 2.0]]
    """
    (a,) = matrices("cholesky", a, square=True)
    return adjoint(cholesky_p.bind(adjoint(a))) if upper else cholesky_p.bind(a)


# QR ----------------------------------------------------------------------------------------------


def _complement_turn(known: Any, rest: Any, turn: Any) -> Any:
    """How the other columns of a unitary matrix follow the turn of the first ones."""
    return neg(matmul(known, adjoint(matmul(adjoint(rest), turn))))


def _qr_abstract(a: ShapedArray, *, full: bool) -> list[ShapedArray]:
    *lead, m, n = a.shape
    k = m if full else min(m, n)
    return [ShapedArray((*lead, m, k), a.dtype), ShapedArray((*lead, k, n), a.dtype)]


def _qr_jvp(primals: Sequence[Any], tangents: Sequence[Any], *, full: bool) -> tuple[Any, Any]:
    q, r = qr_p.bind(*primals, full=full)
    (t,) = tangents
    m, n = shape_of(t)[-2:]
    k = min(m, n)
    known, top = columns(q, 0, k), rows(r, 0, k)
    # t r^-1, for the first k columns
    scaled = swap(solve_triangle(columns(top, 0, k), swap(columns(t, 0, k)), False, trans=1))
    inner = matmul(adjoint(known), scaled)
    below = tril(inner, -1)
    turn = sub(below, adjoint(below))
    if dtype_of(t).kind == "c":  # the diagonal of r stays real
        turn = add(turn, diagonal_matrix(mul(imag(diagonal(inner)), 1j)))
    tq = add(matmul(known, sub(turn, inner)), scaled)
    tr = sub(matmul(adjoint(known), t), matmul(turn, top))
    if full and m > k:
        other = _complement_turn(known, columns(q, k, m), tq)
        tq = concatenate([tq, other], axis=-1)
        tr = pad(tr, 0, [*[(0, 0, 0)] * (len(shape_of(tr)) - 2), (0, m - k, 0), (0, 0, 0)])
    return [q, r], [tq, tr]


def _qr_scratch(a: Any, *, full: bool) -> int:
    m, n = a.shape[-2:]
    k = m if full else min(m, n)
    copied = a.size + m * n + m * k - k * n + 35 * k
    elements = copied if WORK_IS_SEEN else 1.1 * a.size
    return int(elements * a.dtype.itemsize)


qr_p: Primitive = matrix_primitive(
    "qr",
    abstract=_qr_abstract,
    impl=lambda xp, a, *, full: list(xp.qr(a, mode="complete" if full else "reduced")),
    jvp=_qr_jvp,
    cost=cubic(4.0),
    scratch=_qr_scratch,
)


def qr(a: Any, mode: str = "reduced") -> Any:
    """The factors of ``a = q @ r``: orthonormal columns and an upper triangle.

    Args:
      a: ``(..., m, n)``. Derivatives need the first ``min(m, n)`` columns to be independent.
      mode: ``"reduced"``, ``"complete"`` (``q`` is square; its further columns, which are not
        determined, are differentiated as turning no more than they must), or ``"r"``.

    Returns:
      ``(q, r)``, or ``r``.

    Raises:
      ArgumentValueError: another mode.

    Example:
      >>> import numpy as np, fxad.numpy as fnp
      >>> abs(fnp.linalg.qr(fnp.array([[3.0], [4.0]]), mode="r"))
      array([[5.]])
    """
    if mode not in ("reduced", "complete", "r"):
        raise error(
            ArgumentValueError,
            "qr",
            f"got mode={mode!r}, wanted 'reduced', 'complete' or 'r'",
        )
    q, r = qr_p.bind(*matrices("qr", a), full=mode == "complete")
    return r if mode == "r" else (q, r)


# Singular values ---------------------------------------------------------------------------------


def _svd_abstract(a: ShapedArray, *, full: bool, vectors: bool) -> list[ShapedArray]:
    *lead, m, n = a.shape
    k = min(m, n)
    s = ShapedArray((*lead, k), real_dtype(a.dtype))
    if not vectors:
        return [s]
    columns, rows = (m, n) if full else (k, k)
    u, vh = ShapedArray((*lead, m, columns), a.dtype), ShapedArray((*lead, rows, n), a.dtype)
    return [u, s, vh]


def _svd_impl(xp: Any, a: Any, *, full: bool, vectors: bool) -> list[Any]:
    try:
        out = xp.svd(a, full_matrices=full, compute_uv=vectors)
    except np.linalg.LinAlgError as e:
        raise no_convergence("svd", a, e) from None
    return list(out) if vectors else [out]


def _svd_jvp(
    primals: Sequence[Any], tangents: Sequence[Any], *, full: bool, vectors: bool
) -> tuple[Any, Any]:
    (t,) = tangents
    u, s, vh = svd_p.bind(*primals, full=full and vectors, vectors=True)
    m, n = shape_of(t)[-2:]
    k = min(m, n)
    left, right = columns(u, 0, k), adjoint(rows(vh, 0, k))
    inner = matmul(matmul(adjoint(left), t), right)
    ts = real_part(diagonal(inner))
    if not vectors:
        return [s], [ts]
    far = beyond_rounding_p.bind(s, pairs=True)
    gaps = mul(add(as_row(s), as_column(s)), sub(as_row(s), as_column(s)))
    weights = inverse_or_zero(gaps, far)
    inverse = inverse_or_zero(s, beyond_rounding_p.bind(s, pairs=False))
    by_columns, by_rows = mul(inner, as_row(s)), mul(inner, as_column(s))
    turn = mul(weights, add(by_columns, adjoint(by_columns)))
    if dtype_of(t).kind == "c":  # the phases of the pairs turn with u alone
        turn = add(turn, diagonal_matrix(mul(mul(imag(diagonal(inner)), inverse), 1j)))
    tu = matmul(left, turn)
    tv = matmul(right, mul(weights, add(by_rows, adjoint(by_rows))))
    if m > k:
        tu = add(tu, mul(_outside(left, matmul(t, right)), as_row(inverse)))
    if n > k:
        tv = add(tv, mul(_outside(right, matmul(adjoint(t), left)), as_row(inverse)))
    if full and m > k:
        tu = concatenate([tu, _complement_turn(left, columns(u, k, m), tu)], axis=-1)
    if full and n > k:
        rest = adjoint(rows(vh, k, n))
        tv = concatenate([tv, _complement_turn(right, rest, tv)], axis=-1)
    return [u, s, vh], [tu, ts, adjoint(tv)]


def _outside(basis: Any, x: Any) -> Any:
    """The part of ``x`` that is orthogonal to the columns of ``basis``."""
    return sub(x, matmul(basis, matmul(adjoint(basis), x)))


def svd_work(m: int, n: int, *, full: bool, vectors: bool) -> float:
    """Elements that LAPACK's divide and conquer works in, its copies of all operands included."""
    k = min(m, n)
    if not vectors:
        return m * n + 77 * k
    turned = 4 if 6 * max(m, n) >= 11 * k else 3  # a QR decomposition comes first
    sides = m * m + n * n if full else (m + n) * k
    return m * n + sides + turned * k * k + 17 * k


svd_p: Primitive = matrix_primitive(
    "svd",
    abstract=_svd_abstract,
    impl=_svd_impl,
    jvp=_svd_jvp,
    cost=cubic(20.0),
    scratch=work(svd_work),
)


def svd(
    a: Any, full_matrices: bool = True, compute_uv: bool = True, hermitian: bool = False
) -> Any:
    """The singular value decomposition ``a = u @ diag(s) @ vh``.

    Args:
      a: ``(..., m, n)``.
      full_matrices: whether ``u`` and ``vh`` are square; their further columns and rows, which are
        not determined, are differentiated as turning no more than they must.
      compute_uv: whether to give ``u`` and ``vh``.
      hermitian: whether ``a`` is Hermitian, which is faster: its lower triangle alone is read.

    Returns:
      ``(u, s, vh)`` or ``s``, in descending order. In the derivative the phases of the pairs of
      vectors turn with ``u`` alone; equal singular values do not turn their vectors among
      themselves, and zero ones do not turn theirs out of the range. There first derivatives of
      what does not depend on the choice of the vectors are right, second ones lack a part.

    Raises:
      ShapeError: ``a`` is no matrix.
      numpy.linalg.LinAlgError: the iteration does not converge.

    Example:
      >>> import fxad.numpy as fnp
      >>> fnp.linalg.svd(fnp.array([[0.0, 2.0], [1.0, 0.0]]), compute_uv=False).tolist()
      [2.0, 1.0]
    """
    (a,) = matrices("svd", a, square=hermitian)
    if hermitian:
        return _hermitian_svd(a, compute_uv)
    if not compute_uv:
        return svd_p.bind(a, full=False, vectors=False)[0]
    u, s, vh = svd_p.bind(a, full=full_matrices, vectors=True)
    return u, s, vh


def _hermitian_svd(a: Any, compute_uv: bool) -> Any:
    if not compute_uv:
        return flip(sort(abs_(eigh_p.bind(a, vectors=False, uplo="L")[0])), -1)
    w, v = eigh_p.bind(a, vectors=True, uplo="L")
    order = flip(argsort(abs_(w)), -1)
    w = take_along_axis(w, order, -1)
    u = take_along_axis(v, as_row(order), -1)
    return u, abs_(w), adjoint(mul(u, as_row(sign(w))))


def svdvals(a: Any) -> Any:
    """The singular values of matrices in descending order."""
    return svd(a, compute_uv=False)
