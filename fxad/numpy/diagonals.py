"""Diagonals, and static indices of triangles and grids."""

from __future__ import annotations

import builtins
from collections.abc import Sequence
from typing import Any

import numpy as np

import fxad.ops.creation as creation
from fxad.backends.registry import default_xp
from fxad.core.source import error
from fxad.errors import ArgumentValueError, ShapeError
from fxad.numpy.creation import staging
from fxad.numpy.dispatch import implements, known, refuse_out
from fxad.numpy.nested import operand
from fxad.ops.base import (
    convert,
    dtype_of,
    moveaxis,
    normalize_axis,
    reduce_sum,
    reshape,
    shape_of,
)
from fxad.ops.cumulative import accumulation_dtype
from fxad.ops.elementwise import add, floor_divide, mul, remainder
from fxad.ops.elementwise import max as maximum
from fxad.ops.elementwise import min as minimum
from fxad.ops.shape import concatenate, pad, ravel, slice_in_dim


@implements(np.diagonal)
def diagonal(a: Any, offset: int = 0, axis1: int = 0, axis2: int = 1) -> Any:
    """The elements on a diagonal of two axes.

    Args:
      a: array of two dimensions or more.
      offset: which diagonal: 0 the main one, positive above it.
      axis1: the axis of rows.
      axis2: the axis of columns.

    Returns:
      An array with the other axes, then the diagonal.

    Raises:
      ShapeError: the array has fewer than two dimensions.

    Example:
      >>> import fxad.numpy as fnp
      >>> fnp.diagonal([[1, 2], [3, 4]]).tolist()
      [1, 4]
    """
    a = operand(a)
    ndim = len(shape_of(a))
    if ndim < 2:
        raise error(ShapeError, "diagonal", f"got {shape_of(a)}, wanted two dimensions or more")
    rows, columns = (normalize_axis("diagonal", d, ndim) for d in (axis1, axis2))
    if rows == columns:
        raise error(ArgumentValueError, "diagonal", f"got axis {axis1} twice")
    a = moveaxis(moveaxis(a, rows, ndim - 1), columns - (columns > rows), ndim - 1)
    *rest, n, m = shape_of(a)
    start, height, width = (offset, n, m - offset) if offset >= 0 else (-offset * m, n + offset, m)
    count = builtins.max(0, builtins.min(height, width))
    flat = reshape(a, (*rest, n * m))
    if not count:
        return slice_in_dim(flat, 0, 0, len(rest))
    return slice_in_dim(flat, start, start + (count - 1) * (m + 1) + 1, len(rest), m + 1)


@implements(np.trace)
def trace(
    a: Any, offset: int = 0, axis1: int = 0, axis2: int = 1, dtype: Any = None, out: Any = None
) -> Any:
    """The sum of the elements on a diagonal.

    Args:
      a: array of two dimensions or more.
      offset: which diagonal: 0 the main one, positive above it.
      axis1: the axis of rows.
      axis2: the axis of columns.
      dtype: to add up in; None is that of ``a``, and a 64-bit one for narrower integers.
      out: none with traced arrays.

    Returns:
      An array with the other axes.

    Example:
      >>> import fxad.numpy as fnp
      >>> int(fnp.trace([[1, 2], [3, 4]]))
      5
    """
    refuse_out("trace", out)
    entries = diagonal(operand(a), offset, axis1, axis2)
    entries = convert(entries, accumulation_dtype(dtype_of(entries)) if dtype is None else dtype)
    return reduce_sum(entries, (len(shape_of(entries)) - 1,))


@implements(np.diag)
def diag(v: Any, k: int = 0) -> Any:
    """The diagonal of a matrix, or the matrix with a diagonal.

    Args:
      v: matrix or vector.
      k: which diagonal: 0 the main one, positive above it.

    Returns:
      A vector, or a square matrix.

    Raises:
      ShapeError: it is neither a matrix nor a vector.

    Example:
      >>> import fxad.numpy as fnp
      >>> fnp.diag([1, 2]).tolist()
      [[1, 0], [0, 2]]
    """
    v = operand(v)
    if len(shape_of(v)) == 2:
        return diagonal(v, k)
    if len(shape_of(v)) != 1:
        raise error(ShapeError, "diag", f"got {shape_of(v)}, wanted a matrix or a vector")
    (count,) = shape_of(v)
    size = count + builtins.abs(k)
    before = k if k >= 0 else -k * size
    between = size if count > 1 else 0
    covered = before + count + builtins.max(count - 1, 0) * between
    return reshape(pad(v, 0, [(before, size * size - covered, between)]), (size, size))


@implements(np.diagflat)
def diagflat(v: Any, k: int = 0) -> Any:
    """The matrix with all elements of an array on a diagonal.

    Args:
      v: array, number or list.
      k: which diagonal: 0 the main one, positive above it.

    Returns:
      A square matrix.

    Example:
      >>> import fxad.numpy as fnp
      >>> fnp.diagflat([[1], [2]]).tolist()
      [[1, 0], [0, 2]]
    """
    return diag(ravel(operand(v)), k)


# Static indices ----------------------------------------------------------------------------------


def _made(arrays: Sequence[Any]) -> tuple[Any, ...]:
    return tuple(map(default_xp().asarray, arrays))


def diag_indices(n: int, ndim: int = 2) -> tuple[Any, ...]:
    """The indices of the main diagonal.

    Args:
      n: the length of every axis.
      ndim: how many axes.

    Returns:
      A tuple of vectors.

    Example:
      >>> import fxad.numpy as fnp
      >>> [i.tolist() for i in fnp.diag_indices(2)]
      [[0, 1], [0, 1]]
    """
    return _made(np.diag_indices(n, ndim))


@implements(np.diag_indices_from)
def diag_indices_from(arr: Any) -> tuple[Any, ...]:
    """The indices of the main diagonal of an array.

    Args:
      arr: array of two dimensions or more, of equal lengths.

    Returns:
      A tuple of vectors.

    Example:
      >>> import fxad.numpy as fnp
      >>> [i.tolist() for i in fnp.diag_indices_from(fnp.eye(2))]
      [[0, 1], [0, 1]]
    """
    shape = shape_of(operand(arr))
    if len(shape) < 2 or len(set(shape)) > 1:
        raise error(
            ShapeError, "diag_indices_from", f"got {shape}, wanted axes of one length, two or more"
        )
    return diag_indices(shape[0], len(shape))


def tril_indices(n: int, k: int = 0, m: int | None = None) -> tuple[Any, ...]:
    """The indices of a lower triangle.

    Args:
      n: the number of rows.
      k: the last diagonal in it.
      m: the number of columns; None is n.

    Returns:
      Vectors of row and of column indices.

    Example:
      >>> import fxad.numpy as fnp
      >>> [i.tolist() for i in fnp.tril_indices(2)]
      [[0, 1, 1], [0, 0, 1]]
    """
    return _made(np.tril_indices(n, k, m))


def triu_indices(n: int, k: int = 0, m: int | None = None) -> tuple[Any, ...]:
    """The indices of an upper triangle.

    Args:
      n: the number of rows.
      k: the first diagonal in it.
      m: the number of columns; None is n.

    Returns:
      Vectors of row and of column indices.

    Example:
      >>> import fxad.numpy as fnp
      >>> [i.tolist() for i in fnp.triu_indices(2)]
      [[0, 0, 1], [0, 1, 1]]
    """
    return _made(np.triu_indices(n, k, m))


@implements(np.tril_indices_from)
def tril_indices_from(arr: Any, k: int = 0) -> tuple[Any, ...]:
    """The indices of the lower triangle of a matrix.

    Args:
      arr: matrix.
      k: the last diagonal in it.

    Returns:
      Vectors of row and of column indices.

    Example:
      >>> import fxad.numpy as fnp
      >>> [i.tolist() for i in fnp.tril_indices_from(fnp.eye(2))]
      [[0, 1, 1], [0, 0, 1]]
    """
    rows, columns = shape_of(operand(arr))
    return tril_indices(rows, k, columns)


@implements(np.triu_indices_from)
def triu_indices_from(arr: Any, k: int = 0) -> tuple[Any, ...]:
    """The indices of the upper triangle of a matrix.

    Args:
      arr: matrix.
      k: the first diagonal in it.

    Returns:
      Vectors of row and of column indices.

    Example:
      >>> import fxad.numpy as fnp
      >>> [i.tolist() for i in fnp.triu_indices_from(fnp.eye(2))]
      [[0, 0, 1], [0, 1, 1]]
    """
    rows, columns = shape_of(operand(arr))
    return triu_indices(rows, k, columns)


def mask_indices(n: int, mask_func: Any, k: int = 0) -> tuple[Any, ...]:
    """The indices where a function of an (n, n) matrix and a diagonal keeps elements.

    Args:
      n: the number of rows and columns.
      mask_func: as ``fnp.triu`` or ``fnp.tril``.
      k: the diagonal, handed to it.

    Returns:
      Vectors of row and of column indices.

    Example:
      >>> import fxad.numpy as fnp
      >>> [i.tolist() for i in fnp.mask_indices(2, fnp.triu)]
      [[0, 0, 1], [0, 1, 1]]
    """
    return _made(np.nonzero(mask_func(np.ones((n, n), int), k)))


def indices(dimensions: Sequence[int], dtype: Any = int, sparse: bool = False) -> Any:
    """The indices of a grid.

    Args:
      dimensions: its shape.
      dtype: the dtype.
      sparse: leaves axes along which an index does not vary at length 1.

    Returns:
      An array of shape (n, *dimensions); a tuple of n arrays if sparse.

    Example:
      >>> import fxad.numpy as fnp
      >>> fnp.indices((2, 2)).tolist()
      [[[0, 0], [1, 1]], [[0, 1], [0, 1]]]
    """
    shape = tuple(dimensions)
    if staging() and not sparse:
        counts = [creation.iota(dtype, (1, *shape), d + 1) for d in range(len(shape))]
        return concatenate(counts) if counts else default_xp().indices(shape, dtype)
    found: Any = np.indices(shape, dtype, sparse)  # type: ignore[call-overload]
    return _made(found) if sparse else default_xp().asarray(found)


@implements(np.ix_)
def ix_(*args: Any) -> tuple[Any, ...]:
    """Indices that choose the rows, columns, ... of a sub-array.

    Args:
      *args: a vector of integers, or of truth values, for each axis.

    Returns:
      A tuple of arrays to index with.

    Example:
      >>> import fxad.numpy as fnp
      >>> fnp.arange(9).reshape(3, 3)[fnp.ix_([0, 2], [0, 1])].tolist()
      [[0, 1], [6, 7]]
    """
    out = []
    for i, x in enumerate(map(operand, args)):
        if len(shape_of(x)) != 1:
            raise error(ShapeError, "ix_", f"got {shape_of(x)}, wanted one dimension")
        if dtype_of(x).kind == "b":
            x = np.nonzero(known("ix_", x))[0]
        out.append(reshape(x, (1,) * i + tuple(shape_of(x)) + (1,) * (len(args) - i - 1)))
    return tuple(out)


@implements(np.unravel_index)
def unravel_index(indices: Any, shape: Sequence[int], order: str = "C") -> tuple[Any, ...]:
    """Places in a flattened array as an index for each axis.

    Args:
      indices: integers.
      shape: the shape of the array.
      order: "C": the last axis runs fastest; "F": the first.

    Returns:
      A tuple of arrays of integers.

    Example:
      >>> import fxad.numpy as fnp
      >>> [i.tolist() for i in fnp.unravel_index([0, 5], (2, 3))]
      [[0, 1], [0, 2]]
    """
    rest = convert(operand(indices), np.intp)
    out = []
    lengths = list(shape) if order == "F" else list(shape)[::-1]
    for n in lengths:
        out.append(remainder(rest, n))
        rest = floor_divide(rest, n)
    return tuple(out if order == "F" else out[::-1])


@implements(np.ravel_multi_index)
def ravel_multi_index(
    multi_index: Sequence[Any], dims: Sequence[int], mode: str = "raise", order: str = "C"
) -> Any:
    """The place in the flattened array of an index for each axis.

    Args:
      multi_index: an array of integers for each axis.
      dims: the shape of the array.
      mode: what indices out of bounds are: an error ("raise"; traced ones are taken as they are),
        the nearest ("clip"), or counted on ("wrap").
      order: "C": the last axis runs fastest; "F": the first.

    Returns:
      An array of integers.

    Example:
      >>> import fxad.numpy as fnp
      >>> fnp.ravel_multi_index([[0, 1], [0, 2]], (2, 3)).tolist()
      [0, 5]
    """
    pairs = list(zip(map(operand, multi_index), dims, strict=True))
    total: Any = 0
    for index, n in pairs[::-1] if order == "F" else pairs:
        if mode == "wrap":
            index = remainder(index, n)
        elif mode == "clip":
            index = minimum(maximum(index, 0), n - 1)
        total = add(mul(total, n), index)
    return total
