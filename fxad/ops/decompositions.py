"""Decompositions of matrices: Cholesky, QR, eigenvalues and singular values.

Sources of the derivatives: Giles, Collected matrix derivative results for forward and reverse mode
algorithmic differentiation, 2008; Walter and Lehmann, Algorithmic differentiation of linear
algebra functions with application in optimum experimental design, 2010.

Where eigenvalues or singular values repeat, up to rounding, their vectors are not determined and
have no derivative. They are treated as if they did not turn among themselves (1/0 counts as 0), so
that derivatives stay finite. The gradient of a sum of functions of the values is right there too;
second derivatives, and functions of the matrix made of values and vectors, lack what such turning
would add.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from fxad.core.aval import DType, ShapedArray
from fxad.core.primitive import Primitive
from fxad.core.source import error
from fxad.errors import ArgumentValueError
from fxad.ops.base import convert, dtype_of, reduce_sum, reshape, shape_of
from fxad.ops.contraction import matmul
from fxad.ops.elementwise import (
    abs_,
    add,
    conj,
    div,
    imag,
    mul,
    neg,
    real,
    select,
    sign,
    sub,
)
from fxad.ops.indexing import take_along_axis
from fxad.ops.matrices import (
    adjoint,
    cubic,
    diagonal,
    diagonal_matrix,
    hermitian_from_lower,
    lapack_error,
    lower_half,
    matrices,
    matrix_primitive,
    real_dtype,
    swap,
    tril,
)
from fxad.ops.reduction import argmax
from fxad.ops.shape import concatenate, flip, pad, slice_in_dim
from fxad.ops.solve import solve
from fxad.ops.sorting import argsort, sort
from fxad.ops.triangular import solve_triangle

# Parts and gaps ----------------------------------------------------------------------------------


def _columns(x: Any, start: int, stop: int) -> Any:
    return slice_in_dim(x, start, stop, len(shape_of(x)) - 1)


def _rows(x: Any, start: int, stop: int) -> Any:
    return slice_in_dim(x, start, stop, len(shape_of(x)) - 2)


def _row(d: Any) -> Any:
    """A vector that scales the columns of a matrix."""
    shape = shape_of(d)
    return reshape(d, (*shape[:-1], 1, shape[-1]))


def _column(d: Any) -> Any:
    """A vector that scales the rows of a matrix."""
    return reshape(d, (*shape_of(d), 1))


def _beyond_rounding_impl(xp: Any, values: Any, *, pairs: bool) -> Any:
    n = values.shape[-1]
    if not values.size:
        return xp.zeros((*values.shape, n) if pairs else values.shape, np.bool_)
    size = abs(values)
    limit = n * xp.finfo(size.dtype).eps * xp.max(size, axis=-1, keepdims=True)
    if not pairs:
        return size > limit
    return abs(values[..., None, :] - values[..., :, None]) > limit[..., None]


#: Which values differ from zero, or which pairs of them from each other, by more than rounding.
beyond_rounding_p: Primitive = matrix_primitive(
    "beyond_rounding",
    multiple_results=False,
    abstract=lambda values, *, pairs: ShapedArray(
        values.shape + values.shape[-1:] * pairs, np.dtype(np.bool_)
    ),
    impl=_beyond_rounding_impl,
    jvp=None,
    cost=lambda avals, params: (float(avals[0].size), 2.0 * avals[0].size),
)


def _inverse_or_zero(x: Any, far: Any) -> Any:
    """``1 / x`` where it is ``far`` from zero, else 0."""
    return select(far, div(1, select(far, x, 1)), 0)


def _inverse_gaps(values: Any) -> Any:
    """``1 / (values[j] - values[i])`` at ``i, j``; 0 for equal ones."""
    gaps = sub(_row(values), _column(values))
    return _inverse_or_zero(gaps, beyond_rounding_p.bind(values, pairs=True))


def _complement_turn(known: Any, rest: Any, turn: Any) -> Any:
    """How the other columns of a unitary matrix follow the turn of the first ones."""
    return neg(matmul(known, adjoint(matmul(adjoint(rest), turn))))


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


def _qr_abstract(a: ShapedArray, *, full: bool) -> list[ShapedArray]:
    *lead, m, n = a.shape
    k = m if full else min(m, n)
    return [ShapedArray((*lead, m, k), a.dtype), ShapedArray((*lead, k, n), a.dtype)]


def _qr_jvp(primals: Sequence[Any], tangents: Sequence[Any], *, full: bool) -> tuple[Any, Any]:
    q, r = qr_p.bind(*primals, full=full)
    (t,) = tangents
    m, n = shape_of(t)[-2:]
    k = min(m, n)
    known, top = _columns(q, 0, k), _rows(r, 0, k)
    # t r^-1, for the first k columns
    scaled = swap(solve_triangle(_columns(top, 0, k), swap(_columns(t, 0, k)), False, trans=1))
    inner = matmul(adjoint(known), scaled)
    below = tril(inner, -1)
    turn = sub(below, adjoint(below))
    if dtype_of(t).kind == "c":  # the diagonal of r stays real
        turn = add(turn, diagonal_matrix(mul(imag(diagonal(inner)), 1j)))
    tq = add(matmul(known, sub(turn, inner)), scaled)
    tr = sub(matmul(adjoint(known), t), matmul(turn, top))
    if full and m > k:
        other = _complement_turn(known, _columns(q, k, m), tq)
        tq = concatenate([tq, other], axis=-1)
        tr = pad(tr, 0, [*[(0, 0, 0)] * (len(shape_of(tr)) - 2), (0, m - k, 0), (0, 0, 0)])
    return [q, r], [tq, tr]


qr_p: Primitive = matrix_primitive(
    "qr",
    abstract=_qr_abstract,
    impl=lambda xp, a, *, full: list(xp.qr(a, mode="complete" if full else "reduced")),
    jvp=_qr_jvp,
    cost=cubic(4.0),
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


# Hermitian eigenvalues ---------------------------------------------------------------------------


def _eigh_abstract(a: ShapedArray, *, vectors: bool, uplo: str) -> list[ShapedArray]:
    values = ShapedArray(a.shape[:-1], real_dtype(a.dtype))
    return [values, a.strong()] if vectors else [values]


def _eigh_impl(xp: Any, a: Any, *, vectors: bool, uplo: str) -> list[Any]:
    try:
        return list(xp.eigh(a, uplo)) if vectors else [xp.linalg.eigvalsh(a, uplo)]
    except np.linalg.LinAlgError as e:
        raise _no_convergence("eigh", a, e) from None


def _no_convergence(operation: str, a: Any, e: Exception) -> np.linalg.LinAlgError:
    return lapack_error(
        operation,
        f"got a matrix of shape {a.shape} for which the iteration does not converge ({e})",
        "Look for NaN and infinities in it.",
    )


def _eigh_jvp(
    primals: Sequence[Any], tangents: Sequence[Any], *, vectors: bool, uplo: str
) -> tuple[Any, Any]:
    w, v = eigh_p.bind(*primals, vectors=True, uplo=uplo)
    t = hermitian_from_lower(adjoint(tangents[0]) if uplo == "U" else tangents[0])
    inner = matmul(matmul(adjoint(v), t), v)
    tw = _real(diagonal(inner))
    if not vectors:
        return [w], [tw]
    return [w, v], [tw, matmul(v, mul(_inverse_gaps(w), inner))]


def _real(x: Any) -> Any:
    return real(x) if dtype_of(x).kind == "c" else x


eigh_p: Primitive = matrix_primitive(
    "eigh", abstract=_eigh_abstract, impl=_eigh_impl, jvp=_eigh_jvp, cost=cubic(9.0)
)


def _eigh(operation: str, a: Any, uplo: str, vectors: bool) -> Any:
    (a,) = matrices(operation, a, square=True)
    if uplo.upper() not in ("L", "U"):
        raise error(ArgumentValueError, operation, f"got UPLO={uplo!r}, wanted 'L' or 'U'")
    return eigh_p.bind(a, vectors=vectors, uplo=uplo.upper())


def eigh(a: Any, UPLO: str = "L") -> tuple[Any, Any]:
    """Eigenvalues and eigenvectors of Hermitian matrices.

    Args:
      a: ``(..., n, n)``. As in NumPy one triangle alone is read, so the gradient has zeros in the
        other one.
      UPLO: which triangle: ``"L"`` or ``"U"``.

    Returns:
      ``(w, v)``: the real eigenvalues in ascending order, and the eigenvectors as columns. In the
      derivative ``v^H dv`` has a zero diagonal (the phases do not turn), and zeros for equal
      eigenvalues.

    Raises:
      ShapeError: ``a`` is not square.

    Example:
      >>> import fxad.numpy as fnp
      >>> fnp.linalg.eigh(fnp.array([[3.0, 0.0], [0.0, 1.0]]))[0].tolist()
      [1.0, 3.0]
    """
    w, v = _eigh("eigh", a, UPLO, vectors=True)
    return w, v


def eigvalsh(a: Any, UPLO: str = "L") -> Any:
    """The eigenvalues that ``eigh`` gives, without the vectors."""
    return _eigh("eigvalsh", a, UPLO, vectors=False)[0]


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
        raise _no_convergence("svd", a, e) from None
    return list(out) if vectors else [out]


def _svd_jvp(
    primals: Sequence[Any], tangents: Sequence[Any], *, full: bool, vectors: bool
) -> tuple[Any, Any]:
    (t,) = tangents
    u, s, vh = svd_p.bind(*primals, full=full and vectors, vectors=True)
    m, n = shape_of(t)[-2:]
    k = min(m, n)
    left, right = _columns(u, 0, k), adjoint(_rows(vh, 0, k))
    inner = matmul(matmul(adjoint(left), t), right)
    ts = _real(diagonal(inner))
    if not vectors:
        return [s], [ts]
    far = beyond_rounding_p.bind(s, pairs=True)
    gaps = mul(add(_row(s), _column(s)), sub(_row(s), _column(s)))
    weights = _inverse_or_zero(gaps, far)
    inverse = _inverse_or_zero(s, beyond_rounding_p.bind(s, pairs=False))
    by_columns, by_rows = mul(inner, _row(s)), mul(inner, _column(s))
    turn = mul(weights, add(by_columns, adjoint(by_columns)))
    if dtype_of(t).kind == "c":  # the phases of the pairs turn with u alone
        turn = add(turn, diagonal_matrix(mul(mul(imag(diagonal(inner)), inverse), 1j)))
    tu = matmul(left, turn)
    tv = matmul(right, mul(weights, add(by_rows, adjoint(by_rows))))
    if m > k:
        tu = add(tu, mul(_outside(left, matmul(t, right)), _row(inverse)))
    if n > k:
        tv = add(tv, mul(_outside(right, matmul(adjoint(t), left)), _row(inverse)))
    if full and m > k:
        tu = concatenate([tu, _complement_turn(left, _columns(u, k, m), tu)], axis=-1)
    if full and n > k:
        rest = adjoint(_rows(vh, k, n))
        tv = concatenate([tv, _complement_turn(right, rest, tv)], axis=-1)
    return [u, s, vh], [tu, ts, adjoint(tv)]


def _outside(basis: Any, x: Any) -> Any:
    """The part of ``x`` that is orthogonal to the columns of ``basis``."""
    return sub(x, matmul(basis, matmul(adjoint(basis), x)))


svd_p: Primitive = matrix_primitive(
    "svd", abstract=_svd_abstract, impl=_svd_impl, jvp=_svd_jvp, cost=cubic(20.0)
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
      themselves, and zero ones do not turn theirs out of the range.

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
    u = take_along_axis(v, _row(order), -1)
    return u, abs_(w), adjoint(mul(u, _row(sign(w))))


def svdvals(a: Any) -> Any:
    """The singular values of matrices in descending order."""
    return svd(a, compute_uv=False)


# Eigenvalues of any matrix -----------------------------------------------------------------------


def _complex_dtype(dtype: DType) -> DType:
    return np.result_type(dtype, np.complex64)


def _eig_abstract(a: ShapedArray, *, vectors: bool) -> list[ShapedArray]:
    dtype = _complex_dtype(a.dtype)
    values = ShapedArray(a.shape[:-1], dtype)
    return [values, ShapedArray(a.shape, dtype)] if vectors else [values]


def _eig_impl(xp: Any, a: Any, *, vectors: bool) -> list[Any]:
    dtype = _complex_dtype(a.dtype)
    try:
        out = xp.linalg.eig(a) if vectors else [xp.linalg.eigvals(a)]
    except np.linalg.LinAlgError as e:
        raise _no_convergence("eig", a, e) from None
    return [x.astype(dtype, copy=False) for x in out]


def _eig_jvp(primals: Sequence[Any], tangents: Sequence[Any], *, vectors: bool) -> tuple[Any, Any]:
    w, v = eig_p.bind(*primals, vectors=True)
    inner = solve(v, matmul(convert(tangents[0], dtype_of(v)), v))
    tw = diagonal(inner)
    if not vectors:
        return [w], [tw]
    tv = matmul(v, mul(_inverse_gaps(w), inner))
    # LAPACK's eigenvectors have length 1 and a real largest element, and keep both
    axis = len(shape_of(v)) - 2
    if not shape_of(v)[axis]:
        return [w, v], [tw, tv]
    largest = argmax(abs_(v), axis=axis, keepdims=True)
    drift = real(_row(reduce_sum(mul(conj(v), tv), (axis,))))
    phase = div(imag(take_along_axis(tv, largest, axis)), real(take_along_axis(v, largest, axis)))
    return [w, v], [tw, sub(tv, mul(v, add(drift, mul(phase, 1j))))]


eig_p: Primitive = matrix_primitive(
    "eig", abstract=_eig_abstract, impl=_eig_impl, jvp=_eig_jvp, cost=cubic(25.0)
)


def eig(a: Any) -> tuple[Any, Any]:
    """Eigenvalues and right eigenvectors of matrices, always complex.

    Args:
      a: ``(..., n, n)``.

    Returns:
      ``(w, v)``: the eigenvalues in no order, and the eigenvectors as columns, of length 1 and
      with a real largest element. Derivatives exist where the eigenvalues are distinct; they grow
      beyond all bounds towards matrices whose eigenvectors become dependent.

    Raises:
      ShapeError: ``a`` is not square.
      numpy.linalg.LinAlgError: the iteration does not converge.

    Example:
      >>> import fxad.numpy as fnp
      >>> sorted(fnp.linalg.eig(fnp.array([[0.0, 1.0], [-1.0, 0.0]]))[0].imag.tolist())
      [-1.0, 1.0]
    """
    w, v = eig_p.bind(*matrices("eig", a, square=True), vectors=True)
    return w, v


def eigvals(a: Any) -> Any:
    """The eigenvalues that ``eig`` gives, without the vectors."""
    return eig_p.bind(*matrices("eigvals", a, square=True), vectors=False)[0]
