"""The linear primitives refuse what they would get wrong."""

import numpy as np
import pytest

import fxad.ops.base as base
from fxad.compiler.jit import jit
from fxad.core.aval import aval_of
from fxad.core.staging import stage
from fxad.errors import ArgumentTypeError, ArgumentValueError, ShapeError


@pytest.mark.parametrize("dims", [(1, 0), (0, 0), (1, 1)])
def test_axes_to_broadcast_to_ascend(dims):
    """Repetition does not permute axes, eager or staged."""
    x = np.ones((2, 2))

    def broadcast(x):
        return base.broadcast_in_dim(x, (2, 2, 2), dims)

    with pytest.raises(ArgumentValueError, match=r"\[broadcast\] got the axes .* ascending order"):
        broadcast(x)
    with pytest.raises(ArgumentValueError, match=r"\[broadcast\] got the axes .* ascending order"):
        stage(broadcast, [aval_of(x)])


def test_lengths_to_broadcast_to_fit():
    with pytest.raises(ShapeError, match=r"\[broadcast\] got \(2,\).*\(3, 4\)"):
        base.broadcast_in_dim(np.ones(2), (3, 4), (0,))


@pytest.mark.parametrize("axis", [1.5, "x", None])
def test_an_axis_is_an_integer(axis):
    with pytest.raises(ArgumentTypeError, match=r"\[sum\] got axis .*, wanted an integer"):
        base.normalize_axis("sum", axis, 2)
    with pytest.raises(ArgumentTypeError, match=r"\[sum\] got axis .*, wanted an integer"):
        base.normalize_axes("sum", (0, axis), 2)


@pytest.mark.parametrize("dtype", [np.float32, np.float64, np.complex64])
def test_an_integer_of_any_length_becomes_a_float(dtype):
    for convert in (base.convert, jit(base.convert, static_argnums=(0, 1))):
        x = convert(2**100, dtype)
        assert x == 2.0**100
        assert x.dtype == dtype
