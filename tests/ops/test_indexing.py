"""Reading parts of arrays against NumPy's own indexing, for random indices."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import fxad.ops.indexing as ops
from fxad.compiler.jit import jit
from fxad.core.aval import ShapedArray, aval_of
from fxad.core.staging import stage
from fxad.errors import (
    ArgumentValueError,
    IndexingError,
    NonConcreteBooleanIndexError,
    TracerIntegerConversionError,
)
from fxad.ops.base import reduce_sum
from fxad.ops.elementwise import mul
from fxad.ops.logic import gt
from fxad.transforms.linearize import grad, vjp
from fxad.transforms.vmap import vmap
from tests.ops.checks import check_op, check_vmap


def same(found, wanted):
    assert np.shape(found) == np.shape(wanted)
    assert np.asarray(found).dtype == np.asarray(wanted).dtype
    np.testing.assert_array_equal(found, wanted)


X = np.arange(60.0).reshape(3, 4, 5)

INDICES = [
    0, -1, np.int32(1), slice(None), slice(1, None), slice(None, None, -1), slice(5, 1, -2),
    slice(2, 2), slice(10, -10, -3), ..., None, (), (..., None), (None, ..., None), (0, ..., 1),
    (slice(1, 3), None, -1, ..., slice(None, None, 2)), (1, 2, 3), (..., 1, 2, 3),
    [0, 2], [], [[0, 1], [2, 0]], np.array([0, -1]), np.array(2), np.array([1, 2], np.uint8),
    (slice(None), [0, 3]), (slice(None), [0, 3], [1, 2]), ([0, 1], slice(None), [1, 2]),
    (0, slice(None), [1, 2]), (0, [1, 2]), (slice(None), 0, [1, 2]), ([1, 2], 0),
    ([[0], [1]], [1, 2, 3]), ([0, 1], None, [1, 2]), (None, [0, 1]), (slice(None), None, [0, 1]),
    ([0, 1], ..., [2, 3]), (slice(1, 3), [0, 0], slice(None, None, -1)), (np.array(1), [0, 1], 2),
    (np.array(1), slice(None), np.array(2)), ([0, 1], slice(None), np.array(2)),
    X > 10, X < -1, X[..., 0] > 15, (X[..., 0] > 15, 1), (slice(None), X[0] > 5),
    (slice(None), X[0, :, 0] > 5, [0]), (X[:, 0, 0] > 5, slice(None), X[0, 0] > 2),
    ([True, False, True], [0, 1]), True, False, np.True_, (True, slice(None), [0, 1]),
    (slice(None), True, [0, 1]), (..., False), (0, True), (True, True), (None, X[..., 1] > 3),
    (slice(None), [0, 1], ..., [1, 2]), (slice(None), 0, ..., [1, 2, 2]), (..., 0, [1, 2]),
    (slice(None), [[0, 1]], ..., 2), (slice(None), 0, ..., X[0, 0] > 2), ([0, 1], [1, 2], ..., 0),
    ((0, 1),), (slice(None), (0, 1)), slice(np.int64(1), None), (slice(0), [0, 1]),
]  # fmt: skip


@pytest.mark.parametrize("index", INDICES, ids=str)
def test_indexing_is_numpys(index, rng):
    same(ops.getitem(X, index), X[index])
    x = rng.standard_normal(X.shape)
    check_op(lambda x: ops.getitem(x, index), (x,))
    check_vmap(lambda x: ops.getitem(x, index), (x,))


@pytest.mark.parametrize(
    "index",
    [
        lambda i: [i, 2],
        lambda i: (slice(None), [i, 0, i + 1]),
        lambda i: ([[i], [0]], ..., [1, i]),
        lambda i: (0, (i, 1)),
    ],
)
def test_lists_of_traced_integers(index):
    """They are arrays, as lists of integers are."""
    same(jit(lambda x, i: ops.getitem(x, index(i)))(X, 1), X[index(1)])
    each = vmap(lambda i: ops.getitem(X, index(i)))(np.array([0, 1]))
    same(each, np.stack([X[index(0)], X[index(1)]]))


@pytest.mark.parametrize(
    "shape, index",
    [((), ()), ((), ...), ((), None), ((), True), ((), np.True_), ((0,), []), ((0, 3), slice(1)),
     ((3, 0), [0, 1]), ((2, 0, 3), (slice(None), slice(None), [0, 1]))],
)  # fmt: skip
def test_scalars_and_empties(shape, index, rng):
    x = rng.standard_normal(shape)
    same(ops.getitem(x, index), x[index])
    check_op(lambda x: ops.getitem(x, index), (x,))


@st.composite
def shapes_and_indices(draw):
    """A shape, and an index that NumPy may or may not take."""
    shape = tuple(draw(st.lists(st.integers(0, 4), max_size=4)))
    common = tuple(draw(st.lists(st.integers(1, 3), max_size=2)))
    items = []
    axis = 0
    dots = draw(st.booleans())
    while axis < len(shape) and draw(st.integers(0, 5)):
        n = shape[axis]
        kind = draw(st.sampled_from(["int", "slice", "array", "mask", "none", "dots", "bool"]))
        if kind == "none":
            items.append(None)
            continue
        if kind == "bool":
            items.append(draw(st.booleans()))
            continue
        if kind == "dots":
            if dots:
                items.append(...)
                dots = False
                axis += draw(st.integers(0, len(shape) - axis))
            continue
        if kind == "int":
            items.append(draw(st.integers(-n - 1, n)))
        elif kind == "slice":
            bound = st.none() | st.integers(-6, 6)
            step = draw(st.none() | st.integers(-3, 3).filter(bool))
            items.append(slice(draw(bound), draw(bound), step))
        elif kind == "mask":
            ndim = draw(st.integers(1, min(2, len(shape) - axis)))
            part = shape[axis : axis + ndim]
            values = draw(st.lists(st.booleans(), min_size=16, max_size=16))
            items.append(np.array(values[: int(np.prod(part))], bool).reshape(part))
            axis += ndim - 1
        else:
            own = tuple(draw(st.sampled_from([m, 1])) for m in common)
            own = own[draw(st.integers(0, len(own))) :]
            size = int(np.prod(own))
            values = draw(st.lists(st.integers(-n, max(n - 1, 0)), min_size=size, max_size=size))
            items.append(np.array(values, int).reshape(own))
        axis += 1
    return shape, tuple(items)


@settings(max_examples=300)
@given(shapes_and_indices())
def test_random_indices(case):
    shape, index = case
    x = np.arange(float(np.prod(shape))).reshape(shape)
    try:
        wanted = x[index]
    except IndexError:
        with pytest.raises(IndexError):
            ops.getitem(x, index)
        return
    same(ops.getitem(x, index), wanted)
    _, pull = vjp(lambda x: ops.getitem(x, index), x)
    ct = np.arange(1.0, np.size(wanted) + 1).reshape(np.shape(wanted))
    expected = np.zeros(shape)
    np.add.at(expected, index, ct)
    same(pull(ct)[0], expected)
    batch = np.stack([x, x + 1, 2 * x], axis=-1)
    same(vmap(lambda x: ops.getitem(x, index), in_axes=-1)(batch), np.stack(
        [x[index], (x + 1)[index], (2 * x)[index]]))  # fmt: skip


@settings(max_examples=100)
@given(shapes_and_indices(), st.integers(0, 2))
def test_random_indices_whose_arrays_are_batched(case, batched_x):
    shape, index = case
    if not all(shape) or any(np.asarray(i).dtype == bool for i in index):
        return
    wanted_at = [i for i, e in enumerate(index) if isinstance(e, np.ndarray) and e.dtype != bool]
    if not wanted_at:
        return
    x = np.arange(float(np.prod(shape))).reshape(shape)
    try:
        x[index]
    except IndexError:
        return
    arrays = [np.stack([index[i], np.roll(index[i], 1), -1 - abs(index[i]) % 1]) for i in wanted_at]
    xs = np.stack([x, x + 100, 2 * x])

    def one(x, *arrays):
        items = list(index)
        for i, a in zip(wanted_at, arrays, strict=True):
            items[i] = a
        return ops.getitem(x, tuple(items))

    out = vmap(one, in_axes=(0 if batched_x else None, *[0] * len(arrays)))(
        xs if batched_x else x, *arrays
    )
    for k in range(3):
        single = one(xs[k] if batched_x else x, *(a[k] for a in arrays))
        same(out[k], single)


INDEX_ARRAY_CASES = [
    ((3, 4, 5), lambda x, i, j: ops.getitem(x, (i, j))),
    ((3, 4, 5), lambda x, i, j: ops.getitem(x, (i, slice(None), j))),
    ((3, 4, 5), lambda x, i, j: ops.getitem(x, (slice(None), i, j))),
    ((3, 4, 5), lambda x, i, j: ops.getitem(x, (slice(1, 3), None, i, j))),
    ((3, 4, 5), lambda x, i, j: ops.getitem(x, (0, i, slice(None, None, -1)))),
    ((3, 4, 5), lambda x, i, j: ops.getitem(x, (i, slice(None), 2))),
    ((3, 4, 5), lambda x, i, j: ops.getitem(x, (None, i))),
]


@pytest.mark.parametrize("shape, f", INDEX_ARRAY_CASES)
@pytest.mark.parametrize("i, j", [(1, 2), ([0, 2], [1, 1]), ([[0], [2]], [1, 3, 0]), ([], [])])
def test_index_arrays_over_every_batch_axis(shape, f, i, j, rng):
    i, j = np.asarray(i, int), np.asarray(j, int)
    check_vmap(f, (rng.standard_normal(shape), i, j))


def test_scalar_tracers_index(rng):
    x = rng.standard_normal((4, 3))
    out = vmap(lambda i: ops.getitem(x, i))(np.arange(4))
    same(out, x)
    out = vmap(lambda i: ops.getitem(x, (i, slice(None, None, -1))))(np.arange(4))
    same(out, x[:, ::-1])
    avals = [aval_of(x), aval_of(np.int64(1))]
    closed = stage(lambda x, i: [ops.getitem(x, (slice(None), i))], avals)
    same(closed(x, np.int64(2))[0], x[:, 2])


def test_vmap_of_grad_of_indexing(rng):
    x = rng.standard_normal((4, 3))
    i = np.array([[0, 0], [1, 3]])
    f = grad(lambda x, i: reduce_sum(mul(ops.getitem(x, i), ops.getitem(x, i)), (0, 1)))
    out = vmap(f, in_axes=(None, 0))(x, i)
    for k in range(2):
        expected = np.zeros_like(x)
        np.add.at(expected, i[k], 2 * x[i[k]])
        np.testing.assert_allclose(out[k], expected)


def test_masks_are_concrete_under_grad_and_not_under_tracing(rng):
    x = rng.standard_normal(6)
    g = grad(lambda x: reduce_sum(mul(ops.getitem(x, gt(x, 0)), ops.getitem(x, gt(x, 0))), (0,)))
    np.testing.assert_allclose(g(x), np.where(x > 0, 2 * x, 0))
    with pytest.raises(NonConcreteBooleanIndexError) as e:
        stage(lambda x: [ops.getitem(x, gt(x, 0))], [aval_of(x)], "jit")
    for part in ("[getitem]", "bool[6]", "under jit", "test_indexing.py", "fnp.where(mask, x, y)"):
        assert part in str(e.value)


def test_errors_name_the_index_and_the_shape():
    x = np.ones((3, 4))
    for index, words in [
        (3, r"index 3 for axis 0 of length 3, wanted -3 <= index < 3"),
        ((0, -5), r"index -5 for axis 1 of length 4"),
        ((0, 0, 0), r"3 indices for an array of shape \(3, 4\), wanted at most 2"),
        ((..., 0, ...), "two ellipses"),
        (1.0, r"got .*1\.0.* as an index|float64\[\] as an index"),
        (np.ones(2), r"float64\[2\] as an index"),
        ("a", "str 'a' as an index"),
        (np.ones(4, bool), r"mask of shape \(4,\) .*wanted \(3,\)"),
        (([0, 1], [0, 1, 2]), r"shapes \(2,\) and \(3,\), which do not broadcast"),
        (np.array([0, 7]), "index 7 is out of bounds for axis 0 with size 3"),
    ]:
        with pytest.raises(IndexingError, match=words) as e:
            ops.getitem(x, index)
        assert "test_indexing.py" in str(e.value)
        with pytest.raises(IndexError):
            x[index]
    with pytest.raises(TracerIntegerConversionError, match=r"lax\.dynamic_slice"):
        stage(
            lambda x, i: [ops.getitem(x, slice(i, i))],
            [aval_of(x), ShapedArray((), np.dtype(np.int64))],
        )


@pytest.mark.parametrize("axis", [None, 0, 1, -1])
@pytest.mark.parametrize("indices", [1, -1, [0, 2], [[0, 1], [2, -1]], []])
@pytest.mark.parametrize("mode", ["raise", "clip", "wrap"])
def test_take_is_numpys(axis, indices, mode, rng):
    x = rng.standard_normal((3, 4))
    shift = 0 if mode == "raise" else 5
    indices = np.asarray(indices, int) + shift * np.sign(np.asarray(indices, int))
    wanted = np.take(x, indices, axis, mode=mode)
    same(ops.take(x, indices, axis, mode), wanted)
    check_op(lambda x: ops.take(x, indices, axis, mode), (x,))
    check_vmap(lambda x, i: ops.take(x, i, axis, mode), (x, indices))


def test_modes_of_get(rng):
    x = rng.standard_normal((3, 2))
    i = np.array([0, 5, -1, -4, 2])
    nan = np.full(2, np.nan)
    same(ops.get(x, i, "fill"), np.stack([x[0], nan, x[2], nan, x[2]]))
    same(ops.get(x, i, "fill", 7.0), np.stack([x[0], [7.0, 7.0], x[2], [7.0, 7.0], x[2]]))
    same(ops.get(x, i, "clip"), np.stack([x[0], x[2], x[2], x[0], x[2]]))
    same(ops.get(x, i, "wrap"), np.stack([x[0], x[2], x[2], x[2], x[2]]))
    columns = ops.get(x, (slice(None), np.array([1, 2])), "fill", 0)
    same(columns, np.stack([x[:, 1], [0.0, 0.0, 0.0]], 1))
    same(ops.get(x, 9, "fill", 0), np.zeros(2))
    same(ops.get(x, 9, "clip"), x[2])
    same(ops.get(np.zeros((0, 2)), i, "fill", 3), np.full((5, 2), 3.0))
    for dtype, fill in [(np.int8, -128), (np.uint8, 255), (np.bool_, True)]:
        assert ops.get(np.zeros(2, dtype), 5, "fill") == fill
    for mode in ("fill", "clip", "wrap"):
        check_op(lambda x: ops.get(x, i, mode, 0), (x,))  # noqa: B023
        check_vmap(lambda x, i: ops.get(x, (slice(None), i), mode, 0), (x, i))  # noqa: B023
    with pytest.raises(ArgumentValueError, match=r"mode='best', wanted one of None"):
        ops.get(x, 0, "best")
    with pytest.raises(IndexingError, match="axis of length 0"):
        ops.get(np.zeros(0), [1], "clip")


@pytest.mark.parametrize(
    "shape, indices, axis",
    [((3, 4), [[0, 1], [3, -1], [2, 2]], 1), ((3, 4), [[0, 2, 1, -1]], 0), ((4,), [1, 1, 2], 0),
     ((3, 4), [0, 5, 11, -1], None), ((1, 4), [[0], [3]], 1),
     ((2, 3, 2), [[[0, 1]], [[2, 2]]], -2)],
)  # fmt: skip
def test_take_along_axis_is_numpys(shape, indices, axis, rng):
    x, indices = rng.standard_normal(shape), np.array(indices)
    same(ops.take_along_axis(x, indices, axis), np.take_along_axis(x, indices, axis))
    check_op(lambda x: ops.take_along_axis(x, indices, axis), (x,))
    check_vmap(lambda x, i: ops.take_along_axis(x, i, axis), (x, indices))


def test_take_along_axis_modes_and_errors(rng):
    x = rng.standard_normal((2, 3))
    same(ops.take_along_axis(x, np.array([[5], [0]]), 1, "fill", 0.0), [[0.0], [x[1, 0]]])
    same(ops.take_along_axis(x, np.array([[5], [-9]]), 1, "clip"), [[x[0, 2]], [x[1, 0]]])
    with pytest.raises(IndexingError, match=r"\(2, 3\) and indices of shape \(4, 1\)"):
        ops.take_along_axis(x, np.zeros((4, 1), int), 1)
    with pytest.raises(IndexingError, match="dtype float64, wanted integers"):
        ops.take_along_axis(x, np.zeros((2, 1)), 1)


@pytest.mark.parametrize("dtype", [np.float32, np.complex64, np.float16, np.int8, np.bool_])
def test_dtypes_are_kept(dtype):
    x = np.arange(6).reshape(2, 3).astype(dtype)
    for index in (0, [0, 1], (slice(None), [1, 1])):
        same(ops.getitem(x, index), x[index])
    if np.dtype(dtype).kind in "fc":
        _, pull = vjp(lambda x: ops.getitem(x, [0, 0]), x)
        assert pull(np.ones((2, 3), dtype))[0].dtype == dtype


def test_jaxprs_are_readable():
    x = ShapedArray((3, 4), np.dtype(float))
    i = ShapedArray((2,), np.dtype(int))
    closed = stage(lambda x, i: [ops.getitem(ops.getitem(x, slice(1, None)), (0, i))], [x, i])
    assert str(closed) == (
        "{ lambda ; a:f64[3,4] b:i64[2]. let\n"
        "    c:f64[2,4] = getitem[spec=((1, 3, 1),)] a\n"
        "    d:f64[2] = gather[spec=(0, '*')] c b\n"
        "  in (d,) }"
    )
