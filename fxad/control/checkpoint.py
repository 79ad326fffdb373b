"""Rematerialisation: keep a function's inputs, compute its inside again when it is pulled back."""

from __future__ import annotations

import functools
from collections.abc import Callable, Sequence
from itertools import compress
from typing import Any, NamedTuple

import numpy as np

import fxad.control.policies as policies
import fxad.tree as tree
from fxad.control.body import canonical
from fxad.control.call import Call, bind_call, call_primitive, per_jaxpr, present, spread
from fxad.control.effects import refuse_io_twice
from fxad.control.memory.budget import run_within
from fxad.control.policies import ByPolicy, Policy, checked_policy
from fxad.control.saving import linearize_saving
from fxad.core.aval import aval_of
from fxad.core.blame import watching
from fxad.core.jaxpr import Atom, ClosedJaxpr, Eqn, Var, alike, axis_names
from fxad.core.source import error
from fxad.core.staging import hoist, stage
from fxad.core.tracebacks import public_as
from fxad.errors import ArgumentTypeError, ArgumentValueError
from fxad.transforms.common import check_callable, flatten_inputs, flatten_outputs, own
from fxad.transforms.watch import call_watched


class Turn(NamedTuple):
    """A part of a function that is pulled back by itself, from arguments of the whole.

    Args:
      eqn: its equation.
      pushed: what makes the tangents of its results, and which of its operands that reads.
      nonzero: which of its operands have tangents.
      out_nonzero: which of its results have.
    """

    eqn: Eqn
    pushed: Call
    kept: list[int]
    nonzero: tuple[bool, ...]
    out_nonzero: list[bool]


def _linearize(
    primals: Sequence[Any], tangents: Sequence[Any], *, jaxpr: ClosedJaxpr, **params: Any
) -> tuple[list[Any], list[Any]]:
    """The tangents come from a call of their own, which computes again what is not saved."""
    params.pop("axis_name")
    nonzero = tuple(t is not None for t in tangents)
    turns = _turns(jaxpr, nonzero) if params["policy"] is None else None
    if turns is not None:
        outs = bind_call(checkpoint_p, jaxpr, primals, **params)
        return outs, _push_turns(jaxpr, turns, primals, tangents, params)
    saveable = ByPolicy(params["policy"] or policies.nothing_saveable)
    (forward, consts), pushed, kept, out_nonzero = linearize_saving(jaxpr, nonzero, saveable)
    outs = bind_call(checkpoint_p, forward, [*consts, *primals], **params)
    count = len(jaxpr.out_avals)
    operands = [*(primals[i] for i in kept), *outs[count:], *present(tangents)]
    return outs[:count], spread(_push(pushed, operands, params), out_nonzero)


def _push(pushed: Call, operands: Sequence[Any], params: dict[str, Any]) -> list[Any]:
    program, consts = pushed
    refuse_io_twice("checkpoint", program)
    options = params | {"linear": True, "differentiated": True}
    return bind_call(checkpoint_p, program, [*consts, *operands], **options)


@per_jaxpr
def _turns(closed: ClosedJaxpr, nonzero: tuple[bool, ...]) -> list[Turn] | None:
    """The parts of a function that can be pulled back one after another; None where it has none.

    They are checkpointed themselves, and read nothing again but arguments of the whole.
    """
    jaxpr, turns = closed.jaxpr, list[Turn]()
    active, inputs = set[Atom](compress(jaxpr.invars, nonzero)), set[Atom](jaxpr.invars)
    for eqn in jaxpr.eqns:
        if eqn.primitive is not checkpoint_p or eqn.params["policy"] or eqn.params["linear"]:
            return None
        flags = tuple(v in active for v in eqn.invars)
        if any(flags):
            keep_none = ByPolicy(policies.nothing_saveable)
            saving = linearize_saving(eqn.params["jaxpr"], flags, keep_none)
            if any(eqn.invars[i] not in inputs for i in saving.kept):
                return None
            turns.append(Turn(eqn, saving.tangents, saving.kept, flags, saving.out_nonzero))
            active.update(compress(eqn.outvars, saving.out_nonzero))
    return turns


def _push_turns(
    closed: ClosedJaxpr,
    turns: Sequence[Turn],
    primals: Sequence[Any],
    tangents: Sequence[Any],
    params: dict[str, Any],
) -> list[Any]:
    jaxpr = closed.jaxpr
    values: dict[Atom, Any] = dict(zip(jaxpr.invars, primals, strict=True))
    pushed: dict[Atom, Any] = dict(zip(jaxpr.invars, tangents, strict=True))
    for turn in turns:
        kept = [values[turn.eqn.invars[i]] for i in turn.kept]
        moved = [pushed[v] for v in compress(turn.eqn.invars, turn.nonzero)]
        results = _push(turn.pushed, [*kept, *moved], params)
        pushed.update(zip(compress(turn.eqn.outvars, turn.out_nonzero), results, strict=True))
    return [pushed.get(v) for v in jaxpr.outvars]


checkpoint_p = call_primitive("checkpoint", linearize=_linearize, inlines="jaxpr")


def checkpoint(
    fun: Callable[..., Any] | None = None,
    *,
    prevent_cse: Any = True,
    policy: Policy | None = None,
    memory_budget: int | None = None,
    static_argnums: int | Sequence[int] = (),
    static_argnames: str | Sequence[str] = (),
) -> Callable[..., Any]:
    """A function whose derivative keeps its inputs alone and computes the rest a second time.

    Memory for time: the intermediate values of ``fun`` are not held between the forward and the
    backward pass; the backward pass runs what it needs of ``fun`` once more. A chain of ``n``
    equal layers in ``sqrt(n)`` checkpointed blocks needs memory of the order ``sqrt(n)`` for one
    more forward pass (``checkpoint_sequential``). A policy keeps some of the values after all.

    Args:
      fun: the function; its arguments and result are pytrees of arrays or numbers. Without it,
        a decorator.
      prevent_cse: whether ``jit`` keeps the second computation apart from the first. False lets
        it merge the two, which gives up the memory saved; a tuple of truth values, one for each
        argument as JAX takes it, is True if one of them is.
      policy: one of ``checkpoint_policies``, or ``policy(primitive, *avals, **params)``, hashable:
        whether the results of such an operation may be kept. Only what the backward pass reads
        is. None: nothing is.
      memory_budget: how many bytes a gradient of ``fun`` may allocate at most: what it keeps,
        what it computes again, cotangents and results, its arguments aside. What is kept is then
        chosen so that the least is computed again (``memory_plan`` tells what there is to
        choose): the best there is for a chain of up to 96 operations, which are planned in groups
        beyond, and close to it where values skip some. The budget is that of all examples together
        under ``vmap``, and a loop is one step of what is planned: give loops a ``checkpoint`` of
        their own. Not with a policy.
      static_argnums: positions of arguments that are not arrays, or whose values ``fun`` needs.
      static_argnames: names of such arguments, passed by name.

    Returns:
      A function of the same arguments and with the same values.

    Raises:
      ArgumentTypeError: the policy, ``prevent_cse`` or ``static_argnums`` is of another kind.
      ArgumentValueError: a call has no argument at a static position; a budget beside a policy.
      MemoryBudgetError: the budget cannot be met; the message names the smallest that can.
      TracerBoolConversionError: ``fun`` branches on a value that is not static.

    Source: Griewank and Walther, Revolve, ACM Transactions on Mathematical Software 26, 2000;
    Chen, Xu, Zhang and Guestrin, Training Deep Nets with Sublinear Memory Cost, 2016; for budgets
    Beaumont et al., Optimal checkpointing for heterogeneous chains, 2019.

    Example:
      >>> import numpy as np, fxad
      >>> layer = fxad.checkpoint(lambda x: np.tanh(np.sin(x)))
      >>> bool(np.isclose(fxad.grad(layer)(0.0), 1.0))
      True
      >>> @fxad.checkpoint(policy=fxad.checkpoint_policies.dots_saveable)
      ... def layer(w, x):
      ...     return np.tanh(x @ w)
      >>> fxad.grad(lambda w: layer(w, np.ones(2)).sum())(np.zeros((2, 1))).tolist()
      [[1.0], [1.0]]
      >>> def deep(x):
      ...     for _ in range(16):
      ...         x = np.sin(x)
      ...     return x.sum()
      >>> x = np.ones(1000)
      >>> frugal = fxad.checkpoint(deep, memory_budget=6 * x.nbytes)  # of 18
      >>> bool(np.array_equal(fxad.grad(frugal)(x), fxad.grad(deep)(x)))
      True
    """
    options: dict[str, Any] = {"policy": policy, "prevent_cse": prevent_cse}
    if fun is None:
        options |= {"static_argnums": static_argnums, "static_argnames": static_argnames}
        options |= {"memory_budget": memory_budget}
        return functools.partial(checkpoint, **options)
    check_callable("checkpoint", fun)
    policy = checked_policy("checkpoint", policy)
    options = {"policy": policy, "prevent_cse": _check_prevent_cse(prevent_cse)}
    options["differentiated"] = False
    budget = _check_budget(memory_budget, policy)
    numbers = _check_static(static_argnums)
    names = _check_static_names(static_argnames)
    programs: dict[Any, ClosedJaxpr] = {}

    @public_as(fun)
    def checkpointed(*args: Any, **kwargs: Any) -> Any:
        fixed = _static_positions(numbers, args)
        if watching():
            return call_watched("checkpoint", fun, args, kwargs, {*fixed, *names})
        fixed_names = {name: kwargs.pop(name) for name in names if name in kwargs}
        dynamic = tuple(a for i, a in enumerate(args) if i not in fixed)
        leaves, structure = flatten_inputs("checkpoint", (dynamic, kwargs))
        out_structures: list[Any] = []

        def flat_fun(*values: Any) -> list[Any]:
            inner, inner_kwargs = tree.unflatten(structure, values)
            given = iter(inner)
            full = [fixed[i] if i in fixed else next(given) for i in range(len(args))]
            out = fun(*full, **inner_kwargs, **fixed_names)
            outs, out_structure = flatten_outputs("checkpoint", out)
            out_structures.append(out_structure)
            return outs

        known, consts = _staged(fun, flat_fun, leaves, programs)
        if budget is not None:
            outs = run_within(known, consts, leaves, budget, repeated)
        else:
            name = getattr(fun, "__name__", "checkpoint")
            outs = bind_call(checkpoint_p, known, [*consts, *leaves], name, **options)
        return tree.unflatten(out_structures[-1], own(outs, [*leaves, *consts]))

    return checkpointed


def _staged(
    fun: Callable[..., Any],
    flat_fun: Callable[..., list[Any]],
    leaves: Sequence[Any],
    programs: dict[Any, ClosedJaxpr],
) -> Call:
    """Traced anew, since what it closes over may be another by now, but derived only once."""
    closed, consts = hoist(stage(flat_fun, [aval_of(x) for x in leaves], "checkpoint"))
    key = tuple(closed.in_avals)
    known = programs.get(key)
    if known is None or not alike(known.jaxpr, closed.jaxpr):
        known = programs[key] = canonical(fun, closed)
    return known, consts


def repeated(inner: ClosedJaxpr, operands: Sequence[Var], results: Sequence[Var]) -> Eqn:
    """The equation that runs a part of a function again, for ``memory_budget``."""
    params = {"jaxpr": inner, "name": "again", "axis_name": axis_names(inner), "linear": False}
    options = {"policy": None, "prevent_cse": True, "differentiated": False}
    return Eqn(checkpoint_p, operands, results, params | options, inner.eqns[0].source)


def _check_budget(budget: Any, policy: Any) -> int | None:
    if budget is None:
        return None
    number = isinstance(budget, int | np.integer | float) and not isinstance(budget, bool)
    if not (number and 0 <= budget < float("inf")):
        raise error(
            ArgumentTypeError,
            "checkpoint",
            f"got memory_budget={budget!r}, wanted a number of bytes",
            "For example memory_budget=2 * 2**30 for two gibibytes.",
        )
    if policy is not None:
        raise error(
            ArgumentValueError,
            "checkpoint",
            "got a policy and a memory_budget, wanted one of them: either one says what is kept",
        )
    return int(budget)


def _check_prevent_cse(prevent_cse: Any) -> bool:
    leaves = tree.leaves(prevent_cse)
    if not isinstance(prevent_cse, bool | tuple | list) or not all(
        isinstance(leaf, bool) for leaf in leaves
    ):
        raise error(
            ArgumentTypeError,
            "checkpoint",
            f"got prevent_cse={prevent_cse!r}: prevent_cse must be a bool or tuple of bools",
        )
    return any(leaves)


def _check_static(static_argnums: Any) -> tuple[int, ...]:
    numbers = static_argnums if isinstance(static_argnums, tuple | list) else (static_argnums,)
    if not all(isinstance(n, int | np.integer) and not isinstance(n, bool) for n in numbers):
        raise error(
            ArgumentTypeError,
            "checkpoint",
            f"got static_argnums={static_argnums!r}, wanted an integer or a tuple of integers",
        )
    return tuple(map(int, numbers))


def _check_static_names(static_argnames: Any) -> tuple[str, ...]:
    names = (static_argnames,) if isinstance(static_argnames, str) else static_argnames
    if not isinstance(names, tuple | list) or not all(isinstance(n, str) for n in names):
        raise error(
            ArgumentTypeError,
            "checkpoint",
            f"got static_argnames={static_argnames!r}, wanted a string or a tuple of strings",
        )
    return tuple(names)


def _static_positions(numbers: Sequence[int], args: Sequence[Any]) -> dict[int, Any]:
    """The static arguments of a call by position."""
    if not all(-len(args) <= n < len(args) for n in numbers):
        raise error(
            ArgumentValueError,
            "checkpoint",
            f"got static_argnums={tuple(numbers)} for a call with {len(args)} positional arguments",
            "Pass static arguments by position, or name them in static_argnames.",
        )
    return {n % len(args): args[n] for n in numbers}


remat = checkpoint
