"""The examples run, in short form, and their numbers hold against independent ones."""

import os
import runpy
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

import fxad

EXAMPLES = Path(__file__).parent.parent / "examples"

for needed in ("sklearn", "scipy", "matplotlib", "tqdm"):
    pytest.importorskip(needed, reason=f"the examples need {needed}")


@pytest.fixture(scope="module")
def digits():
    return runpy.run_path(str(EXAMPLES / "train_digits.py"))


@pytest.fixture(scope="module")
def trained(digits, tmp_path_factory):
    """One short run of the main job: its folder and its numbers."""
    folder = tmp_path_factory.mktemp("digits") / "deep" / "er"
    return folder, digits["main"](["--epochs", "12", "--seed", "3", "--out", str(folder)])


def test_digits_are_learned(trained):
    _, found = trained
    assert found["accuracy"] >= 0.96
    assert len(found["losses"]) == 12 * (1437 // 32)
    assert np.mean(found["losses"][-44:]) < 0.05 < 1.5 < found["losses"][0] < 4


def test_saved_weights_give_the_same_accuracy(trained, digits):
    folder, found = trained
    assert found["loaded_accuracy"] == found["accuracy"]
    weights = np.load(folder / "weights.npz")
    assert {name: weights[name].shape for name in sorted(weights)} == {
        "bias0": (64,), "bias1": (10,), "weight0": (64, 64), "weight1": (64, 10)}
    assert all(weights[name].dtype == np.float32 for name in weights)
    _, x_test, _, labels = map(fxad.device_get, digits["load_data"]())
    hidden = np.tanh(x_test @ weights["weight0"] + weights["bias0"])
    predicted = np.argmax(hidden @ weights["weight1"] + weights["bias1"], axis=1)
    assert np.mean(predicted == labels) == pytest.approx(found["accuracy"], abs=1e-9)


def test_trace_against_its_closed_form(trained, digits):
    """Of softmax regression on the hidden features h: the mean of (1 - |p|²) (1 + |h|²)."""
    folder, found = trained
    weights = {name: array.astype(np.float64)
               for name, array in np.load(folder / "weights.npz").items()}
    x = fxad.device_get(digits["load_data"]()[0]).astype(np.float64)
    hidden = np.tanh(x @ weights["weight0"] + weights["bias0"])
    z = np.exp(hidden @ weights["weight1"] + weights["bias1"])
    p = z / z.sum(axis=1, keepdims=True)
    trace = np.mean((1 - np.sum(p**2, axis=1)) * (1 + np.sum(hidden**2, axis=1)))
    assert found["exact_trace"] == pytest.approx(trace, rel=1e-9)
    assert 0 < found["trace_error"] < 0.2 * trace
    assert abs(found["trace"] - trace) < 4 * found["trace_error"]


def test_spectrum(trained):
    _, found = trained
    block, whole = found["last_layer_eigenvalues"], found["leading_eigenvalues"]
    assert block.sum() == pytest.approx(found["exact_trace"], rel=1e-9)
    assert block.min() > -1e-10 * block.max()  # the loss is convex in the last layer
    assert found["residual"] < 1e-8 * whole[0]
    assert np.all(whole >= block[: len(whole)] * (1 - 1e-9))  # Cauchy's interlacing


def test_picture(trained):
    folder, _ = trained
    assert (folder / "digits.png").read_bytes().startswith(b"\x89PNG")
    assert (folder / "digits.png").stat().st_size > 20_000


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--epochs", "0"], "got '0', wanted a whole number >= 1"),
        (["--epochs", "many"], "got 'many', wanted a whole number >= 1"),
        (["--seed", "-1"], "got '-1', wanted a whole number >= 0"),
        (["--backend", "tpu"], "invalid choice: 'tpu'"),
        (["--out", __file__], "File exists"),
    ],
)
def test_bad_options_are_refused(digits, capsys, arguments, message):
    with pytest.raises(SystemExit) as stop:
        digits["main"](arguments)
    assert stop.value.code == 2
    assert message in capsys.readouterr().err


def test_cupy_without_a_gpu_is_refused(tmp_path):
    """In a process of its own: the choice of a backend holds for all of one."""
    done = run("train_digits.py", "--backend", "cupy", "--out", str(tmp_path))
    assert done.returncode == 2
    assert "error:" in done.stderr
    assert "cupy" in done.stderr.lower()
    assert "Traceback" not in done.stderr


def run(name, *arguments):
    """An example in a process without a GPU, from this checkout whether it is installed or not."""
    path = os.pathsep.join(filter(None, [str(EXAMPLES.parent), os.environ.get("PYTHONPATH")]))
    environment = os.environ | {"CUDA_VISIBLE_DEVICES": "-1", "PYTHONPATH": path}
    return subprocess.run([sys.executable, str(EXAMPLES / name), *arguments], cwd=EXAMPLES.parent,
                          capture_output=True, text=True, env=environment, check=False)


EXAMPLE_FILES = sorted(path.name for path in EXAMPLES.glob("*.py"))


@pytest.mark.parametrize("name", EXAMPLE_FILES)
def test_help(name):
    done = run(name, "--help")
    assert done.returncode == 0
    assert f"python examples/{name}" in done.stdout


def test_grad_of_grad():
    main = runpy.run_path(str(EXAMPLES / "grad_of_grad.py"))["main"]
    rows, nested, by_hvp = main(["--order", "5", "--at", "1.25"])
    assert [order for order, *_ in rows] == list(range(6))
    assert all(error < 1e-12 for *_, error in rows)
    np.testing.assert_allclose(nested, by_hvp, rtol=1e-12)
    assert np.linalg.norm(nested) > 0.1


def test_hutchinson():
    main = runpy.run_path(str(EXAMPLES / "hutchinson.py"))["main"]
    found = main(["--probes", "512", "--seed", "2"])
    count, trace, error = found["estimates"][-1]
    assert count == 512
    assert found["gradient_norm"] < 1e-12
    assert 0 < error < 0.05 * found["trace"]
    assert abs(trace - found["trace"]) < 4 * error
    off = np.abs(found["diagonal"] - found["exact_diagonal"]) / found["diagonal_error"]
    assert off.max() < 4.5
    with pytest.raises(SystemExit):
        main(["--probes", "1"])


def test_extend_scipy():
    main = runpy.run_path(str(EXAMPLES / "extend_scipy.py"))["main"]
    found = main(["--size", "2", "--seed", "1"])
    assert np.abs(found["residual"]).max() < 1e-14
    assert found["fourth"] < 1e-12
    assert found["fit"] < 1e-10
    with pytest.raises(SystemExit):
        main(["--size", "0"])


def test_extend_rawkernel():
    """Its kernels themselves are run by the emulator in test_extend.py."""
    main = runpy.run_path(str(EXAMPLES / "extend_rawkernel.py"))["main"]
    found = main(["--size", "16"])
    x = np.linspace(-3, 3, 5)
    soft = np.log1p(np.exp(x))
    wanted = np.tanh(soft) + x * (1 - np.tanh(soft) ** 2) / (1 + np.exp(-x))
    np.testing.assert_allclose(found["slopes"], wanted, rtol=1e-5)
    assert found["found"] == found["truth"] == (5, 8)
    with pytest.raises(SystemExit):
        main(["--size", "2"])
