"""What moves elements and computes nothing: join, split, slice, pad, flip.

``pad`` and ``slice``, ``concatenate`` and ``split`` are each other's transposes.
"""

from __future__ import annotations

import math
import operator
from collections.abc import Sequence
from typing import Any

import numpy as np

from fxad.core.aval import Shape, ShapedArray, aval_of, broadcast_shapes, promote
from fxad.core.primitive import Primitive
from fxad.core.source import error
from fxad.core.trace import is_linear
from fxad.errors import ArgumentValueError, DtypeError, ShapeError
from fxad.ops.base import (
    broadcast_in_dim,
    broadcast_to,
    convert,
    dtype_of,
    elements,
    linear,
    normalize_axes,
    normalize_axis,
    reduce_sum,
    reshape,
    shape_of,
    shift_axes,
    to_front,
)
from fxad.ops.elementwise import select

#: For each axis the elements added before, after and between (negative: taken away).
Padding = tuple[tuple[int, int, int], ...]


def batch_along(
    size: int, args: Sequence[Any], dims: Sequence[int | None], axis: int
) -> tuple[list[Any], int, int]:
    """Operands with one common batch axis, that axis, and ``axis`` counted beside it."""
    if len(set(dims)) == 1 and dims[0] is not None:
        return list(args), dims[0], axis + (axis >= dims[0])
    return [to_front(x, d, size) for x, d in zip(args, dims, strict=True)], 0, axis + 1


# Slice -----------------------------------------------------------------------------------------


def _slice_abstract(x: ShapedArray, *, start: Shape, limit: Shape, strides: Shape) -> ShapedArray:
    fits = len(start) == len(limit) == len(strides) == x.ndim and all(
        0 <= a <= b <= n and k > 0
        for a, b, k, n in zip(start, limit, strides, x.shape, strict=True)
    )
    if not fits:
        raise error(
            ArgumentValueError,
            "slice",
            f"got start {start}, limit {limit} and strides {strides} for {x.shape}, "
            "wanted 0 <= start <= limit <= length and a positive stride for each axis",
        )
    shape = tuple(-((a - b) // k) for a, b, k in zip(start, limit, strides, strict=True))
    return ShapedArray(shape, x.dtype)


def _slice_transpose(ct: Any, x: Any, *, start: Shape, limit: Shape, strides: Shape) -> Any:
    padding = []
    for n, m, a, k in zip(x.aval.shape, shape_of(ct), start, strides, strict=True):
        covered = (m - 1) * k + 1 if m else 0
        padding.append((a, n - a - covered, k - 1))
    return pad(ct, 0, padding)


def _slice_batch(
    size: int,
    args: Sequence[Any],
    dims: Sequence[Any],
    *,
    start: Shape,
    limit: Shape,
    strides: Shape,
) -> tuple[Any, int]:
    d = dims[0]
    return slice_p.bind(
        args[0],
        start=(*start[:d], 0, *start[d:]),
        limit=(*limit[:d], size, *limit[d:]),
        strides=(*strides[:d], 1, *strides[d:]),
    ), d


slice_p = linear(
    "slice",
    abstract=_slice_abstract,
    impl=lambda xp, x, *, start, limit, strides: x[tuple(map(slice, start, limit, strides))],
    transpose=_slice_transpose,
    batch=_slice_batch,
    view=True,
)


def slice_(
    x: Any, start: Sequence[int], limit: Sequence[int], strides: Sequence[int] | None = None
) -> Any:
    """``x[start:limit:strides]`` along every axis; the bounds lie within the array."""
    bounds = {
        "start": tuple(start),
        "limit": tuple(limit),
        "strides": (1,) * len(start) if strides is None else tuple(strides),
    }
    _slice_abstract(aval_of(x), **bounds)  # the array library itself would clip
    return slice_p.bind(x, **bounds)


def slice_in_dim(x: Any, start: int, limit: int, axis: int, stride: int = 1) -> Any:
    """``x[start:limit:stride]`` along one axis, whole along the others."""
    shape = shape_of(x)
    starts, limits, strides = [0] * len(shape), list(shape), [1] * len(shape)
    starts[axis], limits[axis], strides[axis] = start, limit, stride
    return slice_(x, starts, limits, strides)


# Pad -------------------------------------------------------------------------------------------


def _padded(shape: Shape, padding: Padding) -> Shape:
    return tuple(
        lo + hi + n + max(n - 1, 0) * between
        for n, (lo, hi, between) in zip(shape, padding, strict=True)
    )


def _pad_abstract(x: ShapedArray, value: ShapedArray, *, padding: Padding) -> ShapedArray:
    if len(padding) != x.ndim or any(between < 0 for _, _, between in padding):
        raise error(
            ArgumentValueError,
            "pad",
            f"got the padding {padding} for {x.shape}, wanted (before, after, between) for each "
            "axis, the last of them not negative",
        )
    if value.shape or value.dtype != x.dtype:
        raise error(
            ShapeError if value.shape else DtypeError,
            "pad",
            f"got {value.long_name()} to pad {x.long_name()} with, wanted one number of its dtype",
        )
    shape = _padded(x.shape, padding)
    if any(n < 0 for n in shape):
        raise error(
            ShapeError, "pad", f"got {x.shape} and the padding {padding}, which leaves {shape}"
        )
    return ShapedArray(shape, x.dtype)


def _pad_impl(xp: Any, x: Any, value: Any, *, padding: Padding) -> Any:
    shape = _padded(x.shape, padding)
    if isinstance(value, np.generic) and not any(value.tobytes()):  # not for -0.0
        out = xp.zeros(shape, x.dtype)
    else:
        out = xp.empty(shape, x.dtype)
        out[...] = value
    source, target = [], []
    for n, m, (lo, _, between) in zip(x.shape, shape, padding, strict=True):
        step = between + 1
        first = max(0, -(lo // step))
        last = max(first, min(n, -((lo - m) // step)))
        source.append(slice(first, last))
        target.append(slice(lo + first * step, max(lo + (last - 1) * step + 1, 0), step))
        if first == last:
            return out
    out[tuple(target)] = x[tuple(source)]
    return out


def _pad_jvp(primals: Sequence[Any], tangents: Sequence[Any], *, padding: Padding) -> Any:
    (x, value), (tx, tv) = primals, tangents
    out = pad_p.bind(x, value, padding=padding)
    if tx is not None:
        return out, pad_p.bind(tx, _zero(x) if tv is None else tv, padding=padding)
    return out, select(_padding_mask(shape_of(x), padding), tv, 0)


def _zero(x: Any) -> Any:
    return dtype_of(x).type(0)


def _padding_mask(shape: Shape, padding: Padding) -> Any:
    """True where padding writes its value."""
    return pad_p.bind(np.zeros(shape, np.bool_), np.True_, padding=padding)


def _pad_transpose(ct: Any, x: Any, value: Any, *, padding: Padding) -> list[Any]:
    ct_x = ct_value = None
    if is_linear(x):
        cropped = pad(ct, 0, [(-lo, -hi, 0) for lo, hi, _ in padding])
        steps = [between + 1 for _, _, between in padding]
        shape = shape_of(cropped)
        ct_x = (
            cropped
            if max(steps, default=1) == 1
            else slice_(cropped, [0] * len(shape), shape, steps)
        )
    if is_linear(value):
        mask = _padding_mask(x.aval.shape if is_linear(x) else shape_of(x), padding)
        ct_value = reduce_sum(select(mask, ct, 0), range(len(padding)))
    return [ct_x, ct_value]


def _pad_batch(
    size: int, args: Sequence[Any], dims: Sequence[int | None], *, padding: Padding
) -> tuple[Any, int]:
    x, value = args
    dim, value_dim = dims
    if value_dim is None and dim is not None:
        padding = (*padding[:dim], (0, 0, 0), *padding[dim:])
        return pad_p.bind(x, value, padding=padding), dim
    mask = _padding_mask(shape_of(x) if dim is None else _without(shape_of(x), dim), padding)
    if dim is None:
        inner = pad(x, 0, padding)
    else:
        inner = pad(to_front(x, dim, size), 0, ((0, 0, 0), *padding))
    return select(mask, reshape(value, (size, *(1,) * len(padding))), inner), 0


def _without(shape: Shape, dim: int) -> Shape:
    return shape[:dim] + shape[dim + 1 :]


pad_p = Primitive(
    "pad",
    abstract=_pad_abstract,
    impl=_pad_impl,
    jvp=_pad_jvp,
    transpose=_pad_transpose,
    batch=_pad_batch,
    cost=elements,
)


def pad(x: Any, value: Any, padding: Sequence[tuple[int, int, int]]) -> Any:
    """``x`` with a number before, after and between its elements; negative counts take away.

    Args:
      x: the array.
      value: one number, cast to the dtype of ``x``.
      padding: ``(before, after, between)`` for each axis.
    """
    padding = tuple(padding)
    if not any(map(any, padding)):
        return x
    dtype = dtype_of(x)
    value = dtype.type(value) if type(value) is int else convert(value, dtype)
    return pad_p.bind(x, value, padding=padding)


def shifted(x: Any, fill: Any, axis: int, reverse: bool = False) -> Any:
    """``x`` moved on by one along an axis (back in reverse), with ``fill`` at the free end."""
    padding = [(0, 0, 0)] * len(shape_of(x))
    padding[axis] = (-1, 1, 0) if reverse else (1, -1, 0)
    return pad(x, fill, padding)


# Concatenate and split -------------------------------------------------------------------------


def _concatenate_abstract(*avals: ShapedArray, axis: int) -> ShapedArray:
    first = avals[0]
    for a in avals[1:]:
        if _without(a.shape, axis) != _without(first.shape, axis) or a.ndim != first.ndim:
            raise error(
                ShapeError,
                "concatenate",
                f"got shapes {' and '.join(str(a.shape) for a in avals)} along axis {axis}: "
                "all other lengths must be equal",
            )
        if a.dtype != first.dtype:
            raise error(
                DtypeError, "concatenate", f"got {first} and {a}, wanted operands of one dtype"
            )
    length = sum(a.shape[axis] for a in avals)
    return ShapedArray((*first.shape[:axis], length, *first.shape[axis + 1 :]), first.dtype)


def _join(pieces: Sequence[Any], lengths: Sequence[int], axis: int) -> Any:
    """Pieces of tangents side by side; those that are None become padding of a neighbour."""
    merged: list[list[Any]] = []
    before = 0
    for piece, n in zip(pieces, lengths, strict=True):
        if piece is not None:
            merged.append([piece, before, 0])
            before = 0
        elif merged:
            merged[-1][2] += n
        else:
            before += n
    padding = [(0, 0, 0)] * len(shape_of(merged[0][0]))
    grown = []
    for piece, lo, hi in merged:
        padding[axis] = (lo, hi, 0)
        grown.append(pad(piece, 0, padding))
    return grown[0] if len(grown) == 1 else concatenate_p.bind(*grown, axis=axis)


def _concatenate_jvp(primals: Sequence[Any], tangents: Sequence[Any], *, axis: int) -> Any:
    lengths = [shape_of(x)[axis] for x in primals]
    return concatenate_p.bind(*primals, axis=axis), _join(tangents, lengths, axis)


def _concatenate_transpose(ct: Any, *args: Any, axis: int) -> list[Any]:
    shapes = [x.aval.shape if is_linear(x) else shape_of(x) for x in args]
    parts = split_p.bind(ct, sizes=tuple(shape[axis] for shape in shapes), axis=axis)
    return [part if is_linear(x) else None for part, x in zip(parts, args, strict=True)]


def _concatenate_batch(
    size: int, args: Sequence[Any], dims: Sequence[int | None], *, axis: int
) -> tuple[Any, int]:
    args, dim, axis = batch_along(size, args, dims, axis)
    return concatenate_p.bind(*args, axis=axis), dim


concatenate_p = Primitive(
    "concatenate",
    abstract=_concatenate_abstract,
    impl=lambda xp, *xs, axis: xp.concatenate(xs, axis=axis),
    jvp=_concatenate_jvp,
    transpose=_concatenate_transpose,
    batch=_concatenate_batch,
    cost=elements,
)


def _common(operation: str, arrays: Sequence[Any], dtype: Any) -> list[Any]:
    """The operands in one dtype: the given one, or what NumPy promotes them to."""
    arrays = list(arrays)
    if not arrays:
        raise error(ArgumentValueError, operation, "got no array, wanted at least one")
    common = promote(map(aval_of, arrays))[0] if dtype is None else np.dtype(dtype)
    return [convert(x, common) for x in arrays]


def concatenate(arrays: Sequence[Any], axis: int | None = 0, dtype: Any = None) -> Any:
    """Arrays joined along an axis that they have; flattened first for ``axis=None``."""
    arrays = _common("concatenate", arrays, dtype)
    if axis is None:
        arrays, axis = [ravel(x) for x in arrays], 0
    ndim = len(shape_of(arrays[0]))
    if not ndim:
        raise error(
            ShapeError,
            "concatenate",
            "got arrays without dimensions, wanted at least one",
            "Use stack, which adds an axis.",
        )
    axis = normalize_axis("concatenate", axis, ndim)
    return arrays[0] if len(arrays) == 1 else concatenate_p.bind(*arrays, axis=axis)


def stack(arrays: Sequence[Any], axis: int = 0, dtype: Any = None) -> Any:
    """Arrays of one shape joined along a new axis."""
    arrays = _common("stack", arrays, dtype)
    shape = shape_of(arrays[0])
    if any(shape_of(x) != shape for x in arrays):
        listed = " and ".join(str(shape_of(x)) for x in arrays)
        raise error(ShapeError, "stack", f"got shapes {listed}, wanted arrays of one shape")
    axis = normalize_axis("stack", axis, len(shape) + 1)
    grown = (*shape[:axis], 1, *shape[axis:])
    arrays = [reshape(x, grown) for x in arrays]
    return arrays[0] if len(arrays) == 1 else concatenate_p.bind(*arrays, axis=axis)


def _split_abstract(x: ShapedArray, *, sizes: Shape, axis: int) -> list[ShapedArray]:
    if sum(sizes) != x.shape[axis] or min(sizes, default=0) < 0:
        raise error(
            ShapeError,
            "split",
            f"got the sizes {sizes} for axis {axis} of {x.shape}, wanted sizes that add up to "
            f"{x.shape[axis]}",
        )
    before, after = x.shape[:axis], x.shape[axis + 1 :]
    return [ShapedArray((*before, n, *after), x.dtype) for n in sizes]


def _split_impl(xp: Any, x: Any, *, sizes: Shape, axis: int) -> list[Any]:
    whole = (slice(None),) * axis
    out, start = [], 0
    for n in sizes:
        out.append(x[(*whole, slice(start, start + n))])
        start += n
    return out


def _split_jvp(primals: Sequence[Any], tangents: Sequence[Any], **params: Any) -> Any:
    return split_p.bind(*primals, **params), split_p.bind(*tangents, **params)


def _split_batch(
    size: int, args: Sequence[Any], dims: Sequence[Any], *, sizes: Shape, axis: int
) -> tuple[list[Any], list[int]]:
    out = split_p.bind(args[0], sizes=sizes, axis=axis + (axis >= dims[0]))
    return out, [dims[0]] * len(out)


split_p = Primitive(
    "split",
    abstract=_split_abstract,
    impl=_split_impl,
    jvp=_split_jvp,
    transpose=lambda cts, x, *, sizes, axis: [_join(cts, sizes, axis)],
    batch=_split_batch,
    cost=elements,
    view=True,
    multiple_results=True,
)


def split(x: Any, sizes: Sequence[int], axis: int = 0) -> list[Any]:
    """Consecutive pieces of these lengths along an axis."""
    axis, sizes = normalize_axis("split", axis, len(shape_of(x))), tuple(sizes)
    _split_abstract(aval_of(x), sizes=sizes, axis=axis)  # the array library itself would clip
    out: list[Any] = split_p.bind(x, sizes=sizes, axis=axis)
    return out


# Flip ------------------------------------------------------------------------------------------


def _rev_batch(
    size: int, args: Sequence[Any], dims: Sequence[Any], *, axes: tuple[int, ...]
) -> tuple[Any, int]:
    return rev_p.bind(args[0], axes=shift_axes(axes, dims[0])), dims[0]


rev_p: Primitive = linear(
    "rev",
    abstract=lambda x, *, axes: ShapedArray(x.shape, x.dtype),
    impl=lambda xp, x, *, axes: xp.flip(x, axes),
    transpose=lambda ct, x, *, axes: rev_p.bind(ct, axes=axes),
    batch=_rev_batch,
    view=True,
)


def flip(x: Any, axis: Any = None) -> Any:
    """The elements in reverse order along one, some or all axes."""
    axes = normalize_axes("flip", axis, len(shape_of(x)))
    return rev_p.bind(x, axes=axes) if axes else x


# Compositions of reshape, broadcast and concatenate ---------------------------------------------


def ravel(x: Any) -> Any:
    """All elements along one axis, in C order."""
    return reshape(x, (math.prod(shape_of(x)),))


def expand_dims(x: Any, axis: Any) -> Any:
    """``x`` with axes of length 1 at these places of the result."""
    shape = shape_of(x)
    count = len(axis) if isinstance(axis, tuple | list) else 1
    axes = normalize_axes("expand_dims", axis, len(shape) + count)
    lengths = iter(shape)
    return reshape(x, [1 if d in axes else next(lengths) for d in range(len(shape) + count)])


def squeeze(x: Any, axis: Any = None) -> Any:
    """``x`` without its axes of length 1, or without those that are named."""
    shape = shape_of(x)
    if axis is None:
        return reshape(x, [n for n in shape if n != 1])
    axes = normalize_axes("squeeze", axis, len(shape))
    if any(shape[d] != 1 for d in axes):
        raise error(
            ShapeError, "squeeze", f"got {shape} and the axes {axes}, wanted axes of length 1"
        )
    return reshape(x, [n for d, n in enumerate(shape) if d not in axes])


def broadcast_arrays(*arrays: Any) -> list[Any]:
    """The arrays, each broadcast to the shape that they have together."""
    shape = broadcast_shapes("broadcast_arrays", map(shape_of, arrays)) if arrays else ()
    return [broadcast_to(x, shape) for x in arrays]


def tile(x: Any, reps: Any) -> Any:
    """``x`` repeated as a whole, ``reps[i]`` times along axis ``i``."""
    listed = reps if isinstance(reps, tuple | list | np.ndarray) else (reps,)
    reps = tuple(map(operator.index, listed))
    if min(reps, default=0) < 0:
        raise error(ArgumentValueError, "tile", f"got reps={reps}, wanted counts from 0 on")
    shape = shape_of(x)
    ndim = max(len(shape), len(reps))
    shape = (1,) * (ndim - len(shape)) + shape
    reps = (1,) * (ndim - len(reps)) + reps
    spread = [n for pair in zip(reps, shape, strict=True) for n in pair]
    out = broadcast_in_dim(reshape(x, shape), spread, range(1, 2 * ndim, 2))
    return reshape(out, [r * n for r, n in zip(reps, shape, strict=True)])


def repeat(x: Any, repeats: int, axis: int | None = None) -> Any:
    """Each element ``repeats`` times in a row along an axis; flattened first for None."""
    if repeats < 0:
        raise error(
            ArgumentValueError, "repeat", f"got repeats={repeats}, wanted a count from 0 on"
        )
    if axis is None:
        x, axis = ravel(x), 0
    shape = shape_of(x)
    axis = normalize_axis("repeat", axis, len(shape))
    spread = (*shape[: axis + 1], repeats, *shape[axis + 1 :])
    out = broadcast_in_dim(x, spread, [d + (d > axis) for d in range(len(shape))])
    return reshape(out, (*shape[:axis], shape[axis] * repeats, *shape[axis + 1 :]))
