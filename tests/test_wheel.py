"""The wheel alone is enough: built, installed in an empty environment, and run from there."""

import importlib.metadata
import json
import subprocess
import sys
import tarfile
import tomllib
import venv
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]

SCRIPT = """
import json, sys
import fxad, fxad.numpy as fnp
from fxad.backends import nvrtc
print(json.dumps({
    "file": fxad.__file__,
    "version": fxad.__version__,
    "hessian": float(fxad.grad(fxad.grad(lambda x: fnp.sin(x) * x))(0.0)),
    "kernels": sorted(path.name for path in nvrtc.kernel_folder().rglob("*") if path.is_file()),
    "folder": str(nvrtc.kernel_folder()),
    "modules": sorted({name.partition(".")[0] for name in sys.modules}),
}))
"""


def run(*command: object, cwd: Path) -> str:
    done = subprocess.run(
        [str(part) for part in command], cwd=cwd, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The wheel that the source distribution builds."""
    for module in ("hatchling", "pip"):
        pytest.importorskip(module, reason=f"building the wheel needs {module}")
    folder = tmp_path_factory.mktemp("wheel")
    hatchling = (sys.executable, "-m", "hatchling", "build", "-d", folder)
    run(*hatchling, "-t", "sdist", cwd=ROOT)
    (archive,) = folder.glob("fxad-*.tar.gz")
    with tarfile.open(archive) as sources:
        sources.extractall(folder, filter="data")
    run(*hatchling, "-t", "wheel", cwd=folder / archive.name.removesuffix(".tar.gz"))
    (wheel,) = folder.glob("fxad-*.whl")
    return wheel


@pytest.fixture(scope="module")
def python(wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An environment that holds NumPy and the wheel, and nothing else."""
    folder = tmp_path_factory.mktemp("environment")
    venv.create(folder, with_pip=False, symlinks=True)
    (packages,) = folder.glob("lib/python*/site-packages")
    numpy = importlib.metadata.distribution("numpy")
    source = Path(str(numpy.locate_file("")))
    for path in source.glob("numpy*"):
        if path.name in ("numpy", "numpy.libs") or path.name.startswith("numpy-"):
            (packages / path.name).symlink_to(path)
    python = folder / "bin" / "python"
    # With no index, pip stops here if the wheel required anything but NumPy.
    run(sys.executable, "-m", "pip", "--python", python, "install", "--no-index", wheel, cwd=folder)
    return python


def test_an_empty_environment_runs_it(python, tmp_path):
    seen = json.loads(run(python, "-I", "-W", "error", "-c", SCRIPT, cwd=tmp_path))
    assert Path(seen["file"]).is_relative_to(python.parents[1])
    assert Path(seen["folder"]).parts[-2:] == ("fxad", "_kernels")
    assert seen["version"] == PROJECT["version"]
    assert seen["hessian"] == 2.0
    ours = [path.name for path in (ROOT / "kernels").rglob("*") if path.is_file()]
    assert ours
    assert seen["kernels"] == sorted(ours)
    assert not {"cupy", "jax", "llvmlite", "scipy"} & set(seen["modules"])


def test_it_tells_type_checkers_that_it_is_typed(python):
    assert list(python.parents[1].glob("lib/python*/site-packages/fxad/py.typed"))


def test_it_requires_numpy_alone():
    assert PROJECT["dependencies"] == ["numpy>=2"]
