"""Rematerialisation: keep a function's inputs, compute its inside again when it is pulled back."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import fxad.tree as tree
from fxad.control.call import bind_call, call_primitive
from fxad.core.aval import aval_of
from fxad.core.jaxpr import ClosedJaxpr, alike
from fxad.core.staging import hoist, stage
from fxad.core.tracebacks import public_as
from fxad.transforms.common import check_callable, flatten_inputs, flatten_outputs, own

checkpoint_p = call_primitive("checkpoint", recompute=True)


def checkpoint(
    fun: Callable[..., Any], *, static_argnums: int | Sequence[int] = ()
) -> Callable[..., Any]:
    """A function whose derivative keeps its inputs alone and computes the rest a second time.

    Memory for time: the intermediate values of ``fun`` are not held between the forward and the
    backward pass; the backward pass runs ``fun`` once more. A chain of ``n`` equal layers in
    ``sqrt(n)`` checkpointed blocks needs memory of the order ``sqrt(n)`` for one more forward
    pass.

    Args:
      fun: the function; its arguments and result are pytrees of arrays or numbers.
      static_argnums: positions of arguments that are not arrays, or whose values ``fun`` needs.

    Returns:
      A function of the same arguments and with the same values.

    Raises:
      TracerBoolConversionError: ``fun`` branches on a value that is not static.

    Source: Griewank and Walther, Revolve, ACM Transactions on Mathematical Software 26, 2000;
    Chen, Xu, Zhang and Guestrin, Training Deep Nets with Sublinear Memory Cost, 2016.

    Example:
      >>> import numpy as np, fxad
      >>> layer = fxad.checkpoint(lambda x: np.tanh(np.sin(x)))
      >>> bool(np.isclose(fxad.grad(layer)(0.0), 1.0))
      True
    """
    check_callable("checkpoint", fun)
    static = (static_argnums,) if isinstance(static_argnums, int) else tuple(static_argnums)
    programs: dict[Any, ClosedJaxpr] = {}

    @public_as(fun)
    def checkpointed(*args: Any, **kwargs: Any) -> Any:
        fixed = {n % len(args): args[n] for n in static if -len(args) <= n < len(args)}
        dynamic = tuple(a for i, a in enumerate(args) if i not in fixed)
        leaves, structure = flatten_inputs("checkpoint", (dynamic, kwargs))
        out_structures: list[Any] = []

        def flat_fun(*values: Any) -> list[Any]:
            inner, inner_kwargs = tree.unflatten(structure, values)
            given = iter(inner)
            full = [fixed[i] if i in fixed else next(given) for i in range(len(args))]
            outs, out_structure = flatten_outputs("checkpoint", fun(*full, **inner_kwargs))
            out_structures.append(out_structure)
            return outs

        closed, consts = hoist(stage(flat_fun, [aval_of(x) for x in leaves], "checkpoint"))
        # Traced anew, since what it closes over may be another by now, but derived only once.
        known = programs.setdefault(tuple(closed.in_avals), closed)
        if not alike(known.jaxpr, closed.jaxpr):
            known = programs[tuple(closed.in_avals)] = closed
        name = getattr(fun, "__name__", "checkpoint")
        outs = bind_call(checkpoint_p, known, [*consts, *leaves], name)
        return tree.unflatten(out_structures[-1], own(outs, [*leaves, *consts]))

    return checkpointed


remat = checkpoint
