"""Calls of NumPy's functions, by area."""

from tests.numpy.samples import (
    choosing,
    computing,
    joining,
    making,
    reductions,
    shaping,
    statistics,
    ufuncs,
)

_AREAS = (choosing, computing, joining, making, reductions, shaping, statistics, ufuncs)
SAMPLES = {name: samples for area in _AREAS for name, samples in area.SAMPLES.items()}

#: Functions whose samples are the same as those of others: NumPy refuses some of them.
PARTIAL = {name for area in _AREAS for name in getattr(area, "PARTIAL", ())}
