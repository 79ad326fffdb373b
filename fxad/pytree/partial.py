"""``Partial``: a function with some of its arguments, as a pytree."""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any

from fxad.pytree.registration import register_pytree_node


class Partial(functools.partial[Any]):
    """A ``functools.partial`` that is a pytree: its arguments are children, its function structure.

    So a function and the arrays it is applied to can be passed through ``jit``, ``vmap`` and
    ``grad`` as an argument.

    Args:
        func: the function; it becomes part of the structure, so it should be the same object from
            call to call.
        *args: its first arguments, pytrees.
        **keywords: its keyword arguments, pytrees.

    Example:
        >>> import fxad.tree
        >>> from fxad.tree_util import Partial
        >>> power = Partial(pow, 2.0)
        >>> power(3.0)
        8.0
        >>> fxad.tree.leaves(power)
        [2.0]
    """

    def __new__(cls, func: Callable[..., Any], /, *args: Any, **keywords: Any) -> Partial:
        """Keep an inner partial whole: ``functools.partial`` would take its arguments over."""
        if isinstance(func, functools.partial):
            func = _Whole(func)
        return super().__new__(cls, func, *args, **keywords)


class _Whole:
    """A partial as a plain callable, equal to it."""

    def __init__(self, func: Callable[..., Any]) -> None:
        self.func = func

    def __call__(self, *args: Any, **keywords: Any) -> Any:
        return self.func(*args, **keywords)

    def __eq__(self, other: object) -> bool:
        return self.func == (other.func if isinstance(other, _Whole) else other)

    def __hash__(self) -> int:
        return hash(self.func)

    def __repr__(self) -> str:
        return repr(self.func)


register_pytree_node(
    Partial,
    lambda partial: ((partial.args, partial.keywords), partial.func),
    lambda func, children: Partial(func, *children[0], **children[1]),
)
