"""What a solver reports, and what happens where it has not converged."""

from __future__ import annotations

import warnings
from typing import Any, NamedTuple

import numpy as np

import fxad.numpy as fnp
from fxad.backends import device_get
from fxad.core.source import error
from fxad.errors import ArgumentValueError, ConvergenceError
from fxad.extend import Operation, define_primitive

ON_FAILURE = ("raise", "warn", "nan")


class Info(NamedTuple):
    """How a solver ended; batched under ``vmap``.

    Example:
      >>> import fxad
      >>> x, info = fxad.implicit.fixed_point(lambda x: 0.5 * x + 1, 0.0, return_info=True)
      >>> bool(info.converged), float(info.residual) < 1e-11
      (True, True)
    """

    #: The number of steps.
    iterations: Any
    #: What is held against ``tol``; NaN where the iteration broke down.
    residual: Any
    #: Whether it is at most ``tol``.
    converged: Any


def check_on_failure(operation: str, on_failure: str) -> None:
    """Refuses an unknown way to fail."""
    if on_failure not in ON_FAILURE:
        raise error(
            ArgumentValueError,
            operation,
            f"got on_failure={on_failure!r}, wanted 'raise', 'warn' or 'nan'",
        )


def _require_impl(
    xp: Any,
    x: Any,
    residual: Any,
    iterations: Any,
    *,
    tol: float,
    operation: str,
    what: str,
    warn: bool,
) -> Any:
    found, steps = np.asarray(device_get(residual)), np.asarray(device_get(iterations))
    failed = ~(found <= tol)
    if failed.any():
        worst = found[failed].flat[0] if np.isnan(found[failed]).any() else found[failed].max()
        count = f" in {failed.sum()} of {failed.size} examples" if failed.ndim else ""
        problem = (
            f"got no {what}{count} after {steps.max(initial=0)} steps: the residual is "
            f"{worst:.3g}, wanted at most {tol:.3g}"
        )
        way_out = (
            "Begin nearer, raise maxiter or tol, or choose another method or linear_solver; "
            "return_info=True and on_failure='nan' do not raise."
        )
        failure = error(ConvergenceError, operation, problem, way_out)
        if not warn:
            raise failure
        warnings.warn(str(failure), stacklevel=2)
    return x


# The identity of x, which is computed only where the residual is small enough: it stands between a
# solver and what uses the solution, so that it runs under ``jit`` and ``vmap`` too.
_require: Operation = define_primitive(
    "require_convergence",
    _require_impl,
    abstract=lambda x, residual, iterations, **params: x.strong(),
    jvp=[lambda t, out, *args, **params: t, None, None],
    batch=lambda size, args, dims, **params: (_require(*args, **params), dims[0]),
    cost=lambda *avals, **params: 0.0,
)


def require_convergence(
    x: Any, info: Info, tol: float, on_failure: str, operation: str, what: str
) -> Any:
    """``x`` itself where a solver has converged; else an error, a warning or NaN.

    Args:
      x: an array.
      info: of the solver that found it.
      tol: what the residual was to be.
      on_failure: ``"raise"``, ``"warn"`` or ``"nan"``.
      operation: what the user called.
      what: what the solver was to find, for the message.
    """
    if on_failure == "nan":
        return fnp.where(info.converged, x, np.nan)
    warn = on_failure == "warn"
    return _require(
        x, info.residual, info.iterations, tol=tol, operation=operation, what=what, warn=warn
    )
