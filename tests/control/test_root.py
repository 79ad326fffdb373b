"""``lax.custom_root``: derivatives by the implicit function theorem, whatever the solver does."""

import numpy as np
import pytest

import fxad
import fxad.numpy as fnp
from fxad import errors, lax
from fxad.test_util import check_grads


def newton(f, x):
    for _ in range(20):
        x = x - f(x) / fxad.jvp(f, (x,), (fnp.ones_like(x),))[1]
    return x


def by_jacobian(g, y):
    return fnp.linalg.solve(fxad.jacobian(g)(y).reshape(-1, y.size), y.ravel()).reshape(y.shape)


def sqrt_cubed(x):
    """The root y of y**2 = x**3."""
    return lax.custom_root(lambda y: y**2 - x**3, 1.0, newton, lambda g, y: y / g(1.0))


def test_scalar():
    value, slope = fxad.value_and_grad(sqrt_cubed)(5.0)
    assert value == pytest.approx(5**1.5, rel=1e-14)
    assert slope == pytest.approx(1.5 * 5**0.5, rel=1e-14)
    assert fxad.grad(fxad.grad(fxad.grad(sqrt_cubed)))(5.0) == pytest.approx(
        -0.375 * 5**-1.5, rel=1e-12
    )
    check_grads(sqrt_cubed, (5.0,), order=3)
    check_grads(fxad.jit(sqrt_cubed), (5.0,), order=2)
    points = np.array([4.0, 5.0])
    np.testing.assert_allclose(fxad.vmap(sqrt_cubed)(points), points**1.5, rtol=1e-14)
    slopes = fxad.vmap(fxad.grad(sqrt_cubed))(points)
    np.testing.assert_allclose(slopes, 1.5 * points**0.5, rtol=1e-14)
    np.testing.assert_allclose(fxad.jit(fxad.vmap(fxad.grad(sqrt_cubed)))(points), slopes)


def test_the_guess_has_no_derivative():
    def f(guess):
        return lax.custom_root(lambda y: y**2 - 2.0, guess, newton, lambda g, y: y / g(1.0))

    assert f(1.0) == pytest.approx(2**0.5)
    assert fxad.grad(f)(1.0) == 0.0
    assert fxad.jvp(f, (1.0,), (1.0,))[1] == 0.0


def test_a_solver_that_closes_over_traced_values(rng):
    def solve(a, b):
        solution = fnp.linalg.solve(a, b)
        return lax.custom_root(
            lambda y: a @ y - b, fnp.zeros_like(b), lambda f, x: solution, by_jacobian
        )

    a, b = rng.normal(size=(2, 2)) + 3 * np.eye(2), rng.normal(size=2)
    check_grads(solve, (a, b), order=2)
    np.testing.assert_allclose(fxad.jit(solve)(a, b), np.linalg.solve(a, b), rtol=1e-12)
    check_grads(fxad.vmap(solve, (None, 0)), (a, np.stack([b, 2 * b])), order=2)


def test_vector_nonlinear(rng):
    def solve(y):
        """Zero if and only if x is y."""
        return lax.custom_root(
            lambda x: (x - y) * (x**2 + y**2 + 1), y - 0.2, vector_newton, by_jacobian
        )

    def vector_newton(f, x):
        for _ in range(8):
            x = x - by_jacobian(fxad.linearize(f, x)[1], f(x))
        return x

    y = rng.normal(size=(3, 1))
    check_grads(solve, (y,), order=2)
    np.testing.assert_allclose(fxad.jit(solve)(y), y, rtol=1e-10)


def test_nothing_of_the_solver_is_kept():
    def residuals(steps):
        def solve(f, x):
            for _ in range(steps):
                x = x - 0.1 * f(x)
            return x

        def f(a):
            return lax.custom_root(
                lambda x: 2 * x - a, fnp.zeros(100), solve, lambda g, y: y / 2)

        return sum(np.size(r) for r in fxad.tree.leaves(fxad.vjp(f, np.ones(100))[1]))

    assert residuals(3) == residuals(30) <= 200


def test_with_a_linear_solve_and_aux(rng):
    aux = {"steps": np.array(3.0), "flags": np.array([1.0, 2.0])}

    def solve(a, b):
        def spd(f, y):
            return fnp.linalg.solve(lax.stop_gradient(a), y)

        return lax.custom_root(
            lambda x: a @ x - b, b, lambda f, x: (spd(f, lax.stop_gradient(b)), aux),
            lambda g, y: lax.custom_linear_solve(g, y, spd, symmetric=True), has_aux=True,
        )

    a, b = rng.normal(size=(2, 2)), rng.normal(size=2)
    positive = a @ a.T + np.eye(2)
    for run in (solve, fxad.jit(solve)):
        x, found = run(positive, b)
        np.testing.assert_allclose(x, np.linalg.solve(positive, b), rtol=1e-10)
        assert all(np.array_equal(found[k], aux[k]) for k in aux)
    check_grads(lambda a, b: solve(a @ a.T + np.eye(2), b)[0], (a, b), order=2)
    jacobian, flat = fxad.jacfwd(solve)(positive, b)
    wanted = fxad.jacfwd(fnp.linalg.solve)(positive, b)
    np.testing.assert_allclose(jacobian, wanted, rtol=1e-10, atol=1e-12)
    assert not any(np.any(leaf) for leaf in fxad.tree.leaves(flat))


def test_pytrees_of_which_a_part_is_batched():
    """The root of each leaf for itself: what does not depend on the batch is not batched."""

    def solve(a, b):
        def f(x):
            return {"u": x["u"] ** 3 - a, "v": x["v"] - b}

        def tangent_solve(g, y):
            slope = g(fxad.tree.map(fnp.ones_like, y))
            return fxad.tree.map(lambda t, s: t / s, y, slope)

        def steps(f, x):
            for _ in range(40):
                y = f(x)
                x = {"u": x["u"] - y["u"] / (3 * x["u"] ** 2), "v": x["v"] - y["v"]}
            return x

        return lax.custom_root(f, {"u": 1.0, "v": 0.0}, steps, tangent_solve)

    a = np.array([1.0, 8.0, 27.0])
    out = fxad.vmap(solve, in_axes=(0, None), out_axes={"u": 0, "v": None})(a, 5.0)
    np.testing.assert_allclose(out["u"], [1.0, 2.0, 3.0], rtol=1e-14)
    assert out["v"] == 5.0
    mapped = fxad.vmap(solve, in_axes=(0, None), out_axes={"u": 0, "v": None})
    check_grads(mapped, (a, 5.0), order=2)


@pytest.mark.parametrize("guess", [1, np.int64(1), np.float64(1.0)])
def test_a_guess_of_integers_finds_real_roots(guess):
    def cube_root(a):
        def newton(f, x):
            return lax.fori_loop(0, 30, lambda _, x: x - f(x) / (3.0 * x * x), x)

        return lax.custom_root(lambda x: x**3 - a, guess, newton, lambda g, y: y / g(1.0))

    assert cube_root(8.0) == 2.0
    np.testing.assert_allclose(fxad.grad(cube_root)(8.0), 1 / 12)
    np.testing.assert_allclose(fxad.jit(fxad.grad(fxad.grad(cube_root)))(8.0), -1 / 144)


def test_float32_stays():
    assert sqrt_cubed(np.float32(5.0)).dtype == np.float32
    assert fxad.grad(sqrt_cubed)(np.float32(5.0)).dtype == np.float32


@pytest.mark.parametrize(
    ("mistake", "message"),
    [
        (lambda: lax.custom_root(lambda x: (x, x), 0.0, lambda f, x: x, lambda f, x: x),
         r"f\(\) output pytree"),
        (lambda: lax.custom_root(lambda x: x, 0.0, lambda f, x: (x, x), lambda f, x: x),
         r"solve\(\) output pytree"),
        (lambda: lax.custom_root(lambda x: x, 0.0, lambda f, x: x, lambda f, x: (x, x)),
         r"tangent_solve\(\) output pytree"),
        (lambda: lax.custom_root(lambda x: x, 0.0, lambda f, x: np.ones(2), lambda f, x: x),
         r"solve\(\) output shapes"),
    ],
)
def test_mistakes_are_named(mistake, message):
    with pytest.raises(TypeError, match=message) as caught:
        mistake()
    assert isinstance(caught.value, errors.StructureError | errors.ShapeError)
    assert "At test_root.py" in str(caught.value) and "initial_guess" in str(caught.value)


# Solvers that loop -------------------------------------------------------------------------------


def binary_search(f, x0, low=0.0, high=100.0):
    """Until the ends are neighbours among floats."""

    def middle(ends):
        return 0.5 * (ends[0] + ends[1])

    def halve(ends):
        m = middle(ends)
        above = f(m) > 0
        return fnp.where(above, ends[0], m), fnp.where(above, m, ends[1])

    def apart(ends):
        return (ends[0] < middle(ends)) & (middle(ends) < ends[1])

    return lax.while_loop(apart, halve, (low, high))[0]


def newton_raphson(f, x0, most=20):
    def step(state):
        k, x, y = state
        jacobian = fxad.jacobian(f)(x).reshape(-1, y.size)
        x = x - fnp.linalg.solve(jacobian, y.ravel()).reshape(y.shape)
        return k + 1, x, f(x)

    def unfinished(state):
        return (fnp.max(fnp.abs(state[2])) > 1e-14) & (state[0] < most)

    return lax.while_loop(unfinished, step, (0, x0, f(x0)))[1]


@pytest.mark.parametrize("solve", [binary_search, newton_raphson])
def test_loops_are_not_differentiated(solve):
    def sqrt_cubed(x):
        return lax.custom_root(lambda y: y**2 - x**3, 1.0, solve, lambda g, y: y / g(1.0))

    value, slope = fxad.value_and_grad(sqrt_cubed)(5.0)
    assert value == pytest.approx(5**1.5, rel=1e-14)
    assert slope == pytest.approx(1.5 * 5**0.5, rel=1e-13)
    check_grads(sqrt_cubed, (5.0,), order=2)
    check_grads(fxad.jit(sqrt_cubed), (5.0,), order=2)
    points = np.array([4.0, 5.0])
    for run in (fxad.vmap(sqrt_cubed), fxad.jit(fxad.vmap(sqrt_cubed))):
        np.testing.assert_allclose(run(points), points**1.5, rtol=1e-13)
    np.testing.assert_allclose(
        fxad.vmap(fxad.grad(fxad.grad(sqrt_cubed)))(points), 0.75 * points**-0.5, rtol=1e-12
    )


def test_inside_loops_and_branches():
    """A root in the body of each kind of loop, and in a branch, differentiated and batched."""

    def sqrt(a):
        return lax.custom_root(lambda y: y * y - a, 1.0, binary_search, lambda g, y: y / g(1.0))

    def by_scan(x):
        return lax.scan(lambda c, _: (sqrt(c) + x, c), x, None, length=3)[0]

    def by_fori(x):
        return lax.fori_loop(0, 3, lambda _, c: sqrt(c) + x, x)

    def by_while(x):
        step = lambda state: (state[0] + 1, sqrt(state[1]) + x)  # noqa: E731
        return lax.while_loop(lambda state: state[0] < 3, step, (0, x))[1]

    def by_python(x):
        c = x
        for _ in range(3):
            c = fnp.sqrt(c) + x
        return c

    points = np.array([2.0, 3.0])
    for f in (by_scan, by_fori, by_while):
        for run in (f, fxad.jit(f)):
            assert run(2.0) == pytest.approx(by_python(2.0), rel=1e-13)
            assert fxad.grad(run)(2.0) == pytest.approx(fxad.grad(by_python)(2.0), rel=1e-12)
        second = fxad.vmap(fxad.grad(fxad.grad(f)))(points)
        np.testing.assert_allclose(
            second, fxad.vmap(fxad.grad(fxad.grad(by_python)))(points), rtol=1e-11
        )

    def branch(x):
        return lax.cond(x > 2.5, sqrt, lambda x: x * x, x)

    np.testing.assert_allclose(
        fxad.vmap(fxad.grad(branch))(points), [4.0, 0.5 / np.sqrt(3)], rtol=1e-12
    )
