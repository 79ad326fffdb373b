"""What the documents say is true: docstrings exist, their examples run, README's snippets too."""

import doctest
import importlib
import inspect
import re
import subprocess

import pytest

from tests.documents import ROOT, blocks, modules, run_python

PUBLIC = (
    "fxad",
    "fxad.ad_checkpoint",
    "fxad.custom_batching",
    "fxad.custom_derivatives",
    "fxad.extend",
    "fxad.implicit",
    "fxad.lax",
    "fxad.numpy",
    "fxad.random",
)


def public() -> dict[str, object]:
    """The public names that have a docstring of their own: no constants, nothing of NumPy's."""
    found = {}
    for namespace in map(importlib.import_module, PUBLIC):
        for name in namespace.__all__:
            value = getattr(namespace, name)
            ours = getattr(value, "__module__", "fxad").startswith("fxad")
            if ours and not isinstance(value, int | float | complex | str | None):
                found[f"{namespace.__name__}.{name}"] = value
    return found


PUBLIC_NAMES = public()


def examples() -> list[doctest.DocTest]:
    """Every docstring with an example, once; also of functions that builders made."""
    finder = doctest.DocTestFinder()
    tests = [test for module in modules() for test in finder.find(module)]
    for name, value in PUBLIC_NAMES.items():
        if not inspect.ismodule(value):
            tests += finder.find(value, name, module=False, globs={})
    once = {test.docstring: test for test in reversed(tests) if test.examples}
    return sorted(once.values(), key=lambda test: test.name)


def parameters(value: object) -> list[str]:
    """The names that a function's docstring has to explain."""
    return list(inspect.signature(value).parameters) if inspect.isfunction(value) else []


@pytest.mark.parametrize("name", list(PUBLIC_NAMES))
def test_public_names_say_what_they_are(name):
    value = PUBLIC_NAMES[name]
    text = inspect.getdoc(value) or ""
    assert re.match(r"\S.*[.:]$", text, re.MULTILINE), f"no summary: {text[:80]!r}"
    if not inspect.ismodule(value):
        assert ">>> " in text, "no example"
    if parameters(value):
        assert re.search(r"^Args:$", text, re.MULTILINE), "no Args"


@pytest.mark.parametrize("example", examples(), ids=lambda test: test.name)
def test_docstring_examples_run(example, request):
    flags = 0
    for name in request.config.getini("doctest_optionflags"):
        flags |= doctest.OPTIONFLAGS_BY_NAME[name]
    report: list[str] = []
    runner = doctest.DocTestRunner(optionflags=flags)
    failed = runner.run(example, out=report.append, clear_globs=False).failed
    assert not failed, "".join(report)


@pytest.mark.parametrize("document", ["README.md", "examples/DEBUGGING.md", "examples/LOOPS.md"])
def test_snippets_of_documents_run(document, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    run_python(ROOT / document)


def test_ci_runs_the_test_command_of_readme():
    script = (ROOT / ".ci" / "run").read_text(encoding="utf-8")
    (extract,) = re.findall(r"^command=\$\((.*)\)$", script, re.MULTILINE)
    command = subprocess.run(
        ["bash", "-c", extract], cwd=ROOT, capture_output=True, text=True, check=True
    ).stdout.strip()
    (block,) = (b for b in blocks(ROOT / "README.md") if b.lead == "<!-- tests -->")
    assert command == block.text.strip()
    assert command.endswith("python -m pytest -n auto")
