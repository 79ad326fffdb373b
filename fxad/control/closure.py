"""``closure_convert``: what a function closes over, as arguments."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import fxad.tree as tree
from fxad.core.aval import aval_of
from fxad.core.jaxpr import ClosedJaxpr, Jaxpr
from fxad.core.source import error
from fxad.core.staging import stage
from fxad.core.trace import Tracer
from fxad.core.tracebacks import public
from fxad.errors import ShapeError, StructureError
from fxad.ops.base import shape_of
from fxad.transforms.common import check_callable, flatten_outputs


@public
def closure_convert(fun: Callable[..., Any], *example_args: Any) -> tuple[Any, list[Any]]:
    """A function that closes over nothing that is traced, and the traced values it closed over.

    Args:
      fun: a function, which may close over values of an enclosing transformation.
      *example_args: arguments of the shapes and dtypes it will be called with.

    Returns:
      ``(converted, values)`` with ``converted(*args, *values) == fun(*args)``.

    Raises:
      StructureError: ``converted`` is called with another structure than that of the examples.
      ShapeError: it is called with other shapes.

    Example:
      >>> import fxad
      >>> def f(y):
      ...     g, values = fxad.closure_convert(lambda x: x * y, 1.0)
      ...     return g(3.0, *values)
      >>> float(fxad.grad(f)(2.0))
      3.0
    """
    check_callable("closure_convert", fun)
    leaves, structure = tree.flatten(example_args)
    out_structures: list[Any] = []

    def flat(*values: Any) -> list[Any]:
        outs, out_structure = flatten_outputs(
            "closure_convert", fun(*tree.unflatten(structure, values))
        )
        out_structures.append(out_structure)
        return outs

    staged = stage(flat, [aval_of(x) for x in leaves], "closure_convert")
    wanted = [shape_of(x) for x in leaves]
    closed, consts = _hoist_tracers(staged)

    @public
    def converted(*args: Any) -> Any:
        count = len(args) - len(consts)
        inner, inner_structure = tree.flatten(args[:count])
        if inner_structure != structure:
            raise error(
                StructureError,
                "closure_convert",
                f"got arguments of another structure: {tree.mismatch(structure, inner_structure)}",
            )
        shapes = [shape_of(x) for x in inner]
        if shapes != wanted:
            raise error(
                ShapeError,
                "closure_convert",
                f"got arguments of the shapes {shapes}, wanted those of the example, {wanted}: "
                "the function was traced for them",
            )
        return tree.unflatten(out_structures[0], closed(*args[count:], *inner))

    return converted, consts


def _hoist_tracers(closed: ClosedJaxpr) -> tuple[ClosedJaxpr, list[Any]]:
    """Turns constants that are tracers into leading arguments; the others stay constants."""
    jaxpr, pairs = closed.jaxpr, list(zip(closed.jaxpr.constvars, closed.consts, strict=True))
    traced = [(v, c) for v, c in pairs if isinstance(c, Tracer)]
    fixed = [(v, c) for v, c in pairs if not isinstance(c, Tracer)]
    arguments = (*(v for v, _ in traced), *jaxpr.invars)
    opened = Jaxpr([v for v, _ in fixed], arguments, jaxpr.eqns, jaxpr.outvars)
    return ClosedJaxpr(opened, [c for _, c in fixed]), [c for _, c in traced]
