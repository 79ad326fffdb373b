"""Linear systems, inverses and determinants against NumPy's; one factorisation for both passes."""

import numpy as np
import pytest

import fxad.backends.numpy as numpy_backend
import fxad.ops.determinant as determinant
import fxad.ops.solve as ops
import fxad.ops.triangular as triangular
from fxad.errors import DtypeError, ShapeError
from fxad.ops.base import reduce_sum
from fxad.ops.matrices import diagonal, diagonal_matrix, hermitian_from_lower, tril, triu
from fxad.transforms.linearize import grad, vjp
from fxad.transforms.vmap import vmap
from tests.ops.checks import assert_same, check_abstract, check_op, check_value, check_vmap

DTYPES = [np.float64, np.complex128]


def normal(rng, *shape, dtype=np.float64):
    x = rng.standard_normal(shape)
    if np.dtype(dtype).kind == "c":
        x = x + 1j * rng.standard_normal(shape)
    return np.asarray(x, dtype)


def regular(rng, *shape, dtype=np.float64):
    """Well-conditioned matrices."""
    return normal(rng, *shape, dtype=dtype) + 3 * np.eye(*shape[-2:])


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize(
    "a_shape, b_shape",
    [((3, 3), (3,)), ((3, 3), (3, 2)), ((2, 3, 3), (2, 3, 1)), ((2, 3, 3), (3, 2)),
     ((3, 3), (2, 2, 3, 2)), ((2, 1, 3, 3), (2, 3, 1)), ((1, 1), (1,)), ((0, 0), (0,)),
     ((0, 0), (0, 2)), ((0, 2, 2), (0, 2, 1)), ((2, 2, 2), (2,))],
)  # fmt: skip
def test_solve(dtype, a_shape, b_shape, rng):
    a, b = regular(rng, *a_shape, dtype=dtype), normal(rng, *b_shape, dtype=dtype)
    check_value(ops.solve, np.linalg.solve, (a, b), 1e-11)
    check_abstract(ops.solve, (a, b))
    check_op(ops.solve, (a, b))


def test_solve_over_every_batch_axis(rng):
    a, b, v = regular(rng, 3, 3), normal(rng, 3, 2), normal(rng, 3)
    variant = lambda x, k: x + 0.1 * k  # noqa: E731
    check_vmap(ops.solve, (a, b), variant=variant)
    check_vmap(ops.solve, (a, v), variant=variant)
    check_vmap(ops.inv, (a,), variant=variant)
    check_vmap(determinant.det, (a,), variant=variant)
    check_vmap(determinant.slogdet, (a,), variant=variant)
    check_vmap(lambda a: ops.lu(a)[0], (a,), variant=variant)


def test_a_solve_is_factored_once(rng, monkeypatch):
    calls = []
    lu = numpy_backend.xp.lu
    monkeypatch.setattr(numpy_backend.xp, "lu", lambda a: calls.append(a.shape) or lu(a))
    a, b = regular(rng, 4, 4), normal(rng, 4)
    out, pull = vjp(ops.solve, a, b)
    pull(out), pull(out)
    assert calls == [(4, 4)]
    vmap(ops.solve, in_axes=(None, 0))(a, normal(rng, 5, 4))
    assert calls == [(4, 4)] * 2


@pytest.mark.parametrize("dtype", DTYPES)
def test_inverse_and_determinants(dtype, rng):
    for shape in [(3, 3), (2, 2, 2), (1, 1), (0, 0), (0, 2, 2)]:
        a = regular(rng, *shape, dtype=dtype)
        check_value(ops.inv, np.linalg.inv, (a,), 1e-11)
        check_value(determinant.det, np.linalg.det, (a,), 1e-11)
        check_value(determinant.slogdet, lambda a: tuple(np.linalg.slogdet(a)), (a,), 1e-11)
        for f in (ops.inv, determinant.det, determinant.slogdet):
            check_abstract(f, (a,))
            check_op(f, (a,))


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("rank", [0, 1, 2])
def test_singular_matrices_have_a_gradient_of_det(dtype, rank, rng):
    a = normal(rng, 3, rank, dtype=dtype) @ normal(rng, rank, 3, dtype=dtype)
    if rank == 0:
        a[0, 1] = 1
    check_op(determinant.det, (a,), order=2)
    zero = np.array([[1.0, 2.0], [2.0, 4.0]])
    np.testing.assert_allclose(grad(determinant.det)(zero), [[4.0, -2.0], [-2.0, 1.0]], atol=1e-14)
    stack = np.stack([zero, np.eye(2)])
    cofactors = grad(lambda a: reduce_sum(determinant.det(a), (0,)))(stack)
    np.testing.assert_allclose(cofactors, [[[4.0, -2.0], [-2.0, 1.0]], np.eye(2)], atol=1e-14)


def test_singular_matrices_are_refused():
    a = np.ones((2, 2))
    with pytest.raises(np.linalg.LinAlgError, match=r"(?s)\[solve\] got a singular .*lstsq"):
        ops.solve(a, np.ones(2))
    with pytest.raises(np.linalg.LinAlgError, match=r"(?s)\[inv\] got a singular.*pinv"):
        ops.inv(np.zeros((2, 2)))
    sign, logdet = determinant.slogdet(a)
    assert (sign, logdet) == (0, -np.inf)
    with pytest.raises(np.linalg.LinAlgError, match="singular"):
        grad(lambda a: determinant.slogdet(a)[1])(a)
    third = grad(lambda a: reduce_sum(grad(lambda b: reduce_sum(grad(determinant.det)(b), (0, 1)))(
        a), (0, 1)))  # fmt: skip
    np.testing.assert_allclose(third(np.eye(2)), np.zeros((2, 2)), atol=1e-14)
    with pytest.raises(np.linalg.LinAlgError, match="singular"):
        third(a)


def test_third_derivatives_of_det(rng):
    check_op(determinant.det, (regular(rng, 3, 3),), order=3)


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("shape", [(3, 3), (4, 2), (2, 4), (2, 3, 3), (1, 1), (0, 0), (0, 3)])
def test_lu(dtype, shape, rng):
    a = normal(rng, *shape, dtype=dtype)
    factors, pivots, permutation = ops.lu(a)
    k = min(shape[-2:])
    lower = np.tril(factors[..., :k], -1) + np.eye(shape[-2], k)
    upper = np.triu(factors[..., :k, :])
    np.testing.assert_allclose(
        lower @ upper, np.take_along_axis(a, permutation[..., None], -2), atol=1e-12
    )
    assert pivots.dtype == permutation.dtype == np.int32
    check_abstract(ops.lu, (a,))
    check_op(lambda a: ops.lu(a)[0], (a,))


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("left_side", [True, False])
@pytest.mark.parametrize("lower", [True, False])
@pytest.mark.parametrize("transpose_a", [True, False])
@pytest.mark.parametrize("unit_diagonal", [True, False])
def test_triangular_solve(dtype, left_side, lower, transpose_a, unit_diagonal, rng):
    a, b = regular(rng, 3, 3, dtype=dtype), normal(rng, 3, 3, dtype=dtype)
    options = dict(
        left_side=left_side, lower=lower, transpose_a=transpose_a, unit_diagonal=unit_diagonal
    )
    op = np.tril(a) if lower else np.triu(a)
    if unit_diagonal:
        np.fill_diagonal(op, 1)
    op = op.T if transpose_a else op

    def f(a, b):
        return triangular.triangular_solve(a, b, **options)

    wanted = np.linalg.solve(op, b) if left_side else np.linalg.solve(op.T, b.T).T
    np.testing.assert_allclose(f(a, b), wanted, atol=1e-12)
    check_op(f, (a, b))
    if dtype is np.float64:
        check_vmap(f, (a, b), variant=lambda x, k: x + 0.1 * k)
    v = f(a, b[0])
    np.testing.assert_allclose(v, f(a, b[0][:, None])[:, 0] if left_side else f(a, b[:1])[0])


def test_conjugated_and_empty_triangles(rng):
    a, b = regular(rng, 3, 3, dtype=complex), normal(rng, 3, 2, dtype=complex)
    out = triangular.triangular_solve(
        a, b, left_side=True, lower=True, transpose_a=True, conjugate_a=True
    )
    np.testing.assert_allclose(np.tril(a).conj().T @ out, b, atol=1e-12)
    empty = triangular.triangular_solve(np.ones((0, 0)), np.ones((0, 2)), left_side=True)
    assert empty.shape == (0, 2)


@pytest.mark.parametrize("dtype", [np.float32, np.complex64, np.int64])
def test_dtypes_are_numpys(dtype, rng):
    a = (10 * regular(rng, 3, 3)).astype(dtype)
    for f, reference in [
        (ops.inv, np.linalg.inv), (determinant.det, np.linalg.det),
        (lambda a: ops.solve(a, a), lambda a: np.linalg.solve(a, a)),
        (lambda a: determinant.slogdet(a)[1], lambda a: np.linalg.slogdet(a)[1]),
    ]:  # fmt: skip
        assert_same(f(a), reference(a), 1e-3, 1e-3)
        if np.dtype(dtype).kind in "fc":
            out, pull = vjp(f, a)
            assert pull(out)[0].dtype == dtype
    mixed = ops.solve(regular(rng, 3, 3, dtype=np.float32), normal(rng, 3))
    assert mixed.dtype == np.float64


def test_parts_of_matrices(rng):
    a, d = normal(rng, 2, 3, 3, dtype=complex), normal(rng, 2, 3)
    check_value(diagonal, lambda a: np.diagonal(a, axis1=-2, axis2=-1), (a,))
    check_value(tril, np.tril, (a,))
    check_value(triu, np.triu, (a,))
    check_value(diagonal_matrix, lambda d: d[..., None] * np.eye(3), (d,))
    hermitian = hermitian_from_lower(a)
    np.testing.assert_allclose(hermitian, hermitian.conj().swapaxes(-1, -2))
    np.testing.assert_allclose(np.tril(hermitian, -1), np.tril(a, -1))
    for f, x in [(diagonal, a), (tril, a), (diagonal_matrix, d), (hermitian_from_lower, a)]:
        check_op(f, (x,))
        check_vmap(f, (x,))


def test_errors_name_the_operation_and_the_shapes():
    with pytest.raises(ShapeError, match=r"\[solve\] got \(2, 3\) and \(2,\), wanted a square"):
        ops.solve(np.ones((2, 3)), np.ones(2))
    with pytest.raises(ShapeError, match=r"\[solve\] got \(2, 2\) and \(3,\), wanted \(\.\.\., 2"):
        ops.solve(np.ones((2, 2)), np.ones(3))
    with pytest.raises(ShapeError, match=r"\[solve\] got \(2,\), wanted matrices"):
        ops.solve(np.ones(2), np.ones(2))
    with pytest.raises(ShapeError, match=r"\[solve\].*do not broadcast"):
        ops.solve(np.ones((2, 2, 2)), np.ones((3, 2, 1)))
    for name, f in [("inv", ops.inv), ("det", determinant.det), ("slogdet", determinant.slogdet)]:
        with pytest.raises(ShapeError, match=rf"\[{name}\] got \(2, 3\), wanted matrices"):
            f(np.ones((2, 3)))
    with pytest.raises(DtypeError, match=r"\[inv\] got float16, wanted float32"):
        ops.inv(np.ones((2, 2), np.float16))
    with pytest.raises(ShapeError, match=r"\[triangular_solve\] got \(2, 2\) and \(3, 1\)"):
        triangular.triangular_solve(np.ones((2, 2)), np.ones((3, 1)), left_side=True)
