"""Loops: gradients through `scan` and `while_loop`, and what checkpointing schemes keep of them."""

import importlib
from functools import partial

import numpy as np

import fxad
import fxad.numpy as fnp
from benchmarks.laws import draw_laws, growth
from benchmarks.libraries import libraries
from benchmarks.peak import peak_bytes
from benchmarks.race import assert_same_numbers
from benchmarks.report import Row, ratio
from fxad import lax

STEPS, WIDTH = 1000, 64
LENGTHS = (128, 256, 512, 1024, 2048, 4096)
SCHEMES = {"everything": None, "sqrt": True, "log": "log", "16 states": 16}


def recurrence(xp, weights, xs, start):
    """h = tanh(A h + x) over the rows of xs: by the library's loop, or by Python's."""
    loops = {"fxad.numpy": "fxad.lax", "jax.numpy": "jax.lax"}.get(xp.__name__)
    if loops is None:
        for x in xs:
            start = xp.tanh(xp.dot(weights, start) + x)
    else:
        scan = importlib.import_module(loops).scan
        step = lambda h, x: (xp.tanh(xp.dot(weights, h) + x), None)  # noqa: E731
        start, _ = scan(step, start, xs)
    return xp.sum(start**2)


def recurrence_arguments():
    rng = np.random.default_rng(0)
    weights = 0.1 * rng.normal(size=(WIDTH, WIDTH))
    return weights, rng.normal(size=(STEPS, WIDTH)), np.zeros(WIDTH)


def test_gradient_of_a_scan(race, report):
    arguments = recurrence_arguments()
    peers = libraries("fxad", "fxad jit", "autograd", "JAX", "JAX jit")
    calls = {library.name: library.gradient(recurrence, *arguments) for library in peers}
    assert_same_numbers(calls, rtol=1e-9)
    times = {name: 1e3 * seconds for name, seconds in race(calls).items()}
    report.add(Row(f"gradient of {STEPS} steps of h = tanh(A h + x), {WIDTH}x{WIDTH}", "ms", times,
                   "fxad / autograd", ratio(times, "autograd"), 0.3))


def network(xp, weights, xs, start):
    """The mean square of all states of h = tanh(h W + x), a batch at a time."""
    loops = {"fxad.numpy": "fxad.lax", "jax.numpy": "jax.lax"}.get(xp.__name__)
    if loops is None:
        states = []
        for x in xs:
            start = xp.tanh(start @ weights + x)
            states.append(start)
        return xp.mean(xp.stack(states) ** 2)

    def step(h, x):
        h = xp.tanh(h @ weights + x)
        return h, h

    return xp.mean(importlib.import_module(loops).scan(step, start, xs)[1] ** 2)


def test_gradient_of_a_recurrent_network(race, report):
    """Its states are results and residuals alike: they are stacked once."""
    rng = np.random.default_rng(0)
    weights = 0.1 * rng.normal(size=(WIDTH, WIDTH))
    arguments = weights, rng.normal(size=(100, 32, WIDTH)), np.zeros((32, WIDTH))
    peers = libraries("fxad", "fxad jit", "autograd", "torch", "JAX jit")
    calls = {library.name: library.gradient(network, *arguments) for library in peers}
    assert_same_numbers(calls, rtol=1e-9)
    times = {name: 1e3 * seconds for name, seconds in race(calls).items()}
    report.add(Row(f"gradient of a recurrent network, 100 steps of 32x{WIDTH}", "ms", times,
                   "fxad / autograd", ratio(times, "autograd")))


def repeated(loop, weights, start, **kwargs):
    """The same without inputs, by a loop that knows its number of steps, or by one that does not.
    """
    step = lambda h: fnp.tanh(weights @ h + 0.1)  # noqa: E731
    if loop == "scan":
        return fnp.sum(lax.scan(lambda h, _: (step(h), None), start, length=STEPS)[0] ** 2)
    turn = lambda carry: (carry[0] + 1, step(carry[1]))  # noqa: E731
    goes_on = lambda carry: carry[0] < kwargs["steps"]  # noqa: E731
    _, h = lax.while_loop(goes_on, turn, (0, start), checkpoint=kwargs.get("checkpoint"))
    return fnp.sum(h**2)


def test_gradient_of_a_while_loop(race, report):
    weights, _, start = recurrence_arguments()
    functions = {name: partial(repeated, name, steps=STEPS) for name in ("while_loop", "scan")}
    calls = {name: partial(fxad.grad(f), weights, start) for name, f in functions.items()}
    assert_same_numbers(calls, rtol=1e-9)
    times = {name: 1e3 * seconds for name, seconds in race(calls).items()}
    report.add(Row(f"gradient through a while_loop of {STEPS} such steps", "ms", times,
                   "while_loop / scan", times["while_loop"] / times["scan"], 2.0))


def test_cost_of_schemes(race, report):
    weights, _, start = recurrence_arguments()
    calls = {
        name: partial(
            fxad.grad(partial(repeated, "while_loop", steps=STEPS, checkpoint=scheme)),
            weights, start,
        )
        for name, scheme in SCHEMES.items()
    }
    assert_same_numbers(calls, rtol=1e-9)
    times = {name: 1e3 * seconds for name, seconds in race(calls).items()}
    report.add(Row("the same with checkpoint=", "ms", times, "sqrt / everything",
                   times["sqrt"] / times["everything"]))


def peak_states(steps, scheme):
    """Peak memory of a gradient through a loop, in arrays of the carry's size."""
    start = np.linspace(-1.0, 1.0, 8192)

    def loss(x):
        turn = lambda carry: (carry[0] + 1, fnp.tanh(1.1 * fnp.sin(carry[1])))  # noqa: E731
        return fnp.sum(lax.while_loop(lambda c: c[0] < steps, turn, (0, x), checkpoint=scheme)[1])

    gradient = fxad.grad(loss)
    return peak_bytes(lambda: gradient(start)) / start.nbytes


def test_peak_memory_of_loops(report, results):
    peaks = {name: [peak_states(n, scheme) for n in LENGTHS] for name, scheme in SCHEMES.items()}
    exponents = {name: growth(LENGTHS, values) for name, values in peaks.items()}
    wanted = {"everything": None, "sqrt": 0.6, "log": 0.3, "16 states": 0.15}
    for name, values in peaks.items():
        row = dict(zip((f"n = {n}" for n in LENGTHS), values, strict=True))
        report.add(Row(f"peak memory of grad through while_loop, n steps, checkpoint: {name}",
                       "arrays of the carry", row, "exponent of n", exponents[name], wanted[name]))
    picture = results / f"{report.date}-loops.png"
    draw_laws(LENGTHS, peaks, exponents, picture, xlabel="steps n",
              ylabel="peak memory / one carry",
              title="Peak memory of grad through a while_loop of n steps")
    report.rows[-1].note = f"![peak memory of grad through a loop of n steps]({picture.name})"
    assert all(exponents[name] <= law for name, law in wanted.items() if law)

