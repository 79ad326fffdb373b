"""The methods and properties of ndarray on tracers, with the call signatures that CuPy uses too."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from typing import Any, NoReturn

import numpy as np

import fxad.numpy.diagonals as diagonals
import fxad.numpy.dtypes as dtypes
import fxad.numpy.editing as editing
import fxad.numpy.indexing as indexing
import fxad.numpy.manipulation as manipulation
import fxad.numpy.reductions as reductions
import fxad.numpy.rounding as rounding
import fxad.numpy.sorting as sorting
import fxad.numpy.ufuncs as ufuncs
import fxad.ops.elementwise as ops
import fxad.ops.identity as identity
from fxad.core.source import error
from fxad.errors import ShapeError, TracerAssignmentError
from fxad.numpy.creation import copy
from fxad.numpy.dispatch import TABLE
from fxad.ops.at import at
from fxad.ops.base import dtype_of
from fxad.ops.shape import stack


def _shape_argument(args: tuple[Any, ...]) -> Any:
    """``x.reshape(2, 3)`` and ``x.reshape((2, 3))`` are the same."""
    return args[0] if len(args) == 1 else args


def _reshape(self: Any, *shape: Any, order: str = "C", copy: bool | None = None) -> Any:
    if not shape:
        raise TypeError("reshape() takes a shape, as integers or as a tuple of them")
    return TABLE[np.reshape](self, _shape_argument(shape), order)


def _transpose(self: Any, *axes: Any) -> Any:
    return TABLE[np.transpose](self, _shape_argument(axes) if axes else None)


def _view(self: Any, dtype: Any = None) -> Any:
    if dtype is None or np.dtype(dtype) == self.dtype:
        return self
    dtype, shape, old = np.dtype(dtype), self.shape, self.dtype.itemsize
    new = dtype.itemsize
    if old == new:
        return identity.bitcast_convert_type(self, dtype)
    if not shape or shape[-1] * old % new:
        raise error(
            ShapeError,
            "view",
            f"got {self.aval.long_name()} for {dtype}, wanted a last axis of whole elements",
        )
    if new > old:
        self = TABLE[np.reshape](self, (*shape[:-1], shape[-1] * old // new, new // old))
    return TABLE[np.reshape](_read_as(self, dtype), (*shape[:-1], shape[-1] * old // new))


def _read_as(x: Any, dtype: Any) -> Any:
    """Elements as a last axis of narrower ones, or the other way round."""
    if dtype_of(x).char.upper() == dtype.char:
        return ops.complex_(x[..., 0], x[..., 1])  # differentiable, as bits are not
    if dtype_of(x).char == dtype.char.upper():
        return stack([ops.real(x), ops.imag(x)], -1)
    return identity.bitcast_convert_type(x, dtype)


def _flatten(self: Any, order: str = "C") -> Any:
    return TABLE[np.ravel](self, order)


def _argmax(
    self: Any, axis: Any = None, out: Any = None, *, keepdims: bool = False, dtype: Any = None
) -> Any:
    return TABLE[np.argmax](self, axis, out, keepdims=keepdims)


def _argmin(
    self: Any, axis: Any = None, out: Any = None, *, keepdims: bool = False, dtype: Any = None
) -> Any:
    return TABLE[np.argmin](self, axis, out, keepdims=keepdims)


def _clip(self: Any, min: Any = None, max: Any = None, out: Any = None, **options: Any) -> Any:
    return TABLE[np.clip](self, min, max, out, **options)


def _dot(self: Any, b: Any, out: Any = None) -> Any:
    return TABLE[np.dot](self, b, out)


def _compress(self: Any, condition: Any, axis: Any = None, out: Any = None) -> Any:
    return TABLE[np.compress](condition, self, axis, out)


def _round(self: Any, ndigits: int | None = None) -> Any:
    return TABLE[np.round](self, ndigits or 0)


def _in_place(name: str, instead: str) -> Callable[..., NoReturn]:
    def method(self: Any, *args: Any, **kwargs: Any) -> NoReturn:
        raise error(
            TracerAssignmentError,
            name,
            f"got a traced {self.aval.long_name()} to change in place, wanted a pure function",
            f"Write {instead}.",
        )

    return method


#: Methods that are NumPy's function of the same name with the array as its first argument.
_FUNCTIONS: tuple[Callable[..., Any], ...] = (
    copy,
    diagonals.diagonal,
    diagonals.trace,
    indexing.choose,
    indexing.nonzero,
    indexing.take,
    editing.repeat,
    manipulation.ravel,
    manipulation.squeeze,
    manipulation.swapaxes,
    reductions.all,
    reductions.any,
    reductions.cumprod,
    reductions.cumsum,
    reductions.max,
    reductions.mean,
    reductions.min,
    reductions.prod,
    reductions.ptp,
    reductions.std,
    reductions.sum,
    reductions.var,
    rounding.round,
    sorting.argpartition,
    sorting.argsort,
    sorting.searchsorted,
)

_PROPERTIES: dict[str, Callable[[Any], Any]] = {
    "T": _transpose,
    "mT": lambda x: TABLE[np.matrix_transpose](x),
    "real": lambda x: ops.real(x) if dtype_of(x).kind == "c" else x,
    "imag": lambda x: TABLE[np.imag](x),
    "flat": _flatten,
    "at": at,
}

_IN_PLACE = {
    "sort": "x = np.sort(x)",
    "partition": "x = np.partition(x, kth)",
    "fill": "x = np.full_like(x, value)",
    "put": "x = fnp.put(x, indices, values)",
    "itemset": "x = fnp.at(x)[index].set(value)",
    "resize": "x = np.resize(x, shape)",
}

#: Everything to install on Tracer, by name.
METHODS: dict[str, Any] = {
    # Past the choice of the public function: a tracer is here.
    **{function.__name__: inspect.unwrap(function) for function in _FUNCTIONS},
    **{name: property(getter) for name, getter in _PROPERTIES.items()},
    **{name: _in_place(name, instead) for name, instead in _IN_PLACE.items()},
    "argmax": _argmax,
    "argmin": _argmin,
    "astype": dtypes.cast,
    "clip": _clip,
    "compress": _compress,
    "conj": inspect.unwrap(ufuncs.conjugate),
    "conjugate": inspect.unwrap(ufuncs.conjugate),
    "dot": _dot,
    "flatten": _flatten,
    "reshape": _reshape,
    "transpose": _transpose,
    "view": _view,
    "__round__": _round,
}
