"""Elements moved on in a circle, by known and by traced distances."""

import numpy as np
import pytest

import fxad.numpy as fnp
from fxad.compiler.jit import jit
from fxad.core.aval import aval_of
from fxad.core.staging import stage
from fxad.errors import ArgumentValueError, ShapeError
from fxad.ops.roll import roll
from fxad.transforms.jvp import jvp
from fxad.transforms.linearize import grad
from fxad.transforms.vmap import vmap
from tests.ops.checks import assert_same, check_abstract, check_op, check_value, check_vmap

X = np.arange(24.0).reshape(2, 3, 4) ** 2
#: Shifts and axes as NumPy takes them.
CASES = [
    (4, None), ((1, 2), None), (0, 1), (-5, 2), (np.int32(2), -1), ((1, -2), (0, 2)), (1, (0, 1)),
    (1, (1, 1)), ((1, 2), 1), (np.array([1, 3]), (2, 0)), ([7], [1]),
]


@pytest.mark.parametrize(("shift", "axis"), CASES)
def test_known_shifts(shift, axis):
    fun = lambda x: roll(x, shift, axis)  # noqa: E731
    check_value(fun, lambda x: np.roll(x, shift, axis), [X])
    check_value(fun, lambda x: np.roll(x, shift, axis), [np.zeros((0, 0, 2))])
    check_abstract(fun, [X])
    check_op(fun, [X])
    check_vmap(fun, [X])


@pytest.mark.parametrize(("shift", "axis"), CASES)
def test_traced_shifts_do_as_known_ones(shift, axis):
    shift = np.asarray(shift) if isinstance(shift, tuple | list) else shift
    fun = lambda x, by: fnp.roll(x, by, axis)  # noqa: E731
    wanted = np.roll(X, shift, axis)
    assert_same(jit(fun)(X, shift), wanted)
    assert_same(jit(fun)(np.zeros((2, 0, 0)), shift), np.zeros((2, 0, 0)))
    assert_same(jvp(lambda x: jit(fun)(x, shift), (X,), (X,)), (wanted, wanted))
    weights = np.sin(X)
    back = grad(lambda x, by: fnp.sum(weights * jit(fun)(x, by)))(X, shift)
    if axis is None:
        assert_same(back, np.roll(weights, -np.sum(shift)))
    else:
        assert_same(back, np.roll(weights, np.negative(shift), axis))


def test_a_batch_of_shifts():
    shifts = np.array([-3, 0, 1, 9])
    rows = vmap(lambda by: fnp.roll(X, by, 2))(shifts)
    assert_same(rows, np.stack([np.roll(X, by, 2) for by in shifts]))
    both = vmap(lambda x, by: fnp.roll(x, (by, 1), (0, 1)), in_axes=(2, 0))(X, shifts)
    each = [np.roll(X[..., i], (by, 1), (0, 1)) for i, by in enumerate(shifts)]
    assert_same(both, np.stack(each))


def test_known_shifts_are_two_operations():
    eqns = stage(lambda x: [roll(x, 1, 0)], [aval_of(X)]).jaxpr.eqns
    assert [eqn.primitive.name for eqn in eqns] == ["split", "concatenate"]


def test_errors():
    with pytest.raises(ArgumentValueError, match=r"\[roll\] got axis 3"):
        roll(X, 1, 3)
    with pytest.raises(ShapeError, match=r"\[roll\] got 2 shifts for 3 axes"):
        roll(X, (1, 2), (0, 1, 2))
