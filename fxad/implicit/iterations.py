"""How fixed points, roots and minima are found: loops over vectors, of which nothing is kept.

Each takes ``(f, x, tol, maxiter)`` and gives ``(x, info)``; the last residual decides.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

import fxad.numpy as fnp
from fxad.control.while_loop import while_loop
from fxad.implicit.convergence import Info
from fxad.implicit.linear import dense
from fxad.transforms.derivatives import hessian, jacfwd
from fxad.transforms.linearize import linearize, value_and_grad

Function = Callable[[Any], Any]
#: How many times a line search halves its step.
_HALVINGS = 40
#: What a step must gain of what the slope promises: Armijo, 1966.
_GAIN = 1e-4


def largest(x: Any) -> Any:
    """The largest magnitude of a vector, 0 of an empty one."""
    return fnp.max(fnp.abs(x), initial=0.0).astype(x.dtype)


def relative(step: Any, x: Any) -> Any:
    """The size of a step beside that of where it leads."""
    return largest(step) / (1 + largest(x))


def _loop(step: Function, state: Any, residual: Any, tol: float, maxiter: int) -> Any:
    """Steps until the residual is small, is no number, or the steps are spent.

    ``step(state) -> (state, residual)``.
    """

    def unfinished(carry: Any) -> Any:
        _, left, k = carry
        return (left > tol) & (k < maxiter) & (left < np.inf)

    def body(carry: Any) -> Any:
        state, _, k = carry
        state, left = step(state)
        return state, left, k + 1

    state, left, k = while_loop(unfinished, body, (state, residual, np.int64(0)))
    return state, Info(k, left, left <= tol)


# Fixed points ------------------------------------------------------------------------------------


def iterate(f: Function, x: Any, tol: float, maxiter: int) -> Any:
    """x, f(x), f(f(x)), ...: Banach."""

    def step(y: Any) -> Any:
        after = f(y)
        return after, relative(after - y, after)

    return _loop(step, x, _far(x), tol, maxiter)


def anderson(f: Function, x: Any, tol: float, maxiter: int, memory: int = 5) -> Any:
    """The mean of the last steps whose residual would be least: Anderson 1965; Walker, Ni 2011."""
    rows = fnp.broadcast_to(0 * x, (memory, x.size))

    def step(state: Any) -> Any:
        y, values, residuals, k = state
        value = f(y)
        residual = value - y
        at = k % memory
        values = fnp.at(values)[at].set(value)
        residuals = fnp.at(residuals)[at].set(residual)
        mixed = _mixture(residuals, fnp.arange(memory) <= k) @ values
        left = relative(residual, value)
        return (fnp.where(left <= tol, value, mixed), values, residuals, k + 1), left

    (x, *_), info = _loop(step, (x, rows, rows, np.int64(0)), _far(x), tol, maxiter)
    return x, info


def _mixture(residuals: Any, used: Any) -> Any:
    """Weights of sum 1 of the rows in use, whose mean is least."""
    gram = residuals @ residuals.T
    scale = fnp.trace(gram)
    gram = gram / fnp.where(scale == 0, fnp.ones_like(scale), scale)
    identity = fnp.eye(used.size, dtype=gram.dtype)
    ridge = np.finfo(gram.dtype).eps * 10
    system = fnp.where(used[:, None] & used, gram, 0 * gram) + identity * fnp.where(
        used, ridge, 1.0
    ).astype(gram.dtype)
    weights = fnp.linalg.solve(system, used.astype(gram.dtype))
    return weights / fnp.sum(weights)


def _far(x: Any) -> Any:
    """A residual before the first step: as large as a number can be."""
    return 0 * largest(x) + np.finfo(x.dtype).max


# Roots -------------------------------------------------------------------------------------------


def newton(f: Function, x: Any, tol: float, maxiter: int, solve: Any = None) -> Any:
    """Newton's method, which halves a step until the residual shrinks."""

    def step(y: Any) -> Any:
        value, push = linearize(f, y)
        move = dense(push, value)[0] if solve is None else solve(push, value)
        now = fnp.sum(value * value)

        def wanted(t: Any) -> Any:
            after = f(y - t * move)
            return fnp.sum(after * after) <= (1 - 2 * _GAIN * t) * now

        after = y - _halved(wanted, now) * move
        return after, relative(move, after)

    return _loop(step, x, _far(x), tol, maxiter)


def _halved(wanted: Function, like: Any) -> Any:
    """1, 1/2, 1/4, ...: the first that is wanted, or one that is next to nothing."""
    one = fnp.ones_like(like)
    smallest = 0.5**_HALVINGS
    return while_loop(lambda t: (t > smallest) & ~wanted(t), lambda t: t / 2, one)


def broyden(f: Function, x: Any, tol: float, maxiter: int) -> Any:
    """Broyden's method, 1965: one Jacobian at the start, whose inverse follows the steps."""
    inverse = fnp.linalg.inv(jacfwd(f)(x))

    def step(state: Any) -> Any:
        y, value, inverse = state
        move = -(inverse @ value)
        after = y + move
        value_after = f(after)
        change = inverse @ (value_after - value)
        scale = fnp.sum(move * change)
        scale = fnp.where(scale == 0, fnp.ones_like(scale), scale)
        inverse = inverse + fnp.outer((move - change) / scale, move @ inverse)
        return (after, value_after, inverse), relative(move, after)

    (x, *_), info = _loop(step, (x, f(x), inverse), _far(x), tol, maxiter)
    return x, info


# Minima ------------------------------------------------------------------------------------------


def _descend(both: Function, x: Any, direction: Any, value: Any, slope: Any) -> Any:
    """Where a step downhill along a direction leads.

    At the bottom values differ by rounding alone; there the slope says whether the step is too
    long, as if the values followed a parabola: Hager and Zhang, 2005.
    """
    rounding = 10 * np.finfo(x.dtype).eps * fnp.abs(value)

    def wanted(t: Any) -> Any:
        after, gradient = both(x + t * direction)
        gains = after <= value + _GAIN * t * slope
        level = fnp.abs(after - value) <= rounding
        return fnp.where(level, fnp.sum(gradient * direction) <= (2 * _GAIN - 1) * slope, gains)

    return x + _halved(wanted, value) * direction


def newton_minimum(f: Function, x: Any, tol: float, maxiter: int) -> Any:
    """Newton's method with the sizes of the Hessian's eigenvalues, so that it goes downhill."""
    both = value_and_grad(f)

    def step(y: Any) -> Any:
        value, slope = both(y)
        curvature, axes = fnp.linalg.eigh(hessian(f)(y))
        size = fnp.abs(curvature)
        floor = 1e-8 * largest(curvature) + np.finfo(y.dtype).tiny
        move = -(axes @ ((axes.T @ slope) / fnp.maximum(size, floor)))
        after = _descend(both, y, move, value, fnp.sum(slope * move))
        return after, relative(move, after)

    return _loop(step, x, _far(x), tol, maxiter)


def bfgs(f: Function, x: Any, tol: float, maxiter: int) -> Any:
    """Broyden, Fletcher, Goldfarb, Shanno, 1970: an inverse Hessian from the gradients met."""
    both = value_and_grad(f)
    value, slope = both(x)

    def step(state: Any) -> Any:
        y, value, slope, inverse, scaled = state
        move = -(inverse @ slope)
        after = _descend(both, y, move, value, fnp.sum(slope * move))
        value_after, slope_after = both(after)
        s, change = after - y, slope_after - slope
        inverse, scaled = _updated(inverse, scaled, s, change)
        return (after, value_after, slope_after, inverse, scaled), largest(slope_after) / scale

    scale = fnp.maximum(largest(slope), 1)
    identity = fnp.eye(x.size, dtype=x.dtype) + 0 * x
    state = (x, value, slope, identity, fnp.asarray(False))
    (x, *_), info = _loop(step, state, largest(slope) / scale, tol, maxiter)
    return x, info


def _updated(inverse: Any, scaled: Any, s: Any, y: Any) -> Any:
    """The inverse Hessian that takes y to s, where they agree; scaled to the first of them."""
    agree = fnp.sum(s * y)
    good = agree > np.finfo(s.dtype).eps * fnp.sqrt(fnp.sum(s * s) * fnp.sum(y * y))
    rho = 1 / fnp.where(good, agree, fnp.ones_like(agree))
    first = good & ~scaled
    length = fnp.sum(y * y)
    scale = agree / fnp.where(length == 0, fnp.ones_like(length), length)
    inverse = fnp.where(first, scale * inverse, inverse)
    moved = inverse @ y
    new = (
        inverse
        - rho * (fnp.outer(s, moved) + fnp.outer(moved, s))
        + rho * (1 + rho * fnp.sum(y * moved)) * fnp.outer(s, s)
    )
    return fnp.where(good, new, inverse), scaled | good


def gradient_descent(f: Function, x: Any, tol: float, maxiter: int) -> Any:
    """Steepest descent, whose first trial is twice the last step: for what is large and simple."""
    both = value_and_grad(f)
    value, slope = both(x)

    def step(state: Any) -> Any:
        y, value, slope, length = state
        decline = -fnp.sum(slope * slope)
        after = _descend(both, y, -length * slope, value, length * decline)
        taken = largest(after - y) / fnp.maximum(largest(slope), np.finfo(y.dtype).tiny)
        value_after, slope_after = both(after)
        return (after, value_after, slope_after, 2 * taken), largest(slope_after) / scale

    scale = fnp.maximum(largest(slope), 1)
    state = (x, value, slope, fnp.ones_like(value))
    (x, *_), info = _loop(step, state, largest(slope) / scale, tol, maxiter)
    return x, info
