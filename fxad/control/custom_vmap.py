"""``custom_vmap``: a batching rule of the user's own."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Sequence
from contextvars import ContextVar
from itertools import compress
from typing import Any

import numpy as np

import fxad.tree as tree
from fxad.control.batch_rules import BatchRule, pull_rule, push_rule, without_consts
from fxad.control.call import per_jaxpr, spread
from fxad.control.custom import (
    Custom,
    Flat,
    Outputs,
    abstract_of_function,
    apply_to_tangents,
    cost_of_function,
    describe_result,
    stage_function,
)
from fxad.control.effects import refuse_io_twice
from fxad.control.scan import scan
from fxad.core.aval import ShapedArray, aval_of
from fxad.core.jaxpr import ClosedJaxpr, dce_jaxpr
from fxad.core.primitive import Primitive
from fxad.core.source import error
from fxad.core.staging import hoist, stage
from fxad.core.trace import Tracer, is_linear
from fxad.core.tracebacks import public
from fxad.errors import StructureError
from fxad.ops.base import convert, moveaxis
from fxad.transforms.common import check_callable, flatten_outputs, matches
from fxad.transforms.jvp import jvp_flat, jvp_jaxpr
from fxad.transforms.staged import transpose_jaxpr

# A derivative of a function with a batching rule is again one, with a rule derived from the
# user's: so the rule is used wherever the batch is made, inside of derivatives or around them.
# ``linear`` marks the operands that a derivative is linear in; the primals stand beside them, and
# the function's inside is computed again from these: residuals would have no batching rule.

_pushed = per_jaxpr(jvp_jaxpr)


def _bind(
    closed: ClosedJaxpr, args: Sequence[Any], rule: BatchRule, name: str, linear: Any = ()
) -> list[Any]:
    """Calls a jaxpr with this rule; its constants become arguments."""
    fun, consts = hoist(closed)
    rule = without_consts(rule, name, len(consts))
    linear = (*[False] * len(consts), *linear) if linear else ()
    outs: list[Any] = custom_vmap_p.bind(
        *consts, *args, fun=fun, rule=rule, name=name, linear=linear
    )
    return outs


def _jvp(
    primals: Sequence[Any],
    tangents: Sequence[Any],
    *,
    fun: Flat,
    rule: BatchRule,
    name: str,
    linear: Any,
) -> tuple[list[Any], list[Any]]:
    if not isinstance(fun, ClosedJaxpr):
        return jvp_flat(fun, primals, tangents)
    nonzero = tuple(t is not None for t in tangents)
    both, out_nonzero = _pushed(fun, nonzero)
    pushed = push_rule(rule, nonzero, out_nonzero, primal_outs=True)
    outs = _bind(both, [*primals, *(t for t in tangents if t is not None)], pushed, name)
    count = len(out_nonzero)
    return outs[:count], spread(outs[count:], out_nonzero)


def _linearize(
    primals: Sequence[Any],
    tangents: Sequence[Any],
    *,
    fun: Flat,
    rule: BatchRule,
    name: str,
    linear: Any,
) -> tuple[list[Any], list[Any]]:
    if not isinstance(fun, ClosedJaxpr):
        return jvp_flat(fun, primals, tangents)
    outs = custom_vmap_p.bind(*primals, fun=fun, rule=rule, name=name, linear=linear)
    nonzero = tuple(t is not None for t in tangents)
    both, out_nonzero = _pushed(fun, nonzero)
    keep = [i >= len(out_nonzero) for i in range(len(both.out_avals))]
    alone = ClosedJaxpr(dce_jaxpr(both.jaxpr, keep, effects=False), both.consts)
    refuse_io_twice(name, alone)
    mask = (*[False] * len(nonzero), *[True] * sum(nonzero))
    given = [t for t in tangents if t is not None]
    pushed = push_rule(rule, nonzero, out_nonzero, primal_outs=False)
    return outs, spread(_bind(alone, [*primals, *given], pushed, name, mask), out_nonzero)


def _transpose(
    cts: Sequence[Any],
    *args: Any,
    fun: ClosedJaxpr,
    rule: BatchRule,
    name: str,
    linear: Any,
) -> list[Any]:
    linear, given = tuple(map(is_linear, args)), tuple(ct is not None for ct in cts)
    transposed, nonzero = transpose_jaxpr(fun, linear, given)
    avals = [a.aval for a in args if is_linear(a)]
    pulled = pull_rule(rule, linear, avals, given, nonzero)
    fixed = [a for a in args if not is_linear(a)]
    mask = (*[False] * len(fixed), *[True] * sum(given))
    outs = _bind(transposed, [*fixed, *(ct for ct in cts if ct is not None)], pulled, name, mask)
    return spread(spread(outs, nonzero), linear)


def _batch(
    size: Any, args: Sequence[Any], dims: Sequence[Any], *, rule: BatchRule, **params: Any
) -> tuple[list[Any], list[int | None]]:
    moved = [x if d is None else moveaxis(x, d, 0) for x, d in zip(args, dims, strict=True)]
    outs, batched = rule(int(size), [d is not None for d in dims], moved)
    return outs, [0 if b else None for b in batched]


def _guard(name: str, count: int, params: dict[str, Any]) -> dict[str, Any]:
    return {**params, "rule": without_consts(params["rule"], name, count)}


custom_vmap_p = Primitive(
    "custom_vmap_call",
    abstract=abstract_of_function,
    impl=lambda xp, *args, fun, **params: list(fun(*args)),
    jvp=_jvp,
    linearize=_linearize,
    split=apply_to_tangents,
    transpose=_transpose,
    batch=_batch,
    cost=cost_of_function,
    multiple_results=True,
    inlines="fun",
)
custom_vmap_p.stage = stage_function(custom_vmap_p, _guard)


#: The functions whose rules are running at operands that all examples share, as where tangents
#: alone are batched: one that calls its own function there means the function itself.
_shared: ContextVar[frozenset[Any]] = ContextVar("fxad_shared", default=frozenset())


class custom_vmap(Custom):
    """A function with a batching rule of the user's own.

    Args:
      fun: the function of one example; its arguments and result are pytrees of arrays or numbers.

    Give the rule with ``def_vmap``: ``rule(axis_size, in_batched, *args) -> (out, out_batched)``.
    It gets the arguments with the batch along their first axes where ``in_batched``, a list of
    pytrees of booleans, says so, and tells the same of what it returns. Derivatives are those of
    the function, in a batch those of the rule; in reverse mode the function runs once more in the
    backward pass. Where tangents alone are batched (``jacfwd``) the rule is asked for one example:
    ``in_batched`` is False for all arguments.

    Raises:
      MissingRuleError: the function is batched and has no rule.
      StructureError: the rule's output, or ``out_batched``, does not match the function's output.

    Example:
      >>> import numpy as np, fxad
      >>> @fxad.custom_vmap
      ... def dot(u, v):
      ...     return u @ v
      >>> @dot.def_vmap
      ... def rule(axis_size, in_batched, u, v):
      ...     return np.sum(u * v, axis=-1), True
      >>> fxad.vmap(dot)(np.ones((2, 3)), np.ones((2, 3))).tolist()
      [3.0, 3.0]
    """

    kind = "custom_vmap"
    definer = "def_vmap"
    asked = "a batch"
    way_out = "Close over what is not an array."
    vmap_rule: Callable[..., Any] | None = None

    def __init__(self, fun: Callable[..., Any]) -> None:
        super().__init__(fun)

    def def_vmap(self, vmap_rule: Callable[..., Any]) -> Callable[..., Any]:
        """Sets the rule, and returns it.

        Args:
          vmap_rule: ``rule(axis_size, in_batched, *args) -> (out, out_batched)``.

        Returns:
          The rule.
        """
        self.vmap_rule = check_callable("def_vmap", vmap_rule)
        return vmap_rule

    @public
    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        """Applies it."""
        _, args = self._arguments(args, kwargs)
        leaves, structure, flat, outputs = self._flat_function(args, ())

        def flat_rule(size: int, batched: Sequence[bool], values: Sequence[Any]) -> Any:
            if any(batched):
                return user_rule(size, batched, values)
            if self in _shared.get():
                outs = flat(*values)
                return outs, [False] * len(outs)
            token = _shared.set(_shared.get() | {self})
            try:
                return user_rule(size, batched, values)
            finally:
                _shared.reset(token)

        def user_rule(size: int, batched: Sequence[bool], values: Sequence[Any]) -> Any:
            in_batched = list(tree.unflatten(structure, batched))
            out = self.vmap_rule(  # type: ignore[misc]
                size, in_batched, *tree.unflatten(structure, values)
            )
            return _check_rule(outputs, out, size, any(batched))

        fun: Flat = flat
        consts: list[Any] = []
        if any(isinstance(x, Tracer) for x in leaves):
            # A routine that takes numbers alone runs as it is where they are known; its rule
            # may stand for it elsewhere.
            with contextlib.suppress(TypeError):
                fun, consts = hoist(stage(flat, [aval_of(x) for x in leaves], "custom_vmap"))
        named: Any = self._within("vmap rule", "vmap_rule", flat_rule)
        rule = without_consts(named, self.name, len(consts))
        outs = custom_vmap_p.bind(
            *consts, *leaves, fun=fun, rule=rule, name=self.name, linear=()
        )
        return tree.unflatten(outputs.structure, outs)


def _check_rule(
    outputs: Outputs, pair: Any, size: int, any_batched: bool
) -> tuple[list[Any], list[bool]]:
    """The flat outputs of a rule, and which are batched, once they match the function's."""
    name = outputs.name
    if not isinstance(pair, tuple | list) or len(pair) != 2:
        raise error(
            StructureError,
            name,
            f"got a vmap rule that returned {describe_result(pair)}, wanted (out, out_batched)",
        )
    outs, structure = flatten_outputs(name, pair[0])
    flags, flag_structure = tree.flatten(pair[1])
    if structure != flag_structure:
        raise error(
            StructureError,
            name,
            "got a vmap rule whose out_batched has another structure than its output: "
            f"{tree.mismatch(structure, flag_structure)}",
            "Return a boolean for each array of the output: tree.map(lambda _: True, out).",
        )
    for flag in flags:
        if not isinstance(flag, bool | np.bool_):
            raise error(
                StructureError,
                name,
                f"got a vmap rule with out_batched={flag!r}, wanted True or False",
                "What is batched has the batch along its first axis.",
            )
    if outputs.avals is None:
        outputs.structure = structure
        return outs, flags
    if structure != outputs.structure:
        raise error(
            StructureError,
            name,
            "got a vmap rule whose output has another structure than the function's: "
            f"{tree.mismatch(outputs.structure, structure)}",
        )
    checked = [
        _check_output(name, y, flag, aval, size if any_batched else None)
        for y, flag, aval in zip(outs, flags, outputs.avals, strict=True)
    ]
    return checked, flags


def _check_output(name: str, y: Any, batched: bool, aval: ShapedArray, size: int | None) -> Any:
    """An output of a rule in the function's dtype; a size of None: nothing was batched."""
    if batched and size is None:
        return y
    leading = (size,) if batched and size is not None else ()
    wanted = ShapedArray((*leading, *aval.shape), aval.dtype)
    got = aval_of(y)
    if not matches(got, wanted):
        raise error(
            StructureError,
            name,
            f"got a vmap rule with an output {got.long_name()} that out_batched says is "
            f"{'' if batched else 'not '}batched, wanted {wanted.long_name()}",
        )
    return y if got.dtype == wanted.dtype else convert(y, wanted.dtype)


def sequential_vmap(fun: Callable[..., Any]) -> custom_vmap:
    """A function whose batches are computed one example after the other.

    For functions that cannot be batched, or that need too much memory in a batch: a ``scan``.

    Args:
      fun: the function of one example; its arguments and result are pytrees of arrays or numbers.

    Returns:
      A ``custom_vmap`` function with that rule.

    Example:
      >>> import numpy as np, fxad
      >>> @fxad.custom_batching.sequential_vmap
      ... def f(x):
      ...     assert x.ndim == 1  # also inside of a vmap
      ...     return x.sum()
      >>> fxad.vmap(f)(np.ones((2, 3))).tolist()
      [3.0, 3.0]
    """
    function = custom_vmap(fun)

    def rule(size: int, in_batched: list[Any], *args: Any) -> tuple[Any, Any]:
        leaves, structure = tree.flatten(args)
        batched = tree.leaves(in_batched)

        def step(carry: Any, rows: Sequence[Any]) -> tuple[Any, Any]:
            given = iter(rows)
            row = [next(given) if b else x for x, b in zip(leaves, batched, strict=True)]
            return carry, function(*tree.unflatten(structure, row))

        if not any(batched):
            _, out = step((), ())
            return out, tree.map(lambda _: False, out)
        _, out = scan(step, (), list(compress(leaves, batched)))
        return out, tree.map(lambda _: True, out)

    function.def_vmap(rule)
    return function
