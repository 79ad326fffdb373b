"""Linear solves and roots whose derivatives follow from what they solve."""

from collections.abc import Iterable
from typing import Any

import numpy as np

import fxad
import fxad.numpy as fnp
from fxad import implicit, lax
from fxad.control.linear_solve import linear_solve_p
from fxad.control.root import root_p
from tests.opinfo import COMPLEX, REAL, OpInfo, SampleInput, array


def _dense(matvec: Any, b: Any) -> Any:
    """Solves by the matrix of a linear function of one array."""
    jacobian = fxad.jacfwd(matvec, holomorphic=b.dtype.kind == "c")
    matrix = jacobian(b).reshape(b.size, b.size)
    return fnp.linalg.solve(matrix, b.ravel()).reshape(b.shape)


def solve_rows(a: Any, b: Any) -> Any:
    """x with a @ x = exp(b): the right-hand side is a function of the operand as well."""
    return lax.custom_linear_solve(lambda x: a @ x, fnp.exp(b), _dense, _dense)


def symmetric_solve(d: Any, b: Any) -> Any:
    """A diagonal operator on a pytree, with auxiliary data."""

    def solve(matvec: Any, y: Any) -> Any:
        return {"x": y["x"] / d, "y": y["y"] / 2}, fnp.all(d != 0)

    out, aux = lax.custom_linear_solve(
        lambda x: {"x": d * x["x"], "y": 2 * x["y"]}, {"x": b, "y": b[..., :1]}, solve,
        symmetric=True, has_aux=True,
    )
    return out["x"], out["y"], aux


def cubic_root(a: Any, b: Any) -> Any:
    """The real x with x**3 + x * a**2 = b, by Newton's method."""

    def newton(f: Any, x: Any) -> Any:
        for _ in range(60):
            x = x - f(x) / (3 * x**2 + a * a)
        return x

    def tangent_solve(g: Any, y: Any) -> Any:
        return _dense(g, y)

    return lax.custom_root(lambda x: x**3 + a * a * x - b, fnp.ones_like(b), newton, tangent_solve)


def _cubic_reference(a: Any, b: Any) -> Any:
    """Cardano's formula."""
    p, q = np.asarray(a, np.float64) ** 2, -np.asarray(b, np.float64)
    s = np.sqrt(q**2 / 4 + p**3 / 27)
    return (np.cbrt(-q / 2 + s) + np.cbrt(-q / 2 - s)).astype(b.dtype)


def _systems(rng: np.random.Generator, dtype: np.dtype[Any]) -> Iterable[SampleInput]:
    for n in (1, 3, 0):
        a = array(rng, (n, n), dtype) + 5 * np.eye(n, dtype=dtype)
        yield SampleInput((a, array(rng, (n,), dtype, -1.0, 1.0)))


def _diagonals(rng: np.random.Generator, dtype: np.dtype[Any]) -> Iterable[SampleInput]:
    for n in (1, 3):
        yield SampleInput((array(rng, (n,), dtype, 0.5, 2.0), array(rng, (n,), dtype)))


def _cubics(rng: np.random.Generator, dtype: np.dtype[Any]) -> Iterable[SampleInput]:
    for shape in ((3,), (2, 2), (0,)):
        yield SampleInput((array(rng, shape, dtype, 0.7, 1.5), array(rng, shape, dtype, 0.5, 2.0)))


TABLE = (
    OpInfo(
        "lax.custom_linear_solve",
        solve_rows,
        lambda a, b: np.linalg.solve(a, np.exp(b)),
        _systems,
        (*REAL, *COMPLEX),
        (linear_solve_p,),
        tolerance=10,
    ),
    OpInfo(
        "custom_linear_solve of a pytree",
        symmetric_solve,
        lambda d, b: (b / d, b[..., :1] / 2, np.all(d != 0)),
        _diagonals,
        (*REAL, *COMPLEX),
        (linear_solve_p,),
    ),
    OpInfo(
        "lax.custom_root",
        cubic_root,
        _cubic_reference,
        _cubics,
        REAL,
        (root_p,),
        tolerance=10,
    ),
)


def _mix(x: Any, b: Any) -> Any:
    """A contraction of vectors (and of what has no element)."""
    return 0.4 * fnp.tanh(x[..., ::-1]) + 0.1 * x + b


def _mixed(b: Any) -> Any:
    x = np.zeros_like(b)
    for _ in range(200):
        x = 0.4 * np.tanh(x[..., ::-1]) + 0.1 * x + b
    return x.astype(b.dtype)


def _vectors(rng: np.random.Generator, dtype: np.dtype[Any]) -> Iterable[SampleInput]:
    for size in (3, 0):
        yield SampleInput((array(rng, (size,), dtype, -1.0, 1.0),))


def solved(name: str, op: Any, ref: Any = _mixed) -> OpInfo:
    return OpInfo(f"implicit.{name}", op, ref, _vectors, REAL, tolerance=1000)


def _well(x: Any, b: Any) -> Any:
    return fnp.sum(fnp.cosh(x - b) + (x - b) ** 2)


TABLE += (
    solved("fixed_point", lambda b: implicit.fixed_point(_mix, 0 * b, b)),
    solved(
        "fixed_point by anderson",
        lambda b: implicit.fixed_point(_mix, 0 * b, b, method="anderson", linear_solver="gmres"),
    ),
    solved("root", lambda b: implicit.root(lambda x, b: x - _mix(x, b), 0 * b, b)),
    solved(
        "root by broyden",
        lambda b: implicit.root(
            lambda x, b: x - _mix(x, b), 0 * b, b, method="broyden", linear_solver="bicgstab"
        ),
    ),
    solved("minimize", lambda b: implicit.minimize(_well, 0 * b, b), lambda b: b),
    solved(
        "minimize by newton",
        lambda b: implicit.minimize(_well, 0 * b, b, method="newton", linear_solver="cg"),
        lambda b: b,
    ),
)
