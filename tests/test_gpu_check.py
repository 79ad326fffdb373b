"""The command that runs everything on a GPU: its table, and what it says where there is none."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from tests.conftest import NO_GPU
from tests.gpu_check import ROOT, Table, group_of, pytest_arguments

TESTS = """
import time
import pytest
def test_passes(): pass
def test_fails(): raise ValueError("why it failed\\nand more")
def test_skips(): pytest.skip("no reason")
@pytest.fixture
def broken(): raise KeyError("no such fixture")
def test_errors(broken): pass
def test_last(): time.sleep(0.01)
"""


def test_groups_are_folders():
    assert group_of("tests/ops/test_linalg.py::test_solve[a::b]") == "ops"
    assert group_of("tests/test_config.py::test_x") == "test_config"
    assert group_of("tests/ops/deep/test_x.py") == "ops"


def run(tmp_path, deadline):
    (tmp_path / "test_sample.py").write_text(TESTS)
    table = Table(deadline)
    args = ["-q", "-p", "no:cacheprovider", "--import-mode=importlib", "--rootdir", str(tmp_path)]
    status = pytest.main([*args, "-c", "/dev/null", str(tmp_path)], plugins=[table])
    return status, table


def test_the_table_counts_outcomes(tmp_path, capsys):
    status, table = run(tmp_path, time.monotonic() + 60)
    capsys.readouterr()
    assert status == 1
    assert dict(table.counts["test_sample"]) == {"passed": 2, "failed": 2, "skipped": 1}
    assert list(table.failures.values()) == [
        "ValueError: why it failed",
        "KeyError: 'no such fixture'",
    ]
    head, row, total = str(table).splitlines()
    assert head.split() == ["group", "passed", "failed", "skipped", "seconds"]
    assert row.split()[:4] == ["test_sample", "2", "2", "1"]
    assert total.split()[:4] == ["all", "2", "2", "1"]
    assert len({len(line) for line in (head, row, total)}) == 1


def test_the_table_is_there_when_the_time_is_up(tmp_path, capsys):
    status, table = run(tmp_path, time.monotonic())
    capsys.readouterr()
    assert status != 0
    assert table.late
    assert table.counts["test_sample"].total() == 1


HANGS = """
import time
import tests.gpu_check as check
check.GRACE, check.versions = 0, lambda: "this machine"
table = check.Table(0)
table.add("ops", "passed", 1.0)
check.report_in_any_case(table, LIMIT)
print("hangs", flush=True)
time.sleep(60)
"""


@pytest.mark.parametrize("told_to_end", [False, True])
def test_the_table_is_there_when_a_test_hangs(told_to_end, tmp_path):
    code = HANGS.replace("LIMIT", "60" if told_to_end else "0.1")
    command, environment = [sys.executable, "-c", code], os.environ | {"OUT": str(tmp_path)}
    with subprocess.Popen(
        command, cwd=ROOT, env=environment, stdout=subprocess.PIPE, text=True
    ) as process:
        assert process.stdout.readline() == "hangs\n"
        if told_to_end:
            process.send_signal(signal.SIGTERM)
        rest = process.stdout.read()
    assert process.returncode == 1
    assert "stopped when the time was up" in rest
    assert "this machine" in rest
    assert rest.splitlines()[-1].split() == ["all", "1", "0", "0", "1.0"]
    assert Path(tmp_path, "gpu_check.txt").read_text() == rest


def test_what_is_left_out_is_there():
    ignored = [a.partition("=")[2] for a in pytest_arguments(2, False) if a.startswith("--ignore")]
    assert ignored
    assert all((ROOT / path).exists() for path in ignored)


@pytest.mark.skipif(NO_GPU is None, reason="this machine has a GPU")
def test_without_a_gpu_it_says_so_and_exits_with_2():
    command = [sys.executable, "-m", "tests.gpu_check"]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 2
    assert done.stdout.startswith("gpu_check: no GPU to test on: ")
