"""Random programs of NumPy calls: every transformation of them, beside NumPy itself.

On plain arrays a program is NumPy alone and nothing of fxad runs: its values, differences and
loops are an independent reference.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import pytest
from hypothesis import given, note, settings
from hypothesis import strategies as st

import fxad
from fxad.core.jaxpr import check_jaxpr

Array = Any

UNARY: dict[str, Callable[[Array], Array]] = {
    "sin": np.sin,
    "cos": np.cos,
    "tanh": np.tanh,
    "arctan": np.arctan,
    "exp(-x²)": lambda x: np.exp(-(x**2)),
    "log1p(x²)": lambda x: np.log1p(np.square(x)),
    "sqrt(1+x²)": lambda x: np.sqrt(1 + x * x),
    "1/(1+x²)": lambda x: 1 / (1 + x**2),
    "-x/2": lambda x: -x / 2,
    "x³/8": lambda x: x**3 * 0.125,
    "x.T": lambda x: x.T,
    "flip": lambda x: np.flip(x),
    "ravel": lambda x: x.ravel(),
    "sum": lambda x: np.sum(x),
    "mean": lambda x: x.mean(),
    "cumsum/4": lambda x: np.cumsum(x) / 4,
    "x[None]": lambda x: x[None] if x.ndim < 3 else x,
    "first half": lambda x: x[: (x.shape[0] + 1) // 2] if x.ndim else x,
    "last": lambda x: x[-1] if x.ndim and x.shape[0] else x,
    "every other": lambda x: x[..., ::-2] if x.ndim else x,
    "twice the first": lambda x: x[np.array([0, 0, -1])] if x.ndim and x.shape[0] else x,
    "pad": lambda x: np.pad(x, 1),
    "softmax": lambda x: np.exp(x - np.max(x)) / np.sum(np.exp(x - np.max(x))),
    "var": lambda x: np.var(x, axis=0) if x.ndim else x,
    "masked": lambda x: np.where(np.arange(x.size).reshape(x.shape) % 2 == 0, x, 0.5),
    "sum of rows": lambda x: x.sum(axis=-1, keepdims=True) / 4 if x.ndim else x,
    "gram": lambda x: (x @ x.T) / 8 if x.ndim == 2 else x,
}
BINARY: dict[str, Callable[[Array, Array], Array]] = {
    "+": lambda x, y: x + y,
    "-": lambda x, y: x - y,
    "*": lambda x, y: x * y,
    "x/(2+sin y)": lambda x, y: x / (2 + np.sin(y)),
    "hypot": lambda x, y: np.sqrt(1 + x**2 + y**2),
    "arctan2": lambda x, y: np.arctan2(x, 2 + np.cos(y)),
    "logaddexp": np.logaddexp,
    "where": lambda x, y: np.where(np.arange(np.shape(x)[-1] if np.ndim(x) else 1) % 2 == 0, x, y),
}


@dataclass(frozen=True)
class Program:
    """Steps ``(name, operand, operand)`` over the inputs and the results so far."""

    shapes: tuple[tuple[int, ...], ...]
    steps: tuple[tuple[str, int, int], ...]

    def __call__(self, *inputs: Array) -> Array:
        values = list(inputs)
        for name, i, j in self.steps:
            if name in UNARY:
                out = UNARY[name](values[i])
            elif fits(values[i], values[j]):
                out = BINARY[name](values[i], values[j])
            else:
                out = values[i] * 0.5
            values.append(out if np.size(out) <= 64 else np.sum(out) / np.size(out))
        return sum(np.sum(v) * (k + 1) for k, v in enumerate(values[len(inputs) :]))

    def inputs(self, seed: int, dtype: Any = np.float64) -> list[Array]:
        rng = np.random.default_rng(seed)
        return [rng.uniform(-1, 1, shape).astype(dtype) for shape in self.shapes]


def fits(x: Array, y: Array) -> bool:
    """Whether two shapes broadcast; NumPy's rule, on shapes alone."""
    try:
        np.broadcast_shapes(x.shape, y.shape)
    except ValueError:
        return False
    return True


@st.composite
def programs(draw: Any) -> Program:
    shape = st.lists(st.integers(1, 3), max_size=2).map(tuple)
    shapes = tuple(draw(st.lists(shape, min_size=1, max_size=2)))
    count = draw(st.integers(1, 7))
    names = st.sampled_from([*UNARY, *BINARY])
    steps = []
    for k in range(count):
        place = st.integers(0, len(shapes) + k - 1)
        steps.append((draw(names), draw(place), draw(place)))
    return Program(shapes, tuple(steps))


def close(got: Any, wanted: Any, tol: float = 1e-11) -> None:
    wanted = np.asarray(wanted)
    scale = 1 + np.max(np.abs(wanted), initial=0)
    np.testing.assert_allclose(got, wanted, rtol=tol, atol=tol * scale)


def slope(f: Callable[..., Any], xs: list[Array], vs: list[Array], h: float = 1e-3) -> Any:
    """Differences of sixth order along a direction."""

    def at(k: int) -> Any:
        return f(*(x + k * h * v for x, v in zip(xs, vs, strict=True)))

    return (45 * (at(1) - at(-1)) - 9 * (at(2) - at(-2)) + at(3) - at(-3)) / (60 * h)


def gradient_of(program: Program) -> Callable[..., Any]:
    return fxad.grad(program, argnums=tuple(range(len(program.shapes))))


def inner(xs: Any, ys: Any) -> Any:
    return sum(np.sum(x * y) for x, y in zip(xs, ys, strict=True))


many = settings(max_examples=250)
few = settings(max_examples=100)


@many
@given(programs())
def test_gradients_are_those_of_differences(program):
    xs, vs = program.inputs(0), program.inputs(1)
    note(str(program))
    wanted = slope(program, xs, vs)
    value, gradient = fxad.value_and_grad(program, argnums=tuple(range(len(xs))))(*xs)
    close(value, program(*xs))
    close(inner(gradient, vs), wanted, 1e-8)
    out, tangent = fxad.jvp(program, tuple(xs), tuple(vs))
    close(out, program(*xs))
    close(tangent, wanted, 1e-8)
    close(fxad.linearize(program, *xs)[1](*vs), tangent)


@many
@given(programs())
def test_staged_programs_compute_the_same(program):
    xs = program.inputs(2)
    closed = fxad.make_jaxpr(program)(*xs)
    check_jaxpr(closed)
    close(closed(*xs)[0], program(*xs))
    compiled = fxad.jit(program)
    for seed in (2, 3):  # the second call runs what the first one traced
        close(compiled(*program.inputs(seed)), program(*program.inputs(seed)))
    staged, eager = fxad.jit(gradient_of(program))(*xs), gradient_of(program)(*xs)
    for a, b in zip(staged, eager, strict=True):
        close(a, b)


@few
@given(programs())
def test_gradients_of_compiled_and_checkpointed_programs(program):
    xs = program.inputs(4)
    eager = gradient_of(program)(*xs)
    argnums = tuple(range(len(xs)))
    for wrap in (fxad.jit, fxad.checkpoint, lambda f: fxad.checkpoint(fxad.jit(f))):
        for a, b in zip(fxad.grad(wrap(program), argnums=argnums)(*xs), eager, strict=True):
            close(a, b)


@few
@given(programs(), st.data())
def test_batches_are_loops(program, data):
    size = 3
    mapped = [data.draw(st.booleans()) for _ in program.shapes]
    mapped[0] = mapped[0] or not any(mapped)
    draws = [program.inputs(seed) for seed in range(5, 5 + size)]
    axes = [
        data.draw(st.integers(0, len(shape))) if m else None
        for m, shape in zip(mapped, program.shapes, strict=True)
    ]
    columns = list(zip(*draws, strict=True))
    whole = [c[0] if a is None else np.stack(c, a) for c, a in zip(columns, axes, strict=True)]
    rows = [
        [c[0] if a is None else c[i] for c, a in zip(columns, axes, strict=True)]
        for i in range(size)
    ]
    close(fxad.vmap(program, in_axes=tuple(axes))(*whole), [program(*row) for row in rows])
    batched = fxad.vmap(gradient_of(program), in_axes=tuple(axes))(*whole)
    for i, row in enumerate(rows):
        for b, g in zip(batched, gradient_of(program)(*row), strict=True):
            close(b[i], g)


@few
@given(programs())
def test_hessians_are_symmetric_and_those_of_differences(program):
    xs, vs, ws = program.inputs(8), program.inputs(9), program.inputs(10)

    def loss(point):
        return program(*point)

    products = [
        fxad.hvp(loss, xs, vs, mode=mode)
        for mode in ("forward-over-reverse", "reverse-over-reverse", "reverse-over-forward")
    ]
    for product in products[1:]:
        for a, b in zip(product, products[0], strict=True):
            close(a, b)
    close(inner(products[0], ws), inner(fxad.hvp(loss, xs, ws), vs), 1e-10)
    wanted = slope(lambda *p: inner(gradient_of(program)(*p), ws), xs, vs)
    close(inner(products[0], ws), wanted, 1e-7)


@few
@given(programs())
def test_single_precision_stays_single(program):
    xs = program.inputs(11, np.float32)
    value, gradient = fxad.value_and_grad(program, argnums=tuple(range(len(xs))))(*xs)
    assert value.dtype == np.asarray(program(*xs)).dtype
    assert all(g.dtype == np.float32 for g in gradient)
    assert fxad.jit(program)(*xs).dtype == value.dtype
    precise = gradient_of(program)(*(x.astype(float) for x in xs))
    for a, b in zip(gradient, precise, strict=True):
        close(a, b, 1e-3)


@pytest.mark.parametrize("name", [*UNARY, *BINARY])
def test_every_step_is_differentiated(name):
    """Each alone, so that a failure of the random ones is quick to place."""
    for shapes in (((3, 2), (2,)), ((3,), (3,)), ((), (2, 2))):
        program = Program(shapes, ((name, 0, 1),))
        xs, vs = program.inputs(12), program.inputs(13)
        close(inner(gradient_of(program)(*xs), vs), slope(program, xs, vs), 1e-8)
        close(fxad.jit(program)(*xs), program(*xs))
