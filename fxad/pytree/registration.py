"""Making a class a pytree node."""

from __future__ import annotations

import dataclasses
import functools
import operator
from collections.abc import Callable, Iterable, Sequence
from typing import Any, TypeVar, cast

from fxad.errors import ArgumentTypeError, ArgumentValueError
from fxad.pytree.kinds import GetAttrKey, Kind, checked, flat_keys, register

T = TypeVar("T")
C = TypeVar("C", bound=type[Any])


def register_pytree_node(
    nodetype: type[T],
    flatten_func: Callable[[T], tuple[Iterable[Any], Any]],
    unflatten_func: Callable[[Any, Any], T],
    flatten_with_keys_func: Callable[[T], tuple[Iterable[tuple[Any, Any]], Any]] | None = None,
) -> None:
    """Make the instances of a class nodes of pytrees.

    Args:
        nodetype: the class; its subclasses stay leaves.
        flatten_func: takes an instance to a pair (children, auxiliary data). The auxiliary data is
            part of the structure: it must be comparable by ``==`` and hold no arrays.
        unflatten_func: takes the auxiliary data and a tuple of children to an instance. The
            children may be any objects, not only arrays.
        flatten_with_keys_func: like ``flatten_func``, with (key, child) pairs for children.

    Raises:
        ArgumentTypeError: ``nodetype`` is not a class.
        ArgumentValueError: the class is registered already.

    Example:
        >>> import fxad.tree, fxad.tree_util
        >>> class Interval:
        ...     def __init__(self, low, high):
        ...         self.low, self.high = low, high
        >>> fxad.tree_util.register_pytree_node(
        ...     Interval, lambda i: ((i.low, i.high), None), lambda _, ends: Interval(*ends))
        >>> fxad.tree.leaves(Interval(1.0, 2.0))
        [1.0, 2.0]
    """
    keys = flat_keys
    if flatten_with_keys_func is not None:
        keys = functools.partial(_keys_of_rebuilt, nodetype, flatten_with_keys_func, unflatten_func)
    register(
        Kind(
            nodetype,
            lambda tree: checked(nodetype, flatten_func(tree)),
            unflatten_func,
            keys,
            flatten_with_keys=flatten_with_keys_func,
            typed=True,
        )
    )


def _keys_of_rebuilt(
    nodetype: type[T],
    flatten_with_keys: Callable[[T], tuple[Iterable[tuple[Any, Any]], Any]],
    unflatten: Callable[[Any, Any], T],
    meta: Any,
    count: int,
) -> tuple[Any, ...]:
    """The keys that a node without its leaves would have: only its class can tell."""
    try:
        pairs, _ = checked(nodetype, flatten_with_keys(unflatten(meta, (None,) * count)))
        return tuple([key for key, _ in pairs])
    except Exception:  # user code, run on placeholders to word an error: it may refuse them
        return flat_keys(meta, count)


def register_pytree_node_class(cls: C) -> C:
    """Make a class with the methods ``tree_flatten`` and ``tree_unflatten`` a pytree node.

    Args:
        cls: the class. ``tree_flatten(self)`` returns (children, auxiliary data), and the class
            method ``tree_unflatten(cls, aux_data, children)`` an instance.

    Returns:
        The class itself, so that this is a decorator.

    Example:
        >>> import fxad.tree, fxad.tree_util
        >>> @fxad.tree_util.register_pytree_node_class
        ... class Pair:
        ...     def __init__(self, x, y):
        ...         self.x, self.y = x, y
        ...     def tree_flatten(self):
        ...         return (self.x, self.y), None
        ...     @classmethod
        ...     def tree_unflatten(cls, aux_data, children):
        ...         return cls(*children)
        >>> fxad.tree.map(lambda x: 2 * x, Pair(1.0, 2.0)).y
        4.0
    """
    register_pytree_node(cls, operator.methodcaller("tree_flatten"), cls.tree_unflatten)
    return cls


def register_pytree_with_keys(
    nodetype: type[T],
    flatten_with_keys: Callable[[T], tuple[Iterable[tuple[Any, Any]], Any]],
    unflatten_func: Callable[[Any, Any], T],
    flatten_func: Callable[[T], tuple[Iterable[Any], Any]] | None = None,
) -> None:
    """Make the instances of a class nodes of pytrees whose children have keys.

    Args:
        nodetype: the class.
        flatten_with_keys: takes an instance to ((key, child) pairs, auxiliary data).
        unflatten_func: takes the auxiliary data and a tuple of children to an instance.
        flatten_func: the same as ``flatten_with_keys`` without the keys, where that is faster.

    Raises:
        ArgumentTypeError: ``nodetype`` is not a class.
        ArgumentValueError: the class is registered already.

    Example:
        >>> from fxad.tree_util import GetAttrKey, keystr, register_pytree_with_keys
        >>> from fxad.tree_util import tree_leaves_with_path
        >>> class Box:
        ...     def __init__(self, content):
        ...         self.content = content
        >>> register_pytree_with_keys(
        ...     Box, lambda b: ([(GetAttrKey("content"), b.content)], None), lambda _, c: Box(*c))
        >>> [(keystr(path), leaf) for path, leaf in tree_leaves_with_path(Box(3.0))]
        [('.content', 3.0)]
    """

    def without_keys(tree: T) -> tuple[Iterable[Any], Any]:
        pairs, meta = checked(nodetype, flatten_with_keys(tree))
        return [child for _, child in pairs], meta

    register_pytree_node(nodetype, flatten_func or without_keys, unflatten_func, flatten_with_keys)


def register_pytree_with_keys_class(cls: C) -> C:
    """Make a class with ``tree_flatten_with_keys`` and ``tree_unflatten`` a pytree node.

    Args:
        cls: the class; a method ``tree_flatten`` is used where no keys are asked for.

    Returns:
        The class itself, so that this is a decorator.

    Example:
        >>> import fxad.tree_util
        >>> @fxad.tree_util.register_pytree_with_keys_class
        ... class Box:
        ...     def __init__(self, content):
        ...         self.content = content
        ...     def tree_flatten_with_keys(self):
        ...         return [(fxad.tree_util.GetAttrKey("content"), self.content)], None
        ...     @classmethod
        ...     def tree_unflatten(cls, aux_data, children):
        ...         return cls(*children)
        >>> fxad.tree_util.tree_leaves_with_path(Box(3.0))
        [((GetAttrKey(name='content'),), 3.0)]
    """
    register_pytree_with_keys(
        cls,
        operator.methodcaller("tree_flatten_with_keys"),
        cls.tree_unflatten,
        operator.methodcaller("tree_flatten") if hasattr(cls, "tree_flatten") else None,
    )
    return cls


def register_static(cls: C) -> C:
    """Make the instances of a class part of the structure: nodes without leaves.

    ``jit`` then treats them as static arguments.

    Args:
        cls: the class; its instances must be comparable by ``==``.

    Returns:
        The class itself, so that this is a decorator.

    Example:
        >>> import fxad.tree, fxad.tree_util
        >>> @fxad.tree_util.register_static
        ... class Mode(str):
        ...     pass
        >>> fxad.tree.flatten((1.0, Mode("train")))
        ([1.0], PyTreeDef((*, CustomNode(Mode[train], []))))
    """
    register_pytree_node(cls, lambda instance: ((), instance), lambda instance, _: instance)
    return cls


def register_dataclass(
    nodetype: C,
    data_fields: Sequence[str] | None = None,
    meta_fields: Sequence[str] | None = None,
    drop_fields: str | Sequence[str] = (),
) -> C:
    """Make a dataclass, or a class built from keywords, a pytree node.

    Args:
        nodetype: the class. Unflattening calls it with all fields as keywords.
        data_fields: names of the attributes that are children. For a dataclass both lists can be
            left out: fields declared with ``metadata={"static": True}`` are then meta fields and
            all others data fields.
        meta_fields: names of the attributes that belong to the structure.
        drop_fields: names of the fields of a dataclass that are neither. With both lists left
            out, fields that ``__init__`` does not take must be named here.

    Returns:
        The class itself, so that this is a decorator.

    Raises:
        ArgumentTypeError: one list is given without the other, or none and it is no dataclass.
        ArgumentValueError: the lists overlap or are not the fields of the dataclass.

    Example:
        >>> import dataclasses, fxad.tree, fxad.tree_util
        >>> @fxad.tree_util.register_dataclass
        ... @dataclasses.dataclass
        ... class Layer:
        ...     weight: float
        ...     activation: str = dataclasses.field(metadata={"static": True})
        >>> fxad.tree.map(lambda x: -x, Layer(2.0, "tanh"))
        Layer(weight=-2.0, activation='tanh')
    """
    drop = (drop_fields,) if isinstance(drop_fields, str) else drop_fields
    data, meta = _data_and_meta(nodetype, data_fields, meta_fields, drop)
    _check_fields(nodetype, data, meta, drop)
    keys = tuple(map(GetAttrKey, data))
    get_data, get_meta = _getter(data), _getter(meta)

    def unflatten(values: tuple[Any, ...], children: tuple[Any, ...]) -> Any:
        return nodetype(
            **dict(zip(meta, values, strict=True)), **dict(zip(data, children, strict=True))
        )

    register(
        Kind(
            nodetype,
            lambda tree: (get_data(tree), get_meta(tree)),
            unflatten,
            lambda *_: keys,
            typed=True,
        )
    )
    return nodetype


def _data_and_meta(
    nodetype: type,
    data: Sequence[str] | None,
    meta: Sequence[str] | None,
    drop: Sequence[str],
) -> tuple[tuple[str, ...], tuple[str, ...]]:
    if data is not None and meta is not None:
        return tuple(data), tuple(meta)
    if data is not None or meta is not None:
        raise ArgumentTypeError(
            f"[register_dataclass] got data_fields={data} and meta_fields={meta} for "
            f"{nodetype.__qualname__}: give both, or neither."
        )
    if not dataclasses.is_dataclass(nodetype):
        raise ArgumentTypeError(
            f"[register_dataclass] {nodetype!r} is not a dataclass: give data_fields and "
            "meta_fields, or decorate it with dataclasses.dataclass first."
        )
    fields = [field for field in dataclasses.fields(nodetype) if field.name not in drop]
    if lost := [field.name for field in fields if not field.init]:
        raise ArgumentValueError(
            f"[register_dataclass] the fields {lost} of {nodetype.__qualname__} are declared with "
            f"init=False, so unflattening cannot restore them: say drop_fields={lost} to leave "
            "them as a new instance has them."
        )
    static = tuple([field.name for field in fields if field.metadata.get("static", False)])
    return tuple([field.name for field in fields if field.name not in static]), static


def _check_fields(
    nodetype: type, data: Sequence[str], meta: Sequence[str], drop: Sequence[str]
) -> None:
    name = nodetype.__qualname__
    if both := set(data) & set(meta):
        raise ArgumentValueError(
            f"[register_dataclass] {sorted(both)} of {name} are in both lists of fields."
        )
    if not dataclasses.is_dataclass(nodetype):
        return
    wanted = {field.name for field in dataclasses.fields(nodetype) if field.init} - set(drop)
    if missing := wanted.difference(data, meta):
        raise ArgumentValueError(
            f"[register_dataclass] the fields {sorted(missing)} of {name} are in neither "
            "data_fields nor meta_fields: put them into one, or into drop_fields."
        )
    if extra := {*data, *meta} - wanted:
        raise ArgumentValueError(
            f"[register_dataclass] {sorted(extra)} are not fields that {name} can be built from "
            f"(those are {sorted(wanted)})."
        )


def _getter(names: tuple[str, ...]) -> Callable[[Any], tuple[Any, ...]]:
    """The values of attributes as a tuple; ``attrgetter`` gives one only for two names or more."""
    if len(names) > 1:
        return cast(Callable[[Any], tuple[Any, ...]], operator.attrgetter(*names))
    return lambda tree: tuple([getattr(tree, name) for name in names])
