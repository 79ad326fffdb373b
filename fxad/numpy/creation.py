"""Arrays made anew. They go to the default backend; under ``jit`` they are staged."""

from __future__ import annotations

import operator
from collections.abc import Sequence
from typing import Any

import numpy as np

import fxad.config as config
from fxad.backends.numpy import xp as numpy_xp
from fxad.backends.registry import backend_of, default_xp
from fxad.core.aval import PYTHON_SCALARS, DType, Shape, weak_dtype
from fxad.core.source import error
from fxad.core.trace import EVAL, Tracer, current_trace, ground
from fxad.errors import ShapeError
from fxad.numpy.dispatch import ARRAY, FOREIGN, TRACED, implements, kinds
from fxad.numpy.nested import NESTED, array_of, operand, to_cast
from fxad.ops.base import assigned, broadcast_to, convert, dtype_of, reshape, shape_of
from fxad.ops.identity import copy as copied
from fxad.ops.transfer import device_put

Size = int | Sequence[int]


def staging() -> bool:
    """Whether operations are being written down: then arrays are not made now but when it runs."""
    trace = current_trace()
    return trace is not EVAL and any(t.records for t in trace.ancestors())


def shape_tuple(shape: Size) -> Shape:
    """A shape from an integer or a sequence of them."""
    if isinstance(shape, np.ndarray):
        shape = shape.tolist()
    listed = shape if isinstance(shape, tuple | list) else (shape,)
    return tuple(map(operator.index, listed))


def lengths(shape: Size) -> Shape:
    """The shape of a new array."""
    found = shape_tuple(shape)
    if any(n < 0 for n in found):
        raise error(ShapeError, "shape", f"got {found}, wanted no negative lengths")
    return found


def _known_shape(shape: Any) -> Any:
    """What NumPy itself takes as a shape; a traced one says what it is."""
    return shape if type(shape) in (int, tuple) else shape_tuple(shape)


def default_dtype(*numbers: Any) -> DType:
    """The dtype that Python numbers have together: that of the most general kind."""
    return weak_dtype(max((PYTHON_SCALARS[type(x)] for x in numbers), key=_KINDS.index))


_KINDS = (bool, int, float, complex)


def _repeated(x: Any, shape: Shape) -> Any:
    """One value in every place of an array that is made when the program runs."""
    return current_trace().owned([broadcast_to(x, shape)])[0]


def namespace_of(x: Any) -> Any:
    """The array module of the values under a tracer."""
    x = ground(x)
    home = None if x is None or type(x) in PYTHON_SCALARS else backend_of(x)
    return default_xp() if home is None else home.xp


def _on(device: Any, x: Any) -> Any:
    return x if device is None else device_put(x, device)


# Of a shape --------------------------------------------------------------------------------------


def zeros(shape: Size, dtype: Any = None, order: str = "C", *, device: Any = None) -> Any:
    """Zeros.

    Args:
      shape: an integer or a sequence of integers.
      dtype: the dtype; None is ``config.default_float``.
      order: the layout in memory, "C" or "F".
      device: where; None is the default backend's current device.

    Returns:
      A new array of the default backend.

    Example:
      >>> import fxad.numpy as fnp
      >>> fnp.zeros(2).tolist()
      [0.0, 0.0]
    """
    dtype = config.default_float if dtype is None else dtype
    if staging():
        return _repeated(convert(0, dtype), lengths(shape))
    return _on(device, default_xp().zeros(_known_shape(shape), dtype, order))


def ones(shape: Size, dtype: Any = None, order: str = "C", *, device: Any = None) -> Any:
    """Ones.

    Args:
      shape: an integer or a sequence of integers.
      dtype: the dtype; None is ``config.default_float``.
      order: the layout in memory, "C" or "F".
      device: where; None is the default backend's current device.

    Returns:
      A new array of the default backend.

    Example:
      >>> import fxad.numpy as fnp
      >>> fnp.ones((1, 2), dtype=int).tolist()
      [[1, 1]]
    """
    dtype = config.default_float if dtype is None else dtype
    if staging():
        return _repeated(convert(1, dtype), lengths(shape))
    return _on(device, default_xp().ones(_known_shape(shape), dtype, order))


def empty(shape: Size, dtype: Any = None, order: str = "C", *, device: Any = None) -> Any:
    """An array whose values do not matter; traced, it is zeros.

    Args:
      shape: an integer or a sequence of integers.
      dtype: the dtype; None is ``config.default_float``.
      order: the layout in memory, "C" or "F".
      device: where; None is the default backend's current device.

    Returns:
      A new array of the default backend.

    Example:
      >>> import fxad.numpy as fnp
      >>> fnp.empty((2, 3)).shape
      (2, 3)
    """
    if staging():
        return zeros(shape, dtype)
    return _on(
        device, default_xp().empty(_known_shape(shape), dtype or config.default_float, order)
    )


def full(
    shape: Size, fill_value: Any, dtype: Any = None, order: str = "C", *, device: Any = None
) -> Any:
    """One value everywhere; a traced value too.

    Args:
      shape: an integer or a sequence of integers.
      fill_value: a number, or an array that broadcasts to the shape.
      dtype: the dtype; None is that of ``fill_value``.
      order: the layout in memory, "C" or "F".
      device: where; None is the default backend's current device.

    Returns:
      A new array.

    Example:
      >>> import fxad.numpy as fnp
      >>> fnp.full(3, 2.5).tolist()
      [2.5, 2.5, 2.5]
    """
    if staging() or kinds((fill_value,)) & TRACED:
        value = operand(fill_value) if dtype is None else assigned(to_cast(fill_value), dtype)
        return _repeated(value, lengths(shape))
    if dtype is None and type(fill_value) in PYTHON_SCALARS:
        dtype = default_dtype(fill_value)
    xp = default_xp() if type(fill_value) in PYTHON_SCALARS else namespace_of(fill_value)
    return _on(device, xp.full(shape, fill_value, dtype, order))


# Like another ------------------------------------------------------------------------------------


def _like(x: Any, value: Any, dtype: Any, shape: Any, device: Any) -> Any:
    """An array with one value, of the shape, dtype and backend of a tracer."""
    x = operand(x)
    shape = shape_of(x) if shape is None else lengths(shape)
    dtype = dtype_of(x) if dtype is None else np.dtype(dtype)
    if staging() or isinstance(value, Tracer):
        return _repeated(assigned(value, dtype), shape)
    return _on(device, namespace_of(x).full(shape, value, dtype))


@implements(np.zeros_like)
def zeros_like(
    a: Any,
    dtype: Any = None,
    order: str = "K",
    subok: bool = True,
    shape: Size | None = None,
    *,
    device: Any = None,
) -> Any:
    """Zeros of the shape, dtype and backend of another array.

    Args:
      a: array, number or list.
      dtype: the dtype, if another.
      order: the layout in memory, of plain arrays.
      subok: as for NumPy.
      shape: the shape, if another.
      device: where.

    Returns:
      A new array.

    Example:
      >>> import fxad.numpy as fnp
      >>> fnp.zeros_like([1.0, 2.0]).tolist()
      [0.0, 0.0]
    """
    return _like(a, 0, dtype, shape, device)


@implements(np.ones_like)
def ones_like(
    a: Any,
    dtype: Any = None,
    order: str = "K",
    subok: bool = True,
    shape: Size | None = None,
    *,
    device: Any = None,
) -> Any:
    """Ones of the shape, dtype and backend of another array.

    Args:
      a: array, number or list.
      dtype: the dtype, if another.
      order: the layout in memory, of plain arrays.
      subok: as for NumPy.
      shape: the shape, if another.
      device: where.

    Returns:
      A new array.

    Example:
      >>> import fxad.numpy as fnp
      >>> fnp.ones_like([1.0, 2.0]).tolist()
      [1.0, 1.0]
    """
    return _like(a, 1, dtype, shape, device)


@implements(np.empty_like)
def empty_like(
    prototype: Any,
    dtype: Any = None,
    order: str = "K",
    subok: bool = True,
    shape: Size | None = None,
    *,
    device: Any = None,
) -> Any:
    """An array like another, whose values do not matter; traced, it is zeros.

    Args:
      prototype: array, number or list.
      dtype: the dtype, if another.
      order: the layout in memory, of plain arrays.
      subok: as for NumPy.
      shape: the shape, if another.
      device: where.

    Returns:
      A new array.

    Example:
      >>> import fxad.numpy as fnp
      >>> fnp.empty_like([1.0, 2.0]).shape
      (2,)
    """
    return _like(prototype, 0, dtype, shape, device)


@implements(np.full_like)
def full_like(
    a: Any,
    fill_value: Any,
    dtype: Any = None,
    order: str = "K",
    subok: bool = True,
    shape: Size | None = None,
    *,
    device: Any = None,
) -> Any:
    """One value in the shape, dtype and backend of another array.

    Args:
      a: array, number or list.
      fill_value: a number, or an array that broadcasts to the shape; cast to the dtype.
      dtype: the dtype, if another.
      order: the layout in memory, of plain arrays.
      subok: as for NumPy.
      shape: the shape, if another.
      device: where.

    Returns:
      A new array.

    Example:
      >>> import fxad.numpy as fnp
      >>> fnp.full_like([1.0, 2.0], 7).tolist()
      [7.0, 7.0]
    """
    return _like(a, to_cast(fill_value), dtype, shape, device)


# From values -------------------------------------------------------------------------------------


def array(
    object: Any,
    dtype: Any = None,
    copy: bool | None = True,
    order: str = "K",
    ndmin: int = 0,
    *,
    device: Any = None,
) -> Any:
    """An array of numbers or of nested lists, in which tracers may stand.

    ``numpy.array`` cannot look into a list with tracers; this can.

    Args:
      object: an array, a number, or lists and tuples of them.
      dtype: the dtype; None is what NumPy finds, with ``config.default_float`` for Python floats.
      copy: whether an array is copied.
      order: the layout in memory, of plain arrays.
      ndmin: at least so many dimensions, new ones in front.
      device: where.

    Returns:
      An array; of NumPy or CuPy as the arrays in ``object``, of the default backend where there
      are numbers only.

    Raises:
      ShapeError: the lists are of unequal lengths.

    Example:
      >>> import fxad, fxad.numpy as fnp
      >>> fnp.array([[1, 2], [3, 4]]).tolist()
      [[1, 2], [3, 4]]
      >>> float(fxad.grad(lambda x: fnp.array([x, 2.0 * x]).sum())(1.0))
      3.0
    """
    kind = kinds((object,))
    nested = type(object) in NESTED
    if kind & TRACED or (kind & FOREIGN and nested):
        x = array_of(object)
        x = x if dtype is None else convert(x, dtype)
        return _on(device, reshape(x, (1,) * (ndmin - len(shape_of(x))) + tuple(shape_of(x))))
    if kind & FOREIGN:
        x = namespace_of(object).array(object, dtype, copy=copy, order=order, ndmin=ndmin)
        return _on(device, x)
    x = np.array(object, dtype, copy=copy, order=order, ndmin=ndmin)  # type: ignore[call-overload]
    if kind & ARRAY:
        return _on(device, x)
    if dtype is None and x.dtype is not config.default_float and x.dtype.kind in "fc":
        x = x.astype(weak_dtype(float if x.dtype.kind == "f" else complex), copy=False)
    xp = default_xp()
    return _on(device, x if xp is numpy_xp or staging() else xp.asarray(x))


def asarray(
    a: Any,
    dtype: Any = None,
    order: str | None = None,
    *,
    copy: bool | None = None,
    device: Any = None,
) -> Any:
    """The array itself, or an array of numbers or of nested lists, in which tracers may stand.

    Args:
      a: an array, a number, or lists and tuples of them.
      dtype: the dtype; None is that of the values.
      order: the layout in memory, of plain arrays.
      copy: whether an array is copied; None: only where it must be.
      device: where; ``fxad.device_put`` moves an array to the default device.

    Returns:
      An array.

    Example:
      >>> import fxad.numpy as fnp
      >>> fnp.asarray([1, 2.5]).tolist()
      [1.0, 2.5]
    """
    if type(a) is np.ndarray and dtype is None and order is None and not copy and device is None:
        return a
    return array(a, dtype, copy, order or "K", device=device)


@implements(np.copy)
def copy(a: Any, order: str = "K", subok: bool = False) -> Any:
    """The same values in memory of their own.

    Args:
      a: array, number or list.
      order: the layout in memory, of plain arrays.
      subok: as for NumPy.

    Returns:
      A new array.

    Example:
      >>> import fxad.numpy as fnp
      >>> fnp.copy(fnp.zeros(2)).tolist()
      [0.0, 0.0]
    """
    return copied(operand(a))
