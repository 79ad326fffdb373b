"""Window functions, and index objects for grids and joining."""

from __future__ import annotations

from typing import Any

import numpy as np

import fxad.config as config
from fxad.backends.registry import default_xp
from fxad.numpy.dispatch import FOREIGN, TRACED, kinds
from fxad.numpy.dtypes import result_type
from fxad.numpy.joining import concatenate
from fxad.numpy.nested import to_cast
from fxad.numpy.ranges import arange, linspace
from fxad.ops.base import convert, reshape, shape_of


def _made(x: Any) -> Any:
    """An array on the default backend, of the default float where it is of floats."""
    x = x.astype(config.default_float, copy=False) if x.dtype.kind == "f" else x
    return default_xp().asarray(x)


def bartlett(M: int) -> Any:
    """The triangular window, zero at both ends.

    Args:
      M: the number of points.

    Returns:
      A vector of the default float.

    Example:
      >>> import fxad.numpy as fnp
      >>> fnp.bartlett(5).round(6).tolist()
      [0.0, 0.5, 1.0, 0.5, 0.0]
    """
    return _made(np.bartlett(M))


def blackman(M: int) -> Any:
    """The Blackman window: three terms of cosines.

    Args:
      M: the number of points.

    Returns:
      A vector of the default float.

    Example:
      >>> import fxad.numpy as fnp
      >>> fnp.blackman(3).round(6).tolist()
      [-0.0, 1.0, -0.0]
    """
    return _made(np.blackman(M))


def hamming(M: int) -> Any:
    """The Hamming window: a raised cosine on a pedestal.

    Args:
      M: the number of points.

    Returns:
      A vector of the default float.

    Example:
      >>> import fxad.numpy as fnp
      >>> fnp.hamming(3).round(6).tolist()
      [0.08, 1.0, 0.08]
    """
    return _made(np.hamming(M))


def hanning(M: int) -> Any:
    """The Hann window: a raised cosine.

    Args:
      M: the number of points.

    Returns:
      A vector of the default float.

    Example:
      >>> import fxad.numpy as fnp
      >>> fnp.hanning(3).round(6).tolist()
      [0.0, 1.0, 0.0]
    """
    return _made(np.hanning(M))


def kaiser(M: int, beta: float) -> Any:
    """The Kaiser window, of Bessel functions.

    Args:
      M: the number of points.
      beta: the shape: 0 is a rectangle, greater values are narrower.

    Returns:
      A vector of the default float.

    Example:
      >>> import fxad.numpy as fnp
      >>> fnp.kaiser(3, 0.0).round(6).tolist()
      [1.0, 1.0, 1.0]
    """
    return _made(np.kaiser(M, beta))


class _Grid:
    """``mgrid`` and ``ogrid``: the coordinates of a grid by slices, ``start:stop:step``.

    A step that is an imaginary number is a number of points, the last of them at the stop.

    Example:
      >>> import fxad.numpy as fnp
      >>> fnp.mgrid[0:2, 0:2].tolist()
      [[[0, 0], [1, 1]], [[0, 1], [0, 1]]]
      >>> [x.tolist() for x in fnp.ogrid[0:2, 0:1:3j]]
      [[[0.0], [1.0]], [[0.0, 0.5, 1.0]]]
    """

    __slots__ = ("_numpy",)

    def __init__(self, numpy_grid: Any) -> None:
        self._numpy = numpy_grid

    def __getitem__(self, key: Any) -> Any:
        made = self._numpy[key]
        return tuple(map(_made, made)) if isinstance(made, tuple) else _made(made)


mgrid, ogrid = _Grid(np.mgrid), _Grid(np.ogrid)


class _Join:
    """``r_`` and ``c_``: arrays, numbers and slices in brackets, joined; tracers too.

    Example:
      >>> import fxad.numpy as fnp
      >>> fnp.r_[0:3, 10.0].tolist()
      [0.0, 1.0, 2.0, 10.0]
      >>> fnp.c_[fnp.array([1, 2]), fnp.array([3, 4])].tolist()
      [[1, 3], [2, 4]]
    """

    __slots__ = ("_columns", "_numpy")

    def __init__(self, numpy_join: Any, columns: bool) -> None:
        self._numpy, self._columns = numpy_join, columns

    def __getitem__(self, key: Any) -> Any:
        parts = key if isinstance(key, tuple) else (key,)
        if not kinds(parts) & (TRACED | FOREIGN) or any(isinstance(p, str) for p in parts):
            return self._numpy[key]
        arrays = [_ranged(p) if isinstance(p, slice) else to_cast(p) for p in parts]
        dtype = result_type(*arrays)
        arrays = [self._column(convert(x, dtype)) for x in arrays]
        return concatenate(arrays, -1 if self._columns else 0)

    def _column(self, x: Any) -> Any:
        shape = tuple(shape_of(x)) or (1,)
        return reshape(x, (*shape, 1)[: max(len(shape), 2)]) if self._columns else reshape(x, shape)


def _ranged(part: slice) -> Any:
    start, stop, step = part.start or 0, part.stop, 1 if part.step is None else part.step
    if isinstance(step, complex):
        return linspace(start, stop, int(abs(step)))
    return arange(start, stop, step)


r_, c_ = _Join(np.r_, False), _Join(np.c_, True)
