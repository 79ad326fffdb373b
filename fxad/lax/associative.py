"""Scans by an associative function, in a logarithmic number of vectorised steps."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import fxad.tree as tree
import fxad.tree_util as tree_util
from fxad.core.aval import aval_of
from fxad.core.source import error
from fxad.core.tracebacks import public
from fxad.errors import ArgumentValueError, DtypeError, ShapeError
from fxad.lax.computation import fits
from fxad.ops.base import convert, normalize_axis, reshape, shape_of
from fxad.ops.identity import copy
from fxad.ops.shape import concatenate, flip, slice_in_dim, stack
from fxad.transforms.common import (
    check_callable,
    check_structure,
    flatten_inputs,
    flatten_outputs,
)
from fxad.transforms.watch import in_sight


@public
@in_sight
def associative_scan(
    fn: Callable[[Any, Any], Any], elems: Any, reverse: bool = False, axis: int = 0
) -> Any:
    """All partial results ``[a, fn(a, b), fn(fn(a, b), c), ...]`` of an associative function.

    It calls ``fn`` about ``2 log2(n)`` times, each time with many elements at once: O(n) work in
    O(log n) steps.

    Args:
      fn: an associative function ``fn(xs, ys) -> zs`` of pytrees structured as ``elems``, whose
        arrays hold any number of elements along the axis; it works on each of them apart (with
        ``vmap``, if need be) and keeps shapes and dtypes.
      elems: array, or a pytree of arrays, all of one length along the axis.
      reverse: starts from the end: ``[..., fn(fn(z, y), x), fn(z, y), z]``.
      axis: the axis along which to scan.

    Returns:
      A pytree like ``elems``.

    Raises:
      ShapeError: the lengths differ, or ``fn`` changes a shape.
      StructureError: ``fn`` changes the structure.
      DtypeError: ``fn`` changes a dtype.

    Source:
      Blelloch, Prefix sums and their applications, 1990.

    Example:
      >>> import numpy as np
      >>> from fxad import lax
      >>> lax.associative_scan(lax.add, np.arange(5)).tolist()
      [0, 1, 3, 6, 10]
      >>> turns = np.array([[[0, -1], [1, 0]]] * 4)  # by a quarter
      >>> lax.associative_scan(np.matmul, turns)[-1].tolist()
      [[1, 0], [0, 1]]
    """
    check_callable("associative_scan", fn, "lax.associative_scan(fn, elems)")
    leaves, structure = flatten_inputs("associative_scan", elems)
    if not leaves:
        raise error(ArgumentValueError, "associative_scan", "got no elements, wanted an array")
    paths = [tree_util.keystr(path) for path, _ in tree.leaves_with_path(elems)]
    axis = normalize_axis("associative_scan", axis, len(shape_of(leaves[0])))
    _check_lengths(leaves, paths, axis)

    def combine(xs: list[Any], ys: list[Any]) -> list[Any]:
        out = fn(tree.unflatten(structure, xs), tree.unflatten(structure, ys))
        zs, out_structure = flatten_outputs("associative_scan", out)
        check_structure("associative_scan", "an output of fn", out_structure, structure)
        return [_alike(z, x, path) for z, x, path in zip(zs, xs, paths, strict=True)]

    if reverse:
        leaves = [flip(x, axis) for x in leaves]
    if shape_of(leaves[0])[axis] < 2:
        scanned = [copy(x) for x in leaves]
    else:
        scanned = _scan(combine, leaves, axis)
    if reverse:
        scanned = [flip(x, axis) for x in scanned]
    return tree.unflatten(structure, scanned)


def _check_lengths(leaves: list[Any], paths: list[str], axis: int) -> None:
    n = shape_of(leaves[0])[axis]
    for path, x in zip(paths, leaves, strict=True):
        shape = shape_of(x)
        if len(shape) <= axis or shape[axis] != n:
            raise error(
                ShapeError,
                "associative_scan",
                f"got {n} elements along axis {axis} of elems{paths[0]}, and elems{path} of shape "
                f"{shape}, wanted one length",
            )


def _alike(out: Any, x: Any, path: str) -> Any:
    """An output of the function, which must have the shape and dtype of its operand."""
    got, wanted = aval_of(out), aval_of(x)
    if got.shape != wanted.shape or not fits(got, wanted):
        raise error(
            ShapeError if got.shape != wanted.shape else DtypeError,
            "associative_scan",
            f"got a function that makes {got.long_name()} of two {wanted.long_name()}"
            f"{f' at {path}' if path else ''}, wanted shapes and dtypes kept",
            "It is called with slices of elems of any length along the axis: "
            "use vmap for a function of single elements.",
        )
    return convert(out, wanted.dtype)


def _scan(combine: Callable[..., list[Any]], xs: list[Any], axis: int) -> list[Any]:
    """The scan: neighbours are combined, so that a scan of half the length gives every second.

    The others follow from those and their own elements.
    """
    n = shape_of(xs[0])[axis]
    if n < 2:
        return xs
    even, between = n - n % 2, (n - 1) // 2
    pairs = ([slice_in_dim(x, i, even, axis, 2) for x in xs] for i in (0, 1))
    odd = _scan(combine, combine(*pairs), axis)
    parts = [[slice_in_dim(x, 0, 1, axis)] for x in xs]
    if between:
        before = [slice_in_dim(y, 0, between, axis) for y in odd]
        later = combine(before, [slice_in_dim(x, 2, n, axis, 2) for x in xs])
        for part, y, z in zip(parts, before, later, strict=True):
            part.append(_in_turn(y, z, axis))
    if even == n:
        for part, y in zip(parts, odd, strict=True):
            part.append(slice_in_dim(y, between, between + 1, axis))
    return [concatenate(part, axis) for part in parts]


def _in_turn(x: Any, y: Any, axis: int) -> Any:
    """The elements of two arrays of one shape by turns along an axis."""
    shape = shape_of(x)
    both = stack([x, y], axis + 1)
    return reshape(both, (*shape[:axis], 2 * shape[axis], *shape[axis + 1 :]))
