"""How many steps a loop takes, where known numbers decide: counters that start from constants."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from fxad.control.trajectory import Repeat
from fxad.core.jaxpr import ClosedJaxpr, Eqn, Literal, Var, dce_jaxpr
from fxad.core.trace import EVAL, under

#: Loops of more steps are not counted out.
COUNTED = 10_000


def counted(eqn: Eqn) -> Eqn:
    """The equation with the number of its loop's steps, where that is known."""
    if eqn.params.get("length", 0) is not None:
        return eqn
    repeat = Repeat(**{name: eqn.params[name] for name in Repeat._fields})
    steps = _steps(repeat, [v.value if isinstance(v, Literal) else None for v in eqn.invars])
    return eqn if steps is None else eqn.replace(params=eqn.params | {"length": steps})


def _steps(repeat: Repeat, operands: Sequence[Any]) -> int | None:
    """The number of steps, if the operands that decide about it are known; the others are None."""
    assert repeat.cond_jaxpr is not None, "a loop of no known length has a condition"
    tests, consts, carry, _ = repeat.parts(operands)
    test, read = _part(repeat.cond_jaxpr, [True])
    wanted: set[int] = set()
    more = {i - len(tests) for i in read if i >= len(tests)}
    known = all(tests[i] is not None for i in read if i < len(tests))
    while more - wanted:  # what is carried and decides, also about what decides
        wanted |= more
        step, read = _part(repeat.body_jaxpr, [i in wanted for i in range(len(carry))])
        more = {i - len(consts) for i in read if i >= len(consts)}
        known = known and all(consts[i] is not None for i in read if i < len(consts))
    known = known and all(i < len(carry) and carry[i] is not None for i in wanted)
    if not (wanted and known) or test.effects() or step.effects():
        return None
    return under(EVAL, _count, test, step, (tests, consts, carry), sorted(wanted))


def _part(closed: ClosedJaxpr, keep: Sequence[bool]) -> tuple[ClosedJaxpr, list[int]]:
    """What some of the first outputs are computed from, and which inputs that reads."""
    jaxpr = closed.jaxpr
    flags = [*keep, *[False] * (len(jaxpr.outvars) - len(keep))]
    jaxpr = dce_jaxpr(jaxpr, flags, effects=False)
    atoms = {*jaxpr.outvars, *(v for eqn in jaxpr.eqns for v in eqn.invars)}
    read = [i for i, v in enumerate(jaxpr.invars) if isinstance(v, Var) and v in atoms]
    return ClosedJaxpr(jaxpr, closed.consts), read


def _count(
    test: ClosedJaxpr, step: ClosedJaxpr, parts: tuple[list[Any], ...], wanted: Sequence[int]
) -> int | None:
    tests, consts, carry = parts
    for steps in range(COUNTED):
        if not test(*tests, *carry)[0]:
            return steps
        for i, value in zip(wanted, step(*consts, *carry), strict=True):
            carry[i] = value
    return None
