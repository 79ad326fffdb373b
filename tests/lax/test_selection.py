"""Selection, rounding and bounds against JAX's."""

import numpy as np
import pytest

import fxad
from fxad import lax
from fxad.errors import ArgumentValueError, DtypeError
from tests.lax.parity import check, needs_jax

X, Y, Z = np.linspace(-1, 1, 6).reshape(2, 3), np.arange(6.0).reshape(2, 3), np.ones((2, 3))
MASK = np.array([[True, False, True], [False, False, True]])


@needs_jax
def test_select():
    check("select", MASK, X, Y)
    check("select", np.True_, X, Y)
    check("select", MASK, X.astype(np.float32), Y.astype(np.float32))
    check("select", MASK.astype(np.int32), X, Y)
    check("select", np.array([[0, 1, 2], [-1, 1, -4]], np.int32), X, Y, derivatives=False)


@pytest.mark.parametrize(("name", "argument"), [("select", "pred"), ("select_n", "which")])
def test_what_selects_is_no_fraction(name, argument):
    with pytest.raises(DtypeError, match=rf"\[{name}\] got {argument}=float64, wanted"):
        getattr(lax, name)(X, X, Y)


@needs_jax
def test_select_n():
    check("select_n", MASK, X, Y)
    check("select_n", np.zeros((2, 3), bool), X, derivatives=False)
    check("select_n", np.array([[0, 1, 2], [2, 0, 1]], np.int32), X, Y, Z)
    check("select_n", np.array([[0, 1, 2], [2, -4, 9]], np.int32), X, Y, Z, derivatives=False)
    check("select_n", np.int32(1), X, Y, Z, derivatives=False, batched=False)


def test_select_n_chooses_by_number():
    which = np.array([2, 0, 1, 1])
    cases = [np.full(4, 10.0 * k) + np.arange(4) for k in range(3)]
    assert lax.select_n(which, *cases).tolist() == np.choose(which, cases).tolist()


@needs_jax
def test_clamp():
    # JAX cannot differentiate by one number that bounds an array.
    check("clamp", np.float64(-0.5), X, np.float64(0.4), derivatives=False)
    check(lambda m: lambda x: m.clamp(-0.5, x, 0.4), X)
    check("clamp", X - 0.1, Y / 6, X + 0.3)
    check(lambda m: lambda x: m.clamp(-1.0, x, 1.0), np.array([np.nan, np.inf, 0.0]))
    check("clamp", np.int32(0), np.array([-3, 2, 9], np.int32), np.int32(5))


@needs_jax
def test_nothing_has_a_derivative_at_a_bound_of_clamp():
    ends = np.array([-1.0, 0.0, 1.0])
    check("clamp", np.full(3, -1.0), ends, np.full(3, 1.0), batched=False)
    gradient = fxad.grad(lambda x: np.sum(lax.clamp(-1.0, x, 1.0)))(ends)
    assert gradient.tolist() == [0.0, 1.0, 0.0]


def test_the_upper_bound_of_clamp_wins():
    low, x, high = np.full(3, 2.0), np.array([0.0, 1.5, 3.0]), np.ones(3)
    assert lax.clamp(low, x, high).tolist() == [1.0, 1.0, 1.0]
    shares = fxad.grad(lambda *args: np.sum(lax.clamp(*args)), argnums=(0, 1, 2))(low, x, high)
    assert [g.tolist() for g in shares] == [[0.0] * 3, [0.0] * 3, [1.0] * 3]


def test_bad_choices():
    with pytest.raises(ArgumentValueError, match=r"\[select_n\] got 3 cases for which=bool"):
        lax.select_n(MASK, X, Y, Z)
    with pytest.raises(ArgumentValueError, match=r"\[select_n\] got 0 cases"):
        lax.select_n(MASK)
    with pytest.raises(DtypeError, match=r"\[select_n\] got which=float64"):
        lax.select_n(X, X, Y)
