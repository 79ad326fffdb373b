"""Arrays from nothing, with what is known only when the program runs."""

import numpy as np
import pytest

import fxad.lax as lax
import fxad.numpy as fnp
from fxad.compiler.jit import jit
from fxad.errors import TracerIntegerConversionError
from fxad.transforms.vmap import vmap
from tests.ops.checks import assert_same


@pytest.mark.parametrize("name", ["eye", "tri"])
@pytest.mark.parametrize("dtype", [bool, np.int8, np.float32, np.float64])
def test_traced_diagonals(name, dtype):
    ours, numpys = getattr(fnp, name), getattr(np, name)
    for k in (-4, -1, 0, 2, 5):
        wanted = numpys(3, 4, k, dtype)
        assert_same(jit(lambda k: ours(3, 4, k, dtype))(k), wanted)
        assert_same(jit(lambda k=k: ours(3, 4, k, dtype))(), wanted)
    ks = np.array([1, -1], np.int32)
    stacked = np.stack([numpys(3, 3, k, dtype) for k in ks])
    assert_same(vmap(lambda k: ours(3, k=k, dtype=dtype))(ks), stacked)


@pytest.mark.parametrize(
    "make",
    [
        lambda n: fnp.eye(n),
        lambda n: fnp.eye(2, n),
        lambda n: fnp.tri(n),
        lambda n: fnp.identity(n),
        lambda n: fnp.indices((2, n)),
        lambda n: lax.broadcasted_iota(int, (n, 2), 0),
        lambda n: lax.iota(int, n),
    ],
)
def test_a_traced_size_says_that_its_value_is_missing(make):
    with pytest.raises(TracerIntegerConversionError, match="whose value is not known under jit"):
        jit(make)(3)
