"""What checkpoints may keep: policies, and names for values that policies speak of.

A policy is a function ``policy(primitive, *avals, **params)`` of an operation, the shapes and
dtypes of its operands and its parameters. It returns whether the results may be kept for the
backward pass: True, False, or ``Offloadable`` for the host's memory. Kept is what may be kept and
what the backward pass reads; the rest is computed again. A policy is asked about the bodies of
``scan``, the branches of ``cond`` and called functions as well; a ``checkpoint`` within keeps to
its own policy, and a ``while_loop``, whose number of steps is not known, runs again as a whole.
``fxad.checkpoint_policies`` is this module.
"""

from __future__ import annotations

from collections.abc import Callable, Collection
from typing import Any, TypeVar

import fxad.tree as tree
from fxad.control.saving_inner import Offloadable
from fxad.core.jaxpr import Eqn
from fxad.core.primitive import Primitive
from fxad.core.source import error
from fxad.errors import ArgumentTypeError, ArgumentValueError
from fxad.ops.dot_general import dot_general_p
from fxad.ops.identity import name_p
from fxad.value import Value

T = TypeVar("T")

#: ``policy(primitive, *avals, **params)``: whether the results of such an operation may be kept.
Policy = Callable[..., Any]

Saveable = True
Recompute = False

# Names -------------------------------------------------------------------------------------------


def checkpoint_name(x: T, name: str) -> T:
    """The values themselves, under a name that the policies of ``checkpoint`` know them by.

    Args:
      x: a pytree of arrays or numbers.
      name: any text.

    Returns:
      ``x``, with the name at each of its arrays.

    Raises:
      ArgumentTypeError: the name is not a string.

    Example:
      >>> import numpy as np, fxad
      >>> def f(x):
      ...     return np.sin(fxad.checkpoint_name(np.exp(x), "grown"))
      >>> policy = fxad.checkpoint_policies.save_only_these_names("grown")
      >>> bool(fxad.grad(fxad.checkpoint(f, policy=policy))(0.0) == np.cos(1.0))
      True
    """
    if not isinstance(name, str):
        raise error(
            ArgumentTypeError,
            "checkpoint_name",
            f"got a name of type {type(name).__name__}, wanted a string",
            'Write checkpoint_name(x, "name").',
        )
    return tree.map(lambda leaf: name_p.bind(leaf, name=name), x)  # type: ignore[no-any-return]


# Policies ----------------------------------------------------------------------------------------


class ByPolicy(Value):
    """What a policy says of an equation's results, as ``saving`` asks for it."""

    __slots__ = ("policy",)
    policy: Policy

    def __call__(self, eqn: Eqn, index: int) -> bool | Offloadable:
        """Whether that result may be kept."""
        word = self.policy(eqn.primitive, *(v.aval for v in eqn.invars), **eqn.params)
        return word if isinstance(word, Offloadable) else bool(word)


def everything_saveable(*args: Any, **params: Any) -> bool:
    """Keep all that the backward pass reads, as if there were no checkpoint."""
    return True


def nothing_saveable(*args: Any, **params: Any) -> bool:
    """Keep inputs alone, as ``checkpoint`` does without a policy."""
    return False


def dots_saveable(primitive: Primitive, *args: Any, **params: Any) -> bool:
    """Keep the products of matrices: they are what costs most to compute again."""
    return primitive is dot_general_p


checkpoint_dots = dots_saveable


def dots_with_no_batch_dims_saveable(primitive: Primitive, *args: Any, **params: Any) -> bool:
    """Keep the products of matrices, but not those of stacks of matrices."""
    return primitive is dot_general_p and not any(params["dimension_numbers"][1])


checkpoint_dots_with_no_batch_dims = dots_with_no_batch_dims_saveable


class SaveOnlyTheseNames(Value):
    """Keep the values with these names."""

    __slots__ = ("names",)
    names: frozenset[str]

    def __call__(self, primitive: Primitive, *args: Any, **params: Any) -> bool:
        """Whether the result may be kept."""
        return primitive is name_p and params["name"] in self.names


class SaveAnyNamesButThese(Value):
    """Keep the values that have a name, except these."""

    __slots__ = ("names",)
    names: frozenset[str]

    def __call__(self, primitive: Primitive, *args: Any, **params: Any) -> bool:
        """Whether the result may be kept."""
        return primitive is name_p and params["name"] not in self.names


class SaveAnythingExceptTheseNames(Value):
    """Keep everything, with a name or without, except the values with these names."""

    __slots__ = ("names",)
    names: frozenset[str]

    def __call__(self, primitive: Primitive, *args: Any, **params: Any) -> bool:
        """Whether the result may be kept."""
        return primitive is not name_p or params["name"] not in self.names


class SaveFromBothPolicies(Value):
    """Keep what either of two policies keeps; on the device, where either says so."""

    __slots__ = ("first", "second")
    first: Policy
    second: Policy

    def __call__(self, *args: Any, **params: Any) -> Any:
        """Whether the result may be kept, and where."""
        words = self.first(*args, **params), self.second(*args, **params)
        moved = [word for word in words if isinstance(word, Offloadable)]
        stays = any(word for word in words if not isinstance(word, Offloadable))
        return moved[0] if moved and not stays else stays


class SaveAndOffloadOnlyTheseNames(Value):
    """Keep the values with some names on the device, those with others on the host."""

    __slots__ = ("saved", "offloaded", "src", "dst")
    saved: frozenset[str]
    offloaded: frozenset[str]
    src: str
    dst: str

    def __call__(self, primitive: Primitive, *args: Any, **params: Any) -> Any:
        """Whether the result may be kept, and where."""
        if primitive is not name_p:
            return False
        if params["name"] in self.offloaded:
            return Offloadable(self.src, self.dst)
        return params["name"] in self.saved


class OffloadDotWithNoBatchDims(Value):
    """Keep the products of matrices, not those of stacks, in the host's memory."""

    __slots__ = ("src", "dst")
    src: str
    dst: str

    def __call__(self, primitive: Primitive, *args: Any, **params: Any) -> Any:
        """Whether the result may be kept, and where."""
        saveable = dots_with_no_batch_dims_saveable(primitive, *args, **params)
        return saveable and Offloadable(self.src, self.dst)


def save_only_these_names(*names_which_can_be_saved: str) -> Policy:
    """Keep only the values that ``checkpoint_name`` gave one of these names.

    Args:
      *names_which_can_be_saved: the names.

    Returns:
      A policy.

    Raises:
      ArgumentTypeError: a name is not a string.

    Example:
      >>> import numpy as np, fxad
      >>> def f(x):
      ...     return np.sin(fxad.checkpoint_name(np.exp(x), "grown"))
      >>> policy = fxad.checkpoint_policies.save_only_these_names("grown")
      >>> bool(fxad.grad(fxad.checkpoint(f, policy=policy))(0.0) == np.cos(1.0))
      True
    """
    return SaveOnlyTheseNames(_names("save_only_these_names", names_which_can_be_saved))


def save_any_names_but_these(*names_not_to_save: str) -> Policy:
    """Keep only the values that ``checkpoint_name`` gave a name, and none of these.

    Args:
      *names_not_to_save: names of values that are computed again.

    Returns:
      A policy.

    Raises:
      ArgumentTypeError: a name is not a string.
    """
    return SaveAnyNamesButThese(_names("save_any_names_but_these", names_not_to_save))


def save_anything_except_these_names(*names_not_to_save: str) -> Policy:
    """Keep everything but the values that ``checkpoint_name`` gave one of these names.

    What comes before and after such a value is kept as well as it would be otherwise: name the
    last value of what is to be computed again, and what leads to it is not read and not kept.

    Args:
      *names_not_to_save: names of values that are computed again.

    Returns:
      A policy.

    Raises:
      ArgumentTypeError: a name is not a string.
    """
    names = _names("save_anything_except_these_names", names_not_to_save)
    return SaveAnythingExceptTheseNames(names)


def save_from_both_policies(policy_1: Policy, policy_2: Policy) -> Policy:
    """Keep what either of two policies would keep.

    Args:
      policy_1: a policy.
      policy_2: another. Where one keeps a value on the device and one on the host, it stays.

    Returns:
      A policy.

    Raises:
      ArgumentTypeError: one of them is no policy.

    Example:
      >>> import fxad
      >>> policies = fxad.checkpoint_policies
      >>> policy = policies.save_from_both_policies(
      ...     policies.dots_saveable, policies.save_only_these_names("attention")
      ... )
    """
    for policy in (policy_1, policy_2):
        if checked_policy("save_from_both_policies", policy) is None:
            problem = "got None, wanted two policies"
            raise error(ArgumentTypeError, "save_from_both_policies", problem)
    return SaveFromBothPolicies(policy_1, policy_2)


def save_and_offload_only_these_names(
    *,
    names_which_can_be_saved: Any,
    names_which_can_be_offloaded: Any,
    offload_src: str,
    offload_dst: str,
) -> Policy:
    """Keep the values with some names on the device and those with others on the host.

    Args:
      names_which_can_be_saved: names that ``checkpoint_name`` gave, kept where they are.
      names_which_can_be_offloaded: other names, kept in pinned memory of the host.
      offload_src: ``"device"``.
      offload_dst: ``"pinned_host"``.

    Returns:
      A policy.

    Raises:
      ArgumentTypeError: a name is not a string.
      ArgumentValueError: a name is among both, or the memories are others than these.
    """
    saved, offloaded = (
        _names("save_and_offload_only_these_names", names)
        for names in (names_which_can_be_saved, names_which_can_be_offloaded)
    )
    if saved & offloaded:
        raise error(
            ArgumentValueError,
            "save_and_offload_only_these_names",
            f"got {sorted(saved & offloaded)} among the names to save and among those to offload. "
            "The names should be exclusive and should not intersect",
            "Name each value in one of the two.",
        )
    _check_memories("save_and_offload_only_these_names", offload_src, offload_dst)
    return SaveAndOffloadOnlyTheseNames(saved, offloaded, offload_src, offload_dst)


def offload_dot_with_no_batch_dims(offload_src: str, offload_dst: str) -> Policy:
    """Keep the products of matrices, not those of stacks, in the host's memory.

    Args:
      offload_src: ``"device"``.
      offload_dst: ``"pinned_host"``.

    Returns:
      A policy.

    Raises:
      ArgumentValueError: the memories are others than these.
    """
    _check_memories("offload_dot_with_no_batch_dims", offload_src, offload_dst)
    return OffloadDotWithNoBatchDims(offload_src, offload_dst)


def _check_memories(operation: str, source: str, target: str) -> None:
    if (source, target) != ("device", "pinned_host"):
        raise error(
            ArgumentValueError,
            operation,
            f"got offload_src={source!r} and offload_dst={target!r}, "
            "wanted 'device' and 'pinned_host'",
        )


# What users hand over ----------------------------------------------------------------------------


def _names(operation: str, names: Any) -> frozenset[str]:
    if isinstance(names, str) or not isinstance(names, Collection) or not all(
        isinstance(name, str) for name in names
    ):
        raise error(
            ArgumentTypeError,
            operation,
            f"got the names {names!r}, wanted strings",
            'Write save_only_these_names("a", "b"), or *names where they are in a list; '
            "save_and_offload_only_these_names takes two lists.",
        )
    return frozenset(names)


#: What makes policies and is none.
_MAKERS = (
    save_only_these_names,
    save_any_names_but_these,
    save_anything_except_these_names,
    save_from_both_policies,
    save_and_offload_only_these_names,
    offload_dot_with_no_batch_dims,
)


def checked_policy(operation: str, policy: Any) -> Policy | None:
    """What may be asked what to keep; None where nothing is to be asked."""
    if policy is None:
        return None
    if not callable(policy) or type(policy).__hash__ is None:
        raise error(
            ArgumentTypeError,
            operation,
            f"got a policy of type {type(policy).__name__}, wanted a function that can be hashed",
            "Take one of fxad.checkpoint_policies, or write policy(primitive, *avals, **params).",
        )
    if policy in _MAKERS:
        name = f"checkpoint_policies.{policy.__name__}"
        problem = f"got {name}, which makes policies, wanted a policy"
        raise error(ArgumentTypeError, operation, problem, f"Call it: policy={name}(...).")
    return policy  # type: ignore[no-any-return]
