"""The batching rules of derivatives, derived from the batching rule that a user gave."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from fxad.control.call import spread
from fxad.core.aval import ShapedArray
from fxad.core.source import error
from fxad.core.trace import current_trace, within
from fxad.errors import UnexpectedTracerError
from fxad.ops.base import moveaxis, to_front
from fxad.transforms.jvp import instantiate, jvp_flat, zeros_for
from fxad.transforms.nodes import backward
from fxad.transforms.tape import TapeTrace
from fxad.transforms.vmap import batch_flat

#: ``rule(size, batched, args) -> outs, out_batched``, all flat, batches along first axes.
BatchRule = Callable[[int, Sequence[bool], Sequence[Any]], tuple[list[Any], list[bool]]]


def without_consts(rule: BatchRule, name: str, count: int) -> BatchRule:
    """The rule of a function that has what it closed over as leading arguments."""
    if not count:
        return rule

    def ruled(size: int, batched: Sequence[bool], args: Sequence[Any]) -> Any:
        if any(batched[:count]):
            raise error(
                UnexpectedTracerError,
                name,
                "got a custom_vmap function that closes over a batched value, which its rule does "
                "not know",
                "Pass the value to the function as an argument of its own, which is batched.",
            )
        return rule(size, batched[count:], args[count:])

    return ruled


def push_rule(
    rule: BatchRule, nonzero: Sequence[bool], out_nonzero: Sequence[bool], primal_outs: bool
) -> BatchRule:
    """The rule of the function ``primals, nonzero tangents -> outputs, their nonzero tangents``.

    Args:
      rule: that of the function itself.
      nonzero: which primals have tangents.
      out_nonzero: which outputs do.
      primal_outs: whether the outputs themselves are wanted, too.
    """
    count = len(nonzero)

    def pushed(size: int, batched: Sequence[bool], args: Sequence[Any]) -> Any:
        of_primals = batched[:count]
        of_tangents = [
            p if t is None else t
            for p, t in zip(of_primals, spread(batched[count:], nonzero), strict=True)
        ]
        made: list[bool] = []

        def derive(shared: Sequence[bool], values: Sequence[Any]) -> list[Any]:
            def of_values(*primals: Any) -> list[Any]:
                outs, made[:] = rule(size, shared, primals)
                return outs

            tangents = spread(values[count:], nonzero)
            outs, out_tangents = jvp_flat(of_values, values[:count], tangents)
            triples = zip(outs, out_tangents, out_nonzero, strict=True)
            full = [instantiate(t, y) for y, t, n in triples if n]
            return [*outs, *full] if primal_outs else full

        pairs = list(zip(of_primals, of_tangents, strict=True))
        if any(p != t for p, t in pairs) and not any(map(all, pairs)):
            # Of each pair one is batched at most: the rule sees no batch, and its derivative does.
            dims = [0 if b else None for b in batched]
            outs, out_dims = batch_flat(lambda *xs: derive([False] * count, xs), size, args, dims)
            if not any(made):
                moved = [
                    y if d is None else moveaxis(y, d, 0)
                    for y, d in zip(outs, out_dims, strict=True)
                ]
                return moved, [d is not None for d in out_dims]
        both = [p or t for p, t in pairs]
        wanted = [*both, *(b for b, n in zip(both, nonzero, strict=True) if n)]
        alike = [
            to_front(x, None, size) if w and not b else x
            for x, b, w in zip(args, batched, wanted, strict=True)
        ]
        outs = derive(both, alike)
        of_outs = [m for m, n in zip(made, out_nonzero, strict=True) if n]
        return outs, [*made, *of_outs] if primal_outs else of_outs

    return pushed


def pull_rule(
    rule: BatchRule,
    linear: Sequence[bool],
    avals: Sequence[ShapedArray],
    given: Sequence[bool],
    nonzero: Sequence[bool],
) -> BatchRule:
    """The rule of the transpose ``other operands, given cotangents -> nonzero cotangents``.

    Args:
      rule: that of the linear function.
      linear: which of its operands it is linear in.
      avals: those of one example's linear operands.
      given: which outputs have a cotangent.
      nonzero: which of the linear operands get one.
    """
    count = len(linear) - sum(linear)

    def pulled(size: int, batched: Sequence[bool], args: Sequence[Any]) -> Any:
        cts = [
            x if b else to_front(x, None, size)
            for x, b in zip(args[count:], batched[count:], strict=True)
        ]
        tape = TapeTrace(current_trace())
        whole = [ShapedArray((size, *a.shape), a.dtype) for a in avals]
        inputs = [tape.input(a) for a in whole]
        operands, fixed = iter(inputs), iter(zip(args, batched, strict=False))
        both = [(next(operands), True) if is_lin else next(fixed) for is_lin in linear]

        def forward() -> list[Any]:
            outs, made = rule(size, [b for _, b in both], [x for x, _ in both])
            return [y if m else to_front(y, None, size) for y, m in zip(outs, made, strict=True)]

        nodes = [tape.node_of(y) for y in within(tape, forward)]
        results = backward(nodes, spread(cts, given), [x.node for x in inputs])
        full = [
            zeros_for(a, cts) if r is None else r
            for r, a, n in zip(results, whole, nonzero, strict=True)
            if n
        ]
        return full, [True] * len(full)

    return pulled
