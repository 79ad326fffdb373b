"""Programs: how they print, what they free, where they run."""

import gc
import re
import weakref

import numpy as np

import fxad
import fxad.numpy as fnp
from fxad.compiler.program import program_for, run
from fxad.core.trace import EvalTrace


def program_of(f, *args):
    return program_for(fxad.make_jaxpr(f)(*args), EvalTrace.namespace)


def test_it_prints_instructions_slots_and_the_users_lines():
    def f(x, y):
        z = fnp.sin(x)
        return z * y + 2.0, z

    text = str(program_of(f, np.ones(2), np.ones(2)))
    assert re.sub(r"\.py:\d+: ", ".py: ", text) == """\
program(%0 %1):
  %2:f64[2] = sin %0  free %0  # test_program.py: z = fnp.sin(x)
  %3:f64[2] = mul %2 %1  free %1  # test_program.py: return z * y + 2.0, z
  %5:f64[2] = add %3 %4  free %3  # test_program.py: return z * y + 2.0, z
  return %5 %2"""


def test_it_is_compiled_once():
    closed = fxad.make_jaxpr(fnp.sin)(1.0)
    assert program_for(closed, EvalTrace.namespace) is program_for(closed, EvalTrace.namespace)


def test_values_are_freed_after_their_last_use():
    alive, references = [], []

    closed = fxad.make_jaxpr(lambda x: fnp.cumsum(fnp.sort(fnp.cumsum(x))))(np.ones(3))
    program = program_for(closed, EvalTrace.namespace)
    for step in program.instructions:

        def watched(*args, call=step.call, **options):
            gc.collect()
            alive.append(sum(r() is not None for r in references))
            out = call(*args, **options)
            references.append(weakref.ref(out))
            return out

        step.call = watched
    program(np.ones(3))
    assert alive == [0, 1, 1]


def test_constants_stay_from_call_to_call():
    table = np.arange(3.0)
    closed = fxad.make_jaxpr(lambda i: fnp.take(table, i) * fnp.sum(table))(0)
    for i in (0, 2, 1):
        assert run(closed, np.int64(i)) == [3.0 * i]


def test_inputs_that_are_results_and_results_given_twice():
    closed = fxad.make_jaxpr(lambda x, y: (y, x, y, 5.0))(1.0, 2.0)
    assert run(closed, 1.0, 2.0) == [2.0, 1.0, 2.0, 5.0]


def test_programs_without_inputs():
    assert run(fxad.make_jaxpr(lambda: fnp.full(2, 3.0).sum())()) == [6.0]


def test_pythons_truth_values_are_no_integers():
    for f in (fnp.invert, fnp.abs, fnp.square, fnp.argmax, fnp.atleast_2d, fxad.lax.real):
        for value in (True, False):
            wanted, got = np.asarray(f(np.bool_(value))), np.asarray(fxad.jit(f)(value))
            np.testing.assert_array_equal(got, wanted, strict=True)
            assert fxad.eval_shape(f, value).dtype == got.dtype
    both = fxad.jit(lambda x, yes: fnp.stack([x, yes]) * fnp.reshape(yes, (1,)))
    np.testing.assert_array_equal(both(2.0, True), [2.0, 1.0])
    assert fxad.jit(lambda yes: yes)(True) is np.True_
