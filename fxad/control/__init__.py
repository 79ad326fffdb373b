"""The primitives that carry programs: calls, checkpoints, custom rules."""
