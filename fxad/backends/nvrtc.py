"""CUDA sources: found, compiled by NVRTC, kept on disk, loaded through CuPy.

CuPy's own RawModule is not used: it always compiles with ``-ftz=true``, which would give subnormal
numbers other results than NumPy's.
"""

from __future__ import annotations

import contextlib
import functools
import hashlib
import os
import re
import sys
import tempfile
from collections.abc import Iterable
from pathlib import Path
from typing import Any, NamedTuple

from fxad.backends.optional import optional
from fxad.errors import DeviceError, KernelError

#: IEEE arithmetic as NumPy's, subnormals included, except that a * b + c may be rounded once.
OPTIONS = ("-std=c++17", "-ftz=false", "-prec-div=true", "-prec-sqrt=true", "-fmad=true")

_PACKAGE = Path(__file__).resolve().parents[1]
_INCLUDE = re.compile(r'^\s*#\s*include\s*"([^"]+)"', re.MULTILINE)


class Source(NamedTuple):
    """A ``.cu`` file with the headers that it includes, by the names under which it does."""

    name: str
    text: str
    headers: tuple[tuple[str, str], ...] = ()


def kernel_folder() -> Path:
    """Where the ``.cu`` files are: in the installed package, else beside it in the checkout."""
    for folder in (_PACKAGE / "_kernels", _PACKAGE.parent / "kernels"):
        if folder.is_dir():
            return folder
    raise KernelError(
        f"[kernels] found no CUDA sources: neither {_PACKAGE / '_kernels'} nor "
        f"{_PACKAGE.parent / 'kernels'} exists; install fxad again"
    )


def read_source(name: str, folder: Path | None = None) -> Source:
    """The source ``<name>.cu``; headers are named from the folder of kernels."""
    root = folder or kernel_folder()
    headers: dict[str, str] = {}

    def collect(text: str) -> str:
        for include in _INCLUDE.findall(text):
            if include not in headers:
                headers[include] = ""  # seen: a header may include itself in a circle
                headers[include] = collect((root / include).read_text(encoding="utf-8"))
        return text

    text = collect((root / f"{name}.cu").read_text(encoding="utf-8"))
    return Source(f"{name}.cu", text, tuple(sorted(headers.items())))


def compile_source(source: Source, arch: int, options: Iterable[str] = ()) -> tuple[bytes, str]:
    """The cubin of a source for ``sm_<arch>``, and the compiler's log; needs no GPU.

    Raises:
        MissingDependencyError: CuPy is not installed.
        KernelError: NVRTC is missing, or refuses the source: the message holds its log.
    """
    nvrtc = _nvrtc()
    names = tuple(name.encode() for name, _ in source.headers)
    texts = tuple(text.encode() for _, text in source.headers)
    program = nvrtc.createProgram(source.text, source.name, texts, names)
    try:
        try:
            nvrtc.compileProgram(program, (*OPTIONS, f"-arch=sm_{arch}", *options))
        except nvrtc.NVRTCError as error:
            raise KernelError(
                f"[kernels] NVRTC {_version_text(nvrtc)} could not compile {source.name} for "
                f"sm_{arch}:\n{nvrtc.getProgramLog(program).strip() or error}"
            ) from error
        return nvrtc.getCUBIN(program), nvrtc.getProgramLog(program)
    finally:
        nvrtc.destroyProgram(program)


def cubin(source: Source, arch: int) -> bytes:
    """The cubin of a source: from the disk where it has been compiled before."""
    key = hashlib.sha256(repr((source, OPTIONS, arch, _nvrtc().getVersion())).encode())
    directory = cache_directory() / "kernels"
    path = directory / f"{source.name}-sm_{arch}-{key.hexdigest()[:32]}.cubin"
    with contextlib.suppress(OSError):
        content = path.read_bytes()
        if content[:32] == hashlib.sha256(content[32:]).digest():
            return content[32:]
    code, _ = compile_source(source, arch)
    with contextlib.suppress(OSError):  # a disk that cannot be written costs time, nothing else
        directory.mkdir(parents=True, exist_ok=True)
        _replace(path, hashlib.sha256(code).digest() + code)
    return code


def cache_directory() -> Path:
    """Where compiled code is kept: ``FXAD_CACHE_DIR``, else the platform's directory for caches."""
    if chosen := os.environ.get("FXAD_CACHE_DIR", "").strip():
        return Path(chosen).expanduser()
    if sys.platform == "win32":
        root = Path(os.environ.get("LOCALAPPDATA", Path.home() / "AppData" / "Local"))
    elif sys.platform == "darwin":
        root = Path.home() / "Library" / "Caches"
    else:
        root = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache")
    return root / "fxad"


def loaded(name: str, function: str) -> Any:
    """A function of ``kernels/<name>.cu``, to be called on CuPy's current device.

    Raises:
        KernelError: the file has no such function, or cannot be compiled.
        DeviceError: there is no GPU.
    """
    return _function(name, function, _device())


def compiled(text: str, function: str) -> Any:
    """A function of CUDA C++ that is given as text, to be called on CuPy's current device.

    Raises:
        KernelError: the text has no such function, or cannot be compiled.
        DeviceError: there is no GPU.
    """
    return _function_of_text(text, function, _device())


@functools.cache
def _function_of_text(text: str, function: str, device: int) -> Any:
    module = _cupy().cuda.function.Module()
    module.load(cubin(Source(f"{function}.cu", text), _arch(device)))
    try:
        return module.get_function(function)
    except _cuda_error() as error:
        raise KernelError(f"[kernels] the source has no function {function!r}: {error}") from error


@functools.cache
def _function(name: str, function: str, device: int) -> Any:
    try:
        return _module(name, device).get_function(function)
    except _cuda_error() as error:
        raise KernelError(f"[kernels] {name}.cu has no function {function!r}: {error}") from error


@functools.cache
def _module(name: str, device: int) -> Any:
    module = _cupy().cuda.function.Module()
    module.load(cubin(read_source(name), _arch(device)))
    return module


def _arch(device: int) -> int:
    """The newest architecture that NVRTC knows and whose code runs on the device."""
    capability = int(_cupy().cuda.Device(device).compute_capability)
    known = sorted(int(arch) for arch in _nvrtc().getSupportedArchs())
    # machine code runs on later chips of one major version, never across
    fitting = [arch for arch in known if arch // 10 == capability // 10 and arch <= capability]
    if not fitting:
        raise KernelError(
            f"[kernels] NVRTC {_version_text(_nvrtc())} compiles for {known}, the GPU is "
            f"sm_{capability}: install a CuPy for another CUDA version"
        )
    return fitting[-1]


def _device() -> int:
    cupy = _cupy()
    try:
        return int(cupy.cuda.runtime.getDevice())
    except cupy.cuda.runtime.CUDARuntimeError as error:
        raise DeviceError(f"[kernels] there is no GPU to launch on: {error}") from error


def _cuda_error() -> type[Exception]:
    kind: type[Exception] = _cupy().cuda.driver.CUDADriverError
    return kind


def _cupy() -> Any:
    return optional("cupy", "a CUDA kernel", "cupy-cuda13x")


def _nvrtc() -> Any:
    nvrtc = optional("cupy_backends.cuda.libs.nvrtc", "a CUDA kernel", "cupy-cuda13x")
    try:
        nvrtc.getVersion()
    except (RuntimeError, OSError) as error:
        raise KernelError(
            f"[kernels] NVRTC, the compiler of CUDA kernels, could not be loaded ({error}); "
            "install it with `pip install nvidia-cuda-nvrtc` or with the CUDA toolkit"
        ) from error
    return nvrtc


def _version_text(nvrtc: Any) -> str:
    return ".".join(map(str, nvrtc.getVersion()))


def _replace(path: Path, content: bytes) -> None:
    """Writes a file in one step: another process sees all of it or none."""
    handle, temporary = tempfile.mkstemp(dir=path.parent, prefix=path.name)
    try:
        with os.fdopen(handle, "wb") as file:
            file.write(content)
        os.replace(temporary, path)
    except BaseException:
        os.unlink(temporary)
        raise
