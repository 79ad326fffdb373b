"""What a function is before any value is there: its jaxpr, and the shapes of its output."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import Any

import numpy as np

import fxad.tree as tree
from fxad.compiler.arguments import Chosen
from fxad.compiler.tracing import Traced, trace_function
from fxad.core.aval import ShapedArray, aval_of, describe
from fxad.core.jaxpr import ClosedJaxpr, Jaxpr
from fxad.core.source import error
from fxad.core.trace import current_trace, under
from fxad.core.tracebacks import public, public_as
from fxad.errors import ArgumentTypeError, ArgumentValueError
from fxad.transforms.common import check_callable
from fxad.transforms.vmap import BatchTrace


def make_jaxpr(
    fun: Callable[..., Any],
    static_argnums: int | Sequence[int] = (),
    axis_env: Sequence[tuple[Any, int]] | None = None,
    return_shape: bool = False,
) -> Callable[..., Any]:
    """The program that a function is for arguments of given shapes and dtypes, to be printed.

    Args:
      fun: the function; its arguments and result are pytrees of arrays or numbers.
      static_argnums: positions of arguments that are values of the program.
      axis_env: names and sizes of axes that the function's collectives may speak of, as if it
        were called under a ``vmap`` for each.
      return_shape: return the shapes and dtypes of the output as well.

    Returns:
      A function from arguments (arrays, numbers or ``ShapeDtypeStruct``) to a ``ClosedJaxpr``, or
      to a pair of it and the output's tree of ``ShapeDtypeStruct``.

    Example:
      >>> import numpy as np, fxad
      >>> fxad.make_jaxpr(lambda x: np.sum(np.sin(x)))(np.ones(3))
      { lambda ; a:f64[3]. let
          b:f64[3] = sin a
          c:f64[] = reduce_sum[axes=(0,)] b
        in (c,) }
    """
    check_callable("make_jaxpr", fun)
    statics = Chosen("static", fun, static_argnums, None)

    @public_as(fun)
    def jaxpr_of(*args: Any, **kwargs: Any) -> Any:
        dynamic, rest, fixed, fixed_names = statics.split(args, kwargs)
        leaves, structure = tree.flatten((dynamic, rest))
        avals = [aval_of_like("make_jaxpr", x) for x in leaves]
        trace = current_trace()
        for axis_name, size in axis_env or ():
            trace = BatchTrace(trace, size, axis_name)
        traced = under(
            trace, trace_function, fun, structure, avals, fixed, fixed_names, "make_jaxpr"
        )
        jaxpr = _with_constants(traced)
        if not return_shape:
            return jaxpr
        shapes = [ShapeDtypeStruct(a.shape, a.dtype) for a in traced.closed.out_avals]
        return jaxpr, tree.unflatten(traced.out_structure, shapes)

    return jaxpr_of


def _with_constants(traced: Traced) -> ClosedJaxpr:
    """The jaxpr with its constants as such again, the way they are printed."""
    jaxpr, count = traced.closed.jaxpr, len(traced.consts)
    opened = Jaxpr(jaxpr.invars[:count], jaxpr.invars[count:], jaxpr.eqns, jaxpr.outvars)
    return ClosedJaxpr(opened, traced.consts)


class ShapeDtypeStruct:
    """The shape and dtype of an array that need not exist.

    Args:
      shape: a sequence of lengths.
      dtype: anything ``np.dtype`` takes.

    Example:
      >>> import fxad
      >>> fxad.ShapeDtypeStruct((2, 3), "float32")
      ShapeDtypeStruct(shape=(2, 3), dtype=float32)
      >>> fxad.ShapeDtypeStruct.like(1.0)
      ShapeDtypeStruct(shape=(), dtype=float64)
    """

    __slots__ = ("shape", "dtype")

    def __init__(self, shape: Iterable[int], dtype: Any) -> None:
        if dtype is None:
            raise error(ArgumentTypeError, "ShapeDtypeStruct", "got dtype=None, wanted a dtype")
        lengths = tuple(shape)
        if not all(isinstance(n, int | np.integer) and n >= 0 for n in lengths):
            raise error(
                ArgumentValueError,
                "ShapeDtypeStruct",
                f"got shape={lengths}, wanted lengths of at least 0",
            )
        self.shape, self.dtype = tuple(map(int, lengths)), np.dtype(dtype)

    @classmethod
    def like(cls, x: Any) -> ShapeDtypeStruct:
        """The shape and dtype of an array, a number or anything that has both.

        Args:
          x: the array.

        Returns:
          What describes it.
        """
        aval = aval_of_like("ShapeDtypeStruct", x)
        return cls(aval.shape, aval.dtype)

    @property
    def ndim(self) -> int:
        """The number of dimensions."""
        return len(self.shape)

    @property
    def size(self) -> int:
        """The number of elements."""
        return int(np.prod(self.shape, dtype=np.int64))

    def __len__(self) -> int:
        if not self.shape:
            raise TypeError("len() of a 0-d array")
        return self.shape[0]

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, ShapeDtypeStruct):
            return NotImplemented
        return self.shape == other.shape and self.dtype == other.dtype

    def __hash__(self) -> int:
        return hash((self.shape, self.dtype))

    def __repr__(self) -> str:
        return f"ShapeDtypeStruct(shape={self.shape}, dtype={self.dtype})"


def aval_of_like(operation: str, x: Any) -> ShapedArray:
    """The aval of an array, a number, or anything that has a shape and a dtype."""
    if isinstance(x, ShapeDtypeStruct | ShapedArray):
        return ShapedArray(x.shape, x.dtype)
    try:
        return aval_of(x)
    except ArgumentTypeError:
        if hasattr(x, "shape") and hasattr(x, "dtype"):
            return ShapedArray(tuple(x.shape), np.dtype(x.dtype))
        raise error(
            ArgumentTypeError,
            operation,
            f"got {describe(x)}, wanted an array, a number or a ShapeDtypeStruct",
        ) from None


@public
def eval_shape(fun: Callable[..., Any], *args: Any, **kwargs: Any) -> Any:
    """The shapes and dtypes of a function's output; nothing is computed.

    Args:
      fun: the function; its arguments and result are pytrees of arrays or numbers.
      *args: arrays, numbers or anything with a shape and a dtype.
      **kwargs: the same, by name.

    Returns:
      The output's tree, with a ``ShapeDtypeStruct`` for each array.

    Raises:
      ConcretizationTypeError: the function needs a value.

    Example:
      >>> import numpy as np, fxad
      >>> fxad.eval_shape(lambda x, y: x @ y, np.ones((2, 3)), np.ones((3, 4)))
      ShapeDtypeStruct(shape=(2, 4), dtype=float64)
    """
    check_callable("eval_shape", fun)
    leaves, structure = tree.flatten((args, kwargs))
    avals = [aval_of_like("eval_shape", x) for x in leaves]
    traced = trace_function(fun, structure, avals, {}, {}, "eval_shape")
    shapes = [ShapeDtypeStruct(a.shape, a.dtype) for a in traced.closed.out_avals]
    return tree.unflatten(traced.out_structure, shapes)
