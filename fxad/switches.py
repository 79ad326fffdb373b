"""The settings most often changed for one block, as context managers under JAX's names."""

from __future__ import annotations

from contextlib import AbstractContextManager

import fxad.config as config

__all__ = [
    "check_tracer_leaks",
    "checking_leaks",
    "debug_infs",
    "debug_nans",
    "default_device",
    "disable_jit",
    "enable_x64",
    "explain_cache_misses",
    "log_compiles",
    "safe_where",
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


def safe_where(safe: bool = True) -> AbstractContextManager[None]:
    """Keep the branch that a ``where`` does not take from making its derivative NaN.

    The branch not taken gets a cotangent of zero, and zero times an infinite slope is NaN by the
    rules of floating point. Where a function is differentiated inside this block, zero stays zero:

    - In reverse mode the cotangent of an elementwise operation's result, times the slope by an
      operand, is 0 where the cotangent is exactly 0, be the slope infinite or NaN. In forward
      mode so is an operand's tangent times the slope. Derivatives of such products, to any order,
      are those of a function that is constant where the tangent is zero.
    - Everything else is as ever: an infinite cotangent times a slope of 0 is NaN, and matrix
      products, sums and rules of the user's own multiply as they say.
    - NumPy warns of an infinite slope, as ``np.errstate`` says, only where what it multiplies is
      not zero.

    What has been recorded or traced inside keeps the law: a pullback, a jitted program. Values
    do not change, nor do derivatives where all slopes are finite.

    Args:
        safe: False turns it off inside an outer ``safe_where``.

    Returns:
        A context manager for this thread.

    Example:
        >>> import numpy as np, fxad
        >>> f = lambda x: np.sum(np.where(x > 0, np.sqrt(x), 0.0))
        >>> with fxad.safe_where():
        ...     fxad.grad(f)(np.array([0.0, 4.0])).tolist()
        [0.0, 0.25]
    """
    return config.override(safe_where=safe)


def debug_nans(debug: bool = True) -> AbstractContextManager[None]:
    """Raise at the operation that makes a NaN, forward or backward, and say how it came about.

    The message names the operation, the user's line (in the backward pass that of the operation
    whose derivative it was), the ranges of its operands, and where a ``where`` did not keep an
    infinite slope out, how to write it. It blames the operation that made the NaN, not those that
    pass it on; if it came in with an argument, it says so. Functions run operation by operation,
    and their results are checked one by one: for looking, not for training.

    It sees fxad's functions everywhere, and all that transformed functions do with what they are
    given. What plain NumPy does to plain arrays outside of them it does not: that is
    ``np.errstate(invalid="raise")``.

    Args:
        debug: False turns it off inside an outer ``debug_nans``.

    Returns:
        A context manager for this thread.

    Example:
        >>> import numpy as np, fxad
        >>> with fxad.debug_nans():
        ...     fxad.grad(lambda x: x / x)(0.0)
        Traceback (most recent call last):
          ...
        fxad.errors.NonFiniteError: [div] invalid value (nan) encountered in div: ...
    """
    return config.override(debug_nans=debug)


def debug_infs(debug: bool = True) -> AbstractContextManager[None]:
    """Raise at the operation that makes an infinity, as ``debug_nans`` does for a NaN.

    An infinity that an operand has already (a mask of ``-inf``, say) is passed on without an error.

    Args:
        debug: False turns it off inside an outer ``debug_infs``.

    Returns:
        A context manager for this thread.

    Example:
        >>> import fxad, fxad.numpy as fnp
        >>> with fxad.debug_infs():
        ...     fnp.exp(1000.0)
        Traceback (most recent call last):
          ...
        fxad.errors.NonFiniteError: [exp] invalid value (inf) encountered in exp: ...
    """
    return config.override(debug_infs=debug)
