"""Collectives: operations over the named axis of an enclosing ``vmap``."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from fxad.core.aval import ShapedArray
from fxad.core.primitive import Primitive, Rule
from fxad.core.source import error
from fxad.errors import ArgumentValueError, AxisNameError
from fxad.ops.base import (
    dim_after_reduction,
    elements,
    moveaxis,
    reduce_sum,
    shape_of,
    to_front,
)
from fxad.ops.elementwise import mul, select

Names = tuple[Any, ...]


def _unbound(operation: str) -> Rule:
    """The value of a collective: there is none where no ``vmap`` has taken the axis away."""

    def impl(xp: Any, *args: Any, axis_name: Names, **params: Any) -> Any:
        raise error(
            AxisNameError,
            operation,
            f"got the unbound axis name {axis_name[0]!r}, wanted one of an enclosing vmap",
            f"Call the function under fxad.vmap(..., axis_name={axis_name[0]!r}).",
        )

    return impl


def without(names: Names, name: Any) -> Names:
    """The axes that are left when one of them has been dealt with."""
    return tuple(n for n in names if n != name)


def collective(
    name: str,
    abstract: Rule,
    over_axis: Callable[..., tuple[Any, Any]],
    jvp: Rule | None,
    transpose: Rule | None = None,
) -> Primitive:
    """A primitive with the parameter ``axis_name``: a tuple of the axes it works over.

    ``over_axis(size, x, dim, **params) -> (out, out_dim)`` does the work for the batch axis
    ``dim`` of ``x`` (None: the same value for all), with the axis taken out of ``axis_name``.
    """

    def batch(
        size: Any, args: Sequence[Any], dims: Sequence[Any], /, *, axis_name: Names, **params: Any
    ) -> tuple[Any, Any]:
        if size.name in axis_name:
            rest = without(axis_name, size.name)
            return over_axis(size, args[0], dims[0], axis_name=rest, **params)
        return _batch_other(primitive, args[0], dims[0], axis_name=axis_name, **params)

    primitive = Primitive(
        name,
        abstract=abstract,
        impl=_unbound(name),
        jvp=jvp,
        transpose=transpose,
        batch=batch,
        cost=elements,
        collective=True,
    )
    return primitive


def _batch_other(
    primitive: Primitive, x: Any, dim: int, **params: Any
) -> tuple[Any, int]:
    """A batch axis that the collective does not speak of: it stands last, and is left alone."""
    x = moveaxis(x, dim, len(shape_of(x)) - 1)
    out = primitive.bind(x, **params)
    return out, len(shape_of(out)) - 1


def _linear_jvp(bind: Callable[..., Any]) -> Rule:
    def jvp(primals: Sequence[Any], tangents: Sequence[Any], **params: Any) -> tuple[Any, Any]:
        return bind(*primals, **params), bind(*tangents, **params)

    return jvp


# psum ------------------------------------------------------------------------------------------


def _psum_over_axis(size: Any, x: Any, dim: int | None, *, axis_name: Names) -> tuple[Any, None]:
    out = mul(x, int(size)) if dim is None else reduce_sum(x, (dim,))
    return (psum_p.bind(out, axis_name=axis_name) if axis_name else out), None


psum_p: Primitive = collective(
    "psum",
    abstract=lambda x, *, axis_name: ShapedArray(x.shape, x.dtype),
    over_axis=_psum_over_axis,
    jvp=_linear_jvp(lambda x, **params: psum_p.bind(x, **params)),
    transpose=lambda ct, x, *, axis_name: [psum_p.bind(ct, axis_name=axis_name)],
)

# all_gather --------------------------------------------------------------------------------------


def _gather_abstract(
    x: ShapedArray, *, axis_name: Names, axis: int, size: int
) -> ShapedArray:
    return ShapedArray((*x.shape[:axis], size, *x.shape[axis:]), x.dtype)


def _gather_over_axis(
    size: Any, x: Any, dim: int | None, /, *, axis_name: Names, axis: int, **params: Any
) -> tuple[Any, None]:
    return moveaxis(to_front(x, dim, size), 0, axis), None


def _gather_transpose(ct: Any, x: Any, *, axis_name: Names, axis: int, size: int) -> list[Any]:
    return [scatter_sum_p.bind(ct, axis_name=axis_name, axis=axis, size=size)]


all_gather_p: Primitive = collective(
    "all_gather",
    abstract=_gather_abstract,
    over_axis=_gather_over_axis,
    jvp=_linear_jvp(lambda x, **params: all_gather_p.bind(x, **params)),
    transpose=_gather_transpose,
)

# psum_scatter: the sum over the axis, of which every member keeps its own part ------------------


def _scatter_abstract(
    x: ShapedArray, *, axis_name: Names, axis: int, size: int
) -> ShapedArray:
    return ShapedArray((*x.shape[:axis], *x.shape[axis + 1 :]), x.dtype)


def _scatter_over_axis(
    size: Any, x: Any, dim: int | None, /, *, axis_name: Names, axis: int, **params: Any
) -> tuple[Any, int]:
    if dim is None:
        return mul(x, int(size)), axis
    return reduce_sum(x, (dim,)), dim_after_reduction(axis + (axis >= dim), (dim,))


scatter_sum_p: Primitive = collective(
    "psum_scatter",
    abstract=_scatter_abstract,
    over_axis=_scatter_over_axis,
    jvp=_linear_jvp(lambda x, **params: scatter_sum_p.bind(x, **params)),
    transpose=lambda ct, x, *, axis_name, axis, size: [
        all_gather_p.bind(ct, axis_name=axis_name, axis=axis, size=size)
    ],
)

# ppermute --------------------------------------------------------------------------------------


def _ppermute_over_axis(
    size: Any, x: Any, dim: int | None, *, axis_name: Names, perm: tuple[tuple[int, int], ...]
) -> tuple[Any, int]:
    x = to_front(x, dim, size)
    source, given = np.zeros(int(size), np.intp), np.zeros(int(size), bool)
    for start, end in perm:
        source[end], given[end] = start, True
    mask = given.reshape((int(size),) + (1,) * (len(shape_of(x)) - 1))
    return select(mask, x[source], 0), 0


ppermute_p: Primitive = collective(
    "ppermute",
    abstract=lambda x, *, axis_name, perm: ShapedArray(x.shape, x.dtype),
    over_axis=_ppermute_over_axis,
    jvp=_linear_jvp(lambda x, **params: ppermute_p.bind(x, **params)),
    transpose=lambda ct, x, *, axis_name, perm: [
        ppermute_p.bind(ct, axis_name=axis_name, perm=tuple((b, a) for a, b in perm))
    ],
)

# axis_index ------------------------------------------------------------------------------------


def _index_batch(
    size: Any, args: Sequence[Any], dims: Sequence[Any], *, axis_name: Names
) -> tuple[Any, int]:
    return np.arange(int(size)), 0


axis_index_p = Primitive(
    "axis_index",
    abstract=lambda *, axis_name: ShapedArray((), np.dtype(np.int64)),
    impl=_unbound("axis_index"),
    jvp=None,
    batch=_index_batch,
    cost=elements,
    collective=True,
)


def check_permutation(perm: Sequence[tuple[int, int]], size: int) -> tuple[tuple[int, int], ...]:
    """The pairs (source, destination), each number within the axis and named once on a side."""
    pairs = tuple((int(a), int(b)) for a, b in perm)
    for side in ([a for a, _ in pairs], [b for _, b in pairs]):
        if len(set(side)) != len(side) or any(not 0 <= n < size for n in side):
            raise error(
                ArgumentValueError,
                "ppermute",
                f"got perm={list(pairs)} for an axis of size {size}, wanted pairs "
                "(source, destination) of different numbers from 0 to size - 1",
            )
    return pairs

