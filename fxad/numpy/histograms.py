"""Counts in bins. Edges come from known values; counts of weights are differentiable in them."""

from __future__ import annotations

import builtins
import math
import operator
from collections.abc import Sequence
from typing import Any

import numpy as np

import fxad.ops.elementwise as ops
import fxad.ops.logic as logic
import fxad.ops.reduction as reduction
from fxad.backends.placement import device_get
from fxad.core.source import error
from fxad.core.trace import Tracer
from fxad.errors import ArgumentValueError, ShapeError
from fxad.numpy.dispatch import implements, known
from fxad.numpy.dtypes import result_type
from fxad.numpy.nested import operand
from fxad.numpy.numerics import diff
from fxad.numpy.ranges import linspace
from fxad.numpy.sorting import bincount
from fxad.ops.base import convert, dtype_of, placed_as, reshape, shape_of
from fxad.ops.indexing import take
from fxad.ops.shape import ravel
from fxad.ops.sorting import searchsorted


@implements(np.histogram_bin_edges)
def histogram_bin_edges(a: Any, bins: Any = 10, range: Any = None, weights: Any = None) -> Any:
    """The edges of the bins of ``histogram``.

    Args:
      a: array or list.
      bins: how many, the name of a rule that chooses, or the edges themselves.
      range: the first and the last edge; None: the least and the greatest element.
      weights: as for ``numpy.histogram``.

    Returns:
      A vector, one longer than there are bins.

    Raises:
      ArgumentValueError: the number of bins is not positive.
      ConcretizationTypeError: a rule is to choose by traced values that are not known.

    Example:
      >>> import fxad.numpy as fnp
      >>> fnp.histogram_bin_edges([0.0, 1.0], bins=2).tolist()
      [0.0, 0.5, 1.0]
    """
    a = operand(a)
    _weights("histogram", weights, shape_of(a))
    a = ravel(a)
    if isinstance(bins, str):
        # The rule chooses how many bins there are: the edges are those of that many.
        values, weights = device_get((known("histogram_bin_edges", a), weights))
        bins = len(np.histogram_bin_edges(values, bins, range, weights)) - 1
    return _edges(a, bins, range, (a,))


def _edges(a: Any, bins: Any, range: Any, beside: Sequence[Any] = ()) -> Any:
    """The edges as given, or evenly spaced, in the dtype of the outer ones and what is beside."""
    if np.ndim(bins):
        return placed_as(_given(operand(bins)), a)
    count = operator.index(bins)
    if count < 1:
        raise error(ArgumentValueError, "histogram", f"got bins={bins}, wanted at least one")
    if range is None and not shape_of(a)[0]:
        range = (0.0, 1.0)
    low, high = (reduction.amin(a), reduction.amax(a)) if range is None else range
    _check_range(low, high)
    dtype = result_type(low, high, *beside)
    dtype = dtype if dtype.kind == "f" else np.result_type(dtype, float)
    low, high = placed_as(low, a), placed_as(high, a)
    half = ops.select(logic.eq(low, high), dtype.type(0.5), dtype.type(0))
    return linspace(ops.sub(low, half), ops.add(high, half), count + 1, dtype=dtype)


def _given(edges: Any) -> Any:
    """Edges that are given, in increasing order."""
    values = edges.concrete() if isinstance(edges, Tracer) else edges
    rising = values is None or not np.any(values[:-1] > values[1:])
    if len(shape_of(edges)) != 1 or not rising:
        raise error(
            ArgumentValueError, "histogram", "got bins that are no vector of increasing edges"
        )
    return edges


def _check_range(low: Any, high: Any) -> None:
    ends = [x.concrete() if isinstance(x, Tracer) else x for x in (low, high)]
    if any(x is None for x in ends):
        return
    if not all(math.isfinite(float(x)) for x in ends) or ends[0] > ends[1]:
        raise error(
            ArgumentValueError,
            "histogram",
            f"got values from {ends[0]} to {ends[1]}, wanted finite",
        )


def _bin(a: Any, edges: Any) -> Any:
    """The number of the bin of each value; the number of bins for those outside."""
    count = shape_of(edges)[0] - 1
    place = ops.sub(searchsorted(edges, a, "right"), 1)
    place = ops.select(logic.eq(a, take(edges, -1)), count - 1, place)
    return ops.select(logic.logical_or(logic.lt(place, 0), logic.isnan(a)), count, place)


@implements(np.histogram)
def histogram(
    a: Any, bins: Any = 10, range: Any = None, density: bool | None = None, weights: Any = None
) -> tuple[Any, Any]:
    """How many elements lie in each of several bins, or the sum of their weights.

    Args:
      a: array or list.
      bins: how many, the name of a rule that chooses, or the edges themselves.
      range: the first and the last edge; None: the least and the greatest element.
      density: gives the probability density instead: its integral is 1.
      weights: a weight for each element; differentiable.

    Returns:
      The counts, and the edges. Bins hold their left edge, the last one its right edge too.

    Raises:
      ShapeError: the weights have another shape.

    Example:
      >>> import fxad.numpy as fnp
      >>> counts, edges = fnp.histogram([0.0, 0.2, 1.0], bins=2)
      >>> counts.tolist(), edges.tolist()
      ([2, 1], [0.0, 0.5, 1.0])
    """
    a = operand(a)
    edges = histogram_bin_edges(a, bins, range, weights)
    weights = _weights("histogram", weights, shape_of(a))
    count = shape_of(edges)[0] - 1
    found = _counts(_bin(ravel(a), edges), weights, count)
    if weights is not None:
        found = convert(found, dtype_of(weights))
    if density:
        widths = diff(edges)
        found = ops.div(ops.div(found, widths), reduction.sum_(found))
    return found, edges


def _weights(operation: str, weights: Any, shape: Sequence[int]) -> Any:
    if weights is None:
        return None
    weights = operand(weights)
    if shape_of(weights) != shape:
        raise error(
            ShapeError, operation, f"got weights {shape_of(weights)} for {shape}, wanted its shape"
        )
    return ravel(weights)


def _counts(places: Any, weights: Any, count: int) -> Any:
    if weights is not None and dtype_of(weights).kind == "c":
        parts = (bincount(places, part(weights), length=count) for part in (ops.real, ops.imag))
        return ops.complex_(*parts)
    found = bincount(places, weights, length=count)
    if weights is None or dtype_of(weights).kind == "f":
        return found
    return convert(found, dtype_of(weights))


@implements(np.histogramdd)
def histogramdd(
    sample: Any, bins: Any = 10, range: Any = None, density: bool | None = None, weights: Any = None
) -> tuple[Any, list[Any]]:
    """How many points lie in each cell of a grid, or the sum of their weights.

    Args:
      sample: points as the rows of an array (N, D), or a sequence of D vectors.
      bins: how many along every axis, or for each axis how many or the edges.
      range: for each axis the first and the last edge.
      density: gives the probability density instead: its integral is 1.
      weights: a weight for each point; differentiable.

    Returns:
      An array of D dimensions, and a list of the edges along each axis.

    Raises:
      ArgumentValueError: the number of bins does not fit the number of axes.

    Example:
      >>> import fxad.numpy as fnp
      >>> counts, _ = fnp.histogramdd(fnp.array([[0.0, 0.0], [1.0, 1.0]]), bins=2)
      >>> counts.tolist()
      [[1.0, 0.0], [0.0, 1.0]]
    """
    if not isinstance(sample, list | tuple):
        sample = operand(sample)
        sample = (
            sample
            if len(shape_of(sample)) == 2
            else reshape(ravel(sample), (*shape_of(ravel(sample)), 1))
        )
        columns = builtins.range(shape_of(sample)[1])
        sample = [take(sample, i, 1) for i in columns]
    axes = [operand(x) for x in sample]
    bins = list(bins) if hasattr(bins, "__len__") else [bins] * len(axes)
    ranges = [None] * len(axes) if range is None else list(range)
    if len(bins) != len(axes) or len(ranges) != len(axes):
        raise error(
            ArgumentValueError,
            "histogramdd",
            f"got {len(bins)} bins and {len(ranges)} ranges for {len(axes)} axes, wanted as many",
        )
    edges = [_edges(x, b, r) for x, b, r in zip(axes, bins, ranges, strict=True)]
    sizes = [shape_of(e)[0] - 1 for e in edges]
    cell: Any = 0
    outside: Any = False
    for x, e, n in zip(axes, edges, sizes, strict=True):
        place = _bin(x, e)
        outside = logic.logical_or(outside, logic.ge(place, n))
        cell = ops.add(ops.mul(cell, n), place)
    total = int(np.prod(sizes))
    cell = ops.select(outside, total, cell)
    weights = _weights("histogramdd", weights, shape_of(axes[0]))
    found = reshape(convert(_counts(cell, weights, total), np.float64), sizes)
    if density:
        all_points = reduction.sum_(found)
        for d, e in enumerate(edges):
            widths = [sizes[d] if i == d else 1 for i in builtins.range(len(sizes))]
            found = ops.div(found, reshape(diff(e), widths))
        found = ops.div(found, all_points)
    return found, [placed_as(e, found) for e in edges]


@implements(np.histogram2d)
def histogram2d(
    x: Any,
    y: Any,
    bins: Any = 10,
    range: Any = None,
    density: bool | None = None,
    weights: Any = None,
) -> tuple[Any, Any, Any]:
    """How many points of the plane lie in each cell of a grid, or the sum of their weights.

    Args:
      x: the first coordinates.
      y: the second coordinates.
      bins: how many along both axes, the edges along both, or a pair of either.
      range: for each axis the first and the last edge.
      density: gives the probability density instead: its integral is 1.
      weights: a weight for each point; differentiable.

    Returns:
      A matrix, and the edges along both axes.

    Example:
      >>> import fxad.numpy as fnp
      >>> fnp.histogram2d([0.0, 1.0], [0.0, 1.0], bins=2)[0].tolist()
      [[1.0, 0.0], [0.0, 1.0]]
    """
    if hasattr(bins, "__len__") and len(bins) not in (1, 2):
        bins = [bins, bins]
    found, (first, second) = histogramdd([x, y], bins, range, density, weights)
    return found, first, second
