"""Programs whose memory is predicted and measured: networks, chains, attention, windows, sums."""

import functools
import gc
import tracemalloc

import numpy as np

import fxad
import fxad.numpy as fnp
from fxad.backends.pool import pool
from fxad.control.memory.chain import Region, turns

RNG = np.random.default_rng(0)


def measured(f, *args):
    """The peak of what a call allocates, the pool of large arrays empty in the beginning."""
    f(*args)
    pool.clear()
    gc.collect()
    tracemalloc.start()
    try:
        before, _ = tracemalloc.get_traced_memory()
        result = f(*args)
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    del result
    return peak - before


def network(depth=6, width=128, batch=256, activation=fnp.tanh):
    """A loss of fully connected layers, and its arguments."""
    weights = [RNG.normal(size=(width, width)) / np.sqrt(width) for _ in range(depth)]
    biases = [RNG.normal(size=width) for _ in range(depth)]

    def loss(params, x):
        for w, b in zip(*params, strict=True):
            x = activation(x @ w + b)
        return fnp.sum(x**2)

    return loss, ((weights, biases), RNG.normal(size=(batch, width)))


def chain(depth, size):
    """Elementwise layers."""

    def loss(x):
        for _ in range(depth):
            x = fnp.tanh(1.1 * fnp.sin(x) + x)
        return fnp.sum(x)

    return loss, (np.linspace(-1.0, 1.0, size),)


def attention(length=96, batch=4, heads=4, width=16):
    """Dot-product attention with a residual connection."""
    channels = heads * width
    weights = [RNG.normal(size=(channels, channels)) / 8 for _ in range(4)]

    def apart(x):
        return fnp.transpose(fnp.reshape(x, (batch, length, heads, width)), (0, 2, 1, 3))

    def loss(weights, x):
        q, k, v = (apart(x @ w) for w in weights[:3])
        scores = q @ fnp.swapaxes(k, -1, -2) / np.sqrt(width)
        e = fnp.exp(scores - fnp.max(scores, axis=-1, keepdims=True))
        mixed = (e / fnp.sum(e, axis=-1, keepdims=True)) @ v
        together = fnp.reshape(fnp.transpose(mixed, (0, 2, 1, 3)), (batch, length, channels))
        return fnp.mean((x + together @ weights[3]) ** 2)

    return loss, (weights, RNG.normal(size=(batch, length, channels)))


def convolution(side=48, channels=8, taps=3, layers=3):
    """Convolutions as sums of shifted products."""
    shape = (taps, taps, channels, channels)
    weights = [RNG.normal(size=shape) / 10 for _ in range(layers)]

    def loss(weights, x):
        for w in weights:
            m = x.shape[1] - taps + 1
            y = 0.0
            for i in range(taps):
                for j in range(taps):
                    y = y + x[:, i : i + m, j : j + m] @ w[i, j]
            x = fnp.maximum(y, 0.0)
        return fnp.sum(x * x)

    return loss, (weights, RNG.normal(size=(4, side, side, channels)))


def reductions(side=300):
    """Moments, extrema, sums of exponentials, running sums."""

    def loss(x):
        z = (x - fnp.mean(x, axis=0)) / fnp.sqrt(fnp.var(x, axis=0) + 1e-5)
        top = fnp.cumsum(z, axis=1) * fnp.max(z, axis=1, keepdims=True)
        return fnp.sum(top) + fnp.sum(fnp.log(fnp.sum(fnp.exp(z), axis=1)))

    return loss, (RNG.normal(size=(side, side)),)


def blocks(depth, size):
    """A chain in checkpointed blocks of four layers, one of them within another checkpoint."""
    layer, args = chain(4, size)[0], (np.linspace(-1.0, 1.0, size),)

    def inner(x):
        for _ in range(4):
            x = fnp.tanh(1.1 * fnp.sin(x) + x)
        return x

    block = fxad.checkpoint(lambda x: fnp.sin(fxad.checkpoint(inner)(x)))

    def loss(x):
        for _ in range(depth // 4):
            x = block(x)
        return layer(x)

    return loss, args


def gathered(rows=400, columns=64, picked=2000):
    """Rows that are looked up, as of an embedding."""
    index = RNG.integers(0, rows, picked)

    def loss(table, w):
        return fnp.sum(fnp.tanh(table[index] @ w) ** 2)

    return loss, (RNG.normal(size=(rows, columns)), RNG.normal(size=(columns, columns)))


PROGRAMS = {
    "network": network(),
    "network of few examples": network(batch=16),
    "network of kinks": network(activation=lambda x: fnp.maximum(x, 0.0)),
    "chain": chain(16, 20_000),
    "chain of large arrays": chain(16, 65_536),
    "attention": attention(),
    "convolution": convolution(),
    "reductions": reductions(),
    "blocks": blocks(16, 20_000),
    "gathered": gathered(),
}


def depth(plan):
    """How many regions of a plan there are within one another."""
    return max((1 + depth(turn.parts) for region in plan for turn in turns(region)), default=0)


#: Ways to run a function that must not change what it computes.
BY_TRANSFORM = (
    lambda f: f,
    fxad.grad,
    fxad.jit,
    lambda f: fxad.jit(fxad.grad(f)),
    lambda f: fxad.grad(fxad.jit(f)),
    lambda f: fxad.checkpoint(fxad.grad(f)),
)


@functools.cache
def plans(start, stop, whole=True):
    """Every way to part the stages into those that are kept and regions that run again."""
    if start == stop:
        return [()]
    found = list(plans(start + 1, stop))
    for end in range(start + 1, stop + whole):
        inner = plans(start, end, whole=False)
        found += [(Region(start, end, p), *rest) for rest in plans(end, stop) for p in inner]
    return found


@functools.cache
def revolve(count, checkpoints):
    """The least number of forward steps for equal stages (Griewank and Walther 2000)."""
    if count == 1:
        return 0
    if checkpoints == 1:
        return count * (count - 1) // 2
    return min(
        m + revolve(count - m, checkpoints - 1) + revolve(m, checkpoints) for m in range(1, count)
    )
