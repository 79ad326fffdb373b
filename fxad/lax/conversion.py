"""The same values in other forms: other dtypes, barred from derivatives or from the compiler."""

from __future__ import annotations

from typing import Any

import numpy as np

import fxad.ops.elementwise as elementwise
import fxad.ops.identity as identity
import fxad.tree as tree
from fxad.core.source import error
from fxad.errors import DtypeError
from fxad.ops.base import convert


def convert_element_type(operand: Any, new_dtype: Any) -> Any:
    """The same values in another dtype.

    Args:
      operand: array or number.
      new_dtype: the dtype, of numbers or booleans.

    Returns:
      An array of that dtype; complex numbers lose their imaginary part.

    Raises:
      DtypeError: it is another dtype.

    Example:
      >>> import numpy as np
      >>> from fxad import lax
      >>> lax.convert_element_type(np.array([1.7]), int).tolist()
      [1]
    """
    dtype = np.dtype(new_dtype)
    if dtype.kind not in "biufc":
        raise error(DtypeError, "convert_element_type", f"got {dtype}, wanted a dtype of numbers")
    return convert(operand, dtype)


def bitcast_convert_type(operand: Any, new_dtype: Any) -> Any:
    """The bits of numbers read as another dtype.

    Args:
      operand: array.
      new_dtype: the dtype; a narrower one adds an axis, a wider one takes the last axis up.

    Returns:
      An array.

    Raises:
      ShapeError: the last axis does not hold one number of a wider dtype.

    Example:
      >>> import numpy as np
      >>> from fxad import lax
      >>> lax.bitcast_convert_type(np.array([1.0], np.float32), np.int32).tolist()
      [1065353216]
    """
    return identity.bitcast_convert_type(operand, new_dtype)


def stop_gradient(x: Any) -> Any:
    """The same values, which derivatives take for constants.

    Args:
      x: a pytree of arrays or numbers.

    Returns:
      The same pytree.

    Example:
      >>> import fxad
      >>> float(fxad.grad(lambda x: x * fxad.lax.stop_gradient(x))(3.0))
      3.0
    """
    return tree.map(elementwise.stop_gradient_p.bind, x)


def optimization_barrier(operand: Any) -> Any:
    """The same values, which the compiler computes all before anything that follows.

    Args:
      operand: a pytree of arrays or numbers.

    Returns:
      The same pytree.

    Example:
      >>> import numpy as np
      >>> from fxad import lax
      >>> [x.tolist() for x in lax.optimization_barrier((np.ones(1), np.zeros(1)))]
      [[1.0], [0.0]]
    """
    leaves, structure = tree.flatten(operand)
    return tree.unflatten(structure, identity.optimization_barrier(leaves))
