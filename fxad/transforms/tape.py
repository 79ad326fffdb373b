"""Reverse mode: the tape that records a derivative, and the backward pass over it."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from heapq import heappop, heappush
from itertools import count
from sys import getrefcount
from typing import Any

import numpy as np

from fxad.backends.pool import LARGE, Buffer
from fxad.core.aval import PYTHON_SCALARS, ShapedArray, aval_of, float0
from fxad.core.primitive import Primitive
from fxad.core.source import error
from fxad.core.trace import (
    EVAL,
    EvalTrace,
    LinearOperand,
    Trace,
    Tracer,
    current_trace,
    register_tracer,
    under,
    within,
)
from fxad.errors import NonDifferentiableError
from fxad.ops.base import add_any, fit, unbroadcast
from fxad.ops.elementwise import mul
from fxad.ops.rules import Deferred, nonlinear

_ticks = count()

_PLAIN = EvalTrace.numpy_types

Give = Callable[[Any, Any], None]

#: The abstract values of NumPy's scalars, which are the same for all of a type.
_SCALAR_AVALS = {
    np.dtype(code).type: ShapedArray((), np.dtype(code)) for code in ("e", "f", "d", "F", "D")
}


class Node(LinearOperand):
    """A linear value on the tape. This class itself is an input.

    A node refers to the nodes and residuals that it is made of and to nothing else, so what no
    result depends on is freed as soon as its function drops it.
    """

    __slots__ = ("tick",)

    def __init__(self, aval: Any) -> None:
        self.aval, self.tick = aval, next(_ticks)

    def operands(self) -> Iterator[Node]:
        """The nodes that it is made of."""
        return iter(())

    def pull(self, ct: Any, eager: bool, give: Give) -> None:
        """Gives those nodes their cotangents; ``eager`` if they are plain NumPy values."""

    def push(self, tangents: dict[Node, Any]) -> Any:
        """Its value, given theirs."""
        raise KeyError(self)

    def release(self) -> None:
        """Frees the residuals."""


class Combined(Node):
    """A sum of nodes, each times a factor (None: one), elementwise, broadcast to the aval.

    Factors that cost work are deferred: what they read is there anyway, as a rule, and fewer
    arrays live until the backward pass.
    """

    __slots__ = ("terms",)

    def __init__(self, aval: Any, terms: Sequence[tuple[Node, Any]]) -> None:
        self.aval, self.tick, self.terms = aval, next(_ticks), terms

    def operands(self) -> Iterator[Node]:
        """The nodes of the sum."""
        return (node for node, _ in self.terms)

    def pull(self, ct: Any, eager: bool, give: Give) -> None:
        """The cotangent times each factor, summed over what was broadcast."""
        for node, factor in self.terms:
            part = ct
            if factor is not None:
                made = type(factor) is Deferred
                if made:
                    factor = factor()
                if not eager:
                    part = mul(ct, factor)
                elif type(factor) in _PLAIN and (type(ct) is not np.ndarray or ct.nbytes < LARGE):
                    part = ct * factor  # all that mul comes to
                else:
                    part = _multiply_into(ct, factor) if made else None
                    part = mul(ct, factor) if part is None else part
            aval = node.aval
            if part.shape != aval.shape or part.dtype != aval.dtype:
                part = unbroadcast(part, aval)
            give(node, part)

    def push(self, tangents: dict[Node, Any]) -> Any:
        """The sum."""
        total = None
        for node, factor in self.terms:
            part = tangents[node]
            if factor is not None:
                part = mul(part, factor() if type(factor) is Deferred else factor)
            part = fit(part, self.aval.shape, self.aval.dtype)
            total = part if total is None else add_any(total, part)
        return total

    def force(self) -> None:
        """Computes the factors that have been deferred."""
        self.terms = [(n, f() if type(f) is Deferred else f) for n, f in self.terms]

    def release(self) -> None:
        """Frees the factors."""
        self.terms = ()


def _multiply_into(ct: Any, own: Any) -> Any:
    """``ct * own`` in the memory of ``own``, where only the caller's variable has it; else None."""
    if (
        type(own) is np.ndarray
        and getrefcount(own) == _ALONE
        and own.dtype == ct.dtype
        and own.shape == ct.shape
        and (own.base is None or type(own.base) is Buffer)
    ):
        return np.multiply(ct, own, out=own)
    return None


def _count_references(value: Any) -> int:
    return getrefcount(value)


def _references_of_a_variable() -> int:
    value = object()
    return _count_references(value)


#: What ``_multiply_into`` counts for a value that only its caller's variable refers to.
_ALONE = _references_of_a_variable()


class Applied(Node):
    """What a primitive made; operands are nodes where they are linear, residuals elsewhere."""

    __slots__ = ("primitive", "args", "params")

    def __init__(
        self, aval: Any, primitive: Primitive, args: tuple[Any, ...], params: dict[str, Any]
    ) -> None:
        self.aval, self.tick = aval, next(_ticks)
        self.primitive, self.args, self.params = primitive, args, params

    def operands(self) -> Iterator[Node]:
        """Its linear operands."""
        return (a for a in self.args if isinstance(a, Node))

    def pull(self, ct: Any, eager: bool, give: Give) -> None:
        """What the primitive's transpose rule says."""
        assert self.primitive.transpose is not None
        results = self.primitive.transpose(ct, *self.args, **self.params)
        for operand, part in zip(self.args, results, strict=True):
            if part is not None and isinstance(operand, Node):
                give(operand, part)

    def push(self, tangents: dict[Node, Any]) -> Any:
        """The primitive, applied."""
        args = [tangents[a] if isinstance(a, Node) else a for a in self.args]
        return self.primitive.bind(*args, **self.params)

    def release(self) -> None:
        """Frees the residuals."""
        self.args = ()


class Product(Node):
    """What a primitive made that is linear in each operand: a sum, one operand's node at a time."""

    __slots__ = ("primitive", "primals", "nodes", "params")

    def __init__(
        self,
        aval: Any,
        primitive: Primitive,
        primals: list[Any],
        nodes: list[Node | None],
        params: dict[str, Any],
    ) -> None:
        self.aval, self.tick = aval, next(_ticks)
        self.primitive, self.primals, self.nodes, self.params = primitive, primals, nodes, params

    def operands(self) -> Iterator[Node]:
        """The nodes of its operands."""
        return (node for node in self.nodes if node is not None)

    def pull(self, ct: Any, eager: bool, give: Give) -> None:
        """What the primitive's transpose rule says, for one operand at a time."""
        transpose: Any = self.primitive.transpose
        for i, node in enumerate(self.nodes):
            if node is not None:
                operands = self.primals.copy()
                operands[i] = node
                part = transpose(ct, *operands, **self.params)[i]
                if part is not None:
                    give(node, part)

    def push(self, tangents: dict[Node, Any]) -> Any:
        """The sum of the primitive's values with the tangent of one operand each."""
        total = None
        for i, node in enumerate(self.nodes):
            if node is not None:
                operands = self.primals.copy()
                operands[i] = tangents[node]
                part = self.primitive.bind(*operands, **self.params)
                total = part if total is None else add_any(total, part)
        return total

    def release(self) -> None:
        """Frees the residuals."""
        self.primals = []


class Projected(Node):
    """One of the results of a primitive that has several."""

    __slots__ = ("source", "index")

    def __init__(self, aval: Any, source: Applied, index: int) -> None:
        self.aval, self.tick, self.source, self.index = aval, next(_ticks), source, index

    def operands(self) -> Iterator[Node]:
        """All results together."""
        return iter((self.source,))

    def pull(self, ct: Any, eager: bool, give: Give) -> None:
        """The cotangent in its place among the results'."""
        cts = [None] * len(self.source.aval)
        cts[self.index] = ct
        give(self.source, cts)

    def push(self, tangents: dict[Node, Any]) -> Any:
        """This one of the results."""
        return tangents[self.source][self.index]


class Refused(Applied):
    """What a primitive that is not linear made of tangents: an error once it is pulled back."""

    __slots__ = ("problem",)

    problem: Exception

    def pull(self, ct: Any, eager: bool, give: Give) -> None:
        """Raises, with the line that recorded it."""
        raise self.problem


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
            node.problem = nonlinear(primitive.name)
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
        if isinstance(value, np.ndarray | np.generic) and value.dtype != float0 and np.any(value):
            raise error(
                NonDifferentiableError,
                "transpose",
                "got a result that is not zero and does not depend on the tangents, "
                "wanted a linear function",
                "A linear function maps zero to zero: drop the constant term.",
            )
        return None


class LinearizeTracer(Tracer):
    """A primal, and the node of its tangent."""

    __slots__ = ("primal", "node")

    def __init__(self, trace: LinearizeTrace, primal: Any, node: Node) -> None:
        self._trace, self.primal, self.node = trace, primal, node

    @property
    def aval(self) -> ShapedArray:
        """What is known of the primal."""
        return aval_of(self.primal)

    @property
    def shape(self) -> tuple[int, ...]:
        """The lengths of the primal's axes."""
        primal = self.primal
        return () if type(primal) in PYTHON_SCALARS else primal.shape

    @property
    def dtype(self) -> Any:
        """The primal's dtype."""
        primal = self.primal
        return aval_of(primal).dtype if type(primal) in PYTHON_SCALARS else primal.dtype

    def concrete(self) -> Any:
        """The primal's number, where there is one."""
        return self.primal.concrete() if isinstance(self.primal, Tracer) else self.primal

    def below(self) -> Any:
        """The primal."""
        return self.primal


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
    trace = LinearizeTrace(current_trace(), transformation)
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
      inputs: nodes of the tape that are inputs.
      consume: frees residuals as soon as they have been used; the tape is lost.
    """
    on_ground = current_trace() is EVAL
    pending: dict[int, tuple[Node, Any]] = {}
    ticks: list[int] = []

    def give(node: Node, ct: Any) -> None:
        tick = node.tick
        before = pending.get(tick)
        if before is None:
            heappush(ticks, -tick)
            pending[tick] = node, ct
        elif on_ground and isinstance(ct, np.generic):
            pending[tick] = node, before[1] + ct
        else:
            pending[tick] = node, _sum(before[1], ct)

    for node, ct in zip(outputs, cotangents, strict=True):
        if node is not None and ct is not None:
            give(node, ct)
    found: dict[Node, Any] = {}
    while ticks:
        node, ct = pending.pop(-heappop(ticks))
        if type(node) is Node:
            found[node] = ct
            continue
        node.pull(ct, on_ground and type(ct) in _PLAIN, give)
        if consume:
            node.release()
    return [None if node is None else found.get(node) for node in inputs]


def force_factors(outputs: Sequence[Node | None]) -> None:
    """Computes what the backward pass would compute of the primals, once for many uses."""
    for node in topological(outputs):
        if isinstance(node, Combined):
            node.force()


def _sum(a: Any, b: Any) -> Any:
    """The sum of two cotangents, or of two lists of them."""
    if isinstance(a, list):
        return [add_any(x, y) for x, y in zip(a, b, strict=True)]
    return add_any(a, b)


def topological(outputs: Sequence[Node | None]) -> list[Node]:
    """The nodes that some outputs depend on, in the order in which they were recorded."""
    seen = {node for node in outputs if node is not None}
    stack = list(seen)
    while stack:
        for operand in stack.pop().operands():
            if operand not in seen:
                seen.add(operand)
                stack.append(operand)
    return sorted(seen, key=lambda node: node.tick)
