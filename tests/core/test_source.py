"""The user's own line: which frame it is, how it reads, and what messages are built of."""

import functools
import linecache
import os
import re
import sys

import numpy as np
import pytest

import fxad
import fxad.numpy as fnp
from fxad.compiler.passes import optimize
from fxad.compiler.program import program_for
from fxad.core.source import (
    Source,
    assigns_item,
    defined_at,
    error,
    inside,
    outside_rules,
    running_rule,
    user_source,
)
from fxad.core.trace import EvalTrace
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


def test_equations_that_are_evaluated_again_keep_their_line():
    def f(x):
        y = np.sin(x)
        return y * x

    closed = fxad.make_jaxpr(f)(1.0)
    lines = [str(eqn.source) for eqn in closed.eqns]
    again = fxad.make_jaxpr(lambda x: closed(x)[0])(1.0)
    assert [str(eqn.source) for eqn in again.eqns] == lines
    forward = fxad.make_jaxpr(lambda x: fxad.vjp(fxad.jit(f), x)[0])(1.0).eqns[0]
    inner = forward.params["jaxpr"].eqns
    assert [str(eqn.source) for eqn in inner] == lines


def test_a_rule_of_the_users_own_has_lines_of_its_own():
    f = fxad.custom_jvp(lambda x: x)

    @f.defjvp
    def rule(primals, tangents):
        return np.sin(primals[0]), tangents[0]

    closed = fxad.make_jaxpr(lambda x: f(x))(1.0)
    again = fxad.make_jaxpr(lambda x: fxad.jvp(closed, (x,), (x,))[0][0])(1.0)
    assert str(again.eqns[0].source).endswith("return np.sin(primals[0]), tangents[0]")


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


# Scopes ------------------------------------------------------------------------------------------


@fxad.named_scope("block")
def block(x):
    """A part of a network."""
    y = np.sin(x)
    with fxad.named_scope("tail"):
        return np.cos(y)


def scopes(jaxpr):
    return [(str(eqn.primitive), eqn.source.scope) for eqn in jaxpr.eqns]


BLOCK = [("sin", "block"), ("cos", "block/tail")]


def test_equations_remember_their_scope():
    assert block.__name__ == "block" and block.__doc__ == "A part of a network."
    jaxpr = fxad.make_jaxpr(lambda x: block(x) * 2.0)(1.0)
    assert scopes(jaxpr) == [*BLOCK, ("mul", "")]
    lines = str(jaxpr).splitlines()
    assert lines[1].endswith("sin a  # block") and lines[2].endswith("cos b  # block/tail")
    assert "#" not in lines[3]


def test_scopes_end_with_an_exception_and_nest_in_themselves():
    scope = fxad.named_scope("again")
    with pytest.raises(ZeroDivisionError), scope, scope:
        assert user_source().scope == "again/again"
        raise ZeroDivisionError
    assert user_source().scope == ""


def test_a_program_is_used_in_many_scopes():
    """What is traced once does not keep the scope of its first call."""
    inner = fxad.jit(block)

    def f(x):
        with fxad.named_scope("one"):
            x = inner(x)
        return inner(x)

    one, two = fxad.make_jaxpr(f)(np.ones(2)).eqns
    assert (one.source.scope, two.source.scope) == ("one", "")
    assert one.params["jaxpr"] is two.params["jaxpr"]
    assert scopes(one.params["jaxpr"]) == BLOCK
    inlined = optimize(fxad.make_jaxpr(f)(np.ones(2)))
    assert scopes(inlined) == [("sin", "one/block"), ("cos", "one/block/tail"), *BLOCK]


def test_transformed_programs_keep_lines_and_scopes():
    def lines(jaxpr):
        return {str(e.source) for e in jaxpr.eqns if str(e.primitive) in ("sin", "cos")}

    plain = lines(fxad.make_jaxpr(block)(1.0))
    assert len(plain) == 2 and all("(in block" in line for line in plain)
    batched = fxad.make_jaxpr(fxad.vmap(fxad.jit(block)))(np.ones(2)).eqns[0].params["jaxpr"]
    pushed = fxad.make_jaxpr(lambda x: fxad.jvp(fxad.jit(block), (x,), (x,)))(1.0).eqns[0]
    assert lines(batched) == plain
    assert plain <= lines(pushed.params["jaxpr"])


def test_messages_name_the_scope():
    def f(x):
        with fxad.named_scope("encoder"):
            return np.sum(x + np.ones(7))

    with pytest.raises(ShapeError, match=r"At test_source.py:\d+ \(in encoder\): return np.sum"):
        fxad.grad(f)(np.ones(3))


def test_programs_show_the_scope():
    program = program_for(fxad.make_jaxpr(block)(np.ones(2)), EvalTrace.namespace)
    assert "(in block)" in str(program) and "(in block/tail)" in str(program)


def test_names_are_strings():
    with pytest.raises(TypeError, match="wanted a string"):
        fxad.named_scope(lambda x: x)


def test_errors_while_a_program_runs_name_the_line_that_was_written():
    @fxad.jit
    def f(x):
        return fxad.pure_callback(lambda x: x[:1], x, x)  # too short

    with pytest.raises(RuntimeError, match="# too short"):
        f(np.ones(2))
def test_errors_and_lines_of_a_rule_name_it():
    def line():
        return user_source()

    problem = inside("f_bwd, the bwd rule of f", error, ValueError, "op", "got x")
    assert re.search(r"At test_source.py:\d+: .*\nIn f_bwd, the bwd rule of f\.", str(problem))
    assert inside("f_bwd", line).rule == "f_bwd"
    assert inside("f_bwd", outside_rules, line).rule is None is line().rule
    problem = inside("f_bwd", outside_rules, error, ValueError, "op", "got x")
    assert "In f_bwd." in str(problem)
    nested = inside("outer", inside, "inner", running_rule)
    assert (nested, running_rule()) == ("inner", None)


def test_where_a_function_is_defined():
    def function():
        """Two lines after the name of the test."""

    first = function.__code__.co_firstlineno
    wanted = f"function (test_source.py:{first})"
    assert defined_at(function) == wanted
    assert defined_at(functools.wraps(function)(lambda: None)) == wanted
    assert defined_at(functools.partial(functools.partial(function))) == wanted
    assert defined_at(len) == "len"
