"""``checkpoint``: it recomputes, and keeps its inputs alone."""

import functools

import numpy as np
import pytest

import fxad
import fxad.numpy as fnp
from fxad.control import saving
from fxad.errors import TracerBoolConversionError


def sines(x):
    return fnp.sin(fnp.sin(fnp.sin(x)))


def derivative_of_sines(x):
    return np.cos(np.sin(np.sin(x))) * np.cos(np.sin(x)) * np.cos(x)


def test_the_program_of_its_gradient_computes_the_function_twice():
    plain = str(fxad.make_jaxpr(fxad.grad(sines))(1.0))
    saving = str(fxad.make_jaxpr(fxad.grad(fxad.checkpoint(sines)))(1.0))
    assert (plain.count("sin "), plain.count("cos ")) == (3, 3)
    assert (saving.count("sin "), saving.count("cos ")) == (3 + 2, 3)  # the last is not needed


def residuals_of(f, x):
    _, pull = fxad.vjp(f, x)
    return sum(np.size(r) for r in fxad.tree.leaves(pull))


def test_between_the_passes_it_keeps_its_inputs_alone():
    x = np.ones(100)
    assert residuals_of(fxad.checkpoint(sines), x) == 100
    assert residuals_of(sines, x) >= 300
    layer = fxad.checkpoint(sines)
    assert residuals_of(lambda x: layer(layer(layer(x))), x) == 300


@pytest.mark.parametrize(
    "derivative",
    [
        fxad.grad,
        fxad.jacfwd,
        fxad.jacrev,
        lambda f: lambda x: fxad.jvp(f, (x,), (1.0,))[1],
        lambda f: lambda x: fxad.linearize(f, x)[1](1.0),
        lambda f: fxad.jit(fxad.grad(f)),
        lambda f: fxad.grad(fxad.jit(f)),
        lambda f: lambda x: fxad.vmap(fxad.grad(f))(fnp.array([x]))[0],
        lambda f: fxad.checkpoint(fxad.grad(f)),
        lambda f: fxad.grad(fxad.checkpoint(f)),
    ],
)
def test_values_and_derivatives_are_the_functions_own(derivative):
    f = fxad.checkpoint(sines)
    assert f(0.5) == sines(0.5)
    assert derivative(f)(0.5) == pytest.approx(derivative_of_sines(0.5), rel=1e-14)
    second = fxad.grad(fxad.grad(sines))(0.5)
    assert fxad.grad(derivative(f))(0.5) == pytest.approx(second, rel=1e-13)


def test_static_arguments_are_values():
    @functools.partial(fxad.checkpoint, static_argnums=(1, -1))
    def f(x, n, name):
        return x**n if name == "power" else x

    assert f(2.0, 3, "power") == 8.0
    assert fxad.grad(f)(2.0, 3, "power") == 12.0
    with pytest.raises(TracerBoolConversionError, match="static_argnums"):
        fxad.checkpoint(lambda x: x if x else -x)(1.0)


def test_trees_keywords_closures_and_integers():
    scale = np.arange(3.0)

    @fxad.checkpoint
    def f(tree, *, shift):
        return {"sum": fnp.sum(tree["x"] * scale) + shift * tree["n"]}

    tree = {"x": np.ones(3), "n": 2}
    assert f(tree, shift=1.0) == {"sum": 5.0}
    gradient = fxad.grad(lambda t: f(t, shift=1.0)["sum"], allow_int=True)(tree)
    np.testing.assert_array_equal(gradient["x"], scale)
    outer = fxad.grad(lambda y: fxad.checkpoint(lambda x: x * y)(3.0))
    assert outer(2.0) == 3.0  # by what it closes over


def test_a_function_is_derived_once_and_read_anew_at_every_call(monkeypatch):
    derived = []
    derive = saving.linearize_jaxpr
    monkeypatch.setattr(saving, "linearize_jaxpr", lambda *a: derived.append(a) or derive(*a))
    scale, table = 2.0, np.ones(3)
    f = fxad.checkpoint(lambda x: (fnp.sin(x) * scale * table).sum())
    for _ in range(3):
        assert fxad.grad(f)(0.0) == 6.0
        table = table + 0.0  # another array: an operand of the program
    assert len(derived) == 1
    table = np.full(3, 10.0)
    assert fxad.grad(f)(0.0) == 60.0
    assert len(derived) == 1
    scale = 3.0  # a number that stands in the program itself
    assert fxad.grad(f)(0.0) == 90.0
    table = np.ones(4)
    assert fxad.grad(f)(0.0) == 12.0
    assert fxad.grad(lambda x: f(x).sum())(0.0) == 12.0
