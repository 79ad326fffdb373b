"""Computation follows data, for every operation: on the device of CONTRIBUTING's backend recipe.

It has no hardware, so this runs everywhere; NumPy cannot see into its arrays, so what comes back as
one was computed there from the start. It is a wall around NumPy and no stand-in for CuPy: it knows
none of CuPy's signatures, dtypes or values. ``test_cupy.py`` and ``test_cupy_accepts.py`` ask CuPy
for the first two without a GPU, and the tests marked ``gpu`` for all three with one.
"""

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import fxad
import fxad.lax as lax
import fxad.numpy as fnp
import fxad.tree as tree
from tests.backends.elsewhere import away, fake, infos
from tests.opinfo import OpInfo, SampleInput, explained

SAMPLES = 4


def assert_there(out: Any) -> None:
    assert {type(x) for x in tree.leaves(out)} <= {fake.FakeArray}


def transformed(info: OpInfo, sample: SampleInput) -> list[Callable[..., Any]]:
    def call(*args: Any) -> Any:
        return info.op(*args, **sample.kwargs)

    functions = [call, fxad.jit(call)] if info.vectorizes else [call]
    floats = [i for i, arg in enumerate(sample.args) if only_float64(arg)]
    if sample.argnums is not None:
        floats = [i for i in floats if i in sample.argnums]
    out = tree.leaves(fxad.eval_shape(call, *sample.args)) if info.vectorizes else []
    if not (info.order and floats and any(x.dtype.kind in "fc" for x in out)):
        return functions

    def total(*args: Any) -> Any:
        leaves = [x for x in tree.leaves(call(*args)) if np.dtype(x.dtype).kind in "fc"]
        return sum((x * x.conj()).real.sum() for x in leaves)

    def steepness(*args: Any) -> Any:
        return sum((g * g).sum() for g in tree.leaves(fxad.grad(total, tuple(floats))(*args)))

    return [
        *functions,
        fxad.grad(total, tuple(floats)),
        fxad.jit(fxad.grad(total, tuple(floats))),
        fxad.grad(steepness, tuple(floats)),
    ]


def only_float64(arg: Any) -> bool:
    leaves = tree.leaves(arg)
    return bool(leaves) and all(getattr(x, "dtype", None) == np.float64 for x in leaves)


@pytest.mark.filterwarnings("ignore::RuntimeWarning")
@pytest.mark.parametrize("info", infos(), ids=str)
def test_results_are_where_operands_are(info, rng):
    dtype = next((d for d in ("float64", "int64") if d in info.dtypes), info.dtypes[0])
    for sample in list(info.samples(rng, np.dtype(dtype)))[:SAMPLES]:
        args = [away(arg) for arg in sample.args]
        if not any(isinstance(x, fake.FakeArray) for x in tree.leaves(args)):
            continue
        with explained(info, sample):
            for function in transformed(info, sample):
                assert_there(function(*args))
            there, here = info.op(*args, **sample.kwargs), info.run(sample)
            for x, y in zip(tree.leaves(there), tree.leaves(here), strict=True):
                # An operation computes the same; what stands for NumPy's functions may round
                # otherwise than they do.
                rtol = 1e-13 if info.name.startswith("numpy.") else 0
                np.testing.assert_allclose(fake.get(x), y, rtol)


@pytest.mark.filterwarnings("ignore::RuntimeWarning")
@pytest.mark.parametrize("info", infos(), ids=str)
def test_arrays_of_the_host_stay_there(info, rng, monkeypatch):
    """Also where new arrays go elsewhere: what an operation makes for itself follows its data."""
    dtype = next((d for d in ("float64", "int64") if d in info.dtypes), info.dtypes[0])
    for sample in list(info.samples(rng, np.dtype(dtype)))[:SAMPLES]:
        if not any(isinstance(x, np.ndarray) for x in tree.leaves(sample.args)):
            continue
        functions = transformed(info, sample)
        with explained(info, sample), monkeypatch.context() as patched:
            patched.setattr("fxad.backends.registry.default_backend", lambda: "fake")
            for function in functions:
                kinds = {type(x) for x in tree.leaves(function(*sample.args))}
                assert fake.FakeArray not in kinds


def test_a_result_elsewhere_would_be_seen():
    with pytest.raises(AssertionError):
        assert_there(fxad.device_get(away(np.ones(3))))


def test_numbers_become_arrays_where_the_others_are():
    """Python numbers and constants that a program reshapes, repeats or stacks first."""

    def f(x, number):
        pair = fnp.stack([number, 2.0])
        return x * pair + fnp.reshape(number, (1,)) + lax.broadcast(0.5, (2,))

    x = away(np.ones(2))
    for function in (fxad.jit(f), fxad.grad(lambda *args: fxad.jit(f)(*args).sum())):
        assert_there(function(x, 3.0))
    assert fake.get(fxad.jit(f)(x, 3.0)).tolist() == [6.5, 5.5]


@fxad.custom_vjp
def _square_and_triple(x: Any) -> Any:
    return x * x, 3.0 * x


def _pull_both(x: Any, cts: Any) -> Any:
    return (cts[0] * x * 2.0 + cts[1] * 3.0,)


_square_and_triple.defvjp(lambda x: (_square_and_triple(x), x), _pull_both)

TRANSFORMED: dict[str, Callable[[Any], Any]] = {
    "jacfwd of the identity": fxad.jacfwd(lambda x: x),
    "jacrev of the identity": fxad.jacrev(lambda x: x),
    "jacrev of a constant": fxad.jacrev(lambda x: x * 0.0 + away(np.ones(3))),
    "hessian": fxad.hessian(lambda x: fnp.sum(x**3)),
    "hvp of a linear function": lambda x: fxad.hvp(fnp.sum, x, x),
    "linear_transpose where nothing is read": lambda x: fxad.linear_transpose(
        lambda x, y: 2.0 * x, x, x
    )(x),
    "gradient by what is not read": fxad.grad(lambda x: fnp.sum(away(np.ones(2)))),
    "custom_vjp with a zero cotangent": fxad.grad(lambda x: fnp.sum(_square_and_triple(x)[0])),
    "forward mode through custom_vjp": lambda x: fxad.jvp(_square_and_triple, (x,), (x,)),
    "checkpoint": fxad.grad(lambda x: fnp.sum(fxad.checkpoint(fnp.sin)(x))),
    "vmap": fxad.vmap(fxad.grad(lambda x: x * x)),
}


@pytest.mark.parametrize("name", TRANSFORMED)
def test_zeros_and_unit_vectors_of_transformations_are_there_too(name):
    x = away(np.array([1.0, 2.0, 3.0]))
    with fxad.config.override(strict_devices=True):
        assert_there(TRANSFORMED[name](x))
