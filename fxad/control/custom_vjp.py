"""``custom_vjp``: a reverse derivative rule of the user's own."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

import fxad.tree as tree
from fxad.control.custom import (
    Custom,
    Flat,
    abstract_of_function,
    all_front,
    apply_to_tangents,
    cost_of_function,
    ruled,
    run_function,
    stage_function,
)
from fxad.core.aval import ShapedArray, aval_of, float0, tangent_aval
from fxad.core.primitive import Primitive
from fxad.core.source import error
from fxad.core.trace import current_trace, is_linear, within
from fxad.core.tracebacks import public
from fxad.errors import (
    NonDifferentiableError,
    StructureError,
)
from fxad.ops.base import convert, reduce_sum, shape_of
from fxad.transforms.common import check_callable, flatten_outputs, matches, spread_axes
from fxad.transforms.jvp import instantiate, jvp_flat, zeros_for
from fxad.transforms.nodes import backward
from fxad.transforms.tape import TapeTrace
from fxad.transforms.vmap import batch_function


def _jvp_of_custom_vjp(
    primals: Sequence[Any], tangents: Sequence[Any], *, fwd: Any, bwd: Flat, **params: Any
) -> tuple[list[Any], list[Any]]:
    outs, residuals = fwd(*primals)
    full = [instantiate(t, p) for p, t in zip(primals, tangents, strict=True)]
    avals = tuple(aval_of(y).strong() for y in outs)
    active = tuple(tangent_aval(aval_of(p)).dtype != float0 for p in primals)
    pushed = custom_linear_p.bind(
        *residuals,
        *(t for t, a in zip(full, active, strict=True) if a),
        bwd=bwd,
        out_avals=avals,
        active=active,
        name=params["name"],
    )
    return outs, [p if a.dtype.kind in "fc" else None for p, a in zip(pushed, avals, strict=True)]


def _batch_of_custom_vjp(
    size: Any,
    args: Sequence[Any],
    dims: Sequence[Any],
    *,
    fun: Flat,
    fwd: Any,
    bwd: Flat,
    name: str,
) -> tuple[list[Any], list[int]]:
    residual_dims: list[list[int | None]] = []

    def batched_fun(*values: Any) -> list[Any]:
        return all_front(size, *batch_function(fun, size, values, dims))

    def batched_fwd(*values: Any) -> tuple[list[Any], list[Any]]:
        counts: list[int] = []

        def flat(*inner: Any) -> list[Any]:
            outs, residuals = fwd(*inner)
            counts.append(len(outs))
            return [*outs, *residuals]

        both, both_dims = batch_function(flat, size, values, dims)
        residual_dims.append(both_dims[counts[-1] :])
        outs = all_front(size, both[: counts[-1]], both_dims[: counts[-1]])
        return outs, both[counts[-1] :]

    def batched_bwd(residuals: Sequence[Any], cts: Sequence[Any]) -> list[Any]:
        count, present = len(residuals), list[bool]()

        def flat(*values: Any) -> list[Any]:
            pulled = bwd(values[:count], values[count:])
            present[:] = [ct is not None for ct in pulled]
            return [ct for ct in pulled if ct is not None]

        in_dims = [*residual_dims[-1], *(0 for _ in cts)]
        pulled = iter(all_front(size, *batch_function(flat, size, [*residuals, *cts], in_dims)))
        full = [next(pulled) if there else None for there in present]
        return [_match_dim(ct, dim) for ct, dim in zip(full, dims, strict=True)]

    outs = custom_vjp_p.bind(*args, fun=batched_fun, fwd=batched_fwd, bwd=batched_bwd, name=name)
    return outs, [0] * len(outs)


def _match_dim(ct: Any, dim: int | None) -> Any:
    """A cotangent batched at 0 as that of an operand batched at ``dim``, or shared by all."""
    if ct is None or dim == 0:
        return ct
    if dim is None:
        return reduce_sum(ct, (0,))
    order = list(range(1, len(shape_of(ct))))
    order.insert(dim, 0)
    return ct.transpose(order)


def _guard_vjp(name: str, count: int, params: dict[str, Any]) -> dict[str, Any]:
    fwd, bwd = params["fwd"], params["bwd"]

    def guarded_fwd(*args: Any) -> Any:
        return ruled(name, fwd, *args[count:])

    def guarded_bwd(residuals: Sequence[Any], cts: Sequence[Any]) -> list[Any]:
        return [None] * count + list(ruled(name, bwd, residuals, cts))

    return {**params, "fwd": guarded_fwd, "bwd": guarded_bwd} if count else params


custom_vjp_p = Primitive(
    "custom_vjp_call",
    abstract=abstract_of_function,
    impl=run_function,
    jvp=_jvp_of_custom_vjp,
    split=apply_to_tangents,
    batch=_batch_of_custom_vjp,
    cost=cost_of_function,
    multiple_results=True,
    inlines="fun",
)
custom_vjp_p.stage = stage_function(custom_vjp_p, _guard_vjp)


# The linear map of a custom_vjp rule: its transpose is the user's bwd, so the map itself is the
# transpose of that. ``active`` tells which primals have tangents.


def _split_linear(args: Sequence[Any], active: Sequence[bool]) -> tuple[Any, Any]:
    count = len(args) - sum(active)
    return args[:count], args[count:]


def _push(args: Sequence[Any], bwd: Flat, out_avals: Any, active: Any, name: str) -> list[Any]:
    """The tangents of the outputs: ``bwd`` recorded on a tape, and transposed."""
    residuals, tangents = _split_linear(args, active)
    tape = TapeTrace(current_trace())
    cts = [tape.input(a) if a.dtype.kind in "fc" else None for a in out_avals]
    pulled = within(tape, bwd, residuals, [c for c in cts if c is not None])
    nodes = [
        None if ct is None else tape.node_of(ct)
        for ct, is_active in zip(pulled, active, strict=True)
        if is_active
    ]
    try:
        results = backward(nodes, tangents, [None if c is None else c.node for c in cts])
    except NonDifferentiableError as e:
        raise error(
            NonDifferentiableError,
            name,
            f"got forward mode through a custom_vjp whose bwd is not linear: {e}",
            "Make bwd linear in the cotangent, or give the function a custom_jvp rule.",
        ) from e
    return [
        zeros_for(a, tangents) if r is None else r
        for r, a in zip(results, out_avals, strict=True)
    ]


def _transpose_linear(
    cts: Sequence[Any], *args: Any, bwd: Flat, out_avals: Any, active: Any, name: str
) -> list[Any]:
    residuals, tangents = _split_linear(args, active)
    full = [
        zeros_for(a, cts) if ct is None else ct
        for ct, a in zip(cts, out_avals, strict=True)
        if a.dtype.kind in "fc"
    ]
    pulled = [ct for ct, act in zip(bwd(residuals, full), active, strict=True) if act]
    results = [ct if is_linear(t) else None for ct, t in zip(pulled, tangents, strict=True)]
    return [None] * len(residuals) + results


def _jvp_linear(
    primals: Sequence[Any], tangents: Sequence[Any], **params: Any
) -> tuple[list[Any], list[Any]]:
    count = len(primals) - sum(params["active"])
    if all(t is None for t in tangents[:count]):
        moved = [instantiate(t, p) for t, p in zip(tangents[count:], primals[count:], strict=True)]
        fixed = primals[:count]
        return custom_linear_p.bind(*primals, **params), custom_linear_p.bind(
            *fixed, *moved, **params
        )
    return jvp_flat(lambda *args: _push(args, **params), primals, tangents)


def _batch_linear(
    size: Any, args: Sequence[Any], dims: Sequence[Any], *, bwd: Flat, out_avals: Any, **params: Any
) -> tuple[list[Any], list[int]]:
    residuals, tangents = _split_linear(args, params["active"])
    count = len(residuals)
    residual_dims = dims[:count]
    moved = all_front(size, tangents, dims[count:])

    def batched_bwd(values: Sequence[Any], cts: Sequence[Any]) -> list[Any]:
        present = list[bool]()

        def flat(*inner: Any) -> list[Any]:
            pulled = bwd(inner[:count], inner[count:])
            present[:] = [ct is not None for ct in pulled]
            return [ct for ct in pulled if ct is not None]

        in_dims = [*residual_dims, *(0 for _ in cts)]
        pulled = iter(all_front(size, *batch_function(flat, size, [*values, *cts], in_dims)))
        return [next(pulled) if there else None for there in present]

    avals = tuple(ShapedArray((int(size), *a.shape), a.dtype) for a in out_avals)
    outs = custom_linear_p.bind(*residuals, *moved, bwd=batched_bwd, out_avals=avals, **params)
    return outs, [0] * len(outs)


custom_linear_p = Primitive(
    "custom_vjp_linear",
    abstract=lambda *avals, out_avals, **params: list(out_avals),
    impl=lambda xp, *args, **params: _push(args, **params),
    jvp=_jvp_linear,
    transpose=_transpose_linear,
    batch=_batch_linear,
    cost=lambda avals, params: (float(sum(a.size for a in avals)), 0.0),
    multiple_results=True,
)


class custom_vjp(Custom):
    """A function with a reverse derivative rule of the user's own.

    Args:
      fun: the function; its arguments and result are pytrees of arrays or numbers.
      nondiff_argnums: positions of arguments that are not arrays or not differentiated; ``bwd``
        gets them first.
      nondiff_argnames: names of such arguments.

    Give the rule with ``defvjp(fwd, bwd)``: ``fwd(*args) -> (out, residuals)`` and
    ``bwd(*nondiff, residuals, ct) -> cotangents``, a tuple with one for each differentiated
    argument, None for zero. Forward mode is derived from ``bwd`` by transposing it, where JAX
    refuses.

    Raises:
      NonDifferentiableError: the function is differentiated and has no rule.
      StructureError: ``bwd`` returned something that does not match the arguments.

    Example:
      >>> import numpy as np, fxad
      >>> @fxad.custom_vjp
      ... def f(x):
      ...     return np.sin(x)
      >>> f.defvjp(lambda x: (f(x), np.cos(x)), lambda cos_x, ct: (ct * cos_x,))
      >>> float(fxad.grad(f)(0.0)), float(fxad.jvp(f, (0.0,), (2.0,))[1])
      (1.0, 2.0)
    """

    kind = "custom_vjp"
    fwd: Callable[..., Any] | None = None
    bwd: Callable[..., Any] | None = None

    def defvjp(self, fwd: Callable[..., Any], bwd: Callable[..., Any]) -> None:
        """Sets the rule.

        Args:
          fwd: ``fwd(*args) -> (out, residuals)``; takes all arguments as the function does.
          bwd: ``bwd(*nondiff, residuals, ct) -> cotangents``.
        """
        self.fwd, self.bwd = check_callable("defvjp", fwd), check_callable("defvjp", bwd)

    @public
    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        """Applies it."""
        nondiff, args = self._arguments(args, kwargs)
        leaves, structure, flat, out_structures = self._flat_function(args, nondiff)
        fixed = [args[i] for i in nondiff]
        residual_structures: list[Any] = []
        out_avals: list[ShapedArray] = []

        def flat_fwd(*values: Any) -> tuple[list[Any], list[Any]]:
            if self.fwd is None:
                raise error(
                    NonDifferentiableError,
                    self.name,
                    "got a derivative of a custom_vjp function without a rule",
                    f"Define it with {self.name}.defvjp.",
                )
            given = iter(tree.unflatten(structure, values))
            full = [args[i] if i in nondiff else next(given) for i in range(len(args))]
            pair = self.fwd(*full)
            if not isinstance(pair, tuple | list) or len(pair) != 2:
                raise error(
                    StructureError,
                    self.name,
                    f"got a fwd that returned {type(pair).__name__}, wanted (out, residuals)",
                )
            outs, out_structure = flatten_outputs(self.name, pair[0])
            residuals, residual_structure = flatten_outputs(self.name, pair[1])
            out_structures.append(out_structure)
            out_avals[:] = [tangent_aval(aval_of(y)) for y in outs]
            residual_structures.append(residual_structure)
            return outs, residuals

        in_avals = [aval_of(x) for x in leaves]

        def flat_bwd(residuals: Sequence[Any], cts: Sequence[Any]) -> list[Any]:
            given = iter(cts)
            full = [
                np.zeros(a.shape, float0) if a.dtype == float0 else next(given) for a in out_avals
            ]
            pulled = self.bwd(  # type: ignore[misc]
                *fixed,
                tree.unflatten(residual_structures[-1], residuals),
                tree.unflatten(out_structures[-1], full),
            )
            return _check_bwd(self.name, pulled, structure, in_avals)

        outs = custom_vjp_p.bind(*leaves, fun=flat, fwd=flat_fwd, bwd=flat_bwd, name=self.name)
        return tree.unflatten(out_structures[-1], outs)


def _check_bwd(name: str, pulled: Any, structure: Any, avals: Sequence[ShapedArray]) -> list[Any]:
    """The flat cotangents of a ``bwd``, None for zero, once they match the arguments."""
    if not isinstance(pulled, tuple | list):
        raise error(
            StructureError,
            name,
            f"got a bwd that returned {type(pulled).__name__}, wanted a tuple with a cotangent "
            "for each differentiated argument",
            "For one argument return (ct,).",
        )
    spread = spread_axes(name, "bwd(...)", structure, tuple(pulled))
    flat: list[Any] = []
    for ct, aval in zip(spread, avals, strict=True):
        wanted = tangent_aval(aval)
        if ct is None or wanted.dtype == float0:
            flat.append(None)
            continue
        got = aval_of(ct)
        if not matches(got, wanted):
            raise error(
                StructureError,
                name,
                f"got a bwd with a cotangent {got.long_name()} for an argument "
                f"{wanted.long_name()}, wanted the same shape and dtype",
            )
        flat.append(ct if got.dtype == wanted.dtype else convert(ct, wanted.dtype))
    return flat
