"""Random bits, against threefry written once more in Python's own integers."""

import math
from collections.abc import Iterable
from typing import Any

import numpy as np

import fxad.ops.random_bits as ops
from fxad.errors import DtypeError, ShapeError
from tests.opinfo import ErrorInput, OpInfo, SampleInput, Samples

ROTATIONS = (13, 15, 26, 6, 17, 29, 16, 24)
MASK = 2**32 - 1


def threefry(k0: int, k1: int, x0: int, x1: int) -> tuple[int, int]:
    """Salmon et al. (SC 2011), with a key injected after every fourth of the 20 rounds."""
    words = (k0, k1, k0 ^ k1 ^ 0x1BD11BDA)
    x0, x1 = (x0 + k0) & MASK, (x1 + k1) & MASK
    for i in range(20):
        left = ROTATIONS[i % 8]
        x0 = (x0 + x1) & MASK
        x1 = (x1 << left | x1 >> (32 - left)) & MASK ^ x0
        if i % 4 == 3:
            s = i // 4 + 1
            x0, x1 = (x0 + words[s % 3]) & MASK, (x1 + words[(s + 1) % 3] + s) & MASK
    return x0, x1


def _hash(*words: Any) -> list[Any]:
    hashed = np.frompyfunc(lambda *w: threefry(*map(int, w)), 4, 2)(*words)
    return [np.asarray(x).astype(np.uint32) for x in hashed]


def _counted(keys: Any, shape: Any) -> list[Any]:
    """Both words of the hash of the counters 0, 1, ... under each key, keys first."""
    count = math.prod(shape)
    k0, k1 = (keys[..., i].reshape(*keys.shape[:-1], 1) for i in range(2))
    hashed = _hash(k0, k1, np.uint32(0), np.arange(count, dtype=np.uint32))
    return [x.reshape((*keys.shape[:-1], *shape)) for x in hashed]


def _bits(keys: Any, *, bit_width: int, shape: Any) -> Any:
    x0, x1 = _counted(keys, shape)
    if bit_width == 64:
        return x0.astype(np.uint64) << np.uint64(32) | x1
    return (x0 ^ x1).astype(f"u{bit_width // 8}")


def _fold_in(keys: Any, data: Any) -> Any:
    return np.stack(_hash(keys[..., 0], keys[..., 1], np.uint32(0), data), axis=-1)


def _seed(seed: Any) -> Any:
    high = seed >> 32 if seed.dtype.itemsize == 8 else np.zeros_like(seed)
    return np.stack([high, seed], axis=-1).astype(np.uint32)


def words(rng: np.random.Generator, shape: Any) -> np.ndarray:
    return rng.integers(0, 2**32, shape, np.uint32)


def of_keys(*params: dict[str, Any]) -> Samples:
    """Keys alone and in batches, none among them, with static parameters."""

    def samples(rng: np.random.Generator, dtype: np.dtype[Any]) -> Iterable[SampleInput]:
        for batch in ((), (3,), (2, 3), (0,)):
            for kwargs in params:
                yield SampleInput((words(rng, (*batch, 2)),), kwargs)

    return samples


def of_words(*shapes: tuple[Any, ...]) -> Samples:
    def samples(rng: np.random.Generator, dtype: np.dtype[Any]) -> Iterable[SampleInput]:
        for each in shapes:
            yield SampleInput(tuple(words(rng, shape) for shape in each))

    return samples


def seeds(rng: np.random.Generator, dtype: np.dtype[Any]) -> Iterable[SampleInput]:
    info = np.iinfo(dtype)
    for shape in ((), (5,), (2, 0)):
        seed = rng.integers(info.min, info.max, shape, dtype, endpoint=True)
        yield SampleInput((np.asarray(seed),))


KEY = np.zeros(2, np.uint32)

TABLE = (
    OpInfo(
        "random_bits",
        ops.random_bits,
        _bits,
        of_keys(
            *({"bit_width": width, "shape": (5,)} for width in (8, 16, 32, 64)),
            {"bit_width": 32, "shape": ()},
            {"bit_width": 16, "shape": (2, 0)},
            {"bit_width": 64, "shape": (3, 1, 2)},
        ),
        dtypes=("uint32",),
        primitives=(ops.random_bits_p,),
        order=0,
        errors=lambda: [
            ErrorInput((KEY.astype(int), 8, ()), DtypeError, r"\[random_bits\] got int64\[2\]"),
            ErrorInput((KEY[:1], 8, ()), ShapeError, r"wanted uint32\[2\]"),
        ],
    ),
    OpInfo(
        "random_split",
        ops.random_split,
        lambda keys, *, shape: np.stack(_counted(keys, shape), axis=-1),
        of_keys({"shape": (2,)}, {"shape": ()}, {"shape": (3, 2)}, {"shape": (0,)}),
        dtypes=("uint32",),
        primitives=(ops.random_split_p,),
        order=0,
        errors=lambda: [ErrorInput((np.uint32(3), (2,)), ShapeError, r"\[random_split\] got")],
    ),
    OpInfo(
        "random_fold_in",
        ops.random_fold_in,
        _fold_in,
        of_words(((2,), ()), ((3, 2), ()), ((3, 2), (3,)), ((2, 3, 2), (3,)), ((0, 2), (0,))),
        dtypes=("uint32",),
        primitives=(ops.random_fold_in_p,),
        order=0,
        errors=lambda: [
            ErrorInput((KEY, 1.5), DtypeError, r"\[fold_in\] got float64\[\]"),
            ErrorInput((KEY, np.arange(3)), ShapeError, "broadcast"),
        ],
    ),
    OpInfo(
        "random_seed",
        ops.random_seed,
        _seed,
        seeds,
        dtypes=("int8", "int32", "int64", "uint8", "uint32", "uint64"),
        primitives=(ops.random_seed_p,),
        order=0,
        errors=lambda: [ErrorInput((1.5,), DtypeError, r"\[random_seed\] got float64\[\]")],
    ),
    OpInfo(
        "threefry2x32",
        ops.threefry2x32,
        _hash,
        of_words(
            ((), (), (), ()),
            ((3, 1), (), (1, 5), (2, 1, 1)),
            ((), (), (7,), (7,)),
            ((4,), (4,), (4,), (4,)),
            ((0,), (), (), (0,)),
        ),
        dtypes=("uint32",),
        primitives=(ops.threefry2x32_p,),
        order=0,
        errors=lambda: [
            ErrorInput((1, 2, 3, 4), DtypeError, r"\[threefry2x32\] got int64\[\], wanted uint32"),
        ],
    ),
)
