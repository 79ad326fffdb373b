"""``memory_plan``: what it predicts is what is measured; its report names lines and ways out."""

import numpy as np
import pytest

import fxad
import fxad.numpy as fnp
from fxad.errors import ConcretizationTypeError
from tests.programs_of_memory import PROGRAMS, RNG, chain, measured, network

each = pytest.mark.parametrize("name", PROGRAMS)
X = np.ones((100, 200))


@each
def test_the_peak_of_a_gradient_is_within_a_few_percent_jitted_or_not(name):
    loss, args = PROGRAMS[name]
    for f in (fxad.grad(loss), fxad.value_and_grad(loss)):
        plan, jitted = fxad.memory_plan(f, *args), fxad.jit(f)
        program = measured(jitted, *args)
        assert plan.peak_bytes == pytest.approx(measured(f, *args), rel=0.05)
        assert plan.jit_peak_bytes == pytest.approx(program, rel=0.05)
        assert fxad.memory_plan(jitted, *args).peak_bytes == pytest.approx(program, rel=0.05)


LOOPS = {
    f"{kind}, {scheme}": (kind, scheme)
    for kind in ("scan", "stacked", "counted")
    for scheme in (None, "sqrt", "log", 7)
}


def looping(kind, scheme):
    """A loss over a loop, and its arguments."""
    w, xs = RNG.normal(size=(64, 64)) / 8, RNG.normal(size=(60, 64, 64))
    if kind == "counted":
        step = lambda i, c: fnp.sin(c) * c + w[0, 0]  # noqa: E731
        return lambda x: fnp.sum(fxad.lax.fori_loop(0, 60, step, x, checkpoint=scheme)), (xs[0],)

    def loss(w, xs):
        def step(h, x):
            h = fnp.tanh(h @ w + x)
            return h, h if kind == "stacked" else None

        h, ys = fxad.lax.scan(step, fnp.zeros((64, 64)), xs, checkpoint=scheme)
        return fnp.sum(h**2) if ys is None else fnp.sum(ys**2)

    return loss, (w, xs)


@pytest.mark.parametrize("name", LOOPS)
def test_the_peak_of_a_loops_gradient_whatever_it_keeps(name):
    loss, args = looping(*LOOPS[name])
    gradient = fxad.grad(loss)
    plan = fxad.memory_plan(gradient, *args)
    assert plan.peak_bytes == pytest.approx(measured(gradient, *args), rel=0.1)
    assert plan.jit_peak_bytes == pytest.approx(measured(fxad.jit(gradient), *args), rel=0.1)


@pytest.mark.parametrize(
    "f",
    [
        lambda x: fxad.lax.scan(lambda c, y: (c + y, fnp.tanh(c)), x[0], x),
        lambda x: fxad.lax.fori_loop(0, 5, lambda i, c: fnp.sin(c) * c, x),
        lambda x: fxad.lax.while_loop(lambda c: c[0] < 5, lambda c: (c[0] + 1, c[1] ** 2), (0, x)),
        lambda x: fxad.lax.map(lambda r: r * fnp.sum(r), x),
        fxad.vmap(lambda r: fxad.lax.scan(lambda c, y: (c + y, c), 0.0, r)[1]),
        fxad.vmap(fxad.grad(lambda r: fnp.sum(fnp.sin(r) * r))),
        lambda x: fxad.jvp(lambda y: fnp.exp(fnp.sin(y)), (x,), (x,)),
        lambda x: fxad.hvp(lambda y: fnp.sum(fnp.sin(y) ** 3), x, x),
        fxad.grad(fxad.jit(lambda x: fnp.sum(fnp.sin(x) ** 3))),
        lambda x: [x * i for i in range(1, 4)],
        lambda x: [fnp.full((20, 1500), 2.0), fnp.zeros((20, 1500)), x + 1.0],
        fxad.grad(lambda x: fnp.sum(x[0]) * 2.0),
        lambda x: fxad.tree.map(lambda p, g: p - 0.1 * g, x, fxad.grad(lambda y: fnp.sum(y**3))(x)),
    ],
)
def test_without_jit_arrays_live_as_long_as_something_refers_to_them(f):
    x = np.ones((20, 1500))
    assert fxad.memory_plan(f, x).peak_bytes == pytest.approx(measured(f, x), rel=0.1)


def test_a_product_takes_the_memory_of_a_factor_that_nothing_else_reads():
    for f in (lambda x: fnp.sum((x @ x.T) ** 2), lambda x: fnp.sum(fnp.cos(x) * x)):
        plan, real = fxad.memory_plan(fxad.grad(f), X), measured(fxad.grad(f), X)
        assert plan.peak_bytes == pytest.approx(real, rel=0.05, abs=6000)


def test_of_branches_the_largest_counts():
    def f(x):
        return fxad.lax.cond(fnp.sum(x) > 0, lambda y: fnp.exp(y) * y, lambda y: y * 2.0, x)

    gradient = fxad.jit(fxad.grad(lambda x: fnp.sum(f(x))))
    taken = max(measured(gradient, X), measured(gradient, -X))
    plan = fxad.memory_plan(gradient, X)
    assert plan.peak_bytes == pytest.approx(taken, rel=0.1)
    assert "which branch of cond" in plan.notes[0]


def test_what_is_closed_over_or_handed_through_is_not_counted():
    table = np.ones((200, 200))
    assert fxad.memory_plan(lambda x: x @ table, X).peak_bytes == X.nbytes
    assert fxad.memory_plan(lambda x: x.T, X).peak_bytes == 0
    assert fxad.memory_plan(fxad.jit(lambda x: x.T), X).peak_bytes == X.nbytes  # the user's own


@each
def test_the_gradient_of_a_loss_is_foreseen_in_its_plan(name):
    loss, args = PROGRAMS[name]
    plan = fxad.memory_plan(loss, *args).gradient
    both = fxad.value_and_grad(loss, argnums=tuple(range(len(args))))
    assert plan.peak_bytes == pytest.approx(measured(fxad.jit(both), *args), rel=0.15)


def pooled(x, padding):
    return fxad.lax.reduce_window(x, -np.inf, fxad.lax.max, (3, 3), (1, 1), padding)


@pytest.mark.parametrize(
    "f",
    [
        lambda x: fnp.sum(x.T.reshape(50, 400) * 2.0),  # a copy, not a view
        lambda x: x.reshape(50, 400).T[::2].sum(),  # views alone
        lambda x: fnp.broadcast_to(x[:1], (100, 200)),  # a view that the user gets a copy of
        lambda x: (x[:, 3], x + 1.0),
        lambda x: fnp.einsum("ij,kj->ik", x[:, ::2], x[:, 1::2]),
        lambda x: fxad.lax.scan(lambda c, y: (fnp.tanh(c + y), c), x[0], x),
        lambda x: fxad.lax.logistic(x) + fnp.clip(x, -1.0, 1.0),
        lambda x: fnp.concatenate([x, fnp.sort(x, axis=1)]),
        lambda x: fnp.argmax(x, axis=0),
        lambda x: fxad.lax.rsqrt(x) + fxad.lax.erf_inv(x * 0.5),
        fxad.grad(lambda x: fnp.max(x, axis=1).sum()),
        fxad.grad(lambda x: fnp.prod(x, axis=1).sum()),
        fxad.grad(lambda x: fnp.cumsum(x[::2], axis=0)[:, :5].sum()),
        fxad.grad(lambda x: fnp.sum(x[np.array([3, 3, 5])] ** 2)),
        lambda x: fnp.at(x)[np.array([1, 2])].add(x[:2]),
        lambda x: fnp.where(x > 0.5, x, -x),
        fxad.grad(lambda x: pooled(x, "VALID").sum()),
        fxad.grad(lambda x: pooled(x, "SAME").sum()),
        lambda x: fnp.linalg.solve(x @ x.T + 100 * fnp.eye(100), x),
        lambda x: x[:, None, :80] * x[None, :80, :80],  # NumPy's buffers
        lambda x: x[:, :150] + x[:, 50:],
        fnp.linalg.qr,
        fxad.grad(lambda x: fnp.sum(fnp.linalg.qr(x.T)[1] ** 2)),
        fxad.grad(lambda x: fnp.sum(fnp.linalg.cholesky(x @ x.T + 100 * fnp.eye(100)))),
        lambda x: fnp.at(fnp.zeros((50, 200)))[np.arange(100) % 7].add(x),
        fnp.linalg.pinv,
    ],
)
def test_views_copies_and_what_operations_take_while_they_run(f):
    jitted = fxad.jit(f)
    plan, real = fxad.memory_plan(jitted, X), measured(jitted, X)
    assert plan.peak_bytes == pytest.approx(real, rel=0.1, abs=6000)


@pytest.mark.parametrize(
    "f",
    [
        fnp.linalg.cholesky,
        fnp.linalg.eig,
        fnp.linalg.eigh,
        fnp.linalg.eigvalsh,
        fnp.linalg.inv,
        fnp.linalg.pinv,
        fnp.linalg.qr,
        fnp.linalg.svd,
        fnp.linalg.svdvals,
    ],
    ids=lambda f: f.__name__,
)
def test_what_decompositions_work_in(f):
    """From NumPy 2.5 on it is seen; a few kilobytes are Python's own objects."""
    square = X @ X.T + 100 * np.eye(100)
    square[0, 1] += 1e4 * (f is fnp.linalg.eig)  # real eigenvalues would be copied
    square[1, 0] -= 1e4 * (f is fnp.linalg.eig)
    several = ("pinv", "qr", "svd", "svdvals")
    for x in (square, X, X.T.copy()) if f.__name__ in several else (square,):
        jitted = fxad.jit(f)
        plan, real = fxad.memory_plan(jitted, x), measured(jitted, x)
        assert plan.peak_bytes == pytest.approx(real, rel=0.05, abs=6000)


def test_windows_of_a_batch():
    f, x = fxad.jit(fxad.vmap(lambda image: pooled(image, "VALID"))), np.ones((8, 100, 100))
    assert fxad.memory_plan(f, x).peak_bytes == pytest.approx(measured(f, x), rel=0.1)


def test_the_numbers_of_a_small_program():
    table = np.ones((4, 4))

    def f(x):
        y = fnp.exp(x) + table  # written over exp(x) under jit
        return y @ y

    struct = fxad.ShapeDtypeStruct((4, 4), "float64")
    plan = fxad.memory_plan(fxad.jit(f), struct)
    assert fxad.memory_plan(f, struct).peak_bytes == 256
    assert [buffer.primitive for buffer in fxad.memory_plan(f, struct).buffers] == ["exp", "add"]
    assert (plan.argument_bytes, plan.constant_bytes, plan.output_bytes) == (128, 128, 128)
    assert (plan.peak_bytes, plan.temporary_bytes) == (256, 128)
    assert plan.flops == 16 * 15 + 16 + 2 * 4**3
    assert [buffer.primitive for buffer in plan.buffers] == ["exp", "dot_general"]
    assert "y = fnp.exp(x) + table" in str(plan.buffers[0].source)
    assert plan.gradient.residual_bytes == 2 * 128  # y, and exp(x) beside it
    assert plan.notes == ()


def test_the_report_names_lines_and_ways_to_save():
    loss, args = chain(32, 10_000)
    plan = fxad.memory_plan(loss, *args)
    text = str(plan)
    assert text == repr(plan)
    assert "x = fnp.tanh(1.1 * fnp.sin(x) + x)" in text
    assert "checkpoint_policies.dots_saveable" in text
    assert "memory_budget=" in text
    one = args[0].nbytes
    assert plan.gradient.residual_bytes == 32 * one
    assert plan.gradient.peak_bytes == pytest.approx(34 * one, rel=0.01)
    for choice in plan.gradient.choices:
        assert choice.saved_bytes == plan.gradient.peak_bytes - choice.peak_bytes
        assert choice.flops == pytest.approx(plan.gradient.flops * (1 + choice.extra_flops))
    sequential = next(c for c in plan.gradient.choices if "segments" in c.name)
    assert sequential.saved_bytes > 0.4 * plan.gradient.peak_bytes
    assert 0.0 < sequential.extra_flops < 0.65  # no more than the forward pass once more


def test_what_it_says_of_a_budget_holds():
    loss, args = network(depth=10, width=64, batch=256)
    argnums = (0, 1)
    plan = fxad.memory_plan(loss, *args).gradient
    name, foreseen = next(
        (c.name, c.peak_bytes) for c in plan.choices if "memory_budget" in c.name
    )
    budget = int(name.split("memory_budget=")[1].split(")")[0])
    frugal = fxad.checkpoint(loss, memory_budget=budget)
    gradient = fxad.jit(fxad.value_and_grad(frugal, argnums))
    assert foreseen <= budget
    assert measured(gradient, *args) == pytest.approx(foreseen, rel=0.1)


def test_loops_of_unknown_length_are_said_to_be():
    def f(x):
        return fxad.lax.while_loop(lambda c: c[0] < 8.0, lambda c: c * 2, x)

    plan = fxad.memory_plan(fxad.jit(f), np.ones(100))
    assert len(plan.notes) == 1
    assert "trip count of while" in plan.notes[0]
    assert "test_memory_plan.py" in plan.notes[0]


def test_functions_without_a_gradient_have_a_plan():
    assert fxad.memory_plan(fnp.argmax, X).gradient is None
    assert fxad.memory_plan(lambda n: n + 1, np.arange(3)).gradient is None
    plan = fxad.memory_plan(lambda: fnp.ones(8))
    assert (plan.peak_bytes, plan.argument_bytes) == (64, 0)

    @fxad.custom_vjp
    def unruled(x):
        return x * 2

    assert fxad.memory_plan(unruled, 1.0).gradient is None


def test_what_needs_a_value_is_refused():
    with pytest.raises(ConcretizationTypeError):
        fxad.memory_plan(lambda x: x if x > 0 else -x, 1.0)
