"""The linear primitives that every other rule stands on: cast, add, broadcast, sum, reshape.

They are each other's transposes, so they stand in one file below the builders of ``rules``.
"""

from __future__ import annotations

import itertools
import math
import operator
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from fxad.backends.registry import backend_of
from fxad.core.aval import (
    PYTHON_SCALARS,
    DType,
    Shape,
    ShapedArray,
    aval_of,
    is_differentiable,
)
from fxad.core.primitive import Primitive, Rule
from fxad.core.source import error
from fxad.core.trace import Tracer, ground
from fxad.errors import ArgumentTypeError, ArgumentValueError, ShapeError

#: What has the attributes ``shape`` and ``dtype`` itself.
_SHAPED = (np.ndarray, Tracer, np.generic)


def shape_of(x: Any) -> Shape:
    """The shape of an operand, a Python number included."""
    shape: Shape = x.shape if isinstance(x, _SHAPED) else aval_of(x).shape
    return shape


def dtype_of(x: Any) -> DType:
    """The dtype of an operand, a Python number included."""
    dtype: DType = x.dtype if isinstance(x, _SHAPED) else aval_of(x).dtype
    return dtype


def elements(avals: Sequence[ShapedArray], params: dict[str, Any]) -> tuple[float, float]:
    """The cost of touching every operand once: no flops, all bytes twice (read and written)."""
    return 0.0, 2.0 * sum(a.size * a.dtype.itemsize for a in avals)


def linear(name: str, *, transpose: Rule, **rules: Any) -> Primitive:
    """A primitive that is linear in its only array operand: its own derivative."""

    def transposed(ct: Any, x: Any, **params: Any) -> list[Any]:
        return [transpose(ct, x, **params)]

    rules.setdefault("cost", elements)
    return multilinear(name, transpose=transposed, **rules)


def multilinear(name: str, **rules: Any) -> Primitive:
    """A primitive that is linear in each array operand by itself: the product rule is its jvp."""

    def jvp(primals: Sequence[Any], tangents: Sequence[Any], **params: Any) -> tuple[Any, Any]:
        out = primitive.bind(*primals, **params)
        if not is_differentiable(dtype_of(out)):
            return out, None
        total = None
        for i, tangent in enumerate(tangents):
            if tangent is not None:
                part = primitive.bind(*primals[:i], tangent, *primals[i + 1 :], **params)
                total = add_any(total, part)
        return out, total

    primitive = Primitive(name, jvp=jvp, multilinear=True, **rules)
    return primitive


def normalize_axis(operation: str, axis: int, ndim: int) -> int:
    """A non-negative axis, or an error that names the operation."""
    try:
        axis = operator.index(axis)
    except TypeError:
        if isinstance(axis, Tracer):
            raise
        raise error(ArgumentTypeError, operation, f"got axis {axis!r}, wanted an integer") from None
    if not -ndim <= axis < ndim:
        raise error(
            ArgumentValueError,
            operation,
            f"got axis {axis} for an array with {ndim} dimensions, wanted {-ndim} <= axis < {ndim}",
        )
    return axis % ndim


def normalize_axes(operation: str, axis: Any, ndim: int) -> tuple[int, ...]:
    """All axes for ``None``, else the distinct, sorted, non-negative ones that were named."""
    if axis is None:
        return tuple(range(ndim))
    listed = axis if isinstance(axis, tuple | list) else (axis,)
    axes = tuple(sorted(normalize_axis(operation, a, ndim) for a in listed))
    if len(set(axes)) != len(axes):
        raise error(ArgumentValueError, operation, f"got the axes {tuple(listed)}, one twice")
    return axes


# Cast ------------------------------------------------------------------------------------------


def _cast_impl(xp: Any, x: Any, *, dtype: DType) -> Any:
    if not hasattr(x, "astype"):
        return dtype.type(x)
    if x.dtype.kind == "c" and dtype.kind != "c":
        x = x.real if dtype.kind != "b" else x != 0
    return x.astype(dtype)


convert_element_type_p = linear(
    "convert_element_type",
    abstract=lambda x, *, dtype: ShapedArray(x.shape, dtype),
    impl=_cast_impl,
    transpose=lambda ct, x, *, dtype: convert(ct, x.aval.dtype),
    batch=lambda size, args, dims, *, dtype: (convert(args[0], dtype), dims[0]),
)


def convert(x: Any, dtype: Any) -> Any:
    """``x`` in another dtype; the strong form of a weak operand; ``x`` itself where it has it."""
    if type(x) is np.ndarray and x.dtype is dtype:
        return x
    dtype = np.dtype(dtype)
    if type(x) is int and dtype.kind in "fc":
        return dtype.type(x)  # of any length
    aval = aval_of(x)
    if aval.dtype == dtype and not aval.weak_type:
        return x
    return convert_element_type_p.bind(x, dtype=dtype)


def assigned(x: Any, dtype: Any) -> Any:
    """``x`` as an array of ``dtype`` takes it: no Python integer that it cannot hold (NEP 50)."""
    dtype = np.dtype(dtype)
    return dtype.type(x) if type(x) is int and dtype.kind in "iu" else convert(x, dtype)


# Sum of tangents -------------------------------------------------------------------------------


def _add_any_batch(size: int, args: Sequence[Any], dims: Sequence[Any]) -> tuple[Any, int]:
    args = [to_front(x, dim, size) for x, dim in zip(args, dims, strict=True)]
    return add_any_p.bind(*args), 0


def _add_any_jvp(primals: Sequence[Any], tangents: Sequence[Any]) -> tuple[Any, Any]:
    return add_any_p.bind(*primals), add_any(*tangents)


add_any_p = Primitive(
    "add_any",
    abstract=lambda x, y: x.strong(),
    impl=lambda xp, x, y: x + y,
    jvp=_add_any_jvp,
    partials=(1, 1),
    transpose=lambda ct, x, y: [ct, ct],
    batch=_add_any_batch,
    cost=elements,
    scalar="add",
    ufunc=np.add,
)


def add_any(x: Any, y: Any = None) -> Any:
    """The sum of two tangents or cotangents of one shape and dtype; ``None`` is zero."""
    if x is None or y is None:
        return x if y is None else y
    return add_any_p.bind(x, y)


# Broadcast and sum -----------------------------------------------------------------------------


def _check_broadcast(before: Shape, shape: Shape, dims: tuple[int, ...]) -> None:
    fits = len(dims) == len(before) and all(
        0 <= d < len(shape) and n in (1, shape[d]) for d, n in zip(dims, before, strict=True)
    )
    if not fits:
        raise error(
            ShapeError,
            "broadcast",
            f"got {before}, which does not broadcast to {shape}: "
            "each length must be 1 or equal the one that it becomes",
        )
    if any(d >= e for d, e in itertools.pairwise(dims)):
        raise error(
            ArgumentValueError, "broadcast", f"got the axes {dims}, wanted them in ascending order"
        )


def _broadcast_abstract(x: ShapedArray, *, shape: Shape, dims: tuple[int, ...]) -> ShapedArray:
    _check_broadcast(x.shape, shape, dims)
    return ShapedArray(shape, x.dtype)


def _broadcast_impl(xp: Any, x: Any, *, shape: Shape, dims: tuple[int, ...]) -> Any:
    x = xp.asarray(x)
    if not dims and type(x) is np.ndarray:  # a tenth of what broadcast_to takes
        repeated = np.ndarray(shape, x.dtype, x, strides=(0,) * len(shape))
        repeated.flags.writeable = False
        return repeated
    if dims != tuple(range(len(shape) - len(dims), len(shape))):
        _check_broadcast(x.shape, shape, dims)
        inner = [1] * len(shape)
        for d, n in zip(dims, x.shape, strict=True):
            inner[d] = n
        x = x.reshape(inner)
    return xp.broadcast_to(x, shape)


def _broadcast_transpose(ct: Any, x: Any, *, shape: Shape, dims: tuple[int, ...]) -> Any:
    before = x.aval.shape
    grown = [d for d, n in zip(dims, before, strict=True) if n == 1 and shape[d] != 1]
    new = [d for d in range(len(shape)) if d not in dims]
    return reshape(reduce_sum(ct, tuple(sorted(grown + new))), before)


def _broadcast_batch(
    size: int, args: Sequence[Any], batched: Sequence[Any], *, shape: Shape, dims: tuple[int, ...]
) -> tuple[Any, int]:
    x = to_front(args[0], batched[0], size)
    dims = (0, *(d + 1 for d in dims))
    return broadcast_in_dim_p.bind(x, shape=(size, *shape), dims=dims), 0


broadcast_in_dim_p = linear(
    "broadcast_in_dim",
    abstract=_broadcast_abstract,
    impl=_broadcast_impl,
    transpose=_broadcast_transpose,
    batch=_broadcast_batch,
    view=True,
)


def broadcast_in_dim(x: Any, shape: Sequence[int], dims: Sequence[int]) -> Any:
    """``x`` with axis ``i`` as axis ``dims[i]`` (ascending) of ``shape``, repeated elsewhere."""
    return broadcast_in_dim_p.bind(x, shape=tuple(shape), dims=tuple(dims))


def broadcast_to(x: Any, shape: Sequence[int]) -> Any:
    """``x`` broadcast as NumPy does, aligned at the right."""
    shape, ndim = tuple(shape), len(shape_of(x))
    if shape_of(x) == shape:
        return x
    if ndim > len(shape):
        raise error(
            ShapeError, "broadcast_to", f"got {shape_of(x)}, which has more dimensions than {shape}"
        )
    return broadcast_in_dim_p.bind(x, shape=shape, dims=tuple(range(len(shape) - ndim, len(shape))))


def full(shape: Sequence[int], value: Any, dtype: Any) -> Any:
    """One number in every place."""
    return broadcast_in_dim_p.bind(convert(value, dtype), shape=tuple(shape), dims=())


def zeros_like(x: Any) -> Any:
    """Zeros of the shape, dtype and backend of ``x``; float0 tangents for float0.

    Args:
      x: an array, a tracer or a number.

    Example:
      >>> import numpy as np
      >>> from fxad.extend import zeros_like
      >>> zeros_like(np.ones(2))
      array([0., 0.])
    """
    if isinstance(x, np.number | bool | int | float | complex):
        return type(x)(0)
    if isinstance(x, np.ndarray):
        return np.zeros_like(x)
    return broadcast_to(number_like(x, 0), x.shape)


def ones_like(x: Any) -> Any:
    """Ones of the shape, dtype and backend of ``x``."""
    return broadcast_to(number_like(x, 1), shape_of(x))


def _device_home(x: Any) -> Any:
    """The backend of the device on which the array under ``x`` lives; None for the host."""
    below = ground(x)
    home = None if isinstance(below, np.ndarray | np.generic) else backend_of(below)
    return None if home is None or home.platform == "cpu" else home


def full_beside(x: Any, shape: Sequence[int], value: Any) -> Any:
    """One number in every place, of the dtype of ``x`` and where ``x`` lives."""
    return broadcast_in_dim_p.bind(number_like(x, value), shape=tuple(shape), dims=())


def placed_as(x: Any, other: Any) -> Any:
    """What is on the host as an array where ``other`` lives; another ``x`` as it is."""
    below = ground(other)
    home, here = backend_of(below), backend_of(x)
    if home is None or here is None or home.platform == "cpu" or home is here:
        return x
    return home.put(np.asarray(x), home.device_of(below))


def number_like(x: Any, value: float) -> Any:
    """A number of the dtype of ``x``, where ``x`` lives: computation follows data."""
    dtype, home = dtype_of(x), _device_home(x)
    return dtype.type(value) if home is None else home.xp.full((), value, dtype)


def _sum_abstract(x: ShapedArray, *, axes: tuple[int, ...]) -> ShapedArray:
    shape = tuple(n for d, n in enumerate(x.shape) if d not in axes)
    return ShapedArray(shape, x.dtype)


def _sum_transpose(ct: Any, x: Any, *, axes: tuple[int, ...]) -> Any:
    shape = x.aval.shape
    return broadcast_in_dim(ct, shape, [d for d in range(len(shape)) if d not in axes])


def shift_axes(axes: Sequence[int], dim: int) -> tuple[int, ...]:
    """Axes of an unbatched value as axes of one with a batch dimension at ``dim``."""
    return tuple(a + (a >= dim) for a in axes)


def dim_after_reduction(dim: int, axes: Sequence[int]) -> int:
    """Where a batch dimension stands after the (shifted) axes are gone."""
    return dim - sum(a < dim for a in axes)


def _sum_batch(
    size: int, args: Sequence[Any], dims: Sequence[Any], *, axes: tuple[int, ...]
) -> tuple[Any, int]:
    axes = shift_axes(axes, dims[0])
    return reduce_sum_p.bind(args[0], axes=axes), dim_after_reduction(dims[0], axes)


reduce_sum_p = linear(
    "reduce_sum",
    abstract=_sum_abstract,
    impl=lambda xp, x, *, axes: x.sum(axes, x.dtype),
    transpose=_sum_transpose,
    batch=_sum_batch,
    fresh=True,
)


def reduce_sum(x: Any, axes: Sequence[int]) -> Any:
    """The sum over some axes, in the operand's own dtype."""
    return reduce_sum_p.bind(x, axes=tuple(axes)) if axes else x


def unbroadcast(ct: Any, aval: ShapedArray) -> Any:
    """The cotangent of an operand that broadcasting repeated or promotion cast."""
    shape = shape_of(ct)
    if shape != aval.shape:
        extra = len(shape) - len(aval.shape)
        axes = tuple(range(extra))
        if shape[extra:] == aval.shape:
            ct = reduce_sum(ct, axes)
        else:
            axes += tuple(
                extra + d for d, n in enumerate(aval.shape) if n == 1 and shape[extra + d] != 1
            )
            ct = reshape(reduce_sum(ct, axes), aval.shape)
    return ct if dtype_of(ct) == aval.dtype else convert(ct, aval.dtype)


def fit(tangent: Any, shape: Shape, dtype: DType) -> Any:
    """A tangent cast and broadcast to a shape and dtype."""
    if dtype_of(tangent) != dtype:
        tangent = convert(tangent, dtype)
    return tangent if shape_of(tangent) == shape else broadcast_to(tangent, shape)


def like(tangent: Any, out: Any) -> Any:
    """A tangent in the shape and dtype of the output that it belongs to."""
    dtype = dtype_of(out)
    if type(tangent) in PYTHON_SCALARS and not aval_of(out).weak_type:
        tangent = convert(tangent, dtype)  # programs take a Python number for weak values alone
    return fit(tangent, shape_of(out), dtype)


# Reshape and transpose -------------------------------------------------------------------------


def _reshape_abstract(x: ShapedArray, *, shape: Shape) -> ShapedArray:
    if math.prod(shape) != x.size:
        raise error(
            ShapeError,
            "reshape",
            f"got {x.shape} with {x.size} elements, wanted {shape} with {math.prod(shape)}",
        )
    return ShapedArray(shape, x.dtype)


def _reshape_batch(
    size: int, args: Sequence[Any], dims: Sequence[Any], *, shape: Shape
) -> tuple[Any, int]:
    return reshape(to_front(args[0], dims[0], size), (size, *shape)), 0


reshape_p = linear(
    "reshape",
    abstract=_reshape_abstract,
    impl=lambda xp, x, *, shape: x.reshape(shape),
    transpose=lambda ct, x, *, shape: reshape(ct, x.aval.shape),
    batch=_reshape_batch,
    view=True,
)


def reshape(x: Any, shape: Sequence[int]) -> Any:
    """``x`` in another shape, in C order; every length is given."""
    return x if shape_of(x) == tuple(shape) else reshape_p.bind(x, shape=tuple(shape))


def _transpose_abstract(x: ShapedArray, *, permutation: tuple[int, ...]) -> ShapedArray:
    if sorted(permutation) != list(range(x.ndim)):
        raise error(
            ArgumentValueError,
            "transpose",
            f"got the axes {permutation} for {x.shape}, wanted a permutation of its {x.ndim} axes",
        )
    return ShapedArray(tuple(x.shape[d] for d in permutation), x.dtype)


def _transpose_batch(
    size: int, args: Sequence[Any], dims: Sequence[Any], *, permutation: tuple[int, ...]
) -> tuple[Any, int]:
    permutation = (dims[0], *shift_axes(permutation, dims[0]))
    return transpose_p.bind(args[0], permutation=permutation), 0


def _inverse(permutation: Sequence[int]) -> list[int]:
    return sorted(range(len(permutation)), key=permutation.__getitem__)


transpose_p = linear(
    "transpose",
    abstract=_transpose_abstract,
    impl=lambda xp, x, *, permutation: x.transpose(permutation),
    transpose=lambda ct, x, *, permutation: transpose(ct, _inverse(permutation)),
    batch=_transpose_batch,
    view=True,
)


def transpose(x: Any, permutation: Sequence[int]) -> Any:
    """``x`` with its axes in another order."""
    permutation = tuple(permutation)
    if permutation == tuple(range(len(permutation))) and len(permutation) == len(shape_of(x)):
        return x
    return transpose_p.bind(x, permutation=permutation)


def moveaxis(x: Any, source: int, destination: int) -> Any:
    """``x`` with one axis moved and the others in their order."""
    order = [d for d in range(len(shape_of(x))) if d != source]
    order.insert(destination, source)
    return transpose(x, order)


def to_front(x: Any, dim: int | None, size: int) -> Any:
    """A batched operand with the batch first; an unbatched one repeated ``size`` times."""
    if dim is None:
        shape = shape_of(x)
        return broadcast_in_dim(x, (size, *shape), range(1, len(shape) + 1))
    return moveaxis(x, dim, 0)


def batch_alike(
    batched: Callable[..., Any], size: int, args: Sequence[Any], dims: Sequence[Any]
) -> tuple[Any, int]:
    """Applies a function that treats leading axes as batches, all operands batched first."""
    return batched(*(to_front(x, d, size) for x, d in zip(args, dims, strict=True))), 0
