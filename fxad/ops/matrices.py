"""What linear algebra stands on: triangles, diagonals, adjoints, and the checks of operands.

All of it works on the last two axes; those before them are stacks of matrices.
"""

from __future__ import annotations

import operator
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from fxad.core.aval import DType, Shape, ShapedArray, aval_of, promote
from fxad.core.primitive import Primitive
from fxad.core.source import error
from fxad.errors import DtypeError, ShapeError
from fxad.ops.base import convert, dtype_of, linear, reshape, shape_of, to_front, transpose
from fxad.ops.elementwise import add, conj, mul, real
from fxad.ops.index_spec import whole
from fxad.ops.indexing import getitem_p, place, zeros_beside
from fxad.ops.shape import slice_in_dim

# Parts of matrices -------------------------------------------------------------------------------


def _triangle_impl(xp: Any, x: Any, *, k: int, lower: bool) -> Any:
    return xp.tril(x, k) if lower else xp.triu(x, k)


triangle_p: Primitive = linear(
    "triangle",
    abstract=lambda x, *, k, lower: ShapedArray(x.shape, x.dtype),
    impl=_triangle_impl,
    transpose=lambda ct, x, *, k, lower: triangle_p.bind(ct, k=k, lower=lower),
    batch=lambda size, args, dims, *, k, lower: (
        triangle_p.bind(to_front(args[0], dims[0], size), k=k, lower=lower),
        0,
    ),
)


def tril(x: Any, k: int = 0) -> Any:
    """The elements on and below the diagonal ``k``, zeros elsewhere."""
    return triangle_p.bind(x, k=operator.index(k), lower=True)


def triu(x: Any, k: int = 0) -> Any:
    """The elements on and above the diagonal ``k``, zeros elsewhere."""
    return triangle_p.bind(x, k=operator.index(k), lower=False)


def diagonal(x: Any) -> Any:
    """The diagonal of square matrices."""
    *lead, n, _ = shape_of(x)
    spec = (*map(whole, lead), (0, n * n, n + 1) if n else (0, 0, 1))
    return getitem_p.bind(reshape(x, (*lead, n * n)), spec=spec)


def diagonal_matrix(d: Any) -> Any:
    """Square matrices with the last axis of ``d`` on the diagonal."""
    *lead, n = shape_of(d)
    spec = (*map(whole, lead), (0, n * n, n + 1) if n else (0, 0, 1))
    return reshape(place(d, (), (*lead, n * n), spec, unique=True), (*lead, n, n))


def identity_beside(x: Any, n: int, lead: Shape = ()) -> Any:
    """Identity matrices of the dtype of ``x``, on its device."""
    return diagonal_matrix(add(zeros_beside(x, (*lead, n)), 1))


def swap(x: Any) -> Any:
    """The transposed matrices."""
    ndim = len(shape_of(x))
    return transpose(x, (*range(ndim - 2), ndim - 1, ndim - 2))


def adjoint(x: Any) -> Any:
    """The transposed and conjugated matrices."""
    x = swap(x)
    return conj(x) if dtype_of(x).kind == "c" else x


def columns(x: Any, start: int, stop: int) -> Any:
    """Some neighbouring columns."""
    return slice_in_dim(x, start, stop, len(shape_of(x)) - 1)


def rows(x: Any, start: int, stop: int) -> Any:
    """Some neighbouring rows."""
    return slice_in_dim(x, start, stop, len(shape_of(x)) - 2)


def as_row(d: Any) -> Any:
    """A vector that scales the columns of a matrix."""
    shape = shape_of(d)
    return reshape(d, (*shape[:-1], 1, shape[-1]))


def as_column(d: Any) -> Any:
    """A vector that scales the rows of a matrix."""
    return reshape(d, (*shape_of(d), 1))


def real_part(x: Any) -> Any:
    """The real part of complex numbers; real ones as they are."""
    return real(x) if dtype_of(x).kind == "c" else x


def lower_half(x: Any) -> Any:
    """The lower triangle with half of the diagonal: with its adjoint it is a Hermitian matrix."""
    return mul(add(tril(x), tril(x, -1)), 0.5)


def hermitian_from_lower(x: Any) -> Any:
    """The Hermitian matrices of which LAPACK reads the lower triangles."""
    half = lower_half(x)
    return add(half, adjoint(half))


def real_dtype(dtype: DType) -> DType:
    """The dtype of absolute values."""
    return np.dtype(dtype.char.lower()) if dtype.kind == "c" else dtype


# Operands ----------------------------------------------------------------------------------------


def matrices(operation: str, *operands: Any, square: bool = False) -> list[Any]:
    """Operands with at least two dimensions, in one dtype of LAPACK's; integers become float64."""
    dtype = promote([aval_of(x).strong() for x in operands])[0]
    if dtype.kind in "biu":
        dtype = np.dtype(np.float64)
    if dtype.char not in "fdFD":
        raise error(
            DtypeError,
            operation,
            f"got {dtype}, wanted float32, float64, complex64 or complex128",
            "Cast the matrix with .astype first.",
        )
    for x in operands:
        shape = shape_of(x)
        if len(shape) < 2 or (square and shape[-1] != shape[-2]):
            wanted = "(..., n, n)" if square else "(..., m, n)"
            raise error(ShapeError, operation, f"got {shape}, wanted matrices {wanted}")
    return [convert(x, dtype) for x in operands]


def matrix_primitive(name: str, *, multiple_results: bool = True, **rules: Any) -> Primitive:
    """A primitive whose operands all are stacks of matrices or vectors: batches go in front."""

    def batch(
        size: int, args: Sequence[Any], dims: Sequence[int | None], **params: Any
    ) -> tuple[Any, Any]:
        out = primitive.bind(
            *(to_front(x, d, size) for x, d in zip(args, dims, strict=True)), **params
        )
        return out, [0] * len(out) if multiple_results else 0

    rules.setdefault("batch", batch)
    primitive = Primitive(name, multiple_results=multiple_results, **rules)
    return primitive


def cubic(factor: float) -> Callable[..., tuple[float, float]]:
    """The cost of a decomposition of ``m`` by ``n`` matrices: ``factor * m * n * min(m, n)``."""

    def cost(avals: Sequence[ShapedArray], params: dict[str, Any]) -> tuple[float, float]:
        x = avals[0]
        return factor * x.size * min(x.shape[-2:]), 3.0 * x.size * x.dtype.itemsize

    return cost


#: From 2.5 on NumPy allocates what LAPACK works in where ``tracemalloc`` sees it.
WORK_IS_SEEN = np.lib.NumpyVersion(np.__version__) >= "2.5.0"


def work(elements: Callable[..., float]) -> Callable[..., int]:
    """The ``scratch`` of a decomposition: ``elements(m, n, **params)`` of its matrices."""

    def scratch(a: Any, *others: Any, **params: Any) -> int:
        return int(elements(*a.shape[-2:], **params) * a.dtype.itemsize) if WORK_IS_SEEN else 0

    return scratch


def lapack_error(operation: str, problem: str, way_out: str = "") -> np.linalg.LinAlgError:
    """NumPy's class of errors for matrices that a decomposition does not exist for."""
    return error(np.linalg.LinAlgError, operation, problem, way_out)
