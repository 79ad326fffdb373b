"""``jit``: a function is traced once for each signature, and runs as a program from then on."""

from __future__ import annotations

import functools
import inspect
import time
import types
import weakref
from collections.abc import Callable, Iterable, Sequence
from typing import Any

import numpy as np

import fxad.config as config
import fxad.transforms.blame  # noqa: F401  (it puts itself in place where values are checked)
from fxad.backends.pool import pool
from fxad.compiler.arguments import Chosen
from fxad.compiler.program import run
from fxad.compiler.reports import argument_names, explain_miss, log_traced, remember
from fxad.compiler.tracing import Traced, trace_function
from fxad.control.call import bind_call, call_primitive
from fxad.core.aval import PYTHON_SCALARS, ShapedArray, aval_of, weak_dtype
from fxad.core.blame import watching
from fxad.core.source import error
from fxad.core.staging import JaxprTrace
from fxad.core.trace import EVAL, Tracer, current_trace
from fxad.core.tracebacks import public_as
from fxad.errors import ArgumentTypeError
from fxad.transforms.common import check_callable, flatten_inputs, own
from fxad.transforms.vmap import axis_sizes
from fxad.transforms.watch import call_watched

jit_p = call_primitive("jit", inlines="jaxpr")

_all_caches: weakref.WeakSet[Any] = weakref.WeakSet()


class _Cache(dict[Any, Traced]):
    """The traced programs of one function, whose static arguments were named in one way."""

    __hash__ = object.__hash__  # type: ignore[assignment]


class _Caches(dict[Any, _Cache]):
    """The caches of one function: ``jit(f)`` written anew, in a loop say, does not trace anew.

    They lie on the function: their programs may hold it (in a rule, in a callback), and only so
    does the garbage collector see that nothing else does.
    """

    name = "__fxad_programs__"

    def __init__(self, fun: Any) -> None:
        self.owner = weakref.ref(fun)

    def __reduce__(self) -> tuple[Any, ...]:
        return dict, ()  # a function that is sent elsewhere goes without them


def _caches_of(fun: types.FunctionType) -> _Caches:
    caches = vars(fun).get(_Caches.name)
    if not isinstance(caches, _Caches) or caches.owner() is not fun:  # those that ``wraps`` copied
        caches = vars(fun)[_Caches.name] = _Caches(fun)
    return caches


def _cache_of(fun: Callable[..., Any], statics: Chosen) -> _Cache:
    # Other callables may compare equal, or go at once as bound methods do: each has its own.
    caches = _caches_of(fun) if isinstance(fun, types.FunctionType) else {}
    cache = caches.setdefault((statics.numbers, statics.names), _Cache())
    _all_caches.add(cache)
    return cache


def _is_known(fun: Callable[..., Any]) -> bool:
    """Whether a function was traced, be it with other static arguments."""
    return isinstance(fun, types.FunctionType) and any(_caches_of(fun).values())


def _check_jittable(fun: Any) -> None:
    if isinstance(fun, staticmethod):
        raise error(
            ArgumentTypeError,
            "jit",
            "got a staticmethod, wanted a function",
            "Write @staticmethod above @fxad.jit.",
        )
    check_callable("jit", fun)
    if inspect.isgeneratorfunction(fun):
        raise error(
            ArgumentTypeError,
            "jit",
            "got a generator function, wanted a function that returns arrays",
            "Return a tuple or a list.",
        )


def clear_caches() -> None:
    """Forgets every traced and compiled program, and gives pooled memory back.

    Example:
      >>> import fxad
      >>> fxad.clear_caches()
    """
    for cache in list(_all_caches):
        cache.clear()
    pool.clear()


def _typed(values: Iterable[tuple[Any, Any]]) -> tuple[Any, ...]:
    """Static values as a key: 1, 1.0 and True are different programs."""
    return tuple((where, type(value), value) for where, value in values)


def jit(
    fun: Callable[..., Any] | None = None,
    *,
    static_argnums: int | Sequence[int] | None = None,
    static_argnames: str | Sequence[str] | None = None,
    donate_argnums: int | Sequence[int] | None = None,
    donate_argnames: str | Sequence[str] | None = None,
    inline: bool = False,
) -> Callable[..., Any]:
    """A function that is traced once for each signature and runs as a program from then on.

    The signature is the structure of the arguments, their shapes and dtypes, the values of static
    arguments, and the settings; ``jit`` of the same function again knows what was traced before.
    The function must be pure: what it closes over is read when it is traced.

    Args:
      fun: the function; its arguments and result are pytrees of arrays or numbers. Without it,
        a decorator.
      static_argnums: positions of arguments that are values of the program: hashable, and traced
        anew for each value.
      static_argnames: names of such arguments.
      donate_argnums: positions of arguments whose arrays the caller gives away: outputs may be
        those very arrays.
      donate_argnames: names of such arguments.
      inline: under an enclosing ``jit``, write the function's own operations, not a call.

    Returns:
      A function of the same arguments and with the same values.

    Raises:
      ConcretizationTypeError: the function needs the value of an argument that is traced.
      ArgumentValueError: a static argument cannot be hashed, or the function has no argument of
        that position or name.
      ArgumentTypeError: an argument or an output is not an array.

    Example:
      >>> import numpy as np, fxad
      >>> @fxad.jit
      ... def f(x):
      ...     return np.sin(x) ** 2 + np.cos(x) ** 2
      >>> float(f(0.5))
      1.0
      >>> fxad.jit(lambda x, n: x**n, static_argnums=1)(np.array([2.0]), 3).tolist()
      [8.0]
    """
    if fun is None:
        return functools.partial(
            jit,
            static_argnums=static_argnums,
            static_argnames=static_argnames,
            donate_argnums=donate_argnums,
            donate_argnames=donate_argnames,
            inline=inline,
        )
    _check_jittable(fun)
    statics = Chosen("static", fun, static_argnums, static_argnames)
    donated = Chosen("donate", fun, donate_argnums, donate_argnames)
    statics.check_apart(donated)
    gives_away = bool(donated.numbers or donated.names)
    cache = _cache_of(fun, statics)
    name = getattr(fun, "__name__", "function")

    @public_as(fun)
    def jitted(*args: Any, **kwargs: Any) -> Any:
        if config.op_by_op:
            return _op_by_op(fun, statics, args, kwargs)
        dynamic, rest, fixed, fixed_names = statics.split(args, kwargs)
        leaves, structure = flatten_inputs("jit", (dynamic, rest))
        trace = current_trace()
        key = _signature(structure, leaves, fixed, fixed_names, trace)
        traced = cache.get(key)
        if traced is None:
            if config.log_compiles or config.explain_cache_misses:
                names = argument_names(fun, structure, fixed)
            if config.explain_cache_misses:
                explain_miss(fun, key, list(cache), names, _is_known(fun))
            start = time.perf_counter()
            avals = [aval_of(x) for x in leaves]
            traced = trace_function(fun, structure, avals, fixed, fixed_names)
            if config.log_compiles:
                log_traced(fun, traced.closed, names, time.perf_counter() - start)
            if not any(isinstance(c, Tracer) for c in traced.consts):
                cache[(structure.as_key(), *key[1:])] = traced
            remember(fun)
        operands = [*traced.consts, *leaves]
        if inline and isinstance(trace, JaxprTrace):
            outs = traced.closed(*operands)
        elif trace is EVAL and not any(isinstance(x, Tracer) for x in operands):
            outs = run(traced.closed, *operands)
        else:
            outs = bind_call(jit_p, traced.closed, operands, name)
        kept = donated.others(operands, args, kwargs) if gives_away else operands
        return traced.output(own(outs, kept))

    jitted.clear_cache = cache.clear  # type: ignore[attr-defined]
    return jitted


def _op_by_op(
    fun: Callable[..., Any], statics: Chosen, args: tuple[Any, ...], kwargs: dict[str, Any]
) -> Any:
    """Runs the function itself; in sight of what checks values, where this thread does."""
    if not watching():
        return fun(*args, **kwargs)
    _, _, fixed, fixed_names = statics.split(args, kwargs)
    return call_watched("jit", fun, args, kwargs, {*fixed, *fixed_names})


def _signature(
    structure: Any, leaves: Sequence[Any], fixed: Any, fixed_names: Any, trace: Any
) -> tuple[Any, ...]:
    avals = [
        (x.shape, x.dtype) if type(x) is np.ndarray else _leaf_signature(x) for x in leaves
    ]
    axes = () if trace is EVAL else tuple(axis_sizes(trace).items())
    if not (axes or fixed or fixed_names):
        return (structure, *avals, config.trace_key())
    statics = (_typed(fixed.items()), _typed(sorted(fixed_names.items())))
    return (structure, *avals, config.trace_key(), axes, statics)


_WEAK = {"i": int, "f": float, "c": complex}


def _leaf_signature(x: Any) -> Any:
    if type(x) in PYTHON_SCALARS:
        return PYTHON_SCALARS[type(x)]
    aval = aval_of(x)
    if not aval.weak_type:
        return aval.shape, aval.dtype
    kind = _WEAK[aval.dtype.kind]
    # As the number that it comes from, as a rule: both are traced alike.
    return kind if aval == ShapedArray((), weak_dtype(kind), True) else aval
