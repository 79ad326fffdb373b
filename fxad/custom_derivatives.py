"""Derivative rules of one's own, and what such rules are written with; the names are JAX's."""

from fxad.control.closure import closure_convert
from fxad.control.custom_gradient import custom_gradient
from fxad.control.custom_jvp import custom_jvp
from fxad.control.custom_vjp import custom_vjp
from fxad.control.linear_call import linear_call
from fxad.control.symbolic_zeros import (
    CustomVJPPrimal,
    SymbolicZero,
    custom_vjp_primal_tree_values,
    zero_from_primal,
)

__all__ = [
    "CustomVJPPrimal",
    "SymbolicZero",
    "closure_convert",
    "custom_gradient",
    "custom_jvp",
    "custom_vjp",
    "custom_vjp_primal_tree_values",
    "linear_call",
    "zero_from_primal",
]
