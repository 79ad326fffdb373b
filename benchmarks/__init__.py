"""Benchmarks against the peers in the same process: `python -m benchmarks.run`."""
