"""Differences, integrals, interpolation, convolution of samples."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

import fxad.ops.elementwise as ops
import fxad.ops.logic as logic
from fxad.core.source import error
from fxad.core.trace import Tracer
from fxad.errors import ArgumentValueError, DtypeError, ShapeError
from fxad.numpy.dispatch import check_cast, implements, inexact
from fxad.numpy.dtypes import result_type
from fxad.numpy.manipulation import at_least_dimensions
from fxad.numpy.nested import operand, to_cast
from fxad.ops.base import (
    broadcast_to,
    convert,
    dtype_of,
    normalize_axes,
    normalize_axis,
    placed_as,
    reduce_sum,
    reshape,
    shape_of,
)
from fxad.ops.contraction import matmul
from fxad.ops.cumulative import cumsum
from fxad.ops.indexing import take
from fxad.ops.shape import concatenate, flip, pad, ravel, slice_in_dim
from fxad.ops.sorting import argsort, searchsorted

#: A step along an axis: one distance, or the coordinates.
Spacing = Any


@implements(np.diff)
def diff(a: Any, n: int = 1, axis: int = -1, prepend: Any = None, append: Any = None) -> Any:
    """Differences of neighbours.

    Args:
      a: array or list.
      n: how often to take differences.
      axis: the axis.
      prepend: values to join in front first; a number stands for a slice of it.
      append: values to join at the end first.

    Returns:
      An array, n shorter along the axis; of booleans whether neighbours differ.

    Example:
      >>> import fxad.numpy as fnp
      >>> fnp.diff([1, 4, 9]).tolist()
      [3, 5]
    """
    a = operand(a)
    if n < 0:
        raise error(ArgumentValueError, "diff", f"got n={n}, wanted a count from 0 on")
    shape = list(shape_of(a))
    if not shape:
        raise error(ShapeError, "diff", "got a number, wanted at least one dimension")
    axis = normalize_axis("diff", axis, len(shape))
    ends = []
    for end in (prepend, append):
        end = None if end is None else operand(end)
        if end is not None and not shape_of(end):
            end = broadcast_to(end, [1 if d == axis else m for d, m in enumerate(shape)])
        ends.append(end)
    parts = [x for x in (ends[0], a, ends[1]) if x is not None]
    a = concatenate(parts, axis) if len(parts) > 1 else a
    subtract = logic.ne if dtype_of(a).kind == "b" else ops.sub
    for _ in range(n):
        length = shape_of(a)[axis]
        later = slice_in_dim(a, min(1, length), length, axis)
        a = subtract(later, slice_in_dim(a, 0, max(length - 1, 0), axis))
    return a


@implements(np.ediff1d)
def ediff1d(ary: Any, to_end: Any = None, to_begin: Any = None) -> Any:
    """Differences of neighbours in the flattened array.

    Args:
      ary: array or list.
      to_end: values to join at the end.
      to_begin: values to join in front.

    Returns:
      A vector.

    Example:
      >>> import fxad.numpy as fnp
      >>> fnp.ediff1d([1, 4, 9], to_begin=0).tolist()
      [0, 3, 5]
    """
    ary = operand(ary)
    inner, dtype = diff(ravel(ary)), dtype_of(ary)
    begin, end = (
        None if x is None else ravel(check_cast("ediff1d", to_cast(x), dtype, "same_kind"))
        for x in (to_begin, to_end)
    )
    return concatenate([x for x in (begin, inner, end) if x is not None], 0)


@implements(np.trapezoid)
def trapezoid(y: Any, x: Any = None, dx: Any = 1.0, axis: int = -1) -> Any:
    """The integral of samples by the trapezoidal rule.

    Args:
      y: the samples.
      x: where they were taken; None: at equal distances.
      dx: that distance.
      axis: the axis along which they lie.

    Returns:
      An array without the axis.

    Example:
      >>> import fxad.numpy as fnp
      >>> float(fnp.trapezoid([1, 2, 3]))
      4.0
    """
    y, given = operand(y), axis
    ndim = len(shape_of(y))
    axis = normalize_axis("trapezoid", axis, ndim)
    if x is not None:
        x = operand(x)
        vector = len(shape_of(x)) == 1
        dx = diff(x, axis=-1 if vector else given)  # of its own axes, which may be fewer
        dx = _along(dx, axis, ndim) if vector else dx
    length = shape_of(y)[axis]
    start, stop = min(1, length), max(length - 1, 0)
    both = ops.add(slice_in_dim(y, start, length, axis), slice_in_dim(y, 0, stop, axis))
    areas = ops.div(ops.mul(dx, both), 2.0)
    return reduce_sum(areas, (axis + len(shape_of(areas)) - ndim,))


def _along(x: Any, axis: int, ndim: int) -> Any:
    """A vector as an array that varies along one axis."""
    return reshape(x, [shape_of(x)[0] if d == axis else 1 for d in range(ndim)])


@implements(np.gradient)
def gradient(
    f: Any, *varargs: Spacing, axis: int | Sequence[int] | None = None, edge_order: int = 1
) -> Any:
    """Slopes of samples: central differences inside, one-sided ones at the edges.

    Args:
      f: the samples.
      *varargs: the distance of samples, or one distance or vector of coordinates for each axis.
      axis: an axis or several; None is all of them.
      edge_order: the order of accuracy at the edges, 1 or 2.

    Returns:
      An array of the shape of ``f``, or a tuple with one for each axis.

    Raises:
      ArgumentValueError: too few samples, or the wrong number of distances.

    Example:
      >>> import fxad.numpy as fnp
      >>> fnp.gradient([1.0, 2.0, 4.0, 8.0]).tolist()
      [1.0, 1.5, 3.0, 4.0]
    """
    f = inexact(operand(f))
    axes = normalize_axes("gradient", axis, len(shape_of(f)))
    if isinstance(axis, tuple | list):
        axes = tuple(normalize_axis("gradient", d, len(shape_of(f))) for d in axis)
    steps = varargs or (1.0,)
    steps = steps * len(axes) if len(steps) == 1 and not np.ndim(steps[0]) else steps
    if len(steps) != len(axes) or edge_order not in (1, 2):
        raise error(
            ArgumentValueError,
            "gradient",
            f"got {len(varargs)} distances for {len(axes)} axes and edge_order={edge_order}, "
            "wanted one distance, or one for each axis, and 1 or 2",
        )
    # The slopes have the samples' own dtype, whatever that of the distances is.
    found = tuple(
        convert(_slope(f, to_cast(h), d, edge_order), dtype_of(f))
        for h, d in zip(steps, axes, strict=True)
    )
    return found[0] if len(found) == 1 else found


def _slope(f: Any, h: Any, axis: int, edge_order: int) -> Any:
    length, ndim = shape_of(f)[axis], len(shape_of(f))
    if length < edge_order + 1 or shape_of(h) not in ((), (length,)):
        raise error(
            ArgumentValueError,
            "gradient",
            f"got {length} samples along axis {axis} and a distance of shape {shape_of(h)}, wanted "
            f"at least {edge_order + 1}, and a number or the places of all samples",
        )
    gaps = _along(diff(h), axis, ndim) if shape_of(h) else h
    rises = ops.div(diff(f, axis=axis), gaps)

    def part(x: Any, start: int, stop: int) -> Any:
        return slice_in_dim(x, start, stop, axis) if shape_of(x) else x

    before, after = part(gaps, 0, length - 2), part(gaps, 1, length - 1)
    total = ops.add(before, after)
    inner = ops.add(
        ops.mul(ops.div(after, total), part(rises, 0, length - 2)),
        ops.mul(ops.div(before, total), part(rises, 1, length - 1)),
    )
    first, last = part(rises, 0, 1), part(rises, length - 2, length - 1)
    if edge_order == 2:
        # The parabola through three samples: its slope at an edge goes on linearly.
        n = length - 1
        first = _carried_on(first, part(rises, 1, 2), part(gaps, 0, 1), part(gaps, 1, 2))
        last = _carried_on(
            last, part(rises, n - 2, n - 1), part(gaps, n - 1, n), part(gaps, n - 2, n - 1)
        )
    return concatenate([first, inner, last], axis)


def _carried_on(near: Any, far: Any, near_gap: Any, far_gap: Any) -> Any:
    share = ops.div(near_gap, ops.add(near_gap, far_gap))
    return ops.add(near, ops.mul(share, ops.sub(near, far)))


@implements(np.interp)
def interp(
    x: Any, xp: Any, fp: Any, left: Any = None, right: Any = None, period: Any = None
) -> Any:
    """Linear interpolation between samples.

    Args:
      x: where to interpolate.
      xp: where the samples were taken, a growing vector.
      fp: the samples.
      left: the value below the first of ``xp``; None is the first sample.
      right: the value above the last; None is the last sample.
      period: the period of a function on a circle, for which ``left`` and ``right`` are not used.

    Returns:
      An array of the shape of ``x``, differentiable in ``x``, ``xp`` and ``fp``.

    Raises:
      ShapeError: ``xp`` and ``fp`` are not two vectors of one length.

    Example:
      >>> import fxad.numpy as fnp
      >>> fnp.interp([0.5, 3.0], [0, 1, 2], [0, 10, 40]).tolist()
      [5.0, 40.0]
    """
    x, xp, fp = (_double(operand(v)) for v in (x, xp, fp))
    if len(shape_of(xp)) != 1 or shape_of(xp) != shape_of(fp) or not shape_of(xp)[0]:
        raise error(
            ShapeError, "interp", f"got xp {shape_of(xp)} and fp {shape_of(fp)}, wanted two vectors"
        )
    if dtype_of(x).kind == "c" or dtype_of(xp).kind == "c":
        raise error(DtypeError, "interp", "got complex places, which have no order")
    if period is not None:
        x, xp, fp = _periodic(x, xp, fp, period)
        left = right = None
    last = shape_of(xp)[0] - 1
    lower = ops.min(ops.max(ops.sub(searchsorted(xp, x, "right"), 1), 0), max(last - 1, 0))
    upper = ops.min(ops.add(lower, 1), last)
    x0, x1, f0, f1 = take(xp, lower), take(xp, upper), take(fp, lower), take(fp, upper)
    width = ops.sub(x1, x0)
    slope = ops.div(ops.sub(f1, f0), ops.select(logic.eq(width, 0), 1, width))
    out = ops.add(ops.mul(slope, ops.sub(x, x0)), f0)
    out = _beside_infinities(out, slope, (x, x0, x1, f0, f1))
    out = ops.select(logic.lt(x, take(xp, 0)), take(fp, 0) if left is None else left, out)
    return ops.select(logic.gt(x, take(xp, last)), take(fp, last) if right is None else right, out)


def _double(x: Any) -> Any:
    """In the precision in which NumPy interpolates, whatever that of the operands is."""
    return convert(x, np.complex128 if dtype_of(x).kind == "c" else np.float64)


def _beside_infinities(out: Any, slope: Any, places: tuple[Any, ...]) -> Any:
    """Values that are NaN from the left taken from the right, and at samples the samples."""
    x, x0, x1, f0, f1 = places
    from_right = ops.add(ops.mul(slope, ops.sub(x, x1)), f1)
    out = ops.select(logic.isnan(out), from_right, out)
    sure = logic.logical_or(logic.eq(x, x0), logic.eq(f0, f1))
    return ops.select(logic.logical_and(logic.isnan(out), sure), f0, out)


def _periodic(x: Any, xp: Any, fp: Any, period: Any) -> tuple[Any, Any, Any]:
    """The samples of one period in order, with a neighbour at either end."""
    if not isinstance(period, Tracer) and period == 0:
        raise error(ArgumentValueError, "interp", "got period=0, wanted another number")
    period = ops.abs_(period)
    x, xp = ops.remainder(x, period), ops.remainder(xp, period)
    order = argsort(xp, stable=True)
    xp, fp = take(xp, order), take(fp, order)
    first, last = (slice_in_dim(xp, i, i + 1, 0) for i in (0, shape_of(xp)[0] - 1))
    f_first, f_last = (slice_in_dim(fp, i, i + 1, 0) for i in (0, shape_of(fp)[0] - 1))
    xp = concatenate([ops.sub(last, period), xp, ops.add(first, period)])
    return x, xp, concatenate([f_last, fp, f_first])


@implements(np.unwrap)
def unwrap(p: Any, discont: Any = None, axis: int = -1, *, period: Any = 2 * np.pi) -> Any:
    """Angles moved by whole periods so that neighbours differ by half a period at most.

    Args:
      p: array of angles.
      discont: steps up to this stay; None is half a period.
      axis: the axis.
      period: the period.

    Returns:
      An array of the same shape.

    Example:
      >>> import fxad.numpy as fnp
      >>> fnp.unwrap([0.0, 3.0, 0.0], period=4.0).tolist()
      [0.0, -1.0, 0.0]
    """
    p = operand(p)
    axis = normalize_axis("unwrap", axis, len(shape_of(p)))
    discont = ops.div(period, 2) if discont is None else discont
    steps = diff(p, axis=axis)
    whole = result_type(steps, period).kind in "iu"
    half = ops.floor_divide(period, 2) if whole else ops.div(period, 2)
    wrapped = ops.sub(ops.remainder(ops.add(steps, half), period), half)
    # Half a period up or down is one place, unless the period is odd.
    at_edge = logic.logical_and(logic.eq(wrapped, ops.neg(half)), logic.gt(steps, 0))
    at_edge = logic.logical_and(at_edge, logic.eq(ops.mul(half, 2), period))
    moves = ops.sub(ops.select(at_edge, half, wrapped), steps)
    moves = ops.select(logic.lt(ops.abs_(steps), discont), 0, moves)
    length = shape_of(p)[axis]
    later = ops.add(slice_in_dim(p, min(1, length), length, axis), cumsum(moves, axis))
    found = concatenate([slice_in_dim(p, 0, min(1, length), axis), later], axis)
    return convert(found, result_type(steps, period))


# Convolution -------------------------------------------------------------------------------------


def _full_convolution(operation: str, a: Any, v: Any) -> Any:
    """All sums of products, by a matrix of the windows of the longer vector."""
    if len(shape_of(a)) != 1 or len(shape_of(v)) != 1 or not shape_of(a)[0] or not shape_of(v)[0]:
        raise error(
            ShapeError,
            operation,
            f"got {shape_of(a)} and {shape_of(v)}, wanted two vectors that are not empty",
        )
    if shape_of(a)[0] < shape_of(v)[0]:
        a, v = v, a
    n, m = shape_of(a)[0], shape_of(v)[0]
    windows = np.arange(n + m - 1)[:, None] + np.arange(m)[::-1]
    return matmul(take(pad(a, 0, [(m - 1, m - 1, 0)]), placed_as(windows, a)), v)


def _mode(operation: str, out: Any, n: int, m: int, mode: str, start: int) -> Any:
    if mode == "full":
        return out
    short, long = sorted((n, m))
    if mode == "same":
        return slice_in_dim(out, start, start + long, 0)
    if mode == "valid":
        return slice_in_dim(out, short - 1, long, 0)
    raise error(
        ArgumentValueError, operation, f"got mode={mode!r}, wanted 'full', 'same' or 'valid'"
    )


@implements(np.convolve)
def convolve(a: Any, v: Any, mode: str = "full") -> Any:
    """The convolution of two vectors.

    Args:
      a: vector.
      v: vector.
      mode: "full": wherever they overlap; "same": as long as the longer one; "valid": where they
        overlap completely.

    Returns:
      A vector.

    Raises:
      ShapeError: one is empty or no vector.

    Example:
      >>> import fxad.numpy as fnp
      >>> fnp.convolve([1, 2, 3], [1, 1]).tolist()
      [1, 3, 5, 3]
    """
    a, v = at_least_dimensions(operand(a), 1), at_least_dimensions(operand(v), 1)
    out = _full_convolution("convolve", a, v)
    n, m = shape_of(a)[0], shape_of(v)[0]
    return _mode("convolve", out, n, m, mode, (min(n, m) - 1) // 2)


@implements(np.correlate)
def correlate(a: Any, v: Any, mode: str = "valid") -> Any:
    """The cross-correlation of two vectors: sums of a[n + k] * conj(v[n]).

    Args:
      a: vector.
      v: vector.
      mode: as for ``convolve``.

    Returns:
      A vector.

    Raises:
      ShapeError: one is empty or no vector.

    Example:
      >>> import fxad.numpy as fnp
      >>> fnp.correlate([1, 2, 3], [0, 1, 0.5]).tolist()
      [3.5]
    """
    a, v = operand(a), operand(v)
    turned = ops.conj(flip(v)) if dtype_of(v).kind == "c" else flip(v)
    out = _full_convolution("correlate", a, turned)
    n, m = shape_of(a)[0], shape_of(v)[0]
    middle = (min(n, m) - 1) // 2
    return _mode("correlate", out, n, m, mode, middle if n >= m else min(n, m) - 1 - middle)
