"""Which types are pytree nodes: how one comes apart, goes together, and names its children."""

from __future__ import annotations

import collections
import functools
import reprlib
from collections.abc import Callable, Iterable, Sequence
from typing import Any, TypeAlias

from fxad.errors import ArgumentTypeError, ArgumentValueError, StructureError
from fxad.value import Value

KeyPath: TypeAlias = tuple[Any, ...]

# (kind, meta, types of meta, children, number of leaves); the kind of a leaf is None.
Node: TypeAlias = tuple[Any, ...]
LEAF: Node = (None, None, None, (), 1)


class _Key(Value):
    """A step of a key path: what its subclass names."""

    __slots__ = ()
    __match_args__: tuple[str, ...] = ()

    @property
    def bare(self) -> Any:
        """The position, key or name, without the marks of an access."""
        return self.held()[0]


class SequenceKey(_Key):
    """The step from a tuple or list to the item at a position."""

    __slots__ = __match_args__ = ("idx",)

    def __init__(self, idx: int) -> None:
        self.idx = idx

    def __str__(self) -> str:
        return f"[{self.idx!r}]"


class DictKey(_Key):
    """The step from a dictionary to the value of a key."""

    __slots__ = __match_args__ = ("key",)

    def __init__(self, key: Any) -> None:
        self.key = key

    def __str__(self) -> str:
        return f"[{self.key!r}]"


class GetAttrKey(_Key):
    """The step from an object to one of its attributes."""

    __slots__ = __match_args__ = ("name",)

    def __init__(self, name: str) -> None:
        self.name = name

    def __str__(self) -> str:
        return f".{self.name}"


class FlattenedIndexKey(_Key):
    """The step from a node whose type names no keys to the child at a position."""

    __slots__ = __match_args__ = ("key",)

    def __init__(self, key: int) -> None:
        self.key = key

    def __str__(self) -> str:
        return f"[<flat index {self.key!r}>]"


def keystr(keys: KeyPath, *, simple: bool = False, separator: str = "") -> str:
    """Write a key path as Python would write the access.

    Args:
        keys: the steps, as ``flatten_with_path`` gives them.
        simple: write the bare keys, without brackets, dots and quotes.
        separator: what to put between the steps.

    Returns:
        The text.

    Example:
        >>> import fxad.tree_util
        >>> [(path, _)] = fxad.tree_util.tree_leaves_with_path({"a": [1.0]})
        >>> fxad.tree_util.keystr(path), fxad.tree_util.keystr(path, simple=True, separator="/")
        ("['a'][0]", 'a/0')
    """
    steps = (key.bare if simple and isinstance(key, _Key) else key for key in keys)
    return separator.join(map(str, steps))


class Kind:
    """How nodes of one type come apart and together; compared by identity, one for each type."""

    __slots__ = "nodetype", "flatten", "unflatten", "keys", "flatten_with_keys", "show", "typed"

    def __init__(
        self,
        nodetype: type,
        flatten: Callable[[Any], tuple[Sequence[Any], Any]],
        unflatten: Callable[[Any, tuple[Any, ...]], Any],
        keys: Callable[[Any, int], tuple[Any, ...]],
        flatten_with_keys: Callable[[Any], tuple[Iterable[tuple[Any, Any]], Any]] | None = None,
        show: Callable[[Any, list[str]], str] | None = None,
        typed: bool = False,
    ) -> None:
        self.nodetype, self.flatten, self.unflatten = nodetype, flatten, unflatten
        self.keys, self.flatten_with_keys, self.show = keys, flatten_with_keys, show
        #: Is 2 another meta than 2.0? A program traced for one is wrong for the other.
        self.typed = typed

    def node(self, meta: Any, children: tuple[Node, ...], num_leaves: int) -> Node:
        """A node of this kind."""
        return (self, meta, types_of(meta) if self.typed else None, children, num_leaves)

    def keyed(self, tree: Any) -> tuple[tuple[Any, ...], Sequence[Any], Any]:
        """The keys, the children and the meta of a node."""
        if self.flatten_with_keys is None:
            children, meta = self.flatten(tree)
            return self.keys(meta, len(children)), children, meta
        pairs, meta = checked(self.nodetype, self.flatten_with_keys(tree))
        keys, children = tuple(zip(*pairs, strict=True)) or ((), ())
        return keys, children, meta


def checked(cls: type, flat: Any) -> tuple[tuple[Any, ...], Any]:
    """What a user's flatten function returned, if it is (children, auxiliary data)."""
    if isinstance(flat, tuple) and len(flat) == 2:
        children, meta = flat
        if isinstance(children, (tuple, list, Iterable)):
            return tuple(children), meta
    raise StructureError(
        f"[pytree] the flatten function of {cls.__qualname__} returned {reprlib.repr(flat)}: it "
        "must return a pair (children, auxiliary data), the children in an iterable."
    )


class _Kinds(dict[type, Kind | None]):
    """The kind of every type met so far, None for those that are leaves."""

    def __missing__(self, cls: type) -> Kind | None:
        kind = _namedtuple(cls) if issubclass(cls, tuple) and hasattr(cls, "_fields") else None
        if kind is None:
            LEAF_TYPES.add(cls)
        self[cls] = kind
        return kind


KINDS = _Kinds()
_REGISTERED: set[type] = set()
LEAF_TYPES: set[type] = set()


def register(kind: Kind) -> None:
    """Make the instances of a type nodes."""
    cls = kind.nodetype
    if not isinstance(cls, type):
        raise ArgumentTypeError(f"[register_pytree_node] got {cls!r}: a class is needed.")
    if cls in _REGISTERED:
        raise ArgumentValueError(
            f"[register_pytree_node] {cls.__qualname__} is registered already, and structures "
            "that it is part of may exist: register a class once, where it is defined."
        )
    _REGISTERED.add(cls)
    KINDS[cls] = kind
    LEAF_TYPES.discard(cls)


def types_of(meta: Any) -> Any:
    """The type of a meta, with those of its items where it is a container."""
    kind = type(meta)
    if kind is tuple or kind is list:
        return (kind, *map(types_of, meta))
    if kind is dict:
        return frozenset((key, types_of(value)) for key, value in meta.items())
    return kind


def sequence_keys(_: Any, count: int) -> tuple[SequenceKey, ...]:
    """The keys of a tuple or a list."""
    return tuple(map(SequenceKey, range(count)))


def flat_keys(_: Any, count: int) -> tuple[FlattenedIndexKey, ...]:
    """The keys of a node whose type names none."""
    return tuple(map(FlattenedIndexKey, range(count)))


def _dict_keys(keys: tuple[Any, ...], _: int) -> tuple[DictKey, ...]:
    return tuple(map(DictKey, keys))


def _flatten_dict(tree: dict[Any, Any]) -> tuple[Sequence[Any], Any]:
    if not tree:
        return (), ()
    try:
        keys = tuple(sorted(tree))
    except TypeError:
        raise StructureError(
            f"[pytree] got a {type(tree).__name__} with the keys {reprlib.repr(list(tree))}, which "
            "do not sort: keys must be comparable with each other. Use keys of one type, or an "
            "OrderedDict, which keeps its own order."
        ) from None
    return [tree[key] for key in keys], keys


def _unflatten_dict(keys: tuple[Any, ...], children: tuple[Any, ...]) -> dict[Any, Any]:
    return dict(zip(keys, children))  # noqa: B905 strict=True would take longer than the rest


def _flatten_defaultdict(tree: collections.defaultdict[Any, Any]) -> tuple[Sequence[Any], Any]:
    children, keys = _flatten_dict(tree)
    return children, (tree.default_factory, keys)


def _unflatten_defaultdict(meta: Any, children: tuple[Any, ...]) -> Any:
    factory, keys = meta
    return collections.defaultdict(factory, _unflatten_dict(keys, children))


def _show_tuple(_: Any, children: list[str]) -> str:
    return f"({', '.join(children)}{',' if len(children) == 1 else ''})"


def _show_dict(keys: tuple[Any, ...], children: list[str]) -> str:
    items = zip(keys, children, strict=True)
    return f"{{{', '.join(f'{key!r}: {child}' for key, child in items)}}}"


def _show_namedtuple(name: str, _: Any, children: list[str]) -> str:
    return f"CustomNode(namedtuple[{name}], [{', '.join(children)}])"


def _namedtuple(cls: type[Any]) -> Kind:
    keys = tuple(map(GetAttrKey, cls._fields))
    return Kind(
        cls,
        lambda tree: (tree, None),
        lambda _, children: cls._make(children),
        lambda *_: keys,
        show=functools.partial(_show_namedtuple, cls.__name__),
    )


for _kind in (
    Kind(
        tuple,
        lambda tree: (tree, None),
        lambda _, children: children,
        sequence_keys,
        show=_show_tuple,
    ),
    Kind(
        list,
        lambda tree: (tree, None),
        lambda _, children: list(children),
        sequence_keys,
        show=lambda _, children: f"[{', '.join(children)}]",
    ),
    Kind(
        dict,
        _flatten_dict,
        _unflatten_dict,
        _dict_keys,
        show=_show_dict,
    ),
    Kind(
        collections.OrderedDict,
        lambda tree: (tuple(tree.values()), tuple(tree)),
        lambda keys, children: collections.OrderedDict(_unflatten_dict(keys, children)),
        _dict_keys,
    ),
    Kind(
        collections.defaultdict,
        _flatten_defaultdict,
        _unflatten_defaultdict,
        lambda meta, _: _dict_keys(meta[1], _),
    ),
    Kind(
        type(None),
        lambda _: ((), None),
        lambda *_: None,
        lambda *_: (),
        show=lambda *_: "None",
    ),
):
    register(_kind)
