"""Slices, under JAX's names."""

from __future__ import annotations

import operator
from collections.abc import Sequence
from typing import Any

import fxad.ops.dynamic_slice as dynamic
import fxad.ops.indexing as indexing
import fxad.ops.shape as ops
from fxad.core.source import error
from fxad.errors import ArgumentValueError
from fxad.ops.base import normalize_axis, shape_of, transpose
from fxad.ops.elementwise import max as maximum

Shape = Sequence[int]


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
      idxs: for each of the axes a vector of indices, which wrap around.
      axes: the axes.

    Returns:
      An array: the axis of the indices, then the other axes.

    Raises:
      ArgumentValueError: there are not as many vectors as axes.

    Example:
      >>> import numpy as np
      >>> from fxad import lax
      >>> lax.index_take(np.eye(2), [np.array([1, 2])], (0,)).tolist()
      [[0.0, 1.0], [1.0, 0.0]]
    """
    if len(idxs) != len(axes):
        raise error(
            ArgumentValueError,
            "index_take",
            f"got {len(idxs)} vectors of indices for the axes {tuple(axes)}, wanted one for each",
        )
    order = [normalize_axis("index_take", d, len(shape_of(src))) for d in axes]
    rest = [d for d in range(len(shape_of(src))) if d not in order]
    return indexing.get(transpose(src, [*order, *rest]), tuple(idxs), mode="wrap")


def _inside(starts: Any, allowed: bool | Sequence[bool]) -> Any:
    """Starts of slices of which negative ones count from the end only where that is allowed."""
    if allowed is True:
        return starts
    if not isinstance(starts, tuple | list):
        starts = [indexing.getitem(starts, d) for d in range(shape_of(starts)[0])]
    each = [allowed] * len(starts) if isinstance(allowed, bool) else allowed
    return [s if a else maximum(s, 0) for s, a in zip(starts, each, strict=True)]


def dynamic_slice(
    operand: Any,
    start_indices: Any,
    slice_sizes: Shape,
    *,
    allow_negative_indices: bool | Sequence[bool] = True,
) -> Any:
    """A part of fixed size that begins at places which may be traced.

    Args:
      operand: array.
      start_indices: for each axis the first place, moved so that the part lies in the array.
      slice_sizes: the shape of the part.
      allow_negative_indices: whether negative places count from the end (for all, or for each
        axis); else they become 0.

    Returns:
      An array of that shape.

    Example:
      >>> import numpy as np
      >>> from fxad import lax
      >>> lax.dynamic_slice(np.arange(5), (4,), (2,)).tolist()
      [3, 4]
    """
    starts = _inside(start_indices, allow_negative_indices)
    return dynamic.dynamic_slice(operand, starts, slice_sizes)


def dynamic_update_slice(
    operand: Any,
    update: Any,
    start_indices: Any,
    *,
    allow_negative_indices: bool | Sequence[bool] = True,
) -> Any:
    """A new array with a part replaced that begins at places which may be traced.

    Args:
      operand: array.
      update: the new part.
      start_indices: for each axis its first place, moved so that the part lies in the array.
      allow_negative_indices: whether negative places count from the end (for all, or for each
        axis); else they become 0.

    Returns:
      An array of the shape and dtype of ``operand``.

    Example:
      >>> import numpy as np
      >>> from fxad import lax
      >>> lax.dynamic_update_slice(np.zeros(3), np.ones(2), (1,)).tolist()
      [0.0, 1.0, 1.0]
    """
    starts = _inside(start_indices, allow_negative_indices)
    return dynamic.dynamic_update_slice(operand, update, starts)


def dynamic_slice_in_dim(
    operand: Any,
    start_index: Any,
    slice_size: int,
    axis: int = 0,
    *,
    allow_negative_indices: bool = True,
) -> Any:
    """A part of fixed length along one axis, from a place which may be traced.

    Args:
      operand: array.
      start_index: the first place, moved so that the part lies in the array.
      slice_size: the length.
      axis: the axis.
      allow_negative_indices: whether a negative place counts from the end; else it becomes 0.

    Returns:
      An array.

    Example:
      >>> import numpy as np
      >>> from fxad import lax
      >>> lax.dynamic_slice_in_dim(np.arange(5), 1, 2).tolist()
      [1, 2]
    """
    (start,) = _inside((start_index,), allow_negative_indices)
    return dynamic.dynamic_slice_in_dim(operand, start, slice_size, axis)


def dynamic_index_in_dim(
    operand: Any,
    index: Any,
    axis: int = 0,
    keepdims: bool = True,
    *,
    allow_negative_indices: bool = True,
) -> Any:
    """The slice at one place of an axis, which may be traced.

    Args:
      operand: array.
      index: the place, moved into the array.
      axis: the axis.
      keepdims: leaves the axis, at length 1.
      allow_negative_indices: whether a negative place counts from the end; else it becomes 0.

    Returns:
      An array.

    Example:
      >>> import numpy as np
      >>> from fxad import lax
      >>> int(lax.dynamic_index_in_dim(np.arange(5), 3, keepdims=False))
      3
    """
    (start,) = _inside((index,), allow_negative_indices)
    return dynamic.dynamic_index_in_dim(operand, start, axis, keepdims)


def dynamic_update_slice_in_dim(
    operand: Any,
    update: Any,
    start_index: Any,
    axis: int,
    *,
    allow_negative_indices: bool = True,
) -> Any:
    """A new array with a part of one axis replaced, from a place which may be traced.

    Args:
      operand: array.
      update: the new part.
      start_index: its first place, moved so that the part lies in the array.
      axis: the axis.
      allow_negative_indices: whether a negative place counts from the end; else it becomes 0.

    Returns:
      An array of the shape and dtype of ``operand``.

    Example:
      >>> import numpy as np
      >>> from fxad import lax
      >>> lax.dynamic_update_slice_in_dim(np.zeros(3), np.ones(1), 1, 0).tolist()
      [0.0, 1.0, 0.0]
    """
    (start,) = _inside((start_index,), allow_negative_indices)
    return dynamic.dynamic_update_slice_in_dim(operand, update, start, axis)


def dynamic_update_index_in_dim(
    operand: Any,
    update: Any,
    index: Any,
    axis: int,
    *,
    allow_negative_indices: bool = True,
) -> Any:
    """A new array with the slice at one place of an axis replaced, which may be traced.

    Args:
      operand: array.
      update: the new slice, with or without the axis.
      index: the place, moved into the array.
      axis: the axis.
      allow_negative_indices: whether a negative place counts from the end; else it becomes 0.

    Returns:
      An array of the shape and dtype of ``operand``.

    Example:
      >>> import numpy as np
      >>> from fxad import lax
      >>> lax.dynamic_update_index_in_dim(np.zeros(3), 1.0, 1, 0).tolist()
      [0.0, 1.0, 0.0]
    """
    (start,) = _inside((index,), allow_negative_indices)
    return dynamic.dynamic_update_index_in_dim(operand, update, start, axis)
