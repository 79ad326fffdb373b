"""The device of CONTRIBUTING's backend recipe, registered, and the operations to try on it.

A wall around NumPy's arrays and no stand-in for CuPy: it knows none of CuPy's signatures, dtypes or
values.
"""

import sys
import types
from typing import Any

import numpy as np

import fxad
import fxad.tree as tree
from fxad.backends import kernels, register_backend
from tests.documents import ROOT, blocks
from tests.opinfo import OpInfo, table

#: Operations whose results are not on the device of their operands, or that it cannot do.
ELSEWHERE = {
    "device_put": "moves arrays",
    "getitem_mask": "its shapes depend on values",
    "custom_jvp": "its function multiplies by an array on the host, which CuPy refuses too",
    "custom_vjp": "as custom_jvp",
    "jvp_of_custom_vjp": "as custom_jvp",
}


def load_fake() -> Any:
    """The module that the recipe creates, registered as the recipe says."""
    (source,) = (b for b in blocks(ROOT / "CONTRIBUTING.md") if "backends/fake.py" in b.lead)
    module = sys.modules["fake_device"] = types.ModuleType("fake_device")
    exec(compile(source.text, "fake_device.py", "exec"), vars(module))
    register_backend("fake", "fake_device", requires="fake_device", platform="fake")
    return module


fake = load_fake()


def infos() -> list[OpInfo]:
    with_kernels = kernels.registrations().keys()
    return [
        info
        for info in table()
        if info.dtypes
        and info.name not in ELSEWHERE
        and not with_kernels & {primitive.name for primitive in info.primitives}
    ]


def away(arg: Any) -> Any:
    """A pytree with its arrays on the device."""

    def put(x: Any) -> Any:
        return fxad.device_put(x, "fake") if isinstance(x, np.ndarray) else x

    return tree.map(put, arg)
