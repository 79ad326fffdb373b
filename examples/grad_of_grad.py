"""Derivatives of derivatives of plain NumPy code, beside closed forms.

    python examples/grad_of_grad.py --order 8 --at 0.7
"""

import argparse

import numpy as np

import fxad


def wave(x):
    """exp(x) sin(x), written for NumPy alone."""
    return np.exp(x) * np.sin(x)


def nth_derivative(f, order):
    for _ in range(order):
        f = fxad.grad(f)
    return f


def wave_derivative(x, order):
    """Its derivative of any order: sqrt(2)^n exp(x) sin(x + n pi/4)."""
    return 2 ** (order / 2) * np.exp(x) * np.sin(x + order * np.pi / 4)


def towers(x, highest):
    """Rows of (order, nested grad, closed form, relative error)."""
    rows = []
    for order in range(highest + 1):
        got, want = float(nth_derivative(wave, order)(x)), float(wave_derivative(x, order))
        rows.append((order, got, want, abs(got - want) / abs(want)))
    return rows


def gradient_penalty(x):
    """The gradient of |grad f|², by grad through grad, and as 2 H grad f, by one hvp."""
    def f(x):
        return np.sum(np.sin(x[:-1]) * x[1:] ** 2)

    squared_norm = lambda x: np.sum(fxad.grad(f)(x) ** 2)  # noqa: E731
    return fxad.grad(squared_norm)(x), 2 * fxad.hvp(f, x, fxad.grad(f)(x))


def main(argv=None):
    """Prints both comparisons and returns their numbers."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--order", type=int, choices=range(1, 13), default=6,
                        help="highest derivative (default: %(default)s)")
    parser.add_argument("--at", type=float, default=0.7, metavar="X",
                        help="where to differentiate (default: %(default)s)")
    arguments = parser.parse_args(argv)
    rows = towers(arguments.at, arguments.order)
    print(f"derivatives of exp(x) sin(x) at {arguments.at}")
    print(f"{'order':>5} {'nested grad':>22} {'closed form':>22} {'rel. error':>11}")
    for order, got, want, error in rows:
        print(f"{order:5} {got:22.15g} {want:22.15g} {error:11.1e}")

    nested, by_hvp = gradient_penalty(np.linspace(0.1, 1.0, 6))
    print("\ngradient of |grad f|² for f(x) = sum sin(x_i) x_{i+1}²")
    print("grad of grad", nested)
    print("2 hvp       ", by_hvp)
    return rows, nested, by_hvp


if __name__ == "__main__":
    main()
