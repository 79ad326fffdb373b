"""Products against NumPy's, with their derivatives and batches."""

import numpy as np
import pytest

import fxad.ops.contraction as ops
import fxad.ops.dot_general as products
from fxad.compiler.jit import jit
from fxad.control.checkpoint import checkpoint
from fxad.core.aval import aval_of
from fxad.errors import ArgumentValueError, ShapeError
from fxad.transforms.derivatives import hessian
from fxad.transforms.linearize import grad, vjp
from fxad.transforms.vmap import vmap
from tests.ops.checks import check_op, check_vmap

MATMUL_SHAPES = [
    ((2, 3), (3, 4)),
    ((3,), (3,)),
    ((2, 3), (3,)),
    ((3,), (3, 4)),
    ((5, 2, 3), (3, 4)),
    ((5, 2, 3), (5, 3, 4)),
    ((2, 3), (5, 3, 4)),
    ((5, 1, 2, 3), (4, 3, 2)),
    ((5, 1, 2, 3), (1, 4, 3, 2)),
    ((1, 2, 3), (5, 3, 2)),
    ((1, 2, 3), (1, 3, 2)),
    ((6, 1, 2, 3), (6, 5, 3, 2)),
    ((5, 2, 3), (3,)),
    ((3,), (5, 3, 2)),
    ((2, 0), (0, 3)),
    ((0, 2, 3), (3, 4)),
    ((1, 2, 3), (0, 3, 4)),
]

DIMENSION_NUMBERS = [
    ((2, 3), (3, 4), (((1,), (0,)), ((), ()))),
    ((3, 2), (3, 4), (((0,), (0,)), ((), ()))),
    ((2, 3), (4, 3), (((1,), (1,)), ((), ()))),
    ((3, 2), (4, 3), (((0,), (1,)), ((), ()))),
    ((2,), (3,), (((), ()), ((), ()))),
    ((), (3, 2), (((), ()), ((), ()))),
    ((2, 3, 4), (4, 5, 2), (((2, 0), (0, 2)), ((), ()))),
    ((2, 3, 4), (4, 5, 3), (((1, 2), (2, 0)), ((), ()))),
    ((2, 3, 4), (4, 2, 5), (((2,), (0,)), ((0,), (1,)))),
    ((2, 3, 4, 5), (5, 3, 2, 6), (((3,), (0,)), ((1, 0), (1, 2)))),
    ((2, 3), (2, 3), (((), ()), ((0, 1), (0, 1)))),
    ((2, 3), (2, 3), (((1,), (1,)), ((0,), (0,)))),
]


def reference(x, y, dims):
    (lc, rc), (lb, rb) = dims
    left = list(range(x.ndim))
    right = [100 + d for d in range(y.ndim)]
    for i, j in zip(lc + lb, rc + rb, strict=True):
        right[j] = i
    free = [d for d in left if d not in lc + lb] + [d for d in right if d >= 100]
    names = {d: i for i, d in enumerate(left + [d for d in right if d >= 100])}
    return np.einsum(
        x, [names[d] for d in left], y, [names[d] for d in right],
        [names[d] for d in [*lb, *free]],
    )  # fmt: skip


def normal(rng, shape, dtype=np.float64):
    x = rng.standard_normal(shape)
    if np.dtype(dtype).kind == "c":
        x = x + 1j * rng.standard_normal(shape)
    return np.asarray(x, dtype)


@pytest.mark.parametrize("x_shape, y_shape, dims", DIMENSION_NUMBERS)
def test_dot_general(x_shape, y_shape, dims, rng):
    x, y = normal(rng, x_shape), normal(rng, y_shape)

    def f(x, y):
        return products.dot_general(x, y, dims)

    np.testing.assert_allclose(f(x, y), reference(x, y, dims), rtol=1e-12)
    check_op(f, (x, y))
    check_vmap(f, (x, y))


@pytest.mark.parametrize("x_shape, y_shape", MATMUL_SHAPES)
def test_matmul_is_numpys(x_shape, y_shape, rng):
    x, y = normal(rng, x_shape), normal(rng, y_shape)
    out = ops.matmul(x, y)
    np.testing.assert_allclose(out, x @ y, rtol=1e-12)
    assert np.shape(out) == np.shape(x @ y)
    check_op(ops.matmul, (x, y))


@pytest.mark.parametrize("x_shape, y_shape", MATMUL_SHAPES[:9])
def test_matmul_over_every_batch_axis(x_shape, y_shape, rng):
    check_vmap(ops.matmul, (normal(rng, x_shape), normal(rng, y_shape)))


@pytest.mark.parametrize("name", ["dot", "inner", "outer", "tensordot", "kron", "vdot", "vecdot"])
@pytest.mark.parametrize("dtypes", [(np.complex128, np.float64), (np.float64, np.float64)])
def test_functions_are_numpys(name, dtypes, rng):
    shapes = {
        "dot": [((3,), (3,)), ((2, 3), (3,)), ((2, 3), (4, 3, 5)), ((), (2, 3)), ((4,), ())],
        "inner": [((3,), (3,)), ((2, 3), (4, 3)), ((), (3,))],
        "outer": [((3,), (2,)), ((2, 3), (2,)), ((), (3,))],
        "tensordot": [((2, 3, 4), (3, 4, 5)), ((3, 4), (3, 4))],
        "kron": [((2, 3), (4, 5)), ((3,), (2, 2)), ((2, 1, 2), (3,)), ((), (2,))],
        "vdot": [((3,), (3,)), ((2, 3), (3, 2)), ((), ())],
        "vecdot": [((3,), (3,)), ((4, 3), (3,)), ((4, 1, 3), (5, 3))],
    }[name]
    for x_shape, y_shape in shapes:
        x, y = normal(rng, x_shape, dtypes[0]), normal(rng, y_shape, dtypes[1])
        out = getattr(ops, name)(x, y)
        wanted = getattr(np, name)(x, y)
        np.testing.assert_allclose(out, wanted, rtol=1e-12)
        assert np.shape(out) == np.shape(wanted)
        assert np.asarray(out).dtype == np.asarray(wanted).dtype
        check_op(getattr(ops, name), (x, y))
        check_vmap(getattr(ops, name), (x, y))


@pytest.mark.parametrize("axes", [0, 1, ([1], [0]), ([0, 1], [1, 0]), (-1, 0), ((), ())])
def test_axes_of_tensordot(axes, rng):
    x, y = normal(rng, (3, 3)), normal(rng, (3, 3))
    np.testing.assert_allclose(ops.tensordot(x, y, axes), np.tensordot(x, y, axes), rtol=1e-12)
    check_op(lambda x, y: ops.tensordot(x, y, axes), (x, y))


@pytest.mark.skipif(not hasattr(np, "matvec"), reason="needs NumPy 2.2 as the reference")
def test_matvec_and_vecmat_are_numpys(rng):
    a, v = normal(rng, (4, 2, 3), complex), normal(rng, (5, 1, 3), complex)
    np.testing.assert_allclose(ops.matvec(a, v), np.matvec(a, v), rtol=1e-12)
    u = normal(rng, (5, 1, 2), complex)
    np.testing.assert_allclose(ops.vecmat(u, a), np.vecmat(u, a), rtol=1e-12)
    np.testing.assert_allclose(ops.vecdot(v, v, axis=0), np.vecdot(v, v, axis=0), rtol=1e-12)
    check_op(ops.matvec, (a, v))
    check_op(ops.vecmat, (u, a))


@pytest.mark.parametrize(
    "left, right",
    [(np.float32, np.float32), (np.float32, np.float64), (np.int32, np.float32),
     (np.complex64, np.float32), (np.float32, np.complex128), (np.int8, np.int16),
     (np.bool_, np.bool_), (np.float16, np.float16)],
)  # fmt: skip
def test_dtypes_promote_as_numpys(left, right, rng):
    x, y = (rng.integers(0, 2, s).astype(d) for s, d in (((2, 3), left), ((3, 4), right)))
    out = ops.matmul(x, y)
    np.testing.assert_array_equal(out, x @ y)
    assert out.dtype == (x @ y).dtype
    aval = products.dot_general_p.abstract(
        aval_of(x),
        aval_of(y),
        dimension_numbers=(((1,), (0,)), ((), ())),
        precision=None,
        preferred_element_type=None,
    )
    assert aval == aval_of(out)


@pytest.mark.parametrize("left, right", [(np.float32, np.float64), (np.complex64, np.float32)])
def test_cotangents_have_the_operands_dtypes(left, right, rng):
    x, y = normal(rng, (2, 3), left), normal(rng, (3, 4), right)
    out, pull = vjp(ops.matmul, x, y)
    dx, dy = pull(np.ones_like(out))
    assert (dx.dtype, dy.dtype) == (left, right)
    np.testing.assert_allclose(dx, np.ones((2, 4)) @ y.T, rtol=1e-5)


def test_python_numbers_are_strong_as_in_numpy():
    x = np.ones(3, np.float32)
    for name in ("dot", "inner", "outer", "kron"):
        out, wanted = getattr(ops, name)(2.0, x), getattr(np, name)(2.0, x)
        assert out.dtype == wanted.dtype
        np.testing.assert_array_equal(out, wanted)
    assert ops.dot(2, 3) == 6


def test_preferred_element_type_accumulates():
    x = np.full((1, 100), 100, np.int8)
    dims = (((1,), (1,)), ((), ()))
    assert products.dot_general(x, x, dims, preferred_element_type=np.int32)[0, 0] == 1_000_000
    half = np.full((1, 4), 300, np.float16)
    out = products.dot_general(half, half, dims, preferred_element_type=np.float32)
    assert out.dtype == np.float32
    assert out[0, 0] == 360_000
    narrow = products.dot_general(np.ones((1, 2)), np.ones((1, 2)), dims, "highest", np.float32)
    assert narrow.dtype == np.float32
    widened = dict(preferred_element_type=np.float32)
    _, pull = vjp(lambda x: products.dot_general(x, x, dims, **widened), half)
    assert pull(np.ones((1, 1), np.float32))[0].dtype == np.float16


def test_one_batched_operand_is_one_larger_product(rng):
    calls = []
    compute = products._Layout._general
    x, w = normal(rng, (7, 4, 3)), normal(rng, (3, 2))
    try:
        products._layout.cache_clear()
        products._Layout._general = lambda self, x, y: calls.append(self) or compute(self, x, y)
        out = vmap(ops.matmul, in_axes=(0, None))(x, w)
    finally:
        products._Layout._general = compute
        products._layout.cache_clear()
    assert len(calls) == 1
    assert calls[0].dims == (((2,), (0,)), ((), ()))
    np.testing.assert_allclose(out, x @ w)


def test_awkward_strides_reach_blas(rng):
    x = normal(rng, (3, 4, 5)).transpose(0, 2, 1)[:, ::2]
    y = normal(rng, (4, 6, 3)).transpose(2, 0, 1)
    np.testing.assert_allclose(ops.matmul(x, y), x @ y)
    np.testing.assert_allclose(products._for_blas(y), y)


def test_inputs_are_not_written(rng):
    x, y = normal(rng, (2, 3)), normal(rng, (3, 4))
    before = x.copy(), y.copy()
    grad(lambda x, y: ops.vdot(ops.matmul(x, y), ops.matmul(x, y)), (0, 1))(x, y)
    np.testing.assert_array_equal(x, before[0])
    np.testing.assert_array_equal(y, before[1])


def test_errors_say_what_differs():
    words = (
        r"\[matmul\] got \(3, 4\) and \(5, 6\): the inner dimensions 4 and 5 differ\. "
        r"At test_contraction\.py:\d+: ops\.matmul"
    )
    with pytest.raises(ShapeError, match=words):
        ops.matmul(np.ones((3, 4)), np.ones((5, 6)))
    with pytest.raises(ShapeError, match=r"\[matmul\] got \(\) and \(3,\), wanted at least one"):
        ops.matmul(2.0, np.ones(3))
    with pytest.raises(ShapeError, match=r"\[matmul\].*\(2,\) and \(3,\), which do not broadcast"):
        ops.matmul(np.ones((2, 1, 1)), np.ones((3, 1, 1)))
    with pytest.raises(ShapeError, match=r"\[dot\].*lengths 4 and 5"):
        ops.dot(np.ones((3, 4)), np.ones((5, 6)))
    with pytest.raises(ShapeError, match=r"\[inner\].*last lengths 4 and 6"):
        ops.inner(np.ones((3, 4)), np.ones((5, 6)))
    with pytest.raises(ShapeError, match=r"\[vdot\] got 3 and 4 elements"):
        ops.vdot(np.ones(3), np.ones(4))
    with pytest.raises(ShapeError, match=r"\[tensordot\].*differ in length"):
        ops.tensordot(np.ones((3, 4)), np.ones((5, 6)), 1)
    with pytest.raises(ArgumentValueError, match=r"\[tensordot\].*axis 2"):
        ops.tensordot(np.ones((3, 4)), np.ones((5, 6)), ([2], [0]))
    with pytest.raises(ArgumentValueError, match=r"\[tensordot\].*twice"):
        ops.tensordot(np.ones((3, 3)), np.ones((3, 3)), ([0, 0], [0, 1]))
    with pytest.raises(ShapeError, match=r"\[vecdot\]"):
        ops.vecdot(np.ones(3), np.ones(4))
    with pytest.raises(ShapeError, match=r"\[dot_general\].*contracting axes 1 and 0"):
        products.dot_general(np.ones((3, 4)), np.ones((5, 6)), (((1,), (0,)), ((), ())))
    with pytest.raises(ArgumentValueError, match=r"\[dot_general\].*distinct axes"):
        products.dot_general(np.ones((3, 4)), np.ones((5, 6)), (((2,), (0,)), ((), ())))
    with pytest.raises(ArgumentValueError, match=r"\[dot_general\].*as many axes"):
        products.dot_general(np.ones((3, 4)), np.ones((4, 6)), (((1,), ()), ((), ())))
    with pytest.raises(ArgumentValueError, match=r"\[dot_general\].*precision='best'"):
        products.dot_general(np.ones(3), np.ones(3), (((0,), (0,)), ((), ())), "best")


def test_cost_counts_multiplications_and_additions():
    avals = [aval_of(np.ones((2, 3))), aval_of(np.ones((3, 4)))]
    params = dict(
        dimension_numbers=(((1,), (0,)), ((), ())), precision=None, preferred_element_type=None
    )
    assert products.dot_general_p.cost(avals, params) == (48.0, 8.0 * (6 + 12 + 8))


@pytest.mark.parametrize(
    "square",
    [
        lambda x: products.dot_general(x, x, (((), ()), ((), ()))),
        lambda x: ops.dot(x, x),
        lambda x: ops.tensordot(x, x, 0),
    ],
)
def test_products_of_python_numbers_in_second_derivatives(square):
    """A Python number within several transforms is a number of NumPy's to a product."""
    assert hessian(square)(3.0) == 2
    assert jit(hessian(square))(3.0) == 2
    assert hessian(checkpoint(square))(3.0) == 2
