"""Polynomials as vectors of coefficients, the highest power first."""

from __future__ import annotations

from typing import Any

import numpy as np

import fxad.ops.eigen as eigen
import fxad.ops.elementwise as ops
from fxad.control.custom_jvp import custom_jvp
from fxad.core.source import error
from fxad.core.trace import Tracer
from fxad.errors import ArgumentValueError, ShapeError
from fxad.numpy.dispatch import implements, inexact
from fxad.numpy.linalg import eigvals, real_if_known
from fxad.numpy.nested import operand
from fxad.numpy.numerics import convolve
from fxad.numpy.ranges import vander
from fxad.ops.base import (
    broadcast_to,
    convert,
    dtype_of,
    full,
    full_beside,
    placed_as,
    reduce_sum,
    reshape,
    shape_of,
    transpose,
    zeros_like,
)
from fxad.ops.contraction import matmul
from fxad.ops.linalg import lstsq
from fxad.ops.shape import concatenate, pad, ravel, slice_in_dim, split
from fxad.ops.solve import inv


def _vector(x: Any) -> Any:
    return ravel(operand(x))


def _needs_axis(operation: str, p: Any, most: int | None = 1) -> Any:
    """An operand that is a list of coefficients, not one number."""
    p = operand(p)
    ndim = len(shape_of(p))
    if not ndim or (most is not None and ndim > most):
        raise error(ShapeError, operation, f"got {shape_of(p)}, wanted a vector")
    return p


def _coefficients(p: Any) -> list[Any]:
    """The numbers of a vector; the rows of more dimensions."""
    n, *rest = shape_of(p)
    return [reshape(c, rest) for c in split(p, (1,) * n)] if n else []


@implements(np.polyval)
def polyval(p: Any, x: Any) -> Any:
    """The values of a polynomial.

    Args:
      p: coefficients, the highest power first; more axes than one broadcast against ``x``.
      x: array, number or list of points.

    Returns:
      An array of the shape of ``x``.

    Example:
      >>> import fxad.numpy as fnp
      >>> float(fnp.polyval([1.0, 0.0, 2.0], 3.0))
      11.0
    """
    x = operand(x)
    value: Any = full(shape_of(x), 0, dtype_of(x))
    for c in _coefficients(_needs_axis("polyval", p, most=None)):
        value = ops.add(ops.mul(value, x), c)
    return value


def _joined(a1: Any, a2: Any, combine: Any) -> Any:
    a1, a2 = _vector(a1), _vector(a2)
    length = max(shape_of(a1)[0], shape_of(a2)[0])
    return combine(*(pad(a, 0, [(length - shape_of(a)[0], 0, 0)]) for a in (a1, a2)))


@implements(np.polyadd)
def polyadd(a1: Any, a2: Any) -> Any:
    """The sum of two polynomials.

    Args:
      a1: coefficients, the highest power first.
      a2: coefficients.

    Returns:
      A vector of coefficients.

    Example:
      >>> import fxad.numpy as fnp
      >>> fnp.polyadd([1, 2], [1, 1, 1]).tolist()
      [1, 2, 3]
    """
    return _joined(a1, a2, ops.add)


@implements(np.polysub)
def polysub(a1: Any, a2: Any) -> Any:
    """The difference of two polynomials.

    Args:
      a1: coefficients, the highest power first.
      a2: coefficients.

    Returns:
      A vector of coefficients.

    Example:
      >>> import fxad.numpy as fnp
      >>> fnp.polysub([1, 2], [1, 1, 1]).tolist()
      [-1, 0, 1]
    """
    return _joined(a1, a2, ops.sub)


@implements(np.polymul)
def polymul(a1: Any, a2: Any) -> Any:
    """The product of two polynomials.

    Args:
      a1: coefficients, the highest power first.
      a2: coefficients.

    Returns:
      A vector of coefficients.

    Example:
      >>> import fxad.numpy as fnp
      >>> fnp.polymul([1, 2], [1, 1]).tolist()
      [1, 3, 2]
    """
    a1, a2 = _vector(a1), _vector(a2)
    out = convolve(a1, a2)
    # Cut off afterwards: the zeros in front have derivatives for the other coefficients.
    return slice_in_dim(out, _leading_zeros(a1) + _leading_zeros(a2), shape_of(out)[0], 0)


def _leading_zeros(p: Any) -> int:
    """How many zeros are in front, but for the last coefficient, where the values are known."""
    value = p.concrete() if isinstance(p, Tracer) else p
    if value is None or not shape_of(p)[0]:
        return 0
    places = np.flatnonzero(value)
    return int(places[0]) if len(places) else shape_of(p)[0] - 1


@implements(np.polydiv)
def polydiv(u: Any, v: Any) -> Any:
    """Quotient and remainder of two polynomials.

    Args:
      u: coefficients of the dividend, the highest power first.
      v: coefficients of the divisor, the first of them not 0.

    Returns:
      The coefficients of the quotient and of the remainder, without zeros in front; where values
      are not known while tracing these stay.

    Example:
      >>> import fxad.numpy as fnp
      >>> [c.tolist() for c in fnp.polydiv([1.0, 3.0, 2.0], [1.0, 1.0])]
      [[1.0, 2.0], [0.0]]
    """
    u, v = ops.add(_vector(u), 0.0), ops.add(_vector(v), 0.0)
    n, m = shape_of(u)[0], shape_of(v)[0]
    if n < m:
        return full_beside(u, (1,), 0), u
    lead = slice_in_dim(v, 0, 1, 0)
    quotient = []
    for k in range(n - m + 1):
        factor = ops.div(slice_in_dim(u, k, k + 1, 0), lead)
        quotient.append(factor)
        u = ops.sub(u, pad(ops.mul(v, factor), 0, [(k, n - m - k, 0)]))
    rest = slice_in_dim(u, n - m + 1, n, 0) if m > 1 else full_beside(u, (1,), 0)
    return concatenate(quotient, 0), _without_noise(rest)


def _without_noise(p: Any) -> Any:
    """Without coefficients in front that are 0 but for rounding, where the values are known."""
    value = p.concrete() if isinstance(p, Tracer) else p
    length, first = shape_of(p)[0], 0
    if value is not None:
        while first < length - 1 and np.allclose(value[first], 0, rtol=1e-14):
            first += 1
    return slice_in_dim(p, first, length, 0)


@implements(np.polyder)
def polyder(p: Any, m: int = 1) -> Any:
    """The derivative of a polynomial.

    Args:
      p: coefficients, the highest power first.
      m: the order of the derivative.

    Returns:
      A vector of coefficients.

    Raises:
      ArgumentValueError: the order is negative.

    Example:
      >>> import fxad.numpy as fnp
      >>> fnp.polyder([1, 2, 3]).tolist()
      [2, 2]
    """
    if m < 0:
        raise error(ArgumentValueError, "polyder", f"got m={m}, wanted an order from 0 on")
    p = _needs_axis("polyder", p)
    for _ in range(m):
        n = shape_of(p)[0] - 1
        p = ops.mul(slice_in_dim(p, 0, max(n, 0), 0), placed_as(np.arange(n, 0, -1), p))
    return p


@implements(np.polyint)
def polyint(p: Any, m: int = 1, k: Any = None) -> Any:
    """The integral of a polynomial.

    Args:
      p: coefficients, the highest power first.
      m: how often to integrate.
      k: the constants of integration, the first one first; None is 0.

    Returns:
      A vector of coefficients.

    Raises:
      ArgumentValueError: ``m`` is negative.

    Example:
      >>> import fxad.numpy as fnp
      >>> fnp.polyint([2.0, 2.0]).tolist()
      [1.0, 2.0, 0.0]
    """
    if m < 0:
        raise error(ArgumentValueError, "polyint", f"got m={m}, wanted a count from 0 on")
    p, constants = _vector(p), _vector(0 if k is None else k)
    constants = broadcast_to(constants, (m,)) if shape_of(constants)[0] == 1 else constants
    if shape_of(constants)[0] < m:
        raise error(ShapeError, "polyint", f"got {shape_of(constants)[0]} constants for m={m}")
    for i in range(m):
        p = ops.div(p, placed_as(np.arange(shape_of(p)[0], 0, -1), p))
        constant = convert(slice_in_dim(constants, i, i + 1, 0), dtype_of(p))
        p = concatenate([p, constant], 0)
    return p


@implements(np.poly)
def poly(seq_of_zeros: Any) -> Any:
    """The coefficients of the polynomial with given zeros.

    Args:
      seq_of_zeros: a vector.

    Returns:
      A vector of coefficients, the highest power first.

    Raises:
      ShapeError: a traced matrix, whose characteristic polynomial is asked for.

    Example:
      >>> import fxad.numpy as fnp
      >>> fnp.poly([1.0, 2.0]).tolist()
      [1.0, -3.0, 2.0]
    """
    zeros = inexact(_needs_axis("poly", seq_of_zeros, most=2))
    real = dtype_of(zeros).kind == "f"
    if len(shape_of(zeros)) == 2:
        zeros = eigvals(zeros)
    if not shape_of(zeros)[0]:
        return 1.0
    out = full_beside(zeros, (1,), 1)
    for zero in _coefficients(zeros):
        out = ops.sub(pad(out, 0, [(0, 1, 0)]), ops.mul(pad(out, 0, [(1, 0, 0)]), zero))
    if dtype_of(out).kind == "c" and (real or _in_pairs(zeros)):
        return ops.real(out)
    return out


def _in_pairs(zeros: Any) -> bool:
    """Whether the zeros are known to be those of a polynomial with real coefficients."""
    known = zeros.concrete() if isinstance(zeros, Tracer) else zeros
    return known is not None and bool(np.all(np.sort(known) == np.sort(np.conj(known))))


@implements(np.roots)
def roots(p: Any) -> Any:
    """The zeros of a polynomial: the eigenvalues of its companion matrix.

    Their derivatives are those of an implicit function, -dp(z) / p'(z), of all orders. A zero that
    occurs twice has none: there they are infinite or NaN.

    Args:
      p: coefficients, the highest power first; zeros at either end are split off where values are
        known, else the first must not be 0.

    Returns:
      A complex vector, or a real one where all zeros are known to be real.

    Example:
      >>> import fxad.numpy as fnp
      >>> sorted(fnp.roots([1.0, -3.0, 2.0]).round(6).tolist())
      [1.0, 2.0]
    """
    return _roots(inexact(_needs_axis("roots", p)))


@custom_jvp
def _roots(p: Any) -> Any:
    value = p.concrete() if isinstance(p, Tracer) else p
    places = np.flatnonzero(value) if value is not None else np.arange(shape_of(p)[0])
    if not len(places):
        return full_beside(p, (0,), 0)
    first, last = int(places[0]), int(places[-1]) + 1
    split_off = full_beside(p, (shape_of(p)[0] - last,), 0)
    degree = last - first - 1
    if degree < 1:
        return split_off
    lead, rest = slice_in_dim(p, first, first + 1, 0), slice_in_dim(p, first + 1, last, 0)
    top = reshape(ops.neg(ops.div(rest, lead)), (1, degree))
    below = placed_as(np.eye(degree - 1, degree, dtype=dtype_of(p)), p)
    companion = concatenate([top, below], 0)
    (zeros,) = real_if_known(companion, eigen.eigvals(companion))
    return concatenate([zeros, split_off])


@_roots.defjvp
def _roots_jvp(primals: Any, tangents: Any) -> tuple[Any, Any]:
    (p,), (dp,) = primals, tangents
    z = _roots(p)
    value = slope = change = zeros_like(z)
    for c, dc in zip(_coefficients(p), _coefficients(dp), strict=True):
        slope = ops.add(ops.mul(slope, z), value)
        value = ops.add(ops.mul(value, z), c)
        change = ops.add(ops.mul(change, z), dc)
    return z, ops.neg(ops.div(change, slope))


@implements(np.polyfit)
def polyfit(
    x: Any, y: Any, deg: int, rcond: Any = None, full: bool = False, w: Any = None, cov: Any = False
) -> Any:
    """The polynomial that fits points best, by least squares.

    Args:
      x: a vector of points.
      y: values there: a vector, or a matrix with a column for each fit.
      deg: the degree.
      rcond: singular values up to this times the greatest count as zero.
      full: gives also the residuals, the rank, the singular values and ``rcond``.
      w: weights of the residuals.
      cov: gives also the covariance matrix; "unscaled" by the weights alone.

    Returns:
      Coefficients, the highest power first, of shape (deg + 1,) or (deg + 1, columns).

    Raises:
      ShapeError: the points are not two vectors of one length, or there are none.

    Example:
      >>> import fxad.numpy as fnp
      >>> fnp.polyfit([0.0, 1.0, 2.0], [1.0, 3.0, 5.0], 1).round(6).tolist()
      [2.0, 1.0]
    """
    x, y = inexact(operand(x)), inexact(operand(y))
    w = None if w is None else inexact(operand(w))
    count = shape_of(x)
    if (
        deg < 0
        or len(count) != 1
        or not count[0]
        or len(shape_of(y)) not in (1, 2)
        or any(shape_of(v)[0] != count[0] for v in (y, w) if v is not None)
    ):
        raise error(
            ShapeError,
            "polyfit",
            f"got x {count}, y {shape_of(y)} and deg={deg}, wanted a vector that is not empty, as "
            "many values and weights, and a degree from 0 on",
        )
    columns = vander(x, deg + 1)
    if w is not None:
        columns = ops.mul(columns, reshape(w, (*count, 1)))
        y = ops.mul(y, reshape(w, (*count, *(1,) * (len(shape_of(y)) - 1))))
    rcond = count[0] * np.finfo(dtype_of(x)).eps if rcond is None else rcond
    scale = ops.sqrt(reduce_sum(ops.mul(columns, columns), (0,)))
    columns = ops.div(columns, scale)
    fitted, rest, rank, singular = lstsq(columns, y, rcond)
    one = len(shape_of(y)) == 1
    fitted = ops.div(fitted, scale if one else reshape(scale, (deg + 1, 1)))
    if full:
        return fitted, rest, rank, singular, rcond
    return (fitted, _spread(columns, scale, rest, cov, one)) if cov else fitted


def _spread(columns: Any, scale: Any, rest: Any, cov: Any, one: bool) -> Any:
    """The covariance matrix of fitted coefficients."""
    count, order = shape_of(columns)
    base = inv(matmul(transpose(columns, (1, 0)), columns))
    base = ops.div(base, ops.mul(reshape(scale, (order, 1)), scale))
    base = base if one else reshape(base, (order, order, 1))
    if cov == "unscaled":
        return base
    if count <= order:
        raise error(
            ArgumentValueError,
            "polyfit",
            f"got {count} points for {order} coefficients, too few to scale the covariance",
            'Use cov="unscaled".',
        )
    return ops.mul(base, ops.div(rest, count - order))
