"""``x.at[index].set(values)`` and its relatives: functional updates of parts of an array."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NoReturn

import numpy as np

from fxad.backends import device_get
from fxad.core.aval import aval_of
from fxad.core.source import error
from fxad.core.trace import Tracer
from fxad.errors import ConcretizationTypeError, TracerAssignmentError
from fxad.ops.base import convert, dtype_of, shape_of
from fxad.ops.elementwise import add, div, neg, pow, select
from fxad.ops.indexing import get, parse_with_mode, zeros_beside
from fxad.ops.logic import gt
from fxad.ops.scatter import scatter


class IndexUpdateHelper:
    """What ``at(x)`` and ``x.at`` give: it waits for an index in brackets."""

    __slots__ = ("array",)

    def __init__(self, array: Any) -> None:
        self.array = array

    def __getitem__(self, index: Any) -> IndexUpdateRef:
        return IndexUpdateRef(self.array, index)

    def __setitem__(self, index: Any, values: Any) -> NoReturn:
        raise error(
            TracerAssignmentError,
            "at",
            "got an assignment x.at[index] = values, wanted a call",
            "Write x = x.at[index].set(values).",
        )


class IndexUpdateRef:
    """A part of an array: every method returns a new array (or, ``get``, the part).

    All methods take ``mode`` (of indices out of bounds: ``None`` for an error, ``"drop"``,
    ``"clip"``, ``"wrap"``), ``unique_indices`` (a promise that no element is named twice, which
    makes derivatives faster) and ``indices_are_sorted`` (accepted for JAX's sake).
    """

    __slots__ = ("array", "index")

    def __init__(self, array: Any, index: Any) -> None:
        self.array, self.index = array, index

    def get(
        self,
        *,
        mode: Any = None,
        fill_value: Any = None,
        unique_indices: bool = False,
        indices_are_sorted: bool = False,
    ) -> Any:
        """The part itself; ``fill_value`` stands out of bounds with ``mode="fill"``."""
        return get(self.array, self.index, mode, fill_value, unique_indices)

    def set(self, values: Any, **options: Any) -> Any:
        """The array with the part replaced; of equal indices the last one stays."""
        return self._scatter(values, "set", **options)

    def add(self, values: Any, **options: Any) -> Any:
        """The array with values added to the part; equal indices add up."""
        return self._scatter(values, "add", **options)

    def subtract(self, values: Any, **options: Any) -> Any:
        """The array with values subtracted from the part."""
        return self._scatter(neg(values), "add", **options)

    def multiply(self, values: Any, **options: Any) -> Any:
        """The array with the part multiplied by values."""
        return self._scatter(values, "mul", **options)

    mul = multiply

    def divide(self, values: Any, **options: Any) -> Any:
        """The array with the part divided by values."""
        return div(self.array, IndexUpdateRef(self._ones(), self.index).multiply(values, **options))

    def power(self, values: Any, **options: Any) -> Any:
        """The array with the part raised to powers."""
        return pow(self.array, IndexUpdateRef(self._ones(), self.index).multiply(values, **options))

    def min(self, values: Any, **options: Any) -> Any:
        """The array with the lesser of the part and the values."""
        return self._scatter(values, "min", **options)

    def max(self, values: Any, **options: Any) -> Any:
        """The array with the greater of the part and the values."""
        return self._scatter(values, "max", **options)

    def apply(
        self,
        function: Callable[[Any], Any],
        *,
        mode: Any = None,
        unique_indices: bool = False,
        indices_are_sorted: bool = False,
    ) -> Any:
        """The array with a function applied to the part: once for each index, of equal ones too.

        Under ``jit`` and ``vmap`` more than 32 indices need ``unique_indices=True``.
        """
        shape = shape_of(self.array)
        part = get(self.array, self.index, mode, 0)
        found, _ = parse_with_mode("at", shape, self.index, mode)
        if found.unique or unique_indices:
            out = function(part)
        else:
            counts = scatter(np.zeros(shape, np.int64), self.index, 1, "add", mode)
            counts = get(counts, self.index, mode, 0)
            out = apply_often("at", function, part, counts, aval_of(part).size)
        return scatter(self.array, self.index, out, "set", mode, unique_indices)

    def _ones(self) -> Any:
        return add(zeros_beside(self.array, shape_of(self.array)), 1)

    def _scatter(
        self,
        values: Any,
        combine: str,
        *,
        mode: Any = None,
        unique_indices: bool = False,
        indices_are_sorted: bool = False,
    ) -> Any:
        return scatter(self.array, self.index, values, combine, mode, unique_indices)


#: How many applications are written out where values do not say how many it takes.
_MOST_WRITTEN_OUT = 32


def apply_often(
    operation: str, function: Callable[[Any], Any], x: Any, counts: Any, most: int
) -> Any:
    """A function applied to each element of ``x`` as often as its count says, ``most`` times."""
    known = counts.concrete() if isinstance(counts, Tracer) else counts
    if known is None and most > _MOST_WRITTEN_OUT:
        raise error(
            ConcretizationTypeError,
            operation,
            f"got {most} indices that are not known while tracing, wanted at most "
            f"{_MOST_WRITTEN_OUT} or known ones: how many are equal says how often to apply",
            "Pass unique_indices=True if none are.",
        )
    times = most if known is None else int(np.max(device_get(known), initial=0))
    for k in range(times):
        x = select(gt(counts, k), convert(function(x), dtype_of(x)), x)
    return x


def at(x: Any) -> IndexUpdateHelper:
    """Functional updates of parts of an array or a tracer: ``at(x)[index].set(values)``.

    Args:
      x: an array or a tracer; it stays as it is.

    Returns:
      An object to index as NumPy does; what that gives has the methods ``set``, ``add``,
      ``subtract``, ``multiply``, ``divide``, ``power``, ``min``, ``max``, ``apply`` and ``get``.

    Raises:
      IndexingError: the index does not fit the array (by the methods).
      DtypeError: the array's dtype cannot hold the values (by the methods).

    Example:
      >>> import numpy as np, fxad.numpy as fnp
      >>> x = np.zeros(3)
      >>> fnp.at(x)[[0, 0, 2]].add(1.0).tolist(), x.tolist()
      ([2.0, 0.0, 1.0], [0.0, 0.0, 0.0])
    """
    return IndexUpdateHelper(x)
