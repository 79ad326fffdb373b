"""Objects that are what they hold: equal where that is equal, and keys of caches."""

from __future__ import annotations

from typing import Any


class Value:
    """Compared, hashed and shown by what its slots hold, with others of its class.

    Example:
      >>> from fxad.value import Value
      >>> class Point(Value):
      ...     __slots__ = ("x", "y")
      >>> Point(1, 2) == Point(1, 2), Point(1, 2)
      (True, Point(x=1, y=2))
    """

    __slots__: tuple[str, ...] = ()

    def __init__(self, *held: Any) -> None:
        for name, value in zip(self.__slots__, held, strict=True):
            setattr(self, name, value)

    def held(self) -> tuple[Any, ...]:
        """What it holds, in the order of its slots."""
        return tuple(getattr(self, name) for name in self.__slots__)

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Value) or type(other) is not type(self):
            return NotImplemented
        return other.held() == self.held()

    def __hash__(self) -> int:
        return hash((type(self), self.held()))

    def __repr__(self) -> str:
        pairs = zip(self.__slots__, self.held(), strict=True)
        return f"{type(self).__name__}({', '.join(f'{name}={value!r}' for name, value in pairs)})"
