"""``check_primitive``: the rules of an operation, held against each other."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from fxad.backends import device_get
from fxad.compiler.abstract import eval_shape
from fxad.compiler.jit import jit
from fxad.core.aval import aval_of, is_differentiable
from fxad.extend.defining import Operation
from fxad.ops.base import shape_of
from fxad.test_util import check_grads, tolerance
from fxad.transforms.jvp import jvp
from fxad.transforms.vmap import vmap

_BATCH = 3


def check_primitive(
    operation: Operation,
    *args: Any,
    order: int = 2,
    modes: Sequence[str] = ("fwd", "rev"),
    argnums: Sequence[int] | None = None,
    atol: float | None = None,
    rtol: float | None = None,
    **params: Any,
) -> None:
    """Checks the rules of an operation of one's own against its values, at a point.

    - ``abstract``: what is known before is what ``impl`` gives, eagerly and under ``jit``, and
      ``impl`` leaves its operands as they were;
    - ``jvp``: tangents are differences of values, to second order;
    - ``transpose``: ``<ct, jvp(t)>`` is ``<vjp(ct), t>``, what reverse mode needs;
    - ``batch``: over each operand and over all together, at the first axis and the last, ``vmap``
      is a loop; of the derivative as well.

    Args:
      operation: what ``define_primitive``, ``from_host`` or ``from_kernel`` returned.
      *args: arrays or numbers, a point where it is smooth.
      order: up to which order derivatives are checked; 0: none are.
      modes: any of ``"fwd"`` and ``"rev"``.
      argnums: the operands to differentiate by; None for all real and complex ones.
      atol: the absolute tolerance of derivatives, as for ``check_grads``.
      rtol: the relative tolerance.
      **params: the operation's parameters.

    Raises:
      AssertionError: two rules disagree; the message says which.
      FxadError: a rule refuses, or does not fit, as it would for a user.

    Example:
      >>> import numpy as np
      >>> from fxad import extend
      >>> wrong = extend.define_primitive(
      ...     "wrong_sine", lambda xp, x: xp.sin(x), jvp=[lambda t, out, x: -t * np.cos(x)])
      >>> extend.check_primitive(wrong, np.ones(2))
      Traceback (most recent call last):
          ...
      AssertionError: wrong_sine: ...jvp: tangent of output 0...
    """
    name = operation.__name__

    def listed(*xs: Any) -> list[Any]:
        out = operation(*xs, **params)
        return list(out) if isinstance(out, list) else [out]

    kept = [np.array(device_get(x)) for x in args]
    outs = listed(*args)
    for i, (x, before) in enumerate(zip(args, kept, strict=True)):
        assert np.array_equal(device_get(x), before, equal_nan=before.dtype.kind in "fc"), (
            f"{name}: impl wrote to operand {i}"
        )
    for known, y in zip(eval_shape(listed, *args), outs, strict=True):
        got = aval_of(y)
        assert (known.shape, known.dtype) == (got.shape, got.dtype), f"{name}: abstract: {known}"
    _same(jit(listed)(*args), outs, f"{name}: jit")
    _check_batches(listed, args, f"{name}: batch")
    chosen = range(len(args)) if argnums is None else argnums
    smooth = [i for i in chosen if is_differentiable(aval_of(args[i]).dtype)]
    if not order or not smooth or not any(is_differentiable(aval_of(y).dtype) for y in outs):
        return

    def of_smooth(fixed: Sequence[Any]) -> Callable[..., list[Any]]:
        def run(*moved: Any) -> list[Any]:
            full = list(fixed)
            for i, x in zip(smooth, moved, strict=True):
                full[i] = x
            return [y for y in listed(*full) if is_differentiable(aval_of(y).dtype)]

        return run

    try:
        check_grads(of_smooth(args), [args[i] for i in smooth], order, modes, atol, rtol)
    except AssertionError as e:
        raise AssertionError(f"{name}: {e}") from e

    def pushed(*xs: Any) -> list[Any]:
        primals = [xs[i] for i in smooth]
        tangents = [x * 0 + np.asarray(0.5, aval_of(x).dtype) for x in primals]
        return list(jvp(of_smooth(xs), primals, tangents)[1])

    _check_batches(pushed, args, f"{name}: batch of jvp")


def _check_batches(f: Callable[..., list[Any]], args: Sequence[Any], what: str) -> None:
    """``vmap`` is a loop, over any operand and over all of them."""
    operands = [device_get(x) for x in args]
    choices = [[i] for i in range(len(args))]
    for chosen in choices if len(args) == 1 else [*choices, list(range(len(args)))]:
        many = {i: _varied(operands[i]) for i in chosen}
        rows = [
            f(*(many[i][k] if i in many else x for i, x in enumerate(args)))
            for k in range(_BATCH)
        ]
        wanted = [np.stack([device_get(y) for y in column]) for column in zip(*rows, strict=True)]
        for last in (False, True):
            axes = [
                None if i not in many else len(shape_of(x)) if last else 0
                for i, x in enumerate(args)
            ]
            batched = [
                x if i not in many else np.moveaxis(many[i], 0, -1 if last else 0)
                for i, x in enumerate(args)
            ]
            _same(vmap(f, tuple(axes))(*batched), wanted, f"{what} over operands {chosen}")


def _varied(x: Any) -> Any:
    """Three examples near a value; the same three times, of integers."""
    x = np.asarray(x)
    if x.dtype.kind not in "fc":
        return np.stack([x] * _BATCH)
    return np.stack([x * x.dtype.type(scale) for scale in (1.0, 0.97, 1.02)])


def _same(got: Sequence[Any], wanted: Sequence[Any], what: str) -> None:
    for i, (a, b) in enumerate(zip(got, wanted, strict=True)):
        x, y = np.asarray(device_get(a)), np.asarray(device_get(b))
        assert (x.shape, x.dtype) == (y.shape, y.dtype), (
            f"{what}: result {i} is {x.dtype}{list(x.shape)}, wanted {y.dtype}{list(y.shape)}"
        )
        tol = 10 * tolerance(x)
        scale = 1 + np.max(np.abs(y), initial=0) if y.dtype.kind in "fc" else 0
        np.testing.assert_allclose(x, y, tol, tol * scale, err_msg=f"{what}: result {i}")
