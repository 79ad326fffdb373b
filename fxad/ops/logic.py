"""Comparison, logic and bits, element by element: nothing here has a derivative."""

from __future__ import annotations

from fxad.core.primitive import Primitive, Rule
from fxad.ops.rules import elementwise, unary

eq_p: Primitive = elementwise("eq", impl=lambda xp, x, y: xp.equal(x, y), scalar="eq")
ne_p: Primitive = elementwise("ne", impl=lambda xp, x, y: xp.not_equal(x, y), scalar="ne")
lt_p: Primitive = elementwise("lt", impl=lambda xp, x, y: xp.less(x, y), scalar="lt")
le_p: Primitive = elementwise("le", impl=lambda xp, x, y: xp.less_equal(x, y), scalar="le")
gt_p: Primitive = elementwise("gt", impl=lambda xp, x, y: xp.greater(x, y), scalar="gt")
ge_p: Primitive = elementwise("ge", impl=lambda xp, x, y: xp.greater_equal(x, y), scalar="ge")
logical_and_p: Primitive = elementwise(
    "logical_and", impl=lambda xp, x, y: xp.logical_and(x, y), scalar="logical_and"
)
logical_or_p: Primitive = elementwise(
    "logical_or", impl=lambda xp, x, y: xp.logical_or(x, y), scalar="logical_or"
)
logical_xor_p: Primitive = elementwise(
    "logical_xor", impl=lambda xp, x, y: xp.logical_xor(x, y), scalar="logical_xor"
)
logical_not_p: Primitive = unary(
    "logical_not", impl=lambda xp, x: xp.logical_not(x), scalar="logical_not"
)
and_p: Primitive = elementwise("and", impl=lambda xp, x, y: x & y, keeps_weak=True, scalar="and")
or_p: Primitive = elementwise("or", impl=lambda xp, x, y: x | y, keeps_weak=True, scalar="or")
xor_p: Primitive = elementwise("xor", impl=lambda xp, x, y: x ^ y, keeps_weak=True, scalar="xor")
not_p: Primitive = unary("not", impl=lambda xp, x: ~x, keeps_weak=True, scalar="not")
shift_left_p: Primitive = elementwise(
    "shift_left", impl=lambda xp, x, y: x << y, keeps_weak=True, scalar="shift_left"
)
shift_right_p: Primitive = elementwise(
    "shift_right", impl=lambda xp, x, y: x >> y, keeps_weak=True, scalar="shift_right"
)
population_count_p: Primitive = unary(
    "population_count", impl=lambda xp, x: xp.bitwise_count(x), scalar="population_count"
)
isfinite_p: Primitive = unary("is_finite", impl=lambda xp, x: xp.isfinite(x), scalar="isfinite")
isinf_p: Primitive = unary("isinf", impl=lambda xp, x: xp.isinf(x), scalar="isinf")
isnan_p: Primitive = unary("isnan", impl=lambda xp, x: xp.isnan(x), scalar="isnan")
signbit_p: Primitive = unary("signbit", impl=lambda xp, x: xp.signbit(x), scalar="signbit")
gcd_p: Primitive = elementwise("gcd", impl=lambda xp, x, y: xp.gcd(x, y))
lcm_p: Primitive = elementwise("lcm", impl=lambda xp, x, y: xp.lcm(x, y))

eq: Rule = eq_p.bind
ne: Rule = ne_p.bind
lt: Rule = lt_p.bind
le: Rule = le_p.bind
gt: Rule = gt_p.bind
ge: Rule = ge_p.bind
logical_and: Rule = logical_and_p.bind
logical_or: Rule = logical_or_p.bind
logical_xor: Rule = logical_xor_p.bind
logical_not: Rule = logical_not_p.bind
and_: Rule = and_p.bind
or_: Rule = or_p.bind
xor: Rule = xor_p.bind
not_: Rule = not_p.bind
shift_left: Rule = shift_left_p.bind
shift_right: Rule = shift_right_p.bind
population_count: Rule = population_count_p.bind
gcd: Rule = gcd_p.bind
lcm: Rule = lcm_p.bind
isfinite: Rule = isfinite_p.bind
isinf: Rule = isinf_p.bind
isnan: Rule = isnan_p.bind
signbit: Rule = signbit_p.bind
