"""A pytest plugin: leaves out the tests that a GPU does not concern."""

import pytest


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Deselects what is neither marked ``gpu`` nor takes its arrays from the fixture ``xp``."""
    kept, others = [], []
    for item in items:
        concerned = item.get_closest_marker("gpu") or "xp" in getattr(item, "fixturenames", ())
        (kept if concerned else others).append(item)
    config.hook.pytest_deselected(items=others)
    items[:] = kept
