"""Arrays with parts replaced: new ones, where NumPy's functions write to their argument."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

import fxad.ops.at as functional
import fxad.ops.indexing as ops
import fxad.ops.scatter as scatter
from fxad.core.aval import PYTHON_SCALARS, aval_of
from fxad.core.source import error
from fxad.core.trace import Tracer
from fxad.errors import ArgumentValueError, ShapeError, TracerAssignmentError
from fxad.numpy.dispatch import TABLE
from fxad.numpy.indexing import flatnonzero
from fxad.numpy.nested import NESTED, array_of, operand, to_cast
from fxad.ops.base import reshape, shape_of
from fxad.ops.identity import copy
from fxad.ops.shape import ravel, tile


def at(x: Any) -> functional.IndexUpdateHelper:
    """Functional updates: ``at(x)[index].set(values)`` is a new array, on arrays and tracers.

    Args:
      x: array, list or tracer; it stays as it is.

    Returns:
      An object to index as NumPy does; what that gives has the methods ``set``, ``add``,
      ``subtract``, ``multiply``, ``divide``, ``power``, ``min``, ``max``, ``apply`` and ``get``.

    Example:
      >>> import fxad.numpy as fnp
      >>> fnp.at(fnp.zeros(3))[1:].set(5).tolist()
      [0.0, 5.0, 5.0]
    """
    return functional.at(array_of(x) if type(x) in NESTED else x)


def _refuse_in_place(name: str, inplace: bool) -> None:
    if inplace:
        raise error(
            ArgumentValueError,
            name,
            "got inplace=True, wanted False: the argument stays as it is",
            f"Use the result: x = fnp.{name}(x, ...).",
        )


def put_along_axis(
    arr: Any, indices: Any, values: Any, axis: int | None = -1, *, inplace: bool = False
) -> Any:
    """A new array with values at the places that indices name along an axis.

    NumPy's function of this name changes its argument; this one leaves it.

    Args:
      arr: array.
      indices: integers, as for ``take_along_axis``.
      values: broadcast to the shape of the places.
      axis: the axis; None: of the flattened array.
      inplace: False, as in JAX's functions of this name.

    Returns:
      An array of the shape and dtype of ``arr``.

    Example:
      >>> import fxad.numpy as fnp
      >>> fnp.put_along_axis(fnp.zeros((1, 3)), fnp.array([[1]]), 7, axis=1).tolist()
      [[0.0, 7.0, 0.0]]
    """
    _refuse_in_place("put_along_axis", inplace)
    return scatter.put_along_axis(operand(arr), operand(indices), to_cast(values), axis)


def put(
    a: Any, ind: Any, v: Any, mode: str | None = "raise", *, inplace: bool = False
) -> Any:
    """A new array with values at places of the flattened array.

    NumPy's function of this name changes its argument; this one leaves it.

    Args:
      a: array.
      ind: integers.
      v: values, repeated where there are too few.
      mode: what indices out of bounds are: an error ("raise"), the nearest ("clip"), or counted on
        ("wrap").
      inplace: False, as in JAX's functions of this name.

    Returns:
      An array of the shape and dtype of ``a``.

    Example:
      >>> import fxad.numpy as fnp
      >>> fnp.put(fnp.zeros((2, 2)), [0, 3], [1, 2]).tolist()
      [[1.0, 0.0], [0.0, 2.0]]
    """
    _refuse_in_place("put", inplace)
    a, ind = operand(a), ravel(operand(ind))
    v = v if type(v) in PYTHON_SCALARS else ravel(operand(v))
    count = shape_of(ind)[0]
    if not count:
        return copy(a)
    if shape_of(v) not in ((), (count,)):
        repeats = -(-count // max(shape_of(v)[0], 1))
        v = ops.take(tile(v, repeats), np.arange(count))
    return reshape(scatter.scatter(ravel(a), ind, v, "set", mode), shape_of(a))


def place(arr: Any, mask: Any, vals: Any, *, inplace: bool = False) -> Any:
    """A new array with values, one after another, where a mask holds; it must be known.

    NumPy's function of this name changes its argument; this one leaves it.

    Args:
      arr: array.
      mask: array of truth values of the same shape.
      vals: values, repeated where there are too few.
      inplace: False, as in JAX's functions of this name.

    Returns:
      An array of the shape and dtype of ``arr``.

    Example:
      >>> import fxad.numpy as fnp
      >>> fnp.place(fnp.zeros(3), [True, False, True], [1, 2]).tolist()
      [1.0, 0.0, 2.0]
    """
    _refuse_in_place("place", inplace)
    arr, mask = operand(arr), operand(mask)
    if aval_of(mask).size != aval_of(arr).size:
        raise error(
            ShapeError,
            "place",
            f"got a mask {shape_of(mask)} for {shape_of(arr)}, wanted its shape",
        )
    return put(arr, flatnonzero(mask), vals)


def fill_diagonal(a: Any, val: Any, wrap: bool = False, *, inplace: bool = False) -> Any:
    """A new array with values on the main diagonal.

    NumPy's function of this name changes its argument; this one leaves it.

    Args:
      a: array of two dimensions or more, of equal lengths if more than two.
      val: number or values, repeated where there are too few.
      wrap: whether the diagonal of a tall matrix starts anew after N columns.
      inplace: False, as in JAX's functions of this name.

    Returns:
      An array of the shape and dtype of ``a``.

    Raises:
      ArgumentValueError: the shape has no diagonal.

    Example:
      >>> import fxad.numpy as fnp
      >>> fnp.fill_diagonal(fnp.zeros((2, 2)), 5).tolist()
      [[5.0, 0.0], [0.0, 5.0]]
    """
    _refuse_in_place("fill_diagonal", inplace)
    a = operand(a)
    shape = shape_of(a)
    if len(shape) < 2 or (len(shape) > 2 and len(set(shape)) > 1):
        raise error(
            ArgumentValueError,
            "fill_diagonal",
            f"got {shape}, wanted a matrix, or more dimensions of one length",
        )
    marked = np.zeros(shape, bool)
    np.fill_diagonal(marked, True, wrap)
    return put(a, np.flatnonzero(marked), val)


def _in_place(name: str, instead: str) -> Callable[..., Any]:
    """What NumPy's functions that change their argument do with tracers."""

    def refuse(target: Any, *args: Any, **kwargs: Any) -> Any:
        what = "a traced value" if isinstance(target, Tracer) else "an array to write traced values"
        raise error(
            TracerAssignmentError,
            name,
            f"got {what} to change in place, wanted a pure function",
            f"Write {instead}.",
        )

    return refuse


for _name, _instead in {
    "put": "x = fnp.put(x, indices, values)",
    "place": "x = fnp.place(x, mask, values)",
    "put_along_axis": "x = fnp.put_along_axis(x, indices, values, axis)",
    "fill_diagonal": "x = fnp.fill_diagonal(x, value)",
    "putmask": "x = fnp.where(mask, values, x)",
    "copyto": "y = fnp.where(where, x, y), fnp.full(shape, x) for numpy.full(shape, x)",
}.items():
    TABLE[getattr(np, _name)] = _in_place(_name, _instead)
