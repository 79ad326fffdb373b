"""Callbacks under every transformation: how often they run, what they get, what is refused."""

import functools

import numpy as np
import pytest

import fxad
import fxad.numpy as fnp
from fxad import errors, lax
from fxad.control.callback import pure_callback_p
from fxad.core.trace import EVAL, current_trace
from fxad.experimental import io_callback

FLAVORS = {
    "pure": fxad.pure_callback,
    "io": fxad.io_callback,
    "ordered io": functools.partial(fxad.io_callback, ordered=True),
}
flavors = pytest.mark.parametrize("call", FLAVORS.values(), ids=FLAVORS.keys())
ways = pytest.mark.parametrize("way", [lambda f: f, fxad.jit], ids=["eager", "jit"])

X = np.array([0.5, -1.5, 2.0])


def like(x):
    return fxad.ShapeDtypeStruct(x.shape, x.dtype)


# What goes in, what comes out --------------------------------------------------------------------


@flavors
@ways
@pytest.mark.parametrize("dtype", ["bool", "int8", "uint64", "float16", "float32", "complex64"])
def test_gets_and_gives_arrays_of_every_dtype(call, way, dtype):
    received = []

    def host(x):
        received.append(x)
        return x if dtype == "bool" else x + x

    x = np.arange(4).astype(dtype)
    out = way(lambda x: call(host, x, x))(x)
    np.testing.assert_array_equal(out, host(x), strict=True)
    assert type(received[0]) is np.ndarray
    np.testing.assert_array_equal(received[0], x, strict=True)


@flavors
@ways
def test_pytrees_in_and_out(call, way):
    def host(pair, *, scale):
        a, b = pair["a"], pair["b"]
        return {"sum": [a + b], "scaled": (a * scale, np.zeros((2, 0)))}

    def f(a, b):
        wanted = {"sum": [like(X)], "scaled": (like(X), np.zeros((2, 0)))}
        return call(host, wanted, {"a": a, "b": b}, scale=2.0)

    out = way(f)(X, 3.0)
    np.testing.assert_array_equal(out["sum"][0], X + 3.0)
    np.testing.assert_array_equal(out["scaled"][0], X * 2.0)
    assert out["scaled"][1].shape == (2, 0)


@flavors
@ways
@pytest.mark.parametrize("dtype", ["int32", "int64", "float32", "float64", "complex64"])
def test_python_numbers_take_the_dtype_asked_for(call, way, dtype):
    number = 42 if dtype.startswith("int") else 42.5
    out = way(lambda: call(lambda: number, fxad.ShapeDtypeStruct((), dtype)))()
    assert out.dtype == dtype and out == number and out.shape == ()


@flavors
def test_what_converts_to_an_array_is_one(call):
    class Custom:
        shape, dtype = (), np.dtype("float32")

        def __array__(self, dtype=None, copy=None):
            return np.float32(42)[...]

    assert call(Custom, fxad.ShapeDtypeStruct((), "float32")) == 42


def test_a_list_stands_for_a_tuple():
    a, b = fxad.pure_callback(lambda x: [x, x], (X, X), X)
    np.testing.assert_array_equal(a, b)


@flavors
@ways
def test_the_arrays_are_nobody_elses(call, way):
    kept = X.copy()

    def host(x):
        with pytest.raises(ValueError, match="read-only"):
            x += 1.0
        return kept

    x = X.copy()
    out = way(lambda x: call(host, x, x))(x)
    out += 1.0
    assert not np.shares_memory(call(lambda x: x, x, x), x)
    np.testing.assert_array_equal(kept, X)
    np.testing.assert_array_equal(x, X)


@flavors
def test_float32_stays(call):
    x = np.float32(2.0)
    assert fxad.jit(lambda x: call(np.sin, x, x) * 2.0)(x).dtype == np.float32


@pytest.mark.parametrize(
    ("host", "wanted", "words"),
    [
        (lambda x: x.astype("f4"), {"y": [X]}, ["float32[3] at result['y'][0]", "float64[3]"]),
        (lambda x: x[:2], {"y": [X]}, ["float64[2] at result['y'][0]", "wanted float64[3]"]),
        (lambda x: x.sum(), {"y": [X]}, ["float64[] at result['y'][0]", "wanted float64[3]"]),
        (lambda x: 1.5, {"y": [fxad.ShapeDtypeStruct((), "int32")]}, ["float64[]", "int32[]"]),
    ],
)
@flavors
@ways
def test_a_wrong_result_is_named_by_its_leaf(call, way, host, wanted, words):
    def some_callback(x):
        return {"y": [host(x)]}

    with pytest.raises(errors.CallbackResultError) as caught:
        way(lambda x: call(some_callback, wanted, x))(X)
    for word in [*words, "some_callback", "result_shape_dtypes"]:
        assert word in str(caught.value)


@flavors
@ways
@pytest.mark.parametrize("returned", [None, (1.0, 2.0), {"a": 1.0}])
def test_a_result_of_another_structure_is_refused(call, way, returned):
    wanted = fxad.ShapeDtypeStruct((), "float64")
    with pytest.raises(errors.CallbackResultError, match="another structure"):
        way(lambda: call(lambda: returned, wanted))()
    with pytest.raises(RuntimeError, match="another structure"):
        call(lambda: 1.0, None)


def test_bad_arguments_are_refused():
    with pytest.raises(errors.ArgumentTypeError, match="wanted a function"):
        fxad.pure_callback(3.0, X, X)
    with pytest.raises(errors.ArgumentTypeError, match="result_shape_dtypes"):
        fxad.pure_callback(np.sin, "float64", X)
    assert fxad.pure_callback(np.sin, 0.0, 0.0) == 0.0  # numbers have a shape and a dtype
    with pytest.raises(errors.ArgumentTypeError, match="str 'x' at argument"):
        fxad.io_callback(np.sin, X, "x")
    with pytest.raises(errors.ArgumentValueError, match="vmap_method='vectorized'"):
        fxad.pure_callback(np.sin, X, X, vmap_method="vectorized")


# Exceptions --------------------------------------------------------------------------------------


class Oops(Exception):
    pass


@flavors
@pytest.mark.parametrize(
    "way",
    [lambda f: f, fxad.jit, lambda f: fxad.jit(fxad.jit(f)), fxad.checkpoint],
    ids=["eager", "jit", "jit of jit", "checkpoint"],
)
def test_what_a_callback_raises_comes_out(call, way):
    def fail(x):
        raise Oops("at work")

    with pytest.raises(Oops, match="at work") as caught:
        way(lambda x: call(fail, x, x))(X)
    assert caught.traceback[-1].name == "fail"
    np.testing.assert_array_equal(way(np.sin)(X), np.sin(X))  # nothing is left behind


@ways
def test_a_callback_may_use_fxad(way):
    inner = fxad.jit(fxad.grad(lambda x: fnp.sin(x).sum()))
    out = way(lambda x: fxad.pure_callback(inner, x, x))(X)
    np.testing.assert_allclose(out, np.cos(X))


@pytest.mark.parametrize("transform", [fxad.jit, fxad.grad, fxad.vmap, fxad.checkpoint])
def test_a_callback_runs_outside_of_all_transformations(transform):
    def host(x):
        assert current_trace() is EVAL
        return np.full(x.shape, float(fxad.grad(lambda x: x * x)(3.0)))

    def f(x):
        return fxad.io_callback(host, x, fxad.lax.stop_gradient(x)) + x

    x = np.ones(2) if transform is fxad.vmap else 1.0
    transform(f)(x)
    with pytest.raises(errors.UnexpectedTracerError, match=r"argument|ended"):
        transform(lambda y: fxad.pure_callback(lambda: fnp.sin(y), 0.0))(x)


# How often ---------------------------------------------------------------------------------------


def count(transform, *args, call=fxad.io_callback):
    """How often a function that uses nothing of its callback's results calls it."""
    calls = []

    def f(x):
        call(lambda y: (calls.append(y), y)[1], x, fxad.lax.stop_gradient(x))
        return x * 2.0

    transform(f)(*args)
    return len(calls)


def test_io_runs_though_its_result_is_not_used_and_pure_may_not():
    assert count(fxad.jit, 1.0) == 1
    assert count(fxad.grad, 1.0) == 1
    assert count(lambda f: fxad.jit(fxad.grad(f)), 1.0) == 1
    assert count(lambda f: fxad.grad(fxad.jit(f)), 1.0) == 1
    assert count(lambda f: lambda x: fxad.jvp(f, (x,), (x,)), 1.0) == 1
    assert count(fxad.checkpoint, 1.0) == 1
    assert count(fxad.vmap, X) == 3
    assert count(lambda f: fxad.jit(fxad.vmap(f)), X) == 3
    assert count(fxad.jit, 1.0, call=fxad.pure_callback) == 0
    assert count(lambda f: fxad.jit(fxad.jit(f)), 1.0, call=fxad.pure_callback) == 0


def test_io_runs_once_for_each_of_two_equal_calls():
    calls = []

    def step():
        calls.append(len(calls))
        return len(calls)

    @fxad.jit
    def f():
        wanted = fxad.ShapeDtypeStruct((), "int64")
        return fxad.io_callback(step, wanted), fxad.io_callback(step, wanted)

    assert [tuple(map(int, f())) for _ in range(2)] == [(1, 2), (3, 4)]


def test_equal_pure_calls_are_made_once():
    calls = []

    def host(x):
        calls.append(x)
        return np.sin(x)

    out = fxad.jit(lambda x: (fxad.pure_callback(host, x, x), fxad.pure_callback(host, x, x)))(X)
    np.testing.assert_array_equal(out[0], out[1])
    assert len(calls) == 1


@ways
def test_state_outside_changes_at_each_run(way):
    rng = np.random.default_rng(0)
    f = way(lambda x: io_callback(lambda x: rng.uniform(size=x.shape), x, x))
    first, second = f(X), f(X)
    assert not np.array_equal(first, second)


def test_nothing_is_put_off():
    seen = []
    fxad.jit(lambda x: fxad.debug.callback(seen.append, x))(1.0)
    assert len(seen) == 1 and fxad.effects_barrier() is None


def test_calls_are_in_the_order_of_the_program():
    seen = []

    def inner(word, x):
        io_callback(lambda y: seen.append(word), None, x)
        return x + 1

    @fxad.jit
    def f(x):
        for word in "abc":
            io_callback(lambda y, word=word: seen.append((word, float(y))), None, x, ordered=True)
            x = fxad.jit(functools.partial(inner, word))(x)
        return x

    f(0.0)
    assert seen == [("a", 0.0), "a", ("b", 1.0), "b", ("c", 2.0), "c"]


def test_one_that_depends_on_nothing_differentiated_runs_under_grad():
    seen = []
    gradient = fxad.grad(lambda x: (io_callback(lambda: seen.append(1), None), x * x)[1])
    assert gradient(3.0) == 6.0 and seen == [1]


# vmap --------------------------------------------------------------------------------------------


@ways
@pytest.mark.parametrize("method", ["sequential", "sequential_unrolled"])
def test_sequential_calls_for_each_example(way, method):
    shapes = []

    def host(x, y):
        shapes.append((x.shape, y.shape))
        return np.sin(x) + y

    def f(x, y):
        return fxad.pure_callback(host, like(x), x, y, vmap_method=method)

    x, y = np.arange(6.0).reshape(3, 2), np.arange(2.0)
    out = way(fxad.vmap(f, in_axes=(1, 0), out_axes=1))(x, y)
    np.testing.assert_allclose(out, np.sin(x) + y)
    assert shapes == [((3,), ())] * 2
    np.testing.assert_allclose(way(fxad.vmap(f, in_axes=(0, None)))(x, 4.0), np.sin(x) + 4.0)


@pytest.mark.parametrize(
    ("method", "shapes"),
    [
        ("expand_dims", [(3, 2), (1,)]),
        ("broadcast_all", [(3, 2), (3,)]),
        ("legacy_vectorized", [(3, 2), ()]),
    ],
)
@ways
def test_vectorized_calls_get_the_batch_in_front(way, method, shapes):
    seen = []

    def host(x, y):
        seen.extend([x.shape, y.shape])
        return x + y[..., None]

    x = np.arange(6.0).reshape(2, 3)
    f = fxad.vmap(
        lambda x, y: fxad.pure_callback(host, like(x), x, y, vmap_method=method),
        in_axes=(1, None),
    )
    np.testing.assert_array_equal(way(f)(x, 1.0), x.T + 1.0)
    assert seen == shapes


@pytest.mark.parametrize("method", ["sequential", "expand_dims", "broadcast_all"])
def test_nested_batches(method):
    def f(x, y):
        return fxad.pure_callback(np.add, like(x), x, y, vmap_method=method)

    x, y = np.arange(6.0).reshape(2, 3), np.arange(3.0)
    inner = fxad.vmap(f, in_axes=(0, 0))
    np.testing.assert_array_equal(fxad.vmap(inner, in_axes=(0, None))(x, y), x + y)
    outer = fxad.jit(fxad.vmap(fxad.vmap(f), in_axes=(1, None), out_axes=1))
    np.testing.assert_array_equal(outer(x, np.arange(2.0)), x + np.arange(2.0)[:, None])


def test_an_empty_batch_calls_nothing():
    assert count(fxad.vmap, np.empty(0)) == 0


def test_a_batch_that_all_examples_share_is_one_call():
    calls = []

    def f(x, y):
        fxad.io_callback(lambda y: calls.append(float(y)), None, y)
        return x

    fxad.vmap(f, in_axes=(0, None))(X, 1.0)
    assert calls == [1.0]


def test_io_is_batched_call_by_call():
    seen = []

    def f(x):
        io_callback(lambda y: seen.append(float(y)), None, x)
        io_callback(lambda y: seen.append(float(y)), None, 2 * x)

    fxad.vmap(fxad.jit(f))(np.arange(3.0))
    assert seen == [0.0, 1.0, 2.0, 0.0, 2.0, 4.0]


def test_without_a_method_vmap_is_refused_and_names_the_methods():
    with pytest.raises(errors.CallbackBatchingError, match="vmap is only supported") as caught:
        fxad.vmap(lambda x: fxad.pure_callback(np.sin, x, x))(X)
    assert isinstance(caught.value, NotImplementedError)
    for word in ["'sequential'", "'expand_dims'", "'broadcast_all'", "sin", "test_callback.py"]:
        assert word in str(caught.value)


def test_ordered_io_under_vmap_is_refused_and_names_the_way_out():
    f = functools.partial(io_callback, np.sin, fxad.ShapeDtypeStruct((), float), ordered=True)
    for transformed in (fxad.vmap(f), fxad.jit(fxad.vmap(f)), fxad.vmap(fxad.jit(f))):
        with pytest.raises(ValueError, match="ordered=True under vmap") as caught:
            transformed(X)
        assert "ordered=False" in str(caught.value) and "fxad.lax.map" in str(caught.value)


def test_a_vectorized_result_of_the_wrong_shape_is_refused():
    f = fxad.vmap(lambda x: fxad.pure_callback(np.sum, x, x, vmap_method="expand_dims"))
    with pytest.raises(errors.CallbackResultError, match=r"float64\[\].*wanted float64\[3\]"):
        f(X)


# Derivatives -------------------------------------------------------------------------------------


@fxad.custom_jvp
def sine(x):
    return fxad.pure_callback(np.sin, x, x)


@sine.defjvp
def _sine(primals, tangents):
    (x,), (t,) = primals, tangents
    return sine(x), fxad.pure_callback(np.cos, x, x) * t


@fxad.custom_vjp
def square(x):
    return fxad.pure_callback(np.square, x, x, vmap_method="expand_dims")


square.defvjp(
    lambda x: (square(x), x),
    lambda x, ct: (ct * fxad.pure_callback(lambda x: 2 * x, x, x, vmap_method="expand_dims"),),
)


@ways
def test_a_custom_rule_differentiates(way):
    np.testing.assert_allclose(way(fxad.grad(sine))(2.0), np.cos(2.0))
    np.testing.assert_allclose(way(fxad.grad(square))(2.0), 4.0)
    np.testing.assert_allclose(fxad.vmap(way(fxad.grad(square)))(X), 2 * X)
    np.testing.assert_allclose(fxad.grad(fxad.checkpoint(square))(2.0), 4.0)
    np.testing.assert_allclose(way(lambda x: fxad.jvp(square, (x,), (x,))[1])(3.0), 18.0)


@flavors
@pytest.mark.parametrize(
    "transform",
    [
        fxad.grad,
        lambda f: fxad.jit(fxad.grad(f)),
        lambda f: fxad.grad(fxad.jit(f)),
        lambda f: lambda x: fxad.jvp(f, (x,), (x,)),
        lambda f: lambda x: fxad.linearize(f, x),
        lambda f: lambda x: fxad.vjp(fxad.checkpoint(f), x),
    ],
)
def test_a_derivative_without_a_rule_is_refused_and_names_the_way_out(call, transform):
    with pytest.raises(errors.CallbackDifferentiationError, match="do not support JVP") as caught:
        transform(lambda x: call(np.sin, x, x))(2.0)
    assert isinstance(caught.value, ValueError)
    for word in ["custom_jvp", "custom_vjp", "stop_gradient", "test_callback.py"]:
        assert word in str(caught.value)


@flavors
def test_integers_have_no_derivative_and_need_no_rule(call):
    def f(x):
        steps = call(lambda x: np.floor(x).astype(int), fxad.ShapeDtypeStruct((), int), x)
        return x * steps

    assert fxad.grad(f)(2.5) == 2.0
    assert fxad.grad(fxad.jit(f))(2.5) == 2.0


@flavors
def test_transposing_is_refused(call):
    with pytest.raises(errors.CallbackDifferentiationError, match="do not support transpose"):
        fxad.linear_transpose(lambda x: call(lambda x: x, x, x), X)(X)


# In programs -------------------------------------------------------------------------------------


def test_jaxprs_show_what_is_called():
    jaxpr = fxad.make_jaxpr(lambda x: fxad.pure_callback(np.sin, x, x))(X)
    assert "pure_callback[" in str(jaxpr) and "callback=sin" in str(jaxpr)
    assert [e.primitive for e in jaxpr.eqns] == [pure_callback_p]
    text = str(fxad.make_jaxpr(lambda x: io_callback(np.sin, None, x))(X))
    assert " = io_callback" not in text and "io_callback[" in text


def test_shapes_are_known_without_a_call():
    out = fxad.eval_shape(lambda x: fxad.pure_callback(lambda x: 1 / 0, x, x), X)
    assert out.shape == (3,)


def test_checkpoint_of_a_callback_is_derived_once():
    made = []

    @fxad.checkpoint
    def f(x):
        made.append(x)
        return sine(x)

    for _ in range(2):
        np.testing.assert_allclose(fxad.grad(f)(2.0), np.cos(2.0))
    assert len(made) == 2


# Loops and branches ------------------------------------------------------------------------------


@flavors
@ways
def test_inside_of_branches(call, way):
    def f(pred, x):
        return lax.cond(
            pred,
            lambda x: call(lambda x: x + 1.0, x, x),
            lambda x: call(lambda x: x - 1.0, x, x),
            x,
        )

    np.testing.assert_array_equal(way(f)(True, X), X + 1)
    np.testing.assert_array_equal(way(f)(False, X), X - 1)


@flavors
@ways
def test_inside_of_scan(call, way):
    def body(carry, x):
        return call(lambda a, b: a + b, carry, carry, x), carry

    last, before = way(lambda c, xs: lax.scan(body, c, xs))(1.0, np.arange(4.0))
    assert last == 7.0 and before.tolist() == [1.0, 1.0, 2.0, 4.0]


@ways
def test_io_draws_anew_in_each_step_of_a_differentiated_scan(way):
    """What depends on nothing that changes is not computed once for all steps."""

    def f(x):
        drawn = iter([2.0, 3.0, 5.0])

        def body(carry, _):
            factor = io_callback(lambda: next(drawn), fxad.ShapeDtypeStruct((), float))
            return carry * factor, factor

        return lax.scan(body, x, None, length=3)

    value, gradient = way(fxad.value_and_grad(f, has_aux=True))(7.0)
    assert value[0] == 210.0 and value[1].tolist() == [2.0, 3.0, 5.0] and gradient == 30.0


def test_io_in_a_branch_that_only_some_examples_take_is_refused():
    def f(pred):
        return lax.cond(
            pred, lambda: io_callback(lambda: None, None), lambda: io_callback(lambda: None, None)
        )

    with pytest.raises(NotImplementedError, match="IO effect not supported") as caught:
        fxad.vmap(f)(np.array([True, False]))
    assert "lax.map" in str(caught.value)


def test_io_under_checkpoint_is_refused_where_it_would_run_twice():
    @fxad.checkpoint
    def f(x, y):
        return x * io_callback(lambda y: y, y, y)

    assert f(2.0, 3.0) == 6.0
    with pytest.raises(errors.CallbackDifferentiationError, match="Effects not supported") as info:
        fxad.grad(f)(2.0, 3.0)
    assert isinstance(info.value, NotImplementedError)  # which JAX raises


@flavors
@ways
def test_inside_of_while_loop(call, way):
    body = lambda x: call(lambda x: x + 1.0, x, x)  # noqa: E731
    np.testing.assert_array_equal(
        way(lambda x: lax.while_loop(lambda x: np.any(x < 10), body, x))(X), X + 12.0
    )
    assert way(lambda n, x: lax.fori_loop(0, n, lambda i, x: body(x), x))(4, 1.0) == 5.0


@pytest.mark.parametrize("scheme", [None, "sqrt"])
def test_io_in_a_differentiated_loop_is_called_once_or_refused(scheme):
    calls = []

    def body(x):
        return x * io_callback(lambda: (calls.append(2.0), 2.0)[1], 0.0)

    def f(x):
        return lax.while_loop(lambda x: x < 100.0, body, x, checkpoint=scheme)

    if scheme is None:
        assert fxad.grad(fxad.jit(f))(3.0) == 64.0 and len(calls) == 6
    else:
        with pytest.raises(errors.CallbackDifferentiationError, match="Effects not supported"):
            fxad.grad(fxad.jit(f))(3.0)
    for second in (fxad.grad, lambda g: lambda x: fxad.jvp(g, (x,), (x,))):
        with pytest.raises(errors.CallbackDifferentiationError, match="Effects not supported"):
            second(fxad.grad(fxad.jit(f)))(3.0)


def test_io_in_a_loop_that_takes_some_examples_further_is_refused():
    def f(i):
        def body(i):
            io_callback(lambda i: None, None, i)
            return i + 1

        return lax.while_loop(lambda i: i < 5, body, i)

    with pytest.raises(errors.CallbackBatchingError, match="IO effect not supported"):
        fxad.vmap(f)(np.array([0, 4]))
    calls = []
    batched = fxad.vmap(
        lambda x: lax.fori_loop(0, 2, lambda i, x: (io_callback(calls.append, None, x), x)[1], x)
    )
    batched(X)
    assert len(calls) == 6


def test_a_number_that_gives_way_calls_once_for_each_step():
    calls = []

    def step(c, x):
        io_callback(lambda c: calls.append(float(c)), None, c)
        return c + x, c * 2

    xs = np.arange(3, dtype=np.float32)
    total, ys = lax.scan(step, 1, xs)
    assert calls == [1.0, 1.0, 2.0]
    assert (total, total.dtype, ys.dtype, ys.tolist()) == (4.0, "f4", "f4", [2.0, 2.0, 4.0])
    calls.clear()
    looped = lax.while_loop(lambda c: c < 3, lambda c: step(c, np.float32(1))[0], 0)
    assert calls == [0.0, 1.0, 2.0] and looped.dtype == np.float32
