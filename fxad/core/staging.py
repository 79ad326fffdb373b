"""Staging: a Python function and abstract arguments become a jaxpr."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

import fxad.config as config
from fxad.core.aval import PYTHON_SCALARS, ShapedArray, aval_of, is_value
from fxad.core.jaxpr import Atom, ClosedJaxpr, Eqn, Jaxpr, Literal, Var, check_jaxpr
from fxad.core.number import plain
from fxad.core.primitive import Primitive
from fxad.core.source import error, user_source
from fxad.core.trace import (
    Trace,
    Tracer,
    current_trace,
    leaked,
    register_tracer,
    within,
)
from fxad.errors import ArgumentTypeError


class JaxprTracer(Tracer):
    """A value known by its shape and dtype alone: a variable of the jaxpr being built."""

    __slots__ = ("variable", "source")

    _trace: JaxprTrace

    def __init__(self, trace: JaxprTrace, var: Var, source: Any) -> None:
        self._trace, self.variable, self.source = trace, var, source

    @property
    def aval(self) -> ShapedArray:
        """What is known of the value without its numbers."""
        return self.variable.aval

    def origin(self) -> str:
        """Where the value was made, or which argument it is, for messages."""
        if isinstance(self.source, Argument):
            return f" ({self.source})"
        return f" (made at {self.source})" if self.source else ""


register_tracer(JaxprTracer)


class Argument:
    """Which argument of a function a value is; its name is found when a message needs it."""

    __slots__ = ("names", "index")

    def __init__(self, names: Callable[[], Sequence[str]], index: int) -> None:
        self.names, self.index = names, index

    def __str__(self) -> str:
        return f"the argument {self.names()[self.index]}"


class JaxprTrace(Trace):
    """Writes down every operation instead of running it."""

    __slots__ = ("transformation", "eqns", "constants")
    records = True

    def __init__(self, parent: Trace, transformation: str = "jit") -> None:
        super().__init__(parent)
        self.transformation = transformation
        self.eqns: list[Eqn] = []
        #: By identity; the value is kept so that the identity stays its own.
        self.constants: dict[int, tuple[Var, Any]] = {}

    def argument(self, aval: ShapedArray, source: Argument | None = None) -> JaxprTracer:
        """A new input of the jaxpr."""
        return JaxprTracer(self, Var(aval), source)

    def process(self, primitive: Primitive, args: tuple[Any, ...], params: dict[str, Any]) -> Any:
        """Interprets one application of a primitive."""
        if primitive.stage is not None:
            return primitive.stage(self, args, params)
        atoms = [self.atom(a, primitive.name) for a in args]
        out = primitive.abstract(*(a.aval for a in atoms), **params)
        if primitive.multiple_results:
            return self.emit(primitive, atoms, params, out)
        return self.emit(primitive, atoms, params, [out])[0]

    def emit(
        self,
        primitive: Primitive,
        atoms: Sequence[Atom],
        params: dict[str, Any],
        avals: Sequence[ShapedArray],
    ) -> list[JaxprTracer]:
        """Appends an equation whose outputs have the given avals."""
        source = user_source()
        outvars = [Var(aval) for aval in avals]
        self.eqns.append(Eqn(primitive, atoms, outvars, params, source))
        return [JaxprTracer(self, var, source) for var in outvars]

    def atom(self, value: Any, operation: str = "jit") -> Atom:
        """The variable or literal that stands for a value in this jaxpr."""
        kind = type(value)
        if kind is JaxprTracer and value._trace is self:
            var: Var = value.variable
            return var
        if kind in PYTHON_SCALARS or isinstance(value, np.generic):
            return Literal(plain(value))
        if isinstance(value, Tracer) and not value._trace.alive:
            raise leaked(operation, value)
        found = self.constants.get(id(value))
        if found is None:
            found = self.constants[id(value)] = (Var(aval_of(value)), value)
        return found[0]

    def finish(self, arguments: Sequence[JaxprTracer], results: Sequence[Any]) -> ClosedJaxpr:
        """The jaxpr from these arguments to these results, with the constants it closed over."""
        outvars = [self.atom(result) for result in results]
        constvars = [var for var, _ in self.constants.values()]
        jaxpr = Jaxpr(constvars, [a.variable for a in arguments], self.eqns, outvars)
        closed = ClosedJaxpr(jaxpr, [value for _, value in self.constants.values()])
        if config.check_jaxprs:
            check_jaxpr(closed)
        return closed


def stage(
    function: Callable[..., Sequence[Any]],
    avals: Sequence[ShapedArray],
    transformation: str = "jit",
    names: Callable[[], Sequence[str]] | None = None,
) -> ClosedJaxpr:
    """Traces a function of flat arguments and flat results to a jaxpr.

    The constants may be tracers of the enclosing traces: values that the function closed over.
    ``names`` gives what messages call the arguments.
    """
    trace = JaxprTrace(current_trace(), transformation)
    arguments = [
        trace.argument(aval, None if names is None else Argument(names, i))
        for i, aval in enumerate(avals)
    ]

    def body() -> ClosedJaxpr:
        results = function(*arguments)
        for result in results:
            check_output(result, transformation)
        return trace.finish(arguments, results)

    return within(trace, body)


def check_output(value: Any, transformation: str) -> None:
    """Refuses a leaf of a function's output that is not an array."""
    if not is_value(value):
        raise error(
            ArgumentTypeError,
            transformation,
            f"got a function with an output of type {type(value).__name__} ({value!r:.60}), "
            "wanted pytrees of arrays and numbers",
            "Return arrays only; static values can leave the function by a closure.",
        )
    if isinstance(value, Tracer) and not value._trace.alive:
        raise leaked(transformation, value)


def hoist(closed: ClosedJaxpr) -> tuple[ClosedJaxpr, list[Any]]:
    """Turns constants into leading arguments: a jaxpr that closes over nothing, and its values."""
    jaxpr = closed.jaxpr
    open_jaxpr = Jaxpr((), (*jaxpr.constvars, *jaxpr.invars), jaxpr.eqns, jaxpr.outvars)
    return ClosedJaxpr(open_jaxpr), list(closed.consts)
