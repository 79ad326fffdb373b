"""Determinants, from the LU factors that ``solve`` uses as well."""

from __future__ import annotations

import functools
import itertools
import math
from collections.abc import Sequence
from typing import Any

from fxad.core.aval import DType, ShapedArray
from fxad.core.primitive import Primitive
from fxad.core.trace import is_linear
from fxad.ops.base import add_any, convert, dtype_of, reduce_sum, reshape, shape_of
from fxad.ops.contraction import matmul
from fxad.ops.elementwise import add, mul, neg, real, sub
from fxad.ops.matrices import cubic, matrices, matrix_primitive, real_dtype, swap
from fxad.ops.rules import nonlinear
from fxad.ops.solve import inverse_transposed, lu_factor_p


def _parity(xp: Any, pivots: Any) -> Any:
    """The sign of the row swaps."""
    swaps = xp.sum(pivots != xp.arange(pivots.shape[-1]), axis=-1)
    return 1 - 2 * (swaps % 2)


def _det_impl(xp: Any, a: Any, factors: Any, pivots: Any) -> Any:
    product = xp.prod(xp.diagonal(factors, axis1=-2, axis2=-1), axis=-1)
    return product * _parity(xp, pivots).astype(product.dtype)


def _det_jvp(primals: Sequence[Any], tangents: Sequence[Any]) -> tuple[Any, Any]:
    out = det_p.bind(*primals)
    return out, _trace_of_product(cofactors_p.bind(*primals), tangents[0])


def _trace_of_product(x: Any, y: Any) -> Any:
    """The sum of all products of elements, for each pair of matrices."""
    ndim = len(shape_of(x))
    return reduce_sum(mul(x, y), (ndim - 2, ndim - 1))


def _scalar_abstract(a: ShapedArray, *_: ShapedArray) -> ShapedArray:
    return ShapedArray(a.shape[:-2], a.dtype)


det_p: Primitive = matrix_primitive(
    "det",
    multiple_results=False,
    abstract=_scalar_abstract,
    impl=_det_impl,
    jvp=_det_jvp,
    cost=lambda avals, params: (float(avals[0].size), float(avals[0].size)),
)


def _is_nearly_singular(xp: Any, factors: Any) -> bool:
    """Whether formulas with the inverse would lose more than a quarter of the digits."""
    pivots = abs(xp.diagonal(factors, axis1=-2, axis2=-1))
    if not pivots.size:
        return False
    limit = xp.finfo(factors.dtype).eps ** 0.25
    return not xp.all(xp.min(pivots, axis=-1) > limit * xp.max(pivots, axis=-1))


def _cofactors_impl(xp: Any, a: Any, factors: Any, pivots: Any) -> Any:
    """``det(a) a^-T``; the same by singular values where matrices are, or nearly are, singular."""
    n = a.shape[-1]
    if not _is_nearly_singular(xp, factors):
        identity = xp.broadcast_to(xp.eye(n, dtype=a.dtype), a.shape)
        transposed = xp.lu_solve(factors, pivots, identity, 1)
        return transposed * _det_impl(xp, a, factors, pivots)[..., None, None]
    u, s, vh = xp.svd(a)
    others = xp.stack([xp.prod(xp.delete(s, i, -1), -1) for i in range(n)], -1)
    return _from_adjugate(xp, u, others[..., None, :] * xp.eye(n), vh, a.dtype)


def _from_adjugate(xp: Any, u: Any, inner: Any, vh: Any, dtype: DType) -> Any:
    """Cofactors of ``u s vh`` from the adjugate of the diagonal matrix ``s``."""
    scale = (xp.det(u) * xp.det(vh))[..., None, None]
    out = scale * (u.conj() @ xp.swapaxes(inner, -1, -2) @ vh.conj())
    return out.astype(dtype, copy=False)


def _cofactors_jvp(primals: Sequence[Any], tangents: Sequence[Any]) -> tuple[Any, Any]:
    return cofactors_p.bind(*primals), cofactor_change_p.bind(*primals, tangents[0])


#: The derivative of the determinant by each element, of singular matrices too.
cofactors_p: Primitive = matrix_primitive(
    "cofactors",
    multiple_results=False,
    abstract=lambda a, factors, pivots: a.strong(),
    impl=_cofactors_impl,
    jvp=_cofactors_jvp,
    cost=cubic(2.0),
)


def _change_impl(xp: Any, a: Any, factors: Any, pivots: Any, t: Any) -> Any:
    n = a.shape[-1]
    if not _is_nearly_singular(xp, factors):
        identity = xp.broadcast_to(xp.eye(n, dtype=a.dtype), a.shape)
        inverse = xp.lu_solve(factors, pivots, identity, 1)
        out = xp.sum(inverse * t, axis=(-2, -1), keepdims=True) * inverse
        out -= inverse @ xp.swapaxes(t, -1, -2) @ inverse
        return out * _det_impl(xp, a, factors, pivots)[..., None, None]
    u, s, vh = xp.svd(a)
    e = xp.swapaxes(u, -1, -2).conj() @ t @ xp.swapaxes(vh, -1, -2).conj()
    inner = xp.zeros_like(e)
    for i, j in itertools.permutations(range(n), 2):
        others = xp.prod(xp.delete(s, (i, j), -1), -1)
        inner[..., i, i] += e[..., j, j] * others
        inner[..., i, j] -= e[..., i, j] * others
    return _from_adjugate(xp, u, inner, vh, a.dtype)


def _change_jvp(primals: Sequence[Any], tangents: Sequence[Any]) -> tuple[Any, Any]:
    (a, factors, pivots, t), (ta, _, _, tt) = primals, tangents
    change = functools.partial(cofactor_change_p.bind, a, factors, pivots)
    tangent = None if tt is None else change(tt)
    if ta is not None:
        cofactors, inverse = (
            cofactors_p.bind(a, factors, pivots),
            inverse_transposed(a, (factors, pivots)),
        )
        turned = neg(matmul(matmul(inverse, swap(ta)), inverse))
        by_a = sub(
            add(
                mul(change(ta), _keep(_trace_of_product(inverse, t))),
                mul(cofactors, _keep(_trace_of_product(turned, t))),
            ),
            add(
                matmul(matmul(change(ta), swap(t)), inverse),
                matmul(matmul(cofactors, swap(t)), turned),
            ),
        )
        tangent = add_any(tangent, by_a)
    return change(t), tangent


def _keep(traces: Any) -> Any:
    return reshape(traces, (*shape_of(traces), 1, 1))


def _change_transpose(ct: Any, a: Any, factors: Any, pivots: Any, t: Any) -> list[Any]:
    """The second derivative of the determinant is symmetric."""
    if is_linear(a):
        raise nonlinear("det")
    return [None, None, None, cofactor_change_p.bind(a, factors, pivots, ct)]


#: The derivative of the cofactors along a matrix ``t``, the last operand; linear in it.
cofactor_change_p: Primitive = matrix_primitive(
    "cofactor_change",
    multiple_results=False,
    abstract=lambda a, factors, pivots, t: t.strong(),
    impl=_change_impl,
    jvp=_change_jvp,
    transpose=_change_transpose,
    cost=cubic(6.0),
)


def det(a: Any) -> Any:
    """The determinants of matrices.

    Args:
      a: ``(..., n, n)``.

    Returns:
      ``(...)``. First and second derivatives hold for singular ``a`` too; a third one there raises
      LinAlgError.

    Raises:
      ShapeError: ``a`` is not square.

    Example:
      >>> import fxad.numpy as fnp
      >>> round(float(fnp.linalg.det(fnp.array([[2.0, 1.0], [0.0, 4.0]]))), 6)
      8.0
    """
    (a,) = matrices("det", a, square=True)
    return det_p.bind(a, *lu_factor_p.bind(a))


def _slogdet_impl(xp: Any, a: Any, factors: Any, pivots: Any) -> list[Any]:
    d = xp.diagonal(factors, axis1=-2, axis2=-1)
    size = abs(d)
    zero = size == 0
    sign = xp.prod(xp.where(zero, 0, d / xp.where(zero, 1, size)), axis=-1)
    logs = xp.log(xp.where(zero, 1, size))
    logs = xp.where(zero, logs.dtype.type(-math.inf), logs)
    return [
        (sign * _parity(xp, pivots)).astype(a.dtype),
        xp.sum(logs, axis=-1, dtype=real_dtype(a.dtype)),
    ]


def _slogdet_jvp(primals: Sequence[Any], tangents: Sequence[Any]) -> tuple[Any, Any]:
    sign, logdet = slogdet_p.bind(*primals)
    a, *factors = primals
    change = _trace_of_product(inverse_transposed(a, factors), tangents[0])
    if dtype_of(a).kind != "c":
        return [sign, logdet], [None, change]
    turn = sub(change, convert(real(change), dtype_of(a)))
    return [sign, logdet], [mul(sign, turn), real(change)]


slogdet_p: Primitive = matrix_primitive(
    "slogdet",
    abstract=lambda a, factors, pivots: [
        ShapedArray(a.shape[:-2], a.dtype),
        ShapedArray(a.shape[:-2], real_dtype(a.dtype)),
    ],
    impl=_slogdet_impl,
    jvp=_slogdet_jvp,
    cost=lambda avals, params: (float(avals[0].size), float(avals[0].size)),
)


def slogdet(a: Any) -> tuple[Any, Any]:
    """Sign and logarithm of the absolute value of determinants.

    Args:
      a: ``(..., n, n)``.

    Returns:
      ``(sign, logabsdet)`` with ``det = sign * exp(logabsdet)``; ``(0, -inf)`` for singular
      matrices, where there is no derivative (asked for, it raises LinAlgError).

    Raises:
      ShapeError: ``a`` is not square.

    Example:
      >>> import fxad.numpy as fnp
      >>> sign, logabsdet = fnp.linalg.slogdet(fnp.array([[0.0, 1.0], [1.0, 0.0]]))
      >>> float(sign), float(logabsdet)
      (-1.0, 0.0)
    """
    (a,) = matrices("slogdet", a, square=True)
    sign, logdet = slogdet_p.bind(a, *lu_factor_p.bind(a))
    return sign, logdet
