"""NumPy's functions under their own names, at calls of ``tests/numpy/samples``.

What ``tests/numpy/test_against_numpy.py`` holds to NumPy call by call is held here to what every
entry of the table must do: derivatives of second order, precision, memory, batches of gradients.
"""

import operator
import warnings
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Any

import numpy as np

import fxad.numpy as fnp
import fxad.tree
from tests.numpy.samples import SAMPLES
from tests.numpy.samples.call import Call
from tests.numpy.test_against_numpy import arrays_in, outcome, replaced
from tests.opinfo import OpInfo, SampleInput, Samples

#: How many calls of a function: those with most operands and dimensions.
CALLS = 3
#: Functions whose shapes or dtypes NumPy lets depend on values.
BY_VALUE = {"polydiv", "roots"}
#: Functions with a kink or jump wherever a value meets a bound of its bin.
STEPS = {"around", "round", "histogram", "histogram2d", "histogramdd", "histogram_bin_edges"}
DTYPES = ("float32", "float64", "complex64", "complex128")


def _arrays(call: Call) -> list[Any]:
    return list(arrays_in([call.args, call.kwargs]))


def _fits(reference: Callable[..., Any], call: Call, kind: str) -> bool:
    """Whether a call has a smooth, finite result, and operands of one kind in double precision."""
    if call.rough or call.wrong or call.by_value or call.alike:
        return False
    dtypes = [x.dtype for x in _arrays(call) if x.dtype.kind in "fc"]
    wide = np.dtype(np.float64 if kind == "f" else np.complex128)
    if not dtypes or any(d != wide for d in dtypes) or "dtype" in call.kwargs:
        return False
    with warnings.catch_warnings(), np.errstate(all="ignore"):
        warnings.simplefilter("ignore")
        out = fxad.tree.leaves(outcome(reference, call))
    return bool(out) and all(_is_array(y, (wide, np.float64)) and np.isfinite(y).all() for y in out)


def _is_array(y: Any, dtypes: Sequence[Any]) -> bool:
    return isinstance(y, np.ndarray | np.generic) and y.dtype in dtypes


def _stays_narrow(reference: Callable[..., Any], calls: Iterable[Call], dtype: Any) -> bool:
    """Whether NumPy itself keeps single precision, which some functions do not."""
    for call in calls:
        arrays = [x.astype(dtype) if x.dtype.kind in "fc" else x for x in _arrays(call)]
        out = fxad.tree.leaves(_rebuilt(reference)(*arrays, call=call))
        if not all(_is_array(y, (np.float32, np.complex64)) for y in out):
            return False
    return True


def _chosen(reference: Callable[..., Any], calls: Iterable[Call], kind: str) -> list[Call]:
    fitting = [call for call in calls if _fits(reference, call, kind)]
    weight = [sum(1 + x.ndim for x in _arrays(call)) for call in fitting]
    order = sorted(range(len(fitting)), key=lambda i: -weight[i])
    return [fitting[i] for i in sorted(order[:CALLS])]


def _has_ties(call: Call) -> bool:
    """Whether an array holds a value twice, where sorts and extrema have kinks."""
    return any(np.unique(x).size < x.size for x in _arrays(call) if x.dtype.kind in "fc")


def _samples(calls: dict[str, list[Call]], smooth: bool) -> Samples:
    """The calls with their arrays moved a little, so that each draw differs."""

    def samples(rng: np.random.Generator, dtype: np.dtype[Any]) -> Iterator[SampleInput]:
        for call in calls["c" if dtype.kind == "c" else "f"]:
            arrays = [
                np.asarray(x * (1 - 0.05 * rng.random()), dtype) if x.dtype.kind in "fc" else x
                for x in _arrays(call)
            ]
            yield SampleInput(tuple(arrays), {"call": call}, smooth and not _has_ties(call))

    return samples


def _rebuilt(function: Callable[..., Any]) -> Callable[..., Any]:
    def of_arrays(*arrays: Any, call: Call) -> Any:
        args, kwargs = replaced((call.args, call.kwargs), iter(arrays))
        return function(*args, **kwargs)

    return of_arrays


def _entries() -> Iterator[OpInfo]:
    for name, calls in SAMPLES.items():
        function, reference = (operator.attrgetter(name)(module) for module in (fnp, np))
        if isinstance(reference, np.ufunc) or name in BY_VALUE:
            continue
        by_kind = {kind: _chosen(reference, calls, kind) for kind in "fc"}
        dtypes = tuple(d for d in DTYPES if by_kind["c" if d.startswith("c") else "f"])
        narrow = _stays_narrow(reference, by_kind["f"], np.float32) and _stays_narrow(
            reference, by_kind["c"], np.complex64
        )
        if dtypes:
            yield OpInfo(
                f"numpy.{name}",
                _rebuilt(function),
                _rebuilt(reference),
                _samples(by_kind, name not in STEPS),
                dtypes,
                tolerance=40,
                keeps_precision=narrow,
            )


TABLE = tuple(_entries())
