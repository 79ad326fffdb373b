"""Compiles CUDA C++ with g++ against the shim in include/ and launches it over NumPy arrays."""

from __future__ import annotations

import contextlib
import ctypes
import functools
import hashlib
import itertools
import os
import re
import shutil
import struct
import subprocess
import sys
import tempfile
import threading
from pathlib import Path

import numpy as np

from fxad.backends.nvrtc import cache_directory, kernel_folder, read_source

INCLUDE = Path(__file__).with_name("include")
FLAGS = ("-std=c++17", "-O1", "-g1", "-w", "-fPIC", "-fvisibility=hidden", "-fno-gnu-unique")
FLAGS += ("-fno-strict-aliasing", "-ffp-contract=off", "-fwrapv")
SANITIZE = ("-fsanitize=address,undefined", "-fno-sanitize-recover=all", "-fno-omit-frame-pointer")
CANARY = 256  # bytes beside each array that a kernel must leave alone
MAX_SHARED = 227 << 10


class EmulatorError(AssertionError):
    """The kernel does what CUDA does not allow, or the launch does not fit the kernel."""


class Kernel:
    """A CUDA kernel that runs on the CPU.

    Args:
        source: a path of a ``.cu`` file, the stem of one in ``kernels/``, or CUDA C++ itself.
        name: the kernel: a function, or an instance such as ``reduce<float, 256>``.
        sanitize: run in a process of its own under AddressSanitizer and UBSan, which see every
            access outside of arrays, shared memory and stacks, and every undefined operation.
        options: further flags for g++, such as ``-DTILE=16``.
    """

    def __init__(self, source, name, *, sanitize=False, options=()):
        self._attach(_build(_source(source), (name,), sanitize, tuple(options)), name, 0, sanitize)

    def _attach(self, binary, name, number, sanitize):
        self.name, self.number, self.sanitize, self._binary = name, number, sanitize, binary
        self._library = None if sanitize else _load(binary)
        if sanitize:
            signature = _run([binary, str(number)])
        else:
            signature = self._library.emulator_signature(number)
        self.signature = tuple(signature.decode().split())

    def launch(self, grid, block, args, shared=0, seed=0, resident=4, switches=10**8):
        """Runs the kernel; arrays behind pointers that are not const are changed in place.

        Args:
            grid: blocks along up to three axes.
            block: threads along up to three axes.
            args: NumPy arrays for pointers, numbers for the rest.
            shared: bytes of dynamic shared memory.
            seed: the order in which threads run.
            resident: how many blocks run at a time.
            switches: after so many switches between threads a launch is taken to hang.

        Raises:
            EmulatorError: what the kernel did, with block, thread and line.
        """
        shape = _launch_shape(grid, block, shared)
        values = [_checked(self, i, *pair) for i, pair in enumerate(_zip(self, args))]
        head = struct.pack("<6I4Q", *shape, shared, seed, resident, switches)
        run = self._run_sanitized if self.sanitize else self._run_here
        results = run(head, values)
        for code, x, value, result in zip(self.signature, args, values, results, strict=True):
            if code.startswith("c*") and not np.array_equal(value, result):
                raise EmulatorError(f"{self.name} wrote to an array behind a pointer to const")
            if code.startswith("*"):
                x.reshape(-1).view(np.uint8)[...] = result

    def _run_here(self, head, values):
        pads = np.full(CANARY, 0xA5, np.uint8)
        buffers = [np.concatenate([pads, value, pads]) for value in values]
        cells = [ctypes.c_void_p(b.ctypes.data + CANARY) for b in buffers]
        pointers = (ctypes.c_void_p * len(values))(
            *(
                ctypes.addressof(cell) if "*" in code else cell.value
                for code, cell in zip(self.signature, cells, strict=True)
            )
        )
        message = ctypes.create_string_buffer(2048)
        with _one_launch:
            failed = self._library.emulator_launch(
                self.number, head, pointers, message, len(message)
            )
        if failed:
            raise EmulatorError(f"{self.name}: {message.value.decode()}")
        for i, buffer in enumerate(buffers):
            if any(not np.array_equal(side, pads) for side in (buffer[:CANARY], buffer[-CANARY:])):
                raise EmulatorError(f"{self.name} wrote outside of argument {i}")
        return [buffer[CANARY:-CANARY] for buffer in buffers]

    def _run_sanitized(self, head, values):
        with tempfile.NamedTemporaryFile(suffix=".launch") as file:
            file.write(head + struct.pack("<Q", len(values)))
            for code, value in zip(self.signature, values, strict=True):
                file.write(struct.pack("<2Q", "*" in code, value.nbytes) + value.tobytes())
            file.flush()
            data = _run([self._binary, str(self.number), file.name])
        ends = np.cumsum([0, *(value.nbytes for value in values)])
        return [np.frombuffer(data, np.uint8)[a:b] for a, b in itertools.pairwise(ends)]


def kernels(source, names, *, sanitize=False, options=()):
    """Several kernels of one source, compiled once: by name."""
    binary = _build(_source(source), tuple(names), sanitize, tuple(options))
    found = {}
    for number, name in enumerate(names):
        found[name] = Kernel.__new__(Kernel)
        found[name]._attach(binary, name, number, sanitize)
    return found


_one_launch = threading.Lock()


def available():
    """Whether there is a compiler to build kernels with."""
    return sys.platform == "linux" and shutil.which("g++") is not None


@functools.cache
def nvidia_include():
    """The folder of NVIDIA's own headers (cuda_fp16.h), if they are installed."""
    roots = [os.environ.get("CUDA_HOME", ""), os.environ.get("CUDA_PATH", ""), "/usr/local/cuda"]
    roots += map(str, sorted(Path("/usr/local").glob("cuda-*"), reverse=True))
    folders = (Path(root) / "include" for root in roots if root)
    return next((folder for folder in folders if (folder / "cuda_fp16.h").is_file()), None)


def _source(source):
    text = str(source)
    if "\n" in text:
        return read_source_text(text)
    path = Path(text) if text.endswith(".cu") else kernel_folder() / f"{text}.cu"
    return read_source(path.stem, path.parent)


def read_source_text(text):
    """CUDA C++ given as a string, with headers from the folder of kernels."""
    with tempfile.TemporaryDirectory() as folder:
        Path(folder, "kernel.cu").write_text(text)
        for header in kernel_folder().rglob("*.cuh"):
            target = Path(folder) / header.relative_to(kernel_folder())
            target.parent.mkdir(exist_ok=True)
            target.write_text(header.read_text())
        return read_source("kernel", Path(folder))


_SHARED = re.compile(r"(extern\s+)?\b(?:static\s+)?__shared__\s+([^;]+);")
_ALIGNMENT = re.compile(r"\b(?:__align__|alignas)\s*\(\s*\w+\s*\)\s*")
_DECLARATION = re.compile(
    r"(?P<type>.*?[\w>*&\s])\b(?P<name>\w+)\s*(?P<shape>(?:\[[^\]]*\]\s*)*)", re.DOTALL
)


def rewrite_shared(text):
    """Makes each ``__shared__`` variable a reference into memory that the emulator hands out."""

    def declaration(match):
        body = _ALIGNMENT.sub("", match[2])
        parts = _DECLARATION.fullmatch(body.strip())
        if parts is None or "," in parts["name"] + parts["shape"]:
            raise EmulatorError(f"declare one variable at a time: __shared__ {match[2]};")
        kind, name, shape = parts["type"].strip(), parts["name"], parts["shape"].strip()
        if match[1]:
            new = f"{kind}* {name} = ::emulator::dynamic_shared<{kind}>();"
        else:
            site = "[]{ static char site; return &site; }()"
            new = f"auto& {name} = ::emulator::shared<{kind}{shape}>({site});"
        return new + "\n" * match[0].count("\n")  # lines keep their numbers

    return _SHARED.sub(declaration, text)


_MAIN = """
#line 1 "kernels"
namespace {
struct Entry {
    std::string (*signature)();
    void (*call)(void**);
} const kernels[] = {
%s
};
}  // namespace
#include "main.h"
"""
_ENTRY = (
    "    {[] { return emulator::signature(%s); }, [](void** args) { emulator::call(%s, args); }},"
)


def _build(source, names, sanitize, options):
    """The shared object of kernels, or their program with sanitizers: from the cache if there."""
    if not available():
        raise EmulatorError("the emulator needs g++")
    flags = [*FLAGS, *options, *(SANITIZE if sanitize else ("-shared",))]
    texts = (source.text, *dict(source.headers).values())
    if any(re.search(r"#\s*include\s*<cuda_", text) for text in texts):
        if nvidia_include() is None:
            raise EmulatorError(f"{source.name} includes NVIDIA's headers, which are not installed")
        flags += ["-DEMULATOR_NVIDIA_HEADERS", f"-isystem{nvidia_include()}"]
    shim = [path.read_text() for path in sorted(INCLUDE.iterdir())]
    key = hashlib.sha256(repr((source, names, flags, shim, _MAIN)).encode()).hexdigest()[:32]
    binary = _folder() / f"{source.name}-{key}{'' if sanitize else '.so'}"
    if not binary.exists():
        with tempfile.TemporaryDirectory(dir=binary.parent) as folder:
            built = _compile(Path(folder), source, names, flags)
            os.replace(built, binary)
    return str(binary)


def _folder():
    """Where binaries are kept: beside other compiled code, or where that cannot be written."""
    for parent in (cache_directory(), Path(tempfile.gettempdir()) / "fxad"):
        folder = parent / "emulator"
        with contextlib.suppress(OSError):
            folder.mkdir(parents=True, exist_ok=True)
            if os.access(folder, os.W_OK):
                return folder
    raise EmulatorError(f"the emulator can write neither to {cache_directory()} nor to {folder}")


def _compile(folder, source, names, flags):
    for header, text in source.headers:
        path = folder / header
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(f'#line 1 "{header}"\n{rewrite_shared(text)}')
    main = folder / "main.cpp"
    body = f'#line 1 "{source.name}"\n{rewrite_shared(source.text)}'
    entries = "\n".join(_ENTRY % (name, name) for name in names)
    main.write_text(f'#include "emulator.h"\n{body}{_MAIN % entries}')
    built = folder / "built"
    command = ["g++", *flags, f"-I{INCLUDE}", f"-I{folder}", "-o", built, main]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        raise EmulatorError(f"g++ could not compile {source.name}:\n{done.stderr}")
    return built


@functools.cache
def _load(binary):
    library = ctypes.CDLL(binary)
    library.emulator_signature.restype = ctypes.c_char_p
    library.emulator_launch.argtypes = [
        ctypes.c_int,
        ctypes.c_char_p,
        ctypes.c_void_p,
        ctypes.c_char_p,
        ctypes.c_size_t,
    ]
    return library


def _run(command):
    sanitizers = {"ASAN_OPTIONS": "detect_leaks=0", "UBSAN_OPTIONS": "print_stacktrace=1"}
    done = subprocess.run(
        command, capture_output=True, env={**os.environ, **sanitizers}, check=False
    )
    if done.returncode:
        raise EmulatorError(done.stderr.decode(errors="replace").strip())
    return done.stdout


def _launch_shape(grid, block, shared):
    grid, block = ((*shape, 1, 1)[:3] for shape in (grid, block))
    threads = int(np.prod(block))
    if not (1 <= threads <= 1024 and min(block) >= 1 and block[2] <= 64):
        raise EmulatorError(f"got a block of {block}, wanted 1 to 1024 threads, at most 64 along z")
    if not (min(grid) >= 1 and max(grid[1:]) <= 65535 and grid[0] < 2**31):
        raise EmulatorError(f"got a grid of {grid}, which CUDA does not launch")
    if not 0 <= shared <= MAX_SHARED:
        raise EmulatorError(f"got {shared} bytes of shared memory, wanted at most {MAX_SHARED}")
    return (*grid, *block)


def _zip(kernel, args):
    if len(args) != len(kernel.signature):
        raise EmulatorError(
            f"{kernel.name} takes {len(kernel.signature)} arguments, got {len(args)}"
        )
    return zip(kernel.signature, args, strict=True)


def _checked(kernel, position, code, x):
    """The bytes of an argument, which must be what the parameter's type says."""

    def misfit(wanted):
        got = f"an array of {x.dtype}" if isinstance(x, np.ndarray) else repr(x)
        return EmulatorError(f"{kernel.name} got {got} as argument {position}, wanted {wanted}")

    kind, _, target = code.rpartition("*")
    size = int(target[1:])
    if "*" in code:
        if not isinstance(x, np.ndarray) or not x.flags.c_contiguous:
            raise misfit("a contiguous array")
        if kind != "c" and not x.flags.writeable:
            raise misfit("an array that can be written")
        fits = x.dtype.kind + str(x.dtype.itemsize) == target if target[0] != "V" else True
        if not fits or x.nbytes % size:
            raise misfit(f"elements of {target}")
        return np.frombuffer(x.tobytes(), np.uint8)
    if target[0] == "V":
        value = np.asarray(x)
        if value.nbytes != size:
            raise misfit(f"a structure of {size} bytes")
        return np.frombuffer(value.tobytes(), np.uint8)
    if isinstance(x, np.generic) and x.dtype.kind + str(x.dtype.itemsize) != target:
        raise misfit(f"a number of type {target}")
    try:
        value = np.array(x, np.dtype(target))
    except OverflowError as error:
        raise misfit(f"a number of type {target}") from error
    return np.frombuffer(value.tobytes(), np.uint8)
