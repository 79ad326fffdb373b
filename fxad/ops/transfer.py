"""Moving arrays between devices, inside transformed functions too."""

from __future__ import annotations

from typing import Any, TypeVar, cast

import fxad.backends.placement as placement
import fxad.tree
from fxad.backends.registry import Device
from fxad.core.aval import ShapedArray
from fxad.core.primitive import Primitive
from fxad.core.trace import Tracer, ground
from fxad.ops.base import linear

T = TypeVar("T")


def _transpose(ct: Any, x: Any, *, device: Device | None, source: Device | None) -> Any:
    """The cotangent goes back to where the operand came from, where that is known."""
    return ct if source is None else device_put_p.bind(ct, device=source, source=device)


device_put_p: Primitive = linear(
    "device_put",
    abstract=lambda x, *, device, source: ShapedArray(x.shape, x.dtype),
    impl=lambda xp, x, *, device, source: placement.device_put(x, device),
    transpose=_transpose,
    batch=lambda size, args, dims, **params: (device_put_p.bind(args[0], **params), dims[0]),
)


offload_p: Primitive = linear(
    "offload",
    abstract=lambda x: ShapedArray(x.shape, x.dtype),
    impl=lambda xp, x: xp.offload(x),
    transpose=lambda ct, x: fetch(ct),
    batch=lambda size, args, dims: (offload_p.bind(args[0]), dims[0]),
)

fetch_p: Primitive = linear(
    "fetch",
    abstract=lambda x: ShapedArray(x.shape, x.dtype),
    impl=lambda xp, x: xp.fetch(x),
    transpose=lambda ct, x: offload(ct),
    batch=lambda size, args, dims: (fetch_p.bind(args[0]), dims[0]),
)


def offload(x: Any) -> Any:
    """The same values in pinned memory of the host, where only ``fetch`` reads them.

    An array that lives on the host stays where it is.
    """
    return offload_p.bind(x)


def fetch(x: Any) -> Any:
    """What ``offload`` took, on the device that it came from."""
    return fetch_p.bind(x)


def device_put(tree: T, device: Device | str | None = None) -> T:
    """The arrays of a pytree, moved to a device; differentiable.

    Args:
        tree: a pytree of arrays, tracers and numbers; numbers become arrays.
        device: where to: a ``Device``, or a name like ``"cpu"``, ``"gpu"``, ``"cuda:1"``.
            ``None``: arrays on a GPU stay, others go to the default device.

    Returns:
        The same structure. An array that is there already is handed back itself, not copied.
        Cotangents go back to the device that their operand came from.

    Raises:
        DeviceError: there is no such device.
        ArgumentTypeError: a leaf is neither an array nor a number.

    Example:
        >>> import fxad, numpy as np
        >>> fxad.grad(lambda x: fxad.device_put(x, "cpu")[0] * 3)(np.ones(2))
        array([3., 0.])
    """
    target = None if device is None else placement.as_device(device)

    def put(x: Any) -> Any:
        if not isinstance(x, Tracer):
            return placement.device_put(x, target)
        value = ground(x)
        source = None if value is None else placement.device_of(value)
        where = target or (source and _target_of(source))
        return x if where == source else device_put_p.bind(x, device=where, source=source)

    return cast(T, fxad.tree.map(put, tree))


def _target_of(source: Device) -> Device:
    return source if source.platform != "cpu" else placement.current_device()
