"""Sorting and searching: NumPy's order, tangents that move with their elements, batches."""

import functools
import warnings

import numpy as np
import pytest

import fxad.ops.sorting as sorting
from fxad.core.aval import aval_of
from fxad.core.staging import stage
from fxad.errors import ArgumentValueError, ShapeError
from fxad.ops.base import reduce_sum
from fxad.ops.elementwise import mul
from fxad.transforms.linearize import grad, vjp
from fxad.transforms.vmap import vmap
from tests.ops.checks import assert_same, check_abstract, check_op, check_value, check_vmap

DTYPES = "?bBhHiIlLefdFD"
SHAPES = [(1,), (7,), (0,), (3, 5), (0, 3), (3, 0), (2, 3, 4)]
nan, inf = np.nan, np.inf


def sample(rng, shape, dtype):
    """Few distinct values, so that many are equal; infinities and NaN where the dtype has them."""
    x = rng.integers(0, 6, shape).astype(dtype)
    if dtype in "efdFD" and x.size > 4:
        x.flat[rng.integers(0, x.size, 3)] = nan, -inf, inf
    if dtype in "FD":
        x.imag = rng.choice([0, 1, nan, -inf], shape)
    return x


@pytest.mark.parametrize("dtype", DTYPES)
def test_sorts_are_numpys(dtype, rng):
    for shape in SHAPES:
        x = sample(rng, shape, dtype)
        for axis in (None, *range(-len(shape), len(shape))):
            for stable in (False, True):
                kind = "stable" if stable else None
                for fun, reference in [(sorting.sort, np.sort), (sorting.argsort, np.argsort)]:
                    call = functools.partial(fun, axis=axis, stable=stable)
                    check_value(call, functools.partial(reference, axis=axis, kind=kind), [x])
                    check_abstract(call, [x])


@pytest.mark.parametrize("dtype", "bfD")
@pytest.mark.parametrize("kth", [0, -1, (1, -2), np.array([2])])
def test_partitions_are_numpys(dtype, kth, rng):
    for shape, axis in [((7,), 0), ((3, 5), -1), ((5, 3), 0), ((2, 3), None)]:
        x = sample(rng, shape, dtype)
        for fun, reference in [
            (sorting.partition, np.partition),
            (sorting.argpartition, np.argpartition),
        ]:
            call = functools.partial(fun, kth=kth, axis=axis)
            check_value(call, functools.partial(reference, kth=kth, axis=axis), [x])
            check_abstract(call, [x])


def test_numbers_have_no_order_to_sort():
    assert_same(sorting.sort(np.float32(2), axis=None), np.array([2], np.float32))
    with pytest.raises(ArgumentValueError, match=r"\[sort\] got axis -1 for an array with 0 dim"):
        sorting.sort(2.0)


SORTS = {
    "sort": lambda x: sorting.sort(x, 0),
    "sort last": sorting.sort,
    "sort flat": lambda x: sorting.sort(x, None, stable=True),
    "partition": lambda x: sorting.partition(x, 2, 0),
    "top_k": lambda x: sorting.top_k(x, 2),
    "top_k first": lambda x: sorting.top_k(x, 3, 0),
    "sort_together": lambda x: sorting.sort_together([x, mul(x, x)], 0),
}


@pytest.mark.parametrize("name", SORTS)
def test_derivatives(name, rng):
    def fun(x):
        out = SORTS[name](x)
        return out[0] if isinstance(out, tuple) else out

    check_op(fun, [rng.normal(size=(4, 3))])
    check_op(fun, [rng.normal(size=(4, 3)).astype(np.float32)], order=1)
    check_op(fun, [rng.normal(size=(3, 2)) + 1j * rng.normal(size=(3, 2))])
    check_vmap(fun, [rng.normal(size=(3, 2))])


@pytest.mark.parametrize(
    "fun",
    [
        sorting.argsort,
        functools.partial(sorting.argpartition, kth=1),
        functools.partial(sorting.top_k, k=2),
    ],
)
def test_batches_of_places(fun, rng):
    x = rng.normal(size=(3, 4))
    check_vmap(lambda x: fun(x, axis=0), [x], 3)
    check_vmap(lambda x: fun(x, axis=-1), [x], 3)


def test_equal_elements_keep_their_order_in_the_derivative():
    jax = pytest.importorskip("jax")
    x, w = np.array([2.0, 1.0, 2.0, 1.0, 1.0]), np.arange(5.0)
    ours = grad(lambda x: reduce_sum(mul(sorting.sort(x), w), (0,)))(x)
    assert_same(ours, np.asarray(jax.grad(lambda x: (jax.numpy.sort(x) * w).sum())(x)))
    assert_same(ours, np.array([3.0, 0.0, 4.0, 1.0, 2.0]))


def test_the_pullback_of_a_sort_does_not_add_up():
    # A permutation names no element twice: its transpose assigns, in whatever precision.
    x = np.arange(6.0, dtype=np.float16)[::-1].reshape(2, 3)
    _, pull = vjp(sorting.sort, x)
    assert_same(pull(np.ones((2, 3), np.float16))[0], np.ones((2, 3), np.float16))


# Several keys -------------------------------------------------------------------------------------


@pytest.mark.parametrize("dtype", "?bfD")
def test_lexsort_is_numpys(dtype, rng):
    for shape in [(6,), (3, 4), (0,)]:
        keys = [sample(rng, shape, dtype), rng.integers(0, 2, shape)]
        for axis in range(-len(shape), len(shape)):
            call = functools.partial(sorting.lexsort, axis=axis)
            assert_same(call(keys), np.lexsort(keys, axis=axis))
            check_abstract(lambda *keys: call(keys), keys)  # noqa: B023
    keys = rng.integers(0, 2, (3, 5))
    assert_same(sorting.lexsort(keys), np.lexsort(keys))
    assert_same(sorting.lexsort((keys[0],)), np.lexsort((keys[0],)))


def test_lexsort_batches(rng):
    check_vmap(lambda *keys: sorting.lexsort(keys), list(rng.integers(0, 2, (2, 5))), 3)
    check_vmap(lambda *keys: sorting.lexsort(keys, 0), list(rng.integers(0, 2, (2, 4, 2))), 3)


@pytest.mark.parametrize("num_keys", [1, 2, 3])
def test_sort_together_is_that_of_lax(num_keys, rng):
    lax = pytest.importorskip("jax").lax
    operands = [*rng.integers(0, 3, (2, 3, 6)), rng.normal(size=(3, 6))]
    for axis in (0, 1, -1):
        wanted = lax.sort(operands, dimension=axis % 2, num_keys=num_keys)
        fun = functools.partial(sorting.sort_together, axis=axis, num_keys=num_keys)
        assert_same(fun(operands), list(map(np.asarray, wanted)))
    check_abstract(lambda *xs: sorting.sort_together(xs, 0, num_keys), operands)
    check_vmap(lambda *xs: sorting.sort_together(xs, 0, num_keys), [x[:, 0] for x in operands])


def test_sort_together_moves_tangents(rng):
    keys, x, y = rng.normal(size=(3, 4, 3))
    check_op(lambda *xs: sorting.sort_together(xs, 1), [keys, x, y])
    check_op(lambda x, y: sorting.sort_together([np.argsort(keys, 0), x, y], 0), [x, y])


@pytest.mark.parametrize("dtype", "bBfd")
def test_top_k_is_that_of_lax(dtype, rng):
    lax = pytest.importorskip("jax").lax
    for shape, k in [((7,), 3), ((3, 5), 5), ((2, 4), 0)]:
        x = sample(rng, shape, dtype)
        values, places = sorting.top_k(x, k)
        wanted = lax.top_k(x, k)
        assert_same(values, np.asarray(wanted[0]))
        assert_same(places, np.asarray(wanted[1]).astype(np.int64))
        check_abstract(lambda x: sorting.top_k(x, k), [x])  # noqa: B023


# Search -------------------------------------------------------------------------------------------


@pytest.mark.parametrize("side", ["left", "right"])
def test_searchsorted_is_numpys(side, rng):
    fun = functools.partial(sorting.searchsorted, side=side)
    for a_dtype in DTYPES:
        for v_dtype in ("b", "L", "f", "d", "D"):
            a = np.sort(sample(rng, (9,), a_dtype))
            v = sample(rng, (3, 4), v_dtype)
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")  # an int64 and a uint64 meet in float64
                assert_same(fun(a, v), np.searchsorted(a, v, side))
            check_abstract(fun, [a, v])
    a = np.array([1, 3, 3, 200], np.uint8)
    for v in (3, 2.5, 300, np.float32(3)):
        assert_same(fun(a, v), np.searchsorted(a, v, side))
    assert_same(fun(a[:0], v), np.searchsorted(a[:0], v, side))
    shuffled = np.array([3, 1, 2])
    order = np.argsort(shuffled)
    assert_same(fun(shuffled, 2, sorter=order), np.searchsorted(shuffled, 2, side, order))


@pytest.mark.parametrize("side", ["left", "right"])
@pytest.mark.parametrize("dtype", "bfD")
def test_searchsorted_batches(side, dtype, rng):
    fun = functools.partial(sorting.searchsorted, side=side)
    sorted_rows = np.sort(sample(rng, (4, 6), dtype), axis=1)
    first = sorted_rows[0]
    for v in (sample(rng, (), dtype), sample(rng, (3,), dtype), sample(rng, (2, 5), dtype)):
        check_vmap(fun, [first, v], 4, lambda x, k: sorted_rows[k] if x is first else x)
    v = sample(rng, (5,), dtype)
    rows = vmap(fun, (0, None))(sorted_rows, v)
    assert_same(rows, np.stack([np.searchsorted(row, v, side) for row in sorted_rows]))
    twice = vmap(vmap(fun, (0, None)), (None, 0))(sorted_rows, np.stack([v, v[::-1]]))
    assert_same(twice, np.stack([rows, rows[:, ::-1]]))


def test_searchsorted_in_rows_of_every_length(rng):
    for n in range(18):
        a = np.sort(rng.integers(0, 5, (3, n)), axis=1)
        v = rng.integers(-1, 6, (3, 4))
        for side in ("left", "right"):
            wanted = [np.searchsorted(row, u, side) for row, u in zip(a, v, strict=True)]
            fun = functools.partial(sorting.searchsorted, side=side)
            assert_same(vmap(fun)(a, v), np.stack(wanted))


# Repetition ---------------------------------------------------------------------------------------


def test_repeat_each(rng):
    x = rng.normal(size=(3, 2))
    for repeats, axis in [((2, 0, 1), 0), ((1, 3), 1), (2, 0), ((1, 0, 2, 0, 1, 1), None), (0, 1)]:
        repeats = np.array(repeats)
        fun = functools.partial(sorting.repeat_each, repeats=repeats, axis=axis)
        check_value(fun, lambda x: np.repeat(x, repeats, axis), [x])  # noqa: B023
        check_abstract(fun, [x])
        check_op(fun, [x])
        total = int(np.broadcast_to(repeats, x.shape[axis] if axis is not None else x.size).sum())
        given = functools.partial(sorting.repeat_each, axis=axis, total_repeat_length=total)
        if total:
            check_value(given, lambda x, r: np.repeat(x, r, axis), [x, repeats])  # noqa: B023
            check_abstract(given, [x, repeats])
            check_vmap(given, [x, repeats])


def test_repeat_each_of_another_length():
    x, repeats = np.array([1.0, 2.0, 3.0]), np.array([1, 2, 1])
    fun = functools.partial(sorting.repeat_each, x, repeats, 0)
    assert_same(fun(2), np.array([1.0, 2.0]))
    assert_same(fun(6), np.array([1.0, 2.0, 2.0, 3.0, 3.0, 3.0]))
    with pytest.raises(ArgumentValueError, match=r"\[repeat\] got traced repeats int64\[3\]"):
        stage(lambda r: [sorting.repeat_each(x, r)], [aval_of(repeats)])
    with pytest.raises(ArgumentValueError, match=r"\[repeat\] got a negative count"):
        sorting.repeat_each(x, -repeats)


@pytest.mark.parametrize(
    ("call", "kind", "text"),
    [
        (lambda x: sorting.sort(x, 2), ArgumentValueError, r"\[sort\] got axis 2"),
        (lambda x: sorting.argsort(x, -3), ArgumentValueError, r"\[argsort\] got axis -3"),
        (lambda x: sorting.partition(x, 3), ArgumentValueError, r"\[partition\] got kth=3 for an"),
        (lambda x: sorting.top_k(x, 4), ArgumentValueError, r"\[top_k\] got k=4 for an axis of"),
        (lambda x: sorting.lexsort([]), ArgumentValueError, r"\[lexsort\] got no keys"),
        (lambda x: sorting.lexsort([x, x.T]), ShapeError, r"\[lexsort\] got keys of shapes"),
        (lambda x: sorting.sort_together([x, x.T]), ShapeError, r"\[sort\] got operands of shapes"),
        (lambda x: sorting.sort_together([x], 0, 2), ArgumentValueError, r"got num_keys=2 for 1"),
        (lambda x: sorting.searchsorted(x, 1.0), ShapeError, r"\[searchsorted\] got \(2, 3\)"),
        (lambda x: sorting.searchsorted(x[0], 1, "up"), ArgumentValueError, r"got side='up'"),
    ],
)
def test_errors_name_the_operation(call, kind, text):
    with pytest.raises(kind, match=text):
        call(np.ones((2, 3)))
