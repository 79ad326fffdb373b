"""Arguments that many reductions have, held to what NumPy takes."""

from __future__ import annotations

from typing import Any

import numpy as np

from fxad.core.aval import PYTHON_SCALARS, DType
from fxad.core.source import error
from fxad.errors import ArgumentValueError, DtypeError, ShapeError
from fxad.numpy.nested import operand
from fxad.ops.base import convert, dtype_of, normalize_axis, reshape, shape_of, transpose


def mask(operation: str, where: Any) -> Any:
    """The argument ``where``: booleans, in lists too; None for all."""
    if where is None or where is True:
        return None
    where = operand(where)
    if dtype_of(where).kind != "b":
        raise error(
            DtypeError,
            operation,
            f"got where= of {dtype_of(where)}, wanted bool",
            "Compare it with something: where=x != 0.",
        )
    return where


def start(operation: str, initial: Any, dtype: DType) -> Any:
    """The argument ``initial`` in the dtype of the result; None for none."""
    if initial is None:
        return None
    if type(initial) in PYTHON_SCALARS:
        return dtype.type(initial)
    initial = operand(initial)
    if shape_of(initial):
        raise error(
            ShapeError, operation, f"got initial= of shape {shape_of(initial)}, wanted a number"
        )
    if dtype_of(initial).kind == "c" and dtype.kind != "c":
        raise error(DtypeError, operation, f"got a complex initial=, wanted {dtype}")
    return convert(initial, dtype)


def freedom(operation: str, ddof: float, correction: float | None) -> float:
    """The arguments ``ddof`` and ``correction``, two names of one thing."""
    if correction is None:
        return ddof
    if ddof != 0:
        raise error(ArgumentValueError, operation, "got both ddof= and correction=", "Give one.")
    return correction


def inexact_dtype(operation: str, dtype: Any) -> Any:
    """The argument ``dtype`` of a moment: NumPy's own integer ones overflow and round to zero."""
    if dtype is not None and np.dtype(dtype).kind not in "fc":
        raise error(
            DtypeError,
            operation,
            f"got dtype={np.dtype(dtype)}, wanted floating-point or complex numbers",
            "Leave dtype out and convert the result with astype.",
        )
    return dtype


def fitted_weights(operation: str, weights: Any, a: Any, axis: Any) -> Any:
    """Weights of the array's own shape, or of that of the axes, which then broadcast to it."""
    shape, given = shape_of(a), shape_of(weights)
    if given == shape:
        return weights
    listed = axis if isinstance(axis, tuple | list) else () if axis is None else (axis,)
    axes = tuple(normalize_axis(operation, d, len(shape)) for d in listed)
    if not axes or given != tuple(shape[d] for d in axes):
        raise error(
            ShapeError,
            operation,
            f"got weights of shape {given} for {shape} along axis {axis}, wanted the shape of the "
            "array or of those axes",
        )
    weights = transpose(weights, sorted(range(len(axes)), key=axes.__getitem__))
    return reshape(weights, [n if d in axes else 1 for d, n in enumerate(shape)])
