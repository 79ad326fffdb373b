"""The primitives of random bits: values, rules, errors, and the GPU's kernel."""

import importlib

import numpy as np
import pytest

import fxad
from fxad.backends import kernels
from fxad.errors import ArgumentValueError, DtypeError, ShapeError
from fxad.ops import random_bits as rb
from fxad.ops import threefry

KEY = threefry.seed(np, np.int64(42))
KEYS = threefry.split(np, KEY, shape=(3, 4))

OPERATIONS = {
    "bits": lambda k: rb.random_bits(k, 16, (5,)),
    "scalar bits": lambda k: rb.random_bits(k, 64, ()),
    "split": lambda k: rb.random_split(k, (2, 3)),
    "fold_in": lambda k: rb.random_fold_in(k, 7),
    "seed": lambda k: rb.random_seed(k[..., 0]),
    "hash": lambda k: rb.threefry2x32(k[..., 0], k[..., 1], np.uint32(0), np.uint32(3))[1],
}


@pytest.fixture(params=OPERATIONS.values(), ids=OPERATIONS)
def operation(request):
    return request.param


def test_values_are_those_of_the_array_code():
    assert np.array_equal(
        rb.random_bits(KEYS, 8, (5, 2)), threefry.random_bits(np, KEYS, bit_width=8, shape=(5, 2))
    )
    assert np.array_equal(rb.random_split(KEYS, (2,)), threefry.split(np, KEYS, shape=(2,)))
    assert np.array_equal(rb.random_fold_in(KEYS, 9), threefry.fold_in(np, KEYS, np.uint32(9)))
    assert np.array_equal(rb.random_seed(-3), [2**32 - 1, 2**32 - 3])
    words = rb.threefry2x32(np.uint32(0), np.uint32(0), np.uint32(0), np.uint32(0))
    assert [int(word) for word in words] == [0x6B200159, 0x99BA4EFE]


@pytest.mark.parametrize("axis", [0, 1, -2])
def test_vmap_is_a_loop(operation, axis):
    rows = [operation(key) for key in np.moveaxis(KEYS, axis, 0)]
    assert np.array_equal(fxad.vmap(operation, in_axes=axis)(KEYS), np.stack(rows))


def test_vmap_over_vmap_is_two_loops(operation):
    expected = np.stack([np.stack([operation(key) for key in row]) for row in KEYS])
    assert np.array_equal(fxad.vmap(fxad.vmap(operation))(KEYS), expected)


def test_vmap_over_what_is_folded_in():
    data = np.arange(12, dtype=np.uint32).reshape(3, 4)
    expected = [[threefry.fold_in(np, KEY, x) for x in row] for row in data]
    folded = fxad.vmap(fxad.vmap(lambda x: rb.random_fold_in(KEY, x)))(data)
    assert np.array_equal(folded, expected)
    both = fxad.vmap(rb.random_fold_in, in_axes=(1, 0))(KEYS, data[0])
    assert np.array_equal(both[2], threefry.fold_in(np, KEYS[:, 2], np.uint32(2)))


def test_vmap_over_some_words_of_the_hash():
    words = np.arange(6, dtype=np.uint32)
    hashed = fxad.vmap(rb.threefry2x32, in_axes=(None, 0, None, 0))
    y0, y1 = hashed(np.uint32(1), words, np.arange(4, dtype=np.uint32), words[::-1].copy())
    expected = threefry.threefry2x32(
        np, np.uint32(1), words[:, None], np.arange(4, dtype=np.uint32), words[::-1, None]
    )
    assert np.array_equal(y0, expected[0])
    assert np.array_equal(y1, expected[1])


def test_jit_and_abstract_shapes_are_the_real_ones(operation):
    value = operation(KEYS)
    out = fxad.eval_shape(operation, KEYS)
    assert (out.shape, out.dtype) == (value.shape, value.dtype)
    assert np.array_equal(fxad.jit(operation)(KEYS), value)


def test_bits_have_no_derivative(operation):
    def f(x):
        return (operation(KEY).astype(np.float64) * x).sum()

    slope = operation(KEY).astype(np.float64).sum()
    assert fxad.grad(f)(2.0) == pytest.approx(slope)


@pytest.mark.parametrize(
    ("call", "kind", "message"),
    [
        (
            lambda: rb.random_bits(np.zeros(2), 8, ()),
            DtypeError,
            r"\[random_bits\] got float64\[2\]",
        ),
        (lambda: rb.random_bits(KEY[:1], 8, ()), ShapeError, r"wanted uint32\[2\]"),
        (
            lambda: rb.random_split(np.uint32(3), ()),
            ShapeError,
            r"(?s)\[random_split\].*random\.key",
        ),
        (lambda: rb.random_fold_in(KEY, 1.5), DtypeError, r"\[fold_in\] got float64\[\]"),
        (lambda: rb.random_fold_in(KEY, -1), ArgumentValueError, r"got -1, wanted 0 <= data"),
        (lambda: rb.random_fold_in(KEY, 2**32), ArgumentValueError, r"got 4294967296"),
        (lambda: rb.random_fold_in(KEY, np.arange(3)), ShapeError, "broadcast"),
        (lambda: rb.random_seed(1.5), DtypeError, r"\[random_seed\] got float64\[\].*an integer"),
        (lambda: rb.threefry2x32(1, 2, 3, 4), DtypeError, r"\[threefry2x32\] got int64\[\]"),
    ],
)
def test_errors(call, kind, message):
    with pytest.raises(kind, match=message):
        call()


# ---- the kernel: what would be launched, written down; and on a GPU, the bits


@pytest.fixture
def launches(monkeypatch):
    """Launches run through the emulator's stand-in: the array code that they must agree with."""
    seen = []
    monkeypatch.setattr(kernels, "launch", lambda *args: seen.append(args))
    return seen


def registered(name):
    (found,) = kernels.registrations()[name]
    return found.launch


def test_launches_name_kernel_grid_and_arguments(launches):
    out = registered("random_bits")(np, KEYS, bit_width=16, shape=(100, 7))
    assert (out.shape, out.dtype) == ((3, 4, 100, 7), np.uint16)
    name, function, grid, block, args = launches.pop()
    assert (name, function, grid, block) == ("threefry", "random_bits_16", (33,), (256,))
    assert np.array_equal(args[0], KEYS)
    assert args[1:3] == (700, 8400)
    assert all(type(number) is np.uint64 for number in args[1:3])
    assert args[3] is out
    split = registered("random_split")(np, KEYS, shape=(5,))
    assert split.shape == (3, 4, 5, 2)
    assert launches.pop()[1:3] == ("random_split", (1,))


def test_launches_of_the_hash_repeat_single_words(launches):
    words = (np.uint32(1), np.arange(6, dtype=np.uint32), np.uint32([[3]]), KEYS[..., :1, 0])
    y0, y1 = registered("threefry2x32")(np, *words)
    assert y0.shape == y1.shape == (3, 6)
    (*_, args) = launches.pop()
    assert [int(stride) for stride in args[4:8]] == [0, 1, 0, 1]
    assert [x.size for x in args[:4]] == [1, 18, 1, 18]
    assert args[8] == 18


@pytest.mark.gpu
def test_the_gpu_gives_the_same_bits(operation):
    cupy = importlib.import_module("cupy")
    out = operation(cupy.asarray(KEYS))
    assert isinstance(out, cupy.ndarray)
    assert np.array_equal(cupy.asnumpy(out), operation(KEYS))


@pytest.mark.gpu
@pytest.mark.parametrize("bit_width", [8, 16, 32, 64])
def test_the_gpu_gives_the_same_large_arrays(bit_width):
    cupy = importlib.import_module("cupy")
    keys = cupy.asarray(KEYS)[1:, 2:]
    out = rb.random_bits(keys, bit_width, (100_001,))
    assert np.array_equal(cupy.asnumpy(out), rb.random_bits(KEYS[1:, 2:], bit_width, (100_001,)))
    unaligned = cupy.asarray(KEYS).reshape(-1)[1:3]
    expected = rb.random_bits(KEYS.reshape(-1)[1:3], bit_width, (9,))
    assert np.array_equal(cupy.asnumpy(rb.random_bits(unaligned, bit_width, (9,))), expected)
