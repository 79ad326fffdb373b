"""What fxad costs per operation: under `grad`, and on plain arrays where it only passes on."""

import numpy as np

import fxad.numpy as fnp
from benchmarks.libraries import libraries
from benchmarks.race import assert_same_numbers
from benchmarks.report import Row
from benchmarks.workloads import CHAIN, chain


def test_one_primitive_under_grad(race, report):
    calls = {library.name: library.gradient(chain, 0.5)
             for library in libraries("fxad", "autograd", "torch")}
    assert_same_numbers(calls, rtol=1e-12)
    times = {name: 1e6 * seconds / CHAIN for name, seconds in race(calls).items()}
    report.add(Row("one primitive under grad, forward and backward (chain of 1000)", "µs", times,
                   "fxad, µs per primitive", times["fxad"], 12.0))


def plain_calls():
    """Name to (fxad's call, NumPy's call) on small plain arrays."""
    x = np.linspace(0.1, 0.9, 12).reshape(3, 4)
    cases = {
        "sin": (x,), "add": (x, x), "multiply": (x, 2.0), "where": (x > 0.5, x, -x),
        "sum": (x,), "mean": (x, 0), "max": (x,), "matmul": (x, x.T), "dot": (x, x.T),
        "reshape": (x, (4, 3)), "transpose": (x,), "concatenate": ([x, x],), "stack": ([x, x],),
        "clip": (x, 0.2, 0.8), "zeros": ((3, 4),), "einsum": ("ij,kj->ik", x, x),
        "argsort": (x,),
    }
    bind = lambda namespace, name, arguments: lambda: getattr(namespace, name)(*arguments)  # noqa: E731
    return {name: (bind(fnp, name, arguments), bind(np, name, arguments))
            for name, arguments in cases.items()}


def test_plain_arrays_through_fxad_numpy(race, report):
    pairs = plain_calls()
    for mine, theirs in pairs.values():
        assert_same_numbers({"numpy": theirs, "fxad": mine}, rtol=0)
    calls = {f"{library} {name}": call for name, pair in pairs.items()
             for library, call in zip(("fxad", "numpy"), pair, strict=True)}
    times = race(calls, seconds=6.0)
    over = {name: 1e6 * (times[f"fxad {name}"] - times[f"numpy {name}"]) for name in pairs}
    report.add(Row("fxad.numpy on plain arrays: time over NumPy's own call", "µs", over,
                   "the most", max(over.values()), 1.0))
