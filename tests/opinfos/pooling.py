"""Reductions of windows that slide."""

import itertools
import math
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np

from fxad import lax
from fxad.ops import pooling as ops
from tests.opinfo import INTEGER, REAL, OpInfo, SampleInput, array, distinct

#: Shapes, and how the windows slide over them.
CASES: list[tuple[tuple[int, ...], dict[str, Any]]] = [
    ((5,), {"window_dimensions": (2,)}),
    ((4, 5), {"window_dimensions": (2, 3), "window_strides": (1, 2), "padding": "SAME"}),
    ((3, 4), {"window_dimensions": (2, 2), "window_strides": (2, 2)}),
    (
        (3, 4),
        {
            "window_dimensions": (2, 2),
            "window_strides": (1, 2),
            "padding": ((2, -1), (0, 1)),
            "base_dilation": (1, 2),
            "window_dilation": (2, 1),
        },
    ),
    ((24,), {"window_dimensions": (19,), "padding": "SAME_LOWER"}),
    ((2, 0), {"window_dimensions": (1, 2), "padding": ((0, 0), (1, 2))}),
    ((2, 3), {"window_dimensions": (1, 4)}),
    ((), {"window_dimensions": ()}),
]

Folds = Callable[[Any, Any], Any]


def windows(
    x: Any,
    fill: Any,
    window_dimensions: Any,
    window_strides: Any = None,
    padding: Any = "VALID",
    base_dilation: Any = None,
    window_dilation: Any = None,
) -> list[Any]:
    """For each place in a window the elements that stand there, ``fill`` where there is none."""
    ones = (1,) * x.ndim
    strides, dilation = window_strides or ones, window_dilation or ones
    spans = [(k - 1) * d + 1 for k, d in zip(window_dimensions, dilation, strict=True)]
    if isinstance(padding, str):
        padding = named_padding(x.shape, spans, strides, padding)
    lengths = [
        max((n - 1) * b + 1, 0) if n else 0
        for n, b in zip(x.shape, base_dilation or ones, strict=True)
    ]
    spread = np.full(lengths, fill, x.dtype)
    spread[tuple(slice(None, None, b) for b in base_dilation or ones)] = x
    for axis, (p, q) in enumerate(padding):
        spread = np.moveaxis(spread, axis, 0)[max(-p, 0) : spread.shape[axis] - max(-q, 0)]
        before, after = (
            np.full((max(n, 0), *spread.shape[1:]), fill, x.dtype) for n in (p, q)
        )
        spread = np.moveaxis(np.concatenate([before, spread, after]), 0, axis)
    counts = [
        max((n - span) // s + 1, 0) for n, span, s in zip(spread.shape, spans, strides, strict=True)
    ]
    return [
        spread[
            tuple(
                slice(k * d, k * d + n * s, s)
                for k, d, n, s in zip(place, dilation, counts, strides, strict=True)
            )
        ][tuple(map(slice, counts))]
        for place in itertools.product(*map(range, window_dimensions))
    ]


def named_padding(shape: Any, spans: Any, strides: Any, name: str) -> list[tuple[int, int]]:
    if name == "VALID":
        return [(0, 0)] * len(shape)
    pairs = []
    for n, span, s in zip(shape, spans, strides, strict=True):
        total = max((math.ceil(n / s) - 1) * s + span - n, 0)
        pairs.append((total // 2, math.ceil(total / 2)))
    return pairs if name == "SAME" else [(q, p) for p, q in pairs]


def _entry(
    name: str, function: Any, ufunc: Any, init: Callable[[Any], Any], make: Any, **options: Any
) -> OpInfo:
    def ref(x: Any, **kwargs: Any) -> Any:
        start = init(x.dtype)
        return ufunc.reduce(np.stack(windows(x, start, **kwargs)), axis=0, dtype=x.dtype)

    def op(x: Any, **kwargs: Any) -> Any:
        return lax.reduce_window(x, x.dtype.type(init(x.dtype)), function, **kwargs)

    def samples(rng: np.random.Generator, dtype: np.dtype[Any]) -> Iterator[SampleInput]:
        for shape, kwargs in CASES:
            x = make(rng, shape, dtype)
            # Differences say nothing of a window without elements.
            yield SampleInput((x,), kwargs, smooth=bool(np.isfinite(ref(x, **kwargs)).all()))

    return OpInfo(name, op, ref, samples, **options)


def _least(dtype: Any) -> Any:
    return -np.inf if dtype.kind == "f" else np.iinfo(dtype).min


def _greatest(dtype: Any) -> Any:
    return np.inf if dtype.kind == "f" else np.iinfo(dtype).max


def _after(f: Any, g: Any) -> Any:
    """The affine map ``x -> a x + b`` followed by another."""
    (a, b), (c, d) = f, g
    return a * c, b * c + d


def _composed(a: Any, b: Any, **kwargs: Any) -> Any:
    out = np.ones((), a.dtype), np.zeros((), b.dtype)
    for pair in zip(windows(a, 1, **kwargs), windows(b, 0, **kwargs), strict=True):
        out = _after(out, pair)
    return out


def _maps(rng: np.random.Generator, dtype: np.dtype[Any]) -> Iterator[SampleInput]:
    for shape, kwargs in CASES:
        yield SampleInput((array(rng, shape, dtype, 0.5, 1.5), array(rng, shape, dtype)), kwargs)


TABLE = (
    _entry(
        "reduce_window_sum",
        lax.add,
        np.add,
        lambda dtype: 0,
        array,
        dtypes=(*INTEGER, *REAL, "complex128"),
        primitives=(ops.reduce_window_sum_p,),
        linear=(0,),
        tolerance=4,
    ),
    _entry(
        "reduce_window_max",
        lax.max,
        np.maximum,
        _least,
        distinct,
        dtypes=("int32", *REAL),
        primitives=(ops.reduce_window_max_p, ops.window_places_p),
    ),
    _entry(
        "reduce_window_min",
        lax.min,
        np.minimum,
        _greatest,
        distinct,
        dtypes=("uint8", *REAL),
        primitives=(ops.reduce_window_min_p, ops.window_places_p),
    ),
    _entry(
        "reduce_window_product",
        lambda x, y: y * x,
        np.multiply,
        lambda dtype: 1,
        array,
        dtypes=("int8", *REAL),
        tolerance=20,
    ),
    OpInfo(
        "lax.reduce_window",
        lambda a, b, **kwargs: lax.reduce_window((a, b), (1.0, 0.0), _after, **kwargs),
        _composed,
        _maps,
        REAL,
        tolerance=8,
    ),
)
