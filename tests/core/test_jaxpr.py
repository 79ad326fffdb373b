"""Jaxprs: how they print, evaluate, and are checked; whose variables they bind."""

import itertools
import textwrap

import numpy as np
import pytest

import fxad
import fxad.numpy as fnp
from fxad.core.aval import ShapedArray
from fxad.core.jaxpr import (
    ClosedJaxpr,
    Eqn,
    Jaxpr,
    Literal,
    Var,
    alike,
    axis_names,
    check_jaxpr,
    dce_jaxpr,
    eval_jaxpr,
    variable_names,
)
from fxad.errors import JaxprTypeError
from fxad.ops.elementwise import add_p
from fxad.ops.trigonometry import sin_p

F64 = ShapedArray((), np.dtype(float))


def printed(f, *args):
    return str(fxad.make_jaxpr(f)(*args))


def text(wanted):
    return textwrap.dedent(wanted).strip("\n")


# Printing ----------------------------------------------------------------------------------------


def test_arguments_constants_literals_and_parameters():
    table = np.arange(3.0)
    assert printed(lambda x, n: (fnp.sum(table * x), n + 1), np.float32(1.0), 2) == text("""
        { lambda a:f64[3] ; b:f32[] c:i64[]. let
            d:f64[3] = mul a b
            e:f64[] = reduce_sum[axes=(0,)] d
            f:i64[] = add c 1:i64[]
          in (e, f) }
        """)


def test_programs_without_equations():
    assert printed(lambda x: (x, 1.0), np.ones(2)) == "{ lambda ; a:f64[2]. let in (a, 1.0:f64[]) }"
    assert printed(lambda: ()) == "{ lambda ; . let in () }"


def test_programs_inside_programs():
    @fxad.jit
    def inner(x):
        return fnp.sin(x)

    @fxad.jit
    def middle(x):
        return inner(x) * 2.0

    assert printed(middle, 1.0) == text("""
        { lambda ; a:f64[]. let
            b:f64[] = jit[
              jaxpr={ lambda ; a:f64[]. let
                    b:f64[] = jit[
                      jaxpr={ lambda ; a:f64[]. let
                            b:f64[] = sin a
                          in (b,) }
                      name=inner
                    ] a
                    c:f64[] = mul b 2.0:f64[]
                  in (c,) }
              name=middle
            ] a
          in (b,) }
        """)


def test_derivatives_and_batches_as_programs():
    def cube_of_sine(x):
        return fnp.sin(x) ** 3

    assert printed(fxad.grad(cube_of_sine), 1.0) == text("""
        { lambda ; a:f64[]. let
            b:f64[] = sin a
            _:f64[] = integer_pow[y=3] b
            c:f64[] = square b
            d:f64[] = mul c 3:i64[]
            e:f64[] = mul 1.0:f64[] d
            f:f64[] = cos a
            g:f64[] = mul e f
          in (g,) }
        """)
    assert printed(fxad.vmap(fnp.dot), np.ones((2, 3)), np.ones((2, 3))) == text("""
        { lambda ; a:f64[2,3] b:f64[2,3]. let
            c:f64[2] = dot_general[dimension_numbers=(((1,), (1,)), ((0,), (0,)))] a b
          in (c,) }
        """)


def test_names_never_run_out():
    names = list(itertools.islice(variable_names(), 26 * 27 + 1))
    assert names[:2] + names[25:28] + names[-1:] == ["a", "b", "z", "ba", "bb", "bba"]
    assert len(set(names)) == len(names)


# Evaluating --------------------------------------------------------------------------------------


def test_any_transformation_applies_to_any_program():
    closed = fxad.make_jaxpr(lambda x: fnp.sin(x) * x)(1.0)

    def f(x):
        return eval_jaxpr(closed.jaxpr, closed.consts, x)[0]

    assert f(2.0) == closed(2.0)[0] == np.sin(2.0) * 2.0
    assert fxad.grad(f)(2.0) == pytest.approx(np.cos(2.0) * 2.0 + np.sin(2.0), rel=1e-15)
    np.testing.assert_array_equal(fxad.vmap(f)(np.arange(3.0)), np.sin(np.arange(3.0)) * range(3))
    assert printed(f, 2.0) == str(closed)


def test_too_few_arguments():
    with pytest.raises(ValueError, match="zip"):
        fxad.make_jaxpr(lambda x, y: x)(1.0, 2.0)(1.0)


# Checking ----------------------------------------------------------------------------------------


def one_equation(primitive, invars, outvars, **params):
    return Eqn(primitive, invars, outvars, params)


def test_sound_programs_pass():
    check_jaxpr(fxad.make_jaxpr(fxad.grad(lambda x: fnp.sum(fxad.jit(fnp.sin)(x))))(np.ones(3)))


def test_unsound_programs_are_told_apart():
    x, y, z = Var(F64), Var(F64), Var(ShapedArray((2,), np.dtype(float)))
    sine = one_equation(sin_p, [x], [y])
    with pytest.raises(JaxprTypeError, match="sin reads a variable that nothing has bound"):
        check_jaxpr(Jaxpr([], [], [sine], [y]))
    with pytest.raises(JaxprTypeError, match="the result reads a variable"):
        check_jaxpr(Jaxpr([], [x], [], [y]))
    with pytest.raises(JaxprTypeError, match="sin binds a variable a second time"):
        check_jaxpr(Jaxpr([], [x], [sine, sine], [y]))
    with pytest.raises(JaxprTypeError, match="an argument binds a variable a second time"):
        check_jaxpr(Jaxpr([x], [x], [], [x]))
    with pytest.raises(JaxprTypeError, match=r"sin has outputs .*float64\[2\].*says .*float64\[\]"):
        check_jaxpr(Jaxpr([], [x], [one_equation(sin_p, [x], [z])], [z]))
    with pytest.raises(JaxprTypeError, match="constant has outputs"):
        check_jaxpr(ClosedJaxpr(Jaxpr([z], [], [], [z]), [np.ones(3)]))


def test_programs_inside_are_checked_too():
    closed = fxad.make_jaxpr(fxad.jit(fnp.sin))(1.0)
    (call,) = closed.eqns
    broken = ClosedJaxpr(Jaxpr([], [], [one_equation(sin_p, [Var(F64)], [Var(F64)])], []))
    eqn = call.replace(params={**call.params, "jaxpr": broken})
    with pytest.raises(JaxprTypeError, match="sin reads a variable"):
        check_jaxpr(Jaxpr([], closed.jaxpr.invars, [eqn], eqn.outvars))


# Comparing ---------------------------------------------------------------------------------------


def open_jaxpr(f, *args):
    return fxad.make_jaxpr(f)(*args).jaxpr


ROWS = np.ones((2, 3))


@pytest.mark.parametrize(
    ("f", "others"),
    [
        (lambda x: fnp.sin(x) * x, [lambda x: x * fnp.sin(x), fnp.sin, lambda x: fnp.cos(x) * x]),
        (lambda x: x * 2, [lambda x: x * 3, lambda x: x * 2.0, lambda x: x * np.int64(2)]),
        (lambda x: x / 0.0, [lambda x: x / -0.0]),
        (lambda x: x * float("nan"), [lambda x: x * float("inf")]),
        (lambda x: x.sum(0), [lambda x: x.sum(1), lambda x: x.sum(), lambda x: x.max(0)]),
        (lambda x: (x, 1.0), [lambda x: (x, 2.0), lambda x: (x,), lambda x: (1.0, x)]),
        (lambda x: fxad.jit(fnp.sin)(x), [lambda x: fxad.jit(fnp.cos)(x), fnp.sin]),
        (lambda x: x + np.ones(3), [lambda x: x + np.ones((2, 1))]),
        (lambda x: x[0], [lambda x: x[1], lambda x: x[:1]]),
    ],
)
def test_programs_are_alike_but_for_their_variables(f, others):
    assert alike(open_jaxpr(f, ROWS), open_jaxpr(lambda x: f(x), ROWS))
    assert not alike(open_jaxpr(f, ROWS), open_jaxpr(f, ROWS[:, :1].astype(np.float32)))
    for other in others:
        assert not alike(open_jaxpr(f, ROWS), open_jaxpr(other, ROWS))
        assert not alike(open_jaxpr(other, ROWS), open_jaxpr(f, ROWS))


# Parts -------------------------------------------------------------------------------------------


def test_results_that_are_not_kept():
    jaxpr = fxad.make_jaxpr(lambda x: (fnp.sin(x), fnp.cos(x)))(1.0).jaxpr
    assert [str(e.primitive) for e in dce_jaxpr(jaxpr, [False, True]).eqns] == ["cos"]
    assert dce_jaxpr(jaxpr, [False, False]).eqns == ()


def test_when_variables_die():
    x, y, z = Var(F64), Var(F64), Var(F64)
    jaxpr = Jaxpr(
        [], [x], [one_equation(sin_p, [x], [y]), one_equation(add_p, [y, Literal(1.0)], [z])], [z]
    )
    assert jaxpr.dead_after() == [[x], [y]]


def test_names_of_axes_inside():
    f = fxad.jit(lambda x: fxad.lax.psum(fxad.jit(lambda y: fxad.lax.pmax(y, "j"))(x), "i"))
    found = []

    def spy(x):
        found.append(axis_names(fxad.make_jaxpr(f)(x)))
        return x

    fxad.vmap(fxad.vmap(spy, axis_name="j"), axis_name="i")(np.ones((2, 2)))
    assert set(found[0]) == {"i", "j"}
