"""Values kept within bounds."""

from collections.abc import Iterable
from typing import Any

import numpy as np

import fxad.ops.bounds as ops
from fxad.errors import ShapeError
from tests.opinfo import HALF, ErrorInput, OpInfo, SampleInput, array


def _samples(rng: np.random.Generator, dtype: np.dtype[Any]) -> Iterable[SampleInput]:
    for shapes in (((), (3,), ()), ((3,), (2, 3), (2, 1)), ((), (), ()), ((1,), (0,), ())):
        low, high = (array(rng, shapes[i], dtype, a, a + 0.3) for i, a in ((0, -1), (2, 1)))
        yield SampleInput((low, array(rng, shapes[1], dtype), high))
    crossed = array(rng, (4,), dtype, 1.0, 1.3), array(rng, (4,), dtype), dtype.type(-1)
    yield SampleInput(crossed)
    ends = np.array([-1, 0, 1]).astype(dtype)
    yield SampleInput((dtype.type(-1), ends, dtype.type(1)), smooth=False)
    if dtype.kind == "f":
        special = np.array([np.nan, np.inf, -np.inf, -0.0], dtype)
        yield SampleInput((dtype.type(-1), special, dtype.type(1)), smooth=False)


TABLE = (
    OpInfo(
        "clamp",
        ops.clamp,
        lambda low, x, high: np.minimum(np.maximum(low, x), high),
        _samples,
        ("int8", "int32", "int64", *HALF),
        (ops.clamp_p,),
        elementwise=True,
        errors=lambda: [
            ErrorInput((np.ones(2), np.ones(3), 1.0), ShapeError, r"\[clamp\].*\(2,\) and \(3,\)")
        ],
    ),
)
