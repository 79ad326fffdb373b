"""``fxad.lax`` under JAX's names and parameters; its elementwise functions at equal shapes."""

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import scipy.special

from fxad import lax
from fxad.ops import floats
from tests.opinfo import COMPLEX, HALF, INTEGER, REAL, OpInfo, SampleInput, Samples, array, distinct
from tests.opinfos import contraction, elementwise, indexing, shape
from tests.opinfos.reduction import running
from tests.opinfos.shape import _in_dims, _padded, each_list, each_with

NUMBERS = (*INTEGER, *REAL, *COMPLEX)
FIELD = (*REAL, *COMPLEX)
UNSIGNED = ("uint8", "uint16", "uint32", "uint64")

#: Entries of other families under JAX's names, where those differ.
RENAMED = {
    "bitwise_and": "and",
    "bitwise_not": "not",
    "bitwise_or": "or",
    "bitwise_xor": "xor",
}
SAME = "ceil eq floor ge gt is_finite le lt max min ne nextafter reciprocal select shift_left stack"
RENAMED |= {name: name for name in SAME.split()}


def alike(samples: Samples) -> Samples:
    """Those whose operands have one shape: lax broadcasts nothing."""

    def equal(rng: np.random.Generator, dtype: np.dtype[Any]) -> Iterator[SampleInput]:
        for sample in samples(rng, dtype):
            arrays = sample.args[0] if isinstance(sample.args[0], list) else sample.args
            if len({getattr(x, "shape", None) for x in arrays}) == 1:
                yield sample

    return equal


def _twins() -> Iterator[OpInfo]:
    known = {info.name: info for family in (elementwise, shape) for info in family.TABLE}
    named = {
        info.jax.removeprefix("lax."): info.name
        for info in elementwise.TABLE
        if isinstance(info.jax, str) and info.jax.startswith("lax.")
    }
    for name, entry in (named | RENAMED).items():
        if hasattr(lax, name):
            yield replace(
                known[entry],
                name=f"lax.{name}",
                op=getattr(lax, name),
                samples=alike(known[entry].samples),
                primitives=(),
                elementwise=False,
                jax=None,
                errors=tuple,
            )


def of(name: str, ref: Any, samples: Samples, dtypes: Sequence[str] = FIELD, **options: Any) -> Any:
    op = options.pop("op", getattr(lax, name))
    return OpInfo(f"lax.{name}", op, ref, samples, tuple(dtypes), **options)


def unlike(cases: Sequence[tuple[Any, dict[str, Any]]]) -> Samples:
    """As ``each_with``, without near ties."""

    def samples(rng: np.random.Generator, dtype: np.dtype[Any]) -> Iterator[SampleInput]:
        for dims, kwargs in cases:
            yield SampleInput((distinct(rng, dims, dtype),), kwargs)

    return samples


ALONG = [((4,), {"axis": 0}), ((2, 3), {"axis": 1}), ((2, 3), {"axis": 0, "reverse": True})]
AXES = [((3,), {"axes": (0,)}), ((2, 3), {"axes": (1,)}), ((2, 3), {"axes": (0, 1)})]
PLACE = [((4,), {"axis": 0}), ((2, 3), {"axis": 1})]
PADDED = {"padding_config": ((1, 2, 0), (-1, 0, 1))}


def _bits(x: Any) -> int:
    return x.dtype.itemsize * 8


def _leading_zeros(x: Any) -> Any:
    return np.array([_bits(x) - int(n).bit_length() for n in x.ravel()], x.dtype).reshape(x.shape)


def _high(x: Any, y: Any) -> Any:
    wide = x.astype(object) * y.astype(object)
    return (wide // 2 ** _bits(x)).astype(x.dtype)


def _logical_shift(x: Any, y: Any) -> Any:
    unsigned = x.view(f"u{x.dtype.itemsize}")
    return (unsigned >> y.astype(unsigned.dtype)).view(x.dtype)


def _shifts(rng: np.random.Generator, dtype: np.dtype[Any]) -> Iterator[SampleInput]:
    x, y = array(rng, (2, 3), dtype, -50, 50), array(rng, (2, 3), dtype, 0, 5)
    yield SampleInput((x, y))


def _clamped(rng: np.random.Generator, dtype: np.dtype[Any]) -> Iterator[SampleInput]:
    x = array(rng, (2, 3), dtype, -2.0, 2.0, (-1.0, 1.0))
    low, high = np.array(-1, dtype), np.array(1, dtype)
    yield SampleInput((low, x, high))
    yield SampleInput((np.full((2, 3), low), x, np.full((2, 3), high)))


def _in_dim(*updates: tuple[int, ...]) -> Samples:
    """Slices of a matrix at a place that is an operand."""

    def samples(rng: np.random.Generator, dtype: np.dtype[Any]) -> Iterator[SampleInput]:
        place = np.int64(rng.integers(0, 3))
        more = [array(rng, s, dtype) for s in updates]
        yield SampleInput((array(rng, (4, 3), dtype), *more, place))

    return samples


def _put(x: Any, update: Any, place: Any, axis: int) -> Any:
    """An update along an axis, moved into the array."""
    out, n = x.copy(), update.shape[axis]
    first = min(int(place), x.shape[axis] - n)
    out[(slice(None),) * axis + (slice(first, first + n),)] = update
    return out


def _rows(rng: np.random.Generator, dtype: np.dtype[Any]) -> Iterator[SampleInput]:
    yield SampleInput((array(rng, (4, 3), dtype), rng.integers(0, 4, (2, 1))))


def _row_updates(rng: np.random.Generator, dtype: np.dtype[Any]) -> Iterator[SampleInput]:
    pool = distinct(rng, (18,), dtype)
    places = rng.permutation(4)[:2].reshape(2, 1)
    yield SampleInput((pool[:12].reshape(4, 3).copy(), places, pool[12:].reshape(2, 3).copy()))


GATHER = lax.GatherDimensionNumbers(
    offset_dims=(1,), collapsed_slice_dims=(0,), start_index_map=(0,)
)
SCATTER = lax.ScatterDimensionNumbers(
    update_window_dims=(1,), inserted_window_dims=(0,), scatter_dims_to_operand_dims=(0,)
)
STEP: dict[str, Callable[[Any, Any], Any]] = {
    "scatter": lambda a, b: b,
    "scatter_add": np.add,
    "scatter_sub": np.subtract,
    "scatter_mul": np.multiply,
    "scatter_min": np.minimum,
    "scatter_max": np.maximum,
}


def _scatter(name: str) -> OpInfo:
    def op(x: Any, places: Any, updates: Any) -> Any:
        return getattr(lax, name)(x, places, updates, SCATTER)

    def ref(x: Any, places: Any, updates: Any) -> Any:
        out = x.copy()
        out[places[:, 0]] = STEP[name](out[places[:, 0]], updates)
        return out

    return of(name, ref, _row_updates, REAL, op=op)


def _key_values(rng: np.random.Generator, dtype: np.dtype[Any]) -> Iterator[SampleInput]:
    yield SampleInput((distinct(rng, (2, 4), dtype), array(rng, (2, 4), dtype)))


def _sorted_by_key(keys: Any, values: Any) -> Any:
    order = np.argsort(keys, axis=-1, kind="stable")
    return np.take_along_axis(keys, order, -1), np.take_along_axis(values, order, -1)


def _greatest(x: Any, k: int) -> Any:
    order = np.argsort(-x, axis=-1, kind="stable")[..., :k]
    return np.take_along_axis(x, order, -1), order.astype(np.int32)


def _cases(rng: np.random.Generator, dtype: np.dtype[Any]) -> Iterator[SampleInput]:
    which = rng.integers(0, 3, (2, 3)).astype(np.int32)
    yield SampleInput((which, *(array(rng, (2, 3), dtype) for _ in range(3))))


def without_operands(*cases: dict[str, Any]) -> Samples:
    def samples(rng: np.random.Generator, dtype: np.dtype[Any]) -> Iterable[SampleInput]:
        return [SampleInput((), {"dtype": dtype.name, **kwargs}) for kwargs in cases]

    return samples


def _away_from_zero(x: Any) -> Any:
    return np.trunc(x + np.copysign(x.dtype.type(0.5), x))


def _derivatives_of_digamma(rng: np.random.Generator, dtype: np.dtype[Any]) -> Any:
    yield SampleInput((array(rng, (3,), dtype, 1.0, 4.0),))


def _applied(x: Any, places: Any) -> Any:
    out = x.copy()
    out[places[:, 0]] = np.sin(out[places[:, 0]])
    return out


def _distinct_rows(rng: np.random.Generator, dtype: np.dtype[Any]) -> Iterator[SampleInput]:
    yield SampleInput((array(rng, (4, 3), dtype), rng.permutation(4)[:2].reshape(2, 1)))


MOVED = (
    of("batch_matmul", np.matmul, contraction.over([((2, 3, 4), (2, 4, 2))]), tolerance=8),
    of("dot", np.dot, contraction.over([((2, 3), (3, 4)), ((3,), (3,))]), tolerance=8),
    of("dot_general", contraction._letters, contraction._general, tolerance=8),
    of(
        "broadcast",
        lambda x, sizes: np.broadcast_to(x, sizes + x.shape),
        each_with([((3,), {"sizes": (2,)}), ((), {"sizes": (2, 3)})]),
    ),
    of(
        "broadcast_in_dim",
        lambda x, shape, broadcast_dimensions: _in_dims(x, shape, broadcast_dimensions),
        each_with([((3,), {"shape": (2, 3), "broadcast_dimensions": (1,)})]),
    ),
    of(
        "collapse",
        lambda x, start_dimension, stop_dimension: x.reshape(2, -1, 5),
        each_with([((2, 3, 4, 5), {"start_dimension": 1, "stop_dimension": 3})]),
    ),
    of(
        "concatenate",
        lambda xs, dimension: np.concatenate(xs, dimension),
        each_list([([(2, 3), (1, 3)], {"dimension": 0}), ([(2, 3), (2, 1)], {"dimension": 1})]),
    ),
    of(
        "convert_element_type",
        lambda x, new_dtype: x.astype(new_dtype),
        each_with([((3,), {"new_dtype": "float64"}), ((3,), {"new_dtype": "int32"})]),
        ("int32", *REAL),
        keeps_precision=False,
    ),
    of(
        "bitcast_convert_type",
        lambda x, new_dtype: x.view(new_dtype),
        each_with([((3,), {"new_dtype": "uint64"})]),
        ("float64", "int64"),
        order=0,
    ),
    of(
        "reduce_precision",
        lambda x, exponent_bits, mantissa_bits: x,  # float64: differences would be of steps
        each_with([((2, 3), {"exponent_bits": 11, "mantissa_bits": 52})]),
        REAL,
        primitives=(floats.reduce_precision_p,),
        jax="lax.reduce_precision",
    ),
    of(
        "expand_dims",
        lambda x, dimensions: np.expand_dims(x, dimensions),
        each_with([((3,), {"dimensions": (0, 2)})]),
    ),
    of(
        "full",
        lambda x, shape: np.full(shape, x),
        each_with([((), {"shape": (2, 3)})]),
        op=lambda x, shape: lax.full(shape, x),
    ),
    of("full_like", np.full_like, each_with([([(2, 3), ()], {})]), REAL),
    of(
        "index_in_dim",
        lambda x, index, axis, keepdims=True: np.take(x, [index] if keepdims else index, axis),
        each_with([((2, 3), {"index": -1, "axis": 1}),
                   ((2, 3), {"index": 0, "axis": 0, "keepdims": False})]),
    ),
    of(
        "pad",
        lambda x, value, padding_config: _padded(x, value, padding_config),
        each_with([([(2, 3), ()], PADDED)]),
        NUMBERS,
    ),
    of("reshape", lambda x, new_sizes: x.reshape(new_sizes),
       each_with([((2, 3), {"new_sizes": (3, 2)})])),
    of("rev", lambda x, dimensions: np.flip(x, dimensions),
       each_with([((2, 3), {"dimensions": (0, 1)})])),
    of(
        "slice",
        lambda x, start_indices, limit_indices, strides: x[1:3:1, 0:3:2],
        each_with([((4, 3), {"start_indices": (1, 0), "limit_indices": (3, 3),
                             "strides": (1, 2)})]),
    ),
    of(
        "slice_in_dim",
        lambda x, start_index, limit_index, stride, axis: x[:, 0:-1:2],
        each_with([((2, 5), {"start_index": 0, "limit_index": -1, "stride": 2, "axis": 1})]),
    ),
    of("split", lambda x, sizes, axis: np.split(x, np.cumsum(sizes)[:-1], axis),
       each_with([((2, 4), {"sizes": (1, 3), "axis": 1})])),
    of("squeeze", lambda x, dimensions: np.squeeze(x, dimensions),
       each_with([((1, 3, 1), {"dimensions": (0, 2)})])),
    of("tile", np.tile, each_with([((2, 3), {"reps": (2, 1)})])),
    of("transpose", lambda x, permutation: np.transpose(x, permutation),
       each_with([((2, 3, 4), {"permutation": (2, 0, 1)})])),
    of("unstack", lambda x, axis: tuple(np.moveaxis(x, axis, 0)),
       each_with([((2, 3), {"axis": 1})])),
    of("optimization_barrier", lambda x: x, each_with([((2, 3), {})])),
    of("stop_gradient", lambda x: x, each_with([((2, 3), {})]), order=0),
)  # fmt: skip

INDEXED = (
    of("dynamic_slice", lambda x, starts, slice_sizes: x[
        indexing._bounded(starts, x.shape, slice_sizes)], indexing._dynamic_slices),
    of("dynamic_update_slice", indexing._update, indexing._dynamic_updates),
    of("dynamic_index_in_dim", lambda x, place: x[int(place)][None], _in_dim()),
    of(
        "dynamic_slice_in_dim",
        lambda x, place: x[min(int(place), 2) :][:2],
        _in_dim(),
        op=lambda x, place: lax.dynamic_slice_in_dim(x, place, 2),
    ),
    of(
        "dynamic_update_index_in_dim",
        lambda x, update, place: _put(x, update[:, None], place, 1),
        _in_dim((4,)),
        op=lambda x, update, place: lax.dynamic_update_index_in_dim(x, update, place, 1),
    ),
    of(
        "dynamic_update_slice_in_dim",
        lambda x, update, place: _put(x, update, place, 0),
        _in_dim((2, 3)),
        op=lambda x, update, place: lax.dynamic_update_slice_in_dim(x, update, place, 0),
    ),
    of(
        "gather",
        lambda x, places: x[places[:, 0]],
        _rows,
        op=lambda x, places: lax.gather(x, places, GATHER, (1, 3)),
    ),
    of("index_take", lambda x, places: x[places[:, 0]], _rows,
       op=lambda x, places: lax.index_take(x, (places[:, 0],), (0,))),
    *map(_scatter, STEP),
    of(
        "scatter_apply",
        _applied,
        _distinct_rows,
        REAL,
        op=lambda x, places: lax.scatter_apply(
            x, places, lax.sin, SCATTER, update_shape=(2, 3), unique_indices=True
        ),
    ),
)  # fmt: skip


def _log_add(x: Any, y: Any) -> Any:
    return lax.log(lax.exp(x) + lax.exp(y))


def _cumulative(name: str, accumulate: Any, dtypes: Sequence[str] = REAL) -> OpInfo:
    samples = unlike(ALONG) if "m" in name[3:4] else each_with(ALONG)
    return of(name, running(accumulate), samples, dtypes, tolerance=4)


REDUCED = (
    _cumulative("cumsum", np.cumsum, FIELD),
    _cumulative("cumprod", np.cumprod, FIELD),
    _cumulative("cummax", np.maximum.accumulate),
    _cumulative("cummin", np.minimum.accumulate),
    _cumulative("cumlogsumexp", np.logaddexp.accumulate),
    of("argmax", lambda x, axis: np.argmax(x, axis), unlike(PLACE), REAL, order=0),
    of("argmin", lambda x, axis: np.argmin(x, axis), unlike(PLACE), REAL, order=0),
    of("reduce_sum", lambda x, axes: np.sum(x, axes, x.dtype), each_with(AXES), NUMBERS,
       tolerance=4),
    of("reduce_prod", lambda x, axes: np.prod(x, axes, x.dtype), each_with(AXES), tolerance=4),
    of("reduce_max", lambda x, axes: np.max(x, axes), unlike(AXES), REAL),
    of("reduce_min", lambda x, axes: np.min(x, axes), unlike(AXES), REAL),
    of("reduce_and", lambda x, axes: np.all(x, axes), each_with(AXES), ("bool",), order=0),
    of("reduce_or", lambda x, axes: np.any(x, axes), each_with(AXES), ("bool",), order=0),
    of("reduce_xor", lambda x, axes: np.bitwise_xor.reduce(x, axes), each_with(AXES),
       ("bool", *INTEGER), order=0),
    of(
        "reduce",
        lambda x, init, dimensions: np.log(np.exp(init) + np.exp(x).sum(dimensions)),
        each_with([([(4, 3), ()], {"dimensions": (0,)}), ([(2, 0), ()], {"dimensions": (1,)}),
                   ([(2, 3, 5), ()], {"dimensions": (2, 0)}), ([(), ()], {"dimensions": ()})]),
        REAL,
        op=lambda x, init, dimensions: lax.reduce(x, init, _log_add, dimensions),
        tolerance=4,
    ),
    of("associative_scan", running(np.multiply.accumulate), each_with(ALONG), tolerance=4,
       op=lambda x, axis, reverse=False: lax.associative_scan(lax.mul, x, reverse, axis)),
    of("map", lambda x, batch_size: np.tanh(x).sum(1),
       each_with([((5, 2), {"batch_size": None}), ((5, 2), {"batch_size": 2}),
                  ((4, 0), {"batch_size": 2}), ((0, 2), {"batch_size": None})]), REAL,
       op=lambda x, batch_size: lax.map(
           lambda row: lax.reduce_sum(lax.tanh(row), (0,)), x, batch_size=batch_size)),
    of("sort", np.sort, unlike([((5,), {}), ((2, 4), {})]), REAL),
    of("sort_key_val", _sorted_by_key, _key_values, REAL),
    of("top_k", _greatest, unlike([((5,), {"k": 3}), ((2, 4), {"k": 2})]), REAL),
)  # fmt: skip

ELEMENTS = (
    of("clamp", lambda low, x, high: np.clip(x, low, high), _clamped, (*INTEGER, *HALF)[1:3]
       + HALF),
    of("clz", _leading_zeros, each_with([((2, 3), {})]), UNSIGNED, order=0),
    of("population_count", lambda x: np.bitwise_count(x).astype(x.dtype), each_with([((3,), {})]),
       UNSIGNED, order=0),
    of("conj", np.conj, each_with([((2, 3), {})]), COMPLEX),
    of("real", np.real, each_with([((2, 3), {})]), COMPLEX),
    of("imag", np.imag, each_with([((2, 3), {})]), COMPLEX),
    of("mulhi", _high, _shifts, ("uint32", "int32", "int64", "uint64"), order=0),
    of(
        "polygamma",
        lambda x: scipy.special.polygamma(2, x).astype(x.dtype),
        _derivatives_of_digamma,
        REAL,
        op=lambda x: lax.polygamma(2, x),
        tolerance=20,
    ),
    of("round", _away_from_zero, each_with([((2, 3), {})]), HALF, order=0),
    of("select_n", lambda which, *cases: np.choose(which, cases), _cases, NUMBERS),
    of("shift_right_arithmetic", np.right_shift, _shifts, ("int32", "int64"), order=0),
    of("shift_right_logical", _logical_shift, _shifts, ("int32", "int64", "uint8"), order=0),
    of(
        "iota",
        lambda dtype, size: np.arange(size, dtype=dtype),
        without_operands({"size": 4}),
        ("int32", "float32"),
        order=0,
    ),
    of(
        "broadcasted_iota",
        lambda dtype, shape, dimension: np.indices(shape)[dimension].astype(dtype),
        without_operands({"shape": (2, 3), "dimension": 1}),
        ("int32", "float32"),
        order=0,
    ),
)  # fmt: skip

_ENTRIES = (*MOVED, *INDEXED, *REDUCED, *ELEMENTS)
_NAMES = {info.name for info in _ENTRIES}
TABLE = (*_ENTRIES, *(info for info in _twins() if info.name not in _NAMES))
