"""``custom_linear_solve``: a linear solve, whose derivatives are solves of the same kind."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import fxad.tree as tree
from fxad.control.solving import (
    Space,
    Staged,
    batch_program,
    batched_also,
    cost_of,
    front_dims,
    names_of,
    split_at,
)
from fxad.core.jaxpr import execute
from fxad.core.primitive import Primitive
from fxad.core.source import defined_at, error, inside
from fxad.core.trace import current_trace, is_linear, within
from fxad.core.tracebacks import public
from fxad.errors import NonDifferentiableError
from fxad.ops.base import add_any, fit, like, to_front
from fxad.ops.elementwise import neg
from fxad.ops.rules import nonlinear
from fxad.transforms.common import check_callable
from fxad.transforms.jvp import instantiate, jvp_flat, zeros_for
from fxad.transforms.nodes import backward
from fxad.transforms.tape import TapeTrace

_NAME = "custom_linear_solve"


class Four(NamedTuple):
    """What there is of each of the four functions: a program, a count, a list."""

    matvec: Any
    vecmat: Any
    solve: Any
    transpose_solve: Any

    def transposed(self) -> Four:
        """The same of the transposed system."""
        return Four(self.vecmat, self.matvec, self.transpose_solve, self.solve)


# The operands are what the four functions close over, and the right-hand side. The operator maps
# x to b; the outputs are x, and the auxiliary data of ``solve``.


def _parts(values: Sequence[Any], counts: Four) -> tuple[Four, list[Any]]:
    *consts, b = split_at(values, counts)
    return Four(*consts), b


def _bind(consts: Four, b: Sequence[Any], programs: Four) -> list[Any]:
    outs: list[Any] = linear_solve_p.bind(
        *(c for part in consts for c in part),
        *b,
        programs=programs,
        counts=Four(*map(len, consts)),
        axis_name=names_of(programs),
    )
    return outs


def _impl(xp: Any, *args: Any, programs: Four, counts: Four, axis_name: Any) -> list[Any]:
    consts, b = _parts(args, counts)
    return execute(programs.solve, *consts.solve, *b)


def _jvp(
    primals: Sequence[Any],
    tangents: Sequence[Any],
    *,
    programs: Four,
    counts: Four,
    axis_name: Any,
) -> tuple[list[Any], list[Any]]:
    """From A x = b: A dx = db - dA x."""
    consts, b = _parts(primals, counts)
    moved, rhs = _parts(tangents, counts)
    outs = _bind(consts, b, programs)
    count = len(b)
    if any(t is not None for t in moved.matvec):
        x = outs[:count]
        _, by_matrix = jvp_flat(
            programs.matvec, [*consts.matvec, *x], [*moved.matvec, *[None] * count]
        )
        rhs = [
            t if m is None else add_any(t, like(neg(m), y))
            for t, m, y in zip(rhs, by_matrix, b, strict=True)
        ]
    if all(t is None for t in rhs):
        return outs, [None] * len(outs)
    full = [instantiate(t, y) for t, y in zip(rhs, b, strict=True)]
    dx = _bind(consts, full, programs)[:count]
    pushed = [like(t, x) for t, x in zip(dx, outs[:count], strict=True)]
    return outs, pushed + [None] * (len(outs) - count)


def _transpose(
    cts: Sequence[Any], *args: Any, programs: Four, counts: Four, axis_name: Any
) -> list[Any]:
    consts, b = _parts(args, counts)
    if any(is_linear(c) for part in consts for c in part):
        raise nonlinear(_NAME)
    if programs.transpose_solve is None:
        raise error(
            NonDifferentiableError,
            _NAME,
            "got a reverse derivative without a transpose_solve: transpose_solve required",
            "Give transpose_solve(vecmat, b), or symmetric=True where the operator is symmetric.",
        )
    avals = programs.solve.out_avals[: len(b)]
    full = [
        zeros_for(a.strong(), cts) if ct is None else ct
        for ct, a in zip(cts, avals, strict=False)
    ]
    pulled = _bind(consts.transposed(), full, programs.transposed())
    fitted = [fit(ct, y.aval.shape, y.aval.dtype) if is_linear(y) else None
              for ct, y in zip(pulled, b, strict=False)]
    return [None] * sum(counts) + fitted


def _batch(
    size: Any,
    args: Sequence[Any],
    dims: Sequence[Any],
    *,
    programs: Four,
    counts: Four,
    axis_name: Any,
) -> tuple[list[Any], list[int | None]]:
    """Each leaf of x and b is batched at the front or not at all, in all four programs alike."""
    consts, b = _parts(args, counts)
    const_dims, b_dims = _parts(dims, counts)
    count = len(b)
    in_b, in_x = [d is not None for d in b_dims], [False] * count
    while True:
        batched: list[Any] = []
        outs: list[list[int | None]] = []
        sides = (in_x, in_b), (in_b, in_x), (in_b, in_x), (in_x, in_b)
        for program, fixed, (given, wanted) in zip(programs, const_dims, sides, strict=True):
            if program is None:
                batched.append(None)
                outs.append(front_dims(wanted))
                continue
            new, out_dims = batch_program(program, size, [*fixed, *front_dims(given)], wanted)
            batched.append(new)
            outs.append(out_dims)
        found_b = batched_also(batched_also(in_b, outs[0]), outs[3])
        found_x = batched_also(batched_also(in_x, outs[1]), outs[2])
        if found_b == in_b and found_x == in_x:
            break
        in_b, in_x = found_b, found_x
    moved = [to_front(y, d, size) if i else y for y, d, i in zip(b, b_dims, in_b, strict=True)]
    return _bind(consts, moved, Four(*batched)), outs[2]


linear_solve_p = Primitive(
    _NAME,
    abstract=lambda *avals, programs, counts, axis_name: programs.solve.out_avals,
    impl=_impl,
    jvp=_jvp,
    transpose=_transpose,
    batch=_batch,
    cost=lambda avals, params: cost_of(params["programs"].solve),
    multiple_results=True,
    collective=True,
)


def _transposed(matvec: Staged, space: Space) -> Callable[[Any], Any]:
    """The transpose of the operator, as a function of pytrees."""

    def vecmat(ct: Any) -> Any:
        cts, tape = tree.leaves(ct), TapeTrace(current_trace(), _NAME)
        inputs = [tape.input(a.strong()) for a in space.avals]
        outs = within(tape, matvec.program, *matvec.consts, *inputs)
        nodes = [tape.node_of(y) for y in outs]
        pulled = backward(nodes, cts, [x.node for x in inputs])
        full = [
            zeros_for(a.strong(), cts) if r is None else r
            for r, a in zip(pulled, space.avals, strict=True)
        ]
        return tree.unflatten(space.structure, full)

    return vecmat


@public
def custom_linear_solve(
    matvec: Callable[[Any], Any],
    b: Any,
    solve: Callable[[Callable[[Any], Any], Any], Any],
    transpose_solve: Callable[[Callable[[Any], Any], Any], Any] | None = None,
    symmetric: bool = False,
    has_aux: bool = False,
) -> Any:
    """Solves ``matvec(x) = b`` by any method; derivatives are solves, not those of the method.

    What is differentiated is what ``matvec`` closes over, and ``b``: how ``solve`` works (a
    factorisation, an iteration) does not enter, only that its result solves the system.

    Args:
      matvec: a linear function of pytrees like ``b``, to such pytrees.
      b: the right-hand side, a pytree of arrays or numbers.
      solve: ``solve(matvec, b) -> x``.
      transpose_solve: ``transpose_solve(vecmat, ct) -> x`` for the transpose ``vecmat`` of
        ``matvec``, which is derived; for reverse mode. None: ``solve`` if ``symmetric``.
      symmetric: promises that the operator is its own transpose.
      has_aux: whether the two solvers return pairs ``(x, aux)``; ``aux`` has no derivative.

    Returns:
      What ``solve`` returns: ``x``, or ``(x, aux)``.

    Raises:
      StructureError: a function returned another structure than that of ``b``.
      ShapeError: a function returned other shapes than those of ``b``.
      NonDifferentiableError: reverse mode without ``transpose_solve``, or ``matvec`` is found not
        to be linear when it is transposed for one.

    Source: the implicit function theorem; Griewank and Walther, Evaluating Derivatives, 2008,
    section 15.

    Example:
      >>> import numpy as np, fxad
      >>> from fxad import lax
      >>> def diagonal_solve(d, b):
      ...     return lax.custom_linear_solve(
      ...         lambda x: d * x, b, solve=lambda _, b: b / d, symmetric=True)
      >>> d, b = np.array([1.0, 4.0]), np.array([2.0, 2.0])
      >>> diagonal_solve(d, b).tolist()
      [2.0, 0.5]
      >>> fxad.grad(lambda d: diagonal_solve(d, b).sum())(d).tolist()
      [-2.0, -0.125]
    """
    check_callable(_NAME, matvec)
    check_callable(_NAME, solve)
    if transpose_solve is None and symmetric:
        transpose_solve = solve
    space = Space(_NAME, "b", b)
    forward = space.stage_first("matvec", matvec)
    solved = space.stage("solve", lambda y: solve(matvec, y), has_aux=has_aux)
    pulled: Staged | None = None
    backwards: Staged | None = None
    if transpose_solve is not None:
        vecmat = matvec if symmetric else _transposed(forward, space)
        where = f"{defined_at(matvec)}, the matvec of a {_NAME}"
        pulled = forward if symmetric else inside(where, space.stage, "vecmat", vecmat)
        backwards = space.stage(
            "transpose_solve", lambda ct: transpose_solve(vecmat, ct), has_aux=has_aux
        )
    four = (forward, pulled, solved, backwards)
    programs = Four(*(s and s.program for s in four))
    outs = _bind(Four(*(s.consts if s else [] for s in four)), space.leaves, programs)
    return space.solution(solved, outs, has_aux)
