"""Choosing elements by index, by mask and by condition."""

from __future__ import annotations

import functools
from collections.abc import Sequence
from typing import Any

import numpy as np

import fxad.ops.at as functional
import fxad.ops.indexing as ops
from fxad.core.source import error
from fxad.core.trace import Tracer
from fxad.errors import ArgumentValueError, DtypeError
from fxad.numpy.creation import full_like
from fxad.numpy.dispatch import implements, known, refuse_out
from fxad.numpy.dtypes import result_type
from fxad.numpy.nested import NESTED, array_of, operand, strong, to_cast
from fxad.ops.base import assigned, convert, dtype_of, reshape, shape_of
from fxad.ops.elementwise import max as maximum
from fxad.ops.elementwise import min as minimum
from fxad.ops.elementwise import remainder
from fxad.ops.elementwise import select as choose_between
from fxad.ops.logic import logical_not, logical_or, ne
from fxad.ops.shape import broadcast_arrays, stack


@implements(np.where)
def where(condition: Any, x: Any = None, y: Any = None, /) -> Any:
    """``x`` where a condition holds, else ``y``.

    Args:
      condition: array of truth values.
      x: array, number or list.
      y: array, number or list; all three broadcast against each other.

    Returns:
      An array; with the condition alone, the indices where it holds, as ``nonzero``. The branch
      that is not taken gets derivative 0, also where its own is NaN at that place.

    Example:
      >>> import fxad.numpy as fnp
      >>> fnp.where([True, False], [1, 2], 0).tolist()
      [1, 0]
    """
    condition = operand(condition)
    if x is None and y is None:
        return nonzero(condition)
    if x is None or y is None:
        raise ValueError("either both or neither of x and y should be given")
    if dtype_of(condition).kind != "b":
        condition = ne(condition, 0)
    x, y = (array_of(v) if type(v) in NESTED else v for v in (x, y))
    return strong(choose_between(condition, x, y))


@implements(np.take, beyond=("fill_value",))
def take(
    a: Any,
    indices: Any,
    axis: int | None = None,
    out: Any = None,
    mode: str | None = "raise",
    fill_value: Any = None,
) -> Any:
    """The elements at some places of an axis.

    Args:
      a: array or list.
      indices: integers in any shape.
      axis: the axis; None: of the flattened array.
      out: none with traced arrays.
      mode: what indices out of bounds are: an error ("raise"), the nearest ("clip"), counted on
        ("wrap"), or, beyond NumPy, ``fill_value`` ("fill").
      fill_value: a number; None is NaN or an extreme integer.

    Returns:
      An array with the shape of ``indices`` in the place of the axis.

    Raises:
      IndexingError: an index is out of bounds.

    Example:
      >>> import fxad.numpy as fnp
      >>> fnp.take([10, 20, 30], [2, 0]).tolist()
      [30, 10]
    """
    refuse_out("take", out)
    places = operand(indices)
    if type(indices) in NESTED and 0 in shape_of(places):
        places = convert(places, np.int64)
    return ops.take(operand(a), places, axis, mode, fill_value)


@implements(np.take_along_axis)
def take_along_axis(arr: Any, indices: Any, axis: int | None = -1) -> Any:
    """The elements that indices of the same dimensions name along an axis.

    Args:
      arr: array or list.
      indices: integers; lengths of the other axes are those of ``arr``, or 1.
      axis: the axis; None: both flattened.

    Returns:
      An array of the broadcast shape.

    Raises:
      IndexingError: an index is out of bounds, or the shapes do not fit.

    Example:
      >>> import fxad.numpy as fnp
      >>> fnp.take_along_axis(fnp.array([[3, 1, 2]]), fnp.array([[1, 2, 0]]), axis=1).tolist()
      [[1, 2, 3]]
    """
    return ops.take_along_axis(operand(arr), operand(indices), axis)


@implements(np.nonzero)
def nonzero(a: Any) -> tuple[Any, ...]:
    """Where elements are not zero; values must be known, since the result's size is not else.

    Args:
      a: array or list.

    Returns:
      For each axis an array of indices.

    Raises:
      ConcretizationTypeError: a traced value is not known.

    Example:
      >>> import fxad.numpy as fnp
      >>> fnp.nonzero([0, 5, 6])[0].tolist()
      [1, 2]
    """
    return tuple(np.nonzero(known("nonzero", operand(a))))


@implements(np.argwhere)
def argwhere(a: Any) -> Any:
    """The indices of elements that are not zero, one in each row; values must be known.

    Args:
      a: array or list of n dimensions.

    Returns:
      An array of shape (count, n).

    Raises:
      ConcretizationTypeError: a traced value is not known.

    Example:
      >>> import fxad.numpy as fnp
      >>> fnp.argwhere([[0, 5], [6, 0]]).tolist()
      [[0, 1], [1, 0]]
    """
    return np.argwhere(known("argwhere", operand(a)))


@implements(np.flatnonzero)
def flatnonzero(a: Any) -> Any:
    """Where elements of the flattened array are not zero; values must be known.

    Args:
      a: array or list.

    Returns:
      A vector of indices.

    Raises:
      ConcretizationTypeError: a traced value is not known.

    Example:
      >>> import fxad.numpy as fnp
      >>> fnp.flatnonzero([[0, 5], [6, 0]]).tolist()
      [1, 2]
    """
    return np.flatnonzero(known("flatnonzero", operand(a)))


@implements(np.extract)
def extract(condition: Any, arr: Any) -> Any:
    """The elements where a condition holds; its values must be known.

    Args:
      condition: array of truth values.
      arr: array of the same size.

    Returns:
      A vector.

    Raises:
      ConcretizationTypeError: the condition is traced and not known.

    Example:
      >>> import fxad.numpy as fnp
      >>> fnp.extract([True, False, True], [1, 2, 3]).tolist()
      [1, 3]
    """
    return ops.take(operand(arr), flatnonzero(condition))


@implements(np.compress)
def compress(condition: Any, a: Any, axis: int | None = None, out: Any = None) -> Any:
    """The slices along an axis for which a condition holds; its values must be known.

    Args:
      condition: vector of truth values.
      a: array or list.
      axis: the axis; None: of the flattened array.
      out: none with traced arrays.

    Returns:
      An array.

    Raises:
      ConcretizationTypeError: the condition is traced and not known.

    Example:
      >>> import fxad.numpy as fnp
      >>> fnp.compress([False, True], [[1, 2], [3, 4]], axis=0).tolist()
      [[3, 4]]
    """
    refuse_out("compress", out)
    return ops.take(operand(a), flatnonzero(condition), axis)


@implements(np.choose)
def choose(a: Any, choices: Any, out: Any = None, mode: str = "raise") -> Any:
    """For each place the element of one of several arrays.

    Args:
      a: integers: which array.
      choices: the arrays; all broadcast against each other and ``a``.
      out: none with traced arrays.
      mode: what numbers out of bounds are: an error ("raise"), the nearest ("clip"), or counted on
        ("wrap").

    Returns:
      An array.

    Example:
      >>> import fxad.numpy as fnp
      >>> fnp.choose([0, 1, 0], [[1, 2, 3], [10, 20, 30]]).tolist()
      [1, 20, 3]
    """
    refuse_out("choose", out)
    arrays = [to_cast(choice) for choice in choices]
    dtype = result_type(*arrays)
    arrays = [convert(choice, dtype) for choice in arrays]
    which, *arrays = broadcast_arrays(_choice(operand(a), len(arrays), mode), *arrays)
    found = ops.take_along_axis(stack(arrays), reshape(which, (1, *shape_of(which))), 0)
    return reshape(found, shape_of(which))


def _choice(which: Any, count: int, mode: str) -> Any:
    """The numbers of the choices, within bounds."""
    if mode == "wrap":
        return remainder(which, count)
    if mode == "clip":
        return minimum(maximum(which, 0), count - 1)
    known = which.concrete() if isinstance(which, Tracer) else which
    if (
        mode != "raise"
        or not count
        or (known is not None and np.any((known < 0) | (known >= count)))
    ):
        raise error(
            ArgumentValueError,
            "choose",
            f"got mode={mode!r}, {count} choices and a number of none of them",
            'Choose mode="wrap" or mode="clip" for numbers out of bounds.',
        )
    return which


@implements(np.select)
def select(condlist: Sequence[Any], choicelist: Sequence[Any], default: Any = 0) -> Any:
    """For each place the element of the first array whose condition holds.

    Args:
      condlist: arrays of truth values.
      choicelist: as many arrays or numbers.
      default: where no condition holds.

    Returns:
      An array; all broadcast against each other.

    Raises:
      ArgumentValueError: the lists are of unequal lengths or empty.

    Example:
      >>> import fxad.numpy as fnp
      >>> fnp.select([[True, False], [True, True]], [1, 2], 3).tolist()
      [1, 2]
    """
    if len(condlist) != len(choicelist) or not condlist:
        raise error(
            ArgumentValueError,
            "select",
            f"got {len(condlist)} conditions and {len(choicelist)} choices, wanted as many of "
            "both, and at least one",
        )
    conditions = [operand(condition) for condition in condlist]
    if any(dtype_of(condition).kind != "b" for condition in conditions):
        raise error(DtypeError, "select", "got conditions that are not of bool")
    choices = [array_of(x) if type(x) in NESTED else x for x in (*choicelist, default)]
    dtype = result_type(*choices)
    out = convert(choices.pop(), dtype)
    for condition, choice in zip(reversed(conditions), reversed(choices), strict=True):
        out = choose_between(condition, convert(choice, dtype), out)
    return out


@implements(np.piecewise)
def piecewise(x: Any, condlist: Any, funclist: Sequence[Any], *args: Any, **kw: Any) -> Any:
    """A function given piece by piece.

    Args:
      x: array or number.
      condlist: for each piece where it holds.
      funclist: for each piece a function of arrays or a number; one more for all other places.
      *args: handed to the functions.
      **kw: handed to the functions.

    Returns:
      An array of the shape and dtype of ``x``. Traced, each function is called with all of ``x``.

    Example:
      >>> import fxad.numpy as fnp
      >>> x = fnp.array([-2.0, 3.0])
      >>> fnp.piecewise(x, [x < 0, x >= 0], [lambda x: -x, lambda x: 10 * x]).tolist()
      [2.0, 30.0]
    """
    x = operand(x)
    lists = isinstance(condlist, list | tuple)
    if not lists or (isinstance(condlist[0], bool | np.bool) and shape_of(x)):
        condlist = [condlist]
    conditions = [operand(c) for c in condlist]
    functions = list(funclist)
    if len(functions) not in (len(conditions), len(conditions) + 1):
        raise error(
            ArgumentValueError,
            "piecewise",
            f"got {len(functions)} functions and {len(conditions)} conditions, wanted as many "
            "functions, or one more",
        )
    if len(functions) > len(conditions):
        conditions.append(logical_not(functools.reduce(logical_or, conditions)))
    out = full_like(x, 0)
    # The last condition that holds decides, as with NumPy's assignments one after another.
    for condition, f in zip(conditions, functions, strict=True):
        out = _piece(out, x, condition, functools.partial(f, *args, **kw) if callable(f) else f)
    return out


def _piece(out: Any, x: Any, condition: Any, f: Any) -> Any:
    """``out`` with a piece of the function where the condition holds."""
    if isinstance(condition, Tracer) or not shape_of(x):
        piece = f(x) if callable(f) else f
        rest = len(shape_of(x)) - len(shape_of(condition))
        condition = reshape(condition, (*shape_of(condition), *(1,) * rest))
        return choose_between(condition, assigned(piece, dtype_of(x)), out)
    if not np.any(condition):
        return out
    # Only there is the function evaluated, so that what it does elsewhere is of no concern.
    piece = f(ops.getitem(x, condition)) if callable(f) else f
    return functional.at(out)[condition].set(assigned(piece, dtype_of(x)))
