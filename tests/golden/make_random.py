"""Writes random.json: what JAX answers to ``tests/random_cases.py``, for machines without JAX.

Run from the checkout, with JAX installed: ``python -m tests.golden.make_random``.
"""

import json
from pathlib import Path

import jax
import numpy as np

from tests.random_cases import CASES

SEEDS = (0, -1, 2**40 + 17)


def encoded(x: np.ndarray) -> dict[str, object]:
    """Dtype, shape and numbers of an array; floats in digits that give them back exactly."""
    parts = [x.real, x.imag] if x.dtype.kind == "c" else [x]
    values = [v for part in parts for v in part.ravel().tolist()]
    return {"dtype": str(x.dtype), "shape": list(x.shape), "values": values}


def main() -> None:
    jax.config.update("jax_enable_x64", True)
    answers = {
        name: {
            str(seed): encoded(np.asarray(case(jax.random, jax.random.PRNGKey(seed))))
            for seed in SEEDS
        }
        for name, case in CASES.items()
    }
    rows = ",\n".join(f"{json.dumps(name)}: {json.dumps(row)}" for name, row in answers.items())
    text = f'{{"jax": "{jax.__version__}", "answers": {{\n{rows}\n}}}}\n'
    Path(__file__).with_name("random.json").write_text(text, encoding="utf-8")


if __name__ == "__main__":
    main()
