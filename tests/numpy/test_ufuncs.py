"""All ufuncs: values and dtypes are NumPy's own under transformations, keywords too."""

import numpy as np
import pytest

import fxad
import fxad.numpy as fnp
from fxad.errors import ArgumentTypeError, ArgumentValueError, TracerAssignmentError
from fxad.numpy.dispatch import TABLE
from fxad.test_util import check_grads
from tests.numpy.values import traced

UFUNCS = sorted(
    {f for f in vars(np).values() if isinstance(f, np.ufunc) and f.nin <= 2 and not f.signature},
    key=lambda f: f.__name__,
)
DTYPES = ["?", "b", "B", "i", "I", "l", "L", "e", "f", "d", "F", "D"]


def test_every_ufunc_of_numpy_answers_but_those_of_dates():
    missing = [f.__name__ for f in UFUNCS if f not in TABLE]
    assert missing == ["isnat"]
    assert all(hasattr(fnp, f.__name__) for f in UFUNCS if f.__name__ != "isnat")


def sample(char):
    return np.array([1, 0, 1] if char == "?" else [1, 2, 3]).astype(char)


def outcome(function, args):
    with np.errstate(all="ignore"):
        try:
            found = function(*args)
        except (TypeError, ValueError):
            return None
    return [np.asarray(y) for y in (found if isinstance(found, tuple) else (found,))]


@pytest.mark.parametrize("ufunc", [f for f in UFUNCS if f in TABLE], ids=lambda f: f.__name__)
def test_dtypes_are_numpys(ufunc):
    pairs = [(a,) for a in DTYPES] if ufunc.nin == 1 else [(a, b) for a in DTYPES for b in DTYPES]
    for chars in pairs:
        args = [sample(c) for c in chars]
        wanted, got = outcome(ufunc, args), outcome(fxad.jit(ufunc), args)
        assert (got is None) == (wanted is None), chars
        for a, b in zip(got or (), wanted or (), strict=True):
            assert a.dtype == b.dtype, chars
            narrow = b.dtype.char in "eF" or "e" in chars
            np.testing.assert_allclose(a, b, rtol=1e-2 if narrow else 1e-6, err_msg=str(chars))


X, Y = np.array([0.3, 0.5, 0.9]), np.array([2.0, 1.0, 0.5])


@pytest.mark.parametrize("transform", ["jvp", "vmap"])
@pytest.mark.parametrize("ufunc", [f for f in UFUNCS if f in TABLE], ids=lambda f: f.__name__)
def test_values_under_transformations(ufunc, transform):
    args = (X,) if ufunc.nin == 1 else (X, Y)
    if outcome(ufunc, args) is None:
        pytest.skip("not of floats")
    wanted = outcome(ufunc, args)
    got = outcome(lambda *args: traced(ufunc, *args, transform=transform), args)
    for a, b in zip(got, wanted, strict=True):
        np.testing.assert_array_equal(a, b)


def test_keywords_on_tracers():
    assert traced(lambda x: np.sin(x, dtype=np.float32), X).dtype == np.float32
    assert traced(lambda x: np.add(x, 1, dtype=complex), X).dtype == np.complex128
    assert traced(lambda x: np.less(x, 1, dtype=bool), X).tolist() == [True, True, True]
    assert traced(lambda x: np.add(x, 1, where=True, out=None, casting="same_kind"), X)[0] == 1.3
    with pytest.raises(TypeError):
        traced(lambda x: np.less(x, 1, dtype=float), X)
    with pytest.raises(TypeError):
        traced(lambda x: np.add(x, 1, dtype=np.int32), X)
    with pytest.raises(ArgumentValueError, match=r"fnp.where\(mask, fnp.add"):
        traced(lambda x: np.add(x, 1, where=x > 0.4), X)
    with pytest.raises(TracerAssignmentError, match=r"\[add\] got out=.*\n.*test_ufuncs.py"):
        traced(lambda x: np.add(x, 1, out=np.zeros(3)), X)
    with pytest.raises(TypeError, match="unexpected keyword argument 'axis'"):
        traced(lambda x: np.sin(x, axis=0), X)


def test_lists_with_tracers():
    assert fxad.grad(lambda x: fnp.multiply([x, 2.0], [3.0, x]).sum())(1.0) == 5.0


METHODS = {
    "add.reduce": lambda x: np.add.reduce(x),
    "add.reduce all": lambda x: np.add.reduce(x, axis=None, keepdims=True),
    "multiply.reduce": lambda x: np.multiply.reduce(x, axis=1),
    "maximum.reduce": lambda x: np.maximum.reduce(x, axis=(0, 1)),
    "minimum.reduce": lambda x: np.minimum.reduce(x, initial=0.0),
    "add.reduce where": lambda x: np.add.reduce(x, where=x > 0, initial=1.0),
    "logaddexp.reduce": lambda x: np.logaddexp.reduce(x, axis=1),
    "logical_and.reduce": lambda x: np.logical_and.reduce(x > 0),
    "logical_or.reduce": lambda x: np.logical_or.reduce(x > 0, axis=1),
    "add.accumulate": lambda x: np.add.accumulate(x),
    "multiply.accumulate": lambda x: np.multiply.accumulate(x, axis=1),
    "maximum.accumulate": lambda x: np.maximum.accumulate(x, 1),
    "minimum.accumulate": lambda x: np.minimum.accumulate(x),
    "logaddexp.accumulate": lambda x: np.logaddexp.accumulate(x),
    "subtract.reduce": lambda x: np.subtract.reduce(x, axis=1),
    "subtract.reduce initial": lambda x: np.subtract.reduce(x, keepdims=True, initial=2.0),
    "divide.reduce": lambda x: np.divide.reduce(x),
    "divide.reduce integers": lambda x: np.divide.reduce(x.astype(int) * 2 + 1, axis=-1),
    "divide.reduce dtype": lambda x: np.divide.reduce(x, dtype=np.float32),
    "fmax.reduce one of axes": lambda x: np.fmax.reduce(x, axis=(1,)),
    "hypot.reduce": lambda x: np.hypot.reduce(x, axis=None),
    "hypot.reduce of none": lambda x: np.hypot.reduce(x[:0]),
    "fmax.reduce": lambda x: np.fmax.reduce(x, axis=(0, 1), keepdims=True),
    "fmin.reduce": lambda x: np.fmin.reduce(x, axis=1, initial=0.0, where=x > 0.3),
    "hypot.reduce where": lambda x: np.hypot.reduce(x, axis=0, where=x > 0.3),
    "logaddexp2.reduce": lambda x: np.logaddexp2.reduce(x, axis=1),
    "logical_xor.reduce": lambda x: np.logical_xor.reduce(x > 0, axis=None),
    "logical_xor.reduce numbers": lambda x: np.logical_xor.reduce(x),
    "bitwise_or.reduce": lambda x: np.bitwise_or.reduce(x.astype(np.int8), axis=None),
    "bitwise_and.reduce of none": lambda x: np.bitwise_and.reduce(x[:0].astype(int)),
    "bitwise_and.reduce unsigned": lambda x: np.bitwise_and.reduce(x[:0].astype(np.uint8)),
    "gcd.reduce": lambda x: np.gcd.reduce(x.astype(int) * 6, axis=1),
    "lcm.reduce": lambda x: np.lcm.reduce(x.astype(int) * 2, axis=0),
    "divide.accumulate": lambda x: np.divide.accumulate(x, axis=1),
    "hypot.accumulate": lambda x: np.hypot.accumulate(x),
    "bitwise_xor.accumulate": lambda x: np.bitwise_xor.accumulate(x.astype(int), -1),
    "subtract.outer": lambda x: np.subtract.outer(x, [1.0, 2.0]),
    "power.outer": lambda x: np.power.outer([1.0, 2.0], x),
}


@pytest.mark.parametrize("name", METHODS)
@pytest.mark.parametrize("transform", ["jvp", "jit", "vmap"])
def test_methods_of_ufuncs(name, transform):
    x = np.array([[0.5, -1.5, 2.0], [1.0, 0.25, -3.0]])
    wanted = METHODS[name](x)
    got = traced(METHODS[name], x, transform=transform)
    np.testing.assert_allclose(got, wanted, rtol=1e-14)
    assert np.asarray(got).dtype == np.asarray(wanted).dtype


def test_methods_without_a_meaning_are_refused():
    with pytest.raises(TracerAssignmentError, match=r"fnp.at\(x\)\[index\].add\(values\)"):
        traced(lambda x: np.add.at(x, [0], 1.0), X)
    with pytest.raises(TypeError, match=r"\[less.reduce\] got a traced value"):
        traced(lambda x: np.less.reduce(x), X)
    with pytest.raises(ValueError, match=r"\[subtract.reduce\] got the axes \(0, 1\), wanted one"):
        traced(lambda x: np.subtract.reduce(x, axis=None), np.ones((2, 2)))
    with pytest.raises(ValueError, match=r"\[fmax.reduce\] got no elements"):
        traced(lambda x: np.fmax.reduce(x[:0]), X)


@pytest.mark.parametrize("name", ["subtract", "divide", "hypot", "fmax", "logaddexp2"])
def test_derivatives_of_folds(name):
    ufunc = getattr(np, name)
    x = np.array([[0.5, 1.5, 2.0], [1.0, 0.25, 3.0]])
    check_grads(lambda x: ufunc.reduce(x, axis=1), (x,), order=2)
    check_grads(lambda x: ufunc.accumulate(x), (x,), order=2)


def test_ufuncs_say_what_they_take():
    for name in ("add", "sin", "logaddexp", "divmod", "fmax"):
        ours, numpys = getattr(fnp, name), getattr(np, name)
        for of in ("nin", "nout", "nargs", "identity"):
            assert getattr(ours, of) == getattr(numpys, of)


@pytest.mark.parametrize("ufunc", [np.add, np.maximum, np.minimum, np.logaddexp], ids=str)
def test_accumulate_computes_in_the_dtype_asked_for(ufunc):
    x = np.array([0.1, 0.3, 0.2], np.float32)
    wanted = ufunc.accumulate(x, dtype=np.float64)
    got = fxad.jit(lambda x: ufunc.accumulate(x, dtype=np.float64))(x)
    assert got.dtype == wanted.dtype
    np.testing.assert_allclose(got, wanted, rtol=1e-15)


def test_truths_have_no_other_dtype():
    x = np.array([1.0, 0.0])
    assert not fxad.jit(lambda x: np.logical_and.reduce(x, dtype=bool))(x)
    with pytest.raises(ArgumentTypeError, match=r"\[reduce\] got dtype=int64"):
        fxad.jit(lambda x: np.logical_and.reduce(x, dtype=int))(x)
