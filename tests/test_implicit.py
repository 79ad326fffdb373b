"""``fxad.implicit``: solutions, and their derivatives against unrolled ones and closed forms."""

import functools
import tracemalloc
import warnings

import numpy as np
import pytest

import fxad
import fxad.numpy as fnp
from fxad import errors, implicit, lax
from fxad.implicit import iterations, linear, problem
from fxad.test_util import check_grads
from tests import test_composition as composition

fixed_point, root, minimize = implicit.fixed_point, implicit.root, implicit.minimize

W = np.array([[0.3, -0.2, 0.1], [0.05, 0.2, -0.3], [-0.1, 0.15, 0.25]])
B = np.array([0.5, -1.0, 2.0])
FIXED_POINT = ["iteration", "anderson"]
ROOT = ["newton", "broyden"]
MINIMUM = ["bfgs", "newton", "gradient_descent"]
LINEAR = ["auto", "dense", *linear.ITERATIONS]
ANY_LINEAR = [name for name in LINEAR if name != "cg"]  # which wants symmetric operators


def layer(x, w, b):
    return fnp.tanh(w @ x + b)


def unrolled(f, x, *args, steps=200):
    for _ in range(steps):
        x = f(x, *args)
    return x


def implicit_layer(w, b, **options):
    return fixed_point(layer, np.zeros(3), w, b, **options)


def unrolled_layer(w, b):
    return unrolled(layer, np.zeros(3), w, b)


def same(got, wanted, rtol=1e-9):
    for x, y in zip(fxad.tree.leaves(got), fxad.tree.leaves(wanted), strict=True):
        np.testing.assert_allclose(x, y, rtol=rtol, atol=rtol)


# Fixed points ------------------------------------------------------------------------------------


@pytest.mark.parametrize("method", FIXED_POINT)
@pytest.mark.parametrize("linear_solver", ANY_LINEAR)
def test_derivatives_are_the_unrolled_ones(method, linear_solver):
    f = functools.partial(implicit_layer, method=method, linear_solver=linear_solver)
    same(f(W, B), unrolled_layer(W, B))
    same(fxad.jacrev(f, (0, 1))(W, B), fxad.jacrev(unrolled_layer, (0, 1))(W, B))
    same(fxad.jacfwd(f, (0, 1))(W, B), fxad.jacrev(unrolled_layer, (0, 1))(W, B))

    def curvature(f):
        return fxad.hessian(lambda b: fnp.sum(f(W, b) ** 2))(B)

    same(curvature(f), curvature(unrolled_layer), 1e-8)


def test_all_transformations():
    check_grads(implicit_layer, (W, B), order=2)
    check_grads(fxad.jit(implicit_layer), (W, B), order=2)
    check_grads(fxad.checkpoint(implicit_layer), (W, B), order=1)
    many = np.stack([B, 2 * B, -B])
    mapped = fxad.vmap(implicit_layer, (None, 0))
    same(mapped(W, many), np.stack([implicit_layer(W, b) for b in many]))
    check_grads(mapped, (W, many), order=2)
    slope = fxad.grad(lambda b: fnp.sum(implicit_layer(W, b) ** 2))
    same(fxad.jit(fxad.vmap(slope))(many), np.stack([slope(b) for b in many]))


@pytest.mark.usefixtures("small_heap")
def test_without_jit_and_with_checks():
    def slope(a):
        return fxad.grad(lambda a: fixed_point(lambda x, a: (x + a / x) / 2, 1.0, a))(a)

    for switch in (fxad.disable_jit(), fxad.config.override(check_jaxprs=True)):
        with switch:
            assert slope(4.0) == pytest.approx(0.25, rel=1e-12)
            assert fxad.jit(slope)(4.0) == pytest.approx(0.25, rel=1e-12)
            np.testing.assert_allclose(fxad.vmap(slope)(np.array([4.0, 9.0])), [1 / 4, 1 / 6])
    with fxad.checking_leaks():
        assert slope(4.0) == pytest.approx(0.25, rel=1e-12)


def test_third_order_of_a_square_root():
    def sqrt(a):
        return fixed_point(lambda x, a: (x + a / x) / 2, 1.0, a)

    check_grads(sqrt, (2.0,), order=3)
    third = fxad.grad(fxad.grad(fxad.grad(sqrt)))
    assert third(2.0) == pytest.approx(0.375 * 2**-2.5, rel=1e-10)


def test_what_is_closed_over_is_differentiated_and_the_start_is_not():
    def f(b, start):
        return fnp.sum(fixed_point(lambda x: fnp.tanh(W @ x + b), start))

    wanted = fxad.grad(lambda b: fnp.sum(unrolled_layer(W, b)))(B)
    same(fxad.grad(f)(B, np.zeros(3)), wanted)
    assert fxad.grad(f, 1)(B, np.ones(3)).tolist() == [0.0] * 3
    assert fxad.jvp(lambda x: f(B, x), (np.ones(3),), (np.ones(3),))[1] == 0.0


def test_pytrees():
    def f(x, params):
        a, b = x["a"], x["b"]
        return {"a": fnp.cos(params["s"] * b), "b": 0.5 * a[0] * fnp.sin(b) + params["t"]}

    start = {"a": np.zeros(2), "b": 0.0}
    params = {"s": np.array([0.4, 0.7]), "t": 0.3}
    for method in FIXED_POINT:
        solve = functools.partial(fixed_point, f, start, method=method)
        same(solve(params), unrolled(f, start, params))
        same(fxad.jacrev(solve)(params), fxad.jacrev(lambda p: unrolled(f, start, p))(params))
    check_grads(lambda p: fixed_point(f, start, p), (params,), order=2)


def test_complex_numbers_and_functions_that_are_not_holomorphic():
    def f(z, c):
        return 0.3 * fnp.conj(z) * z + c

    c = 0.2 + 0.1j
    same(fixed_point(f, 0j, c), unrolled(f, 0j, c))
    slope = fxad.grad(lambda c: fnp.abs(fixed_point(f, 0j, c)) ** 2)
    same(slope(c), fxad.grad(lambda c: fnp.abs(unrolled(f, 0j, c)) ** 2)(c))
    check_grads(lambda c: fixed_point(f, 0j, c), (c,), order=2)


def test_dtypes_follow_the_function():
    w, b = W.astype(np.float32), B.astype(np.float32)
    x = fixed_point(layer, np.zeros(3, np.float32), w, b)
    assert x.dtype == np.float32
    assert fxad.grad(lambda b: fnp.sum(fixed_point(layer, np.zeros(3, np.float32), w, b)))(
        b).dtype == np.float32
    assert fixed_point(lambda x, a: (x + a / x) / 2, 1, np.float32(2.0)).dtype == np.float32
    assert fixed_point(lambda x, a: (x + a / x) / 2, 1, 2.0).dtype == np.float64
    assert fixed_point(layer, np.zeros(3, np.float32), W, B).dtype == np.float64
    for method in FIXED_POINT:
        same(fixed_point(layer, np.zeros(3, np.float32), w, b, method=method),
             unrolled_layer(W, B), 1e-5)


def test_anderson_takes_fewer_steps():
    rng = np.random.default_rng(0)
    q = np.linalg.qr(rng.normal(size=(20, 20)))[0]
    a = q @ np.diag(np.linspace(-0.97, 0.97, 20)) @ q.T
    b = rng.normal(size=20)
    _, plain = fixed_point(lambda x: a @ x + b, np.zeros(20), return_info=True)
    x, mixed = fixed_point(lambda x: a @ x + b, np.zeros(20), method="anderson", return_info=True)
    same(x, np.linalg.solve(np.eye(20) - a, b))
    assert plain.converged and mixed.converged
    assert 20 < mixed.iterations < plain.iterations / 4


@pytest.mark.parametrize("linear_solver", ["auto", "neumann", "bicgstab"])
def test_large_systems_are_never_made_matrices(linear_solver):
    n = 20_000
    b = np.linspace(-1.0, 1.0, n)

    def f(x, b):
        return 0.3 * fnp.sin(x) + 0.2 * fnp.roll(x, 1) + b

    def solve(b):
        return fixed_point(f, np.zeros(n), b, linear_solver=linear_solver)

    got = fxad.grad(lambda b: fnp.sum(solve(b) ** 2))(b)
    same(got, fxad.grad(lambda b: fnp.sum(unrolled(f, np.zeros(n), b, steps=80) ** 2))(b))


def test_memory_does_not_depend_on_the_iterations():
    n = 50_000
    b = np.linspace(-1.0, 1.0, n)

    def peak(rate):
        def loss(b):
            return fnp.sum(fixed_point(
                lambda x, b: (1 - rate) * x + rate * fnp.cos(x) * b, np.zeros(n), b,
                maxiter=100_000, tol=1e-9))

        gradient = fxad.grad(loss)
        gradient(b)
        fxad.clear_caches()
        tracemalloc.start()
        gradient(b)
        _, most = tracemalloc.get_traced_memory()
        tracemalloc.stop()
        return most / b.nbytes

    few, many = peak(0.5), peak(0.02)
    assert many < 1.1 * few < 100


# Roots -------------------------------------------------------------------------------------------


def quadratics(x, a, b):
    return {"u": x["u"] ** 2 + x["v"] - a, "v": x["v"] ** 3 - x["u"] * b}


@pytest.mark.parametrize("method", ROOT)
@pytest.mark.parametrize("linear_solver", ANY_LINEAR[:-1])
def test_roots(method, linear_solver):
    start = {"u": np.ones(2), "v": np.ones(2)}

    def solve(a, b):
        return root(quadratics, start, a, b, method=method, linear_solver=linear_solver)

    a, b = np.array([2.0, 3.0]), np.array([1.0, 0.5])
    x = solve(a, b)
    same(quadratics(x, a, b), {"u": np.zeros(2), "v": np.zeros(2)}, 1e-11)
    check_grads(solve, (a, b), order=2)
    many = np.stack([a, a + 0.5])
    mapped = fxad.jit(fxad.vmap(solve, (0, None)))
    same(mapped(many, b)["u"][1], solve(many[1], b)["u"])
    check_grads(mapped, (many, b), order=1)


def test_keplers_equation_by_its_closed_form():
    def E(M, e):
        return root(lambda E, M, e: E - e * fnp.sin(E) - M, M, M, e)

    M, e = np.linspace(0.3, 3.0, 5), 0.4
    x = fxad.vmap(E, (0, None))(M, e)
    same(x - e * np.sin(x), M, 1e-12)
    slope = fxad.vmap(fxad.grad(E, 1), (0, None))(M, e)
    same(slope, np.sin(x) / (1 - e * np.cos(x)), 1e-11)


def test_newton_from_far_away():
    """The full step of arctan diverges from there."""
    assert root(lambda x: fnp.arctan(x - 1.0), 10.0) == pytest.approx(1.0, abs=1e-12)


def test_complex_roots():
    x = root(lambda z, c: z**2 - c, 1 + 1j, -3.0 + 0j)
    assert x == pytest.approx(1j * 3**0.5, abs=1e-12)
    check_grads(lambda c: root(lambda z, c: z**2 - c, 1 + 1j, c), (-3.0 + 1j,), order=2)


# Minima ------------------------------------------------------------------------------------------

X = np.random.default_rng(1).normal(size=(20, 3))
Y = np.random.default_rng(2).normal(size=20)


def ridge(w, x, y, penalty):
    return fnp.sum((x @ w - y) ** 2) + penalty * fnp.sum(w**2)


def exact_ridge(x, y, penalty):
    return fnp.linalg.solve(x.T @ x + penalty * np.eye(3), x.T @ y)


@pytest.mark.parametrize("method", MINIMUM)
@pytest.mark.parametrize("linear_solver", LINEAR[:-1])
def test_ridge_regression_by_its_closed_form(method, linear_solver):
    def fit(x, y, penalty):
        return minimize(ridge, np.zeros(3), x, y, penalty, method=method,
                        linear_solver=linear_solver)

    same(fit(X, Y, 2.0), exact_ridge(X, Y, 2.0), 1e-7)
    got = fxad.jacrev(fit, (0, 1, 2))(X, Y, 2.0)
    same(got, fxad.jacrev(exact_ridge, (0, 1, 2))(X, Y, 2.0), 1e-7)
    second = fxad.hessian(lambda p: fnp.sum(fit(X, Y, p) ** 2))(2.0)
    same(second, fxad.hessian(lambda p: fnp.sum(exact_ridge(X, Y, p) ** 2))(2.0), 1e-6)


@pytest.mark.parametrize("method", MINIMUM[:2])
def test_minima_that_are_not_quadratic(method):
    def valley(x, a, b):
        return (a - x["u"]) ** 2 + b * (x["v"] - x["u"] ** 2) ** 2

    def solve(a, b):
        return minimize(valley, {"u": -1.2, "v": 1.0}, a, b, method=method)

    same(solve(1.0, 100.0), {"u": 1.0, "v": 1.0}, 1e-7)
    same(fxad.jacfwd(solve)(1.0, 100.0), {"u": 1.0, "v": 2.0}, 1e-6)
    found = fxad.vmap(solve, (0, None))(np.array([1.0, 1.5]), 10.0)
    same(found, {"u": np.array([1.0, 1.5]), "v": np.array([1.0, 2.25])}, 1e-7)


def test_minima_of_complex_numbers():
    def solve(c):
        return minimize(lambda z, c: fnp.abs(z * c - 1) ** 2, 0j, c)

    c = 0.5 + 1.5j
    same(solve(c), 1 / c, 1e-8)
    same(fxad.jacrev(solve, holomorphic=True)(c), -1 / c**2, 1e-7)


def test_bilevel_gradients_are_those_of_unrolled_descent():
    def inner(w, penalty):
        return fnp.mean(fnp.logaddexp(0, -Y * (X @ w))) + penalty * fnp.sum(w**2)

    def outer(penalty):
        return fnp.sum(minimize(inner, np.zeros(3), penalty) ** 2)

    def unrolled_outer(penalty):
        w = unrolled(lambda w: w - 0.5 * fxad.grad(inner)(w, penalty), np.zeros(3), steps=300)
        return fnp.sum(w**2)

    assert outer(0.1) == pytest.approx(unrolled_outer(0.1), rel=1e-7)
    assert fxad.grad(outer)(0.1) == pytest.approx(fxad.grad(unrolled_outer)(0.1), rel=1e-6)


# Solvers of the users' own -----------------------------------------------------------------------


def test_a_method_is_a_function():
    def bisect(f, x):
        def halve(ends):
            low, high = ends
            middle = (low + high) / 2
            above = f(middle) > 0
            return fnp.where(above, low, middle), fnp.where(above, middle, high)

        return lax.fori_loop(0, 60, lambda _, ends: halve(ends), (0.0 * x, 10.0 + 0 * x))[0]

    def solve(a):
        return root(lambda x, a: x**3 - a, 1.0, a, method=bisect)

    assert solve(8.0) == pytest.approx(2.0, rel=1e-14)
    check_grads(solve, (8.0,), order=2)
    assert fxad.jit(solve)(27.0) == pytest.approx(3.0)
    by_hand = fixed_point(layer, np.zeros(3), W, B, method=lambda f, x: unrolled(f, x))
    same(by_hand, unrolled_layer(W, B))


def test_scipy_minimizes_on_the_host():
    optimize = pytest.importorskip("scipy.optimize", reason="SciPy's solver is wrapped")
    calls = []

    @implicit.on_host
    def bfgs(f, x0):
        calls.append(type(x0))
        found = optimize.minimize(fxad.value_and_grad(f), x0, jac=True, method="L-BFGS-B",
                                  options={"ftol": 1e-30, "gtol": 1e-11})
        return found.x

    def fit(penalty):
        return minimize(ridge, np.zeros(3), X, Y, penalty, method=bfgs)

    same(fit(2.0), exact_ridge(X, Y, 2.0), 1e-7)
    wanted = fxad.jacrev(lambda p: exact_ridge(X, Y, p))(2.0)
    same(fxad.jacrev(fit)(2.0), wanted, 1e-7)
    same(fxad.jit(fxad.jacfwd(fit))(2.0), wanted, 1e-7)
    both = fxad.vmap(fit)(np.array([1.0, 2.0]))
    same(both[1], exact_ridge(X, Y, 2.0), 1e-7)
    assert set(calls) == {np.ndarray}
    check_grads(fit, (2.0,), order=1, rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize("shape", [(), (1,), (2, 2)])
def test_scipys_vectors_are_what_the_start_is(shape):
    optimize = pytest.importorskip("scipy.optimize", reason="SciPy's solver is wrapped")

    @implicit.on_host
    def bfgs(f, x0):
        both, options = fxad.value_and_grad(f), {"gtol": 1e-10}
        found = optimize.minimize(both, x0.ravel(), jac=True, options=options)
        return found.x.reshape(x0.shape)

    def distance(x, a):
        assert x.shape == shape
        return fnp.mean((x - a * fnp.ones(shape)) ** 2)

    def nearest(a):
        return fnp.sum(minimize(distance, np.zeros(shape), a, method=bfgs))

    size = max(1, np.prod(shape))
    same(nearest(3.0), 3.0 * size, 1e-7)
    same(fxad.jit(fxad.grad(nearest))(3.0), 1.0 * size, 1e-7)


def test_a_linear_solver_is_a_function():
    calls = []

    def solve(matvec, b):
        calls.append(fxad.tree.structure(b))
        ones = fxad.tree.map(fnp.ones_like, b)
        return fxad.tree.map(lambda y, d: y / d, b, matvec(ones))

    def f(a):
        return fixed_point(lambda x, a: {"u": fnp.sqrt(x["u"] + a)}, {"u": 1.0}, a,
                           linear_solver=solve)["u"]

    assert f(2.0) == pytest.approx(2.0)
    assert fxad.grad(f)(2.0) == pytest.approx(1 / 3)
    assert set(calls) == {fxad.tree.structure({"u": 0})}


def test_host_solvers_return_what_they_were_given():
    wrong = implicit.on_host(lambda f, x: [x])
    with pytest.raises(errors.StructureError, match=r"\[on_host\] got a solver whose result"):
        root(lambda x: x, np.ones(2), method=wrong)
    short = implicit.on_host(lambda f, x: x[:1])
    with pytest.raises(errors.ShapeError, match=r"the shape \(1,\), wanted that of x0, \(2,\)"):
        root(lambda x: x, np.ones(2), method=short)


# Linear solvers ----------------------------------------------------------------------------------


@pytest.mark.parametrize("name", LINEAR[1:])
@pytest.mark.parametrize("n", [1, 5, 60])
def test_linear_systems(name, n, rng):
    a = 0.4 * rng.normal(size=(n, n)) / np.sqrt(n)
    a = np.eye(n) + (a @ a.T if name == "cg" else a)
    b = rng.normal(size=n)
    solver = linear.linear_solver("test", name)
    for run in (lambda b: solver(lambda v: a @ v, b, 1e-12),
                fxad.jit(lambda b: solver(lambda v: a @ v, b, 1e-12))):
        x, info = run(b)
        same(x, np.linalg.solve(a, b))
        assert info.converged
    x, info = fxad.vmap(lambda b: solver(lambda v: a @ v, b, 1e-12))(np.stack([b, 0 * b, 3 * b]))
    same(x, np.stack([x[0], 0 * b, 3 * x[0]]))
    assert info.converged.all()


def test_gmres_restarts(rng):
    a = np.eye(90) + 0.5 * rng.normal(size=(90, 90)) / 9
    b = rng.normal(size=90)
    x, steps = linear.gmres(lambda v: a @ v, b, 1e-12)
    same(x, np.linalg.solve(a, b))
    assert steps > 20


# What does not converge is never silent ----------------------------------------------------------

FAILING = {
    "fixed_point": lambda a, **o: fixed_point(lambda x, a: 2 * x + a, 1.0, a, **o),
    "too few": lambda a, **o: fixed_point(lambda x, a: 0.9 * x + a, 1.0, a, maxiter=3, **o),
    "anderson": lambda a, **o: fixed_point(lambda x, a: fnp.sqrt(x**2 + 1) + a * 0, 1.0, a,
                                           method="anderson", maxiter=30, **o),
    "root": lambda a, **o: root(lambda x, a: x**2 + a, 1.0, a, **o),
    "broyden": lambda a, **o: root(lambda x, a: x**2 + a, 1.0, a, method="broyden", **o),
    "minimize": lambda a, **o: minimize(lambda x, a: -a * fnp.exp(x), 1.0, a, **o),
    "descent": lambda a, **o: minimize(lambda x, a: a * x, 1.0, a, method="gradient_descent", **o),
    "method": lambda a, **o: root(lambda x, a: x - a, 0.0, a, method=lambda f, x: x, **o),
}


@pytest.mark.filterwarnings("ignore:(overflow|invalid|divide)")
@pytest.mark.parametrize("name", FAILING)
def test_failure(name):
    f = FAILING[name]
    what = {"minimize": "minimum", "descent": "minimum", "fixed_point": "fixed point",
            "too few": "fixed point", "anderson": "fixed point"}.get(name, "root")
    runs = (f, fxad.jit(f), fxad.grad(f), fxad.jit(fxad.value_and_grad(f)))
    for run in (*runs, lambda a: fxad.vmap(f)(np.array([a, a]))):
        with pytest.raises(errors.ConvergenceError, match=rf"\[\w+\] got no {what}") as caught:
            run(1.0)
    message = str(caught.value)
    assert "in 2 of 2 examples" in message and "wanted at most" in message
    assert "At test_implicit.py" in message and "maxiter" in message
    assert isinstance(caught.value, ArithmeticError)
    assert np.isnan(f(1.0, on_failure="nan"))
    _, info = f(1.0, return_info=True)
    assert not info.converged and not info.residual <= 1e-8
    with warnings.catch_warnings(record=True) as caught_warnings:
        warnings.simplefilter("always")
        f(1.0, on_failure="warn")
    assert any(f"got no {what}" in str(w.message) for w in caught_warnings)


def test_only_the_rows_that_fail_are_nan():
    def f(rate):
        return fixed_point(lambda x, r: r * x + 1, 0.0, rate, on_failure="nan", maxiter=200)

    out = fxad.vmap(f)(np.array([0.5, 2.0, 0.25]))
    same(out[[0, 2]], np.array([2.0, 4 / 3]))
    assert np.isnan(out[1])
    slopes = fxad.vmap(fxad.grad(f))(np.array([0.5, 0.25]))
    same(slopes, np.array([4.0, 16 / 9]))


def test_an_adjoint_that_does_not_converge_is_told():
    def f(a):  # Newton finds it; the Neumann series of its derivative diverges
        return root(lambda x, a: x**3 - a, 1.0, a, linear_solver="neumann", method="broyden")

    assert f(8.0) == pytest.approx(2.0)
    with np.errstate(all="ignore"), pytest.raises(errors.ConvergenceError, match="linear system"):
        fxad.grad(f)(8.0)


def test_info_says_how_it_ended():
    x, info = implicit_layer(W, B, return_info=True)
    assert isinstance(info, implicit.Info)
    assert info.converged and 0 <= info.residual < 2e-12 and 5 < info.iterations < 100
    same(fxad.jit(lambda b: implicit_layer(W, b, return_info=True))(B)[0], x)
    loose = implicit_layer(W, B, return_info=True, tol=1e-3)[1]
    assert loose.iterations < info.iterations and loose.residual <= 1e-3
    _, batched = fxad.vmap(lambda b: implicit_layer(W, b, return_info=True))(np.stack([B, 0 * B]))
    assert batched.iterations[0] > batched.iterations[1]
    gradient = fxad.grad(lambda b: fnp.sum(implicit_layer(W, b, return_info=True)[0]))
    same(gradient(B), fxad.grad(lambda b: fnp.sum(unrolled_layer(W, b)))(B))


def test_derivatives_are_traced_once_for_each_program(monkeypatch):
    traced = []
    original = problem.custom_linear_solve

    def counting(*args, **kwargs):
        traced.append(1)
        return original(*args, **kwargs)

    monkeypatch.setattr(problem, "custom_linear_solve", counting)

    def solved(scale, shift, **options):
        return root(lambda x: scale * x + x**3 - shift, np.zeros(2), **options)

    def exact(scale, x):
        return 1 / (scale + 3 * x**2)

    def slope(scale, shift, **options):
        gradient = fxad.grad(lambda s: fnp.sum(solved(scale, s, **options)))(shift)
        same(gradient, exact(scale, solved(scale, shift)))

    solved(np.ones(2), B[:2])
    assert not traced  # a plain value has no derivative
    for scale, shift in ((1.0, 0.5), (2.0, 0.5), (2.0, -1.0)):
        slope(np.full(2, scale), np.full(2, shift))
    assert len(traced) == 1
    slope(np.ones(2), np.ones(2), linear_solver="gmres")
    slope(np.ones(2), np.ones(2), on_failure="nan")
    assert len(traced) == 3
    for _ in range(2):  # a solver of the user's own may close over anything
        slope(np.ones(2), np.ones(2), linear_solver=lambda f, y: y / f(fnp.ones_like(y)))
    assert len(traced) == 5
    slope(1.0, np.ones(2))  # a number of Python's is another program
    slope(2.0, np.ones(2))
    assert len(traced) == 7


# Mistakes ----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("mistake", "kind", "message"),
    [
        (lambda: fixed_point(3.0, 1.0), errors.ArgumentTypeError, "wanted a function"),
        (lambda: fixed_point(lambda x: (x, x), 1.0), errors.StructureError,
         r"\[fixed_point\] got a function whose output has another structure than x0"),
        (lambda: root(lambda x: x[:1], np.ones(2)), errors.ShapeError,
         r"output is float64\[1\] where x0 is float64\[2\]"),
        (lambda: root(lambda x: {"u": x["u"][:1]}, {"u": np.ones(2)}), errors.ShapeError,
         r"x0\['u'\]"),
        (lambda: fixed_point(lambda x: x * 0.5, np.arange(3)), errors.DtypeError,
         r"Begin with floats"),
        (lambda: fixed_point(lambda x: x // 2, 1), errors.DtypeError, "wanted real or complex"),
        (lambda: root(lambda x: x, 1.0, method=lambda f, x: np.ones(2)), errors.ShapeError,
         r"method whose result has the shapes \[\(2,\)\], wanted those of x0, \[\(\)\]"),
        (lambda: root(lambda x: x, 1.0, method=lambda f, x: None), errors.StructureError,
         "got a method whose result has another structure than x0"),
        (lambda: root(lambda x: x, 1.0, method=lambda f, x: "0"), errors.ArgumentTypeError,
         r"\[root\] got a function with an output of type str"),
        (lambda: root(lambda x: x, (0.5, np.ones(2)), linear_solver=lambda f, y: np.ones(3)),
         errors.StructureError, "got a linear_solver whose result has another structure than x0"),
        (lambda: fixed_point(lambda x: x, {"a": None}), errors.ArgumentValueError,
         "which holds no array"),
        (lambda: fixed_point(lambda x: x, "1"), errors.ArgumentTypeError, "str '1'"),
        (lambda: fixed_point(layer, B, W, B, method="newton"), errors.ArgumentValueError,
         "got method='newton', wanted 'iteration', 'anderson' or a function"),
        (lambda: root(lambda x: x, 1.0, method="bfgs"), errors.ArgumentValueError, "'broyden'"),
        (lambda: minimize(lambda x: x**2, 1.0, method="cg"), errors.ArgumentValueError, "'bfgs'"),
        (lambda: root(lambda x: x, 1.0, linear_solver="lu"), errors.ArgumentValueError,
         "got linear_solver='lu', wanted 'auto', 'dense', 'gmres'"),
        (lambda: root(lambda x: x, 1.0, on_failure="ignore"), errors.ArgumentValueError,
         "wanted 'raise', 'warn' or 'nan'"),
        (lambda: root(lambda x: x, 1.0, tol=-1.0), errors.ArgumentValueError, "tol=-1.0"),
        (lambda: fxad.jit(lambda t: root(lambda x: x, 1.0, tol=t))(1.0), errors.ArgumentTypeError,
         "tol="),
        (lambda: root(lambda x: x, 1.0, maxiter="many"), errors.ArgumentTypeError, "maxiter="),
        (lambda: minimize(lambda x: x, np.ones(2)), errors.NonScalarOutputError, "one number"),
        (lambda: minimize(lambda x: x * 1j, 1.0), errors.DtypeError, "a real number"),
    ],
)
def test_mistakes_are_told(mistake, kind, message):
    with pytest.raises(kind, match=message) as caught:
        mistake()
    assert "At test_implicit.py" in str(caught.value)


def test_the_methods_are_those_that_are_documented():
    for function, names in ((fixed_point, FIXED_POINT), (root, ROOT), (minimize, MINIMUM)):
        assert all(f'"{name}"' in function.__doc__ for name in names)
    assert all(f'"{name}"' in fixed_point.__doc__ for name in LINEAR)
    assert iterations.largest(np.zeros(0)) == 0.0


# Composition -------------------------------------------------------------------------------------


def _by_root(f):
    """y with y - f(x) = 0."""

    def g(x):
        def minus(y):
            return fxad.tree.map(lambda a, b: a - b, y, f(x))

        start = fxad.tree.map(lambda s: fnp.zeros(s.shape, s.dtype), fxad.eval_shape(f, x))
        return lax.custom_root(
            minus, start, lambda h, y: fxad.tree.map(lambda a, b: a - b, y, h(y)), lambda h, y: y
        )

    return g


def _by_linear_solve(f):
    """2 y with 2 y = f(x)."""

    def twice(y):
        return fxad.tree.map(lambda a: 2 * a, y)

    def g(x):
        return twice(lax.custom_linear_solve(
            twice, f(x), lambda _, y: fxad.tree.map(lambda a: a / 2, y), symmetric=True
        ))

    return g


def _by_fixed_point(f):
    """y = (y + f(x)) / 2, found by the adjoint's own iterations too."""

    def g(x):
        start = fxad.tree.map(lambda s: fnp.zeros(s.shape, s.dtype), fxad.eval_shape(f, x))
        mean = lambda y, x: fxad.tree.map(lambda a, b: (a + b) / 2, y, f(x))  # noqa: E731
        return fixed_point(mean, start, x, linear_solver="neumann")

    return g


SOLVED = {"root": _by_root, "linear solve": _by_linear_solve, "fixed point": _by_fixed_point}


@pytest.mark.parametrize("solved", SOLVED)
@pytest.mark.parametrize("outer", composition.LETTERS)
def test_words_with_a_solution_in_the_middle(outer, solved):
    """Between any two transformations, a solution that is f itself changes nothing."""
    f, (x, _) = composition.FUNCTIONS["vectors"]
    for inner in composition.LETTERS:
        plain = composition.spell((outer, inner), f)(x)
        rest = SOLVED[solved](composition.spell((inner,), f))
        got = composition.LETTERS[outer](rest)(x)
        composition.assert_close(got, plain, 1e-8, f"{outer} {solved} {inner}")
