"""Pullbacks and pushforwards as values: through ``jit``, ``vmap`` and rules, as pytrees."""

import numpy as np
import pytest

import fxad
import fxad.numpy as fnp
from fxad.core.aval import float0
from fxad.errors import ArgumentTypeError, StructureError

ZERO = np.zeros((), float0)


def f(x, n):
    """Two results, the second of which does not vary; an integer among the arguments."""
    return {"a": fnp.sin(x) * x * n, "b": 3.0 * n}


def slope(x, n=3):
    return n * (np.sin(x) + x * np.cos(x))


@pytest.mark.parametrize("wrap", [lambda f: f, fxad.jit, fxad.checkpoint], ids=["", "jit", "remat"])
def test_a_pullback_leaves_the_function_that_made_it(wrap):
    out, pull = wrap(lambda x: fxad.vjp(f, x, 3))(2.0)
    assert out == {"a": 6.0 * np.sin(2.0), "b": 9.0}
    for _ in range(2):
        dx, dn = pull({"a": 1.0, "b": 5.0})
        assert dx == pytest.approx(slope(2.0), rel=1e-15)
        assert dn.dtype == float0


def test_a_pushforward_leaves_the_function_that_made_it():
    _, push = fxad.jit(lambda x: fxad.linearize(f, x, 3))(2.0)
    for t in (1.0, -2.0):
        tangent = push(t, ZERO)
        assert tangent["a"] == pytest.approx(slope(2.0) * t, rel=1e-15)
        assert tangent["b"] == 0.0


def test_a_pullback_enters_a_jitted_function():
    count = 0

    @fxad.jit
    def step(pull, ct):
        nonlocal count
        count += 1
        return pull(ct)[0]

    make = fxad.jit(lambda x: fxad.vjp(fnp.sin, x)[1])
    for x in (0.0, 1.0, 2.0):
        assert step(make(x), 2.0) == pytest.approx(2.0 * np.cos(x), rel=1e-15)
    assert count == 1  # pullbacks of one program have one structure
    assert step(fxad.vjp(fnp.sin, 1.0)[1], 2.0) == pytest.approx(2.0 * np.cos(1.0), rel=1e-15)


def test_a_batch_of_pullbacks():
    x = np.arange(3.0)
    out, pulls = fxad.vmap(lambda x: fxad.vjp(f, x, 3))(x)
    np.testing.assert_allclose(out["a"], 3.0 * x * np.sin(x), rtol=1e-15)
    cts = {"a": np.ones(3), "b": np.ones(3)}
    dx = fxad.vmap(lambda pull, ct: pull(ct)[0])(pulls, cts)
    np.testing.assert_allclose(dx, slope(x), rtol=1e-14)


def test_residuals_of_a_rule():
    """A ``fwd`` that keeps a pullback, the shortest way to write a rule."""
    square = fxad.custom_vjp(lambda x: x * x)
    square.defvjp(lambda x: fxad.vjp(lambda x: x * x, x), lambda pull, ct: (10.0 * pull(ct)[0],))
    assert fxad.grad(square)(3.0) == 60.0
    assert fxad.jit(fxad.grad(square))(3.0) == 60.0
    assert fxad.grad(fxad.jit(square))(3.0) == 60.0
    assert fxad.grad(fxad.grad(square))(3.0) == 20.0
    assert fxad.jvp(square, (3.0,), (1.0,))[1] == 60.0
    np.testing.assert_array_equal(fxad.vmap(fxad.grad(square))(np.arange(3.0)), [0.0, 20.0, 40.0])


def test_derivatives_through_what_a_pullback_reads():
    _, pull = fxad.vjp(lambda x: x * x, np.array([3.0]))
    doubled = fxad.tree.map(lambda residual: 2.0 * residual, pull)
    np.testing.assert_array_equal(doubled(np.ones(1))[0], [12.0])
    directional = fxad.jvp(lambda pull: pull(np.ones(1))[0], (pull,), (pull,))[1]
    np.testing.assert_array_equal(directional, [6.0])  # linear in its residuals
    assert fxad.grad(lambda x: fxad.vjp(lambda x: x**3, x)[1](1.0)[0])(2.0) == 12.0


def test_a_pullback_among_auxiliary_results():
    gradient, pull = fxad.grad(lambda x: (x * x, fxad.vjp(fnp.sin, x)[1]), has_aux=True)(1.0)
    assert gradient == 2.0
    assert pull(1.0) == (pytest.approx(np.cos(1.0), rel=1e-15),)


def test_a_transpose_leaves_the_function_that_made_it():
    (out,) = fxad.jit(lambda x: fxad.linear_transpose(lambda y: 2.0 * y, x))(1.0)(3.0)
    assert out == 6.0


def test_what_does_not_fit_is_refused_after_the_journey_too():
    pull = fxad.jit(lambda x: fxad.vjp(f, x, 3)[1])(2.0)
    push = fxad.jit(lambda x: fxad.linearize(f, x, 3)[1])(2.0)
    with pytest.raises(StructureError, match=r"\[vjp\] got the cotangent of another structure"):
        pull(1.0)
    with pytest.raises(StructureError, match=r"a cotangent float64\[2\]"):
        pull({"a": np.ones(2), "b": 1.0})
    with pytest.raises(StructureError, match=r"\[linearize\] got a tangent float32\[\]"):
        push(np.float32(1.0), ZERO)
    with pytest.raises(StructureError, match=r"\[linearize\] got the tangents of another"):
        push(1.0)


def test_one_cotangent_for_all_outputs():
    pull = fxad.vjp(lambda x: (x, 2.0 * x), 1.0)[1]
    assert pull((1.0, 1.0))[0] == 3.0
    with pytest.raises(ArgumentTypeError, match=r"(?s)2 arguments, wanted one.*pull\(\(ct_0, ct_1"):
        pull(1.0, 1.0)


@fxad.tree_util.register_pytree_node_class
class Checked:
    """A node that is made of arrays and numbers alone."""

    def __init__(self, x):
        assert isinstance(x, float | np.ndarray | np.generic | fxad.Array)
        self.x = x

    def tree_flatten(self):
        return (self.x,), None

    @classmethod
    def tree_unflatten(cls, _, children):
        return cls(*children)


def test_nodes_are_never_made_of_placeholders():
    at = Checked(np.ones(2))
    double = lambda node: Checked(2.0 * node.x)  # noqa: E731
    for out in (
        fxad.vjp(double, at)[1](at)[0],
        fxad.linearize(double, at)[1](at),
        fxad.linear_transpose(double, at)(at)[0],
        fxad.jvp(double, (at,), (at,))[1],
        fxad.hvp(lambda node: (node.x**2).sum(), at, at),
    ):
        np.testing.assert_array_equal(out.x, [2.0, 2.0])
    with pytest.raises(StructureError, match=r"\[vjp\] got the cotangent of another structure"):
        fxad.vjp(double, at)[1](np.ones(2))


def test_they_print_what_they_map():
    pull, push = fxad.vjp(f, np.ones(2), 3)[1], fxad.linearize(f, np.ones(2), 3)[1]
    assert repr(pull) == "Pullback<(float64[2], float64[]) -> (float64[2], int64[])>"
    assert repr(push) == "Pushforward<(float64[2], int64[]) -> (float64[2], float64[])>"
