"""Shapes, under JAX's names: every length and axis is given."""

from __future__ import annotations

import builtins
import math
import operator
from collections.abc import Sequence
from typing import Any

import fxad.core.aval as aval
import fxad.ops.base as base
import fxad.ops.shape as ops
from fxad.core.source import error
from fxad.errors import ArgumentValueError, ShapeError
from fxad.ops.base import dtype_of, normalize_axis, shape_of

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
      ShapeError: the number of elements differs, or a length is negative.

    Example:
      >>> import numpy as np
      >>> from fxad import lax
      >>> lax.reshape(np.arange(4), (2, 2), dimensions=(0,)).tolist()
      [[0, 1], [2, 3]]
    """
    if dimensions is not None:
        operand = transpose(operand, dimensions)
    return base.reshape(operand, known_shape("reshape", new_sizes))


def known_shape(operation: str, shape: Shape) -> tuple[int, ...]:
    """A shape of which every length is given."""
    lengths = tuple(map(operator.index, shape))
    if min(lengths, default=0) < 0:
        raise error(ShapeError, operation, f"got the shape {lengths}, wanted lengths from 0 on")
    return lengths


def transpose(operand: Any, permutation: Sequence[int]) -> Any:
    """The axes in another order.

    Args:
      operand: array.
      permutation: for each axis of the result the one that it was.

    Returns:
      An array.

    Raises:
      ArgumentValueError: it is no permutation of the axes, counted from 0.

    Example:
      >>> import numpy as np
      >>> from fxad import lax
      >>> lax.transpose(np.array([[1, 2], [3, 4]]), (1, 0)).tolist()
      [[1, 3], [2, 4]]
    """
    order = tuple(map(operator.index, permutation))
    base.transpose_p.abstract(aval.aval_of(operand), permutation=order)
    return base.transpose(operand, order)


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
    return base.broadcast_to(operand, (*known_shape("broadcast", sizes), *shape_of(operand)))


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
    shape = known_shape("broadcast_in_dim", shape)
    dims = [operator.index(d) for d in broadcast_dimensions]
    order = sorted(range(len(dims)), key=dims.__getitem__)
    if len(set(dims)) != len(dims) or len(dims) != len(shape_of(operand)):
        raise error(
            ShapeError,
            "broadcast_in_dim",
            f"got broadcast_dimensions={tuple(dims)} for {shape_of(operand)}, wanted an axis of "
            "the result for each axis, all different",
        )
    return base.broadcast_in_dim(base.transpose(operand, order), shape, sorted(dims))


def broadcast_shapes(*shapes: Shape) -> tuple[int, ...]:
    """The shape to which several shapes broadcast.

    Args:
      *shapes: shapes.

    Returns:
      A shape.

    Raises:
      ShapeError: they do not broadcast, or a length is negative.

    Example:
      >>> from fxad import lax
      >>> lax.broadcast_shapes((2, 1), (3,))
      (2, 3)
    """
    checked = [known_shape("broadcast_shapes", shape) for shape in shapes]
    return aval.broadcast_shapes("broadcast_shapes", checked) if shapes else ()


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
    """Neighbouring axes as one; as a new one of length 1 where there are none of them.

    Args:
      operand: array.
      start_dimension: the first of them.
      stop_dimension: the one behind the last; None: all to the end.

    Returns:
      An array.

    Raises:
      ArgumentValueError: the last one comes before the first.

    Example:
      >>> import numpy as np
      >>> from fxad import lax
      >>> lax.collapse(np.zeros((2, 3, 4)), 1).shape
      (2, 12)
    """
    shape = tuple(shape_of(operand))
    start, stop, _ = builtins.slice(start_dimension, stop_dimension).indices(len(shape))
    if stop < start:
        raise error(
            ArgumentValueError,
            "collapse",
            f"got dimensions {start_dimension} to {stop_dimension} of {shape}, wanted a range",
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

    Raises:
      ArgumentValueError: there is not one triple for each axis, or a negative number between.
      ShapeError: the number is an array, or more is taken away than there is.

    Example:
      >>> import numpy as np
      >>> from fxad import lax
      >>> lax.pad(np.array([1, 2]), 0, [(1, 0, 1)]).tolist()
      [0, 1, 0, 2]
    """
    padding = tuple(
        (operator.index(lo), operator.index(hi), operator.index(between))
        for lo, hi, between in padding_config
    )
    number = aval.ShapedArray(shape_of(padding_value), dtype_of(operand))
    ops.pad_p.abstract(aval.aval_of(operand), number, padding=padding)
    return ops.pad(operand, padding_value, padding)
