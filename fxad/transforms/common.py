"""What every transformation does at its door: arguments in, results out."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from sys import getrefcount
from typing import Any

import numpy as np

import fxad.tree as tree
import fxad.tree_util as tree_util
from fxad.backends.pool import Buffer
from fxad.core.aval import (
    PYTHON_SCALARS,
    ShapedArray,
    aval_of,
    describe,
    float0,
    is_array,
    is_value,
    promote,
    weak_dtype,
)
from fxad.core.source import error
from fxad.core.staging import check_output
from fxad.core.trace import EVAL, Tracer, current_trace, leaked
from fxad.errors import ArgumentTypeError, ArgumentValueError, StructureError
from fxad.ops.base import convert


def flatten_inputs(transformation: str, args: Any) -> tuple[list[Any], Any]:
    """The leaves of the arguments, each one checked to be an array or a number."""
    leaves, structure = tree.flatten(args)
    for leaf in leaves:
        if type(leaf) is np.ndarray:
            continue
        if not is_value(leaf):
            _refuse_leaf(transformation, args)
        if isinstance(leaf, Tracer) and not leaf._trace.alive:
            raise leaked(transformation, leaf)
    return leaves, structure


def _refuse_leaf(transformation: str, args: Any) -> None:
    for path, leaf in tree.leaves_with_path(args):
        if not is_value(leaf):
            raise error(
                ArgumentTypeError,
                transformation,
                f"got {describe(leaf)} at argument{tree_util.keystr(path)}, "
                "wanted pytrees of arrays and numbers",
                "Close over what is not an array, or mark it static (jit's static_argnums).",
            )


def flatten_outputs(transformation: str, out: Any) -> tuple[list[Any], Any]:
    """The leaves of a function's output, each one checked to be an array or a number."""
    leaves, structure = tree.flatten(out)
    for leaf in leaves:
        check_output(leaf, transformation)
    return leaves, structure


def own(outputs: Sequence[Any], inputs: Sequence[Any] = (), held: bool = False) -> list[Any]:
    """Outputs that are the user's own arrays: writable, no alias of inputs or of one another.

    Inside an enclosing transformation nothing is copied: its own end will do it. But numbers get
    the dtype there that they would have outside. ``held`` says that something else (a tape) may
    hold outputs: those that nothing but ``outputs`` refers to are not copied.
    """
    trace = current_trace()
    if trace is not EVAL:
        return list(map(_strong, trace.owned(outputs)))
    return apart(outputs, inputs, held)


def apart(outputs: Sequence[Any], inputs: Sequence[Any], held: bool) -> list[Any]:
    """As ``own``, whatever transformation the values are computed under."""
    taken = {id(x) for x in inputs}
    owned = []
    for x in outputs:
        kind = type(x)
        if kind in PYTHON_SCALARS:
            x = weak_dtype(kind).type(x)
        elif kind is np.ndarray or not isinstance(x, _UNSHARED):
            if id(x) in taken or (held and getrefcount(x) > _LISTED) or _is_borrowed(x):
                x = x.copy()
            taken.add(id(x))
        owned.append(x)
    return owned


def _strong(x: Any) -> Any:
    kind = type(x)
    if kind in PYTHON_SCALARS:
        return weak_dtype(kind).type(x)
    return convert(x, x.dtype) if isinstance(x, Tracer) and x.weak_type else x


#: What cannot be written to, or is no array yet.
_UNSHARED = (np.generic, Tracer)


def own_arrays(leaves: Sequence[Any], inputs: Sequence[Any], held: bool = False) -> list[Any]:
    """As ``own``, for auxiliary data, which need not be arrays."""
    owned = iter(own([x for x in leaves if is_array(x)], inputs, held))
    return [next(owned) if is_array(x) else x for x in leaves]


def _count_listed() -> int:
    values = [object()]
    for x in values:
        return getrefcount(x)
    raise AssertionError


#: What ``own`` counts for an output that only the list of outputs refers to.
_LISTED = _count_listed()


def _is_borrowed(x: Any) -> bool:
    """Whether an array is a view of memory that something else may hold, or is read-only."""
    if not getattr(x.flags, "writeable", True):
        return True
    base = getattr(x, "base", None)
    if base is None:
        return False
    if 0 in x.strides:
        return True
    # A buffer of the pool is referred to by the pool as well.
    return getrefcount(base) > _ALONE + (type(base) is Buffer)


def _count_references() -> int:
    view = np.empty(2)[:1]
    base = view.base
    return getrefcount(base)


#: What ``_is_borrowed`` counts for the base of a view that nothing else refers to.
_ALONE = _count_references()


def check_callable(transformation: str, fun: Any, usage: str | None = None) -> Callable[..., Any]:
    """Refuses what is not a function, before it fails somewhere deeper."""
    if not callable(fun):
        returns_one = (
            f"{transformation} takes the function itself, and returns one: "
            f"fxad.{transformation}(f)(x)."
        )
        raise error(
            ArgumentTypeError,
            transformation,
            f"got {describe(fun)}, wanted a function",
            f"Write {usage}." if usage else returns_one,
        )
    return fun  # type: ignore[no-any-return]


def normalize_argnums(
    transformation: str, argnums: int | Sequence[int], count: int
) -> tuple[tuple[int, ...], bool]:
    """The positions that ``argnums`` names, non-negative, and whether it named only one."""
    if type(argnums) is int and 0 <= argnums < count:
        return (argnums,), True
    single = not isinstance(argnums, tuple | list)
    numbers = (argnums,) if single else tuple(argnums)  # type: ignore[arg-type]
    out = []
    for n in numbers:
        if not isinstance(n, int | np.integer) or isinstance(n, bool):
            raise error(
                ArgumentTypeError,
                transformation,
                f"got argnums={argnums!r}, wanted an integer or a tuple of integers",
                "Name arguments by position: argnums=0 or argnums=(0, 2).",
            )
        if not -count <= n < count:
            raise error(
                ArgumentTypeError,
                transformation,
                f"got argnums={argnums!r} for a call with {count} positional arguments",
                "Only positional arguments can be differentiated: pass it by position.",
            )
        out.append(int(n) % count)
    if len(set(out)) != len(out):
        raise error(
            ArgumentValueError, transformation, f"got argnums={argnums!r}, one position twice"
        )
    return tuple(out), single


def partial_call(
    fun: Callable[..., Any], args: Sequence[Any], kwargs: dict[str, Any], numbers: Sequence[int]
) -> Callable[..., Any]:
    """``fun`` as a function of the arguments at some positions alone, the others fixed."""
    if len(numbers) == len(args) == 1:
        return lambda x: fun(x, **kwargs)

    def of_selected(*selected: Any) -> Any:
        full = list(args)
        for n, value in zip(numbers, selected, strict=True):
            full[n] = value
        return fun(*full, **kwargs)

    return of_selected


def unpack_aux(transformation: str, out: Any) -> tuple[Any, Any]:
    """The output and the auxiliary data of a function called with ``has_aux=True``."""
    if not isinstance(out, tuple | list) or len(out) != 2:
        raise error(
            ArgumentTypeError,
            transformation,
            f"got has_aux=True and an output of type {type(out).__name__}, "
            "wanted a pair (output, aux)",
            "Return (output, aux), or drop has_aux.",
        )
    return out[0], out[1]


def check_structure(transformation: str, what: str, got: Any, wanted: Any) -> None:
    """Refuses a structure that is not the wanted one, naming the first difference."""
    if got != wanted:
        raise error(
            StructureError,
            transformation,
            f"got {what} of another structure: {tree.mismatch(wanted, got)}",
            f"Give the {what} the structure {wanted}.",
        )


def matches(got: ShapedArray, wanted: ShapedArray) -> bool:
    """Whether a tangent fits: of that shape and dtype, or a Python number that the dtype takes."""
    if got.shape != wanted.shape or got.dtype == wanted.dtype:
        return got.shape == wanted.shape
    if not got.weak_type or wanted.dtype == float0:
        return False
    return promote((got, wanted.strong()))[0] == wanted.dtype


def spread_axes(operation: str, argument: str, structure: Any, prefix: Any) -> list[Any]:
    """``tree.flatten_axes``, whose error names the user's line as well."""
    try:
        return tree.flatten_axes(f"[{operation}] {argument}", structure, prefix)
    except StructureError as e:
        problem, _, way_out = str(e).removeprefix(f"[{operation}] ").rpartition("\n")
        raise error(StructureError, operation, problem, way_out) from None


def check_like(transformation: str, what: str, wanted_of: str, got: Any, wanted: Any) -> None:
    """Refuses a tangent or cotangent whose shape or dtype is not that of what it belongs to."""
    if matches(aval_of(got), wanted):
        return
    raise error(
        StructureError,
        transformation,
        f"got {what} {aval_of(got).long_name()}, wanted {wanted.long_name()} as {wanted_of}",
        f"Give it the shape and dtype of {wanted_of}.",
    )
