"""Exceptions that leave a transformation show the user's frames, not the library's."""

import inspect
import os
import subprocess
import sys
import traceback
from dataclasses import dataclass

import numpy as np
import pytest

import fxad
import fxad.numpy as fnp
from fxad import config, extend, implicit, lax
from fxad.core.source import PACKAGE
from fxad.custom_batching import sequential_vmap
from fxad.custom_derivatives import linear_call
from fxad.test_util import check_grads

X = np.array([1.0, 2.0, 3.0])


class Oops(Exception):
    pass


def helper(x):
    raise Oops(x.shape)


def wrong(x, *rest, **kwargs):
    return helper(fnp.asarray(x))


def misfit(x, *rest):
    return fnp.sum(x + np.ones(7))


def _linearized(f):
    _, push = fxad.linearize(lambda x: _late(f, x), X)
    return push(X)


def _pulled(f):
    _, pull = fxad.vjp(lambda x: _late(f, x), X)
    return pull(X)


def _late(f, x):
    """A function whose derivative, not whose value, calls ``f``."""
    late = fxad.custom_vjp(lambda x: x * 2.0)
    late.defvjp(lambda x: (x, x), lambda x, ct: (f(ct),))
    return late(x)


def _ruled(f):
    ruled = fxad.custom_jvp(np.sin)
    ruled.defjvp(lambda primals, tangents: f(*primals))
    return fxad.jvp(ruled, (X,), (X,))


def _operation(f, rule=None):
    return extend.from_host(
        f, name="traced", abstract="same", overwrite=True,
        jvp=rule and (lambda primals, tangents: rule(*primals)),
    )


#: By the name of a public function that calls a user's: how it gets to call one.
DOORS = {
    "associative_scan": lambda f: lax.associative_scan(f, X),
    "checkpoint": lambda f: fxad.checkpoint(f)(X),
    "checkpoint_sequential": lambda f: fxad.checkpoint_sequential([f, f])(X),
    "closure_convert": lambda f: fxad.closure_convert(f, X),
    "cond": lambda f: lax.cond(True, f, f, X),
    "custom_gradient": lambda f: fxad.custom_gradient(f)(X),
    "custom_jvp": lambda f: fxad.custom_jvp(f)(X),
    "custom_linear_solve": lambda f: lax.custom_linear_solve(f, X, f),
    "custom_root": lambda f: lax.custom_root(f, X, f, f),
    "custom_vjp": lambda f: fxad.custom_vjp(f)(X),
    "custom_vmap": lambda f: fxad.custom_vmap(f)(X),
    "debug.callback": lambda f: fxad.debug.callback(f, X),
    "eval_shape": lambda f: fxad.eval_shape(f, X),
    "fixed_point": lambda f: implicit.fixed_point(f, X),
    "fori_loop": lambda f: lax.fori_loop(0, 2, lambda i, x: f(x), X),
    "grad": lambda f: fxad.grad(f)(X),
    "hessian": lambda f: fxad.hessian(f)(X),
    "hvp": lambda f: fxad.hvp(f, X, X),
    "io_callback": lambda f: fxad.io_callback(f, X, X),
    "jacfwd": lambda f: fxad.jacfwd(f)(X),
    "jacobian": lambda f: fxad.jacobian(f)(X),
    "jacrev": lambda f: fxad.jacrev(f)(X),
    "jit": lambda f: fxad.jit(f)(X),
    "jvp": lambda f: fxad.jvp(f, (X,), (X,)),
    "linear_transpose": lambda f: fxad.linear_transpose(f, X)(X),
    "linearize": lambda f: fxad.linearize(f, X),
    "memory_plan": lambda f: fxad.memory_plan(f, X),
    "make_jaxpr": lambda f: fxad.make_jaxpr(f)(X),
    "map": lambda f: lax.map(f, X),
    "minimize": lambda f: implicit.minimize(f, X),
    "print_saved_residuals": lambda f: fxad.ad_checkpoint.print_saved_residuals(f, X),
    "pure_callback": lambda f: fxad.pure_callback(f, X, X),
    "reduce": lambda f: lax.reduce(X, 0.0, f, (0,)),
    "reduce_window": lambda f: lax.reduce_window(X, 0.0, f, (2,), (1,), "VALID"),
    "root": lambda f: implicit.root(f, X),
    "saved_residuals": lambda f: fxad.ad_checkpoint.saved_residuals(f, X),
    "scan": lambda f: lax.scan(f, X, X),
    "scatter_apply": lambda f: lax.scatter_apply(
        X,
        np.array([[0]]),
        f,
        lax.ScatterDimensionNumbers((), (0,), (0,)),
        update_shape=(1,),
    ),
    "switch": lambda f: lax.switch(0, [f], X),
    "value_and_grad": lambda f: fxad.value_and_grad(f)(X),
    "value_grad_hvp": lambda f: fxad.value_grad_hvp(f, X, X),
    "vjp": lambda f: fxad.vjp(f, X),
    "vmap": lambda f: fxad.vmap(f)(X),
    "while_loop": lambda f: lax.while_loop(f, f, X),
}
MORE = {
    "linear_call": lambda f: linear_call(f, f, (), X),
    "sequential_vmap": lambda f: fxad.vmap(sequential_vmap(f))(X),
    "apply_along_axis": lambda f: fnp.apply_along_axis(f, 0, X),
    "apply_over_axes": lambda f: fnp.apply_over_axes(f, X, 0),
    "check_grads": lambda f: check_grads(f, (X,), 1),
    "fromfunction": lambda f: fnp.fromfunction(f, (2, 2)),
    "vectorize": lambda f: fnp.vectorize(f)(X),
    "a pullback": _pulled,
    "a pushforward": _linearized,
    "a rule": _ruled,
    "an operation": lambda f: _operation(f)(X),
    "a rule of an operation": lambda f: fxad.jvp(_operation(np.sin, f), (X,), (X,)),
    "an operation of a program": lambda f: fxad.jit(fxad.vmap(_operation(f)))(X),
    "a solver on the host": lambda f: implicit.root(
        lambda x: x, X, method=implicit.on_host(lambda g, x: f(x))
    ),
    "a callback of a program": lambda f: fxad.jit(lambda x: fxad.pure_callback(f, x, x))(X),
    "many": lambda f: fxad.jit(fxad.vmap(fxad.grad(fxad.checkpoint(fxad.jit(f)))))(X),
}

#: Other names of the same function.
SAME = {"remat": "checkpoint"}
PARAMETERS = {
    "fun", "f", "func", "body", "body_fun", "cond_fun", "true_fun", "branches", "callback",
    "computation", "solve", "matvec", "tangent_solve", "operator", "fn", "layers",
}


def takers(module):
    """The names of a module's functions and classes that take a function."""
    for name in module.__all__:
        try:
            parameters = inspect.signature(getattr(module, name)).parameters
        except (TypeError, ValueError):
            continue
        if PARAMETERS & parameters.keys():
            yield name


TAKERS = {*takers(fxad), *takers(fxad.ad_checkpoint), *takers(implicit), *takers(lax)}


@pytest.mark.parametrize("name", sorted(TAKERS))
def test_every_public_function_that_calls_a_users_is_tried(name):
    assert SAME.get(name, name) in DOORS


def caught(call, f):
    """The exception that leaves a call, and the frames of its traceback below this file's call."""
    try:
        call(f)
    except Exception as e:
        return e, [t.f_code for t, _ in traceback.walk_tb(e.__traceback__)]
    raise AssertionError("nothing was raised")


@pytest.mark.parametrize("call", [*DOORS.values(), *MORE.values()], ids=[*DOORS, *MORE])
def test_shows_the_users_frames_alone(call):
    e, codes = caught(call, wrong)
    assert type(e) is Oops
    assert [c.co_filename for c in codes if c.co_filename.startswith(PACKAGE)] == []
    names = [c.co_name for c in codes]
    assert names[0] == "caught" and names[-2:] == ["wrong", "helper"]


@pytest.mark.parametrize("name", ["grad", "jit", "jvp", "checkpoint", "hessian"])
def test_the_librarys_own_errors_point_at_the_users_line(name):
    e, codes = caught(DOORS[name], misfit)
    assert codes[-1].co_name == "misfit"
    assert not any(c.co_filename.startswith(PACKAGE) for c in codes)
    assert "test_tracebacks.py" in str(e)


def test_bad_arguments_of_a_transformation_end_at_the_call():
    _, codes = caught(lambda f: fxad.grad(f)("text"), np.sin)
    assert [c.co_name for c in codes] == ["caught", "<lambda>"]


def test_causes_and_contexts_are_filtered_too():
    def f(x):
        try:
            fxad.jit(helper)(x)
        except Oops as e:
            raise ValueError("more") from e

    e, _ = caught(fxad.grad(f), X)
    assert isinstance(e, ValueError) and type(e.__cause__) is Oops
    shown = "".join(traceback.format_exception(e))
    assert PACKAGE not in shown and "helper" in shown and "direct cause" in shown


def test_a_cycle_of_contexts_ends():
    def f(x):
        e = Oops()
        e.__context__ = other = ValueError()
        other.__context__ = e
        raise e

    assert type(caught(fxad.grad(f), X)[0]) is Oops


def test_exceptions_that_cannot_be_written_to_come_out_as_they_are():
    @dataclass(frozen=True)
    class Frozen(Exception):
        code: int

    def f(x):
        raise Frozen(3)

    for call in (fxad.grad, fxad.jit, lambda f: fxad.jit(lambda x: fxad.pure_callback(f, x, x))):
        e, codes = caught(lambda f, call=call: call(f)(X), f)
        assert type(e) is Frozen and e.code == 3
        assert not any(c.co_filename.startswith(PACKAGE) for c in codes)


def test_off_shows_everything():
    with config.override(traceback_filtering="off"):
        _, codes = caught(DOORS["grad"], wrong)
    assert any(c.co_filename.startswith(PACKAGE) for c in codes)
    assert codes[-1].co_name == "helper"
    run = [sys.executable, "-c", "import fxad; fxad.grad(lambda x: 1 / 0)(1.0)"]
    for mode, shows in (("off", True), ("remove_frames", False)):
        environment = {**os.environ, "FXAD_TRACEBACK_FILTERING": mode}
        text = subprocess.run(run, capture_output=True, text=True, env=environment).stderr
        assert "ZeroDivisionError" in text and (PACKAGE in text) is shows


def test_an_interrupt_keeps_its_frames():
    def interrupted(x):
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt) as info:
        fxad.grad(interrupted)(X)
    assert any(str(entry.path).startswith(PACKAGE) for entry in info.traceback)


def test_a_debugger_can_look_into_the_users_frames():
    e, _ = caught(DOORS["jit"], wrong)
    frames = [frame for frame, _ in traceback.walk_tb(e.__traceback__)]
    assert frames[-1].f_locals["x"].shape == (3,)
    assert [line for _, line in traceback.walk_tb(e.__traceback__)][-1] == (
        helper.__code__.co_firstlineno + 1
    )


def test_doors_keep_names_and_signatures():
    def f(x, *, scale=1.0):
        """What it does."""
        return x * scale

    for transform in (fxad.grad, fxad.jit, fxad.vmap, fxad.checkpoint, fxad.jacfwd):
        assert transform(f).__name__ == "f" and transform(f).__doc__ == "What it does."
        assert transform(f).__wrapped__ is f
        assert inspect.signature(transform(f)) == inspect.signature(f)


# What a program says when NumPy fails ------------------------------------------------------------


def test_a_failing_operation_of_a_program_names_itself_and_its_line():
    @fxad.jit
    def f(x):
        y = x * 2.0
        return np.linalg.inv(y)  # the line

    f(np.eye(2))
    with pytest.raises(np.linalg.LinAlgError) as info:
        f(np.zeros((2, 2)))
    shown = "".join(traceback.format_exception_only(info.value))
    assert "[inv]" in shown and "test_tracebacks.py" in shown and "# the line" in shown

    with np.errstate(all="raise"), pytest.raises(FloatingPointError) as info:
        fxad.jit(lambda x: 1.0 / (x * 0.0))(X)
    assert "div" in info.value.__notes__[0]


def test_what_a_callback_of_a_program_raises_names_its_line():
    def fail(x):
        raise Oops("at work")

    f = fxad.jit(fxad.jit(lambda x: fxad.pure_callback(fail, x, x)))
    with pytest.raises(Oops) as info:
        f(X)
    (note,) = info.value.__notes__
    assert note.startswith("[pure_callback]") and "fxad.pure_callback(fail, x, x)" in note
