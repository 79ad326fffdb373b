"""Power laws: the exponent of what was measured at several sizes, and its picture."""

from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
import pytest


def growth(sizes: Sequence[float], values: Sequence[float]) -> float:
    """The exponent p of value ~ size^p, fitted on a log-log scale."""
    return float(np.polyfit(np.log(sizes), np.log(values), 1)[0])


def draw_laws(sizes: Sequence[int], curves: Mapping[str, Sequence[float]],
              exponents: Mapping[str, float], path: Path, **labels: str) -> None:
    """The curves as a picture, both axes logarithmic.

    Args:
        sizes: the sizes that were measured.
        curves: name to a value for each size.
        exponents: name to the exponent that the legend shows.
        path: where the picture goes.
        labels: `xlabel`, `ylabel` and `title`.
    """
    pyplot = pytest.importorskip("matplotlib.pyplot")
    figure, axes = pyplot.subplots(figsize=(6.4, 4.2), layout="constrained")
    for name, values in curves.items():
        axes.loglog(sizes, values, "o-", label=f"{name}: n^{exponents[name]:.2f}")
    axes.set(**labels)
    axes.set_xticks(sizes, [str(n) for n in sizes])
    axes.minorticks_off()
    axes.grid(alpha=0.3)
    axes.legend(frameon=False)
    path.parent.mkdir(parents=True, exist_ok=True)
    figure.savefig(path, dpi=130)
    pyplot.close(figure)
