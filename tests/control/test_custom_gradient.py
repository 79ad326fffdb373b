"""``custom_gradient`` and ``linear_call``: derivatives and transposes given with the function."""

import numpy as np
import pytest

import fxad
import fxad.numpy as fnp
from fxad.core.aval import float0
from fxad.custom_derivatives import linear_call
from fxad.errors import ArgumentTypeError, NonDifferentiableError, StructureError

WRAPS = pytest.mark.parametrize(
    "wrap", [lambda f: f, fxad.jit, fxad.checkpoint], ids=["", "jit", "remat"]
)


@fxad.custom_gradient
def sine(x):
    """The sine, whose derivative claims to be three times the cosine."""
    cosine = fnp.cos(x)
    return fnp.sin(x), lambda ct: (3.0 * cosine * ct,)


@WRAPS
def test_the_pullback_is_the_derivative_in_every_mode(wrap):
    f, x = wrap(sine), 0.5
    wanted = 3.0 * np.cos(x)
    assert f(x) == np.sin(x)
    assert fxad.value_and_grad(f)(x) == (np.sin(x), wanted)
    assert fxad.vjp(f, x)[1](2.0) == (2.0 * wanted,)
    assert fxad.jvp(f, (x,), (1.0,)) == (np.sin(x), wanted)
    assert fxad.linearize(f, x)[1](1.0) == wanted
    for outer in (fxad.grad, fxad.jacfwd, fxad.jacrev):
        for inner in (fxad.grad, fxad.jacfwd, fxad.jacrev):
            np.testing.assert_allclose(outer(inner(f))(x), -3.0 * np.sin(x))
    third = fxad.grad(fxad.grad(fxad.grad(f)))(x)
    np.testing.assert_allclose(third, -3.0 * np.cos(x))
    rows = np.linspace(0.0, 1.0, 3)
    np.testing.assert_allclose(fxad.vmap(f)(rows), np.sin(rows))
    np.testing.assert_allclose(fxad.vmap(fxad.grad(f))(rows), 3.0 * np.cos(rows))
    np.testing.assert_allclose(
        fxad.grad(lambda x: fxad.vmap(f)(x).sum())(rows), 3.0 * np.cos(rows)
    )
    np.testing.assert_allclose(fxad.vmap(fxad.hessian(f))(rows), -3.0 * np.sin(rows))
    np.testing.assert_allclose(fxad.jit(fxad.vmap(fxad.grad(f)))(rows), 3.0 * np.cos(rows))


@WRAPS
def test_trees_and_several_arguments(wrap):
    @fxad.custom_gradient
    def f(pair, scale):
        a, b = pair["a"], pair["b"]

        def pull(ct):
            assert set(ct) == {"product", "sum"}
            product, total = ct["product"], ct["sum"]
            d = {"a": b * scale * product + total, "b": a * scale * product + total}
            return d, 10.0 * a * b * product

        return {"product": a * b * scale, "sum": a + b}, pull

    g = wrap(f)
    loss = lambda p, s: g(p, s)["product"] + 2.0 * g(p, s)["sum"]  # noqa: E731
    gradient = fxad.grad(loss, argnums=(0, 1))({"a": 2.0, "b": 3.0}, 4.0)
    assert gradient == ({"a": 14.0, "b": 10.0}, 60.0)
    assert g(scale=4.0, pair={"a": 2.0, "b": 3.0})["product"] == 24.0


def test_one_cotangent_needs_no_tuple_and_none_is_zero():
    f = fxad.custom_gradient(lambda x: (x**2, lambda ct: ct * x))
    assert (f(3.0), fxad.grad(f)(3.0), fxad.grad(fxad.grad(f))(3.0)) == (9.0, 3.0, 1.0)
    g = fxad.custom_gradient(lambda x, y: (x * y, lambda ct: (None, 5.0 * ct)))
    assert fxad.grad(g, argnums=(0, 1))(2.0, 3.0) == (0.0, 5.0)
    assert fxad.jit(fxad.grad(g, argnums=(0, 1)))(2.0, 3.0) == (0.0, 5.0)


@WRAPS
def test_integers_among_arguments_and_outputs(wrap):
    @fxad.custom_gradient
    def f(x, n):
        def pull(ct):
            assert ct[1].dtype == float0
            return n * ct[0], None

        return (x * n, n + 1), pull

    g = wrap(f)
    assert fxad.grad(lambda x: g(x, 3)[0])(2.0) == 3.0
    assert fxad.jvp(lambda x: g(x, 3)[0], (2.0,), (5.0,))[1] == 15.0


def test_the_forward_pass_is_shared_with_the_pullback():
    calls = []

    @fxad.custom_gradient
    def f(x):
        calls.append("value")
        e = fnp.exp(x)
        return e, lambda ct: (calls.append("pull"), e * ct)[1]

    y, pull = fxad.vjp(f, 1.0)
    assert pull(1.0) == pull(1.0) == (y,)
    assert calls == ["value", "pull", "pull"]


def test_eager_pullbacks_are_plain_python():
    """With numbers at hand a pullback may look at them."""
    clipped = fxad.custom_gradient(lambda x: (x, lambda ct: ct if abs(ct) < 1.0 else np.sign(ct)))
    assert fxad.grad(lambda x: 5.0 * clipped(x))(2.0) == 1.0
    with pytest.raises(TypeError, match=r"(?s)\[bool\].*In <lambda> \(test_custom_gradient.py"):
        fxad.jit(fxad.grad(lambda x: 5.0 * clipped(x)))(2.0)


def test_functions_that_close_over_traced_values():
    def scaled(a):
        return fxad.custom_gradient(lambda x: (a * x, lambda ct: 10.0 * a * ct))

    rows = np.arange(1.0, 4.0)
    np.testing.assert_array_equal(
        fxad.vmap(lambda a: fxad.grad(scaled(a))(2.0))(rows), 10.0 * rows
    )
    assert fxad.jit(lambda a: fxad.grad(scaled(a))(2.0))(3.0) == 30.0
    np.testing.assert_array_equal(
        fxad.jit(fxad.vmap(lambda a, x: fxad.grad(scaled(a))(x)))(rows, rows), 10.0 * rows
    )
    # The derivative of the derivative by what is closed over: 10 a, derived by a.
    assert fxad.grad(lambda a: fxad.grad(scaled(a))(2.0))(3.0) == 10.0


def test_pullbacks_leave_programs_and_batches():
    pull = fxad.jit(lambda x: fxad.vjp(sine, x)[1])(0.5)
    np.testing.assert_allclose(pull(2.0), (6.0 * np.cos(0.5),))
    rows = np.linspace(0.0, 1.0, 3)
    pull = fxad.vjp(fxad.vmap(sine), rows)[1]
    np.testing.assert_allclose(pull(np.ones(3))[0], 3.0 * np.cos(rows))
    np.testing.assert_allclose(fxad.vmap(pull)(np.eye(3))[0], np.diag(3.0 * np.cos(rows)))


@pytest.mark.parametrize("wrap", [lambda f: f, fxad.jit], ids=["", "jit"])
@pytest.mark.parametrize(
    ("kind", "words", "fun"),
    [
        (StructureError, r"returned float64\[\], wanted \(value, pull\)", lambda x: fnp.sin(1.0)),
        (StructureError, "returned a tuple of 3, wanted", lambda x: (x, x, x)),
        (StructureError, "of which the second is NoneType", lambda x: (x, None)),
        (StructureError, "bwd that returned NoneType", lambda x: (x, lambda ct: None)),
        (StructureError, r"tuple of 2", lambda x: (x, lambda ct: (ct, ct))),
        (StructureError, r"cotangent float64\[2\] for an argument float64\[\].*custom_gradient",
         lambda x: (x, lambda ct: np.ones(2))),
        (ArgumentTypeError, "str", lambda x: (x, lambda ct: "text")),
    ],
)  # fmt: skip
def test_mistakes(kind, words, fun, wrap):
    with pytest.raises(kind, match=rf"(?s){words}"):
        fxad.grad(wrap(fxad.custom_gradient(fun)))(1.0)


def test_what_is_no_function_is_refused():
    with pytest.raises(ArgumentTypeError, match=r"\[custom_gradient\] got float64\[\], wanted a"):
        fxad.custom_gradient(1.0)


def test_a_pullback_that_is_not_linear():
    f = fxad.custom_gradient(lambda x: (x, lambda ct: fnp.clip(ct, -1.0, 1.0)))
    assert fxad.grad(lambda x: 5.0 * f(x))(2.0) == 1.0
    with pytest.raises(NonDifferentiableError, match=r"(?s)not linear.*custom_gradient function"):
        fxad.jvp(f, (2.0,), (1.0,))


# linear_call -------------------------------------------------------------------------------------


def divide(denominator, x):
    return x / denominator


def triple_transpose(x, denominator):
    """Division by a number, whose transpose claims to be three times what it is."""
    return linear_call(divide, lambda d, ct: 3.0 * ct / d, denominator, x)


@WRAPS
def test_a_linear_call_has_the_transpose_it_was_given(wrap):
    f, x = wrap(triple_transpose), np.arange(3.0)
    np.testing.assert_array_equal(f(x, 2.0), x / 2.0)
    out, tangent = fxad.jvp(lambda x: f(x, 2.0), (x,), (np.ones(3),))
    np.testing.assert_array_equal((out, tangent), (x / 2.0, [0.5] * 3))
    np.testing.assert_array_equal(fxad.vjp(lambda x: f(x, 2.0), x)[1](np.ones(3))[0], [1.5] * 3)
    transposed = fxad.linear_transpose(lambda x: f(x, 2.0), x)
    np.testing.assert_array_equal(transposed(x)[0], 1.5 * x)
    twice = fxad.linear_transpose(lambda y: transposed(y)[0], x)
    np.testing.assert_array_equal(twice(x)[0], x / 2.0)


@WRAPS
def test_residuals_of_a_linear_call_are_differentiated(wrap):
    f = wrap(triple_transpose)
    assert fxad.grad(f, argnums=1)(6.0, 2.0) == -1.5
    assert fxad.jvp(f, (6.0, 2.0), (1.0, 1.0))[1] == 0.5 - 1.5
    assert fxad.grad(f, argnums=(0, 1))(6.0, 2.0) == (1.5, -1.5)


def test_batches_of_linear_calls():
    rows = np.arange(6.0).reshape(3, 2)
    scales = np.array([1.0, 2.0, 4.0])
    batched = fxad.vmap(triple_transpose)
    np.testing.assert_array_equal(batched(rows, scales), rows / scales[:, None])
    pulled = fxad.vjp(lambda x: batched(x, scales), rows)[1](rows)[0]
    np.testing.assert_array_equal(pulled, 3.0 * rows / scales[:, None])
    shared = fxad.vmap(triple_transpose, (None, 0))
    pulled = fxad.vjp(lambda x: shared(x, scales), rows[1])[1](rows)[0]
    np.testing.assert_array_equal(pulled, (3.0 * rows / scales[:, None]).sum(0))
    last = fxad.vmap(triple_transpose, (1, None), 1)
    np.testing.assert_array_equal(last(rows, 2.0), rows / 2.0)


def test_trees_in_linear_calls():
    def fun(r, x):
        return {"sum": r["s"] * (x[0] + x[1])}

    def transpose(r, ct):
        return (r["s"] * ct["sum"], r["s"] * ct["sum"])

    f = lambda x: linear_call(fun, transpose, {"s": 2.0}, x)  # noqa: E731
    assert f((1.0, 2.0)) == {"sum": 6.0}
    assert fxad.vjp(f, (1.0, 2.0))[1]({"sum": 1.0}) == ((2.0, 2.0),)


@pytest.mark.parametrize(
    ("words", "transpose"),
    [
        (r"another structure than the linear arguments", lambda r, ct: (ct, ct)),
        (r"an output float64\[2\] for an argument float64\[\].*the transpose of a linear_call",
         lambda r, ct: np.ones(2)),
    ],
)  # fmt: skip
def test_transposes_that_do_not_fit(words, transpose):
    with pytest.raises(StructureError, match=rf"(?s)\[linear_call\] got a transpose.*{words}"):
        linear_call(divide, transpose, 2.0, 1.0)


def test_what_is_linear_in_the_residuals_alone_is_refused():
    f = lambda r: linear_call(lambda r, x: r * x, lambda r, ct: r * ct, r, 2.0)  # noqa: E731
    with pytest.raises(NonDifferentiableError, match=r"\[linear_call\]"):
        fxad.linear_transpose(f, 1.0)(1.0)
