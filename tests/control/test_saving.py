"""The derivative of a program, parted by a predicate of its equations."""

import itertools

import numpy as np
import pytest

import fxad
import fxad.numpy as fnp
from fxad.control.saving import derivative_jaxpr, linearize_saving
from fxad.control.saving_inner import Offloadable
from fxad.core.aval import ShapedArray
from fxad.core.jaxpr import check_jaxpr
from fxad.core.staging import stage

F64 = ShapedArray((3,), np.dtype(float))
A, B, V, W = np.random.default_rng(0).normal(size=(4, 3))


def program(x, y):
    """A call, several readers of one value, an output that is an input."""
    z = fxad.jit(lambda x: fnp.sin(x) * 2.0)(x)
    return [fnp.exp(z) * y, z + fnp.tanh(z) * 0.5, y]


CLOSED = stage(program, [F64, F64])
BOTH = (True, True)


def names(eqns):
    return [eqn.primitive.name for eqn in eqns]


@pytest.mark.parametrize("nonzero", list(itertools.product([True, False], repeat=2)), ids=str)
def test_the_derivative_is_one_program_without_calls(nonzero):
    derivative, out_nonzero = derivative_jaxpr(CLOSED, nonzero)
    check_jaxpr(derivative)
    assert "jit" not in names(derivative.eqns)
    assert out_nonzero == [any(nonzero), nonzero[0], nonzero[1]]
    tangents = [t for t, n in zip((V, W), nonzero, strict=True) if n]
    found = derivative(A, B, *tangents)
    full = [t if n else np.zeros(3) for t, n in zip((V, W), nonzero, strict=True)]
    outs, pushed = fxad.jvp(lambda x, y: tuple(program(x, y)), (A, B), tuple(full))
    wanted = [*outs, *(p for p, n in zip(pushed, out_nonzero, strict=True) if n)]
    np.testing.assert_allclose(found, wanted, rtol=1e-14)
    assert derivative_jaxpr(CLOSED, nonzero)[0] is derivative  # its equations can be spoken of


def run(parts):
    """Values and tangents by the two halves."""
    (forward, consts), (pushed, backward_consts), kept, _ = parts
    check_jaxpr(forward)
    check_jaxpr(pushed)
    outs = forward(*consts, A, B)
    count = len(CLOSED.out_avals)
    return outs[:count], pushed(
        *backward_consts, *((A, B)[i] for i in kept), *outs[count:], V, W
    )


@pytest.mark.parametrize("seed", range(20))
def test_any_choice_gives_the_derivative(seed):
    """Whatever is saved, wherever it is: only time and memory differ."""
    derivative, _ = derivative_jaxpr(CLOSED, BOTH)
    places = [(eqn, i) for eqn in derivative.eqns for i in range(len(eqn.outvars))]
    words = np.random.default_rng(seed).integers(0, 3, size=len(places))
    choice = {(id(eqn), i): word for (eqn, i), word in zip(places, words, strict=True)}
    parts = linearize_saving(
        CLOSED, BOTH, lambda eqn, i: (False, True, Offloadable())[choice[id(eqn), i]]
    )
    outs, pushed = run(parts)
    wanted = fxad.jvp(lambda x, y: tuple(program(x, y)), (A, B), (V, W))
    np.testing.assert_allclose(outs, wanted[0], rtol=1e-15)
    np.testing.assert_allclose(pushed, wanted[1], rtol=1e-14)


def test_nothing_saved_is_the_program_itself():
    parts = linearize_saving(CLOSED, BOTH, lambda eqn, i: False)
    assert parts.forward == (CLOSED, []) and parts.kept == [0, 1]
    again = names(parts.tangents[0].eqns)
    assert (again.count("sin"), again.count("exp"), again.count("tanh")) == (1, 1, 1)


def test_all_saved_computes_nothing_again():
    parts = linearize_saving(CLOSED, BOTH, lambda eqn, i: True)
    assert not {"sin", "cos", "exp", "tanh"} & set(names(parts.tangents[0].eqns))
    assert parts.kept == [1]  # the factor of exp's tangent


def test_inputs_and_values_that_nothing_reads_are_left_out():
    parts = linearize_saving(CLOSED, (False, True), lambda eqn, i: False)
    assert parts.kept == [0]
    assert names(parts.tangents[0].eqns).count("tanh") == 0
    linear = stage(lambda x: [x * 2.0], [F64])
    assert linearize_saving(linear, (True,), lambda eqn, i: True).kept == []
