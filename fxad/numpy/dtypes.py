"""Questions about dtypes and shapes, casts, and arrays as text."""

from __future__ import annotations

import warnings
from typing import Any

import numpy as np

from fxad.core.aval import DType, aval_of
from fxad.core.trace import Tracer
from fxad.numpy.dispatch import implements
from fxad.numpy.nested import operand
from fxad.ops.base import convert, dtype_of, shape_of

_WEAK: dict[str, Any] = {"b": False, "i": 0, "f": 0.0, "c": 0j}


@implements(np.result_type)
def result_type(*arrays_and_dtypes: Any) -> DType:
    """The dtype that operands have together, by NumPy's promotion.

    Args:
      *arrays_and_dtypes: arrays, tracers, numbers and dtypes; Python numbers are weak.

    Returns:
      A dtype.

    Example:
      >>> import fxad.numpy as fnp
      >>> fnp.result_type(fnp.zeros(2, "float32"), 1.0)
      dtype('float32')
    """
    return np.result_type(*map(_known_to_numpy, arrays_and_dtypes))


def _known_to_numpy(x: Any) -> Any:
    if not isinstance(x, Tracer):
        return x
    return _WEAK[x.dtype.kind] if x.weak_type else x.dtype


@implements(np.can_cast)
def can_cast(from_: Any, to: Any, casting: str = "safe") -> Any:
    """Whether a casting rule allows a conversion.

    Args:
      from_: a dtype, an array or a tracer.
      to: a dtype.
      casting: "no", "equiv", "safe", "same_kind" or "unsafe".

    Returns:
      True or False.

    Example:
      >>> import fxad.numpy as fnp
      >>> fnp.can_cast("float64", "float32")
      False
    """
    return np.can_cast(dtype_of(from_), to, casting)  # type: ignore[arg-type]


@implements(np.shape)
def shape(a: Any) -> tuple[int, ...]:
    """The lengths of the axes.

    Args:
      a: array, number or list.

    Returns:
      A tuple of integers.

    Example:
      >>> import fxad.numpy as fnp
      >>> fnp.shape([[1, 2, 3]])
      (1, 3)
    """
    return tuple(shape_of(operand(a)))


@implements(np.ndim)
def ndim(a: Any) -> int:
    """The number of axes.

    Args:
      a: array, number or list.

    Returns:
      An integer.

    Example:
      >>> import fxad.numpy as fnp
      >>> fnp.ndim([[1, 2, 3]])
      2
    """
    return len(shape(a))


@implements(np.size)
def size(a: Any, axis: Any = None) -> int:
    """The number of elements, or the length of an axis.

    Args:
      a: array, number or list.
      axis: an axis, or several; None is all of them.

    Returns:
      An integer.

    Example:
      >>> import fxad.numpy as fnp
      >>> fnp.size([[1, 2, 3]])
      3
    """
    lengths = shape(a)
    if axis is None:
        return aval_of(operand(a)).size
    axes = axis if isinstance(axis, tuple) else (axis,)
    return int(np.prod([lengths[d] for d in axes], dtype=int))


@implements(np.astype)
def astype(x: Any, dtype: Any, /, *, copy: Any = True, device: Any = None) -> Any:
    """The same values in another dtype.

    Args:
      x: array.
      dtype: the dtype.
      copy: as for NumPy, of plain arrays.
      device: as for NumPy, of plain arrays.

    Returns:
      An array of that dtype. Complex numbers lose their imaginary part, with NumPy's warning.

    Example:
      >>> import fxad.numpy as fnp
      >>> fnp.astype(fnp.array([1.7]), int).tolist()
      [1]
    """
    if not hasattr(x, "astype"):
        raise TypeError(f"Input should be an array, not a {type(x).__name__}; see fnp.asarray.")
    return cast(x, dtype)


def cast(
    x: Any,
    dtype: Any,
    order: str = "K",
    casting: str = "unsafe",
    subok: Any = True,
    copy: Any = True,
) -> Any:
    """The method ``astype`` of tracers."""
    wanted, given = np.dtype(dtype), dtype_of(x)
    if not np.can_cast(given, wanted, casting):  # type: ignore[arg-type]
        raise TypeError(
            f"Cannot cast array data from {given!r} to {wanted!r} according to the rule {casting!r}"
        )
    if given.kind == "c" and wanted.kind not in "cb":
        warnings.warn(
            "Casting complex values to real discards the imaginary part",
            np.exceptions.ComplexWarning,
            stacklevel=3,
        )
    return convert(x, wanted)


@implements(np.array_repr)
def array_repr(arr: Any, *args: Any, **kwargs: Any) -> str:
    """The array as text that says what it is.

    Args:
      arr: array or tracer; a tracer's dtype and shape stand for its values.
      *args: as for ``numpy.array_repr``.
      **kwargs: as for ``numpy.array_repr``.

    Returns:
      A string.

    Example:
      >>> import fxad.numpy as fnp, numpy as np
      >>> fnp.array_repr(np.array([1, 2]))
      'array([1, 2])'
    """
    return repr(arr)


@implements(np.array_str)
def array_str(a: Any, *args: Any, **kwargs: Any) -> str:
    """The values of an array as text.

    Args:
      a: array or tracer; a tracer's dtype and shape stand for its values.
      *args: as for ``numpy.array_str``.
      **kwargs: as for ``numpy.array_str``.

    Returns:
      A string.

    Example:
      >>> import fxad.numpy as fnp, numpy as np
      >>> fnp.array_str(np.array([1, 2]))
      '[1 2]'
    """
    return str(a)
