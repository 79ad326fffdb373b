"""``checkpoint_sequential``: a chain of layers, checkpointed in segments."""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable, Sequence
from typing import Any

from fxad.control.checkpoint import checkpoint
from fxad.control.policies import Policy
from fxad.core.source import error
from fxad.core.tracebacks import public
from fxad.errors import ArgumentTypeError, ArgumentValueError
from fxad.transforms.common import check_callable

Layers = Sequence[Callable[..., Any]]


def checkpoint_sequential(
    layers: Layers,
    segments: int | str | Sequence[int] = "sqrt",
    *,
    policy: Policy | None = None,
    prevent_cse: Any = True,
) -> Callable[..., Any]:
    """Layers one after the other, which keep only what goes from segment to segment.

    Every segment but the last is a ``checkpoint``: its input is kept, and its layers run again
    when the backward pass comes to it. The last one would be run again at once, so what it needs
    is kept. With ``sqrt(n)`` segments of ``n`` equal layers about ``2 sqrt(n)`` layers' values are
    held at a time instead of ``n``, for less than one more forward pass.

    Args:
      layers: functions; each takes what the one before it returned, a pytree of arrays.
      segments: how many, of lengths that differ by at most one; ``"sqrt"`` for the square root of
        the number of layers; or a list of their lengths.
      policy: what the segments may keep after all, as for ``checkpoint``.
      prevent_cse: as for ``checkpoint``.

    Returns:
      A function ``run(x)``, where layers hold their parameters themselves: gradients go to those
      as well. Or ``run(params, x)``, with a sequence that has the parameters of each layer, which
      is then called as ``layer(params[i], x)``.

    Raises:
      ArgumentTypeError: a layer is not a function, or ``segments`` is of another kind.
      ArgumentValueError: there are no layers, not as many as segments, the lengths do not add up
        to them, or a call has another number of parameters than layers.

    Source: Chen, Xu, Zhang and Guestrin, Training Deep Nets with Sublinear Memory Cost, 2016.

    Example:
      >>> import numpy as np, fxad
      >>> layers = [lambda w, x: np.tanh(x @ w)] * 9
      >>> net = fxad.checkpoint_sequential(layers)
      >>> params = [np.eye(2)] * 9
      >>> gradients = fxad.grad(lambda params: net(params, np.ones(2)).sum())(params)
      >>> len(gradients), gradients[0].shape
      (9, (2, 2))
    """
    layers = _check_layers(layers)
    parts = _split(layers, _lengths(len(layers), segments))
    runs = [checkpoint(_chain(p), policy=policy, prevent_cse=prevent_cse) for p in parts[:-1]]
    runs.append(_chain(parts[-1]))
    starts = [0, *itertools.accumulate(map(len, parts))]

    @public
    def run(*args: Any) -> Any:
        if len(args) not in (1, 2):
            raise error(
                ArgumentTypeError,
                "checkpoint_sequential",
                f"got {len(args)} arguments, wanted (x) or (params, x)",
                "Pass what the first layer takes as one pytree: a tuple, say.",
            )
        x = args[-1]
        if len(args) == 1:
            for segment in runs:
                x = segment(None, x)
            return x
        params = args[0]
        if not isinstance(params, Sequence) or len(params) != len(layers):
            problem = f"got parameters for {_count(params)}, wanted them for {len(layers)} layers"
            raise error(ArgumentValueError, "checkpoint_sequential", problem)
        for segment, (start, end) in zip(runs, itertools.pairwise(starts), strict=True):
            x = segment(params[start:end], x)
        return x

    return run


def _chain(layers: Layers) -> Callable[..., Any]:
    """The layers as one function of their parameters, or None, and the input."""

    def segment(params: Sequence[Any] | None, x: Any) -> Any:
        for i, layer in enumerate(layers):
            x = layer(x) if params is None else layer(params[i], x)
        return x

    return segment


def _split(layers: Layers, lengths: Sequence[int]) -> list[Layers]:
    rest = iter(layers)
    return [list(itertools.islice(rest, n)) for n in lengths]


def _count(params: Any) -> str:
    return str(len(params)) if isinstance(params, Sequence) else f"a {type(params).__name__}"


def _check_layers(layers: Any) -> Layers:
    if not isinstance(layers, Sequence):
        problem = f"got layers of type {type(layers).__name__}, wanted a sequence of functions"
        raise error(ArgumentTypeError, "checkpoint_sequential", problem, "Write list(layers).")
    if not layers:
        problem = "got no layers, wanted at least one"
        raise error(ArgumentValueError, "checkpoint_sequential", problem)
    return [check_callable("checkpoint_sequential", layer) for layer in layers]


def _lengths(count: int, segments: Any) -> list[int]:
    """The lengths of the segments of so many layers."""
    if segments == "sqrt":
        segments = max(1, round(math.sqrt(count)))
    if isinstance(segments, int) and not isinstance(segments, bool):
        if not 1 <= segments <= count:
            raise error(
                ArgumentValueError,
                "checkpoint_sequential",
                f"got segments={segments} for {count} layers, wanted 1 to {count}",
            )
        return [(i + 1) * count // segments - i * count // segments for i in range(segments)]
    if not isinstance(segments, list | tuple) or not all(type(n) is int for n in segments):
        raise error(
            ArgumentTypeError,
            "checkpoint_sequential",
            f"got segments={segments!r}, wanted a number, 'sqrt' or a list of lengths",
        )
    if sum(segments) != count or min(segments, default=0) < 1:
        raise error(
            ArgumentValueError,
            "checkpoint_sequential",
            f"got segments={list(segments)}, wanted positive lengths whose sum is {count}, "
            "the number of layers",
        )
    return list(segments)
