"""Solvers of the host, such as SciPy's, which want functions of NumPy arrays."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

import fxad.tree as tree
from fxad.control.closure import closure_convert
from fxad.core.aval import ShapedArray, aval_of
from fxad.core.source import error
from fxad.core.trace import EVAL, under
from fxad.errors import ShapeError, StructureError
from fxad.extend import from_host
from fxad.ops.base import reshape, shape_of
from fxad.transforms.common import check_callable


class _Call:
    """A solver with the function that it is for, apart from the arrays."""

    def __init__(
        self, solver: Any, converted: Any, structure: Any, avals: Sequence[ShapedArray]
    ) -> None:
        self.solver, self.converted = solver, converted
        self.structure, self.avals = structure, avals

    def __call__(self, *arrays: Any) -> list[Any]:
        count = len(self.avals)
        x0 = tree.unflatten(self.structure, [np.array(x) for x in arrays[:count]])

        def run() -> Any:
            return self.solver(lambda x: self.converted(self._shaped(x), *arrays[count:]), x0)

        leaves, structure = tree.flatten(under(EVAL, run))
        if structure != self.structure:
            raise error(
                StructureError,
                "on_host",
                "got a solver whose result differs from x0: "
                f"{tree.mismatch(self.structure, structure)}",
            )
        return [self._fitted(x, a) for x, a in zip(leaves, self.avals, strict=True)]

    def _shaped(self, x: Any) -> Any:
        """An argument as ``x0`` is: SciPy makes vectors of numbers."""
        leaves, structure = tree.flatten(x)
        if structure != self.structure:
            return x
        return tree.unflatten(
            structure,
            [
                y if shape_of(y) == a.shape or aval_of(y).size != a.size else reshape(y, a.shape)
                for y, a in zip(leaves, self.avals, strict=True)
            ],
        )

    def _fitted(self, x: Any, wanted: ShapedArray) -> Any:
        x = np.array(x, dtype=wanted.dtype)
        if x.shape != wanted.shape:
            raise error(
                ShapeError,
                "on_host",
                f"got a solver whose result has the shape {x.shape}, wanted that of x0, "
                f"{wanted.shape}",
            )
        return x


_run = from_host(
    lambda *arrays, call: call(*arrays),
    name="host_solver",
    abstract=lambda *avals, call: list(call.avals),
    multiple_results=True,
)


def on_host(solver: Callable[..., Any]) -> Callable[..., Any]:
    """A ``method`` out of a solver that calls its function on NumPy arrays, as SciPy's do.

    Args:
      solver: ``solver(f, x0) -> x``: gets ``x0`` as NumPy arrays, and a function of such, which it
        may call as often as it likes, with vectors of as many numbers too, and differentiate by
        fxad.

    Returns:
      ``method(f, x0) -> x`` for ``fixed_point``, ``root`` and ``minimize``, under ``jit`` and
      ``vmap`` as well: batches are solved one after the other.

    Raises:
      StructureError: when it runs, the result has another structure than ``x0``.
      ShapeError: when it runs, the result has other shapes than ``x0``.

    Example:
      >>> import numpy as np, fxad
      >>> from fxad import implicit
      >>> def descend(f, x):
      ...     while abs(slope := fxad.grad(f)(x)) > 1e-10:
      ...         x = x - 0.4 * slope
      ...     return x
      >>> def nearest(a):
      ...     return implicit.minimize(
      ...         lambda x: (x - a) ** 2, 0.0, method=implicit.on_host(descend))
      >>> round(float(nearest(3.0)), 8), round(float(fxad.jit(fxad.grad(nearest))(3.0)), 8)
      (3.0, 1.0)
    """
    check_callable("on_host", solver)

    def method(f: Callable[[Any], Any], x0: Any) -> Any:
        leaves, structure = tree.flatten(x0)
        converted, values = closure_convert(f, x0)
        call = _Call(solver, converted, structure, [aval_of(x).strong() for x in leaves])
        return tree.unflatten(structure, _run(*leaves, *values, call=call))

    return method
