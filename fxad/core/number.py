"""Python's numbers with the ways of arrays: what a loop that runs as Python hands to its body.

A number in a loop has no dtype of its own and gives way to what stands beside it, which NumPy (NEP
50) grants to Python's numbers alone. But where the loop is traced its body gets a tracer, which has
``astype``, is not of unlimited length, and of whose comparisons ``~`` is the negation. These are
Python's numbers of which the same holds, so that one body runs both ways.
"""

from __future__ import annotations

import numbers
import operator
from collections.abc import Callable
from typing import Any

import numpy as np

import fxad.config as config

_BINARY = (
    "add", "sub", "mul", "truediv", "floordiv", "mod", "pow", "lshift", "rshift", "and", "or",
    "xor",
)
_COMPARISONS = ("eq", "ne", "lt", "le", "gt", "ge")
_UNARY = ("neg", "pos", "abs", "invert")


class Number:
    """A number without a dtype of its own that computes as NumPy's do."""

    __slots__ = ()

    def __getattr__(self, name: str) -> Any:
        if name.startswith("_"):  # what NumPy asks of arrays, which are not weak
            raise AttributeError(name)
        return getattr(_strong(self), name)

    @property
    def real(self) -> Any:
        """The number itself."""
        return self

    @property
    def imag(self) -> Any:
        """Its imaginary part, NumPy's."""
        return _strong(self).imag

    def conjugate(self) -> Any:
        """Its conjugate, NumPy's."""
        return _strong(self).conjugate()

    def __divmod__(self, other: Any) -> Any:
        return self // other, self % other

    def __rdivmod__(self, other: Any) -> Any:
        return other // self, other % self

    def __array_ufunc__(self, ufunc: Any, method: str, *args: Any, **kwargs: Any) -> Any:
        return getattr(ufunc, method)(*plain(args), **plain(kwargs))

    def __array_function__(self, function: Any, types: Any, args: Any, kwargs: Any) -> Any:
        return function(*plain(args), **plain(kwargs))

    def __cupy_override_elementwise_kernel__(self, kernel: Any, *args: Any, **kwargs: Any) -> Any:
        return kernel(*plain(args), **plain(kwargs))


class Int(Number):
    """An integer; no subclass of ``int``, whose products with ``float`` Python makes itself."""

    __slots__ = ("_value",)

    def __init__(self, value: int) -> None:
        self._value = value

    def __array__(self, dtype: Any = None, copy: bool | None = None) -> Any:
        return np.array(self._value, _INT64 if dtype is None else dtype)

    def __index__(self) -> int:
        return self._value

    def __float__(self) -> float:
        return float(self._value)

    def __bool__(self) -> bool:
        return self._value != 0

    def __round__(self, digits: int | None = None) -> Any:
        return Int(round(self._value, digits))

    def __hash__(self) -> int:
        return hash(self._value)

    def __repr__(self) -> str:
        return repr(self._value)

    def __format__(self, specification: str) -> str:
        return format(self._value, specification)


numbers.Integral.register(Int)  # by which np.isscalar, and CuPy's indexing, know numbers


class Float(Number, float):
    """A real number."""

    __slots__ = ()


class Complex(Number, complex):
    """A complex number."""

    __slots__ = ()

    @property
    def real(self) -> Any:
        """Its real part, NumPy's."""
        return _strong(self).real


#: The types of numbers without a dtype of their own, and which of Python's each of them is.
PYTHON_SCALARS: dict[type, type] = {
    bool: bool, int: int, float: float, complex: complex, Int: int, Float: float, Complex: complex,
}
_NUMBERS: dict[type, Callable[[Any], Any]] = {
    bool: np.bool_, int: Int, float: Float, complex: Complex,
}
_INT64, _BOOL = np.dtype(np.int64), np.dtype(np.bool_)
_COMPLEX = {"e": np.dtype(np.complex64), "f": np.dtype(np.complex64)}
_COMPLEX128 = np.dtype(np.complex128)


def weak_dtype(kind: type) -> np.dtype[Any]:
    """The dtype that a Python scalar of this type has when nothing stronger is beside it."""
    kind = PYTHON_SCALARS[kind]
    if kind is float:
        return config.default_float
    if kind is int:
        return _INT64
    if kind is bool:
        return _BOOL
    return _COMPLEX.get(config.default_float.char, _COMPLEX128)


def number(x: Any) -> Any:
    """What a body gets for a value: of Python's numbers one of these; a truth value is NumPy's."""
    wrap = _NUMBERS.get(type(x))
    return x if wrap is None else wrap(x)


def plain(x: Any) -> Any:
    """Python's own numbers in the place of these, within lists, tuples and dicts as well."""
    if isinstance(x, Number):
        return PYTHON_SCALARS[type(x)](x)
    if type(x) in (list, tuple):
        return type(x)(map(plain, x))
    return {key: plain(value) for key, value in x.items()} if type(x) is dict else x


def _strong(x: Any) -> Any:
    return weak_dtype(type(x)).type(x._value if type(x) is Int else x)


def _weak(x: Any) -> Any:
    return x if isinstance(x, np.bool_) else number(x.item())


def _binary(compute: Callable[[Any, Any], Any]) -> Callable[[Any, Any], Any]:
    def operation(self: Any, other: Any) -> Any:
        if type(other) not in PYTHON_SCALARS:  # which knows better
            return NotImplemented
        out = compute(_strong(self), _strong(other))
        return out if type(other) is bool else _weak(out)  # a truth value is not weak

    return operation


def _reflected(compute: Callable[[Any, Any], Any]) -> Callable[[Any, Any], Any]:
    return _binary(lambda x, y: compute(y, x))


def _unary(compute: Callable[[Any], Any]) -> Callable[[Any], Any]:
    return lambda self: _weak(compute(_strong(self)))


for _name in _BINARY + _COMPARISONS:
    setattr(Number, f"__{_name}__", _binary(getattr(operator, f"__{_name}__")))
for _name in _BINARY:
    setattr(Number, f"__r{_name}__", _reflected(getattr(operator, f"__{_name}__")))
for _name in _UNARY:
    setattr(Number, f"__{_name}__", _unary(getattr(operator, f"__{_name}__")))
