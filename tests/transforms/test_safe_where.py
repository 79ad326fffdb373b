"""``safe_where``: zero tangents and cotangents stay zero beside infinite slopes, in every mode."""

import numpy as np
import pytest

import fxad
import fxad.numpy as fnp
from fxad import lax
from fxad.errors import ConfigError

X = np.array([0.0, 0.25, 2.0])


def _where(condition, on_true, on_false):
    return fnp.sum(fnp.where(condition, on_true, on_false))


#: The traps: a function whose other branch has no finite derivative at 0, and the first and second
#: derivatives that it has, element by element, in closed form.
TRAPS = {
    "sqrt": (
        lambda x: _where(x > 0, fnp.sqrt(x), 0.0),
        lambda x: 0.5 / np.sqrt(x),
        lambda x: -0.25 / x**1.5,
        0.0,
    ),
    "log": (lambda x: _where(x > 0, fnp.log(x), 0.0), lambda x: 1 / x, lambda x: -1 / x**2, 0.0),
    "x log x": (
        lambda x: _where(x > 0, x * fnp.log(x), 0.0),
        lambda x: np.log(x) + 1,
        lambda x: 1 / x,
        0.0,
    ),
    "sin(x) / x": (
        lambda x: _where(x == 0, 1.0, fnp.sin(x) / x),
        lambda x: (x * np.cos(x) - np.sin(x)) / x**2,
        lambda x: ((2 - x**2) * np.sin(x) - 2 * x * np.cos(x)) / x**3,
        0.0,
    ),
    "arccos": (
        lambda x: _where(x > 0, fnp.arccos(1 - x / 4), x),
        lambda x: 0.25 / np.sqrt(1 - (1 - x / 4) ** 2),
        lambda x: -0.0625 * (1 - x / 4) / (1 - (1 - x / 4) ** 2) ** 1.5,
        1.0,
    ),
    "power": (
        lambda x: _where(x > 0, x**0.5, 0.0),
        lambda x: 0.5 / np.sqrt(x),
        lambda x: -0.25 / x**1.5,
        0.0,
    ),
}

GRADIENTS = {
    "grad": fxad.grad,
    "jacfwd": fxad.jacfwd,
    "jit of grad": lambda f: fxad.jit(fxad.grad(f)),
    "grad of jit": lambda f: fxad.grad(fxad.jit(f)),
    "grad of checkpoint": lambda f: fxad.grad(fxad.checkpoint(f)),
    "jacfwd of jit": lambda f: fxad.jacfwd(fxad.jit(f)),
    "vjp": lambda f: lambda x: fxad.vjp(f, x)[1](1.0)[0],
    "linearize": lambda f: lambda x: np.array([fxad.linearize(f, x)[1](v) for v in np.eye(3)]),
    "vmap of grad": lambda f: fxad.vmap(fxad.grad(f)),
    "grad of vmap": lambda f: fxad.grad(lambda x: fnp.sum(fxad.vmap(f)(x))),
}

#: Without the switch forward mode makes no NaN: the tangent goes the way of the value.
REVERSE = ("grad", "jit of grad", "grad of jit", "grad of checkpoint", "vjp", "vmap of grad")

SECOND = {
    "hessian": fxad.hessian,
    "reverse over reverse": lambda f: fxad.jacrev(fxad.grad(f)),
    "forward over forward": lambda f: fxad.jacfwd(fxad.jacfwd(f)),
    "reverse over forward": lambda f: fxad.jacrev(fxad.jacfwd(f)),
    "of jit": lambda f: fxad.jit(fxad.hessian(fxad.jit(f))),
    "of checkpoint": lambda f: fxad.jacrev(fxad.grad(fxad.checkpoint(f))),
}

each_trap = pytest.mark.parametrize("trap", TRAPS.values(), ids=TRAPS.keys())


def at_zero(closed_form, x, value):
    return np.array([value, *closed_form(x[1:])])


@each_trap
@pytest.mark.parametrize("transform", GRADIENTS.values(), ids=GRADIENTS.keys())
def test_first_derivatives(trap, transform):
    f, slope, _, value = trap
    with np.errstate(all="ignore"):
        with fxad.safe_where():
            got = transform(f)(X)
        np.testing.assert_allclose(got, at_zero(slope, X, value), rtol=1e-12)


@each_trap
@pytest.mark.parametrize("name", REVERSE)
def test_the_traps_are_traps(trap, name):
    with np.errstate(all="ignore"):
        assert np.isnan(GRADIENTS[name](trap[0])(X)[0])


@each_trap
@pytest.mark.parametrize("transform", SECOND.values(), ids=SECOND.keys())
def test_second_derivatives(trap, transform):
    f, _, bend, _ = trap
    with np.errstate(all="ignore"), fxad.safe_where():
        got = transform(f)(X)
    np.testing.assert_allclose(got, np.diag(at_zero(bend, X, 0.0)), rtol=1e-10, atol=1e-12)


def _roots(x):
    return fnp.sum(fnp.where(x > 0, fnp.sqrt(x), 0.0))


LOOPS = {
    "scan": lambda x: lax.scan(lambda c, x: (c + _roots(x), None), 0.0, x)[0],
    "while_loop": lambda x: lax.while_loop(
        lambda c: c[0] < 2, lambda c: (c[0] + 1, c[1] + _roots(x) / 2), (0, 0.0 * x[1])
    )[1],
    "checkpointed while_loop": lambda x: lax.while_loop(
        lambda c: c[0] < 2,
        lambda c: (c[0] + 1, c[1] + _roots(x) / 2),
        (0, 0.0 * x[1]),
        checkpoint=True,
    )[1],
    "cond": lambda x: lax.cond(x[1] > 0, _roots, lambda x: x[0], x),
}


@pytest.mark.parametrize("name", REVERSE)
@pytest.mark.parametrize("f", LOOPS.values(), ids=LOOPS.keys())
def test_loops_and_branches(f, name):
    if name == "vmap of grad":
        gradient = lambda x: fxad.vmap(fxad.grad(f))(x[None])[0]  # noqa: E731
    else:
        gradient = GRADIENTS[name](f)
    with np.errstate(all="ignore"):
        assert np.isnan(gradient(X)[0])
        with fxad.safe_where():
            got = gradient(X)
            bend = fxad.hessian(f)(X)
        assert np.isnan(gradient(X)[0])
    np.testing.assert_allclose(got, at_zero(lambda x: 0.5 / np.sqrt(x), X, 0.0))
    np.testing.assert_allclose(bend, np.diag(at_zero(lambda x: -0.25 / x**1.5, X, 0.0)))


@pytest.mark.parametrize("mode", ["forward-over-reverse", "reverse-over-reverse"])
def test_hessian_vector_products(mode):
    f, _, bend, _ = TRAPS["sqrt"]
    with np.errstate(all="ignore"), fxad.safe_where():
        got = fxad.hvp(f, X, np.ones(3), mode=mode)
    np.testing.assert_allclose(got, at_zero(bend, X, 0.0), rtol=1e-12)


@pytest.mark.parametrize("dtype", ["float32", "float64", "complex64", "complex128"])
@pytest.mark.parametrize("shape", [(), (3,)])
def test_dtypes_and_numbers(dtype, shape):
    def f(x):
        return fnp.sum(fnp.where(x == 0, 0.0, fnp.sqrt(x)).real)

    x = np.zeros(shape, dtype)
    with np.errstate(all="ignore"):
        with fxad.safe_where():
            got = fxad.grad(f)(x)
            tangent = fxad.jvp(f, (x,), (np.ones_like(x),))[1]
        assert np.isnan(fxad.grad(f)(x)).all()
    assert got.dtype == dtype and got.shape == shape
    np.testing.assert_array_equal(got, np.zeros(shape, dtype))
    assert tangent == 0


def test_forward_mode_keeps_zero_tangents():
    with np.errstate(all="ignore"), fxad.safe_where():
        assert fxad.jvp(np.sqrt, (0.0,), (0.0,))[1] == 0
        assert fxad.jvp(np.sqrt, (0.0,), (1.0,))[1] == np.inf
        assert fxad.jvp(lambda x, y: x / y, (1.0, 0.0), (1.0, 0.0))[1] == np.inf
        assert np.isnan(fxad.jvp(lambda x: np.cos(np.sqrt(x)), (0.0,), (1.0,))[1])


def test_infinite_cotangents_are_as_ever():
    """Only a zero cotangent hides a slope: an infinite one times a slope of zero is NaN."""
    with np.errstate(all="ignore"), fxad.safe_where():
        assert fxad.grad(np.sqrt)(0.0) == np.inf
        assert np.isnan(fxad.grad(lambda x: np.sqrt(1 - np.cos(x)))(0.0))
        assert np.isnan(fxad.grad(lambda x: x * np.nan)(1.0))


def test_what_was_made_with_the_switch_keeps_the_law():
    f = TRAPS["sqrt"][0]
    jitted = fxad.jit(fxad.grad(f))
    jax_like = fxad.jit(f)
    with np.errstate(all="ignore"):
        assert np.isnan(jitted(X)[0])
        assert np.isnan(fxad.grad(jax_like)(X)[0])
        with fxad.safe_where():
            assert jitted(X)[0] == 0
            assert fxad.grad(jax_like)(X)[0] == 0
            _, pull = fxad.vjp(f, X)
            with fxad.safe_where(False):
                assert np.isnan(jitted(X)[0])
        assert np.isnan(jitted(X)[0])
        assert np.isnan(fxad.grad(jax_like)(X)[0])
        assert pull(1.0)[0][0] == 0


def test_a_checkpointed_function_is_derived_for_each_setting():
    block = fxad.checkpoint(TRAPS["log"][0])
    with np.errstate(all="ignore"):
        assert np.isnan(fxad.grad(block)(X)[0])
        with fxad.safe_where():
            assert fxad.grad(block)(X)[0] == 0
        assert np.isnan(fxad.grad(block)(X)[0])


def test_rules_of_the_users_own_are_left_alone():
    @fxad.custom_jvp
    def root(x):
        return np.sqrt(x)

    root.defjvp(lambda primals, tangents: (root(*primals), tangents[0] * (0.5 / root(*primals))))
    with np.errstate(all="ignore"), fxad.safe_where():
        assert np.isnan(fxad.grad(lambda x: fnp.where(x > 0, root(x), 0.0))(np.float64(0.0)))


def test_nothing_changes_where_slopes_are_finite(rng):
    def f(x, w):
        return fnp.sum(fnp.tanh(x @ w) / (1 + x[:, :1] ** 2) - fnp.exp(fnp.maximum(x, 0.1)).mean())

    x, w = rng.normal(size=(4, 3)), rng.normal(size=(3, 3))
    for transform in (fxad.grad, fxad.jacfwd, fxad.hessian):
        plain = transform(f, (0, 1))(x, w)
        with fxad.safe_where():
            safe = transform(f, (0, 1))(x, w)
        for a, b in zip(fxad.tree.leaves(plain), fxad.tree.leaves(safe), strict=True):
            np.testing.assert_array_equal(a, b)


def test_the_jaxpr_shows_the_product_only_under_the_switch():
    x = np.ones(2)
    plain = str(fxad.make_jaxpr(fxad.grad(lambda x: fnp.sum(fnp.sqrt(x))))(x))
    with fxad.safe_where():
        safe = str(fxad.make_jaxpr(fxad.grad(lambda x: fnp.sum(fnp.sqrt(x))))(x))
    assert "safe_mul" in safe and "safe_mul" not in plain


def test_it_takes_yes_and_no():
    with pytest.raises(ConfigError, match="safe_where"):
        fxad.safe_where("perhaps").__enter__()


REVERSE = {
    "grad": lambda f, x: fxad.grad(f)(x),
    "vjp": lambda f, x: fxad.vjp(f, x)[1](1.0)[0],
    "jit of grad": lambda f, x: fxad.jit(fxad.grad(f))(x),
    "grad of jit": lambda f, x: fxad.grad(fxad.jit(f))(x),
    "grad of checkpoint": lambda f, x: fxad.grad(fxad.checkpoint(f))(x),
    "jit of vmap of grad": lambda f, x: fxad.jit(fxad.vmap(fxad.grad(f)))(x[None])[0],
    "scan": lambda f, x: fxad.jit(fxad.grad(
        lambda x: lax.scan(lambda c, _: (c + f(x), None), 0.0, length=1)[0]
    ))(x),
    "while_loop": lambda f, x: fxad.jit(fxad.grad(
        lambda x: lax.while_loop(lambda c: c[0] < 1, lambda c: (c[0] + 1, c[1] + f(x)), (0, 0.0))[1]
    ))(x),
    "reverse over reverse": lambda f, x: fxad.grad(lambda x: fnp.sum(fxad.grad(f)(x)))(x),
}
#: Those whose values warn of nothing.
QUIET = ["sqrt", "arccos", "power"]


@pytest.mark.parametrize("name", QUIET)
@pytest.mark.parametrize("reverse", REVERSE.values(), ids=REVERSE.keys())
def test_slopes_that_zeros_meet_are_not_warned_of(reverse, name):
    f, first, second, at_zero = TRAPS[name]
    twice = reverse is REVERSE["reverse over reverse"]
    wanted = (second if twice else first)(X[1:])
    with fxad.safe_where(), np.errstate(all="raise", under="ignore"):
        gradient = reverse(f, X)
    np.testing.assert_allclose(gradient[1:], wanted)
    assert gradient[0] == (0.0 if twice else at_zero)


@pytest.mark.parametrize("run", [fxad.grad, lambda f: fxad.jit(fxad.grad(f))], ids=["grad", "jit"])
def test_slopes_that_come_through_are_warned_of(run):
    def f(x):
        return np.sum(np.where(x > 1, np.sqrt(x), np.sqrt(x)))

    with fxad.safe_where(), pytest.warns(RuntimeWarning, match="divide by zero"):
        assert run(f)(X)[0] == np.inf
    with (
        fxad.safe_where(),
        np.errstate(divide="raise"),
        pytest.raises(FloatingPointError),
    ):
        run(f)(X)
    with fxad.safe_where(), pytest.warns(RuntimeWarning, match="invalid value"):
        gradient = run(lambda x: np.sum(fnp.where(x < 1, lax.lgamma(x), 0.0)))(np.array([-1.0]))
        assert not np.isfinite(gradient)
