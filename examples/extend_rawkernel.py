"""CUDA kernels as operations that are differentiated, batched and compiled.

    python examples/extend_rawkernel.py --size 32

On a GPU the kernels run (through CuPy); anywhere else NumPy code that does the same. The rules are
written once: Mish is elementwise, and its derivative is made of other operations; a step of the
heat equation is linear and its own transpose, launched over a grid of its own.
"""

import argparse
import importlib.util

import numpy as np

import fxad
import fxad.numpy as fnp
from fxad import extend

SOURCE = r"""
extern "C" __global__ void mish(const float* x, float* out, unsigned long long size) {
    const unsigned long long i = blockIdx.x * (unsigned long long)blockDim.x + threadIdx.x;
    if (i >= size) return;
    // tanh(log(1 + e^x)) = n / (n + 2) with n = e^x (e^x + 2), which is 1 long before x = 20.
    const float e = expf(fminf(x[i], 20.0f));
    const float n = e * (e + 2.0f);
    out[i] = x[i] * (n / (n + 2.0f));
}

extern "C" __global__ void diffuse(const float* x, float* out, int rows, int columns, float rate) {
    const int i = blockIdx.y * blockDim.y + threadIdx.y;
    const int j = blockIdx.x * blockDim.x + threadIdx.x;
    if (i >= rows || j >= columns) return;
    const int k = i * columns + j;
    float sum = -4.0f * x[k];
    if (i > 0) sum += x[k - columns];
    if (i + 1 < rows) sum += x[k + columns];
    if (j > 0) sum += x[k - 1];
    if (j + 1 < columns) sum += x[k + 1];
    out[k] = x[k] + rate * sum;
}
"""


def mish_on_the_host(x):
    e = np.exp(np.minimum(x, np.float32(20)))
    n = e * (e + 2)
    return x * (n / (n + 2))


def derivative_of_mish(t, out, x):
    """By operations that are differentiable themselves: every order follows."""
    squashed = fnp.tanh(fnp.logaddexp(x, np.float32(0)))
    sigmoid = fxad.lax.logistic(x)
    return t * (squashed + x * sigmoid * (1 - squashed**2))


mish = extend.from_kernel(
    (SOURCE, "mish"), host=mish_on_the_host, dtype=np.float32, name="mish",
    jvp=[derivative_of_mish],
)


def diffuse_on_the_host(x, *, rate):
    """One explicit step of the heat equation; outside of the plate it is 0."""
    out = x * np.float32(1 - 4 * rate)
    for shifted, source in (((slice(1, None),), (slice(None, -1),)),
                            ((slice(None, -1),), (slice(1, None),)),
                            ((slice(None), slice(1, None)), (slice(None), slice(None, -1))),
                            ((slice(None), slice(None, -1)), (slice(None), slice(1, None)))):
        out[shifted] += np.float32(rate) * x[source]
    return out


def launch_diffuse(kernel, xp, out, x, *, rate):
    """A thread for each place of the plate, in blocks of 16 x 16."""
    rows, columns = x.shape
    grid = (-(-columns // 16), -(-rows // 16))
    kernel(grid, (16, 16), (x, out, np.int32(rows), np.int32(columns), np.float32(rate)))


diffuse = extend.from_kernel(
    (SOURCE, "diffuse"), host=diffuse_on_the_host, dtype=np.float32, name="diffuse",
    abstract="same", launch=launch_diffuse, transpose=lambda ct, x, rate: diffuse(ct, rate=rate),
)


def check(rng):
    """The rules against differences, loops and each other."""
    extend.check_primitive(mish, rng.normal(size=7).astype(np.float32), atol=2e-2, rtol=2e-2)
    plate = rng.normal(size=(4, 5)).astype(np.float32)
    extend.check_primitive(diffuse, plate, rate=0.2, atol=2e-2, rtol=2e-2)


def find_source(rng, size, xp, steps=20):
    """Where was the heat? Descends on the initial temperature that explains the final one."""
    truth = np.zeros((size, size), np.float32)
    truth[size // 3, size // 2] = 1.0

    def evolve(x):
        for _ in range(steps):
            x = diffuse(x, rate=0.2)
        return x

    measured = evolve(xp.asarray(truth))

    @fxad.jit
    def gradient(x):
        return fxad.grad(lambda x: fnp.sum((evolve(x) - measured) ** 2) / 2)(x)

    x = xp.zeros_like(measured)
    for _ in range(200):
        x = x - gradient(x)
    x = fxad.device_get(x)
    return np.unravel_index(np.argmax(x), x.shape), (size // 3, size // 2)


def main(arguments=None):
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--size", type=int, default=24, help="of the plate, at least 3")
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args(arguments)
    if options.size < 3:
        parser.error("--size must be at least 3")
    rng = np.random.default_rng(options.seed)
    check(rng)
    print("rules of mish and diffuse agree with differences, loops and each other")

    gpu = importlib.util.find_spec("cupy") is not None and fxad.device_count("gpu") > 0
    xp = importlib.import_module("cupy") if gpu else np
    print("computing on", fxad.devices("gpu" if gpu else "cpu")[0])
    x = xp.linspace(-3, 3, 5, dtype=np.float32)
    slopes = fxad.device_get(fxad.vmap(fxad.grad(mish))(x))
    print("slopes of mish at", fxad.device_get(x), "are", slopes)
    found, truth = find_source(rng, options.size, xp)
    found = tuple(map(int, found))
    print("the source of heat is found at", found, "and was at", truth)
    return {"slopes": slopes, "found": found, "truth": truth}


if __name__ == "__main__":
    main()
