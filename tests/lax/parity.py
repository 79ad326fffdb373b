"""What a function of ``fxad.lax`` must share with JAX's of that name: values, derivatives, batches.

Where JAX is not installed the tests that need it are skipped; the doctests, and the tests against
NumPy beside these, hold the functions there.
"""

import zlib
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import pytest

import fxad
import fxad.tree as tree
from fxad import lax
from fxad.core.aval import aval_of

try:
    import jax
except ImportError:
    jax = None

needs_jax = pytest.mark.skipif(jax is None, reason="needs JAX, the oracle")

TOLERANCE = {"e": 4e-3, "f": 4e-5, "F": 4e-5, "d": 1e-11, "D": 1e-11}


def assert_same(got: Any, wanted: Any, rtol: float | None = None) -> None:
    """The same structure, shapes and dtypes, and values up to rounding."""
    got_leaves, wanted_leaves = tree.leaves(got), tree.leaves(wanted)
    assert len(got_leaves) == len(wanted_leaves), (got, wanted)
    for g, w in zip(map(np.asarray, got_leaves), map(np.asarray, wanted_leaves), strict=True):
        assert (g.shape, g.dtype) == (w.shape, w.dtype)
        tolerance = TOLERANCE.get(w.dtype.char, 0.0) if rtol is None else rtol
        np.testing.assert_allclose(g, w, tolerance, tolerance, equal_nan=True)


def check(
    name: str | Callable[[Any], Callable[..., Any]],
    *args: Any,
    derivatives: bool = True,
    batched: bool = True,
    rtol: float | None = None,
    **kwargs: Any,
) -> None:
    """Holds a function to JAX's.

    Args:
      name: the function's; or what makes the function, of the module ``lax``.
      *args: arrays; they are what is differentiated and batched.
      derivatives: whether to compare the derivatives too.
      batched: whether to compare ``vmap`` with a loop too.
      rtol: relative tolerance.
      **kwargs: further arguments, the same for both.
    """
    of = (lambda module: getattr(module, name)) if isinstance(name, str) else name
    ours, theirs = of(lax), of(jax.lax)

    def fun(*xs: Any) -> Any:
        return ours(*xs, **kwargs)

    out = fun(*args)
    active = [i for i, x in enumerate(args) if aval_of(x).dtype.kind in "fc"]
    smooth = all(y.dtype.kind in "fc" for y in map(aval_of, tree.leaves(out)))
    if derivatives and active and smooth:
        both = _derived(fxad, fun, args, active, out)
        peer = _derived(jax, lambda *xs: theirs(*xs, **kwargs), args, active, out)
        point = [args[i] for i in active]
        assert_same(both(*point), jax.jit(peer)(*point), rtol)
    else:
        assert_same(out, theirs(*args, **kwargs), rtol)
    assert_same(fxad.jit(fun)(*args), out, rtol)
    if batched:
        check_batched(fun, args, rtol)


def _derived(
    module: Any, fun: Callable[..., Any], args: Sequence[Any], active: Sequence[int], out: Any
) -> Callable[..., Any]:
    """Value, tangents and cotangents by the active arguments, along fixed directions."""
    cts = [directions(y) for y in tree.leaves(out)]

    def of_active(*xs: Any) -> Any:
        full = list(args)
        for i, x in zip(active, xs, strict=True):
            full[i] = x
        return module.tree.leaves(fun(*full))

    def derived(*xs: Any) -> Any:
        tangents = tuple(directions(args[i]) for i in active)
        primals, pushed = module.jvp(of_active, xs, tangents)
        return primals, pushed, module.vjp(of_active, *xs)[1](cts)

    return derived


def directions(x: Any) -> Any:
    """A fixed value of the shape and dtype of another: a tangent, a cotangent."""
    aval = aval_of(x)
    rng = np.random.default_rng(zlib.crc32(str(aval).encode()))
    v: Any = rng.uniform(-1, 1, aval.shape)
    if aval.dtype.kind == "c":
        v = v + 1j * rng.uniform(-1, 1, aval.shape)
    return np.asarray(v).astype(aval.dtype)


def check_batched(fun: Callable[..., Any], args: Sequence[Any], rtol: float | None = None) -> None:
    """``vmap`` gives what a loop gives: over all arguments, and over each of them alone."""
    arrays = [i for i, x in enumerate(args) if isinstance(x, np.ndarray | np.generic)]
    variants = {
        i: [np.roll(args[i].reshape(-1), k).reshape(args[i].shape) for k in (0, 1)] for i in arrays
    }
    for mapped in [arrays, *([i] for i in arrays)] if len(arrays) > 1 else [arrays]:
        if not mapped:
            continue
        axes = [0 if i in mapped else None for i in range(len(args))]
        stacks = [np.stack(variants[i]) if i in mapped else x for i, x in enumerate(args)]
        each = [
            tree.leaves(fun(*(variants[i][k] if i in mapped else x for i, x in enumerate(args))))
            for k in (0, 1)
        ]
        wanted = [np.stack(list(map(np.asarray, ys))) for ys in zip(*each, strict=True)]
        assert_same(tree.leaves(fxad.vmap(fun, in_axes=tuple(axes))(*stacks)), wanted, rtol)
