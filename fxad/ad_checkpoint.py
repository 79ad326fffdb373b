"""Checkpointing in detail: names and policies, and what a derivative keeps."""

from fxad.control import policies as checkpoint_policies
from fxad.control.checkpoint import checkpoint, remat
from fxad.control.policies import Recompute, Saveable, checkpoint_name
from fxad.control.residuals import print_saved_residuals, saved_residuals
from fxad.control.saving_inner import Offloadable

__all__ = [
    "Offloadable",
    "Recompute",
    "Saveable",
    "checkpoint",
    "checkpoint_name",
    "checkpoint_policies",
    "print_saved_residuals",
    "remat",
    "saved_residuals",
]
