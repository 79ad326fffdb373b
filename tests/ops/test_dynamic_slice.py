"""Slices with dynamic starts against NumPy's static ones."""

import numpy as np
import pytest

import fxad.ops.dynamic_slice as ops
from fxad.core.aval import aval_of
from fxad.core.staging import stage
from fxad.errors import DtypeError, ShapeError
from fxad.transforms.linearize import vjp
from fxad.transforms.vmap import vmap
from tests.ops.checks import check_op, check_vmap


def reference(x, starts, sizes):
    index = []
    for s, n, k in zip(starts, x.shape, sizes, strict=True):
        s = min(max(s + n if s < 0 else s, 0), n - k)
        index.append(slice(s, s + k))
    return tuple(index)


CASES = [
    ((3, 4, 5), (1, 2, 3), (1, 2, 2)),
    ((3, 4, 5), (1, 0, 0), (1, 4, 5)),
    ((3, 4, 5), (0, 1, 0), (3, 2, 5)),
    ((3, 4, 5), (2, 0, 3), (1, 4, 1)),
    ((3, 4), (-1, 9), (2, 2)),
    ((3, 4), (-9, -2), (1, 4)),
    ((3,), (1,), (0,)),
    ((3, 4), (0, 0), (3, 4)),
    ((), (), ()),
]


@pytest.mark.parametrize("shape, starts, sizes", CASES)
def test_slices_and_updates(shape, starts, sizes, rng):
    x, update = rng.standard_normal(shape), rng.standard_normal(sizes)
    index = reference(x, starts, sizes)
    np.testing.assert_array_equal(ops.dynamic_slice(x, starts, sizes), x[index])
    wanted = x.copy()
    wanted[index] = update
    np.testing.assert_array_equal(ops.dynamic_update_slice(x, update, starts), wanted)
    check_op(lambda x: ops.dynamic_slice(x, starts, sizes), (x,))
    check_op(lambda x, u: ops.dynamic_update_slice(x, u, starts), (x, update))
    check_op(lambda u: ops.dynamic_update_slice(x, u, starts), (update,))


@pytest.mark.parametrize("shape, starts, sizes", [case for case in CASES if len(case[0]) < 3])
def test_over_every_batch_axis(shape, starts, sizes, rng):
    x, update = rng.standard_normal(shape), rng.standard_normal(sizes)
    starts = [np.int64(s) for s in starts]
    check_vmap(lambda x, *s: ops.dynamic_slice(x, s, sizes), (x, *starts))
    check_vmap(lambda x, u, *s: ops.dynamic_update_slice(x, u, s), (x, update, *starts))


def test_batched_starts_of_three_axes(rng):
    x, u = rng.standard_normal((3, 4, 5)), rng.standard_normal((3, 2, 4, 3))
    s = rng.integers(-6, 6, (3, 3))
    out = vmap(lambda s: ops.dynamic_slice(x, s, (2, 4, 3)))(s)
    updated = vmap(lambda u, s: ops.dynamic_update_slice(x, u, s))(u, s)
    for k in range(3):
        index = reference(x, s[k], (2, 4, 3))
        np.testing.assert_array_equal(out[k], x[index])
        wanted = x.copy()
        wanted[index] = u[k]
        np.testing.assert_array_equal(updated[k], wanted)


def test_staged_with_traced_starts(rng):
    x, s = rng.standard_normal((4, 3)), np.int32(-1)

    def f(x, s):
        out, pull = vjp(lambda x: ops.dynamic_index_in_dim(x, s, 0, False), x)
        return [out, *pull(out)]

    out, dx = stage(f, [aval_of(x), aval_of(s)])(x, s)
    np.testing.assert_array_equal(out, x[3])
    np.testing.assert_array_equal(dx, [[0] * 3, [0] * 3, [0] * 3, x[3]])


def test_along_one_axis(rng):
    x = rng.standard_normal((3, 4))
    np.testing.assert_array_equal(ops.dynamic_slice_in_dim(x, 1, 2, -1), x[:, 1:3])
    np.testing.assert_array_equal(ops.dynamic_index_in_dim(x, 1), x[1:2])
    wanted = x.copy()
    wanted[:, 2] = 0
    np.testing.assert_array_equal(ops.dynamic_update_index_in_dim(x, np.zeros(3), 2, 1), wanted)
    np.testing.assert_array_equal(
        ops.dynamic_update_slice_in_dim(x, np.zeros((3, 1)), 2, 1), wanted
    )


def test_errors():
    x = np.ones((3, 4))
    with pytest.raises(ShapeError, match=r"\[dynamic_slice\] got 2 starts and a slice .*\(4, 4\)"):
        ops.dynamic_slice(x, (0, 0), (4, 4))
    with pytest.raises(ShapeError, match=r"\[dynamic_slice\] got 1 starts"):
        ops.dynamic_slice(x, (0,), (1, 1))
    with pytest.raises(DtypeError, match=r"\[dynamic_update_slice\] got float32\[1,1\]"):
        ops.dynamic_update_slice(x, np.ones((1, 1), np.float32), (0, 0))
    with pytest.raises(DtypeError, match=r"start float64\[\], wanted an integer"):
        ops.dynamic_slice(x, (0.0, 0), (1, 1))
    with pytest.raises(ShapeError, match=r"start int64\[2\], wanted an integer"):
        ops.dynamic_slice(x, (np.array([1, 2]), 0), (1, 1))
