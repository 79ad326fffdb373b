"""Memory as a program uses it: what is allocated, the most that ever was, and what it was."""

from __future__ import annotations

from collections import Counter, OrderedDict
from typing import NamedTuple

from fxad.backends.pool import CAPACITY
from fxad.core.aval import ShapedArray
from fxad.core.source import Source


class Buffer(NamedTuple):
    """Memory that one array was given.

    Args:
      nbytes: how much.
      aval: the array's shape and dtype.
      primitive: the operation that made it.
      source: the user's line that the operation came from.
    """

    nbytes: int
    aval: ShapedArray
    primitive: str
    source: Source | None

    def __str__(self) -> str:
        where = f"  {self.source}" if self.source else ""
        return f"{readable(self.nbytes):>10}  {self.primitive} {self.aval}{where}"


def readable(nbytes: float) -> str:
    """A number of bytes with the unit in which it is short."""
    for unit in ("B", "KiB", "MiB"):
        if abs(nbytes) < 1024:
            return f"{nbytes:.4g} {unit}"
        nbytes /= 1024
    return f"{nbytes:.4g} GiB"


class Storage:
    """Memory that variables refer to; a ``buffer`` of None is the caller's, and not counted."""

    __slots__ = ("buffer", "references", "pooled")

    def __init__(self, buffer: Buffer | None = None, pooled: bool = False) -> None:
        self.buffer, self.references, self.pooled = buffer, 0, pooled


class Heap:
    """Allocations and their peak. Buffers of the pool stay allocated until the pool is full.

    Large results come from a pool that is empty in the beginning, as ``backends.pool`` has it.
    Without it what is free is free.
    """

    def __init__(self, pool: bool = True) -> None:
        self._capacity = CAPACITY if pool else 0
        self.bytes = self.peak = self._pooled = 0
        self._live: dict[Storage, Buffer] = {}
        self._at_peak: list[Buffer] = []
        self._dirty = False
        self._free: Counter[int] = Counter()
        self._sizes: OrderedDict[int, int] = OrderedDict()

    def allocate(self, buffer: Buffer, pooled: bool = False) -> Storage:
        """Memory for an array, from the pool where results of its kind are."""
        storage = Storage(buffer, pooled and self._take(buffer.nbytes))
        if not storage.pooled:
            self.bytes += buffer.nbytes
        self._live[storage] = buffer
        self._note(self.bytes)
        return storage

    def _take(self, nbytes: int) -> bool:
        """A buffer of the pool; False where it holds too much already to keep another."""
        if self._free[nbytes]:
            self._free[nbytes] -= 1
            return True
        self._sizes.setdefault(nbytes, 0)
        self._sizes.move_to_end(nbytes)
        while self._pooled + nbytes > self._capacity and len(self._sizes) > 1:
            size, count = self._sizes.popitem(last=False)
            self._pooled -= size * count
            self.bytes -= size * self._free.pop(size, 0)
        if self._pooled + nbytes > self._capacity:
            return False
        self._sizes[nbytes] += 1
        self._pooled += nbytes
        self.bytes += nbytes
        return True

    def touch(self, scratch: int) -> None:
        """Takes memory for a moment."""
        self._note(self.bytes + scratch)

    def hold(self, storage: Storage) -> None:
        """One more variable refers to it."""
        storage.references += 1

    def drop(self, storage: Storage) -> None:
        """One variable less refers to it: the last one frees it."""
        storage.references -= 1
        if storage.references or storage.buffer is None:
            return
        if self._dirty:  # it is a part of the peak that was just reached
            self._at_peak, self._dirty = list(self._live.values()), False
        del self._live[storage]
        nbytes = storage.buffer.nbytes
        if storage.pooled and nbytes in self._sizes:
            self._free[nbytes] += 1
        else:
            self.bytes -= nbytes

    def _note(self, nbytes: int) -> None:
        if nbytes > self.peak:
            self.peak, self._dirty = nbytes, True

    def at_peak(self) -> list[Buffer]:
        """What was allocated when the most was, the largest first."""
        found = list(self._live.values()) if self._dirty else self._at_peak
        return sorted(found, key=lambda buffer: -buffer.nbytes)
