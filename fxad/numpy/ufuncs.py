"""NumPy's ufuncs: one entry each."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

import fxad.ops.elementwise as ops
import fxad.ops.floats as floats
import fxad.ops.logic as logic
import fxad.ops.trigonometry as angles
from fxad.core.source import error
from fxad.errors import DtypeError
from fxad.numpy.dispatch import FLOAT64
from fxad.numpy.elementwise import ufunc
from fxad.ops.base import convert, dtype_of


def _float_loop(operation: str, x: Any) -> Any:
    """``x`` in the narrowest float that holds it, as a ufunc with float loops alone casts it."""
    dtype = dtype_of(x)
    if dtype.kind == "c":
        raise error(DtypeError, operation, "got complex numbers, wanted real ones")
    if dtype.kind == "f":
        return x
    return convert(x, np.dtype(_FLOAT_OF_SIZE.get(dtype.itemsize, np.float64)))


_FLOAT_OF_SIZE = {1: np.float16, 2: np.float32}


def _positive(x: Any) -> Any:
    if dtype_of(x).kind == "b":
        raise error(DtypeError, "positive", "got bool, wanted numbers")
    return convert(x, dtype_of(x))


def _fabs(x: Any) -> Any:
    return ops.abs_(_float_loop("fabs", x))


def _float_power(x1: Any, x2: Any) -> Any:
    dtype = np.result_type(dtype_of(x1), dtype_of(x2), FLOAT64)
    return ops.pow(convert(x1, dtype), convert(x2, dtype))


def _to_degrees(x: Any) -> Any:
    return ops.mul(_float_loop("degrees", x), 180 / math.pi)


def _to_radians(x: Any) -> Any:
    return ops.mul(_float_loop("radians", x), math.pi / 180)


def _divmod(x1: Any, x2: Any) -> Any:
    return ops.floor_divide(x1, x2), ops.remainder(x1, x2)


def _modf(x: Any) -> Any:
    x = _float_loop("modf", x)
    whole = ops.trunc(x)
    fraction = ops.select(logic.isinf(x), ops.mul(0.0, ops.sign(x)), ops.sub(x, whole))
    return floats.copysign(fraction, x), whole


def _frexp(x: Any) -> Any:
    x = _float_loop("frexp", x)
    known = logic.logical_and(logic.isfinite(x), logic.ne(x, 0))
    size = ops.abs_(ops.select(known, x, 1))
    exponent = convert(ops.add(ops.floor(ops.log2(size)), 1), np.int32)
    # The logarithm may be off by one beside a power of two.
    fraction = floats.ldexp(size, ops.neg(exponent))
    above, below = logic.ge(fraction, 1), logic.lt(fraction, 0.5)
    step = ops.sub(convert(above, np.int32), convert(below, np.int32))
    exponent = ops.select(known, ops.add(exponent, step), 0)
    return floats.ldexp(x, ops.neg(exponent)), exponent


# Arithmetic ------------------------------------------------------------------------------------

add = ufunc(np.add, ops.add_p, "Sum, element by element.", "[1, 2], 3", "[4, 5]")
subtract = ufunc(np.subtract, ops.sub_p, "Difference, element by element.", "[1, 2], 3", "[-2, -1]")
multiply = ufunc(np.multiply, ops.mul_p, "Product, element by element.", "[1, 2], 3", "[3, 6]")
divide = ufunc(np.divide, ops.div_p, "Quotient as a float.", "[1, 2], 4", "[0.25, 0.5]")
true_divide = divide
floor_divide = ufunc(
    np.floor_divide, ops.floor_divide_p, "Quotient rounded down.", "[7, -7], 2", "[3, -4]"
)
remainder = ufunc(
    np.remainder,
    ops.remainder_p,
    "Remainder of the division rounded down: it has the sign of the divisor.",
    "[7, -7], 4",
    "[3, 1]",
)
mod = remainder
fmod = ufunc(
    np.fmod,
    ops.fmod_p,
    "Remainder of the division rounded toward zero: it has the sign of the dividend.",
    "[7.0, -7.0], 4.0",
    "[3.0, -3.0]",
)
divmod = ufunc(
    np.divmod, _divmod, "Quotient rounded down, and remainder.", "[7, -7], 4", "[[1, -2], [3, 1]]"
)
negative = ufunc(np.negative, ops.neg_p, "The number with the other sign.", "[1, -2]", "[-1, 2]")
positive = ufunc(np.positive, _positive, "The number itself.", "[1, -2]", "[1, -2]")
power = ufunc(np.power, ops.pow_p, "The first to the power of the second.", "[2, 3], 2", "[4, 9]")
pow = power
float_power = ufunc(
    np.float_power,
    _float_power,
    "The first to the power of the second, in float64 (complex128) at least.",
    "[2, 3], -1",
    "[0.5, 0.3333333333333333]",
)
square = ufunc(np.square, ops.square_p, "The number times itself.", "[2, 3]", "[4, 9]")
reciprocal = ufunc(
    np.reciprocal, ops.reciprocal_p, "One divided by it.", "[2.0, 4.0]", "[0.5, 0.25]"
)
sqrt = ufunc(np.sqrt, ops.sqrt_p, "Square root.", "[4.0, 9.0]", "[2.0, 3.0]")
cbrt = ufunc(np.cbrt, ops.cbrt_p, "Cube root.", "[8.0]", "[2.0]")
hypot = ufunc(
    np.hypot,
    ops.hypot_p,
    "Hypotenuse: the square root of the sum of squares.",
    "3.0, [4.0]",
    "[5.0]",
)
absolute = ufunc(np.absolute, ops.abs_p, "Absolute value.", "[-1, 3 + 4j]", "[1.0, 5.0]")
abs = absolute
fabs = ufunc(np.fabs, _fabs, "Absolute value of real numbers, as a float.", "[-1, 2]", "[1.0, 2.0]")
sign = ufunc(
    np.sign, ops.sign_p, "Sign: -1, 0 or 1; z / |z| if complex.", "[-2, 0, 5]", "[-1, 0, 1]"
)

# Exponentials and logarithms -------------------------------------------------------------------

exp = ufunc(np.exp, ops.exp_p, "Exponential function.", "[0.0]", "[1.0]")
exp2 = ufunc(np.exp2, ops.exp2_p, "Two to the power of it.", "[0.0, 3.0]", "[1.0, 8.0]")
expm1 = ufunc(np.expm1, ops.expm1_p, "exp(x) - 1, exact for small x.", "[0.0]", "[0.0]")
log = ufunc(np.log, ops.log_p, "Natural logarithm.", "[1.0]", "[0.0]")
log2 = ufunc(np.log2, ops.log2_p, "Logarithm to base 2.", "[1.0, 8.0]", "[0.0, 3.0]")
log10 = ufunc(np.log10, ops.log10_p, "Logarithm to base 10.", "[1.0, 100.0]", "[0.0, 2.0]")
log1p = ufunc(np.log1p, ops.log1p_p, "log(1 + x), exact for small x.", "[0.0]", "[0.0]")
logaddexp = ufunc(
    np.logaddexp,
    ops.logaddexp_p,
    "log(exp(x1) + exp(x2)) without overflow.",
    "0.0, [-800.0]",
    "[0.0]",
)
logaddexp2 = ufunc(
    np.logaddexp2, ops.logaddexp2_p, "log2(2**x1 + 2**x2) without overflow.", "[0.0], 0.0", "[1.0]"
)

# Trigonometric and hyperbolic ------------------------------------------------------------------

sin = ufunc(np.sin, angles.sin_p, "Sine of an angle in radians.", "[0.0]", "[0.0]")
cos = ufunc(np.cos, angles.cos_p, "Cosine of an angle in radians.", "[0.0]", "[1.0]")
tan = ufunc(np.tan, angles.tan_p, "Tangent of an angle in radians.", "[0.0]", "[0.0]")
arcsin = ufunc(np.arcsin, angles.asin_p, "Inverse sine, from -pi/2 to pi/2.", "[0.0]", "[0.0]")
asin = arcsin
arccos = ufunc(np.arccos, angles.acos_p, "Inverse cosine, from 0 to pi.", "[1.0]", "[0.0]")
acos = arccos
arctan = ufunc(np.arctan, angles.atan_p, "Inverse tangent, from -pi/2 to pi/2.", "[0.0]", "[0.0]")
atan = arctan
arctan2 = ufunc(
    np.arctan2,
    angles.atan2_p,
    "The angle of the point (x2, x1), from -pi to pi.",
    "[0.0], [1.0]",
    "[0.0]",
)
atan2 = arctan2
sinh = ufunc(np.sinh, angles.sinh_p, "Hyperbolic sine.", "[0.0]", "[0.0]")
cosh = ufunc(np.cosh, angles.cosh_p, "Hyperbolic cosine.", "[0.0]", "[1.0]")
tanh = ufunc(np.tanh, angles.tanh_p, "Hyperbolic tangent.", "[0.0]", "[0.0]")
arcsinh = ufunc(np.arcsinh, angles.asinh_p, "Inverse hyperbolic sine.", "[0.0]", "[0.0]")
asinh = arcsinh
arccosh = ufunc(np.arccosh, angles.acosh_p, "Inverse hyperbolic cosine.", "[1.0]", "[0.0]")
acosh = arccosh
arctanh = ufunc(np.arctanh, angles.atanh_p, "Inverse hyperbolic tangent.", "[0.0]", "[0.0]")
atanh = arctanh
degrees = ufunc(np.degrees, _to_degrees, "Radians as degrees.", "[0.0]", "[0.0]")
rad2deg = ufunc(np.rad2deg, _to_degrees, "Radians as degrees.", "[0.0]", "[0.0]")
radians = ufunc(np.radians, _to_radians, "Degrees as radians.", "[0.0]", "[0.0]")
deg2rad = ufunc(np.deg2rad, _to_radians, "Degrees as radians.", "[0.0]", "[0.0]")

# Rounding, extrema, parts of floats ------------------------------------------------------------

floor = ufunc(np.floor, ops.floor_p, "Rounded down.", "[1.5, -1.5]", "[1.0, -2.0]")
ceil = ufunc(np.ceil, ops.ceil_p, "Rounded up.", "[1.5, -1.5]", "[2.0, -1.0]")
trunc = ufunc(np.trunc, ops.trunc_p, "Rounded toward zero.", "[1.5, -1.5]", "[1.0, -1.0]")
rint = ufunc(
    np.rint, ops.rint_p, "Rounded to the nearest, halves to even.", "[1.5, 2.5]", "[2.0, 2.0]"
)
maximum = ufunc(
    np.maximum, ops.max_p, "The larger of two; NaN where one is.", "[1, 5], 3", "[3, 5]"
)
minimum = ufunc(
    np.minimum, ops.min_p, "The smaller of two; NaN where one is.", "[1, 5], 3", "[1, 3]"
)
fmax = ufunc(
    np.fmax, ops.fmax_p, "The larger of two, NaN ignored.", "[1.0, fnp.nan], 3", "[3.0, 3.0]"
)
fmin = ufunc(
    np.fmin, ops.fmin_p, "The smaller of two, NaN ignored.", "[1.0, fnp.nan], 3", "[1.0, 3.0]"
)
modf = ufunc(
    np.modf, _modf, "Fractional and whole part.", "[1.5, -2.0]", "[[0.5, -0.0], [1.0, -2.0]]"
)
frexp = ufunc(
    np.frexp,
    _frexp,
    "The fraction, of a size from 0.5 to 1, and the exponent of 2 by which it is multiplied.",
    "[1.0, 6.0]",
    "[[0.5, 0.75], [1, 3]]",
)
copysign = ufunc(
    np.copysign,
    floats.copysign_p,
    "The first with the sign of the second.",
    "[1.0, 2.0], -0.0",
    "[-1.0, -2.0]",
)
nextafter = ufunc(
    np.nextafter,
    floats.nextafter_p,
    "The next float after the first toward the second.",
    "[0.0], 1.0",
    "[5e-324]",
)
spacing = ufunc(
    np.spacing,
    floats.spacing_p,
    "The distance to the next float.",
    "[1.0]",
    "[2.220446049250313e-16]",
)
ldexp = ufunc(
    np.ldexp, floats.ldexp_p, "x1 * 2**x2, for integers x2.", "[0.5, 3.0], 2", "[2.0, 12.0]"
)
heaviside = ufunc(
    np.heaviside,
    floats.heaviside_p,
    "The step function: 0 below zero, x2 at zero, 1 above.",
    "[-1.0, 0.0, 2.0], 0.5",
    "[0.0, 0.5, 1.0]",
)
signbit = ufunc(
    np.signbit, logic.signbit_p, "Whether the sign bit is set.", "[-0.0, 1.0]", "[True, False]"
)
conjugate = ufunc(np.conjugate, ops.conj_p, "Complex conjugate.", "[1 + 2j]", "[(1-2j)]")
conj = conjugate

# Comparison, logic, bits -----------------------------------------------------------------------

equal = ufunc(np.equal, logic.eq_p, "Whether x1 == x2.", "[1, 2], 2", "[False, True]")
not_equal = ufunc(np.not_equal, logic.ne_p, "Whether x1 != x2.", "[1, 2], 2", "[True, False]")
less = ufunc(np.less, logic.lt_p, "Whether x1 < x2.", "[1, 2], 2", "[True, False]")
less_equal = ufunc(np.less_equal, logic.le_p, "Whether x1 <= x2.", "[1, 2], 2", "[True, True]")
greater = ufunc(np.greater, logic.gt_p, "Whether x1 > x2.", "[1, 2], 1", "[False, True]")
greater_equal = ufunc(
    np.greater_equal, logic.ge_p, "Whether x1 >= x2.", "[1, 2], 1", "[True, True]"
)
logical_and = ufunc(
    np.logical_and,
    logic.logical_and_p,
    "Whether both hold.",
    "[True, False], True",
    "[True, False]",
)
logical_or = ufunc(
    np.logical_or,
    logic.logical_or_p,
    "Whether one or both hold.",
    "[True, False], False",
    "[True, False]",
)
logical_xor = ufunc(
    np.logical_xor,
    logic.logical_xor_p,
    "Whether just one holds.",
    "[True, False], True",
    "[False, True]",
)
logical_not = ufunc(
    np.logical_not, logic.logical_not_p, "Whether it does not hold.", "[0, 2]", "[True, False]"
)
isfinite = ufunc(
    np.isfinite, logic.isfinite_p, "Whether it is finite.", "[1.0, fnp.inf]", "[True, False]"
)
isinf = ufunc(
    np.isinf, logic.isinf_p, "Whether it is infinite.", "[1.0, -fnp.inf]", "[False, True]"
)
isnan = ufunc(np.isnan, logic.isnan_p, "Whether it is NaN.", "[1.0, fnp.nan]", "[False, True]")
bitwise_and = ufunc(np.bitwise_and, logic.and_p, "The bits set in both.", "[6, 5], 3", "[2, 1]")
bitwise_or = ufunc(np.bitwise_or, logic.or_p, "The bits set in one or both.", "[6, 5], 3", "[7, 7]")
bitwise_xor = ufunc(np.bitwise_xor, logic.xor_p, "The bits set in just one.", "[6, 5], 3", "[5, 6]")
invert = ufunc(np.invert, logic.not_p, "All bits flipped.", "[0, 5]", "[-1, -6]")
bitwise_not = bitwise_invert = invert
left_shift = ufunc(np.left_shift, logic.shift_left_p, "Bits moved up.", "[1, 3], 2", "[4, 12]")
bitwise_left_shift = left_shift
right_shift = ufunc(np.right_shift, logic.shift_right_p, "Bits moved down.", "[4, 15], 2", "[1, 3]")
bitwise_right_shift = right_shift
bitwise_count = ufunc(
    np.bitwise_count, logic.population_count_p, "How many bits of |x| are set.", "[7, 8]", "[3, 1]"
)
gcd = ufunc(np.gcd, logic.gcd_p, "Greatest common divisor.", "[12, 9], 8", "[4, 1]")
lcm = ufunc(np.lcm, logic.lcm_p, "Least common multiple.", "[4, 6], 10", "[20, 30]")
