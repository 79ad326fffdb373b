"""Collectives: over the axis of a ``vmap`` that the operation itself makes."""

from collections.abc import Callable, Iterable, Sequence
from typing import Any

import numpy as np

import fxad
import fxad.lax.parallel as lax
import fxad.ops.collective as ops
from fxad.core.primitive import Primitive
from fxad.errors import ArgumentValueError, AxisNameError
from tests.opinfo import ErrorInput, OpInfo, SampleInput, array, distinct

DTYPES = ("int32", "float32", "float64", "complex64", "complex128")
Make = Callable[..., np.ndarray]


def over(*shapes: tuple[int, ...], make: Make = array) -> Any:
    def samples(rng: np.random.Generator, dtype: np.dtype[Any]) -> Iterable[SampleInput]:
        for shape in shapes:
            yield SampleInput((make(rng, shape, dtype),))

    return samples


def collective(
    name: str,
    of_example: Callable[[Any], Any],
    ref: Callable[[Any], Any],
    *shapes: tuple[int, ...],
    primitives: Sequence[Primitive] = (),
    make: Make = array,
    dtypes: Sequence[str] = DTYPES,
    **options: Any,
) -> OpInfo:
    """An operation on the examples of a batch; without one it must refuse."""
    options.setdefault("samples", over(*(shapes or ((3,), (3, 2))), make=make))
    return OpInfo(
        name,
        fxad.vmap(of_example, axis_name="i"),
        ref,
        dtypes=tuple(dtypes),
        primitives=tuple(primitives),
        **options,
    )


def unbound(name: str, of_example: Callable[[Any], Any]) -> OpInfo:
    """The same operation where no ``vmap`` has its axis."""

    def errors() -> Iterable[ErrorInput]:
        yield ErrorInput((np.ones(3),), AxisNameError, rf"(?s)\[{name}\].*'i'.*axis_name='i'")

    return OpInfo(f"{name}_unbound", of_example, np.copy, over((3,)), (), errors=errors)


def _everywhere(x: Any) -> Any:
    return np.broadcast_to(x, (3, *np.shape(x)))


def _sent(x: Any) -> Any:
    out = np.zeros_like(x)
    out[1], out[0] = x[0], x[2]
    return out


PAIRS = [(0, 1), (2, 0)]


def _with_nan(rng: np.random.Generator, dtype: np.dtype[Any]) -> Iterable[SampleInput]:
    yield from over((3,), (3, 2))(rng, dtype)
    if dtype.kind == "f":
        yield SampleInput((np.array([np.nan, 1.0, np.inf], dtype),), smooth=False)


TABLE = (
    collective(
        "psum",
        lambda x: lax.psum(x, "i"),
        lambda x: _everywhere(np.sum(x, 0, dtype=x.dtype)),
        primitives=(ops.psum_p,),
        linear=(0,),
    ),
    collective(
        "psum_of_booleans",
        lambda x: lax.psum(x > 0, "i"),
        lambda x: _everywhere(np.sum(x > 0, 0)),
        dtypes=("float64",),
        order=0,
    ),
    collective(
        "psum_staged",
        fxad.jit(lambda x: lax.psum(x, "i") + lax.psum(2.0, "i")),
        lambda x: _everywhere(np.sum(x, 0) + 6.0),
        dtypes=("float32", "float64"),
    ),
    collective(
        "pmean",
        lambda x: lax.pmean(x, "i"),
        lambda x: _everywhere(np.mean(x, 0)),
        dtypes=DTYPES[1:],
    ),
    collective(
        "pmax",
        lambda x: lax.pmax(x, "i"),
        lambda x: _everywhere(np.max(x, 0)),
        make=distinct,
        dtypes=DTYPES[:3],
    ),
    collective(
        "pmin",
        lambda x: lax.pmin(x, "i"),
        lambda x: _everywhere(np.min(x, 0)),
        make=distinct,
        dtypes=DTYPES[:3],
    ),
    collective(
        "all_gather",
        lambda x: lax.all_gather(x, "i", axis=-1),
        lambda x: _everywhere(x.T),
        primitives=(ops.all_gather_p,),
    ),
    collective(
        "all_gather_tiled",
        lambda x: lax.all_gather(x, "i", tiled=True),
        lambda x: _everywhere(np.concatenate(list(x))),
        (3, 2),
    ),
    collective(
        "psum_scatter",
        lambda x: lax.psum_scatter(x, "i"),
        lambda x: np.sum(x, 0, dtype=x.dtype),
        (3, 3),
        (3, 3, 2),
        primitives=(ops.scatter_sum_p,),
        linear=(0,),
    ),
    collective(
        "ppermute",
        lambda x: lax.ppermute(x, "i", PAIRS),
        _sent,
        samples=_with_nan,
        primitives=(ops.ppermute_p,),
        linear=(0,),
        errors=lambda: [
            ErrorInput((np.ones(2),), ArgumentValueError, r"\[ppermute\] got perm=.*size 2")
        ],
    ),
    collective("pshuffle", lambda x: lax.pshuffle(x, "i", [2, 0, 1]), lambda x: x[[2, 0, 1]]),
    collective(
        "axis_index",
        lambda x: x * lax.axis_index("i"),
        lambda x: x * np.arange(3, dtype=x.real.dtype).reshape(3, *[1] * (x.ndim - 1)),
        primitives=(ops.axis_index_p,),
        dtypes=("float64",),
    ),
    unbound("psum", lambda x: lax.psum(x, "i")),
    unbound("all_gather", lambda x: lax.all_gather(x, "i")),
    unbound("axis_index", lambda x: lax.axis_index("i")),
    unbound("ppermute", lambda x: lax.ppermute(x, "i", PAIRS)),
)
