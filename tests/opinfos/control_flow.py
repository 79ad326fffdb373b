"""Loops and branches."""

from collections.abc import Iterable
from typing import Any

import numpy as np

import fxad
from fxad import lax
from fxad.control.branches import cond_p
from fxad.control.cond import platform_index_p
from fxad.control.loop import scan_p
from fxad.control.repeat import (
    while_curve_p,
    while_p,
    while_pull_p,
    while_push_p,
    while_record_p,
)
from tests.opinfo import COMPLEX, REAL, OpInfo, SampleInput, array

# Branches ----------------------------------------------------------------------------------------


def up(x: Any, y: Any) -> Any:
    return np.sin(x) * y, x + y


def down(x: Any, y: Any) -> Any:
    return x * x * y, np.exp(y) * 2 + x * 0


def flat(x: Any, y: Any) -> Any:
    return x * 0 + 1, x - y


BRANCHES = (down, up, flat)


def _operands(rng: np.random.Generator, dtype: np.dtype[Any]) -> Iterable[SampleInput]:
    for shape in [(3,), (), (2, 0)]:
        for which in (0, 1):
            x, y = array(rng, shape, dtype), array(rng, shape, dtype)
            yield SampleInput((np.asarray(which), x, y), argnums=(1, 2))


def _traced_cond(which: Any, x: Any, y: Any) -> Any:
    """A condition that is not known, so that the primitive is bound."""
    return fxad.jit(lambda p, *xs: lax.cond(p > 0, up, down, *xs))(which, x, y)


def _traced_switch(which: Any, x: Any, y: Any) -> Any:
    return fxad.jit(lambda i, *xs: lax.switch(2 * i, BRANCHES, *xs))(which, x, y)


def _on_platform(_which: Any, x: Any, y: Any) -> Any:
    platforms = {"cpu": up, "cuda": up, "fake": up, "tpu": flat}
    return fxad.jit(lambda *xs: lax.platform_dependent(*xs, default=down, **platforms))(x, y)


def branch(name: str, op: Any, ref: Any, *primitives: Any) -> OpInfo:
    return OpInfo(name, op, ref, _operands, (*REAL, *COMPLEX), primitives, tolerance=2)


# Loops -------------------------------------------------------------------------------------------

WEIGHTS = np.array([[0.5, -0.3, 0.2], [0.1, 0.4, -0.6], [0.7, 0.2, 0.3]])


def cell(weights: Any) -> Any:
    def step(carry: Any, x: Any) -> Any:
        h, count = carry
        z = np.tanh(0.3 * (weights @ h + x))
        return (z, count + 1), (z * h, np.sum(x))

    return step


def recurrence(weights: Any, h: Any, xs: Any, **kwargs: Any) -> Any:
    """Constants, a carry, slices and stacked outputs; a carry of integers beside."""
    return lax.scan(cell(weights), (h, 0), xs, **kwargs)


def recurrence_ref(
    weights: Any, h: Any, xs: Any, reverse: bool = False, **kwargs: Any
) -> Any:
    step, carry, ys = cell(weights), (h, 0), []
    for x in xs[::-1] if reverse else xs:
        carry, y = step(carry, x)
        ys.append(y)
    ys = ys[::-1] if reverse else ys
    if not ys:
        return (h, np.int64(0)), (np.zeros((0, 3), h.dtype), np.zeros((0,), h.dtype))
    columns = zip(*ys, strict=True)
    return (carry[0], np.int64(carry[1])), tuple(np.stack(column) for column in columns)


def _sequences(rng: np.random.Generator, dtype: np.dtype[Any]) -> Iterable[SampleInput]:
    for length, kwargs in [
        (4, {}), (1, {}), (0, {}), (3, {"reverse": True}), (5, {"unroll": 2}),
        (5, {"unroll": 3, "reverse": True}), (4, {"unroll": True}),
    ]:
        args = array(rng, (3, 3), dtype, -0.7, 0.7), array(rng, (3,), dtype)
        yield SampleInput((*args, array(rng, (length, 3), dtype)), kwargs)


def sums(xs: Any) -> Any:
    """Numbers as the carry, which give way to the dtype of what is added."""
    return lax.scan(lambda c, x: (c + x, c * 2.0), 0, xs)


def sums_ref(xs: Any) -> Any:
    after = np.cumsum(xs)
    before = np.concatenate([np.zeros(1, xs.dtype), after])[:-1]
    return (after[-1] if len(xs) else xs.dtype.type(0)), before * 2


def _vectors(rng: np.random.Generator, dtype: np.dtype[Any]) -> Iterable[SampleInput]:
    for length in (3, 1, 0):
        yield SampleInput((array(rng, (length,), dtype),))


def newton(a: Any, n: Any, **kwargs: Any) -> Any:
    """Steps of Newton's method for the square root, their number a value."""

    def step(carry: Any) -> Any:
        i, x = carry
        return i + 1, (x + a / x) / 2

    return lax.while_loop(lambda carry: carry[0] < n, step, (0, a), **kwargs)[1]


def newton_ref(a: Any, n: Any, **kwargs: Any) -> Any:
    x = a
    for _ in range(int(n)):
        x = (x + a / x) / 2
    return x


def _steps(rng: np.random.Generator, dtype: np.dtype[Any]) -> Iterable[SampleInput]:
    for shape in [(3,), (), (2, 0)]:
        for n, kwargs in [(3, {}), (0, {}), (4, {"checkpoint": True}), (5, {"checkpoint": 1})]:
            x = array(rng, shape, dtype, 0.5, 2)
            yield SampleInput((x, np.asarray(n)), kwargs, argnums=(0,))


def power(x: Any, n: Any, **kwargs: Any) -> Any:
    return lax.fori_loop(0, n, lambda i, y: x * y + i, x, **kwargs)


def power_ref(x: Any, n: Any, **kwargs: Any) -> Any:
    y = x
    for i in range(int(n)):
        y = x * y + i
    return y


def _traced(fun: Any) -> Any:
    """The function with its number of steps not known when it is traced."""
    return lambda x, n, **kwargs: fxad.jit(lambda x, n: fun(x, n, **kwargs))(x, n)


def pulled(x: Any, n: Any, **kwargs: Any) -> Any:
    """A pullback and a pushforward through the loop, as a function to be differentiated."""

    def slopes(x: Any, n: Any) -> Any:
        out, pullback = fxad.vjp(lambda x: power(x, n, **kwargs), x)
        return pullback(np.cos(out))[0]

    return fxad.jit(slopes)(x, n)


def pulled_ref(x: Any, n: Any, **kwargs: Any) -> Any:
    y, slope = x, x * 0 + 1
    for i in range(int(n)):
        y, slope = x * y + i, y + x * slope
    return np.cos(y) * slope


def pushed(x: Any, n: Any) -> Any:
    def slopes(x: Any, n: Any) -> Any:
        return fxad.linearize(lambda x: power(x, n), x)[1](x * x)

    return fxad.jit(slopes)(x, n)


def pushed_ref(x: Any, n: Any) -> Any:
    y, slope = x, x * 0 + 1
    for i in range(int(n)):
        y, slope = x * y + i, y + x * slope
    return slope * x * x


def curved(x: Any, n: Any) -> Any:
    """The derivative of a pullback along a tangent."""

    def along(x: Any, n: Any) -> Any:
        return fxad.jvp(lambda x: pulled(x, n), (x,), (x * 0 + 1,))[1]

    return fxad.jit(along)(x, n)


def curved_ref(x: Any, n: Any) -> Any:
    y, d1, d2 = x, x * 0 + 1, x * 0
    for i in range(int(n)):
        y, d1, d2 = x * y + i, y + x * d1, 2 * d1 + x * d2
    return np.cos(y) * d2 - np.sin(y) * d1 * d1


def _small_powers(rng: np.random.Generator, dtype: np.dtype[Any]) -> Iterable[SampleInput]:
    for n in (3, 0, 1):
        yield SampleInput((array(rng, (3,), dtype, 0.2, 1.1), np.asarray(n)), argnums=(0,))


def _powers(rng: np.random.Generator, dtype: np.dtype[Any]) -> Iterable[SampleInput]:
    yield from _small_powers(rng, dtype)
    yield SampleInput((array(rng, (), dtype, 0.2, 1.1), np.asarray(2)), argnums=(0,))
    yield SampleInput(
        (array(rng, (2,), dtype, 0.2, 1.1), np.asarray(4)), {"checkpoint": 2}, argnums=(0,)
    )


def _cond_ref(which: Any, x: Any, y: Any) -> Any:
    return (down, up)[int(which)](x, y)


def _switch_ref(which: Any, x: Any, y: Any) -> Any:
    return BRANCHES[2 * int(which)](x, y)


TABLE = (
    branch("lax.cond", lambda p, *xs: lax.cond(p, up, down, *xs), _cond_ref),
    branch("traced_cond", _traced_cond, _cond_ref, cond_p),
    branch("lax.switch", lambda i, *xs: lax.switch(2 * i, BRANCHES, *xs), _switch_ref),
    branch("traced_switch", _traced_switch, _switch_ref, cond_p),
    branch("lax.platform_dependent", _on_platform, lambda _, x, y: up(x, y), platform_index_p),
    OpInfo(
        "lax.scan",
        recurrence,
        recurrence_ref,
        _sequences,
        (*REAL, *COMPLEX),
        (scan_p,),
        tolerance=2,
    ),
    OpInfo("scan_of_sums", sums, sums_ref, _vectors, REAL, (scan_p,), tolerance=2),
    OpInfo("lax.while_loop", newton, newton_ref, _steps, REAL, (while_p, while_record_p)),
    OpInfo("traced_while_loop", _traced(newton), newton_ref, _steps, REAL, (while_p,)),
    OpInfo("lax.fori_loop", power, power_ref, _powers, (*REAL, *COMPLEX), (scan_p,)),
    OpInfo("traced_fori_loop", _traced(power), power_ref, _powers, (*REAL, *COMPLEX), (while_p,)),
    OpInfo("pull_of_while", pulled, pulled_ref, _powers, REAL, (while_pull_p,), tolerance=4),
    OpInfo("push_of_while", pushed, pushed_ref, _small_powers, REAL, (while_push_p,), tolerance=4),
    OpInfo(
        "curve_of_while", curved, curved_ref, _small_powers, REAL, (while_curve_p,), tolerance=8
    ),
)
