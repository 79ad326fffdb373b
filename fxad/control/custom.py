"""What functions with derivative rules of the user's own share."""


from __future__ import annotations

import contextlib
import functools
import inspect
import sys
from collections.abc import Callable, Sequence
from typing import Any, cast

import fxad.tree as tree
import fxad.tree_util as tree_util
from fxad.control.symbolic_zeros import SymbolicZero
from fxad.core.aval import ShapedArray, aval_of, describe, is_value
from fxad.core.jaxpr import ClosedJaxpr, Jaxpr, Var, axis_names, execute
from fxad.core.primitive import Primitive
from fxad.core.source import defined_at, error, inside
from fxad.core.staging import hoist, stage
from fxad.core.trace import Trace, Tracer, current_trace
from fxad.errors import (
    ArgumentTypeError,
    ArgumentValueError,
    MissingRuleError,
    StructureError,
    UnexpectedTracerError,
)
from fxad.ops.base import convert, to_front
from fxad.transforms.common import check_callable, flatten_outputs
from fxad.transforms.jvp import JVPTracer
from fxad.transforms.tape import LinearizeTracer, TapeTracer
from fxad.transforms.vmap import BatchTracer, axis_sizes
from fxad.transforms.watch import rule_in_sight

Flat = Callable[..., Sequence[Any]]


def call_function(fun: Flat, args: Sequence[Any]) -> Sequence[Any]:
    """Runs the function: traced already, or as the user wrote it."""
    return execute(fun, *args) if isinstance(fun, ClosedJaxpr) else fun(*args)


def apply_to_tangents(
    args: Sequence[Any], linear: Any, /, *, fun: Flat, **params: Any
) -> list[Any]:
    """Of tangents a function with a rule is its own derivative: what it does is recorded."""
    return list(fun(*args))


def run_function(xp: Any, *args: Any, fun: Flat, name: str, **params: Any) -> list[Any]:
    """The value, which must not depend on traced values that the function closes over."""
    outs = list(call_function(fun, args))
    if any(map(has_tangent, outs)):
        raise closed_over(name)
    return outs


def has_tangent(value: Any) -> bool:
    """Whether a result of a function at plain values is differentiated: by what it closes over."""
    while isinstance(value, BatchTracer) or (isinstance(value, Tracer) and value.transparent):
        value = value.below()
    return isinstance(value, JVPTracer | LinearizeTracer | TapeTracer)


def all_front(size: int, outs: Sequence[Any], dims: Sequence[int | None]) -> list[Any]:
    """Outputs with the batch first, all of them."""
    return [to_front(y, d, size) for y, d in zip(outs, dims, strict=True)]


def abstract_of_function(
    *avals: ShapedArray, fun: ClosedJaxpr, **params: Any
) -> list[ShapedArray]:
    """The avals of a traced function's outputs."""
    return fun.out_avals


def cost_of_function(
    avals: Sequence[ShapedArray], params: dict[str, Any]
) -> tuple[float, float]:
    """The cost of a traced function's equations."""
    costs = [e.primitive.cost([v.aval for v in e.invars], e.params) for e in params["fun"].eqns]
    return sum(f for f, _ in costs), sum(b for _, b in costs)


#: What puts the constants of a function before the arguments of its rules.
Guard = Callable[[str, int, dict[str, Any]], dict[str, Any]]
#: What stages the rules of a function of such arguments, too: the constants of the programs, and
#: the parameters of a function whose leading arguments are so many other constants and these.
Capture = Callable[
    [Sequence[ShapedArray], dict[str, Any]],
    tuple[list[Any], Callable[[int], dict[str, Any]]],
]


def stage_function(primitive: Primitive, guard: Guard, capture: Capture | None = None) -> Any:
    """How a function with rules becomes an equation: its own jaxpr, the rules as they are.

    Where the function closes over traced values, so do its rules, as a rule: they are staged while
    the values live. A rule that cannot be is left as it is.
    """

    def prepare(
        closed: ClosedJaxpr, consts: list[Any], avals: Sequence[ShapedArray], params: dict[str, Any]
    ) -> tuple[ClosedJaxpr, list[Any], dict[str, Any]]:
        if capture is not None and any(isinstance(c, Tracer) for c in consts):
            with contextlib.suppress(Exception):
                more, params_after = capture(avals, params)
                count = len(consts)
                return _after(closed, count, more), [*consts, *more], params_after(count)
        return closed, consts, guard(params["name"], len(consts), params)

    def rule(trace: Any, args: Sequence[Any], params: dict[str, Any]) -> list[Any]:
        fun = params["fun"]
        closed = fun
        consts: list[Any] = []
        if not isinstance(fun, ClosedJaxpr):
            avals = [aval_of(a) for a in args]
            closed, consts = hoist(stage(fun, avals, trace.transformation))
            closed, consts, params = prepare(closed, consts, avals, params)
            if _concerns_traces_above(trace, closed, consts):
                # They see the call if it has their values as arguments, and the names as its own.
                again: list[Any] = primitive.bind(*consts, *args, **{**params, "fun": closed})
                return again
        atoms = [trace.atom(a, primitive.name) for a in (*consts, *args)]
        outs: list[Any] = trace.emit(primitive, atoms, {**params, "fun": closed}, closed.out_avals)
        return outs

    return rule


def _after(closed: ClosedJaxpr, count: int, consts: Sequence[Any]) -> ClosedJaxpr:
    """A jaxpr that takes, and does not read, further constants after so many arguments."""
    jaxpr = closed.jaxpr
    unread = [Var(aval_of(c)) for c in consts]
    invars = (*jaxpr.invars[:count], *unread, *jaxpr.invars[count:])
    return ClosedJaxpr(Jaxpr((), invars, jaxpr.eqns, jaxpr.outvars))


def _concerns_traces_above(trace: Trace, closed: ClosedJaxpr, consts: Sequence[Any]) -> bool:
    """Whether a jaxpr holds values, or names the axis, of a trace that left it to this one."""
    below = set(trace.ancestors())
    if any(isinstance(c, Tracer) and c._trace not in below for c in consts):
        return True
    above = axis_sizes(current_trace()).keys() - axis_sizes(trace).keys()
    return bool(above) and not above.isdisjoint(axis_names(closed))


def closed_over(name: str) -> UnexpectedTracerError:
    """The error for a derivative by a value that a function with a rule closes over."""
    return error(
        UnexpectedTracerError,
        name,
        "got a derivative of a function that closes over a traced value, or has one in "
        "nondiff_argnums, which its custom rule does not know",
        "Pass the value to the function as an argument of its own, which is differentiated.",
    )


def ruled(name: str, rule: Callable[..., Any], *args: Any) -> Any:
    """Calls a user's rule long after it was traced: tracers that it closes over are gone."""
    try:
        return rule(*args)
    except UnexpectedTracerError as e:
        raise closed_over(name) from e


def describe_result(value: Any) -> str:
    """What a rule returned instead of a pair."""
    if isinstance(value, tuple | list):
        return f"a {type(value).__name__} of {len(value)}"
    return aval_of(value).long_name() if is_value(value) else type(value).__name__


def aval_of_tangent(value: Any) -> ShapedArray:
    """The aval of a tangent or cotangent that a rule returned."""
    return value.aval if type(value) is SymbolicZero else aval_of(value)


def as_tangent(value: Any, wanted: ShapedArray) -> Any:
    """It as a transformation handles it: None for zero, a Python number of the dtype."""
    if type(value) is SymbolicZero:
        return None
    return value if aval_of(value).dtype == wanted.dtype else convert(value, wanted.dtype)


def filling(args: Sequence[Any], fixed: Sequence[int]) -> Callable[[Sequence[Any]], list[Any]]:
    """What puts arguments between those at fixed positions.

    Of ``args`` it holds these alone: rules outlive the call, in programs and on tapes.
    """
    kept, count = {i: args[i] for i in fixed}, len(args)

    def fill(given: Sequence[Any]) -> list[Any]:
        values = iter(given)
        return [kept[i] if i in kept else next(values) for i in range(count)]

    return fill


def _signature(fun: Callable[..., Any]) -> inspect.Signature | None:
    """What a user's function takes; a library's have options for defaults (dtype), no operands."""
    if (getattr(fun, "__module__", None) or "").partition(".")[0] in ("fxad", "numpy", "cupy"):
        return None
    try:
        return inspect.signature(fun)
    except (TypeError, ValueError):  # a function written in C may not tell
        return None


def _count_positional(signature: inspect.Signature | None) -> range:
    """How many arguments by position leave no parameter to its default."""
    kinds = [p.kind for p in signature.parameters.values()] if signature else []
    variadic = signature is None or inspect.Parameter.VAR_POSITIONAL in kinds
    count = sum(k <= inspect.Parameter.POSITIONAL_OR_KEYWORD for k in kinds)
    return range(count, sys.maxsize if variadic else count + 1)


class Outputs:
    """What a function with rules gives: one structure, shapes and dtypes, whoever computes it."""

    __slots__ = ("name", "structure", "avals")

    def __init__(self, name: str) -> None:
        self.name = name
        self.structure: Any = None
        #: Those of the function itself, once it has run.
        self.avals: list[ShapedArray] | None = None

    def of_function(self, out: Any) -> list[Any]:
        """The leaves of what the function gave."""
        leaves, self.structure = flatten_outputs(self.name, out)
        self.avals = [aval_of(y) for y in leaves]
        return leaves

    def of_rule(self, rule: str, out: Any) -> list[Any]:
        """The leaves of what a rule gave in the function's place."""
        leaves, structure = flatten_outputs(self.name, out)
        if self.avals is None:
            self.structure = structure
            return leaves
        if structure != self.structure:
            raise error(
                StructureError,
                self.name,
                f"got a {rule} whose output has another structure than the function's: "
                f"{tree.mismatch(self.structure, structure)}",
            )
        for y, wanted in zip(leaves, self.avals, strict=True):
            got = aval_of(y)
            if got.shape != wanted.shape or got.dtype != wanted.dtype:
                raise error(
                    StructureError,
                    self.name,
                    f"got a {rule} with an output {got.long_name()} where the function gives "
                    f"{wanted.long_name()}, wanted the same shape and dtype",
                )
        return leaves


class RuleName:
    """A rule as messages name it; the words are found when a message needs them."""

    __slots__ = ("rule", "role", "function")

    def __init__(self, rule: Callable[..., Any], role: str, function: Custom) -> None:
        self.rule, self.role, self.function = rule, role, function

    def __str__(self) -> str:
        what = f"{self.function.kind} function {self.function.name}"
        return f"{defined_at(self.rule)}, the {self.role} of the {what}"


class Custom:
    """What the decorators share: arguments that are not differentiated, and names."""

    def __init__(
        self,
        fun: Callable[..., Any],
        nondiff_argnums: int | Sequence[int] = (),
        nondiff_argnames: str | Sequence[str] = (),
    ) -> None:
        check_callable(self.kind, fun)
        functools.update_wrapper(cast(Any, self), fun, updated=())
        self.fun = fun
        self.signature = _signature(fun)
        self.positional = _count_positional(self.signature)
        numbers = (nondiff_argnums,) if isinstance(nondiff_argnums, int) else nondiff_argnums
        names = (nondiff_argnames,) if isinstance(nondiff_argnames, str) else nondiff_argnames
        self.nondiff_argnums = (*map(int, numbers), *self._positions(names))
        self.name = getattr(fun, "__name__", self.kind)

    kind = "custom rule"
    definer = ""
    asked = "a derivative"
    way_out = "Name arguments that are not arrays in nondiff_argnums, or close over them."

    def _positions(self, names: Sequence[str]) -> list[int]:
        """The positions of arguments given by name."""
        if not names:
            return []
        listed = list(inspect.signature(self.fun).parameters)
        for name in names:
            if name not in listed:
                raise error(
                    ArgumentValueError,
                    self.kind,
                    f"got nondiff_argnames={name!r} for a function of the parameters {listed}",
                )
        return [listed.index(name) for name in names]

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        """Applies the function; its rule is used when it is differentiated."""
        raise NotImplementedError

    def __getattr__(self, attribute: str) -> Any:
        # Rules of a function that has several decorators can be given to the outermost.
        if attribute.startswith("_") or "fun" not in self.__dict__:
            raise AttributeError(f"{self.kind} function has no attribute {attribute!r}")
        return getattr(self.fun, attribute)

    def __get__(self, instance: Any, owner: Any = None) -> Any:
        return self if instance is None else functools.partial(self, instance)

    def _arguments(self, args: Any, kwargs: Any) -> tuple[list[int], tuple[Any, ...]]:
        """The positions that are not differentiated, and all arguments by position."""
        if kwargs or len(args) not in self.positional:
            args = self._bound(args, kwargs)
        count = len(args)
        for n in self.nondiff_argnums:
            if not -count <= n < count:
                raise error(
                    ArgumentValueError,
                    self.name,
                    f"got nondiff_argnums={self.nondiff_argnums} and {count} arguments",
                )
        return sorted({n % count for n in self.nondiff_argnums}), args

    def _bound(self, args: Any, kwargs: Any) -> tuple[Any, ...]:
        """All arguments by position, defaults among them: a rule gets them all."""
        if self.signature is None:
            raise error(
                ArgumentTypeError,
                self.name,
                f"got the keyword arguments {sorted(kwargs)} for a function without a signature",
                "Give them by position.",
            )
        try:
            bound = self.signature.bind(*args, **kwargs)
        except TypeError as e:
            raise error(
                ArgumentTypeError,
                self.name,
                f"got arguments that do not fit the parameters {self.signature}: {e}",
            ) from None
        if bound.kwargs:
            raise error(
                ArgumentTypeError,
                self.name,
                f"got the keyword-only arguments {sorted(bound.kwargs)}, which a {self.kind} "
                "function cannot have",
                "Make them positional, and name them in nondiff_argnums.",
            )
        bound.apply_defaults()
        return bound.args

    def _flat_function(
        self, args: tuple[Any, ...], nondiff: Sequence[int]
    ) -> tuple[list[Any], Any, Callable[..., list[Any]], Outputs]:
        dynamic = tuple(a for i, a in enumerate(args) if i not in nondiff)
        fill = filling(args, nondiff)
        leaves, structure = tree.flatten(dynamic)
        if not all(map(is_value, leaves)):
            raise self._no_array(args, nondiff)
        outputs = Outputs(self.name)

        def flat(*values: Any) -> list[Any]:
            return outputs.of_function(self.fun(*fill(tree.unflatten(structure, values))))

        return leaves, structure, flat, outputs

    def _no_array(self, args: tuple[Any, ...], nondiff: Sequence[int]) -> ArgumentTypeError:
        """The error for an argument with a leaf that is no array."""
        place, leaf = next(
            (f"{i}{tree_util.keystr(path)}", leaf)
            for i, arg in enumerate(args)
            if i not in nondiff
            for path, leaf in tree.leaves_with_path(arg)
            if not is_value(leaf)
        )
        return error(
            ArgumentTypeError,
            self.name,
            f"got {describe(leaf)} at argument {place} of a {self.kind} function, wanted pytrees "
            "of arrays and numbers",
            self.way_out,
        )

    def _within(self, role: str, rule: str, flat: Flat) -> Flat:
        """A flat function that calls one of the rules; errors meanwhile name the rule."""

        def named(*args: Any) -> Any:
            user = getattr(self, rule)
            if user is None:
                raise error(
                    MissingRuleError,
                    self.name,
                    f"got {self.asked} of a {self.kind} function without a rule",
                    f"Define it with {self.name}.{self.definer}.",
                )
            rule_name = RuleName(user, role, self)
            return rule_in_sight(lambda *xs: inside(rule_name, flat, *xs), *args)

        named.__name__ = getattr(getattr(self, rule), "__name__", rule)
        return named
