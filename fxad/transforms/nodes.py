"""The tape of reverse mode: the nodes of a derivative, and the backward pass over them."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from heapq import heappop, heappush
from itertools import count
from sys import getrefcount
from typing import Any

import numpy as np

from fxad.backends.pool import LARGE, Buffer
from fxad.core.primitive import Primitive
from fxad.core.source import inside
from fxad.core.trace import EVAL, EvalTrace, LinearOperand, Tracer, current_trace
from fxad.ops.base import add_any, fit, unbroadcast
from fxad.ops.elementwise import mul
from fxad.ops.rules import SLOPES_ARE_SAFE, Deferred, safe_mul

_ticks = count()

_PLAIN = EvalTrace.numpy_types

Give = Callable[[Any, Any], None]

class Node(LinearOperand):
    """A linear value on the tape. This class itself is an input.

    A node refers to the nodes and residuals that it is made of and to nothing else, so what no
    result depends on is freed as soon as its function drops it.
    """

    #: While values are checked a node knows its ``origin``: the operation of the user's.
    __slots__ = ("tick", "origin")

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
                    part = factor.absorb(ct) if made and isinstance(factor, Tracer) else None
                    part = mul(ct, factor) if part is None else part
                elif type(factor) in _PLAIN and (type(ct) is not np.ndarray or ct.nbytes < LARGE):
                    part = ct * factor  # all that mul comes to
                else:
                    part = _multiply_into(ct, factor) if made else None
                    part = mul(ct, factor) if part is None else part
                factor = None  # its memory is free before that of a sum is taken
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


class SafelyCombined(Combined):
    """A ``Combined`` in which a cotangent or tangent of zero stays zero, whatever the factor."""

    __slots__ = ()

    def pull(self, ct: Any, eager: bool, give: Give) -> None:
        """The cotangent times each factor, summed over what was broadcast."""
        for node, factor in self.terms:
            give(node, unbroadcast(_times(ct, factor), node.aval))

    def push(self, tangents: dict[Node, Any]) -> Any:
        """The sum."""
        total = None
        for node, factor in self.terms:
            part = fit(_times(tangents[node], factor), self.aval.shape, self.aval.dtype)
            total = add_any(total, part)
        return total

    def force(self) -> None:
        """Computes the factors that have been deferred."""
        with np.errstate(**SLOPES_ARE_SAFE):
            super().force()


def _times(tangent: Any, factor: Any) -> Any:
    if factor is None:
        return tangent
    with np.errstate(**SLOPES_ARE_SAFE):
        slope = factor() if type(factor) is Deferred else factor
    return safe_mul(tangent, slope)


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
        """What the primitive's transpose rule says, for one operand at a time.

        The last one first, as a program of its derivative has them: for ``x @ w`` the layer's
        input is then free before its cotangent is there.
        """
        transpose: Any = self.primitive.transpose
        for i in range(len(self.nodes) - 1, -1, -1):
            node = self.nodes[i]
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

    __slots__ = ("problem", "rule")

    problem: Exception
    rule: object

    def push(self, tangents: dict[Node, Any]) -> Any:
        """The primitive, applied: a program of it can still be pushed forward."""
        return inside(self.rule, super().push, tangents)

    def pull(self, ct: Any, eager: bool, give: Give) -> None:
        """Raises, with the line that recorded it."""
        raise self.problem


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
