"""Primitives that call a jaxpr: their rules, what is remembered for them, names of axes, costs."""

import gc
import weakref

import numpy as np
import pytest

import fxad
import fxad.numpy as fnp
from fxad import lax
from fxad.control.call import bind_call, call_primitive, per_jaxpr, spread
from fxad.control.checkpoint import checkpoint_p
from fxad.control.policies import nothing_saveable
from fxad.core.aval import ShapedArray
from fxad.core.jaxpr import ClosedJaxpr, check_jaxpr
from fxad.core.staging import stage
from fxad.errors import AxisNameError

F64 = ShapedArray((3,), np.dtype(float))
A, B, V, W = np.random.default_rng(0).normal(size=(4, 3))

keeping_p = call_primitive("keeping")
PRIMITIVES = pytest.mark.parametrize("primitive", [keeping_p, checkpoint_p], ids=str)
OPTIONS = {keeping_p: {}, checkpoint_p: {"policy": nothing_saveable, "prevent_cse": True}}


def product(x, y):
    return [fnp.sin(x) * y, fnp.exp(y)]


def called(primitive, function=product, avals=(F64, F64)):
    """A function that calls its program through a primitive."""
    closed = stage(function, list(avals))
    return lambda *args: bind_call(primitive, closed, args, "f", **OPTIONS[primitive])


# What a call is ----------------------------------------------------------------------------------


@PRIMITIVES
def test_a_call_is_one_equation_and_its_value(primitive):
    f = called(primitive)
    np.testing.assert_array_equal(f(A, B), product(A, B))
    closed = fxad.make_jaxpr(lambda x, y: f(x, y)[0])(A, B)
    check_jaxpr(closed)
    assert [eqn.primitive for eqn in closed.eqns] == [primitive]
    assert closed.eqns[0].params["name"] == "f"
    np.testing.assert_array_equal(closed(A, B)[0], product(A, B)[0])


def test_its_cost_is_that_of_its_equations():
    inner = stage(product, [F64, F64])
    wanted = np.sum([e.primitive.cost([v.aval for v in e.invars], e.params) for e in inner.eqns], 0)
    got = keeping_p.cost([F64, F64], {"jaxpr": inner})
    assert got == tuple(wanted) and got[0] > 0 and got[1] > 0


# Derivatives -------------------------------------------------------------------------------------


@PRIMITIVES
@pytest.mark.parametrize("wrap", [lambda f: f, fxad.jit], ids=["", "jit"])
def test_first_derivatives(primitive, wrap):
    f = wrap(called(primitive))
    wanted = [np.cos(A) * B * V + np.sin(A) * W, np.exp(B) * W]
    np.testing.assert_allclose(fxad.jvp(f, (A, B), (V, W))[1], wanted)
    np.testing.assert_allclose(fxad.linearize(f, A, B)[1](V, W), wanted)
    pulled = fxad.vjp(f, A, B)[1]([V, W])
    np.testing.assert_allclose(pulled[0], np.cos(A) * B * V)
    np.testing.assert_allclose(pulled[1], np.sin(A) * V + np.exp(B) * W)


@PRIMITIVES
def test_higher_derivatives_in_every_order_of_modes(primitive):
    f = called(primitive, lambda x: [fnp.sum(fnp.sin(x) * x)], [F64])
    loss = lambda x: f(x)[0]  # noqa: E731
    wanted = np.diag(2 * np.cos(A) - A * np.sin(A))
    for outer in (fxad.jacfwd, fxad.jacrev):
        for inner in (fxad.jacfwd, fxad.jacrev):
            np.testing.assert_allclose(outer(inner(loss))(A), wanted, atol=1e-14)
            np.testing.assert_allclose(fxad.jit(outer(inner(loss)))(A), wanted, atol=1e-14)
    third = fxad.grad(lambda x: fxad.hvp(loss, x, V) @ W)(A)
    np.testing.assert_allclose(third, (-3 * np.sin(A) - A * np.cos(A)) * V * W)


@PRIMITIVES
def test_only_what_is_differentiated_has_tangents(primitive):
    f = called(primitive)
    closed = fxad.make_jaxpr(lambda y: fxad.jvp(lambda x: f(x, y), (A,), (V,))[1])(B)
    np.testing.assert_allclose(closed(B), [np.cos(A) * B * V, np.zeros(3)])
    gradient = fxad.grad(lambda x: fnp.sum(f(x, B)[0]))(A)
    np.testing.assert_allclose(gradient, np.cos(A) * B)
    np.testing.assert_array_equal(fxad.grad(lambda x: fnp.sum(f(x, B)[1]))(A), np.zeros(3))


@PRIMITIVES
def test_linear_calls_are_transposed(primitive):
    f = called(primitive, lambda x, t: [fnp.cumsum(fnp.sin(x) * t)], [F64, F64])
    wanted = np.sin(A) * np.cumsum(V[::-1])[::-1]
    (pulled,) = fxad.linear_transpose(lambda t: f(A, t)[0], B)(V)
    np.testing.assert_allclose(pulled, wanted)
    slope = fxad.grad(lambda x: fxad.linear_transpose(lambda t: f(x, t)[0], B)(V)[0] @ W)(A)
    np.testing.assert_allclose(slope, np.cos(A) * np.cumsum(V[::-1])[::-1] * W)


def test_one_keeps_residuals_and_the_other_its_inputs():
    chain = lambda x: [fnp.sin(fnp.sin(fnp.sin(x)))]  # noqa: E731

    def kept(primitive):
        _, pull = fxad.vjp(called(primitive, chain, [F64]), A)
        return sum(np.size(r) for r in fxad.tree.leaves(pull))

    assert kept(checkpoint_p) == A.size < kept(keeping_p)


# Batches -----------------------------------------------------------------------------------------


@PRIMITIVES
@pytest.mark.parametrize("in_axes", [(0, 0), (0, None), (None, 0), (1, 0), (-1, 1)], ids=str)
def test_batches_along_any_axis(primitive, in_axes):
    f = called(primitive)
    rows = np.random.default_rng(1).normal(size=(2, 4, 3))
    args = [
        r[0] if axis is None else np.moveaxis(r, 0, axis)
        for r, axis in zip(rows, in_axes, strict=True)
    ]
    got = fxad.vmap(f, in_axes=in_axes)(*args)
    examples = [
        product(*(r[0] if axis is None else r[i] for r, axis in zip(rows, in_axes, strict=True)))
        for i in range(4)
    ]
    np.testing.assert_allclose(got[0], [e[0] for e in examples])
    np.testing.assert_allclose(got[1], [e[1] for e in examples])
    gradient = fxad.vmap(fxad.grad(lambda x, y: fnp.sum(f(x, y)[0])), in_axes=in_axes)(*args)
    slopes = [
        np.cos(rows[0][0 if in_axes[0] is None else i]) * rows[1][0 if in_axes[1] is None else i]
        for i in range(4)
    ]
    np.testing.assert_allclose(gradient, slopes)


@PRIMITIVES
def test_collectives_inside_a_call(primitive):
    def outer(x):
        f = called(primitive, lambda x: [x * lax.psum(x, "i")], [ShapedArray((), x.dtype)])
        return f(x)[0]

    batched = fxad.vmap(outer, axis_name="i")
    np.testing.assert_allclose(batched(A), A * A.sum())
    gradient = fxad.grad(lambda x: fnp.sum(batched(x) * V))(A)
    np.testing.assert_allclose(gradient, V * A.sum() + (A * V).sum())
    closed = []
    fxad.vmap(lambda x: closed.append(stage(lambda x: [lax.psum(x, "i")], [F64])) or x,
              axis_name="i")(A)  # fmt: skip
    with pytest.raises(AxisNameError, match="unbound axis name 'i'"):
        bind_call(primitive, closed[0], [A], "f")


# What is remembered ------------------------------------------------------------------------------


def test_derived_programs_are_made_once():
    calls = []

    @per_jaxpr
    def derived(closed, key):
        calls.append(key)
        return closed, key

    one, two = (stage(product, [F64, F64]) for _ in range(2))
    assert derived(one, (True,)) is derived(one, (True,))
    assert derived(one, (True,)) is not derived(one, (False,))
    derived(two, (True,))
    assert calls == [(True,), (False,), (True,)]


@pytest.mark.parametrize("of", [lambda c: [np.zeros(3)], lambda c: [c]], ids=["other", "itself"])
def test_memory_ends_with_the_program(of):
    derived = per_jaxpr(of)

    class Watched(ClosedJaxpr):
        pass

    closed = Watched(stage(product, [F64, F64]).jaxpr)
    derived(closed)
    gone = weakref.ref(closed)
    del closed
    gc.collect()
    assert gone() is None


def loops_of(factor):
    def f(x):
        return lax.while_loop(lambda s: s[1] < 3, lambda s: (s[0] * factor, s[1] + 1), (x, 0))[0]

    return fxad.checkpoint(lambda x: fnp.sin(f(x)))


def test_programs_of_functions_that_are_gone_go_too():
    def programs():
        gc.collect()
        return sum(isinstance(o, ClosedJaxpr) for o in gc.get_objects())

    counts = []
    for factor in range(2, 50):
        fxad.vmap(fxad.grad(loops_of(float(factor))))(np.ones(3))
        fxad.jit(fxad.grad(loops_of(float(factor))))(1.0)
        if factor > 20:
            counts.append(programs())
    assert max(counts) <= counts[0]


def test_derivatives_of_a_call_are_not_traced_again():
    count = []
    f = fxad.jit(lambda x: (count.append(1), fnp.sin(x) * x)[1])
    for x in np.arange(1.0, 4.0):
        fxad.grad(f)(x)
        fxad.jvp(f, (x,), (1.0,))
        fxad.grad(fxad.grad(f))(x)
        fxad.vmap(fxad.grad(f))(np.array([x, x]))
    assert len(count) == 1


def test_values_go_to_the_places_that_are_present():
    assert spread([1, 2], [True, False, True]) == [1, None, 2]
    assert spread([], [False]) == [None]
