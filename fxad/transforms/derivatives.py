"""Jacobians, Hessians and Hessian-vector products, composed of the transformations below them."""

from __future__ import annotations

import functools
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

import fxad.tree as tree
from fxad.core.aval import Shape, ShapedArray
from fxad.core.source import error
from fxad.core.tracebacks import public, public_as
from fxad.errors import ArgumentValueError, DtypeError
from fxad.ops.base import placed_as, reduce_sum, reshape, shape_of
from fxad.ops.elementwise import mul
from fxad.transforms.common import (
    check_callable,
    check_structure,
    normalize_argnums,
    partial_call,
)
from fxad.transforms.jvp import jvp
from fxad.transforms.linearize import Linearized, grad, value_and_grad
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
    return _jacobian("jacfwd", fun, argnums, has_aux, holomorphic, False, lambda run: True)


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
    return _jacobian("jacrev", fun, argnums, has_aux, holomorphic, allow_int, lambda run: False)


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
    return _jacobian("jacobian", fun, argnums, has_aux, holomorphic, allow_int, _forward_is_cheaper)


def _forward_is_cheaper(run: Linearized) -> bool:
    """Forward where it can be taken and inputs are fewer; real to complex only goes forward."""
    ins, outs = run.in_avals, run.out_avals
    if not all(a.dtype.kind in "fc" for a in ins):
        return False
    if all(a.dtype.kind == "f" for a in ins) and any(a.dtype.kind == "c" for a in outs):
        return True
    return sum(a.size for a in ins) < sum(a.size for a in outs)


def _jacobian(
    name: str,
    fun: Callable[..., Any],
    argnums: Argnums,
    has_aux: bool,
    holomorphic: bool,
    allow_int: bool,
    forward: Callable[[Linearized], bool],
) -> Callable[..., Any]:
    """The function runs once; then unit vectors go through its linear part, all together."""
    check_callable(name, fun)

    @public_as(fun)
    def jacobian_of(*args: Any, **kwargs: Any) -> Any:
        numbers, single = normalize_argnums(name, argnums, len(args))
        of_selected = partial_call(fun, args, kwargs, numbers)
        point = args[numbers[0]] if single else tuple(args[n] for n in numbers)
        inner = of_selected if single else lambda values: of_selected(*values)
        run = Linearized(name, inner, point, has_aux)
        go_forward = forward(run)
        for aval in run.in_avals:
            _check_dtype(name, "an argument", aval, holomorphic, allow_int, not go_forward)
        for aval in run.out_avals:
            _check_dtype(name, "an output", aval, holomorphic, False, go_forward)
        blocks = _columns(run) if go_forward else _rows(run)
        rows = [tree.unflatten(run.in_structure, row) for row in blocks]
        jacobian = tree.unflatten(run.out_structure, rows)
        return (jacobian, run.aux()) if has_aux else jacobian

    return jacobian_of


def _columns(run: Linearized) -> list[list[Any]]:
    """The blocks, by output and input, from a batch of tangents."""
    basis = _basis(run.primals, run.in_avals)
    columns = vmap(lambda *tangents: run.push(tangents), out_axes=-1)(*basis)
    return [
        _split(c, run.in_avals, len(aval.shape), aval.shape, ())
        for c, aval in zip(columns, run.out_avals, strict=True)
    ]


def _rows(run: Linearized) -> list[list[Any]]:
    """The blocks, by output and input, from a batch of cotangents."""
    rows = vmap(lambda *cts: run.pull(cts))(*_basis(run.outs, run.out_avals))
    by_input = [
        _split(r, run.out_avals, 0, (), aval.shape)
        for r, aval in zip(rows, run.in_avals, strict=True)
    ]
    return [list(row) for row in zip(*by_input, strict=True)]


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


@public
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
    check_structure("hvp", "the vector", tree.structure(v), tree.structure(x))
    return _HVP_MODES[mode](f, x, v)


@public
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
    check_structure("value_grad_hvp", "the vector", tree.structure(v), tree.structure(x))
    (value, gradient), (_, product) = jvp(value_and_grad(f), (x,), (v,))
    return value, gradient, product


def _check_dtype(
    name: str,
    what: str,
    aval: ShapedArray,
    holomorphic: bool,
    allow_int: bool,
    may_be_complex: bool,
) -> None:
    allowed = "c" if holomorphic else "fc" if may_be_complex else "f"
    if aval.dtype.kind in allowed or (allow_int and aval.dtype.kind in "iub"):
        return
    wanted = "complex numbers" if holomorphic else "real numbers"
    raise error(
        DtypeError,
        name,
        f"got {what} {aval.long_name()}, wanted {wanted}",
        "Pass floats; for a holomorphic function set holomorphic=True.",
    )


def _basis(arrays: Sequence[Any], avals: Sequence[ShapedArray]) -> list[Any]:
    """The unit vectors of some arrays together, stacked along a new leading axis of each."""
    total, start, blocks = sum(a.size for a in avals), 0, []
    for x, aval in zip(arrays, avals, strict=True):
        block = np.eye(total, aval.size, -start, dtype=aval.dtype)
        blocks.append(placed_as(block.reshape((total, *aval.shape)), x))
        start += aval.size
    return blocks


def _split(
    stacked: Any, avals: Sequence[ShapedArray], axis: int, before: Shape, after: Shape
) -> list[Any]:
    """An axis that runs over all elements of some arrays, cut into those arrays' own axes."""
    start, parts = 0, []
    for aval in avals:
        index = (slice(None),) * axis + (slice(start, start + aval.size),)
        parts.append(reshape(stacked[index], (*before, *aval.shape, *after)))
        start += aval.size
    return parts
