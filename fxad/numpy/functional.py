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
from fxad.core.aval import Shape, broadcast_shapes
from fxad.core.source import error
from fxad.core.tracebacks import public, public_as
from fxad.errors import ArgumentValueError, ShapeError
from fxad.numpy.nested import NESTED, operand
from fxad.ops.base import convert, normalize_axis, reshape, shape_of
from fxad.ops.shape import expand_dims
from fxad.transforms.vmap import vmap


@public
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


@public
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
      excluded: positions (names) of arguments that are handed over as they are; so is None.
      signature: the dimensions of arguments and results, such as ``"(n,k),(k)->(n)"``; None:
        numbers to numbers. Beside one, named arguments are handed over as they are.

    Returns:
      A function whose arguments have further axes in front, which broadcast.

    Raises:
      ArgumentValueError: the signature is malformed, or does not fit the number of arguments or
        of results; ``excluded`` holds something else than positions and names.
      ShapeError: dimensions of one name differ, or a result has others than the signature says.

    Example:
      >>> import fxad.numpy as fnp
      >>> dot = fnp.vectorize(lambda x, y: fnp.sum(x * y), signature="(n),(n)->()")
      >>> dot(fnp.ones((2, 3)), fnp.ones(3)).tolist()
      [3.0, 3.0]
    """
    inputs, outputs = _parsed(signature)
    for place in excluded:
        if not isinstance(place, str) and (type(place) is not int or place < 0):
            raise error(
                ArgumentValueError,
                "vectorize",
                f"got {place!r} in excluded, wanted positions from 0 on and names",
            )

    @public_as(pyfunc)
    def vectorized(*args: Any, **kwargs: Any) -> Any:
        given: dict[int | str, Any] = dict(enumerate(args))
        given.update(kwargs)
        places = [
            place
            for place, x in given.items()
            if place not in excluded and (type(place) is int or (inputs is None and _has_axes(x)))
        ]
        cores = _cores(signature, inputs, [given[place] for place in places])
        places = [place for place in places if given[place] is not None]
        arrays = [operand(given[place]) for place in places]
        sizes = _sizes(signature, cores, [shape_of(x) for x in arrays])
        leads = [
            tuple(shape_of(x)[: len(shape_of(x)) - len(own)])
            for x, own in zip(arrays, cores, strict=True)
        ]
        lead = broadcast_shapes("vectorize", leads) if leads else ()

        def call(*values: Any) -> Any:
            full = {**given, **dict(zip(places, values, strict=True))}
            named = {name: full[name] for name in kwargs}
            out = pyfunc(*(full[i] for i in range(len(args))), **named)
            return _checked(out, signature, outputs, sizes)

        return _cast(_over(leads, lead, call)(*arrays), otypes)

    return vectorized


def _has_axes(x: Any) -> bool:
    return type(x) in NESTED or bool(getattr(x, "ndim", 0))


def _over(leads: Sequence[Shape], lead: Shape, call: Callable[..., Any]) -> Callable[..., Any]:
    """A call on examples as one on arrays with axes in front, which broadcast to ``lead``."""
    # Inside out: each axis in front is mapped over for the arguments that have it.
    for depth in range(len(lead)):
        axes = tuple(0 if len(own) > depth and own[-1 - depth] != 1 else None for own in leads)
        mapped = any(a is not None for a in axes)
        call = vmap(call, in_axes=axes) if mapped else _with_axis(call)

    def squeezed(*arrays: Any) -> Any:
        return call(
            *(
                reshape(x, [n for n in own if n != 1] + list(shape_of(x)[len(own) :]))
                for x, own in zip(arrays, leads, strict=True)
            )
        )

    return squeezed


def _cast(out: Any, otypes: Any) -> Any:
    """Results in given dtypes."""
    if otypes is None:
        return out
    outs = out if isinstance(out, tuple) else (out,)
    outs = tuple(convert(y, np.dtype(d)) for y, d in zip(outs, otypes, strict=True))
    return outs if isinstance(out, tuple) else outs[0]


def _with_axis(call: Callable[..., Any]) -> Callable[..., Any]:
    """A call whose results get an axis of length 1 in front."""
    return lambda *args: tree.map(lambda y: expand_dims(operand(y), 0), call(*args))


#: The names of the dimensions of each argument or result of a signature.
Cores = list[tuple[str, ...]]


def _parsed(signature: str | None) -> tuple[Cores | None, Cores | None]:
    """The dimensions of arguments and of results; None without a signature."""
    if signature is None:
        return None, None
    if not _SIGNATURE.fullmatch(signature):
        raise error(
            ArgumentValueError,
            "vectorize",
            f"got signature={signature!r}, wanted the form '(n,k),(k)->(n)'",
        )
    inputs, outputs = (
        [tuple(re.findall(r"\w+", core)) for core in re.findall(_CORE, side)]
        for side in signature.split("->")
    )
    return inputs, outputs


def _cores(signature: str | None, inputs: Cores | None, values: Sequence[Any]) -> Cores:
    """The dimensions that the function takes of each argument that is not None."""
    if inputs is None:
        return [() for x in values if x is not None]
    fits = len(inputs) == len(values)
    if not fits or any(x is None and own for x, own in zip(values, inputs, strict=True)):
        without = sum(x is None for x in values)
        raise error(
            ArgumentValueError,
            "vectorize",
            f"got {len(values)} arguments, {without} of them None, for the signature "
            f"{signature!r}, wanted {len(inputs)}, and None for numbers alone",
        )
    return [own for x, own in zip(values, inputs, strict=True) if x is not None]


def _sizes(signature: str | None, cores: Cores, shapes: Sequence[Sequence[int]]) -> dict[str, int]:
    """The length of each dimension of a signature, by the last axes of the arguments."""
    sizes: dict[str, int] = {}
    for names, shape in zip(cores, shapes, strict=True):
        _fit(signature, names, shape[len(shape) - len(names) :], sizes)
    return sizes


def _fit(
    signature: str | None, names: Sequence[str], shape: Sequence[int], sizes: dict[str, int]
) -> None:
    """Adds the lengths of one argument or result to those known, which they must not contradict."""
    if len(shape) != len(names) or any(
        sizes.setdefault(name, n) != n for name, n in zip(names, shape, strict=True)
    ):
        wanted = f"({','.join(names)}) of the signature {signature!r}" if signature else "a number"
        known = f", where {sizes} are known" if sizes else ""
        raise error(ShapeError, "vectorize", f"got {tuple(shape)} for {wanted}{known}")


def _checked(out: Any, signature: str | None, outputs: Cores | None, sizes: dict[str, int]) -> Any:
    """What the function returned, if it has the form that the signature says."""
    if outputs is None:
        for y in tree.leaves(out):
            _fit(None, (), shape_of(y), {})
        return out
    outs = tuple(map(operand, out if isinstance(out, tuple) else (out,)))
    if len(outs) != len(outputs):
        raise error(
            ArgumentValueError,
            "vectorize",
            f"got {len(outs)} results for the signature {signature!r}, wanted {len(outputs)}",
        )
    known = dict(sizes)
    for y, names in zip(outs, outputs, strict=True):
        _fit(signature, names, shape_of(y), known)
    return outs if isinstance(out, tuple) else outs[0]


def frompyfunc(
    func: Callable[..., Any], /, nin: int, nout: int, *, identity: Any = None
) -> Any:
    """A function of numbers as one of arrays that broadcast, in one vectorised pass.

    Unlike ``numpy.frompyfunc`` its results are ordinary arrays, not arrays of objects.

    Args:
      func: a function of numbers.
      nin: how many arguments it takes.
      nout: how many results it has.
      identity: NumPy's, for the ``reduce`` of its own kind of function; this one has none.

    Returns:
      A function of ``nin`` arrays, with one result or a tuple of ``nout``.

    Raises:
      ArgumentValueError: the function is called with another number of arguments, or ``func``
        returns another number of results.

    Example:
      >>> import fxad.numpy as fnp
      >>> fnp.frompyfunc(lambda x, y: x + 2 * y, 2, 1)(fnp.ones(2), 3.0).tolist()
      [7.0, 7.0]
    """
    vectorized = vectorize(func)

    @functools.wraps(func)
    def function(*args: Any) -> Any:
        _check_count("arguments", len(args), nin)
        out = vectorized(*args)
        _check_count("results", len(out) if isinstance(out, tuple) else 1, nout)
        return out

    return function


def _check_count(what: str, got: int, wanted: int) -> None:
    if got != wanted:
        raise error(ArgumentValueError, "frompyfunc", f"got {got} {what}, wanted {wanted}")


@public
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
