"""``r_`` and ``c_`` on tracers do what NumPy's do on arrays."""

import numpy as np
import pytest

import fxad
import fxad.numpy as fnp

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
