"""Batching rules of one's own; the names are JAX's."""

from fxad.control.custom_vmap import custom_vmap, sequential_vmap

__all__ = ["custom_vmap", "sequential_vmap"]
