"""A NumPy call with its float arrays traced, beside the plain call."""

import warnings
from collections.abc import Callable
from typing import Any

import numpy as np

import fxad


def is_traced(x: Any) -> bool:
    return isinstance(x, np.ndarray) and x.dtype.kind in "fc"


def traced(function: Callable[..., Any], *args: Any, transform: str = "jvp") -> Any:
    """What a function gives while all of its float arrays are traced by a transformation."""
    places = [i for i, a in enumerate(args) if is_traced(a)]

    def of_arrays(*arrays: Any) -> Any:
        full = list(args)
        for i, x in zip(places, arrays, strict=True):
            full[i] = x
        return function(*full)

    arrays = tuple(args[i] for i in places)
    if transform == "jvp":
        return fxad.jvp(of_arrays, arrays, tuple(map(np.ones_like, arrays)))[0]
    if transform == "jit":
        return fxad.jit(of_arrays)(*arrays)
    batched = fxad.vmap(of_arrays)(*(np.stack([x, x + 1]) for x in arrays))
    return fxad.tree.map(lambda y: y[0], batched)


def check(
    function: Callable[..., Any], *args: Any, transform: str = "jvp", rtol: float = 1e-13
) -> None:
    """The traced call has the plain call's structure, values, shapes and dtypes."""
    with warnings.catch_warnings():
        # NumPy warns where the traced function does as well.
        warnings.simplefilter("ignore")
        wanted = function(*args)
        got = traced(function, *args, transform=transform)
    wanted = list(wanted) if isinstance(wanted, list | tuple) else [wanted]
    got = list(got) if isinstance(got, list | tuple) else [got]
    assert len(got) == len(wanted)
    for a, b in zip(got, wanted, strict=True):
        assert np.asarray(a).dtype == np.asarray(b).dtype
        np.testing.assert_allclose(a, b, rtol=rtol, atol=1e-14)
