"""``fixed_point``, ``root`` and ``minimize``: solutions as functions of what they depend on."""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any

import fxad.implicit.iterations as iterations
from fxad.core.tracebacks import public
from fxad.implicit.flat import Vectors
from fxad.implicit.problem import Problem, named
from fxad.transforms.common import check_callable
from fxad.transforms.linearize import grad

FIXED_POINT = {"iteration": iterations.iterate, "anderson": iterations.anderson}
ROOT = {"newton": iterations.newton, "broyden": iterations.broyden}
MINIMUM = {
    "bfgs": iterations.bfgs,
    "newton": iterations.newton_minimum,
    "gradient_descent": iterations.gradient_descent,
}


@public
def fixed_point(
    f: Callable[..., Any],
    x0: Any,
    *args: Any,
    method: str | Callable[..., Any] = "iteration",
    tol: float | None = None,
    maxiter: int = 1000,
    linear_solver: str | Callable[..., Any] = "auto",
    on_failure: str = "raise",
    return_info: bool = False,
) -> Any:
    """The fixed point ``x = f(x, *args)``, differentiable in what ``f`` depends on.

    Derivatives of any order follow from the equation, not from the iteration: nothing of its steps
    is kept, so that memory does not depend on their number. They are those of the exact fixed
    point, up to the error of the one that has been found.

    Args:
      f: the function; derivatives are by ``args`` and by traced values that it closes over.
      x0: where to begin, a pytree of real or complex arrays or numbers; derivatives by it are zero.
      *args: further arguments of ``f``, pytrees.
      method: ``"iteration"``, which converges where ``f`` is a contraction; ``"anderson"``, which
        mixes the last steps and takes fewer; or ``method(f, x0) -> x``, a solver of your own.
      tol: the iteration ends when ``max|f(x) - x| <= tol * (1 + max|x|)``. None: 2e-12 for float64
        (the precision to the power 3/4); of a solver of your own 1.5e-8 is wanted (its root).
      maxiter: the most steps to take.
      linear_solver: for the systems ``(1 - df/dx) v = w`` that derivatives need: ``"dense"``,
        ``"gmres"``, ``"bicgstab"``, ``"normal_cg"``, ``"cg"`` (symmetric positive definite),
        ``"neumann"`` (a contraction's own series), ``solve(matvec, b) -> x`` on pytrees, or
        ``"auto"``: dense up to 100 unknowns, then gmres.
      on_failure: what happens where the tolerance is not reached: ``"raise"`` raises
        ConvergenceError, under ``jit`` and ``vmap`` too, when the program runs; ``"warn"`` warns
        and goes on; ``"nan"`` gives NaN. The same holds of the linear systems.
      return_info: return ``(x, info)`` and leave it to the caller: ``info.iterations``,
        ``info.residual``, ``info.converged``.

    Returns:
      The fixed point, of the structure and shapes of ``x0``, in the dtypes that ``f`` gives.

    Raises:
      ConvergenceError: the tolerance is not reached.
      StructureError: ``f`` changes the structure.
      ShapeError: ``f`` changes a shape.
      DtypeError: ``x0`` or the output of ``f`` are integers.

    Source: Christianson, Reverse Accumulation and Attractive Fixed Points, 1994; Blondel et al.,
    Efficient and Modular Implicit Differentiation, 2022.

    Example:
      >>> import numpy as np, fxad
      >>> def babylonian(x, a):
      ...     return (x + a / x) / 2
      >>> float(fxad.implicit.fixed_point(babylonian, 1.0, 9.0))
      3.0
      >>> g = fxad.grad(lambda a: fxad.implicit.fixed_point(babylonian, 1.0, a))
      >>> round(float(g(9.0)), 12), round(float(fxad.grad(g)(9.0)), 12)
      (0.166666666667, -0.009259259259)
    """
    check_callable("fixed_point", f)
    known = named("fixed_point", method, FIXED_POINT)

    def of_x(x: Any) -> Any:
        return f(x, *args)

    vectors = Vectors("fixed_point", x0, of_x)
    power = 0.5 if callable(method) else 0.75
    problem = Problem("fixed_point", vectors, tol, power, maxiter, linear_solver, on_failure)
    step = vectors.flat(of_x)
    if callable(method):
        find = problem.find_by(method, of_x, lambda x: iterations.relative(step(x) - x, x))
    else:
        find = functools.partial(known, step, tol=problem.tol, maxiter=maxiter)
    return problem.solve(f, lambda x: x - step(x), find, return_info)


@public
def root(
    f: Callable[..., Any],
    x0: Any,
    *args: Any,
    method: str | Callable[..., Any] = "newton",
    tol: float | None = None,
    maxiter: int = 100,
    linear_solver: str | Callable[..., Any] = "auto",
    on_failure: str = "raise",
    return_info: bool = False,
) -> Any:
    """A root ``f(x, *args) = 0``, differentiable in what ``f`` depends on.

    Args:
      f: the function, to pytrees of the structure and shapes of ``x0``; derivatives are by ``args``
        and by traced values that it closes over.
      x0: where to begin, a pytree of real or complex arrays or numbers; derivatives by it are zero.
      *args: further arguments of ``f``, pytrees.
      method: ``"newton"``, with steps that are halved until they gain; ``"broyden"``, with one
        Jacobian at the start; or ``method(f, x0) -> x``, a solver of your own.
      tol: the iteration ends with a step of ``max|step| <= tol * (1 + max|x|)``; of a solver of
        your own ``max|f(x)| <= tol * (1 + max|f(x0)|)`` is wanted. None: 2e-12 for float64 (the
        precision to the power 3/4), 1.5e-8 (its root) of a solver of your own.
      maxiter: the most steps to take.
      linear_solver: for Newton's steps and for derivatives, as for ``fixed_point``.
      on_failure: as for ``fixed_point``.
      return_info: as for ``fixed_point``.

    Returns:
      The root, of the structure and shapes of ``x0``, in the dtypes that ``f`` gives.

    Raises:
      ConvergenceError: the tolerance is not reached.
      StructureError: ``f`` changes the structure.
      ShapeError: ``f`` changes a shape.
      DtypeError: ``x0`` or the output of ``f`` are integers.

    Source: the implicit function theorem; Griewank and Walther, Evaluating Derivatives, 2008,
    section 15; Broyden, Mathematics of Computation 19, 1965.

    Example:
      >>> import numpy as np, fxad
      >>> def kepler(E, M, e):  # the eccentric anomaly E of a mean anomaly M
      ...     return E - e * np.sin(E) - M
      >>> def E(M, e):
      ...     return fxad.implicit.root(kepler, M, M, e)
      >>> round(float(E(1.0, 0.3)), 8), round(float(fxad.grad(E, 1)(1.0, 0.3)), 8)
      (1.28809131, 1.04800831)
    """
    check_callable("root", f)
    known = named("root", method, ROOT)

    def of_x(x: Any) -> Any:
        return f(x, *args)

    vectors = Vectors("root", x0, of_x)
    power = 0.5 if callable(method) else 0.75
    problem = Problem("root", vectors, tol, power, maxiter, linear_solver, on_failure)
    flat = vectors.flat(of_x)
    find: Callable[[Any], Any]
    if callable(method):
        scale = 1 + iterations.largest(flat(vectors.start))
        find = problem.find_by(method, of_x, lambda x: iterations.largest(flat(x)) / scale)
    else:
        options = {"tol": problem.tol, "maxiter": maxiter}
        if method == "newton":
            options["solve"] = lambda push, y: problem.linear(push, y, problem.linear_tol)[0]
        find = functools.partial(known, flat, **options)
    return problem.solve(f, flat, find, return_info)


@public
def minimize(
    f: Callable[..., Any],
    x0: Any,
    *args: Any,
    method: str | Callable[..., Any] = "bfgs",
    tol: float | None = None,
    maxiter: int = 500,
    linear_solver: str | Callable[..., Any] = "auto",
    on_failure: str = "raise",
    return_info: bool = False,
) -> Any:
    """A local minimum of ``f(x, *args)``, differentiable in what ``f`` depends on.

    The derivative is that of the place where the gradient by ``x`` vanishes, at which the Hessian
    must be regular.

    Args:
      f: a function to one real number; derivatives are by ``args`` and by traced values that it
        closes over.
      x0: where to begin, a pytree of real or complex arrays or numbers; derivatives by it are zero.
      *args: further arguments of ``f``, pytrees.
      method: ``"bfgs"``; ``"newton"``, with a Hessian at every step; ``"gradient_descent"``; or
        ``method(f, x0) -> x``, a solver of your own: ``implicit.on_host`` makes one of SciPy's.
      tol: the iteration ends when ``max|g| <= tol * max(1, max|g0|)`` for the gradients g there and
        g0 at the start, Newton's with a step of ``max|step| <= tol * (1 + max|x|)``. None: 4e-10
        for float64 (the precision to the power 3/5); of a solver of your own 2e-5 (the power 3/10),
        since most stop at about that. Derivatives are as exact as the minimum that was found.
      maxiter: the most steps to take.
      linear_solver: for the systems with the Hessian that derivatives need, as for ``fixed_point``;
        ``"cg"`` suits large ones.
      on_failure: as for ``fixed_point``.
      return_info: as for ``fixed_point``.

    Returns:
      The place of the minimum, of the structure and shapes of ``x0``.

    Raises:
      ConvergenceError: the tolerance is not reached.
      DtypeError: ``x0`` is made of integers, or the output of ``f`` is not real.
      NonScalarOutputError: the output of ``f`` is not one number.

    Source: the implicit function theorem; Blondel et al., Efficient and Modular Implicit
    Differentiation, 2022; the methods: Nocedal and Wright, Numerical Optimization, 2006.

    Example:
      >>> import numpy as np, fxad
      >>> def ridge(w, x, y, penalty):
      ...     return np.sum((x @ w - y) ** 2) + penalty * np.sum(w**2)
      >>> x, y = np.array([[1.0, 0.0], [0.0, 2.0]]), np.array([1.0, 2.0])
      >>> def weights(penalty):
      ...     return fxad.implicit.minimize(ridge, np.zeros(2), x, y, penalty)
      >>> weights(1.0).round(6).tolist(), fxad.jacobian(weights)(1.0).round(6).tolist()
      ([0.5, 0.8], [-0.25, -0.16])
    """
    check_callable("minimize", f)
    known = named("minimize", method, MINIMUM)

    def of_x(x: Any) -> Any:
        return f(x, *args)

    vectors = Vectors("minimize", x0, grad(of_x))
    power = 0.3 if callable(method) else 0.6
    problem = Problem(
        "minimize", vectors, tol, power, maxiter, linear_solver, on_failure, symmetric=True
    )

    def of_vector(x: Any) -> Any:
        return of_x(vectors.unravel(x))

    slope = grad(of_vector)
    if callable(method):
        scale = 1 + iterations.largest(slope(vectors.start))
        find = problem.find_by(method, of_x, lambda x: iterations.largest(slope(x)) / scale)
    else:
        find = functools.partial(known, of_vector, tol=problem.tol, maxiter=maxiter)
    return problem.solve(f, slope, find, return_info)
