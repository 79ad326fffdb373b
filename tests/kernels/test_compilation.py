"""Every CUDA source compiles for every architecture, without warnings and without spills."""

import importlib.util
import re

import pytest

from fxad.backends import nvrtc

ARCHITECTURES = (80, 90, 100, 120)
NAMES = sorted(path.stem for path in nvrtc.kernel_folder().glob("*.cu"))

pytestmark = pytest.mark.skipif(
    importlib.util.find_spec("cupy_backends") is None,
    reason="NVRTC is reached through CuPy, which is not installed",
)


def test_there_are_kernels():
    assert "threefry" in NAMES


@pytest.mark.parametrize("arch", ARCHITECTURES)
@pytest.mark.parametrize("name", NAMES)
def test_compiles_without_warnings_and_spills(name, arch):
    source = nvrtc.read_source(name)
    code, log = nvrtc.compile_source(source, arch, ["--ptxas-options=-v"])
    entries = re.findall(r"Compiling entry function '(\w+)' for 'sm_(\d+)'", log)
    spills = re.findall(r"(\d+) bytes spill stores, (\d+) bytes spill loads", log)
    assert code.startswith(b"\x7fELF")
    assert entries
    assert {found for _, found in entries} == {str(arch)}
    assert len(spills) == len(entries)
    assert set(spills) == {("0", "0")}, log
    assert "warning" not in log


def test_a_spill_would_be_seen():
    body = "\n".join(f"    x{i} = x{i} * y + {i}.5f;" for i in range(200))
    loads = "\n".join(f"    float x{i} = x[{i}];" for i in range(200))
    stores = "\n".join(f"    x[{i}] = x{i};" for i in range(200))
    text = (
        'extern "C" __global__ void __launch_bounds__(1024, 2) wide(float* x, float y, int n) {\n'
        f"{loads}\n    for (int i = 0; i < n; ++i) {{\n{body}\n    }}\n{stores}\n}}\n"
    )
    _, log = nvrtc.compile_source(nvrtc.Source("wide.cu", text), 90, ["--ptxas-options=-v"])
    assert re.search(r"[1-9]\d* bytes spill stores", log)
