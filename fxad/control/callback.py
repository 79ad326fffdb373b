"""Python functions that a program calls while it runs: ``pure_callback``, ``io_callback``."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, Literal, NoReturn

import numpy as np

import fxad.tree as tree
import fxad.tree_util as tree_util
from fxad.backends import device_get
from fxad.core.aval import PYTHON_SCALARS, ShapedArray, describe, is_value, weak_dtype
from fxad.core.primitive import Primitive
from fxad.core.source import error
from fxad.core.trace import EVAL, EvalTrace, under
from fxad.core.tracebacks import public
from fxad.errors import (
    ArgumentTypeError,
    ArgumentValueError,
    CallbackBatchingError,
    CallbackDifferentiationError,
    CallbackResultError,
)
from fxad.ops.base import elements, moveaxis, reshape, shape_of, to_front
from fxad.transforms.common import matches

VmapMethod = Literal[
    "sequential", "sequential_unrolled", "expand_dims", "broadcast_all", "legacy_vectorized"
]
_SEQUENTIAL = ("sequential", "sequential_unrolled")
_WHOLE = ("expand_dims", "broadcast_all", "legacy_vectorized")


class Callback:
    """A user's function as one of flat arrays of the host; equal if the function is the same.

    ``statics`` are the leaves of the arguments that are no arrays, by their place; ``results`` is
    the structure of what the function returns, None if nobody reads it.
    """

    __slots__ = ("operation", "fun", "arguments", "statics", "results")

    def __init__(
        self,
        operation: str,
        fun: Callable[..., Any],
        arguments: Any,
        statics: tuple[tuple[int, Any], ...] = (),
        results: Any = None,
    ) -> None:
        self.operation, self.fun, self.arguments = operation, fun, arguments
        self.statics, self.results = statics, results

    def __str__(self) -> str:
        return str(getattr(self.fun, "__name__", self.fun))

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Callback) or len(self.statics) != len(other.statics):
            return False
        mine = (self.operation, self.fun, self.arguments, self.results)
        return mine == (other.operation, other.fun, other.arguments, other.results) and all(
            i == j and _equal(x, y)
            for (i, x), (j, y) in zip(self.statics, other.statics, strict=True)
        )

    def __hash__(self) -> int:
        return hash((self.operation, self.fun, self.arguments, self.results))

    def __call__(self, values: Sequence[Any], avals: Sequence[ShapedArray]) -> list[Any]:
        """Calls the function outside of all transformations, and checks what it returns."""
        leaves = list(values)
        for place, value in self.statics:
            leaves.insert(place, value)
        args, kwargs = tree.unflatten(self.arguments, leaves)
        out = under(EVAL, self.fun, *args, **kwargs)
        return [] if self.results is None else self._checked(out, avals)

    def _checked(self, out: Any, avals: Sequence[ShapedArray]) -> list[Any]:
        found = tree.leaves_with_path(out)
        wanted = tree.leaves_with_path(tree.unflatten(self.results, avals))
        if [path for path, _ in found] != [path for path, _ in wanted]:
            raise error(
                CallbackResultError,
                self.operation,
                f"got a result of another structure from the callback {self}: "
                f"{tree.mismatch(self.results, tree.structure(out))}",
                f"Let it return the structure {self.results}, or change result_shape_dtypes.",
            )
        return [
            self._array(x, aval, tree_util.keystr(path))
            for (path, x), aval in zip(found, avals, strict=True)
        ]

    def _array(self, x: Any, aval: ShapedArray, path: str) -> Any:
        """A result as an array of the program's own: the function may keep the one it returned."""
        if type(x) in PYTHON_SCALARS and matches(_aval(x), aval):
            return np.asarray(x, aval.dtype)
        x = np.asarray(device_get(x))
        if (x.shape, x.dtype) == (aval.shape, aval.dtype):
            return x.copy()
        where = f" at result{path}" if path else ""
        raise error(
            CallbackResultError,
            self.operation,
            f"got {describe(x)}{where} from the callback {self}, wanted {aval.long_name()} "
            "as result_shape_dtypes says",
            "Convert what the callback returns (y.astype(dtype), y.reshape(shape)), or change "
            "result_shape_dtypes.",
        )


def _equal(x: Any, y: Any) -> bool:
    """Whether two leaves that are no arrays are the same; what does not say so is not."""
    try:
        return x is y or (type(x) is type(y) and bool(x == y))
    except Exception:  # a table of data, say, that compares element by element
        return False


def _aval(x: Any) -> ShapedArray:
    return ShapedArray((), weak_dtype(type(x)), type(x) is not bool)


def _on_host(x: Any) -> Any:
    """An operand as the callback gets it: a NumPy array that it cannot write to."""
    if type(x) in PYTHON_SCALARS:
        return np.asarray(x, weak_dtype(type(x)))
    view = np.asarray(device_get(x)).view()
    view.flags.writeable = False
    return view


def _impl(
    xp: Any,
    *args: Any,
    callback: Callback,
    result_avals: Sequence[ShapedArray],
    levels: Sequence[tuple[int, Sequence[bool]]] = (),
    **_params: Any,
) -> list[Any]:
    """Calls once, or once for each example of the batches of ``levels``."""
    operands = [_on_host(a) for a in args]
    if levels:
        outs = _for_each(callback, operands, result_avals, levels)
    else:
        outs = callback(operands, result_avals)
    if xp is EvalTrace.namespace:
        return [y[()] for y in outs]
    return [xp.asarray(y) for y in outs]


def _for_each(
    callback: Callback,
    operands: Sequence[Any],
    result_avals: Sequence[ShapedArray],
    levels: Sequence[tuple[int, Sequence[bool]]],
) -> list[Any]:
    depth = len(levels)
    avals = [a.with_shape(a.shape[depth:]) for a in result_avals]
    outs = [np.empty(a.shape, a.dtype) for a in result_avals]
    for index in np.ndindex(*(size for size, _ in levels)):
        values = [
            x[(*(i for i, (_, batched) in zip(index, levels, strict=True) if batched[k]), ...)]
            for k, x in enumerate(operands)
        ]
        for out, y in zip(outs, callback(values, avals), strict=True):
            out[index] = y
    return outs


def _batch_each(
    size: Any,
    args: Sequence[Any],
    dims: Sequence[Any],
    primitive: Primitive,
    *,
    result_avals: Sequence[ShapedArray],
    levels: tuple[Any, ...],
    **params: Any,
) -> tuple[list[Any], list[int]]:
    """One call for each example, inside of the batches that are there already."""
    depth = len(levels)
    moved = [
        a if d is None else moveaxis(a, d, sum(batched[k] for _, batched in levels))
        for k, (a, d) in enumerate(zip(args, dims, strict=True))
    ]
    outs = primitive.bind(
        *moved,
        result_avals=tuple(
            a.with_shape((*a.shape[:depth], int(size), *a.shape[depth:])) for a in result_avals
        ),
        levels=(*levels, (int(size), tuple(d is not None for d in dims))),
        **params,
    )
    return outs, [depth] * len(outs)


def _batch_whole(
    size: Any, args: Sequence[Any], dims: Sequence[Any], *, result_avals: Any, **params: Any
) -> tuple[list[Any], list[int]]:
    """One call for the whole batch, which stands in front."""
    method = params["vmap_method"]
    moved = []
    for a, d in zip(args, dims, strict=True):
        if d is not None:
            moved.append(moveaxis(a, d, 0))
        elif method == "broadcast_all":
            moved.append(to_front(a, None, size))
        else:
            moved.append(reshape(a, (1, *shape_of(a))) if method == "expand_dims" else a)
    avals = tuple(a.with_shape((int(size), *a.shape)) for a in result_avals)
    outs = pure_callback_p.bind(*moved, result_avals=avals, **params)
    return outs, [0] * len(outs)


def _batch_pure(
    size: Any, args: Sequence[Any], dims: Sequence[Any], **params: Any
) -> tuple[list[Any], list[int]]:
    if params["vmap_method"] in _SEQUENTIAL:
        return _batch_each(size, args, dims, pure_callback_p, **params)
    if params["vmap_method"] in _WHOLE:
        return _batch_whole(size, args, dims, **params)
    raise error(
        CallbackBatchingError,
        "pure_callback",
        f"got the callback {params['callback']} under vmap: vmap is only supported where "
        "vmap_method says how it is batched",
        "Give vmap_method='sequential' to call it once for each example, or 'expand_dims' or "
        "'broadcast_all' if it takes arrays with a leading batch axis.",
    )


def _batch_io(
    size: Any, args: Sequence[Any], dims: Sequence[Any], **params: Any
) -> tuple[list[Any], list[int]]:
    if not params["ordered"]:
        return _batch_each(size, args, dims, io_callback_p, **params)
    raise error(
        CallbackBatchingError,
        "io_callback",
        f"got the callback {params['callback']} with ordered=True under vmap: a batch has no order",
        "Call it with ordered=False, or loop over the examples with fxad.lax.map or scan.",
    )


def _jvp(
    primitive: Primitive, primals: Sequence[Any], params: dict[str, Any]
) -> tuple[list[Any], list[Any]]:
    """What has no floats for a result has no derivative; the others need a rule."""
    if all(a.dtype.kind not in "fc" for a in params["result_avals"]):
        outs = primitive.bind(*primals, **params)
        return outs, [None] * len(outs)
    plural = "Pure callbacks" if primitive is pure_callback_p else "IO callbacks"
    raise error(
        CallbackDifferentiationError,
        primitive.name,
        f"got a derivative of the callback {params['callback']}, which nobody can look into: "
        f"{plural} do not support JVP",
        "Give the function that calls it a rule with fxad.custom_jvp or fxad.custom_vjp, or pass "
        "fxad.lax.stop_gradient(x) where it is a constant.",
    )


def _refuse_tangents(primitive: Primitive) -> Callable[..., NoReturn]:
    """In reverse mode a derivative rule's tangents, and a linear function's operands, are none."""

    def refuse(*args: Any, callback: Callback, **params: Any) -> NoReturn:
        raise error(
            CallbackDifferentiationError,
            primitive.name,
            f"got a tangent for the callback {callback} in reverse mode, where tangents have no "
            "values (callbacks do not support transpose)",
            "Call it under fxad.jvp, or on the cotangents: in the bwd of a fxad.custom_vjp.",
        )

    return refuse


def _callback_primitive(name: str, *, batch: Any, jvp: Any, effect: str) -> Primitive:
    primitive = Primitive(
        name,
        abstract=lambda *avals, result_avals, **params: list(result_avals),
        impl=_impl,
        jvp=jvp,
        batch=batch,
        cost=elements,
        multiple_results=True,
        effect=effect,
    )
    primitive.split = primitive.transpose = _refuse_tangents(primitive)
    return primitive


pure_callback_p: Primitive = _callback_primitive(
    "pure_callback",
    batch=_batch_pure,
    jvp=lambda primals, tangents, **params: _jvp(pure_callback_p, primals, params),
    effect="",
)

io_callback_p: Primitive = _callback_primitive(
    "io_callback",
    batch=_batch_io,
    jvp=lambda primals, tangents, **params: _jvp(io_callback_p, primals, params),
    effect="io",
)

debug_callback_p: Primitive = _callback_primitive(
    "debug_callback",
    batch=lambda size, args, dims, **params: _batch_each(
        size, args, dims, debug_callback_p, **params
    ),
    jvp=None,
    effect="debug",
)


def check_callback(operation: str, callback: Any) -> None:
    """Refuses what is not a function."""
    if not callable(callback):
        raise error(
            ArgumentTypeError,
            operation,
            f"got the callback {describe(callback)}, wanted a function",
            "The function comes first, then what it takes.",
        )


def _flatten_results(operation: str, wanted: Any) -> tuple[tuple[ShapedArray, ...], Any]:
    leaves, structure = tree.flatten(wanted)
    for path, leaf in tree.leaves_with_path(wanted):
        if not (is_value(leaf) or (hasattr(leaf, "shape") and hasattr(leaf, "dtype"))):
            raise error(
                ArgumentTypeError,
                operation,
                f"got {describe(leaf)} at result_shape_dtypes{tree_util.keystr(path)}, "
                "wanted arrays, numbers or things with a shape and a dtype",
                "Describe a result by fxad.ShapeDtypeStruct(shape, dtype).",
            )
    avals = tuple(
        ShapedArray(tuple(x.shape), np.dtype(x.dtype)) if hasattr(x, "shape") else _aval(x).strong()
        for x in leaves
    )
    return avals, structure.as_key()


def _flatten_arguments(operation: str, args: Any, kwargs: Any) -> tuple[list[Any], Any]:
    leaves, structure = tree.flatten((args, kwargs))
    for path, leaf in tree.leaves_with_path((args, kwargs)):
        if not is_value(leaf):
            raise error(
                ArgumentTypeError,
                operation,
                f"got {describe(leaf)} at argument{tree_util.keystr(path[1:])}, "
                "wanted pytrees of arrays and numbers",
                "Let the callback close over it, or bind it with functools.partial.",
            )
    return leaves, structure.as_key()


@public
def pure_callback(
    callback: Callable[..., Any],
    result_shape_dtypes: Any,
    *args: Any,
    vmap_method: VmapMethod | None = None,
    **kwargs: Any,
) -> Any:
    """Calls a Python function without side effects while a program runs, on NumPy arrays.

    It may be left out where its results are not used, and called more than once.

    Args:
      callback: the function. It gets the arguments' pytrees with read-only NumPy arrays (those of
        a GPU are copied to the host), and returns what ``result_shape_dtypes`` says.
      result_shape_dtypes: a pytree of arrays, numbers or ``ShapeDtypeStruct`` with the shapes and
        dtypes of the result of one call.
      *args: pytrees of arrays or numbers.
      vmap_method: what ``vmap`` does: ``"sequential"`` (or ``"sequential_unrolled"``) calls once
        for each example; ``"expand_dims"`` calls once with the batch as the leading axis, of
        length 1 for arguments that all examples share; ``"broadcast_all"`` repeats those as well;
        ``"legacy_vectorized"`` leaves them without a batch axis. None refuses.
      **kwargs: pytrees of arrays or numbers.

    Returns:
      What the callback returned, beside the arguments on their device.

    Raises:
      CallbackResultError: the callback returned something else than ``result_shape_dtypes`` says.
      CallbackBatchingError: under ``vmap`` without a ``vmap_method``.
      CallbackDifferentiationError: it is differentiated: give it a ``custom_jvp`` rule.
      ArgumentValueError: there is no such ``vmap_method``.

    What the callback raises comes out as it is.

    Example:
      >>> import math
      >>> import numpy as np, fxad
      >>> @fxad.custom_jvp
      ... def gamma(x):
      ...     return fxad.pure_callback(math.gamma, x, x, vmap_method="sequential")
      >>> @gamma.defjvp
      ... def _(primals, tangents):
      ...     (x,), (dx,) = primals, tangents
      ...     return gamma(x), (gamma(x + 1e-6) - gamma(x - 1e-6)) / 2e-6 * dx
      >>> fxad.jit(fxad.vmap(gamma))(np.array([4.0, 5.0])).tolist()
      [6.0, 24.0]
      >>> round(float(fxad.grad(gamma)(1.0)), 4)  # minus Euler's constant
      -0.5772
    """
    check_callback("pure_callback", callback)
    if vmap_method not in (None, *_SEQUENTIAL, *_WHOLE):
        raise error(
            ArgumentValueError,
            "pure_callback",
            f"got vmap_method={vmap_method!r}, wanted None or one of "
            f"{', '.join(map(repr, (*_SEQUENTIAL, *_WHOLE)))}",
        )
    leaves, structure = _flatten_arguments("pure_callback", args, kwargs)
    avals, results = _flatten_results("pure_callback", result_shape_dtypes)
    outs = pure_callback_p.bind(
        *leaves,
        callback=Callback("pure_callback", callback, structure, (), results),
        result_avals=avals,
        levels=(),
        vmap_method=vmap_method,
    )
    return tree.unflatten(results.as_key(), outs)


@public
def io_callback(
    callback: Callable[..., Any],
    result_shape_dtypes: Any,
    *args: Any,
    ordered: bool = False,
    **kwargs: Any,
) -> Any:
    """Calls a Python function with side effects while a program runs, on NumPy arrays.

    It is called as often as the program says, whether or not its results are used. Programs run
    in the order in which they were written, so calls are in order with or without ``ordered``,
    except that ``vmap`` makes all calls of one line before those of the next.

    Args:
      callback: the function; it gets and returns what that of ``pure_callback`` does.
      result_shape_dtypes: as for ``pure_callback``; None for a function that returns nothing.
      *args: pytrees of arrays or numbers.
      ordered: refuse to be batched by ``vmap``, which would change the order of calls.
      **kwargs: pytrees of arrays or numbers.

    Returns:
      What the callback returned, beside the arguments on their device.

    Raises:
      CallbackResultError: the callback returned something else than ``result_shape_dtypes`` says.
      CallbackBatchingError: with ``ordered`` under ``vmap``.
      CallbackDifferentiationError: it is differentiated: give it a ``custom_jvp`` rule.

    What the callback raises comes out as it is.

    Example:
      >>> import numpy as np, fxad
      >>> seen = []
      >>> @fxad.jit
      ... def f(x):
      ...     fxad.io_callback(lambda x: seen.append(float(x)), None, x)
      ...     return 2.0 * x
      >>> float(f(1.0)), float(f(3.0)), seen
      (2.0, 6.0, [1.0, 3.0])
    """
    check_callback("io_callback", callback)
    leaves, structure = _flatten_arguments("io_callback", args, kwargs)
    avals, results = _flatten_results("io_callback", result_shape_dtypes)
    outs = io_callback_p.bind(
        *leaves,
        callback=Callback("io_callback", callback, structure, (), results),
        result_avals=avals,
        levels=(),
        ordered=ordered,
    )
    return tree.unflatten(results.as_key(), outs)


def effects_barrier() -> None:
    """Waits until everything that programs do beside their results has happened.

    That is so when a call returns: callbacks and prints are never put off. The function is here
    for code that calls it.

    Example:
      >>> import fxad
      >>> fxad.jit(lambda x: fxad.debug.print("{}", x))(1.0)
      1.0
      >>> fxad.effects_barrier()
    """


def debug_callback(
    operation: str, callback: Callable[..., Any], args: Any, kwargs: Any, ordered: bool = False
) -> None:
    """Calls a function for what it does; leaves of the arguments that are no arrays stay so."""
    leaves, structure = tree.flatten((args, kwargs))
    statics = tuple((i, x) for i, x in enumerate(leaves) if not is_value(x))
    debug_callback_p.bind(
        *(x for x in leaves if is_value(x)),
        callback=Callback(operation, callback, structure.as_key(), statics),
        result_avals=(),
        levels=(),
        ordered=ordered,
    )
