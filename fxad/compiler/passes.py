"""Passes: each a function from jaxpr to jaxpr, in the order of ``PIPELINE``."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

import fxad.config as config
from fxad.control.recomputed import written_out
from fxad.core.aval import PYTHON_SCALARS
from fxad.core.inlining import Builder
from fxad.core.jaxpr import Atom, ClosedJaxpr, Eqn, Jaxpr, Literal, Var, check_jaxpr, dce_jaxpr
from fxad.core.primitive import Primitive
from fxad.core.trace import EVAL
from fxad.ops.base import broadcast_in_dim_p, convert_element_type_p, reshape_p, transpose_p
from fxad.ops.elementwise import (
    div_p,
    integer_pow_p,
    mul_p,
    neg_p,
    select_p,
    stop_gradient_p,
)
from fxad.ops.identity import name_p

Pass = Callable[[Jaxpr], Jaxpr]


def inline(jaxpr: Jaxpr) -> Jaxpr:
    """Puts the equations of called jaxprs in the place of the calls.

    What ``checkpoint`` computes again stays, unless its ``prevent_cse`` is off: it is then found
    to be there already.
    """
    return written_out(jaxpr)


def dce(jaxpr: Jaxpr) -> Jaxpr:
    """Drops equations whose results nothing reads and that have no effects."""
    return dce_jaxpr(jaxpr)


def _key(atom: Atom) -> Any:
    """Equal keys, equal values: numbers by their bits, so that 0.0 and -0.0 stay apart."""
    if isinstance(atom, Var):
        return atom
    return type(atom.value), atom.aval, np.asarray(atom.value).tobytes()


def cse(jaxpr: Jaxpr) -> Jaxpr:
    """Computes what occurs twice once: same primitive, operands and parameters, no effects."""
    builder = Builder()
    seen: dict[Any, tuple[Var, ...]] = {}
    for old in jaxpr.eqns:
        eqn = old.replace([builder.read(v) for v in old.invars])
        if eqn.effects():
            builder.eqns.append(eqn)
            continue
        try:
            key = (eqn.primitive, *map(_key, eqn.invars), *sorted(eqn.params.items()))
            before = seen.setdefault(key, eqn.outvars)
        except TypeError:  # parameters that cannot be hashed
            before = eqn.outvars
        if before is eqn.outvars:
            builder.eqns.append(eqn)
        else:
            builder.replaced.update(zip(eqn.outvars, before, strict=True))
    return builder.finish(jaxpr)


def fold(jaxpr: Jaxpr) -> Jaxpr:
    """Evaluates equations between numbers; arrays are not, so that the program stays small."""
    builder = Builder()
    for old in jaxpr.eqns:
        eqn = old.replace([builder.read(v) for v in old.invars])
        known = eqn.invars and all(isinstance(v, Literal) for v in eqn.invars)
        known = known and not eqn.effects()
        small = len(eqn.outvars) == 1 and eqn.outvars[0].aval.shape == ()
        if known and small and not eqn.primitive.multiple_results:
            values = tuple(v.value for v in eqn.invars if isinstance(v, Literal))
            with np.errstate(all="ignore"):
                out = EVAL.process(eqn.primitive, values, eqn.params)
            builder.replaced[eqn.outvars[0]] = Literal(_number(out), eqn.outvars[0].aval)
        else:
            builder.eqns.append(eqn)
    return builder.finish(jaxpr)


def _number(value: Any) -> Any:
    return value[()] if isinstance(value, np.ndarray) else value


def _is_number(atom: Atom, value: float) -> bool:
    return isinstance(atom, Literal) and type(atom.value) in PYTHON_SCALARS and atom.value == value


def _same(eqn: Eqn, atom: Atom) -> Atom | None:
    """The operand itself, where it already is what the equation would make."""
    return atom if atom.aval == eqn.outvars[0].aval else None


def _simplify_mul(eqn: Eqn) -> Atom | None:
    x, y = eqn.invars
    if _is_number(y, 1):
        return _same(eqn, x)
    return _same(eqn, y) if _is_number(x, 1) else None


def _simplify_transpose(eqn: Eqn) -> Atom | None:
    permutation = eqn.params["permutation"]
    return eqn.invars[0] if permutation == tuple(range(len(permutation))) else None


def _simplify_broadcast(eqn: Eqn) -> Atom | None:
    in_order = eqn.params["dims"] == tuple(range(len(eqn.params["shape"])))
    return _same(eqn, eqn.invars[0]) if in_order else None


def _simplify_select(eqn: Eqn) -> Atom | None:
    _, x, y = eqn.invars
    return _same(eqn, x) if x is y else None


#: What an equation of a primitive can be replaced by: an atom, or None to leave it.
SIMPLIFICATIONS: dict[Primitive, Callable[[Eqn], Atom | None]] = {
    mul_p: _simplify_mul,
    div_p: lambda eqn: _same(eqn, eqn.invars[0]) if _is_number(eqn.invars[1], 1) else None,
    integer_pow_p: lambda eqn: _same(eqn, eqn.invars[0]) if eqn.params["y"] == 1 else None,
    convert_element_type_p: lambda eqn: _same(eqn, eqn.invars[0]),
    reshape_p: lambda eqn: _same(eqn, eqn.invars[0]),
    transpose_p: _simplify_transpose,
    broadcast_in_dim_p: _simplify_broadcast,
    stop_gradient_p: lambda eqn: eqn.invars[0],
    name_p: lambda eqn: eqn.invars[0],
    select_p: _simplify_select,
}


def simplify(jaxpr: Jaxpr) -> Jaxpr:
    """Drops what changes nothing: ``x * 1``, casts to the own dtype, ``neg(neg(x))``, ..."""
    builder = Builder()
    made_by: dict[Atom, Eqn] = {}
    for old in jaxpr.eqns:
        eqn = old.replace([builder.read(v) for v in old.invars])
        rule = SIMPLIFICATIONS.get(eqn.primitive)
        found = rule(eqn) if rule is not None else None
        if found is None and eqn.primitive is neg_p:
            source = made_by.get(eqn.invars[0])
            found = source.invars[0] if source and source.primitive is neg_p else None
        if found is not None:
            builder.replaced[eqn.outvars[0]] = found
            continue
        builder.eqns.append(eqn)
        made_by.update(dict.fromkeys(eqn.outvars[:1], eqn))
    return builder.finish(jaxpr)


PIPELINE: tuple[Pass, ...] = (inline, simplify, fold, cse, dce)


def optimize(closed: ClosedJaxpr) -> ClosedJaxpr:
    """Runs the pipeline; under ``config.check_jaxprs`` every pass is checked."""
    jaxpr = closed.jaxpr
    for run in PIPELINE:
        jaxpr = run(jaxpr)
        if config.check_jaxprs:
            check_jaxpr(jaxpr)
    return ClosedJaxpr(jaxpr, closed.consts)
