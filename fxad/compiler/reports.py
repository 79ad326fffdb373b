"""What ``jit`` logs: what it traced and compiled, and why it had to."""

from __future__ import annotations

import functools
import inspect
import operator
import os
import time
from collections.abc import Callable, Collection, Sequence
from typing import Any, NamedTuple
from weakref import WeakSet

import fxad.config as config
import fxad.tree as tree
import fxad.tree_util as tree_util
from fxad.backends.optional import optional
from fxad.core.aval import ShapedArray, weak_dtype
from fxad.core.jaxpr import ClosedJaxpr
from fxad.core.source import user_source
from fxad.pytree.structure import leaf_paths, shortened


def _warn(message: str, *args: Any) -> None:
    """Logs; the module for it is loaded when there is something to log."""
    optional("logging", "log_compiles").getLogger("fxad").warning(message, *args)



def log_traced(
    fun: Callable[..., Any], closed: ClosedJaxpr, arguments: Sequence[str], seconds: float
) -> None:
    """Logs that a function has been traced for these arguments."""
    name = closed.name = name_of(fun)
    count = len(closed.in_avals) - len(arguments)
    inputs = ", ".join(
        f"{argument}: {aval.long_name()}"
        for argument, aval in zip(arguments, closed.in_avals[count:], strict=True)
    )
    outputs = ", ".join(aval.long_name() for aval in closed.out_avals)
    _warn(
        "Finished tracing %s for jit in %.6f sec: (%s) -> (%s), %d equations",
        name, seconds, inputs, outputs, len(closed.eqns),
    )


def log_compiled(compile_: Callable[..., Any]) -> Callable[..., Any]:
    """A compiler of closed jaxprs that logs its work."""

    @functools.wraps(compile_)
    def compiled(closed: ClosedJaxpr, *options: Any) -> Any:
        if not config.log_compiles:
            return compile_(closed, *options)
        start = time.perf_counter()
        program = compile_(closed, *options)
        seconds = time.perf_counter() - start
        types = ", ".join(aval.long_name() for aval in closed.in_avals)
        name = closed.name or "a part of a program"
        _warn("Compiled %s with types (%s) in %.6f sec", name, types, seconds)
        return program

    return compiled


def name_of(fun: Callable[..., Any]) -> str:
    """What a function is called."""
    inner = fun.func if isinstance(fun, functools.partial) else fun
    return getattr(inner, "__name__", None) or type(inner).__name__


def argument_names(
    fun: Callable[..., Any], structure: Any, fixed: Collection[int]
) -> list[str]:
    """The names of the leaves of the traced arguments: ``x``, ``params['w'][0]``.

    Args:
      fun: the user's function.
      structure: that of the traced arguments, ``(those by position, those by name)``.
      fixed: the positions of arguments that are not among them.
    """
    parameters = _positional(fun)
    by_position, by_name = structure.children()
    places = range(len(by_position.children()) + len(fixed))
    owners = [_parameter(parameters, i) for i in places if i not in fixed]
    names = []
    for first, *rest in leaf_paths(by_position.node):
        names.append(owners[first.idx] + tree_util.keystr(tuple(rest)))
    for first, *rest in leaf_paths(by_name.node):
        names.append(first.key + tree_util.keystr(tuple(rest)))
    return names


def _positional(fun: Callable[..., Any]) -> list[str]:
    try:
        parameters = inspect.signature(fun).parameters.values()
    except (TypeError, ValueError):
        return []
    return [p.name for p in parameters if p.kind <= p.POSITIONAL_OR_KEYWORD]


def _parameter(parameters: Sequence[str], position: int) -> str:
    return parameters[position] if position < len(parameters) else f"args[{position}]"


# Why a function is traced ------------------------------------------------------------------------

#: The code of functions that have been traced: another function of it is one made anew.
_traced_codes: WeakSet[Any] = WeakSet()


def remember(fun: Callable[..., Any]) -> None:
    """Notes that a function has been traced."""
    code = _code(fun)
    if code is not None:
        _traced_codes.add(code)


def _code(fun: Any) -> Any:
    while isinstance(fun, functools.partial):
        fun = fun.func
    return getattr(getattr(fun, "__func__", fun), "__code__", None)


def explain_miss(
    fun: Callable[..., Any],
    key: tuple[Any, ...],
    known: Sequence[tuple[Any, ...]],
    names: Sequence[str],
    elsewhere: bool,
) -> None:
    """Logs how a call's signature differs from the nearest that has been traced.

    Args:
      fun: the user's function.
      key: the call's signature.
      known: the signatures that it was traced for.
      names: those of the leaves of the call's traced arguments.
      elsewhere: whether it was traced with other arguments named as static.
    """
    code = _code(fun)
    head = f"TRACING CACHE MISS at {user_source()}\nbecause {name_of(fun)}"
    if code is not None:
        head += f" defined at {os.path.basename(code.co_filename)}:{code.co_firstlineno}"
    if known:
        candidates = (_differences(fun, old, key, names) for old in known)
        _, nearest = min(candidates, key=operator.itemgetter(0))
        reason = f"was traced for {_count(len(known))}, of which the nearest differs in:"
        reason += "".join(f"\n  {line}" for line in nearest)
    elif elsewhere:
        reason = "was traced before with other static_argnums or static_argnames."
    elif code in _traced_codes:
        reason = (
            "is a new function object: another one of the same code was traced before.\n"
            "  Define it, or call fxad.jit, once and outside of what is called again and again: "
            "a lambda, a def or functools.partial inside a function is a new one at each call."
        )
    else:
        reason = "has not been traced before."
    _warn("%s %s", head, reason)


def _count(number: int) -> str:
    return "1 signature" if number == 1 else f"{number} signatures"


def _differences(
    fun: Callable[..., Any], old: tuple[Any, ...], new: tuple[Any, ...], names: Sequence[str]
) -> tuple[int, list[str]]:
    """How far two signatures are from each other, and what differs, a line each."""
    (before, old_types, old_settings, old_axes, old_statics) = _parts(old)
    (after, new_types, new_settings, new_axes, new_statics) = _parts(new)
    positions = {where for group in old_statics for where, *_ in group if isinstance(where, int)}
    was = dict(zip(argument_names(fun, before, positions), old_types, strict=True))
    is_ = dict(zip(names, new_types, strict=True))
    found = [
        _type_difference(name, was[name], is_[name])
        for name in is_
        if name in was and was[name] != is_[name]
    ]
    found += _changed("the setting", _settings(old_settings), _settings(new_settings))
    found += _changed("the size of the axis", dict(old_axes), dict(new_axes))
    parameters = _positional(fun)
    static_before, static_now = _statics(old_statics, parameters), _statics(new_statics, parameters)
    found += _changed("the static argument", static_before, static_now)
    distance = sum(line.count(" before") for line in found)
    if before != after:  # another tree is further than anything else
        distance += 1000 * (1 + len(was.keys() ^ is_.keys()))
        found.insert(0, _tree_difference(before, after, list(was), names))
    return distance, found


def _tree_difference(
    before: Any, after: Any, old_names: Sequence[str], names: Sequence[str]
) -> str:
    """What is new and what is gone; where it is neither, how the trees that hold it differ."""
    new = [name for name in names if name not in old_names]
    gone = [name for name in old_names if name not in names]
    parts = [f"{_some(new)} now, not before"] * bool(new)
    parts += [f"{_some(gone)} before, not now"] * bool(gone)
    if not parts:
        parts = [f"{tree.mismatch(before, after)}".partition("\n")[0].rstrip(".")]
    trees = f"\n    before: {shortened(before.node)}\n    now:    {shortened(after.node)}"
    return f"the tree of the arguments: {'; '.join(parts)}{trees}"


def _some(names: Sequence[str]) -> str:
    return ", ".join(names[:5]) + (f" and {len(names) - 5} more" if len(names) > 5 else "")


def _parts(key: tuple[Any, ...]) -> tuple[Any, ...]:
    """Structure, types of leaves, settings, named axes, static arguments."""
    structure = key[0]
    count = structure.num_leaves + 1
    axes, statics = key[count + 1 :] or ((), ((), ()))
    return structure, key[1:count], key[count], axes, statics


def _settings(values: Sequence[Any]) -> dict[str, Any]:
    return dict(zip(config.traced_settings(), values, strict=True))


class _Typed(NamedTuple):
    """A static value, which is not that of another type: 1 is not True."""

    kind: type
    value: Any

    def __repr__(self) -> str:
        return repr(self.value)


def _statics(groups: Sequence[Any], parameters: Sequence[str]) -> dict[str, Any]:
    """The values of static arguments by name."""
    return {
        _parameter(parameters, where) if isinstance(where, int) else where: _Typed(kind, value)
        for group in groups
        for where, kind, value in group
    }


def _changed(what: str, old: dict[Any, Any], new: dict[Any, Any]) -> list[str]:
    return [
        f"{what} {name}: {_value(old, name)} before, {_value(new, name)} now"
        for name in {**old, **new}
        if name not in old or name not in new or old[name] != new[name]
    ]


def _value(values: dict[Any, Any], name: Any) -> str:
    if name not in values:
        return "not given"
    return f"{values[name]!r:.60}"


def _type_difference(name: str, old: Any, new: Any) -> str:
    """How two leaves differ: in shape, in dtype, or in one being a Python number."""
    was, is_ = _aval(old), _aval(new)
    parts = []
    if was.shape != is_.shape:
        parts.append(f"shape {was.shape} before, {is_.shape} now")
    if was.dtype != is_.dtype:
        parts.append(f"dtype {was.dtype} before, {is_.dtype} now")
    if was.weak_type != is_.weak_type:
        parts.append(f"weak type: {_shown(old)} before, {_shown(new)} now")
    return f"{name}: {', '.join(parts)}"


def _aval(entry: Any) -> ShapedArray:
    """The aval of an entry of a signature: one, the type of a Python number, or its parts."""
    if isinstance(entry, ShapedArray):
        return entry
    if isinstance(entry, type):
        return ShapedArray((), weak_dtype(entry), entry is not bool)
    return ShapedArray(*entry)


def _shown(entry: Any) -> str:
    if isinstance(entry, type):
        return f"a Python {entry.__name__}"
    return _aval(entry).long_name() + (" of a Python number" if _aval(entry).weak_type else "")
