"""Steps of loops that known numbers decide about are counted before anything runs."""

import numpy as np
import pytest

import fxad
import fxad.numpy as fnp
from fxad.control.memory.steps import COUNTED, counted
from tests.programs_of_memory import measured

X = np.linspace(0.1, 0.9, 5000)
while_loop = fxad.lax.while_loop


def up_to(n, **options):
    return lambda x: while_loop(
        lambda c: c[0] < n, lambda c: (c[0] + 1, fnp.sin(c[1]) * c[1]), (0, x), **options
    )[1]


def two_deciding(x):
    def step(c):
        i, y, total = c
        return i + 1, fnp.sin(y) * y, total + i * 0.1

    return while_loop(lambda c: (c[0] < 20) & (c[2] < 4.0), step, (0, x, 0.0))[1]


def by_data(x):
    return while_loop(lambda c: c[1] > x[0], lambda c: (fnp.sin(c[0]), c[1] * 0.5), (x, 1.0))[0]


def steps(f):
    (eqn,) = (e for e in fxad.make_jaxpr(f)(X).eqns if e.primitive.name == "while")
    return counted(eqn).params["length"]


@pytest.mark.parametrize(
    ("f", "number"),
    [(up_to(0), 0), (up_to(20), 20), (two_deciding, 10), (by_data, None), (up_to(10**9), None)],
)
def test_the_number_of_steps(f, number):
    assert COUNTED < 10**9
    assert steps(f) == number


@pytest.mark.parametrize("f", [up_to(20), up_to(50, checkpoint="sqrt"), two_deciding])
def test_the_memory_of_a_gradient_is_foreseen(f):
    gradient = fxad.grad(lambda x: fnp.sum(f(x)))
    plan = fxad.memory_plan(gradient, X)
    assert plan.notes == ()
    assert plan.peak_bytes == pytest.approx(measured(gradient, X), rel=0.1)
    assert plan.jit_peak_bytes == pytest.approx(measured(fxad.jit(gradient), X), rel=0.1)
