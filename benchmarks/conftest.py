"""Collects the rows of all benchmarks, prints the table and writes it where asked."""

from collections.abc import Callable
from functools import partial
from pathlib import Path

import pytest

from benchmarks import race as racing
from benchmarks.report import Report

REPORT = pytest.StashKey[Report]()


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--results", type=Path, metavar="DIR",
                     help="write the benchmark table to DIR as <date>-cpu.md and .json")


def pytest_configure(config: pytest.Config) -> None:
    config.stash[REPORT] = Report()


@pytest.fixture
def report(request: pytest.FixtureRequest) -> Report:
    """The table that this run fills."""
    return request.config.stash[REPORT]


@pytest.fixture
def race(benchmark) -> Callable[..., dict[str, float]]:
    """`race(calls)`: median seconds per call of each, measured in turn."""
    return partial(racing.race, benchmark)


@pytest.fixture
def results(request: pytest.FixtureRequest, tmp_path: Path) -> Path:
    """The folder for plots: that of `--results`, else one that is thrown away."""
    return request.config.getoption("--results") or tmp_path


def pytest_terminal_summary(terminalreporter, config: pytest.Config) -> None:
    report, folder = config.stash[REPORT], config.getoption("--results")
    if not report.rows or config.getoption("benchmark_disable"):
        return
    terminalreporter.write_line("")
    terminalreporter.write_line(report.markdown())
    if folder:
        for path in report.write(folder):
            terminalreporter.write_line(f"wrote {path}")
