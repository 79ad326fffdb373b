"""device_put as an operation: on arrays, under every transformation, and between devices."""

import numpy as np
import pytest

import fxad
import fxad.numpy as fnp
from fxad.backends import Device
from fxad.errors import ArgumentTypeError, DeviceError
from fxad.ops.transfer import device_put
from fxad.test_util import check_grads

X = np.arange(1.0, 4.0)


def f(x):
    moved = device_put({"a": x, "b": 2.0}, "cpu")
    return fnp.sum(fnp.sin(moved["a"]) * moved["b"])


def test_values():
    assert device_put(X, "cpu") is X
    assert device_put(X) is X or fxad.default_backend() == "cupy"
    with pytest.raises(ArgumentTypeError, match=r"\[device_put\] got a str"):
        device_put("text")
    with pytest.raises(DeviceError, match=r"\[device\] got cpu:9"):
        device_put(X, "cpu:9")


def test_it_is_differentiable():
    np.testing.assert_allclose(fxad.grad(f)(X), 2 * np.cos(X))
    np.testing.assert_allclose(fxad.hessian(f)(X), np.diag(-2 * np.sin(X)), atol=1e-15)
    np.testing.assert_allclose(fxad.jvp(f, (X,), (X,))[1], np.sum(2 * X * np.cos(X)))
    np.testing.assert_allclose(fxad.jit(fxad.grad(f))(X), 2 * np.cos(X))
    check_grads(f, (X,), order=2)


def test_it_is_batched():
    out = fxad.vmap(lambda row: device_put(row, "cpu") * 2, in_axes=1)(np.ones((2, 3)))
    np.testing.assert_array_equal(out, np.full((3, 2), 2.0))


def test_it_is_staged_with_its_device():
    text = str(fxad.make_jaxpr(lambda x: device_put(x, Device("cpu")))(X))
    assert "device_put[device=cpu:0" in text


@pytest.mark.gpu
def test_gradients_come_back_to_the_device_of_their_input():
    def to_gpu(x):
        return fnp.sum(fnp.sin(device_put(x, "gpu")))

    gradient = fxad.grad(to_gpu)(X)
    assert isinstance(gradient, np.ndarray)
    np.testing.assert_allclose(gradient, np.cos(X))
    on_gpu = device_put(X, "gpu")
    gradient = fxad.grad(f)(on_gpu)
    assert fxad.backends.device_of(gradient).platform == "gpu"
    np.testing.assert_allclose(fxad.device_get(gradient), 2 * np.cos(X))
