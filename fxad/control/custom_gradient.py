"""``custom_gradient``: a value and the function that pulls its cotangent back, in one function."""

from __future__ import annotations

import functools
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

import fxad.tree as tree
from fxad.control.custom import describe_result
from fxad.control.custom_vjp import custom_vjp
from fxad.core.aval import aval_of, float0, tangent_aval
from fxad.core.source import error
from fxad.core.staging import hoist, stage
from fxad.core.trace import Tracer
from fxad.errors import StructureError
from fxad.transforms.common import check_callable
from fxad.tree_util import Partial


class _CustomGradient(custom_vjp):
    kind = "custom_gradient"
    way_out = "Close over what is not an array."


def custom_gradient(fun: Callable[..., Any]) -> Callable[..., Any]:
    """A function that says itself how a cotangent of its value is pulled back.

    A ``custom_vjp`` in one piece: what ``fun`` computes on the way is there for the pullback, by
    closure. Forward mode and higher derivatives are those of the pullback.

    Args:
      fun: ``fun(*args) -> (value, pull)``; ``pull(ct)`` takes a cotangent of ``value`` and returns
        a tuple with a cotangent for each argument, or for one argument the cotangent alone.

    Returns:
      A function of the same arguments that returns the value.

    Raises:
      StructureError: ``fun`` returned something else than such a pair, or ``pull`` something that
        does not match the arguments.

    Example:
      >>> import numpy as np, fxad
      >>> @fxad.custom_gradient
      ... def log1pexp(x):
      ...     e = np.exp(x)
      ...     return np.log(1 + e), lambda ct: ct * (1 - 1 / (1 + e))
      >>> float(fxad.grad(log1pexp)(0.0)), float(fxad.grad(fxad.grad(log1pexp))(0.0))
      (0.5, 0.25)
    """
    check_callable("custom_gradient", fun)
    name = getattr(fun, "__name__", "custom_gradient")

    @functools.wraps(fun)
    def value_of(*args: Any) -> Any:
        return _pair(name, fun(*args))[0]

    @functools.wraps(fun)
    def fwd(*args: Any) -> tuple[Any, Any]:
        value, pull = _pair(name, fun(*args))
        if any(isinstance(x, Tracer) for x in tree.leaves(args)):
            pull = _closed(pull, value)
        return value, pull

    @functools.wraps(fun)
    def bwd(pull: Any, ct: Any) -> Any:
        cts = pull(ct)
        return cts if cts is None or isinstance(cts, tuple | list) else (cts,)

    function = _CustomGradient(value_of)
    function.defvjp(fwd, bwd)
    return function


def _pair(name: str, pair: Any) -> tuple[Any, Callable[..., Any]]:
    """The value and the pullback that a function returned."""
    if isinstance(pair, tuple | list) and len(pair) == 2 and callable(pair[1]):
        return pair[0], pair[1]
    got = describe_result(pair)
    if isinstance(pair, tuple | list) and len(pair) == 2:
        got = f"{got}, of which the second is {describe_result(pair[1])}"
    raise error(
        StructureError,
        name,
        f"got a custom_gradient function that returned {got}, wanted (value, pull)",
        "Return the value and a function from its cotangent to those of the arguments.",
    )


def _closed(pull: Callable[..., Any], value: Any) -> Partial:
    """The pullback as a pytree of the values that it closes over: tracers that go with a trace."""
    leaves, structure = tree.flatten(value)
    avals = [tangent_aval(aval_of(y)).strong() for y in leaves]
    varying = [a for a in avals if a.dtype != float0]
    out_structures: list[Any] = []

    def unflatten(cts: Sequence[Any]) -> Any:
        given = iter(cts)
        full = [np.zeros(a.shape, float0) if a.dtype == float0 else next(given) for a in avals]
        return tree.unflatten(structure, full)

    def flat(*cts: Any) -> list[Any]:
        out, out_structure = tree.flatten(pull(unflatten(cts)))
        out_structures.append(out_structure)
        return out

    closed, consts = hoist(stage(flat, varying, "custom_gradient"))

    def pull_closed(consts: Sequence[Any], ct: Any) -> Any:
        cts = [c for c, a in zip(tree.leaves(ct), avals, strict=True) if a.dtype != float0]
        return tree.unflatten(out_structures[0], closed(*consts, *cts))

    return Partial(pull_closed, consts)
