"""CUDA C++ on the CPU: g++, a shim header, a fibre for each CUDA thread.

``Kernel(source_or_path, name).launch(grid, block, args, shared=0, seed=0)`` runs a kernel over
NumPy arrays. Not emulated: PTX, tensor cores, asynchronous copies, cooperative groups, and several
``__shared__`` variables in one declaration.
"""

from tests.emulator.driver import EmulatorError, Kernel, available, kernels, nvidia_include

__all__ = ["EmulatorError", "Kernel", "available", "kernels", "nvidia_include"]
