"""Reductions, running reductions and order, under JAX's names."""

from __future__ import annotations

import math
import operator
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

import fxad.ops.cumulative as cumulative
import fxad.ops.elementwise as elementwise
import fxad.ops.logic as logic
import fxad.ops.reduction as ops
import fxad.ops.sorting as sorting
import fxad.tree as tree
from fxad.core.aval import PYTHON_SCALARS, DType, describe
from fxad.core.primitive import Primitive
from fxad.core.source import error
from fxad.core.tracebacks import public
from fxad.errors import ArgumentTypeError, DtypeError
from fxad.lax.computation import is_known, parse
from fxad.ops.base import (
    broadcast_to,
    convert,
    dtype_of,
    normalize_axes,
    normalize_axis,
    number_like,
    reduce_sum_p,
    reshape,
    shape_of,
    transpose,
)
from fxad.ops.identity import copy
from fxad.ops.pooling import limit
from fxad.ops.shape import slice_in_dim
from fxad.transforms.watch import in_sight

#: What joins two lists of arrays, element by element.
Combine = Callable[[list[Any], list[Any]], list[Any]]

_DOCUMENTATION = """{summary}

Args:
  operand: array.
  axes: the axes to take away.

Returns:
  An array without the axes, of the operand's dtype.

Example:
  >>> import numpy as np
  >>> from fxad import lax
  >>> lax.{name}(np.array({example}), (0,)).tolist()
  {result}
"""


def _named(
    function: Callable[[Any, Sequence[int]], Any],
    name: str,
    summary: str,
    example: str,
    result: str,
) -> Callable[[Any, Sequence[int]], Any]:
    function.__name__ = function.__qualname__ = name
    function.__doc__ = _DOCUMENTATION.format(
        summary=summary, name=name, example=example, result=result
    )
    return function


def _reduction(
    primitive: Primitive, name: str, summary: str, example: str, result: str
) -> Callable[[Any, Sequence[int]], Any]:
    def reduction(operand: Any, axes: Sequence[int]) -> Any:
        axes = normalize_axes(name, tuple(axes), len(shape_of(operand)))
        return primitive.bind(operand, axes=axes) if axes else _strong(operand)

    return _named(reduction, name, summary, example, result)


reduce_sum = _reduction(reduce_sum_p, "reduce_sum", "The sum over axes.", "[1, 2, 3]", "6")
reduce_prod = _reduction(
    ops.reduce_prod_p, "reduce_prod", "The product over axes.", "[1, 2, 3]", "6"
)


def _extremum(
    primitive: Primitive, name: str, summary: str, example: str, result: str, greatest: bool
) -> Callable[[Any, Sequence[int]], Any]:
    """A reduction that gives the limit of the dtype where there are no elements, as XLA's."""

    def reduction(operand: Any, axes: Sequence[int]) -> Any:
        shape = shape_of(operand)
        axes = normalize_axes(name, tuple(axes), len(shape))
        if any(shape[d] == 0 for d in axes):
            return _constant(operand, limit(dtype_of(operand), greatest), axes)
        return primitive.bind(operand, axes=axes) if axes else _strong(operand)

    return _named(reduction, name, summary, example, result)


def _strong(operand: Any) -> Any:
    """The operand itself; a Python number with its dtype."""
    return convert(operand, dtype_of(operand))


def _constant(operand: Any, value: Any, axes: tuple[int, ...]) -> Any:
    """What is left of an operand without some axes, all of it one number."""
    return copy(broadcast_to(number_like(operand, value), ops.without(shape_of(operand), axes)))


reduce_max = _extremum(
    ops.reduce_max_p, "reduce_max", "The greatest element over axes.", "[1, 3, 2]", "3", True
)
reduce_min = _extremum(
    ops.reduce_min_p, "reduce_min", "The least element over axes.", "[1, 3, 2]", "1", False
)


def _fold(combine: Combine, xs: list[Any], length: int) -> list[Any]:
    """What an associative function makes of the slices along the first axis, in their order."""
    rest: list[Any] | None = None
    while length > 1:
        even = length - length % 2
        first, second = ([slice_in_dim(x, i, even, 0, 2) for x in xs] for i in (0, 1))
        if even < length:
            last = [slice_in_dim(x, even, length, 0) for x in xs]
            rest = last if rest is None else combine(last, rest)
        xs, length = combine(first, second), length // 2
    return xs if rest is None else combine(xs, rest)


def _folded(combine: Combine, xs: list[Any], axes: tuple[int, ...]) -> list[Any]:
    """What an associative function makes of all elements along axes that hold some."""
    shape = shape_of(xs[0])
    left = ops.without(shape, axes)
    length = math.prod(shape[d] for d in axes)
    order = [*axes, *(d for d in range(len(shape)) if d not in axes)]
    rows = [reshape(transpose(x, order), (length, *left)) for x in xs]
    return [reshape(x, left) for x in _fold(combine, rows, length)]


@public
@in_sight
def reduce(operands: Any, init_values: Any, computation: Any, dimensions: Sequence[int]) -> Any:
    """A reduction by a function of two numbers.

    Args:
      operands: array, or a pytree of arrays of one shape.
      init_values: the number (a pytree of them) with which ``computation`` changes nothing, of the
        dtype of its operand; it is taken in once, so it may be another number as well.
      computation: an associative function ``(x, y) -> z`` of numbers, or of pytrees of them. It is
        called once. Sums, products, extrema and bitwise operations are recognised.
      dimensions: the axes to take away.

    Returns:
      Arrays without the axes.

    Raises:
      StructureError: ``init_values``, or what ``computation`` returns, is not structured as
        ``operands``.
      DtypeError: their dtypes differ.

    Example:
      >>> import numpy as np
      >>> from fxad import lax
      >>> int(lax.reduce(np.array([1, 4, 2]), 0, lax.add, (0,)))
      7
      >>> def best(x, y):
      ...     first = x[0] >= y[0]
      ...     return lax.select(first, x[0], y[0]), lax.select(first, x[1], y[1])
      >>> where = np.arange(3)
      >>> [int(x) for x in lax.reduce((np.array([1, 4, 2]), where), (0, -1), best, (0,))]
      [4, 1]
    """
    xs, inits, structure, combine = parse("reduce", operands, init_values, computation)
    shape = shape_of(xs[0])
    axes = normalize_axes("reduce", tuple(dimensions), len(shape))
    left = ops.without(shape, axes)
    if 0 in shape:
        return tree.unflatten(structure, [copy(broadcast_to(init, left)) for init in inits])
    primitives = combine.primitives()
    if all(p in _NAMED for p in primitives):
        named = [_NAMED[p] for p in primitives]
        outs = [reduced(x, axes) for (reduced, _), x in zip(named, xs, strict=True)]
        units = [unit(dtype_of(x)) for (_, unit), x in zip(named, xs, strict=True)]
        if all(map(is_known, inits, units)):
            return tree.unflatten(structure, outs)
    else:
        outs = _folded(combine, xs, axes)
    return tree.unflatten(structure, combine([broadcast_to(x, left) for x in inits], outs))


def _bitwise(
    name: str,
    summary: str,
    result: str,
    combine: Any,
    unit: int,
    logical: Primitive | None = None,
) -> Callable[[Any, Sequence[int]], Any]:
    """A reduction bit by bit, of truth values and integers."""

    def reduction(operand: Any, axes: Sequence[int]) -> Any:
        dtype, shape = dtype_of(operand), shape_of(operand)
        if dtype.kind not in "biu":
            raise error(DtypeError, name, f"got {dtype}, wanted integers or truth values")
        axes = normalize_axes(name, tuple(axes), len(shape))
        if dtype.kind == "b" and logical is not None:
            return logical.bind(operand, axes=axes)
        if any(shape[d] == 0 for d in axes):
            return _constant(operand, np.array(unit).astype(dtype)[()], axes)
        return _folded(lambda x, y: [combine(*x, *y)], [operand], axes)[0]

    return _named(reduction, name, summary, "[6, 3]", result)


reduce_and = _bitwise(
    "reduce_and", "The bits set in all elements.", "2", logic.and_, -1, ops.reduce_and_p
)
reduce_or = _bitwise("reduce_or", "The bits set in an element.", "7", logic.or_, 0, ops.reduce_or_p)
reduce_xor = _bitwise("reduce_xor", "The bits set in an odd number of elements.", "5", logic.xor, 0)


def _bit(dtype: DType) -> Any:
    return np.array(-1).astype(dtype)[()]


#: Primitives of two numbers: the reduction by each, and the number that changes nothing.
_NAMED: dict[Primitive | None, tuple[Callable[[Any, Sequence[int]], Any], Callable[[DType], Any]]]
_NAMED = {
    elementwise.add_p: (reduce_sum, lambda dtype: 0),
    elementwise.mul_p: (reduce_prod, lambda dtype: 1),
    elementwise.max_p: (reduce_max, lambda dtype: limit(dtype, True)),
    elementwise.min_p: (reduce_min, lambda dtype: limit(dtype, False)),
    logic.and_p: (reduce_and, _bit),
    logic.or_p: (reduce_or, lambda dtype: 0),
    logic.xor_p: (reduce_xor, lambda dtype: 0),
    logic.logical_and_p: (reduce_and, _bit),
    logic.logical_or_p: (reduce_or, lambda dtype: 0),
    logic.logical_xor_p: (reduce_xor, lambda dtype: 0),
}


def _integers(operation: str, wanted: Any) -> DType:
    dtype: DType = np.dtype(wanted)
    if dtype.kind not in "iu":
        raise error(DtypeError, operation, f"got index_dtype {dtype}, wanted an integer dtype")
    return dtype


def argmax(operand: Any, axis: int, index_dtype: Any = np.int64) -> Any:
    """Where the greatest element stands along an axis.

    Args:
      operand: array.
      axis: the axis.
      index_dtype: the dtype of the result, of integers.

    Returns:
      An array without the axis.

    Raises:
      DtypeError: ``index_dtype`` is none of integers.

    Example:
      >>> import numpy as np
      >>> from fxad import lax
      >>> int(lax.argmax(np.array([2, 3, 1]), 0, np.int32))
      1
    """
    return convert(ops.argmax(operand, axis), _integers("argmax", index_dtype))


def argmin(operand: Any, axis: int, index_dtype: Any = np.int64) -> Any:
    """Where the least element stands along an axis.

    Args:
      operand: array.
      axis: the axis.
      index_dtype: the dtype of the result, of integers.

    Returns:
      An array without the axis.

    Raises:
      DtypeError: ``index_dtype`` is none of integers.

    Example:
      >>> import numpy as np
      >>> from fxad import lax
      >>> int(lax.argmin(np.array([2, 3, 1]), 0, np.int32))
      2
    """
    return convert(ops.argmin(operand, axis), _integers("argmin", index_dtype))


# Running reductions ------------------------------------------------------------------------------

_RUNNING = """{summary}

Args:
  operand: array.
  axis: the axis along which to run.
  reverse: runs from the end.

Returns:
  An array of the operand's shape and dtype.

Example:
  >>> import numpy as np
  >>> from fxad import lax
  >>> lax.{name}(np.array([1, 3, 2])).tolist()
  {result}
"""


def _running(
    primitive: Primitive, name: str, summary: str, result: str
) -> Callable[[Any, int, bool], Any]:
    def running(operand: Any, axis: int = 0, reverse: bool = False) -> Any:
        axis = normalize_axis(name, axis, len(shape_of(operand)))
        return primitive.bind(operand, axis=axis, reverse=bool(reverse))

    running.__name__ = running.__qualname__ = name
    running.__doc__ = _RUNNING.format(summary=summary, name=name, result=result)
    return running


cumsum = _running(cumulative.cumsum_p, "cumsum", "Running sums.", "[1, 4, 6]")
cumprod = _running(cumulative.cumprod_p, "cumprod", "Running products.", "[1, 3, 6]")
cummax = _running(cumulative.cummax_p, "cummax", "Running maxima.", "[1, 3, 3]")
cummin = _running(cumulative.cummin_p, "cummin", "Running minima.", "[1, 1, 1]")


def cumlogsumexp(operand: Any, axis: int = 0, reverse: bool = False) -> Any:
    """Running log(sum(exp(x))), without overflow.

    Args:
      operand: array of real numbers.
      axis: the axis along which to run.
      reverse: runs from the end.

    Returns:
      An array of the operand's shape.

    Example:
      >>> import numpy as np
      >>> from fxad import lax
      >>> lax.cumlogsumexp(np.zeros(2)).round(6).tolist()
      [0.0, 0.693147]
    """
    return cumulative.cumlogsumexp(operand, axis, reverse)


# Order -------------------------------------------------------------------------------------------


def sort(operand: Any, dimension: int = -1, is_stable: bool = True, num_keys: int = 1) -> Any:
    """The elements in ascending order; several arrays in the order of the first of them.

    Args:
      operand: array, or a tuple of arrays of one shape.
      dimension: the axis.
      is_stable: keeps equal elements in their order.
      num_keys: how many arrays of a tuple are keys.

    Returns:
      An array, or a tuple of them.

    Example:
      >>> import numpy as np
      >>> from fxad import lax
      >>> [x.tolist() for x in lax.sort((np.array([3, 1]), np.array([7, 8])))]
      [[1, 3], [8, 7]]
    """
    if isinstance(operand, tuple | list):
        if any(type(x) in PYTHON_SCALARS for x in operand):
            raise error(
                ArgumentTypeError,
                "sort",
                f"got {describe(operand)}, wanted an array or several",
                "Make an array of it with fnp.asarray first.",
            )
        return tuple(sorting.sort_together(operand, dimension, num_keys))
    return sorting.sort(operand, dimension, is_stable)


def sort_key_val(
    keys: Any, values: Any, dimension: int = -1, is_stable: bool = True
) -> tuple[Any, Any]:
    """Keys in ascending order, and values in that order too.

    Args:
      keys: array.
      values: array of the same shape.
      dimension: the axis.
      is_stable: keeps equal keys in their order.

    Returns:
      Two arrays.

    Example:
      >>> import numpy as np
      >>> from fxad import lax
      >>> [x.tolist() for x in lax.sort_key_val(np.array([3, 1]), np.array([7, 8]))]
      [[1, 3], [8, 7]]
    """
    ordered_keys, ordered_values = sorting.sort_together([keys, values], dimension)
    return ordered_keys, ordered_values


def top_k(operand: Any, k: int, *, axis: int = -1, is_stable: bool = True) -> tuple[Any, Any]:
    """The greatest elements along an axis, the greatest first, and their places.

    Args:
      operand: array.
      k: how many.
      axis: the axis.
      is_stable: accepted for JAX's sake: of equal elements the first ones always come first.

    Returns:
      Two arrays: elements, of which NaN is the greatest, and int32.

    Raises:
      ArgumentValueError: there are less than ``k``.

    Example:
      >>> import numpy as np
      >>> from fxad import lax
      >>> [x.tolist() for x in lax.top_k(np.array([3, 1, 7]), 2)]
      [[7, 3], [2, 0]]
    """
    values, places = sorting.top_k(operand, operator.index(k), axis)
    return values, convert(places, np.int32)
