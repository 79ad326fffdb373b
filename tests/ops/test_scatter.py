"""Functional updates against NumPy's in-place ones; derivatives where updates meet."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import fxad.ops.scatter as ops
from fxad.compiler.jit import jit
from fxad.core.aval import aval_of
from fxad.core.staging import stage
from fxad.errors import DtypeError, IndexingError, ShapeError, TracerAssignmentError
from fxad.ops.at import at
from fxad.ops.trigonometry import sin
from fxad.transforms.jvp import jvp
from fxad.transforms.linearize import linear_transpose, vjp
from fxad.transforms.vmap import vmap
from tests.ops.checks import check_op, check_vmap

UFUNCS = {"add": np.add, "mul": np.multiply, "min": np.minimum, "max": np.maximum}
MODES = ["set", *UFUNCS]


def expected(x, index, values, combine):
    out = x.copy()
    if combine == "set":
        out[index] = values
    else:
        UFUNCS[combine].at(out, index, values)
    return out


INDICES = [
    0, -1, slice(1, None), (slice(None, None, -2), 1), ..., None, (slice(None), None, 2),
    [0, 2], [0, 0, 2], [1, 1, 1, 1], (slice(None), [1, 1, 3]), ([0, 0, 1], [1, 1, 3]),
    (0, slice(None), [1, 1, 0]), ([[0], [2]], slice(1, 3), [0, 0]), [], slice(2, 2), True, False,
    np.arange(60).reshape(3, 4, 5) % 3 == 0, (..., np.arange(5) > 2), (np.array(1), ..., 0),
    (slice(None), [0, 1, 0], ..., [1, 2, 1]), (slice(None), 0, ..., [1, 2, 2]),
]  # fmt: skip


@pytest.mark.parametrize("combine", MODES)
@pytest.mark.parametrize("index", INDICES, ids=str)
def test_updates_are_numpys(combine, index, rng):
    x = rng.standard_normal((3, 4, 5))
    before = x.copy()
    values = rng.standard_normal(x[index].shape)
    for v in (values, 0.5, values[..., :1]):
        if np.ndim(v) and v.shape[-1] not in (1, values.shape[-1]):
            continue
        out = ops.scatter(x, index, v, combine)
        np.testing.assert_allclose(out, expected(x, index, v, combine), rtol=1e-14)
    np.testing.assert_array_equal(x, before)

    def f(x, v):
        return ops.scatter(x, index, v, combine)

    check_op(f, (x, values))
    check_op(f, (x, np.float64(0.7)))


@pytest.mark.parametrize("combine", MODES)
@pytest.mark.parametrize(
    "index",
    [0, slice(1, None), ([0, 0, 1], [1, 1, 0]), (slice(None), [1, 1, 0]), (0, None, [1, 1]),
     (None, [0, 0])],
    ids=str,
)  # fmt: skip
def test_updates_over_every_batch_axis(combine, index, rng):
    x = rng.standard_normal((2, 3))
    values = rng.standard_normal(x[index].shape)
    check_vmap(lambda x, v: ops.scatter(x, index, v, combine), (x, values))
    check_vmap(lambda x, v: ops.scatter(x, index, v, combine), (x, np.float64(2)))


@pytest.mark.parametrize("combine", MODES)
@pytest.mark.parametrize("mode", [None, "drop", "clip"])
def test_batched_indices(combine, mode, rng):
    x, values = rng.standard_normal((3, 2, 4)), rng.standard_normal((2, 2))
    i, j = np.array([0, 2]), np.array([1, 1])
    if mode:
        i = np.array([0, 5])

    def adjacent(x, v, i):
        return ops.scatter(x, (slice(None), 0, i), 2.0, combine, mode)

    def apart(x, v, i, j):
        return ops.scatter(x, (i, slice(None), j), v, combine, mode)

    check_vmap(apart, (x, values, i, j))
    check_vmap(adjacent, (x, values, i))


@settings(max_examples=60)
@given(
    st.sampled_from(MODES),
    st.lists(st.integers(-4, 3), max_size=6),
    st.sampled_from([(), (2,)]),
    st.integers(0, 1000),
)
def test_gradients_of_random_updates(combine, places, rest, seed):
    rng = np.random.default_rng(seed)
    x, i = rng.standard_normal((4, *rest)), np.array(places, int)
    values = rng.standard_normal((len(places), *rest))
    check_op(lambda x, v: ops.scatter(x, i, v, combine), (x, values), order=1)


def test_products_with_zeros_have_exact_derivatives(rng):
    """Where factors are zero, first and second derivatives are products of the others."""
    x = np.array([2.0, 3.0])
    i = np.array([0, 0, 0, 1])
    v = np.array([0.0, 0.0, 5.0, 0.0])
    check_op(lambda x, v: ops.scatter(x, i, v, "mul"), (x, v), order=3)
    _, pull = vjp(lambda v: ops.scatter(x, i, v, "mul"), np.array([0.0, 4.0, 5.0, 0.0]))
    np.testing.assert_allclose(pull(np.ones(2))[0], [40.0, 0.0, 0.0, 3.0])


@pytest.mark.parametrize("combine", ["min", "max"])
def test_extrema_share_their_tangent_where_they_tie(combine):
    x = np.array([1.0, 1.0])
    i = np.array([0, 0])
    v = np.array([1.0, 1.0])
    _, t = jvp(lambda x, v: ops.scatter(x, i, v, combine), (x, v), (np.array([3.0, 5.0]), v * 0))
    np.testing.assert_allclose(t, [1.0, 5.0])
    _, t = jvp(lambda v: ops.scatter(x, i, v, combine), (v,), (np.array([3.0, 6.0]),))
    np.testing.assert_allclose(t, [3.0, 0.0])


def test_the_last_of_equal_indices_wins_in_derivatives_too():
    x, i = np.zeros(3), np.array([1, 1, 0])
    _, pull = vjp(lambda x, v: ops.scatter(x, i, v), x, np.array([1.0, 2.0, 3.0]))
    dx, dv = pull(np.array([10.0, 20.0, 30.0]))
    np.testing.assert_array_equal(dx, [0.0, 0.0, 30.0])
    np.testing.assert_array_equal(dv, [0.0, 20.0, 10.0])


@pytest.mark.parametrize("combine", MODES)
def test_modes_of_updates(combine, rng):
    x = rng.standard_normal((3, 2))
    i = np.array([0, 7, -1, -4, 2])
    v = rng.standard_normal((5, 2))
    kept = [0, 2, 4]
    wanted = expected(x, i[kept], v[kept], combine)
    np.testing.assert_allclose(ops.scatter(x, i, v, combine, "drop"), wanted)
    wanted = expected(x, np.array([0, 2, 2, 0, 2]), v, combine)
    np.testing.assert_allclose(ops.scatter(x, i, v, combine, "clip"), wanted)
    np.testing.assert_allclose(ops.scatter(x, 5, v[0], combine, "drop"), x)
    columns = ops.scatter(x, (slice(None), np.array([0, 2, 0])), v[:3, :1], combine, "drop")
    wanted = expected(x, (slice(None), np.array([0, 0])), v[:3, :1], combine)
    np.testing.assert_allclose(columns, wanted)
    for mode in ("drop", "clip", "wrap"):
        f = lambda x, v: ops.scatter(x, i, v, combine, mode)  # noqa: B023, E731
        check_op(f, (x, v))
    with pytest.raises(IndexingError, match=r"\[scatter\] index 7 is out of bounds.*\nAt|At test"):
        ops.scatter(x, i, v, combine)


def test_every_method_of_at(rng):
    x, i = rng.uniform(1, 2, (3, 2)), np.array([0, 0, 2])
    v = rng.uniform(1, 2, (3, 2))
    for name, ufunc in {
        "add": np.add, "subtract": np.subtract, "multiply": np.multiply, "mul": np.multiply,
        "divide": np.divide, "power": np.power, "min": np.minimum, "max": np.maximum,
    }.items():  # fmt: skip
        wanted = x.copy()
        ufunc.at(wanted, i, v)
        f = lambda x, v: getattr(at(x)[i], name)(v)  # noqa: B023, E731
        np.testing.assert_allclose(f(x, v), wanted, rtol=1e-14)
        check_op(f, (x, v))
    np.testing.assert_array_equal(at(x)[1].get(), x[1])
    np.testing.assert_array_equal(at(x)[9].get(mode="fill", fill_value=0), np.zeros(2))
    wanted = x.copy()
    np.sin.at(wanted, i)  # twice where an index is named twice
    apply = lambda x, i: at(x)[i].apply(sin)  # noqa: E731
    np.testing.assert_allclose(apply(x, i), wanted)
    check_op(lambda x: apply(x, i), (x,))
    np.testing.assert_allclose(jit(apply)(x, i), wanted)
    each = vmap(apply, (None, 0))(x, np.array([i, i[::-1]]))
    np.testing.assert_allclose(each, [wanted, wanted])
    once = at(x)[i].apply(sin, unique_indices=True)
    np.testing.assert_allclose(once[[0, 2]], np.sin(x[[0, 2]]))
    np.testing.assert_array_equal(
        at(x)[i].set(v, unique_indices=False, indices_are_sorted=True), expected(x, i, v, "set")
    )
    unique = at(x)[[0, 2]]
    check_op(lambda v: unique.set(v, unique_indices=True), (v[:2],))
    check_op(lambda v: unique.multiply(v, unique_indices=True), (v[:2],))


@pytest.mark.parametrize("dtype", [np.float32, np.complex64, np.int8, np.bool_])
def test_dtypes_are_kept(dtype):
    x = np.ones(3, dtype)
    for values in (True, np.ones((), np.bool_), x[:2], x[0]):
        assert at(x)[[0, 0]].set(values).dtype == dtype
    if np.dtype(dtype).kind != "b":
        assert at(x)[0].add(1).dtype == dtype
    if np.dtype(dtype).kind in "fc":
        out, pull = vjp(lambda x, v: at(x)[[0, 0]].multiply(v), x, x[:2])
        assert {out.dtype, *(c.dtype for c in pull(out))} == {np.dtype(dtype)}


def test_values_that_do_not_fit():
    x = np.ones((3, 2))
    with pytest.raises(DtypeError, match=r"values of complex128 for an array of float64"):
        at(x)[0].set(1j)
    with pytest.raises(DtypeError, match=r"values of float64 for an array of int64"):
        at(np.ones(3, int))[0].add(0.5)
    with pytest.raises(ShapeError, match=r"values of shape \(3,\) for a part of shape \(2,\)"):
        at(x)[0].set(np.ones(3))
    with pytest.raises(ShapeError, match=r"values of shape \(2, 2\) for a part of shape \(2,\)"):
        at(x)[0].set(np.ones((2, 2)))
    with pytest.raises(IndexingError, match="index 3 for axis 0"):
        at(x)[3].set(0)
    with pytest.raises(TracerAssignmentError, match=r"x\.at\[index\]\.set\(values\)"):
        at(x)[0] = 1.0
    np.testing.assert_array_equal(at(x)[0].set(np.zeros((1, 1, 2)))[0], [0, 0])


@pytest.mark.parametrize(
    "shape, indices, axis",
    [((3, 4), [[0, 1], [3, -1], [2, 2]], 1), ((3, 4), [[0, 2, 1, -1]], 0), ((4,), [1, 1, 2], 0),
     ((3, 4), [0, 5, 11, -1], None)],
)  # fmt: skip
def test_put_along_axis_is_numpys(shape, indices, axis, rng):
    x, indices = rng.standard_normal(shape), np.array(indices)
    values = rng.standard_normal(indices.shape)
    wanted = x.copy()
    np.put_along_axis(wanted, indices, values, axis)
    np.testing.assert_array_equal(ops.put_along_axis(x, indices, values, axis), wanted)
    f = lambda x, v: ops.put_along_axis(x, indices, v, axis)  # noqa: E731
    check_op(f, (x, values))
    check_vmap(lambda x, i, v: ops.put_along_axis(x, i, v, axis), (x, indices, values))


@pytest.mark.parametrize("combine", ["set", "add", "mul"])
def test_transposes_of_updates_are_linear_maps(combine, rng):
    x, i = rng.standard_normal(4), np.array([1, 1, 3])
    v = rng.standard_normal(3)
    f = lambda x: ops.scatter(x, i, 0.0 if combine != "mul" else v, combine)  # noqa: E731
    ct = rng.standard_normal(4)
    back = linear_transpose(f, x)(ct)[0]
    np.testing.assert_allclose(np.dot(back, x), np.dot(ct, f(x)))
    again = linear_transpose(lambda ct: linear_transpose(f, x)(ct)[0], ct)(x)[0]
    np.testing.assert_allclose(again, f(x))


def test_staged_updates_run(rng):
    x, i, v = rng.standard_normal((4, 2)), np.array([1, 1]), rng.standard_normal((2, 2))
    for combine in MODES:
        f = lambda x, i, v: [*vjp(lambda x, v: ops.scatter(x, i, v, combine), x, v)[1](x)]  # noqa: B023, E731
        closed = stage(f, [aval_of(x), aval_of(i), aval_of(v)])
        for found, wanted in zip(closed(x, i, v), f(x, i, v), strict=True):
            np.testing.assert_allclose(found, wanted)
    out = vmap(lambda i: ops.scatter(np.zeros(3), i, 1.0))(np.arange(3))
    np.testing.assert_array_equal(out, np.eye(3))


@pytest.mark.parametrize("mode", ["clip", "fill", "drop", "wrap"])
@pytest.mark.parametrize("method", ["set", "add", "mul", "min", "get"])
@pytest.mark.parametrize("index", [9, 1, -1, np.int64(1), np.int32(9)], ids=repr)
def test_numbers_may_be_traced_indices(method, mode, index):
    x = np.arange(1.0, 4.0)

    def f(x, i):
        chosen = at(x)[i]
        return chosen.get(mode=mode) if method == "get" else getattr(chosen, method)(5.0, mode=mode)

    def slope(x, i):
        return vjp(lambda x: f(x, i), x)[1](np.ones_like(wanted))[0]

    wanted = f(x, np.asarray(index))
    np.testing.assert_array_equal(jit(f)(x, index), wanted)
    np.testing.assert_array_equal(vmap(f, in_axes=(None, 0))(x, np.array([index]))[0], wanted)
    np.testing.assert_array_equal(jit(slope)(x, index), slope(x, np.asarray(index)))
