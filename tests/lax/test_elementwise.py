"""Functions of single elements against JAX's."""

import numpy as np
import pytest

import fxad
from fxad import lax
from fxad.errors import ArgumentTypeError, ArgumentValueError, DtypeError
from tests.lax.parity import check, needs_jax

SIGNED = np.array([[-1.7, -0.6, 0.4], [0.9, 1.3, 2.2]])
POSITIVE = np.array([[0.3, 0.6, 0.9], [1.2, 1.9, 2.6]])
UNIT = np.array([[-0.8, -0.3, 0.1], [0.4, 0.6, 0.9]])
COMPLEX = SIGNED + 1j * UNIT
SPECIAL = np.array([np.nan, np.inf, -np.inf, 0.0, -0.0])

UNARY = {
    "abs": SIGNED,
    "acos": UNIT,
    "acosh": POSITIVE + 1,
    "asin": UNIT,
    "asinh": SIGNED,
    "atan": SIGNED,
    "atanh": UNIT,
    "cbrt": SIGNED,
    "ceil": SIGNED,
    "cos": SIGNED,
    "cosh": SIGNED,
    "digamma": POSITIVE,
    "erf": SIGNED,
    "erf_inv": UNIT,
    "erfc": SIGNED,
    "exp": SIGNED,
    "exp2": SIGNED,
    "expm1": SIGNED,
    "floor": SIGNED,
    "lgamma": POSITIVE,
    "log": POSITIVE,
    "log1p": POSITIVE,
    "logistic": SIGNED,
    "neg": SIGNED,
    "reciprocal": SIGNED,
    "rsqrt": POSITIVE,
    "sign": SIGNED,
    "sin": SIGNED,
    "sinh": SIGNED,
    "sqrt": POSITIVE,
    "square": SIGNED,
    "tan": SIGNED,
    "tanh": SIGNED,
}
NOT_HOLOMORPHIC = "abs cbrt ceil digamma erf erf_inv erfc exp2 floor lgamma sign"
HOLOMORPHIC = sorted(UNARY.keys() - NOT_HOLOMORPHIC.split())


@needs_jax
@pytest.mark.parametrize("name", UNARY)
def test_unary(name):
    tolerance = 1e-9 if name in ("digamma", "lgamma", "erf_inv") else None
    check(name, UNARY[name], rtol=tolerance)


@needs_jax
@pytest.mark.parametrize("name", UNARY)
def test_unary_keeps_float32(name):
    check(name, UNARY[name].astype(np.float32), derivatives=False, batched=False, rtol=2e-4)


@needs_jax
@pytest.mark.parametrize("name", HOLOMORPHIC)
def test_unary_of_complex_numbers(name):
    # JAX's derivative of acosh has the wrong sign in the left half plane.
    check(name, COMPLEX + 2 if name == "acosh" else COMPLEX, rtol=1e-9, batched=False)


@needs_jax
@pytest.mark.parametrize("name", ["real", "imag", "conj", "abs", "sign"])
def test_parts_of_complex_numbers(name):
    check(name, COMPLEX, derivatives=name != "sign")


@needs_jax
def test_conjugates_of_real_numbers_are_complex():
    check("conj", SIGNED)
    check("conj", SIGNED.astype(np.float32))


@needs_jax
@pytest.mark.parametrize("name", ["add", "sub", "mul", "div", "max", "min", "atan2", "rem", "pow"])
def test_binary(name):
    x = POSITIVE if name == "pow" else SIGNED
    check(name, x, np.array([[1.4, -0.7, 1.1], [-0.4, 0.5, 1.9]]))
    check(name, x.astype(np.float32), np.float32(1.5), batched=False, derivatives=False)
    np.testing.assert_array_equal(
        getattr(lax, name)(x.astype(np.float32), 1.5),
        getattr(lax, name)(x.astype(np.float32), np.float32(1.5)),
        strict=True,
    )


@needs_jax
@pytest.mark.parametrize("name", ["add", "sub", "mul", "div", "pow"])
def test_binary_of_complex_numbers(name):
    check(name, COMPLEX, COMPLEX[::-1].copy(), rtol=1e-9, batched=False)


@needs_jax
@pytest.mark.parametrize("name", ["eq", "ne", "lt", "le", "gt", "ge"])
def test_comparison(name):
    check(name, np.array([1.0, 2.0, 3.0, np.nan]), np.array([1.0, 3.0, 2.0, np.nan]))
    check(name, np.array([1, 2, 3]), np.int64(2))


@needs_jax
def test_nextafter():
    check("nextafter", np.array([0.0, 1.0]), np.array([1.0, -1.0]), derivatives=False)
    check("nextafter", np.float32(1), np.float32(2), derivatives=False)


@needs_jax
@pytest.mark.parametrize("dtype", [np.int8, np.int32, np.int64, np.uint8])
@pytest.mark.parametrize("name", ["div", "rem"])
def test_division_of_integers_truncates(name, dtype):
    x = np.array([7, -7, 7, -7, 0, 5, -5]).astype(dtype)
    y = np.array([2, 2, -2, -2, 3, 0, 0]).astype(dtype)
    check(name, x, y)
    np.testing.assert_array_equal(
        getattr(lax, name)(x, 3), getattr(lax, name)(x, dtype(3)), strict=True
    )


def test_division_of_integers_truncates_as_c_does():
    x, y = np.array([7, -7, 7, -7]), np.array([2, 2, -2, -2])
    assert lax.div(x, y).tolist() == [3, -3, -3, 3]
    assert lax.rem(x, y).tolist() == [1, -1, 1, -1]
    assert lax.div(7, 2) == 3


@needs_jax
def test_integer_exponents():
    check("pow", SIGNED, np.array([[2, 3, 0], [-1, -2, 1]]))
    check("pow", SIGNED.astype(np.float32), np.int64(3), batched=False)
    for y in (-2, 0, 1, 2, 3):
        check("integer_pow", SIGNED, y=y)
        check("integer_pow", SIGNED.astype(np.float32), y=y, batched=False)
    check("integer_pow", np.array([1, -2, 3]), y=3)
    with pytest.raises(DtypeError, match=r"\[integer_pow\] got int64 to the power -1"):
        lax.integer_pow(np.arange(3), -1)


BITS = [np.int8, np.int32, np.int64, np.uint8, np.uint64]


@needs_jax
@pytest.mark.parametrize("dtype", BITS)
def test_bits(dtype):
    x = np.array([0, 1, 5, 100, -1, -7, -128]).astype(dtype)
    y = np.array([3, 0, 1, 7, 2, 1, 100]).astype(dtype)
    for name in ("bitwise_and", "bitwise_or", "bitwise_xor"):
        check(name, x, y)
    for name in ("shift_left", "shift_right_arithmetic", "shift_right_logical"):
        check(name, x, y, batched=False)
        assert getattr(lax, name)(x, 2).dtype == dtype
    for name in ("bitwise_not", "population_count", "clz"):
        check(name, x)


@needs_jax
def test_bitwise_operations_of_truth_values():
    x, y = np.array([True, True, False]), np.array([True, False, False])
    for name in ("bitwise_and", "bitwise_or", "bitwise_xor"):
        check(name, x, y)
    check("bitwise_not", x)


@pytest.mark.parametrize("dtype", BITS)
def test_upper_half_of_a_product(dtype, rng):
    limits = np.iinfo(dtype)
    x, y = rng.integers(limits.min, limits.max, (2, 50), dtype=dtype, endpoint=True)
    x[:3], y[:3] = (limits.min, limits.max, limits.min), (limits.min, limits.max, limits.max)
    bits = 8 * np.dtype(dtype).itemsize
    wanted = [(int(a) * int(b)) >> bits for a, b in zip(x, y, strict=True)]
    out = lax.mulhi(x, y)
    assert out.dtype == dtype
    assert out.tolist() == wanted


@needs_jax
def test_polygamma():
    for m in (0, 1, 2):
        check(lambda module, m=m: lambda x: module.polygamma(float(m), x), POSITIVE, rtol=1e-9)
    with pytest.raises(ArgumentValueError, match=r"\[polygamma\] got m=1.5"):
        lax.polygamma(1.5, POSITIVE)


@needs_jax
@pytest.mark.parametrize("method", ["AWAY_FROM_ZERO", "TO_NEAREST_EVEN"])
def test_round(method):
    tricky = [0.5, 1.5, 2.5, -0.5, -1.5, -0.2, 0.49999999999999994, 2.0**52 + 1, 1e300]
    x = np.array([*tricky, *SPECIAL])
    check(
        lambda module: lambda v: module.round(v, getattr(module.RoundingMethod, method)),
        x,
    )
    assert np.signbit(lax.round(np.array([-0.2, 0.2]))).tolist() == [True, False]


@needs_jax
def test_complex_parts_are_kept_apart():
    check("complex", SIGNED, POSITIVE)
    check("complex", SIGNED.astype(np.float32), POSITIVE.astype(np.float32), batched=False)
    out = lax.complex(SPECIAL[:, None], SPECIAL)
    assert np.array_equal(out.real, np.broadcast_to(SPECIAL[:, None], (5, 5)), equal_nan=True)
    assert np.array_equal(np.signbit(out.imag), np.broadcast_to(np.signbit(SPECIAL), (5, 5)))


@needs_jax
def test_is_finite():
    check("is_finite", SPECIAL)


def test_python_numbers_stay_weak_through_operators():
    x = np.ones(2, np.float32)
    assert lax.mul(x, lax.neg(0.5)).dtype == np.float32
    assert lax.add(x, 1).dtype == np.float32


def test_lists_are_refused():
    for name in ("sin", "neg", "population_count", "conj", "cumsum", "reduce_sum", "rev"):
        args = ((0,),) if name in ("reduce_sum", "rev") else ()
        with pytest.raises(ArgumentTypeError, match=r"got (a )?list"):
            getattr(lax, name)([1.0, 2.0], *args)
    with pytest.raises(ArgumentTypeError, match=r"\[add\] got a list"):
        lax.add(1.0, [1.0])
    with pytest.raises(ArgumentTypeError, match=r"\[sort\] got list \[3, 1\]"):
        lax.sort([3, 1])


def test_bits_of_floats_are_refused():
    for name in ("shift_right_logical", "mulhi"):
        with pytest.raises(DtypeError, match=rf"\[{name}\] got float64, wanted integers"):
            getattr(lax, name)(np.ones(2), 1)
    for name in ("clz", "population_count"):
        with pytest.raises(DtypeError, match=rf"\[{name}\] got float64, wanted integers"):
            getattr(lax, name)(np.ones(2))


def test_functions_look_like_functions():
    assert lax.sin.__name__ == "sin"
    assert lax.add.__module__ == "fxad.lax.elementwise"
    assert lax.add(x=1.0, y=2.0) == 3.0
    assert lax.sin(np.zeros(1), accuracy=None).tolist() == [0.0]
    assert float(fxad.grad(lax.sin)(0.0)) == 1.0


def test_products_in_a_wider_dtype():
    """Nothing overflows or rounds on the way, and derivatives come back in the operands' dtypes."""
    x, y = np.int8([100, -100]), np.int8([100, 3])
    for mul in (lax.mul, fxad.jit(lax.mul, static_argnames="out_dtype")):
        product = mul(x, y, out_dtype=np.int32)
        assert product.dtype == np.int32
        assert product.tolist() == [10000, -300]
    half = np.array([300.0], np.float16)
    product, pull = fxad.vjp(lambda x, y: lax.mul(x, y, out_dtype=np.float32), half, half)
    assert product.tolist() == [90000.0]
    gradients = pull(np.ones(1, np.float32))
    assert [g.dtype for g in gradients] == [np.float16] * 2
    assert [g.tolist() for g in gradients] == [[300.0]] * 2
    with pytest.raises(DtypeError, match=r"\[mul\] got float16, which out_dtype=.* cannot hold"):
        lax.mul(half, half, out_dtype=np.int32)
