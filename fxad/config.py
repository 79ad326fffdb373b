"""The settings of fxad: one registry, read as attributes, changed by call, context or environment.

``config.default_float`` reads a setting, ``config.update("default_float", "float32")`` changes it
for the process, ``with config.override(default_float="float32"):`` changes it for this thread (and
the tasks started in it) until the block ends, and ``FXAD_DEFAULT_FLOAT=float32`` sets it at import.

A setting is a plain attribute of this module while nothing overrides it, so reading one costs an
attribute lookup. While some thread overrides it the attribute is taken away and the module's
``__getattr__`` finds the value that holds for the reader.
"""

from __future__ import annotations

import difflib
import os
import re
import sys
import threading
from collections.abc import Callable, Generator, Mapping
from contextlib import contextmanager
from contextvars import ContextVar
from types import ModuleType
from typing import Any, NamedTuple

import numpy as np

from fxad.errors import ConfigError

__all__ = ["Setting", "SettingState", "on_switch", "override", "settings", "trace_key", "update"]

# The settings as a type checker sees them; the values live in the module's dictionary.
backend: str
default_float: np.dtype[Any]
default_device: str | None
strict_devices: bool
strict_gpu: bool
disable_jit: bool
check_mutation: bool
checking_leaks: bool
check_jaxprs: bool
log_compiles: bool
explain_cache_misses: bool
traceback_filtering: str
safe_where: bool
debug_nans: bool
debug_infs: bool
# What follows from them.
op_by_op: bool
numpy_as_is: bool


class Setting(NamedTuple):
    """One setting: its name, what it may be, what it is at first, and what it does."""

    name: str
    default: Any
    permitted: str
    parse: Callable[[Any], Any]
    doc: str
    traced: bool = False

    @property
    def variable(self) -> str:
        """The environment variable that sets it at import."""
        return f"FXAD_{self.name.upper()}"

    def validate(self, value: object, source: str) -> Any:
        """The value in its normal form, or a ConfigError that names what is permitted."""
        try:
            return self.parse(value)
        except (TypeError, ValueError):
            raise ConfigError(
                f"[config] {source} got {value!r} for the setting {self.name}: "
                f"permitted are {self.permitted}."
            ) from None


class SettingState(NamedTuple):
    """What ``settings()`` says of one setting: the value now, and who set it."""

    name: str
    value: Any
    default: Any
    source: str
    permitted: str
    variable: str
    doc: str


_WORDS = {"1": True, "true": True, "yes": True, "on": True}
_WORDS |= {"0": False, "false": False, "no": False, "off": False}


def _boolean(value: Any) -> bool:
    if isinstance(value, (bool, np.bool_)):
        return bool(value)
    if isinstance(value, (str, int)) and str(value).strip().lower() in _WORDS:
        return _WORDS[str(value).strip().lower()]
    raise ValueError(value)


def _choice(*names: str) -> Callable[[Any], str]:
    def parse(value: Any) -> str:
        name = value.strip().lower() if isinstance(value, str) else None
        if name not in names:
            raise ValueError(value)
        return name

    return parse


def _float_dtype(value: Any) -> np.dtype[Any]:
    if value is None:
        raise ValueError(value)
    dtype = np.dtype(value.strip() if isinstance(value, str) else value)
    if dtype not in (np.float16, np.float32, np.float64) or not dtype.isnative:
        raise ValueError(value)
    return dtype


def _device(value: Any) -> str | None:
    """'cpu', 'gpu' or 'gpu:N'; a device object is named by its platform and id."""
    if value is None:
        return None
    if not isinstance(value, str):
        if not isinstance(getattr(value, "id", None), int):
            raise TypeError(value)
        value = f"{getattr(value, 'platform', 'gpu')}:{value.id}"
    name = value.strip().lower()
    if name == "none":
        return None
    match = re.fullmatch(r"(?:(cpu)(?::0)?|(?:gpu|cuda)(:\d+)?)", name)
    if match is None:
        raise ValueError(value)
    return match[1] or f"gpu{match[2] or ''}"


_YES_NO = "True and False (in the environment 1, true, yes, on and 0, false, no, off)"


def _switch(name: str, doc: str, *, traced: bool = False) -> Setting:
    return Setting(name, False, _YES_NO, _boolean, doc, traced)


_REGISTRY: dict[str, Setting] = {
    setting.name: setting
    for setting in (
        Setting(
            "backend",
            "auto",
            "'auto', 'numpy' and 'cupy'",
            _choice("auto", "numpy", "cupy"),
            "where new arrays go; 'auto' is CuPy where a GPU is there, else NumPy",
            traced=True,
        ),
        Setting(
            "default_float",
            np.dtype(np.float64),
            "float16, float32 and float64",
            _float_dtype,
            "the dtype of new floating-point arrays that are given none",
            traced=True,
        ),
        Setting(
            "default_device",
            None,
            "None, 'cpu', 'gpu', 'gpu:N' ('cuda' means 'gpu') and device objects",
            _device,
            "the device of new arrays; None leaves it to the default backend",
            traced=True,
        ),
        _switch(
            "strict_devices",
            "operands on different devices are an error instead of a transfer",
            traced=True,
        ),
        _switch(
            "strict_gpu",
            "an operation without a GPU path is an error instead of a warning given once",
            traced=True,
        ),
        _switch("disable_jit", "jit runs the Python function itself, operation by operation"),
        _switch(
            "check_mutation",
            "a pullback raises if an array that it keeps was changed in place before it ran",
        ),
        _switch("checking_leaks", "a transform raises if one of its tracers outlives it"),
        _switch("check_jaxprs", "check_jaxpr runs after staging and around every pass"),
        _switch("log_compiles", "jit logs what it traces and compiles, and how long that takes"),
        _switch("explain_cache_misses", "jit logs why it traces a function again"),
        Setting(
            "traceback_filtering",
            "remove_frames",
            "'remove_frames' and 'off'",
            _choice("remove_frames", "off"),
            "whether exceptions that leave a transformation show the library's own frames: "
            "'remove_frames' leaves them out, 'off' shows them",
        ),
        _switch(
            "safe_where",
            "in derivatives a tangent or cotangent of zero stays zero, times an infinity too",
            traced=True,
        ),
        # Traced, as programs then know which lines of the user's their derivatives stand for.
        _switch(
            "debug_nans",
            "the operation that makes a NaN raises, and says how it came about",
            traced=True,
        ),
        _switch("debug_infs", "the operation that makes an infinity raises", traced=True),
    )
}

#: Attributes that follow from settings, so that a hot path asks one question.
_DERIVED: dict[str, tuple[tuple[str, ...], Callable[..., bool]]] = {
    # jit runs the Python function itself.
    "op_by_op": (("disable_jit", "debug_nans", "debug_infs"), lambda *on: any(on)),
    # What the functions of fxad.numpy get without tracers is NumPy's own business.
    "numpy_as_is": (
        ("default_float", "debug_nans", "debug_infs"),
        lambda dtype, *on: dtype == np.float64 and not any(on),
    ),
}


class _Overrides:
    """What one context overrides, and its trace key as of a version of the process's values."""

    def __init__(self, values: Mapping[str, Any]) -> None:
        self.values = values
        self.version = -1
        self.key: tuple[Any, ...] = ()


_lock = threading.Lock()
_local: ContextVar[_Overrides | None] = ContextVar("fxad_config_overrides", default=None)
_values: dict[str, Any] = {}
_sources: dict[str, str] = {}
_override_counts: dict[str, int] = dict.fromkeys(_REGISTRY, 0)
_version = 0
_key: tuple[Any, ...] = ()
_callbacks: list[tuple[tuple[str, ...], Callable[[bool], None]]] = []
_TRACED = tuple(setting.name for setting in _REGISTRY.values() if setting.traced)


#: What settings of JAX are called here.
_NAMES_IN_JAX = {
    "jax_debug_infs": "here it is 'debug_infs'.",
    "jax_debug_nans": "here it is 'debug_nans'.",
    "jax_check_tracer_leaks": "here it is 'checking_leaks'.",
    "jax_default_device": "here it is 'default_device'.",
    "jax_disable_jit": "here it is 'disable_jit'.",
    "jax_enable_checks": "here it is 'check_jaxprs'.",
    "jax_enable_x64": "float64 is the default already; 'default_float' sets another.",
    "jax_explain_cache_misses": "here it is 'explain_cache_misses'.",
    "jax_log_compiles": "here it is 'log_compiles'.",
    "jax_platform_name": "here it is 'backend'.",
    "jax_platforms": "here it is 'backend'.",
    "jax_traceback_filtering": "here it is 'traceback_filtering'.",
}


def _find(name: object, source: str) -> Setting:
    if isinstance(name, str) and name in _REGISTRY:
        return _REGISTRY[name]
    near = difflib.get_close_matches(str(name), _REGISTRY, n=3)
    hint = f"did you mean {' or '.join(near)}?" if near else f"there are {', '.join(_REGISTRY)}."
    hint = _NAMES_IN_JAX.get(str(name), hint)
    raise ConfigError(f"[config] {source} got the unknown setting {name!r}: {hint}")


def _publish(name: str) -> None:
    """Keep the plain attribute in step: there while no context overrides the setting."""
    if _override_counts[name]:
        globals().pop(name, None)
    else:
        globals()[name] = _values[name]
    for derived, (names, follows) in _DERIVED.items():
        if name in names:
            if any(_override_counts[n] for n in names):
                globals().pop(derived, None)
            else:
                globals()[derived] = follows(*map(_values.get, names))
    for names, callback in _callbacks:
        if name in names:
            callback(_possibly_on(names))


def _possibly_on(names: tuple[str, ...]) -> bool:
    return any(_override_counts[n] or _values.get(n) for n in names)


def on_switch(names: tuple[str, ...], callback: Callable[[bool], None]) -> None:
    """Tells, now and at every change, whether some thread may have one of these switches on.

    What only matters then can be put in place then, and costs nothing before.

    Args:
        names: switches.
        callback: called with True or False; it must not change settings.

    Example:
        >>> from fxad import config
        >>> config.on_switch(("check_mutation",), print)
        False
        >>> with config.override(check_mutation=True):
        ...     pass
        True
        False
    """
    with _lock:
        _callbacks.append((names, callback))
        callback(_possibly_on(names))


def _store(name: str, value: Any, source: str) -> None:
    global _version, _key
    with _lock:
        _values[name], _sources[name] = value, source
        _version += 1
        _key = tuple(_values.get(traced) for traced in _TRACED)
        _publish(name)


def update(name: str, value: object) -> None:
    """Change a setting for the whole process.

    A context that overrides the setting keeps its own value until it ends.

    Args:
        name: the setting, one of those that ``settings()`` lists.
        value: the new value.

    Raises:
        ConfigError: the name or the value is not permitted; nothing is changed.

    Example:
        >>> from fxad import config
        >>> config.update("default_float", "float32")
        >>> config.default_float
        dtype('float32')
        >>> config.update("default_float", "float64")
    """
    source = "config.update"
    setting = _find(name, source)
    _store(setting.name, setting.validate(value, source), source)


@contextmanager
def override(**values: object) -> Generator[None, None, None]:
    """Change settings for this thread, and the tasks started in it, until the block ends.

    Args:
        **values: settings by name.

    Raises:
        ConfigError: a name or a value is not permitted; nothing is changed.

    Example:
        >>> from fxad import config
        >>> with config.override(default_float="float32", disable_jit=True):
        ...     print(config.default_float, config.disable_jit)
        float32 True
        >>> print(config.default_float, config.disable_jit)
        float64 False
    """
    source = "config.override"
    new = {name: _find(name, source).validate(value, source) for name, value in values.items()}
    outer = _local.get()
    _count(new, 1)
    token = _local.set(_Overrides({**outer.values, **new} if outer else new))
    try:
        yield
    finally:
        _local.reset(token)
        _count(new, -1)


def _count(names: Mapping[str, Any], step: int) -> None:
    with _lock:
        for name in names:
            _override_counts[name] += step
            _publish(name)


def trace_key() -> tuple[Any, ...]:
    """The settings that a traced program depends on, for the key of a cache of such programs."""
    overrides = _local.get()
    if overrides is None:
        return _key
    if overrides.version != _version:
        version = _version
        overrides.key = tuple(_current(name) for name in _TRACED)
        overrides.version = version
    return overrides.key


def traced_settings() -> tuple[str, ...]:
    """The names of the settings whose values are in ``trace_key``, in its order."""
    return _TRACED


def settings() -> list[SettingState]:
    """Every setting as this thread sees it: value, default, and where the value was set.

    Example:
        >>> from fxad import config
        >>> [state.name for state in config.settings()][:3]
        ['backend', 'default_float', 'default_device']
        >>> with config.override(disable_jit=True):
        ...     [state.source for state in config.settings() if state.name == "disable_jit"]
        ['config.override']
    """
    overrides = _local.get()
    overridden = overrides.values if overrides else {}
    return [
        SettingState(
            name=name,
            value=_current(name),
            default=setting.default,
            source="config.override" if name in overridden else _sources[name],
            permitted=setting.permitted,
            variable=setting.variable,
            doc=setting.doc,
        )
        for name, setting in _REGISTRY.items()
    ]


def _current(name: str) -> Any:
    overrides = _local.get()
    if overrides is not None and name in overrides.values:
        return overrides.values[name]
    return _values[name]


def __getattr__(name: str) -> Any:
    """A setting that some context overrides, which may be the reader's."""
    if name in _REGISTRY:
        return _current(name)
    if name in _DERIVED:
        names, follows = _DERIVED[name]
        return follows(*map(_current, names))
    if name.startswith("_"):
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    near = difflib.get_close_matches(name, [*_REGISTRY, *__all__], n=3)
    hint = f"did you mean {' or '.join(near)}?" if near else f"there are {', '.join(_REGISTRY)}."
    raise AttributeError(f"[config] there is no setting {name!r}: {hint}", name=name)


class _ConfigModule(ModuleType):
    """Assignment to a setting is an update, so that no unchecked value gets in."""

    def __setattr__(self, name: str, value: object) -> None:
        if name in _REGISTRY:
            update(name, value)
        else:
            super().__setattr__(name, value)


def _load(environment: Mapping[str, str]) -> None:
    """Set every setting from its environment variable, or to its default where that is empty."""
    for name, setting in _REGISTRY.items():
        text = environment.get(setting.variable, "").strip()
        if not text:
            _store(name, setting.default, "default")
        else:
            source = f"the environment variable {setting.variable}"
            _store(name, setting.validate(text, source), f"environment {setting.variable}")


sys.modules[__name__].__class__ = _ConfigModule
_load(os.environ)
