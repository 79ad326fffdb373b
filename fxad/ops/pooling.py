"""Reductions of the windows that slide over an array: sums and extrema."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import numpy as np

from fxad.core.aval import DType, Shape, ShapedArray
from fxad.core.primitive import Primitive
from fxad.ops.base import linear, reshape, shape_of, to_front
from fxad.ops.indexing import along_spec, gather_p
from fxad.ops.shape import pad_p

#: What reduces two arrays, or several in parallel: ``combine(xs, ys)``.
Combine = Callable[[Sequence[Any], Sequence[Any]], Sequence[Any]]
#: ``part(x, start, limit, stride, axis)``: a slice along an axis.
Part = Callable[[Any, int, int, int, int], Any]


class Window(NamedTuple):
    """How windows slide over the last axes of an array; an entry for each of these axes.

    Args:
      sizes: the number of elements in a window.
      strides: the distance of a window from the one before.
      padding: the places added before and after; negative: taken away.
      base_dilation: the distance of the elements in the padded array.
      dilation: the distance of the elements in a window.
    """

    sizes: Shape
    strides: Shape
    padding: tuple[tuple[int, int], ...]
    base_dilation: Shape
    dilation: Shape

    def spans(self) -> list[int]:
        """The places from the first element of a window to its last one."""
        return [(k - 1) * d + 1 for k, d in zip(self.sizes, self.dilation, strict=True)]

    def padded(self, shape: Shape) -> list[int]:
        """The lengths of the axes with everything that is put before, between and after."""
        return [
            max(dilated(n, b) + lo + hi, 0)
            for n, b, (lo, hi) in zip(shape, self.base_dilation, self.padding, strict=True)
        ]

    def counts(self, shape: Shape) -> Shape:
        """The number of windows along each of the axes."""
        return tuple(
            max((n - span) // stride + 1, 0)
            for n, span, stride in zip(self.padded(shape), self.spans(), self.strides, strict=True)
        )

    def result(self, shape: Shape) -> Shape:
        """The shape of the reduced windows of an array."""
        lead = len(shape) - len(self.sizes)
        return shape[:lead] + self.counts(shape[lead:])

    def config(self, lead: int) -> tuple[tuple[int, int, int], ...]:
        """What ``pad`` does with an array that has that many other axes in front."""
        inner = zip(self.padding, self.base_dilation, strict=True)
        return (*((0, 0, 0),) * lead, *((lo, hi, b - 1) for (lo, hi), b in inner))

    def pads(self) -> bool:
        """Whether some window may hold something else than elements."""
        return max((n for pair in self.padding for n in pair), default=0) > 0 or any(
            b > 1 for b in self.base_dilation
        )

    def transposed(self, shape: Shape) -> Window:
        """The windows of the results in which an element of an array of that shape had its part.

        An element stands at the place ``lo + i b`` of the padded array, and in the window ``j``
        where ``j s + k d`` is that place: strides and base dilation change parts.
        """
        padding = []
        for n, m, b, s, span, (lo, _) in zip(
            shape,
            self.counts(shape),
            self.base_dilation,
            self.strides,
            self.spans(),
            self.padding,
            strict=True,
        ):
            before = span - 1 - lo
            padding.append((before, (n - 1) * b + span - before - dilated(m, s)))
        return Window(self.sizes, self.base_dilation, tuple(padding), self.strides, self.dilation)


def dilated(n: int, step: int) -> int:
    """The places from the first of ``n`` elements to the last one."""
    return (n - 1) * step + 1 if n else 0


def slide(
    combine: Combine, part: Part, xs: Sequence[Any], window: Window, d: int
) -> Sequence[Any]:
    """The windows of padded arrays reduced along one of their axes, each in its order.

    Args:
      combine: what is associative.
      part: how to slice.
      xs: arrays of one shape.
      window: how the windows slide.
      d: the axis, among those of the window.
    """
    axis = len(shape_of(xs[0])) - len(window.sizes) + d
    size, stride, step = window.sizes[d], window.strides[d], window.dilation[d]
    n = shape_of(xs[0])[axis]
    count = (n - window.spans()[d]) // stride + 1

    def nth(ys: Sequence[Any], start: int) -> list[Any]:
        """The elements of all windows that stand so far from their beginnings."""
        return [part(y, start, start + dilated(count, stride), stride, axis) for y in ys]

    if (size - 1) * count <= 2 * n * size.bit_length():
        out: Sequence[Any] = xs if size == 1 and count == n else nth(xs, 0)
        for k in range(1, size):
            out = combine(out, nth(xs, k * step))
        return out
    # Many elements to a window: the reductions of 2, 4, ... neighbours serve several windows.
    out, start, width = [], 0, 1
    while width <= size:
        if size & width:
            found = nth(xs, start)
            out = combine(out, found) if out else found
            start += width * step
        if 2 * width <= size:
            n -= width * step
            xs = combine(*([part(x, i, i + n, 1, axis) for x in xs] for i in (0, width * step)))
        width *= 2
    return out


def _part(x: Any, start: int, limit: int, stride: int, axis: int) -> Any:
    return x[(slice(None),) * axis + (slice(start, limit, stride),)]


def padded(xp: Any, x: Any, window: Window, fill: Any) -> Any:
    """An array with what is put between its elements and around them."""
    padding = window.config(x.ndim - len(window.sizes))
    return pad_p.impl(xp, x, fill, padding=padding) if any(map(any, padding)) else x


def _reduced(xp: Any, x: Any, window: Window, fill: Any, ufunc: Callable[..., Any]) -> Any:
    """The windows reduced by a commutative function, ``fill`` where there is no element."""
    shape = window.result(x.shape)
    if 0 in shape or not x.size:
        return xp.full(shape, fill, x.dtype)
    made: Any = None

    def combine(xs: Sequence[Any], ys: Sequence[Any]) -> Sequence[Any]:
        nonlocal made
        made = ufunc(xs[0], ys[0], out=made if xs[0] is made else None)
        return [made]

    xs: Sequence[Any] = [padded(xp, x, window, x.dtype.type(fill))]
    for d in range(len(window.sizes)):
        xs = slide(combine, _part, xs, window, d)
    return xs[0]


def _cost(avals: Sequence[ShapedArray], params: dict[str, Any]) -> tuple[float, float]:
    x, window = avals[-1], params["window"]
    size = math.prod(window.result(x.shape))
    return float(size * sum(window.sizes)), float((x.size + size) * x.dtype.itemsize)


def _scratch(x: Any, window: Window) -> tuple[float, float]:
    """Bytes of a padded copy, and of what is there when some of the axes have been reduced."""
    lead = x.ndim - len(window.sizes)
    size = math.prod((*x.shape[:lead], *window.padded(x.shape[lead:])))
    between = math.sqrt(size * math.prod(window.result(x.shape))) * x.itemsize
    return 0.0 if size == x.size else float(size * x.itemsize), between


def _scratch_of_reduced(x: Any, *, window: Window) -> float:
    """The padded copy and a first result, or that and NumPy's buffers."""
    padding, between = _scratch(x, window)
    return max(padding + between, 1.25 * between)


def _scratch_of_places(x: Any, *, window: Window, greatest: bool) -> float:
    """Values and places, their successors, and what compares them."""
    padding, between = _scratch(x, window)
    return padding + 6.0 * between


def _abstract(x: ShapedArray, *, window: Window) -> ShapedArray:
    return ShapedArray(window.result(x.shape), x.dtype)


def _batch(bind: Callable[..., Any]) -> Callable[..., Any]:
    """Windows slide over the last axes alone: a batch stands in front."""

    def batch(size: int, args: Sequence[Any], dims: Sequence[Any], **params: Any) -> Any:
        return bind(to_front(args[0], dims[0], size), **params), 0

    return batch


def _sum_transpose(ct: Any, x: Any, *, window: Window) -> Any:
    shape = x.aval.shape[len(x.aval.shape) - len(window.sizes) :]
    return reduce_window_sum_p.bind(ct, window=window.transposed(shape))


reduce_window_sum_p: Primitive = linear(
    "reduce_window_sum",
    abstract=_abstract,
    impl=lambda xp, x, *, window: _reduced(xp, x, window, 0, xp.add),
    transpose=_sum_transpose,
    batch=_batch(lambda x, **params: reduce_window_sum_p.bind(x, **params)),
    cost=_cost,
    scratch=_scratch_of_reduced,
)


# Extrema ---------------------------------------------------------------------------------------


def limit(dtype: DType, greatest: bool) -> Any:
    """The number that is greater (less) than no other of its dtype."""
    if dtype.kind == "b":
        return not greatest
    if dtype.kind in "iu":
        limits = np.iinfo(dtype)
        return limits.min if greatest else limits.max
    return -np.inf if greatest else np.inf


def _places(xp: Any, x: Any, *, window: Window, greatest: bool) -> Any:
    result, size = window.result(x.shape), _elements(x.shape, window)
    if 0 in result or not x.size:
        return xp.full(result, size, np.int64)

    def combine(xs: Sequence[Any], ys: Sequence[Any]) -> Sequence[Any]:
        (x, place), (y, other) = xs, ys
        later = y > x if greatest else y < x
        if x.dtype.kind in "fc":
            later |= (y != y) & (x == x)
        return xp.where(later, y, x), xp.where(later, other, place)

    around = padded(xp, x, window, x.dtype.type(limit(x.dtype, greatest)))
    places = xp.arange(size, dtype=np.int64).reshape(x.shape[x.ndim - len(window.sizes) :])
    places = xp.broadcast_to(padded(xp, places, window, np.int64(size)), around.shape)
    xs: Sequence[Any] = [around, places]
    for d in reversed(range(len(window.sizes))):
        xs = slide(combine, _part, xs, window, d)
    return xs[1]


def _elements(shape: Shape, window: Window) -> int:
    """The number of elements over which the windows slide."""
    return math.prod(shape[len(shape) - len(window.sizes) :])


#: The place of each window's extremum among the elements, and their number where it holds none.
#: Of equal ones it is the first, and NaN comes before all others.
window_places_p: Primitive = Primitive(
    "window_places",
    abstract=lambda x, *, window, greatest: ShapedArray(
        window.result(x.shape), np.dtype(np.int64)
    ),
    impl=_places,
    jvp=None,
    batch=_batch(lambda x, **params: window_places_p.bind(x, **params)),
    cost=_cost,
    scratch=_scratch_of_places,
)


def _pick(x: Any, places: Any, window: Window) -> Any:
    """The elements at those places, 0 where there is none."""
    shape, result = shape_of(x), shape_of(places)
    lead = shape[: len(shape) - len(window.sizes)]
    x = reshape(x, (*lead, _elements(shape, window)))
    places = reshape(places, (*lead, math.prod(result[len(lead) :])))
    picked = gather_p.bind(
        x,
        places,
        spec=along_spec("reduce_window", x, places, len(lead)),
        fill_value=0 if window.pads() else None,
        unique=all(s >= span for s, span in zip(window.strides, window.spans(), strict=True)),
    )
    return reshape(picked, result)


def _extremum(name: str, greatest: bool, impl: Callable[..., Any]) -> Primitive:
    """The extrema of windows; the first of equal elements has the whole derivative, as in JAX."""

    def jvp(primals: Sequence[Any], tangents: Sequence[Any], *, window: Window) -> Any:
        x = primals[0]
        places = window_places_p.bind(x, window=window, greatest=greatest)
        return primitive.bind(x, window=window), _pick(tangents[0], places, window)

    primitive = Primitive(
        name,
        abstract=_abstract,
        impl=impl,
        jvp=jvp,
        batch=_batch(lambda x, **params: primitive.bind(x, **params)),
        cost=_cost,
        scratch=_scratch_of_reduced,
    )
    return primitive


reduce_window_max_p = _extremum(
    "reduce_window_max",
    True,
    lambda xp, x, *, window: _reduced(xp, x, window, limit(x.dtype, True), xp.maximum),
)
reduce_window_min_p = _extremum(
    "reduce_window_min",
    False,
    lambda xp, x, *, window: _reduced(xp, x, window, limit(x.dtype, False), xp.minimum),
)
