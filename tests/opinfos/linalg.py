"""Linear algebra. Where a result has a free phase or order, an entry takes what does not."""

from collections.abc import Callable, Iterable, Sequence
from typing import Any

import numpy as np
import scipy.linalg

import fxad.ops.decompositions as decompositions
import fxad.ops.determinant as determinant
import fxad.ops.eigen as eigen
import fxad.ops.linalg as ops
import fxad.ops.matrices as matrices
import fxad.ops.solve as solving
import fxad.ops.triangular as triangular
from fxad.errors import DtypeError, ShapeError
from tests.opinfo import COMPLEX, REAL, ErrorInput, OpInfo, SampleInput, Samples, array

FIELD = (*REAL, *COMPLEX)
Make = Callable[..., np.ndarray]
STACKS = ((3, 3), (1, 1), (2, 3, 3), (0, 0), (2, 0, 0))
TALL_AND_WIDE = ((4, 2), (2, 3), (3, 3), (2, 3, 2))


def general(rng: np.random.Generator, shape: Sequence[int], dtype: Any) -> np.ndarray:
    """Matrices whose singular values and eigenvalues are apart, and far from zero."""
    *lead, m, n = shape
    spread = np.zeros((m, n))
    np.fill_diagonal(spread, 1.5 * np.arange(1, min(m, n) + 1))
    x = np.asarray(array(rng, shape, dtype, -0.4, 0.4) + spread, dtype)
    return np.ascontiguousarray(np.broadcast_to(x, (*lead, m, n)))


def adjoint(x: Any) -> Any:
    return np.conj(np.swapaxes(x, -1, -2))


def hermitian(rng: np.random.Generator, shape: Sequence[int], dtype: Any) -> np.ndarray:
    x = general(rng, shape, dtype)
    return np.asarray((x + adjoint(x)) / 2, dtype)


def lower(rng: np.random.Generator, shape: Sequence[int], dtype: Any) -> np.ndarray:
    return np.tril(general(rng, shape, dtype))


def of(shapes: Sequence[Any], make: Make = general, **kwargs: Any) -> Samples:
    """One matrix, or several for a list of shapes: the first one made by ``make``."""

    def samples(rng: np.random.Generator, dtype: np.dtype[Any]) -> Iterable[SampleInput]:
        for shape in shapes:
            if not isinstance(shape, list):
                yield SampleInput((make(rng, shape, dtype),), kwargs)
                continue
            rest = [array(rng, s, dtype) for s in shape[1:]]
            yield SampleInput((make(rng, shape[0], dtype), *rest), kwargs)

    return samples


def linalg(
    name: str, op: Any, ref: Any, samples: Samples, *primitives: Any, **options: Any
) -> OpInfo:
    options.setdefault("dtypes", FIELD)
    options.setdefault("tolerance", 40)
    return OpInfo(name, op, ref, samples, primitives=primitives, **options)


def square_only(name: str) -> Callable[[], Iterable[ErrorInput]]:
    return lambda: [
        ErrorInput((np.ones((2, 3)),), ShapeError, rf"\[{name}\] got \(2, 3\).*n, n"),
        ErrorInput((np.ones(3),), ShapeError, rf"\[{name}\] got \(3,\)"),
    ]


def no_half(name: str) -> Callable[[], Iterable[ErrorInput]]:
    half = np.ones((2, 2), np.float16)
    return lambda: [
        *square_only(name)(),
        ErrorInput((half,), DtypeError, rf"\[{name}\] got float16"),
    ]


def singular(name: str) -> Callable[[], Iterable[ErrorInput]]:
    zero = np.zeros((2, 2))
    return lambda: [
        *no_half(name)(),
        ErrorInput((zero,), np.linalg.LinAlgError, rf"\[{name}\].*singular", staged=False),
    ]


def _triangles(rng: np.random.Generator, dtype: np.dtype[Any]) -> Iterable[SampleInput]:
    for shape, k in [((3, 3), 0), ((2, 4), 1), ((2, 3, 2), -1)]:
        yield SampleInput((array(rng, shape, dtype),), {"k": k})


SYSTEMS = [
    [(3, 3), (3,)],
    [(3, 3), (3, 2)],
    [(2, 3, 3), (3, 2)],
    [(3, 3), (2, 3, 2)],
    [(2, 3, 3), (2, 3, 1)],
    [(0, 0), (0, 2)],
]

TRIANGULAR = [
    {"left_side": True, "lower": True},
    {"left_side": True, "lower": False, "transpose_a": True, "conjugate_a": True},
    {"left_side": False, "lower": True},
    {"left_side": True, "lower": True, "unit_diagonal": True},
]


def _triangular_systems(rng: np.random.Generator, dtype: np.dtype[Any]) -> Iterable[SampleInput]:
    for kwargs in TRIANGULAR:
        b = array(rng, (3, 2) if kwargs["left_side"] else (2, 3), dtype)
        yield SampleInput((general(rng, (3, 3), dtype), b), kwargs)
    stack = (general(rng, (2, 3, 3), dtype), array(rng, (2, 3, 1), dtype))
    yield SampleInput(stack, TRIANGULAR[0])


def _solve_triangle(
    a: Any,
    b: Any,
    left_side: bool,
    lower: bool,
    transpose_a: bool = False,
    conjugate_a: bool = False,
    unit_diagonal: bool = False,
) -> Any:
    a = np.tril(a) if lower else np.triu(a)
    if unit_diagonal:
        a = a - a * np.eye(3, dtype=a.dtype) + np.eye(3, dtype=a.dtype)
    a = np.conj(a) if conjugate_a else a
    a = np.swapaxes(a, -1, -2) if transpose_a else a
    if left_side:
        return np.linalg.solve(a, b)
    return np.swapaxes(np.linalg.solve(np.swapaxes(a, -1, -2), np.swapaxes(b, -1, -2)), -1, -2)


def _lu(a: Any) -> Any:
    """The product of the permuted factors, which is the matrix; and the factors."""
    if not a.size:
        return a
    stack = a.reshape(-1, *a.shape[-2:])
    found = [scipy.linalg.lu_factor(m)[0] for m in stack]
    return np.stack(found).reshape(a.shape).astype(a.dtype)


def _turned(values: Any, vectors: Any, back: Any) -> Any:
    """A function of a decomposition that no phase enters."""
    return (vectors * np.cos(values)[..., None, :].astype(vectors.dtype)) @ back


def eigh_function(a: Any) -> Any:
    w, v = eigen.eigh(a)
    return w, _turned(w, v, adjoint(v))


def _eigh_reference(a: Any) -> Any:
    w, v = np.linalg.eigh(a)
    return w, _turned(w, v, adjoint(v))


def svd_function(a: Any) -> Any:
    u, s, vh = decompositions.svd(a, full_matrices=False)
    return s, _turned(s, u, vh)


def _svd_reference(a: Any) -> Any:
    u, s, vh = np.linalg.svd(a, full_matrices=False)
    return s, _turned(s, u, vh)


def full_svd(a: Any) -> Any:
    """The projectors on all of the ranges, which are whole spaces, and the matrix again."""
    u, s, vh = decompositions.svd(a)
    k = s.shape[-1]
    return u @ adjoint(u), (u[..., :, :k] * s[..., None, :].astype(u.dtype)) @ vh[..., :k, :]


def eig_function(a: Any) -> Any:
    w, v = eigen.eig(a)
    return _turned(w, v, solving.inv(v))


def _eig_reference(a: Any) -> Any:
    w, v = np.linalg.eig(a)
    out = _turned(w, v, np.linalg.inv(v))
    return out.astype(np.result_type(a.dtype, np.complex64))


def q_projects(a: Any) -> Any:
    q, r = decompositions.qr(a)
    return q @ adjoint(q), adjoint(r) @ r


def _q_reference(a: Any) -> Any:
    q, r = np.linalg.qr(a)
    return q @ adjoint(q), adjoint(r) @ r


def _norms(rng: np.random.Generator, dtype: np.dtype[Any]) -> Iterable[SampleInput]:
    for shape, kwargs in [
        ((4,), {}),
        ((4,), {"ord": 1}),
        ((4,), {"ord": 3}),
        ((4,), {"ord": np.inf}),
        ((4,), {"ord": -np.inf}),
        ((4,), {"ord": 0}),
        ((2, 3), {}),
        ((2, 3), {"axis": 1, "keepdims": True}),
        ((2, 3), {"ord": "fro"}),
        ((2, 3), {"ord": "nuc"}),
        ((2, 3), {"ord": 2}),
        ((2, 3), {"ord": -2}),
        ((2, 3), {"ord": 1}),
        ((2, 3), {"ord": np.inf}),
        ((2, 3, 2), {"axis": (0, 2)}),
    ]:
        smooth = kwargs.get("ord") != 0
        make = general if len(shape) == 2 else array
        yield SampleInput((make(rng, shape, dtype),), kwargs, smooth=smooth)


def _lstsq(a: Any, b: Any) -> Any:
    return np.linalg.lstsq(a, b)[0]


def _powers(rng: np.random.Generator, dtype: np.dtype[Any]) -> Iterable[SampleInput]:
    for n in (0, 1, 3, -2):
        yield SampleInput((general(rng, (2, 2), dtype),), {"n": n})


TABLE = (
    OpInfo(
        "tril",
        matrices.tril,
        np.tril,
        _triangles,
        ("bool", "int32", *FIELD),
        (matrices.triangle_p,),
        linear=(0,),
        jax="numpy.tril",
    ),
    OpInfo("triu", matrices.triu, np.triu, _triangles, FIELD, linear=(0,), jax="numpy.triu"),
    linalg(
        "solve",
        solving.solve,
        np.linalg.solve,
        of(SYSTEMS),
        solving.solve_p,
        solving.lu_factor_p,
        linear=(1,),
        jax="numpy.linalg.solve",
        errors=lambda: [
            ErrorInput(
                (np.ones((3, 3)), np.ones(2)), ShapeError, r"\[solve\] got \(3, 3\) and \(2,\)"
            ),
            ErrorInput(
                (np.zeros((2, 2)), np.ones(2)),
                np.linalg.LinAlgError,
                r"(?s)\[solve\].*singular.*lstsq",
                staged=False,
            ),
        ],
    ),
    linalg(
        "inv",
        solving.inv,
        np.linalg.inv,
        of(STACKS),
        solving.inv_p,
        jax="numpy.linalg.inv",
        errors=singular("inv"),
    ),
    linalg("lu", lambda a: solving.lu(a)[0], _lu, of([(3, 3), (2, 3, 3)]), solving.lu_p),
    linalg(
        "triangular_solve",
        triangular.triangular_solve,
        _solve_triangle,
        _triangular_systems,
        triangular.triangular_solve_p,
        linear=(1,),
        jax="lax.linalg.triangular_solve",
        errors=lambda: [
            ErrorInput(
                (np.ones((3, 3)), np.ones((2, 3))),
                ShapeError,
                r"\[triangular_solve\] got \(3, 3\) and \(2, 3\)",
                {"left_side": True},
            )
        ],
    ),
    linalg(
        "det",
        determinant.det,
        np.linalg.det,
        of([*STACKS, (2, 2)]),
        determinant.det_p,
        determinant.cofactors_p,
        determinant.cofactor_change_p,
        jax="numpy.linalg.det",
        errors=square_only("det"),
    ),
    linalg(
        "slogdet",
        determinant.slogdet,
        lambda a: tuple(np.linalg.slogdet(a)),
        of(STACKS),
        determinant.slogdet_p,
        jax="numpy.linalg.slogdet",
        errors=square_only("slogdet"),
    ),
    linalg(
        "cholesky",
        decompositions.cholesky,
        np.linalg.cholesky,
        of(STACKS, lambda *args: np.asarray(hermitian(*args) + 2 * np.eye(args[1][-1]), args[2])),
        decompositions.cholesky_p,
        errors=lambda: [
            *no_half("cholesky")(),
            ErrorInput((-np.eye(2),), np.linalg.LinAlgError, "positive definite", staged=False),
        ],
    ),
    linalg(
        "qr",
        decompositions.qr,
        lambda a: tuple(np.linalg.qr(a)),
        of(TALL_AND_WIDE),
        decompositions.qr_p,
        dtypes=REAL,
        jax="numpy.linalg.qr",
    ),
    linalg("qr_projector", q_projects, _q_reference, of(TALL_AND_WIDE)),
    linalg(
        "eigh",
        eigh_function,
        _eigh_reference,
        of([(3, 3), (2, 2, 2), (1, 1), (0, 0)], hermitian),
        eigen.eigh_p,
        eigen.beyond_rounding_p,
        errors=no_half("eigh"),
    ),
    linalg(
        "eigvalsh",
        eigen.eigvalsh,
        np.linalg.eigvalsh,
        of([(3, 3), (2, 2, 2)], hermitian),
        errors=square_only("eigvalsh"),
    ),
    linalg("svd", svd_function, _svd_reference, of(TALL_AND_WIDE), decompositions.svd_p),
    linalg(
        "svd_full",
        full_svd,
        lambda a: (
            np.broadcast_to(np.eye(a.shape[-2], dtype=a.dtype), (*a.shape[:-1], a.shape[-2])),
            a,
        ),
        of(TALL_AND_WIDE),
    ),
    linalg(
        "eig",
        eig_function,
        _eig_reference,
        of([(2, 2), (3, 3)]),
        eigen.eig_p,
        keeps_precision=False,
    ),
    linalg(
        "pinv",
        ops.pinv,
        np.linalg.pinv,
        of(TALL_AND_WIDE),
        ops.pinv_p,
        jax="numpy.linalg.pinv",
    ),
    linalg(
        "lstsq",
        lambda a, b: ops.lstsq(a, b)[0],
        _lstsq,
        of([[(4, 2), (4,)], [(3, 3), (3, 2)], [(2, 3), (2,)]]),
    ),
    linalg("norm", ops.norm, np.linalg.norm, _norms, jax="numpy.linalg.norm"),
    linalg("matrix_power", ops.matrix_power, np.linalg.matrix_power, _powers),
)
