"""Python's operators on tracers."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import numpy as np

import fxad.ops.elementwise as ops
import fxad.ops.logic as logic
from fxad.core.aval import PYTHON_SCALARS, is_value
from fxad.core.source import error
from fxad.errors import DtypeError
from fxad.numpy.nested import NESTED, array_of
from fxad.ops.base import dtype_of, reshape
from fxad.ops.contraction import matmul
from fxad.ops.indexing import getitem
from fxad.ops.reduction import any_
from fxad.ops.shape import split_p
from fxad.transforms.jvp import JVPTracer

#: What an operator binds without a further look; the rest is looked at.
_OPERANDS: set[type] = {np.ndarray, JVPTracer, *np.sctypeDict.values(), *PYTHON_SCALARS}

Bind = Callable[[Any, Any], Any]


def _other(x: Any) -> Any:
    """The other operand as a value, or NotImplemented for what is none."""
    if type(x) in NESTED:
        return array_of(x)
    if not is_value(x):
        return NotImplemented
    _OPERANDS.add(type(x))
    return x


def _forward(bind: Bind) -> Callable[[Any, Any], Any]:
    def operator(self: Any, other: Any) -> Any:
        if type(other) not in _OPERANDS:
            other = _other(other)
            if other is NotImplemented:
                return other
        return bind(self, other)

    return operator


def _reflected(bind: Bind) -> Callable[[Any, Any], Any]:
    def operator(self: Any, other: Any) -> Any:
        if type(other) not in _OPERANDS:
            other = _other(other)
            if other is NotImplemented:
                return other
        return bind(other, self)

    return operator


def _power(self: Any, other: Any, modulus: Any = None) -> Any:
    if type(other) is int and modulus is None:
        return ops.pow(self, other) if self.dtype.kind == "b" else ops.integer_pow(self, other)
    return NotImplemented if modulus is not None else _general_power(self, other)


_general_power = _forward(ops.pow)


def _divmod(x: Any, y: Any) -> tuple[Any, Any]:
    return ops.floor_divide(x, y), ops.remainder(x, y)


def _iterate(self: Any) -> Iterator[Any]:
    shape = self.shape
    if not shape:
        raise TypeError("iteration over a 0-d array")
    # One split, whose derivative is one join, instead of as many scatters as there are rows.
    rows = split_p.bind(self, sizes=(1,) * shape[0], axis=0)
    return (reshape(row, shape[1:]) for row in rows)


def _positive(self: Any) -> Any:
    if dtype_of(self).kind == "b":
        raise error(DtypeError, "positive", "got bool, wanted numbers")
    return self


def _contains(self: Any, value: Any) -> bool:
    return bool(any_(logic.eq(self, value)))


_BINARY: dict[str, Bind] = {
    "add": ops.add,
    "sub": ops.sub,
    "mul": ops.mul,
    "truediv": ops.div,
    "floordiv": ops.floor_divide,
    "mod": ops.remainder,
    "divmod": _divmod,
    "pow": ops.pow,
    "matmul": matmul,
    "and": logic.and_,
    "or": logic.or_,
    "xor": logic.xor,
    "lshift": logic.shift_left,
    "rshift": logic.shift_right,
}
_COMPARISONS: dict[str, Bind] = {
    "eq": logic.eq,
    "ne": logic.ne,
    "lt": logic.lt,
    "le": logic.le,
    "gt": logic.gt,
    "ge": logic.ge,
}
_OTHERS: dict[str, Callable[..., Any]] = {
    "neg": ops.neg,
    "pos": _positive,
    "abs": ops.abs_,
    "invert": logic.not_,
    "getitem": getitem,
    "iter": _iterate,
    "contains": _contains,
}


def _method(function: Callable[..., Any]) -> Callable[..., Any]:
    """A plain function, since bound methods of primitives do not take ``self``."""
    return lambda self, *args: function(self, *args)


#: Everything to install on Tracer, by name.
OPERATORS: dict[str, Callable[..., Any]] = {
    **{f"__{name}__": _forward(bind) for name, bind in (_BINARY | _COMPARISONS).items()},
    **{f"__r{name}__": _reflected(bind) for name, bind in _BINARY.items()},
    **{f"__{name}__": _method(function) for name, function in _OTHERS.items()},
    "__pow__": _power,
}
