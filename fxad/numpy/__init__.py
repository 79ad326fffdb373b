"""NumPy's names over arrays and tracers."""

from fxad.numpy.protocols import outer as outer
from fxad.numpy.reductions import sum
from fxad.numpy.ufuncs import *
