"""Jacobians, Hessians and Hessian-vector products, composed of the transformations below them."""

from __future__ import annotations

import functools
import math
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

import fxad.tree as tree
from fxad.core.aval import aval_of
from fxad.core.source import error
from fxad.errors import ArgumentValueError, DtypeError
from fxad.ops.base import convert, reduce_sum, reshape, shape_of
from fxad.ops.elementwise import mul
from fxad.transforms.common import (
    check_callable,
    check_structure,
    normalize_argnums,
    partial_call,
    unpack_aux,
)
from fxad.transforms.jvp import jvp
from fxad.transforms.linearize import grad, linearize, value_and_grad, vjp
from fxad.transforms.vmap import vmap

Argnums = int | Sequence[int]


def jacfwd(
    fun: Callable[..., Any],
    argnums: Argnums = 0,
    has_aux: bool = False,
    holomorphic: bool = False,
) -> Callable[..., Any]:
    """The Jacobian, column by column: a batch of forward passes, one for each input.

    Args:
      fun: the function; its arguments and result are pytrees of arrays or numbers.
      argnums: which positional arguments to differentiate by.
      has_aux: whether ``fun`` returns a pair ``(output, aux)``.
      holomorphic: promises that ``fun`` is holomorphic.

    Returns:
      A function with ``fun``'s arguments whose result has the output's structure, each leaf of it
      the input's structure, with arrays of shape ``output.shape + input.shape``.

    Raises:
      DtypeError: an argument is not real (complex with ``holomorphic``).

    Example:
      >>> import numpy as np, fxad
      >>> fxad.jacfwd(lambda x: x**2)(np.array([1.0, 2.0])).tolist()
      [[2.0, 0.0], [0.0, 4.0]]
    """
    check_callable("jacfwd", fun)

    @functools.wraps(fun)
    def jacobian_of(*args: Any, **kwargs: Any) -> Any:
        numbers, single = normalize_argnums("jacfwd", argnums, len(args))
        selected = tuple(args[n] for n in numbers)
        of_selected = partial_call(fun, args, kwargs, numbers)
        for x in tree.leaves(selected):
            _check_dtype("jacfwd", "an argument", x, holomorphic)
        point = selected[0] if single else selected
        inner = of_selected if single else lambda xs: of_selected(*xs)
        out, push, *aux = linearize(inner, point, has_aux=has_aux)
        for y in tree.leaves(out):
            _check_dtype("jacfwd", "an output", y, holomorphic, may_be_complex=True)
        columns = vmap(push, out_axes=-1)(_basis(point))
        jacobian = tree.map(lambda y, c: _split(c, point, len(shape_of(y))), out, columns)
        return (jacobian, aux[0]) if has_aux else jacobian

    return jacobian_of


def jacrev(
    fun: Callable[..., Any],
    argnums: Argnums = 0,
    has_aux: bool = False,
    holomorphic: bool = False,
    allow_int: bool = False,
) -> Callable[..., Any]:
    """The Jacobian, row by row: a batch of backward passes, one for each output.

    Args:
      fun: the function; its arguments and result are pytrees of arrays or numbers.
      argnums: which positional arguments to differentiate by.
      has_aux: whether ``fun`` returns a pair ``(output, aux)``.
      holomorphic: promises that ``fun`` is holomorphic.
      allow_int: allows integer arguments, whose Jacobians are of dtype ``float0``.

    Returns:
      As ``jacfwd``.

    Raises:
      DtypeError: an argument or an output is not real (complex with ``holomorphic``).

    Example:
      >>> import numpy as np, fxad
      >>> fxad.jacrev(lambda x: np.array([[1.0, 2.0]]) @ x)(np.zeros(2)).tolist()
      [[1.0, 2.0]]
    """
    check_callable("jacrev", fun)

    @functools.wraps(fun)
    def jacobian_of(*args: Any, **kwargs: Any) -> Any:
        numbers, single = normalize_argnums("jacrev", argnums, len(args))
        selected = tuple(args[n] for n in numbers)
        of_selected = partial_call(fun, args, kwargs, numbers)
        for x in tree.leaves(selected):
            _check_dtype("jacrev", "an argument", x, holomorphic, allow_int, not holomorphic)
        point = selected[0] if single else selected
        inner = of_selected if single else lambda xs: of_selected(*xs)
        out, pull, *aux = vjp(inner, point, has_aux=has_aux)
        for y in tree.leaves(out):
            _check_dtype("jacrev", "an output", y, holomorphic)
        rows = vmap(pull)(_basis(out))[0]
        flat_rows, structure = tree.flatten(rows)
        split = [_split_front(r, out) for r in flat_rows]
        outs, out_structure = tree.flatten(out)
        per_output = [
            tree.unflatten(structure, [tree.leaves(s)[i] for s in split])
            for i in range(len(outs))
        ]
        jacobian = tree.unflatten(out_structure, per_output)
        return (jacobian, aux[0]) if has_aux else jacobian

    return jacobian_of


def jacobian(
    fun: Callable[..., Any],
    argnums: Argnums = 0,
    has_aux: bool = False,
    holomorphic: bool = False,
    allow_int: bool = False,
) -> Callable[..., Any]:
    """The Jacobian, by forward mode where inputs are fewer than outputs, else by reverse mode.

    Args:
      fun: as for ``jacfwd``.
      argnums: as for ``jacfwd``.
      has_aux: as for ``jacfwd``.
      holomorphic: as for ``jacfwd``.
      allow_int: as for ``jacrev``.

    Returns:
      As ``jacfwd``.

    Raises:
      DtypeError: an argument is not real (complex with ``holomorphic``).

    Example:
      >>> import numpy as np, fxad
      >>> fxad.jacobian(lambda x: x[:2] * x[2])(np.array([1.0, 2.0, 3.0])).tolist()
      [[3.0, 0.0, 1.0], [0.0, 3.0, 2.0]]
    """
    check_callable("jacobian", fun)
    forward = jacfwd(fun, argnums, has_aux, holomorphic)
    reverse = jacrev(fun, argnums, has_aux, holomorphic, allow_int)

    @functools.wraps(fun)
    def jacobian_of(*args: Any, **kwargs: Any) -> Any:
        numbers, _ = normalize_argnums("jacobian", argnums, len(args))
        leaves = tree.leaves([args[n] for n in numbers])
        real = all(aval_of(x).dtype.kind in ("c" if holomorphic else "f") for x in leaves)
        if not real:
            return reverse(*args, **kwargs)
        inputs = sum(aval_of(x).size for x in leaves)
        out = _output_avals(partial_call(fun, args, kwargs, range(len(args))), args, has_aux)
        outputs = sum(a.size for a in out)
        complex_output = any(a.dtype.kind == "c" for a in out)
        chosen = forward if inputs < outputs or (complex_output and not holomorphic) else reverse
        return chosen(*args, **kwargs)

    return jacobian_of


def _output_avals(fun: Callable[..., Any], args: Sequence[Any], has_aux: bool) -> list[Any]:
    """The output's avals: the function runs once, since it may branch on values."""
    out = fun(*args)
    return [aval_of(y) for y in tree.leaves(unpack_aux("jacobian", out)[0] if has_aux else out)]


def hessian(
    fun: Callable[..., Any],
    argnums: Argnums = 0,
    has_aux: bool = False,
    holomorphic: bool = False,
) -> Callable[..., Any]:
    """The Hessian of a scalar function: forward mode over reverse mode.

    Args:
      fun: a function whose arguments and result are pytrees of arrays or numbers.
      argnums: which positional arguments to differentiate by.
      has_aux: whether ``fun`` returns a pair ``(output, aux)``.
      holomorphic: promises that ``fun`` is holomorphic.

    Returns:
      A function with ``fun``'s arguments; a leaf has shape
      ``output.shape + input.shape + input.shape``.

    Raises:
      DtypeError: an argument is not real (complex with ``holomorphic``).

    Example:
      >>> import numpy as np, fxad
      >>> fxad.hessian(lambda x: x[0] ** 2 * x[1])(np.array([1.0, 2.0])).tolist()
      [[4.0, 2.0], [2.0, 0.0]]
    """
    inner = jacrev(fun, argnums, has_aux, holomorphic)
    return jacfwd(inner, argnums, has_aux, holomorphic)


def _vdot(a: Any, b: Any) -> Any:
    """The sum over all leaves of the elementwise products."""
    parts = [
        reduce_sum(mul(x, y), tuple(range(len(shape_of(x)))))
        for x, y in zip(tree.leaves(a), tree.leaves(b), strict=True)
    ]
    return functools.reduce(lambda x, y: x + y, parts)


def _forward_over_reverse(f: Callable[..., Any], x: Any, v: Any) -> Any:
    return jvp(grad(f), (x,), (v,))[1]


def _reverse_over_reverse(f: Callable[..., Any], x: Any, v: Any) -> Any:
    return grad(lambda y: _vdot(grad(f)(y), v))(x)


def _reverse_over_forward(f: Callable[..., Any], x: Any, v: Any) -> Any:
    return grad(lambda y: jvp(f, (y,), (v,))[1])(x)


_HVP_MODES = {
    "forward-over-reverse": _forward_over_reverse,
    "reverse-over-reverse": _reverse_over_reverse,
    "reverse-over-forward": _reverse_over_forward,
}


def hvp(
    f: Callable[..., Any], x: Any, v: Any, *, mode: str = "forward-over-reverse"
) -> Any:
    """The product of a scalar function's Hessian with a vector; the Hessian is never formed.

    Args:
      f: a function of one argument whose output is one real number.
      x: the point, any pytree of arrays or numbers.
      v: the vector: the structure, shapes and dtypes of ``x``.
      mode: ``"forward-over-reverse"`` (the fastest as a rule), ``"reverse-over-reverse"`` or
        ``"reverse-over-forward"``.

    Returns:
      ``H v``, of the structure, shapes and dtypes of ``x``, at the cost of a few calls of ``f``.

    Raises:
      StructureError: ``v`` does not match ``x``.
      ArgumentValueError: an unknown mode.
      NonScalarOutputError: the output of ``f`` is not a single number.

    Source: Pearlmutter, Fast Exact Multiplication by the Hessian, Neural Computation 6, 1994.

    Example:
      >>> import numpy as np, fxad
      >>> fxad.hvp(lambda x: np.sum(x**3), np.array([1.0, 2.0]), np.array([1.0, 1.0])).tolist()
      [6.0, 12.0]
    """
    if mode not in _HVP_MODES:
        raise error(
            ArgumentValueError,
            "hvp",
            f"got mode={mode!r}, wanted one of {', '.join(map(repr, _HVP_MODES))}",
        )
    check_structure("hvp", "the vector", v, x)
    return _HVP_MODES[mode](f, x, v)


def value_grad_hvp(f: Callable[..., Any], x: Any, v: Any) -> tuple[Any, Any, Any]:
    """Value, gradient and Hessian-vector product of a scalar function, in one pass.

    Args:
      f: a function of one argument whose output is one real number.
      x: the point, any pytree of arrays or numbers.
      v: the vector: the structure, shapes and dtypes of ``x``.

    Returns:
      ``(f(x), gradient, H v)``.

    Raises:
      StructureError: ``v`` does not match ``x``.
      NonScalarOutputError: the output of ``f`` is not a single number.

    Source: Pearlmutter, Fast Exact Multiplication by the Hessian, Neural Computation 6, 1994.

    Example:
      >>> import numpy as np, fxad
      >>> value, g, hv = fxad.value_grad_hvp(lambda x: x**3, 2.0, 1.0)
      >>> float(value), float(g), float(hv)
      (8.0, 12.0, 12.0)
    """
    check_structure("value_grad_hvp", "the vector", v, x)
    (value, gradient), (_, product) = jvp(value_and_grad(f), (x,), (v,))
    return value, gradient, product


def _check_dtype(
    name: str,
    what: str,
    x: Any,
    holomorphic: bool,
    allow_int: bool = False,
    may_be_complex: bool = False,
) -> None:
    aval = aval_of(x)
    allowed = ("c" if holomorphic else "f") + ("c" if may_be_complex else "")
    if aval.dtype.kind in allowed or (allow_int and aval.dtype.kind in "iub"):
        return
    wanted = "complex numbers" if holomorphic else "real numbers"
    raise error(
        DtypeError,
        name,
        f"got {what} {aval.long_name()}, wanted {wanted}",
        "Pass floats; for a holomorphic function set holomorphic=True.",
    )


def _basis(point: Any) -> Any:
    """The unit vectors of a pytree, stacked along a new leading axis of every leaf."""
    leaves, structure = tree.flatten(point)
    avals = [aval_of(x) for x in leaves]
    total, start, columns = sum(a.size for a in avals), 0, []
    for aval in avals:
        block = np.eye(total, aval.size, -start, dtype=aval.dtype)
        columns.append(block.reshape((total, *aval.shape)))
        start += aval.size
    return tree.unflatten(structure, columns)


def _split(columns: Any, point: Any, ndim: int) -> Any:
    """The last axis of an array, cut into the leaves of a pytree: ``prefix + leaf.shape`` each."""
    leaves, structure = tree.flatten(point)
    prefix, start, parts = shape_of(columns)[:ndim], 0, []
    for x in leaves:
        shape = shape_of(x)
        size = math.prod(shape)
        parts.append(reshape(columns[..., start : start + size], (*prefix, *shape)))
        start += size
    return tree.unflatten(structure, parts)


def _split_front(rows: Any, point: Any) -> Any:
    """The first axis of an array, cut into the leaves of a pytree: ``leaf.shape + rest`` each."""
    leaves, structure = tree.flatten(point)
    rest, start, parts = shape_of(rows)[1:], 0, []
    for y in leaves:
        shape = shape_of(y)
        size = math.prod(shape)
        parts.append(convert(reshape(rows[start : start + size], (*shape, *rest)), rows.dtype))
        start += size
    return tree.unflatten(structure, parts)
