"""Trains an MLP on handwritten digits, then measures the curvature of the loss that it reached.

    python examples/train_digits.py                     some seconds on two cores
    python examples/train_digits.py --backend cupy --epochs 60 --out runs/gpu --seed 1

The data are the 1,797 real 8 × 8 images of the UCI set that scikit-learn ships. Afterwards DIR
holds `weights.npz` (the trained weights) and `digits.png` (loss, trace, spectrum).
"""

import argparse
import itertools
import math
import time
from pathlib import Path

import matplotlib

matplotlib.use("Agg")
import matplotlib.pyplot as plt
import numpy as np
from scipy.sparse.linalg import LinearOperator, eigsh
from sklearn.datasets import load_digits
from sklearn.model_selection import train_test_split
from tqdm import tqdm

import fxad
import fxad.numpy as fnp
import fxad.random
from fxad.flatten_util import ravel_pytree

SIZES = (64, 64, 10)
BATCH = 32
RATE = 0.02
PROBES = 256
EIGENVALUES = 12


def load_data():
    """Training and test images in [0, 1] with their labels; 360 images are held back."""
    images, labels = load_digits(return_X_y=True)
    images = (images / 16).astype(np.float32)
    parts = train_test_split(images, labels, test_size=360, stratify=labels, random_state=0)
    return [fxad.device_put(part) for part in parts]


def initial_params(key):
    """Weights of variance 1 / inputs, and zero biases."""
    keys = fxad.random.split(key, len(SIZES) - 1)
    return [
        {"weight": fxad.random.normal(k, (n, m), np.float32) / n**0.5,
         "bias": fnp.zeros(m, np.float32)}
        for k, (n, m) in zip(keys, itertools.pairwise(SIZES), strict=True)
    ]


def logits(params, x):
    *hidden, last = params
    for layer in hidden:
        x = fnp.tanh(x @ layer["weight"] + layer["bias"])
    return x @ last["weight"] + last["bias"]


def loss(params, x, labels):
    """Mean cross-entropy."""
    z = logits(params, x)
    z = z - fnp.max(z, axis=1, keepdims=True)
    log_probs = z - fnp.log(fnp.sum(fnp.exp(z), axis=1, keepdims=True))
    return -fnp.mean(fnp.take_along_axis(log_probs, labels[:, None], axis=1))


def accuracy(params, x, labels):
    return float(fnp.mean(fnp.argmax(logits(params, x), axis=1) == labels))


@fxad.jit
def adam_step(params, mean, square, rate, x, labels):
    """One step of Adam (Kingma & Ba 2015); `rate` holds the bias correction."""
    value, grads = fxad.value_and_grad(loss)(params, x, labels)
    mean = fxad.tree.map(lambda m, g: 0.9 * m + 0.1 * g, mean, grads)
    square = fxad.tree.map(lambda s, g: 0.999 * s + 0.001 * g**2, square, grads)
    params = fxad.tree.map(lambda p, m, s: p - rate * m / (fnp.sqrt(s) + 1e-8),
                           params, mean, square)
    return value, params, mean, square


def step_size(step, steps):
    """A cosine from RATE down to zero, times Adam's bias correction."""
    cosine = 0.5 + 0.5 * math.cos(math.pi * step / steps)
    return RATE * cosine * (1 - 0.999**step) ** 0.5 / (1 - 0.9**step)


def train(epochs, seed):
    """Trains from scratch and returns the weights, the loss of each step and the data."""
    per_epoch = 1437 // BATCH
    losses, steps = [], epochs * per_epoch
    with tqdm(total=steps, desc="training", unit="step") as bar:
        x, x_test, labels, labels_test = data = load_data()
        key = fxad.random.key(seed)
        params = initial_params(key)
        mean = square = fxad.tree.map(fnp.zeros_like, params)
        for epoch in range(epochs):
            order = fxad.random.permutation(fxad.random.fold_in(key, epoch), len(x))
            for start in range(0, per_epoch * BATCH, BATCH):
                batch = order[start:start + BATCH]
                rate = step_size(len(losses) + 1, steps)
                value, params, mean, square = adam_step(params, mean, square, rate,
                                                        x[batch], labels[batch])
                losses.append(value)
                bar.update()
            bar.set_postfix(loss=f"{float(value):.4f}",
                            test=f"{accuracy(params, x_test, labels_test):.4f}")
    return params, [float(value) for value in losses], data


def last_layer_hessian(params, x, labels):
    """The last layer's flat parameters and `hvps(vectors)`, Hessian-vector products of a batch."""
    flat, unravel = ravel_pytree(params[-1])
    part = lambda vector: loss([*params[:-1], unravel(vector)], x, labels)  # noqa: E731
    return flat, fxad.jit(fxad.vmap(lambda v: fxad.hvp(part, flat, v)))


def exact_hessian(hvps, size, block=26):
    """The Hessian, row by row, as products with the basis vectors."""
    basis = fnp.eye(size)
    starts = tqdm(range(0, size, block), desc="exact Hessian of the last layer", unit="block")
    return np.concatenate([fxad.device_get(hvps(basis[i:i + block])) for i in starts])


def hutchinson_samples(hvps, size, key, block=32):
    """v @ H @ v for Rademacher v: unbiased for the trace of H (Hutchinson 1990)."""
    samples = []
    for probe_key in fxad.random.split(key, PROBES // block):
        probes = fxad.random.rademacher(probe_key, (block, size), np.float64)
        samples.append(fxad.device_get(fnp.sum(probes * hvps(probes), axis=1)))
    return np.concatenate(samples)


def leading_eigenvalues(params, x, labels, seed):
    """The greatest eigenvalues of the whole Hessian by Lanczos, and the first one's residual."""
    flat, unravel = ravel_pytree(params)
    product = fxad.jit(lambda v: fxad.hvp(lambda p: loss(unravel(p), x, labels), flat, v))

    def matvec(vector):
        bar.update()
        return fxad.device_get(product(fxad.device_put(vector.ravel())))

    with tqdm(desc="Lanczos on the whole Hessian", unit="hvp") as bar:
        operator = LinearOperator((flat.size, flat.size), matvec=matvec, dtype=np.float64)
        start = np.random.default_rng(seed).normal(size=flat.size)
        values, vectors = eigsh(operator, k=EIGENVALUES, which="LA", v0=start)
        top = vectors[:, -1]
        residual = np.linalg.norm(matvec(top) - values[-1] * top)
    return values[::-1], residual


def curvature(params, x, labels, seed):
    """What the Hessian is like at the trained weights, in float64."""
    params = fxad.tree.map(lambda p: p.astype(np.float64), params)
    x = x.astype(np.float64)
    flat, hvps = last_layer_hessian(params, x, labels)
    hessian = exact_hessian(hvps, flat.size)
    samples = hutchinson_samples(hvps, flat.size, fxad.random.key(seed + 1))
    leading, residual = leading_eigenvalues(params, x, labels, seed)
    return {
        "exact_trace": float(np.trace(hessian)),
        "trace": float(samples.mean()),
        "trace_error": float(samples.std(ddof=1) / len(samples) ** 0.5),
        "samples": samples,
        "last_layer_eigenvalues": np.linalg.eigvalsh(hessian)[::-1],
        "leading_eigenvalues": leading,
        "residual": float(residual),
    }


def draw(losses, found, path):
    """Loss, the estimate of the trace as probes are added, and the spectrum."""
    figure, (left, middle, right) = plt.subplots(1, 3, figsize=(13, 3.8), layout="constrained")
    left.semilogy(np.arange(1, len(losses) + 1), losses, lw=0.8)
    left.set(title="Training loss", xlabel="step", ylabel="cross-entropy of the minibatch")

    samples, count = found["samples"], np.arange(1, len(found["samples"]) + 1)
    running = np.cumsum(samples) / count
    error = found["samples"].std(ddof=1) / count**0.5
    middle.fill_between(count, running - error, running + error, alpha=0.25, lw=0)
    middle.plot(count, running, label="Hutchinson ± standard error")
    middle.axhline(found["exact_trace"], color="black", ls="--", lw=1, label="exact, by hvp")
    low, high = running[8:].min(), running[8:].max()
    middle.set(title="Trace of the last layer's Hessian", xlabel="probes", xscale="log",
               ylim=(low - 2 * error[8], high + 2 * error[8]))
    middle.legend(frameon=False)

    block, whole = found["last_layer_eigenvalues"], found["leading_eigenvalues"]
    positive = block[block > 1e-12 * block[0]]
    right.semilogy(np.arange(1, len(positive) + 1), positive, ".", ms=3,
                   label="last layer, all (exact)")
    right.semilogy(np.arange(1, len(whole) + 1), whole, "+", ms=8,
                   label="whole network, greatest (Lanczos)")
    right.set(title="Spectrum of the Hessian", xlabel="rank", ylabel="eigenvalue", xscale="log")
    right.legend(frameon=False)
    figure.savefig(path, dpi=130)
    plt.close(figure)


def save(params, path):
    np.savez(path, **{f"{name}{i}": fxad.device_get(value) for i, layer in enumerate(params)
                      for name, value in layer.items()})


def load(path):
    with np.load(path) as arrays:
        return [{name: fxad.device_put(arrays[f"{name}{i}"]) for name in ("weight", "bias")}
                for i in range(len(arrays.files) // 2)]


def whole_number(least):
    """An argument type: a whole number, at least `least`."""

    def parse(text):
        if not text.strip().lstrip("+-").isdigit() or int(text) < least:
            raise argparse.ArgumentTypeError(f"got {text!r}, wanted a whole number >= {least}")
        return int(text)

    return parse


def parse_arguments(argv):
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--backend", choices=["numpy", "cupy"],
                        help="where to compute (default: cupy where there is a GPU, else numpy)")
    parser.add_argument("--epochs", type=whole_number(1), default=40, metavar="N",
                        help="passes over the training images (default: %(default)s)")
    parser.add_argument("--out", type=Path, default=Path("digits-out"), metavar="DIR",
                        help="folder for weights and picture (default: %(default)s)")
    parser.add_argument("--seed", type=whole_number(0), default=0, metavar="N",
                        help="of the initial weights, minibatches, probes (default: %(default)s)")
    arguments = parser.parse_args(argv)
    try:
        arguments.out.mkdir(parents=True, exist_ok=True)
        if arguments.backend and not fxad.devices(arguments.backend):
            parser.error(f"argument --backend: {arguments.backend} finds no GPU on this machine")
    except (OSError, ImportError) as error:
        parser.error(str(error))
    if arguments.backend:
        fxad.config.update("backend", arguments.backend)
    return arguments


def main(argv=None):
    """Runs the whole job and returns its numbers."""
    arguments = parse_arguments(argv)
    began = time.perf_counter()
    params, losses, (x, x_test, labels, labels_test) = train(arguments.epochs, arguments.seed)
    trained = accuracy(params, x_test, labels_test)
    print(f"test accuracy {trained:.4f} after {arguments.epochs} epochs, "
          f"{time.perf_counter() - began:.1f} s")

    weights = arguments.out / "weights.npz"
    save(params, weights)
    loaded = accuracy(load(weights), x_test, labels_test)
    if loaded != trained:
        raise RuntimeError(f"{weights} gives accuracy {loaded}, the trained weights {trained}")
    print(f"saved {weights} and loaded it again: test accuracy {loaded:.4f}")

    found = curvature(params, x, labels, arguments.seed)
    print(f"trace of the last layer's Hessian: {found['trace']:.5f} ± {found['trace_error']:.5f} "
          f"by Hutchinson ({PROBES} probes), {found['exact_trace']:.5f} exactly")
    print(f"greatest eigenvalue of the whole Hessian: {found['leading_eigenvalues'][0]:.6f} "
          f"(residual {found['residual']:.1e})")
    picture = arguments.out / "digits.png"
    draw(losses, found, picture)
    print(f"drew {picture}; {time.perf_counter() - began:.1f} s in all")
    return found | {"accuracy": trained, "loaded_accuracy": loaded, "losses": losses}


if __name__ == "__main__":
    main()
