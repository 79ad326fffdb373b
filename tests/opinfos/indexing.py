"""Indexing: reading elements, writing them, slices at places that are traced."""

import operator
from collections.abc import Callable, Iterable
from typing import Any

import numpy as np

import fxad.ops.dynamic_slice as dynamic
import fxad.ops.indexing as ops
import fxad.ops.scatter as writing
from fxad.errors import DtypeError, IndexingError, ShapeError
from tests.opinfo import (
    COMPLEX,
    EVERY,
    INTEGER,
    REAL,
    ErrorInput,
    OpInfo,
    SampleInput,
    array,
    distinct,
)

FIELD = (*REAL, *COMPLEX)
NUMBERS = (*INTEGER, *REAL, *COMPLEX)
M = np.ones((2, 3))

BASIC: tuple[tuple[tuple[int, ...], Any], ...] = (
    ((5,), 2),
    ((5,), -1),
    ((5,), slice(1, 4)),
    ((5,), slice(None, None, -2)),
    ((5,), slice(4, 0, -3)),
    ((4, 3), (slice(None), 1)),
    ((4, 3), (Ellipsis, slice(2, 0, -1))),
    ((4, 3), (None, 1, Ellipsis, None)),
    ((2, 3, 4), (1, slice(None), slice(0, 4, 2))),
    ((3,), slice(3, 3)),
    ((), Ellipsis),
    ((), None),
)


def _basic(rng: np.random.Generator, dtype: np.dtype[Any]) -> Iterable[SampleInput]:
    for shape, index in BASIC:
        yield SampleInput((array(rng, shape, dtype),), {"index": index})


def _advanced(rng: np.random.Generator, dtype: np.dtype[Any]) -> Iterable[SampleInput]:
    """Integer arrays as operands, so that they can be batched; repeated and negative ones."""
    for shape, lengths in [((5,), ((3,),)), ((4, 3), ((2, 2),)), ((4, 3), ((2, 1), (3,)))]:
        places = [rng.integers(-n, n, s) for n, s in zip(shape, lengths, strict=False)]
        yield SampleInput((array(rng, shape, dtype), tuple(places)))


def _with_slices(around: Callable[[Any], Any]) -> Callable[..., Any]:
    """Indexing by an array in a place between others."""
    return lambda x, places: operator.getitem(x, around(places))


def _between(rng: np.random.Generator, dtype: np.dtype[Any]) -> Iterable[SampleInput]:
    yield SampleInput((array(rng, (3, 4, 2), dtype), rng.integers(-2, 2, (2, 2))))


def _masks(rng: np.random.Generator, dtype: np.dtype[Any]) -> Iterable[SampleInput]:
    mask = np.array([[True, False, True], [False, False, True]])
    yield SampleInput((array(rng, (2, 3), dtype), mask), argnums=(0,))
    yield SampleInput((array(rng, (2, 3, 2), dtype), mask), argnums=(0,))
    yield SampleInput((array(rng, (2,), dtype), np.array([False, False])), argnums=(0,))


def _takes(rng: np.random.Generator, dtype: np.dtype[Any]) -> Iterable[SampleInput]:
    for shape, wanted, kwargs in [
        ((5,), (3,), {"axis": 0}),
        ((2, 4), (2, 2), {"axis": 1}),
        ((2, 4), (3,), {"axis": None}),
        ((2, 4), (), {"axis": -1}),
        ((4,), (0,), {"axis": 0}),
        ((4, 2), (3,), {"axis": 0, "mode": "wrap"}),
        ((4, 2), (3,), {"axis": 0, "mode": "clip"}),
    ]:
        beyond = 3 if "mode" in kwargs else 0
        axis = kwargs["axis"]
        n = int(np.prod(shape)) if axis is None else shape[axis]
        places = rng.integers(-beyond if beyond else -n, n + beyond, wanted)
        yield SampleInput((array(rng, shape, dtype), places), kwargs)


def _along(rng: np.random.Generator, dtype: np.dtype[Any]) -> Iterable[SampleInput]:
    for shape, wanted, axis in [((2, 4), (2, 3), 1), ((3, 2), (4, 2), 0), ((2, 4), (1, 2), -1)]:
        n = shape[axis]
        yield SampleInput((array(rng, shape, dtype), rng.integers(-n, n, wanted)), {"axis": axis})


def _filled(x: Any, places: Any, index: Any = None) -> Any:
    ok = (places >= -len(x)) & (places < len(x))
    return np.where(ok, x[np.where(ok, places, 0)], x.dtype.type(7))


def _fills(rng: np.random.Generator, dtype: np.dtype[Any]) -> Iterable[SampleInput]:
    yield SampleInput((array(rng, (4,), dtype), rng.integers(-7, 7, (6,))))


def _out_of_bounds() -> Iterable[ErrorInput]:
    yield ErrorInput((M,), IndexingError, r"(?s)index 2.*(2, 3)|axis 0.*2", {"index": (2, 0)})
    yield ErrorInput(
        (M,), IndexingError, r"\[getitem\] got 3 indices.*\(2, 3\).*at most 2", {"index": (0, 0, 0)}
    )
    yield ErrorInput(
        (M,), IndexingError, r"\[getitem\] got float64.*wanted integers", {"index": 1.5}
    )


READING = (
    OpInfo(
        "getitem",
        ops.getitem,
        lambda x, index: np.array(x[index]),
        _basic,
        EVERY,
        (ops.getitem_p, ops.place_p),
        linear=(0,),
        errors=_out_of_bounds,
    ),
    OpInfo(
        "getitem_arrays",
        ops.getitem,
        operator.getitem,
        _advanced,
        EVERY,
        (ops.gather_p, ops.place_p),
        linear=(0,),
    ),
    *(
        OpInfo(
            f"getitem_arrays_{name}",
            lambda x, places, around=around: ops.getitem(x, around(places)),
            _with_slices(around),
            _between,
            FIELD,
            (ops.gather_p,),
            linear=(0,),
        )
        for name, around in {
            "behind": lambda p: (slice(None), p),
            "before": lambda p: (p, Ellipsis, slice(None, None, -1)),
            "apart": lambda p: (p, slice(None), p),
            "among": lambda p: (slice(1, 3), p, None, 0),
        }.items()
    ),
    OpInfo(
        "getitem_mask",
        ops.getitem,
        operator.getitem,
        _masks,
        EVERY,
        vectorizes=False,
        errors=lambda: [ErrorInput((M, np.array([True] * 3)), IndexingError, r"3.*2|\(3,\)")],
    ),
    OpInfo(
        "get_fill",
        lambda x, places: ops.get(x, places, mode="fill", fill_value=7),
        _filled,
        _fills,
        NUMBERS,
        (ops.gather_p,),
    ),
    OpInfo(
        "take",
        ops.take,
        lambda x, places, axis=None, mode="raise": np.take(x, places, axis=axis, mode=mode),
        _takes,
        EVERY,
        linear=(0,),
        errors=lambda: [
            ErrorInput((M, np.array([1.5])), IndexingError, r"\[take\].*float64", {"axis": 0})
        ],
    ),
    OpInfo(
        "take_along_axis",
        ops.take_along_axis,
        lambda x, places, axis: np.take_along_axis(
            x,
            np.broadcast_to(places, (*x.shape[:axis], *places.shape[axis:]))
            if axis == -1 and places.shape[0] == 1 and x.shape[0] > 1
            else places,
            axis,
        ),
        _along,
        EVERY,
        linear=(0,),
        jax="numpy.take_along_axis",
        errors=lambda: [
            ErrorInput(
                (M, np.ones((3, 1), int)),
                IndexingError,
                r"\[take_along_axis\].*(2, 3)",
                {"axis": 1},
            )
        ],
    ),
)


def _written(combine: str) -> Callable[..., Any]:
    """The reference of a scatter: one element after the other."""
    steps = {
        "set": lambda a, b: b,
        "add": operator.add,
        "mul": operator.mul,
        "min": np.minimum,
        "max": np.maximum,
    }

    def ref(x: Any, places: Any, values: Any) -> Any:
        out, step = x.copy(), steps[combine]
        rows = np.broadcast_to(values, (*places.shape, *x.shape[1:]))
        for where in np.ndindex(*places.shape):
            out[places[where]] = step(out[places[where]], rows[where])
        return out

    return ref


def _writes(combine: str) -> Any:
    """Values at places, some of which are named twice; without near ties for extrema."""

    def samples(rng: np.random.Generator, dtype: np.dtype[Any]) -> Iterable[SampleInput]:
        for shape, where in [((5,), (4,)), ((3, 2), (2, 2)), ((4,), (0,)), ((3, 2), ())]:
            places = rng.integers(-shape[0], shape[0], where)
            count = int(np.prod(where)) * int(np.prod(shape[1:]))
            pool = distinct(rng, (int(np.prod(shape)) + count,), dtype)
            x = pool[: int(np.prod(shape))].reshape(shape)
            values = pool[int(np.prod(shape)) :].reshape(*where, *shape[1:])
            yield SampleInput((x.copy(), places, values.copy()))

    return samples


def _scatter(combine: str, *primitives: Any) -> OpInfo:
    ordered = combine in ("min", "max")
    return OpInfo(
        f"scatter_{combine}",
        lambda x, places, values: writing.scatter(x, places, values, combine),
        _written(combine),
        _writes(combine),
        (*INTEGER, *REAL) if ordered else NUMBERS,
        (writing.scatter_p, *primitives),
        errors=lambda: [
            ErrorInput((M, np.array([2]), 0.0), IndexingError, "2", staged=False),
            ErrorInput((M, np.array([0]), np.ones((2, 2))), ShapeError, r"\[at\].*\(2, 2\)"),
            ErrorInput((np.ones(3, int), np.array([0]), 1.5), DtypeError, "float64.*int64"),
        ],
    )


def _starts(rng: np.random.Generator, *limits: int) -> tuple[Any, ...]:
    return tuple(np.int64(rng.integers(-n, n + 1)) for n in limits)


def _bounded(starts: Any, shape: Any, sizes: Any) -> tuple[slice, ...]:
    """Where the slice is, once negative starts have been counted and all moved into the array."""
    found = []
    for start, n, size in zip(starts, shape, sizes, strict=True):
        first = min(max(int(start) + (n if start < 0 else 0), 0), n - size)
        found.append(slice(first, first + size))
    return tuple(found)


SLICES = (((5,), (2,)), ((4, 3), (2, 3)), ((2, 3), (1, 0)), ((3,), (3,)))


def _dynamic_slices(rng: np.random.Generator, dtype: np.dtype[Any]) -> Iterable[SampleInput]:
    for shape, sizes in SLICES:
        yield SampleInput((array(rng, shape, dtype), _starts(rng, *shape)), {"slice_sizes": sizes})


def _dynamic_updates(rng: np.random.Generator, dtype: np.dtype[Any]) -> Iterable[SampleInput]:
    for shape, sizes in SLICES:
        args = (array(rng, shape, dtype), array(rng, sizes, dtype), _starts(rng, *shape))
        yield SampleInput(args)


def _update(x: Any, update: Any, starts: Any) -> Any:
    out = x.copy()
    out[_bounded(starts, x.shape, update.shape)] = update
    return out


START = (np.int64(0), np.int64(0))
WRITING = (
    _scatter("set", writing.winners_p),
    _scatter("add"),
    _scatter("mul", writing.order_p, writing.positions_p),
    _scatter("min"),
    _scatter("max"),
    OpInfo(
        "dynamic_slice",
        dynamic.dynamic_slice,
        lambda x, starts, slice_sizes: x[_bounded(starts, x.shape, slice_sizes)].copy(),
        _dynamic_slices,
        EVERY,
        (dynamic.dynamic_slice_p,),
        linear=(0,),
        jax="lax.dynamic_slice",
        errors=lambda: [
            ErrorInput(
                (M, START), ShapeError, r"\[dynamic_slice\].*\(2, 3\)", {"slice_sizes": (3, 1)}
            )
        ],
    ),
    OpInfo(
        "dynamic_update_slice",
        dynamic.dynamic_update_slice,
        _update,
        _dynamic_updates,
        EVERY,
        (dynamic.dynamic_update_slice_p,),
        jax="lax.dynamic_update_slice",
        errors=lambda: [
            ErrorInput((M, np.ones((3, 1)), START), ShapeError, r"\[dynamic_update_slice\].*3"),
            ErrorInput(
                (M, np.ones((1, 1), int), START), DtypeError, "float64.*int64|int64.*float64"
            ),
        ],
    ),
)

TABLE = (*READING, *WRITING)
