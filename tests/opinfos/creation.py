"""Arrays from nothing, zeros beside an array, and what rules of their own need."""

from collections.abc import Callable, Iterable, Sequence
from typing import Any

import numpy as np

import fxad.ops.creation as ops
from fxad.errors import ArgumentTypeError, ArgumentValueError
from fxad.ops.indexing import zeros_beside, zeros_p
from fxad.ops.reduction import root_p
from tests.opinfo import EVERY, REAL, ErrorInput, OpInfo, SampleInput, Samples, array
from tests.opinfos.elementwise import POSITIVE, unary


def each_of(*cases: dict[str, Any], typed: bool = True) -> Samples:
    """Calls without operands, for each dtype."""

    def samples(rng: np.random.Generator, dtype: np.dtype[Any]) -> Iterable[SampleInput]:
        for kwargs in cases:
            yield SampleInput((), {**kwargs, "dtype": dtype.name} if typed else kwargs)

    return samples


def _counted(shape: Any, axis: int, dtype: Any) -> Any:
    return np.indices(shape)[axis].astype(dtype)


def _beside(rng: np.random.Generator, dtype: np.dtype[Any]) -> Iterable[SampleInput]:
    for shape in ((), (2, 3), (0,)):
        yield SampleInput((array(rng, (2,), dtype),), {"shape": shape})


def creator(
    name: str, op: Any, ref: Callable[..., Any], cases: Sequence[dict[str, Any]], **options: Any
) -> OpInfo:
    dtypes = ("int32", "float32", "float64")
    return OpInfo(name, op, ref, each_of(*cases), dtypes, order=0, **options)


SQUARES = ({"n": 3}, {"n": 2, "m": 4, "k": 1}, {"n": 4, "m": 2, "k": -1}, {"n": 0})

TABLE = (
    creator(
        "iota",
        lambda shape, axis, dtype: ops.iota(dtype, shape, axis),
        _counted,
        [{"shape": (3,), "axis": 0}, {"shape": (2, 3), "axis": 1}, {"shape": (0, 2), "axis": 0}],
        primitives=(ops.iota_p,),
        errors=lambda: [
            ErrorInput(
                (),
                ArgumentValueError,
                r"\[iota\] got axis 1",
                {"shape": (3,), "axis": 1, "dtype": "float32"},
            )
        ],
    ),
    creator(
        "eye",
        ops.eye,
        lambda n, m=None, k=0, dtype=None: np.eye(n, m, k, dtype),
        SQUARES,
        primitives=(ops.eye_p,),
    ),
    creator(
        "tri",
        ops.tri,
        lambda n, m=None, k=0, dtype=None: np.tri(n, m, k, dtype),
        SQUARES,
        primitives=(ops.tri_p,),
    ),
    creator(
        "arange",
        ops.arange,
        lambda start, stop=None, step=1, dtype=None: (
            np.arange(start, dtype=dtype)
            if stop is None
            else np.arange(start, stop, step, dtype=dtype)
        ),
        [{"start": 4}, {"start": 1, "stop": 6, "step": 2}, {"start": 3, "stop": 0, "step": -1}],
        primitives=(ops.arange_p,),
        errors=lambda: [
            ErrorInput((), ArgumentValueError, r"\[arange\].*step", {"start": 0, "step": 0}),
            ErrorInput((), ArgumentTypeError, r"\[arange\].*real", {"start": 1j}),
        ],
    ),
    OpInfo(
        "zeros_beside",
        zeros_beside,
        lambda x, shape: np.zeros(shape, x.dtype),
        _beside,
        EVERY,
        (zeros_p,),
        order=0,
    ),
    unary(root_p, np.sqrt, POSITIVE, REAL, jax=None),
)
