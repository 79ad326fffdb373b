"""Calls of NumPy's functions, by area."""

from tests.numpy.samples import (
    choosing,
    computing,
    joining,
    linalg,
    making,
    methods,
    reductions,
    shaping,
    statistics,
    structure,
    ufuncs,
)

_AREAS = (
    choosing, computing, joining, making, methods, reductions, shaping, statistics, structure,
    ufuncs,
)  # fmt: skip
SAMPLES = {name: samples for area in _AREAS for name, samples in area.SAMPLES.items()}
SAMPLES |= {f"linalg.{name}": samples for name, samples in linalg.SAMPLES.items()}

#: Functions whose samples are the same as those of others: NumPy refuses some of them.
PARTIAL = {name for area in _AREAS for name in getattr(area, "PARTIAL", ())}
