"""Elements repeated, padded, inserted and left out along an axis."""

from __future__ import annotations

import operator
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

import fxad.ops.elementwise as ops
import fxad.ops.reduction as reduction
import fxad.ops.sorting as sorting
from fxad.backends.placement import device_get
from fxad.core.source import error
from fxad.core.trace import Tracer
from fxad.errors import ArgumentValueError, DtypeError
from fxad.numpy.dispatch import implements, known
from fxad.numpy.nested import operand, to_cast
from fxad.numpy.quantiles import median
from fxad.numpy.ranges import linspace
from fxad.ops.base import (
    assigned,
    broadcast_to,
    convert,
    dtype_of,
    moveaxis,
    normalize_axes,
    normalize_axis,
    placed_as,
    reshape,
    shape_of,
)
from fxad.ops.contraction import tensordot
from fxad.ops.indexing import take
from fxad.ops.shape import concatenate, flip, ravel, slice_in_dim
from fxad.ops.shape import pad as padded
from fxad.ops.shape import repeat as repeated


@implements(np.repeat, beyond=("total_repeat_length",))
def repeat(
    a: Any, repeats: Any, axis: int | None = None, *, total_repeat_length: int | None = None
) -> Any:
    """Each element several times in a row.

    Args:
      a: array, number or list.
      repeats: how often: one count, or one for each place along the axis.
      axis: the axis; None flattens first.
      total_repeat_length: the length of the result, which traced counts need.

    Returns:
      An array.

    Example:
      >>> import fxad.numpy as fnp
      >>> fnp.repeat([1, 2], 2).tolist()
      [1, 1, 2, 2]
    """
    a = operand(a)
    if total_repeat_length is None and not isinstance(repeats, Tracer):
        counts = np.asarray(device_get(repeats))
        counts = counts.astype(int) if counts.dtype.kind == "b" else counts
        if not counts.ndim or counts.size == 1:
            return repeated(a, operator.index(counts.reshape(())[()]), axis)
    return sorting.repeat_each(a, operand(repeats), axis, total_repeat_length)


@implements(np.delete)
def delete(arr: Any, obj: Any, axis: int | None = None) -> Any:
    """Without the elements at some places, which must be known.

    Args:
      arr: array or list.
      obj: an index, a slice, several indices, or truth values.
      axis: the axis; None flattens first.

    Returns:
      An array.

    Example:
      >>> import fxad.numpy as fnp
      >>> fnp.delete([1, 2, 3], 1).tolist()
      [1, 3]
    """
    arr, axis = _along("delete", arr, axis)
    obj = obj if isinstance(obj, slice) else device_get(known("delete", obj))
    places = np.delete(np.arange(shape_of(arr)[axis]), obj)
    return take(arr, placed_as(places, arr), axis)


def _along(operation: str, arr: Any, axis: int | None) -> tuple[Any, int]:
    arr = operand(arr)
    arr, axis = (ravel(arr), 0) if axis is None else (arr, axis)
    return arr, normalize_axis(operation, axis, len(shape_of(arr)))


@implements(np.insert)
def insert(arr: Any, obj: Any, values: Any, axis: int | None = None) -> Any:
    """With values inserted before some places, which must be known.

    Args:
      arr: array or list.
      obj: an index, a slice, or several indices.
      values: broadcast to the slices that they become; cast to the dtype of ``arr``.
      axis: the axis; None flattens first.

    Returns:
      An array.

    Example:
      >>> import fxad.numpy as fnp
      >>> fnp.insert([1, 3], 1, 2).tolist()
      [1, 2, 3]
    """
    arr, axis = _along("insert", arr, axis)
    shape = shape_of(arr)
    length, ndim = shape[axis], len(shape)
    obj = obj if isinstance(obj, slice) else device_get(known("insert", obj))
    values = to_cast(values)
    if dtype_of(values).kind == "c" and dtype_of(arr).kind != "c":
        raise error(DtypeError, "insert", f"got complex values for an array of {dtype_of(arr)}")
    values = assigned(values, dtype_of(arr))
    values = reshape(values, (1,) * (ndim - len(shape_of(values))) + tuple(shape_of(values)))
    if isinstance(obj, slice) or np.ndim(obj):
        places = np.arange(length)[obj] if isinstance(obj, slice) else np.asarray(obj)
        count = int(places.sum()) if places.dtype == bool else len(places)
        # One place, too, takes as many slices as the values have along the axis.
        count = shape_of(values)[axis] if count == 1 else count
    else:
        # A single index takes as many slices as the first axis of the values has.
        values = moveaxis(values, 0, axis)
        count = shape_of(values)[axis]
        obj = [obj] * count
    block = broadcast_to(values, (*shape[:axis], count, *shape[axis + 1 :]))
    order = np.insert(np.arange(length), obj, length + np.arange(count))
    return take(concatenate([arr, block], axis), placed_as(order, arr), axis)


@implements(np.trim_zeros)
def trim_zeros(filt: Any, trim: str = "fb", axis: Any = None) -> Any:
    """Without zeros at the ends; values must be known.

    Args:
      filt: vector.
      trim: "f" at the front, "b" at the back, "fb" at both.
      axis: as for NumPy.

    Returns:
      A vector.

    Example:
      >>> import fxad.numpy as fnp
      >>> list(fnp.trim_zeros([0, 1, 2, 0]))
      [1, 2]
    """
    filt = operand(filt)
    ends, ndim = trim.lower(), len(shape_of(filt))
    if ends not in ("fb", "bf", "f", "b"):
        raise error(ArgumentValueError, "trim_zeros", f'got trim={trim!r}, wanted "f", "b" or "fb"')
    axes = normalize_axes("trim_zeros", axis, ndim)
    places = np.nonzero(known("trim_zeros", filt))
    for d in axes:
        there = places[d]
        first = int(there.min()) if "f" in ends and there.size else 0
        last = int(there.max()) + 1 if there.size else 0
        stop = last if "b" in ends or not there.size else shape_of(filt)[d]
        filt = slice_in_dim(filt, first, stop, d)
    return filt


# Padding -----------------------------------------------------------------------------------------

#: Modes that repeat elements of the array: a map of places says which.
_PLACES = ("edge", "reflect", "symmetric", "wrap")
_numpy_pad: Any = np.pad
_STATISTICS: dict[str, Callable[..., Any]] = {
    "maximum": reduction.amax,
    "minimum": reduction.amin,
    "mean": reduction.mean,
    "median": lambda x, axis, keepdims: median(x, axis, keepdims=keepdims),
}

#: The modes, each with the one option that it has.
_OPTIONS = {
    "constant": "constant_values",
    "empty": "",
    "linear_ramp": "end_values",
    "edge": "",
    "wrap": "",
    "reflect": "reflect_type",
    "symmetric": "reflect_type",
    **dict.fromkeys(_STATISTICS, "stat_length"),
}


@implements(np.pad)
def pad(array: Any, pad_width: Any, mode: Any = "constant", **kwargs: Any) -> Any:
    """With elements added at the ends of every axis.

    Args:
      array: array, number or list.
      pad_width: how many: one number, (before, after), a pair for each axis, or a dictionary from
        axes to either.
      mode: "constant", "edge", "reflect", "symmetric", "wrap", "linear_ramp", "maximum", "mean",
        "median", "minimum" or "empty".
      **kwargs: ``constant_values``, ``end_values``, ``stat_length``, ``reflect_type``, as for
        ``numpy.pad``.

    Returns:
      An array.

    Raises:
      ArgumentValueError: a width is negative, or the mode unknown.

    Example:
      >>> import fxad.numpy as fnp
      >>> fnp.pad([1, 2, 3], (1, 2), "edge").tolist()
      [1, 1, 2, 3, 3, 3]
    """
    array = operand(array)
    ndim = len(shape_of(array))
    _check_options(mode, kwargs)
    if isinstance(pad_width, dict):
        by_axis = {normalize_axis("pad", d, ndim): w for d, w in pad_width.items()}
        pad_width = [_pair(by_axis.get(d, 0)) for d in range(ndim)]
    widths = _pairs(pad_width, ndim)
    widths = [tuple(map(operator.index, pair)) for pair in widths]
    if any(n < 0 for pair in widths for n in pair):
        raise error(ArgumentValueError, "pad", f"got pad_width={pad_width}, wanted none negative")
    if mode in ("constant", "empty"):
        values = _pairs(kwargs.get("constant_values", 0), ndim)
        return _constant(array, widths, values)
    for axis, width in enumerate(widths):
        if any(width):
            array = _padded_along(array, axis, width, mode, kwargs)
    return array


def _check_options(mode: Any, options: dict[str, Any]) -> None:
    if callable(mode) or mode not in _OPTIONS:
        problem = f"got mode={mode!r} for a traced array, wanted one of {', '.join(_OPTIONS)}"
        raise error(ArgumentValueError, "pad", problem)
    unknown = options.keys() - {_OPTIONS[mode]}
    if unknown:
        problem = f"got {min(unknown)}= for mode={mode!r}, which does not have it"
        raise error(ArgumentValueError, "pad", problem)


def _pair(value: Any) -> Any:
    return value if isinstance(value, list | tuple | np.ndarray) else (value, value)


def _pairs(value: Any, ndim: int) -> list[Any]:
    """For each axis what holds before and after it, of the forms that NumPy takes."""
    if isinstance(value, np.ndarray):
        value = value.tolist()
    if not isinstance(value, list | tuple):
        return [(value, value)] * ndim
    items = list(value)
    if not any(isinstance(item, list | tuple | np.ndarray) for item in items):
        items = [items * 2 if len(items) == 1 else items]
    items = [item * 2 if len(item) == 1 else item for item in map(list, items)]
    items = items * ndim if len(items) == 1 else items
    if len(items) != ndim or any(len(item) != 2 for item in items):
        raise error(
            ArgumentValueError,
            "pad",
            f"got {value}, wanted one value, a pair, or a pair for each of {ndim} axes",
        )
    return items


def _constant(array: Any, widths: Sequence[Any], values: Sequence[Any]) -> Any:
    for axis, (width, pair) in enumerate(zip(widths, values, strict=True)):
        for side in (0, 1):
            padding = [(0, 0, 0)] * len(widths)
            padding[axis] = (0, width[1], 0) if side else (width[0], 0, 0)
            array = padded(array, pair[side], padding)
    return array


def _padded_along(array: Any, axis: int, width: Any, mode: str, options: dict[str, Any]) -> Any:
    length, ndim = shape_of(array)[axis], len(shape_of(array))
    if not length:
        raise error(
            ArgumentValueError, "pad", f"got no elements along axis {axis} for mode={mode!r}"
        )
    if mode in _PLACES:
        if options.get("reflect_type", "even") == "even":
            places = _numpy_pad(np.arange(length), width, mode)
            return take(array, placed_as(places, array), axis)
        # An odd reflection is a linear map: what it makes of the unit vectors says which.
        units = np.eye(length, dtype=dtype_of(array))
        kernel = _numpy_pad(units, ((0, 0), width), mode, **options)
        return moveaxis(tensordot(array, kernel, ((axis,), (0,))), ndim - 1, axis)
    if mode == "linear_ramp":
        sides = _ramps(array, axis, width, _pairs(options.get("end_values", 0), ndim)[axis])
    else:
        lengths = _pairs(options.get("stat_length"), ndim)[axis]
        sides = [_statistic(array, axis, side, n, mode) for side, n in enumerate(lengths)]
        sides = [
            broadcast_to(x, [m if d == axis else k for d, k in enumerate(shape_of(x))])
            for x, m in zip(sides, width, strict=True)
        ]
    return concatenate([sides[0], array, sides[1]], axis)


def _statistic(array: Any, axis: int, side: int, count: int | None, mode: str) -> Any:
    length = shape_of(array)[axis]
    count = length if count is None else min(count, length)
    part = slice_in_dim(array, length - count if side else 0, length if side else count, axis)
    found = _STATISTICS[mode](part, axis, keepdims=True)
    if dtype_of(array).kind in "iu":
        found = ops.rint(found)
    return convert(found, dtype_of(array))


def _ramps(array: Any, axis: int, width: Any, ends: Any) -> list[Any]:
    """Straight lines from the end values to the edges."""
    length = shape_of(array)[axis]
    sides = []
    for side in (0, 1):
        edge = slice_in_dim(array, (length - 1) * side, (length - 1) * side + 1, axis)
        edge = reshape(edge, [n for d, n in enumerate(shape_of(edge)) if d != axis])
        line = linspace(ends[side], edge, width[side], False, dtype=dtype_of(array), axis=axis)
        sides.append(flip(line, axis) if side else line)
    return sides
