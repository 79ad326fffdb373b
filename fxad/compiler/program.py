"""What ``jit`` runs: a flat list of instructions over numbered slots."""

from __future__ import annotations

import functools
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from fxad.backends.registry import is_opaque
from fxad.compiler.passes import optimize
from fxad.compiler.reports import log_compiled
from fxad.config import on_switch
from fxad.control.call import per_jaxpr
from fxad.core.aval import ShapedArray
from fxad.core.blame import SWITCHES, watching
from fxad.core.jaxpr import ClosedJaxpr, Eqn, Jaxpr, Literal, Var, set_executor
from fxad.core.primitive import Primitive
from fxad.core.reuse import Ownership, fresh_variables, ownership, written_over
from fxad.core.source import register_replay
from fxad.core.trace import EVAL, EvalTrace, under
from fxad.core.tracebacks import name_operation
from fxad.ops.base import broadcast_in_dim_p
from fxad.ops.rules import SLOPES_ARE_SAFE, safe_mul_p

_TRUTH = ShapedArray((), np.dtype(bool))


class Instruction:
    """One call: a primitive's ``impl`` with its parameters, from slots to slots.

    ``frees`` are the slots that nothing reads later: their arrays go back to the allocator.
    """

    __slots__ = ("call", "program", "reads", "write", "writes", "frees", "eqn")

    def __init__(
        self,
        call: Callable[..., Any],
        reads: tuple[int, ...],
        writes: tuple[int, ...],
        frees: tuple[int, ...],
        eqn: Eqn,
    ) -> None:
        self.call, self.reads, self.frees, self.eqn = call, reads, frees, eqn
        self.program = call if isinstance(call, Program) else None
        single = not eqn.primitive.multiple_results
        self.write = writes[0] if single else -1
        self.writes = writes

    def enter(self, slots: list[Any]) -> list[Any]:
        """Runs the program that is called; it frees the operands that nothing reads later."""
        operands = [slots[r] for r in self.reads]
        for f in self.frees:
            slots[f] = None
        assert self.program is not None
        return self.program.run(operands)

    def __str__(self) -> str:
        operands = " ".join(f"%{r}" for r in self.reads)
        results = " ".join(
            f"%{w}:{v.aval}" for w, v in zip(self.writes, self.eqn.outvars, strict=True)
        )
        freed = f"  free {' '.join(f'%{f}' for f in self.frees)}" if self.frees else ""
        where = f"  # {self.eqn.source}" if self.eqn.source else ""
        left = f"{results} = " if results else ""
        return f"{left}{self.eqn.primitive} {operands}{freed}{where}".rstrip()


class Program:
    """A compiled jaxpr for one array namespace.

    Args:
      closed: the jaxpr, already optimised.
      xp: the namespace that its primitives run in.
    """

    def __init__(self, closed: ClosedJaxpr, xp: Any) -> None:
        jaxpr = closed.jaxpr
        self.slots: dict[Any, int] = {}
        self.initial: list[Any] = []
        for var, value in zip(jaxpr.constvars, closed.consts, strict=True):
            self._slot(var, value)
        self.first_input = len(self.initial)
        for var in jaxpr.invars:
            self._slot(var)
        self.count = len(jaxpr.invars)
        # Python's bool is no weak number: as an operand it would be an integer.
        self.truths = [self.slots[v] for v in jaxpr.invars if v.aval == _TRUTH]
        self.xp = xp
        keep = set(jaxpr.constvars)
        # On a device calls are operations like others.
        called = (lambda c: program_for(c, xp).owned) if xp is EvalTrace.namespace else None
        self.owned: Ownership = ownership(jaxpr, called)
        fresh, slopes = fresh_variables(jaxpr, called=called), _slopes(jaxpr)
        self.instructions = [
            self._instruction(eqn, [v for v in dead if v not in keep], fresh, eqn in slopes)
            for eqn, dead in zip(jaxpr.eqns, jaxpr.dead_after(), strict=True)
        ]
        self.results = [self._read(v) for v in jaxpr.outvars]
        self.constants = list(closed.consts)

    def _slot(self, key: Any, value: Any = None) -> int:
        slot = self.slots.get(key)
        if slot is None:
            slot = self.slots[key] = len(self.initial)
            self.initial.append(value)
        return slot

    def _read(self, atom: Any) -> int:
        return self._slot(atom, atom.value if isinstance(atom, Literal) else None)

    def _instruction(
        self, eqn: Eqn, dead: Sequence[Any], fresh: set[Any], is_slope: bool
    ) -> Instruction:
        reads = tuple(self._read(v) for v in eqn.invars)
        writes = tuple(self._slot(v) for v in eqn.outvars)
        frees = tuple(self.slots[v] for v in dead)
        reusable = fresh.intersection(dead)
        call = _callable(eqn, self.xp, reusable)
        if is_slope and not isinstance(call, Program):
            call = functools.partial(_unwarned, call)
        return Instruction(call, reads, writes, frees, eqn)

    def __call__(self, *args: Any) -> list[Any]:
        """Applies it."""
        return self.run(list(args))

    def run(self, operands: list[Any]) -> list[Any]:
        """Applies it to operands that the list holds no longer once it runs."""
        slots = self.initial.copy()
        slots[self.first_input : self.first_input + self.count] = operands
        operands.clear()
        for i in self.truths:
            if type(slots[i]) is bool:
                slots[i] = np.bool_(slots[i])
        try:
            for step in self.instructions:
                if step.program is None:
                    out = step.call(*[slots[r] for r in step.reads])
                else:
                    out = None  # the last result may be an operand, to be freed inside
                    out = step.enter(slots)
                if step.write >= 0:
                    slots[step.write] = out
                else:
                    for w, value in zip(step.writes, out, strict=True):
                        slots[w] = value
                    value = None  # nothing but the slot shall hold it
                for f in step.frees:
                    slots[f] = None
        except Exception as e:
            name_operation(e, step.eqn.primitive.name, step.eqn.source)
            raise
        return [slots[r] for r in self.results]

    register_replay(run, lambda here: here["step"].eqn.source if "step" in here else None)

    def __str__(self) -> str:
        first = self.first_input
        inputs = " ".join(f"%{i}" for i in range(first, first + self.count))
        lines = [f"program({inputs}):", *(f"  {step}" for step in self.instructions)]
        return "\n".join([*lines, f"  return {' '.join(f'%{r}' for r in self.results)}"])


def _callable(eqn: Eqn, xp: Any, reusable: set[Any]) -> Callable[..., Any]:
    primitive: Primitive = eqn.primitive
    on_host = xp is EvalTrace.namespace
    if primitive.calls is not None and on_host:
        return program_for(eqn.params[primitive.calls], xp)
    if eqn.invars and all(v.aval.weak_type or isinstance(v, Literal) for v in eqn.invars):
        if on_host or all(v.aval.weak_type for v in eqn.outvars):
            # Numbers alone: the ground's own rules keep Python's weak, or make NumPy's of them.
            return lambda *args: EVAL.process(primitive, args, eqn.params)
        dtypes = [v.aval.dtype for v in eqn.invars]
        # On a device the result is an array there, beside the others.
        return lambda *args: primitive.impl(xp, *map(xp.asarray, args, dtypes), **eqn.params)
    if primitive.ufunc is not None and eqn.outvars[0].aval.dtype.char in "fd":
        ufunc = getattr(xp, primitive.ufunc.__name__)
        position = written_over(eqn, reusable)
        if position is not None:
            return functools.partial(_into, ufunc, position)
        out = eqn.outvars[0].aval
        if on_host and out.size * out.dtype.itemsize >= EvalTrace.large:
            return lambda *args: EVAL.process(primitive, args, eqn.params)
    return functools.partial(primitive.impl, xp, **eqn.params)


def _slopes(jaxpr: Jaxpr) -> set[Eqn]:
    """The equations of which nothing is made but slopes of products that keep zeros."""
    if not any(eqn.primitive is safe_mul_p for eqn in jaxpr.eqns):
        return set()
    slopes, others = set[Eqn](), set(jaxpr.outvars)
    for eqn in reversed(jaxpr.eqns):
        if others.isdisjoint(eqn.outvars):
            slopes.add(eqn)
        elif eqn.primitive is not safe_mul_p:
            others.update(eqn.invars)
        elif not eqn.params["both"]:
            others.add(eqn.invars[0])
    return slopes


def _unwarned(call: Callable[..., Any], *args: Any) -> Any:
    with np.errstate(**SLOPES_ARE_SAFE):
        return call(*args)


def _into(ufunc: Any, position: int, *args: Any) -> Any:
    """A ufunc whose result takes the memory of an operand that nothing reads later."""
    return ufunc(*args, out=args[position])


@functools.partial(per_jaxpr, traces=False)
def _optimized(closed: ClosedJaxpr) -> ClosedJaxpr:
    return optimize(closed)


@functools.partial(per_jaxpr, traces=False)
@log_compiled
def _program(closed: ClosedJaxpr, namespace: int, on_host: bool) -> Program:
    optimized = _optimized(closed)
    xp = _namespaces[namespace]
    if on_host:
        return Program(optimized, xp)
    consts = tuple(
        xp.asarray(c) if isinstance(c, np.ndarray) and not is_opaque(c) else c
        for c in optimized.consts
    )
    return Program(ClosedJaxpr(_with_made_results(optimized.jaxpr), consts), xp)


def _with_made_results(jaxpr: Jaxpr) -> Jaxpr:
    """Numbers that are results become arrays beside the others, made anew by every run."""
    made = {
        v: Eqn(broadcast_in_dim_p, (v,), (Var(v.aval),), {"shape": (), "dims": ()}, None)
        for v in jaxpr.outvars
        if isinstance(v, Literal) and not v.aval.weak_type
    }
    outvars = [made[v].outvars[0] if v in made else v for v in jaxpr.outvars]
    return Jaxpr(jaxpr.constvars, jaxpr.invars, (*jaxpr.eqns, *made.values()), outvars)


_namespaces: dict[int, Any] = {}


def program_for(closed: ClosedJaxpr, xp: Any) -> Program:
    """The program of a jaxpr for an array namespace, compiled once."""
    _namespaces[id(xp)] = xp
    program: Program = _program(closed, id(xp), xp is EvalTrace.namespace)
    return program


def run(closed: ClosedJaxpr, *args: Any) -> list[Any]:
    """Runs a jaxpr on concrete values: where its operands live."""
    types = EvalTrace.numpy_types
    for a in args:
        if type(a) not in types:
            break
    else:
        if args:
            return program_for(closed, EvalTrace.namespace)(*args)
    xp, args = EVAL.home(args, "jit")
    return program_for(closed, xp)(*args)


def _run_checked(closed: ClosedJaxpr, *args: Any) -> list[Any]:
    """Runs a jaxpr equation by equation, where this thread checks values."""
    if not watching():
        return run(closed, *args)
    return under(EVAL, closed, *(np.bool_(a) if type(a) is bool else a for a in args))


def _prepare_checked(closed: ClosedJaxpr, xp: Any) -> Callable[..., list[Any]]:
    """As ``program_for``, checked where this thread checks values."""
    return functools.partial(_run_checked, closed) if watching() else program_for(closed, xp)


set_executor(run, program_for)
on_switch(SWITCHES, lambda on: set_executor(
    _run_checked if on else run, _prepare_checked if on else program_for
))
