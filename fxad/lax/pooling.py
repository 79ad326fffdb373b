"""Reductions of the windows that slide over arrays."""

from __future__ import annotations

import enum
import itertools
import operator
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

import fxad.ops.elementwise as elementwise
import fxad.ops.pooling as ops
import fxad.tree as tree
from fxad.core.aval import DType, Shape
from fxad.core.primitive import Primitive
from fxad.core.source import error
from fxad.core.tracebacks import public
from fxad.errors import ArgumentTypeError, ArgumentValueError, ShapeError
from fxad.lax.computation import Computation, is_known, parse
from fxad.ops.base import broadcast_to, dtype_of, placed_as, shape_of
from fxad.ops.elementwise import select
from fxad.ops.identity import copy
from fxad.ops.shape import pad, slice_, slice_in_dim
from fxad.transforms.watch import in_sight

#: Up to so many elements a window is reduced one element after the other.
_FEW = 16

#: Primitives of two numbers: that of windows, and the number that changes nothing.
_WINDOWED: dict[Primitive | None, tuple[Primitive, Callable[[DType], Any]]] = {
    elementwise.add_p: (ops.reduce_window_sum_p, lambda dtype: 0),
    elementwise.max_p: (ops.reduce_window_max_p, lambda dtype: ops.limit(dtype, True)),
    elementwise.min_p: (ops.reduce_window_min_p, lambda dtype: ops.limit(dtype, False)),
}


@public
@in_sight
def reduce_window(
    operand: Any,
    init_value: Any,
    computation: Callable[[Any, Any], Any],
    window_dimensions: Sequence[int],
    window_strides: Sequence[int] | None = None,
    padding: str | Sequence[tuple[int, int]] = "VALID",
    base_dilation: Sequence[int] | None = None,
    window_dilation: Sequence[int] | None = None,
) -> Any:
    """What a function of two numbers makes of each window that slides over an array: pooling.

    Args:
      operand: array, or a pytree of arrays of one shape.
      init_value: the number (a pytree of them) with which ``computation`` changes nothing, of the
        dtype of its operand: what a window without elements gives.
      computation: an associative function ``(x, y) -> z`` of numbers, or of pytrees of them. It is
        called once. Sums, maxima and minima are recognised.
      window_dimensions: the number of elements in a window along each axis.
      window_strides: the distance of each window from the one before; 1 by default.
      padding: ``"VALID"``: none; ``"SAME"``: so much that there is a window for each stride,
        equally at both ends, or one more after (``"SAME_LOWER"``: before); or
        ``(before, after)`` for each axis, which may be negative.
      base_dilation: the distance of the elements, with nothing between them; 1 by default.
      window_dilation: the distance of the elements of a window; 1 by default.

    Returns:
      An array, or a pytree, with an element for each window. Of equal extrema the first one in the
      window has the whole derivative.

    Raises:
      ShapeError: a sequence has not an entry for each axis, or a window or distance is below 1.
      StructureError: ``init_value``, or what ``computation`` returns, is not structured as
        ``operand``.
      DtypeError: their dtypes differ.

    Example:
      >>> import numpy as np, fxad
      >>> from fxad import lax
      >>> x = np.array([[1.0, 5, 2, 0], [4, 3, 8, 7]])
      >>> lax.reduce_window(x, -np.inf, lax.max, (2, 2), (2, 2)).tolist()
      [[5.0, 8.0]]
      >>> lax.reduce_window(np.arange(1, 6), 1, lax.mul, (2,), padding="SAME").tolist()
      [2, 6, 12, 20, 5]
    """
    xs, inits, structure, combine = parse("reduce_window", operand, init_value, computation)
    window = _window(
        shape_of(xs[0]), window_dimensions, window_strides, padding, base_dilation, window_dilation
    )
    result = window.result(shape_of(xs[0]))
    if 0 in result or 0 in shape_of(xs[0]):
        return tree.unflatten(structure, [copy(broadcast_to(init, result)) for init in inits])
    primitives = combine.primitives()
    if not all(p in _WINDOWED for p in primitives):
        return tree.unflatten(structure, _reduced(combine, xs, inits, window))
    named = [_WINDOWED[p] for p in primitives]
    outs = [p.bind(x, window=window) for (p, _), x in zip(named, xs, strict=True)]
    units = [unit(dtype_of(x)) for (_, unit), x in zip(named, xs, strict=True)]
    if not all(map(is_known, inits, units)):
        outs = combine([broadcast_to(x, result) for x in inits], outs)
    return tree.unflatten(structure, outs)


def _reduced(
    combine: Computation, xs: list[Any], inits: list[Any], window: ops.Window
) -> list[Any]:
    """The windows reduced by any associative function."""
    shape = shape_of(xs[0])
    result = window.result(shape)
    out = [broadcast_to(init, result) for init in inits]
    config = window.config(0)
    padded = [pad(x, init, config) for x, init in zip(xs, inits, strict=True)]
    if np.prod(window.sizes) > _FEW:
        windows: Sequence[Any] = padded
        for d in reversed(range(len(shape))):
            windows = ops.slide(combine, _part, windows, window, d)
        return combine(out, windows)
    holds = ops.padded(np, np.ones(shape, np.bool_), window, False) if window.pads() else None
    for place in itertools.product(*map(range, window.sizes)):
        start = [k * step for k, step in zip(place, window.dilation, strict=True)]
        limit = [
            a + ops.dilated(n, s) for a, n, s in zip(start, result, window.strides, strict=True)
        ]
        nth = [slice_(x, start, limit, window.strides) for x in padded]
        found = combine(out, nth)
        if holds is not None:
            held = holds[tuple(map(slice, start, limit, window.strides))]
            if not held.all():  # what is no element takes no part
                held = placed_as(held, xs[0])
                found = [select(held, y, x) for x, y in zip(out, found, strict=True)]
        out = found
    return out


def _part(x: Any, start: int, limit: int, stride: int, axis: int) -> Any:
    return slice_in_dim(x, start, limit, axis, stride)


def _window(
    shape: Shape, sizes: Any, strides: Any, padding: Any, base_dilation: Any, dilation: Any
) -> ops.Window:
    """How windows slide, each entry checked."""
    sizes = _lengths("window_dimensions", sizes, shape)
    strides = _lengths("window_strides", strides, shape)
    dilation = _lengths("window_dilation", dilation, shape)
    base_dilation = _lengths("base_dilation", base_dilation, shape)
    if isinstance(padding, str | PaddingType):
        spans = [(k - 1) * d + 1 for k, d in zip(sizes, dilation, strict=True)]
        pairs = padtype_to_pads(shape, spans, strides, padding)
    else:
        pairs = _pairs(padding, shape)
    return ops.Window(sizes, strides, tuple(pairs), base_dilation, dilation)


def _lengths(name: str, given: Any, shape: Shape) -> Shape:
    """Positive integers, one for each axis."""
    lengths = (1,) * len(shape) if given is None else _integers(name, given)
    if len(lengths) != len(shape):
        raise error(
            ShapeError,
            "reduce_window",
            f"got {name}={lengths} for an operand of shape {shape}, wanted an entry for each axis",
        )
    if min(lengths, default=1) < 1:
        raise error(
            ShapeError,
            "reduce_window",
            f"got {name}={lengths}, wanted every element to be at least 1",
        )
    return lengths


def _integers(name: str, given: Any) -> Shape:
    try:
        return tuple(map(operator.index, given))
    except TypeError:
        raise error(
            ArgumentTypeError,
            "reduce_window",
            f"got {name}={given!r}, wanted a sequence of integers",
        ) from None


def _pairs(padding: Any, shape: Shape) -> list[tuple[int, int]]:
    try:
        pairs = [(operator.index(lo), operator.index(hi)) for lo, hi in padding]
    except (TypeError, ValueError):
        raise error(
            ArgumentTypeError,
            "reduce_window",
            f"got padding={padding!r}, wanted 'VALID', 'SAME', 'SAME_LOWER' or a pair "
            "(before, after) for each axis",
        ) from None
    if len(pairs) != len(shape):
        raise error(
            ShapeError,
            "reduce_window",
            f"got padding={padding} for an operand of shape {shape}, wanted a pair for each axis",
        )
    return pairs


class PaddingType(enum.Enum):
    """How windows are laid over an array that they do not fit.

    Example:
      >>> from fxad import lax
      >>> lax.PaddingType.SAME.name
      'SAME'
    """

    VALID = 1
    SAME = 2
    SAME_LOWER = 3


def padtype_to_pads(
    in_shape: Sequence[int],
    window_shape: Sequence[int],
    window_strides: Sequence[int],
    padding: str | PaddingType,
) -> list[tuple[int, int]]:
    """What a name for a padding puts before and after each axis.

    Args:
      in_shape: the lengths of the axes.
      window_shape: those of the windows, from the first element to the last one.
      window_strides: the distances of the windows.
      padding: ``"VALID"``: nothing; ``"SAME"``: so much that there is a window for each stride,
        equally at both ends, or one more after; ``"SAME_LOWER"``: one more before.

    Returns:
      A pair ``(before, after)`` for each axis.

    Raises:
      ArgumentValueError: ``padding`` is no such name.

    Example:
      >>> from fxad import lax
      >>> lax.padtype_to_pads((5, 4), (2, 3), (1, 2), "SAME")
      [(0, 1), (0, 1)]
    """
    name = padding.name if isinstance(padding, PaddingType) else str(padding).upper()
    if name not in PaddingType.__members__:
        raise error(
            ArgumentValueError,
            "padtype_to_pads",
            f"got padding={padding!r}, wanted 'VALID', 'SAME' or 'SAME_LOWER'",
        )
    if name == "VALID":
        return [(0, 0)] * len(in_shape)
    pairs = []
    for n, size, stride in zip(in_shape, window_shape, window_strides, strict=True):
        total = max((-(-int(n) // int(stride)) - 1) * int(stride) + int(size) - int(n), 0)
        less, more = total // 2, total - total // 2
        pairs.append((less, more) if name == "SAME" else (more, less))
    return pairs
