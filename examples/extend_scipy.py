"""SciPy's routines as operations that are differentiated, batched and compiled.

    python examples/extend_scipy.py --size 4

Three ways to write a rule once: the Bessel functions, whose derivative is made of themselves; the
Gaussian filter, which is linear and its own transpose; and the matrix exponential, whose
derivatives of every order are exponentials of larger matrices.
"""

import argparse
import math

import numpy as np
import scipy.linalg
import scipy.ndimage
import scipy.special

import fxad
import fxad.numpy as fnp
from fxad import extend

# Elementwise: a derivative for each operand. The order n is held: None.
bessel = extend.from_host(
    scipy.special.jv,
    name="bessel",
    jvp=[None, lambda t, out, n, x: t * (bessel(n - 1, x) - bessel(n + 1, x)) / 2],
)


def _blur(image, *, sigma):
    return scipy.ndimage.gaussian_filter(image, sigma, mode="constant")


# Linear: the transpose alone; outside of the image is zero, so that the filter is symmetric.
blur = extend.from_host(
    _blur,
    name="blur",
    abstract="same",
    transpose=lambda ct, image, sigma: blur(ct, sigma=sigma),
)


def _derivative_of_expm(a, *directions):
    """The derivative of exp at a along some directions (Mathias 1996): a block of exp(A'), where
    A' repeats a on its diagonal, and each direction couples the halves of a block once."""
    size = a.shape[0]
    for i, direction in enumerate(directions):
        larger = np.kron(np.eye(2**i, dtype=a.dtype), direction)
        a = np.block([[a, larger], [np.zeros_like(a), a]])
    return scipy.linalg.expm(a)[:size, -size:]


def _jvp_of_expm(primals, tangents):
    a, *directions = primals
    moved_a, *moved = tangents
    total = expm(a, *directions, moved_a)
    for i, tangent in enumerate(moved):
        total = total + expm(a, *directions[:i], tangent, *directions[i + 1 :])
    return expm(*primals), total


def _transpose_of_expm(ct, a, *directions):
    """Linear in each direction: the transpose of the derivative is that at the transposes."""
    (i,) = (i for i, d in enumerate(directions) if extend.is_linear(d))
    others = [d.T for j, d in enumerate(directions) if j != i]
    pulled = expm(a.T, ct, *others)
    return [None, *(pulled if j == i else None for j in range(len(directions)))]


# The function (no direction) and its derivatives of every order, as one operation.
expm = extend.from_host(
    _derivative_of_expm,
    name="expm",
    abstract="same",
    jvp=_jvp_of_expm,
    transpose=_transpose_of_expm,
)


def check(rng, size):
    """The rules against differences, loops and each other."""
    x = rng.uniform(0.5, 5.0, size)
    extend.check_primitive(bessel, 1, x, order=3)
    extend.check_primitive(blur, rng.normal(size=(size, size)), sigma=0.8)
    extend.check_primitive(expm, rng.normal(size=(size, size)) / size)


def fit_decay(rng, size, steps=30):
    """Finds the generator a of y = exp(a) y0 from data, by Newton's method on all of its entries:
    second derivatives through SciPy's exponential."""
    start = rng.normal(size=(size, 2 * size))
    truth = -np.eye(size) + 0.1 * rng.normal(size=(size, size))
    data = scipy.linalg.expm(truth) @ start

    def loss(a):
        return fnp.mean((expm(a.reshape(size, size)) @ start - data) ** 2)

    a = -np.eye(size).ravel()
    gradient, hessian = fxad.jit(fxad.grad(loss)), fxad.hessian(loss)
    for _ in range(steps):
        slope = gradient(a)
        if np.linalg.norm(slope) < 1e-13:
            break
        # The sizes of the eigenvalues: downhill also where the loss is not convex yet.
        curvature, axes = np.linalg.eigh(hessian(a))
        step = axes @ ((axes.T @ slope) / np.maximum(np.abs(curvature), 1e-3))
        while not loss(a - step) <= loss(a):
            step = step / 2
        a = a - step
    return np.abs(a.reshape(size, size) - truth).max()


def main(arguments=None):
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--size", type=int, default=3, help="of the matrices, at least 1")
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args(arguments)
    if options.size < 1:
        parser.error("--size must be at least 1")
    rng = np.random.default_rng(options.seed)
    check(rng, options.size)
    print("rules of bessel, blur and expm agree with differences, loops and each other")

    # J0'' + J0'/x + J0 = 0, at many points at once.
    x = np.linspace(0.5, 10.0, 5)
    first = fxad.grad(lambda x: bessel(0, x))
    residual = fxad.vmap(lambda x: fxad.grad(first)(x) + first(x) / x + bessel(0, x))(x)
    print("Bessel's equation at", x, "is off by", np.abs(residual).max())

    # d^k/ds^k exp(s) = exp(s), for a matrix of one number.
    fourth = lambda s: expm(s[None, None])[0, 0]  # noqa: E731
    for _ in range(4):
        fourth = fxad.grad(fourth)
    error = abs(float(fourth(0.5)) - math.exp(0.5))
    print("the fourth derivative of exp(s) at 0.5 is off by", error)

    found = fit_decay(rng, options.size)
    print("the generator found from data is off by", found)
    return {"residual": residual, "fourth": error, "fit": found}


if __name__ == "__main__":
    main()
