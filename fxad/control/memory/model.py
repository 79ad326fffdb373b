"""The memory that a jaxpr needs, without running it: a model of what ``Program`` does.

It walks the equations as the program does: results are allocated, views share, ufuncs write over
operands that nothing reads later, and what is read for the last time is freed. Layouts are those
of ghosts, arrays with true shapes and strides that hold nothing.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from itertools import pairwise
from math import prod
from typing import Any, NamedTuple

import numpy as np
from numpy.lib.stride_tricks import as_strided

from fxad.backends.pool import LARGE
from fxad.control.branches import cond_p
from fxad.control.call import per_jaxpr
from fxad.control.loop import scan_p
from fxad.control.memory.heap import Buffer, Heap, Storage
from fxad.control.memory.steps import counted
from fxad.control.recomputed import written_out
from fxad.core.aval import PYTHON_SCALARS, Shape, ShapedArray
from fxad.core.jaxpr import Atom, ClosedJaxpr, Eqn, Jaxpr, Literal, Var, sub_jaxprs
from fxad.core.reuse import Ownership, fresh_variables, ownership, written_over
from fxad.ops.base import reshape_p
from fxad.ops.layout import strides_of_reshaped

#: What becomes of a jaxpr before it runs: the compiler's passes.
Prepare = Callable[[ClosedJaxpr], ClosedJaxpr]


@partial(per_jaxpr, traces=False)
def unprepared(closed: ClosedJaxpr) -> ClosedJaxpr:
    """The jaxpr as it is, its calls written out."""
    return ClosedJaxpr(written_out(closed.jaxpr), closed.consts)


class Footprint(NamedTuple):
    """What running a jaxpr takes.

    Args:
      peak: the most bytes that are allocated at once; arguments and constants are the caller's.
      outputs: the bytes of the results that it hands out.
      buffers: what is allocated at the peak, the largest first.
      results: for each result the bytes of the memory that it is in; none if that is the caller's.
    """

    peak: int
    outputs: int
    buffers: list[Buffer]
    results: list[int]


class Value(NamedTuple):
    """What a variable stands for: memory, and a ghost that tells the layout."""

    storage: Storage
    ghost: Any


def nbytes_of(aval: ShapedArray) -> int:
    """The bytes of an array."""
    return aval.size * aval.dtype.itemsize


def footprint(
    closed: ClosedJaxpr,
    prepare: Prepare = unprepared,
    owned: bool = False,
    given: Sequence[bool] | None = None,
) -> Footprint:
    """Predicts what a jaxpr takes.

    Args:
      closed: the jaxpr.
      prepare: what becomes of it, and of those that it calls, before they run.
      owned: whether outputs that are views or inputs are copied in the end, as for users.
      given: which inputs are not the caller's, but counted, and freed after they have been read.
    """
    heap = Heap()
    walk = Walk(heap, prepare)
    closed = prepare(closed)
    mine = [False] * len(closed.in_avals) if given is None else given
    args = [
        walk.given(v.aval) if own else outside(v.aval)
        for v, own in zip(closed.jaxpr.invars, mine, strict=True)
    ]
    own_vars = [v for v, own in zip(closed.jaxpr.invars, mine, strict=True) if own]
    outs = walk.run(closed.jaxpr, args, own_vars)
    if owned:
        _copy_borrowed(walk, outs, closed.jaxpr)
    total = sum(nbytes_of(aval) for aval in closed.out_avals)
    buffers = [value.storage.buffer for value in outs]
    results = [0 if buffer is None else buffer.nbytes for buffer in buffers]
    return Footprint(heap.peak, total, heap.at_peak(), results)


def _copy_borrowed(walk: Walk, outs: Sequence[Value], jaxpr: Jaxpr) -> None:
    taken: set[int] = set()
    for value, var in zip(outs, jaxpr.outvars, strict=True):
        storage, ghost = value
        shared = storage.references > 1 and id(storage) in taken
        if var.aval.shape and (storage.buffer is None or 0 in ghost.strides or shared):
            walk.copied(var.aval)
        taken.add(id(storage))


def ghost_of(shape: Shape, dtype: Any, order: Sequence[int] | None = None) -> Any:
    """An array of a shape, its axes from the slowest to the fastest in an order, without memory."""
    strides, step = [0] * len(shape), dtype.itemsize
    for d in reversed(range(len(shape)) if order is None else order):
        strides[d] = step
        step *= max(shape[d], 1)
    return as_strided(np.empty((), dtype), shape, strides)


def outside(aval: ShapedArray) -> Value:
    """An operand whose memory is not counted."""
    return Value(Storage(), ghost_of(aval.shape, aval.dtype))


class Walk:
    """One run of a program, and of the programs that it calls, on ghosts."""

    def __init__(self, heap: Heap, prepare: Prepare) -> None:
        self.heap, self.prepare = heap, prepare
        self._prepared: dict[ClosedJaxpr, ClosedJaxpr] = {}

    def given(self, aval: ShapedArray) -> Value:
        """An operand that is handed over with its memory."""
        storage = self.heap.allocate(Buffer(nbytes_of(aval), aval, "argument", None))
        return Value(storage, ghost_of(aval.shape, aval.dtype))

    def run(
        self,
        jaxpr: Jaxpr,
        args: Sequence[Value],
        own: Sequence[Var] = (),
        handed: Sequence[Value] = (),
    ) -> list[Value]:
        """The results, each held once for the caller, who holds what is handed over no longer."""
        env: dict[Var, Value] = {}
        self._bind(env, zip(jaxpr.invars, args, strict=True))
        self._bind(env, ((v, outside(v.aval)) for v in jaxpr.constvars))
        for value in handed:
            self.heap.drop(value.storage)
        fresh = fresh_variables(jaxpr, own, self._called)
        for eqn, dead in zip(jaxpr.eqns, jaxpr.dead_after(), strict=True):
            operands = [self._read(env, v) for v in eqn.invars]
            if eqn.primitive.calls is not None:
                called = self._ready(eqn.params[eqn.primitive.calls]).jaxpr
                handed = [env.pop(v) for v in dead if v in env]
                outs = self.run(called, operands, handed=handed)
                self._bind(env, zip(eqn.outvars, outs, strict=True))
                for value in outs:  # the variables hold them now
                    self.heap.drop(value.storage)
            else:
                outs = self._apply(eqn, operands, fresh.intersection(dead))
                self._bind(env, zip(eqn.outvars, outs, strict=True))
            for var in dead:
                if var in env:
                    self.heap.drop(env.pop(var).storage)
        results = [self._read(env, v) for v in jaxpr.outvars]
        for value in results:
            self.heap.hold(value.storage)
        for value in env.values():
            self.heap.drop(value.storage)
        return results

    def _called(self, closed: ClosedJaxpr) -> Ownership:
        return ownership(self._ready(closed).jaxpr, self._called)

    def copied(self, aval: ShapedArray) -> Value:
        """A copy of a value for the user."""
        storage = self.heap.allocate(Buffer(nbytes_of(aval), aval, "copy", None))
        return Value(storage, ghost_of(aval.shape, aval.dtype))

    def alone(self, eqn: Eqn, operands: Sequence[Value]) -> list[Value]:
        """What an operation comes to that runs by itself."""
        if eqn.primitive.calls is None:
            return self._apply(eqn, operands, set())
        return self.called(eqn.params[eqn.primitive.calls], operands)

    def called(self, closed: ClosedJaxpr, operands: Sequence[Value]) -> list[Value]:
        """The results of a program that is called, which nothing holds yet."""
        outs = self.run(self._ready(closed).jaxpr, operands)
        for value in outs:
            value.storage.references -= 1
        return outs

    def _read(self, env: dict[Var, Value], atom: Atom) -> Value:
        return env[atom] if isinstance(atom, Var) else outside(atom.aval)

    def _bind(self, env: dict[Var, Value], pairs: Any) -> None:
        for var, value in pairs:
            env[var] = value
            self.heap.hold(value.storage)

    def _apply(self, eqn: Eqn, operands: Sequence[Value], reusable: set[Any]) -> list[Value]:
        eqn = counted(eqn)
        primitive = eqn.primitive
        inner = list(sub_jaxprs(eqn.params))
        if inner and not callable(primitive.scratch):
            return self._call(eqn, operands, inner)
        ghosts = [value.ghost for value in operands]
        if primitive.view and operands:
            seen = _seen(eqn, ghosts)
            if seen is not None:
                return [Value(_owner(operands, g), g) for g in seen]
        order = _order(ghosts, eqn) if primitive.scalar is not None else None
        position = written_over(eqn, reusable)
        if position is not None:
            self.heap.touch(_scratch(eqn, ghosts))
            return [operands[position]]
        outs = []
        for var in eqn.outvars:
            pooled = _pooled(eqn) and nbytes_of(var.aval) >= LARGE
            storage = self._allocate(eqn, var.aval, pooled)
            outs.append(Value(storage, ghost_of(var.aval.shape, var.aval.dtype, order)))
        self.heap.touch(_scratch(eqn, ghosts))
        return outs

    def _allocate(self, eqn: Eqn, aval: ShapedArray, pooled: bool = False) -> Storage:
        holds = eqn.primitive.holds
        more = holds(**eqn.params) if holds is not None and aval is eqn.outvars[-1].aval else 0
        buffer = Buffer(nbytes_of(aval) + more, aval, eqn.primitive.name, eqn.source)
        return self.heap.allocate(buffer, pooled)

    def _call(
        self, eqn: Eqn, operands: Sequence[Value], inner: Sequence[Jaxpr | ClosedJaxpr]
    ) -> list[Value]:
        """Bodies that run one after another, beside the results; of branches the largest."""
        if eqn.primitive is cond_p:
            largest = max(eqn.params["branches"], key=lambda b: footprint(b, self._ready).peak)
            return self.called(largest, operands[1:])
        first = eqn.params["num_carry"] if eqn.primitive is scan_p else len(eqn.outvars)
        outs = [
            Value(
                self._allocate(eqn, v.aval, i >= first and nbytes_of(v.aval) >= LARGE),
                ghost_of(v.aval.shape, v.aval.dtype),
            )
            for i, v in enumerate(eqn.outvars)
        ]
        for body in inner:
            jaxpr = self._ready(body).jaxpr if isinstance(body, ClosedJaxpr) else body
            for value in self.run(jaxpr, [outside(v.aval) for v in jaxpr.invars]):
                self.heap.drop(value.storage)
        return outs

    def _ready(self, closed: ClosedJaxpr) -> ClosedJaxpr:
        found = self._prepared.get(closed)
        if found is None:
            found = self._prepared[closed] = self.prepare(closed)
        return found


def _scratch(eqn: Eqn, ghosts: Sequence[Any]) -> int:
    """What an operation takes while it runs, beside its results."""
    scratch = eqn.primitive.scratch
    if callable(scratch):
        return int(scratch(*ghosts, **eqn.params))
    largest = max((ghost.nbytes for ghost in ghosts), default=0)
    return int(scratch * largest) + _buffered(eqn, ghosts)


def _buffered(eqn: Eqn, ghosts: Sequence[Any]) -> int:
    """The buffers that NumPy fills for operands which do not go on as the result does.

    Where all rows are long it takes row after row instead.
    """
    arrays = [ghost for ghost in ghosts if ghost.size > 1]
    if eqn.primitive.scalar is None or len(arrays) < 2:
        return 0
    shape, rows = eqn.outvars[0].aval.shape, np.getbufsize()
    if shape[-1] >= rows:
        return 0
    order = _order(arrays, eqn) or range(len(shape))
    axes = [d for d in order if shape[d] > 1]
    total = 0
    for ghost in arrays:
        strides = [s if n > 1 else 0 for s, n in zip(ghost.strides, ghost.shape, strict=True)]
        strides = [0] * (len(shape) - len(strides)) + strides
        if any(strides[a] != strides[b] * shape[b] for a, b in pairwise(axes)):
            total += min(prod(shape), rows) * ghost.itemsize
    return total


def _pooled(eqn: Eqn) -> bool:
    """Whether ``backends.pool.compute`` takes the result from the pool, if it is large."""
    if eqn.primitive.ufunc is None:
        return False
    arrays = [v.aval for v in eqn.invars if v.aval.shape or not isinstance(v, Literal)]
    plain = all(
        type(v.value) in PYTHON_SCALARS
        for v in eqn.invars
        if isinstance(v, Literal) and not v.aval.shape
    )
    first = arrays[0] if arrays else None
    return (
        plain
        and first is not None
        and first.dtype.char in "fd"
        and all(a.shape == first.shape and a.dtype == first.dtype for a in arrays)
    )


def _seen(eqn: Eqn, ghosts: Sequence[Any]) -> list[Any] | None:
    """The ghosts of views, as NumPy makes them; None where it has to copy."""
    if eqn.primitive is reshape_p:
        strides = strides_of_reshaped(ghosts[0], eqn.params["shape"])
        return None if strides is None else [as_strided(ghosts[0], eqn.params["shape"], strides)]
    out = eqn.primitive.impl(np, *ghosts, **eqn.params)
    outs = list(out) if eqn.primitive.multiple_results else [out]
    return outs if all(isinstance(g, np.ndarray) for g in outs) else None


def _owner(operands: Sequence[Value], ghost: Any) -> Storage:
    """The memory of a view: of the operand that it is, or of the first."""
    return next((v.storage for v in operands if v.ghost is ghost), operands[0].storage)


def _order(ghosts: Sequence[Any], eqn: Eqn) -> list[int] | None:
    """The order of axes that a ufunc's result takes over from its operands."""
    shape = eqn.outvars[0].aval.shape
    for ghost in ghosts:
        if ghost.shape == shape and 0 not in ghost.strides:
            return sorted(range(len(shape)), key=lambda d: -abs(ghost.strides[d]))
    return None
