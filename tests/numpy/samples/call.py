"""One call of a function of NumPy, written as it is made."""

from dataclasses import dataclass
from typing import Any

import numpy as np


@dataclass(frozen=True)
class Call:
    """Arguments, and what is particular about them."""

    args: tuple[Any, ...]
    kwargs: dict[str, Any]
    #: The shape of the result, or the call itself, depends on values: refused while staging.
    by_value: bool = False
    #: Where NumPy raises, tracers raise too.
    wrong: bool = False
    #: No derivative is compared: a kink, a jump, or a choice that NumPy does not define.
    rough: bool = False
    #: The second batch member is a copy of the first: another one would not be valid.
    alike: bool = False

    def __repr__(self) -> str:
        parts = [_brief(x) for x in self.args]
        parts += [f"{name}={_brief(x)}" for name, x in self.kwargs.items()]
        return f"({', '.join(parts)})"


def _brief(x: Any) -> str:
    if isinstance(x, np.ndarray | np.generic):
        return f"{x.dtype}{list(x.shape)}"
    if type(x) in (list, tuple):
        return f"{type(x).__name__}({', '.join(map(_brief, x))})"
    return repr(x)


def call(*args: Any, **kwargs: Any) -> Call:
    """A call that works under every transformation."""
    return Call(args, kwargs)


def rough(*args: Any, **kwargs: Any) -> Call:
    """A call at a point without a derivative to compare."""
    return Call(args, kwargs, rough=True)


def alike(*args: Any, **kwargs: Any) -> Call:
    """A call whose arguments are valid only as they are."""
    return Call(args, kwargs, rough=True, alike=True)


def by_value(*args: Any, **kwargs: Any) -> Call:
    """A call that needs the values, not only the shapes, of its arrays."""
    return Call(args, kwargs, by_value=True)


def wrong(*args: Any, **kwargs: Any) -> Call:
    """A call that NumPy refuses."""
    return Call(args, kwargs, wrong=True)


def wrong_by_value(*args: Any, **kwargs: Any) -> Call:
    """A call that NumPy refuses for its values: so does fxad where it knows them."""
    return Call(args, kwargs, wrong=True, by_value=True)
