"""Reductions: extrema, products, logical sums; and the moments made of sums."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from fxad.core.aval import DType, Shape, ShapedArray
from fxad.core.primitive import Primitive
from fxad.core.source import error
from fxad.errors import ArgumentTypeError, ArgumentValueError
from fxad.ops.base import (
    broadcast_to,
    convert,
    dim_after_reduction,
    dtype_of,
    normalize_axes,
    normalize_axis,
    reduce_sum,
    reshape,
    shape_of,
    shift_axes,
    to_front,
    transpose,
)
from fxad.ops.cumulative import accumulation_dtype, product_of_others_p
from fxad.ops.elementwise import add, conj, div, max, min, mul, real, select, square, sub
from fxad.ops.logic import eq, ne
from fxad.ops.rules import unary
from fxad.ops.shape import ravel

Axes = tuple[int, ...]


def reduction(
    name: str,
    impl: Callable[..., Any],
    jvp: Callable[..., Any] | None = None,
    *,
    dtype: Any = None,
    identity: bool = True,
    flops: float = 1.0,
    scratch: float = 0.0,
) -> Primitive:
    """A primitive that takes the axes ``axes`` away.

    Args:
      name: the primitive's name.
      impl: ``impl(xp, x, axes)``.
      jvp: ``jvp(t, out, x, axes)``, the tangent of the output.
      dtype: of the result, where it is not the operand's.
      identity: whether the reduction of no elements has a value.
      flops: for the cost of one element.
      scratch: as for ``Primitive``.
    """

    def abstract(x: ShapedArray, *, axes: Axes) -> ShapedArray:
        if not identity and any(x.shape[d] == 0 for d in axes):
            raise _no_elements(name, x.shape, axes)
        return ShapedArray(without(x.shape, axes), x.dtype if dtype is None else dtype)

    def jvp_rule(primals: Sequence[Any], tangents: Sequence[Any], *, axes: Axes) -> Any:
        out = primitive.bind(primals[0], axes=axes)
        return out, jvp(tangents[0], out, primals[0], axes)  # type: ignore[misc]

    def batch(size: int, args: Sequence[Any], dims: Sequence[Any], *, axes: Axes) -> Any:
        axes = shift_axes(axes, dims[0])
        return primitive.bind(args[0], axes=axes), dim_after_reduction(dims[0], axes)

    primitive = Primitive(
        name,
        abstract=abstract,
        impl=lambda xp, x, *, axes: impl(xp, x, axes),
        jvp=None if jvp is None else jvp_rule,
        batch=batch,
        cost=_cost(flops, abstract),
        scratch=scratch,
    )
    return primitive


def _cost(flops: float, abstract: Callable[..., ShapedArray]) -> Callable[..., Any]:
    def cost(avals: Sequence[ShapedArray], params: dict[str, Any]) -> tuple[float, float]:
        x, out = avals[0], abstract(*avals, **params)
        moved = x.size * x.dtype.itemsize + out.size * out.dtype.itemsize
        return flops * x.size, float(moved)

    return cost


def without(shape: Shape, axes: Axes) -> Shape:
    """The shape that a reduction leaves."""
    return tuple(n for d, n in enumerate(shape) if d not in axes)


def _no_elements(name: str, shape: Shape, axes: Axes) -> ArgumentValueError:
    return error(
        ArgumentValueError,
        name,
        f"got {shape} along the axes {axes}, which holds no elements, wanted at least one: "
        "the extremum of none is not defined",
        "Give initial=, the value that the extremum starts from.",
    )


def _kept(shape: Shape, axes: Axes) -> Shape:
    return tuple(1 if d in axes else n for d, n in enumerate(shape))


def keep(reduced: Any, x: Any, axes: Axes) -> Any:
    """A reduction of ``x`` with the axes back, at length 1."""
    return reshape(reduced, _kept(shape_of(x), axes))


# Primitives ------------------------------------------------------------------------------------


def _hits(x: Any, out: Any, axes: Axes) -> Any:
    """Which elements are the extremum; where there is NaN, those that are NaN."""
    hit = x == out.reshape(_kept(x.shape, axes))
    return hit | (x != x) if x.dtype.kind in "fc" else hit


def _shared(xp: Any, total: Any, hit: Any, axes: Axes) -> Any:
    """A total divided by the number of hits, in its own dtype."""
    return (total / xp.sum(hit, axis=axes)).astype(total.dtype)


def _pick_impl(xp: Any, t: Any, x: Any, out: Any, *, axes: Axes) -> Any:
    hit = _hits(x, out, axes)
    picked = xp.where(hit, t, t.dtype.type(0))
    return _shared(xp, xp.sum(picked, axis=axes, dtype=t.dtype), hit, axes)


def _spread_impl(xp: Any, ct: Any, x: Any, out: Any, *, axes: Axes) -> Any:
    hit = _hits(x, out, axes)
    share = _shared(xp, ct, hit, axes)
    spread = xp.zeros(x.shape, ct.dtype)
    xp.copyto(spread, share.reshape(_kept(x.shape, axes)), where=hit)
    return spread


def _of_extremum(
    name: str, impl: Callable[..., Any], like: int, transpose: Any, scratch: float
) -> Primitive:
    """A primitive of ``(t, x, out)``, linear in ``t``, its result shaped as operand ``like``."""

    def jvp(primals: Sequence[Any], tangents: Sequence[Any], *, axes: Axes) -> tuple[Any, Any]:
        t = tangents[0]
        out = primitive.bind(*primals, axes=axes)
        return out, None if t is None else primitive.bind(t, *primals[1:], axes=axes)

    def batch(size: int, args: Sequence[Any], dims: Sequence[Any], *, axes: Axes) -> Any:
        args = [to_front(x, d, size) for x, d in zip(args, dims, strict=True)]
        return primitive.bind(*args, axes=shift_axes(axes, 0)), 0

    primitive = Primitive(
        name,
        abstract=lambda *avals, axes: ShapedArray(avals[like].shape, avals[0].dtype),
        impl=impl,
        jvp=jvp,
        transpose=lambda ct, t, x, out, *, axes: [transpose(ct, x, out, axes), None, None],
        batch=batch,
        cost=_cost(2.0, lambda *avals, axes: avals[1]),
        scratch=scratch,
    )
    return primitive


#: The mean of the tangents of all the elements that equal the extremum.
pick_extremum_p: Primitive = _of_extremum(
    "pick_extremum",
    _pick_impl,
    2,
    lambda ct, x, out, axes: spread_extremum_p.bind(ct, x, out, axes=axes),
    scratch=1.25,
)
#: Its transpose: equal shares for all the elements that equal the extremum, 0 for the others.
spread_extremum_p: Primitive = _of_extremum(
    "spread_extremum",
    _spread_impl,
    1,
    lambda ct, x, out, axes: pick_extremum_p.bind(ct, x, out, axes=axes),
    scratch=0.15,
)


def _extremum_jvp(t: Any, out: Any, x: Any, axes: Axes) -> Any:
    return pick_extremum_p.bind(t, x, out, axes=axes)


reduce_max_p = reduction(
    "reduce_max", lambda xp, x, axes: xp.max(x, axis=axes), _extremum_jvp, identity=False
)
reduce_min_p = reduction(
    "reduce_min", lambda xp, x, axes: xp.min(x, axis=axes), _extremum_jvp, identity=False
)


def _last(x: Any, axes: Axes) -> Any:
    """The axes that go, as one axis at the end."""
    shape = shape_of(x)
    kept = [d for d in range(len(shape)) if d not in axes]
    length = math.prod(shape[d] for d in axes)
    return reshape(transpose(x, [*kept, *axes]), (*without(shape, axes), length))


def _prod_jvp(t: Any, out: Any, x: Any, axes: Axes) -> Any:
    """Each tangent times the product of all other factors, which is right at zeros too."""
    x, t = _last(x, axes), _last(t, axes)
    axis = len(shape_of(x)) - 1
    others = product_of_others_p.bind(x, axis=axis, reverse=False)
    return reduce_sum(mul(t, others), (axis,))


reduce_prod_p = reduction(
    "reduce_prod", lambda xp, x, axes: xp.prod(x, axis=axes, dtype=x.dtype), _prod_jvp
)
reduce_and_p = reduction(
    "reduce_and", lambda xp, x, axes: xp.all(x, axis=axes), dtype=np.dtype(np.bool_)
)
reduce_or_p = reduction(
    "reduce_or", lambda xp, x, axes: xp.any(x, axis=axes), dtype=np.dtype(np.bool_)
)


def _arg_extremum(name: str, impl: Callable[..., Any]) -> Primitive:
    """A primitive for the place of an extremum along ``axis``: the first one, NaN before all."""

    def abstract(x: ShapedArray, *, axis: int) -> ShapedArray:
        if x.shape[axis] == 0:
            raise _no_elements(name, x.shape, (axis,))
        return ShapedArray(without(x.shape, (axis,)), np.dtype(np.int64))

    def batch(size: int, args: Sequence[Any], dims: Sequence[Any], *, axis: int) -> Any:
        dim = dims[0]
        return primitive.bind(args[0], axis=axis + (axis >= dim)), dim - (axis < dim)

    primitive = Primitive(
        name,
        abstract=abstract,
        impl=impl,
        jvp=None,
        batch=batch,
        cost=_cost(1.0, abstract),
        scratch=1.0,
    )
    return primitive


argmax_p = _arg_extremum("argmax", lambda xp, x, *, axis: xp.argmax(x, axis=axis))
argmin_p = _arg_extremum("argmin", lambda xp, x, *, axis: xp.argmin(x, axis=axis))


# Functions -------------------------------------------------------------------------------------


def reduced_axes(operation: str, x: Any, axis: Any) -> Axes:
    """The axes to take away; as NumPy, numbers may be reduced along their axis 0 or -1."""
    if type(axis) is list:
        raise error(
            ArgumentTypeError,
            operation,
            f"got axis={axis}, wanted an integer, a tuple of integers or None",
            f"Write axis={tuple(axis)}.",
        )
    ndim = len(shape_of(x))
    return () if not ndim and axis in (0, -1) else normalize_axes(operation, axis, ndim)


def only_where(x: Any, where: Any, otherwise: Any) -> Any:
    """``x`` where a mask holds, which broadcasts to its shape."""
    if where is None or where is True:
        return x
    if len(shape_of(where)) > len(shape_of(x)):
        where = broadcast_to(where, shape_of(x))
    return select(where, x, otherwise)


def reduce_by(primitive: Primitive, x: Any, axes: Axes, keepdims: bool) -> Any:
    """The primitive over normal axes; without any the elements are their own reductions."""
    if not axes:
        return x
    out = primitive.bind(x, axes=axes)
    return keep(out, x, axes) if keepdims else out


def sum_(
    x: Any,
    axis: Any = None,
    dtype: Any = None,
    keepdims: bool = False,
    initial: Any = None,
    where: Any = None,
) -> Any:
    """The sum over one, some or all axes; linear.

    Args:
      x: the array.
      axis: an axis, a tuple of axes, or None for all.
      dtype: of the sum; by default that of ``x``, and 64 bits for smaller integers and booleans.
      keepdims: leaves the axes in place, at length 1.
      initial: a number to start from.
      where: a mask that broadcasts to ``x``; only elements where it holds are summed.
    """
    x = _summands("sum", x, dtype, where, 0)
    axes = reduced_axes("sum", x, axis)
    out = reduce_sum(x, axes)
    out = keep(out, x, axes) if keepdims else out
    return out if initial is None else add(out, convert(initial, dtype_of(x)))


def prod(
    x: Any,
    axis: Any = None,
    dtype: Any = None,
    keepdims: bool = False,
    initial: Any = None,
    where: Any = None,
) -> Any:
    """The product, arguments as ``sum_``; derivatives of all orders hold at zeros too."""
    x = _summands("prod", x, dtype, where, 1)
    out = reduce_by(reduce_prod_p, x, reduced_axes("prod", x, axis), keepdims)
    return out if initial is None else mul(out, convert(initial, dtype_of(x)))


def _summands(operation: str, x: Any, dtype: Any, where: Any, identity: int) -> Any:
    x = convert(x, accumulation_dtype(dtype_of(x)) if dtype is None else dtype)
    return only_where(x, where, identity)


def _extremum(
    operation: str, pair: Any, x: Any, axis: Any, keepdims: bool, initial: Any, where: Any
) -> Any:
    primitive, of_two = pair
    axes = reduced_axes(operation, x, axis)
    if initial is None:
        if where is not None and where is not True:
            raise error(
                ArgumentValueError,
                operation,
                "got where= without initial=, wanted a value in case that no element is left",
                "Give initial=, the value that the extremum starts from.",
            )
        return reduce_by(primitive, x, axes, keepdims)
    x = only_where(x, where, initial)
    initial = convert(initial, dtype_of(x))
    shape = shape_of(x)
    if any(shape[d] == 0 for d in axes):
        left = [1 if d in axes else n for d, n in enumerate(shape) if keepdims or d not in axes]
        return broadcast_to(initial, left)
    return of_two(reduce_by(primitive, x, axes, keepdims), initial)


def amax(
    x: Any, axis: Any = None, keepdims: bool = False, initial: Any = None, where: Any = None
) -> Any:
    """The greatest element, arguments as ``sum_``; equal elements share the derivative equally.

    NaN wins over all numbers, and complex numbers compare by their real part first, as in NumPy.
    """
    return _extremum("max", (reduce_max_p, max), x, axis, keepdims, initial, where)


def amin(
    x: Any, axis: Any = None, keepdims: bool = False, initial: Any = None, where: Any = None
) -> Any:
    """The least element, as ``amax``."""
    return _extremum("min", (reduce_min_p, min), x, axis, keepdims, initial, where)


def ptp(x: Any, axis: Any = None, keepdims: bool = False) -> Any:
    """The greatest element less the least one."""
    axes = reduced_axes("ptp", x, axis)
    return sub(amax(x, axes, keepdims), amin(x, axes, keepdims))


def _logical(
    operation: str, primitive: Primitive, x: Any, axis: Any, keepdims: bool, where: Any
) -> Any:
    x = only_where(x, where, operation == "all")
    axes = reduced_axes(operation, x, axis)
    return reduce_by(primitive, x, axes, keepdims) if axes else ne(x, 0)


def any_(x: Any, axis: Any = None, keepdims: bool = False, where: Any = None) -> Any:
    """Whether an element is not 0."""
    return _logical("any", reduce_or_p, x, axis, keepdims, where)


def all_(x: Any, axis: Any = None, keepdims: bool = False, where: Any = None) -> Any:
    """Whether no element is 0."""
    return _logical("all", reduce_and_p, x, axis, keepdims, where)


def count_nonzero(x: Any, axis: Any = None, keepdims: bool = False) -> Any:
    """The number of elements that are not 0."""
    return sum_(ne(x, 0), axis, keepdims=keepdims)


def _place(primitive: Primitive, x: Any, axis: int | None, keepdims: bool) -> Any:
    ndim = len(shape_of(x))
    if axis is None or not ndim:
        flat = ravel(x)
        if axis is not None:
            normalize_axis(primitive.name, axis, 1)
        out = primitive.bind(flat, axis=0)
        return reshape(out, (1,) * ndim) if keepdims else out
    axis = normalize_axis(primitive.name, axis, ndim)
    out = primitive.bind(x, axis=axis)
    return keep(out, x, (axis,)) if keepdims else out


def argmax(x: Any, axis: int | None = None, keepdims: bool = False) -> Any:
    """The place of the greatest element: the first of equal ones, and NaN before all, as NumPy."""
    return _place(argmax_p, x, axis, keepdims)


def argmin(x: Any, axis: int | None = None, keepdims: bool = False) -> Any:
    """The place of the least element: the first of equal ones, and NaN before all, as NumPy."""
    return _place(argmin_p, x, axis, keepdims)


# Moments ---------------------------------------------------------------------------------------


def _moment_dtypes(x: DType, dtype: Any) -> tuple[DType, DType]:
    """The dtype to sum in, and that of the result: float16 sums in float32, as in NumPy."""
    if dtype is not None:
        return np.dtype(dtype), np.dtype(dtype)
    if x.kind in "biu":
        return np.dtype(np.float64), np.dtype(np.float64)
    return (np.dtype(np.float32), x) if x.char == "e" else (x, x)


def _count(x: Any, axes: Axes, where: Any, keepdims: bool) -> Any:
    """How many elements a reduction takes in."""
    if where is None or where is True:
        shape = shape_of(x)
        return math.prod(shape[d] for d in axes)
    return sum_(broadcast_to(where, shape_of(x)), axes, dtype=np.int64, keepdims=keepdims)


def _over(total: Any, count: Any) -> Any:
    """``total / count`` in the dtype of the total, whose real part counts in."""
    if type(count) is int:
        return div(total, count)
    return div(total, convert(count, np.empty(0, dtype_of(total)).real.dtype))


def _mean(x: Any, axes: Axes, where: Any, keepdims: bool) -> Any:
    """The mean in the dtype of ``x``, which is inexact."""
    total = reduce_sum(only_where(x, where, 0), axes)
    total = keep(total, x, axes) if keepdims else total
    return _over(total, _count(x, axes, where, keepdims))


def mean(
    x: Any, axis: Any = None, dtype: Any = None, keepdims: bool = False, where: Any = None
) -> Any:
    """The arithmetic mean, arguments as ``sum_``; of integers in float64."""
    axes = reduced_axes("mean", x, axis)
    inner, result = _moment_dtypes(dtype_of(x), dtype)
    out = _mean(convert(x, inner), axes, where, keepdims)
    return out if dtype_of(out) is result else convert(out, result)


def var(
    x: Any,
    axis: Any = None,
    dtype: Any = None,
    ddof: float = 0,
    keepdims: bool = False,
    where: Any = None,
) -> Any:
    """The mean of the squared absolute distance from the mean, real for complex ``x`` too.

    Args:
      x: the array.
      axis: an axis, a tuple of axes, or None for all.
      dtype: to compute in; float64 for integers by default.
      ddof: the sum is divided by the number of elements less this (NumPy's ``correction``).
      keepdims: leaves the axes in place, at length 1.
      where: a mask that broadcasts to ``x``; only elements where it holds take part.
    """
    axes = reduced_axes("var", x, axis)
    inner, result = _moment_dtypes(dtype_of(x), dtype)
    x = convert(x, inner)
    away = only_where(sub(x, _mean(x, axes, where, keepdims=True)), where, 0)
    squares = real(mul(away, conj(away))) if inner.kind == "c" else square(away)
    left = _degrees_of_freedom(_count(x, axes, where, keepdims), ddof)
    total = reduce_sum(squares, axes)
    total = keep(total, x, axes) if keepdims else total
    return convert(_over(total, left), np.empty(0, result).real.dtype)


def _degrees_of_freedom(count: Any, ddof: float) -> Any:
    if type(count) is int:
        left = count - ddof
        return left if left > 0 else 0
    return max(sub(count, ddof), 0)


#: The square root; its derivative at 0 is 0, the subgradient of least norm of a distance.
root_p = unary(
    "root",
    impl=lambda xp, x: xp.sqrt(x),
    partial=lambda out, _x: div(0.5, select(eq(out, 0), np.inf, out)),
    scalar="sqrt",
    ufunc=np.sqrt,
    flops=4,
)


def std(
    x: Any,
    axis: Any = None,
    dtype: Any = None,
    ddof: float = 0,
    keepdims: bool = False,
    where: Any = None,
) -> Any:
    """The square root of ``var``; where that is 0 the derivative is 0, the least subgradient."""
    inner, result = _moment_dtypes(dtype_of(x), dtype)
    axes = reduced_axes("std", x, axis)
    variance = var(convert(x, inner), axes, None, ddof, keepdims, where)
    return convert(root_p.bind(variance), np.empty(0, result).real.dtype)
