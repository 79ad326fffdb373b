"""Samples of discrete distributions."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

import fxad.config as config
import fxad.numpy as fnp
from fxad.core.aval import PYTHON_SCALARS, DType, Shape
from fxad.core.source import error
from fxad.errors import ArgumentValueError, DtypeError
from fxad.ops.base import convert, dtype_of, normalize_axis, reshape, shape_of
from fxad.ops.elementwise import add, div, mul, remainder, select, sub
from fxad.ops.logic import eq, gt, le, lt
from fxad.ops.random_bits import random_bits, random_split
from fxad.random.arguments import Size, choose, integer_dtype, one_key, sample_shape
from fxad.random.continuous import gumbel, uniform


def _probability(operation: str, p: Any) -> tuple[Any, DType]:
    """A probability and the dtype in which to sample for it."""
    dtype = config.default_float if type(p) in PYTHON_SCALARS else dtype_of(p)
    if dtype_of(p).kind != "f":
        wanted = "a floating-point probability"
        raise error(DtypeError, operation, f"got p of dtype {dtype_of(p)}, wanted {wanted}")
    return convert(p, dtype), dtype


def bernoulli(key: Any, p: Any = 0.5, shape: Size | None = None, mode: str = "low") -> Any:
    """Samples that are True with a probability.

    Args:
      key: ``uint32[2]``.
      p: the probability, broadcast to the shape.
      shape: of the result; None is that of p.
      mode: ``"low"``, or ``"high"``: from twice as many bits, for small p (below 1e-7 in float32).

    Returns:
      An array of booleans.

    Raises:
      DtypeError: p is an integer.
      ShapeError: p does not broadcast to the shape.

    Example:
      >>> import fxad
      >>> fxad.random.bernoulli(fxad.random.key(0), 0.5, (4,))
      array([ True,  True, False, False])
    """
    one_key("bernoulli", key)
    choose("bernoulli", "mode", mode, ("high", "low"))
    shape = sample_shape("bernoulli", shape, p)
    p, dtype = _probability("bernoulli", p)
    if mode == "low":
        return lt(uniform(key, shape, dtype), p)
    high, low = uniform(key, (2, *shape), dtype)
    return lt(low * 2.0 ** -np.finfo(dtype).nmant, sub(p, high))


def rademacher(key: Any, shape: Size = (), dtype: Any = None) -> Any:
    """Samples that are 1 or -1 with equal probability.

    Args:
      key: ``uint32[2]``.
      shape: of the result.
      dtype: a signed dtype; None is int64.

    Returns:
      An array of the shape and dtype.

    Raises:
      DtypeError: the dtype has no negative numbers.

    Example:
      >>> import fxad
      >>> fxad.random.rademacher(fxad.random.key(0), (4,))
      array([ 1,  1, -1, -1])
    """
    dtype = np.dtype(np.int64 if dtype is None else dtype)
    if dtype.kind not in "ifc":
        raise error(
            DtypeError, "rademacher", f"got dtype {dtype}, wanted one with negative numbers"
        )
    one_key("rademacher", key)
    return 2 * convert(bernoulli(key, 0.5, shape), dtype) - 1


def randint(key: Any, shape: Size, minval: Any, maxval: Any, dtype: Any = None) -> Any:
    """Samples uniform among the integers of ``[minval, maxval)``.

    From two words for each sample, modulo the number of integers. The bias is below 2**-47 up to
    2**16 integers (2**32 in 64 bits) and grows beyond.

    Args:
      key: ``uint32[2]``.
      shape: of the result.
      minval: the smallest integer, broadcast to the shape.
      maxval: the bound above, broadcast to the shape. Where it is not above minval, the sample is
        minval. The number after the largest of the dtype stands for all of them.
      dtype: an integer dtype; None is int64.

    Returns:
      An array of the shape and dtype.

    Raises:
      DtypeError: bounds that are no integers, or another dtype.
      ShapeError: the bounds do not broadcast to the shape.

    Example:
      >>> import fxad
      >>> fxad.random.randint(fxad.random.key(0), (6,), 1, 7)
      array([4, 6, 6, 6, 4, 2])
    """
    one_key("randint", key)
    dtype = integer_dtype("randint", dtype)
    for bound in (minval, maxval):
        if dtype_of(bound).kind not in "biu":
            raise error(DtypeError, "randint", f"got a bound of {dtype_of(bound)}, wanted integers")
    shape = sample_shape("randint", shape, minval, maxval)
    # 8 and 16 bits are drawn as 32, against the bias
    wide = np.dtype(np.int32) if dtype.itemsize < 4 else dtype
    return convert(_randint(key, shape, minval, maxval, wide, np.iinfo(dtype)), dtype)


def _randint(
    key: Any, shape: Shape, minval: Any, maxval: Any, dtype: DType, limits: np.iinfo[Any]
) -> Any:
    """As JAX does it: a number of twice the bits modulo the span, in arithmetic that wraps."""
    drawn = shape or (1,)  # arrays wrap silently, where NumPy's scalars warn
    width, unsigned = 8 * dtype.itemsize, np.dtype(f"u{dtype.itemsize}")
    most = min(limits.max + 1, int(np.iinfo(dtype).max))
    low = _aligned(convert(_clipped(minval, limits.min, limits.max), dtype), len(drawn))
    high = _aligned(convert(_clipped(maxval, limits.min, most), dtype), len(drawn))
    span = sub(convert(high, unsigned), convert(low, unsigned))
    if most == limits.max:  # the bound above all numbers is one more than the dtype holds
        span = add(span, convert(_aligned(_exceeds(maxval, most), len(drawn)), unsigned))
    span = select(le(high, low), fnp.ones_like(span), span)
    whole = eq(span, 0)  # the span of all numbers wraps to zero: every word is one of them
    span = select(whole, fnp.ones_like(span), span)
    half = remainder(fnp.full_like(span, 2 ** (width // 2)), span)
    keys = random_split(key, (2,))
    higher, lower = (random_bits(keys[i], width, drawn) for i in range(2))
    scaled = mul(remainder(higher, span), remainder(mul(half, half), span))
    offset = remainder(add(scaled, remainder(lower, span)), span)
    offset = select(whole, lower, offset)
    return reshape(add(low, convert(offset, dtype)), shape)


def _aligned(x: Any, ndim: int) -> Any:
    """With axes of length one in front, up to a number of dimensions."""
    shape = shape_of(x)
    return reshape(x, (*(1,) * (ndim - len(shape)), *shape))


def _clipped(x: Any, low: int, high: int) -> Any:
    """Integers within bounds that their own dtype may not hold."""
    if isinstance(x, int):
        return min(max(x, low), high)
    x = convert(x, np.int64) if dtype_of(x).kind == "b" else x
    info = np.iinfo(dtype_of(x))
    return fnp.clip(x, max(low, int(info.min)), min(high, int(info.max)))


def _exceeds(x: Any, limit: int) -> Any:
    """Whether integers are above a limit that their own dtype may not hold."""
    if isinstance(x, int):
        return x > limit
    kind = dtype_of(x)
    return False if kind.kind == "b" or np.iinfo(kind).max <= limit else gt(x, limit)


def geometric(key: Any, p: Any, shape: Size | None = None, dtype: Any = None) -> Any:
    """Samples of the number of trials up to the first success.

    Args:
      key: ``uint32[2]``.
      p: the probability of success, broadcast to the shape.
      shape: of the result; None is that of p.
      dtype: an integer dtype; None is int64.

    Returns:
      An array of integers >= 1.

    Raises:
      DtypeError: p is an integer, or another dtype.
      ShapeError: p does not broadcast to the shape.

    Example:
      >>> import fxad
      >>> fxad.random.geometric(fxad.random.key(0), 0.25, (4,))
      array([4, 6, 1, 2])
    """
    one_key("geometric", key)
    dtype = integer_dtype("geometric", dtype)
    shape = sample_shape("geometric", shape, p)
    p, kind = _probability("geometric", p)
    u = uniform(key, shape, kind)
    trials = div(fnp.log(fnp.where(u == 0, 1, u)), fnp.log1p(-p))
    return convert(fnp.floor(trials) + 1, dtype)


def categorical(
    key: Any,
    logits: Any,
    axis: int = -1,
    shape: Size | None = None,
    replace: bool = True,
    mode: str | None = None,
) -> Any:
    """Samples of categories, given the logarithms of their unnormalised probabilities.

    The largest of the logits plus Gumbel noise; without replacement the largest ones (Kool, van
    Hoof, Welling: Stochastic Beams and Where to Find Them, ICML 2019).

    Args:
      key: ``uint32[2]``.
      logits: floating-point numbers.
      axis: the axis of the categories.
      shape: of the result: that of the logits without the axis, or what it broadcasts to.
      replace: False: the samples along the leading axes of the shape are distinct.
      mode: as for ``gumbel``.

    Returns:
      An array of int64 positions along the axis.

    Raises:
      DtypeError: integer logits.
      ShapeError: the logits do not broadcast to the shape.
      ArgumentValueError: more samples without replacement than categories.

    Example:
      >>> import fxad, numpy as np
      >>> fxad.random.categorical(fxad.random.key(0), np.log([0.1, 0.2, 0.7]), shape=(6,))
      array([2, 2, 2, 1, 1, 2])
    """
    one_key("categorical", key)
    if dtype_of(logits).kind != "f":
        got = f"got logits of {dtype_of(logits)}"
        raise error(DtypeError, "categorical", f"{got}, wanted floating-point numbers")
    lengths = shape_of(logits)
    axis = normalize_axis("categorical", axis, len(lengths))
    batch = (*lengths[:axis], *lengths[axis + 1 :])
    empty = np.broadcast_to(np.empty(()), batch)
    shape = sample_shape("categorical", batch if shape is None else shape, empty)
    prefix = shape[: len(shape) - len(batch)]
    if not replace:
        return _without_replacement(key, logits, axis, prefix, shape, mode)
    noisy = [*shape[len(prefix) :]]
    noisy.insert(axis, lengths[axis])
    noise = gumbel(key, (*prefix, *noisy), dtype_of(logits), mode)
    return fnp.argmax(add(noise, logits), axis=axis + len(prefix))


def _without_replacement(
    key: Any, logits: Any, axis: int, prefix: Shape, shape: Shape, mode: str | None
) -> Any:
    count, categories = math.prod(prefix), shape_of(logits)[axis]
    if count > categories:
        problem = f"got {count} samples without replacement from {categories} categories"
        raise error(ArgumentValueError, "categorical", f"{problem}, wanted at most as many")
    noisy = add(gumbel(key, shape_of(logits), dtype_of(logits), mode), logits)
    order = fnp.argsort(-fnp.moveaxis(noisy, axis, 0), axis=0, stable=True)
    return reshape(order[:count], shape)
