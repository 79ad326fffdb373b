"""Peak memory of a call, as tracemalloc counts it: NumPy tells it of every array."""

import gc
import tracemalloc
from collections.abc import Callable
from typing import Any

import fxad


def peak_bytes(call: Callable[[], Any]) -> int:
    """Peak memory during a second call beyond what is alive before it.

    Results count, arguments do not.
    """
    call()
    fxad.clear_caches()  # the pool of large arrays is empty, and what is taken from it counts
    gc.collect()
    tracemalloc.start()
    try:
        before, _ = tracemalloc.get_traced_memory()
        call()
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    return peak - before
