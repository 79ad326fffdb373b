"""New arrays, under JAX's names."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import fxad.numpy.creation as creation
from fxad.core.source import error
from fxad.errors import ShapeError
from fxad.lax.shape import known_shape
from fxad.ops.base import shape_of
from fxad.ops.creation import iota as counts

Shape = Sequence[int]


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
    return counts(dtype, known_shape("iota", (size,)))


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
    return counts(dtype, known_shape("broadcasted_iota", shape), dimension)


def full(shape: Shape, fill_value: Any, dtype: Any = None) -> Any:
    """One number everywhere.

    Args:
      shape: the shape.
      fill_value: the number, which may be traced.
      dtype: the dtype; None is that of the number.

    Returns:
      An array of that shape.

    Raises:
      ShapeError: the value is not a single number, or a length is negative.

    Example:
      >>> from fxad import lax
      >>> lax.full((2,), 1.5).tolist()
      [1.5, 1.5]
    """
    _check_number("full", fill_value)
    return creation.full(known_shape("full", shape), fill_value, dtype)


def _check_number(operation: str, value: Any) -> None:
    if shape_of(value):
        raise error(
            ShapeError, operation, f"got fill_value of shape {shape_of(value)}, wanted one number"
        )


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
    _check_number("full_like", fill_value)
    wanted = None if shape is None else known_shape("full_like", shape)
    return creation.full_like(x, fill_value, dtype, shape=wanted)
