"""``cond`` and ``switch``: one branch runs, both have one type."""

import numpy as np
import pytest

import fxad
import fxad.numpy as fnp
from fxad import config, lax
from fxad.control.branches import _linearized
from fxad.errors import ArgumentTypeError, ArgumentValueError, StructureError
from fxad.test_util import check_grads


def up(x):
    return np.sin(x) * x


def down(x):
    return x**3


def branched(x):
    return lax.cond(np.sum(x) > 0, up, down, x)


def recording(seen, name, fun):
    def branch(x):
        seen.append((name, x))
        return fun(x)

    return branch


def test_where_the_condition_is_known_the_branch_runs_as_python():
    seen = []
    x = np.array([1.0, 2.0])
    lax.cond(True, recording(seen, "up", up), recording(seen, "down", down), x)
    assert seen[0][0] == "up" and seen[0][1] is x
    # The other one is traced, for its type alone, and that once.
    assert [name for name, _ in seen] == ["up", "down"]
    assert not isinstance(seen[1][1], np.ndarray)


def test_python_runs_under_derivatives_too():
    def absolute(x):
        return lax.cond(x > 0, lambda x: x if x > 0 else None, lambda x: -x, x)

    assert fxad.grad(absolute)(-2.0) == -1.0
    assert fxad.jvp(absolute, (3.0,), (1.0,)) == (3.0, 1.0)


def test_with_jit_disabled_the_other_branch_is_not_looked_at():
    seen = []
    with config.override(disable_jit=True):
        out = fxad.jit(
            lambda x: lax.cond(x < 0, recording(seen, "up", up), recording(seen, "down", down), x)
        )(2.0)
    assert out == 8.0 and seen == [("down", 2.0)]


def test_only_the_chosen_branch_is_computed():
    seen = []

    def told(name):
        def branch(x):
            fxad.debug.callback(lambda: seen.append(name))
            return x * 2

        return branch

    f = fxad.jit(lambda p, x: lax.cond(p, told("true"), told("false"), x))
    f(True, 1.0), f(False, 1.0), f(False, 1.0)
    assert seen == ["true", "false", "false"]


@pytest.mark.parametrize("which", [True, False, 1, 0, 2.5, np.bool_(True), np.int32(0)])
def test_conditions_may_be_numbers(which):
    expected = 1.0 if which else 2.0
    assert lax.cond(which, lambda: 1.0, lambda: 2.0) == expected
    assert fxad.jit(lambda p: lax.cond(p, lambda: 1.0, lambda: 2.0))(which) == expected


WAYS = {"eager": lambda f: f, "jit": fxad.jit, "checkpoint": fxad.checkpoint}


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("sign", [1, -1])
def test_derivatives(way, sign):
    transform = WAYS[way]
    x = sign * np.array([0.3, 0.8, 1.1])
    check_grads(transform(branched), (x,), order=2)
    f = up if sign > 0 else down
    hessian = fxad.hessian(lambda x: np.sum(f(x)))(x)
    got = fxad.hessian(transform(lambda x: np.sum(branched(x))))(x)
    np.testing.assert_allclose(got, hessian, rtol=1e-12)


def test_values_of_closures_are_differentiated():
    @fxad.jit
    @fxad.grad
    def slope(w, p, x):
        return lax.cond(p, lambda x: w * x, lambda x: w**2 + x, x)

    assert slope(3.0, True, 5.0) == 5.0
    assert slope(3.0, False, 5.0) == 6.0


def test_a_condition_that_differs_between_examples_selects():
    xs = np.array([[0.5, 1.0], [-0.5, -1.0], [2.0, 0.5]])
    expected = np.stack([branched(x) for x in xs])
    np.testing.assert_allclose(fxad.vmap(branched)(xs), expected)
    np.testing.assert_allclose(fxad.jit(fxad.vmap(branched))(xs), expected)
    check_grads(fxad.vmap(branched), (xs,), order=2)
    per_example = fxad.vmap(fxad.grad(lambda x: np.sum(branched(x))))(xs)
    loop = np.stack([fxad.grad(lambda x: np.sum(branched(x)))(x) for x in xs])
    np.testing.assert_allclose(per_example, loop)


def test_a_condition_that_all_examples_share_stays_a_branch():
    f = fxad.vmap(lambda p, x: lax.cond(p, up, down, x), in_axes=(None, 0))
    jaxpr = str(fxad.make_jaxpr(f)(True, np.ones(3)))
    assert "cond[" in jaxpr and "select_n" not in jaxpr
    jaxpr = str(fxad.make_jaxpr(fxad.vmap(branched))(np.ones((2, 3))))
    assert "cond[" not in jaxpr and "select_n" in jaxpr


def test_branches_share_the_places_of_their_residuals():
    closed = fxad.make_jaxpr(lambda p, x: lax.cond(p, np.sin, np.cos, x))(True, np.ones(3))
    (eqn,) = (e for e in closed.eqns if e.primitive.name == "cond")
    branches = eqn.params["branches"]
    (forward, _), _, _ = _linearized(branches[0], branches[1:], (True,))
    assert len(forward[0].out_avals) == 2


def test_numbers_give_way_to_the_dtype_of_the_other_branch():
    x = np.float32(2.0)
    for p in (True, False):
        assert lax.cond(p, lambda: 1.0, lambda: x).dtype == np.float32
        assert fxad.jit(lambda p: lax.cond(p, lambda: 1.0, lambda: x))(p).dtype == np.float32


def test_switch_takes_the_nearest_branch():
    branches = [lambda x: x, lambda x: x + 10, lambda x: x + 20]
    wanted = {-5: 1.0, 0: 1.0, 1: 11.0, 2: 21.0, 7: 21.0}
    f = fxad.jit(lambda i, x: lax.switch(i, branches, x))
    for index, out in wanted.items():
        assert lax.switch(index, branches, 1.0) == out
        assert f(index, 1.0) == out
    got = fxad.vmap(lambda i: lax.switch(i, branches, 1.0))(np.array(list(wanted)))
    assert got.tolist() == list(wanted.values())
    assert lax.switch(3, [lambda: 4.0]) == 4.0


def test_operand_by_name():
    assert lax.cond(True, up, down, operand=0.0) == 0.0
    assert lax.switch(1, [up, down], operand=2.0) == 8.0
    with pytest.raises(ArgumentTypeError, match="1 operands by position and operand= as well"):
        lax.cond(True, up, down, 1.0, operand=2.0)


def test_outputs_are_the_users_own():
    x = np.ones(3)
    out = lax.cond(True, lambda x: x, lambda x: x, x)
    out[:] = 5
    assert x.tolist() == [1, 1, 1]
    a, b = lax.cond(True, lambda x: (x, x), lambda x: (x, x), x)
    a[:] = 5
    assert b.tolist() == [1, 1, 1]


def test_nested_branches_in_a_trained_step():
    @fxad.jit
    def f(x):
        return lax.cond(x > 1, lambda: lax.cond(x > 2, lambda: x * x, lambda: x), lambda: -x)

    assert [float(fxad.grad(f)(v)) for v in (0.5, 1.5, 3.0)] == [-1.0, 1.0, 6.0]


both = pytest.mark.parametrize("staged", [False, True], ids=["eager", "jit"])


def call(staged, f, *args):
    return (fxad.jit(f) if staged else f)(*args)


@both
@pytest.mark.parametrize(
    ("pred", "problem"),
    [
        (np.ones(3), r"got pred float64\[3\], wanted a truth value of shape \(\)"),
        (1j, r"got pred complex128\[\], wanted a truth value"),
    ],
)
def test_conditions_that_are_none(staged, pred, problem):
    with pytest.raises(ArgumentTypeError, match=problem):
        call(staged, lambda p: lax.cond(p, up, down, 1.0), pred)


def test_conditions_that_are_no_values():
    with pytest.raises(ArgumentTypeError, match="got pred str 'yes', wanted a truth value"):
        lax.cond("yes", up, down, 1.0)
    with pytest.raises(ArgumentTypeError, match="got index float64"):
        lax.switch(1.0, [up, down], 1.0)
    with pytest.raises(ArgumentValueError, match="got no branches"):
        lax.switch(0, [])
    with pytest.raises(ArgumentTypeError, match="wanted two functions"):
        lax.cond(True, 1.0, up, 2.0)


@both
@pytest.mark.parametrize(
    ("other", "problem"),
    [
        (lambda x: (x, x), "true_fun and false_fun: at output: expected a leaf, got tuple of 2"),
        (lambda x: None, "true_fun and false_fun: at output: expected a leaf, got None"),
        (lambda x: x[:2], r"output is float64\[3\] in true_fun and float64\[2\] in false_fun"),
        (lambda x: x.astype(np.int32), r"float64\[3\] in true_fun and int32\[3\] in false_fun"),
        (lambda x: x.astype(np.float32), r"float64\[3\] in true_fun and float32\[3\] in false_fun"),
    ],
)
def test_branches_of_different_types(staged, other, problem):
    with pytest.raises(StructureError, match=problem) as caught:
        call(staged, lambda p, x: lax.cond(p, lambda x: x, other, x), True, np.ones(3))
    assert "test_cond.py" in str(caught.value)
    assert lax.cond(True, up, down, 0.0) == 0.0


@both
def test_the_leaf_that_differs_is_named(staged):
    problem = r"output\['b'\]\[0\] is float64\[\] in true_fun and int64\[\] in false_fun"
    with pytest.raises(StructureError, match=problem):
        call(
            staged,
            lambda p: lax.cond(
                p, lambda: {"a": 1.0, "b": [fnp.sin(2.0)]}, lambda: {"a": 1.0, "b": [np.int64(2)]}
            ),
            True,
        )


def test_against_jax():
    jax = pytest.importorskip("jax")
    x = np.array([0.3, -0.8, 1.1])

    def make(lax, xp):
        def f(x, i):
            return lax.switch(
                i, [lambda x: xp.sum(xp.sin(x)), lambda x: xp.prod(x), lambda x: xp.max(x)], x
            )

        return f

    ours, theirs = make(lax, fnp), make(jax.lax, jax.numpy)
    for i in range(3):
        for way in ("grad", "hessian"):
            got = getattr(fxad, way)(ours)(x, i)
            np.testing.assert_allclose(got, getattr(jax, way)(theirs)(x, i), rtol=1e-6, atol=1e-6)
            jitted = fxad.jit(getattr(fxad, way)(ours))(x, i)
            np.testing.assert_allclose(jitted, got, rtol=1e-12)


def test_branches_that_examples_do_not_take_harm_nobody():
    """Where they have no value the others have gradients, shared operands too; nobody is warned."""

    def f(w, r, table, i):
        return lax.cond(
            r > 0, lambda r, i: w * np.log(r) + fnp.at(table)[i].get(), lambda r, i: r - w, r, i
        )

    r, i = np.array([2.0, 0.0, -1.0, 3.0]), np.array([1, 99, -99, 0])
    table = np.array([0.5, 0.25])
    with np.errstate(all="raise"):
        batched = fxad.vmap(f, (None, 0, None, 0))
        np.testing.assert_allclose(
            batched(2.0, r, table, i), [2 * np.log(2) + 0.25, -2.0, -3.0, 2 * np.log(3) + 0.5]
        )
        for way in (lambda f, n: fxad.grad(f, n), lambda f, n: fxad.jit(fxad.grad(f, n))):
            gradient = way(lambda *xs: np.sum(batched(*xs)), (0, 1, 2))
            by_w, by_r, by_table = gradient(2.0, r, table, i)
            np.testing.assert_allclose(by_w, np.log(2) + np.log(3) - 2)
            np.testing.assert_allclose(by_r, [1.0, 1.0, 1.0, 2 / 3])
            np.testing.assert_allclose(by_table, [1.0, 1.0])


@pytest.mark.parametrize("taken", [True, False])
def test_numbers_in_one_branch_alone_keep_the_types_of_all(taken):
    """What a branch keeps for its derivative, and cotangents of numbers, had types of their own."""
    x = np.array([0.5, 1.5], np.float32)

    def f(p, x, y):
        return lax.cond(p, lambda: fnp.sin(x) * y, lambda: x * fnp.sin(x)).sum()

    wanted = (2 * np.cos(x), np.sin(x).sum()) if taken else (np.sin(x) + x * np.cos(x), 0.0)
    gradient = fxad.grad(f, (1, 2))
    batched = fxad.vmap(gradient, (0, None, None))(np.array([taken]), x, 2.0)
    for by_x, by_y in (
        gradient(taken, x, 2.0),
        fxad.jit(gradient)(taken, x, 2.0),
        fxad.grad(fxad.jit(f), (1, 2))(taken, x, 2.0),
        [g[0] for g in batched],
    ):
        assert (by_x.dtype, by_y.dtype) == (np.float32, np.float64)
        np.testing.assert_allclose(by_x, wanted[0], rtol=1e-6)
        np.testing.assert_allclose(by_y, wanted[1], rtol=1e-6)

    @fxad.jit
    def g(x, y):
        return lax.cond(x < 3, lambda: 2.0 * fnp.sin(y), lambda: 2.0 * x)

    x, y = (2.5, 5.8) if taken else (3.14, 5.8)
    _, pull = fxad.vjp(lambda *args: fxad.jvp(g, args[:2], args[2:]), x, y, 0.3, 0.7)
    pulled = np.array(pull((0.1, 0.2)))  # of a Python float, where an array was promised
    by_y = [2 * np.cos(y) * 0.1 - 2 * np.sin(y) * 0.7 * 0.2, 0.4 * np.cos(y)]
    wanted = [0, by_y[0], 0, by_y[1]] if taken else [0.2, 0, 0.4, 0]
    np.testing.assert_allclose(pulled, wanted, atol=1e-12)
    check_grads(g, (x, y), 2)


def test_functions_for_platforms():
    """Chosen where the arrays live, by compiled functions when they are called."""
    x = np.arange(3.0)

    def f(x):
        return lax.platform_dependent(x, cpu=np.sin, tpu=np.exp, default=np.cos)

    def g(x):  # without operands
        return lax.platform_dependent(tpu=lambda: x, default=lambda: np.sin(x))

    for way in (f, g, fxad.jit(f), fxad.jit(g), fxad.vmap(f), fxad.jit(fxad.vmap(g))):
        np.testing.assert_array_equal(way(x), np.sin(x))
    for way in (fxad.grad, lambda f: fxad.jit(fxad.grad(f))):
        np.testing.assert_array_equal(way(lambda x: np.sum(f(x)))(x), np.cos(x))
    assert lax.platform_dependent(x, cpu=lambda x: x, default=lambda x: x) is not x
    for way in (lambda f: f, fxad.jit):
        with pytest.raises(ArgumentValueError, match="got functions for tpu, and none for cpu"):
            way(lambda x: lax.platform_dependent(x, tpu=np.sin))(x)
        with pytest.raises(ArgumentValueError, match="got no functions"):
            way(lax.platform_dependent)(x)
        with pytest.raises(ArgumentTypeError, match=r"Write lax.*\(\*args, default=f\)"):
            way(lambda x: lax.platform_dependent(x, cpu=np.sin, default=1.0))(x)
    with pytest.raises(StructureError, match=r"output is float64.* in branches"):
        fxad.jit(lambda x: lax.platform_dependent(x, cpu=np.sin, cuda=lambda x: x[:1]))(x)


@pytest.mark.parametrize("transform", [lambda f: f, fxad.jit], ids=["eager", "jit"])
def test_a_branch_that_nobody_takes_harms_no_shared_operand(transform):
    """Its cotangent was zero times the branch's derivative, which need not be finite."""

    def f(w, r):
        return lax.cond(r > 0, lambda r: w * fnp.log(r), lambda r: r - w, r)

    def gradient(batched):
        return transform(fxad.grad(lambda w, r: batched(w, r).sum(), (0, 1)))

    one = fxad.vmap(f, (None, 0))
    with np.errstate(all="ignore"):
        by_w, by_r = gradient(one)(2.0, np.array([-1.0, -2.0]))
        assert (by_w, by_r.tolist()) == (-2.0, [1.0, 1.0])
        rows = gradient(fxad.vmap(one, (None, 0)))
        by_w, by_r = rows(2.0, np.array([[1.0, 2.0], [-1.0, -2.0]]))
        np.testing.assert_allclose(by_w, np.log(2.0) - 2)
        assert by_r.tolist() == [[2.0, 1.0], [1.0, 1.0]]
    x = np.array([1.0, -1.0], np.float32)
    assert transform(one)(2.0, x).dtype == np.float32  # the number gives way still
    hessian = transform(fxad.hessian(lambda w: one(w, np.array([3.0, -1.0])).sum()))
    assert hessian(2.0) == 0.0


def test_a_branch_that_nobody_takes_is_not_computed_where_that_is_known():
    def f(x):
        return lax.cond(x > 0, lambda x: (fnp.log(x), x > 3), lambda x: (-x, x < 3), x)

    with np.errstate(all="raise"):
        out, flags = fxad.vmap(f)(np.array([-1.0, -2.0]))
    assert (out.tolist(), flags.tolist()) == ([1.0, 2.0], [True, True])


@pytest.mark.parametrize("transform", [lambda f: f, fxad.jit], ids=["eager", "jit"])
def test_collectives_in_branches_and_loops_are_of_all_examples_own_values(transform):
    """Those of a wanted example stood in the place of the others', and were summed up."""
    x = np.array([1.0, -2.0, 3.0, -4.0])

    def f(x):
        return lax.cond(x > 0, lambda x: lax.psum(x, "i") * x, lambda x: lax.pmean(x, "i"), x)

    def g(x, y=1.0):
        start = (x, y)
        return lax.while_loop(
            lambda v: v[0] < 2, lambda v: (v[0] + 1, v[1] + lax.psum(v[1], "i")), start
        )[1]

    batched = transform(fxad.vmap(f, axis_name="i"))
    assert batched(x).tolist() == [-2.0, -0.5, -6.0, -0.5]
    by_x = transform(fxad.grad(lambda x: batched(x).sum()))(x)
    assert by_x.tolist() == [2.5, 4.5, 2.5, 4.5]  # of sum(x) * (x[0] + x[2] + 1/2)
    steps = transform(fxad.vmap(g, axis_name="i"))(np.array([0.0, 1.0, 2.0]))
    assert steps.tolist() == [13.0, 4.0, 1.0]  # 3 is added to two, then 9 to one

    def total(y):
        return fxad.vmap(lambda x, y: g(x, y), axis_name="i")(np.array([0.0, 1.0, 2.0]), y).sum()

    by_y = transform(fxad.grad(total))(np.ones(3))
    assert by_y.tolist() == [6.0, 6.0, 6.0]  # y + sum(y) * [4, 1, 0]
