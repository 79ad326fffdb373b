"""What every operation must pass: its values, derivatives, batching and abstract values.

Each check takes a function of arrays, its result a pytree of arrays, and arguments for it. The
numbers that it holds the function to come from NumPy: a reference, differences or a loop.
"""

import itertools
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

import fxad.tree as tree
from fxad.core.aval import aval_of
from fxad.core.jaxpr import check_jaxpr
from fxad.core.staging import stage
from fxad.test_util import check_grads, tolerance
from fxad.transforms.jvp import jvp
from fxad.transforms.linearize import vjp
from fxad.transforms.vmap import vmap

_MOST_AXES = 64


def assert_same(
    got: Any, wanted: Any, rtol: float | None = None, atol: float | None = None
) -> None:
    """Two pytrees of arrays have one structure, shapes, dtypes, and values up to rounding."""
    got_leaves, wanted_leaves = tree.leaves(got), tree.leaves(wanted)
    assert len(got_leaves) == len(wanted_leaves), (got, wanted)
    for g, w in zip(got_leaves, map(np.asarray, wanted_leaves), strict=True):
        g = np.asarray(g)
        assert (g.shape, g.dtype) == (w.shape, w.dtype)
        rel = tolerance(w.dtype) if rtol is None else rtol
        np.testing.assert_allclose(g, w, rel, rel if atol is None else atol, equal_nan=True)


def check_value(
    fun: Callable[..., Any],
    reference: Callable[..., Any],
    args: Sequence[Any],
    rtol: float | None = None,
) -> None:
    """``fun`` has the value, shape and dtype that a function of NumPy has, and writes no input."""
    assert_same(fun(*_frozen(args)), reference(*args), rtol)


def check_abstract(fun: Callable[..., Any], args: Sequence[Any], derivatives: bool = True) -> None:
    """Staged on shapes and dtypes alone, ``fun`` has the results that it really has.

    Args:
      fun: the function.
      args: its arguments.
      derivatives: whether its ``jvp`` and ``vjp`` are staged as well.
    """
    for f in (fun, derivatives_of(fun)) if derivatives else (fun,):
        real = tree.leaves(f(*args))
        closed = stage(lambda *xs: tree.leaves(f(*xs)), [aval_of(a) for a in args])  # noqa: B023
        check_jaxpr(closed)
        for aval, y in zip(closed.out_avals, real, strict=True):
            assert (aval.shape, aval.dtype) == (np.shape(y), np.asarray(y).dtype)
        assert_same(closed(*args), real)


# Derivatives --------------------------------------------------------------------------------------


def check_op(
    fun: Callable[..., Any],
    args: Sequence[Any],
    order: int = 2,
    modes: Sequence[str] = ("fwd", "rev"),
    rtol: float = 1e-6,
    atol: float = 1e-7,
) -> None:
    """The derivatives of ``fun`` up to an order are those that central differences give.

    Args:
      fun: the function.
      args: a point; ``fun`` is differentiated by the arguments that are real or complex.
      order: how often to differentiate, in every mixture of modes.
      modes: "fwd" for ``jvp``, "rev" for ``vjp``.
      rtol: relative tolerance of the comparison, which is made in double precision.
      atol: absolute tolerance.
    """
    args = _frozen(args)
    active = [i for i, a in enumerate(args) if _is_inexact(a)]

    def of_active(*xs: Any) -> list[Any]:
        full = list(args)
        for i, x in zip(active, xs, strict=True):
            full[i] = x
        return [y for y in tree.leaves(fun(*full)) if _is_inexact(y)]

    _check_dtypes(of_active, [args[i] for i in active], modes)
    point = [np.asarray(args[i], np.result_type(args[i], np.float64)) for i in active]
    check_grads(of_active, point, order, modes, atol, rtol, eps=1e-4)


def _frozen(args: Sequence[Any]) -> list[Any]:
    """Copies that cannot be written to."""
    copies = [np.array(a) if isinstance(a, np.ndarray) else a for a in args]
    for a in copies:
        if isinstance(a, np.ndarray):
            a.flags.writeable = False
    return copies


def _is_inexact(x: Any) -> bool:
    return aval_of(x).dtype.kind in "fc"


def _check_dtypes(fun: Callable[..., Any], point: Sequence[Any], modes: Sequence[str]) -> None:
    """Tangents are as the outputs, cotangents as the inputs, in precision too."""
    if "fwd" in modes:
        outs, tangents = jvp(fun, tuple(point), tuple(point))
        _check_alike(tangents, outs)
        _check_alike(outs, fun(*point))
    if "rev" in modes:
        outs, pull = vjp(fun, *point)
        _check_alike(pull(outs), point)


def _check_alike(got: Sequence[Any], wanted: Sequence[Any]) -> None:
    for g, w in zip(got, wanted, strict=True):
        assert (np.shape(g), np.asarray(g).dtype) == (np.shape(w), np.asarray(w).dtype)


# Batching -----------------------------------------------------------------------------------------


def rolled(x: Any, k: int) -> np.ndarray:
    """The elements of ``x`` moved on by ``k``: another argument from the same domain."""
    return np.roll(np.ravel(x), k).reshape(np.shape(x))


def check_vmap(
    fun: Callable[..., Any],
    args: Sequence[Any],
    size: int = 2,
    variant: Callable[[Any, int], Any] = rolled,
    derivatives: bool = True,
) -> None:
    """``vmap`` gives what a loop gives, for every axis of every argument, batched or shared.

    Args:
      fun: the function of one example.
      args: one example.
      size: of the batch.
      variant: ``variant(arg, k)``: the argument in example ``k`` of the batch.
      derivatives: whether the batched ``jvp`` and ``vjp`` are checked as well.
    """
    batches = [[np.asarray(variant(a, k)) for k in range(size)] for a in args]
    functions = [fun, *([derivatives_of(fun)] if derivatives else [])]
    for axes in _axes_of(args):
        placed = [
            a if d is None else np.stack(batch, axis=d)
            for a, batch, d in zip(args, batches, axes, strict=True)
        ]
        examples = [
            [a if d is None else batch[k] for a, batch, d in zip(args, batches, axes, strict=True)]
            for k in range(size)
        ]
        for f in functions:
            each = [tree.leaves(f(*example)) for example in examples]
            wanted = [np.stack([np.asarray(y) for y in ys]) for ys in zip(*each, strict=True)]
            assert_same(tree.leaves(vmap(f, in_axes=tuple(axes))(*placed)), wanted)


def _axes_of(args: Sequence[Any]) -> list[tuple[int | None, ...]]:
    """Where the batch axes stand: all mixtures, or where they are many a choice of them."""
    choices = [(None, *range(np.ndim(a) + 1)) for a in args]
    count = np.prod([len(c) for c in choices])
    mixtures = list(itertools.islice(itertools.product(*choices), 1, None))
    return mixtures if count <= _MOST_AXES else mixtures[:: int(count) // _MOST_AXES + 1]


def derivatives_of(fun: Callable[..., Any]) -> Callable[..., Any]:
    """Tangent and cotangents of ``fun``, along and against values that are batched as it is."""

    def derivatives(*args: Any) -> list[Any]:
        active = [i for i, a in enumerate(args) if _is_inexact(a)]

        def of_active(*xs: Any) -> list[Any]:
            full = list(args)
            for i, x in zip(active, xs, strict=True):
                full[i] = x
            return [y for y in tree.leaves(fun(*full)) if _is_inexact(y)]

        point = tuple(args[i] for i in active)
        if not point:
            return []
        outs, pull = vjp(of_active, *point)
        return [*jvp(of_active, point, point)[1], *pull(outs)]

    return derivatives
