"""Arrays from nothing, with what is known only when the program runs."""

import numpy as np
import pytest

import fxad.lax as lax
import fxad.numpy as fnp
from fxad.compiler.jit import jit
from fxad.errors import TracerIntegerConversionError
from fxad.transforms.linearize import grad
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


@pytest.mark.parametrize("name", ["tril", "triu"])
def test_triangles_from_traced_diagonals(name):
    ours, numpys = getattr(fnp, name), getattr(np, name)
    x = np.arange(24.0).reshape(2, 3, 4) + 1
    for k in (-4, -1, 0, 2, 5):
        assert_same(jit(ours)(x, k), numpys(x, k))
        assert_same(jit(grad(lambda x, k: fnp.sum(ours(x, k) ** 2)))(x, k), 2 * numpys(x, k))
    ks = np.array([1, -1])
    assert_same(vmap(lambda k: ours(x, k))(ks), np.stack([numpys(x, k) for k in ks]))


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
        lambda n: fnp.round(np.ones(2), n),
    ],
)
def test_a_traced_parameter_says_that_its_value_is_missing(make):
    with pytest.raises(TracerIntegerConversionError, match="whose value is not known under jit"):
        jit(make)(3)
