"""Reverse mode on jaxprs: a tape as a jaxpr, and jaxprs linearized, split and transposed."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

from fxad.core.jaxpr import Atom, ClosedJaxpr, Jaxpr, Var, dce_jaxpr
from fxad.core.staging import JaxprTrace, hoist, stage
from fxad.core.trace import current_trace, within
from fxad.transforms.nodes import Node, backward, topological
from fxad.transforms.tape import TapeTrace, TapeTracer, linearize_flat


def tape_jaxpr(
    inputs: Sequence[Node | None], outputs: Sequence[Node | None]
) -> tuple[ClosedJaxpr, list[Any]]:
    """The tape as a linear jaxpr ``residuals, tangents -> tangents``, and the residuals.

    Inputs and outputs that are None are left out. Factors that are still deferred become a part
    of the jaxpr, which computes them again from the residuals; ``linearize`` forces them first.
    """
    trace = JaxprTrace(current_trace(), "linearize")
    wanted = [node for node in inputs if node is not None]
    arguments = [trace.argument(node.aval) for node in wanted]

    def body() -> ClosedJaxpr:
        values: dict[Node, Any] = dict(zip(wanted, arguments, strict=True))
        for node in topological(outputs):
            if node not in values:
                values[node] = node.push(values)
        return trace.finish(arguments, [values[node] for node in outputs if node is not None])

    return hoist(within(trace, body))


def split_jaxpr(
    closed: ClosedJaxpr, linear: Sequence[bool]
) -> tuple[ClosedJaxpr, ClosedJaxpr, list[bool]]:
    """Splits a jaxpr into what does not depend on the linear inputs and what does.

    Returns the jaxpr ``other inputs -> other outputs, residuals``, the linear jaxpr
    ``residuals, linear inputs -> linear outputs``, and which outputs are linear.
    """
    trace = JaxprTrace(current_trace(), "linearize")
    fixed = [
        None if is_lin else trace.argument(aval)
        for aval, is_lin in zip(closed.in_avals, linear, strict=True)
    ]

    def body() -> tuple[ClosedJaxpr, ClosedJaxpr, list[bool]]:
        tape = TapeTrace(current_trace())
        inputs = [
            tape.input(aval) if x is None else x
            for x, aval in zip(fixed, closed.in_avals, strict=True)
        ]
        outs = within(tape, closed, *inputs)
        nodes = [y.node if type(y) is TapeTracer and y._trace is tape else None for y in outs]
        in_nodes = [x.node if type(x) is TapeTracer else None for x in inputs]
        jaxpr, residuals = tape_jaxpr(in_nodes, nodes)
        known = [y for y, node in zip(outs, nodes, strict=True) if node is None]
        forward = trace.finish([x for x in fixed if x is not None], known + residuals)
        return forward, jaxpr, [node is not None for node in nodes]

    return within(trace, body)


def linearize_jaxpr(
    closed: ClosedJaxpr, nonzero: Sequence[bool]
) -> tuple[ClosedJaxpr, ClosedJaxpr, list[bool]]:
    """Splits the derivative of a jaxpr for reverse mode.

    Returns the jaxpr ``primals -> outputs, residuals``, the linear jaxpr
    ``residuals, nonzero tangents -> nonzero tangents of the outputs``, and which those are.
    """
    trace = JaxprTrace(current_trace(), "linearize")
    primals = [trace.argument(aval) for aval in closed.in_avals]

    def body() -> tuple[ClosedJaxpr, ClosedJaxpr, list[bool]]:
        avals = [a if n else None for a, n in zip(closed.in_avals, nonzero, strict=True)]
        outs, out_nodes, in_nodes = linearize_flat(closed, primals, avals)
        jaxpr, residuals = tape_jaxpr(in_nodes, out_nodes)
        forward = trace.finish(primals, outs + residuals)
        return forward, jaxpr, [node is not None for node in out_nodes]

    return within(trace, body)


def postponed(jaxpr: Jaxpr, late: Iterable[Var]) -> Jaxpr:
    """The same program, what does not depend on the late inputs computed where it is first read.

    What a backward pass computes again would otherwise be there all at once before it begins.
    Equations with effects stay where they are among each other.
    """
    waiting: set[Atom] = set(late)
    first_read: dict[Atom, int] = {}
    end = len(jaxpr.eqns)
    depends = []
    for eqn in jaxpr.eqns:
        depends.append(not waiting.isdisjoint(eqn.invars))
        if depends[-1]:
            waiting.update(eqn.outvars)
    places: list[tuple[int, bool]] = [(0, False)] * end
    for i in reversed(range(end)):
        eqn = jaxpr.eqns[i]
        place = min((first_read.get(v, end) for v in eqn.outvars), default=i)
        if depends[i] or eqn.effects():
            place = i
        places[i] = place, depends[i]
        first_read.update((v, min(place, first_read.get(v, end))) for v in eqn.invars)
    order = sorted(range(end), key=places.__getitem__)
    return Jaxpr(jaxpr.constvars, jaxpr.invars, [jaxpr.eqns[i] for i in order], jaxpr.outvars)


def transpose_jaxpr(
    closed: ClosedJaxpr, linear: Sequence[bool], given: Sequence[bool]
) -> tuple[ClosedJaxpr, list[bool]]:
    """Transposes a jaxpr that is linear in some of its inputs.

    It is replayed on a tape: what does not depend on the linear inputs stays an ordinary
    computation. Returns the jaxpr ``other inputs, given cotangents -> nonzero cotangents of the
    linear inputs``, and which of them those are.
    """
    found: list[list[bool]] = []
    fixed_avals = [a for a, is_lin in zip(closed.in_avals, linear, strict=True) if not is_lin]

    def transposed(*args: Any) -> list[Any]:
        tape = TapeTrace(current_trace())
        fixed, cts = iter(args[: len(fixed_avals)]), iter(args[len(fixed_avals) :])
        inputs = [
            tape.input(aval) if is_lin else next(fixed)
            for aval, is_lin in zip(closed.in_avals, linear, strict=True)
        ]
        nodes = [tape.node_of(y) for y in within(tape, closed, *inputs)]
        in_nodes = [x.node for x, is_lin in zip(inputs, linear, strict=True) if is_lin]
        results = backward(nodes, [next(cts) if g else None for g in given], in_nodes)
        found.append([ct is not None for ct in results])
        return [ct for ct in results if ct is not None]

    out_avals = [a.strong() for a, g in zip(closed.out_avals, given, strict=True) if g]
    staged = stage(transposed, fixed_avals + out_avals, "transpose")
    jaxpr = dce_jaxpr(staged.jaxpr)
    return ClosedJaxpr(postponed(jaxpr, jaxpr.invars[len(fixed_avals) :]), staged.consts), found[0]
