"""``while_loop`` and ``fori_loop``: any number of steps, in both modes, from few states."""

import functools
import math
import re

import numpy as np
import pytest

import fxad
import fxad.numpy as fnp
from fxad import config, lax
from fxad.control import trajectory
from fxad.errors import (
    ArgumentTypeError,
    ArgumentValueError,
    LoopBoundError,
    StructureError,
    TracerBoolConversionError,
)
from fxad.test_util import check_grads

WEIGHTS = np.array([[0.5, -0.3, 0.2], [0.1, 0.4, -0.6], [0.7, 0.2, 0.3]])
START = np.array([0.2, -0.4, 0.6])


def repeated(weights, h, n, **kwargs):
    gains = np.tanh(weights)

    def step(carry):
        i, h = carry
        return i + 1, np.tanh(gains @ h + 0.1 * h)

    return lax.while_loop(lambda carry: carry[0] < n, step, (0, h), **kwargs)[1]


def unrolled(weights, h, n):
    gains = np.tanh(weights)
    for _ in range(n):
        h = np.tanh(gains @ h + 0.1 * h)
    return h


def total(f):
    return lambda *args: np.sum(np.sin(f(*args)))


def assert_close(got, wanted, tol=1e-11):
    fxad.tree.map(lambda a, b: np.testing.assert_allclose(a, b, rtol=tol, atol=tol), got, wanted)


SCHEMES = [None, True, "log", 1, 3]
ORDERS = {
    "forward over forward": lambda f: fxad.jacfwd(fxad.jacfwd(total(f), (0, 1)), (0, 1)),
    "forward over reverse": lambda f: fxad.jacfwd(fxad.jacrev(total(f), (0, 1)), (0, 1)),
    "reverse over forward": lambda f: fxad.jacrev(fxad.jacfwd(total(f), (0, 1)), (0, 1)),
    "reverse over reverse": lambda f: fxad.jacrev(fxad.jacrev(total(f), (0, 1)), (0, 1)),
}


@pytest.mark.parametrize("checkpoint", SCHEMES)
@pytest.mark.parametrize("n", [0, 1, 7])
def test_it_means_the_loop(n, checkpoint):
    f = functools.partial(repeated, n=n, checkpoint=checkpoint)
    wanted = functools.partial(unrolled, n=n)
    args = WEIGHTS, START
    assert_close(f(*args), wanted(*args))
    assert_close(fxad.jit(f)(*args), wanted(*args))
    gradient = fxad.grad(total(wanted), (0, 1))(*args)
    assert_close(fxad.grad(total(f), (0, 1))(*args), gradient)
    assert_close(fxad.jit(fxad.grad(total(f), (0, 1)))(*args), gradient)
    for order in ORDERS.values():
        assert_close(order(f)(*args), order(wanted)(*args))


@pytest.mark.parametrize("order", ORDERS)
def test_the_number_of_steps_may_be_an_argument(order):
    f = fxad.jit(lambda w, h, n: ORDERS[order](functools.partial(repeated, n=n))(w, h))
    for n in (3, 0, 5):
        wanted = ORDERS[order](functools.partial(unrolled, n=n))(WEIGHTS, START)
        assert_close(f(WEIGHTS, START, n), wanted)


def test_higher_orders():
    def slopes(f, order):
        g = lambda a: np.sum(f(a * WEIGHTS, START, 4))  # noqa: E731
        for _ in range(order):
            g = fxad.grad(g)
        return g(0.8)

    for order in (3, 4):
        assert_close(slopes(repeated, order), slopes(unrolled, order), 1e-9)
    mixed = [
        fxad.jacfwd(fxad.jacrev(fxad.jacfwd(lambda a, f=f: f(a * WEIGHTS, START, 3))))(0.8)
        for f in (repeated, unrolled)
    ]
    assert_close(*mixed, 1e-9)


def test_examples_that_are_done_stay_as_they_are():
    counts = np.array([0, 4, 2, 7])
    starts = np.linspace(-1, 1, 12).reshape(4, 3)

    def f(w, hs):
        return fxad.vmap(lambda n, h: repeated(w, h, n))(counts, hs)

    def wanted(w, hs):
        return np.stack([unrolled(w, hs[i], n) for i, n in enumerate(counts)])

    args = WEIGHTS, starts
    assert_close(f(*args), wanted(*args))
    for way in (fxad.grad, lambda f, n: fxad.jit(fxad.grad(f, n)), fxad.hessian):
        assert_close(way(total(f), (0, 1))(*args), way(total(wanted), (0, 1))(*args))
    per_example = fxad.vmap(lambda n, h: fxad.grad(total(repeated))(WEIGHTS, h, n))(counts, starts)
    loop = [fxad.grad(total(unrolled))(WEIGHTS, h, n) for n, h in zip(counts, starts, strict=True)]
    assert_close(per_example, np.stack(loop))


def test_what_a_body_makes_of_examples_that_are_done_harms_nobody():
    """Where these have no logarithm the others have gradients, and nobody is warned."""

    def f(x, a):
        def step(c):
            x, total = c
            return x - 1, total + np.log(x * a) * np.sqrt(x)

        return lax.while_loop(lambda c: c[0] > 0, step, (x, 0.0))[1]

    xs, scales = np.array([2.5, 0.0, 4.0, -1.0]), np.array([1.0, 2.0, 3.0, -4.0])
    with np.errstate(all="raise"):
        for way in (lambda f: f, fxad.grad, lambda f: fxad.jit(fxad.grad(f, 1))):
            wanted = [way(f)(x, a) for x, a in zip(xs, scales, strict=True)]
            np.testing.assert_allclose(fxad.vmap(way(f))(xs, scales), wanted, rtol=1e-12)
        total = fxad.grad(lambda x, a: np.sum(fxad.vmap(f, (0, None))(x, a)), (0, 1))(xs, 2.0)
    wanted = [fxad.grad(f, (0, 1))(x, 2.0) for x in xs]
    np.testing.assert_allclose(total[0], [w[0] for w in wanted], rtol=1e-12)
    np.testing.assert_allclose(total[1], sum(w[1] for w in wanted), rtol=1e-12)


def test_truth_values_are_numpys():
    def f():
        return lax.while_loop(lambda c: ~c[1], lambda c: (c[0] + 1, c[0] > 3), (0, False))

    assert f() == fxad.jit(f)() == (5, True)


def test_a_row_of_a_batched_pullback():
    counts, starts = np.array([3, 1]), np.stack([START, -START])
    _, pulls = fxad.vmap(lambda n, h: fxad.vjp(lambda h: repeated(WEIGHTS, h, n), h))(
        counts, starts
    )
    for i, n in enumerate(counts):
        pull = fxad.tree.map(lambda leaf, i=i: leaf[i], pulls)
        wanted = fxad.vjp(lambda h, n=n: unrolled(WEIGHTS, h, n), starts[i])[1](np.ones(3))
        assert_close(pull(np.ones(3)), wanted)


def test_loops_in_loops_and_branches():
    counts = np.array([1, 3, 2])

    def inner(w, h):
        return lax.scan(lambda h, n: (repeated(w, h, n), h), h, counts)[0]

    def wanted(w, h):
        for n in counts:
            h = unrolled(w, h, n)
        return h

    for way in (fxad.grad, fxad.hessian):
        assert_close(way(total(inner), (0, 1))(WEIGHTS, START),
                     way(total(wanted), (0, 1))(WEIGHTS, START))

    def either(h, p):
        return lax.cond(
            p, lambda: repeated(WEIGHTS, h, 3), lambda: repeated(WEIGHTS, h, 2) * h
        )

    starts = np.stack([START, -START])
    got = fxad.vmap(fxad.grad(total(either)))(starts, np.array([True, False]))
    assert_close(got[0], fxad.grad(total(unrolled), 1)(WEIGHTS, START, 3))
    assert_close(got[1], fxad.grad(lambda h: np.sum(np.sin(unrolled(WEIGHTS, h, 2) * h)))(-START))


# How it runs -------------------------------------------------------------------------------------


def test_on_plain_values_it_runs_as_python():
    seen = []

    def body(x):
        seen.append(x.copy())
        x += 1  # what it got is its own
        return x

    start = np.zeros(2)
    out = lax.while_loop(lambda x: x[0] < 3, body, start)
    assert out.tolist() == [3, 3] and start.tolist() == [0, 0]
    assert [s[0] for s in seen] == [0, 1, 2]
    indices = []
    lax.fori_loop(2, 5, lambda i, x: (indices.append(i), x)[1], 0.0)
    assert indices == [2, 3, 4]


def test_functions_that_need_values_run_as_python_under_derivatives():
    def halved(x):
        return lax.while_loop(lambda x: x > 1, lambda x: x / 2 if x > 2 else x / 4, x)

    assert fxad.grad(halved)(7.0) == 1 / 16
    with pytest.raises(TracerBoolConversionError, match=r"lax\.cond"):
        fxad.jit(halved)(7.0)


def test_with_jit_disabled_it_is_python_everywhere():
    seen = []
    with config.override(disable_jit=True):
        f = fxad.jit(lambda n: lax.fori_loop(0, n, lambda i, x: (seen.append(i), x + i)[1], 0))
        assert f(4) == 6
    assert seen == [0, 1, 2, 3]


def count_steps(f):
    """How often the body of a loop ran, in all."""
    steps = []

    def body(x):
        fxad.debug.callback(lambda: steps.append(1))
        return np.sin(x)

    f(body)
    return len(steps)


def test_the_backward_pass_remembers_the_forward_pass():
    def gradient(body):
        fxad.grad(lambda x: lax.fori_loop(0, 10, body_of(body), x))(0.5)

    def body_of(body):
        return lambda i, x: body(x)

    def gradient_of_while(body):
        def f(x):
            return lax.while_loop(lambda c: c[0] < 10, lambda c: (c[0] + 1, body(c[1])), (0, x))[1]

        fxad.jit(fxad.grad(f))(0.5)

    assert count_steps(gradient) == 10
    assert count_steps(gradient_of_while) == 10


@pytest.mark.parametrize("steps", [1, 2, 5, 30, 100])
def test_square_root_schemes_run_each_step_once_more(steps):
    def gradient(body):
        def f(x):
            step = lambda c: (c[0] + 1, body(c[1]))  # noqa: E731
            return lax.while_loop(lambda c: c[0] < steps, step, (0, x), checkpoint=True)[1]

        fxad.grad(f)(0.5)

    assert count_steps(gradient) == 2 * steps


@functools.cache
def fewest(steps, free):
    """The fewest steps forward to reverse a chain, by trying all places for the next state."""
    if steps <= max(free, 1):
        return steps
    if free == 0:
        return steps * (steps + 1) // 2
    return min(m + fewest(steps - m, free - 1) + fewest(m, free) for m in range(1, steps))


def runs(steps, free):
    if steps <= max(free, 1) or free == 0:
        return fewest(steps, free)
    m = trajectory.first_part(steps, free)
    return m + runs(steps - m, free - 1) + runs(m, free)


@pytest.mark.parametrize("free", [0, 1, 2, 3, 6])
def test_states_are_put_where_they_save_most(free):
    for steps in range(1, 100):
        assert runs(steps, free) <= 1.09 * fewest(steps, free)


@pytest.mark.parametrize("checkpoint", [1, 3])
def test_the_schedule_runs_as_many_steps_as_it_says(checkpoint):
    steps = 11

    def gradient(body):
        def f(x):
            step = lambda c, _: (body(c), None)  # noqa: E731
            return lax.scan(step, x, length=steps, checkpoint=checkpoint)[0]

        fxad.grad(f)(0.5)

    assert count_steps(gradient) <= steps + runs(steps, checkpoint - 1)


@pytest.mark.parametrize(
    ("checkpoint", "allowed"),
    [
        (True, lambda n: 2 * math.sqrt(2 * n) + 2),
        ("log", lambda n: 2 * math.log2(n + 2) + 2),
        (4, lambda n: 5),
        (1, lambda n: 2),
    ],
)
def test_few_states_are_kept(checkpoint, allowed):
    for n in (1, 10, 100, 1000):
        _, pull = fxad.vjp(lambda h, n=n: repeated(WEIGHTS, h, n, checkpoint=checkpoint), START)
        (box,) = (x for x in fxad.tree.leaves(pull) if getattr(x, "dtype", None) is not None
                  and x.dtype == trajectory.trajectory_dtype)
        kept = box["trajectory"].item()
        assert kept.columns is None and kept.steps == n
        assert len(kept.states) <= allowed(n), n


# fori_loop ---------------------------------------------------------------------------------------


def test_indices_are_weak():
    """As Python's own: they leave float32 as it is, in values and derivatives, batched or not."""

    def f(x, n):
        return lax.fori_loop(0, n, lambda i, x: np.sin(x) * i * i + 0.5 * i, x)

    x, n = np.linspace(0, 1, 2, dtype=np.float32), 3
    wanted = fxad.grad(lambda x: np.sum(f(x, n)))(x.astype(np.float64))
    gradients = [
        fxad.grad(lambda x: np.sum(f(x, n)))(x),
        fxad.jit(fxad.grad(lambda x, n: np.sum(f(x, n))))(x, n),
        fxad.vmap(fxad.grad(f), (0, None))(x, n),
        fxad.vmap(fxad.grad(f))(x, np.array([n, n])),
        fxad.grad(lambda x: np.sum(fxad.vmap(f)(x, np.array([n, n]))))(x),
        np.diag(fxad.jacfwd(f)(x, n)),
    ]
    for gradient in gradients:
        assert gradient.dtype == np.float32
        np.testing.assert_allclose(gradient, wanted, rtol=1e-5)
    values = [f(x, n), fxad.jit(f)(x, n), fxad.jit(f, static_argnums=1)(x, n),
              fxad.vmap(f, (0, None))(x, n), fxad.vmap(f)(x, np.array([n, n]))]
    assert [v.dtype for v in values] == [np.float32] * 5


@pytest.mark.parametrize("bounds", [(0, 4), (2, 6), (3, 3), (5, 2), (-2, 1)])
def test_bounds(bounds):
    def f(x, lower, upper):
        return lax.fori_loop(lower, upper, lambda i, y: y * x + i, x)

    wanted, slope = 0.7, 1.0
    for i in range(*bounds):
        wanted, slope = wanted * 0.7 + i, slope * 0.7 + wanted
    for g in (f, fxad.jit(f), fxad.jit(f, static_argnums=(1, 2))):
        assert g(0.7, *bounds) == pytest.approx(wanted)
        assert fxad.grad(g)(0.7, *bounds) == pytest.approx(slope)


def test_unrolled_turns():
    def f(x):
        return lax.fori_loop(0, 7, lambda i, y: np.sin(y) * i, x, unroll=3)

    jaxpr = fxad.make_jaxpr(f)(0.5)
    assert [e.params["length"] for e in jaxpr.eqns if e.primitive.name == "scan"] == [2, 1]
    y = 0.5
    for i in range(7):
        y = np.sin(y) * i
    assert f(0.5) == fxad.jit(f)(0.5) == y
    with pytest.raises(ArgumentValueError, match="bounds whose values are not known"):
        fxad.jit(lambda n: lax.fori_loop(0, n, lambda i, y: y, 0, unroll=2))(3)


# What is refused ---------------------------------------------------------------------------------

both = pytest.mark.parametrize("staged", [False, True], ids=["eager", "jit"])


def call(staged, f, *args):
    return (fxad.jit(f) if staged else f)(*args)


@both
@pytest.mark.parametrize(
    ("body", "problem"),
    [
        (lambda c: {"n": c["n"] + 1, "x": c["x"].astype(np.float32)},
         r"carry\['x'\] goes in as float64\[3\] and comes out as float32\[3\]"),
        (lambda c: {"n": c["n"] + 1.5, "x": c["x"]}, r"carry\['n'\] goes in as int64\[\] and"),
        (lambda c: {"n": c["n"] + 1, "x": c["x"][:2]}, r"carry\['x'\] goes in as float64\[3\] and"),
        (lambda c: (c["n"] + 1, c["x"]), "another structure than its carry input"),
        (lambda c: None, "another structure than its carry input"),
    ],
)
def test_carries_that_change(staged, body, problem):
    start = {"n": np.asarray(0), "x": START}
    with pytest.raises(StructureError, match=problem) as caught:
        call(staged, lambda c: lax.while_loop(lambda c: c["n"] < 3, body, c), start)
    assert "test_while_loop.py" in str(caught.value)


@pytest.mark.parametrize("transform", [lambda f: f, fxad.jit], ids=["known", "unknown"])
def test_the_index_of_a_fori_loop_has_the_dtype_of_its_first_value(transform):
    """It gave way to others where the bounds were known, whatever they were."""

    def dtypes(*bounds):
        body = lambda i, c: (c[0] + i * np.float32(1), i)  # noqa: E731
        start = (np.zeros((), np.result_type(bounds[0], np.float32)), bounds[0])
        return [x.dtype for x in transform(lambda *b: lax.fori_loop(*b, body, start))(*bounds)]

    assert dtypes(np.int64(0), np.int64(3)) == [np.float64, np.int64]
    assert dtypes(np.int8(0), np.int8(3)) == [np.float32, np.int8]
    assert dtypes(np.int16(0), 3) == [np.float32, np.int16]
    weak = transform(lambda n: lax.fori_loop(0, n, lambda i, c: c + i, np.float32(0)))
    assert weak(np.int64(3)).dtype == np.float32
    last = transform(lambda *b: lax.fori_loop(*b, lambda i, c: i + 0, 0))
    assert last(np.int8(120), np.int64(140)) == 139  # beyond int8

    def product(x):
        return lax.fori_loop(x, x + 2.0, lambda i, c: c * i, 1.0)

    assert (transform(product)(3.0), transform(fxad.grad(product))(3.0)) == (12.0, 7.0)


XS32 = np.array([1.0, 2.0], np.float32)


@pytest.mark.parametrize(
    "f",
    [
        lambda c: lax.fori_loop(0, 2, lambda i, v: (v[0] * 0.5, v[1] + v[0] * XS32), (c, XS32)),
        lambda c: lax.while_loop(
            lambda v: v[0] > 0.3, lambda v: (v[0] * 0.5, v[1] + v[0] * XS32), (c, XS32)
        ),
        lambda c: lax.scan(lambda c, x: (c * 0.5, c * x), c, XS32),
        lambda c: lax.cond(c > 0, lambda: c + 0.5, lambda: -1) * XS32,
        lambda c: lax.cond(c > 2, lambda: c + 0.5, lambda: -1) * XS32,
        lambda c: lax.switch(c, [lambda: 1, lambda: c + 0.5, lambda: 2j]) * XS32,
    ],
    ids=["fori", "while", "scan", "taken", "not taken", "switch"],
)
def test_numbers_of_two_kinds_are_joined_to_a_number(f):
    """Where programs made an array of it, they gave other dtypes than they had promised."""
    wanted = fxad.tree.leaves(f(1))
    staged = fxad.tree.leaves(fxad.eval_shape(f, 1))
    for got in (fxad.jit(f)(1), fxad.jit(lambda c: fxad.tree.map(lambda x: x * 1, f(c)))(1)):
        for a, b, promised in zip(fxad.tree.leaves(got), wanted, staged, strict=True):
            np.testing.assert_array_equal(a, b, strict=True)
            assert promised.dtype == b.dtype


@both
@pytest.mark.parametrize("known", [True, False], ids=["known", "unknown"])
@pytest.mark.parametrize(
    ("body", "problem"),
    [
        (lambda i, c: {"a": (c["a"][0].astype(np.float32),)},
         r"dtype: value\['a'\]\[0\] goes in as float64\[3\] and comes out as float32\[3\]"),
        (lambda i, c: {"a": (c["a"][0][:2],)},
         r"shape: value\['a'\]\[0\] goes in as float64\[3\] and comes out as float64\[2\]"),
        (lambda i, c: {"a": c["a"][0]}, r"at value\['a'\]: expected tuple of 1, got a leaf"),
        (lambda i, c: None, "at value: expected dict of 1, got None"),
    ],
)
def test_values_of_a_fori_loop_that_change(staged, known, body, problem):
    """They were named as a part of what a scan carries."""

    def f(x, n):
        return lax.fori_loop(0, 2 if known else n, body, {"a": (x,)})

    with pytest.raises(StructureError, match=rf"^\[fori_loop\] got a body whose .*{problem}"):
        call(staged, f, START, 2)


@pytest.mark.parametrize("max_steps", [-1, 2.5, "3"])
def test_bounds_that_are_none(max_steps):
    with pytest.raises(ValueError, match=r"\[while_loop\] got max_steps=.*wanted None or an int"):
        lax.while_loop(lambda c: c < 3, lambda c: c + 1, 0, max_steps=max_steps)


def test_loops_over_what_is_no_function():
    for loop, usage in (
        (lambda: lax.while_loop(None, abs, 0), "lax.while_loop(cond_fun, body_fun, init_val)"),
        (lambda: lax.while_loop(abs, 1.0, 0), "lax.while_loop(cond_fun, body_fun, init_val)"),
        (lambda: lax.fori_loop(0, 2, 3, 0), "lax.fori_loop(lower, upper, body_fun, init_val)"),
        (lambda: lax.scan(None, 0, np.ones(2)), "lax.scan(f, init, xs)"),
        (lambda: lax.map(None, np.ones(2)), "lax.map(f, xs)"),
        (lambda: lax.switch(0, [None]), "lax.switch(index, [f, g], *operands)"),
        (lambda: lax.associative_scan(0, np.ones(2)), "lax.associative_scan(fn, elems)"),
        (lambda: lax.reduce(np.ones(2), 0.0, None, (0,)), "lax.reduce(x, init_value, lax.add,"),
    ):
        problem = rf"wanted a function\.\n.*\nWrite {re.escape(usage)}"
        with pytest.raises(ArgumentTypeError, match=problem):
            loop()


@both
@pytest.mark.parametrize(
    ("cond", "returned"),
    [
        (lambda x: x > 0, r"bool\[3\]"),
        (lambda x: None, "NoneType None"),
        (lambda x: x[0], r"float64\[\]"),
        (lambda x: (True, True), r"tuple \(True, True\)"),
    ],
)
def test_conditions_that_are_no_truth_values(staged, cond, returned):
    problem = rf"got a condition that returned {returned}, wanted a truth value of shape \(\)"
    with pytest.raises(ArgumentTypeError, match=problem):
        call(staged, lambda x: lax.while_loop(cond, lambda x: x - 1, x), START)


@pytest.mark.parametrize("way", ["value", "jit", "grad", "jit of grad"])
def test_conditions_that_never_fail(way):
    transforms = {"value": lambda f: f, "jit of grad": lambda f: fxad.jit(fxad.grad(f))}
    transform = transforms.get(way) or getattr(fxad, way)

    def f(x):
        return lax.while_loop(lambda x: x < 5, lambda x: x * 0.5, x, max_steps=20)

    with pytest.raises(LoopBoundError, match="still holds after max_steps=20 steps"):
        transform(f)(1.0)
    assert f(7.0) == 7.0
    assert lax.while_loop(lambda x: x < 20, lambda x: x + 1, 0, max_steps=20) == 20


def test_bounds_that_are_no_integers():
    with pytest.raises(ArgumentTypeError, match=r"got upper=float64\[\], wanted an integer"):
        lax.fori_loop(0, 3.0, lambda i, x: x, 0.0)
    with pytest.raises(ArgumentTypeError, match=r"got lower=int64\[2\]"):
        lax.fori_loop(np.zeros(2, int), 3, lambda i, x: x, 0.0)
    with pytest.raises(ArgumentValueError, match="got checkpoint=0"):
        lax.while_loop(lambda x: x < 1, lambda x: x, 0.0, checkpoint=0)


def test_against_jax():
    jax = pytest.importorskip("jax")

    def make(lax, xp):
        def f(x, n):
            def body(c):
                i, y = c
                return i + 1, xp.sin(y) * x + i

            return lax.while_loop(lambda c: c[0] < n, body, (0, x))[1]

        return f

    ours, theirs = make(lax, fnp), make(jax.lax, jax.numpy)
    with jax.enable_x64(True):
        for transform in (lambda m, f: m.jacfwd(m.jacfwd(f)), lambda m, f: m.jit(m.jacfwd(f))):
            assert_close(transform(fxad, ours)(0.3, 4), transform(jax, theirs)(0.3, 4))
        got = fxad.vmap(ours)(np.array([0.1, 0.2]), np.array([1, 5]))
        assert_close(got, jax.vmap(theirs)(np.array([0.1, 0.2]), np.array([1, 5])))
    check_grads(lambda x: ours(x, 4), (0.3,), order=3)
