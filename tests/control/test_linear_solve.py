"""``lax.custom_linear_solve``: derivatives are solves, whatever the solver does."""

import functools

import numpy as np
import pytest

import fxad
import fxad.numpy as fnp
from fxad import errors, lax
from fxad.test_util import check_grads


def dense(matvec, b):
    """A solve that has no derivative of its own."""
    return lax.stop_gradient(fnp.linalg.solve(fxad.jacobian(matvec)(b), b))


def solve_by(a, b, **options):
    options = {"solve": dense, "transpose_solve": dense, **options}
    return lax.custom_linear_solve(functools.partial(fnp.dot, a), b, **options)


def system(rng, n=3, symmetric=False, dtype=float):
    a = rng.normal(size=(n, n)) + 3 * np.eye(n)
    if np.dtype(dtype).kind == "c":
        a = a + 1j * rng.normal(size=(n, n))
    a = a + a.T if symmetric else a
    return a.astype(dtype), rng.normal(size=n).astype(dtype)


@pytest.mark.parametrize("symmetric", [False, True])
def test_is_the_solution_under_every_transformation(rng, symmetric):
    a, b = system(rng, symmetric=symmetric)
    solve = functools.partial(solve_by, symmetric=symmetric)
    check_grads(solve, (a, b), order=2)
    check_grads(fxad.jit(solve), (a, b), order=2)
    check_grads(fxad.checkpoint(solve), (a, b), order=2)
    np.testing.assert_allclose(fxad.jit(solve)(a, b), np.linalg.solve(a, b), rtol=1e-12)
    c = rng.normal(size=(3, 2))
    np.testing.assert_allclose(
        fxad.vmap(solve, (None, 1), 1)(a, c), np.linalg.solve(a, c), rtol=1e-12
    )
    many = np.stack([a, 2 * a, a.T])
    found = fxad.vmap(solve, (0, None))(many, b)
    np.testing.assert_allclose(found, [np.linalg.solve(m, b) for m in many], rtol=1e-12)
    check_grads(fxad.vmap(solve, (0, None)), (many, b), order=2)


def test_derivatives_of_third_order(rng):
    a, b = system(rng, 2)
    check_grads(solve_by, (a, b), order=3)


def test_gradients_are_jax_own(rng):
    jax = pytest.importorskip("jax", reason="JAX is the oracle of this test")
    a, b = system(rng, 4)

    def loss(solve, dot, np_):
        return lambda a, b: np_.sum(np_.sin(solve(functools.partial(dot, np_.exp(a / 4)), b)))

    def dense_jax(matvec, b):
        return jax.numpy.linalg.solve(jax.jacobian(matvec)(b), b)

    wanted = jax.grad(
        loss(lambda m, b: jax.lax.custom_linear_solve(m, b, dense_jax, dense_jax),
             jax.numpy.dot, jax.numpy), (0, 1))(a, b)
    got = fxad.grad(
        loss(lambda m, b: lax.custom_linear_solve(m, b, dense, dense), fnp.dot, fnp), (0, 1))(a, b)
    for x, y in zip(got, wanted, strict=True):
        np.testing.assert_allclose(x, y, rtol=1e-10)


def test_complex(rng):
    a, b = system(rng, 2, dtype=complex)

    def solve(a, b):
        return lax.custom_linear_solve(
            lambda x: a @ x, b, lambda _, y: fnp.linalg.solve(a, y),
            lambda _, y: fnp.linalg.solve(a.T, y),
        )

    np.testing.assert_allclose(solve(a, b), np.linalg.solve(a, b), rtol=1e-12)
    check_grads(solve, (a, b), order=2)


def test_a_factorisation_is_reused_and_its_derivative_is_not_taken(rng):
    a, b = system(rng)

    def solve(root, b):
        a = root @ root.T
        factor = lax.stop_gradient(fnp.linalg.cholesky(a))

        def by_factor(matvec, y):
            return fnp.linalg.solve(factor.T, fnp.linalg.solve(factor, y))

        return lax.custom_linear_solve(lambda x: a @ x, b, by_factor, symmetric=True)

    np.testing.assert_allclose(solve(a, b), np.linalg.solve(a @ a.T, b), rtol=1e-10)
    check_grads(solve, (a, b), order=2)
    check_grads(fxad.jit(solve), (a, b), order=2)


def test_aux_comes_with_the_solution(rng):
    a, b = system(rng, symmetric=True)
    aux = {"converged": np.array(1.0), "steps": 7}

    def solve(a, b):
        return solve_by(
            a, b, solve=lambda m, y: (dense(m, y), aux), transpose_solve=None, symmetric=True,
            has_aux=True,
        )

    for run in (solve, fxad.jit(solve)):
        x, found = run(a, b)
        np.testing.assert_allclose(x, np.linalg.solve(a, b), rtol=1e-12)
        assert found == aux
    check_grads(lambda a, b: solve(a, b)[0], (a, b), order=2)
    x, found = fxad.vmap(solve, (None, 0))(a, np.stack([b, 2 * b]))
    np.testing.assert_allclose(x[1], 2 * np.linalg.solve(a, b), rtol=1e-12)
    assert found["converged"].tolist() == [1.0, 1.0] and found["steps"].tolist() == [7, 7]
    _, tangent = fxad.jvp(solve, (a, b), (a, b))[1]
    assert tangent["converged"] == 0.0 and tangent["steps"].dtype == fxad.jvp(
        lambda x: 1, (1.0,), (1.0,))[1].dtype


def test_without_a_transposed_solver_forward_mode_alone(rng):
    a, b = system(rng, 2)

    def loss(a, b):
        return fnp.sum(solve_by(a, b, transpose_solve=None))

    check_grads(loss, (a, b), order=2, modes=["fwd"])
    check_grads(fxad.vmap(loss), (a[None], b[None]), order=2, modes=["fwd"])
    with pytest.raises(errors.NonDifferentiableError, match="transpose_solve required") as caught:
        fxad.grad(loss)(a, b)
    assert isinstance(caught.value, TypeError) and "symmetric=True" in str(caught.value)


# Pytrees -----------------------------------------------------------------------------------------


def rows(matrix, x):
    """A list of lists of numbers (None for zero), applied to a list."""
    entries = [[m * v for m, v in zip(row, x, strict=True) if m is not None] for row in matrix]
    return [sum(row[1:], row[0]) for row in entries]


def substitute(matvec, b, lower):
    x = [0.0 * y for y in b]
    for i in range(len(b)) if lower else reversed(range(len(b))):
        unit = [fnp.ones_like(y) if i == j else fnp.zeros_like(y) for j, y in enumerate(b)]
        x[i] = (b[i] - matvec(x)[i]) / matvec(unit)[i]
    return x


def triangular(matrix, b):
    return lax.custom_linear_solve(
        functools.partial(rows, matrix), b, functools.partial(substitute, lower=True),
        functools.partial(substitute, lower=False),
    )


BLOCKS = [[1.0, None, None, None], [0.5, 2.0, None, None], [None, None, 2.0, None],
          [None, None, 4.0, 3.0]]


def test_pytrees_and_batches_that_stay_in_their_block(rng):
    b = list(rng.normal(size=4))
    check_grads(triangular, (BLOCKS, b), order=2)
    batched = [rng.normal(size=3), *b[1:]]
    solve = fxad.vmap(triangular, in_axes=(None, [0, None, None, None]),
                      out_axes=[0, 0, None, None])
    dense = np.array([[0.0 if m is None else m for m in row] for row in BLOCKS])
    x = solve(BLOCKS, batched)
    for i in range(3):
        wanted = np.linalg.solve(dense, [batched[0][i], *b[1:]])
        np.testing.assert_allclose([x[0][i], x[1][i], x[2], x[3]], wanted, rtol=1e-12)
    check_grads(solve, (BLOCKS, batched), order=2)
    matrix = [BLOCKS[0], [rng.normal(size=3), 2.0, None, None], *BLOCKS[2:]]
    axes = [[None] * 4, [0, None, None, None], [None] * 4, [None] * 4]
    solve = fxad.vmap(triangular, in_axes=(axes, None), out_axes=[0, 0, None, None])
    check_grads(solve, (matrix, b), order=2)


def test_float32_stays(rng):
    a, b = system(rng, dtype=np.float32)
    assert solve_by(a, b).dtype == np.float32
    assert fxad.grad(lambda b: fnp.sum(solve_by(a, b)))(b).dtype == np.float32
    scale = np.float32(2.0)
    solve = lax.custom_linear_solve(lambda x: scale * x, 1.0, lambda _, y: y / scale)
    assert solve.dtype == np.float32 and solve == 0.5


def test_an_integer_right_hand_side_has_a_real_solution():
    b = np.array([1, 2])

    def total(a, b):
        solve = lambda _, y: y / a  # noqa: E731
        return fnp.sum(lax.custom_linear_solve(lambda x: a * x, b, solve, symmetric=True))

    assert total(2.0, b) == 1.5
    for run in (lambda f: f, fxad.jit):
        assert run(fxad.grad(total))(2.0, b) == -0.75
        assert run(fxad.grad(fxad.grad(total)))(2.0, b) == 0.75
    assert fxad.jvp(lambda a: total(a, b), (2.0,), (1.0,))[1] == -0.75
    slopes = fxad.vmap(fxad.grad(total), (0, None))(np.array([2.0, 4.0]), b)
    np.testing.assert_allclose(slopes, [-0.75, -0.1875])


def test_the_solution_is_no_alias():
    b = np.ones(3)

    def identity(b):
        return lax.custom_linear_solve(lambda x: x, b, lambda _, y: y)

    for run in (identity, fxad.jit(identity)):
        run(b)[:] = 7.0
    assert b.tolist() == [1.0, 1.0, 1.0]


# Mistakes ----------------------------------------------------------------------------------------

ONE = {"matvec": lambda x: x, "solve": lambda f, y: y, "transpose_solve": lambda f, y: y}


@pytest.mark.parametrize("name", list(ONE))
@pytest.mark.parametrize(
    ("wrong", "kind", "message"),
    [
        (lambda *args: [args[-1]], errors.StructureError, "output pytree"),
        (lambda *args: np.ones(2), errors.ShapeError, "output shapes"),
        (lambda *args: "yes", errors.ArgumentTypeError, "an output of type str"),
    ],
)
def test_mistakes_are_named(name, wrong, kind, message):
    with pytest.raises(kind, match=message) as caught:
        lax.custom_linear_solve(b=1.0, **{**ONE, name: wrong})
    text = str(caught.value)
    assert text.startswith("[custom_linear_solve] got") and "At test_linear_solve.py" in text
    assert name in text or kind is errors.ArgumentTypeError


def test_an_operator_that_is_not_linear_is_named():
    def matvec(x):
        return x * x

    def solve(_, b):
        return fnp.sqrt(b)

    message = r"not linear.*\n.*\nIn matvec \(test_linear_solve.py:\d+\), the matvec of a custom"
    with pytest.raises(errors.NonDifferentiableError, match=message):
        lax.custom_linear_solve(matvec, np.ones(2), solve, solve)


def test_what_is_no_function_or_no_pair_is_refused():
    with pytest.raises(errors.ArgumentTypeError, match="wanted a function"):
        lax.custom_linear_solve(3.0, 1.0, ONE["solve"])
    with pytest.raises(errors.ArgumentTypeError, match="wanted a pair"):
        lax.custom_linear_solve(**ONE, b=1.0, has_aux=True)


def test_an_iteration_solves(rng):
    """Richardson's, until the residual is small: a loop that is run and not differentiated."""

    def richardson(matvec, b):
        def far(x):
            return fnp.linalg.norm(matvec(x) - b) > 1e-13

        return lax.while_loop(far, lambda x: x + 0.1 * (b - matvec(x)), b)

    def build_and_solve(a, b):
        return lax.custom_linear_solve(
            lambda x: fnp.exp(a) @ x, fnp.cos(b), richardson, richardson
        )

    a, b = np.array([[1.0, -0.5], [0.2, 1.2]]), rng.normal(size=2)
    np.testing.assert_allclose(
        build_and_solve(a, b), np.linalg.solve(np.exp(a), np.cos(b)), rtol=1e-11
    )
    check_grads(build_and_solve, (a, b), order=2, rtol=1e-6)
    check_grads(fxad.jit(fxad.vmap(build_and_solve)), (a[None], b[None]), order=2, rtol=1e-6)


def test_inside_a_scan(rng):
    a, b = system(rng, 2)

    def implicit_euler(a, x):
        def step(x, _):
            return solve_by(np.eye(2) + 0.1 * a, x), fnp.sum(x)

        return lax.scan(step, x, None, length=4)

    def by_python(a, x):
        sums = []
        for _ in range(4):
            sums.append(fnp.sum(x))
            x = fnp.linalg.solve(np.eye(2) + 0.1 * a, x)
        return x, fnp.stack(sums)

    for run in (implicit_euler, fxad.jit(implicit_euler)):
        for got, wanted in zip(run(a, b), by_python(a, b), strict=True):
            np.testing.assert_allclose(got, wanted, rtol=1e-12)
    got, wanted = (fxad.jacrev(f, (0, 1))(a, b) for f in (implicit_euler, by_python))
    for x, y in zip(fxad.tree.leaves(got), fxad.tree.leaves(wanted), strict=True):
        np.testing.assert_allclose(x, y, rtol=1e-11, atol=1e-13)
    check_grads(implicit_euler, (a, b), order=2)


def test_collectives_inside(rng):
    """Each example solves with the mean of all matrices."""
    many, b = np.stack([system(rng, 2)[0] for _ in range(3)]), rng.normal(size=2)

    def solve(a, b):
        return lax.custom_linear_solve(
            lambda x: lax.pmean(a, "i") @ x, b, lambda f, y: dense(f, y), lambda f, y: dense(f, y)
        )

    out = fxad.vmap(solve, (0, None), axis_name="i")(many, b)
    wanted = np.linalg.solve(many.mean(0), b)
    np.testing.assert_allclose(out, np.stack([wanted] * 3), rtol=1e-12)


@pytest.mark.parametrize(
    "policy",
    [lambda *_, **__: True, lambda *_, **__: False, fxad.checkpoint_policies.dots_saveable],
)
def test_under_policies_of_checkpoint(policy, rng):
    a, b = system(rng, symmetric=True)
    solve = fxad.checkpoint(functools.partial(solve_by, symmetric=True), policy=policy)
    check_grads(solve, (a, b), order=1, modes=["rev"])
    check_grads(fxad.jit(solve), (a, b), order=2)
