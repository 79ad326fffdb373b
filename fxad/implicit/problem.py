"""What the three functions share: an equation, how it is solved, and how its derivatives are."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from fxad.control.linear_solve import custom_linear_solve
from fxad.control.root import root_by
from fxad.core.source import error
from fxad.errors import ArgumentTypeError, ArgumentValueError
from fxad.implicit.convergence import Info, check_on_failure, require_convergence
from fxad.implicit.flat import Vectors
from fxad.implicit.linear import linear_solver, solve_checked
from fxad.value import Value

Function = Callable[[Any], Any]


class TangentSolve(Value):
    """How the linear systems of derivatives are solved; two that do the same are equal.

    Args:
      operation: the name for messages.
      solver: the name of the linear solver, or a function on vectors.
      tol: its tolerance.
      on_failure: ``"raise"``, ``"warn"`` or ``"nan"``.
      symmetric: whether the systems are.
    """

    __slots__ = ("operation", "solver", "tol", "on_failure", "symmetric")

    operation: str
    solver: Any
    tol: float
    on_failure: str
    symmetric: bool

    def __call__(self, push: Function, y: Any) -> Any:
        """The x with ``push(x) = y``."""
        solver = linear_solver(self.operation, self.solver)
        checked = solve_checked(self.operation, solver, self.tol, self.on_failure)
        return custom_linear_solve(push, y, checked, checked, symmetric=self.symmetric)


class Problem:
    """A solution x of g(x) = 0, on vectors.

    Args:
      operation: the name for messages.
      vectors: the space of x.
      tol: what the user gave, None for ``eps ** power``.
      power: of the default.
      maxiter: the most steps.
      solver: the name of the linear solver, or a function on pytrees.
      on_failure: ``"raise"``, ``"warn"`` or ``"nan"``.
      symmetric: whether the derivative of g is.
    """

    def __init__(
        self,
        operation: str,
        vectors: Vectors,
        tol: float | None,
        power: float,
        maxiter: int,
        solver: Any,
        on_failure: str,
        symmetric: bool = False,
    ) -> None:
        check_on_failure(operation, on_failure)
        _check_number(operation, "maxiter", maxiter)
        if tol is not None:
            _check_number(operation, "tol", tol)
        self.operation, self.vectors, self.on_failure = operation, vectors, on_failure
        self.tol = float(np.finfo(vectors.dtype).eps) ** power if tol is None else float(tol)
        #: The adjoint is solved as well as the problem, whatever that was given.
        self.linear_tol = float(np.finfo(vectors.dtype).eps) ** 0.75
        by = self._on_vectors(solver)
        self.linear: Callable[..., Any] = linear_solver(operation, by)
        self.tangent_solve = TangentSolve(operation, by, self.linear_tol, on_failure, symmetric)

    def _on_vectors(self, solver: Any) -> Any:
        if not callable(solver):
            return solver

        def solve(matvec: Function, b: Any) -> Any:
            x = solver(self.vectors.on_pytrees(matvec), self.vectors.unravel(b))
            return self.vectors.result("linear_solver", x)

        return solve

    def solve(self, user: Any, equation: Function, find: Function, return_info: bool) -> Any:
        """The solution as a pytree, for the function ``user``; ``find(x0) -> (x, info)``."""
        what = {"minimize": "minimum"}.get(self.operation, self.operation.replace("_", " "))

        def found(_: Function, start: Any) -> Any:
            # Checked in here, derivatives alone ask for it too.
            x, info = find(start)
            if not return_info:
                x = require_convergence(
                    x, info, self.tol, self.on_failure, self.operation, what
                )
            return x, info

        start = self.vectors.start
        # What the user's own solver closes over may be another at each call.
        origin = None if callable(self.tangent_solve.solver) else user
        x, info = root_by(equation, start, found, self.tangent_solve, True, origin)
        solution = self.vectors.unravel(x)
        return (solution, info) if return_info else solution

    def find_by(self, method: Callable[..., Any], f: Function, residual: Function) -> Function:
        """A method of the user's own, ``method(f, x0) -> x``, as one that says how near it is."""

        def find(x: Any) -> Any:
            found = self.vectors.result("method", method(f, self.vectors.unravel(x)))
            left = residual(found)
            return found, Info(np.int64(1), left, left <= self.tol)

        return find


def _check_number(operation: str, name: str, value: Any) -> None:
    if isinstance(value, bool) or not isinstance(value, int | float | np.number):
        raise error(
            ArgumentTypeError,
            operation,
            f"got {name}={value!r:.40}, wanted a number: it is the same for all examples",
        )
    if not value >= 0:
        raise error(
            ArgumentValueError, operation, f"got {name}={value!r}, wanted a number of at least 0"
        )


def named(operation: str, method: Any, methods: dict[str, Any]) -> Any:
    """The method of a name, or the user's own."""
    if callable(method):
        return method
    if method not in methods:
        raise error(
            ArgumentValueError,
            operation,
            f"got method={method!r}, wanted {', '.join(map(repr, methods))} or a function",
        )
    return methods[method]
