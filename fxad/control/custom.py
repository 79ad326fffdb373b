"""Functions with derivative rules of the user's own: ``custom_jvp`` and ``custom_vjp``."""

from __future__ import annotations

import functools
import inspect
from collections.abc import Callable, Sequence
from itertools import compress
from typing import Any, cast

import numpy as np

import fxad.tree as tree
from fxad.control.call import spread
from fxad.core.aval import ShapedArray, aval_of, float0, tangent_aval
from fxad.core.jaxpr import ClosedJaxpr, execute
from fxad.core.primitive import Primitive
from fxad.core.source import error
from fxad.core.staging import hoist, stage
from fxad.core.trace import Tracer, current_trace, is_linear, within
from fxad.errors import (
    ArgumentTypeError,
    ArgumentValueError,
    NonDifferentiableError,
    StructureError,
    UnexpectedTracerError,
)
from fxad.ops.base import convert, reduce_sum, shape_of, to_front, zeros_like
from fxad.transforms.common import check_callable, flatten_outputs
from fxad.transforms.jvp import JVPTracer, instantiate, jvp_flat
from fxad.transforms.tape import LinearizeTracer, TapeTrace, TapeTracer, backward
from fxad.transforms.vmap import BatchTracer, batch_flat

Flat = Callable[..., Sequence[Any]]


def _call(fun: Flat, args: Sequence[Any]) -> Sequence[Any]:
    return execute(fun, *args) if isinstance(fun, ClosedJaxpr) else fun(*args)


def _impl(xp: Any, *args: Any, fun: Flat, name: str, **params: Any) -> list[Any]:
    outs = list(_call(fun, args))
    if any(map(_has_tangent, outs)):
        raise _closed_over(name)
    return outs


def _has_tangent(value: Any) -> bool:
    """Whether a result of a function at plain values is differentiated: by what it closes over."""
    while isinstance(value, BatchTracer):
        value = value.value
    return isinstance(value, JVPTracer | LinearizeTracer | TapeTracer)


def _all_front(size: int, outs: Sequence[Any], dims: Sequence[int | None]) -> list[Any]:
    return [to_front(y, d, size) for y, d in zip(outs, dims, strict=True)]


def _abstract(*avals: ShapedArray, fun: ClosedJaxpr, **params: Any) -> list[ShapedArray]:
    return fun.out_avals


def _cost(avals: Sequence[ShapedArray], params: dict[str, Any]) -> tuple[float, float]:
    costs = [e.primitive.cost([v.aval for v in e.invars], e.params) for e in params["fun"].eqns]
    return sum(f for f, _ in costs), sum(b for _, b in costs)


Guard = Callable[[str, int, dict[str, Any]], dict[str, Any]]


def _stage(primitive: Primitive, guard: Guard) -> Any:
    """How a function with rules becomes an equation: its own jaxpr, the rules as they are."""

    def rule(trace: Any, args: Sequence[Any], params: dict[str, Any]) -> list[Any]:
        fun = params["fun"]
        closed = fun
        consts: list[Any] = []
        if not isinstance(fun, ClosedJaxpr):
            closed, consts = hoist(stage(fun, [aval_of(a) for a in args], trace.transformation))
            params = guard(params["name"], len(consts), params)
            below = set(trace.ancestors())
            if any(isinstance(c, Tracer) and c._trace not in below for c in consts):
                # Values of traces above this one: they see the call if it has them as arguments.
                again: list[Any] = primitive.bind(*consts, *args, **{**params, "fun": closed})
                return again
        atoms = [trace.atom(a, primitive.name) for a in (*consts, *args)]
        outs: list[Any] = trace.emit(primitive, atoms, {**params, "fun": closed}, closed.out_avals)
        return outs

    return rule


def _closed_over(name: str) -> UnexpectedTracerError:
    return error(
        UnexpectedTracerError,
        name,
        "got a derivative of a function that closes over a traced value, "
        "which its custom rule does not know",
        "Pass the value to the function as an argument of its own.",
    )


def _ruled(name: str, rule: Callable[..., Any], *args: Any) -> Any:
    """Calls a user's rule long after it was traced: tracers that it closes over are gone."""
    try:
        return rule(*args)
    except UnexpectedTracerError as e:
        raise _closed_over(name) from e


# custom_jvp ------------------------------------------------------------------------------------


def _jvp_of_custom_jvp(
    primals: Sequence[Any], tangents: Sequence[Any], *, rule: Flat, **params: Any
) -> tuple[list[Any], list[Any]]:
    outs, out_tangents = rule(primals, tangents)
    return list(outs), list(out_tangents)


def _batch_of_custom_jvp(
    size: Any, args: Sequence[Any], dims: Sequence[Any], *, fun: Flat, rule: Any, name: str
) -> tuple[list[Any], list[int]]:
    def batched_fun(*values: Any) -> list[Any]:
        return _all_front(size, *batch_flat(fun, size, values, dims))

    def batched_rule(primals: Sequence[Any], tangents: Sequence[Any]) -> tuple[Any, Any]:
        count, there = len(primals), [t is not None for t in tangents]
        kinds: list[list[bool]] = []

        def flat(*values: Any) -> list[Any]:
            outs, out_tangents = rule(values[:count], spread(values[count:], there))
            kinds.append([t is None for t in out_tangents])
            return [*outs, *(t for t in out_tangents if t is not None)]

        values, axes = [*primals, *compress(tangents, there)], [*dims, *compress(dims, there)]
        both = _all_front(size, *batch_flat(flat, size, values, axes))
        given = iter(both[len(kinds[-1]) :])
        return both[: len(kinds[-1])], [None if none else next(given) for none in kinds[-1]]

    outs = custom_jvp_p.bind(*args, fun=batched_fun, rule=batched_rule, name=name)
    return outs, [0] * len(outs)


def _guard_jvp(name: str, count: int, params: dict[str, Any]) -> dict[str, Any]:
    rule = params["rule"]

    def guarded(primals: Sequence[Any], tangents: Sequence[Any]) -> Any:
        if any(t is not None and _is_nonzero(t) for t in tangents[:count]):
            raise _closed_over(name)
        return _ruled(name, rule, primals[count:], tangents[count:])

    return {**params, "rule": guarded} if count else params


def _is_nonzero(tangent: Any) -> bool:
    is_plain = isinstance(tangent, np.ndarray | np.generic)
    return not (is_plain and (tangent.dtype == float0 or not np.any(tangent)))


custom_jvp_p = Primitive(
    "custom_jvp_call",
    abstract=_abstract,
    impl=_impl,
    jvp=_jvp_of_custom_jvp,
    batch=_batch_of_custom_jvp,
    cost=_cost,
    multiple_results=True,
    inlines="fun",
)
custom_jvp_p.stage = _stage(custom_jvp_p, _guard_jvp)


class _Custom:
    """What the two decorators share: arguments that are not differentiated, and names."""

    def __init__(
        self, fun: Callable[..., Any], nondiff_argnums: int | Sequence[int] = ()
    ) -> None:
        check_callable(self.kind, fun)
        functools.update_wrapper(cast(Any, self), fun)
        self.fun = fun
        numbers = (nondiff_argnums,) if isinstance(nondiff_argnums, int) else nondiff_argnums
        self.nondiff_argnums = tuple(int(n) for n in numbers)
        self.name = getattr(fun, "__name__", self.kind)

    kind = "custom rule"

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        """Applies the function; its rule is used when it is differentiated."""
        raise NotImplementedError

    def __get__(self, instance: Any, owner: Any = None) -> Any:
        return self if instance is None else functools.partial(self, instance)

    def _arguments(self, args: Any, kwargs: Any) -> tuple[list[int], tuple[Any, ...]]:
        """The positions that are not differentiated, and all arguments by position."""
        if kwargs:
            bound = inspect.signature(self.fun).bind(*args, **kwargs)
            bound.apply_defaults()
            if bound.kwargs:
                raise error(
                    ArgumentTypeError,
                    self.name,
                    f"got the keyword-only arguments {sorted(bound.kwargs)}, which a {self.kind} "
                    "function cannot have",
                    "Make them positional, and name them in nondiff_argnums.",
                )
            args = bound.args
        count = len(args)
        for n in self.nondiff_argnums:
            if not -count <= n < count:
                raise error(
                    ArgumentValueError,
                    self.name,
                    f"got nondiff_argnums={self.nondiff_argnums} and {count} arguments",
                )
        return sorted(n % count for n in self.nondiff_argnums), args

    def _flat_function(
        self, args: tuple[Any, ...], nondiff: Sequence[int]
    ) -> tuple[list[Any], Any, Callable[..., list[Any]], list[Any]]:
        dynamic = tuple(a for i, a in enumerate(args) if i not in nondiff)
        leaves, structure = tree.flatten(dynamic)
        out_structures: list[Any] = []

        def flat(*values: Any) -> list[Any]:
            given = iter(tree.unflatten(structure, values))
            full = [args[i] if i in nondiff else next(given) for i in range(len(args))]
            outs, out_structure = flatten_outputs(self.name, self.fun(*full))
            out_structures.append(out_structure)
            return outs

        return leaves, structure, flat, out_structures


class custom_jvp(_Custom):
    """A function with a forward derivative rule of the user's own.

    Args:
      fun: the function; its arguments and result are pytrees of arrays or numbers.
      nondiff_argnums: positions of arguments that are not arrays or not differentiated; the rule
        gets them first.

    Give the rule with ``defjvp``: ``rule(*nondiff, primals, tangents) -> (out, tangent_out)``,
    linear in the tangents, or one rule for each argument with ``defjvps``. Reverse mode is the
    transpose of the rule.

    Raises:
      NonDifferentiableError: the function is differentiated and has no rule.
      StructureError: the rule's tangent does not match its output.

    Example:
      >>> import numpy as np, fxad
      >>> @fxad.custom_jvp
      ... def log1pexp(x):
      ...     return np.log1p(np.exp(x))
      >>> @log1pexp.defjvp
      ... def rule(primals, tangents):
      ...     (x,), (t,) = primals, tangents
      ...     return log1pexp(x), t * (1 - 1 / (1 + np.exp(x)))
      >>> float(fxad.grad(log1pexp)(0.0))
      0.5
    """

    kind = "custom_jvp"
    rule: Callable[..., Any] | None = None

    def defjvp(self, rule: Callable[..., Any]) -> Callable[..., Any]:
        """Sets the rule for all arguments together, and returns it.

        Args:
          rule: ``rule(*nondiff, primals, tangents) -> (out, tangent_out)``.

        Returns:
          The rule.
        """
        self.rule = check_callable("defjvp", rule)
        return rule

    def defjvps(self, *rules: Callable[..., Any] | None) -> None:
        """Sets one rule for each argument; None for arguments the output does not vary with.

        Args:
          *rules: ``rule(tangent, out, *primals) -> tangent_out`` for each argument.
        """

        def rule(*args: Any) -> tuple[Any, Any]:
            primals, tangents = args[-2], args[-1]
            out = self(*primals)
            total = tree.map(zeros_like, out)
            for part, tangent in zip(rules, tangents, strict=True):
                if part is not None:
                    total = tree.map(lambda a, b: a + b, total, part(tangent, out, *primals))
            return out, total

        if self.nondiff_argnums:
            raise error(
                ArgumentTypeError, "defjvps", "got a function with nondiff_argnums", "Use defjvp."
            )
        self.rule = rule

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        """Applies it."""
        nondiff, args = self._arguments(args, kwargs)
        leaves, structure, flat, out_structures = self._flat_function(args, nondiff)
        fixed = [args[i] for i in nondiff]

        def flat_rule(primals: Sequence[Any], tangents: Sequence[Any]) -> tuple[Any, Any]:
            if self.rule is None:
                raise error(
                    NonDifferentiableError,
                    self.name,
                    "got a derivative of a custom_jvp function without a rule",
                    f"Define it with {self.name}.defjvp.",
                )
            full = [instantiate(t, p) for p, t in zip(primals, tangents, strict=True)]
            pair = self.rule(
                *fixed, tree.unflatten(structure, primals), tree.unflatten(structure, full)
            )
            outs, out_tangents, out_structure = _check_jvp_rule(self.name, pair)
            out_structures.append(out_structure)
            return outs, out_tangents

        outs = custom_jvp_p.bind(*leaves, fun=flat, rule=flat_rule, name=self.name)
        return tree.unflatten(out_structures[-1], outs)


def _check_jvp_rule(name: str, pair: Any) -> tuple[list[Any], list[Any], Any]:
    if not isinstance(pair, tuple | list) or len(pair) != 2:
        raise error(
            StructureError,
            name,
            f"got a custom_jvp rule that returned {type(pair).__name__}, "
            "wanted a pair (out, tangent_out)",
        )
    outs, structure = flatten_outputs(name, pair[0])
    tangents, tangent_structure = flatten_outputs(name, pair[1])
    if structure != tangent_structure:
        raise error(
            StructureError,
            name,
            "got a custom_jvp rule whose tangent has another structure than its output: "
            f"{tree.mismatch(structure, tangent_structure)}",
        )
    checked: list[Any] = []
    for y, t in zip(outs, tangents, strict=True):
        wanted, got = tangent_aval(aval_of(y)), aval_of(t)
        if wanted.dtype == float0:
            checked.append(None)
            continue
        if wanted.shape != got.shape or (wanted.dtype != got.dtype and not got.weak_type):
            raise error(
                StructureError,
                name,
                f"got a custom_jvp rule with a tangent {got.long_name()} for an output "
                f"{wanted.long_name()}, wanted the same shape and dtype",
            )
        checked.append(t if got.dtype == wanted.dtype else convert(t, wanted.dtype))
    return outs, checked, structure


# custom_vjp ------------------------------------------------------------------------------------


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
        return _all_front(size, *batch_flat(fun, size, values, dims))

    def batched_fwd(*values: Any) -> tuple[list[Any], list[Any]]:
        counts: list[int] = []

        def flat(*inner: Any) -> list[Any]:
            outs, residuals = fwd(*inner)
            counts.append(len(outs))
            return [*outs, *residuals]

        both, both_dims = batch_flat(flat, size, values, dims)
        residual_dims.append(both_dims[counts[-1] :])
        outs = _all_front(size, both[: counts[-1]], both_dims[: counts[-1]])
        return outs, both[counts[-1] :]

    def batched_bwd(residuals: Sequence[Any], cts: Sequence[Any]) -> list[Any]:
        count, present = len(residuals), list[bool]()

        def flat(*values: Any) -> list[Any]:
            pulled = bwd(values[:count], values[count:])
            present[:] = [ct is not None for ct in pulled]
            return [ct for ct in pulled if ct is not None]

        in_dims = [*residual_dims[-1], *(0 for _ in cts)]
        pulled = iter(_all_front(size, *batch_flat(flat, size, [*residuals, *cts], in_dims)))
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
        return _ruled(name, fwd, *args[count:])

    def guarded_bwd(residuals: Sequence[Any], cts: Sequence[Any]) -> list[Any]:
        return [None] * count + list(_ruled(name, bwd, residuals, cts))

    return {**params, "fwd": guarded_fwd, "bwd": guarded_bwd} if count else params


custom_vjp_p = Primitive(
    "custom_vjp_call",
    abstract=_abstract,
    impl=_impl,
    jvp=_jvp_of_custom_vjp,
    batch=_batch_of_custom_vjp,
    cost=_cost,
    multiple_results=True,
    inlines="fun",
)
custom_vjp_p.stage = _stage(custom_vjp_p, _guard_vjp)


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
        np.zeros(a.shape, a.dtype) if r is None else r
        for r, a in zip(results, out_avals, strict=True)
    ]


def _transpose_linear(
    cts: Sequence[Any], *args: Any, bwd: Flat, out_avals: Any, active: Any, name: str
) -> list[Any]:
    residuals, tangents = _split_linear(args, active)
    full = [
        np.zeros(a.shape, a.dtype) if ct is None else ct
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
    moved = _all_front(size, tangents, dims[count:])

    def batched_bwd(values: Sequence[Any], cts: Sequence[Any]) -> list[Any]:
        present = list[bool]()

        def flat(*inner: Any) -> list[Any]:
            pulled = bwd(inner[:count], inner[count:])
            present[:] = [ct is not None for ct in pulled]
            return [ct for ct in pulled if ct is not None]

        in_dims = [*residual_dims, *(0 for _ in cts)]
        pulled = iter(_all_front(size, *batch_flat(flat, size, [*values, *cts], in_dims)))
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


class custom_vjp(_Custom):
    """A function with a reverse derivative rule of the user's own.

    Args:
      fun: the function; its arguments and result are pytrees of arrays or numbers.
      nondiff_argnums: positions of arguments that are not arrays or not differentiated; ``bwd``
        gets them first.

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
    spread = tree.flatten_axes(f"[{name}] bwd's result", structure, tuple(pulled))
    flat: list[Any] = []
    for ct, aval in zip(spread, avals, strict=True):
        wanted = tangent_aval(aval)
        if ct is None or wanted.dtype == float0:
            flat.append(None)
            continue
        got = aval_of(ct)
        if got.shape != wanted.shape or (got.dtype != wanted.dtype and not got.weak_type):
            raise error(
                StructureError,
                name,
                f"got a bwd with a cotangent {got.long_name()} for an argument "
                f"{wanted.long_name()}, wanted the same shape and dtype",
            )
        flat.append(ct if got.dtype == wanted.dtype else convert(ct, wanted.dtype))
    return flat


def closure_convert(fun: Callable[..., Any], *example_args: Any) -> tuple[Any, list[Any]]:
    """A function that closes over nothing that is traced, and the values it closed over.

    Args:
      fun: a function, which may close over values of an enclosing transformation.
      *example_args: arguments of the shapes and dtypes it will be called with.

    Returns:
      ``(converted, values)`` with ``converted(*args, *values) == fun(*args)``.

    Example:
      >>> import fxad
      >>> def f(y):
      ...     g, values = fxad.closure_convert(lambda x: x * y, 1.0)
      ...     return g(3.0, *values)
      >>> float(fxad.grad(f)(2.0))
      3.0
    """
    leaves, structure = tree.flatten(example_args)
    out_structures: list[Any] = []

    def flat(*values: Any) -> list[Any]:
        outs, out_structure = flatten_outputs(
            "closure_convert", fun(*tree.unflatten(structure, values))
        )
        out_structures.append(out_structure)
        return outs

    closed, consts = hoist(stage(flat, [aval_of(x) for x in leaves], "closure_convert"))

    def converted(*args: Any) -> Any:
        count = len(args) - len(consts)
        inner, inner_structure = tree.flatten(args[:count])
        if inner_structure != structure:
            raise error(
                StructureError,
                "closure_convert",
                f"got arguments of another structure: {tree.mismatch(structure, inner_structure)}",
            )
        return tree.unflatten(out_structures[0], closed(*args[count:], *inner))

    return converted, consts

