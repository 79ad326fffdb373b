"""Reverse mode on jaxprs: programs linearized, split at their linear inputs, transposed."""

import itertools

import numpy as np
import pytest

import fxad
import fxad.numpy as fnp
from fxad.core.aval import ShapedArray, aval_of
from fxad.core.jaxpr import ClosedJaxpr, check_jaxpr
from fxad.core.staging import stage
from fxad.errors import NonDifferentiableError
from fxad.transforms.staged import (
    linearize_jaxpr,
    postponed,
    split_jaxpr,
    tape_jaxpr,
    transpose_jaxpr,
)
from fxad.transforms.tape import linearize_flat

rng = np.random.default_rng(0)
A, B, V, W = (rng.normal(size=3) for _ in range(4))
F64 = ShapedArray((3,), np.dtype(float))
INT = ShapedArray((3,), np.dtype(np.int64))


def product(x, y):
    """Two results, of which the second depends on ``y`` alone."""
    return [fnp.sin(x) * y, fnp.exp(y)]


def closed_product():
    return stage(product, [F64, F64])


def names(closed):
    return [eqn.primitive.name for eqn in closed.eqns]


# Linearized --------------------------------------------------------------------------------------


@pytest.mark.parametrize("nonzero", list(itertools.product([True, False], repeat=2)), ids=str)
def test_linearized_programs_are_the_derivative(nonzero):
    forward, linear, out_nonzero = linearize_jaxpr(closed_product(), nonzero)
    check_jaxpr(forward)
    check_jaxpr(linear)
    assert out_nonzero == [any(nonzero), nonzero[1]]
    outs = forward(A, B)
    np.testing.assert_allclose(outs[:2], [np.sin(A) * B, np.exp(B)])
    tangents = [t if n else np.zeros(3) for t, n in zip((V, W), nonzero, strict=True)]
    given = [t for t, n in zip(tangents, nonzero, strict=True) if n]
    wanted = [np.cos(A) * B * tangents[0] + np.sin(A) * tangents[1], np.exp(B) * tangents[1]]
    got = linear(*outs[2:], *given)
    np.testing.assert_allclose(got, [w for w, n in zip(wanted, out_nonzero, strict=True) if n])


def test_the_linear_part_is_linear_and_computes_no_result_again():
    forward, linear, _ = linearize_jaxpr(closed_product(), (True, True))
    assert {"sin", "exp"} <= set(names(forward)) and not {"sin", "exp"} & set(names(linear))
    # Linear in the tangents, whatever the residuals are.
    residuals = [rng.normal(size=a.shape) for a in linear.in_avals[:-2]]
    one, two = linear(*residuals, V, W), linear(*residuals, W, B)
    both = linear(*residuals, 2.0 * V - W, 2.0 * W - B)
    np.testing.assert_allclose(both, 2.0 * np.array(one) - np.array(two))


def test_residuals_of_results_without_tangents_are_dropped():
    closed = stage(lambda x, y: [fnp.sin(x), fnp.exp(fnp.exp(y))], [F64, F64])
    forward, linear, out_nonzero = linearize_jaxpr(closed, (True, False))
    assert out_nonzero == [True, False]
    assert len(forward.out_avals) == 2 + 1 and len(linear.in_avals) == 1 + 1
    assert "exp" not in names(linear)


def test_integers_have_no_tangents():
    closed = stage(lambda x, n: [x * n, n + 1], [F64, INT])
    forward, linear, out_nonzero = linearize_jaxpr(closed, (True, True))
    assert out_nonzero == [True, False]
    n = np.arange(3)
    outs = forward(A, n)
    np.testing.assert_array_equal(outs[1], n + 1)
    np.testing.assert_allclose(linear(*outs[2:], V)[0], V * n)


def test_linearized_programs_are_differentiable_again():
    closed = stage(lambda x: [fnp.sum(fnp.sin(x) * x)], [F64])
    forward, linear, _ = linearize_jaxpr(closed, (True,))
    slope = lambda x: linear(*forward(x)[1:], V)[0]  # noqa: E731
    wanted = (2 * np.cos(A) - A * np.sin(A)) * V
    np.testing.assert_allclose(fxad.grad(slope)(A), wanted)
    np.testing.assert_allclose(fxad.jvp(slope, (A,), (W,))[1], wanted @ W)
    third = fxad.grad(lambda x: fxad.jvp(slope, (x,), (W,))[1])(A)
    np.testing.assert_allclose(third, (-3 * np.sin(A) - A * np.cos(A)) * V * W)


def test_constants_are_kept():
    table = rng.normal(size=3)
    forward, linear, _ = linearize_jaxpr(stage(lambda x: [fnp.sin(x) * table], [F64]), (True,))
    out, *residuals = forward(A)
    np.testing.assert_allclose(out, np.sin(A) * table)
    np.testing.assert_allclose(linear(*residuals, V)[0], np.cos(A) * table * V)


# Split -------------------------------------------------------------------------------------------


def test_a_program_is_split_at_its_linear_inputs():
    closed = stage(lambda x, t: [fnp.exp(x), fnp.sin(x) * t, 3.0 * t + t], [F64, F64])
    known, rest, out_linear = split_jaxpr(closed, [False, True])
    check_jaxpr(known)
    check_jaxpr(rest)
    assert out_linear == [False, True, True]
    assert {"exp", "sin"} <= set(names(known)) and not {"exp", "sin"} & set(names(rest))
    first, *residuals = known(A)
    np.testing.assert_allclose(first, np.exp(A))
    np.testing.assert_allclose(rest(*residuals, V), [np.sin(A) * V, 4.0 * V])


def test_a_program_of_linear_inputs_alone():
    known, rest, out_linear = split_jaxpr(stage(lambda t: [2.0 * t, -t], [F64]), [True])
    assert out_linear == [True, True] and known.in_avals == []
    np.testing.assert_allclose(rest(*known(), V), [2.0 * V, -V])


def test_a_program_without_linear_inputs():
    known, rest, out_linear = split_jaxpr(closed_product(), [False, False])
    assert out_linear == [False, False] and rest.out_avals == []
    np.testing.assert_allclose(known(A, B)[:2], product(A, B))


# Transposed --------------------------------------------------------------------------------------


def linear_map():
    return stage(lambda x, t, u: [fnp.sin(x) * t + u, fnp.cumsum(t)], [F64, F64, F64])


@pytest.mark.parametrize("given", list(itertools.product([True, False], repeat=2)), ids=str)
def test_transposed_programs_satisfy_the_dot_test(given):
    closed = linear_map()
    transposed, nonzero = transpose_jaxpr(closed, [False, True, True], given)
    check_jaxpr(transposed)
    assert nonzero == [any(given), given[0]]
    cts = [c if g else np.zeros(3) for c, g in zip((B, W), given, strict=True)]
    pulled = iter(transposed(A, *[c for c, g in zip(cts, given, strict=True) if g]))
    full = [next(pulled) if n else np.zeros(3) for n in nonzero]
    t, u = rng.normal(size=(2, 3))
    outs = closed(A, t, u)
    assert np.vdot(outs, cts) == pytest.approx(np.vdot([t, u], full))


def test_what_does_not_depend_on_the_linear_inputs_is_computed():
    transposed, _ = transpose_jaxpr(linear_map(), [False, True, True], [True, True])
    assert "sin" in names(transposed)
    np.testing.assert_allclose(transposed(A, B, np.zeros(3)), [np.sin(A) * B, B])


def test_the_transpose_of_the_transpose_is_the_map():
    closed = stage(lambda x, t: [fnp.flip(fnp.cumsum(fnp.cos(x) * t))], [F64, F64])
    once, _ = transpose_jaxpr(closed, [False, True], [True])
    twice, _ = transpose_jaxpr(once, [False, True], [True])
    np.testing.assert_allclose(twice(A, V), closed(A, V))
    assert not np.allclose(once(A, V), closed(A, V))


def test_a_map_that_is_not_linear_is_refused():
    closed = stage(lambda t: [fnp.sin(t)], [F64])
    with pytest.raises(NonDifferentiableError, match=r"\[sin\] got tangents in a way that is not"):
        transpose_jaxpr(closed, [True], [True])


def test_transposed_programs_are_differentiable():
    transposed, _ = transpose_jaxpr(linear_map(), [False, True, True], [True, False])
    slope = fxad.jacfwd(lambda x: transposed(x, B)[0])(A)
    np.testing.assert_allclose(slope, np.diag(np.cos(A) * B))
    np.testing.assert_allclose(fxad.jacrev(lambda x: transposed(x, B)[0])(A), slope)


def test_what_waits_for_nothing_is_computed_where_it_is_read():
    def f(x, t):
        a = fnp.sin(x)
        b = fnp.cos(a)
        unread = fnp.exp(x)
        first = t * 2.0
        return [first * b, first * 3.0 + a, unread]

    jaxpr = stage(f, [F64, F64]).jaxpr
    late = postponed(jaxpr, jaxpr.invars[1:])
    check_jaxpr(late)
    assert names(late) == ["mul", "sin", "cos", "mul", "mul", "add", "exp"]
    assert names(jaxpr)[:3] == ["sin", "cos", "exp"]
    np.testing.assert_array_equal(ClosedJaxpr(late)(A, B), ClosedJaxpr(jaxpr)(A, B))


def test_a_transposed_program_computes_its_factors_one_by_one():
    def push(x, y, t):
        return [fnp.cos(x) * (fnp.cos(y) * t)]

    transposed, _ = transpose_jaxpr(stage(push, [F64] * 3), [False, False, True], [True])
    assert names(transposed) == ["cos", "mul", "cos", "mul"]


# The tape as a program ---------------------------------------------------------------------------


def test_the_tape_is_a_linear_program():
    outs, out_nodes, in_nodes = linearize_flat(product, [A, B], [F64, F64])
    closed, residuals = tape_jaxpr(in_nodes, out_nodes)
    check_jaxpr(closed)
    assert closed.consts == () and len(closed.in_avals) == len(residuals) + 2
    assert [aval_of(r) for r in residuals] == closed.in_avals[: len(residuals)]
    got = closed(*residuals, V, W)
    np.testing.assert_allclose(got, [np.cos(A) * B * V + np.sin(A) * W, np.exp(B) * W])
    np.testing.assert_allclose(outs, product(A, B))


def test_inputs_and_outputs_without_tangents_are_left_out():
    _, out_nodes, in_nodes = linearize_flat(lambda x, y: [fnp.sin(x) * y, y], [A, B], [F64, None])
    assert [n is None for n in (*in_nodes, *out_nodes)] == [False, True, False, True]
    closed, residuals = tape_jaxpr(in_nodes, out_nodes)
    np.testing.assert_allclose(closed(*residuals, V), [np.cos(A) * B * V])
