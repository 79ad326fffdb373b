"""Operations of a user's own: a primitive with its rules, a routine of the host, a CUDA kernel."""

from fxad.core.aval import ShapedArray, aval_of
from fxad.core.trace import is_linear
from fxad.extend.checking import check_primitive
from fxad.extend.defining import Operation, define_primitive
from fxad.extend.wrapping import from_host, from_kernel
from fxad.ops.base import zeros_like

__all__ = [
    "Operation",
    "ShapedArray",
    "aval_of",
    "check_primitive",
    "define_primitive",
    "from_host",
    "from_kernel",
    "is_linear",
    "zeros_like",
]
