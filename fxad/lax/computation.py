"""Functions of two numbers by which arrays are reduced: staged once, applied to whole arrays."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

import fxad.tree as tree
import fxad.tree_util as tree_util
from fxad.core.aval import PYTHON_SCALARS, ShapedArray, aval_of, describe, promote
from fxad.core.jaxpr import ClosedJaxpr, Var
from fxad.core.primitive import Primitive
from fxad.core.source import error
from fxad.core.staging import stage
from fxad.errors import ArgumentTypeError, ArgumentValueError, DtypeError, ShapeError
from fxad.ops.base import broadcast_to, convert, reshape, shape_of, to_front
from fxad.transforms.common import (
    check_callable,
    check_structure,
    flatten_inputs,
    flatten_outputs,
)
from fxad.transforms.vmap import batch_flat


class Computation:
    """A function of two numbers, or of two pytrees of them, by which operands are reduced.

    Args:
      closed: ``(*xs, *ys) -> zs``, of numbers of the operands' dtypes.
    """

    __slots__ = ("closed", "_elementwise")

    def __init__(self, closed: ClosedJaxpr) -> None:
        self.closed = closed
        self._elementwise = all(
            eqn.primitive.scalar is not None and not any(v.aval.shape for v in eqn.outvars)
            for eqn in closed.eqns
        )

    def __call__(self, xs: Sequence[Any], ys: Sequence[Any]) -> list[Any]:
        """The function applied to arrays of one shape, element by element."""
        shape = shape_of(xs[0])
        if self._elementwise or not shape:
            outs = self.closed(*xs, *ys)
        else:
            flat = [reshape(x, (aval_of(x).size,)) for x in (*xs, *ys)]
            size = shape_of(flat[0])[0]
            found, dims = batch_flat(self.closed, size, flat, [0] * len(flat))
            outs = [
                reshape(to_front(z, d, size), shape) for z, d in zip(found, dims, strict=True)
            ]
        return [
            broadcast_to(convert(z, aval.dtype), shape)
            for z, aval in zip(outs, self.closed.in_avals, strict=False)
        ]

    def primitives(self) -> list[Primitive | None]:
        """For each output, the primitive that makes it of the two numbers in its place, if any."""
        jaxpr = self.closed.jaxpr
        count = len(jaxpr.outvars)
        made_by = {v: eqn for eqn in jaxpr.eqns for v in eqn.outvars}
        found: list[Primitive | None] = []
        for i, out in enumerate(jaxpr.outvars):
            eqn = made_by.get(out) if isinstance(out, Var) else None
            pair = {jaxpr.invars[i], jaxpr.invars[count + i]}
            whole = eqn is not None and len(eqn.invars) == 2 and pair == set(eqn.invars)
            found.append(eqn.primitive if whole and eqn is not None else None)
        return found


def parse(
    operation: str, operands: Any, init_values: Any, computation: Callable[..., Any]
) -> tuple[list[Any], list[Any], Any, Computation]:
    """The leaves of the operands, the initial values in their dtypes, the structure, the function.

    Args:
      operation: the name for messages.
      operands: array, or a pytree of arrays of one shape.
      init_values: a number for each of them.
      computation: the function of two numbers or pytrees of numbers.
    """
    check_callable(operation, computation, f"lax.{operation}(x, init_value, lax.add, ...)")
    leaves, structure = flatten_inputs(operation, operands)
    if not leaves:
        raise error(ArgumentValueError, operation, "got no operand, wanted at least one array")
    inits, init_structure = flatten_inputs(operation, init_values)
    check_structure(operation, "initial values", init_structure, structure)
    paths = [tree_util.keystr(path) for path, _ in tree.leaves_with_path(operands)]
    shape = shape_of(leaves[0])
    for path, x in zip(paths, leaves, strict=True):
        if shape_of(x) != shape:
            raise error(
                ShapeError,
                operation,
                f"got operands of the shapes {shape} and, at operands{path}, {shape_of(x)}, "
                "wanted one shape",
            )
    avals = [ShapedArray((), aval_of(x).dtype) for x in leaves]
    inits = [
        _initial(operation, path, init, aval)
        for path, init, aval in zip(paths, inits, avals, strict=True)
    ]
    return leaves, inits, structure, _staged(operation, computation, structure, avals, paths)


def _initial(operation: str, path: str, init: Any, wanted: ShapedArray) -> Any:
    """An initial value in the dtype of its operand."""
    got = aval_of(init)
    if got.shape:
        raise error(
            ShapeError,
            operation,
            f"got an initial value of shape {got.shape} at init_values{path}, wanted a number",
        )
    if not fits(got, wanted):
        raise error(
            DtypeError,
            operation,
            f"got the initial value {describe(init)} at init_values{path} for an operand of "
            f"{wanted.dtype}, wanted one dtype",
            "Give a Python number, or a value of the operand's dtype.",
        )
    return wanted.dtype.type(init) if type(init) in PYTHON_SCALARS else init


def fits(got: ShapedArray, wanted: ShapedArray) -> bool:
    """Whether a value is of a dtype, or a Python number that the dtype takes."""
    if got.dtype == wanted.dtype:
        return True
    return got.weak_type and promote((got, wanted))[0] == wanted.dtype


def _staged(
    operation: str,
    computation: Callable[..., Any],
    structure: Any,
    avals: Sequence[ShapedArray],
    paths: Sequence[str],
) -> Computation:
    count = len(avals)

    def flat(*numbers: Any) -> list[Any]:
        xs = tree.unflatten(structure, numbers[:count])
        ys = tree.unflatten(structure, numbers[count:])
        outs, out_structure = flatten_outputs(operation, computation(xs, ys))
        check_structure(operation, "an output of the computation", out_structure, structure)
        return outs

    closed = stage(flat, [*avals, *avals], operation)
    for path, got, wanted in zip(paths, closed.out_avals, avals, strict=True):
        if got.shape or not fits(got, wanted):
            raise error(
                ArgumentTypeError if got.shape else DtypeError,
                operation,
                f"got a computation that makes {got.long_name()} of two numbers of {wanted.dtype}"
                f"{f' at {path}' if path else ''}, wanted a number of {wanted.dtype}",
                "The computation takes two numbers (or pytrees of them) and returns one like them.",
            )
    return Computation(closed)


def is_known(value: Any, wanted: Any) -> bool:
    """Whether a value is that number, as far as can be seen without computing."""
    known = isinstance(value, np.generic) or type(value) is np.ndarray
    return known and bool(value == wanted)
