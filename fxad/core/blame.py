"""NaN blame: which operation made a NaN or an infinity, of what, and at which line.

While some thread has ``debug_nans`` or ``debug_infs`` on, the traces' methods make way for ones
that check what they made; at other times nothing of this runs.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Sequence
from contextlib import suppress
from types import FrameType
from typing import Any, TypeVar

import numpy as np

import fxad.config as config
import fxad.tree as tree
import fxad.tree_util as tree_util
from fxad.core.advice import safe_branch
from fxad.core.aval import aval_of, is_value
from fxad.core.primitive import Primitive
from fxad.core.source import is_library, user_source
from fxad.core.trace import EvalTrace, Tracer, ground
from fxad.errors import NonFiniteError

F = TypeVar("F", bound=Callable[..., Any])

SWITCHES = ("debug_nans", "debug_infs")
_TESTS = {"nan": np.isnan, "inf": np.isinf}

#: What a frame of the library's says of an operation inside it: a phrase ("in the tangent of
#: sqrt"), and names for values. By the code of its function: ``context(locals, primitive, args)``.
Context = Callable[[dict[str, Any], Primitive | None, Sequence[Any]], tuple[str, dict[str, Any]]]
CONTEXTS: dict[int, Context] = {}

#: What a frame of the library's knows of how a NaN inside it came about: lines, the way out last;
#: none if it knows nothing. By the code of its function, as ``CONTEXTS``.
EXPLANATIONS: dict[
    int, Callable[[dict[str, Any], Primitive | None, Sequence[Any]], list[str]]
] = {}

#: Functions that run parts of the user's function, by their code: what a part is called ("step of
#: scan"), and the local variable that holds its number.
_PARTS: dict[int, tuple[str, str, str]] = {}


def counts(function: Callable[..., Any], part: str, whole: str, counter: str) -> None:
    """Says that a local variable of a function is the number of a loop's step, say."""
    _PARTS[id(function.__code__)] = part, whole, counter


def parts() -> str:
    """The parts of loops and branches that are running: " (step 3 of scan)"; or nothing."""
    frame: FrameType | None = sys._getframe(1)
    found = []
    while frame is not None:
        part, whole, counter = _PARTS.get(id(frame.f_code), ("", "", ""))
        number = frame.f_locals.get(counter) if part else None
        if number is not None:
            found.append(f"{part} {number} of {whole}")
        frame = frame.f_back
    return f" ({', '.join(found)})" if found else ""


def watching() -> bool:
    """Whether this thread checks values."""
    return config.debug_nans or config.debug_infs


def forbidden() -> list[str]:
    """What this thread looks for: "nan", "inf"."""
    switches = (("nan", config.debug_nans), ("inf", config.debug_infs))
    return [kind for kind, on in switches if on]


def in_place_of(kind: type, name: str) -> Callable[[F], F]:
    """Puts a method in the place of a class's own while some thread checks values."""

    def decorate(checking: F) -> F:
        plain = kind.__dict__[name]
        config.on_switch(SWITCHES, lambda on: setattr(kind, name, checking if on else plain))
        return checking

    return decorate


_run_on_ground = EvalTrace.process


@in_place_of(EvalTrace, "process")
def _process(self: EvalTrace, primitive: Primitive, args: Any, params: dict[str, Any]) -> Any:
    """Interprets one application of a primitive, and checks what it made."""
    if not watching():
        return _run_on_ground(self, primitive, args, params)
    args = tuple(map(_shown, args))
    with np.errstate(all="ignore"):
        out = _run_on_ground(self, primitive, args, params)
    outs = out if primitive.multiple_results else (out,)
    check(title(primitive, params), args, outs, primitive)
    return out


def _shown(x: Any) -> Any:
    """The value that a function closes over, where a tracer only shows what is done to it."""
    seen = isinstance(x, Tracer) and x.transparent and x._trace.alive
    below = x.below() if seen else x
    return x if isinstance(below, Tracer) else below


def title(primitive: Primitive, params: dict[str, Any]) -> str:
    """What messages call an operation: its name, and that of the function which it calls."""
    name = params.get("name") if primitive.multiple_results else None
    return f"{primitive} {name}" if isinstance(name, str) else primitive.name


def checked_call(name: str, function: Callable[..., Any], args: Any, kwargs: Any) -> Any:
    """Calls NumPy's own function on plain values, and checks what it made."""
    with np.errstate(all="ignore"):
        out = function(*args, **kwargs)
    operands = [x for x in tree.leaves((args, kwargs)) if is_value(x)]
    check(name, operands, [y for y in tree.leaves(out) if is_value(y)])
    return out


def marks(x: Any, kind: str) -> Any:
    """Where a value on the ground is NaN (or infinite); None: nowhere."""
    if x is None or isinstance(x, Tracer) or not is_value(x) or aval_of(x).dtype.kind not in "fc":
        return None
    found = _TESTS[kind](x)
    return found if found.any() else None


def check(
    name: str, args: Sequence[Any], outs: Sequence[Any], primitive: Primitive | None = None
) -> None:
    """Raises if an operation made what the switches forbid, or passed a NaN on that came in."""
    for kind in forbidden():
        for out in outs:
            found = marks(out, kind)
            if found is None:
                continue
            made = _made(args, found, kind, primitive)
            if made is not None:
                raise _made_here(name, kind, args, made, primitive)
            if kind == "nan":
                raise _came_in(name, args, primitive)


def _made(args: Sequence[Any], found: Any, kind: str, primitive: Primitive | None) -> Any:
    """Where the operation made it: where, as far as one can tell, no operand had it already."""
    by_element = primitive is not None and primitive.scalar is not None
    for x in args:
        had = marks(x, kind)
        if had is not None:
            if not by_element:
                return None
            found = found & ~had
    return found if found.any() else None


def _made_here(
    name: str, kind: str, args: Sequence[Any], made: Any, primitive: Primitive | None
) -> NonFiniteError:
    phrase, names, _ = _surroundings(primitive, args)
    details = listing(args, names)
    fix = safe_branch(user_source(), name, any(marks(x, "inf") is not None for x in args))
    if fix is not None and " pass " not in phrase:
        details += [
            "It stands in a branch of a `where`, and both branches are computed. To be safe write:",
            f"    {fix}",
        ]
    way_out = (
        "Keep the operands where the operation is finite: shift them (x + eps), clip them, or take "
        f"others where a `where` discards the result. fxad.debug_{kind}s(False) switches the check "
        "off."
    )
    explanation = _explanation(primitive, args) if " pass " in phrase else []
    if explanation:
        *more, way_out = explanation
        details += more
    problem = f"[{name}] invalid value ({kind}) encountered in {name}{phrase}: {elements(made)}."
    made_here = report(problem, details, way_out)
    made_here.explained = bool(explanation)
    return made_here


def _explanation(primitive: Primitive | None, args: Sequence[Any]) -> list[str]:
    """What the innermost frame says that knows how a NaN came about."""
    frame: FrameType | None = sys._getframe(2)
    while frame is not None:
        explain = EXPLANATIONS.get(id(frame.f_code))
        lines = explain(frame.f_locals, primitive, args) if explain else []
        if lines:
            return lines
        frame = frame.f_back
    return []


def _came_in(name: str, args: Sequence[Any], primitive: Primitive | None) -> NonFiniteError:
    phrase, names, frame = _surroundings(primitive, args)
    position, culprit = next((i, x) for i, x in enumerate(args) if marks(x, "nan") is not None)
    where = _owner(culprit, frame) or names.get(id(culprit)) or f"operand {position}"
    return report(
        f"[{name}] invalid value (nan) encountered in {name}{phrase}: it came in with {where}, "
        f"{elements(marks(culprit, 'nan'))}; no operation that fxad has seen made it.",
        listing(args, names),
        "Look at where that value comes from: data, a constant, or NumPy at work on arrays that "
        "are not traced.",
    )


def report(problem: str, details: Sequence[str], way_out: str) -> NonFiniteError:
    """The error: the problem, the user's line, what is known of it, and, last, the way out."""
    source = user_source()
    line = [f"At {source}"] if source else []
    return NonFiniteError("\n".join([problem, *line, *details, way_out]))


def elements(found: Any) -> str:
    """How many elements, and the first of them."""
    if found.shape == ():
        return "the only element"
    index = np.unravel_index(int(found.ravel().argmax()), found.shape)
    place = ", ".join(str(int(i)) for i in index)
    return f"{int(found.sum())} of {found.size} elements, the first at [{place}]"


def listing(args: Sequence[Any], names: dict[int, str]) -> list[str]:
    """A line for each operand: its name, where it has one, its type and its range."""
    shown = [x for x in args if is_value(x)][:8]
    rows = [f"{names[id(x)]}: {spread(x)}" if id(x) in names else spread(x) for x in shown]
    return [f"  operand {i}: {row}" for i, row in enumerate(rows)]


def spread(x: Any) -> str:
    """The shape, dtype and range of a value, with what in it is NaN, infinite or zero."""
    aval = aval_of(x)
    if aval.size == 0 or aval.dtype.kind not in "fciub":
        return str(aval)
    if aval.shape == ():
        return f"{aval} = {x if type(x) in (bool, int, float, complex) else x.item()}"
    shown = []
    finite = x[np.isfinite(x)]
    if finite.size:
        is_complex = aval.dtype.kind == "c"
        size = np.abs(finite) if is_complex else finite
        low, high = size.min().item(), size.max().item()
        shown.append(f"{'|x| ' if is_complex else ''}min {low:.6g}, max {high:.6g}")
    special = (("nan", np.isnan(x)), ("inf", np.isinf(x)), ("zero", x == 0))
    shown += [f"{int(where.sum())} {word}" for word, where in special if where.any()]
    return f"{aval} {', '.join(shown)}"


def _surroundings(
    primitive: Primitive | None, args: Sequence[Any]
) -> tuple[str, dict[int, str], FrameType | None]:
    """What the frames say: phrases of the derivatives at work, names of values, the user's frame.

    Names are by identity of the value on the ground.
    """
    frame: FrameType | None = sys._getframe(2)
    user: FrameType | None = None
    phrase, names = "", dict[int, str]()
    while frame is not None:
        context = CONTEXTS.get(id(frame.f_code))
        if context is not None:
            words, values = context(frame.f_locals, primitive, args)
            phrase += f", {words}" if words else ""
            names.update({id(ground(v)): n for n, v in values.items()})
        if user is None and not is_library(frame.f_code):
            user = frame
        frame = frame.f_back
    if user is not None:
        for owner, leaf in _variables(user):
            names.setdefault(id(ground(leaf)), owner)
    return phrase + parts(), names, user


def _variables(frame: FrameType) -> list[tuple[str, Any]]:
    """The arrays and numbers in a frame's variables, and in pytrees there, with their names."""
    found = []
    with config.override(debug_nans=False, debug_infs=False), np.errstate(all="ignore"):
        for name, value in list(frame.f_locals.items()):
            with suppress(Exception):  # an object may run code of its own to be flattened
                leaves = tree.leaves_with_path(value)
                found += [(name + tree_util.keystr(path), x) for path, x in leaves if is_value(x)]
    return found


def _owner(x: Any, frame: FrameType | None) -> str:
    """The variable of the user's that holds a value, and whether it is an argument; or nothing."""
    while frame is not None:
        if not is_library(frame.f_code):
            code = frame.f_code
            arguments = code.co_varnames[: code.co_argcount + code.co_kwonlyargcount]
            for owner, leaf in _variables(frame):
                if ground(leaf) is x:
                    name = owner.partition("[")[0].partition(".")[0]
                    kind = "argument" if name in arguments else "variable"
                    return f"the {kind} {owner} of {code.co_name}"
        frame = frame.f_back
    return ""
