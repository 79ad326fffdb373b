"""Eigenvalues and vectors: values, what they decompose, derivatives also where values repeat."""

import numpy as np
import pytest

import fxad.ops.eigen as ops
from fxad.errors import ArgumentValueError, ShapeError
from fxad.ops.base import reduce_sum
from fxad.ops.contraction import matmul
from fxad.ops.elementwise import exp, mul
from fxad.ops.matrices import adjoint
from fxad.transforms.jvp import jvp
from fxad.transforms.linearize import vjp
from tests.ops.checks import assert_same, check_abstract, check_op, check_vmap
from tests.ops.matrices import DTYPES, SQUARE, hermitian, normal, positive, varied, with_values


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("shape", SQUARE)
@pytest.mark.parametrize("uplo", ["L", "U"])
def test_eigh(dtype, shape, uplo, rng):
    a = normal(rng, *shape, dtype=dtype)
    w, v = ops.eigh(a, uplo)
    wanted, vectors = np.linalg.eigh(a, uplo)
    assert_same(w, wanted, 1e-12)
    assert_same(v, vectors, 1e-12)  # NumPy's own phases: differentiating does not change them
    assert_same(ops.eigvalsh(a, uplo), wanted, 1e-12)
    half = np.tril(a) if uplo == "L" else np.triu(a).conj().swapaxes(-1, -2)
    below = np.tril(half, -1)
    full = below + below.conj().swapaxes(-1, -2)
    full += np.diagonal(half, axis1=-2, axis2=-1).real[..., None] * np.eye(shape[-1])
    np.testing.assert_allclose((v * w[..., None, :]) @ v.conj().swapaxes(-1, -2), full, atol=1e-12)
    check_abstract(lambda a: ops.eigh(a, uplo), (a,))
    check_op(lambda a: ops.eigvalsh(a, uplo), (a,))
    if dtype is np.float64:
        check_op(lambda a: ops.eigh(a, uplo), (a,))
    t = normal(rng, *shape, dtype=dtype)
    _, (_, tv) = jvp(lambda a: ops.eigh(a, uplo), (a,), (t,))
    turn = v.conj().swapaxes(-1, -2) @ tv
    np.testing.assert_allclose(turn + turn.conj().swapaxes(-1, -2), 0, atol=1e-10)
    np.testing.assert_allclose(np.diagonal(turn, axis1=-2, axis2=-1), 0, atol=1e-10)


def matrix_exponential(a):
    """A function of a Hermitian matrix that has no choice of phases in it."""
    w, v = ops.eigh(a)
    shape = np.shape(w)
    return matmul(mul(v, exp(w).reshape(*shape[:-1], 1, shape[-1])), adjoint(v))


@pytest.mark.parametrize("dtype", DTYPES)
def test_functions_of_hermitian_matrices(dtype, rng):
    check_op(matrix_exponential, (hermitian(rng, 3, 3, dtype=dtype),))


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("values", [(1, 1, 1), (1, 1, 2), (0, 0, 3), (2, 2, -2)])
def test_sums_over_repeated_eigenvalues_have_their_gradient(dtype, values, rng):
    """``sum(f(w))`` is smooth in the matrix; with ``f = exp`` its gradient is the exponential."""
    a = with_values(rng, values, dtype)
    t = hermitian(rng, 3, 3, dtype=dtype)
    w, v = np.linalg.eigh(a)
    wanted = np.trace((v * np.exp(w)) @ v.conj().T @ t).real
    f = lambda a: reduce_sum(exp(ops.eigvalsh(a)), (0,))  # noqa: E731
    through_vectors = lambda a: reduce_sum(exp(ops.eigh(a)[0]), (0,))  # noqa: E731
    for g in (f, through_vectors):
        np.testing.assert_allclose(jvp(g, (a,), (t,))[1], wanted, rtol=1e-10)
        check_op(g, (a,), order=1)
    exact = np.diag(np.array(values, float)).astype(dtype)
    check_op(f, (exact,), order=1)
    for point in (a, exact):
        out, pull = vjp(ops.eigh, point)
        assert all(np.isfinite(x).all() for x in pull(tuple(np.ones_like(y) for y in out)))


@pytest.mark.parametrize("dtype", DTYPES)
def test_a_repeated_pair_does_not_disturb_the_others(dtype, rng):
    """The projector on a degenerate eigenspace is smooth, though the vectors in it are not."""
    a, t = with_values(rng, (1, 1, 4), dtype), hermitian(rng, 3, 3, dtype=dtype)

    def projector(a):
        v = ops.eigh(a)[1][..., :2]
        return matmul(v, adjoint(v))

    _, got = jvp(projector, (a,), (t,))
    step = 1e-5
    wanted = (projector(a + step * t) - projector(a - step * t)) / (2 * step)
    np.testing.assert_allclose(got, wanted, atol=1e-7)


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("shape", [(3, 3), (2, 2, 2), (1, 1), (0, 0)])
def test_eig(dtype, shape, rng):
    a = normal(rng, *shape, dtype=dtype)
    w, v = ops.eig(a)
    assert w.dtype == v.dtype == np.complex128
    assert_same(w, np.linalg.eig(a)[0].astype(complex), 1e-12)
    assert_same(ops.eigvals(a), np.linalg.eigvals(a).astype(complex), 1e-12)
    np.testing.assert_allclose(a @ v, v * w[..., None, :], atol=1e-12)
    check_abstract(ops.eig, (a,))
    check_op(ops.eigvals, (a,))
    check_op(ops.eig, (a,))


def test_batches_on_every_axis(rng):
    p = positive(rng, 2, 2)
    for f in (ops.eigh, ops.eigvalsh, ops.eig, ops.eigvals):
        check_vmap(f, (p,), variant=varied)


@pytest.mark.parametrize("dtype", [np.float32, np.complex64, np.int64])
def test_dtypes_are_numpys(dtype, rng):
    a = (3 * positive(rng, 3, 3)).astype(dtype)
    for f, reference in [
        (ops.eigh, lambda a: tuple(np.linalg.eigh(a))), (ops.eigvalsh, np.linalg.eigvalsh),
    ]:  # fmt: skip
        assert_same(f(a), reference(a), 1e-4, 1e-4)
        if np.dtype(dtype).kind in "fc":
            out, pull = vjp(f, a)
            assert pull(out)[0].dtype == dtype
    if np.dtype(dtype).kind in "fc":
        assert ops.eigvals(a).dtype == np.complex64


def test_errors_name_the_operation():
    for name in ("eigh", "eigvalsh", "eig", "eigvals"):
        with pytest.raises(ShapeError, match=rf"\[{name}\] got \(2, 3\), wanted matrices"):
            getattr(ops, name)(np.ones((2, 3)))
    with pytest.raises(ArgumentValueError, match=r"\[eigh\] got UPLO='X'"):
        ops.eigh(np.eye(2), "X")
