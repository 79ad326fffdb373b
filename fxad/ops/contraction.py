"""NumPy's products of arrays, on ``dot_general``."""

from __future__ import annotations

import functools
import operator
from typing import Any

import numpy as np

from fxad.core.aval import Shape, aval_of, broadcast_shapes
from fxad.core.source import error
from fxad.errors import ShapeError
from fxad.ops.base import (
    dtype_of,
    moveaxis,
    normalize_axes,
    normalize_axis,
    reshape,
    shape_of,
    transpose,
)
from fxad.ops.dot_general import Axes, DimensionNumbers, dot_general_p, strong
from fxad.ops.elementwise import conj, mul

_MATRIX_MATRIX: DimensionNumbers = (((1,), (0,)), ((), ()))
_VECTOR_VECTOR: DimensionNumbers = (((0,), (0,)), ((), ()))


def _bind(x: Any, y: Any, dims: DimensionNumbers) -> Any:
    return dot_general_p.bind(
        x, y, dimension_numbers=dims, precision=None, preferred_element_type=None
    )


def matmul(x: Any, y: Any) -> Any:
    """The matrix product ``x @ y``, of stacks of matrices along leading axes that broadcast.

    Args:
      x: ``(..., n, k)``, or ``(k,)``.
      y: ``(..., k, m)``, or ``(k,)``.

    Returns:
      ``(..., n, m)``; the axes ``n`` and ``m`` are missing where the operand is a vector.

    Raises:
      ShapeError: an operand is a scalar, the inner dimensions differ, or the leading axes do not
        broadcast.

    Example:
      >>> import fxad.numpy as fnp
      >>> fnp.matmul(fnp.ones((5, 2, 3)), fnp.ones((3, 4))).shape
      (5, 2, 4)
    """
    x_shape, y_shape = shape_of(x), shape_of(y)
    if len(x_shape) == 2 and len(y_shape) == 2 and x_shape[1] == y_shape[0]:
        return _bind(x, y, _MATRIX_MATRIX)
    if not x_shape or not y_shape:
        raise error(
            ShapeError,
            "matmul",
            f"got {x_shape} and {y_shape}, wanted at least one dimension each",
            "Multiply by a number with * instead.",
        )
    inner = y_shape[-2] if len(y_shape) > 1 else y_shape[0]
    if x_shape[-1] != inner:
        raise error(
            ShapeError,
            "matmul",
            f"got {x_shape} and {y_shape}: the inner dimensions {x_shape[-1]} and {inner} differ",
        )
    if len(x_shape) <= 2 and len(y_shape) <= 2:
        return _bind(x, y, _MATRIX_MATRIX if len(x_shape) == 2 else _VECTOR_VECTOR)
    x_core, y_core = min(len(x_shape), 2), min(len(y_shape), 2)
    return _broadcasting(x, y, _broadcast_plan("matmul", x_shape, y_shape, x_core, y_core, -1, 0))


@functools.lru_cache(4096)
def _broadcast_plan(
    operation: str,
    x_shape: Shape,
    y_shape: Shape,
    x_core: int,
    y_core: int,
    x_contract: int,
    y_contract: int,
) -> tuple[Shape, Shape, DimensionNumbers, Axes]:
    """A product with broadcasting leading axes as a ``dot_general`` which repeats nothing.

    An axis that only one operand has is a free axis of it; where the other has length 1, that one
    is dropped. ``x_contract`` and ``y_contract`` are axes of the cores, the last axes.

    Returns the shapes to give to the operands, the dimension numbers, and the permutation of the
    result.
    """
    x_lead, y_lead = x_shape[: len(x_shape) - x_core], y_shape[: len(y_shape) - y_core]
    ndim = len(broadcast_shapes(operation, (x_lead, y_lead)))
    both, x_only, y_only = [], [], []
    for d in range(-ndim, 0):
        nx = x_lead[d] if -d <= len(x_lead) else None
        ny = y_lead[d] if -d <= len(y_lead) else None
        if nx == ny:
            both.append(d)
        elif ny is None or (ny == 1 and nx is not None):
            x_only.append(d)
        else:
            y_only.append(d)
    x_kept, y_kept = sorted(both + x_only), sorted(both + y_only)
    x_batch = tuple(x_kept.index(d) for d in both)
    y_batch = tuple(y_kept.index(d) for d in both)
    contract = ((len(x_kept) + x_contract % x_core,), (len(y_kept) + y_contract % y_core,))
    order = [*both, *x_only, *range(x_core - 1), *y_only, *range(x_core - 1, x_core + y_core - 2)]
    permutation = tuple(sorted(range(len(order)), key=order.__getitem__))
    return (
        tuple(x_lead[d] for d in x_kept) + x_shape[len(x_shape) - x_core :],
        tuple(y_lead[d] for d in y_kept) + y_shape[len(y_shape) - y_core :],
        (contract, (x_batch, y_batch)),
        permutation,
    )


def _broadcasting(x: Any, y: Any, plan: tuple[Shape, Shape, DimensionNumbers, Axes]) -> Any:
    x_shape, y_shape, dims, permutation = plan
    return transpose(_bind(reshape(x, x_shape), reshape(y, y_shape), dims), permutation)


def _core_product(
    operation: str, x: Any, y: Any, x_core: int, y_core: int, y_contract: int = -1
) -> Any:
    """Contracts the last axis of ``x`` with one of ``y``; what is before the cores broadcasts."""
    x, y = strong(x), strong(y)
    x_shape, y_shape = shape_of(x), shape_of(y)
    fits = len(x_shape) >= x_core and len(y_shape) >= y_core
    if not fits or x_shape[-1] != y_shape[len(y_shape) - y_core + y_contract % y_core]:
        raise error(
            ShapeError,
            operation,
            f"got {x_shape} and {y_shape}, wanted at least {x_core} and {y_core} dimensions, and "
            "equal lengths of the axes that are summed over",
        )
    plan = _broadcast_plan(operation, x_shape, y_shape, x_core, y_core, -1, y_contract)
    return _broadcasting(x, y, plan)


def vecdot(x: Any, y: Any, axis: int = -1) -> Any:
    """The sum of ``conj(x) * y`` over one axis of each; the other axes broadcast."""
    x, y = (
        moveaxis(v, normalize_axis("vecdot", axis, len(shape_of(v))), len(shape_of(v)) - 1)
        for v in (x, y)
    )
    return _core_product("vecdot", _conjugate(x), y, 1, 1)


def matvec(x: Any, y: Any) -> Any:
    """The products of matrices ``(..., n, k)`` and vectors ``(..., k)``."""
    return _core_product("matvec", x, y, 2, 1)


def vecmat(x: Any, y: Any) -> Any:
    """The products of conjugated vectors ``(..., k)`` and matrices ``(..., k, m)``."""
    return _core_product("vecmat", _conjugate(x), y, 1, 2, 0)


def _conjugate(x: Any) -> Any:
    return conj(x) if dtype_of(x).kind == "c" else x


def dot(x: Any, y: Any) -> Any:
    """NumPy's ``dot``: the last axis of ``x`` with the last but one of ``y`` (or its only one)."""
    x, y = strong(x), strong(y)
    x_shape, y_shape = shape_of(x), shape_of(y)
    if not x_shape or not y_shape:
        return mul(x, y)
    axis = max(len(y_shape) - 2, 0)
    if x_shape[-1] != y_shape[axis]:
        raise error(
            ShapeError,
            "dot",
            f"got {x_shape} and {y_shape}: the lengths {x_shape[-1]} and {y_shape[axis]} of "
            "the axes that are summed over differ",
        )
    return _bind(x, y, (((len(x_shape) - 1,), (axis,)), ((), ())))


def vdot(x: Any, y: Any) -> Any:
    """The sum of ``conj(x) * y`` over all elements."""
    x, y = strong(x), strong(y)
    x, y = (reshape(v, (aval_of(v).size,)) for v in (x, y))
    if shape_of(x) != shape_of(y):
        raise error(ShapeError, "vdot", f"got {shape_of(x)[0]} and {shape_of(y)[0]} elements")
    return _bind(_conjugate(x), y, _VECTOR_VECTOR)


def inner(x: Any, y: Any) -> Any:
    """The sum over the last axes of both; for scalars their product."""
    x, y = strong(x), strong(y)
    x_shape, y_shape = shape_of(x), shape_of(y)
    if not x_shape or not y_shape:
        return mul(x, y)
    if x_shape[-1] != y_shape[-1]:
        raise error(
            ShapeError,
            "inner",
            f"got {x_shape} and {y_shape}: the last lengths {x_shape[-1]} and {y_shape[-1]} differ",
        )
    return _bind(x, y, (((len(x_shape) - 1,), (len(y_shape) - 1,)), ((), ())))


def outer(x: Any, y: Any) -> Any:
    """All products of an element of ``x`` and one of ``y``, both flattened."""
    x, y = strong(x), strong(y)
    x, y = (reshape(v, (aval_of(v).size,)) for v in (x, y))
    return _bind(x, y, (((), ()), ((), ())))


def tensordot(x: Any, y: Any, axes: Any = 2) -> Any:
    """The sum of products over some axes of ``x`` and of ``y``.

    Args:
      x: an array.
      y: an array.
      axes: a number ``n`` (the last ``n`` axes of ``x`` with the first of ``y``), or a pair of axes
        or of sequences of axes.

    Returns:
      An array with the other axes of ``x``, then those of ``y``.

    Raises:
      ShapeError: partners differ in length or number.

    Example:
      >>> import fxad.numpy as fnp
      >>> fnp.tensordot(fnp.ones((2, 3, 4)), fnp.ones((4, 3, 5)), axes=([1, 2], [1, 0])).shape
      (2, 5)
    """
    x, y = strong(x), strong(y)
    x_shape, y_shape = shape_of(x), shape_of(y)
    try:
        left, right = (tuple(map(int, a)) if np.ndim(a) else (int(a),) for a in axes)
    except TypeError:
        count = operator.index(axes)
        left, right = tuple(range(-count, 0)), tuple(range(count))
    return _bind(x, y, _tensordot_dims(x_shape, y_shape, left, right))


@functools.lru_cache(4096)
def _tensordot_dims(x_shape: Shape, y_shape: Shape, left: Axes, right: Axes) -> DimensionNumbers:
    left = tuple(normalize_axis("tensordot", a, len(x_shape)) for a in left)
    right = tuple(normalize_axis("tensordot", a, len(y_shape)) for a in right)
    if [x_shape[a] for a in left] != [y_shape[a] for a in right]:
        raise error(
            ShapeError,
            "tensordot",
            f"got {x_shape} and {y_shape}: the axes {left} and {right} differ in length or number",
        )
    for axes_of_one, shape in ((left, x_shape), (right, y_shape)):
        normalize_axes("tensordot", axes_of_one, len(shape))
    return (left, right), ((), ())


def kron(x: Any, y: Any) -> Any:
    """The Kronecker product: every element of ``x`` replaced by its product with all of ``y``."""
    x, y = strong(x), strong(y)
    ndim = max(len(shape_of(x)), len(shape_of(y)))
    x_shape, y_shape = (
        (1,) * (ndim - len(shape_of(v))) + tuple(shape_of(v)) for v in (x, y)
    )
    blocks = _bind(reshape(x, x_shape), reshape(y, y_shape), (((), ()), ((), ())))
    woven = transpose(blocks, [d for i in range(ndim) for d in (i, ndim + i)])
    return reshape(woven, [n * m for n, m in zip(x_shape, y_shape, strict=True)])
