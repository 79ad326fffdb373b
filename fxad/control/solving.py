"""What ``custom_linear_solve`` and ``custom_root`` share: their functions as programs."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import Any, NamedTuple

import fxad.config as config
import fxad.tree as tree
from fxad.core.aval import aval_of
from fxad.core.jaxpr import ClosedJaxpr, axis_names
from fxad.core.source import error
from fxad.core.staging import hoist, stage
from fxad.errors import ShapeError, StructureError
from fxad.ops.base import convert
from fxad.transforms.common import flatten_inputs, flatten_outputs, own, unpack_aux
from fxad.transforms.vmap import batch_jaxpr


class Staged(NamedTuple):
    """A function as a program ``what it closes over, leaves -> leaves``."""

    program: ClosedJaxpr
    consts: list[Any]
    #: The structure of the auxiliary data beside its output, if any.
    aux: Any = None


class Space:
    """The pytrees that the functions go between: the structure, shapes and dtypes of one of them.

    Args:
      operation: the name for messages.
      name: what the caller named the pytree.
      value: that pytree.
    """

    def __init__(self, operation: str, name: str, value: Any) -> None:
        self.operation, self.name = operation, name
        self.leaves, self.structure = flatten_inputs(operation, value)
        self.avals = [aval_of(x) for x in self.leaves]

    def stage(
        self, name: str, function: Callable[..., Any], arguments: int = 1, has_aux: bool = False
    ) -> Staged:
        """Traces a function from elements of the space to one of them."""
        count = len(self.avals)
        aux_structures: list[Any] = []

        def flat(*values: Any) -> list[Any]:
            parts = [values[i * count : (i + 1) * count] for i in range(arguments)]
            out = function(*(tree.unflatten(self.structure, part) for part in parts))
            aux: list[Any] = []
            if has_aux:
                out, extra = unpack_aux(self.operation, out)
                aux, aux_structure = flatten_outputs(self.operation, extra)
                aux_structures.append(aux_structure)
            leaves, structure = flatten_outputs(self.operation, out)
            self._check(name, leaves, structure)
            return leaves + aux

        # Loops in here have no values yet, which without jit they would ask for.
        with config.override(disable_jit=False):
            program, consts = hoist(stage(flat, self.avals * arguments, self.operation))
        return Staged(program, consts, aux_structures[0] if has_aux else None)

    def stage_first(self, name: str, function: Callable[..., Any]) -> Staged:
        """As ``stage``; numbers of Python become arrays of the dtypes that the function gives.

        So do integers where it gives real or complex ones: those the solution is made of.
        """
        staged = self.stage(name, function)
        outs = staged.program.out_avals
        found = [
            y.dtype if a.weak_type or (a.dtype.kind not in "fc" and y.dtype.kind in "fc") else None
            for a, y in zip(self.avals, outs, strict=True)
        ]
        if all(dtype is None for dtype in found):
            return staged
        self.leaves = [
            x if dtype is None else convert(x, dtype)
            for x, dtype in zip(self.leaves, found, strict=True)
        ]
        self.avals = [aval_of(x) for x in self.leaves]
        return self.stage(name, function)

    def solution(self, solved: Staged, outs: Sequence[Any], has_aux: bool) -> Any:
        """What the user gets: the solution as a pytree, and the auxiliary data beside it."""
        outs = own(outs, [*self.leaves, *solved.consts])
        count = len(self.leaves)
        x = tree.unflatten(self.structure, outs[:count])
        return (x, tree.unflatten(solved.aux, outs[count:])) if has_aux else x

    def _check(self, name: str, leaves: Sequence[Any], structure: Any) -> None:
        if structure != self.structure:
            raise error(
                StructureError,
                self.operation,
                f"got a {name}() output pytree that differs from {self.name}: "
                f"{tree.mismatch(self.structure, structure)}",
                f"Return what {self.name} is made of, leaf by leaf.",
            )
        got = [aval_of(x) for x in leaves]
        if [a.shape for a in got] != [a.shape for a in self.avals]:
            listed, wanted = (", ".join(a.long_name() for a in s) for s in (got, self.avals))
            raise error(
                ShapeError,
                self.operation,
                f"got {name}() output shapes that differ from those of {self.name}: {listed}, "
                f"wanted {wanted}",
            )


def split_at(values: Sequence[Any], counts: Sequence[int]) -> list[list[Any]]:
    """Consecutive parts of these lengths, and what remains as the last of them."""
    parts, start = [], 0
    for count in counts:
        parts.append(list(values[start : start + count]))
        start += count
    return [*parts, list(values[start:])]


def names_of(programs: Iterable[ClosedJaxpr | None]) -> tuple[Any, ...]:
    """The axis names that the collectives of some programs speak of."""
    return tuple(dict.fromkeys(n for p in programs if p is not None for n in axis_names(p)))


def cost_of(program: ClosedJaxpr) -> tuple[float, float]:
    """The flops and bytes of the equations of a program."""
    costs = [e.primitive.cost([v.aval for v in e.invars], e.params) for e in program.eqns]
    return sum(f for f, _ in costs), sum(b for _, b in costs)


def front_dims(batched: Iterable[bool]) -> list[int | None]:
    """The batch axes of values that are batched at the front, or not at all."""
    return [0 if b else None for b in batched]


def batch_program(
    program: ClosedJaxpr, size: int, dims: Sequence[int | None], force: Sequence[bool]
) -> tuple[ClosedJaxpr, list[int | None]]:
    """A program over batches, and the batch axes of its outputs.

    ``force`` marks the first outputs that are to be batched, at the front, in any case.
    """
    more = len(program.out_avals) - len(force)
    return batch_jaxpr(program, size, dims, [*force, *[False] * more])


def batched_also(flags: Sequence[bool], dims: Sequence[int | None]) -> list[bool]:
    """The flags, and set as well where there is a batch axis; of as many places as flags."""
    return [f or d is not None for f, d in zip(flags, dims, strict=False)]
