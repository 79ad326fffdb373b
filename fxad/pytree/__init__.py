"""Pytrees from the inside; ``fxad.tree`` and ``fxad.tree_util`` are the public names."""
