"""Rules of the user's own while values are checked: what they do to plain values is in sight."""

import numpy as np
import pytest

import fxad
from fxad.errors import NonFiniteError


def root_with_bwd():
    @fxad.custom_vjp
    def root(x):
        return np.sqrt(x)

    def bwd(x, ct):
        return (ct * 0.5 / np.sqrt(x),)  # bwd

    root.defvjp(lambda x: (np.sqrt(x), x), bwd)
    return root


def root_with_rule():
    @fxad.custom_jvp
    def root(x):
        return np.sqrt(x)

    @root.defjvp
    def rule(primals, tangents):
        (x,), (dx,) = primals, tangents
        return np.sqrt(x), dx * 0.5 / np.sqrt(x)  # rule

    return root


def loss(root):
    return lambda x: np.sum(root(x) * X)


X = np.array([0.0, 4.0])
CASES = {
    "grad": ("bwd", lambda: fxad.grad(loss(root_with_bwd()))(X)),
    "vjp": ("bwd", lambda: fxad.vjp(root_with_bwd(), X)[1](X)),
    "jit of grad": ("bwd", lambda: fxad.jit(fxad.grad(loss(root_with_bwd())))(X)),
    "jvp": ("rule", lambda: fxad.jvp(root_with_rule(), (X,), (X,))),
    "grad of custom_jvp": ("rule", lambda: fxad.grad(loss(root_with_rule()))(X)),
}


@pytest.mark.parametrize(("name", "run"), CASES.values(), ids=CASES.keys())
def test_the_line_of_the_rule_is_blamed(name, run):
    with fxad.debug_nans(), pytest.raises(NonFiniteError) as info:
        run()
    message = str(info.value)
    assert "[div] invalid value (nan) encountered in div" in message
    assert "At test_watch.py:" in message and f"# {name}" in message.splitlines()[1]
    assert "safe_where" not in message  # which does not reach into rules


def test_rules_give_what_they_give_unwatched():
    @fxad.custom_vjp
    def f(x, n):
        return x["a"] ** n

    def fwd(x, n):
        return f(x, n), (x, n, "kept", None)

    def bwd(kept, ct):
        x, n, word, nothing = kept
        assert (word, nothing) == ("kept", None)
        if x["a"] > 100.0:
            return (None, None)
        return {"a": ct * n * x["a"] ** (n - 1)}, None

    f.defvjp(fwd, bwd)
    gradient = fxad.grad(lambda a: f({"a": a}, 3))
    for a, wanted in ((2.0, 12.0), (200.0, 0.0)):
        with fxad.debug_nans():
            assert gradient(a) == wanted
        assert gradient(a) == wanted


def test_the_fix_names_no_variables_of_another_function():
    root = root_with_rule()
    with fxad.debug_nans(), pytest.raises(NonFiniteError) as info:
        fxad.grad(lambda x: np.sum(np.where(x > 0, root(x), 0.0)))(X)
    message = str(info.value)
    assert "The untaken branch of this `where` has an infinite derivative (div)" in message
    assert "fnp.where(condition, x, 1.0) in the place of the operand x of div" in message
