"""Structures of pytrees as nested plain tuples: how they print, and where two differ."""

from __future__ import annotations

import itertools
import reprlib
from collections.abc import Iterator
from typing import Any

from fxad.errors import StructureError
from fxad.pytree.kinds import KeyPath, Kind, Node, keystr


def same_meta(kind: Kind, meta: Any, other: Any) -> bool:
    """Whether two nodes of a kind have equal auxiliary data."""
    try:
        return meta is other or bool(meta == other)
    except ValueError as error:
        raise StructureError(unusable_meta(kind)) from error


def incomparable(a: Node, b: Node) -> Kind | None:
    """The kind of the first node whose auxiliary data does not compare, of two like structures."""
    try:
        bool(a[1] == b[1])
    except ValueError:
        kind: Kind = a[0]
        return kind
    return next(filter(None, map(incomparable, a[3], b[3])), None)


def unusable_meta(kind: Kind | None) -> str:
    """The message for auxiliary data that does not compare."""
    name = kind.nodetype.__qualname__ if kind else "a node"
    return (
        f"[pytree] the auxiliary data of {name} cannot be compared: it is part of the structure, "
        "so == must answer for it. Make arrays children (data fields) instead."
    )


def leaf_counts(prefix: Node, full: Node, counts: list[int]) -> bool:
    """Append for each leaf of a prefix the number of leaves below it; False if it is no prefix."""
    if prefix[0] is None:
        counts.append(full[4])
        return True
    if _unlike(prefix, full):
        return False
    return all(map(leaf_counts, prefix[3], full[3], itertools.repeat(counts)))


def leaf_paths(node: Node, path: KeyPath = ()) -> Iterator[KeyPath]:
    """The key paths of the leaves of a structure."""
    kind, meta, _, nodes, _ = node
    if kind is None:
        yield path
        return
    for key, child in zip(kind.keys(meta, len(nodes)), nodes, strict=True):
        yield from leaf_paths(child, (*path, key))


def _unlike(a: Node, b: Node) -> bool:
    """Whether the outermost nodes differ."""
    return a[0] is not b[0] or len(a[3]) != len(b[3]) or not same_meta(a[0], a[1], b[1])


def difference(expected: Node, actual: Node, *, name: str, prefix: str = "") -> str | None:
    """Word the first difference of two structures, or None.

    ``prefix`` is "expected" or "actual" where that one may end before the other does.
    """
    if prefix == "actual":
        found = _first_difference((), actual, expected, True)
    else:
        found = _first_difference((), expected, actual, prefix == "expected")
    if found is None:
        return None
    path, a, b = found
    words = _compare(b, a) if prefix == "actual" else _compare(a, b)
    return (
        f"at {f'{name}{keystr(path)}' or 'the root'}: {words}.\n"
        f"  expected: {shortened(expected)}\n"
        f"  got:      {shortened(actual)}"
    )


def _first_difference(
    path: KeyPath, a: Node, b: Node, prefix: bool
) -> tuple[KeyPath, Node, Node] | None:
    """The path and the nodes where b first differs from a, or from what a is a prefix of."""
    kind, meta, types, nodes, _ = a
    if kind is None and (prefix or b[0] is None):
        return None
    if _unlike(a, b) or (types != b[2] and not prefix):
        return path, a, b
    for key, child, other in zip(kind.keys(meta, len(nodes)), nodes, b[3], strict=True):
        found = _first_difference((*path, key), child, other, prefix)
        if found is not None:
            return found
    return None


def _compare(expected: Node, actual: Node) -> str:
    kind = expected[0]
    if kind is actual[0] and kind.nodetype not in (tuple, list):
        keys, others = (
            [str(key) for key in kind.keys(node[1], len(node[3]))] for node in (expected, actual)
        )
        missing = ", ".join(key for key in keys if key not in others)
        extra = ", ".join(key for key in others if key not in keys)
        if missing or extra:
            parts = [f"{missing} missing"] * bool(missing) + [f"{extra} too many"] * bool(extra)
            return f"{kind.nodetype.__name__} with {' and '.join(parts)}"
    return f"expected {_describe(expected)}, got {_describe(actual)}"


def _describe(node: Node) -> str:
    kind, meta, types, nodes, _ = node
    if kind is None:
        return "a leaf"
    if kind.nodetype is type(None):
        return "None"
    text = f"{kind.nodetype.__name__} of {len(nodes)}"
    if types is not None or (meta is not None and kind.nodetype is not dict):
        text += f" with the auxiliary data {reprlib.repr(meta)}"
    return text


def shortened(node: Node) -> str:
    """``show``, cut in the middle where it would fill the screen."""
    text = f"PyTreeDef({show(node)})"
    return text if len(text) <= 400 else f"{text[:300]} ... {text[-80:]}"


def show(node: Node) -> str:
    """A structure in JAX's notation, leaves as stars."""
    kind, meta, _, nodes, _ = node
    if kind is None:
        return "*"
    children = list(map(show, nodes))
    if kind.show is not None:
        text: str = kind.show(meta, children)
        return text
    return f"CustomNode({kind.nodetype.__name__}[{meta}], [{', '.join(children)}])"
