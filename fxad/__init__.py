"""Composable function transformations for NumPy and CuPy arrays."""

from fxad import (
    ad_checkpoint,
    config,
    custom_batching,
    custom_derivatives,
    debug,
    dlpack,
    errors,
    experimental,
    extend,
    flatten_util,
    implicit,
    lax,
    numpy,
    random,
    tree,
    tree_util,
)
from fxad.backends import (
    block_until_ready,
    default_backend,
    default_device,
    device_count,
    device_get,
    devices,
    local_devices,
)
from fxad.compiler.abstract import ShapeDtypeStruct, eval_shape, make_jaxpr
from fxad.compiler.jit import clear_caches, jit
from fxad.compiler.memory_plan import memory_plan
from fxad.control import policies as checkpoint_policies
from fxad.control.callback import effects_barrier, io_callback, pure_callback
from fxad.control.checkpoint import checkpoint, remat
from fxad.control.closure import closure_convert
from fxad.control.custom_gradient import custom_gradient
from fxad.control.custom_jvp import custom_jvp
from fxad.control.custom_vjp import custom_vjp
from fxad.control.custom_vmap import custom_vmap
from fxad.control.policies import checkpoint_name
from fxad.control.residuals import print_saved_residuals, saved_residuals
from fxad.control.sequential import checkpoint_sequential
from fxad.core.aval import Array
from fxad.core.source import named_scope
from fxad.lax.conversion import stop_gradient
from fxad.ops.transfer import device_put
from fxad.switches import (
    check_tracer_leaks,
    checking_leaks,
    debug_infs,
    debug_nans,
    disable_jit,
    enable_x64,
    explain_cache_misses,
    log_compiles,
    safe_where,
)
from fxad.transforms.derivatives import hessian, hvp, jacfwd, jacobian, jacrev, value_grad_hvp
from fxad.transforms.jvp import jvp
from fxad.transforms.linearize import grad, linear_transpose, linearize, value_and_grad, vjp
from fxad.transforms.vmap import vmap

__version__ = "0.1.0"

__all__ = [
    "Array",
    "ShapeDtypeStruct",
    "ad_checkpoint",
    "block_until_ready",
    "check_tracer_leaks",
    "checking_leaks",
    "checkpoint",
    "checkpoint_name",
    "checkpoint_policies",
    "checkpoint_sequential",
    "clear_caches",
    "closure_convert",
    "config",
    "custom_batching",
    "custom_derivatives",
    "custom_gradient",
    "custom_jvp",
    "custom_vjp",
    "custom_vmap",
    "debug",
    "debug_infs",
    "debug_nans",
    "default_backend",
    "default_device",
    "device_count",
    "device_get",
    "device_put",
    "devices",
    "disable_jit",
    "dlpack",
    "effects_barrier",
    "enable_x64",
    "errors",
    "eval_shape",
    "experimental",
    "explain_cache_misses",
    "extend",
    "flatten_util",
    "grad",
    "hessian",
    "hvp",
    "implicit",
    "io_callback",
    "jacfwd",
    "jacobian",
    "jacrev",
    "jit",
    "jvp",
    "lax",
    "linear_transpose",
    "linearize",
    "local_devices",
    "log_compiles",
    "make_jaxpr",
    "memory_plan",
    "named_scope",
    "numpy",
    "print_saved_residuals",
    "pure_callback",
    "random",
    "remat",
    "safe_where",
    "saved_residuals",
    "stop_gradient",
    "tree",
    "tree_util",
    "value_and_grad",
    "value_grad_hvp",
    "vjp",
    "vmap",
]
