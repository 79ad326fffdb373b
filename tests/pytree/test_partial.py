"""Functions with arguments as pytrees."""

import functools
import pickle

import pytest

from fxad import tree
from fxad.tree_util import Partial


def f(*args, **keywords):
    return args, keywords


@pytest.mark.parametrize(
    "partial", [Partial(f), Partial(f, 1, 2), Partial(f, x="a"), Partial(f, 1, (2, 3), x=4, y=[5])]
)
def test_round_trips_and_calls(partial):
    leaves, treedef = tree.flatten(partial)
    again = treedef.unflatten(leaves)
    assert (again.func, again.args, again.keywords) == (
        partial.func,
        partial.args,
        partial.keywords,
    )
    assert again(9, z=8) == f(*partial.args, 9, **partial.keywords, z=8)
    assert pickle.loads(pickle.dumps(partial))(9) == partial(9)


def test_arguments_are_children():
    partial = tree.map(lambda x: 10 * x, Partial(f, 1, [2], x=3))
    assert partial() == ((10, [20]), {"x": 30})
    assert tree.structure(Partial(f, 1)) == tree.structure(Partial(f, 2))
    assert tree.structure(Partial(f, 1)) != tree.structure(Partial(len, 1))


def test_a_partial_inside_stays_whole():
    inner = functools.partial(f, 2)
    one, two = Partial(inner, 3), Partial(inner, 3)
    assert one.args == (3,)
    assert one(4) == ((2, 3, 4), {})
    assert one.func == inner == two.func
    assert one.func == two.func
    assert hash(one.func) == hash(two.func)
    assert tree.structure(one) == tree.structure(two)
    assert repr(one.func) == repr(inner)


def test_a_keyword_called_func():
    assert Partial(f, func=1)() == ((), {"func": 1})
