"""Floats as such: their signs, exponents, neighbours and bits, element by element."""

from __future__ import annotations

from typing import Any

import numpy as np

from fxad.core.primitive import Primitive, Rule
from fxad.ops.base import ones_like, zeros_like
from fxad.ops.elementwise import mul, select, sign
from fxad.ops.logic import eq
from fxad.ops.rules import elementwise, unary

copysign_p: Primitive = elementwise(
    "copysign",
    impl=lambda xp, x, y: xp.copysign(x, y),
    partials=(lambda out, x, y: mul(sign(x), copysign(ones_like(out), y)), None),
    scalar="copysign",
    ufunc=np.copysign,
)
nextafter_p: Primitive = elementwise(
    "nextafter", impl=lambda xp, x, y: xp.nextafter(x, y), partials=(1, None)
)
heaviside_p: Primitive = elementwise(
    "heaviside",
    impl=lambda xp, x, y: xp.heaviside(x, y),
    partials=(None, lambda out, x, _y: select(eq(x, 0), ones_like(out), zeros_like(out))),
    scalar="heaviside",
)
ldexp_p: Primitive = elementwise(
    "ldexp",
    impl=lambda xp, x, n: xp.ldexp(x, n),
    jvps=(lambda t, out, x, n: ldexp(t, n), None),
    transposes=(lambda ct, x, n: ldexp(ct, n), None),
    scalar="ldexp",
)
spacing_p: Primitive = unary("spacing", impl=lambda xp, x: xp.spacing(x))


def _reduce_precision(xp: Any, x: Any, *, exponent_bits: int, mantissa_bits: int) -> Any:
    info, bits = np.finfo(x.dtype), np.dtype(f"uint{8 * x.dtype.itemsize}")
    sign_bit = bits.type(1 << (info.bits - 1))
    whole = xp.where(xp.isnan(x), bits.type(0), xp.asarray(x).view(bits))
    lost = info.nmant - mantissa_bits
    if lost > 0:  # to the nearest, halves to even: a carry goes on into the exponent
        last = (whole >> bits.type(lost)) & bits.type(1)
        rounded = whole + (bits.type((1 << (lost - 1)) - 1) + last)
        whole = rounded & ~bits.type((1 << lost) - 1)
    if exponent_bits < info.nexp:
        exponent = (whole & ~sign_bit) >> bits.type(info.nmant)
        middle, reach = (1 << (info.nexp - 1)) - 1, (1 << (exponent_bits - 1)) - 1
        infinite = bits.type(((1 << info.nexp) - 1) << info.nmant)
        edge = xp.where(exponent > middle + reach, infinite, bits.type(0)) | (whole & sign_bit)
        inside = (exponent <= middle + reach) & (exponent > middle - reach)
        whole = xp.where(inside, whole, edge)
    return xp.where(xp.isnan(x), x, xp.asarray(whole).view(x.dtype))


reduce_precision_p: Primitive = unary(
    "reduce_precision",
    impl=_reduce_precision,
    jvp=lambda t, out, x, **bits: reduce_precision(t, **bits),
    transpose=lambda ct, x, **bits: reduce_precision(ct, **bits),
)

copysign: Rule = copysign_p.bind
nextafter: Rule = nextafter_p.bind
heaviside: Rule = heaviside_p.bind
ldexp: Rule = ldexp_p.bind
spacing: Rule = spacing_p.bind
reduce_precision: Rule = reduce_precision_p.bind
