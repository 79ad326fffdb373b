"""``custom_jvp``: a forward derivative rule of the user's own."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from itertools import compress
from typing import Any

import numpy as np

import fxad.tree as tree
from fxad.control.call import spread
from fxad.control.custom import (
    Custom,
    Flat,
    abstract_of_function,
    all_front,
    apply_to_tangents,
    closed_over,
    cost_of_function,
    ruled,
    run_function,
    stage_function,
)
from fxad.core.aval import aval_of, float0, tangent_aval
from fxad.core.primitive import Primitive
from fxad.core.source import error
from fxad.core.tracebacks import public
from fxad.errors import (
    ArgumentTypeError,
    NonDifferentiableError,
    StructureError,
)
from fxad.ops.base import convert, zeros_like
from fxad.transforms.common import check_callable, flatten_outputs, matches
from fxad.transforms.jvp import instantiate
from fxad.transforms.vmap import batch_function


def _jvp_of_custom_jvp(
    primals: Sequence[Any], tangents: Sequence[Any], *, rule: Flat, **params: Any
) -> tuple[list[Any], list[Any]]:
    outs, out_tangents = rule(primals, tangents)
    return list(outs), list(out_tangents)


def _batch_of_custom_jvp(
    size: Any, args: Sequence[Any], dims: Sequence[Any], *, fun: Flat, rule: Any, name: str
) -> tuple[list[Any], list[int]]:
    def batched_fun(*values: Any) -> list[Any]:
        return all_front(size, *batch_function(fun, size, values, dims))

    def batched_rule(primals: Sequence[Any], tangents: Sequence[Any]) -> tuple[Any, Any]:
        count, there = len(primals), [t is not None for t in tangents]
        kinds: list[list[bool]] = []

        def flat(*values: Any) -> list[Any]:
            outs, out_tangents = rule(values[:count], spread(values[count:], there))
            kinds.append([t is None for t in out_tangents])
            return [*outs, *(t for t in out_tangents if t is not None)]

        values, axes = [*primals, *compress(tangents, there)], [*dims, *compress(dims, there)]
        both = all_front(size, *batch_function(flat, size, values, axes))
        given = iter(both[len(kinds[-1]) :])
        return both[: len(kinds[-1])], [None if none else next(given) for none in kinds[-1]]

    outs = custom_jvp_p.bind(*args, fun=batched_fun, rule=batched_rule, name=name)
    return outs, [0] * len(outs)


def _guard_jvp(name: str, count: int, params: dict[str, Any]) -> dict[str, Any]:
    rule = params["rule"]

    def guarded(primals: Sequence[Any], tangents: Sequence[Any]) -> Any:
        if any(t is not None and _is_nonzero(t) for t in tangents[:count]):
            raise closed_over(name)
        return ruled(name, rule, primals[count:], tangents[count:])

    return {**params, "rule": guarded} if count else params


def _is_nonzero(tangent: Any) -> bool:
    is_plain = isinstance(tangent, np.ndarray | np.generic)
    return not (is_plain and (tangent.dtype == float0 or not np.any(tangent)))


custom_jvp_p = Primitive(
    "custom_jvp_call",
    abstract=abstract_of_function,
    impl=run_function,
    jvp=_jvp_of_custom_jvp,
    split=apply_to_tangents,
    batch=_batch_of_custom_jvp,
    cost=cost_of_function,
    multiple_results=True,
    inlines="fun",
)
custom_jvp_p.stage = stage_function(custom_jvp_p, _guard_jvp)


class custom_jvp(Custom):
    """A function with a forward derivative rule of the user's own.

    Args:
      fun: the function; its arguments and result are pytrees of arrays or numbers.
      nondiff_argnums: positions of arguments that are not arrays or not differentiated; the rule
        gets them first.
      nondiff_argnames: names of such arguments.

    Give the rule with ``defjvp``: ``rule(*nondiff, primals, tangents) -> (out, tangent_out)``,
    linear in the tangents, or one rule for each argument with ``defjvps``. Reverse mode is the
    transpose of the rule.

    Raises:
      NonDifferentiableError: the function is differentiated and has no rule.
      StructureError: the rule's tangent does not match its output.

    Example:
      >>> import numpy as np, fxad
      >>> @fxad.custom_jvp
      ... def log1pexp(x):
      ...     return np.log1p(np.exp(x))
      >>> @log1pexp.defjvp
      ... def rule(primals, tangents):
      ...     (x,), (t,) = primals, tangents
      ...     return log1pexp(x), t * (1 - 1 / (1 + np.exp(x)))
      >>> float(fxad.grad(log1pexp)(0.0))
      0.5
    """

    kind = "custom_jvp"
    rule: Callable[..., Any] | None = None

    def defjvp(self, rule: Callable[..., Any]) -> Callable[..., Any]:
        """Sets the rule for all arguments together, and returns it.

        Args:
          rule: ``rule(*nondiff, primals, tangents) -> (out, tangent_out)``.

        Returns:
          The rule.
        """
        self.rule = check_callable("defjvp", rule)
        return rule

    def defjvps(self, *rules: Callable[..., Any] | None) -> None:
        """Sets one rule for each argument; None for arguments the output does not vary with.

        Args:
          *rules: ``rule(tangent, out, *primals) -> tangent_out`` for each argument.
        """

        def rule(*args: Any) -> tuple[Any, Any]:
            primals, tangents = args[-2], args[-1]
            out = self(*primals)
            total = tree.map(zeros_like, out)
            for part, tangent in zip(rules, tangents, strict=True):
                if part is not None:
                    total = tree.map(lambda a, b: a + b, total, part(tangent, out, *primals))
            return out, total

        if self.nondiff_argnums:
            raise error(
                ArgumentTypeError, "defjvps", "got a function with nondiff_argnums", "Use defjvp."
            )
        self.rule = rule

    @public
    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        """Applies it."""
        nondiff, args = self._arguments(args, kwargs)
        leaves, structure, flat, out_structures = self._flat_function(args, nondiff)
        fixed = [args[i] for i in nondiff]

        def flat_rule(primals: Sequence[Any], tangents: Sequence[Any]) -> tuple[Any, Any]:
            if self.rule is None:
                raise error(
                    NonDifferentiableError,
                    self.name,
                    "got a derivative of a custom_jvp function without a rule",
                    f"Define it with {self.name}.defjvp.",
                )
            full = [instantiate(t, p) for p, t in zip(primals, tangents, strict=True)]
            pair = self.rule(
                *fixed, tree.unflatten(structure, primals), tree.unflatten(structure, full)
            )
            outs, out_tangents, out_structure = _check_jvp_rule(self.name, pair)
            out_structures.append(out_structure)
            return outs, out_tangents

        outs = custom_jvp_p.bind(*leaves, fun=flat, rule=flat_rule, name=self.name)
        return tree.unflatten(out_structures[-1], outs)


def _check_jvp_rule(name: str, pair: Any) -> tuple[list[Any], list[Any], Any]:
    if not isinstance(pair, tuple | list) or len(pair) != 2:
        raise error(
            StructureError,
            name,
            f"got a custom_jvp rule that returned {type(pair).__name__}, "
            "wanted a pair (out, tangent_out)",
        )
    outs, structure = flatten_outputs(name, pair[0])
    tangents, tangent_structure = flatten_outputs(name, pair[1])
    if structure != tangent_structure:
        raise error(
            StructureError,
            name,
            "got a custom_jvp rule whose tangent has another structure than its output: "
            f"{tree.mismatch(structure, tangent_structure)}",
        )
    checked: list[Any] = []
    for y, t in zip(outs, tangents, strict=True):
        wanted, got = tangent_aval(aval_of(y)), aval_of(t)
        if wanted.dtype == float0:
            checked.append(None)
            continue
        if not matches(got, wanted):
            raise error(
                StructureError,
                name,
                f"got a custom_jvp rule with a tangent {got.long_name()} for an output "
                f"{wanted.long_name()}, wanted the same shape and dtype",
            )
        checked.append(t if got.dtype == wanted.dtype else convert(t, wanted.dtype))
    return outs, checked, structure
