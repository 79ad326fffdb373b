"""Rules that close over traced values, staged beside their function while the values live."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from fxad.control.call import spread
from fxad.core.aval import ShapedArray
from fxad.core.staging import hoist, stage
from fxad.transforms.jvp import instantiate, zeros_for

#: The values that the staged rules need, and the rules as functions of them: what the rule of the
#: primitive takes, with these values before the other arguments.
Captured = tuple[list[Any], Callable[..., Any]]


def capture_vjp(avals: Sequence[ShapedArray], fwd: Any) -> Captured:
    """A ``fwd`` and its ``bwd`` as programs, for the case that every argument is perturbed."""
    made: list[tuple[int, Any]] = []
    present: list[bool] = []

    def flat_fwd(*values: Any) -> list[Any]:
        outs, residuals, bwd = fwd(values, [a.dtype.kind in "fc" for a in avals])
        made.append((len(outs), bwd))
        return [*outs, *residuals]

    forward, fwd_consts = hoist(stage(flat_fwd, avals, "custom_vjp"))
    ((count, bwd),) = made
    residual_avals = forward.out_avals[count:]
    ct_avals = [a.strong() for a in forward.out_avals[:count] if a.dtype.kind in "fc"]

    def flat_bwd(*values: Any) -> list[Any]:
        split = len(residual_avals)
        pulled = bwd(values[:split], values[split:])
        present[:] = [ct is not None for ct in pulled]
        return [ct for ct in pulled if ct is not None]

    backward, bwd_consts = hoist(stage(flat_bwd, [*residual_avals, *ct_avals], "custom_vjp"))
    first = len(fwd_consts)

    def captured(consts: Sequence[Any], primals: Sequence[Any], perturbed: Any) -> Any:
        both = forward(*consts[:first], *primals)

        def pull(residuals: Sequence[Any], cts: Sequence[Any]) -> list[Any]:
            full = [
                zeros_for(a, cts) if ct is None else ct for ct, a in zip(cts, ct_avals, strict=True)
            ]
            return spread(backward(*residuals, *full), present)

        return both[:count], [*consts[first:], *both[count:]], pull

    return [*fwd_consts, *bwd_consts], captured


def capture_jvp(avals: Sequence[ShapedArray], rule: Any) -> Captured:
    """A ``jvp`` rule as a program, for the case that every argument has a tangent."""
    active, count = [a.dtype.kind in "fc" for a in avals], len(avals)
    made: list[list[bool]] = []

    def flat(*values: Any) -> list[Any]:
        outs, tangents = rule(values[:count], spread(values[count:], active))
        made.append([t is not None for t in tangents])
        return [*outs, *(t for t in tangents if t is not None)]

    tangent_avals = [a.strong() for a in avals if a.dtype.kind in "fc"]
    closed, consts = hoist(stage(flat, [*avals, *tangent_avals], "custom_jvp"))
    (present,) = made

    def captured(consts: Sequence[Any], primals: Sequence[Any], tangents: Sequence[Any]) -> Any:
        pairs = zip(tangents, primals, active, strict=True)
        both = closed(*consts, *primals, *(instantiate(t, p) for t, p, a in pairs if a))
        return both[: len(present)], spread(both[len(present) :], present)

    return consts, captured
