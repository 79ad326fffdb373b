"""``map``: a function of one element at a time, or of a batch of them."""

from __future__ import annotations

import operator
from collections.abc import Callable
from typing import Any

import fxad.tree as tree
import fxad.tree_util as tree_util
from fxad.control.scan import scan
from fxad.core.aval import describe
from fxad.core.source import error
from fxad.core.tracebacks import public
from fxad.errors import ArgumentTypeError, ArgumentValueError, ShapeError
from fxad.ops.base import reshape, shape_of
from fxad.ops.shape import concatenate, slice_in_dim
from fxad.transforms.common import check_callable, flatten_inputs
from fxad.transforms.vmap import vmap


@public
def map(f: Callable[[Any], Any], xs: Any, *, batch_size: int | None = None) -> Any:
    """What a function makes of the elements along the first axis, one after the other.

    It means ``stack([f(x) for x in xs])``, and is ``scan`` without a carry: it keeps less in memory
    at a time than ``vmap``, and lets ``lax.cond`` choose for each element.

    Args:
      f: a function of one element, a pytree structured as ``xs``; it returns a pytree of arrays.
      xs: array, or a pytree of arrays with one length along the first axis.
      batch_size: how many elements to compute at once, by ``vmap``; those left over are one batch
        more. None: one at a time; 0: all at once.

    Returns:
      A pytree as ``f`` returns it, its arrays stacked along a new first axis.

    Raises:
      ShapeError: the lengths differ.
      ArgumentValueError: ``xs`` holds no array, or ``batch_size`` is negative.

    Example:
      >>> import numpy as np
      >>> from fxad import lax
      >>> xs = np.arange(6.0).reshape(3, 2)
      >>> lax.map(lambda x: x @ x, xs).tolist()
      [1.0, 13.0, 41.0]
      >>> lax.map(lambda x: x @ x, xs, batch_size=2).tolist()
      [1.0, 13.0, 41.0]
    """
    check_callable("map", f, "lax.map(f, xs)")
    n = _length(xs)
    if batch_size is None:
        return scan(lambda carry, x: (carry, f(x)), (), xs)[1]
    size, batched = _batch_size(batch_size), vmap(f)
    if size == 0 or size >= n:
        return batched(xs)
    count, left = divmod(n, size)
    batches = tree.map(
        lambda x: reshape(slice_in_dim(x, 0, n - left, 0), (count, size, *shape_of(x)[1:])), xs
    )
    ys = scan(lambda carry, x: (carry, batched(x)), (), batches)[1]
    ys = tree.map(lambda y: reshape(y, (count * size, *shape_of(y)[2:])), ys)
    if not left:
        return ys
    rest = batched(tree.map(lambda x: slice_in_dim(x, n - left, n, 0), xs))
    return tree.map(lambda y, z: concatenate([y, z], 0), ys, rest)


def _length(xs: Any) -> int:
    """The length along the first axis, which all have."""
    leaves, _ = flatten_inputs("map", xs)
    if not leaves:
        raise error(ArgumentValueError, "map", "got xs without an array, wanted at least one")
    paths = [tree_util.keystr(path) for path, _ in tree.leaves_with_path(xs)]
    for path, x in zip(paths, leaves, strict=True):
        if not shape_of(x):
            raise error(
                ShapeError,
                "map",
                f"got xs{path} {describe(x)}, wanted arrays with a first axis to map over",
            )
    lengths = [shape_of(x)[0] for x in leaves]
    if len(set(lengths)) > 1:
        listed = ", ".join(f"xs{path} has {n}" for path, n in zip(paths, lengths, strict=True))
        raise error(ShapeError, "map", f"got different lengths along the first axis: {listed}")
    return lengths[0]


def _batch_size(batch_size: Any) -> int:
    try:
        size = operator.index(batch_size)
    except TypeError:
        raise error(
            ArgumentTypeError,
            "map",
            f"got batch_size={describe(batch_size)}, wanted an integer or None",
        ) from None
    if size < 0:
        raise error(ArgumentValueError, "map", f"got batch_size={size}, wanted at least 0")
    return size
