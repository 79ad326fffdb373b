"""Linear algebra with the names, arguments and results of ``jax.lax.linalg``."""

from __future__ import annotations

from typing import Any

import fxad.ops.decompositions as ops
import fxad.ops.eigen as eigen
from fxad.core.source import error
from fxad.errors import ArgumentValueError
from fxad.ops.base import shape_of
from fxad.ops.elementwise import add, mul
from fxad.ops.matrices import adjoint, matrices
from fxad.ops.shape import slice_in_dim
from fxad.ops.solve import lu
from fxad.ops.triangular import triangular_solve

__all__ = ["cholesky", "eigh", "lu", "qr", "svd", "triangular_solve"]


def _hermitian(operation: str, x: Any, wanted: bool) -> Any:
    """The Hermitian part where it is wanted, else the matrix as it is."""
    (x,) = matrices(operation, x, square=True)
    return mul(add(x, adjoint(x)), 0.5) if wanted else x


def _range(operation: str, subset: tuple[int, int] | None, count: int) -> tuple[int, int]:
    """The first and the last but one of the values that are asked for."""
    start, stop = (0, count) if subset is None else subset
    if not 0 <= start <= stop <= count:
        raise error(
            ArgumentValueError,
            operation,
            f"got subset_by_index={subset} of {count} values, wanted 0 <= start <= stop <= {count}",
        )
    return start, stop


def cholesky(x: Any, *, symmetrize_input: bool = True) -> Any:
    """The lower triangular factor of positive definite matrices: ``x = l @ l^H``.

    Args:
      x: ``(..., n, n)``, Hermitian.
      symmetrize_input: whether the mean of ``x`` and its adjoint is taken; else the lower triangle
        alone is read.

    Returns:
      ``(..., n, n)``, with a positive diagonal.

    Raises:
      ShapeError: ``x`` is not square.
      numpy.linalg.LinAlgError: ``x`` is not positive definite (where JAX gives NaN).

    Example:
      >>> import numpy as np
      >>> from fxad import lax
      >>> lax.linalg.cholesky(np.array([[4.0, 2.0], [2.0, 5.0]])).tolist()
      [[2.0, 0.0], [1.0, 2.0]]
    """
    return ops.cholesky(_hermitian("cholesky", x, symmetrize_input))


def eigh(
    x: Any,
    *,
    lower: bool = True,
    symmetrize_input: bool = True,
    sort_eigenvalues: bool = True,
    subset_by_index: tuple[int, int] | None = None,
    implementation: Any = None,
) -> tuple[Any, Any]:
    """Eigenvectors and eigenvalues of Hermitian matrices; mind the order.

    Args:
      x: ``(..., n, n)``, Hermitian.
      lower: which triangle is read without ``symmetrize_input``.
      symmetrize_input: whether the mean of ``x`` and its adjoint is taken.
      sort_eigenvalues: accepted for JAX's sake: they are always in ascending order.
      subset_by_index: ``(start, stop)`` of the ``d`` eigenvalues to give; None is all.
      implementation: accepted for JAX's sake.

    Returns:
      ``(v, w)``: the eigenvectors as columns ``(..., n, d)``, and the real eigenvalues
      ``(..., d)``. In the derivative equal eigenvalues do not turn their vectors.

    Raises:
      ShapeError: ``x`` is not square.
      ArgumentValueError: there is no such subset.

    Example:
      >>> import numpy as np
      >>> from fxad import lax
      >>> lax.linalg.eigh(np.array([[3.0, 0.0], [0.0, 1.0]]))[1].tolist()
      [1.0, 3.0]
    """
    x = _hermitian("eigh", x, symmetrize_input)
    w, v = eigen.eigh(x, "L" if lower or symmetrize_input else "U")
    if subset_by_index is None:
        return v, w
    ndim = len(shape_of(x))
    start, stop = _range("eigh", subset_by_index, shape_of(x)[-1])
    return slice_in_dim(v, start, stop, ndim - 1), slice_in_dim(w, start, stop, ndim - 2)


def qr(x: Any, *, full_matrices: bool = True, use_magma: bool | None = None) -> tuple[Any, Any]:
    """The factors of ``x = q @ r``: orthonormal columns and an upper triangle.

    Args:
      x: ``(..., m, n)``. Derivatives need the first ``min(m, n)`` columns to be independent.
      full_matrices: whether ``q`` is square.
      use_magma: accepted for JAX's sake.

    Returns:
      ``(q, r)``: ``(..., m, m)`` and ``(..., m, n)``; with ``min(m, n)`` for the inner ``m`` if not
      ``full_matrices``.

    Raises:
      ShapeError: ``x`` is no matrix.

    Example:
      >>> import numpy as np
      >>> from fxad import lax
      >>> abs(lax.linalg.qr(np.array([[3.0], [4.0]]), full_matrices=False)[1])
      array([[5.]])
    """
    q, r = ops.qr(x, "complete" if full_matrices else "reduced")
    return q, r


def svd(
    x: Any,
    *,
    full_matrices: bool = True,
    compute_uv: bool = True,
    subset_by_index: tuple[int, int] | None = None,
    algorithm: Any = None,
) -> Any:
    """The singular value decomposition ``x = u @ diag(s) @ vh``.

    Args:
      x: ``(..., m, n)``.
      full_matrices: whether ``u`` and ``vh`` are square.
      compute_uv: whether to give ``u`` and ``vh``.
      subset_by_index: ``(start, stop)`` of the singular values to give; None is all.
      algorithm: accepted for JAX's sake.

    Returns:
      ``(u, s, vh)``, or ``s``, in descending order.

    Raises:
      ShapeError: ``x`` is no matrix.
      ArgumentValueError: there is no such subset, or it is wanted with square ``u`` and ``vh``.

    Example:
      >>> import numpy as np
      >>> from fxad import lax
      >>> lax.linalg.svd(np.array([[0.0, 2.0], [1.0, 0.0]]), compute_uv=False).tolist()
      [2.0, 1.0]
    """
    ndim, count = len(shape_of(x)), min(shape_of(x)[-2:], default=0)
    start, stop = _range("svd", subset_by_index, count)
    if not compute_uv:
        s = ops.svd(x, compute_uv=False)
        return slice_in_dim(s, start, stop, ndim - 2) if stop - start < count else s
    u, s, vh = ops.svd(x, full_matrices)
    if stop - start == count:
        return u, s, vh
    if full_matrices:
        raise error(
            ArgumentValueError,
            "svd",
            f"got subset_by_index={subset_by_index} with full_matrices=True, wanted one of the two",
            "Pass full_matrices=False.",
        )
    return (
        slice_in_dim(u, start, stop, ndim - 1),
        slice_in_dim(s, start, stop, ndim - 2),
        slice_in_dim(vh, start, stop, ndim - 2),
    )
