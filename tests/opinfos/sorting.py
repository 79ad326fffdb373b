"""Sorting and searching."""

from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np

import fxad.ops.sorting as ops
from fxad.errors import ArgumentValueError, ShapeError
from tests.opinfo import (
    COMPLEX,
    HALF,
    INTEGER,
    REAL,
    ErrorInput,
    OpInfo,
    SampleInput,
    Samples,
    distinct,
)

ORDERED = ("bool", *INTEGER, *HALF, *COMPLEX)
CASES = (((5,), {}), ((2, 4), {"axis": 0}), ((3, 2), {"axis": -1}), ((2, 3), {"axis": None}))
WITH_EMPTY = (*CASES, ((0,), {}), ((2, 0), {}))
M = np.ones((2, 3))


def ordered(cases: Sequence[Any], **extra: Any) -> Samples:
    def samples(rng: np.random.Generator, dtype: np.dtype[Any]) -> Iterable[SampleInput]:
        for shape, kwargs in cases:
            yield SampleInput((distinct(rng, shape, dtype),), {**extra, **kwargs})
        if dtype.kind == "f":
            tied = np.array([1.0, np.nan, -0.0, 1.0, 0.0, -np.inf], dtype)
            if "stable" in extra:
                yield SampleInput((tied,), extra, smooth=False)

    return samples


def no_axis(name: str) -> Any:
    return lambda: [ErrorInput((M,), ArgumentValueError, rf"\[{name}\] got axis 2", {"axis": 2})]


KTH = (((5,), {"kth": 2}), ((2, 4), {"kth": (0, -1), "axis": 1}), ((3, 2), {"kth": 1, "axis": 0}))


def _split_at(x: Any, kth: Any, axis: int = -1) -> Any:
    """A partition in the one form that all share: sorted before, at and behind each place."""
    return np.sort(x, axis=axis)


def _keys(rng: np.random.Generator, dtype: np.dtype[Any]) -> Iterable[SampleInput]:
    for shape, axis in [((5,), -1), ((2, 4), 0)]:
        keys = [rng.integers(0, 2, shape).astype(dtype) for _ in range(3)]
        yield SampleInput((keys,), {"axis": axis}, smooth=False)


def _together(rng: np.random.Generator, dtype: np.dtype[Any]) -> Iterable[SampleInput]:
    for shape, axis in [((5,), -1), ((2, 4), 0)]:
        operands = [distinct(rng, shape, dtype) for _ in range(2)]
        yield SampleInput((operands,), {"axis": axis})
        yield SampleInput((operands,), {"axis": axis, "num_keys": 2})


def _by_first(operands: Any, axis: int, num_keys: int = 1) -> Any:
    order = np.lexsort(operands[:num_keys][::-1], axis=axis)
    return [np.take_along_axis(x, order, axis) for x in operands]


def _greatest(x: Any, k: int, axis: int = -1) -> Any:
    order = np.flip(np.argsort(np.flip(x, axis), axis=axis, stable=True), axis)
    order = np.take(x.shape[axis] - 1 - order, range(k), axis)
    return np.take_along_axis(x, order, axis), order


def _searches(rng: np.random.Generator, dtype: np.dtype[Any]) -> Iterable[SampleInput]:
    for n, shape in [(5, (4,)), (7, (2, 3)), (1, ()), (0, (2,))]:
        a = np.sort(rng.integers(0, 6, n).astype(dtype))
        v = rng.integers(-1, 7, shape).astype(dtype) if dtype.kind != "u" else a[:1].sum()
        for side in ("left", "right"):
            yield SampleInput((a, np.asarray(v, dtype)), {"side": side}, smooth=False)


TABLE = (
    OpInfo(
        "sort",
        ops.sort,
        np.sort,
        ordered(WITH_EMPTY, stable=True),
        ORDERED,
        (ops.sort_p,),
        jax="numpy.sort",
        errors=no_axis("sort"),
    ),
    OpInfo(
        "argsort",
        ops.argsort,
        np.argsort,
        ordered(WITH_EMPTY, stable=True),
        ORDERED,
        (ops.argsort_p,),
        order=0,
        jax="numpy.argsort",
        errors=no_axis("argsort"),
    ),
    OpInfo(
        "partition",
        lambda x, kth, axis=-1: ops.sort(ops.partition(x, kth, axis), axis),
        _split_at,
        ordered(KTH),
        ORDERED,
        (ops.partition_p,),
        errors=lambda: [
            ErrorInput((M,), ArgumentValueError, r"\[partition\] got kth=3.*length 3", {"kth": 3})
        ],
    ),
    OpInfo(
        "argpartition",
        lambda x, kth, axis=-1: ops.sort(ops.argpartition(x, kth, axis), axis),
        lambda x, kth, axis=-1: np.sort(np.argpartition(x, kth, axis=axis), axis=axis),
        ordered(KTH),
        ORDERED,
        (ops.argpartition_p,),
        order=0,
    ),
    OpInfo(
        "lexsort",
        ops.lexsort,
        np.lexsort,
        _keys,
        ("int32", *REAL),
        (ops.lexsort_p,),
        order=0,
        errors=lambda: [
            ErrorInput(([M, np.ones(3)],), ShapeError, r"\[lexsort\].*\(2, 3\) and \(3,\)")
        ],
    ),
    OpInfo(
        "sort_together",
        ops.sort_together,
        _by_first,
        _together,
        ("int32", *REAL),
        errors=lambda: [
            ErrorInput(([M, np.ones(3)],), ShapeError, r"\[sort\].*\(2, 3\) and \(3,\)"),
            ErrorInput(([M],), ArgumentValueError, "num_keys=2 for 1", {"num_keys": 2}),
        ],
    ),
    OpInfo(
        "top_k",
        ops.top_k,
        _greatest,
        ordered((((5,), {"k": 3}), ((2, 4), {"k": 2, "axis": 0}), ((3, 2), {"k": 0}))),
        ("int32", *REAL),
        errors=lambda: [ErrorInput((M,), ArgumentValueError, r"\[top_k\] got k=4", {"k": 4})],
    ),
    OpInfo(
        "searchsorted",
        ops.searchsorted,
        np.searchsorted,
        _searches,
        ("int32", *HALF, *COMPLEX),
        (ops.searchsorted_p,),
        order=0,
        jax="numpy.searchsorted",
        errors=lambda: [
            ErrorInput((M, np.ones(2)), ShapeError, r"\[searchsorted\].*\(2, 3\)"),
            ErrorInput(
                (np.ones(3), np.ones(2)), ArgumentValueError, "side='middle'", {"side": "middle"}
            ),
        ],
    ),
)
