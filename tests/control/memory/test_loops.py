"""What recorded loops are said to take is what their schedules hold."""

import numpy as np
import pytest

import fxad
import fxad.numpy as fnp
from tests.programs_of_memory import measured

SIZE = 5000


def loss(steps, checkpoint):
    def step(i, c):
        return fnp.sin(c) * c

    return lambda x: fnp.sum(fxad.lax.fori_loop(0, steps, step, x, checkpoint=checkpoint))


def arrays(steps, checkpoint):
    gradient = fxad.jit(fxad.grad(loss(steps, checkpoint)))
    return fxad.memory_plan(gradient, np.ones(SIZE)).peak_bytes / (8 * SIZE)


def test_everything_kept_grows_with_the_steps():
    assert arrays(200, None) - arrays(100, None) == pytest.approx(200, abs=1)  # c and sin(c)


@pytest.mark.parametrize("checkpoint", ["sqrt", "log", 1, 3, 10])
@pytest.mark.parametrize("steps", [1, 2, 17, 150])
def test_schemes_take_what_is_foreseen(steps, checkpoint):
    gradient = fxad.jit(fxad.grad(loss(steps, checkpoint)))
    taken = measured(gradient, np.ones(SIZE)) / (8 * SIZE)
    assert arrays(steps, checkpoint) == pytest.approx(taken, rel=0.1, abs=2)


def test_curvature_is_foreseen_as_well():
    x, f = np.ones(SIZE), loss(30, "sqrt")
    for g in (lambda x: fxad.hvp(f, x, x), lambda x: fxad.jvp(f, (x,), (x,))):
        jitted = fxad.jit(g)
        plan = fxad.memory_plan(jitted, x)
        assert plan.peak_bytes == pytest.approx(measured(jitted, x), rel=0.15)
