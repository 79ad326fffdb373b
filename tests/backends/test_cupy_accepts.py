"""What the rules ask of an array module, call by call, CuPy has and takes; without a GPU.

Every operation of the table runs on the device of ``elsewhere``, whose namespace and arrays write
down each function and method with its arguments. CuPy's own functions and methods, which have the
same names, must then take those arguments: positions, keywords, no arrays of the host among them.
Values and dtypes are not asked here: ``test_cupy.py`` and the tests marked ``gpu`` do.
"""

import inspect
import re
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import pytest

import fxad
import fxad.tree as tree
from tests.backends.elsewhere import away, fake, infos
from tests.backends.test_follows_data import SAMPLES, transformed
from tests.opinfo import explained

cp = pytest.importorskip("cupy")
from fxad.backends import cupy as backend  # noqa: E402

Call = tuple[str, tuple[Any, ...], dict[str, Any]]
calls: list[Call] = []


class Recorder:
    """A namespace that writes down the calls of its functions."""

    def __init__(self, space: Any) -> None:
        self._space, self._made = space, {}

    def __getattr__(self, name: str) -> Any:
        if name not in self._made:
            value = getattr(self._space, name)
            plain = isinstance(value, type | np.dtype) or not callable(value)
            self._made[name] = value if plain else recording(f"xp.{name}", value)
        return self._made[name]


def recording(name: str, function: Callable[..., Any]) -> Callable[..., Any]:
    def call(*args: Any, **kwargs: Any) -> Any:
        calls.append((name, args, kwargs))
        return function(*args, **kwargs)

    return call


recorder = Recorder(fake.xp)
attribute_of_array = fake.FakeArray.__getattr__


def recorded_attribute(self: Any, name: str) -> Any:
    value = attribute_of_array(self, name)
    if callable(value):
        return recording(f"array.{name}", value)
    calls.append((f"array.{name}", (), {}))
    return value


@pytest.fixture(autouse=True)
def written_down(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.setattr(fake, "xp", recorder)
    monkeypatch.setattr(fake.FakeArray, "__getattr__", recorded_attribute)
    calls.clear()
    yield


def signature(function: Any) -> inspect.Signature | None:
    """A signature; of what Cython compiled, the one in the first line of its documentation."""
    try:
        return inspect.signature(function)
    except ValueError:
        head = re.match(r"\w+\.\w+(\(self.*?\))(?: ->|$)", function.__doc__ or "", re.MULTILINE)
        if head is None:
            return None
        names = re.sub(r"\b\w+ (?=\w)", "", head[1])  # C types
        made: dict[str, Any] = {}
        exec(f"def method{names}: pass", made)
        return inspect.signature(made["method"])


def problem(call: Call) -> str | None:
    """What CuPy would not take of a call, or None."""
    name, args, kwargs = call
    kind, _, name = name.partition(".")
    owner = backend.xp if kind == "xp" else cp.ndarray
    function = getattr(owner, name, None)
    if function is None:
        return f"CuPy has no {kind}.{name}"
    if getattr(getattr(function, "__code__", None), "co_qualname", "").startswith("host_call."):
        return f"{kind}.{name} runs on the host"
    if isinstance(function, cp.ufunc):
        beyond = kwargs.keys() - {"out", "dtype", "casting"}
        fits = len(args) <= function.nargs and not beyond
        return None if fits else f"xp.{name} takes {function.nargs} operands and no {beyond}"
    found = signature(function) if callable(function) else None
    try:
        if found is not None:
            found.bind(*([None] * (kind == "array")), *args, **kwargs)
    except TypeError as misfit:
        return f"{kind}.{name}{found}: {misfit}"
    return None


@pytest.mark.filterwarnings("ignore::RuntimeWarning")
@pytest.mark.parametrize("info", infos(), ids=str)
def test_cupy_takes_what_the_rules_ask(info, rng):
    dtypes = [d for d in ("float32", "complex64", "int32", "bool") if d in info.dtypes]
    problems = set()
    for dtype in dtypes or info.dtypes[:1]:
        for sample in list(info.samples(rng, np.dtype(dtype)))[:SAMPLES]:
            args = [away(arg) for arg in sample.args]
            if not any(isinstance(x, fake.FakeArray) for x in tree.leaves(args)):
                continue
            with explained(info, sample), np.errstate(all="ignore"):
                for function in transformed(info, sample):
                    function(*args)
            problems |= {found for call in calls if (found := problem(call))}
            calls.clear()
    assert not problems, "\n".join(sorted(problems))


def test_calls_are_written_down_and_held_to_cupys_signatures():
    x = away(np.ones((2, 3)))
    fxad.jit(lambda x: fxad.numpy.sum(fxad.numpy.sin(x)))(x)
    assert {name for name, _, _ in calls} >= {"xp.sin", "array.sum"}
    assert problem(("array.sum", ((0,), np.float32), {})) is None
    assert problem(("array.sum", (), {"where": x})) is not None
    assert problem(("xp.sort", (x,), {"stable": True})) is not None
    assert problem(("xp.sin", (x,), {"where": x})) is not None
    assert problem(("xp.nothing", (), {})) == "CuPy has no xp.nothing"
    assert problem(("xp.vecdot", (x, x), {})) == "xp.vecdot runs on the host"
