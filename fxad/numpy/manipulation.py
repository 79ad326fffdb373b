"""Shapes and axes."""

from __future__ import annotations

import math
import operator
from collections.abc import Sequence
from typing import Any

import numpy as np

import fxad.ops.base as base
import fxad.ops.shape as ops
from fxad.core.source import error
from fxad.errors import ArgumentTypeError, ArgumentValueError, ShapeError
from fxad.numpy.creation import Size, shape_tuple
from fxad.numpy.dispatch import implements
from fxad.numpy.nested import operand
from fxad.ops.base import normalize_axis, shape_of

Axis = int | Sequence[int] | None


# Shape -------------------------------------------------------------------------------------------


@implements(np.reshape)
def reshape(
    a: Any, /, shape: Size | None = None, order: str = "C", *, copy: bool | None = None
) -> Any:
    """The same elements in another shape.

    Args:
      a: array, number or list.
      shape: the new shape; one length may be -1, which is what is left.
      order: "C": the last axis runs fastest; "F": the first.
      copy: as for NumPy, of plain arrays.

    Returns:
      An array of that shape.

    Raises:
      ShapeError: the number of elements differs.

    Example:
      >>> import fxad.numpy as fnp
      >>> fnp.reshape(fnp.arange(4), (2, -1)).tolist()
      [[0, 1], [2, 3]]
    """
    a = operand(a)
    if shape is None:
        raise TypeError("reshape() missing 1 required argument: 'shape'")
    order = layout("reshape", order, "CFA")
    lengths = _fill_in(shape_of(a), shape_tuple(shape))
    if order == "C":
        return base.reshape(a, lengths)
    return _reversed(base.reshape(_reversed(a), lengths[::-1]))


def layout(operation: str, order: Any, known: str) -> str:
    """The order in which elements are read: a traced array counts as one in C order."""
    if not isinstance(order, str) or order.upper() not in (*known,):
        raise error(
            ArgumentValueError,
            operation,
            f"got order={order!r}, wanted one of {', '.join(known)}",
        )
    return "F" if order.upper() == "F" else "C"


def _fill_in(old: Sequence[int], new: tuple[int, ...]) -> tuple[int, ...]:
    """The new shape with -1 replaced by what is left."""
    if -1 not in new:
        return new
    known = -math.prod(new)
    size = math.prod(old)
    if new.count(-1) > 1 or known == 0 or size % known:
        raise error(
            ShapeError,
            "reshape",
            f"got {tuple(old)} with {size} elements and {new}, wanted at most one -1 and "
            "lengths whose product divides the number of elements",
        )
    return tuple(size // known if n == -1 else n for n in new)


def _reversed(a: Any) -> Any:
    return base.transpose(a, range(len(shape_of(a)))[::-1])


@implements(np.ravel)
def ravel(a: Any, order: str = "C") -> Any:
    """All elements in one axis.

    Args:
      a: array, number or list.
      order: "C": the last axis runs fastest; "F": the first.

    Returns:
      An array of one dimension.

    Example:
      >>> import fxad.numpy as fnp
      >>> fnp.ravel([[1, 2], [3, 4]], order="F").tolist()
      [1, 3, 2, 4]
    """
    order = layout("ravel", order, "CFAK")
    return reshape(a, -1 if math.prod(shape_of(operand(a))) else 0, order)


@implements(np.squeeze)
def squeeze(a: Any, axis: Axis = None) -> Any:
    """Without axes of length 1: all of them, or those named.

    Args:
      a: array, number or list.
      axis: an axis or several.

    Returns:
      An array with fewer dimensions.

    Raises:
      ShapeError: a named axis has another length.

    Example:
      >>> import fxad.numpy as fnp
      >>> fnp.squeeze([[[1, 2]]]).shape
      (2,)
    """
    a = operand(a)
    if isinstance(axis, list):
        raise error(
            ArgumentTypeError, "squeeze", f"got axis={axis}, wanted an integer or a tuple of them"
        )
    # As in a reduction, a number may be squeezed along its axis 0 or -1.
    return a if axis in (0, -1) and not shape_of(a) else ops.squeeze(a, axis)


@implements(np.expand_dims)
def expand_dims(a: Any, axis: int | Sequence[int]) -> Any:
    """With new axes of length 1.

    Args:
      a: array, number or list.
      axis: the place of each new axis in the result.

    Returns:
      An array with more dimensions.

    Example:
      >>> import fxad.numpy as fnp
      >>> fnp.expand_dims([1, 2], axis=(0, 2)).shape
      (1, 2, 1)
    """
    return ops.expand_dims(operand(a), axis)


def _at_least(ndim: int, arrays: Sequence[Any]) -> Any:
    out = tuple(at_least_dimensions(operand(a), ndim) for a in arrays)
    return out[0] if len(out) == 1 else out


def at_least_dimensions(a: Any, ndim: int) -> Any:
    """An operand with so many dimensions at least, as NumPy's stacking functions see it."""
    shape = tuple(shape_of(a))
    if len(shape) >= ndim:
        return a
    if ndim == 3 and len(shape) == 2:
        return base.reshape(a, (*shape, 1))
    if ndim == 3 and len(shape) == 1:
        return base.reshape(a, (1, *shape, 1))
    return base.reshape(a, (1,) * (ndim - len(shape)) + shape)


@implements(np.atleast_1d)
def atleast_1d(*arys: Any) -> Any:
    """Numbers as arrays of one dimension, others as they are.

    Args:
      *arys: arrays, numbers or lists.

    Returns:
      An array, or a tuple of them for several arguments.

    Example:
      >>> import fxad.numpy as fnp
      >>> fnp.atleast_1d(3).tolist()
      [3]
    """
    return _at_least(1, arys)


@implements(np.atleast_2d)
def atleast_2d(*arys: Any) -> Any:
    """With two dimensions at least: vectors become rows.

    Args:
      *arys: arrays, numbers or lists.

    Returns:
      An array, or a tuple of them for several arguments.

    Example:
      >>> import fxad.numpy as fnp
      >>> fnp.atleast_2d([3, 4]).tolist()
      [[3, 4]]
    """
    return _at_least(2, arys)


@implements(np.atleast_3d)
def atleast_3d(*arys: Any) -> Any:
    """With three dimensions at least: vectors get an axis on both sides, matrices one at the end.

    Args:
      *arys: arrays, numbers or lists.

    Returns:
      An array, or a tuple of them for several arguments.

    Example:
      >>> import fxad.numpy as fnp
      >>> fnp.atleast_3d([3, 4]).shape
      (1, 2, 1)
    """
    return _at_least(3, arys)


@implements(np.broadcast_to)
def broadcast_to(array: Any, shape: Size, subok: bool = False) -> Any:
    """Repeated along axes that it lacks or has with length 1.

    Args:
      array: array, number or list.
      shape: the shape to fill, aligned at the right.
      subok: as for NumPy.

    Returns:
      An array of that shape; of plain arrays a view that cannot be written.

    Raises:
      ShapeError: a length is neither 1 nor the wanted one.

    Example:
      >>> import fxad.numpy as fnp
      >>> fnp.broadcast_to([1, 2], (2, 2)).tolist()
      [[1, 2], [1, 2]]
    """
    return base.broadcast_to(operand(array), shape_tuple(shape))


@implements(np.broadcast_arrays)
def broadcast_arrays(*args: Any, subok: bool = False) -> tuple[Any, ...]:
    """Arrays broadcast to the shape that they have together.

    Args:
      *args: arrays, numbers or lists.
      subok: as for NumPy.

    Returns:
      A tuple of arrays of one shape.

    Example:
      >>> import fxad.numpy as fnp
      >>> [x.tolist() for x in fnp.broadcast_arrays([1, 2], 3)]
      [[1, 2], [3, 3]]
    """
    return tuple(ops.broadcast_arrays(*map(operand, args)))


# Axes --------------------------------------------------------------------------------------------


@implements(np.transpose)
def transpose(a: Any, axes: Sequence[int] | None = None) -> Any:
    """The axes in another order: reversed if none is given.

    Args:
      a: array, number or list.
      axes: a permutation of the axes.

    Returns:
      An array.

    Example:
      >>> import fxad.numpy as fnp
      >>> fnp.transpose([[1, 2], [3, 4]]).tolist()
      [[1, 3], [2, 4]]
    """
    a = operand(a)
    if axes is None:
        return _reversed(a)
    ndim = len(shape_of(a))
    axes = axes if isinstance(axes, tuple | list | np.ndarray) else (axes,)
    return base.transpose(a, [normalize_axis("transpose", operator.index(d), ndim) for d in axes])


permute_dims = transpose


@implements(np.matrix_transpose)
def matrix_transpose(x: Any, /) -> Any:
    """The last two axes exchanged.

    Args:
      x: array of shape (..., m, n).

    Returns:
      An array of shape (..., n, m).

    Raises:
      ShapeError: the array has fewer than two dimensions.

    Example:
      >>> import fxad.numpy as fnp
      >>> fnp.matrix_transpose(fnp.zeros((5, 2, 3))).shape
      (5, 3, 2)
    """
    x = operand(x)
    if len(shape_of(x)) < 2:
        raise error(
            ShapeError, "matrix_transpose", f"got {shape_of(x)}, wanted at least two dimensions"
        )
    return swapaxes(x, -1, -2)


@implements(np.swapaxes)
def swapaxes(a: Any, axis1: int, axis2: int) -> Any:
    """Two axes exchanged.

    Args:
      a: array or list.
      axis1: an axis.
      axis2: another.

    Returns:
      An array.

    Example:
      >>> import fxad.numpy as fnp
      >>> fnp.swapaxes(fnp.zeros((1, 2, 3)), 0, 2).shape
      (3, 2, 1)
    """
    a = operand(a)
    order = list(range(len(shape_of(a))))
    i, j = (normalize_axis("swapaxes", d, len(order)) for d in (axis1, axis2))
    order[i], order[j] = j, i
    return base.transpose(a, order)


@implements(np.moveaxis)
def moveaxis(a: Any, source: int | Sequence[int], destination: int | Sequence[int]) -> Any:
    """Axes moved to other places, the rest in their order.

    Args:
      a: array or list.
      source: an axis or several.
      destination: where each goes.

    Returns:
      An array.

    Example:
      >>> import fxad.numpy as fnp
      >>> fnp.moveaxis(fnp.zeros((1, 2, 3)), 0, -1).shape
      (2, 3, 1)
    """
    a = operand(a)
    ndim = len(shape_of(a))
    sources, places = (distinct_axes("moveaxis", d, ndim) for d in (source, destination))
    if len(sources) != len(places):
        raise error(
            ArgumentValueError,
            "moveaxis",
            f"got source={source} and destination={destination}, wanted as many of both",
        )
    order = [d for d in range(ndim) if d not in sources]
    for place, d in sorted(zip(places, sources, strict=True)):
        order.insert(place, d)
    return base.transpose(a, order)


def distinct_axes(operation: str, axes: int | Sequence[int], ndim: int) -> list[int]:
    """Axes in the order given, not negative, each one once."""
    listed: Any = axes if isinstance(axes, list | tuple) else [axes]
    found = [normalize_axis(operation, operator.index(d), ndim) for d in listed]
    if len(set(found)) != len(found):
        raise error(ArgumentValueError, operation, f"got the axes {axes}, one of them twice")
    return found


@implements(np.rollaxis)
def rollaxis(a: Any, axis: int, start: int = 0) -> Any:
    """One axis moved to lie before another.

    Args:
      a: array or list.
      axis: the axis to move.
      start: the axis it shall lie before.

    Returns:
      An array.

    Example:
      >>> import fxad.numpy as fnp
      >>> fnp.rollaxis(fnp.zeros((1, 2, 3)), 2).shape
      (3, 1, 2)
    """
    a = operand(a)
    ndim = len(shape_of(a))
    axis = normalize_axis("rollaxis", axis, ndim)
    start = start if start == ndim else normalize_axis("rollaxis", start, ndim)
    return base.moveaxis(a, axis, start - (axis < start))
