"""The public functions about devices, on pytrees of arrays."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, TypeVar, cast

import numpy as np

import fxad.config as config
import fxad.tree
from fxad.backends.registry import (
    Backend,
    Device,
    backend_named,
    backend_of,
    default_backend,
    gpu_count,
)
from fxad.core.source import error
from fxad.errors import ArgumentTypeError, DeviceError

T = TypeVar("T")


def devices(backend: str | None = None) -> list[Device]:
    """All devices of a backend.

    Args:
        backend: ``"cpu"`` or ``"numpy"``, ``"gpu"`` or ``"cupy"``; default: the default backend.

    Returns:
        The devices in the order of their ids. ``"gpu"`` without a GPU is an empty list.

    Raises:
        ArgumentValueError: there is no backend of that name.
        MissingDependencyError: its package is not installed.

    Example:
        >>> import fxad
        >>> fxad.devices("cpu")
        [Device('cpu:0')]
    """
    found = backend_named(backend or default_backend())
    return [Device(found.platform, i) for i in range(found.count())]


def local_devices(backend: str | None = None) -> list[Device]:
    """The devices of this process: the same as ``devices``, whose name JAX splits in two.

    Args:
        backend: as for ``devices``.

    Returns:
        The devices in the order of their ids.

    Example:
        >>> import fxad
        >>> fxad.local_devices("cpu")
        [Device('cpu:0')]
    """
    return devices(backend)


def device_count(backend: str | None = None) -> int:
    """The number of devices of a backend.

    Args:
        backend: as for ``devices``.

    Returns:
        0 for ``"gpu"`` where there is none.

    Example:
        >>> import fxad
        >>> fxad.device_count("cpu")
        1
    """
    return len(devices(backend))


def as_device(device: Device | str) -> Device:
    """The device that a name means: ``"cpu"``, ``"gpu"``, ``"cuda:1"``."""
    if isinstance(device, str):
        name, _, number = device.partition(":")
        backend = backend_named(name)
        here = int(number) if number else backend.current() if backend.count() else 0
        device = Device(backend.platform, here)
    if not isinstance(device, Device):
        raise error(
            ArgumentTypeError,
            "device",
            f"got a {type(device).__name__}, wanted a Device or a name like 'cuda:0'",
        )
    gpu = device.platform == "gpu"
    count = gpu_count() if gpu else backend_named(device.platform).count()
    if device.id >= count:
        raise error(
            DeviceError,
            "device",
            f"got {device}, and the number of {device.platform} devices is {count}",
            "fxad.devices() lists those of the default backend.",
        )
    return device


@contextmanager
def default_device(device: Device | str | None) -> Iterator[Device | None]:
    """New arrays go to this device until the block ends.

    Args:
        device: a ``Device``, a name (``"cpu"``, ``"gpu"``, ``"cuda:1"``), or ``None`` for what
            ``config.backend`` says.

    Raises:
        DeviceError: there is no such device.

    Example:
        >>> import fxad
        >>> with fxad.default_device("cpu") as device:
        ...     print(device, fxad.default_backend())
        cpu:0 numpy
    """
    if device is None:
        with config.override(default_device=None):
            yield None
        return
    device = as_device(device)
    with config.override(default_device=device), backend_named(device.platform).use(device.id):
        yield device


def device_of(x: Any) -> Device:
    """The device that an array lives on; that of a number is the CPU.

    Example:
        >>> import fxad, numpy as np
        >>> fxad.backends.device_of(np.ones(3))
        Device('cpu:0')
    """
    backend = _backend(x, "device_of")
    return Device(backend.platform, backend.device_of(x))


def device_put(tree: T, device: Device | str | None = None) -> T:
    """The arrays of a pytree, moved to a device.

    Args:
        tree: a pytree of arrays and numbers; numbers become arrays.
        device: where to. ``None``: arrays on a GPU stay, others go to the default device.

    Returns:
        The same structure. An array that is there already is handed back itself, not copied.

    Raises:
        DeviceError: there is no such device.

    Example:
        >>> import fxad, numpy as np
        >>> fxad.device_put({"w": np.ones(2)}, "cpu")
        {'w': array([1., 1.])}
    """
    target = None if device is None else as_device(device)
    return cast(T, fxad.tree.map(lambda x: _put(x, target), tree))


def _put(x: Any, device: Device | None) -> Any:
    home = _backend(x, "device_put")
    if device is None:
        if home.platform != "cpu":
            return x
        device = current_device()
    if home.platform != "cpu" and device.platform == "cpu":
        return home.get(x)
    return backend_named(device.platform).put(_strong(x), device.id)


def current_device() -> Device:
    """Where new arrays go."""
    backend = backend_named(default_backend())
    return Device(backend.platform, backend.current())


def _strong(x: Any) -> Any:
    """A Python number as an array of the default dtype; anything else as it is."""
    if isinstance(x, np.ndarray | np.generic) or not isinstance(x, bool | int | float | complex):
        return x
    array = np.asarray(x)
    if array.dtype.kind == "c" and config.default_float.itemsize < 8:
        return array.astype(np.complex64)
    return array.astype(config.default_float) if array.dtype.kind == "f" else array


def device_get(tree: T) -> T:
    """The arrays of a pytree on the host, as NumPy arrays.

    Args:
        tree: a pytree; leaves that are no arrays stay as they are.

    Returns:
        The same structure. NumPy arrays are handed back themselves, others as copies.

    Example:
        >>> import fxad, numpy as np
        >>> fxad.device_get((np.ones(2), 3.0))
        (array([1., 1.]), 3.0)
    """
    return cast(T, fxad.tree.map(_get, tree))


def _get(x: Any) -> Any:
    backend = backend_of(x)
    return x if backend is None else backend.get(x)


def copy_to_host(x: Any) -> Any:
    """A copy of an array on the host, always in memory of its own.

    Example:
        >>> import fxad, numpy as np
        >>> x = np.ones(2)
        >>> np.shares_memory(x, fxad.backends.copy_to_host(x))
        False
    """
    host = _backend(x, "copy_to_host").get(x)
    return np.array(host) if host is x or not isinstance(host, np.ndarray) else host


def block_until_ready(tree: T) -> T:
    """Waits until every array of a pytree has been computed, and returns the pytree.

    NumPy's arrays always are; on a GPU this waits for all work given to their devices.

    Args:
        tree: a pytree; leaves that are no arrays are passed over.

    Returns:
        The pytree itself.

    Example:
        >>> import fxad, numpy as np
        >>> fxad.block_until_ready(np.ones(2))
        array([1., 1.])
    """
    waited: set[Device] = set()
    for x in fxad.tree.leaves(tree):
        backend = backend_of(x)
        if backend is None or backend.platform == "cpu":
            continue
        device = Device(backend.platform, backend.device_of(x))
        if device not in waited:
            waited.add(device)
            backend.wait(device.id)
    return tree


def _backend(x: Any, operation: str) -> Backend:
    backend = backend_of(x)
    if backend is None:
        problem = f"got a {type(x).__name__}, wanted an array or a number"
        raise error(ArgumentTypeError, operation, problem)
    return backend
