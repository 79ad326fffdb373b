"""``vmap``: which axes it maps over, where the batch comes out, what functions it may map."""

import gc

import numpy as np
import pytest
from scipy import special

import fxad
from fxad import lax
from fxad.core.trace import EVAL
from fxad.errors import (
    ArgumentTypeError,
    ArgumentValueError,
    AxisNameError,
    FxadError,
    ShapeError,
    StructureError,
    TracerAssignmentError,
)
from fxad.transforms.vmap import AxisSize, BatchTrace
from tests.programs_of_memory import measured

MATRIX, CUBE = np.arange(6.0).reshape(2, 3), np.arange(24.0).reshape(2, 3, 4)


def by_hand(f, x, axis):
    return np.stack([f(row) for row in np.moveaxis(x, axis, 0)])


# Axes in -----------------------------------------------------------------------------------------


@pytest.mark.parametrize("axis", [-3, -2, -1, 0, 1, 2])
def test_every_axis_of_an_argument(axis):
    f = lambda x: x.sum(0) * x[0]  # noqa: E731
    np.testing.assert_array_equal(fxad.vmap(f, in_axes=axis)(CUBE), by_hand(f, CUBE, axis))


@pytest.mark.parametrize("axis", [-2, -1, 0, 1])
def test_every_place_of_the_batch_in_a_result(axis):
    out = fxad.vmap(lambda x: x * 2.0, out_axes=axis)(MATRIX)
    np.testing.assert_array_equal(out, np.moveaxis(MATRIX * 2.0, 0, axis))


def test_an_argument_that_every_example_shares():
    f = fxad.vmap(lambda x, y: x * y, in_axes=(None, 0))
    np.testing.assert_array_equal(f(2.0, np.arange(3.0)), [0.0, 2.0, 4.0])
    np.testing.assert_array_equal(f(MATRIX[0], MATRIX), MATRIX[0] * MATRIX)


TABLE, INDICES = np.arange(6.0).reshape(3, 2), np.array([2, 0, 1, 2])


@pytest.mark.parametrize(
    ("f", "wanted"),
    [
        (lambda t, i: t[i], TABLE[INDICES]),
        (lambda t, i: t.T[:, i], TABLE[INDICES]),
        (lambda t, i: (2.0 * t)[i, 1:], 2.0 * TABLE[INDICES, 1:]),
        (lambda t, i: np.where(t > 1.0, t, 0.0)[i, 0], TABLE[INDICES, 0]),
        (lambda t, i: t[t[:, 0] > 1.0][i - 2], TABLE[1:][INDICES - 2]),
        (lambda t, i: t.at[i].set(7.0).sum(1), np.where(np.eye(3)[INDICES], 14.0, TABLE.sum(1))),
        (lambda t, i: lax.psum(t, "n")[i], 4.0 * TABLE[INDICES]),
        (lambda t, i: fxad.jit(lambda i: t[i])(i), TABLE[INDICES]),
        (lambda t, i: fxad.jit(lambda t: 2.0 * t)(t)[i], 2.0 * TABLE[INDICES]),
        (lambda t, i: fxad.checkpoint(lambda t: t * t)(t)[i], TABLE[INDICES] ** 2),
        (lambda t, i: fxad.vmap(lambda row: row[i % 2])(t), TABLE[:, INDICES % 2].T),
        (lambda t, i: fxad.vmap(lambda j: t[i, j])(np.arange(2)), TABLE[INDICES]),
        (lambda t, i: fxad.grad(lambda t: (t[i] ** 2).sum())(t).sum(0), 2.0 * TABLE[INDICES]),
        (lambda t, i: fxad.jvp(lambda t: t[i] ** 2, (t,), (t,))[1], 2.0 * TABLE[INDICES] ** 2),
    ],
)
def test_what_every_example_shares_is_indexed_by_what_differs(f, wanted):
    out = fxad.vmap(f, in_axes=(None, 0), axis_name="n")(TABLE, INDICES)
    np.testing.assert_array_equal(out, wanted)


def test_what_every_example_shares_is_known():
    def f(table, x):
        assert table.any() and table[0, 1] == 1.0 and float(table.sum()) == 15.0
        assert np.asarray(table).tolist() == table.tolist() == MATRIX.tolist()
        assert isinstance(np.array(table, np.float32), np.ndarray)
        # Functions that fxad has no rule for get the numbers.
        assert np.shares_memory(table, MATRIX)
        np.testing.assert_array_equal(special.gamma(1.0 + table), special.gamma(1.0 + MATRIX))
        return x * len(table)

    np.testing.assert_array_equal(fxad.vmap(f, (None, 0))(MATRIX, np.ones(2)), [2.0, 2.0])
    table = MATRIX.copy()
    with pytest.raises(TracerAssignmentError):
        fxad.vmap(lambda table, x: table.__setitem__(0, 5.0), (None, 0))(table, np.ones(2))
    out = fxad.vmap(lambda table, x: (table, 2.0 * table), (None, 0), None)(table, np.ones(2))
    np.testing.assert_array_equal(out, [MATRIX, 2.0 * MATRIX])
    assert not np.shares_memory(out[0], table)


def test_axes_as_pytrees_and_their_prefixes():
    tree = {"a": MATRIX, "b": (CUBE, 5.0)}
    sums = fxad.vmap(
        lambda t, x: t["a"].sum() + t["b"][0].sum() * t["b"][1] + x,
        in_axes=({"a": 0, "b": (0, None)}, None),
    )(tree, 1.0)
    np.testing.assert_array_equal(sums, MATRIX.sum(1) + CUBE.sum((1, 2)) * 5.0 + 1.0)
    outs = fxad.vmap(lambda x: {"a": x, "b": (x, 1.0)}, out_axes={"a": -1, "b": (0, None)})(MATRIX)
    np.testing.assert_array_equal(outs["a"], MATRIX.T)
    np.testing.assert_array_equal(outs["b"][0], MATRIX)
    assert outs["b"][1] == 1.0


def test_keywords_are_mapped_over_axis_0():
    out = fxad.vmap(lambda x, *, y: x + y, in_axes=None)(10.0, y=np.arange(2.0))
    np.testing.assert_array_equal(out, [10.0, 11.0])


def test_a_size_without_an_argument_to_map_over():
    np.testing.assert_array_equal(fxad.vmap(lambda: 1.0, axis_size=3)(), [1.0, 1.0, 1.0])
    out = fxad.vmap(lambda x: x, in_axes=None, out_axes=1, axis_size=2)(np.arange(3.0))
    np.testing.assert_array_equal(out, np.stack([np.arange(3.0)] * 2, 1))
    np.testing.assert_array_equal(fxad.vmap(lambda x: x, axis_size=2)(np.ones(2)), [1.0, 1.0])


def test_empty_batches():
    assert fxad.vmap(lambda x: x @ np.ones(3))(np.ones((0, 3))).shape == (0,)


def test_what_is_not_mapped_over_may_be_anything():
    f = fxad.vmap(lambda g, x, options: g(x) * len(options["name"]), in_axes=(None, 0, None))
    np.testing.assert_array_equal(f(np.negative, np.arange(2.0), {"name": "abc"}), [0.0, -3.0])
    with pytest.raises(ArgumentTypeError, match=r"\[vmap\] got type .* at argument\[0\]\[0\]"):
        fxad.vmap(lambda kind, x: x)(float, np.ones(2))


# Refusals ----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("kind", "words", "call"),
    [
        (ArgumentTypeError, "in_axes='a'", lambda: fxad.vmap(abs, in_axes="a")),
        (ArgumentTypeError, "in_axes=1.0", lambda: fxad.vmap(abs, in_axes=1.0)),
        (ArgumentTypeError, "in_axes=True", lambda: fxad.vmap(abs, in_axes=True)),
        (ArgumentTypeError, r"in_axes=\{", lambda: fxad.vmap(abs, in_axes={"x": 0})),
        (ArgumentValueError, "2 entries for 1 pos", lambda: fxad.vmap(abs, in_axes=(0, 0))(MATRIX)),
        (ArgumentValueError, "in_axes=2 for arg", lambda: fxad.vmap(abs, in_axes=2)(MATRIX)),
        (ArgumentValueError, "in_axes=-3 for arg", lambda: fxad.vmap(abs, in_axes=-3)(MATRIX)),
        (ArgumentValueError, "a single number", lambda: fxad.vmap(abs)(1.0)),
        (ArgumentValueError, "no argument to map", lambda: fxad.vmap(abs, in_axes=None)(1.0)),
        (ArgumentValueError, "different sizes: .*has 2.*has 3",
         lambda: fxad.vmap(np.add, in_axes=(0, 1))(MATRIX, MATRIX)),
        (ArgumentValueError, "axis_size=5", lambda: fxad.vmap(abs, axis_size=5)(MATRIX)),
        (StructureError, "in_axes", lambda: fxad.vmap(sum, in_axes=((0, 0, 0),))((MATRIX, MATRIX))),
        (StructureError, "out_axes", lambda: fxad.vmap(abs, out_axes=(0, 0))(MATRIX)),
        (ArgumentValueError, "out_axes=None", lambda: fxad.vmap(abs, out_axes=None)(MATRIX)),
        (ShapeError, "out_axes=2 for", lambda: fxad.vmap(abs, out_axes=2)(MATRIX)),
        (ArgumentTypeError, "wanted a function", lambda: fxad.vmap(MATRIX)),
        (AxisNameError, "'i', wanted .*none",
         lambda: fxad.vmap(lambda x: lax.psum(x, "i"))(MATRIX)),
    ],
    ids=lambda x: x if isinstance(x, str) else "",
)
def test_refusals_say_what_is_wrong(kind, words, call):
    with pytest.raises(kind, match=rf"(?s)\[(vmap|psum)\] .*{words}"):
        call()


# Names -------------------------------------------------------------------------------------------


def test_collectives_over_named_axes():
    x = np.arange(3.0)
    np.testing.assert_array_equal(
        fxad.vmap(lambda x: x / lax.psum(x, "i"), axis_name="i")(x), x / x.sum()
    )
    both = fxad.vmap(lambda x: (lax.pmean(x, "i"), lax.axis_index("i")), axis_name="i")(x)
    np.testing.assert_array_equal(both, [[1.0] * 3, range(3)])
    total = fxad.vmap(lambda x: lax.psum(x, "i"), axis_name="i", out_axes=None)(x)
    assert total == 3.0


def test_nested_names_are_kept_apart():
    def f(x):
        return lax.psum(x, "i") + 10.0 * lax.psum(x, "j") + 100.0 * lax.psum(x, ("i", "j"))

    out = fxad.vmap(fxad.vmap(f, axis_name="j"), axis_name="i")(MATRIX)
    np.testing.assert_array_equal(
        out, MATRIX.sum(0) + 10.0 * MATRIX.sum(1, keepdims=True) + 100.0 * MATRIX.sum()
    )


def test_a_collective_under_jit_and_its_gradient():
    f = fxad.jit(lambda x: x * lax.psum(x, "i"))
    batched = fxad.vmap(f, axis_name="i")
    x = np.array([1.0, 2.0, 4.0])
    np.testing.assert_array_equal(batched(x), x * 7.0)
    gradient = fxad.grad(lambda x: batched(x).sum())(x)  # of the square of the sum
    np.testing.assert_array_equal(gradient, [14.0] * 3)
    with pytest.raises(AxisNameError):
        f(1.0)


# Inside ------------------------------------------------------------------------------------------


def test_examples_have_the_shapes_of_examples():
    seen = []

    def f(x):
        seen.append((x.shape, x.ndim, x.size, len(x), x.dtype))
        return x

    fxad.vmap(f, in_axes=1)(CUBE.astype(np.float32))
    assert seen == [((2, 4), 2, 8, 2, np.float32)]


def test_results_are_the_callers_own():
    x = np.ones((2, 3))
    assert not np.shares_memory(fxad.vmap(lambda x: x)(x), x)
    spread = fxad.vmap(lambda x: 1.0)(x)
    spread[0] = 5.0  # not a broadcast view
    np.testing.assert_array_equal(spread, [5.0, 1.0])


def test_values_differ_from_example_to_example():
    with pytest.raises(FxadError, match="under vmap"):
        fxad.vmap(lambda x: x if x > 0 else -x)(np.ones(2))


def test_one_pass_for_the_whole_batch():
    count = 0

    def f(x):
        nonlocal count
        count += 1
        return x

    fxad.vmap(fxad.vmap(f))(MATRIX)
    assert count == 1


def test_nested_maps_become_one_product_of_matrices():
    a, b = np.ones((4, 3)), np.ones((3, 2))
    rows = fxad.vmap(fxad.numpy.dot, in_axes=(0, None))
    product = fxad.vmap(rows, in_axes=(None, 1), out_axes=1)
    np.testing.assert_array_equal(product(a, b), a @ b)
    primitives = [str(e.primitive) for e in fxad.make_jaxpr(product)(a, b).eqns]
    assert primitives.count("dot_general") == 1


def test_sizes_in_caches_keep_no_trace_alive():
    """Sizes stand in shapes, and what works out shapes is cached."""
    size = AxisSize(3, "i", trace := BatchTrace(EVAL, 3, "i"))
    assert size.trace is trace and size.name == "i" and size == 3
    del trace
    gc.collect()
    assert size.trace is None


def test_what_is_only_moved_is_not_copied():
    x = np.ones((300, 300))
    moved = fxad.vmap(np.sin, out_axes=1)
    assert measured(moved, x) < 1.1 * x.nbytes
    assert moved(x).flags.writeable
