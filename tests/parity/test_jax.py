"""Beside JAX: values, derivatives, dtypes and conventions, over the table and at odd points."""

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import pytest

import fxad
import fxad.numpy as fnp
from fxad import tree
from tests.opinfo import OpInfo, SampleInput, explained, table
from tests.test_ops import inexact, leaves_of

jax = pytest.importorskip("jax", reason="JAX is the oracle of these tests")
jnp = jax.numpy

WITH_PEER = [info for info in table() if info.jax]
DTYPES = ("float64", "float32", "complex128")


def peer(info: OpInfo) -> Callable[..., Any]:
    """JAX's function of an entry."""
    if callable(info.jax):
        return info.jax(jax)
    found = jax
    for name in info.jax.split("."):
        found = getattr(found, name)
    return found


def chosen(info: OpInfo, dtype: str, rng: np.random.Generator) -> list[SampleInput]:
    """Few samples, since JAX compiles each: the first one, and the last one with elements."""
    found = [
        s
        for s in info.samples(rng, np.dtype(dtype))
        if s.smooth and all(getattr(x, "size", 0) for x in tree.leaves(s.args))
    ]
    return found[:1] + found[-1:] if len(found) > 1 else found


def directions(xs: Sequence[Any], seed: int = 7) -> list[Any]:
    """Fixed arrays of the shapes and dtypes of others, which may be tracers of either library."""
    rng = np.random.default_rng(seed)
    found = []
    for x in xs:
        shape, dtype = np.shape(x), getattr(x, "dtype", np.dtype(float))
        v: Any = rng.uniform(-1, 1, shape)
        if dtype.kind == "c":
            v = v + 1j * rng.uniform(-1, 1, shape)
        found.append(np.asarray(v).astype(dtype))
    return found


def both_ways(jvp: Any, vjp: Any, f: Callable[..., Any], xs: Sequence[Any]) -> Any:
    """Value, tangent and cotangents along fixed directions."""
    out, pushed = jvp(f, tuple(xs), tuple(directions(xs)))
    _, pullback = vjp(f, *xs)
    return out, pushed, list(pullback(directions(out, seed=9)))


def assert_agree(got: Any, wanted: Any, tol: float, dtypes: bool = True) -> None:
    for x, y in zip(tree.leaves(got), tree.leaves(wanted), strict=True):
        x, y = np.asarray(x), np.asarray(y)
        assert x.shape == y.shape
        if dtypes and y.dtype.kind in "fc":
            assert x.dtype == y.dtype
        scale = 1 + np.max(np.abs(y[np.isfinite(y)]), initial=0) if y.dtype.kind in "fc" else 1
        np.testing.assert_allclose(x, y, rtol=tol, atol=tol * scale)


def of_inexact(
    fun: Callable[..., Any], leaves: Sequence[Any], flags: Sequence[bool]
) -> Callable[..., list[Any]]:
    """A function of the flagged leaves alone, with its inexact results."""

    def narrowed(*xs: Any) -> list[Any]:
        given = iter(xs)
        args = [next(given) if f else x for f, x in zip(flags, leaves, strict=True)]
        return [y for y in fun(*args) if y.dtype.kind in "fc"]

    return narrowed


PAIRS = [(info, dtype) for info in WITH_PEER for dtype in DTYPES if dtype in info.dtypes]


@pytest.mark.parametrize(("info", "dtype"), PAIRS, ids=str)
def test_operation(info, dtype, rng):
    """Value, tangent and cotangent of the same call, complex conventions included."""
    tol = info.tolerance * (2e-5 if dtype == "float32" else 1e-11)
    theirs = peer(info)
    for sample in chosen(info, dtype, rng):
        with explained(info, sample), np.errstate(all="ignore"):
            flat, leaves = leaves_of(info, sample)
            structure = tree.structure(sample.args)

            def flat_peer(*xs, sample=sample, structure=structure):
                return jax.tree.leaves(theirs(*tree.unflatten(structure, xs), **sample.kwargs))

            argnums = range(len(sample.args)) if sample.argnums is None else sample.argnums
            flags = [
                i in argnums and inexact(x)
                for i, arg in enumerate(sample.args)
                for x in tree.leaves(arg)
            ]

            points = [x for f, x in zip(flags, leaves, strict=True) if f]
            if not info.order or not points:
                assert_agree(flat(*leaves), jax.jit(flat_peer)(*leaves), tol)
                continue
            ours = both_ways(fxad.jvp, fxad.vjp, of_inexact(flat, leaves, flags), points)
            narrow = of_inexact(flat_peer, leaves, flags)

            def derive(*args, f=narrow):
                return both_ways(jax.jvp, jax.vjp, f, args)

            if dtype == "float32":  # what dtypes there are, without compiling
                wanted = [y.dtype for y in jax.tree.leaves(jax.eval_shape(derive, *points))]
                assert [np.asarray(y).dtype for y in tree.leaves(ours)] == wanted
            else:
                assert_agree(ours, jax.jit(derive)(*points), tol)


# Complex conventions -----------------------------------------------------------------------------

Z = np.array([1.0 + 2.0j, -0.5 + 0.3j, 2.0 - 1.0j])
COMPLEX = {
    "abs": lambda m, z: m.sum(m.abs(z)),
    "abs squared": lambda m, z: m.sum(m.real(z * m.conj(z))),
    "real part": lambda m, z: m.sum(m.real(z**2)),
    "imaginary part": lambda m, z: m.sum(m.imag(m.exp(z))),
    "angle": lambda m, z: m.sum(m.angle(z)),
    "product of parts": lambda m, z: m.sum(m.real(z) * m.imag(z)),
    "norm": lambda m, z: m.linalg.norm(z),
    "mixed": lambda m, z: m.sum(m.cos(m.real(z)) * m.abs(m.sin(z))),
}
REAL_TO_COMPLEX = {
    "phase": lambda m, x: m.exp(1j * x),
    "power": lambda m, x: (x + 0.5j) ** 3,
    "parts": lambda m, x: x + 1j * m.sin(x),
}


@pytest.mark.parametrize("name", COMPLEX)
def test_gradient_of_a_real_function_of_complex_numbers(name):
    """``df/dx - i df/dy``, as JAX has it: a descent direction is its conjugate."""
    f = COMPLEX[name]
    ours = fxad.grad(lambda z: f(fnp, z))(Z)
    assert_agree(ours, jax.grad(lambda z: f(jnp, z))(Z), 1e-12)
    x, h = np.concatenate([Z.real, Z.imag]), 1e-6
    parts = [(f(np, _joined(x + h * e)) - f(np, _joined(x - h * e))) / (2 * h) for e in np.eye(6)]
    np.testing.assert_allclose(ours, np.array(parts[:3]) - 1j * np.array(parts[3:]), rtol=1e-8)


def _joined(x: Any) -> Any:
    return x[:3] + 1j * x[3:]


@pytest.mark.parametrize("name", REAL_TO_COMPLEX)
def test_complex_functions_of_real_numbers(name):
    f, x = REAL_TO_COMPLEX[name], np.array([0.3, -1.2])
    assert_agree(
        both_ways(fxad.jvp, fxad.vjp, lambda x: [f(fnp, x)], [x]),
        both_ways(jax.jvp, jax.vjp, lambda x: [f(jnp, x)], [x]),
        1e-12,
    )


@pytest.mark.parametrize("f", [np.sin, np.exp, np.sqrt, np.log], ids=lambda f: f.__name__)
def test_holomorphic(f):
    theirs = getattr(jnp, f.__name__)
    ours = fxad.grad(f, holomorphic=True)(Z[0])
    assert_agree(ours, jax.grad(theirs, holomorphic=True)(Z[0]), 1e-12)
    ours = fxad.jacfwd(f, holomorphic=True)(Z), fxad.jacrev(f, holomorphic=True)(Z)
    theirs = jax.jacfwd(theirs, holomorphic=True)(Z), jax.jacrev(theirs, holomorphic=True)(Z)
    assert_agree(ours, theirs, 1e-12)


# Odd points --------------------------------------------------------------------------------------

INF, NAN = np.inf, np.nan
#: Functions of a vector, summed, at points where they have a kink, a jump or a limit.
SAME = {
    "maximum of equals": (lambda m, x: m.maximum(x, 1.0), [1.0, 2.0, 0.0]),
    "minimum of equals": (lambda m, x: m.minimum(x, x * 1.0), [1.0, -1.0]),
    "greatest of equals": (lambda m, x: m.max(x), [2.0, 1.0, 2.0]),
    "least of equals": (lambda m, x: m.min(x), [1.0, 1.0, 2.0]),
    "square root of zero": (lambda m, x: m.sqrt(x), [0.0, 4.0]),
    "logarithm of zero": (lambda m, x: m.log(x), [0.0, 1.0]),
    "powers of zero": (lambda m, x: x**2 + x**3 + x**1.0 + x**2.0, [0.0, 2.0]),
    "zero to a power": (lambda m, x: 0.0**x, [1.0, 2.0]),
    "negative powers": (lambda m, x: x**3.0 + x**-2.0, [-2.0, -0.5]),
    "product with a zero": (lambda m, x: m.prod(x), [2.0, 0.0, 3.0]),
    "product with zeros": (lambda m, x: m.prod(x), [2.0, 0.0, 0.0]),
    "running product with zeros": (lambda m, x: m.cumprod(x), [2.0, 0.0, 3.0, 0.0, 1.0]),
    "clip at its bounds": (lambda m, x: m.clip(x, 0.0, 1.0), [0.5, -1.0, 2.0]),
    "sort of equals": (lambda m, x: m.sort(x) * m.arange(3.0), [1.0, 0.0, 1.0]),
    "where with an infinity": (lambda m, x: m.where(x > 0, m.log(m.where(x > 0, x, 1)), 0.0),
                               [0.0, 1.0]),
    "tanh far out": (lambda m, x: m.tanh(x), [800.0, -800.0, 0.0]),
    "exponential far out": (lambda m, x: m.exp(-(x**2)), [50.0, 0.0]),
    "sign": (lambda m, x: m.sign(x) * x, [0.0, -2.0]),
    "floor": (lambda m, x: m.floor(x) * x, [1.0, 1.5]),
    "remainder": (lambda m, x: m.remainder(x, 2.0), [3.5, -1.5]),
    "arctan2": (lambda m, x: m.arctan2(x, 1.0) + m.arctan2(-1.0, x), [0.0, 2.0]),
    "nansum": (lambda m, x: m.nansum(x * x), [1.0, NAN, 2.0]),
    "take twice": (lambda m, x: x[np.array([0, 0, 1])] ** 2, [1.0, 2.0]),
}  # fmt: skip


@pytest.mark.parametrize("name", SAME)
def test_odd_points_where_both_agree(name):
    f, point = SAME[name]
    x = np.array(point)
    with np.errstate(all="ignore"):
        ours = fxad.value_and_grad(lambda x: fnp.sum(f(fnp, x)))(x)
        assert_agree(ours, jax.value_and_grad(lambda x: jnp.sum(f(jnp, x)))(x), 1e-12)
        ours = fxad.jvp(lambda x: f(fnp, x), (x,), (np.ones_like(x),))
        theirs = jax.jvp(lambda x: f(jnp, x), (x,), (np.ones_like(x),))
        assert_agree(ours, theirs, 1e-12)


#: Where JAX has NaN and a finite subgradient exists: what fxad has instead.
FINITE = {
    "length of a zero vector": (lambda m, x: m.linalg.norm(x), [0.0, 0.0], [0.0, 0.0]),
    "power zero": (lambda m, x: x**0.0 + x**0, [0.0, 2.0], [0.0, 0.0]),
    "logaddexp of infinities": (lambda m, x: m.logaddexp(x, -INF), [-INF, 0.0], [0.5, 1.0]),
    "spread of equals": (lambda m, x: m.std(x), [2.0, 2.0], [0.0, 0.0]),
}


@pytest.mark.parametrize("name", FINITE)
def test_finite_where_jax_is_not(name):
    f, point, wanted = FINITE[name]
    ours = fxad.grad(lambda x: fnp.sum(f(fnp, x)))(np.array(point))
    np.testing.assert_array_equal(ours, wanted)
    # If this fails JAX has changed: then the point belongs among those where both agree.
    assert np.isnan(jax.grad(lambda x: jnp.sum(f(jnp, x)))(np.array(point))).any()


#: Other subgradients than JAX's: the one of least norm, which stays where it is.
LEAST = {
    "absolute value of zero": (lambda m, x: m.abs(x), [0.0, -0.0], [0.0, 0.0], [1.0, 1.0]),
    "hypotenuse of zeros": (lambda m, x: m.hypot(x, 0.0), [0.0, 3.0], [0.0, 1.0], [0.5, 1.0]),
}


@pytest.mark.parametrize("name", LEAST)
def test_other_subgradients_than_those_of_jax(name):
    f, point, ours, theirs = LEAST[name]
    x = np.array(point)
    np.testing.assert_array_equal(fxad.grad(lambda x: fnp.sum(f(fnp, x)))(x), ours)
    np.testing.assert_array_equal(jax.grad(lambda x: jnp.sum(f(jnp, x)))(x), theirs)


# Transformations ---------------------------------------------------------------------------------


def pairs_of_calls() -> dict[str, Callable[[Any, Any], Any]]:
    """The same call of either library: ``call(library, numpy_of_it)``."""
    x, v = np.array([0.3, -1.2, 2.0]), np.array([1.0, 0.5, -0.2])
    p = {"w": np.outer(x, v), "b": v}

    def loss(m):
        return lambda p, x: m.sum(m.tanh(p["w"] @ x + p["b"]) ** 2)

    return {
        "grad of a tree": lambda g, m: g.grad(loss(m))(p, x),
        "grad by two": lambda g, m: g.grad(loss(m), argnums=(0, 1))(p, x),
        "grad by the last": lambda g, m: g.grad(loss(m), argnums=-1)(p, x),
        "value and grad with aux": lambda g, m: g.value_and_grad(
            lambda x: (m.sum(x**2), {"x": x}), has_aux=True
        )(x),
        "jacfwd": lambda g, m: g.jacfwd(lambda p: m.tanh(p["w"] @ x) * p["b"])(p),
        "jacrev": lambda g, m: g.jacrev(lambda p: {"y": m.tanh(p["w"] @ x) * p["b"]})(p),
        "hessian": lambda g, m: g.hessian(lambda x: m.sum(m.sin(x)[:, None] * x))(x),
        "hessian of a tree": lambda g, m: g.hessian(lambda p: loss(m)(p, x))(p),
        "jvp with aux": lambda g, m: g.jvp(lambda x: (m.sin(x), x), (x,), (v,), has_aux=True),
        "vjp with aux": lambda g, m: g.vjp(lambda x: (m.sin(x), x), x, has_aux=True)[1](v),
        "linearize": lambda g, m: g.linearize(lambda x: m.sin(x) * x[0], x)[1](v),
        "linear_transpose": lambda g, m: g.linear_transpose(lambda x: 2 * x[::-1], x)(v),
        "vmap of trees": lambda g, m: g.vmap(
            lambda p, s: {"y": p["w"] * s, "b": p["b"]}, in_axes=({"w": 1, "b": None}, 0),
            out_axes={"y": -1, "b": None},
        )(p, v),
        "vmap with a name": lambda g, m: g.vmap(
            lambda x: x - g.lax.pmean(x, "i") + g.lax.axis_index("i"), axis_name="i"
        )(x),
        "vmap of vmap": lambda g, m: g.vmap(g.vmap(lambda a, b: a * b, (None, 0)), (0, None))(x, v),
        "grad of vmap of grad": lambda g, m: g.grad(
            lambda x: m.sum(g.vmap(g.grad(lambda y: m.sin(y) * y))(x))
        )(x),
        "integer gradient": lambda g, m: g.grad(
            lambda x, n: m.sum(x) * n, argnums=(0, 1), allow_int=True
        )(x, 3)[0],
    }  # fmt: skip


@pytest.mark.parametrize("name", pairs_of_calls())
def test_transformation(name):
    call = pairs_of_calls()[name]
    ours, theirs = call(fxad, fnp), call(jax, jnp)
    assert tree.structure(ours) == tree.structure(tree.map(np.asarray, theirs))
    assert_agree(ours, theirs, 1e-12)


def test_errors_are_raised_where_jax_raises():
    """The same mistakes, by the same built-in classes."""
    x = np.ones(3)
    mistakes = [
        lambda g: g.grad(lambda x: x * 2)(x),
        lambda g: g.grad(lambda x: x)(1),
        lambda g: g.jvp(lambda x: x, (x,), (np.ones(2),)),
        lambda g: g.jvp(lambda x: x, x, x),
        lambda g: g.vmap(lambda x: x, in_axes=1)(x),
        lambda g: g.vmap(lambda x, y: x)(x, np.ones(2)),
        lambda g: g.jit(lambda x: x if x > 0 else -x)(1.0),
        lambda g: g.jit(lambda x: float(x))(1.0),
        lambda g: g.jit(lambda x, n: x, static_argnums=1)(x, [1]),
        lambda g: g.jit(lambda x: "yes")(x),
        lambda g: g.vmap(lambda x: g.lax.psum(x, "j"), axis_name="i")(x),
        lambda g: g.grad(lambda x: x, argnums=1)(1.0),
    ]
    for mistake in mistakes:
        kinds = []
        for library in (fxad, jax):
            with pytest.raises((TypeError, ValueError, NameError)) as caught:
                mistake(library)
            kinds.append(
                [k for k in (TypeError, ValueError, NameError) if isinstance(caught.value, k)]
            )
        assert set(kinds[1]) <= set(kinds[0]), kinds
