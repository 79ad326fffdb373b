"""A pytree as one flat array and back, for solvers and optimisers that take a vector."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

import fxad.config as config
import fxad.tree as tree
from fxad.core.aval import DType, ShapedArray, aval_of, promote
from fxad.core.source import error
from fxad.errors import DtypeError, ShapeError
from fxad.ops.base import convert, reshape
from fxad.ops.shape import concatenate, ravel, split
from fxad.transforms.common import flatten_inputs, own

__all__ = ["ravel_pytree"]


def ravel_pytree(pytree: Any) -> tuple[Any, Callable[[Any], Any]]:
    """All elements of a pytree along one axis, and the function that puts such an array back.

    Args:
      pytree: arrays and numbers of any shapes; their dtypes are promoted to a common one.

    Returns:
      ``(flat, unravel)``: ``flat`` has shape ``(number of elements,)``; ``unravel(flat)`` is a
      pytree of the same structure, shapes and dtypes. If all dtypes are the same, ``unravel``
      takes an array of any dtype and leaves it so. Both work on traced values.

    Raises:
      ArgumentTypeError: a leaf is not an array or a number.
      ShapeError: ``unravel`` got an array of another shape.
      DtypeError: dtypes differ, and ``unravel`` got an array of another dtype than ``flat``.

    Example:
      >>> import numpy as np
      >>> from fxad.flatten_util import ravel_pytree
      >>> flat, unravel = ravel_pytree({"w": np.array([[1.0, 2.0]]), "b": 3.0})
      >>> flat.tolist()
      [3.0, 1.0, 2.0]
      >>> unravel(10 * flat)["w"].tolist()
      [[10.0, 20.0]]
    """
    leaves, structure = flatten_inputs("ravel_pytree", pytree)
    avals = tuple(aval_of(x) for x in leaves)
    dtype = promote(avals)[0] if avals else config.default_float
    unravel = _Unravel(structure.as_key(), avals, dtype)
    if not leaves:
        return np.zeros(0, dtype), unravel
    flat = concatenate([ravel(convert(x, dtype)) for x in leaves])
    return own([flat], leaves)[0], unravel


@dataclass(frozen=True, slots=True)
class _Unravel:
    """Puts a flat array back. Equal for trees of one form: ``jit`` takes it as static."""

    structure: Any
    avals: tuple[ShapedArray, ...]
    dtype: DType

    def __call__(self, flat: Any) -> Any:
        got, sizes = aval_of(flat), [a.size for a in self.avals]
        if got.shape != (sum(sizes),):
            raise error(
                ShapeError,
                "unravel",
                f"got {got.long_name()}, wanted shape ({sum(sizes)},) as ravel_pytree gave",
            )
        mixed = any(a.dtype != self.dtype for a in self.avals)
        if mixed and got.dtype != self.dtype:
            raise error(
                DtypeError,
                "unravel",
                f"got {got.long_name()}, wanted {self.dtype}, the common dtype of the pytree",
                "Convert it with astype: the leaves differ in dtype and are cast back from it.",
            )
        parts = split(flat, sizes) if sizes else []
        shaped = [reshape(part, a.shape) for part, a in zip(parts, self.avals, strict=True)]
        if mixed:
            shaped = [convert(part, a.dtype) for part, a in zip(shaped, self.avals, strict=True)]
        return tree.unflatten(self.structure, own(shaped, [flat]))
