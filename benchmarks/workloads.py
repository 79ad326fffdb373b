"""What is measured, written once over any NumPy-like namespace ``xp``."""

import itertools
from functools import partial

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


def elementwise_input_drawn_narrow():
    """The same size, drawn in float32: no larger array has been freed, which the heap remembers."""
    return np.random.default_rng(0).standard_normal(1_000_000, dtype=np.float32)


def chain(xp, x):
    for _ in range(CHAIN // 2):
        x = xp.sin(x) * 1.001
    return x


def classifier_input(width):
    """Parameters of an MLP 784-width-width-10, and a batch of 128, in float32."""
    rng = np.random.default_rng(0)
    params = mlp_parameters([784, width, width, 10], rng, np.float32)
    x, y = rng.normal(size=(128, 784)), rng.normal(size=(128, 10))
    return params, x.astype(np.float32), y.astype(np.float32)


CLASSIFIER_WIDTHS = (128, 512, 1024, 2048)

#: Work that is timed in processes of its own: the function, and what makes its arguments.
WORKS = {
    "elementwise": (elementwise, lambda: (elementwise_input(),)),
    "elementwise, drawn narrow": (elementwise, lambda: (elementwise_input_drawn_narrow(),)),
}
WORKS |= {f"classifier {width}": (mlp_loss, partial(classifier_input, width))
          for width in CLASSIFIER_WIDTHS}
