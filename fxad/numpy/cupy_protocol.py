"""CuPy's own functions on tracers: CuPy asks every operand of a kernel for one method."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

import fxad.ops.special as special
from fxad.core.aval import describe
from fxad.core.source import error
from fxad.errors import ArgumentTypeError
from fxad.numpy.dispatch import TABLE, refuse_out

# Longest first: cupyx.scipy.special names some of its kernels with its own name, some without.
_PREFIXES = ("cupyx_scipy_special_", "cupyx_scipy_", "cupy_")
# What NumPy lacks, by the name of CuPy's kernel.
_SPECIAL: dict[str, Callable[[Any], Any]] = {
    "erf": special.erf,
    "erfc": special.erfc,
    "erfinv": special.erf_inv,
    "gammaln": special.lgamma,
    "digamma": special.digamma,
    "expit": special.logistic,
}


def _implementation(name: str) -> Callable[..., Any] | None:
    """What does the work of a kernel of CuPy, by its name: ``cupy_sin`` is NumPy's ``sin``."""
    for prefix in _PREFIXES:
        if name.startswith(prefix):
            name = name.removeprefix(prefix)
            break
    return _SPECIAL.get(name) or TABLE.get(getattr(np, name, None))


def override_elementwise_kernel(
    self: Any, kernel: Any, *args: Any, out: Any = None, **kwargs: Any
) -> Any:
    """CuPy's ufuncs and elementwise kernels; an in-place operator hands its array as an output."""
    name = str(kernel.name)
    implementation = _implementation(name)
    if implementation is None:
        raise error(
            ArgumentTypeError,
            name,
            f"got {describe(self)} while it is traced, and fxad has no rule for this CuPy kernel",
            "Write it with the functions of fxad.numpy, or leave the transformed function.",
        )
    written = out is not None or len(args) > kernel.nin
    refuse_out(name, "an array" if written else None)
    return implementation(*args, **{key: v for key, v in kwargs.items() if v is not None})
