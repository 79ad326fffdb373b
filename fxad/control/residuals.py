"""What a function's derivative keeps between the forward and the backward pass, listed."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Sequence
from typing import Any

import fxad.tree as tree
import fxad.tree_util as tree_util
from fxad.core.aval import ShapedArray, aval_of, is_differentiable
from fxad.core.jaxpr import Atom, ClosedJaxpr, Eqn, Jaxpr, Literal, Var
from fxad.core.staging import stage
from fxad.core.tracebacks import public
from fxad.ops.identity import name_p
from fxad.ops.transfer import offload_p
from fxad.transforms.common import check_callable, flatten_inputs, flatten_outputs
from fxad.transforms.staged import linearize_jaxpr


@public
def saved_residuals(f: Callable[..., Any], *args: Any, **kwargs: Any) -> list[tuple[Any, str]]:
    """What ``grad`` of a function would hold between its forward and its backward pass.

    Nothing is computed: only shapes and dtypes are read.

    Args:
      f: the function.
      *args: arguments, as ``f`` takes them: all floating-point ones are differentiated.
      **kwargs: keyword arguments, differentiated as well.

    Returns:
      For each array that is held, its shape and dtype, and where it comes from: ``"from a
      constant"``, ``"from the argument x[0]"``, ``"named 'y' from model.py:7 (layer)"`` for what
      ``checkpoint_name`` marked, ``"output of sin from model.py:8 (layer)"``.

    Raises:
      ArgumentTypeError: an argument or an output is not an array.

    Example:
      >>> import numpy as np, fxad
      >>> layer = fxad.checkpoint(lambda x, y: np.sin(np.exp(x) * y))
      >>> for aval, origin in fxad.ad_checkpoint.saved_residuals(layer, np.ones(3), 2.0):
      ...     print(aval, origin)
      f64[3] from the argument x
      f64[] from the argument y
    """
    check_callable("saved_residuals", f)
    leaves, structure = flatten_inputs("saved_residuals", (args, kwargs))

    def flat(*values: Any) -> list[Any]:
        inner, inner_kwargs = tree.unflatten(structure, values)
        return flatten_outputs("saved_residuals", f(*inner, **inner_kwargs))[0]

    closed = stage(flat, [aval_of(x) for x in leaves], "saved_residuals")
    nonzero = [is_differentiable(a.dtype) for a in closed.in_avals]
    forward, _, _ = linearize_jaxpr(closed, nonzero)
    residuals = forward.jaxpr.outvars[len(closed.out_avals) :]
    return _listed(forward, residuals, _argument_names(f, args, kwargs))


@public
def print_saved_residuals(f: Callable[..., Any], *args: Any, **kwargs: Any) -> None:
    """Prints what ``grad`` of a function would hold between its passes, an array to a line.

    Args:
      f: the function.
      *args: arguments, as ``f`` takes them.
      **kwargs: keyword arguments.

    Example:
      >>> import numpy as np, fxad
      >>> fxad.ad_checkpoint.print_saved_residuals(lambda x, w: x @ w, np.ones(3), np.eye(3))
      f64[3] from the argument x
      f64[3,3] from the argument w
    """
    for aval, origin in saved_residuals(f, *args, **kwargs):
        print(f"{aval} {origin}")


def _argument_names(
    f: Callable[..., Any], args: Sequence[Any], kwargs: dict[str, Any]
) -> list[str]:
    """What the user calls each leaf of the arguments: ``x``, ``x[0]``, ``params['w']``."""
    positional = [f"args[{i}]" for i in range(len(args))]
    try:
        parameters = list(inspect.signature(f).parameters.values())
    except (TypeError, ValueError):  # what C functions raise that do not say
        parameters = []
    for i, parameter in enumerate(parameters[: len(args)]):
        if parameter.kind is parameter.VAR_POSITIONAL:
            positional[i:] = [f"{parameter.name}[{n}]" for n in range(len(args) - i)]
            break
        positional[i] = parameter.name
    names = []
    for path, _ in tree.leaves_with_path((tuple(args), kwargs)):
        position, key = path[0].idx, path[1]
        start = key.key if position else positional[key.idx]
        names.append(f"{start}{tree_util.keystr(path[2:])}")
    return names


def _listed(
    closed: ClosedJaxpr, residuals: Sequence[Atom], names: Sequence[str]
) -> list[tuple[ShapedArray, str]]:
    """The residuals and where they come from: constants, arguments, results, in their order."""
    jaxpr = closed.jaxpr
    made_by = _makers(jaxpr)
    order: dict[Atom, int] = {v: i for i, v in enumerate((*jaxpr.constvars, *jaxpr.invars))}
    order.update((v, len(order) + i) for i, v in enumerate(made_by))
    # Calls hand inputs through: what they hand out is the same array.
    roots = dict.fromkeys(_root(v, made_by) for v in residuals)
    variables = sorted((v for v in roots if isinstance(v, Var)), key=order.__getitem__)
    found = [(v.aval, "from a literal") for v in roots if isinstance(v, Literal)]
    for v in variables:
        if v in made_by:
            found.append((v.aval, _made(*made_by[v])))
        elif v in jaxpr.constvars:
            found.append((v.aval, "from a constant"))
        else:
            found.append((v.aval, f"from the argument {names[jaxpr.invars.index(v)]}"))
    return found


def _makers(jaxpr: Jaxpr) -> dict[Atom, tuple[Eqn, int]]:
    return {v: (eqn, i) for eqn in jaxpr.eqns for i, v in enumerate(eqn.outvars)}


def _root(atom: Atom, made_by: dict[Atom, tuple[Eqn, int]]) -> Atom:
    """The variable itself, or the one that a call or a move has only handed through to it."""
    while atom in made_by:
        eqn, index = made_by[atom]
        if eqn.primitive is offload_p:
            atom = eqn.invars[0]
            continue
        if eqn.primitive.inlines != "jaxpr":
            break
        inner = eqn.params["jaxpr"].jaxpr
        out = _root(inner.outvars[index], _makers(inner))
        if isinstance(out, Var) and out not in inner.invars:
            break
        atom = out if isinstance(out, Literal) else eqn.invars[inner.invars.index(out)]
    return atom


def _made(eqn: Eqn, index: int) -> str:
    """How a result came about; what a checkpoint saves, within the checkpoint."""
    if eqn.primitive.inlines == "jaxpr" and "prevent_cse" in eqn.params:
        inner = eqn.params["jaxpr"].jaxpr
        makers = _makers(inner)
        return _made(*makers[_root(inner.outvars[index], makers)])
    source = eqn.source
    where = f" from {source.filename}:{source.line} ({source.function})" if source else ""
    if eqn.primitive is name_p:
        return f"named '{eqn.params['name']}'{where}"
    if eqn.primitive.inlines == "jaxpr":
        return f"output of jitted function '{eqn.params['name']}'{where}"
    return f"output of {eqn.primitive}{where}"
