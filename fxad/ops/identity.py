"""The same bits: copies, other readings of them, names, and barriers that keep values apart."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from fxad.core.aval import DType, Shape, ShapedArray
from fxad.core.primitive import Primitive
from fxad.core.source import error
from fxad.errors import ShapeError
from fxad.ops.base import convert, dtype_of, elements, linear, to_front
from fxad.ops.rules import unary

copy_p: Primitive = linear(
    "copy",
    abstract=lambda x: ShapedArray(x.shape, x.dtype),
    impl=lambda xp, x: xp.array(x),
    transpose=lambda ct, x: ct,
    batch=lambda size, args, dims: (copy_p.bind(args[0]), dims[0]),
)


def copy(x: Any) -> Any:
    """The same values in memory of their own."""
    return copy_p.bind(x)


def _bitcast_shape(x: Any, dtype: DType) -> Shape:
    """As ``lax``: narrower elements become a trailing axis, wider ones take one up."""
    old, new = x.dtype.itemsize, dtype.itemsize
    if old == new:
        return tuple(x.shape)
    if old > new:
        return (*x.shape, old // new)
    if not x.shape or x.shape[-1] * old != new:
        raise error(
            ShapeError,
            "bitcast_convert_type",
            f"got {x.dtype}{list(x.shape)} for {dtype}, wanted a last axis of {new // old}",
        )
    return tuple(x.shape[:-1])


def _bitcast_impl(xp: Any, x: Any, *, dtype: DType) -> Any:
    shape = _bitcast_shape(x, dtype)
    return xp.ascontiguousarray(x).reshape(-1).view(dtype).reshape(shape)


bitcast_convert_type_p: Primitive = Primitive(
    "bitcast_convert_type",
    abstract=lambda x, *, dtype: ShapedArray(_bitcast_shape(x, dtype), dtype),
    impl=_bitcast_impl,
    jvp=None,
    batch=lambda size, args, dims, *, dtype: (
        bitcast_convert_type_p.bind(to_front(args[0], dims[0], size), dtype=dtype),
        0,
    ),
    cost=elements,
)


def bitcast_convert_type(x: Any, dtype: Any) -> Any:
    """The bits of ``x`` read as another dtype; no derivative."""
    return bitcast_convert_type_p.bind(x, dtype=np.dtype(dtype))


name_p: Primitive = unary(
    "name",
    impl=lambda xp, x, *, name: x,
    partial=1,  # tangents have no name
    transpose=lambda ct, x, *, name: ct,
    keeps_weak=True,
    scalar="identity",
)


def _barrier(operands: Sequence[Any]) -> list[Any]:
    """The barrier around those operands that are there."""
    some = optimization_barrier_p.bind(*(x for x in operands if x is not None))
    rest = iter(some)
    return [None if x is None else next(rest) for x in operands]


optimization_barrier_p: Primitive = Primitive(
    "optimization_barrier",
    abstract=lambda *avals: list(avals),
    impl=lambda xp, *xs: list(xs),
    jvp=lambda primals, tangents: (optimization_barrier_p.bind(*primals), _barrier(tangents)),
    transpose=lambda cts, *args: _barrier(cts),
    batch=lambda size, args, dims: (optimization_barrier_p.bind(*args), list(dims)),
    cost=elements,
    multiple_results=True,
    view=True,
)


def optimization_barrier(operands: Sequence[Any]) -> list[Any]:
    """The same values, which no pass merges with others or moves computations across."""
    strong = [convert(x, dtype_of(x)) for x in operands]
    out: list[Any] = optimization_barrier_p.bind(*strong) if strong else []
    return out
