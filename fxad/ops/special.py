"""Special functions: the logistic function, error functions, and the gamma function's family."""

from __future__ import annotations

import math
from typing import Any

from fxad.core.primitive import Primitive, Rule
from fxad.ops.elementwise import exp, mul, neg
from fxad.ops.rules import unary

_TWO_OVER_SQRT_PI = 2 / math.sqrt(math.pi)

logistic_p: Primitive = unary(
    "logistic",
    impl=lambda xp, x: xp.logistic(x),
    partial=lambda out, x: mul(out, logistic(neg(x))),
    scalar="logistic",
    flops=20,
    scratch=3.0,
)
erf_p: Primitive = unary(
    "erf",
    impl=lambda xp, x: xp.erf(x),
    partial=lambda _out, x: mul(exp(neg(mul(x, x))), _TWO_OVER_SQRT_PI),
    scalar="erf",
    flops=30,
)
erfc_p: Primitive = unary(
    "erfc",
    impl=lambda xp, x: xp.erfc(x),
    partial=lambda _out, x: mul(exp(neg(mul(x, x))), -_TWO_OVER_SQRT_PI),
    scalar="erfc",
    flops=30,
)
erf_inv_p: Primitive = unary(
    "erf_inv",
    impl=lambda xp, x: xp.erf_inv(x),
    partial=lambda out, _x: mul(exp(mul(out, out)), 1 / _TWO_OVER_SQRT_PI),
    scalar="erf_inv",
    flops=40,
    scratch=4.0,
)
lgamma_p: Primitive = unary(
    "lgamma",
    impl=lambda xp, x: xp.lgamma(x),
    partial=lambda _out, x: digamma(x),
    scalar="lgamma",
    flops=60,
)
digamma_p: Primitive = unary(
    "digamma",
    impl=lambda xp, x: xp.digamma(x),
    partial=lambda _out, x: polygamma(1, x),
    scalar="digamma",
    flops=60,
)
polygamma_p: Primitive = unary(
    "polygamma",
    impl=lambda xp, x, *, n: xp.polygamma(n, x),
    partial=lambda _out, x, *, n: polygamma(n + 1, x),
    flops=120,
)


def polygamma(n: int, x: Any) -> Any:
    """The derivative of order ``n`` (a Python integer) of digamma."""
    return polygamma_p.bind(x, n=n)

logistic: Rule = logistic_p.bind
erf: Rule = erf_p.bind
erfc: Rule = erfc_p.bind
erf_inv: Rule = erf_inv_p.bind
lgamma: Rule = lgamma_p.bind
digamma: Rule = digamma_p.bind
