"""``custom_jvp``: a forward derivative rule of the user's own."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from itertools import compress
from typing import Any

import numpy as np

import fxad.tree as tree
from fxad.control.call import spread
from fxad.control.captured import capture_jvp
from fxad.control.custom import (
    Custom,
    Flat,
    Outputs,
    abstract_of_function,
    all_front,
    apply_to_tangents,
    as_tangent,
    aval_of_tangent,
    closed_over,
    cost_of_function,
    describe_result,
    ruled,
    run_function,
    stage_function,
)
from fxad.control.symbolic_zeros import SymbolicZero
from fxad.core.aval import ShapedArray, aval_of, float0, tangent_aval
from fxad.core.primitive import Primitive
from fxad.core.source import error
from fxad.core.staging import check_output
from fxad.core.tracebacks import public
from fxad.errors import ArgumentTypeError, StructureError
from fxad.ops.base import zeros_like
from fxad.transforms.common import check_callable, matches
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


def _capture_jvp(avals: Sequence[ShapedArray], params: dict[str, Any]) -> Any:
    more, captured = capture_jvp(avals, params["rule"])
    name = params["name"]

    def params_after(before: int) -> dict[str, Any]:
        count = before + len(more)

        def rule(primals: Sequence[Any], tangents: Sequence[Any]) -> Any:
            if any(t is not None and _is_nonzero(t) for t in tangents[:count]):
                raise closed_over(name)
            return captured(primals[before:count], primals[count:], tangents[count:])

        return {**params, "rule": rule}

    return more, params_after


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
custom_jvp_p.stage = stage_function(custom_jvp_p, _guard_jvp, _capture_jvp)


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
      MissingRuleError: the function is differentiated and has no rule.
      StructureError: the rule's tangent does not match its output, or its output the function's.
      NonDifferentiableError: the rule is not linear in the tangents, in reverse mode.

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
    definer = "defjvp"
    rule: Callable[..., Any] | None = None
    symbolic_zeros = False

    def defjvp(self, jvp: Callable[..., Any], symbolic_zeros: bool = False) -> Callable[..., Any]:
        """Sets the rule for all arguments together, and returns it.

        Args:
          jvp: ``jvp(*nondiff, primals, tangents) -> (out, tangent_out)``.
          symbolic_zeros: whether the tangents of what is not differentiated are
            ``custom_derivatives.SymbolicZero``, so that the rule can leave out its part; else they
            are arrays of zeros.

        Returns:
          The rule.
        """
        self.rule, self.symbolic_zeros = check_callable("defjvp", jvp), symbolic_zeros
        return jvp

    def defjvps(self, *jvps: Callable[..., Any] | None) -> None:
        """Sets one rule for each argument; None for arguments the output does not vary with.

        Args:
          *jvps: ``jvp(tangent, out, *primals) -> tangent_out`` for each argument.
        """

        def rule(*args: Any) -> tuple[Any, Any]:
            primals, tangents = args[-2], args[-1]
            out = self(*primals)
            total = tree.map(zeros_like, out)
            for part, tangent in zip(jvps, tangents, strict=True):
                if part is not None:
                    total = tree.map(lambda a, b: a + b, total, part(tangent, out, *primals))
            return out, total

        if self.nondiff_argnums:
            raise error(
                ArgumentTypeError, "defjvps", "got a function with nondiff_argnums", "Use defjvp."
            )
        self.defjvp(rule)

    @public
    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        """Applies it."""
        nondiff, args = self._arguments(args, kwargs)
        leaves, structure, flat, outputs = self._flat_function(args, nondiff)
        fixed = [args[i] for i in nondiff]

        def flat_rule(primals: Sequence[Any], tangents: Sequence[Any]) -> tuple[Any, Any]:
            full = [
                _tangent(t, p, self.symbolic_zeros)
                for p, t in zip(primals, tangents, strict=True)
            ]
            args = (tree.unflatten(structure, primals), tree.unflatten(structure, full))
            return _check_jvp_rule(outputs, self.rule(*fixed, *args))  # type: ignore[misc]

        rule = self._within("jvp rule", "rule", flat_rule)
        outs = custom_jvp_p.bind(*leaves, fun=flat, rule=rule, name=self.name)
        return tree.unflatten(outputs.structure, outs)


def _tangent(tangent: Any, primal: Any, symbolic_zeros: bool) -> Any:
    if tangent is None and symbolic_zeros:
        return SymbolicZero.from_primal_value(primal)
    return instantiate(tangent, primal)


def _check_jvp_rule(outputs: Outputs, pair: Any) -> tuple[list[Any], list[Any]]:
    """The flat outputs and tangents of a rule, None for zero, once they match one another."""
    name = outputs.name
    if not isinstance(pair, tuple | list) or len(pair) != 2:
        raise error(
            StructureError,
            name,
            f"got a custom_jvp rule that returned {describe_result(pair)}, "
            "wanted a pair (out, tangent_out)",
        )
    outs, tangents = outputs.of_rule("custom_jvp rule", pair[0]), tree.leaves(pair[1])
    if tree.structure(pair[1]) != tree.structure(pair[0]):
        raise error(
            StructureError,
            name,
            "got a custom_jvp rule whose tangent has another structure than its output: "
            f"{tree.mismatch(tree.structure(pair[0]), tree.structure(pair[1]))}",
            "Return zeros, or zero_from_primal(out, symbolic_zeros=True), where a tangent is zero.",
        )
    checked: list[Any] = []
    for y, t in zip(outs, tangents, strict=True):
        wanted = tangent_aval(aval_of(y))
        if type(t) is not SymbolicZero:
            check_output(t, name)
            if wanted.dtype == float0:
                checked.append(None)
                continue
        got = aval_of_tangent(t)
        if not matches(got, wanted):
            raise error(
                StructureError,
                name,
                f"got a custom_jvp rule with a tangent {got.long_name()} for an output "
                f"{wanted.long_name()}, wanted the same shape and dtype",
            )
        checked.append(as_tangent(t, wanted))
    return outs, checked
