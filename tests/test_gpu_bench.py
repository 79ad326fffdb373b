"""The GPU benchmark's machinery, on the CPU: the same work on small arrays."""

import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

import fxad
from tests.conftest import NO_GPU

ROOT = Path(__file__).parents[1]
gpu_bench = pytest.importorskip("benchmarks.gpu_bench")


def libraries():
    """fxad and PyTorch on the CPU."""
    torch = pytest.importorskip("torch")
    wait = fxad.block_until_ready
    functions = {"grad": fxad.grad, "hvp": fxad.hvp, "wait": wait}
    ours = gpu_bench.Library("fxad", fxad.numpy, np.asarray, **functions)
    compiled = gpu_bench.Library("fxad jit", fxad.numpy, np.asarray, jit=fxad.jit, **functions)

    def hvp(function, x, v):
        return torch.func.jvp(torch.func.grad(function), (x,), (v,))[1]

    theirs = gpu_bench.Library("torch", torch, torch.tensor, torch.func.grad, hvp, lambda x: x)
    return [ours, compiled, theirs]


@pytest.mark.filterwarnings("ignore::DeprecationWarning")
def test_every_row_agrees_and_is_written(tmp_path, capsys, monkeypatch):
    report = gpu_bench.Report()
    small = {(8, 16, 16, 1): 4, (5, 4, 3): 6}
    monkeypatch.setattr(gpu_bench, "NETWORKS", tuple(small.items()))
    monkeypatch.setattr(gpu_bench, "SMALL", 100)
    monkeypatch.setattr(gpu_bench, "STEPS", 5)
    gpu_bench.run_all(gpu_bench.Bench(libraries(), 0.01, report), 200)
    assert len(report.rows) == 9
    for row in report.rows:
        assert set(row.values) == {"fxad", "fxad jit", "torch"}
        assert row.figure == pytest.approx(row.values["fxad"] / row.values["torch"])
    markdown, json = report.write(tmp_path, "somewhere")
    assert "Hessian-vector product of an MLP 5-4-3, batch 6" in markdown.read_text()
    assert json.exists()
    assert capsys.readouterr().err == ""


def test_other_numbers_fail_their_row_alone(capsys):
    ours, _, theirs = libraries()
    saved = []
    bench = gpu_bench.Bench([ours, theirs], 0.01, gpu_bench.Report(), save=lambda: saved.append(1))
    bench.run("wrong", lambda lib: lambda: np.ones(2) * (1 + (lib.name == "torch")), 1e-3)
    bench.run("right", lambda lib: lambda: np.ones(2), 1e-3)
    assert "AssertionError" in capsys.readouterr().err
    assert bench.failures == ["wrong"]
    assert [row.work for row in bench.report.rows] == ["right"]
    assert saved == [1]


def test_no_row_begins_after_the_deadline(capsys):
    bench = gpu_bench.Bench(libraries()[:1], 0.01, gpu_bench.Report(), deadline=0.0)
    bench.run("late", lambda lib: lambda: np.ones(2), 1e-3)
    assert bench.failures == ["late"]
    assert "the time was up" in capsys.readouterr().err


@pytest.mark.skipif(NO_GPU is None, reason="this machine has a GPU")
def test_without_a_gpu_it_says_so_and_exits_with_2():
    command = [sys.executable, "-m", "benchmarks.gpu_bench"]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout) == (2, "gpu_bench: CuPy finds no GPU\n")
