"""What moves elements: NumPy's and ``lax``'s values, derivatives, batches; arrays from nothing."""

import functools
import itertools

import numpy as np
import pytest

import fxad.ops.base as base
import fxad.ops.creation as creation
import fxad.ops.identity as identity
import fxad.ops.shape as shape
from fxad.core.aval import aval_of
from fxad.core.staging import stage
from fxad.errors import ArgumentTypeError, ArgumentValueError, DtypeError, ShapeError
from fxad.ops.elementwise import mul
from fxad.ops.trigonometry import sin
from fxad.transforms.linearize import grad, linear_transpose, vjp
from fxad.transforms.vmap import vmap
from tests.ops.checks import assert_same, check_abstract, check_op, check_value, check_vmap

DTYPES = "?bBhHiIlLefdFD"


def arrays(rng, *shapes, dtype=float):
    return [np.asarray(rng.normal(size=s) * 3).astype(dtype) for s in shapes]


# Each case: the function, NumPy's, and the shapes of its arguments.
CASES = {
    "slice": (
        lambda x: shape.slice_(x, (1, 0), (4, 3), (2, 1)),
        lambda x: x[1:4:2, 0:3],
        [(5, 3)],
    ),
    "slice nothing": (lambda x: shape.slice_(x, (2,), (2,), (3,)), lambda x: x[2:2:3], [(5,)]),
    "slice number": (lambda x: shape.slice_(x, (), ()), lambda x: x[()], [()]),
    "slice_in_dim": (
        lambda x: shape.slice_in_dim(x, 1, 6, 1, 2),
        lambda x: x[:, 1:6:2],
        [(2, 6)],
    ),
    "concatenate": (
        lambda *xs: shape.concatenate(xs, -1),
        lambda *xs: np.concatenate(xs, -1),
        [(2, 3), (2, 0), (2, 1)],
    ),
    "concatenate flat": (
        lambda *xs: shape.concatenate(xs, None),
        lambda *xs: np.concatenate(xs, None),
        [(2, 2), (), (3,)],
    ),
    "concatenate one": (lambda x: shape.concatenate([x]), lambda x: np.concatenate([x]), [(2,)]),
    "stack": (lambda *xs: shape.stack(xs, 1), lambda *xs: np.stack(xs, 1), [(2, 3)] * 3),
    "stack numbers": (lambda *xs: shape.stack(xs), lambda *xs: np.stack(xs), [()] * 2),
    "stack last": (lambda *xs: shape.stack(xs, -1), lambda *xs: np.stack(xs, -1), [(2,)] * 2),
    "split": (
        lambda x: shape.split(x, (1, 0, 3), -1),
        lambda x: np.split(x, [1, 1], -1),
        [(2, 4)],
    ),
    "split middle": (lambda x: shape.split(x, (1, 1, 2))[1], lambda x: x[1:2], [(4, 2)]),
    "split ends": (
        lambda x: shape.split(x, (1, 1, 2))[::2],
        lambda x: [x[:1], x[2:]],
        [(4, 2)],
    ),
    "flip": (lambda x: shape.flip(x, (0, -1)), lambda x: np.flip(x, (0, -1)), [(2, 3, 2)]),
    "flip all": (shape.flip, np.flip, [(2, 3)]),
    "flip number": (shape.flip, np.flip, [()]),
    "copy": (identity.copy, np.copy, [(2, 3)]),
    "ravel": (shape.ravel, np.ravel, [(2, 3)]),
    "expand_dims": (
        lambda x: shape.expand_dims(x, (0, -1)),
        lambda x: np.expand_dims(x, (0, -1)),
        [(2,)],
    ),
    "squeeze": (shape.squeeze, np.squeeze, [(1, 2, 1)]),
    "squeeze one": (lambda x: shape.squeeze(x, -1), lambda x: np.squeeze(x, -1), [(1, 2, 1)]),
    "broadcast_arrays": (shape.broadcast_arrays, np.broadcast_arrays, [(2, 1), (3,), ()]),
    "tile": (lambda x: shape.tile(x, (2, 1, 3)), lambda x: np.tile(x, (2, 1, 3)), [(2, 2)]),
    "tile short": (lambda x: shape.tile(x, 2), lambda x: np.tile(x, 2), [(2, 2)]),
    "tile number": (lambda x: shape.tile(x, (2, 2)), lambda x: np.tile(x, (2, 2)), [()]),
    "tile nothing": (lambda x: shape.tile(x, (0, 2)), lambda x: np.tile(x, (0, 2)), [(2,)]),
    "repeat": (lambda x: shape.repeat(x, 2, 1), lambda x: np.repeat(x, 2, 1), [(2, 3)]),
    "repeat flat": (lambda x: shape.repeat(x, 3), lambda x: np.repeat(x, 3), [(2, 2)]),
    "repeat never": (lambda x: shape.repeat(x, 0, 0), lambda x: np.repeat(x, 0, 0), [(2, 2)]),
}


@pytest.mark.parametrize("name", CASES)
def test_values_are_numpys(name, rng):
    fun, reference, shapes = CASES[name]
    for dtype in DTYPES:
        args = (
            arrays(rng, *shapes, dtype=dtype)
            if dtype not in "BHIL"
            else [np.ones(s, dtype) for s in shapes]
        )
        check_value(fun, reference, args)
        check_abstract(fun, args)


@pytest.mark.parametrize("name", CASES)
def test_derivatives(name, rng):
    fun, _, shapes = CASES[name]
    check_op(fun, arrays(rng, *shapes))
    check_op(fun, [x + 1j for x in arrays(rng, *shapes)])
    check_op(fun, arrays(rng, *shapes, dtype=np.float32), order=1)


@pytest.mark.parametrize("name", CASES)
def test_batches(name, rng):
    fun, _, shapes = CASES[name]
    check_vmap(fun, arrays(rng, *shapes))


def test_promotion_is_numpys(rng):
    for a, b in itertools.product(DTYPES, repeat=2):
        x, y = np.ones(2, a), np.ones(2, b)
        assert_same(shape.concatenate([x, y]), np.concatenate([x, y]))
        assert_same(shape.stack([x, y]), np.stack([x, y]))
    x = np.ones(2, np.float32)
    assert_same(shape.concatenate([x, x], dtype=int), np.ones(4, int))
    # Cotangents come back in each operand's own dtype.
    _, pull = vjp(lambda x, y: shape.concatenate([x, y]), x, np.ones(1))
    assert_same(pull(np.arange(3.0)), (np.arange(2, dtype=np.float32), np.array([2.0])))


def test_arrays_of_numbers_are_not_weak():
    """Only Python's numbers are: what was made of them widens float32, staged as eagerly."""
    x = np.ones((1, 2), np.float32)
    for made in (lambda y: base.broadcast_to(y, (1, 2)), lambda y: base.reshape(y, (1, 1))):
        check_abstract(lambda x, made=made: mul(x, made(2.0)), [x])
        assert mul(x, made(2.0)).dtype == np.float64


# Pad ----------------------------------------------------------------------------------------------

PADDINGS = [
    [(1, 2, 0), (0, 0, 0)],
    [(-1, -1, 0), (2, -3, 0)],
    [(0, 0, 2), (1, 1, 1)],
    [(-2, 1, 1), (3, -4, 2)],
    [(-3, 5, 0), (0, -3, 0)],
    [(-9, 0, 2), (0, 0, 0)],
]


@pytest.mark.parametrize("padding", PADDINGS)
@pytest.mark.parametrize("size", [(4, 3), (1, 3)])
def test_pad(padding, size, rng):
    lax = pytest.importorskip("jax").lax
    x, value = rng.normal(size=size), np.float64(rng.normal())
    try:
        wanted = np.asarray(lax.pad(x, value, padding))
    except (ValueError, TypeError):
        with pytest.raises(ShapeError, match=r"\[pad\] got .* which leaves"):
            shape.pad(x, value, padding)
        return
    fun = functools.partial(shape.pad, padding=padding)
    assert_same(fun(x, value), wanted)
    check_abstract(fun, [x, value])
    check_op(fun, [x, value])
    check_op(fun, [x + 1j, value * 1j])
    check_vmap(fun, [x, value])
    check_vmap(lambda x: shape.pad(x, 0, padding), [x])
    check_vmap(lambda value: shape.pad(x, value, padding), [value], variant=lambda v, k: v + k)


def test_pad_of_every_small_length():
    for n, lo, hi, between in itertools.product(range(4), range(-4, 4), range(-4, 4), range(3)):
        x, padding = np.arange(1.0, n + 1), [(lo, hi, between)]
        length = lo + hi + n + max(n - 1, 0) * between
        if length < 0:
            with pytest.raises(ShapeError):
                shape.pad(x, 7, padding)
            continue
        wanted = np.full(length, 7.0)
        for i, element in enumerate(x):
            place = lo + i * (between + 1)
            if 0 <= place < length:
                wanted[place] = element
        assert_same(shape.pad(x, 7, padding), wanted)
        pulled = vjp(lambda x: shape.pad(x, 7, padding), x)[1](wanted)[0]  # noqa: B023
        assert_same(pulled, np.where(np.isin(x, wanted), x, 0.0))


def test_pad_of_numbers_and_dtypes():
    assert shape.pad(np.float32(2), 0, []) == 2
    assert np.signbit(shape.pad(np.ones(1), -0.0, [(1, 0, 0)])[0])
    for dtype in DTYPES:
        x = np.ones(2, dtype)
        assert_same(shape.pad(x, 1, [(1, 0, 0)]), np.ones(3, dtype))
        assert_same(shape.pad(x, np.int64(0), [(1, 0, 0)]), np.array([0, 1, 1], dtype))


# The rest -----------------------------------------------------------------------------------------


def test_split_costs_one_pass_backwards():
    def pulled(ct):
        return linear_transpose(lambda x: shape.split(x, (1,) * 6), np.arange(6.0))([ct] * 6)

    closed = stage(pulled, [aval_of(np.zeros(1))])
    assert [eqn.primitive.name for eqn in closed.eqns] == ["concatenate"]


def test_bitcast_convert_type():
    lax = pytest.importorskip("jax").lax
    for old, new in [("f", "I"), ("d", "I"), ("I", "d"), ("d", "B"), ("h", "e"), ("b", "?")]:
        x = np.arange(8).reshape(2, 2, 2).astype(old)
        x = x % 2 if new == "?" else x
        if new == "?":
            assert_same(identity.bitcast_convert_type(x, new), x.view(bool))
            continue
        wanted = np.asarray(lax.bitcast_convert_type(x, new))
        assert_same(identity.bitcast_convert_type(x, new), wanted)
        fun = functools.partial(identity.bitcast_convert_type, dtype=new)
        check_abstract(fun, [x])
        check_vmap(fun, [x])
    transposed = np.arange(6.0).reshape(2, 3).T
    assert_same(identity.bitcast_convert_type(transposed, "l"), transposed.copy().view("l"))
    assert_same(grad(lambda x: mul(x, identity.bitcast_convert_type(x, "l")))(0.0), np.float64(0.0))


def test_optimization_barrier(rng):
    args = arrays(rng, (2, 3), ())
    assert_same(identity.optimization_barrier(args), args)
    assert identity.optimization_barrier([]) == []
    check_op(lambda x, y: identity.optimization_barrier([sin(x), mul(x, y)]), args)
    check_vmap(lambda x, y: identity.optimization_barrier([sin(x), mul(x, y)]), args)
    check_vmap(lambda x, y: identity.optimization_barrier([x, y]), args)
    assert_same(
        grad(lambda x, y: identity.optimization_barrier([x, y])[0])(2.0, 3.0), np.float64(1.0)
    )
    (out,) = identity.optimization_barrier([2.0])
    assert out.dtype == np.float64


def test_copy_owns_its_memory():
    x = np.zeros(3)
    assert not np.shares_memory(identity.copy(x), x)


@pytest.mark.parametrize("dtype", "bIefdD")
def test_creation(dtype):
    for fun, reference in [
        (lambda: creation.iota(dtype, 4), np.arange(4).astype(dtype)),
        (lambda: creation.iota(dtype, (2, 3), 1), np.arange(3) + np.zeros((2, 1))),
        (lambda: creation.iota(dtype, (2, 3), -2), np.arange(2)[:, None] + np.zeros(3)),
        (lambda: creation.iota(dtype, (2, 0)), np.zeros((2, 0))),
        (lambda: creation.eye(2, 3, 1, dtype), np.eye(2, 3, 1)),
        (lambda: creation.eye(2, dtype=dtype), np.eye(2)),
        (lambda: creation.tri(3, 2, -1, dtype), np.tri(3, 2, -1)),
        (lambda: creation.arange(1, 6, 2, dtype), np.arange(1, 6, 2)),
    ]:
        assert_same(fun(), np.asarray(reference).astype(dtype))
        check_abstract(fun, [])
        fun().fill(0)  # the user's own memory


def test_arange_is_numpys():
    float32 = np.float32
    for args in [(3,), (3.0,), (1, 4), (0, 1, 0.3), (5, 0, -2), (3, 1), (0.0, 1.0, 0.1), (2, 2)]:
        assert_same(creation.arange(*args), np.arange(*args))
        check_abstract(lambda: creation.arange(*args), [])  # noqa: B023
    for args in [(float32(3),), (np.int8(3),), (float32(0.5), 2), (np.uint64(3),), (True,)]:
        assert_same(creation.arange(*args), np.arange(*args))


def test_creation_within_a_transformation():
    def fun(x):
        return mul(x, creation.iota(float, 3))

    assert_same(vmap(fun)(np.ones((2, 3))), np.tile(np.arange(3.0), (2, 1)))
    closed = stage(lambda: [creation.iota("i", 3), creation.eye(2)], [])
    assert [eqn.primitive.name for eqn in closed.eqns] == ["iota", "eye"]
    assert_same(closed(), [np.arange(3, dtype="i"), np.eye(2)])


@pytest.mark.parametrize(
    ("call", "kind", "text"),
    [
        (lambda x: shape.slice_(x, (0,), (2,)), ArgumentValueError, r"\[slice\] got start \(0,\)"),
        (lambda x: shape.slice_in_dim(x, 0, 9, 1), ArgumentValueError, r"\[slice\].*\(2, 3\)"),
        (lambda x: shape.pad(x, 0, [(1, 0, 0)]), ArgumentValueError, r"\[pad\] got the padding"),
        (lambda x: shape.pad(x, x[0], [(1, 0, 0)] * 2), ShapeError, r"\[pad\] got float64\[3\]"),
        (lambda x: shape.concatenate([x, x[0]]), ShapeError, r"\(2, 3\) and \(3,\) along axis 0"),
        (lambda x: shape.concatenate([]), ArgumentValueError, r"\[concatenate\] got no array"),
        (lambda x: shape.concatenate([1.0, 2.0]), ShapeError, r"\[concatenate\].*\nUse stack"),
        (lambda x: shape.concatenate([x], 2), ArgumentValueError, r"\[concatenate\] got axis 2"),
        (
            lambda x: shape.stack([x, x.T]),
            ShapeError,
            r"\[stack\] got shapes \(2, 3\) and \(3, 2\)",
        ),
        (
            lambda x: shape.split(x, (1, 1), 1),
            ShapeError,
            r"\[split\].*wanted sizes that add up to 3",
        ),
        (
            lambda x: shape.squeeze(x, 0),
            ShapeError,
            r"\[squeeze\] got \(2, 3\) and the axes \(0,\)",
        ),
        (lambda x: shape.flip(x, 5), ArgumentValueError, r"\[flip\] got axis 5"),
        (lambda x: shape.tile(x, -1), ArgumentValueError, r"\[tile\] got reps=\(-1,\)"),
        (lambda x: shape.repeat(x, -1), ArgumentValueError, r"\[repeat\] got repeats=-1"),
        (
            lambda x: identity.bitcast_convert_type(x.astype("I"), "d"),
            ShapeError,
            r"a last axis of 2",
        ),
        (lambda x: creation.arange(1j), ArgumentTypeError, r"\[arange\].*wanted real numbers"),
        (
            lambda x: creation.arange(1, 2, 0),
            ArgumentValueError,
            r"\[arange\].*a step that is not 0",
        ),
        (lambda x: creation.iota(int, (2,), 1), ArgumentValueError, r"\[iota\] got axis 1"),
    ],
)
def test_errors_name_the_operation(call, kind, text):
    with pytest.raises(kind, match=r"(?s)" + text):
        call(np.ones((2, 3)))


def test_operands_of_concatenate_have_one_dtype():
    with pytest.raises(DtypeError, match=r"\[concatenate\] got f64\[1\] and f32\[1\]"):
        stage(
            lambda x, y: [shape.concatenate_p.bind(x, y, axis=0)],
            [aval_of(np.ones(1)), aval_of(np.ones(1, np.float32))],
        )
