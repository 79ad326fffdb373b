"""Rules that close over values of an enclosing program, gone when it is differentiated."""

import numpy as np
import pytest

import fxad
import fxad.numpy as fnp
from fxad import lax
from fxad.errors import UnexpectedTracerError


def with_jvp(scale):
    f = fxad.custom_jvp(lambda y: y * y * scale)
    f.defjvp(lambda p, t: (p[0] ** 2 * scale, 20.0 * p[0] * t[0] * scale))
    return f


def with_vjp(scale):
    f = fxad.custom_vjp(lambda y: y * y * scale)
    f.defvjp(lambda y: (y**2 * scale, y), lambda y, ct: (20.0 * y * ct * scale,))
    return f


def with_gradient(scale):
    return fxad.custom_gradient(lambda y: (y * y * scale, lambda ct: 20.0 * y * ct * scale))


def by_number(scale):
    f = fxad.custom_vjp(lambda scale, y: y * y * scale, nondiff_argnums=0)
    f.defvjp(lambda s, y: (y**2 * s, y), lambda s, y, ct: (20.0 * y * ct * s,))
    return lambda y: f(scale, y)


each = pytest.mark.parametrize("ruled", [with_jvp, with_vjp, with_gradient, by_number])
ROWS = np.linspace(0.1, 1.0, 3)


@each
@pytest.mark.parametrize("wrap", [lambda f: f, fxad.jit, fxad.checkpoint], ids=["", "jit", "remat"])
def test_derivatives_by_arguments_alone(ruled, wrap):
    """In every mode, to second order; the value that is closed over may be batched."""
    loss = wrap(lambda y, x: ruled(fnp.sin(x))(y))
    x, y, s = 0.5, 2.0, np.sin(0.5)
    np.testing.assert_allclose(loss(y, x), y * y * s)
    np.testing.assert_allclose(fxad.grad(loss)(y, x), 20.0 * y * s)
    np.testing.assert_allclose(fxad.jvp(lambda y: loss(y, x), (y,), (3.0,))[1], 60.0 * y * s)
    for outer in (fxad.grad, fxad.jacfwd, fxad.jacrev):
        for inner in (fxad.grad, fxad.jacfwd, fxad.jacrev):
            np.testing.assert_allclose(outer(inner(loss))(y, x), 20.0 * s)
    both = fxad.vmap(fxad.grad(loss))(ROWS, ROWS)
    np.testing.assert_allclose(both, 20.0 * ROWS * np.sin(ROWS))
    np.testing.assert_allclose(fxad.vmap(fxad.grad(loss), (None, 0))(y, ROWS), 40.0 * np.sin(ROWS))


@each
@pytest.mark.parametrize("wrap", [fxad.jit, fxad.checkpoint])
def test_gradients_of_batches_by_what_all_examples_share(ruled, wrap):
    loss, wanted = wrap(lambda y, x: ruled(fnp.sin(x))(y)), 40.0 * np.sin(ROWS).sum()
    total = lambda y: fxad.vmap(loss, (None, 0))(y, ROWS).sum()  # noqa: E731
    np.testing.assert_allclose(fxad.grad(total)(2.0), wanted)
    np.testing.assert_allclose(fxad.jit(fxad.grad(total))(2.0), wanted)


@each
def test_rules_inside_of_loops_and_branches(ruled):
    def step(y, x):
        return ruled(fnp.sin(x))(y), None

    # y0 -> s y0^2 -> s (s y0^2)^2, each factor of the slope ten times what it is.
    y, s = 0.7, np.sin(0.5)
    slope = (20.0 * y * s) * (20.0 * (y * y * s) * s)
    loop = lambda y: lax.scan(step, y, np.full(2, 0.5))[0]  # noqa: E731
    np.testing.assert_allclose(fxad.grad(loop)(y), slope)
    np.testing.assert_allclose(fxad.jit(fxad.grad(loop))(y), slope)
    np.testing.assert_allclose(fxad.jacfwd(loop)(y), slope)
    branch = fxad.jit(lambda y, x: lax.cond(x > 0, lambda y: step(y, x)[0], lambda y: y, y))
    np.testing.assert_allclose(fxad.grad(branch)(y, 0.5), 20.0 * y * s)


@each
def test_a_derivative_by_what_is_closed_over_is_refused(ruled):
    for derivative in (
        fxad.grad(fxad.jit(lambda y, x: ruled(fnp.sin(x))(y)), argnums=1),
        fxad.grad(fxad.checkpoint(lambda y, x: ruled(y)(y))),
        lambda *args: fxad.jvp(fxad.jit(lambda y, x: ruled(x)(y)), args, args),
    ):
        with pytest.raises(UnexpectedTracerError, match=r"(?s)closes over a traced.*test_captured"):
            derivative(2.0, 0.5)


def test_a_rule_that_cannot_be_staged_fails_where_it_is_used():
    def loss(y, x):
        f = fxad.custom_vjp(lambda y: y * x)
        f.defvjp(lambda y: (y * x, None), lambda _, ct: (ct * float(x),))
        return f(y)

    assert fxad.jit(loss)(2.0, 3.0) == 6.0
    with pytest.raises(TypeError, match=r"(?s)float.*bwd rule|closes over"):
        fxad.grad(fxad.jit(loss))(2.0, 3.0)


def test_several_outputs_integers_and_zeros():
    def loss(y, n, x):
        f = fxad.custom_vjp(lambda y, n: (y * x, y * n, n))
        f.defvjp(
            lambda y, n: ((y * x, y * n, n), n),
            lambda n, cts: (2.0 * x * cts[0] + 3.0 * n * cts[1], None),
        )
        a, b, _ = f(y, n)
        return a if n is None else a + b

    assert fxad.grad(fxad.jit(loss))(2.0, 5, 3.0) == 2.0 * 3.0 + 3.0 * 5
    first = lambda y, n, x: loss(y, n, x) - y * n  # noqa: E731
    assert fxad.grad(fxad.jit(first))(2.0, 5, 3.0) == 2.0 * 3.0 + 3.0 * 5 - 5
    assert fxad.jvp(fxad.jit(lambda y: loss(y, 5, 3.0)), (2.0,), (1.0,))[1] == 21.0
