"""Derivatives against central differences to second order, and vmap against a loop."""

from collections.abc import Callable, Sequence
from itertools import product
from typing import Any

import numpy as np

import fxad.backends
import fxad.backends.numpy as numpy_backend
from fxad.core.trace import set_resolver
from fxad.transforms.jvp import jvp
from fxad.transforms.linearize import vjp
from fxad.transforms.vmap import vmap

set_resolver(numpy_backend.xp, fxad.backends.resolve)


def listed(out: Any) -> list[Any]:
    return list(out) if isinstance(out, tuple | list) else [out]


def direction(rng: np.random.Generator, x: Any) -> Any:
    """A random array of the shape and dtype of another."""
    x = np.asarray(x)
    v = rng.standard_normal(x.shape)
    if x.dtype.kind == "c":
        v = v + 1j * rng.standard_normal(x.shape)
    return np.asarray(v, x.dtype)


def dot(xs: Sequence[Any], ys: Sequence[Any]) -> float:
    """The real pairing that transposition keeps."""
    return float(
        sum(np.sum(np.asarray(x) * np.asarray(y)).real for x, y in zip(xs, ys, strict=True))
    )


def check_derivatives(
    f: Callable[..., Any],
    args: Sequence[Any],
    rng: np.random.Generator,
    order: int = 2,
    step: float = 1e-5,
    tol: float = 1e-6,
) -> None:
    """``jvp`` and ``vjp`` of f, and of what they return, at float64 or complex128 points."""
    args = [np.asarray(x) for x in args]
    tangents = [direction(rng, x) for x in args]
    outs, out_tangents = map(listed, jvp(f, tuple(args), tuple(tangents)))
    above = listed(f(*(x + step * t for x, t in zip(args, tangents, strict=True))))
    below = listed(f(*(x - step * t for x, t in zip(args, tangents, strict=True))))
    for y, t, hi, lo, plain in zip(outs, out_tangents, above, below, listed(f(*args)), strict=True):
        difference = (np.asarray(hi) - np.asarray(lo)) / (2 * step)
        scale = 1 + np.max(np.abs(difference), initial=0)
        np.testing.assert_allclose(t, difference, atol=tol * scale, rtol=tol)
        assert np.shape(t) == np.shape(y)
        assert np.asarray(t).dtype == np.asarray(y).dtype
        np.testing.assert_allclose(y, plain, rtol=1e-12, atol=1e-12)
    cts = [direction(rng, y) for y in outs]
    _, pull = vjp(lambda *xs: listed(f(*xs)), *args)
    pulled = pull(cts)
    for x, ct in zip(args, pulled, strict=True):
        assert np.shape(ct) == x.shape
        assert np.asarray(ct).dtype == x.dtype
    np.testing.assert_allclose(dot(cts, out_tangents), dot(pulled, tangents), rtol=1e-7, atol=1e-8)
    if order > 1:

        def pullback(*xs: Any) -> Any:
            return vjp(lambda *ys: listed(f(*ys)), *xs)[1](cts)

        def pushforward(*xs: Any) -> Any:
            return jvp(f, xs, tuple(tangents))[1]

        check_derivatives(pullback, args, rng, order - 1, step, tol * 10)
        check_derivatives(pushforward, args, rng, order - 1, step, tol * 10)


def check_vmap(
    f: Callable[..., Any],
    args: Sequence[Any],
    rng: np.random.Generator,
    size: int = 3,
    tol: float = 1e-10,
) -> None:
    """``vmap`` of f over every combination of axes against a loop of calls."""
    choices = [[None, *range(np.ndim(x) + 1)] for x in args]
    for dims in product(*choices):
        if all(d is None for d in dims):
            continue
        batched = [
            x if d is None else np.stack([_perturbed(rng, x) for _ in range(size)], axis=d)
            for x, d in zip(args, dims, strict=True)
        ]
        outs = listed(vmap(f, in_axes=tuple(dims))(*batched))
        for i in range(size):
            one = [
                x if d is None else np.take(x, i, axis=d)
                for x, d in zip(batched, dims, strict=True)
            ]
            for whole, single in zip(outs, listed(f(*one)), strict=True):
                np.testing.assert_allclose(whole[i], single, rtol=tol, atol=tol)
                assert np.asarray(whole).dtype == np.asarray(single).dtype


def _perturbed(rng: np.random.Generator, x: Any) -> Any:
    x = np.asarray(x)
    return (
        rng.permuted(x.ravel()).reshape(x.shape)
        if x.dtype.kind in "biu"
        else x + 0.1 * direction(rng, x)
    )
