"""kernels/threefry.cu, run by the emulator: the bits of the array code, and JAX's."""

import numpy as np
import pytest

from fxad.ops import threefry
from tests import emulator

pytestmark = pytest.mark.skipif(not emulator.available(), reason="the emulator needs g++")

NAMES = ["random_bits_8", "random_bits_16", "random_bits_32", "random_bits_64", "random_split"]
BLOCK = 256


@pytest.fixture(scope="module", params=[False, True], ids=["plain", "sanitized"])
def compiled(request):
    return emulator.kernels("threefry", [*NAMES, "threefry"], sanitize=request.param)


def key_of(seed):
    return threefry.seed(np, np.int64(seed))


def blocks(size):
    return (-(-size // BLOCK),)


def launch_bits(kernel, keys, bit_width, shape, seed=0):
    count = int(np.prod(shape))
    size = count * (keys.size // 2)
    out = np.zeros((*keys.shape[:-1], *shape), f"u{bit_width // 8}")
    kernel.launch(blocks(size), (BLOCK,), [keys, count, size, out], seed=seed)
    return out


@pytest.mark.parametrize("batch", [(), (1,), (5,), (2, 3)], ids=str)
@pytest.mark.parametrize("shape", [(), (1,), (7,), (33, 5), (300,)], ids=str)
@pytest.mark.parametrize("bit_width", [8, 16, 32, 64])
def test_random_bits_are_those_of_the_array_code(compiled, bit_width, shape, batch):
    keys = threefry.split(np, key_of(17), shape=batch)
    out = launch_bits(compiled[f"random_bits_{bit_width}"], keys, bit_width, shape)
    assert np.array_equal(out, threefry.random_bits(np, keys, bit_width=bit_width, shape=shape))


@pytest.mark.parametrize("bit_width", [8, 16, 32, 64])
def test_random_bits_are_those_of_jax(compiled, bit_width):
    jax = pytest.importorskip("jax", reason="JAX is the oracle of this test")
    with jax.enable_x64(True):
        expected = jax.random.bits(jax.random.PRNGKey(99), (13, 21), f"uint{bit_width}")
    out = launch_bits(compiled[f"random_bits_{bit_width}"], key_of(99), bit_width, (13, 21))
    assert np.array_equal(out, np.asarray(expected))


@pytest.mark.parametrize("batch", [(), (4,)], ids=str)
@pytest.mark.parametrize("shape", [(), (2,), (100,)], ids=str)
def test_split_is_that_of_the_array_code(compiled, shape, batch):
    keys = threefry.split(np, key_of(-3), shape=batch)
    expected = threefry.split(np, keys, shape=shape)
    out = np.zeros_like(expected)
    size = out.size // 2
    count = int(np.prod(shape))
    compiled["random_split"].launch(blocks(size), (BLOCK,), [keys, count, size, out])
    assert np.array_equal(out, expected)


@pytest.mark.parametrize("strides", [(0, 0, 1, 1), (1, 1, 0, 0), (1, 1, 1, 1), (0, 1, 0, 1)])
def test_the_hash_is_that_of_the_array_code(compiled, strides, rng):
    n = 700
    words = [rng.integers(0, 2**32, n if stride else 1, np.uint32) for stride in strides]
    y0, y1 = np.zeros(n, np.uint32), np.zeros(n, np.uint32)
    compiled["threefry"].launch(blocks(n), (BLOCK,), [*words, *strides, n, y0, y1])
    expected = threefry.threefry2x32(np, *words)
    assert np.array_equal(y0, expected[0])
    assert np.array_equal(y1, expected[1])


def test_counts_beyond_32_bits_take_the_long_division(compiled):
    keys, out = threefry.split(np, key_of(1), shape=(2,)), np.zeros(5, np.uint64)
    compiled["random_bits_64"].launch((1,), (BLOCK,), [keys, 2**33, out.size, out])
    assert np.array_equal(out, threefry.random_bits(np, keys[0], bit_width=64, shape=(5,)))


COUNTERS = """
#include "device/threefry.cuh"
extern "C" __global__ void hash_from(uint2 key, uint64 first, uint2* out) {
    out[threadIdx.x] = hash_counter(key, first + threadIdx.x);
}
"""


def test_the_high_word_counts_beyond_32_bits():
    first, n = 2**32 - 5, 64
    out = np.zeros((n, 2), np.uint32)
    kernel = emulator.Kernel(COUNTERS, "hash_from")
    kernel.launch((1,), (n,), [key_of(2**40 + 3), first, out])
    counters = first + np.arange(n, dtype=np.uint64)
    expected = threefry.threefry2x32(
        np,
        *key_of(2**40 + 3),
        (counters >> np.uint64(32)).astype(np.uint32),
        counters.astype(np.uint32),
    )
    assert np.array_equal(out, np.stack(expected, axis=1))
