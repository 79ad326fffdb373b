"""The rules of an operation of the user's own, checked, and mapped over batches."""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from fxad.core.aval import ShapedArray, aval_of, describe, float0, is_value, tangent_aval
from fxad.core.primitive import Primitive
from fxad.core.source import error
from fxad.core.trace import LinearOperand, is_linear
from fxad.errors import ArgumentValueError, NonDifferentiableError, ShapeError, StructureError
from fxad.ops.base import add_any, convert, like, to_front
from fxad.ops.rules import align_batch, elementwise_abstract
from fxad.transforms.common import apart, matches
from fxad.transforms.jvp import instantiate, zeros_for
from fxad.transforms.vmap import batch_flat


class Rules:
    """What the user gave, as the rules of a primitive.

    The primitive has one parameter of its own, ``mapped``: the lengths of leading axes, which all
    operands then have, over which the user's operation is applied to one element after the other.
    """

    primitive: Primitive

    def __init__(
        self,
        name: str,
        impl: Callable[..., Any],
        abstract: Any,
        jvp: Any,
        transpose: Any,
        batch: Any,
        multiple: bool,
    ) -> None:
        self.name, self.impl, self.jvp, self.transpose = name, impl, jvp, transpose
        self.batch, self.multiple = batch, multiple
        self.elementwise = abstract == "elementwise"
        self.abstract: Callable[..., Any] = abstract
        if self.elementwise:
            self.abstract = elementwise_abstract(name, impl, keeps_weak=False)
        elif abstract == "same":
            self.abstract = lambda x, *others, **params: x.strong()

    def bind(self, args: Sequence[Any], mapped: Any, params: dict[str, Any]) -> list[Any]:
        """The results, one or more of them, in a list."""
        out = self.primitive.bind(*args, mapped=mapped, **params)
        return list(out) if self.multiple else [out]

    def single(self, values: Sequence[Any]) -> Any:
        """Values of the results as the primitive's rules give them."""
        return list(values) if self.multiple else values[0]

    def listed(self, what: str, values: Any, count: int | None = None) -> list[Any]:
        """What a rule gave for each result, as a list."""
        if not self.multiple:
            return [values]
        if not isinstance(values, tuple | list) or count not in (None, len(values)):
            raise error(
                StructureError,
                self.name,
                f"got {what} that returned {describe(values)}, wanted a list with an entry for "
                "each result",
            )
        return list(values)

    # Values ------------------------------------------------------------------------------------

    def avals(self, avals: Sequence[Any], params: dict[str, Any]) -> list[ShapedArray]:
        """The avals of the results for operands without mapped axes."""
        return [
            as_aval(self.name, a)
            for a in self.listed("an abstract rule", self.abstract(*avals, **params))
        ]

    def abstract_value(self, *avals: ShapedArray, mapped: Any, **params: Any) -> Any:
        """The primitive's rule: avals of the results."""
        inner = [a.with_shape(a.shape[len(mapped) :]) for a in avals] if mapped else avals
        outs = self.avals(inner, params)
        return self.single([a.with_shape((*mapped, *a.shape)) for a in outs] if mapped else outs)

    def value(self, xp: Any, *args: Any, mapped: Any, **params: Any) -> Any:
        """The primitive's rule: the results."""
        if not mapped:
            # A routine may give the same memory again at its next call.
            return self.single(apart(self._results(xp, args, params), args, held=True))
        places = itertools.product(*map(range, mapped))
        rows = [
            self.listed("impl", self.value(xp, *(x[i] for x in args), mapped=(), **params))
            for i in places
        ]
        wanted = self.listed("", self.abstract_value(*map(aval_of, args), mapped=mapped, **params))
        if not rows:
            return self.single([xp.zeros(a.shape, a.dtype) for a in wanted])
        columns = zip(*rows, strict=True)
        return self.single(
            [xp.stack(list(map(xp.asarray, c))).reshape(a.shape)
             for c, a in zip(columns, wanted, strict=True)]
        )

    def _results(self, xp: Any, args: Sequence[Any], params: dict[str, Any]) -> list[Any]:
        avals = self.avals(list(map(aval_of, args)), params)
        outs = self.listed("an impl", self.impl(xp, *args, **params), len(avals))
        return [self._checked(y, a) for y, a in zip(outs, avals, strict=True)]

    def _checked(self, out: Any, wanted: ShapedArray) -> Any:
        """A result of ``impl``, which must be what the abstract rule says."""
        got = aval_of(out) if is_value(out) else None
        if got is not None and got.weak_type:
            out, got = wanted.dtype.type(out), ShapedArray((), wanted.dtype)
        if got != wanted.strong():
            raise error(
                ShapeError,
                self.name,
                f"got {describe(out)} from impl, and its abstract rule says {wanted.long_name()}",
                "Make the two agree: abstract=lambda *avals, **params: ... says what impl gives.",
            )
        return out

    def flops(
        self, cost: Callable[..., Any], avals: Sequence[ShapedArray], params: dict[str, Any]
    ) -> float:
        """The user's cost, for all mapped elements together."""
        options = {k: v for k, v in params.items() if k != "mapped"}
        mapped = params["mapped"]
        inner = [a.with_shape(a.shape[len(mapped) :]) for a in avals]
        elements: int = math.prod(mapped)
        return elements * float(cost(*inner, **options))

    # Derivatives -------------------------------------------------------------------------------

    def push(
        self, primals: Sequence[Any], tangents: Sequence[Any], *, mapped: Any, **params: Any
    ) -> tuple[Any, Any]:
        """The primitive's rule: results and their tangents, None for zero."""
        if mapped:
            outs, pushed = self._push_mapped(primals, tangents, mapped, params)
        elif self.jvp is None:
            outs, pushed = self._push_linear(primals, tangents, params)
        elif callable(self.jvp):
            full = [instantiate(t, p) for t, p in zip(tangents, primals, strict=True)]
            pair = self.jvp(list(primals), full, **params)
            if not isinstance(pair, tuple | list) or len(pair) != 2:
                raise error(
                    StructureError,
                    self.name,
                    f"got a jvp rule that returned {describe(pair)}, wanted (out, tangent_out)",
                )
            wanted = self.avals(list(map(aval_of, primals)), params)
            outs = self.listed("a jvp rule", pair[0], len(wanted))
            pushed = self.listed("a jvp rule", pair[1], len(wanted))
            for y, aval in zip(outs, wanted, strict=True):
                self._hold("a jvp rule", y, aval)
        else:
            outs, pushed = self._push_each(primals, tangents, params)
        checked = [self._tangent(t, y) for t, y in zip(pushed, outs, strict=True)]
        return self.single(outs), self.single(checked)

    def _push_each(
        self, primals: Sequence[Any], tangents: Sequence[Any], params: dict[str, Any]
    ) -> tuple[list[Any], list[Any]]:
        """By a rule for each operand."""
        if len(self.jvp) != len(primals):
            raise error(
                StructureError,
                self.name,
                f"got {len(primals)} operands and {len(self.jvp)} rules of jvp, "
                "wanted one for each operand",
                "Give None for an operand that the result does not vary with.",
            )
        outs = self.bind(primals, (), params)
        total: list[Any] = [None] * len(outs)
        for rule, tangent in zip(self.jvp, tangents, strict=True):
            if rule is not None and tangent is not None:
                part = rule(tangent, self.single(outs), *primals, **params)
                parts = self.listed("a rule of jvp", part, len(outs))
                checked = [self._tangent(t, y) for t, y in zip(parts, outs, strict=True)]
                total = [add_any(a, b) for a, b in zip(total, checked, strict=True)]
        return outs, total

    def _push_linear(
        self, primals: Sequence[Any], tangents: Sequence[Any], params: dict[str, Any]
    ) -> tuple[list[Any], list[Any]]:
        """The operation itself, of what is linear; results of integers have no tangents."""
        outs = self.bind(primals, (), params)
        if all(tangent_aval(aval_of(y)).dtype == float0 for y in outs):
            return outs, [None] * len(outs)
        if self.transpose is None:
            raise error(
                NonDifferentiableError,
                self.name,
                "got a derivative of an operation that was defined without a jvp rule",
                "Give define_primitive a jvp ([None, ...] for a constant), or take "
                "lax.stop_gradient of the operands.",
            )
        moved = [
            p if tangent_aval(aval_of(p)).dtype == float0 else instantiate(t, p)
            for t, p in zip(tangents, primals, strict=True)
        ]
        return outs, self.bind(moved, (), params)

    def _push_mapped(
        self,
        primals: Sequence[Any],
        tangents: Sequence[Any],
        mapped: tuple[int, ...],
        params: dict[str, Any],
    ) -> tuple[list[Any], list[Any]]:
        """The rule under ``vmap`` over the first mapped axis."""
        present = [t is not None for t in tangents]
        found: list[bool] = []

        def one(*values: Any) -> list[Any]:
            given = iter(values[len(primals) :])
            inner = [next(given) if there else None for there in present]
            out, pushed = self.push(values[: len(primals)], inner, mapped=mapped[1:], **params)
            outs, ts = self.listed("", out), self.listed("", pushed)
            found[:] = [t is not None for t in ts]
            return outs + [t for t in ts if t is not None]

        results = self._over_first(one, mapped, [*primals, *(t for t in tangents if t is not None)])
        outs, given = results[: len(found)], iter(results[len(found) :])
        return outs, [next(given) if there else None for there in found]

    def _over_first(
        self, fun: Callable[..., list[Any]], mapped: tuple[int, ...], values: Sequence[Any]
    ) -> list[Any]:
        outs, dims = batch_flat(fun, mapped[0], values, [0] * len(values))
        return [to_front(y, d, mapped[0]) for y, d in zip(outs, dims, strict=True)]

    def _tangent(self, tangent: Any, out: Any) -> Any:
        """A tangent that fits its result."""
        wanted = tangent_aval(aval_of(out))
        if tangent is None or wanted.dtype == float0:
            return None
        if not is_value(tangent) or not matches(aval_of(tangent), wanted.strong()):
            raise error(
                ShapeError,
                self.name,
                f"got a jvp rule with a tangent {describe(tangent)} for a result "
                f"{wanted.long_name()}, wanted the same shape and dtype",
            )
        return like(tangent, out)

    def pull(self, ct: Any, *args: Any, mapped: Any, **params: Any) -> list[Any]:
        """The primitive's rule: cotangents of the operands, None for zero."""
        if self.transpose is None:
            raise error(
                NonDifferentiableError,
                self.name,
                "got a reverse derivative through a tangent that this operation made, and it was "
                "defined without a transpose rule",
                "Give define_primitive a transpose, or write the jvp rule that uses it by other "
                "operations.",
            )
        if mapped:
            return self._pull_mapped(ct, args, mapped, params)
        avals = self.avals([a.aval if is_linear(a) else aval_of(a) for a in args], params)
        cts = [
            zeros_for(a.strong(), self.listed("", ct)) if c is None else c
            for c, a in zip(self.listed("", ct), avals, strict=True)
        ]
        pulled = self.transpose(self.single(cts), *args, **params)
        if len(args) == 1 and not isinstance(pulled, tuple | list):
            pulled = [pulled]
        if not isinstance(pulled, tuple | list) or len(pulled) != len(args):
            raise error(
                StructureError,
                self.name,
                f"got a transpose rule that returned {describe(pulled)}, wanted a cotangent for "
                f"each of {len(args)} operands",
                "Give None for operands that are not linear.",
            )
        return [
            self._cotangent(c, a) if is_linear(a) else None
            for c, a in zip(pulled, args, strict=True)
        ]

    def _cotangent(self, ct: Any, operand: Any) -> Any:
        if ct is None:
            return None
        wanted = operand.aval.strong()
        if not is_value(ct) or not matches(aval_of(ct), wanted):
            raise error(
                ShapeError,
                self.name,
                f"got a transpose rule with a cotangent {describe(ct)} for an operand "
                f"{wanted.long_name()}, wanted the same shape and dtype",
            )
        return convert(ct, wanted.dtype)

    def _pull_mapped(
        self, ct: Any, args: Sequence[Any], mapped: tuple[int, ...], params: dict[str, Any]
    ) -> list[Any]:
        """The rule under ``vmap`` over the first mapped axis."""
        cts = self.listed("", ct)
        present, linear = [c is not None for c in cts], [is_linear(a) for a in args]
        found: list[bool] = []

        def one(*values: Any) -> list[Any]:
            given = iter(values)
            inner = self.single([next(given) if there else None for there in present])
            operands = [_stripped(a) if is_linear(a) else next(given) for a in args]
            pulled = self.pull(inner, *operands, mapped=mapped[1:], **params)
            found[:] = [c is not None for c in pulled]
            return [c for c in pulled if c is not None]

        fixed = [a for a, is_lin in zip(args, linear, strict=True) if not is_lin]
        values = [*(c for c in cts if c is not None), *fixed]
        given = iter(self._over_first(one, mapped, values))
        return [next(given) if there else None for there in found]

    # Batches -----------------------------------------------------------------------------------

    def over_batch(
        self, size: Any, args: Sequence[Any], dims: Sequence[Any], *, mapped: Any, **params: Any
    ) -> tuple[Any, Any]:
        """The primitive's rule: results of whole batches."""
        if not mapped and callable(self.batch):
            return self._batch_by_rule(int(size), args, dims, params)
        if not mapped and self.batch is None:
            raise error(
                ArgumentValueError,
                self.name,
                "got a vmap of an operation that was defined with batch=None",
                "Give define_primitive batch='sequential', which applies it to one example after "
                "the other, 'broadcast' or a rule.",
            )
        if not mapped and self.elementwise and self.batch == "broadcast":
            moved, dim = align_batch(args, dims)
            outs = self.bind(moved, (), params)
            return self.single(outs), self.single([dim] * len(outs))
        front = [to_front(x, d, size) for x, d in zip(args, dims, strict=True)]
        again = () if self.batch == "broadcast" and not mapped else (int(size), *mapped)
        outs = self.bind(front, again, params)
        return self.single(outs), self.single([0] * len(outs))


    def _batch_by_rule(
        self, size: int, args: Sequence[Any], dims: Sequence[Any], params: dict[str, Any]
    ) -> tuple[Any, Any]:
        """By the user's rule, whose results must be those of so many examples."""
        pair = self.batch(size, args, dims, **params)
        if not isinstance(pair, tuple | list) or len(pair) != 2:
            raise error(
                StructureError,
                self.name,
                f"got a batch rule that returned {describe(pair)}, wanted (out, out_dim)",
            )
        examples = [
            aval_of(x) if d is None else _without(aval_of(x), d)
            for x, d in zip(args, dims, strict=True)
        ]
        avals = self.avals(examples, params)
        outs = self.listed("a batch rule", pair[0], len(avals))
        out_dims = self.listed("a batch rule", pair[1], len(avals))
        places = [self._place(d, a.ndim + 1) for d, a in zip(out_dims, avals, strict=True)]
        for y, place, aval in zip(outs, places, avals, strict=True):
            if place is not None:
                aval = aval.with_shape((*aval.shape[:place], size, *aval.shape[place:]))
            self._hold(f"a batch rule with out_dim={place}", y, aval)
        return self.single(outs), self.single(places)

    def _place(self, dim: Any, ndim: int) -> int | None:
        """Where a batch rule says that the batch stands."""
        if dim is None:
            return None
        if type(dim) is bool or not isinstance(dim, int | np.integer) or not -ndim <= dim < ndim:
            raise error(
                StructureError,
                self.name,
                f"got a batch rule with out_dim={dim!r}, wanted one of {ndim} axes, or None",
            )
        return int(dim) % ndim

    def _hold(self, rule: str, out: Any, wanted: ShapedArray) -> None:
        """Holds a result that a rule gave against the abstract rule."""
        if not is_value(out) or not matches(aval_of(out), wanted.strong()):
            raise error(
                ShapeError,
                self.name,
                f"got {rule} and a result {describe(out)}, wanted {wanted.strong().long_name()}",
            )


def _stripped(operand: LinearOperand) -> LinearOperand:
    """A linear operand without its first axis."""
    inner = LinearOperand()
    inner.aval = _without(operand.aval, 0)
    return inner


def _without(aval: ShapedArray, axis: int) -> ShapedArray:
    """An example's aval, of the batch's."""
    return aval.with_shape((*aval.shape[:axis], *aval.shape[axis + 1 :]))


def as_aval(name: str, value: Any) -> ShapedArray:
    """What an abstract rule of the user's gave, as an aval."""
    if isinstance(value, ShapedArray):
        return value
    if hasattr(value, "shape") and hasattr(value, "dtype"):
        return ShapedArray(tuple(value.shape), np.dtype(value.dtype))
    raise error(
        StructureError,
        name,
        f"got an abstract rule that returned {describe(value)}, wanted something with a shape and "
        "a dtype",
        "Return fxad.ShapeDtypeStruct(shape, dtype).",
    )
