"""The first-order primitives, by family, each with all of its rules in one block."""
