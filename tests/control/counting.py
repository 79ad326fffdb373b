"""An operation that knows how often it ran."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np

from fxad.ops.rules import unary

runs: list[int] = []


def _impl(xp: Any, x: Any) -> Any:
    if np.size(x):  # empty arrays only ask for a dtype
        runs.append(1)
    return xp.exp(x)


#: An exponential, whose derivative reads its result.
counted_p = unary("counted", impl=_impl, partial=lambda out, _x: out)
counted = counted_p.bind


@contextmanager
def count() -> Iterator[list[int]]:
    """A list that has, at the end, an item for each run of ``counted``."""
    runs.clear()
    found: list[int] = []
    yield found
    found[:] = runs
