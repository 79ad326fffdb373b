"""``jvp``: tangents in and out, auxiliary results, what does not fit."""

import numpy as np
import pytest

import fxad
import fxad.numpy as fnp
from fxad import lax
from fxad.core.aval import float0
from fxad.errors import ArgumentTypeError, StructureError

NONE = np.zeros((), float0)


def test_trees_of_arguments_and_results():
    def f(a, b):
        return {"product": a["x"] * b, "sum": (a["x"] + a["y"],)}

    primals, tangents = ({"x": 2.0, "y": 3.0}, 4.0), ({"x": 1.0, "y": 0.0}, 10.0)
    out, tangent = fxad.jvp(f, primals, tangents)
    assert (out, tangent) == (
        {"product": 8.0, "sum": (5.0,)}, {"product": 24.0, "sum": (1.0,)}
    )
    assert fxad.jvp(f, list(primals), list(tangents))[1] == tangent


def test_auxiliary_results():
    out, tangent, aux = fxad.jvp(lambda x: (x * x, (x, "name")), (3.0,), (1.0,), has_aux=True)
    assert (out, tangent, aux) == (9.0, 6.0, (3.0, "name"))


def test_results_that_do_not_vary_have_tangents_of_zero():
    table = np.ones((2, 3), np.float32)
    out, tangent = fxad.jvp(lambda x: (table, 5.0, x > 0.0, x), (1.0,), (1.0,))
    assert (tangent[0].shape, tangent[0].dtype, tangent[0].any()) == ((2, 3), np.float32, False)
    assert (tangent[1], tangent[2].dtype, tangent[3]) == (0.0, float0, 1.0)
    assert not np.shares_memory(out[0], tangent[0])


def test_integers_have_tangents_without_values():
    out, tangent = fxad.jvp(lambda x, n: (x * n, n + 1), (2.0, 3), (1.0, NONE))
    assert (out, tangent[0], tangent[1].dtype) == ((6.0, 4), 3.0, float0)
    with pytest.raises(StructureError, match=r"float0\[\] as the tangent of an integer"):
        fxad.jvp(lambda n: n, (3,), (np.float64(1.0),))


@pytest.mark.parametrize("dtype", [np.float16, np.float32, np.complex64], ids=str)
def test_tangents_keep_their_dtype(dtype):
    x = np.ones(3, dtype)
    assert fxad.jvp(lambda x: fnp.sin(x) * 2.0, (x,), (x,))[1].dtype == dtype
    assert fxad.jvp(fnp.sin, (dtype(1),), (1.0,))[1].dtype == dtype  # a Python number is cast


@pytest.mark.parametrize(
    ("primals", "tangents"),
    [
        ((1.0,), (1.0, 1.0)),
        ((1.0, 2.0), (1.0,)),
        (({"x": 1.0},), ({"y": 1.0},)),
        (([1.0],), ((1.0,),)),
        ((np.ones(2),), (np.ones(3),)),
        ((np.ones(2),), (1.0,)),
        ((np.ones(2),), (np.ones(2, np.float32),)),
        ((np.ones(2),), (np.ones(2, int),)),
        ((1.0,), (1j,)),
        ((np.float32(1.0),), (1j,)),
        ((1.0,), (None,)),
    ],
    ids=repr,
)
def test_tangents_that_do_not_fit(primals, tangents):
    with pytest.raises(StructureError, match=r"(?s)\[jvp\].*test_jvp.py"):
        fxad.jvp(lambda *args: args, primals, tangents)


def test_arguments_not_in_a_tuple():
    with pytest.raises(ArgumentTypeError, match=r"\(f, \(x,\), \(v,\)\)"):
        fxad.jvp(fnp.sin, 1.0, 1.0)
    with pytest.raises(ArgumentTypeError, match="wanted a function"):
        fxad.jvp(1.0, (1.0,), (1.0,))


def test_the_function_runs_once_and_python_decides_by_values():
    calls = []

    def f(x):
        calls.append(x)
        return -x if x < 0.0 else x * x

    assert [fxad.jvp(f, (x,), (1.0,))[1] for x in (-2.0, 3.0)] == [-1.0, 6.0]
    assert len(calls) == 2


def test_results_are_the_callers_own():
    x, t = np.ones(2), np.ones(2)
    out, tangent = fxad.jvp(lambda x: x, (x,), (t,))
    for a in (out, tangent):
        a[:] = 5.0
    np.testing.assert_array_equal([x, t], np.ones((2, 2)))


def _twice(x):
    return np.sum(np.stack([x, x]))


@pytest.mark.parametrize(
    "program",
    [
        fxad.jit(_twice),
        fxad.checkpoint(_twice),
        lambda x: lax.scan(lambda c, _: (_twice(c), None), x, None, length=1)[0],
        lambda x: lax.while_loop(lambda c: c < 1.0, _twice, x),
        fxad.jit(lambda x: lax.cond(x > 0, _twice, np.sin, x)),
    ],
    ids=["jit", "checkpoint", "scan", "while", "cond"],
)
def test_a_number_as_the_tangent_of_what_became_an_array(program):
    out, tangent = fxad.jvp(lambda x: program(x + np.float64(0.1)), (0.7,), (1.0,))
    assert (round(float(out), 12), tangent) == (1.6, 2.0)
    assert type(tangent) is np.float64
