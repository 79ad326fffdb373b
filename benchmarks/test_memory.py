"""Peak memory of `grad` through n layers: O(n) without checkpoints, O(sqrt n) with blocks.

Each block keeps its input alone, and one block at a time is run again, so that blocks of sqrt(n)
layers keep about 2 sqrt(n) layers' values (Chen et al. 2016, arXiv:1604.06174).
"""

import math

import numpy as np

import fxad
import fxad.numpy as fnp
from benchmarks import laws
from benchmarks.peak import peak_bytes
from benchmarks.report import Row

DEPTHS = (4, 16, 36, 64, 100, 144, 196, 256)
WIDTH = 65536


def layer(x):
    return fnp.tanh(1.1 * fnp.sin(x) + x)


def repeat(step, times):
    def run(x):
        for _ in range(times):
            x = step(x)
        return x

    return run


def network(depth, size=None):
    """`depth` layers and a sum, in checkpointed blocks of `size`, or without any checkpoint."""
    step = fxad.checkpoint(repeat(layer, size)) if size else layer
    layers = repeat(step, depth // (size or 1))
    return lambda x: fnp.sum(layers(x))


def peak_arrays(depth, size=None):
    """Peak memory of a gradient beyond what is alive before, in arrays of the layer's size."""
    x = np.linspace(-1.0, 1.0, WIDTH)
    gradient = fxad.grad(network(depth, size))
    return peak_bytes(lambda: gradient(x)) / x.nbytes


def growth(peaks):
    """The exponent p of peak ~ depth^p, fitted on a log-log scale to the deeper half."""
    half = len(DEPTHS) // 2
    return laws.growth(DEPTHS[half:], peaks[half:])


def test_gradients_agree():
    x = np.linspace(-1.0, 1.0, 7)
    plain = fxad.grad(network(16))(x)
    for size in (1, 4):
        np.testing.assert_allclose(fxad.grad(network(16, size))(x), plain, rtol=1e-12)


def test_peak_memory(report, results):
    plans = {"no checkpoint": lambda n: None, "per layer": lambda n: 1,
             "per sqrt(n) block": lambda n: math.isqrt(n)}
    peaks = {name: [peak_arrays(n, size(n)) for n in DEPTHS] for name, size in plans.items()}
    for name, values in peaks.items():
        law = 0.6 if name == "per sqrt(n) block" else None
        row = dict(zip((f"n = {n}" for n in DEPTHS), values, strict=True))
        report.add(Row(f"peak memory of grad through n layers, {name}", "arrays of one layer", row,
                       "exponent of n", growth(values), law))
    assert 0.9 < growth(peaks["no checkpoint"]) < 1.1
    assert growth(peaks["per sqrt(n) block"]) < 0.6
    picture = results / f"{report.date}-memory.png"
    laws.draw_laws(DEPTHS, peaks, {name: growth(values) for name, values in peaks.items()}, picture,
                   xlabel="layers n", ylabel="peak memory / one layer's array",
                   title="Peak memory of grad through n layers")
    report.rows[-1].note = f"![peak memory of grad through n layers]({picture.name})"

