"""Each recipe of CONTRIBUTING.md, followed to the letter in a copy of the package."""

import importlib.util
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from tests.documents import ROOT, Block, blocks
from tests.test_architecture import CHECKS, read_house, too_long

STEPS = [block for block in blocks(ROOT / "CONTRIBUTING.md") if block.language != "sh"]
RECIPES = list(dict.fromkeys(block.heading for block in STEPS))


def change(text: str, diff: str) -> str:
    """Applies one hunk: its context and removed lines must stand in the text exactly once."""
    lines = diff.splitlines(keepends=True)
    old = "".join(line.removeprefix(line[0].strip("\n")) for line in lines if line[0] in " -\n")
    new = "".join(line.removeprefix(line[0].strip("\n")) for line in lines if line[0] in " +\n")
    assert text.count(old) == 1, f"{text.count(old)} places for:\n{old}"
    return text.replace(old, new)


def run(*command: object, root: Path) -> subprocess.CompletedProcess[str]:
    """Runs a command in the copy, which is what ``import fxad`` means there."""
    environment = os.environ | {"PYTHONPATH": str(root)}
    return subprocess.run(
        [sys.executable, *map(str, command)],
        cwd=root,
        env=environment,
        capture_output=True,
        text=True,
        check=False,
    )


def follow(block: Block, root: Path) -> None:
    """Does what the line above a block says with it."""
    lead = re.fullmatch(r"(Create|Append to|In|Check)\b[^`]*(?:`([^`]+)`)?.*:", block.lead)
    assert lead, f"CONTRIBUTING.md:{block.line}: no step: {block.lead!r}"
    if lead[1] == "Check":
        done = run("-W", "error", "-c", block.text, root=root)
        assert done.returncode == 0, f"CONTRIBUTING.md:{block.line}:\n{done.stdout}{done.stderr}"
        return
    path = root / lead[2]
    if lead[1] == "Create":
        assert not path.exists()
        path.write_text(block.text, encoding="utf-8")
    elif lead[1] == "Append to":
        path.write_text(f"{path.read_text(encoding='utf-8')}\n\n{block.text}", encoding="utf-8")
    else:
        path.write_text(change(path.read_text(encoding="utf-8"), block.text), encoding="utf-8")


@pytest.mark.parametrize("recipe", RECIPES)
def test_recipe(recipe, tmp_path):
    for folder in ("fxad", "kernels", "tests"):
        ignored = shutil.ignore_patterns("__pycache__")
        shutil.copytree(ROOT / folder, tmp_path / folder, ignore=ignored)
    shutil.copy(ROOT / "pyproject.toml", tmp_path)
    steps = [block for block in STEPS if block.heading == recipe]
    for block in steps:
        follow(block, tmp_path)
    leads = "\n".join(block.lead for block in steps)
    assert leads.rpartition("\n")[2].startswith("Check")
    created = [tmp_path / path for path in re.findall(r"^Create `(.*\.py)`", leads, re.MULTILINE)]
    if created and importlib.util.find_spec("ruff"):
        done = run("-m", "ruff", "check", "--no-cache", *created, root=tmp_path)
        assert done.returncode == 0, done.stdout
    house = read_house(tmp_path)  # an appended example may make a file longer than it should be
    found = [problem for check in CHECKS if check is not too_long for problem in check(house)]
    assert not found, "\n".join(found)


def test_there_is_a_recipe_for_every_room():
    assert RECIPES == [
        "A primitive",
        "A transform",
        "A backend",
        "A pass",
        "A kernel",
        "A NumPy function",
    ]
