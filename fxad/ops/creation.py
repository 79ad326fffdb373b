"""Arrays from nothing: primitives without operands, whose implementation creates."""

from __future__ import annotations

import math
import operator
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from fxad.core.aval import DType, Shape, ShapedArray, aval_of, promote
from fxad.core.primitive import Primitive, Rule
from fxad.core.source import error
from fxad.core.trace import Tracer
from fxad.errors import ArgumentTypeError, ArgumentValueError
from fxad.ops.base import convert, normalize_axis, reshape
from fxad.ops.elementwise import sub
from fxad.ops.logic import eq, le


def _creator(name: str, impl: Callable[..., Any], shape: Callable[..., Shape]) -> Primitive:
    """A primitive without operands: ``impl(xp, dtype=, **params)`` of ``shape(**params)``."""
    primitive = Primitive(
        name,
        abstract=lambda *, dtype, **params: ShapedArray(shape(**params), dtype),
        impl=impl,
        jvp=None,
        batch=lambda size, args, dims, **params: (primitive.bind(**params), None),
        cost=lambda avals, params: (
            0.0,
            float(math.prod(shape(**{k: v for k, v in params.items() if k != "dtype"})))
            * params["dtype"].itemsize,
        ),
    )
    return primitive


def _iota_impl(xp: Any, *, shape: Shape, axis: int, dtype: DType) -> Any:
    inner = [1] * len(shape)
    inner[axis] = shape[axis]
    return xp.array(xp.broadcast_to(xp.arange(shape[axis], dtype=dtype).reshape(inner), shape))


iota_p = _creator("iota", _iota_impl, lambda *, shape, axis: shape)
eye_p = _creator(
    "eye", lambda xp, *, n, m, k, dtype: xp.eye(n, m, k, dtype), lambda *, n, m, k: (n, m)
)
tri_p = _creator(
    "tri", lambda xp, *, n, m, k, dtype: xp.tri(n, m, k, dtype), lambda *, n, m, k: (n, m)
)
arange_p = _creator(
    "arange",
    lambda xp, *, start, stop, step, dtype: xp.arange(start, stop, step, dtype),
    lambda *, start, stop, step: (max(0, math.ceil((stop - start) / step)),),
)


def iota(dtype: Any, shape: int | Sequence[int], axis: int = 0) -> Any:
    """Counts 0, 1, 2, ... along one axis of a shape."""
    listed = shape if isinstance(shape, tuple | list) else (shape,)
    shape = tuple(map(operator.index, listed))
    axis = normalize_axis("iota", axis, len(shape))
    return iota_p.bind(shape=shape, axis=axis, dtype=np.dtype(dtype))


def _band(primitive: Primitive, holds: Rule, n: int, m: int | None, k: Any, dtype: Any) -> Any:
    """The primitive; for a traced diagonal ``k`` the same by comparing the diagonals with it."""
    n, dtype = operator.index(n), np.dtype(dtype)
    m = n if m is None else operator.index(m)
    if not isinstance(k, Tracer):
        k = operator.index(k) if hasattr(k, "__index__") else k  # NumPy's tri takes 0.5 too
        return primitive.bind(n=n, m=m, k=k, dtype=dtype)
    diagonals = sub(iota(np.int64, (n, m), 1), iota(np.int64, (n, m), 0))
    return convert(holds(diagonals, reshape(k, ())), dtype)


def eye(n: int, m: int | None = None, k: Any = 0, dtype: Any = np.float64) -> Any:
    """Ones on the diagonal ``k`` of an ``n`` by ``m`` matrix, zeros elsewhere."""
    return _band(eye_p, eq, n, m, k, dtype)


def tri(n: int, m: int | None = None, k: Any = 0, dtype: Any = np.float64) -> Any:
    """Ones on and below the diagonal ``k`` of an ``n`` by ``m`` matrix, zeros elsewhere."""
    return _band(tri_p, le, n, m, k, dtype)


def arange(start: Any, stop: Any = None, step: Any = 1, dtype: Any = None) -> Any:
    """``start``, ``start + step``, ... below ``stop``: NumPy's, of numbers known when tracing."""
    if stop is None:
        start, stop = 0, start
    numbers = (start, stop, step)
    if dtype is None:
        dtype, weak = promote(map(aval_of, numbers))
        dtype = dtype if weak else np.result_type(dtype, np.int64)
    known = [x.item() if hasattr(x, "item") else x for x in numbers]
    if not all(isinstance(x, int | float) for x in known):
        raise error(ArgumentTypeError, "arange", f"got {numbers}, wanted real numbers")
    if known[2] == 0:
        raise error(ArgumentValueError, "arange", f"got {numbers}, wanted a step that is not 0")
    return arange_p.bind(start=known[0], stop=known[1], step=known[2], dtype=np.dtype(dtype))
