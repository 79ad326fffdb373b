"""Vectors as sets. The size of a result depends on values, which must be known."""

from __future__ import annotations

from typing import Any

import numpy as np

from fxad.backends.placement import device_get
from fxad.numpy.dispatch import implements, known
from fxad.numpy.nested import operand
from fxad.ops.base import convert, dtype_of, placed_as
from fxad.ops.indexing import take
from fxad.ops.shape import concatenate, ravel


@implements(np.unique)
def unique(
    ar: Any,
    return_index: bool = False,
    return_inverse: bool = False,
    return_counts: bool = False,
    axis: int | None = None,
    *,
    equal_nan: bool = True,
    sorted: bool = True,
) -> Any:
    """The distinct elements, in ascending order.

    Args:
      ar: array or list.
      return_index: returns the first place of each, too.
      return_inverse: returns for each element which of the distinct ones it is, too.
      return_counts: returns how often each occurs, too.
      axis: distinct slices along an axis, instead of elements.
      equal_nan: whether all NaN are one.
      sorted: as for NumPy; they always are.

    Returns:
      An array, or a tuple of it and what was asked for. Derivatives go to the first place.

    Raises:
      ConcretizationTypeError: a traced value is not known.

    Example:
      >>> import fxad.numpy as fnp
      >>> fnp.unique([3, 1, 3]).tolist()
      [1, 3]
    """
    ar = operand(ar)
    found: Any = np.unique(  # type: ignore[call-overload]
        known("unique", ar), True, return_inverse, return_counts, axis, equal_nan=equal_nan
    )
    values = take(ravel(ar) if axis is None else ar, found[1], axis or 0)
    rest = found[2:]
    if not (return_index or rest):
        return values
    return (values, found[1], *rest) if return_index else (values, *rest)


@implements(np.unique_values)
def unique_values(x: Any) -> Any:
    """The distinct elements.

    Args:
      x: array.

    Returns:
      A vector.

    Example:
      >>> import fxad.numpy as fnp
      >>> sorted(fnp.unique_values(fnp.array([3, 1, 3])).tolist())
      [1, 3]
    """
    return unique(x, equal_nan=False)


_Counts = type(np.unique_counts(np.zeros(0)))


@implements(np.unique_counts)
def unique_counts(x: Any) -> Any:
    """The distinct elements, and how often each occurs.

    Args:
      x: array.

    Returns:
      Two vectors, ``values`` and ``counts``.

    Example:
      >>> import fxad.numpy as fnp
      >>> [y.tolist() for y in fnp.unique_counts(fnp.array([3, 1, 3]))]
      [[1, 3], [1, 2]]
    """
    return _Counts(*unique(x, return_counts=True, equal_nan=False))


_Inverse = type(np.unique_inverse(np.zeros(0)))


@implements(np.unique_inverse)
def unique_inverse(x: Any) -> Any:
    """The distinct elements, and for each element which of them it is.

    Args:
      x: array.

    Returns:
      A vector of values and an array of places in it, of the shape of ``x``.

    Example:
      >>> import fxad.numpy as fnp
      >>> [y.tolist() for y in fnp.unique_inverse(fnp.array([3, 1, 3]))]
      [[1, 3], [1, 0, 1]]
    """
    return _Inverse(*unique(x, return_inverse=True, equal_nan=False))


_All = type(np.unique_all(np.zeros(0)))


@implements(np.unique_all)
def unique_all(x: Any) -> Any:
    """The distinct elements, their first places, which one each element is, and counts.

    Args:
      x: array.

    Returns:
      Vectors ``values``, ``indices``, ``inverse_indices`` (of the shape of ``x``) and ``counts``.

    Example:
      >>> import fxad.numpy as fnp
      >>> [y.tolist() for y in fnp.unique_all(fnp.array([3, 1, 3]))]
      [[1, 3], [1, 0], [1, 0, 1], [1, 2]]
    """
    return _All(*unique(x, True, True, True, equal_nan=False))


@implements(np.union1d)
def union1d(ar1: Any, ar2: Any) -> Any:
    """The distinct elements of two arrays together.

    Args:
      ar1: array or list.
      ar2: array or list.

    Returns:
      A vector in ascending order.

    Example:
      >>> import fxad.numpy as fnp
      >>> fnp.union1d([1, 3], [2, 3]).tolist()
      [1, 2, 3]
    """
    return unique(concatenate([operand(ar1), operand(ar2)], None))


@implements(np.intersect1d)
def intersect1d(
    ar1: Any, ar2: Any, assume_unique: bool = False, return_indices: bool = False
) -> Any:
    """The distinct elements that two arrays share.

    Args:
      ar1: array or list.
      ar2: array or list.
      assume_unique: a promise that elements are distinct.
      return_indices: returns the places in both, too.

    Returns:
      A vector in ascending order, or a tuple of it and the places.

    Example:
      >>> import fxad.numpy as fnp
      >>> fnp.intersect1d([1, 3], [2, 3]).tolist()
      [3]
    """
    ar1, ar2 = ravel(operand(ar1)), ravel(operand(ar2))
    _, first, second = np.intersect1d(
        known("intersect1d", ar1), known("intersect1d", ar2), assume_unique, return_indices=True
    )
    values = convert(take(ar1, first), np.result_type(dtype_of(ar1), dtype_of(ar2)))
    return (values, first, second) if return_indices else values


@implements(np.setdiff1d)
def setdiff1d(ar1: Any, ar2: Any, assume_unique: bool = False) -> Any:
    """The distinct elements of the first array that the second has not.

    Args:
      ar1: array or list.
      ar2: array or list.
      assume_unique: a promise that elements are distinct; they stay in their order.

    Returns:
      A vector.

    Example:
      >>> import fxad.numpy as fnp
      >>> fnp.setdiff1d([1, 3], [2, 3]).tolist()
      [1]
    """
    ar1 = ravel(operand(ar1)) if assume_unique else unique(ar1)
    values, others = device_get((known("setdiff1d", ar1), known("setdiff1d", operand(ar2))))
    return take(ar1, placed_as(np.flatnonzero(~np.isin(values, others)), ar1))


@implements(np.setxor1d)
def setxor1d(ar1: Any, ar2: Any, assume_unique: bool = False) -> Any:
    """The distinct elements that just one of two arrays has.

    Args:
      ar1: array or list.
      ar2: array or list.
      assume_unique: a promise that elements are distinct.

    Returns:
      A vector in ascending order.

    Example:
      >>> import fxad.numpy as fnp
      >>> fnp.setxor1d([1, 3], [2, 3]).tolist()
      [1, 2]
    """
    parts = [operand(x) if assume_unique else unique(operand(x)) for x in (ar1, ar2)]
    both = concatenate(parts, None)
    values = device_get(known("setxor1d", both))
    order = np.argsort(values, stable=True)
    changes = values[order][1:] != values[order][:-1]
    alone = np.append(True, changes) & np.append(changes, True)
    return take(both, placed_as(order[alone[: len(order)]], both))
