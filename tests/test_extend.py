"""``fxad.extend``: one set of rules serves every transformation, and mistakes in them are told."""

import gc
import importlib.util
import runpy
from pathlib import Path

import numpy as np
import pytest

import fxad
import fxad.numpy as fnp
from fxad import errors, extend
from fxad.backends import nvrtc
from fxad.extend.wrapping import KernelCall
from fxad.test_util import check_grads
from tests import emulator

EXAMPLES = Path(__file__).parents[1] / "examples"
X = np.array([0.5, 1.0, -1.5])


def define(name, impl, **rules):
    return extend.define_primitive(f"test_{name}", impl, overwrite=True, **rules)


sine = define("sine", lambda xp, x: xp.sin(x), jvp=[lambda t, out, x: t * cosine(x)])
cosine = define("cosine", lambda xp, x: xp.cos(x), jvp=[lambda t, out, x: -t * sine(x)])
TRANSFORMS = {
    "plain": lambda f: f,
    "grad": lambda f: fxad.grad(lambda x: fnp.sum(f(x))),
    "jvp": lambda f: lambda x: fxad.jvp(f, (x,), (x,))[1],
    "hessian": lambda f: fxad.hessian(lambda x: fnp.sum(f(x) ** 2)),
    "hvp": lambda f: lambda x: fxad.hvp(lambda y: fnp.sum(f(y)), x, x),
    "jit": fxad.jit,
    "vmap": fxad.vmap,
    "vmap of grad": lambda f: fxad.vmap(fxad.grad(f)),
    "jit of vmap of grad of grad": lambda f: fxad.jit(fxad.vmap(fxad.grad(fxad.grad(f)))),
    "grad of vmap": lambda f: fxad.grad(lambda x: fnp.sum(fxad.vmap(f)(x))),
    "checkpoint": lambda f: fxad.grad(lambda x: fnp.sum(fxad.checkpoint(f)(x))),
    "linearize": lambda f: lambda x: fxad.linearize(f, x)[1](x),
}


@pytest.mark.parametrize("batch", ["broadcast", "sequential"])
@pytest.mark.parametrize("name", TRANSFORMS)
def test_a_primitive_is_what_fxad_has_itself(name, batch):
    mine = define(
        f"sine_{batch}", lambda xp, x: xp.sin(x), batch=batch,
        jvp=[lambda t, out, x: t * fnp.cos(x)],
    )
    transform = TRANSFORMS[name]
    np.testing.assert_allclose(
        transform(mine)(X), transform(fnp.sin)(X), rtol=1e-14, atol=1e-15, strict=True
    )


def test_rules_that_use_each_other_go_to_any_order():
    f = sine
    for wanted in (np.sin, np.cos, lambda x: -np.sin(x), lambda x: -np.cos(x)):
        assert float(f(0.7)) == pytest.approx(wanted(0.7), rel=1e-14)
        f = fxad.grad(f)
    extend.check_primitive(sine, X, order=3)
    extend.check_primitive(sine, X.astype(np.float32))


def test_one_rule_for_all_operands():
    def jvp(primals, tangents, *, power):
        (x, y), (s, t) = primals, tangents
        return scaled(x, y, power=power), power * x ** (power - 1) * s * y + x**power * t

    scaled = define("scaled", lambda xp, x, y, *, power: x**power * y, jvp=jvp)
    extend.check_primitive(scaled, np.abs(X), X[:1], power=3)
    extend.check_primitive(scaled, np.float64(2.0), X, power=2)
    assert fxad.grad(lambda x: scaled(x, 2.0, power=2))(3.0) == 12.0


def test_linear_operations_need_their_transpose_alone():
    reverse = define(
        "reverse", lambda xp, x: x[..., ::-1], abstract="same", transpose=lambda ct, x: reverse(ct)
    )
    extend.check_primitive(reverse, X)
    assert fxad.linear_transpose(reverse, X)(np.arange(3.0))[0].tolist() == [2.0, 1.0, 0.0]
    batched = fxad.vmap(fxad.vmap(lambda x: fxad.grad(lambda y: fnp.sum(reverse(y) * X))(x)))
    np.testing.assert_array_equal(batched(np.ones((2, 4, 3))), np.broadcast_to(X[::-1], (2, 4, 3)))
    text = str(fxad.make_jaxpr(fxad.vmap(fxad.vmap(reverse)))(np.ones((2, 4, 3))))
    assert text.count("test_reverse") == 1 and "mapped=(2, 4)" in text


def test_several_results():
    def transpose(cts, x):
        return cts[0] + 2 * cts[1]

    both = define(
        "both", lambda xp, x: [x.copy(), 2 * x], abstract=lambda x: [x, x], transpose=transpose,
        multiple_results=True,
    )
    extend.check_primitive(both, X)
    assert fxad.grad(lambda x: fnp.sum(both(x)[1]))(X).tolist() == [2.0] * 3
    rows = define(
        "minmax", lambda xp, x: [x.min(), x.max()], multiple_results=True,
        abstract=lambda x: [fxad.ShapeDtypeStruct((), x.dtype)] * 2,
        jvp=[lambda t, out, x: [fnp.sum(t * (x == y)) for y in out]],
    )
    extend.check_primitive(rows, X)
    low, high = fxad.vmap(rows, in_axes=1)(np.array([[1.0, 5.0], [3.0, 2.0]]))
    assert (low.tolist(), high.tolist()) == ([1.0, 2.0], [3.0, 5.0])


def test_a_batch_rule_of_the_users_own():
    calls = []

    def batch(size, args, dims):
        calls.append(int(size))
        return total(fnp.moveaxis(args[0], dims[0], -1)), 0

    total = define(
        "total", lambda xp, x: x.sum(0), batch=batch,
        abstract=lambda x: fxad.ShapeDtypeStruct(x.shape[1:], x.dtype),
        transpose=lambda ct, x: fnp.broadcast_to(ct, x.aval.shape),
    )
    extend.check_primitive(total, X)
    assert 3 in calls
    np.testing.assert_allclose(fxad.vmap(total)(np.ones((4, 3))), np.full(4, 3.0))


def test_a_batch_rule_may_count_its_axis_from_the_end():
    f = define("from_the_end", lambda xp, x: x, abstract="same",
               batch=lambda size, args, dims: (np.moveaxis(args[0], dims[0], -1), -1))
    x = np.arange(6.0).reshape(2, 3)
    np.testing.assert_array_equal(fxad.vmap(f)(x), x)


def test_broadcast_of_what_is_not_elementwise():
    solve = define(
        "solve_triangle", lambda xp, a, b: np.linalg.solve(a, b[..., None])[..., 0],
        abstract=lambda a, b: b, batch="broadcast",
        jvp=[lambda t, x, a, b: -solve(a, (t @ x[..., None])[..., 0]),
             lambda t, x, a, b: solve(a, t)],
        transpose=lambda ct, a, b: (None, solve(fnp.swapaxes(a, -1, -2), ct)),
    )
    extend.check_primitive(solve, np.eye(3) * 3 + np.outer(X, X), X)


def test_batches_of_no_examples_and_empty_arrays():
    for batch in ("broadcast", "sequential"):
        f = define("twice", lambda xp, x: 2 * x, batch=batch, jvp=[lambda t, out, x: 2 * t])
        assert fxad.vmap(f)(np.ones((0, 3))).shape == (0, 3)
        assert fxad.vmap(fxad.grad(lambda x, f=f: fnp.sum(f(x))))(np.ones((0, 3))).shape == (0, 3)
        assert f(np.ones((2, 0))).shape == (2, 0)


def test_results_are_the_users_own_and_operands_stay():
    same = define("same", lambda xp, x: x, abstract="same", transpose=lambda ct, x: ct)
    x = np.ones(3)
    for run in (same, fxad.jit(same), fxad.vmap(same)):
        run(x)[:] = 5.0
    assert x.tolist() == [1.0] * 3


def test_a_routine_may_give_the_same_memory_again():
    memory = np.empty((2, 3))

    def into_memory(x):
        np.multiply(x, 2.0, out=memory[0])
        np.add(x, 1.0, out=memory[1])
        return [memory[0], memory[1]]

    f = extend.from_host(
        into_memory, name="test_into_memory", multiple_results=True, overwrite=True,
        abstract=lambda x: [x, x], jvp=[lambda t, out, x: [2.0 * t, t]],
    )

    def both(x):
        (a, b), (c, d) = f(x), f(x + 1.0)
        return a * c + b * d

    wanted = 4.0 * X * (X + 1.0) + (X + 1.0) * (X + 2.0)
    for run in (both, fxad.jit(both), lambda x: fxad.vmap(both)(x[None])[0]):
        np.testing.assert_allclose(run(X), wanted)
    slopes = fxad.grad(lambda x: fnp.sum(both(x)))(X)
    np.testing.assert_allclose(slopes, 10.0 * X + 7.0)


def test_cost_is_for_all_examples():
    f = define("costly", lambda xp, x: x, abstract="same", cost=lambda x: 10 * x.size)
    (eqn,) = fxad.make_jaxpr(fxad.vmap(f))(np.ones((2, 3))).eqns
    assert eqn.primitive.cost([v.aval for v in eqn.invars], eqn.params) == (60.0, 96.0)


def test_a_name_is_free_again_once_its_operation_is_gone():
    operation = extend.define_primitive("test_short_lived", lambda xp, x: x)
    del operation
    gc.collect()
    assert extend.define_primitive("test_short_lived", lambda xp, x: x)(1.0) == 1.0


# Routines of the host ----------------------------------------------------------------------------


def test_scipy():
    special = pytest.importorskip("scipy.special", reason="SciPy's routines are wrapped")
    gamma = extend.from_host(
        special.gamma, name="test_gamma", overwrite=True,
        jvp=[lambda t, out, x: t * out * fxad.lax.digamma(x)],
    )
    extend.check_primitive(gamma, np.array([0.5, 2.5]))
    assert gamma(np.float32(0.5)).dtype == np.float32
    slopes = fxad.jit(fxad.vmap(fxad.grad(gamma)))(np.array([1.0, 2.0]))
    np.testing.assert_allclose(slopes, special.digamma([1, 2]) * [1, 1], rtol=1e-14)


def test_arrays_of_another_device_go_to_the_host_and_back():
    elsewhere = pytest.importorskip("tests.backends.elsewhere")
    seen = []

    def routine(x, y):
        seen.append((type(x), type(y)))
        return x * y

    f = extend.from_host(routine, name="test_elsewhere", overwrite=True,
                         jvp=[lambda t, out, x, y: t * y, lambda t, out, x, y: x * t])
    seen.clear()
    x = elsewhere.away(X)
    out = f(x, x)
    assert type(out) is type(x) and set(seen) == {(np.ndarray, np.ndarray)}
    np.testing.assert_allclose(fxad.device_get(out), X * X)
    slope = fxad.grad(lambda x: fnp.sum(f(x, x)))(x)
    np.testing.assert_allclose(fxad.device_get(slope), 2 * X)


# Kernels -----------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def example():
    return runpy.run_path(str(EXAMPLES / "extend_rawkernel.py"))


def emulated(source, name):
    """A kernel that is called as one of CuPy's and runs on the CPU."""
    kernel = emulator.Kernel(source, name, sanitize=True)
    return lambda grid, block, args: kernel.launch(grid, block, list(args))


@pytest.mark.skipif(not emulator.available(), reason="the emulator needs g++")
@pytest.mark.parametrize("shape", [(), (1,), (7,), (257,), (3, 300), (0, 4)], ids=str)
def test_the_elementwise_kernel_is_its_host_code(example, rng, shape):
    run = KernelCall(emulated(example["SOURCE"], "mish"), np.dtype("f4"), None, 256, False)
    x = rng.normal(0, 4, shape[::-1]).astype("f4").T
    (aval,) = example["mish"].rules.avals([extend.aval_of(x)], {})
    out = run(np, [x], [aval], {})
    assert (out.shape, out.dtype) == (shape, np.float32)
    np.testing.assert_allclose(out, example["mish_on_the_host"](x), rtol=2e-6, atol=1e-7)


@pytest.mark.skipif(not emulator.available(), reason="the emulator needs g++")
@pytest.mark.parametrize("shape", [(1, 1), (5, 3), (17, 33)], ids=str)
def test_the_kernel_with_a_launch_of_its_own_is_its_host_code(example, rng, shape):
    kernel = emulated(example["SOURCE"], "diffuse")
    run = KernelCall(kernel, np.dtype("f4"), example["launch_diffuse"], 256, False)
    x = rng.normal(size=shape).astype("f4")
    out = run(np, [x[:, ::-1]], [extend.aval_of(x)], {"rate": 0.2})
    wanted = example["diffuse_on_the_host"](x[:, ::-1], rate=0.2)
    np.testing.assert_allclose(out, wanted, rtol=1e-5, atol=1e-6)


@pytest.mark.skipif(not emulator.available(), reason="the emulator needs g++")
def test_operands_that_broadcast_are_repeated_for_the_kernel():
    source = """extern "C" __global__ void scale(const double* x, const double* y, double* out,
                                                 unsigned long long n) {
        unsigned long long i = blockIdx.x * (unsigned long long)blockDim.x + threadIdx.x;
        if (i < n) out[i] = x[i] * y[i];
    }"""
    run = KernelCall(emulated(source, "scale"), np.dtype("f8"), None, 32, False)
    aval = extend.ShapedArray((2, 3), np.dtype("f8"))
    out = run(np, [np.array([[1.0], [2.0]]), X], [aval], {})
    np.testing.assert_array_equal(out, np.outer([1.0, 2.0], X))


@pytest.mark.skipif(importlib.util.find_spec("cupy_backends") is None, reason="NVRTC needs CuPy")
@pytest.mark.parametrize("arch", [80, 90, 100, 120])
def test_the_kernels_of_the_example_compile(example, arch):
    code, log = nvrtc.compile_source(nvrtc.Source("example.cu", example["SOURCE"]), arch)
    assert code.startswith(b"\x7fELF") and "warning" not in log


@pytest.mark.gpu
def test_the_kernels_of_the_example_on_a_gpu(example, rng):
    gpu = fxad.devices("gpu")[0]
    for name, params in (("mish", {}), ("diffuse", {"rate": 0.2})):
        x = rng.normal(size=(33, 17)).astype("f4")
        f = example[name]
        there = fxad.device_put(x, gpu)
        np.testing.assert_allclose(fxad.device_get(f(there, **params)), f(x, **params), 1e-5, 1e-6)
        slope = fxad.grad(lambda x, f=f, p=params: fnp.sum(f(x, **p) ** 2))
        np.testing.assert_allclose(fxad.device_get(slope(there)), slope(x), 1e-4, 1e-5)


def test_kernels_refuse_other_dtypes_and_take_numbers(example):
    mish = example["mish"]
    assert mish(1.0).dtype == np.float32
    for run in (mish, fxad.jit(mish), fxad.vmap(mish)):
        with pytest.raises(errors.DtypeError, match=r"\[mish\] got float64\[.*wanted float32"):
            run(X)


# check_primitive finds what is wrong -------------------------------------------------------------


def wrong(**rules):
    rules = {"jvp": [lambda t, out, x: 2 * t], **rules}
    return define("wrong", lambda xp, x: 2 * x, **rules)


def writes(xp, x):
    x *= 1
    x += 1
    return x.copy()


@pytest.mark.parametrize(
    ("operation", "message"),
    [
        (lambda: wrong(jvp=[lambda t, out, x: 2.1 * t]), r"test_wrong: (?s:.*)jvp: tangent"),
        (lambda: wrong(jvp=[lambda t, out, x: 2 * t * t]), r"test_wrong: (?s:.*)jvp"),
        (lambda: wrong(jvp=None, transpose=lambda ct, x: ct), r"test_wrong: (?s:.*)vjp"),
        (lambda: wrong(batch=lambda size, args, dims: (args[0], dims[0])),
         r"test_wrong: batch over operands \[0\]"),
        (lambda: define("writes", writes, abstract="same"), r"test_writes: impl wrote to operand"),
    ],
)
def test_wrong_rules_are_found(operation, message):
    with pytest.raises((AssertionError, errors.NonDifferentiableError), match=message):
        extend.check_primitive(operation(), X.copy())


def test_right_rules_pass():
    extend.check_primitive(wrong(), X)
    check_grads(wrong(), (X,), order=3)


# Mistakes ----------------------------------------------------------------------------------------

SCALED = define("scaled", lambda xp, x, k: x * np.sum(k))
SAME_SCALED = define("same_scaled", lambda xp, x, k: x * np.sum(k), abstract="same")


def total(**rules):
    return define("total", lambda xp, x: xp.sum(x), abstract=lambda x: x.with_shape(()), **rules)


def batched_by(rule):
    return fxad.vmap(total(batch=rule))(np.ones((2, 3)))


def pushed_by(rule):
    return fxad.jvp(total(jvp=rule), (X,), (X,))


NO_RULE = define("no_rule", lambda xp, x: x, abstract="same")
TALL = define("tall", lambda xp, x: x[None], abstract="same")
NO_TRANSPOSE = define("no_transpose", lambda xp, x: 2 * x, jvp=[lambda t, out, x: NO_TRANSPOSE(t)])


@pytest.mark.parametrize(
    ("mistake", "kind", "message"),
    [
        (lambda: fxad.grad(lambda x: fnp.sum(NO_RULE(x)))(X), errors.NonDifferentiableError,
         r"\[test_no_rule\] got a derivative of an operation .* without a jvp rule"),
        (lambda: fxad.jvp(NO_RULE, (X,), (X,)), errors.NonDifferentiableError, "without a jvp"),
        (lambda: fxad.grad(lambda x: fnp.sum(NO_TRANSPOSE(x)))(X), errors.NonDifferentiableError,
         r"\[test_no_transpose\] got a reverse derivative .* without a transpose rule"),
        (lambda: fxad.vmap(define("unbatched", lambda xp, x: x, batch=None))(X),
         errors.ArgumentValueError, "batch='sequential'"),
        (lambda: TALL(X), errors.ShapeError,
         r"got float64\[1,3\] from impl, and its abstract rule says float64\[3\]"),
        (lambda: fxad.jit(TALL)(X), errors.ShapeError, "abstract rule says"),
        (lambda: define("listing", lambda xp, x: [x], abstract="same")(X), errors.ShapeError,
         r"got list .* from impl"),
        (lambda: define("lost", lambda xp, x: x, abstract=lambda x: None)(X),
         errors.StructureError, "ShapeDtypeStruct"),
        (lambda: fxad.jvp(define("short", lambda xp, x, y: x + y,
                                 jvp=[lambda t, out, x: t]), (X, X), (X, X)),
         errors.StructureError, "got 2 operands and 1 rules of jvp"),
        (lambda: fxad.jvp(define("bent", lambda xp, x: x, jvp=[lambda t, out, x: t[:1]]),
                          (X,), (X,)),
         errors.ShapeError, r"a tangent float64\[1\] for a result float64\[3\]"),
        (lambda: fxad.jvp(define("alone", lambda xp, x: x, jvp=lambda p, t: t[0]), (X,), (X,)),
         errors.StructureError, r"wanted \(out, tangent_out\)"),
        (lambda: fxad.vjp(define("bent_back", lambda xp, x: x, transpose=lambda ct, x: ct[:1]),
                          X)[1](X),
         errors.ShapeError, r"a cotangent float64\[1\] for an operand float64\[3\]"),
        (lambda: fxad.vjp(define("few", lambda xp, x, y: x + y, transpose=lambda ct, x, y: ct),
                          X, X)[1](X),
         errors.StructureError, "a cotangent for each of 2 operands"),
        (lambda: fxad.grad(lambda k: SCALED(1.0, k=k))(2.0), errors.ArgumentTypeError,
         r"got a traced float64\[\] for the parameter k, wanted a value of the program"),
        (lambda: fxad.jit(lambda k: SAME_SCALED(X, k=[1, k]))(2.0), errors.ArgumentTypeError,
         r"got a traced float64\[\] for the parameter k"),
        (lambda: SCALED(X, k=[1, 2]), errors.ArgumentTypeError,
         r"got list \[1, 2\] for the parameter k of an elementwise operation"),
        (lambda: batched_by(lambda size, args, dims: args[0].sum(1)), errors.StructureError,
         r"got a batch rule that returned float64\[2\], wanted \(out, out_dim\)"),
        (lambda: batched_by(lambda size, args, dims: (args[0].sum(0), 0)), errors.ShapeError,
         r"got a batch rule with out_dim=0 and a result float64\[3\], wanted float64\[2\]"),
        (lambda: batched_by(lambda size, args, dims: (args[0].sum(1), None)), errors.ShapeError,
         r"out_dim=None and a result float64\[2\], wanted float64\[\]"),
        (lambda: batched_by(lambda size, args, dims: (np.float32([1, 2]), 0)), errors.ShapeError,
         r"a result float32\[2\], wanted float64\[2\]"),
        (lambda: batched_by(lambda size, args, dims: (args[0].sum(1), 1)), errors.StructureError,
         "got a batch rule with out_dim=1, wanted one of 1 axes, or None"),
        (lambda: batched_by(lambda size, args, dims: (args[0].sum(1), True)), errors.StructureError,
         "out_dim=True"),
        (lambda: pushed_by(lambda primals, tangents: (primals[0], tangents[0])), errors.ShapeError,
         r"got a jvp rule and a result float64\[3\], wanted float64\[\]"),
        (lambda: pushed_by([lambda t, out, x: (t.sum(),)]), errors.ShapeError,
         r"\[test_total\] got a jvp rule with a tangent tuple .* for a result float64\[\]"),
        (lambda: NO_RULE(X, mapped=3), errors.ArgumentTypeError, "which is taken"),
        (lambda: NO_RULE([1.0]), errors.ArgumentTypeError, "wanted an array or a number"),
        (lambda: extend.define_primitive("sin", lambda xp, x: x), errors.ArgumentValueError,
         "which an operation of fxad has"),
        (lambda: extend.define_primitive("test_tall", lambda xp, x: x), errors.ArgumentValueError,
         "a second time, wanted another"),
        (lambda: extend.define_primitive("two words", lambda xp, x: x), errors.ArgumentValueError,
         "wanted an identifier"),
        (lambda: define("option", lambda xp, x: x, batch="all"), errors.ArgumentValueError,
         "got batch='all', wanted 'sequential', 'broadcast', None, or a function"),
        (lambda: define("option", lambda xp, x: x, abstract="like"), errors.ArgumentValueError,
         "got abstract='like', wanted 'elementwise', 'same', or a function"),
        (lambda: define("option", 3), errors.ArgumentTypeError, "got a rule=3, wanted a function"),
        (lambda: define("several", lambda xp, x: [x], multiple_results=True),
         errors.ArgumentValueError, "a function that gives a list"),
        (lambda: extend.from_host(3), errors.ArgumentTypeError, "wanted a function"),
        (lambda: extend.from_kernel("mish", host=np.sin, dtype="f4"), errors.ArgumentTypeError,
         r"wanted a cupy.RawKernel or a pair \(source, name\)"),
    ],
)
def test_mistakes_are_told(mistake, kind, message):
    with pytest.raises(kind, match=message) as caught:
        mistake()
    assert "At test_extend.py:" in str(caught.value)


def test_integers_have_no_derivative_and_need_no_rule():
    floor = define("floor", lambda xp, x: xp.floor(x).astype(np.int64))
    assert fxad.grad(lambda x: fnp.sum(floor(x) * x))(X).tolist() == np.floor(X).tolist()
