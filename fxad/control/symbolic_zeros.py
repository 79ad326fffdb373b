"""What derivative rules with ``symbolic_zeros`` get: zeros without numbers, and what varies."""

from __future__ import annotations

from typing import Any, NoReturn

import fxad.tree as tree
from fxad.core.aval import ShapedArray, aval_of, describe, tangent_aval
from fxad.core.source import error
from fxad.errors import ArgumentTypeError
from fxad.transforms.jvp import instantiate


class SymbolicZero:
    """A tangent or cotangent that is zero, known to be so without a number being looked at.

    Rules defined with ``symbolic_zeros=True`` get it where nothing is differentiated, and any rule
    may return it. It is no array: ask ``type(t) is SymbolicZero`` before computing with ``t``.

    Args:
      aval: its shape and dtype: those of the tangent that it stands for.

    Example:
      >>> import numpy as np, fxad
      >>> from fxad.custom_derivatives import SymbolicZero
      >>> @fxad.custom_jvp
      ... def scale(x, factor):
      ...     return x * factor
      >>> def rule(primals, tangents):
      ...     (x, factor), (dx, dfactor) = primals, tangents
      ...     if type(dfactor) is SymbolicZero:
      ...         return scale(x, factor), factor * dx
      ...     return scale(x, factor), factor * dx + x * dfactor
      >>> _ = scale.defjvp(rule, symbolic_zeros=True)
      >>> float(fxad.grad(scale)(2.0, 3.0))
      3.0
    """

    __slots__ = ("aval",)

    #: NumPy's operators leave operands of this kind to Python, which refuses them.
    __array_ufunc__ = None

    def __init__(self, aval: ShapedArray) -> None:
        self.aval = aval

    @classmethod
    def from_primal_value(cls, value: Any) -> SymbolicZero:
        """The zero of the tangents at a value."""
        return cls(tangent_aval(aval_of(value)))

    @property
    def shape(self) -> tuple[int, ...]:
        """The lengths of its axes."""
        return self.aval.shape

    @property
    def dtype(self) -> Any:
        """Its dtype: ``float0`` for the tangent of an integer."""
        return self.aval.dtype

    @property
    def ndim(self) -> int:
        """The number of its axes."""
        return self.aval.ndim

    @property
    def size(self) -> int:
        """The number of its elements."""
        return self.aval.size

    def __array__(self, *args: Any, **kwargs: Any) -> NoReturn:
        raise error(
            ArgumentTypeError,
            "asarray",
            f"got {self!r}, which has no numbers",
            "Ask type(t) is SymbolicZero first, or define the rule without symbolic_zeros.",
        )

    def __repr__(self) -> str:
        return f"SymbolicZero({self.aval.long_name()})"


def zero_from_primal(value: Any, symbolic_zeros: bool = False) -> Any:
    """The zero tangent at a value.

    Args:
      value: array or number.
      symbolic_zeros: whether to give a ``SymbolicZero``, not an array.

    Returns:
      Zeros of the shape and dtype of ``value``, of dtype ``float0`` for integers and booleans.

    Example:
      >>> import numpy as np, fxad
      >>> fxad.custom_derivatives.zero_from_primal(np.ones(2))
      array([0., 0.])
      >>> fxad.custom_derivatives.zero_from_primal(np.ones(2), symbolic_zeros=True)
      SymbolicZero(float64[2])
    """
    zero = SymbolicZero.from_primal_value(value)
    return zero if symbolic_zeros else instantiate(None, value)


class CustomVJPPrimal:
    """What the ``fwd`` of a ``custom_vjp`` with ``symbolic_zeros`` gets for a leaf of an argument.

    Args:
      value: the leaf itself.
      perturbed: whether it is differentiated; where it is not its cotangent is never read.

    Example:
      >>> import fxad
      >>> x = fxad.custom_derivatives.CustomVJPPrimal(2.0, True)
      >>> x.value, x.perturbed
      (2.0, True)
    """

    __slots__ = ("value", "perturbed")

    def __init__(self, value: Any, perturbed: bool) -> None:
        self.value, self.perturbed = value, perturbed

    def __repr__(self) -> str:
        return f"CustomVJPPrimal(value={self.value!r}, perturbed={self.perturbed})"


def custom_vjp_primal_tree_values(arguments: Any) -> Any:
    """The arguments of a ``fwd`` with ``symbolic_zeros`` as the function itself gets them.

    Args:
      arguments: a pytree of ``CustomVJPPrimal``.

    Returns:
      The same pytree of their values.

    Raises:
      ArgumentTypeError: a leaf is something else.

    Example:
      >>> from fxad.custom_derivatives import CustomVJPPrimal, custom_vjp_primal_tree_values
      >>> custom_vjp_primal_tree_values({"w": CustomVJPPrimal(2.0, True)})
      {'w': 2.0}
    """

    def value(leaf: Any) -> Any:
        if type(leaf) is not CustomVJPPrimal:
            raise error(
                ArgumentTypeError,
                "custom_vjp_primal_tree_values",
                f"got a leaf {describe(leaf)}, wanted the leaves of a fwd with symbolic_zeros",
            )
        return leaf.value

    return tree.map(value, arguments)
