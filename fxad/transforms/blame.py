"""NaN blame for derivatives: whose slope it was, and whether a ``where`` let it through."""

from __future__ import annotations

import sys
from collections.abc import Callable, Sequence
from heapq import heappop, heappush
from types import FrameType
from typing import Any
from weakref import WeakKeyDictionary

import numpy as np

import fxad.config as config
from fxad.core.advice import chooses, double_where, unbounded_on
from fxad.core.aval import aval_of
from fxad.core.blame import (
    CONTEXTS,
    EXPLANATIONS,
    check,
    elements,
    in_place_of,
    listing,
    marks,
    parts,
    title,
    watching,
)
from fxad.core.jaxpr import Eqn, Literal, eval_jaxpr
from fxad.core.primitive import Primitive
from fxad.core.source import Source, is_library, register_replay, user_source
from fxad.core.trace import ground
from fxad.errors import NonFiniteError
from fxad.ops.base import dtype_of, shape_of, unbroadcast, zeros_like
from fxad.ops.elementwise import mul_p, select, select_p
from fxad.ops.logic import eq, isfinite, logical_and, logical_not, ne
from fxad.ops.rules import Deferred
from fxad.transforms.jvp import JVPTrace, SafeJVPTrace
from fxad.transforms.nodes import Applied, Combined, Node, Product, Projected, SafelyCombined
from fxad.transforms.tape import (
    LinearizeTrace,
    LinearizeTracer,
    SafeLinearizeTrace,
    TapeTrace,
    TapeTracer,
)


class Origin:
    """Where a node of the tape comes from: the user's operation, its line and its operands."""

    __slots__ = ("operation", "name", "source", "parts", "operands")

    def __init__(self, operation: str, name: str, operands: Sequence[Any]) -> None:
        self.operation, self.name, self.operands = operation, name, operands
        self.parts = parts()
        self.source: Source | None = user_source()


def origin_of(node: Node) -> Origin | None:
    """What is known of where a node comes from."""
    return getattr(node, "origin", None)


def _note(node: Any, operation: str, name: str, operands: Sequence[Any]) -> None:
    if origin_of(node) is None:
        node.origin = Origin(operation, name, operands)


# Recording --------------------------------------------------------------------------------------


def _watch_recording(kind: type[LinearizeTrace]) -> None:
    plain = kind.process

    @in_place_of(kind, "process")
    def process(
        self: LinearizeTrace, primitive: Primitive, args: tuple[Any, ...], params: dict[str, Any]
    ) -> Any:
        out = plain(self, primitive, args, params)
        if watching():
            outs = out if primitive.multiple_results else (out,)
            mine = [y for y in outs if type(y) is LinearizeTracer and y._trace is self]
            if mine:
                operands = [ground(a) for a in args]
                whole = title(primitive, params)
                if primitive.stage is not None:  # a rule of the user's own has made the values
                    check(whole, operands, [ground(y) for y in outs], primitive)
                for y in mine:
                    _note(y.node, whole, primitive.name, operands)
        return out

    CONTEXTS[id(LinearizeTrace._by_rule.__code__)] = _while_tangent


def _while_tangent(
    found: dict[str, Any], primitive: Primitive | None, args: Sequence[Any]
) -> tuple[str, dict[str, Any]]:
    """In a ``jvp`` rule: the tangent's work, unless it is the value itself that is computed."""
    of, primals = found["primitive"], found.get("primals", ())
    tangents = found.get("tangents")
    if tangents is None or all(t is None for t in tangents):
        return "", {}
    if of is primitive and all(ground(p) is a for p, a in zip(primals, args, strict=False)):
        return "", {}
    whole = title(of, found["params"])
    named = {f"a tangent of {whole}": t for t in tangents if t is not None}
    return f"in the derivative of {whole}", named


for _kind in (JVPTrace, SafeJVPTrace):
    CONTEXTS[id(_kind.process.__code__)] = _while_tangent
for _trace in (LinearizeTrace, SafeLinearizeTrace):
    _watch_recording(_trace)

_record = TapeTrace.process


@in_place_of(TapeTrace, "process")
def _record_watched(
    self: TapeTrace, primitive: Primitive, args: tuple[Any, ...], params: dict[str, Any]
) -> Any:
    out = _record(self, primitive, args, params)
    if watching():
        for y in out if primitive.multiple_results else (out,):
            if type(y) is TapeTracer and y._trace is self:
                node, whose = y.node, _under_rule() or (primitive, params, args)
                of, its_params, operands = whose
                for each in (node, node.source) if isinstance(node, Projected) else (node,):
                    _note(each, title(of, its_params), of.name, [ground(a) for a in operands])
    return out


def _under_rule() -> tuple[Primitive, dict[str, Any], Sequence[Any]] | None:
    """The operation of the user's whose derivative rule is running, with its operands."""
    frame: FrameType | None = sys._getframe(1)
    while frame is not None and is_library(frame.f_code):
        if frame.f_code is LinearizeTrace._by_rule.__code__:
            found = frame.f_locals
            return found["primitive"], found["params"], found["primals"]
        frame = frame.f_back
    return None


# The backward pass -------------------------------------------------------------------------------


class _Pass:
    """What a backward pass has done so far: the nodes pulled, and sums of NumPy's scalars."""

    def __init__(self) -> None:
        self.pulled: list[tuple[Node, Any]] = []
        self.sums: dict[int, Any] = {}

    def given(self, node: Node, part: Any) -> None:
        """Checks the sum of a node's cotangents where the backward pass adds plain scalars."""
        if isinstance(part, np.generic):
            before = self.sums.get(node.tick)
            with np.errstate(all="ignore"):
                total = self.sums[node.tick] = part if before is None else before + part
            if before is not None:
                check("add_any", (before, part), (total,))


_passes: WeakKeyDictionary[Callable[..., Any], _Pass] = WeakKeyDictionary()


def _watch_pulling(kind: type[Node]) -> None:
    plain_pull, plain_push = kind.pull, kind.push

    @in_place_of(kind, "pull")
    def pull(self: Node, ct: Any, eager: bool, give: Callable[[Any, Any], None]) -> None:
        if not watching():
            plain_pull(self, ct, eager, give)
            return
        origin = origin_of(self)
        done = _passes.setdefault(give, _Pass())
        done.pulled.append((self, ct))

        def give_checked(node: Node, part: Any) -> None:
            done.given(node, part)
            give(node, part)

        try:
            plain_pull(self, ct, False, give_checked)
        except NonFiniteError as e:
            raise _explained(e, origin, self, ct, done.pulled) from None

    @in_place_of(kind, "push")
    def push(self: Node, tangents: dict[Node, Any]) -> Any:
        origin = origin_of(self)  # noqa: F841  (read by who asks for the user's line)
        return plain_push(self, tangents)

    register_replay(pull, _line)
    register_replay(push, _line)
    CONTEXTS[id(pull.__code__)] = _while_pulling
    CONTEXTS[id(push.__code__)] = _while_pushing


def _line(found: dict[str, Any]) -> Source | None:
    origin = found.get("origin")
    return origin.source if origin else None


def _while_pulling(
    found: dict[str, Any], primitive: Primitive | None, args: Sequence[Any]
) -> tuple[str, dict[str, Any]]:
    origin, ct = found.get("origin"), found["ct"]
    if origin is None:
        return "", {}
    names = {} if isinstance(ct, list) else {"the cotangent": ct}
    scales = primitive is mul_p and isinstance(found["self"], Combined)
    if scales and args[0] is ground(ct):
        names[f"the slope of {origin.operation}"] = args[1]
    return f"in the backward pass of {origin.operation}{origin.parts}", names


def _while_pushing(
    found: dict[str, Any], primitive: Primitive | None, args: Sequence[Any]
) -> tuple[str, dict[str, Any]]:
    origin = found.get("origin")
    return f"in the derivative of {origin.operation}{origin.parts}" if origin else "", {}


def _keep(kind: type[Node]) -> None:
    """Nodes that have been pulled are read again by the diagnosis."""
    plain = kind.release

    @in_place_of(kind, "release")
    def release(self: Node) -> None:
        if not watching():
            plain(self)


_plain_force = Combined.force


@in_place_of(Combined, "force")
def _force(self: Combined) -> None:
    origin = origin_of(self)  # noqa: F841  (read by who asks for the user's line)
    _plain_force(self)


register_replay(_force, _line)
CONTEXTS[id(_force.__code__)] = _while_pushing

for _node in (Combined, SafelyCombined, Applied, Product):
    _watch_pulling(_node)
for _node in (Combined, Applied, Product):
    _keep(_node)


# The diagnosis -----------------------------------------------------------------------------------


def _explained(
    e: NonFiniteError, origin: Origin | None, node: Node, ct: Any, pulled: Sequence[Any]
) -> NonFiniteError:
    """The error with what the operation had, and what is wrong with its slope."""
    if e.explained or origin is None or isinstance(ct, list):
        return e
    problem, _, way_out = str(e).rpartition("\n")
    lines = [f"{origin.operation} itself was given:", *listing(origin.operands, {})]
    with config.override(debug_nans=False, debug_infs=False), np.errstate(all="ignore"):
        slope, trap = _infinite_slope(node, ct)
        culprit = None if trap is None else _untaken_branch(node, trap, pulled)
        giver = _maker_of_infinity(node, ct, pulled) if slope is None and trap is None else None
        if slope is not None:
            lines.append(f"The slope of {origin.operation} is not finite at {elements(slope)}.")
            way_out = f"Keep the operand of {origin.operation} away from there: it has no slope."
        if trap is not None:
            lines.append(f"Its cotangent is 0 there at {elements(trap)}: 0 times that is NaN.")
        if culprit is not None:
            lines += _trap_lines(origin, node.aval.shape, *culprit)
        if trap is not None and isinstance(node, Combined):
            way_out = _SAFELY if culprit is not None else f"{way_out} {_SAFELY}"
        if giver is not None:
            of = giver.operation
            lines.append(f"The slope of {of} made the cotangent infinite: {giver.source}")
            way_out = f"Keep the operand of {of} away from there: it has no slope."
    explained = NonFiniteError("\n".join([problem, *lines, way_out]))
    explained.explained = True
    return explained


def _trap_lines(
    origin: Origin, shape: tuple[int, ...], chooser: Applied, on_true: bool
) -> list[str]:
    where = origin_of(chooser)
    line = where.source if where else None
    fits = np.broadcast_shapes(shape_of(chooser.args[0]), shape) == shape
    fix = double_where(line if fits else None, origin.source, origin.name, on_true)
    return _untaken(origin.operation, line, fix)


def _untaken(operation: str, where: Source | None, fix: str) -> list[str]:
    return [
        f"The untaken branch of this `where` has an infinite derivative ({operation}): {where}",
        "It discards the value there, but not the slope. Make the operand safe as well:",
        f"    {fix}",
    ]


_SAFELY = "Or switch fxad.safe_where() on: zero cotangents stay zero."


def _maker_of_infinity(
    node: Node, ct: Any, pulled: Sequence[tuple[Node, Any]]
) -> Origin | None:
    """The operation whose slope made the infinite cotangent that came to a node."""
    if marks(ground(ct), "inf") is None:
        return None
    givers = [(n, c) for n, c in pulled if n is not node and node in n.operands()]
    for giver, given in givers:
        if not isinstance(given, list) and marks(ground(given), "inf") is not None:
            return _maker_of_infinity(giver, given, pulled)
    for giver, given in givers:
        parts = _given_by(giver, given)
        if any(n is node and marks(ground(part), "inf") is not None for n, part in parts):
            return origin_of(giver)
    return None


def _given_by(node: Node, ct: Any) -> list[tuple[Node, Any]]:
    """The cotangents that a node gives to those which it is made of."""
    found: list[tuple[Node, Any]] = []
    node.pull(ct, False, lambda *pair: found.append(pair))
    return found


def _infinite_slope(node: Node, ct: Any) -> tuple[Any, Any]:
    """Where the slope is infinite or NaN, and where the cotangent is exactly zero beside it.

    None stands for nowhere, and for a slope that is no factor.
    """
    if isinstance(node, Combined):
        for _, factor in node.terms:
            slope = factor() if type(factor) is Deferred else factor
            unbounded = None if slope is None else logical_not(isfinite(slope))
            if unbounded is not None and _somewhere(unbounded) is not None:
                return _somewhere(unbounded), _somewhere(logical_and(eq(ct, 0), unbounded))
        return None, None
    if any(marks(ground(part), "nan") is not None for _, part in _given_by(node, zeros_like(ct))):
        return None, _somewhere(eq(ct, 0))
    return None, None


def _somewhere(mask: Any) -> Any:
    """A mask on the ground, if it holds anywhere and is known."""
    found = ground(mask)
    return found if found is not None and np.any(found) else None


def _untaken_branch(
    node: Node, trap: Any, pulled: Sequence[tuple[Node, Any]]
) -> tuple[Applied, bool] | None:
    """The ``where`` whose discarded cotangents would have come to the trap, and which branch.

    It is asked by experiment: other numbers in the place of the zeros that it put there are pulled
    on to the node; where something comes out there, the zero is the doing of that ``where``.
    """
    for chooser, ct in reversed(pulled):
        if not isinstance(chooser, Applied) or chooser.primitive is not select_p:
            continue
        for position in (1, 2):
            branch = chooser.args[position]
            if not isinstance(branch, Node):
                continue
            shape, dtype = shape_of(ct), dtype_of(ct)
            probe = np.random.default_rng(0).uniform(1, 2, shape).astype(dtype)
            which = chooser.args[0]
            lost = select(which, probe, 0) if position == 1 else select(which, 0, probe)
            arrived = _pulled_on(branch, unbroadcast(lost, branch.aval), node)
            if arrived is None or shape_of(arrived) != node.aval.shape:
                continue
            there = ground(ne(arrived, 0))
            if there is not None and np.any(there & trap if there.shape == trap.shape else there):
                return chooser, position == 2
    return None


def _pulled_on(start: Node, ct: Any, goal: Node) -> Any:
    """What a cotangent of one node comes to at another; None: nothing gets there."""
    pending: dict[int, tuple[Node, Any]] = {}
    ticks: list[int] = []

    def give(node: Node, part: Any) -> None:
        before = pending.get(node.tick)
        if before is None:
            heappush(ticks, -node.tick)
        elif not isinstance(part, list):
            part = before[1] + part
        pending[node.tick] = node, part

    give(start, ct)
    while ticks and -ticks[0] >= goal.tick:
        node, part = pending.pop(-heappop(ticks))
        if node is goal:
            return part
        node.pull(part, False, give)
    return None


# In programs ------------------------------------------------------------------------------------


def _trap_in_program(
    here: dict[str, Any], primitive: Primitive | None, args: Sequence[Any]
) -> list[str]:
    """The diagnosis where a program of a backward pass is evaluated, which has no nodes.

    Branches and loops are programs there that differ between the examples of a batch. A cotangent
    is the first operand of its product with a slope.
    """
    eqn = here.get("eqn")
    if eqn is None or eqn.primitive is not primitive or primitive is not mul_p:
        return []
    infinite = marks(ground(args[1]), "inf")
    if infinite is None or any(e.effects() for e in here["jaxpr"].eqns):
        return []
    trap = infinite & (ground(args[0]) == 0)
    with config.override(debug_nans=False, debug_infs=False), np.errstate(all="ignore"):
        for chooser, position in _replayed(here, None)[1]:
            there = ground(_replayed(here, (chooser, position))[0])
            if there is None or there.shape != trap.shape or not np.any(trap & (there != 0)):
                continue
            name, on_true = unbounded_on(eqn.source), position == 1
            fits = chooser.invars[0].aval.shape == chooser.outvars[0].aval.shape
            fix = double_where(chooser.source if fits else None, eqn.source, name, on_true)
            return [
                f"Its cotangent is 0 there at {elements(trap)}: 0 times that is NaN.",
                *_untaken(name, chooser.source, fix),
                _SAFELY,
            ]
    return []


def _replayed(here: dict[str, Any], changed: tuple[Eqn, int] | None) -> tuple[Any, list[Any]]:
    """What comes to the first operand of the present equation, and where a ``where`` has zeros.

    ``changed`` are such zeros, which are ones then.
    """
    jaxpr = here["jaxpr"]
    given = (*here["consts"], *here["args"])
    env = dict(zip((*jaxpr.constvars, *jaxpr.invars), given, strict=True))
    zeros: list[tuple[Eqn, int]] = []
    for eqn in jaxpr.eqns:
        values = [v.value if isinstance(v, Literal) else env[v] for v in eqn.invars]
        if eqn is here["eqn"]:
            return values[0], zeros
        if eqn.primitive is select_p and chooses(eqn.source):
            known = [ground(x) for x in values]
            zeros += [(eqn, i) for i in (1, 2) if known[i] is not None and not np.any(known[i])]
        if changed is not None and eqn is changed[0]:
            aval = aval_of(values[changed[1]])
            values[changed[1]] = np.ones(aval.shape, aval.dtype)[()]
        out = eqn.primitive.bind(*values, **eqn.params)
        env.update(zip(eqn.outvars, out if eqn.primitive.multiple_results else (out,), strict=True))
    raise AssertionError(here["eqn"])


EXPLANATIONS[id(eval_jaxpr.__code__)] = _trap_in_program
