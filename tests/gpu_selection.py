"""A pytest plugin: leaves out the tests that a GPU does not concern."""

import re
from pathlib import Path

import pytest

_CONCERNED = re.compile(r"mark\.gpu|def test_\w+\([^)]*\bxp\b")


def pytest_ignore_collect(collection_path: Path) -> bool | None:
    """Spares the import of files that have no such test."""
    if collection_path.suffix != ".py" or not collection_path.name.startswith("test_"):
        return None
    return None if _CONCERNED.search(collection_path.read_text(encoding="utf-8")) else True


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Deselects what is neither marked ``gpu`` nor takes its arrays from the fixture ``xp``."""
    kept, others = [], []
    for item in items:
        concerned = item.get_closest_marker("gpu") or "xp" in getattr(item, "fixturenames", ())
        (kept if concerned else others).append(item)
    config.hook.pytest_deselected(items=others)
    items[:] = kept
