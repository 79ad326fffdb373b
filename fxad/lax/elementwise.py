"""Functions of single elements, under JAX's names.

Operands broadcast against each other and promote as NumPy's do, where JAX's must agree.
"""

from __future__ import annotations

import enum
from collections.abc import Callable
from typing import Any

import numpy as np

import fxad.ops.elementwise as ops
import fxad.tree as tree
from fxad.core.aval import aval_of, is_differentiable
from fxad.core.primitive import Primitive
from fxad.core.source import error
from fxad.errors import ArgumentValueError, DtypeError
from fxad.ops.base import convert, dtype_of
from fxad.ops.identity import bitcast_convert_type

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
_ARGUMENTS = {
    1: "x: array or number of any shape.",
    2: "x, y: arrays or numbers, whose shapes broadcast against each other.",
    3: "x, y, z: arrays or numbers, whose shapes broadcast against each other.",
}


def _function(
    name: str,
    operation: Primitive | Callable[..., Any],
    summary: str,
    example: str,
    result: str,
    arity: int = 1,
    returns: str = "An array of their shape, of the dtype that NumPy gives; never weak.",
) -> Callable[..., Any]:
    """A public function of a primitive."""
    bind: Callable[..., Any] = operation.bind if isinstance(operation, Primitive) else operation

    def unary(x: Any, /) -> Any:
        return _strong(bind(x))

    def binary(x: Any, y: Any, /) -> Any:
        return _strong(bind(x, y))

    function: Callable[..., Any] = unary if arity == 1 else binary
    function.__name__ = function.__qualname__ = name
    function.__doc__ = _DOCUMENTATION.format(
        summary=summary,
        args=_ARGUMENTS[arity],
        returns=returns,
        name=name,
        example=example,
        result=result,
    )
    return function


def _strong(x: Any) -> Any:
    aval = aval_of(x)
    return convert(x, aval.dtype) if aval.weak_type else x


def _truncating_div(x: Any, y: Any) -> Any:
    if is_differentiable(np.result_type(dtype_of(x), dtype_of(y))):
        return ops.div(x, y)
    return ops.floor_divide(ops.sub(x, ops.fmod(x, y)), y)


def _binary(
    name: str, operation: Primitive | Callable[..., Any], summary: str, example: str, result: str
) -> Callable[..., Any]:
    return _function(name, operation, summary, example, result, 2)


def _signed(x: Any, kind: str) -> Any:
    """The bits of integers read as signed ("i") or unsigned ("u") ones."""
    dtype = dtype_of(x)
    if dtype.kind not in "iu":
        raise error(DtypeError, "shift_right", f"got {dtype}, wanted integers")
    return x if dtype.kind == kind else bitcast_convert_type(x, f"{kind}{dtype.itemsize}")


def _shift_right(kind: str) -> Callable[[Any, Any], Any]:
    def shift(x: Any, y: Any) -> Any:
        x, dtype = _strong(x), dtype_of(x)
        shifted = ops.shift_right(_signed(x, kind), _signed(convert(y, dtype), kind))
        return shifted if dtype.kind == kind else bitcast_convert_type(shifted, dtype)

    return shift


def _leading_zeros(x: Any) -> Any:
    x = _strong(x)
    bits, unsigned = 8 * dtype_of(x).itemsize, _signed(x, "u")
    for step in (1, 2, 4, 8, 16, 32):
        if step < bits:
            unsigned = ops.or_(unsigned, ops.shift_right(unsigned, step))
    return convert(ops.sub(bits, ops.population_count(unsigned)), dtype_of(x))


_A = "np.array([1.0, -2.0])"
_I = "np.array([7, -7])"
_Z = "np.array([3 + 4j])"
_0 = "np.array([0.0])"

add = _binary("add", ops.add_p, "Sum.", f"{_A}, 1.0", "[2.0, -1.0]")
sub = _binary("sub", ops.sub_p, "Difference.", f"{_A}, 1.0", "[0.0, -3.0]")
mul = _binary("mul", ops.mul_p, "Product.", f"{_A}, 2.0", "[2.0, -4.0]")
div = _binary(
    "div", _truncating_div, "Quotient; of integers rounded toward zero.", f"{_I}, 2", "[3, -3]"
)
rem = _binary("rem", ops.fmod_p, "Remainder with the sign of the dividend.", f"{_I}, 4", "[3, -3]")
pow = _binary("pow", ops.pow_p, "The first to the power of the second.", f"{_A}, 2", "[1.0, 4.0]")
max = _binary("max", ops.max_p, "The larger of two; NaN where one is.", f"{_A}, 0.0", "[1.0, 0.0]")
min = _binary(
    "min", ops.min_p, "The smaller of two; NaN where one is.", f"{_A}, 0.0", "[0.0, -2.0]"
)
atan2 = _binary("atan2", ops.atan2_p, "The angle of the point (y, x).", f"{_0}, 1.0", "[0.0]")
nextafter = _binary(
    "nextafter", ops.nextafter_p, "The next float toward the second.", f"{_0}, 1.0", "[5e-324]"
)
complex = _binary(
    "complex", ops.complex_, "Real and imaginary part as one number.", "np.ones(1), 2.0", "[(1+2j)]"
)
eq = _binary("eq", ops.eq_p, "Whether x == y.", f"{_A}, 1.0", "[True, False]")
ne = _binary("ne", ops.ne_p, "Whether x != y.", f"{_A}, 1.0", "[False, True]")
lt = _binary("lt", ops.lt_p, "Whether x < y.", f"{_A}, 1.0", "[False, True]")
le = _binary("le", ops.le_p, "Whether x <= y.", f"{_A}, 1.0", "[True, True]")
gt = _binary("gt", ops.gt_p, "Whether x > y.", f"{_A}, 0.0", "[True, False]")
ge = _binary("ge", ops.ge_p, "Whether x >= y.", f"{_A}, 1.0", "[True, False]")
bitwise_and = _binary("bitwise_and", ops.and_p, "The bits set in both.", f"{_I}, 3", "[3, 1]")
bitwise_or = _binary("bitwise_or", ops.or_p, "The bits set in one or both.", f"{_I}, 8", "[15, -7]")
bitwise_xor = _binary("bitwise_xor", ops.xor_p, "The bits set in just one.", f"{_I}, 1", "[6, -8]")
shift_left = _binary("shift_left", ops.shift_left_p, "Bits moved up.", f"{_I}, 1", "[14, -14]")
shift_right_arithmetic = _binary(
    "shift_right_arithmetic",
    _shift_right("i"),
    "Bits moved down, the sign kept.",
    f"{_I}, 1",
    "[3, -4]",
)
shift_right_logical = _binary(
    "shift_right_logical",
    _shift_right("u"),
    "Bits moved down, zeros coming in.",
    "np.array([-1], np.int8), 1",
    "[127]",
)

neg = _function("neg", ops.neg_p, "The number with the other sign.", _A, "[-1.0, 2.0]")
abs = _function("abs", ops.abs_p, "Absolute value.", _Z, "[5.0]")
sign = _function("sign", ops.sign_p, "Sign: -1, 0 or 1; z / |z| if complex.", _A, "[1.0, -1.0]")
square = _function("square", ops.square_p, "The number times itself.", _A, "[1.0, 4.0]")
reciprocal = _function("reciprocal", ops.reciprocal_p, "One divided by it.", _A, "[1.0, -0.5]")
sqrt = _function("sqrt", ops.sqrt_p, "Square root.", "np.array([4.0])", "[2.0]")
rsqrt = _function(
    "rsqrt", ops.rsqrt_p, "One divided by the square root.", "np.array([4.0])", "[0.5]"
)
cbrt = _function("cbrt", ops.cbrt_p, "Cube root.", "np.array([8.0])", "[2.0]")
exp = _function("exp", ops.exp_p, "Exponential function.", _0, "[1.0]")
exp2 = _function("exp2", ops.exp2_p, "Two to the power of it.", "np.array([3.0])", "[8.0]")
expm1 = _function("expm1", ops.expm1_p, "exp(x) - 1, exact for small x.", _0, "[0.0]")
log = _function("log", ops.log_p, "Natural logarithm.", "np.array([1.0])", "[0.0]")
log1p = _function("log1p", ops.log1p_p, "log(1 + x), exact for small x.", _0, "[0.0]")
sin = _function("sin", ops.sin_p, "Sine.", _0, "[0.0]")
cos = _function("cos", ops.cos_p, "Cosine.", _0, "[1.0]")
tan = _function("tan", ops.tan_p, "Tangent.", _0, "[0.0]")
asin = _function("asin", ops.asin_p, "Inverse sine.", _0, "[0.0]")
acos = _function("acos", ops.acos_p, "Inverse cosine.", "np.array([1.0])", "[0.0]")
atan = _function("atan", ops.atan_p, "Inverse tangent.", _0, "[0.0]")
sinh = _function("sinh", ops.sinh_p, "Hyperbolic sine.", _0, "[0.0]")
cosh = _function("cosh", ops.cosh_p, "Hyperbolic cosine.", _0, "[1.0]")
tanh = _function("tanh", ops.tanh_p, "Hyperbolic tangent.", _0, "[0.0]")
asinh = _function("asinh", ops.asinh_p, "Inverse hyperbolic sine.", _0, "[0.0]")
acosh = _function("acosh", ops.acosh_p, "Inverse hyperbolic cosine.", "np.array([1.0])", "[0.0]")
atanh = _function("atanh", ops.atanh_p, "Inverse hyperbolic tangent.", _0, "[0.0]")
logistic = _function("logistic", ops.logistic_p, "1 / (1 + exp(-x)).", _0, "[0.5]")
erf = _function("erf", ops.erf_p, "The error function.", _0, "[0.0]")
erfc = _function("erfc", ops.erfc_p, "1 - erf(x), exact for large x.", _0, "[1.0]")
erf_inv = _function("erf_inv", ops.erf_inv_p, "The inverse of the error function.", _0, "[0.0]")
lgamma = _function("lgamma", ops.lgamma_p, "Logarithm of |gamma(x)|.", "np.array([1.0])", "[0.0]")
digamma = _function(
    "digamma",
    ops.digamma_p,
    "The derivative of lgamma.",
    "np.array([1.0])",
    "[-0.577215664901532...]",
)
floor = _function("floor", ops.floor_p, "Rounded down.", "np.array([1.5, -1.5])", "[1.0, -2.0]")
ceil = _function("ceil", ops.ceil_p, "Rounded up.", "np.array([1.5, -1.5])", "[2.0, -1.0]")
real = _function("real", ops.real_p, "The real part.", _Z, "[3.0]")
imag = _function("imag", ops.imag_p, "The imaginary part.", _Z, "[4.0]")
conj = _function("conj", ops.conj_p, "Complex conjugate.", _Z, "[(3-4j)]")
is_finite = _function("is_finite", ops.isfinite_p, "Whether it is finite.", _A, "[True, True]")
bitwise_not = _function("bitwise_not", ops.not_p, "All bits flipped.", _I, "[-8, 6]")
population_count = _function(
    "population_count",
    lambda x: convert(ops.population_count(_signed(x, "u")), dtype_of(x)),
    "How many bits are set.",
    "np.array([7, -1])",
    "[3, 64]",
)
clz = _function(
    "clz", _leading_zeros, "How many bits in front are not set.", "np.array([1])", "[63]"
)


def integer_pow(x: Any, y: int) -> Any:
    """``x`` to a power that is a Python integer.

    Args:
      x: array or number.
      y: the power; negative only for floats.

    Returns:
      An array of the shape and dtype of ``x``.

    Example:
      >>> import numpy as np
      >>> from fxad import lax
      >>> lax.integer_pow(np.array([2.0]), -1).tolist()
      [0.5]
    """
    return _strong(ops.integer_pow(x, y))


def polygamma(m: int, x: Any) -> Any:
    """The derivative of an order of digamma.

    Args:
      m: the order, a Python integer from 0 on.
      x: array or number.

    Returns:
      An array of the shape of ``x``.

    Example:
      >>> import numpy as np
      >>> from fxad import lax
      >>> lax.polygamma(1, np.array([1.0])).round(6).tolist()
      [1.644934]
    """
    return ops.polygamma(m, _strong(x))


class RoundingMethod(enum.Enum):
    """What ``lax.round`` does with halves.

    Example:
      >>> from fxad import lax
      >>> lax.RoundingMethod.TO_NEAREST_EVEN.value
      1
    """

    AWAY_FROM_ZERO = 0
    TO_NEAREST_EVEN = 1


def round(x: Any, rounding_method: RoundingMethod = RoundingMethod.AWAY_FROM_ZERO) -> Any:
    """Rounded to the nearest integer.

    Args:
      x: array or number.
      rounding_method: where halves go; unlike NumPy's default it is away from zero.

    Returns:
      An array of the shape and dtype of ``x``.

    Example:
      >>> import numpy as np
      >>> from fxad import lax
      >>> lax.round(np.array([0.5, -2.5])).tolist()
      [1.0, -3.0]
    """
    x = _strong(x)
    if RoundingMethod(rounding_method) is RoundingMethod.TO_NEAREST_EVEN:
        return ops.rint(x)
    whole = ops.trunc(x)
    up = ops.ge(ops.abs_(ops.sub(x, whole)), 0.5)
    return ops.select(up, ops.add(whole, ops.sign(x)), whole)


def select(pred: Any, on_true: Any, on_false: Any) -> Any:
    """``on_true`` where a condition holds, else ``on_false``.

    Args:
      pred: array of truth values.
      on_true: array or number.
      on_false: array or number.

    Returns:
      An array.

    Example:
      >>> import numpy as np
      >>> from fxad import lax
      >>> lax.select(np.array([True, False]), np.ones(2), np.zeros(2)).tolist()
      [1.0, 0.0]
    """
    return _strong(ops.select(pred, on_true, on_false))


def select_n(which: Any, *cases: Any) -> Any:
    """For each place the element of one of several arrays.

    Args:
      which: truth values for two cases, or integers.
      *cases: arrays of one shape; the first one is chosen by False or 0.

    Returns:
      An array.

    Raises:
      ArgumentValueError: there are no cases, or truth values for more than two.

    Example:
      >>> import numpy as np
      >>> from fxad import lax
      >>> lax.select_n(np.array([2, 0]), np.zeros(2), np.ones(2), np.full(2, 5.0)).tolist()
      [5.0, 0.0]
    """
    if not cases or (dtype_of(which).kind == "b" and len(cases) > 2):
        raise error(ArgumentValueError, "select_n", f"got {len(cases)} cases for {dtype_of(which)}")
    out = cases[-1]
    for i in range(len(cases) - 2, -1, -1):
        condition = ops.logical_not(which) if dtype_of(which).kind == "b" else ops.le(which, i)
        out = ops.select(condition, cases[i], out)
    return _strong(out)


def clamp(min: Any, x: Any, max: Any) -> Any:
    """Values outside of an interval moved to its ends.

    Args:
      min: the least value, array or number.
      x: array.
      max: the greatest value, array or number.

    Returns:
      An array. At an end the derivative of ``x`` is a half.

    Example:
      >>> import numpy as np
      >>> from fxad import lax
      >>> lax.clamp(0.0, np.array([-1.0, 0.5, 7.0]), 1.0).tolist()
      [0.0, 0.5, 1.0]
    """
    return _strong(ops.min(ops.max(x, min), max))


def stop_gradient(x: Any) -> Any:
    """The same values, which derivatives take for constants.

    Args:
      x: a pytree of arrays or numbers.

    Returns:
      The same pytree.

    Example:
      >>> import fxad
      >>> float(fxad.grad(lambda x: x * fxad.lax.stop_gradient(x))(3.0))
      3.0
    """
    return tree.map(ops.stop_gradient_p.bind, x)


def convert_element_type(operand: Any, new_dtype: Any) -> Any:
    """The same values in another dtype.

    Args:
      operand: array or number.
      new_dtype: the dtype.

    Returns:
      An array of that dtype; complex numbers lose their imaginary part.

    Example:
      >>> import numpy as np
      >>> from fxad import lax
      >>> lax.convert_element_type(np.array([1.7]), int).tolist()
      [1]
    """
    return convert(operand, new_dtype)
