"""Questions about arrays: nearly equal, equal, members of a set."""

from __future__ import annotations

from typing import Any

import numpy as np

import fxad.ops.elementwise as ops
import fxad.ops.logic as logic
from fxad.core.source import error
from fxad.core.trace import Tracer
from fxad.errors import ArgumentValueError
from fxad.numpy.dispatch import implements
from fxad.numpy.nested import operand
from fxad.ops.base import dtype_of, reshape, shape_of
from fxad.ops.reduction import all_, any_
from fxad.ops.shape import ravel


@implements(np.isclose)
def isclose(a: Any, b: Any, rtol: Any = 1e-05, atol: Any = 1e-08, equal_nan: bool = False) -> Any:
    """Whether |a - b| <= atol + rtol |b|.

    Args:
      a: array, number or list.
      b: array, number or list.
      rtol: the tolerance relative to ``b``.
      atol: the absolute tolerance.
      equal_nan: whether NaN is close to NaN.

    Returns:
      A boolean array; both broadcast against each other.

    Example:
      >>> import fxad.numpy as fnp
      >>> fnp.isclose([1.0, 1.1], 1.0 + 1e-9).tolist()
      [True, False]
    """
    a, b = operand(a), operand(b)
    if dtype_of(b).kind in "iub":
        b = ops.mul(b, 1.0)
    distance = ops.abs_(ops.sub(a, b))
    near = logic.le(distance, ops.add(atol, ops.mul(rtol, ops.abs_(b))))
    near = logic.logical_and(near, logic.isfinite(b))
    found = logic.logical_or(near, logic.eq(a, b))
    if not equal_nan:
        return found
    return logic.logical_or(found, logic.logical_and(logic.isnan(a), logic.isnan(b)))


@implements(np.allclose)
def allclose(a: Any, b: Any, rtol: Any = 1e-05, atol: Any = 1e-08, equal_nan: bool = False) -> Any:
    """Whether |a - b| <= atol + rtol |b| everywhere.

    Args:
      a: array, number or list.
      b: array, number or list.
      rtol: the tolerance relative to ``b``.
      atol: the absolute tolerance.
      equal_nan: whether NaN is close to NaN.

    Returns:
      A truth value.

    Example:
      >>> import fxad.numpy as fnp
      >>> bool(fnp.allclose([1.0, 2.0], [1.0, 2.0 + 1e-9]))
      True
    """
    return _truth(all_(isclose(a, b, rtol, atol, equal_nan)))


@implements(np.array_equal)
def array_equal(a1: Any, a2: Any, equal_nan: bool = False) -> Any:
    """Whether two arrays have one shape and equal elements.

    Args:
      a1: array, number or list.
      a2: array, number or list.
      equal_nan: whether NaN equals NaN.

    Returns:
      A truth value.

    Example:
      >>> import fxad.numpy as fnp
      >>> bool(fnp.array_equal([1, 2], [1, 2]))
      True
    """
    a1, a2 = operand(a1), operand(a2)
    if shape_of(a1) != shape_of(a2):
        return False
    same = logic.eq(a1, a2)
    if equal_nan:
        same = logic.logical_or(same, logic.logical_and(logic.isnan(a1), logic.isnan(a2)))
    return _truth(all_(same))


@implements(np.array_equiv)
def array_equiv(a1: Any, a2: Any) -> Any:
    """Whether two arrays broadcast against each other to equal elements.

    Args:
      a1: array, number or list.
      a2: array, number or list.

    Returns:
      A truth value.

    Example:
      >>> import fxad.numpy as fnp
      >>> bool(fnp.array_equiv([1, 1], 1))
      True
    """
    a1, a2 = operand(a1), operand(a2)
    try:
        np.broadcast_shapes(shape_of(a1), shape_of(a2))
    except ValueError:
        return False
    return _truth(all_(logic.eq(a1, a2)))


def _truth(x: Any) -> Any:
    """A Python bool where the value is known, as NumPy gives."""
    return x if isinstance(x, Tracer) else bool(x)


@implements(np.isin)
def isin(
    element: Any,
    test_elements: Any,
    assume_unique: bool = False,
    invert: bool = False,
    *,
    kind: str | None = None,
) -> Any:
    """Whether each element is among others.

    Args:
      element: array, number or list.
      test_elements: array, number or list.
      assume_unique: as for NumPy, of plain arrays.
      invert: the opposite answer.
      kind: as for NumPy, of plain arrays.

    Returns:
      A boolean array of the shape of ``element``.

    Example:
      >>> import fxad.numpy as fnp
      >>> fnp.isin([1, 2, 3], [3, 1]).tolist()
      [True, False, True]
    """
    element, tests = operand(element), ravel(operand(test_elements))
    whole = dtype_of(element).kind in "biu" and dtype_of(tests).kind in "biu"
    if kind not in (None, "sort", "table") or (kind == "table" and not whole):
        raise error(
            ArgumentValueError,
            "isin",
            f'got kind={kind!r}, wanted "sort", for integers also "table", or None',
        )
    grown = reshape(element, (*shape_of(element), 1))
    found = any_(logic.eq(grown, tests), -1)
    return logic.logical_not(found) if invert else found


@implements(np.iscomplexobj)
def iscomplexobj(x: Any) -> bool:
    """Whether the dtype is complex.

    Args:
      x: array, number or list.

    Returns:
      True or False.

    Example:
      >>> import fxad.numpy as fnp
      >>> fnp.iscomplexobj([1j, 0])
      True
    """
    return dtype_of(operand(x)).kind == "c"


@implements(np.isrealobj)
def isrealobj(x: Any) -> bool:
    """Whether the dtype is not complex.

    Args:
      x: array, number or list.

    Returns:
      True or False.

    Example:
      >>> import fxad.numpy as fnp
      >>> fnp.isrealobj([1.0, 0])
      True
    """
    return not iscomplexobj(x)


@implements()
def isscalar(element: Any) -> bool:
    """Whether it is a number, or an array or tracer without dimensions.

    Args:
      element: anything.

    Returns:
      True or False; of strings and other objects what NumPy says.

    Example:
      >>> import fxad.numpy as fnp
      >>> fnp.isscalar(3.0), fnp.isscalar([3.0])
      (True, False)
    """
    return np.isscalar(element) or (isinstance(element, Tracer) and not element.shape)
