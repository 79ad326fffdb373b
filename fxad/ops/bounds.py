"""Values kept within bounds, with JAX's derivative at the ends."""

from __future__ import annotations

from typing import Any

from fxad.core.primitive import Primitive
from fxad.ops.elementwise import max as maximum
from fxad.ops.logic import and_, gt, lt
from fxad.ops.rules import elementwise

#: ``min(max(low, x), high)``. Neither ``x`` nor a bound that it equals has a share of the
#: derivative, unlike those of ``min`` and ``max``, which share it.
clamp_p: Primitive = elementwise(
    "clamp",
    impl=lambda xp, low, x, high: xp.minimum(xp.maximum(low, x), high),
    partials=(
        lambda _out, low, x, high: and_(gt(low, x), lt(low, high)),
        lambda _out, low, x, high: and_(gt(x, low), lt(x, high)),
        lambda _out, low, x, high: lt(high, maximum(low, x)),
    ),
    scalar="clamp",
    flops=2,
    scratch=1.0,
)


def clamp(low: Any, x: Any, high: Any) -> Any:
    """``x`` where it lies between the bounds, else the nearer of them; ``high`` wins over all."""
    return clamp_p.bind(low, x, high)
