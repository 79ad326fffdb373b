"""``dot_general``: the one product of arrays that all others are."""

from __future__ import annotations

import functools
import math
import operator
from collections.abc import Callable, Sequence
from typing import Any, TypeAlias

import numpy as np

from fxad.core.aval import DType, Shape, ShapedArray, aval_of, promote
from fxad.core.source import error
from fxad.core.trace import is_linear
from fxad.errors import ArgumentValueError, ShapeError
from fxad.ops.base import convert, dtype_of, multilinear, shape_of, shift_axes, transpose
from fxad.ops.layout import strides_of_reshaped
from fxad.ops.rules import nonlinear

Axes: TypeAlias = tuple[int, ...]
#: ``((lhs contracting, rhs contracting), (lhs batch, rhs batch))``.
DimensionNumbers: TypeAlias = tuple[tuple[Axes, Axes], tuple[Axes, Axes]]

_PRECISIONS = (None, "default", "high", "highest")


class _Layout:
    """How a ``dot_general`` of operands of two ranks is computed and transposed."""

    __slots__ = ("dims", "lhs_free", "rhs_free", "compute", "to_lhs", "to_rhs")

    def __init__(self, dims: DimensionNumbers, lhs_ndim: int, rhs_ndim: int) -> None:
        (lc, rc), (lb, rb) = self.dims = dims
        self.lhs_free = tuple(d for d in range(lhs_ndim) if d not in lc + lb)
        self.rhs_free = tuple(d for d in range(rhs_ndim) if d not in rc + rb)
        small = len(lc) == 1 and not lb and lhs_ndim <= 2 and rhs_ndim <= 2
        self.compute: Callable[[Any, Any], Any] = self._general
        if small:
            self.compute = _PLAIN[lhs_ndim == 2 and lc == (0,), rhs_ndim == 2 and rc == (1,)]
        split = len(lb) + len(self.lhs_free)
        batch = tuple(range(len(lb)))
        ct_lhs = tuple(range(len(lb), split))
        ct_rhs = tuple(range(split, split + len(self.rhs_free)))
        with_rhs = ((ct_rhs, self.rhs_free), (batch, rb))
        with_lhs = ((ct_lhs, self.lhs_free), (batch, lb))
        self.to_lhs = _cotangent_order(with_rhs, lb, self.lhs_free, lc, rc)
        self.to_rhs = _cotangent_order(with_lhs, rb, self.rhs_free, rc, lc)

    def shape(self, lhs: Shape, rhs: Shape) -> Shape:
        """The result's: batch axes, free axes of the left, free axes of the right operand."""
        return (
            *(lhs[d] for d in self.dims[1][0]),
            *(lhs[d] for d in self.lhs_free),
            *(rhs[d] for d in self.rhs_free),
        )

    def _general(self, x: Any, y: Any) -> Any:
        """One (batched) matrix product of the operands with their axes in order."""
        lhs_order, rhs_order, lhs, rhs, shape = _matrix_plan(self, x.shape, y.shape)
        x = x.transpose(lhs_order).reshape(lhs)
        y = y.transpose(rhs_order).reshape(rhs)
        product = x * y if not self.dims[0][0] else _for_blas(x) @ _for_blas(y)
        return product.reshape(shape)


@functools.lru_cache(4096)
def _matrix_plan(layout: _Layout, x: Shape, y: Shape) -> tuple[Axes, Axes, Shape, Shape, Shape]:
    """The orders of axes and the shapes that make two operands (stacks of) matrices."""
    (lc, rc), (lb, rb) = layout.dims
    shape = layout.shape(x, y)
    batch = shape[: len(lb)]
    contracted = math.prod(x[d] for d in lc)
    rows = math.prod(x[d] for d in layout.lhs_free)
    columns = math.prod(y[d] for d in layout.rhs_free)
    left, right = (*batch, rows, contracted), (*batch, contracted, columns)
    return lb + layout.lhs_free + lc, rb + rc + layout.rhs_free, left, right, shape


_PLAIN: dict[tuple[bool, bool], Callable[[Any, Any], Any]] = {
    (False, False): operator.matmul,
    (True, False): lambda x, y: x.T @ y,
    (False, True): lambda x, y: x @ y.T,
    (True, True): lambda x, y: x.T @ y.T,
}

_layout = functools.cache(_Layout)


def _for_blas(x: Any) -> Any:
    """A stack of matrices with unit stride along a row or a column, which BLAS can read."""
    if x.ndim > 2 and x.itemsize not in x.strides[-2:]:
        return x.copy()
    return x


def _cotangent_order(
    dims: DimensionNumbers, batch: Axes, free: Axes, contracted: Axes, other_contracted: Axes
) -> tuple[bool, DimensionNumbers, Axes | None]:
    """How the product of a cotangent and the other operand gives the cotangent of an operand.

    Returns whether the other operand comes first, the dimension numbers, and the permutation that
    is left to do; the order of the two is the one that leaves none, where there is one.
    """
    partners = sorted(range(len(contracted)), key=other_contracted.__getitem__)
    summed = tuple(contracted[i] for i in partners)
    (ct_contract, other_contract), (ct_batch, other_batch) = dims
    swapped: DimensionNumbers = ((other_contract, ct_contract), (other_batch, ct_batch))
    if batch + summed + free == tuple(range(len(batch + summed + free))):
        return True, swapped, None
    axes = batch + free + summed
    inverse = tuple(sorted(range(len(axes)), key=axes.__getitem__))
    return False, dims, None if inverse == tuple(range(len(axes))) else inverse


# The primitive ---------------------------------------------------------------------------------


def _dot_general_abstract(
    x: ShapedArray,
    y: ShapedArray,
    *,
    dimension_numbers: DimensionNumbers,
    precision: Any,
    preferred_element_type: DType | None,
) -> ShapedArray:
    lhs, rhs = x.shape, y.shape
    for kind, axes in zip(("contracting", "batch"), dimension_numbers, strict=True):
        for i, j in zip(*axes, strict=True):
            if lhs[i] != rhs[j]:
                raise error(
                    ShapeError,
                    "dot_general",
                    f"got {lhs} and {rhs}: the {kind} axes {i} and {j} have the lengths "
                    f"{lhs[i]} and {rhs[j]}, wanted equal ones",
                )
    dtype = preferred_element_type
    if dtype is None:
        dtype = x.dtype if x.dtype == y.dtype else promote((x.strong(), y.strong()))[0]
    return ShapedArray(_layout(dimension_numbers, len(lhs), len(rhs)).shape(lhs, rhs), dtype)


def _dot_general_impl(
    xp: Any,
    x: Any,
    y: Any,
    *,
    dimension_numbers: DimensionNumbers,
    precision: Any,
    preferred_element_type: DType | None,
) -> Any:
    compute = _layout(dimension_numbers, x.ndim, y.ndim).compute
    if preferred_element_type is None:
        return compute(x, y)
    wide = np.result_type(x.dtype, y.dtype, preferred_element_type)
    out = compute(x.astype(wide, copy=False), y.astype(wide, copy=False))
    return out.astype(preferred_element_type, copy=False)


def _dot_general_transpose(
    ct: Any, x: Any, y: Any, *, dimension_numbers: DimensionNumbers, precision: Any, **_: Any
) -> list[Any]:
    to_left = is_linear(x)
    if to_left and is_linear(y):
        raise nonlinear("dot_general")
    if to_left:
        operand, other = x, y
        swap, dims, permutation = _layout(dimension_numbers, x.aval.ndim, y.ndim).to_lhs
    else:
        operand, other = y, x
        swap, dims, permutation = _layout(dimension_numbers, x.ndim, y.aval.ndim).to_rhs
    first, second = (other, ct) if swap else (ct, other)
    out = dot_general_p.bind(
        first, second, dimension_numbers=dims, precision=precision, preferred_element_type=None
    )
    if permutation is not None:
        out = transpose(out, permutation)
    if dtype_of(out) != operand.aval.dtype:
        out = convert(out, operand.aval.dtype)
    return [out, None] if to_left else [None, out]


def _dot_general_batch(
    size: int,
    args: Sequence[Any],
    dims: Sequence[int | None],
    *,
    dimension_numbers: DimensionNumbers,
    **params: Any,
) -> tuple[Any, int]:
    (x, y), (i, j) = args, dims
    (lc, rc), (lb, rb) = dimension_numbers
    if i is not None:
        lc, lb = shift_axes(lc, i), shift_axes(lb, i)
    if j is not None:
        rc, rb = shift_axes(rc, j), shift_axes(rb, j)
    if i is not None and j is not None:
        lb, rb, out = (i, *lb), (j, *rb), 0
    elif i is not None:  # the batch is one more free axis: one larger product
        out = len(lb) + sum(d < i for d in range(len(shape_of(x))) if d not in lc + lb)
    elif j is not None:
        free = [d for d in range(len(shape_of(y))) if d not in rc + rb]
        out = len(shape_of(x)) - len(lc) + free.index(j)
    return dot_general_p.bind(x, y, dimension_numbers=((lc, rc), (lb, rb)), **params), out


def _dot_general_cost(
    avals: Sequence[ShapedArray], params: dict[str, Any]
) -> tuple[float, float]:
    x, y = avals
    out = _dot_general_abstract(x, y, **params)
    contracted = math.prod(x.shape[d] for d in params["dimension_numbers"][0][0])
    moved = sum(a.size * a.dtype.itemsize for a in (x, y, out))
    return 2.0 * out.size * contracted, float(moved)


#: The dimensions from which on NumPy's products copy operands whose rows and columns have strides.
_COPIED_FROM = 2 if np.lib.NumpyVersion(np.__version__) >= "2.5.0" else 3


def _dot_general_scratch(
    x: Any, y: Any, *, dimension_numbers: DimensionNumbers, preferred_element_type: Any, **_: Any
) -> int:
    """What operands take that have to be copied for BLAS to read them as matrices."""
    layout = _layout(dimension_numbers, x.ndim, y.ndim)
    if layout.compute != layout._general:
        copied = [a for a in (x, y) if a.ndim == _COPIED_FROM == 2 and a.itemsize not in a.strides]
        return sum(a.nbytes for a in copied)
    x_order, y_order, lhs, rhs, _out = _matrix_plan(layout, x.shape, y.shape)
    taken = 0
    for operand, order, shape in ((x, x_order, lhs), (y, y_order, rhs)):
        strides = strides_of_reshaped(operand.transpose(order), shape)
        read = strides is not None and operand.itemsize in strides[-2:]
        blas = len(shape) < _COPIED_FROM or read
        if strides is None or not blas:
            taken += operand.nbytes
    return taken


dot_general_p = multilinear(
    "dot_general",
    abstract=_dot_general_abstract,
    impl=_dot_general_impl,
    transpose=_dot_general_transpose,
    batch=_dot_general_batch,
    cost=_dot_general_cost,
    fresh=True,
    scratch=_dot_general_scratch,
)


def strong(x: Any) -> Any:
    """Python numbers, traced too, as NumPy's products take them: with a dtype of their own."""
    return x if shape_of(x) or not aval_of(x).weak_type else convert(x, dtype_of(x))


def dot_general(
    lhs: Any,
    rhs: Any,
    dimension_numbers: Any,
    precision: Any = None,
    preferred_element_type: Any = None,
) -> Any:
    """The general product of two arrays, as ``lax.dot_general`` documents it.

    NumPy always computes at the highest precision; a GPU may use faster formats for the others.
    """
    (lc, rc), (lb, rb) = dimension_numbers
    lhs, rhs = strong(lhs), strong(rhs)
    lc, lb = _check_axes("lhs", len(shape_of(lhs)), lc, lb)
    rc, rb = _check_axes("rhs", len(shape_of(rhs)), rc, rb)
    if len(lc) != len(rc) or len(lb) != len(rb):
        raise error(
            ArgumentValueError,
            "dot_general",
            f"got dimension_numbers={dimension_numbers}, wanted as many axes of lhs as of rhs",
        )
    dtype = None if preferred_element_type is None else np.dtype(preferred_element_type)
    return dot_general_p.bind(
        lhs,
        rhs,
        dimension_numbers=((lc, rc), (lb, rb)),
        precision=_check_precision(precision),
        preferred_element_type=dtype,
    )


def _check_axes(name: str, ndim: int, contract: Sequence[int], batch: Sequence[int]) -> Any:
    contract, batch = tuple(map(int, contract)), tuple(map(int, batch))
    named = contract + batch
    if len(set(named)) != len(named) or not all(0 <= d < ndim for d in named):
        raise error(
            ArgumentValueError,
            "dot_general",
            f"got the contracting axes {contract} and the batch axes {batch} of {name}, which has "
            f"{ndim} dimensions, wanted distinct axes from 0 to {ndim - 1}",
        )
    return contract, batch


def _check_precision(precision: Any) -> Any:
    for p in precision if isinstance(precision, tuple) else (precision,):
        if p not in _PRECISIONS:
            raise error(
                ArgumentValueError,
                "dot_general",
                f"got precision={precision!r}, wanted one of {_PRECISIONS} or a pair of them",
            )
    return precision
