"""Routines of the host (NumPy, SciPy) and CUDA kernels as operations."""

from __future__ import annotations

import functools
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from fxad.backends import device_get
from fxad.backends.kernels import blocks
from fxad.backends.optional import optional
from fxad.core.aval import aval_of
from fxad.core.source import error
from fxad.core.trace import EvalTrace
from fxad.errors import ArgumentTypeError, DtypeError
from fxad.extend.defining import Operation, define_primitive
from fxad.ops.base import convert, placed_as
from fxad.transforms.common import check_callable


def from_host(
    routine: Callable[..., Any], *, name: str | None = None, **rules: Any
) -> Operation:
    """A routine on NumPy arrays (of SciPy, say) as an operation with rules of its own.

    Arrays on a GPU are copied to the host for it, and its results back.

    Args:
      routine: ``routine(*arrays, **params)``: gets NumPy arrays and returns one (a list of them
        with ``multiple_results``). It must not write to its operands, and must give the same
        result for the same operands: under ``jit`` it may run less often than it is called.
      name: how programs and messages call it; by default the routine's own name.
      **rules: ``abstract``, ``jvp``, ``transpose``, ``batch``, ``cost``, ``multiple_results`` and
        ``overwrite``, as for ``define_primitive``.

    Returns:
      The operation.

    Raises:
      ArgumentValueError: the name is taken.

    Example:
      >>> import numpy as np, fxad
      >>> from fxad import extend
      >>> def sinc_squared(x):
      ...     return np.sinc(x) ** 2
      >>> def slope(t, out, x):
      ...     return t * 2 * np.sinc(x) * (np.cos(np.pi * x) - np.sinc(x)) / x
      >>> f = extend.from_host(sinc_squared, jvp=[slope])
      >>> print(f"{f(0.5):.6f}, {fxad.grad(f)(0.5):.6f}")
      0.405285, -1.621139
    """
    check_callable("from_host", routine)

    def impl(xp: Any, *arrays: Any, **params: Any) -> Any:
        if xp is EvalTrace.namespace:
            return routine(*arrays, **params)
        out = routine(*map(device_get, arrays), **params)
        home = next(x for x in arrays if hasattr(x, "shape"))
        if rules.get("multiple_results"):
            return [placed_as(y, home) for y in out]
        return placed_as(out, home)

    functools.update_wrapper(impl, routine, updated=())
    return define_primitive(name or _name_of(routine), impl, **rules)


def _name_of(routine: Any) -> str:
    name = getattr(routine, "__name__", "")
    return name if name.isidentifier() else type(routine).__name__


def from_kernel(
    kernel: Any,
    *,
    host: Callable[..., Any],
    dtype: Any,
    name: str | None = None,
    launch: Callable[..., Any] | None = None,
    threads: int = 256,
    **rules: Any,
) -> Operation:
    """A CUDA kernel, with NumPy code that does the same on the CPU, as an operation.

    Args:
      kernel: a ``cupy.RawKernel``; or a pair of its source and the name of its function, which is
        compiled when it is first launched, so that nothing here needs CuPy. Without
        ``launch`` its parameters are a pointer to each operand (contiguous, of the shape of the
        result, since what broadcasts has been repeated), a pointer to the result, and the number
        of elements as ``unsigned long long``.
      host: ``host(*arrays, **params)``, the same on NumPy arrays.
      dtype: that of all operands, for which the kernel is written: others are refused. Python's
        numbers are taken as such.
      name: how programs and messages call it; by default the name of ``host``.
      launch: ``launch(kernel, xp, out, *arrays, **params)`` for a kernel with other parameters: it
        calls ``kernel(grid, block, args)`` so that ``out`` (a list with ``multiple_results``),
        which is allocated already, is filled. Operands are contiguous, of their own shapes.
      threads: of a block, without ``launch``.
      **rules: ``abstract``, ``jvp``, ``transpose``, ``batch``, ``cost``, ``multiple_results`` and
        ``overwrite``, as for ``define_primitive``.

    Returns:
      The operation.

    Raises:
      DtypeError: when it is called, an operand is of another dtype.

    Example:
      >>> import numpy as np, fxad
      >>> from fxad import extend
      >>> source = r'''
      ... extern "C" __global__ void softsign(const float* x, float* out, unsigned long long n) {
      ...     unsigned long long i = blockIdx.x * (unsigned long long)blockDim.x + threadIdx.x;
      ...     if (i < n) out[i] = x[i] / (1.0f + fabsf(x[i]));
      ... }'''
      >>> softsign = extend.from_kernel(
      ...     (source, "softsign"), name="softsign", host=lambda x: x / (1 + abs(x)),
      ...     dtype=np.float32, jvp=[lambda t, out, x: t * (1 - abs(out)) ** 2])
      >>> fxad.vmap(fxad.grad(softsign))(np.array([0.0, 1.0], np.float32)).tolist()
      [1.0, 0.25]
    """
    check_callable("from_kernel", host)
    if not callable(kernel) and not (isinstance(kernel, tuple) and len(kernel) == 2):
        raise error(
            ArgumentTypeError,
            "from_kernel",
            f"got {type(kernel).__name__} for the kernel, wanted a cupy.RawKernel or a pair "
            "(source, name)",
        )
    run = KernelCall(kernel, np.dtype(dtype), launch, threads, bool(rules.get("multiple_results")))
    called = name or _name_of(host)

    def impl(xp: Any, *arrays: Any, **params: Any) -> Any:
        if xp is EvalTrace.namespace:
            return host(*arrays, **params)
        avals = operation.rules.avals(list(map(aval_of, arrays)), params)
        return run(xp, list(map(xp.asarray, arrays)), avals, params)

    functools.update_wrapper(impl, host, updated=())
    operation = define_primitive(called, impl, **rules)
    operation.prepare = lambda x: _as_operand(called, x, run.dtype)
    return operation


def _as_operand(name: str, x: Any, dtype: Any) -> Any:
    aval = aval_of(x)
    if aval.dtype != dtype and not aval.weak_type:
        raise error(
            DtypeError,
            name,
            f"got {aval.long_name()}, wanted {dtype}, for which its kernel is written",
            f"Convert the operand with astype(np.{dtype}).",
        )
    return convert(x, dtype)


class KernelCall:
    """How a kernel is launched: memory for the results, operands as it takes them."""

    def __init__(
        self, kernel: Any, dtype: Any, launch: Any, threads: int, multiple_results: bool
    ) -> None:
        self.given, self.dtype, self.launch = kernel, dtype, launch
        self.threads, self.multiple = threads, multiple_results

    @property
    def kernel(self) -> Any:
        """The kernel, compiled from its source at the first launch on a device."""
        if callable(self.given):
            return self.given
        return optional("fxad.backends.nvrtc", "a CUDA kernel").compiled(*self.given)

    def __call__(
        self, xp: Any, arrays: Sequence[Any], avals: Sequence[Any], params: dict[str, Any]
    ) -> Any:
        """The results, in new arrays."""
        outs = [xp.empty(a.shape, a.dtype) for a in avals]
        if self.launch is not None:
            operands = [xp.ascontiguousarray(x).reshape(x.shape) for x in arrays]
            self.launch(self.kernel, xp, outs if self.multiple else outs[0], *operands, **params)
        elif avals[0].size:
            shape, size = avals[0].shape, avals[0].size
            operands = [xp.ascontiguousarray(xp.broadcast_to(x, shape)) for x in arrays]
            self.kernel(
                blocks(size, self.threads), (self.threads,), (*operands, *outs, np.uint64(size))
            )
        return outs if self.multiple else outs[0]
