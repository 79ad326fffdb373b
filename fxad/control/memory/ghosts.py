"""Functions run on ghosts: values with shapes and layouts but no numbers, whose memory is counted.

What a function and the transformations within it hold, and for how long, is then what they would
hold of arrays: a ghost's memory is free when Python drops the last reference to it.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from sys import getrefcount
from typing import Any

import numpy as np

from fxad.backends.pool import LARGE
from fxad.control.memory.heap import Heap
from fxad.control.memory.model import (
    Footprint,
    Prepare,
    Value,
    Walk,
    nbytes_of,
    outside,
    unprepared,
)
from fxad.core.aval import PYTHON_SCALARS, ShapedArray, aval_of
from fxad.core.jaxpr import Atom, ClosedJaxpr, Eqn, Jaxpr, Literal, Var
from fxad.core.primitive import Primitive
from fxad.core.source import user_source
from fxad.core.trace import EVAL, Trace, Tracer, leaked, register_tracer, within
from fxad.ops.elementwise import neg_p
from fxad.ops.identity import copy_p
from fxad.transforms.nodes import backward
from fxad.transforms.tape import linearize_flat


class Ghost(Tracer):
    """A value without numbers."""

    __slots__ = ("kind", "value")

    _trace: GhostTrace

    def __init__(self, trace: GhostTrace, aval: ShapedArray, value: Value) -> None:
        self._trace, self.kind, self.value = trace, aval, value
        trace.heap.hold(value.storage)

    @property
    def aval(self) -> ShapedArray:
        """Its shape and dtype."""
        return self.kind

    def absorb(self, factor: Any) -> Any:
        """The product with ``factor`` in the value's own memory; None where others may read it.

        Nor for small ones, whose memory the backward pass does not look after.
        """
        alone = getrefcount(self) == _ALONE and self.value.storage.references == 1
        alone = alone and nbytes_of(self.kind) >= LARGE
        if alone and type(factor) is Ghost and (factor.shape, factor.dtype) == (
            self.shape, self.dtype
        ):
            return Ghost(self._trace, self.kind, self.value)
        return None

    def __del__(self) -> None:
        self._trace.heap.drop(self.value.storage)


register_tracer(Ghost)


class _Counted:
    def absorb(self) -> int:
        return getrefcount(self)


def _references_of_a_variable() -> int:
    value = _Counted()
    return value.absorb()


#: What ``absorb`` counts for a value that only its caller's variable refers to.
_ALONE = _references_of_a_variable()


class GhostTrace(Trace):
    """Counts the memory of every operation instead of running it."""

    __slots__ = ("heap", "walk")
    transformation = "memory_plan"
    on_ground = True
    records = True

    def __init__(self, prepare: Prepare, pool: bool = True) -> None:
        super().__init__(EVAL)
        self.heap = Heap(pool)
        self.walk = Walk(self.heap, prepare)

    def process(self, primitive: Primitive, args: tuple[Any, ...], params: dict[str, Any]) -> Any:
        """Interprets one application of a primitive."""
        if primitive.stage is not None:  # it calls a function of the user's
            return primitive.impl(EVAL.namespace, *args, **params)
        avals = [aval_of(a) for a in args]
        out = primitive.abstract(*avals, **params)
        outs = list(out) if primitive.multiple_results else [out]
        operands = [self._operand(a, primitive.name) for a in args]
        atoms: list[Atom] = [
            Literal(a) if type(a) in PYTHON_SCALARS or isinstance(a, np.generic) else Var(aval)
            for a, aval in zip(args, avals, strict=True)
        ]
        eqn = Eqn(primitive, atoms, [Var(aval) for aval in outs], params, user_source())
        values = self.walk.alone(eqn, operands)
        ghosts = [Ghost(self, aval, v) for aval, v in zip(outs, values, strict=True)]
        return ghosts if primitive.multiple_results else ghosts[0]

    def outside(self, aval: ShapedArray) -> Ghost:
        """An argument of the caller's."""
        return Ghost(self, aval, outside(aval))

    def owned(self, outputs: Sequence[Any]) -> list[Any]:
        """Outputs with memory of their own: what others hold as well is copied."""
        found: list[Any] = []
        for x in outputs:
            if type(x) is Ghost and x.shape and self._is_borrowed(x, found):
                x = Ghost(self, x.kind, self.walk.copied(x.kind))
            found.append(x)
        return found

    def _is_borrowed(self, x: Ghost, taken: Sequence[Any]) -> bool:
        storage, ghost = x.value
        seen = any(x is y for y in taken)
        return seen or storage.buffer is None or 0 in ghost.strides or storage.references > 1

    def _operand(self, x: Any, operation: str) -> Value:
        if type(x) is Ghost and x._trace is self:
            return x.value
        if isinstance(x, Tracer):
            raise leaked(operation, x)
        return outside(aval_of(x))


def run_on_ghosts(
    function: Callable[..., Sequence[Any]], avals: Sequence[ShapedArray], prepare: Prepare
) -> Footprint:
    """Predicts what a function of flat arguments and results takes, one operation after another.

    Args:
      function: it may be transformed, and have jitted functions within.
      avals: of its arguments, which are the caller's.
      prepare: what becomes of programs within before they run.
    """
    trace = GhostTrace(prepare)
    outs = within(trace, function, *map(trace.outside, avals))
    outputs = sum(nbytes_of(aval_of(y)) for y in outs)
    return Footprint(trace.heap.peak, outputs, trace.heap.at_peak(), [])


def passes_on_ghosts(
    jaxpr: Jaxpr, active: Sequence[bool], own: Sequence[bool], own_cotangents: Sequence[bool]
) -> tuple[int, int]:
    """What the passes of a derivative take, one operation after another.

    Args:
      jaxpr: the function, without constants.
      active: which inputs have tangents.
      own: which inputs nothing else holds; they are counted.
      own_cotangents: of which results the cotangents are such that nothing else holds them.

    Returns:
      The bytes of the forward pass, and of the backward pass beside what is held between them.
    """
    # What an operation has just made is held by nothing else, forward and backward.
    before, invars = _replaced(copy_p, jaxpr.invars, own)
    ends, outvars = _replaced(neg_p, jaxpr.outvars, own_cotangents)
    made = [eqn.replace(outvars=eqn.invars, invars=eqn.outvars) for eqn in before]
    taken = Jaxpr((), invars, [*made, *jaxpr.eqns], jaxpr.outvars)
    forward, _ = _passes(taken, active)
    _, backward = _passes(Jaxpr((), invars, [*taken.eqns, *ends], outvars), active)
    return forward, backward


def _replaced(
    primitive: Primitive, variables: Sequence[Any], flags: Sequence[bool]
) -> tuple[list[Eqn], list[Any]]:
    """Equations from some of the variables to others, and the others in their places."""
    pairs = [(v, Var(v.aval) if flag else v) for v, flag in zip(variables, flags, strict=True)]
    return [Eqn(primitive, [v], [w], {}) for v, w in pairs if v is not w], [w for _, w in pairs]


def _passes(jaxpr: Jaxpr, active: Sequence[bool]) -> tuple[int, int]:
    trace = GhostTrace(unprepared, pool=False)
    heap = trace.heap

    def both() -> tuple[int, int]:
        avals = [v.aval if a else None for v, a in zip(jaxpr.invars, active, strict=True)]
        args = [trace.outside(v.aval) for v in jaxpr.invars]
        outs, out_nodes, in_nodes = linearize_flat(ClosedJaxpr(jaxpr), args, avals, "grad")
        cotangents = [trace.outside(aval_of(y).strong()) for y in outs]
        outs.clear()
        forward, heap.peak, held = heap.peak, heap.bytes, heap.bytes
        backward(out_nodes, cotangents, in_nodes, consume=True)
        return forward, heap.peak - held

    return within(trace, both)
