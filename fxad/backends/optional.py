"""The one place where optional modules (SciPy, CuPy, llvmlite, ...) are imported, at first use."""

import functools
import importlib
import importlib.util
from typing import Any

from fxad.errors import MissingDependencyError


def optional(name: str, purpose: str, package: str | None = None) -> Any:
    """The module `name`, or an error that says what `purpose` needs and how to install it."""
    try:
        return importlib.import_module(name)
    except MissingDependencyError:  # from a module of ours, which says it better
        raise
    except ImportError as error:
        wanted = package or name.partition(".")[0]
        reason = str(error).partition("\n")[0]
        raise MissingDependencyError(
            f"[{purpose}] needs {wanted}, which could not be imported ({reason}); "
            f"install it with `pip install {wanted.partition(' ')[0]}`"
        ) from error


@functools.cache
def installed(name: str) -> bool:
    """Whether `name` can be found, without importing it."""
    try:
        return importlib.util.find_spec(name) is not None
    except ModuleNotFoundError:  # a parent package is missing
        return False
