"""Devices, transfers, DLPack, and which backend an operation goes to."""

import dataclasses
import pickle
import subprocess
import sys

import numpy as np
import pytest

import fxad.dlpack
from fxad import backends, config
from fxad.backends import Device
from fxad.backends.registry import register_backend, resolve
from fxad.errors import (
    ArgumentTypeError,
    ArgumentValueError,
    ConfigError,
    DeviceError,
    MissingDependencyError,
)
from tests.conftest import NO_GPU

CPU = Device("cpu", 0)


# Device


def test_a_device_is_a_value():
    assert Device("cpu") == CPU
    assert hash(CPU) == hash(Device("cpu"))
    assert Device("gpu", 1) != Device("gpu", 0)
    assert sorted([Device("gpu", 1), CPU, Device("gpu", 0)])[0] == CPU
    assert str(CPU) == "cpu:0"
    assert str(Device("gpu", 1)) == "cuda:1"
    assert repr(Device("gpu", 1)) == "Device('cuda:1')"
    assert pickle.loads(pickle.dumps(CPU)) == CPU
    with pytest.raises(dataclasses.FrozenInstanceError):
        CPU.id = 1


def test_the_cpu():
    assert backends.devices("cpu") == backends.devices("numpy") == [CPU]
    assert backends.local_devices("cpu") == [CPU]
    assert backends.device_count("cpu") == 1
    assert CPU.device_kind
    assert CPU.memory_stats() is None


def test_unknown_names():
    with pytest.raises(ArgumentValueError, match=r"\[backend\] got 'tpu', wanted one of 'numpy'"):
        backends.devices("tpu")
    with pytest.raises(DeviceError, match=r"\[device\] got cpu:3, and the number of"):
        backends.device_put(1.0, "cpu:3")
    with pytest.raises(ArgumentTypeError, match=r"\[device\] got a int, wanted a Device"):
        backends.device_put(1.0, 3)


@pytest.mark.skipif(NO_GPU is None, reason="this machine has a GPU")
def test_without_a_gpu():
    assert backends.gpu_count() == 0
    with config.override(backend="auto", default_device=None):
        assert backends.default_backend() == "numpy"
    with pytest.raises((DeviceError, MissingDependencyError)):
        backends.device_put(np.ones(2), "gpu")


def test_the_default_backend_needs_no_cupy():
    code = (
        "import sys; sys.modules['cupy'] = None; from fxad import backends\n"
        "assert backends.default_backend() == 'numpy' and backends.devices() != []\n"
        "assert backends.device_put([1.0, 2])[0].shape == ()\n"
        "try: backends.devices('gpu')\n"
        "except ImportError as error: assert '`pip install cupy-cuda13x`' in str(error), error\n"
        "else: raise AssertionError"
    )
    subprocess.run([sys.executable, "-W", "error", "-c", code], check=True)


def test_default_device():
    with config.override(backend="numpy"):
        with backends.default_device("cpu") as device:
            assert device == CPU
            assert config.default_device == "cpu"
            assert backends.default_backend() == "numpy"
            with backends.default_device(None) as none:
                assert none is None
                assert config.default_device is None
        assert config.default_device is None
        with backends.default_device(CPU):
            assert backends.default_xp() is backends.numpy.xp


def test_the_backend_setting_decides():
    with config.override(backend="numpy", default_device=None):
        assert backends.default_backend() == "numpy"
    with config.override(backend="cupy", default_device=None):
        assert backends.default_backend() == "cupy"
    with config.override(backend="cupy", default_device="cpu"):
        assert backends.default_backend() == "numpy"
    with pytest.raises(ConfigError):
        config.update("backend", "jax")


# Transfers


@pytest.fixture
def on_cpu():
    with config.override(backend="numpy", default_device=None):
        yield


@pytest.mark.usefixtures("on_cpu")
def test_device_put():
    x = np.arange(3.0)
    tree = {"x": x, "y": (2.0, 3, True, 1j, np.float32(1)), "z": None}
    out = backends.device_put(tree)
    assert out["x"] is x
    assert out["z"] is None
    assert [y.dtype.name for y in out["y"]] == ["float64", "int64", "bool", "complex128", "float32"]
    assert all(isinstance(y, np.ndarray) for y in out["y"])
    with config.override(default_float="float32"):
        assert backends.device_put(2.0).dtype == np.float32
        assert backends.device_put(2j).dtype == np.complex64
        assert backends.device_put(np.float64(2)).dtype == np.float64
    with pytest.raises(ArgumentTypeError, match=r"\[device_put\] got a str"):
        backends.device_put({"a": "text"})


def test_device_get_and_copy_to_host():
    x = np.arange(3.0)
    assert backends.device_get((x, 2.0, "text")) == (x, 2.0, "text")
    assert backends.device_get([x])[0] is x
    copy = backends.copy_to_host(x)
    np.testing.assert_array_equal(copy, x)
    assert not np.shares_memory(copy, x)
    assert isinstance(backends.copy_to_host(1.0), np.ndarray)
    with pytest.raises(ArgumentTypeError, match=r"\[copy_to_host\] got a list"):
        backends.copy_to_host([1.0])


def test_device_of_and_block_until_ready():
    tree = [np.ones(2), {"a": 1.0, "b": "text"}]
    assert backends.block_until_ready(tree) is tree
    assert backends.device_of(np.ones(2)) == CPU
    assert backends.device_of(1.0) == CPU
    with pytest.raises(ArgumentTypeError, match=r"\[device_of\] got a dict"):
        backends.device_of({})


# Resolve


@pytest.mark.usefixtures("on_cpu")
def test_resolve_numpy():
    x = np.ones(3)
    xp, args = resolve((x, 1.0, np.float32(2)), "add")
    assert xp is backends.numpy.xp
    assert args[0] is x
    assert type(args[1]) is float
    assert resolve(())[0] is backends.numpy.xp
    assert resolve((1.0,))[0] is backends.numpy.xp


@pytest.mark.usefixtures("on_cpu")
def test_resolve_takes_numbers_of_other_libraries_dtypes():
    ml_dtypes = pytest.importorskip("ml_dtypes", reason="bfloat16 comes with JAX")
    assert resolve((ml_dtypes.bfloat16(1), np.ones(3)))[0] is backends.numpy.xp


@pytest.mark.filterwarnings("ignore::PendingDeprecationWarning")
def test_resolve_strips_subclasses(tmp_path):
    mapped = np.memmap(tmp_path / "x", np.float64, "w+", shape=(3,))
    _, (a, b) = resolve((mapped, np.matrix([[1.0]])))
    assert type(a) is np.ndarray
    assert np.shares_memory(a, mapped)
    assert type(b) is np.ndarray


def test_resolve_refuses_what_is_no_array():
    with pytest.raises(ArgumentTypeError, match=r"^\[sin\] got a list, wanted an array"):
        resolve(([1.0, 2.0],), "sin")
    with pytest.raises(ArgumentTypeError, match="asarray"):
        resolve((np.ones(2), "text"), "add")
    with pytest.raises(ArgumentTypeError, match=r"(?s)got a numpy.MaskedArray.*filled"):
        resolve((np.ma.masked_array([1.0], [True]),), "sin")
    torch = pytest.importorskip("torch")
    with pytest.raises(ArgumentTypeError, match=r"(?s)got a torch.Tensor.*from_dlpack"):
        resolve((torch.ones(2),), "sin")


def test_errors_name_the_users_line():
    with pytest.raises(ArgumentTypeError, match=r"test_devices.py:\d+: resolve"):
        resolve(([1.0],), "sin")


def test_a_backend_of_ones_own(monkeypatch):
    monkeypatch.setattr(backends.registry, "_MODULES", dict(backends.registry._MODULES))
    monkeypatch.setattr(backends.registry, "_ALIASES", dict(backends.registry._ALIASES))
    register_backend("mine", "my_backend_that_is_not_there", "numpy", "mine")
    assert "mine" in backends.backend_names()
    with pytest.raises(MissingDependencyError, match="my_backend_that_is_not_there"):
        backends.devices("mine")


# DLPack


class Fake:
    """An array that claims to live on a device of some kind."""

    def __init__(self, kind):
        self.kind = kind

    def __dlpack__(self, **kwargs):
        raise AssertionError("never read")

    def __dlpack_device__(self):
        return (self.kind, 0)


def test_from_dlpack_shares_memory():
    torch = pytest.importorskip("torch")
    t = torch.arange(3.0)
    x = fxad.dlpack.from_dlpack(t)
    assert isinstance(x, np.ndarray)
    assert x.dtype == np.float32
    t[0] = 7
    assert x[0] == 7
    own = fxad.dlpack.from_dlpack(t, copy=True)
    t[0] = 8
    assert own[0] == 7
    assert fxad.dlpack.from_dlpack(t, device="cpu", copy=False)[0] == 8


def test_from_dlpack_of_jax():
    jnp = pytest.importorskip("jax.numpy")
    np.testing.assert_array_equal(fxad.dlpack.from_dlpack(jnp.arange(3)), np.arange(3))


def test_from_dlpack_errors():
    with pytest.raises(ArgumentTypeError, match=r"\[from_dlpack\] got a list, wanted"):
        fxad.dlpack.from_dlpack([1.0])
    with pytest.raises(DeviceError, match=r"\[from_dlpack\] got memory of a device of kind 8"):
        fxad.dlpack.from_dlpack(Fake(8))
    with pytest.raises(DeviceError, match=r"got memory on cuda:0 and copy=False, wanted .* cpu:0"):
        fxad.dlpack.from_dlpack(Fake(2), device="cpu", copy=False)


def test_to_dlpack():
    torch = pytest.importorskip("torch")
    x = np.arange(3.0)
    t = torch.from_dlpack(fxad.dlpack.to_dlpack(x))
    t[0] = 5
    assert x[0] == 5
    assert torch.from_dlpack(fxad.dlpack.to_dlpack(np.float64(2))).item() == 2
    with pytest.raises(ArgumentTypeError, match=r"\[to_dlpack\] got a float"):
        fxad.dlpack.to_dlpack(1.0)
