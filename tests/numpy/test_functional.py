"""``vectorize``: what it hands over as it is, and what it refuses."""

import re

import numpy as np
import pytest

import fxad
import fxad.numpy as fnp
from fxad.errors import ArgumentValueError, ShapeError

M, V = np.arange(12.0).reshape(3, 4), np.arange(4.0)


@pytest.mark.parametrize("traced", [False, True])
def test_none_is_handed_over(traced):
    def scaled(x, factor, shift):
        return x + shift if factor is None else x * factor

    f = fnp.vectorize(scaled, signature="(n),(),()->(n)")
    g = fxad.jit(lambda x: f(x, None, 1.0)) if traced else lambda x: f(x, None, 1.0)
    assert g(M).tolist() == (M + 1).tolist()
    assert fnp.vectorize(scaled)(M, None, 1.0).tolist() == (M + 1).tolist()
    with pytest.raises(ArgumentValueError, match=r"got 3 arguments, 1 of them None, for the sig"):
        f(None, 2.0, 1.0)


def test_what_is_excluded():
    f = fnp.vectorize(lambda x, table, name="": table[name] * x, excluded={1, "name"})
    assert f(V, {"two": 2.0}, name="two").tolist() == (2 * V).tolist()
    # Positions of optional arguments may be missing.
    assert fnp.vectorize(lambda x, y=1.0: x * y, excluded=[1])(V).tolist() == V.tolist()
    for wrong in ([-1], [1.0], [None], [("x",)]):
        with pytest.raises(ArgumentValueError, match=re.escape(f"got {wrong[0]!r} in excluded")):
            fnp.vectorize(lambda x: x, excluded=wrong)


def test_named_arrays_broadcast_without_a_signature():
    f = fnp.vectorize(lambda x, y, scale=1.0: scale * (x - y))
    assert f(M, y=V, scale=2.0).tolist() == (2 * (M - V)).tolist()
    grads = fxad.grad(lambda x, y: fnp.sum(f(x, y=y) ** 2), (0, 1))(M, V)
    np.testing.assert_allclose(grads[1], -2 * (M - V).sum(0))
    with_signature = fnp.vectorize(lambda x, y: x @ y, signature="(n)->()")
    assert with_signature(M, y=V).tolist() == (M @ V).tolist()


def test_results_fit_the_signature():
    cases = [
        (lambda x: (x, x), "(n)->(n)", ArgumentValueError, "got 2 results for the signature"),
        (lambda x: x, "(n)->(n),(n)", ArgumentValueError, "got 1 results for the signature"),
        (lambda x: x, "(n)->()", ShapeError, "got (4,) for () of the signature '(n)->()'"),
        (lambda x: x[:3], "(n)->(n)", ShapeError, "got (3,) for (n) of the signature"),
        (lambda x: (x, x[:3]), "(n)->(m),(m)", ShapeError, "where {'n': 4, 'm': 4} are known"),
        (lambda x: fnp.stack([x, x]), None, ShapeError, "got (2,) for a number"),
    ]
    for f, signature, error, message in cases:
        for traced in (False, True):
            g = fnp.vectorize(f, signature=signature)
            with pytest.raises(error, match=re.escape(message)):
                (fxad.jit(g) if traced else g)(M)


def test_lists_of_results_are_arrays_where_a_signature_says_so():
    f = fnp.vectorize(lambda x: [x, 2 * x], signature="()->(k)")
    assert f(V).tolist() == [[x, 2 * x] for x in V]


def test_frompyfunc_counts_arguments_and_results():
    pair = fnp.frompyfunc(lambda x, y: (x + y, x * y), 2, 2)
    total, product = fxad.jit(pair)(np.arange(3.0), 2.0)
    assert total.tolist() == [2.0, 3.0, 4.0]
    assert product.tolist() == [0.0, 2.0, 4.0]
    with pytest.raises(ArgumentValueError, match=r"\[frompyfunc\] got 1 arguments, wanted 2"):
        pair(1.0)
    with pytest.raises(ArgumentValueError, match=r"\[frompyfunc\] got 2 results, wanted 1"):
        fnp.frompyfunc(lambda x: (x, x), 1, 1)(np.ones(2))
