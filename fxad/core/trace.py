"""Traces: who handles the next operation; and tracers, the values that carry a trace's work."""

from __future__ import annotations

import functools
import gc
import operator
import sys
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextvars import ContextVar
from typing import TYPE_CHECKING, Any, NoReturn, TypeVar
from weakref import WeakKeyDictionary

import numpy as np

import fxad.config as config
from fxad.core.aval import (
    PYTHON_SCALARS,
    DType,
    Shape,
    ShapedArray,
    aval_of,
    describe,
    promote,
    register_aval,
    weak_dtype,
)
from fxad.core.source import Source, assigns_item, error, user_source
from fxad.errors import (
    ConcretizationTypeError,
    TracerArrayConversionError,
    TracerAssignmentError,
    TracerBoolConversionError,
    TracerIntegerConversionError,
    UnexpectedTracerError,
)

if TYPE_CHECKING:
    from fxad.core.primitive import Primitive

T = TypeVar("T")


class Trace:
    """One interpretation of operations: ``process`` does the work, or leaves it to ``parent``."""

    __slots__ = ("parent", "alive", "__weakref__")

    #: What users call the transformation, for messages.
    transformation = "trace"
    #: Whether it transforms nothing: operations happen at once, on what takes the place of arrays.
    on_ground = False
    #: Whether operations are written down or counted: then arrays are not made now.
    records = False

    def __init__(self, parent: Trace | None) -> None:
        self.parent = parent
        self.alive = True

    def process(self, primitive: Primitive, args: tuple[Any, ...], params: dict[str, Any]) -> Any:
        """Interprets one application of a primitive."""
        raise NotImplementedError

    def owned(self, outputs: Sequence[Any]) -> list[Any]:
        """Outputs with memory of their own, where a user gets them from it."""
        return list(outputs)

    def ancestors(self) -> Iterator[Trace]:
        """This trace and those below it, innermost first."""
        trace: Trace | None = self
        while trace is not None:
            yield trace
            trace = trace.parent


class Tracer:
    """A value on its way through a transformed function.

    Operators, ndarray methods and NumPy's protocols are installed from ``fxad.numpy``.
    """

    __slots__ = ("_trace", "__weakref__")

    #: Above ndarray and its subclasses, so that their operators defer.
    __array_priority__ = 1000
    __hash__: Any = None
    #: Whether it only shows what is done to the value below it.
    transparent = False

    _trace: Trace

    @property
    def aval(self) -> ShapedArray:
        """What is known of the value without its numbers."""
        raise NotImplementedError

    @property
    def shape(self) -> Shape:
        """The lengths of the axes."""
        return self.aval.shape

    @property
    def dtype(self) -> DType:
        """The elements' dtype."""
        return self.aval.dtype

    @property
    def ndim(self) -> int:
        """The number of axes."""
        return len(self.aval.shape)

    @property
    def size(self) -> int:
        """The number of elements."""
        return self.aval.size

    @property
    def itemsize(self) -> int:
        """Bytes of one element."""
        return self.aval.dtype.itemsize

    @property
    def nbytes(self) -> int:
        """Bytes of all elements."""
        return self.size * self.itemsize

    @property
    def weak_type(self) -> bool:
        """Whether the dtype is weak: from a Python number."""
        return self.aval.weak_type

    def concrete(self) -> Any:
        """The value underneath, where this trace has one; else None."""
        return None

    def below(self) -> Any:
        """What stands for it in the parent trace, where that is one value; else None."""
        return None

    def absorb(self, factor: Any) -> Any:
        """The product with ``factor`` in the value's own memory; None where others may read it."""
        return None

    def differentiated(self) -> bool:
        """Whether a derivative follows the value, which no number of Python's could carry on."""
        return False

    def origin(self) -> str:
        """Where the value comes from, for messages."""
        return ""

    def __repr__(self) -> str:
        return f"{type(self).__name__}<{self.aval.long_name()}>"

    def __format__(self, spec: str) -> str:
        value = self.concrete()
        return repr(self) if value is None else format(value, spec)

    def __len__(self) -> int:
        if not self.shape:
            raise TypeError("len() of a 0-d array")
        return self.shape[0]

    def __bool__(self) -> bool:
        return bool(self._python_value("bool", TracerBoolConversionError))

    def __float__(self) -> float:
        return float(self._python_value("float", constant=True))

    def __int__(self) -> int:
        return int(self._python_value("int"))

    def __complex__(self) -> complex:
        return complex(self._python_value("complex", constant=True))

    def __index__(self) -> int:
        return operator.index(self._python_value("index", TracerIntegerConversionError))

    def item(self, *args: Any) -> Any:
        """The value as a Python number, where it is known."""
        return np.asarray(self._python_value("item")).item(*args)

    def tolist(self) -> Any:
        """The values as nested lists, where they are known."""
        return np.asarray(self._python_value("tolist")).tolist()

    def _python_value(
        self,
        operation: str,
        kind: type[ConcretizationTypeError] = ConcretizationTypeError,
        constant: bool = False,
    ) -> Any:
        value = self.concrete()
        if value is None:
            self._refuse(operation, kind)
        # NumPy's a[i] = tracer asks for a number: the array would keep it and lose the derivative.
        if operation in ("float", "int", "complex") and assigns_item(2):
            raise error(
                TracerAssignmentError,
                "setitem",
                f"got a traced {self.aval.long_name()} to put into an array that is not traced, "
                "wanted a pure function",
                "Collect the values in a list and use fnp.stack, or write "
                "a = fnp.at(a)[index].set(value).",
            )
        if constant and self.differentiated():
            raise error(
                ConcretizationTypeError,
                operation,
                f"got a {self.aval.long_name()} that is differentiated under "
                f"{self._trace.transformation}: a Python number of it would lose the derivative",
                "Use fxad.numpy's functions instead of math's. Where a constant is meant, take the "
                "value of fxad.lax.stop_gradient(x).",
            )
        return value

    def _refuse(self, operation: str, kind: type[ConcretizationTypeError]) -> NoReturn:
        raise error(
            kind,
            operation,
            f"got a {self.aval.long_name()} whose value is not known under "
            f"{self._trace.transformation}{self.origin()}, wanted a concrete value",
            "Use fnp.where or lax.cond to choose by value, lax.fori_loop, lax.while_loop or "
            "lax.scan to loop, or pass the value as it is: static_argnums of jit and checkpoint, "
            "in_axes=None of vmap.",
        )

    def __array__(self, *args: Any, **kwargs: Any) -> NoReturn:
        # Without this NumPy would wrap the tracer in an object array: a silent error.
        raise error(
            TracerArrayConversionError,
            "asarray",
            f"got a tracer of {self.aval.long_name()} under {self._trace.transformation}"
            f"{self.origin()}, wanted the numbers of an array",
            "Use the functions of fxad.numpy (fnp.array([...]) takes tracers, x.astype(dtype) "
            "casts, fnp.at(a)[i].get() is a[i] for a traced i), call what needs NumPy's arrays by "
            "fxad.pure_callback, or move the conversion out of the transformed function.",
        )

    def __setitem__(self, index: Any, value: Any) -> NoReturn:
        raise error(
            TracerAssignmentError,
            "setitem",
            f"got an item assignment to a traced {self.aval.long_name()}, wanted a pure function",
            "Write x = x.at[index].set(value), or fnp.at(x)[index].set(value), "
            "which takes arrays as well.",
        )

    def __deepcopy__(self, memo: dict[int, Any]) -> Tracer:
        return self

    def __copy__(self) -> Tracer:
        return self


def ground(x: Any) -> Any:
    """The array or number under any number of tracers, None where there is none yet."""
    while isinstance(x, Tracer):
        x = x.below()
    return x


Resolver = Callable[[tuple[Any, ...], str], tuple[Any, tuple[Any, ...]]]


def _plain_numpy(args: tuple[Any, ...], operation: str) -> tuple[Any, tuple[Any, ...]]:
    """What resolves operands until the backends have registered: NumPy alone."""
    if not all(isinstance(a, np.ndarray) or type(a) in PYTHON_SCALARS for a in args):
        raise TypeError(f"[{operation}] got {', '.join(map(describe, args))}, wanted arrays")
    return np, args


class EvalTrace(Trace):
    """The ground: runs ``impl`` at once."""

    __slots__ = ()
    transformation = "no transformation"
    on_ground = True

    #: Operand types that the NumPy namespace takes as they are.
    numpy_types = frozenset({np.ndarray, *np.sctypeDict.values(), *PYTHON_SCALARS})
    namespace: Any = np
    #: Results of this many bytes and more are written into memory that is kept for them.
    large: float = float("inf")
    compute_large: Callable[[Any, tuple[Any, ...]], Any]
    resolve: Resolver = staticmethod(_plain_numpy)

    def process(self, primitive: Primitive, args: tuple[Any, ...], params: dict[str, Any]) -> Any:
        """Interprets one application of a primitive."""
        xp, types = self.namespace, self.numpy_types
        for a in args:
            if type(a) not in types:
                xp, args = self.home(args, primitive.name)
                break
        if not args:
            xp, args = self.home(args, primitive.name)
        kind = type(args[0]) if args else None
        try:
            if kind is np.ndarray:
                if primitive.ufunc and args[0].nbytes >= self.large:
                    return self.compute_large(primitive.ufunc, args)
            elif kind in PYTHON_SCALARS:
                last = args[-1]
                if type(last) in PYTHON_SCALARS:
                    weak = _eval_weak(primitive, xp, args, params)
                    if weak is not None:
                        return weak[0]
                elif primitive.ufunc and type(last) is np.ndarray and last.nbytes >= self.large:
                    return self.compute_large(primitive.ufunc, args)
            return primitive.impl(xp, *args, **params)
        except (ValueError, TypeError, IndexError):
            # The abstract rule knows better words for a misfit than the array library; what a
            # user's own function raises stays as it is.
            if primitive.stage is None:
                primitive.abstract(*map(aval_of, args), **params)
            raise

    def home(self, args: tuple[Any, ...], operation: str) -> tuple[Any, tuple[Any, ...]]:
        """The namespace in which the operands live, and the operands there."""
        for a in args:
            if isinstance(a, Tracer):
                raise leaked(operation, a)
        return self.resolve(args, operation)


def _eval_weak(
    primitive: Primitive, xp: Any, args: tuple[Any, ...], params: dict[str, Any]
) -> tuple[Any] | None:
    """Python numbers alone: operators keep them weak, functions give the default dtypes."""
    if not all(type(a) in PYTHON_SCALARS for a in args):
        return None
    out = primitive.impl(xp, *_numbers(primitive, args), **params)
    keep = primitive.keeps_weak and not primitive.multiple_results and out.dtype.kind != "b"
    return (out.item() if keep else out,)


def _numbers(primitive: Primitive, args: tuple[Any, ...]) -> list[Any]:
    """Python numbers in their weak dtypes; an integer beyond them in that of a float beside it."""
    try:
        return [weak_dtype(type(a)).type(a) for a in args]
    except OverflowError:
        dtype, _ = promote(map(aval_of, args))
        if dtype.kind in "fc":
            return [a if type(a) is bool else dtype.type(a) for a in args]
        raise error(
            OverflowError,
            primitive.name,
            f"got the integers {' and '.join(map(str, args))}, wanted them within 64 bits",
            "Write one of them as a float: 2.0**100.",
        ) from None


EVAL = EvalTrace(None)
_current: ContextVar[Trace] = ContextVar("fxad_trace", default=EVAL)
current_trace = _current.get


def set_resolver(namespace: Any, resolve: Resolver) -> None:
    """Backends register here: the NumPy namespace, and what to do with other operands."""
    EvalTrace.namespace, EvalTrace.resolve = namespace, staticmethod(resolve)


def set_large(nbytes: int, compute: Callable[[Any, tuple[Any, ...]], Any]) -> None:
    """Backends register here how large results of ufuncs are computed."""
    EvalTrace.large, EvalTrace.compute_large = nbytes, staticmethod(compute)


def under(trace: Trace, function: Callable[..., T], /, *args: Any, **kwargs: Any) -> T:
    """Calls a function with ``trace`` as the current one: the only place that sets it."""
    token = _current.set(trace)
    try:
        return function(*args, **kwargs)
    finally:
        _current.reset(token)


def within(trace: Trace, function: Callable[..., T], /, *args: Any, **kwargs: Any) -> T:
    """Runs a user's function under a new trace and ends the trace's life after it."""
    before = _holders(trace) if config.checking_leaks else None
    if before is not None and trace not in _made:
        kind: Any = type(trace)
        _made[trace], trace.__class__ = {}, _noting(kind)
    try:
        out = under(trace, function, *args, **kwargs)
    finally:
        trace.alive = False
    if before is not None:
        _check_leaks(trace, before, out)
    return out


#: While leaks are looked for: the lines that made a trace's tracers, by their identity.
_made: WeakKeyDictionary[Trace, dict[int, Source | None]] = WeakKeyDictionary()


@functools.cache
def _noting(kind: type[Trace]) -> type[Trace]:
    """A class of traces as one that notes which line makes its tracers."""

    def process(self: Trace, *operation: Any) -> Any:
        out = kind.process(self, *operation)
        source = user_source()
        for y in out if isinstance(out, list | tuple) else (out,):
            if isinstance(y, Tracer) and y._trace is self:
                _made[self][id(y)] = source
        return out

    return type(kind.__name__, (kind,), {"__slots__": (), "process": process})


def _origin(tracer: Tracer) -> str:
    """Where a tracer comes from, for messages, as far as anybody knows."""
    source = _made.get(tracer._trace, {}).get(id(tracer))
    return tracer.origin() or (f" (made at {source})" if source else "")


#: Every class of tracers.
_tracers: set[type] = set()


def _holders(trace: Trace) -> dict[int, tuple[Tracer, int]]:
    """The tracers of a trace by identity, each with how many references there are to it."""
    kinds = _tracers
    found = [t for t in gc.get_objects() if type(t) in kinds and t._trace is trace]
    # Counted beside an object that this function alone refers to.
    *counts, own = [sys.getrefcount(x) for x in [*found, object()]]
    return {id(t): (t, n - own - 1) for t, n in zip(found, counts, strict=True)}


def _check_leaks(trace: Trace, before: dict[int, tuple[Tracer, int]], out: Any) -> None:
    """Raises if somebody else than its result holds a tracer that a function has left behind."""
    returned, pending = Counter[int](), [out]
    while pending:
        value = pending.pop()
        if type(value) in (list, tuple):
            pending.extend(value)
        elif isinstance(value, Tracer):
            returned[id(value)] += 1
    del value

    def held() -> list[Tracer]:
        # Tracers that were there before are held by ``before`` too.
        return [
            tracer
            for key, (tracer, count) in _holders(trace).items()
            if count > returned[key] + (before[key][1] + 1 if key in before else 0)
        ]

    if not held():
        return
    gc.collect()  # perhaps by a cycle that nothing refers to
    for tracer in held():
        raise error(
            UnexpectedTracerError,
            trace.transformation,
            f"got a function that leaked a {tracer.aval.long_name()}{_origin(tracer)}: "
            "something outside still holds it, wanted a pure function",
            "Return the value from the transformed function instead of storing it.",
        )


def leaked(operation: str, tracer: Tracer) -> UnexpectedTracerError:
    """The error for a tracer whose trace is not one of the current ones."""
    name = tracer._trace.transformation
    if tracer._trace.alive:
        problem = (
            f"got a {tracer.aval.long_name()} traced by an enclosing {name} through a closure "
            "of a function with a rule of its own, wanted it as an argument"
        )
        way_out = "Pass the value to the function as an argument of its own."
    else:
        problem = (
            f"got a {tracer.aval.long_name()} that a {name} which has ended left behind"
            f"{_origin(tracer)}, wanted a value"
        )
        way_out = "Return the value from the transformed function instead of storing it."
    return error(UnexpectedTracerError, operation, problem, way_out)


class LinearOperand:
    """What a transpose rule gets for an operand that it transposes: an aval and no value."""

    __slots__ = ("aval",)

    aval: Any


def is_linear(arg: Any) -> bool:
    """Whether an operand of a transpose rule is a linear one: it has an ``aval`` and no value.

    Args:
      arg: what the rule got for the operand.

    Example:
      >>> import numpy as np, fxad
      >>> from fxad import extend
      >>> def transpose(ct, x, y):
      ...     return (ct * y, None) if extend.is_linear(x) else (None, x * ct)
      >>> product = extend.define_primitive("product_of_two", lambda xp, x, y: x * y,
      ...     transpose=transpose, jvp=[lambda t, out, x, y: product(t, y),
      ...                               lambda t, out, x, y: product(x, t)])
      >>> float(fxad.grad(product)(2.0, 3.0))
      3.0
    """
    return isinstance(arg, LinearOperand)


def register_tracer(kind: type[Tracer]) -> None:
    """Makes ``aval_of`` and the check for leaks know a class of tracers."""
    _tracers.add(kind)
    register_aval(kind, operator.attrgetter("aval"))
