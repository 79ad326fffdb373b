"""Random numbers from explicit keys, bit for bit JAX's, the same on NumPy and CuPy.

A key stands for one stream of numbers: ``split`` it, and use each part once. All functions take
traced keys, so they work under ``jit``, ``vmap`` over keys, and ``grad`` through parameters.
"""

from fxad.random.continuous import (
    cauchy,
    exponential,
    gumbel,
    laplace,
    logistic,
    lognormal,
    maxwell,
    normal,
    pareto,
    rayleigh,
    triangular,
    truncated_normal,
    uniform,
    weibull_min,
)
from fxad.random.discrete import bernoulli, categorical, geometric, rademacher, randint
from fxad.random.keys import PRNGKey, bits, fold_in, key, key_data, split, wrap_key_data
from fxad.random.permutations import choice, permutation

__all__ = [
    "PRNGKey",
    "bernoulli",
    "bits",
    "categorical",
    "cauchy",
    "choice",
    "exponential",
    "fold_in",
    "geometric",
    "gumbel",
    "key",
    "key_data",
    "laplace",
    "logistic",
    "lognormal",
    "maxwell",
    "normal",
    "pareto",
    "permutation",
    "rademacher",
    "randint",
    "rayleigh",
    "split",
    "triangular",
    "truncated_normal",
    "uniform",
    "weibull_min",
    "wrap_key_data",
]
