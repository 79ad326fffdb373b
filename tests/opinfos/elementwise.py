"""Arithmetic, elementary and special functions, comparison, logic, bits."""

from collections.abc import Callable, Iterable, Sequence
from typing import Any

import numpy as np
import scipy.special

import fxad.ops.elementwise as ops
import fxad.ops.floats as floats
import fxad.ops.logic as logic
import fxad.ops.rules as rules
import fxad.ops.special as special
import fxad.ops.trigonometry as angles
from fxad.core.primitive import Primitive
from fxad.errors import DtypeError, ShapeError
from tests.opinfo import (
    COMPLEX,
    EVERY,
    HALF,
    INTEGER,
    NUMERIC,
    REAL,
    ErrorInput,
    OpInfo,
    SampleInput,
    Samples,
    array,
)

#: An operand's interval: low, high and kinks.
Domain = tuple[Any, ...]
WIDE: Domain = (-2.0, 2.0)
SIGNED: Domain = (-2.0, 2.0, (0.0,))
POSITIVE: Domain = (0.3, 3.0)
STEPS: Domain = (-2.0, 2.0, (-2.0, -1.5, -1.0, -0.5, 0.0, 0.5, 1.0, 1.5, 2.0))
BITS: Domain = (0, 5)

UNARY_SHAPES = ((), (3,), (2, 3), (0,), (2, 0, 3))
BINARY_SHAPES = (
    ((), ()),
    ((3,), (3,)),
    ((2, 3), (3,)),
    ((2, 1), (1, 3)),
    ((), (3,)),
    ((2, 3), ()),
    ((0,), (1,)),
    ((2, 0), (2, 1)),
)


def samples_over(*domains: Domain, shapes: Any = None, **kwargs: Any) -> Samples:
    """Operands from these intervals, over shapes that broadcast."""
    if shapes is None:
        shapes = [(s,) for s in UNARY_SHAPES] if len(domains) == 1 else BINARY_SHAPES

    def samples(rng: np.random.Generator, dtype: np.dtype[Any]) -> Iterable[SampleInput]:
        for each in shapes:
            args = tuple(array(rng, s, dtype, *d) for s, d in zip(each, domains, strict=True))
            yield SampleInput(args, kwargs)
        if len(domains) == 2 and dtype.kind in "fc":
            # Python's numbers are weak: they leave the other operand's dtype alone.
            x, y = (array(rng, (3,), dtype, *d) for d in domains)
            left, right = (array(rng, (), np.float64, *d).item() for d in domains)
            yield SampleInput((x, right), kwargs, argnums=(0,))
            yield SampleInput((left, y), kwargs, argnums=(1,))

    return samples


def mismatched(name: str) -> Callable[[], Iterable[ErrorInput]]:
    """What an operation with two operands refuses: shapes that do not broadcast."""
    pattern = rf"(?s)\[{name}\] got shapes \(2, 3\) and \(4,\).*broadcast"
    return lambda: [ErrorInput((np.ones((2, 3)), np.ones(4)), ShapeError, pattern)]


def unary(
    primitive: Primitive,
    ref: Callable[..., Any],
    domain: Domain = WIDE,
    dtypes: Sequence[str] = HALF,
    **options: Any,
) -> OpInfo:
    options.setdefault("jax", f"lax.{primitive.name}")
    return OpInfo(
        primitive.name,
        primitive.bind,
        ref,
        samples_over(domain),
        tuple(dtypes),
        (primitive,),
        elementwise=True,
        **options,
    )


def binary(
    primitive: Primitive,
    ref: Callable[..., Any],
    domains: Sequence[Domain] = (WIDE, WIDE),
    dtypes: Sequence[str] = HALF,
    **options: Any,
) -> OpInfo:
    options.setdefault("jax", f"lax.{primitive.name}")
    options.setdefault("errors", mismatched(primitive.name))
    return OpInfo(
        primitive.name,
        primitive.bind,
        ref,
        samples_over(*domains),
        tuple(dtypes),
        (primitive,),
        elementwise=True,
        **options,
    )


def _refused(*args: Any, match: str) -> Callable[[], Iterable[ErrorInput]]:
    return lambda: [ErrorInput(args, DtypeError, match)]


COMPLEX_TOO = (*HALF, *COMPLEX)
FIELD = (*INTEGER, *HALF, *COMPLEX)
TINY: Domain = (0.2, 0.9)

ARITHMETIC = (
    binary(ops.add_p, np.add, dtypes=EVERY),
    binary(ops.sub_p, np.subtract, dtypes=FIELD),
    binary(ops.mul_p, np.multiply, dtypes=EVERY, linear=(0, 1)),
    binary(ops.div_p, np.true_divide, (WIDE, SIGNED), COMPLEX_TOO, linear=(0,)),
    unary(ops.neg_p, np.negative, dtypes=FIELD, linear=(0,)),
    binary(
        ops.floor_divide_p, np.floor_divide, ((2.4, 2.9), (1.0, 1.15)), NUMERIC, order=0, jax=None
    ),
    binary(ops.remainder_p, np.remainder, ((2.2, 2.8), (-1.9, -1.6)), REAL, jax=None),
    binary(ops.fmod_p, np.fmod, ((-2.8, -2.2), (1.6, 1.9)), REAL),
    binary(ops.pow_p, np.power, (POSITIVE, WIDE), COMPLEX_TOO),
    unary(ops.square_p, np.square, dtypes=FIELD),
    unary(ops.reciprocal_p, np.reciprocal, SIGNED, COMPLEX_TOO, jax=None),
    unary(ops.sqrt_p, np.sqrt, POSITIVE, COMPLEX_TOO),
    unary(ops.rsqrt_p, lambda x: 1 / np.sqrt(x), POSITIVE, COMPLEX_TOO),
    unary(ops.cbrt_p, np.cbrt, SIGNED, HALF),
    binary(ops.hypot_p, np.hypot, (SIGNED, SIGNED), jax="numpy.hypot"),
)


def _integer_powers(rng: np.random.Generator, dtype: np.dtype[Any]) -> Iterable[SampleInput]:
    for y in (-2, -1, 0, 1, 2, 3, 5):
        if y >= 0 or dtype.kind in "fc":
            yield SampleInput((array(rng, (2, 3), dtype, *SIGNED),), {"y": y})


def _one_parameter(name: str, values: Sequence[Any], domain: Domain) -> Samples:
    def samples(rng: np.random.Generator, dtype: np.dtype[Any]) -> Iterable[SampleInput]:
        for shape in ((), (2, 3)):
            for value in values:
                yield SampleInput((array(rng, shape, dtype, *domain),), {name: value})

    return samples


def _round(x: Any, decimals: int) -> Any:
    return np.round(x, decimals)


PARAMETERS = (
    OpInfo(
        "integer_pow",
        ops.integer_pow,
        lambda x, y: x**y,
        _integer_powers,
        FIELD,
        (ops.integer_pow_p,),
        jax="lax.integer_pow",
    ),
    OpInfo(
        "polygamma",
        lambda x, n: special.polygamma(n, x),
        lambda x, n: scipy.special.polygamma(n, x).astype(x.dtype),
        _one_parameter("n", (1, 2, 3), (1.0, 4.0)),
        REAL,
        (special.polygamma_p,),
    ),
    OpInfo(
        "round",
        ops.round_,
        _round,
        _one_parameter("decimals", (0, 1, -1), (0.01, 0.04)),
        REAL,
        (ops.round_p,),
        order=0,
    ),
)



def _safe_products(rng: np.random.Generator, dtype: np.dtype[Any]) -> Iterable[SampleInput]:
    for both in (False, True):
        yield from samples_over(SIGNED, SIGNED, both=both)(rng, dtype)
        yield SampleInput((np.zeros((), dtype), np.asarray(2, dtype)), {"both": both}, smooth=False)
        if dtype.kind in "fc":
            values = np.array([0.0, -0.0, 1.0, np.inf, np.nan], dtype)
            yield SampleInput((values[:, None].copy(), values), {"both": both}, smooth=False)


def _safe_product(x: Any, y: Any, both: bool) -> Any:
    product = np.multiply(x, y)
    zero = np.broadcast_to(np.equal(x, 0), product.shape)
    zero = zero | np.equal(y, 0) if both else zero
    return np.where(zero, np.zeros((), product.dtype), product)


SAFE_PRODUCTS = (
    OpInfo(
        "safe_mul",
        rules.safe_mul,
        _safe_product,
        _safe_products,
        EVERY,
        (rules.safe_mul_p,),
        linear=(0, 1),
        elementwise=True,
        errors=mismatched("safe_mul"),
    ),
)

EXPONENTIAL = (
    unary(ops.exp_p, np.exp, dtypes=COMPLEX_TOO),
    unary(ops.exp2_p, np.exp2, dtypes=COMPLEX_TOO),
    unary(ops.expm1_p, np.expm1, dtypes=COMPLEX_TOO),
    unary(ops.log_p, np.log, POSITIVE, COMPLEX_TOO),
    unary(ops.log2_p, np.log2, POSITIVE, COMPLEX_TOO, jax="numpy.log2"),
    unary(ops.log10_p, np.log10, POSITIVE, COMPLEX_TOO, jax="numpy.log10"),
    unary(ops.log1p_p, np.log1p, (-0.7, 2.0), COMPLEX_TOO),
    binary(ops.logaddexp_p, np.logaddexp, jax="numpy.logaddexp"),
    binary(ops.logaddexp2_p, np.logaddexp2, jax="numpy.logaddexp2"),
)

TRIGONOMETRIC = (
    unary(angles.sin_p, np.sin, dtypes=COMPLEX_TOO),
    unary(angles.cos_p, np.cos, dtypes=COMPLEX_TOO),
    unary(angles.tan_p, np.tan, (-1.2, 1.2), COMPLEX_TOO),
    unary(angles.asin_p, np.arcsin, (-0.8, 0.8), COMPLEX_TOO),
    unary(angles.acos_p, np.arccos, (-0.8, 0.8), COMPLEX_TOO),
    unary(angles.atan_p, np.arctan, SIGNED, COMPLEX_TOO),
    binary(angles.atan2_p, np.arctan2, (SIGNED, SIGNED)),
    unary(angles.sinh_p, np.sinh, dtypes=COMPLEX_TOO),
    unary(angles.cosh_p, np.cosh, dtypes=COMPLEX_TOO),
    unary(angles.tanh_p, np.tanh, dtypes=COMPLEX_TOO),
    unary(angles.asinh_p, np.arcsinh, dtypes=COMPLEX_TOO),
    unary(angles.acosh_p, np.arccosh, (1.3, 3.0), COMPLEX_TOO),
    unary(angles.atanh_p, np.arctanh, (-0.8, 0.8), COMPLEX_TOO),
)

SPECIAL = (
    unary(special.logistic_p, scipy.special.expit, (-4.0, 4.0), REAL),
    unary(special.erf_p, scipy.special.erf, dtypes=REAL),
    unary(special.erfc_p, scipy.special.erfc, dtypes=REAL),
    unary(special.erf_inv_p, scipy.special.erfinv, (-0.9, 0.9), REAL),
    unary(special.lgamma_p, scipy.special.gammaln, POSITIVE, REAL),
    unary(special.digamma_p, scipy.special.digamma, POSITIVE, REAL, tolerance=4),
)

ROUNDING = (
    unary(ops.sign_p, np.sign, SIGNED, (*INTEGER, *HALF), order=0),
    unary(ops.abs_p, np.abs, SIGNED, EVERY),
    unary(ops.floor_p, np.floor, STEPS, NUMERIC, order=0, jax="numpy.floor"),
    unary(ops.ceil_p, np.ceil, STEPS, NUMERIC, order=0, jax="numpy.ceil"),
    unary(ops.trunc_p, np.trunc, STEPS, NUMERIC, order=0, jax="numpy.trunc"),
    unary(ops.rint_p, np.rint, STEPS, HALF, order=0, jax="numpy.rint"),
    unary(floats.spacing_p, np.spacing, POSITIVE, HALF, order=0, jax=None),
)


def _two_distinct(rng: np.random.Generator, dtype: np.dtype[Any]) -> Iterable[SampleInput]:
    """Pairs without near ties, so that an extremum has no kink; then one with ties."""
    for left, right in BINARY_SHAPES:
        x, y = array(rng, left, dtype, *WIDE), array(rng, right, dtype, *WIDE)
        if dtype.kind == "f":
            # Thirds of a unit apart at least: x at 0 mod 1/2, y at 1/4 mod 1/2.
            x, y = np.round(x * 2) / 2, np.round(y * 2) / 2 + dtype.type(0.25)
        yield SampleInput((np.asarray(x, dtype), np.asarray(y, dtype)))
    if dtype.kind == "f":
        tied = np.array([1.0, -2.0, np.nan, 0.0], dtype)
        yield SampleInput((tied, np.array([1.0, 3.0, 1.0, np.nan], dtype)), smooth=False)


def _extremum(primitive: Primitive, ref: Any, jax: str) -> OpInfo:
    return OpInfo(
        primitive.name,
        primitive.bind,
        ref,
        _two_distinct,
        ("bool", *INTEGER, *HALF),
        (primitive,),
        elementwise=True,
        jax=jax,
        errors=mismatched(primitive.name),
    )


def _with_integer(rng: np.random.Generator, dtype: np.dtype[Any]) -> Iterable[SampleInput]:
    for left, right in BINARY_SHAPES:
        yield SampleInput((array(rng, left, dtype), array(rng, right, np.int32, -3, 3)))


TWO_OPERANDS = (
    _extremum(ops.max_p, np.maximum, "numpy.maximum"),
    _extremum(ops.min_p, np.minimum, "numpy.minimum"),
    _extremum(ops.fmax_p, np.fmax, "numpy.fmax"),
    _extremum(ops.fmin_p, np.fmin, "numpy.fmin"),
    binary(floats.copysign_p, np.copysign, (SIGNED, SIGNED), jax="numpy.copysign"),
    binary(floats.nextafter_p, np.nextafter, dtypes=REAL, jax=""),  # JAX has no rule for it
    binary(floats.heaviside_p, np.heaviside, (SIGNED, WIDE), jax="numpy.heaviside"),
    OpInfo(
        "ldexp",
        floats.ldexp,
        np.ldexp,
        _with_integer,
        HALF,
        (floats.ldexp_p,),
        elementwise=True,
        linear=(0,),
        jax="numpy.ldexp",
    ),
)


def _complex(re: Any, im: Any) -> Any:
    """Part by part: ``re + 1j * im`` is NaN for infinities."""
    dtype = np.result_type(re, im)
    if dtype.kind == "c":
        raise TypeError
    out = np.zeros(np.broadcast_shapes(np.shape(re), np.shape(im)), np.result_type(dtype, 1j))
    out.real, out.imag = re, im
    return out


PARTS = (
    unary(ops.real_p, np.real, dtypes=EVERY, linear=(0,), jax="numpy.real"),
    unary(ops.imag_p, np.imag, dtypes=EVERY, linear=(0,), jax="numpy.imag"),
    unary(ops.conj_p, np.conj, dtypes=FIELD, linear=(0,), jax="numpy.conj"),
    binary(ops.complex_p, _complex, dtypes=REAL, keeps_precision=False),
)


def _selections(rng: np.random.Generator, dtype: np.dtype[Any]) -> Iterable[SampleInput]:
    shapes = [
        ((), (), ()),
        ((3,), (3,), (3,)),
        ((3,), (), (2, 3)),
        ((2, 1), (3,), ()),
        ((0,), (1,), ()),
    ]
    for which, left, right in shapes:
        condition = array(rng, which, bool)
        yield SampleInput((condition, array(rng, left, dtype), array(rng, right, dtype)))


SELECTION = (
    OpInfo(
        "select",
        ops.select,
        np.where,
        _selections,
        EVERY,
        (ops.select_p,),
        elementwise=True,
        jax="numpy.where",
        errors=lambda: [
            ErrorInput(
                (np.array([True, False]), np.ones(3), 1.0), ShapeError, r"\[select_n\].*\(2,\)"
            )
        ],
    ),
)


def _equal_sometimes(rng: np.random.Generator, dtype: np.dtype[Any]) -> Iterable[SampleInput]:
    for left, right in BINARY_SHAPES:
        x, y = (np.round(array(rng, s, dtype).real).astype(dtype) for s in (left, right))
        yield SampleInput((x, y), smooth=False)
    if dtype.kind == "f":
        special = np.array([np.nan, np.inf, -np.inf, 0.0, -0.0], dtype)
        yield SampleInput((special[:, None], special), smooth=False)


def comparison(primitive: Primitive, ref: Any, dtypes: Sequence[str] = EVERY) -> OpInfo:
    return OpInfo(
        primitive.name,
        primitive.bind,
        ref,
        _equal_sometimes,
        tuple(dtypes),
        (primitive,),
        order=0,
        elementwise=True,
        jax=f"numpy.{ref.__name__}",
        errors=mismatched(primitive.name),
    )


ORDERED = ("bool", *INTEGER, *HALF)
COMPARISON = (
    comparison(logic.eq_p, np.equal),
    comparison(logic.ne_p, np.not_equal),
    comparison(logic.lt_p, np.less, ORDERED),
    comparison(logic.le_p, np.less_equal, ORDERED),
    comparison(logic.gt_p, np.greater, ORDERED),
    comparison(logic.ge_p, np.greater_equal, ORDERED),
    comparison(logic.logical_and_p, np.logical_and),
    comparison(logic.logical_or_p, np.logical_or),
    comparison(logic.logical_xor_p, np.logical_xor),
)


def _special_values(rng: np.random.Generator, dtype: np.dtype[Any]) -> Iterable[SampleInput]:
    for shape in UNARY_SHAPES:
        yield SampleInput((array(rng, shape, dtype),), smooth=False)
    if dtype.kind in "fc":
        special = np.array([np.nan, np.inf, -np.inf, 0.0, -0.0, 1.0], dtype)
        yield SampleInput((special,), smooth=False)


def predicate(primitive: Primitive, ref: Any, dtypes: Sequence[str] = EVERY) -> OpInfo:
    return OpInfo(
        primitive.name,
        primitive.bind,
        ref,
        _special_values,
        tuple(dtypes),
        (primitive,),
        order=0,
        elementwise=True,
        jax=f"numpy.{ref.__name__}",
    )


INTEGRAL = ("bool", *INTEGER)


def bitwise(primitive: Primitive, ref: Any, dtypes: Sequence[str] = INTEGRAL) -> OpInfo:
    return binary(
        primitive,
        ref,
        (BITS, BITS),
        dtypes,
        order=0,
        jax=f"numpy.{ref.__name__}",
        errors=_refused(1.5, 2.5, match=rf"\[{primitive.name}\] got f64 and f64"),
    )


INTEGERS = (
    predicate(logic.logical_not_p, np.logical_not),
    predicate(logic.isfinite_p, np.isfinite),
    predicate(logic.isinf_p, np.isinf),
    predicate(logic.isnan_p, np.isnan),
    predicate(logic.signbit_p, np.signbit, (*INTEGER, *HALF)),
    bitwise(logic.and_p, np.bitwise_and),
    bitwise(logic.or_p, np.bitwise_or),
    bitwise(logic.xor_p, np.bitwise_xor),
    bitwise(logic.shift_left_p, np.left_shift, INTEGER),
    bitwise(logic.shift_right_p, np.right_shift, INTEGER),
    bitwise(logic.gcd_p, np.gcd, INTEGER),
    bitwise(logic.lcm_p, np.lcm, INTEGER),
    unary(logic.not_p, np.invert, BITS, INTEGRAL, order=0, jax="numpy.invert"),
    unary(
        logic.population_count_p,
        np.bitwise_count,
        BITS,
        INTEGER,
        order=0,
        jax="numpy.bitwise_count",
    ),
)

TABLE = (
    *ARITHMETIC,
    *PARAMETERS,
    *SAFE_PRODUCTS,
    *EXPONENTIAL,
    *TRIGONOMETRIC,
    *SPECIAL,
    *ROUNDING,
    *TWO_OPERANDS,
    *PARTS,
    *SELECTION,
    *COMPARISON,
    *INTEGERS,
)
