"""Windows of an array at places that are values, as one NumPy index: for gather and scatter.

For each axis that indices speak of the index has an array of integers, which broadcasts over the
windows and over the places within them; the other axes are whole.
"""

from __future__ import annotations

import enum
import functools
import math
from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np

from fxad.core.aval import Shape, aval_of
from fxad.core.source import error
from fxad.errors import ArgumentValueError, DtypeError, ShapeError
from fxad.ops.base import convert, reshape
from fxad.ops.elementwise import add, select
from fxad.ops.elementwise import max as maximum
from fxad.ops.elementwise import min as minimum
from fxad.ops.index_spec import ARRAY, Along, Spec, placement, whole
from fxad.ops.indexing import getitem
from fxad.ops.logic import and_, ge, le
from fxad.ops.reduction import all_

Dims = tuple[int, ...]


class GatherDimensionNumbers(NamedTuple):
    """Which axes of what ``lax.gather`` gets and gives belong together.

    Args:
      offset_dims: the axes of the result that lie within a window; the others number the windows.
      collapsed_slice_dims: axes of the operand along which windows have length 1, left out.
      start_index_map: for each component of an index the axis of the operand that it speaks of.
      operand_batching_dims: axes of the operand that windows share with the indices, left out too.
      start_indices_batching_dims: the same axes of the indices.

    Example:
      >>> from fxad import lax
      >>> lax.GatherDimensionNumbers((1,), (0,), (0,)).start_index_map
      (0,)
    """

    offset_dims: Dims
    collapsed_slice_dims: Dims
    start_index_map: Dims
    operand_batching_dims: Dims = ()
    start_indices_batching_dims: Dims = ()


class ScatterDimensionNumbers(NamedTuple):
    """Which axes of what ``lax.scatter`` and its relatives get belong together.

    Args:
      update_window_dims: the axes of the updates that lie within a window.
      inserted_window_dims: axes of the operand along which windows have length 1, which the
        updates lack.
      scatter_dims_to_operand_dims: for each component of an index the axis of the operand that it
        speaks of.
      operand_batching_dims: axes of the operand that windows share with the indices.
      scatter_indices_batching_dims: the same axes of the indices.

    Example:
      >>> from fxad import lax
      >>> lax.ScatterDimensionNumbers((), (0,), (0,)).inserted_window_dims
      (0,)
    """

    update_window_dims: Dims
    inserted_window_dims: Dims
    scatter_dims_to_operand_dims: Dims
    operand_batching_dims: Dims = ()
    scatter_indices_batching_dims: Dims = ()


class GatherScatterMode(enum.Enum):
    """What becomes of windows that do not lie within the array.

    ``CLIP`` moves them into it; ``FILL_OR_DROP``, the default, reads a constant for all of a window
    and writes nothing of it; ``PROMISE_IN_BOUNDS`` says that there are none, and is not checked
    beyond what the array library does.

    Example:
      >>> from fxad import lax
      >>> lax.GatherScatterMode.from_any("clip").name
      'CLIP'
    """

    CLIP = enum.auto()
    FILL_OR_DROP = enum.auto()
    PROMISE_IN_BOUNDS = enum.auto()

    @staticmethod
    def from_any(mode: str | GatherScatterMode | None) -> GatherScatterMode:
        """The mode of a name: ``"clip"``, ``"fill"`` or ``"drop"``, ``"promise_in_bounds"``."""
        found = mode if isinstance(mode, GatherScatterMode) else MODES.get(mode)
        if found is None:
            raise error(
                ArgumentValueError,
                "gather",
                f"got mode={mode!r}, wanted one of {', '.join(map(repr, MODES))}",
            )
        return found


MODES = {
    None: GatherScatterMode.FILL_OR_DROP,
    "clip": GatherScatterMode.CLIP,
    "fill": GatherScatterMode.FILL_OR_DROP,
    "drop": GatherScatterMode.FILL_OR_DROP,
    "promise_in_bounds": GatherScatterMode.PROMISE_IN_BOUNDS,
}

# Windows as an index -----------------------------------------------------------------------------


class Windows(NamedTuple):
    """The windows that indices name in an operand, in the terms of both gather and scatter."""

    operation: str
    operand: Shape
    #: The shape of one window, with a length for every axis of the operand.
    sizes: Shape
    #: The shape of the indices but for their last axis: one window for each place.
    batch: Shape
    #: For each component of an index the axis of the operand.
    mapped: Dims
    #: Axes along which windows have length 1 and which the windows' values lack.
    collapsed: Dims
    #: Axes of the operand, and those of ``batch`` that they run along with.
    batching: Dims
    batching_partners: Dims
    #: The axes of the windows' values that lie within a window.
    window_axes: Dims

    @property
    def kept(self) -> Dims:
        """The axes of the operand that the windows' values have."""
        left_out = self.collapsed + self.batching
        return tuple(d for d in range(len(self.operand)) if d not in left_out)

    @property
    def values(self) -> Shape:
        """The shape of all windows together."""
        kept, batch = iter(self.kept), iter(self.batch)
        ndim = len(self.batch) + len(self.window_axes)
        return tuple(
            self.sizes[next(kept)] if d in self.window_axes else next(batch) for d in range(ndim)
        )

    def check(self) -> None:
        """Raises where the parts do not fit together."""
        ndim, kept = len(self.operand), self.kept
        named = self.collapsed + self.batching
        none = 0 in self.batch  # where there are no windows, they may be of any size
        fits = (
            len(self.sizes) == ndim
            and all(
                k >= 0 and (none or k <= n) for k, n in zip(self.sizes, self.operand, strict=True)
            )
            and all(self.sizes[d] <= 1 for d in named)
            and len(set(self.mapped + self.batching)) == len(self.mapped + self.batching)
            and all(0 <= d < ndim for d in self.mapped + named)
            and len(set(named)) == len(named)
            and len(self.batching) == len(self.batching_partners)
            and all(
                self.batch[p] == self.operand[d]
                for d, p in zip(self.batching, self.batching_partners, strict=True)
            )
            and len(kept) == len(self.window_axes)
            and all(0 <= d < len(kept) + len(self.batch) for d in self.window_axes)
        )
        if not fits:
            raise error(
                ShapeError,
                self.operation,
                f"got windows of shape {self.sizes} of {self.operand} at indices {self.batch}, "
                f"components for the axes {self.mapped}, axes {named} left out and the axes "
                f"{self.window_axes} of the values within windows, wanted a length (of 1 for an "
                "axis left out, at most the operand's) for each axis, and an axis of the values "
                "for each axis that is not left out",
            )

    @property
    def indexed(self) -> Dims:
        """The axes that need an array in the index: all but those which windows take whole."""
        fixed = (*self.mapped, *self.batching, *self.collapsed)
        axes = [d for d, n in enumerate(self.operand) if d in fixed or self.sizes[d] != n]
        return tuple(axes) or (0,)

    def layout(self) -> tuple[Spec, Dims]:
        """The index, and for each axis of the windows' values the axis of what it gives."""
        indexed, within = self.indexed, self._within()
        ndim = len(self.batch) + len(within)
        spec: list[Any] = []
        for d, n in enumerate(self.operand):
            if d in self.batching and d != self._spelt_out():
                partner = self.batching_partners[self.batching.index(d)]
                spec.append(Along(tuple(n if i == partner else 1 for i in range(ndim))))
            else:
                spec.append(ARRAY if d in indexed else whole(n))
        order = [("whole", d) for d in range(len(self.operand)) if d not in indexed]
        at = placement(tuple(spec))
        order[at:at] = [("batch", i) for i in range(len(self.batch))] + [
            ("whole", d) for d in within
        ]
        kept, batch = iter(self.kept), iter(range(len(self.batch)))
        return tuple(spec), tuple(
            order.index(("whole", next(kept)) if d in self.window_axes else ("batch", next(batch)))
            for d in range(len(order))
        )

    def _within(self) -> Dims:
        """The indexed axes along which a window extends."""
        return tuple(d for d in self.indexed if d in self.kept)

    def _spelt_out(self) -> int | None:
        """The batching axis with an array of its own, where no other one spans all windows."""
        return self.batching[0] if set(self.indexed) == set(self.batching) else None

    def arrays(self, indices: Any, mode: GatherScatterMode) -> list[Any]:
        """The integer arrays of the index; windows to be dropped lie outside of the operand."""
        within = self._within()
        starts = self._starts(convert(indices, np.int64), mode) if self.mapped else None
        found = []
        for d in self.indexed:
            if d in self.mapped:
                start = getitem(starts, (..., self.mapped.index(d)))
            elif d == self._spelt_out():
                start = np.indices(self.batch)[self.batching_partners[0]]
            elif d in self.batching:
                continue
            else:
                start = np.zeros(self.batch, np.int64)
            if within:
                start = reshape(start, (*self.batch, *(1,) * len(within)))
            if d in within and self.sizes[d] != 1:
                places = np.arange(self.sizes[d])
                form = [-1 if e == d else 1 for e in within]
                start = add(start, places.reshape(form))
            found.append(start)
        return found

    def _starts(self, indices: Any, mode: GatherScatterMode) -> Any:
        lengths = np.array([self.operand[d] for d in self.mapped])
        last = lengths - [self.sizes[d] for d in self.mapped]
        if mode is GatherScatterMode.CLIP:
            return minimum(maximum(indices, 0), last)
        if mode is GatherScatterMode.FILL_OR_DROP:
            inside = all_(and_(ge(indices, 0), le(indices, last)), axis=-1, keepdims=True)
            return select(inside, indices, lengths)
        return indices


layout_of = functools.lru_cache(1024)(Windows.layout)
check = functools.lru_cache(1024)(Windows.check)


def indices_shape(operation: str, indices: Any, components: Dims) -> Shape:
    """The shape of the indices without their last axis, which has an entry for each component."""
    aval = aval_of(indices)
    if aval.dtype.kind not in "iu":
        raise error(DtypeError, operation, f"got indices {aval.long_name()}, wanted integers")
    if not aval.shape or aval.shape[-1] != len(components):
        raise error(
            ShapeError,
            operation,
            f"got indices {aval.long_name()} for the axes {components}, wanted a last axis of "
            f"length {len(components)}: one entry for each of them",
        )
    return aval.shape[:-1]


def axes_of(*dims: Sequence[int]) -> list[Dims]:
    """Each of several sequences of axes as a tuple of integers."""
    return [tuple(map(int, d)) for d in dims]


def are_unique(promised: bool, batch: Shape, mode: str | GatherScatterMode | None) -> bool:
    """Whether no element lies in two windows: moving them into the array breaks a promise."""
    return math.prod(batch) <= 1 or (promised and mode not in ("clip", GatherScatterMode.CLIP))
