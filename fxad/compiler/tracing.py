"""A function of pytrees becomes a jaxpr of flat arguments, and the structure of its output."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import fxad.tree as tree
from fxad.compiler.reports import argument_names
from fxad.core.aval import ShapedArray
from fxad.core.jaxpr import ClosedJaxpr
from fxad.core.source import outside_rules, outside_scopes
from fxad.core.staging import hoist, stage
from fxad.transforms.common import flatten_outputs


class Traced:
    """What one tracing gave: the jaxpr, its constants, and the structure of the output."""

    __slots__ = ("closed", "consts", "out_structure", "mutable")

    def __init__(self, closed: ClosedJaxpr, consts: list[Any], out_structure: Any) -> None:
        self.closed, self.consts = closed, consts
        self.out_structure = out_structure.as_key()
        #: Whether auxiliary data could be changed in place: every output has its own.
        self.mutable = self.out_structure is not out_structure

    def output(self, leaves: list[Any]) -> Any:
        """The output that has these leaves."""
        structure = self.out_structure.as_key() if self.mutable else self.out_structure
        return tree.unflatten(structure, leaves)


def trace_function(
    fun: Callable[..., Any],
    structure: Any,
    avals: Sequence[ShapedArray],
    fixed: dict[int, Any],
    fixed_names: dict[str, Any],
    transformation: str = "jit",
) -> Traced:
    """Stages a function of ``(args, kwargs)``; static arguments go back to their places."""
    out_structures: list[Any] = []

    def flat(*leaves: Any) -> list[Any]:
        dynamic, kwargs = tree.unflatten(structure, leaves)
        given = iter(dynamic)
        count = len(dynamic) + len(fixed)
        args = [fixed[i] if i in fixed else next(given) for i in range(count)]
        outs, out_structure = flatten_outputs(transformation, fun(*args, **kwargs, **fixed_names))
        out_structures.append(out_structure)
        return outs

    def names() -> list[str]:
        return argument_names(fun, structure, fixed)

    staged = outside_scopes(outside_rules, stage, flat, avals, transformation, names)
    closed, consts = hoist(staged)
    return Traced(closed, consts, out_structures[0])
