"""Runs every test on a GPU and prints one table: ``python -m tests.gpu_check``, from the checkout.

With ``FXAD_BACKEND=cupy`` (new arrays on the GPU) run the tests marked ``gpu``, those that take
their arrays from the fixture ``xp``, with ``--all`` every other test too, and the main example.
Nothing needs to be installed beside CuPy, NumPy, pytest and hypothesis, nor fxad itself;
pytest-xdist spreads the tests over processes where it is there. The table is printed whatever
happens: at the end, when the time is up, when a test hangs, on SIGTERM; with ``OUT`` in the
environment it is also written to ``$OUT/gpu_check.txt``.

Exit status: 0 all passed, 1 something failed or the time was up, 2 there is no GPU to test on.
"""

import argparse
import functools
import importlib.metadata
import importlib.util
import os
import platform
import signal
import subprocess
import sys
import threading
import time
from collections import Counter, defaultdict
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).parents[1]
# What tests the checkout instead of the code, or emulates a GPU.
LEFT_OUT = (
    "test_architecture.py",
    "test_wheel.py",
    "test_docs.py",
    "test_contributing.py",
    "test_examples.py",
    "test_gpu_check.py",
    "emulator",
)
#: Seconds beyond the limit after which a test that hangs is given up, and all others with it.
GRACE = 15
MAIN_JOB = "examples/train_digits.py"
PACKAGES = (
    "numpy",
    "cupy",
    "cuda-core",
    "llvmlite",
    "scipy",
    "jax",
    "torch",
    "pytest",
    "hypothesis",
)


class Table:
    """A pytest plugin: counts outcomes by folder, and stops when the time is up."""

    def __init__(self, deadline: float) -> None:
        self.deadline, self.late = deadline, False
        self.counts: defaultdict[str, Counter[str]] = defaultdict(Counter)
        self.seconds: Counter[str] = Counter()
        self.failures: dict[str, str] = {}

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        group = group_of(report.nodeid)
        self.seconds[group] += report.duration
        if report.when == "call" or report.outcome != "passed":
            self.counts[group][report.outcome] += 1
        if report.failed:
            crash = getattr(report.longrepr, "reprcrash", None)
            text = crash.message if crash else str(report.longrepr)
            self.failures[report.nodeid] = text.partition("\n")[0][:160]

    def pytest_collectreport(self, report: pytest.CollectReport) -> None:
        if report.failed:
            self.add("collection", "failed", 0.0)
            self.failures[report.nodeid] = str(report.longrepr).strip().rpartition("\n")[2][:160]

    @pytest.hookimpl(trylast=True)
    def pytest_runtest_logfinish(self) -> None:
        if time.monotonic() > self.deadline and not self.late:
            self.late = True
            pytest.exit("the time is up", returncode=1)

    def add(self, group: str, outcome: str, seconds: float) -> None:
        self.counts[group][outcome] += 1
        self.seconds[group] += seconds

    def __str__(self) -> str:
        rows = [("group", "passed", "failed", "skipped", "seconds")]
        for group in sorted(self.counts):
            counts = self.counts[group]
            numbers = [counts[outcome] for outcome in ("passed", "failed", "skipped")]
            rows.append((group, *map(str, numbers), f"{self.seconds[group]:.1f}"))
        totals = [sum(int(row[i]) for row in rows[1:]) for i in (1, 2, 3)]
        rows.append(("all", *map(str, totals), f"{self.seconds.total():.1f}"))
        widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
        lines = []
        for row in rows:
            numbers = [text.rjust(width) for text, width in zip(row[1:], widths[1:], strict=True)]
            lines.append("  ".join([row[0].ljust(widths[0]), *numbers]))
        return "\n".join(lines)


def group_of(nodeid: str) -> str:
    """``tests/ops/test_linalg.py::test_solve`` belongs to ``ops``, a top file to itself."""
    parts = nodeid.partition("::")[0].removeprefix("tests/").split("/")
    return parts[0].removesuffix(".py")


def no_gpu() -> str | None:
    """Why there is nothing to test on, or None."""
    if importlib.util.find_spec("cupy") is None:
        return "CuPy is not installed"
    runtime = importlib.import_module("cupy").cuda.runtime
    try:
        return None if runtime.getDeviceCount() else "CUDA finds no device"
    except runtime.CUDARuntimeError as error:
        return str(error)


@functools.cache
def versions() -> str:
    """The machine and what is installed, a line each; it takes seconds to find out."""
    runtime = importlib.import_module("cupy").cuda.runtime
    count = runtime.getDeviceCount()
    lines = [
        *(f"GPU {i}: {runtime.getDeviceProperties(i)['name'].decode()}" for i in range(count)),
        f"CUDA: driver {runtime.driverGetVersion()}, runtime {runtime.runtimeGetVersion()}",
        ", ".join([f"Python {platform.python_version()}", *filter(None, map(version, PACKAGES))]),
    ]
    return "\n".join(lines)


@functools.cache
def distributions() -> Mapping[str, list[str]]:
    return importlib.metadata.packages_distributions()


def version(package: str) -> str | None:
    names = distributions().get(package.replace("-", "_"), [package])
    try:
        return f"{package} {importlib.metadata.version(names[0])}"
    except importlib.metadata.PackageNotFoundError:
        return None


def run_main_job(table: Table) -> None:
    """The example that the README starts with, on the GPU."""
    if importlib.util.find_spec("sklearn") is None or not (ROOT / MAIN_JOB).exists():
        table.add(MAIN_JOB, "skipped", 0.0)
        return
    start = time.monotonic()
    left = max(table.deadline - start, 1)
    command = [sys.executable, MAIN_JOB, "--backend", "cupy"]
    path = os.pathsep.join(filter(None, [str(ROOT), os.environ.get("PYTHONPATH")]))
    try:
        done = subprocess.run(
            command,
            cwd=ROOT,
            env=os.environ | {"PYTHONPATH": path, "MPLBACKEND": "Agg"},
            capture_output=True,
            text=True,
            timeout=left,
        )
        last = done.stderr.replace("\r", "\n").strip().rpartition("\n")[2]
        failure = f"exit status {done.returncode}: {last}" if done.returncode else None
    except subprocess.TimeoutExpired:
        failure = "the time is up"
    table.add(MAIN_JOB, "failed" if failure else "passed", time.monotonic() - start)
    if failure:
        table.failures[MAIN_JOB] = failure


def report(table: Table) -> str:
    """What failed, the machine, and the table; written to ``$OUT`` too."""
    lines = [f"FAILED {name}: {text}" for name, text in table.failures.items()]
    if table.late:
        lines.append("gpu_check: stopped when the time was up, tests are left over")
    text = "\n".join([*lines, "", versions(), "", str(table)]) + "\n"
    if out := os.environ.get("OUT"):
        Path(out, "gpu_check.txt").write_text(text, encoding="utf-8")
    return text


def report_in_any_case(table: Table, limit: float) -> threading.Timer:
    """Reports and ends the process when it is told to, or hangs beyond its time."""

    def give_up(*_: Any) -> None:
        table.late = True
        # Not by print: the signal may have come while stdout itself was being written to.
        os.write(1, report(table).encode())
        os._exit(1)

    signal.signal(signal.SIGTERM, give_up)
    timer = threading.Timer(limit + GRACE, give_up)
    timer.daemon = True
    timer.start()
    return timer


def pytest_arguments(processes: int, everything: bool) -> list[str]:
    """Deprecations of what happens to be installed there are no failures of ours."""
    args = ["-q", "--no-header", "--tb=short", "-rN", "-p", "no:cacheprovider"]
    args += ["-W", "default::DeprecationWarning", "-W", "default::PendingDeprecationWarning"]
    args += [f"--ignore=tests/{name}" for name in LEFT_OUT]
    if not everything:
        args += ["-p", "tests.gpu_selection"]
    if importlib.util.find_spec("xdist"):
        args += ["-p", "xdist.plugin", "-n", str(processes), "--dist", "worksteal"]
    return args


def main() -> int:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument("-n", type=int, default=8, help="processes (with pytest-xdist)")
    parser.add_argument("--limit", type=float, default=540, help="seconds after which to stop")
    parser.add_argument("--all", action="store_true", help="also the tests that need no GPU")
    parser.add_argument("tests", nargs="*", default=["tests"], help="what to run instead of all")
    options = parser.parse_args()
    if reason := no_gpu():
        print(f"gpu_check: no GPU to test on: {reason}")
        return 2
    print(versions(), flush=True)
    os.chdir(ROOT)
    os.environ["FXAD_BACKEND"] = "cupy"
    os.environ["PYTEST_DISABLE_PLUGIN_AUTOLOAD"] = "1"  # whatever else is installed stays out
    table = Table(time.monotonic() + options.limit)
    timer = report_in_any_case(table, options.limit)
    if options.tests == ["tests"]:
        run_main_job(table)
    status = pytest.main(
        [*pytest_arguments(options.n, options.all), *options.tests], plugins=[table]
    )
    timer.cancel()
    print(report(table), end="", flush=True)
    return 0 if status == 0 and not table.failures else 1


if __name__ == "__main__":
    sys.exit(main())
