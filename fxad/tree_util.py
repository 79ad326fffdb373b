"""Pytrees under the names of ``jax.tree_util``; ``fxad.tree`` has the same functions, shorter."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

from fxad.errors import StructureError
from fxad.pytree.kinds import (
    KINDS,
    DictKey,
    FlattenedIndexKey,
    GetAttrKey,
    KeyPath,
    SequenceKey,
    keystr,
)
from fxad.pytree.partial import Partial
from fxad.pytree.registration import (
    register_dataclass,
    register_pytree_node,
    register_pytree_node_class,
    register_pytree_with_keys,
    register_pytree_with_keys_class,
    register_static,
)
from fxad.pytree.treedef import IsLeaf, PyTreeDef, treedef_tuple
from fxad.tree import all as tree_all
from fxad.tree import broadcast as tree_broadcast
from fxad.tree import flatten as tree_flatten
from fxad.tree import flatten_with_path as tree_flatten_with_path
from fxad.tree import leaves as tree_leaves
from fxad.tree import leaves_with_path as tree_leaves_with_path
from fxad.tree import map as tree_map
from fxad.tree import map_with_path as tree_map_with_path
from fxad.tree import reduce as tree_reduce
from fxad.tree import reduce_associative as tree_reduce_associative
from fxad.tree import structure as tree_structure
from fxad.tree import transpose as tree_transpose
from fxad.tree import unflatten as tree_unflatten

__all__ = [
    "DictKey",
    "FlattenedIndexKey",
    "GetAttrKey",
    "KeyEntry",
    "KeyPath",
    "Partial",
    "PyTreeDef",
    "SequenceKey",
    "all_leaves",
    "flatten_one_level",
    "flatten_one_level_with_keys",
    "is_tree_node",
    "keystr",
    "register_dataclass",
    "register_pytree_node",
    "register_pytree_node_class",
    "register_pytree_with_keys",
    "register_pytree_with_keys_class",
    "register_static",
    "tree_all",
    "tree_broadcast",
    "tree_flatten",
    "tree_flatten_with_path",
    "tree_leaves",
    "tree_leaves_with_path",
    "tree_map",
    "tree_map_with_path",
    "tree_reduce",
    "tree_reduce_associative",
    "tree_structure",
    "tree_transpose",
    "tree_unflatten",
    "treedef_children",
    "treedef_is_leaf",
    "treedef_tuple",
]

KeyEntry = Any  # a step of a key path: one of the key classes, or a key of a registered class


def treedef_children(treedef: PyTreeDef) -> list[PyTreeDef]:
    """The structures of the children of a structure's outermost node.

    Args:
        treedef: the structure.

    Returns:
        A list of structures, empty for a leaf.

    Example:
        >>> from fxad.tree_util import tree_structure, treedef_children
        >>> treedef_children(tree_structure([(1, 2), 3]))
        [PyTreeDef((*, *)), PyTreeDef(*)]
    """
    return treedef.children()


def treedef_is_leaf(treedef: PyTreeDef) -> bool:
    """Whether a structure is a single node: a leaf, or a node without children.

    Args:
        treedef: the structure.

    Returns:
        The answer.

    Example:
        >>> from fxad.tree_util import tree_structure, treedef_is_leaf
        >>> treedef_is_leaf(tree_structure(1.0)), treedef_is_leaf(tree_structure([1.0]))
        (True, False)
    """
    return treedef.num_nodes == 1


def all_leaves(iterable: Iterable[Any], is_leaf: IsLeaf | None = None) -> bool:
    """Whether every item is a leaf.

    Args:
        iterable: the items.
        is_leaf: called on every item that is a node; where true it counts as a leaf.

    Returns:
        The answer.

    Example:
        >>> from fxad.tree_util import all_leaves
        >>> all_leaves([1.0, "a"]), all_leaves([1.0, None])
        (True, False)
    """
    items = list(iterable)
    flat = tree_leaves(
        items, lambda item: item is not items and is_leaf is not None and is_leaf(item)
    )
    return len(flat) == len(items) and all(
        item is leaf for item, leaf in zip(items, flat, strict=True)
    )


def is_tree_node(typ: type) -> bool:
    """Whether the instances of a type are nodes.

    Args:
        typ: the type.

    Returns:
        The answer.

    Example:
        >>> from fxad.tree_util import is_tree_node
        >>> is_tree_node(dict), is_tree_node(float)
        (True, False)
    """
    return KINDS[typ] is not None


def flatten_one_level(tree: Any) -> tuple[Sequence[Any], Any]:
    """The children and the auxiliary data of a node.

    Args:
        tree: the node.

    Returns:
        A sequence of children, and the auxiliary data.

    Raises:
        StructureError: the value is a leaf.

    Example:
        >>> from fxad.tree_util import flatten_one_level
        >>> flatten_one_level({"b": [1, 2], "a": 3})
        ([3, [1, 2]], ('a', 'b'))
    """
    kind = KINDS[type(tree)]
    if kind is None:
        raise StructureError(f"[flatten_one_level] got a leaf of type {type(tree).__qualname__}.")
    return kind.flatten(tree)


def flatten_one_level_with_keys(tree: Any) -> tuple[list[tuple[Any, Any]], Any]:
    """The children of a node with their keys, and the auxiliary data.

    Args:
        tree: the node.

    Returns:
        A list of (key, child), and the auxiliary data.

    Raises:
        StructureError: the value is a leaf.

    Example:
        >>> from fxad.tree_util import flatten_one_level_with_keys
        >>> flatten_one_level_with_keys({"a": 3})
        ([(DictKey(key='a'), 3)], ('a',))
    """
    kind = KINDS[type(tree)]
    if kind is None:
        raise StructureError(
            f"[flatten_one_level_with_keys] got a leaf of type {type(tree).__qualname__}."
        )
    keys, children, meta = kind.keyed(tree)
    return list(zip(keys, children, strict=True)), meta
