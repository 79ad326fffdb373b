"""``define_primitive``: an operation of the user's own, whose rules are written once."""

from __future__ import annotations

import sys
from collections.abc import Callable, Sequence
from typing import Any
from weakref import WeakValueDictionary

import fxad.tree as tree
from fxad.core.aval import ShapedArray, describe
from fxad.core.primitive import Primitive
from fxad.core.source import error
from fxad.core.trace import Tracer
from fxad.core.tracebacks import public
from fxad.errors import ArgumentTypeError, ArgumentValueError
from fxad.extend.rules import Rules
from fxad.ops.base import elements
from fxad.transforms.common import own

_defined: WeakValueDictionary[str, Operation] = WeakValueDictionary()


class Operation:
    """What ``define_primitive`` returns: an operation on arrays, to be called as a function.

    Keyword arguments of a call are parameters: values of the program, which are not traced.

    Example:
      >>> import numpy as np
      >>> from fxad import extend
      >>> twice = extend.define_primitive("op_twice", lambda xp, x: x + x)
      >>> twice, twice(np.ones(2)).tolist()
      (<Operation op_twice>, [2.0, 2.0])
    """

    def __init__(self, primitive: Primitive, rules: Rules) -> None:
        self.primitive, self.rules = primitive, rules
        self.__name__ = primitive.name
        self.__doc__ = getattr(rules.impl, "__doc__", None)
        #: What makes an argument of a call an operand, or refuses it.
        self.prepare: Callable[[Any], Any] | None = None

    @public
    def __call__(self, *args: Any, **params: Any) -> Any:
        """Applies it."""
        if params:
            self._check_parameters(params)
        if self.prepare is not None:
            args = tuple(map(self.prepare, args))
        out = self.primitive.bind(*args, mapped=(), **params)
        if self.primitive.multiple_results:
            return own(out, args)
        return own([out], args)[0]

    def _check_parameters(self, params: dict[str, Any]) -> None:
        """Refuses what no rule could know of: a traced parameter would lose its derivative."""
        if "mapped" in params:
            raise error(
                ArgumentTypeError, self.__name__, "got a parameter called 'mapped', which is taken"
            )
        for name, value in params.items():
            for leaf in tree.leaves(value):
                if isinstance(leaf, Tracer):
                    raise error(
                        ArgumentTypeError,
                        self.__name__,
                        f"got a traced {describe(leaf)} for the parameter {name}, wanted a value "
                        "of the program",
                        "Pass what is traced by position: as an operand, which has its own rules.",
                    )
            if self.rules.elementwise and not _is_hashable(value):
                raise error(
                    ArgumentTypeError,
                    self.__name__,
                    f"got {describe(value)} for the parameter {name} of an elementwise operation, "
                    "wanted what can be hashed",
                    "Give a tuple, or pass an array by position: as an operand.",
                )

    def __repr__(self) -> str:
        return f"<Operation {self.__name__}>"


@public
def define_primitive(
    name: str,
    impl: Callable[..., Any],
    *,
    abstract: str | Callable[..., Any] = "elementwise",
    jvp: Callable[..., Any] | Sequence[Callable[..., Any] | None] | None = None,
    transpose: Callable[..., Any] | None = None,
    batch: str | Callable[..., Any] | None = "",
    cost: Callable[..., Any] | None = None,
    multiple_results: bool = False,
    overwrite: bool = False,
) -> Operation:
    """An operation of one's own: with these rules it works under every transformation.

    ``grad``, ``jvp``, ``vmap`` and ``jit`` in any order and to any order ask for nothing else.
    ``extend.check_primitive`` tests the rules against each other.

    Args:
      name: how programs and messages call it; no other operation may have the name.
      impl: ``impl(xp, *arrays, **params)``: the value. ``xp`` is the module of the arrays, NumPy
        or CuPy. It must not write to its operands.
      abstract: what is known of the result before it is computed: ``"elementwise"`` for NumPy's
        broadcasting, with the dtype that ``impl`` gives for empty arrays; ``"same"`` for the shape
        and dtype of the first operand; or ``abstract(*avals, **params)``, which returns something
        with ``shape`` and ``dtype`` (a list of them with ``multiple_results``), and raises the
        errors for operands that do not fit. Every result of ``impl`` is held against it.
      jvp: the derivative. A sequence with a function ``rule(tangent, out, *primals, **params)`` for
        each operand, which gives its part of the tangent (None: no part); or one function
        ``rule(primals, tangents, **params) -> (out, tangent_out)``. They are made of operations
        that are differentiable themselves, and are linear in the tangents: reverse mode and higher
        orders follow. None: the operation has no derivative, unless there is ``transpose``.
      transpose: for what is linear: ``transpose(ct, *args, **params)``, the cotangents of the
        operands, None for those that ``is_linear(arg)`` says are not linear. Without ``jvp`` it
        promises that the operation is linear in all of its real and complex operands together.
      batch: how ``vmap`` applies it: ``"sequential"``, to one example after the other;
        ``"broadcast"``, at once, with the batch as a first axis of every operand (elementwise:
        of those that have it, so that they broadcast); or
        ``batch(size, args, dims, **params) -> (out, out_dim)``. By default elementwise operations
        broadcast, and others are sequential. None: it refuses.
      cost: ``cost(*avals, **params)``: the flops.
      multiple_results: whether ``impl`` returns a list.
      overwrite: take the name from an operation that has been defined before.

    Returns:
      The operation, to be called with arrays and, by name, parameters.

    Raises:
      ArgumentValueError: the name is taken, or an option has an unknown value.
      ArgumentTypeError: a rule is no function.

    Example:
      >>> import numpy as np, fxad
      >>> from fxad import extend
      >>> cube = extend.define_primitive(
      ...     "cube", lambda xp, x: x * x * x, jvp=[lambda t, out, x: 3 * x**2 * t])
      >>> float(fxad.grad(cube)(2.0)), float(fxad.grad(fxad.grad(cube))(2.0))
      (12.0, 12.0)
      >>> fxad.vmap(fxad.grad(cube))(np.array([1.0, 2.0])).tolist()
      [3.0, 12.0]
      >>> extend.check_primitive(cube, np.array([0.5, 2.0]))
    """
    _check_name(name, overwrite)
    if batch == "":
        batch = "broadcast" if abstract == "elementwise" else "sequential"
    _check_option(name, "abstract", abstract, ("elementwise", "same"))
    _check_option(name, "batch", batch, ("sequential", "broadcast", None))
    for given in (impl, *(r for r in (transpose, cost) if r is not None)):
        _check_option(name, "a rule", given, ())
    if multiple_results and not callable(abstract):
        raise error(
            ArgumentValueError,
            name,
            f"got abstract={abstract!r} and multiple_results, wanted a function that gives a list",
        )
    if jvp is not None and not callable(jvp):
        jvp = tuple(jvp)
        for rule in jvp:
            _check_option(name, "a rule of jvp", rule, (None,))
    rules = Rules(name, impl, abstract, jvp, transpose, batch, multiple_results)

    def cost_of(avals: Sequence[ShapedArray], params: dict[str, Any]) -> tuple[float, float]:
        _, moved = elements(avals, params)
        return (0.0 if cost is None else rules.flops(cost, avals, params)), moved

    primitive = Primitive(
        name,
        abstract=rules.abstract_value,
        impl=rules.value,
        jvp=rules.push,
        transpose=rules.pull,
        batch=rules.over_batch,
        cost=cost_of,
        multiple_results=multiple_results,
    )
    rules.primitive = primitive
    operation = _defined[name] = Operation(primitive, rules)
    return operation


def _check_name(name: str, overwrite: bool) -> None:
    if not isinstance(name, str) or not name.isidentifier():
        raise error(
            ArgumentValueError, "define_primitive", f"got the name {name!r}, wanted an identifier"
        )
    if name in _names_of_fxad():
        raise error(
            ArgumentValueError,
            "define_primitive",
            f"got the name {name!r}, which an operation of fxad has, wanted another",
        )
    if name in _defined and not overwrite:
        raise error(
            ArgumentValueError,
            "define_primitive",
            f"got the name {name!r} a second time, wanted another",
            "Give overwrite=True to define it anew.",
        )


def _is_hashable(value: Any) -> bool:
    try:
        hash(value)
    except TypeError:
        return False
    return True


def _names_of_fxad() -> set[str]:
    modules = [m for name, m in sys.modules.copy().items() if name.partition(".")[0] == "fxad"]
    return {v.name for module in modules for v in vars(module).values() if type(v) is Primitive}


def _check_option(name: str, what: str, value: Any, known: Sequence[Any]) -> None:
    if not callable(value) and value not in known:
        listed = "".join(f"{option!r}, " for option in known) + ("or " if known else "")
        kind = ArgumentValueError if isinstance(value, str) else ArgumentTypeError
        raise error(kind, name, f"got {what}={value!r}, wanted {listed}a function")
