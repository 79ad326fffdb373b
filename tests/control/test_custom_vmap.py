"""``custom_vmap``: where the rule is used, what it is given, derivatives, its errors."""


import math

import numpy as np
import pytest

import fxad
import fxad.numpy as fnp
from fxad.custom_batching import custom_vmap, sequential_vmap
from fxad.errors import (
    ArgumentTypeError,
    CallbackDifferentiationError,
    MissingRuleError,
    StructureError,
    UnexpectedTracerError,
)

WRAPS = pytest.mark.parametrize(
    "wrap", [lambda f: f, fxad.jit, fxad.checkpoint], ids=["", "jit", "remat"]
)
ROWS = np.linspace(0.1, 1.0, 3)


def sine_in_batches_cosine(seen=None):
    """The sine, which in a batch is the cosine: so that the rule is seen."""
    f = custom_vmap(fnp.sin)

    @f.def_vmap
    def rule(axis_size, in_batched, x):
        if seen is not None:
            seen.append((axis_size, in_batched, x.shape))
        return fnp.cos(x), in_batched[0]

    return f


# Where the rule is used --------------------------------------------------------------------------


@WRAPS
def test_a_batch_is_computed_by_the_rule(wrap):
    seen = []
    f = wrap(sine_in_batches_cosine(seen))
    assert f(0.5) == np.sin(0.5) and seen == []
    np.testing.assert_array_equal(fxad.vmap(f)(ROWS), np.cos(ROWS))
    assert seen[0] == (3, [True], (3,)) and type(seen[0][0]) is int and type(seen[0][1]) is list
    np.testing.assert_array_equal(fxad.jit(fxad.vmap(f))(ROWS), np.cos(ROWS))
    np.testing.assert_array_equal(fxad.vmap(f, axis_size=2, in_axes=None)(0.5), np.sin([0.5] * 2))
    assert fxad.vmap(f)(ROWS.astype("float32")).dtype == np.float32


@WRAPS
def test_derivatives_in_a_batch_are_those_of_the_rule(wrap):
    f = wrap(sine_in_batches_cosine())
    assert fxad.grad(f)(0.5) == fxad.jvp(f, (0.5,), (1.0,))[1] == np.cos(0.5)
    minus_sine = -np.sin(ROWS)
    np.testing.assert_allclose(fxad.grad(lambda x: fxad.vmap(f)(x).sum())(ROWS), minus_sine)
    np.testing.assert_allclose(fxad.vmap(fxad.grad(f))(ROWS), minus_sine)
    np.testing.assert_allclose(fxad.jit(fxad.vmap(fxad.grad(f)))(ROWS), minus_sine)
    out, tangent = fxad.jvp(fxad.vmap(f), (ROWS,), (ROWS,))
    np.testing.assert_allclose((out, tangent), (np.cos(ROWS), minus_sine * ROWS))
    push = lambda x, t: fxad.jvp(f, (x,), (t,))  # noqa: E731
    np.testing.assert_allclose(fxad.vmap(push)(ROWS, ROWS), (np.cos(ROWS), minus_sine * ROWS))
    np.testing.assert_allclose(fxad.vmap(lambda x: fxad.linearize(f, x)[1](2.0))(ROWS),
                               2.0 * minus_sine)  # fmt: skip
    value, gradient = fxad.vmap(fxad.value_and_grad(f))(ROWS)
    np.testing.assert_allclose((value, gradient), (np.cos(ROWS), minus_sine))


@WRAPS
def test_second_derivatives(wrap):
    f = wrap(sine_in_batches_cosine())
    for outer in (fxad.grad, fxad.jacfwd, fxad.jacrev):
        for inner in (fxad.grad, fxad.jacfwd, fxad.jacrev):
            second = fxad.vmap(outer(inner(f)))(ROWS)
            np.testing.assert_allclose(second, -np.cos(ROWS), err_msg=f"{outer} {inner}")
    np.testing.assert_allclose(fxad.vmap(fxad.hessian(f))(ROWS), -np.cos(ROWS))
    np.testing.assert_allclose(fxad.grad(fxad.grad(f))(0.5), -np.sin(0.5))
    hessian = fxad.hessian(lambda x: fxad.vmap(f)(x).sum())(ROWS)
    np.testing.assert_allclose(hessian, np.diag(-np.cos(ROWS)))
    third = fxad.vmap(fxad.grad(fxad.grad(fxad.grad(f))))(ROWS)
    np.testing.assert_allclose(third, np.sin(ROWS))


def test_batches_of_tangents_or_of_primals_alone():
    """Of a pair of which one is batched the rule sees no batch, as in JAX."""
    seen = []
    f = sine_in_batches_cosine(seen)
    push = lambda x, t: fxad.jvp(f, (x,), (t,))  # noqa: E731
    y, tangents = fxad.vmap(push, (None, 0), (None, 0))(0.5, ROWS)
    assert y == np.cos(0.5)
    np.testing.assert_allclose(tangents, -np.sin(0.5) * ROWS)
    ys, tangents = fxad.vmap(push, (0, None))(ROWS, 2.0)
    np.testing.assert_allclose((ys, tangents), (np.cos(ROWS), -2.0 * np.sin(ROWS)))
    assert {batched for _, (batched,), _ in seen} == {False}
    np.testing.assert_allclose(fxad.jacfwd(f)(ROWS), np.diag(-np.sin(ROWS)))
    np.testing.assert_allclose(fxad.jacrev(f)(ROWS), np.diag(-np.sin(ROWS)))
    linear = custom_vmap(lambda x: 7.0 * x)
    linear.def_vmap(lambda size, batched, x: (11.0 * x, batched[0]))
    push = lambda x, t: fxad.jvp(linear, (x,), (t,))  # noqa: E731
    ys, tangent = fxad.vmap(push, (0, None), (0, None))(ROWS, 2.0)
    np.testing.assert_allclose(ys, 11.0 * ROWS)
    assert tangent == 22.0


@WRAPS
def test_some_operands_batched_and_others_with_batched_tangents(wrap):
    """One pass over the batch, not one for each pair of its members."""
    f = custom_vmap(lambda x, y: x * y)
    f.def_vmap(lambda size, batched, x, y: (10.0 * x * y, any(batched)))
    g = wrap(f)
    push = lambda x, y, dx, dy: fxad.jvp(g, (x, y), (dx, dy))  # noqa: E731
    xs, ts = ROWS, np.arange(3.0)
    for axes in ((0, None, 0, 0), (0, 0, 0, None), (0, None, None, 0), (None, 0, 0, None)):
        rows = (xs, 3 * xs, ts, 5 * ts)
        args = [a if axis == 0 else 2.0 for a, axis in zip(rows, axes, strict=True)]
        x, y, dx, dy = np.broadcast_arrays(*args)
        out, tangent = fxad.vmap(push, axes)(*args)
        np.testing.assert_allclose(out, 10.0 * x * y)
        np.testing.assert_allclose(tangent, 10.0 * (dx * y + x * dy), err_msg=str(axes))


def test_a_rule_that_always_says_batched():
    f = custom_vmap(lambda x, y: fnp.sin(x) * y)
    f.def_vmap(lambda size, in_batched, x, y: (fnp.cos(x) * y, True))
    np.testing.assert_allclose(fxad.vmap(f)(ROWS, ROWS), np.cos(ROWS) * ROWS)
    np.testing.assert_allclose(fxad.jacfwd(f)(0.5, 2.0), -2.0 * np.sin(0.5))
    push = lambda t: fxad.jvp(f, (0.5, 2.0), (t, 0.0))[1]  # noqa: E731
    np.testing.assert_allclose(fxad.vmap(push)(ROWS), -2.0 * np.sin(0.5) * ROWS)


def test_batches_of_batches():
    seen = []
    f, x = sine_in_batches_cosine(seen), np.arange(6.0).reshape(2, 3)
    np.testing.assert_array_equal(fxad.vmap(fxad.vmap(f))(x), np.cos(x))
    np.testing.assert_array_equal(fxad.vmap(fxad.vmap(f, 1), 0)(x[:, None]), np.cos(x[:, :, None]))
    np.testing.assert_allclose(fxad.vmap(fxad.vmap(fxad.grad(f)))(x), -np.sin(x))
    np.testing.assert_allclose(fxad.vmap(fxad.grad(lambda r: fxad.vmap(f)(r).sum()))(x), -np.sin(x))
    np.testing.assert_allclose(fxad.jit(fxad.vmap(fxad.vmap(fxad.hessian(f))))(x), -np.cos(x))
    assert seen[0][0] == 3


def test_axes_are_moved_to_the_front():
    f = custom_vmap(lambda u, v: u @ v)
    seen = []

    @f.def_vmap
    def rule(size, in_batched, u, v):
        seen.append((in_batched, u.shape, v.shape))
        return fnp.einsum("...i,...i->...", u, v), True

    u, v = np.arange(12.0).reshape(3, 4), np.arange(4.0)
    np.testing.assert_allclose(fxad.vmap(f, (0, None))(u, v), u @ v)
    np.testing.assert_allclose(fxad.vmap(f, (1, None))(u.T, v), u @ v)
    np.testing.assert_allclose(fxad.vmap(f, (None, -1))(v, u.T), u @ v)
    assert seen == [
        ([True, False], (3, 4), (4,)),
        ([True, False], (3, 4), (4,)),
        ([False, True], (4,), (3, 4)),
    ]
    gradient = fxad.grad(lambda v: fxad.vmap(f, (0, None))(u, v).sum())(v)
    np.testing.assert_allclose(gradient, u.sum(0))
    np.testing.assert_allclose(fxad.vmap(fxad.grad(f), (0, None))(u, v), [v] * 3)
    np.testing.assert_allclose(fxad.vmap(fxad.grad(f, 1), (None, 0))(v, u), [v] * 3)


# What it is given --------------------------------------------------------------------------------


@WRAPS
def test_trees_in_and_out(wrap):
    @custom_vmap
    def f(pair, scale):
        return {"product": pair["a"] * scale, "nothing": None, "list": [pair["b"]]}

    @f.def_vmap
    def rule(size, in_batched, pair, scale):
        assert in_batched == [{"a": True, "b": False, "c": None}, False]
        out = {"product": 10.0 * pair["a"] * scale, "nothing": None, "list": [pair["b"]]}
        return out, {"product": True, "nothing": None, "list": [False]}

    g = wrap(f)
    tree_of = lambda a: g({"a": a, "b": 2.0, "c": None}, 3.0)  # noqa: E731
    assert tree_of(1.0) == {"product": 3.0, "nothing": None, "list": [2.0]}
    out = fxad.vmap(tree_of, out_axes={"product": 0, "nothing": None, "list": [None]})(ROWS)
    np.testing.assert_array_equal(out["product"], 30.0 * ROWS)
    assert out["list"] == [2.0]
    gradients = fxad.vmap(fxad.grad(lambda a: tree_of(a)["product"]))(ROWS)
    np.testing.assert_array_equal(gradients, [30.0] * 3)


def test_arguments_by_name():
    g = custom_vmap(lambda x, y=2.0: x * y)
    g.def_vmap(lambda size, batched, x, y: (10.0 * x * y, batched[0]))
    np.testing.assert_array_equal(fxad.vmap(g)(ROWS), 20.0 * ROWS)
    np.testing.assert_array_equal(fxad.vmap(lambda x: g(y=3.0, x=x))(ROWS), 30.0 * ROWS)


def test_integers_and_several_outputs():
    f = custom_vmap(lambda x, n: (x * n, n + 1))
    f.def_vmap(lambda size, b, x, n: ((10.0 * x * n, n + 1), (any(b), b[1])))
    product, n = fxad.vmap(f, (0, None), (0, None))(ROWS, 3)
    np.testing.assert_array_equal(product, 30.0 * ROWS)
    assert n == 4
    np.testing.assert_array_equal(
        fxad.vmap(fxad.grad(lambda x, n: f(x, n)[0]), (0, 0))(ROWS, np.arange(3)),
        10.0 * np.arange(3.0),
    )


def test_functions_that_close_over_values():
    z = np.array([2.0, 1.0, 3.0])
    f = custom_vmap(lambda x: z + fnp.sin(x))
    f.def_vmap(lambda size, b, x: (z + fnp.cos(x)[:, None], True))
    np.testing.assert_allclose(fxad.vmap(f)(ROWS), z + np.cos(ROWS)[:, None])

    def scaled(w):
        g = custom_vmap(lambda x: w * x)
        g.def_vmap(lambda size, b, x: (10.0 * w * x, b[0]))
        return g

    total = lambda w: fxad.vmap(scaled(w))(ROWS).sum()  # noqa: E731
    assert fxad.grad(total)(2.0) == fxad.jit(fxad.grad(total))(2.0) == 10.0 * ROWS.sum()
    assert fxad.grad(lambda w: scaled(w)(w))(3.0) == 6.0
    assert fxad.jvp(lambda w: scaled(w)(w), (3.0,), (1.0,))[1] == 6.0
    np.testing.assert_allclose(fxad.vmap(lambda w: scaled(w)(2.0))(ROWS), 2.0 * ROWS)
    with pytest.raises(UnexpectedTracerError, match="closes over a batched value"):
        fxad.vmap(lambda w: scaled(w)(w))(ROWS)


def test_functions_that_look_at_values():
    """A routine that only knows numbers: the rule stands for it in a batch."""

    def routine(x):
        return np.float64(float(x) ** 2)

    f = custom_vmap(routine)
    f.def_vmap(lambda size, b, x: (x**2, True))
    assert f(3.0) == 9.0
    np.testing.assert_array_equal(fxad.vmap(f)(ROWS), ROWS**2)
    np.testing.assert_allclose(fxad.grad(lambda x: fxad.vmap(f)(x).sum())(ROWS), 2.0 * ROWS)
    g = custom_vmap(lambda x: x * x if x > 0 else -x)
    g.def_vmap(lambda size, b, x: (fnp.where(x > 0, x * x, -x), True))
    assert (fxad.grad(g)(3.0), fxad.grad(g)(-3.0)) == (6.0, -1.0)
    np.testing.assert_array_equal(fxad.vmap(g)(np.array([3.0, -3.0])), [9.0, 3.0])


def test_routines_that_take_numbers_alone_one_after_the_other():
    def routine(x, n):
        if not isinstance(x, float):
            raise TypeError("a float is needed")
        return np.float64(math.lgamma(x)) * n

    f = sequential_vmap(routine)
    wanted = [3.0 * math.lgamma(x) for x in ROWS]
    np.testing.assert_array_equal(fxad.vmap(f, (0, None))(ROWS, 3.0), wanted)
    with pytest.raises(TypeError, match="a float is needed"):
        fxad.grad(f)(0.5, 3.0)
    with pytest.raises(TypeError, match="a float is needed"):
        fxad.jit(fxad.vmap(f, (0, None)))(ROWS, 3.0)


@pytest.mark.parametrize("wrap", [lambda f: f, fxad.jit], ids=["", "jit"])
def test_effects_happen_once(wrap):
    """The backward pass computes the function again, not what it told the world."""
    calls = []

    def note(x):
        calls.append(float(x))
        return np.float64(2.0)

    def told(x):
        fxad.io_callback(note, np.float64(0.0), fxad.stop_gradient(x))
        return fnp.sin(x)

    assert fxad.grad(wrap(custom_vmap(told)))(0.5) == np.cos(0.5)
    assert calls == [0.5]
    asked = custom_vmap(lambda x: x * fxad.io_callback(note, np.float64(0.0), 1.0))
    with pytest.raises(CallbackDifferentiationError, match=r"io_callback in .*computed twice"):
        fxad.grad(asked)(0.5)
    calls.clear()
    assert asked(3.0) == 6.0


# Together with derivative rules ------------------------------------------------------------------


def test_inside_of_custom_vjp():
    @fxad.custom_vjp
    @custom_vmap
    def f(x, y):
        return fnp.sin(x) * y

    @f.def_vmap
    def rule(axis_size, in_batched, x, y):
        return fnp.cos(x) * y, True

    f.defvjp(
        lambda x, y: (f(x, y), (fnp.cos(x), fnp.sin(x), y)),
        lambda res, g: (res[0] * g * res[2], res[1] * g),
    )
    np.testing.assert_allclose(fxad.vmap(f)(ROWS, ROWS), np.cos(ROWS) * ROWS)
    assert fxad.grad(f)(0.0, 1.0) == 1.0
    np.testing.assert_allclose(fxad.vmap(fxad.grad(f))(ROWS, ROWS), np.cos(ROWS) * ROWS)


def test_around_custom_jvp_and_back():
    f = custom_vmap(fxad.custom_jvp(lambda x: 2.0 * x))
    f.def_vmap(lambda size, b, x: (20.0 * x, b[0]))
    f.defjvp(lambda p, t: (2.0 * p[0], 3.0 * t[0]))
    assert fxad.grad(f)(1.0) == 3.0
    np.testing.assert_array_equal(fxad.vmap(f)(ROWS), 20.0 * ROWS)
    np.testing.assert_array_equal(fxad.vmap(fxad.grad(f))(ROWS), [20.0] * 3)
    g = fxad.custom_jvp(sine_in_batches_cosine())
    g.defjvp(lambda p, t: (g(p[0]), 5.0 * g(t[0])))
    np.testing.assert_array_equal(fxad.vmap(g)(ROWS), np.cos(ROWS))


def test_a_linear_function_of_tangents():
    """A derivative rule may apply it to its tangents."""
    double = custom_vmap(lambda x: 2.0 * x)
    double.def_vmap(lambda size, b, x: (2.0 * x, b[0]))
    f = fxad.custom_jvp(double)
    f.defjvp(lambda p, t: (double(p[0]), double(t[0])))
    assert fxad.grad(f)(3.0) == 2.0
    np.testing.assert_array_equal(fxad.vmap(fxad.grad(f))(ROWS), [2.0] * 3)
    assert fxad.linear_transpose(double, 1.0)(3.0) == (6.0,)


# One after the other -----------------------------------------------------------------------------


@WRAPS
def test_sequential_batches(wrap):
    shapes = []

    @sequential_vmap
    def f(x, y):
        shapes.append(x.shape)
        return {"sum": x.sum() + y, "x": x * y}

    x, y = np.arange(6.0).reshape(3, 2), np.arange(3.0)
    g = wrap(f)
    out = fxad.vmap(g)(x, y)
    np.testing.assert_array_equal(out["sum"], x.sum(1) + y)
    np.testing.assert_array_equal(out["x"], x * y[:, None])
    np.testing.assert_array_equal(fxad.vmap(g, (0, None))(x, 2.0)["sum"], x.sum(1) + 2.0)
    np.testing.assert_array_equal(fxad.vmap(g, (1, None))(x.T, 2.0)["sum"], x.sum(1) + 2.0)
    loss = lambda x, y: (g(x, y)["x"] ** 2).sum()  # noqa: E731
    gradients = fxad.vmap(fxad.grad(loss, (0, 1)))(x, y)
    np.testing.assert_allclose(gradients[0], 2.0 * x * y[:, None] ** 2)
    np.testing.assert_allclose(gradients[1], 2.0 * y * (x**2).sum(1))
    total = lambda x, y: (fxad.vmap(g)(x, y)["x"] ** 2).sum()  # noqa: E731
    np.testing.assert_allclose(fxad.grad(total)(x, y), gradients[0])
    assert set(shapes) == {(2,)}


@pytest.mark.parametrize("derive", [fxad.grad, fxad.jacfwd, fxad.jacrev])
def test_second_derivatives_of_sequential_batches(derive):
    """Rules that call their own function, also where tangents alone are batched."""
    f = sequential_vmap(fnp.sin)
    for inner in (fxad.grad, fxad.jacfwd, fxad.jacrev):
        np.testing.assert_allclose(fxad.vmap(derive(inner(f)))(ROWS), -np.sin(ROWS))
    g = custom_vmap(fnp.sin)
    g.def_vmap(lambda size, b, x: (g(x) if not b[0] else fnp.stack([*map(g, x)]), b[0]))
    np.testing.assert_allclose(fxad.vmap(fxad.hessian(g))(ROWS), -np.sin(ROWS))
    np.testing.assert_allclose(fxad.jacfwd(g)(0.5), np.cos(0.5))


def test_sequential_batches_in_rules():
    f = sequential_vmap(lambda x, y: (fnp.sin(x) * y, (x, y)))
    pull = sequential_vmap(lambda res, ct: (res[0] * ct, res[1] * ct))
    g = fxad.custom_vjp(lambda x, y: f(x, y)[0])
    g.defvjp(f, pull)
    out, pullback = fxad.vjp(fxad.vmap(fxad.jit(g), (0, None)), ROWS, 0.5)
    np.testing.assert_allclose(out, np.sin(ROWS) * 0.5)
    np.testing.assert_allclose(pullback(out)[0], ROWS * out)


def test_an_empty_sequence_of_examples():
    f = sequential_vmap(lambda x: {"double": 2.0 * x, "n": x.size})
    out = fxad.vmap(f)(np.zeros((0, 2), np.float32))
    assert out["double"].shape == (0, 2) and out["double"].dtype == np.float32
    assert out["n"].shape == (0,)


# Mistakes ----------------------------------------------------------------------------------------

T = True


@pytest.mark.parametrize("wrap", [lambda f: f, fxad.jit], ids=["", "jit"])
@pytest.mark.parametrize(
    ("words", "rule"),
    [
        (r"vmap rule that returned NoneType, wanted \(out, out_batched\)", lambda n, b, x: None),
        (r"vmap rule that returned float64\[3\], wanted", lambda n, b, x: fnp.sin(x)),
        (r"returned a tuple of 3", lambda n, b, x: (x, T, T)),
        (r"out_batched has another structure than its output", lambda n, b, x: ([x, x], b)),
        (r"out_batched has another structure", lambda n, b, x: (x, b)),
        (r"output has another structure than the function's", lambda n, b, x: ([x], [T])),
        (r"output has another structure than the function's", lambda n, b, x: (None, None)),
        (r"out_batched=0, wanted True or False", lambda n, b, x: (x, 0)),
        (r"an output float64\[3\] that out_batched says is not batched, wanted float64\[\]",
         lambda n, b, x: (x, False)),
        (r"an output float64\[\] that out_batched says is batched, wanted float64\[3\]",
         lambda n, b, x: (x[0], T)),
        (r"an output float64\[3,1\] .* batched, wanted float64\[3\]",
         lambda n, b, x: (x[:, None], T)),
        (r"an output complex128\[3\] .* wanted float64\[3\]", lambda n, b, x: (1j * x, T)),
    ],
)  # fmt: skip
def test_rules_that_do_not_fit(words, rule, wrap):
    @custom_vmap
    def wave(x):
        return fnp.sin(x)

    wave.def_vmap(rule)
    for transform in (fxad.vmap, lambda f: fxad.vmap(fxad.grad(f))):
        with pytest.raises(
            StructureError,
            match=rf"(?s)\[wave\] got a.*({words}).*In <lambda> \(test_custom_vmap.py:\d+\), the "
            r"vmap rule of the custom_vmap function wave",
        ):
            transform(wrap(wave))(ROWS)
    assert wrap(wave)(0.5) == np.sin(0.5)


def test_outputs_that_are_no_arrays():
    f = custom_vmap(lambda x: x)
    f.def_vmap(lambda n, b, x: ("text", True))
    with pytest.raises(ArgumentTypeError, match=r"(?s)type str.*vmap rule"):
        fxad.vmap(f)(ROWS)


def test_no_rule():
    f = custom_vmap(lambda x: x)
    assert f(1.0) == fxad.grad(f)(1.0) == 1.0
    for call in (fxad.vmap(f), fxad.vmap(fxad.grad(f)), fxad.jit(fxad.vmap(f))):
        with pytest.raises(MissingRuleError, match=r"(?s)a batch of a custom_vmap.*\.def_vmap"):
            call(ROWS)
    with pytest.raises(ArgumentTypeError, match=r"\[def_vmap\] got float64\[\], wanted a function"):
        f.def_vmap(1.0)
    with pytest.raises(ArgumentTypeError, match=r"\[custom_vmap\] got float64\[\], wanted a func"):
        custom_vmap(1.0)


def test_an_error_in_a_rule_passes_through_and_the_next_call_works():
    class Mine(Exception):
        pass

    fail = [True]

    def rule(n, b, x):
        if fail[0]:
            raise Mine
        return 3.0 * x, True

    f = custom_vmap(lambda x: x)
    f.def_vmap(rule)
    with pytest.raises(Mine):
        fxad.vmap(f)(ROWS)
    fail[0] = False
    np.testing.assert_array_equal(fxad.vmap(f)(ROWS), 3.0 * ROWS)


def test_arguments_that_are_no_arrays():
    f = custom_vmap(lambda x, mode: x)
    f.def_vmap(lambda n, b, x, mode: (x, b[0]))
    for call in (lambda x: f(x, {"mode": "a"}), fxad.vmap(lambda x: f(x, {"mode": "a"}))):
        with pytest.raises(
            ArgumentTypeError,
            match=r"got str 'a' at argument 1\['mode'\] of a custom_vmap function, wanted pytrees "
            r"(?s:.*)Close over what is not an array",
        ):
            call(ROWS)


def test_arguments_that_do_not_fit():
    f = custom_vmap(lambda x, y: x)
    with pytest.raises(ArgumentTypeError, match=r"do not fit the parameters \(x, y\)"):
        f(0.5)
    g = custom_vmap(lambda x, *, z=None: x)
    with pytest.raises(ArgumentTypeError, match=r"keyword-only arguments \['z'\]"):
        g(0.5, z=1.0)
