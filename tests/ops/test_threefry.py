"""Threefry as array code: published test vectors, JAX bit for bit, layout and speed laws."""

import warnings

import numpy as np
import pytest

from fxad.ops import threefry

SEEDS = [0, 1, 42, 2**31 - 1, 2**31, 2**32 - 1, 2**32, 2**32 + 5, 2**63 - 1, -1, -(2**31), -(2**63)]
SHAPES = [(), (0,), (1,), (2,), (7,), (33, 5), (2, 0, 3), (1001,), (threefry.NUMPY_BLOCK + 3,)]


@pytest.fixture
def jax():
    return pytest.importorskip("jax", reason="JAX is the oracle of this test")


def key_of(seed):
    return threefry.seed(np, np.int64(seed))


@pytest.mark.parametrize(
    ("key", "counter", "expected"),
    [  # the known answers published with Random123, the authors' own library
        ((0, 0), (0, 0), (0x6B200159, 0x99BA4EFE)),
        ((2**32 - 1, 2**32 - 1), (2**32 - 1, 2**32 - 1), (0x1CB996FC, 0xBB002BE7)),
        ((0x13198A2E, 0x03707344), (0x243F6A88, 0x85A308D3), (0xC4923A9C, 0x483DF7A0)),
    ],
)
def test_known_answers(key, counter, expected):
    words = [np.uint32(word) for word in (*key, *counter)]
    with warnings.catch_warnings(action="error"):
        out = threefry.threefry2x32(np, *words)
    assert tuple(int(word) for word in out) == expected
    assert all(word.dtype == np.uint32 and word.shape == () for word in out)


def test_operands_broadcast_and_stay_unchanged():
    rng = np.random.default_rng(0)
    operands = [
        rng.integers(0, 2**32, shape, dtype=np.uint32) for shape in [(3, 1), (), (1, 5), (2, 1, 1)]
    ]
    before = [x.copy() for x in operands]
    y0, y1 = threefry.threefry2x32(np, *operands)
    assert y0.shape == y1.shape == (2, 3, 5)
    for index in np.ndindex(y0.shape):
        scalars = (np.broadcast_to(x, y0.shape)[index] for x in operands)
        assert [y0[index], y1[index]] == list(threefry.threefry2x32(np, *scalars))
    assert all(np.array_equal(x, b) for x, b in zip(operands, before, strict=True))


@pytest.mark.parametrize("blocked_keys", [False, True])
def test_blocks_do_not_show(blocked_keys):
    n = 2 * threefry.NUMPY_BLOCK + 17
    counters = np.arange(n, dtype=np.uint32)
    keys = np.full(n, 9, np.uint32) if blocked_keys else np.uint32(9)
    y0, y1 = threefry.threefry2x32(np, keys, np.uint32(4), np.uint32(0), counters)
    part = slice(threefry.NUMPY_BLOCK - 5, threefry.NUMPY_BLOCK + 5)
    z0, z1 = threefry.threefry2x32(np, np.uint32(9), np.uint32(4), np.uint32(0), counters[part])
    assert np.array_equal(y0[part], z0)
    assert np.array_equal(y1[part], z1)


@pytest.mark.parametrize("seed", SEEDS)
def test_seed_is_the_two_words_of_64_bits(seed):
    words = key_of(seed)
    assert words.dtype == np.uint32
    assert (int(words[0]) << 32 | int(words[1])) == seed % 2**64


@pytest.mark.parametrize("dtype", ["bool", "int8", "uint8", "int16", "int32", "uint32"])
def test_narrow_seeds_have_a_high_word_of_zero(dtype):
    number = np.array([0, 1, -1]).astype(dtype)
    expected = number.astype(np.int64) % 2**32
    assert np.array_equal(threefry.seed(np, number)[:, 0], np.zeros(3))
    assert np.array_equal(threefry.seed(np, number)[:, 1], expected)


@pytest.mark.parametrize("seed", SEEDS)
@pytest.mark.parametrize("x64", [True, False])
def test_seeds_match_jax(jax, seed, x64):
    # without x64 JAX cuts every seed to 32 bits: what a seed of 32 bits gives here
    number = np.int64(seed) if x64 else np.int64(seed).astype(np.int32)
    with jax.enable_x64(x64):
        expected = np.asarray(jax.random.PRNGKey(seed))
    assert np.array_equal(threefry.seed(np, number), expected)


@pytest.mark.parametrize("shape", SHAPES, ids=str)
@pytest.mark.parametrize("bit_width", [8, 16, 32, 64])
def test_random_bits_match_jax(jax, bit_width, shape):
    dtype = np.dtype(f"u{bit_width // 8}")
    for seed in SEEDS[::4]:
        bits = threefry.random_bits(np, key_of(seed), bit_width=bit_width, shape=shape)
        with jax.enable_x64(True):
            expected = np.asarray(jax.random.bits(jax.random.PRNGKey(seed), shape, dtype))
        assert bits.dtype == dtype
        assert bits.shape == shape
        assert np.array_equal(bits, expected)


@pytest.mark.parametrize("shape", [(), (0,), (1,), (2,), (7,), (3, 4), (40_000,)], ids=str)
def test_split_matches_jax(jax, shape):
    keys = threefry.split(np, key_of(7), shape=shape)
    assert keys.shape == (*shape, 2)
    assert np.array_equal(keys, np.asarray(jax.random.split(jax.random.PRNGKey(7), shape)))


@pytest.mark.parametrize("data", [0, 1, 2**31, 2**32 - 1])
def test_fold_in_matches_jax(jax, data):
    folded = threefry.fold_in(np, key_of(3), np.uint32(data))
    expected = jax.random.fold_in(jax.random.PRNGKey(3), data)
    assert np.array_equal(folded, np.asarray(expected))


@pytest.mark.parametrize("batch", [(0,), (3,), (2, 3), (9000,)], ids=str)
@pytest.mark.parametrize("shape", [(), (5,), (0,)], ids=str)
def test_batches_of_keys_are_rows(batch, shape):
    keys = threefry.split(np, key_of(1), shape=batch)
    bits = threefry.random_bits(np, keys, bit_width=64, shape=shape)
    children = threefry.split(np, keys, shape=shape)
    folded = threefry.fold_in(np, keys, np.uint32(8))
    assert bits.shape == (*batch, *shape)
    assert children.shape == (*batch, *shape, 2)
    for index in list(np.ndindex(batch))[::1000] + list(np.ndindex(batch))[-1:]:
        one = threefry.random_bits(np, keys[index], bit_width=64, shape=shape)
        assert np.array_equal(bits[index], one)
        assert np.array_equal(children[index], threefry.split(np, keys[index], shape=shape))
        assert np.array_equal(folded[index], threefry.fold_in(np, keys[index], np.uint32(8)))


def test_the_high_word_counts_beyond_32_bits(monkeypatch):
    monkeypatch.setattr(threefry, "NUMPY_BLOCK", 4)
    key, first, count = key_of(5), 2**32 - 4, 10
    counters = np.arange(first, first + count, dtype=np.uint64)
    high, low = (counters >> np.uint64(32)).astype(np.uint32), counters.astype(np.uint32)
    expected = threefry.threefry2x32(np, *key, high, low)
    for block, x0, x1 in threefry._hashed_counters(np, key[None], count, first):
        assert np.array_equal(x0[0], expected[0][block[1]])
        assert np.array_equal(x1[0], expected[1][block[1]])
