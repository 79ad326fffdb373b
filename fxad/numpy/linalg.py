"""``numpy.linalg`` on arrays and tracers: ``fxad.numpy.linalg``."""

from __future__ import annotations

import functools
import math
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
from numpy.linalg import LinAlgError

import fxad.numpy.diagonals as diagonals
import fxad.numpy.manipulation as manipulation
import fxad.numpy.products as products
import fxad.ops.decompositions as decompositions
import fxad.ops.determinant as determinant
import fxad.ops.eigen as eigen
import fxad.ops.linalg as ops
import fxad.ops.solve as systems
from fxad.core.source import error
from fxad.core.trace import Tracer
from fxad.errors import ShapeError
from fxad.numpy.dispatch import implements, refuse_out
from fxad.numpy.nested import operand
from fxad.ops.base import dtype_of, normalize_axes, reshape, shape_of, transpose
from fxad.ops.elementwise import real

__all__ = [
    "LinAlgError",
    "cholesky",
    "cond",
    "cross",
    "det",
    "diagonal",
    "eig",
    "eigh",
    "eigvals",
    "eigvalsh",
    "inv",
    "lstsq",
    "matmul",
    "matrix_norm",
    "matrix_power",
    "matrix_rank",
    "matrix_transpose",
    "multi_dot",
    "norm",
    "outer",
    "pinv",
    "qr",
    "slogdet",
    "solve",
    "svd",
    "svdvals",
    "tensordot",
    "tensorinv",
    "tensorsolve",
    "trace",
    "vecdot",
    "vector_norm",
]

Operation = Callable[..., Any]


def _public(
    numpy_function: Any, operation: Operation, arrays: int = 1, finish: Operation | None = None
) -> Operation:
    """The public function of an operation that has NumPy's signature and is documented.

    Args:
      numpy_function: the function that plain arrays are handed to.
      operation: the one that tracers get.
      arrays: how many of its first arguments are arrays, which may be lists.
      finish: what is done to the result.
    """
    names = operation.__code__.co_varnames[:arrays]

    @functools.wraps(operation)
    def implementation(*args: Any, **kwargs: Any) -> Any:
        args = (*map(operand, args[:arrays]), *args[arrays:])
        kwargs = {name: operand(x) if name in names else x for name, x in kwargs.items()}
        out = operation(*args, **kwargs)
        return out if finish is None else finish(out)

    return implements(numpy_function)(implementation)


@functools.cache
def _result_type(name: str) -> Callable[..., Any]:
    """The named tuple that NumPy's function returns."""
    kind: Callable[..., Any] = type(getattr(np.linalg, name)(np.eye(1)))
    return kind


def _named(name: str) -> Operation:
    return lambda out: _result_type(name)(*out) if isinstance(out, tuple) else out


@functools.cache
def _gives_real_eigenvalues() -> bool:
    """Whether this NumPy does; from 2.5 on they are complex."""
    return bool(np.linalg.eigvals(np.eye(1)).dtype.kind == "f")


def _as_numpy_gives(a: Any, values: Any, *others: Any) -> Any:
    return real_if_known(a, values, *others) if _gives_real_eigenvalues() else (values, *others)


def real_if_known(a: Any, values: Any, *others: Any) -> Any:
    """Eigenvalues of real matrices, if known to be all real, as real numbers."""
    value = values.concrete() if isinstance(values, Tracer) else values
    if value is None or dtype_of(a).kind == "c" or np.any(np.imag(value)):
        return (values, *others)
    return tuple(map(real, (values, *others)))


cholesky = _public(np.linalg.cholesky, decompositions.cholesky)
cond = _public(np.linalg.cond, ops.cond)
det = _public(np.linalg.det, determinant.det)
eigh = _public(np.linalg.eigh, eigen.eigh, 1, _named("eigh"))
inv = _public(np.linalg.inv, systems.inv)
lstsq = _public(np.linalg.lstsq, ops.lstsq, 2)
matrix_power = _public(np.linalg.matrix_power, ops.matrix_power)
matrix_rank = _public(np.linalg.matrix_rank, ops.matrix_rank)
norm = _public(np.linalg.norm, ops.norm)
pinv = _public(np.linalg.pinv, ops.pinv)
qr = _public(np.linalg.qr, decompositions.qr, 1, _named("qr"))
slogdet = _public(np.linalg.slogdet, determinant.slogdet, 1, _named("slogdet"))
solve = _public(np.linalg.solve, systems.solve, 2)
svd = _public(np.linalg.svd, decompositions.svd, 1, _named("svd"))


@implements(np.linalg.eig)
def eig(a: Any) -> Any:
    """Eigenvalues and right eigenvectors of matrices.

    Args:
      a: array of shape (..., n, n).

    Returns:
      ``(eigenvalues, eigenvectors)``: the values in no order, and the vectors as columns, of length
      1 and with a real largest element; complex, unless ``a`` is real and all values are known to
      be (with NumPy 2.5 then too). Derivatives exist where the eigenvalues are distinct.

    Raises:
      ShapeError: ``a`` is not square.

    Example:
      >>> import fxad.numpy as fnp
      >>> fnp.linalg.eig(fnp.array([[2.0, 0.0], [0.0, 1.0]])).eigenvalues.real.tolist()
      [2.0, 1.0]
    """
    a = operand(a)
    return _result_type("eig")(*_as_numpy_gives(a, *eigen.eig(a)))


@implements(np.linalg.eigvals)
def eigvals(a: Any) -> Any:
    """The eigenvalues of matrices.

    Args:
      a: array of shape (..., n, n).

    Returns:
      An array of shape (..., n): complex, unless all values are known to be real (with NumPy 2.5
      then too).

    Raises:
      ShapeError: ``a`` is not square.

    Example:
      >>> import fxad.numpy as fnp
      >>> sorted(fnp.linalg.eigvals(fnp.array([[2.0, 0.0], [0.0, 1.0]])).real.tolist())
      [1.0, 2.0]
    """
    a = operand(a)
    return _as_numpy_gives(a, eigen.eigvals(a))[0]


@implements(np.linalg.eigvalsh)
def eigvalsh(a: Any, UPLO: str = "L") -> Any:
    """The eigenvalues of Hermitian matrices.

    Args:
      a: array of shape (..., n, n), of which one triangle is read.
      UPLO: which triangle: "L" or "U".

    Returns:
      A real array of shape (..., n), in ascending order.

    Raises:
      ShapeError: ``a`` is not square.

    Example:
      >>> import fxad.numpy as fnp
      >>> fnp.linalg.eigvalsh(fnp.array([[2.0, 0.0], [0.0, 1.0]])).tolist()
      [1.0, 2.0]
    """
    return eigen.eigvalsh(operand(a), UPLO)


@implements(np.linalg.tensorinv)
def tensorinv(a: Any, ind: int = 2) -> Any:
    """The inverse of an array as a linear map from its last axes to its first ones.

    Args:
      a: array whose first ``ind`` lengths have the product of the others.
      ind: how many axes are first ones.

    Returns:
      An array with the last axes first.

    Raises:
      ShapeError: the map is not square.

    Example:
      >>> import fxad.numpy as fnp
      >>> fnp.linalg.tensorinv(2 * fnp.eye(2), ind=1).tolist()
      [[0.5, 0.0], [0.0, 0.5]]
    """
    return ops.tensorinv(operand(a), ind)


@implements(np.linalg.tensorsolve)
def tensorsolve(a: Any, b: Any, axes: Sequence[int] | None = None) -> Any:
    """The solution of ``tensordot(a, x, x.ndim) == b``.

    Args:
      a: array of shape (*b.shape, *x.shape).
      b: array.
      axes: axes of ``a`` to move to its end first.

    Returns:
      The array x.

    Raises:
      ShapeError: the map is not square.

    Example:
      >>> import fxad.numpy as fnp
      >>> fnp.linalg.tensorsolve(2 * fnp.eye(2), fnp.ones(2)).tolist()
      [0.5, 0.5]
    """
    return ops.tensorsolve(operand(a), operand(b), axes)


@implements(np.linalg.svdvals)
def svdvals(x: Any, /) -> Any:
    """The singular values of matrices.

    Args:
      x: array of shape (..., m, n).

    Returns:
      An array of shape (..., min(m, n)), in descending order.

    Example:
      >>> import fxad.numpy as fnp
      >>> fnp.linalg.svdvals(fnp.array([[3.0, 0.0], [0.0, 4.0]])).tolist()
      [4.0, 3.0]
    """
    return decompositions.svdvals(operand(x))


@implements(np.linalg.multi_dot)
def multi_dot(arrays: Sequence[Any], *, out: Any = None) -> Any:
    """The product of several matrices, in the order that takes the fewest multiplications.

    Args:
      arrays: matrices; the first and the last may be vectors.
      out: none with traced arrays.

    Returns:
      An array.

    Example:
      >>> import fxad.numpy as fnp
      >>> fnp.linalg.multi_dot([fnp.ones((2, 3)), fnp.ones((3, 4)), fnp.ones(4)]).tolist()
      [12.0, 12.0]
    """
    refuse_out("multi_dot", out)
    return ops.multi_dot([operand(a) for a in arrays])


@implements(np.linalg.vector_norm)
def vector_norm(
    x: Any, /, *, axis: int | tuple[int, ...] | None = None, keepdims: bool = False, ord: Any = 2
) -> Any:
    """The norm of vectors.

    Args:
      x: array.
      axis: the axis of the vectors, or several that are one; None is all of them.
      keepdims: leaves the axes in place, at length 1.
      ord: which norm, as for ``norm``.

    Returns:
      A real array without the axes.

    Example:
      >>> import fxad.numpy as fnp
      >>> float(fnp.linalg.vector_norm(fnp.array([3.0, 4.0])))
      5.0
    """
    x = operand(x)
    shape = tuple(shape_of(x))
    axes = normalize_axes("vector_norm", axis, len(shape))
    rest = [d for d in range(len(shape)) if d not in axes]
    length = math.prod(shape[d] for d in axes)
    flat = reshape(transpose(x, [*axes, *rest]), (length, *(shape[d] for d in rest)))
    found = ops.norm(flat, ord, 0)
    kept = [1 if d in axes else n for d, n in enumerate(shape)]
    return reshape(found, kept) if keepdims else found


@implements(np.linalg.matrix_norm)
def matrix_norm(x: Any, /, *, keepdims: bool = False, ord: Any = "fro") -> Any:
    """The norm of matrices.

    Args:
      x: array of shape (..., m, n).
      keepdims: leaves the last two axes in place, at length 1.
      ord: which norm, as for ``norm``.

    Returns:
      A real array of shape (...).

    Example:
      >>> import fxad.numpy as fnp
      >>> float(fnp.linalg.matrix_norm(fnp.array([[3.0, 0.0], [0.0, 4.0]])))
      5.0
    """
    return ops.norm(operand(x), ord, (-2, -1), keepdims)


@implements(np.linalg.matrix_transpose)
def matrix_transpose(x: Any, /) -> Any:
    """The last two axes exchanged.

    Args:
      x: array of shape (..., m, n).

    Returns:
      An array of shape (..., n, m).

    Example:
      >>> import fxad.numpy as fnp
      >>> fnp.linalg.matrix_transpose(fnp.zeros((2, 3))).shape
      (3, 2)
    """
    return manipulation.matrix_transpose(x)


@implements(np.linalg.diagonal)
def diagonal(x: Any, /, *, offset: int = 0) -> Any:
    """The elements on a diagonal of matrices.

    Args:
      x: array of shape (..., m, n).
      offset: which diagonal: 0 the main one, positive above it.

    Returns:
      An array of shape (..., length).

    Example:
      >>> import fxad.numpy as fnp
      >>> fnp.linalg.diagonal(fnp.array([[1, 2], [3, 4]])).tolist()
      [1, 4]
    """
    return diagonals.diagonal(x, offset, -2, -1)


@implements(np.linalg.trace)
def trace(x: Any, /, *, offset: int = 0, dtype: Any = None) -> Any:
    """The sum of the elements on a diagonal of matrices.

    Args:
      x: array of shape (..., m, n).
      offset: which diagonal: 0 the main one, positive above it.
      dtype: to add up in; None is that of ``x``, and a 64-bit one for narrower integers.

    Returns:
      An array of shape (...).

    Example:
      >>> import fxad.numpy as fnp
      >>> int(fnp.linalg.trace(fnp.array([[1, 2], [3, 4]])))
      5
    """
    return diagonals.trace(x, offset, -2, -1, dtype)


@implements(np.linalg.matmul)
def matmul(x1: Any, x2: Any, /) -> Any:
    """The matrix product ``x1 @ x2`` of stacks of matrices.

    Args:
      x1: array of shape (..., n, k) or (k,).
      x2: array of shape (..., k, m) or (k,).

    Returns:
      An array of shape (..., n, m); without n, m for vectors.

    Example:
      >>> import fxad.numpy as fnp
      >>> fnp.linalg.matmul(fnp.array([[1, 2], [3, 4]]), fnp.array([1, 1])).tolist()
      [3, 7]
    """
    return products.matmul(x1, x2)


@implements(np.linalg.vecdot)
def vecdot(x1: Any, x2: Any, /, *, axis: int = -1) -> Any:
    """The sum of conj(x1) * x2 along one axis.

    Args:
      x1: array.
      x2: array.
      axis: the axis.

    Returns:
      An array without the axis.

    Example:
      >>> import fxad.numpy as fnp
      >>> int(fnp.linalg.vecdot(fnp.array([1, 2]), fnp.array([3, 4])))
      11
    """
    return products.vecdot(x1, x2, axis=axis)


@implements(np.linalg.outer)
def outer(x1: Any, x2: Any, /) -> Any:
    """All products of an element of one vector and an element of another.

    Args:
      x1: vector of n elements.
      x2: vector of m elements.

    Returns:
      An array of shape (n, m).

    Raises:
      ShapeError: one is no vector.

    Example:
      >>> import fxad.numpy as fnp
      >>> fnp.linalg.outer(fnp.array([1, 2]), fnp.array([3, 4])).tolist()
      [[3, 4], [6, 8]]
    """
    x1, x2 = operand(x1), operand(x2)
    if len(shape_of(x1)) != 1 or len(shape_of(x2)) != 1:
        raise error(
            ShapeError, "outer", f"got {shape_of(x1)} and {shape_of(x2)}, wanted two vectors"
        )
    return products.outer(x1, x2)


@implements(np.linalg.tensordot)
def tensordot(x1: Any, x2: Any, /, *, axes: Any = 2) -> Any:
    """The sum of products over some axes of both.

    Args:
      x1: array.
      x2: array.
      axes: n for the last n of ``x1`` with the first n of ``x2``, or a pair of sequences of axes.

    Returns:
      An array with the other axes of ``x1``, then those of ``x2``.

    Example:
      >>> import fxad.numpy as fnp
      >>> fnp.linalg.tensordot(fnp.array([[1, 2], [3, 4]]), fnp.array([1, 1]), axes=1).tolist()
      [3, 7]
    """
    return products.tensordot(x1, x2, axes)


@implements(np.linalg.cross)
def cross(x1: Any, x2: Any, /, *, axis: int = -1) -> Any:
    """The cross product of vectors in space.

    Args:
      x1: array with an axis of length 3.
      x2: array with an axis of length 3.
      axis: that axis.

    Returns:
      An array; the other axes broadcast.

    Raises:
      ShapeError: the axis has another length.

    Example:
      >>> import fxad.numpy as fnp
      >>> fnp.linalg.cross(fnp.array([1, 0, 0]), fnp.array([0, 1, 0])).tolist()
      [0, 0, 1]
    """
    x1, x2 = operand(x1), operand(x2)
    if shape_of(x1)[axis] != 3 or shape_of(x2)[axis] != 3:
        raise error(
            ShapeError,
            "cross",
            f"got {shape_of(x1)} and {shape_of(x2)} along axis {axis}, wanted length 3",
        )
    return products.cross(x1, x2, axis=axis)
