"""Linear systems given as functions: the dense solve, and iterations that only apply them."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

import fxad.numpy as fnp
from fxad.control.while_loop import while_loop
from fxad.core.source import error
from fxad.errors import ArgumentValueError
from fxad.implicit.convergence import Info, require_convergence
from fxad.ops.triangular import solve_triangle
from fxad.transforms.derivatives import jacfwd
from fxad.transforms.linearize import linear_transpose

Matvec = Callable[[Any], Any]

#: Up to this size ``"auto"`` makes the matrix.
_SMALL = 100
_RESTART = 20
_MAXITER = 1000
#: How many roundings off a solution by a singular matrix may be.
_SINGULAR = 1e4


def _relative_residual(matvec: Matvec, b: Any, x: Any) -> Any:
    return _ratio(norm(b - matvec(x)), norm(b))


def norm(x: Any) -> Any:
    """The Euclidean norm of a real vector."""
    return fnp.sqrt(fnp.sum(x * x))


def _count() -> Any:
    return np.int64(0)


def dense(matvec: Matvec, b: Any) -> tuple[Any, Info]:
    """By the matrix itself and its QR factors: exact up to rounding, unless it is singular.

    A pivot of nothing but rounding is made as large as the largest: the result is finite, and it
    solves the system or the residual tells.
    """
    orthogonal, upper = fnp.linalg.qr(jacfwd(matvec)(b))
    pivots = fnp.diagonal(upper)
    largest = fnp.max(fnp.abs(pivots), initial=0.0).astype(b.dtype)
    bad = fnp.abs(pivots) <= b.size * np.finfo(b.dtype).eps * largest
    safe = fnp.where(largest == 0, fnp.ones_like(largest), largest)
    upper = upper + fnp.diag(fnp.where(bad, safe - pivots, 0 * pivots))
    x = solve_triangle(upper, (orthogonal.T @ b)[:, None], lower=False)[:, 0]
    off = fnp.where(fnp.any(bad), _relative_residual(matvec, b, x), 0 * norm(x))
    return x, Info(np.int64(1), off, off <= _SINGULAR * np.finfo(b.dtype).eps)


def conjugate_gradient(matvec: Matvec, b: Any, tol: float) -> Any:
    """For symmetric positive definite operators: Hestenes and Stiefel, 1952."""

    def step(state: Any) -> Any:
        x, r, p, rho, k = state
        q = matvec(p)
        alpha = _ratio(rho, fnp.sum(p * q))
        r = r - alpha * q
        after = fnp.sum(r * r)
        return x + alpha * p, r, r + _ratio(after, rho) * p, after, k + 1

    return _until_small(step, (0 * b, b, b, fnp.sum(b * b), _count()), tol)


def normal_cg(matvec: Matvec, b: Any, tol: float) -> Any:
    """Conjugate gradients on the normal equations: for any operator, at its condition squared."""
    transposed = linear_transpose(matvec, b)

    def vecmat(y: Any) -> Any:
        return transposed(y)[0]

    return conjugate_gradient(lambda v: vecmat(matvec(v)), vecmat(b), tol)


def bicgstab(matvec: Matvec, b: Any, tol: float) -> Any:
    """Stabilised biconjugate gradients: van der Vorst, 1992."""

    def step(state: Any) -> Any:
        x, r, p, rho, k = state
        v = matvec(p)
        alpha = _ratio(rho, fnp.sum(b * v))
        s = r - alpha * v
        t = matvec(s)
        omega = _ratio(fnp.sum(t * s), fnp.sum(t * t))
        r = s - omega * t
        after = fnp.sum(b * r)
        beta = _ratio(after * alpha, rho * omega)
        return x + alpha * p + omega * s, r, r + beta * (p - omega * v), after, k + 1

    return _until_small(step, (0 * b, b, b, fnp.sum(b * b), _count()), tol)


def _until_small(step: Callable[[Any], Any], state: Any, tol: float) -> Any:
    """Steps of a state ``(x, residual, ..., count)``: x and the count at the end."""
    limit = tol * norm(state[1])
    x, *_, k = while_loop(
        lambda state: (norm(state[1]) > limit) & (state[-1] < _MAXITER), step, state
    )
    return x, k


def _ratio(a: Any, b: Any) -> Any:
    """The quotient; ``a`` where ``b`` is 0: an example that is done, and breaks off where not."""
    return a / fnp.where(b == 0, fnp.ones_like(b), b)


def gmres(matvec: Matvec, b: Any, tol: float) -> Any:
    """Generalised minimal residuals, restarted: Saad and Schultz, 1986."""
    restart = min(_RESTART, b.size)

    def step(state: Any) -> Any:
        x, r, k = state
        beta = norm(r)
        basis, hessenberg = _arnoldi(matvec, _ratio(r, beta), restart)
        first = fnp.at(0 * hessenberg[:, 0])[0].set(beta)
        y = fnp.linalg.lstsq(hessenberg, first)[0]
        x = x + y @ basis[:-1]
        return x, b - matvec(x), k + restart

    return _until_small(step, (0 * b, b, _count()), tol)


def _arnoldi(matvec: Matvec, first: Any, steps: int) -> tuple[Any, Any]:
    """An orthonormal basis of the Krylov space, as rows, and the operator in it."""
    zeros = 0 * first[:1]
    basis = fnp.concatenate([first[None], fnp.broadcast_to(zeros, (steps, first.size))])
    hessenberg = fnp.broadcast_to(zeros, (steps + 1, steps))

    def step(state: Any) -> Any:
        basis, hessenberg, j = state
        w = matvec(basis[j])
        size = norm(w)
        first_part = basis @ w
        w = w - first_part @ basis
        second_part = basis @ w  # once more: rounding takes the orthogonality of the first away
        w = w - second_part @ basis
        left = norm(w)
        # What is left is rounding: the space holds the solution, and its further rows are zero.
        inside = left <= 4 * np.finfo(w.dtype).eps * size
        w = fnp.where(inside, fnp.zeros_like(w), w / fnp.where(inside, fnp.ones_like(left), left))
        below = fnp.where(inside, fnp.zeros_like(left), left)
        column = fnp.at(first_part + second_part)[j + 1].set(below)
        return fnp.at(basis)[j + 1].set(w), fnp.at(hessenberg)[:, j].set(column), j + 1

    basis, hessenberg, _ = while_loop(
        lambda state: state[2] < steps, step, (basis, hessenberg, _count())
    )
    return basis, hessenberg


def neumann(matvec: Matvec, b: Any, tol: float) -> Any:
    """The series of (1 - A)**k b, for an A near 1: the adjoint of a contraction's iteration."""

    def step(state: Any) -> Any:
        x, r, k = state
        x = x + r
        return x, b - matvec(x), k + 1

    return _until_small(step, (0 * b, b, _count()), tol)


ITERATIONS: dict[str, Callable[[Matvec, Any, float], Any]] = {
    "gmres": gmres,
    "bicgstab": bicgstab,
    "normal_cg": normal_cg,
    "cg": conjugate_gradient,
    "neumann": neumann,
}


def linear_solver(operation: str, name: Any) -> Callable[[Matvec, Any, float], tuple[Any, Info]]:
    """The solver of a name: ``solver(matvec, b, tol) -> (x, info)``."""
    if callable(name):
        return lambda matvec, b, tol: _of_user(name(matvec, b))
    if name == "auto":
        return lambda matvec, b, tol: linear_solver(
            operation, "dense" if b.size <= _SMALL else "gmres"
        )(matvec, b, tol)
    if name == "dense":
        return lambda matvec, b, tol: dense(matvec, b)
    if name not in ITERATIONS:
        raise error(
            ArgumentValueError,
            operation,
            f"got linear_solver={name!r}, wanted 'auto', 'dense', "
            f"{', '.join(map(repr, ITERATIONS))} or a function",
        )
    return lambda matvec, b, tol: _iterative(ITERATIONS[name], matvec, b, tol)


def _of_user(x: Any) -> tuple[Any, Info]:
    """How exact the user's own solver is is for the user to say; NaN is no solution."""
    off = 0 * fnp.sum(x)
    return x, Info(np.int64(1), off, off == 0)


def _iterative(
    iteration: Callable[[Matvec, Any, float], Any], matvec: Matvec, b: Any, tol: float
) -> tuple[Any, Info]:
    x, steps = iteration(matvec, b, tol) if b.size else (b, np.int64(0))
    off = _relative_residual(matvec, b, x)
    # What the iterations update is not the residual itself: rounding parts the two.
    return x, Info(steps, off, off <= 10 * tol)


def solve_checked(
    operation: str,
    solver: Callable[[Matvec, Any, float], tuple[Any, Info]],
    tol: float,
    on_failure: str,
) -> Callable[[Matvec, Any], Any]:
    """``solve(matvec, b)`` that does not hand out what is no solution."""

    def solve(matvec: Matvec, b: Any) -> Any:
        x, info = solver(matvec, b, tol)
        what = "solution of the linear system of its derivative"
        return require_convergence(x, info, 10 * tol, on_failure, operation, what)

    return solve
