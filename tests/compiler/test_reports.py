"""What ``jit`` logs: each reason for tracing again by its message."""

import functools
import logging

import numpy as np
import pytest

import fxad
from fxad import config

X = np.ones(3)


@pytest.fixture
def messages(caplog):
    """The messages since the last call."""
    caplog.set_level(logging.WARNING, "fxad")

    def read():
        found = [r.getMessage() for r in caplog.records if r.name == "fxad"]
        caplog.clear()
        return found

    return read


def misses(messages, f, *calls):
    """What is logged for the last of some calls ``(args, kwargs)``."""
    with fxad.explain_cache_misses():
        for args, kwargs in calls:
            messages()
            f(*args, **kwargs)
    return messages()


def call(*args, **kwargs):
    return args, kwargs


def step(params, x, n=2, *, mode="a"):
    return params["w"][0] * x**n


@pytest.fixture
def jitted():
    def fresh(params, x, n=2, *, mode="a"):
        return step(params, x, n, mode=mode)

    return fxad.jit(fresh, static_argnames=("n", "mode"))


W = {"w": [X]}


@pytest.mark.parametrize(
    ("first", "second", "words"),
    [
        (call(W, 2.0), call({"w": [np.ones(4)]}, 2.0),
         ["params['w'][0]: shape (3,) before, (4,) now"]),
        (call(W, 2.0), call({"w": [np.ones(3, "f4")]}, 2.0),
         ["params['w'][0]: dtype float64 before, float32 now"]),
        (call(W, X), call({"w": [np.ones(4, "f4")]}, x=X[:1]),
         ["the tree of the arguments: at [0]: expected tuple of 2, got tuple of 1",
          "params['w'][0]: shape (3,) before, (4,) now, dtype float64 before, float32 now",
          "x: shape (3,) before, (1,) now"]),
        (call(W, x=X), call(W, x=X[:1]), ["x: shape (3,) before, (1,) now"]),
        (call(W, 2.0), call(W, np.float64(2.0)),
         ["x: weak type: a Python float before, float64[] now"]),
        (call(W, X), call(W, 2.0),
         ["x: shape (3,) before, () now, weak type: float64[3] before, a Python float now"]),
        (call(W, 2.0), call(W, 2), ["x: dtype float64 before, int64 now"]),
        (call(W, X, 2), call(W, X, 3), ["the static argument n: 2 before, 3 now"]),
        (call(W, X, 1), call(W, X, True), ["the static argument n: 1 before, True now"]),
        (call(W, X, mode="a"), call(W, X, mode="b"),
         ["the static argument mode: 'a' before, 'b' now"]),
        (call(W, X), call(W, X, n=3), ["the static argument n: not given before, 3 now"]),
        (call(W, X), call({"w": [X], "b": X}, X),
         ["the tree of the arguments: params['b'] now, not before\n",
          "    before: PyTreeDef((({'w': [*]}, *), {}))\n",
          "    now:    PyTreeDef((({'b': *, 'w': [*]}, *), {}))"]),
        (call({"w": [X], "b": [X] * 7}, x=2.0), call(W, 2.0),
         ["params['b'][0], params['b'][1], params['b'][2], params['b'][3], params['b'][4] and 2 "
          "more before, not now"]),
        (call({"w": [X], "b": None}, X), call({"w": [X], "b": ()}, X),
         ["the tree of the arguments: at [0][0]['b']: expected None, got tuple of 0"]),
    ],
)
def test_names_what_differs(messages, jitted, first, second, words):
    (message,) = misses(messages, jitted, first, second)
    assert message.startswith("TRACING CACHE MISS at test_reports.py")
    assert "because fresh defined at test_reports.py" in message
    assert "was traced for 1 signature, of which the nearest differs in:" in message
    for word in words:
        assert word in message
    if "the tree" not in message:
        assert message.count(" before") == words[0].count(" before")


def test_a_known_signature_says_nothing(messages, jitted):
    assert misses(messages, jitted, call(W, X), call(W, X + 1)) == []


def test_the_first_call_says_so(messages):
    (message,) = misses(messages, fxad.jit(lambda x: x + 2), call(X))
    assert message.endswith("has not been traced before.")


def test_the_nearest_of_several_is_compared_with(messages, jitted):
    far, near = call({"w": [np.ones(5, "f4")]}, np.ones(5)), call({"w": [np.ones(4)]}, 2.0)
    tree = call({"w": [X], "b": X}, 2.0)
    (message,) = misses(messages, jitted, far, near, tree, call({"w": [np.ones(6)]}, 2.0))
    assert "3 signatures" in message
    assert message.splitlines()[2:] == ["  params['w'][0]: shape (4,) before, (6,) now"]


def test_the_nearest_of_several_trees(messages, jitted):
    known = call(W, 2.0), call({"w": [X], "b": X}, 2.0), call({"w": [X], "b": X, "c": X}, X)
    (message,) = misses(messages, jitted, *known, call({"w": [X], "b": X, "d": X}, 2.0))
    assert "the tree of the arguments: params['d'] now, not before\n" in message


def test_arguments_without_leaves_have_their_places(messages):
    f = fxad.jit(lambda a, b, c: c * 2.0)
    (message,) = misses(messages, f, call(None, None, X), call(None, None, X[:1]))
    assert message.endswith("  c: shape (3,) before, (1,) now")


def test_settings_and_axes_are_named(messages, jitted):
    with fxad.explain_cache_misses():
        jitted(W, X)
        messages()
        with config.override(default_float="float32"):
            jitted(W, X)
        (message,) = messages()
        assert "the setting default_float: dtype('float64') before, dtype('float32')" in message
        fxad.vmap(lambda x: jitted(W, x), axis_name="rows")(np.ones((2, 3)))
        (message,) = messages()
        assert "the size of the axis rows: not given before, 2 now" in message


def test_functions_made_anew_are_named(messages):
    with fxad.explain_cache_misses():
        for _ in range(2):
            messages()
            fxad.jit(lambda x: x + 1)(X)
        assert "<lambda> defined at" in (message := messages()[0])
        assert "is a new function object" in message and "outside" in message
        for _ in range(2):
            messages()
            fxad.jit(functools.partial(step, W))(X)
        assert "because step defined at" in (message := messages()[0])
        assert "functools.partial" in message


def test_other_static_arguments_are_named(messages):
    def f(x, n):
        return x * n

    with fxad.explain_cache_misses():
        fxad.jit(f)(X, 2)
        messages()
        fxad.jit(f, static_argnums=1)(X, 2)
        assert "with other static_argnums or static_argnames" in messages()[0]


def test_log_compiles_says_what_when_and_how_long(messages, jitted):
    with fxad.log_compiles():
        jitted(W, 2.0)
        traced, compiled = messages()
        jitted(W, 3.0)
        assert messages() == []
    assert traced.startswith("Finished tracing fresh for jit in 0.")
    assert "(params['w'][0]: float64[3], x: float64[]) -> (float64[3]), 2 equations" in traced
    assert compiled.startswith("Compiled fresh with types (float64[3], float64[]) in 0.")
    jitted(W, X)
    assert messages() == []


def test_derivatives_are_logged_under_the_name_of_the_function(messages):
    @fxad.jit
    def primal(x):
        return np.sin(x) * x

    with fxad.log_compiles():
        fxad.grad(primal)(1.0)
        compiled = [m for m in messages() if m.startswith("Compiled")]
    assert compiled and all(m.startswith("Compiled primal with types") for m in compiled)


def test_arguments_beyond_the_names_have_numbers(messages):
    with fxad.log_compiles():
        fxad.jit(lambda a, *rest, **more: a + rest[1] + more["z"])(1.0, X, X, z=2)
    wanted = "(a: float64[], args[1]: float64[3], args[2]: float64[3], z: int64[])"
    assert wanted in messages()[0]


def test_constants_are_not_arguments(messages):
    y = np.ones(7)
    with fxad.log_compiles():
        fxad.jit(lambda x: x + y.sum() + fxad.lax.stop_gradient(y)[0])(2.0)
        assert "(x: float64[]) -> (float64[])" in messages()[0]


def test_settings_of_jax_are_named():
    for name in ("log_compiles", "explain_cache_misses", "traceback_filtering"):
        with pytest.raises(config.ConfigError, match=f"here it is '{name}'"):
            config.update(f"jax_{name}", True)
