"""The traces that record a derivative on the tape of ``nodes``."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

import fxad.config as config
from fxad.core.aval import PYTHON_SCALARS, ShapedArray, aval_of, float0
from fxad.core.primitive import Primitive
from fxad.core.source import error, running_rule
from fxad.core.trace import Trace, Tracer, current_trace, register_tracer, under, within
from fxad.errors import NonDifferentiableError
from fxad.ops.rules import nonlinear
from fxad.transforms.jvp import PrimalTracer
from fxad.transforms.nodes import (
    Applied,
    Combined,
    Node,
    Product,
    Projected,
    Refused,
    SafelyCombined,
)

#: The abstract values of NumPy's scalars, which are the same for all of a type.
_SCALAR_AVALS = {
    np.dtype(code).type: ShapedArray((), np.dtype(code)) for code in ("e", "f", "d", "F", "D")
}


class TapeTracer(Tracer):
    """A tangent that is being recorded."""

    __slots__ = ("node",)

    def __init__(self, trace: TapeTrace, node: Node) -> None:
        self._trace, self.node = trace, node

    @property
    def aval(self) -> ShapedArray:
        """What is known of the tangent."""
        aval: ShapedArray = self.node.aval
        return aval


register_tracer(TapeTracer)


def is_recorded(value: Any) -> bool:
    """Whether a value is a tangent that is being recorded, or a batch of them."""
    while isinstance(value, Tracer):
        if type(value) is TapeTracer:
            return True
        value = value.below()
    return False


class TapeTrace(Trace):
    """Records what is done to tangents; leaves everything else to its parent."""

    __slots__ = ("transformation",)

    def __init__(
        self,
        parent: Trace,
        transformation: str = "a derivative rule, whose tangents have no value",
    ) -> None:
        super().__init__(parent)
        self.transformation = transformation

    def process(self, primitive: Primitive, args: tuple[Any, ...], params: dict[str, Any]) -> Any:
        """Records an application with tangents among its operands."""
        operands = list(args)
        active = False
        for i, a in enumerate(args):
            if type(a) is TapeTracer and a._trace is self:
                operands[i] = a.node
                active = True
        if not active:
            return self.parent.process(primitive, args, params)  # type: ignore[union-attr]
        if primitive.split is not None and not params.get("linear"):
            return primitive.split(args, [isinstance(a, Node) for a in operands], **params)
        aval = primitive.abstract(*map(aval_of, args), **params)
        kind = Applied if primitive.transpose is not None else Refused
        node = kind(aval, primitive, tuple(operands), params)
        if isinstance(node, Refused):
            node.problem, node.rule = nonlinear(primitive.name), running_rule()
        if not primitive.multiple_results:
            return TapeTracer(self, node)
        return [TapeTracer(self, Projected(a, node, i)) for i, a in enumerate(aval)]

    def input(self, aval: ShapedArray) -> TapeTracer:
        """A tangent that the recorded map takes."""
        return TapeTracer(self, Node(aval))

    def node_of(self, value: Any) -> Node | None:
        """The node of a result of a linear function; None for zero.

        Raises:
          NonDifferentiableError: a value other than zero that does not depend on the tangents.
        """
        if type(value) is TapeTracer and value._trace is self:
            return value.node
        known = type(value) in PYTHON_SCALARS or isinstance(value, np.ndarray | np.generic)
        if known and getattr(value, "dtype", None) != float0 and np.any(value):
            raise error(
                NonDifferentiableError,
                "transpose",
                "got a result that is not zero and does not depend on the tangents, "
                "wanted a linear function",
                "A linear function maps zero to zero: drop the constant term.",
            )
        return None


class LinearizeTracer(PrimalTracer):
    """A primal, and the node of its tangent."""

    __slots__ = ("node",)

    def __init__(self, trace: LinearizeTrace, primal: Any, node: Node) -> None:
        self._trace, self.primal, self.node = trace, primal, node


register_tracer(LinearizeTracer)


def _tangent_aval(out: Any) -> Any:
    """The aval of a differentiable output's tangent: of a tracer's the one that it has already."""
    kind = type(out)
    if kind is np.ndarray:
        return ShapedArray(out.shape, out.dtype)
    if kind is LinearizeTracer:
        return out.node.aval
    return _SCALAR_AVALS.get(kind) or aval_of(out)


def _scaled(
    partials: Sequence[Any], out: Any, primals: list[Any], nodes: list[Any], params: dict[str, Any]
) -> Node | None:
    """The tangent of an elementwise operation; factors come now or when they are needed."""
    values = (out, *primals)
    terms: list[tuple[Node, Any]] = []
    for node, partial in zip(nodes, partials, strict=True):
        if node is None or partial is None:
            continue
        if type(partial) is not int:
            terms.append((node, partial.of(values, params)))
        else:
            terms.append((node, None if partial == 1 else partial))
    return Combined(_tangent_aval(out), terms) if terms else None


def _product(
    primitive: Primitive, out: Any, primals: list[Any], nodes: list[Any], params: dict[str, Any]
) -> Node | None:
    """The tangent of a primitive that is linear in each of its operands."""
    aval = _tangent_aval(out)
    if aval.dtype.kind not in "fc":
        return None
    if len(nodes) - nodes.count(None) == 1:  # then the operand itself is not read
        primals[next(i for i, n in enumerate(nodes) if n is not None)] = None
    return Product(aval, primitive, primals, nodes, params)


class LinearizeTrace(Trace):
    """Runs a function on primals and records its derivative on a tape.

    Elementwise primitives say by which factors they scale tangents, and are recorded at once;
    the ``jvp`` and ``linearize`` rules of the others run on the tape's own tracers.
    """

    __slots__ = ("tape", "transformation")

    def __init__(self, parent: Trace, transformation: str) -> None:
        super().__init__(parent)
        self.tape, self.transformation = TapeTrace(parent), transformation

    def process(self, primitive: Primitive, args: tuple[Any, ...], params: dict[str, Any]) -> Any:
        """Runs the primals and records the tangents."""
        primals: list[Any] = []
        nodes: list[Node | None] = []
        active = False
        for a in args:
            if type(a) is LinearizeTracer and a._trace is self:
                primals.append(a.primal)
                nodes.append(a.node)
                active = True
            else:
                primals.append(a)
                nodes.append(None)
        if not active:
            return self.parent.process(primitive, args, params)  # type: ignore[union-attr]
        if primitive.partials is None and not primitive.multilinear:
            return self._by_rule(primitive, primals, nodes, params)
        out = self.parent.process(primitive, tuple(primals), params)  # type: ignore[union-attr]
        if primitive.partials is not None:
            node = _scaled(primitive.partials, out, primals, nodes, params)
        else:
            node = _product(primitive, out, primals, nodes, params)
        return out if node is None else LinearizeTracer(self, out, node)

    def _by_rule(
        self, primitive: Primitive, primals: list[Any], nodes: list[Any], params: dict[str, Any]
    ) -> Any:
        rule = primitive.linearize or primitive.jvp
        if rule is None:
            parent: Any = self.parent
            return parent.process(primitive, tuple(primals), params)
        tangents = [None if n is None else TapeTracer(self.tape, n) for n in nodes]
        out, tangent = under(self.tape, rule, primals, tangents, **params)
        if not primitive.multiple_results:
            return self._join(out, tangent)
        return [self._join(y, t) for y, t in zip(out, tangent, strict=True)]

    def _join(self, out: Any, tangent: Any) -> Any:
        node = None if tangent is None else self.tape.node_of(tangent)
        return out if node is None else LinearizeTracer(self, out, node)

    def split(self, value: Any) -> tuple[Any, Node | None]:
        """Primal and node of a result; a node of None is a zero tangent."""
        if type(value) is LinearizeTracer and value._trace is self:
            return value.primal, value.node
        return value, None


class SafeLinearizeTrace(LinearizeTrace):
    """The trace under ``config.safe_where``."""

    __slots__ = ()

    def process(self, primitive: Primitive, args: tuple[Any, ...], params: dict[str, Any]) -> Any:
        """Runs the primals and records the tangents, with products that keep zeros."""
        out = super().process(primitive, args, params)
        if type(out) is LinearizeTracer and out._trace is self and type(out.node) is Combined:
            out.node = SafelyCombined(out.node.aval, out.node.terms)
        return out


def linearize_flat(
    fun: Callable[..., Sequence[Any]],
    primals: Sequence[Any],
    avals: Sequence[ShapedArray | None],
    transformation: str = "linearize",
) -> tuple[list[Any], list[Node | None], list[Node | None]]:
    """Runs a function and records its derivative by the inputs that have an aval given.

    Returns the outputs, and the tape's nodes of the outputs' and of those inputs' tangents; a
    node of None stands for no tangent.
    """
    kind = SafeLinearizeTrace if config.safe_where else LinearizeTrace
    trace = kind(current_trace(), transformation)
    nodes = [Node(a) if a is not None and a.dtype.kind in "fc" else None for a in avals]
    args = [
        p if n is None else LinearizeTracer(trace, p, n)
        for p, n in zip(primals, nodes, strict=True)
    ]
    try:
        outs = [trace.split(y) for y in within(trace, fun, *args)]
    finally:
        trace.tape.alive = False
    return [y for y, _ in outs], [n for _, n in outs], nodes
