"""Shapes, slices and new arrays, under JAX's names: every length and axis is given."""

from __future__ import annotations

import builtins
import math
import operator
from collections.abc import Sequence
from typing import Any

import numpy as np

import fxad.ops.base as base
import fxad.ops.dynamic_slice as dynamic
import fxad.ops.identity as identity
import fxad.ops.indexing as indexing
import fxad.ops.shape as ops
from fxad.core.source import error
from fxad.errors import ArgumentValueError, ShapeError
from fxad.ops.base import dtype_of, normalize_axis, shape_of
from fxad.ops.creation import iota as counts

Shape = Sequence[int]


def reshape(operand: Any, new_sizes: Shape, dimensions: Sequence[int] | None = None) -> Any:
    """The same elements in another shape.

    Args:
      operand: array.
      new_sizes: the new shape, every length given.
      dimensions: the order in which to read the axes; None is their own.

    Returns:
      An array of that shape.

    Raises:
      ShapeError: the number of elements differs.

    Example:
      >>> import numpy as np
      >>> from fxad import lax
      >>> lax.reshape(np.arange(4), (2, 2), dimensions=(0,)).tolist()
      [[0, 1], [2, 3]]
    """
    if dimensions is not None:
        operand = base.transpose(operand, dimensions)
    return base.reshape(operand, tuple(map(operator.index, new_sizes)))


def transpose(operand: Any, permutation: Sequence[int]) -> Any:
    """The axes in another order.

    Args:
      operand: array.
      permutation: for each axis of the result the one that it was.

    Returns:
      An array.

    Example:
      >>> import numpy as np
      >>> from fxad import lax
      >>> lax.transpose(np.array([[1, 2], [3, 4]]), (1, 0)).tolist()
      [[1, 3], [2, 4]]
    """
    return base.transpose(operand, [operator.index(d) for d in permutation])


def rev(operand: Any, dimensions: Sequence[int]) -> Any:
    """The elements in reverse order along some axes.

    Args:
      operand: array.
      dimensions: the axes.

    Returns:
      An array of the same shape.

    Example:
      >>> import numpy as np
      >>> from fxad import lax
      >>> lax.rev(np.array([1, 2, 3]), (0,)).tolist()
      [3, 2, 1]
    """
    return ops.flip(operand, tuple(dimensions))


def broadcast(operand: Any, sizes: Shape) -> Any:
    """Repeated along new axes in front.

    Args:
      operand: array or number.
      sizes: the lengths of the new axes.

    Returns:
      An array of shape (*sizes, *operand.shape).

    Example:
      >>> import numpy as np
      >>> from fxad import lax
      >>> lax.broadcast(np.array([1, 2]), (2,)).tolist()
      [[1, 2], [1, 2]]
    """
    return base.broadcast_to(operand, (*sizes, *shape_of(operand)))


def broadcast_in_dim(operand: Any, shape: Shape, broadcast_dimensions: Sequence[int]) -> Any:
    """Repeated along new axes, and along its own of length 1.

    Args:
      operand: array or number.
      shape: the shape of the result.
      broadcast_dimensions: for each axis of the operand the one that it becomes.

    Returns:
      An array of that shape.

    Raises:
      ShapeError: a length is neither 1 nor the one that it becomes.

    Example:
      >>> import numpy as np
      >>> from fxad import lax
      >>> lax.broadcast_in_dim(np.array([1, 2]), (2, 2), (0,)).tolist()
      [[1, 1], [2, 2]]
    """
    return base.broadcast_in_dim(operand, tuple(shape), tuple(broadcast_dimensions))


def broadcast_shapes(*shapes: Shape) -> tuple[int, ...]:
    """The shape to which several shapes broadcast.

    Args:
      *shapes: shapes.

    Returns:
      A shape.

    Raises:
      ValueError: they do not broadcast.

    Example:
      >>> from fxad import lax
      >>> lax.broadcast_shapes((2, 1), (3,))
      (2, 3)
    """
    return np.broadcast_shapes(*map(tuple, shapes))


def expand_dims(array: Any, dimensions: Sequence[int]) -> Any:
    """With new axes of length 1.

    Args:
      array: array.
      dimensions: the place of each new axis in the result.

    Returns:
      An array with more dimensions.

    Example:
      >>> import numpy as np
      >>> from fxad import lax
      >>> lax.expand_dims(np.zeros(2), (0, 2)).shape
      (1, 2, 1)
    """
    return ops.expand_dims(array, tuple(dimensions))


def squeeze(array: Any, dimensions: Sequence[int]) -> Any:
    """Without some axes of length 1.

    Args:
      array: array.
      dimensions: the axes.

    Returns:
      An array with fewer dimensions.

    Raises:
      ShapeError: an axis has another length.

    Example:
      >>> import numpy as np
      >>> from fxad import lax
      >>> lax.squeeze(np.zeros((1, 2, 1)), (0,)).shape
      (2, 1)
    """
    return ops.squeeze(array, tuple(dimensions))


def collapse(operand: Any, start_dimension: int, stop_dimension: int | None = None) -> Any:
    """Neighbouring axes as one.

    Args:
      operand: array.
      start_dimension: the first of them.
      stop_dimension: the one behind the last; None: all to the end.

    Returns:
      An array.

    Example:
      >>> import numpy as np
      >>> from fxad import lax
      >>> lax.collapse(np.zeros((2, 3, 4)), 1).shape
      (2, 12)
    """
    shape = tuple(shape_of(operand))
    start, stop, _ = builtins.slice(start_dimension, stop_dimension).indices(len(shape))
    if stop <= start:
        raise error(
            ArgumentValueError,
            "collapse",
            f"got dimensions {start_dimension} to {stop_dimension} of {shape}, wanted at least one",
        )
    return base.reshape(operand, (*shape[:start], math.prod(shape[start:stop]), *shape[stop:]))


def concatenate(operands: Sequence[Any], dimension: int) -> Any:
    """Arrays joined along an axis.

    Args:
      operands: arrays whose other lengths agree.
      dimension: the axis.

    Returns:
      An array.

    Raises:
      ShapeError: lengths along other axes differ.

    Example:
      >>> import numpy as np
      >>> from fxad import lax
      >>> lax.concatenate([np.zeros(1), np.ones(2)], 0).tolist()
      [0.0, 1.0, 1.0]
    """
    return ops.concatenate(operands, dimension)


def stack(operands: Sequence[Any], axis: int = 0) -> Any:
    """Arrays of one shape joined along a new axis.

    Args:
      operands: arrays.
      axis: the place of the new axis.

    Returns:
      An array.

    Example:
      >>> import numpy as np
      >>> from fxad import lax
      >>> lax.stack([np.zeros(1), np.ones(1)]).tolist()
      [[0.0], [1.0]]
    """
    return ops.stack(operands, axis)


def unstack(x: Any, axis: int = 0) -> tuple[Any, ...]:
    """The slices along an axis, without it.

    Args:
      x: array.
      axis: the axis.

    Returns:
      A tuple of arrays.

    Example:
      >>> import numpy as np
      >>> from fxad import lax
      >>> [y.tolist() for y in lax.unstack(np.array([[1, 2], [3, 4]]))]
      [[1, 2], [3, 4]]
    """
    axis = normalize_axis("unstack", axis, len(shape_of(x)))
    parts = ops.split(x, (1,) * shape_of(x)[axis], axis)
    return tuple(ops.squeeze(part, axis) for part in parts)


def split(operand: Any, sizes: Sequence[int], axis: int = 0) -> list[Any]:
    """Consecutive pieces along an axis.

    Args:
      operand: array.
      sizes: their lengths, which add up to the axis.
      axis: the axis.

    Returns:
      A list of arrays.

    Raises:
      ShapeError: the sizes do not add up.

    Example:
      >>> import numpy as np
      >>> from fxad import lax
      >>> [y.tolist() for y in lax.split(np.arange(3), (1, 2))]
      [[0], [1, 2]]
    """
    return ops.split(operand, sizes, axis)


def tile(operand: Any, reps: Sequence[int]) -> Any:
    """The whole array repeated along each axis.

    Args:
      operand: array.
      reps: how often along each axis.

    Returns:
      An array.

    Example:
      >>> import numpy as np
      >>> from fxad import lax
      >>> lax.tile(np.array([1, 2]), (2,)).tolist()
      [1, 2, 1, 2]
    """
    return ops.tile(operand, tuple(reps))


def pad(operand: Any, padding_value: Any, padding_config: Sequence[tuple[int, int, int]]) -> Any:
    """With a number before, after and between the elements of each axis.

    Args:
      operand: array.
      padding_value: the number.
      padding_config: for each axis (before, after, between); negative ones take away.

    Returns:
      An array.

    Example:
      >>> import numpy as np
      >>> from fxad import lax
      >>> lax.pad(np.array([1, 2]), 0, [(1, 0, 1)]).tolist()
      [0, 1, 0, 2]
    """
    return ops.pad(operand, padding_value, [tuple(p) for p in padding_config])  # type: ignore[misc]


# Slices ------------------------------------------------------------------------------------------


def slice(
    operand: Any, start_indices: Shape, limit_indices: Shape, strides: Shape | None = None
) -> Any:
    """``operand[start:limit:stride]`` along every axis.

    Args:
      operand: array.
      start_indices: for each axis the first place.
      limit_indices: for each axis the place behind the last.
      strides: for each axis the step; None is 1.

    Returns:
      An array.

    Raises:
      ArgumentValueError: the bounds lie outside of the array.

    Example:
      >>> import numpy as np
      >>> from fxad import lax
      >>> lax.slice(np.arange(5), (1,), (5,), (2,)).tolist()
      [1, 3]
    """
    return ops.slice_(operand, start_indices, limit_indices, strides)


def slice_in_dim(
    operand: Any,
    start_index: int | None,
    limit_index: int | None,
    stride: int = 1,
    axis: int = 0,
) -> Any:
    """``operand[start:limit:stride]`` along one axis.

    Args:
      operand: array.
      start_index: the first place, also counted from the end.
      limit_index: the place behind the last, also counted from the end.
      stride: the step.
      axis: the axis.

    Returns:
      An array.

    Example:
      >>> import numpy as np
      >>> from fxad import lax
      >>> lax.slice_in_dim(np.arange(5), 1, -1).tolist()
      [1, 2, 3]
    """
    axis = normalize_axis("slice_in_dim", axis, len(shape_of(operand)))
    length = shape_of(operand)[axis]
    start = 0 if start_index is None else start_index
    limit = length if limit_index is None else limit_index
    start, limit = (n + length if n < 0 else n for n in (start, limit))
    return ops.slice_in_dim(operand, start, limit, axis, stride)


def index_in_dim(operand: Any, index: int, axis: int = 0, keepdims: bool = True) -> Any:
    """The slice at one place of an axis.

    Args:
      operand: array.
      index: the place, also counted from the end.
      axis: the axis.
      keepdims: leaves the axis, at length 1.

    Returns:
      An array.

    Raises:
      ArgumentValueError: there is no such place.

    Example:
      >>> import numpy as np
      >>> from fxad import lax
      >>> lax.index_in_dim(np.arange(5), -1).tolist()
      [4]
    """
    axis = normalize_axis("index_in_dim", axis, len(shape_of(operand)))
    place = normalize_axis("index_in_dim", operator.index(index), shape_of(operand)[axis])
    found = ops.slice_in_dim(operand, place, place + 1, axis)
    return found if keepdims else ops.squeeze(found, axis)


def index_take(src: Any, idxs: Sequence[Any], axes: Sequence[int]) -> Any:
    """The slices at places of some axes, one for each place in vectors of indices.

    Args:
      src: array.
      idxs: for each of the axes a vector of indices.
      axes: the axes.

    Returns:
      An array: the axis of the indices, then the other axes.

    Example:
      >>> import numpy as np
      >>> from fxad import lax
      >>> lax.index_take(np.eye(2), [np.array([1, 0])], (0,)).tolist()
      [[0.0, 1.0], [1.0, 0.0]]
    """
    order = [normalize_axis("index_take", d, len(shape_of(src))) for d in axes]
    rest = [d for d in range(len(shape_of(src))) if d not in order]
    return indexing.getitem(base.transpose(src, [*order, *rest]), tuple(idxs))


def dynamic_slice(operand: Any, start_indices: Any, slice_sizes: Shape) -> Any:
    """A part of fixed size that begins at places which may be traced.

    Args:
      operand: array.
      start_indices: for each axis the first place, moved so that the part lies in the array.
      slice_sizes: the shape of the part.

    Returns:
      An array of that shape.

    Example:
      >>> import numpy as np
      >>> from fxad import lax
      >>> lax.dynamic_slice(np.arange(5), (4,), (2,)).tolist()
      [3, 4]
    """
    return dynamic.dynamic_slice(operand, start_indices, slice_sizes)


def dynamic_update_slice(operand: Any, update: Any, start_indices: Any) -> Any:
    """A new array with a part replaced that begins at places which may be traced.

    Args:
      operand: array.
      update: the new part.
      start_indices: for each axis its first place, moved so that the part lies in the array.

    Returns:
      An array of the shape and dtype of ``operand``.

    Example:
      >>> import numpy as np
      >>> from fxad import lax
      >>> lax.dynamic_update_slice(np.zeros(3), np.ones(2), (1,)).tolist()
      [0.0, 1.0, 1.0]
    """
    return dynamic.dynamic_update_slice(operand, update, start_indices)


def dynamic_slice_in_dim(operand: Any, start_index: Any, slice_size: int, axis: int = 0) -> Any:
    """A part of fixed length along one axis, from a place which may be traced.

    Args:
      operand: array.
      start_index: the first place, moved so that the part lies in the array.
      slice_size: the length.
      axis: the axis.

    Returns:
      An array.

    Example:
      >>> import numpy as np
      >>> from fxad import lax
      >>> lax.dynamic_slice_in_dim(np.arange(5), 1, 2).tolist()
      [1, 2]
    """
    return dynamic.dynamic_slice_in_dim(operand, start_index, slice_size, axis)


def dynamic_index_in_dim(operand: Any, index: Any, axis: int = 0, keepdims: bool = True) -> Any:
    """The slice at one place of an axis, which may be traced.

    Args:
      operand: array.
      index: the place, moved into the array.
      axis: the axis.
      keepdims: leaves the axis, at length 1.

    Returns:
      An array.

    Example:
      >>> import numpy as np
      >>> from fxad import lax
      >>> int(lax.dynamic_index_in_dim(np.arange(5), 3, keepdims=False))
      3
    """
    return dynamic.dynamic_index_in_dim(operand, index, axis, keepdims)


def dynamic_update_slice_in_dim(operand: Any, update: Any, start_index: Any, axis: int) -> Any:
    """A new array with a part of one axis replaced, from a place which may be traced.

    Args:
      operand: array.
      update: the new part.
      start_index: its first place, moved so that the part lies in the array.
      axis: the axis.

    Returns:
      An array of the shape and dtype of ``operand``.

    Example:
      >>> import numpy as np
      >>> from fxad import lax
      >>> lax.dynamic_update_slice_in_dim(np.zeros(3), np.ones(1), 1, 0).tolist()
      [0.0, 1.0, 0.0]
    """
    return dynamic.dynamic_update_slice_in_dim(operand, update, start_index, axis)


def dynamic_update_index_in_dim(operand: Any, update: Any, index: Any, axis: int) -> Any:
    """A new array with the slice at one place of an axis replaced, which may be traced.

    Args:
      operand: array.
      update: the new slice, with or without the axis.
      index: the place, moved into the array.
      axis: the axis.

    Returns:
      An array of the shape and dtype of ``operand``.

    Example:
      >>> import numpy as np
      >>> from fxad import lax
      >>> lax.dynamic_update_index_in_dim(np.zeros(3), 1.0, 1, 0).tolist()
      [0.0, 1.0, 0.0]
    """
    return dynamic.dynamic_update_index_in_dim(operand, update, index, axis)


# New arrays --------------------------------------------------------------------------------------


def iota(dtype: Any, size: int) -> Any:
    """Counts 0, 1, 2, ...

    Args:
      dtype: the dtype.
      size: how many.

    Returns:
      A vector.

    Example:
      >>> from fxad import lax
      >>> lax.iota(int, 3).tolist()
      [0, 1, 2]
    """
    return counts(dtype, operator.index(size))


def broadcasted_iota(dtype: Any, shape: Shape, dimension: int) -> Any:
    """Counts 0, 1, 2, ... along one axis of a shape.

    Args:
      dtype: the dtype.
      shape: the shape.
      dimension: the axis.

    Returns:
      An array of that shape.

    Example:
      >>> from fxad import lax
      >>> lax.broadcasted_iota(int, (2, 2), 0).tolist()
      [[0, 0], [1, 1]]
    """
    return counts(dtype, tuple(shape), dimension)


def full(shape: Shape, fill_value: Any, dtype: Any = None) -> Any:
    """One number everywhere.

    Args:
      shape: the shape.
      fill_value: the number, which may be traced.
      dtype: the dtype; None is that of the number.

    Returns:
      An array of that shape.

    Raises:
      ShapeError: the value is not a single number.

    Example:
      >>> from fxad import lax
      >>> lax.full((2,), 1.5).tolist()
      [1.5, 1.5]
    """
    if shape_of(fill_value):
        raise error(ShapeError, "full", f"got {shape_of(fill_value)}, wanted one number")
    return identity.copy(base.full(shape, fill_value, dtype or dtype_of(fill_value)))


def full_like(x: Any, fill_value: Any, dtype: Any = None, shape: Shape | None = None) -> Any:
    """One number everywhere in the shape of an array.

    Args:
      x: array.
      fill_value: the number, which may be traced.
      dtype: the dtype; None is that of ``x``.
      shape: the shape, if another.

    Returns:
      An array.

    Example:
      >>> import numpy as np
      >>> from fxad import lax
      >>> lax.full_like(np.zeros(2), 7).tolist()
      [7.0, 7.0]
    """
    shape = shape_of(x) if shape is None else shape
    return full(shape, fill_value, dtype_of(x) if dtype is None else dtype)


def bitcast_convert_type(operand: Any, new_dtype: Any) -> Any:
    """The bits of numbers read as another dtype.

    Args:
      operand: array.
      new_dtype: the dtype; a narrower one adds an axis, a wider one takes the last axis up.

    Returns:
      An array.

    Raises:
      ShapeError: the last axis does not hold one number of a wider dtype.

    Example:
      >>> import numpy as np
      >>> from fxad import lax
      >>> lax.bitcast_convert_type(np.array([1.0], np.float32), np.int32).tolist()
      [1065353216]
    """
    return identity.bitcast_convert_type(operand, new_dtype)
