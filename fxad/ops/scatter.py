"""New arrays with parts replaced, increased, ...: scatter and ``put_along_axis``."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from fxad.core.aval import Shape, ShapedArray, aval_of, is_differentiable
from fxad.core.primitive import Primitive
from fxad.core.source import error
from fxad.core.trace import is_linear
from fxad.errors import DtypeError, IndexingError, ShapeError
from fxad.ops.base import (
    assigned,
    broadcast_to,
    convert,
    dtype_of,
    elements,
    moveaxis,
    normalize_axis,
    reshape,
    shape_of,
    to_front,
    transpose,
    unbroadcast,
)
from fxad.ops.cumulative import linear_recurrence
from fxad.ops.elementwise import div, mul, select
from fxad.ops.index_spec import (
    ARRAY,
    Along,
    Spec,
    array_shape,
    batch_index,
    order_of,
    rebuild,
    result_shape,
)
from fxad.ops.indexing import (
    along_spec,
    bytes_of_places,
    gather_p,
    getitem_p,
    index_array,
    parse_with_mode,
    place,
    without_dropped,
    zeros_beside,
)
from fxad.ops.logic import eq
from fxad.ops.rules import nonlinear
from fxad.ops.shape import shifted


def _is_basic(spec: Spec) -> bool:
    return not any(e == ARRAY or type(e) is Along for e in spec)


def _updates_shape(x: Shape, arrays: Sequence[Any], spec: Spec) -> Shape:
    """The shape of what an index gives."""
    return result_shape(x, spec, None if _is_basic(spec) else array_shape("at", spec, arrays))


def _read(x: Any, arrays: Sequence[Any], spec: Spec, unique: bool, drop: bool, fill: Any) -> Any:
    """What an index gives, with ``fill`` where updates are dropped."""
    if _is_basic(spec):
        return getitem_p.bind(x, spec=spec)
    return gather_p.bind(x, *arrays, spec=spec, fill_value=fill if drop else None, unique=unique)


# Which of the updates meet -----------------------------------------------------------------------


def _about_updates(name: str, dtype: Any, impl: Callable[..., Any]) -> Primitive:
    """A primitive ``impl(xp, positions, count)`` that tells something of each update."""

    def abstract(*arrays: ShapedArray, shape: Shape, spec: Spec, drop: bool) -> ShapedArray:
        return ShapedArray(_updates_shape(shape, arrays, spec), np.dtype(dtype))

    def batch(
        size: int,
        args: Sequence[Any],
        dims: Sequence[int | None],
        *,
        shape: Shape,
        spec: Spec,
        drop: bool,
    ) -> tuple[Any, int]:
        spec, arrays, axis, dim = batch_index(size, spec, args, dims)
        shape = (*shape[:axis], size, *shape[axis:])
        return primitive.bind(*arrays, shape=shape, spec=spec, drop=drop), dim

    primitive = Primitive(
        name,
        abstract=abstract,
        impl=lambda xp, *arrays, **params: impl(xp, *_positions(xp, arrays, **params)),
        jvp=None,
        batch=batch,
        cost=elements,
    )
    return primitive


def _positions(
    xp: Any, arrays: Sequence[Any], shape: Shape, spec: Spec, drop: bool
) -> tuple[Any, int]:
    """The place of each update in the flattened array, and the number behind the last place."""
    count = int(np.prod(shape))
    places = xp.arange(count).reshape(shape)
    fill_value = count if drop else None
    return gather_p.impl(xp, places, *arrays, spec=spec, fill_value=fill_value, unique=False), count


def _winners(xp: Any, positions: Any, count: int) -> Any:
    numbers = xp.arange(positions.size).reshape(positions.shape)
    last = xp.scatter(xp.zeros(count + 1, np.int64), positions, numbers, "set")
    return last[positions] == numbers


#: The place of each update in the flattened array.
positions_p = _about_updates("update_positions", np.int64, lambda xp, positions, count: positions)
#: Whether an update is the last one at its place, the one that "set" keeps.
winners_p = _about_updates("update_wins", np.bool_, _winners)


def _order_batch(size: int, args: Sequence[Any], dims: Sequence[Any]) -> tuple[Any, int]:
    return order_p.bind(to_front(args[0], dims[0], size)), 0


order_p = Primitive(
    "sorting_order",
    abstract=lambda x: ShapedArray(x.shape, np.dtype(np.int64)),
    impl=lambda xp, x: xp.argsort(x, axis=-1),
    jvp=None,
    batch=_order_batch,
    cost=elements,
)


def _others(updates: Any, arrays: Sequence[Any], **params: Any) -> Any:
    """For each update the product of all others at its place, exact also where some are zero."""
    shape = shape_of(updates)
    positions = reshape(positions_p.bind(*arrays, **params), (aval_of(updates).size,))
    order = order_p.bind(positions)
    places, factors = (
        gather_p.bind(v, order, spec=(ARRAY,), fill_value=None, unique=True)
        for v in (positions, reshape(updates, shape_of(positions)))
    )
    product = None
    for reverse in (False, True):
        meets = eq(places, shifted(places, -1, 0, reverse))
        one = dtype_of(factors).type(1)
        ratio = select(meets, shifted(factors, 1, 0, reverse), zeros_beside(factors, ()))
        start = select(meets, zeros_beside(factors, ()), one)
        part = linear_recurrence(ratio, start, 0, reverse)
        product = part if product is None else mul(product, part)
    product = place(product, [order], shape_of(positions), (ARRAY,), unique=True)
    return reshape(product, shape)


# The primitive -----------------------------------------------------------------------------------


def _scatter_abstract(
    x: ShapedArray,
    updates: ShapedArray,
    *arrays: ShapedArray,
    spec: Spec,
    combine: str,
    unique: bool,
    drop: bool,
) -> ShapedArray:
    wanted = _updates_shape(x.shape, arrays, spec)
    if updates.shape not in ((), wanted) or updates.dtype != x.dtype:
        raise error(
            ShapeError,
            "scatter",
            f"got updates {updates.long_name()} for a part of shape {wanted} of {x.long_name()}, "
            "wanted its shape, or one number, and its dtype",
        )
    return ShapedArray(x.shape, x.dtype)


def _scatter_impl(
    xp: Any,
    x: Any,
    updates: Any,
    *arrays: Any,
    spec: Spec,
    combine: str,
    unique: bool,
    drop: bool,
) -> Any:
    try:
        index = rebuild(xp, spec, arrays)
        if drop and arrays:
            arrays = tuple(map(xp.asarray, arrays))  # a program hands over Python's integers
            updates = xp.broadcast_to(updates, _updates_shape(x.shape, arrays, spec))
            index, updates = without_dropped(xp, x.shape, spec, arrays, updates)
        return xp.scatter(x, index, updates, combine)
    except IndexError as e:
        raise error(IndexingError, "scatter", str(e)) from None


def _scatter_jvp(
    primals: Sequence[Any], tangents: Sequence[Any], *, combine: str, **params: Any
) -> tuple[Any, Any]:
    (x, updates, *arrays), (tx, tu, *_) = primals, tangents
    out = scatter_p.bind(*primals, combine=combine, **params)
    if not is_differentiable(dtype_of(out)) or (tx is None and tu is None):
        return out, None
    if combine == "set":
        tx = zeros_beside(x, shape_of(x)) if tx is None else tx
        tu = zeros_beside(updates, ()) if tu is None else tu
        return out, scatter_p.bind(tx, tu, *arrays, combine=combine, **params)
    if combine == "add":
        return out, tx if tu is None else _scatter_add(tx, tu, x, arrays, **params)
    if combine == "mul":
        if tx is not None:
            tx = scatter_p.bind(tx, updates, *arrays, combine=combine, **params)
        if tu is not None:
            tu = mul(tu, _slope_of_product(x, updates, arrays, **params))
        return out, tx if tu is None else _scatter_add(tx, tu, x, arrays, **params)
    return out, _extremum_tangent(out, x, updates, tx, tu, arrays, **params)


def _scatter_add(tx: Any, tu: Any, x: Any, arrays: Sequence[Any], **params: Any) -> Any:
    if tx is not None:
        return scatter_p.bind(tx, tu, *arrays, combine="add", **params)
    tu = broadcast_to(tu, _updates_shape(shape_of(x), arrays, params["spec"]))
    return place(tu, arrays, shape_of(x), **params)


def _slope_of_product(
    x: Any, updates: Any, arrays: Sequence[Any], spec: Spec, unique: bool, drop: bool
) -> Any:
    """What each update is multiplied by: the element, and the other updates of it."""
    before = _read(x, arrays, spec, unique, drop, 1)
    if unique:
        return before
    updates = broadcast_to(updates, shape_of(before))
    others = _others(updates, arrays, shape=shape_of(x), spec=spec, drop=drop)
    return mul(before, others)


def _extremum_tangent(
    out: Any,
    x: Any,
    updates: Any,
    tx: Any,
    tu: Any,
    arrays: Sequence[Any],
    spec: Spec,
    unique: bool,
    drop: bool,
) -> Any:
    """The tangents of those that reach the extremum, in equal shares."""
    dtype = dtype_of(x)
    from_x = convert(eq(x, out), dtype)
    from_updates = convert(eq(updates, _read(out, arrays, spec, unique, drop, 0)), dtype)
    form = {"spec": spec, "unique": unique, "drop": drop}
    count = scatter_p.bind(from_x, from_updates, *arrays, combine="add", **form)
    # A NaN equals nothing: its tangents count 0, and are divided by 1.
    count = select(eq(count, 0), dtype.type(1), count)
    total = None if tx is None else mul(tx, from_x)
    if tu is not None:
        total = _scatter_add(total, mul(tu, from_updates), x, arrays, **form)
    return div(total, count)


def _scatter_transpose(
    ct: Any,
    x: Any,
    updates: Any,
    *arrays: Any,
    spec: Spec,
    combine: str,
    unique: bool,
    drop: bool,
) -> list[Any]:
    form = {"spec": spec, "unique": unique, "drop": drop}
    if combine in ("min", "max") or (combine == "mul" and is_linear(updates)):
        raise nonlinear(f"scatter_{combine}")
    ct_x = ct_updates = None
    if is_linear(x):
        if combine == "set":
            ct_x = scatter_p.bind(ct, zeros_beside(ct, ()), *arrays, combine="set", **form)
        elif combine == "mul":
            ct_x = scatter_p.bind(ct, updates, *arrays, combine="mul", **form)
        else:
            ct_x = ct
    if is_linear(updates):
        ct_updates = _read(ct, arrays, spec, unique, drop, 0)
        if combine == "set" and not unique:
            wins = winners_p.bind(*arrays, shape=shape_of(ct), spec=spec, drop=drop)
            ct_updates = select(wins, ct_updates, zeros_beside(ct, ()))
        ct_updates = unbroadcast(ct_updates, updates.aval)
    return [ct_x, ct_updates, *[None] * len(arrays)]


def _scatter_batch(
    size: int, args: Sequence[Any], dims: Sequence[int | None], *, spec: Spec, **params: Any
) -> tuple[Any, int]:
    (x, updates, *arrays), (x_dim, updates_dim, *array_dims) = args, dims
    spec, arrays, axis, dim = batch_index(size, spec, arrays, array_dims)
    x = moveaxis(to_front(x, x_dim, size), 0, axis)
    if updates_dim is not None:
        wanted = _updates_shape(shape_of(x), arrays, spec)
        updates = moveaxis(updates, updates_dim, 0)
        if len(shape_of(updates)) == 1:
            updates = reshape(updates, (size, *(1,) * (len(wanted) - 1)))
        updates = broadcast_to(moveaxis(updates, 0, dim), wanted)
    elif shape_of(updates):
        updates = moveaxis(to_front(updates, None, size), 0, dim)
    return scatter_p.bind(x, updates, *arrays, spec=spec, **params), axis


def _scatter_cost(avals: Sequence[ShapedArray], params: dict[str, Any]) -> tuple[float, float]:
    x, updates, *arrays = avals
    moved = sum(a.size * a.dtype.itemsize for a in (x, x, updates, updates, *arrays))
    return float(updates.size), float(moved)


def _scatter_scratch(
    x: Any, updates: Any, *arrays: Any, spec: Spec, combine: str, **_: Any
) -> int:
    if combine == "set" or not arrays:
        return 0
    return bytes_of_places(x.shape, math.prod(_updates_shape(x.shape, arrays, spec)))


scatter_p = Primitive(
    "scatter",
    abstract=_scatter_abstract,
    impl=_scatter_impl,
    jvp=_scatter_jvp,
    transpose=_scatter_transpose,
    batch=_scatter_batch,
    cost=_scatter_cost,
    scratch=_scatter_scratch,
)


# Functions ---------------------------------------------------------------------------------------


def scatter(
    x: Any,
    index: Any,
    values: Any,
    combine: str = "set",
    mode: Any = None,
    unique_indices: bool = False,
) -> Any:
    """A copy of ``x`` with values combined with ``x[index]``; equal indices each take part.

    Args:
      x: the array.
      index: as NumPy takes it.
      values: broadcast to ``x[index]`` and cast to the dtype of ``x``.
      combine: ``"set"`` (the last of equal indices stays), ``"add"``, ``"mul"``, ``"min"`` or
        ``"max"``.
      mode: of indices out of bounds: ``None`` for an error, ``"drop"`` (or ``"fill"``), ``"clip"``
        or ``"wrap"``.
      unique_indices: a promise that no element is named twice, which makes derivatives faster.

    Raises:
      IndexingError: the index does not fit the array.
      ShapeError: the values do not broadcast to ``x[index]``.
      DtypeError: the dtype of ``x`` cannot hold the values.
    """
    before = shape_of(x)
    found, mode = parse_with_mode("at", before, index, mode)
    wanted, order = _updates_shape(found.shape, found.arrays, found.spec), order_of(found)
    if order is None:
        updates = as_updates(x, values, wanted)
    else:
        updates = as_updates(x, values, tuple(wanted[d] for d in order))
        if shape_of(updates):
            updates = transpose(updates, sorted(range(len(order)), key=order.__getitem__))
    out = scatter_p.bind(
        x if len(found.shape) == len(before) else reshape(x, found.shape),
        updates,
        *found.arrays,
        spec=found.spec,
        combine=combine,
        unique=found.unique or unique_indices,
        drop=mode == "fill",
    )
    return out if len(found.shape) == len(before) else reshape(out, before)


_KINDS = "biufc"


def as_updates(x: Any, values: Any, wanted: Shape) -> Any:
    """Values in the dtype of an array and the shape of a part of it; a number stays one."""
    dtype = dtype_of(x)
    given = aval_of(values)
    fits = np.can_cast(given.dtype, dtype, "same_kind") or (
        given.weak_type and _KINDS.index(given.dtype.kind) <= _KINDS.index(dtype.kind)
    )
    if not fits:
        raise error(
            DtypeError,
            "at",
            f"got values of {given.dtype} for an array of {dtype}, which cannot hold them",
            f"Cast the values with .astype('{dtype}') or the array with .astype('{given.dtype}').",
        )
    values = assigned(values, dtype)
    shape = given.shape
    extra = max(len(shape) - len(wanted), 0)
    if any(n != 1 for n in shape[:extra]) or not all(
        n in (1, m) for n, m in zip(reversed(shape[extra:]), reversed(wanted), strict=False)
    ):
        raise error(
            ShapeError,
            "at",
            f"got values of shape {shape} for a part of shape {wanted}, to which they do not "
            "broadcast",
        )
    return broadcast_to(reshape(values, shape[extra:]), wanted) if shape else values


def put_along_axis(x: Any, indices: Any, values: Any, axis: int | None) -> Any:
    """A copy of ``x`` with values at the places that ``indices`` names along an axis.

    Args:
      x: the array; it stays as it is, unlike with NumPy's function of this name.
      indices: integers, as for ``take_along_axis``.
      values: broadcast to the shape of the places.
      axis: the axis; ``None``: of the flattened array.

    Returns:
      The new array.

    Raises:
      IndexingError: an index is out of bounds, or the shapes do not fit.

    Example:
      >>> import numpy as np
      >>> from fxad.ops.scatter import put_along_axis
      >>> put_along_axis(np.zeros((2, 3)), np.array([[0], [2]]), 1.0, axis=1).tolist()
      [[1.0, 0.0, 0.0], [0.0, 0.0, 1.0]]
    """
    before = shape_of(x)
    indices = index_array("put_along_axis", indices)
    if axis is None:
        x, axis = reshape(x, (aval_of(x).size,)), 0
    axis = normalize_axis("put_along_axis", axis, len(shape_of(x)))
    spec = along_spec("put_along_axis", x, indices, axis)
    values = as_updates(x, values, _updates_shape(shape_of(x), [indices], spec))
    out = scatter_p.bind(x, values, indices, spec=spec, combine="set", unique=False, drop=False)
    return reshape(out, before)
