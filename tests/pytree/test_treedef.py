"""Structures: round trips, notation, equality, hashing, pickling, and the errors of a misfit."""

import collections
import copy
import dataclasses
import gc
import pickle
import re
import weakref

import numpy as np
import pytest

from fxad import tree, tree_util
from fxad.errors import FxadError, StructureError
from tests.pytree.forests import (
    LEAVES,
    TREES,
    Box,
    Keyed,
    Layer,
    Plain,
    Point,
    StaticInt,
    label,
    same,
)

ALL = [*(shown[0] for shown in TREES), *LEAVES]


@pytest.mark.parametrize("value", ALL, ids=label)
def test_round_trips(value):
    leaves, treedef = tree.flatten(value)
    assert same(treedef.unflatten(leaves), value)
    assert same(treedef.unflatten(iter(leaves)), value)
    assert same(treedef.unflatten(treedef.flatten_up_to(value)), value)
    assert treedef.num_leaves == len(leaves)
    assert tree.structure(value) == treedef
    assert hash(tree.structure(value)) == hash(treedef)


@pytest.mark.parametrize("value", ALL, ids=label)
def test_round_trips_with_paths(value):
    pairs, treedef = tree.flatten_with_path(value)
    assert treedef == tree.structure(value)
    assert [leaf for _, leaf in pairs] == tree.leaves(value)
    assert [path for path, _ in pairs] == treedef.paths()


@pytest.mark.parametrize(("value", "text"), TREES, ids=label)
def test_prints_in_jax_notation(value, text):
    assert repr(tree.structure(value)) == f"PyTreeDef({text})"


@pytest.mark.parametrize("value", ALL, ids=label)
def test_pickles_and_copies(value):
    leaves, treedef = tree.flatten(value)
    for again in (pickle.loads(pickle.dumps(treedef)), copy.deepcopy(treedef)):
        assert again == treedef
        assert hash(again) == hash(treedef)
        assert same(again.unflatten(leaves), value)


@pytest.mark.parametrize("value", ALL, ids=label)
def test_compose_multiplies_the_leaves(value):
    outer, inner = tree.structure(value), tree.structure(["*", "*", "*"])
    composed = outer.compose(inner)
    assert composed.num_leaves == 3 * outer.num_leaves
    assert composed.num_nodes == outer.num_nodes - outer.num_leaves + 4 * outer.num_leaves
    leaves = list(range(composed.num_leaves))
    assert tree.leaves(composed.unflatten(leaves)) == leaves


def test_children_and_their_tuple():
    treedef = tree.structure(((1, 2, (3, 4)), {"a": 5}))
    assert treedef.children() == [tree.structure((0, 0, (0, 0))), tree.structure({"a": 0})]
    assert tree_util.treedef_children(treedef) == treedef.children()
    again = tree_util.treedef_tuple(treedef.children())
    assert again == treedef
    assert (again.num_leaves, again.num_nodes) == (5, 9)
    assert tree_util.treedef_tuple((tree.structure(3),)) == tree.structure((3,))
    assert tree_util.treedef_tuple([]) == tree.structure(())


def test_node_data():
    assert tree.structure(1).node_data() is None
    assert tree.structure({"b": 1, "a": 2}).node_data() == (dict, ("a", "b"))
    assert tree.structure(Plain(1, 2, "n")).node_data() == (Plain, "n")
    assert tree.structure([]).node_data() == (list, None)


def test_structures_that_differ_are_unequal():
    different = [1, None, (), [], {}, (1,), [1], {"a": 1}, {"b": 1}, (1, 1), ((1,),), (None,)]
    different += [Point(1, 1), Plain(1, 1), Plain(1, 1, "other"), Keyed(1, 1), StaticInt(1)]
    different += [StaticInt(2), Layer(1, 1), Layer(1, 1, "relu"), collections.OrderedDict(a=1)]
    different += [collections.OrderedDict(a=1, b=1), collections.OrderedDict(b=1, a=1)]
    different += [collections.defaultdict(int, a=1), collections.defaultdict(list, a=1)]
    treedefs = [tree.structure(value) for value in different]
    assert len(set(treedefs)) == len(treedefs)
    assert treedefs[0] != "PyTreeDef(*)"
    assert tree.structure({"a": 1, "b": 2}) == tree.structure({"b": 1, "a": 2})


def test_static_values_of_different_type_are_different_structures():
    # a program traced for activation=2 must not run for activation=2.0 or True
    treedefs = {tree.structure(Layer(1, 1, static)) for static in (1, 1.0, True, (1,), (True,))}
    assert len(treedefs) == 5
    # but as trees they still fit each other
    assert tree.map(lambda a, b: a + b, Layer(1, 2, 1), Layer(10, 20, 1.0)) == Layer(11, 22, 1)


def test_equal_static_values_each_give_back_their_own():
    boxes = [Box(1), Box(2)]
    treedefs = [tree.structure(box) for box in boxes]
    assert treedefs[0] == treedefs[1]
    assert [treedef.unflatten([]).value for treedef in treedefs] == [1, 2]


def test_auxiliary_data_without_a_hash_is_compared():
    one, two = (tree.structure(Plain(1, 2, {"scale": [2, "a"]})) for _ in range(2))
    assert one == two and hash(one) == hash(two)
    for other in ({"scale": [3, "a"]}, {"scale": [2.0, "a"]}, {"shift": [2, "a"]}, [2, "a"]):
        assert one != tree.structure(Plain(1, 2, other))
    assert one.unflatten([5, 6]) == Plain(5, 6, {"scale": [2, "a"]})


def test_a_key_outlives_changes_of_its_auxiliary_data():
    settings = {"scale": [2], "names": ("a", {"b"})}
    key = tree.structure(Plain(1, 2, settings)).as_key()
    assert key == tree.structure(Plain(1, 2, settings))
    settings["scale"][0] = 3
    assert key != tree.structure(Plain(1, 2, settings))
    settings["scale"][0] = 2
    assert key == tree.structure(Plain(1, 2, settings))
    settings["names"][1].add("c")
    assert key != tree.structure(Plain(1, 2, settings))
    hashable = tree.structure(Plain(1, 2, "x"))
    assert hashable.as_key() is hashable


@dataclasses.dataclass
class Options:
    sizes: list


def test_a_key_keeps_types_of_its_auxiliary_data():
    for settings in (
        collections.OrderedDict(a=[1]),
        collections.defaultdict(list, a=[1]),
        collections.namedtuple("Settings", "a")([1]),
        Options([1]),
        [print, {"a": object()}],
    ):
        structure = tree.structure(Plain(1, 2, settings))
        kept = structure.as_key().unflatten([1, 2]).name
        assert kept == settings and type(kept) is type(settings)
    options = Options([1])
    key = tree.structure(Plain(1, 2, options)).as_key()
    options.sizes.append(2)
    assert key != tree.structure(Plain(1, 2, options))


_DEF = tree.structure([1, {"a": 2}])


def test_auxiliary_data_that_does_not_compare():
    one, two = (tree.structure(Plain(1, 2, np.arange(3))) for _ in range(2))
    with pytest.raises(StructureError, match=r"auxiliary data of Plain cannot be compared.*arrays"):
        assert one == two
    with pytest.raises(StructureError, match=r"auxiliary data of Plain cannot be compared"):
        assert tree_util.treedef_tuple([_DEF, one]) == tree_util.treedef_tuple([_DEF, two])
    with pytest.raises(StructureError, match="cannot be compared"):
        one.flatten_up_to(Plain(1, 2, np.arange(3)))


def test_dictionaries_go_by_sorted_keys():
    value = {"b": 2, "a": 1, "c": {"b": 4, "a": 3}}
    for made in (value, collections.defaultdict(int, value)):
        leaves, treedef = tree.flatten(made)
        assert leaves == [1, 2, 3, 4]
        assert list(treedef.unflatten(leaves)) == ["a", "b", "c"]
        assert list(made) == ["b", "a", "c"]
    ordered = collections.OrderedDict(value)
    assert tree.leaves(ordered) == [2, 1, 3, 4]
    assert tree.structure(ordered).unflatten([2, 1, 3, 4]) == ordered


@pytest.mark.parametrize("kind", [dict, lambda d: collections.defaultdict(int, d)])
def test_keys_that_do_not_sort(kind):
    with pytest.raises(StructureError, match=r"keys \['a', 2\], which do not sort.*OrderedDict"):
        tree.flatten(kind({"a": 1, 2: 3}))
    assert tree.leaves(collections.OrderedDict({"a": 1, 2: 3})) == [1, 3]


def test_subclasses_of_containers_are_leaves():
    class MyList(list):
        pass

    class MyDict(dict):
        pass

    class SubPlain(Plain):
        pass

    for value in (MyList([1]), MyDict(a=1), SubPlain(1, 2), {1, 2}, np.ones(3), range(3)):
        assert tree.leaves(value)[0] is value


def test_too_few_and_too_many_leaves():
    treedef = tree.structure({"a": (1, 2)})
    for leaves in ([], [1], [1, 2, 3]):
        with pytest.raises(StructureError) as error:
            treedef.unflatten(leaves)
        assert str(error.value) == (
            f"[tree.unflatten] got {len(leaves)} leaves for a structure of 2: "
            "PyTreeDef({'a': (*, *)})."
        )
    with pytest.raises(StructureError):
        tree.structure(1).unflatten([])


@pytest.mark.parametrize(
    ("shape", "value", "expected"),
    [
        (
            [(1, 2), None, Point(3, 7)],
            [({"foo": 7}, (3, 4)), None, Point((11, 9), None)],
            [{"foo": 7}, (3, 4), (11, 9), None],
        ),
        ([1], [{"a": 7}], [{"a": 7}]),
        ((1,), ((7,),), [(7,)]),
        ({"a": 1, "b": (2, 3)}, {"a": [7], "b": ([8], (9,))}, [[7], [8], (9,)]),
        (None, None, []),
        (1, {"a": 2}, [{"a": 2}]),
    ],
)
def test_flatten_up_to(shape, value, expected):
    assert tree.structure(shape).flatten_up_to(value) == expected


@pytest.mark.parametrize(
    ("shape", "value", "reason"),
    [
        ([1, 2], [7], "at tree: expected list of 2, got list of 1."),
        ((1,), (7, 8), "at tree: expected tuple of 1, got tuple of 2."),
        ({"a": 1}, {"a": 7, "b": 8}, "at tree: dict with ['b'] too many."),
        ({"a": 1}, {"b": 7}, "at tree: dict with ['a'] missing and ['b'] too many."),
        ([1], (7,), "at tree: expected list of 1, got tuple of 1."),
        ([[1]], [7], "at tree[0]: expected list of 1, got a leaf."),
        ({"a": (1,)}, {"a": {"a": 7}}, "at tree['a']: expected tuple of 1, got dict of 1."),
        ([Point(1, 2)], [(1, 2)], "at tree[0]: expected Point of 2, got tuple of 2."),
        (Point(1, [2]), Point(1, 2), "at tree.y: expected list of 1, got a leaf."),
        (Plain(1, [2]), Plain(1, 2), "at tree[<flat index 1>]: expected list of 1, got a leaf."),
        (Keyed(1, [2]), Keyed(1, 2), "at tree.y: expected list of 1, got a leaf."),
        (Layer(1, [2]), Layer(1, 2), "at tree.bias: expected list of 1, got a leaf."),
        (
            Plain(1, 2, "n"),
            Plain(1, 2, "m"),
            "at tree: expected Plain of 2 with the auxiliary data 'n', "
            "got Plain of 2 with the auxiliary data 'm'.",
        ),
        (None, [2], "at tree: expected None, got list of 1."),
        ([None], [2], "at tree[0]: expected None, got a leaf."),
        ({"{x}": [1]}, {"{x}": 1}, "at tree['{x}']: expected list of 1, got a leaf."),
    ],
)
def test_flatten_up_to_says_where_it_does_not_fit(shape, value, reason):
    treedef = tree.structure(shape)
    with pytest.raises(StructureError) as error:
        treedef.flatten_up_to(value)
    assert str(error.value) == (
        f"[tree] the tree does not fit the structure, {reason}\n"
        f"  expected: {treedef}\n  got:      {tree.structure(value)}"
    )
    assert isinstance(error.value, (FxadError, TypeError, ValueError))


def test_a_long_structure_is_cut_in_messages():
    with pytest.raises(StructureError) as error:
        tree.structure([0] * 1000).unflatten([])
    assert re.search(r"\[\*, \*, .* \.\.\. .*\*\]\)\.$", str(error.value))
    assert len(str(error.value)) < 600


def test_deep_trees():
    value, depth = 1.0, 200
    for _ in range(depth):
        value = [Plain(value, None)]
    leaves, treedef = tree.flatten(value)
    assert leaves == [1.0]
    assert treedef.num_nodes == 3 * depth + 1
    assert treedef == tree.structure(treedef.unflatten(leaves))
    assert len(tree.leaves_with_path(value)[0][0]) == 2 * depth


def test_a_tree_that_contains_itself():
    value = []
    value.append(value)
    with pytest.raises(RecursionError):
        tree.flatten(value)


def test_structures_keep_no_leaves_alive():
    class Leaf:
        pass

    leaf = Leaf()
    alive = weakref.ref(leaf)
    treedef = tree.structure({"a": [leaf]})
    del leaf
    gc.collect()
    assert alive() is None
    assert treedef.num_leaves == 1
