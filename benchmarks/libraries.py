"""fxad and its peers behind one interface: a workload is written once, over any namespace.

A workload is a function `work(xp, *arguments)` where `xp` is the library's NumPy-like namespace.
Peers that are not installed are left out.
"""

import importlib
import importlib.util
from collections.abc import Callable
from functools import partial
from typing import Any

import numpy as np

import fxad
import fxad.numpy

Thunk = Callable[[], Any]


class Library:
    """One library: its namespace, its `grad`, how it compiles and how it waits for a result."""

    def __init__(self, name: str, xp: Any, grad: Callable, *, asarray=np.asarray, jit=None,
                 wait=None):
        self.name, self.xp, self.grad = name, xp, grad
        self.asarray = asarray
        self.jit = jit or (lambda f: f)
        self.wait = wait or (lambda result: result)

    def arguments(self, arguments: Any) -> Any:
        """The same nested lists with the library's own arrays as leaves."""
        if isinstance(arguments, list | tuple):
            return type(arguments)(self.arguments(leaf) for leaf in arguments)
        return self.asarray(arguments)

    def value(self, work: Callable, *arguments: Any) -> Thunk:
        """A call of the workload itself."""
        return self._thunk(partial(work, self.xp), arguments)

    def gradient(self, work: Callable, *arguments: Any) -> Thunk:
        """A call of the workload's gradient by its first argument."""
        return self._thunk(self.grad(partial(work, self.xp)), arguments)

    def derivative(self, work: Callable, order: int, *arguments: Any) -> Thunk:
        """A call of the workload's derivative of an order, by nesting `grad`."""
        function = partial(work, self.xp)
        for _ in range(order):
            function = self.grad(function)
        return self._thunk(function, arguments)

    def _thunk(self, function: Callable, arguments: tuple) -> Thunk:
        function, arguments = self.jit(function), self.arguments(arguments)
        return lambda: self.wait(function(*arguments))


class Torch(Library):
    """PyTorch takes gradients by its tape, which is faster than its `func.grad`."""

    def gradient(self, work: Callable, *arguments: Any) -> Thunk:
        torch = self.xp
        inputs, *rest = self.arguments(arguments)
        leaves = inputs if isinstance(inputs, list) else [inputs]
        for leaf in leaves:
            leaf.requires_grad_()

        def call() -> Any:
            grads = torch.autograd.grad(work(torch, inputs, *rest), leaves)
            return grads if isinstance(inputs, list) else grads[0]

        return call


def _autograd() -> dict[str, Library]:
    autograd = importlib.import_module("autograd")
    namespace = importlib.import_module("autograd.numpy")
    return {"autograd": Library("autograd", namespace, autograd.grad)}


def _torch() -> dict[str, Library]:
    torch = importlib.import_module("torch")
    asarray = lambda array: torch.tensor(np.asarray(array))  # noqa: E731
    return {"torch": Torch("torch", torch, torch.func.grad, asarray=asarray)}


def _jax() -> dict[str, Library]:
    jax = importlib.import_module("jax")
    jax.config.update("jax_platforms", "cpu")
    jax.config.update("jax_enable_x64", True)
    library = partial(Library, xp=jax.numpy, grad=jax.grad, asarray=jax.numpy.asarray,
                      wait=jax.block_until_ready)
    return {"JAX": library("JAX"), "JAX jit": library("JAX jit", jit=jax.jit)}


def _fxad() -> dict[str, Library]:
    library = partial(Library, xp=fxad.numpy, grad=fxad.grad, wait=fxad.block_until_ready)
    return {"fxad": library("fxad"), "fxad jit": library("fxad jit", jit=fxad.jit)}


_LOADERS = {"fxad": _fxad, "autograd": _autograd, "torch": _torch, "jax": _jax}


def libraries(*names: str) -> list[Library]:
    """The named libraries that are installed, in this order; all of them by default.

    Args:
        names: of `fxad`, `fxad jit`, `autograd`, `torch`, `JAX`, `JAX jit`.

    Returns:
        The libraries, each imported once it is asked for.
    """
    found: dict[str, Library] = {}
    for module, load in _LOADERS.items():
        wanted = not names or any(name.split()[0].lower() == module for name in names)
        if wanted and importlib.util.find_spec(module):
            found |= load()
    return [found[name] for name in names or found if name in found]
