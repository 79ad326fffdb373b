"""The functions over whole trees, their errors, and agreement with JAX on random trees."""

import collections
import importlib
from typing import Any, NamedTuple

import hypothesis.strategies as st
import pytest
from hypothesis import given

from fxad import tree, tree_util
from fxad.errors import StructureError
from fxad.tree_util import DictKey, GetAttrKey, SequenceKey
from tests.pytree.forests import TREES, Keyed, Lazy, Plain, Point, label, same

VALUES = [shown[0] for shown in TREES]


def has_list(subtree):
    return isinstance(subtree, list)


def test_flatten_order():
    assert tree.leaves([0, ((1, 2), 3, (4, (5, 6, 7))), 8, 9]) == list(range(10))


@pytest.mark.parametrize(
    ("stop", "expected"),
    [
        (lambda t: False, [1, 2, 3, 4]),
        (lambda t: isinstance(t, tuple), [(1, 2), (3, 4)]),
        (lambda t: isinstance(t, list), [[(1, 2), (3, 4)]]),
        (lambda t: True, [[(1, 2), (3, 4)]]),
    ],
)
def test_is_leaf_stops_early(stop, expected):
    value = [(1, 2), (3, 4)]
    assert tree.leaves(value, is_leaf=stop) == expected
    leaves, treedef = tree.flatten(value, stop)
    assert leaves == expected
    assert treedef == tree.structure(value, stop)
    assert treedef.num_leaves == len(expected)
    assert treedef.unflatten(leaves) == value
    assert [leaf for _, leaf in tree.leaves_with_path(value, is_leaf=stop)] == expected


def test_is_leaf_may_take_none_for_a_leaf():
    leaves, treedef = tree.flatten([1, None, {"a": None}], lambda t: t is None)
    assert leaves == [1, None, None]
    assert str(treedef) == "PyTreeDef([*, *, {'a': *}])"


def test_map_takes_prefixes():
    x = ((1, 2), (3, 4, 5))
    y = (([3], None), ({"foo": "bar"}, 7, [5, 6]))
    assert tree.map(lambda *xs: xs, x, y) == (
        ((1, [3]), (2, None)),
        ((3, {"foo": "bar"}), (4, 7), (5, [5, 6])),
    )
    x = ((1, 2), [3, 4, 5])
    assert tree.map(lambda *xs: xs, x, y, is_leaf=has_list) == (
        ((1, [3]), (2, None)),
        ([3, 4, 5], ({"foo": "bar"}, 7, [5, 6])),
    )


def test_map_leaves_the_trees_as_they_are():
    x, y = {"b": [1, 2], "a": 3}, {"b": [10, 20], "a": 30}
    out = tree.map(lambda a, b: a + b, x, y)
    assert out == {"a": 33, "b": [11, 22]}
    assert out["b"] is not x["b"]
    assert (x, y) == ({"b": [1, 2], "a": 3}, {"b": [10, 20], "a": 30})
    assert list(x) == ["b", "a"]


def test_map_says_which_tree_does_not_fit_and_where():
    with pytest.raises(StructureError) as error:
        tree.map(lambda *xs: xs, {"w": (1, 2)}, {"w": (1, 2)}, {"w": [1, 2]})
    assert str(error.value) == (
        "[tree.map] tree 3 does not fit the first tree, "
        "at tree['w']: expected tuple of 2, got list of 2.\n"
        "  expected: PyTreeDef({'w': (*, *)})\n"
        "  got:      PyTreeDef({'w': [*, *]})"
    )
    with pytest.raises(StructureError, match=r"\[tree.map_with_path\] tree 2 does not fit"):
        tree.map_with_path(lambda *xs: xs, [1], (1,))


def test_an_error_of_the_function_comes_through():
    def fail(x):
        raise KeyError(x)

    with pytest.raises(KeyError, match="2"):
        tree.map(fail, {"a": 2})


def test_map_with_path():
    value = [{i: i for i in range(10)}]
    zeros = tree.map_with_path(lambda path, x: x - path[1].key + path[0].idx, value)
    assert zeros == [dict.fromkeys(range(10), 0)]
    one = [Keyed(12, {"cin": [1, 4], "bar": None}), 5]
    two = [Keyed(2, {"cin": [2, 2], "bar": None}), 2]
    assert tree.map_with_path(lambda path, a, b: a - b, one, two) == [
        Keyed(10, {"cin": [-1, 2], "bar": None}),
        3,
    ]


def test_paths():
    value = [Point(12, {"cin": [1, 4], "bar": None}), Keyed(5, 6), Plain(7, 8)]
    pairs = tree.leaves_with_path(value)
    assert pairs[1] == ((SequenceKey(0), GetAttrKey("y"), DictKey("cin"), SequenceKey(0)), 1)
    assert [tree_util.keystr(path) for path, _ in pairs] == [
        "[0].x",
        "[0].y['cin'][0]",
        "[0].y['cin'][1]",
        "[1].x",
        "[1].y",
        "[2][<flat index 0>]",
        "[2][<flat index 1>]",
    ]
    simple = [tree_util.keystr(path, simple=True, separator="/") for path, _ in pairs]
    assert simple[:2] + simple[-1:] == ["0/x", "0/y/cin/0", "2/1"]
    assert tree_util.keystr(("mine", DictKey(1)), simple=True, separator=".") == "mine.1"


def test_is_leaf_may_take_the_path():
    pairs, treedef = tree.flatten_with_path(
        ((1, 2), [3, {4: 4}]), is_leaf=lambda path, _: len(path) == 2, is_leaf_takes_path=True
    )
    assert [leaf for _, leaf in pairs] == [1, 2, 3, {4: 4}]
    assert treedef.unflatten(range(4)) == ((0, 1), [2, 3])
    out = tree.map_with_path(
        lambda path, *xs: (path[0].idx, *xs),
        ((1, 2), [3]),
        ((5, 6), [7, 8]),
        is_leaf=lambda path, x: has_list(x),
        is_leaf_takes_path=True,
    )
    assert out == (((0, 1, 5), (0, 2, 6)), (1, [3], [7, 8]))


def test_all():
    assert tree.all({})
    assert tree.all([True, {"a": 1}])
    assert not tree.all([True, {"a": 0}])
    assert tree.all([(0, 0)], is_leaf=lambda t: isinstance(t, tuple))


def test_reduce():
    assert tree.reduce(lambda a, b: a - b, {"b": 2, "a": 10}) == 8
    assert tree.reduce(lambda a, b: a + b, [1, [2]], 10) == 13
    assert tree.reduce(lambda a, b: a + b, [], None) is None
    pairs = [(1, 2), [(3, 4), (5, 6)]]
    joined = tree.reduce(lambda a, b: a + b, pairs, is_leaf=lambda t: isinstance(t, tuple))
    assert joined == (1, 2, 3, 4, 5, 6)
    with pytest.raises(StructureError, match="no leaves: give an initializer"):
        tree.reduce(lambda a, b: a, [None])


def test_reduce_associative():
    joined = tree.reduce_associative(lambda a, b: f"({a}{b})", list("abcde"))
    assert joined == "((ab)(c(de)))"
    assert tree.reduce_associative(lambda a, b: a, [], identity=0) == 0
    assert tree.reduce_associative(lambda a, b: a, [7], identity=0) == 7
    with pytest.raises(StructureError, match="no leaves: give an identity"):
        tree.reduce_associative(lambda a, b: a, {})


@pytest.mark.parametrize("value", VALUES, ids=label)
def test_transpose(value):
    outer = tree.structure(value)
    inner = tree.structure(["*", "*", "*"])
    nested = outer.unflatten([[i, i, i] for i in range(outer.num_leaves)])
    rows = outer.unflatten(range(outer.num_leaves))
    out = tree.transpose(outer, inner, nested)
    assert len(out) == 3
    assert all(same(row, rows) for row in out)


def test_transpose_takes_its_arguments_by_name():
    steps = [{"obs": 3, "t": 1}, {"obs": 4, "t": 2}]
    out = tree.transpose(
        outer_treedef=tree.structure(steps, is_leaf=lambda x: isinstance(x, dict)),
        inner_treedef=tree.structure(steps[0]),
        pytree_to_transpose=steps,
    )
    assert out == {"obs": [3, 4], "t": [1, 2]}


def test_transpose_finds_the_inner_structure():
    nested = {"a": [1, {"x": 2}], "b": [3, {"x": 4}]}
    outer = tree.structure({"a": 0, "b": 0})
    expected = [{"a": 1, "b": 3}, {"x": {"a": 2, "b": 4}}]
    assert tree.transpose(outer, None, nested) == expected
    with pytest.raises(StructureError, match="give the inner structure"):
        tree.transpose(tree.structure(()), None, ())


def test_transpose_of_a_class_whose_structure_follows_its_children():
    outer, inner = tree.structure(Lazy({"a": 1, "b": 2})), tree.structure([1, 2])
    out = tree.transpose(outer, inner, Lazy({"a": [3, 4], "b": [5, 6]}))
    assert out == [Lazy({"a": 3, "b": 5}), Lazy({"a": 4, "b": 6})]


@pytest.mark.parametrize(
    ("outer", "inner", "value"),
    [
        ({"a": 1, "b": 2, "c": 3}, [1, 2], {"a": [1, 2], "b": [3, 4]}),
        ({"a": 1, "b": 2}, [1, 2, 3], {"a": [1, 2], "b": [3, 4]}),
        ([0, 0, 0], (0, 0), [[1, 2], [3, 4], [5, 6]]),
        ([0, 0, 0], [0, 0], [(1, 2), (3, 4), (5, 6)]),
        ([0, 0, 0], [0, 0], [1, [2, [3, [4, [5, [6]]]]]]),
    ],
)
def test_transpose_refuses_another_structure(outer, inner, value):
    with pytest.raises(StructureError, match=r"\[tree.transpose\] Mismatch of the tree"):
        tree.transpose(tree.structure(outer), tree.structure(inner), value)


def test_broadcast():
    full = (0, {"a": 0, "b": 0}, (0, 0))
    assert tree.broadcast((1, 2, 3), full) == (1, {"a": 2, "b": 2}, (3, 3))
    assert tree.broadcast(7, full) == (7, {"a": 7, "b": 7}, (7, 7))
    assert tree.broadcast((1, None), (0, None)) == (1, None)
    assert tree.broadcast([(1, 2), 3], [(0, 0), [0, 0]], is_leaf=lambda t: t == (1, 2)) == [
        ((1, 2), (1, 2)),
        [3, 3],
    ]
    for prefix in [(1, 2, 3, 4), (1, 2), (1, {"a": 0}, 2), [1, 2, 3], (1, 2, None)]:
        with pytest.raises(StructureError, match=r"\[tree.broadcast\] prefix_tree does not fit"):
            tree.broadcast(prefix, full)


def test_flatten_axes():
    args = tree.structure((0, {"a": 0, "b": (0, 0)}, None, Plain(0, [0])))
    for prefix, expected in [
        (0, [0] * 6),
        (None, [None] * 6),
        ((1, 2, 3, 4), [1, 2, 2, 2, 4, 4]),
        ((None, {"a": 0, "b": 1}, None, None), [None, 0, 1, 1, None, None]),
        ((0, {"a": 0, "b": (1, None)}, None, Plain(2, 3)), [0, 0, 1, None, 2, 3]),
    ]:
        assert tree.flatten_axes("[vmap] in_axes", args, prefix) == expected


def test_flatten_axes_says_where_the_prefix_does_not_fit():
    args = tree.structure((0, {"a": 0, "b": 0}))
    with pytest.raises(StructureError) as error:
        tree.flatten_axes("[vmap] in_axes", args, (0, {"a": None}))
    assert str(error.value) == (
        "[vmap] in_axes does not fit the tree that it is for, "
        "at in_axes[1]: dict with ['b'] missing.\n"
        "  expected: PyTreeDef((*, {'a': *, 'b': *}))\n"
        "  got:      PyTreeDef((*, {'a': *}))\n"
        "It must have that structure, or end earlier with one leaf for all that is below."
    )
    with pytest.raises(StructureError, match=r"at in_axes\[0\]: expected a leaf, got tuple of 1"):
        tree.flatten_axes("[vmap] in_axes", args, ((0,), 1))
    with pytest.raises(StructureError, match=r"^axes does not .* tuple of 2, got list"):
        tree.flatten_axes("axes", args, [0, 1])


def test_mismatch():
    value = {"w": (1, [2, 3]), "b": 4}
    assert tree.mismatch(value, {"w": (5, [6, 7]), "b": 8}) is None
    assert tree.mismatch(tree.structure(value), value) is None
    assert tree.mismatch({"w": 1, "b": 2}, value, prefix=True) is None
    for other, reason in [
        ({"w": (1, [2, 3])}, "at t: dict with ['b'] missing."),
        ({"w": (1, [2]), "b": 4}, "at t['w'][1]: expected list of 2, got list of 1."),
        ({"w": (1, [2, (3,)]), "b": 4}, "at t['w'][1][1]: expected a leaf, got tuple of 1."),
        ({"w": (None, [2, 3]), "b": 4}, "at t['w'][0]: expected a leaf, got None."),
    ]:
        text = tree.mismatch(value, other, name="t")
        assert text.splitlines() == [
            reason,
            f"  expected: {tree.structure(value)}",
            f"  got:      {tree.structure(other)}",
        ]
    assert tree.mismatch(1, [1]).startswith("at the root: expected a leaf, got list of 1.")


@pytest.mark.parametrize("value", VALUES, ids=label)
def test_all_leaves(value):
    assert tree_util.all_leaves(tree.leaves(value))
    assert not tree_util.all_leaves([value])
    assert not tree_util.all_leaves([1, value])
    assert tree_util.all_leaves([1, value], is_leaf=lambda t: t is value)


def test_one_level():
    assert tree_util.flatten_one_level({"b": [1], "a": 2}) == ([2, [1]], ("a", "b"))
    assert tree_util.flatten_one_level(Plain(1, [2], "n")) == ((1, [2]), "n")
    assert tree_util.flatten_one_level_with_keys(Point(1, (2,))) == (
        [(GetAttrKey("x"), 1), (GetAttrKey("y"), (2,))],
        None,
    )
    assert tree_util.flatten_one_level_with_keys(None) == ([], None)
    for function in (tree_util.flatten_one_level, tree_util.flatten_one_level_with_keys):
        with pytest.raises(StructureError, match="got a leaf of type int"):
            function(1)


def test_keys_compare_print_and_match():
    keys = [SequenceKey(1), DictKey("foo"), GetAttrKey("bar"), tree_util.FlattenedIndexKey(1)]
    assert [str(key) for key in keys] == ["[1]", "['foo']", ".bar", "[<flat index 1>]"]
    assert repr(keys[1]) == "DictKey(key='foo')"
    assert len({*keys, SequenceKey(1), DictKey("foo")}) == 4
    assert SequenceKey(1) != tree_util.FlattenedIndexKey(1)
    match keys:
        case [SequenceKey(idx=1), DictKey("foo"), GetAttrKey(name="bar"), _]:
            pass
        case _:
            pytest.fail("the keys do not match their patterns")


# JAX as the oracle


class Pair(NamedTuple):
    first: Any
    second: Any


@pytest.fixture(scope="module")
def jax_tree_util():
    return pytest.importorskip("jax.tree_util", reason="needs JAX as the oracle")


def test_has_the_names_of_jax(jax_tree_util):
    jax_tree = importlib.import_module("jax.tree")
    for ours, theirs in ((tree, jax_tree), (tree_util, jax_tree_util)):
        names = {name for name in vars(theirs) if not name.startswith("_")}
        assert names - {"default_registry"} <= set(ours.__all__)
        assert all(hasattr(ours, name) for name in ours.__all__)


def branches(children):
    names = st.sampled_from("abcde")
    return st.one_of(
        st.lists(children, max_size=3),
        st.lists(children, max_size=3).map(tuple),
        st.dictionaries(names, children, max_size=3),
        st.dictionaries(st.integers(-3, 3), children, max_size=3),
        st.dictionaries(names, children, max_size=3).map(collections.OrderedDict),
        st.dictionaries(names, children, max_size=3).map(
            lambda items: collections.defaultdict(list, items)
        ),
        st.builds(Pair, children, children),
    )


trees = st.recursive(st.one_of(st.none(), st.integers(0, 99)), branches, max_leaves=12)


@given(value=trees)
def test_takes_trees_apart_as_jax_does(jax_tree_util, value):
    leaves, treedef = tree.flatten(value)
    jax_leaves, jax_treedef = jax_tree_util.tree_flatten(value)
    assert leaves == jax_leaves
    assert repr(treedef) == repr(jax_treedef)
    assert (treedef.num_leaves, treedef.num_nodes) == (
        jax_treedef.num_leaves,
        jax_treedef.num_nodes,
    )
    assert same(treedef.unflatten(leaves), jax_treedef.unflatten(jax_leaves))
    assert [str(child) for child in treedef.children()] == [
        str(child) for child in jax_treedef.children()
    ]


@given(value=trees)
def test_names_paths_as_jax_does(jax_tree_util, value):
    pairs = tree.leaves_with_path(value)
    jax_pairs = jax_tree_util.tree_leaves_with_path(value)
    assert [leaf for _, leaf in pairs] == [leaf for _, leaf in jax_pairs]
    for (path, _), (jax_path, _) in zip(pairs, jax_pairs, strict=True):
        assert tree_util.keystr(path) == jax_tree_util.keystr(jax_path)
        for options in ({"simple": True}, {"simple": True, "separator": "."}):
            assert tree_util.keystr(path, **options) == jax_tree_util.keystr(jax_path, **options)
        assert [type(key).__name__ for key in path] == [type(key).__name__ for key in jax_path]


@given(value=trees, other=trees)
def test_compares_structures_as_jax_does(jax_tree_util, value, other):
    equal = tree.structure(value) == tree.structure(other)
    assert equal == (jax_tree_util.tree_structure(value) == jax_tree_util.tree_structure(other))
    assert equal == (tree.mismatch(value, other) is None)
    if equal:
        assert hash(tree.structure(value)) == hash(tree.structure(other))


KINDS = st.sampled_from(["list", "tuple", "dict", "Pair", "OrderedDict", "defaultdict"])


@given(value=trees, kind=KINDS)
def test_prefixes_fit_as_in_jax(jax_tree_util, value, kind):
    prefix = tree.map(lambda _: 0, value, is_leaf=lambda subtree: type(subtree).__name__ == kind)
    assert tree.broadcast(prefix, value) == jax_tree_util.tree_broadcast(prefix, value)
    subtrees = tree.structure(prefix).flatten_up_to(value)
    assert subtrees == jax_tree_util.tree_structure(prefix).flatten_up_to(value)
    assert tree.mismatch(prefix, value, prefix=True) is None


@given(prefix=trees, value=trees)
def test_refuses_what_jax_refuses(jax_tree_util, prefix, value):
    try:
        expected = jax_tree_util.tree_structure(prefix).flatten_up_to(value)
    except ValueError:
        assert tree.mismatch(prefix, value, prefix=True) is not None
        with pytest.raises(StructureError):
            tree.map(lambda *xs: xs, prefix, value)
        with pytest.raises(StructureError):
            tree.broadcast(prefix, value)
    else:
        assert tree.structure(prefix).flatten_up_to(value) == expected


@given(outer=trees, inner=trees)
def test_composes_as_jax_does(jax_tree_util, outer, inner):
    composed = tree.structure(outer).compose(tree.structure(inner))
    structure = jax_tree_util.tree_structure
    assert str(composed) == str(structure(outer).compose(structure(inner)))


@given(value=trees)
def test_folds_as_jax_does(jax_tree_util, value):
    def join(a, b):
        return f"({a}{b})"

    assert tree.reduce(join, value, "") == jax_tree_util.tree_reduce(join, value, "")
    assert tree.reduce_associative(
        join, value, identity=""
    ) == jax_tree_util.tree_reduce_associative(join, value, identity="")
    assert tree.all(value) == jax_tree_util.tree_all(value)
