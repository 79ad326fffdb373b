"""Regions that begin with others are pulled back in turns, each from the same state."""

import numpy as np
import pytest

import fxad
import fxad.numpy as fnp
from fxad.control.memory.chain import Region
from fxad.control.memory.derivative import gradient
from fxad.core.jaxpr import check_jaxpr, sub_jaxprs
from fxad.core.staging import stage
from tests.control.memory.test_budget import planner_of
from tests.programs_of_memory import BY_TRANSFORM, depth, measured, plans, revolve

RNG = np.random.default_rng(0)
X = np.linspace(0.1, 1.0, 30)
W = RNG.normal(size=30)


def sines(count):
    def f(x):
        for _ in range(count):
            x = fnp.sin(x) * 1.1
        return x

    return f


def pairs(x):
    """Two values go on from layer to layer, one of them of integers; some read others twice."""
    w, n = fnp.asarray(W), fnp.arange(30)
    y = fnp.cos(w)  # the same for all examples of a batch
    for _ in range(5):
        n = (n * 7 + 3) % 30
        x, y = fnp.sin(x) * y + x, fnp.tanh(y)
        x = x[n] + x
    return (x * y).sum()


def linear(x):
    for k in range(8):
        x = fnp.cumsum(x * W) * (k + 1.0)
    return x.sum()


def in_turns(f, *args):
    """The function by a plan of regions of which each but the first begins with another."""
    planner = planner_of(f, *args)
    count = len(planner.stages.cuts) - 1
    plan = ()
    for stop in range(2, count, 2):
        plan = (Region(0, stop, plan),)
    program = planner.stages.rewritten(plan)
    check_jaxpr(program)
    assert depth(plan) == 1
    consts = fxad.make_jaxpr(f)(*args).consts
    return lambda *xs: program(*consts, *xs)[0]


@pytest.mark.parametrize("f", [pairs, linear, lambda x: sines(6)(x).sum()])
@pytest.mark.parametrize(
    "transform",
    [
        *BY_TRANSFORM,
        lambda f: lambda x: fxad.vmap(fxad.grad(f))(x * np.linspace(0.9, 1.1, 3)[:, None]),
        lambda f: fxad.grad(lambda x: fxad.vmap(f)(x * np.linspace(0.9, 1.1, 3)[:, None]).sum()),
        lambda f: fxad.grad(lambda x: fxad.vmap(f, 1)(fnp.stack([x, x * 1.1], 1)).sum()),
        lambda f: lambda x: fxad.jvp(f, (x,), (W,)),
        lambda f: lambda x: fxad.hvp(f, x, W),
        lambda f: fxad.jit(lambda x: fxad.hvp(f, x, W)),
        lambda f: fxad.grad(lambda x: (fxad.grad(f)(x) ** 2).sum()),
        lambda f: fxad.grad(lambda x: fxad.jvp(f, (x,), (W,))[1]),
        lambda f: lambda x: fxad.linearize(f, x)[1](W),
    ],
)
def test_values_and_derivatives_are_the_functions_own(f, transform):
    wanted = fxad.tree.leaves(transform(f)(X))
    got = fxad.tree.leaves(transform(in_turns(f, X))(X))
    for a, b in zip(got, wanted, strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-9, atol=1e-11)


def test_a_linear_function_in_turns_is_transposed():
    ct = np.float64(2.0)
    got = fxad.linear_transpose(in_turns(linear, X), X)(ct)
    np.testing.assert_allclose(got[0], fxad.linear_transpose(linear, X)(ct)[0], rtol=1e-12)


def counted(jaxpr, name):
    """How often an operation runs."""
    jaxpr = getattr(jaxpr, "jaxpr", jaxpr)
    inner = sum(
        counted(j, name)
        for eqn in jaxpr.eqns
        if eqn.primitive.name != "recomputed"  # its source is for the derivative, taken already
        for j in sub_jaxprs(eqn.params)
    )
    return inner + sum(eqn.primitive.name == name for eqn in jaxpr.eqns)


@pytest.mark.parametrize("layers", [24, 60])
def test_a_chain_runs_no_step_more_often_than_revolve(layers):
    """Beside the states three arrays are there: the result, a cotangent, and a step at work."""

    def f(x):
        for _ in range(layers):
            x = fnp.sin(x)
        return x

    planner = planner_of(f, np.ones(1024))
    for states in range(1, 9):
        choice = planner.under((states + 3) * 8192)
        steps = counted(stage(*gradient(choice.program, [True]), "grad"), "sin")
        assert depth(choice.plan) <= 4
        assert steps <= 1 + revolve(layers, states)


def shrinking(x, *weights):
    for w in weights:
        x = fnp.tanh(x @ w)
    return x.sum()


WEIGHTS = [np.ones(shape) for shape in ((10, 40), (40, 20), (20, 60))]
CHAINS = {
    "sines": (sines(3), (np.ones(1000),)),
    "tanh": (lambda x: fnp.tanh(fnp.tanh(fnp.tanh(fnp.tanh(fnp.tanh(x))))).sum(), (X * 0 + 0.5,)),
    "widths": (shrinking, (np.ones((100, 10)), *WEIGHTS)),
}


@pytest.mark.parametrize("compiled", [True, False])
@pytest.mark.parametrize("name", CHAINS)
def test_of_a_chain_the_plan_is_the_best_there_is(name, compiled):
    """At each budget; of all plans whose regions hold no others."""
    f, args = CHAINS[name]
    planner = planner_of(f, *args, compiled=compiled)
    count = len(planner.stages.cuts) - 1
    assert planner.stages.chain.simple
    assert count >= 6
    flat = [plan for plan in plans(0, count) if not any(region.parts for region in plan)]
    tried = [planner.predicted(planner.stages.rewritten(plan)) for plan in flat]
    for budget in sorted({choice.peak for choice in tried}):
        best = min(choice.work for choice in tried if choice.peak <= budget)
        chosen = planner.under(budget)
        assert chosen.peak <= budget
        assert chosen.work <= best


@pytest.mark.parametrize("layers", [16, 40])
def test_one_state_alone_is_enough_for_a_chain(layers):
    x = np.linspace(0.0, 1.0, 100_000)
    least = planner_of(sines(6), x, compiled=False).least().peak
    frugal = fxad.checkpoint(sines(layers), memory_budget=least + 100)
    run = fxad.vjp(frugal, x)[1]

    def deep(frames):
        return deep(frames - 1) if frames else run(x)[0]

    assert measured(lambda: fxad.vjp(frugal, x)[1](x)) <= 1.05 * least
    np.testing.assert_allclose(deep(500), fxad.vjp(sines(layers), x)[1](x)[0], rtol=1e-12)
