"""Floats as such: their signs, exponents and neighbours, element by element."""

from __future__ import annotations

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

copysign: Rule = copysign_p.bind
nextafter: Rule = nextafter_p.bind
heaviside: Rule = heaviside_p.bind
ldexp: Rule = ldexp_p.bind
spacing: Rule = spacing_p.bind
