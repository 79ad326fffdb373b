"""Reductions that leave NaN out."""

from __future__ import annotations

from typing import Any

import numpy as np

import fxad.ops.cumulative as cumulative
import fxad.ops.elementwise as ops
import fxad.ops.reduction as reduction
from fxad.core.source import error
from fxad.core.trace import Tracer
from fxad.errors import ArgumentValueError
from fxad.numpy.dispatch import implements, refuse_out
from fxad.numpy.nested import operand
from fxad.numpy.reductions import Axis
from fxad.ops.base import broadcast_to, dtype_of, shape_of


def _there(a: Any, where: Any = None) -> Any:
    """Where elements take part; None for all of an array that cannot hold NaN."""
    if dtype_of(a).kind not in "fc":
        return where
    there = ops.logical_not(ops.isnan(a))
    return there if where is None else ops.logical_and(there, where)


def _filled(a: Any, value: Any) -> Any:
    there = _there(a)
    return a if there is None else ops.select(there, a, value)


@implements(np.nansum)
def nansum(
    a: Any,
    axis: Axis = None,
    dtype: Any = None,
    out: Any = None,
    keepdims: bool = False,
    initial: Any = None,
    where: Any = None,
) -> Any:
    """The sum of the elements that are not NaN.

    Args:
      a: array, number or list.
      axis: an axis or several; None is all of them.
      dtype: to compute in; None is that of ``a``.
      out: none with traced arrays.
      keepdims: leaves the axes in place, at length 1.
      initial: added to the sum.
      where: a mask that broadcasts to ``a``: other elements are left out.

    Returns:
      An array without the axes.

    Example:
      >>> import fxad.numpy as fnp
      >>> float(fnp.nansum([1.0, fnp.nan, 3.0]))
      4.0
    """
    refuse_out("nansum", out)
    a = operand(a)
    total = reduction.sum_(a, axis, dtype, keepdims, None, _there(a, where))
    return total if initial is None else ops.add(total, initial)


@implements(np.nanprod)
def nanprod(
    a: Any,
    axis: Axis = None,
    dtype: Any = None,
    out: Any = None,
    keepdims: bool = False,
    initial: Any = None,
    where: Any = None,
) -> Any:
    """The product of the elements that are not NaN.

    Args:
      a: array, number or list.
      axis: an axis or several; None is all of them.
      dtype: to compute in; None is that of ``a``.
      out: none with traced arrays.
      keepdims: leaves the axes in place, at length 1.
      initial: multiplied to the product.
      where: a mask that broadcasts to ``a``: other elements are left out.

    Returns:
      An array without the axes.

    Example:
      >>> import fxad.numpy as fnp
      >>> float(fnp.nanprod([1.0, fnp.nan, 3.0]))
      3.0
    """
    refuse_out("nanprod", out)
    a = operand(a)
    total = reduction.prod(a, axis, dtype, keepdims, None, _there(a, where))
    return total if initial is None else ops.mul(total, initial)


@implements(np.nanmax)
def nanmax(
    a: Any,
    axis: Axis = None,
    out: Any = None,
    keepdims: bool = False,
    initial: Any = None,
    where: Any = None,
) -> Any:
    """The greatest element, NaN left out; NaN where all are.

    Args:
      a: array, number or list.
      axis: an axis or several; None is all of them.
      out: none with traced arrays.
      keepdims: leaves the axes in place, at length 1.
      initial: a value to start from.
      where: a mask that broadcasts to ``a``; needs ``initial``.

    Returns:
      An array without the axes.

    Example:
      >>> import fxad.numpy as fnp
      >>> float(fnp.nanmax([1.0, fnp.nan, 3.0]))
      3.0
    """
    refuse_out("nanmax", out)
    a = operand(a)
    out = reduction.amax(_filled(a, -np.inf), axis, keepdims, initial, where)
    if initial is not None or _there(a) is None:
        return out
    return ops.select(reduction.any_(_there(a), axis, keepdims), out, np.nan)


@implements(np.nanmin)
def nanmin(
    a: Any,
    axis: Axis = None,
    out: Any = None,
    keepdims: bool = False,
    initial: Any = None,
    where: Any = None,
) -> Any:
    """The least element, NaN left out; NaN where all are.

    Args:
      a: array, number or list.
      axis: an axis or several; None is all of them.
      out: none with traced arrays.
      keepdims: leaves the axes in place, at length 1.
      initial: a value to start from.
      where: a mask that broadcasts to ``a``; needs ``initial``.

    Returns:
      An array without the axes.

    Example:
      >>> import fxad.numpy as fnp
      >>> float(fnp.nanmin([1.0, fnp.nan, 3.0]))
      1.0
    """
    refuse_out("nanmin", out)
    a = operand(a)
    out = reduction.amin(_filled(a, np.inf), axis, keepdims, initial, where)
    if initial is not None or _there(a) is None:
        return out
    return ops.select(reduction.any_(_there(a), axis, keepdims), out, np.nan)


@implements(np.nanmean)
def nanmean(
    a: Any,
    axis: Axis = None,
    dtype: Any = None,
    out: Any = None,
    keepdims: bool = False,
    *,
    where: Any = None,
) -> Any:
    """The mean of the elements that are not NaN.

    Args:
      a: array, number or list.
      axis: an axis or several; None is all of them.
      dtype: to compute in; None is that of ``a``.
      out: none with traced arrays.
      keepdims: leaves the axes in place, at length 1.
      where: a mask that broadcasts to ``a``: other elements are left out.

    Returns:
      An array without the axes; NaN where no element is left.

    Example:
      >>> import fxad.numpy as fnp
      >>> float(fnp.nanmean([1.0, fnp.nan, 3.0]))
      2.0
    """
    refuse_out("nanmean", out)
    a = operand(a)
    return reduction.mean(a, axis, dtype, keepdims, _there(a, where))


@implements(np.nanvar)
def nanvar(
    a: Any,
    axis: Axis = None,
    dtype: Any = None,
    out: Any = None,
    ddof: float = 0,
    keepdims: bool = False,
    *,
    where: Any = None,
    correction: float | None = None,
) -> Any:
    """The variance of the elements that are not NaN.

    Args:
      a: array, number or list.
      axis: an axis or several; None is all of them.
      dtype: to compute in; None is that of ``a``.
      out: none with traced arrays.
      ddof: the sum is divided by the number of elements less this.
      keepdims: leaves the axes in place, at length 1.
      where: a mask that broadcasts to ``a``: other elements are left out.
      correction: another name of ``ddof``.

    Returns:
      A real array without the axes; NaN where too few elements are left.

    Example:
      >>> import fxad.numpy as fnp
      >>> float(fnp.nanvar([1.0, fnp.nan, 3.0]))
      1.0
    """
    refuse_out("nanvar", out)
    a = operand(a)
    ddof = ddof if correction is None else correction
    there = _there(a, where)
    found = reduction.var(a, axis, dtype, ddof, keepdims, there)
    if there is None:
        return found
    left = reduction.sum_(_everywhere(there, a), axis, keepdims=keepdims)
    return ops.select(ops.gt(left, ddof), found, np.nan)


@implements(np.nanstd)
def nanstd(
    a: Any,
    axis: Axis = None,
    dtype: Any = None,
    out: Any = None,
    ddof: float = 0,
    keepdims: bool = False,
    *,
    where: Any = None,
    correction: float | None = None,
) -> Any:
    """The standard deviation of the elements that are not NaN.

    Args:
      a: array, number or list.
      axis: an axis or several; None is all of them.
      dtype: to compute in; None is that of ``a``.
      out: none with traced arrays.
      ddof: the sum is divided by the number of elements less this.
      keepdims: leaves the axes in place, at length 1.
      where: a mask that broadcasts to ``a``: other elements are left out.
      correction: another name of ``ddof``.

    Returns:
      A real array without the axes; NaN where too few elements are left.

    Example:
      >>> import fxad.numpy as fnp
      >>> float(fnp.nanstd([1.0, fnp.nan, 3.0]))
      1.0
    """
    refuse_out("nanstd", out)
    a = operand(a)
    ddof = ddof if correction is None else correction
    there = _there(a, where)
    found = reduction.std(a, axis, dtype, ddof, keepdims, there)
    if there is None:
        return found
    left = reduction.sum_(_everywhere(there, a), axis, keepdims=keepdims)
    return ops.select(ops.gt(left, ddof), found, np.nan)


def _everywhere(mask: Any, a: Any) -> Any:
    return broadcast_to(mask, shape_of(a))


@implements(np.nanargmax)
def nanargmax(a: Any, axis: int | None = None, out: Any = None, *, keepdims: bool = False) -> Any:
    """Where the greatest element stands, NaN left out.

    Args:
      a: array, number or list.
      axis: the axis; None counts in the flattened array.
      out: none with traced arrays.
      keepdims: leaves the axes in place, at length 1.

    Returns:
      An integer array without the axis.

    Example:
      >>> import fxad.numpy as fnp
      >>> int(fnp.nanargmax([1.0, fnp.nan, 3.0]))
      2
    """
    refuse_out("nanargmax", out)
    a = operand(a)
    _refuse_all_nan("nanargmax", a, axis)
    return reduction.argmax(_filled(a, -np.inf), axis, keepdims)


@implements(np.nanargmin)
def nanargmin(a: Any, axis: int | None = None, out: Any = None, *, keepdims: bool = False) -> Any:
    """Where the least element stands, NaN left out.

    Args:
      a: array, number or list.
      axis: the axis; None counts in the flattened array.
      out: none with traced arrays.
      keepdims: leaves the axes in place, at length 1.

    Returns:
      An integer array without the axis.

    Example:
      >>> import fxad.numpy as fnp
      >>> int(fnp.nanargmin([1.0, fnp.nan, 3.0]))
      0
    """
    refuse_out("nanargmin", out)
    a = operand(a)
    _refuse_all_nan("nanargmin", a, axis)
    return reduction.argmin(_filled(a, np.inf), axis, keepdims)


def _refuse_all_nan(operation: str, a: Any, axis: int | None) -> None:
    there = _there(a)
    if there is None:
        return
    empty = reduction.all_(ops.logical_not(there), axis)
    if not isinstance(empty, Tracer) and np.any(empty):
        raise error(ArgumentValueError, operation, "got a slice with nothing but NaN")


@implements(np.nancumsum)
def nancumsum(a: Any, axis: int | None = None, dtype: Any = None, out: Any = None) -> Any:
    """Running sums, NaN counted as 0.

    Args:
      a: array, number or list.
      axis: the axis; None flattens first.
      dtype: to compute in; None is that of ``a``.
      out: none with traced arrays.

    Returns:
      An array of the same shape, or of one dimension.

    Example:
      >>> import fxad.numpy as fnp
      >>> fnp.nancumsum([1.0, fnp.nan, 3.0]).tolist()
      [1.0, 1.0, 4.0]
    """
    refuse_out("nancumsum", out)
    return cumulative.cumsum(_filled(operand(a), 0), axis, dtype)


@implements(np.nancumprod)
def nancumprod(a: Any, axis: int | None = None, dtype: Any = None, out: Any = None) -> Any:
    """Running products, NaN counted as 1.

    Args:
      a: array, number or list.
      axis: the axis; None flattens first.
      dtype: to compute in; None is that of ``a``.
      out: none with traced arrays.

    Returns:
      An array of the same shape, or of one dimension.

    Example:
      >>> import fxad.numpy as fnp
      >>> fnp.nancumprod([1.0, fnp.nan, 3.0]).tolist()
      [1.0, 1.0, 3.0]
    """
    refuse_out("nancumprod", out)
    return cumulative.cumprod(_filled(operand(a), 1), axis, dtype)
