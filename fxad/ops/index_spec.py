"""NumPy's indices in one normal form: a static *spec*, and integer arrays beside it.

A spec has one entry for each item of the index, from the first axis on; axes behind the last entry
are taken whole. An entry is an integer (>= 0), ``(start, stop, step)`` with the bounds that
``range`` takes, ``None`` for a new axis, ``ARRAY`` for the next of the integer arrays, or an
``Along``.
"""

from __future__ import annotations

import functools
import math
import operator
from collections.abc import Sequence
from typing import Any, NamedTuple, TypeAlias

import numpy as np

from fxad.core.aval import Shape, aval_of, describe, is_array
from fxad.core.source import error
from fxad.core.trace import Tracer
from fxad.errors import (
    IndexingError,
    NonConcreteBooleanIndexError,
    TracerIntegerConversionError,
)
from fxad.ops.base import moveaxis, reshape, shape_of
from fxad.ops.shape import stack

ARRAY = "*"
Spec: TypeAlias = tuple[Any, ...]


class Along(NamedTuple):
    """An entry that stands for the array ``arange(n)`` in a shape with one length that is not 1."""

    shape: Shape


class Index(NamedTuple):
    """An index in normal form."""

    #: The shape to give to the array first: a truth value indexes a new axis.
    shape: Shape
    spec: Spec
    arrays: list[Any]
    #: Whether the form alone says that no element is named twice.
    unique: bool
    #: Whether an ellipsis that stands for no axis parts the arrays: their axes then come first.
    parted: bool = False


def parse(shape: Shape, index: Any, strict: bool = True) -> Index:
    """The normal form of an index into an array of this shape.

    Args:
      shape: of the array that is indexed.
      index: what stands between the brackets.
      strict: whether an integer out of bounds is an error; else it becomes an array.
    """
    parts = list(index) if type(index) is tuple else [index]
    parted = _expand(shape, parts)
    spec: list[Any] = []
    arrays: list[Any] = []
    axis = 0
    unique, masks = True, 0
    for part in parts:
        kind = type(part)
        if kind is slice:
            spec.append(_bounds(part, shape[axis]))
        elif part is None:
            spec.append(None)
            continue
        elif kind is int:
            n = shape[axis]
            if -n <= part < n:
                spec.append(part if part >= 0 else part + n)
            elif strict:
                raise _out_of_bounds(part, axis, n)
            else:
                spec.append(ARRAY)
                arrays.append(np.intp(part))
        elif kind is _Mask:
            if not part.ndim:
                shape = (*shape[:axis], 1, *shape[axis:])
            found = part.nonzero(shape, axis)
            spec += [ARRAY] * len(found)
            arrays += found
            axis += len(found)
            masks += 1
            continue
        else:
            spec.append(ARRAY)
            arrays.append(part)
            unique = unique and not shape_of(part)
        axis += 1
    return Index(shape, tuple(spec), arrays, unique and masks < 2, parted)


class _Mask:
    """A boolean index whose values are known."""

    __slots__ = ("values", "ndim")

    def __init__(self, values: Any) -> None:
        self.values, self.ndim = values, len(values.shape)

    def nonzero(self, shape: Shape, axis: int) -> list[Any]:
        """The places where it is true, as one array for each axis."""
        if not self.ndim:
            return [np.zeros(int(bool(self.values)), np.intp)]
        wanted = shape[axis : axis + self.ndim]
        if self.values.shape != wanted:
            raise error(
                IndexingError,
                "getitem",
                f"got a mask of shape {tuple(self.values.shape)} for the axes from {axis} on of "
                f"an array of shape {shape}, wanted {wanted}",
            )
        return list(self.values.nonzero())


def _expand(shape: Shape, parts: list[Any]) -> bool:
    """Makes every item one of those that ``parse`` knows, and replaces the ellipsis by slices.

    Returns whether the ellipsis stands for no axis and parts integers and arrays.
    """
    used = 0
    dots = None
    for i, part in enumerate(parts):
        kind = type(part)
        if kind is int or kind is slice:
            used += 1
        elif part is Ellipsis:
            if dots is not None:
                raise error(IndexingError, "getitem", "got two ellipses '...', wanted at most one")
            dots = i
        elif part is not None:
            parts[i] = part = _item(part)
            used += part.ndim if type(part) is _Mask else 1
    if used > len(shape):
        raise error(
            IndexingError,
            "getitem",
            f"got {used} indices for an array of shape {shape}, wanted at most {len(shape)}",
        )
    if dots is None:
        return False
    last = dots == len(parts) - 1
    parts[dots : dots + 1] = [] if last else [slice(None)] * (len(shape) - used)
    return used == len(shape) and _pick(parts[:dots]) and _pick(parts[dots:])


def _pick(parts: list[Any]) -> bool:
    return any(part is not None and type(part) is not slice for part in parts)


def _item(part: Any) -> Any:
    """An item of an index as an integer, an integer array or a mask."""
    if isinstance(part, list | tuple):
        part = _as_array(part)
    if isinstance(part, bool | np.bool_):
        return _Mask(np.asarray(part))
    if isinstance(part, np.integer):
        return int(part)
    if not (is_array(part) or isinstance(part, Tracer)):
        try:
            return operator.index(part)
        except TypeError:
            raise _not_an_index(part) from None
    aval = aval_of(part)
    if aval.dtype.kind == "b":
        return _Mask(_known(part))
    if aval.dtype.kind not in "iu":
        raise _not_an_index(part)
    return int(part) if isinstance(part, np.ndarray) and not part.ndim else part


def _as_array(part: Any) -> Any:
    """A nested list, of tracers too, as an array."""
    if _holds_tracer(part):
        return stack([_as_array(p) if isinstance(p, list | tuple) else p for p in part])
    return np.asarray(part) if len(part) else np.zeros(0, np.intp)


def _holds_tracer(part: Any) -> bool:
    if isinstance(part, list | tuple):
        return any(map(_holds_tracer, part))
    return isinstance(part, Tracer)


def _not_an_index(part: Any) -> IndexingError:
    return error(
        IndexingError,
        "getitem",
        f"got {describe(part)} as an index, wanted integers, slices, None, ... , or arrays of "
        "integers or booleans",
    )


def _known(mask: Any) -> Any:
    """The values of a mask, which must not be a tracer's that has none."""
    if not isinstance(mask, Tracer):
        return mask
    value = mask.concrete()
    if value is None:
        raise error(
            NonConcreteBooleanIndexError,
            "getitem",
            f"got a boolean mask {mask.aval.long_name()} whose values are not known under "
            f"{mask._trace.transformation}, wanted a concrete mask: the result's shape depends on "
            "its values",
            "Use fnp.where(mask, x, y) with three arguments, or reduce with where=mask.",
        )
    return value


def _out_of_bounds(i: int, axis: int, n: int) -> IndexingError:
    return error(
        IndexingError,
        "getitem",
        f"got the index {i} for axis {axis} of length {n}, wanted {-n} <= index < {n}",
    )


def _bounds(part: slice, n: int) -> tuple[int, int, int]:
    try:
        start, stop, step = part.indices(n)
    except TracerIntegerConversionError:
        raise error(
            TracerIntegerConversionError,
            "getitem",
            f"got the slice {part} with bounds whose values are not known, wanted integers: the "
            "shape of the result depends on them",
            "Use lax.dynamic_slice(x, start, size) for a slice of known size, or an array of "
            "indices, start + fnp.arange(size).",
        ) from None
    return (start, stop, step) if range(start, stop, step) else (0, 0, 1)


# What a spec means -----------------------------------------------------------------------------


@functools.lru_cache(4096)
def basic(spec: Spec) -> tuple[Any, ...]:
    """The index of a spec without arrays, as NumPy and CuPy take it."""
    return tuple(
        slice(e[0], e[1] if e[1] >= 0 else None, e[2]) if type(e) is tuple else e for e in spec
    )


def rebuild(xp: Any, spec: Spec, arrays: Sequence[Any]) -> tuple[Any, ...]:
    """The index that a spec and its arrays came from."""
    following = iter(arrays)
    index = []
    for entry in basic(spec):
        if entry == ARRAY:
            entry = next(following)
        elif type(entry) is Along:
            entry = xp.arange(math.prod(entry.shape)).reshape(entry.shape)
        index.append(entry)
    return tuple(index)


@functools.lru_cache(4096)
def placement(spec: Spec) -> int:
    """Where the axes of the broadcast arrays stand in the result: NumPy's rule.

    Integers count as arrays beside one: all of them in a row put the axes in their own place,
    others put them first.
    """
    advanced = [i for i, e in enumerate(spec) if e is not None and type(e) is not tuple]
    first, last = advanced[0], advanced[-1]
    return first if last - first + 1 == len(advanced) else 0


def array_shape(operation: str, spec: Spec, arrays: Sequence[Any]) -> Shape:
    """What the arrays of an index broadcast to."""
    shapes = [a.shape for a in arrays]
    if len(spec) > len(arrays):
        shapes += [e.shape for e in spec if type(e) is Along]
    try:
        return shapes[0] if len(shapes) == 1 else np.broadcast_shapes(*shapes)
    except ValueError:
        raise error(
            IndexingError,
            operation,
            f"got index arrays of shapes {' and '.join(map(str, shapes))}, "
            "which do not broadcast together",
        ) from None


@functools.lru_cache(4096)
def result_shape(shape: Shape, spec: Spec, from_arrays: Shape | None = None) -> Shape:
    """The shape that indexing gives; ``from_arrays`` is what the arrays broadcast to."""
    kept: list[int] = []
    axis = 0
    for entry in spec:
        if entry is None:
            kept.append(1)
            continue
        if type(entry) is tuple:
            kept.append(len(range(*entry)))
        axis += 1
    kept += shape[axis:]
    if from_arrays is not None:
        at = placement(spec)
        kept[at:at] = from_arrays
    return tuple(kept)


def order_of(found: Index) -> list[int] | None:
    """The axes of what a spec gives in NumPy's order; None where that is their own."""
    if not (found.parted and found.arrays and placement(found.spec)):
        return None
    at, among = placement(found.spec), array_shape("getitem", found.spec, found.arrays)
    ndim, behind = len(result_shape(found.shape, found.spec, among)), at + len(among)
    return [*range(at, behind), *range(at), *range(behind, ndim)]


def array_axes(spec: Spec) -> list[int]:
    """The axes of the indexed array whose entries are arrays."""
    consuming = [entry for entry in spec if entry is not None]
    return [axis for axis, entry in enumerate(consuming) if entry == ARRAY]


def whole(n: int) -> tuple[int, int, int]:
    """The entry of an axis that is taken whole."""
    return (0, n, 1)


class BatchedIndex(NamedTuple):
    """An index of examples as an index of the whole batch."""

    spec: Spec
    arrays: list[Any]
    #: Where the batch stands in the indexed array and in the result.
    axis: int
    dim: int


def batch_index(
    size: int, spec: Spec, arrays: Sequence[Any], dims: Sequence[int | None]
) -> BatchedIndex:
    """The index into a batch of arrays, each example with its own index arrays or all with one."""
    if all(d is None for d in dims):
        spec = (whole(size), *spec)
        behind = len(array_shape("getitem", spec, arrays)) if arrays and not placement(spec) else 0
        return BatchedIndex(spec, list(arrays), 0, behind)
    at = placement(spec)
    arrays = stack_arrays(spec, arrays, dims)
    ndim = max(len(shape_of(a)) for a in arrays)
    spec = (*spec[:at], Along((size, *(1,) * (ndim - 1))), *spec[at:])
    axis = sum(entry is not None for entry in spec[:at])
    return BatchedIndex(spec, arrays, axis, placement(spec))


def stack_arrays(spec: Spec, arrays: Sequence[Any], dims: Sequence[int | None]) -> list[Any]:
    """Index arrays with the batch as the first axis of what they broadcast to."""
    ndims = [len(shape_of(a)) - (d is not None) for a, d in zip(arrays, dims, strict=True)]
    ndim = max(*ndims, *(len(e.shape) for e in spec if type(e) is Along), 0)
    out = []
    for a, d in zip(arrays, dims, strict=True):
        if d is not None:
            a = moveaxis(a, d, 0)
            size, *rest = shape_of(a)
            a = reshape(a, (size, *(1,) * (ndim - len(rest)), *rest))
        out.append(a)
    return out
