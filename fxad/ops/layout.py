"""Layouts of arrays on the CPU: what is seen in place, and what has to be copied."""

from __future__ import annotations

from typing import Any

from fxad.core.aval import Shape


def strides_of_reshaped(x: Any, shape: Shape) -> list[int] | None:
    """The strides with which an array is seen in another shape; None if it has to be copied."""
    if not x.size:
        return [x.itemsize] * len(shape)
    old = [(n, s) for n, s in zip(x.shape, x.strides, strict=True) if n != 1]
    strides: list[int] = []
    i = j = 0
    while j < len(shape):
        # The fewest axes of each that hold equally many elements; the old ones must be one run.
        first, (size, step) = j, old[i] if i < len(old) and shape[j] != 1 else (1, x.itemsize)
        i, j, wanted = i + (size > 1), j + 1, shape[j]
        while size != wanted:
            if wanted < size:
                wanted, j = wanted * shape[j], j + 1
            else:
                (n, inner), i = old[i], i + 1
                if step != n * inner:
                    return None
                size, step = size * n, inner
        part = []
        for n in reversed(shape[first:j]):
            part.append(step)
            step *= n
        strides += part[::-1]
    return strides
