"""Primitives that carry programs: calls, checkpoints, functions with rules of their own."""

from collections.abc import Callable, Iterable
from typing import Any

import numpy as np

import fxad
from fxad.compiler.jit import jit_p
from fxad.control.checkpoint import checkpoint_p, repeated
from fxad.control.custom_jvp import custom_jvp_p
from fxad.control.custom_vjp import custom_linear_p, custom_vjp_p
from fxad.control.custom_vmap import custom_vmap_p, sequential_vmap
from fxad.control.linear_call import linear_call, linear_call_p
from fxad.control.memory.chain import Region
from fxad.control.memory.stages import Stages
from fxad.control.recomputed import recompute_p, recomputed_p
from fxad.core.aval import aval_of
from fxad.core.staging import stage
from fxad.ops.identity import name_p
from fxad.ops.transfer import fetch_p, offload_p
from tests.opinfo import COMPLEX, EVERY, REAL, OpInfo, SampleInput, array

SCALE = np.array([0.5, -1.5, 2.0])


def inner(x: Any, y: Any) -> Any:
    """What is called: two results, a constant that is closed over, a value used twice."""
    z = np.sin(x) * y
    return z + np.exp(z), z[..., ::-1] * SCALE.astype(y.dtype)


def free(x: Any, y: Any) -> Any:
    """As ``inner``, on any device: nothing is closed over."""
    z = np.sin(x) * y
    return z + np.exp(z), z[..., ::-1] * 0.5


def _pairs(rng: np.random.Generator, dtype: np.dtype[Any]) -> Iterable[SampleInput]:
    for left, right in [((3,), (3,)), ((2, 3), (3,)), ((), (3,)), ((0, 3), (3,))]:
        yield SampleInput((array(rng, left, dtype), array(rng, right, dtype)))


def named_inner(x: Any, y: Any) -> Any:
    """The same, its values with names for policies."""
    z = fxad.checkpoint_name(np.sin(x) * y, "z")
    return fxad.checkpoint_name(z + np.exp(z), "sum"), z[..., ::-1] * SCALE.astype(y.dtype)


POLICY = fxad.checkpoint_policies.save_only_these_names("z")
OFFLOAD = fxad.checkpoint_policies.save_and_offload_only_these_names(
    names_which_can_be_saved=["sum"],
    names_which_can_be_offloaded=["z"],
    offload_src="device",
    offload_dst="pinned_host",
)


@fxad.custom_jvp
def with_jvp(x: Any, y: Any) -> Any:
    return inner(x, y)


@with_jvp.defjvp
def _rule(primals: Any, tangents: Any) -> Any:
    return fxad.jvp(inner, primals, tangents)


@fxad.custom_vjp
def with_vjp(x: Any, y: Any) -> Any:
    return inner(x, y)


with_vjp.defvjp(
    lambda x, y: (inner(x, y), (x, y)),
    lambda residuals, cts: fxad.vjp(inner, *residuals)[1](tuple(cts)),
)


@fxad.custom_gradient
def with_gradient(x: Any, y: Any) -> Any:
    return free(x, y), lambda cts: fxad.vjp(free, x, y)[1](tuple(cts))


def scaled(x: Any, y: Any) -> Any:
    """A product as a linear map of ``x`` that brings its transpose."""
    return linear_call(lambda y, x: x * y, lambda y, ct: ct * y, y, x)


def _alike(rng: np.random.Generator, dtype: np.dtype[Any]) -> Iterable[SampleInput]:
    for shape in [(3,), (2, 3), (), (0, 3)]:
        yield SampleInput((array(rng, shape, dtype), array(rng, shape, dtype)))


with_batches = fxad.custom_vmap(free)


@with_batches.def_vmap
def _batch_rule(size: int, in_batched: Any, x: Any, y: Any) -> Any:
    axes = tuple(0 if b else None for b in in_batched)
    return fxad.vmap(free, axes, axis_size=size)(x, y), (True, True)


def call(name: str, op: Callable[..., Any], *primitives: Any, ref: Any = inner) -> OpInfo:
    return OpInfo(name, op, ref, _pairs, (*REAL, *COMPLEX), primitives, tolerance=2)


def _sines(rng: np.random.Generator, dtype: np.dtype[Any]) -> Iterable[SampleInput]:
    yield SampleInput((array(rng, (3,), dtype),))


def in_turns(x: Any, y: Any) -> Any:
    """As ``free``, kept as little of as there is: three regions, each at the start of another."""
    staged = stage(lambda *xs: list(free(*xs)), [aval_of(x), aval_of(y)], "in_turns")
    stages = Stages(staged, [True, True], repeated)
    plan = (Region(0, len(stages.cuts) - 1, (Region(0, 2, (Region(0, 1),)),)),)
    return tuple(stages.rewritten(plan)(x, y))


TABLE = (
    call("jit", lambda x, y: fxad.jit(inner)(x, y), jit_p),
    call("jit_of_jit", lambda x, y: fxad.jit(lambda *xs: fxad.jit(inner)(*xs))(x, y)),
    call("checkpoint", fxad.checkpoint(inner), checkpoint_p),
    call("checkpoint_of_jit", fxad.checkpoint(fxad.jit(inner)), checkpoint_p),
    call("checkpoint_by_policy", fxad.checkpoint(named_inner, policy=POLICY), checkpoint_p),
    call("checkpoint_offloading", fxad.checkpoint(named_inner, policy=OFFLOAD), offload_p, fetch_p),
    call("checkpoint_in_turns", in_turns, recomputed_p, recompute_p, ref=free),
    OpInfo("checkpoint_name", lambda x: fxad.checkpoint_name(x, "x"), lambda x: x, _sines,
           EVERY, (name_p,)),
    call("custom_jvp", with_jvp, custom_jvp_p),
    call("custom_vjp", with_vjp, custom_vjp_p),
    call("custom_gradient", with_gradient, ref=free),
    call("custom_vmap", with_batches, custom_vmap_p, ref=free),
    call("sequential_vmap", sequential_vmap(free), ref=free),
    OpInfo("linear_call", scaled, np.multiply, _alike, (*REAL, *COMPLEX), (linear_call_p,)),
    OpInfo(
        "jvp_of_custom_vjp",
        lambda x: fxad.jvp(lambda z: with_vjp(z, SCALE)[0], (x,), (np.cos(x),)),
        lambda x: (
            np.sin(x) * SCALE + np.exp(np.sin(x) * SCALE),
            np.cos(x) ** 2 * SCALE * (1 + np.exp(np.sin(x) * SCALE)),
        ),
        _sines,
        ("float64",),
        (custom_linear_p,),
        tolerance=2,
    ),
)
