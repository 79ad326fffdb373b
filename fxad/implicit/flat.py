"""Pytrees as real vectors: the space in which solvers work."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

import fxad.lax as lax
import fxad.numpy as fnp
import fxad.tree as tree
from fxad.compiler.abstract import eval_shape
from fxad.core.aval import aval_of
from fxad.core.source import error
from fxad.errors import ArgumentValueError, DtypeError, ShapeError, StructureError
from fxad.ops.base import convert, shape_of
from fxad.transforms.common import flatten_inputs, flatten_outputs
from fxad.tree_util import keystr


class Vectors:
    """The pytrees like ``x0``, and real vectors with an entry for each of their numbers.

    A complex number is two real ones, so that a function need not be holomorphic. The dtypes are
    those that ``f`` gives, where ``x0`` has lower ones.
    """

    def __init__(self, operation: str, x0: Any, f: Callable[[Any], Any]) -> None:
        self.operation = operation
        leaves, self.structure = flatten_inputs(operation, x0)
        if not leaves:
            raise error(ArgumentValueError, operation, f"got x0={x0!r:.40}, which holds no array")
        outs, out_structure = tree.flatten(eval_shape(f, x0))
        if out_structure != self.structure:
            raise error(
                StructureError,
                operation,
                "got a function whose output has another structure than x0: "
                f"{tree.mismatch(self.structure, out_structure)}",
                "It must take x to what is made as x is.",
            )
        for (path, x), y in zip(tree.leaves_with_path(x0), outs, strict=True):
            self._check(keystr(path), aval_of(x), y)
        dtypes = [
            y.dtype if aval_of(x).weak_type else np.promote_types(aval_of(x).dtype, y.dtype)
            for x, y in zip(leaves, outs, strict=True)
        ]
        self.leaves = [convert(x, d) for x, d in zip(leaves, dtypes, strict=True)]
        self.avals = [aval_of(x) for x in self.leaves]
        self.dtype = np.result_type(*(np.finfo(d).dtype for d in dtypes))
        self.sizes = [a.size * (2 if a.dtype.kind == "c" else 1) for a in self.avals]

    def _check(self, path: str, got: Any, out: Any) -> None:
        if got.shape != out.shape:
            raise error(
                ShapeError,
                self.operation,
                f"got a function whose output is {out.dtype}{list(out.shape)} where x0{path} is "
                f"{got.long_name()}, wanted one shape",
            )
        if out.dtype.kind not in "fc" or (got.dtype.kind not in "fc" and not got.weak_type):
            raise error(
                DtypeError,
                self.operation,
                f"got x0{path} of {got.long_name()} and an output of {out.dtype}, wanted real or "
                "complex numbers",
                "Begin with floats: 0.0 for 0.",
            )

    def result(self, name: str, x: Any) -> Any:
        """What a function of the user's gave for x, as a vector."""
        leaves, structure = flatten_outputs(self.operation, x)
        if structure != self.structure:
            raise error(
                StructureError,
                self.operation,
                f"got a {name} whose result has another structure than x0: "
                f"{tree.mismatch(self.structure, structure)}",
            )
        shapes, wanted = [shape_of(y) for y in leaves], [a.shape for a in self.avals]
        if shapes != wanted:
            raise error(
                ShapeError,
                self.operation,
                f"got a {name} whose result has the shapes {shapes}, wanted those of x0, {wanted}",
            )
        return self.ravel(x)

    @property
    def start(self) -> Any:
        """``x0`` as a vector."""
        return self.ravel(tree.unflatten(self.structure, self.leaves))

    def ravel(self, x: Any) -> Any:
        """A pytree as a vector."""
        parts = []
        for leaf in tree.leaves(x):
            flat = fnp.ravel(leaf)
            parts += [lax.real(flat), lax.imag(flat)] if flat.dtype.kind == "c" else [flat]
        parts = [convert(part, self.dtype) for part in parts]
        return parts[0] if len(parts) == 1 else fnp.concatenate(parts)

    def unravel(self, vector: Any) -> Any:
        """A vector as a pytree."""
        leaves, start = [], 0
        for aval, size in zip(self.avals, self.sizes, strict=True):
            part = vector if len(self.sizes) == 1 else vector[start : start + size]
            start += size
            if aval.dtype.kind == "c":
                part = lax.complex(part[: aval.size], part[aval.size :])
            leaves.append(convert(fnp.reshape(part, aval.shape), aval.dtype))
        return tree.unflatten(self.structure, leaves)

    def on_pytrees(self, f: Callable[[Any], Any]) -> Callable[[Any], Any]:
        """A function of vectors as one of such pytrees."""
        return lambda x: self.unravel(f(self.ravel(x)))

    def flat(self, f: Callable[[Any], Any]) -> Callable[[Any], Any]:
        """A function of such pytrees as one of vectors."""
        return lambda vector: self.ravel(f(self.unravel(vector)))
