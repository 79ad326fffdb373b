"""Gather and scatter with JAX's dimension numbers."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from fxad.core.aval import Shape
from fxad.core.source import error
from fxad.core.tracebacks import public
from fxad.errors import ShapeError
from fxad.lax.windows import (
    GatherDimensionNumbers,
    GatherScatterMode,
    ScatterDimensionNumbers,
    Windows,
    are_unique,
    axes_of,
    check,
    indices_shape,
    layout_of,
)
from fxad.ops.at import apply_often
from fxad.ops.base import dtype_of, reshape, shape_of, transpose
from fxad.ops.elementwise import neg
from fxad.ops.indexing import default_fill, gather_p
from fxad.ops.scatter import as_updates, scatter_p

# Gather ------------------------------------------------------------------------------------------


def gather(
    operand: Any,
    start_indices: Any,
    dimension_numbers: GatherDimensionNumbers,
    slice_sizes: Sequence[int],
    *,
    unique_indices: bool = False,
    indices_are_sorted: bool = False,
    mode: str | GatherScatterMode | None = None,
    fill_value: Any = None,
) -> Any:
    """Windows of one shape, at places that integers say; XLA's gather.

    Args:
      operand: the array.
      start_indices: integers ``(..., k)``: the first element of each window, along ``k`` axes.
      dimension_numbers: which axes belong together.
      slice_sizes: the shape of a window, with a length for each axis of ``operand``.
      unique_indices: a promise that windows do not overlap, which makes the derivative faster.
      indices_are_sorted: accepted for JAX's sake.
      mode: what becomes of windows which do not lie within the array: a ``GatherScatterMode`` or
        its name; by default they are moved into it, as XLA does.
      fill_value: what windows outside of the array read with the mode ``"fill"``: a Python number;
        ``None``: NaN, or for integers the least (signed) or greatest (unsigned).

    Returns:
      The windows: the axes ``offset_dims`` lie within them, the others are those of the indices.

    Raises:
      ShapeError: the dimension numbers, the sizes and the shapes do not fit together.
      DtypeError: the indices are no integers.

    Example:
      >>> import numpy as np
      >>> from fxad import lax
      >>> rows = lax.GatherDimensionNumbers((1,), (0,), (0,))
      >>> lax.gather(np.eye(3), np.array([[2], [0]]), rows, (1, 3)).tolist()
      [[0.0, 0.0, 1.0], [1.0, 0.0, 0.0]]
    """
    offset, collapsed, mapped, batching, partners = axes_of(*dimension_numbers)
    batch = indices_shape("gather", start_indices, mapped)
    (sizes,) = axes_of(slice_sizes)
    shape = tuple(shape_of(operand))
    if not shape:
        operand, shape, sizes, collapsed = reshape(operand, (1,)), (1,), (1,), (0,)
    windows = Windows("gather", shape, sizes, batch, mapped, collapsed, batching, partners, offset)
    check(windows)
    spec, order = layout_of(windows)
    chosen = GatherScatterMode.CLIP if mode is None else GatherScatterMode.from_any(mode)
    fills = chosen is GatherScatterMode.FILL_OR_DROP
    if fills and fill_value is None:
        fill_value = default_fill(dtype_of(operand))
    out = gather_p.bind(
        operand,
        *windows.arrays(start_indices, chosen),
        spec=spec,
        fill_value=fill_value if fills else None,
        unique=are_unique(unique_indices, batch, mode),
    )
    return transpose(out, order)


# Scatter -----------------------------------------------------------------------------------------


def _updated_windows(
    operation: str, operand: Any, indices: Any, updates: Shape, numbers: ScatterDimensionNumbers
) -> Windows:
    """The windows that updates of a shape replace."""
    window_axes, inserted, mapped, batching, partners = axes_of(*numbers)
    batch = indices_shape(operation, indices, mapped)
    shape = tuple(shape_of(operand))
    if not shape:
        shape, inserted = (1,), (0,)
    within = iter([updates[d] for d in window_axes if d < len(updates)])
    left_out = inserted + batching
    sizes = tuple(1 if d in left_out else next(within, -1) for d in range(len(shape)))
    windows = Windows(
        operation, shape, sizes, batch, mapped, inserted, batching, partners, window_axes
    )
    check(windows)
    if updates != windows.values:
        raise error(
            ShapeError,
            operation,
            f"got updates of shape {updates} for indices {(*batch, len(mapped))} and windows of "
            f"shape {sizes}, wanted {windows.values}",
        )
    return windows


def _scatter(
    operation: str,
    combine: str,
    operand: Any,
    indices: Any,
    updates: Any,
    numbers: ScatterDimensionNumbers,
    unique_indices: bool,
    mode: Any,
) -> Any:
    before = shape_of(operand)
    windows = _updated_windows(operation, operand, indices, shape_of(updates), numbers)
    chosen = GatherScatterMode.from_any(mode)
    spec, order = layout_of(windows)
    updates = transpose(updates, sorted(range(len(order)), key=order.__getitem__))
    out = scatter_p.bind(
        operand if before else reshape(operand, (1,)),
        as_updates(operand, updates, shape_of(updates)),
        *windows.arrays(indices, chosen),
        spec=spec,
        combine=combine,
        unique=are_unique(unique_indices, windows.batch, chosen),
        drop=chosen is GatherScatterMode.FILL_OR_DROP,
    )
    return out if before else reshape(out, ())


_DOCUMENTATION = """{summary}; XLA's scatter.

Args:
  operand: the array; it stays as it is.
  scatter_indices: integers ``(..., k)``: the first element of each window, along ``k`` axes.
  updates: the windows' values, cast to the dtype of ``operand``.
  dimension_numbers: which axes belong together.
  indices_are_sorted: accepted for JAX's sake.
  unique_indices: a promise that windows do not overlap, which makes derivatives faster.
  mode: what becomes of windows which do not lie within the array: a ``GatherScatterMode`` or its
    name; by default they are dropped.

Returns:
  An array of the shape and dtype of ``operand``.

Raises:
  ShapeError: the dimension numbers and the shapes do not fit together.
  DtypeError: the indices are no integers, or the operand's dtype cannot hold the updates.

Example:
  >>> import numpy as np
  >>> from fxad import lax
  >>> elements = lax.ScatterDimensionNumbers((), (0,), (0,))
  >>> lax.{name}(np.array([1, 2, 3]), np.array([[2], [2]]), np.array([5, 2]), elements).tolist()
  {result}
"""


def _scattering(
    name: str, combine: str, summary: str, result: str, prepare: Callable[[Any], Any] | None = None
) -> Callable[..., Any]:
    """The public function that combines updates with windows in one way."""

    def function(
        operand: Any,
        scatter_indices: Any,
        updates: Any,
        dimension_numbers: ScatterDimensionNumbers,
        *,
        indices_are_sorted: bool = False,
        unique_indices: bool = False,
        mode: str | GatherScatterMode | None = None,
    ) -> Any:
        if prepare is not None:
            updates = prepare(updates)
        return _scatter(
            name,
            combine,
            operand,
            scatter_indices,
            updates,
            dimension_numbers,
            unique_indices,
            mode,
        )

    function.__name__ = function.__qualname__ = name
    function.__doc__ = _DOCUMENTATION.format(summary=summary, name=name, result=result)
    return function


scatter = _scattering(
    "scatter",
    "set",
    "A copy with windows replaced, at places that integers say: of equal places the last one stays",
    "[1, 2, 2]",
)
scatter_add = _scattering(
    "scatter_add", "add", "A copy with values added to windows; overlaps add up", "[1, 2, 10]"
)
scatter_sub = _scattering(
    "scatter_sub",
    "add",
    "A copy with values subtracted from windows; overlaps add up",
    "[1, 2, -4]",
    neg,
)
scatter_mul = _scattering(
    "scatter_mul",
    "mul",
    "A copy with windows multiplied by values; overlaps multiply",
    "[1, 2, 30]",
)
scatter_min = _scattering(
    "scatter_min", "min", "A copy with the lesser of windows and values", "[1, 2, 2]"
)
scatter_max = _scattering(
    "scatter_max", "max", "A copy with the greater of windows and values", "[1, 2, 5]"
)


@public
def scatter_apply(
    operand: Any,
    scatter_indices: Any,
    func: Callable[[Any], Any],
    dimension_numbers: ScatterDimensionNumbers,
    *,
    update_shape: Sequence[int] = (),
    indices_are_sorted: bool = False,
    unique_indices: bool = False,
    mode: str | GatherScatterMode | None = None,
) -> Any:
    """A copy with a function applied to the elements of windows, once for each window they are in.

    Args:
      operand: the array; it stays as it is.
      scatter_indices: integers ``(..., k)``; under ``jit`` and ``vmap`` at most 32 of them, or
        with ``unique_indices``.
      func: a function of one element, here of an array of them.
      dimension_numbers: which axes belong together.
      update_shape: the shape that updates would have.
      indices_are_sorted: accepted for JAX's sake.
      unique_indices: a promise that windows do not overlap.
      mode: as for ``scatter``.

    Returns:
      An array of the shape and dtype of ``operand``.

    Raises:
      ShapeError: the dimension numbers and the shapes do not fit together.
      ConcretizationTypeError: many indices are not known and may name an element twice.

    Example:
      >>> import numpy as np
      >>> from fxad import lax
      >>> elements = lax.ScatterDimensionNumbers((), (0,), (0,))
      >>> x, places = np.array([1, 2, 3]), np.array([[2], [2], [0]])
      >>> lax.scatter_apply(x, places, np.square, elements, update_shape=(3,)).tolist()
      [1, 2, 81]
    """
    most = 1 if unique_indices else math.prod(shape_of(scatter_indices)[:-1])
    zeros, ones = np.zeros(shape_of(operand), np.int64), np.ones(tuple(update_shape), np.int64)
    counts = scatter_add(zeros, scatter_indices, ones, dimension_numbers, mode=mode)
    return apply_often("scatter_apply", func, operand, counts, most)
