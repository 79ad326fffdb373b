"""Averages and covariances."""

from __future__ import annotations

import builtins
import math
import operator
from typing import Any

import numpy as np

import fxad.ops.elementwise as ops
import fxad.ops.reduction as reduction
from fxad.core.source import error
from fxad.core.trace import Tracer
from fxad.errors import ArgumentValueError, ShapeError
from fxad.numpy.arguments import fitted_weights
from fxad.numpy.dispatch import implements, inexact
from fxad.numpy.nested import operand
from fxad.numpy.reductions import Axis
from fxad.ops.base import (
    broadcast_to,
    convert,
    dtype_of,
    full_beside,
    reshape,
    shape_of,
    transpose,
)
from fxad.ops.contraction import matmul
from fxad.ops.shape import concatenate, expand_dims, ravel, slice_in_dim


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
        total = full_beside(out, shape_of(out), count)
    else:
        w = fitted_weights("average", operand(weights), a, axis)
        dtype = np.result_type(dtype_of(a), dtype_of(w))
        dtype = np.result_type(dtype, np.float64) if dtype_of(a).kind in "iub" else dtype
        total = reduction.sum_(w, axis, dtype, keepdims)
        _refuse_zero(total)
        weighted = ops.mul(convert(a, dtype), convert(w, dtype))
        out = ops.div(reduction.sum_(weighted, axis, None, keepdims), total)
    return (out, broadcast_to(total, shape_of(out))) if returned else out


def _refuse_zero(total: Any) -> None:
    known = total.concrete() if isinstance(total, Tracer) else total
    if known is not None and np.any(known == 0):
        raise error(ArgumentValueError, "average", "got weights that add up to zero")


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
    x = _variables(m, rowvar)
    if y is not None:
        y = _variables(y, rowvar)
    if dtype is None:
        dtype = np.result_type(dtype_of(x), np.float64, *([] if y is None else [dtype_of(y)]))
    x = convert(x, dtype)
    x = x if y is None else concatenate([x, convert(y, dtype)], 0)
    count = shape_of(x)[1]
    w, rest = _observed(count, fweights, aweights)
    ddof = (0 if bias else 1) if ddof is None else operator.index(ddof)
    if w is None:
        mean, factor = reduction.mean(x, 1, None, True), count - ddof
    else:
        total = reduction.sum_(w)
        mean = ops.div(reduction.sum_(ops.mul(x, w), 1, keepdims=True), total)
        factor = ops.sub(total, ddof if rest is None else ops.div(ops.mul(ddof, rest), total))
    away = ops.sub(x, mean)
    weighted = away if w is None else ops.mul(away, w)
    turned = transpose(weighted, (1, 0))
    turned = ops.conj(turned) if dtype_of(x).kind == "c" else turned
    factor = ops.div(1.0, ops.max(factor, np.float64(0)))
    out = ops.mul(matmul(away, turned), convert(factor, np.empty(0, dtype).real.dtype))
    return reshape(out, [n for n in shape_of(out) if n != 1])


def _variables(m: Any, rowvar: bool) -> Any:
    """One row for each variable."""
    m = operand(m)
    if len(shape_of(m)) > 2:
        raise error(ShapeError, "cov", f"got {shape_of(m)}, wanted two dimensions at most")
    if len(shape_of(m)) < 2:
        return reshape(m, (1, math.prod(shape_of(m))))
    return m if rowvar else transpose(m, (1, 0))


def _observed(count: int, fweights: Any, aweights: Any) -> tuple[Any, Any]:
    """The weights of the observations, and the sum of them times ``aweights``; None for none."""
    if fweights is not None:
        fweights = operand(fweights)
        _check_weights("fweights", fweights, count, whole=True)
        fweights = inexact(fweights)
    if aweights is None:
        return fweights, None
    aweights = operand(aweights)
    _check_weights("aweights", aweights, count, whole=False)
    aweights = inexact(aweights)
    w = aweights if fweights is None else ops.mul(fweights, aweights)
    return w, reduction.sum_(ops.mul(w, aweights))


def _check_weights(name: str, weights: Any, count: int, whole: bool) -> None:
    if shape_of(weights) != (count,):
        raise error(ShapeError, "cov", f"got {name} of {shape_of(weights)}, wanted {(count,)}")
    known = weights.concrete() if isinstance(weights, Tracer) else weights
    if known is None:
        return
    if np.any(known < 0):
        raise error(ArgumentValueError, "cov", f"got negative {name}")
    if whole and np.any(known != np.round(known)):
        raise error(ArgumentValueError, "cov", f"got {name} that are no whole numbers")


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
