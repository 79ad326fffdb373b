"""Registering and launching CUDA kernels, without a GPU."""

import importlib
import pkgutil

import numpy as np
import pytest

import fxad.ops
from fxad.backends import kernels, nvrtc
from fxad.core.aval import ShapedArray
from fxad.errors import KernelError


def test_every_registered_kernel_has_a_file_and_every_file_a_registration():
    for module in pkgutil.iter_modules(fxad.ops.__path__, "fxad.ops."):
        importlib.import_module(module.name)
    named = {r.kernel for found in kernels.registrations().values() for r in found}
    assert named == {path.stem for path in nvrtc.kernel_folder().glob("*.cu")}


class OnGpu:
    """What stands in for a CuPy array where none can be."""

    shape, dtype, ndim = (3,), np.dtype(np.float32), 1


def test_a_kernel_runs_where_it_supports_the_case(monkeypatch):
    monkeypatch.setattr(kernels, "_registered", {})
    monkeypatch.setattr(kernels, "aval_of", lambda x: ShapedArray(x.shape, x.dtype))
    cases = []

    def supports(avals, params):
        cases.append((avals, params))
        return params["fast"]

    impl = kernels.accelerated("twice", lambda xp, x, *, fast: "array code")
    assert impl(np, OnGpu(), fast=True) == "array code"
    kernels.register("twice", "double", supports, lambda xp, x, *, fast: "kernel")
    assert impl(np, OnGpu(), fast=True) == "kernel"
    assert impl(np, OnGpu(), fast=False) == "array code"
    assert impl(np, np.ones(3), fast=True) == "array code"
    aval = ShapedArray((3,), np.dtype(np.float32))
    assert cases == [((aval,), {"fast": True}), ((aval,), {"fast": False})]


def test_arguments_that_would_arrive_as_something_else_are_refused():
    with pytest.raises(KernelError, match=r"\[f\] got 3 as argument 0.*np\.uint64\(3\)"):
        kernels.launch("threefry", "f", (1,), (1,), [3])
    with pytest.raises(KernelError, match=r"argument 1, wanted contiguous memory"):
        kernels.launch("threefry", "f", (1,), (1,), [np.uint64(3), np.ones((3, 3))[:, 0]])


def test_an_empty_grid_launches_nothing(monkeypatch):
    monkeypatch.setattr(nvrtc, "loaded", lambda *names: pytest.fail(f"launched {names}"))
    kernels.launch("threefry", "random_bits_32", kernels.blocks(0, 256), (256,), [])


@pytest.mark.parametrize(("size", "grid"), [(1, 1), (256, 1), (257, 2), (2**33, 2**25)])
def test_blocks_cover_all_elements(size, grid):
    assert kernels.blocks(size, 256) == (grid,)
