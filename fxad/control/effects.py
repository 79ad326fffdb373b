"""Where effects have no meaning: computed for examples that do not want them, or a second time."""

from __future__ import annotations

from collections.abc import Iterable

from fxad.core.jaxpr import ClosedJaxpr
from fxad.core.source import error
from fxad.errors import CallbackBatchingError, CallbackDifferentiationError


def refuse_io_of_all_examples(operation: str, jaxprs: Iterable[ClosedJaxpr]) -> None:
    """What differs between examples is computed for all of them: calls to the world are not.

    Raises:
      CallbackBatchingError: a jaxpr has an ``io_callback``.
    """
    if any("io" in jaxpr.effects() for jaxpr in jaxprs):
        raise error(
            CallbackBatchingError,
            operation,
            f"got an io_callback in a {operation} whose condition differs between the examples of "
            "a vmap: IO effect not supported there, since all examples would call it",
            "Call it with fxad.pure_callback or fxad.debug.callback, call it outside and return "
            "what it needs, or loop over the examples with fxad.lax.map.",
        )


def refuse_io_twice(operation: str, jaxpr: ClosedJaxpr) -> None:
    """What is computed a second time for a derivative must come out the same.

    Raises:
      CallbackDifferentiationError: the jaxpr has an ``io_callback``.
    """
    if "io" in jaxpr.effects():
        raise error(
            CallbackDifferentiationError,
            operation,
            f"got an io_callback in {operation}: Effects not supported in what is computed twice, "
            "a second time for the derivative",
            "Call it outside and pass what it returned, or call it with fxad.pure_callback.",
        )
