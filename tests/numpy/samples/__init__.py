"""Calls of NumPy's functions, by area."""

from tests.numpy.samples import ufuncs

SAMPLES = ufuncs.SAMPLES
PARTIAL = ufuncs.PARTIAL
