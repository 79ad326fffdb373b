"""Taking pytrees apart and putting them together, and ``PyTreeDef``, what is left between."""

from __future__ import annotations

import copy
from collections.abc import Callable, Iterable, Iterator
from itertools import islice, repeat
from typing import Any, TypeAlias

from fxad.errors import StructureError
from fxad.pytree.kinds import KINDS, LEAF, LEAF_TYPES, KeyPath, Node, types_of
from fxad.pytree.structure import (
    difference,
    incomparable,
    same_meta,
    shortened,
    show,
    unusable_meta,
)

IsLeaf: TypeAlias = Callable[[Any], Any]


def flatten(tree: Any, is_leaf: IsLeaf | None = None) -> tuple[list[Any], PyTreeDef]:
    """Take a tree apart into its leaves and its structure.

    Args:
        tree: the tree.
        is_leaf: called on every subtree; where it is true the subtree is taken as a leaf.

    Returns:
        The list of leaves, in order, and the structure.

    Raises:
        StructureError: a dictionary has keys that do not sort.

    Example:
        >>> import fxad.tree
        >>> fxad.tree.flatten({"b": 3.0, "a": (1.0, [2.0, None])})
        ([1.0, 2.0, 3.0], PyTreeDef({'a': (*, [*, None]), 'b': *}))
    """
    if is_leaf is None:
        if KINDS[type(tree)] is None:
            return [tree], _LEAF_DEF
        leaves: list[Any] = []
        return leaves, PyTreeDef(_flatten(tree, leaves))
    leaves = []
    return leaves, PyTreeDef(_flatten_until(tree, is_leaf, leaves))


def _flatten(tree: Any, leaves: list[Any]) -> Node:
    """Append the leaves of a tree and return its node."""
    kind = KINDS[type(tree)]
    if kind is None:
        leaves.append(tree)
        return LEAF
    children, meta = kind.flatten(tree)
    types = types_of(meta) if kind.typed else None
    if LEAF_TYPES.issuperset(map(type, children)):  # most nodes: no call for each child
        leaves += children
        return (kind, meta, types, (LEAF,) * len(children), len(children))
    start = len(leaves)
    nodes = []  # a loop: a comprehension would take a frame of its own on every level
    for child in children:
        if type(child) in LEAF_TYPES:
            leaves.append(child)
            nodes.append(LEAF)
        else:
            nodes.append(_flatten(child, leaves))
    return (kind, meta, types, tuple(nodes), len(leaves) - start)


def _flatten_until(tree: Any, is_leaf: IsLeaf, leaves: list[Any]) -> Node:
    kind = KINDS[type(tree)]
    if is_leaf(tree) or kind is None:
        leaves.append(tree)
        return LEAF
    start = len(leaves)
    children, meta = kind.flatten(tree)
    nodes = tuple(map(_flatten_until, children, repeat(is_leaf), repeat(leaves)))
    return kind.node(meta, nodes, len(leaves) - start)


def flatten_to_paths(
    tree: Any, is_leaf: Callable[[KeyPath, Any], Any] | None = None
) -> tuple[list[tuple[KeyPath, Any]], PyTreeDef]:
    """The leaves with their key paths, and the structure; ``is_leaf`` takes path and subtree."""
    leaves: list[tuple[KeyPath, Any]] = []
    return leaves, PyTreeDef(_flatten_with_path((), tree, is_leaf, leaves))


def _flatten_with_path(
    path: KeyPath,
    tree: Any,
    is_leaf: Callable[[KeyPath, Any], Any] | None,
    leaves: list[tuple[KeyPath, Any]],
) -> Node:
    kind = KINDS[type(tree)]
    if kind is None or (is_leaf is not None and is_leaf(path, tree)):
        leaves.append((path, tree))
        return LEAF
    start = len(leaves)
    keys, children, meta = kind.keyed(tree)
    paths = [(*path, key) for key in keys]
    nodes = tuple(map(_flatten_with_path, paths, children, repeat(is_leaf), repeat(leaves)))
    return kind.node(meta, nodes, len(leaves) - start)


def _unflatten(node: Node, leaves: Iterator[Any]) -> Any:
    kind, meta, _, nodes, num_leaves = node
    if num_leaves == len(nodes) and nodes.count(LEAF) == num_leaves:
        return kind.unflatten(meta, tuple(islice(leaves, num_leaves)))
    children = []
    for child in nodes:
        children.append(next(leaves) if child is LEAF else _unflatten(child, leaves))
    return kind.unflatten(meta, tuple(children))


def _flatten_up_to(node: Node, tree: Any, subtrees: list[Any]) -> bool:
    """Append the subtrees where the structure has leaves; False if the tree differs from it."""
    kind, meta, _, nodes, num_leaves = node
    if kind is None:
        subtrees.append(tree)
        return True
    found = KINDS[type(tree)]
    if found is None or found is not kind:
        return False
    children, other = found.flatten(tree)
    if len(children) != len(nodes) or not same_meta(found, meta, other):
        return False
    if num_leaves == len(nodes) and nodes.count(LEAF) == num_leaves:
        subtrees += children
        return True
    return all(map(_flatten_up_to, nodes, children, repeat(subtrees)))


class PyTreeDef:
    """The structure of a pytree: the tree without its leaves, hashable and comparable.

    ``node`` is the structure as nested plain tuples. It hashes and compares as the PyTreeDef does,
    in C, for those who keep many in a cache.

    Example:
        >>> import fxad.tree
        >>> fxad.tree.structure({"b": (2.0, 3.0), "a": 1.0})
        PyTreeDef({'a': *, 'b': (*, *)})
    """

    __slots__ = ("node",)

    node: Node

    def __init__(self, node: Node) -> None:
        self.node = node

    @property
    def num_leaves(self) -> int:
        """How many leaves a tree of this structure has."""
        count: int = self.node[4]
        return count

    @property
    def num_nodes(self) -> int:
        """How many nodes, leaves among them, a tree of this structure has."""
        return _count_nodes(self.node)

    def __hash__(self) -> int:
        try:
            return hash(self.node)
        except TypeError:  # auxiliary data without a hash, a dict say: it is compared all the same
            return hash(_hashable(self.node))

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, PyTreeDef):
            return NotImplemented
        try:
            return self.node == other.node
        except ValueError as error:
            raise StructureError(unusable_meta(incomparable(self.node, other.node))) from error

    def as_key(self) -> PyTreeDef:
        """This structure to keep in a cache: data that is changed in place later no longer fits."""
        try:
            hash(self.node)
            return self
        except TypeError:
            return PyTreeDef(_detached_node(self.node))

    def __repr__(self) -> str:
        return f"PyTreeDef({show(self.node)})"

    def __reduce__(self) -> tuple[Any, ...]:
        kind, meta, *_ = self.node
        return _rebuild, (kind and kind.nodetype, meta, self.children())

    def children(self) -> list[PyTreeDef]:
        """The structures of the children of the outermost node."""
        return [PyTreeDef(child) for child in self.node[3]]

    def node_data(self) -> tuple[type, Any] | None:
        """The type and the auxiliary data of the outermost node, or None for a leaf."""
        kind, meta, *_ = self.node
        return None if kind is None else (kind.nodetype, meta)

    def unflatten(self, leaves: Iterable[Any]) -> Any:
        """The tree of this structure with these leaves.

        Raises:
            StructureError: there are more leaves, or fewer, than the structure has.
        """
        leaves = tuple(leaves)
        if len(leaves) != self.node[4]:
            raise StructureError(
                f"[tree.unflatten] got {len(leaves)} leaves for a structure of {self.node[4]}: "
                f"{shortened(self.node)}."
            )
        return leaves[0] if self.node is LEAF else _unflatten(self.node, iter(leaves))

    def flatten_up_to(
        self, tree: Any, message: str = "[tree] the tree does not fit the structure"
    ) -> list[Any]:
        """The subtrees of a tree that stand where this structure has leaves.

        Args:
            tree: a tree of this structure, or one that goes on where this has leaves.
            message: how an error begins.

        Raises:
            StructureError: this structure is not a prefix of the tree's.
        """
        subtrees: list[Any] = []
        if not _flatten_up_to(self.node, tree, subtrees):
            node = flatten(tree)[1].node
            reason = difference(self.node, node, name="tree", prefix="expected")
            raise StructureError(f"{message}, {reason}")
        return subtrees

    def compose(self, inner: PyTreeDef) -> PyTreeDef:
        """The structure with ``inner`` in the place of every leaf."""
        return PyTreeDef(_compose(self.node, inner.node))

    def paths(self) -> list[KeyPath]:
        """The key path of every leaf, in order."""
        return list(_paths((), self.node))


_LEAF_DEF = PyTreeDef(LEAF)


def _has_hash(meta: Any) -> bool:
    try:
        hash(meta)
    except TypeError:
        return False
    return True


def _hashable(node: Node) -> Node:
    """A node without the auxiliary data that has no hash."""
    kind, meta, types, nodes, num_leaves = node
    key = meta if _has_hash(meta) else None
    return (kind, key, types, tuple(map(_hashable, nodes)), num_leaves)


def _detached_node(node: Node) -> Node:
    kind, meta, types, nodes, num_leaves = node
    return (kind, _detached(meta), types, tuple(map(_detached_node, nodes)), num_leaves)


def _detached(meta: Any) -> Any:
    """Auxiliary data with copies of the containers in it that can be changed in place."""
    if _has_hash(meta):
        return meta
    if isinstance(meta, tuple):
        return tuple.__new__(type(meta), map(_detached, meta))
    if not isinstance(meta, dict | list):
        return copy.deepcopy(meta)
    own = copy.copy(meta)
    for key, value in meta.items() if isinstance(meta, dict) else enumerate(meta):
        own[key] = _detached(value)
    return own


def treedef_tuple(treedefs: Iterable[PyTreeDef]) -> PyTreeDef:
    """The structure of a tuple of trees with these structures."""
    return _rebuild(tuple, None, list(treedefs))


def _rebuild(cls: type | None, meta: Any, children: list[PyTreeDef]) -> PyTreeDef:
    kind = None if cls is None else KINDS[cls]
    if kind is None:
        if cls is not None:
            raise StructureError(f"[pytree] {cls.__qualname__} is not registered as a pytree node.")
        return _LEAF_DEF
    nodes = tuple(child.node for child in children)
    return PyTreeDef(kind.node(meta, nodes, sum(node[4] for node in nodes)))


def _count_nodes(node: Node) -> int:
    return 1 + sum(map(_count_nodes, node[3]))


def _compose(outer: Node, inner: Node) -> Node:
    kind, meta, types, nodes, num_leaves = outer
    if kind is None:
        return inner
    nodes = tuple(map(_compose, nodes, repeat(inner)))
    return (kind, meta, types, nodes, num_leaves * inner[4])


def _paths(path: KeyPath, node: Node) -> Iterator[KeyPath]:
    kind, meta, _, nodes, _ = node
    if kind is None:
        yield path
        return
    for key, child in zip(kind.keys(meta, len(nodes)), nodes, strict=True):
        yield from _paths((*path, key), child)
