"""Eigenvalues and eigenvectors, of Hermitian matrices and of any.

Source of the derivatives: Giles, Collected matrix derivative results for forward and reverse mode
algorithmic differentiation, 2008.

Where eigenvalues repeat, up to rounding, their vectors are not determined and have no derivative.
They are treated as if they did not turn among themselves (1/0 counts as 0), so that derivatives
stay finite. The gradient of a sum of functions of the values is right there too; second
derivatives, and functions of the matrix made of values and vectors, lack what such turning would
add.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from fxad.core.aval import DType, ShapedArray
from fxad.core.primitive import Primitive
from fxad.core.source import error
from fxad.errors import ArgumentValueError
from fxad.ops.base import convert, dtype_of, reduce_sum, shape_of
from fxad.ops.contraction import matmul
from fxad.ops.elementwise import abs_, add, conj, div, imag, mul, real, select, sub
from fxad.ops.indexing import take_along_axis
from fxad.ops.matrices import (
    adjoint,
    as_column,
    as_row,
    cubic,
    diagonal,
    hermitian_from_lower,
    lapack_error,
    matrices,
    matrix_primitive,
    real_dtype,
    real_part,
    work,
)
from fxad.ops.reduction import argmax
from fxad.ops.solve import solve

# Gaps --------------------------------------------------------------------------------------------


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


def inverse_or_zero(x: Any, far: Any) -> Any:
    """``1 / x`` where it is ``far`` from zero, else 0."""
    return select(far, div(1, select(far, x, 1)), 0)


def _inverse_gaps(values: Any) -> Any:
    """``1 / (values[j] - values[i])`` at ``i, j``; 0 for equal ones."""
    gaps = sub(as_row(values), as_column(values))
    return inverse_or_zero(gaps, beyond_rounding_p.bind(values, pairs=True))


# Hermitian eigenvalues ---------------------------------------------------------------------------


def _eigh_abstract(a: ShapedArray, *, vectors: bool, uplo: str) -> list[ShapedArray]:
    values = ShapedArray(a.shape[:-1], real_dtype(a.dtype))
    return [values, a.strong()] if vectors else [values]


def _eigh_impl(xp: Any, a: Any, *, vectors: bool, uplo: str) -> list[Any]:
    try:
        return list(xp.eigh(a, uplo)) if vectors else [xp.linalg.eigvalsh(a, uplo)]
    except np.linalg.LinAlgError as e:
        raise no_convergence("eigh", a, e) from None


def no_convergence(operation: str, a: Any, e: Exception) -> np.linalg.LinAlgError:
    """What is raised where LAPACK gives up."""
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
    tw = real_part(diagonal(inner))
    if not vectors:
        return [w], [tw]
    return [w, v], [tw, matmul(v, mul(_inverse_gaps(w), inner))]


eigh_p: Primitive = matrix_primitive(
    "eigh",
    abstract=_eigh_abstract,
    impl=_eigh_impl,
    jvp=_eigh_jvp,
    cost=cubic(9.0),
    scratch=work(lambda _, n, *, vectors, uplo: 3 * n * n + 13 * n if vectors else n * n + 36 * n),
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
      eigenvalues: there first derivatives of what does not depend on the choice of the vectors
      are right, while second derivatives lack the part in which the equal ones would part.

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
        raise no_convergence("eig", a, e) from None
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
    drift = real(as_row(reduce_sum(mul(conj(v), tv), (axis,))))
    phase = div(imag(take_along_axis(tv, largest, axis)), real(take_along_axis(v, largest, axis)))
    return [w, v], [tw, sub(tv, mul(v, add(drift, mul(phase, 1j))))]


eig_p: Primitive = matrix_primitive(
    "eig",
    abstract=_eig_abstract,
    impl=_eig_impl,
    jvp=_eig_jvp,
    cost=cubic(25.0),
    scratch=work(lambda _, n, *, vectors: 4 * n * n + 134 * n if vectors else n * n + 38 * n),
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
