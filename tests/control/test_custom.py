"""What functions with rules share: nothing of a call outlives it but what its rule keeps."""

import gc
import weakref

import numpy as np
import pytest

import fxad
import fxad.numpy as fnp
from fxad.custom_batching import sequential_vmap
from fxad.custom_derivatives import linear_call


@fxad.custom_jvp
def with_jvp(x):
    return fnp.sin(x)


with_jvp.defjvp(lambda p, t: (fnp.sin(p[0]), fnp.cos(p[0]) * t[0]))


@fxad.custom_vjp
def with_vjp(x):
    return fnp.sin(x)


with_vjp.defvjp(lambda x: (fnp.sin(x), (x, "text")), lambda r, ct: (fnp.cos(r[0]) * ct,))


@fxad.custom_gradient
def with_gradient(x):
    return fnp.sin(x), lambda ct: ct * fnp.cos(x)


@fxad.custom_vmap
def with_batches(x):
    return fnp.sin(x)


with_batches.def_vmap(lambda size, batched, x: (fnp.sin(x), batched[0]))

FUNCTIONS = {
    "custom_jvp": with_jvp,
    "custom_vjp": with_vjp,
    "custom_gradient": with_gradient,
    "custom_vmap": with_batches,
    "sequential_vmap": sequential_vmap(lambda x: fnp.sin(x)),
    "linear_call": lambda x: linear_call(lambda r, x: r * x, lambda r, ct: r * ct, 0.9, x),
}


@pytest.mark.usefixtures("small_heap")
@pytest.mark.parametrize("name", FUNCTIONS)
def test_rules_hold_no_tracers(name):
    total = lambda x: fnp.sum(FUNCTIONS[name](x))  # noqa: E731
    with fxad.checking_leaks():
        fxad.grad(fxad.jit(total))(np.ones(3))
        fxad.grad(total)(np.ones(3))


def test_what_a_rule_does_not_keep_is_freed():
    """The argument of a function whose ``fwd`` keeps something smaller."""
    f = fxad.custom_vjp(lambda x: fnp.sum(x))
    f.defvjp(lambda x: (fnp.sum(x), x[:1] * 2.0), lambda first, ct: (ct * first + np.zeros(50),))

    def loss(x):
        y = x * 3.0
        held.append(weakref.ref(fxad.lax.stop_gradient(y)))
        return f(y)

    held = []
    _, pull = fxad.vjp(loss, np.ones(50))
    gc.collect()
    assert [ref() for ref in held] == [None]
    np.testing.assert_array_equal(pull(1.0)[0], [18.0] * 50)


def test_a_residual_lives_as_long_as_the_pullback():
    kept = []

    def fwd(x):
        residual = x * 2.0
        kept.append(weakref.ref(residual))
        return fnp.sum(x), residual

    f = fxad.custom_vjp(lambda x: fnp.sum(x))
    f.defvjp(fwd, lambda residual, ct: (ct * residual,))
    _, pull = fxad.vjp(f, np.ones(50))
    assert kept[0]() is not None
    del pull
    gc.collect()
    assert kept[0]() is None
