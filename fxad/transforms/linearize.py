"""Reverse mode as users call it: ``linearize``, ``vjp``, ``linear_transpose``, ``grad``."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

import fxad.config as config
import fxad.tree as tree
from fxad.core.aval import ShapedArray, aval_of
from fxad.core.jaxpr import ClosedJaxpr
from fxad.core.source import error
from fxad.core.trace import current_trace, under, within
from fxad.core.tracebacks import public, public_as
from fxad.errors import DtypeError, InputMutatedError, NonScalarOutputError
from fxad.ops.base import number_like, shape_of
from fxad.transforms.common import (
    check_callable,
    check_structure,
    flatten_inputs,
    flatten_outputs,
    normalize_argnums,
    own,
    own_arrays,
    partial_call,
    unpack_aux,
)
from fxad.transforms.jvp import instantiate, zeros_for
from fxad.transforms.linear_function import Pullback, Pushforward, Recorded, check_tangent
from fxad.transforms.nodes import backward, force_factors
from fxad.transforms.staged import tape_jaxpr
from fxad.transforms.tape import TapeTrace, linearize_flat
from fxad.tree_util import Partial


class Linearized:
    """A function that has been run once: its outputs, and the tape of its derivative.

    Args:
      transformation: the name for messages.
      fun: a function of one pytree.
      point: that pytree.
      has_aux: whether ``fun`` returns a pair ``(output, aux)``.
      check: refuses inputs, before the function is run.
    """

    def __init__(
        self,
        transformation: str,
        fun: Callable[[Any], Any],
        point: Any,
        has_aux: bool,
        check: Callable[[Sequence[ShapedArray]], None] | None = None,
    ) -> None:
        self.transformation, self.home = transformation, current_trace()
        self.primals, self.in_structure = flatten_inputs(transformation, point)
        self.in_avals = [aval_of(p) for p in self.primals]
        if check is not None:
            check(self.in_avals)
        aux_structure: Any = None

        def flat_fun(*args: Any) -> list[Any]:
            nonlocal aux_structure
            out = fun(tree.unflatten(self.in_structure, args))
            aux_leaves: list[Any] = []
            if has_aux:
                out, aux = unpack_aux(transformation, out)
                aux_leaves, aux_structure = tree.flatten(aux)
            leaves, self.out_structure = flatten_outputs(transformation, out)
            self.count = len(leaves)
            return leaves + aux_leaves

        outs, nodes, self.in_nodes = linearize_flat(
            flat_fun, self.primals, self.in_avals, transformation
        )
        self.outs, self.out_nodes = outs[: self.count], nodes[: self.count]
        self.aux_leaves, self.aux_structure = outs[self.count :], aux_structure
        self.out_avals = [aval_of(y) for y in self.outs]
        self.recorded: tuple[Recorded, list[Any]] | None = None
        self.fingerprints = _fingerprints(self.primals) if config.check_mutation else None

    def out(self, tape_lives: bool = True) -> Any:
        """The function's output, as the user's own arrays: the tape may hold the very same."""
        return tree.unflatten(self.out_structure, own(self.outs, self.primals, tape_lives))

    def aux(self, tape_lives: bool = True) -> Any:
        """The auxiliary data, with arrays of the user's own."""
        leaves = own_arrays(self.aux_leaves, [*self.primals, *self.outs], tape_lives)
        return tree.unflatten(self.aux_structure, leaves)

    def push(self, tangents: Sequence[Any]) -> list[Any]:
        """Tangents of the outputs, one for each leaf; the linear part alone runs."""
        self._check_mutation()
        program, residuals = self.record()
        used = [t for t, n in zip(tangents, self.in_nodes, strict=True) if n is not None]
        results = iter(program.closed(*residuals, *used))
        outs = [
            instantiate(None if node is None else next(results), y)
            for node, y in zip(self.out_nodes, self.outs, strict=True)
        ]
        return own(outs, tangents)

    def record(self) -> tuple[Recorded, list[Any]]:
        """The linear part as a program, and its residuals."""
        if self.recorded is None:
            # Where the function ran: a trace that asks for it first would keep it for itself.
            closed, residuals = under(self.home, self._as_program)
            program = Recorded(
                closed,
                (self.in_structure, self.out_structure),
                (self.in_avals, self.out_avals),
                [node is not None for node in self.in_nodes],
                [node is not None for node in self.out_nodes],
            )
            self.recorded = program, residuals
        return self.recorded

    def _as_program(self) -> tuple[ClosedJaxpr, list[Any]]:
        force_factors(self.out_nodes)
        return tape_jaxpr(self.in_nodes, self.out_nodes)

    def _check_mutation(self) -> None:
        if self.fingerprints is not None and self.fingerprints != _fingerprints(self.primals):
            raise error(
                InputMutatedError,
                self.transformation,
                "got an input array that was changed in place after the function ran, "
                "wanted it as it was: the derivative still reads it",
                "Change a copy, or call the derivative first.",
            )

    def pull(self, cotangents: Sequence[Any], consume: bool = False) -> list[Any]:
        """Cotangents of the inputs, one for each leaf, as the user's own arrays."""
        self._check_mutation()
        cts = backward(self.out_nodes, cotangents, self.in_nodes, consume)
        cts = [
            ct if type(ct) is np.ndarray else _restore(instantiate(ct, p), p)
            for ct, p in zip(cts, self.primals, strict=True)
        ]
        # A rule of the user's own may hand back an array that something else holds.
        return own(cts, [*self.primals, *self.outs, *cotangents], held=True)


def _fingerprints(arrays: Sequence[Any]) -> list[int]:
    return [hash(np.asarray(a).tobytes()) for a in arrays if isinstance(a, np.ndarray)]


def _restore(ct: Any, primal: Any) -> Any:
    """A 0-d result as an array where the primal is one, not as a NumPy scalar."""
    return np.asarray(ct) if type(primal) is np.ndarray and isinstance(ct, np.generic) else ct


@public
def vjp(fun: Callable[..., Any], *primals: Any, has_aux: bool = False) -> Any:
    """Value of a function, and the function that pulls cotangents of its output back.

    Args:
      fun: the function; its arguments and result are pytrees of arrays or numbers.
      *primals: the arguments, the point. They are held, not copied: do not change them in place
        before the last pullback (``config.check_mutation`` notices it).
      has_aux: whether ``fun`` returns a pair ``(output, aux)``.

    Returns:
      ``(out, pullback)``, and ``aux`` as a third if ``has_aux``. ``pullback(ct)`` takes a
      cotangent of the output's structure, shapes and dtypes, and returns a tuple with a cotangent
      for each of ``primals`` (of dtype ``float0`` for integers). It can be called many times, and
      is a pytree: it can leave a jitted function, or be what a ``custom_vjp`` keeps.

    Raises:
      StructureError: a cotangent does not match the output.
      ArgumentTypeError: an argument or an output is not an array.

    Source: reverse accumulation; Griewank and Walther, Evaluating Derivatives, 2008, section 3.2.

    Example:
      >>> import numpy as np, fxad
      >>> y, pull = fxad.vjp(lambda x, w: x @ w, np.ones((1, 2)), np.eye(2))
      >>> dx, dw = pull(np.ones((1, 2)))
      >>> dw.tolist()
      [[1.0, 1.0], [1.0, 1.0]]
    """
    check_callable("vjp", fun)
    run = Linearized("vjp", lambda args: fun(*args), primals, has_aux)
    pullback = Pullback(run)
    return (run.out(), pullback, run.aux()) if has_aux else (run.out(), pullback)


@public
def linearize(fun: Callable[..., Any], *primals: Any, has_aux: bool = False) -> Any:
    """Value of a function at a point, and its derivative there as a linear function.

    The function runs once; each call of the derivative costs the linear part alone.

    Args:
      fun: the function; its arguments and result are pytrees of arrays or numbers.
      *primals: the arguments, the point; held, not copied.
      has_aux: whether ``fun`` returns a pair ``(output, aux)``.

    Returns:
      ``(out, pushforward)``, and ``aux`` as a third if ``has_aux``: ``pushforward(*tangents)``
      takes tangents as ``jvp`` does and returns the output's tangent. It is a pytree.

    Raises:
      StructureError: a tangent does not match its primal.

    Example:
      >>> import numpy as np, fxad
      >>> y, push = fxad.linearize(np.square, 3.0)
      >>> float(y), float(push(1.0)), float(push(2.0))
      (9.0, 6.0, 12.0)
    """
    check_callable("linearize", fun)
    run = Linearized("linearize", lambda args: fun(*args), primals, has_aux)
    pushforward = Pushforward(run)
    return (run.out(), pushforward, run.aux()) if has_aux else (run.out(), pushforward)


@public
def linear_transpose(fun: Callable[..., Any], *primals: Any) -> Callable[..., Any]:
    """The transpose of a linear function, without running it at a point.

    Args:
      fun: a function that is linear in all of its arguments together.
      *primals: arrays, numbers or ``ShapeDtypeStruct``: only shapes and dtypes are read.

    Returns:
      A function from a cotangent of ``fun``'s output to a tuple with a cotangent for each of
      ``primals``.

    Raises:
      NonDifferentiableError: ``fun`` does something that is not linear.
      DtypeError: there are truth values, or integers beside floats.

    Example:
      >>> import numpy as np, fxad
      >>> transposed = fxad.linear_transpose(lambda x: 2 * x[::-1], np.zeros(3))
      >>> transposed(np.array([1.0, 2.0, 3.0]))[0].tolist()
      [6.0, 4.0, 2.0]
    """
    check_callable("linear_transpose", fun)
    leaves, structure = tree.flatten(primals)
    avals = [ShapedArray(tuple(x.shape), np.dtype(x.dtype)) if hasattr(x, "shape") else aval_of(x)
             for x in leaves]
    _check_linear("arguments", avals)

    @public
    def transposed(ct: Any) -> Any:
        tape = TapeTrace(current_trace(), "linear_transpose")
        inputs = [tape.input(aval) for aval in avals]

        def body() -> tuple[list[Any], Any]:
            return flatten_outputs("linear_transpose", fun(*tree.unflatten(structure, inputs)))

        outs, out_structure = within(tape, body)
        nodes = [tape.node_of(y) for y in outs]
        out_avals = [aval_of(y) for y in outs]
        _check_linear("arguments and outputs", [*avals, *out_avals])
        check_structure("linear_transpose", "the cotangent", tree.structure(ct), out_structure)
        cts = [
            check_tangent("linear_transpose", "a cotangent", "the output", c, a)
            for c, a in zip(tree.leaves(ct), out_avals, strict=True)
        ]
        results = backward(nodes, cts, [x.node for x in inputs])
        full = [zeros_for(a, cts) if r is None else r
                for r, a in zip(results, avals, strict=True)]
        return tree.unflatten(structure, own(full, cts))

    return Partial(transposed)


def _check_linear(what: str, avals: Sequence[ShapedArray]) -> None:
    """Refuses what no linear function goes between: integers are not scaled by floats."""
    if not any(all(a.dtype.kind in kinds for a in avals) for kinds in ("fc", "iu")):
        listed = ", ".join(a.long_name() for a in avals)
        raise error(
            DtypeError,
            "linear_transpose",
            f"got {what} {listed}, wanted real or complex numbers, or integers alone",
        )


def grad(
    fun: Callable[..., Any],
    argnums: int | Sequence[int] = 0,
    has_aux: bool = False,
    holomorphic: bool = False,
    allow_int: bool = False,
) -> Callable[..., Any]:
    """The gradient of a scalar-valued function, as a function of the same arguments.

    Args:
      fun: a function whose output is one real number (complex with ``holomorphic``); its
        arguments are pytrees of arrays or numbers. Keyword arguments are not differentiated.
      argnums: which positional arguments to differentiate by: an integer (negative counts from
        the end) or a tuple of them.
      has_aux: whether ``fun`` returns a pair ``(output, aux)``.
      holomorphic: promises that ``fun`` is holomorphic: complex in, complex out.
      allow_int: allows integer arguments; their gradients have dtype ``float0``.

    Returns:
      A function that returns the gradient, of the structure, shapes and dtypes of the argument;
      a tuple of gradients if ``argnums`` is one; ``(gradient, aux)`` if ``has_aux``. For complex
      arguments it follows JAX: the gradient of a real function is ``df/dx - i df/dy``.

    Raises:
      NonScalarOutputError: the output is not a single number.
      DtypeError: an argument is of integers, or the output complex without ``holomorphic``.

    Source: reverse accumulation; Griewank and Walther, Evaluating Derivatives, 2008, section 3.2.

    Example:
      >>> import numpy as np, fxad
      >>> fxad.grad(lambda x: np.sum(x**3))(np.array([1.0, 2.0])).tolist()
      [3.0, 12.0]
      >>> float(fxad.grad(fxad.grad(np.sin))(0.5) + np.sin(0.5))
      0.0
    """
    check_callable("grad", fun)
    differentiate = _reverse("grad", fun, argnums, has_aux, holomorphic, allow_int)

    @public_as(fun)
    def gradient(*args: Any, **kwargs: Any) -> Any:
        run, grads = differentiate(args, kwargs)
        return (grads, run.aux(tape_lives=False)) if has_aux else grads

    return gradient


def value_and_grad(
    fun: Callable[..., Any],
    argnums: int | Sequence[int] = 0,
    has_aux: bool = False,
    holomorphic: bool = False,
    allow_int: bool = False,
) -> Callable[..., Any]:
    """Value and gradient of a scalar-valued function, in one pass.

    Args:
      fun: as for ``grad``.
      argnums: as for ``grad``.
      has_aux: as for ``grad``.
      holomorphic: as for ``grad``.
      allow_int: as for ``grad``.

    Returns:
      A function that returns ``(value, gradient)``; the value is ``(output, aux)`` if ``has_aux``.

    Raises:
      NonScalarOutputError: the output is not a single number.
      DtypeError: an argument is of integers, or the output complex without ``holomorphic``.

    Example:
      >>> import numpy as np, fxad
      >>> value, gradient = fxad.value_and_grad(lambda x: np.sum(x**2))(np.array([1.0, 2.0]))
      >>> float(value), gradient.tolist()
      (5.0, [2.0, 4.0])
    """
    check_callable("value_and_grad", fun)
    differentiate = _reverse("value_and_grad", fun, argnums, has_aux, holomorphic, allow_int)

    @public_as(fun)
    def both(*args: Any, **kwargs: Any) -> Any:
        run, grads = differentiate(args, kwargs)
        value = run.out(tape_lives=False)
        return (value, run.aux(tape_lives=False)) if has_aux else value, grads

    return both


def _reverse(
    name: str, fun: Callable[..., Any], argnums: Any, has_aux: bool, holomorphic: bool, ints: bool
) -> Callable[..., tuple[Linearized, Any]]:
    """What takes arguments to the run of the function on them, and its gradient."""

    def check(avals: Sequence[ShapedArray]) -> None:
        for aval in avals:
            if aval.dtype.kind != "f" or holomorphic:
                _check_input(name, aval, holomorphic, ints)

    def differentiate(args: Sequence[Any], kwargs: dict[str, Any]) -> tuple[Linearized, Any]:
        numbers, single = normalize_argnums(name, argnums, len(args))
        of_selected = partial_call(fun, args, kwargs, numbers)
        if single:
            run = Linearized(name, of_selected, args[numbers[0]], has_aux, check)
        else:
            selected = tuple(args[n] for n in numbers)
            run = Linearized(name, lambda values: of_selected(*values), selected, has_aux, check)
        seed = _seed(name, run, holomorphic)
        return run, tree.unflatten(run.in_structure, run.pull([seed], consume=True))

    return differentiate


def _check_input(name: str, aval: ShapedArray, holomorphic: bool, allow_int: bool) -> None:
    if holomorphic and aval.dtype.kind != "c":
        raise error(
            DtypeError,
            name,
            f"got holomorphic=True and an argument {aval.long_name()}, wanted complex ones",
            "Convert the argument to a complex dtype, or drop holomorphic.",
        )
    if aval.dtype.kind not in "fc" and not allow_int:
        raise error(
            DtypeError,
            name,
            f"got an argument {aval.long_name()} to differentiate by, "
            "wanted real or complex numbers",
            "Pass floats (3.0 for 3), name other argnums, or set allow_int=True.",
        )


_NUMBER = tree.structure(0.0)


def _seed(name: str, run: Linearized, holomorphic: bool) -> Any:
    """The cotangent one, for an output that has been checked to be a single number."""
    if len(run.outs) != 1 or run.out_structure != _NUMBER:
        raise error(
            NonScalarOutputError,
            name,
            f"got a function whose output is a pytree {run.out_structure}, wanted one number",
            "Return the loss alone, or (loss, aux) with has_aux=True.",
        )
    aval = run.out_avals[0]
    if shape_of(run.outs[0]) != ():
        raise error(
            NonScalarOutputError,
            name,
            f"got a function whose output is {aval.long_name()}, wanted one number of shape ()",
            "Reduce it with sum or mean, or use fxad.jacobian or fxad.vjp.",
        )
    if aval.dtype.kind not in ("c" if holomorphic else "f"):
        kind = "a complex" if holomorphic else "a real"
        raise error(
            DtypeError,
            name,
            f"got a function whose output is {aval.long_name()}, wanted {kind} number",
            "Take its real part or absolute value; for a holomorphic function set "
            "holomorphic=True; for integers compute in floats.",
        )
    return number_like(run.outs[0], 1)
