"""Programs write results into memory that nothing reads any more, and into no other."""

import tracemalloc

import numpy as np
import pytest

import fxad
import fxad.numpy as fnp
from fxad.core.reuse import ownership

X = np.linspace(0.1, 1.0, 12).reshape(3, 4)


def views_live_on(x):
    y = fnp.exp(x)
    z = fnp.reshape(y, (4, 3))  # a view of y, read after y
    w = fnp.sin(y)
    return z, w + 1.0


def broadcasts_live_on(x):
    y = fnp.exp(x)
    z = fnp.broadcast_to(y, (2, 3, 4))
    return fnp.cos(y) * 2.0, z


def slices_live_on(x):
    y = fnp.exp(x)
    z, t = y[1:], y.T
    return fnp.negative(y), z, t


def transposed_products(x):
    y = fnp.tanh(x)
    return y.T @ y, fnp.exp(y), fnp.sum(y, axis=0)


def chain(x):
    return fnp.sin(fnp.exp(fnp.sqrt(x) * 2.0) + 1.0) - x


def output_is_also_an_operand(x):
    y = fnp.exp(x)
    return y, fnp.sin(y)


def same_operand_twice(x):
    y = fnp.exp(x)
    return (y * y) * (y + y)


def products_and_sums_are_new(x):
    product, total = x @ x.T, fnp.sum(x, axis=0)
    outer = fnp.outer(total, total)
    return fnp.tanh(product) + 1.0, fnp.exp(total), outer, fnp.sin(outer)


@fxad.checkpoint
def again(x):
    return fnp.sin(x) * 2.0


def operands_of_calls_live_on(x):
    return fxad.grad(lambda v: (again(fnp.exp(v)) * fnp.exp(v) + again(fnp.exp(v))).sum())(x)


def cotangents_are_handed_on(x):
    """What is called gives its operand back, once as it is and once in another shape."""
    same = fxad.checkpoint(lambda v, w: (v, w.reshape(4, 3)))

    def f(v):
        a, b = same(fnp.exp(v), fnp.sin(v))
        return (again(a) * v).sum() + fnp.exp(b * 2.0).sum()

    return fxad.grad(f)(x)


def cotangents_of_two_are_one(x):
    """A sum gives both of its operands the same cotangent."""
    added = fxad.checkpoint(lambda v, w: v + w)
    pulled = fxad.vjp(lambda v, w: again(added(fnp.sin(v), fnp.exp(w))), x, x)[1]
    first, second = pulled(fnp.exp(x))
    return fnp.negative(first) * 3.0, second, fxad.hvp(lambda v: again(again(v)).sum(), x, x)


@pytest.mark.parametrize(
    "f",
    [
        operands_of_calls_live_on,
        cotangents_are_handed_on,
        cotangents_of_two_are_one,
        products_and_sums_are_new,
        views_live_on,
        broadcasts_live_on,
        slices_live_on,
        transposed_products,
        chain,
        output_is_also_an_operand,
        same_operand_twice,
    ],
)
def test_values_are_those_of_the_untraced_function(f):
    x = X.copy()
    jitted = fxad.jit(f)
    for _ in range(2):
        wanted, got = fxad.tree.leaves(f(x)), fxad.tree.leaves(jitted(x))
        assert len(wanted) == len(got)
        assert all(np.array_equal(a, b) for a, b in zip(wanted, got, strict=True))
    assert np.array_equal(x, X), "an input was written"
    for i, a in enumerate(got):
        assert not np.shares_memory(a, x)
        assert not any(np.shares_memory(a, b) for b in got[:i])


def test_constants_are_never_written():
    constant = np.linspace(1.0, 2.0, 4)
    f = fxad.jit(lambda x: fnp.exp(constant + x) * constant)
    first, second = f(X), f(X)
    assert np.array_equal(first, second)
    assert np.array_equal(constant, np.linspace(1.0, 2.0, 4))


def test_the_result_of_a_product_is_written_over():
    big = np.ones((150, 150))  # below what the pool keeps memory for
    program = fxad.jit(lambda x: fnp.tanh(x @ x))
    program(big)
    tracemalloc.start()
    program(big)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert big.nbytes <= peak < 1.5 * big.nbytes


def test_called_programs_free_the_operands_that_are_read_last():
    """However deep calls are nested, what goes into them is not held by each."""

    def nested(depth):
        if not depth:
            return lambda x: fnp.cumsum(fnp.cumsum(x))
        return lambda x: fxad.checkpoint(nested(depth - 1))(fnp.cumsum(x * 2.0)).reshape(x.shape)

    x, peaks = np.ones((150, 150)), []
    for depth in (1, 5):
        function = nested(depth)
        program = fxad.jit(lambda ct, function=function: fxad.vjp(function, x)[1](ct)[0])
        text = str(fxad.make_jaxpr(program)(x))
        assert text.count("differentiated=True") == depth
        program(x)
        tracemalloc.start()
        program(x)
        peaks.append(tracemalloc.get_traced_memory()[1] / x.nbytes)
        tracemalloc.stop()
    assert peaks[1] < peaks[0] + 0.1


@pytest.mark.parametrize(
    ("f", "results", "operands"),
    [
        (lambda x: fnp.sin(x) * 2.0, [True], [True]),
        (lambda x: (x, fnp.sin(x)), [False, True], [False]),
        (lambda x: fnp.exp(x).T, [False], [True]),
        (lambda x: fnp.exp(x.T), [True], [False]),  # a view may have been kept
        (lambda x: (lambda y: (y, y, fnp.cos(y)))(fnp.exp(x)), [False, False, True], [True]),
        (lambda x: fxad.pure_callback(np.sin, x, x) * 2.0, [True], [False]),
    ],
)
def test_what_a_called_program_owns_and_lets_go(f, results, operands):
    assert ownership(fxad.make_jaxpr(f)(X).jaxpr) == (results, operands)


def test_what_a_callback_keeps_of_its_operand_is_not_written_over():
    kept = []

    def keep(x):
        kept.append(x)
        return x * 2.0

    @fxad.custom_vjp
    def double(x):
        return fxad.pure_callback(keep, x, x)

    double.defvjp(lambda x: (double(x), x), lambda x, ct: (fxad.pure_callback(keep, ct, ct) * x,))
    noted = fxad.checkpoint(lambda x: fnp.sin(double(x * 3.0)))
    fxad.jit(fxad.grad(lambda x: noted(fnp.exp(x)).sum()))(X)
    y = np.exp(X) * 3.0
    for x, wanted in zip(kept, (y, np.cos(2.0 * y)), strict=True):
        np.testing.assert_allclose(x, wanted, rtol=1e-12)
