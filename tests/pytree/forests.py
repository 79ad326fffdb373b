"""Trees and node classes that the tests of pytrees share."""

import collections
import dataclasses
import re
from typing import Any, NamedTuple

from fxad import tree_util


class Point(NamedTuple):
    x: Any
    y: Any


class Named(Point):
    """A subclass of a named tuple is a named tuple."""


class Validated(NamedTuple("Base", [("x", Any)])):
    """Its constructor takes other arguments than it has fields."""

    def __new__(cls, low, high):
        return super().__new__(cls, low + high)


class Plain:
    """Two children without keys, and a name."""

    def __init__(self, x, y, name="plain"):
        self.x, self.y, self.name = x, y, name

    def __eq__(self, other):
        return type(self) is type(other) and vars(self) == vars(other)

    __hash__ = None


tree_util.register_pytree_node(
    Plain, lambda p: ((p.x, p.y), p.name), lambda name, children: Plain(*children, name)
)


@tree_util.register_pytree_with_keys_class
class Keyed(Plain):
    """The same with keys."""

    def tree_flatten_with_keys(self):
        pairs = (tree_util.GetAttrKey("x"), self.x), (tree_util.GetAttrKey("y"), self.y)
        return pairs, self.name

    @classmethod
    def tree_unflatten(cls, name, children):
        return cls(*children, name)


@tree_util.register_pytree_node_class
class Lazy:
    """Keeps leaves and structure, and so has its content's structure as auxiliary data."""

    def __init__(self, content, leaves=None, treedef=None):
        if treedef is None:
            leaves, treedef = tree_util.tree_flatten(content)
        self.leaves, self.treedef = leaves, treedef

    def content(self):
        return tree_util.tree_unflatten(self.treedef, self.leaves)

    def tree_flatten(self):
        return self.leaves, self.treedef

    @classmethod
    def tree_unflatten(cls, treedef, leaves):
        if not tree_util.all_leaves(leaves):
            leaves, treedef = tree_util.tree_flatten(tree_util.tree_unflatten(treedef, leaves))
        return cls(None, leaves, treedef)

    def __eq__(self, other):
        return type(other) is Lazy and self.content() == other.content()

    __hash__ = None


@tree_util.register_static
class StaticInt(int):
    pass


@tree_util.register_static
class StaticTuple(tuple):
    pass


@tree_util.register_static
@dataclasses.dataclass
class Box:
    """Says that it equals every other box."""

    value: int

    def __hash__(self):
        return 0

    def __eq__(self, other):
        return isinstance(other, Box)


@tree_util.register_dataclass
@dataclasses.dataclass
class Layer:
    weight: Any
    bias: Any
    activation: Any = dataclasses.field(default="tanh", metadata={"static": True})


LEAVES = ("foo", 0.1, 1, object())

# Each with its structure in JAX's notation.
TREES = (
    (None, "None"),
    ((None,), "(None,)"),
    ((), "()"),
    ([()], "[()]"),
    ((1, 2), "(*, *)"),
    (((1, "foo"), ["bar", (3, None, 7)]), "((*, *), [*, (*, None, *)])"),
    ([3], "[*]"),
    ({}, "{}"),
    ({"b": 2, "a": 1}, "{'a': *, 'b': *}"),
    ({2: {"x": []}, 1: 3}, "{1: *, 2: {'x': []}}"),
    (
        [3, Point(x=(3, Point(x=3, y=None)), y={"baz": 34})],
        "[*, CustomNode(namedtuple[Point], [(*, "
        "CustomNode(namedtuple[Point], [*, None])), {'baz': *}])]",
    ),
    (Named("hello", 3.5), "CustomNode(namedtuple[Named], [*, *])"),
    (Validated(1, 2), "CustomNode(namedtuple[Validated], [*])"),
    (
        collections.OrderedDict([("foo", 34), ("baz", 101)]),
        "CustomNode(OrderedDict[('foo', 'baz')], [*, *])",
    ),
    (
        collections.defaultdict(dict, [("foo", 34), ("baz", 101)]),
        "CustomNode(defaultdict[(<class 'dict'>, ('baz', 'foo'))], [*, *])",
    ),
    ([Plain(3, None, "n")], "[CustomNode(Plain[n], [*, None])]"),
    (Keyed(2, [3.0]), "CustomNode(Keyed[plain], [*, [*]])"),
    (Lazy({"a": [1, 2]}), "CustomNode(Lazy[PyTreeDef({'a': [*, *]})], [*, *])"),
    (Lazy(1), "CustomNode(Lazy[PyTreeDef(*)], [*])"),
    (StaticInt(1), "CustomNode(StaticInt[1], [])"),
    (StaticTuple((2, 3)), "CustomNode(StaticTuple[(2, 3)], [])"),
    (Box(2), "CustomNode(Box[Box(value=2)], [])"),
    (Layer((1, 2), 3), "CustomNode(Layer[('tanh',)], [(*, *), *])"),
    (tree_util.Partial(print, 1, end="x"), f"CustomNode(Partial[{print!s}], [(*,), {{'end': *}}])"),
)


def same(a, b):
    """Equality that also sees the values of boxes and of partials, and types."""
    if type(a) is not type(b):
        return False
    if isinstance(a, Box):
        return a.value == b.value
    if isinstance(a, tree_util.Partial):
        return (a.func, a.args, a.keywords) == (b.func, b.args, b.keywords)
    if isinstance(a, dict) and list(a) != list(b) and type(a) is not dict:
        return sorted(a) == sorted(b) and dict(a) == dict(b)
    return a == b


def label(value):
    """A name without addresses: every process of a parallel run must find the same tests."""
    return re.sub(" at 0x[0-9a-f]+", "", repr(value))
