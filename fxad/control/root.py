"""``custom_root``: a root by any method, whose derivatives follow from the function alone."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import fxad.config as config
import fxad.tree as tree
from fxad.control.body import canonical
from fxad.control.call import per_jaxpr
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
from fxad.core.jaxpr import ClosedJaxpr, execute
from fxad.core.primitive import Primitive
from fxad.core.staging import hoist, stage
from fxad.core.trace import EVAL, current_trace
from fxad.core.tracebacks import public
from fxad.ops.base import dtype_of, like
from fxad.ops.elementwise import neg
from fxad.transforms.common import check_callable
from fxad.transforms.jvp import instantiate, jvp_flat
from fxad.transforms.linearize import linearize

_NAME = "custom_root"


class Three(NamedTuple):
    """What there is of each of the three functions: a program, a count, a list."""

    f: Any
    solve: Any
    tangent_solve: Any


# The operands are what the three functions close over, and the initial guess; the outputs are the
# root, and the auxiliary data of ``solve``. ``tangent_solve`` is a program of the root and of the
# right-hand side.


def _parts(values: Sequence[Any], counts: Three) -> tuple[Three, list[Any]]:
    *consts, guess = split_at(values, counts)
    return Three(*consts), guess


def _bind(consts: Three, guess: Sequence[Any], programs: Three) -> list[Any]:
    outs: list[Any] = root_p.bind(
        *(c for part in consts for c in part),
        *guess,
        programs=programs,
        counts=Three(*map(len, consts)),
        axis_name=names_of(programs),
    )
    return outs


def _impl(xp: Any, *args: Any, programs: Three, counts: Three, axis_name: Any) -> list[Any]:
    consts, guess = _parts(args, counts)
    return execute(programs.solve, *consts.solve, *guess)


def _jvp(
    primals: Sequence[Any],
    tangents: Sequence[Any],
    *,
    programs: Three,
    counts: Three,
    axis_name: Any,
) -> tuple[list[Any], list[Any]]:
    """From f(m, x) = 0: by x, df/dx dx = -df/dm dm."""
    consts, guess = _parts(primals, counts)
    moved, _ = _parts(tangents, counts)
    outs = _bind(consts, guess, programs)
    count = len(guess)
    root = outs[:count]
    rhs: list[Any] = [None] * count
    if any(t is not None for t in moved.f):
        _, rhs = jvp_flat(programs.f, [*consts.f, *root], [*moved.f, *[None] * count])
    if all(t is None for t in rhs):
        return outs, [None] * len(outs)
    full = [instantiate(t, x) for t, x in zip(rhs, root, strict=True)]
    pushed = programs.tangent_solve(*consts.tangent_solve, *root, *full)
    dx = [
        like(neg(t), x) if dtype_of(x).kind in "fc" else None
        for t, x in zip(pushed, root, strict=True)
    ]
    return outs, dx + [None] * (len(outs) - count)


def _batch(
    size: Any,
    args: Sequence[Any],
    dims: Sequence[Any],
    *,
    programs: Three,
    counts: Three,
    axis_name: Any,
) -> tuple[list[Any], list[int | None]]:
    """Each leaf of the root is batched at the front or not at all, in all programs alike."""
    consts, guess = _parts(args, counts)
    const_dims, guess_dims = _parts(dims, counts)
    in_x, in_y = [False] * len(guess), [False] * len(guess)
    while True:
        x, y = front_dims(in_x), front_dims(in_y)
        f, f_dims = batch_program(programs.f, size, [*const_dims.f, *x], in_y)
        solve, outs = batch_program(
            programs.solve, size, [*const_dims.solve, *guess_dims], in_x
        )
        tangent, tangent_dims = batch_program(
            programs.tangent_solve, size, [*const_dims.tangent_solve, *x, *y], in_x
        )
        found_x = batched_also(batched_also(in_x, outs), tangent_dims)
        found_y = batched_also(in_y, f_dims)
        if found_x == in_x and found_y == in_y:
            break
        in_x, in_y = found_x, found_y
    return _bind(consts, guess, Three(f, solve, tangent)), outs


root_p = Primitive(
    _NAME,
    abstract=lambda *avals, programs, counts, axis_name: programs.solve.out_avals,
    impl=_impl,
    jvp=_jvp,
    batch=_batch,
    cost=lambda avals, params: cost_of(params["programs"].solve),
    multiple_results=True,
    collective=True,
)


@public
def custom_root(
    f: Callable[[Any], Any],
    initial_guess: Any,
    solve: Callable[[Callable[[Any], Any], Any], Any],
    tangent_solve: Callable[[Callable[[Any], Any], Any], Any],
    has_aux: bool = False,
) -> Any:
    """A root of a function by any method; its derivatives follow from the function alone.

    What is differentiated is what ``f`` closes over. How ``solve`` finds the root does not enter,
    only that it is one: nothing of its work is kept.

    Args:
      f: a function of a pytree like ``initial_guess``, to such a pytree.
      initial_guess: where ``solve`` begins; a pytree of arrays or numbers. The root does not
        depend on it.
      solve: ``solve(f, initial_guess) -> x`` with ``f(x) = 0``.
      tangent_solve: ``tangent_solve(g, y) -> x`` with ``g(x) = y``, where ``g`` is ``f``
        linearised at the root. For one number ``lambda g, y: y / g(1.0)``; for a short vector
        ``lambda g, y: fnp.linalg.solve(fxad.jacobian(g)(y), y)``; see ``custom_linear_solve``.
      has_aux: whether ``solve`` returns a pair ``(x, aux)``; ``aux`` has no derivative.

    Returns:
      What ``solve`` returns: ``x``, or ``(x, aux)``.

    Raises:
      StructureError: a function returned another structure than that of ``initial_guess``.
      ShapeError: a function returned other shapes than those of ``initial_guess``.

    Source: the implicit function theorem; Griewank and Walther, Evaluating Derivatives, 2008,
    section 15; Blondel et al., Efficient and Modular Implicit Differentiation, 2022.

    Example:
      >>> import fxad
      >>> from fxad import lax
      >>> def cube_root(a):
      ...     def newton(f, x):
      ...         for _ in range(20):
      ...             x = x - f(x) / (3 * x**2)
      ...         return x
      ...     return lax.custom_root(lambda x: x**3 - a, 1.0, newton, lambda g, y: y / g(1.0))
      >>> round(float(cube_root(8.0)), 12), round(float(fxad.grad(cube_root)(8.0)), 12)
      (2.0, 0.083333333333)
    """
    check_callable(_NAME, f)
    check_callable(_NAME, solve)
    check_callable(_NAME, tangent_solve)
    return root_by(f, initial_guess, solve, tangent_solve, has_aux)


def root_by(
    f: Callable[[Any], Any],
    initial_guess: Any,
    solve: Callable[[Callable[[Any], Any], Any], Any],
    tangent_solve: Callable[[Callable[[Any], Any], Any], Any],
    has_aux: bool,
    origin: Any = None,
) -> Any:
    """As ``custom_root``, where ``origin`` is None.

    Else ``tangent_solve`` is known to fit, equals those that do the same, and closes over nothing:
    it is traced only for a derivative, and once for a program of ``f``, which the code of
    ``origin`` makes.
    """
    space = Space(_NAME, "initial_guess", initial_guess)
    of_f = space.stage_first("f", f)
    solved = space.stage("solve", lambda x: solve(f, x), has_aux=has_aux)
    three = Three(of_f, solved, _tangent(of_f, space, f, tangent_solve, origin))
    outs = _bind(
        Three(*(s.consts if s else [] for s in three)),
        space.leaves,
        Three(*(s and s.program for s in three)),
    )
    return space.solution(solved, outs, has_aux)


def _tangent(
    of_f: Staged, space: Space, f: Any, tangent_solve: Any, origin: Any
) -> Staged | None:
    """``tangent_solve`` as a program of the root and of the right-hand side."""
    if origin is None:
        return space.stage(
            "tangent_solve", lambda x, y: tangent_solve(linearize(f, x)[1], y), arguments=2
        )
    if current_trace() is EVAL:  # nothing is differentiated
        return None
    program = canonical(origin, of_f.program)
    with config.override(disable_jit=False):
        known, consts = _stage_tangent(
            program, len(of_f.consts), space.structure, tangent_solve
        )
    return Staged(known, [*consts, *of_f.consts])


@per_jaxpr
def _stage_tangent(program: ClosedJaxpr, count: int, structure: Any, tangent_solve: Any) -> Any:
    avals = program.in_avals

    def flat(*values: Any) -> list[Any]:
        consts, x, y = split_at(values, (count, len(avals) - count))

        def f(x: Any) -> Any:
            return tree.unflatten(structure, program(*consts, *tree.leaves(x)))

        push = linearize(f, tree.unflatten(structure, x))[1]
        return tree.leaves(tangent_solve(push, tree.unflatten(structure, y)))

    return hoist(stage(flat, [*avals, *avals[count:]], _NAME))
