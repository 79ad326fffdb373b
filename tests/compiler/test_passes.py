"""Each pass on a small program: before and after, as text."""

import textwrap

import numpy as np
import pytest

import fxad
import fxad.numpy as fnp
from fxad import config
from fxad.compiler import passes
from fxad.core.jaxpr import ClosedJaxpr, check_jaxpr


def check(run, f, args, wanted):
    """A pass makes this program of a function, which computes the same."""
    before = fxad.make_jaxpr(f)(*args)
    after = run(before.jaxpr)
    check_jaxpr(after)
    assert str(after) == textwrap.dedent(wanted).strip("\n")
    leaves = fxad.tree.leaves(args)
    for a, b in zip(ClosedJaxpr(after, before.consts)(*leaves), before(*leaves), strict=True):
        np.testing.assert_array_equal(a, b)


def test_inline_puts_called_programs_in_place_of_the_calls():
    inner = fxad.jit(lambda x: (fnp.sin(x), x * 2.0))
    outer = fxad.jit(lambda x: inner(inner(x)[1]))
    check(passes.inline, outer, (np.ones(2),), """
        { lambda ; a:f64[2]. let
            _:f64[2] = sin a
            b:f64[2] = mul a 2.0:f64[]
            c:f64[2] = sin b
            d:f64[2] = mul b 2.0:f64[]
          in (c, d) }
        """)


def test_inline_leaves_alone_what_checkpoints_compute_again():
    def square(x):
        return x * x

    check(passes.inline, fxad.grad(fxad.checkpoint(square)), (np.float64(1.0),), """
        { lambda ; a:f64[]. let
            _:f64[] = mul a a
            b:f64[] = checkpoint[
              differentiated=True
              jaxpr={ lambda ; a:f64[] b:f64[]. let
                    c:f64[] = mul b a
                    d:f64[] = mul b a
                    e:f64[] = add_any c d
                  in (e,) }
              name=square
              prevent_cse=True
            ] a 1.0:f64[]
          in (b,) }
        """)
    plain = fxad.jit(fxad.checkpoint(square, prevent_cse=False))
    check(passes.inline, plain, (np.float64(1.0),), """
        { lambda ; a:f64[]. let
            b:f64[] = mul a a
          in (b,) }
        """)


def test_simplify_drops_what_changes_nothing():
    def f(x):
        y = fnp.sin(x)
        return (y * 1.0, 1.0 * y, y / 1.0, y**1, fnp.negative(-y), y.reshape(2, 3),
                y.astype(float), fnp.transpose(y, (0, 1)), fnp.broadcast_to(y, (2, 3)), y * 2.0)

    check(passes.simplify, f, (np.ones((2, 3)),), """
        { lambda ; a:f64[2,3]. let
            b:f64[2,3] = sin a
            _:f64[2,3] = neg b
            c:f64[2,3] = mul b 2.0:f64[]
          in (b, b, b, b, b, b, b, b, b, c) }
        """)


def test_simplify_drops_choices_between_a_value_and_itself():
    check(passes.simplify, lambda c, x: fnp.where(c, x, x), (True, np.ones(2)), """
        { lambda ; a:bool[] b:f64[2]. let in (b,) }
        """)
    check(passes.simplify, lambda c, x: fnp.where(c, x, x), (np.array([True, False]), 2.0), """
        { lambda ; a:bool[2] b:f64[]. let
            c:f64[2] = select_n a b b
          in (c,) }
        """)


def test_simplify_keeps_what_changes_the_dtype():
    check(passes.simplify, lambda n: (n * 1.0, n / 1), (np.arange(2),), """
        { lambda ; a:i64[2]. let
            b:f64[2] = mul a 1.0:f64[]
            c:f64[2] = div a 1:i64[]
          in (b, c) }
        """)


def test_cse_computes_once_what_is_the_same():
    def f(x):
        a = fnp.sin(x) + fnp.sum(x, 0)
        b = fnp.sin(x) + fnp.sum(x, 0)
        return a * b, fnp.sum(x, 1)

    check(passes.cse, f, (np.ones((2, 2)),), """
        { lambda ; a:f64[2,2]. let
            b:f64[2,2] = sin a
            c:f64[2] = reduce_sum[axes=(0,)] a
            d:f64[2,2] = add b c
            e:f64[2,2] = mul d d
            f:f64[2] = reduce_sum[axes=(1,)] a
          in (e, f) }
        """)


def test_cse_knows_the_zeros_apart():
    check(passes.cse, lambda x: (fnp.copysign(x, 0.0), fnp.copysign(x, -0.0)), (np.ones(1),), """
        { lambda ; a:f64[1]. let
            b:f64[1] = copysign a 0.0:f64[]
            c:f64[1] = copysign a -0.0:f64[]
          in (b, c) }
        """)


def test_fold_evaluates_what_is_known():
    def f(x):
        return x * fxad.jit(lambda y: y * 3.0 + 1.0)(2.0)

    check(lambda jaxpr: passes.fold(passes.inline(jaxpr)), f, (np.ones(1),), """
        { lambda ; a:f64[1]. let
            b:f64[1] = mul a 7.0:f64[]
          in (b,) }
        """)


def test_dce_drops_what_nothing_reads():
    check(passes.dce, lambda x: (fnp.exp(fnp.sin(x)), x + 1.0)[1], (1.0,), """
        { lambda ; a:f64[]. let
            b:f64[] = add a 1.0:f64[]
          in (b,) }
        """)


def test_the_passes_together_and_checked():
    inner = fxad.jit(lambda x: fnp.negative(-fnp.sin(x)) * 1.0)
    closed = fxad.make_jaxpr(lambda x: (inner(x) + inner(x), fnp.exp(x))[0])(np.ones(2))
    with config.override(check_jaxprs=True):
        optimized = passes.optimize(closed)
    assert str(optimized) == textwrap.dedent("""
        { lambda ; a:f64[2]. let
            b:f64[2] = sin a
            c:f64[2] = add b b
          in (c,) }
        """).strip()


def test_a_pass_that_breaks_a_program_is_caught(monkeypatch):
    def broken(jaxpr):
        return type(jaxpr)(jaxpr.constvars, jaxpr.invars, jaxpr.eqns[1:], jaxpr.outvars)

    closed = fxad.make_jaxpr(lambda x: fnp.exp(fnp.sin(x)))(1.0)
    monkeypatch.setattr(passes, "PIPELINE", (broken,))
    with (
        config.override(check_jaxprs=True),
        pytest.raises(fxad.errors.JaxprTypeError, match="exp reads a variable"),
    ):
        passes.optimize(closed)
