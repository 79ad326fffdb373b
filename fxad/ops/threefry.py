"""Threefry-2x32 with 20 rounds, as array code for NumPy and CuPy: the bits of every random number.

Salmon, Moraes, Dror, Shaw: Parallel Random Numbers: As Easy as 1, 2, 3 (SC 2011). Element ``i`` of
a random array is the hash of the 64-bit counter ``i``, so that any part of an array can be made on
its own: the layout that JAX calls partitionable, bit for bit.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import Any

import numpy as np

PARITY = np.uint32(0x1BD11BDA)
#: Distances to the left and, for the bits that come round, to the right; odd groups use the second.
ROTATIONS = tuple(
    tuple((np.uint32(left), np.uint32(32 - left)) for left in group)
    for group in ((13, 15, 26, 6), (17, 29, 16, 24))
)

#: Words of one block: three buffers of it stay in the cache. A power of two, so that no block
#: straddles a multiple of 2**32 and the high word of the counter is one number in each.
NUMPY_BLOCK = 1 << 15
#: On a GPU a block is a kernel launch: as large as the memory for its buffers allows.
CUPY_BLOCK = 1 << 24


def seed(xp: Any, number: Any) -> Any:
    """The key words ``uint32[..., 2]`` of an integer array: its high and low 32 bits.

    Seeds of fewer than 64 bits have a high word of zero, also when they are negative.
    """
    number = xp.asarray(number)
    wide = number.astype(np.uint64)
    words = xp.empty((*number.shape, 2), np.uint32)
    words[..., 0] = wide >> np.uint64(32) if number.dtype.itemsize == 8 else 0
    words[..., 1] = wide & np.uint64(0xFFFFFFFF)
    return words


def threefry2x32(xp: Any, k0: Any, k1: Any, x0: Any, x1: Any) -> tuple[Any, Any]:
    """The two words of the hash of counters ``(x0, x1)`` under keys ``(k0, k1)``, broadcast."""
    k0, k1, x0, x1 = (xp.asarray(word, np.uint32) for word in (k0, k1, x0, x1))
    shape = np.broadcast_shapes(k0.shape, k1.shape, x0.shape, x1.shape)
    y0, y1 = (xp.array(xp.broadcast_to(x, shape), order="C") for x in (x0, x1))
    flat0, flat1 = y0.reshape(-1), y1.reshape(-1)
    one_key = k0.size == k1.size == 1
    if not one_key:
        k0, k1 = (xp.broadcast_to(k, shape) for k in (k0, k1))
    k0, k1 = k0.reshape(-1), k1.reshape(-1)
    width = _block_size(y0)
    scratch = xp.empty(min(y0.size, width), np.uint32)
    for start in range(0, y0.size, width):
        block = slice(start, min(start + width, y0.size))
        key = (k0, k1) if one_key else (k0[block], k1[block])
        _rounds(xp, *key, flat0[block], flat1[block], scratch[: block.stop - start])
    return y0, y1


def random_bits(xp: Any, keys: Any, *, bit_width: int, shape: tuple[int, ...]) -> Any:
    """Unsigned integers ``[*batch, *shape]`` of 8, 16, 32 or 64 bits for keys ``[*batch, 2]``."""
    rows, count = keys.reshape(-1, 2), math.prod(shape)
    out = xp.empty((len(rows), count), np.dtype(f"u{bit_width // 8}"))
    for block, x0, x1 in _hashed_counters(xp, rows, count):
        if bit_width == 64:
            wide = x0.astype(np.uint64)
            wide <<= np.uint64(32)
            xp.bitwise_or(wide, x1, out=out[block])
        else:
            x0 ^= x1
            out[block] = x0  # the low bits where the width is smaller
    return out.reshape((*keys.shape[:-1], *shape))


def split(xp: Any, keys: Any, *, shape: tuple[int, ...]) -> Any:
    """New keys ``[*batch, *shape, 2]`` for keys ``[*batch, 2]``."""
    rows, count = keys.reshape(-1, 2), math.prod(shape)
    out = xp.empty((len(rows), count, 2), np.uint32)
    for block, x0, x1 in _hashed_counters(xp, rows, count):
        out[(*block, 0)], out[(*block, 1)] = x0, x1
    return out.reshape((*keys.shape[:-1], *shape, 2))


def fold_in(xp: Any, keys: Any, data: Any) -> Any:
    """The keys ``[..., 2]`` that keys ``[..., 2]`` and ``uint32[...]`` data make, broadcast."""
    return xp.stack(threefry2x32(xp, keys[..., 0], keys[..., 1], np.uint32(0), data), axis=-1)


def _block_size(x: Any) -> int:
    return NUMPY_BLOCK if isinstance(x, np.ndarray) else CUPY_BLOCK


def _hashed_counters(
    xp: Any, rows: Any, count: int, first: int = 0
) -> Iterator[tuple[tuple[slice, slice], Any, Any]]:
    """Hashes `count` counters from `first` on for each key, by blocks, in buffers used again."""
    if not count or not len(rows):
        return
    width = min(count, _block_size(rows))
    height = min(len(rows), _block_size(rows) // width)
    buffers = xp.empty((3, height, width), np.uint32)
    low = xp.arange(width, dtype=np.uint32)
    for top in range(0, len(rows), height):
        keys = rows[top : top + height]
        k0, k1 = keys[:, :1], keys[:, 1:]
        if height > 1:  # whole operands: one long loop instead of one for every key
            k0, k1 = (xp.array(xp.broadcast_to(k, (len(keys), width))) for k in (k0, k1))
        for left in range(0, count, width):
            right = min(left + width, count)
            x0, x1, scratch = buffers[:, : len(keys), : right - left]
            x0.fill((first + left) >> 32)
            xp.add(low[: right - left], np.uint32((first + left) & 0xFFFFFFFF), out=x1)
            _rounds(xp, k0, k1, x0, x1, scratch)
            yield (slice(top, top + len(keys)), slice(left, right)), x0, x1


def _rounds(xp: Any, k0: Any, k1: Any, x0: Any, x1: Any, scratch: Any) -> None:
    """Hashes ``(x0, x1)`` in place; keys are arrays, whose sums wrap around silently."""
    words = (k0, k1, k0 ^ k1 ^ PARITY)
    x0 += words[0]
    x1 += words[1]
    for group in range(5):
        for left, right in ROTATIONS[group % 2]:
            x0 += x1
            xp.right_shift(x1, right, out=scratch)
            x1 <<= left
            x1 |= scratch
            x1 ^= x0
        x0 += words[(group + 1) % 3]
        x1 += words[(group + 2) % 3] + np.uint32(group + 1)
