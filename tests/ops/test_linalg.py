"""Norms, pseudo-inverse, least squares, rank and powers against NumPy's; and JAX's conventions."""

import itertools
import tracemalloc

import numpy as np
import pytest

import fxad.ops.decompositions as decompositions
import fxad.ops.determinant as determinant
import fxad.ops.eigen as eigen
import fxad.ops.linalg as ops
import fxad.ops.solve as solve
import fxad.ops.triangular as triangular
from fxad.errors import ArgumentValueError, ShapeError
from fxad.ops.base import reduce_sum
from fxad.transforms.jvp import jvp
from fxad.transforms.linearize import grad, vjp
from tests.ops.checks import assert_same, check_abstract, check_op, check_vmap

DTYPES = [np.float64, np.complex128]
INF = np.inf


def normal(rng, *shape, dtype=np.float64):
    x = rng.standard_normal(shape)
    if np.dtype(dtype).kind == "c":
        x = x + 1j * rng.standard_normal(shape)
    return np.asarray(x, dtype)


def of_rank(rng, rank, *shape, dtype=np.float64):
    *lead, m, n = shape
    return normal(rng, *lead, m, rank, dtype=dtype) @ normal(rng, *lead, rank, n, dtype=dtype)


# Norms --------------------------------------------------------------------------------------------

VECTOR_ORDS = [None, 2, 1, INF, -INF, 0, 3, 2.5, 0.5, -1, -2]
MATRIX_ORDS = [None, "fro", "nuc", 2, -2, 1, -1, INF, -INF]


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("ord", VECTOR_ORDS)
def test_vector_norms(dtype, ord, rng):
    x = normal(rng, 3, 4, dtype=dtype)
    for axis, keepdims in itertools.product([0, -1, (1,)], [False, True]):
        f = lambda x: ops.norm(x, ord, axis, keepdims)  # noqa: B023, E731
        assert_same(f(x), np.linalg.norm(x, ord, axis, keepdims), 1e-12)
        check_abstract(f, (x,))
        check_op(f, (x,))
    check_vmap(lambda x: ops.norm(x, ord), (x[0],))
    assert_same(ops.norm(x[0], ord), np.linalg.norm(x[0], ord), 1e-12)


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("ord", MATRIX_ORDS)
def test_matrix_norms(dtype, ord, rng):
    x = normal(rng, 2, 3, 4, dtype=dtype)
    for axis, keepdims in itertools.product([(0, 2), (2, 1), (-1, 0)], [False, True]):
        f = lambda x: ops.norm(x, ord, axis, keepdims)  # noqa: B023, E731
        assert_same(f(x), np.linalg.norm(x, ord, axis, keepdims), 1e-12)
        check_op(f, (x,))
    check_abstract(lambda x: ops.norm(x, ord), (x[0],))
    check_vmap(lambda x: ops.norm(x, ord), (x[0],), variant=lambda x, k: x + 0.1 * k)
    assert_same(ops.norm(x[0], ord, None, True), np.linalg.norm(x[0], ord, None, True), 1e-12)


def test_norms_of_everything_and_of_nothing(rng):
    x = normal(rng, 2, 3, 4)
    assert_same(ops.norm(x), np.linalg.norm(x), 1e-12)
    assert_same(ops.norm(x, keepdims=True), np.linalg.norm(x, keepdims=True), 1e-12)
    assert_same(ops.norm(np.arange(4)), np.linalg.norm(np.arange(4)), 1e-12)
    assert ops.norm(x.astype(np.float32), 3, 0).dtype == np.float32
    for ord in (None, 1, 2, 0, 3):
        assert_same(ops.norm(np.zeros(0), ord), np.linalg.norm(np.zeros(0), ord))


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("ord", [None, 2, 1, INF, -INF, 3, 2.5, 1.5, 0.5])
def test_kinks_of_vector_norms_have_finite_subgradients(dtype, ord):
    zero = np.zeros(3, dtype)
    np.testing.assert_array_equal(grad(lambda x: ops.norm(x, ord))(zero), zero)
    x = np.array([0.0, 2.0, -1.0]).astype(dtype)
    g = grad(lambda x: ops.norm(x, ord))(x)
    assert np.isfinite(g).all()
    assert g[0] == 0 or ord == -INF
    hessian_row = grad(lambda x: reduce_sum(grad(lambda y: ops.norm(y, 2))(x), (0,)))
    if dtype is np.float64:
        assert np.isfinite(hessian_row(zero)).all()


def test_kinks_of_matrix_norms_have_finite_subgradients():
    for ord in MATRIX_ORDS:
        for a in (np.zeros((2, 3)), np.eye(2), np.ones((3, 2))):
            g = grad(lambda x: ops.norm(x, ord))(a)  # noqa: B023
            assert np.isfinite(g).all()
    np.testing.assert_array_equal(grad(ops.norm)(np.zeros((2, 2))), np.zeros((2, 2)))
    g = grad(lambda x: ops.norm(x, 2))(np.eye(2))
    np.testing.assert_allclose(g, np.eye(2) / 2)


def test_errors_of_norms():
    a = np.ones((2, 2))
    for args in [(np.ones((2, 2, 2)), 2), (a, 2, (0, 0)), (a[0], "nuc"), (a, 3), (a, "bad"),
                 (a, None, (0, 1, 1))]:  # fmt: skip
        with pytest.raises(ArgumentValueError, match=r"\[norm\] got"):
            ops.norm(*args)
        with pytest.raises(ValueError):
            np.linalg.norm(*args)


# Pseudo-inverse, least squares, rank --------------------------------------------------------------


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("shape", [(3, 3), (4, 2), (2, 4), (2, 3, 2), (1, 1), (0, 3), (2, 0)])
def test_pinv(dtype, shape, rng):
    a = normal(rng, *shape, dtype=dtype)
    assert_same(ops.pinv(a), np.linalg.pinv(a), 1e-11)
    check_abstract(ops.pinv, (a,))
    check_op(ops.pinv, (a,))


@pytest.mark.parametrize("dtype", DTYPES)
def test_pinv_of_deficient_matrices(dtype, rng):
    """The derivative along matrices of constant rank, which a product of thin factors keeps."""
    left, right = normal(rng, 4, 2, dtype=dtype), normal(rng, 2, 3, dtype=dtype)

    def f(left, right):
        return ops.pinv(ops.matmul(left, right), 1e-10)

    assert_same(f(left, right), np.linalg.pinv(left @ right, 1e-10), 1e-10)
    check_op(f, (left, right))
    a = left @ left.conj().T
    assert_same(ops.pinv(a, 1e-9, True), np.linalg.pinv(a, 1e-9, True), 1e-9)
    assert_same(ops.pinv(a, rtol=1e-9), np.linalg.pinv(a, 1e-9), 1e-9)


def test_the_limit_of_a_pinv_has_no_derivative(rng):
    a = normal(rng, 3, 2)
    out, tangent = jvp(lambda rtol: ops.pinv(a, rtol), (1e-3,), (1.0,))
    assert_same((out, tangent), (np.linalg.pinv(a, 1e-3), np.zeros((2, 3))), 1e-11)


def test_derivatives_of_the_pinv_of_long_matrices_stay_thin(rng):
    """No product of the long axis with itself: it would not fit for a fit to many points."""
    for shape in [(3000, 2), (2, 3000)]:
        a, t = normal(rng, *shape), normal(rng, *shape)
        tracemalloc.start()
        jvp(ops.pinv, (a,), (t,))
        _, peak = tracemalloc.get_traced_memory()
        tracemalloc.stop()
        assert peak < 50 * a.nbytes


def test_batches_on_every_axis(rng):
    a, b = normal(rng, 3, 2), normal(rng, 3)
    variant = lambda x, k: x + 0.1 * k  # noqa: E731
    check_vmap(ops.pinv, (a,), variant=variant)
    check_vmap(ops.lstsq, (a, b), variant=variant)
    check_vmap(ops.matrix_rank, (a,), variant=variant)
    check_vmap(ops.cond, (a,), variant=variant)
    check_vmap(lambda a: ops.matrix_power(a, -2), (normal(rng, 2, 2),), variant=variant)


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("shape", [(4, 2), (3, 3), (2, 4), (1, 1)])
@pytest.mark.parametrize("columns", [(), (2,)])
def test_lstsq(dtype, shape, columns, rng):
    a, b = normal(rng, *shape, dtype=dtype), normal(rng, shape[0], *columns, dtype=dtype)
    x, residuals, rank, s = ops.lstsq(a, b)
    wanted = np.linalg.lstsq(a, b)
    assert_same((x, residuals, s), (wanted[0], wanted[1], wanted[3]), 1e-10)
    assert rank == wanted[2]
    check_op(ops.lstsq, (a, b))


def test_lstsq_of_deficient_matrices(rng):
    a, b = of_rank(rng, 2, 5, 3), normal(rng, 5)
    x, residuals, rank, s = ops.lstsq(a, b, 1e-10)
    wanted = np.linalg.lstsq(a, b, 1e-10)
    assert_same((x, residuals, s), (wanted[0], wanted[1], wanted[3]), 1e-10)
    assert rank == wanted[2] == 2
    assert ops.lstsq(a, b, -1)[0].shape == (3,)
    with pytest.raises(ShapeError, match=r"\[lstsq\] got \(5, 3\) and \(4,\)"):
        ops.lstsq(a, b[:4])


def test_matrix_rank(rng):
    for a in (of_rank(rng, 2, 4, 3), of_rank(rng, 1, 2, 3, 3), np.zeros((2, 2)), np.ones(3),
              np.zeros(3), np.eye(3, dtype=int), np.zeros((0, 3))):  # fmt: skip
        assert_same(ops.matrix_rank(a), np.asarray(np.linalg.matrix_rank(a), np.int64))
    a = np.stack([np.diag([1.0, 0.1]), np.diag([3.0, 1e-9])])
    np.testing.assert_array_equal(ops.matrix_rank(a, tol=0.5), [1, 1])
    np.testing.assert_array_equal(ops.matrix_rank(a, tol=np.array([0.01, 0.0])), [2, 2])
    np.testing.assert_array_equal(ops.matrix_rank(a, rtol=1e-8), [2, 1])
    assert ops.matrix_rank(-np.eye(2), hermitian=True) == 2
    with pytest.raises(ArgumentValueError, match="both tol and rtol"):
        ops.matrix_rank(a, 1, rtol=1)
    with pytest.raises(ArgumentValueError, match="both rcond and rtol"):
        ops.pinv(a, 1, rtol=1)


# Powers and chains --------------------------------------------------------------------------------


@pytest.mark.parametrize("n", [0, 1, 2, 5, -1, -3])
def test_matrix_power(n, rng):
    for a in (normal(rng, 2, 3, 3), normal(rng, 2, 2, dtype=complex)):
        assert_same(ops.matrix_power(a, n), np.linalg.matrix_power(a, n), 1e-9)
        if n:
            check_op(lambda a: ops.matrix_power(a, n), (a,), rtol=1e-5)
    if n >= 0:
        a = np.array([[1, 2], [0, 1]])
        assert_same(ops.matrix_power(a, n), np.linalg.matrix_power(a, n))
    with pytest.raises(ShapeError, match=r"\[matrix_power\] got \(2, 3\)"):
        ops.matrix_power(np.ones((2, 3)), n)


@pytest.mark.parametrize("p", [None, 2, -2, 1, -1, INF, -INF, "fro", "nuc"])
def test_cond(p, rng):
    a = normal(rng, 3, 3)
    assert_same(ops.cond(a, p), np.linalg.cond(a, p), 1e-10)
    check_op(lambda a: ops.cond(a, p), (a,), rtol=1e-5)


def test_cond_of_singular_matrices():
    assert ops.cond(np.zeros((2, 2))) == INF
    assert ops.cond(np.diag([1.0, 0.0])) == INF


def test_multi_dot(rng):
    shapes = [(2, 9), (9, 8), (8, 3), (3, 2)]
    arrays = [normal(rng, *s) for s in shapes]
    for chain in (arrays, [arrays[0][0], *arrays[1:]], [*arrays[:-1], arrays[-1][:, 0]],
                  [arrays[0][0], arrays[1], arrays[2][:, 0]], arrays[:2]):  # fmt: skip
        assert_same(ops.multi_dot(chain), np.linalg.multi_dot(chain), 1e-11)
    with pytest.raises(ShapeError, match=r"\[multi_dot\] got arrays of \[2\] dimensions"):
        ops.multi_dot(arrays[:1])


def test_tensor_equations(rng):
    a, b = normal(rng, 2, 3, 6), normal(rng, 2, 3)
    assert_same(ops.tensorsolve(a, b), np.linalg.tensorsolve(a, b), 1e-10)
    c = normal(rng, 6, 2, 3)
    wanted = np.linalg.tensorsolve(c, b, axes=(0,))
    assert_same(ops.tensorsolve(c, b, axes=(0,)), wanted, 1e-10)
    d = normal(rng, 2, 1, 3, 6)
    wanted = np.linalg.tensorsolve(d, b[:1].repeat(2, 1), axes=(0, 2))
    assert_same(ops.tensorsolve(d, b[:1].repeat(2, 1), axes=(0, 2)), wanted, 1e-10)
    assert_same(ops.tensorinv(a, 2), np.linalg.tensorinv(a, 2), 1e-10)
    with pytest.raises(ShapeError, match=r"\[tensorinv\]"):
        ops.tensorinv(a, 1)
    with pytest.raises(ShapeError, match=r"\[tensorsolve\]"):
        ops.tensorsolve(a, normal(rng, 2))


# JAX as an oracle ---------------------------------------------------------------------------------


def _jax_pairs():
    jax = pytest.importorskip("jax")
    jnp, lax = jax.numpy, jax.lax

    return jax, {
        "cholesky": (decompositions.cholesky, jnp.linalg.cholesky, "positive"),
        "eigh": (eigen.eigh, lambda a: tuple(jnp.linalg.eigh(a)), "hermitian"),
        "svd": (
            lambda a: decompositions.svd(a, False),
            lambda a: tuple(jnp.linalg.svd(a, full_matrices=False)),
            "tall",
        ),
        "wide svd": (
            lambda a: decompositions.svd(a, False),
            lambda a: tuple(jnp.linalg.svd(a, full_matrices=False)),
            "wide",
        ),
        "qr": (decompositions.qr, lambda a: tuple(jnp.linalg.qr(a)), "tall"),
        "eigvals": (eigen.eigvals, jnp.linalg.eigvals, "square"),
        "lu": (lambda a: solve.lu(a)[0], lambda a: lax.linalg.lu(a)[0], "wide"),
        "inv": (solve.inv, jnp.linalg.inv, "square"),
        "solve": (lambda a: solve.solve(a, a), lambda a: jnp.linalg.solve(a, a), "square"),
        "det": (determinant.det, jnp.linalg.det, "square"),
        "slogdet": (determinant.slogdet, lambda a: tuple(jnp.linalg.slogdet(a)), "square"),
        "pinv": (ops.pinv, jnp.linalg.pinv, "tall"),
        "norm": (ops.norm, jnp.linalg.norm, "tall"),
        "nuc": (lambda a: ops.norm(a, "nuc"), lambda a: jnp.linalg.norm(a, "nuc"), "wide"),
        "vector norm": (
            lambda a: ops.norm(a, 3, 0), lambda a: jnp.linalg.norm(a, 3, 0), "tall",
        ),
        "triangular_solve": (
            lambda a: triangular.triangular_solve(a, a, lower=True, conjugate_a=True),
            lambda a: lax.linalg.triangular_solve(a, a, lower=True, conjugate_a=True),
            "square",
        ),
    }  # fmt: skip


NAMES = [
    "cholesky", "eigh", "svd", "wide svd", "qr", "eigvals", "lu", "inv", "solve", "det", "slogdet",
    "pinv", "norm", "nuc", "vector norm", "triangular_solve",
]  # fmt: skip


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("name", NAMES)
def test_derivatives_follow_jaxs_conventions(name, dtype, rng):
    """Tangents and cotangents, phases included; JAX symmetrises, so points are Hermitian there."""
    jax, pairs = _jax_pairs()
    ours, theirs, kind = pairs[name]
    shape = {"tall": (4, 2), "wide": (2, 4)}.get(kind, (3, 3))
    a, t = normal(rng, *shape, dtype=dtype), normal(rng, *shape, dtype=dtype)
    if kind in ("hermitian", "positive"):
        a, t = (x + x.conj().T for x in (a, t))
        a = a @ a.conj().T + np.eye(3) if kind == "positive" else a
    out, tangent = jvp(ours, (a,), (t,))
    wanted, wanted_tangent = jax.jvp(theirs, (a,), (t,))
    flat = lambda x: list(x) if isinstance(x, tuple) else [x]  # noqa: E731
    values = flat(out)
    same = all(np.allclose(y, w) for y, w in zip(values, flat(wanted), strict=True))
    if not same and name in ("eigh", "svd", "wide svd", "qr", "eigvals"):
        pytest.skip("LAPACK gives other phases or another order here than JAX's")
    for got, want in zip(values + flat(tangent), flat(wanted) + flat(wanted_tangent), strict=True):
        np.testing.assert_allclose(got, want, rtol=1e-8, atol=1e-9)
    if kind in ("hermitian", "positive"):
        return
    cts = [normal(rng, *np.shape(y), dtype=np.asarray(y).dtype) for y in values]
    structure = tuple(cts) if isinstance(out, tuple) else cts[0]
    got = vjp(ours, a)[1](structure)[0]
    want = jax.vjp(theirs, a)[1](structure)[0]
    np.testing.assert_allclose(got, want, rtol=1e-8, atol=1e-9)
