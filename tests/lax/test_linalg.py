"""Linear algebra against JAX's, whose arguments and order of results these functions have."""

import numpy as np
import pytest

from fxad import lax
from fxad.errors import ArgumentValueError, ShapeError
from tests.lax.parity import check, needs_jax

RNG = np.random.default_rng(4)
A = RNG.normal(size=(2, 4, 4))
SQUARE = A + 3 * np.eye(4)
POSITIVE = A @ A.transpose(0, 2, 1) + np.eye(4)
HERMITIAN = POSITIVE + 1j * (A - A.transpose(0, 2, 1)) / 4
TALL, WIDE = RNG.normal(size=(5, 3)), RNG.normal(size=(3, 5))


@needs_jax
def test_cholesky():
    check(lambda m: lambda x: m.linalg.cholesky(x), POSITIVE, rtol=1e-8, batched=False)
    check(lambda m: lambda x: m.linalg.cholesky(x), POSITIVE + A / 9, rtol=1e-8, batched=False)
    check(lambda m: lambda x: m.linalg.cholesky(x), HERMITIAN, rtol=1e-8, batched=False)
    check(
        lambda m: lambda x: m.linalg.cholesky(x, symmetrize_input=False),
        POSITIVE + np.triu(A, 1),
        derivatives=False,
        batched=False,
    )


@needs_jax
def test_eigh():
    for kwargs in ({}, {"symmetrize_input": False}, {"symmetrize_input": False, "lower": False}):
        x = POSITIVE + A / 9
        got = lax.linalg.eigh(x, **kwargs)
        check(
            lambda m, kwargs=kwargs: lambda a: m.linalg.eigh(a, **kwargs)[1],
            x,
            rtol=1e-8,
            derivatives=not kwargs,
            batched=False,
        )
        v, w = got
        part = x if not kwargs else np.tril(x) if kwargs.get("lower", True) else np.triu(x)
        full = (x + x.transpose(0, 2, 1)) / 2 if not kwargs else part + part.transpose(0, 2, 1)
        if kwargs:
            full -= x * np.eye(4)
        np.testing.assert_allclose(v * w[:, None] @ v.transpose(0, 2, 1), full, atol=1e-10)
    check(lambda m: lambda x: abs(m.linalg.eigh(x)[0]), HERMITIAN, rtol=1e-8, batched=False)


def test_some_eigenvalues():
    v, w = lax.linalg.eigh(POSITIVE)
    some_v, some_w = lax.linalg.eigh(POSITIVE, subset_by_index=(1, 3))
    np.testing.assert_array_equal(some_v, v[..., 1:3])
    np.testing.assert_array_equal(some_w, w[..., 1:3])
    with pytest.raises(ArgumentValueError, match=r"\[eigh\] got subset_by_index=\(2, 5\) of 4"):
        lax.linalg.eigh(POSITIVE, subset_by_index=(2, 5))


@needs_jax
@pytest.mark.parametrize("x", [TALL, WIDE, SQUARE], ids=["tall", "wide", "square"])
def test_qr(x):
    for full in (False, True):
        q, r = lax.linalg.qr(x, full_matrices=full)
        np.testing.assert_allclose(q @ r, x, atol=1e-12)
        check(
            lambda m, full=full: lambda v: tuple(map(abs, m.linalg.qr(v, full_matrices=full))),
            x,
            rtol=1e-8,
            batched=False,
            derivatives=not full and x is not WIDE,
        )


@needs_jax
@pytest.mark.parametrize("x", [TALL, WIDE, SQUARE], ids=["tall", "wide", "square"])
def test_svd(x):
    u, s, vh = lax.linalg.svd(x, full_matrices=False)
    np.testing.assert_allclose(u * s[..., None, :] @ vh, x, atol=1e-12)
    check(lambda m: lambda v: m.linalg.svd(v, compute_uv=False), x, rtol=1e-8, batched=False)
    check(
        lambda m: lambda v: tuple(map(abs, m.linalg.svd(v, full_matrices=False))),
        x,
        rtol=1e-8,
        batched=False,
    )
    full = [y.shape for y in lax.linalg.svd(x)]
    m, n = x.shape[-2:]
    assert [shape[-2:] for shape in full[::2]] == [(m, m), (n, n)]


def test_some_singular_values():
    u, s, vh = lax.linalg.svd(TALL, full_matrices=False)
    some = lax.linalg.svd(TALL, full_matrices=False, subset_by_index=(0, 2))
    for got, wanted in zip(some, (u[:, :2], s[:2], vh[:2]), strict=True):
        np.testing.assert_array_equal(got, wanted)
    only = lax.linalg.svd(TALL, compute_uv=False, subset_by_index=(1, 3))
    np.testing.assert_allclose(only, s[1:3], rtol=1e-12)
    with pytest.raises(ArgumentValueError, match=r"(?s)\[svd\].*full_matrices=False"):
        lax.linalg.svd(TALL, subset_by_index=(0, 2))


@needs_jax
@pytest.mark.parametrize("x", [TALL, WIDE, SQUARE], ids=["tall", "wide", "square"])
def test_lu(x):
    check(lambda m: lambda v: m.linalg.lu(v), x, derivatives=False, batched=False)
    if x is SQUARE:  # JAX cannot compile the others
        check(lambda m: lambda v: m.linalg.lu(v)[0], x, rtol=1e-8, batched=False)


@needs_jax
@pytest.mark.parametrize("left", [True, False])
@pytest.mark.parametrize("lower", [True, False])
def test_triangular_solve(left, lower):
    for options in ({}, {"transpose_a": True}, {"unit_diagonal": True}):
        check(
            lambda m, o=options: (
                lambda a, b: m.linalg.triangular_solve(a, b, left_side=left, lower=lower, **o)
            ),
            SQUARE[0],
            TALL[:4] if left else WIDE[:, :4].copy(),
            rtol=1e-8,
        )
    check(
        lambda m: (
            lambda a, b: m.linalg.triangular_solve(
                a, b, left_side=left, lower=lower, transpose_a=True, conjugate_a=True
            )
        ),
        SQUARE + 1j * A,
        (A + 2j * SQUARE),
        rtol=1e-8,
        batched=False,
    )


def test_misfits():
    for name in ("cholesky", "eigh"):
        with pytest.raises(ShapeError, match=rf"\[{name}\] got \(5, 3\), wanted matrices"):
            getattr(lax.linalg, name)(TALL)
    with pytest.raises(ShapeError, match=r"\[triangular_solve\] got \(4, 4\) and \(5, 3\)"):
        lax.linalg.triangular_solve(SQUARE[0], TALL)
    with pytest.raises(np.linalg.LinAlgError, match=r"\[cholesky\].*not positive definite"):
        lax.linalg.cholesky(-POSITIVE)
