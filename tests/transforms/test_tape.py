"""The traces of reverse mode: what is recorded of a rule."""

import numpy as np
import pytest

import fxad
import fxad.numpy as fnp
from fxad.core.aval import ShapedArray
from fxad.core.trace import current_trace, within
from fxad.errors import NonDifferentiableError
from fxad.transforms.tape import TapeTrace, is_recorded


def test_what_is_not_linear_counts_only_where_it_is_needed():
    both = lambda x: (2.0 * x, x > 0.0)  # noqa: E731
    for wrap in (lambda f: f, fxad.jit):
        transposed = fxad.linear_transpose(lambda x, wrap=wrap: wrap(both)(x)[0], 1.0)
        assert transposed(3.0) == (6.0,)
        refused = fxad.linear_transpose(lambda x, wrap=wrap: wrap(fnp.sin)(x), 1.0)
        with pytest.raises(NonDifferentiableError, match=r"(?s)\[sin\].*test_tape.py"):
            refused(1.0)
    f = fxad.custom_jvp(lambda x: x)
    f.defjvp(lambda primals, tangents: (primals[0], (tangents[0], fnp.exp(tangents[0]))[0]))
    assert fxad.grad(f)(2.0) == 1.0


def test_tangents_are_told_from_values():
    tape = TapeTrace(current_trace())
    tangent = tape.input(ShapedArray((2,), np.dtype(np.float64)))
    assert is_recorded(tangent) and not is_recorded(np.ones(2)) and not is_recorded(1.0)
    seen = []
    within(tape, fxad.vmap(lambda t: (seen.append(is_recorded(t)), t)[1]), tangent)
    fxad.vmap(lambda x: (seen.append(is_recorded(x)), x)[1])(np.ones(2))
    fxad.grad(lambda x: (seen.append(is_recorded(x)), x)[1])(1.0)
    assert seen == [True, False, False]
