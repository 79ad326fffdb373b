"""Products of arrays, under JAX's names."""

from __future__ import annotations

import enum
from collections.abc import Sequence
from typing import Any, TypeAlias

import fxad.ops.dot_general as ops
from fxad.core.source import error
from fxad.errors import ShapeError
from fxad.ops.base import shape_of


class Precision(enum.Enum):
    """How exactly a GPU multiplies; NumPy always does at the highest.

    Example:
      >>> from fxad import lax
      >>> lax.Precision("highest").name
      'HIGHEST'
    """

    DEFAULT = "default"
    HIGH = "high"
    HIGHEST = "highest"


PrecisionLike: TypeAlias = (
    str | Precision | tuple[str | Precision | None, str | Precision | None] | None
)
#: ``((lhs contracting, rhs contracting), (lhs batch, rhs batch))``.
DotDimensionNumbers: TypeAlias = tuple[
    tuple[Sequence[int], Sequence[int]], tuple[Sequence[int], Sequence[int]]
]


def _named(precision: Any) -> Any:
    if isinstance(precision, tuple):
        return tuple(map(_named, precision))
    return precision.value if isinstance(precision, Precision) else precision


def dot_general(
    lhs: Any,
    rhs: Any,
    dimension_numbers: DotDimensionNumbers,
    precision: PrecisionLike = None,
    preferred_element_type: Any = None,
) -> Any:
    """The general product of two arrays: contracts some axes, and runs along others in both.

    Args:
      lhs: array.
      rhs: array.
      dimension_numbers: ``((lhs_contracting, rhs_contracting), (lhs_batch, rhs_batch))``, each a
        sequence of axes; partners have equal lengths.
      precision: a ``Precision``, its name, or one of them for each operand.
      preferred_element_type: the dtype to accumulate in and to return; None is NumPy's promotion
        of the operands' dtypes.

    Returns:
      An array with the batch axes first, then the other axes of ``lhs``, then those of ``rhs``.

    Raises:
      ShapeError: partners have different lengths.
      ArgumentValueError: an axis does not exist or is named twice.

    Example:
      >>> import numpy as np
      >>> from fxad import lax
      >>> x, y = np.ones((5, 2, 3)), np.ones((5, 3, 4))
      >>> lax.dot_general(x, y, (((2,), (1,)), ((0,), (0,)))).shape
      (5, 2, 4)
    """
    return ops.dot_general(lhs, rhs, dimension_numbers, _named(precision), preferred_element_type)


def dot(
    lhs: Any,
    rhs: Any,
    *,
    dimension_numbers: Any = None,
    precision: PrecisionLike = None,
    preferred_element_type: Any = None,
) -> Any:
    """The product of vectors and matrices, or a general one.

    Args:
      lhs: array of shape (k,) or (n, k); of any with ``dimension_numbers``.
      rhs: array of shape (k,) or (k, m).
      dimension_numbers: as for ``dot_general``.
      precision: as for ``dot_general``.
      preferred_element_type: as for ``dot_general``.

    Returns:
      An array.

    Raises:
      ShapeError: the shapes do not fit.

    Example:
      >>> import numpy as np
      >>> from fxad import lax
      >>> float(lax.dot(np.array([1.0, 2.0]), np.array([3.0, 4.0])))
      11.0
    """
    if dimension_numbers is None:
        left, right = shape_of(lhs), shape_of(rhs)
        if not (1 <= len(left) <= 2 and 1 <= len(right) <= 2) or left[-1] != right[0]:
            raise error(
                ShapeError,
                "dot",
                f"got {left} and {right}, wanted vectors or matrices whose inner lengths agree",
            )
        dimension_numbers = (((len(left) - 1,), (0,)), ((), ()))
    return dot_general(lhs, rhs, dimension_numbers, precision, preferred_element_type)


def batch_matmul(lhs: Any, rhs: Any, precision: PrecisionLike = None) -> Any:
    """The products of matrices in two stacks of the same shape.

    Args:
      lhs: array of shape (..., n, k).
      rhs: array of shape (..., k, m).
      precision: as for ``dot_general``.

    Returns:
      An array of shape (..., n, m).

    Raises:
      ShapeError: the shapes do not fit.

    Example:
      >>> import numpy as np
      >>> from fxad import lax
      >>> lax.batch_matmul(np.ones((5, 2, 3)), np.ones((5, 3, 4))).shape
      (5, 2, 4)
    """
    ndim = len(shape_of(lhs))
    if ndim < 2 or len(shape_of(rhs)) != ndim:
        raise error(
            ShapeError,
            "batch_matmul",
            f"got {shape_of(lhs)} and {shape_of(rhs)}, wanted as many dimensions, two at least",
        )
    batch = tuple(range(ndim - 2))
    return dot_general(lhs, rhs, (((ndim - 1,), (ndim - 2,)), (batch, batch)), precision)
