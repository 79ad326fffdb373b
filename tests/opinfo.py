"""The table of operations: what an entry says, and how sample arrays are made.

An entry names an operation, an independent reference for its values, and sample inputs. The tests
of ``test_ops.py`` (and ``parity/test_jax.py``) run over the whole table; the entries stand by
family in ``tests/opinfos/``.
"""

import functools
import importlib
import math
import pkgutil
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

import numpy as np

import fxad.tree
from fxad.core.primitive import Primitive

REAL = ("float32", "float64")
HALF = ("float16", *REAL)
COMPLEX = ("complex64", "complex128")
INTEGER = ("int8", "int32", "int64", "uint8")
NUMERIC = (*INTEGER, *REAL)
EVERY = ("bool", *INTEGER, *HALF, *COMPLEX)


@dataclass(frozen=True)
class SampleInput:
    """One call ``op(*args, **kwargs)``: ``args`` are pytrees of arrays, ``kwargs`` are static."""

    args: tuple[Any, ...]
    kwargs: dict[str, Any] = field(default_factory=dict)
    #: False at kinks, where differences say nothing, and where values repeat at random.
    smooth: bool = True
    #: The arguments that are differentiated; the others (masks, indices) are held.
    argnums: tuple[int, ...] | None = None

    def __str__(self) -> str:
        shown = [fxad.tree.map(_describe, a) for a in self.args]
        return f"args={shown} kwargs={self.kwargs}"

    def with_args(self, args: Sequence[Any]) -> "SampleInput":
        return SampleInput(tuple(args), self.kwargs, self.smooth, self.argnums)


def _describe(x: Any) -> str:
    return f"{x.dtype}{x.shape}" if isinstance(x, np.ndarray | np.generic) else repr(x)


@dataclass(frozen=True)
class ErrorInput:
    """A call that must fail, with what its message must say."""

    args: tuple[Any, ...]
    error: type[Exception]
    match: str
    kwargs: dict[str, Any] = field(default_factory=dict)
    #: Whether it fails for its shapes and dtypes alone.
    staged: bool = True


Samples = Callable[[np.random.Generator, np.dtype[Any]], Iterable[SampleInput]]


@dataclass(frozen=True)
class OpInfo:
    """An operation with all that its tests need to know.

    Args:
      name: unique in the table.
      op: the operation, called as a user calls it.
      ref: the same on NumPy arrays, independent of fxad.
      samples: ``samples(rng, dtype)``: its calls for a dtype; only arrays may depend on ``rng``.
      dtypes: those it takes.
      primitives: the primitives that the samples are to reach.
      order: up to which order it is differentiated; 0: its derivative is zero everywhere.
      tolerance: how many times the usual tolerance its values may be off.
      linear: the operands in which it is linear, each alone.
      elementwise: whether broadcasting and promotion are its own.
      keeps_precision: False for casts.
      vectorizes: False for shapes that depend on values, which ``jit`` and ``vmap`` refuse.
      jax: its name in JAX, or a function from the module to it, for the parity tests.
      errors: calls that must fail.
    """

    name: str
    op: Callable[..., Any]
    ref: Callable[..., Any]
    samples: Samples
    dtypes: tuple[str, ...] = HALF
    primitives: tuple[Primitive, ...] = ()
    order: int = 2
    tolerance: float = 1.0
    linear: tuple[int, ...] = ()
    elementwise: bool = False
    vectorizes: bool = True
    keeps_precision: bool = True
    jax: str | Callable[[Any], Callable[..., Any]] | None = None
    errors: Callable[[], Iterable[ErrorInput]] = tuple

    def __str__(self) -> str:
        return self.name

    def run(self, sample: SampleInput) -> Any:
        return self.op(*sample.args, **sample.kwargs)

    def expected(self, sample: SampleInput) -> Any:
        with np.errstate(all="ignore"):
            return self.ref(*sample.args, **sample.kwargs)

    def differentiable_dtypes(self) -> list[str]:
        return [d for d in ("float64", "complex128") if d in self.dtypes]


@functools.cache
def table() -> tuple[OpInfo, ...]:
    """All entries of all families."""
    package = importlib.import_module("tests.opinfos")
    modules = [
        importlib.import_module(f"tests.opinfos.{module.name}")
        for module in pkgutil.iter_modules(package.__path__)
    ]
    infos = tuple(info for module in modules for info in module.TABLE)
    names = [info.name for info in infos]
    assert len(set(names)) == len(names), {n for n in names if names.count(n) > 1}
    return infos


@contextmanager
def explained(info: OpInfo, sample: SampleInput, *more: Any) -> Iterator[None]:
    """An exception in the block also says which sample it was."""
    try:
        yield
    except BaseException as e:
        e.add_note(f"{info.name}: {sample} {' '.join(map(str, more))}")
        raise


# Arrays ----------------------------------------------------------------------------------------


def array(
    rng: np.random.Generator,
    shape: Sequence[int],
    dtype: Any,
    low: float = -2.0,
    high: float = 2.0,
    kinks: Sequence[float] = (),
) -> np.ndarray:
    """A random array from an interval, clear of the points where an operation has a kink."""
    dtype = np.dtype(dtype)
    if dtype.kind == "b":
        return rng.integers(0, 2, shape).astype(dtype)
    if dtype.kind in "iu":
        lowest = max(low, 0) if dtype.kind == "u" else low
        return rng.integers(math.floor(lowest), math.ceil(high) + 1, shape).astype(dtype)
    x = _clear(rng.uniform(low, high, shape), low, high, kinks)
    if dtype.kind == "c":
        x = x + 1j * _clear(rng.uniform(-1, 1, shape), -1, 1, (0.0,))
    return np.asarray(x, dtype)


def _clear(x: Any, low: float, high: float, kinks: Sequence[float]) -> Any:
    margin = 0.03 * (high - low)
    for kink in kinks:
        side = np.where(np.asarray(x) >= kink, margin, -margin)
        x = np.where(np.abs(x - kink) < margin, kink + side, x)
    return x


def distinct(rng: np.random.Generator, shape: Sequence[int], dtype: Any) -> np.ndarray:
    """An array without two values near each other, for what compares elements."""
    dtype = np.dtype(dtype)
    if dtype.kind == "b":
        return rng.integers(0, 2, shape).astype(dtype)
    size = int(np.prod(shape))
    x = rng.permutation(size).reshape(shape) - (0 if dtype.kind == "u" else size // 2)
    if dtype.kind in "iu":
        return np.asarray(x, dtype)
    x = 0.3 * x + rng.uniform(-0.05, 0.05, shape) + 0.1
    if dtype.kind == "c":
        x = x + 1j * rng.uniform(-1, 1, shape)
    return np.asarray(x, dtype)
