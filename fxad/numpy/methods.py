"""The methods and properties of ndarray on tracers, with the call signatures that CuPy uses too."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NoReturn

import numpy as np

import fxad.numpy.joining as joining
import fxad.numpy.manipulation as manipulation
import fxad.numpy.products as products
import fxad.numpy.reductions as reductions
import fxad.numpy.rounding as rounding
import fxad.ops.elementwise as ops
import fxad.ops.identity as identity
from fxad.core.source import error
from fxad.core.trace import Tracer
from fxad.errors import TracerAssignmentError
from fxad.numpy.dispatch import TABLE
from fxad.ops.base import dtype_of


def _shape_argument(args: tuple[Any, ...]) -> Any:
    """``x.reshape(2, 3)`` and ``x.reshape((2, 3))`` are the same."""
    return args[0] if len(args) == 1 else args


def _reshape(self: Any, *shape: Any, order: str = "C", copy: bool | None = None) -> Any:
    return TABLE[np.reshape](self, _shape_argument(shape), order)


def _transpose(self: Any, *axes: Any) -> Any:
    return TABLE[np.transpose](self, _shape_argument(axes) if axes else None)


def _view(self: Any, dtype: Any = None) -> Any:
    if dtype is None or np.dtype(dtype) == self.dtype:
        return self
    return identity.bitcast_convert_type(self, dtype)


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
_FUNCTIONS = """
    all any clip compress conj conjugate copy cumprod cumsum diagonal dot max mean min nonzero
    prod ptp ravel repeat searchsorted squeeze std sum swapaxes take trace var choose argpartition
    argsort round
""".split()

_METHODS: dict[str, Callable[..., Any]] = {
    "reshape": _reshape,
    "transpose": _transpose,
    "view": _view,
    "flatten": _flatten,
    "argmax": _argmax,
    "argmin": _argmin,
    "__round__": _round,
}

_PROPERTIES: dict[str, Callable[[Any], Any]] = {
    "T": _transpose,
    "mT": lambda x: TABLE[np.matrix_transpose](x),
    "real": lambda x: ops.real(x) if dtype_of(x).kind == "c" else x,
    "imag": ops.imag,
    "flat": _flatten,
}

_IN_PLACE = {
    "sort": "x = np.sort(x)",
    "partition": "x = np.partition(x, kth)",
    "fill": "x = np.full_like(x, value)",
    "put": "x = fnp.at(x.ravel())[indices].set(values)",
    "itemset": "x = fnp.at(x)[index].set(value)",
    "resize": "x = np.resize(x, shape)",
}


def _install() -> None:
    for name in _FUNCTIONS:
        implementation = TABLE.get(getattr(np, name))
        if implementation is not None:
            setattr(Tracer, name, implementation)
    for name, method in _METHODS.items():
        setattr(Tracer, name, method)
    for name, getter in _PROPERTIES.items():
        setattr(Tracer, name, property(getter))
    for name, instead in _IN_PLACE.items():
        setattr(Tracer, name, _in_place(name, instead))


_install()
