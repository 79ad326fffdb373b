"""Shuffles and samples of given values."""

from __future__ import annotations

import math
import operator
from typing import Any

import numpy as np

import fxad.numpy as fnp
from fxad.core.source import error
from fxad.errors import ArgumentTypeError, ArgumentValueError, ShapeError
from fxad.numpy.creation import shape_tuple, staging
from fxad.ops.base import convert, dtype_of, normalize_axis, placed_as, reshape, shape_of
from fxad.ops.creation import iota
from fxad.ops.elementwise import add, mul, select
from fxad.ops.identity import copy
from fxad.ops.logic import eq
from fxad.ops.random_bits import random_bits, random_split
from fxad.random.arguments import Size, float_dtype, one_key
from fxad.random.continuous import gumbel, uniform
from fxad.random.discrete import randint


def permutation(key: Any, x: Any, axis: int = 0, independent: bool = False) -> Any:
    """The elements of an array, or of ``arange(x)``, in random order.

    They are sorted by random keys, so often that equal keys do not matter.

    Args:
      key: ``uint32[2]``.
      x: an array or an integer.
      axis: the axis along which to shuffle.
      independent: shuffle each vector along the axis by itself, instead of whole slices.

    Returns:
      An array like x, differentiable in x.

    Raises:
      ArgumentTypeError: x is a single number that is no integer.

    Example:
      >>> import fxad
      >>> fxad.random.permutation(fxad.random.key(0), 6)
      array([0, 1, 5, 4, 3, 2])
    """
    one_key("permutation", key)
    shape = shape_of(x)
    axis = normalize_axis("permutation", axis, len(shape) or 1)
    if not shape:
        return _shuffle(key, _places(key, _count("permutation", x)), 0)
    if independent or len(shape) == 1:
        return _shuffle(key, x, axis)
    return fnp.take(x, _shuffle(key, _places(key, shape[axis]), 0), axis=axis)


def _places(key: Any, n: int) -> Any:
    """0, 1, ..., n - 1 where the key lives."""
    return iota(np.int64, n) if staging() else placed_as(np.arange(n), key)


def _count(operation: str, n: Any) -> int:
    if dtype_of(n).kind not in "iu":
        raise error(ArgumentTypeError, operation, f"got {n!r}, wanted an array or an integer")
    return operator.index(n)


def _shuffle(key: Any, x: Any, axis: int) -> Any:
    """Sorts by 32 random bits, in as many rounds as keep ties rare: 3 log(n) / log(2**32)."""
    shape = shape_of(x)
    size = max(1, math.prod(shape))
    for _ in range(math.ceil(3 * np.log(size) / np.log(2**32 - 1))):
        keys = random_split(key, (2,))
        key = keys[0]
        order = fnp.argsort(random_bits(keys[1], 32, shape), axis=axis, stable=True)
        x = fnp.take_along_axis(x, order, axis=axis)
    return copy(x) if size == 1 else x  # no rounds, but never the caller's own array


def choice(
    key: Any,
    a: Any,
    shape: Size = (),
    replace: bool = True,
    p: Any = None,
    axis: int = 0,
    mode: str | None = None,
) -> Any:
    """Samples of the elements of an array, or of ``arange(a)``.

    Args:
      key: ``uint32[2]``.
      a: an array or an integer.
      shape: of the samples.
      replace: whether an element can be drawn again.
      p: the probabilities, ``[a.shape[axis]]``; None is uniform. Without replacement they need as
        many that are not zero as there are samples.
      axis: the axis of the elements.
      mode: as for ``gumbel``, for samples without replacement.

    Returns:
      An array like a, with the axis replaced by the shape.

    Raises:
      ArgumentValueError: more samples without replacement than elements, or none to choose from.
      ShapeError: p is not of the length of the axis.

    Example:
      >>> import fxad, numpy as np
      >>> fxad.random.choice(fxad.random.key(0), np.array([2.0, 3.0, 5.0]), (5,))
      array([2., 5., 5., 5., 2.])
    """
    one_key("choice", key)
    shape, lengths = shape_tuple(shape), shape_of(a)
    axis = normalize_axis("choice", axis, len(lengths) or 1)
    n = lengths[axis] if lengths else _count("choice", a)
    draws = math.prod(shape)
    if n <= 0 and draws:
        raise error(ArgumentValueError, "choice", "got nothing to choose from, wanted elements")
    if not replace and draws > n:
        problem = f"got {draws} samples without replacement from {n} elements"
        raise error(ArgumentValueError, "choice", f"{problem}, wanted at most as many")
    if not draws:
        picks = placed_as(np.zeros(0, np.int64), key)
    elif p is None:
        picks = randint(key, (draws,), 0, n) if replace else permutation(key, n)[:draws]
    else:
        picks = _weighted(key, n, draws, replace, p, mode)
    if not lengths:
        return reshape(picks, shape)
    return reshape(fnp.take(a, picks, axis=axis), (*lengths[:axis], *shape, *lengths[axis + 1 :]))


def _weighted(key: Any, n: int, draws: int, replace: bool, p: Any, mode: str | None) -> Any:
    """Positions drawn with probabilities: by their sums, or by the largest of noisy logarithms."""
    if shape_of(p) != (n,):
        raise error(ShapeError, "choice", f"got p of shape {shape_of(p)}, wanted {(n,)}")
    if dtype_of(p).kind != "f":
        p = convert(p, float_dtype("choice", None))
    if replace:
        sums = fnp.cumsum(p)
        targets = mul(sums[-1], 1 - uniform(key, (draws,), dtype_of(p)))
        return fnp.searchsorted(sums, targets)
    noise = gumbel(key, (n,), dtype_of(p), mode)
    never = eq(p, 0)  # without the warning of log(0)
    logits = select(never, -np.inf, fnp.log(select(never, 1.0, p)))
    return fnp.argsort(-add(noise, logits), stable=True)[:draws]
