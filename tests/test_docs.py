"""What the documents say is true: docstrings exist, their examples run, README's snippets too."""

import contextlib
import doctest
import importlib
import inspect
import pkgutil
import re
import subprocess
from types import ModuleType

import pytest

import fxad
from fxad.errors import MissingDependencyError
from tests.documents import ROOT, blocks, run_python

PUBLIC = ("fxad", "fxad.lax", "fxad.numpy", "fxad.random")


def modules() -> list[ModuleType]:
    found = [fxad]
    for info in pkgutil.walk_packages(fxad.__path__, "fxad."):
        if not info.name.endswith("__main__"):
            with contextlib.suppress(MissingDependencyError):  # backends.cupy without CuPy
                found.append(importlib.import_module(info.name))
    return found


def public() -> list[tuple[str, object]]:
    """The public names with the objects that have a docstring to hold: no constants, no aliases."""
    found = []
    for namespace in map(importlib.import_module, PUBLIC):
        for name in namespace.__all__:
            value = getattr(namespace, name)
            ours = getattr(value, "__module__", "fxad").startswith("fxad")
            if ours and not isinstance(value, int | float | complex | str | None):
                found.append((f"{namespace.__name__}.{name}", value))
    return found


def examples() -> list[doctest.DocTest]:
    """Every docstring with an example, once; also of functions that builders made."""
    finder = doctest.DocTestFinder()
    tests = [test for module in modules() for test in finder.find(module)]
    for name, value in public():
        if not inspect.ismodule(value):
            tests += finder.find(value, name, module=False, globs={})
    once = {test.docstring: test for test in reversed(tests) if test.examples}
    return sorted(once.values(), key=lambda test: test.name)


@pytest.mark.parametrize(
    ("name", "value"), public(), ids=lambda value: value if isinstance(value, str) else ""
)
def test_public_names_have_a_docstring(name, value):
    text = inspect.getdoc(value) or ""
    assert re.match(r"\S.*[.:]$", text, re.MULTILINE), f"{name}: {text[:80]!r}"


@pytest.mark.parametrize("example", examples(), ids=lambda test: test.name)
def test_docstring_examples_run(example, request):
    flags = 0
    for name in request.config.getini("doctest_optionflags"):
        flags |= doctest.OPTIONFLAGS_BY_NAME[name]
    report: list[str] = []
    runner = doctest.DocTestRunner(optionflags=flags)
    failed = runner.run(example, out=report.append, clear_globs=False).failed
    assert not failed, "".join(report)


def test_readme_snippets_run(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    run_python(ROOT / "README.md")


def test_ci_runs_the_test_command_of_readme():
    script = (ROOT / ".ci" / "run").read_text(encoding="utf-8")
    (extract,) = re.findall(r"^command=\$\((.*)\)$", script, re.MULTILINE)
    command = subprocess.run(
        ["bash", "-c", extract], cwd=ROOT, capture_output=True, text=True, check=True
    ).stdout.strip()
    (block,) = (b for b in blocks(ROOT / "README.md") if b.lead == "<!-- tests -->")
    assert command == block.text.strip()
    assert command.endswith("python -m pytest -n auto")
