"""Systems with triangular matrices."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from fxad.core.primitive import Primitive
from fxad.core.source import error
from fxad.core.trace import is_linear
from fxad.errors import ShapeError
from fxad.ops.base import add_any, dtype_of, moveaxis, reshape, shape_of, to_front
from fxad.ops.contraction import matmul
from fxad.ops.elementwise import conj, neg
from fxad.ops.matrices import matrices, swap, tril, triu
from fxad.ops.rules import nonlinear


def batch_of_columns(
    primitive: Primitive, size: int, args: Sequence[Any], dims: Sequence[Any], params: Any
) -> tuple[Any, int]:
    """One system with many right sides, instead of many systems, where only those are batched."""
    *fixed, b = args
    if all(d is None for d in dims[:-1]):
        b = moveaxis(b, dims[-1], len(shape_of(b)) - 1)
        *lead, n, k, _ = shape_of(b)
        out = primitive.bind(*fixed, reshape(b, (*lead, n, k * size)), **params)
        return reshape(out, (*lead, n, k, size)), len(lead) + 2
    args = [to_front(x, d, size) for x, d in zip(args, dims, strict=True)]
    return primitive.bind(*args, **params), 0


def _triangular_jvp(
    primals: Sequence[Any],
    tangents: Sequence[Any],
    *,
    lower: bool,
    trans: int,
    unit_diagonal: bool,
) -> tuple[Any, Any]:
    (a, b), (ta, tb) = primals, tangents
    params = {"lower": lower, "trans": trans, "unit_diagonal": unit_diagonal}
    out = triangular_solve_p.bind(a, b, **params)
    if ta is not None:
        strict = int(unit_diagonal)
        ta = tril(ta, -strict) if lower else triu(ta, strict)
        tb = add_any(tb, neg(matmul(swap(ta) if trans else ta, out)))
    return out, triangular_solve_p.bind(a, tb, **params)


def _triangular_transpose(ct: Any, a: Any, b: Any, *, trans: int, **params: Any) -> list[Any]:
    if is_linear(a):
        raise nonlinear("triangular_solve")
    return [None, triangular_solve_p.bind(a, ct, trans=1 - trans, **params)]


def _triangular_scratch(a: Any, b: Any, **_: Any) -> int:
    """Copies of one matrix each in the order of Fortran, unless it is in that."""
    n, k = b.shape[-2:]
    return int(b.itemsize * (n * k + (0 if a.strides[-2] == a.itemsize else n * n)))


triangular_solve_p: Primitive = Primitive(
    "triangular_solve",
    abstract=lambda a, b, **params: b.strong(),
    impl=lambda xp, a, b, *, lower, trans, unit_diagonal: xp.triangular_solve(
        a, b, lower, trans, unit_diagonal
    ),
    jvp=_triangular_jvp,
    transpose=_triangular_transpose,
    batch=lambda size, args, dims, **params: batch_of_columns(
        triangular_solve_p, size, args, dims, params
    ),
    cost=lambda avals, params: (
        float(avals[1].size * avals[0].shape[-1]),
        float(avals[0].size / 2 + 2 * avals[1].size) * avals[1].dtype.itemsize,
    ),
    scratch=_triangular_scratch,
)


def solve_triangle(a: Any, b: Any, lower: bool, trans: int = 0, unit_diagonal: bool = False) -> Any:
    """The solution of ``a x = b`` (or, with ``trans`` 1, ``a^T x = b``) with a triangular ``a``."""
    return triangular_solve_p.bind(a, b, lower=lower, trans=trans, unit_diagonal=unit_diagonal)


def triangular_solve(
    a: Any,
    b: Any,
    *,
    left_side: bool = False,
    lower: bool = False,
    transpose_a: bool = False,
    conjugate_a: bool = False,
    unit_diagonal: bool = False,
) -> Any:
    """The solution of a system with a triangular matrix, with JAX's signature.

    Args:
      a: ``(..., n, n)``; the other triangle is not read.
      b: ``(..., n, k)`` with ``left_side``, else ``(..., k, n)``; or ``(..., n)`` for one vector.
      left_side: whether to solve ``op(a) x = b`` or ``x op(a) = b``.
      lower: whether the lower triangle of ``a`` is meant.
      transpose_a: whether ``op`` transposes.
      conjugate_a: whether ``op`` conjugates.
      unit_diagonal: whether the diagonal counts as ones and is not read.

    Returns:
      ``x``, of the shape of ``b``. Where the diagonal has a zero, infinities or NaN, as in BLAS.

    Raises:
      ShapeError: ``a`` is not square, or the shapes do not fit.

    Example:
      >>> import numpy as np
      >>> from fxad import lax
      >>> a = np.array([[2.0, 0.0], [1.0, 1.0]])
      >>> lax.linalg.triangular_solve(a, np.array([[2.0], [3.0]]), left_side=True, lower=True)
      array([[1.],
             [2.]])
    """
    vector = len(shape_of(b)) == len(shape_of(a)) - 1
    if vector:
        b = reshape(b, (*shape_of(b), 1) if left_side else (*shape_of(b)[:-1], 1, shape_of(b)[-1]))
    a, b = matrices("triangular_solve", a, b)
    wanted = shape_of(b)[-2 if left_side else -1]
    if shape_of(a)[-2:] != (wanted, wanted) or shape_of(a)[:-2] != shape_of(b)[:-2]:
        raise error(
            ShapeError,
            "triangular_solve",
            f"got {shape_of(a)} and {shape_of(b)}, wanted (..., n, n) and "
            f"{'(..., n, k)' if left_side else '(..., k, n)'} with equal leading axes",
        )
    if conjugate_a and dtype_of(a).kind == "c":
        a = conj(a)
    if left_side:
        out = solve_triangle(a, b, lower, int(transpose_a), unit_diagonal)
    else:
        out = swap(solve_triangle(a, swap(b), lower, int(not transpose_a), unit_diagonal))
    if not vector:
        return out
    return reshape(out, shape_of(out)[:-1] if left_side else (*shape_of(a)[:-2], wanted))
