"""Where calls go: NumPy itself for plain arrays, implementations for tracers, clear errors else."""


import numpy as np
import pytest

import fxad
import fxad.numpy as fnp
from fxad import config
from fxad.errors import (
    ArgumentTypeError,
    ArgumentValueError,
    TracerArrayConversionError,
    TracerAssignmentError,
)

X, M = np.array([3.0, 1.0, 2.0]), np.arange(6.0).reshape(2, 3)


def test_plain_arrays_go_to_numpys_own_function():
    view = fnp.reshape(M, (3, 2))
    assert view.base is M.base or view.base is M
    assert fnp.sin(0.0).__class__ is np.float64
    assert fnp.concatenate([[1, 2], (3,)]).tolist() == [1, 2, 3]
    out = np.zeros(3)
    assert fnp.add(X, 1, out=out) is out
    assert fnp.sum(np.array(["a"], object)) == "a"
    assert fnp.linalg.eigh(np.eye(2)).__class__ is np.linalg.eigh(np.eye(2)).__class__


def test_lists_are_looked_into():
    assert fxad.grad(lambda x: fnp.sum([x, [2.0, x * x][1]]))(3.0) == 7.0
    assert fxad.grad(lambda x: fnp.stack([x, 2.0]).prod())(3.0) == 2.0
    assert fxad.grad(lambda x: fnp.dot([x, 1.0], [2.0, 3.0]))(1.0) == 2.0


def test_the_default_float_is_what_python_numbers_become():
    with config.override(default_float="float32"):
        assert fnp.sin(1.0).dtype == np.float32
        assert fnp.add(1.0, 2).dtype == np.float32
        assert fnp.sum([1.0, 2.0]).dtype == np.float32
        assert fnp.mean([[1.0], [2.0]], axis=0).dtype == np.float32
        assert fnp.exp(1j).dtype == np.complex64
        assert fnp.stack([1.0, 2.0]).dtype == np.float32
        assert fnp.add(1.0, X).dtype == np.float64
        assert fnp.add(X.astype(np.float32), 1.0).dtype == np.float32
        assert fxad.jit(lambda x: fnp.array([x, 1.0]))(np.float32(2)).dtype == np.float32
        assert fxad.grad(lambda x: np.sin(x) * 2.0)(1.0).dtype == np.float32
    assert fnp.sin(1.0).dtype == np.float64


class Foreign:
    def __array__(self, *args, **kwargs):
        return np.zeros(3)


def test_other_libraries_arrays_are_refused_with_the_way_to_convert_them():
    with pytest.raises(ArgumentTypeError, match=r"got a .*Foreign, wanted an array or a number"):
        fnp.sin(Foreign())
    with pytest.raises(ArgumentTypeError, match=r"x.filled\(value\)"):
        fnp.sin(np.ma.masked_array(X, X > 1))


class Columns:
    """A container like xarray's: arrays with names, which takes ufuncs to them."""

    def __init__(self, data, names):
        self.data, self.names = data, names

    def __array_ufunc__(self, ufunc, method, *inputs, **kwargs):
        data = [x.data if isinstance(x, Columns) else x for x in inputs]
        return Columns(getattr(ufunc, method)(*data, **kwargs), self.names)

    def __mul__(self, other):
        return np.multiply(self, other)

    def __rmul__(self, other):
        return np.multiply(other, self)


@pytest.mark.parametrize(
    "product",
    [lambda t, w: t * w, lambda t, w: w * t, np.multiply, lambda t, w: np.multiply(w, t)],
    ids=["left", "right", "ufunc left", "ufunc right"],
)
def test_containers_that_take_ufuncs_to_their_arrays_may_hold_tracers(product):
    table = Columns(M, ("a", "b", "c"))

    def loss(w):
        out = np.tanh(product(table, w))
        assert isinstance(out, Columns) and out.names == table.names
        return np.sum(out.data**2)

    def plain(w):
        return np.sum(np.tanh(M * w) ** 2)

    np.testing.assert_allclose(fxad.grad(loss)(X), fxad.grad(plain)(X))
    np.testing.assert_allclose(fxad.jit(loss)(X), plain(X))
    np.testing.assert_allclose(fxad.hessian(loss)(X), fxad.hessian(plain)(X))


def test_subclasses_of_ndarray_give_plain_arrays():
    class Labelled(np.ndarray):
        pass

    assert type(fnp.sin(X.view(Labelled))) is np.ndarray
    assert type(fnp.sum(M.view(Labelled), axis=0)) is np.ndarray
    assert type(fxad.grad(lambda x: np.sum(x * X.view(Labelled)))(X)) is np.ndarray


def test_functions_without_a_rule_are_refused_by_name():
    message = r"\[apply_along_axis\] got float64\[2,3\] while it is traced.*numpy.apply_along_axis"
    with pytest.raises(ArgumentTypeError, match=message):
        fxad.grad(lambda x: np.apply_along_axis(np.sum, 0, x).sum())(M)
    with pytest.raises(ArgumentTypeError, match=r"\[isnat\] got float64\[3\] while it is traced"):
        fxad.grad(lambda x: np.isnat(x).sum())(X)


def test_what_numpy_cannot_dispatch_says_what_to_write_instead():
    with pytest.raises(TracerArrayConversionError, match=r"fnp.array\(\[...\]\) takes tracers"):
        fxad.grad(lambda x: np.array([x, 1.0]).sum())(1.0)
    with pytest.raises(TracerArrayConversionError, match=r"At test_dispatch.py:\d+: .*np.asarray"):
        fxad.grad(lambda x: np.asarray(x).sum())(X)


IN_PLACE = {
    "put": lambda x: np.put(np.zeros(3), [0], x),
    "place": lambda x: np.place(x, [True, False, False], [1.0]),
    "put_along_axis": lambda x: np.put_along_axis(x, np.array([0]), 1.0, 0),
    "fill_diagonal": lambda x: np.fill_diagonal(fnp.diag(x), 1.0),
    "putmask": lambda x: np.putmask(x, X > 1, 0.0),
    "copyto": lambda x: np.copyto(np.zeros(3), x),
    "sort": lambda x: x.sort(),
    "fill": lambda x: x.fill(1.0),
    "setitem": lambda x: x.__setitem__(0, 1.0),
}


@pytest.mark.parametrize("name", IN_PLACE)
def test_what_changes_its_argument_is_refused(name):
    with pytest.raises(TracerAssignmentError, match=rf"(?s)\[{name}\].*At test_dispatch.*Write "):
        fxad.grad(lambda x: IN_PLACE[name](x) or x.sum())(X)


def test_out_is_refused_beside_tracers():
    for function in (np.sum, np.mean, np.cumsum, np.max, np.round, np.std, np.argmax):
        with pytest.raises(TracerAssignmentError, match=r"got out=, an array to write to"):
            fxad.grad(lambda x, f=function: f(x, out=np.zeros(())))(X)


def test_functional_updates_leave_their_argument():
    x = np.zeros((2, 2))
    assert fnp.put(x, [0, 3], [1, 2]).tolist() == [[1.0, 0.0], [0.0, 2.0]]
    assert fnp.place(x, [[True, False], [True, True]], [1, 2]).tolist() == [[1.0, 0.0], [2.0, 1.0]]
    assert fnp.fill_diagonal(x, [5, 6]).tolist() == [[5.0, 0.0], [0.0, 6.0]]
    assert fnp.put_along_axis(x, np.array([[1], [0]]), 7, axis=1).tolist() == [[0, 7], [7, 0]]
    assert fnp.at(x)[0].add(X[1:]).tolist() == [[1.0, 2.0], [0.0, 0.0]]
    assert not x.any()
    wide = np.zeros((5, 3))
    wanted = wide.copy()
    np.fill_diagonal(wanted, [1, 2], wrap=True)
    assert fnp.fill_diagonal(wide, [1, 2], wrap=True).tolist() == wanted.tolist()
    assert fxad.grad(lambda v: fnp.place(x, x == 0, [v, 2 * v]).sum())(1.0) == 6.0


REPLACING = {
    "put": (np.array([4, 0]), [7.0, 8.0]),
    "place": (np.eye(2, 3) > 0, [7.0, 8.0]),
    "put_along_axis": (np.array([[0], [2]]), 7.0, 1),
    "fill_diagonal": (7.0,),
}


@pytest.mark.parametrize("name", REPLACING)
def test_replaced_parts_leave_the_argument(name):
    function, arguments = getattr(fnp, name), REPLACING[name]
    x = np.zeros((2, 3))
    wanted = x.copy()
    getattr(np, name)(wanted, *arguments)
    for transform in (lambda f: f, fxad.jit):
        got = transform(lambda x: function(x, *arguments, inplace=False))(x)
        np.testing.assert_array_equal(got, wanted)
    assert not x.any()
    message = rf"(?s)\[{name}\] got inplace=True.*x = fnp.{name}\("
    with pytest.raises(ArgumentValueError, match=message):
        function(x, *arguments, inplace=True)


def test_nothing_replaced_is_a_new_array_too():
    x = np.zeros(3)
    for same in (fnp.put(x, [], []), fnp.place(x, x > 1, [1.0])):
        same += 1.0
    assert not x.any()
    assert fxad.grad(lambda x: fnp.put(x, [], []).sum())(x).tolist() == [1.0, 1.0, 1.0]


def test_keywords_beyond_numpys():
    assert fnp.bincount([0, 2, 2, 9], length=3).tolist() == [1, 0, 2]
    assert fxad.jit(lambda x: fnp.bincount(x, length=3))(np.array([0, 2, -1])).tolist() == [1, 0, 1]
    assert fnp.repeat([1, 2], 2, total_repeat_length=3).tolist() == [1, 1, 2]
    assert fnp.take(X, [0, 9], mode="fill", fill_value=-1.0).tolist() == [3.0, -1.0]


def test_the_array_namespace():
    seen = []
    fxad.grad(lambda x: seen.append(x.__array_namespace__()) or x)(1.0)
    assert seen == [fnp]
