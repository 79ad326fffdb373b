"""Elements moved on along axes, in a circle; by traced distances too."""

from __future__ import annotations

import operator
from typing import Any

from fxad.core.source import error
from fxad.core.trace import Tracer
from fxad.errors import ShapeError
from fxad.ops.base import normalize_axis, reshape, shape_of
from fxad.ops.dynamic_slice import dynamic_slice_in_dim
from fxad.ops.elementwise import neg, remainder
from fxad.ops.indexing import getitem
from fxad.ops.shape import concatenate_p, ravel, split


def roll(x: Any, shift: Any, axis: Any = None) -> Any:
    """The elements moved on along axes, those that leave at the end coming in at the front."""
    if axis is None:
        flat = ravel(x)
        for by in _each(shift):
            flat = _roll_along(flat, by, 0)
        return reshape(flat, shape_of(x))
    shifts, axes = _each(shift), _each(axis)
    count = max(len(shifts), len(axes))
    if {len(shifts), len(axes)} - {1, count}:
        raise error(
            ShapeError,
            "roll",
            f"got {len(shifts)} shifts for {len(axes)} axes, wanted one of each or as many",
        )
    ndim = len(shape_of(x))
    for i in range(count):
        d = operator.index(axes[i % len(axes)])
        x = _roll_along(x, shifts[i % len(shifts)], normalize_axis("roll", d, ndim))
    return x


def _each(numbers: Any) -> list[Any]:
    """A number, or the numbers of a sequence or vector, as a list."""
    if isinstance(numbers, tuple | list):
        return list(numbers)
    shape = shape_of(numbers)
    return [getitem(numbers, i) for i in range(shape[0])] if shape else [numbers]


def _roll_along(x: Any, by: Any, axis: int) -> Any:
    n = shape_of(x)[axis]
    if n == 0:
        return x
    if isinstance(by, Tracer):
        # A window into two copies, whose transpose is no scatter.
        twice = concatenate_p.bind(x, x, axis=axis)
        return dynamic_slice_in_dim(twice, remainder(neg(by), n), n, axis)
    k = int(by) % n
    if k == 0:
        return x
    tail, head = split(x, (n - k, k), axis)
    return concatenate_p.bind(head, tail, axis=axis)
