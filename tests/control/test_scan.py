"""``scan``: Python where values are known, one tracing elsewhere, loops back for reverse mode."""

import numpy as np
import pytest

import fxad
import fxad.control.call
import fxad.numpy as fnp
from fxad import config, lax
from fxad.errors import (
    ArgumentTypeError,
    ArgumentValueError,
    ConcretizationTypeError,
    ShapeError,
    StructureError,
    TracerBoolConversionError,
)
from fxad.test_util import check_grads

WEIGHTS = np.array([[0.5, -0.3, 0.2], [0.1, 0.4, -0.6], [0.7, 0.2, 0.3]])
START = np.array([0.2, -0.4, 0.6])
XS = np.linspace(-1, 1, 15).reshape(5, 3)


def recurrence(weights, h, xs, **kwargs):
    gains = np.tanh(weights)

    def step(h, x):
        new = np.tanh(gains @ h + x)
        return new, (new * x, np.sum(h))

    return lax.scan(step, h, xs, **kwargs)


def unrolled(weights, h, xs):
    gains, ys = np.tanh(weights), []
    for i in range(len(xs)):
        new = np.tanh(gains @ h + xs[i])
        ys.append((new * xs[i], np.sum(h)))
        h = new
    return h, tuple(np.stack(column) for column in zip(*ys, strict=True))


def total(f):
    def summed(*args):
        leaves = fxad.tree.leaves(f(*args))
        return sum(np.sum(np.sin(y) * (i + 1)) for i, y in enumerate(leaves))

    return summed


def assert_close(got, wanted, tol=1e-11):
    assert fxad.tree.structure(got) == fxad.tree.structure(wanted)
    fxad.tree.map(lambda a, b: np.testing.assert_allclose(a, b, rtol=tol, atol=tol), got, wanted)


WAYS = {
    "value": lambda f: f,
    "jit": fxad.jit,
    "grad": lambda f: fxad.grad(total(f), (0, 1, 2)),
    "grad of jit": lambda f: fxad.grad(total(fxad.jit(f)), (0, 1, 2)),
    "jit of grad": lambda f: fxad.jit(fxad.grad(total(f), (0, 1, 2))),
    "forward over reverse": lambda f: fxad.jacfwd(fxad.jacrev(total(f))),
    "reverse over reverse": lambda f: fxad.jacrev(fxad.jacrev(total(f))),
    "reverse over forward": lambda f: fxad.jacrev(fxad.jacfwd(total(f))),
    "third order": lambda f: fxad.grad(
        lambda w, *rest: np.sum(
            fxad.grad(lambda w: np.sum(fxad.grad(total(f))(w, *rest) ** 2))(w) ** 2
        )
    ),
    "checkpoint": lambda f: fxad.grad(fxad.checkpoint(total(f)), (0, 1, 2)),
    "vmap": lambda f: lambda w, h, xs: fxad.vmap(f, (None, 0, None))(
        w, np.stack([h, 2 * h]), xs
    ),
    "grad of vmap": lambda f: lambda w, h, xs: fxad.grad(
        total(fxad.vmap(f, (None, 0, None))), (0, 1, 2)
    )(w, np.stack([h, 2 * h]), xs),
    "vmap of grad": lambda f: lambda w, h, xs: fxad.vmap(
        fxad.grad(total(f), (0, 1, 2)), (None, 0, None)
    )(w, np.stack([h, 2 * h]), xs),
}


@pytest.mark.parametrize("way", WAYS)
def test_it_means_the_loop(way):
    got = WAYS[way](recurrence)(WEIGHTS, START, XS)
    assert_close(got, WAYS[way](unrolled)(WEIGHTS, START, XS))


@pytest.mark.parametrize("way", ["value", "jit", "jit of grad", "forward over reverse"])
@pytest.mark.parametrize("unroll", [0, 2, 3, 5, 9, True, False])
@pytest.mark.parametrize("reverse", [False, True])
def test_turns_of_several_steps(way, unroll, reverse):
    def f(w, h, xs):
        return recurrence(w, h, xs, unroll=unroll, reverse=reverse)

    def wanted(w, h, xs):
        order = -1 if reverse else 1
        carry, ys = unrolled(w, h, xs[::order])
        return carry, tuple(y[::order] for y in ys)

    assert_close(WAYS[way](f)(WEIGHTS, START, XS), WAYS[way](wanted)(WEIGHTS, START, XS))


@pytest.mark.parametrize("checkpoint", [True, "sqrt", "log", 1, 3, None, False])
@pytest.mark.parametrize("reverse", [False, True])
@pytest.mark.parametrize(
    "way", ["value", "jit of grad", "forward over reverse", "reverse over reverse", "vmap of grad"]
)
def test_checkpointing_schemes_change_no_value(checkpoint, reverse, way):
    def f(*args):
        return recurrence(*args, checkpoint=checkpoint, reverse=reverse)

    def plain(*args):
        return recurrence(*args, reverse=reverse)

    assert_close(WAYS[way](f)(WEIGHTS, START, XS), WAYS[way](plain)(WEIGHTS, START, XS))


# How it runs -------------------------------------------------------------------------------------


def test_on_plain_values_the_body_runs_as_python():
    seen = []

    def step(carry, x):
        seen.append((carry.copy(), x))
        if x > 1:  # needs the value
            carry += x  # the body may write: what it got is its own
        return carry, carry

    start, xs = np.zeros(2), np.array([1.0, 2.0, 3.0])
    carry, ys = lax.scan(step, start, xs)
    assert [x for _, x in seen] == [1.0, 2.0, 3.0]
    assert carry.tolist() == [5.0, 5.0] and ys.tolist() == [[0, 0], [2, 2], [5, 5]]
    assert start.tolist() == [0, 0] and xs.tolist() == [1, 2, 3]


def test_a_body_that_needs_values_runs_as_python_under_derivatives():
    def relu_sums(x):
        return lax.scan(lambda c, x: (c + x if x > 0 else c, None), 0.0, x)[0]

    x = np.array([1.0, -2.0, 3.0])
    assert fxad.grad(relu_sums)(x).tolist() == [1.0, 0.0, 1.0]
    with pytest.raises(TracerBoolConversionError, match=r"lax\.cond"):
        fxad.jit(relu_sums)(x)


@pytest.mark.parametrize("transform", [fxad.jit, fxad.grad, lambda f: fxad.jit(fxad.grad(f))])
def test_elsewhere_it_is_traced_once(transform):
    seen = []

    def f(x):
        def step(c, _):
            seen.append(c)
            return np.sin(c) * x, None

        return lax.scan(step, x, length=50)[0]

    transform(f)(np.float64(0.5))
    assert len(seen) == 1


def test_with_jit_disabled_it_is_python_everywhere():
    seen = []

    def step(c, x):
        seen.append(float(c))
        return c + x, c

    with config.override(disable_jit=True):
        assert fxad.jit(lambda xs: lax.scan(step, 0.0, xs)[0])(np.arange(3.0)) == 3.0
    assert seen == [0.0, 0.0, 1.0]


def test_a_body_made_anew_at_every_call_is_derived_once(monkeypatch):
    def loss(w):
        return lax.scan(lambda c, _: (np.tanh(w * c), None), 1.0, length=3)[0]

    slope = fxad.grad(loss)(0.7)
    monkeypatch.setattr("fxad.control.loop.linearize_jaxpr", None)
    assert fxad.grad(loss)(0.7) == slope


def test_what_does_not_change_is_not_stacked():
    """Neither the weights nor what is computed of them alone; what is scanned stays as it is."""
    jaxpr = fxad.make_jaxpr(fxad.grad(total(recurrence)))(WEIGHTS, START, XS)
    forward, backward = (e for e in jaxpr.eqns if e.primitive.name == "scan")
    stacked = [v.aval.shape for v in forward.outvars[1:]]
    assert stacked == [(5, 3), (5,), (5, 3), (5, 3)]  # ys, and two residuals: h and tanh
    scanned = backward.invars[backward.params["num_consts"] + backward.params["num_carry"] :]
    assert forward.invars[-1] in scanned


@pytest.mark.parametrize("options", [{}, {"reverse": True}, {"checkpoint": True},
                                     {"checkpoint": "log"}, {"checkpoint": 2}], ids=str)
def test_results_that_are_residuals_too_are_stacked_once(options):
    def summed(w, loop):
        def step(h, x):
            after = fnp.tanh(w * h + x)
            return after, (after, h)

        last, (after, before) = loop(step, fnp.zeros(3), XS)
        return (after**2 * before).sum() + last.sum()

    def unrolled(step, h, xs):
        order = range(len(xs))
        rows = {}
        for i in reversed(order) if "reverse" in options else order:
            h, rows[i] = step(h, xs[i])
        return h, tuple(fnp.stack(column) for column in zip(*map(rows.get, order), strict=True))

    def scanned(*args):
        return lax.scan(*args, **options)

    w = np.linspace(0.3, 0.9, 3)
    for derivative in (fxad.grad, fxad.hessian):
        wanted = derivative(lambda w: summed(w, unrolled))(w)
        np.testing.assert_allclose(derivative(lambda w: summed(w, scanned))(w), wanted, rtol=1e-10)
    if not options:
        loops = fxad.make_jaxpr(fxad.grad(lambda w: summed(w, scanned)))(w).eqns
        forward = next(e for e in loops if e.primitive.name == "scan").params["jaxpr"].jaxpr
        assert len(forward.outvars) == 3
        assert len(set(forward.outvars[1:])) == 2


def test_outer_products_are_summed_after_the_loop():
    jaxpr = fxad.make_jaxpr(fxad.grad(total(recurrence)))(WEIGHTS, START, XS)
    _, backward = (e for e in jaxpr.eqns if e.primitive.name == "scan")
    inside = backward.params["jaxpr"].eqns
    assert (3, 3) not in [v.aval.shape for e in inside for v in e.outvars]
    after = jaxpr.eqns[jaxpr.eqns.index(backward) + 1 :]
    (product,) = (e for e in after if e.primitive.name == "dot_general")
    assert product.params["dimension_numbers"] == (((0,), (0,)), ((), ()))


@pytest.mark.parametrize("shape", [(3,), (2, 3)])
@pytest.mark.parametrize("transposed", [False, True])
def test_sums_of_products_in_other_forms(shape, transposed):
    def f(w, h, xs):
        def step(h, x):
            z = h @ (w.T if transposed else w) + x
            return np.tanh(z) + np.tanh(w @ (z if z.ndim == 1 else z.T)).T, None

        return lax.scan(step, h, xs)[0]

    def loop(w, h, xs):
        for x in xs:
            z = h @ (w.T if transposed else w) + x
            h = np.tanh(z) + np.tanh(w @ (z if z.ndim == 1 else z.T)).T
        return h

    h = np.linspace(-1, 1, int(np.prod(shape))).reshape(shape)
    args = WEIGHTS, h, XS
    assert_close(WAYS["jit of grad"](f)(*args), WAYS["grad"](loop)(*args))


def test_numbers_give_way_and_trees_stay():
    carry, ys = lax.scan(lambda c, x: ({"n": c["n"] + 1, "s": c["s"] + x}, c["s"]),
                         {"n": 0, "s": 0}, np.ones(3, np.float32))
    assert (carry["n"], carry["s"]) == (3, 3.0)
    assert carry["s"].dtype == ys.dtype == np.float32 and carry["n"].dtype == np.int64
    staged = fxad.jit(lambda xs: lax.scan(lambda c, x: (c + x, c), 0, xs))(np.ones(3, np.float32))
    assert [y.dtype for y in staged] == [np.float32, np.float32]


def test_loops_of_no_steps():
    carry, ys = lax.scan(lambda c, x: (c * 2, np.append(x, c)), 3.0, np.zeros((0, 2)))
    assert carry == 3.0 and ys.shape == (0, 3)
    assert fxad.grad(lambda c: lax.scan(lambda c, x: (c * 2, x), c, np.zeros(0))[0])(1.0) == 1.0
    assert lax.scan(lambda c, _: (c, None), 1.0, length=0) == (1.0, None)


def test_linear_loops_are_transposed():
    def f(x):
        return lax.scan(lambda c, x: (2 * c + x, c), 0 * x[0], x)

    (ct,) = fxad.linear_transpose(f, np.zeros(3))((1.0, np.array([0.0, 0.0, 10.0])))
    assert ct.tolist() == [4.0 + 20.0, 2.0 + 10.0, 1.0]
    with pytest.raises(fxad.errors.NonDifferentiableError, match="for tangents of zero"):
        fxad.linear_transpose(lambda x: lax.scan(lambda c, x: (c + x, c), 1.0, x)[0],
                              np.zeros(3))(1.0)


# What is refused ---------------------------------------------------------------------------------

both = pytest.mark.parametrize("staged", [False, True], ids=["eager", "jit"])


def call(staged, f, *args):
    return (fxad.jit(f) if staged else f)(*args)


@both
@pytest.mark.parametrize(
    ("step", "problem"),
    [
        (lambda c, x: ({"w": c["w"].astype(np.float32)}, x),
         r"carry changes its dtype: carry\['w'\] goes in as float64\[3\] and comes out as float32"),
        (lambda c, x: ({"w": c["w"][:2]}, x),
         r"carry changes its shape: carry\['w'\] goes in as float64\[3\] and comes out as .*\[2\]"),
        (lambda c, x: ({"v": c["w"]}, x), "another structure than its carry input"),
        (lambda c, x: (None, x), "another structure than its carry input"),
    ],
)
def test_carries_that_change(staged, step, problem):
    with pytest.raises(StructureError, match=problem) as caught:
        call(staged, lambda w: lax.scan(step, {"w": w}, XS), START)
    assert "test_scan.py" in str(caught.value)


def test_lengths_that_only_running_tells():
    for f in (
        lambda n: lax.scan(lambda c, _: (c, None), 0.0, length=n),
        lambda n: lax.scan(lambda c, _: (c, None), 0.0, length=2, unroll=n),
    ):
        with pytest.raises(ConcretizationTypeError, match=r"\[scan\] got (length|unroll)="):
            fxad.jit(f)(3)


@both
@pytest.mark.parametrize(
    ("step", "returned"),
    [
        (lambda c, x: None, "None"),
        (lambda c, x: c, r"float64\[3\]"),
        (lambda c, x: (c, x, x), "a tuple of 3"),
    ],
)
def test_bodies_that_return_no_pair(staged, step, returned):
    with pytest.raises(ArgumentTypeError, match=rf"returned {returned}, wanted a pair \(carry, y"):
        call(staged, lambda h: lax.scan(step, h, XS), START)


def test_outputs_that_change_from_step_to_step():
    """Which only Python's own control flow can do."""
    problem = r"changes its structure at step 2: at y: expected a leaf, got tuple of 2"
    with pytest.raises(StructureError, match=problem):
        lax.scan(lambda c, x: (c + 1, (x, x) if c > 1 else x), 0, XS)
    with pytest.raises(ShapeError, match=r"\[stack\] got"):
        lax.scan(lambda c, x: (c + 1, x[:2] if c > 1 else x), 0, XS)


def test_lengths():
    def step(c, x):
        return c, x

    with pytest.raises(ShapeError, match=r"xs\['a'\] has 5, xs\['b'\] has 3"):
        lax.scan(step, 0.0, {"a": XS, "b": XS[:3]})
    with pytest.raises(ShapeError, match="xs has 5, length=4"):
        lax.scan(step, 0.0, XS, length=4)
    with pytest.raises(ArgumentValueError, match="got length=-1, wanted at least 0"):
        lax.scan(step, 0.0, length=-1)
    with pytest.raises(ArgumentTypeError, match=r"got length=float64\[\], wanted an integer"):
        lax.scan(step, 0.0, length=2.0)
    with pytest.raises(ArgumentValueError, match="neither xs nor length"):
        lax.scan(step, 0.0)
    with pytest.raises(ShapeError, match=r"got xs float64\[\], wanted arrays with a first axis"):
        lax.scan(step, 0.0, 3.0)
    with pytest.raises(ArgumentValueError, match="got unroll=-1"):
        lax.scan(step, 0.0, XS, unroll=-1)
    with pytest.raises(ArgumentValueError, match="got checkpoint='cube'"):
        lax.scan(step, 0.0, XS, checkpoint="cube")


def test_an_error_in_a_step_leaves_everything_as_it_was():
    def broken(c, x):
        raise RuntimeError("broken")

    for f in (lambda: lax.scan(broken, 0.0, XS), lambda: fxad.grad(
            lambda h: lax.scan(broken, h, XS)[0])(1.0)):
        with pytest.raises(RuntimeError, match="broken"):
            f()
    assert_close(recurrence(WEIGHTS, START, XS), unrolled(WEIGHTS, START, XS))


def test_against_jax():
    jax = pytest.importorskip("jax")

    def make(lax, xp):
        def f(w, h, xs):
            def step(c, x):
                z = xp.tanh(w @ c[0] + x)
                return (z, c[1] + 1), (z * c[1], xp.max(z))

            (h, n), ys = lax.scan(step, (h, 0), xs, reverse=True)
            return xp.sum(h) * n + xp.sum(ys[0]) + xp.sum(ys[1] ** 2)

        return f

    ours, theirs = make(lax, fnp), make(jax.lax, jax.numpy)
    with jax.enable_x64(True):
        got = fxad.grad(ours, (0, 1, 2))(WEIGHTS, START, XS)
        assert_close(got, tuple(map(np.asarray, jax.grad(theirs, (0, 1, 2))(WEIGHTS, START, XS))))
        check_grads(ours, (WEIGHTS, START, XS), order=2)


@pytest.mark.parametrize("dtype", [np.float16, np.float32, np.float64])
@pytest.mark.parametrize("way", [lambda f: f, fxad.jit], ids=["eager", "jit"])
def test_a_counter_in_the_carry_indexes_in_reverse(way, dtype):
    def f(x):
        def body(c, _):
            i, y = c
            return (i + 1, y + i * x[i] ** 2), None

        return lax.scan(body, (0, x[0] * 0), None, length=3)[0][1]

    def g(x):
        return lax.fori_loop(0, 3, lambda i, y: y + i * x[i] ** 2, x[0] * 0)

    def h(x):
        return lax.while_loop(
            lambda c: c[0] < 3, lambda c: (c[0] + 1, c[1] + c[0] * x[c[0]] ** 2), (0, x[0] * 0)
        )[1]

    x = np.array([3.0, 5.0, 7.0], dtype)
    for loop in (f, g, h):
        gradient = way(fxad.grad(loop))(x)
        np.testing.assert_array_equal(gradient, np.array([0.0, 10.0, 28.0], dtype), strict=True)
        hessian = way(fxad.hessian(loop))(x)
        np.testing.assert_array_equal(hessian, np.diag([0.0, 2.0, 4.0]).astype(dtype), strict=True)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_a_complex_number_in_the_carry_keeps_its_imaginary_part_in_reverse(dtype):
    def f(x):
        def body(c, _):
            z, y = c
            return (z * (0.5 + 1j), y + (np.imag(z * x) * np.real(z)).astype(x.dtype)), None

        return lax.scan(body, (1.0 + 1j, x * 0), None, length=3)[0][1]

    z, wanted = 1.0 + 1j, 0.0
    for _ in range(3):
        wanted, z = wanted + z.imag * z.real, z * (0.5 + 1j)
    gradient = fxad.grad(f)(dtype(1.5))
    assert (gradient, type(gradient)) == (wanted, dtype)


def test_a_number_in_the_carry_gives_way_to_each_dtype_of_its_own_in_reverse():
    def f(wide, narrow):
        def body(c, _):
            i, w, x, y, z = c
            place = fnp.at(z)[i].set(i * narrow[i])
            return (i + 1, w * 0.7, x + w * wide, y + w * np.sum(narrow), place), None

        zero = narrow[0] * 0
        first = (0, 1 / 3, wide * 0, zero, narrow * 0)
        _, _, x, y, z = lax.scan(body, first, None, length=2)[0]
        return x + y.astype(x.dtype) + np.sum(z).astype(x.dtype)

    wide, narrow = np.float64(1.0), np.ones(2, np.float16)
    by_wide, by_narrow = fxad.grad(f, argnums=(0, 1))(wide, narrow)
    assert by_wide == pytest.approx(1.7 / 3, rel=1e-15)
    assert by_narrow.dtype == np.float16
    np.testing.assert_allclose(by_narrow, [1.7 / 3, 1.7 / 3 + 1], rtol=2e-3)
