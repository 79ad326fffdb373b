"""``closure_convert``: what is traced becomes an argument, everything else stays inside."""

import numpy as np
import pytest

import fxad
from fxad.errors import ArgumentTypeError, ShapeError, StructureError


def test_traced_values_alone_become_arguments():
    constant, values = np.arange(3.0), []

    def f(y, n):
        g, closed_over = fxad.closure_convert(lambda x: (constant * x * y).sum() * n, 1.0)
        values.append(len(closed_over))
        return g(2.0, *closed_over)

    assert f(5.0, 2) == 60.0
    assert fxad.grad(f)(5.0, 2) == 12.0
    assert fxad.vmap(f, (0, None))(np.ones(2), 2).tolist() == [12.0, 12.0]
    assert fxad.jit(f, static_argnums=1)(5.0, 2) == 60.0
    assert values == [0, 1, 1, 1]


def test_a_rule_for_a_function_that_closes_over_variables():
    """What the converted function is for: derivatives by what was closed over."""
    apply = fxad.custom_vjp(lambda f, x, *values: f(x, *values), nondiff_argnums=(0,))
    apply.defvjp(
        lambda f, x, *values: (f(x, *values), (x, values)),
        lambda f, residuals, ct: (17.0 * ct, *(42.0 * v * ct for v in residuals[1])),
    )

    def solve(c, x):
        f, values = fxad.closure_convert(lambda x: (x - c) ** 2, x)
        return apply(f, x, *values)

    assert solve(2.0, 5.0) == 9.0
    assert fxad.grad(solve, argnums=(0, 1))(2.0, 5.0) == (84.0, 17.0)


def test_trees_and_their_structures():
    g, values = fxad.closure_convert(lambda t: {"sum": t[0] + t[1]}, (1.0, np.ones(2)))
    assert values == []
    np.testing.assert_array_equal(g((2.0, np.ones(2)))["sum"], [3.0, 3.0])
    with pytest.raises(StructureError, match=r"\[closure_convert\]"):
        g([2.0, np.ones(2)])


def test_other_shapes_than_those_of_the_example_are_refused():
    g, _ = fxad.closure_convert(lambda x: x.mean(), np.ones(3))
    assert g(np.arange(3)) == 1.0
    with pytest.raises(ShapeError, match=r"shapes \[\(4,\)\], wanted .*\[\(3,\)\]"):
        g(np.arange(4.0))


def test_what_is_no_function_is_refused():
    with pytest.raises(ArgumentTypeError, match=r"\[closure_convert\] got int64\[\], wanted a"):
        fxad.closure_convert(3, 1.0)
