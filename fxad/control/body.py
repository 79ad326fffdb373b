"""The functions that loops and branches are made of: staged, and their types held together."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, NamedTuple
from weakref import WeakKeyDictionary

import numpy as np

import fxad.config as config
import fxad.tree as tree
import fxad.tree_util as tree_util
from fxad.control.call import per_jaxpr
from fxad.core.aval import PYTHON_SCALARS, ShapedArray, aval_of, promote
from fxad.core.jaxpr import ClosedJaxpr, Eqn, Jaxpr, Var, alike, axis_names
from fxad.core.number import number
from fxad.core.source import error, outside_rules
from fxad.core.staging import JaxprTrace, hoist, stage
from fxad.core.trace import Trace, Tracer, current_trace, ground
from fxad.errors import NonDifferentiableError, StructureError
from fxad.ops.base import convert, dtype_of, placed_as, reshape, shape_of
from fxad.ops.elementwise import add, select, stop_gradient_p
from fxad.ops.indexing import getitem
from fxad.ops.reduction import argmax
from fxad.transforms.common import flatten_outputs, own
from fxad.transforms.jvp import zeros_for
from fxad.transforms.tape import is_recorded
from fxad.transforms.vmap import BatchTrace


class Body:
    """A staged function: ``closed`` takes what it closed over (``consts``) before its arguments."""

    __slots__ = ("closed", "consts", "structure")

    def __init__(self, closed: ClosedJaxpr, consts: list[Any], structure: Any) -> None:
        self.closed, self.consts, self.structure = closed, consts, structure

    @property
    def out_avals(self) -> list[ShapedArray]:
        """The avals of the flat outputs."""
        return self.closed.out_avals


#: By the code of the user's function, what it was staged to: a closure made anew at every call is
#: staged anew, since what it closes over may be another, but derived and compiled only once.
_known: WeakKeyDictionary[Any, list[ClosedJaxpr]] = WeakKeyDictionary()
_KEPT = 8


def canonical(fun: Any, closed: ClosedJaxpr) -> ClosedJaxpr:
    """The jaxpr that the same code gave before, where it was this one."""
    code = getattr(getattr(fun, "__wrapped__", fun), "__code__", None)
    if code is None:
        return closed
    known = _known.setdefault(code, [])
    for before in known:
        if alike(before.jaxpr, closed.jaxpr):
            return before
    known.append(closed)
    del known[:-_KEPT]
    return closed


def stage_body(
    operation: str,
    fun: Callable[..., Any],
    flat: Callable[..., tuple[list[Any], Any]],
    avals: Sequence[ShapedArray],
) -> Body:
    """Stages ``flat``, which calls the user's ``fun`` and gives flat outputs and a structure."""
    structures: list[Any] = []

    def traced(*args: Any) -> list[Any]:
        outs, structure = flat(*args)
        structures.append(structure)
        return outs

    closed, consts = hoist(outside_rules(stage, traced, avals, operation))
    return Body(canonical(fun, closed), consts, structures[0])


def flat_call(
    operation: str, fun: Callable[..., Any], structure: Any
) -> Callable[..., tuple[list[Any], Any]]:
    """A function of a tuple of arguments, as one from leaves to leaves and their structure."""

    def flat(*leaves: Any) -> tuple[list[Any], Any]:
        return flatten_outputs(operation, fun(*tree.unflatten(structure, leaves)))

    return flat


def unchanged(body: Body, count: int) -> tuple[bool, ...]:
    """Which of the values that a body carries it hands on as they are."""
    jaxpr, first = body.closed.jaxpr, len(body.consts)
    carried = zip(jaxpr.invars[first : first + count], jaxpr.outvars[:count], strict=True)
    return tuple(before is after for before, after in carried)


def holding(body: Body, held: tuple[bool, ...], values: Sequence[Any], outputs: bool) -> Body:
    """The body with some of the values that it carries as constants.

    They are then stored once, need no derivative at each step, and stay what they are for all
    examples of a ``vmap``. ``outputs`` tells whether it gives out what it carries.
    """
    if not any(held):
        return body
    closed = _holding(body.closed, len(body.consts), held, outputs)
    kept = [v for v, flag in zip(values, held, strict=True) if flag]
    return Body(closed, [*body.consts, *kept], body.structure)


@per_jaxpr
def _holding(
    closed: ClosedJaxpr, first: int, held: tuple[bool, ...], outputs: bool
) -> ClosedJaxpr:
    jaxpr, count = closed.jaxpr, len(held)
    carried = jaxpr.invars[first : first + count]
    constant = [v for v, flag in zip(carried, held, strict=True) if flag]
    varying = [v for v, flag in zip(carried, held, strict=True) if not flag]
    invars = (*jaxpr.invars[:first], *constant, *varying, *jaxpr.invars[first + count :])
    outvars = jaxpr.outvars
    if outputs:
        kept = [v for v, flag in zip(outvars[:count], held, strict=True) if not flag]
        outvars = (*kept, *outvars[count:])
    return ClosedJaxpr(Jaxpr((), invars, jaxpr.eqns, outvars))


def merged(values: Sequence[Any], held: Sequence[bool], varying: Sequence[Any]) -> list[Any]:
    """The values that are held, and the others as they came out."""
    left = iter(varying)
    return [v if flag else next(left) for v, flag in zip(values, held, strict=True)]


def runs_as_python(leaves: Sequence[Any]) -> bool:
    """Whether a loop or branch runs the user's Python: on plain values, or without ``jit``."""
    if config.op_by_op:
        # While values are checked, also under derivatives; what it closes over is known as well.
        return config.disable_jit or (all_concrete(leaves) and not _within(JaxprTrace, BatchTrace))
    return current_trace().on_ground and all(
        not isinstance(x, Tracer) or x._trace.on_ground for x in leaves
    )


def all_concrete(leaves: Sequence[Any]) -> bool:
    """Whether every value is known, under derivatives perhaps."""
    return all(not isinstance(x, Tracer) or x.concrete() is not None for x in leaves)


def runs_in_sight(leaves: Sequence[Any]) -> bool:
    """Whether a loop of a known length runs as Python so that its values can be checked."""
    grounded = config.op_by_op and all(ground(x) is not None for x in leaves)
    return grounded and not _within(JaxprTrace)


def _within(*kinds: type[Trace]) -> bool:
    """Whether a transformation of some kind is at work."""
    return any(isinstance(trace, kinds) for trace in current_trace().ancestors())


def joined(a: ShapedArray, b: ShapedArray) -> ShapedArray | None:
    """The type that both values can have: a Python number gives way; None if there is none."""
    if a.shape != b.shape:
        return None
    if a.dtype == b.dtype:
        return a if a.weak_type == b.weak_type else a.strong()
    if not (a.weak_type or b.weak_type):
        return None
    dtype, weak = promote((a, b))
    strong = b if a.weak_type else a
    if not strong.weak_type and dtype != strong.dtype:
        return None
    return ShapedArray(a.shape, dtype, weak)


_ZERO = {"f": 0.0, "c": 0j}


def as_aval(x: Any, aval: ShapedArray, others: Sequence[Any] = ()) -> Any:
    """A value in a type that it was joined to; a number becomes an array beside the others."""
    have = aval_of(x)
    if aval.weak_type:  # a number, of another kind perhaps
        return x if have.dtype == aval.dtype else add(x, _ZERO[aval.dtype.kind])
    if have == aval:
        return x
    made = convert(x, aval.dtype)
    home = next((y for y in others if type(y) not in PYTHON_SCALARS), None)
    return made if home is None or isinstance(made, Tracer) else placed_as(made, home)


class Naming(NamedTuple):
    """How messages name a loop, and what of its carry they show: all, or the user's part of it."""

    operation: str
    part: int | None = None

    def shown(self, structure: Any) -> Any:
        """The structure of what is shown, given that of the carry."""
        return structure if self.part is None else structure.children()[self.part]

    def leaf(self, structure: Any, index: int) -> str:
        """The name of a leaf of the carry; what stands before the user's part are single ones."""
        if self.part is None:
            return f"carry{key_path(structure, index)}"
        return f"value{key_path(self.shown(structure), index - self.part)}"


def joined_carry(
    naming: Naming,
    structure: Any,
    before: list[ShapedArray],
    out_structure: Any,
    after: Sequence[ShapedArray],
) -> list[ShapedArray]:
    """The types of a carry that goes in and comes out of a loop's body; ``before`` if it stays so.

    Raises:
      StructureError: they differ; the message names the leaf and both types.
    """
    if structure == out_structure and before == after:
        return before
    if structure != out_structure:
        name = "carry" if naming.part is None else "value"
        difference = tree.mismatch(naming.shown(structure), naming.shown(out_structure), name=name)
        raise error(
            StructureError,
            naming.operation,
            f"got a body whose {name} output has another structure than its {name} input: "
            f"{difference}",
            f"Return the {name} with the structure that the initial value has.",
        )
    found = []
    for i, (a, b) in enumerate(zip(before, after, strict=True)):
        both = joined(a, b)
        if both is None:
            what = "shape" if a.shape != b.shape else "dtype"
            raise error(
                StructureError,
                naming.operation,
                f"got a body whose carry changes its {what}: {naming.leaf(structure, i)} goes in "
                f"as {a.long_name()} and comes out as {b.long_name()}",
                f"Make both the same: x.astype({b.dtype.name!r}) for the initial value, or "
                f"x.astype({a.dtype.name!r}) at the end of the body."
                if what == "dtype"
                else "Give the initial value the shape that the body returns.",
            )
        found.append(both)
    return found


def as_own(values: Sequence[Any]) -> list[Any]:
    """Values as a body gets them first: arrays of its own, which it may write to."""
    return [x.copy() if type(x) is np.ndarray else number(x) for x in values]


def gives_way(before: Sequence[ShapedArray], wanted: Sequence[ShapedArray]) -> bool:
    """Whether a number among some values takes another dtype to have these types."""
    return any(a.dtype != b.dtype for a, b in zip(before, wanted, strict=True))


def owned(outs: Sequence[Any], inputs: Sequence[Any]) -> list[Any]:
    """Outputs as the user gets them: his own arrays, and no number of Python's."""
    others = [*inputs, *outs]
    return own([as_aval(y, aval_of(y).strong(), others) for y in outs], inputs)


def key_path(structure: Any, index: int) -> str:
    """The place of a leaf in a tree, as messages write it."""
    paths = tree.leaves_with_path(tree.unflatten(structure, range(structure.num_leaves)))
    return tree_util.keystr(paths[index][0])


def like_avals(
    values: Sequence[Any], avals: Sequence[ShapedArray], others: Sequence[Any] = ()
) -> list[Any]:
    """Values in the types that they were joined to; numbers become arrays beside the others."""
    return [as_aval(x, a, others) for x, a in zip(values, avals, strict=True)]


def check_zero(start: Any) -> None:
    """Refuses what a loop or branch of tangents makes of no tangents: it would be affine."""
    if isinstance(start, np.ndarray | np.generic | int | float | complex) and np.any(start):
        raise error(
            NonDifferentiableError,
            "transpose",
            "got a loop or branch that gives a value other than zero for tangents of zero, "
            "wanted a linear function",
            "A linear function maps zero to zero: let the carry begin with zeros.",
        )


def split_by_linearizing(linearize: Callable[..., Any]) -> Callable[..., list[Any]]:
    """The ``split`` of a primitive whose outputs are linear in some operands, by its derivative.

    Of a linear map the derivative, at zero say, is the map itself.
    """

    def split(args: Sequence[Any], linear: Sequence[bool], /, **params: Any) -> list[Any]:
        fixed = [a for a, is_lin in zip(args, linear, strict=True) if not is_lin]
        primals = [
            zeros_for(aval_of(a), fixed) if is_lin else a
            for a, is_lin in zip(args, linear, strict=True)
        ]
        tangents = [a if is_lin else None for a, is_lin in zip(args, linear, strict=True)]
        outs, pushed = linearize(primals, tangents, **params)
        for y, t in zip(outs, pushed, strict=True):
            if t is not None:
                check_zero(y)
        return [y if t is None else t for y, t in zip(outs, pushed, strict=True)]

    return split


def of_examples(
    program: ClosedJaxpr, wanted: Any, operands: Sequence[Any], dims: Sequence[int | None]
) -> list[Any]:
    """The operands with those of a wanted example, as constants, in the place of the unwanted.

    What a branch or a loop's body makes of unwanted examples is dropped. But it may have no value
    there, nor a derivative, and a cotangent of zero times that would be none either. A program
    that shows its values shows each example's own: these are constants then, and stay. One with
    collectives makes something of them for the wanted examples: nothing is changed.

    Args:
      program: the branch or body of one example.
      wanted: which examples want it.
      operands: those of the whole batch.
      dims: their batch axes.
    """
    if axis_names(program):
        return list(operands)
    shows = bool(program.effects())
    count = shape_of(wanted)[0]
    first = argmax(wanted, axis=0) if count else 0

    def of_wanted(x: Any, dim: int | None) -> Any:
        # What is done to a recorded tangent is linear, and has no such places.
        if dim is None or not count or dtype_of(x).kind == "V" or is_recorded(x):
            return x
        along = [n if axis == dim else 1 for axis, n in enumerate(shape_of(x))]
        rest = [1 if axis == dim else n for axis, n in enumerate(shape_of(x))]
        row = x if shows else reshape(getitem(x, (slice(None),) * dim + (first,)), rest)
        return select(reshape(wanted, along), x, stop_gradient_p.bind(row))

    return [of_wanted(x, dim) for x, dim in zip(operands, dims, strict=True)]


def giving_way(
    closed: ClosedJaxpr, weak: Sequence[bool]
) -> tuple[ClosedJaxpr, list[tuple[int, Any]]]:
    """A program whose weak operands give way to others though they are weak no longer.

    A number that has been stacked is strong, and would make floats that it scales wider. The
    program takes it again, as a further operand, in each of the dtypes that it is to have there.

    Returns:
      The program, and which operands it takes again, in which dtypes.
    """
    jaxpr = closed.jaxpr
    places = {v: i for i, (v, w) in enumerate(zip(jaxpr.invars, weak, strict=False)) if w}
    twins: dict[tuple[Var, Any], Var] = {}

    def scaled(eqn: Eqn) -> Eqn:
        dtype = eqn.outvars[0].aval.dtype if eqn.outvars else None
        if eqn.primitive.partials is None or dtype is None or dtype.kind not in "fc":
            return eqn
        return eqn.replace([
            twins.setdefault((v, dtype), Var(ShapedArray(v.aval.shape, dtype)))
            if isinstance(v, Var) and v in places
            else v
            for v in eqn.invars
        ])

    eqns = [scaled(eqn) for eqn in jaxpr.eqns]
    invars = [*jaxpr.invars, *twins.values()]
    program = ClosedJaxpr(Jaxpr(jaxpr.constvars, invars, eqns, jaxpr.outvars), closed.consts)
    return program, [(places[v], dtype) for v, dtype in twins]
