"""What a derivative keeps, as it is listed: shapes, and where they come from."""

import numpy as np
import pytest

import fxad
import fxad.numpy as fnp
from fxad.ad_checkpoint import checkpoint_name, print_saved_residuals, saved_residuals
from fxad.errors import ArgumentTypeError

policies = fxad.checkpoint_policies
HERE = rf"from {__file__}:"


def layer(w, x):
    y = fnp.dot(w, x)
    return fnp.sin(y)


def chain(w1, w2, x):
    x = checkpoint_name(layer(w1, x), "first")
    return layer(w2, x)


W1, W2, X = np.ones((5, 4)), np.ones((6, 5)), np.ones(4)


def short(found):
    """Each as text, lines and files left out."""
    return [f"{aval} {origin.partition(' from /')[0]}" for aval, origin in found]


def test_arguments_and_results_in_their_order():
    found = saved_residuals(chain, W1, W2, X)
    assert short(found) == [
        "f64[5,4] from the argument w1",
        "f64[6,5] from the argument w2",
        "f64[4] from the argument x",
        "f64[5] output of dot_general",
        "f64[5] named 'first'",
        "f64[6] output of dot_general",
    ]
    code = layer.__code__.co_firstlineno
    assert found[3][1] == f"output of dot_general {HERE}{code + 1} (layer)"
    assert found[4][1] == f"named 'first' {HERE}{chain.__code__.co_firstlineno + 1} (chain)"


def test_checkpoints_are_looked_into():
    names = policies.save_only_these_names("first")
    arguments = short(saved_residuals(chain, W1, W2, X))[:3]
    for f, wanted in [
        (fxad.checkpoint(chain), arguments),
        (fxad.checkpoint(chain, policy=names), [*arguments, "f64[5] named 'first'"]),
        (
            lambda w1, w2, x: fxad.checkpoint(layer)(w2, fxad.checkpoint(layer)(w1, x)),
            [*arguments, "f64[5] output of sin"],
        ),
        (fxad.checkpoint(fxad.jit(fxad.checkpoint(chain)), policy=names), arguments),
    ]:
        assert short(saved_residuals(f, W1, W2, X)) == wanted


def test_trees_keywords_names_and_constants():
    def f(x, y):
        first, second = x
        z = checkpoint_name(fnp.sin(3.0), "z")
        return z * ((first * second) * y) * np.array([3.0])

    wanted = ["f64[1] from a constant", "f64[] from the argument x[0]",
              "f64[] from the argument x[1]", "f64[] from the argument y"]
    found = short(saved_residuals(f, (2.0, 3.0), y=4.0))
    assert found == [*wanted, "f64[] named 'z'", "f64[] output of mul"]
    found = short(saved_residuals(fxad.jit(f), (2.0, 3.0), y=4.0))
    assert found == [*wanted, *["f64[] output of jitted function 'f'"] * 2]
    found = short(saved_residuals(lambda p, *rest, **named: p["w"] * rest[1] * named["k"],
                                  {"w": 1.0}, 2.0, 3.0, k=4.0))
    assert found[:3] == ["f64[] from the argument p['w']", "f64[] from the argument rest[1]",
                         "f64[] from the argument k"]
    assert short(saved_residuals(np.sin, X)) == ["f64[4] from the argument x"]


def test_constants_are_made_again():
    """What depends on no input is not kept either; an input only where something reads it."""
    for f, wanted in [
        (lambda x: fnp.einsum("ii->i", x), 0),
        (lambda x: fnp.zeros_like(x) * x, 0),
        (lambda x: fnp.zeros_like(x) * fnp.sin(x), 1),
        (lambda x: x.astype(np.float32).sum(), 0),
    ]:
        assert len(saved_residuals(fxad.checkpoint(f), np.ones((2, 2)))) == wanted


def test_one_saved_value_for_several_readers_is_one_residual():
    @fxad.checkpoint(policy=policies.save_only_these_names("y"))
    def f(x):
        y = checkpoint_name(fnp.sin(fnp.ones(2, np.float32)), "y")
        x = fxad.jit(lambda: x * y)()
        return fxad.jit(lambda: x * y)()

    x = np.float32(3.0)
    assert short(saved_residuals(f, x)) == ["f32[2] named 'y'"]
    assert fxad.grad(lambda x: f(x).sum())(x) == pytest.approx(2 * np.sin(1.0) ** 2, rel=1e-6)


def test_integers_have_no_derivative():
    def f(x, n):
        return x**2 * n

    found = short(saved_residuals(f, 2.0, 3))
    assert found[0] == "f64[] from the argument x" and len(found) <= 3


def test_what_is_listed_is_what_is_kept():
    """The sizes add up to those of the arrays that a pullback holds."""
    for f in (fxad.checkpoint(chain), fxad.checkpoint(chain, policy=policies.dots_saveable)):
        _, pull = fxad.vjp(f, W1, W2, X)
        held = {id(x): x.size for x in fxad.tree.leaves(pull)}
        assert sum(a.size for a, _ in saved_residuals(f, W1, W2, X)) == sum(held.values())


def test_printed(capsys):
    print_saved_residuals(fxad.checkpoint(layer), W1, X)
    assert capsys.readouterr().out == (
        "f64[5,4] from the argument w\nf64[4] from the argument x\n"
    )


def test_a_chain_halved_keeps_logarithmically_many():
    def halves(functions):
        if len(functions) <= 2:
            return lambda x: functions[0](functions[-1](x))
        later, first = functions[: len(functions) // 2], functions[len(functions) // 2 :]
        return lambda x: halves(later)(fxad.checkpoint(halves(first))(x))

    counts = [len(saved_residuals(halves([fnp.sin] * n), 3.0)) for n in (4, 8, 16, 32)]
    assert counts == [3, 4, 5, 6]


def test_what_is_refused():
    with pytest.raises(ArgumentTypeError, match=r"\[saved_residuals\] got .* wanted a function"):
        saved_residuals(W1, X)
    with pytest.raises(ArgumentTypeError, match=r"\[saved_residuals\].*wanted pytrees of arrays"):
        saved_residuals(chain, "w", W2, X)
