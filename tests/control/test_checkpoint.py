"""``checkpoint``: it recomputes, and keeps its inputs alone."""

import functools

import numpy as np
import pytest

import fxad
import fxad.numpy as fnp
from fxad.control import saving
from fxad.errors import (
    ArgumentTypeError,
    ArgumentValueError,
    CallbackDifferentiationError,
    ConcretizationTypeError,
    TracerBoolConversionError,
)
from fxad.test_util import check_grads
from tests.control.counting import count, counted


def sines(x):
    return fnp.sin(fnp.sin(fnp.sin(x)))


def derivative_of_sines(x):
    return np.cos(np.sin(np.sin(x))) * np.cos(np.sin(x)) * np.cos(x)


def test_the_program_of_its_gradient_computes_the_function_twice():
    plain = str(fxad.make_jaxpr(fxad.grad(sines))(1.0))
    saving = str(fxad.make_jaxpr(fxad.grad(fxad.checkpoint(sines)))(1.0))
    assert (plain.count("sin "), plain.count("cos ")) == (3, 3)
    assert (saving.count("sin "), saving.count("cos ")) == (3 + 2, 3)  # the last is not needed


def residuals_of(f, x):
    _, pull = fxad.vjp(f, x)
    return sum(np.size(r) for r in fxad.tree.leaves(pull))


def test_between_the_passes_it_keeps_its_inputs_alone():
    x = np.ones(100)
    assert residuals_of(fxad.checkpoint(sines), x) == 100
    assert residuals_of(sines, x) >= 300
    layer = fxad.checkpoint(sines)
    assert residuals_of(lambda x: layer(layer(layer(x))), x) == 300


@pytest.mark.parametrize(
    "derivative",
    [
        fxad.grad,
        fxad.jacfwd,
        fxad.jacrev,
        lambda f: lambda x: fxad.jvp(f, (x,), (1.0,))[1],
        lambda f: lambda x: fxad.linearize(f, x)[1](1.0),
        lambda f: fxad.jit(fxad.grad(f)),
        lambda f: fxad.grad(fxad.jit(f)),
        lambda f: lambda x: fxad.vmap(fxad.grad(f))(fnp.array([x]))[0],
        lambda f: fxad.checkpoint(fxad.grad(f)),
        lambda f: fxad.grad(fxad.checkpoint(f)),
    ],
)
def test_values_and_derivatives_are_the_functions_own(derivative):
    f = fxad.checkpoint(sines)
    assert f(0.5) == sines(0.5)
    assert derivative(f)(0.5) == pytest.approx(derivative_of_sines(0.5), rel=1e-14)
    second = fxad.grad(fxad.grad(sines))(0.5)
    assert fxad.grad(derivative(f))(0.5) == pytest.approx(second, rel=1e-13)


def test_static_arguments_are_values():
    @functools.partial(fxad.checkpoint, static_argnums=(1, -1))
    def f(x, n, name):
        return x**n if name == "power" else x

    assert f(2.0, 3, "power") == 8.0
    assert fxad.grad(f)(2.0, 3, "power") == 12.0
    with pytest.raises(TracerBoolConversionError, match="static_argnums"):
        fxad.checkpoint(lambda x: x if x else -x)(1.0)


def test_trees_keywords_closures_and_integers():
    scale = np.arange(3.0)

    @fxad.checkpoint
    def f(tree, *, shift):
        return {"sum": fnp.sum(tree["x"] * scale) + shift * tree["n"]}

    tree = {"x": np.ones(3), "n": 2}
    assert f(tree, shift=1.0) == {"sum": 5.0}
    gradient = fxad.grad(lambda t: f(t, shift=1.0)["sum"], allow_int=True)(tree)
    np.testing.assert_array_equal(gradient["x"], scale)
    outer = fxad.grad(lambda y: fxad.checkpoint(lambda x: x * y)(3.0))
    assert outer(2.0) == 3.0  # by what it closes over


def test_a_function_is_derived_once_and_read_anew_at_every_call(monkeypatch):
    derived = []
    derive = saving.linearize_jaxpr
    monkeypatch.setattr(saving, "linearize_jaxpr", lambda *a: derived.append(a) or derive(*a))
    scale, table = 2.0, np.ones(3)
    f = fxad.checkpoint(lambda x: (fnp.sin(x) * scale * table).sum())
    for _ in range(3):
        assert fxad.grad(f)(0.0) == 6.0
        table = table + 0.0  # another array: an operand of the program
    assert len(derived) == 1
    table = np.full(3, 10.0)
    assert fxad.grad(f)(0.0) == 60.0
    assert len(derived) == 1
    scale = 3.0  # a number that stands in the program itself
    assert fxad.grad(f)(0.0) == 90.0
    table = np.ones(4)
    assert fxad.grad(f)(0.0) == 12.0
    assert fxad.grad(lambda x: f(x).sum())(0.0) == 12.0


# How often what runs ------------------------------------------------------------------------------


def runs_of(f, *args):
    """How often ``counted`` runs forward and how often backward."""
    with count() as forward:
        _, pull = fxad.vjp(f, *args)
    with count() as backward:
        pull(np.ones(()))
    return len(forward), len(backward)


def test_everything_that_is_read_runs_once_more():
    assert runs_of(counted, 0.5) == (1, 0)
    assert runs_of(fxad.checkpoint(counted), 0.5) == (1, 1)
    three = lambda x: counted(counted(counted(x)))  # noqa: E731
    assert runs_of(three, 0.5) == (3, 0)
    assert runs_of(fxad.checkpoint(three), 0.5) == (3, 3)
    # A sum does not read the last result, and the gradient of a product with 2 reads none.
    assert runs_of(fxad.checkpoint(lambda x: fnp.sin(counted(x)) + counted(x * 2)), 0.5) == (2, 2)
    assert runs_of(fxad.checkpoint(lambda x: x * counted(0.5)), 0.5) == (1, 1)
    assert runs_of(fxad.checkpoint(lambda x: x * 2.0 + counted(0.5)), 0.5) == (1, 0)


def test_a_checkpoint_in_a_checkpoint():
    inner = fxad.checkpoint(counted)
    assert runs_of(fxad.checkpoint(lambda x: counted(inner(x))), 0.0) == (2, 3)
    inlined = fxad.jit(counted)
    assert runs_of(fxad.checkpoint(lambda x: counted(inlined(x))), 0.0) == (2, 2)


def halves(functions):
    """The chain of some functions, the later half of it in a checkpoint, and so on inside."""
    if len(functions) == 1:
        return functions[0]
    later, first = functions[: len(functions) // 2], functions[len(functions) // 2 :]
    if len(functions) == 2:
        return lambda x: later[0](first[0](x))
    return lambda x: halves(later)(fxad.checkpoint(halves(first))(x))


@pytest.mark.parametrize(("depth", "again"), [(4, 2), (8, 8), (16, 24)])
def test_a_chain_halved_again_and_again(depth, again):
    """n log n runs backward; the numbers are those of JAX."""
    small = lambda x: counted(x * 0.1 - 1.0)  # noqa: E731
    assert runs_of(halves([small] * depth), 0.5) == (depth, again)
    plain = functools.reduce(lambda f, g: lambda x: g(f(x)), [small] * depth)
    got = fxad.grad(halves([small] * depth))(0.5)
    assert got == pytest.approx(fxad.grad(plain)(0.5), rel=1e-14)


@pytest.mark.parametrize(("prevent_cse", "runs"), [(True, 4), (False, 2), ((False, True), 4)])
def test_jit_merges_the_second_run_only_where_it_may(prevent_cse, runs):
    f = fxad.checkpoint(lambda x, y: counted(counted(x) * y), prevent_cse=prevent_cse)
    gradient = fxad.jit(fxad.value_and_grad(f))
    gradient(0.5, 0.5)
    with count() as found:
        value, slope = gradient(0.1, 0.2)
    assert len(found) == runs
    wanted = fxad.value_and_grad(lambda x, y: np.exp(np.exp(x) * y))(0.1, 0.2)
    np.testing.assert_allclose((value, slope), wanted, rtol=1e-14)
    with count() as found:  # one by one there is nothing to merge
        fxad.value_and_grad(f)(0.1, 0.2)
    assert len(found) == 4


def test_a_compiled_checkpoint_computes_twice_under_grad():
    f = fxad.jit(fxad.checkpoint(lambda x: counted(counted(x))))
    assert runs_of(f, 0.5) == (2, 2)


# What is in it ------------------------------------------------------------------------------------


def rule_jvp():
    f = fxad.custom_jvp(lambda x: fnp.sin(x))
    f.defjvp(lambda primals, tangents: (f(*primals), 2.0 * fnp.cos(*primals) * tangents[0]))
    return f


def rule_vjp():
    f = fxad.custom_vjp(lambda x: fnp.sin(x))
    f.defvjp(lambda x: (f(x), fnp.cos(x)), lambda cos, ct: (2.0 * cos * ct,))
    return f


@pytest.mark.parametrize("make", [rule_jvp, rule_vjp])
@pytest.mark.parametrize("policy", [None, fxad.checkpoint_policies.everything_saveable,
                                    fxad.checkpoint_policies.dots_saveable])
def test_functions_with_rules_of_their_own(make, policy):
    rule = make()

    def plain(x):
        return rule(fnp.dot(x, x) * 1e-1)

    f = fxad.checkpoint(plain, policy=policy)
    x = np.array([[0.3, 0.7], [0.2, -0.4]])
    for derivative in (
        lambda f: fxad.grad(lambda x: f(x).sum()),
        lambda f: fxad.jit(fxad.grad(lambda x: f(x).sum())),
        lambda f: fxad.hessian(lambda x: f(x).sum()),
        lambda f: fxad.jacfwd(f),
        lambda f: lambda x: fxad.vmap(fxad.grad(lambda x: f(x).sum()))(np.stack([x, 2 * x])),
    ):
        np.testing.assert_allclose(derivative(f)(x), derivative(plain)(x), rtol=1e-13)


def test_a_rule_that_no_tangent_reaches_stays_a_rule():
    """What is computed again is still the function with its rule for the next derivative."""
    rule = rule_jvp()
    f = fxad.checkpoint(lambda x, y: x * rule(y))
    mixed = fxad.grad(lambda y: fxad.grad(f)(1.0, y))(0.5)
    assert mixed == pytest.approx(2.0 * np.cos(0.5), rel=1e-14)


def test_derivatives_of_every_kind_with_a_policy():
    f = fxad.checkpoint(
        lambda x, y: (fnp.sin(x @ y) * y, fnp.tanh(x).sum()),
        policy=fxad.checkpoint_policies.dots_saveable,
    )
    rng = np.random.default_rng(0)
    check_grads(f, (rng.normal(size=(3, 3)), rng.normal(size=(3, 3))), order=3)


def test_second_derivatives_recompute_as_well():
    f = fxad.checkpoint(sines)
    text = str(fxad.make_jaxpr(fxad.grad(fxad.grad(f)))(0.3))
    assert "checkpoint[" in text
    assert fxad.grad(fxad.grad(f))(0.3) == pytest.approx(fxad.grad(fxad.grad(sines))(0.3))


def test_inputs_that_nothing_reads_are_not_kept():
    f = fxad.checkpoint(lambda x, y, z: (fnp.sin(x) + y * 2.0, z))
    assert residuals_of(lambda x: f(x, x[:50].sum(), np.ones(7)), np.ones(100)) == 100
    assert residuals_of(fxad.checkpoint(lambda x: (x * 3.0).sum()), np.ones(100)) == 0


# How it is called --------------------------------------------------------------------------------


def test_as_a_decorator():
    @fxad.checkpoint(policy=fxad.checkpoint_policies.everything_saveable)
    def f(x):
        """Its own."""
        return fnp.sin(x)

    @fxad.remat
    def g(x):
        return fnp.sin(x)

    @functools.partial(fxad.checkpoint, static_argnums=1)
    def h(x, flag):
        return fnp.sin(x) if flag else x

    assert (f.__name__, f.__doc__) == ("f", "Its own.")
    assert fxad.grad(f)(0.5) == fxad.grad(g)(0.5) == fxad.grad(h)(0.5, True) == np.cos(0.5)
    assert fxad.grad(h)(0.5, False) == 1.0


def test_static_arguments_by_name_need_no_hash():
    f = fxad.checkpoint(lambda x, *, scale: x * scale["by"], static_argnames="scale")
    assert fxad.grad(f)(1.0, scale={"by": 3.0}) == 3.0
    assert fxad.grad(f)(1.0, scale={"by": 4.0}) == 4.0
    g = fxad.checkpoint(lambda x, scale: x * scale["by"], static_argnums=(1,))
    assert fxad.grad(g)(1.0, {"by": 3.0}) == 3.0


def test_what_is_refused():
    with pytest.raises(TypeError, match="concrete"):
        fxad.checkpoint(sines, concrete=True)
    with pytest.raises(ArgumentTypeError, match=r"\[checkpoint\] got float64.., wanted a function"):
        fxad.checkpoint(3.0)
    for wrong in ("no", None, (True, 1)):
        with pytest.raises(ArgumentTypeError, match="must be a bool or tuple of bools"):
            fxad.checkpoint(sines, prevent_cse=wrong)
    for wrong in ("x", (0, "x"), True, 1.0):
        with pytest.raises(ArgumentTypeError, match=r"got static_argnums=.*wanted an integer"):
            fxad.checkpoint(sines, static_argnums=wrong)
    for wrong in (3, ("x", 3)):
        with pytest.raises(ArgumentTypeError, match=r"got static_argnames=.*wanted a string"):
            fxad.checkpoint(sines, static_argnames=wrong)
    for wrong in (-1, "1 MB", True, float("nan"), float("inf")):
        with pytest.raises(ArgumentTypeError, match=r"got memory_budget=.*wanted a number of"):
            fxad.checkpoint(sines, memory_budget=wrong)
    with pytest.raises(ArgumentValueError, match=r"static_argnums=\(1,\) for a call with 1 pos"):
        fxad.checkpoint(sines, static_argnums=1)(0.5)
    with pytest.raises(ConcretizationTypeError, match="static_argnums"):
        fxad.checkpoint(lambda x: x if float(x) > 0 else -x)(1.0)
    with pytest.raises(ArgumentTypeError, match="wanted pytrees of arrays and numbers"):
        fxad.checkpoint(lambda x: "text")(1.0)


def test_a_checkpoint_made_anew_at_every_call_is_derived_once(monkeypatch):
    def layer(x, w):
        return fnp.tanh(x * w)

    def loss(x):
        return fnp.sum(fxad.checkpoint(layer)(fxad.checkpoint(lambda y: fnp.sin(y) * 2)(x), x))

    x = np.linspace(0.0, 1.0, 5)
    first = fxad.grad(loss)(x)
    monkeypatch.setattr(saving, "derivative_jaxpr", None)
    np.testing.assert_array_equal(fxad.grad(loss)(x), first)


def test_a_call_to_the_world_whose_result_is_kept_is_made_once():
    calls = []

    def host(x):
        calls.append(1)
        return np.asarray(x) * 2.0

    def f(x):
        y = fxad.io_callback(host, fxad.ShapeDtypeStruct((), "float64"), fxad.lax.stop_gradient(x))
        return fnp.sin(x * y)

    def looped(x):
        return fxad.lax.scan(lambda c, _: (f(c), None), x, length=3)[0]

    keep = fxad.checkpoint_policies.everything_saveable
    for g, times in ((f, 1), (looped, 3)):
        for way in (lambda h: h, fxad.jit):
            calls.clear()
            got = way(fxad.grad(fxad.checkpoint(g, policy=keep)))(0.3)
            assert len(calls) == times
            assert got == pytest.approx(float(fxad.grad(g)(0.3)))
    with pytest.raises(CallbackDifferentiationError, match="computed twice"):
        fxad.grad(fxad.checkpoint(f, policy=fxad.checkpoint_policies.dots_saveable))(0.3)
