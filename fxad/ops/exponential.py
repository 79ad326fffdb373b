"""Sums of exponentials and what they normalise, without overflow."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from fxad.core.aval import ShapedArray
from fxad.core.primitive import Primitive
from fxad.ops.base import convert, dtype_of, elements, ones_like, reduce_sum, shift_axes
from fxad.ops.elementwise import mul, sub
from fxad.ops.reduction import (
    Axes,
    keep,
    only_where,
    reduce_by,
    reduced_axes,
    reduction,
    without,
)


def _logsumexp_impl(xp: Any, x: Any, axes: Axes) -> Any:
    if not x.size:
        return xp.full(without(x.shape, axes), -np.inf, x.dtype)
    top = xp.max(x.real, axis=axes, keepdims=True)
    top = xp.where(xp.isfinite(top), top, top.dtype.type(0))
    scaled = x - top
    # The sum is infinite or 0 where the answer is an infinity.
    with np.errstate(over="ignore", divide="ignore"):
        xp.exp(scaled, out=scaled)
        out = xp.log(xp.sum(scaled, axis=axes, dtype=x.dtype))
    return out + top.reshape(out.shape)


def _softmax_impl(xp: Any, x: Any, *, axes: Axes) -> Any:
    if not x.size:
        return xp.array(x)
    top = xp.max(x.real, axis=axes, keepdims=True)
    with np.errstate(invalid="ignore"):
        scaled = x - top
    if x.dtype.kind == "f":
        # An infinity less itself counts as 0, so that equal infinities share equally.
        xp.fmin(scaled, scaled.dtype.type(0), out=scaled)
    xp.exp(scaled, out=scaled)
    total = xp.sum(scaled, axis=axes, dtype=x.dtype, keepdims=True)
    scaled /= xp.where(xp.isnan(top), top, total)
    return scaled


def _softmax_jvp(primals: Sequence[Any], tangents: Sequence[Any], *, axes: Axes) -> Any:
    out = softmax_p.bind(primals[0], axes=axes)
    part = mul(tangents[0], out)
    return out, sub(part, mul(out, keep(reduce_sum(part, axes), out, axes)))


def _softmax_batch(size: int, args: Sequence[Any], dims: Sequence[Any], *, axes: Axes) -> Any:
    return softmax_p.bind(args[0], axes=shift_axes(axes, dims[0])), dims[0]


softmax_p = Primitive(
    "softmax",
    abstract=lambda x, *, axes: ShapedArray(x.shape, x.dtype),
    impl=_softmax_impl,
    jvp=_softmax_jvp,
    batch=_softmax_batch,
    cost=lambda avals, params: (20.0 * avals[0].size, elements(avals, params)[1]),
)
logsumexp_p = reduction(
    "logsumexp",
    _logsumexp_impl,
    lambda t, out, x, axes: reduce_sum(mul(t, softmax_p.bind(x, axes=axes)), axes),
    flops=20.0,
    scratch=1.1,
)


def _inexact(x: Any) -> Any:
    return x if dtype_of(x).kind in "fc" else convert(x, np.float64)


def logsumexp(x: Any, axis: Any = None, keepdims: bool = False, where: Any = None) -> Any:
    """``log(sum(exp(x)))`` without overflow; -inf of no elements, or of only -inf.

    Its derivative is ``softmax``, where equal infinities share equally.
    """
    x = only_where(_inexact(x), where, -np.inf)
    return reduce_by(logsumexp_p, x, reduced_axes("logsumexp", x, axis), keepdims)


def softmax(x: Any, axis: Any = -1, where: Any = None) -> Any:
    """``exp(x) / sum(exp(x))`` without overflow; equal infinities share equally."""
    x = only_where(_inexact(x), where, -np.inf)
    axes = reduced_axes("softmax", x, axis)
    return softmax_p.bind(x, axes=axes) if axes else ones_like(x)


def log_softmax(x: Any, axis: Any = -1, where: Any = None) -> Any:
    """``x - logsumexp(x)``."""
    x = only_where(_inexact(x), where, -np.inf)
    return sub(x, logsumexp(x, axis, keepdims=True))
