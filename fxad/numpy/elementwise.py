"""Builders of ufuncs: a public function from NumPy's ufunc, a primitive and a summary."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from fxad.core.aval import PYTHON_SCALARS
from fxad.core.primitive import Primitive
from fxad.core.source import error
from fxad.errors import ArgumentValueError
from fxad.numpy.dispatch import TABLE, dispatching, refuse_out
from fxad.numpy.nested import NESTED, array_of, strong
from fxad.ops.base import convert, dtype_of

Operation = Primitive | Callable[..., Any]

_OPTIONS = frozenset({"where", "dtype", "casting", "order", "subok", "signature"})

_DOCUMENTATION = """{summary}

Args:
  {args}
  out, where, dtype, casting: as for ``numpy.{name}``; with traced operands no out and no where.

Returns:
  {returns} of the dtype that ``numpy.{name}`` gives; never weak.

Example:
  >>> import fxad.numpy as fnp
  >>> {example}
  {result}
"""
_OPERANDS = {
    1: "x: array or number of any shape.",
    2: "x1, x2: arrays or numbers, whose shapes broadcast against each other.",
}


def ufunc(
    numpy_ufunc: Any, operation: Operation, summary: str, example: str, result: str
) -> Callable[..., Any]:
    """The public function with NumPy's name, semantics and keywords.

    Args:
      numpy_ufunc: the ufunc that plain arrays are handed to.
      operation: a primitive, or a function, of the operands.
      summary: one line of documentation.
      example: the operands of an example.
      result: what the example prints, as lists.
    """
    name, arity = numpy_ufunc.__name__, numpy_ufunc.nin
    if not isinstance(operation, Primitive):
        bind = operation
    elif operation.keeps_weak:
        bind = _strengthened(operation.bind)
    else:
        bind = operation.bind
    implementation = _binary(numpy_ufunc, bind) if arity == 2 else _unary(numpy_ufunc, bind)
    implementation.__name__ = implementation.__qualname__ = name
    implementation.__module__ = "fxad.numpy.ufuncs"
    TABLE[numpy_ufunc] = implementation
    call = f"fnp.{name}({example})"
    single = numpy_ufunc.nout == 1
    implementation.__doc__ = _DOCUMENTATION.format(
        summary=summary,
        args=_OPERANDS[arity],
        name=name,
        returns="An array of their shape" if single else "Two arrays of their shape",
        example=f"{call}.tolist()" if single else f"[y.tolist() for y in {call}]",
        result=result,
    )
    return dispatching(numpy_ufunc, implementation)


def _strengthened(bind: Callable[..., Any]) -> Callable[..., Any]:
    return lambda *args: strong(bind(*args))


def _unary(numpy_ufunc: Any, bind: Callable[..., Any]) -> Callable[..., Any]:
    def implementation(x: Any, /, out: Any = None, **options: Any) -> Any:
        if type(x) in NESTED:
            x = array_of(x)
        if out is not None or options:
            (x,) = _prepare(numpy_ufunc, (x,), out, options)
        return bind(x)

    return implementation


def _binary(numpy_ufunc: Any, bind: Callable[..., Any]) -> Callable[..., Any]:
    def implementation(x1: Any, x2: Any, /, out: Any = None, **options: Any) -> Any:
        if type(x1) in NESTED:
            x1 = array_of(x1)
        if type(x2) in NESTED:
            x2 = array_of(x2)
        if out is not None or options:
            x1, x2 = _prepare(numpy_ufunc, (x1, x2), out, options)
        return bind(x1, x2)

    return implementation


def _prepare(numpy_ufunc: Any, args: tuple[Any, ...], out: Any, options: dict[str, Any]) -> Any:
    """The operands, cast as a ufunc's keywords say."""
    name = numpy_ufunc.__name__
    unknown = options.keys() - _OPTIONS
    if unknown:
        raise TypeError(f"{name}() got an unexpected keyword argument {min(unknown)!r}")
    refuse_out(name, out)
    if options.get("where", True) is not True:
        raise error(
            ArgumentValueError,
            name,
            "got where=, which leaves the other elements undefined, beside a traced value",
            f"Choose what they shall be: fnp.where(mask, fnp.{name}(...), otherwise).",
        )
    loop = {x: options[x] for x in ("casting", "signature") if options.get(x) is not None}
    if options.get("dtype") is not None:
        outputs = (np.dtype(options["dtype"]),) * numpy_ufunc.nout
        loop["signature"] = (None,) * numpy_ufunc.nin + outputs
    if not loop:
        return args
    given = tuple(type(x) if type(x) in PYTHON_SCALARS else dtype_of(x) for x in args)
    wanted = numpy_ufunc.resolve_dtypes(given + (None,) * numpy_ufunc.nout, **loop)
    return tuple(convert(x, dtype) for x, dtype in zip(args, wanted, strict=False))
