"""Arrays joined, split, reversed and repeated."""

from __future__ import annotations

import builtins
import math
import operator
from collections.abc import Sequence
from typing import Any

import numpy as np

import fxad.ops.base as base
import fxad.ops.roll as rolling
import fxad.ops.shape as ops
from fxad.core.source import error
from fxad.errors import ArgumentTypeError, ArgumentValueError, ShapeError
from fxad.numpy.creation import Size, shape_tuple
from fxad.numpy.dispatch import check_cast, implements, refuse_out
from fxad.numpy.manipulation import Axis, at_least_dimensions, distinct_axes, swapaxes
from fxad.numpy.nested import operand
from fxad.ops.base import normalize_axis, shape_of

# Join --------------------------------------------------------------------------------------------


def _sequence(operation: str, arrays: Any) -> list[Any]:
    if not isinstance(arrays, list | tuple):
        arrays = list(arrays)
    return [operand(x) for x in arrays]


def _checked(
    operation: str, arrays: list[Any], out: Any, dtype: Any, casting: str | None
) -> list[Any]:
    refuse_out(operation, out)
    if dtype is None:
        return arrays
    return [check_cast(operation, x, np.dtype(dtype), casting or "same_kind") for x in arrays]


@implements(np.concatenate)
def concatenate(
    arrays: Sequence[Any],
    /,
    axis: int | None = 0,
    out: Any = None,
    dtype: Any = None,
    casting: str = "same_kind",
) -> Any:
    """Arrays joined along an axis that they have.

    Args:
      arrays: arrays or lists whose other lengths agree.
      axis: the axis; None joins them flattened.
      out: none with traced arrays.
      dtype: the dtype of the result; None is what they promote to.
      casting: what conversions ``dtype`` may make.

    Returns:
      An array.

    Raises:
      ShapeError: lengths along other axes differ.

    Example:
      >>> import fxad.numpy as fnp
      >>> fnp.concatenate([[1, 2], [3]]).tolist()
      [1, 2, 3]
    """
    parts = _checked("concatenate", _sequence("concatenate", arrays), out, dtype, casting)
    return ops.concatenate(parts, axis)


concat = concatenate


@implements(np.stack)
def stack(
    arrays: Sequence[Any],
    axis: int = 0,
    out: Any = None,
    *,
    dtype: Any = None,
    casting: str = "same_kind",
) -> Any:
    """Arrays of one shape joined along a new axis.

    Args:
      arrays: arrays, numbers or lists of one shape.
      axis: the place of the new axis.
      out: none with traced arrays.
      dtype: the dtype of the result; None is what they promote to.
      casting: what conversions ``dtype`` may make.

    Returns:
      An array.

    Raises:
      ShapeError: the shapes differ.

    Example:
      >>> import fxad.numpy as fnp
      >>> fnp.stack([[1, 2], [3, 4]], axis=1).tolist()
      [[1, 3], [2, 4]]
    """
    return ops.stack(_checked("stack", _sequence("stack", arrays), out, dtype, casting), axis)


@implements(np.hstack)
def hstack(tup: Sequence[Any], *, dtype: Any = None, casting: str = "same_kind") -> Any:
    """Arrays side by side: along the second axis, vectors along their only one.

    Args:
      tup: arrays, numbers or lists.
      dtype: the dtype of the result; None is what they promote to.
      casting: what conversions ``dtype`` may make.

    Returns:
      An array.

    Example:
      >>> import fxad.numpy as fnp
      >>> fnp.hstack([[1, 2], [3]]).tolist()
      [1, 2, 3]
    """
    parts = [at_least_dimensions(x, 1) for x in _sequence("hstack", tup)]
    parts = _checked("hstack", parts, None, dtype, casting)
    return ops.concatenate(parts, 0 if parts and len(shape_of(parts[0])) == 1 else 1)


@implements(np.vstack)
def vstack(tup: Sequence[Any], *, dtype: Any = None, casting: str = "same_kind") -> Any:
    """Arrays below one another: along the first axis, vectors as rows.

    Args:
      tup: arrays, numbers or lists.
      dtype: the dtype of the result; None is what they promote to.
      casting: what conversions ``dtype`` may make.

    Returns:
      An array.

    Example:
      >>> import fxad.numpy as fnp
      >>> fnp.vstack([[1, 2], [3, 4]]).tolist()
      [[1, 2], [3, 4]]
    """
    parts = [at_least_dimensions(x, 2) for x in _sequence("vstack", tup)]
    return ops.concatenate(_checked("vstack", parts, None, dtype, casting), 0)


@implements(np.dstack)
def dstack(tup: Sequence[Any]) -> Any:
    """Arrays behind one another: along the third axis.

    Args:
      tup: arrays, numbers or lists.

    Returns:
      An array of three dimensions or more.

    Example:
      >>> import fxad.numpy as fnp
      >>> fnp.dstack([[1, 2], [3, 4]]).tolist()
      [[[1, 3], [2, 4]]]
    """
    return ops.concatenate([at_least_dimensions(x, 3) for x in _sequence("dstack", tup)], 2)


@implements(np.column_stack)
def column_stack(tup: Sequence[Any]) -> Any:
    """Vectors as the columns of a matrix; matrices side by side.

    Args:
      tup: arrays or lists of one or two dimensions.

    Returns:
      A matrix.

    Example:
      >>> import fxad.numpy as fnp
      >>> fnp.column_stack([[1, 2], [3, 4]]).tolist()
      [[1, 3], [2, 4]]
    """
    parts = [
        base.transpose(at_least_dimensions(x, 2), (1, 0)) if len(shape_of(x)) < 2 else x
        for x in _sequence("column_stack", tup)
    ]
    return ops.concatenate(parts, 1)


@implements(np.block)
def block(arrays: Any) -> Any:
    """A matrix put together from blocks in nested lists.

    Args:
      arrays: an array, or nested lists of them: the innermost are joined along the last axis.

    Returns:
      An array.

    Example:
      >>> import fxad.numpy as fnp
      >>> fnp.block([[fnp.eye(1), fnp.zeros((1, 1))], [fnp.ones((1, 2))]]).tolist()
      [[1.0, 0.0], [1.0, 1.0]]
    """
    depth = _depth(arrays)
    _check_depth(arrays, depth)
    ndim = builtins.max(depth, _most_dimensions(arrays))
    return _block(arrays, depth, ndim)


def _depth(arrays: Any) -> int:
    return 1 + builtins.max(map(_depth, arrays), default=0) if isinstance(arrays, list) else 0


def _check_depth(arrays: Any, depth: int) -> None:
    if isinstance(arrays, tuple):
        raise error(ArgumentTypeError, "block", "got a tuple, wanted nested lists")
    if isinstance(arrays, list) != (depth > 0) or (depth and not arrays):
        raise error(ArgumentValueError, "block", "got lists of unequal depths, or an empty one")
    for item in arrays if depth else ():
        _check_depth(item, depth - 1)


def _most_dimensions(arrays: Any) -> int:
    if isinstance(arrays, list):
        return builtins.max(map(_most_dimensions, arrays), default=0)
    return len(shape_of(operand(arrays)))


def _block(arrays: Any, depth: int, ndim: int) -> Any:
    if not isinstance(arrays, list):
        a = operand(arrays)
        return base.reshape(a, (1,) * (ndim - len(shape_of(a))) + tuple(shape_of(a)))
    return ops.concatenate([_block(a, depth - 1, ndim) for a in arrays], ndim - depth)


@implements(np.append)
def append(arr: Any, values: Any, axis: int | None = None) -> Any:
    """Values joined to the end of an array.

    Args:
      arr: array, number or list.
      values: what to add; without an axis both are flattened.
      axis: the axis to join along.

    Returns:
      An array.

    Example:
      >>> import fxad.numpy as fnp
      >>> fnp.append([1, 2], 3).tolist()
      [1, 2, 3]
    """
    return ops.concatenate([operand(arr), operand(values)], axis)


# Split -------------------------------------------------------------------------------------------


def _pieces(operation: str, a: Any, sections: Any, axis: int, even: bool) -> list[Any]:
    """Pieces between the indices, or as many as an integer says."""
    a = operand(a)
    axis = normalize_axis(operation, axis, len(shape_of(a)))
    length = shape_of(a)[axis]
    if isinstance(sections, list | tuple) or np.ndim(sections):
        cuts = [slice(i, j).indices(length) for i, j in _between(sections)]
        return [ops.slice_in_dim(a, i, builtins.max(i, j), axis) for i, j, _ in cuts]
    count = operator.index(sections) if even else int(sections)
    if count <= 0 or (even and length % count):
        raise error(
            ArgumentValueError,
            operation,
            f"got {count} sections for {length} elements along axis {axis}, wanted a positive "
            "number that divides them",
            "fnp.array_split takes numbers that do not divide.",
        )
    size, rest = builtins.divmod(length, count)
    return ops.split(a, [size + (i < rest) for i in range(count)], axis)


def _between(indices: Any) -> list[tuple[int | None, int | None]]:
    points = [operator.index(i) for i in indices]
    return list(zip([None, *points], [*points, None], strict=True))


@implements(np.split)
def split(ary: Any, indices_or_sections: int | Sequence[int], axis: int = 0) -> list[Any]:
    """Pieces of an array along an axis, of equal lengths or cut at indices.

    Args:
      ary: array or list.
      indices_or_sections: how many pieces, or where each but the first begins.
      axis: the axis.

    Returns:
      A list of arrays.

    Raises:
      ArgumentValueError: the number of pieces does not divide the length.

    Example:
      >>> import fxad.numpy as fnp
      >>> [x.tolist() for x in fnp.split(fnp.arange(4), [1])]
      [[0], [1, 2, 3]]
    """
    return _pieces("split", ary, indices_or_sections, axis, True)


@implements(np.array_split)
def array_split(ary: Any, indices_or_sections: int | Sequence[int], axis: int = 0) -> list[Any]:
    """Pieces of an array along an axis, as equal as can be.

    Args:
      ary: array or list.
      indices_or_sections: how many pieces, or where each but the first begins.
      axis: the axis.

    Returns:
      A list of arrays.

    Example:
      >>> import fxad.numpy as fnp
      >>> [x.tolist() for x in fnp.array_split(fnp.arange(3), 2)]
      [[0, 1], [2]]
    """
    return _pieces("array_split", ary, indices_or_sections, axis, False)


@implements(np.hsplit)
def hsplit(ary: Any, indices_or_sections: int | Sequence[int]) -> list[Any]:
    """Pieces side by side: along the second axis, the only one of vectors.

    Args:
      ary: array or list.
      indices_or_sections: how many pieces, or where each but the first begins.

    Returns:
      A list of arrays.

    Example:
      >>> import fxad.numpy as fnp
      >>> [x.tolist() for x in fnp.hsplit(fnp.arange(4), 2)]
      [[0, 1], [2, 3]]
    """
    ary = operand(ary)
    return _pieces(
        "hsplit", ary, indices_or_sections, builtins.min(len(shape_of(ary)), 2) - 1, True
    )


@implements(np.vsplit)
def vsplit(ary: Any, indices_or_sections: int | Sequence[int]) -> list[Any]:
    """Pieces below one another: along the first axis.

    Args:
      ary: array or list of two dimensions or more.
      indices_or_sections: how many pieces, or where each but the first begins.

    Returns:
      A list of arrays.

    Example:
      >>> import fxad.numpy as fnp
      >>> [x.tolist() for x in fnp.vsplit(fnp.eye(2), 2)]
      [[[1.0, 0.0]], [[0.0, 1.0]]]
    """
    return _pieces("vsplit", _needs("vsplit", ary, 2), indices_or_sections, 0, True)


@implements(np.dsplit)
def dsplit(ary: Any, indices_or_sections: int | Sequence[int]) -> list[Any]:
    """Pieces behind one another: along the third axis.

    Args:
      ary: array or list of three dimensions or more.
      indices_or_sections: how many pieces, or where each but the first begins.

    Returns:
      A list of arrays.

    Example:
      >>> import fxad.numpy as fnp
      >>> [x.tolist() for x in fnp.dsplit(fnp.array([[[1, 2]]]), 2)]
      [[[[1]]], [[[2]]]]
    """
    return _pieces("dsplit", _needs("dsplit", ary, 3), indices_or_sections, 2, True)


def _needs(operation: str, a: Any, ndim: int) -> Any:
    a = operand(a)
    if len(shape_of(a)) < ndim:
        raise error(ShapeError, operation, f"got {shape_of(a)}, wanted at least {ndim} dimensions")
    return a


@implements(*filter(None, [getattr(np, "unstack", None)]))
def unstack(x: Any, /, *, axis: int = 0) -> tuple[Any, ...]:
    """The slices along an axis, without it.

    Args:
      x: array.
      axis: the axis.

    Returns:
      A tuple of arrays.

    Example:
      >>> import fxad.numpy as fnp
      >>> [row.tolist() for row in fnp.unstack(fnp.array([[1, 2], [3, 4]]))]
      [[1, 2], [3, 4]]
    """
    x = operand(x)
    axis = normalize_axis("unstack", axis, len(shape_of(x)))
    shape = tuple(shape_of(x))
    rest = shape[:axis] + shape[axis + 1 :]
    if not shape[axis]:
        return ()
    parts = ops.split(x, (1,) * shape[axis], axis)
    return tuple(base.reshape(part, rest) for part in parts)


# Reverse, roll, repeat ---------------------------------------------------------------------------


@implements(np.flip)
def flip(m: Any, axis: Axis = None) -> Any:
    """The elements in reverse order.

    Args:
      m: array, number or list.
      axis: an axis or several; None is all of them.

    Returns:
      An array of the same shape.

    Example:
      >>> import fxad.numpy as fnp
      >>> fnp.flip([1, 2, 3]).tolist()
      [3, 2, 1]
    """
    return ops.flip(operand(m), axis)


@implements(np.fliplr)
def fliplr(m: Any) -> Any:
    """The second axis reversed: left and right exchanged.

    Args:
      m: array or list of two dimensions or more.

    Returns:
      An array of the same shape.

    Example:
      >>> import fxad.numpy as fnp
      >>> fnp.fliplr([[1, 2], [3, 4]]).tolist()
      [[2, 1], [4, 3]]
    """
    return ops.flip(_needs("fliplr", m, 2), 1)


@implements(np.flipud)
def flipud(m: Any) -> Any:
    """The first axis reversed: up and down exchanged.

    Args:
      m: array or list.

    Returns:
      An array of the same shape.

    Example:
      >>> import fxad.numpy as fnp
      >>> fnp.flipud([[1, 2], [3, 4]]).tolist()
      [[3, 4], [1, 2]]
    """
    return ops.flip(_needs("flipud", m, 1), 0)


@implements(np.rot90)
def rot90(m: Any, k: int = 1, axes: Sequence[int] = (0, 1)) -> Any:
    """Turned by quarters in the plane of two axes.

    Args:
      m: array or list of two dimensions or more.
      k: how many quarters, from the first axis toward the second.
      axes: the plane.

    Returns:
      An array.

    Example:
      >>> import fxad.numpy as fnp
      >>> fnp.rot90([[1, 2], [3, 4]]).tolist()
      [[2, 4], [1, 3]]
    """
    m = _needs("rot90", m, 2)
    first, second = distinct_axes("rot90", tuple(axes), len(shape_of(m)))
    k %= 4
    if k == 2:
        return ops.flip(m, (first, second))
    if k == 1:
        m = ops.flip(m, second)
    m = swapaxes(m, first, second) if k else m
    return ops.flip(m, second) if k == 3 else m


@implements(np.roll)
def roll(a: Any, shift: Any, axis: Axis = None) -> Any:
    """The elements moved on, those that leave at the end coming in at the front.

    Args:
      a: array, number or list.
      shift: by how many places, for each axis; may be traced.
      axis: an axis or several; None moves the flattened elements.

    Returns:
      An array of the same shape.

    Example:
      >>> import fxad.numpy as fnp
      >>> fnp.roll([1, 2, 3], 1).tolist()
      [3, 1, 2]
    """
    return rolling.roll(operand(a), shift, axis)


@implements(np.tile)
def tile(A: Any, reps: int | Sequence[int]) -> Any:
    """The whole array repeated along axes.

    Args:
      A: array, number or list.
      reps: how often along each axis, aligned at the right.

    Returns:
      An array.

    Example:
      >>> import fxad.numpy as fnp
      >>> fnp.tile([1, 2], 2).tolist()
      [1, 2, 1, 2]
    """
    return ops.tile(operand(A), reps)


@implements(np.resize)
def resize(a: Any, new_shape: Size) -> Any:
    """Another size: the elements in order, repeated from the start where there are too few.

    Args:
      a: array, number or list.
      new_shape: the new shape.

    Returns:
      An array.

    Example:
      >>> import fxad.numpy as fnp
      >>> fnp.resize([1, 2, 3], (2, 2)).tolist()
      [[1, 2], [3, 1]]
    """
    flat, shape = ops.ravel(operand(a)), shape_tuple(new_shape)
    size, length = math.prod(shape), shape_of(flat)[0]
    if not length:
        return base.full_beside(flat, shape, 0)
    flat = ops.tile(flat, -(-size // length))
    return base.reshape(ops.slice_in_dim(flat, 0, size, 0), shape)
