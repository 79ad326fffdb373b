"""``debug.print`` and its kind: what is printed when, under every transformation."""

import bdb
import functools
import io

import numpy as np
import pytest

import fxad
from fxad import config, debug, errors, lax

ways = pytest.mark.parametrize("way", [lambda f: f, fxad.jit], ids=["eager", "jit"])
orders = pytest.mark.parametrize("ordered", [False, True])


@pytest.fixture
def printed(capsys):
    return lambda: capsys.readouterr().out


# Formats -----------------------------------------------------------------------------------------


@ways
@orders
@pytest.mark.parametrize(
    ("fmt", "args", "kwargs", "wanted"),
    [
        ("x: {}", (2,), {}, "x: 2\n"),
        ("x: {x}", (), {"x": 2}, "x: 2\n"),
        ("{x:.2f} {}", (True,), {"x": 2}, "2.00 True\n"),
        ("{} {}", (np.arange(3), 1.5), {}, "[0 1 2] 1.5\n"),
        ("{}", ({"a": np.array(2, np.int32)},), {}, "{'a': array(2, dtype=int32)}\n"),
        ("{x.shape} {x[0]}", (), {"x": np.ones((2, 2))}, "(2, 2) [1. 1.]\n"),
        ("{{}} {0!r}", (np.float32(1),), {}, "{} array(1., dtype=float32)\n"),
        ("nothing", (), {}, "nothing\n"),
    ],
)
def test_formats(printed, way, ordered, fmt, args, kwargs, wanted):
    way(lambda *args, **kwargs: debug.print(fmt, *args, ordered=ordered, **kwargs))(*args, **kwargs)
    assert printed() == wanted


@ways
def test_what_is_no_array_is_printed_as_it_is(printed, way):
    way(lambda x: debug.print("{} {} {}", x, x.dtype, [x, "word", None]))(np.ones(2))
    assert printed() == "[1. 1.] float64 [array([1., 1.]), 'word', None]\n"


class Table:
    """As a table of data: what it is compared with, it compares element by element."""

    __hash__ = None

    def __eq__(self, other):
        return np.array([True, False])

    def __repr__(self):
        return "table"


def test_what_does_not_compare_is_printed_in_loops(printed):
    def f(x):
        def body(c, _):
            debug.print("{} {}", Table(), c)
            return c * 2.0, None

        return lax.scan(body, x, None, length=2)[0]

    for _ in range(2):  # the body is compared with what was staged before
        assert fxad.jit(f)(1.0) == 4.0
        assert printed() == "table 1.0\ntable 2.0\n"


@ways
def test_print_options_are_those_of_the_line(printed, way):
    def f(x):
        with np.printoptions(precision=2, suppress=True):
            debug.print("{}", x)

    way(f)(np.array([1.2345, 2.3456, 1e-7]))
    assert printed() == "[1.23 2.35 0.  ]\n"


@ways
def test_bad_formats_are_refused_where_they_are_written(way):
    with pytest.raises(KeyError):
        way(lambda x: debug.print("{x}", x))(1.0)
    with pytest.raises(IndexError):
        way(lambda x: debug.print("{}", x=x))(1.0)
    with pytest.raises(ValueError, match=r"Unused keyword arguments .*'y'"):
        way(lambda x: debug.print("{x}", x=x, y=x))(1.0)
    with pytest.raises(errors.ArgumentValueError, match="Unused positional arguments"):
        way(lambda x: debug.print("hello", x))(1.0)
    with pytest.raises(ValueError, match="You may be passing an f-string") as caught:
        way(lambda x: debug.print(f"x: {x}", x=x))(1.0)
    assert "At test_debug.py" in str(caught.value)
    with pytest.raises(errors.ArgumentTypeError, match="wanted a string"):
        way(debug.print)(1.0)


def test_options_may_come_first(printed):
    debug.print(ordered=True)("x: {x}", x=42)
    seen = []
    fxad.jit(lambda x: debug.callback(ordered=True)(seen.append, x))(3)
    assert printed() == "x: 42\n" and seen == [3]
    with pytest.raises(TypeError, match="unexpected arguments in the two-call form"):
        debug.callback(ordered=True, a=42)
    with pytest.raises(TypeError, match="unexpected arguments in the two-call form"):
        debug.print(None, 42)
    with pytest.raises(ValueError, match=r"Unused keyword arguments.*\['partitioned'\]"):
        debug.print(ordered=True)("hello {a}", a=42, partitioned=True)


# Transformations ---------------------------------------------------------------------------------


def noisy(x):
    debug.print("x: {}", x)
    y = np.sin(x) * 2.0
    debug.print("y: {:.3f}", y)
    return y


ONCE = "x: 0.5\ny: 0.959\n"


@pytest.mark.parametrize(
    ("transform", "wanted"),
    [
        (fxad.jit, ONCE),
        (fxad.grad, ONCE),
        (fxad.value_and_grad, ONCE),
        (lambda f: fxad.jit(fxad.grad(f)), ONCE),
        (lambda f: fxad.grad(fxad.jit(f)), ONCE),
        (lambda f: fxad.grad(fxad.grad(f)), ONCE),
        (fxad.hessian, ONCE),
        (lambda f: lambda x: fxad.jvp(f, (x,), (x,)), ONCE),
        (lambda f: lambda x: fxad.vjp(f, x)[1](1.0), ONCE),
        (lambda f: lambda x: fxad.linearize(f, x)[1](1.0), ONCE),
        (fxad.checkpoint, ONCE),
        (lambda f: fxad.jit(fxad.checkpoint(f)), ONCE),
        (lambda f: fxad.grad(fxad.checkpoint(f)), ONCE * 2),
        (lambda f: fxad.jit(fxad.grad(fxad.checkpoint(f))), ONCE * 2),
        (lambda f: fxad.vmap(f, in_axes=None, axis_size=3), ONCE),
        (lambda f: lambda x: fxad.custom_jvp(f)(x), ONCE),
        (lambda f: fxad.jit(lambda x: fxad.custom_vjp(f)(x)), ONCE),
        (lambda f: lambda x: fxad.eval_shape(f, x), ""),
        (lambda f: lambda x: fxad.make_jaxpr(f)(x), ""),
    ],
)
def test_how_often_it_is_printed(printed, transform, wanted):
    run = transform(noisy)
    for _ in range(2):
        run(0.5)
        assert printed() == wanted


def test_batches_print_each_example(printed):
    fxad.vmap(lambda x: debug.print("hello: {}", x))(np.arange(2))
    assert printed() == "hello: 0\nhello: 1\n"
    fxad.vmap(lambda x, y: debug.print("{} {}", x, y), in_axes=(0, 1))(
        np.arange(2), np.arange(2)[None]
    )
    assert printed() == "0 [0]\n1 [1]\n"
    fxad.jit(fxad.vmap(fxad.grad(noisy)))(np.array([0.5, 0.0]))
    assert printed() == "x: 0.5\nx: 0.0\ny: 0.959\ny: 0.000\n"


def test_nested_batches_print_as_jax_does(printed):
    x = np.arange(6).reshape(3, 2)
    fxad.vmap(fxad.vmap(lambda x: debug.print("{}", x)))(x)
    assert printed().split() == ["0", "2", "4", "1", "3", "5"]
    fxad.vmap(fxad.vmap(lambda x: debug.print("{}", x)), in_axes=1)(x)
    assert printed().split() == ["0", "1", "2", "3", "4", "5"]


@orders
def test_prints_with_donated_arguments(printed, ordered):
    def f(x, y):
        debug.print("x: {}", x, ordered=ordered)
        return x + y

    fxad.jit(f, donate_argnums=0)(np.full(2, 2.0), 3.0)
    assert printed() == "x: [2. 2.]\n"


def test_tangents_are_printed_in_forward_mode(printed):
    @fxad.custom_jvp
    def show(x):
        return x

    @show.defjvp
    def _(primals, tangents):
        debug.print("t: {}", tangents[0])
        return primals[0], tangents[0]

    def f(x):
        return show(x * x)

    fxad.jvp(f, (1.0,), (1.0,))
    fxad.jit(lambda x: fxad.jvp(f, (x,), (2.0,)))(1.0)
    assert printed() == "t: 2.0\nt: 4.0\n"
    with pytest.raises(errors.CallbackDifferentiationError, match="custom_vjp"):
        fxad.grad(f)(1.0)


@ways
def test_cotangents_are_printed_in_a_bwd(printed, way):
    @fxad.custom_vjp
    def show(x):
        debug.print("primal {x}", x=x)
        return x

    def fwd(x):
        debug.print("fwd {x}", x=x)
        return x, x

    def bwd(x, ct):
        debug.print("bwd {x} {ct}", x=x, ct=ct)
        return (ct,)

    show.defvjp(fwd, bwd)
    f = way(lambda x: show(x) ** 2)
    f(1.0)
    assert printed() == "primal 1.0\n"
    _, pull = fxad.vjp(f, 1.0)
    assert printed() == "fwd 1.0\n"
    pull(3.0)
    assert printed() == "bwd 1.0 6.0\n"
    fxad.jit(fxad.grad(f))(1.0)
    assert printed() == "fwd 1.0\nbwd 1.0 2.0\n"


def test_callbacks_raise_what_they_raise():
    def check(x):
        if x < 0:
            raise ArithmeticError(f"{x} is negative")

    f = fxad.jit(lambda x: debug.callback(check, x) or x)
    f(1.0)
    with pytest.raises(ArithmeticError, match=r"-1\.0 is negative"):
        f(-1.0)
    assert f(2.0) == 2.0


def test_callbacks_must_be_functions():
    with pytest.raises(errors.ArgumentTypeError, match="wanted a function"):
        debug.callback("this is not debug.print!")


# The debugger ------------------------------------------------------------------------------------


def paused(transform, commands, *args):
    """What the debugger shows when a transformed function stops."""
    shown = io.StringIO()

    def f(x, scale=2.0):
        y = x * scale
        debug.breakpoint(stdin=io.StringIO(commands), stdout=shown)
        return y

    out = transform(f)(*args)
    return out, shown.getvalue()


def test_eagerly_the_debugger_stops_at_the_line():
    out, shown = paused(lambda f: f, "p y\np scale\nc\n", 3.0)
    assert out == 6.0
    assert "test_debug.py" in shown and "(Pdb) 6.0" in shown and "(Pdb) 2.0" in shown


@pytest.mark.parametrize("transform", [fxad.jit, fxad.grad, lambda f: fxad.grad(fxad.jit(f))])
def test_a_program_stops_when_it_runs(transform):
    _, shown = paused(transform, "p float(y)\np np.pi\nc\n", 3.0)
    assert "(Pdb) 6.0" in shown and "(Pdb) 3.14" in shown
    assert "stopped at" in shown and "test_debug.py" in shown


def test_every_example_stops():
    _, shown = paused(fxad.vmap, "p float(y)\nc\n" * 2, np.array([1.0, 2.0]))
    assert shown.count("stopped at") == 2


def test_leaving_the_debugger_ends_the_program():
    with pytest.raises(bdb.BdbQuit):
        paused(fxad.jit, "q\n", 3.0)
    with config.override(disable_jit=True):
        out, shown = paused(fxad.jit, "p x\nc\n", 3.0)
    assert out == 6.0 and "(Pdb) 3.0" in shown


def test_a_print_is_one_parameter_of_its_equation():
    text = str(fxad.make_jaxpr(functools.partial(debug.print, "x: {}"))(1.0))
    assert text.splitlines()[1].startswith("    debug_callback[callback='x: {}'")


# Loops and branches ------------------------------------------------------------------------------


@ways
@orders
def test_prints_in_scan(printed, way, ordered):
    def body(carry, x):
        debug.print("carry: {carry}, x: {x}", carry=carry, x=x, ordered=ordered)
        return carry + 1, x + 1

    way(lambda xs: lax.scan(body, 2, xs))(np.arange(2))
    assert printed() == "carry: 2, x: 0\ncarry: 3, x: 1\n"


@pytest.mark.parametrize(
    "transform", [fxad.grad, lambda f: fxad.jit(fxad.grad(f)), lambda f: fxad.grad(fxad.jit(f))]
)
def test_a_differentiated_scan_prints_its_steps_once(printed, transform):
    def body(carry, x):
        debug.print("{} {}", carry, x)
        debug.print("step")
        return carry * x, None

    transform(lambda c, xs: lax.scan(body, c, xs)[0])(2.0, np.array([3.0, 4.0]))
    assert printed() == "2.0 3.0\nstep\n6.0 4.0\nstep\n"


@ways
@orders
def test_prints_of_the_branch_that_is_taken(printed, way, ordered):
    def show(word):
        return lambda x: debug.print(word + ": {}", x, ordered=ordered)

    f = way(lambda i, x: lax.switch(i, [show("a"), show("b"), show("c")], x))
    f(1, 2.0)
    f(5, 3.0)
    way(lambda x: lax.cond(x < 5, show("true"), show("false"), x))(3.0)
    assert printed() == "b: 2.0\nc: 3.0\ntrue: 3.0\n"


def test_batches_of_branches_print_both(printed):
    f = fxad.vmap(
        lambda p, x: lax.cond(
            p, lambda x: debug.print("true {}", x), lambda x: debug.print("false {}", x), x
        )
    )
    f(np.array([True, False]), np.arange(2))
    assert sorted(printed().splitlines()) == ["false 0", "false 1", "true 0", "true 1"]


@ways
@orders
def test_prints_in_counted_loops(printed, way, ordered):
    def body(i, x):
        debug.print("i: {i}", i=i, ordered=ordered)
        debug.print("x: {x}", x=x, ordered=ordered)
        return x + 1

    way(lambda n, x: lax.fori_loop(0, n, body, x))(3, 2)
    assert printed() == "i: 0\nx: 2\ni: 1\nx: 3\ni: 2\nx: 4\n"


@ways
@orders
def test_prints_in_loops(printed, way, ordered):
    def shown(word, x):
        debug.print(word + " {}", x, ordered=ordered)
        return x

    f = way(lambda x: lax.while_loop(lambda x: shown("?", x) < 7, lambda x: shown("!", x) + 1, x))
    f(5)
    assert printed() == "? 5\n! 5\n? 6\n! 6\n? 7\n"
    f(10)
    assert printed() == "? 10\n"


@pytest.mark.parametrize(
    "transform", [fxad.grad, lambda f: fxad.jit(fxad.grad(f)), lambda f: fxad.grad(fxad.jit(f))]
)
def test_a_differentiated_loop_prints_its_steps_once(printed, transform):
    def body(x):
        debug.print("{}", x)
        return x * x

    transform(lambda x: lax.while_loop(lambda x: x < 10.0, body, x))(2.0)
    assert printed() == "2.0\n4.0\n"


def test_a_batched_condition_prints_once_for_each_turn(printed):
    def goes_on(x):
        debug.print("{}", x)
        return x < 3

    fxad.vmap(lambda x: lax.while_loop(goes_on, lambda x: x + 1, x))(np.arange(2))
    assert printed().split() == ["0", "1", "1", "2", "2", "3", "3", "3"]


def test_plans_and_budgets_of_memory_take_prints(printed):
    def net(x):
        for _ in range(6):
            x = np.tanh(x * 1.1)
            debug.print("{:.1f}", np.sum(x))
        return np.sum(x)

    x = np.ones(1000)
    plan = fxad.memory_plan(net, x)
    fxad.ad_checkpoint.saved_residuals(net, x)
    assert printed() == ""
    want = fxad.grad(net)(x)
    lines = printed().splitlines()
    assert len(lines) == 6
    assert plan.peak_bytes > 0
    for budget in (10**9, 57_000):
        got = fxad.grad(fxad.checkpoint(net, memory_budget=budget))(x)
        np.testing.assert_allclose(got, want)
        assert set(printed().splitlines()) == set(lines)


def test_breakpoint_refuses_options_that_it_does_not_have():
    with pytest.raises(TypeError, match="backend"):
        debug.breakpoint(backend="web")
