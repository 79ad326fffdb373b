"""Branches: ``cond`` and ``switch``."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from types import FunctionType
from typing import Any
from weakref import WeakKeyDictionary

import numpy as np

import fxad.config as config
import fxad.tree as tree
from fxad.backends.registry import platform_of
from fxad.control.body import (
    canonical,
    flat_call,
    joined,
    key_path,
    like_avals,
    owned,
    stage_body,
)
from fxad.control.branches import Branches, bind_branches, share_constants
from fxad.control.call import per_jaxpr
from fxad.core.aval import ShapedArray, aval_of, describe, is_value
from fxad.core.blame import counts
from fxad.core.jaxpr import ClosedJaxpr, Jaxpr
from fxad.core.number import number
from fxad.core.primitive import Primitive
from fxad.core.source import error
from fxad.core.trace import Tracer
from fxad.core.tracebacks import public
from fxad.errors import (
    ArgumentTypeError,
    ArgumentValueError,
    ConcretizationTypeError,
    StructureError,
)
from fxad.ops.base import convert
from fxad.ops.bounds import clamp
from fxad.ops.logic import ne
from fxad.transforms.common import check_callable, flatten_inputs
from fxad.transforms.watch import in_sight


@public
@in_sight
def cond(
    pred: Any,
    true_fun: Callable[..., Any],
    false_fun: Callable[..., Any],
    *operands: Any,
    operand: Any = (),
    linear: Any = None,
) -> Any:
    """``true_fun(*operands)`` where a condition holds, else ``false_fun(*operands)``.

    Only the chosen branch is computed. Where the condition is known (plain values, and derivatives
    of functions at plain values) the branch runs as the Python that it is; under ``jit``, in loops
    and for conditions that differ between the examples of a ``vmap`` both branches are traced. In
    that last case both are computed, and each example takes its own.

    Args:
      pred: a truth value, or a number, which is true unless it is zero; of shape ``()``.
      true_fun: a function of the operands to a pytree of arrays.
      false_fun: a function of the operands to a pytree of the same structure, shapes and dtypes.
      *operands: pytrees of arrays or numbers.
      operand: a single operand, by name.
      linear: accepted as JAX has it; which operands are linear is found out.

    Returns:
      The chosen function's output.

    Raises:
      ArgumentTypeError: the condition is not a single number, or a branch is not a function.
      StructureError: the branches' outputs differ; the message names the leaf and both types.

    Example:
      >>> import numpy as np, fxad
      >>> from fxad import lax
      >>> def f(x):
      ...     return lax.cond(x > 0, lambda x: x**2, lambda x: -x, x)
      >>> float(fxad.grad(f)(3.0)), float(fxad.jit(fxad.grad(f))(-3.0))
      (6.0, -1.0)
      >>> fxad.vmap(f)(np.array([-1.0, 2.0])).tolist()
      [1.0, 4.0]
    """
    if not (callable(true_fun) and callable(false_fun)):
        raise error(
            ArgumentTypeError,
            "cond",
            f"got true_fun={describe(true_fun)} and false_fun={describe(false_fun)}, "
            "wanted two functions",
            "Write lax.cond(pred, true_fun, false_fun, *operands).",
        )
    _check_index("cond", "pred", pred, "biuf", "a truth value")
    arguments = _operands("cond", operands, operand)
    known = _known_value(pred)
    if known is not None:
        return _call_branch("cond", int(bool(known)), (false_fun, true_fun), arguments)
    index = convert(ne(pred, 0), np.int32)
    return _staged("cond", index, (false_fun, true_fun), arguments)


@public
@in_sight
def switch(
    index: Any, branches: Sequence[Callable[..., Any]], *operands: Any, operand: Any = ()
) -> Any:
    """``branches[index](*operands)``; an index beyond the branches takes the nearest one.

    Only the chosen branch is computed; ``cond`` tells when the others are traced or computed too.

    Args:
      index: an integer of shape ``()``.
      branches: functions of the operands to pytrees of one structure, shapes and dtypes.
      *operands: pytrees of arrays or numbers.
      operand: a single operand, by name.

    Returns:
      The chosen function's output.

    Raises:
      ArgumentTypeError: the index is not a single integer, or a branch is not a function.
      ArgumentValueError: there are no branches.
      StructureError: the branches' outputs differ; the message names the leaf and both types.

    Example:
      >>> import numpy as np, fxad
      >>> from fxad import lax
      >>> f = fxad.jit(lambda i, x: lax.switch(i, [np.sin, np.cos, np.square], x))
      >>> float(f(2, 3.0)), float(f(7, 3.0)), float(f(-1, 0.0))
      (9.0, 9.0, 0.0)
    """
    branches = tuple(branches)
    if not branches:
        raise error(ArgumentValueError, "switch", "got no branches, wanted at least one")
    for branch in branches:
        check_callable("switch", branch, "lax.switch(index, [f, g], *operands)")
    _check_index("switch", "index", index, "iu", "an integer")
    arguments = _operands("switch", operands, operand)
    known = 0 if len(branches) == 1 else _known_value(index)
    if known is not None:
        place = min(max(int(known), 0), len(branches) - 1)
        return _call_branch("switch", place, branches, arguments)
    clamped = convert(clamp(0, index, len(branches) - 1), np.int32)
    return _staged("switch", clamped, branches, arguments)


@public
@in_sight
def platform_dependent(
    *args: Any, default: Callable[..., Any] | None = None, **per_platform: Callable[..., Any]
) -> Any:
    """The function for the platform that it runs on, of the arguments.

    That is known where arrays live: with ``jit``, when the compiled function is called. So all of
    the functions are traced then, and one is computed.

    Args:
      *args: pytrees of arrays or numbers; where they live decides. Without any it is the default
        backend.
      default: the function for all other platforms.
      **per_platform: functions of the arguments to pytrees of one structure, shapes and dtypes, by
        the names of platforms: ``cpu``, ``cuda``; others, as ``tpu``, are never chosen.

    Returns:
      That function's output.

    Raises:
      ArgumentTypeError: one of the functions is none.
      ArgumentValueError: there is no function for the platform.

    Example:
      >>> import numpy as np, fxad
      >>> from fxad import lax
      >>> f = fxad.jit(lambda x: lax.platform_dependent(x, cpu=np.sqrt, cuda=np.cbrt))
      >>> float(f(64.0))
      8.0
    """
    platforms: tuple[str | None, ...] = tuple(per_platform)
    branches = tuple(per_platform.values())
    if default is not None:
        platforms, branches = (*platforms, None), (*branches, default)
    for name, branch in zip(platforms, branches, strict=True):
        usage = f"lax.platform_dependent(*args, {name or 'default'}=f)"
        check_callable("platform_dependent", branch, usage)
    if not branches:
        raise error(ArgumentValueError, "platform_dependent", "got no functions, wanted some")
    leaves, structure = flatten_inputs("platform_dependent", args)
    index = platform_index_p.bind(*leaves, platforms=platforms)
    known = _known_value(index)
    if known is not None:
        call = flat_call("platform_dependent", branches[int(known)], structure)
        outs, out_structure = call(*map(number, leaves))
        return tree.unflatten(out_structure, owned(outs, leaves))
    return _staged("platform_dependent", index, branches, args)


def _platform_index(xp: Any, *args: Any, platforms: tuple[str | None, ...]) -> Any:
    here = platform_of(xp)
    for name in (here, None):
        if name in platforms:
            return np.int32(platforms.index(name))
    raise error(
        ArgumentValueError,
        "platform_dependent",
        f"got functions for {', '.join(map(str, platforms))}, and none for {here}, where it runs",
        "Give a default.",
    )


platform_index_p: Primitive = Primitive(
    "platform_index",
    abstract=lambda *avals, platforms: ShapedArray((), np.dtype(np.int32)),
    impl=_platform_index,
    jvp=None,
    batch=lambda size, args, dims, *, platforms: (
        platform_index_p.bind(*args, platforms=platforms),
        None,
    ),
    cost=lambda avals, params: (0.0, 0.0),
)


def _operands(operation: str, operands: tuple[Any, ...], operand: Any) -> tuple[Any, ...]:
    if isinstance(operand, tuple) and operand == ():
        return operands
    if operands:
        raise error(
            ArgumentTypeError,
            operation,
            f"got {len(operands)} operands by position and operand= as well, wanted one of both",
        )
    return (operand,)


def _check_index(operation: str, name: str, x: Any, kinds: str, wanted: str) -> None:
    if is_value(x):
        aval = aval_of(x)
        if aval.shape == () and aval.dtype.kind in kinds:
            return
    way_out = "Reduce it first: np.any(x), np.all(x); or choose elementwise with fnp.where."
    raise error(
        ArgumentTypeError,
        operation,
        f"got {name} {describe(x)}, wanted {wanted} of shape ()",
        way_out,
    )


def _known_value(x: Any) -> Any:
    return x.concrete() if isinstance(x, Tracer) else x


def _call_branch(
    operation: str, place: int, branches: Sequence[Callable[..., Any]], operands: tuple[Any, ...]
) -> Any:
    """Runs one branch as Python; the types of the others' outputs must agree with its own."""
    leaves, structure = flatten_inputs(operation, operands)
    call = flat_call(operation, branches[place], structure)
    outs, out_structure = call(*map(number, leaves))
    if not config.disable_jit:
        avals = [aval_of(y) for y in outs]
        in_avals = tuple(map(aval_of, leaves))
        for i, other in enumerate(branches):
            if other is branches[place]:
                continue
            found = _outputs(operation, other, structure, in_avals)
            if found is not None:
                outputs = {place: (out_structure, avals), i: found}
                avals = _joined_outputs(operation, outputs)
        outs = like_avals(outs, avals)
    return tree.unflatten(out_structure, owned(outs, leaves))


counts(_call_branch, "branch", "cond", "place")


#: What functions were found to return, for arguments of some types.
_found: WeakKeyDictionary[Any, dict[Any, Any]] = WeakKeyDictionary()


def _outputs(
    operation: str, fun: Callable[..., Any], structure: Any, avals: tuple[ShapedArray, ...]
) -> tuple[Any, list[ShapedArray]] | None:
    """Structure and types of a function's outputs; None if it needs values to tell."""
    memory = _found.setdefault(fun, {}) if isinstance(fun, FunctionType) else {}
    key = (structure, avals, config.trace_key())
    if key not in memory:
        try:
            body = stage_body(operation, fun, flat_call(operation, fun, structure), avals)
            memory[key] = body.structure, body.out_avals
        except ConcretizationTypeError:
            memory[key] = None
    found: tuple[Any, list[ShapedArray]] | None = memory[key]
    return found


Outputs = tuple[Any, Sequence[ShapedArray]]


def _joined_outputs(operation: str, outputs: Mapping[int, Outputs]) -> list[ShapedArray]:
    """The types that the outputs of two branches, by their numbers, can both have."""
    first, second = sorted(outputs, reverse=operation == "cond")
    names = [
        ("false_fun", "true_fun")[i] if operation == "cond" else f"branches[{i}]"
        for i in (first, second)
    ]
    (one, ours), (other, theirs) = outputs[first], outputs[second]
    if one != other:
        raise error(
            StructureError,
            operation,
            f"got branches whose outputs have different structures, {names[0]} and {names[1]}: "
            f"{tree.mismatch(one, other, name='output')}",
            "All branches must return the same tree.",
        )
    both = []
    for i, (x, y) in enumerate(zip(ours, theirs, strict=True)):
        found = joined(x, y)
        if found is None:
            raise error(
                StructureError,
                operation,
                f"got branches whose outputs differ: output{key_path(one, i)} is "
                f"{x.long_name()} in {names[0]} and {y.long_name()} in {names[1]}",
                "All branches must return the same shapes and dtypes.",
            )
        both.append(found)
    return both


def _staged(
    operation: str, index: Any, branches: Sequence[Callable[..., Any]], operands: tuple[Any, ...]
) -> Any:
    leaves, structure = flatten_inputs(operation, operands)
    avals = [aval_of(x) for x in leaves]
    calls = [flat_call(operation, branch, structure) for branch in branches]
    bodies = [
        stage_body(operation, *pair, avals) for pair in zip(branches, calls, strict=True)
    ]
    out_structure, wanted = bodies[0].structure, bodies[0].out_avals
    for i, body in enumerate(bodies[1:], 1):
        outputs = {0: (out_structure, wanted), i: (body.structure, body.out_avals)}
        wanted = _joined_outputs(operation, outputs)
    for i, (call, body) in enumerate(zip(calls, bodies, strict=True)):
        if body.out_avals != wanted:
            bodies[i] = stage_body(operation, branches[i], _converting(call, wanted), avals)
    closed, consts = share_constants([
        ClosedJaxpr(
            Jaxpr(jaxpr.invars[:count], jaxpr.invars[count:], jaxpr.eqns, jaxpr.outvars),
            body.consts,
        )
        for body in bodies
        for jaxpr, count in [(body.closed.jaxpr, len(body.consts))]
    ])
    pairs = zip(branches, closed, strict=True)
    known = tuple(canonical(fun, branch) for fun, branch in pairs)
    given = [*consts, *leaves]
    places = [_handed_on(known, i) for i in range(len(wanted))]
    varying = tuple(i for i, place in enumerate(places) if place is None)
    giving = _giving(known[0], known[1:], varying)
    found = iter(bind_branches((giving, consts), index, leaves))
    outs = [next(found) if place is None else given[place] for place in places]
    return tree.unflatten(out_structure, owned(outs, leaves))


def _handed_on(branches: Branches, i: int) -> int | None:
    """The place of the operand that all branches give out as it is, if there is one."""
    found = {
        next((p for p, v in enumerate(b.jaxpr.invars) if v is b.jaxpr.outvars[i]), None)
        for b in branches
    }
    return found.pop() if len(found) == 1 else None


@per_jaxpr
def _giving(first: ClosedJaxpr, rest: Branches, outputs: tuple[int, ...]) -> Branches:
    """The branches with some of their outputs alone: no choice is made of what is the same."""
    jaxprs = [branch.jaxpr for branch in (first, *rest)]
    return tuple(
        ClosedJaxpr(Jaxpr((), j.invars, j.eqns, [j.outvars[i] for i in outputs])) for j in jaxprs
    )


def _converting(
    call: Callable[..., tuple[list[Any], Any]], avals: Sequence[ShapedArray]
) -> Callable[..., tuple[list[Any], Any]]:
    """The function with its outputs in other types."""

    def converted(*leaves: Any) -> tuple[list[Any], Any]:
        outs, structure = call(*leaves)
        return like_avals(outs, avals), structure

    return converted
