"""The CuPy backend against NumPy's; what needs no GPU is tested without one."""

import ast
import inspect
import itertools
import os
import re
from pathlib import Path

import numpy as np
import pytest

import fxad
import fxad.dlpack
from fxad import backends, config
from fxad.backends import Device, nvrtc
from fxad.backends.numpy import xp as host
from fxad.core.aval import ShapedArray, aval_of
from fxad.errors import (
    ArgumentTypeError,
    DeviceError,
    HostFallbackWarning,
    TracerArrayConversionError,
    TracerAssignmentError,
)
from tests.conftest import NO_GPU

cp = pytest.importorskip("cupy")
from fxad.backends import cupy as backend  # noqa: E402

xp = backend.xp
gpu = pytest.mark.gpu
PACKAGE = Path(backends.__file__).parents[1]
rng = np.random.default_rng(0)


# Without a GPU: names, signatures, dtypes, kernels


def calls_of_xp():
    """Every ``xp.name(...)`` in the rules of the primitives: (name, keywords, where)."""
    for folder in ("ops", "control", "compiler"):
        for path in sorted((PACKAGE / folder).rglob("*.py")):
            for node in ast.walk(ast.parse(path.read_text())):
                if not isinstance(node, ast.Call):
                    continue
                if match := re.fullmatch(r"xp\.([\w.]+)", ast.unparse(node.func)):
                    keywords = {k.arg for k in node.keywords if k.arg}
                    yield match[1], keywords, f"{path.name}:{node.lineno}"


def found(name):
    value = xp
    for part in name.split("."):
        value = getattr(value, part, None)
    return value


def is_host_call(value):
    return getattr(getattr(value, "__code__", None), "co_qualname", "").startswith("host_call.")


def test_the_rules_call_what_cupy_has():
    """Names that the namespace has, on the GPU, with keywords that CuPy's function takes."""
    calls = list(calls_of_xp())
    assert len(calls) > 50
    problems = []
    for name, keywords, where in calls:
        value = found(name)
        if value is None:
            problems.append(f"{where}: xp.{name} is not there")
        elif is_host_call(value):
            problems.append(f"{where}: xp.{name} runs on the host")
        elif isinstance(value, cp.ufunc):
            problems += [f"{where}: xp.{name}({k}=)" for k in keywords - {"out", "dtype"}]
        elif keywords and callable(value):
            try:
                parameters = inspect.signature(value).parameters
            except ValueError:
                continue
            if not any(p.kind is p.VAR_KEYWORD for p in parameters.values()):
                problems += [f"{where}: xp.{name}({k}=)" for k in keywords - set(parameters)]
    assert not problems, "\n".join(problems)


def test_what_the_backend_calls_is_in_cupy():
    """Every ``cp.a.b`` and ``special.a`` of the backend's source exists in the installed CuPy."""
    text = Path(backend.__file__).read_text()
    names = set(re.findall(r"\b(?:cp|cupyx|special)(?:\.[A-Za-z_]\w*)+", text))
    names -= {"cupyx.scipy.special", "cupyx.scipy.linalg"}
    assert len(names) > 40
    for name in sorted(names):
        value = backend
        for part in name.split("."):
            assert hasattr(value, part), name
            value = getattr(value, part)
    parameters = inspect.signature(cp.linalg._decomposition._lu_factor).parameters
    assert list(parameters) == ["a_t", "dtype"]


EXTRAS = set(vars(host)) - set(backends.numpy.public(np))


def test_both_namespaces_have_the_same_extras():
    assert {"scatter", "erf_inv", "lu", "cummax"} <= EXTRAS
    for name in EXTRAS - {"__name__"}:
        assert callable(found(name)), name
        assert not is_host_call(found(name)), name


#: Where CuPy's ufuncs take other dtypes than NumPy's, and none of NumPy's results differs.
LOOSER = {"arctan2", "copysign", "gcd", "hypot", "lcm", "nextafter"}
BOOL_ONLY = {"negative", "positive", "sign", "subtract"}  # raise when called instead of when chosen


def ufuncs():
    for name in sorted(dir(np)):
        ufunc = getattr(np, name)
        if isinstance(ufunc, np.ufunc) and getattr(found(name), "name", None) == f"cupy_{name}":
            yield name


@pytest.mark.parametrize("name", list(ufuncs()))
def test_ufuncs_give_numpys_dtypes(name):
    ours, theirs = found(name), getattr(np, name)
    for chars in itertools.product("?bBhHiIqQefdFD", repeat=theirs.nin):
        dtypes = tuple(map(np.dtype, chars))
        try:
            expected = theirs.resolve_dtypes((*dtypes, *[None] * theirs.nout))[theirs.nin :]
        except TypeError:
            expected = None
        loop = ours._ops._guess_routine_from_in_types(dtypes)
        result = None if loop is None else tuple(map(np.dtype, loop.out_types))
        if expected is None and (name in LOOSER or (name in BOOL_ONLY and set(chars) == {"?"})):
            continue
        assert result == expected, (name, chars)


def test_logical_functions_are_ours_since_cupys_have_no_complex_loops():
    for name in ("and", "or", "xor", "not"):
        ufunc = getattr(cp, f"logical_{name}")
        dtypes = (np.dtype("F"),) * ufunc.nin
        assert ufunc._ops._guess_routine_from_in_types(dtypes) is None
        assert not isinstance(found(f"logical_{name}"), cp.ufunc)


def cuda_source(kernel, ctype):
    """A whole CUDA program around the code of an elementwise kernel, as CuPy writes one."""
    parameters, reads = [], []
    for p in (*kernel.in_params, *kernel.out_params):
        kind = {"int64": "long long", "int32": "int"}.get(str(p.dtype), "T")
        parameters.append(f"CArray<{kind}, 1, true> {'' if p.raw else '_raw_'}{p.name}")
        if not p.raw:
            reads.append(f"{'const ' * p.is_const}{kind}& {p.name} = _raw_{p.name}[i];")
    return f"""
#include <cupy/complex.cuh>
#include <cupy/carray.cuh>
#include <cupy/atomics.cuh>
{kernel.preamble}
typedef {ctype} T;
extern "C" __global__ void kernel({", ".join(parameters)}, long long n) {{
    for (ptrdiff_t i = blockIdx.x; i < n; ++i) {{ {" ".join(reads)} {kernel.operation}; }}
}}"""


FLOATS, WORDS = ("float", "double"), ("float", "double", "int", "unsigned int", "long long")
KERNELS = [
    *itertools.product([backend._float_divmod], FLOATS),
    *itertools.product([backend._claim, backend._swap_rows], ["int"]),
    *itertools.product([backend._settle], ["bool", "float16", "thrust::complex<double>"]),
    *itertools.product(backend._COMBINE.values(), (*WORDS, "unsigned long long")),
]


@pytest.mark.parametrize(("kernel", "ctype"), KERNELS, ids=lambda k: getattr(k, "name", k))
def test_kernels_compile(kernel, ctype):
    include = os.path.join(os.path.dirname(cp.__file__), "_core", "include")
    options = [
        f"-I{include}",
        *(f"-I{include}/cupy/_cccl/{d}" for d in ("libcudacxx", "thrust", "cub")),
    ]
    source = cuda_source(kernel, ctype).replace("float16", "float")
    code, _ = nvrtc.compile_source(nvrtc.Source(kernel.name + ".cu", source), 90, options)
    assert code


def fake(shape=(3,), dtype="float32"):
    """A real cupy.ndarray over no memory: enough for whatever computes nothing."""
    memory = cp.cuda.UnownedMemory(0, 0, None, device_id=0)
    return cp.ndarray(shape, dtype, memptr=cp.cuda.MemoryPointer(memory, 0))


def test_a_cupy_array_is_known_without_a_gpu():
    assert backends.backend_of(fake()).name == "cupy"
    assert backend.device_of(fake()) == 0
    assert backends.device_of(fake()) == Device("gpu", 0)


def test_what_is_offloaded_belongs_to_its_gpu():
    pinned = np.ones((2, 3), np.float32).view(backend.PinnedArray)
    pinned.device_id = 1
    assert backends.backend_of(pinned).name == "cupy"
    assert backends.device_of(pinned) == Device("gpu", 1)
    assert aval_of(pinned) == ShapedArray((2, 3), np.dtype("float32"))
    assert backend.offload(pinned) is pinned
    host_array = np.ones(3)
    assert backend.fetch(host_array) is backend.offload(host_array) is host_array


def test_host_calls_without_gpu_arrays_say_nothing():
    call = backend.host_call("quiet", np.vecdot)
    assert call([1.0, 2.0], [3.0, 4.0]) == 11


def test_host_calls_are_errors_under_strict_gpu():
    call = backend.host_call("vecdot", np.vecdot)
    with (
        config.override(strict_gpu=True),
        pytest.raises(DeviceError, match=r"(?s)\[vecdot\] got arrays on a GPU.*test_cupy.py"),
    ):
        call(fake(), fake())


def test_functions_that_cupy_lacks_are_host_calls():
    for name in ("vecdot", "insert", "unstack", "nanquantile", "geomspace", "linalg.multi_dot"):
        assert is_host_call(found(name)), name
    assert xp.errstate is np.errstate
    assert xp.newaxis is None


@pytest.mark.skipif(NO_GPU is None, reason="this machine has a GPU")
def test_counting_gpus_without_one():
    assert backend.count() == 0
    assert backends.devices("gpu") == []


# Without a GPU: CuPy's operators and functions beside tracers, staged so that nothing is computed


def staged(function, shape=(3,)):
    """The names of the operations that a function of one tracer consists of."""
    text = str(fxad.make_jaxpr(function)(np.ones(shape, np.float32)))
    return re.findall(r"= ([\w]+)", text)


def in_place(x):
    a = fake()
    a += x
    return a


@pytest.mark.parametrize(
    ("symbol", "name"),
    {
        "+": "add", "-": "sub", "*": "mul", "/": "div", "**": "pow", "//": "floor_divide",
        "%": "remainder", "@": "dot_general", "<": "lt", "<=": "le", ">": "gt", ">=": "ge",
        "==": "eq", "!=": "ne",
    }.items(),
)  # fmt: skip
def test_operators_of_cupy_arrays_defer_to_tracers(symbol, name):
    function = eval(f"lambda a, b: a {symbol} b")
    assert staged(lambda x: function(fake(), x)) == [name]
    assert staged(lambda x: function(x, fake())) == [name]


def test_cupys_functions_take_tracers():
    assert staged(cp.sin) == ["sin"]
    assert staged(lambda x: cp.add(fake(), x)) == ["add"]
    assert staged(lambda x: cp.divide(x, 2)) == ["div"]
    assert staged(lambda x: backend.special.gammaln(x)) == ["lgamma"]
    assert staged(lambda x: backend.special.erf(x)) == ["erf"]
    assert staged(lambda x: backend.special.log1p(x)) == ["log1p"]
    assert staged(cp.sum) == ["reduce_sum"]
    assert staged(lambda x: cp.max(x, axis=0)) == ["reduce_max"]
    assert staged(lambda x: cp.dot(x, fake())) == ["dot_general"]
    assert staged(lambda x: cp.reshape(x, (3, 1))) == ["reshape"]
    assert staged(lambda x: np.concatenate([fake(), x])) == ["concatenate"]


def test_cupys_in_place_operators_are_refused():
    with pytest.raises(TracerAssignmentError, match=r"(?s)\[cupy_add\].*test_cupy.py:.*a \+= x"):
        staged(in_place)
    with pytest.raises(TracerAssignmentError):
        staged(lambda x: cp.add(x, x, out=fake()))
    with pytest.raises(TracerArrayConversionError):
        staged(lambda x: fake().__setitem__(0, x[0]))


def test_unknown_kernels_are_refused():
    with pytest.raises(ArgumentTypeError, match=r"\[cupyx_scipy_special_j0\]"):
        staged(lambda x: backend.special.j0(x))


# With a GPU: values against NumPy's


def to_device(x):
    return cp.asarray(x) if isinstance(x, np.ndarray | np.generic) else x


def same(ours, theirs, rtol=None):
    if isinstance(theirs, tuple):
        assert len(ours) == len(theirs)
        for a, b in zip(ours, theirs, strict=True):
            same(a, b, rtol)
        return
    assert isinstance(ours, cp.ndarray)
    theirs = np.asarray(theirs)
    assert (ours.dtype, ours.shape) == (theirs.dtype, theirs.shape)
    if theirs.dtype.kind in "fc":
        rtol = rtol or 100 * np.finfo(theirs.dtype).eps
        np.testing.assert_allclose(cp.asnumpy(ours), theirs, rtol=rtol, atol=rtol)
    else:
        np.testing.assert_array_equal(cp.asnumpy(ours), theirs)


def check(name, *args, rtol=None, **kwargs):
    """The function gives on the GPU what it gives on the host."""
    theirs = host
    for part in name.split("."):
        theirs = getattr(theirs, part)
    with np.errstate(all="ignore"):
        expected = theirs(*args, **kwargs)
    same(found(name)(*map(to_device, args), **kwargs), expected, rtol)


EDGES = np.array([0.0, -0.0, 1.0, -1.0, 0.5, -2.5, 3.7, 1e6, np.inf, -np.inf, np.nan])


def operands(nin, dtype):
    if np.dtype(dtype).kind == "f":
        x = EDGES.astype(dtype)
    elif np.dtype(dtype).kind == "c":
        x = (rng.normal(size=5) + 1j * rng.normal(size=5)).astype(dtype)
    else:
        x = np.array([0, 1, 2, 3, 5, 7]).astype(dtype)
    return [x[:, None] if i % 2 else x for i in range(nin)]


@gpu
@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("dtype", ["bool", "int32", "float32", "float64", "complex64"])
@pytest.mark.parametrize("name", [n for n in dir(np) if isinstance(getattr(np, n), np.ufunc)])
def test_ufuncs(name, dtype):
    ufunc = getattr(np, name)
    args = operands(ufunc.nin, dtype)
    try:
        with np.errstate(all="ignore"):
            ufunc(*args)
    except (TypeError, ValueError):
        pytest.skip("NumPy has no such loop")
    if ufunc.signature or is_host_call(found(name)):
        pytest.skip("not elementwise on the GPU")
    if np.dtype(dtype).kind == "c":
        args = [a + 0.1 for a in args]
    elif name == "reciprocal" and dtype == "int32":  # 1 / 0 is any integer
        args = [a[a != 0] for a in args]
    check(name, *args, rtol=1e-4 if dtype in ("float32", "complex64") else 1e-10)


@gpu
@pytest.mark.parametrize("dtype", ["float16", "float32", "float64"])
@pytest.mark.parametrize("name", ["erf", "erfc", "erf_inv", "lgamma", "digamma", "logistic"])
def test_special_functions(name, dtype):
    x = np.array([-0.7, -0.25, 0.1, 0.3, 0.9], dtype)
    check(name, x)
    check(name, x[:0])
    check(name, x[0])


@gpu
def test_special_functions_of_two_arguments():
    x = np.array([0.2, 1.0, 3.7, 20.0])
    for dtype in ("float32", "float64"):
        for n in range(4):
            check("polygamma", n, x.astype(dtype), rtol=1e-5)
        check("zeta", np.asarray(3.0, dtype), x.astype(dtype), rtol=1e-5)


@gpu
@pytest.mark.parametrize("dtype", ["float16", "float32", "float64", "int32", "uint8"])
def test_division(dtype):
    if np.dtype(dtype).kind == "f":
        x = np.array([1.0, -1.0, 5.5, 0.3, -0.0, 1e4, np.inf, np.nan], dtype)
        y = np.array([0.1, -0.3, np.inf, -np.inf, 0.0, 7.0], dtype)[:, None]
    else:
        x = np.array([0, 1, 7, 100]).astype(dtype)
        y = np.array([1, 3, 0, 5]).astype(dtype)[:, None]
    for name in ("floor_divide", "remainder", "mod", "divmod"):
        check(name, x, y)
        check(name, x, 3)


@gpu
def test_elementwise_functions_that_differ_on_cupy():
    z = np.array([0, 1, 1j, -1 + 2j], np.complex64)
    for name in ("logical_and", "logical_or", "logical_xor"):
        check(name, z, z[::-1].copy())
        check(name, EDGES, 1.0)
    check("logical_not", z)
    x = EDGES
    check("clip", x, -1.0, np.array([2.0] * 10 + [np.nan]))
    check("clip", x, None, 1.0)
    check("clip", np.arange(5), 1, 3)
    check("angle", x)
    check("angle", z)
    for dtype in ("float16", "float32", "float64"):
        check("spacing", EDGES[[0, 2, 3, 4, 6]].astype(dtype)[1:])
    check("broadcast_to", 1.0, (2, 3))


@gpu
def test_extrema_with_an_initial_value():
    x = rng.normal(size=(3, 4)).astype(np.float32)
    for name in ("max", "min"):
        check(name, x, axis=1)
        check(name, x, axis=(0, 1), keepdims=True, initial=0.1)
        check(name, x[:, :0], axis=1, initial=-np.inf)
        check(name, np.array([np.nan, 1.0]), initial=5.0)


@gpu
def test_cumulative():
    x = rng.normal(size=(3, 7, 5))
    x[1, 3, 2] = np.nan
    for name in ("cummax", "cummin", "cumlogsumexp"):
        for axis in (0, 1, -1):
            check(name, x, axis)
        check(name, x[:, :0], 1)


@gpu
def test_order():
    a = np.array([1, 2, 2, 5], np.uint8)
    for side in ("left", "right"):
        check("searchsorted", a, np.array([-1, 2, 7], np.int64), side=side)
        check("searchsorted", a.astype(float), np.array([np.nan, 2.0]), side=side)
    check("searchsorted", a[:0], a)
    keys = rng.integers(0, 3, size=(3, 20))
    check("lexsort", keys)
    same(xp.lexsort((cp.asarray(keys[0] + 0.5), cp.asarray(keys[1]))), np.lexsort(keys[:2]))
    for kind in ("stable", None):
        check("sort", np.array([3, np.nan, 1]), kind=kind)
    check("argsort", keys[0], kind="stable")


SCATTERED = (
    "bool",
    "int8",
    "uint16",
    "int32",
    "uint64",
    "float16",
    "float32",
    "float64",
    "complex64",
)
INDICES = (
    np.array([0, 3, 3, -1]),
    (slice(None), np.array([2, 0, 2])),
    (np.array([[0], [0]]), np.array([[1, 1, 2]])),
    (1, slice(None, None, -2)),
    np.array([True, False, True, True]),
    np.zeros(0, int),
    (),
)


@gpu
@pytest.mark.parametrize("mode", ["set", "add", "mul", "min", "max"])
@pytest.mark.parametrize("index", INDICES, ids=str)
@pytest.mark.parametrize(
    "dtype",
    ["bool", "int8", "uint16", "int32", "uint64", "float16", "float32", "float64", "complex64"],
)
def test_scatter(mode, index, dtype):
    x = rng.integers(0, 5, size=(4, 3)).astype(dtype)
    values = rng.integers(0, 5, size=x[index].shape).astype(dtype)
    on_device = tuple(map(to_device, index)) if isinstance(index, tuple) else to_device(index)
    before = cp.asarray(x)
    ours = xp.scatter(before, on_device, cp.asarray(values), mode)
    same(ours, host.scatter(x, index, values, mode))
    same(before, x)


@gpu
def test_scatter_of_many_duplicates():
    index = rng.integers(0, 10, 100_000)
    values = rng.normal(size=100_000)
    for mode in ("set", "add", "min", "max"):
        expected = host.scatter(np.zeros(10), index, values, mode)
        same(xp.scatter(cp.zeros(10), cp.asarray(index), cp.asarray(values), mode), expected, 1e-9)
    nan = np.where(values > 2, np.nan, values)
    expected = host.scatter(np.zeros(10), index, nan, "max")
    same(xp.scatter(cp.zeros(10), cp.asarray(index), cp.asarray(nan), "max"), expected)


def matrices(shape, dtype):
    a = rng.normal(size=shape)
    if np.dtype(dtype).kind == "c":
        a = a + 1j * rng.normal(size=shape)
    return a.astype(dtype)


LINALG = ("float32", "float64", "complex64", "complex128")
SHAPES = [(4, 4), (2, 5, 5), (3, 2, 3, 3), (1, 1), (0, 0), (2, 0, 0), (0, 3, 3), (40, 40)]


@gpu
@pytest.mark.parametrize("dtype", LINALG)
@pytest.mark.parametrize("shape", [*SHAPES, (5, 3), (2, 3, 5)])
def test_lu(shape, dtype):
    a = matrices(shape, dtype)
    factors, pivots = xp.lu(cp.asarray(a))
    m, n = shape[-2:]
    k = min(m, n)
    assert factors.dtype == dtype
    assert pivots.dtype == np.int32
    assert pivots.shape == (*shape[:-2], k)
    order = xp.pivots_to_permutation(pivots, m)
    same(order, host.pivots_to_permutation(cp.asnumpy(pivots), m))
    f = cp.asnumpy(factors)
    lower = np.tril(f[..., :k], -1) + np.eye(m, k, dtype=dtype)
    permuted = np.take_along_axis(a, cp.asnumpy(order)[..., None], -2)
    atol = 2e3 * np.finfo(dtype).eps
    np.testing.assert_allclose(lower @ np.triu(f[..., :k, :]), permuted, rtol=0, atol=atol)


@gpu
@pytest.mark.parametrize("dtype", LINALG)
@pytest.mark.parametrize("trans", [0, 1, 2])
@pytest.mark.parametrize("shape", SHAPES)
def test_solves(shape, trans, dtype):
    n = shape[-1]
    a = matrices(shape, dtype) + 3 * n * np.eye(n, dtype=dtype)
    b = matrices((*shape[:-1], 2), dtype)
    transposed = (a, np.swapaxes(a, -1, -2), np.swapaxes(a, -1, -2).conj())[trans]
    x = xp.lu_solve(*xp.lu(cp.asarray(a)), cp.asarray(b), trans)
    assert (x.dtype, x.shape) == (b.dtype, b.shape)
    atol = 2e3 * np.finfo(dtype).eps
    np.testing.assert_allclose(transposed @ cp.asnumpy(x), b, rtol=0, atol=atol)
    for lower, unit in itertools.product((False, True), repeat=2):
        args = dict(lower=lower, trans=trans, unit_diagonal=unit)
        small = a / (3 * max(n, 1)) if unit else a
        check("triangular_solve", small, b, rtol=1e4 * float(np.finfo(dtype).eps), **args)


@gpu
def test_triangular_solve_broadcasts_and_promotes():
    a, b = rng.normal(size=(2, 1, 3, 3)) + 3 * np.eye(3), matrices((5, 3, 2), "complex64")
    check("triangular_solve", a, b, rtol=1e-6)


@gpu
@pytest.mark.parametrize("dtype", LINALG)
@pytest.mark.parametrize("shape", SHAPES)
def test_factorizations(shape, dtype):
    a, n = matrices(shape, dtype), shape[-1]
    hermitian = a @ np.swapaxes(a, -1, -2).conj() + n * np.eye(n, dtype=dtype)
    rtol = 1e4 * float(np.finfo(dtype).eps) * max(n, 1)
    for name in ("cholesky", "inv"):
        check(name, hermitian, rtol=rtol)
    check("svd", a, compute_uv=False, rtol=rtol)
    values, vectors = xp.eigh(cp.asarray(hermitian))
    same(values, host.eigh(hermitian)[0], rtol)
    u, s, vh = xp.svd(cp.asarray(a))
    q, r = xp.qr(cp.asarray(a))
    same(xp.matmul(u * s[..., None, :], vh), a, rtol)
    same(xp.matmul(q, r), a, rtol)
    difference = xp.matmul(cp.asarray(hermitian), vectors) - vectors * values[..., None, :]
    same(difference, np.zeros_like(hermitian), rtol)
    same(xp.slogdet(cp.asarray(hermitian)), host.slogdet(hermitian), rtol)


@gpu
def test_failures_raise_as_numpys_do():
    indefinite = cp.asarray([[1.0, 2.0], [2.0, 1.0]])
    singular = cp.ones((2, 2))
    for call in (
        lambda: xp.cholesky(indefinite),
        lambda: xp.cholesky(cp.stack([indefinite, indefinite])),
        lambda: xp.inv(singular),
        lambda: xp.linalg.solve(singular, singular),
        lambda: xp.lu_solve(*xp.lu(singular), singular),
    ):
        with pytest.raises(np.linalg.LinAlgError):
            call()


# With a GPU: devices and transfers


@gpu
def test_resolve_follows_the_data():
    x, y = cp.ones(3), np.arange(3.0)
    ours, args = backends.resolve((y, x, 2.0, np.float32(3)), "add")
    assert ours is xp
    assert isinstance(args[0], cp.ndarray)
    assert args[1] is x
    assert type(args[2]) is float
    assert args[3].dtype == np.float32
    assert isinstance(args[3], cp.ndarray)
    with pytest.raises(ArgumentTypeError, match=r"\[add\] got a list"):
        backends.resolve((x, [1.0]), "add")


@gpu
def test_resolve_under_strict_devices():
    with config.override(strict_devices=True):
        backends.resolve((cp.ones(3), 2.0, cp.ones(())), "add")
        with pytest.raises(DeviceError, match=r"\[add\] got operands on cpu:0 and cuda:0"):
            backends.resolve((cp.ones(3), np.ones(3)), "add")


@gpu
def test_the_default_backend_is_the_gpu():
    with config.override(backend="auto", default_device=None):
        assert backends.default_backend() == "cupy"
        assert backends.default_xp() is xp
        assert isinstance(backends.device_put(1.0), cp.ndarray)
        with backends.default_device("cpu"):
            assert isinstance(backends.device_put(1.0), np.ndarray)
    with backends.default_device("gpu") as device:
        assert device == Device("gpu", 0)
        assert backends.device_put(np.ones(2)).device.id == 0


@gpu
def test_transfers():
    x = np.arange(3.0)
    tree = backends.device_put({"a": x, "b": 1.0}, "gpu")
    assert isinstance(tree["a"], cp.ndarray)
    assert backends.device_put(tree["a"]) is tree["a"]
    assert backends.device_of(tree["a"]) == backends.devices("gpu")[0]
    assert backends.block_until_ready(tree) is tree
    back = backends.device_get(tree)
    np.testing.assert_array_equal(back["a"], x)
    assert isinstance(backends.device_put(tree["a"], "cpu"), np.ndarray)
    assert isinstance(backends.copy_to_host(tree["a"]), np.ndarray)
    stats = backends.devices("gpu")[0].memory_stats()
    assert 0 < stats["bytes_in_use"] <= stats["bytes_reserved"] < stats["bytes_limit"]
    assert "NVIDIA" in backends.devices("gpu")[0].device_kind


@gpu
def test_offloaded_residuals_wait_in_pinned_memory():
    x = cp.arange(12.0).reshape(3, 4).T  # as it lies in memory, not as C has it
    pinned = xp.offload(x)
    assert type(pinned) is backend.PinnedArray
    back = xp.fetch(pinned)
    assert isinstance(back, cp.ndarray)
    np.testing.assert_array_equal(cp.asnumpy(back), cp.asnumpy(x))

    def f(x):
        return fxad.numpy.sin(fxad.checkpoint_name(fxad.numpy.exp(x), "e"))

    policy = fxad.checkpoint_policies.save_and_offload_only_these_names(
        names_which_can_be_saved=[],
        names_which_can_be_offloaded=["e"],
        offload_src="device",
        offload_dst="pinned_host",
    )
    z = cp.linspace(0.0, 1.0, 5)
    _, pull = fxad.vjp(fxad.checkpoint(f, policy=policy), z)
    kept = [type(leaf) for leaf in fxad.tree.leaves(pull)]
    assert backend.PinnedArray in kept
    wanted = fxad.vjp(f, z)[1](cp.ones(5))[0]
    (got,) = pull(cp.ones(5))
    assert isinstance(got, cp.ndarray)
    np.testing.assert_allclose(cp.asnumpy(got), cp.asnumpy(wanted), rtol=1e-14)


@gpu
def test_two_gpus():
    if backends.gpu_count() < 2:
        pytest.skip("needs two GPUs")
    first, second = (backends.device_put(np.ones(2), d) for d in backends.devices("gpu")[:2])
    assert backends.device_of(second) == Device("gpu", 1)
    with pytest.raises(DeviceError, match=r"\[add\] got operands on cuda:0 and cuda:1"):
        backends.resolve((first, second), "add")
    with pytest.raises(DeviceError, match="while the current device is cuda:0"):
        backends.resolve((second,), "sin")
    with backends.default_device("cuda:1"):
        assert backends.resolve((second,), "sin")[0] is xp


@gpu
def test_host_calls_say_so_once(monkeypatch):
    monkeypatch.setattr(backend, "_told", set())
    x = cp.arange(3.0)
    with pytest.warns(HostFallbackWarning, match=r"\[vecdot\] has no GPU path"):
        y = xp.vecdot(x, x)
    assert isinstance(y, cp.ndarray)
    assert xp.vecdot(x, x) == 5  # a second warning would be an error
    with config.override(strict_gpu=True), pytest.raises(DeviceError, match=r"\[vecdot\]"):
        xp.vecdot(x, x)


@gpu
def test_dlpack_on_the_gpu():
    x = cp.arange(3.0)
    y = fxad.dlpack.from_dlpack(x)
    y[0] = 7
    assert x[0] == 7
    assert isinstance(fxad.dlpack.from_dlpack(x, device="cpu"), np.ndarray)
    torch = pytest.importorskip("torch")
    if torch.cuda.is_available():
        t = torch.arange(3.0, device="cuda")
        z = fxad.dlpack.from_dlpack(t)
        assert isinstance(z, cp.ndarray)
        t[0] = 5
        torch.cuda.synchronize()
        assert z[0] == 5
        assert torch.from_dlpack(fxad.dlpack.to_dlpack(z)).device.type == "cuda"
