"""Reverse mode: the tape that records a derivative, and the backward pass over it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from itertools import count
from typing import Any

from fxad.core.aval import ShapedArray, aval_of, float0, tangent_aval
from fxad.core.jaxpr import ClosedJaxpr, Eqn, Jaxpr, Literal, Var, dce_jaxpr
from fxad.core.primitive import Primitive
from fxad.core.staging import JaxprTrace, stage
from fxad.core.trace import (
    LinearOperand,
    Trace,
    Tracer,
    current_trace,
    register_tracer,
    within,
)
from fxad.ops.base import add_any
from fxad.ops.rules import nonlinear
from fxad.transforms.jvp import JVPTrace, JVPTracer

_ticks = count()


class Node(LinearOperand):
    """A linear value on the tape: the operation that made it and that operation's operands.

    Operands are nodes where they are linear and values (residuals) elsewhere. Nodes refer to
    their operands alone, so what no result depends on is freed as soon as its function drops it.
    """

    __slots__ = ("tick", "primitive", "args", "params")

    aval: Any

    def __init__(
        self,
        aval: Any,
        primitive: Primitive | None = None,
        args: tuple[Any, ...] = (),
        params: Any = None,
    ) -> None:
        self.aval, self.primitive, self.args, self.params = aval, primitive, args, params
        self.tick = next(_ticks)


class TapeTracer(Tracer):
    """A tangent that is being recorded."""

    __slots__ = ("node",)

    def __init__(self, trace: TapeTrace, node: Node) -> None:
        self.trace, self.node = trace, node

    @property
    def aval(self) -> ShapedArray:
        """What is known of the value without its numbers."""
        aval: ShapedArray = self.node.aval
        return aval

    @property
    def shape(self) -> tuple[int, ...]:
        """The lengths of the axes."""
        shape: tuple[int, ...] = self.node.aval.shape
        return shape


register_tracer(TapeTracer)


class TapeTrace(Trace):
    """Records what is done to tangents; leaves everything else to its parent."""

    __slots__ = ()
    transformation = "a derivative rule, whose tangents have no value"

    def process(self, primitive: Primitive, args: tuple[Any, ...], params: dict[str, Any]) -> Any:
        """Interprets one application of a primitive."""
        operands = list(args)
        active = False
        for i, a in enumerate(args):
            if type(a) is TapeTracer and a.trace is self:
                operands[i] = a.node
                active = True
        if not active:
            return self.parent.process(primitive, args, params)  # type: ignore[union-attr]
        if primitive.transpose is None:
            raise nonlinear(primitive.name)
        if primitive.split is not None and not params["linear"]:
            return primitive.split(args, [type(a) is Node for a in operands], **params)
        aval = primitive.abstract(*map(aval_of, args), **params)
        node = Node(aval, primitive, tuple(operands), params)
        if not primitive.multiple_results:
            return TapeTracer(self, node)
        return [TapeTracer(self, Node(a, None, (node,), i)) for i, a in enumerate(aval)]

    def input(self, aval: ShapedArray) -> TapeTracer:
        """A tangent that the recorded map takes."""
        return TapeTracer(self, Node(aval))

    def node_of(self, value: Any) -> Node | None:
        """The node of a tangent; None for one that is not on this tape, a zero."""
        return value.node if type(value) is TapeTracer and value.trace is self else None


def linearize_flat(
    fun: Callable[..., Sequence[Any]], primals: Sequence[Any], wanted: Sequence[bool]
) -> tuple[list[Any], list[Node | None], list[Node | None]]:
    """Runs a function and records its derivative.

    Returns the outputs, and the tape's nodes of the outputs' and of the wanted inputs' tangents.
    """
    tape = TapeTrace(current_trace())
    trace = JVPTrace(tape, records=True)
    tangents = [
        tape.input(tangent_aval(aval_of(p))) if w and _has_tangent(p) else None
        for p, w in zip(primals, wanted, strict=True)
    ]
    args = [
        p if t is None else JVPTracer(trace, p, t) for p, t in zip(primals, tangents, strict=True)
    ]
    try:
        outs = [trace.split(y) for y in within(trace, fun, *args)]
    finally:
        tape.alive = False
    return (
        [y for y, _ in outs],
        [tape.node_of(t) for _, t in outs],
        [None if t is None else t.node for t in tangents],
    )


def _has_tangent(primal: Any) -> bool:
    return tangent_aval(aval_of(primal)).dtype != float0


def topological(outputs: Sequence[Node | None]) -> list[Node]:
    """The nodes that some outputs depend on, in the order in which they were recorded."""
    seen = {node for node in outputs if node is not None}
    stack = list(seen)
    while stack:
        for operand in stack.pop().args:
            if type(operand) is Node and operand not in seen:
                seen.add(operand)
                stack.append(operand)
    return sorted(seen, key=lambda node: node.tick)


def backward(
    outputs: Sequence[Node | None],
    cotangents: Sequence[Any],
    inputs: Sequence[Node | None],
    consume: bool = False,
) -> list[Any]:
    """Pulls cotangents of outputs back to inputs; None is zero, going in and coming out.

    Args:
      outputs: nodes of the tape.
      cotangents: one for each output.
      inputs: nodes of the tape without operands.
      consume: frees residuals as soon as they have been used; the tape is lost.
    """
    pending: dict[Node, Any] = {}
    for node, ct in zip(outputs, cotangents, strict=True):
        if node is not None and ct is not None:
            pending[node] = add_any(pending.get(node), ct)
    order = topological(list(pending))
    while order:
        node = order.pop()
        if not node.args:
            continue
        ct = pending.pop(node, None)
        if ct is None:
            continue
        if node.primitive is None:
            source = node.args[0]
            slots = pending.setdefault(source, [None] * len(source.aval))
            slots[node.params] = add_any(slots[node.params], ct)
            continue
        results = node.primitive.transpose(ct, *node.args, **node.params)  # type: ignore[misc]
        for operand, result in zip(node.args, results, strict=True):
            if result is not None and type(operand) is Node:
                before = pending.get(operand)
                pending[operand] = result if before is None else add_any(before, result)
        if consume:
            node.args = ()
    return [None if node is None else pending.get(node) for node in inputs]


def tape_jaxpr(
    inputs: Sequence[Node | None], outputs: Sequence[Node | None]
) -> tuple[Jaxpr, list[Any]]:
    """The tape as a linear jaxpr ``residuals, tangents -> tangents``, and the residuals.

    Inputs and outputs that are None are left out.
    """
    variables = {node: Var(node.aval) for node in inputs if node is not None}
    residuals: dict[int, tuple[Var, Any]] = {}
    projections: dict[Node, list[Var]] = {}
    eqns = []

    def atom(operand: Any) -> Any:
        if type(operand) is Node:
            return variables[operand]
        if aval_of(operand).shape == () and not isinstance(operand, Tracer):
            return Literal(operand)
        return residuals.setdefault(id(operand), (Var(aval_of(operand)), operand))[0]

    for node in topological(outputs):
        if node in variables:
            continue
        if node.primitive is None:
            variables[node] = projections[node.args[0]][node.params]
            continue
        atoms = [atom(a) for a in node.args]
        if node.primitive.multiple_results:
            out = projections[node] = [Var(a) for a in node.aval]
        else:
            out = [variables.setdefault(node, Var(node.aval))]
        eqns.append(Eqn(node.primitive, atoms, out, node.params))
    invars = [variables[node] for node in inputs if node is not None]
    outvars = [variables[node] for node in outputs if node is not None]
    values = list(residuals.values())
    jaxpr = Jaxpr((), [var for var, _ in values] + invars, eqns, outvars)
    return jaxpr, [value for _, value in values]


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
        nodes = [tape.node_of(y) for y in outs]
        jaxpr, residuals = tape_jaxpr([tape.node_of(x) for x in inputs], nodes)
        known = [y for y, node in zip(outs, nodes, strict=True) if node is None]
        forward = trace.finish([x for x in fixed if x is not None], known + residuals)
        return forward, ClosedJaxpr(jaxpr), [node is not None for node in nodes]

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
        outs, out_nodes, in_nodes = linearize_flat(closed, primals, nonzero)
        jaxpr, residuals = tape_jaxpr(in_nodes, out_nodes)
        forward = trace.finish(primals, outs + residuals)
        return forward, ClosedJaxpr(jaxpr), [node is not None for node in out_nodes]

    return within(trace, body)


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
        outs = within(tape, closed, *inputs)
        nodes = [tape.node_of(y) for y in outs]
        in_nodes = [x.node for x, is_lin in zip(inputs, linear, strict=True) if is_lin]
        results = backward(nodes, [next(cts) if g else None for g in given], in_nodes)
        found.append([ct is not None for ct in results])
        return [ct for ct in results if ct is not None]

    out_avals = [a.strong() for a, g in zip(closed.out_avals, given, strict=True) if g]
    staged = stage(transposed, fixed_avals + out_avals, "transpose")
    return ClosedJaxpr(dce_jaxpr(staged.jaxpr), staged.consts), found[0]
