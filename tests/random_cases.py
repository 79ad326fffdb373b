"""Calls of the samplers that JAX and fxad answer alike: ``CASES[name](random, key)``."""

import numpy as np

FLOATS = ("float16", "float32", "float64")
INTEGERS = ("int8", "uint8", "int16", "uint16", "int32", "uint32", "int64", "uint64")
MATRIX = np.arange(24.0).reshape(4, 6)
P = np.array([0.1, 0.2, 0.0, 0.3, 0.4, 0.0])
LOGITS = np.log(np.arange(1.0, 25).reshape(4, 6))

CASES = {
    "split": lambda r, key: r.split(key),
    "split many": lambda r, key: r.split(key, (2, 3)),
    "fold_in": lambda r, key: r.fold_in(key, 123456789),
    "bits": lambda r, key: r.bits(key, (5,)),
    "bernoulli": lambda r, key: r.bernoulli(key, 0.3, (40,)),
    "bernoulli of an array": lambda r, key: r.bernoulli(key, P.astype(np.float32)),
    "bernoulli high": lambda r, key: r.bernoulli(key, 0.3, (40,), mode="high"),
    "rademacher": lambda r, key: r.rademacher(key, (40,)),
    "rademacher float32": lambda r, key: r.rademacher(key, (40,), "float32"),
    "geometric": lambda r, key: r.geometric(key, 0.3, (20,)),
    "randint in a narrow range": lambda r, key: r.randint(key, (20,), 5, 6),
    "randint in an empty range": lambda r, key: r.randint(key, (20,), 5, -5),
    "randint of arrays": lambda r, key: r.randint(key, (2, 3), np.array([[1], [-9]]), np.arange(3)),
    "randint all of int8": lambda r, key: r.randint(key, (20,), -128, 128, "int8"),
    "randint all of uint8": lambda r, key: r.randint(key, (20,), 0, 256, "uint8"),
    "randint all of int32": lambda r, key: r.randint(key, (20,), -(2**31), 2**31, "int32"),
    "randint all of uint32": lambda r, key: r.randint(key, (20,), 0, 2**32, "uint32"),
    "randint beyond int8": lambda r, key: r.randint(key, (50,), -1000, 1000, "int8"),
    "randint from 5 beyond uint8": lambda r, key: r.randint(key, (50,), 5, 10**6, "uint8"),
    "randint beyond int16": lambda r, key: r.randint(
        key, (50,), np.array([-40000]), np.array([40000]), "int16"
    ),
    "randint beyond int32": lambda r, key: r.randint(key, (50,), -(2**40), 2**40, "int32"),
    "randint nearly all of int64": lambda r, key: r.randint(key, (20,), -(2**63), 2**63 - 1),
    "permutation": lambda r, key: r.permutation(key, 30),
    "permutation of rows": lambda r, key: r.permutation(key, MATRIX),
    "permutation of columns": lambda r, key: r.permutation(key, MATRIX, axis=-1),
    "permutation of each": lambda r, key: r.permutation(key, MATRIX, axis=1, independent=True),
    "choice": lambda r, key: r.choice(key, 10, (3, 2)),
    "choice of columns": lambda r, key: r.choice(key, MATRIX, (3, 2), axis=1),
    "choice of one": lambda r, key: r.choice(key, P),
    "choice without replacement": lambda r, key: r.choice(key, MATRIX, (3,), False, axis=1),
    "choice by weight": lambda r, key: r.choice(key, 6, (20,), p=P),
    "choice by weight, distinct": lambda r, key: r.choice(key, MATRIX, (4,), False, P, axis=1),
    "categorical": lambda r, key: r.categorical(key, LOGITS),
    "categorical along columns": lambda r, key: r.categorical(key, LOGITS, axis=0, shape=(7, 6)),
    "categorical high": lambda r, key: r.categorical(key, LOGITS, mode="high"),
    "categorical, distinct": lambda r, key: r.categorical(key, LOGITS, 0, (3, 6), replace=False),
    "normal complex64": lambda r, key: r.normal(key, (4,), "complex64"),
    "normal complex128": lambda r, key: r.normal(key, (4,), "complex128"),
}
for _name in ("uint8", "uint16", "uint32", "uint64"):
    CASES[f"bits {_name}"] = lambda r, key, name=_name: r.bits(key, (3, 3), name)
for _name in INTEGERS:
    CASES[f"randint {_name}"] = lambda r, key, name=_name: r.randint(key, (4, 5), 3, 100, name)
    CASES[f"randint 0-d {_name}"] = lambda r, key, name=_name: r.randint(key, (), 3, 100, name)
for _name in FLOATS:
    CASES[f"uniform {_name}"] = lambda r, key, name=_name: r.uniform(key, (4, 3), name)
    CASES[f"uniform 0-d {_name}"] = lambda r, key, name=_name: r.uniform(key, (), name)
    CASES[f"uniform within {_name}"] = lambda r, key, name=_name: r.uniform(
        key, (4, 3), name, np.array([[-1.0], [2.0], [0.0], [-7.0]]), np.array([3.0, 4.0, 5.0])
    )
    CASES[f"normal {_name}"] = lambda r, key, name=_name: r.normal(key, (4, 5), name)
for _name in FLOATS[1:]:
    for _sampler in ("exponential", "gumbel", "laplace", "logistic", "cauchy", "maxwell"):
        CASES[f"{_sampler} {_name}"] = lambda r, key, sampler=_sampler, name=_name: getattr(
            r, sampler
        )(key, (4, 5), name)
    for _sampler, _parameters in {
        "truncated_normal": (-1.0, np.array([[0.5], [9.0]])),
        "lognormal": (0.5,),
        "pareto": (np.array([1.0, 2.0, 3.0]),),
        "rayleigh": (2.0,),
        "weibull_min": (2.0, 3.0),
        "triangular": (-1.0, np.array([-0.5, 0.0, 2.0]), 3.0),
    }.items():
        _typed = [np.asarray(x, _name) for x in _parameters]
        CASES[f"{_sampler} {_name}"] = (
            lambda r, key, sampler=_sampler, parameters=_typed, name=_name: getattr(r, sampler)(
                key, *parameters, shape=(2, 3), dtype=name
            )
        )
    CASES[f"gumbel high {_name}"] = lambda r, key, name=_name: r.gumbel(key, (4,), name, "high")
