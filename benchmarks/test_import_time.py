"""The time that `import fxad` adds to `import numpy`, in fresh interpreters."""

import importlib.util
import os
import statistics
import subprocess
import sys

import pytest

from benchmarks.report import Row

ROUNDS = 15
IMPORTS = {"fxad": "fxad", "autograd": "autograd", "torch": "torch", "JAX": "jax"}
PROGRAM = """
import time, numpy
start = time.perf_counter()
import {module}
print(time.perf_counter() - start)
"""


def import_milliseconds(module):
    # An installed package has its bytecode; a checkout gets it at the first import.
    environment = {k: v for k, v in os.environ.items() if k != "PYTHONDONTWRITEBYTECODE"}
    command = [sys.executable, "-c", PROGRAM.format(module=module)]
    done = subprocess.run(command, capture_output=True, text=True, check=True, env=environment)
    return 1e3 * float(done.stdout)


def test_import_beyond_numpy(request, report):
    if request.config.getoption("benchmark_disable"):
        pytest.skip("a timing only")
    modules = {name: m for name, m in IMPORTS.items() if importlib.util.find_spec(m)}
    times = {name: [] for name in modules}
    for module in modules.values():
        import_milliseconds(module)
    for _ in range(ROUNDS):
        for name, module in modules.items():
            times[name].append(import_milliseconds(module))
    values = {name: statistics.median(samples) for name, samples in times.items()}
    report.add(Row("import beyond that of NumPy", "ms", values, "fxad, ms", values["fxad"], 80.0))
