"""Sums, products, extrema and moments over axes, and their running forms."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

import fxad.ops.cumulative as cumulative
import fxad.ops.reduction as ops
from fxad.core.source import error
from fxad.errors import ArgumentValueError
from fxad.numpy.arguments import freedom, inexact_dtype, mask, start
from fxad.numpy.dispatch import implements, refuse_out
from fxad.numpy.nested import operand
from fxad.ops.base import broadcast_to, dtype_of, normalize_axis, reshape, shape_of
from fxad.ops.elementwise import add, conj, div, mul, real, sub
from fxad.ops.elementwise import max as maximum
from fxad.ops.shape import pad

Axis = int | Sequence[int] | None


@implements(np.sum)
def sum(
    a: Any,
    axis: Axis = None,
    dtype: Any = None,
    out: Any = None,
    keepdims: bool = False,
    initial: Any = None,
    where: Any = None,
) -> Any:
    """The sum.

    Args:
      a: array, number or list.
      axis: an axis or several; None is all of them.
      dtype: to add up in; None is that of ``a``, and a 64-bit one for narrower integers.
      out: none with traced arrays.
      keepdims: leaves the axes in place, at length 1.
      initial: added to the sum.
      where: a mask that broadcasts to ``a``: only elements where it holds are added.

    Returns:
      An array without the axes.

    Example:
      >>> import fxad.numpy as fnp
      >>> fnp.sum([[1, 2], [3, 4]], axis=0).tolist()
      [4, 6]
    """
    refuse_out("sum", out)
    total = ops.sum_(operand(a), axis, dtype, keepdims, None, mask("sum", where))
    return total if initial is None else add(total, start("sum", initial, dtype_of(total)))


@implements(np.prod)
def prod(
    a: Any,
    axis: Axis = None,
    dtype: Any = None,
    out: Any = None,
    keepdims: bool = False,
    initial: Any = None,
    where: Any = None,
) -> Any:
    """The product.

    Args:
      a: array, number or list.
      axis: an axis or several; None is all of them.
      dtype: to multiply in; None is that of ``a``, and a 64-bit one for narrower integers.
      out: none with traced arrays.
      keepdims: leaves the axes in place, at length 1.
      initial: multiplied to the product.
      where: a mask that broadcasts to ``a``: only elements where it holds are multiplied.

    Returns:
      An array without the axes.

    Example:
      >>> import fxad.numpy as fnp
      >>> fnp.prod([[1, 2], [3, 4]], axis=1).tolist()
      [2, 12]
    """
    refuse_out("prod", out)
    product = ops.prod(operand(a), axis, dtype, keepdims, None, mask("prod", where))
    return product if initial is None else mul(product, start("prod", initial, dtype_of(product)))


@implements(np.max, np.amax)
def max(
    a: Any,
    axis: Axis = None,
    out: Any = None,
    keepdims: bool = False,
    initial: Any = None,
    where: Any = None,
) -> Any:
    """The greatest element, NaN if there is one.

    Args:
      a: array, number or list.
      axis: an axis or several; None is all of them.
      out: none with traced arrays.
      keepdims: leaves the axes in place, at length 1.
      initial: a value to start from.
      where: a mask that broadcasts to ``a``; needs ``initial``.

    Returns:
      An array without the axes. Equal elements share the derivative equally.

    Raises:
      ArgumentValueError: there are no elements, and no ``initial``.

    Example:
      >>> import fxad.numpy as fnp
      >>> int(fnp.max([1, 3, 2]))
      3
    """
    refuse_out("max", out)
    a = operand(a)
    initial = start("max", initial, dtype_of(a))
    return ops.amax(a, axis, keepdims, initial, mask("max", where))


amax = max


@implements(np.min, np.amin)
def min(
    a: Any,
    axis: Axis = None,
    out: Any = None,
    keepdims: bool = False,
    initial: Any = None,
    where: Any = None,
) -> Any:
    """The least element, NaN if there is one.

    Args:
      a: array, number or list.
      axis: an axis or several; None is all of them.
      out: none with traced arrays.
      keepdims: leaves the axes in place, at length 1.
      initial: a value to start from.
      where: a mask that broadcasts to ``a``; needs ``initial``.

    Returns:
      An array without the axes. Equal elements share the derivative equally.

    Raises:
      ArgumentValueError: there are no elements, and no ``initial``.

    Example:
      >>> import fxad.numpy as fnp
      >>> int(fnp.min([1, 3, 2]))
      1
    """
    refuse_out("min", out)
    a = operand(a)
    initial = start("min", initial, dtype_of(a))
    return ops.amin(a, axis, keepdims, initial, mask("min", where))


amin = min


@implements(np.ptp)
def ptp(a: Any, axis: Axis = None, out: Any = None, keepdims: bool = False) -> Any:
    """The greatest element less the least.

    Args:
      a: array, number or list.
      axis: an axis or several; None is all of them.
      out: none with traced arrays.
      keepdims: leaves the axes in place, at length 1.

    Returns:
      An array without the axes.

    Example:
      >>> import fxad.numpy as fnp
      >>> int(fnp.ptp([1, 3, 2]))
      2
    """
    refuse_out("ptp", out)
    return ops.ptp(operand(a), axis, keepdims)


@implements(np.any)
def any(
    a: Any, axis: Axis = None, out: Any = None, keepdims: bool = False, *, where: Any = None
) -> Any:
    """Whether one element or more is not zero.

    Args:
      a: array, number or list.
      axis: an axis or several; None is all of them.
      out: none with traced arrays.
      keepdims: leaves the axes in place, at length 1.
      where: a mask that broadcasts to ``a``: other elements are left out.

    Returns:
      A boolean array without the axes.

    Example:
      >>> import fxad.numpy as fnp
      >>> bool(fnp.any([0, 1]))
      True
    """
    refuse_out("any", out)
    return ops.any_(operand(a), axis, keepdims, mask("any", where))


@implements(np.all)
def all(
    a: Any, axis: Axis = None, out: Any = None, keepdims: bool = False, *, where: Any = None
) -> Any:
    """Whether no element is zero.

    Args:
      a: array, number or list.
      axis: an axis or several; None is all of them.
      out: none with traced arrays.
      keepdims: leaves the axes in place, at length 1.
      where: a mask that broadcasts to ``a``: other elements are left out.

    Returns:
      A boolean array without the axes.

    Example:
      >>> import fxad.numpy as fnp
      >>> bool(fnp.all([0, 1]))
      False
    """
    refuse_out("all", out)
    return ops.all_(operand(a), axis, keepdims, mask("all", where))


@implements(np.count_nonzero)
def count_nonzero(a: Any, axis: Axis = None, *, keepdims: bool = False) -> Any:
    """How many elements are not zero.

    Args:
      a: array, number or list.
      axis: an axis or several; None is all of them.
      keepdims: leaves the axes in place, at length 1.

    Returns:
      An integer array without the axes.

    Example:
      >>> import fxad.numpy as fnp
      >>> int(fnp.count_nonzero([0, 1, 2]))
      2
    """
    return ops.count_nonzero(operand(a), axis, keepdims)


@implements(np.argmax)
def argmax(a: Any, axis: int | None = None, out: Any = None, *, keepdims: bool = False) -> Any:
    """Where the greatest element stands: the first one, NaN before all.

    Args:
      a: array, number or list.
      axis: the axis; None counts in the flattened array.
      out: none with traced arrays.
      keepdims: leaves the axes in place, at length 1.

    Returns:
      An integer array without the axis.

    Example:
      >>> import fxad.numpy as fnp
      >>> int(fnp.argmax([2, 1, 3]))
      2
    """
    refuse_out("argmax", out)
    return ops.argmax(operand(a), axis, keepdims)


@implements(np.argmin)
def argmin(a: Any, axis: int | None = None, out: Any = None, *, keepdims: bool = False) -> Any:
    """Where the least element stands: the first one, NaN before all.

    Args:
      a: array, number or list.
      axis: the axis; None counts in the flattened array.
      out: none with traced arrays.
      keepdims: leaves the axes in place, at length 1.

    Returns:
      An integer array without the axis.

    Example:
      >>> import fxad.numpy as fnp
      >>> int(fnp.argmin([2, 1, 3]))
      1
    """
    refuse_out("argmin", out)
    return ops.argmin(operand(a), axis, keepdims)


@implements(np.mean)
def mean(
    a: Any,
    axis: Axis = None,
    dtype: Any = None,
    out: Any = None,
    keepdims: bool = False,
    *,
    where: Any = None,
) -> Any:
    """The arithmetic mean.

    Args:
      a: array, number or list.
      axis: an axis or several; None is all of them.
      dtype: to compute in; None is that of ``a``, float64 for integers.
      out: none with traced arrays.
      keepdims: leaves the axes in place, at length 1.
      where: a mask that broadcasts to ``a``: other elements are left out.

    Returns:
      An array without the axes.

    Example:
      >>> import fxad.numpy as fnp
      >>> float(fnp.mean([1, 2, 6]))
      3.0
    """
    refuse_out("mean", out)
    return ops.mean(operand(a), axis, dtype, keepdims, mask("mean", where))


@implements(np.var)
def var(
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
    """The variance: the mean of the squared distances from the mean.

    Args:
      a: array, number or list.
      axis: an axis or several; None is all of them.
      dtype: to compute in; None is that of ``a``, float64 for integers.
      out: none with traced arrays.
      ddof: the sum is divided by the number of elements less this.
      keepdims: leaves the axes in place, at length 1.
      where: a mask that broadcasts to ``a``: other elements are left out.
      mean: the mean with its axes kept, where it is known already.
      correction: another name of ``ddof``.

    Returns:
      A real array without the axes.

    Example:
      >>> import fxad.numpy as fnp
      >>> float(fnp.var([1, 2, 3]))
      0.6666666666666666
    """
    refuse_out("var", out)
    a, where, ddof = operand(a), mask("var", where), freedom("var", ddof, correction)
    if mean is not None or _mixed("var", a, dtype):
        return _about(a, mean, axis, dtype, ddof, keepdims, where)
    return ops.var(a, axis, dtype, ddof, keepdims, where)


@implements(np.std)
def std(
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
    """The standard deviation: the square root of the variance.

    Args:
      a: array, number or list.
      axis: an axis or several; None is all of them.
      dtype: to compute in; None is that of ``a``, float64 for integers.
      out: none with traced arrays.
      ddof: the sum is divided by the number of elements less this.
      keepdims: leaves the axes in place, at length 1.
      where: a mask that broadcasts to ``a``: other elements are left out.
      mean: the mean with its axes kept, where it is known already.
      correction: another name of ``ddof``.

    Returns:
      A real array without the axes.

    Example:
      >>> import fxad.numpy as fnp
      >>> float(fnp.std([1, 3]))
      1.0
    """
    refuse_out("std", out)
    a, where, ddof = operand(a), mask("std", where), freedom("std", ddof, correction)
    if mean is not None or _mixed("std", a, dtype):
        return ops.root_p.bind(_about(a, mean, axis, dtype, ddof, keepdims, where))
    return ops.std(a, axis, dtype, ddof, keepdims, where)


def _mixed(operation: str, a: Any, dtype: Any) -> bool:
    """Whether complex numbers are involved and a dtype is named: it is the result's, then."""
    inexact_dtype(operation, dtype)
    return dtype is not None and "c" in (dtype_of(a).kind, np.dtype(dtype).kind)


def _about(
    a: Any, mean: Any, axis: Axis, dtype: Any, ddof: float, keepdims: bool, where: Any
) -> Any:
    """The variance about a given mean, or about the mean in a given dtype."""
    mean = ops.mean(a, axis, dtype, True, where) if mean is None else operand(mean)
    away = sub(a, mean)
    square = real(mul(away, conj(away)))
    here = broadcast_to(True if where is None else where, shape_of(square))
    total = ops.sum_(square, axis, dtype, keepdims, None, where)
    count = ops.sum_(here, axis, np.empty(0, dtype_of(total)).real.dtype, keepdims)
    return div(total, maximum(sub(count, ddof), 0))


@implements(np.cumsum)
def cumsum(a: Any, axis: int | None = None, dtype: Any = None, out: Any = None) -> Any:
    """Running sums.

    Args:
      a: array, number or list.
      axis: the axis; None flattens first.
      dtype: to compute in; None is that of ``a``, and a 64-bit one for narrower integers.
      out: none with traced arrays.

    Returns:
      An array of the same shape, or of one dimension.

    Example:
      >>> import fxad.numpy as fnp
      >>> fnp.cumsum([1, 2, 3]).tolist()
      [1, 3, 6]
    """
    refuse_out("cumsum", out)
    return cumulative.cumsum(operand(a), axis, dtype)


@implements(np.cumprod)
def cumprod(a: Any, axis: int | None = None, dtype: Any = None, out: Any = None) -> Any:
    """Running products.

    Args:
      a: array, number or list.
      axis: the axis; None flattens first.
      dtype: to compute in; None is that of ``a``, and a 64-bit one for narrower integers.
      out: none with traced arrays.

    Returns:
      An array of the same shape, or of one dimension.

    Example:
      >>> import fxad.numpy as fnp
      >>> fnp.cumprod([1, 2, 3]).tolist()
      [1, 2, 6]
    """
    refuse_out("cumprod", out)
    return cumulative.cumprod(operand(a), axis, dtype)


@implements(*filter(None, [getattr(np, "cumulative_sum", None)]))
def cumulative_sum(
    x: Any,
    /,
    *,
    axis: int | None = None,
    dtype: Any = None,
    out: Any = None,
    include_initial: bool = False,
) -> Any:
    """Running sums along one axis.

    Args:
      x: array, number or list.
      axis: the axis; needed if there are several.
      dtype: to compute in; None is that of ``x``, and a 64-bit one for narrower integers.
      out: none with traced arrays.
      include_initial: starts with 0, one element more.

    Returns:
      An array.

    Raises:
      ArgumentValueError: the axis is missing.

    Example:
      >>> import fxad.numpy as fnp
      >>> fnp.cumulative_sum([1, 2, 3]).tolist()
      [1, 3, 6]
    """
    refuse_out("cumulative_sum", out)
    return _cumulative(
        "cumulative_sum", cumulative.cumsum, operand(x), axis, dtype, include_initial, 0
    )


@implements(*filter(None, [getattr(np, "cumulative_prod", None)]))
def cumulative_prod(
    x: Any,
    /,
    *,
    axis: int | None = None,
    dtype: Any = None,
    out: Any = None,
    include_initial: bool = False,
) -> Any:
    """Running products along one axis.

    Args:
      x: array, number or list.
      axis: the axis; needed if there are several.
      dtype: to compute in; None is that of ``x``, and a 64-bit one for narrower integers.
      out: none with traced arrays.
      include_initial: starts with 1, one element more.

    Returns:
      An array.

    Raises:
      ArgumentValueError: the axis is missing.

    Example:
      >>> import fxad.numpy as fnp
      >>> fnp.cumulative_prod([1, 2, 3]).tolist()
      [1, 2, 6]
    """
    refuse_out("cumulative_prod", out)
    return _cumulative(
        "cumulative_prod", cumulative.cumprod, operand(x), axis, dtype, include_initial, 1
    )


def _cumulative(
    name: str, run: Any, x: Any, axis: int | None, dtype: Any, include_initial: bool, initial: int
) -> Any:
    x = x if shape_of(x) else reshape(x, (1,))
    ndim = len(shape_of(x))
    if axis is None and ndim != 1:
        raise error(
            ArgumentValueError, name, f"got no axis for {shape_of(x)}, wanted one", "Name the axis."
        )
    axis = normalize_axis(name, axis or 0, ndim)
    found = run(x, axis, dtype)
    if not include_initial:
        return found
    return pad(found, initial, [(int(d == axis), 0, 0) for d in range(ndim)])
