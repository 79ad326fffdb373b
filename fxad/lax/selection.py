"""Which of several values an element takes, and values rounded or kept within bounds."""

from __future__ import annotations

import enum
from typing import Any

import fxad.ops.bounds as bounds
import fxad.ops.elementwise as ops
import fxad.ops.logic as logic
from fxad.core.source import error
from fxad.errors import ArgumentValueError, DtypeError
from fxad.ops.base import dtype_of


class RoundingMethod(enum.Enum):
    """What ``lax.round`` does with halves.

    Example:
      >>> from fxad import lax
      >>> lax.RoundingMethod.TO_NEAREST_EVEN.value
      1
    """

    AWAY_FROM_ZERO = 0
    TO_NEAREST_EVEN = 1


def round(x: Any, rounding_method: RoundingMethod = RoundingMethod.AWAY_FROM_ZERO) -> Any:
    """Rounded to the nearest integer.

    Args:
      x: array or number.
      rounding_method: where halves go; unlike NumPy's default it is away from zero.

    Returns:
      An array of the shape and dtype of ``x``.

    Example:
      >>> import numpy as np
      >>> from fxad import lax
      >>> lax.round(np.array([0.5, -2.5])).tolist()
      [1.0, -3.0]
    """
    if RoundingMethod(rounding_method) is RoundingMethod.TO_NEAREST_EVEN:
        return ops.rint(x)
    whole = ops.trunc(x)
    # The sum is exact wherever x is not whole.
    up = logic.ge(ops.abs_(x), ops.add(ops.abs_(whole), 0.5))
    return ops.select(logic.and_(up, logic.ne(x, whole)), ops.add(whole, ops.sign(x)), whole)


def select(pred: Any, on_true: Any, on_false: Any) -> Any:
    """``on_true`` where a condition holds, else ``on_false``.

    Args:
      pred: array of truth values; or integers, of which those above 0 are true.
      on_true: array or number.
      on_false: array or number.

    Returns:
      An array.

    Raises:
      DtypeError: ``pred`` holds neither truth values nor integers.

    Example:
      >>> import numpy as np
      >>> from fxad import lax
      >>> lax.select(np.array([True, False]), np.ones(2), np.zeros(2)).tolist()
      [1.0, 0.0]
    """
    if _kind("select", "pred", pred) != "b":
        pred = logic.gt(pred, 0)
    return ops.select(pred, on_true, on_false)


def _kind(operation: str, argument: str, which: Any) -> str:
    kind = dtype_of(which).kind
    if kind not in "biu":
        raise error(
            DtypeError,
            operation,
            f"got {argument}={dtype_of(which)}, wanted truth values or integers",
            "Compare it with something: x > 0.",
        )
    return kind


def select_n(which: Any, *cases: Any) -> Any:
    """For each place the element of one of several arrays.

    Args:
      which: truth values for at most two cases, or integers; those beyond the cases choose the
        nearest one.
      *cases: arrays of one shape; the first one is chosen by False or 0.

    Returns:
      An array.

    Raises:
      ArgumentValueError: there are no cases, or truth values for more than two.
      DtypeError: ``which`` holds neither integers nor truth values.

    Example:
      >>> import numpy as np
      >>> from fxad import lax
      >>> lax.select_n(np.array([2, 0]), np.zeros(2), np.ones(2), np.full(2, 5.0)).tolist()
      [5.0, 0.0]
    """
    kind = _kind("select_n", "which", which)
    if not cases or (kind == "b" and len(cases) > 2):
        raise error(
            ArgumentValueError,
            "select_n",
            f"got {len(cases)} cases for which={dtype_of(which)}, wanted at least one, and at most "
            "two for truth values",
        )
    if kind == "b" and len(cases) == 2:
        return ops.select(which, cases[1], cases[0])
    out = cases[-1]
    for i in range(len(cases) - 2, -1, -1):
        out = ops.select(logic.le(which, i), cases[i], out)
    return out


def clamp(min: Any, x: Any, max: Any) -> Any:
    """Values outside of an interval moved to its ends.

    Args:
      min: the least value, array or number.
      x: array.
      max: the greatest value, array or number; it wins over ``min``.

    Returns:
      An array. Where ``x`` equals an end, the derivative by both is 0.

    Example:
      >>> import numpy as np
      >>> from fxad import lax
      >>> lax.clamp(0.0, np.array([-1.0, 0.5, 7.0]), 1.0).tolist()
      [0.0, 0.5, 1.0]
    """
    return bounds.clamp(min, x, max)
