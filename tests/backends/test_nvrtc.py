"""Compiling, caching and loading CUDA sources; what needs a GPU is marked so."""

import importlib
import importlib.util
import os
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest

from fxad.backends import kernels, nvrtc
from fxad.errors import DeviceError, KernelError, MissingDependencyError

needs_nvrtc = pytest.mark.skipif(
    importlib.util.find_spec("cupy_backends") is None,
    reason="NVRTC is reached through CuPy, which is not installed",
)
ROOT = Path(__file__).parents[2]
SOURCE = nvrtc.Source(
    "double.cu", 'extern "C" __global__ void twice(float* x) {\n    x[threadIdx.x] *= 2;\n}\n'
)


@pytest.fixture
def cache(monkeypatch, tmp_path):
    monkeypatch.setenv("FXAD_CACHE_DIR", str(tmp_path / "cache"))
    return tmp_path / "cache" / "kernels"


@pytest.fixture
def compilations(monkeypatch):
    """The sources that are really compiled."""
    seen = []
    compile_source = nvrtc.compile_source

    def counted(source, arch, options=()):
        seen.append((source.name, arch))
        return compile_source(source, arch, options)

    monkeypatch.setattr(nvrtc, "compile_source", counted)
    return seen


# ---- sources


def test_headers_are_found_through_other_headers(tmp_path):
    (tmp_path / "device").mkdir()
    (tmp_path / "top.cu").write_text('#include "device/a.cuh"\nint top;\n')
    (tmp_path / "device" / "a.cuh").write_text('#pragma once\n#include "device/b.cuh"\n')
    (tmp_path / "device" / "b.cuh").write_text('#pragma once\n#  include "device/a.cuh"\nint b;\n')
    source = nvrtc.read_source("top", tmp_path)
    assert source.name == "top.cu"
    assert [name for name, _ in source.headers] == ["device/a.cuh", "device/b.cuh"]
    assert dict(source.headers)["device/b.cuh"].endswith("int b;\n")


def test_the_folder_of_kernels_is_the_checkouts_or_the_packages(monkeypatch, tmp_path):
    assert (nvrtc.kernel_folder() / "threefry.cu").is_file()
    monkeypatch.setattr(nvrtc, "_PACKAGE", tmp_path / "fxad")
    with pytest.raises(KernelError, match="found no CUDA sources"):
        nvrtc.kernel_folder()
    (tmp_path / "kernels").mkdir()
    assert nvrtc.kernel_folder() == tmp_path / "kernels"
    (tmp_path / "fxad" / "_kernels").mkdir(parents=True)
    assert nvrtc.kernel_folder() == tmp_path / "fxad" / "_kernels"


# ---- compiling


@needs_nvrtc
def test_an_error_of_the_compiler_holds_the_line():
    text = 'extern "C" __global__ void f(float* x) {\n    x[0] = nowhere;\n}\n'
    with pytest.raises(KernelError) as caught:
        nvrtc.compile_source(nvrtc.Source("wrong.cu", text), 90)
    message = str(caught.value)
    assert message.startswith("[kernels] NVRTC ")
    assert "could not compile wrong.cu for sm_90" in message
    assert 'wrong.cu(2): error: identifier "nowhere" is undefined' in message
    assert "x[0] = nowhere;" in message


@needs_nvrtc
def test_subnormal_numbers_are_kept():
    text = 'extern "C" __global__ void f(float* x, float y) {\n    *x = *x * y;\n}\n'
    compiler = nvrtc._nvrtc()
    program = compiler.createProgram(text, "f.cu", (), ())
    compiler.compileProgram(program, (*nvrtc.OPTIONS, "-arch=compute_90"))
    ptx = compiler.getPTX(program)
    ptx = ptx.decode() if isinstance(ptx, bytes) else ptx
    assert "mul.f32" in ptx
    assert "ftz" not in ptx


def test_without_cupy_the_error_names_the_package(monkeypatch):
    monkeypatch.setitem(sys.modules, "cupy_backends.cuda.libs.nvrtc", None)
    with pytest.raises(MissingDependencyError, match=r"a CUDA kernel.*cupy-cuda13x"):
        nvrtc.compile_source(SOURCE, 90)


def test_without_nvrtc_the_error_names_the_library(monkeypatch):
    def missing():
        raise RuntimeError("CuPy failed to load libnvrtc.so.13")

    library = SimpleNamespace(getVersion=missing)
    monkeypatch.setitem(sys.modules, "cupy_backends.cuda.libs.nvrtc", library)
    with pytest.raises(KernelError, match=r"libnvrtc\.so\.13.*pip install nvidia-cuda-nvrtc"):
        nvrtc.compile_source(SOURCE, 90)


# ---- the cache


@needs_nvrtc
def test_a_cubin_is_compiled_once(cache, compilations):
    first, again = nvrtc.cubin(SOURCE, 90), nvrtc.cubin(SOURCE, 90)
    assert first == again
    assert first.startswith(b"\x7fELF")
    assert compilations == [("double.cu", 90)]
    assert [path.suffix for path in cache.iterdir()] == [".cubin"]


@needs_nvrtc
def test_the_cache_is_keyed_by_all_that_matters(cache, compilations, monkeypatch):
    nvrtc.cubin(SOURCE, 90)
    nvrtc.cubin(SOURCE, 80)
    nvrtc.cubin(nvrtc.Source(SOURCE.name, SOURCE.text + "\n"), 90)
    nvrtc.cubin(nvrtc.Source(SOURCE.name, SOURCE.text, (("a.cuh", "int a;"),)), 90)
    monkeypatch.setattr(nvrtc, "OPTIONS", (*nvrtc.OPTIONS, "-lineinfo"))
    nvrtc.cubin(SOURCE, 90)
    assert len(compilations) == len(list(cache.iterdir())) == 5


@needs_nvrtc
@pytest.mark.parametrize(
    "damage", [lambda code: code[:-9], lambda code: b"", lambda code: b"x" * 99]
)
def test_a_damaged_file_is_compiled_again(cache, compilations, damage):
    code = nvrtc.cubin(SOURCE, 90)
    (path,) = cache.iterdir()
    path.write_bytes(damage(path.read_bytes()))
    assert nvrtc.cubin(SOURCE, 90) == code
    assert nvrtc.cubin(SOURCE, 90) == code
    assert len(compilations) == 2


@needs_nvrtc
def test_a_disk_that_cannot_be_written_costs_nothing_but_time(monkeypatch, tmp_path, compilations):
    (tmp_path / "file").write_text("no folder")
    monkeypatch.setenv("FXAD_CACHE_DIR", str(tmp_path / "file"))
    assert nvrtc.cubin(SOURCE, 90) == nvrtc.cubin(SOURCE, 90)
    assert len(compilations) == 2


def test_a_write_that_fails_leaves_nothing_behind(monkeypatch, tmp_path):
    def full(source, target):
        raise OSError("the disk is full")

    monkeypatch.setattr(os, "replace", full)
    with pytest.raises(OSError, match="full"):
        nvrtc._replace(tmp_path / "code", b"code")
    assert list(tmp_path.iterdir()) == []


@needs_nvrtc
def test_processes_that_race_for_one_file_all_get_the_code(cache):
    script = (
        "from fxad.backends import nvrtc\n"
        f"source = nvrtc.Source({SOURCE.name!r}, {SOURCE.text!r})\n"
        "print(len(nvrtc.cubin(source, 90)))\n"
    )
    racers = [
        subprocess.Popen(
            [sys.executable, "-c", script], cwd=ROOT, stdout=subprocess.PIPE, text=True
        )
        for _ in range(2)
    ]
    sizes = {int(racer.communicate()[0]) for racer in racers}
    assert sizes == {len(nvrtc.cubin(SOURCE, 90))}
    assert len(list(cache.iterdir())) == 1


def test_the_cache_directory(monkeypatch, tmp_path):
    monkeypatch.setenv("FXAD_CACHE_DIR", str(tmp_path))
    assert nvrtc.cache_directory() == tmp_path
    monkeypatch.delenv("FXAD_CACHE_DIR")
    monkeypatch.setattr(sys, "platform", "linux")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "xdg"))
    assert nvrtc.cache_directory() == tmp_path / "xdg" / "fxad"
    monkeypatch.delenv("XDG_CACHE_HOME")
    assert nvrtc.cache_directory().parts[-2:] == (".cache", "fxad")
    monkeypatch.setattr(sys, "platform", "darwin")
    assert nvrtc.cache_directory().parts[-3:] == ("Library", "Caches", "fxad")


# ---- loading


@pytest.fixture
def fake_cupy(monkeypatch):
    """The few calls of CuPy that a launch makes, written down."""
    calls = []

    class Module:
        def load(self, code):
            calls.append(("load", code[:4]))

        def get_function(self, name):
            if name not in ("twice", "random_bits_32"):
                raise CudaError("named symbol not found")
            return lambda *args, **options: calls.append((name, *args, options))

    class CudaError(RuntimeError):
        pass

    cuda = SimpleNamespace(
        function=SimpleNamespace(Module=Module),
        driver=SimpleNamespace(CUDADriverError=CudaError),
        runtime=SimpleNamespace(getDevice=lambda: 1, CUDARuntimeError=CudaError),
        Device=lambda device: SimpleNamespace(compute_capability="90"),
    )
    monkeypatch.setitem(sys.modules, "cupy", SimpleNamespace(cuda=cuda))
    for memory in (nvrtc._function, nvrtc._module):
        memory.cache_clear()
    yield SimpleNamespace(cuda=cuda, calls=calls, error=CudaError)
    for memory in (nvrtc._function, nvrtc._module):
        memory.cache_clear()


@needs_nvrtc
def test_a_launch_loads_a_module_once(cache, fake_cupy):
    x = np.ones(3, np.uint32)
    for size in (1, 2):
        kernels.launch("threefry", "random_bits_32", (size,), (256,), [x, np.uint64(3)], shared=8)
    load, *launches = fake_cupy.calls
    assert load == ("load", b"\x7fELF")
    assert [call[1:3] for call in launches] == [((1,), (256,)), ((2,), (256,))]
    assert launches[0][3] == (x, np.uint64(3))
    assert launches[0][4] == {"shared_mem": 8}
    with pytest.raises(KernelError, match=r"threefry\.cu has no function 'nothing'"):
        kernels.launch("threefry", "nothing", (1,), (1,), [])


@needs_nvrtc
@pytest.mark.parametrize(("chip", "arch"), [("90", 90), ("103", 103), ("125", 121), ("129", 121)])
def test_the_architecture_runs_on_the_chip(fake_cupy, chip, arch):
    fake_cupy.cuda.Device = lambda device: SimpleNamespace(compute_capability=chip)
    known = {int(name) for name in nvrtc._nvrtc().getSupportedArchs()}
    if arch not in known:
        pytest.skip(f"this NVRTC does not know sm_{arch}")
    assert nvrtc._arch(0) == arch


@needs_nvrtc
def test_a_chip_that_nvrtc_does_not_know_is_an_error(fake_cupy):
    fake_cupy.cuda.Device = lambda device: SimpleNamespace(compute_capability="995")
    with pytest.raises(KernelError, match="the GPU is sm_995: install a CuPy for another"):
        nvrtc._arch(0)


def test_no_gpu_is_an_error_that_says_so(fake_cupy):
    def fail():
        raise fake_cupy.error("no CUDA-capable device is detected")

    fake_cupy.cuda.runtime.getDevice = fail
    with pytest.raises(DeviceError, match="no GPU to launch on: no CUDA-capable device"):
        kernels.launch("threefry", "random_bits_32", (1,), (1,), [])


@pytest.mark.gpu
def test_a_launch_on_the_gpu():
    cupy = importlib.import_module("cupy")
    keys, out = cupy.zeros((1, 2), np.uint32), cupy.zeros(1000, np.uint32)
    args = [keys, np.uint64(1000), np.uint64(1000), out]
    kernels.launch("threefry", "random_bits_32", kernels.blocks(1000, 256), (256,), args)
    expected = [1797259609 ^ 2579123966]  # the hash of counter 0 under the key (0, 0)
    assert cupy.asnumpy(out)[:1].tolist() == expected
