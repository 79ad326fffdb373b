"""What the stages of a chain cost, from their derivatives."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from itertools import compress
from typing import NamedTuple

from fxad.control.memory.chain import Stage
from fxad.control.memory.derivative import roots_of_views, work_of
from fxad.control.memory.ghosts import passes_on_ghosts
from fxad.control.memory.model import footprint, nbytes_of
from fxad.core.jaxpr import Atom, ClosedJaxpr, Jaxpr, Var, dce_jaxpr
from fxad.transforms.staged import linearize_jaxpr, transpose_jaxpr


class Derived(NamedTuple):
    """A part of a function and its derivative.

    Args:
      jaxpr: the part.
      forward: ``operands -> results, residuals``.
      back: ``residuals, cotangents of the active results -> cotangents of active operands``.
      active: which operands have tangents.
      out_active: which results have.
      pulled: which operands have cotangents that are not zero.
    """

    jaxpr: Jaxpr
    forward: Jaxpr
    back: ClosedJaxpr
    active: list[bool]
    out_active: list[bool]
    pulled: list[bool]


def derive(jaxpr: Jaxpr, active: Sequence[bool]) -> Derived:
    """The derivative of a part."""
    forward, linear, out_active = linearize_jaxpr(ClosedJaxpr(jaxpr), active)
    tangents = [False] * (len(linear.in_avals) - sum(active)) + [True] * sum(active)
    back, nonzero = transpose_jaxpr(linear, tangents, [True] * sum(out_active))
    given = iter(nonzero)
    pulled = [a and next(given) for a in active]
    return Derived(jaxpr, forward.jaxpr, back, list(active), out_active, pulled)


class Marks(NamedTuple):
    """What surrounds a stage.

    Args:
      first: which operands other stages make, and none before reads.
      last: which operands no stage reads later.
      outputs: which operands and results are outputs of the whole, and so are there in any case.
      cotangents: of which results the cotangents, if any, are in memory of their own.
    """

    first: tuple[bool, ...]
    last: tuple[bool, ...]
    outputs: tuple[bool, ...]
    cotangents: tuple[bool, ...]


def examine(part: Derived, marks: Marks) -> tuple[Stage, list[bool]]:
    """What a stage costs; and which cotangents of its operands are in memory of their own."""
    closed, count = ClosedJaxpr(part.jaxpr), len(part.jaxpr.outvars)
    residuals = part.forward.outvars[count:]
    operands, own, results = places = _places(part, marks)

    def backward(*kept: set[Atom]) -> tuple[int, list[int]]:
        free = set[Atom]().union(*kept)
        given = [v in free and v not in residuals[:i] for i, v in enumerate(residuals)]
        found = footprint(part.back, given=[*given, *compress(marks.cotangents, part.out_active)])
        return found.peak - _size(compress(residuals, given)), found.results

    dying, operand = _dying(marks), _size(compress(part.jaxpr.invars, marks.first))
    freed = _size(compress(part.jaxpr.invars, dying))
    last = ClosedJaxpr(dce_jaxpr(part.forward, [False] * count + [True] * len(residuals)))
    peak, memory = backward(own, results)
    stage = Stage(
        work=work_of(part.jaxpr.eqns),
        running=footprint(closed).peak,
        running_over=footprint(closed, given=dying).peak - freed,
        backward=peak,
        backward_over=backward(*places)[0],
        keeps_input=_size(operands),
        keeps=_size(own),
        keeps_output=_size(results),
        last_work=work_of(last.eqns),
        last_running=footprint(last).peak,
        last_running_over=footprint(last, given=marks.first).peak - operand,
    )
    sizes = iter(memory)
    pairs = zip(part.jaxpr.invars, part.pulled, strict=True)
    return stage, [p and next(sizes) >= nbytes_of(v.aval) for v, p in pairs]


def eager(stage: Stage, part: Derived, marks: Marks) -> Stage:
    """What the stage costs where it runs one operation after another."""
    dying, nothing = _dying(marks), [False] * len(part.active)
    freed = _size(compress(part.jaxpr.invars, dying))
    cotangents = [o and a for o, a in zip(marks.cotangents, part.out_active, strict=True)]
    running, backward = passes_on_ghosts(part.jaxpr, part.active, nothing, cotangents)
    over = passes_on_ghosts(part.jaxpr, part.active, dying, cotangents)
    return stage._replace(
        running=running,
        running_over=over[0] - freed,
        backward=backward,
        backward_over=over[1],
    )


def _dying(marks: Marks) -> list[bool]:
    """Which operands nothing holds any more once the stage has read them."""
    parts = zip(marks.first, marks.last, marks.outputs, strict=False)
    return [first and last and not output for first, last, output in parts]


def _places(part: Derived, marks: Marks) -> tuple[set[Atom], set[Atom], set[Atom]]:
    """What a derivative keeps: of operands, of neither, and of results."""
    forward, count = part.forward, len(part.jaxpr.outvars)
    roots = roots_of_views(forward)
    places: dict[Atom, int] = {v: i for i, v in enumerate(forward.invars)}
    for i, v in enumerate(forward.outvars[:count]):
        places.setdefault(roots.get(v, v), len(forward.invars) + i)
    operands, own, results = set[Atom](), set[Atom](), set[Atom]()
    for v in {roots.get(v, v) for v in forward.outvars[count:]}:
        place = places.get(v)
        if place is None:
            own |= {v} if isinstance(v, Var) else set()
        elif marks.outputs[place]:
            continue
        elif place >= len(forward.invars):
            results.add(v)
        elif marks.first[place]:
            operands.add(v)
    return operands, own, results


def _size(atoms: Iterable[Atom]) -> int:
    return sum(nbytes_of(v.aval) for v in atoms)
