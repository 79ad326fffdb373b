"""The methods of ufuncs: ``reduce``, ``accumulate``, ``outer``; ``at`` is refused."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

import fxad.numpy.reductions as reductions
import fxad.numpy.ufuncs as ufuncs
import fxad.ops.cumulative as cumulative
import fxad.ops.elementwise as ops
from fxad.core.source import error
from fxad.errors import ArgumentTypeError, ArgumentValueError, TracerAssignmentError
from fxad.numpy.dispatch import TABLE, check_cast, dispatching, inexact, refuse_out
from fxad.numpy.nested import operand
from fxad.numpy.reductions import Axis
from fxad.numpy.ufunc_folds import FOLDED, fold, run
from fxad.ops.base import convert, normalize_axis, reshape, shape_of
from fxad.ops.exponential import logsumexp


def _logsumexp(
    a: Any,
    axis: Axis,
    dtype: Any,
    out: Any,
    keepdims: bool,
    initial: Any = None,
    where: Any = None,
) -> Any:
    refuse_out("logaddexp.reduce", out)
    a = (
        inexact(operand(a))
        if dtype is None
        else check_cast("logaddexp", a, np.dtype(dtype), "safe")
    )
    found = logsumexp(a, axis, keepdims, where)
    return found if initial is None else ops.logaddexp(found, initial)


def _of_extremum(function: Callable[..., Any]) -> Callable[..., Any]:
    def reduce(a: Any, axis: Axis, dtype: Any, out: Any, keepdims: bool, **options: Any) -> Any:
        a = a if dtype is None else check_cast("reduce", a, np.dtype(dtype), "same_kind")
        return function(a, axis, out, keepdims, **options)

    return reduce


def _of_truth(function: Callable[..., Any]) -> Callable[..., Any]:
    def reduce(
        a: Any,
        axis: Axis,
        dtype: Any,
        out: Any,
        keepdims: bool,
        initial: Any = None,
        where: Any = None,
    ) -> Any:
        if initial is not None:
            raise error(
                ArgumentValueError, "reduce", "got initial= beside a traced value, wanted none"
            )
        if dtype is not None and np.dtype(dtype) != bool:
            raise error(
                ArgumentTypeError, "reduce", f"got dtype={np.dtype(dtype)}, wanted bool or None"
            )
        return function(a, axis, out, keepdims, where=where)

    return reduce


def _in_dtype(function: Callable[..., Any]) -> Callable[..., Any]:
    """A running operation that has no ``dtype`` of its own."""
    return lambda x, axis, dtype: function(x if dtype is None else convert(x, dtype), axis)


#: ``reduce(a, axis, dtype, out, keepdims, initial=, where=)``
_REDUCTIONS: dict[Any, Callable[..., Any]] = {
    np.add: reductions.sum,
    np.multiply: reductions.prod,
    np.maximum: _of_extremum(reductions.max),
    np.minimum: _of_extremum(reductions.min),
    np.logical_and: _of_truth(reductions.all),
    np.logical_or: _of_truth(reductions.any),
    np.logaddexp: _logsumexp,
}
_RUNNING: dict[Any, Callable[..., Any]] = {
    np.add: cumulative.cumsum,
    np.multiply: cumulative.cumprod,
    np.maximum: _in_dtype(cumulative.cummax),
    np.minimum: _in_dtype(cumulative.cummin),
    np.logaddexp: _in_dtype(cumulative.cumlogsumexp),
}


def _reduce(function: Callable[..., Any]) -> Callable[..., Any]:
    def reduce(
        a: Any,
        axis: Axis = 0,
        dtype: Any = None,
        out: Any = None,
        keepdims: bool = False,
        initial: Any = None,
        where: Any = True,
    ) -> Any:
        options = {} if initial is None else {"initial": initial}
        if where is not True:
            options["where"] = where
        return function(operand(a), axis, dtype, out, keepdims, **options)

    return reduce


def _accumulate(name: str, function: Callable[..., Any]) -> Callable[..., Any]:
    def accumulate(a: Any, axis: int = 0, dtype: Any = None, out: Any = None) -> Any:
        refuse_out(f"{name}.accumulate", out)
        a = operand(a)
        return function(a, normalize_axis(name, axis, len(shape_of(a))), dtype)

    return accumulate


def _outer(ufunc: Any) -> Callable[..., Any]:
    def outer(x: Any, y: Any, /, **options: Any) -> Any:
        x, y = operand(x), operand(y)
        x = reshape(x, tuple(shape_of(x)) + (1,) * len(shape_of(y)))
        return TABLE[ufunc](x, y, **options)

    return outer


METHODS: dict[tuple[Any, str], Callable[..., Any]] = {
    **{(ufunc, "reduce"): _reduce(function) for ufunc, function in _REDUCTIONS.items()},
    **{
        (ufunc, "accumulate"): _accumulate(ufunc.__name__, function)
        for ufunc, function in _RUNNING.items()
    },
    **{(ufunc, "reduce"): _reduce(fold(ufunc)) for ufunc in FOLDED},
    **{(ufunc, "accumulate"): run(ufunc) for ufunc in FOLDED},
    **{
        (ufunc, "outer"): _outer(ufunc)
        for ufunc in TABLE
        if isinstance(ufunc, np.ufunc) and ufunc.nin == 2 and not ufunc.signature
    },
}


def method_of(ufunc: Any, method: str) -> Callable[..., Any]:
    """What a method of a ufunc does on tracers, or the error that says what to do instead."""
    found = METHODS.get((ufunc, method))
    name = f"{ufunc.__name__}.{method}"
    if found is not None:
        return found
    if method == "at":
        raise error(
            TracerAssignmentError,
            name,
            "got a traced value and an operation in place, wanted a pure function",
            f"Write x = fnp.at(x)[index].{ufunc.__name__}(values).",
        )
    raise error(
        ArgumentTypeError,
        name,
        "got a traced value, for which fxad has no such method",
        "Write it with the functions of fxad.numpy.",
    )


# fnp.add.reduce(x) and fnp.add.identity are there as np.add's are.
for _ufunc in TABLE:
    if isinstance(_ufunc, np.ufunc) and hasattr(ufuncs, _ufunc.__name__):
        for _name in ("nin", "nout", "nargs", "identity"):
            setattr(getattr(ufuncs, _ufunc.__name__), _name, getattr(_ufunc, _name))
for (_ufunc, _method), _implementation in METHODS.items():
    _public = dispatching(getattr(_ufunc, _method), _implementation)
    setattr(getattr(ufuncs, _ufunc.__name__), _method, _public)
