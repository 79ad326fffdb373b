"""Values in other forms."""

import numpy as np
import pytest

import fxad
from fxad import lax

FORMATS = {"float16": (5, 10), "float32": (8, 23), "float64": (11, 52)}


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("narrow", ["float16", "float32"])
def test_reduced_precision_is_that_of_the_narrower_dtype(rng, dtype, narrow):
    """As NumPy converts, but for what is smaller than the normal numbers."""
    info = np.finfo(narrow)
    largest, least = float(info.max), float(info.tiny)
    edges = [0.0, -0.0, np.inf, -np.inf, np.nan, largest, -largest * 1.0001, least, 1e300]
    with np.errstate(over="ignore"):
        x = np.concatenate([rng.normal(size=500) * 10.0 ** rng.integers(-9, 9, 500), edges])
        x = np.concatenate([x, 1 + np.arange(9) * 2.0 ** (-info.nmant - 1)]).astype(dtype)
        wanted = x.astype(narrow).astype(dtype)
    wanted = np.where(abs(wanted) < info.tiny, np.copysign(0, x).astype(dtype), wanted)
    for f in (lax.reduce_precision, fxad.jit(lax.reduce_precision, static_argnums=(1, 2))):
        got = f(x, *FORMATS[narrow])
        np.testing.assert_array_equal(got, wanted, strict=True)
        np.testing.assert_array_equal(np.signbit(got), np.signbit(wanted))
    np.testing.assert_array_equal(lax.reduce_precision(x, *FORMATS["float64"]), x)


def test_reduced_precision_rounds_tangents_and_cotangents_as_well():
    def f(x):
        return lax.reduce_precision(x, 8, 7)

    y, pull = fxad.vjp(f, np.pi)
    assert float(y) == 3.140625  # the bfloat16 next to pi
    assert float(pull(np.float64(np.pi))[0]) == 3.140625
    assert [float(t) for t in fxad.jvp(f, (1.0,), (np.float64(np.pi),))] == [1.0, 3.140625]
    assert float(f(1e39)) == np.inf
    assert float(f(2.0**-127)) == 0.0


def test_what_has_no_precision_to_reduce():
    for x in (np.arange(3), np.ones(2, complex), True):
        with pytest.raises(TypeError, match=r"\[reduce_precision\] got .*, wanted real floats"):
            lax.reduce_precision(x, 5, 10)
    for bits in ((0, 3), (5, -1)):
        with pytest.raises(ValueError, match="wanted at least 1 and 0"):
            lax.reduce_precision(1.0, *bits)
