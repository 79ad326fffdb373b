"""Order: sorting, searching, counting in bins, sets."""

from __future__ import annotations

from typing import Any

import numpy as np

import fxad.ops.sorting as ops
from fxad.backends.placement import device_get
from fxad.core.source import error
from fxad.core.trace import Tracer
from fxad.errors import ArgumentValueError, DtypeError, ShapeError
from fxad.numpy.dispatch import implements, known
from fxad.numpy.nested import operand
from fxad.ops.base import convert, dtype_of, placed_as, reshape, shape_of
from fxad.ops.elementwise import select, sub
from fxad.ops.logic import le, lt
from fxad.ops.scatter import scatter
from fxad.ops.shape import flip, slice_in_dim

_STABLE = ("stable", "mergesort")


def _stable(operation: str, kind: str | None, order: Any, stable: bool | None) -> bool:
    if order is not None or kind not in (None, "quicksort", "heapsort", *_STABLE):
        raise error(
            ArgumentValueError,
            operation,
            f"got kind={kind!r} and order={order!r}, wanted 'quicksort', 'heapsort', 'mergesort' "
            "or 'stable', and no order",
        )
    if stable is not None and kind is not None:
        raise error(ArgumentValueError, operation, "got both kind= and stable=", "Give one.")
    return bool(stable) or kind in _STABLE


def _listed(a: Any, axis: int | None) -> tuple[Any, int | None]:
    """A number among whose places one asks is a list of one, as in NumPy."""
    a = operand(a)
    return (reshape(a, (1,)), axis) if not shape_of(a) and axis in (0, -1) else (a, axis)


def _check_partition(operation: str, kind: str, order: Any) -> None:
    if kind != "introselect" or order is not None:
        raise error(
            ArgumentValueError,
            operation,
            f"got kind={kind!r} and order={order!r}, wanted 'introselect' and no order",
        )


@implements(np.sort)
def sort(
    a: Any,
    axis: int | None = -1,
    kind: str | None = None,
    order: Any = None,
    *,
    stable: bool | None = None,
) -> Any:
    """The elements in ascending order, NaN last.

    Args:
      a: array or list.
      axis: the axis; None flattens first.
      kind: "stable" keeps equal elements in their order; others are faster.
      order: none with traced arrays.
      stable: another way to ask for it.

    Returns:
      An array of the same shape, or of one dimension.

    Example:
      >>> import fxad.numpy as fnp
      >>> fnp.sort([3, 1, 2]).tolist()
      [1, 2, 3]
    """
    return ops.sort(operand(a), axis, _stable("sort", kind, order, stable))


@implements(np.argsort)
def argsort(
    a: Any,
    axis: int | None = -1,
    kind: str | None = None,
    order: Any = None,
    *,
    stable: bool | None = None,
) -> Any:
    """The places from which ``sort`` takes its elements.

    Args:
      a: array or list.
      axis: the axis; None flattens first.
      kind: "stable" keeps equal elements in their order; others are faster.
      order: none with traced arrays.
      stable: another way to ask for it.

    Returns:
      An array of integers.

    Example:
      >>> import fxad.numpy as fnp
      >>> fnp.argsort([3, 1, 2]).tolist()
      [1, 2, 0]
    """
    a, axis = _listed(a, axis)
    return ops.argsort(a, axis, _stable("argsort", kind, order, stable))


@implements(np.sort_complex)
def sort_complex(a: Any) -> Any:
    """Complex numbers ordered by their real parts, then by their imaginary parts.

    Args:
      a: array or list.

    Returns:
      A complex array, sorted along the last axis.

    Example:
      >>> import fxad.numpy as fnp
      >>> fnp.sort_complex([2, 1j]).tolist()
      [1j, (2+0j)]
    """
    a = operand(a)
    if dtype_of(a).kind == "c":
        return ops.sort(a)
    narrow = dtype_of(a).char in "bhBH"
    return ops.sort(convert(a, np.complex64 if narrow else np.complex128))


@implements(np.partition)
def partition(
    a: Any, kth: Any, axis: int | None = -1, kind: str = "introselect", order: Any = None
) -> Any:
    """The elements with the kth where a sort would put it, less before and more after it.

    Args:
      a: array or list.
      kth: a place, or several.
      axis: the axis; None flattens first.
      kind: as for NumPy.
      order: none with traced arrays.

    Returns:
      An array of the same shape, or of one dimension.

    Example:
      >>> import fxad.numpy as fnp
      >>> int(fnp.partition([3, 1, 2], 1)[1])
      2
    """
    _check_partition("partition", kind, order)
    return ops.partition(operand(a), kth, axis)


@implements(np.argpartition)
def argpartition(
    a: Any, kth: Any, axis: int | None = -1, kind: str = "introselect", order: Any = None
) -> Any:
    """The places from which ``partition`` takes its elements.

    Args:
      a: array or list.
      kth: a place, or several.
      axis: the axis; None flattens first.
      kind: as for NumPy.
      order: none with traced arrays.

    Returns:
      An array of integers.

    Example:
      >>> import fxad.numpy as fnp
      >>> int(fnp.argpartition([3, 1, 2], 0)[0])
      1
    """
    _check_partition("argpartition", kind, order)
    a, axis = _listed(a, axis)
    return ops.argpartition(a, kth, axis)


@implements(np.lexsort)
def lexsort(keys: Any, axis: int = -1) -> Any:
    """The places in the order of several keys, the last of them first.

    Args:
      keys: arrays of one shape.
      axis: the axis to sort along.

    Returns:
      An array of integers.

    Example:
      >>> import fxad.numpy as fnp
      >>> fnp.lexsort([[1, 2, 3], [5, 4, 4]]).tolist()
      [1, 2, 0]
    """
    keys = [operand(k) for k in keys] if isinstance(keys, list | tuple) else keys
    return ops.lexsort(keys, axis)


@implements(np.searchsorted)
def searchsorted(a: Any, v: Any, side: str = "left", sorter: Any = None) -> Any:
    """Where values go into a sorted vector so that it stays sorted.

    Args:
      a: ascending vector.
      v: array, number or list of values.
      side: before ("left") or after ("right") elements that equal the value.
      sorter: the places that sort ``a``, if it is not sorted.

    Returns:
      An array of integers of the shape of ``v``.

    Example:
      >>> import fxad.numpy as fnp
      >>> fnp.searchsorted([1, 3, 5], [3, 4]).tolist()
      [1, 2]
    """
    a, sorter = operand(a), None if sorter is None else operand(sorter)
    if sorter is not None and shape_of(sorter) != shape_of(a):
        raise error(
            ShapeError,
            "searchsorted",
            f"got sorter= of shape {shape_of(sorter)}, wanted {shape_of(a)}",
        )
    return ops.searchsorted(a, operand(v), side, sorter)


@implements(np.digitize)
def digitize(x: Any, bins: Any, right: bool = False) -> Any:
    """The number of the bin in which each value lies.

    Args:
      x: array, number or list.
      bins: the edges, ascending or descending; their order must be known.
      right: whether bins hold their right edge instead of their left one.

    Returns:
      An array of integers of the shape of ``x``; 0 is before the first edge.

    Example:
      >>> import fxad.numpy as fnp
      >>> fnp.digitize([0.5, 2.5], [0, 1, 2]).tolist()
      [1, 3]
    """
    x, bins = operand(x), operand(bins)
    if "c" in (dtype_of(x).kind, dtype_of(bins).kind):
        raise error(DtypeError, "digitize", "got complex numbers, wanted real ones")
    side = "left" if right else "right"
    upward = ops.searchsorted(bins, x, side)
    if not shape_of(bins)[0]:
        return upward
    downward = sub(shape_of(bins)[0], ops.searchsorted(flip(bins), x, side))
    edges = bins.concrete() if isinstance(bins, Tracer) else bins
    if edges is None:
        ends = (
            slice_in_dim(bins, 0, 1, 0),
            slice_in_dim(bins, shape_of(bins)[0] - 1, shape_of(bins)[0], 0),
        )
        return select(reshape(le(*ends), ()), upward, downward)
    if np.all(edges[:-1] <= edges[1:]):
        return upward
    if not np.all(edges[:-1] >= edges[1:]):
        raise error(ArgumentValueError, "digitize", "got bins in no order, wanted sorted ones")
    return downward


def _unfit(weights: Any, x: Any) -> bool:
    return dtype_of(weights).kind == "c" or shape_of(weights) != shape_of(x)


@implements(np.bincount, beyond=("length",))
def bincount(
    x: Any, /, weights: Any = None, minlength: int = 0, *, length: int | None = None
) -> Any:
    """How often each integer occurs, or the sum of its weights.

    Args:
      x: vector of integers from 0 on.
      weights: as many numbers; differentiable.
      minlength: the result is at least so long.
      length: the length of the result, which traced integers need; greater ones are left out.

    Returns:
      A vector.

    Raises:
      ConcretizationTypeError: ``x`` is traced, its values are not known, and no length is given.

    Example:
      >>> import fxad.numpy as fnp
      >>> fnp.bincount([0, 2, 2]).tolist()
      [1, 0, 2]
    """
    x, weights = operand(x), None if weights is None else operand(weights)
    if len(shape_of(x)) != 1 or minlength < 0 or (weights is not None and _unfit(weights, x)):
        raise error(
            ArgumentValueError,
            "bincount",
            "wanted a vector of integers, as many real weights if any, and minlength= of 0 or more",
        )
    if length is None:
        values = device_get(known("bincount", x))
        if values.min(initial=0) < 0:
            raise error(ArgumentValueError, "bincount", "got negative integers, wanted none")
        length = max(minlength, int(values.max(initial=-1)) + 1)
    x = select(lt(x, 0), length, x)
    if weights is None:
        return scatter(placed_as(np.zeros(length, np.int64), x), x, 1, "add", "drop")
    weights = convert(weights, np.float64)
    return scatter(placed_as(np.zeros(length), x), x, weights, "add", "drop")
