"""Derivatives as the functions that users hold: pytrees, whose leaves are what they read."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Protocol

import fxad.tree as tree
from fxad.core.aval import (
    PYTHON_SCALARS,
    ShapedArray,
    aval_of,
    float0,
    is_differentiable,
    tangent_aval,
)
from fxad.core.jaxpr import ClosedJaxpr
from fxad.core.source import error
from fxad.core.trace import current_trace, within
from fxad.core.tracebacks import public
from fxad.errors import ArgumentTypeError
from fxad.ops.base import convert
from fxad.transforms.common import check_like, check_structure, flatten_inputs, matches, own
from fxad.transforms.jvp import zeros_for
from fxad.transforms.nodes import backward
from fxad.transforms.tape import TapeTrace
from fxad.tree_util import register_pytree_node


class Recorded:
    """A derivative as a linear program ``residuals, tangents -> tangents``, without its residuals.

    ``live_inputs`` and ``live_outputs`` tell which inputs and outputs it speaks of; it says
    nothing of those that are zero.
    """

    __slots__ = ("closed", "structures", "avals", "live_inputs", "live_outputs")

    def __init__(
        self,
        closed: ClosedJaxpr,
        structures: tuple[Any, Any],
        avals: tuple[list[ShapedArray], list[ShapedArray]],
        live_inputs: Sequence[bool],
        live_outputs: Sequence[bool],
    ) -> None:
        self.closed, self.structures, self.avals = closed, structures, avals
        self.live_inputs, self.live_outputs = live_inputs, live_outputs


class Derivative(Protocol):
    """What the functions below need: ``Linearized`` has it, and ``Replayed``."""

    in_structure: Any
    out_structure: Any
    in_avals: list[ShapedArray]
    out_avals: list[ShapedArray]

    def push(self, tangents: Sequence[Any]) -> list[Any]:
        """Tangents of the outputs."""

    def pull(self, cotangents: Sequence[Any]) -> list[Any]:
        """Cotangents of the inputs."""

    def record(self) -> tuple[Recorded, Sequence[Any]]:
        """The program and its residuals."""


class Replayed:
    """A derivative that has been through ``jit``, ``vmap`` or another map of its residuals."""

    def __init__(self, recorded: Recorded, residuals: Sequence[Any]) -> None:
        self.recorded, self.residuals = recorded, residuals
        self.in_structure, self.out_structure = recorded.structures
        self.in_avals, self.out_avals = recorded.avals

    def record(self) -> tuple[Recorded, Sequence[Any]]:
        """The program and its residuals."""
        return self.recorded, self.residuals

    def push(self, tangents: Sequence[Any]) -> list[Any]:
        """Tangents of the outputs, one for each leaf."""
        program = self.recorded
        used = _select(tangents, program.live_inputs)
        results = program.closed(*self.residuals, *used)
        return own(_fill(results, program.live_outputs, self.out_avals, tangents), tangents)

    def pull(self, cotangents: Sequence[Any]) -> list[Any]:
        """Cotangents of the inputs, one for each leaf: the program on a tape, backwards."""
        program, tape = self.recorded, TapeTrace(current_trace())
        inputs = [tape.input(a) for a in program.closed.in_avals[len(self.residuals) :]]
        outs = within(tape, program.closed, *self.residuals, *inputs)
        nodes = [tape.node_of(y) for y in outs]
        used = _select(cotangents, program.live_outputs)
        results = backward(nodes, used, [x.node for x in inputs])
        return own(_fill(results, program.live_inputs, self.in_avals, cotangents), cotangents)


def _select(values: Sequence[Any], live: Sequence[bool]) -> list[Any]:
    return [v for v, is_live in zip(values, live, strict=True) if is_live]


def _fill(
    values: Sequence[Any], live: Sequence[bool], avals: Sequence[ShapedArray], beside: Sequence[Any]
) -> list[Any]:
    """The values at their places, zeros at the others, where the arrays beside them live."""
    given = iter(values)
    full = [next(given) if is_live else None for is_live in live]
    return [
        zeros_for(tangent_aval(a), beside) if v is None else v
        for v, a in zip(full, avals, strict=True)
    ]


class _LinearFunction:
    """A derivative at a point."""

    __slots__ = ("run",)

    def __init__(self, run: Derivative) -> None:
        self.run = run

    def __repr__(self) -> str:
        ins, outs = (", ".join(a.long_name() for a in s) for s in self._sides())
        return f"{type(self).__name__}<({ins}) -> ({outs})>"

    def _sides(self) -> tuple[Sequence[ShapedArray], Sequence[ShapedArray]]:
        return self.run.in_avals, self.run.out_avals


class Pushforward(_LinearFunction):
    """What ``linearize`` returns: from tangents of the inputs to the output's."""

    __slots__ = ()

    @public
    def __call__(self, *tangents: Any) -> Any:
        """The tangent of the output."""
        run = self.run
        names = ("the tangents", "a tangent", "its primal")
        checked = _checked("linearize", names, tangents, run.in_structure, run.in_avals)
        return tree.unflatten(run.out_structure, run.push(checked))


class Pullback(_LinearFunction):
    """What ``vjp`` returns: from a cotangent of the output to those of the inputs."""

    __slots__ = ()

    @public
    def __call__(self, *cts: Any) -> Any:
        """The cotangents of the inputs, a tuple."""
        if len(cts) != 1:
            raise error(
                ArgumentTypeError,
                "vjp",
                f"got a pullback called with {len(cts)} arguments, wanted one cotangent",
                "For an output that is a tuple pass a tuple: pull((ct_0, ct_1)).",
            )
        (ct,) = cts
        run = self.run
        names = ("the cotangent", "a cotangent", "the output")
        checked = _checked("vjp", names, ct, run.out_structure, run.out_avals)
        return tree.unflatten(run.in_structure, run.pull(checked))

    def _sides(self) -> tuple[Sequence[ShapedArray], Sequence[ShapedArray]]:
        return self.run.out_avals, self.run.in_avals


def _checked(
    operation: str, names: tuple[str, str, str], got: Any, structure: Any, avals: Any
) -> list[Any]:
    """The leaves of tangents or cotangents that match what they belong to."""
    whole, each, wanted_of = names
    flat, got_structure = flatten_inputs(operation, got)
    check_structure(operation, whole, got_structure, structure)
    return [
        None
        if operation == "vjp" and _has_no_weight(t, a)
        else check_tangent(operation, each, wanted_of, t, tangent_aval(a))
        for t, a in zip(flat, avals, strict=True)
    ]


def _has_no_weight(ct: Any, aval: ShapedArray) -> bool:
    """Whether a cotangent is that of an integer, in the dtype of the integer itself."""
    return not is_differentiable(aval.dtype) and matches(aval_of(ct), aval)


def check_tangent(operation: str, what: str, wanted_of: str, tangent: Any, aval: Any) -> Any:
    """A tangent or cotangent as it goes in: None for an integer's, cast if a Python number."""
    check_like(operation, what, wanted_of, tangent, aval)
    if aval.dtype == float0:
        return None
    return convert(tangent, aval.dtype) if type(tangent) in PYTHON_SCALARS else tangent


def _register(kind: type[_LinearFunction]) -> None:
    def flatten(function: _LinearFunction) -> tuple[Sequence[Any], Recorded]:
        recorded, residuals = function.run.record()
        return residuals, recorded

    register_pytree_node(
        kind, flatten, lambda recorded, residuals: kind(Replayed(recorded, list(residuals)))
    )


_register(Pushforward)
_register(Pullback)
