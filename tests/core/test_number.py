"""Numbers that loops which run as Python hand to their bodies."""

import copy
import math
import operator
import pickle

import numpy as np
import pytest

import fxad
import fxad.numpy as fnp
from fxad import lax
from fxad.core.aval import aval_of
from fxad.core.number import PYTHON_SCALARS, Complex, Float, Int, number, plain

NUMBERS = [number(3), number(-2), number(0), number(2.5), number(-0.5), number(1.5 - 2j)]
BINARY = [
    operator.add, operator.sub, operator.mul, operator.truediv, operator.floordiv, operator.mod,
    operator.pow, operator.lshift, operator.rshift, operator.and_, operator.or_, operator.xor,
    operator.eq, operator.ne, operator.lt, operator.le, operator.gt, operator.ge,
]  # fmt: skip


def outcome(f, *args):
    """What comes of a call: a value and its dtype, or that it fails."""
    try:
        with np.errstate(all="ignore"):
            out = f(*args)
    except (TypeError, ValueError, OverflowError):
        return "fails"
    return repr(np.asarray(out).item()), np.asarray(out).dtype


@pytest.mark.parametrize("operation", BINARY, ids=lambda f: f.__name__)
def test_operations_are_those_of_numpy(operation):
    """With one another, with Python's numbers, and from the right."""
    strong = {int: np.int64, float: np.float64, complex: np.complex128}
    for x in NUMBERS:
        for y in NUMBERS:
            wanted = outcome(operation, *(strong[PYTHON_SCALARS[type(v)]](v) for v in (x, y)))
            assert outcome(operation, x, y) == wanted
            if type(x) is not Complex:  # of which and a float Python makes what it makes
                assert outcome(operation, plain(x), y) == wanted
            assert outcome(operation, x, plain(y)) == wanted


@pytest.mark.parametrize("operation", BINARY, ids=lambda f: f.__name__)
@pytest.mark.parametrize("dtype", ["int8", "float32", "complex64", "bool"])
def test_beside_arrays_they_are_weak(operation, dtype):
    """As Python's own numbers are."""
    for other in (np.ones(2, dtype), np.ones((), dtype)[()], np.array(1, dtype)):
        for x in NUMBERS:
            for flipped in (lambda f: f, lambda f: lambda a, b: f(b, a)):
                f = flipped(operation)
                try:
                    with np.errstate(all="ignore"):
                        wanted = f(plain(x), other)
                except (TypeError, ValueError, OverflowError):
                    assert outcome(f, x, other) == "fails"
                    continue
                with np.errstate(all="ignore"):
                    got = f(x, other)
                assert type(got) is type(wanted)
                np.testing.assert_array_equal(got, wanted, strict=True)


@pytest.mark.parametrize("transform", [lambda f: f, fxad.jit], ids=["eager", "jit"])
def test_truth_values_beside_them_are_strong(transform):
    out = transform(lambda: lax.scan(lambda i, _: (i + 1, (i * True, True * i)), 0, length=2)[1])()
    assert [y.tolist() for y in out] == [[0, 1], [0, 1]]
    x = np.float32(1)
    out = transform(lambda x: lax.scan(lambda i, _: (i + 1, (i * True * x, i * x)), 0, length=2)[1])
    assert [y.dtype for y in out(x)] == [np.float64, np.float32]


def test_functions_of_numpy_take_them_as_numbers():
    x, half = np.ones(2, np.float32), number(0.5)
    assert np.where(True, x, half).dtype == np.maximum(x, half).dtype == np.float32
    assert np.clip(x, number(0), half).tolist() == [0.5, 0.5]
    assert np.stack([half, half]).tolist() == [0.5, 0.5]
    assert np.full(number(2), half).tolist() == [0.5, 0.5]
    assert x[number(1)] == 1.0
    assert fnp.full(2, number(1)).tolist() == fnp.linspace(0, number(1), 2)[1:].tolist() * 2
    assert fnp.quantile(x, half).dtype == np.float32
    assert fnp.add(x, half).dtype == lax.mul(half, x).dtype == np.float32
    assert fxad.grad(lambda x: half * (x * number(3)).sum())(x).tolist() == [1.5, 1.5]


def test_what_arrays_can_do_and_python_s_numbers_can():
    i, x = number(3), number(2.5)
    assert (i.dtype, i.shape, i.astype(np.float32).dtype) == (np.int64, (), np.float32)
    assert (x.dtype, x.reshape(1).tolist(), x.item()) == (np.float64, [2.5], 2.5)
    with fxad.config.override(default_float=np.float32):
        assert x.dtype == np.float32
    assert (aval_of(i), aval_of(x)) == (aval_of(3), aval_of(2.5))
    assert (list(range(i)), "abcd"[i], f"{i:03d}", {3: "a"}[i]) == ([0, 1, 2], "d", "003", "a")
    assert (str(i), repr(x), np.asarray([i, i]).tolist()) == ("3", "2.5", [3, 3])
    assert np.zeros((i, 1)).size == 3
    assert all(map(np.isscalar, NUMBERS))
    assert (math.sqrt(number(4)), round(x), int(x), bool(number(0))) == (2.0, 2, 2, False)
    assert (divmod(i, 2), divmod(7, i), divmod(x, 2)) == ((1, 1), (2, 1), (1.0, 0.5))
    assert (round(i), round(number(15), -1), type(round(i))) == (3, 20, Int)
    assert [type(part) for part in (*divmod(i, 2), *divmod(x, i))] == [Int, Int, Float, Float]
    assert (type(-i), type(abs(x)), type(~i), type(+i)) == (Int, Float, Int, Int)
    assert type(number(1j)) is Complex
    assert [type(y) for y in (i.real, x.real, number(1j).real)] == [Int, Float, np.float64]
    assert [type(y) for y in (i.imag, x.conjugate(), number(1j).imag)] == [
        np.int64, np.float64, np.float64,
    ]  # fmt: skip
    assert (number(True), type(number(True))) == (np.True_, np.bool_)
    for again in (copy.deepcopy(i), pickle.loads(pickle.dumps(i))):
        assert again == 3
    with pytest.raises(AttributeError, match="no attribute 'asttype'"):
        i.asttype  # noqa: B018
    with pytest.raises(TypeError, match="unsupported operand"):
        i + "a"


@pytest.mark.parametrize("transform", [lambda f: f, fxad.jit], ids=["eager", "jit"])
def test_one_body_runs_as_python_and_traced(transform):
    """Eagerly ``~`` of a comparison was a number other than zero, and ``astype`` was missing."""

    def body(i, value):
        x, n, on = value
        x = x + fnp.where(~(i == 0), 1.0, 0.0) * i.astype(np.float32) / (1 + n)
        return x, n + i % 2, on & ~(i > 3)

    x, n, on = transform(lambda: lax.fori_loop(0, 3, body, (0.0, 0, True)))()
    assert (x, n, on) == (1.0 + 2.0 / 2, 1, np.True_)
    assert (x.dtype, n.dtype, on.dtype) == (np.float64, np.int64, np.bool_)
    x = np.arange(3, dtype=np.float32)
    out = transform(lambda: lax.fori_loop(0, 3, lambda i, y: y + x * i, np.zeros(3, np.float32)))()
    assert out.dtype == np.float32
    assert out.tolist() == [0.0, 3.0, 6.0]
    ended = transform(lambda: lax.while_loop(lambda c: ~(c.astype(float) > 5), lambda c: c + 1, 0))
    assert ended() == 6
    with np.errstate(all="ignore"):
        far, last = transform(lambda: lax.scan(lambda c, _: (c - 1, 1 / c), 1.0, length=2))()
        assert (far, last.tolist()) == (-1.0, [1.0, np.inf])
    assert transform(lambda p: lax.cond(p, lambda x: ~(x > 2), lambda x: x > 2, 3.0))(True) == 0
    assert type(transform(lambda p: lax.cond(p, lambda x: x, lambda x: -x, 3.0))(True)) is (
        np.float64
    )
