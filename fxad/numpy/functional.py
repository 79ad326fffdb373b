"""Functions of Python functions, and arrays from other sources."""

from __future__ import annotations

import functools
import re
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

import fxad.dlpack as dlpack
import fxad.tree as tree
from fxad.backends.registry import default_xp
from fxad.core.aval import broadcast_shapes
from fxad.core.source import error
from fxad.errors import ArgumentValueError, ShapeError
from fxad.numpy.nested import operand
from fxad.ops.base import convert, normalize_axis, reshape, shape_of
from fxad.ops.shape import expand_dims
from fxad.transforms.vmap import vmap


def apply_along_axis(
    func1d: Callable[..., Any], axis: int, arr: Any, *args: Any, **kwargs: Any
) -> Any:
    """A function of vectors on all vectors along an axis, in one vectorised pass.

    Args:
      func1d: a function from a vector to an array, of operations that ``fxad.vmap`` takes.
      axis: the axis.
      arr: array.
      *args: handed to the function.
      **kwargs: handed to the function.

    Returns:
      An array: the axes of the function's result in the place of the axis.

    Example:
      >>> import fxad.numpy as fnp
      >>> fnp.apply_along_axis(fnp.sum, 1, fnp.array([[1, 2], [3, 4]])).tolist()
      [3, 7]
    """
    arr = operand(arr)
    ndim = len(shape_of(arr))
    axis = normalize_axis("apply_along_axis", axis, ndim)

    def call(x: Any) -> Any:
        return func1d(x, *args, **kwargs)

    for _ in range(ndim - 1 - axis):
        call = vmap(call, in_axes=-1, out_axes=-1)
    for _ in range(axis):
        call = vmap(call, in_axes=0, out_axes=0)
    return call(arr)


def apply_over_axes(func: Callable[..., Any], a: Any, axes: int | Sequence[int]) -> Any:
    """A reduction over one axis after another, the axes kept.

    Args:
      func: a function of an array and an axis, such as ``fnp.sum``.
      a: array.
      axes: an axis or several.

    Returns:
      An array with as many dimensions.

    Raises:
      ShapeError: the function changed the number of dimensions otherwise.

    Example:
      >>> import fxad.numpy as fnp
      >>> fnp.apply_over_axes(fnp.sum, fnp.ones((2, 3)), [0, 1]).tolist()
      [[6.0]]
    """
    a = operand(a)
    for axis in axes if isinstance(axes, list | tuple) else (axes,):
        ndim = len(shape_of(a))
        out = func(a, axis)
        if len(shape_of(out)) == ndim - 1:
            out = expand_dims(out, normalize_axis("apply_over_axes", axis, ndim))
        if len(shape_of(out)) != ndim:
            raise error(
                ShapeError,
                "apply_over_axes",
                f"got a function that makes {shape_of(out)} of {shape_of(a)}, wanted one that "
                "takes an axis away or keeps all",
            )
        a = out
    return a


_CORE = r"\(\s*(?:\w+\s*(?:,\s*\w+\s*)*,?)?\s*\)"
_SIGNATURE = re.compile(rf"\s*(?:{_CORE}(?:\s*,\s*{_CORE})*)?\s*->\s*{_CORE}(?:\s*,\s*{_CORE})*\s*")


def vectorize(
    pyfunc: Callable[..., Any],
    otypes: Any = None,
    *,
    excluded: Sequence[int | str] = (),
    signature: str | None = None,
) -> Callable[..., Any]:
    """A function of small arrays as one of large arrays that broadcast, in one vectorised pass.

    Unlike ``numpy.vectorize`` it does not call the function for each element, but once, under
    ``fxad.vmap``.

    Args:
      pyfunc: a function of numbers, or of arrays as the signature says.
      otypes: the dtypes of the results, as a list, or as a text of their characters.
      excluded: positions (names) of arguments that are handed over as they are.
      signature: the dimensions of arguments and results, such as ``"(n,k),(k)->(n)"``; None:
        numbers to numbers.

    Returns:
      A function whose arguments have further axes in front, which broadcast.

    Raises:
      ArgumentValueError: the signature is malformed, or does not fit the number of arguments.
      ShapeError: dimensions of one name differ.

    Example:
      >>> import fxad.numpy as fnp
      >>> dot = fnp.vectorize(lambda x, y: fnp.sum(x * y), signature="(n),(n)->()")
      >>> dot(fnp.ones((2, 3)), fnp.ones(3)).tolist()
      [3.0, 3.0]
    """
    if signature is not None and not _SIGNATURE.fullmatch(signature):
        raise error(
            ArgumentValueError,
            "vectorize",
            f"got signature={signature!r}, wanted the form '(n,k),(k)->(n)'",
        )

    @functools.wraps(pyfunc)
    def vectorized(*args: Any, **kwargs: Any) -> Any:
        positions = [i for i in range(len(args)) if i not in excluded]
        arrays = [operand(args[i]) for i in positions]
        cores = _cores(signature, arrays)
        shapes = [tuple(shape_of(x)) for x in arrays]
        leads = [shape[: len(shape) - n] for shape, n in zip(shapes, cores, strict=True)]
        lead = broadcast_shapes("vectorize", leads) if leads else ()

        def call(*values: Any) -> Any:
            full = list(args)
            for i, x in zip(positions, values, strict=True):
                full[i] = x
            return pyfunc(*full, **kwargs)

        # Inside out: each axis in front is mapped over for the arguments that have it.
        for depth in range(len(lead)):
            axes = tuple(0 if len(own) > depth and own[-1 - depth] != 1 else None for own in leads)
            if any(a is not None for a in axes):
                call = vmap(call, in_axes=axes)
            else:
                call = _with_axis(call)
        squeezed = [
            reshape(x, [n for n in own if n != 1] + list(shape_of(x)[len(own) :]))
            for x, own in zip(arrays, leads, strict=True)
        ]
        out = call(*squeezed)
        if otypes is None:
            return out
        outs = out if isinstance(out, tuple) else (out,)
        outs = tuple(convert(y, np.dtype(d)) for y, d in zip(outs, otypes, strict=True))
        return outs if isinstance(out, tuple) else outs[0]

    return vectorized


def _with_axis(call: Callable[..., Any]) -> Callable[..., Any]:
    """A call whose results get an axis of length 1 in front."""
    return lambda *args: tree.map(lambda y: expand_dims(operand(y), 0), call(*args))


def _cores(signature: str | None, arrays: Sequence[Any]) -> list[int]:
    """How many of the last axes of each argument belong to the function."""
    if signature is None:
        return [0] * len(arrays)
    inputs = re.findall(_CORE, signature.split("->")[0])
    if len(inputs) != len(arrays):
        raise error(
            ArgumentValueError,
            "vectorize",
            f"got {len(arrays)} arguments for the signature {signature!r}, wanted {len(inputs)}",
        )
    sizes: dict[str, int] = {}
    counts = []
    for names, x in zip((re.findall(r"\w+", core) for core in inputs), arrays, strict=True):
        shape = shape_of(x)
        own = shape[len(shape) - len(names) :] if names else ()
        fits = len(shape) >= len(names) and all(
            sizes.setdefault(name, n) == n for name, n in zip(names, own, strict=True)
        )
        if not fits:
            raise error(
                ShapeError,
                "vectorize",
                f"got {shape} for ({','.join(names)}) of the signature {signature!r}, where "
                f"{sizes} are known",
            )
        counts.append(len(names))
    return counts


def frompyfunc(func: Callable[..., Any], /, nin: int, nout: int, **kwargs: Any) -> Any:
    """A function of numbers as one of arrays that broadcast, in one vectorised pass.

    Unlike ``numpy.frompyfunc`` its results are ordinary arrays, not arrays of objects.

    Args:
      func: a function of numbers.
      nin: how many arguments it takes.
      nout: how many results it has.
      **kwargs: as for NumPy, without effect.

    Returns:
      A function of arrays.

    Example:
      >>> import fxad.numpy as fnp
      >>> fnp.frompyfunc(lambda x, y: x + 2 * y, 2, 1)(fnp.ones(2), 3.0).tolist()
      [7.0, 7.0]
    """
    return vectorize(func)


def fromfunction(
    function: Callable[..., Any], shape: Sequence[int], *, dtype: Any = float, **kwargs: Any
) -> Any:
    """An array made by a function of its indices.

    Args:
      function: a function of an array of indices for each axis.
      shape: the shape.
      dtype: the dtype of the indices.
      **kwargs: handed to the function.

    Returns:
      What the function returns.

    Example:
      >>> import fxad.numpy as fnp
      >>> fnp.fromfunction(lambda i, j: i + j, (2, 2), dtype=int).tolist()
      [[0, 1], [1, 2]]
    """
    grid = default_xp().asarray(np.indices(tuple(shape), dtype))
    return function(*grid, **kwargs)


# From other sources ------------------------------------------------------------------------------


def from_dlpack(x: Any, /, *, device: Any = None, copy: bool | None = None) -> Any:
    """The array that shares the memory of another library's, by DLPack.

    Args:
      x: an array of a library with DLPack.
      device: as for ``fxad.dlpack.from_dlpack``.
      copy: as for ``fxad.dlpack.from_dlpack``.

    Returns:
      An array of NumPy, or of CuPy if its memory is a GPU's.

    Example:
      >>> import fxad.numpy as fnp, numpy as np
      >>> fnp.from_dlpack(np.arange(2)).tolist()
      [0, 1]
    """
    return dlpack.from_dlpack(x, device=device, copy=copy)


def _imported(name: str, summary: str, arguments: str, example: str, result: str) -> Any:
    """A function of NumPy whose result goes to the default backend."""
    numpy_function = getattr(np, name)

    def function(*args: Any, **kwargs: Any) -> Any:
        return default_xp().asarray(numpy_function(*args, **kwargs))

    function.__name__ = function.__qualname__ = name
    function.__module__ = __name__
    function.__doc__ = f"""{summary}

    Args:
      *args: {arguments}, as for ``numpy.{name}``.
      **kwargs: as for ``numpy.{name}``.

    Returns:
      A vector of the default backend.

    Example:
      >>> import fxad.numpy as fnp
      >>> {example}.tolist()
      {result}
    """
    return function


frombuffer = _imported(
    "frombuffer",
    "The numbers in a buffer of bytes.",
    "the buffer and the dtype",
    "fnp.frombuffer(bytes([1, 2]), 'uint8')",
    "[1, 2]",
)
fromiter = _imported(
    "fromiter",
    "The numbers that an iterator gives.",
    "the iterator and the dtype",
    "fnp.fromiter(range(3), int)",
    "[0, 1, 2]",
)
fromstring = _imported(
    "fromstring",
    "The numbers in a text.",
    "the text, the dtype and the separator",
    "fnp.fromstring('1 2', int, sep=' ')",
    "[1, 2]",
)
fromfile = _imported(
    "fromfile",
    "The numbers in a binary or text file.",
    "the file and the dtype",
    "fnp.fromfile('/dev/null', 'uint8')",
    "[]",
)
