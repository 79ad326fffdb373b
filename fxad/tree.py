"""Functions over pytrees: nested tuples, lists, dicts, named tuples, dataclasses and own classes.

The names are those of ``jax.tree``. A leaf is whatever is not a node: an array, a number, a string.
``None`` is a node without leaves. Dictionaries are taken in the order of their sorted keys.
"""

from __future__ import annotations

import builtins
import dataclasses
import functools
from collections.abc import Callable, Iterable
from typing import Any

from fxad.errors import StructureError
from fxad.pytree.kinds import KeyPath
from fxad.pytree.structure import difference, leaf_counts
from fxad.pytree.treedef import IsLeaf, PyTreeDef, flatten, flatten_to_paths

__all__ = [
    "PyTreeDef",
    "all",
    "broadcast",
    "flatten",
    "flatten_axes",
    "flatten_with_path",
    "leaves",
    "leaves_with_path",
    "map",
    "map_with_path",
    "mismatch",
    "reduce",
    "reduce_associative",
    "static",
    "structure",
    "transpose",
    "unflatten",
]

_MISSING = object()


def leaves(tree: Any, is_leaf: IsLeaf | None = None) -> list[Any]:
    """The leaves of a tree, in order.

    Args:
        tree: the tree.
        is_leaf: called on every subtree; where it is true the subtree is taken as a leaf.

    Returns:
        A list of the leaves.

    Example:
        >>> import fxad.tree
        >>> fxad.tree.leaves({"b": 3.0, "a": (1.0, [2.0, None])})
        [1.0, 2.0, 3.0]
    """
    return flatten(tree, is_leaf)[0]


def structure(tree: Any, is_leaf: IsLeaf | None = None) -> PyTreeDef:
    """The structure of a tree: what is left without its leaves.

    Args:
        tree: the tree.
        is_leaf: called on every subtree; where it is true the subtree is taken as a leaf.

    Returns:
        The structure; it can be compared, hashed, pickled and filled with other leaves.

    Example:
        >>> import fxad.tree
        >>> fxad.tree.structure({"b": 3.0, "a": (1.0, [2.0, None])})
        PyTreeDef({'a': (*, [*, None]), 'b': *})
    """
    return flatten(tree, is_leaf)[1]


def unflatten(treedef: PyTreeDef, leaves: Iterable[Any]) -> Any:
    """The tree of a structure with these leaves.

    Args:
        treedef: the structure.
        leaves: as many leaves as it has, in order; any objects.

    Returns:
        The tree.

    Raises:
        StructureError: there are more leaves, or fewer, than the structure has.

    Example:
        >>> import fxad.tree
        >>> leaves, treedef = fxad.tree.flatten({"a": (1.0, 2.0)})
        >>> fxad.tree.unflatten(treedef, [10 * leaf for leaf in leaves])
        {'a': (10.0, 20.0)}
    """
    return treedef.unflatten(leaves)


def map(f: Callable[..., Any], tree: Any, *rest: Any, is_leaf: IsLeaf | None = None) -> Any:
    """Call a function on every leaf.

    Args:
        f: takes one leaf of every tree.
        tree: the tree that gives the structure.
        *rest: further trees, each with that structure or with subtrees in the place of leaves.
        is_leaf: called on every subtree of ``tree``; where true the subtree is taken as a leaf.

    Returns:
        A tree of what ``f`` returned.

    Raises:
        StructureError: one of ``rest`` does not have the structure.

    Example:
        >>> import fxad.tree
        >>> fxad.tree.map(lambda x, y: x + y, {"a": 1, "b": (2, 3)}, {"a": 10, "b": (20, 30)})
        {'a': 11, 'b': (22, 33)}
    """
    flat, treedef = flatten(tree, is_leaf)
    if not rest:
        return treedef.unflatten(builtins.map(f, flat))
    return treedef.unflatten(builtins.map(f, flat, *_flatten_rest("tree.map", treedef, rest)))


def _flatten_rest(operation: str, treedef: PyTreeDef, rest: tuple[Any, ...]) -> list[list[Any]]:
    """The trees beside the first one, each flattened up to its structure."""
    return [
        treedef.flatten_up_to(tree, f"[{operation}] tree {number} does not fit the first tree")
        for number, tree in enumerate(rest, 2)
    ]


def all(tree: Any, *, is_leaf: IsLeaf | None = None) -> bool:
    """Whether every leaf is true.

    Args:
        tree: the tree.
        is_leaf: called on every subtree; where it is true the subtree is taken as a leaf.

    Returns:
        True for a tree without leaves.

    Example:
        >>> import fxad.tree
        >>> fxad.tree.all({"a": True, "b": (True, False)})
        False
    """
    return builtins.all(flatten(tree, is_leaf)[0])


def reduce(
    function: Callable[[Any, Any], Any],
    tree: Any,
    initializer: Any = _MISSING,
    is_leaf: IsLeaf | None = None,
) -> Any:
    """Fold the leaves, from the first to the last, into one value.

    Args:
        function: takes the value so far and a leaf to the next value.
        tree: the tree.
        initializer: the value before the first leaf; without it, the first leaf.
        is_leaf: called on every subtree; where it is true the subtree is taken as a leaf.

    Returns:
        The last value.

    Raises:
        StructureError: there is neither a leaf nor an initializer.

    Example:
        >>> import fxad.tree
        >>> fxad.tree.reduce(lambda total, leaf: total + leaf, {"a": 1, "b": (2, 3)})
        6
    """
    flat = flatten(tree, is_leaf)[0]
    if initializer is not _MISSING:
        return functools.reduce(function, flat, initializer)
    if not flat:
        raise StructureError("[tree.reduce] the tree has no leaves: give an initializer.")
    return functools.reduce(function, flat)


def reduce_associative(
    operation: Callable[[Any, Any], Any],
    tree: Any,
    *,
    identity: Any = _MISSING,
    is_leaf: IsLeaf | None = None,
) -> Any:
    """Combine the leaves pairwise, as a balanced tree, into one value.

    Sums of many rounded numbers are more accurate this way than from first to last.

    Args:
        operation: an associative function of two values.
        tree: the tree.
        identity: the result for a tree without leaves.
        is_leaf: called on every subtree; where it is true the subtree is taken as a leaf.

    Returns:
        The combined value.

    Raises:
        StructureError: there is neither a leaf nor an identity.

    Example:
        >>> import fxad.tree
        >>> fxad.tree.reduce_associative(lambda a, b: f"({a}+{b})", ["a", "b", "c", "d"])
        '((a+b)+(c+d))'
    """
    flat = flatten(tree, is_leaf)[0]
    if not flat and identity is _MISSING:
        raise StructureError("[tree.reduce_associative] the tree has no leaves: give an identity.")
    return _reduce_halves(operation, flat) if flat else identity


def _reduce_halves(operation: Callable[[Any, Any], Any], values: list[Any]) -> Any:
    if len(values) == 1:
        return values[0]
    middle = len(values) // 2
    return operation(
        _reduce_halves(operation, values[:middle]), _reduce_halves(operation, values[middle:])
    )


def transpose(
    outer_treedef: PyTreeDef, inner_treedef: PyTreeDef | None, pytree_to_transpose: Any
) -> Any:
    """Turn a tree of trees inside out.

    Args:
        outer_treedef: the structure of the outer tree.
        inner_treedef: the structure of every tree at its leaves; None takes that of the first.
        pytree_to_transpose: the tree, of structure ``outer_treedef.compose(inner_treedef)``.

    Returns:
        A tree of ``inner_treedef`` with trees of ``outer_treedef`` at its leaves.

    Raises:
        StructureError: the tree has another structure.

    Example:
        >>> import fxad.tree
        >>> outer, inner = fxad.tree.structure([0, 0]), fxad.tree.structure({"a": 0, "b": 0})
        >>> fxad.tree.transpose(outer, inner, [{"a": 1, "b": 2}, {"a": 3, "b": 4}])
        {'a': [1, 3], 'b': [2, 4]}
    """
    flat, treedef = flatten(pytree_to_transpose)
    if inner_treedef is None:
        subtrees = outer_treedef.flatten_up_to(pytree_to_transpose)
        if not subtrees:
            raise StructureError(
                "[tree.transpose] the outer tree has no leaves: give the inner structure."
            )
        inner_treedef = structure(subtrees[0])
    expected = outer_treedef.compose(inner_treedef)
    # A class may choose its structure by its children, so what counts is the tree built from it.
    if treedef != expected and (
        treedef.num_leaves != expected.num_leaves or treedef != structure(expected.unflatten(flat))
    ):
        raise StructureError(
            f"[tree.transpose] Mismatch of the tree and the two structures, "
            f"{mismatch(expected, treedef, name='tree')}"
        )
    width = inner_treedef.num_leaves
    return inner_treedef.unflatten(outer_treedef.unflatten(flat[i::width]) for i in range(width))


def flatten_with_path(
    tree: Any,
    is_leaf: Callable[..., Any] | None = None,
    is_leaf_takes_path: bool = False,
) -> tuple[list[tuple[KeyPath, Any]], PyTreeDef]:
    """The leaves of a tree, each with its key path, and the structure.

    Args:
        tree: the tree.
        is_leaf: called on every subtree; where it is true the subtree is taken as a leaf.
        is_leaf_takes_path: call ``is_leaf(path, subtree)`` instead.

    Returns:
        A list of (key path, leaf), and the structure.

    Example:
        >>> import fxad.tree
        >>> fxad.tree.flatten_with_path({"a": [1.0]})[0]
        [((DictKey(key='a'), SequenceKey(idx=0)), 1.0)]
    """
    if is_leaf is None or is_leaf_takes_path:
        return flatten_to_paths(tree, is_leaf)
    return flatten_to_paths(tree, lambda _, subtree: is_leaf(subtree))


def leaves_with_path(
    tree: Any,
    is_leaf: Callable[..., Any] | None = None,
    is_leaf_takes_path: bool = False,
) -> list[tuple[KeyPath, Any]]:
    """The leaves of a tree, each with its key path.

    Args:
        tree: the tree.
        is_leaf: called on every subtree; where it is true the subtree is taken as a leaf.
        is_leaf_takes_path: call ``is_leaf(path, subtree)`` instead.

    Returns:
        A list of (key path, leaf).

    Example:
        >>> import fxad.tree, fxad.tree_util
        >>> [fxad.tree_util.keystr(path) for path, _ in fxad.tree.leaves_with_path({"a": [1.0]})]
        ["['a'][0]"]
    """
    return flatten_with_path(tree, is_leaf, is_leaf_takes_path)[0]


def map_with_path(
    f: Callable[..., Any],
    tree: Any,
    *rest: Any,
    is_leaf: Callable[..., Any] | None = None,
    is_leaf_takes_path: bool = False,
) -> Any:
    """Call a function on every leaf and its key path.

    Args:
        f: takes a key path and one leaf of every tree.
        tree: the tree that gives the structure.
        *rest: further trees, each with that structure or with subtrees in the place of leaves.
        is_leaf: called on every subtree of ``tree``; where true the subtree is taken as a leaf.
        is_leaf_takes_path: call ``is_leaf(path, subtree)`` instead.

    Returns:
        A tree of what ``f`` returned.

    Raises:
        StructureError: one of ``rest`` does not have the structure.

    Example:
        >>> import fxad.tree
        >>> fxad.tree.map_with_path(lambda path, x: f"{path[0].key}={x}", {"a": 1, "b": 2})
        {'a': 'a=1', 'b': 'b=2'}
    """
    pairs, treedef = flatten_with_path(tree, is_leaf, is_leaf_takes_path)
    columns = _flatten_rest("tree.map_with_path", treedef, rest)
    paths, flat = [path for path, _ in pairs], [leaf for _, leaf in pairs]
    return treedef.unflatten(builtins.map(f, paths, flat, *columns))


def broadcast(prefix_tree: Any, full_tree: Any, is_leaf: IsLeaf | None = None) -> Any:
    """Repeat every leaf of a tree at all leaves below its place in a larger tree.

    Args:
        prefix_tree: a tree that ends where, or before, ``full_tree`` does.
        full_tree: the tree that gives the structure.
        is_leaf: called on every subtree of ``prefix_tree``; where true it is taken as a leaf.

    Returns:
        A tree with the structure of ``full_tree``.

    Raises:
        StructureError: ``prefix_tree`` is not a prefix of ``full_tree``.

    Example:
        >>> import fxad.tree
        >>> fxad.tree.broadcast((1, 2), (0, {"a": 0, "b": 0}))
        (1, {'a': 2, 'b': 2})
    """
    flat, prefix = flatten(prefix_tree, is_leaf)
    full = structure(full_tree)
    return full.unflatten(_repeat("tree.broadcast", "prefix_tree", flat, prefix, full))


def flatten_axes(name: str, treedef: PyTreeDef, prefix: Any) -> list[Any]:
    """Spread a prefix, such as ``in_axes``, over the leaves of a structure; its Nones are leaves.

    Args:
        name: how to call the prefix in an error, such as ``"[vmap] in_axes"``.
        treedef: the structure.
        prefix: a tree that ends where, or before, the structure does.

    Returns:
        For every leaf of the structure the leaf of the prefix above it.

    Raises:
        StructureError: the prefix does not fit; the message names the path and both structures.

    Example:
        >>> import fxad.tree
        >>> args = fxad.tree.structure((0.0, {"a": 0.0, "b": 0.0}))
        >>> fxad.tree.flatten_axes("[vmap] in_axes", args, (None, {"a": 0, "b": 1}))
        [None, 0, 1]
    """
    flat, prefix_def = flatten(prefix, lambda subtree: subtree is None)
    operation, _, argument = name.rpartition("] ")
    return _repeat(operation.removeprefix("["), argument, flat, prefix_def, treedef)


def _repeat(
    operation: str, argument: str, flat: list[Any], prefix: PyTreeDef, full: PyTreeDef
) -> list[Any]:
    counts: list[int] = []
    if not leaf_counts(prefix.node, full.node, counts):
        label = f"[{operation}] " if operation else ""
        reason = difference(full.node, prefix.node, name=argument, prefix="actual")
        raise StructureError(
            f"{label}{argument} does not fit the tree that it is for, {reason}\n"
            "It must have that structure, or end earlier with one leaf for all that is below."
        )
    return [leaf for leaf, count in zip(flat, counts, strict=True) for _ in range(count)]


def mismatch(expected: Any, actual: Any, *, prefix: bool = False, name: str = "") -> str | None:
    """Say where two structures differ first.

    Args:
        expected: a structure, or a tree.
        actual: a structure, or a tree.
        prefix: ``expected`` may end before ``actual`` does.
        name: what to call the tree in the path.

    Returns:
        The key path and what stands there in each, then both structures; None if they agree.

    Example:
        >>> import fxad.tree
        >>> print(fxad.tree.mismatch({"w": (0, 0)}, {"w": [0, 0]}, name="tangents"))
        at tangents['w']: expected tuple of 2, got list of 2.
          expected: PyTreeDef({'w': (*, *)})
          got:      PyTreeDef({'w': [*, *]})
    """
    a, b = [tree if isinstance(tree, PyTreeDef) else structure(tree) for tree in (expected, actual)]
    return difference(a.node, b.node, name=name, prefix="expected" if prefix else "")


def static(**kwargs: Any) -> Any:
    """Declare a field of a dataclass to be part of the structure.

    Args:
        **kwargs: as for ``dataclasses.field``.

    Returns:
        The field, marked for ``register_dataclass``.

    Example:
        >>> import dataclasses, fxad.tree, fxad.tree_util
        >>> @fxad.tree_util.register_dataclass
        ... @dataclasses.dataclass
        ... class Layer:
        ...     weight: float
        ...     activation: str = fxad.tree.static(default="tanh")
        >>> fxad.tree.structure(Layer(2.0))
        PyTreeDef(CustomNode(Layer[('tanh',)], [*]))
    """
    metadata = {"static": True, **(kwargs.pop("metadata", None) or {})}
    return dataclasses.field(metadata=metadata, **kwargs)
