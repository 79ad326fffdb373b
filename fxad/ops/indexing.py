"""Reading parts of an array: NumPy's indexing, ``take`` and ``take_along_axis``."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np

from fxad.core.aval import DType, Shape, ShapedArray, aval_of, is_differentiable
from fxad.core.primitive import Primitive
from fxad.core.source import error
from fxad.errors import ArgumentValueError, IndexingError
from fxad.ops.base import (
    convert,
    dtype_of,
    linear,
    moveaxis,
    normalize_axis,
    reshape,
    shape_of,
    to_front,
    transpose,
)
from fxad.ops.elementwise import add, remainder, select
from fxad.ops.elementwise import max as maximum
from fxad.ops.elementwise import min as minimum
from fxad.ops.index_spec import (
    ARRAY,
    Along,
    Index,
    Spec,
    array_axes,
    array_shape,
    basic,
    batch_index,
    order_of,
    parse,
    placement,
    rebuild,
    result_shape,
    stack_arrays,
    whole,
)
from fxad.ops.logic import lt

# Basic indices: views ---------------------------------------------------------------------------


def _getitem_batch(
    size: int, args: Sequence[Any], dims: Sequence[Any], *, spec: Spec
) -> tuple[Any, int]:
    return getitem_p.bind(to_front(args[0], dims[0], size), spec=(whole(size), *spec)), 0


getitem_p: Primitive = linear(
    "getitem",
    abstract=lambda x, *, spec: ShapedArray(result_shape(x.shape, spec), x.dtype),
    impl=lambda xp, x, *, spec: x[basic(spec)],
    transpose=lambda ct, x, *, spec: place(ct, (), x.aval.shape, spec, unique=True),
    batch=_getitem_batch,
    view=True,
)

# Integer arrays in the index ---------------------------------------------------------------------


def _gather_abstract(
    x: ShapedArray, *arrays: ShapedArray, spec: Spec, fill_value: Any, unique: bool
) -> ShapedArray:
    shape = result_shape(x.shape, spec, array_shape("getitem", spec, arrays))
    return ShapedArray(shape, x.dtype)


def _gather_impl(xp: Any, x: Any, *arrays: Any, spec: Spec, fill_value: Any, unique: bool) -> Any:
    if fill_value is None:
        try:
            return x[rebuild(xp, spec, arrays)]
        except IndexError as e:
            raise error(IndexingError, "getitem", str(e)) from None
    valid, known = in_bounds(xp, x.shape, spec, arrays)
    shape = result_shape(x.shape, spec, valid.shape)
    fill_value = x.dtype.type(fill_value)
    if 0 in [x.shape[axis] for axis in array_axes(spec)]:
        return xp.full(shape, fill_value)
    out = x[rebuild(xp, spec, [xp.where(valid, a, 0) for a in known])]
    after = len(shape) - placement(spec) - valid.ndim
    return xp.where(valid.reshape((*valid.shape, *(1,) * after)), out, fill_value)


def in_bounds(xp: Any, shape: Shape, spec: Spec, arrays: Sequence[Any]) -> tuple[Any, list[Any]]:
    """Where all index arrays lie within the array, in their broadcast shape; and they as int64."""
    arrays = [xp.asarray(a).astype(np.int64) for a in arrays]
    valid = xp.ones(array_shape("getitem", spec, arrays), np.bool_)
    for a, axis in zip(arrays, array_axes(spec), strict=True):
        valid &= (a >= -shape[axis]) & (a < shape[axis])
    return valid, arrays


def _gather_jvp(
    primals: Sequence[Any], tangents: Sequence[Any], *, fill_value: Any, **params: Any
) -> tuple[Any, Any]:
    out = gather_p.bind(*primals, fill_value=fill_value, **params)
    if tangents[0] is None or not is_differentiable(dtype_of(out)):
        return out, None
    zero = None if fill_value is None else 0
    return out, gather_p.bind(tangents[0], *primals[1:], fill_value=zero, **params)


def _gather_transpose(
    ct: Any, x: Any, *arrays: Any, spec: Spec, fill_value: Any, unique: bool
) -> list[Any]:
    drop = fill_value is not None
    return [place(ct, arrays, x.aval.shape, spec, unique, drop), *[None] * len(arrays)]


def _gather_batch(
    size: int, args: Sequence[Any], dims: Sequence[int | None], *, spec: Spec, **params: Any
) -> tuple[Any, int]:
    (x, *arrays), (dim, *array_dims) = args, dims
    if dim is None:
        arrays = stack_arrays(spec, arrays, array_dims)
        params["unique"] = False  # two examples may name the same element
        return gather_p.bind(x, *arrays, spec=spec, **params), placement(spec)
    spec, arrays, axis, out_dim = batch_index(size, spec, arrays, array_dims)
    x = moveaxis(x, dim, axis)
    return gather_p.bind(x, *arrays, spec=spec, **params), out_dim


def _gather_cost(avals: Sequence[ShapedArray], params: dict[str, Any]) -> tuple[float, float]:
    x, *arrays = avals
    out = _gather_abstract(x, *arrays, **params)
    read = sum(a.size * a.dtype.itemsize for a in arrays)
    return 0.0, float(read + 2 * out.size * out.dtype.itemsize)


gather_p = Primitive(
    "gather",
    abstract=_gather_abstract,
    impl=_gather_impl,
    jvp=_gather_jvp,
    transpose=_gather_transpose,
    batch=_gather_batch,
    cost=_gather_cost,
)

# The transpose of both: into zeros ---------------------------------------------------------------


def _place_impl(
    xp: Any, ct: Any, *arrays: Any, shape: Shape, spec: Spec, unique: bool, drop: bool
) -> Any:
    index = rebuild(xp, spec, arrays)
    if drop:
        index, ct = without_dropped(xp, shape, spec, arrays, ct)
    out = xp.zeros(shape, ct.dtype)
    if not unique:
        return xp.scatter(out, index, ct, "add")
    out[index] = ct
    return out


def without_dropped(
    xp: Any, shape: Shape, spec: Spec, arrays: Sequence[Any], values: Any
) -> tuple[tuple[Any, ...], Any]:
    """An index and the values that go there, without those whose place is out of bounds."""
    valid, known = in_bounds(xp, shape, spec, arrays)
    index = tuple(
        xp.broadcast_to(e, valid.shape)[valid] if hasattr(e, "dtype") else e
        for e in rebuild(xp, spec, known)
    )
    return index, values[(slice(None),) * placement(spec) + (valid,)]


def _place_jvp(primals: Sequence[Any], tangents: Sequence[Any], **params: Any) -> tuple[Any, Any]:
    out = place_p.bind(*primals, **params)
    if tangents[0] is None or not is_differentiable(dtype_of(out)):
        return out, None
    return out, place_p.bind(tangents[0], *primals[1:], **params)


def _place_transpose(
    ct: Any, x: Any, *arrays: Any, shape: Shape, spec: Spec, unique: bool, drop: bool
) -> list[Any]:
    if not arrays and not any(type(e) is Along for e in spec):
        return [getitem_p.bind(ct, spec=spec)]
    fill_value = 0 if drop else None
    out = gather_p.bind(ct, *arrays, spec=spec, fill_value=fill_value, unique=unique)
    return [out, *[None] * len(arrays)]


def _place_batch(
    size: int,
    args: Sequence[Any],
    dims: Sequence[int | None],
    *,
    shape: Shape,
    spec: Spec,
    **params: Any,
) -> tuple[Any, int]:
    (ct, *arrays), (dim, *array_dims) = args, dims
    spec, arrays, axis, ct_dim = batch_index(size, spec, arrays, array_dims)
    ct = moveaxis(to_front(ct, dim, size), 0, ct_dim)
    shape = (*shape[:axis], size, *shape[axis:])
    return place_p.bind(ct, *arrays, shape=shape, spec=spec, **params), axis


def _place_cost(avals: Sequence[ShapedArray], params: dict[str, Any]) -> tuple[float, float]:
    size, itemsize = np.prod(params["shape"], dtype=float), avals[0].dtype.itemsize
    return float(avals[0].size), float(size * itemsize) + 2.0 * avals[0].size * itemsize


def _place_scratch(ct: Any, *arrays: Any, shape: Shape, unique: bool, **_: Any) -> int:
    """A second array of zeros where elements may meet, and the place of each, as ``scatter``."""
    return 0 if unique else math.prod(shape) * ct.itemsize + bytes_of_places(shape, ct.size)


def bytes_of_places(shape: Shape, count: int) -> int:
    """What ``scatter`` on the CPU takes to know the place of each of so many updates."""
    size = math.prod(shape)
    return 8 * (size + count) if len(shape) > 1 and 8 * count >= size else 0


place_p = Primitive(
    "place",
    abstract=lambda ct, *arrays, shape, **_: ShapedArray(shape, ct.dtype),
    impl=_place_impl,
    jvp=_place_jvp,
    transpose=_place_transpose,
    batch=_place_batch,
    cost=_place_cost,
    scratch=_place_scratch,
)


def place(
    values: Any,
    arrays: Sequence[Any],
    shape: Shape,
    spec: Spec,
    unique: bool = False,
    drop: bool = False,
) -> Any:
    """Zeros of a shape with values added where an index says: the transpose of indexing.

    Args:
      values: of the shape that the index gives.
      arrays: the integer arrays of the index.
      shape: the result's.
      spec: the index.
      unique: whether no element is named twice.
      drop: whether values whose place is out of bounds are dropped; else they are an error.
    """
    return place_p.bind(values, *arrays, shape=shape, spec=spec, unique=unique, drop=drop)


zeros_p: Primitive = Primitive(
    "zeros",
    abstract=lambda x, *, shape: ShapedArray(shape, x.dtype),
    impl=lambda xp, x, *, shape: xp.zeros(shape, x.dtype),
    jvp=None,
    transpose=lambda ct, x, *, shape: [None],
    batch=lambda size, args, dims, *, shape: (zeros_p.bind(args[0], shape=shape), None),
    cost=lambda avals, params: (0.0, float(np.prod(params["shape"]) * avals[0].dtype.itemsize)),
)


def zeros_beside(x: Any, shape: Shape) -> Any:
    """Zeros of the dtype of ``x``, on its device."""
    return zeros_p.bind(x, shape=shape)


# Functions ---------------------------------------------------------------------------------------


def getitem(x: Any, index: Any) -> Any:
    """``x[index]``, with all that NumPy allows there, and tracers."""
    found = parse(shape_of(x), index)
    x = _as_shape(x, found.shape)
    if not found.arrays:
        return getitem_p.bind(x, spec=found.spec)
    out = gather_p.bind(x, *found.arrays, spec=found.spec, fill_value=None, unique=found.unique)
    return _in_order(out, found)


def _in_order(out: Any, found: Index) -> Any:
    """What a spec gives with its axes in NumPy's order."""
    order = order_of(found)
    return out if order is None else transpose(out, order)


def _as_shape(x: Any, shape: Shape) -> Any:
    return x if len(shape) == len(shape_of(x)) else reshape(x, shape)


MODES = {
    None: "error",
    "promise_in_bounds": "error",
    "raise": "error",
    "clip": "clip",
    "fill": "fill",
    "drop": "fill",
    "wrap": "wrap",
}


def check_mode(operation: str, mode: Any) -> str:
    """What to do with indices out of bounds: ``"error"``, ``"clip"``, ``"fill"`` or ``"wrap"``."""
    if mode not in MODES:
        raise error(
            ArgumentValueError,
            operation,
            f"got mode={mode!r}, wanted one of {', '.join(map(repr, MODES))}",
        )
    return MODES[mode]


def parse_with_mode(operation: str, shape: Shape, index: Any, mode: Any) -> tuple[Index, str]:
    """The normal form of an index, clipped or wrapped where the mode says so, and the mode."""
    mode = check_mode(operation, mode)
    found = parse(shape, index, strict=mode == "error")
    if mode in ("clip", "wrap"):
        lengths = [found.shape[axis] for axis in array_axes(found.spec)]
        bounded = _clipped if mode == "clip" else _wrapped
        arrays = [bounded(operation, a, n) for a, n in zip(found.arrays, lengths, strict=True)]
        found = found._replace(arrays=arrays, unique=False)
    return found, mode


def _clipped(operation: str, indices: Any, n: int, negative: bool = True) -> Any:
    """Indices moved into bounds; negative ones count from the end first, or become 0."""
    _check_nonempty(operation, indices, n)
    indices = convert(indices, np.int64)
    if negative:
        indices = select(lt(indices, 0), add(indices, n), indices)
    return minimum(maximum(indices, 0), n - 1)


def _wrapped(operation: str, indices: Any, n: int) -> Any:
    _check_nonempty(operation, indices, n)
    return remainder(convert(indices, np.int64), n)


def _check_nonempty(operation: str, indices: Any, n: int) -> None:
    if not n and aval_of(indices).size:
        raise error(IndexingError, operation, "got indices into an axis of length 0, wanted none")


def default_fill(dtype: DType) -> Any:
    """What JAX fills with: NaN, the least signed integer, the greatest unsigned one, True."""
    if dtype.kind in "fc":
        return float("nan")
    if dtype.kind == "b":
        return True
    limits = np.iinfo(dtype)
    return int(limits.min if dtype.kind == "i" else limits.max)


def get(
    x: Any, index: Any, mode: Any = None, fill_value: Any = None, unique_indices: bool = False
) -> Any:
    """``x[index]`` with a choice of what indices out of bounds give.

    Args:
      x: the array.
      index: as NumPy takes it.
      mode: ``None`` for an error; ``"clip"`` for the nearest element, ``"wrap"`` for the remainder,
        ``"fill"`` (or ``"drop"``) for ``fill_value``.
      fill_value: a Python number; ``None``: NaN, or for integers the least (signed) or greatest
        (unsigned).
      unique_indices: a promise that no element is named twice, which makes the derivative faster.

    Returns:
      The elements, a new array or a view.

    Raises:
      IndexingError: the index does not fit the array.
    """
    found, mode = parse_with_mode("get", shape_of(x), index, mode)
    x = _as_shape(x, found.shape)
    if not found.arrays:
        return getitem_p.bind(x, spec=found.spec)
    if mode == "fill" and fill_value is None:
        fill_value = default_fill(dtype_of(x))
    out = gather_p.bind(
        x,
        *found.arrays,
        spec=found.spec,
        fill_value=fill_value if mode == "fill" else None,
        unique=found.unique or unique_indices,
    )
    return _in_order(out, found)


def index_array(operation: str, indices: Any) -> Any:
    """An array of integers."""
    if isinstance(indices, list | tuple):
        indices = np.asarray(indices) if len(indices) else np.zeros(0, np.intp)
    dtype = dtype_of(indices)
    if dtype.kind not in "iub":
        raise error(IndexingError, operation, f"got indices of dtype {dtype}, wanted integers")
    return convert(indices, np.intp) if dtype.kind == "b" or type(indices) is int else indices


def take(
    x: Any, indices: Any, axis: int | None = None, mode: str | None = None, fill_value: Any = None
) -> Any:
    """The elements at some places of an axis.

    Args:
      x: the array.
      indices: integers in any shape.
      axis: the axis; ``None``: of the flattened array.
      mode: what indices out of bounds are: an error (``None``, ``"raise"``), the first or last
        element (``"clip"``, also for negative ones), the remainder (``"wrap"``), or ``fill_value``
        (``"fill"``).
      fill_value: a Python number; ``None`` as for ``get``.

    Returns:
      An array with the shape of ``indices`` in the place of the axis.

    Raises:
      IndexingError: an index is out of bounds.

    Example:
      >>> import numpy as np, fxad.numpy as fnp
      >>> fnp.take(np.array([1.0, 2.0, 3.0]), [[0, 2]]).tolist()
      [[1.0, 3.0]]
    """
    mode = check_mode("take", mode)
    if axis is None:
        x, axis = reshape(x, (aval_of(x).size,)), 0
    shape = shape_of(x)
    axis = normalize_axis("take", axis, len(shape))
    indices = index_array("take", indices)
    if mode == "clip":
        indices = _clipped("take", indices, shape[axis], negative=False)
    elif mode == "wrap":
        indices = _wrapped("take", indices, shape[axis])
    elif mode == "fill" and fill_value is None:
        fill_value = default_fill(dtype_of(x))
    return gather_p.bind(
        x,
        indices,
        spec=(*map(whole, shape[:axis]), ARRAY),
        fill_value=fill_value if mode == "fill" else None,
        unique=not shape_of(indices),
    )


def along_spec(operation: str, x: Any, indices: Any, axis: int) -> Spec:
    """The index of the elements that one index for each of them names along an axis."""
    shape, wanted = shape_of(x), shape_of(indices)
    fits = len(shape) == len(wanted) and all(
        d == axis or n == m or 1 in (n, m)
        for d, (n, m) in enumerate(zip(shape, wanted, strict=False))
    )
    if not fits:
        raise error(
            IndexingError,
            operation,
            f"got {shape} and indices of shape {wanted}, wanted equal lengths (or 1) along all "
            f"axes but {axis}",
        )
    ones = (1,) * len(shape)
    return tuple(
        ARRAY if d == axis else Along((*ones[:d], n, *ones[d + 1 :])) for d, n in enumerate(shape)
    )


def take_along_axis(
    x: Any, indices: Any, axis: int | None = -1, mode: Any = None, fill_value: Any = None
) -> Any:
    """The elements that ``indices`` (of the dimensions of ``x``) names along an axis.

    Args:
      x: the array.
      indices: integers; the lengths of the other axes are those of ``x``, or 1.
      axis: the axis; ``None``: both flattened.
      mode: as for ``get``.
      fill_value: as for ``get``.

    Returns:
      An array of the broadcast shape, for example what ``argsort`` sorts.

    Raises:
      IndexingError: an index is out of bounds, or the shapes do not fit.

    Example:
      >>> import numpy as np, fxad.numpy as fnp
      >>> x = np.array([[3.0, 1.0, 2.0]])
      >>> fnp.take_along_axis(x, np.argsort(x, axis=1), axis=1).tolist()
      [[1.0, 2.0, 3.0]]
    """
    mode = check_mode("take_along_axis", mode)
    indices = index_array("take_along_axis", indices)
    if axis is None:
        x, axis = reshape(x, (aval_of(x).size,)), 0
    axis = normalize_axis("take_along_axis", axis, len(shape_of(x)))
    spec = along_spec("take_along_axis", x, indices, axis)
    n = shape_of(x)[axis]
    if mode == "clip":
        indices = _clipped("take_along_axis", indices, n)
    elif mode == "wrap":
        indices = _wrapped("take_along_axis", indices, n)
    elif mode == "fill" and fill_value is None:
        fill_value = default_fill(dtype_of(x))
    return gather_p.bind(
        x, indices, spec=spec, fill_value=fill_value if mode == "fill" else None, unique=False
    )
