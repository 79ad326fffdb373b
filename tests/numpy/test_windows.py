"""``r_`` and ``c_`` on tracers do what NumPy's do on arrays, with numbers that are weak."""

import numpy as np
import pytest

import fxad
import fxad.numpy as fnp
from tests.ops.checks import assert_same

V, M, S = np.arange(3.0), np.arange(6.0).reshape(3, 2), 2.5
PARTS = [(V, V), (V, S), (S, S, V), (V, slice(0, 4)), (M, M), (M, M[:1]), (V,), (M,)]


@pytest.mark.parametrize("join", ["r_", "c_"])
@pytest.mark.parametrize("parts", PARTS, ids=lambda p: "-".join(str(np.shape(x)) for x in p))
def test_joined_as_numpy_joins(join, parts):
    try:
        wanted = getattr(np, join)[parts]
    except ValueError:
        pytest.skip("shapes that NumPy does not join this way")
    got, _ = fxad.jvp(
        lambda x: getattr(fnp, join)[(x, *parts[1:])], (parts[0],), (np.ones_like(parts[0]),)
    )
    assert np.array_equal(got, wanted)
    assert got.dtype == wanted.dtype
    assert got.shape == wanted.shape


@pytest.mark.parametrize("dtype", [np.int8, np.float16, np.float32, np.complex64])
def test_numbers_joined_take_the_dtype_of_the_arrays(dtype):
    x = np.arange(3).astype(dtype)
    cases = {
        "a number": lambda x, s: fnp.r_[x, 2],
        "an element": lambda x, s: fnp.r_[x[0], 2],
        "a range": lambda x, s: fnp.r_[x, 0:2],
        "a traced number": lambda x, s: fnp.r_[x, s],
        "columns": lambda x, s: fnp.c_[x[:1], 2],
    }
    for f in cases.values():
        wanted = f(x, 2)
        assert_same(fxad.jit(f)(x, 2), wanted)
        assert_same(fxad.vmap(lambda x, f=f: f(x, 2))(x[None]), wanted[None])


def test_a_traced_number_among_choices_is_weak():
    x = np.arange(3, dtype=np.float32)
    wanted = np.choose([0, 1, 0], [x, 2.5])
    assert_same(fxad.jit(lambda s: fnp.choose([0, 1, 0], [x, s]))(2.5), wanted)
