"""Random bits from keys: counter-based, so that equal keys give equal bits on every backend.

A key is ``uint32[..., 2]``; leading axes are batches of keys. All outputs are integers: nothing
here has a derivative. On a GPU ``kernels/threefry.cu`` computes what the array code does elsewhere.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np

from fxad.backends import kernels
from fxad.core.aval import Shape, ShapedArray, aval_of, broadcast_shapes
from fxad.core.primitive import Primitive, Rule
from fxad.core.source import error
from fxad.errors import ArgumentValueError, DtypeError, ShapeError
from fxad.ops import threefry
from fxad.ops.base import batch_alike, broadcast_to, convert
from fxad.ops.rules import align_batch

_WORD = np.dtype(np.uint32)
_THREADS = 256
#: Integer operations of one hash.
_HASH = 75.0


def key_shape(operation: str, keys: ShapedArray) -> Shape:
    """The shape of a batch of keys, without the axis of their two words."""
    if keys.dtype != _WORD or not keys.shape or keys.shape[-1] != 2:
        raise error(
            DtypeError if keys.dtype != _WORD else ShapeError,
            operation,
            f"got {keys.long_name()} as a key, wanted uint32[2]",
            "Make one with fxad.random.key(seed), more of them with fxad.random.split(key).",
        )
    return keys.shape[:-1]


def _integers(operation: str, x: ShapedArray, wanted: str) -> None:
    if x.dtype.kind not in "biu":
        raise error(DtypeError, operation, f"got {x.long_name()}, wanted {wanted}")


def _random(name: str, abstract: Rule, impl: Rule, launch: Rule | None = None) -> Primitive:
    """A primitive whose operands' leading axes are all batches."""

    def batch(
        size: int, args: Sequence[Any], dims: Sequence[Any], **params: Any
    ) -> tuple[Any, int]:
        return batch_alike(lambda *xs: primitive.bind(*xs, **params), size, args, dims)

    def cost(avals: Sequence[ShapedArray], params: dict[str, Any]) -> tuple[float, float]:
        out = abstract(*avals, **params)
        moved = sum(a.size * a.dtype.itemsize for a in (*avals, out))
        return _HASH * out.size, float(moved)

    primitive = Primitive(
        name,
        abstract=abstract,
        impl=kernels.accelerated(name, impl),
        jvp=None,
        batch=batch,
        cost=cost,
    )
    if launch is not None:
        kernels.register(name, "threefry", lambda avals, params: True, launch)
    return primitive


def _launch_counters(function: str, xp: Any, keys: Any, shape: Shape, out: Any) -> Any:
    """Hashes counters 0, 1, ... of `shape` under each key into `out`."""
    count = math.prod(shape)
    size = count * (keys.size // 2)
    args = (xp.ascontiguousarray(keys), np.uint64(count), np.uint64(size), out)
    kernels.launch("threefry", function, kernels.blocks(size, _THREADS), (_THREADS,), args)
    return out


# Keys ------------------------------------------------------------------------------------------


def _seed_abstract(seed: ShapedArray) -> ShapedArray:
    return ShapedArray((*seed.shape, 2), _WORD)


random_seed_p = _random("random_seed", _seed_abstract, threefry.seed)


def random_seed(seed: Any) -> Any:
    """The keys ``uint32[..., 2]`` of integers: their high and low 32 bits."""
    _integers("random_seed", aval_of(seed), "an integer")
    return random_seed_p.bind(seed)


def _split_abstract(keys: ShapedArray, *, shape: Shape) -> ShapedArray:
    return ShapedArray((*key_shape("random_split", keys), *shape, 2), _WORD)


def _launch_split(xp: Any, keys: Any, *, shape: Shape) -> Any:
    out = xp.empty((*keys.shape[:-1], *shape, 2), _WORD)
    return _launch_counters("random_split", xp, keys, shape, out)


random_split_p = _random("random_split", _split_abstract, threefry.split, _launch_split)


def random_split(keys: Any, shape: Sequence[int]) -> Any:
    """New keys ``[*batch, *shape, 2]`` for keys ``[*batch, 2]``."""
    key_shape("random_split", aval_of(keys))
    return random_split_p.bind(keys, shape=tuple(shape))


def _fold_in_abstract(keys: ShapedArray, data: ShapedArray) -> ShapedArray:
    if key_shape("random_fold_in", keys) != data.shape or data.dtype != _WORD:
        wanted = ShapedArray(keys.shape[:-1], _WORD).long_name()
        problem = f"got {data.long_name()} to fold into {keys.long_name()}, wanted {wanted}"
        raise error(ShapeError, "random_fold_in", problem)
    return keys


def _launch_fold_in(xp: Any, keys: Any, data: Any) -> Any:
    return xp.stack(_launch_hash(xp, keys[..., 0], keys[..., 1], _WORD.type(0), data), axis=-1)


random_fold_in_p = _random("random_fold_in", _fold_in_abstract, threefry.fold_in, _launch_fold_in)


def random_fold_in(keys: Any, data: Any) -> Any:
    """The keys that keys ``[*batch, 2]`` and integers, broadcast to the batch, make."""
    _integers("fold_in", aval_of(data), "an integer to fold in")
    if type(data) is int and not 0 <= data < 2**32:
        raise error(ArgumentValueError, "fold_in", f"got {data}, wanted 0 <= data < 2**32")
    batch = key_shape("fold_in", aval_of(keys))
    return random_fold_in_p.bind(keys, broadcast_to(convert(data, _WORD), batch))


# Bits ------------------------------------------------------------------------------------------


def _bits_abstract(keys: ShapedArray, *, bit_width: int, shape: Shape) -> ShapedArray:
    return ShapedArray((*key_shape("random_bits", keys), *shape), np.dtype(f"u{bit_width // 8}"))


def _launch_bits(xp: Any, keys: Any, *, bit_width: int, shape: Shape) -> Any:
    out = xp.empty((*keys.shape[:-1], *shape), np.dtype(f"u{bit_width // 8}"))
    return _launch_counters(f"random_bits_{bit_width}", xp, keys, shape, out)


random_bits_p = _random("random_bits", _bits_abstract, threefry.random_bits, _launch_bits)


def random_bits(keys: Any, bit_width: int, shape: Sequence[int]) -> Any:
    """Unsigned integers ``[*batch, *shape]`` of 8, 16, 32 or 64 bits for keys ``[*batch, 2]``."""
    key_shape("random_bits", aval_of(keys))
    return random_bits_p.bind(keys, bit_width=bit_width, shape=tuple(shape))


# The hash itself -------------------------------------------------------------------------------


def _hash_abstract(*words: ShapedArray) -> list[ShapedArray]:
    for word in words:
        if word.dtype != _WORD:
            raise error(DtypeError, "threefry2x32", f"got {word.long_name()}, wanted uint32")
    return [ShapedArray(broadcast_shapes("threefry2x32", [w.shape for w in words]), _WORD)] * 2


def _launch_hash(xp: Any, *words: Any) -> tuple[Any, Any]:
    words = tuple(xp.asarray(word, _WORD) for word in words)
    shape = np.broadcast_shapes(*(word.shape for word in words))
    y0, y1 = xp.empty(shape, _WORD), xp.empty(shape, _WORD)
    strides = [np.uint64(word.size != 1) for word in words]
    whole = [
        xp.broadcast_to(w, shape) if stride else w for w, stride in zip(words, strides, strict=True)
    ]
    args = (*map(xp.ascontiguousarray, whole), *strides, np.uint64(y0.size), y0, y1)
    kernels.launch("threefry", "threefry", kernels.blocks(y0.size, _THREADS), (_THREADS,), args)
    return y0, y1


def _hash_batch(
    size: int, args: Sequence[Any], dims: Sequence[int | None]
) -> tuple[list[Any], list[int]]:
    args, dim = align_batch(args, dims)
    return threefry2x32_p.bind(*args), [dim, dim]


threefry2x32_p = Primitive(
    "threefry2x32",
    abstract=_hash_abstract,
    impl=kernels.accelerated("threefry2x32", lambda xp, *w: list(threefry.threefry2x32(xp, *w))),
    jvp=None,
    batch=_hash_batch,
    cost=lambda avals, params: (
        _HASH * _hash_abstract(*avals)[0].size,
        4.0 * (sum(a.size for a in avals) + 2 * _hash_abstract(*avals)[0].size),
    ),
    multiple_results=True,
)
kernels.register(
    "threefry2x32",
    "threefry",
    lambda avals, params: True,
    lambda xp, *w: list(_launch_hash(xp, *w)),
)


def threefry2x32(k0: Any, k1: Any, x0: Any, x1: Any) -> tuple[Any, Any]:
    """The two words of the hash of counters ``(x0, x1)`` under keys ``(k0, k1)``, broadcast."""
    _hash_abstract(*map(aval_of, (k0, k1, x0, x1)))
    y0, y1 = threefry2x32_p.bind(k0, k1, x0, x1)
    return y0, y1
