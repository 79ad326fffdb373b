"""``debug_nans`` and ``debug_infs``: who made it, of what, at which line, and why."""

import os
import re
import subprocess
import sys
import threading

import numpy as np
import pytest

import fxad
import fxad.numpy as fnp
from fxad import config, lax
from fxad.core.trace import EvalTrace
from fxad.errors import NonFiniteError
from fxad.transforms.nodes import Combined
from fxad.transforms.tape import LinearizeTrace, TapeTrace
from tests.backends.elsewhere import fake
from tests.documents import ROOT
from tests.opinfo import explained, table
from tests.test_ops import directions, leaves_of, samples, varying

X = np.array([1.0, 0.0, 4.0])


def blame(f, *args, infs=False):
    """The message of the error that calling a function raises under the switch."""
    switches = config.override(debug_infs=infs, debug_nans=not infs)
    with switches, pytest.raises(FloatingPointError) as info:
        f(*args)
    assert isinstance(info.value, NonFiniteError)
    return str(info.value)


def line_of(marker):
    """The line of this file that ends with a comment, as messages show it."""
    with open(__file__) as file:
        for number, line in enumerate(file, 1):
            if line.rstrip().endswith(f"# {marker}") and "line_of" not in line:
                return f"test_nan_blame.py:{number}: {line.strip()}"
    raise AssertionError(marker)


def log_of_shifted(x):
    y = x - 2.0
    return np.sum(np.log(y))  # forward


def root_or_zero(x):
    return np.sum(np.where(x > 0, np.sqrt(x), 0.0))  # trap


def root_then_where(x):
    y = np.sqrt(x) * 3.0  # root
    z = np.reshape(y, (3, 1)) + 1.0
    return np.sum(np.where(x[:, None] == 0, 0.0, z))  # where


# The maker -------------------------------------------------------------------------------------

FORWARD = {
    "grad": fxad.grad(log_of_shifted),
    "jit": fxad.jit(log_of_shifted),
    "jit of grad": fxad.jit(fxad.grad(log_of_shifted)),
    "grad of jit": fxad.grad(fxad.jit(log_of_shifted)),
    "jvp": lambda x: fxad.jvp(log_of_shifted, (x,), (x,)),
    "vmap": lambda x: fxad.vmap(log_of_shifted)(x[None]),
    "checkpoint": fxad.checkpoint(log_of_shifted),
    "grad of checkpoint": fxad.grad(fxad.checkpoint(log_of_shifted)),
    "hessian": fxad.hessian(log_of_shifted),
    "a jaxpr": fxad.make_jaxpr(log_of_shifted)(X),
}


@pytest.mark.parametrize("run", FORWARD.values(), ids=FORWARD.keys())
def test_the_maker_is_named_with_its_line_and_operands(run):
    message = blame(run, X)
    first, second, third = message.splitlines()[:3]
    assert first.startswith("[log] invalid value (nan) encountered in log: 2 of 3 elements")
    assert second == f"At {line_of('forward')}"
    assert "f64[" in third and "min -2, max 2" in third
    assert "debug_nans(False)" in message.splitlines()[-1]


def test_the_first_element_and_the_names_of_operands():
    def f(top, bottom):
        return top / bottom

    message = blame(fxad.jit(f), np.array([1.0, 0.0]), np.array([1.0, 0.0]))
    assert "1 of 2 elements, the first at [1]" in message
    assert "operand 0: top: f64[2] min 0, max 1, 1 zero" in message
    assert "operand 1: bottom: f64[2] min 0, max 1, 1 zero" in message


def test_operations_on_plain_values_are_checked():
    assert "encountered in div" in blame(lax.div, 0.0, 0.0)
    assert "encountered in log" in blame(fnp.log, np.array([1.0, -1.0]))
    assert "encountered in sqrt" in blame(fnp.sqrt, -1.0)
    assert "encountered in exp" in blame(fnp.exp, 1000.0, infs=True)
    with fxad.debug_nans():
        assert fnp.sinc(0.0) == 1.0
        assert np.isnan(fnp.array([np.nan])).all()  # data may hold what it will


def test_an_argument_that_brought_it_is_named():
    def f(params, x):
        return np.sum(params["w"] * x)

    params = {"w": np.array([1.0, np.nan])}
    for run in (fxad.grad(f), fxad.jit(f), fxad.jit(fxad.grad(f))):
        message = blame(run, params, np.ones(2))
        assert "[mul]" in message and "the argument params['w'] of f" in message
        assert "1 of 2 elements, the first at [1]" in message
    assert "the argument x of " in blame(fxad.jit(lambda x: x * 3.0), np.nan)
    _, pull = fxad.vjp(np.sin, 1.0)
    assert "it came in with the cotangent" in blame(lambda: fxad.vjp(np.sin, 1.0)[1](np.nan))
    assert np.isnan(pull(np.nan)[0])


def test_results_that_no_operation_made():
    message = blame(fxad.jit(lambda x: (np.nan, x + 2)), 3)
    assert "encountered in jit <lambda>" in message and "a literal or a constant" in message
    assert "came in with an input" in blame(fxad.jit(lambda x: x), np.nan)
    assert "encountered in jit" in blame(fxad.jit(lambda x: np.inf), 1.0, infs=True)


def test_infinities_that_are_there_are_passed_on():
    def attention(x):
        return np.sum(fnp.exp(fnp.where(x > 0, x, -np.inf)))

    with fxad.debug_infs():
        np.testing.assert_allclose(fxad.jit(attention)(X), np.exp(1) + np.exp(4))
        fxad.grad(attention)(X)
    message = blame(lambda x: fxad.jit(np.divide)(x, np.array([1.0, 0.0])), np.array([np.inf, 1.0]),
                    infs=True)
    assert "1 of 2 elements, the first at [1]" in message


def test_what_a_custom_rule_does_is_at_the_users_own_line():
    @fxad.custom_vjp
    def f(x):
        return x * 1.0

    def bwd(x, ct):
        return (lax.log(x) * ct,)  # bwd

    f.defvjp(lambda x: (f(x), x), bwd)
    message = blame(fxad.grad(lambda x: np.sum(f(x))), -X)
    assert "[log]" in message and f"At {line_of('bwd')}" in message
    assert "in the backward pass of custom_vjp_call f" in message

    @fxad.custom_jvp
    def g(x):
        return np.arccos(x)

    g.defjvp(lambda primals, tangents: (lax.acos(*primals), tangents[0]))
    assert "[acos]" in blame(fxad.grad(g), 2.0)


# The backward pass -------------------------------------------------------------------------------

TRAP = {
    "grad": fxad.grad,
    "vjp": lambda f: lambda x: fxad.vjp(f, x)[1](1.0),
    "jit of grad": lambda f: fxad.jit(fxad.grad(f)),
    "grad of jit": lambda f: fxad.grad(fxad.jit(f)),
    "grad of checkpoint": lambda f: fxad.grad(fxad.checkpoint(f)),
    "vmap of grad": lambda f: lambda x: fxad.vmap(fxad.grad(f))(np.stack([x, x])),
    "grad of vmap": lambda f: lambda x: fxad.grad(lambda x: np.sum(fxad.vmap(f)(x)))(x[None]),
    "hessian": fxad.hessian,
    "reverse over reverse": lambda f: fxad.jacrev(fxad.grad(f)),
}


@pytest.mark.parametrize("transform", TRAP.values(), ids=TRAP.keys())
def test_the_untaken_branch_is_diagnosed(transform):
    message = blame(transform(root_or_zero), X)
    assert "encountered in mul, in the backward pass of sqrt: " in message
    assert f"At {line_of('trap')}" in message
    assert "the cotangent: f64[" in message and "the slope of sqrt: f64[" in message
    assert re.search("The untaken branch of this `where` has an infinite derivative", message)
    assert "np.where(x > 0, np.sqrt(np.where(x > 0, x, 1.0)), 0.0)" in message
    assert "safe_where" in message


def test_the_where_may_stand_at_another_line():
    message = blame(fxad.grad(root_then_where), X)
    assert f"At {line_of('root')}" in message
    assert f"infinite derivative (sqrt): {line_of('where')}" in message
    # The condition there has another shape than the operand.
    assert "fnp.where(condition, 1.0, x) in the place of the operand x of sqrt" in message

    def f(x):
        y = np.sqrt(np.sum(x**2, axis=-1))
        return np.sum(np.where(np.eye(2) == 1, 0.0, y))

    message = blame(fxad.grad(f), np.ones((2, 2, 3)) - np.eye(2)[:, :, None])
    assert "np.sqrt(np.where(np.eye(2) == 1, 1.0, np.sum(x ** 2, axis=-1)))" in message


def _at_one(x):
    return np.sum(np.where(x > 0, np.arccos(1 - x / 4), 0.0))


def _tiny_power(x):
    return np.sum(np.where(x > 0, x**0.5, 0.0))


def _ratio(x):
    return np.sum(fnp.where(x == 0, 1.0, fnp.sin(x) / x))


def _infinite_product(x):
    return np.sum(np.where(x > 0, x * np.log(x), 0.0))


def _selected(x):
    return np.sum(lax.select(x > 0, np.sqrt(x), x))


def _several_conditions(x):
    return np.sum(fnp.select([x > 1, x > 0], [x, np.sqrt(x)], 0.0))


TRAPS = {
    "lax.select": (_selected, "lax.select(x > 0, np.sqrt(fnp.where(x > 0, x, 1.0)), x)"),
    "select": (_several_conditions, "fnp.where(condition, x, 1.0) in the place of the operand x"),
    "log": (
        lambda x: np.sum(fnp.where(x > 0, fnp.log(x), 0.0)),
        "fnp.where(x > 0, fnp.log(fnp.where(x > 0, x, 1.0)), 0.0)",
    ),
    "arccos": (_at_one, "np.where(x > 0, np.arccos(np.where(x > 0, 1 - x / 4, 0.0)), 0.0)"),
    "power": (_tiny_power, "np.where(x > 0, np.where(x > 0, x, 1.0) ** 0.5, 0.0)"),
}


@pytest.mark.parametrize(("f", "fix"), TRAPS.values(), ids=TRAPS.keys())
def test_the_classic_traps(f, fix):
    message = blame(fxad.grad(f), X)
    assert "The untaken branch of this `where` has an infinite derivative" in message
    assert fix in message


def test_a_trap_that_is_one_going_forward():
    message = blame(fxad.grad(_ratio), X)
    assert message.startswith("[div] invalid value (nan) encountered in div: 1 of 3 elements")
    assert "fnp.where(x == 0, 1.0, fnp.sin(x) / fnp.where(x == 0, 1.0, x))" in message
    message = blame(fxad.jit(_infinite_product), X)
    assert message.startswith("[mul] invalid value (nan) encountered in mul: 1 of 3 elements")
    assert "np.where(x > 0, x * np.log(np.where(x > 0, x, 1.0)), 0.0)" in message


def test_whose_slope_made_the_cotangent_infinite():
    def length(x):
        y = np.sum(x * x)
        return 2.0 * np.sqrt(y)  # infinite

    message = blame(fxad.grad(length), np.zeros(3))
    assert "encountered in mul, in the backward pass of mul: 3 of 3 elements" in message
    assert f"The slope of sqrt made the cotangent infinite: {line_of('infinite')}" in message
    assert "Keep the operand of sqrt away from there" in message
    assert "made the cotangent infinite" not in blame(
        lambda x: fxad.vjp(lambda x: x * x, x)[1](np.full(3, np.inf)), np.zeros(3)
    )


def test_what_a_variable_runs_to_be_flattened_is_not_looked_at():
    def run():
        _, pullback = fxad.vjp(lambda x: np.sum(lax.atan2(x, x)), np.zeros(2))
        return pullback(1.0)

    message = blame(run)
    assert "[div]" in message and "in the backward pass of atan2" in message


def test_a_deferred_slope_is_at_its_operation_in_a_linear_program():
    def angle(x):
        return np.sum(lax.atan2(x, x))  # angle

    message = blame(lambda x: fxad.linearize(angle, x)[1](x), np.zeros(2))
    assert "in the derivative of atan2" in message and f"At {line_of('angle')}" in message


INNOCENT = {
    "no where": lambda x: np.sum(x * np.sqrt(x)),
    "a mask that multiplies": lambda x: np.sum((x > 0) * np.sqrt(x)),
    "the branch is taken": lambda x: np.sum(x * np.where(x >= 0, np.sqrt(x), 0.0)),
    "another element": lambda x: np.sum(x * np.where(x < 4, np.sqrt(x), 0.0)),
    "a where elsewhere": lambda x: np.sum(np.where(x > 0, x, 0.0) * np.sqrt(x)),
}


@pytest.mark.parametrize("f", INNOCENT.values(), ids=INNOCENT.keys())
def test_no_where_is_blamed_that_did_not_do_it(f):
    message = blame(fxad.grad(f), X)
    assert "in the backward pass of sqrt" in message
    assert "The slope of sqrt is not finite at 1 of 3 elements, the first at [1]." in message
    assert "0 times that is NaN" in message
    assert "untaken" not in message


def _in_branches(f):
    def chosen(first, x):
        return lax.cond(first, f, lambda x: np.sum(x), x)

    return lambda x: fxad.vmap(fxad.grad(chosen, argnums=1))(np.array([True, False]), X + 0 * x)


def _in_loops(f):
    def repeated(count, x):
        return lax.fori_loop(0, count, lambda _, y: y + f(x), 0.0)

    return lambda x: fxad.vmap(fxad.grad(repeated, argnums=1))(np.array([1, 2]), x)


PROGRAMS = {"cond": _in_branches, "jit of cond": lambda f: fxad.jit(_in_branches(f)),
            "fori_loop": _in_loops, "jit of fori_loop": lambda f: fxad.jit(_in_loops(f))}


@pytest.mark.parametrize("ran_before", [False, True])
@pytest.mark.parametrize("program", PROGRAMS.values(), ids=PROGRAMS.keys())
def test_the_untaken_branch_in_programs_of_a_batch(program, ran_before):
    run, x = program(lambda x: root_or_zero(x)), np.stack([X, X])
    if ran_before:
        with np.errstate(all="ignore"):
            assert np.isnan(run(x)).any()
    message = blame(run, x)
    assert "in the backward pass of " in message and f"At {line_of('trap')}" in message
    assert "Its cotangent is 0 there at " in message
    assert f"The untaken branch of this `where` has an infinite derivative (sqrt): " \
           f"{line_of('trap')}" in message
    assert "np.where(x > 0, np.sqrt(np.where(x > 0, x, 1.0)), 0.0)" in message
    assert message.endswith("zero cotangents stay zero.")


@pytest.mark.parametrize("program", PROGRAMS.values(), ids=PROGRAMS.keys())
@pytest.mark.parametrize("f", INNOCENT.values(), ids=INNOCENT.keys())
def test_no_where_is_blamed_in_programs_of_a_batch(f, program):
    message = blame(program(f), np.stack([X, X]))
    assert "[mul]" in message and "untaken" not in message


def test_an_infinite_slope_under_debug_infs():
    message = blame(fxad.grad(np.sqrt), 0.0, infs=True)
    assert "encountered in div, in the backward pass of sqrt" in message
    assert "The slope of sqrt is not finite" in message and "untaken" not in message
    assert "untaken branch" in blame(fxad.grad(root_or_zero), X, infs=True)


def test_sums_of_cotangents_are_checked():
    def f(x):
        return np.sqrt(x) - np.sqrt(x)

    assert "encountered in add_any" in blame(fxad.grad(f), 0.0)
    assert "encountered in add_any" in blame(fxad.grad(lambda x: np.sum(f(x))), X)


def test_the_tangent_of_an_operation_is_named():
    message = blame(lambda: fxad.jvp(np.sqrt, (0.0,), (0.0,)))
    assert "encountered in mul, in the derivative of sqrt" in message
    assert "a tangent of sqrt: f64[] = 0.0" in message
    message = blame(lambda: fxad.linearize(root_or_zero, X)[1](np.zeros(3)))
    assert f"At {line_of('trap')}" in message


def test_the_safe_switch_makes_no_nan_to_blame():
    for transform in (fxad.grad, fxad.jacfwd, lambda f: fxad.jit(fxad.grad(f))):
        with fxad.debug_nans(), fxad.safe_where():
            np.testing.assert_allclose(transform(root_or_zero)(X), [0.5, 0.0, 0.25])


# Loops and branches ------------------------------------------------------------------------------


def _scan_of_roots(xs):
    def step(carry, x):
        y = np.where(x > 0, np.sqrt(x), 0.0)  # step
        return carry + y, y

    return lax.scan(step, 0.0, xs)[0]


@pytest.mark.parametrize("name", ["grad", "jit of grad", "grad of jit", "vmap of grad"])
def test_steps_of_a_scan(name):
    message = blame(TRAP[name](_scan_of_roots), X)
    assert "in the backward pass of sqrt (step 1 of scan)" in message
    assert f"At {line_of('step')}" in message
    assert "untaken branch" in message


def test_steps_of_a_while_loop():
    def logs(x):
        step = lambda c: (c[0] + 1, fnp.log(c[1]))  # noqa: E731
        return lax.while_loop(lambda c: c[0] < 5, step, (0, x))[1]

    for run in (logs, fxad.jit(logs), fxad.grad(logs)):
        assert "encountered in log (step 3 of while_loop)" in blame(run, 3.0)
    assert "[log]" in blame(fxad.vmap(logs), np.array([3.0, 4.0]))
    assert "step 1 of scan" in blame(
        lambda: lax.fori_loop(0, 3, lambda i, c: np.sqrt(c - 1.0), np.float64(1.5))
    )


def test_loops_over_what_has_no_value_are_staged_as_ever():
    def f(limit):
        return lax.while_loop(lambda c: c < limit, lambda c: c * 2.0, 1.0)

    with fxad.debug_nans():
        np.testing.assert_array_equal(fxad.vmap(f)(np.array([3.0, 9.0])), [4.0, 16.0])
        assert "while" in str(fxad.make_jaxpr(f)(3.0))


def test_functions_that_combine_elements_are_in_sight():
    def ratio(a, b):
        return a / b

    zeros = np.zeros(3)
    assert "[div]" in blame(lambda: lax.associative_scan(ratio, zeros))
    assert "[log]" in blame(lambda: lax.map(lambda x: fnp.log(x - 1.0), zeros))


@pytest.mark.parametrize("kind", ["nan", "inf"])
def test_a_branch_that_returns_it(kind):
    value = getattr(np, kind)

    @fxad.jit
    def f(x):
        return lax.cond(x == 1, lambda _: value, lambda _: 2.0, operand=None)

    f(2)
    message = blame(f, 1, infs=kind == "inf")
    assert re.search(rf"invalid value \({kind}\) encountered in .*cond", message)
    with config.override(**{f"debug_{kind}s": True}):
        assert f(2) == 2.0


# The switches ------------------------------------------------------------------------------------


def test_nothing_is_in_place_while_they_are_off():
    def methods():
        return [EvalTrace.process, LinearizeTrace.process, TapeTrace.process, Combined.pull]

    plain = methods()
    with fxad.debug_nans():
        assert not set(plain) & set(methods())
        with pytest.raises(NonFiniteError):
            lax.log(-1.0)
    assert methods() == plain
    with np.errstate(invalid="ignore"):
        assert np.isnan(lax.log(-1.0))
    with np.errstate(all="ignore"):
        assert np.isnan(fxad.grad(root_or_zero)(X)[1])


def test_they_are_of_one_thread():
    found = []

    def other():
        with np.errstate(all="ignore"):
            found.append(fxad.jit(lambda x: x / x)(0.0))

    with fxad.debug_nans():
        thread = threading.Thread(target=other)
        thread.start()
        thread.join()
    assert np.isnan(found).all()


def test_a_decorator_and_an_inner_context():
    @fxad.debug_nans(False)
    def f():
        with np.errstate(all="ignore"):
            return lax.div(0.0, 0.0)

    with fxad.debug_nans():
        assert np.isnan(f())
        with pytest.raises(FloatingPointError):
            lax.div(0.0, 0.0)


def test_a_jitted_function_that_ran_before_is_checked():
    f = fxad.jit(lambda x: 0.0 / x)
    with np.errstate(all="ignore"):
        assert np.isnan(f(np.array(0.0)))
    blame(f, np.array(0.0))
    blame(fxad.jit(lambda x: 0.0 / x, donate_argnums=0), np.array(0.0))
    with np.errstate(all="ignore"):
        assert np.isnan(f(np.array(0.0)))


def test_static_arguments_stay_as_they_are():
    @fxad.jit(static_argnums=1, static_argnames="kind")
    def f(x, n, kind="a"):
        assert type(n) is int and type(kind) is str
        return sum([x] * n)

    with fxad.debug_nans():
        assert f(1.0, 3, kind="b") == 3.0
        assert fxad.checkpoint(lambda x, n: x**n, static_argnums=1)(2.0, 3) == 8.0


def test_the_environment_and_jaxs_names():
    code = "import fxad; fxad.jit(lambda x: x / x)(0.0)"
    path = os.pathsep.join([str(ROOT), os.path.dirname(os.path.dirname(np.__file__))])
    environment = {**os.environ, "FXAD_DEBUG_NANS": "1", "PYTHONPATH": path}
    ran = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, env=environment
    )
    assert "NonFiniteError: [div] invalid value (nan) encountered in div" in ran.stderr
    with pytest.raises(fxad.errors.ConfigError, match="debug_nans"):
        config.update("jax_debug_nans", True)


def test_values_on_a_device_are_checked_there():
    x = fxad.device_put(np.array([1.0, -1.0]), "fake")
    message = blame(fxad.jit(lambda x: lax.log(x)), x)
    assert "1 of 2 elements, the first at [1]" in message and "min -1, max 1" in message
    trap = fxad.grad(lambda x: lax.reduce_sum(lax.select(x > 0, lax.sqrt(x), x), axes=(0,)))
    assert "untaken branch" in blame(trap, fxad.device_put(np.array([1.0, 0.0]), "fake"))
    assert type(x) is fake.FakeArray


# The library's own operations ----------------------------------------------------------------


def _is_clean(leaves):
    return not any(np.isnan(x).any() for x in map(np.asarray, leaves) if x.dtype.kind in "fc")


@pytest.mark.parametrize("info", [i for i in table() if i.dtypes], ids=str)
def test_operations_make_no_nan_on_their_way(info, rng):
    """Where neither operands nor results have one, nothing is raised, and results are the same."""
    dtype = "float64" if "float64" in info.dtypes else info.dtypes[0]
    for sample in samples(info, dtype, rng):
        flat, leaves = leaves_of(info, sample)
        runs = [lambda flat=flat, leaves=leaves: flat(*leaves)]
        if info.order and "float64" in info.differentiable_dtypes():
            fun, xs = varying(info, sample)
            if xs:
                with np.errstate(all="ignore"):
                    cts = directions(fun(*xs))
                runs.append(lambda fun=fun, xs=xs, cts=cts: fxad.vjp(fun, *xs)[1](cts))
        for run in runs:
            with explained(info, sample), np.errstate(all="ignore"):
                wanted = fxad.tree.leaves(run())
                if not _is_clean(fxad.tree.leaves((leaves, wanted))):
                    continue
                with fxad.debug_nans():
                    got = fxad.tree.leaves(run())
                for a, b in zip(got, wanted, strict=True):
                    np.testing.assert_allclose(a, b, rtol=1e-12)


@pytest.mark.parametrize(
    ("numpy_like", "f"),
    [
        ("div", lambda xp, x: x / (x - x)),
        ("log", lambda xp, x: xp.log(-x)),
        ("tanh", lambda xp, x: xp.tanh(x)),
        ("sinc", lambda xp, x: xp.sinc(x - x)),
        ("norm", lambda xp, x: xp.linalg.norm(x)),
    ],
)
def test_jax_raises_where_it_raises(numpy_like, f):
    """The values alone; what JAX sees of derivatives it sees in other operations."""
    jax = pytest.importorskip("jax")
    x = np.array([1.0, 0.0])

    def raises(library, xp, error):
        try:
            with library.debug_nans(True), np.errstate(all="ignore"):
                library.jit(lambda x: f(xp, x))(x)
        except error:
            return True
        return False

    assert raises(fxad, fnp, FloatingPointError) == raises(jax, jax.numpy, FloatingPointError)
