"""Programs drawn by chance: many operations in a row, under many transformations."""

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import fxad
from fxad import tree
from fxad.test_util import check_grads

#: Smooth functions from matrices of 3 by 4 to such matrices, in NumPy's own names.
STEPS: tuple[Callable[..., Any], ...] = (
    lambda x, y: np.sin(x) * y,
    lambda x, y: np.tanh(x) + np.exp(-y * y),
    lambda x, y: x - np.mean(y, axis=0, keepdims=True),
    lambda x, y: np.cumsum(x, axis=0) * 0.3 + y[::-1],
    lambda x, y: np.roll(x, 1, axis=1) * np.sqrt(y * y + 1),
    lambda x, y: np.linalg.solve(4 * np.eye(3) + np.tanh(x[:, :3]), y),
    lambda x, y: np.linalg.inv(4 * np.eye(3) + np.tanh(y[:, 1:])) @ x,
    lambda x, y: np.einsum("ij,kj,kl->il", x, y, x) * 0.1,
    lambda x, y: x / (1 + np.linalg.norm(y)),
    lambda x, y: np.prod(1 + 0.1 * x, axis=1, keepdims=True) * y,
    lambda x, y: np.concatenate([x[1:], y[:1] * 2]),
    lambda x, y: np.stack([x[0], y[2], x[1] * y[0]]),
    lambda x, y: np.outer(np.arctan(x[:, 0]), y[0]),
    lambda x, y: np.cumprod(1 + 0.1 * x, axis=1) - y,
    lambda x, y: np.logaddexp(x, -y),
    lambda x, y: np.hypot(x, np.abs(y + 9)),
    lambda x, y: np.arctan2(x, y * y + 1),
    lambda x, y: np.reshape(np.ravel(x)[::-1], (3, 4)) + np.tril(y),
    lambda x, y: np.real((x + 1j * y) ** 2) * 0.2,
    lambda x, y: np.abs(x + 9 + 1j * y) * 0.2,
    lambda x, y: np.diff(x, axis=1, prepend=0.0) * np.std(y),
    lambda x, y: np.linalg.cholesky(2 * np.eye(3) + 0.1 * x @ x.T) @ y,
    lambda x, y: np.linalg.slogdet(2 * np.eye(3) + 0.1 * x @ x.T)[1] * y,
    lambda x, y: np.linalg.eigvalsh(np.diag([1.0, 3.0, 6.0]) + 0.1 * x @ x.T)[:, None] * y,
    lambda x, y: np.where(np.array([True, False, True])[:, None], x, y**3 * 0.1),
    lambda x, y: x[np.array([1, 1, 0])] * y[:, np.array([3, 0, 0, 2])],
)


def drawn(seed: int) -> Callable[..., Any]:
    """A function of two matrices to one number: steps on results of earlier ones."""
    rng = np.random.default_rng(seed)
    plan = [
        (STEPS[rng.integers(len(STEPS))], *rng.integers(2 + i, size=2))
        for i in range(rng.integers(4, 9))
    ]
    weights = rng.normal(size=(3, 4))

    def program(x: Any, y: Any) -> Any:
        values = [x, y]
        for step, a, b in plan:
            values.append(step(values[a], values[b]))
        return np.sum(values[-1] * weights) + 0.1 * np.sum(values[-2] ** 2)

    return program


def values_and_products(f: Callable[..., Any], v: Any) -> Any:
    """The value, the gradient and the Hessian's product with ``v``, as one function."""
    return lambda x, y: (
        fxad.value_and_grad(f, (0, 1))(x, y),
        fxad.jvp(fxad.grad(f, (0, 1)), (x, y), v)[1],
    )


@pytest.mark.parametrize("seed", range(25))
def test_every_way_agrees_with_differences(seed):
    """The eager derivatives are those of differences; all other ways are the eager ones."""
    f = drawn(seed)
    x, y, *v = np.random.default_rng(seed + 1000).normal(size=(4, 3, 4))
    check_grads(f, (x, y), order=2, rtol=1e-6, atol=1e-6)
    wanted = values_and_products(f, v)(x, y)
    ways = {
        "jit": fxad.jit(values_and_products(f, v)),
        "jit inside": values_and_products(fxad.jit(f), v),
        "checkpoint": values_and_products(fxad.checkpoint(f), v),
        "vmap": lambda x, y: tree.map(
            lambda rows: rows[1],
            fxad.vmap(values_and_products(f, v), (0, -1))(
                np.stack([y, x]), np.stack([x, y], axis=-1)
            ),
        ),
        "reverse over forward": lambda x, y: (
            fxad.value_and_grad(f, (0, 1))(x, y),
            fxad.grad(lambda *p: fxad.jvp(f, p, tuple(v))[1], (0, 1))(x, y),
        ),
        "linearize": lambda x, y: (
            (f(x, y), fxad.linear_transpose(fxad.linearize(f, x, y)[1], x, y)(1.0)),
            fxad.linearize(fxad.grad(f, (0, 1)), x, y)[1](*v),
        ),
    }
    for name, way in ways.items():
        for got, of in zip(tree.leaves(way(x, y)), tree.leaves(wanted), strict=True):
            scale = 1e-9 * (1 + np.max(np.abs(of)))
            np.testing.assert_allclose(got, of, rtol=1e-9, atol=scale, err_msg=name)
