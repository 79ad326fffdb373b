"""Factors of matrices: values, what they multiply to, and derivatives, also where values repeat."""

import numpy as np
import pytest

import fxad.ops.decompositions as ops
from fxad.errors import ArgumentValueError, ShapeError
from fxad.ops.base import reduce_sum
from fxad.ops.contraction import matmul
from fxad.ops.elementwise import mul
from fxad.ops.matrices import adjoint
from fxad.transforms.jvp import jvp
from fxad.transforms.linearize import grad, vjp
from tests.ops.checks import assert_same, check_abstract, check_op, check_vmap
from tests.ops.matrices import DTYPES, SQUARE, hermitian, normal, positive, varied


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("shape", SQUARE)
def test_cholesky(dtype, shape, rng):
    a = positive(rng, *shape, dtype=dtype)
    garbled = np.tril(a) + np.triu(normal(rng, *shape, dtype=dtype), 1)
    assert_same(ops.cholesky(garbled), np.linalg.cholesky(garbled), 1e-12)
    upper = ops.cholesky(a, upper=True)
    np.testing.assert_allclose(upper.conj().swapaxes(-1, -2) @ upper, a, atol=1e-12)
    check_abstract(ops.cholesky, (a,))
    check_op(ops.cholesky, (garbled,))
    check_op(lambda a: ops.cholesky(a, upper=True), (a,))


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("shape", [(3, 3), (4, 2), (2, 4), (2, 3, 2), (1, 1), (0, 0), (2, 0)])
@pytest.mark.parametrize("mode", ["reduced", "r"])
def test_qr(dtype, shape, mode, rng):
    a = normal(rng, *shape, dtype=dtype)

    def f(a):
        return ops.qr(a, mode)

    assert_same(f(a), tuple(np.linalg.qr(a)) if mode != "r" else np.linalg.qr(a, "r"), 1e-12)
    check_abstract(f, (a,))
    check_op(f, (a,))


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("shape", [(4, 2), (3, 3), (2, 4), (2, 0)])
def test_complete_qr(dtype, shape, rng):
    a = normal(rng, *shape, dtype=dtype)
    q, r = ops.qr(a, "complete")
    assert_same((q, r), tuple(np.linalg.qr(a, "complete")), 1e-12)
    check_abstract(lambda a: ops.qr(a, "complete"), (a,))
    k = min(shape)

    def determined(a):
        q, r = ops.qr(a, "complete")
        rest = q[:, k:]
        return matmul(q, r), r, matmul(rest, adjoint(rest))

    check_op(determined, (a,))
    t = normal(rng, *shape, dtype=dtype)
    _, (tq, tr) = jvp(lambda a: ops.qr(a, "complete"), (a,), (t,))
    skew = q.conj().T @ tq
    np.testing.assert_allclose(skew + skew.conj().T, 0, atol=1e-12)
    np.testing.assert_allclose(tq @ r + q @ tr, t, atol=1e-12)


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("shape", [(3, 3), (4, 2), (2, 4), (2, 3, 2), (1, 1), (0, 0), (0, 3)])
@pytest.mark.parametrize("full", [True, False])
def test_svd(dtype, shape, full, rng):
    a = normal(rng, *shape, dtype=dtype)
    u, s, vh = ops.svd(a, full_matrices=full)
    assert_same((u, s, vh), tuple(np.linalg.svd(a, full_matrices=full)), 1e-12)
    assert_same(ops.svd(a, compute_uv=False), np.linalg.svd(a, compute_uv=False), 1e-12)
    check_abstract(lambda a: ops.svd(a, full), (a,))
    check_abstract(ops.svdvals, (a,))
    check_op(ops.svdvals, (a,))
    t = normal(rng, *shape, dtype=dtype)
    _, (tu, ts, tvh) = jvp(lambda a: ops.svd(a, full), (a,), (t,))
    k = min(shape[-2:])
    left, tleft, right, tright = u[..., :k], tu[..., :k], vh[..., :k, :], tvh[..., :k, :]
    scale, tscale = s[..., None, :], ts[..., None, :]
    product = (tleft * scale) @ right + (left * tscale) @ right + (left * scale) @ tright
    np.testing.assert_allclose(product, t, atol=1e-10)
    for q, tq in ((u, tu), (vh.conj().swapaxes(-1, -2), tvh.conj().swapaxes(-1, -2))):
        turn = q.conj().swapaxes(-1, -2) @ tq
        np.testing.assert_allclose(turn + turn.conj().swapaxes(-1, -2), 0, atol=1e-10)
    if dtype is np.float64 and not full:
        check_op(lambda a: ops.svd(a, full), (a,))


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("shape", [(4, 2), (2, 4), (3, 3)])
def test_what_the_full_svd_determines(dtype, shape, rng):
    """The spaces beside the range turn as they must, whichever basis stands for them."""
    a = normal(rng, *shape, dtype=dtype)
    k = min(shape)

    def determined(a):
        u, s, vh = ops.svd(a)
        rest, other = u[:, k:], vh[k:]
        low = matmul(mul(u[:, :k], s), vh[:k])
        return low, matmul(rest, adjoint(rest)), matmul(adjoint(other), other)

    check_op(determined, (a,))


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("values", [(2, 2), (3, 0), (0, 0), (1, 1)])
@pytest.mark.parametrize("shape", [(2, 2), (4, 2), (2, 3)])
def test_degenerate_singular_values(dtype, values, shape, rng):
    """Finite everywhere; right for sums of smooth functions of the values."""
    u = np.linalg.qr(normal(rng, shape[0], shape[0], dtype=dtype))[0][:, :2]
    v = np.linalg.qr(normal(rng, shape[1], shape[1], dtype=dtype))[0][:, :2]
    a = (u * np.array(values, float)) @ v.conj().T

    def squares(a):
        s = ops.svd(a)[1]
        return reduce_sum(mul(s, mul(s, mul(s, s))), (0,))

    gram = a @ a.conj().T
    np.testing.assert_allclose(grad(squares)(a), (4 * gram @ a).conj(), atol=1e-10)
    for point in (a, np.eye(*shape, dtype=dtype) * np.resize(values, shape[1])):
        for full in (True, False):
            out, pull = vjp(lambda a: ops.svd(a, full), point)  # noqa: B023
            assert all(np.isfinite(x).all() for x in pull(tuple(np.ones_like(y) for y in out)))


def test_the_nuclear_norm_has_a_subgradient_where_a_singular_value_is_zero(rng):
    a = np.outer([1.0, 2.0], [2.0, 0.0, 1.0])
    g = grad(lambda a: reduce_sum(ops.svdvals(a), (0,)))(a)
    assert np.isfinite(g).all()
    assert np.linalg.norm(g, 2) <= 1 + 1e-12
    np.testing.assert_allclose(np.sum(g * a), np.linalg.norm(a, "nuc"))


@pytest.mark.parametrize("dtype", DTYPES)
def test_hermitian_svd(dtype, rng):
    a = hermitian(rng, 3, 3, dtype=dtype)
    u, s, vh = ops.svd(a, hermitian=True)
    assert_same(s, np.linalg.svd(a, compute_uv=False, hermitian=True), 1e-12)
    assert_same(ops.svd(a, compute_uv=False, hermitian=True), s, 1e-12)
    np.testing.assert_allclose((u * s) @ vh, a, atol=1e-12)
    check_op(lambda a: ops.svd(a, hermitian=True, compute_uv=False), (a,))
    if dtype is np.float64:
        check_op(lambda a: ops.svd(a, hermitian=True), (a,))


def test_batches_on_every_axis(rng):
    a, p = normal(rng, 3, 2), positive(rng, 2, 2)
    for f in (lambda a: ops.qr(a), lambda a: ops.svd(a, False), ops.svdvals):
        check_vmap(f, (a,), variant=varied)
    check_vmap(ops.cholesky, (p,), variant=varied)
    check_vmap(lambda a: ops.qr(a, "complete"), (a,), variant=varied, derivatives=False)
    check_vmap(ops.svd, (a,), variant=varied, derivatives=False)


@pytest.mark.parametrize("dtype", [np.float32, np.complex64, np.int64])
def test_dtypes_are_numpys(dtype, rng):
    a = (3 * positive(rng, 3, 3)).astype(dtype)
    for f, reference in [
        (ops.cholesky, np.linalg.cholesky), (ops.qr, lambda a: tuple(np.linalg.qr(a))),
        (ops.svdvals, lambda a: np.linalg.svd(a, compute_uv=False)),
    ]:  # fmt: skip
        assert_same(f(a), reference(a), 1e-4, 1e-4)
        if np.dtype(dtype).kind in "fc":
            out, pull = vjp(f, a)
            assert pull(out)[0].dtype == dtype


def test_errors_name_the_operation():
    with pytest.raises(ShapeError, match=r"\[cholesky\] got \(2, 3\), wanted matrices"):
        ops.cholesky(np.ones((2, 3)))
    with pytest.raises(ShapeError, match=r"\[svd\] got \(3,\)"):
        ops.svd(np.ones(3))
    with pytest.raises(np.linalg.LinAlgError, match=r"\[cholesky\].*not positive definite"):
        ops.cholesky(-np.eye(2))
    with pytest.raises(np.linalg.LinAlgError, match=r"\[svd\].*does not converge"):
        ops.svd(np.full((2, 2), np.nan))
    with pytest.raises(ArgumentValueError, match=r"\[qr\] got mode='raw'"):
        ops.qr(np.eye(2), "raw")
