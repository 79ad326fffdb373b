"""Operands as NumPy takes them: numbers with a dtype of their own, lists, and tracers in lists."""

from __future__ import annotations

from typing import Any

import numpy as np

import fxad.config as config
from fxad.core.aval import PYTHON_SCALARS, aval_of
from fxad.core.trace import Tracer
from fxad.ops.base import convert, shape_of
from fxad.ops.shape import stack

NESTED = frozenset({list, tuple})


def operand(x: Any) -> Any:
    """An array or a tracer of a strong dtype; lists and tuples become arrays."""
    if type(x) in NESTED:
        return array_of(x)
    return x if shape_of(x) else strong(x)


def to_cast(x: Any) -> Any:
    """An operand whose dtype another decides: a Python number stays one, traced or not."""
    weak = type(x) in PYTHON_SCALARS or (isinstance(x, Tracer) and x.weak_type)
    return x if weak else operand(x)


def strong(x: Any) -> Any:
    """The same with a dtype of its own, where it was a Python number's."""
    aval = aval_of(x)
    return convert(x, aval.dtype) if aval.weak_type else x


def array_of(x: Any) -> Any:
    """An array from lists and tuples, with the dtype that ``numpy.array`` gives."""
    if type(x) not in NESTED:
        return operand(x)
    leaf = _array_in(x)
    if leaf is None:
        return _of_numbers(np.asarray(x))
    if not isinstance(leaf, Tracer) and isinstance(leaf, np.ndarray | np.generic):
        return np.asarray(x)
    return stack([array_of(item) for item in x])


def _of_numbers(x: Any) -> Any:
    """An array of Python numbers, in the default float."""
    if x.dtype.kind in "fc" and config.default_float != np.float64:
        return x.astype(aval_of(x.dtype.type(0).item()).dtype)
    return x


def _array_in(x: Any) -> Any:
    """What decides how nested lists become an array: a tracer or GPU array, else any array."""
    found = None
    for item in x:
        kind = type(item)
        if kind in PYTHON_SCALARS:
            continue
        leaf = _array_in(item) if kind in NESTED else item
        if leaf is not None:
            found = leaf
            if not isinstance(leaf, np.ndarray | np.generic):
                return leaf
    return found
