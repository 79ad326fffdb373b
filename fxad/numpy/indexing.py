"""Choosing elements by index, by mask and by condition."""

from __future__ import annotations

from typing import Any

import numpy as np

import fxad.ops.indexing as ops
from fxad.numpy.dispatch import implements, known, refuse_out
from fxad.numpy.nested import NESTED, array_of, operand, strong
from fxad.ops.base import dtype_of
from fxad.ops.elementwise import ne
from fxad.ops.elementwise import select as choose_between


@implements(np.where)
def where(condition: Any, x: Any = None, y: Any = None, /) -> Any:
    """``x`` where a condition holds, else ``y``.

    Args:
      condition: array of truth values.
      x: array, number or list.
      y: array, number or list; all three broadcast against each other.

    Returns:
      An array; with the condition alone, the indices where it holds, as ``nonzero``. The branch
      that is not taken gets derivative 0, also where its own is NaN at that place.

    Example:
      >>> import fxad.numpy as fnp
      >>> fnp.where([True, False], [1, 2], 0).tolist()
      [1, 0]
    """
    condition = operand(condition)
    if x is None and y is None:
        return nonzero(condition)
    if x is None or y is None:
        raise ValueError("either both or neither of x and y should be given")
    if dtype_of(condition).kind != "b":
        condition = ne(condition, 0)
    x, y = (array_of(v) if type(v) in NESTED else v for v in (x, y))
    return strong(choose_between(condition, x, y))


@implements(np.take)
def take(
    a: Any,
    indices: Any,
    axis: int | None = None,
    out: Any = None,
    mode: str | None = "raise",
    fill_value: Any = None,
) -> Any:
    """The elements at some places of an axis.

    Args:
      a: array or list.
      indices: integers in any shape.
      axis: the axis; None: of the flattened array.
      out: none with traced arrays.
      mode: what indices out of bounds are: an error ("raise"), the nearest ("clip"), counted on
        ("wrap"), or, beyond NumPy, ``fill_value`` ("fill").
      fill_value: a number; None is NaN or an extreme integer.

    Returns:
      An array with the shape of ``indices`` in the place of the axis.

    Raises:
      IndexingError: an index is out of bounds.

    Example:
      >>> import fxad.numpy as fnp
      >>> fnp.take([10, 20, 30], [2, 0]).tolist()
      [30, 10]
    """
    refuse_out("take", out)
    return ops.take(operand(a), operand(indices), axis, mode, fill_value)


@implements(np.take_along_axis)
def take_along_axis(arr: Any, indices: Any, axis: int | None = -1) -> Any:
    """The elements that indices of the same dimensions name along an axis.

    Args:
      arr: array or list.
      indices: integers; lengths of the other axes are those of ``arr``, or 1.
      axis: the axis; None: both flattened.

    Returns:
      An array of the broadcast shape.

    Raises:
      IndexingError: an index is out of bounds, or the shapes do not fit.

    Example:
      >>> import fxad.numpy as fnp
      >>> fnp.take_along_axis(fnp.array([[3, 1, 2]]), fnp.array([[1, 2, 0]]), axis=1).tolist()
      [[1, 2, 3]]
    """
    return ops.take_along_axis(operand(arr), operand(indices), axis)


@implements(np.nonzero)
def nonzero(a: Any) -> tuple[Any, ...]:
    """Where elements are not zero; values must be known, since the result's size is not else.

    Args:
      a: array or list.

    Returns:
      For each axis an array of indices.

    Raises:
      ConcretizationTypeError: a traced value is not known.

    Example:
      >>> import fxad.numpy as fnp
      >>> fnp.nonzero([0, 5, 6])[0].tolist()
      [1, 2]
    """
    return tuple(np.nonzero(known("nonzero", a)))
