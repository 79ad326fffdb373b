"""The same values in other forms: other dtypes, barred from derivatives or from the compiler."""

from __future__ import annotations

import operator
from typing import Any

import numpy as np

import fxad.ops.elementwise as elementwise
import fxad.ops.floats as floats
import fxad.ops.identity as identity
import fxad.tree as tree
from fxad.core.source import error
from fxad.errors import ArgumentValueError, DtypeError
from fxad.ops.base import convert, dtype_of


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


def reduce_precision(operand: Any, exponent_bits: int, mantissa_bits: int) -> Any:
    """Floats rounded to the values of a narrower format, in the dtype that they have.

    Args:
      operand: array of floats.
      exponent_bits: the format's bits for the exponent, at least 1.
      mantissa_bits: those for the fraction; halves are rounded to even.

    Returns:
      An array like ``operand``: what is too large is infinite, what is below the format's normal
      numbers zero. Tangents and cotangents are rounded as well.

    Raises:
      DtypeError: these are no real floats.
      ArgumentValueError: there is no such format.

    Example:
      >>> import numpy as np
      >>> from fxad import lax
      >>> lax.reduce_precision(np.array([1.01, 1e6]), 5, 10).tolist()  # float16
      [1.009765625, inf]
    """
    if dtype_of(operand).kind != "f":
        problem = f"got {dtype_of(operand)}, wanted real floats"
        raise error(DtypeError, "reduce_precision", problem)
    bits = operator.index(exponent_bits), operator.index(mantissa_bits)
    if bits[0] < 1 or bits[1] < 0:
        raise error(
            ArgumentValueError,
            "reduce_precision",
            f"got exponent_bits={bits[0]} and mantissa_bits={bits[1]}, wanted at least 1 and 0",
        )
    return floats.reduce_precision(operand, exponent_bits=bits[0], mantissa_bits=bits[1])


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
