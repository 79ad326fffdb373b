"""Arrays made anew: dtypes, the default float, and staging instead of constants under jit."""

import numpy as np
import pytest

import fxad
import fxad.numpy as fnp
from fxad import config
from fxad.errors import ArgumentValueError, ShapeError

MAKERS = {
    "zeros": lambda: fnp.zeros((2, 3)),
    "ones": lambda: fnp.ones(4, dtype=int),
    "empty": lambda: fnp.empty((2,)),
    "full": lambda: fnp.full((2, 2), 1.5),
    "eye": lambda: fnp.eye(3, 4, 1),
    "identity": lambda: fnp.identity(2),
    "tri": lambda: fnp.tri(3, 4, -1),
    "arange": lambda: fnp.arange(1.0, 2.0, 0.3),
    "linspace": lambda: fnp.linspace(0, 1, 5),
    "logspace": lambda: fnp.logspace(0.0, 1.0, 3),
    "geomspace": lambda: fnp.geomspace(1.0, 8.0, 4),
    "indices": lambda: fnp.indices((2, 2)),
    "zeros_like": lambda: fnp.zeros_like(1.0, shape=(2,)),
}


@pytest.mark.parametrize("name", MAKERS)
def test_eager_and_staged_arrays_are_the_same(name):
    made = MAKERS[name]()
    staged = fxad.jit(MAKERS[name])()
    assert isinstance(made, np.ndarray)
    assert made.flags.writeable
    assert (made.dtype, made.shape) == (staged.dtype, staged.shape)
    if name != "empty":
        np.testing.assert_allclose(staged, made, rtol=1e-15)


@pytest.mark.parametrize("name", sorted(MAKERS.keys() - {"indices", "zeros_like", "geomspace"}))
def test_staged_arrays_are_no_constants(name):
    assert fxad.make_jaxpr(MAKERS[name])().consts == ()


@pytest.mark.parametrize(
    "name", ["zeros", "ones", "empty", "full", "eye", "identity", "tri", "arange", "linspace"]
)
def test_numpy_agrees(name):
    arguments = {
        "zeros": ((2, 3),),
        "ones": (4, int),
        "empty": ((2, 1),),
        "full": ((2, 2), 7),
        "eye": (3, 4, 1),
        "identity": (2,),
        "tri": (3, 4, -1),
        "arange": (1, 10, 3),
        "linspace": (0, 1, 5),
    }[name]
    made, wanted = getattr(fnp, name)(*arguments), getattr(np, name)(*arguments)
    assert (made.dtype, made.shape) == (wanted.dtype, wanted.shape)
    if name != "empty":
        assert made.tolist() == wanted.tolist()


def test_the_default_float_is_the_dtype_of_new_floats():
    with config.override(default_float="float32"):
        for name in sorted(MAKERS.keys() - {"ones", "indices"}):
            assert MAKERS[name]().dtype == np.float32, name
            assert fxad.jit(MAKERS[name])().dtype == np.float32, name
        assert fnp.array([1.0, 2.0]).dtype == np.float32
        assert fnp.asarray(1j).dtype == np.complex64
        assert fnp.array([np.float64(1.0), 2.0]).dtype == np.float64
        assert fnp.array([1, 2]).dtype == np.int64
        assert fnp.arange(3).dtype == np.int64
        assert fnp.zeros(2, float).dtype == np.float64
        assert fnp.hanning(4).dtype == fnp.mgrid[0:1:3j].dtype == np.float32


def test_arrays_with_tracers_in_nested_lists():
    def f(x, y):
        a = fnp.array([[x, 1.0], [2, x * y]])
        assert (a.shape, a.dtype) == ((2, 2), np.float64)
        return fnp.linalg.det(a)

    assert fxad.grad(f, (0, 1))(3.0, 5.0) == (30.0, 9.0)
    assert fxad.jit(lambda x: fnp.array([x, 1]))(np.float32(2)).dtype == np.float64
    rows = fxad.vmap(lambda v: fnp.asarray([v, 2 * v]))(np.eye(2))
    assert rows.tolist() == [[[1.0, 0.0], [2.0, 0.0]], [[0.0, 1.0], [0.0, 2.0]]]
    with pytest.raises(ShapeError, match=r"\[stack\] got shapes \(\) and \(1,\)"):
        fxad.grad(lambda x: fnp.array([x, [x]]).sum())(1.0)


def test_array_and_asarray_on_arrays():
    x = np.arange(3.0)
    assert fnp.asarray(x) is x
    assert not np.shares_memory(fnp.array(x), x)
    assert fnp.array(x, np.float32, ndmin=2).shape == (1, 3)
    assert fxad.jit(lambda x: fnp.array(x, np.float32, ndmin=2))(x).shape == (1, 3)
    assert fnp.asarray(x, dtype=int).dtype == np.int64


def test_full_takes_traced_values():
    assert fxad.grad(lambda x: fnp.full((2, 3), x).sum())(2.0) == 6.0
    assert fxad.grad(lambda x: fnp.full_like(np.zeros(4, np.float32), x).sum())(2.0) == 4.0
    assert fnp.full(2, np.arange(2.0)).tolist() == [0.0, 1.0]


def test_made_under_a_derivative_is_written_as_elsewhere():
    def f(x):
        for made in (fnp.zeros(3), fnp.zeros_like(x), fnp.full_like(x, 2.0), fnp.ones(3)):
            made[0] = 5.0
        return x.sum()

    assert fxad.grad(f)(np.ones(3)).tolist() == [1.0, 1.0, 1.0]


def test_steps_are_numpys_bit_for_bit():
    rng = np.random.default_rng(0)
    for start, stop in rng.normal(size=(20, 2)):
        count = rng.integers(1, 9)
        for endpoint in (True, False):
            wanted = np.linspace(start, stop, count, endpoint)
            got = fxad.jit(lambda a, b, n=count, e=endpoint: fnp.linspace(a, b, n, e))(start, stop)
            assert got.tolist() == wanted.tolist()
        wanted = np.arange(start, start + 3, 0.1)
        assert (
            fxad.jvp(lambda a, s=start: fnp.arange(a, s + 3, 0.1), (start,), (1.0,))[0].tolist()
            == wanted.tolist()
        )


def test_bad_arguments():
    with pytest.raises(ArgumentValueError, match=r"\[linspace\] got num=-1"):
        fxad.jit(lambda x: fnp.linspace(x, 1.0, -1))(0.0)
    with pytest.raises(TypeError):
        fnp.zeros(1.5)
    with pytest.raises(fxad.errors.ConcretizationTypeError, match="static_argnums"):
        fxad.jit(lambda n: fnp.zeros(n))(3)


def test_join_and_grid_objects():
    assert fnp.r_[0:3, 10.0].tolist() == [0.0, 1.0, 2.0, 10.0]
    assert fxad.grad(lambda x: fnp.c_[x, 2 * x].prod())(np.array([1.0, 3.0])).tolist() == [72, 24]
    assert fnp.ogrid[0:2, 0:1:3j][1].tolist() == [[0.0, 0.5, 1.0]]
    assert fnp.s_[1:3] == slice(1, 3)
