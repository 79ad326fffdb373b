"""Registering classes as nodes, and what is refused."""

import collections
import dataclasses
import functools

import pytest

from fxad import tree, tree_util
from fxad.errors import ArgumentTypeError, ArgumentValueError, StructureError
from fxad.tree_util import keystr, register_dataclass, register_pytree_node


def paths(value):
    return [keystr(path) for path, _ in tree.leaves_with_path(value)]


def test_a_class_becomes_a_node_also_after_it_was_seen_as_a_leaf():
    class Late:
        def __init__(self, x):
            self.x = x

    value = Late(1)
    assert tree.leaves([value]) == [value]
    register_pytree_node(Late, lambda late: ([late.x], None), lambda _, xs: Late(*xs))
    assert tree.leaves([value]) == [1]
    assert tree_util.is_tree_node(Late)


def test_a_namedtuple_can_be_registered_after_all():
    Pair = collections.namedtuple("Pair", "x y")
    assert tree.leaves(Pair(1, 2)) == [1, 2]
    register_pytree_node(Pair, lambda p: ((p.x,), p.y), lambda y, xs: Pair(xs[0], y))
    assert tree.leaves(Pair(1, 2)) == [1]
    assert len(tree.leaves_with_path(Pair(1, 2))) == 1
    assert tree.map(lambda x: -x, Pair(1, 2)) == Pair(-1, 2)


def test_registering_twice_or_no_class():
    class Once:
        pass

    tree_util.register_static(Once)
    for cls in (Once, dict, type(None)):
        with pytest.raises(ArgumentValueError, match=f"{cls.__name__} is registered already"):
            register_pytree_node(cls, lambda _: ((), None), lambda *_: None)
    with pytest.raises(ArgumentTypeError, match="got 'Once': a class is needed"):
        register_pytree_node("Once", lambda _: ((), None), lambda *_: None)


@pytest.mark.parametrize("returned", ["hello", (2, 3, 4), (7, 7), [(), None], None])
def test_a_flatten_function_that_returns_something_else(returned):
    class Bad:
        pass

    register_pytree_node(Bad, lambda _: returned, lambda *_: Bad())
    with pytest.raises(StructureError, match=r"flatten function of .*Bad returned .* must return"):
        tree.flatten([Bad()])


def test_children_may_come_from_any_iterable_and_go_back_as_a_tuple():
    class Bag:
        def __init__(self, items):
            self.items = items

    received = []
    register_pytree_node(
        Bag, lambda bag: (iter(bag.items), None), lambda _, xs: received.append(xs) or Bag(xs)
    )
    assert tree.map(lambda x: 2 * x, Bag([1, [2], 3])).items == (2, [4], 6)
    assert received == [(2, [4], 6)]


def test_keys_of_any_sort():
    class Odd:
        def __init__(self, x, y):
            self.x, self.y = x, y

    tree_util.register_pytree_with_keys(
        Odd, lambda odd: ((("x", odd.x), ("y", odd.y)), None), lambda _, xs: Odd(*xs)
    )
    assert [path for path, _ in tree.leaves_with_path([Odd(1, {"k": 2})])] == [
        (tree_util.SequenceKey(0), "x"),
        (tree_util.SequenceKey(0), "y", tree_util.DictKey("k")),
    ]


def test_keys_of_a_class_that_refuses_placeholders():
    class Picky:
        def __init__(self, x):
            self.x = x + 0.0

    tree_util.register_pytree_with_keys(
        Picky, lambda p: ([(tree_util.GetAttrKey("x"), p.x)], None), lambda _, xs: Picky(*xs)
    )
    assert paths(Picky(1)) == [".x"]
    assert [keystr(path) for path in tree.structure(Picky(1)).paths()] == ["[<flat index 0>]"]


def test_tree_flatten_beside_tree_flatten_with_keys():
    calls = []

    @tree_util.register_pytree_with_keys_class
    class Both:
        def tree_flatten(self):
            calls.append("plain")
            return (1, 2), "meta"

        def tree_flatten_with_keys(self):
            calls.append("keys")
            return [(tree_util.GetAttrKey(name), i) for i, name in enumerate("xy", 1)], "meta"

        @classmethod
        def tree_unflatten(cls, meta, children):
            return cls()

    assert tree.leaves(Both()) == [1, 2]
    assert calls == ["plain"]
    assert paths(Both()) == [".x", ".y"]
    assert calls == ["plain", "keys"]
    assert str(tree.structure(Both())) == "PyTreeDef(CustomNode(Both[meta], [*, *]))"


def test_dataclasses_by_their_fields():
    @functools.partial(register_dataclass, drop_fields="total")
    @dataclasses.dataclass(frozen=True)
    class Model:
        weight: float
        name: str = tree.static(default="net", metadata={"unit": "m"})
        bias: float = 0.0
        total: float = dataclasses.field(init=False, default=0.0)

    model = Model(2.0, "deep", 3.0)
    assert tree.leaves(model) == [2.0, 3.0]
    assert paths(model) == [".weight", ".bias"]
    assert tree.map(lambda x: -x, model) == Model(-2.0, "deep", -3.0)
    assert dataclasses.fields(Model)[1].metadata == {"static": True, "unit": "m"}
    assert tree.structure(Model(0.0, "a")) != tree.structure(Model(0.0, "b"))


def test_dataclasses_by_given_fields():
    @dataclasses.dataclass
    class Given:
        x: int
        y: int = 42
        z: int = 43

    register_dataclass(Given, data_fields=["x"], meta_fields=["z"], drop_fields=["y"])
    assert tree.map(lambda x: x + 1, Given(1, 2, 3)) == Given(2, 42, 3)

    @dataclasses.dataclass
    class Dropped:
        x: int
        y: int = 42

    register_dataclass(Dropped, drop_fields=["y"])
    assert tree.map(lambda x: x + 1, Dropped(1, 2)) == Dropped(2, 42)


def test_any_class_by_given_fields():
    class Ordinary:
        def __init__(self, x):
            self.x = x

    register_dataclass(Ordinary, data_fields=["x"], meta_fields=[])
    assert tree.map(lambda x: x + 1, Ordinary(1)).x == 2


def test_fields_that_do_not_fit():
    @dataclasses.dataclass
    class Two:
        x: int
        y: int

    class Ordinary:
        pass

    @dataclasses.dataclass
    class Counted:
        x: int
        count: int = dataclasses.field(default=0, init=False)

    with pytest.raises(ArgumentValueError, match=r"(?s)\['count'\] of .*Counted.*init=False"):
        register_dataclass(Counted)
    with pytest.raises(ArgumentTypeError, match="is not a dataclass: give data_fields and"):
        register_dataclass(Ordinary)
    with pytest.raises(ArgumentTypeError, match=r"data_fields=\['x'\] and meta_fields=None"):
        register_dataclass(Two, data_fields=["x"])
    with pytest.raises(ArgumentTypeError, match=r"data_fields=None and meta_fields=\['y'\]"):
        register_dataclass(Two, meta_fields=["y"])
    with pytest.raises(ArgumentValueError, match=r"fields \['y'\] of .*Two are in neither"):
        register_dataclass(Two, data_fields=["x"], meta_fields=[])
    with pytest.raises(ArgumentValueError, match=r"\['z'\] are not fields that .*Two can be built"):
        register_dataclass(Two, data_fields=["x", "y"], meta_fields=["z"])
    with pytest.raises(ArgumentValueError, match=r"\['y'\] of .*Two are in both"):
        register_dataclass(Two, data_fields=["x", "y"], meta_fields=["y"])
    assert not tree_util.is_tree_node(Two)
