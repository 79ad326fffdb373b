"""Functions of single elements that are not ufuncs: clip, round, parts of complex numbers."""

from __future__ import annotations

import functools
import math
from typing import Any

import numpy as np

import fxad.ops.elementwise as ops
import fxad.ops.logic as logic
from fxad.core.source import error
from fxad.errors import ArgumentTypeError, ArgumentValueError, DtypeError
from fxad.numpy.dispatch import TABLE, answers, dispatching, implements, inexact, refuse_out
from fxad.numpy.nested import operand, to_cast
from fxad.ops.base import convert, dtype_of, ones_like, zeros_like
from fxad.ops.trigonometry import atan2, sin


@implements(np.clip)
def clip(
    a: Any,
    a_min: Any = None,
    a_max: Any = None,
    out: Any = None,
    *,
    min: Any = None,
    max: Any = None,
    **options: Any,
) -> Any:
    """Values outside of an interval moved to its ends.

    Args:
      a: array, number or list.
      a_min: the least value, or None; an array that broadcasts too.
      a_max: the greatest value, or None.
      out: none with traced arrays.
      min: another name of ``a_min``.
      max: another name of ``a_max``.
      **options: the keywords of a ufunc: ``dtype``, ``casting``.

    Returns:
      An array. Where a value equals an end, half of the derivative goes to either.

    Example:
      >>> import fxad.numpy as fnp
      >>> fnp.clip([-1, 2, 7], 0, 5).tolist()
      [0, 2, 5]
    """
    refuse_out("clip", out)
    a = operand(a)
    if (min is not None and a_min is not None) or (max is not None and a_max is not None):
        raise error(ArgumentValueError, "clip", "got a bound by both of its names", "Give it once.")
    low = a_min if min is None else min
    high = a_max if max is None else max
    if dtype_of(a).kind in "iu":
        # Bounds that no integer of the dtype reaches bind none.
        limits = np.iinfo(dtype_of(a))
        low = None if type(low) is int and low < limits.min else low
        high = None if type(high) is int and high > limits.max else high
    if low is not None:
        a = TABLE[np.maximum](a, low, **options)
    return a if high is None else TABLE[np.minimum](a, high, **options)


@implements(np.round, np.around)
def round(a: Any, decimals: int = 0, out: Any = None) -> Any:
    """Rounded to so many decimals, halves to even.

    Args:
      a: array, number or list.
      decimals: how many; negative ones round before the point.
      out: none with traced arrays.

    Returns:
      An array of the same dtype.

    Example:
      >>> import fxad.numpy as fnp
      >>> fnp.round([1.25, 2.5]).tolist()
      [1.0, 2.0]
    """
    refuse_out("round", out)
    return ops.round_(operand(a), decimals)


around = round


@answers(np.fix)
@functools.partial(dispatching, np.trunc)  # NumPy 2.5 warns of its own fix
def fix(x: Any, out: Any = None) -> Any:
    """Rounded toward zero.

    Args:
      x: array, number or list.
      out: none with traced arrays.

    Returns:
      An array of the same dtype.

    Example:
      >>> import fxad.numpy as fnp
      >>> fnp.fix([1.5, -1.5]).tolist()
      [1.0, -1.0]
    """
    refuse_out("fix", out)
    return ops.trunc(operand(x))


@implements(np.nan_to_num)
def nan_to_num(
    x: Any, copy: bool = True, nan: Any = 0.0, posinf: Any = None, neginf: Any = None
) -> Any:
    """NaN and infinities replaced by numbers.

    Args:
      x: array, number or list.
      copy: as for NumPy, of plain arrays.
      nan: what stands for NaN.
      posinf: what stands for infinity; None is the greatest finite number.
      neginf: what stands for minus infinity; None is the least finite number.

    Returns:
      An array of the same dtype; replaced elements have derivative 0.

    Example:
      >>> import fxad.numpy as fnp
      >>> fnp.nan_to_num([1.0, fnp.nan]).tolist()
      [1.0, 0.0]
    """
    x = operand(x)
    dtype = dtype_of(x)
    if dtype.kind == "c":
        parts = (nan_to_num(part(x), True, nan, posinf, neginf) for part in (ops.real, ops.imag))
        return ops.complex_(*parts)
    if dtype.kind != "f":
        return x
    limits = np.finfo(dtype)
    replaced = ops.select(logic.isnan(x), convert(to_cast(nan), dtype), x)
    high = limits.max if posinf is None else posinf
    low = limits.min if neginf is None else neginf
    replaced = ops.select(logic.eq(x, np.inf), convert(to_cast(high), dtype), replaced)
    return ops.select(logic.eq(x, -np.inf), convert(to_cast(low), dtype), replaced)


@implements(np.real)
def real(val: Any) -> Any:
    """The real part.

    Args:
      val: array, number or list.

    Returns:
      A real array of the same shape.

    Example:
      >>> import fxad.numpy as fnp
      >>> fnp.real(fnp.array([1 + 2j])).tolist()
      [1.0]
    """
    val = operand(val)
    return ops.real(val) if dtype_of(val).kind == "c" else val


@implements(np.imag)
def imag(val: Any) -> Any:
    """The imaginary part; zeros of real numbers.

    Args:
      val: array, number or list.

    Returns:
      A real array of the same shape.

    Example:
      >>> import fxad.numpy as fnp
      >>> fnp.imag(fnp.array([1 + 2j])).tolist()
      [2.0]
    """
    val = operand(val)
    if dtype_of(val).kind == "c":
        return ops.imag(val)
    return zeros_like(val)


@implements(np.angle)
def angle(z: Any, deg: bool = False) -> Any:
    """The angle of complex numbers with the positive real axis.

    Args:
      z: array, number or list.
      deg: in degrees instead of radians.

    Returns:
      A real array of the same shape.

    Example:
      >>> import fxad.numpy as fnp
      >>> float(fnp.angle(1j, deg=True))
      90.0
    """
    z = operand(z)
    y, x = (ops.imag(z), ops.real(z)) if dtype_of(z).kind == "c" else (0, z)
    turned = atan2(y, x)
    return ops.mul(turned, 180 / np.pi) if deg else turned


@implements(np.sinc)
def sinc(x: Any) -> Any:
    """sin(pi x) / (pi x), which is 1 at zero.

    Args:
      x: array, number or list.

    Returns:
      An array of the same shape; all of its derivatives at zero are right.

    Example:
      >>> import fxad.numpy as fnp
      >>> fnp.sinc([0.0, 0.5]).tolist()
      [1.0, 0.6366197723675814]
    """
    y = ops.mul(inexact(operand(x)), np.pi)
    # Near zero the quotient's derivatives would cancel; its series has them all.
    near = logic.lt(ops.abs_(y), 0.5)
    inside = ops.select(near, y, zeros_like(y))  # powers of the others may overflow
    square = ops.mul(inside, inside)
    series: Any = 0.0
    for k in range(8, -1, -1):
        series = ops.add(ops.mul(series, square), (-1) ** k / math.factorial(2 * k + 1))
    away = ops.select(near, ones_like(y), y)
    return ops.select(near, series, ops.div(sin(away), away))


@implements(np.i0)
def i0(x: Any) -> Any:
    """The modified Bessel function of the first kind of order 0.

    Its power series up to 20, and beyond it the asymptotic one (Abramowitz and Stegun, 9.6.12 and
    9.7.1), whose derivatives are those of the function.

    Args:
      x: real array, number or list.

    Returns:
      An array of the same shape.

    Raises:
      DtypeError: complex numbers.

    Example:
      >>> import fxad.numpy as fnp
      >>> fnp.i0([0.0, 1.0]).round(6).tolist()
      [1.0, 1.266066]
    """
    x = inexact(operand(x))
    if dtype_of(x).kind == "c":
        raise error(DtypeError, "i0", "got complex numbers, wanted real ones")
    near = logic.le(ops.abs_(x), 20)
    # Where the other one is chosen, each series gets a number at which it is smooth.
    square = ops.square(ops.div(ops.select(near, x, 0), 2))
    series: Any = ones_like(x)
    for k in range(40, 0, -1):
        series = ops.add(ops.mul(series, ops.mul(square, 1 / k**2)), 1)
    away = ops.select(near, 20, ops.abs_(x))
    inverse, asymptotic = ops.div(0.125, away), ones_like(x)
    for k in range(24, 0, -1):
        asymptotic = ops.add(ops.mul(asymptotic, ops.mul(inverse, (2 * k - 1) ** 2 / k)), 1)
    scale = ops.div(ops.exp(away), ops.sqrt(ops.mul(away, 2 * np.pi)))
    return ops.select(near, series, ops.mul(scale, asymptotic))


@implements(np.isposinf)
def isposinf(x: Any, out: Any = None) -> Any:
    """Whether it is plus infinity.

    Args:
      x: real array, number or list.
      out: none with traced arrays.

    Returns:
      A boolean array of the same shape.

    Example:
      >>> import fxad.numpy as fnp
      >>> fnp.isposinf([1.0, fnp.inf]).tolist()
      [False, True]
    """
    refuse_out("isposinf", out)
    return logic.eq(_ordered("isposinf", x), np.inf)


@implements(np.isneginf)
def isneginf(x: Any, out: Any = None) -> Any:
    """Whether it is minus infinity.

    Args:
      x: real array, number or list.
      out: none with traced arrays.

    Returns:
      A boolean array of the same shape.

    Example:
      >>> import fxad.numpy as fnp
      >>> fnp.isneginf([1.0, -fnp.inf]).tolist()
      [False, True]
    """
    refuse_out("isneginf", out)
    return logic.eq(_ordered("isneginf", x), -np.inf)


def _ordered(operation: str, x: Any) -> Any:
    x = operand(x)
    if dtype_of(x).kind == "c":
        raise error(
            ArgumentTypeError, operation, "got complex numbers, whose infinities have no sign"
        )
    return x


@implements(np.iscomplex)
def iscomplex(x: Any) -> Any:
    """Whether the imaginary part is not zero.

    Args:
      x: array, number or list.

    Returns:
      A boolean array of the same shape.

    Example:
      >>> import fxad.numpy as fnp
      >>> fnp.iscomplex([1 + 0j, 1j]).tolist()
      [False, True]
    """
    return logic.ne(imag(x), 0)


@implements(np.isreal)
def isreal(x: Any) -> Any:
    """Whether the imaginary part is zero.

    Args:
      x: array, number or list.

    Returns:
      A boolean array of the same shape.

    Example:
      >>> import fxad.numpy as fnp
      >>> fnp.isreal([1 + 0j, 1j]).tolist()
      [True, False]
    """
    return logic.eq(imag(x), 0)
