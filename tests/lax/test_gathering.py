"""Gather and scatter: against the definition in loops over random windows, and against JAX's."""

import itertools
from typing import Any

import numpy as np
import pytest

import fxad
from fxad import lax
from fxad.errors import ArgumentValueError, ConcretizationTypeError, DtypeError, ShapeError
from tests.lax.parity import check, needs_jax

COMBINE = {
    "scatter_add": np.add,
    "scatter_sub": np.subtract,
    "scatter_mul": np.multiply,
    "scatter_min": np.minimum,
    "scatter_max": np.maximum,
}
Numbers = tuple[tuple[int, ...], ...]


def random_windows(rng: np.random.Generator) -> tuple[Any, ...]:
    """An operand's shape, dimension numbers, the shape of a window and indices, at random."""
    ndim, indices_ndim = int(rng.integers(1, 4)), int(rng.integers(0, 3))
    shape = tuple(map(int, rng.integers(1, 5, ndim)))
    batch = [int(n) for n in rng.integers(1, 4, indices_ndim)]
    dims = [int(d) for d in rng.permutation(ndim)]
    count = min(int(rng.integers(0, 2)), indices_ndim)
    batching, rest = tuple(dims[:count]), dims[count:]
    partners = tuple(int(i) for i in rng.permutation(indices_ndim)[:count])
    for d, p in zip(batching, partners, strict=True):
        batch[p] = shape[d]
    mapped = tuple(rest[: int(rng.integers(1, len(rest) + 1))] if rest else ())
    collapsed = tuple(sorted(d for d in rest if rng.random() < 0.5))
    sizes = tuple(
        1 if d in collapsed + batching else int(rng.integers(rng.random() > 0.1, n + 1))
        for d, n in enumerate(shape)
    )
    kept = ndim - len(collapsed) - count
    offset = tuple(sorted(int(d) for d in rng.permutation(kept + indices_ndim)[:kept]))
    indices = rng.integers(-2, 6, (*batch, len(mapped)))
    return shape, (offset, collapsed, mapped, batching, partners), sizes, indices


def places(shape: Any, numbers: Numbers, sizes: Any, indices: Any, mode: str) -> Any:
    """Pairs of an element of the windows and of the operand; None for one of a lost window."""
    offset, collapsed, mapped, batching, partners = numbers
    batch = indices.shape[:-1]
    kept = [d for d in range(len(shape)) if d not in collapsed + batching]
    window = [sizes[d] for d in kept]
    for at in itertools.product(*map(range, batch)):
        start = [0] * len(shape)
        for d, i in zip(mapped, indices[at], strict=True):
            start[d] = int(i)
        for d, p in zip(batching, partners, strict=True):
            start[d] = at[p]
        inside = all(0 <= s <= n - k for s, n, k in zip(start, shape, sizes, strict=True))
        if mode == "clip":
            start = [min(max(s, 0), n - k) for s, n, k in zip(start, shape, sizes, strict=True)]
        for within in itertools.product(*map(range, window)):
            lead, inner = iter(at), iter(within)
            value = tuple(
                next(inner) if d in offset else next(lead) for d in range(len(at) + len(within))
            )
            element = list(start)
            for d, i in zip(kept, within, strict=True):
                element[d] += i
            yield value, tuple(element) if inside or mode == "clip" else None


def values_shape(numbers: Numbers, sizes: Any, indices: Any) -> tuple[int, ...]:
    left_out = numbers[1] + numbers[3]
    inner = iter([k for d, k in enumerate(sizes) if d not in left_out])
    lead = iter(indices.shape[:-1])
    ndim = len(sizes) - len(left_out) + indices.ndim - 1
    return tuple(next(inner) if d in numbers[0] else next(lead) for d in range(ndim))


@pytest.mark.parametrize("mode", ["clip", "fill"])
@pytest.mark.parametrize("seed", range(40))
def test_windows_at_random(seed, mode):
    rng = np.random.default_rng(seed)
    shape, numbers, sizes, indices = random_windows(rng)
    x = rng.normal(size=shape)
    pairs = list(places(shape, numbers, sizes, indices, mode))

    wanted = np.full(values_shape(numbers, sizes, indices), np.nan)
    for value, element in pairs:
        wanted[value] = np.nan if element is None else x[element]
    got = lax.gather(x, indices, lax.GatherDimensionNumbers(*numbers), sizes, mode=mode)
    np.testing.assert_array_equal(got, wanted, strict=True)

    updates = rng.normal(size=wanted.shape)
    for name, combine in COMBINE.items():
        changed = x.copy()
        for value, element in pairs:
            if element is not None:
                changed[element] = combine(changed[element], updates[value])
        got = getattr(lax, name)(
            x, indices, updates, lax.ScatterDimensionNumbers(*numbers), mode=mode
        )
        np.testing.assert_allclose(got, changed, rtol=1e-12, err_msg=name, strict=True)

    counts = np.zeros(shape, int)
    for _, element in pairs:
        if element is not None:
            counts[element] += 1
    got = lax.scatter_apply(
        x,
        indices,
        lambda v: v + 1,
        lax.ScatterDimensionNumbers(*numbers),
        update_shape=updates.shape,
        mode=mode,
    )
    np.testing.assert_allclose(got, x + counts, rtol=1e-12)


X = np.random.default_rng(0).normal(size=(4, 5))
#: The dimension numbers, the shape of a window, indices: rows, points, blocks, one for each row.
CASES = {
    "rows": (((1,), (0,), (0,)), (1, 5), np.array([[2], [0], [9]])),
    "points": (((), (0, 1), (1, 0)), (1, 1), np.array([[0, 1], [4, 3], [2, -1]])),
    "blocks": (((0, 2), (), (0, 1)), (2, 3), np.array([[1, 2], [2, 0], [1, 1]])),
    "columns of rows": (((), (1,), (1,), (0,), (0,)), (1, 1), np.array([[0], [4], [2], [2]])),
}


def gather_of(case: str, **options: Any) -> Any:
    numbers, sizes, _ = CASES[case]
    return lambda m: (
        lambda x, indices: m.gather(
            x, indices, m.GatherDimensionNumbers(*numbers), sizes, **options
        )
    )


def scatter_of(name: str, case: str, **options: Any) -> Any:
    numbers, _, _ = CASES[case]
    return lambda m: (
        lambda x, indices, updates: getattr(m, name)(
            x, indices, updates, m.ScatterDimensionNumbers(*numbers), **options
        )
    )


@needs_jax
@pytest.mark.parametrize("case", CASES)
@pytest.mark.parametrize("mode", ["clip", "fill", None])
def test_gather(case, mode):
    indices = CASES[case][2]
    check(gather_of(case, mode=mode, fill_value=0.5), X, indices, derivatives=mode is not None)
    check(gather_of(case, mode=mode), X.astype(np.float32), indices, derivatives=False)
    for dtype in (np.int8, np.uint8, np.bool_):
        check(gather_of(case, mode=mode), (X > 0).astype(dtype), indices, batched=False)


@needs_jax
@pytest.mark.parametrize("case", CASES)
@pytest.mark.parametrize("name", ["scatter_add", "scatter_sub", "scatter_mul"])
def test_scatter_that_adds_up(name, case):
    numbers, sizes, indices = CASES[case]
    updates = np.random.default_rng(1).normal(
        size=values_shape((*numbers, (), ())[:5], sizes, indices)
    )
    unique = case != "blocks"
    check(
        scatter_of(name, case, unique_indices=unique),
        X,
        indices,
        updates,
        derivatives=unique or name != "scatter_mul",  # JAX has none of those
        rtol=1e-9,
    )


@needs_jax
@pytest.mark.parametrize("name", ["scatter", "scatter_min", "scatter_max"])
def test_scatter_of_extrema(name):
    updates = np.random.default_rng(1).normal(size=(3, 5))
    derivatives = name == "scatter"
    check(scatter_of(name, "rows"), X, CASES["rows"][2], updates, derivatives=derivatives)
    check(
        scatter_of(name, "rows", mode="clip"),
        X,
        np.array([[2], [0], [1]]),
        updates,
        derivatives=derivatives,
        batched=False,
    )


@needs_jax
def test_scatter_apply():
    numbers, _, indices = CASES["rows"]
    check(
        lambda m: (
            lambda x: m.scatter_apply(
                x, indices, m.sin, m.ScatterDimensionNumbers(*numbers), update_shape=(3, 5)
            )
        ),
        X,
        derivatives=False,
    )


@needs_jax
def test_windows_of_a_number():
    number = np.float64(2.0)
    nothing = np.zeros((0,), np.int32)
    check(
        lambda m: lambda x: m.gather(x, nothing, m.GatherDimensionNumbers((), (), ()), ()), number
    )
    check(
        lambda m: lambda x, u: m.scatter_add(x, nothing, u, m.ScatterDimensionNumbers((), (), ())),
        number,
        np.float64(3.0),
    )


def test_overlaps_of_traced_windows_apply_a_function_again():
    """Few are written out; many must be known, or promised not to overlap."""

    def apply(indices, unique=False):
        numbers = lax.ScatterDimensionNumbers((), (0,), (0,))
        shape = indices.shape[:-1]
        return lax.scatter_apply(
            np.ones(3), indices, lambda x: x + 1, numbers, update_shape=shape, unique_indices=unique
        )

    places = np.array([[0], [2], [0]])
    for run in (apply, fxad.jit(apply), lambda i: fxad.vmap(apply)(np.stack([i, i]))[1]):
        assert run(places).tolist() == [3.0, 1.0, 2.0]
    many = np.zeros((33, 1), int)
    assert apply(many).tolist() == [34.0, 1.0, 1.0]
    assert fxad.jit(lambda i: apply(i, True))(places[1:]).tolist() == [2.0, 1.0, 2.0]
    with pytest.raises(
        ConcretizationTypeError, match=r"(?s)\[scatter_apply\] got 33 .*unique_indices=True"
    ):
        fxad.jit(apply)(many)


def test_modes_are_named():
    mode = lax.GatherScatterMode
    names = {"clip": mode.CLIP, "fill": mode.FILL_OR_DROP, "drop": mode.FILL_OR_DROP}
    for name, wanted in {**names, None: mode.FILL_OR_DROP, mode.CLIP: mode.CLIP}.items():
        assert mode.from_any(name) is wanted
    rows = gather_of("rows", mode="promise_in_bounds")(lax)
    assert rows(X, np.array([[3]])).tolist() == X[3:].tolist()
    with pytest.raises(ArgumentValueError, match=r"mode='wrap', wanted one of None, 'clip'"):
        gather_of("rows", mode="wrap")(lax)(X, np.array([[3]]))


def test_what_does_not_fit():
    rows = lax.GatherDimensionNumbers((1,), (0,), (0,))
    with pytest.raises(DtypeError, match=r"\[gather\] got indices float64\[1,1\], wanted integers"):
        lax.gather(X, np.ones((1, 1)), rows, (1, 5))
    with pytest.raises(ShapeError, match=r"\[gather\] got indices .*a last axis of length 1"):
        lax.gather(X, np.array([[0, 1]]), rows, (1, 5))
    for sizes in ((2, 5), (1, 6), (1,)):
        with pytest.raises(ShapeError, match=r"\[gather\] got windows of shape"):
            lax.gather(X, np.array([[0]]), rows, sizes)
    elements = lax.ScatterDimensionNumbers((), (0,), (0,))
    with pytest.raises(ShapeError, match=r"\[scatter_add\] got updates of shape \(3,\) .*\(2,\)"):
        lax.scatter_add(np.ones(4), np.array([[0], [1]]), np.ones(3), elements)
    with pytest.raises(DtypeError, match="which cannot hold them"):
        lax.scatter(np.arange(4), np.array([[0]]), np.array([0.5]), elements)


def test_inputs_stay_as_they_are():
    x, elements = np.zeros(3), lax.ScatterDimensionNumbers((), (0,), (0,))
    out = lax.scatter(x, np.array([[1]]), np.array([5.0]), elements)
    assert (x.tolist(), out.tolist()) == ([0.0, 0.0, 0.0], [0.0, 5.0, 0.0])


def test_curvature_of_windows():
    """Second derivatives of products that meet in one element."""
    elements = lax.ScatterDimensionNumbers((), (0,), (0,))

    def f(v):
        return np.sum(lax.scatter_mul(v, np.array([[1], [1]]), v[:2], elements))

    # v0 + v0 v1 v1 + v2
    hessian = fxad.hessian(f)(np.array([2.0, 3.0, 5.0]))
    np.testing.assert_allclose(hessian, [[0, 6, 0], [6, 4, 0], [0, 0, 0]])


@pytest.mark.parametrize("mode", ["clip", "fill", "promise_in_bounds"])
def test_no_windows_may_be_of_any_size(mode):
    """Where there are no indices nothing is read, however long the windows are."""
    numbers = lax.GatherDimensionNumbers((1,), (), (0,))

    def f(x, indices):
        return lax.gather(x, indices, numbers, (3,), mode=mode)

    none = np.zeros((0, 1), int)
    for length in (0, 2):
        assert f(np.zeros(length), none).shape == (0, 3)
        assert fxad.grad(lambda x: np.sum(f(x, none)))(np.zeros(length)).tolist() == [0.0] * length
    assert fxad.vmap(f, (None, 0))(np.zeros(2), np.zeros((4, 0, 1), int)).shape == (4, 0, 3)
    with pytest.raises(ShapeError, match=r"\[gather\] got windows of shape \(3,\)"):
        f(np.zeros(2), np.zeros((1, 1), int))
