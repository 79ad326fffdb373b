"""Where a call goes: plain arrays to NumPy itself at once, tracers to the implementation.

Arrays on a GPU go to the implementation too: its primitives run there, and it is NumPy's in every
keyword, which CuPy's functions are not.

``implements(np.sin)`` turns an implementation in terms of primitives into a public function, and
registers it for NumPy's protocols, through which tracers answer ``np.sin(tracer)`` as well.
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Iterable
from typing import Any, TypeVar, cast

import numpy as np

import fxad.config as config
from fxad.backends.registry import backend_of, resolve
from fxad.core.aval import PYTHON_SCALARS, DType, weak_dtype
from fxad.core.blame import checked_call, watching
from fxad.core.source import error
from fxad.core.trace import Tracer
from fxad.errors import ArgumentTypeError, TracerAssignmentError
from fxad.numpy.nested import NESTED
from fxad.ops.base import convert, dtype_of

F = TypeVar("F", bound=Callable[..., Any])

#: NumPy's functions and ufuncs with the implementations that tracers get.
TABLE: dict[Any, Callable[..., Any]] = {}

FLOAT64 = np.dtype(np.float64)

# What an argument can be, as bits, so that those of a whole call can be joined.
STATIC, ARRAY, TRACED, FOREIGN = 0, 1, 2, 4

_SCALARS = set(np.sctypeDict.values())
_DTYPES = {type(np.dtype(kind)) for kind in _SCALARS}
_STATIC_TYPES = {*PYTHON_SCALARS, *_DTYPES, type(None), str, type, slice, type(Ellipsis)}

#: Types that NumPy's own functions take as they are.
PLAIN = frozenset({np.ndarray, *_SCALARS, *_STATIC_TYPES})

_kind_of_type: dict[type, int] = {np.ndarray: ARRAY} | dict.fromkeys(_SCALARS, ARRAY)
_kind_of_type |= dict.fromkeys(_STATIC_TYPES, STATIC)


def implements(*numpy_functions: Any, beyond: tuple[str, ...] = ()) -> Callable[[F], F]:
    """Makes an implementation the public function that stands for some of NumPy's.

    The first one is what plain arrays are handed to. Without any, plain arrays get the
    implementation too; so they do in a call with a keyword of ``beyond``, which NumPy lacks.
    """

    def decorate(implementation: F) -> F:
        for numpy_function in numpy_functions:
            TABLE[numpy_function] = implementation
        function = dispatching(numpy_functions[0] if numpy_functions else None, implementation)
        return cast(F, _extended(function, implementation, beyond) if beyond else function)

    return decorate


def _extended(
    function: Callable[..., Any], implementation: Callable[..., Any], beyond: tuple[str, ...]
) -> Callable[..., Any]:
    @functools.wraps(implementation)
    def extended(*args: Any, **kwargs: Any) -> Any:
        if not kwargs.keys().isdisjoint(beyond):
            return implementation(*args, **kwargs)
        return function(*args, **kwargs)

    return extended


def answers(numpy_function: Any) -> Callable[[F], F]:
    """Registers a public function that decides itself where a call goes."""

    def register(function: F) -> F:
        TABLE[numpy_function] = function
        return function

    return register


def dispatching(numpy_function: Any, implementation: Callable[..., Any]) -> Callable[..., Any]:
    """The public function: the fast way for plain arguments, ``_decide`` for the others."""
    numpy_function = numpy_function or implementation

    @functools.wraps(implementation)
    def function(*args: Any, **kwargs: Any) -> Any:
        for x in args:
            if type(x) not in PLAIN:
                if _kind_of_type.get(type(x)) == TRACED:
                    return implementation(*args, **kwargs)
                return _decide(numpy_function, implementation, args, kwargs)
        for x in kwargs.values():
            if type(x) not in PLAIN:
                return _decide(numpy_function, implementation, args, kwargs)
        if config.numpy_as_is:
            return numpy_function(*args, **kwargs)
        return _decide(numpy_function, implementation, args, kwargs)

    return function


def _decide(
    numpy_function: Callable[..., Any],
    implementation: Callable[..., Any],
    args: tuple[Any, ...],
    kwargs: dict[str, Any],
) -> Any:
    kind = kinds(args)
    if kwargs:
        kind |= kinds(kwargs.values())
    if kind == ARRAY and config.numpy_as_is:
        return numpy_function(*args, **kwargs)
    if kind & TRACED:
        return implementation(*args, **kwargs)
    if kind & FOREIGN:
        # CuPy's functions take fewer keywords than NumPy's and differ in dtypes and edge cases; the
        # implementation does not, but only they write to an array.
        writes = kwargs.get("out") is not None and not kind & ARRAY
        function = _foreign(numpy_function, args, kwargs) if writes else None
        return (function or implementation)(*args, **kwargs)
    if not kind & ARRAY and config.default_float is not FLOAT64:
        args = tuple(map(_narrow, args))
        kwargs = {name: _narrow(x) for name, x in kwargs.items()}
    if watching() and not implementation.__module__.endswith("creation"):
        return checked_call(implementation.__name__, numpy_function, args, kwargs)
    return numpy_function(*args, **kwargs)


def kinds(values: Iterable[Any]) -> int:
    """What there is among some arguments and in lists and tuples among them, as bits."""
    found = STATIC
    for x in values:
        known = _kind_of_type.get(type(x))
        if known is None:
            known = kinds(x) if type(x) in NESTED else _learn(x)
        found |= known
    return found


def _learn(x: Any) -> int:
    kind = type(x)
    backend = backend_of(x)
    if issubclass(kind, Tracer):
        found = TRACED
    elif isinstance(x, np.ndarray) or (backend is not None and backend.platform != "cpu"):
        found = FOREIGN
    elif backend is None and (hasattr(kind, "__array__") or hasattr(kind, "__dlpack__")):
        resolve((x,))  # raises, with the way to convert it
        raise AssertionError(kind)
    else:
        found = ARRAY if isinstance(x, np.generic) else STATIC
    _kind_of_type[kind] = found
    return found


def _foreign(
    numpy_function: Any, args: tuple[Any, ...], kwargs: dict[str, Any]
) -> Callable[..., Any] | None:
    """The function of that name of the one backend on which all arrays live, if it has one."""
    homes = {id(home): home for home in map(backend_of, _leaves((args, *kwargs.values()))) if home}
    homes = {key: home for key, home in homes.items() if home.platform != "cpu"}
    if len(homes) != 1:
        return None
    ((_, home),) = homes.items()
    space: Any = home.xp
    if getattr(numpy_function, "__module__", "").endswith(".linalg"):
        space = space.linalg
    return getattr(space, numpy_function.__name__, None)


def _leaves(values: Iterable[Any]) -> Iterable[Any]:
    for x in values:
        if isinstance(x, list | tuple):
            yield from _leaves(x)
        else:
            yield x


def _narrow(x: Any) -> Any:
    """Python floats, in lists too, in the default float that is not float64."""
    if isinstance(x, list | tuple):
        return type(x)(map(_narrow, x))
    return weak_dtype(type(x)).type(x) if type(x) in (float, complex) else x


# What implementations share ----------------------------------------------------------------------


def inexact(x: Any) -> Any:
    """``x`` in the float dtype that NumPy's float functions give for it."""
    dtype = dtype_of(x)
    return x if dtype.kind in "fc" else convert(x, FLOAT64)


def refuse_out(operation: str, out: Any) -> None:
    """Refuses the argument ``out`` of a call on tracers."""
    if out is not None and not (isinstance(out, tuple) and all(o is None for o in out)):
        raise error(
            TracerAssignmentError,
            operation,
            "got out=, an array to write to, beside a traced value: traced functions are pure",
            f"Drop out= and use the result: y = {operation}(...). In-place operators (y += x, "
            "where y is an array) write to an array too: use y = y + x.",
        )


def check_cast(operation: str, x: Any, dtype: DType, casting: str) -> Any:
    """``x`` in another dtype, if NumPy's casting rule allows it."""
    if not np.can_cast(dtype_of(x), dtype, casting):  # type: ignore[arg-type]
        raise error(
            ArgumentTypeError,
            operation,
            f"got {dtype_of(x)}, which does not cast to {dtype} under casting={casting!r}",
            "Convert it with astype, or give another casting.",
        )
    return convert(x, dtype)


def known(operation: str, x: Any) -> Any:
    """The value under a tracer, for results whose shape depends on values."""
    return x._python_value(operation) if isinstance(x, Tracer) else x
