"""``linear_call``: a linear function whose transpose is the user's own."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import fxad.tree as tree
from fxad.control.custom import abstract_of_function, all_front, cost_of_function
from fxad.core.aval import ShapedArray, aval_of
from fxad.core.jaxpr import ClosedJaxpr, Jaxpr, Var, execute
from fxad.core.primitive import Primitive
from fxad.core.source import defined_at, error, inside
from fxad.core.staging import stage
from fxad.core.trace import is_linear
from fxad.core.tracebacks import public
from fxad.errors import StructureError
from fxad.ops.base import add_any
from fxad.ops.rules import nonlinear
from fxad.transforms.common import check_callable, flatten_inputs, flatten_outputs, matches
from fxad.transforms.jvp import instantiate, jvp_flat, zeros_for
from fxad.transforms.vmap import batch_jaxpr

# ``fun`` and ``transposed`` are jaxprs of ``count`` residuals and then of what they are linear in.


def _jvp(
    primals: Sequence[Any], tangents: Sequence[Any], *, fun: ClosedJaxpr, count: int, **params: Any
) -> tuple[list[Any], list[Any]]:
    residuals, operands = primals[:count], primals[count:]
    moved, pushed = tangents[:count], tangents[count:]
    params = {"fun": fun, "count": count, **params}
    if all(t is None for t in moved):
        outs = linear_call_p.bind(*primals, **params)
        out_tangents: list[Any] = [None] * len(outs)
    else:
        outs, out_tangents = jvp_flat(lambda *r: fun(*r, *operands), residuals, moved)
    if any(t is not None for t in pushed):
        full = [instantiate(t, x) for t, x in zip(pushed, operands, strict=True)]
        parts = linear_call_p.bind(*residuals, *full, **params)
        out_tangents = [
            p if t is None else add_any(t, p) for t, p in zip(out_tangents, parts, strict=True)
        ]
    return outs, out_tangents


def _transpose(
    cts: Sequence[Any], *args: Any, fun: ClosedJaxpr, transposed: ClosedJaxpr, count: int
) -> list[Any]:
    residuals, operands = args[:count], args[count:]
    if any(map(is_linear, residuals)):
        raise nonlinear("linear_call")
    full = [
        zeros_for(a, cts) if ct is None else ct for ct, a in zip(cts, fun.out_avals, strict=True)
    ]
    pulled = linear_call_p.bind(*residuals, *full, fun=transposed, transposed=fun, count=count)
    given = [ct if is_linear(x) else None for ct, x in zip(pulled, operands, strict=True)]
    return [None] * count + given


def _batch(
    size: Any,
    args: Sequence[Any],
    dims: Sequence[Any],
    *,
    fun: ClosedJaxpr,
    transposed: ClosedJaxpr,
    count: int,
) -> tuple[list[Any], list[int]]:
    moved = all_front(size, args[count:], dims[count:])

    def batched(closed: ClosedJaxpr) -> ClosedJaxpr:
        linear = len(closed.in_avals) - count
        in_dims = [*dims[:count], *[0] * linear]
        return batch_jaxpr(closed, size, in_dims, [True] * len(closed.out_avals))[0]

    params = {"fun": batched(fun), "transposed": batched(transposed), "count": count}
    outs = linear_call_p.bind(*args[:count], *moved, **params)
    return outs, [0] * len(outs)


linear_call_p = Primitive(
    "linear_call",
    abstract=abstract_of_function,
    impl=lambda xp, *args, fun, **params: execute(fun, *args),
    jvp=_jvp,
    transpose=_transpose,
    batch=_batch,
    cost=cost_of_function,
    multiple_results=True,
    inlines="fun",
)


@public
def linear_call(
    fun: Callable[..., Any], fun_transpose: Callable[..., Any], residual_args: Any, linear_args: Any
) -> Any:
    """Applies a linear function that brings its own transpose.

    Args:
      fun: ``fun(residuals, x)``, linear in ``x``.
      fun_transpose: ``fun_transpose(residuals, ct)``: from a cotangent of the output to one of
        ``x``; the transpose of ``fun`` by its second argument.
      residual_args: a pytree of what ``fun`` need not be linear in; derivatives by it are those of
        ``fun``.
      linear_args: a pytree, ``x``.

    Returns:
      ``fun(residual_args, linear_args)``.

    Raises:
      StructureError: the transpose gives something else than a cotangent of ``x``.

    Example:
      >>> import fxad
      >>> from fxad.custom_derivatives import linear_call
      >>> divide = lambda denominator, x: x / denominator
      >>> def div_add(x, denominator):
      ...     return x + linear_call(divide, divide, denominator, x)
      >>> float(div_add(9.0, 3.0))
      12.0
      >>> float(fxad.linear_transpose(lambda x: div_add(x, 3.0), 1.0)(18.0)[0])
      24.0
    """
    check_callable("linear_call", fun)
    check_callable("linear_call", fun_transpose)
    residuals, residual_structure = flatten_inputs("linear_call", residual_args)
    operands, structure = flatten_inputs("linear_call", linear_args)
    out_structures: list[Any] = []

    def flat(*values: Any) -> list[Any]:
        outs, out_structure = _call(fun, residual_structure, len(residuals), structure, values)
        out_structures.append(out_structure)
        return outs

    def flat_transpose(*values: Any) -> list[Any]:
        outs, got = _call(
            fun_transpose, residual_structure, len(residuals), out_structures[0], values
        )
        _check_transpose(outs, got, in_avals, structure)
        return outs

    in_avals = [aval_of(x).strong() for x in operands]
    residual_avals = [aval_of(x) for x in residuals]
    forward = stage(flat, residual_avals + in_avals, "linear_call")
    cts = [a.strong() for a in forward.out_avals]
    where = f"{defined_at(fun_transpose)}, the transpose of a linear_call"
    backward = inside(where, stage, flat_transpose, residual_avals + cts, "linear_call")
    consts = [*forward.consts, *backward.consts]
    outs = linear_call_p.bind(
        *consts,
        *residuals,
        *operands,
        fun=_opened(forward, [], backward.consts),
        transposed=_opened(backward, forward.consts, []),
        count=len(consts) + len(residuals),
    )
    return tree.unflatten(out_structures[0], outs)


def _call(
    fun: Callable[..., Any], residual_structure: Any, count: int, structure: Any, values: Any
) -> tuple[list[Any], Any]:
    residuals = tree.unflatten(residual_structure, values[:count])
    out = fun(residuals, tree.unflatten(structure, values[count:]))
    return flatten_outputs("linear_call", out)


def _check_transpose(
    outs: Sequence[Any], got: Any, wanted: Sequence[ShapedArray], structure: Any
) -> None:
    """Refuses what is no cotangent of the linear arguments."""
    if got != structure:
        raise error(
            StructureError,
            "linear_call",
            "got a transpose whose output has another structure than the linear arguments: "
            f"{tree.mismatch(structure, got)}",
        )
    for y, aval in zip(outs, wanted, strict=True):
        if not matches(aval_of(y), aval):
            raise error(
                StructureError,
                "linear_call",
                f"got a transpose with an output {aval_of(y).long_name()} for an argument "
                f"{aval.long_name()}, wanted the same shape and dtype",
            )


def _opened(closed: ClosedJaxpr, before: Sequence[Any], after: Sequence[Any]) -> ClosedJaxpr:
    """A jaxpr with its constants, among those of its partner, as leading arguments."""
    jaxpr = closed.jaxpr
    unused_before, unused_after = ([Var(aval_of(c)) for c in cs] for cs in (before, after))
    invars = (*unused_before, *jaxpr.constvars, *unused_after, *jaxpr.invars)
    return ClosedJaxpr(Jaxpr((), invars, jaxpr.eqns, jaxpr.outvars))
