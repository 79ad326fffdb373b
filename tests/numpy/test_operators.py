"""Operators on tracers: NumPy's values and dtypes, beside arrays, numbers, lists and strangers."""

import operator

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import fxad
import fxad.numpy as fnp
from tests.numpy.values import traced

ARITHMETIC = [
    operator.add,
    operator.sub,
    operator.mul,
    operator.truediv,
    operator.floordiv,
    operator.mod,
    operator.pow,
]
COMPARISONS = [operator.eq, operator.ne, operator.lt, operator.le, operator.gt, operator.ge]
BITS = [operator.and_, operator.or_, operator.xor, operator.lshift, operator.rshift]
DTYPES = ["bool", "int8", "int32", "int64", "uint8", "uint64"]
DTYPES += ["float16", "float32", "float64", "complex64", "complex128"]
X = np.array([1.5, 2.0, 3.25])


def outcome(function, *args):
    """The result, or the kind of error, of a call."""
    with np.errstate(all="ignore"):
        try:
            return function(*args)
        except (TypeError, ValueError, OverflowError) as e:
            return TypeError if isinstance(e, TypeError) else ValueError


def same(got, wanted):
    if isinstance(wanted, type):
        assert isinstance(got, type), f"got {got}, where NumPy raises"
        return
    assert not isinstance(got, type), f"raised, where NumPy gives {wanted!r}"
    assert np.asarray(got).dtype == np.asarray(wanted).dtype
    np.testing.assert_array_equal(got, wanted)


operands = st.sampled_from(
    [
        *(np.ones(3, d) * np.array([1, 2, 3], "uint8").astype(d) for d in DTYPES),
        *(np.dtype(d).type(1) for d in DTYPES),
        True,
        2,
        2.5,
        1 + 2j,
    ]
)


@given(st.sampled_from(ARITHMETIC + COMPARISONS + BITS), operands, operands)
def test_dtypes_and_values_under_jit_are_numpys(op, x, y):
    if not isinstance(x, np.ndarray | np.generic) and not isinstance(y, np.ndarray | np.generic):
        return
    wanted = outcome(op, x, y)
    same(outcome(fxad.jit(op), x, y), wanted)
    if isinstance(x, np.ndarray):
        same(outcome(fxad.jit(lambda x: op(x, y)), x), wanted)
    if isinstance(y, np.ndarray):
        same(outcome(fxad.jit(lambda y: op(x, y)), y), wanted)


@given(st.sampled_from([operator.neg, operator.pos, operator.abs, operator.invert]), operands)
def test_unary_operators_under_jit(op, x):
    if isinstance(x, np.ndarray | np.generic):
        same(outcome(fxad.jit(op), x), outcome(op, x))


@pytest.mark.parametrize("op", [*ARITHMETIC, *COMPARISONS, divmod])
@pytest.mark.parametrize("other", [2, 2.5, np.float64(2), X[::-1], np.float32(2), [1.0, 2.0, 4.0]])
def test_either_side_of_a_tracer(op, other):
    for function in (lambda x: op(x, other), lambda x: op(other, x)):
        got, wanted = traced(function, X), function(X)
        for a, b in zip(np.atleast_2d(got), np.atleast_2d(wanted), strict=True):
            same(a, b)


def test_operators_keep_numbers_weak_and_functions_do_not():
    seen = {}

    def f(x):
        seen["operator"], seen["function"] = x * 2.0 + 1, np.multiply(x, 2.0)
        seen["power"], seen["negative"], seen["sine"] = x**2, -x, np.sin(x)
        return x

    fxad.jvp(f, (1.0,), (1.0,))
    weak = {name: y.weak_type for name, y in seen.items()}
    assert weak == {
        "operator": True,
        "function": False,
        "power": True,
        "negative": True,
        "sine": False,
    }
    single = np.ones(2, np.float32)
    assert fxad.jvp(lambda x: x * single, (1.0,), (1.0,))[0].dtype == np.float32
    assert fxad.jvp(lambda x: np.multiply(x, 2.0) * single, (1.0,), (1.0,))[0].dtype == np.float64


def test_powers():
    assert fxad.grad(lambda x: x**3)(2.0) == 12.0
    assert fxad.grad(lambda x: 2**x)(1.0) == pytest.approx(2 * np.log(2))
    assert traced(lambda x: x**0, X).tolist() == [1.0, 1.0, 1.0]
    assert fxad.jit(lambda x: x**2)(np.array([True])).dtype == np.int64
    assert fxad.jit(lambda x: x**2)(np.array([3], np.uint8)).dtype == np.uint8
    with pytest.raises(ValueError, match="negative integer powers"):
        fxad.jit(lambda x: x**-1)(np.array([2]))
    with pytest.raises(TypeError):
        fxad.grad(lambda x: pow(x, 2, 3))(2.0)


def test_matmul_on_either_side():
    a, b = np.arange(6.0).reshape(2, 3), np.arange(3.0)
    assert traced(lambda a: a @ b, a).tolist() == (a @ b).tolist()
    assert traced(lambda b: a @ b, b).tolist() == (a @ b).tolist()
    assert traced(lambda b: [[1.0, 2.0, 3.0]] @ b, b).tolist() == [8.0]


class Stranger:
    def __radd__(self, other):
        return "asked"

    def __eq__(self, other):
        return "asked"


def test_strangers_are_asked():
    seen = []

    def f(x):
        seen.extend([x + Stranger(), x == Stranger(), x == None, x != None])  # noqa: E711
        return x

    fxad.jvp(f, (X,), (X,))
    assert seen == ["asked", "asked", False, True]
    with pytest.raises(TypeError, match="unsupported operand"):
        fxad.grad(lambda x: x + "text")(1.0)


def test_iteration_and_membership():
    rows = traced(lambda x: np.stack([2 * row for row in x]), np.arange(6.0).reshape(3, 2))
    assert rows.tolist() == [[0.0, 2.0], [4.0, 6.0], [8.0, 10.0]]
    assert traced(lambda x: x * (2.0 in x), X).tolist() == X.tolist()
    assert [float(v) for v in fxad.vmap(lambda x: fnp.stack(list(reversed(x))))(np.eye(2))[0]] == [
        0.0,
        1.0,
    ]
    with pytest.raises(TypeError, match="iteration over a 0-d array"):
        fxad.grad(lambda x: sum(x))(1.0)
    a, b = fxad.grad(lambda xy: (lambda x, y: x * y)(*xy))(np.array([3.0, 4.0]))
    assert (a, b) == (4.0, 3.0)


def test_in_place_operators_rebind_tracers_and_refuse_to_write_to_arrays():
    def rebinds(x):
        y = x
        y += 1
        return x * y

    assert fxad.grad(rebinds)(3.0) == 7.0

    def writes(x):
        total = np.zeros(3)
        total += x
        return total.sum()

    with pytest.raises(fxad.errors.TracerAssignmentError, match=r"total \+= x"):
        fxad.grad(writes)(X)


def test_rounding_and_conversion():
    assert traced(lambda x: round(x[0], 0), X) == 2.0
    constant = fxad.lax.stop_gradient
    assert fxad.grad(lambda x: x * float(constant(x)) * int(x))(2.0) == 4.0
    assert fxad.grad(lambda x: x * len(np.zeros(int(x))))(2.0) == 2.0
    with pytest.raises(fxad.errors.ConcretizationTypeError, match=r"\[float\]"):
        fxad.jit(lambda x: float(x))(2.0)
