"""The methods and properties of ndarray on tracers, called as users and as CuPy's functions do."""

import numpy as np
import pytest

import fxad
from fxad.core.trace import Tracer
from tests.numpy.values import check

rng = np.random.default_rng(2)
M, V, B = rng.normal(size=(3, 4)), rng.normal(size=5), rng.normal(size=(2, 3, 4))
C = M + 1j * M[::-1]

CALLS = {
    "T": lambda a: (a.T, a.mT),
    "shape": lambda a: a + a.ndim + a.size + a.itemsize + a.nbytes + len(a) + a.shape[0],
    "real": lambda a: (a.real, a.imag),
    "flat": lambda a: np.stack([a.flat[3], *list(a.flat)[:2]]),
    "reshape": lambda a: (a.reshape(4, 3), a.reshape((2, -1)), a.reshape(-1, order="F")),
    "transpose": lambda a: (a.transpose(), a.transpose(1, 0), a.transpose((1, 0))),
    "none": lambda a: (a.transpose(None), a.squeeze(None), a.sum(None), a.repeat(2, None)),
    "flatten": lambda a: (a.flatten(), a.flatten("F"), a.ravel(), a.ravel("F")),
    "sum": lambda a: (a.sum(), a.sum(0), a.sum(1, None, None, True), a.sum(axis=(0, 1))),
    "prod": lambda a: (a.prod(0, None, None, False), a.prod(axis=1, keepdims=True)),
    "mean": lambda a: (a.mean(axis=0, dtype=None, out=None, keepdims=True), a.mean(1)),
    "std": lambda a: (a.std(axis=0, dtype=None, out=None, ddof=1, keepdims=False), a.var(1)),
    "max": lambda a: (a.max(axis=0, out=None, keepdims=False), a.min(1), a.max()),
    "argmax": lambda a: (a.argmax(axis=0, out=None, keepdims=False), a.argmin(), a.argmin(1)),
    "any": lambda a: ((a > 0).any(0), (a > 9).all(), a.any(axis=1, keepdims=True)),
    "cumsum": lambda a: (a.cumsum(), a.cumsum(1), a.cumprod(axis=0)),
    "clip": lambda a: (a.clip(-0.5, 0.5), a.clip(None, 0.1, out=None), a.clip(min=0.0)),
    "round": lambda a: (a.round(), a.round(2), a.round(decimals=1)),
    "dot": lambda a: (a.dot(np.ones(4)), a.dot(a.T, None)),
    "swapaxes": lambda a: a.swapaxes(0, 1),
    "squeeze": lambda a: a[None].squeeze(0),
    "take": lambda a: (a.take([0, 5], None, None), a.take([1], axis=1)),
    "repeat": lambda a: (a.repeat(2), a.repeat([1, 0, 2], 0)),
    "argsort": lambda a: (a.argsort(axis=0, kind=None), a.argsort(kind="stable")),
    "diagonal": lambda a: (a.diagonal(1, 0, 1), a.trace(0, 0, 1, None, None), a.trace()),
    "conj": lambda a: (a.conj(), a.conjugate()),
    "copy": lambda a: (a.copy(), a.copy(order="C")),
    "astype": lambda a: (a.astype(np.float32), a.astype(int, copy=False), a.astype("complex64")),
    "view": lambda a: (a.view(np.int64), a.view()),
    "searchsorted": lambda a: np.arange(3.0).searchsorted(1.0) + a.ravel()[:1].searchsorted([9.0]),
    "getitem": lambda a: (a[0], a[..., 1], a[::-2, None], a[[2, 0], [1, 1]], a[-1, -1]),
    "ptp": lambda a: np.ptp(a, 1),
}


@pytest.mark.parametrize("transform", ["jvp", "jit", "vmap"])
@pytest.mark.parametrize("name", CALLS)
def test_methods_are_ndarrays(name, transform):
    check(CALLS[name], M, transform=transform)


def test_complex_parts():
    check(lambda a: (a.real, a.imag, a.conj(), a.astype(np.complex64)), C)


def test_every_method_of_ndarray_is_there_or_has_a_reason():
    absent = {
        # about memory, files and objects, of which a traced value has none
        *("base", "byteswap", "ctypes", "data", "device", "dump", "dumps", "flags", "getfield"),
        *("setfield", "setflags", "strides", "to_device", "tobytes", "tofile"),
    }
    public = {name for name in vars(np.ndarray) if not name.startswith("_")}
    assert {name for name in public if not hasattr(Tracer, name)} == absent


def test_values_where_they_are_known():
    def f(x):
        assert x[1].item() == 4.0
        assert x.tolist() == [3.0, 4.0]
        assert x.nonzero()[0].tolist() == [0, 1]
        return x.at[0].set(5.0).sum()

    assert fxad.grad(f)(np.array([3.0, 4.0])).tolist() == [0.0, 1.0]
    with pytest.raises(
        fxad.errors.ConcretizationTypeError, match=r"\[nonzero\] got a float64\[2\]"
    ):
        fxad.jit(lambda x: x.nonzero())(np.ones(2))


def test_casts_that_lose_something():
    with pytest.warns(np.exceptions.ComplexWarning, match="discards the imaginary part"):
        fxad.grad(lambda x: (x * (1 + 1j)).astype(float))(2.0)
    with pytest.raises(TypeError, match="according to the rule 'safe'"):
        fxad.grad(lambda x: x.astype(int, casting="safe"))(2.0)


def test_cupy_calls_argmax_with_a_dtype():
    call = fxad.jit(lambda a: a.argmax(axis=0, dtype=None, out=None, keepdims=False))
    assert call(M).tolist() == M.argmax(0).tolist()


def test_strings_are_no_values():
    with pytest.raises(fxad.errors.DtypeError, match="got f64 and str32, which NumPy has no add"):
        fxad.jit(lambda x: x + np.array(["a"]))(1.0)
