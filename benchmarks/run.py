"""Runs every benchmark and writes the table to `benchmarks/results/`.

    python -m benchmarks.run            all rows
    python -m benchmarks.run -k mlp     some of them (any option of pytest; nothing is written)
"""

import sys
from pathlib import Path

import pytest

HERE = Path(__file__).parent

if __name__ == "__main__":
    options = sys.argv[1:] or ["--results", str(HERE / "results")]
    sys.exit(pytest.main([str(HERE), "-q", "-p", "no:cacheprovider", *options]))
