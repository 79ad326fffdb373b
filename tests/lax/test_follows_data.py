"""What functions of ``fxad.lax`` compute of several operations stays where the operands are."""

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import fxad
import fxad.tree as tree
from fxad import lax
from tests.backends.test_follows_data import assert_there, away, fake

X = np.arange(12.0).reshape(3, 4)
PLACES = np.array([[1, 0], [2, 2], [9, -1]])
K = np.array([[5, -3], [2, 0]])
POINTS = ((), (0, 1), (0, 1))
BLOCKS = ((1, 2), (), (0, 1))


def gather(numbers: Any, sizes: Any, mode: Any) -> Callable[..., Any]:
    return lambda x, i: lax.gather(x, i, lax.GatherDimensionNumbers(*numbers), sizes, mode=mode)


def scatter(name: str, mode: Any = None) -> Callable[..., Any]:
    numbers = lax.ScatterDimensionNumbers(*POINTS)
    return lambda x, i, u: getattr(lax, name)(x, i, u, numbers, mode=mode)


def over_axis(collective: Callable[..., Any]) -> Callable[..., Any]:
    return fxad.vmap(lambda x: collective(x, "i"), axis_name="i")


CALLS: dict[str, tuple[Callable[..., Any], tuple[Any, ...]]] = {
    "gather points": (gather(POINTS, (1, 1), "clip"), (X, PLACES)),
    "gather blocks": (gather(BLOCKS, (2, 2), "fill"), (X, PLACES)),
    "gather rows": (gather(((1,), (), (), (0,), (0,)), (1, 4), None), (X, PLACES[:, :0])),
    "scatter": (scatter("scatter", "clip"), (X, PLACES[:2], X[0, :2])),
    "scatter_sub": (scatter("scatter_sub"), (X, PLACES, X[0, :3])),
    "scatter_mul": (scatter("scatter_mul"), (X, PLACES, X[0, :3])),
    "scatter_apply": (
        lambda x: lax.scatter_apply(
            x, PLACES, lax.neg, lax.ScatterDimensionNumbers(*POINTS), update_shape=(3,)
        ),
        (X,),
    ),
    "apply at equal indices": (lambda x: fxad.numpy.at(x)[[0, 0, 2]].apply(lax.neg), (X,)),
    "apply at indices there": (lambda x, i: fxad.numpy.at(x)[i].apply(lax.neg), (X, K[1])),
    "parted by an ellipsis": (lambda x, i: fxad.numpy.at(x[None])[:, i, ..., i].get(), (X, K[1])),
    "mul in a wider dtype": (lambda x: lax.mul(x, x, out_dtype=np.float64), (X.astype("f"),)),
    "div": (lax.div, (K, K.T)),
    "rem": (lax.rem, (K, K.T)),
    "pow": (lax.pow, (X, np.arange(12).reshape(3, 4))),
    "shift_right_logical": (lambda x: lax.shift_right_logical(x, 1), (K,)),
    "clz": (lax.clz, (K,)),
    "population_count": (lax.population_count, (K,)),
    "mulhi": (lax.mulhi, (K, K)),
    "conj": (lax.conj, (X,)),
    "complex": (lambda x: lax.complex(x, 1.0), (X,)),
    "round": (lax.round, (X / 2,)),
    "clamp": (lambda x: lax.clamp(0.5, x, 5.0), (X,)),
    "select_n": (lax.select_n, (K, K, K + 1, K + 2)),
    "reduce_max of nothing": (lambda x: lax.reduce_max(x, (0,)), (X[:0],)),
    "reduce_xor": (lambda x: lax.reduce_xor(x, (0, 1)), (K,)),
    "reduce_and of nothing": (lambda x: lax.reduce_and(x, (0,)), (K[:0],)),
    "top_k": (lambda x: lax.top_k(x, 2), (X,)),
    "sort": (lambda *xs: lax.sort(xs, num_keys=2), (X // 2, X // 3, X)),
    "full": (lambda x: lax.full((2,), x[0, 0]), (X,)),
    "full_like": (lambda x: lax.full_like(x, 2), (X,)),
    "index_take": (lambda x: lax.index_take(x, [np.array([0, 9])], (1,)), (X,)),
    "dynamic_slice": (
        lambda x, s: lax.dynamic_slice(x, s, (1, 2), allow_negative_indices=False),
        (X, np.array([1, -1])),
    ),
    "broadcast_in_dim": (lambda x: lax.broadcast_in_dim(x, (4, 3), (1, 0)), (X,)),
    "optimization_barrier": (lambda x: lax.optimization_barrier({"x": x}), (X,)),
    "cholesky": (lax.linalg.cholesky, (X @ X.T + 9 * np.eye(3),)),
    "eigh": (lambda x: lax.linalg.eigh(x, subset_by_index=(0, 2)), (X @ X.T,)),
    "psum": (over_axis(lax.psum), (X,)),
    "pmax": (over_axis(lax.pmax), (X,)),
    "psum_scatter": (over_axis(lax.psum_scatter), (X[:, :3],)),
    "ppermute": (over_axis(lambda x, i: lax.ppermute(x, i, [(0, 1), (2, 0)])), (X,)),
    "axis_index": (over_axis(lambda x, i: x * lax.axis_index(i)), (X,)),
}


@pytest.mark.parametrize("name", CALLS)
def test_results_are_where_operands_are(name):
    fun, args = CALLS[name]
    wanted = fun(*args)
    for call in (fun, fxad.jit(fun)):
        out = call(*map(away, args))
        assert_there(out)
        for x, y in zip(tree.leaves(tree.map(fake.get, out)), tree.leaves(wanted), strict=True):
            np.testing.assert_allclose(x, y, rtol=1e-12)
