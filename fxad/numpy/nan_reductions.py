"""Reductions that leave NaN out."""

from __future__ import annotations

from typing import Any

import numpy as np

import fxad.ops.cumulative as cumulative
import fxad.ops.elementwise as ops
import fxad.ops.logic as logic
import fxad.ops.reduction as reduction
from fxad.core.source import error
from fxad.core.trace import Tracer
from fxad.errors import ArgumentValueError
from fxad.numpy.arguments import freedom, inexact_dtype, mask, start
from fxad.numpy.dispatch import implements, refuse_out
from fxad.numpy.nested import operand
from fxad.numpy.reductions import Axis, std, var
from fxad.ops.base import broadcast_to, dtype_of, shape_of


def _there(a: Any, where: Any = None) -> Any:
    """Where elements take part; None for all of an array that cannot hold NaN."""
    if dtype_of(a).kind not in "fc":
        return where
    there = logic.logical_not(logic.isnan(a))
    return there if where is None else logic.logical_and(there, where)


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
    there = _there(a, mask("nansum", where))
    total = reduction.sum_(a, axis, dtype, keepdims, None, there)
    return total if initial is None else ops.add(total, start("nansum", initial, dtype_of(total)))


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
    there = _there(a, mask("nanprod", where))
    total = reduction.prod(a, axis, dtype, keepdims, None, there)
    return total if initial is None else ops.mul(total, start("nanprod", initial, dtype_of(total)))


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
    initial, where = start("nanmax", initial, dtype_of(a)), mask("nanmax", where)
    if _there(a) is None or (initial is None and where is not None):
        return reduction.amax(a, axis, keepdims, initial, where)
    if initial is not None:
        least = reduction.amax(_filled(a, -np.inf), axis, keepdims, -np.inf, where)
        return ops.fmax(least, initial)
    out = reduction.amax(_filled(a, -np.inf), axis, keepdims)
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
    initial, where = start("nanmin", initial, dtype_of(a)), mask("nanmin", where)
    if _there(a) is None or (initial is None and where is not None):
        return reduction.amin(a, axis, keepdims, initial, where)
    if initial is not None:
        least = reduction.amin(_filled(a, np.inf), axis, keepdims, np.inf, where)
        return ops.fmin(least, initial)
    out = reduction.amin(_filled(a, np.inf), axis, keepdims)
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
    if dtype_of(a).kind in "fc":
        inexact_dtype("nanmean", dtype)
    return reduction.mean(a, axis, dtype, keepdims, _there(a, mask("nanmean", where)))


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
    mean: Any = None,
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
      mean: the mean with its axes kept, where it is known already.
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
    ddof = freedom("nanvar", ddof, correction)
    there = _there(a, mask("nanvar", where))
    options = {} if mean is None else {"mean": mean}
    if there is None:
        return var(a, axis, dtype, None, ddof, keepdims, **options)
    found = var(a, axis, dtype, None, ddof, keepdims, where=there, **options)
    left = reduction.sum_(_everywhere(there, a), axis, keepdims=keepdims)
    return ops.select(logic.gt(left, ddof), found, np.nan)


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
    mean: Any = None,
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
      mean: the mean with its axes kept, where it is known already.
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
    ddof = freedom("nanstd", ddof, correction)
    there = _there(a, mask("nanstd", where))
    options = {} if mean is None else {"mean": mean}
    if there is None:
        return std(a, axis, dtype, None, ddof, keepdims, **options)
    found = std(a, axis, dtype, None, ddof, keepdims, where=there, **options)
    left = reduction.sum_(_everywhere(there, a), axis, keepdims=keepdims)
    return ops.select(logic.gt(left, ddof), found, np.nan)


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
    empty = reduction.all_(logic.logical_not(there), axis)
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
