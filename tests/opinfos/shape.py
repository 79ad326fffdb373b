"""What casts, repeats, sums and moves elements."""

from collections.abc import Callable, Iterable, Sequence
from typing import Any

import numpy as np

import fxad.ops.base as base
import fxad.ops.identity as identity
import fxad.ops.shape as ops
from fxad.errors import ArgumentValueError, ShapeError
from fxad.ops.elementwise import stop_gradient_p
from fxad.ops.roll import roll
from fxad.ops.transfer import device_put, device_put_p
from tests.opinfo import (
    COMPLEX,
    EVERY,
    HALF,
    INTEGER,
    ErrorInput,
    OpInfo,
    SampleInput,
    Samples,
    array,
)

NUMBERS = (*INTEGER, *HALF, *COMPLEX)


def each_with(cases: Sequence[tuple[Any, dict[str, Any]]]) -> Samples:
    """One array (or several, for a list of shapes) for each pair of shape and parameters."""

    def samples(rng: np.random.Generator, dtype: np.dtype[Any]) -> Iterable[SampleInput]:
        for shapes, kwargs in cases:
            listed = shapes if isinstance(shapes, list) else [shapes]
            yield SampleInput(tuple(array(rng, s, dtype) for s in listed), kwargs)

    return samples


def each_list(cases: Sequence[tuple[Any, dict[str, Any]]]) -> Samples:
    """As ``each_with``, with the arrays as one list."""
    of_arrays = each_with(cases)

    def samples(rng: np.random.Generator, dtype: np.dtype[Any]) -> Iterable[SampleInput]:
        for sample in of_arrays(rng, dtype):
            yield SampleInput((list(sample.args),), sample.kwargs)

    return samples


def refused(*bad: Any) -> Callable[[], Iterable[ErrorInput]]:
    """Errors as ``(args, kwargs, error, match)``."""
    return lambda: [ErrorInput(args, error, match, kwargs) for args, kwargs, error, match in bad]


def _padded(x: Any, value: Any, padding: Any) -> Any:
    """An array as ``lax.pad`` pads it, one element at a time."""
    shape = [
        lo + hi + n + max(n - 1, 0) * between
        for n, (lo, hi, between) in zip(x.shape, padding, strict=True)
    ]
    out = np.full(shape, value, x.dtype)
    for index in np.ndindex(*x.shape):
        place = tuple(
            lo + i * (between + 1) for i, (lo, _, between) in zip(index, padding, strict=True)
        )
        if all(0 <= i < n for i, n in zip(place, shape, strict=True)):
            out[place] = x[index]
    return out


def _in_dims(x: Any, shape: Any, dims: Any) -> Any:
    inner = [1] * len(shape)
    for d, n in zip(dims, x.shape, strict=True):
        inner[d] = n
    return np.broadcast_to(x.reshape(inner), shape)


def _cast(x: Any, dtype: Any) -> Any:
    if x.dtype.kind == "c" and np.dtype(dtype).kind not in "cb":
        x = x.real
    return x.astype(dtype)


M = np.ones((2, 3))

LINEAR = (
    OpInfo(
        "convert_element_type",
        base.convert,
        _cast,
        each_with([((2, 3), {"dtype": d}) for d in ("float64", "complex128", "int32", "bool")]),
        EVERY,
        (base.convert_element_type_p,),
        keeps_precision=False,
        linear=(0,),
    ),
    OpInfo(
        "add_any",
        base.add_any,
        np.add,
        each_with([([s, s], {}) for s in ((), (3,), (2, 0), (2, 3))]),
        (*HALF, *COMPLEX),
        (base.add_any_p,),
    ),
    OpInfo(
        "broadcast_in_dim",
        base.broadcast_in_dim,
        _in_dims,
        each_with(
            [
                ((), {"shape": (2, 3), "dims": ()}),
                ((3,), {"shape": (2, 3), "dims": (1,)}),
                ((2,), {"shape": (2, 3), "dims": (0,)}),
                ((1, 3), {"shape": (4, 2, 3), "dims": (1, 2)}),
                ((2, 1), {"shape": (2, 0), "dims": (0, 1)}),
            ]
        ),
        EVERY,
        (base.broadcast_in_dim_p,),
        linear=(0,),
        errors=refused(
            (
                (M,),
                {"shape": (3, 4), "dims": (0, 1)},
                ShapeError,
                r"\[broadcast.*\(2, 3\).*\(3, 4\)",
            )
        ),
    ),
    OpInfo(
        "broadcast_to",
        base.broadcast_to,
        np.broadcast_to,
        each_with([((3,), {"shape": (2, 3)}), ((), {"shape": (2,)}), ((2, 1), {"shape": (2, 3)})]),
        EVERY,
        linear=(0,),
        errors=refused(((M,), {"shape": (3,)}, ShapeError, r"\[broadcast_to\] got \(2, 3\)")),
    ),
    OpInfo(
        "reduce_sum",
        base.reduce_sum,
        lambda x, axes: np.sum(x, axis=axes, dtype=x.dtype) if axes else x,
        each_with(
            [
                ((2, 3), {"axes": (0,)}),
                ((2, 3), {"axes": (1,)}),
                ((2, 3), {"axes": (0, 1)}),
                ((2, 3, 4), {"axes": (0, 2)}),
                ((2, 0), {"axes": (1,)}),
                ((3,), {"axes": ()}),
            ]
        ),
        NUMBERS,
        (base.reduce_sum_p,),
        linear=(0,),
        tolerance=4,
    ),
    OpInfo(
        "reshape",
        base.reshape,
        np.reshape,
        each_with(
            [
                ((2, 3), {"shape": (3, 2)}),
                ((2, 3), {"shape": (6,)}),
                ((1,), {"shape": ()}),
                ((), {"shape": (1, 1)}),
                ((0, 3), {"shape": (3, 0)}),
            ]
        ),
        EVERY,
        (base.reshape_p,),
        linear=(0,),
        errors=refused(((M,), {"shape": (4, 2)}, ShapeError, r"\[reshape\] got \(2, 3\).*6.*8")),
    ),
    OpInfo(
        "transpose",
        base.transpose,
        lambda x, permutation: np.transpose(x, permutation),
        each_with(
            [
                ((2, 3), {"permutation": (1, 0)}),
                ((2, 3, 4), {"permutation": (2, 0, 1)}),
                ((2, 3, 4), {"permutation": (0, 2, 1)}),
                ((0, 3), {"permutation": (1, 0)}),
            ]
        ),
        EVERY,
        (base.transpose_p,),
        linear=(0,),
        errors=refused(
            ((M,), {"permutation": (1, 1)}, ArgumentValueError, r"\[transpose\].*\(1, 1\)")
        ),
    ),
    OpInfo(
        "slice",
        ops.slice_,
        lambda x, start, limit, strides=None: x[
            tuple(map(slice, start, limit, strides or (1,) * x.ndim))
        ],
        each_with(
            [
                ((5,), {"start": (1,), "limit": (4,)}),
                ((5,), {"start": (0,), "limit": (5,), "strides": (2,)}),
                ((4, 6), {"start": (1, 0), "limit": (3, 5), "strides": (1, 3)}),
                ((4,), {"start": (2,), "limit": (2,)}),
            ]
        ),
        EVERY,
        (ops.slice_p,),
        linear=(0,),
        jax=lambda jax: (
            lambda x, start, limit, strides=None: jax.lax.slice(x, start, limit, strides)
        ),
        errors=refused(
            ((M,), {"start": (0, 0), "limit": (3, 3)}, ArgumentValueError, r"\[slice\].*\(2, 3\)")
        ),
    ),
    OpInfo(
        "rev",
        ops.flip,
        np.flip,
        each_with([((3,), {}), ((2, 3), {"axis": 1}), ((2, 3, 2), {"axis": (0, -1)}), ((0,), {})]),
        EVERY,
        (ops.rev_p,),
        linear=(0,),
        jax="numpy.flip",
        errors=refused(((M,), {"axis": 2}, ArgumentValueError, "got axis 2 .* 2 dimensions")),
    ),
    OpInfo(
        "device_put",
        device_put,
        lambda x, device=None: np.copy(x),
        each_with([((2, 3), {}), ((3,), {"device": "cpu"})]),
        EVERY,
        (device_put_p,),
        linear=(0,),
    ),
    OpInfo(
        "copy",
        identity.copy,
        np.copy,
        each_with([((), {}), ((2, 3), {}), ((0,), {})]),
        EVERY,
        (identity.copy_p,),
        linear=(0,),
    ),
)

PADDINGS = [
    ((3,), ((1, 2, 0),)),
    ((3,), ((0, 1, 2),)),
    ((2, 3), ((1, 0, 0), (-1, 2, 1))),
    ((4,), ((-1, -2, 0),)),
    ((0,), ((2, 1, 3),)),
]


def _pad_samples(rng: np.random.Generator, dtype: np.dtype[Any]) -> Iterable[SampleInput]:
    for shape, padding in PADDINGS:
        value = array(rng, (), dtype)
        yield SampleInput((array(rng, shape, dtype), value), {"padding": padding})


JOINING = (
    OpInfo(
        "pad",
        ops.pad,
        _padded,
        _pad_samples,
        EVERY,
        (ops.pad_p,),
        errors=refused(
            ((M, 0.0), {"padding": ((1, 1, 0),)}, ArgumentValueError, r"\[pad\].*each axis"),
            ((M, 0.0), {"padding": ((-2, -1, 0), (0, 0, 0))}, ShapeError, r"\[pad\].*\(2, 3\)"),
            (
                (M, np.ones(2)),
                {"padding": ((1, 1, 0),) * 2},
                ShapeError,
                r"\[pad\] got.*one number",
            ),
        ),
    ),
    OpInfo(
        "concatenate",
        ops.concatenate,
        np.concatenate,
        each_list(
            [
                ([(2,), (3,)], {}),
                ([(2, 3), (1, 3), (2, 3)], {"axis": 0}),
                ([(2, 3), (2, 0), (2, 1)], {"axis": -1}),
                ([(2, 2), (3,)], {"axis": None}),
            ]
        ),
        EVERY,
        (ops.concatenate_p,),
        jax="numpy.concatenate",
        errors=refused(
            (([M, np.ones((3, 2))],), {}, ShapeError, r"\[concatenate\].*\(2, 3\) and \(3, 2\)"),
            (([np.float64(1.0)] * 2,), {}, ShapeError, r"(?s)\[concatenate\].*[Uu]se stack"),
            (([M, M],), {"axis": 2}, ArgumentValueError, r"\[concatenate\] got axis 2"),
        ),
    ),
    OpInfo(
        "stack",
        ops.stack,
        np.stack,
        each_list([([(2, 3), (2, 3)], {"axis": k}) for k in (0, 1, -1)] + [([(), (), ()], {})]),
        EVERY,
        jax="numpy.stack",
        errors=refused((([M, np.ones(3)],), {}, ShapeError, r"\[stack\].*\(2, 3\) and \(3,\)")),
    ),
    OpInfo(
        "split",
        ops.split,
        lambda x, sizes, axis=0: np.split(x, np.cumsum(sizes)[:-1], axis),
        each_with(
            [
                ((6,), {"sizes": (1, 2, 3)}),
                ((2, 4), {"sizes": (2, 0, 2), "axis": 1}),
                ((3, 2), {"sizes": (3,), "axis": -2}),
            ]
        ),
        EVERY,
        (ops.split_p,),
        jax="lax.split",
        errors=refused(((M,), {"sizes": (1, 3)}, ShapeError, r"\[split\].*\(1, 3\).*add up to 2")),
    ),
    OpInfo(
        "roll",
        roll,
        np.roll,
        each_with(
            [
                ((4,), {"shift": 1}),
                ((2, 3), {"shift": -2}),
                ((2, 3), {"shift": 1, "axis": 1}),
                ((2, 3), {"shift": (1, 2), "axis": (0, 1)}),
                ((0,), {"shift": 3}),
            ]
        ),
        EVERY,
        linear=(0,),
        jax="numpy.roll",
    ),
    OpInfo(
        "tile",
        ops.tile,
        np.tile,
        each_with([((3,), {"reps": 2}), ((2, 3), {"reps": (2, 1)}), ((2,), {"reps": (3, 2)})]),
        EVERY,
        linear=(0,),
        jax="numpy.tile",
    ),
    OpInfo(
        "repeat",
        ops.repeat,
        np.repeat,
        each_with([((3,), {"repeats": 2}), ((2, 3), {"repeats": 3, "axis": 1})]),
        EVERY,
        linear=(0,),
        jax="numpy.repeat",
    ),
    OpInfo(
        "squeeze",
        ops.squeeze,
        np.squeeze,
        each_with([((1, 3, 1), {}), ((1, 3, 1), {"axis": 0}), ((1, 3, 1), {"axis": (0, -1)})]),
        EVERY,
        linear=(0,),
        errors=refused(((M,), {"axis": 0}, ShapeError, r"\[squeeze\].*\(2, 3\)")),
    ),
    OpInfo(
        "expand_dims",
        ops.expand_dims,
        np.expand_dims,
        each_with([((3,), {"axis": 0}), ((3,), {"axis": (0, -1)}), ((), {"axis": 0})]),
        EVERY,
        linear=(0,),
    ),
    OpInfo(
        "broadcast_arrays",
        ops.broadcast_arrays,
        lambda *xs: list(np.broadcast_arrays(*xs)),
        each_with([([(2, 1), (3,)], {}), ([(), (2,), (1, 2)], {})]),
        EVERY,
        errors=refused(((M, np.ones(2)), {}, ShapeError, r"\(2, 3\) and \(2,\)")),
    ),
)

AS_THEY_ARE = (
    OpInfo(
        "stop_gradient",
        stop_gradient_p.bind,
        np.copy,
        each_with([((), {}), ((2, 3), {})]),
        EVERY,
        (stop_gradient_p,),
        order=0,
        elementwise=True,
        jax="lax.stop_gradient",
    ),
    OpInfo(
        "bitcast_convert_type",
        identity.bitcast_convert_type,
        lambda x, dtype: np.ascontiguousarray(x).view(dtype),
        each_with([((2, 3), {"dtype": "uint64"}), ((3,), {"dtype": "int64"})]),
        ("float64", "int64"),
        (identity.bitcast_convert_type_p,),
        order=0,
    ),
    OpInfo(
        "optimization_barrier",
        lambda *xs: identity.optimization_barrier(xs),
        lambda *xs: [np.copy(x) for x in xs],
        each_with([([(2,), ()], {}), ([(2, 3)], {})]),
        EVERY,
        (identity.optimization_barrier_p,),
    ),
)

TABLE = (*LINEAR, *JOINING, *AS_THEY_ARE)
