"""Running sums, products and extrema along an axis.

All of them but the sum have one derivative: a linear recurrence ``y[i] = a[i] y[i-1] + b[i]``, a
primitive of its own, linear in ``b``. It divides by nothing, so zeros among factors need no care,
and it is its own transpose, run backwards.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from fxad.core.aval import DType, ShapedArray
from fxad.core.primitive import Primitive
from fxad.core.source import error
from fxad.core.trace import is_linear
from fxad.errors import DtypeError, ShapeError
from fxad.ops.base import add_any, convert, dtype_of, normalize_axis, shape_of
from fxad.ops.elementwise import div, mul, neg, rint, select
from fxad.ops.rules import elementwise, nonlinear
from fxad.ops.shape import batch_along, ravel, shifted


def _cumulative(
    name: str,
    accumulate: Callable[..., Any],
    jvp: Callable[..., Any],
    transpose: Callable[..., Any] | None = None,
    scratch: float = 0.0,
) -> Primitive:
    """A primitive that keeps the shape and runs along ``axis``, from its end in ``reverse``.

    Args:
      name: the primitive's name.
      accumulate: ``accumulate(xp, x, axis)``: the values, from the front.
      jvp: ``jvp(t, out, x, axis, reverse)``, the tangent of the output.
      transpose: ``transpose(ct, axis, reverse)``, where it is linear.
      scratch: as for ``Primitive``.
    """

    def impl(xp: Any, x: Any, *, axis: int, reverse: bool) -> Any:
        if not reverse:
            return accumulate(xp, x, axis)
        return xp.flip(accumulate(xp, xp.flip(x, axis), axis), axis)

    def jvp_rule(
        primals: Sequence[Any], tangents: Sequence[Any], *, axis: int, reverse: bool
    ) -> tuple[Any, Any]:
        out = primitive.bind(primals[0], axis=axis, reverse=reverse)
        return out, jvp(tangents[0], out, primals[0], axis, reverse)

    def transpose_rule(ct: Any, x: Any, *, axis: int, reverse: bool) -> list[Any]:
        return [transpose(ct, axis, reverse)]  # type: ignore[misc]

    def batch(
        size: int, args: Sequence[Any], dims: Sequence[Any], *, axis: int, reverse: bool
    ) -> tuple[Any, int]:
        dim = dims[0]
        return primitive.bind(args[0], axis=axis + (axis >= dim), reverse=reverse), dim

    primitive = Primitive(
        name,
        abstract=lambda x, *, axis, reverse: ShapedArray(x.shape, x.dtype),
        impl=impl,
        jvp=jvp_rule,
        transpose=None if transpose is None else transpose_rule,
        multilinear=transpose is not None,
        batch=batch,
        cost=_cost,
        scratch=scratch,
    )
    return primitive


def _cost(avals: Sequence[ShapedArray], params: dict[str, Any]) -> tuple[float, float]:
    x = avals[0]
    return float(x.size), float((len(avals) + 1) * x.size * x.dtype.itemsize)


# Linear recurrence -----------------------------------------------------------------------------


def _recurrence_abstract(
    a: ShapedArray, b: ShapedArray, *, axis: int, reverse: bool
) -> ShapedArray:
    if a.shape != b.shape or a.dtype != b.dtype:
        raise error(
            ShapeError if a.shape != b.shape else DtypeError,
            "linear_recurrence",
            f"got {a.long_name()} and {b.long_name()}, wanted one shape and dtype",
        )
    return ShapedArray(b.shape, b.dtype)


def _recurrence(xp: Any, a: Any, b: Any) -> Any:
    """``y[i] = a[i] y[i-1] + b[i]`` along the first axis: O(n) work in O(log n) steps.

    Two steps at once are one step of the same kind, so half of the ``y`` follow from a recurrence
    of half the length, and the others from them (Blelloch, Prefix sums and their
    applications, 1990).
    """
    if len(b) < 2:
        return xp.array(b)
    later = a[1::2]
    odd = _recurrence(xp, later * a[:-1:2], later * b[:-1:2] + b[1::2])
    out = xp.empty_like(b)
    out[0], out[1::2] = b[0], odd
    out[2::2] = a[2::2] * odd[: len(out[2::2])] + b[2::2]
    return out


def _recurrence_impl(xp: Any, a: Any, b: Any, *, axis: int, reverse: bool) -> Any:
    a, b = xp.moveaxis(a, axis, 0), xp.moveaxis(b, axis, 0)
    if reverse:
        return xp.moveaxis(_recurrence(xp, a[::-1], b[::-1])[::-1], 0, axis)
    return xp.moveaxis(_recurrence(xp, a, b), 0, axis)


def _recurrence_jvp(
    primals: Sequence[Any], tangents: Sequence[Any], *, axis: int, reverse: bool
) -> tuple[Any, Any]:
    (a, b), (ta, tb) = primals, tangents
    out = linear_recurrence(a, b, axis, reverse)
    if ta is not None:
        tb = add_any(tb, mul(ta, shifted(out, 0, axis, reverse)))
    return out, linear_recurrence(a, tb, axis, reverse)


def _recurrence_transpose(ct: Any, a: Any, b: Any, *, axis: int, reverse: bool) -> list[Any]:
    if is_linear(a):
        raise nonlinear("linear_recurrence")
    back = shifted(a, 0, axis, not reverse)
    return [None, linear_recurrence(back, ct, axis, not reverse)]


def _recurrence_batch(
    size: int, args: Sequence[Any], dims: Sequence[Any], *, axis: int, reverse: bool
) -> tuple[Any, int]:
    args, dim, axis = batch_along(size, args, dims, axis)
    return linear_recurrence_p.bind(*args, axis=axis, reverse=reverse), dim


linear_recurrence_p = Primitive(
    "linear_recurrence",
    abstract=_recurrence_abstract,
    impl=_recurrence_impl,
    jvp=_recurrence_jvp,
    transpose=_recurrence_transpose,
    batch=_recurrence_batch,
    cost=_cost,
    scratch=1.35,
)


def linear_recurrence(a: Any, b: Any, axis: int, reverse: bool = False) -> Any:
    """``y`` with ``y[i] = a[i] y[i-1] + b[i]`` along an axis, from its end in reverse.

    ``y[-1]`` is 0, so the first ``a`` is not read. ``a`` and ``b`` have one shape and dtype.
    """
    return linear_recurrence_p.bind(a, b, axis=axis, reverse=reverse)


# The family ------------------------------------------------------------------------------------

cumsum_p: Primitive = _cumulative(
    "cumsum",
    lambda xp, x, axis: xp.cumsum(x, axis=axis, dtype=x.dtype),
    jvp=lambda t, out, x, axis, reverse: cumsum_p.bind(t, axis=axis, reverse=reverse),
    transpose=lambda ct, axis, reverse: cumsum_p.bind(ct, axis=axis, reverse=not reverse),
)


def _cumprod_jvp(t: Any, out: Any, x: Any, axis: int, reverse: bool) -> Any:
    return linear_recurrence(x, mul(t, shifted(out, 1, axis, reverse)), axis, reverse)


cumprod_p = _cumulative(
    "cumprod", lambda xp, x, axis: xp.cumprod(x, axis=axis, dtype=x.dtype), jvp=_cumprod_jvp
)


def _product_of_others(xp: Any, x: Any, axis: int) -> Any:
    out = xp.ones_like(x)
    x, y = xp.moveaxis(x, axis, -1), xp.moveaxis(out, axis, -1)
    y[..., 1:] = xp.cumprod(x[..., :-1], axis=-1, dtype=x.dtype)
    y[..., :-1] *= xp.cumprod(x[..., :0:-1], axis=-1, dtype=x.dtype)[..., ::-1]
    return out


def _product_of_others_jvp(t: Any, out: Any, x: Any, axis: int, reverse: bool) -> Any:
    """The product rule on the products before and after each element."""
    sides = []
    for back in (False, True):
        factors, tangents = shifted(x, 1, axis, back), shifted(t, 0, axis, back)
        product = cumprod_p.bind(factors, axis=axis, reverse=back)
        sides.append((product, _cumprod_jvp(tangents, product, factors, axis, back)))
    (before, t_before), (after, t_after) = sides
    return add_any(mul(t_before, after), mul(before, t_after))


#: For each element the product of all others along the axis, whatever zeros are among them.
product_of_others_p = _cumulative(
    "product_of_others",
    _product_of_others,
    jvp=_product_of_others_jvp,
    scratch=2.2,
)


#: Whether two numbers are equal, or both NaN.
_same_p = elementwise("same", impl=lambda xp, x, y: (x == y) | ((x != x) & (y != y)), scratch=0.4)


def _extremum_jvp(t: Any, out: Any, x: Any, axis: int, reverse: bool) -> Any:
    """The mean of the tangents of all the elements so far that are the extremum so far."""
    dtype = dtype_of(x)
    goes_on = convert(_same_p.bind(out, shifted(out, 0, axis, reverse)), dtype)
    hit = _same_p.bind(x, out)
    total = linear_recurrence(goes_on, select(hit, t, 0), axis, reverse)
    return div(total, linear_recurrence(goes_on, convert(hit, dtype), axis, reverse))


cummax_p = _cumulative("cummax", lambda xp, x, axis: xp.cummax(x, axis), jvp=_extremum_jvp)
cummin_p = _cumulative("cummin", lambda xp, x, axis: xp.cummin(x, axis), jvp=_extremum_jvp)


def _share_impl(xp: Any, part: Any, whole: Any) -> Any:
    with np.errstate(invalid="ignore"):
        return xp.exp(xp.where(part == whole, part.dtype.type(0), part - whole))


#: ``exp(part - whole)``, and 1 where both are the same infinity.
share_p = elementwise(
    "share",
    impl=_share_impl,
    partials=(lambda out, _part, _whole: out, lambda out, _part, _whole: neg(out)),
    flops=20,
    scratch=1.15,
)


def _cumlogsumexp_jvp(t: Any, out: Any, x: Any, axis: int, reverse: bool) -> Any:
    before = share_p.bind(shifted(out, -np.inf, axis, reverse), out)
    weight = share_p.bind(x, out)
    total = linear_recurrence(before, mul(t, weight), axis, reverse)
    # The weights sum to 1, or to the number of infinities that then share equally.
    return div(total, rint(linear_recurrence(before, weight, axis, reverse)))


cumlogsumexp_p = _cumulative(
    "cumlogsumexp", lambda xp, x, axis: xp.cumlogsumexp(x, axis), jvp=_cumlogsumexp_jvp
)


# Functions -------------------------------------------------------------------------------------


def _run(primitive: Primitive, x: Any, axis: int | None, reverse: bool) -> Any:
    if axis is None or not shape_of(x):
        x = ravel(x)
    axis = normalize_axis(primitive.name, 0 if axis is None else axis, len(shape_of(x)))
    return primitive.bind(x, axis=axis, reverse=bool(reverse))


def accumulation_dtype(dtype: DType) -> DType:
    """The dtype of NumPy's sums and products: small integers and booleans grow to 64 bits."""
    if dtype.kind in "bi" and dtype.itemsize < 8:
        return np.dtype(np.int64)
    return np.dtype(np.uint64) if dtype.kind == "u" else dtype


def cumsum(x: Any, axis: int | None = None, dtype: Any = None, reverse: bool = False) -> Any:
    """Running sums along an axis, or of all elements for None; linear.

    Args:
      x: the array.
      axis: the axis; None flattens first.
      dtype: of the sums; by default that of ``x``, and 64 bits for smaller integers.
      reverse: sums from the end.
    """
    wanted = accumulation_dtype(dtype_of(x)) if dtype is None else dtype
    return _run(cumsum_p, convert(x, wanted), axis, reverse)


def cumprod(x: Any, axis: int | None = None, dtype: Any = None, reverse: bool = False) -> Any:
    """Running products, arguments as ``cumsum``; derivatives of all orders hold at zeros too."""
    wanted = accumulation_dtype(dtype_of(x)) if dtype is None else dtype
    return _run(cumprod_p, convert(x, wanted), axis, reverse)


def cummax(x: Any, axis: int | None = None, reverse: bool = False) -> Any:
    """Running maxima; equal elements share the derivative equally. NaN stays, as in NumPy."""
    return _run(cummax_p, x, axis, reverse)


def cummin(x: Any, axis: int | None = None, reverse: bool = False) -> Any:
    """Running minima; equal elements share the derivative equally. NaN stays, as in NumPy."""
    return _run(cummin_p, x, axis, reverse)


def cumlogsumexp(x: Any, axis: int | None = None, reverse: bool = False) -> Any:
    """Running ``log(sum(exp(x)))``, without overflow; of real numbers."""
    dtype = dtype_of(x)
    if dtype.kind == "c":
        raise error(DtypeError, "cumlogsumexp", f"got {dtype}, wanted real numbers")
    return _run(cumlogsumexp_p, x if dtype.kind == "f" else convert(x, np.float64), axis, reverse)
