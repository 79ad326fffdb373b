"""Collectives: what the examples of a ``vmap`` with an ``axis_name`` do together."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

import fxad.tree as tree
from fxad.core.source import error
from fxad.core.trace import Tracer
from fxad.errors import ArgumentValueError, ShapeError
from fxad.ops.base import convert, dtype_of, normalize_axis, reshape, shape_of
from fxad.ops.collective import (
    all_gather_p,
    axis_index_p,
    check_permutation,
    ppermute_p,
    psum_p,
    scatter_sum_p,
)
from fxad.ops.elementwise import add, div, mul
from fxad.ops.reduction import amax, amin
from fxad.transforms.vmap import axis_size as _axis_size


def _names(axis_name: Any) -> tuple[Any, ...]:
    return tuple(axis_name) if isinstance(axis_name, tuple | list) else (axis_name,)


def _one_name(operation: str, axis_name: Any) -> tuple[Any, ...]:
    names = _names(axis_name)
    if len(names) != 1:
        raise error(
            ArgumentValueError,
            operation,
            f"got axis_name={axis_name!r}, wanted the name of one axis",
        )
    return names


def psum(x: Any, axis_name: Any) -> Any:
    """The sum over a named axis; every example gets it.

    Args:
      x: a pytree of arrays or numbers. A Python number is multiplied by the axis size.
      axis_name: the name of an enclosing ``vmap``'s axis, or a tuple of them.

    Returns:
      A pytree of arrays of the same shapes and dtypes; of booleans the number of true ones.

    Raises:
      AxisNameError: no enclosing ``vmap`` has the name.

    Example:
      >>> import numpy as np, fxad
      >>> share = lambda x: x / fxad.lax.psum(x, "i")
      >>> fxad.vmap(share, axis_name="i")(np.array([1.0, 3.0])).tolist()
      [0.25, 0.75]
    """
    size = _axis_size("psum", _names(axis_name))

    def leaf(value: Any) -> Any:
        if isinstance(value, int | float | complex) and not isinstance(value, Tracer):
            return value * size
        if dtype_of(value) == np.bool_:
            value = convert(value, np.int64)
        return psum_p.bind(value, axis_name=_names(axis_name))

    return tree.map(leaf, x)


def pmean(x: Any, axis_name: Any) -> Any:
    """The mean over a named axis; every example gets it.

    Args:
      x: a pytree of arrays or numbers.
      axis_name: the name of an enclosing ``vmap``'s axis, or a tuple of them.

    Returns:
      A pytree of arrays of the same shapes.

    Raises:
      AxisNameError: no enclosing ``vmap`` has the name.

    Example:
      >>> import numpy as np, fxad
      >>> centre = lambda x: x - fxad.lax.pmean(x, "i")
      >>> fxad.vmap(centre, axis_name="i")(np.array([1.0, 3.0])).tolist()
      [-1.0, 1.0]
    """
    size = _axis_size("pmean", _names(axis_name))
    return tree.map(lambda value: div(value, size), psum(x, axis_name))


def _extremum(name: str, reduce: Callable[..., Any], x: Any, axis_name: Any) -> Any:
    def leaf(value: Any) -> Any:
        for one in _names(axis_name):
            size = _axis_size(name, one)
            gathered = all_gather_p.bind(value, axis_name=(one,), axis=0, size=size)
            value = reduce(gathered, 0)
        return value

    return tree.map(leaf, x)


def pmax(x: Any, axis_name: Any) -> Any:
    """The largest value over a named axis; every example gets it.

    Args:
      x: a pytree of arrays or numbers.
      axis_name: the name of an enclosing ``vmap``'s axis, or a tuple of them.

    Returns:
      A pytree of arrays of the same shapes and dtypes.

    Raises:
      AxisNameError: no enclosing ``vmap`` has the name.

    Example:
      >>> import numpy as np, fxad
      >>> scale = lambda x: x / fxad.lax.pmax(x, "i")
      >>> fxad.vmap(scale, axis_name="i")(np.array([1.0, 4.0])).tolist()
      [0.25, 1.0]
    """
    return _extremum("pmax", amax, x, axis_name)


def pmin(x: Any, axis_name: Any) -> Any:
    """The smallest value over a named axis; every example gets it.

    Args:
      x: a pytree of arrays or numbers.
      axis_name: the name of an enclosing ``vmap``'s axis, or a tuple of them.

    Returns:
      A pytree of arrays of the same shapes and dtypes.

    Raises:
      AxisNameError: no enclosing ``vmap`` has the name.

    Example:
      >>> import numpy as np, fxad
      >>> above = lambda x: x - fxad.lax.pmin(x, "i")
      >>> fxad.vmap(above, axis_name="i")(np.array([1.0, 4.0])).tolist()
      [0.0, 3.0]
    """
    return _extremum("pmin", amin, x, axis_name)


def axis_index(axis_name: Any) -> Any:
    """The position of an example along a named axis.

    Args:
      axis_name: the name of an enclosing ``vmap``'s axis, or a tuple of them (row-major).

    Returns:
      An int64 scalar.

    Raises:
      AxisNameError: no enclosing ``vmap`` has the name.

    Example:
      >>> import numpy as np, fxad
      >>> fxad.vmap(lambda x: x * fxad.lax.axis_index("i"), axis_name="i")(np.ones(3)).tolist()
      [0.0, 1.0, 2.0]
    """
    index: Any = None
    for one in _names(axis_name):
        size = _axis_size("axis_index", one)
        here = axis_index_p.bind(axis_name=(one,))
        index = here if index is None else add(mul(index, size), here)
    return index


def axis_size(axis_name: Any) -> int:
    """The number of examples along a named axis.

    Args:
      axis_name: the name of an enclosing ``vmap``'s axis, or a tuple of them.

    Returns:
      A Python integer.

    Raises:
      AxisNameError: no enclosing ``vmap`` has the name.

    Example:
      >>> import numpy as np, fxad
      >>> fxad.vmap(lambda x: x * fxad.lax.axis_size("i"), axis_name="i")(np.ones(3)).tolist()
      [3.0, 3.0, 3.0]
    """
    return _axis_size("axis_size", _names(axis_name))


def all_gather(x: Any, axis_name: Any, *, axis: int = 0, tiled: bool = False) -> Any:
    """The values of all examples, stacked; every example gets them.

    Args:
      x: a pytree of arrays or numbers.
      axis_name: the name of an enclosing ``vmap``'s axis.
      axis: where the new axis stands in the result.
      tiled: join the values along the existing ``axis`` instead of making a new one.

    Returns:
      A pytree of arrays with the axis of the named axis's size added (or joined).

    Raises:
      AxisNameError: no enclosing ``vmap`` has the name.

    Example:
      >>> import numpy as np, fxad
      >>> rank = lambda x: np.sum(fxad.lax.all_gather(x, "i") < x)
      >>> fxad.vmap(rank, axis_name="i")(np.array([5.0, 1.0, 3.0])).tolist()
      [2, 0, 1]
    """

    def leaf(value: Any) -> Any:
        size, shape = _axis_size("all_gather", _names(axis_name)), shape_of(value)
        where = normalize_axis("all_gather", axis, len(shape) + (not tiled))
        for one in reversed(_names(axis_name)):
            value = all_gather_p.bind(
                value, axis_name=(one,), axis=where, size=_axis_size("all_gather", one)
            )
        rest = shape[where + 1 :] if tiled else shape[where:]
        length = size * shape[where] if tiled else size
        return reshape(value, (*shape[:where], length, *rest))

    return tree.map(leaf, x)


def psum_scatter(x: Any, axis_name: Any, *, scatter_dimension: int = 0, tiled: bool = False) -> Any:
    """The sum over a named axis, of which every example keeps its own part.

    Args:
      x: a pytree of arrays whose ``scatter_dimension`` has the axis's size (a multiple of it if
        ``tiled``).
      axis_name: the name of an enclosing ``vmap``'s axis, or a tuple of them (row-major).
      scatter_dimension: the axis of ``x`` that is divided among the examples.
      tiled: keep that axis, with the length of a part.

    Returns:
      A pytree of arrays without that axis (or with the shorter one).

    Raises:
      AxisNameError: no enclosing ``vmap`` has the name.
      ShapeError: the axis cannot be divided.

    Example:
      >>> import numpy as np, fxad
      >>> part = lambda x: fxad.lax.psum_scatter(x, "i")
      >>> fxad.vmap(part, axis_name="i")(np.array([[1.0, 2.0], [3.0, 4.0]])).tolist()
      [4.0, 6.0]
    """
    sizes = {one: _axis_size("psum_scatter", one) for one in _names(axis_name)}
    size = math.prod(sizes.values())

    def leaf(value: Any) -> Any:
        shape = shape_of(value)
        d = normalize_axis("psum_scatter", scatter_dimension, len(shape))
        if shape[d] % size if tiled else shape[d] != size:
            raise error(
                ShapeError,
                "psum_scatter",
                f"got {shape} to divide along axis {d} among {size} examples, wanted the length "
                f"{'a multiple of ' if tiled else ''}{size} there",
            )
        part = (shape[d] // size,) if tiled else ()
        value = reshape(value, (*shape[:d], *sizes.values(), *part, *shape[d + 1 :]))
        for one, n in sizes.items():
            value = scatter_sum_p.bind(value, axis_name=(one,), axis=d, size=n)
        return value

    return tree.map(leaf, x)


def ppermute(x: Any, axis_name: Any, perm: Sequence[tuple[int, int]]) -> Any:
    """Sends values along a named axis; an example that nothing is sent to gets zeros.

    Args:
      x: a pytree of arrays or numbers.
      axis_name: the name of an enclosing ``vmap``'s axis.
      perm: pairs ``(source, destination)``; no source and no destination twice.

    Returns:
      A pytree of arrays of the same shapes and dtypes.

    Raises:
      AxisNameError: no enclosing ``vmap`` has the name.
      ArgumentValueError: a number is out of range or named twice.

    Example:
      >>> import numpy as np, fxad
      >>> shift = lambda x: fxad.lax.ppermute(x, "i", [(0, 1), (1, 2)])
      >>> fxad.vmap(shift, axis_name="i")(np.array([1.0, 2.0, 3.0])).tolist()
      [0.0, 1.0, 2.0]
    """
    names = _one_name("ppermute", axis_name)
    pairs = check_permutation(perm, _axis_size("ppermute", names))
    return tree.map(lambda value: ppermute_p.bind(value, axis_name=names, perm=pairs), x)


def pshuffle(x: Any, axis_name: Any, perm: Sequence[int]) -> Any:
    """Reorders values along a named axis: example ``i`` gets the value of ``perm[i]``.

    Args:
      x: a pytree of arrays or numbers.
      axis_name: the name of an enclosing ``vmap``'s axis.
      perm: a permutation of the positions.

    Returns:
      A pytree of arrays of the same shapes and dtypes.

    Raises:
      AxisNameError: no enclosing ``vmap`` has the name.
      ArgumentValueError: not a permutation.

    Example:
      >>> import numpy as np, fxad
      >>> swap = lambda x: fxad.lax.pshuffle(x, "i", [1, 0])
      >>> fxad.vmap(swap, axis_name="i")(np.array([1.0, 2.0])).tolist()
      [2.0, 1.0]
    """
    size = _axis_size("pshuffle", _one_name("pshuffle", axis_name))
    pairs = [(source, destination) for destination, source in enumerate(perm)]
    if sorted(perm) != list(range(size)):
        check_permutation([*pairs, (-1, -1)], size)
    return ppermute(x, axis_name, pairs)
