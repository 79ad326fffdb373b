"""Settings: checked, cheap, thread-local where overridden, and set by the environment."""

import asyncio
import os
import subprocess
import sys
import threading
from types import SimpleNamespace

import numpy as np
import pytest

import fxad.config as config
import fxad.switches as switches
from fxad.errors import ConfigError, FxadError


def state_of(name):
    return next(state for state in config.settings() if state.name == name)


@pytest.fixture(autouse=True)
def as_found():
    """Every test leaves the process's settings as it found them."""
    before = {state.name: state.value for state in config.settings()}
    yield
    for name, value in before.items():
        config.update(name, value)


def run_python(code, **environment):
    variables = {key: value for key, value in os.environ.items() if not key.startswith("FXAD_")}
    return subprocess.run(
        [sys.executable, "-c", code],
        env={**variables, **environment},
        capture_output=True,
        text=True,
        timeout=60,
    )


SHOW = "import fxad.config as c; print({s.name: (s.value, s.source) for s in c.settings()})"


def test_the_defaults_of_a_fresh_process():
    shown = run_python(SHOW)
    assert shown.returncode == 0, shown.stderr
    assert eval(shown.stdout, {"dtype": np.dtype}) == {
        "backend": ("auto", "default"),
        "default_float": (np.dtype("float64"), "default"),
        "default_device": (None, "default"),
        "strict_devices": (False, "default"),
        "strict_gpu": (False, "default"),
        "disable_jit": (False, "default"),
        "check_mutation": (False, "default"),
        "checking_leaks": (False, "default"),
        "safe_where": (False, "default"),
        "debug_nans": (False, "default"),
        "debug_infs": (False, "default"),
        "check_jaxprs": (False, "default"),
        "log_compiles": (False, "default"),
        "explain_cache_misses": (False, "default"),
        "traceback_filtering": ("remove_frames", "default"),
    }


def test_the_environment_sets_and_says_so():
    shown = run_python(
        SHOW,
        FXAD_BACKEND="NumPy",
        FXAD_DEFAULT_FLOAT="float32",
        FXAD_DISABLE_JIT="on",
        FXAD_STRICT_GPU="0",
        FXAD_DEFAULT_DEVICE="cuda:1",
        FXAD_CHECK_JAXPRS="",
    )
    assert shown.returncode == 0, shown.stderr
    values = eval(shown.stdout, {"dtype": np.dtype})
    assert values["backend"] == ("numpy", "environment FXAD_BACKEND")
    assert values["default_float"] == (np.float32, "environment FXAD_DEFAULT_FLOAT")
    assert values["disable_jit"] == (True, "environment FXAD_DISABLE_JIT")
    assert values["strict_gpu"] == (False, "environment FXAD_STRICT_GPU")
    assert values["default_device"] == ("gpu:1", "environment FXAD_DEFAULT_DEVICE")
    assert values["check_jaxprs"] == (False, "default")


@pytest.mark.parametrize(
    ("variable", "value", "permitted"),
    [
        ("FXAD_BACKEND", "cuda", "'auto', 'numpy' and 'cupy'"),
        ("FXAD_DEFAULT_FLOAT", "int32", "float16, float32 and float64"),
        ("FXAD_DISABLE_JIT", "2", "1, true, yes, on and 0, false, no, off"),
        ("FXAD_DEFAULT_DEVICE", "tpu", "'cpu', 'gpu', 'gpu:N'"),
    ],
)
def test_a_wrong_environment_value_stops_the_import(variable, value, permitted):
    shown = run_python("import fxad.config", **{variable: value})
    assert shown.returncode == 1
    last = shown.stderr.strip().splitlines()[-1]
    assert last.startswith("fxad.errors.ConfigError: [config]")
    assert variable in last
    assert repr(value) in last
    assert permitted in last


def test_update_changes_the_process_and_names_itself():
    config.update("default_float", np.float32)
    assert config.default_float == np.dtype("float32")
    assert isinstance(config.default_float, np.dtype)
    assert state_of("default_float").source == "config.update"
    seen = []
    thread = threading.Thread(target=lambda: seen.append(config.default_float))
    thread.start()
    thread.join()
    assert seen == [np.float32]


def test_assignment_is_a_checked_update():
    config.strict_gpu = True
    assert config.strict_gpu is True
    assert state_of("strict_gpu").value is True
    with pytest.raises(ConfigError, match="permitted are True and False"):
        config.strict_gpu = "perhaps"
    assert config.strict_gpu is True


@pytest.mark.parametrize(
    ("name", "given", "kept"),
    [
        ("backend", " CuPy ", "cupy"),
        ("default_float", "float16", np.dtype("float16")),
        ("default_float", np.dtype(np.float64), np.dtype("float64")),
        ("default_float", float, np.dtype("float64")),
        ("default_device", "CUDA:2", "gpu:2"),
        ("default_device", "gpu", "gpu"),
        ("default_device", "cpu:0", "cpu"),
        ("default_device", None, None),
        ("default_device", SimpleNamespace(id=3), "gpu:3"),
        ("default_device", SimpleNamespace(platform="cpu", id=0), "cpu"),
        ("disable_jit", 1, True),
        ("disable_jit", "off", False),
        ("disable_jit", np.True_, True),
    ],
)
def test_values_are_brought_to_one_form(name, given, kept):
    config.update(name, given)
    assert getattr(config, name) == kept
    assert type(getattr(config, name)) is type(kept)


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("backend", "torch"),
        ("backend", None),
        ("default_float", "int64"),
        ("default_float", "complex128"),
        ("default_float", None),
        ("default_float", "float128x"),
        ("default_float", ">f4"),
        ("default_device", "gpu:x"),
        ("default_device", "cpu:1"),
        ("default_device", 1),
        ("disable_jit", None),
        ("disable_jit", 2),
        ("disable_jit", 0.0),
        ("disable_jit", [True]),
    ],
)
def test_a_wrong_value_is_named_and_changes_nothing(name, value):
    before = config.settings(), config.trace_key()
    with pytest.raises(ConfigError) as error:
        config.update(name, value)
    message = str(error.value)
    assert message.startswith(f"[config] config.update got {value!r} for the setting {name}: ")
    assert state_of(name).permitted in message
    with pytest.raises(ConfigError), config.override(strict_gpu=True, **{name: value}):
        pass
    assert (config.settings(), config.trace_key()) == before


@pytest.mark.parametrize(
    ("name", "hint"),
    [
        ("jax_enable_x64", "float64 is the default already; 'default_float' sets another"),
        ("jax_disable_jit", "here it is 'disable_jit'"),
        ("jax_platform_name", "here it is 'backend'"),
    ],
)
def test_names_of_jax_get_the_ones_here(name, hint):
    with pytest.raises(ConfigError, match=f"got the unknown setting '{name}': {hint}"):
        config.update(name, True)


def test_an_unknown_name_gets_close_ones():
    with pytest.raises(ConfigError, match="unknown setting 'default_flaot': did you mean default_"):
        config.update("default_flaot", "float32")
    with pytest.raises(ConfigError, match=r"unknown setting 'zzz': there are backend, default_"):
        config.update("zzz", 1)
    with (
        pytest.raises(ConfigError, match="did you mean disable_jit"),
        config.override(disabel_jit=True),
    ):
        pass
    with pytest.raises(AttributeError, match="no setting 'strict_gpus': did you mean strict_gpu"):
        _ = config.strict_gpus
    with pytest.raises(AttributeError, match="there is no setting 'upd'"):
        _ = config.upd
    assert not hasattr(config, "_nothing")
    assert issubclass(ConfigError, FxadError)
    assert issubclass(ConfigError, ValueError)


def test_override_ends_with_its_block_also_by_an_exception():
    before = config.default_float, config.disable_jit
    with pytest.raises(KeyError), config.override(default_float="float16", disable_jit=True):
        assert (config.default_float, config.disable_jit) == (np.float16, True)
        assert state_of("disable_jit").source == "config.override"
        raise KeyError
    assert (config.default_float, config.disable_jit) == before
    assert state_of("disable_jit").source != "config.override"


def test_overrides_nest():
    with config.override(default_float="float32"):
        with config.override(disable_jit=True):
            assert (config.default_float, config.disable_jit) == (np.float32, True)
            with config.override(default_float="float16", disable_jit=False):
                assert (config.default_float, config.disable_jit) == (np.float16, False)
            assert (config.default_float, config.disable_jit) == (np.float32, True)
        assert config.disable_jit is False


def test_an_override_decorates_a_function():
    @config.override(disable_jit=True)
    def inside():
        return config.disable_jit

    assert [inside(), config.disable_jit, inside()] == [True, False, True]


def test_an_update_within_an_override_shows_after_it():
    config.update("default_float", "float64")
    with config.override(default_float="float32"):
        config.update("default_float", "float16")
        config.update("strict_gpu", True)
        assert config.default_float == np.float32
        assert config.strict_gpu is True
    assert config.default_float == np.float16


def test_an_override_is_the_threads_own():
    inside, leave = threading.Event(), threading.Event()
    seen = {}

    def other():
        with config.override(default_float="float16"):
            inside.set()
            leave.wait(10)
            seen["other"] = config.default_float, config.trace_key()

    config.update("default_float", "float64")
    key = config.trace_key()
    thread = threading.Thread(target=other)
    thread.start()
    assert inside.wait(10)
    assert config.default_float == np.float64
    assert config.trace_key() == key
    with config.override(default_float="float32"):
        assert config.default_float == np.float32
        leave.set()
        thread.join(10)
        assert config.default_float == np.float32
    assert seen["other"][0] == np.float16
    assert seen["other"][1] != key
    assert config.default_float == np.float64


def test_tasks_inherit_and_keep_their_own():
    async def child(value):
        inherited = config.default_float
        with config.override(default_float=value):
            await asyncio.sleep(0)
            return inherited, config.default_float

    async def parent():
        with config.override(default_float="float32"):
            return await asyncio.gather(child("float16"), child("float64"))

    assert asyncio.run(parent()) == [(np.float32, np.float16), (np.float32, np.float64)]


def test_many_threads_at_once_leave_nothing_behind():
    wrong = []

    def work(value):
        for _ in range(300):
            with config.override(default_float=value, disable_jit=True):
                if config.default_float != np.dtype(value) or not config.disable_jit:
                    wrong.append(value)

    before = config.settings()
    names = ["float16", "float32", "float64"] * 2
    threads = [threading.Thread(target=work, args=(name,)) for name in names]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    assert not wrong
    assert config.settings() == before
    assert "default_float" in vars(config)  # the plain attribute is back


def test_the_trace_key_follows_what_tracing_depends_on():
    config.update("default_float", "float64")
    key = config.trace_key()
    assert config.trace_key() is key
    with config.override(disable_jit=True, check_jaxprs=True):
        assert config.trace_key() == key
    for name, value in [
        ("default_float", "float32"),
        ("backend", "numpy"),
        ("default_device", "cpu"),
        ("strict_devices", True),
        ("strict_gpu", True),
    ]:
        with config.override(backend="auto", default_device=None), config.override(**{name: value}):
            assert config.trace_key() != key, name
            assert hash(config.trace_key()) == hash(config.trace_key())
    with config.override(default_float="float32"):
        inner = config.trace_key()
        assert config.trace_key() is inner
        config.update("strict_gpu", True)
        assert config.trace_key() != inner
    config.update("strict_gpu", False)
    assert config.trace_key() == key


def test_the_switches_are_overrides():
    config.update("default_float", "float64")
    with switches.disable_jit():
        assert config.disable_jit is True
        with switches.disable_jit(False):
            assert config.disable_jit is False
    with switches.checking_leaks():
        assert config.checking_leaks is True
    with switches.safe_where():
        assert config.safe_where is True
    with switches.default_device("cuda:1"):
        assert config.default_device == "gpu:1"
    with switches.enable_x64(False):
        assert config.default_float == np.float32
        with switches.enable_x64():
            assert config.default_float == np.float64
    with pytest.raises(ConfigError, match="for the setting default_device"):
        switches.default_device("tpu").__enter__()
    assert switches.check_tracer_leaks is switches.checking_leaks


def test_every_setting_documents_itself():
    for state in config.settings():
        assert state.doc
        assert state.permitted
        assert state.variable == f"FXAD_{state.name.upper()}"
        assert state.name in config.__annotations__
