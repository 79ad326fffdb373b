"""Order: sorting, searching, counting in bins, sets."""

from __future__ import annotations

from typing import Any

import numpy as np

import fxad.ops.sorting as ops
from fxad.core.source import error
from fxad.errors import ArgumentValueError
from fxad.numpy.dispatch import implements, known
from fxad.numpy.nested import operand
from fxad.ops.base import convert, dtype_of, shape_of
from fxad.ops.elementwise import select, sub
from fxad.ops.logic import lt
from fxad.ops.scatter import scatter
from fxad.ops.shape import flip

_STABLE = ("stable", "mergesort")


def _stable(operation: str, kind: str | None, order: Any, stable: bool | None) -> bool:
    if order is not None or kind not in (None, "quicksort", "heapsort", *_STABLE):
        raise error(
            ArgumentValueError,
            operation,
            f"got kind={kind!r} and order={order!r}, wanted 'quicksort', 'heapsort', 'mergesort' "
            "or 'stable', and no order",
        )
    return bool(stable) or kind in _STABLE


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
    return ops.argsort(operand(a), axis, _stable("argsort", kind, order, stable))


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
    narrow = dtype_of(a).char in "bhBHef"
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
    return ops.argpartition(operand(a), kth, axis)


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
    sorter = None if sorter is None else operand(sorter)
    return ops.searchsorted(operand(a), operand(v), side, sorter)


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
    edges = known("digitize", bins)
    side = "left" if right else "right"
    if len(edges) < 2 or edges[0] <= edges[-1]:
        return ops.searchsorted(bins, x, side)
    count = shape_of(bins)[0]
    flipped = ops.searchsorted(flip(bins), x, "right" if right else "left")
    return sub(count, flipped)


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
    x = operand(x)
    if length is None:
        values = np.asarray(known("bincount", x))
        if values.min(initial=0) < 0:
            raise error(ArgumentValueError, "bincount", "got negative integers, wanted none")
        length = max(minlength, int(values.max(initial=-1)) + 1)
    x = select(lt(x, 0), length, x)
    if weights is None:
        return scatter(np.zeros(length, np.int64), x, 1, "add", "drop")
    weights = convert(operand(weights), np.float64)
    return scatter(np.zeros(length), x, weights, "add", "drop")
