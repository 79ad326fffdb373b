"""Allocations are counted as they are made and freed, those of the pool as the pool keeps them."""

import numpy as np
import pytest

from fxad.backends.pool import CAPACITY
from fxad.control.memory.heap import Buffer, Heap, readable
from fxad.core.aval import ShapedArray

AVAL = ShapedArray((), np.dtype(np.float64))


def taken(heap, nbytes, pooled=False):
    storage = heap.allocate(Buffer(nbytes, AVAL, "op", None), pooled)
    heap.hold(storage)
    return storage


def test_the_peak_and_what_it_was_made_of():
    heap = Heap()
    a, b = taken(heap, 10), taken(heap, 30)
    heap.drop(a)
    taken(heap, 5)
    assert (heap.bytes, heap.peak) == (35, 40)
    assert [buffer.nbytes for buffer in heap.at_peak()] == [30, 10]
    heap.touch(20)
    assert (heap.bytes, heap.peak) == (35, 55)
    assert [buffer.nbytes for buffer in heap.at_peak()] == [30, 5]
    heap.hold(b)
    heap.drop(b)
    assert heap.bytes == 35  # somebody refers to it still
    heap.drop(b)
    assert heap.bytes == 5


def test_the_pool_keeps_what_is_free_for_results_of_the_same_size():
    heap = Heap()
    heap.drop(taken(heap, 100, pooled=True))
    assert heap.bytes == 100
    again = taken(heap, 100, pooled=True)
    taken(heap, 200, pooled=True)
    assert (heap.bytes, heap.peak) == (300, 300)
    heap.drop(again)
    assert heap.bytes == 300


def test_a_full_pool_gives_the_oldest_size_back():
    heap = Heap()
    half = CAPACITY // 2
    heap.drop(taken(heap, half, pooled=True))
    taken(heap, half + 8, pooled=True)
    assert heap.bytes == half + 8
    beyond = taken(heap, CAPACITY + 8, pooled=True)
    assert not beyond.pooled
    heap.drop(beyond)
    assert heap.bytes == half + 8


@pytest.mark.parametrize(
    ("nbytes", "text"), [(0, "0 B"), (1023, "1023 B"), (1536, "1.5 KiB"), (5 << 30, "5 GiB")]
)
def test_bytes_are_written_in_the_unit_in_which_they_are_short(nbytes, text):
    assert readable(nbytes) == text
