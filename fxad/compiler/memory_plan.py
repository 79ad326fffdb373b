"""What a function needs of memory, told before anything runs."""

from __future__ import annotations

import functools
import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from itertools import pairwise
from typing import Any, NamedTuple

import fxad.tree as tree
from fxad.compiler.abstract import aval_of_like
from fxad.compiler.passes import optimize
from fxad.compiler.tracing import trace_function
from fxad.control.branches import cond_p
from fxad.control.call import jaxpr_cost
from fxad.control.checkpoint import repeated
from fxad.control.memory.budget import Choice, Planner
from fxad.control.memory.chain import Region
from fxad.control.memory.derivative import kept_bytes
from fxad.control.memory.ghosts import run_on_ghosts
from fxad.control.memory.heap import Buffer, readable
from fxad.control.memory.model import footprint, nbytes_of
from fxad.control.memory.steps import counted
from fxad.control.policies import dots_saveable
from fxad.core.jaxpr import ClosedJaxpr, Eqn, Jaxpr, Var, sub_jaxprs
from fxad.core.tracebacks import public
from fxad.errors import NonDifferentiableError
from fxad.transforms.common import check_callable, flatten_outputs

#: How many buffers a report shows.
SHOWN = 8


class Recomputation(NamedTuple):
    """What a gradient comes to if a part of the function is computed again.

    Args:
      name: how to ask for it.
      peak_bytes: the predicted peak of the gradient.
      saved_bytes: by how much that is less than with everything kept.
      flops: the operations of function and gradient.
      extra_flops: by which fraction they are more than with everything kept.
    """

    name: str
    peak_bytes: int
    saved_bytes: int
    flops: float
    extra_flops: float

    def __str__(self) -> str:
        saved, more = readable(self.saved_bytes), f"{100 * self.extra_flops:+.1f} %"
        return f"{readable(self.peak_bytes):>10}  saves {saved:>10}  flops {more:>8}  {self.name}"


class GradientPlan(NamedTuple):
    """What the gradient of a function by all of its arguments needs.

    Args:
      peak_bytes: the predicted peak of the jitted gradient with everything kept.
      residual_bytes: what is held between the forward and the backward pass, beside arguments.
      flops: the operations of function and gradient.
      choices: what recomputation would save and cost.
    """

    peak_bytes: int
    residual_bytes: int
    flops: float
    choices: tuple[Recomputation, ...]

    def __str__(self) -> str:
        head = (
            f"gradient: peak {readable(self.peak_bytes)}, keeps {readable(self.residual_bytes)} "
            f"between the passes, {self.flops:.4g} flops"
        )
        return "\n".join([head, *(f"  {choice}" for choice in self.choices)])


@dataclass(frozen=True, repr=False)
class MemoryPlan:
    """What ``memory_plan`` tells of a function; it prints as a report.

    Args:
      peak_bytes: the most bytes that a call of the function has allocated at once, results among
        them. Arguments and constants are there before: they are not counted.
      jit_peak_bytes: the same for ``jit`` of the function.
      argument_bytes: the arguments.
      constant_bytes: the arrays that the function closes over.
      output_bytes: the results.
      temporary_bytes: what is allocated at the peak beside results.
      flops: floating-point operations.
      bytes_moved: bytes that the operations read and write.
      buffers: what is allocated at the peak, the largest first, with the operations that made it
        and the lines that those come from.
      notes: what the numbers leave open: loops and branches that depend on data.
    """

    peak_bytes: int
    jit_peak_bytes: int
    argument_bytes: int
    constant_bytes: int
    output_bytes: int
    temporary_bytes: int
    flops: float
    bytes_moved: float
    buffers: tuple[Buffer, ...]
    notes: tuple[str, ...]
    _derive: Callable[[], GradientPlan | None] = field(repr=False, compare=False)

    @functools.cached_property
    def gradient(self) -> GradientPlan | None:
        """What the gradient by all floating-point arguments needs; None where there is none."""
        return self._derive()

    def __str__(self) -> str:
        lines = [
            f"peak {readable(self.peak_bytes)}: results {readable(self.output_bytes)}, "
            f"temporaries {readable(self.temporary_bytes)}; beside arguments of "
            f"{readable(self.argument_bytes)} and constants of {readable(self.constant_bytes)}; "
            f"under jit {readable(self.jit_peak_bytes)}",
            f"work {self.flops:.4g} flops, {readable(self.bytes_moved)} moved",
            "the largest buffers at the peak:",
            *(f"  {buffer}" for buffer in self.buffers[:SHOWN]),
        ]
        if len(self.buffers) > SHOWN:
            rest = self.buffers[SHOWN:]
            total = readable(sum(buffer.nbytes for buffer in rest))
            lines.append(f"  {total:>10}  in {len(rest)} more")
        unheld = self.peak_bytes - sum(buffer.nbytes for buffer in self.buffers)
        if unheld > self.peak_bytes // 100:
            lines.append(f"  {readable(unheld):>10}  free in the pool, or taken for a moment")
        lines += [str(self.gradient)] if self.gradient else []
        return "\n".join([*lines, *(f"note: {note}" for note in self.notes)])

    __repr__ = __str__


@public
def memory_plan(fun: Callable[..., Any], *args: Any, **kwargs: Any) -> MemoryPlan:
    """Predicts what a function needs of memory, and what recomputation would save of it.

    The function is traced, and run on values that have shapes and layouts and no numbers: nothing
    is computed. ``peak_bytes`` is for the call as it is written, ``fun(*args)``: a program where
    ``fun`` is jitted, else one operation after another; ``jit_peak_bytes`` is for ``jit(fun)``.
    Counted are the arrays that are made, not views, until nothing refers to them any more, from an
    empty pool of buffers on the CPU. For arrays from some ten kilobytes on that is within a few
    percent of what ``tracemalloc`` measures; notes name what cannot be foreseen. Without ``jit``
    what NumPy makes of plain arrays by itself is not seen, and Python's own objects, about a
    kilobyte for each operation that is differentiated, come on top.

    Args:
      fun: the function; a gradient (``fxad.grad(loss)``) as well as a loss.
      *args: its arguments: pytrees of arrays, numbers or ``ShapeDtypeStruct``.
      **kwargs: the same, by name.

    Returns:
      A ``MemoryPlan``: the peak, the largest buffers with the lines that they come from, the work;
      and for the jitted gradient by all floating-point arguments what is kept between the passes
      and what checkpoints would save and cost.

    Raises:
      ConcretizationTypeError: the function needs a value.
      ArgumentTypeError: an argument or a result is not an array.

    Example:
      >>> import numpy as np, fxad
      >>> def loss(w, x):
      ...     return np.sum(np.tanh(x @ w))
      >>> plan = fxad.memory_plan(loss, np.ones((50, 50)), fxad.ShapeDtypeStruct((100, 50), float))
      >>> plan.peak_bytes, plan.gradient.residual_bytes
      (80000, 40000)
      >>> plan.jit_peak_bytes  # tanh writes over the product
      40008
      >>> [choice.name for choice in plan.gradient.choices][:2]
      ['checkpoint(f)', 'checkpoint(f, policy=checkpoint_policies.dots_saveable)']
    """
    check_callable("memory_plan", fun)
    leaves, structure = tree.flatten((args, kwargs))
    avals = [aval_of_like("memory_plan", x) for x in leaves]
    traced = trace_function(fun, structure, avals, {}, {}, "memory_plan")
    closed, constants = traced.closed, len(traced.consts)
    program = footprint(closed, optimize, owned=True)
    found = run_on_ghosts(_flat(fun, structure), avals, optimize)
    flops, moved = jaxpr_cost(closed)
    notes = list(dict.fromkeys(_open_questions(closed)))
    nonzero = [i >= constants and a.dtype.kind in "fc" for i, a in enumerate(closed.in_avals)]
    sizes = [nbytes_of(aval) for aval in closed.in_avals]
    return MemoryPlan(
        peak_bytes=found.peak,
        jit_peak_bytes=program.peak,
        argument_bytes=sum(sizes[constants:]),
        constant_bytes=sum(sizes[:constants]),
        output_bytes=found.outputs,
        temporary_bytes=max(found.peak - found.outputs, 0),
        flops=flops,
        bytes_moved=moved,
        buffers=tuple(found.buffers),
        notes=tuple(notes),
        _derive=lambda: _gradient_plan(closed, nonzero),
    )


def _flat(fun: Callable[..., Any], structure: Any) -> Callable[..., list[Any]]:
    """A function of ``(args, kwargs)`` as one of their leaves."""

    def flat(*leaves: Any) -> list[Any]:
        args, kwargs = tree.unflatten(structure, leaves)
        return flatten_outputs("memory_plan", fun(*args, **kwargs))[0]

    return flat


def _gradient_plan(closed: ClosedJaxpr, nonzero: Sequence[bool]) -> GradientPlan | None:
    """The gradient with everything kept, and what the usual ways to recompute make of it."""
    if not any(nonzero) or all(a.dtype.kind not in "fc" for a in closed.out_avals):
        return None
    try:
        planner = Planner(closed, nonzero, repeated, prepare=optimize)
        plain = planner.tried(())
    except NonDifferentiableError:
        return None
    choices = [
        Recomputation(
            name,
            choice.peak,
            plain.peak - choice.peak,
            choice.flops,
            choice.flops / plain.flops - 1 if plain.flops else 0.0,
        )
        for name, choice in _choices(planner, plain)
    ]
    kept = kept_bytes(plain.program, nonzero)
    return GradientPlan(plain.peak, kept, plain.flops, tuple(choices))


def _choices(planner: Planner, plain: Choice) -> Iterator[tuple[str, Choice]]:
    """The usual ways to recompute, by what the user writes for them."""
    count = len(planner.stages.cuts) - 1
    if not count:
        return
    yield "checkpoint(f)", planner.tried((Region(0, count),))
    whole = plain.program.jaxpr
    results = [v for v in dict.fromkeys(whole.outvars) if isinstance(v, Var)]
    inner = ClosedJaxpr(Jaxpr((), whole.invars, whole.eqns, results))
    eqn = repeated(inner, whole.invars, results)
    eqn = eqn.replace(params=eqn.params | {"policy": dots_saveable})
    by_policy = ClosedJaxpr(Jaxpr((), whole.invars, [eqn], whole.outvars))
    name = "checkpoint(f, policy=checkpoint_policies.dots_saveable)"
    yield name, planner.predicted(by_policy)
    if count >= 4:
        parts = math.isqrt(count)
        marks = [count * i // parts for i in range(parts)]
        regions = tuple(Region(a, b) for a, b in pairwise(marks))
        yield f"checkpoint of each of {parts} segments but the last", planner.tried(regions)
    half = planner.under(plain.peak // 2)
    if half is not None:
        yield f"checkpoint(f, memory_budget={plain.peak // 2})", half
    least = planner.least()
    if least.peak < plain.peak:
        yield f"checkpoint(f, memory_budget={least.peak}), the least", least


def _open_questions(closed: ClosedJaxpr | Jaxpr) -> Iterator[str]:
    """What only a run can tell."""
    for eqn in closed.eqns:
        inner = list(sub_jaxprs(eqn.params))
        if inner and counted(eqn).params.get("length", 0) is None:
            yield (
                f"the trip count of {_place(eqn)} is not known: it is counted as one, and so is "
                "what its gradient keeps of each trip"
            )
        if eqn.primitive is cond_p:
            yield f"which branch of {_place(eqn)} is taken is not known: the largest counts"
        for jaxpr in inner:
            yield from _open_questions(jaxpr)


def _place(eqn: Eqn) -> str:
    return f"{eqn.primitive.name} at {eqn.source}" if eqn.source else eqn.primitive.name
