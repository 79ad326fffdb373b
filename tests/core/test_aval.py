"""Abstract values: what is known of a value, NumPy 2's promotion, tangents, broadcasting."""

import itertools

import numpy as np
import pytest

import fxad
import fxad.numpy as fnp
from fxad.core.aval import (
    ShapedArray,
    aval_of,
    broadcast_shapes,
    describe,
    float0,
    is_array,
    is_differentiable,
    is_value,
    promote,
    short_dtype,
    tangent_aval,
    weak_dtype,
)
from fxad.errors import ArgumentTypeError, ShapeError

DTYPES = [np.dtype(c) for c in "?bBhHiIqQefdFD"]
ARRAYS = [np.ones(2), np.zeros((0, 3), np.int8), np.array(1j), np.float32(2.0), np.True_]
NUMBERS = [True, 3, 2.5, 1j]
NO_VALUES = [None, [1.0], (1.0,), "text", {"a": 1.0}, object(), np.sin, int, {1.0}]


# What is known of a value ------------------------------------------------------------------------


@pytest.mark.parametrize("value", ARRAYS, ids=repr)
def test_arrays_have_their_own_shape_and_dtype(value):
    aval = aval_of(value)
    assert (aval.shape, aval.dtype, aval.weak_type) == (value.shape, value.dtype, False)
    assert (aval.ndim, aval.size) == (value.ndim, value.size)


@pytest.mark.parametrize(
    ("value", "dtype", "weak"),
    [(True, "?", False), (3, "q", True), (2.5, "d", True), (1j, "D", True)],
)
def test_numbers_are_weak_scalars(value, dtype, weak):
    assert aval_of(value) == ShapedArray((), np.dtype(dtype), weak)
    assert weak_dtype(type(value)) == np.dtype(dtype)


def test_weak_floats_follow_the_default():
    with fxad.config.override(default_float="float32"):
        assert aval_of(2.5).dtype == np.float32 and aval_of(1j).dtype == np.complex64
        assert aval_of(3).dtype == np.int64
    with fxad.config.override(default_float="float16"):
        assert aval_of(2.5).dtype == np.float16 and aval_of(1j).dtype == np.complex64


@pytest.mark.parametrize("transform", [fxad.grad, fxad.jit, fxad.vmap])
def test_tracers_have_the_aval_of_what_they_stand_for(transform):
    seen = []

    def f(x):
        seen.append((aval_of(x), is_array(x), is_value(x), isinstance(x, fxad.Array)))
        return x * 2.0

    if transform is fxad.vmap:
        transform(f)(np.ones(4, np.float32))
    else:
        transform(f)(np.float32(1.0))
    assert seen == [(ShapedArray((), np.dtype("f")), True, True, True)]


@pytest.mark.parametrize("value", NO_VALUES, ids=lambda value: type(value).__name__)
def test_what_is_no_value_is_refused(value):
    assert not is_value(value) and not is_array(value)
    with pytest.raises(
        ArgumentTypeError, match=r"\[array\] got .*wanted an array or a number"
    ) as e:
        aval_of(value)
    assert type(value).__name__ in str(e.value) and "fnp.asarray" in str(e.value)
    assert "test_aval.py" in str(e.value)


def test_messages_shorten_what_they_show():
    assert describe(np.ones((2, 3), np.float32)) == "float32[2,3]"
    assert describe([1, 2]) == "list [1, 2]"
    assert len(describe(list(range(1000)))) < 50 and describe("x" * 100).endswith("...")


def test_arrays_are_what_isinstance_says():
    for value in ARRAYS:
        assert isinstance(value, fxad.Array) and isinstance(value, fnp.ndarray)
    for value in [*NUMBERS, *NO_VALUES, fxad.ShapeDtypeStruct((2,), float)]:
        assert not isinstance(value, fxad.Array) and not isinstance(value, fnp.ndarray)


@pytest.mark.parametrize("kind", ["Array", "ndarray"])
def test_a_branch_on_isinstance_is_the_same_when_traced(kind):
    array = fxad.Array if kind == "Array" else fnp.ndarray

    def f(x):
        return 3.0 * x if isinstance(x, array) else 5.0 * x

    x = np.float64(2.0)
    assert f(x) == fxad.jit(f)(x) == fxad.jvp(f, (x,), (x,))[0] == 6.0
    assert fxad.grad(f)(x) == fxad.vmap(fxad.grad(f))(np.ones(1))[0] == 3.0
    assert fxad.grad(fxad.grad(lambda x: f(x) ** 2))(x) == 18.0


# Printing and comparing --------------------------------------------------------------------------


def test_notation():
    assert str(ShapedArray((3, 4), np.dtype("f"))) == "f32[3,4]"
    assert str(ShapedArray((), np.dtype(bool))) == "bool[]"
    assert (
        repr(ShapedArray((2,), np.dtype("D"), True)) == "ShapedArray(complex128[2], weak_type=True)"
    )
    assert ShapedArray((2,), float0).long_name() == "float0[2]"
    shorts = [short_dtype(np.dtype(t)) for t in ("i1", "u8", "f2", "c8", "?", float0)]
    assert shorts == ["i8", "u64", "f16", "c64", "bool", "float0"]


def test_equality_and_hash_see_every_part():
    base = ShapedArray((2,), np.dtype("d"))
    others = [
        ShapedArray((3,), base.dtype),
        ShapedArray((2,), np.dtype("f")),
        ShapedArray((2,), base.dtype, True),
        ShapedArray((), base.dtype),
        "f64[2]",
    ]
    assert all(base != other for other in others)
    assert base == ShapedArray((2,), np.dtype("d")) and len({base, *others}) == 6
    assert ShapedArray((2,), base.dtype, True).strong() == base and base.strong() is base
    assert base.with_shape((5, 1)) == ShapedArray((5, 1), base.dtype)


# Promotion ---------------------------------------------------------------------------------------


@pytest.mark.parametrize("pair", list(itertools.product(DTYPES, DTYPES)), ids=str)
def test_arrays_promote_as_numpys(pair):
    got = promote([ShapedArray((1,), dtype) for dtype in pair])
    assert got == ((np.ones(1, pair[0]) + np.ones(1, pair[1])).dtype, False)


@pytest.mark.parametrize("number", NUMBERS[1:], ids=repr)
@pytest.mark.parametrize("dtype", DTYPES, ids=str)
def test_numbers_are_weak_beside_arrays(dtype, number):
    array = np.ones(2, dtype)
    got = promote([aval_of(array), aval_of(number)])
    assert got == ((array + number).dtype, False)


@pytest.mark.parametrize("pair", list(itertools.product(NUMBERS[1:], NUMBERS[1:])), ids=str)
def test_numbers_alone_stay_weak(pair):
    got = promote(map(aval_of, pair))
    assert got == (np.dtype(type(pair[0] + pair[1])), True)


# Tangents ----------------------------------------------------------------------------------------


@pytest.mark.parametrize("dtype", DTYPES, ids=str)
def test_tangents_of_integers_are_float0(dtype):
    aval = ShapedArray((3, 2), dtype)
    smooth = dtype.kind in "fc"
    assert is_differentiable(dtype) is smooth
    assert tangent_aval(aval) == (aval if smooth else ShapedArray((3, 2), float0))


# Broadcasting ------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "shapes", [[(3,)], [(), ()], [(3, 1), (4,)], [(2, 1, 1), (5,), (3, 1)], [(0,), (1,)]], ids=str
)
def test_broadcasting_is_numpys(shapes):
    assert broadcast_shapes("add", shapes) == np.broadcast_shapes(*shapes)


def test_shapes_that_do_not_broadcast():
    with pytest.raises(
        ShapeError, match=r"^\[add\] got shapes \(3,\) and \(2, 4\), which do not"
    ) as e:
        broadcast_shapes("add", [(3,), (2, 4)])
    assert "test_aval.py" in str(e.value) and "one of them 1" in str(e.value)
