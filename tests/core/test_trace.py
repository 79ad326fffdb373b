"""What evaluation does with Python numbers."""

import numpy as np
import pytest

import fxad


@pytest.mark.parametrize("x", [1.0, np.float32(1), np.float64(1)])
def test_integers_beyond_64_bits_count_as_floats_beside_one(x):
    """As in NumPy and Python, where ``x * 10**20`` is nothing special."""

    def f(x):
        return x * 2**100

    for g in (f, fxad.jit(f), fxad.grad(f), fxad.jit(fxad.grad(f)), fxad.grad(fxad.jit(f))):
        assert g(x) == 2.0**100
        assert np.asarray(g(x)).dtype == np.asarray(x).dtype
    assert fxad.grad(lambda x: x * 2 if x < 2**100 else x)(1.0) == 2


def test_integers_beyond_64_bits_alone_are_named():
    with pytest.raises(OverflowError, match=r"\[mul\] got the integers 3 and 1267650600228229"):
        fxad.jit(lambda i: i * 2**100)(3)
