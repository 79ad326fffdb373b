"""Products against JAX's."""

import numpy as np
import pytest

from fxad import lax
from fxad.errors import ArgumentValueError, ShapeError
from tests.lax.parity import check, needs_jax

RNG = np.random.default_rng(2)
M, N, V = RNG.normal(size=(3, 4)), RNG.normal(size=(4, 2)), RNG.normal(size=4)
STACK = RNG.normal(size=(5, 3, 4))


@needs_jax
def test_dot():
    check("dot", M, N)
    check("dot", M, V)
    check("dot", V, N)
    check("dot", V, V[::-1].copy())
    check("dot", M + 1j * M[::-1], N - 2j * N)
    numbers = (((0,), (0,)), ((), ()))
    check("dot", M, STACK[0, :, :2].copy(), dimension_numbers=numbers)


@needs_jax
def test_dot_general():
    check("dot_general", STACK, STACK * 2, dimension_numbers=(((2,), (2,)), ((0,), (0,))))
    check("dot_general", STACK, M, dimension_numbers=(([2, 1], [1, 0]), ([], [])))
    check("dot_general", M, V, dimension_numbers=(((), ()), ((), ())))
    check("dot_general", STACK, STACK[..., 0].T.copy(), dimension_numbers=(((), ()), ((0,), (1,))))
    half = M.astype(np.float16)
    check(
        "dot_general",
        half,
        half,
        dimension_numbers=(((1,), (1,)), ((), ())),
        preferred_element_type=np.float32,
        derivatives=False,
        rtol=1e-3,
    )
    small = np.array([[100, 27], [1, -128]], np.int8)
    check(
        "dot_general",
        small,
        small,
        dimension_numbers=(((1,), (0,)), ((), ())),
        preferred_element_type=np.int32,
    )


@needs_jax
def test_batch_matmul():
    check("batch_matmul", STACK, STACK.transpose(0, 2, 1).copy())
    check("batch_matmul", M, N)


@needs_jax
def test_precisions_are_jaxs():
    for precision in ("DEFAULT", "HIGH", "HIGHEST"):
        check(
            lambda m, p=precision: lambda x, y: m.dot(x, y, precision=getattr(m.Precision, p)), M, N
        )


def test_precisions_have_names():
    pair = (lax.Precision.HIGH, "highest")
    for precision in (None, "default", lax.Precision("highest"), pair):
        np.testing.assert_array_equal(lax.dot(M, N, precision=precision), M @ N)
    with pytest.raises(ArgumentValueError, match="precision='exact', wanted one of"):
        lax.dot(M, N, precision="exact")


def test_misfits():
    with pytest.raises(ShapeError, match=r"\[dot\] got \(3, 4\) and \(3, 4\)"):
        lax.dot(M, M)
    with pytest.raises(ShapeError, match=r"\[dot\] got \(\) and"):
        lax.dot(1.0, M)
    with pytest.raises(ShapeError, match=r"\[batch_matmul\] got \(5, 3, 4\) and \(4, 2\)"):
        lax.batch_matmul(STACK, N)
    with pytest.raises(ShapeError, match=r"\[dot_general\] got .* have the lengths 4 and 3"):
        lax.dot_general(M, M, (((1,), (0,)), ((), ())))
