"""The protocols by which NumPy and CuPy ask tracers: their own functions work on traced values."""

from __future__ import annotations

import sys
from types import ModuleType
from typing import Any

import fxad.tree as tree
from fxad.core.aval import describe, is_value
from fxad.core.source import error
from fxad.core.trace import Tracer
from fxad.errors import ArgumentTypeError
from fxad.numpy.cupy_protocol import override_elementwise_kernel
from fxad.numpy.dispatch import TABLE
from fxad.numpy.methods import METHODS
from fxad.numpy.operators import OPERATORS
from fxad.numpy.ufunc_methods import method_of
from fxad.transforms.vmap import SharedTracer


def _answers_itself(x: Any) -> bool:
    """Whether an operand is a container, of xarray say, that takes ufuncs to what is in it."""
    return not is_value(x) and hasattr(type(x), "__array_ufunc__")


def _of_numbers(arguments: Any) -> Any:
    """Arguments with the arrays that all examples of a batch share as they are."""
    return tree.map(lambda x: x.value if type(x) is SharedTracer else x, arguments)


def _array_ufunc(self: Any, ufunc: Any, method: str, *inputs: Any, **kwargs: Any) -> Any:
    """NumPy's ufuncs, and the operators of ndarrays beside a tracer."""
    if any(map(_answers_itself, inputs)):
        return NotImplemented
    implementation = TABLE.get(ufunc)
    if implementation is None:
        if any(type(x) is SharedTracer for x in inputs):
            return getattr(ufunc, method)(*_of_numbers(inputs), **_of_numbers(kwargs))
        raise error(
            ArgumentTypeError,
            ufunc.__name__,
            f"got {describe(self)} while it is traced, and fxad has no such function",
            "Write it with the functions of fxad.numpy, or leave the transformed function.",
        )
    if method == "__call__":
        return implementation(*inputs, **kwargs)
    return method_of(ufunc, method)(*inputs, **kwargs)


def _array_function(
    self: Any, function: Any, types: Any, args: tuple[Any, ...], kwargs: dict[str, Any]
) -> Any:
    """NumPy's other functions."""
    implementation = TABLE.get(function)
    if implementation is None:
        if any(type(x) is SharedTracer for x in tree.leaves((args, kwargs))):
            return function(*_of_numbers(args), **_of_numbers(kwargs))
        name = f"{function.__module__}.{function.__name__}"
        raise error(
            ArgumentTypeError,
            function.__name__,
            f"got {describe(self)} while it is traced, and fxad has no rule for {name}",
            "Write it with the functions of fxad.numpy, or leave the transformed function.",
        )
    return implementation(*args, **kwargs)


def _array_namespace(self: Any, *, api_version: str | None = None) -> ModuleType:
    """The functions of the array API standard for tracers."""
    return sys.modules["fxad.numpy"]


#: What tracers answer, by name: all of it is installed in this one place.
ANSWERS: dict[str, Any] = {
    **OPERATORS,
    **METHODS,
    "__array_ufunc__": _array_ufunc,
    "__array_function__": _array_function,
    "__array_namespace__": _array_namespace,
    "__cupy_override_elementwise_kernel__": override_elementwise_kernel,
}

for _name, _answer in ANSWERS.items():
    setattr(Tracer, _name, _answer)
