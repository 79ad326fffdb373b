"""What samplers check of their arguments: one key, a shape, a dtype, parameters that fit it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

import fxad.config as config
from fxad.core.aval import DType, Shape, aval_of
from fxad.core.source import error
from fxad.errors import ArgumentValueError, DtypeError, ShapeError
from fxad.numpy.creation import shape_tuple
from fxad.ops.base import convert, shape_of
from fxad.ops.random_bits import key_shape

Size = int | Sequence[int]


def one_key(operation: str, key: Any) -> Any:
    """The key, checked to be a single one."""
    batch = key_shape(operation, aval_of(key))
    if batch:
        raise error(
            ShapeError,
            operation,
            f"got keys of shape {batch}, wanted one key",
            f"Call it for each: fxad.vmap(lambda key: fxad.random.{operation}(key, ...))(keys).",
        )
    return key


def float_dtype(operation: str, wanted: Any) -> DType:
    """The dtype of real samples: ``config.default_float`` for None."""
    dtype: DType = config.default_float if wanted is None else np.dtype(wanted)
    if dtype.kind != "f" or dtype.itemsize > 8:
        raise error(DtypeError, operation, f"got dtype {dtype}, wanted float16, float32 or float64")
    return dtype


def integer_dtype(operation: str, wanted: Any) -> DType:
    """The dtype of integer samples: NumPy's int64 for None."""
    dtype: DType = np.dtype(np.int64 if wanted is None else wanted)
    if dtype.kind not in "iu":
        raise error(DtypeError, operation, f"got dtype {dtype}, wanted an integer dtype")
    return dtype


def sample_shape(operation: str, shape: Size | None, *parameters: Any) -> Shape:
    """The shape of the samples, which the parameters broadcast to; theirs for None."""
    shapes = [shape_of(x) for x in parameters]
    wanted = None if shape is None else shape_tuple(shape)
    if wanted is not None and min(wanted, default=0) < 0:
        raise error(ArgumentValueError, operation, f"got shape {wanted}, wanted lengths >= 0")
    try:
        together = np.broadcast_shapes(*shapes, *([] if wanted is None else [wanted]))
    except ValueError:
        together = None
    if together is None or wanted not in (None, together):
        listed = ", ".join(map(str, shapes))
        problem = f"got parameters of shape {listed}" + ("" if wanted is None else f" for {wanted}")
        raise error(ShapeError, operation, f"{problem}, wanted shapes that broadcast to it")
    return together


def parameter(operation: str, x: Any, dtype: DType) -> Any:
    """A parameter of a distribution in the dtype of its samples."""
    if aval_of(x).dtype.kind not in "biuf":
        raise error(
            DtypeError, operation, f"got a parameter of {aval_of(x).dtype}, wanted a number"
        )
    return dtype.type(x) if type(x) in (bool, int, float) else convert(x, dtype)


def choose(operation: str, name: str, value: Any, permitted: tuple[Any, ...]) -> Any:
    """A mode, checked to be one that there is."""
    if value not in permitted:
        listed = " or ".join(map(repr, permitted))
        raise error(ArgumentValueError, operation, f"got {name}={value!r}, wanted {listed}")
    return value
