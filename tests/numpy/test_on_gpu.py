"""Functions whose results depend on values, and calls that mix GPU arrays with lists: on CuPy.

``test_ops.py`` runs the table of operations on a GPU; here are the calls that read what they get.
"""

import importlib
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import fxad
import fxad.numpy as fnp
import fxad.tree as tree

rng = np.random.default_rng(0)
COUNTS, V = np.array([3, 1, 2, 1, 0, 3]), np.array([0.0, 1.0, 2.0, 0.0, 0.0])
M, MASK = rng.normal(size=(3, 4)), np.array([True, False, True])
SOME = np.array([0, 2])

#: Each gets a function that puts an array of NumPy on the device of the run.
CALLS: dict[str, Callable[[Callable[[Any], Any]], Any]] = {
    "bincount": lambda on: fnp.bincount(on(COUNTS)),
    "bincount, weights": lambda on: fnp.bincount(on(COUNTS), [1.0, 2.0, 3.0, 4.0, 5.0, 6.0]),
    "delete": lambda on: fnp.delete(on(M), on(SOME), 0),
    "insert": lambda on: fnp.insert(on(M), on(SOME), 7.0, 0),
    "repeat": lambda on: fnp.repeat(on(M), on(np.array([0, 1, 2])), 0),
    "trim_zeros": lambda on: fnp.trim_zeros(on(V)),
    "unique": lambda on: fnp.unique(on(COUNTS), True, True, True),
    "intersect1d": lambda on: fnp.intersect1d(on(COUNTS), [1, 2, 9], return_indices=True),
    "setdiff1d": lambda on: fnp.setdiff1d(on(COUNTS), [1, 2]),
    "setxor1d": lambda on: fnp.setxor1d(on(COUNTS), [1, 9]),
    "union1d": lambda on: fnp.union1d(on(COUNTS), [1, 9]),
    "isin": lambda on: fnp.isin(on(COUNTS), [1, 9]),
    "ix_": lambda on: on(M)[fnp.ix_(on(MASK), [0, 1])],
    "digitize": lambda on: fnp.digitize(on(V), [0.5, 1.5]),
    "nonzero": lambda on: fnp.nonzero(on(V)),
    "argwhere": lambda on: fnp.argwhere(on(M) > 0),
    "histogram, edges": lambda on: fnp.histogram(on(M), bins=on(np.array([-2.0, 0.0, 2.0]))),
    "histogram, list": lambda on: fnp.histogram(on(M), bins=[-2.0, 0.0, 2.0]),
    "histogram, rule": lambda on: fnp.histogram(on(M), bins="auto"),
    "quantile": lambda on: fnp.quantile(on(M), on(np.array([0.2, 0.5])), axis=1),
    "compress": lambda on: fnp.compress(on(MASK), on(M), 0),
    "select": lambda on: fnp.select([on(M) > 0, on(M) < -1], [on(M), 2.0], 9.0),
    "choose": lambda on: fnp.choose(on(COUNTS[1:5] % 2), [on(M[0]), M[1].tolist()]),
    "where, Python condition": lambda on: fnp.where(True, on(M), 0.0),
    "interp": lambda on: fnp.interp(on(V), [0.0, 1.0, 2.0], [3.0, 4.0, 5.0]),
    "polydiv": lambda on: fnp.polydiv(on(np.array([1.0, 3.0, 2.0])), [1.0, 1.0]),
    "polymul": lambda on: fnp.polymul(on(V), [0.0, 2.0, 1.0]),
    "convolve": lambda on: fnp.convolve(on(V), [1.0, 2.0]),
    "pad": lambda on: fnp.pad(on(M), 1, mode="reflect", reflect_type="odd"),
    "imag": lambda on: fnp.imag(on(M)),
    "astype": lambda on: fnp.astype(on(M), np.float32),
    "permutation": lambda on: fxad.random.permutation(on(np.array([1, 2], np.uint32)), 6),
    "mask under grad": lambda on: fxad.grad(lambda x: fnp.sum(x[x > 0] ** 2))(on(M)),
    "unique under grad": lambda on: fxad.grad(lambda x: fnp.sum(fnp.unique(x) ** 2))(on(M)),
    "tril under grad": lambda on: fxad.grad(lambda x: fnp.sum(fnp.tril(x) ** 2))(on(M)),
}


@pytest.mark.gpu
@pytest.mark.parametrize("name", CALLS)
def test_values_are_numpys_and_stay_on_the_gpu(name):
    cupy = importlib.import_module("cupy")
    ours, theirs = CALLS[name](cupy.asarray), CALLS[name](lambda x: x)
    for x, y in zip(tree.leaves(ours), tree.leaves(theirs), strict=True):
        assert isinstance(x, cupy.ndarray)
        assert isinstance(y, np.ndarray | np.generic)
        assert (x.dtype, x.shape) == (y.dtype, np.shape(y))
        np.testing.assert_allclose(cupy.asnumpy(x), y, rtol=1e-12, atol=1e-12)


@pytest.mark.parametrize("name", CALLS)
def test_calls_work_on_the_host(name):
    assert tree.leaves(CALLS[name](lambda x: x))
