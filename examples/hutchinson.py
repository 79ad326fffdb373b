"""The trace and the diagonal of a Hessian from random probes, beside their closed forms.

    python examples/hutchinson.py --probes 4096

Logistic regression on real data (569 tumours, 30 measurements each; the Wisconsin set that
scikit-learn ships) is fitted by Newton's method. There the Hessian is known in closed form,
X' diag(p (1 - p)) X / n + c I, and what `vmap` of `hvp` over Rademacher probes finds is held
against it.
"""

import argparse

import numpy as np
from sklearn.datasets import load_breast_cancer

import fxad
import fxad.numpy as fnp
import fxad.random

RIDGE = 1e-2


def load_data():
    """Standardised measurements with a column of ones, and labels -1 or 1."""
    x, labels = load_breast_cancer(return_X_y=True)
    x = (x - x.mean(axis=0)) / x.std(axis=0)
    return np.column_stack([x, np.ones(len(x))]), 2.0 * labels - 1.0


def loss(weights, x, signs):
    """The ridge-regularised logistic loss."""
    margins = signs * (x @ weights)
    return fnp.mean(fnp.logaddexp(0.0, -margins)) + RIDGE / 2 * fnp.sum(weights**2)


def fit(x, signs, tolerance=1e-12):
    """Newton's method from zero; returns the weights and the norm of the last gradient."""
    weights = np.zeros(x.shape[1])
    for _ in range(30):
        gradient = fxad.grad(loss)(weights, x, signs)
        if np.linalg.norm(gradient) < tolerance:
            break
        weights = weights - np.linalg.solve(fxad.hessian(loss)(weights, x, signs), gradient)
    return weights, float(np.linalg.norm(gradient))


def exact_hessian(weights, x):
    p = 1 / (1 + np.exp(-x @ weights))
    return (x.T * (p * (1 - p))) @ x / len(x) + RIDGE * np.eye(x.shape[1])


def probe(weights, x, signs, key, count):
    """The products v * (H v) of `count` Rademacher probes: their sums estimate the trace,
    their means the diagonal (Hutchinson 1990; Bekas, Kokiopoulou & Saad 2007)."""
    probes = fxad.random.rademacher(key, (count, weights.size), np.float64)
    product = fxad.vmap(lambda v: fxad.hvp(lambda w: loss(w, x, signs), weights, v))
    return probes * product(probes)


def mean_and_error(samples):
    """Mean over the probes and its standard error."""
    return samples.mean(axis=0), samples.std(axis=0, ddof=1) / len(samples) ** 0.5


def main(argv=None):
    """Prints the estimates as probes are added and returns them with the exact numbers."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--probes", type=int, default=1024, metavar="N",
                        help="how many probes, at least 2 (default: %(default)s)")
    parser.add_argument("--seed", type=int, default=0, metavar="N",
                        help="of the probes (default: %(default)s)")
    arguments = parser.parse_args(argv)
    if arguments.probes < 2:
        parser.error(f"argument --probes: got {arguments.probes}, wanted at least 2")

    x, signs = load_data()
    weights, gradient_norm = fit(x, signs)
    hessian = exact_hessian(weights, x)
    trace = float(np.trace(hessian))
    print(f"fitted 31 weights by Newton's method: gradient norm {gradient_norm:.1e}, "
          f"accuracy {np.mean(np.sign(x @ weights) == signs):.4f}")

    products = probe(weights, x, signs, fxad.random.key(arguments.seed), arguments.probes)
    estimates = []
    print(f"{'probes':>7} {'trace':>10} {'std. error':>11} {'off by':>8}    exact {trace:.6f}")
    powers = [2**k for k in range(2, arguments.probes.bit_length())]
    for count in dict.fromkeys([*powers, arguments.probes]):
        mean, error = mean_and_error(products[:count].sum(axis=1))
        estimates.append((count, float(mean), float(error)))
        print(f"{count:7} {mean:10.6f} {error:11.6f} {(mean - trace) / error:+7.2f}σ")

    diagonal, error = mean_and_error(products)
    exact = np.diag(hessian)
    outside = np.mean(np.abs(diagonal - exact) > 2 * error)
    print(f"diagonal: largest error {np.max(np.abs(diagonal - exact)):.2e}, "
          f"{100 * outside:.0f}% of 31 entries beyond two standard errors")
    return {"trace": trace, "estimates": estimates, "gradient_norm": gradient_norm,
            "diagonal": diagonal, "diagonal_error": error, "exact_diagonal": exact}


if __name__ == "__main__":
    main()
