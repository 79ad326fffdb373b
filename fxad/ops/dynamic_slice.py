"""Slices that start where a value says: ``dynamic_slice`` and ``dynamic_update_slice``.

A start that would leave the array is moved into it, as in JAX's ``lax``.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np

from fxad.core.aval import Shape, ShapedArray, aval_of, is_differentiable
from fxad.core.primitive import Primitive
from fxad.core.source import error
from fxad.core.trace import Tracer, is_linear
from fxad.errors import DtypeError, ShapeError
from fxad.ops.base import (
    convert,
    dtype_of,
    normalize_axis,
    reshape,
    shape_of,
    to_front,
)
from fxad.ops.elementwise import add, select
from fxad.ops.elementwise import max as maximum
from fxad.ops.elementwise import min as minimum
from fxad.ops.index_spec import ARRAY, Spec, whole
from fxad.ops.indexing import gather_p, getitem, zeros_beside
from fxad.ops.logic import lt
from fxad.ops.scatter import scatter_p


def _check_sizes(operation: str, shape: Shape, sizes: Shape, starts: int) -> None:
    if len(sizes) == len(shape) == starts and all(
        0 <= k <= n for k, n in zip(sizes, shape, strict=True)
    ):
        return
    raise error(
        ShapeError,
        operation,
        f"got {starts} starts and a slice of shape {sizes} for {shape}, wanted a start and a size "
        "(0 <= size <= length) for each axis",
    )


def _place_of(xp: Any, shape: Shape, sizes: Shape, starts: Sequence[Any]) -> tuple[Any, ...]:
    """The index of a slice; by arrays where starts live on a GPU, so that nothing waits for it."""
    if all(isinstance(s, np.ndarray | np.generic | int) for s in starts):
        inside = [max(0, min(int(s), n - k)) for s, n, k in zip(starts, shape, sizes, strict=True)]
        return tuple(slice(s, s + k) for s, k in zip(inside, sizes, strict=True))
    index = []
    for axis, (s, n, k) in enumerate(zip(starts, shape, sizes, strict=True)):
        form = [1] * len(shape)
        form[axis] = k
        index.append(xp.clip(s, 0, n - k) + xp.arange(k).reshape(form))
    return tuple(index)


def _as_gather(shape: Shape, sizes: Shape, starts: Sequence[Any]) -> tuple[Spec, list[Any]]:
    """The same slice as integer arrays, for the axes between the first and last that are cut.

    Starts may have leading batch axes; the arrays have them too.
    """
    cut = [d for d, (n, k) in enumerate(zip(shape, sizes, strict=True)) if n != k] or [0]
    axes = range(cut[0], cut[-1] + 1)
    arrays = []
    for d in axes:
        form = [1] * len(axes)
        form[d - cut[0]] = sizes[d]
        start = minimum(maximum(convert(starts[d], np.int64), 0), shape[d] - sizes[d])
        start = reshape(start, (*shape_of(start), *(1,) * len(axes)))
        arrays.append(add(start, np.arange(sizes[d]).reshape(form)))
    return (*map(whole, shape[: cut[0]]), *(ARRAY for _ in axes)), arrays


# Slice -------------------------------------------------------------------------------------------


def _slice_abstract(x: ShapedArray, *starts: ShapedArray, sizes: Shape) -> ShapedArray:
    _check_sizes("dynamic_slice", x.shape, sizes, len(starts))
    return ShapedArray(sizes, x.dtype)


def _slice_jvp(primals: Sequence[Any], tangents: Sequence[Any], *, sizes: Shape) -> tuple[Any, Any]:
    out = dynamic_slice_p.bind(*primals, sizes=sizes)
    if tangents[0] is None or not is_differentiable(dtype_of(out)):
        return out, None
    return out, dynamic_slice_p.bind(tangents[0], *primals[1:], sizes=sizes)


def _slice_transpose(ct: Any, x: Any, *starts: Any, sizes: Shape) -> list[Any]:
    zeros = zeros_beside(ct, x.aval.shape)
    return [dynamic_update_slice_p.bind(zeros, ct, *starts), *[None] * len(starts)]


def _slice_batch(
    size: int, args: Sequence[Any], dims: Sequence[int | None], *, sizes: Shape
) -> tuple[Any, int | None]:
    (x, *starts), (dim, *start_dims) = args, dims
    if all(d is None for d in start_dims):
        x = to_front(x, dim, size)
        return dynamic_slice_p.bind(x, 0, *starts, sizes=(size, *sizes)), 0
    shape = shape_of(x)
    if dim is not None:
        shape = shape[:dim] + shape[dim + 1 :]
    starts = [to_front(s, d, size) for s, d in zip(starts, start_dims, strict=True)]
    spec, arrays = _as_gather(shape, sizes, starts)
    out: tuple[Any, int | None] = gather_p.batch(
        size, [x, *arrays], [dim, *[0] * len(arrays)], spec=spec, fill_value=None, unique=True
    )
    return out


def _slice_cost(avals: Sequence[ShapedArray], params: dict[str, Any]) -> tuple[float, float]:
    return 0.0, 2.0 * math.prod(params["sizes"]) * avals[0].dtype.itemsize


dynamic_slice_p: Primitive = Primitive(
    "dynamic_slice",
    abstract=_slice_abstract,
    impl=lambda xp, x, *starts, sizes: x[_place_of(xp, x.shape, sizes, starts)],
    jvp=_slice_jvp,
    transpose=_slice_transpose,
    batch=_slice_batch,
    cost=_slice_cost,
)

# Update ------------------------------------------------------------------------------------------


def _check_update(x: ShapedArray, update: ShapedArray, starts: int) -> None:
    _check_sizes("dynamic_update_slice", x.shape, update.shape, starts)
    if x.dtype != update.dtype:
        raise error(
            DtypeError,
            "dynamic_update_slice",
            f"got {update.long_name()} for a part of {x.long_name()}, wanted its dtype",
        )


def _update_abstract(x: ShapedArray, update: ShapedArray, *starts: ShapedArray) -> ShapedArray:
    _check_update(x, update, len(starts))
    return ShapedArray(x.shape, x.dtype)


def _update_impl(xp: Any, x: Any, update: Any, *starts: Any) -> Any:
    out = xp.array(x)
    out[_place_of(xp, x.shape, update.shape, starts)] = update
    return out


def _update_jvp(primals: Sequence[Any], tangents: Sequence[Any]) -> tuple[Any, Any]:
    (x, update, *starts), (tx, tu, *_) = primals, tangents
    out = dynamic_update_slice_p.bind(*primals)
    if (tx is None and tu is None) or not is_differentiable(dtype_of(out)):
        return out, None
    tx = zeros_beside(x, shape_of(x)) if tx is None else tx
    tu = zeros_beside(update, shape_of(update)) if tu is None else tu
    return out, dynamic_update_slice_p.bind(tx, tu, *starts)


def _update_transpose(ct: Any, x: Any, update: Any, *starts: Any) -> list[Any]:
    ct_x = ct_update = None
    if is_linear(update):
        sizes = update.aval.shape
        ct_update = dynamic_slice_p.bind(ct, *starts, sizes=sizes)
    else:
        sizes = shape_of(update)
    if is_linear(x):
        ct_x = dynamic_update_slice_p.bind(ct, zeros_beside(ct, sizes), *starts)
    return [ct_x, ct_update, *[None] * len(starts)]


def _update_batch(size: int, args: Sequence[Any], dims: Sequence[int | None]) -> tuple[Any, int]:
    (x, update, *starts), (x_dim, update_dim, *start_dims) = args, dims
    if all(d is None for d in start_dims):
        x, update = to_front(x, x_dim, size), to_front(update, update_dim, size)
        return dynamic_update_slice_p.bind(x, update, 0, *starts), 0
    shape, sizes = shape_of(x), shape_of(update)
    if x_dim is not None:
        shape = shape[:x_dim] + shape[x_dim + 1 :]
    if update_dim is not None:
        sizes = sizes[:update_dim] + sizes[update_dim + 1 :]
    starts = [to_front(s, d, size) for s, d in zip(starts, start_dims, strict=True)]
    spec, arrays = _as_gather(shape, sizes, starts)
    form = {"spec": spec, "combine": "set", "unique": True, "drop": False}
    batched = [x_dim, update_dim, *[0] * len(arrays)]
    out: tuple[Any, int] = scatter_p.batch(size, [x, update, *arrays], batched, **form)
    return out


def _update_cost(avals: Sequence[ShapedArray], params: dict[str, Any]) -> tuple[float, float]:
    return 0.0, 2.0 * sum(a.size * a.dtype.itemsize for a in avals[:2])


dynamic_update_slice_p: Primitive = Primitive(
    "dynamic_update_slice",
    abstract=_update_abstract,
    impl=_update_impl,
    jvp=_update_jvp,
    transpose=_update_transpose,
    batch=_update_batch,
    cost=_update_cost,
)

# Functions ---------------------------------------------------------------------------------------


def _starts(operation: str, shape: Shape, starts: Any) -> list[Any]:
    """One scalar start for each axis; negative ones count from the end."""
    if isinstance(starts, Tracer) or (hasattr(starts, "ndim") and starts.ndim == 1):
        starts = [getitem(starts, d) for d in range(shape_of(starts)[0])]
    out = []
    for start, n in zip(starts, shape, strict=False):
        aval = aval_of(start)
        if aval.shape or aval.dtype.kind not in "iu":
            raise error(
                ShapeError if aval.shape else DtypeError,
                operation,
                f"got the start {aval.long_name()}, wanted an integer for each axis",
            )
        if isinstance(start, int | np.integer | np.ndarray):
            out.append(np.int64(start) + n * (start < 0))
        else:
            out.append(select(lt(start, 0), add(convert(start, np.int64), n), start))
    return out + list(starts[len(out) :])


def dynamic_slice(x: Any, start_indices: Any, slice_sizes: Sequence[int]) -> Any:
    """A slice of known size that starts where integers, also traced ones, say.

    Args:
      x: the array.
      start_indices: for each axis an integer; negative ones count from the end. Where the slice
        would leave the array it is moved into it.
      slice_sizes: its shape.

    Returns:
      The slice.

    Raises:
      ShapeError: the slice is larger than the array, or of another number of dimensions; a start
        is an array.
      DtypeError: a start is no integer.

    Example:
      >>> import numpy as np
      >>> from fxad import lax
      >>> lax.dynamic_slice(np.arange(5.0), (4,), (2,)).tolist()
      [3.0, 4.0]
    """
    shape, sizes = shape_of(x), tuple(map(int, slice_sizes))
    starts = _starts("dynamic_slice", shape, start_indices)
    _check_sizes("dynamic_slice", shape, sizes, len(starts))
    return dynamic_slice_p.bind(x, *starts, sizes=sizes)


def dynamic_update_slice(x: Any, update: Any, start_indices: Any) -> Any:
    """A copy of ``x`` with a slice replaced that starts where integers, also traced ones, say.

    Args:
      x: the array.
      update: what to put there; its shape is the slice's.
      start_indices: as for ``dynamic_slice``.

    Returns:
      The new array.

    Raises:
      ShapeError: the update is larger than the array, or of another number of dimensions; a start
        is an array.
      DtypeError: the dtypes differ, or a start is no integer.

    Example:
      >>> import numpy as np
      >>> from fxad import lax
      >>> lax.dynamic_update_slice(np.zeros(4), np.ones(2), (1,)).tolist()
      [0.0, 1.0, 1.0, 0.0]
    """
    if not hasattr(start_indices, "__len__"):
        start_indices = (start_indices,)
    starts = _starts("dynamic_update_slice", shape_of(x), start_indices)
    if aval_of(update).weak_type:
        update = convert(update, dtype_of(x))
    _check_update(aval_of(x), aval_of(update), len(starts))
    return dynamic_update_slice_p.bind(x, update, *starts)


def dynamic_slice_in_dim(x: Any, start: Any, size: int, axis: int = 0) -> Any:
    """``dynamic_slice`` along one axis, whole along the others."""
    shape = shape_of(x)
    axis = normalize_axis("dynamic_slice_in_dim", axis, len(shape))
    starts = [0] * len(shape)
    starts[axis] = start
    return dynamic_slice(x, starts, (*shape[:axis], size, *shape[axis + 1 :]))


def dynamic_index_in_dim(x: Any, index: Any, axis: int = 0, keepdims: bool = True) -> Any:
    """The element ``index`` along one axis, which stays with length 1 if ``keepdims``."""
    axis = normalize_axis("dynamic_index_in_dim", axis, len(shape_of(x)))
    out = dynamic_slice_in_dim(x, index, 1, axis)
    shape = shape_of(out)
    return out if keepdims else reshape(out, shape[:axis] + shape[axis + 1 :])


def dynamic_update_slice_in_dim(x: Any, update: Any, start: Any, axis: int = 0) -> Any:
    """``dynamic_update_slice`` along one axis."""
    axis = normalize_axis("dynamic_update_slice_in_dim", axis, len(shape_of(x)))
    starts = [0] * len(shape_of(x))
    starts[axis] = start
    return dynamic_update_slice(x, update, starts)


def dynamic_update_index_in_dim(x: Any, update: Any, index: Any, axis: int = 0) -> Any:
    """A copy with the element ``index`` along one axis replaced."""
    shape = shape_of(x)
    axis = normalize_axis("dynamic_update_index_in_dim", axis, len(shape))
    if len(shape_of(update)) < len(shape):
        update = reshape(update, (*shape[:axis], 1, *shape[axis + 1 :]))
    return dynamic_update_slice_in_dim(x, update, index, axis)
