"""A primitive: one object that knows everything about one operation."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from fxad.core.trace import current_trace

Rule = Callable[..., Any]


class Primitive:
    """An operation and all of its rules.

    Args:
      name: how a jaxpr and messages call it.
      abstract: ``abstract(*avals, **params) -> aval`` (a list of them with multiple results);
        raises the errors for operands that do not fit.
      impl: ``impl(xp, *arrays, **params)``: the value, on NumPy or CuPy arrays.
      jvp: ``jvp(primals, tangents, **params) -> (out, tangent_out)``; a tangent of ``None`` is
        zero. ``None`` as the rule: the outputs do not vary with the inputs (comparisons, integers).
      transpose: ``transpose(ct, *args, **params) -> cotangents``, one for each operand, ``None``
        for zero or for operands that are not linear; ``is_linear(arg)`` tells which ones are.
      batch: ``batch(size, args, dims, **params) -> (out, out_dim)``, a dim of ``None`` is unbatched.
      linearize: as ``jvp``, for primitives which carry jaxprs: tangents are to be recorded.
      stage: ``stage(trace, args, params) -> out``: for primitives that carry Python functions.
      cost: ``cost(avals, params) -> (flops, bytes)``.
      scalar: the expression of one element that both printers of codegen read; fusable if given.
      keeps_weak: Python numbers alone stay weak, as Python's own operators leave them.
      collective: ``params["axis_name"]`` names a batched axis, seen even by unbatched operands.
    """

    __slots__ = (
        "name",
        "abstract",
        "impl",
        "jvp",
        "transpose",
        "batch",
        "linearize",
        "stage",
        "cost",
        "scalar",
        "multiple_results",
        "keeps_weak",
        "collective",
        "differentiable",
    )

    def __init__(
        self,
        name: str,
        *,
        abstract: Rule,
        impl: Rule,
        jvp: Rule | None,
        batch: Rule,
        cost: Rule,
        transpose: Rule | None = None,
        linearize: Rule | None = None,
        stage: Rule | None = None,
        scalar: Any = None,
        multiple_results: bool = False,
        keeps_weak: bool = False,
        collective: bool = False,
    ) -> None:
        self.name, self.abstract, self.impl, self.jvp = name, abstract, impl, jvp
        self.batch, self.cost, self.transpose = batch, cost, transpose
        self.linearize, self.stage, self.scalar = linearize, stage, scalar
        self.multiple_results, self.keeps_weak = multiple_results, keeps_weak
        self.collective = collective
        self.differentiable = jvp is not None

    def bind(self, /, *args: Any, **params: Any) -> Any:
        """Applies the primitive: the current trace decides what that means."""
        return current_trace().process(self, args, params)

    def __repr__(self) -> str:
        return self.name
