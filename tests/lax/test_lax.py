"""fxad.lax has jax.lax's names, signatures and results."""

import inspect

import numpy as np
import pytest

import fxad
from fxad import lax
from fxad.errors import ArgumentValueError, DtypeError, ShapeError

jax = pytest.importorskip("jax", reason="JAX is the oracle")

rng = np.random.default_rng(3)
V, W = rng.normal(size=5), np.abs(rng.normal(size=5)) + 0.1
M, N = rng.normal(size=(3, 4)), rng.normal(size=(3, 4))
K, J = np.array([7, -7, 5, -5]), np.array([2, 2, -3, -3])
B = np.array([True, False, True])
C = V + 1j * W
U = np.array([0, 1, 200, 255], np.uint8)

CALLS = {
    **{
        name: [(V,), (V.astype(np.float32),)]
        for name in [
            "abs",
            "ceil",
            "cos",
            "cosh",
            "digamma",
            "erf",
            "erfc",
            "exp",
            "exp2",
            "expm1",
            "floor",
            "is_finite",
            "lgamma",
            "logistic",
            "neg",
            "sign",
            "sin",
            "sinh",
            "square",
            "tan",
            "tanh",
            "asinh",
            "atan",
            "cbrt",
            "reciprocal",
        ]
    },
    **{name: [(W,)] for name in ["log", "log1p", "rsqrt", "sqrt"]},
    **{name: [(np.tanh(V),)] for name in ["acos", "asin", "atanh", "erf_inv"]},
    "acosh": [(1 + W,)],
    **{
        name: [(V, W), (V, 2.0)]
        for name in ["add", "sub", "mul", "div", "rem", "max", "min", "atan2"]
    },
    **{name: [(V, V[::-1]), (K, J)] for name in ["eq", "ne", "lt", "le", "gt", "ge"]},
    **{name: [(V, W), (V, 2.0), (K, J)] for name in ["div", "rem", "add", "mul"]},
    "pow": [(W, V), (W, 2)],
    "integer_pow": [(V, 3), (V, -2), (K, 2)],
    "nextafter": [(V, W)],
    "complex": [(V, W)],
    **{name: [(C,)] for name in ["conj", "real", "imag"]},
    **{name: [(K, J), (B, B[::-1])] for name in ["bitwise_and", "bitwise_or", "bitwise_xor"]},
    "bitwise_not": [(K,), (B,), (U,)],
    "shift_left": [(K, 2)],
    "shift_right_arithmetic": [(K, 2), (U, np.uint8(3))],
    "shift_right_logical": [(K, 2), (U, np.uint8(3)), (K.astype(np.int8), np.int8(1))],
    "population_count": [(K,), (U,)],
    "clz": [(K,), (U,), (np.array([0, 1, -1], np.int32),)],
    "round": [(np.array([0.5, 1.5, -2.5, 0.49]),)],
    "select": [(B, V[:3], W[:3])],
    "select_n": [(B, V[:3], W[:3]), (np.array([2, 0, 1], np.int32), V[:3], W[:3], V[2:])],
    "clamp": [(-0.5, V, 0.5)],
    "convert_element_type": [(V, np.int32)],
    "bitcast_convert_type": [(V.astype(np.float32), np.int32)],
    "reshape": [(M, (2, 6)), (M, (4, 3), (1, 0))],
    "transpose": [(M, (1, 0))],
    "rev": [(M, (1,))],
    "broadcast": [(V, (2, 3))],
    "broadcast_in_dim": [(V, (2, 5, 3), (1,))],
    "expand_dims": [(V, (0, 2))],
    "squeeze": [(M[None], (0,))],
    "collapse": [(M[None], 0, 2)],
    "concatenate": [([M, N], 1)],
    "pad": [(M, 0.0, ((1, 2, 1), (-1, 0, 0)))],
    "slice": [(M, (0, 1), (3, 4), (2, 1))],
    "slice_in_dim": [(M, 1, -1, 1, 1), (V, None, None, 2)],
    "index_in_dim": [(M, -1), (M, 2, 1, False)],
    "index_take": [(M, [np.array([2, 0]), np.array([1, 1])], (0, 1))],
    "dynamic_slice": [(M, (2, -1), (2, 2))],
    "dynamic_update_slice": [(M, N[:2, :2], (9, 1))],
    "dynamic_slice_in_dim": [(V, 3, 3)],
    "dynamic_index_in_dim": [(M, 1), (M, 1, 1, False)],
    "dynamic_update_slice_in_dim": [(V, W[:2], 1, 0)],
    "dynamic_update_index_in_dim": [(M, N[0], 1, 0)],
    "split": [(V, (2, 3))],
    "tile": [(V, (2,))],
    "iota": [(np.int32, 4)],
    "broadcasted_iota": [(np.float32, (2, 3), 1)],
    "full": [((2, 3), 1.5, np.float32)],
    "full_like": [(M, 7)],
    **{
        f"reduce_{name}": [(M, (0,)), (M, (0, 1)), (M, ())]
        for name in ("sum", "prod", "max", "min")
    },
    **{f"reduce_{name}": [(K, (0,)), (B, (0,)), (U, (0,))] for name in ("and", "or", "xor")},
    **{name: [(M, 0), (M, 1, True)] for name in ["cumsum", "cumprod", "cummax", "cummin"]},
    "cumlogsumexp": [(M, 1, True)],
    "argmax": [(M, 1, np.int32)],
    "argmin": [(M, 0, np.int32)],
    "sort": [(M, 0), ((np.round(V), W),), ((np.round(V), np.round(W), V), 0, True, 2)],
    "sort_key_val": [(np.round(V), W)],
    "top_k": [(M, 2)],
    "dot": [(M, N.T), (V, W), (M, V[:4])],
    "dot_general": [(M, N, (((1,), (1,)), ((0,), (0,))))],
    "batch_matmul": [(np.stack([M, N]), np.stack([N.T, M.T]))],
}
ROUGH = {"lgamma", "digamma", "erf_inv", "cumlogsumexp", "cumprod", "pow", "exp", "tan"}


def as_list(x):
    return [np.asarray(y) for y in (x if isinstance(x, tuple | list) else (x,))]


@pytest.mark.parametrize("name", CALLS)
def test_results_are_jaxs(name):
    for args in CALLS[name]:
        wanted, got = getattr(jax.lax, name)(*args), getattr(lax, name)(*args)
        for a, b in zip(as_list(got), as_list(wanted), strict=True):
            # Places are int64 as NumPy's, where JAX's are int32.
            assert a.dtype == b.dtype or (name == "top_k" and a.dtype == np.int64)
            assert a.shape == b.shape
            rtol = 1e-5 if a.dtype == np.float32 or name in ROUGH else 1e-13
            np.testing.assert_allclose(a, b, rtol=rtol)


@pytest.mark.parametrize("name", sorted(set(lax.__all__) & set(dir(jax.lax))))
def test_signatures_begin_as_jaxs(name):
    ours, theirs = getattr(lax, name), getattr(jax.lax, name)
    if not inspect.isfunction(ours) or (name in CALLS and len(CALLS[name][0]) <= 2):
        return
    try:
        wanted = list(inspect.signature(theirs).parameters)
    except ValueError:
        return
    beyond = {"out_sharding", "sharding", "axis_index_groups"}
    parameters = inspect.signature(ours).parameters
    # Options that JAX has not are given by name.
    got = [n for n, p in parameters.items() if p.kind is not p.KEYWORD_ONLY or n in wanted]
    assert got == [p for p in wanted if p not in beyond][: len(got)]


def test_stop_gradient_takes_pytrees():
    def f(tree):
        fixed = lax.stop_gradient(tree)
        return tree["x"] * fixed["x"] + fixed["y"][0]

    assert fxad.grad(f)({"x": 3.0, "y": [2.0]}) == {"x": 3.0, "y": [0.0]}


def test_reduce_by_any_function():
    def combine(x, y):
        return {"least": lax.min(x["least"], y["least"]), "sum": lax.add(x["sum"], y["sum"])}

    found = lax.reduce({"least": M, "sum": M}, {"least": np.inf, "sum": 0.0}, combine, (1,))
    np.testing.assert_allclose(found["least"], M.min(1))
    np.testing.assert_allclose(found["sum"], M.sum(1))
    assert lax.reduce(np.zeros((0, 2)), 1.0, lax.mul, (0,)).tolist() == [1.0, 1.0]
    gradient = fxad.grad(lambda x: lax.reduce(x, 1.0, lax.mul, (0, 1)))(N)
    np.testing.assert_allclose(gradient, N.prod() / N)


def test_bad_arguments():
    with pytest.raises(ArgumentValueError, match=r"\[select_n\] got 3 cases for which=bool"):
        lax.select_n(B, V, V, V)
    with pytest.raises(ShapeError, match=r"\[full\] got .*\(5,\), wanted one number"):
        lax.full((5,), V)
    with pytest.raises(ShapeError, match="inner lengths agree"):
        lax.dot(M, N)
    with pytest.raises(DtypeError, match=r"\[reduce_and\] got float64"):
        lax.reduce_and(V, (0,))
    with pytest.raises(DtypeError, match=r"\[shift_right_logical\] got float64"):
        lax.shift_right_logical(V, 1)
    with pytest.raises(ShapeError, match=r"\[batch_matmul\]"):
        lax.batch_matmul(V, V)
