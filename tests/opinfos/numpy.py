"""NumPy's functions under their own names, at calls of ``tests/numpy/samples``.

What ``tests/numpy/test_against_numpy.py`` holds to NumPy call by call is held here to what every
entry of the table must do: derivatives of second order, precision, memory, batches of gradients.
"""

import itertools
import warnings
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Any

import numpy as np

import fxad.tree
from tests.numpy.samples import SAMPLES
from tests.numpy.samples.call import Call
from tests.numpy.test_against_numpy import arrays_in, of, outcome, replaced, samples_of
from tests.opinfo import OpInfo, SampleInput, Samples

#: How many calls of a function for real numbers, and for complex ones.
CALLS = 3
#: Functions that jump where values meet the bound of a bin, or one another.
STEPS = {
    "around", "round", "histogram", "histogram2d", "histogramdd", "histogram_bin_edges",
    "setxor1d", "intersect1d",
}  # fmt: skip
#: Functions whose results depend on what rounding leaves of a zero: each precision has its own.
BY_ROUNDING = {"polydiv"}
REAL, COMPLEX = ("float32", "float64"), ("complex64", "complex128")


def _arrays(call: Call) -> list[Any]:
    return list(arrays_in([call.args, call.kwargs]))


# Which calls -----------------------------------------------------------------------------------


def _fits(reference: Callable[..., Any], call: Call, wide: str) -> bool:
    """Whether a call has a smooth, finite result, and operands of one double precision."""
    if call.rough or call.wrong or call.alike or _has_python_floats(call.args):
        return False
    arrays = _arrays(call)
    dtypes = [x.dtype for x in arrays if x.dtype.kind in "fc"]
    if not dtypes or any(d != wide for d in dtypes) or "dtype" in call.kwargs:
        return False
    with warnings.catch_warnings(), np.errstate(all="ignore"):
        warnings.simplefilter("ignore")
        out = fxad.tree.leaves(outcome(reference, call))
    floats = [y for y in out if isinstance(y, np.ndarray | np.generic) and y.dtype.kind in "fc"]
    return (
        bool(floats)
        and all(isinstance(y, np.ndarray | np.generic) for y in out)
        and all(x.size for x in [*arrays, *out])
        and all(y.dtype in (wide, np.float64) and np.isfinite(y).all() for y in floats)
    )


def _has_python_floats(args: Sequence[Any]) -> bool:
    """Whether there is a list of them, which is float64 whatever is beside it."""
    lists = [x for x in args if type(x) is list and not list(arrays_in(x))]
    return any(type(y) in (float, complex) for y in fxad.tree.leaves(lists))


def _traits(call: Call) -> set[Any]:
    """What tells a call from others: how many operands and axes, NaN, and each option."""
    arrays = _arrays(call)
    options = {(i, repr(x)) for i, x in enumerate(call.args) if not list(arrays_in(x))}
    options |= {(name, repr(x)) for name, x in call.kwargs.items() if not list(arrays_in(x))}
    shapes = {(i, x.ndim, bool(np.isnan(x).any())) for i, x in enumerate(arrays)}
    return {len(arrays), *shapes, *options}


def _chosen(calls: Iterable[Call]) -> list[Call]:
    """The calls that differ most from one another; large ones first."""
    left = sorted(calls, key=lambda call: -sum(1 + x.ndim for x in _arrays(call)))
    chosen: list[Call] = []
    seen = set[Any]()
    while left and len(chosen) < CALLS:
        news = [len(_traits(call) - seen) for call in left]
        chosen.append(left.pop(news.index(max(news))))
        seen |= _traits(chosen[-1])
    return chosen


def _stays_narrow(reference: Callable[..., Any], call: Call) -> bool:
    """Whether NumPy itself keeps single precision, which some functions do not."""
    arrays = [x.astype(_NARROW.get(x.dtype, x.dtype)) for x in _arrays(call)]
    with warnings.catch_warnings(), np.errstate(all="ignore"):
        warnings.simplefilter("ignore")
        out = fxad.tree.leaves(_rebuilt(reference)(*arrays, call=call))
    return not any(y.dtype in _NARROW for y in out)


_NARROW = {np.dtype(wide): np.dtype(narrow) for narrow, wide in (REAL, COMPLEX)}


# Their entries ---------------------------------------------------------------------------------


def _rebuilt(function: Callable[..., Any]) -> Callable[..., Any]:
    """A function of the arrays of a call."""

    def of_arrays(*arrays: Any, call: Call) -> Any:
        args, kwargs = replaced((call.args, call.kwargs), iter(arrays))
        return function(*args, **kwargs)

    return of_arrays


def _has_ties(call: Call) -> bool:
    """Whether an array holds a number twice, where sorts and extrema have kinks."""
    floats = [x[~np.isnan(x)] for x in _arrays(call) if x.dtype.kind in "fc"]
    return any(np.unique(x).size < x.size for x in floats)


def _samples(real: Sequence[Call], complex_: Sequence[Call], smooth: bool) -> Samples:
    """The calls with their arrays moved a little, so that each draw differs."""

    def samples(rng: np.random.Generator, dtype: np.dtype[Any]) -> Iterator[SampleInput]:
        for call in complex_ if dtype.kind == "c" else real:
            arrays = [
                np.asarray(x * (1 - 0.05 * rng.random()), dtype) if x.dtype.kind in "fc" else x
                for x in _arrays(call)
            ]
            yield SampleInput(tuple(arrays), {"call": call}, smooth and not _has_ties(call))

    return samples


def _entry(name: str) -> OpInfo | None:
    function, reference = of(name)
    if isinstance(reference, np.ufunc):
        return None
    calls = samples_of(name, staged=True)
    fitting = [[c for c in calls if _fits(reference, c, wide)] for wide in (REAL[1], COMPLEX[1])]
    # What needs values in every call, which jit and vmap refuse, is held to the rest.
    vectorizes = any(not c.by_value for c in itertools.chain(*fitting))
    fitting = [[c for c in some if c.by_value != vectorizes] for some in fitting]
    narrow = [[c for c in some if _stays_narrow(reference, c)] for some in fitting]
    keeps_precision = [bool(some) for some in narrow] == [bool(some) for some in fitting]
    real, complex_ = map(_chosen, narrow if keeps_precision else fitting)
    if not (real or complex_):
        return None
    dtypes = (*(REAL if real else ()), *(COMPLEX if complex_ else ()))
    return OpInfo(
        f"numpy.{name}",
        _rebuilt(function),
        _rebuilt(reference),
        _samples(real, complex_, name not in STEPS),
        dtypes[1::2] if name in BY_ROUNDING else dtypes,
        tolerance=40,
        vectorizes=vectorizes,
        keeps_precision=keeps_precision,
    )


TABLE = tuple(
    entry
    for name in SAMPLES
    if not name.startswith(("ndarray.", "operator.")) and (entry := _entry(name))
)
