"""Which backend a value belongs to, where new arrays go, and the devices there are."""

from __future__ import annotations

import ctypes
import functools
from contextlib import AbstractContextManager
from dataclasses import dataclass
from typing import Any, Protocol, cast

import numpy as np

import fxad.backends.numpy as numpy_backend
import fxad.config as config
from fxad.backends.optional import installed, optional
from fxad.backends.pool import LARGE, compute
from fxad.core.aval import PYTHON_SCALARS
from fxad.core.source import error
from fxad.core.trace import set_large, set_resolver
from fxad.errors import ArgumentTypeError, ArgumentValueError, DeviceError


class Backend(Protocol):
    """What a module of this package offers: one way to hold arrays and to run primitives."""

    name: str
    platform: str
    xp: Any

    def owns(self, kind: type) -> bool:
        """Whether values of this type live here."""

    def count(self) -> int:
        """The number of devices."""

    def current(self) -> int:
        """The id of the device that new arrays go to."""

    def use(self, device: int) -> AbstractContextManager[Any]:
        """Makes a device the current one."""

    def device_of(self, x: Any) -> int:
        """The id of the device that an array lives on."""

    def put(self, x: Any, device: int) -> Any:
        """The array on a device: itself if it is there, else a copy."""

    def get(self, x: Any) -> Any:
        """The array on the host: itself if it is there, else a copy."""

    def wait(self, device: int) -> None:
        """Returns when all work given to a device is done."""

    def describe(self, device: int) -> str:
        """The name of the hardware."""

    def memory(self, device: int) -> dict[str, int] | None:
        """Bytes in use, reserved and free, where the backend knows them."""


@dataclass(frozen=True, order=True)
class Device:
    """A place where arrays live: ``cpu:0`` or ``cuda:1``.

    Example:
        >>> import fxad
        >>> print(fxad.devices("cpu")[0])
        cpu:0
    """

    platform: str
    id: int = 0

    def __str__(self) -> str:
        return f"{_spoken(self.platform)}:{self.id}"

    def __repr__(self) -> str:
        return f"Device({str(self)!r})"

    @property
    def device_kind(self) -> str:
        """The name of the hardware, as its maker calls it."""
        return backend_named(self.platform).describe(self.id)

    def memory_stats(self) -> dict[str, int] | None:
        """Bytes by kind (in use, reserved, free, total) on a GPU; ``None`` on the CPU."""
        return backend_named(self.platform).memory(self.id)


# Where the module of a backend is, what must be installed for it, and the names it answers to.
_MODULES = {
    "numpy": ("fxad.backends.numpy", "numpy"),
    "cupy": ("fxad.backends.cupy", "cupy"),
}
_ALIASES = {"numpy": "numpy", "cpu": "numpy", "cupy": "cupy", "gpu": "cupy", "cuda": "cupy"}

_loaded: dict[str, Backend] = {"numpy": cast(Backend, numpy_backend)}
_backend_of_type: dict[type, Backend] = {}


def register_backend(name: str, module: str, requires: str, platform: str) -> None:
    """Adds a backend: a module with what ``Backend`` lists, imported when it is first needed."""
    _MODULES[name] = (module, requires)
    _ALIASES[name] = _ALIASES[platform] = name


def backend_names() -> tuple[str, ...]:
    """The names of all registered backends, whether or not they can be used here."""
    return tuple(_MODULES)


def backend_named(name: str) -> Backend:
    """The backend of that name or platform, imported at its first use."""
    key = _ALIASES.get(name)
    if key is None:
        wanted = ", ".join(map(repr, _ALIASES))
        raise error(ArgumentValueError, "backend", f"got {name!r}, wanted one of {wanted}")
    if key not in _loaded:
        module, requires = _MODULES[key]
        _loaded[key] = cast(Backend, optional(module, f"the {key} backend", requires))
    return _loaded[key]


def platform_of(xp: Any) -> str:
    """The platform of an array namespace, as ``str(device)`` has it: ``"cpu"`` or ``"cuda"``."""
    found = next((b.platform for b in _loaded.values() if b.xp is xp), "cpu")
    return _spoken(found)


def _spoken(platform: str) -> str:
    return "cuda" if platform == "gpu" else platform


def backend_of(x: Any) -> Backend | None:
    """The backend that a value lives on; ``None`` for what is neither an array nor a number."""
    kind = type(x)
    found = _backend_of_type.get(kind)
    if found is None:
        found = _find_backend(kind)
        if found is not None:
            _backend_of_type[kind] = found
    return found


def _find_backend(kind: type) -> Backend | None:
    roots = {base.__module__.partition(".")[0] for base in kind.__mro__}
    for name, (module, requires) in reversed(_MODULES.items()):
        if requires in roots or kind.__module__ == module or name == "numpy":
            backend = backend_named(name)
            if backend.owns(kind):
                return backend
    return None


def default_backend() -> str:
    """The name of the backend that new arrays go to: ``"numpy"`` or ``"cupy"``.

    ``config.default_device`` and ``config.backend`` decide; ``"auto"`` is CuPy where it is
    installed and a GPU is there.

    Example:
        >>> import fxad
        >>> with fxad.default_device("cpu"):
        ...     fxad.default_backend()
        'numpy'
    """
    wanted: str | None = config.default_device
    if wanted is not None:
        return _ALIASES[wanted.partition(":")[0]]
    if config.backend != "auto":
        return config.backend
    return "cupy" if gpu_count() else "numpy"


@functools.cache
def gpu_count() -> int:
    """The number of GPUs that CuPy can use; 0 where it is not installed or finds no driver."""
    if not (installed("cupy") and _has_driver()):  # importing CuPy takes half a second
        return 0
    try:
        return backend_named("cupy").count()
    except ImportError:
        return 0


def _has_driver() -> bool:
    for library in ("libcuda.so.1", "nvcuda.dll"):
        try:
            ctypes.CDLL(library)
        except OSError:
            continue
        return True
    return False


def default_xp() -> Any:
    """The namespace that makes new arrays.

    Raises:
        DeviceError: ``config.default_device`` names a GPU that is not CUDA's current one.
    """
    backend = backend_named(default_backend())
    wanted: str = config.default_device or ""
    number = wanted.partition(":")[2]
    if number and int(number) != backend.current():
        raise error(
            DeviceError,
            "default_device",
            f"got the setting {wanted!r} while the current device is "
            f"{Device(backend.platform, backend.current())}",
            f"Enter `with fxad.default_device({wanted!r}):`, which switches devices.",
        )
    return backend.xp


def resolve(args: tuple[Any, ...], operation: str = "array") -> tuple[Any, tuple[Any, ...]]:
    """The namespace to run an operation in, and its operands, moved there where they must be.

    Computation follows data: beside an array on a GPU, NumPy arrays go to its device, never the
    other way round. Without any array the default backend decides.

    Raises:
        ArgumentTypeError: an operand is neither an array nor a number.
        DeviceError: operands on two GPUs, or a transfer under ``config.strict_devices``.
    """
    home: Backend | None = None
    moved = False
    for x in args:
        if type(x) in PYTHON_SCALARS or is_opaque(x):
            continue
        backend = backend_of(x)
        if backend is None:
            raise _unknown(operation, x)
        if home is not None and backend is not home:
            moved = True
        if home is None or backend.platform != "cpu":
            home = backend
    if home is None:
        return default_xp(), args
    if home.platform == "cpu":
        return home.xp, tuple(map(_plain, args))
    device = _common_device(home, args, operation)
    if moved:
        args = tuple(x if is_opaque(x) else _move(x, home, device, operation) for x in args)
    return home.xp, args


def is_opaque(x: Any) -> bool:
    """Whether an array holds no numbers (float0, what a loop remembers): it stays on the host."""
    return isinstance(x, np.ndarray | np.void) and x.dtype.kind == "V"


def _plain(x: Any) -> Any:
    """Subclasses of ndarray (memmap, matrix) as plain arrays over the same memory."""
    return np.asarray(x) if isinstance(x, np.ndarray) else x


def _unknown(operation: str, x: Any) -> ArgumentTypeError:
    kind = type(x)
    name = kind.__qualname__
    if kind.__module__ != "builtins":
        name = f"{kind.__module__.partition('.')[0]}.{name}"
    way_out = "Make an array of it with fxad.numpy.asarray first."
    if isinstance(x, np.ma.MaskedArray):
        way_out = "Take x.filled(value), or use fxad.numpy.where with the mask."
    elif hasattr(kind, "__dlpack__"):
        way_out = "Convert it with fxad.dlpack.from_dlpack first."
    problem = f"got a {name}, wanted an array or a number"
    return error(ArgumentTypeError, operation, problem, way_out)


def _common_device(home: Backend, args: tuple[Any, ...], operation: str) -> int:
    """The one device of the operands on a GPU, which must be the current one."""
    found = {home.device_of(x): x for x in args if _backend_of_type.get(type(x)) is home}
    if len(found) > 1:
        first, second = (Device(home.platform, i) for i in sorted(found)[:2])
        raise error(
            DeviceError,
            operation,
            f"got operands on {first} and {second}, wanted them on one device",
            f"Move one of them with fxad.device_put(x, {str(first)!r}).",
        )
    (device,) = found
    if device != home.current():
        here, there = (Device(home.platform, i) for i in (home.current(), device))
        raise error(
            DeviceError,
            operation,
            f"got operands on {there} while the current device is {here}",
            f"Compute under `with fxad.default_device({str(there)!r}):`.",
        )
    return device


def _move(x: Any, home: Backend, device: int, operation: str) -> Any:
    if type(x) in PYTHON_SCALARS or _backend_of_type.get(type(x)) is home:
        return x
    if config.strict_devices and np.ndim(x):
        raise error(
            DeviceError,
            operation,
            f"got operands on cpu:0 and {Device(home.platform, device)} under strict_devices, "
            "wanted them on one device",
            "Move the first with fxad.device_put, or leave config.strict_devices off.",
        )
    return home.put(x, device)


set_resolver(numpy_backend.xp, resolve)
set_large(LARGE, compute)
