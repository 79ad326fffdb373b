"""``custom_vjp``: a reverse derivative rule of the user's own."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import fxad.tree as tree
from fxad.control.call import spread
from fxad.control.captured import capture_vjp
from fxad.control.custom import (
    Custom,
    Flat,
    Outputs,
    abstract_of_function,
    all_front,
    apply_to_tangents,
    as_tangent,
    aval_of_tangent,
    closed_over,
    cost_of_function,
    describe_result,
    filling,
    ruled,
    run_function,
    stage_function,
)
from fxad.control.symbolic_zeros import CustomVJPPrimal, SymbolicZero
from fxad.core.aval import ShapedArray, aval_of, float0, is_value, tangent_aval
from fxad.core.primitive import Primitive
from fxad.core.source import error
from fxad.core.trace import current_trace, is_linear, within
from fxad.core.tracebacks import public
from fxad.errors import ArgumentTypeError, NonDifferentiableError, StructureError
from fxad.ops.base import reduce_sum, shape_of
from fxad.transforms.common import check_callable, matches, spread_axes
from fxad.transforms.jvp import instantiate, jvp_flat, zeros_for
from fxad.transforms.nodes import backward
from fxad.transforms.tape import TapeTrace
from fxad.transforms.vmap import batch_function

Pull = Callable[[Sequence[Any], Sequence[Any]], list[Any]]
#: ``fwd(primals, perturbed) -> outs, residuals, bwd``; each run has a ``bwd`` of its own, from
#: residuals and the cotangents of the real and complex outputs (None is zero) to those of primals.
Forward = Callable[[Sequence[Any], Sequence[bool]], tuple[list[Any], list[Any], Pull]]


def _jvp_of_custom_vjp(
    primals: Sequence[Any], tangents: Sequence[Any], *, fwd: Forward, name: str, **params: Any
) -> tuple[list[Any], list[Any]]:
    outs, residuals, bwd = fwd(primals, [t is not None for t in tangents])
    full = [instantiate(t, p) for p, t in zip(primals, tangents, strict=True)]
    avals = tuple(aval_of(y).strong() for y in outs)
    active = tuple(tangent_aval(aval_of(p)).dtype != float0 for p in primals)
    pushed = custom_linear_p.bind(
        *residuals,
        *(t for t, a in zip(full, active, strict=True) if a),
        bwd=bwd,
        out_avals=avals,
        active=active,
        name=name,
    )
    return outs, [p if a.dtype.kind in "fc" else None for p, a in zip(pushed, avals, strict=True)]


def _batch_of_custom_vjp(
    size: Any,
    args: Sequence[Any],
    dims: Sequence[Any],
    *,
    fun: Flat,
    fwd: Forward,
    name: str,
) -> tuple[list[Any], list[int]]:
    def batched_fun(*values: Any) -> list[Any]:
        return all_front(size, *batch_function(fun, size, values, dims))

    def batched_fwd(values: Sequence[Any], perturbed: Sequence[bool]) -> Any:
        made: list[tuple[int, Pull]] = []

        def flat(*inner: Any) -> list[Any]:
            outs, residuals, bwd = fwd(inner, perturbed)
            made.append((len(outs), bwd))
            return [*outs, *residuals]

        both, both_dims = batch_function(flat, size, values, dims)
        ((count, bwd),) = made
        outs = all_front(size, both[:count], both_dims[:count])
        pull = _batched_pull(bwd, size, both_dims[count:])

        def batched_bwd(residuals: Sequence[Any], cts: Sequence[Any]) -> list[Any]:
            pulled = pull(residuals, cts)
            return [_match_dim(ct, dim) for ct, dim in zip(pulled, dims, strict=True)]

        return outs, both[count:], batched_bwd

    outs = custom_vjp_p.bind(*args, fun=batched_fun, fwd=batched_fwd, name=name)
    return outs, [0] * len(outs)


def _batched_pull(bwd: Pull, size: int, residual_dims: Sequence[int | None]) -> Pull:
    """A ``bwd`` over a batch of cotangents, which stands first in them and in what comes out."""
    count = len(residual_dims)

    def batched(residuals: Sequence[Any], cts: Sequence[Any]) -> list[Any]:
        there, present = [ct is not None for ct in cts], list[bool]()

        def flat(*inner: Any) -> list[Any]:
            pulled = bwd(inner[:count], spread(inner[count:], there))
            present[:] = [ct is not None for ct in pulled]
            return [ct for ct in pulled if ct is not None]

        given = [ct for ct in cts if ct is not None]
        in_dims = [*residual_dims, *(0 for _ in given)]
        outs = all_front(size, *batch_function(flat, size, [*residuals, *given], in_dims))
        return spread(outs, present)

    return batched


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
    fwd = params["fwd"]

    def guarded(primals: Sequence[Any], perturbed: Sequence[bool]) -> Any:
        if any(perturbed[:count]):
            raise closed_over(name)
        outs, residuals, bwd = ruled(name, fwd, primals[count:], perturbed[count:])

        def guarded_bwd(residuals: Sequence[Any], cts: Sequence[Any]) -> list[Any]:
            return [None] * count + list(ruled(name, bwd, residuals, cts))

        return outs, residuals, guarded_bwd

    return {**params, "fwd": guarded} if count else params


def _capture_vjp(avals: Sequence[ShapedArray], params: dict[str, Any]) -> Any:
    more, captured = capture_vjp(avals, params["fwd"])
    name = params["name"]

    def params_after(before: int) -> dict[str, Any]:
        count = before + len(more)

        def fwd(primals: Sequence[Any], perturbed: Sequence[bool]) -> Any:
            if any(perturbed[:count]):
                raise closed_over(name)
            outs, residuals, bwd = captured(
                primals[before:count], primals[count:], perturbed[count:]
            )
            return outs, residuals, lambda kept, cts: [None] * count + bwd(kept, cts)

        return {**params, "fwd": fwd}

    return more, params_after


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
custom_vjp_p.stage = stage_function(custom_vjp_p, _guard_vjp, _capture_vjp)


# The linear map of a custom_vjp rule: its transpose is the user's bwd, so the map itself is the
# transpose of that. ``active`` tells which primals have tangents.


def _split_linear(args: Sequence[Any], active: Sequence[bool]) -> tuple[Any, Any]:
    count = len(args) - sum(active)
    return args[:count], args[count:]


def _push(args: Sequence[Any], bwd: Pull, out_avals: Any, active: Any, name: str) -> list[Any]:
    """The tangents of the outputs: ``bwd`` recorded on a tape, and transposed."""
    residuals, tangents = _split_linear(args, active)
    tape = TapeTrace(current_trace())
    cts = [tape.input(a) if a.dtype.kind in "fc" else None for a in out_avals]
    pulled = within(tape, bwd, residuals, [c for c in cts if c is not None])
    try:
        nodes = [
            None if ct is None else tape.node_of(ct)
            for ct, is_active in zip(pulled, active, strict=True)
            if is_active
        ]
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
    cts: Sequence[Any], *args: Any, bwd: Pull, out_avals: Any, active: Any, name: str
) -> list[Any]:
    residuals, tangents = _split_linear(args, active)
    given = [ct for ct, a in zip(cts, out_avals, strict=True) if a.dtype.kind in "fc"]
    pulled = [ct for ct, act in zip(bwd(residuals, given), active, strict=True) if act]
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
    size: Any, args: Sequence[Any], dims: Sequence[Any], *, bwd: Pull, out_avals: Any, **params: Any
) -> tuple[list[Any], list[int]]:
    residuals, tangents = _split_linear(args, params["active"])
    count = len(residuals)
    moved = all_front(size, tangents, dims[count:])
    pull = _batched_pull(bwd, size, dims[:count])
    avals = tuple(ShapedArray((int(size), *a.shape), a.dtype) for a in out_avals)
    outs = custom_linear_p.bind(*residuals, *moved, bwd=pull, out_avals=avals, **params)
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
    argument, None for zero. ``residuals`` may be any pytree; leaves that are no arrays reach
    ``bwd`` as they are. Forward mode is derived from ``bwd`` by transposing it, where JAX refuses.

    Raises:
      MissingRuleError: the function is differentiated and has no rule.
      StructureError: ``bwd`` returned something that does not match the arguments, or ``fwd``
        something that does not match the function.
      NonDifferentiableError: forward mode, and ``bwd`` is not linear in the cotangent.

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
    definer = "defvjp"
    fwd: Callable[..., Any] | None = None
    bwd: Callable[..., Any] | None = None
    symbolic_zeros = False

    def defvjp(
        self,
        fwd: Callable[..., Any],
        bwd: Callable[..., Any],
        symbolic_zeros: bool = False,
        optimize_remat: bool = False,
    ) -> None:
        """Sets the rule.

        Args:
          fwd: ``fwd(*args) -> (out, residuals)``; takes all arguments as the function does.
          bwd: ``bwd(*nondiff, residuals, ct) -> cotangents``.
          symbolic_zeros: whether ``fwd`` gets each leaf of a differentiated argument as a
            ``custom_derivatives.CustomVJPPrimal``, which says whether it is perturbed, and ``bwd``
            a ``custom_derivatives.SymbolicZero`` for the cotangent of what nothing reads.
          optimize_remat: taken as JAX takes it; ``checkpoint`` runs the function itself first in
            any case, and ``fwd`` only when it computes again.
        """
        self.fwd, self.bwd = check_callable("defvjp", fwd), check_callable("defvjp", bwd)
        self.symbolic_zeros = symbolic_zeros

    @public
    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        """Applies it."""
        nondiff, args = self._arguments(args, kwargs)
        leaves, structure, flat, outputs = self._flat_function(args, nondiff)
        fixed, fill = [args[i] for i in nondiff], filling(args, nondiff)
        in_avals = [aval_of(x) for x in leaves]

        def flat_fwd(values: Sequence[Any], perturbed: Sequence[bool]) -> Any:
            symbolic = self.symbolic_zeros
            if symbolic:
                values = list(map(CustomVJPPrimal, values, perturbed))
            pair = self.fwd(*fill(tree.unflatten(structure, values)))  # type: ignore[misc]
            outs, kept, unflatten = _check_fwd(outputs, pair)
            out_structure = outputs.structure
            avals = [tangent_aval(aval_of(y)) for y in outs]

            def flat_bwd(residuals: Sequence[Any], cts: Sequence[Any]) -> list[Any]:
                ct = tree.unflatten(out_structure, _cotangents(cts, avals, symbolic))
                pulled = self.bwd(*fixed, unflatten(residuals), ct)  # type: ignore[misc]
                return _check_bwd(self.name, pulled, structure, in_avals)

            return outs, kept, self._within("bwd rule", "bwd", flat_bwd)

        fwd = self._within("fwd rule", "fwd", flat_fwd)
        outs = custom_vjp_p.bind(*leaves, fun=flat, fwd=fwd, name=self.name)
        return tree.unflatten(outputs.structure, outs)


def _check_fwd(outputs: Outputs, pair: Any) -> tuple[list[Any], list[Any], Callable[..., Any]]:
    """The flat outputs of a ``fwd``, its residuals that are arrays, and how to have them all."""
    name = outputs.name
    if not isinstance(pair, tuple | list) or len(pair) != 2:
        raise error(
            StructureError,
            name,
            f"got a fwd that returned {describe_result(pair)}, wanted (out, residuals)",
        )
    for leaf in tree.leaves(pair):
        if type(leaf) is CustomVJPPrimal:
            raise error(
                ArgumentTypeError,
                name,
                "got a fwd with symbolic_zeros that returned an argument as it came, a "
                "CustomVJPPrimal, wanted arrays",
                "Return x.value, or custom_vjp_primal_tree_values(x) for a pytree.",
            )
    outs = outputs.of_rule("fwd", pair[0])
    leaves, structure = tree.flatten(pair[1])
    arrays = [is_value(leaf) for leaf in leaves]
    kept = [leaf for leaf, is_one in zip(leaves, arrays, strict=True) if is_one]
    fill = filling(leaves, [i for i, is_one in enumerate(arrays) if not is_one])
    return outs, kept, lambda residuals: tree.unflatten(structure, fill(residuals))


def _cotangents(
    cts: Sequence[Any], avals: Sequence[ShapedArray], symbolic_zeros: bool
) -> list[Any]:
    """The cotangents of all outputs as ``bwd`` gets them."""
    given, full = iter(cts), list[Any]()
    for aval in avals:
        ct = None if aval.dtype == float0 else next(given)
        if ct is None:
            ct = SymbolicZero(aval.strong()) if symbolic_zeros else zeros_for(aval, cts)
        full.append(ct)
    return full


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
    cts = spread_axes(name, "bwd(...)", structure, tuple(pulled))
    flat: list[Any] = []
    for ct, aval in zip(cts, avals, strict=True):
        wanted = tangent_aval(aval)
        if ct is None or wanted.dtype == float0:
            flat.append(None)
            continue
        got = aval_of_tangent(ct)
        if not matches(got, wanted):
            what = "SymbolicZero" if type(ct) is SymbolicZero else "cotangent"
            raise error(
                StructureError,
                name,
                f"got a bwd with a {what} {got.long_name()} for an argument "
                f"{wanted.long_name()}, wanted the same shape and dtype",
                "Return None where a cotangent is zero." if what == "SymbolicZero" else "",
            )
        flat.append(as_tangent(ct, wanted))
    return flat
