"""What every test stands on: one thread per worker, the backend of the run, a seeded generator."""

import gc
import importlib.util
import os
import zlib

# Before NumPy, SciPy, JAX or their workers start: one BLAS thread each, so that xdist workers do
# not fight for cores; the oracle stays off the GPU and keeps float64.
for name, value in {
    "OPENBLAS_NUM_THREADS": "1",
    "OMP_NUM_THREADS": "1",
    "MKL_NUM_THREADS": "1",
    "JAX_PLATFORMS": "cpu",
    "JAX_ENABLE_X64": "true",
    "XLA_FLAGS": "--xla_cpu_multi_thread_eigen=false",
}.items():
    os.environ.setdefault(name, value)

import hypothesis
import numpy as np
import pytest

hypothesis.settings.register_profile(
    "fxad", deadline=None, derandomize=True, database=None, print_blob=True
)
hypothesis.settings.load_profile("fxad")


def _no_gpu() -> str | None:
    """Why tests that need a GPU cannot run here, or None where they can."""
    if importlib.util.find_spec("cupy") is None:
        return "needs a GPU: CuPy is not installed"
    cupy = importlib.import_module("cupy")
    try:
        count = cupy.cuda.runtime.getDeviceCount()
    except cupy.cuda.runtime.CUDARuntimeError as error:
        return f"needs a GPU: {error}"
    return None if count else "needs a GPU: no CUDA device"


NO_GPU = _no_gpu()
BACKEND = os.environ.get("FXAD_BACKEND", "numpy" if NO_GPU else "cupy")


def pytest_configure(config: pytest.Config) -> None:
    if BACKEND == "cupy" and NO_GPU:
        raise pytest.UsageError(f"FXAD_BACKEND=cupy: {NO_GPU}")


def pytest_report_header() -> str:
    return f"fxad: backend {BACKEND}; {NO_GPU or 'GPU tests run'}"


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    if NO_GPU:
        for item in items:
            if item.get_closest_marker("gpu"):
                item.add_marker(pytest.mark.skip(reason=NO_GPU))


@pytest.fixture
def rng(request: pytest.FixtureRequest) -> np.random.Generator:
    """A generator of its own for each test, the same in every run."""
    return np.random.default_rng(zlib.crc32(request.node.nodeid.encode()))


@pytest.fixture
def xp():
    """The array module of the run's backend: ``FXAD_BACKEND``, else CuPy where a GPU is."""
    return importlib.import_module(BACKEND)


@pytest.fixture
def small_heap():
    """The check goes through all objects: those that were there before are not looked at."""
    gc.collect()
    gc.freeze()
    yield
    gc.unfreeze()
