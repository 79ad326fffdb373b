"""Counts, grids and matrices made of numbers: arange, linspace, eye, meshgrid, ..."""

from __future__ import annotations

import math
import operator
from typing import Any

import numpy as np

import fxad.config as config
import fxad.ops.creation as ops
from fxad.backends import device_get
from fxad.backends.registry import default_xp, resolve
from fxad.core.aval import PYTHON_SCALARS
from fxad.core.source import error
from fxad.core.trace import Tracer
from fxad.errors import ArgumentValueError, ShapeError
from fxad.numpy.creation import default_dtype, namespace_of, staging
from fxad.numpy.dispatch import (
    FOREIGN,
    TABLE,
    TRACED,
    answers,
    implements,
    kinds,
    known,
)
from fxad.numpy.dtypes import result_type
from fxad.numpy.nested import NESTED, array_of, operand
from fxad.ops.base import (
    broadcast_to,
    convert,
    dtype_of,
    full_beside,
    moveaxis,
    normalize_axis,
    placed_as,
    reshape,
    shape_of,
    zeros_like,
)
from fxad.ops.elementwise import add, div, floor, log10, mul, pow, select, sign, sub
from fxad.ops.shape import broadcast_arrays, concatenate, expand_dims, ravel, slice_in_dim
from fxad.ops.transfer import device_put


def _on(device: Any, x: Any) -> Any:
    return x if device is None else device_put(x, device)


def arange(
    start: Any = None, stop: Any = None, step: Any = 1, dtype: Any = None, *, device: Any = None
) -> Any:
    """start, start + step, ... below stop.

    Args:
      start: the first number; the stop, from 0 on, if it is the only argument.
      stop: the end, which is left out.
      step: the distance.
      dtype: the dtype; None is that of the numbers.
      device: where.

    Returns:
      An array of one dimension. Traced numbers must have known values: the length depends on them.

    Example:
      >>> import fxad.numpy as fnp
      >>> fnp.arange(1, 7, 2).tolist()
      [1, 3, 5]
    """
    if start is None and stop is None:
        raise TypeError("arange() requires stop to be specified.")
    if stop is None or start is None:
        start, stop = 0, start if stop is None else stop
    numbers = (start, stop, step)
    dtype = _dtype_of_steps(numbers) if dtype is None else dtype
    if kinds(numbers) & TRACED:
        return _traced_arange(numbers, np.dtype(dtype))
    if kinds(numbers) & FOREIGN or any(isinstance(x, np.ndarray) for x in numbers):
        # By NumPy itself: it adds the numbers in their own dtypes.
        made = np.arange(*map(device_get, numbers), dtype=dtype)
        return _on(device, resolve(numbers, "arange")[0].asarray(made))
    if staging():
        return ops.arange(numbers[0], numbers[1], numbers[2], dtype)
    return _on(device, default_xp().arange(*numbers, dtype=dtype))


def _dtype_of_steps(numbers: Any) -> Any:
    """NumPy's, which the default integer widens: of float32 too it is float64."""
    if all(type(x) in PYTHON_SCALARS for x in numbers):
        return default_dtype(0, *numbers)
    return np.result_type(np.int64, *map(dtype_of, numbers))


def _traced_arange(numbers: Any, dtype: Any) -> Any:
    """Differentiable in the start and the step, if they have known values."""
    start, stop, step = (known("arange", x) for x in numbers)
    if dtype.kind not in "fc":
        return arange(int(start), int(stop), int(step), dtype)
    first, distance = (convert(numbers[i], dtype) for i in (0, 2))
    # NumPy steps by the difference of its first two numbers.
    distance = sub(add(first, distance), first)
    length = max(0, math.ceil((float(stop) - float(start)) / float(step)))
    return add(first, mul(_count(distance, dtype, length), distance))


def _count(beside: Any, dtype: Any, length: int) -> Any:
    """0, 1, 2, ... where an array lives."""
    if staging():
        return ops.iota(dtype, length)
    return placed_as(np.arange(length, dtype=dtype), beside)


@answers(np.linspace)
def linspace(
    start: Any,
    stop: Any,
    num: int = 50,
    endpoint: bool = True,
    retstep: bool = False,
    dtype: Any = None,
    axis: int = 0,
    *,
    device: Any = None,
) -> Any:
    """Numbers at equal distances from start to stop.

    Args:
      start: number or array.
      stop: number or array.
      num: how many.
      endpoint: whether stop is the last one; else one step behind it.
      retstep: returns the step too.
      dtype: the dtype; None is a float one.
      axis: the place of the new axis, where start or stop is an array.
      device: where.

    Returns:
      An array, or a pair of it and the step; differentiable in start and stop.

    Example:
      >>> import fxad.numpy as fnp
      >>> fnp.linspace(0, 1, 5).tolist()
      [0.0, 0.25, 0.5, 0.75, 1.0]
    """
    num = operator.index(num)
    if dtype is None and type(start) in PYTHON_SCALARS and type(stop) in PYTHON_SCALARS:
        dtype = default_dtype(start, stop, 0.0)
    if kinds((start, stop)) & TRACED or staging():
        start, stop = (array_of(x) if type(x) in NESTED else x for x in (start, stop))
        out, step = _linspace(start, stop, num, endpoint, dtype, axis)
        return (out, step) if retstep else out
    xp = namespace_of(start) if type(stop) in PYTHON_SCALARS else namespace_of(stop)
    found = xp.linspace(start, stop, num, endpoint, retstep, dtype, axis)
    return (_on(device, found[0]), found[1]) if retstep else _on(device, found)


def _linspace(
    start: Any, stop: Any, num: int, endpoint: bool, dtype: Any, axis: int
) -> tuple[Any, Any]:
    """NumPy's own steps, so that traced and untraced values are the same."""
    if num < 0:
        raise error(ArgumentValueError, "linspace", f"got num={num}, wanted a count from 0 on")
    inner = result_type(start, stop, 0.0)
    dtype = inner if dtype is None else np.dtype(dtype)
    start, stop = convert(start, inner), convert(stop, inner)
    delta = sub(stop, start)
    shape, gaps = shape_of(delta), num - bool(endpoint)
    step = div(delta, gaps) if gaps > 0 else convert(np.nan, inner)
    count = reshape(_count(delta, np.empty(0, inner).real.dtype, num), (num, *(1,) * len(shape)))
    out = add(mul(count, step) if gaps > 0 else mul(count, delta), start)
    if endpoint and num > 1:
        last = broadcast_to(stop, (1, *shape))
        out = concatenate([slice_in_dim(out, 0, num - 1, 0), last], 0)
    out = moveaxis(out, 0, normalize_axis("linspace", axis, len(shape) + 1))
    return convert(floor(out) if dtype.kind in "iu" else out, dtype), step


@answers(np.logspace)
def logspace(
    start: Any,
    stop: Any,
    num: int = 50,
    endpoint: bool = True,
    base: Any = 10.0,
    dtype: Any = None,
    axis: int = 0,
) -> Any:
    """Powers of a base whose exponents have equal distances.

    Args:
      start: the first exponent, number or array.
      stop: the last exponent.
      num: how many.
      endpoint: whether stop is the last one.
      base: the base.
      dtype: the dtype; None is a float one.
      axis: the place of the new axis, where start or stop is an array.

    Returns:
      An array, differentiable in start, stop and base.

    Example:
      >>> import fxad.numpy as fnp
      >>> fnp.logspace(0, 2, 3).tolist()
      [1.0, 10.0, 100.0]
    """
    base = operand(base) if type(base) in NESTED else base
    if shape_of(base):
        start, stop = operand(start), operand(stop)
        ndim = max(len(shape_of(x)) for x in (start, stop, base))
        start, stop, base = (
            reshape(x, (1,) * (ndim - len(shape_of(x))) + tuple(shape_of(x)))
            for x in (start, stop, base)
        )
        base = expand_dims(base, axis)
    exponents = linspace(start, stop, num, endpoint, axis=axis)
    out = TABLE[np.power](base, exponents)
    return out if dtype is None else convert(out, dtype)


@answers(np.geomspace)
def geomspace(
    start: Any, stop: Any, num: int = 50, endpoint: bool = True, dtype: Any = None, axis: int = 0
) -> Any:
    """Numbers from start to stop, each the same multiple of the one before.

    Args:
      start: number or array, not 0.
      stop: number or array of the same sign.
      num: how many.
      endpoint: whether stop is the last one.
      dtype: the dtype; None is a float one.
      axis: the place of the new axis, where start or stop is an array.

    Returns:
      An array, differentiable in start and stop.

    Raises:
      ArgumentValueError: start or stop is 0.

    Example:
      >>> import fxad.numpy as fnp
      >>> fnp.geomspace(1, 100, 3).tolist()
      [1.0, 10.0, 100.0]
    """
    if dtype is None and type(start) in PYTHON_SCALARS and type(stop) in PYTHON_SCALARS:
        dtype = default_dtype(start, stop, 0.0)
    if not (kinds((start, stop)) & (TRACED | FOREIGN) or staging()):
        xp = namespace_of(start) if type(stop) in PYTHON_SCALARS else namespace_of(stop)
        return xp.asarray(np.geomspace(start, stop, num, endpoint, dtype, axis))
    start, stop = operand(start), operand(stop)
    _refuse_zero(start, stop)
    inner = np.result_type(dtype_of(start), dtype_of(stop), np.dtype(dtype or np.float64))
    inner = np.result_type(inner, 0.0)
    start, stop = convert(start, inner), convert(stop, inner)
    signs = sign(start)
    first, last = div(start, signs), div(stop, signs)
    out = pow(10.0, linspace(log10(first), log10(last), num, endpoint))
    if num > 0:
        # The ends exactly, which powers of logarithms miss by some ulp.
        ends = [broadcast_to(x, (1, *shape_of(out)[1:])) for x in (first, last)]
        middle = slice_in_dim(out, 1, num - 1 if endpoint and num > 1 else num, 0)
        out = concatenate([ends[0], middle, *ends[1 : 1 + (endpoint and num > 1)]], 0)
    out = mul(out, signs)
    out = moveaxis(out, 0, normalize_axis("geomspace", axis, len(shape_of(out))))
    return out if dtype is None else convert(out, dtype)


def _refuse_zero(*ends: Any) -> None:
    for x in ends:
        known = x.concrete() if isinstance(x, Tracer) else x
        if known is not None and np.any(known == 0):
            raise error(
                ArgumentValueError, "geomspace", "got an end at 0, from which no factor leads"
            )


# Matrices ----------------------------------------------------------------------------------------


def eye(
    N: int,
    M: int | None = None,
    k: int = 0,
    dtype: Any = None,
    order: str = "C",
    *,
    device: Any = None,
) -> Any:
    """Ones on a diagonal, zeros elsewhere.

    Args:
      N: the number of rows.
      M: the number of columns; None is N.
      k: which diagonal: 0 the main one, positive above it; may be traced.
      dtype: the dtype; None is ``config.default_float``.
      order: the layout in memory, "C" or "F".
      device: where.

    Returns:
      An array of shape (N, M).

    Example:
      >>> import fxad.numpy as fnp
      >>> fnp.eye(2, dtype=int).tolist()
      [[1, 0], [0, 1]]
    """
    dtype = config.default_float if dtype is None else dtype
    if staging() or isinstance(k, Tracer):
        return ops.eye(N, M, k, dtype)
    return _on(device, default_xp().eye(N, M, k, dtype, order))


def identity(n: int, dtype: Any = None) -> Any:
    """The square identity matrix.

    Args:
      n: the number of rows.
      dtype: the dtype; None is ``config.default_float``.

    Returns:
      An array of shape (n, n).

    Example:
      >>> import fxad.numpy as fnp
      >>> fnp.identity(2).tolist()
      [[1.0, 0.0], [0.0, 1.0]]
    """
    return eye(n, dtype=dtype)


def tri(N: int, M: int | None = None, k: int = 0, dtype: Any = None) -> Any:
    """Ones on and below a diagonal, zeros above.

    Args:
      N: the number of rows.
      M: the number of columns; None is N.
      k: which diagonal; may be traced.
      dtype: the dtype; None is ``config.default_float``.

    Returns:
      An array of shape (N, M).

    Example:
      >>> import fxad.numpy as fnp
      >>> fnp.tri(2, dtype=int).tolist()
      [[1, 0], [1, 1]]
    """
    dtype = config.default_float if dtype is None else dtype
    if staging() or isinstance(k, Tracer):
        return ops.tri(N, M, k, dtype)
    return default_xp().tri(N, M, k, dtype)


@implements(np.tril)
def tril(m: Any, k: int = 0) -> Any:
    """The lower triangle: zeros above a diagonal.

    Args:
      m: array of shape (..., n, m).
      k: the last diagonal that is kept; may be traced.

    Returns:
      An array of the same shape.

    Example:
      >>> import fxad.numpy as fnp
      >>> fnp.tril([[1, 2], [3, 4]]).tolist()
      [[1, 0], [3, 4]]
    """
    return _triangle("tril", m, k, True)


@implements(np.triu)
def triu(m: Any, k: int = 0) -> Any:
    """The upper triangle: zeros below a diagonal.

    Args:
      m: array of shape (..., n, m).
      k: the first diagonal that is kept; may be traced.

    Returns:
      An array of the same shape.

    Example:
      >>> import fxad.numpy as fnp
      >>> fnp.triu([[1, 2], [3, 4]]).tolist()
      [[1, 2], [0, 4]]
    """
    return _triangle("triu", m, k - 1, False)


def _triangle(operation: str, m: Any, k: int, below: bool) -> Any:
    m = operand(m)
    shape = shape_of(m)
    if len(shape) < 2:
        if not shape:
            raise error(ShapeError, operation, "got a number, wanted at least one dimension")
        m = broadcast_to(m, (*shape, *shape))
        shape = shape_of(m)
    made: Any = tri if staging() or isinstance(k, Tracer) else np.tri
    mask = placed_as(made(shape[-2], shape[-1], k, np.bool_), m)
    zero = zeros_like(m)
    return select(mask, m, zero) if below else select(mask, zero, m)


@implements(np.vander)
def vander(x: Any, N: int | None = None, increasing: bool = False) -> Any:
    """Powers of the elements of a vector as columns.

    Args:
      x: vector.
      N: the number of columns; None is the length of x.
      increasing: whether the powers grow from left to right.

    Returns:
      A matrix.

    Example:
      >>> import fxad.numpy as fnp
      >>> fnp.vander([1, 2, 3], 2).tolist()
      [[1, 1], [2, 1], [3, 1]]
    """
    x = operand(x)
    if len(shape_of(x)) != 1:
        raise error(ShapeError, "vander", f"got {shape_of(x)}, wanted a vector")
    (length,) = shape_of(x)
    N = length if N is None else operator.index(N)
    if N < 0:
        raise error(ArgumentValueError, "vander", f"got N={N}, wanted a count from 0 on")
    dtype = np.promote_types(dtype_of(x), np.int_)
    x = convert(x, dtype)
    # The power 0 comes from the first factor, so that 0**0 has no logarithm in its derivative.
    columns = [full_beside(x, (length, 1), 1)]
    for _ in range(1, N):
        columns.append(mul(columns[-1], reshape(x, (length, 1))))
    if not N:
        return full_beside(x, (length, 0), 0)
    return concatenate(columns if increasing else columns[::-1], 1)


# Grids -------------------------------------------------------------------------------------------


@implements(np.meshgrid)
def meshgrid(
    *xi: Any, copy: bool = True, sparse: bool = False, indexing: str = "xy"
) -> tuple[Any, ...]:
    """Coordinates of a grid from the coordinates along its axes.

    Args:
      *xi: vectors.
      copy: as for NumPy, of plain arrays.
      sparse: leaves axes along which a coordinate does not vary at length 1.
      indexing: "xy": the first vector along the second axis; "ij": along the first.

    Returns:
      A tuple with an array for each vector.

    Example:
      >>> import fxad.numpy as fnp
      >>> x, y = fnp.meshgrid([1, 2], [3, 4])
      >>> x.tolist(), y.tolist()
      ([[1, 2], [1, 2]], [[3, 3], [4, 4]])
    """
    if indexing not in ("xy", "ij"):
        raise error(
            ArgumentValueError, "meshgrid", f"got indexing={indexing!r}, wanted 'xy' or 'ij'"
        )
    arrays = [ravel(operand(x)) for x in xi]
    count = len(arrays)
    places = list(range(count))
    if indexing == "xy" and count > 1:
        places[:2] = 1, 0
    shaped = []
    for place, x in zip(places, arrays, strict=True):
        shape = [1] * count
        shape[place] = shape_of(x)[0]
        shaped.append(reshape(x, shape))
    return tuple(shaped if sparse else broadcast_arrays(*shaped))
