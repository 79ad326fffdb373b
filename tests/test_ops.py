"""Every operation of the table: values, shapes, dtypes, derivatives, batches, programs."""

import itertools
import re
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import fxad
import fxad.ops.collective
from fxad import tree
from fxad.core.aval import aval_of, float0
from fxad.core.jaxpr import ClosedJaxpr, Jaxpr, sub_jaxprs
from fxad.core.primitive import Primitive
from fxad.core.staging import stage
from fxad.test_util import check_grads, tolerance
from tests.opinfo import OpInfo, SampleInput, explained, table

INFOS = table()
DIFFERENTIABLE = [info for info in INFOS if info.order and info.differentiable_dtypes()]
STAGED = [info for info in INFOS if info.vectorizes]
MOST_BATCHES = 24


def each(infos: Sequence[OpInfo]) -> Any:
    return pytest.mark.parametrize("info", infos, ids=str)


def each_dtype(infos: Sequence[OpInfo], choose: Callable[[OpInfo], Sequence[str]]) -> Any:
    pairs = [(info, np.dtype(d)) for info in infos for d in choose(info)]
    return pytest.mark.parametrize(("info", "dtype"), pairs, ids=str)


def inexact(x: Any) -> bool:
    return aval_of(x).dtype.kind in "fc"


def leaves_of(info: OpInfo, sample: SampleInput) -> tuple[Callable[..., list[Any]], list[Any]]:
    """The operation as a function of flat arguments with a flat result, and those arguments."""
    leaves, structure = tree.flatten(sample.args)

    def flat(*xs: Any) -> list[Any]:
        return tree.leaves(info.run(sample.with_args(tree.unflatten(structure, xs))))

    return flat, leaves


def varying(info: OpInfo, sample: SampleInput) -> tuple[Callable[..., list[Any]], list[Any]]:
    """As ``leaves_of``, of the differentiable arguments and the inexact results alone."""
    flat, leaves = leaves_of(info, sample)
    chosen = sample.argnums if sample.argnums is not None else range(len(sample.args))
    flags = [i in chosen for i, arg in enumerate(sample.args) for _ in tree.leaves(arg)]
    flags = [flag and inexact(x) for flag, x in zip(flags, leaves, strict=True)]

    def of_varying(*xs: Any) -> list[Any]:
        given = iter(xs)
        outs = flat(*(next(given) if v else x for v, x in zip(flags, leaves, strict=True)))
        return [y for y in outs if inexact(y)]

    return of_varying, list(itertools.compress(leaves, flags))


def directions(xs: Sequence[Any], seed: int = 7) -> list[Any]:
    """Fixed arrays of the shapes and dtypes of others: tangents, cotangents."""
    rng = np.random.default_rng(seed)
    found = []
    for aval in map(aval_of, xs):
        v: Any = rng.uniform(-1, 1, aval.shape)
        if aval.dtype.kind == "c":
            v = v + 1j * rng.uniform(-1, 1, aval.shape)
        found.append(np.asarray(v).astype(aval.dtype))
    return found


def assert_close(got: Any, wanted: Any, info: OpInfo, dtypes: bool = True) -> None:
    """Leaves of one structure, shapes, dtypes and (within the table's tolerance) values."""
    got_leaves, wanted_leaves = tree.leaves(got), tree.leaves(wanted)
    assert len(got_leaves) == len(wanted_leaves)
    for x, y in zip(got_leaves, wanted_leaves, strict=True):
        x, y = np.asarray(fxad.device_get(x)), np.asarray(y)
        assert x.shape == y.shape
        if dtypes:
            assert x.dtype == y.dtype
        if x.dtype == float0 or not x.size:
            continue
        tol = info.tolerance * max(tolerance(x.dtype), tolerance(y.dtype))
        finite = np.abs(y[np.isfinite(y)]).astype(float) if y.dtype.kind in "fc" else np.zeros(0)
        scale = max(1.0, np.max(finite, initial=0.0))
        np.testing.assert_allclose(x, y, rtol=tol, atol=tol * scale)


def copies(sample: SampleInput) -> SampleInput:
    return sample.with_args(tree.map(lambda x: x.copy() if hasattr(x, "copy") else x, sample.args))


def samples(info: OpInfo, dtype: Any, rng: np.random.Generator) -> list[SampleInput]:
    found = list(info.samples(rng, np.dtype(dtype)))
    assert found, f"{info.name} has no sample for {dtype}"
    return found


# Values ----------------------------------------------------------------------------------------


@each_dtype(INFOS, lambda info: info.dtypes)
def test_value(info, dtype, rng):
    """Eager, staged and under ``jvp``, an operation is its reference; inputs stay as they are."""
    for sample in samples(info, dtype, rng):
        with explained(info, sample):
            before = copies(sample)
            wanted = info.expected(sample)
            with np.errstate(all="ignore"):
                assert_close(info.run(sample), wanted, info)
                if info.vectorizes:
                    flat, leaves = leaves_of(info, sample)
                    assert_close(fxad.jit(flat)(*leaves), tree.leaves(wanted), info)
                of_varying, xs = varying(info, sample)
                if xs:
                    primal = fxad.jvp(of_varying, tuple(xs), tuple(directions(xs)))[0]
                    kept = [y for y in tree.leaves(wanted) if inexact(y)]
                    assert_close(primal, kept, info)
            for x, y in zip(tree.leaves(sample.args), tree.leaves(before.args), strict=True):
                np.testing.assert_array_equal(x, y)


@each_dtype(STAGED, lambda info: info.dtypes)
def test_abstract_value(info, dtype, rng):
    """Shapes and dtypes known without computing are those that computing gives."""
    for sample in samples(info, dtype, rng):
        with explained(info, sample), np.errstate(all="ignore"):
            flat, leaves = leaves_of(info, sample)
            avals = [(a.shape, a.dtype) for a in tree.leaves(fxad.eval_shape(flat, *leaves))]
            outs = [(aval_of(y).shape, aval_of(y).dtype) for y in flat(*leaves)]
            assert avals == outs


@each(STAGED)
def test_reaches_its_primitives(info, rng):
    """The primitives that an entry stands for are bound, here or in its derivatives; they cost."""
    found = set[Primitive]()
    for dtype in info.dtypes:
        for sample in samples(info, dtype, rng):
            flat, leaves = leaves_of(info, sample)
            programs = [staged(flat, leaves)]
            fun, xs = varying(info, sample)
            if info.order and xs:

                def back(*args, fun=fun):
                    return list(pulled(fun, args))

                programs += [staged(back, xs), staged(lambda *args: pushed(back, args)[1], xs)]
            for eqn in itertools.chain(*map(equations, programs)):
                found.add(eqn.primitive)
                flops, moved = eqn.primitive.cost([v.aval for v in eqn.invars], eqn.params)
                assert flops >= 0 and moved >= 0, eqn.primitive
    # Collectives are gone once the vmap that an entry makes has taken their axis.
    gone = {p for p in vars(fxad.ops.collective).values() if isinstance(p, Primitive)}
    assert found.issuperset(set(info.primitives) - gone), f"only {found}"


def staged(fun: Callable[..., Any], args: Sequence[Any]) -> ClosedJaxpr:
    with np.errstate(all="ignore"):
        return stage(fun, [aval_of(x) for x in args])


def equations(jaxpr: Jaxpr | ClosedJaxpr) -> Any:
    for eqn in jaxpr.eqns:
        yield eqn
        for inner in sub_jaxprs(eqn.params):
            yield from equations(inner)


def strided(x: Any, layout: int) -> Any:
    """The same values in memory that is reversed, in Fortran order, or has gaps."""
    if not isinstance(x, np.ndarray) or not x.ndim:
        return x
    if layout == 0:
        return np.asfortranarray(x)
    if layout == 1:
        return np.ascontiguousarray(x[..., ::-1])[..., ::-1]
    roomy = np.empty((*x.shape[:-1], 2 * x.shape[-1]), x.dtype)
    roomy[..., ::2], roomy[..., 1::2] = x, np.ones((), x.dtype)
    return roomy[..., ::2]


@each([info for info in INFOS if info.dtypes])
def test_memory_layout(info, rng):
    """Neither values nor gradients depend on the strides of the operands."""
    dtype = info.dtypes[-1] if not info.order else (info.differentiable_dtypes() or info.dtypes)[0]
    for sample in samples(info, dtype, rng):
        with explained(info, sample), np.errstate(all="ignore"):
            wanted = info.expected(sample)
            fun, xs = varying(info, sample)
            for layout in range(3):
                moved = sample.with_args(tree.map(lambda x, k=layout: strided(x, k), sample.args))
                assert_close(info.run(moved), wanted, info)
                if info.order and xs:
                    moved_fun, moved_xs = varying(info, moved)
                    assert_close(pulled(moved_fun, moved_xs), pulled(fun, xs), info)


def pulled(fun: Callable[..., Any], xs: Sequence[Any]) -> Any:
    out, pullback = fxad.vjp(fun, *xs)
    return pullback(directions(out))


@each_dtype(DIFFERENTIABLE, lambda info: info.differentiable_dtypes()[:1])
def test_results_are_the_callers_own(info, dtype, rng):
    """What transformed functions hand out is writable and aliases neither inputs nor itself."""
    for sample in samples(info, dtype, rng):
        with explained(info, sample), np.errstate(all="ignore"):
            fun, xs = varying(info, sample)
            results = [
                fxad.jvp(fun, tuple(xs), tuple(directions(xs))),
                (fxad.vjp(fun, *xs)[0], pulled(fun, xs)),
            ]
            if info.vectorizes:
                results.append(fxad.jit(fun)(*xs))
            for result in results:
                arrays = [y for y in tree.leaves(result) if isinstance(y, np.ndarray)]
                assert all(y.flags.writeable for y in arrays)
                held = arrays + [x for x in xs if isinstance(x, np.ndarray)]
                for a, b in itertools.combinations(held, 2):
                    assert not np.shares_memory(a, b)


# Derivatives -----------------------------------------------------------------------------------


@each_dtype(DIFFERENTIABLE, OpInfo.differentiable_dtypes)
def test_derivatives(info, dtype, rng):
    """Forward and reverse mode, over one another, against differences."""
    for sample in samples(info, dtype, rng):
        fun, xs = varying(info, sample)
        if sample.smooth and xs:
            with explained(info, sample), np.errstate(all="ignore"):
                check_grads(fun, xs, info.order)


@each_dtype(DIFFERENTIABLE, OpInfo.differentiable_dtypes)
def test_forward_and_reverse_agree(info, dtype, rng):
    """One number, the pairing of a cotangent with a pushed tangent, at kinks as well."""
    for sample in samples(info, dtype, rng):
        with explained(info, sample), np.errstate(all="ignore"):
            fun, xs = varying(info, sample)
            if not xs:
                continue
            tangents = directions(xs)
            out, pushed = fxad.jvp(fun, tuple(xs), tuple(tangents))
            cts = directions(out, seed=8)
            back = fxad.vjp(fun, *xs)[1](cts)
            linear = fxad.linearize(fun, *xs)[1](*tangents)
            assert_close(linear, pushed, info)
            np.testing.assert_allclose(
                pairing(cts, pushed), pairing(back, tangents), rtol=1e-9, atol=1e-9
            )


def pairing(xs: Sequence[Any], ys: Sequence[Any]) -> float:
    return sum(float(np.sum(x * y).real) for x, y in zip(xs, ys, strict=True))


@each([info for info in INFOS if info.order == 0 and "float64" in info.dtypes])
def test_flat_operations_have_zero_derivatives(info, rng):
    """Tangents are zero (float0 for integers), and so are cotangents."""
    for sample in samples(info, np.float64, rng):
        with explained(info, sample), np.errstate(all="ignore"):
            flat, leaves = leaves_of(info, sample)
            tangents = [
                directions([x])[0] if inexact(x) else np.zeros(np.shape(x), float0) for x in leaves
            ]
            outs, pushed = fxad.jvp(flat, tuple(leaves), tuple(tangents))
            for y, t in zip(outs, pushed, strict=True):
                assert np.shape(t) == np.shape(y)
                assert np.asarray(t).dtype == (y.dtype if inexact(y) else float0)
                assert not inexact(y) or not np.any(t)
            kept, xs = varying(info, sample)
            assert all(not np.any(ct) for ct in pulled(kept, xs))


LINEAR = [(info, i) for info in DIFFERENTIABLE for i in info.linear]


@pytest.mark.parametrize(("info", "position"), LINEAR, ids=str)
def test_linear_operands(info, position, rng):
    """Where an operation is linear, ``linear_transpose`` is its pullback."""
    for dtype in info.differentiable_dtypes():
        for sample in samples(info, dtype, rng):
            with explained(info, sample), np.errstate(all="ignore"):

                def of_one(x, sample=sample):
                    args = list(sample.args)
                    args[position] = x
                    return info.run(sample.with_args(args))

                x = sample.args[position]
                out, pullback = fxad.vjp(of_one, x)
                if not inexact(out):
                    continue
                ct = directions([out])[0]
                assert_close(fxad.linear_transpose(of_one, x)(ct), pullback(ct), info)


# Narrow dtypes ---------------------------------------------------------------------------------


NARROW = ("float16", "float32", "complex64")


def narrow(info: OpInfo) -> list[str]:
    return [d for d in NARROW if d in info.dtypes and info.keeps_precision]


@each_dtype(DIFFERENTIABLE, narrow)
def test_derivatives_keep_their_precision(info, dtype, rng):
    """float32 in, float32 out, tangents and cotangents too, near those of double precision."""
    wide = np.dtype(np.complex128 if dtype.kind == "c" else np.float64)
    if wide.name not in info.dtypes:
        pytest.skip("no double precision to compare with")
    for sample in samples(info, dtype, rng):
        with explained(info, sample), np.errstate(all="ignore"):
            fun, xs = varying(info, sample)
            if not xs or not sample.smooth:
                continue
            wide_sample = sample.with_args(tree.map(lambda x: widened(x), sample.args))
            wide_fun, wide_xs = varying(info, wide_sample)
            for few, many in ((pushed, pushed), (pulled, pulled)):
                got, wanted = tree.leaves(few(fun, xs)), tree.leaves(many(wide_fun, wide_xs))
                expected = [np.asarray(y) for y in wanted]
                for x, y in zip(got, expected, strict=True):
                    assert np.asarray(x).dtype in NARROW, f"became {np.asarray(x).dtype}"
                    bound = 20 * info.tolerance * tolerance(dtype)
                    scale = max(1.0, np.max(np.abs(y), initial=0))
                    np.testing.assert_allclose(x, y, rtol=bound, atol=bound * scale)


def widened(x: Any) -> Any:
    if not hasattr(x, "dtype") or x.dtype.kind not in "fc":
        return x
    return x.astype(np.complex128 if x.dtype.kind == "c" else np.float64)


def pushed(fun: Callable[..., Any], xs: Sequence[Any]) -> Any:
    return fxad.jvp(fun, tuple(xs), tuple(directions(xs)))


#: NumPy itself sums the weights, and finds the places of quantiles, in double precision.
QUANTILES = ("quantile", "percentile", "nanquantile", "nanpercentile")
DOUBLE_INSIDE = {f"numpy.{name}" for name in ("histogram", *QUANTILES)}
INSIDE = [info for info in STAGED if info.order and info.name not in DOUBLE_INSIDE]


@each_dtype(INSIDE, lambda info: narrow(info)[-2:])
def test_nothing_widens_inside(info, dtype, rng):
    """No equation of a staged operation or of its pullback is of double precision."""
    for sample in samples(info, dtype, rng):
        with explained(info, sample):
            flat, leaves = leaves_of(info, sample)
            structure = tree.structure(sample.args)

            def back(*args, sample=sample, structure=structure):
                return list(
                    pulled(*varying(info, sample.with_args(tree.unflatten(structure, args))))
                )

            for program in (flat, back) if any(map(inexact, leaves)) else ():
                for eqn in equations(staged(program, leaves)):
                    for v in eqn.outvars:
                        double = v.aval.dtype in (np.float64, np.complex128)
                        assert not double or v.aval.weak_type, f"{eqn.primitive} gives {v.aval}"


# Batches ---------------------------------------------------------------------------------------


def batches(
    info: OpInfo, dtype: Any, seed: int, size: int = 2
) -> list[tuple[SampleInput, list[list[Any]]]]:
    """Each sample with ``size`` draws of its leaves, all of which lie in the domain."""
    draws = [
        list(info.samples(np.random.default_rng((seed, i)), np.dtype(dtype))) for i in range(size)
    ]
    return [(same[0], [tree.leaves(s.args) for s in same]) for same in zip(*draws, strict=True)]


def batch_axes(leaves: Sequence[Any], rng: np.random.Generator) -> list[tuple[Any, ...]]:
    """Every choice of an axis, or of none, for every operand; some of them where they are many."""
    choices = [[None, *range(np.ndim(x) + 1)] if hasattr(x, "ndim") else [None] for x in leaves]
    every = [dims for dims in itertools.product(*choices) if any(d is not None for d in dims)]
    if len(every) > MOST_BATCHES:
        every = [every[i] for i in sorted(rng.choice(len(every), MOST_BATCHES, replace=False))]
    return every


def stacked(draws: Sequence[Sequence[Any]], dims: Sequence[Any]) -> tuple[list[Any], list[Any]]:
    """The operands with their batch axes, and the operands of each example."""
    whole = [
        column[0] if d is None else np.stack(column, axis=d)
        for column, d in zip(zip(*draws, strict=True), dims, strict=True)
    ]
    rows = [[draws[0][j] if d is None else row[j] for j, d in enumerate(dims)] for row in draws]
    return whole, rows


def row(outs: Sequence[Any], i: int) -> list[Any]:
    return [np.asarray(y)[i] for y in outs]


@each_dtype(STAGED, lambda info: info.differentiable_dtypes() or info.dtypes[:1])
def test_vmap(info, dtype, rng):
    """Over every axis of every operand, a batch is a loop over its examples."""
    for sample, draws in batches(info, dtype, 1):
        flat, leaves = leaves_of(info, sample)
        for dims in batch_axes(leaves, rng):
            with explained(info, sample, "in_axes", dims), np.errstate(all="ignore"):
                whole, rows = stacked(draws, dims)
                outs = fxad.vmap(flat, in_axes=dims)(*whole)
                for i, example in enumerate(rows):
                    assert_close(row(outs, i), flat(*example), info)


@each(DIFFERENTIABLE)
def test_vmap_of_derivatives_and_derivatives_of_vmap(info, rng):
    """``vmap`` of ``jvp`` and ``vjp`` against loops, and the pullback of a ``vmap``."""
    if not info.vectorizes:
        pytest.skip("its shapes depend on values")
    dtype = info.differentiable_dtypes()[0]
    for sample, draws in batches(info, dtype, 2):
        flat, leaves = leaves_of(info, sample)
        batched = [hasattr(x, "ndim") for x in leaves]
        for alone in (None, 0):
            dims = [
                0 if b and (alone is None or i == alone) else None for i, b in enumerate(batched)
            ]
            if not batched[0]:
                continue
            with explained(info, sample, "in_axes", dims), np.errstate(all="ignore"):
                _compare_batched(info, flat, draws, dims)


def _compare_batched(
    info: OpInfo, flat: Callable[..., Any], draws: Sequence[Sequence[Any]], dims: Sequence[Any]
) -> None:
    whole, rows = stacked(draws, dims)
    flags = [inexact(x) for x in draws[0]]

    def of_inexact(fun: Callable[..., Any], full: Sequence[Any]) -> tuple[Any, list[Any]]:
        def narrowed(*xs: Any) -> list[Any]:
            given = iter(xs)
            args = [next(given) if f else x for f, x in zip(flags, full, strict=True)]
            return [y for y in fun(*args) if inexact(y)]

        return narrowed, list(itertools.compress(full, flags))

    for transform in (pushed, pulled):

        def transformed(*xs: Any, transform=transform) -> list[Any]:
            return tree.leaves(transform(*of_inexact(flat, xs)))

        outs = fxad.vmap(transformed, in_axes=tuple(dims))(*whole)
        loop = [transformed(*example) for example in rows]
        for i, wanted in enumerate(loop):
            assert_close(row(outs, i), wanted, info)
    mapped, xs = of_inexact(fxad.vmap(flat, in_axes=tuple(dims)), whole)
    _, pullback = fxad.vjp(mapped, *xs)
    one_row = tree.leaves(flat(*rows[0]))
    cts = directions([y for y in one_row if inexact(y)])
    back = pullback([np.stack([ct] * len(rows)) for ct in cts])
    singles = [fxad.vjp(*_packed(of_inexact(flat, example)))[1](cts) for example in rows]
    for j, d in enumerate(itertools.compress(dims, flags)):
        parts = [np.asarray(single[j]) for single in singles]
        wanted = np.stack(parts) if d is not None else sum(parts[1:], parts[0])
        assert_close(back[j], wanted, info)


def _packed(pair: tuple[Any, list[Any]]) -> list[Any]:
    return [pair[0], *pair[1]]


# Programs --------------------------------------------------------------------------------------


@each(DIFFERENTIABLE)
def test_jit_of_derivatives_and_derivatives_of_jit(info, rng):
    """jit(vjp), vjp(jit), jvp(jit) and vmap(jit) are what they are without jit."""
    if not info.vectorizes:
        pytest.skip("its shapes depend on values")
    dtype = info.differentiable_dtypes()[0]
    for sample in samples(info, dtype, rng):
        with explained(info, sample), np.errstate(all="ignore"):
            fun, xs = varying(info, sample)
            if not xs:
                continue
            compiled = fxad.jit(fun)
            wanted = list(pulled(fun, xs))
            assert_close(
                fxad.jit(lambda *args, fun=fun: list(pulled(fun, args)))(*xs), wanted, info
            )
            assert_close(list(pulled(compiled, xs)), wanted, info)
            assert_close(pushed(compiled, xs), pushed(fun, xs), info)


# Errors ----------------------------------------------------------------------------------------


TABLE_FILES = {"opinfo.py", *(p.name for p in (Path(__file__).parent / "opinfos").iterdir())}
ERRORS = [(info, i) for info in INFOS for i in range(len(list(info.errors())))]


@pytest.mark.parametrize(("info", "number"), ERRORS, ids=str)
def test_bad_input(info, number):
    """What an operation refuses, eagerly and staged, with the same words."""
    bad = list(info.errors())[number]
    flat, leaves = leaves_of(info, SampleInput(bad.args, bad.kwargs))
    with pytest.raises(bad.error, match=bad.match) as eager:
        flat(*leaves)
    (file,) = re.findall(r"At (\w+\.py):\d+: ", str(eager.value))
    assert file in TABLE_FILES, eager.value
    if info.vectorizes and bad.staged:
        with pytest.raises(bad.error, match=bad.match):
            staged(flat, leaves)


# GPU -------------------------------------------------------------------------------------------


#: What moves arrays, and functions with rules of their own that multiply by an array of the host,
#: which CuPy refuses.
NOT_ON_THE_GPU = {"device_put", "custom_jvp", "custom_vjp", "jvp_of_custom_vjp"}


@pytest.mark.gpu
@each([info for info in INFOS if info.name not in NOT_ON_THE_GPU])
def test_cupy_is_numpy(info, rng):
    """On the GPU: the values, dtypes and gradients of the CPU, in arrays of CuPy."""
    gpu = fxad.devices("gpu")[0]
    for sample in [s for dtype in info.dtypes for s in samples(info, dtype, rng)]:
        with explained(info, sample), np.errstate(all="ignore"):
            moved = sample.with_args(tree.map(lambda x: to_gpu(x, gpu), sample.args))
            out = info.run(moved)
            on_gpu = any(hasattr(x, "__cuda_array_interface__") for x in tree.leaves(moved.args))
            for y in tree.leaves(out):
                assert not on_gpu or type(y).__module__.startswith("cupy")
            assert_close(out, info.expected(sample), info)
            fun, xs = varying(info, sample)
            if info.order and xs and sample.smooth:
                gpu_fun, gpu_xs = varying(info, moved)
                cts = directions(fun(*xs))
                got = fxad.vjp(gpu_fun, *gpu_xs)[1]([to_gpu(ct, gpu) for ct in cts])
                assert_close(got, fxad.vjp(fun, *xs)[1](cts), info)


def to_gpu(x: Any, device: Any) -> Any:
    return fxad.device_put(np.asarray(x), device) if hasattr(x, "dtype") else x
