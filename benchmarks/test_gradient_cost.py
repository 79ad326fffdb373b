"""The cost of a gradient in units of its function: bounded, whatever the parameter count.

Theory for reverse mode: at most four (Griewank & Walther, Evaluating Derivatives, 2nd ed., §4.4).
"""

import pytest

from benchmarks import isolated
from benchmarks.libraries import libraries
from benchmarks.report import Row
from benchmarks.workloads import CLASSIFIER_WIDTHS

LIMIT = 3.5
STANDARD = 512


def test_gradient_over_its_function(request, report):
    if request.config.getoption("benchmark_disable"):
        pytest.skip("a timing only")
    entries = {}
    for width in CLASSIFIER_WIDTHS:
        names = () if width == STANDARD else ("fxad",)
        for library in libraries(*names):
            for kind in ("value", "gradient"):
                entries[library.name, width, kind] = (library.name, f"classifier {width}", kind)
    times = isolated.race(entries, processes=3, threads=1)
    ratios = {(name, width): times[name, width, "gradient"] / times[name, width, "value"]
              for name, width, kind in entries if kind == "value"}
    values = {name: ratio for (name, width), ratio in ratios.items() if width == STANDARD}
    report.add(Row("a gradient over its function, MLP 784-512-512-10, batch 128", "ratio", values,
                   "fxad", values["fxad"], LIMIT,
                   "one BLAS thread: the law counts work"))
    for width in CLASSIFIER_WIDTHS:
        count = 784 * width + width * width + 12 * width + 10
        report.add(Row(f"the same with {count:,} parameters (width {width})", "ratio",
                       {"fxad": ratios["fxad", width]}, "fxad", ratios["fxad", width], LIMIT))
