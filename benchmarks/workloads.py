"""What is measured, written once over any NumPy-like namespace ``xp``."""

import itertools

import numpy as np

CHAIN = 1000


def mlp_loss(xp, params, x, y):
    *hidden, w, b = params
    for weight, bias in zip(hidden[::2], hidden[1::2], strict=True):
        x = xp.tanh(x @ weight + bias)
    return xp.mean((x @ w + b - y) ** 2)


def mlp_parameters(sizes, rng, dtype=np.float64):
    layers = itertools.pairwise(sizes)
    return [array.astype(dtype) for inputs, outputs in layers
            for array in (rng.normal(size=(inputs, outputs)) / inputs**0.5, np.zeros(outputs))]


def sin_exp(xp, x):
    return xp.sin(x) * xp.exp(x)


def elementwise(xp, x):
    return xp.sum(xp.sin(x) * xp.exp(-x**2) + xp.log1p(x**2) * xp.tanh(x))


def elementwise_input():
    return np.random.default_rng(0).normal(size=1_000_000).astype(np.float32)


def chain(xp, x):
    for _ in range(CHAIN // 2):
        x = xp.sin(x) * 1.001
    return x
