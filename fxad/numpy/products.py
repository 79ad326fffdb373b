"""Products of arrays: matrices, vectors, tensors."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

import fxad.ops.contraction as ops
from fxad.core.source import error
from fxad.errors import ArgumentValueError, ShapeError
from fxad.numpy.dispatch import check_cast, implements, refuse_out
from fxad.numpy.nested import operand
from fxad.ops.base import moveaxis, normalize_axis, reshape, shape_of
from fxad.ops.einsum import einsum as ops_einsum
from fxad.ops.elementwise import mul, neg, sub
from fxad.ops.shape import split, stack


def _operands(operation: str, x: Any, y: Any, out: Any, options: dict[str, Any]) -> Any:
    """Two operands of a product, cast as a ufunc's keywords say."""
    refuse_out(operation, out)
    x, y = operand(x), operand(y)
    dtype = options.pop("dtype", None)
    casting = options.pop("casting", "same_kind")
    for plain in ("order", "subok"):
        options.pop(plain, None)
    if options:
        raise error(
            ArgumentValueError,
            operation,
            f"got {min(options)}= beside a traced value, which it does not take then",
        )
    if dtype is None:
        return x, y
    return tuple(check_cast(operation, v, np.dtype(dtype), casting) for v in (x, y))


@implements(np.matmul)
def matmul(x1: Any, x2: Any, /, out: Any = None, **options: Any) -> Any:
    """The matrix product ``x1 @ x2`` of stacks of matrices.

    Args:
      x1: array of shape (..., n, k) or (k,).
      x2: array of shape (..., k, m) or (k,).
      out: none with traced arrays.
      **options: the keywords of a ufunc: ``dtype``, ``casting``.

    Returns:
      An array of shape (..., n, m), the leading axes broadcast; without n, m for vectors.

    Raises:
      ShapeError: an operand is a number, or the inner lengths differ.

    Example:
      >>> import fxad.numpy as fnp
      >>> fnp.matmul([[1, 2], [3, 4]], [1, 1]).tolist()
      [3, 7]
    """
    return ops.matmul(*_operands("matmul", x1, x2, out, options))


@implements(np.vecdot)
def vecdot(x1: Any, x2: Any, /, out: Any = None, *, axis: int = -1, **options: Any) -> Any:
    """The sum of conj(x1) * x2 along one axis.

    Args:
      x1: array of shape (..., k).
      x2: array of shape (..., k).
      out: none with traced arrays.
      axis: the axis to sum over.
      **options: the keywords of a ufunc: ``dtype``, ``casting``.

    Returns:
      An array without the axis, the others broadcast.

    Raises:
      ShapeError: the lengths differ.

    Example:
      >>> import fxad.numpy as fnp
      >>> fnp.vecdot([[1, 2], [3, 4]], [1, 1]).tolist()
      [3, 7]
    """
    x1, x2 = _operands("vecdot", x1, x2, out, options)
    return ops.vecdot(x1, x2, axis)


@implements(*filter(None, [getattr(np, "matvec", None)]))
def matvec(x1: Any, x2: Any, /, out: Any = None, **options: Any) -> Any:
    """Matrices times vectors.

    Args:
      x1: array of shape (..., n, k).
      x2: array of shape (..., k).
      out: none with traced arrays.
      **options: the keywords of a ufunc: ``dtype``, ``casting``.

    Returns:
      An array of shape (..., n), the leading axes broadcast.

    Raises:
      ShapeError: the lengths differ.

    Example:
      >>> import fxad.numpy as fnp
      >>> fnp.matvec([[1, 2], [3, 4]], [1, 1]).tolist()
      [3, 7]
    """
    return ops.matvec(*_operands("matvec", x1, x2, out, options))


@implements(*filter(None, [getattr(np, "vecmat", None)]))
def vecmat(x1: Any, x2: Any, /, out: Any = None, **options: Any) -> Any:
    """Conjugated vectors times matrices.

    Args:
      x1: array of shape (..., k).
      x2: array of shape (..., k, m).
      out: none with traced arrays.
      **options: the keywords of a ufunc: ``dtype``, ``casting``.

    Returns:
      An array of shape (..., m), the leading axes broadcast.

    Raises:
      ShapeError: the lengths differ.

    Example:
      >>> import fxad.numpy as fnp
      >>> fnp.vecmat([1, 1], [[1, 2], [3, 4]]).tolist()
      [4, 6]
    """
    return ops.vecmat(*_operands("vecmat", x1, x2, out, options))


@implements(np.dot)
def dot(a: Any, b: Any, out: Any = None) -> Any:
    """The product of numbers, vectors or matrices: the last axis with the last but one.

    Args:
      a: array of shape (..., k), or a number.
      b: array of shape (..., k, m) or (k,), or a number.
      out: none with traced arrays.

    Returns:
      An array with the other axes of ``a``, then those of ``b``.

    Raises:
      ShapeError: the lengths differ.

    Example:
      >>> import fxad.numpy as fnp
      >>> int(fnp.dot([1, 2], [3, 4]))
      11
    """
    refuse_out("dot", out)
    return ops.dot(operand(a), operand(b))


@implements(np.vdot)
def vdot(a: Any, b: Any, /) -> Any:
    """The sum of conj(a) * b over all elements.

    Args:
      a: array or list.
      b: array or list with as many elements.

    Returns:
      A number.

    Raises:
      ShapeError: the numbers of elements differ.

    Example:
      >>> import fxad.numpy as fnp
      >>> complex(fnp.vdot([1j, 2], [1j, 1]))
      (3+0j)
    """
    return ops.vdot(operand(a), operand(b))


@implements(np.inner)
def inner(a: Any, b: Any, /) -> Any:
    """The sum of products over the last axes.

    Args:
      a: array of shape (..., k).
      b: array of shape (..., k).

    Returns:
      An array with the other axes of ``a``, then those of ``b``.

    Raises:
      ShapeError: the lengths differ.

    Example:
      >>> import fxad.numpy as fnp
      >>> int(fnp.inner([1, 2], [3, 4]))
      11
    """
    return ops.inner(operand(a), operand(b))


@implements(np.outer)
def outer(a: Any, b: Any, out: Any = None) -> Any:
    """All products of an element of one vector and an element of another.

    Args:
      a: array or list, flattened to n elements.
      b: array or list, flattened to m elements.
      out: none with traced arrays.

    Returns:
      An array of shape (n, m).

    Example:
      >>> import fxad.numpy as fnp
      >>> fnp.outer([1, 2], [3, 4]).tolist()
      [[3, 4], [6, 8]]
    """
    refuse_out("outer", out)
    return ops.outer(operand(a), operand(b))


@implements(np.tensordot)
def tensordot(a: Any, b: Any, axes: int | Sequence[Any] = 2) -> Any:
    """The sum of products over some axes of both.

    Args:
      a: array or list.
      b: array or list.
      axes: n for the last n of ``a`` with the first n of ``b``, or a pair of sequences of axes.

    Returns:
      An array with the other axes of ``a``, then those of ``b``.

    Raises:
      ShapeError: lengths differ.

    Example:
      >>> import fxad.numpy as fnp
      >>> fnp.tensordot([[1, 2], [3, 4]], [1, 1], axes=1).tolist()
      [3, 7]
    """
    return ops.tensordot(operand(a), operand(b), axes)


@implements(np.einsum)
def einsum(
    *operands: Any,
    out: Any = None,
    dtype: Any = None,
    order: str = "K",
    casting: str = "safe",
    optimize: Any = True,
) -> Any:
    """A sum of products of elements, written with a letter for each axis.

    Args:
      *operands: a string such as ``"ij,jk->ik"`` and the arrays; or arrays each followed by a list
        of integers, and a list for the output.
      out: none with traced arrays.
      dtype: to compute in; None is what the operands promote to.
      order: as for NumPy, of plain arrays.
      casting: what conversions ``dtype`` may make.
      optimize: how the order of products is chosen, as for ``einsum_path``; NumPy's own, for plain
        arrays, takes them from left to right unless it is given.

    Returns:
      An array with the output's axes.

    Raises:
      ArgumentValueError: the subscripts are malformed.
      ShapeError: they do not fit the operands' shapes.

    Example:
      >>> import fxad.numpy as fnp
      >>> fnp.einsum("ij,j->i", fnp.array([[1, 2], [3, 4]]), fnp.array([1, 1])).tolist()
      [3, 7]
    """
    refuse_out("einsum", out)
    if isinstance(operands[0], str):
        operands = (operands[0], *map(operand, operands[1:]))
    if dtype is None:
        return ops_einsum(*operands, optimize=optimize)
    wanted = np.dtype(dtype)
    step = 1 if isinstance(operands[0], str) else 2
    cast = [
        check_cast("einsum", operand(x), wanted, casting) if _is_array(i, operands, step) else x
        for i, x in enumerate(operands)
    ]
    return ops_einsum(*cast, optimize=optimize)


@implements(np.einsum_path)
def einsum_path(
    *operands: Any, optimize: Any = "greedy", einsum_call: bool = False
) -> tuple[Any, Any]:
    """The order of products that ``einsum`` would choose.

    Args:
      *operands: as for ``einsum``; the shapes alone count.
      optimize: how it is chosen: "greedy", "optimal", a path, or whether at all.
      einsum_call: as for NumPy, of plain arrays.

    Returns:
      The path, which ``einsum`` takes as ``optimize``, and a text that explains it.

    Example:
      >>> import fxad.numpy as fnp
      >>> fnp.einsum_path("ij,jk,k->i", fnp.ones((2, 3)), fnp.ones((3, 4)), fnp.ones(4))[0]
      ['einsum_path', (1, 2), (0, 1)]
    """
    step = 1 if isinstance(operands[0], str) else 2
    shapes = [
        np.broadcast_to(np.zeros(()), shape_of(operand(x))) if _is_array(i, operands, step) else x
        for i, x in enumerate(operands)
    ]
    find: Any = np.einsum_path
    path: tuple[Any, Any] = find(*shapes, optimize=optimize, einsum_call=einsum_call)
    return path


def _is_array(i: int, operands: Any, step: int) -> bool:
    """Whether an argument of einsum is an array, and not subscripts."""
    return i > 0 if step == 1 else i % 2 == 0 and i + 1 < len(operands)


@implements(np.kron)
def kron(a: Any, b: Any) -> Any:
    """The Kronecker product: each element of ``a`` replaced by its product with ``b``.

    Args:
      a: array, number or list.
      b: array, number or list.

    Returns:
      An array whose lengths are the products of theirs.

    Example:
      >>> import fxad.numpy as fnp
      >>> fnp.kron([1, 10], [1, 2]).tolist()
      [1, 2, 10, 20]
    """
    return ops.kron(operand(a), operand(b))


@implements(np.cross)
def cross(
    a: Any, b: Any, axisa: int = -1, axisb: int = -1, axisc: int = -1, axis: int | None = None
) -> Any:
    """The cross product of vectors in space; of plane vectors its third component.

    Args:
      a: array with an axis of length 3 or 2.
      b: array with an axis of length 3 or 2.
      axisa: that axis of ``a``.
      axisb: that axis of ``b``.
      axisc: where the result has it.
      axis: all three of them.

    Returns:
      An array; the other axes broadcast.

    Raises:
      ShapeError: the axis has another length.

    Example:
      >>> import fxad.numpy as fnp
      >>> fnp.cross([1, 0, 0], [0, 1, 0]).tolist()
      [0, 0, 1]
    """
    if axis is not None:
        axisa = axisb = axisc = axis
    a, b = (_last("cross", operand(v), d) for v, d in ((a, axisa), (b, axisb)))
    if {shape_of(a)[-1], shape_of(b)[-1]} - {2, 3}:
        raise error(
            ShapeError, "cross", f"got {shape_of(a)} and {shape_of(b)}, wanted vectors of 3 or 2"
        )
    (a0, a1, a2), (b0, b1, b2) = (_components(v) for v in (a, b))
    third = sub(mul(a0, b1), mul(a1, b0))
    if a2 is None and b2 is None:
        return third
    out = stack([_minor(a1, a2, b1, b2), _minor(a2, a0, b2, b0), third], -1)
    return moveaxis(out, len(shape_of(out)) - 1, normalize_axis("cross", axisc, len(shape_of(out))))


def _last(operation: str, x: Any, axis: int) -> Any:
    ndim = len(shape_of(x))
    return moveaxis(x, normalize_axis(operation, axis, ndim), ndim - 1)


def _components(x: Any) -> list[Any]:
    """The components of vectors, None for one that is zero by convention."""
    *rest, length = shape_of(x)
    parts = [reshape(part, rest) for part in split(x, (1,) * length, len(rest))]
    return parts if length == 3 else [*parts, None]


def _minor(x: Any, x3: Any, y: Any, y3: Any) -> Any:
    """``x * y3 - x3 * y``, where missing components are zero."""
    left = None if x is None or y3 is None else mul(x, y3)
    right = None if x3 is None or y is None else mul(x3, y)
    if left is None:
        return neg(right)
    return left if right is None else sub(left, right)
