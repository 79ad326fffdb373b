"""Vectorisation: a function of one example becomes a function of a batch."""

from __future__ import annotations

import weakref
from collections.abc import Callable, Sequence
from typing import Any, cast

import numpy as np

import fxad.tree as tree
import fxad.tree_util as tree_util
from fxad.core.aval import ShapedArray, aval_of, is_array, is_value
from fxad.core.jaxpr import ClosedJaxpr, axis_names, sub_jaxprs
from fxad.core.primitive import Primitive
from fxad.core.source import error
from fxad.core.staging import stage
from fxad.core.trace import (
    Trace,
    Tracer,
    current_trace,
    register_tracer,
    under,
    within,
)
from fxad.core.tracebacks import public_as
from fxad.errors import (
    ArgumentTypeError,
    ArgumentValueError,
    AxisNameError,
    ShapeError,
    UnexpectedTracerError,
)
from fxad.ops.base import moveaxis, shape_of, to_front
from fxad.transforms.common import (
    check_callable,
    flatten_inputs,
    flatten_outputs,
    own,
    spread_axes,
)


class BatchTracer(Tracer):
    """One example's value: the whole batch, and which of its axes is the batch."""

    __slots__ = ("value", "dim", "_aval")

    def __init__(self, trace: BatchTrace, value: Any, dim: int) -> None:
        self._trace, self.value, self.dim = trace, value, dim
        aval = aval_of(value)
        self._aval = aval.with_shape(aval.shape[:dim] + aval.shape[dim + 1 :])

    @property
    def aval(self) -> ShapedArray:
        """What is known of the value without its numbers."""
        return self._aval

    def below(self) -> Any:
        """The whole batch."""
        return self.value


class SharedTracer(Tracer):
    """An array that all examples share; a tracer so that it can be indexed by what differs."""

    __slots__ = ("value",)

    def __init__(self, trace: BatchTrace, value: Any) -> None:
        self._trace, self.value = trace, value

    @property
    def aval(self) -> ShapedArray:
        """The array's shape and dtype."""
        return aval_of(self.value)

    def concrete(self) -> Any:
        """The array."""
        return self.value

    def below(self) -> Any:
        """The array."""
        return self.value

    def __array__(self, *args: Any, **kwargs: Any) -> Any:
        # No derivative and no example is lost: the numbers are all there is.
        return np.asarray(self.value, *args, **kwargs)


register_tracer(BatchTracer)
register_tracer(SharedTracer)


class AxisSize(int):
    """The size of a batch, which knows the name of its axis and the trace that asks.

    It stands in shapes, which caches keep: the trace lives no longer for that.
    """

    name: Any
    _trace: Callable[[], BatchTrace | None]

    def __new__(cls, size: int, name: Any = None, trace: BatchTrace | None = None) -> AxisSize:
        """A size with a name."""
        self = super().__new__(cls, size)
        self.name = name
        self._trace = (lambda: None) if trace is None else weakref.ref(trace)
        return self

    @property
    def trace(self) -> BatchTrace | None:
        """The trace, while it is there."""
        return self._trace()


class BatchTrace(Trace):
    """Asks primitives for their ``batch``."""

    __slots__ = ("size",)
    transformation = "vmap"

    def __init__(self, parent: Trace, size: int, axis_name: Any = None) -> None:
        super().__init__(parent)
        self.size = AxisSize(size, axis_name, self)

    def process(self, primitive: Primitive, args: tuple[Any, ...], params: dict[str, Any]) -> Any:
        """Interprets one application of a primitive."""
        values, dims = list(args), cast(list[int | None], [None] * len(args))
        active = primitive.collective and self.size.name in params["axis_name"]
        shared = False
        for i, a in enumerate(args):
            kind = type(a)
            if kind is BatchTracer and a._trace is self:
                values[i], dims[i] = a.value, a.dim
                active = True
            elif kind is SharedTracer and a._trace is self:
                values[i] = a.value
                shared = True
        if not active:
            out = self._once_for_all(primitive, tuple(values), params)
            if out is not None:
                if not shared:
                    return out
                return list(map(self.share, out)) if primitive.multiple_results else self.share(out)
        parent: Any = self.parent
        out, dim = under(parent, primitive.batch, self.size, values, dims, **params)
        if not primitive.multiple_results:
            return self._join(out, dim)
        return [self._join(y, d) for y, d in zip(out, dim, strict=True)]

    def _once_for_all(
        self, primitive: Primitive, args: tuple[Any, ...], params: dict[str, Any]
    ) -> Any:
        """The result that all examples share; None if they do not, as a function makes them."""
        parent: Any = self.parent
        if primitive.stage is None:
            return parent.process(primitive, args, params)
        if any(self.size.name in axis_names(jaxpr) for jaxpr in sub_jaxprs(params)):
            return None
        try:
            return parent.process(primitive, args, params)
        except (UnexpectedTracerError, AxisNameError):
            # A Python function that closes over batched values, or names the axis.
            return None

    def _join(self, value: Any, dim: int | None) -> Any:
        return self.share(value) if dim is None else BatchTracer(self, value, dim)

    def share(self, value: Any) -> Any:
        """An array that is no tracer yet as one; anything else as it is."""
        if isinstance(value, np.generic | Tracer) or not is_array(value):
            return value
        return SharedTracer(self, value) if value.shape and value.dtype.kind in "biufc" else value

    def split(self, value: Any) -> tuple[Any, int | None]:
        """The whole batch of a result and its batch axis; None for one that is the same for all."""
        kind = type(value)
        if kind is BatchTracer and value._trace is self:
            return value.value, value.dim
        if kind is SharedTracer and value._trace is self:
            return value.value, None
        return value, None


def axis_sizes(trace: Trace) -> dict[Any, int]:
    """The named axes that the enclosing ``vmap`` calls have, and their sizes."""
    found: dict[Any, int] = {}
    for t in trace.ancestors():
        if isinstance(t, BatchTrace) and t.size.name is not None:
            found.setdefault(t.size.name, int(t.size))
    return found


def axis_size(operation: str, axis_name: Any) -> int:
    """The size of a named axis, or of several together.

    Raises:
      AxisNameError: no enclosing ``vmap`` has the name.
    """
    sizes = axis_sizes(current_trace())
    size = 1
    for name in axis_name if isinstance(axis_name, tuple) else (axis_name,):
        if name not in sizes:
            known = ", ".join(map(repr, sizes)) or "none"
            raise error(
                AxisNameError,
                operation,
                f"got the unbound axis name {name!r}, wanted one of an enclosing vmap ({known})",
                f"Call the function under fxad.vmap(..., axis_name={name!r}).",
            )
        size *= sizes[name]
    return size


def batch_flat(
    fun: Callable[..., Sequence[Any]],
    size: int,
    values: Sequence[Any],
    dims: Sequence[int | None],
) -> tuple[list[Any], list[int | None]]:
    """Batched outputs, and their batch axes, of a function of flat arguments."""
    trace = BatchTrace(current_trace(), size, getattr(size, "name", None))
    args = [x if d is None else BatchTracer(trace, x, d) for x, d in zip(values, dims, strict=True)]
    outs = [trace.split(y) for y in within(trace, fun, *args)]
    return [y for y, _ in outs], [d for _, d in outs]


def batch_function(
    fun: Callable[..., Sequence[Any]],
    size: int,
    values: Sequence[Any],
    dims: Sequence[int | None],
) -> tuple[list[Any], list[int | None]]:
    """As ``batch_flat``, of a user's function, which may close over values of the same batch.

    While its ``vmap`` lives, the function runs under that very trace, put on top of the current
    one: so its own tracers are at home there.
    """
    trace = getattr(size, "trace", None)
    if trace is None or not trace.alive or trace in current_trace().ancestors():
        return batch_flat(fun, size, values, dims)
    parent, trace.parent = trace.parent, current_trace()
    try:
        args = [
            x if d is None else BatchTracer(trace, x, d) for x, d in zip(values, dims, strict=True)
        ]
        outs = [trace.split(y) for y in under(trace, fun, *args)]
    finally:
        trace.parent = parent
    return [y for y, _ in outs], [d for _, d in outs]


def batch_jaxpr(
    closed: ClosedJaxpr, size: int, dims: Sequence[int | None], out_batched: Any = None
) -> tuple[ClosedJaxpr, list[int | None]]:
    """The jaxpr over whole batches, and the batch axes of its outputs.

    Args:
      closed: the jaxpr of one example.
      size: the size of the batch.
      dims: the batch axis of each input, None for those that are the same for all.
      out_batched: for each output whether it must come out batched (at axis 0) in any case.
    """
    found: list[list[int | None]] = []

    def batched(*args: Any) -> list[Any]:
        outs, out_dims = batch_flat(closed, size, args, dims)
        if out_batched is not None:
            for i, force in enumerate(out_batched):
                if force:
                    outs[i], out_dims[i] = to_front(outs[i], out_dims[i], size), 0
        found.append(out_dims)
        return outs

    avals = [
        a if d is None else ShapedArray((*a.shape[:d], size, *a.shape[d:]), a.dtype)
        for a, d in zip(closed.in_avals, dims, strict=True)
    ]
    return stage(batched, avals, "vmap"), found[0]


def vmap(
    fun: Callable[..., Any],
    in_axes: Any = 0,
    out_axes: Any = 0,
    axis_name: Any = None,
    axis_size: int | None = None,
) -> Callable[..., Any]:
    """Maps a function over an axis of its arguments, in one vectorised pass.

    Args:
      fun: the function of one example; its arguments and result are pytrees of arrays.
      in_axes: the axis of each positional argument to map over: an integer (negative counts from
        the end), None for an argument that every example shares, or a tuple or list with an entry
        for each argument, each of them a pytree prefix of its argument. Under None an argument
        may be anything; arrays come as tracers of known value. Keyword arguments are mapped over
        axis 0.
      out_axes: where the batch axis stands in the outputs: an integer, None for outputs that are
        the same for every example, or a pytree prefix of the output.
      axis_name: a name for the axis, for collectives such as ``lax.psum``.
      axis_size: its size, needed only where no argument is mapped.

    Returns:
      A function of the batched arguments.

    Raises:
      ArgumentValueError: ``in_axes`` does not fit an argument, or the sizes of the mapped axes
        differ; the message names the arguments.
      ArgumentTypeError: ``in_axes`` or ``out_axes`` is of the wrong kind.

    Example:
      >>> import numpy as np, fxad
      >>> fxad.vmap(lambda x, y: x @ y, in_axes=(0, None))(np.eye(2), np.array([1.0, 2.0])).tolist()
      [1.0, 2.0]
    """
    check_callable("vmap", fun)
    _check_in_axes(in_axes)

    @public_as(fun)
    def batched(*args: Any, **kwargs: Any) -> Any:
        leaves, structure = tree.flatten((args, kwargs))
        axes = _argument_axes(in_axes, args, structure)
        # What is not mapped over may be anything: it is handed to the function as it is.
        arrays = [
            0 if axis is None and not is_value(x) else x
            for axis, x in zip(axes, leaves, strict=True)
        ]
        flatten_inputs("vmap", tree.unflatten(structure, arrays))
        dims = [
            None if axis is None else _normalize(axis, x, i)
            for i, (axis, x) in enumerate(zip(axes, leaves, strict=True))
        ]
        size = _batch_size(leaves, dims, axis_size, (args, kwargs))
        trace = BatchTrace(current_trace(), size, axis_name)
        tracers = [
            trace.share(x) if d is None else BatchTracer(trace, x, d)
            for x, d in zip(leaves, dims, strict=True)
        ]

        def body() -> tuple[list[Any], Any]:
            inner_args, inner_kwargs = tree.unflatten(structure, tracers)
            return flatten_outputs("vmap", fun(*inner_args, **inner_kwargs))

        outs, out_structure = within(trace, body)
        out_dims = spread_axes("vmap", "out_axes", out_structure, out_axes)
        results = [
            _place(trace.split(y), d, size) for y, d in zip(outs, out_dims, strict=True)
        ]
        del outs  # what was only moved is the user's own then, and not copied
        return tree.unflatten(out_structure, own(results, leaves))

    return batched


def _check_in_axes(in_axes: Any) -> None:
    entries = tree.leaves(list(in_axes) if isinstance(in_axes, tuple | list) else in_axes)
    if isinstance(in_axes, dict) or not all(_is_axis(a) for a in entries):
        raise error(
            ArgumentTypeError,
            "vmap",
            f"got in_axes={in_axes!r}, wanted an integer, None, or a tuple with an entry "
            "(a pytree of integers and None) for each positional argument",
            "For example in_axes=(0, None, {'w': 1}).",
        )


def _is_axis(axis: Any) -> bool:
    return isinstance(axis, int | np.integer) and not isinstance(axis, bool)


def _argument_axes(in_axes: Any, args: Any, structure: Any) -> list[int | None]:
    """The axis of each leaf of the arguments, as the caller gave it."""
    if isinstance(in_axes, tuple | list):
        if len(in_axes) != len(args):
            raise error(
                ArgumentValueError,
                "vmap",
                f"got in_axes with {len(in_axes)} entries for {len(args)} positional arguments: "
                f"in_axes={in_axes!r}",
                "Give one entry for each positional argument, None for those not mapped over.",
            )
        in_axes = tuple(in_axes)
    positional, named = structure.children()
    return spread_axes("vmap", "in_axes", positional, in_axes) + [0] * named.num_leaves


def _normalize(axis: int, x: Any, position: int) -> int:
    ndim = len(shape_of(x))
    if not -ndim <= axis < ndim:
        raise error(
            ArgumentValueError,
            "vmap",
            f"got in_axes={axis} for argument leaf {position} of shape {shape_of(x)}, "
            f"wanted an axis from {-ndim} to {ndim - 1}"
            if ndim
            else f"got in_axes={axis} for argument leaf {position}, a single number with no axis "
            "to map over",
            "Use in_axes=None for arguments that every example shares.",
        )
    return int(axis) % ndim


def _batch_size(
    leaves: Sequence[Any], dims: Sequence[int | None], wanted: int | None, args: Any
) -> int:
    sizes = [shape_of(x)[d] for x, d in zip(leaves, dims, strict=True) if d is not None]
    if wanted is not None:
        sizes.append(wanted)
    if not sizes:
        raise error(
            ArgumentValueError,
            "vmap",
            "got no argument to map over, wanted at least one",
            "Give one in_axes entry that is not None, or axis_size.",
        )
    if len(set(sizes)) > 1:
        paths = [tree_util.keystr(path) for path, _ in tree.leaves_with_path(args[0])]
        paths += [tree_util.keystr(path) for path, _ in tree.leaves_with_path(args[1])]
        listed = ", ".join(
            f"argument{path} of shape {shape_of(x)} has {shape_of(x)[d]} along axis {d}"
            for path, x, d in zip(paths, leaves, dims, strict=True)
            if d is not None
        )
        given = "" if wanted is None else f"; axis_size={wanted}"
        raise error(
            ArgumentValueError,
            "vmap",
            f"got mapped axes of different sizes: {listed}{given}",
            "All mapped axes must have one size; use None in in_axes for what is not mapped.",
        )
    return sizes[0]


def _place(result: tuple[Any, int | None], out_axis: Any, size: int) -> Any:
    value, dim = result
    if out_axis is None:
        if dim is not None:
            raise error(
                ArgumentValueError,
                "vmap",
                "got out_axes=None for an output that differs from example to example",
                "Give the axis where the batch shall stand, or reduce over axis_name first.",
            )
        return value
    if not _is_axis(out_axis):
        raise error(
            ArgumentTypeError, "vmap", f"got out_axes={out_axis!r}, wanted integers and None"
        )
    value, ndim = to_front(value, dim, size), len(shape_of(value)) + (dim is None)
    if not -ndim <= out_axis < ndim:
        raise error(
            ShapeError,
            "vmap",
            f"got out_axes={out_axis} for a batched output with {ndim} dimensions",
        )
    return moveaxis(value, 0, out_axis % ndim)
