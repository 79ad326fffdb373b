"""Reductions."""

from __future__ import annotations

from typing import Any

import numpy as np

from fxad.numpy.dispatch import implements, refuse_out
from fxad.ops.base import convert, dtype_of, normalize_axes, reduce_sum, reshape, shape_of


def keep_axes(x: Any, shape: Any, axes: Any) -> Any:
    return reshape(x, tuple(1 if d in axes else n for d, n in enumerate(shape)))


_ACCUMULATOR = {
    kind: np.dtype(np.uint64 if kind in "BHI" else np.int64) for kind in "?bhiBHI"
}


@implements(np.sum)
def sum(
    a: Any, axis: Any = None, dtype: Any = None, out: Any = None, keepdims: bool = False
) -> Any:
    """The sum over some axes."""
    refuse_out("sum", out)
    own = dtype_of(a)
    a = convert(a, dtype or _ACCUMULATOR.get(own.char, own))
    axes = normalize_axes("sum", axis, len(shape_of(a)))
    total = reduce_sum(a, axes)
    return keep_axes(total, shape_of(a), axes) if keepdims else total
