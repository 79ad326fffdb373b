"""Forward mode: every value carries its tangent."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

import fxad.config as config
import fxad.tree as tree
from fxad.core.aval import (
    PYTHON_SCALARS,
    ShapedArray,
    aval_of,
    float0,
    is_differentiable,
    tangent_aval,
)
from fxad.core.jaxpr import ClosedJaxpr
from fxad.core.primitive import Primitive
from fxad.core.source import error
from fxad.core.staging import stage
from fxad.core.trace import Trace, Tracer, current_trace, register_tracer, under, within
from fxad.core.tracebacks import public
from fxad.errors import ArgumentTypeError
from fxad.ops.base import convert, zeros_like
from fxad.ops.indexing import zeros_beside
from fxad.ops.rules import safe_jvp
from fxad.transforms.common import (
    check_callable,
    check_like,
    check_structure,
    flatten_inputs,
    flatten_outputs,
    own,
    own_arrays,
    unpack_aux,
)


class PrimalTracer(Tracer):
    """A value that is there already, with what a derivative keeps beside it."""

    __slots__ = ("primal",)

    primal: Any

    @property
    def aval(self) -> ShapedArray:
        """What is known of the primal."""
        return aval_of(self.primal)

    @property
    def shape(self) -> tuple[int, ...]:
        """The lengths of the primal's axes."""
        primal = self.primal
        return () if type(primal) in PYTHON_SCALARS else primal.shape

    @property
    def dtype(self) -> Any:
        """The primal's dtype."""
        primal = self.primal
        return aval_of(primal).dtype if type(primal) in PYTHON_SCALARS else primal.dtype

    def concrete(self) -> Any:
        """The primal's number, where there is one."""
        return self.primal.concrete() if isinstance(self.primal, Tracer) else self.primal

    def below(self) -> Any:
        """The primal."""
        return self.primal

    def differentiated(self) -> bool:
        """Floats are; integers and booleans go along without a derivative."""
        return is_differentiable(self.dtype)


class JVPTracer(PrimalTracer):
    """A primal and its tangent."""

    __slots__ = ("tangent",)

    def __init__(self, trace: JVPTrace, primal: Any, tangent: Any) -> None:
        self._trace, self.primal, self.tangent = trace, primal, tangent


register_tracer(JVPTracer)


class JVPTrace(Trace):
    """Asks primitives for their ``jvp``."""

    __slots__ = ()
    transformation = "jvp"

    def process(self, primitive: Primitive, args: tuple[Any, ...], params: dict[str, Any]) -> Any:
        """Interprets one application of a primitive."""
        primals = list(args)
        tangents: list[Any] = [None] * len(args)
        active = False
        for i, a in enumerate(args):
            if type(a) is JVPTracer and a._trace is self:
                primals[i], tangents[i] = a.primal, a.tangent
                active = True
        parent: Any = self.parent
        if not active:
            return parent.process(primitive, args, params)
        rule = primitive.jvp
        if rule is None:
            return parent.process(primitive, tuple(primals), params)
        out, tangent = under(parent, rule, primals, tangents, **params)
        if not primitive.multiple_results:
            return out if tangent is None else JVPTracer(self, out, tangent)
        return [
            y if t is None else JVPTracer(self, y, t) for y, t in zip(out, tangent, strict=True)
        ]

    def split(self, value: Any) -> tuple[Any, Any]:
        """Primal and tangent of a result; a tangent of None is zero."""
        if type(value) is JVPTracer and value._trace is self:
            return value.primal, value.tangent
        return value, None


class SafeJVPTrace(JVPTrace):
    """The trace under ``config.safe_where``: slopes multiply tangents so that zeros stay."""

    __slots__ = ()

    def process(self, primitive: Primitive, args: tuple[Any, ...], params: dict[str, Any]) -> Any:
        """Interprets one application of a primitive."""
        pairs = [self.split(a) for a in args]
        if primitive.partials is None or all(t is None for _, t in pairs):
            return super().process(primitive, args, params)
        primals, tangents = [p for p, _ in pairs], [t for _, t in pairs]
        parent: Any = self.parent
        out, tangent = under(parent, safe_jvp, primitive, primals, tangents, params)
        return out if tangent is None else JVPTracer(self, out, tangent)


def _new_trace() -> JVPTrace:
    kind = SafeJVPTrace if config.safe_where else JVPTrace
    return kind(current_trace())


def jvp_flat(
    fun: Callable[..., Sequence[Any]], primals: Sequence[Any], tangents: Sequence[Any]
) -> tuple[list[Any], list[Any]]:
    """Primal outputs and tangents (None for zero) of a function of flat arguments."""
    trace = _new_trace()
    args = [
        p if t is None else JVPTracer(trace, p, t) for p, t in zip(primals, tangents, strict=True)
    ]
    outs = [trace.split(y) for y in within(trace, fun, *args)]
    return [y for y, _ in outs], [t for _, t in outs]


def instantiate(tangent: Any, primal: Any) -> Any:
    """A tangent or cotangent as an array, where None stood for zero."""
    if tangent is not None:
        return tangent
    aval = tangent_aval(aval_of(primal))
    if aval.dtype == float0:
        return np.zeros(aval.shape, float0)
    return zeros_like(primal)


def zeros_for(aval: ShapedArray, others: Sequence[Any]) -> Any:
    """Zeros where the first of some arrays lives (None among them is none); float0 on the host."""
    home = next((x for x in others if x is not None), None)
    if aval.dtype == float0 or home is None:
        return np.zeros(aval.shape, aval.dtype)
    return convert(zeros_beside(home, aval.shape), aval.dtype)


@public
def jvp(
    fun: Callable[..., Any], primals: Sequence[Any], tangents: Sequence[Any], has_aux: bool = False
) -> Any:
    """Value and directional derivative of a function, in one forward pass.

    Args:
      fun: the function; its arguments and result are pytrees of arrays or numbers.
      primals: a tuple or list of arguments, the point.
      tangents: the direction: the structure, shapes and dtypes of ``primals``; for integer and
        boolean arguments arrays of dtype ``float0``.
      has_aux: whether ``fun`` returns a pair ``(output, aux)``.

    Returns:
      ``(primals_out, tangents_out)``, and ``aux`` as a third if ``has_aux``.

    Raises:
      StructureError: the tangents do not match the primals; the message names the first place.
      ArgumentTypeError: an argument or an output is not an array.

    Source: forward accumulation; Griewank and Walther, Evaluating Derivatives, 2008, section 3.1.

    Example:
      >>> import numpy as np, fxad
      >>> y, dy = fxad.jvp(np.sin, (0.0,), (1.0,))
      >>> float(y), float(dy)
      (0.0, 1.0)
    """
    check_callable("jvp", fun)
    if not isinstance(primals, tuple | list) or not isinstance(tangents, tuple | list):
        raise error(
            ArgumentTypeError,
            "jvp",
            f"got primals of type {type(primals).__name__} and tangents of type "
            f"{type(tangents).__name__}, wanted two tuples or lists of arguments",
            "For one argument write fxad.jvp(f, (x,), (v,)).",
        )
    flat_primals, structure = flatten_inputs("jvp", tuple(primals))
    flat_tangents, tangent_structure = flatten_inputs("jvp", tuple(tangents))
    check_structure("jvp", "tangents", tangent_structure, structure)
    checked = [_check_tangent(t, p) for t, p in zip(flat_tangents, flat_primals, strict=True)]
    out_structure: Any = None
    aux_structure: Any = None
    count = 0

    def flat_fun(*args: Any) -> list[Any]:
        nonlocal out_structure, aux_structure, count
        out = fun(*tree.unflatten(structure, args))
        aux_leaves: list[Any] = []
        if has_aux:
            out, aux = unpack_aux("jvp", out)
            aux_leaves, aux_structure = tree.flatten(aux)
        leaves, out_structure = flatten_outputs("jvp", out)
        count = len(leaves)
        return leaves + aux_leaves

    trace = _new_trace()
    args = [
        p if t is None else JVPTracer(trace, p, t)
        for p, t in zip(flat_primals, checked, strict=True)
    ]
    results = [trace.split(y) for y in within(trace, flat_fun, *args)]
    outs = results[:count]
    tangents_out = [instantiate(t, y) for y, t in outs]
    owned = own([y for y, _ in outs] + tangents_out, flat_primals + flat_tangents)
    out = tree.unflatten(out_structure, owned[:count])
    tangent = tree.unflatten(out_structure, owned[count:])
    if not has_aux:
        return out, tangent
    aux = own_arrays([y for y, _ in results[count:]], [*flat_primals, *owned])
    return out, tangent, tree.unflatten(aux_structure, aux)


def _check_tangent(tangent: Any, primal: Any) -> Any:
    """The tangent as it goes in: None for an integer's zero, cast if it was a Python number."""
    aval = tangent_aval(aval_of(primal))
    if aval.dtype == float0:
        if aval_of(tangent).dtype != float0:
            check_like("jvp", "a tangent", "the tangent of an integer", tangent, aval)
        return None
    check_like("jvp", "a tangent", "its primal", tangent, aval)
    if type(tangent) in PYTHON_SCALARS and not aval.weak_type:
        return convert(tangent, aval.dtype)
    return tangent


def jvp_jaxpr(closed: ClosedJaxpr, nonzero: Sequence[bool]) -> tuple[ClosedJaxpr, list[bool]]:
    """The jaxpr ``primals, nonzero tangents -> outputs, nonzero tangents of the outputs``."""
    found: list[list[bool]] = []
    count = len(nonzero)

    def both(*args: Any) -> list[Any]:
        given = iter(args[count:])
        tangents = [next(given) if active else None for active in nonzero]
        outs, out_tangents = jvp_flat(closed, args[:count], tangents)
        found.append([t is not None for t in out_tangents])
        return outs + [t for t in out_tangents if t is not None]

    avals = [*closed.in_avals]
    avals += [a for a, active in zip(closed.in_avals, nonzero, strict=True) if active]
    return stage(both, avals, "jvp"), found[0]
