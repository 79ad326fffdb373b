"""Primitives that call Python functions: with a rule of their own, or beside a computation."""

from collections.abc import Iterable
from typing import Any

import numpy as np

import fxad
from fxad.control.callback import debug_callback_p, io_callback_p, pure_callback_p
from tests.opinfo import COMPLEX, REAL, OpInfo, SampleInput, array


@fxad.custom_jvp
def sine(x: Any) -> Any:
    return fxad.pure_callback(np.sin, x, x, vmap_method="expand_dims")


@fxad.custom_jvp
def cosine(x: Any) -> Any:
    like = fxad.ShapeDtypeStruct(x.shape, x.dtype)
    return fxad.pure_callback(np.cos, like, x, vmap_method="sequential")


@sine.defjvp
def _sine(primals: Any, tangents: Any) -> Any:
    return sine(*primals), cosine(*primals) * tangents[0]


@cosine.defjvp
def _cosine(primals: Any, tangents: Any) -> Any:
    return cosine(*primals), -(sine(*primals) * tangents[0])


@fxad.custom_jvp
def written(x: Any) -> Any:
    return fxad.io_callback(lambda x: x.copy(), x, x)


@written.defjvp
def _written(primals: Any, tangents: Any) -> Any:
    return written(*primals), tangents[0]


def watched(x: Any) -> Any:
    fxad.debug.callback(lambda y: None, x)
    return np.sin(x)


def _arrays(rng: np.random.Generator, dtype: np.dtype[Any]) -> Iterable[SampleInput]:
    for shape in [(3,), (2, 3), (), (0, 3)]:
        yield SampleInput((array(rng, shape, dtype),))


EITHER = (*REAL, *COMPLEX)

TABLE = (
    OpInfo("pure_callback", sine, np.sin, _arrays, EITHER, (pure_callback_p,)),
    OpInfo("pure_callback_each", cosine, np.cos, _arrays, EITHER),
    OpInfo("io_callback", lambda x: written(x) * x, np.square, _arrays, EITHER, (io_callback_p,)),
    OpInfo("debug_callback", watched, np.sin, _arrays, EITHER, (debug_callback_p,)),
)
