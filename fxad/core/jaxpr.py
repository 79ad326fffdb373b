"""Jaxprs: programs as data. Evaluation, checking and printing."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Any, TypeAlias

import numpy as np

from fxad.core.aval import PYTHON_SCALARS, ShapedArray, aval_of
from fxad.core.primitive import Primitive
from fxad.core.source import Source, register_replay
from fxad.errors import JaxprTypeError


class Var:
    """A variable of a jaxpr, bound once; its name is chosen when it is printed."""

    __slots__ = ("aval",)

    def __init__(self, aval: ShapedArray) -> None:
        self.aval = aval


class Literal:
    """A number that stands in an equation itself."""

    __slots__ = ("value", "aval")

    def __init__(self, value: Any, aval: ShapedArray | None = None) -> None:
        self.value = value
        self.aval = aval_of(value) if aval is None else aval

    def __str__(self) -> str:
        if type(self.value) in PYTHON_SCALARS:
            return f"{self.value}:{self.aval}"
        return f"{np.asarray(self.value).item()}:{self.aval}"


Atom: TypeAlias = Var | Literal


class Eqn:
    """One application of a primitive: ``outvars = primitive[params] invars``."""

    __slots__ = ("primitive", "invars", "outvars", "params", "source")

    def __init__(
        self,
        primitive: Primitive,
        invars: Sequence[Atom],
        outvars: Sequence[Var],
        params: dict[str, Any],
        source: Source | None = None,
    ) -> None:
        self.primitive, self.params, self.source = primitive, params, source
        self.invars, self.outvars = tuple(invars), tuple(outvars)

    def replace(self, invars: Sequence[Atom] | None = None, **changes: Any) -> Eqn:
        """A copy with other operands, ``outvars``, ``params`` or ``source``."""
        return Eqn(
            self.primitive,
            self.invars if invars is None else invars,
            changes.get("outvars", self.outvars),
            changes.get("params", self.params),
            changes.get("source", self.source),
        )

    def effects(self) -> frozenset[str]:
        """What running it does beside its results, the jaxprs that it holds included."""
        found = frozenset((self.primitive.effect,)) if self.primitive.effect else _NO_EFFECTS
        if self.params:
            for inner in sub_jaxprs(self.params):
                found |= inner.effects()
        return found


_NO_EFFECTS: frozenset[str] = frozenset()


class Jaxpr:
    """A function without free variables: ``constvars`` and ``invars`` to ``outvars``."""

    __slots__ = (
        "constvars", "invars", "eqns", "outvars", "_dead_after", "_effects", "_axis_names",
        "__weakref__",
    )

    def __init__(
        self,
        constvars: Sequence[Var],
        invars: Sequence[Var],
        eqns: Sequence[Eqn],
        outvars: Sequence[Atom],
    ) -> None:
        self.constvars, self.invars = tuple(constvars), tuple(invars)
        self.eqns, self.outvars = tuple(eqns), tuple(outvars)
        self._dead_after: list[list[Var]] | None = None
        self._effects: frozenset[str] | None = None
        self._axis_names: tuple[Any, ...] | None = None

    @property
    def in_avals(self) -> list[ShapedArray]:
        """The avals of the inputs."""
        return [v.aval for v in self.invars]

    @property
    def out_avals(self) -> list[ShapedArray]:
        """The avals of the outputs."""
        return [v.aval for v in self.outvars]

    def dead_after(self) -> list[list[Var]]:
        """For each equation, the variables that nothing reads after it."""
        if self._dead_after is None:
            live = {v for v in self.outvars if isinstance(v, Var)}
            dead: list[list[Var]] = []
            for eqn in reversed(self.eqns):
                used = {v for v in (*eqn.invars, *eqn.outvars) if isinstance(v, Var)}
                dead.append([v for v in used if v not in live])
                live |= used
            self._dead_after = dead[::-1]
        return self._dead_after

    def effects(self) -> frozenset[str]:
        """What running it does beside its results: ``"debug"``, ``"io"``."""
        if self._effects is None:
            self._effects = frozenset().union(*(eqn.effects() for eqn in self.eqns))
        return self._effects

    def __str__(self) -> str:
        return print_jaxpr(self)

    __repr__ = __str__


class ClosedJaxpr:
    """A jaxpr together with the values of its ``constvars``.

    ``name`` is what logs call it: the user's function that it comes from, where that is known.
    ``derived`` remembers what was made of it (derivatives, batches, programs) by function and
    arguments. It lies here, not in a table beside: these things often contain the jaxpr itself, and
    only so does the garbage collector see that nothing else does.
    """

    __slots__ = ("jaxpr", "consts", "name", "derived", "__weakref__")

    def __init__(self, jaxpr: Jaxpr, consts: Sequence[Any] = ()) -> None:
        self.jaxpr, self.consts, self.name = jaxpr, tuple(consts), ""
        self.derived: dict[Any, Any] = {}

    @property
    def in_avals(self) -> list[ShapedArray]:
        """The avals of the inputs."""
        return self.jaxpr.in_avals

    @property
    def out_avals(self) -> list[ShapedArray]:
        """The avals of the outputs."""
        return self.jaxpr.out_avals

    @property
    def eqns(self) -> tuple[Eqn, ...]:
        """The equations."""
        return self.jaxpr.eqns

    def effects(self) -> frozenset[str]:
        """What running it does beside its results: ``"debug"``, ``"io"``."""
        return self.jaxpr.effects()

    def __call__(self, *args: Any) -> list[Any]:
        """Applies it."""
        return eval_jaxpr(self.jaxpr, self.consts, *args)

    def __str__(self) -> str:
        return print_jaxpr(self.jaxpr)

    __repr__ = __str__


def eval_jaxpr(jaxpr: Jaxpr, consts: Sequence[Any], *args: Any) -> list[Any]:
    """Evaluates by binding every equation, so that any transformation applies to any jaxpr."""
    env: dict[Var, Any] = dict(zip(jaxpr.constvars, consts, strict=True))
    env.update(zip(jaxpr.invars, args, strict=True))

    def read(atom: Atom) -> Any:
        return atom.value if isinstance(atom, Literal) else env[atom]

    for eqn, dead in zip(jaxpr.eqns, jaxpr.dead_after(), strict=True):
        out = eqn.primitive.bind(*map(read, eqn.invars), **eqn.params)
        outs = out if eqn.primitive.multiple_results else (out,)
        env.update(zip(eqn.outvars, outs, strict=True))
        for var in dead:
            env.pop(var, None)
    return [read(v) for v in jaxpr.outvars]


register_replay(eval_jaxpr, lambda here: here["eqn"].source if "eqn" in here else None)

_executor: list[Callable[..., Any]] = []


def set_executor(
    executor: Callable[..., list[Any]], prepare: Callable[[ClosedJaxpr, Any], Any]
) -> None:
    """The compiler registers here what runs a closed jaxpr on values, once or many times."""
    _executor[:] = [executor, prepare]


def execute(closed: ClosedJaxpr, *args: Any) -> list[Any]:
    """Runs a jaxpr on values: by the compiler's executor where there is one."""
    return _executor[0](closed, *args) if _executor else closed(*args)


def prepare(closed: ClosedJaxpr, xp: Any) -> Callable[..., list[Any]]:
    """What runs a jaxpr on values of an array namespace, many times."""
    run: Callable[..., list[Any]] = _executor[1](closed, xp) if _executor else closed
    return run


def dce_jaxpr(
    jaxpr: Jaxpr, keep: Sequence[bool] | None = None, effects: bool = True
) -> Jaxpr:
    """Leaves out the outputs that are not kept, and equations whose results nothing reads.

    Those with effects stay, in their order, unless ``effects`` is False.
    """
    outvars = jaxpr.outvars
    if keep is not None:
        outvars = tuple(v for v, k in zip(outvars, keep, strict=True) if k)
    live = {v for v in outvars if isinstance(v, Var)}
    eqns = []
    for eqn in reversed(jaxpr.eqns):
        if any(v in live for v in eqn.outvars) or (effects and eqn.effects()):
            eqns.append(eqn)
            live.update(v for v in eqn.invars if isinstance(v, Var))
    return Jaxpr(jaxpr.constvars, jaxpr.invars, eqns[::-1], outvars)


def axis_names(jaxpr: Jaxpr | ClosedJaxpr) -> tuple[Any, ...]:
    """The names of the batched axes that a jaxpr's collectives speak of."""
    if isinstance(jaxpr, ClosedJaxpr):
        jaxpr = jaxpr.jaxpr
    if jaxpr._axis_names is None:
        found: dict[Any, None] = {}
        for eqn in jaxpr.eqns:
            if eqn.primitive.collective:
                found.update(dict.fromkeys(eqn.params["axis_name"]))
            for inner in sub_jaxprs(eqn.params):
                found.update(dict.fromkeys(axis_names(inner)))
        jaxpr._axis_names = tuple(found)
    return jaxpr._axis_names


def sub_jaxprs(params: dict[str, Any]) -> Iterator[Jaxpr | ClosedJaxpr]:
    """The jaxprs that the parameters of a higher-order primitive hold."""
    for value in params.values():
        for item in value if isinstance(value, tuple | list) else (value,):
            if isinstance(item, Jaxpr | ClosedJaxpr):
                yield item


def alike(a: Jaxpr, b: Jaxpr) -> bool:
    """Whether two jaxprs are one program, written with other variables."""
    ours, theirs = (*a.constvars, *a.invars), (*b.constvars, *b.invars)
    if len(a.eqns) != len(b.eqns) or [v.aval for v in ours] != [v.aval for v in theirs]:
        return False
    names = dict(zip(ours, theirs, strict=True))

    def same(x: Atom, y: Atom) -> bool:
        if isinstance(x, Var):
            return names.get(x) is y
        return isinstance(y, Literal) and x.aval == y.aval and _same_param(x.value, y.value)

    for e, f in zip(a.eqns, b.eqns, strict=True):
        known = len(e.invars) == len(f.invars) and all(map(same, e.invars, f.invars))
        if not known or e.primitive is not f.primitive or not _same_params(e.params, f.params):
            return False
        if [v.aval for v in e.outvars] != [v.aval for v in f.outvars]:
            return False
        names.update(zip(e.outvars, f.outvars, strict=True))
    return len(a.outvars) == len(b.outvars) and all(map(same, a.outvars, b.outvars))


def _same_params(a: dict[str, Any], b: dict[str, Any]) -> bool:
    return a.keys() == b.keys() and all(_same_param(a[key], b[key]) for key in a)


def _same_param(a: Any, b: Any) -> bool:
    """Whether two parameters make one program: 1 and True do not, nor do 0.0 and -0.0."""
    if a is b or type(a) is not type(b):
        return a is b
    if isinstance(a, tuple | list):
        return len(a) == len(b) and all(map(_same_param, a, b))
    if isinstance(a, ClosedJaxpr):
        return not a.consts and not b.consts and alike(a.jaxpr, b.jaxpr)
    if isinstance(a, int | float | complex | np.generic):
        return repr(a) == repr(b)
    return not isinstance(a, np.ndarray) and bool(a == b)


def check_jaxpr(jaxpr: Jaxpr | ClosedJaxpr) -> None:
    """Verifies that variables are bound once, before use, and that every aval follows its rule.

    Raises:
      JaxprTypeError: naming the equation and what is wrong with it.
    """
    if isinstance(jaxpr, ClosedJaxpr):
        for var, const in zip(jaxpr.jaxpr.constvars, jaxpr.consts, strict=True):
            _agree("constant", [var.aval.strong()], [aval_of(const).strong()])
        jaxpr = jaxpr.jaxpr
    bound: set[Var] = set()
    _bind((*jaxpr.constvars, *jaxpr.invars), bound, "an argument")
    for eqn in jaxpr.eqns:
        where = str(eqn.primitive)
        _defined(eqn.invars, bound, where)
        for inner in sub_jaxprs(eqn.params):
            check_jaxpr(inner)
        out = eqn.primitive.abstract(*(v.aval for v in eqn.invars), **eqn.params)
        wanted = list(out) if eqn.primitive.multiple_results else [out]
        _agree(where, [v.aval for v in eqn.outvars], wanted)
        _bind(eqn.outvars, bound, where)
    _defined(jaxpr.outvars, bound, "the result")


def _bind(variables: Iterable[Var], bound: set[Var], where: str) -> None:
    for var in variables:
        if var in bound:
            raise JaxprTypeError(f"[check_jaxpr] {where} binds a variable a second time")
        bound.add(var)


def _defined(atoms: Iterable[Atom], bound: set[Var], where: str) -> None:
    for atom in atoms:
        if isinstance(atom, Var) and atom not in bound:
            raise JaxprTypeError(f"[check_jaxpr] {where} reads a variable that nothing has bound")


def _agree(where: str, got: Sequence[ShapedArray], wanted: Sequence[ShapedArray]) -> None:
    if list(got) != list(wanted):
        raise JaxprTypeError(
            f"[check_jaxpr] {where} has outputs {list(map(repr, got))}, "
            f"and its rule says {list(map(repr, wanted))}"
        )


def variable_names() -> Iterator[str]:
    """a, b, ..., z, ba, bb, ...: the names that a jaxpr is printed with."""
    letters = "abcdefghijklmnopqrstuvwxyz"
    number = 0
    while True:
        name, n = letters[number % 26], number // 26
        while n:
            name, n = letters[n % 26] + name, n // 26
        yield name
        number += 1


def print_jaxpr(jaxpr: Jaxpr, indent: int = 0) -> str:
    """The jaxpr in JAX's notation."""
    fresh, names = variable_names(), dict[Var, str]()
    uses = Counter(v for eqn in jaxpr.eqns for v in eqn.invars if isinstance(v, Var))
    uses.update(v for v in jaxpr.outvars if isinstance(v, Var))
    pad = " " * indent

    def declare(var: Var, argument: bool = False) -> str:
        names[var] = next(fresh) if argument or uses[var] else "_"
        return f"{names[var]}:{var.aval}"

    def read(atom: Atom) -> str:
        return names[atom] if isinstance(atom, Var) else str(atom)

    consts = " ".join(declare(v, True) for v in jaxpr.constvars)
    args = " ".join(declare(v, True) for v in jaxpr.invars)
    lines = []
    for eqn in jaxpr.eqns:
        operands = " ".join(map(read, eqn.invars))
        results = " ".join(declare(v) for v in eqn.outvars)
        right = f"{eqn.primitive}{_print_params(eqn.params, indent + 6)} {operands}".rstrip()
        scope = f"  # {eqn.source.scope}" if eqn.source and eqn.source.scope else ""
        left = f"{results} = " if results else ""
        lines.append(f"{pad}    {left}{right}{scope}")
    outs = ", ".join(map(read, jaxpr.outvars)) + ("," if len(jaxpr.outvars) == 1 else "")
    head = " ".join(filter(None, ["{ lambda", consts, ";", args])) + (". let" if args else " . let")
    if not lines:
        return f"{head} in ({outs}) }}"
    return "\n".join([head, *lines, f"{pad}  in ({outs}) }}"])


def _print_params(params: dict[str, Any], indent: int) -> str:
    shown = {k: v for k, v in params.items() if v is not None and v != () and v is not False}
    if not shown:
        return ""
    if any(True for _ in sub_jaxprs(shown)):
        pad = " " * indent
        rows = [f"{pad}{k}={_print_param(v, indent + 2)}" for k, v in sorted(shown.items())]
        return "[\n" + "\n".join(rows) + f"\n{pad[:-2]}]"
    return "[" + " ".join(f"{k}={_print_param(v, indent)}" for k, v in sorted(shown.items())) + "]"


def _print_param(value: Any, indent: int) -> str:
    if isinstance(value, ClosedJaxpr):
        value = value.jaxpr
    if isinstance(value, Jaxpr):
        return print_jaxpr(value, indent)
    if isinstance(value, tuple) and any(isinstance(v, Jaxpr | ClosedJaxpr) for v in value):
        return "(" + ", ".join(_print_param(v, indent) for v in value) + ")"
    if callable(value) and hasattr(value, "__name__"):
        return str(value.__name__)
    return str(value)
