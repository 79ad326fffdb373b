"""Transformations inside one another: whose tangent is whose, what leaks, what an error leaves."""

import asyncio
import contextvars
import itertools
import re
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import numpy as np
import pytest

import fxad
from fxad import lax
from fxad.core.trace import EVAL, current_trace
from fxad.errors import FxadError, StructureError, UnexpectedTracerError

# Each gives the derivative of a function of one number in its own way.
DERIVATIVES: dict[str, Callable[[Callable[..., Any]], Callable[..., Any]]] = {
    "grad": fxad.grad,
    "value_and_grad": lambda f: lambda x: fxad.value_and_grad(f)(x)[1],
    "jvp": lambda f: lambda x: fxad.jvp(f, (x,), (1.0,))[1],
    "vjp": lambda f: lambda x: fxad.vjp(f, x)[1](1.0)[0],
    "linearize": lambda f: lambda x: fxad.linearize(f, x)[1](1.0),
    "jacfwd": fxad.jacfwd,
    "jacrev": fxad.jacrev,
    "jit(grad)": lambda f: fxad.jit(fxad.grad(f)),
    "grad(jit)": lambda f: fxad.grad(fxad.jit(f)),
    "grad(checkpoint)": lambda f: fxad.grad(fxad.checkpoint(f)),
    "vmap(grad)": lambda f: lambda x: fxad.vmap(fxad.grad(f))(np.ones(1) * x)[0],
    "grad(vmap)": lambda f: fxad.grad(lambda x: fxad.vmap(f, axis_size=1, in_axes=None)(x)[0]),
}
PAIRS = list(itertools.product(DERIVATIVES.values(), repeat=2))
PAIR_NAMES = [f"{a} of {b}" for a, b in itertools.product(DERIVATIVES, repeat=2)]
pairs = pytest.mark.parametrize(("outer", "inner"), PAIRS, ids=PAIR_NAMES)
ways = pytest.mark.parametrize("derivative", DERIVATIVES.values(), ids=DERIVATIVES.keys())


# Perturbation confusion: Siskind and Pearlmutter, Perturbation confusion and referential
# transparency, IFL 2005; Manzyuk et al., Perturbation confusion in forward AD, JFP 29, 2019.


@pairs
def test_the_inner_derivative_does_not_see_the_outer_variable(outer, inner):
    """d/dx (x * d/dy (x + y)) is 1, not 2."""
    assert outer(lambda x: x * inner(lambda y: x + y)(1.0))(1.0) == 1.0


@pairs
def test_products_of_both_variables(outer, inner):
    """d/dx (x * d/dy (x y²)) at y = 2x: x (2 x y + ...) only through what is written."""
    value = outer(lambda x: x * inner(lambda y: x * y * y)(2.0))(3.0)
    assert value == 24.0  # d/dx 4 x²
    value = outer(lambda x: x * inner(lambda y: x * y * y)(x * 2.0))(3.0)
    assert value == 108.0  # d/dx 4 x³


@ways
def test_three_levels(derivative):
    d = derivative

    def f(x):
        return x * d(lambda y: y * d(lambda z: x * y * z)(y))(x)

    assert f(3.0) == 54.0  # 2 x³
    assert d(f)(3.0) == 54.0  # 6 x²


@ways
def test_a_closure_that_leaves_and_comes_back(derivative):
    """The "amazing bug": the derivative of a function that shifts functions, applied twice."""

    def shift_derivative(f):
        return lambda x: derivative(lambda u: f(x + u))(0.0)

    assert shift_derivative(shift_derivative(lambda x: x * x * x))(2.0) == 12.0


@ways
def test_the_same_function_and_point_at_both_levels(derivative):
    def f(x):
        return x * x * x

    def g(x):
        return derivative(f)(x) + derivative(lambda y: derivative(f)(y))(x)

    assert g(2.0) == 24.0
    assert derivative(g)(2.0) == 18.0


def test_vmap_inside_grad_inside_vmap():
    ws = np.array([1.0, 2.0, 3.0])
    xs = np.array([[1.0, 2.0], [3.0, 4.0], [5.0, 6.0]])

    def gradient(w, row):
        return fxad.grad(lambda v: np.sum(fxad.vmap(lambda x: v * v * x * w)(row)))(w)

    # d/dv v² w sum(row) at v = w
    expected = 2 * ws**2 * xs.sum(axis=1)
    np.testing.assert_array_equal(fxad.vmap(gradient)(ws, xs), expected)
    np.testing.assert_array_equal(fxad.vmap(fxad.jit(gradient))(ws, xs), expected)
    np.testing.assert_array_equal(fxad.jit(fxad.vmap(gradient))(ws, xs), expected)


def test_grad_inside_vmap_inside_grad():
    xs = np.array([1.0, 2.0])

    def outer(w):
        inner = fxad.vmap(lambda x: fxad.grad(lambda v: v * v * w * x)(x))
        return np.sum(inner(xs))

    assert outer(3.0) == 30.0  # 2 w sum x²
    assert fxad.grad(outer)(3.0) == 10.0
    assert fxad.grad(fxad.jit(outer))(3.0) == 10.0


def test_batches_inside_batches_keep_to_their_own_axis():
    x, y = np.arange(2.0), np.arange(3.0)
    table = fxad.vmap(lambda a: fxad.vmap(lambda b: 10 * a + b)(y))(x)
    np.testing.assert_array_equal(table, 10 * x[:, None] + y)
    turned = fxad.vmap(lambda b: fxad.vmap(lambda a: 10 * a + b)(x))(y)
    np.testing.assert_array_equal(turned, table.T)


# Closures over values of an outer transformation -------------------------------------------------

# Each evaluates f(x) under a transformation which f's closure knows nothing of.
WRAPPERS: dict[str, Callable[[Callable[..., Any]], Callable[..., Any]]] = {
    "jit": fxad.jit,
    "checkpoint": fxad.checkpoint,
    "vmap": lambda f: lambda x: fxad.vmap(f)(np.ones(2) * x)[1],
    "jvp": lambda f: lambda x: fxad.jvp(f, (x,), (1.0,))[0],
    "vjp": lambda f: lambda x: fxad.vjp(f, x)[0],
    "linearize": lambda f: lambda x: fxad.linearize(f, x)[0],
    "value_and_grad": lambda f: lambda x: fxad.value_and_grad(f)(x)[0],
    "linear_transpose": lambda f: (
        lambda x: f(x) + 0 * fxad.linear_transpose(lambda t: 3.0 * t, x)(x)[0]
    ),
}


@pytest.mark.parametrize("wrap", WRAPPERS.values(), ids=WRAPPERS.keys())
@ways
def test_closing_over_an_outer_variable(derivative, wrap):
    """d/dy of wrap(x -> x² y³)(2), with y from outside, is 4 * 3 y²."""

    def f(y):
        return wrap(lambda x: x * x * y * y * y)(2.0)

    assert f(3.0) == 108.0
    assert derivative(f)(3.0) == 108.0


@pytest.mark.parametrize("wrap", WRAPPERS.values(), ids=WRAPPERS.keys())
def test_closing_over_a_batched_variable(wrap):
    ys = np.array([1.0, 2.0, 3.0])
    got = fxad.vmap(lambda y: wrap(lambda x: x * x * y)(2.0))(ys)
    np.testing.assert_array_equal(got, 4 * ys)


@pytest.mark.parametrize("wrap", WRAPPERS.values(), ids=WRAPPERS.keys())
def test_closing_over_a_staged_variable(wrap):
    f = fxad.jit(lambda y: wrap(lambda x: x * x * y)(2.0))
    assert [float(f(y)) for y in (1.0, 2.0, 3.0)] == [4.0, 8.0, 12.0]


def test_a_closure_of_jit_is_traced_anew_for_each_outer_value():
    inner = fxad.jit(lambda x, y: x * y)
    values = [fxad.grad(lambda y, c=c: inner(2.0, y) * c)(1.0) for c in (1.0, 5.0)]
    assert values == [2.0, 10.0]


@pytest.mark.parametrize("kind", ["custom_jvp", "custom_vjp"])
def test_a_custom_rule_refuses_to_close_over_a_differentiated_value(kind):
    """The rule cannot know of a variable which is not its argument."""

    def f(y):
        if kind == "custom_jvp":
            g = fxad.custom_jvp(lambda x: x * y)
            g.defjvp(lambda primals, tangents: (g(*primals), tangents[0] * y))
        else:
            g = fxad.custom_vjp(lambda x: x * y)
            g.defvjp(lambda x: (x * y, None), lambda _, ct: (ct * y,))
        return g(2.0)

    for transform in (
        fxad.grad,
        fxad.jacfwd,
        lambda f: fxad.grad(fxad.jit(f)),
        lambda f: fxad.jit(fxad.grad(f)),
        lambda f: fxad.grad(lambda y: np.sum(fxad.vmap(lambda x: x * f(y))(np.ones(2)))),
        lambda f: lambda y: fxad.vmap(fxad.grad(f))(np.ones(2) * y),
    ):
        with pytest.raises(UnexpectedTracerError, match=r"(?s)clos.*as an argument"):
            transform(f)(3.0)
    np.testing.assert_array_equal(fxad.vmap(f)(np.array([1.0, 3.0])), [2.0, 6.0])
    np.testing.assert_array_equal(fxad.jit(fxad.vmap(f))(np.array([1.0, 3.0])), [2.0, 6.0])
    assert fxad.jit(f)(3.0) == 6.0
    assert current_trace() is EVAL


# Leaks -------------------------------------------------------------------------------------------

LEAKS: dict[str, Callable[[Callable[..., Any]], Any]] = {
    "grad": lambda f: fxad.grad(f)(1.0),
    "value_and_grad": lambda f: fxad.value_and_grad(f)(1.0),
    "jvp": lambda f: fxad.jvp(f, (1.0,), (1.0,)),
    "vjp": lambda f: fxad.vjp(f, 1.0),
    "linearize": lambda f: fxad.linearize(f, 1.0),
    "linear_transpose": lambda f: fxad.linear_transpose(f, 1.0)(1.0),
    "vmap": lambda f: fxad.vmap(f)(np.ones(3)),
    "jit": lambda f: fxad.jit(f)(1.0),
    "checkpoint": lambda f: fxad.checkpoint(f)(1.0),
    "make_jaxpr": lambda f: fxad.make_jaxpr(f)(1.0),
    "eval_shape": lambda f: fxad.eval_shape(f, 1.0),
    "closure_convert": lambda f: fxad.closure_convert(f, 1.0),
    "cond": lambda f: fxad.jit(lambda x: lax.cond(x > 0, f, lambda x: x, x))(1.0),
    "scan": lambda f: fxad.jit(lambda x: lax.scan(lambda c, _: (f(c), c), x, length=2))(1.0),
    "while_loop": lambda f: fxad.jit(lambda x: lax.while_loop(lambda x: x < 9, f, x))(1.0),
}
leaks = pytest.mark.parametrize(("name", "transform"), LEAKS.items(), ids=LEAKS.keys())


def leak(transform: Callable[..., Any]) -> Any:
    kept = []

    def f(x):
        kept.append(x * 2.0)
        return x * 3.0

    transform(f)
    return kept[0]


@leaks
def test_a_leaked_tracer_names_its_transformation_and_the_way_out(name, transform):
    tracer = leak(transform)
    for use in (
        lambda: tracer + 1.0,
        lambda: np.sin(tracer),
        lambda: fxad.numpy.sin(tracer),
        lambda: fxad.grad(lambda x: x * tracer)(1.0),
        lambda: fxad.vmap(lambda x: x * tracer)(np.ones(2)),
        lambda: fxad.jit(lambda x: x * tracer)(1.0),
    ):
        with pytest.raises(UnexpectedTracerError) as info:
            use()
        message = str(info.value)
        assert name in message
        assert "Return the value from the transformed function" in message
        assert "At test_traces.py:" in message
    assert current_trace() is EVAL


@leaks
def test_a_leaked_tracer_is_no_result(name, transform):
    """It neither enters another transformation as an argument nor leaves one as a result."""
    tracer = leak(transform)
    for use in (
        lambda: fxad.grad(lambda x: tracer)(1.0),
        lambda: fxad.jvp(lambda x: tracer, (1.0,), (1.0,)),
        lambda: fxad.vjp(lambda x: tracer, 1.0),
        lambda: fxad.linearize(lambda x: tracer, 1.0),
        lambda: fxad.vmap(lambda x: tracer)(np.ones(2)),
        lambda: fxad.jit(lambda x: tracer)(1.0),
        lambda: fxad.checkpoint(lambda x: tracer)(1.0),
        lambda: fxad.grad(lambda x: x)(tracer),
        lambda: fxad.jvp(lambda x: x, (tracer,), (1.0,)),
        lambda: fxad.jit(lambda x: x)(tracer),
        lambda: fxad.vmap(lambda x: x, in_axes=None, axis_size=2)(tracer),
    ):
        with pytest.raises(UnexpectedTracerError, match=name):
            use()


def test_a_tracer_that_leaked_from_an_inner_call_into_the_outer_one():
    def outer(x):
        kept = []
        fxad.grad(lambda y: kept.append(y * x) or y)(1.0)
        return x * kept[0]

    with pytest.raises(UnexpectedTracerError, match=r"grad.*has ended"):
        fxad.grad(outer)(1.0)


@pytest.mark.usefixtures("small_heap")
@pytest.mark.parametrize("name", LEAKS)
def test_checking_leaks_raises_where_the_transformation_ends(name):
    with (
        fxad.checking_leaks(),
        pytest.raises(UnexpectedTracerError, match=f"{name}.*leaked a float64") as info,
    ):
        leak(LEAKS[name])
    assert re.search(r"\(made at test_traces\.py:\d+: kept\.append\(x \* 2\.0\)\)", str(info.value))


@pytest.mark.usefixtures("small_heap")
def test_checking_leaks_finds_none_in_pure_functions():
    with fxad.checking_leaks():
        assert fxad.grad(lambda x: x * x)(3.0) == 6.0
        np.testing.assert_array_equal(fxad.vmap(lambda x: x + 1)(np.ones(2)), [2.0, 2.0])
        assert fxad.jit(lambda x: x * x)(3.0) == 9.0
        value, aux = fxad.value_and_grad(lambda x: (x * x, {"x": x}), has_aux=True)(3.0)
        assert (value, aux) == ((9.0, {"x": 3.0}), 6.0)
        assert fxad.jvp(lambda x: (x, (x, x)), (3.0,), (1.0,), has_aux=True) == (
            3.0,
            1.0,
            (3.0, 3.0),
        )
        for name in ("grad", "jvp", "jit(grad)", "grad(vmap)"):
            d = DERIVATIVES[name]
            assert d(lambda x, d=d: d(lambda y: y * y * x)(x))(2.0) == 8.0


@pytest.mark.usefixtures("small_heap")
@pytest.mark.parametrize(
    "f",
    [
        lambda x: lax.scan(lambda c, _: (np.sin(c) * c, None), x, length=3)[0],
        lambda x: lax.while_loop(lambda x: x < 9.0, lambda x: x * x, x),
        lambda x: lax.cond(x > 0, np.sin, np.cos, x),
        lambda x: (fxad.debug.callback(lambda v: None, x), x * x)[1],
    ],
    ids=["scan", "while_loop", "cond", "callback"],
)
def test_checking_leaks_finds_none_in_loops_and_callbacks(f):
    with fxad.checking_leaks():
        gradient = fxad.grad(fxad.jit(f))(1.5)
        assert fxad.jit(fxad.grad(f))(1.5) == gradient


# Errors half-way ---------------------------------------------------------------------------------


class Halfway(Exception):
    pass


def breaks(x):
    _ = x * 2.0
    raise Halfway


@leaks
def test_an_exception_half_way_leaves_nothing_behind(name, transform):
    with pytest.raises(Halfway):
        transform(breaks)
    assert current_trace() is EVAL
    transform(lambda x: x * 3.0)
    assert fxad.grad(lambda x: x * x)(3.0) == 6.0


def test_a_failed_trace_is_not_cached():
    calls = []

    @fxad.jit
    def f(x):
        calls.append(x)
        if len(calls) == 1:
            raise Halfway
        return x * 2.0

    with pytest.raises(Halfway):
        f(1.0)
    assert [float(f(3.0)), float(f(4.0))] == [6.0, 8.0]
    assert len(calls) == 2


def test_an_exception_in_the_backward_pass():
    """The pullback fails, and works when it is called again."""
    failures = [True]

    @fxad.custom_vjp
    def f(x):
        return x * x

    def backward(x, ct):
        if failures:
            failures.pop()
            raise Halfway
        return (2 * x * ct,)

    f.defvjp(lambda x: (x * x, x), backward)
    x = np.array([1.0, 2.0])
    _, pullback = fxad.vjp(lambda x: f(np.sin(x)), x)
    with pytest.raises(Halfway):
        pullback(np.ones(2))
    assert current_trace() is EVAL
    np.testing.assert_allclose(pullback(np.ones(2))[0], np.sin(2 * x), rtol=1e-15)
    np.testing.assert_array_equal(x, [1.0, 2.0])


def test_an_exception_in_a_nested_transformation():
    def f(x):
        try:
            fxad.grad(lambda y: fxad.vmap(lambda z: breaks(z * y * x))(np.ones(2)))(x)
        except Halfway:
            return x * x
        raise AssertionError

    assert fxad.grad(f)(3.0) == 6.0
    assert fxad.jit(f)(3.0) == 9.0
    np.testing.assert_array_equal(fxad.vmap(f)(np.array([1.0, 2.0])), [1.0, 4.0])


def test_inputs_are_unchanged_by_a_call_that_fails():
    x = {"w": np.arange(3.0), "b": np.ones(3, np.float32)}
    before = {k: v.copy() for k, v in x.items()}
    for transform in (
        lambda f: fxad.grad(f)(x),
        lambda f: fxad.jvp(f, (x,), (x,)),
        lambda f: fxad.vmap(f)(x),
        lambda f: fxad.jit(f)(x),
        lambda f: fxad.hvp(f, x, x),
    ):
        with pytest.raises(Halfway):
            transform(lambda p: breaks(p["w"] * p["b"]))
        with pytest.raises(FxadError):
            transform(lambda p: p["w"][:2] + p["b"])
        for k, v in x.items():
            np.testing.assert_array_equal(v, before[k])
            assert v.flags.writeable
    with pytest.raises(StructureError):
        fxad.jvp(np.sin, (x["w"],), (x["b"],))


@pytest.mark.parametrize("kind", [KeyboardInterrupt, SystemExit, GeneratorExit])
def test_exceptions_that_are_no_errors(kind):
    def f(x):
        raise kind

    for transform in LEAKS.values():
        with pytest.raises(kind):
            transform(f)
        assert current_trace() is EVAL


# Threads, contexts, generators -------------------------------------------------------------------


def jobs() -> list[tuple[Callable[[Any], Any], Callable[[Any], Any]]]:
    """Transformed functions and what they must give."""
    rows = np.arange(1.0, 4.0)
    return [
        (fxad.grad(lambda x: x * x * x), lambda x: 3 * x * x),
        (lambda x: fxad.jvp(np.sin, (x,), (1.0,))[1], np.cos),
        (lambda x: fxad.vmap(lambda r: r * x)(rows), lambda x: rows * x),
        (fxad.jit(lambda x: np.sin(x) * 2.0), lambda x: np.sin(x) * 2.0),
        (fxad.grad(fxad.grad(lambda x: np.exp(2.0 * x))), lambda x: 4 * np.exp(2 * x)),
        (
            fxad.vmap(fxad.grad(lambda r: r * r), axis_size=2, in_axes=None),
            lambda x: np.array([2 * x, 2 * x]),
        ),
        (fxad.grad(fxad.checkpoint(lambda x: np.cos(x))), lambda x: -np.sin(x)),
        (fxad.jit(fxad.grad(fxad.jit(lambda x: x * np.log(x)))), lambda x: np.log(x) + 1),
    ]


def test_threads_run_different_transformations_at_once():
    shared, barrier = jobs(), threading.Barrier(8)

    def work(seed: int) -> None:
        rng = np.random.default_rng(seed)
        barrier.wait()
        for i in range(60):
            x = float(rng.uniform(0.5, 2.0))
            transformed, expected = shared[(seed + i) % len(shared)]
            np.testing.assert_allclose(transformed(x), expected(x), rtol=1e-13)
            assert current_trace() is EVAL

    with ThreadPoolExecutor(8) as pool:
        for done in [pool.submit(work, seed) for seed in range(8)]:
            done.result()


def test_two_threads_stand_inside_their_transformations_at_once():
    """Each waits for the other in the middle of its function."""
    barrier = threading.Barrier(2, timeout=20)

    def f(x):
        y = x * x
        barrier.wait()
        z = y * x
        barrier.wait()
        return z

    with ThreadPoolExecutor(2) as pool:
        forward = pool.submit(lambda: fxad.jvp(f, (2.0,), (1.0,))[1])
        batched = pool.submit(lambda: fxad.vmap(f)(np.array([1.0, 2.0])))
        assert forward.result() == 12.0
        np.testing.assert_array_equal(batched.result(), [1.0, 8.0])


def test_a_pullback_runs_in_other_threads():
    _, pullback = fxad.vjp(lambda x: np.sin(x) * x, np.arange(4.0))
    expected = pullback(np.ones(4))[0]
    with ThreadPoolExecutor(4) as pool:
        for got in pool.map(lambda _: pullback(np.ones(4))[0], range(20)):
            np.testing.assert_array_equal(got, expected)


def test_a_thread_within_a_traced_function():
    """A new thread knows of no transformation: an error; in a copy of the context it does."""

    def work(x, run):
        with ThreadPoolExecutor(1) as pool:
            return pool.submit(run, lambda: x * x).result()

    with pytest.raises(UnexpectedTracerError):
        fxad.grad(lambda x: work(x, lambda f: f()))(3.0)
    assert fxad.grad(lambda x: work(x, contextvars.copy_context().run))(3.0) == 6.0


def test_tasks_of_an_event_loop():
    async def work(x):
        first = fxad.grad(lambda y: y * y * x)(x)
        await asyncio.sleep(0)
        return first, fxad.vmap(lambda y: y * x)(np.ones(2))

    async def everything():
        return await asyncio.gather(*(work(float(i)) for i in range(5)))

    for i, (first, second) in enumerate(asyncio.run(everything())):
        assert first == 2.0 * i * i
        np.testing.assert_array_equal(second, [i, i])


def test_generators_inside_a_traced_function():
    def powers(x):
        y = 1.0
        while True:
            y = y * x
            yield y

    def f(x):
        return sum(itertools.islice(powers(x), 3))

    assert fxad.grad(f)(2.0) == 1 + 4 + 12
    assert fxad.grad(fxad.grad(fxad.jit(f)))(2.0) == 2 + 12
    np.testing.assert_array_equal(fxad.vmap(f)(np.array([1.0, 2.0])), [3.0, 14.0])


def test_a_generator_that_transforms_between_its_values():
    def slopes(f, x):
        while True:
            f = fxad.grad(f)
            yield f(x)

    first, second = slopes(lambda x: x * x * x, 2.0), slopes(np.sin, 0.5)
    assert [next(first), next(first), next(first)] == [12.0, 12.0, 6.0]
    np.testing.assert_allclose([next(second), next(second)], [np.cos(0.5), -np.sin(0.5)])
    assert next(first) == 0.0

    def outer(x):
        inner = slopes(lambda y: y * y * x, x)
        return next(inner) + next(inner)  # 2 x² + 2 x

    assert fxad.grad(outer)(3.0) == 14.0


def test_a_generator_that_keeps_tracers_past_their_call():
    kept = []

    def f(x):
        kept.append(y * x for y in (1.0, 2.0))
        return x

    fxad.grad(f)(1.0)
    with pytest.raises(UnexpectedTracerError, match=r"grad.*has ended"):
        next(kept[0])


# Control flow and identity -----------------------------------------------------------------------


def test_python_control_flow_on_values():
    """Eager derivatives know their values; also under one another."""

    def f(x):
        total = 0.0
        while x > 0.5:
            total, x = total + x * x, x / 2
        return total if total > 1 else -total

    expected = fxad.grad(lambda x: x * x * (1 + 1 / 4 + 1 / 16))(3.0)
    for name in ("grad", "value_and_grad", "jvp", "vjp", "linearize"):
        assert DERIVATIVES[name](f)(3.0) == expected
    assert fxad.grad(fxad.grad(f))(3.0) == 2 * (1 + 1 / 4 + 1 / 16)


def test_values_of_a_deep_nest():
    def f(x):
        return np.sin(x)

    for k in range(6):
        slope = f
        for _ in range(k):
            slope = fxad.grad(slope)
        np.testing.assert_allclose(slope(0.3), np.sin(0.3 + k * np.pi / 2), atol=1e-15)
