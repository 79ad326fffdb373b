"""Where arrays live and run: NumPy and CuPy, and what decides between them."""

from fxad.backends.placement import (
    block_until_ready,
    copy_to_host,
    default_device,
    device_count,
    device_get,
    device_of,
    device_put,
    devices,
    local_devices,
)
from fxad.backends.registry import (
    Backend,
    Device,
    backend_named,
    backend_names,
    backend_of,
    default_backend,
    default_xp,
    gpu_count,
    register_backend,
    resolve,
)

__all__ = [
    "Backend",
    "Device",
    "backend_named",
    "backend_names",
    "backend_of",
    "block_until_ready",
    "copy_to_host",
    "default_backend",
    "default_device",
    "default_xp",
    "device_count",
    "device_get",
    "device_of",
    "device_put",
    "devices",
    "gpu_count",
    "local_devices",
    "register_backend",
    "resolve",
]
