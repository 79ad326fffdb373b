"""Arithmetic, elementary functions, comparison and logic, element by element.

Every block is a primitive with its value and its derivatives: ``jvp(t, out, *primals)`` for each
operand, and ``transpose(ct, *operands)`` where the operation is linear in it.
"""

from __future__ import annotations

import math
import operator
from typing import Any

import numpy as np

from fxad.core.aval import PYTHON_SCALARS, is_differentiable
from fxad.core.primitive import Primitive, Rule
from fxad.ops.base import convert, dtype_of, like, ones_like, zeros_like
from fxad.ops.logic import eq, logical_and, lt
from fxad.ops.rules import OUT, elementwise, unary
from fxad.ops.rules import mul as mul
from fxad.ops.rules import mul_p as mul_p

# Arithmetic ------------------------------------------------------------------------------------

add_p: Primitive = elementwise(
    "add",
    impl=lambda xp, x, y: x + y,
    partials=(1, 1),
    transposes=(lambda ct, x, y: ct, lambda ct, x, y: ct),
    jointly=True,
    keeps_weak=True,
    scalar="add",
    ufunc=np.add,
)
sub_p: Primitive = elementwise(
    "sub",
    impl=lambda xp, x, y: x - y,
    partials=(1, -1),
    transposes=(lambda ct, x, y: ct, lambda ct, x, y: neg(ct)),
    jointly=True,
    keeps_weak=True,
    scalar="sub",
    ufunc=np.subtract,
)
div_p: Primitive = elementwise(
    "div",
    impl=lambda xp, x, y: xp.true_divide(x, y),
    partials=(lambda _out, _x, y: reciprocal_of(y), lambda out, _x, y: neg(div(out, y))),
    transposes=(lambda ct, x, y: div(ct, y), None),
    keeps_weak=True,
    scalar="div",
    ufunc=np.true_divide,
    flops=4,
)
neg_p: Primitive = unary(
    "neg",
    impl=lambda xp, x: -x,
    partial=-1,
    transpose=lambda ct, x: neg(ct),
    keeps_weak=True,
    scalar="neg",
    ufunc=np.negative,
)
floor_divide_p: Primitive = elementwise(
    "floor_divide",
    impl=lambda xp, x, y: xp.floor_divide(x, y),
    keeps_weak=True,
    scalar="floor_divide",
    flops=4,
)
remainder_p: Primitive = elementwise(
    "remainder",
    impl=lambda xp, x, y: xp.remainder(x, y),
    partials=(1, lambda _out, x, y: neg(floor(div(x, y)))),
    keeps_weak=True,
    scalar="remainder",
    flops=6,
)
fmod_p: Primitive = elementwise(
    "rem",
    impl=lambda xp, x, y: xp.fmod(x, y),
    partials=(1, lambda _out, x, y: neg(trunc(div(x, y)))),
    scalar="fmod",
    flops=6,
)


def _integer_pow_partial(_out: Any, x: Any, *, y: int) -> Any:
    return y if y in (0, 1) else mul(integer_pow(x, y - 1), y)


integer_pow_p: Primitive = unary(
    "integer_pow",
    impl=lambda xp, x, *, y: x**y,
    partial=_integer_pow_partial,
    keeps_weak=True,
    scalar="integer_pow",
    flops=2,
)


def reciprocal_of(x: Any) -> Any:
    """``1 / x``, in floats also for integers."""
    return 1 / x if type(x) in PYTHON_SCALARS and x else div_p.bind(1, x)


def integer_pow(x: Any, y: int) -> Any:
    """``x`` to a power that is known as a Python integer."""
    if y == 2:
        return square_p.bind(x)
    return x if y == 1 and is_differentiable(dtype_of(x)) else integer_pow_p.bind(x, y=y)


def _pow_partial_base(out: Any, x: Any, y: Any) -> Any:
    if type(y) in PYTHON_SCALARS:
        return mul(pow(x, y - 1), y) if y else 0
    # 0**0 has slope 0 in its base: keep 0 * 0**-1 from becoming NaN. The factor y itself stays,
    # as it has a slope in y.
    dtype = dtype_of(out)
    y = convert(y, dtype)
    flat = logical_and(eq(y, 0), lt(abs_(x), np.finfo(dtype).tiny))
    return mul(y, pow(select(flat, 1, x), sub(y, 1)))


def _pow_partial_exponent(out: Any, x: Any, _y: Any) -> Any:
    # 0**y is flat for y > 0: keep 0 * log(0) from becoming NaN.
    x = convert(x, dtype_of(out))
    return mul(log(select(eq(x, 0), 1, x)), out)


pow_p: Primitive = elementwise(
    "pow",
    impl=lambda xp, x, y: xp.power(x, y),
    partials=(_pow_partial_base, _pow_partial_exponent),
    keeps_weak=True,
    scalar="pow",
    flops=30,
)
square_p: Primitive = unary(
    "square",
    impl=lambda xp, x: xp.square(x),
    partial=lambda _out, x: mul(x, 2),
    keeps_weak=True,
    scalar="square",
    ufunc=np.square,
)
reciprocal_p: Primitive = unary(
    "reciprocal",
    impl=lambda xp, x: xp.reciprocal(x),
    partial=lambda out, _x: neg(mul(out, out)),
    scalar="reciprocal",
    ufunc=np.reciprocal,
    flops=4,
)
sqrt_p: Primitive = unary(
    "sqrt",
    impl=lambda xp, x: xp.sqrt(x),
    partial=lambda out, _x: div(0.5, out),
    scalar="sqrt",
    ufunc=np.sqrt,
    flops=4,
)
rsqrt_p: Primitive = unary(
    "rsqrt",
    impl=lambda xp, x: xp.reciprocal(xp.sqrt(x)),
    partial=lambda out, x: mul(div(out, x), -0.5),
    scalar="rsqrt",
    flops=4,
    scratch=1.0,
)
cbrt_p: Primitive = unary(
    "cbrt",
    impl=lambda xp, x: xp.cbrt(x),
    partial=lambda out, _x: reciprocal_of(mul(mul(out, out), 3)),
    scalar="cbrt",
    ufunc=np.cbrt,
    flops=20,
)
hypot_p: Primitive = elementwise(
    "hypot",
    impl=lambda xp, x, y: xp.hypot(x, y),
    partials=(
        lambda out, x, _y: _ratio(x, out),
        lambda out, _x, y: _ratio(y, out),
    ),
    scalar="hypot",
    ufunc=np.hypot,
    flops=10,
)


def _ratio(x: Any, norm: Any) -> Any:
    """``x / norm``, and 0 where the norm is 0: the subgradient of least norm."""
    flat = eq(norm, 0)
    return div(x, select(flat, ones_like(norm), norm))


# Exponentials and logarithms -------------------------------------------------------------------

exp_p: Primitive = unary(
    "exp", impl=lambda xp, x: xp.exp(x), partial=OUT, scalar="exp", ufunc=np.exp, flops=15
)
exp2_p: Primitive = unary(
    "exp2",
    impl=lambda xp, x: xp.exp2(x),
    partial=lambda out, _x: mul(out, math.log(2)),
    scalar="exp2",
    ufunc=np.exp2,
    flops=15,
)
expm1_p: Primitive = unary(
    "expm1",
    impl=lambda xp, x: xp.expm1(x),
    partial=lambda out, _x: add(out, 1),
    scalar="expm1",
    ufunc=np.expm1,
    flops=20,
)
log_p: Primitive = unary(
    "log",
    impl=lambda xp, x: xp.log(x),
    partial=lambda _out, x: reciprocal_of(x),
    scalar="log",
    ufunc=np.log,
    flops=20,
)
log2_p: Primitive = unary(
    "log2",
    impl=lambda xp, x: xp.log2(x),
    partial=lambda _out, x: div(1 / math.log(2), x),
    scalar="log2",
    ufunc=np.log2,
    flops=20,
)
log10_p: Primitive = unary(
    "log10",
    impl=lambda xp, x: xp.log10(x),
    partial=lambda _out, x: div(1 / math.log(10), x),
    scalar="log10",
    ufunc=np.log10,
    flops=20,
)
log1p_p: Primitive = unary(
    "log1p",
    impl=lambda xp, x: xp.log1p(x),
    partial=lambda _out, x: reciprocal_of(add(x, 1)),
    scalar="log1p",
    ufunc=np.log1p,
    flops=20,
)


def _share_of_two(x: Any, y: Any, out: Any, exponential: Any) -> Any:
    """``exp(x - out)``; where ``x`` is ``out``, an infinity, 1, and 1/2 where ``y`` is it too."""
    x, y = convert(x, dtype_of(out)), convert(y, dtype_of(out))
    same = eq(x, out)
    share = exponential(sub(select(same, 0, x), select(same, 0, out)))
    return select(logical_and(same, eq(y, out)), 0.5, share)


logaddexp_p: Primitive = elementwise(
    "logaddexp",
    impl=lambda xp, x, y: xp.logaddexp(x, y),
    partials=(
        lambda out, x, y: _share_of_two(x, y, out, exp),
        lambda out, x, y: _share_of_two(y, x, out, exp),
    ),
    scalar="logaddexp",
    ufunc=np.logaddexp,
    flops=40,
)
logaddexp2_p: Primitive = elementwise(
    "logaddexp2",
    impl=lambda xp, x, y: xp.logaddexp2(x, y),
    partials=(
        lambda out, x, y: _share_of_two(x, y, out, exp2),
        lambda out, x, y: _share_of_two(y, x, out, exp2),
    ),
    scalar="logaddexp2",
    flops=40,
)

# Sign, rounding, extrema -----------------------------------------------------------------------


def _sign_jvp(t: Any, out: Any, x: Any) -> Any:
    if dtype_of(x).kind != "c":
        return None
    # A complex sign is x / |x|: what is left of the tangent moves across it.
    size = abs_(x)
    flat = eq(size, 0)
    across = sub(t, mul(out, real(mul(conj(out), t))))
    return select(flat, zeros_like(out), div(across, select(flat, ones_like(size), size)))


sign_p: Primitive = unary(
    "sign", impl=lambda xp, x: xp.sign(x), jvp=_sign_jvp, scalar="sign", ufunc=np.sign
)


def _abs_jvp(t: Any, out: Any, x: Any) -> Any:
    if dtype_of(x).kind != "c":
        return mul(t, sign(x))
    direction = conj(_ratio(x, out))
    return real(mul(t, direction))


abs_p: Primitive = unary(
    "abs", impl=lambda xp, x: abs(x), jvp=_abs_jvp, keeps_weak=True, scalar="abs"
)
floor_p: Primitive = unary("floor", impl=lambda xp, x: xp.floor(x), scalar="floor", ufunc=np.floor)
ceil_p: Primitive = unary("ceil", impl=lambda xp, x: xp.ceil(x), scalar="ceil", ufunc=np.ceil)
trunc_p: Primitive = unary("trunc", impl=lambda xp, x: xp.trunc(x), scalar="trunc")
rint_p: Primitive = unary("rint", impl=lambda xp, x: xp.rint(x), scalar="rint", ufunc=np.rint)
round_p: Primitive = unary(
    "round", impl=lambda xp, x, *, decimals: xp.round(x, decimals), scalar="round", flops=3
)


def _wins(x: Any, y: Any, out: Any) -> Any:
    """The share that an operand has in an extremum: 1, or 1/2 where both are equal."""
    return select(eq(x, y), 0.5, convert(eq(x, out), dtype_of(out)))


def _extremum(name: str, impl: Any) -> Any:
    return elementwise(
        name,
        impl,
        partials=(
            lambda out, x, y: _wins(x, y, out),
            lambda out, x, y: _wins(y, x, out),
        ),
        scalar=name,
    )


max_p: Primitive = _extremum("max", lambda xp, x, y: xp.maximum(x, y))
min_p: Primitive = _extremum("min", lambda xp, x, y: xp.minimum(x, y))
fmax_p: Primitive = _extremum("fmax", lambda xp, x, y: xp.fmax(x, y))
fmin_p: Primitive = _extremum("fmin", lambda xp, x, y: xp.fmin(x, y))

# Complex ---------------------------------------------------------------------------------------

real_p: Primitive = unary(
    "real",
    impl=lambda xp, x: xp.real(x) if hasattr(x, "dtype") else x.real,
    jvp=lambda t, out, x: real(t),
    transpose=lambda ct, x: convert(ct, x.aval.dtype),
    scalar="real",
    view=True,
)
imag_p: Primitive = unary(
    "imag",
    impl=lambda xp, x: xp.imag(x) if hasattr(x, "dtype") else x.imag,
    jvp=lambda t, out, x: imag(t),
    transpose=lambda ct, x: mul(convert(ct, x.aval.dtype), -1j),
    scalar="imag",
)
conj_p: Primitive = unary(
    "conj",
    impl=lambda xp, x: xp.conj(x),
    jvp=lambda t, out, x: conj(t),
    transpose=lambda ct, x: conj(ct),
    scalar="conj",
)


def _complex_impl(xp: Any, re: Any, im: Any) -> Any:
    dtype = xp.result_type(re, im)
    if dtype.kind == "c":
        raise TypeError("the parts of a complex number are real")
    shape = np.broadcast_shapes(np.shape(re), np.shape(im))
    out = xp.empty(shape, np.result_type(dtype, 1j))
    out.real, out.imag = re, im
    return out[()]


#: Not ``re + im * 1j``, which makes NaN of infinities and loses the sign of zeros.
complex_p: Primitive = elementwise(
    "complex",
    impl=_complex_impl,
    jvps=(lambda t, out, re, im: t, lambda t, out, re, im: complex_(0, t)),
    transposes=(lambda ct, re, im: real(ct), lambda ct, re, im: neg(imag(ct))),
    jointly=True,
    scalar="complex",
)

# Selection -------------------------------------------------------------------------------------

select_p: Primitive = elementwise(
    "select_n",
    impl=lambda xp, which, x, y: xp.where(which, y, x),
    jvps=(
        None,
        lambda t, out, which, x, y: select(which, 0, like(t, out)),
        lambda t, out, which, x, y: select(which, like(t, out), 0),
    ),
    transposes=(
        None,
        lambda ct, which, x, y: select(which, 0, ct),
        lambda ct, which, x, y: select(which, ct, 0),
    ),
    jointly=True,
    scalar="select",
)


def select(condition: Any, on_true: Any, on_false: Any) -> Any:
    """``on_true`` where the condition holds, else ``on_false``."""
    return select_p.bind(condition, on_false, on_true)


stop_gradient_p: Primitive = unary(
    "stop_gradient", impl=lambda xp, x: x, keeps_weak=True, scalar="identity", view=True
)

# Functions -------------------------------------------------------------------------------------

add: Rule = add_p.bind
sub: Rule = sub_p.bind
div: Rule = div_p.bind
neg: Rule = neg_p.bind
floor_divide: Rule = floor_divide_p.bind
remainder: Rule = remainder_p.bind
fmod: Rule = fmod_p.bind
pow: Rule = pow_p.bind
square: Rule = square_p.bind
reciprocal: Rule = reciprocal_p.bind
sqrt: Rule = sqrt_p.bind
rsqrt: Rule = rsqrt_p.bind
cbrt: Rule = cbrt_p.bind
hypot: Rule = hypot_p.bind
exp: Rule = exp_p.bind
exp2: Rule = exp2_p.bind
expm1: Rule = expm1_p.bind
log: Rule = log_p.bind
log2: Rule = log2_p.bind
log10: Rule = log10_p.bind
log1p: Rule = log1p_p.bind
logaddexp: Rule = logaddexp_p.bind
logaddexp2: Rule = logaddexp2_p.bind
sign: Rule = sign_p.bind
floor: Rule = floor_p.bind
ceil: Rule = ceil_p.bind
trunc: Rule = trunc_p.bind
rint: Rule = rint_p.bind
abs_: Rule = abs_p.bind
max: Rule = max_p.bind
min: Rule = min_p.bind
fmax: Rule = fmax_p.bind
fmin: Rule = fmin_p.bind
real: Rule = real_p.bind
imag: Rule = imag_p.bind
conj: Rule = conj_p.bind
complex_: Rule = complex_p.bind


def round_(x: Any, decimals: int = 0) -> Any:
    """Rounded to some decimals, halves to even."""
    return round_p.bind(x, decimals=operator.index(decimals))
