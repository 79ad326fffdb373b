"""Abstract values: what a program knows of an array before it runs; and dtype promotion."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING, Any, TypeAlias

import numpy as np

import fxad.config as config
from fxad.core.number import PYTHON_SCALARS as PYTHON_SCALARS
from fxad.core.number import Complex, Float, Int
from fxad.core.number import weak_dtype as weak_dtype
from fxad.core.source import error
from fxad.errors import ArgumentTypeError, ShapeError

Shape: TypeAlias = tuple[int, ...]
DType: TypeAlias = np.dtype[Any]

#: The dtype of the tangent of a value that has none: integers and booleans.
float0 = np.dtype([("float0", np.void, 0)])

_INT64, _BOOL = np.dtype(np.int64), np.dtype(np.bool_)


class ShapedArray:
    """Shape, dtype, and whether the dtype is weak (came from a Python scalar, NEP 50).

    Args:
      shape: the lengths of the axes.
      dtype: a ``numpy.dtype``.
      weak_type: whether the dtype gives way to another beside it.

    Example:
      >>> import numpy as np
      >>> from fxad.extend import ShapedArray
      >>> ShapedArray((2, 3), np.dtype("float32"))
      ShapedArray(float32[2,3])
    """

    __slots__ = ("shape", "dtype", "weak_type")

    def __init__(self, shape: Shape, dtype: DType, weak_type: bool = False) -> None:
        self.shape, self.dtype, self.weak_type = shape, dtype, weak_type

    @property
    def ndim(self) -> int:
        """The number of axes."""
        return len(self.shape)

    @property
    def size(self) -> int:
        """The number of elements."""
        size = 1
        for n in self.shape:
            size *= n
        return size

    def __eq__(self, other: object) -> bool:
        return (
            isinstance(other, ShapedArray)
            and self.shape == other.shape
            and self.dtype == other.dtype
            and self.weak_type == other.weak_type
        )

    def __hash__(self) -> int:
        return hash((self.shape, self.dtype, self.weak_type))

    def __repr__(self) -> str:
        weak = ", weak_type=True" if self.weak_type else ""
        return f"ShapedArray({self.long_name()}{weak})"

    def __str__(self) -> str:
        return f"{short_dtype(self.dtype)}[{','.join(map(str, self.shape))}]"

    def long_name(self) -> str:
        """The form used in messages: ``float32[3,4]``."""
        name = "float0" if self.dtype == float0 else str(self.dtype)
        return f"{name}[{','.join(map(str, self.shape))}]"

    def strong(self) -> ShapedArray:
        """The same without the weak type."""
        return ShapedArray(self.shape, self.dtype) if self.weak_type else self

    def with_shape(self, shape: Shape) -> ShapedArray:
        """The same dtype with another shape."""
        return ShapedArray(shape, self.dtype, self.weak_type)


def short_dtype(dtype: DType) -> str:
    """``f64``, ``i32``, ``u8``, ``c64``, ``bool``: the dtype as a jaxpr prints it."""
    if dtype == float0:
        return "float0"
    if dtype.kind == "b":
        return "bool"
    if dtype.kind in "fiuc":
        return f"{dtype.kind}{8 * dtype.itemsize}"
    return dtype.name


_aval_of_type: dict[type, Callable[[Any], ShapedArray]] = {
    np.ndarray: lambda x: ShapedArray(x.shape, x.dtype),
    bool: lambda x: ShapedArray((), _BOOL),
    int: lambda x: ShapedArray((), _INT64, True),
    float: lambda x: ShapedArray((), config.default_float, True),
    complex: lambda x: ShapedArray((), weak_dtype(complex), True),
}
_aval_of_type |= {kind: _aval_of_type[PYTHON_SCALARS[kind]] for kind in (Int, Float, Complex)}


def register_aval(kind: type, aval: Callable[[Any], ShapedArray]) -> None:
    """Tells how the abstract value of objects of a type is found."""
    _aval_of_type[kind] = aval


def aval_of(x: Any) -> ShapedArray:
    """The abstract value of an array, a tracer or a number.

    Args:
      x: the value.

    Returns:
      A ``ShapedArray``: shape, dtype, and whether the dtype is weak.

    Raises:
      ArgumentTypeError: it is none of these.

    Example:
      >>> import numpy as np
      >>> from fxad.extend import aval_of
      >>> aval_of(np.ones(3)), aval_of(1)
      (ShapedArray(float64[3]), ShapedArray(int64[], weak_type=True))
    """
    rule = _aval_of_type.get(type(x))
    if rule is not None:
        return rule(x)
    if is_array(x):
        register_aval(type(x), lambda x: ShapedArray(tuple(x.shape), x.dtype))
        return aval_of(x)
    raise error(
        ArgumentTypeError,
        "array",
        f"got {describe(x)}, wanted an array or a number",
        "Make an array of it with fnp.asarray first.",
    )


def is_array(x: Any) -> bool:
    """Whether a value is a NumPy or CuPy array, a NumPy scalar or a ``ShapedArray`` like thing."""
    kind = type(x)
    if kind in _aval_of_type:
        return kind not in PYTHON_SCALARS
    if isinstance(x, np.ndarray | np.generic):
        return bool(x.dtype.kind in "fiucb" or x.dtype == float0 or x.dtype.kind == "V")
    return kind.__module__.partition(".")[0] == "cupy" and hasattr(x, "dtype")


class _ArrayType(type):
    """Makes ``isinstance`` ask ``is_array``."""

    def __instancecheck__(cls, instance: object) -> bool:
        return is_array(instance)


if TYPE_CHECKING:
    Array: TypeAlias = Any  # arrays of several libraries, and what stands for them
else:

    class Array(metaclass=_ArrayType):
        """What functions are traced for: NumPy and CuPy arrays and scalars, and tracers.

        For annotations and ``isinstance``; Python numbers, lists and ``ShapeDtypeStruct`` are none.

        Example:
          >>> import numpy as np, fxad
          >>> def double(x: fxad.Array) -> fxad.Array:
          ...     assert isinstance(x, fxad.Array)
          ...     return 2.0 * x
          >>> float(fxad.grad(double)(np.float64(3.0)))
          2.0
          >>> isinstance(3.0, fxad.Array), isinstance([3.0], fxad.Array)
          (False, False)
        """


def is_value(x: Any) -> bool:
    """Whether a value can be an operand: an array, a tracer or a Python number."""
    return type(x) in _aval_of_type or is_array(x)


def describe(x: Any) -> str:
    """A value in the words of a message: ``float32[3]`` or ``a list [1, 2]``."""
    if is_value(x):
        return aval_of(x).long_name()
    text = repr(x)
    text = text if len(text) <= 40 else text[:37] + "..."
    return f"{type(x).__name__} {text}"


_promoted: dict[tuple[Any, ...], tuple[DType, bool]] = {}
_WEAK_EXAMPLE: dict[str, Any] = {"b": False, "i": 0, "f": 0.0, "c": 0j}


def promote(avals: Iterable[ShapedArray]) -> tuple[DType, bool]:
    """The dtype and weak type of an operation that promotes its operands as NumPy 2 does."""
    key = tuple((a.dtype, a.weak_type) for a in avals)
    found = _promoted.get(key)
    if found is None:
        found = _promoted[key] = _promote(key)
    return found


def _promote(key: tuple[tuple[DType, bool], ...]) -> tuple[DType, bool]:
    if all(weak for _, weak in key):
        return np.result_type(*(dtype for dtype, _ in key)), True
    dtype: DType = np.result_type(*(_WEAK_EXAMPLE[d.kind] if weak else d for d, weak in key))
    return dtype, False


def is_differentiable(dtype: DType) -> bool:
    """Whether values of this dtype have tangents of their own."""
    return dtype.kind in "fc"


def tangent_aval(aval: ShapedArray) -> ShapedArray:
    """The abstract value of a tangent: the primal's own, or float0 for integers and booleans."""
    return aval if aval.dtype.kind in "fc" else ShapedArray(aval.shape, float0)


def broadcast_shapes(operation: str, shapes: Iterable[Shape]) -> Shape:
    """The shape that NumPy's broadcasting gives, or an error that names the operation."""
    shapes = tuple(shapes)
    first = shapes[0]
    if all(shape == first for shape in shapes):
        return first
    try:
        return np.broadcast_shapes(*shapes)
    except ValueError:
        listed = " and ".join(map(str, shapes))
        raise error(
            ShapeError,
            operation,
            f"got shapes {listed}, which do not broadcast together: "
            "aligned at the right, two lengths must be equal or one of them 1",
        ) from None
