"""What checkpoints save and what they cost: peak memory and time against the same without them.

Chen et al. 2016 (arXiv:1604.06174) claim: sqrt(n) segments need memory of the order sqrt(n) for
one more forward pass; dropping what is cheap to compute again costs less than 30 % more time; and
a network ten times as deep fits the memory of the plain one.
"""

import math
from functools import partial

import numpy as np
import pytest

import fxad
import fxad.numpy as fnp
from benchmarks.peak import peak_bytes
from benchmarks.race import assert_same_numbers
from benchmarks.report import Row

BLOCKS = 64
DEPTH = 36
DEPTHS = (16, 36, 64, 100, 144, 196, 256)
BATCH, WIDTH = 512, 64
VARIANTS = {"plain": None, "checkpoint": fxad.checkpoint}


def block(params, x):
    """A block of an MLP: four times as wide inside, its result added to its input."""
    w_in, b_in, w_out, b_out = params
    return x + fnp.tanh(x @ w_in + b_in) @ w_out + b_out


def layer(params, x):
    """A product of matrices, and what is cheap beside it: its rows normalised, the positive part.

    As Chen et al. have it, a convolution with batch normalisation and ReLU.
    """
    weight, bias = params
    h = x @ weight
    h = h - fnp.mean(h, 1, keepdims=True)
    h = h / fnp.sqrt(fnp.mean(h * h, 1, keepdims=True) + 1e-5)
    return fnp.maximum(h + bias, 0.0)


def dense(rng, inputs, outputs):
    return [rng.normal(size=(inputs, outputs)) / math.sqrt(inputs), np.zeros(outputs)]


def mlp(rng, blocks):
    params = [dense(rng, WIDTH, 4 * WIDTH) + dense(rng, 4 * WIDTH, WIDTH) for _ in range(blocks)]
    return params, rng.normal(size=(BATCH, WIDTH))


def stack(rng, depth, width=256):
    return [dense(rng, width, width) for _ in range(depth)], rng.normal(size=(BATCH, width))


def chain(layers, params, x):
    for apply, p in zip(layers, params, strict=True):
        x = apply(p, x)
    return fnp.sum(x * x)


def call(function, params, x):
    """The gradient by all parameters."""
    gradient = fxad.grad(function)
    return lambda: gradient(params, x)


def mlp_gradients(rng, jit):
    """The gradient of the 64-block MLP, plain and with a checkpoint around each block."""
    params, x = mlp(rng, BLOCKS)
    calls = {}
    for name, wrap in VARIANTS.items():
        gradient = fxad.grad(partial(chain, [wrap(block) if wrap else block] * BLOCKS))
        calls[name] = partial(fxad.jit(gradient) if jit else gradient, params, x)
    return calls


@pytest.mark.parametrize("jit", [False, True], ids=["eager", "jit"])
def test_checkpoint_per_block_of_an_mlp(race, report, jit):
    calls = mlp_gradients(np.random.default_rng(0), jit)
    assert_same_numbers(calls, rtol=1e-10)
    how = ", under jit" if jit else ""
    peaks = {name: peak_bytes(run) / 2**20 for name, run in calls.items()}
    report.add(Row(f"peak memory of the gradient of a {BLOCKS}-block MLP{how}", "MiB", peaks,
                   "checkpoint / plain", peaks["checkpoint"] / peaks["plain"], 0.25))
    times = {name: seconds * 1e3 for name, seconds in race(calls).items()}
    report.add(Row(f"its time{how}", "ms", times, "checkpoint / plain",
                   times["checkpoint"] / times["plain"], 1.4))
    assert peaks["checkpoint"] <= 0.25 * peaks["plain"]


def test_one_more_forward_pass(race, report):
    """What sqrt(n) segments add to the time of a gradient, in forward passes."""
    params, x = stack(np.random.default_rng(0), DEPTH)
    segmented = fxad.checkpoint_sequential([layer] * DEPTH)
    plain = partial(chain, [layer] * DEPTH)
    calls = {"plain": call(plain, params, x),
             "sqrt(n) segments": call(lambda p, x: fnp.sum(segmented(p, x) ** 2), params, x)}
    assert_same_numbers(calls, rtol=1e-10)
    times = race({**calls, "forward pass": partial(plain, params, x)})
    more = (times["sqrt(n) segments"] - times["plain"]) / times["forward pass"]
    report.add(Row(f"gradient through {DEPTH} layers in sqrt(n) segments", "ms",
                   {name: seconds * 1e3 for name, seconds in times.items()},
                   "more time, in forward passes", more, 1.0))


def test_dropping_what_is_cheap(race, report):
    """One checkpoint around the network keeps products of matrices and nothing elementwise."""
    params, x = stack(np.random.default_rng(0), DEPTH)
    plain = partial(chain, [layer] * DEPTH)
    policy = fxad.checkpoint_policies.dots_saveable
    calls = {"plain": call(plain, params, x),
             "dots saveable": call(fxad.checkpoint(plain, policy=policy), params, x)}
    assert_same_numbers(calls, rtol=1e-10)
    peaks = {name: peak_bytes(run) / 2**20 for name, run in calls.items()}
    report.add(Row("peak memory where only products of matrices are kept", "MiB", peaks,
                   "dots saveable / plain", peaks["dots saveable"] / peaks["plain"], 0.5))
    times = {name: seconds * 1e3 for name, seconds in race(calls).items()}
    report.add(Row("its time", "ms", times, "dots saveable / plain",
                   times["dots saveable"] / times["plain"], 1.3))
    assert peaks["dots saveable"] <= 0.5 * peaks["plain"]


def test_ten_times_as_deep(report, results):
    """Peaks of chains without parameters, whose gradients would be counted too."""
    x = np.linspace(-1.0, 1.0, 65536)
    step = lambda x: fnp.tanh(1.1 * fnp.sin(x) + x)  # noqa: E731

    def peak(network):
        gradient = fxad.grad(lambda x: fnp.sum(network(x)))
        return peak_bytes(lambda: gradient(x)) / x.nbytes

    plain = [peak(fxad.checkpoint_sequential([step] * n, 1)) for n in DEPTHS]
    saving = [peak(fxad.checkpoint_sequential([step] * 10 * n)) for n in DEPTHS]
    for name, values in (("n layers, plain", plain), ("10 n layers, sqrt segments", saving)):
        row = dict(zip((f"n = {n}" for n in DEPTHS), values, strict=True))
        report.add(Row(f"peak memory of grad through {name}", "arrays of one layer", row))
    # From some depth on; Chen et al. compare networks of a hundred layers and more.
    ratios = [s / p for p, s in zip(plain, saving, strict=True)]
    report.rows[-1].measure = f"over the plain one's at n = {DEPTHS[-1]}"
    report.rows[-1].figure, report.rows[-1].target = ratios[-1], 1.0
    picture = results / f"{report.date}-depth.png"
    draw(plain, saving, picture)
    report.rows[-1].note = f"![peak memory of a network ten times as deep]({picture.name})"
    assert ratios[-1] <= 1.0


def draw(plain, saving, path):
    """Both peaks over the depth of the plain network."""
    pyplot = pytest.importorskip("matplotlib.pyplot")
    figure, axes = pyplot.subplots(figsize=(6.4, 4.2), layout="constrained")
    axes.plot(DEPTHS, plain, "o-", label="n layers, plain")
    axes.plot(DEPTHS, saving, "o-", label="10 n layers, checkpoint_sequential")
    axes.set(xlabel="n", ylabel="peak memory / one layer's array", ylim=(0, None),
             title="A network ten times as deep in the memory of the plain one")
    axes.grid(alpha=0.3)
    axes.legend(frameon=False)
    path.parent.mkdir(parents=True, exist_ok=True)
    figure.savefig(path, dpi=130)
    pyplot.close(figure)
