"""The settings most often changed for one block, as context managers under JAX's names."""

from __future__ import annotations

from contextlib import AbstractContextManager

import fxad.config as config

__all__ = [
    "check_tracer_leaks",
    "checking_leaks",
    "default_device",
    "disable_jit",
    "enable_x64",
    "explain_cache_misses",
    "log_compiles",
]


def disable_jit(disable: bool = True) -> AbstractContextManager[None]:
    """Run the Python functions behind ``jit`` as they are, operation by operation.

    Args:
        disable: False turns ``jit`` on again inside an outer ``disable_jit``.

    Returns:
        A context manager for this thread.

    Example:
        >>> from fxad import config, switches
        >>> with switches.disable_jit():
        ...     print(config.disable_jit)
        True
    """
    return config.override(disable_jit=disable)


def checking_leaks(check: bool = True) -> AbstractContextManager[None]:
    """Raise where a transform ends and one of its tracers is still referred to.

    Args:
        check: False turns the check off inside an outer ``checking_leaks``.

    Returns:
        A context manager for this thread.

    Example:
        >>> from fxad import config, switches
        >>> with switches.checking_leaks():
        ...     print(config.checking_leaks)
        True
    """
    return config.override(checking_leaks=check)


check_tracer_leaks = checking_leaks


def default_device(device: object) -> AbstractContextManager[None]:
    """Make new arrays on a device.

    Args:
        device: 'cpu', 'gpu', 'gpu:N', a device object, or None for the default backend's own.

    Returns:
        A context manager for this thread.

    Raises:
        ConfigError: there is no such kind of device.

    Example:
        >>> from fxad import config, switches
        >>> with switches.default_device("cpu"):
        ...     print(config.default_device)
        cpu
    """
    return config.override(default_device=device)


def enable_x64(enable: bool = True) -> AbstractContextManager[None]:
    """Make float64 (or, with False, float32) the dtype of new floating-point arrays.

    Unlike JAX's, it never narrows an array that has a dtype: float64 data stays float64.

    Args:
        enable: whether the default is float64.

    Returns:
        A context manager for this thread.

    Example:
        >>> from fxad import config, switches
        >>> with switches.enable_x64(False):
        ...     print(config.default_float)
        float32
    """
    return config.override(default_float="float64" if enable else "float32")


def log_compiles(log: bool = True) -> AbstractContextManager[None]:
    """Log what ``jit`` traces and compiles, for which shapes and dtypes, and how long it takes.

    The messages are warnings of ``logging.getLogger("fxad")``.

    Args:
        log: False turns the messages off inside an outer ``log_compiles``.

    Returns:
        A context manager for this thread.

    Example:
        >>> from fxad import config, switches
        >>> with switches.log_compiles():
        ...     print(config.log_compiles)
        True
    """
    return config.override(log_compiles=log)


def explain_cache_misses(explain: bool = True) -> AbstractContextManager[None]:
    """Log why ``jit`` traces a function that it has traced before.

    A message compares the call with the nearest known signature: which argument differs in shape,
    dtype or weak type, which static argument in its value, whether the tree, an axis or a setting
    does, or whether the function object is new. It is a warning of ``logging.getLogger("fxad")``.

    Args:
        explain: False turns the messages off inside an outer ``explain_cache_misses``.

    Returns:
        A context manager for this thread.

    Example:
        >>> from fxad import config, switches
        >>> with switches.explain_cache_misses():
        ...     print(config.explain_cache_misses)
        True
    """
    return config.override(explain_cache_misses=explain)
