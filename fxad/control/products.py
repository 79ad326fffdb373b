"""Sums of products over the steps of a loop, taken out of it as one product.

The cotangent of a loop's constant matrix is a sum over the steps of outer products, each as large
as the matrix. Stacking the factors instead and contracting over the steps, once, is a product of
matrices.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from typing import Any, NamedTuple

from fxad.core.jaxpr import Eqn, Jaxpr, Literal, Var
from fxad.ops.base import (
    add_any,
    add_any_p,
    convert_element_type_p,
    reshape_p,
    transpose_p,
)
from fxad.ops.dot_general import dot_general_p


class Product(NamedTuple):
    """A product that is summed over the steps.

    Args:
      position: of the sum, among the results of the loop.
      sources: for both factors what they are of the loop: ``("x", i)``, the operand that is
        scanned at that place; ``("y", i)``, the i-th of the outputs stacked for them.
      product: the equation of one step.
      steps: what becomes of the product, equations of one operand each.
    """

    position: int
    sources: tuple[tuple[str, int], tuple[str, int]]
    product: Eqn
    steps: tuple[Eqn, ...]


def take_products_out(
    jaxpr: Jaxpr, sums: Sequence[tuple[int, int]], num_consts: int, first_x: int
) -> tuple[Jaxpr, list[Product]]:
    """The body of a loop without the products that it only sums, and those products.

    Args:
      jaxpr: the body.
      sums: positions of inputs and outputs that are sums carried along.
      num_consts: how many inputs come first that do not change.
      first_x: the position of the first input that is scanned over.
    """
    uses = Counter(v for eqn in jaxpr.eqns for v in eqn.invars if isinstance(v, Var))
    uses.update(v for v in jaxpr.outvars if isinstance(v, Var))
    made_by = {v: eqn for eqn in jaxpr.eqns for v in eqn.outvars}
    scanned = {v: i for i, v in enumerate(jaxpr.invars[first_x:])}
    fixed = unchanging(jaxpr, num_consts)
    stacked: dict[Var, int] = {}
    products: list[Product] = []
    replaced: dict[Any, Var] = {}
    for before, after in sums:
        total, out = jaxpr.invars[before], jaxpr.outvars[after]
        eqn = made_by.get(out) if isinstance(out, Var) and uses[out] == 1 else None
        if eqn is None or eqn.primitive is not add_any_p or eqn.invars[0] is not total:
            continue
        found = _product(eqn.invars[1], made_by, uses)
        if found is None or not _worth_it(found[0], scanned, fixed):
            continue
        eqn, steps = found
        sources = []
        for factor in eqn.invars:
            assert isinstance(factor, Var)
            if factor in scanned:
                sources.append(("x", scanned[factor]))
            else:
                sources.append(("y", stacked.setdefault(factor, len(stacked))))
        products.append(Product(after, (sources[0], sources[1]), eqn, steps))
        replaced[out] = total
    outvars = [replaced.get(v, v) if isinstance(v, Var) else v for v in jaxpr.outvars]
    return Jaxpr(jaxpr.constvars, jaxpr.invars, jaxpr.eqns, [*outvars, *stacked]), products


def unchanging(jaxpr: Jaxpr, num_consts: int) -> set[Any]:
    """The variables that are the same at every step."""
    known: set[Any] = {*jaxpr.constvars, *jaxpr.invars[:num_consts]}
    for eqn in jaxpr.eqns:
        if all(isinstance(v, Literal) or v in known for v in eqn.invars) and not eqn.effects():
            known.update(eqn.outvars)
    return known


def _product(
    atom: Any, made_by: dict[Var, Eqn], uses: Counter[Var]
) -> tuple[Eqn, tuple[Eqn, ...]] | None:
    """The product that a value is, and the transpositions and reshapes that follow it."""
    steps: list[Eqn] = []
    while isinstance(atom, Var) and uses[atom] == 1 and atom in made_by:
        eqn = made_by[atom]
        if eqn.primitive is dot_general_p:
            return eqn, tuple(reversed(steps))
        if eqn.primitive not in (transpose_p, reshape_p, convert_element_type_p):
            return None
        steps.append(eqn)
        atom = eqn.invars[0]
    return None


def _worth_it(eqn: Eqn, scanned: dict[Var, int], fixed: set[Any]) -> bool:
    """Whether both factors change from step to step, and to stack them costs less."""
    if not all(isinstance(v, Var) and v not in fixed for v in eqn.invars):
        return False
    new = sum(v.aval.size for v in eqn.invars if v not in scanned)
    return new <= eqn.outvars[0].aval.size


def summed(product: Product, total: Any, left: Any, right: Any) -> Any:
    """The sum over all steps of the products of these factors, added to what is there."""
    params = product.product.params
    contract, batch = params["dimension_numbers"]
    over = tuple((0, *(axis + 1 for axis in axes)) for axes in contract)
    kept = tuple(tuple(axis + 1 for axis in axes) for axes in batch)
    out = dot_general_p.bind(left, right, **{**params, "dimension_numbers": (over, kept)})
    for eqn in product.steps:
        out = eqn.primitive.bind(out, **eqn.params)
    return add_any(total, out)
