"""Trigonometric and hyperbolic functions and their inverses."""

from __future__ import annotations

from typing import Any

import numpy as np

from fxad.core.primitive import Primitive, Rule
from fxad.ops.elementwise import add, div, hypot, mul, neg, reciprocal_of, rsqrt, sub
from fxad.ops.rules import elementwise, unary

sin_p: Primitive = unary(
    "sin",
    impl=lambda xp, x: xp.sin(x),
    partial=lambda _out, x: cos(x),
    scalar="sin",
    ufunc=np.sin,
    flops=20,
)
cos_p: Primitive = unary(
    "cos",
    impl=lambda xp, x: xp.cos(x),
    partial=lambda _out, x: neg(sin(x)),
    scalar="cos",
    ufunc=np.cos,
    flops=20,
)
tan_p: Primitive = unary(
    "tan",
    impl=lambda xp, x: xp.tan(x),
    partial=lambda out, _x: add(mul(out, out), 1),
    scalar="tan",
    ufunc=np.tan,
    flops=25,
)


def _rsqrt_of_one_minus_square(x: Any) -> Any:
    """``(1 - x)**-0.5 * (1 + x)**-0.5``."""
    # Two roots, and -(x - 1) with its signed zero: the right sides of complex branch cuts.
    return mul(rsqrt(neg(sub(x, 1))), rsqrt(add(x, 1)))


asin_p: Primitive = unary(
    "asin",
    impl=lambda xp, x: xp.arcsin(x),
    partial=lambda _out, x: _rsqrt_of_one_minus_square(x),
    scalar="asin",
    ufunc=np.arcsin,
    flops=25,
)
acos_p: Primitive = unary(
    "acos",
    impl=lambda xp, x: xp.arccos(x),
    partial=lambda _out, x: neg(_rsqrt_of_one_minus_square(x)),
    scalar="acos",
    ufunc=np.arccos,
    flops=25,
)
atan_p: Primitive = unary(
    "atan",
    impl=lambda xp, x: xp.arctan(x),
    partial=lambda _out, x: reciprocal_of(add(mul(x, x), 1)),
    scalar="atan",
    ufunc=np.arctan,
    flops=25,
)
atan2_p: Primitive = elementwise(
    "atan2",
    impl=lambda xp, x, y: xp.arctan2(x, y),
    partials=(
        lambda _out, x, y: _over_square(y, x, y),
        lambda _out, x, y: neg(_over_square(x, x, y)),
    ),
    scalar="atan2",
    ufunc=np.arctan2,
    flops=30,
)


def _over_square(z: Any, x: Any, y: Any) -> Any:
    """``z / (x**2 + y**2)``, whose squares neither overflow nor vanish."""
    distance = hypot(x, y)
    return div(div(z, distance), distance)


sinh_p: Primitive = unary(
    "sinh",
    impl=lambda xp, x: xp.sinh(x),
    partial=lambda _out, x: cosh(x),
    scalar="sinh",
    ufunc=np.sinh,
    flops=25,
)
cosh_p: Primitive = unary(
    "cosh",
    impl=lambda xp, x: xp.cosh(x),
    partial=lambda _out, x: sinh(x),
    scalar="cosh",
    ufunc=np.cosh,
    flops=25,
)
tanh_p: Primitive = unary(
    "tanh",
    impl=lambda xp, x: xp.tanh(x),
    partial=lambda out, _x: sub(1, mul(out, out)),
    scalar="tanh",
    ufunc=np.tanh,
    flops=25,
)
asinh_p: Primitive = unary(
    "asinh",
    impl=lambda xp, x: xp.arcsinh(x),
    partial=lambda _out, x: rsqrt(add(mul(x, x), 1)),
    scalar="asinh",
    ufunc=np.arcsinh,
    flops=30,
)
acosh_p: Primitive = unary(
    "acosh",
    impl=lambda xp, x: xp.arccosh(x),
    partial=lambda _out, x: mul(rsqrt(sub(x, 1)), rsqrt(add(x, 1))),
    scalar="acosh",
    ufunc=np.arccosh,
    flops=30,
)
atanh_p: Primitive = unary(
    "atanh",
    impl=lambda xp, x: xp.arctanh(x),
    partial=lambda _out, x: reciprocal_of(mul(sub(1, x), add(x, 1))),
    scalar="atanh",
    ufunc=np.arctanh,
    flops=30,
)

sin: Rule = sin_p.bind
cos: Rule = cos_p.bind
tan: Rule = tan_p.bind
asin: Rule = asin_p.bind
acos: Rule = acos_p.bind
atan: Rule = atan_p.bind
atan2: Rule = atan2_p.bind
sinh: Rule = sinh_p.bind
cosh: Rule = cosh_p.bind
tanh: Rule = tanh_p.bind
asinh: Rule = asinh_p.bind
acosh: Rule = acosh_p.bind
atanh: Rule = atanh_p.bind
