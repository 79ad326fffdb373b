"""NumPy's names over arrays and tracers."""

import fxad.numpy.protocols
from fxad.numpy.creation import *
from fxad.numpy.indexing import *
from fxad.numpy.joining import *
from fxad.numpy.manipulation import *
from fxad.numpy.products import *
from fxad.numpy.reductions import *
from fxad.numpy.rounding import *
from fxad.numpy.ufuncs import *
