"""Reductions and running reductions."""

from collections.abc import Callable, Iterable, Sequence
from typing import Any

import numpy as np
import scipy.special

import fxad.ops.cumulative as cumulative
import fxad.ops.exponential as exponential
import fxad.ops.reduction as ops
from fxad.core.primitive import Primitive
from fxad.errors import ArgumentValueError
from tests.opinfo import (
    COMPLEX,
    EVERY,
    HALF,
    INTEGER,
    REAL,
    ErrorInput,
    OpInfo,
    SampleInput,
    Samples,
    array,
    distinct,
)

NUMBERS = ("bool", *INTEGER, *REAL, *COMPLEX)
ORDERED = ("bool", *INTEGER, *HALF)
Make = Callable[..., np.ndarray]

CASES: tuple[tuple[tuple[int, ...], dict[str, Any]], ...] = (
    ((3,), {}),
    ((2, 3), {"axis": 0}),
    ((2, 3), {"axis": -1, "keepdims": True}),
    ((2, 3, 2), {"axis": (0, 2)}),
    ((2, 3), {"axis": None, "keepdims": True}),
    ((), {}),
)
EMPTY = (((0,), {}), ((2, 0), {"axis": 1}), ((2, 0), {"axis": 0}))


def reduced(cases: Sequence[Any], make: Make = array, **extra: Any) -> Samples:
    def samples(rng: np.random.Generator, dtype: np.dtype[Any]) -> Iterable[SampleInput]:
        for shape, kwargs in cases:
            yield SampleInput((make(rng, shape, dtype),), {**extra, **kwargs})

    return samples


def no_such_axis(name: str) -> Callable[[], Iterable[ErrorInput]]:
    return lambda: [
        ErrorInput(
            (np.ones((2, 3)),), ArgumentValueError, rf"\[{name}\] got axis 2.*2 dim", {"axis": 2}
        )
    ]


def nothing_to_reduce(name: str) -> Callable[[], Iterable[ErrorInput]]:
    return lambda: [
        *no_such_axis(name)(),
        ErrorInput(
            (np.ones((2, 0)),),
            ArgumentValueError,
            rf"(?s)\[\w*{name}\] got \(2, 0\).*no elements",
            {"axis": 1},
        ),
    ]


def _tied(samples: Samples) -> Samples:
    """And samples with ties and NaN, where derivatives are shared or flat."""

    def more(rng: np.random.Generator, dtype: np.dtype[Any]) -> Iterable[SampleInput]:
        yield from samples(rng, dtype)
        tied = np.array([[1, 3, 3, 0], [2, 2, 2, 2], [0, 0, 1, 1]], dtype)
        yield SampleInput((tied,), {"axis": 1}, smooth=False)
        if dtype.kind in "fc":
            tied[1, 2], tied[0, 0] = np.nan, -np.inf
            yield SampleInput((tied,), {"axis": 1}, smooth=False)

    return more


def _factors(rng: np.random.Generator, dtype: np.dtype[Any]) -> Iterable[SampleInput]:
    """Products with none, one and two zeros among their factors."""
    yield from reduced((*CASES, *EMPTY))(rng, dtype)
    x = array(rng, (3, 4), dtype)
    x[1, 2], x[2, :2] = 0, 0
    yield SampleInput((x,), {"axis": 1})


def _extremum(name: str, op: Any, ref: Any, primitive: Primitive) -> OpInfo:
    return OpInfo(
        f"a{name}",
        op,
        ref,
        _tied(reduced(CASES, distinct)),
        ORDERED,
        (primitive, ops.pick_extremum_p, ops.spread_extremum_p),
        jax=f"numpy.{name}",
        errors=nothing_to_reduce(name),
    )


def _place(name: str, op: Any, ref: Any, primitive: Primitive) -> OpInfo:
    single = [
        (shape, kwargs) for shape, kwargs in CASES if not isinstance(kwargs.get("axis"), tuple)
    ]
    return OpInfo(
        name,
        op,
        ref,
        _tied(reduced(single, distinct)),
        ORDERED,
        (primitive,),
        order=0,
        jax=f"numpy.{name}",
        errors=nothing_to_reduce(name),
    )


def _log_sum_exp(x: Any, axis: Any = None, keepdims: bool = False) -> Any:
    x = x if x.dtype.kind in "fc" else x.astype(float)
    if not x.size:
        return np.full(np.sum(x, axis=axis, keepdims=keepdims).shape, -np.inf, x.dtype)
    out = scipy.special.logsumexp(x, axis=axis, keepdims=keepdims)
    return np.asarray(out, x.dtype)


REDUCTIONS = (
    OpInfo(
        "sum",
        ops.sum_,
        np.sum,
        reduced((*CASES, *EMPTY)),
        NUMBERS,
        linear=(0,),
        tolerance=4,
        jax="numpy.sum",
        errors=no_such_axis("sum"),
    ),
    OpInfo(
        "prod",
        ops.prod,
        np.prod,
        _factors,
        NUMBERS,
        (ops.reduce_prod_p, cumulative.product_of_others_p),
        tolerance=4,
        jax="numpy.prod",
        errors=no_such_axis("prod"),
    ),
    _extremum("max", ops.amax, np.max, ops.reduce_max_p),
    _extremum("min", ops.amin, np.min, ops.reduce_min_p),
    OpInfo("ptp", ops.ptp, np.ptp, reduced(CASES, distinct), REAL, jax="numpy.ptp"),
    _place("argmax", ops.argmax, np.argmax, ops.argmax_p),
    _place("argmin", ops.argmin, np.argmin, ops.argmin_p),
    OpInfo(
        "any",
        ops.any_,
        np.any,
        reduced((*CASES, *EMPTY)),
        EVERY,
        (ops.reduce_or_p,),
        order=0,
        jax="numpy.any",
        errors=no_such_axis("any"),
    ),
    OpInfo(
        "all",
        ops.all_,
        np.all,
        reduced((*CASES, *EMPTY)),
        EVERY,
        (ops.reduce_and_p,),
        order=0,
        jax="numpy.all",
        errors=no_such_axis("all"),
    ),
    OpInfo(
        "count_nonzero",
        ops.count_nonzero,
        lambda x, **kwargs: np.asarray(np.count_nonzero(x, **kwargs), np.int64),
        reduced(CASES),
        EVERY,
        order=0,
    ),
)


def _or_of_nothing(rng: np.random.Generator, dtype: np.dtype[Any]) -> Iterable[SampleInput]:
    """The sum over no elements is -inf, of which differences say nothing."""
    yield from reduced(CASES)(rng, dtype)
    for shape, kwargs in EMPTY:
        yield SampleInput((np.zeros(shape, dtype),), kwargs, smooth=False)


EXPONENTIAL = (
    OpInfo(
        "logsumexp",
        exponential.logsumexp,
        _log_sum_exp,
        _or_of_nothing,
        (*REAL, *COMPLEX),
        (exponential.logsumexp_p,),
        tolerance=4,
        jax="scipy.special.logsumexp",
        errors=no_such_axis("logsumexp"),
    ),
    OpInfo(
        "softmax",
        exponential.softmax,
        lambda x, axis=-1: scipy.special.softmax(x, axis=axis).astype(x.dtype),
        reduced((((3,), {}), ((2, 3), {"axis": 0}), ((2, 3, 2), {"axis": (0, 2)}))),
        REAL,
        (exponential.softmax_p,),
        tolerance=4,
        jax="nn.softmax",
        errors=no_such_axis("softmax"),
    ),
    OpInfo(
        "log_softmax",
        exponential.log_softmax,
        lambda x, axis=-1: scipy.special.log_softmax(x, axis=axis).astype(x.dtype),
        reduced((((3,), {}), ((2, 3), {"axis": 0}))),
        REAL,
        tolerance=4,
        jax="nn.log_softmax",
    ),
)


def _moment(name: str, op: Any, ref: Any, cases: Sequence[Any], **options: Any) -> OpInfo:
    options.setdefault("dtypes", ("int32", *HALF, *COMPLEX))
    return OpInfo(
        name,
        op,
        ref,
        reduced(cases),
        tolerance=4,
        jax=f"numpy.{name}",
        errors=no_such_axis(name),
        **options,
    )


SPREAD = (*CASES[:5], ((4,), {"ddof": 1}), ((4, 2), {"axis": 0, "ddof": 1}))
MOMENTS = (
    _moment("mean", ops.mean, np.mean, CASES),
    _moment("var", ops.var, np.var, SPREAD),
    _moment("std", ops.std, np.std, SPREAD),
)

# Running ---------------------------------------------------------------------------------------

RUNNING: tuple[tuple[tuple[int, ...], dict[str, Any]], ...] = (
    ((4,), {}),
    ((2, 3), {"axis": 0}),
    ((2, 5), {"axis": -1}),
    ((2, 5), {"axis": 1, "reverse": True}),
    ((2, 3), {"axis": None}),
    ((), {}),
    ((0,), {}),
)


def running(accumulate: Callable[..., Any]) -> Callable[..., Any]:
    """The reference of a running reduction, forwards and in reverse."""

    def ref(x: Any, axis: Any = None, reverse: bool = False) -> Any:
        if axis is None:
            x, axis = np.ravel(x), 0
        if not reverse:
            return accumulate(x, axis)
        return np.flip(accumulate(np.flip(x, axis), axis), axis)

    return ref


def _running(
    name: str,
    op: Any,
    accumulate: Any,
    primitive: Primitive,
    make: Make = array,
    dtypes: Sequence[str] = NUMBERS,
    also: Sequence[Primitive] = (),
    **options: Any,
) -> OpInfo:
    samples = options.pop("samples", reduced(RUNNING, make))
    return OpInfo(
        name,
        op,
        running(accumulate),
        samples,
        tuple(dtypes),
        (primitive, *also),
        tolerance=4,
        errors=no_such_axis(name),
        **options,
    )


def _running_factors(rng: np.random.Generator, dtype: np.dtype[Any]) -> Iterable[SampleInput]:
    yield from reduced(RUNNING)(rng, dtype)
    x = array(rng, (3, 4), dtype)
    x[1, 2], x[2, :2] = 0, 0
    yield SampleInput((x,), {"axis": 1})


def _recurrence(a: Any, b: Any, axis: int, reverse: bool = False) -> Any:
    a, b = np.moveaxis(a, axis, 0), np.moveaxis(b, axis, 0)
    a, b = (a[::-1], b[::-1]) if reverse else (a, b)
    out = np.zeros_like(b)
    for i in range(len(b)):
        out[i] = b[i] + (a[i] * out[i - 1] if i else 0)
    return np.moveaxis(out[::-1] if reverse else out, 0, axis)


def _recurrences(rng: np.random.Generator, dtype: np.dtype[Any]) -> Iterable[SampleInput]:
    for shape, axis, reverse in [
        ((1,), 0, False),
        ((5,), 0, False),
        ((2, 6), 1, True),
        ((4, 2), 0, False),
        ((0, 2), 0, False),
    ]:
        args = (array(rng, shape, dtype), array(rng, shape, dtype))
        yield SampleInput(args, {"axis": axis, "reverse": reverse})


CUMULATIVE = (
    _running("cumsum", cumulative.cumsum, np.cumsum, cumulative.cumsum_p, linear=(0,)),
    _running(
        "cumprod", cumulative.cumprod, np.cumprod, cumulative.cumprod_p, samples=_running_factors
    ),
    _running(
        "cummax",
        cumulative.cummax,
        np.maximum.accumulate,
        cumulative.cummax_p,
        distinct,
        ORDERED,
        also=(cumulative._same_p,),
    ),
    _running(
        "cummin",
        cumulative.cummin,
        np.minimum.accumulate,
        cumulative.cummin_p,
        distinct,
        ORDERED,
    ),
    _running(
        "cumlogsumexp",
        cumulative.cumlogsumexp,
        np.logaddexp.accumulate,
        cumulative.cumlogsumexp_p,
        dtypes=REAL,
        also=(cumulative.share_p,),
    ),
    OpInfo(
        "linear_recurrence",
        cumulative.linear_recurrence,
        _recurrence,
        _recurrences,
        (*REAL, *COMPLEX),
        (cumulative.linear_recurrence_p,),
        linear=(1,),
        tolerance=4,
    ),
)

TABLE = (*REDUCTIONS, *EXPONENTIAL, *MOMENTS, *CUMULATIVE)
