"""A primitive: one object that knows everything about one operation."""

from __future__ import annotations

from collections.abc import Callable, Sequence
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
      partials: for elementwise primitives, for each operand ``partial(out, *primals, **params)``,
        the factor of its tangent in the output's; a number; or None for no dependence.
      transpose: ``transpose(ct, *args, **params) -> cotangents``, one for each operand, ``None``
        for zero or for operands that are not linear; ``is_linear(arg)`` tells which ones are.
      batch: ``batch(size, args, dims, **params) -> (out, out_dim)``; a dim of ``None`` is no batch.
      linearize: as ``jvp``, for primitives which carry jaxprs: tangents are to be recorded.
      split: ``split(args, linear, **params) -> out``: for primitives which carry programs of which
        only a part is linear in the operands that ``linear`` marks: binds the parts apart.
      stage: ``stage(trace, args, params) -> out``: for primitives that carry Python functions.
      cost: ``cost(avals, params) -> (flops, bytes)``.
      ufunc: the NumPy ufunc from floats to floats of one dtype that ``impl`` comes to, if any:
        large results of it can be written into memory that is there already.
      scalar: the expression of one element that both printers of codegen read; fusable if given.
      multilinear: linear in each array operand while the others stay fixed (a sum, a product of
        matrices): its derivative is itself, applied to the tangent of one operand at a time.
      keeps_weak: Python numbers alone stay weak, as Python's own operators leave them.
      fresh: its result never shares memory with an operand, as that of a ufunc never does.
      view: its results share the memory of its first operand, wherever the layout allows it.
      scratch: what ``impl`` takes on the CPU while it runs, beside its results: in arrays of the
        size of its largest operand, or ``scratch(*operands, **params) -> bytes``, where operands
        have shape, dtype and strides.
      holds: ``holds(**params) -> bytes``: what the last result refers to beside its own elements.
      calls: the parameter whose jaxpr ``impl`` runs on its operands, and does nothing else.
      inlines: the parameter whose jaxpr may stand in the place of the call when it is compiled.
      collective: ``params["axis_name"]`` names a batched axis, seen even by unbatched operands.
      effect: what running it does beside its results: ``"debug"`` (it shows values), ``"io"`` (the
        world is another after it) or ``""``, nothing. One with an effect is never left out, merged
        with another or moved past another; one with ``"io"`` is not run more often than is written.
    """

    __slots__ = (
        "name",
        "abstract",
        "impl",
        "jvp",
        "partials",
        "transpose",
        "batch",
        "linearize",
        "split",
        "stage",
        "cost",
        "scalar",
        "ufunc",
        "multiple_results",
        "multilinear",
        "keeps_weak",
        "fresh",
        "view",
        "scratch",
        "holds",
        "calls",
        "inlines",
        "collective",
        "effect",
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
        partials: Sequence[Any] | None = None,
        transpose: Rule | None = None,
        linearize: Rule | None = None,
        split: Rule | None = None,
        stage: Rule | None = None,
        scalar: Any = None,
        ufunc: Any = None,
        multiple_results: bool = False,
        multilinear: bool = False,
        keeps_weak: bool = False,
        fresh: bool = False,
        view: bool = False,
        scratch: float | Rule = 0.0,
        holds: Rule | None = None,
        calls: str | None = None,
        inlines: str | None = None,
        collective: bool = False,
        effect: str = "",
    ) -> None:
        self.name, self.abstract, self.impl, self.jvp = name, abstract, impl, jvp
        self.batch, self.cost, self.transpose = batch, cost, transpose
        self.partials = partials
        self.linearize, self.split, self.stage, self.scalar = linearize, split, stage, scalar
        self.ufunc, self.multilinear = ufunc, multilinear
        self.multiple_results, self.keeps_weak = multiple_results, keeps_weak
        self.fresh = fresh or ufunc is not None
        self.view, self.scratch, self.holds = view, scratch, holds
        self.calls, self.inlines = calls, inlines
        self.collective, self.effect = collective, effect
        self.differentiable = jvp is not None

    def bind(self, /, *args: Any, **params: Any) -> Any:
        """Applies the primitive: the current trace decides what that means."""
        return current_trace().process(self, args, params)

    def __repr__(self) -> str:
        return self.name
