"""The cost of a gradient in units of its function: bounded, whatever the parameter count.

Theory for reverse mode: at most four (Griewank & Walther, Evaluating Derivatives, 2nd ed., §4.4).
"""

import numpy as np

from benchmarks.libraries import libraries
from benchmarks.report import Row
from benchmarks.workloads import mlp_loss, mlp_parameters

WIDTHS = (128, 512, 1024)
LIMIT = 3.5


def test_gradient_over_its_function(race, report):
    rng = np.random.default_rng(0)
    x = rng.normal(size=(128, 784)).astype(np.float32)
    y = rng.normal(size=(128, 10)).astype(np.float32)
    calls = {}
    for width in WIDTHS:
        params = mlp_parameters([784, width, width, 10], rng, np.float32)
        for library in libraries() if width == 512 else libraries("fxad"):
            calls[library.name, width, "value"] = library.value(mlp_loss, params, x, y)
            calls[library.name, width, "grad"] = library.gradient(mlp_loss, params, x, y)
    times = race(calls, seconds=15.0)
    ratios = {(name, width): times[name, width, "grad"] / times[name, width, "value"]
              for name, width, kind in calls if kind == "value"}
    values = {name: figure for (name, width), figure in ratios.items() if width == 512}
    report.add(Row("a gradient over its function, MLP 784-512-512-10, batch 128", "ratio", values,
                   "fxad", values["fxad"], LIMIT))
    for width in WIDTHS:
        count = 784 * width + width * width + 12 * width + 10
        report.add(Row(f"the same with {count:,} parameters (width {width})", "ratio",
                       {"fxad": ratios["fxad", width]}, "fxad", ratios["fxad", width], LIMIT))
