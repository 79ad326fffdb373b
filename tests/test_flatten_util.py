"""A pytree as one array and back."""

import numpy as np
import pytest

import fxad
import fxad.numpy as fnp
from fxad.errors import ArgumentTypeError, DtypeError, ShapeError
from fxad.flatten_util import ravel_pytree

TREE = {"w": np.arange(6.0).reshape(2, 3), "b": (np.array(7.0), [np.array([8.0, 9.0])])}


def test_round_trip():
    flat, unravel = ravel_pytree(TREE)
    assert flat.tolist() == [7.0, 8.0, 9.0, 0.0, 1.0, 2.0, 3.0, 4.0, 5.0]
    back = unravel(flat)
    assert fxad.tree.structure(back) == fxad.tree.structure(TREE)
    for got, want in zip(fxad.tree.leaves(back), fxad.tree.leaves(TREE), strict=True):
        np.testing.assert_array_equal(got, want)
        assert got.shape == want.shape


@pytest.mark.parametrize("leaf", [np.arange(3.0), np.zeros((0, 2)), np.eye(2).T])
def test_nothing_is_shared(leaf):
    before = leaf.copy()
    flat, unravel = ravel_pytree([leaf])
    flat += 1
    (back,) = unravel(flat)
    np.testing.assert_array_equal(leaf, before)
    back += 1
    np.testing.assert_array_equal(flat, before.ravel() + 1)


def test_mixed_dtypes_come_back():
    flat, unravel = ravel_pytree([np.float32(1.5), np.array([2, 3], np.int32), True])
    assert flat.dtype == np.float64
    back = unravel(2 * flat)
    assert [np.asarray(x).dtype.name for x in back] == ["float32", "int32", "bool"]
    assert [np.asarray(x).tolist() for x in back] == [3.0, [4, 6], True]
    with pytest.raises(DtypeError, match=r"\[unravel\] got float32\[4\], wanted float64"):
        unravel(flat.astype(np.float32))


def test_one_dtype_takes_any():
    flat, unravel = ravel_pytree([np.zeros(2, np.float32), np.ones(1, np.float32)])
    assert flat.dtype == np.float32
    assert [x.dtype.name for x in unravel(flat.astype(np.float64))] == ["float64", "float64"]


def test_empty():
    flat, unravel = ravel_pytree({"a": []})
    assert flat.shape == (0,)
    assert unravel(flat) == {"a": []}


def test_trees_of_one_form_have_equal_functions_back():
    count = []
    run = fxad.jit(lambda flat, back: count.append(1) or back(2.0 * flat), static_argnums=1)
    for value in (1.0, 2.0):
        flat, unravel = ravel_pytree({"a": np.full(2, value), "b": value})
        out = run(flat, unravel)
        assert (out["a"].tolist(), out["b"]) == ([2.0 * value] * 2, 2.0 * value)
    assert len(count) == 1
    for other in ({"a": np.ones(3), "b": 1.0}, {"a": np.ones(2), "c": 1.0}):
        assert ravel_pytree(other)[1] != unravel


def test_errors():
    _, unravel = ravel_pytree(TREE)
    with pytest.raises(ShapeError, match=r"\[unravel\] got float64\[8\], wanted shape \(9,\)"):
        unravel(np.zeros(8))
    with pytest.raises(ArgumentTypeError, match=r"\[ravel_pytree\] got str 'no'"):
        ravel_pytree({"a": "no"})


def test_under_transformations():
    flat, unravel = ravel_pytree(TREE)

    def energy(tree):
        return fnp.sum(fnp.sin(tree["w"])) * tree["b"][0] + fnp.sum(tree["b"][1][0] ** 2)

    gradient = fxad.grad(lambda v: energy(unravel(v)))(flat)
    wanted, _ = ravel_pytree(fxad.grad(energy)(TREE))
    np.testing.assert_allclose(gradient, wanted, rtol=1e-14)
    np.testing.assert_allclose(fxad.jit(fxad.grad(lambda v: energy(unravel(v))))(flat), gradient)
    ravelled = fxad.grad(lambda tree: fnp.sum(ravel_pytree(tree)[0] ** 2))(TREE)
    np.testing.assert_array_equal(ravelled["w"], 2 * TREE["w"])
    batch = np.stack([flat, 2 * flat])
    rows = fxad.vmap(lambda v: unravel(v)["w"])(batch)
    np.testing.assert_array_equal(rows, np.stack([TREE["w"], 2 * TREE["w"]]))
