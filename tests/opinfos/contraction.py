"""Products of arrays."""

from collections.abc import Callable, Iterable, Sequence
from typing import Any

import numpy as np

import fxad.ops.contraction as ops
import fxad.ops.dot_general as products
from fxad.errors import ArgumentValueError, ShapeError
from fxad.ops.einsum import einsum
from tests.opinfo import (
    COMPLEX,
    HALF,
    INTEGER,
    ErrorInput,
    OpInfo,
    SampleInput,
    Samples,
    array,
)

DTYPES = ("bool", *INTEGER, *HALF, *COMPLEX)
Shapes = Sequence[tuple[int, ...]]


def over(cases: Iterable[Shapes], **kwargs: Any) -> Samples:
    def samples(rng: np.random.Generator, dtype: np.dtype[Any]) -> Iterable[SampleInput]:
        for shapes in cases:
            yield SampleInput(tuple(array(rng, s, dtype) for s in shapes), kwargs)

    return samples


def refuses(
    name: str, *shapes: tuple[int, ...], match: str, error: Any = ShapeError, **kwargs: Any
) -> Callable[[], Iterable[ErrorInput]]:
    args = tuple(np.ones(s) for s in shapes)
    return lambda: [ErrorInput(args, error, rf"(?s)\[{name}\].*{match}", kwargs)]


def _letters(x: Any, y: Any, dimension_numbers: Any) -> Any:
    """``dot_general`` by einsum, with a letter for each axis."""
    (lc, rc), (lb, rb) = dimension_numbers
    left = [chr(97 + d) for d in range(x.ndim)]
    right = [chr(107 + d) for d in range(y.ndim)]
    for i, j in zip((*lc, *lb), (*rc, *rb), strict=True):
        right[j] = left[i]
    free = [left[d] for d in range(x.ndim) if d not in (*lc, *lb)]
    free += [right[d] for d in range(y.ndim) if d not in (*rc, *rb)]
    out = [left[d] for d in lb] + free
    return np.einsum(f"{''.join(left)},{''.join(right)}->{''.join(out)}", x, y)


GENERAL = (
    ((2, 3), (3, 4), (((1,), (0,)), ((), ()))),
    ((3, 2), (4, 3), (((0,), (1,)), ((), ()))),
    ((2, 3, 4), (2, 4, 5), (((2,), (1,)), ((0,), (0,)))),
    ((3, 2), (2, 3), (((0, 1), (1, 0)), ((), ()))),
    ((2, 3), (2, 3), (((), ()), ((0, 1), (0, 1)))),
    ((2,), (3,), (((), ()), ((), ()))),
    ((2, 0), (0, 3), (((1,), (0,)), ((), ()))),
    ((3,), (3,), (((0,), (0,)), ((), ()))),
)


def _general(rng: np.random.Generator, dtype: np.dtype[Any]) -> Iterable[SampleInput]:
    for left, right, dims in GENERAL:
        args = (array(rng, left, dtype), array(rng, right, dtype))
        yield SampleInput(args, {"dimension_numbers": dims})


def product(name: str, op: Any, ref: Any, cases: Sequence[Shapes], **options: Any) -> OpInfo:
    options.setdefault("samples", over(cases))
    options.setdefault("dtypes", DTYPES)
    return OpInfo(name, op, ref, linear=(0, 1), tolerance=8, jax=f"numpy.{name}", **options)


MATRICES = (
    ((2, 3), (3, 4)),
    ((3,), (3,)),
    ((2, 3), (3,)),
    ((3,), (3, 2)),
    ((5, 2, 3), (3, 4)),
    ((2, 1, 2, 3), (4, 3, 2)),
    ((2, 0), (0, 3)),
)

EINSUMS = (
    ("ij,jk->ik", ((2, 3), (3, 2))),
    ("ij,ij->", ((2, 3), (2, 3))),
    ("ij->ji", ((2, 3),)),
    ("ii->i", ((3, 3),)),
    ("...ij,...j->...i", ((2, 2, 3), (3,))),
    ("i,j,ij->", ((2,), (3,), (2, 3))),
    ("bij,bjk,kl->bil", ((2, 2, 3), (2, 3, 2), (2, 2))),
)


def _einsums(rng: np.random.Generator, dtype: np.dtype[Any]) -> Iterable[SampleInput]:
    for subscripts, shapes in EINSUMS:
        args = tuple(array(rng, s, dtype) for s in shapes)
        yield SampleInput(args, {"subscripts": subscripts})


TABLE = (
    OpInfo(
        "dot_general",
        products.dot_general,
        _letters,
        _general,
        DTYPES,
        (products.dot_general_p,),
        linear=(0, 1),
        tolerance=8,
        jax="lax.dot_general",
        errors=lambda: [
            ErrorInput(
                (np.ones((2, 3)), np.ones((4, 5))),
                ShapeError,
                r"\[dot_general\] got \(2, 3\) and \(4, 5\).*3 and 4",
                {"dimension_numbers": (((1,), (0,)), ((), ()))},
            ),
            ErrorInput(
                (np.ones((2, 3)), np.ones((3, 5))),
                ArgumentValueError,
                r"\[dot_general\].*axes \(2,\)",
                {"dimension_numbers": (((2,), (0,)), ((), ()))},
            ),
        ],
    ),
    product(
        "matmul",
        ops.matmul,
        np.matmul,
        MATRICES,
        errors=refuses("matmul", (3, 4), (5, 6), match=r"\(3, 4\) and \(5, 6\).*4 and 5 differ"),
    ),
    product(
        "dot",
        ops.dot,
        np.dot,
        (*MATRICES[:4], ((), (3,)), ((2, 3, 2), (4, 2, 3))),
        errors=refuses("dot", (3, 4), (5, 6), match=r"\(3, 4\) and \(5, 6\)"),
    ),
    OpInfo(
        "vdot",
        ops.vdot,
        np.vdot,
        over([((3,), (3,)), ((2, 3), (2, 3)), ((), ())]),
        DTYPES,
        tolerance=8,
        jax="numpy.vdot",
        errors=refuses("vdot", (3,), (4,), match="3.*4"),
    ),
    product(
        "inner",
        ops.inner,
        np.inner,
        (((3,), (3,)), ((2, 3), (4, 3)), ((), (2,))),
        errors=refuses("inner", (2, 3), (2, 4), match=r"\(2, 3\) and \(2, 4\)"),
    ),
    product("outer", ops.outer, np.outer, (((2,), (3,)), ((2, 2), (3,)), ((), (2,)))),
    product("kron", ops.kron, np.kron, (((2,), (3,)), ((2, 2), (1, 3)))),
    product(
        "tensordot",
        ops.tensordot,
        np.tensordot,
        (),
        samples=over([((2, 3, 4), (3, 4, 2))]),
        errors=refuses("tensordot", (2, 3), (4, 5), match=r"\(2, 3\)", axes=1),
    ),
    OpInfo(
        "vecdot",
        ops.vecdot,
        np.vecdot,
        over([((3,), (3,)), ((2, 3), (3,)), ((2, 1, 3), (4, 3))]),
        DTYPES,
        tolerance=8,
        jax="numpy.vecdot",
    ),
    OpInfo(
        "einsum",
        lambda *xs, subscripts: einsum(subscripts, *xs),
        lambda *xs, subscripts: np.einsum(subscripts, *xs),
        _einsums,
        DTYPES,
        tolerance=8,
        errors=lambda: [
            ErrorInput(
                (np.ones((2, 3)), np.ones((4, 2))),
                ShapeError,
                r"(?s)\[einsum\].*j.*3.*4|\[einsum\].*3 and 4",
                {"subscripts": "ij,jk->ik"},
            ),
            ErrorInput(
                (np.ones((2, 3)),), ShapeError, r"\[einsum\].*ijk", {"subscripts": "ijk->i"}
            ),
        ],
    ),
)
