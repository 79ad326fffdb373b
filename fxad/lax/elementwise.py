"""Functions of single elements, under JAX's names: the primitives themselves.

Operands broadcast against each other and promote as NumPy's do, where JAX's must agree. As there,
Python's operators on Python numbers alone give weak numbers again.
"""

from __future__ import annotations

import operator
from collections.abc import Callable
from typing import Any

import numpy as np

import fxad.ops.elementwise as ops
import fxad.ops.floats as floats
import fxad.ops.logic as logic
import fxad.ops.special as special
import fxad.ops.trigonometry as angles
from fxad.core.aval import aval_of, promote
from fxad.core.primitive import Primitive
from fxad.core.source import error
from fxad.errors import ArgumentValueError, DtypeError
from fxad.ops.base import convert, dtype_of
from fxad.ops.identity import bitcast_convert_type

Operation = Primitive | Callable[..., Any]

_DOCUMENTATION = """{summary}

Args:
  {args}

Returns:
  {returns}

Example:
  >>> import numpy as np
  >>> from fxad import lax
  >>> lax.{name}({example}).tolist()
  {result}
"""


def _documented(
    function: Callable[..., Any],
    name: str,
    args: str,
    returns: str,
    summary: str,
    example: str,
    result: str,
) -> Callable[..., Any]:
    function.__name__ = function.__qualname__ = name
    function.__doc__ = _DOCUMENTATION.format(
        summary=summary, args=args, returns=returns, name=name, example=example, result=result
    )
    return function


def _unary(
    name: str,
    operation: Operation,
    summary: str,
    example: str,
    result: str,
    accuracy: bool = False,
) -> Callable[..., Any]:
    """The public function of one operand; with ``accuracy`` it takes that keyword, as JAX's."""
    bind = operation.bind if isinstance(operation, Primitive) else operation

    def function(x: Any) -> Any:
        return bind(x)

    def accurate(x: Any, *, accuracy: Any = None) -> Any:
        return bind(x)

    args = "x: array or number of any shape."
    if accuracy:
        args += "\n  accuracy: accepted for JAX's sake: the result is as accurate as NumPy's."
    returns = "An array of that shape."
    chosen = accurate if accuracy else function
    return _documented(chosen, name, args, returns, summary, example, result)


def _binary(
    name: str, operation: Operation, summary: str, example: str, result: str
) -> Callable[..., Any]:
    """The public function of two operands."""
    bind = operation.bind if isinstance(operation, Primitive) else operation

    def function(x: Any, y: Any) -> Any:
        return bind(x, y)

    args = "x: array or number.\n  y: array or number; the shapes broadcast against each other."
    returns = "An array of their common shape."
    return _documented(function, name, args, returns, summary, example, result)


def _div(x: Any, y: Any) -> Any:
    if dtype_of(x).kind in "fc" or dtype_of(y).kind in "fc":
        return ops.div(x, y)
    if type(y) is int and y:
        return ops.floor_divide(ops.sub(x, ops.fmod(x, y)), y)
    # Where XLA divides by zero, all bits are set.
    zero = logic.eq(y, 0)
    y = ops.select(zero, 1, y)
    quotient = ops.floor_divide(ops.sub(x, ops.fmod(x, y)), y)
    return ops.select(zero, ~dtype_of(quotient).type(0), quotient)


def _rem(x: Any, y: Any) -> Any:
    if dtype_of(x).kind in "fc" or dtype_of(y).kind in "fc" or (type(y) is int and y):
        return ops.fmod(x, y)
    zero = logic.eq(y, 0)
    return ops.select(zero, x, ops.fmod(x, ops.select(zero, 1, y)))


def _pow(x: Any, y: Any) -> Any:
    if type(y) is not int and dtype_of(y).kind in "iu" and dtype_of(x).kind in "fc":
        y = convert(y, dtype_of(x))
    return ops.pow(x, y)


def _conj(x: Any) -> Any:
    dtype = dtype_of(x)
    return ops.conj(x if dtype.kind == "c" else convert(x, np.result_type(dtype, np.complex64)))


def _as_bits(operation: str, x: Any, kind: str) -> Any:
    """The bits of integers read as signed ("i") or unsigned ("u") ones."""
    dtype = dtype_of(x)
    if dtype.kind not in "iu":
        raise error(DtypeError, operation, f"got {dtype}, wanted integers")
    x = convert(x, dtype)
    return x if dtype.kind == kind else bitcast_convert_type(x, f"{kind}{dtype.itemsize}")


def _shift_right(name: str, kind: str) -> Callable[[Any, Any], Any]:
    def shift(x: Any, y: Any) -> Any:
        dtype = promote([aval_of(x), aval_of(y)])[0]
        x, y = (_as_bits(name, convert(v, dtype), kind) for v in (x, y))
        shifted = logic.shift_right(x, y)
        return shifted if dtype.kind == kind else bitcast_convert_type(shifted, dtype)

    return shift


def _population_count(x: Any) -> Any:
    return convert(logic.population_count(_as_bits("population_count", x, "u")), dtype_of(x))


def _clz(x: Any) -> Any:
    bits, filled = 8 * dtype_of(x).itemsize, _as_bits("clz", x, "u")
    step = 1
    while step < bits:  # every bit below the highest one becomes set
        filled = logic.or_(filled, logic.shift_right(filled, step))
        step *= 2
    return convert(ops.sub(bits, logic.population_count(filled)), dtype_of(x))


def _mulhi(x: Any, y: Any) -> Any:
    dtype = promote([aval_of(x), aval_of(y)])[0]
    if dtype.kind not in "iu":
        raise error(DtypeError, "mulhi", f"got {dtype}, wanted integers")
    x, y = convert(x, dtype), convert(y, dtype)
    half = 4 * dtype.itemsize
    if dtype.itemsize < 8:
        product = ops.mul(convert(x, f"{dtype.kind}8"), convert(y, f"{dtype.kind}8"))
        return convert(logic.shift_right(product, 2 * half), dtype)
    # Warren, Hacker's Delight, 8-2. The low halves and their product have no sign.
    low = dtype.type(2**half - 1)
    x0, x1 = logic.and_(x, low), logic.shift_right(x, half)
    y0, y1 = logic.and_(y, low), logic.shift_right(y, half)
    below = ops.mul(convert(x0, np.uint64), convert(y0, np.uint64))
    t = ops.add(ops.mul(x1, y0), convert(logic.shift_right(below, half), dtype))
    w = ops.add(ops.mul(x0, y1), logic.and_(t, low))
    high = ops.add(ops.mul(x1, y1), logic.shift_right(t, half))
    return ops.add(high, logic.shift_right(w, half))


_A = "np.array([1.0, -2.0])"
_I = "np.array([7, -7])"
_Z = "np.array([3 + 4j])"
_0 = "np.array([0.0])"

add = _binary("add", ops.add_p, "Sum.", f"{_A}, 1.0", "[2.0, -1.0]")
sub = _binary("sub", ops.sub_p, "Difference.", f"{_A}, 1.0", "[0.0, -3.0]")
div = _binary("div", _div, "Quotient; of integers rounded toward zero.", f"{_I}, 2", "[3, -3]")
rem = _binary("rem", _rem, "Remainder with the sign of the dividend.", f"{_I}, 4", "[3, -3]")
pow = _binary("pow", _pow, "The first to the power of the second.", f"{_A}, 2", "[1.0, 4.0]")
max = _binary("max", ops.max_p, "The larger of two; NaN where one is.", f"{_A}, 0.0", "[1.0, 0.0]")
min = _binary(
    "min", ops.min_p, "The smaller of two; NaN where one is.", f"{_A}, 0.0", "[0.0, -2.0]"
)
atan2 = _binary("atan2", angles.atan2_p, "The angle of the point (y, x).", f"{_0}, 1.0", "[0.0]")
nextafter = _binary(
    "nextafter", floats.nextafter_p, "The next float toward the second.", f"{_0}, 1.0", "[5e-324]"
)
complex = _binary(
    "complex",
    ops.complex_p,
    "Real and imaginary part as one number.",
    "np.ones(1), 2.0",
    "[(1+2j)]",
)
mulhi = _binary(
    "mulhi", _mulhi, "The upper half of the bits of a product.", "np.array([2**40]), 2**30", "[64]"
)
eq = _binary("eq", logic.eq_p, "Whether x == y.", f"{_A}, 1.0", "[True, False]")
ne = _binary("ne", logic.ne_p, "Whether x != y.", f"{_A}, 1.0", "[False, True]")
lt = _binary("lt", logic.lt_p, "Whether x < y.", f"{_A}, 1.0", "[False, True]")
le = _binary("le", logic.le_p, "Whether x <= y.", f"{_A}, 1.0", "[True, True]")
gt = _binary("gt", logic.gt_p, "Whether x > y.", f"{_A}, 0.0", "[True, False]")
ge = _binary("ge", logic.ge_p, "Whether x >= y.", f"{_A}, 1.0", "[True, False]")
bitwise_and = _binary("bitwise_and", logic.and_p, "The bits set in both.", f"{_I}, 3", "[3, 1]")
bitwise_or = _binary(
    "bitwise_or", logic.or_p, "The bits set in one or both.", f"{_I}, 8", "[15, -7]"
)
bitwise_xor = _binary(
    "bitwise_xor", logic.xor_p, "The bits set in just one.", f"{_I}, 1", "[6, -8]"
)
shift_left = _binary("shift_left", logic.shift_left_p, "Bits moved up.", f"{_I}, 1", "[14, -14]")
shift_right_arithmetic = _binary(
    "shift_right_arithmetic",
    _shift_right("shift_right_arithmetic", "i"),
    "Bits moved down, the sign kept.",
    f"{_I}, 1",
    "[3, -4]",
)
shift_right_logical = _binary(
    "shift_right_logical",
    _shift_right("shift_right_logical", "u"),
    "Bits moved down, zeros coming in.",
    "np.array([-1], np.int8), 1",
    "[127]",
)

neg = _unary("neg", ops.neg_p, "The number with the other sign.", _A, "[-1.0, 2.0]")
abs = _unary("abs", ops.abs_p, "Absolute value.", _Z, "[5.0]")
sign = _unary("sign", ops.sign_p, "Sign: -1, 0 or 1; z / |z| if complex.", _A, "[1.0, -1.0]")
square = _unary("square", ops.square_p, "The number times itself.", _A, "[1.0, 4.0]")
reciprocal = _unary("reciprocal", ops.reciprocal_p, "One divided by it.", _A, "[1.0, -0.5]")
sqrt = _unary("sqrt", ops.sqrt_p, "Square root.", "np.array([4.0])", "[2.0]", True)
rsqrt = _unary(
    "rsqrt", ops.rsqrt_p, "One divided by the square root.", "np.array([4.0])", "[0.5]", True
)
cbrt = _unary("cbrt", ops.cbrt_p, "Cube root.", "np.array([8.0])", "[2.0]", True)
exp = _unary("exp", ops.exp_p, "Exponential function.", _0, "[1.0]", True)
exp2 = _unary("exp2", ops.exp2_p, "Two to the power of it.", "np.array([3.0])", "[8.0]", True)
expm1 = _unary("expm1", ops.expm1_p, "exp(x) - 1, exact for small x.", _0, "[0.0]", True)
log = _unary("log", ops.log_p, "Natural logarithm.", "np.array([1.0])", "[0.0]", True)
log1p = _unary("log1p", ops.log1p_p, "log(1 + x), exact for small x.", _0, "[0.0]", True)
sin = _unary("sin", angles.sin_p, "Sine.", _0, "[0.0]", True)
cos = _unary("cos", angles.cos_p, "Cosine.", _0, "[1.0]", True)
tan = _unary("tan", angles.tan_p, "Tangent.", _0, "[0.0]", True)
asin = _unary("asin", angles.asin_p, "Inverse sine.", _0, "[0.0]")
acos = _unary("acos", angles.acos_p, "Inverse cosine.", "np.array([1.0])", "[0.0]")
atan = _unary("atan", angles.atan_p, "Inverse tangent.", _0, "[0.0]")
sinh = _unary("sinh", angles.sinh_p, "Hyperbolic sine.", _0, "[0.0]")
cosh = _unary("cosh", angles.cosh_p, "Hyperbolic cosine.", _0, "[1.0]")
tanh = _unary("tanh", angles.tanh_p, "Hyperbolic tangent.", _0, "[0.0]", True)
asinh = _unary("asinh", angles.asinh_p, "Inverse hyperbolic sine.", _0, "[0.0]")
acosh = _unary("acosh", angles.acosh_p, "Inverse hyperbolic cosine.", "np.array([1.0])", "[0.0]")
atanh = _unary("atanh", angles.atanh_p, "Inverse hyperbolic tangent.", _0, "[0.0]")
logistic = _unary("logistic", special.logistic_p, "1 / (1 + exp(-x)).", _0, "[0.5]", True)
erf = _unary("erf", special.erf_p, "The error function.", _0, "[0.0]")
erfc = _unary("erfc", special.erfc_p, "1 - erf(x), exact for large x.", _0, "[1.0]")
erf_inv = _unary("erf_inv", special.erf_inv_p, "The inverse of the error function.", _0, "[0.0]")
lgamma = _unary("lgamma", special.lgamma_p, "Logarithm of |gamma(x)|.", "np.array([1.0])", "[0.0]")
digamma = _unary(
    "digamma",
    special.digamma_p,
    "The derivative of lgamma.",
    "np.array([1.0])",
    "[-0.577215664901532...]",
)
floor = _unary("floor", ops.floor_p, "Rounded down.", "np.array([1.5, -1.5])", "[1.0, -2.0]")
ceil = _unary("ceil", ops.ceil_p, "Rounded up.", "np.array([1.5, -1.5])", "[2.0, -1.0]")
real = _unary("real", ops.real_p, "The real part.", _Z, "[3.0]")
imag = _unary("imag", ops.imag_p, "The imaginary part.", _Z, "[4.0]")
conj = _unary("conj", _conj, "Complex conjugate, of real numbers too.", _Z, "[(3-4j)]")
is_finite = _unary("is_finite", logic.isfinite_p, "Whether it is finite.", _A, "[True, True]")
bitwise_not = _unary("bitwise_not", logic.not_p, "All bits flipped.", _I, "[-8, 6]")
population_count = _unary(
    "population_count",
    _population_count,
    "How many bits are set.",
    "np.array([7, -1])",
    "[3, 64]",
)
clz = _unary("clz", _clz, "How many bits in front are not set.", "np.array([1])", "[63]")


def mul(x: Any, y: Any, *, out_dtype: Any = None) -> Any:
    """Product.

    Args:
      x: array or number.
      y: array or number; the shapes broadcast against each other.
      out_dtype: the dtype to multiply in and to return; None is what the operands promote to.

    Returns:
      An array of their common shape.

    Raises:
      DtypeError: ``out_dtype`` is of a lesser kind than an operand's.

    Example:
      >>> import numpy as np
      >>> from fxad import lax
      >>> lax.mul(np.int8([100]), np.int8([2]), out_dtype=np.int16).tolist()
      [200]
    """
    if out_dtype is not None:
        dtype = promote([aval_of(x), aval_of(y)])[0]
        if not np.can_cast(dtype, out_dtype, "same_kind"):
            raise error(DtypeError, "mul", f"got {dtype}, which out_dtype={out_dtype} cannot hold")
        x, y = convert(x, out_dtype), convert(y, out_dtype)
    return ops.mul_p.bind(x, y)


def integer_pow(x: Any, y: int) -> Any:
    """``x`` to a power that is a Python integer.

    Args:
      x: array or number.
      y: the power; negative only for floats.

    Returns:
      An array of the shape and dtype of ``x``.

    Raises:
      DtypeError: integers to a negative power.

    Example:
      >>> import numpy as np
      >>> from fxad import lax
      >>> lax.integer_pow(np.array([2.0]), -1).tolist()
      [0.5]
    """
    y = operator.index(y)
    if y < 0 and dtype_of(x).kind not in "fc":
        raise error(DtypeError, "integer_pow", f"got {dtype_of(x)} to the power {y}, wanted floats")
    return ops.integer_pow(x, y)


def polygamma(m: int, x: Any) -> Any:
    """The derivative of an order of digamma.

    Args:
      m: the order, an integer from 0 on that is known.
      x: array or number.

    Returns:
      An array of the shape of ``x``.

    Raises:
      ArgumentValueError: the order is no such integer.

    Example:
      >>> import numpy as np
      >>> from fxad import lax
      >>> lax.polygamma(1, np.array([1.0])).round(6).tolist()
      [1.644934]
    """
    order = int(m)
    if order != m or order < 0:
        raise error(ArgumentValueError, "polygamma", f"got m={m}, wanted an integer from 0 on")
    return special.polygamma(order, x) if order else special.digamma(x)
