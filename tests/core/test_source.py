"""The user's own line: which frame it is, how it reads, and what messages are built of."""

import linecache
import os
import sys

import numpy as np
import pytest

import fxad
import fxad.numpy as fnp
from fxad.core.source import Source, assigns_item, error, user_source
from fxad.errors import ArgumentValueError, ShapeError


def here():
    """The number of the line that calls this."""
    return sys._getframe(1).f_lineno


def test_the_innermost_line_that_is_not_the_librarys():
    first = here()
    source = user_source()
    assert (source.filename, source.line) == (__file__, first + 1)
    assert source.function == "test_the_innermost_line_that_is_not_the_librarys"
    assert str(source) == f"test_source.py:{first + 1}: source = user_source()"


def test_lines_inside_transformed_functions_are_the_users():
    lines = []

    def f(x):
        lines.append((user_source().line, user_source().function, here()))
        return np.sin(x)

    f(1.0)
    for transform in (fxad.grad, fxad.jit, fxad.checkpoint, fxad.jacfwd):
        transform(f)(1.0)
    fxad.vmap(f)(np.ones(2))
    assert len(lines) == 6
    assert set(lines) == {(lines[0][2], "f", lines[0][2])}


def test_equations_remember_the_line_that_made_them():
    def f(x):
        y = np.sin(x)
        return fnp.mean(y * x)

    closed = fxad.make_jaxpr(f)(np.ones(3))
    texts = [str(eqn.source).partition(": ")[2] for eqn in closed.eqns]
    assert texts[0] == "y = np.sin(x)"
    assert set(texts[1:]) == {"return fnp.mean(y * x)"}


@pytest.mark.parametrize(
    ("filename", "is_the_users"),
    [
        (fxad.__file__, False),
        (fnp.__file__, False),
        (np.__file__, False),
        ("<frozen importlib._bootstrap>", False),
        ("<stdin>", True),
        (os.path.join(os.path.dirname(fxad.__file__) + "_extras", "model.py"), True),
    ],
)
def test_whose_file_it_is(filename, is_the_users):
    namespace = {}
    exec(compile("def call(function):\n    return function()\n", filename, "exec"), namespace)
    source = namespace["call"](user_source)
    assert source.filename == (filename if is_the_users else __file__)


def test_code_without_a_file_has_a_place_and_no_text():
    namespace = {"fxad": fxad}
    exec(compile("def f(x):\n    return fxad.lax.dot(x, x)\n", "<model>", "exec"), namespace)
    with pytest.raises(ShapeError, match=r"At <model>:2(?!:)"):
        fxad.jit(namespace["f"])(np.ones((2, 3)))
    assert str(Source("gone.py", 7, "f")) == "gone.py:7"


def test_notebook_cells_have_their_text():
    text = "def g(x):\n    return x @ x\n"
    linecache.cache["<cell 3>"] = (len(text), None, text.splitlines(True), "<cell 3>")
    namespace = {}
    exec(compile(text, "<cell 3>", "exec"), namespace)
    with pytest.raises(ShapeError, match=r"At <cell 3>:2: return x @ x"):
        fxad.grad(namespace["g"])(np.ones((2, 3)))


def test_an_error_names_operation_problem_line_and_way_out():
    first = here()
    e = error(ArgumentValueError, "roll", "got shift='a', wanted an integer", "Give a number.")
    assert type(e) is ArgumentValueError
    assert str(e).split("\n") == [
        "[roll] got shift='a', wanted an integer.",
        f'At test_source.py:{first + 1}: e = error(ArgumentValueError, "roll", "got shift=\'a\', '
        'wanted an integer", "Give a number.")',
        "Give a number.",
    ]


def test_a_short_error_is_one_line_and_ends_once():
    e = error(ShapeError, "add", "got nothing.")
    assert str(e).startswith("[add] got nothing. At test_source.py:")
    assert "\n" not in str(e)


def test_item_assignment_is_seen_from_what_it_calls():
    seen = []

    class Number:
        def __float__(self):
            seen.append(assigns_item(1))
            return 1.0

    array, number = np.zeros(2), Number()
    array[0] = number
    float(number)
    array[1] = float(number)
    assert seen == [True, False, False]
