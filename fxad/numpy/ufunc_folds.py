"""``reduce`` and ``accumulate`` of ufuncs that have no reduction of their own: in turn."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np

from fxad.core.source import error
from fxad.errors import ArgumentValueError
from fxad.numpy.dispatch import TABLE, refuse_out
from fxad.numpy.nested import operand
from fxad.ops.base import (
    broadcast_to,
    convert,
    dtype_of,
    normalize_axes,
    normalize_axis,
    placed_as,
    reshape,
    shape_of,
    transpose,
)
from fxad.ops.elementwise import select
from fxad.ops.shape import split, stack

#: What elements can be folded with, one after another.
FOLDED = (
    np.subtract, np.divide, np.hypot, np.fmax, np.fmin, np.logaddexp2, np.logical_xor,
    np.bitwise_and, np.bitwise_or, np.bitwise_xor, np.gcd, np.lcm,
)  # fmt: skip
#: Those whose result depends on the order, so that NumPy folds one axis at a time alone.
_IN_ORDER = (np.subtract, np.divide, np.lcm)


def _converted(ufunc: Any, a: Any, dtype: Any) -> Any:
    given = dtype_of(a) if dtype is None else np.dtype(dtype)
    return convert(a, ufunc.resolve_dtypes((given, given, None))[-1])


def _slices(a: Any, axis: int) -> list[Any]:
    shape = shape_of(a)
    rest = shape[:axis] + shape[axis + 1 :]
    return [reshape(x, rest) for x in split(a, (1,) * shape[axis], axis)] if shape[axis] else []


def fold(ufunc: Any) -> Callable[..., Any]:
    """``reduce(a, axis, dtype, out, keepdims, initial=, where=)`` of a ufunc."""
    name = f"{ufunc.__name__}.reduce"

    def reduce(
        a: Any,
        axis: Any,
        dtype: Any,
        out: Any,
        keepdims: bool,
        initial: Any = None,
        where: Any = None,
    ) -> Any:
        refuse_out(name, out)
        a = _converted(ufunc, a, dtype)
        shape = shape_of(a)
        axes = normalize_axes(name, axis, len(shape))
        if len(axes) > 1 and ufunc in _IN_ORDER:
            raise error(ArgumentValueError, name, f"got the axes {axes}, wanted one")
        rest = [d for d in range(len(shape)) if d not in axes]
        kept = [shape[d] for d in rest]

        def merged(x: Any) -> list[Any]:
            turned = transpose(x, (*rest, *axes))
            return _slices(reshape(turned, (*kept, math.prod(shape[d] for d in axes))), len(rest))

        chosen = None if where is None else merged(broadcast_to(operand(where), shape))
        first, pieces = ufunc.identity if initial is None else initial, merged(a)
        if initial is None and chosen is None and pieces:
            first, pieces = pieces[0], pieces[1:]
        elif first is None:
            raise error(
                ArgumentValueError,
                name,
                "got no elements to begin with, for where= or an axis of length 0",
                "Give a first value as initial=.",
            )
        first = broadcast_to(placed_as(convert(first, dtype_of(a)), a), kept)
        total = _folded(ufunc, first, pieces, chosen)
        if not keepdims:
            return total
        return reshape(total, [1 if d in axes else n for d, n in enumerate(shape)])

    return reduce


def _folded(ufunc: Any, total: Any, pieces: list[Any], chosen: list[Any] | None) -> Any:
    for i, piece in enumerate(pieces):
        longer = TABLE[ufunc](total, piece)
        total = longer if chosen is None else select(chosen[i], longer, total)
    return total


def run(ufunc: Any) -> Callable[..., Any]:
    """``accumulate(a, axis, dtype, out)`` of a ufunc."""
    name = f"{ufunc.__name__}.accumulate"

    def accumulate(a: Any, axis: int = 0, dtype: Any = None, out: Any = None) -> Any:
        refuse_out(name, out)
        a = _converted(ufunc, operand(a), dtype)
        axis = normalize_axis(name, axis, len(shape_of(a)))
        totals: list[Any] = []
        for piece in _slices(a, axis):
            totals.append(TABLE[ufunc](totals[-1], piece) if totals else piece)
        return stack(totals, axis) if totals else a

    return accumulate
