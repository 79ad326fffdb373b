"""Peak memory of the gradient of a fixed point: that of an iteration differentiated step by step
grows with its steps; that of `implicit.fixed_point` does not depend on them.

The derivative follows from the equation (Christianson 1994; Blondel et al. 2022), so that nothing
of the iteration is kept.
"""

import numpy as np

import fxad
import fxad.numpy as fnp
from benchmarks.laws import draw_laws, growth
from benchmarks.peak import peak_bytes
from benchmarks.report import Row

STEPS = (10, 30, 100, 300, 1000)
WIDTH = 16384
RATE = 0.01


def step(x, b):
    """A contraction towards x = cos(x) b, slow enough to take every step that it is given."""
    return (1 - RATE) * x + RATE * fnp.cos(x) * b


def unrolled(steps):
    def loss(b):
        x = fnp.zeros_like(b)
        for _ in range(steps):
            x = step(x, b)
        return fnp.sum(x * x)

    return loss


def implicit(steps):
    def loss(b):
        # The tolerance is out of reach, so that all steps are taken.
        x, info = fxad.implicit.fixed_point(
            step, fnp.zeros_like(b), b, tol=0.0, maxiter=steps, return_info=True
        )
        return fnp.sum(x * x), info.iterations

    return loss


def peak_arrays(gradient, b):
    """Peak memory of a gradient beyond what is alive before, in arrays of its size."""
    return peak_bytes(lambda: gradient(b)) / b.nbytes


def test_gradients_agree_and_all_steps_are_taken():
    b = np.linspace(-1.0, 1.0, 7)
    gradient, taken = fxad.grad(implicit(2000), has_aux=True)(b)
    assert taken == 2000
    np.testing.assert_allclose(gradient, fxad.grad(unrolled(2000))(b), rtol=1e-6, atol=1e-9)


def test_peak_memory(report, results):
    b = np.linspace(-1.0, 1.0, WIDTH)
    peaks = {
        "unrolled": [peak_arrays(fxad.grad(unrolled(n)), b) for n in STEPS],
        "implicit": [peak_arrays(fxad.grad(implicit(n), has_aux=True), b) for n in STEPS],
    }
    exponents = {name: growth(STEPS, values) for name, values in peaks.items()}
    for name, values in peaks.items():
        law = 0.05 if name == "implicit" else None
        row = dict(zip((f"n = {n}" for n in STEPS), values, strict=True))
        report.add(Row(f"peak memory of grad through a fixed point of n steps, {name}",
                       "arrays", row, "exponent of n", exponents[name], law))
    assert exponents["unrolled"] > 0.9
    assert exponents["implicit"] < 0.05
    picture = results / f"{report.date}-fixed-point.png"
    draw_laws(STEPS, peaks, exponents, picture, xlabel="steps n",
              ylabel="peak memory / one array", title="Peak memory of grad through a fixed point")
    report.rows[-1].note = f"![peak memory of grad through a fixed point]({picture.name})"

