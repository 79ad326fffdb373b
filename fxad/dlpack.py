"""Arrays in and out of other libraries without a copy, by the DLPack protocol."""

from __future__ import annotations

from typing import Any

import numpy as np

from fxad.backends.placement import as_device, device_put
from fxad.backends.registry import Device, backend_named, backend_of
from fxad.core.source import error
from fxad.errors import ArgumentTypeError, DeviceError

__all__ = ["from_dlpack", "to_dlpack"]

# The kinds of memory in dlpack.h that a CPU and a GPU can read.
_PLATFORMS = {1: "cpu", 2: "gpu", 3: "cpu", 13: "gpu"}


def from_dlpack(x: Any, *, device: Device | str | None = None, copy: bool | None = None) -> Any:
    """An array over the memory of another library's array: PyTorch's, JAX's, TensorFlow's, ...

    Args:
        x: an object with ``__dlpack__`` and ``__dlpack_device__``.
        device: where the result is to be; default: where ``x`` is.
        copy: ``True``: always in memory of its own. ``False``: never copied, an error where that
            is impossible. Default: copied only to another device.

    Returns:
        A NumPy array for memory of the CPU, a CuPy array for memory of a GPU. Without a copy it
        shares the memory: who writes to one writes to the other.

    Raises:
        ArgumentTypeError: ``x`` does not speak the protocol.
        DeviceError: its memory belongs to a kind of device that no backend reads, or the device
            asked for needs a copy that ``copy=False`` forbids.

    Source: DLPack 1.0 and the Python array API standard, ``from_dlpack``.

    Example:
        >>> import numpy as np
        >>> import fxad.dlpack
        >>> x = np.arange(3.0)
        >>> y = fxad.dlpack.from_dlpack(x)
        >>> np.shares_memory(x, y)
        True
    """
    if not (hasattr(x, "__dlpack__") and hasattr(x, "__dlpack_device__")):
        raise error(
            ArgumentTypeError,
            "from_dlpack",
            f"got a {type(x).__name__}, wanted an array with the methods __dlpack__ and "
            "__dlpack_device__",
            "Newer versions of most libraries have them; capsules alone are not taken.",
        )
    kind, number = x.__dlpack_device__()
    platform = _PLATFORMS.get(int(kind))
    if platform is None:
        raise error(
            DeviceError,
            "from_dlpack",
            f"got memory of a device of kind {int(kind)} in dlpack.h, wanted a CPU or a CUDA GPU",
        )
    home = Device(platform, int(number) if platform == "gpu" else 0)
    target = home if device is None else as_device(device)
    if target != home and copy is False:
        raise error(
            DeviceError,
            "from_dlpack",
            f"got memory on {home} and copy=False, wanted an array on {target}",
            "Leave copy at None, which allows the transfer.",
        )
    array = backend_named(platform).xp.from_dlpack(x)
    if target != home:
        return device_put(array, target)
    return array.copy() if copy else array


def to_dlpack(x: Any) -> Any:
    """A DLPack capsule over an array's memory, for libraries that take only capsules.

    Others take the array itself: NumPy's and CuPy's arrays speak the protocol.

    Args:
        x: an array.

    Returns:
        A capsule, to be consumed once; the memory stays alive as long as it or its consumer.

    Raises:
        ArgumentTypeError: ``x`` is not an array.

    Example:
        >>> import numpy as np
        >>> import fxad.dlpack
        >>> type(fxad.dlpack.to_dlpack(np.arange(3.0))).__name__
        'PyCapsule'
    """
    array: Any = np.asarray(x) if isinstance(x, np.generic) else x
    if backend_of(array) is None or not hasattr(array, "__dlpack__"):
        problem = f"got a {type(x).__name__}, wanted an array"
        raise error(ArgumentTypeError, "to_dlpack", problem)
    return array.__dlpack__()
