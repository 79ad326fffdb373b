"""Order: sort and its permutations, search in what is sorted.

A sort moves elements, so its derivative moves the tangents by the same permutation; equal elements
keep their order there. NaN comes last, as in NumPy, and complex numbers compare by their real part
first.
"""

from __future__ import annotations

import math
import operator
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from fxad.backends import device_get
from fxad.core.aval import ShapedArray, aval_of
from fxad.core.primitive import Primitive
from fxad.core.source import error
from fxad.core.trace import Tracer
from fxad.errors import ArgumentValueError, ShapeError
from fxad.ops.base import (
    broadcast_to,
    convert,
    dtype_of,
    normalize_axis,
    reshape,
    shape_of,
    to_front,
)
from fxad.ops.creation import iota
from fxad.ops.cumulative import cumsum
from fxad.ops.elementwise import sub
from fxad.ops.indexing import along_spec, gather_p, getitem, take
from fxad.ops.shape import batch_along, flip, ravel, slice_in_dim

_INDEX = np.dtype(np.int64)


def _cost(avals: Sequence[ShapedArray], params: dict[str, Any]) -> tuple[float, float]:
    x = avals[0]
    length = x.shape[params["axis"]]
    moved = sum(a.size * a.dtype.itemsize for a in avals)
    return len(avals) * x.size * max(1.0, math.log2(max(length, 1))), 2.0 * moved


# Sort and partition ----------------------------------------------------------------------------


def permuted(x: Any, order: Any, axis: int) -> Any:
    """``x`` in another order along an axis: ``order`` holds each place there at most once."""
    spec = along_spec("sort", x, order, axis)
    return gather_p.bind(x, order, spec=spec, fill_value=None, unique=True)


def _ordering(name: str, impl: Callable[..., Any], dtype: Any, jvp: Any = None) -> Primitive:
    """A primitive that keeps the shape: ``impl(xp, x, axis=, **params)`` works along an axis."""

    def batch(
        size: int, args: Sequence[Any], dims: Sequence[Any], *, axis: int, **params: Any
    ) -> Any:
        dim = dims[0]
        return primitive.bind(args[0], axis=axis + (axis >= dim), **params), dim

    primitive = Primitive(
        name,
        abstract=lambda x, **params: ShapedArray(x.shape, x.dtype if dtype is None else dtype),
        impl=impl,
        jvp=jvp,
        batch=batch,
        cost=_cost,
    )
    return primitive


def _by_order(order_of: Callable[..., Any]) -> Callable[..., Any]:
    """The derivative of a sort: values and tangents moved as the primitive for places says."""

    def jvp(
        primals: Sequence[Any], tangents: Sequence[Any], *, axis: int, **params: Any
    ) -> tuple[Any, Any]:
        order = order_of(primals[0], axis=axis, **params)
        return permuted(primals[0], order, axis), permuted(tangents[0], order, axis)

    return jvp


def _kind(stable: bool) -> str | None:
    return "stable" if stable else None


argsort_p = _ordering(
    "argsort",
    lambda xp, x, *, axis, stable: xp.argsort(x, axis=axis, kind=_kind(stable)),
    _INDEX,
)
sort_p = _ordering(
    "sort",
    lambda xp, x, *, axis, stable: xp.sort(x, axis=axis, kind=_kind(stable)),
    None,
    _by_order(lambda x, *, axis, stable: argsort_p.bind(x, axis=axis, stable=True)),
)
argpartition_p = _ordering(
    "argpartition", lambda xp, x, *, axis, kth: xp.argpartition(x, kth, axis=axis), _INDEX
)
partition_p = _ordering(
    "partition",
    lambda xp, x, *, axis, kth: xp.partition(x, kth, axis=axis),
    None,
    _by_order(argpartition_p.bind),
)


def _flattened(operation: str, x: Any, axis: int | None) -> tuple[Any, int]:
    """The operand, flattened for an axis of None, and the axis."""
    if axis is None:
        return ravel(x), 0
    return x, normalize_axis(operation, axis, len(shape_of(x)))


def sort(x: Any, axis: int | None = -1, stable: bool = False) -> Any:
    """The elements in ascending order along an axis; of all of them for None."""
    x, axis = _flattened("sort", x, axis)
    return sort_p.bind(x, axis=axis, stable=stable)


def argsort(x: Any, axis: int | None = -1, stable: bool = False) -> Any:
    """The places that ``sort`` takes its elements from; equal ones in their order if stable."""
    x, axis = _flattened("argsort", x, axis)
    return argsort_p.bind(x, axis=axis, stable=stable)


def _places(operation: str, kth: Any, length: int) -> tuple[int, ...]:
    listed = [operator.index(k) for k in (kth if np.ndim(kth) else [kth])]
    if any(not -length <= k < length for k in listed):
        raise error(
            ArgumentValueError,
            operation,
            f"got kth={kth} for an axis of length {length}, wanted places on it",
        )
    return tuple(sorted({k % length for k in listed}))


def partition(x: Any, kth: Any, axis: int | None = -1) -> Any:
    """The elements with the ``kth`` where a sort puts it, less before and more after it."""
    x, axis = _flattened("partition", x, axis)
    return partition_p.bind(x, axis=axis, kth=_places("partition", kth, shape_of(x)[axis]))


def argpartition(x: Any, kth: Any, axis: int | None = -1) -> Any:
    """The places that ``partition`` takes its elements from."""
    x, axis = _flattened("argpartition", x, axis)
    return argpartition_p.bind(x, axis=axis, kth=_places("argpartition", kth, shape_of(x)[axis]))


# Several keys ----------------------------------------------------------------------------------


def _lexsort_abstract(*keys: ShapedArray, axis: int) -> ShapedArray:
    if any(key.shape != keys[0].shape for key in keys):
        raise error(
            ShapeError,
            "lexsort",
            f"got keys of shapes {' and '.join(str(k.shape) for k in keys)}, wanted one shape",
        )
    return ShapedArray(keys[0].shape, _INDEX)


def _lexsort_batch(
    size: int, args: Sequence[Any], dims: Sequence[int | None], *, axis: int
) -> tuple[Any, int]:
    args, dim, axis = batch_along(size, args, dims, axis)
    return lexsort_p.bind(*args, axis=axis), dim


lexsort_p = Primitive(
    "lexsort",
    abstract=_lexsort_abstract,
    impl=lambda xp, *keys, axis: xp.lexsort(keys, axis=axis),
    jvp=None,
    batch=_lexsort_batch,
    cost=_cost,
)


def lexsort(keys: Any, axis: int = -1) -> Any:
    """The places in the order of several keys, the last of them first; stable.

    Args:
      keys: arrays of one shape, in a sequence or along the first axis of an array.
      axis: the axis to sort along.
    """
    if not isinstance(keys, tuple | list):
        keys = [getitem(keys, i) for i in range(shape_of(keys)[0])]
    if not keys:
        raise error(ArgumentValueError, "lexsort", "got no keys, wanted at least one")
    ndim = len(shape_of(keys[0]))
    if not ndim and axis in (0, -1):  # one number under each key, as NumPy has it
        return reshape(lexsort_p.bind(*(reshape(key, (1,)) for key in keys), axis=0), ())
    return lexsort_p.bind(*keys, axis=normalize_axis("lexsort", axis, ndim))


def sort_together(operands: Sequence[Any], axis: int = -1, num_keys: int = 1) -> list[Any]:
    """Several arrays in the ascending order of the first ``num_keys`` of them; stable.

    Args:
      operands: arrays of one shape.
      axis: the axis to sort along.
      num_keys: how many of them are keys, the first one first.
    """
    operands = list(operands)
    if not 1 <= num_keys <= len(operands):
        raise error(
            ArgumentValueError,
            "sort",
            f"got num_keys={num_keys} for {len(operands)} operands, wanted 1 to as many",
        )
    shapes = [shape_of(x) for x in operands]
    if len(set(shapes)) > 1:
        listed = " and ".join(map(str, shapes))
        raise error(ShapeError, "sort", f"got operands of shapes {listed}, wanted one shape")
    axis = normalize_axis("sort", axis, len(shapes[0]))
    if num_keys == 1:
        order = argsort_p.bind(operands[0], axis=axis, stable=True)
    else:
        order = lexsort_p.bind(*operands[:num_keys][::-1], axis=axis)
    return [permuted(x, order, axis) for x in operands]


def top_k(x: Any, k: int, axis: int = -1) -> tuple[Any, Any]:
    """The ``k`` greatest elements, the greatest first, and their places.

    NaN counts as the greatest; of equal elements the first comes first.
    """
    shape = shape_of(x)
    axis = normalize_axis("top_k", axis, len(shape))
    n = shape[axis]
    if not 0 <= k <= n:
        raise error(ArgumentValueError, "top_k", f"got k={k} for an axis of length {n}")
    # Backwards twice: a stable sort leaves equal elements in their own order.
    order = sub(n - 1, argsort_p.bind(flip(x, axis), axis=axis, stable=True))
    order = slice_in_dim(flip(order, axis), 0, k, axis)
    return permuted(x, order, axis), order


# Search ----------------------------------------------------------------------------------------


def _before(xp: Any, x: Any, y: Any) -> Any:
    """Whether a sort puts ``x`` before ``y``: NaN is the greatest."""
    return (x < y) | (xp.isnan(y) & ~xp.isnan(x)) if x.dtype.kind == "f" else x < y


def _search_rows(xp: Any, a: Any, v: Any, side: str) -> Any:
    """Binary search for each row of ``v`` (..., m) in the same row of ``a`` (..., n)."""
    n = a.shape[-1]
    low, high = xp.zeros(v.shape, _INDEX), xp.full(v.shape, n, _INDEX)
    for _ in range(n.bit_length()):
        middle = (low + high) // 2
        found = xp.take_along_axis(a, xp.minimum(middle, n - 1), axis=-1)
        right = _before(xp, found, v) if side == "left" else ~_before(xp, v, found)
        right &= low < high
        low, high = xp.where(right, middle + 1, low), xp.where(right, high, middle)
    return low


def _searchsorted_impl(xp: Any, a: Any, v: Any, *, side: str) -> Any:
    if a.ndim == 1:
        return xp.searchsorted(a, v, side=side)
    v_rows = xp.reshape(v, (*a.shape[:-1], math.prod(v.shape[a.ndim - 1 :])))
    if a.dtype.kind != "c":
        return _search_rows(xp, a, v_rows, side).reshape(v.shape)
    # Complex numbers have their own order, in which NaN may be a part alone.
    out = xp.empty(v_rows.shape, _INDEX)
    for row in np.ndindex(a.shape[:-1]):
        out[row] = xp.searchsorted(a[row], v_rows[row], side=side)
    return out.reshape(v.shape)


def _searchsorted_abstract(a: ShapedArray, v: ShapedArray, *, side: str) -> ShapedArray:
    if not a.ndim or v.shape[: a.ndim - 1] != a.shape[:-1]:
        raise error(
            ShapeError,
            "searchsorted",
            f"got {a.shape} to search {v.shape} in, wanted (*batch, n) and (*batch, ...)",
        )
    return ShapedArray(v.shape, _INDEX)


def _searchsorted_batch(
    size: int, args: Sequence[Any], dims: Sequence[int | None], *, side: str
) -> tuple[Any, int | None]:
    (a, v), (a_dim, v_dim) = args, dims
    if a_dim is None and len(shape_of(a)) == 1:
        return searchsorted_p.bind(a, v, side=side), v_dim
    a, v = to_front(a, a_dim, size), to_front(v, v_dim, size)
    return searchsorted_p.bind(a, v, side=side), 0


def _searchsorted_cost(avals: Sequence[ShapedArray], params: dict[str, Any]) -> tuple[float, float]:
    a, v = avals
    steps = a.shape[-1].bit_length()
    return float(v.size * steps), float(v.size * (steps + 1) * v.dtype.itemsize + 8 * v.size)


#: ``a`` is (*batch, n), sorted along its last axis, and ``v`` is (*batch, ...).
searchsorted_p = Primitive(
    "searchsorted",
    abstract=_searchsorted_abstract,
    impl=_searchsorted_impl,
    jvp=None,
    batch=_searchsorted_batch,
    cost=_searchsorted_cost,
)


def searchsorted(a: Any, v: Any, side: str = "left", sorter: Any = None) -> Any:
    """The places where ``v`` goes into a sorted array so that it stays sorted.

    Args:
      a: one dimension, ascending (or so in the order of ``sorter``).
      v: values in any shape.
      side: before ("left") or after ("right") the elements that equal the value.
      sorter: places in ``a``, in ascending order of its elements.
    """
    if side not in ("left", "right"):
        raise error(
            ArgumentValueError, "searchsorted", f"got side={side!r}, wanted 'left' or 'right'"
        )
    if len(shape_of(a)) != 1:
        raise error(
            ShapeError, "searchsorted", f"got {shape_of(a)} to search in, wanted one dimension"
        )
    a = a if sorter is None else take(a, sorter, 0)
    dtype = np.result_type(dtype_of(a), dtype_of(v))
    return searchsorted_p.bind(convert(a, dtype), convert(v, dtype), side=side)


# Repetition by counts --------------------------------------------------------------------------


def repeat_each(
    x: Any, repeats: Any, axis: int | None = None, total_repeat_length: int | None = None
) -> Any:
    """Each element along an axis as often in a row as ``repeats`` says for its place.

    Args:
      x: the array; flattened for an axis of None.
      repeats: integers, one for each place along the axis, or one for all.
      axis: the axis.
      total_repeat_length: the length of the result, which a traced ``repeats`` needs; elements
        beyond it are left out, and where there are fewer the last one is repeated.
    """
    x, axis = _flattened("repeat", x, axis)
    n = shape_of(x)[axis]
    known = repeats.concrete() if isinstance(repeats, Tracer) else repeats
    if known is not None and total_repeat_length is None:
        counts = np.broadcast_to(device_get(known), (n,))
        if counts.min(initial=0) < 0:
            raise error(
                ArgumentValueError, "repeat", "got a negative count, wanted counts from 0 on"
            )
        return take(x, np.repeat(np.arange(n), counts), axis)
    if total_repeat_length is None:
        raise error(
            ArgumentValueError,
            "repeat",
            f"got traced repeats {aval_of(repeats).long_name()}, which leave the shape of the "
            "result open",
            "Give total_repeat_length=, the length of the result.",
        )
    repeats = broadcast_to(repeats, (n,))
    places = searchsorted(cumsum(repeats), iota(_INDEX, total_repeat_length), side="right")
    return take(x, places, axis, mode="clip")
