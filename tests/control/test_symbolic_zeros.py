"""``symbolic_zeros``: rules see what is not differentiated, and may say what is zero."""

import functools

import numpy as np
import pytest

import fxad
import fxad.numpy as fnp
from fxad import tree
from fxad.core.aval import float0
from fxad.custom_derivatives import (
    CustomVJPPrimal,
    SymbolicZero,
    custom_vjp_primal_tree_values,
    zero_from_primal,
)
from fxad.errors import ArgumentTypeError, StructureError

WRAPS = pytest.mark.parametrize(
    "wrap", [lambda f: f, fxad.jit, fxad.checkpoint], ids=["", "jit", "remat"]
)


def is_zero(t):
    return type(t) is SymbolicZero


# custom_jvp --------------------------------------------------------------------------------------


def product_with_jvp(seen):
    f = fxad.custom_jvp(lambda x, y: x * y)

    @functools.partial(f.defjvp, symbolic_zeros=True)
    def rule(primals, tangents):
        (x, y), (dx, dy) = primals, tangents
        seen.append((is_zero(dx), is_zero(dy)))
        parts = [p for p in (dx if is_zero(dx) else 10.0 * y * dx, dy if is_zero(dy) else x * dy)
                 if not is_zero(p)]
        return f(x, y), sum(parts)

    return f


@WRAPS
def test_a_jvp_rule_sees_which_arguments_are_differentiated(wrap):
    seen = []
    f = wrap(product_with_jvp(seen))
    assert fxad.grad(f)(2.0, 3.0) == 30.0
    assert fxad.grad(f, argnums=1)(2.0, 3.0) == 2.0
    assert fxad.jvp(f, (2.0, 3.0), (1.0, 1.0))[1] == 32.0
    assert {(False, True), (True, False), (False, False)} == set(seen)
    rows = np.arange(3.0)
    seen.clear()
    out = fxad.grad(lambda x: fxad.vmap(f, (0, None))(x, 3.0).sum())(rows)
    np.testing.assert_array_equal(out, [30.0] * 3)
    np.testing.assert_array_equal(fxad.vmap(fxad.grad(f), (0, None))(rows, 3.0), [30.0] * 3)
    assert set(seen) == {(False, True)}
    assert fxad.grad(fxad.grad(f), argnums=1)(2.0, 3.0) == 10.0


def test_a_symbolic_zero_knows_its_shape_and_dtype():
    f = fxad.custom_jvp(lambda x, y, n: x)
    seen = []

    @functools.partial(f.defjvp, symbolic_zeros=True)
    def rule(primals, tangents):
        seen.extend(tangents[1:])
        return primals[0], tangents[0]

    fxad.grad(f)(1.0, np.ones((2, 3), np.float32), 3)
    y, n = seen
    assert (y.shape, y.dtype, y.ndim, y.size) == ((2, 3), np.float32, 2, 6)
    assert n.shape == () and n.dtype == float0
    assert repr(y) == "SymbolicZero(float32[2,3])"
    seen.clear()
    fxad.vmap(fxad.grad(f), (0, 0, None))(np.ones(4), np.ones((4, 5)), 3)
    assert seen[0].shape == (5,)


@pytest.mark.parametrize("symbolic_zeros", [False, True])
@WRAPS
def test_any_jvp_rule_may_return_a_symbolic_zero(wrap, symbolic_zeros):
    f = fxad.custom_jvp(lambda x: (x + 1.0, x * 2.0))
    f.defjvp(
        lambda p, t: (f(*p), (zero_from_primal(p[0], symbolic_zeros=True), 2.0 * t[0])),
        symbolic_zeros=symbolic_zeros,
    )
    assert fxad.jvp(wrap(f), (1.0,), (1.0,)) == ((2.0, 2.0), (0.0, 2.0))
    assert fxad.grad(lambda x: wrap(f)(x)[0])(1.0) == 0.0
    assert fxad.grad(lambda x: sum(wrap(f)(x)))(1.0) == 2.0
    rows = np.arange(3.0)
    tangents = fxad.jvp(fxad.vmap(wrap(f)), (rows,), (np.ones(3),))[1]
    np.testing.assert_array_equal(tangents, [[0.0] * 3, [2.0] * 3])


def test_an_output_without_a_tangent_is_not_differentiated_further():
    """What a rule calls zero stays a symbolic zero for the next rule."""
    f = fxad.custom_jvp(lambda x, y: y)

    @functools.partial(f.defjvp, symbolic_zeros=True)
    def rule(primals, tangents):
        assert is_zero(tangents[1])
        return primals[1], tangents[1]

    rows = np.ones(3)
    _, tangent = fxad.jvp(fxad.vmap(lambda x: f(x, f(x, 1.0))), (rows,), (rows,))
    np.testing.assert_array_equal(tangent, np.zeros(3))


# custom_vjp --------------------------------------------------------------------------------------


def product_with_vjp(seen):
    f = fxad.custom_vjp(lambda x, y: (x * y, x + y))

    def fwd(x, y):
        assert type(x) is type(y) is CustomVJPPrimal
        seen.append((x.perturbed, y.perturbed))
        return f(x.value, y.value), (x.value, y.value)

    def bwd(residuals, cts):
        x, y = residuals
        seen.append(tuple(map(is_zero, cts)))
        product, total = (0.0 if is_zero(ct) else ct for ct in cts)
        return 10.0 * y * product + total, x * product + total

    f.defvjp(fwd, bwd, symbolic_zeros=True)
    return f


@WRAPS
def test_a_vjp_rule_sees_what_is_differentiated_and_what_is_used(wrap):
    seen = []
    f = wrap(product_with_vjp(seen))
    assert fxad.grad(lambda x, y: f(x, y)[0])(2.0, 3.0) == 30.0
    assert seen == [(True, False), (False, True)]
    seen.clear()
    assert fxad.grad(lambda x, y: f(x, y)[1], argnums=(0, 1))(2.0, 3.0) == (1.0, 1.0)
    assert seen == [(True, True), (True, False)]
    seen.clear()
    rows = np.arange(3.0)
    out = fxad.grad(lambda x: fxad.vmap(f, (0, None))(x, 3.0)[0].sum())(rows)
    np.testing.assert_array_equal(out, [30.0] * 3)
    out = fxad.vmap(fxad.grad(lambda x, y: f(x, y)[0]), (0, None))(rows, 3.0)
    np.testing.assert_array_equal(out, [30.0] * 3)
    assert set(seen) == {(True, False), (False, True)}


@WRAPS
def test_forward_mode_and_second_derivatives_of_a_rule_with_symbolic_zeros(wrap):
    f = wrap(product_with_vjp([]))
    tangents = fxad.jvp(lambda x: f(x, 3.0), (2.0,), (1.0,))[1]
    assert tangents == (30.0, 1.0)
    loss = lambda x, y: f(x, y)[0]  # noqa: E731
    assert fxad.grad(fxad.grad(loss), argnums=1)(2.0, 3.0) == 10.0
    assert fxad.jacfwd(fxad.grad(loss), argnums=1)(2.0, 3.0) == 10.0
    hessian = fxad.hessian(loss, argnums=(0, 1))(2.0, 3.0)
    assert hessian == ((0.0, 10.0), (1.0, 0.0))


@WRAPS
def test_a_bwd_may_return_symbolic_zeros(wrap):
    f = fxad.custom_vjp(lambda x, y: (x, y))
    f.defvjp(lambda x, y: (f(x.value, y.value), None), lambda _, cts: cts, symbolic_zeros=True)
    g = wrap(f)
    assert fxad.grad(lambda x, y: 3.0 * g(x, y)[0], argnums=(0, 1))(1.0, 2.0) == (3.0, 0.0)
    rows = np.ones(3)
    out = fxad.grad(lambda x, y: fxad.vmap(g)(x, y)[0].sum(), argnums=(0, 1))(rows, rows)
    np.testing.assert_array_equal(out, [[1.0] * 3, [0.0] * 3])


def test_a_program_that_ran_once_serves_every_pattern_of_zeros():
    """Residuals of another structure for each pattern do not get in each other's way."""
    f = fxad.custom_vjp(lambda x, y: x * y)

    def fwd(x, y):
        kept = (x.value, y.value) if y.perturbed else [y.value]
        return x.value * y.value, kept

    def bwd(kept, ct):
        return (kept[0] * ct, None) if len(kept) == 1 else (kept[1] * ct, kept[0] * ct)

    f.defvjp(fwd, bwd, symbolic_zeros=True)
    program = fxad.make_jaxpr(f)(2.0, 3.0)
    _, by_both = fxad.vjp(lambda x, y: program(x, y)[0], 2.0, 3.0)
    _, by_first = fxad.vjp(lambda x: program(x, 3.0)[0], 2.0)
    assert by_both(1.0) == (3.0, 2.0)
    assert by_first(1.0) == (3.0,)
    assert by_both(1.0) == (3.0, 2.0)


def test_integers_are_not_perturbed():
    f = fxad.custom_vjp(lambda x, n: (x * n, n))

    def fwd(x, n):
        assert x.perturbed and not n.perturbed
        return (x.value * n.value, n.value), n.value

    def bwd(n, cts):
        assert is_zero(cts[1]) and cts[1].dtype == float0
        return n * cts[0], cts[1]

    f.defvjp(fwd, bwd, symbolic_zeros=True)
    assert fxad.grad(lambda x, n: f(x, n)[0])(2.0, 3) == 3.0
    assert fxad.grad(lambda x, n: f(x, n)[0], argnums=(0, 1), allow_int=True)(2.0, 3)[0] == 3.0


def test_trees_and_arguments_that_are_not_differentiated():
    @functools.partial(fxad.custom_vjp, nondiff_argnums=(0,))
    def f(name, pair):
        return pair["a"] * pair["b"]

    def fwd(name, pair):
        assert name == "name" and pair["a"].perturbed and not pair["b"].perturbed
        pair = custom_vjp_primal_tree_values(pair)
        return f(name, pair), pair

    f.defvjp(
        fwd,
        lambda name, pair, ct: ({"a": pair["b"] * ct, "b": pair["a"] * ct},),
        symbolic_zeros=True,
    )
    assert fxad.grad(lambda a: f("name", {"a": a, "b": 3.0}))(2.0) == 3.0


# Mistakes ----------------------------------------------------------------------------------------


def test_a_symbolic_zero_is_no_array():
    zero = zero_from_primal(np.ones(2), symbolic_zeros=True)
    for compute in (lambda: zero + 1.0, lambda: np.ones(2) * zero, lambda: fnp.sin(zero)):
        with pytest.raises(TypeError):
            compute()
    with pytest.raises(ArgumentTypeError, match=r"SymbolicZero\(float64\[2\]\), which has no"):
        np.asarray(zero)
    with pytest.raises(ArgumentTypeError, match="output of type SymbolicZero"):
        fxad.jit(lambda x: zero)(1.0)
    assert tree.leaves((zero,)) == [zero]


def test_zeros_of_primals():
    zeros = zero_from_primal(np.ones(2, np.float32))
    np.testing.assert_array_equal(zeros, np.zeros(2, np.float32), strict=True)
    assert zero_from_primal(3).dtype == float0
    assert zero_from_primal(3, symbolic_zeros=True).dtype == float0


@pytest.mark.parametrize(
    ("kind", "words", "fwd", "bwd"),
    [
        (StructureError, r"SymbolicZero float64\[2\] for an argument float64\[1\].*bwd.*Return N",
         None, lambda _, cts: (cts[1], cts[0])),
        (ArgumentTypeError, r"a CustomVJPPrimal, wanted arrays.*Return x.value",
         lambda x, y: ((x.value, y.value), (x,)), None),
        (ArgumentTypeError, r"a CustomVJPPrimal.*Return x.value",
         lambda x, y: ((x, y), None), None),
    ],
)  # fmt: skip
def test_rules_that_do_not_fit(kind, words, fwd, bwd):
    f = fxad.custom_vjp(lambda x, y: (x, y))
    f.defvjp(
        fwd or (lambda x, y: ((x.value, y.value), None)),
        bwd or (lambda _, cts: cts),
        symbolic_zeros=True,
    )
    with pytest.raises(kind, match=rf"(?s){words}"):
        fxad.grad(lambda x, y: f(x, y)[0].sum(), argnums=(0, 1))(np.ones(1), np.ones(2))


def test_values_of_what_did_not_come_from_a_rule():
    with pytest.raises(ArgumentTypeError, match=r"got a leaf float64\[\], wanted the leaves of a"):
        custom_vjp_primal_tree_values((1.0,))
