"""Truth values packed into bytes."""

from __future__ import annotations

from typing import Any

import numpy as np

import fxad.ops.logic as logic
from fxad.core.source import error
from fxad.errors import ArgumentValueError, DtypeError
from fxad.numpy.dispatch import implements
from fxad.numpy.nested import operand
from fxad.ops.base import (
    convert,
    dtype_of,
    moveaxis,
    normalize_axis,
    reduce_sum,
    reshape,
    shape_of,
)
from fxad.ops.shape import pad, ravel, slice_in_dim


def _shifts(bitorder: str) -> Any:
    if bitorder not in ("big", "little"):
        raise error(
            ArgumentValueError, "bits", f'got bitorder={bitorder!r}, wanted "big" or "little"'
        )
    return np.arange(8, dtype=np.uint8)[:: 1 if bitorder == "little" else -1]


@implements(np.packbits)
def packbits(a: Any, /, axis: int | None = None, bitorder: str = "big") -> Any:
    """Truth values packed into bytes, eight in each.

    Args:
      a: array of truth values or integers, of which only whether they are 0 counts.
      axis: the axis; None flattens first.
      bitorder: "big": the first is the highest bit; "little": the lowest.

    Returns:
      An array of uint8, zeros added where eight do not divide the length.

    Raises:
      DtypeError: the array holds neither truth values nor integers.

    Example:
      >>> import fxad.numpy as fnp
      >>> fnp.packbits([1, 0, 1]).tolist()
      [160]
    """
    a = operand(a)
    if dtype_of(a).kind not in "biu":
        raise error(DtypeError, "packbits", f"got {dtype_of(a)}, wanted truth values or integers")
    a, axis = (ravel(a), 0) if axis is None else (a, normalize_axis("packbits", axis, a.ndim))
    last = len(shape_of(a)) - 1
    bits = moveaxis(convert(logic.ne(a, 0), np.uint8), axis, last)
    *rest, length = shape_of(bits)
    groups = -(-length // 8)
    bits = pad(bits, 0, [*((0, 0, 0) for _ in rest), (0, 8 * groups - length, 0)])
    bits = logic.shift_left(reshape(bits, (*rest, groups, 8)), _shifts(bitorder))
    return moveaxis(reduce_sum(bits, (last + 1,)), last, axis)


@implements(np.unpackbits)
def unpackbits(
    a: Any, /, axis: int | None = None, count: int | None = None, bitorder: str = "big"
) -> Any:
    """The bits of bytes, one in each element.

    Args:
      a: array of uint8.
      axis: the axis; None flattens first.
      count: how many bits; a negative number leaves out so many at the end; None is all of them.
      bitorder: "big": the first is the highest bit; "little": the lowest.

    Returns:
      An array of uint8 that holds zeros and ones.

    Raises:
      DtypeError: the array does not hold bytes.

    Example:
      >>> import fxad.numpy as fnp
      >>> fnp.unpackbits(fnp.array([160], dtype="uint8"), count=3).tolist()
      [1, 0, 1]
    """
    a = operand(a)
    if dtype_of(a) != np.uint8:
        raise error(DtypeError, "unpackbits", f"got {dtype_of(a)}, wanted uint8")
    a, axis = (ravel(a), 0) if axis is None else (a, normalize_axis("unpackbits", axis, a.ndim))
    last = len(shape_of(a)) - 1
    groups = moveaxis(a, axis, last)
    *rest, length = shape_of(groups)
    bits = logic.shift_right(reshape(groups, (*rest, length, 1)), _shifts(bitorder))
    bits = reshape(logic.and_(bits, np.uint8(1)), (*rest, 8 * length))
    wanted = 8 * length if count is None else count if count >= 0 else 8 * length + count
    more = max(wanted - 8 * length, 0)
    bits = pad(bits, 0, [*((0, 0, 0) for _ in rest), (0, more, 0)])
    return moveaxis(slice_in_dim(bits, 0, wanted, last), last, axis)
