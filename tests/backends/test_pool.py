"""Pooled memory: never two arrays over the same bytes, and given back when the arrays have gone."""

from __future__ import annotations

import threading

import numpy as np
import pytest

import fxad
import fxad.numpy as fnp
import fxad.ops.elementwise as ops
from fxad.backends.pool import CAPACITY, LARGE, Buffer, Pool, compute, pool

SIZE = LARGE // 8


@pytest.fixture(autouse=True)
def _empty_pool():
    pool.clear()
    yield
    pool.clear()


def _empty(some_pool, n=SIZE):
    return some_pool.empty((n,), np.dtype(np.float64), 8 * n)


def test_arrays_in_use_never_share_memory():
    mine = Pool()
    arrays = [_empty(mine) for _ in range(8)]
    for i, x in enumerate(arrays):
        x[:] = i
    assert [x[0] for x in arrays] == list(range(8))
    assert not any(np.shares_memory(x, y) for i, x in enumerate(arrays) for y in arrays[:i])


def test_memory_comes_back_when_the_last_view_has_gone():
    mine = Pool()
    x = _empty(mine)
    address, view = x.ctypes.data, x[3:].reshape(1, -1)
    del x
    assert _empty(mine).ctypes.data != address, "a view of a view still holds the memory"
    del view
    assert address in {y.ctypes.data for y in (_empty(mine), _empty(mine))}


def test_arrays_outlive_a_cleared_pool():
    mine = Pool()
    x = _empty(mine)
    x[:] = 7.0
    mine.clear()
    for _ in range(3):
        _empty(mine)[:] = 0.0
    assert np.all(x == 7.0)


def test_the_pool_keeps_no_more_than_its_capacity():
    mine = Pool()
    held = [mine.empty((1,), np.dtype(np.uint8), CAPACITY // 4 + i) for i in range(8)]
    assert mine._bytes <= CAPACITY
    assert len(held) == 8


def test_results_equal_the_ufuncs_own():
    x = np.linspace(0.1, 2.0, SIZE)
    pairs = ((np.sin, (x,)), (np.multiply, (x, x)), (np.add, (x, 2.0)), (np.divide, (1, x)))
    for ufunc, args in pairs:
        out = compute(ufunc, args)
        assert isinstance(out.base, Buffer)
        assert out.dtype == ufunc(*args).dtype
        assert np.array_equal(out, ufunc(*args))


def test_operations_on_large_arrays_use_the_pool():
    x = np.linspace(0.1, 2.0, SIZE)
    for out in (ops.mul(x, x), ops.sub(1.0, x), ops.div(1, x), ops.exp(x)):
        assert isinstance(out.base, Buffer)
    assert not isinstance(ops.sub(1.0, x[:10]).base, Buffer)


def test_loops_stack_their_results_in_the_pool():
    xs = np.linspace(-1.0, 1.0, SIZE).reshape(8, -1)

    def f(xs):
        return fxad.lax.scan(lambda h, x: (fnp.tanh(h + x), h), np.zeros(SIZE // 8), xs)

    (last, before), (again, once_more) = fxad.jit(f)(xs), fxad.jit(f)(xs)
    assert isinstance(before.base, Buffer)
    assert not np.shares_memory(before, once_more)
    before[:] = 0.0
    assert np.array_equal(np.tanh(once_more + xs)[:-1], once_more[1:])
    assert np.array_equal(last, again)


def test_operands_of_other_kinds_go_to_numpy():
    x = np.ones(SIZE)
    for args in ((x, x[:1]), (x, x.astype(np.float32)), (x, 1j), (x, np.float32(2))):
        out = compute(np.multiply, args)
        assert out.dtype == (args[0] * args[1]).dtype


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_gradients_of_large_arrays(dtype):
    x = np.linspace(0.1, 1.5, 3 * SIZE).astype(dtype)

    def f(x):
        return fnp.sum(fnp.sin(x) * fnp.exp(-(x**2)) + fnp.log1p(x**2) * fnp.tanh(x))

    e, t, q = np.exp(-x * x), np.tanh(x), x * x
    wanted = np.cos(x) * e - 2 * x * np.sin(x) * e
    wanted = wanted + 2 * x / (1 + q) * t + np.log1p(q) * (1 - t * t)
    before = x.copy()
    first = fxad.grad(f)(x)
    kept = first.copy()
    second = fxad.grad(f)(x)
    rtol = 2e-5 if dtype is np.float32 else 1e-12
    np.testing.assert_allclose(first, wanted, rtol=rtol, atol=rtol)
    assert first.dtype == dtype
    assert np.array_equal(first, kept), "a later call wrote into an array that was handed out"
    assert np.array_equal(first, second)
    assert np.array_equal(x, before)
    assert not np.shares_memory(first, second)


def test_pullbacks_of_large_arrays_can_be_called_again():
    x = np.linspace(0.1, 1.5, 2 * SIZE)
    y, pull = fxad.vjp(lambda x: fnp.exp(fnp.sin(x) * 2.0), x)
    ct = np.ones_like(y)
    (first,) = pull(ct)
    y *= 0.0
    (second,) = pull(ct)
    wanted = np.exp(np.sin(x) * 2.0) * 2.0 * np.cos(x)
    np.testing.assert_allclose(first, wanted, rtol=1e-12)
    assert np.array_equal(first, second)
    assert np.all(ct == 1.0)


def test_threads_do_not_share_buffers():
    x = np.linspace(0.1, 1.5, 2 * SIZE)
    gradient = fxad.grad(lambda x: fnp.sum(fnp.sin(x) * fnp.exp(x) * fnp.tanh(x)))
    wanted = gradient(x)
    results = []

    def work():
        results.extend(gradient(x) for _ in range(5))

    threads = [threading.Thread(target=work) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(results) == 20
    assert all(np.array_equal(r, wanted) for r in results)
