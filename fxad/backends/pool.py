"""Memory for large results on the CPU: taken back when the last array over it has gone.

A fresh large array costs a page fault for every 4 KiB when it is first written, several times
the arithmetic itself. A buffer of the pool is free again as soon as nothing but the pool refers
to it: every ndarray over it holds it as its ``base``.
"""

from __future__ import annotations

import math
import threading
from collections import OrderedDict
from sys import getrefcount
from typing import Any

import numpy as np

#: Smaller results come from NumPy: the allocator keeps memory of that size by itself.
LARGE = 1 << 18
#: What the pool keeps at most; older sizes go first.
CAPACITY = 1 << 28


class Buffer(np.ndarray[Any, Any]):
    """Bytes that arrays of the pool are views of.

    It owns its memory: NumPy makes the owner the ``base`` of every view, also of views of views.
    """


def _references(buffers: list[Any], index: int) -> int:
    return getrefcount(buffers[index])


#: What ``_references`` finds for a buffer that nothing but the pool holds.
_FREE = _references([Buffer(1, np.uint8)], 0)


class Pool:
    """Buffers by size; those in use stay listed, so that they are found when they are free."""

    def __init__(self) -> None:
        self._buffers: OrderedDict[int, list[Buffer]] = OrderedDict()
        self._bytes = 0
        self._lock = threading.Lock()

    def empty(self, shape: tuple[int, ...], dtype: np.dtype[Any], nbytes: int) -> Any:
        """An array with arbitrary contents over memory that nothing else refers to."""
        with self._lock:
            buffers = self._buffers.setdefault(nbytes, [])
            self._buffers.move_to_end(nbytes)
            for i in range(len(buffers)):
                if _references(buffers, i) == _FREE:
                    return np.ndarray(shape, dtype, buffers[i])
            fresh = Buffer(nbytes, np.uint8)
            self._keep(buffers, fresh, nbytes)
            return np.ndarray(shape, dtype, fresh)

    def _keep(self, buffers: list[Buffer], fresh: Buffer, nbytes: int) -> None:
        while self._bytes + nbytes > CAPACITY and len(self._buffers) > 1:
            size, oldest = self._buffers.popitem(last=False)
            self._bytes -= size * len(oldest)
        if self._bytes + nbytes <= CAPACITY:
            buffers.append(fresh)
            self._bytes += nbytes

    def clear(self) -> None:
        """Gives the memory back; arrays in use keep theirs."""
        with self._lock:
            self._buffers.clear()
            self._bytes = 0


pool = Pool()


def room(shape: tuple[int, ...], dtype: Any) -> Any:
    """An array to be filled, over the pool's memory if it is large."""
    dtype = np.dtype(dtype)
    nbytes = math.prod(shape) * dtype.itemsize
    return np.empty(shape, dtype) if nbytes < LARGE else pool.empty(shape, dtype, nbytes)


def compute(ufunc: Any, args: tuple[Any, ...]) -> Any:
    """A ufunc from floats to floats of the same dtype, its result in the pool's memory."""
    first = None
    for x in args:
        if type(x) is np.ndarray:
            if first is None:
                first = x
            elif x.shape != first.shape or x.dtype != first.dtype:
                return ufunc(*args)
        elif type(x) is not float and type(x) is not int:
            return ufunc(*args)
    if first is None or first.dtype.char not in "fd":
        return ufunc(*args)
    return ufunc(*args, out=pool.empty(first.shape, first.dtype, first.nbytes))
