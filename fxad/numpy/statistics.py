"""Averages, quantiles, covariances, counts."""

from __future__ import annotations

import builtins
import math
from collections.abc import Callable
from typing import Any

import numpy as np

import fxad.ops.elementwise as ops
import fxad.ops.logic as logic
import fxad.ops.reduction as reduction
from fxad.core.source import error
from fxad.core.trace import Tracer
from fxad.errors import ArgumentValueError, ShapeError
from fxad.numpy.dispatch import implements, inexact, refuse_out
from fxad.numpy.nested import operand
from fxad.numpy.reductions import Axis
from fxad.ops.base import (
    broadcast_to,
    convert,
    dtype_of,
    full,
    moveaxis,
    normalize_axes,
    reshape,
    shape_of,
    transpose,
)
from fxad.ops.contraction import matmul
from fxad.ops.indexing import take_along_axis
from fxad.ops.shape import concatenate, expand_dims, ravel, slice_in_dim
from fxad.ops.sorting import sort


@implements(np.average)
def average(
    a: Any,
    axis: Axis = None,
    weights: Any = None,
    returned: bool = False,
    *,
    keepdims: bool = False,
) -> Any:
    """The weighted mean.

    Args:
      a: array or list.
      axis: an axis or several; None is all of them.
      weights: of the shape of ``a``, or a vector along one axis; None: all equal.
      returned: returns the sum of the weights too.
      keepdims: leaves the axes in place, at length 1.

    Returns:
      An array without the axes, or a pair of it and the sums of weights.

    Raises:
      ShapeError: the weights do not fit.

    Example:
      >>> import fxad.numpy as fnp
      >>> float(fnp.average([1.0, 4.0], weights=[2, 1]))
      2.0
    """
    a = operand(a)
    if weights is None:
        out = reduction.mean(a, axis, None, keepdims)
        count = math.prod(shape_of(a)) / builtins.max(math.prod(shape_of(out)), 1)
        total = full(shape_of(out), count, dtype_of(out))
    else:
        w = _fitted(operand(weights), a, axis)
        dtype = np.result_type(dtype_of(a), dtype_of(w))
        dtype = np.result_type(dtype, np.float64) if dtype_of(a).kind in "iub" else dtype
        total = reduction.sum_(w, axis, dtype, keepdims)
        out = ops.div(reduction.sum_(ops.mul(a, w), axis, dtype, keepdims), total)
    return (out, broadcast_to(total, shape_of(out))) if returned else out


def _fitted(weights: Any, a: Any, axis: Axis) -> Any:
    """The weights in the shape of the array."""
    shape = shape_of(a)
    if shape_of(weights) == shape:
        return weights
    axes = (axis,) if isinstance(axis, int) else tuple(axis or ())
    axes = tuple(d % len(shape) for d in axes)
    if shape_of(weights) != tuple(shape[d] for d in axes):
        raise error(
            ShapeError,
            "average",
            f"got weights of shape {shape_of(weights)} for {shape} along axis {axis}, wanted the "
            "shape of the array or of those axes",
        )
    order = sorted(range(len(axes)), key=axes.__getitem__)
    weights = transpose(weights, order)
    return broadcast_to(
        reshape(weights, [n if d in axes else 1 for d, n in enumerate(shape)]), shape
    )


# Quantiles ---------------------------------------------------------------------------------------

#: Hyndman and Fan's continuous families, "Sample quantiles in statistical packages", 1996: the
#: virtual place of a quantile is n q + alpha + q (1 - alpha - beta) - 1.
_FAMILIES = {
    "linear": (1, 1),
    "interpolated_inverted_cdf": (0, 1),
    "hazen": (0.5, 0.5),
    "weibull": (0, 0),
    "median_unbiased": (1 / 3, 1 / 3),
    "normal_unbiased": (3 / 8, 3 / 8),
}
_NEIGHBOURS: dict[str, Callable[[Any], Any]] = {
    "lower": ops.floor,
    "higher": ops.ceil,
    "nearest": ops.rint,
}


def _to_last(a: Any, axis: Axis) -> tuple[Any, tuple[int, ...]]:
    """The axes as one axis at the end, and the shape of a result that keeps them."""
    shape = shape_of(a)
    axes = normalize_axes("quantile", axis, len(shape))
    rest = [d for d in range(len(shape)) if d not in axes]
    kept = tuple(1 if d in axes else n for d, n in enumerate(shape))
    lengths = [shape[d] for d in rest]
    return reshape(
        transpose(a, [*rest, *axes]), (*lengths, math.prod(shape[d] for d in axes))
    ), kept


def _quantile(
    operation: str, a: Any, q: Any, axis: Axis, method: str, keepdims: bool, skip_nan: bool
) -> Any:
    """The quantiles of the elements along axes; those of ``q`` come first in the result."""
    _check_quantile(operation, q, method)
    a, kept = _to_last(operand(a), axis)
    length = shape_of(a)[-1]
    if not length:
        raise error(ArgumentValueError, operation, "got no elements, wanted at least one")
    a = sort(a)
    count: Any = length
    if skip_nan:
        count = reduction.sum_(logic.logical_not(logic.isnan(a)), -1, keepdims=True)
        count = convert(ops.max(count, 1), np.float64)
    weak = type(q) in (int, float)
    # Places are counted in float64, whatever the elements are.
    q = convert(q, np.float64) if weak else operand(q)
    out = _at_places(a, _virtual(count, ravel(q), method), count, method, weak)
    if not skip_nan and dtype_of(a).kind == "f":
        bad = logic.isnan(slice_in_dim(a, length - 1, length, len(shape_of(a)) - 1))
        out = ops.select(bad, np.nan, out)
    out = moveaxis(out, len(shape_of(out)) - 1, 0)
    return reshape(out, (*shape_of(q), *(kept if keepdims else shape_of(a)[:-1])))


def _check_quantile(operation: str, q: Any, method: str) -> None:
    methods = (*_FAMILIES, *_NEIGHBOURS, "midpoint")
    if method not in methods:
        raise error(
            ArgumentValueError,
            operation,
            f"got method={method!r} for a traced array, wanted one of {', '.join(methods)}",
        )
    value = q.concrete() if isinstance(q, Tracer) else q
    if value is not None and not np.all((np.asarray(value) >= 0) & (np.asarray(value) <= 1)):
        raise error(ArgumentValueError, operation, f"got q={q}, wanted quantiles from 0 to 1")


def _virtual(count: Any, q: Any, method: str) -> Any:
    """Where in the sorted elements the quantiles lie."""
    if method not in _FAMILIES or method == "linear":
        return ops.mul(ops.sub(count, 1), q)
    alpha, beta = _FAMILIES[method]
    return ops.sub(ops.add(ops.mul(count, q), ops.add(ops.mul(q, 1 - alpha - beta), alpha)), 1)


def _at_places(a: Any, places: Any, count: Any, method: str, weak: bool) -> Any:
    """The elements at fractional places of the last axis."""
    last = ops.sub(count, 1)
    if method in _NEIGHBOURS:
        return _element(a, _NEIGHBOURS[method](places), last)
    low = ops.floor(places)
    below, above = _element(a, low, last), _element(a, ops.add(low, 1), last)
    share = ops.min(ops.max(ops.sub(places, low), 0), 1)
    if method == "midpoint":
        share = ops.select(logic.eq(low, places), 0.0, 0.5)
    share = ops.select(logic.lt(places, 0), 0, share)
    far, rest = logic.ge(share, 0.5), ops.sub(1, share)
    if weak and dtype_of(a).kind == "f":
        share, rest = convert(share, dtype_of(a)), convert(rest, dtype_of(a))
    rise = ops.sub(above, below)
    # As NumPy: from the nearer side, so that both ends are met exactly.
    upward, downward = ops.add(below, ops.mul(rise, share)), ops.sub(above, ops.mul(rise, rest))
    return ops.select(far, downward, upward)


def _element(a: Any, place: Any, last: Any) -> Any:
    index = convert(ops.min(ops.max(place, 0), last), np.int64)
    index = broadcast_to(index, (*shape_of(a)[:-1], shape_of(index)[-1]))
    return take_along_axis(a, index, -1)


def _percent(q: Any) -> Any:
    if type(q) in (int, float):
        return q / 100
    return ops.div(operand(q), 100)


def _refuse_weights(operation: str, weights: Any, out: Any) -> None:
    refuse_out(operation, out)
    if weights is not None:
        raise error(
            ArgumentValueError, operation, "got weights= beside a traced value, wanted none then"
        )


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
      method: how to choose between neighbours; traced, the continuous ones of NumPy, "lower",
        "higher", "nearest" and "midpoint".
      keepdims: leaves the axes in place, at length 1.
      weights: none with traced arrays.

    Returns:
      An array with the axes of ``q``, then those of ``a`` that are left.

    Example:
      >>> import fxad.numpy as fnp
      >>> float(fnp.quantile([1.0, 2.0, 3.0], 0.5))
      2.0
    """
    _refuse_weights("quantile", weights, out)
    return _quantile("quantile", a, q, axis, method, keepdims, False)


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
      method: how to choose between neighbours; traced, the continuous ones of NumPy, "lower",
        "higher", "nearest" and "midpoint".
      keepdims: leaves the axes in place, at length 1.
      weights: none with traced arrays.

    Returns:
      An array with the axes of ``q``, then those of ``a`` that are left.

    Example:
      >>> import fxad.numpy as fnp
      >>> float(fnp.percentile([1.0, 2.0, 3.0], 50))
      2.0
    """
    _refuse_weights("percentile", weights, out)
    return _quantile("percentile", a, _percent(q), axis, method, keepdims, False)


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
      method: how to choose between neighbours; traced, the continuous ones of NumPy, "lower",
        "higher", "nearest" and "midpoint".
      keepdims: leaves the axes in place, at length 1.
      weights: none with traced arrays.

    Returns:
      An array with the axes of ``q``, then those of ``a`` that are left.

    Example:
      >>> import fxad.numpy as fnp
      >>> float(fnp.nanquantile([1.0, fnp.nan, 3.0], 0.5))
      2.0
    """
    _refuse_weights("nanquantile", weights, out)
    return _quantile("nanquantile", a, q, axis, method, keepdims, True)


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
      method: how to choose between neighbours; traced, the continuous ones of NumPy, "lower",
        "higher", "nearest" and "midpoint".
      keepdims: leaves the axes in place, at length 1.
      weights: none with traced arrays.

    Returns:
      An array with the axes of ``q``, then those of ``a`` that are left.

    Example:
      >>> import fxad.numpy as fnp
      >>> float(fnp.nanpercentile([1.0, fnp.nan, 3.0], 50))
      2.0
    """
    _refuse_weights("nanpercentile", weights, out)
    return _quantile("nanpercentile", a, _percent(q), axis, method, keepdims, True)


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
    return _quantile("median", inexact(operand(a)), 0.5, axis, "linear", keepdims, False)


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
    return _quantile("nanmedian", inexact(operand(a)), 0.5, axis, "linear", keepdims, True)


# Covariance --------------------------------------------------------------------------------------


@implements(np.cov)
def cov(
    m: Any,
    y: Any = None,
    rowvar: bool = True,
    bias: bool = False,
    ddof: int | None = None,
    fweights: Any = None,
    aweights: Any = None,
    *,
    dtype: Any = None,
) -> Any:
    """The covariance matrix of variables.

    Args:
      m: the observations: a variable in each row, or one variable as a vector.
      y: more variables, of the same form.
      rowvar: whether rows are variables; else columns are.
      bias: divides by the number of observations instead of one less.
      ddof: divides by the number of observations less this.
      fweights: how often each observation was made.
      aweights: the relative weight of each observation.
      dtype: to compute in.

    Returns:
      A square matrix; one number for a single variable.

    Raises:
      ShapeError: there are more than two dimensions.

    Example:
      >>> import fxad.numpy as fnp
      >>> fnp.cov([[1.0, 2.0, 3.0], [3.0, 2.0, 1.0]]).tolist()
      [[1.0, -1.0], [-1.0, 1.0]]
    """
    x = _variables(m, rowvar, dtype)
    if y is not None:
        x = concatenate([x, _variables(y, rowvar, dtype)], 0)
    ddof = (0 if bias else 1) if ddof is None else ddof
    w: Any = None
    if fweights is not None:
        w = inexact(operand(fweights))
    if aweights is not None:
        w = operand(aweights) if w is None else ops.mul(w, aweights)
    count = shape_of(x)[1]
    if w is None:
        mean, factor = reduction.mean(x, 1, None, True), count - ddof
    else:
        total = reduction.sum_(w)
        mean = ops.div(reduction.sum_(ops.mul(x, w), 1, keepdims=True), total)
        factor = ops.sub(total, _lost(w, total, ddof, aweights))
    away = ops.sub(x, mean)
    weighted = away if w is None else ops.mul(away, w)
    turned = transpose(weighted, (1, 0))
    turned = ops.conj(turned) if dtype_of(x).kind == "c" else turned
    out = ops.mul(matmul(away, turned), ops.div(1.0, factor))
    return reshape(out, [n for n in shape_of(out) if n != 1])


def _variables(m: Any, rowvar: bool, dtype: Any) -> Any:
    m = inexact(operand(m))
    m = m if dtype is None else convert(m, dtype)
    if len(shape_of(m)) > 2:
        raise error(ShapeError, "cov", f"got {shape_of(m)}, wanted two dimensions at most")
    if len(shape_of(m)) < 2:
        return reshape(m, (1, math.prod(shape_of(m))))
    return m if rowvar else transpose(m, (1, 0))


def _lost(w: Any, total: Any, ddof: int, aweights: Any) -> Any:
    """The degrees of freedom that the mean takes."""
    if not ddof:
        return 0
    if aweights is None:
        return ddof
    return ops.div(ops.mul(ddof, reduction.sum_(ops.mul(w, aweights))), total)


@implements(np.corrcoef)
def corrcoef(x: Any, y: Any = None, rowvar: bool = True, *, dtype: Any = None) -> Any:
    """The correlation matrix of variables.

    Args:
      x: the observations: a variable in each row, or one variable as a vector.
      y: more variables, of the same form.
      rowvar: whether rows are variables; else columns are.
      dtype: to compute in.

    Returns:
      A square matrix; one number for a single variable.

    Example:
      >>> import fxad.numpy as fnp
      >>> fnp.corrcoef([[1.0, 2.0, 3.0], [3.0, 2.0, 1.0]]).tolist()
      [[1.0, -1.0], [-1.0, 1.0]]
    """
    c = cov(x, y, rowvar, dtype=dtype)
    if not shape_of(c):
        return ops.div(c, c)
    spread = ops.sqrt(ops.real(_diagonal(c)) if dtype_of(c).kind == "c" else _diagonal(c))
    c = ops.div(ops.div(c, expand_dims(spread, 1)), expand_dims(spread, 0))
    if dtype_of(c).kind == "c":
        return ops.complex_(_within(ops.real(c)), _within(ops.imag(c)))
    return _within(c)


def _diagonal(c: Any) -> Any:
    n = shape_of(c)[0]
    return slice_in_dim(ravel(c), 0, n * n, 0, n + 1)


def _within(c: Any) -> Any:
    return ops.min(ops.max(c, -1), 1)
