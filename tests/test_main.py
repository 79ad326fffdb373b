"""``python -m fxad``: the report holds what a bug report needs."""

import os
import re
import subprocess
import sys
from pathlib import Path

import numpy as np

import fxad
from fxad import config

ROOT = Path(__file__).parents[1]


def report(**environment: str) -> str:
    command = [sys.executable, "-W", "error", "-m", "fxad"]
    return subprocess.run(
        command, cwd=ROOT, env=os.environ | environment, capture_output=True, text=True, check=True
    ).stdout


def rows(text: str) -> dict[str, str]:
    return dict(re.findall(r"^  (\S.*?)  +(\S.*)$", text, re.MULTILINE))


def test_the_report_names_versions_backends_caches_and_settings(tmp_path):
    (tmp_path / "kernel.cubin").write_bytes(bytes(3072))
    text = report(FXAD_CACHE_DIR=str(tmp_path), FXAD_BACKEND="numpy", FXAD_STRICT_DEVICES="1")
    assert re.findall(r"^\w+$", text, re.MULTILINE) == [
        "versions",
        "backends",
        "caches",
        "settings",
    ]
    found = rows(text)
    assert found["fxad"] == fxad.__version__
    assert found["numpy"] == np.__version__
    assert found["numpy (default)"].startswith("cpu:0")
    assert "cupy" in found
    assert found["compiled code"] == f"{tmp_path}: 1 files, 3 KiB"
    assert found["backend"] == "numpy (environment FXAD_BACKEND; FXAD_BACKEND)"
    assert found["strict_devices"].startswith("True (environment")
    assert {state.name for state in config.settings()} <= found.keys()


def test_a_wrong_setting_is_named():
    done = subprocess.run(
        [sys.executable, "-m", "fxad"],
        cwd=ROOT,
        env=os.environ | {"FXAD_BACKEND": "torch"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode != 0
    assert "FXAD_BACKEND got 'torch'" in done.stderr


def test_the_version_is_that_of_the_package():
    text = (ROOT / "pyproject.toml").read_text(encoding="utf-8")
    assert f'\nversion = "{fxad.__version__}"\n' in text
