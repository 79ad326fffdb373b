"""The CuPy backend: NumPy's names over arrays on a GPU; what differs from NumPy is this file.

Checked against the source of CuPy 14.2. Differences that stay, the first two since to notice them
would cost a wait for the GPU: an integer array as an index wraps around where NumPy raises
IndexError; an integer to a negative integer power gives an integer where NumPy raises ValueError;
and CuPy's own kernels flush subnormal float32 numbers to zero.
"""

import functools
import math
import warnings
from collections.abc import Callable
from contextlib import AbstractContextManager
from types import BuiltinFunctionType, FunctionType
from typing import Any

import numpy as np

import fxad.backends.numpy as numpy_backend
import fxad.config as config
import fxad.tree
from fxad.backends.lapack import factor_dtype, lu_solve
from fxad.backends.numpy import Namespace
from fxad.backends.optional import optional
from fxad.core.source import error, user_source
from fxad.errors import DeviceError, HostFallbackWarning

_PACKAGE = "cupy-cuda13x (or cupy-cuda12x)"
cp = optional("cupy", "the CuPy backend", _PACKAGE)
cupyx = optional("cupyx", "the CuPy backend", _PACKAGE)
special = optional("cupyx.scipy.special", "the CuPy backend", _PACKAGE)

name = "cupy"
platform = "gpu"


class PinnedArray(np.ndarray[Any, Any]):
    """An array of a GPU in memory of the host that the GPU itself copies from and to."""

    device_id: int

    def __array_finalize__(self, source: Any) -> None:
        self.device_id = getattr(source, "device_id", 0)


def owns(kind: type) -> bool:
    """CuPy's arrays, also those that have been moved out of the way."""
    return issubclass(kind, cp.ndarray | PinnedArray)


def count() -> int:
    """The number of GPUs; 0 without a driver."""
    try:
        return int(cp.cuda.runtime.getDeviceCount())
    except cp.cuda.runtime.CUDARuntimeError:
        return 0


def current() -> int:
    """The id of CUDA's current device."""
    return int(cp.cuda.runtime.getDevice())


def use(device: int) -> AbstractContextManager[Any]:
    """Makes a device CUDA's current one."""
    context: AbstractContextManager[Any] = cp.cuda.Device(device)
    return context


def device_of(x: Any) -> int:
    """The id of the GPU that an array belongs to."""
    return int(x.device_id if isinstance(x, PinnedArray) else x.data.device_id)


def put(x: Any, device: int) -> Any:
    """The array on a GPU: itself if it is there, else a copy."""
    if isinstance(x, cp.ndarray) and device_of(x) == device:
        return x
    with cp.cuda.Device(device):
        return x.copy() if isinstance(x, cp.ndarray) else cp.asarray(x)


def get(x: Any) -> Any:
    """A copy of the array on the host."""
    return cp.asnumpy(x)


def offload(x: Any) -> Any:
    """The array in pinned memory of the host; the GPU copies while the host goes on."""
    if not isinstance(x, cp.ndarray) or not x.size:
        return x
    pinned = cupyx.empty_pinned(x.shape, x.dtype).view(PinnedArray)
    pinned.device_id = device_of(x)
    x.get(out=pinned, blocking=False)
    return pinned


def fetch(x: Any) -> Any:
    """What ``offload`` has moved, on its GPU again."""
    if not isinstance(x, PinnedArray):
        return x
    out = cp.empty(x.shape, x.dtype)
    out.set(x)
    # Until the copy is done nothing else may be given the pinned memory.
    cp.cuda.get_current_stream().synchronize()
    return out


def wait(device: int) -> None:
    """Returns when the GPU has done all that it was given."""
    cp.cuda.Device(device).synchronize()


def describe(device: int) -> str:
    """The name of the GPU."""
    return str(cp.cuda.runtime.getDeviceProperties(device)["name"].decode())


def memory(device: int) -> dict[str, int]:
    """Bytes that arrays use, that CuPy's pool holds, and what the GPU has."""
    with cp.cuda.Device(device):
        free, total = cp.cuda.runtime.memGetInfo()
        pool = cp.get_default_memory_pool()
        return {
            "bytes_in_use": pool.used_bytes(),
            "bytes_reserved": pool.total_bytes(),
            "bytes_free": free,
            "bytes_limit": total,
        }


# What CuPy lacks ----------------------------------------------------------------------------------

_told: set[str] = set()


def host_call(name: str, function: Callable[..., Any]) -> Callable[..., Any]:
    """A function of the NumPy backend for arrays on the GPU: there and back, said once by name."""

    @functools.wraps(function)
    def call(*args: Any, **kwargs: Any) -> Any:
        if not any(isinstance(x, cp.ndarray) for x in fxad.tree.leaves((args, kwargs))):
            return function(*args, **kwargs)
        if config.strict_gpu:
            raise error(
                DeviceError,
                name,
                "got arrays on a GPU, where it has no path of its own, under strict_gpu",
                "Move its operands with fxad.device_get first, or leave config.strict_gpu off.",
            )
        if name not in _told:
            _told.add(name)
            warnings.warn(
                f"[{name}] has no GPU path: it runs on the host, with copies there and back "
                f"(said once; config.strict_gpu makes it an error). At {user_source()}",
                HostFallbackWarning,
                stacklevel=2,
            )
        args, kwargs = fxad.tree.map(_to_host, (args, kwargs))
        return fxad.tree.map(_from_host, function(*args, **kwargs))

    return call


def _to_host(x: Any) -> Any:
    return cp.asnumpy(x) if isinstance(x, cp.ndarray) else x


def _from_host(x: Any) -> Any:
    return cp.asarray(x) if isinstance(x, np.ndarray | np.generic) else x


def _overlay(host: Any, device: Any, prefix: str = "") -> dict[str, Any]:
    """The names of a NumPy module with CuPy's objects, and host calls for functions it lacks."""
    names = {}
    for name, value in numpy_backend.public(host).items():
        if hasattr(device, name):
            names[name] = getattr(device, name)
        elif _is_function(value):
            names[name] = host_call(prefix + name, value)
        else:
            names[name] = value
    return names


def _is_function(value: Any) -> bool:
    # NumPy's functions are Python's, C's, ufuncs, and dispatchers of a class without a public name.
    return isinstance(
        value, np.ufunc | FunctionType | BuiltinFunctionType | type(np.concatenate)
    ) and not isinstance(value, type)


# Elementwise --------------------------------------------------------------------------------------

# Python's division by way of fmod, as NumPy's: exact for large quotients and for infinities.
_DIVMOD = """
mod = fmod(a, b);
T quotient = (a - mod) / b;
if (mod != 0) {
    if ((b < 0) != (mod < 0)) { mod += b; quotient -= 1; }
} else {
    mod = copysign((T)0, b);
}
T whole = floor(quotient);
div = b == 0 ? a / b : quotient == 0 ? copysign((T)0, a / b)
    : quotient - whole > (T)0.5 ? whole + 1 : whole;
"""
_float_divmod = cp.ElementwiseKernel("T a, T b", "T div, T mod", _DIVMOD, "fxad_divmod")


def divmod(x: Any, y: Any) -> tuple[Any, Any]:
    """Python's quotient and remainder."""
    dtype = cp.result_type(x, y)
    if dtype.kind != "f":
        return cp.floor_divide(x, y), cp.remainder(x, y)
    wide = np.promote_types(dtype, np.float32)
    div, mod = _float_divmod(cp.asarray(x, wide), cp.asarray(y, wide))
    return div.astype(dtype, copy=False), mod.astype(dtype, copy=False)


def floor_divide(x: Any, y: Any) -> Any:
    """Python's quotient: CuPy's own is floor(x / y), where the division has rounded already."""
    return divmod(x, y)[0] if cp.result_type(x, y).kind == "f" else cp.floor_divide(x, y)


def remainder(x: Any, y: Any) -> Any:
    """Python's remainder."""
    return divmod(x, y)[1] if cp.result_type(x, y).kind == "f" else cp.remainder(x, y)


def _is_complex(x: Any) -> bool:
    return isinstance(x, complex) or (hasattr(x, "dtype") and x.dtype.kind == "c")


def _truth(x: Any) -> Any:
    """CuPy's logical functions have no complex loops."""
    return cp.not_equal(x, 0) if _is_complex(x) else x


def where(condition: Any, *choices: Any) -> Any:
    """CuPy's own takes no Python bool for a condition."""
    return cp.where(cp.asarray(condition), *choices)


def clip(x: Any, low: Any = None, high: Any = None) -> Any:
    """CuPy's own passes over a bound of nan."""
    x = x if low is None else cp.maximum(x, low)
    return x if high is None else cp.minimum(x, high)


def angle(x: Any) -> Any:
    """CuPy's own takes nan and -0.0 for positive numbers."""
    return cp.arctan2(x.imag if _is_complex(x) else 0, x.real)


def spacing(x: Any) -> Any:
    """The distance to the next number away from zero."""
    (dtype, _) = np.spacing.resolve_dtypes((x.dtype, None))
    x = x.astype(dtype, copy=False)
    size = cp.abs(x)
    return cp.copysign(cp.nextafter(size, size.dtype.type(np.inf)) - size, x)


def logistic(x: Any) -> Any:
    """1 / (1 + exp(-x))."""
    return 0.5 * (1 + cp.tanh(0.5 * x)) if _is_complex(x) else special.expit(x)


def _keeps_dtype(function: Callable[..., Any]) -> Callable[..., Any]:
    """CuPy's special functions give float64 for float16; some compute in float64 altogether."""

    def call(*args: Any) -> Any:
        dtype = cp.result_type(*args)
        out = function(*args)
        return out.astype(dtype, copy=False) if dtype.kind in "fc" else out

    return call


def polygamma(n: Any, x: Any) -> Any:
    """The n-th derivative of digamma at x, in x's dtype; CuPy computes it in n's."""
    out = special.polygamma(cp.asarray(n), x)
    return out.astype(x.dtype, copy=False) if x.dtype.kind == "f" else out


# Reductions and running values --------------------------------------------------------------------


def _extremum(reduce: Callable[..., Any], combine: Callable[..., Any]) -> Callable[..., Any]:
    """CuPy's own has no ``initial``, so none over an empty axis."""

    def extremum(x: Any, axis: Any = None, keepdims: bool = False, initial: Any = None) -> Any:
        if initial is None:
            return reduce(x, axis=axis, keepdims=keepdims)
        if x.size:
            return combine(reduce(x, axis=axis, keepdims=keepdims), x.dtype.type(initial))
        shape = np.empty(x.shape, bool).any(axis=axis, keepdims=keepdims).shape
        return cp.full(shape, initial, x.dtype)

    return extremum


def running(combine: Callable[..., Any]) -> Callable[[Any, int], Any]:
    """The running value of an associative function along an axis, in log2(n) steps."""

    def scan(x: Any, axis: int) -> Any:
        out = cp.moveaxis(x, axis, -1).copy()
        step = 1
        while step < out.shape[-1]:
            out = cp.concatenate(
                [out[..., :step], combine(out[..., step:], out[..., :-step])], axis=-1
            )
            step *= 2
        return cp.moveaxis(out, -1, axis)

    return scan


# Order --------------------------------------------------------------------------------------------


def searchsorted(a: Any, v: Any, side: str = "left", sorter: Any = None) -> Any:
    """CuPy's kernel compares mixed dtypes as C++ does: signed with unsigned goes wrong."""
    dtype = cp.result_type(a, v)
    a, v = a.astype(dtype, copy=False), cp.asarray(v, dtype)
    return cp.searchsorted(a, v, side=side, sorter=sorter)


def lexsort(keys: Any, axis: int = -1) -> Any:
    """CuPy's own takes keys of one dtype and at most two dimensions; sorts are stable on a GPU."""
    order = cp.argsort(keys[0], axis=axis)
    for key in keys[1:]:
        ranks = cp.argsort(cp.take_along_axis(key, order, axis=axis), axis=axis)
        order = cp.take_along_axis(order, ranks, axis=axis)
    return order


# Scatter ------------------------------------------------------------------------------------------

# Of the values for one element the last wins, as with NumPy: first they race by their number.
_claim = cp.ElementwiseKernel(
    "int64 position", "raw int64 owner", "atomicMax(&owner[position], (long long)i);", "fxad_claim"
)
_settle = cp.ElementwiseKernel(
    "int64 position, raw int64 owner, T value",
    "raw T out",
    "if (owner[position] == i) out[position] = value;",
    "fxad_settle",
)
_WORDS = """
template <int bytes> struct word { using type = unsigned int; };
template <> struct word<8> { using type = unsigned long long; };
"""
_EXCHANGE = """
using W = word<sizeof(T)>::type;
W* place = reinterpret_cast<W*>(&out[position]);
W seen = *place, before;
do {
    before = seen;
    T a = *reinterpret_cast<T*>(&before), b = value, next = %s;
    seen = atomicCAS(place, before, *reinterpret_cast<W*>(&next));
} while (seen != before);
"""
_COMBINE = {
    mode: cp.ElementwiseKernel(
        "int64 position, T value",
        "raw T out",
        _EXCHANGE % expression,
        f"fxad_scatter_{mode}",
        preamble=_WORDS,
    )
    for mode, expression in {
        "mul": "a * b",
        "min": "a != a || a < b ? a : b",
        "max": "a != a || a > b ? a : b",
    }.items()
}
_BASIC = {"add": cp.add, "mul": cp.multiply, "min": cp.minimum, "max": cp.maximum}


def scatter(x: Any, index: Any, values: Any, mode: str = "set") -> Any:
    """As the NumPy backend's; sums of floating-point numbers in the order of the atomics."""
    x = cp.asarray(x)
    values = cp.asarray(values).astype(x.dtype, copy=False)
    if numpy_backend.is_basic(index):
        out = x.copy()
        out[index] = values if mode == "set" else _BASIC[mode](out[index], values)
        return out
    out = x.astype(_atomic_dtype(x.dtype, mode), order="C")
    position = cp.arange(x.size).reshape(x.shape)[index]
    values = cp.broadcast_to(values.astype(out.dtype, copy=False), position.shape)
    if x.dtype.kind == "c" and mode not in ("set", "add"):
        position, values = _combined(out, position, values, _BASIC[mode])
        mode = "set"
    if mode == "set":
        owner = cp.full(x.size, -1, np.int64)
        _claim(position, owner)
        _settle(position, owner, values, out)
    elif mode != "add":
        _COMBINE[mode](position, values, out)
    elif x.dtype.kind == "c":
        cp.add.at(out.real, index, values.real)
        cp.add.at(out.imag, index, values.imag)
    else:
        cp.add.at(out, index, values)
    return out.astype(x.dtype, copy=False)


def _combined(
    out: Any, position: Any, values: Any, combine: Callable[..., Any]
) -> tuple[Any, Any]:
    """Positions in order, and at the last of equal ones what they all make of the element there.

    For what is too wide for atomics: a running value within equal positions, in log2(n) steps.
    """
    order = cp.argsort(position.ravel())
    position, values = position.ravel()[order], values.ravel()[order]
    step = 1
    while step < position.size:
        joined = combine(values[:-step], values[step:])
        joined = cp.where(position[step:] == position[:-step], joined, values[step:])
        values = cp.concatenate([values[:step], joined])
        step *= 2
    return position, combine(out.ravel()[position], values)


def _atomic_dtype(dtype: np.dtype[Any], mode: str) -> np.dtype[Any]:
    """The narrowest dtype that holds this one and that the atomics take."""
    if mode == "set" or dtype.itemsize >= 4:
        return dtype
    return np.dtype(np.float32 if dtype.kind == "f" else np.int32)


# Linear algebra -----------------------------------------------------------------------------------


def _checked(function: Callable[..., Any]) -> Callable[..., Any]:
    """CuPy's own goes on with nonsense where there is no factorisation: raises as NumPy does."""

    @functools.wraps(function)
    def call(*args: Any, **kwargs: Any) -> Any:
        with cupyx.errstate(linalg="raise"):
            return function(*args, **kwargs)

    return call


@functools.cache
def _solvers() -> Any:
    """Loaded at first use: it needs cuBLAS, which a machine without a GPU may lack."""
    return optional("cupyx.scipy.linalg", "linear algebra with CuPy", _PACKAGE)


def lu(a: Any) -> tuple[Any, Any]:
    """(..., m, n) -> L and U in one array, and the row swapped with each row."""
    dtype = factor_dtype(a)
    *batch, m, n = a.shape
    if not a.size:
        return a.astype(dtype), cp.empty((*batch, min(m, n)), np.int32)
    if m == n:  # takes and gives the matrices transposed, and counts rows from 1
        factors, pivots, _ = cp.linalg._decomposition._lu_factor(a.swapaxes(-1, -2), dtype)
        return factors.swapaxes(-1, -2), pivots - 1
    each = [
        _solvers().lu_factor(matrix, check_finite=False)
        for matrix in a.astype(dtype, copy=False).reshape(-1, m, n)
    ]
    factors, pivots = (cp.stack(parts) for parts in zip(*each, strict=True))
    return factors.reshape(a.shape), pivots.reshape(*batch, min(m, n))


_swap_rows = cp.ElementwiseKernel(
    "raw int32 pivots, int32 swaps, int32 rows",
    "raw int32 order",
    """
    for (int k = 0; k < swaps; ++k) {
        int other = pivots[i * swaps + k], top = order[i * rows + k];
        order[i * rows + k] = order[i * rows + other];
        order[i * rows + other] = top;
    }
    """,
    "fxad_swap_rows",
)


def pivots_to_permutation(pivots: Any, size: int) -> Any:
    """The order of rows that the successive swaps (..., k) lead to, as (..., size) int32."""
    *batch, swaps = pivots.shape
    order = cp.empty((*batch, size), np.int32)
    order[...] = cp.arange(size, dtype=np.int32)
    if order.size and swaps:
        _swap_rows(cp.ascontiguousarray(pivots), swaps, size, order, size=math.prod(batch))
    return order


def triangular_solve(
    a: Any, b: Any, lower: bool = False, trans: int = 0, unit_diagonal: bool = False
) -> Any:
    """Solve op(a) x = b for a triangular (..., n, n) and b (..., n, k)."""
    dtype = factor_dtype(a, b)
    batch = np.broadcast_shapes(a.shape[:-2], b.shape[:-2])
    a = cp.broadcast_to(a.astype(dtype, copy=False), (*batch, *a.shape[-2:]))
    b = cp.broadcast_to(b.astype(dtype, copy=False), (*batch, *b.shape[-2:]))
    if not b.size:
        return b.copy()
    return _solvers().solve_triangular(a, b, lower=lower, trans=trans, unit_diagonal=unit_diagonal)


_linalg = Namespace(__name__="linalg", **_overlay(np.linalg, cp.linalg, "linalg."))
_SOLVERS = {"cholesky", "eig", "eigh", "eigvals", "eigvalsh", "inv", "pinv", "qr", "solve", "svd"}
for _name in _SOLVERS & set(vars(cp.linalg)):  # eig came with CuPy 14
    setattr(_linalg, _name, _checked(getattr(cp.linalg, _name)))

xp: Any = Namespace(__name__="fxad.backends.cupy", **_overlay(np, cp))
vars(xp).update(
    numpy_backend.factorizations(_linalg),
    linalg=_linalg,
    erf=_keeps_dtype(special.erf),
    erfc=_keeps_dtype(special.erfc),
    erf_inv=_keeps_dtype(special.erfinv),
    lgamma=_keeps_dtype(special.gammaln),
    digamma=_keeps_dtype(special.digamma),
    polygamma=polygamma,
    zeta=_keeps_dtype(special.zeta),
    logistic=_keeps_dtype(logistic),
    angle=angle,
    where=where,
    clip=clip,
    spacing=spacing,
    divmod=divmod,
    remainder=remainder,
    mod=remainder,
    floor_divide=floor_divide,
    logical_and=lambda x, y: cp.logical_and(_truth(x), _truth(y)),
    logical_or=lambda x, y: cp.logical_or(_truth(x), _truth(y)),
    logical_xor=lambda x, y: cp.logical_xor(_truth(x), _truth(y)),
    logical_not=lambda x: cp.logical_not(_truth(x)),
    broadcast_to=lambda x, shape: cp.broadcast_to(cp.asarray(x), shape),
    max=_extremum(cp.max, cp.maximum),
    min=_extremum(cp.min, cp.minimum),
    cummax=running(cp.maximum),
    cummin=running(cp.minimum),
    cumlogsumexp=running(cp.logaddexp),
    searchsorted=searchsorted,
    lexsort=lexsort,
    scatter=scatter,
    room=cp.empty,
    offload=offload,
    fetch=fetch,
    lu=lu,
    lu_solve=functools.partial(lu_solve, xp),
    triangular_solve=triangular_solve,
    pivots_to_permutation=pivots_to_permutation,
)
