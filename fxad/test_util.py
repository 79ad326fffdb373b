"""Checks of derivatives against differences of values, for tests of functions and of rules."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from typing import Any

import numpy as np

import fxad.tree as tree
from fxad.backends import device_get
from fxad.backends.registry import backend_of
from fxad.core.aval import ShapedArray, aval_of, float0, is_differentiable
from fxad.core.tracebacks import public
from fxad.errors import ArgumentValueError
from fxad.transforms.jvp import jvp
from fxad.transforms.linearize import vjp

__all__ = ["check_grads", "check_jvp", "check_vjp", "tolerance"]

#: By the precision of a real number: the step of differences (its fifth root, about) and how far
#: a derivative may be from them.
_STEPS = {np.dtype(np.float16): 0.1, np.dtype(np.float32): 3e-2, np.dtype(np.float64): 5e-4}
_DERIVATIVE = {np.dtype(np.float16): 0.1, np.dtype(np.float32): 2e-3, np.dtype(np.float64): 2e-7}
#: And how far two ways to compute one value may differ.
_VALUE = {np.dtype(np.float16): 4e-3, np.dtype(np.float32): 5e-6, np.dtype(np.float64): 1e-12}


def tolerance(*arrays: Any) -> float:
    """How far two ways to compute one value may differ, relative to its size.

    Args:
      *arrays: arrays, numbers or dtypes that take part; the least precise decides.

    Returns:
      0 for integers and booleans, else the one number of this kind that fxad's own tests use.

    Example:
      >>> import numpy as np
      >>> from fxad.test_util import tolerance
      >>> tolerance(np.ones(3, np.float32))
      5e-06
    """
    return max((_VALUE[d] for d in map(_precision, arrays) if d is not None), default=0.0)


def _precision(x: Any) -> np.dtype[Any] | None:
    """The real dtype that says how exact a value is; None for integers and booleans."""
    dtype = x if isinstance(x, np.dtype) else aval_of(x).dtype
    if not is_differentiable(dtype):
        return None
    return np.finfo(dtype).dtype


@public
def check_grads(
    f: Callable[..., Any],
    args: Sequence[Any],
    order: int,
    modes: Sequence[str] = ("fwd", "rev"),
    atol: float | None = None,
    rtol: float | None = None,
    eps: float | None = None,
) -> None:
    """Checks a function's derivatives up to some order against differences of its values.

    Along random directions, ``jvp`` must be what central differences say, ``vjp`` its transpose,
    and the same again for the derivatives themselves, in every order of the modes: forward over
    forward, forward over reverse, reverse over forward, reverse over reverse.

    Args:
      f: the function; its arguments and result are pytrees of arrays or numbers.
      args: a tuple or list of arguments, the point; integers and booleans stay as they are.
      order: the highest order of derivative to check, at least 1.
      modes: any of ``"fwd"`` and ``"rev"``.
      atol: the absolute tolerance, in units of one plus the largest entry of what is compared.
      rtol: the relative tolerance. Both default to what the least precise argument allows.
      eps: the step of the differences; by default about the fifth root of the precision.

    Raises:
      AssertionError: a derivative is wrong; the message names the mode, the output and by how much.
      ArgumentValueError: an unknown mode.

    Source: central differences with one step of Richardson extrapolation, whose error is of the
    order ``eps**4``.

    Example:
      >>> import numpy as np
      >>> from fxad.test_util import check_grads
      >>> check_grads(lambda x, y: np.sin(x) * y, (np.ones(3), 2.0), order=2)
    """
    for mode in modes:
        if mode not in ("fwd", "rev"):
            raise ArgumentValueError(
                f"[check_grads] got modes={tuple(modes)!r}, wanted any of 'fwd' and 'rev'."
            )
    flat, leaves = _of_inexact(f, args)
    _check_grads(flat, leaves, order, modes, (atol, rtol, eps), "")


def _check_grads(
    f: Callable[..., Any],
    args: Sequence[Any],
    order: int,
    modes: Sequence[str],
    how: tuple[float | None, float | None, float | None],
    path: str,
) -> None:
    if "fwd" in modes:
        check_jvp(f, partial(jvp, f), args, *how, err_msg=f"jvp{path}")
    if "rev" in modes:
        check_vjp(f, partial(vjp, f), args, *how, err_msg=f"vjp{path}")
    if order <= 1:
        return
    count = len(args)

    def pushed(*xs: Any) -> Any:
        return jvp(f, xs[:count], xs[count:])[1]

    def pulled(*xs: Any) -> Any:
        return list(vjp(f, *xs[:count])[1](list(xs[count:])))

    # By the tangents and cotangents as well: rules must be linear in them.
    if "fwd" in modes:
        tangents = _directions(args, seed=2)
        _check_grads(pushed, [*args, *tangents], order - 1, modes, how, f" of jvp{path}")
    if "rev" in modes:
        cotangents = _directions(f(*args), seed=3)
        _check_grads(pulled, [*args, *cotangents], order - 1, modes, how, f" of vjp{path}")


@public
def check_jvp(
    f: Callable[..., Any],
    f_jvp: Callable[..., Any],
    args: Sequence[Any],
    atol: float | None = None,
    rtol: float | None = None,
    eps: float | None = None,
    err_msg: str = "jvp",
) -> None:
    """Checks a forward derivative against differences of the function, along a random direction.

    Args:
      f: the function.
      f_jvp: ``f_jvp(primals, tangents) -> (out, tangent_out)``, such as
        ``functools.partial(fxad.jvp, f)``.
      args: the arguments, the point.
      atol: as for ``check_grads``.
      rtol: as for ``check_grads``.
      eps: as for ``check_grads``.
      err_msg: what an error message begins with.

    Raises:
      AssertionError: value or tangent are wrong, or not of the output's shape and dtype.

    Example:
      >>> import numpy as np, fxad
      >>> from functools import partial
      >>> from fxad.test_util import check_jvp
      >>> check_jvp(np.sin, partial(fxad.jvp, np.sin), (1.0,))
    """
    leaves, structure = tree.flatten(tuple(args))
    directions = _directions(leaves)
    out, tangent = f_jvp(tuple(args), tree.unflatten(structure, directions))

    def of_leaves(*xs: Any) -> Any:
        return f(*tree.unflatten(structure, xs))

    plain = of_leaves(*leaves)
    _compare(out, plain, tolerance(*leaves, *tree.leaves(plain)), 0.0, f"{err_msg}: value")
    for t, y in zip(tree.leaves(tangent), tree.leaves(plain), strict=True):
        _same_kind(t, y, f"{err_msg}: tangent")
    expected = _difference(of_leaves, leaves, directions, eps)
    _compare(tangent, expected, *_tolerances(leaves, atol, rtol), f"{err_msg}: tangent")


@public
def check_vjp(
    f: Callable[..., Any],
    f_vjp: Callable[..., Any],
    args: Sequence[Any],
    atol: float | None = None,
    rtol: float | None = None,
    eps: float | None = None,
    err_msg: str = "vjp",
) -> None:
    """Checks a pullback against differences of the function: the pairing of both is one number.

    Args:
      f: the function.
      f_vjp: ``f_vjp(*args) -> (out, pullback)``, such as ``functools.partial(fxad.vjp, f)``.
      args: the arguments, the point.
      atol: as for ``check_grads``.
      rtol: as for ``check_grads``.
      eps: as for ``check_grads``.
      err_msg: what an error message begins with.

    Raises:
      AssertionError: value or cotangent are wrong, or not of the argument's shape and dtype.

    Example:
      >>> import numpy as np, fxad
      >>> from functools import partial
      >>> from fxad.test_util import check_vjp
      >>> check_vjp(np.sin, partial(fxad.vjp, np.sin), (1.0,))
    """
    leaves, structure = tree.flatten(tuple(args))
    out, pullback = f_vjp(*args)

    def of_leaves(*xs: Any) -> Any:
        return f(*tree.unflatten(structure, xs))

    plain = of_leaves(*leaves)
    _compare(out, plain, tolerance(*leaves, *tree.leaves(plain)), 0.0, f"{err_msg}: value")
    out_leaves, out_structure = tree.flatten(out)
    cotangents = _directions(out_leaves, seed=1)
    pulled = tree.leaves(pullback(tree.unflatten(out_structure, cotangents)))
    for x, ct in zip(leaves, pulled, strict=True):
        _same_kind(ct, x, f"{err_msg}: cotangent")
    directions = _directions(leaves)
    expected = tree.leaves(_difference(of_leaves, leaves, directions, eps))
    atol, rtol = _tolerances(leaves, atol, rtol)
    want = _pair(expected, cotangents)
    size = sum(float(np.sum(np.abs(t))) for t in expected if t.dtype != float0)
    error = abs(_pair(pulled, directions) - want)
    bound = atol * (1 + size) + rtol * abs(want)
    # Written so that a NaN fails.
    assert error <= bound, (
        f"{err_msg}: the pairing of cotangent and direction is {_pair(pulled, directions)}, "
        f"differences say {want}"
    )


def _tolerances(
    leaves: Sequence[Any], atol: float | None, rtol: float | None
) -> tuple[float, float]:
    default = max((_DERIVATIVE[d] for d in map(_precision, leaves) if d is not None), default=0.0)
    return default if atol is None else atol, default if rtol is None else rtol


def _of_inexact(f: Callable[..., Any], args: Sequence[Any]) -> tuple[Callable[..., Any], list[Any]]:
    """``f`` as a function of its real and complex leaves, with a list of such as its result."""
    leaves, structure = tree.flatten(tuple(args))
    varying = [_precision(x) is not None for x in leaves]

    def flat(*xs: Any) -> list[Any]:
        given = iter(xs)
        full = [next(given) if v else x for v, x in zip(varying, leaves, strict=True)]
        outs = tree.leaves(f(*tree.unflatten(structure, full)))
        return [y for y in outs if _precision(y) is not None]

    return flat, [x for x, v in zip(leaves, varying, strict=True) if v]


def _directions(values: Sequence[Any], seed: int = 0) -> list[Any]:
    """A random array of the shape, dtype and backend of each value; float0 for integers."""
    rng = np.random.default_rng((seed, len(values)))
    return [_direction(rng, x) for x in values]


def _direction(rng: np.random.Generator, x: Any) -> Any:
    aval = aval_of(x)
    if _precision(x) is None:
        return np.zeros(aval.shape, float0)
    v: Any = rng.uniform(-1, 1, aval.shape)
    if aval.dtype.kind == "c":
        v = v + 1j * rng.uniform(-1, 1, aval.shape)
    home: Any = backend_of(x)
    return home.put(np.asarray(v, aval.dtype), home.device_of(x))


def _difference(
    f: Callable[..., Any], args: Sequence[Any], directions: Sequence[Any], eps: float | None
) -> Any:
    """The derivative along a direction by differences of two steps, extrapolated."""
    precisions = [d for d in map(_precision, args) if d is not None]
    step = eps or max((_STEPS[d] for d in precisions), default=1.0)

    def moved(by: float) -> tuple[list[Any], Any]:
        point = [
            x if _precision(x) is None else x + v * aval_of(x).dtype.type(by)
            for x, v in zip(args, directions, strict=True)
        ]
        return tree.flatten(f(*point))

    def slope(by: float) -> tuple[list[Any], Any]:
        (above, structure), (below, _) = moved(by), moved(-by)
        pairs = zip(above, below, strict=True)
        return [
            np.zeros(aval_of(a).shape, float0)
            if _precision(a) is None
            else (_host(a) - _host(b)) / (2 * by)
            for a, b in pairs
        ], structure

    (near, structure), (far, _) = slope(step), slope(2 * step)
    return tree.unflatten(
        structure,
        [n if n.dtype == float0 else (4 * n - w) / 3 for n, w in zip(near, far, strict=True)],
    )


def _host(x: Any) -> Any:
    """A value as a NumPy array in double precision, so that comparing it loses nothing."""
    x = np.asarray(device_get(x))
    if x.dtype.kind in "fc":
        return x.astype(np.complex128 if x.dtype.kind == "c" else np.float64)
    return x


def _pair(xs: Sequence[Any], ys: Sequence[Any]) -> float:
    """The real pairing that transposition keeps."""
    pairs = zip(map(_host, xs), map(_host, ys), strict=True)
    return float(sum(np.sum(x * y).real for x, y in pairs if float0 not in (x.dtype, y.dtype)))


def _same_kind(got: Any, like: Any, what: str) -> None:
    """A tangent or cotangent has the shape and dtype of what it belongs to."""
    a, b = aval_of(got), aval_of(like)
    wanted = b.dtype if is_differentiable(b.dtype) else float0
    assert (a.shape, a.dtype) == (b.shape, wanted), (
        f"{what} is {a.long_name()}, wanted {ShapedArray(b.shape, wanted).long_name()}"
    )


def _compare(got: Any, wanted: Any, atol: float, rtol: float, what: str) -> None:
    got_leaves, structure = tree.flatten(got)
    wanted_leaves, wanted_structure = tree.flatten(wanted)
    assert structure == wanted_structure, f"{what} has the structure {structure}"
    for i, (a, b) in enumerate(zip(got_leaves, wanted_leaves, strict=True)):
        x, y = _host(a), _host(b)
        if x.dtype == float0:
            continue
        scale = 1 + np.max(np.abs(y), initial=0, where=np.isfinite(y))
        np.testing.assert_allclose(
            x, y, rtol=rtol, atol=atol * scale, err_msg=f"{what} of output {i}"
        )
