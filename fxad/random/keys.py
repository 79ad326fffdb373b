"""Keys and bits: where all random numbers come from."""

from __future__ import annotations

from typing import Any

import numpy as np

from fxad.backends.registry import default_xp
from fxad.core.aval import aval_of
from fxad.core.source import error
from fxad.errors import ArgumentValueError, DtypeError, ShapeError
from fxad.ops import threefry
from fxad.ops.base import shape_of
from fxad.ops.random_bits import (
    key_shape,
    random_bits,
    random_fold_in,
    random_seed,
    random_split,
)
from fxad.random.arguments import Size, choose, one_key, sample_shape

_GENERATORS = (None, "threefry2x32")


def key(seed: Any, *, impl: str | None = None) -> Any:
    """A key for the functions of this module, from a seed.

    The bits are those of JAX with 64-bit integers enabled. (Without them JAX cuts seeds to 32 bits:
    for negative seeds and those from ``2**32`` on, ``key(np.int32(seed))`` gives the same.)

    Args:
      seed: an integer of 64 or fewer bits, a tracer too.
      impl: the generator; ``"threefry2x32"`` is the only one.

    Returns:
      ``uint32[2]``, the high and the low half of the seed. There is one kind of key: what JAX calls
      a typed key is the same array here.

    Raises:
      DtypeError, ShapeError: the seed is not one integer.
      ArgumentValueError: it has more than 64 bits, or there is no such generator.

    Example:
      >>> import fxad
      >>> fxad.random.key(42)
      array([ 0, 42], dtype=uint32)
    """
    choose("key", "impl", impl, _GENERATORS)
    if isinstance(seed, int):
        if not -(2**63) <= seed < 2**63:
            raise error(ArgumentValueError, "key", f"got {seed}, wanted -2**63 <= seed < 2**63")
        return default_xp().asarray(threefry.seed(np, np.int64(seed)))
    aval = aval_of(seed)
    if aval.shape:
        raise error(
            ShapeError,
            "key",
            f"got seeds of shape {aval.shape}, wanted one",
            "Call it for each: fxad.vmap(fxad.random.key)(seeds).",
        )
    return random_seed(seed)


def PRNGKey(seed: Any, *, impl: str | None = None) -> Any:
    """A key from a seed: another name for ``key``.

    Args:
      seed: an integer of 64 or fewer bits, a tracer too.
      impl: the generator; ``"threefry2x32"`` is the only one.

    Returns:
      ``uint32[2]``.

    Example:
      >>> import fxad
      >>> fxad.random.PRNGKey(-1)
      array([4294967295, 4294967295], dtype=uint32)
    """
    return key(seed, impl=impl)


def split(key: Any, num: int | tuple[int, ...] = 2) -> Any:
    """New keys from one; use each key once, for one sample or one split.

    Args:
      key: ``uint32[2]``.
      num: how many keys, or the shape of an array of them.

    Returns:
      ``uint32[num, 2]``, or ``uint32[*num, 2]``.

    Raises:
      ShapeError: several keys.

    Example:
      >>> import fxad
      >>> key, subkey = fxad.random.split(fxad.random.key(0))
      >>> subkey
      array([ 928981903, 3453687069], dtype=uint32)
    """
    return random_split(one_key("split", key), sample_shape("split", num))


def fold_in(key: Any, data: Any) -> Any:
    """A new key from a key and a number, such as that of a training step.

    Args:
      key: ``uint32[2]``.
      data: an integer of 32 bits, a tracer too; wider arrays are cut to their low 32 bits.

    Returns:
      ``uint32[2]``.

    Raises:
      ShapeError: several keys or numbers.
      DtypeError, ArgumentValueError: what is folded in is no integer of 32 bits.

    Example:
      >>> import fxad
      >>> fxad.random.fold_in(fxad.random.key(0), 1)
      array([ 928981903, 3453687069], dtype=uint32)
    """
    one_key("fold_in", key)
    if shape_of(data):
        raise error(
            ShapeError,
            "fold_in",
            f"got data of shape {shape_of(data)}, wanted one integer",
            "Call it for each: fxad.vmap(fxad.random.fold_in, (None, 0))(key, data).",
        )
    return random_fold_in(key, data)


def key_data(keys: Any) -> Any:
    """The words of keys: here the keys themselves.

    Args:
      keys: ``uint32[..., 2]``.

    Returns:
      ``uint32[..., 2]``.

    Raises:
      DtypeError, ShapeError: it is no array of keys.

    Example:
      >>> import fxad
      >>> fxad.random.key_data(fxad.random.key(7))
      array([0, 7], dtype=uint32)
    """
    key_shape("key_data", aval_of(keys))
    return keys


def wrap_key_data(key_bits_array: Any, *, impl: str | None = None) -> Any:
    """Keys from their words: here the words themselves.

    Args:
      key_bits_array: ``uint32[..., 2]``.
      impl: the generator; ``"threefry2x32"`` is the only one.

    Returns:
      ``uint32[..., 2]``.

    Raises:
      DtypeError, ShapeError: it is no array of keys.

    Example:
      >>> import fxad, numpy as np
      >>> fxad.random.wrap_key_data(np.array([0, 7], np.uint32))
      array([0, 7], dtype=uint32)
    """
    choose("wrap_key_data", "impl", impl, _GENERATORS)
    key_shape("wrap_key_data", aval_of(key_bits_array))
    return key_bits_array


def bits(key: Any, shape: Size = (), dtype: Any = None) -> Any:
    """Random bits, as unsigned integers.

    Threefry-2x32 of the element's number under the key (Salmon et al., SC 2011).

    Args:
      key: ``uint32[2]``.
      shape: of the result.
      dtype: an unsigned integer dtype; None is uint64.

    Returns:
      An array in which each bit is 0 or 1 with equal probability.

    Raises:
      DtypeError: another dtype.

    Example:
      >>> import fxad
      >>> fxad.random.bits(fxad.random.key(0), (2,), "uint8")
      array([167, 146], dtype=uint8)
    """
    dtype = np.dtype(np.uint64 if dtype is None else dtype)
    if dtype.kind != "u":
        raise error(DtypeError, "bits", f"got dtype {dtype}, wanted an unsigned integer dtype")
    return random_bits(one_key("bits", key), 8 * dtype.itemsize, sample_shape("bits", shape))
