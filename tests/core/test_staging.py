"""Staging: a function and abstract arguments become a jaxpr; what it closes over, what it is."""

import numpy as np
import pytest

import fxad
import fxad.numpy as fnp
from fxad.core.aval import ShapedArray, aval_of
from fxad.core.jaxpr import ClosedJaxpr, Literal, check_jaxpr
from fxad.core.staging import JaxprTrace, JaxprTracer, hoist, stage
from fxad.core.trace import EVAL, current_trace
from fxad.errors import ArgumentTypeError, UnexpectedTracerError
from fxad.ops.elementwise import add, mul
from fxad.ops.trigonometry import sin

F64 = ShapedArray((3,), np.dtype(float))
X = np.arange(3.0)


def names(closed):
    return [eqn.primitive.name for eqn in closed.eqns]


def test_operations_are_written_down_and_not_run():
    seen = []

    def f(x, y):
        seen.append(x)
        return [mul(sin(x), y), x]

    closed = stage(f, [F64, F64])
    check_jaxpr(closed)
    assert names(closed) == ["sin", "mul"]
    assert closed.in_avals == [F64, F64] and closed.out_avals == [F64, F64]
    assert isinstance(seen[0], JaxprTracer) and seen[0].concrete() is None
    assert current_trace() is EVAL
    out = closed(X, 2.0 * X)
    np.testing.assert_array_equal(out[0], np.sin(X) * 2.0 * X)
    assert out[1] is X or np.array_equal(out[1], X)


def test_operations_on_known_values_are_run_at_once():
    closed = stage(lambda x: [add(x, np.sin(X) @ X)], [F64])
    assert names(closed) == ["add"]
    assert isinstance(closed.eqns[0].invars[1], Literal)
    assert closed.eqns[0].invars[1].value == np.sin(X) @ X


def test_each_constant_is_there_once():
    table, same = np.arange(3.0), np.arange(3.0)
    closed = stage(lambda x: [add(add(mul(x, table), table), same)], [F64])
    assert [id(c) for c in closed.consts] == [id(table), id(same)]
    assert [v.aval for v in closed.jaxpr.constvars] == [F64, F64]
    np.testing.assert_array_equal(closed(X)[0], X * table + table + same)


def test_numbers_are_literals_with_their_weak_type():
    closed = stage(lambda x: [mul(x, 2.0), mul(x, np.float32(2.0))], [F64])
    weak, strong = (eqn.invars[1] for eqn in closed.eqns)
    assert weak.aval == ShapedArray((), np.dtype(float), True)
    assert strong.aval == ShapedArray((), np.dtype("f"))


def test_results_that_are_no_variables():
    closed = stage(lambda x: [x, X, 2.0], [F64])
    assert closed.eqns == ()
    np.testing.assert_array_equal(np.vstack(closed(-X)[:2]), [-X, X])
    assert closed(-X)[2] == 2.0


def test_constants_become_arguments():
    open_jaxpr, values = hoist(stage(lambda x: [add(mul(x, X), 1.0)], [F64]))
    assert isinstance(open_jaxpr, ClosedJaxpr)
    assert open_jaxpr.consts == () and open_jaxpr.jaxpr.constvars == ()
    assert [id(v) for v in values] == [id(X)]
    assert open_jaxpr.in_avals == [F64, F64]
    np.testing.assert_array_equal(open_jaxpr(*values, 2 * X)[0], 2 * X * X + 1)


def test_values_of_enclosing_traces_are_constants():
    found = []

    def outer(y):
        closed = stage(lambda x: [mul(x, y)], [ShapedArray((), np.dtype(float))])
        found.append(closed.consts == (y,))
        return closed(3.0)[0]

    assert fxad.grad(outer)(2.0) == 3.0
    assert fxad.jit(outer)(2.0) == 6.0
    np.testing.assert_array_equal(fxad.vmap(outer)(X), 3.0 * X)
    assert fxad.grad(fxad.grad(lambda y: outer(y) * y))(2.0) == 6.0
    assert all(found)


def test_a_second_staging_inside_the_first():
    def outer(x):
        inner = stage(lambda y: [add(mul(y, x), y)], [F64])
        assert len(inner.consts) == 1
        return inner(sin(x))

    closed = stage(outer, [F64])
    check_jaxpr(closed)
    assert names(closed) == ["sin", "mul", "add"] and closed.consts == ()
    np.testing.assert_allclose(closed(X)[0], np.sin(X) * X + np.sin(X))


def test_staged_programs_have_every_derivative():
    closed = stage(lambda x: [mul(sin(x), x)], [ShapedArray((), np.dtype(float))])
    f = lambda x: closed(x)[0]  # noqa: E731
    x = 0.7
    assert fxad.grad(f)(x) == pytest.approx(np.sin(x) + x * np.cos(x))
    assert fxad.grad(fxad.grad(f))(x) == pytest.approx(2 * np.cos(x) - x * np.sin(x))
    assert fxad.jacfwd(fxad.grad(f))(x) == pytest.approx(2 * np.cos(x) - x * np.sin(x))
    np.testing.assert_allclose(fxad.vmap(f)(X), np.sin(X) * X)


def test_tracers_say_where_they_were_made():
    origins = []

    def f(x):
        y = sin(x)
        origins.extend([x.origin(), y.origin()])
        return [y]

    stage(f, [F64])
    assert origins[0] == ""
    assert origins[1].startswith(" (made at test_staging.py:")
    assert origins[1].endswith(": y = sin(x))")


def test_what_is_no_array_is_refused_at_the_end():
    for bad in ("text", [1.0], None, object()):
        with pytest.raises(
            ArgumentTypeError,
            match=rf"(?s)\[jit\] got a function with an output of type "
            rf"{type(bad).__name__}.*test_staging.py.*by a closure",
        ):
            stage(lambda x, bad=bad: [x, bad], [F64])
    assert current_trace() is EVAL


def test_a_tracer_that_got_away_is_refused():
    kept = []
    stage(lambda x: [kept.append(sin(x)) or x], [F64])
    for use in (
        lambda: sin(kept[0]),
        lambda: stage(lambda x: [mul(x, kept[0])], [F64]),
        lambda: stage(lambda x: [kept[0]], [F64]),
        lambda: fxad.grad(lambda x: fnp.sum(x * kept[0]))(X),
    ):
        with pytest.raises(UnexpectedTracerError, match=r"that a jit which has ended left behind"):
            use()


def test_an_error_half_way_leaves_nothing_behind():
    def f(x):
        sin(x)
        raise KeyError("half-way")

    for _ in range(2):
        with pytest.raises(KeyError, match="half-way"):
            stage(f, [F64])
        assert current_trace() is EVAL
    assert names(stage(lambda x: [sin(x)], [F64])) == ["sin"]


def test_a_trace_by_hand():
    trace = JaxprTrace(EVAL, "mine")
    x = trace.argument(F64)
    assert aval_of(x) == F64 and trace.transformation == "mine"
    y = trace.process(sin.__self__, (x,), {})
    closed = trace.finish([x], [y, y])
    assert closed.jaxpr.outvars[0] is closed.jaxpr.outvars[1]
    np.testing.assert_array_equal(closed(X), [np.sin(X)] * 2)
