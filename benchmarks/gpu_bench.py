"""Derivatives on a GPU beside PyTorch and JAX: ``python -m benchmarks.gpu_bench``.

Every library computes the same work on the same numbers in one process, in turns; the medians of
the wall-clock time of a call, waited for, are compared. Where a library runs on the current CUDA
stream (fxad through CuPy, PyTorch), CUDA events tell beside it how long the GPU itself took. Peers
that are not installed, or find no GPU, are left out. Writes Markdown and JSON into ``$OUT``, else
into ``benchmarks/results``, anew after every row: what has been measured is kept whatever follows.
Exit status: 0 every row was measured, 1 one failed or the time was up, 2 there is no GPU.
"""

import argparse
import functools
import importlib
import importlib.util
import itertools
import math
import os
import statistics
import sys
import time
import traceback
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

# Before JAX starts: memory as it is needed, so that three libraries share one GPU.
os.environ.setdefault("XLA_PYTHON_CLIENT_PREALLOCATE", "false")
os.environ.setdefault("JAX_DEFAULT_MATMUL_PRECISION", "highest")

import numpy as np

import fxad
from benchmarks.report import Report, Row, ratio

RESULTS = Path(__file__).parent / "results"
SMALL = 1_000_000
STEPS = 1000
NETWORKS = (((8, 16, 16, 1), 4), ((784, 512, 512, 10), 128), ((4096,) * 4, 4096))


# The work, over any library's namespace -----------------------------------------------------------


def elementwise(xp: Any, x: Any) -> Any:
    """The chain of the CPU's table: bound by memory when fused, by launches when not."""
    return xp.sum(xp.sin(x) * xp.exp(-(x**2)) + xp.log1p(x**2) * xp.tanh(x))


def mlp_loss(xp: Any, params: list[Any], x: Any, y: Any) -> Any:
    """A mean squared error, with a tanh after every layer but the last."""
    *hidden, w, b = params
    for weight, bias in zip(hidden[::2], hidden[1::2], strict=True):
        x = xp.tanh(x @ weight + bias)
    return xp.mean((x @ w + b - y) ** 2)


def recurrence(xp: Any, weights: Any, xs: Any, h: Any) -> Any:
    """h = tanh(A h + x) over the rows of xs, by the library's scan where it has one."""
    lax = {"fxad.numpy": "fxad.lax", "jax.numpy": "jax.lax"}.get(xp.__name__)
    if lax is None:
        for x in xs:
            h = xp.tanh(weights @ h + x)
    else:
        scan = importlib.import_module(lax).scan
        h, _ = scan(lambda h, x: (xp.tanh(weights @ h + x), None), h, xs)
    return xp.sum(h**2)


def mlp(sizes: tuple[int, ...], batch: int, rng: np.random.Generator) -> tuple[Any, ...]:
    """Parameters, inputs and targets in float32."""
    params: list[np.ndarray] = []
    for inputs, outputs in itertools.pairwise(sizes):
        params += [rng.normal(size=(inputs, outputs)) / math.sqrt(inputs), np.zeros(outputs)]
    x, y = rng.normal(size=(batch, sizes[0])), rng.normal(size=(batch, sizes[-1]))
    return [p.astype(np.float32) for p in params], x.astype(np.float32), y.astype(np.float32)


# The libraries ------------------------------------------------------------------------------------

Thunk = Callable[[], Any]


@dataclass
class Library:
    """A library: its namespace and arrays, its transformations, how it waits and is timed."""

    name: str
    xp: Any
    asarray: Callable[[np.ndarray], Any]
    grad: Callable[..., Any]
    hvp: Callable[..., Any]
    wait: Callable[[Any], Any]
    jit: Callable[..., Any] = lambda f: f
    to_host: Callable[[Any], np.ndarray] = np.asarray
    events: Callable[[Thunk], tuple[Any, float]] | None = None

    def arrays(self, tree: Any) -> Any:
        """The same nested lists with the library's arrays on the GPU."""
        if isinstance(tree, list | tuple):
            return type(tree)(map(self.arrays, tree))
        return self.asarray(tree)


def fxad_libraries() -> list[Library]:
    """fxad on CuPy's arrays, eager and under jit."""
    cupy = importlib.import_module("cupy")

    def events(call: Thunk) -> tuple[Any, float]:
        start, end = cupy.cuda.Event(), cupy.cuda.Event()
        start.record()
        result = call()
        end.record()
        end.synchronize()
        return result, cupy.cuda.get_elapsed_time(start, end) / 1e3

    library = functools.partial(
        Library,
        xp=fxad.numpy,
        asarray=cupy.asarray,
        grad=fxad.grad,
        hvp=fxad.hvp,
        wait=fxad.block_until_ready,
        to_host=cupy.asnumpy,
        events=events,
    )
    return [library("fxad"), library("fxad jit", jit=fxad.jit)]


def torch_libraries() -> list[Library]:
    """PyTorch: its tape for gradients, and forward over reverse for Hessian-vector products."""
    torch = importlib.import_module("torch")
    if not torch.cuda.is_available():
        return []

    def grad(function: Callable[..., Any]) -> Callable[..., Any]:
        def call(first: Any, *rest: Any) -> Any:
            leaves = first if isinstance(first, list) else [first]
            for leaf in leaves:
                leaf.requires_grad_()
            found = torch.autograd.grad(function(first, *rest), leaves)
            return list(found) if isinstance(first, list) else found[0]

        return call

    def hvp(function: Callable[..., Any], x: Any, v: Any) -> Any:
        return torch.func.jvp(torch.func.grad(function), (x,), (v,))[1]

    def events(call: Thunk) -> tuple[Any, float]:
        start, end = (torch.cuda.Event(enable_timing=True) for _ in range(2))
        start.record()
        result = call()
        end.record()
        end.synchronize()
        return result, start.elapsed_time(end) / 1e3

    def wait(result: Any) -> Any:
        torch.cuda.synchronize()
        return result

    return [
        Library(
            "torch",
            torch,
            lambda a: torch.tensor(a, device="cuda"),
            grad,
            hvp,
            wait,
            to_host=lambda t: t.detach().cpu().numpy(),
            events=events,
        )
    ]


def jax_libraries() -> list[Library]:
    """JAX, operation by operation and compiled; it owns its streams, so no events."""
    jax = importlib.import_module("jax")
    if jax.default_backend() != "gpu":
        return []

    def hvp(function: Callable[..., Any], x: Any, v: Any) -> Any:
        return jax.jvp(jax.grad(function), (x,), (v,))[1]

    library = functools.partial(
        Library,
        xp=jax.numpy,
        asarray=jax.numpy.asarray,
        grad=jax.grad,
        hvp=hvp,
        wait=jax.block_until_ready,
    )
    return [library("JAX"), library("JAX jit", jit=jax.jit)]


def libraries() -> list[Library]:
    """fxad and every peer that is installed and finds the GPU."""
    found = fxad_libraries()
    for module, load in {"torch": torch_libraries, "jax": jax_libraries}.items():
        if importlib.util.find_spec(module):
            try:
                found += load()
            except Exception as failure:
                print(f"{module} is left out: {failure!r:.300}", file=sys.stderr)
    return found


# Measuring ----------------------------------------------------------------------------------------


@dataclass
class Timing:
    """The seconds of each round: by the clock, and by CUDA events where the library allows."""

    wall: list[float] = field(default_factory=list)
    gpu: list[float] = field(default_factory=list)


def measure(library: Library, call: Thunk, timing: Timing) -> None:
    """One round: the events' own synchronisation ends the clock's interval too."""
    start = time.perf_counter()
    if library.events is None:
        library.wait(call())
    else:
        result, seconds = library.events(call)
        library.wait(result)
        timing.gpu.append(seconds)
    timing.wall.append(time.perf_counter() - start)


def race(calls: list[tuple[Library, Thunk]], seconds: float) -> dict[str, Timing]:
    """All libraries in turns, until the time is up; after warming up all of them."""
    timings = {library.name: Timing() for library, _ in calls}
    for library, call in calls:
        for _ in range(3):
            measure(library, call, Timing())
    end = time.perf_counter() + seconds
    while time.perf_counter() < end or len(timings["fxad"].wall) < 5:
        for library, call in calls:
            measure(library, call, timings[library.name])
    return timings


def leaves(library: Library, result: Any) -> list[np.ndarray]:
    """The arrays of a nested result, on the host."""
    if isinstance(result, list | tuple):
        return [leaf for part in result for leaf in leaves(library, part)]
    return [library.to_host(result)]


def assert_same_numbers(calls: list[tuple[Library, Thunk]], rtol: float) -> None:
    """Fails unless every library gives fxad's numbers, to ``rtol`` of the largest of each array."""
    reference: list[np.ndarray] = []
    for library, call in calls:
        result = leaves(library, call())
        reference = reference or result
        for ours, theirs in zip(reference, result, strict=True):
            atol = rtol * float(np.max(np.abs(ours)))
            np.testing.assert_allclose(theirs, ours, rtol=rtol, atol=atol, err_msg=library.name)


@dataclass
class Bench:
    """One report, filled row by row, and what failed; no row is begun after the deadline."""

    libraries: list[Library]
    seconds: float
    report: Report
    deadline: float = math.inf
    save: Callable[[], Any] = lambda: None
    failures: list[str] = field(default_factory=list)

    def run(
        self, work: str, make: Callable[[Library], Thunk], rtol: float, peer: str = "torch"
    ) -> None:
        """Measures one piece of work; what fails is said, and does not stop the others."""
        try:
            if time.monotonic() > self.deadline:
                raise TimeoutError(f"{work}: the time was up")
            self.measure(work, make, rtol, peer)
            self.save()
        except Exception:
            traceback.print_exc()
            self.failures.append(work)

    def measure(self, work: str, make: Callable[[Library], Thunk], rtol: float, peer: str) -> None:
        """Builds the call of every library, compares their numbers, times them, adds a row."""
        calls = []
        for library in self.libraries:
            try:
                call = make(library)
                library.wait(call())
            except Exception as failure:
                print(f"{work}: {library.name} failed: {failure!r:.300}", file=sys.stderr)
                if library.name == "fxad":
                    raise
                continue
            calls.append((library, call))
        assert_same_numbers(calls, rtol)
        timings = race(calls, self.seconds)
        wall = {name: 1e3 * statistics.median(t.wall) for name, t in timings.items()}
        gpu = {name: 1e3 * statistics.median(t.gpu) for name, t in timings.items() if t.gpu}
        events = ", ".join(f"{name} {value:.3g} ms" for name, value in gpu.items())
        rounds = min(len(t.wall) for t in timings.values())
        note = f"by CUDA events {events}; {rounds} rounds or more"
        self.report.add(Row(work, "ms", wall, f"fxad / {peer}", ratio(wall, peer), note=note))
        cells = ", ".join(f"{name} {value:.3g} ms" for name, value in wall.items())
        print(f"{work}: {cells}", flush=True)


@dataclass
class GpuReport(Report):
    """A report that names the GPU."""

    def surroundings(self) -> dict[str, str]:
        """Versions, the GPU and its driver."""
        cupy = importlib.import_module("cupy")
        runtime = cupy.cuda.runtime
        found = {"gpu": fxad.devices("gpu")[0].device_kind, "cupy": cupy.__version__}
        found |= {
            "driver": str(runtime.driverGetVersion()),
            "cuda": str(runtime.runtimeGetVersion()),
        }
        return found | super().surroundings()


def run_all(bench: Bench, largest: int) -> None:
    """Every row of the table."""
    rng = np.random.default_rng(0)
    for size in (SMALL, largest):
        x = rng.normal(size=size).astype(np.float32)
        v = rng.normal(size=size).astype(np.float32)

        def gradient(library: Library, x: np.ndarray = x) -> Thunk:
            function = library.jit(library.grad(functools.partial(elementwise, library.xp)))
            return functools.partial(function, library.arrays(x))

        def product(library: Library, x: np.ndarray = x, v: np.ndarray = v) -> Thunk:
            work = functools.partial(elementwise, library.xp)
            function = library.jit(lambda x, v: library.hvp(work, x, v))
            return functools.partial(function, library.arrays(x), library.arrays(v))

        bench.run(f"gradient of an elementwise sum, {size:.0e} float32", gradient, 1e-4)
        bench.run(
            f"Hessian-vector product of an elementwise sum, {size:.0e} float32", product, 1e-3
        )

    for sizes, batch in NETWORKS:
        params, x, y = mlp(sizes, batch, rng)
        name = f"MLP {'-'.join(map(str, sizes))}, batch {batch}"

        def mlp_gradient(
            library: Library, params: list[Any] = params, x: Any = x, y: Any = y
        ) -> Thunk:
            function = library.jit(library.grad(functools.partial(mlp_loss, library.xp)))
            return functools.partial(function, *map(library.arrays, (params, x, y)))

        def mlp_product(
            library: Library, params: list[Any] = params, x: Any = x, y: Any = y
        ) -> Thunk:
            def product(params: Any, v: Any, x: Any, y: Any) -> Any:
                return library.hvp(lambda p: mlp_loss(library.xp, p, x, y), params, v)

            v = [np.ones_like(p) for p in params]
            return functools.partial(library.jit(product), *map(library.arrays, (params, v, x, y)))

        bench.run(f"gradient of an {name}", mlp_gradient, 1e-3)
        bench.run(f"Hessian-vector product of an {name}", mlp_product, 1e-3)

    weights = (0.1 * rng.normal(size=(64, 64))).astype(np.float32)
    rows = rng.normal(size=(STEPS, 64)).astype(np.float32)

    def loop_gradient(library: Library) -> Thunk:
        function = library.jit(library.grad(functools.partial(recurrence, library.xp)))
        return functools.partial(function, *map(library.arrays, (weights, rows, rows[0] * 0)))

    bench.run(f"gradient of {STEPS} steps of h = tanh(A h + x), 64x64", loop_gradient, 1e-3)


def main() -> int:
    """Measures and writes the table."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--seconds", type=float, default=5.0, help="for each row")
    parser.add_argument("--largest", type=float, default=1e8, help="elements of the large arrays")
    parser.add_argument("--limit", type=float, default=480, help="seconds for all rows")
    folder = Path(os.environ.get("OUT") or RESULTS)
    parser.add_argument("--out", type=Path, default=folder, help="the folder for the tables")
    options = parser.parse_args()
    with fxad.config.override(backend="auto", default_device=None):
        if fxad.default_backend() != "cupy":
            print("gpu_bench: CuPy finds no GPU")
            return 2
    deadline = time.monotonic() + options.limit
    report = GpuReport()
    device = "-".join(fxad.devices("gpu")[0].device_kind.lower().split())
    save = functools.partial(report.write, options.out, device)
    with fxad.default_device("gpu"):
        bench = Bench(libraries(), options.seconds, report, deadline, save)
        run_all(bench, int(options.largest))
    for path in save():
        print(path)
    for work in bench.failures:
        print(f"failed: {work}")
    return 1 if bench.failures else 0


if __name__ == "__main__":
    sys.exit(main())
