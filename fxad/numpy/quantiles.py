"""Quantiles, percentiles, medians; by weights too."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np

import fxad.ops.elementwise as ops
import fxad.ops.logic as logic
import fxad.ops.reduction as reduction
from fxad.backends.placement import device_get
from fxad.core.aval import PYTHON_SCALARS
from fxad.core.source import error
from fxad.core.trace import Tracer
from fxad.errors import ArgumentValueError, DtypeError
from fxad.numpy.arguments import fitted_weights
from fxad.numpy.dispatch import FLOAT64, implements, inexact, refuse_out
from fxad.numpy.nested import NESTED, array_of, operand
from fxad.numpy.reductions import Axis
from fxad.ops.base import (
    broadcast_to,
    convert,
    dtype_of,
    full,
    full_beside,
    moveaxis,
    normalize_axes,
    placed_as,
    reshape,
    shape_of,
    transpose,
)
from fxad.ops.cumulative import cumsum
from fxad.ops.indexing import take_along_axis
from fxad.ops.shape import ravel, slice_in_dim
from fxad.ops.sorting import argsort, sort

#: Hyndman and Fan's continuous families, "Sample quantiles in statistical packages", 1996: the
#: virtual place of a quantile is n q + alpha + q (1 - alpha - beta) - 1.
_FAMILIES = {
    "linear": (1, 1),
    "interpolated_inverted_cdf": (0, 1),
    "averaged_inverted_cdf": (0, 1),
    "hazen": (0.5, 0.5),
    "weibull": (0, 0),
    "median_unbiased": (1 / 3, 1 / 3),
    "normal_unbiased": (3 / 8, 3 / 8),
}

#: Methods that choose one element: which one of ``n``.
_CHOICES: dict[str, Callable[[Any, Any], Any]] = {
    "lower": lambda n, q: ops.floor(ops.mul(ops.sub(n, 1), q)),
    "higher": lambda n, q: ops.ceil(ops.mul(ops.sub(n, 1), q)),
    "nearest": lambda n, q: ops.rint(ops.mul(ops.sub(n, 1), q)),
    "inverted_cdf": lambda n, q: ops.sub(ops.ceil(ops.mul(n, q)), 1),
    "closest_observation": lambda n, q: ops.sub(ops.rint(ops.mul(n, q)), 1),
}


def _quantile(
    operation: str,
    a: Any,
    q: Any,
    axis: Axis,
    options: tuple[str, bool, Any, Any],
    skip_nan: bool = False,
    percent: bool = False,
) -> Any:
    """The quantiles of the elements along axes; those of ``q`` come first in the result."""
    method, keepdims, weights, out = options
    refuse_out(operation, out)
    a, weak = operand(a), q.weak_type if isinstance(q, Tracer) else type(q) in PYTHON_SCALARS
    if dtype_of(a).kind == "c":
        raise error(DtypeError, operation, "got complex numbers, which have no order")
    _check(operation, q, 100 if percent else 1, method, weights)
    q = ops.div(operand(q), 100) if percent else operand(q)
    if weights is not None:
        weights = fitted_weights(operation, operand(weights), a, axis)
        weights, _ = _to_last(operation, weights, axis)
    a, kept = _to_last(operation, a, axis)
    if not shape_of(a)[-1]:
        if skip_nan:
            shape = (*shape_of(q), *(kept if keepdims else shape_of(a)[:-1]))
            return full_beside(a, shape, np.nan)
        raise error(ArgumentValueError, operation, "got no elements, wanted at least one")
    found = _by_weight if weights is not None else _by_place
    out = found(a, ravel(q), weights if weights is not None else (method, weak), skip_nan)
    out = moveaxis(out, len(shape_of(out)) - 1, 0)
    return reshape(out, (*shape_of(q), *(kept if keepdims else shape_of(a)[:-1])))


def _to_last(operation: str, a: Any, axis: Axis) -> tuple[Any, tuple[int, ...]]:
    """The axes as one axis at the end, and the shape of a result that keeps them."""
    shape = shape_of(a)
    axes = normalize_axes(operation, axis, len(shape))
    rest = [d for d in range(len(shape)) if d not in axes]
    kept = tuple(1 if d in axes else n for d, n in enumerate(shape))
    length = math.prod(shape[d] for d in axes)
    return reshape(transpose(a, [*rest, *axes]), (*(shape[d] for d in rest), length)), kept


def _check(operation: str, q: Any, most: int, method: str, weights: Any) -> None:
    methods = (*_FAMILIES, *_CHOICES, "midpoint")
    if method not in methods:
        raise error(
            ArgumentValueError,
            operation,
            f"got method={method!r}, wanted one of {', '.join(methods)}",
        )
    q = array_of(q) if type(q) in NESTED else q
    if np.dtype(dtype_of(q)).kind not in "biuf":
        raise error(DtypeError, operation, f"got a quantile of {dtype_of(q)}, wanted real numbers")
    known = device_get(q.concrete() if isinstance(q, Tracer) else q)
    if known is not None and not np.all((np.asarray(known) >= 0) & (np.asarray(known) <= most)):
        raise error(ArgumentValueError, operation, f"got {q}, wanted values from 0 to {most}")
    if weights is not None and method != "inverted_cdf":
        raise error(
            ArgumentValueError,
            operation,
            f"got weights= and method={method!r}",
            'Weights are for method="inverted_cdf" alone.',
        )


def _by_place(a: Any, q: Any, how: tuple[str, bool], skip_nan: bool) -> Any:
    method, weak = how
    length = shape_of(a)[-1]
    a = sort(a)
    count: Any = length
    whole = dtype_of(q).kind in "biu" and method == "linear"
    q = q if dtype_of(q).kind == "f" else convert(q, FLOAT64)
    if skip_nan:
        count = reduction.sum_(logic.logical_not(logic.isnan(a)), -1, keepdims=True)
        count = convert(ops.max(count, 1), dtype_of(q))
    if whole or method in _CHOICES:
        out = _element(a, _CHOICES["lower" if whole else method](count, q), ops.sub(count, 1))
    else:
        out = _between(a, q, count, method, weak)
    return out if skip_nan else _with_nan(a, out)


def _with_nan(a: Any, out: Any) -> Any:
    """NaN where it is among the sorted elements of the last axis."""
    if dtype_of(a).kind != "f":
        return out
    length = shape_of(a)[-1]
    return ops.select(
        logic.isnan(slice_in_dim(a, length - 1, length, len(shape_of(a)) - 1)), np.nan, out
    )


def _virtual(count: Any, q: Any, method: str) -> Any:
    """Where in the sorted elements the quantiles lie."""
    if method in ("linear", "midpoint"):
        return ops.mul(ops.sub(count, 1), q)
    alpha, beta = _FAMILIES[method]
    return ops.sub(ops.add(ops.mul(count, q), ops.add(ops.mul(q, 1 - alpha - beta), alpha)), 1)


def _between(a: Any, q: Any, count: Any, method: str, weak: bool) -> Any:
    """The values at fractional places of the last axis."""
    places, last = _virtual(count, q, method), ops.sub(count, 1)
    low = ops.floor(places)
    below, above = _element(a, low, last), _element(a, ops.add(low, 1), last)
    share = ops.min(ops.max(ops.sub(places, low), 0), 1)
    if method == "midpoint":
        share = ops.select(logic.eq(low, places), 0.0, 0.5)
    elif method == "averaged_inverted_cdf":
        share = ops.select(logic.eq(low, places), 0.5, 1.0)
    share = convert(share, dtype_of(places))
    share = ops.select(logic.lt(places, 0), 0, share)
    far, rest = logic.ge(share, 0.5), ops.sub(1, share)
    if weak and dtype_of(a).kind == "f":
        share, rest = convert(share, dtype_of(a)), convert(rest, dtype_of(a))
    rise = ops.sub(above, below)
    # As NumPy: from the nearer side, so that both ends are met exactly.
    upward, downward = ops.add(below, ops.mul(rise, share)), ops.sub(above, ops.mul(rise, rest))
    return ops.select(far, downward, upward)


def _by_weight(a: Any, q: Any, weights: Any, skip_nan: bool) -> Any:
    """The first elements with which the weights add up to the shares ``q`` of their sum."""
    known = weights.concrete() if isinstance(weights, Tracer) else weights
    if known is not None and np.any(known < 0):
        raise error(ArgumentValueError, "quantile", "got negative weights")
    if skip_nan:
        weights = ops.select(logic.isnan(a), 0, weights)
    order = argsort(a, stable=True)
    a, weights = take_along_axis(a, order, -1), take_along_axis(weights, order, -1)
    length = shape_of(a)[-1]
    sums = cumsum(weights, len(shape_of(a)) - 1, FLOAT64)
    sums = ops.div(sums, slice_in_dim(sums, length - 1, length, len(shape_of(a)) - 1))
    sums = convert(sums, dtype_of(q)) if dtype_of(q).kind == "f" else sums
    # Elements without weight before all others are never chosen.
    sums = ops.select(logic.eq(sums, 0), -1, sums)
    short = logic.lt(reshape(sums, (*shape_of(sums), 1)), q)
    place = reduction.sum_(short, len(shape_of(sums)) - 1)
    out = _element(a, place, length - 1)
    return out if skip_nan else _with_nan(a, out)


def _element(a: Any, place: Any, last: Any) -> Any:
    index = convert(ops.min(ops.max(place, 0), last), np.int64)
    index = broadcast_to(index, (*shape_of(a)[:-1], shape_of(index)[-1]))
    return take_along_axis(a, index, -1)


def _median(a: Any, axis: Axis, keepdims: bool, skip_nan: bool) -> Any:
    """The element in the middle, or the mean of the two there."""
    operation = "nanmedian" if skip_nan else "median"
    a, kept = _to_last(operation, inexact(operand(a)), axis)
    shape = kept if keepdims else shape_of(a)[:-1]
    length = shape_of(a)[-1]
    if not length:
        return full_beside(a, shape, np.nan)
    a = sort(a)
    last = placed_as(full((1,), length - 1, np.int64), a)
    if skip_nan:
        count = reduction.sum_(logic.logical_not(logic.isnan(a)), -1, keepdims=True)
        last = ops.max(ops.sub(count, 1), 0)
    low = ops.floor_divide(last, 2)
    below, above = _element(a, low, last), _element(a, ops.sub(last, low), last)
    even = logic.ne(ops.remainder(last, 2), 0)
    out = ops.select(even, ops.div(ops.add(below, above), 2), below)
    return reshape(out if skip_nan else _with_nan(a, out), shape)


@implements(np.quantile)
def quantile(
    a: Any,
    q: Any,
    axis: Axis = None,
    out: Any = None,
    overwrite_input: bool = False,
    method: str = "linear",
    keepdims: bool = False,
    *,
    weights: Any = None,
) -> Any:
    """Quantiles: the elements below which given shares of all lie.

    Args:
      a: array or list of real numbers.
      q: which ones, from 0 to 1; number or array.
      axis: an axis or several; None is all of them.
      out: none with traced arrays.
      overwrite_input: as for NumPy, of plain arrays.
      method: how to choose between neighbours: any of NumPy's.
      keepdims: leaves the axes in place, at length 1.
      weights: of the elements; for ``method="inverted_cdf"`` alone.

    Returns:
      An array with the axes of ``q``, then those of ``a`` that are left.

    Example:
      >>> import fxad.numpy as fnp
      >>> float(fnp.quantile([1.0, 2.0, 3.0], 0.5))
      2.0
    """
    options = (method, keepdims, weights, out)
    return _quantile("quantile", a, q, axis, options)


@implements(np.percentile)
def percentile(
    a: Any,
    q: Any,
    axis: Axis = None,
    out: Any = None,
    overwrite_input: bool = False,
    method: str = "linear",
    keepdims: bool = False,
    *,
    weights: Any = None,
) -> Any:
    """Percentiles: the elements below which given percents of all lie.

    Args:
      a: array or list of real numbers.
      q: which ones, from 0 to 100; number or array.
      axis: an axis or several; None is all of them.
      out: none with traced arrays.
      overwrite_input: as for NumPy, of plain arrays.
      method: how to choose between neighbours: any of NumPy's.
      keepdims: leaves the axes in place, at length 1.
      weights: of the elements; for ``method="inverted_cdf"`` alone.

    Returns:
      An array with the axes of ``q``, then those of ``a`` that are left.

    Example:
      >>> import fxad.numpy as fnp
      >>> float(fnp.percentile([1.0, 2.0, 3.0], 50))
      2.0
    """
    options = (method, keepdims, weights, out)
    return _quantile("percentile", a, q, axis, options, percent=True)


@implements(np.nanquantile)
def nanquantile(
    a: Any,
    q: Any,
    axis: Axis = None,
    out: Any = None,
    overwrite_input: bool = False,
    method: str = "linear",
    keepdims: bool = False,
    *,
    weights: Any = None,
) -> Any:
    """Quantiles of the elements that are not NaN.

    Args:
      a: array or list of real numbers.
      q: which ones, from 0 to 1; number or array.
      axis: an axis or several; None is all of them.
      out: none with traced arrays.
      overwrite_input: as for NumPy, of plain arrays.
      method: how to choose between neighbours: any of NumPy's.
      keepdims: leaves the axes in place, at length 1.
      weights: of the elements; for ``method="inverted_cdf"`` alone.

    Returns:
      An array with the axes of ``q``, then those of ``a`` that are left.

    Example:
      >>> import fxad.numpy as fnp
      >>> float(fnp.nanquantile([1.0, fnp.nan, 3.0], 0.5))
      2.0
    """
    options = (method, keepdims, weights, out)
    return _quantile("nanquantile", a, q, axis, options, skip_nan=True)


@implements(np.nanpercentile)
def nanpercentile(
    a: Any,
    q: Any,
    axis: Axis = None,
    out: Any = None,
    overwrite_input: bool = False,
    method: str = "linear",
    keepdims: bool = False,
    *,
    weights: Any = None,
) -> Any:
    """Percentiles of the elements that are not NaN.

    Args:
      a: array or list of real numbers.
      q: which ones, from 0 to 100; number or array.
      axis: an axis or several; None is all of them.
      out: none with traced arrays.
      overwrite_input: as for NumPy, of plain arrays.
      method: how to choose between neighbours: any of NumPy's.
      keepdims: leaves the axes in place, at length 1.
      weights: of the elements; for ``method="inverted_cdf"`` alone.

    Returns:
      An array with the axes of ``q``, then those of ``a`` that are left.

    Example:
      >>> import fxad.numpy as fnp
      >>> float(fnp.nanpercentile([1.0, fnp.nan, 3.0], 50))
      2.0
    """
    options = (method, keepdims, weights, out)
    return _quantile("nanpercentile", a, q, axis, options, skip_nan=True, percent=True)


@implements(np.median)
def median(
    a: Any,
    axis: Axis = None,
    out: Any = None,
    overwrite_input: bool = False,
    keepdims: bool = False,
) -> Any:
    """The middle element in order, or the mean of the two in the middle.

    Args:
      a: array or list of real numbers.
      axis: an axis or several; None is all of them.
      out: none with traced arrays.
      overwrite_input: as for NumPy, of plain arrays.
      keepdims: leaves the axes in place, at length 1.

    Returns:
      An array without the axes.

    Example:
      >>> import fxad.numpy as fnp
      >>> float(fnp.median([1.0, 2.0, 3.0]))
      2.0
    """
    refuse_out("median", out)
    return _median(a, axis, keepdims, False)


@implements(np.nanmedian)
def nanmedian(
    a: Any,
    axis: Axis = None,
    out: Any = None,
    overwrite_input: bool = False,
    keepdims: bool = False,
) -> Any:
    """The middle of the elements that are not NaN.

    Args:
      a: array or list of real numbers.
      axis: an axis or several; None is all of them.
      out: none with traced arrays.
      overwrite_input: as for NumPy, of plain arrays.
      keepdims: leaves the axes in place, at length 1.

    Returns:
      An array without the axes.

    Example:
      >>> import fxad.numpy as fnp
      >>> float(fnp.nanmedian([1.0, fnp.nan, 3.0]))
      2.0
    """
    refuse_out("nanmedian", out)
    return _median(a, axis, keepdims, True)
