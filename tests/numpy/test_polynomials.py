"""Derivatives of polynomials' functions where values decide the number of coefficients."""

import numpy as np
import pytest

import fxad
from fxad.test_util import check_grads


def nearest(roots, wanted):
    """The roots in the order of others that they are near."""
    return np.array([roots[np.argmin(np.abs(roots - z))] for z in wanted])


@pytest.mark.parametrize(
    "p",
    [
        [1.0, -3.0, 2.0, 0.0],
        [0.0, 1.0, -3.0, 2.0],
        [0.0, 0.0, 2.0, -3.0, 0.5, 0.0],
        [0.0, 1.0, -2.0, 5.0, 0.0],
        [1.0 + 1j, 0.0, 2.0, -1j],
    ],
)
def test_roots_move_with_every_coefficient(p):
    """Also with those that are 0, although NumPy splits them off."""
    p = np.array(p)
    zeros = np.roots(p)
    differences = np.zeros((len(zeros), len(p)), complex)
    h = 1e-5
    for i, step in enumerate(h * np.eye(len(p))):
        ahead, behind = (nearest(np.roots(p + s * step), zeros) for s in (1, -1))
        differences[:, i] = (ahead - behind) / (2 * h)
    forward = np.stack(
        [fxad.jvp(np.roots, (p,), (e,))[1] for e in np.eye(len(p), dtype=p.dtype)], 1
    )
    np.testing.assert_allclose(forward, differences, rtol=1e-6, atol=1e-8)
    assert np.array_equal(fxad.jvp(np.roots, (p,), (p,))[0], zeros)


def test_roots_to_second_order():
    for p in ([1.0, -6.0, 11.0, -6.0], [2.0, 1.0, 3.0, -1.0], [1.0, 2.0, 0.5j]):
        check_grads(np.roots, (np.array(p),), order=2)
    p = np.array([1.0, -6.0, 11.0, -6.0])
    staged = fxad.jit(fxad.jacfwd(lambda p: np.roots(p).real))(p)
    np.testing.assert_allclose(staged, fxad.jacrev(np.roots)(p), rtol=1e-10)


def test_products_depend_on_zeros_in_front():
    p, q = np.array([0.0, 0.0, 1.0, 2.0]), np.array([0.0, 3.0, 4.0])
    out, pushed = fxad.jvp(np.polymul, (p, q), (np.ones(4), np.ones(3)))
    assert out.tolist() == np.polymul(p, q).tolist() == [3.0, 10.0, 8.0]
    wanted = np.convolve(np.ones(4), q) + np.convolve(p, np.ones(3))
    assert pushed.tolist() == wanted[3:].tolist()
