"""Builders: an elementwise primitive is its value and one derivative for each operand."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from fxad.core.aval import (
    DType,
    ShapedArray,
    broadcast_shapes,
    short_dtype,
)
from fxad.core.primitive import Primitive, Rule
from fxad.core.source import error
from fxad.core.trace import EvalTrace, is_linear
from fxad.errors import DtypeError, NonDifferentiableError
from fxad.ops.base import add_any, like, moveaxis, reshape, shape_of, unbroadcast

#: A rule of one operand: ``jvp(tangent, out, *primals, **params)`` or ``transpose(ct, *args)``.
Derivative = Callable[..., Any]


class Saved:
    """A factor that is the output or an operand itself."""

    __slots__ = ("index",)

    def __init__(self, index: int) -> None:
        self.index = index

    def of(self, values: Sequence[Any], params: dict[str, Any]) -> Any:
        """The factor, from the output and the operands."""
        return values[self.index]

    def __call__(self, *values: Any, **params: Any) -> Any:
        """The factor at once."""
        return values[self.index]


OUT, X, Y = Saved(0), Saved(1), Saved(2)


class Computed:
    """A factor that the backward pass computes, from what it reads of output and operands."""

    __slots__ = ("rule", "reads")

    def __init__(self, rule: Callable[..., Any]) -> None:
        self.rule = rule
        positional = [
            p for p in inspect.signature(rule).parameters.values() if p.kind is not p.KEYWORD_ONLY
        ]
        self.reads = tuple(not p.name.startswith("_") for p in positional)

    def of(self, values: Sequence[Any], params: dict[str, Any]) -> Deferred:
        """The factor to be, which keeps no more than it needs."""
        kept = [v if r else None for v, r in zip(values, self.reads)]  # noqa: B905  (hot)
        return Deferred(self.rule, kept, params)

    def __call__(self, *values: Any, **params: Any) -> Any:
        """The factor at once."""
        return self.rule(*values, **params)


class Deferred:
    """A call that waits until its value is needed."""

    __slots__ = ("rule", "values", "params")

    def __init__(self, rule: Rule, values: list[Any], params: dict[str, Any]) -> None:
        self.rule, self.values, self.params = rule, values, params

    def __call__(self) -> Any:
        """The value."""
        return self.rule(*self.values, **self.params)


#: The factor of an operand's tangent: ``partial(out, *primals, **params)``, or a number.
Partial = Callable[..., Any] | int


def elementwise(
    name: str,
    impl: Rule,
    *,
    partials: Sequence[Partial | None] | None = None,
    jvps: Sequence[Derivative | None] | None = None,
    transposes: Sequence[Derivative | None] | None = None,
    jointly: bool = False,
    scalar: Any = None,
    ufunc: Any = None,
    flops: float = 1.0,
    keeps_weak: bool = False,
    view: bool = False,
    scratch: float = 0.0,
) -> Primitive:
    """A primitive that works element by element, with NumPy's broadcasting and promotion.

    Args:
      name: the primitive's name.
      impl: ``impl(xp, *arrays, **params)``.
      partials: for each operand ``partial(out, *primals, **params)``, the factor of its tangent;
        a number; or None where the output does not vary with it. What a partial does not read has
        a name with a leading underscore, and is not kept for the backward pass.
      jvps: where a derivative is no factor (real parts, selection): for each operand
        ``rule(tangent, out, *primals, **params)``. Neither: outputs without a derivative.
      transposes: for each operand ``rule(ct, *args, **params)``, for those it can be linear in.
      jointly: linear in all of these operands together (a sum), not in each alone (a product).
      ufunc: the NumPy ufunc from floats to floats that ``impl`` comes to, if any.
      scalar: the name of the element's expression for codegen.
      flops: for the cost of one element.
      keeps_weak: Python's operators have the same result on Python numbers.
      view: as for ``Primitive``.
      scratch: as for ``Primitive``.
    """
    abstract = elementwise_abstract(name, impl, keeps_weak)

    def batch(
        size: int, args: Sequence[Any], dims: Sequence[int | None], **params: Any
    ) -> tuple[Any, int]:
        args, dim = align_batch(args, dims)
        return primitive.bind(*args, **params), dim

    def cost(avals: Sequence[ShapedArray], params: dict[str, Any]) -> tuple[float, float]:
        out = abstract(*avals, **params)
        moved = out.size * out.dtype.itemsize + sum(a.size * a.dtype.itemsize for a in avals)
        return flops * out.size, float(moved)

    primitive = Primitive(
        name,
        abstract=abstract,
        impl=impl,
        jvp=None,
        partials=None if partials is None else tuple(map(_prepared, partials)),
        transpose=None if transposes is None else _elementwise_transpose(name, transposes, jointly),
        batch=batch,
        cost=cost,
        scalar=scalar,
        ufunc=ufunc,
        keeps_weak=keeps_weak,
        view=view,
        scratch=scratch,
    )
    if partials is not None:
        jvps = [None if p is None else _scaling(p) for p in partials]
    if jvps is not None:
        primitive.jvp = _elementwise_jvp(primitive, jvps)
    return primitive


def _prepared(partial: Partial | None) -> Any:
    return Computed(partial) if inspect.isfunction(partial) else partial


def _scaling(partial: Partial) -> Derivative:
    """The rule that multiplies the tangent by a factor."""
    if callable(partial):
        return lambda t, out, *primals, **params: mul(t, partial(out, *primals, **params))
    return lambda t, out, *primals, **params: t if partial == 1 else mul(t, partial)


def unary(
    name: str,
    impl: Rule,
    *,
    partial: Partial | None = None,
    jvp: Derivative | None = None,
    transpose: Derivative | None = None,
    **options: Any,
) -> Primitive:
    """An elementwise primitive of one operand: ``partial(out, x)``, ``transpose(ct, x)``."""
    return elementwise(
        name,
        impl,
        partials=None if partial is None else (partial,),
        jvps=None if jvp is None else (jvp,),
        transposes=None if transpose is None else (transpose,),
        **options,
    )


def _elementwise_jvp(primitive: Primitive, rules: Sequence[Derivative | None]) -> Rule:
    bind = primitive.bind

    def jvp(primals: Sequence[Any], tangents: Sequence[Any], **params: Any) -> tuple[Any, Any]:
        out = bind(*primals, **params)
        total = None
        for rule, tangent in zip(rules, tangents, strict=True):
            if tangent is not None and rule is not None:
                part = like(rule(tangent, out, *primals, **params), out)
                total = part if total is None else add_any(total, part)
        return out, total

    def jvp_unary(
        primals: Sequence[Any], tangents: Sequence[Any], **params: Any
    ) -> tuple[Any, Any]:
        out = bind(primals[0], **params)
        return out, rules[0](tangents[0], out, primals[0], **params)  # type: ignore[misc]

    return jvp_unary if len(rules) == 1 else jvp


def _elementwise_transpose(
    name: str, rules: Sequence[Derivative | None], jointly: bool
) -> Rule:
    def transpose(ct: Any, *args: Any, **params: Any) -> list[Any]:
        linear = [is_linear(arg) for arg in args]
        if sum(linear) > 1 and not jointly:
            raise nonlinear(name)
        return [
            unbroadcast(_need(name, rule)(ct, *args, **params), arg.aval) if active else None
            for rule, arg, active in zip(rules, args, linear, strict=True)
        ]

    return transpose


def _need(name: str, rule: Derivative | None) -> Derivative:
    if rule is None:
        raise nonlinear(name)
    return rule


def nonlinear(name: str) -> NonDifferentiableError:
    """The error for an operation on tangents that is not linear in them."""
    return error(
        NonDifferentiableError,
        name,
        "got tangents in a way that is not linear in them, wanted a linear map",
        "A derivative rule (custom_jvp, linear_transpose) must be linear in its tangents.",
    )


def align_batch(args: Sequence[Any], dims: Sequence[int | None]) -> tuple[list[Any], int]:
    """Operands whose batch axes meet when they are broadcast against each other."""
    batched = [(len(shape_of(x)), d) for x, d in zip(args, dims, strict=True) if d is not None]
    ndim = max(len(shape_of(x)) - (d is not None) for x, d in zip(args, dims, strict=True))
    alike = len(set(batched)) == 1 and batched[0][0] == ndim + 1
    if alike and all(d is not None or not shape_of(x) for x, d in zip(args, dims, strict=True)):
        return list(args), batched[0][1]
    out = []
    for x, d in zip(args, dims, strict=True):
        if d is not None:
            x = moveaxis(x, d, 0)
            shape = shape_of(x)
            x = reshape(x, (shape[0], *(1,) * (ndim + 1 - len(shape)), *shape[1:]))
        out.append(x)
    return out, 0


def elementwise_abstract(name: str, impl: Rule, keeps_weak: bool) -> Rule:
    """The abstract rule of what broadcasts: the dtype is that which ``impl`` gives."""
    dtypes: dict[Any, DType] = {}

    def abstract(*avals: ShapedArray, **params: Any) -> ShapedArray:
        key = (*((a.dtype, a.weak_type) for a in avals), *params.items())
        dtype = dtypes.get(key)
        if dtype is None:
            dtype = dtypes[key] = _probe_dtype(name, impl, avals, params)
        weak = keeps_weak and dtype.kind != "b" and all(a.weak_type for a in avals)
        shape = avals[0].shape
        if len(avals) > 1:
            shape = broadcast_shapes(name, [a.shape for a in avals])
        return ShapedArray(shape, dtype, weak)

    return abstract


_WEAK: dict[str, Any] = {"b": False, "i": 1, "f": 1.0, "c": 1j}


def _probe_dtype(
    name: str, impl: Rule, avals: Sequence[ShapedArray], params: dict[str, Any]
) -> DType:
    """Asks the implementation itself, on empty operands, so that the two never disagree."""
    all_weak = all(a.weak_type for a in avals)
    probes = [
        _WEAK[a.dtype.kind] if a.weak_type and not all_weak else np.empty(0, a.dtype)
        for a in avals
    ]
    try:
        dtype: DType = impl(EvalTrace.namespace, *probes, **params).dtype
    except TypeError as e:
        listed = " and ".join(short_dtype(a.dtype) for a in avals)
        raise error(DtypeError, name, f"got {listed}, which NumPy has no {name} for: {e}") from None
    return dtype


# The product, on which every rule that scales a tangent stands.
mul_p: Primitive = elementwise(
    "mul",
    impl=lambda xp, x, y: x * y,
    partials=(Y, X),
    transposes=(lambda ct, x, y: mul(ct, y), lambda ct, x, y: mul(x, ct)),
    keeps_weak=True,
    scalar="mul",
    ufunc=np.multiply,
)
mul: Rule = mul_p.bind


#: As what ``np.errstate`` takes: a slope may be what it will, ``safe_mul`` warns where it matters.
SLOPES_ARE_SAFE: dict[str, Any] = {"divide": "ignore", "over": "ignore", "invalid": "ignore"}


def _safe_mul_impl(xp: Any, x: Any, y: Any, *, both: bool) -> Any:
    with np.errstate(invalid="ignore"):
        product = x * y
    zero = xp.logical_or(xp.equal(x, 0), xp.equal(y, 0)) if both else xp.equal(x, 0)
    out = xp.where(zero, product.dtype.type(0), product)
    if xp is EvalTrace.namespace and not np.all(np.isfinite(out)):
        _warn_of_slope(y, ~np.isfinite(out) & np.isfinite(x))
        if both:
            _warn_of_slope(x, ~np.isfinite(out) & np.isfinite(y))
    return out if type(out) is type(product) else out[()]


def _warn_of_slope(slope: Any, came_through: Any) -> None:
    """Warns, as ``np.errstate`` says, of a slope that is infinite or NaN where it matters."""
    if np.any(np.isinf(slope) & came_through):
        np.true_divide(1.0, 0.0)
    if np.any(np.isnan(slope) & came_through):
        np.true_divide(0.0, 0.0)


#: The product of a tangent and a slope under ``config.safe_where``: zero where ``x`` is zero, or,
#: with ``both``, where either is. There it does not vary with the other factor.
safe_mul_p: Primitive = elementwise(
    "safe_mul",
    impl=_safe_mul_impl,
    jvps=(
        lambda t, out, x, y, both: safe_mul(t, y, both),
        lambda t, out, x, y, both: safe_mul(x, t, True),
    ),
    transposes=(
        lambda ct, x, y, both: safe_mul(ct, y, both),
        lambda ct, x, y, both: safe_mul(x, ct, True),
    ),
    keeps_weak=True,
    scalar="safe_mul",
    flops=3,
)


def safe_mul(x: Any, y: Any, both: bool = False) -> Any:
    """``x * y``, and 0 where ``x`` (with ``both``, or ``y``) is 0, whatever the other is."""
    if type(y) is int and not both:
        return mul(x, y)
    return safe_mul_p.bind(x, y, both=both)


def safe_jvp(
    primitive: Primitive, primals: Sequence[Any], tangents: Sequence[Any], params: dict[str, Any]
) -> tuple[Any, Any]:
    """The ``jvp`` of a primitive with partials, where zero tangents stay zero."""
    out = primitive.bind(*primals, **params)
    total = None
    for partial, tangent in zip(primitive.partials or (), tangents, strict=True):
        if partial is not None and tangent is not None:
            with np.errstate(**SLOPES_ARE_SAFE):
                slope = partial(out, *primals, **params) if callable(partial) else partial
            total = add_any(total, like(safe_mul(tangent, slope), out))
    return out, total
