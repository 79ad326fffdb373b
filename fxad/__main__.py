"""``python -m fxad`` prints what a bug report needs: versions, backends, caches and settings."""

from __future__ import annotations

import importlib.metadata
import os
import platform
from collections.abc import Iterator

import numpy as np

import fxad
import fxad.config as config
from fxad.backends import backend_named, backend_names, default_backend
from fxad.backends.nvrtc import cache_directory, kernel_folder
from fxad.errors import FxadError

PACKAGES = (
    "numpy",
    "cupy",
    "cupy-cuda12x",
    "cupy-cuda13x",
    "nvidia-cuda-nvrtc",
    "cuda-core",
    "llvmlite",
    "scipy",
    "opt_einsum",
)


def versions() -> Iterator[tuple[str, str]]:
    """fxad, Python, the machine, and the packages that fxad uses where they are installed."""
    yield "fxad", fxad.__version__
    yield "python", f"{platform.python_version()} ({platform.python_implementation()})"
    yield "platform", f"{platform.platform()}, {os.cpu_count()} CPUs"
    for package in PACKAGES:
        try:
            yield package, importlib.metadata.version(package)
        except importlib.metadata.PackageNotFoundError:
            continue
    blas = np.show_config(mode="dicts")["Build Dependencies"]["blas"]
    yield "numpy's BLAS", f"{blas['name']} {blas['version']}"


def backends() -> Iterator[tuple[str, str]]:
    """Each backend with its devices, or why it cannot be used here."""
    for name in backend_names():
        mark = " (default)" if name == default_backend() else ""
        try:
            backend = backend_named(name)
            found = [fxad.backends.Device(backend.platform, i) for i in range(backend.count())]
        except FxadError as error:
            yield name + mark, str(error)
        else:
            listed = (f"{device} {device.device_kind}" for device in found)
            yield name + mark, ", ".join(listed) or "no device"


def caches() -> Iterator[tuple[str, str]]:
    """Where code that fxad compiled is kept, and how much of it there is."""
    yield "CUDA sources", str(kernel_folder())
    files = [path for path in cache_directory().rglob("*") if path.is_file()]
    size = sum(path.stat().st_size for path in files)
    yield "compiled code", f"{cache_directory()}: {len(files)} files, {size / 1024:.0f} KiB"


def settings() -> Iterator[tuple[str, str]]:
    """Every setting with who set it."""
    for state in config.settings():
        yield state.name, f"{state.value} ({state.source}; {state.variable})"


def main() -> None:
    """Prints the report."""
    for section in (versions, backends, caches, settings):
        rows = list(section())
        print(section.__name__)
        for name, value in rows:
            print(f"  {name:<{max(len(n) for n, _ in rows)}}  {value}")


if __name__ == "__main__":
    main()
