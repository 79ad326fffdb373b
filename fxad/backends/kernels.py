"""CUDA kernels written by hand: one file ``kernels/<name>.cu``, one ``register`` for its primitive.

Here they are registered and launched; ``fxad.backends.nvrtc`` compiles them, and is imported with
the first launch.
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Iterable
from typing import Any, NamedTuple

import numpy as np

from fxad.backends.optional import optional
from fxad.core.aval import ShapedArray, aval_of
from fxad.errors import KernelError

_ON_THE_HOST = np.ndarray | np.generic | int | float | complex


class Registration(NamedTuple):
    """A kernel for a primitive: when it applies, and how it is launched."""

    kernel: str
    supports: Callable[[tuple[ShapedArray, ...], dict[str, Any]], bool]
    launch: Callable[..., Any]


_registered: dict[str, list[Registration]] = {}


def register(
    primitive: str,
    kernel: str,
    supports: Callable[[tuple[ShapedArray, ...], dict[str, Any]], bool],
    launch: Callable[..., Any],
) -> None:
    """Gives a primitive a CUDA kernel.

    Args:
        primitive: the primitive's name.
        kernel: the stem of the file: ``"threefry"`` for ``kernels/threefry.cu``.
        supports: ``supports(avals, params)``: whether the kernel can do this case.
        launch: ``launch(xp, *arrays, **params)``: the outputs, as the primitive's ``impl`` gives
            them; it calls ``kernels.launch``.
    """
    _registered.setdefault(primitive, []).append(Registration(kernel, supports, launch))


def registrations() -> dict[str, tuple[Registration, ...]]:
    """All registered kernels by primitive."""
    return {primitive: tuple(found) for primitive, found in _registered.items()}


def accelerated(primitive: str, impl: Callable[..., Any]) -> Callable[..., Any]:
    """The ``impl`` of a primitive that runs its kernel on a GPU, and array code anywhere else."""

    @functools.wraps(impl)
    def run(xp: Any, *arrays: Any, **params: Any) -> Any:
        if not all(isinstance(x, _ON_THE_HOST) for x in arrays):
            avals = tuple(map(aval_of, arrays))
            for registration in _registered.get(primitive, ()):
                if registration.supports(avals, params):
                    return registration.launch(xp, *arrays, **params)
        return impl(xp, *arrays, **params)

    return run


def launch(
    name: str,
    function: str,
    grid: tuple[int, ...],
    block: tuple[int, ...],
    args: Iterable[Any],
    shared: int = 0,
) -> None:
    """Launches a function of ``kernels/<name>.cu`` on CuPy's current device and stream.

    Args:
        name: the stem of the file.
        function: an ``extern "C"`` function in it.
        grid: blocks along up to three axes; none along one of them: nothing is launched.
        block: threads along up to three axes.
        args: C-contiguous CuPy arrays, and NumPy scalars of exactly the parameters' types.
        shared: bytes of dynamic shared memory.

    Raises:
        KernelError: an argument would reach the kernel as something else than it is.
        DeviceError: there is no GPU.
    """
    args = tuple(args)
    for position, x in enumerate(args):
        if not hasattr(x, "flags"):
            raise KernelError(
                f"[{function}] got {x!r} as argument {position}, wanted a CuPy array or a NumPy "
                "scalar: give a number the parameter's type, such as np.uint64(3)"
            )
        if not isinstance(x, np.generic) and not x.flags.c_contiguous:
            raise KernelError(
                f"[{function}] got an array with strides {x.strides} as argument {position}, "
                "wanted contiguous memory: pass xp.ascontiguousarray(x)"
            )
    if all(grid):
        nvrtc = optional("fxad.backends.nvrtc", "a CUDA kernel")
        nvrtc.loaded(name, function)(tuple(grid), tuple(block), args, shared_mem=shared)


def blocks(size: int, width: int) -> tuple[int]:
    """The grid of blocks of `width` threads that has a thread for each of `size` elements."""
    return (-(-size // width),)
