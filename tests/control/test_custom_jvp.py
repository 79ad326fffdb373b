"""``custom_jvp``: when the rule is used, what it is given, what it may close over."""

import functools

import numpy as np
import pytest

import fxad
import fxad.numpy as fnp
from fxad import lax
from fxad.errors import (
    ArgumentTypeError,
    ArgumentValueError,
    AxisNameError,
    ConcretizationTypeError,
    MissingRuleError,
    NonDifferentiableError,
    StructureError,
    TracerArrayConversionError,
    TracerAssignmentError,
)


def doubled_sine():
    """The sine, whose derivative claims to be twice the cosine: so that the rule is seen."""
    f = fxad.custom_jvp(fxad.numpy.sin)
    f.defjvp(lambda primals, tangents: (f(*primals), 2.0 * fxad.numpy.cos(*primals) * tangents[0]))
    return f


@pytest.mark.parametrize("wrap", [lambda f: f, fxad.jit, fxad.checkpoint], ids=["", "jit", "remat"])
def test_the_rule_is_used_in_every_mode(wrap):
    f, x = wrap(doubled_sine()), 0.5
    wanted = 2.0 * np.cos(x)
    assert f(x) == np.sin(x)
    assert fxad.grad(f)(x) == wanted
    assert fxad.jvp(f, (x,), (1.0,)) == (np.sin(x), wanted)
    assert fxad.linearize(f, x)[1](1.0) == wanted
    assert fxad.jacfwd(f)(x) == fxad.jacrev(f)(x) == wanted
    rows = np.arange(3.0)
    np.testing.assert_array_equal(fxad.vmap(f)(rows), np.sin(rows))
    np.testing.assert_array_equal(fxad.vmap(fxad.grad(f))(rows), 2.0 * np.cos(rows))
    np.testing.assert_array_equal(
        fxad.grad(lambda x: fxad.vmap(f)(x).sum())(rows), 2.0 * np.cos(rows)
    )
    assert fxad.grad(fxad.grad(f))(x) == -2.0 * np.sin(x)


def test_functions_with_rules_of_functions_with_rules():
    f = doubled_sine()
    g = fxad.custom_jvp(lambda x: f(x) * 3.0)
    g.defjvp(lambda primals, tangents: (g(*primals), fxad.grad(f)(primals[0]) * tangents[0]))
    assert fxad.grad(g)(0.0) == 2.0
    assert fxad.jit(fxad.grad(g))(0.0) == 2.0


def test_trees_in_and_out():
    @fxad.custom_jvp
    def f(pair, scale):
        return {"product": pair[0] * pair[1] * scale}

    @f.defjvp
    def rule(primals, tangents):
        (a, _), _ = primals
        (da, _), dscale = tangents
        return f(*primals), {"product": a * 0.0 + 10.0 * da + dscale}

    out, tangent = fxad.jvp(f, ((2.0, 3.0), 4.0), ((1.0, 0.0), 0.5))
    assert (out, tangent) == ({"product": 24.0}, {"product": 10.5})
    assert fxad.grad(lambda p: f(p, 4.0)["product"])((2.0, 3.0)) == (10.0, 0.0)


def test_arguments_that_are_not_differentiated():
    @functools.partial(fxad.custom_jvp, nondiff_argnums=(0, 2))
    def apply(f, x, name):
        return f(x)

    @apply.defjvp
    def rule(f, name, primals, tangents):
        assert name == "name"
        return f(primals[0]), 5.0 * tangents[0]

    assert apply(np.negative, 2.0, "name") == -2.0
    assert fxad.grad(lambda x: apply(lambda y: y * y, x, "name"))(3.0) == 5.0
    assert fxad.jit(fxad.grad(lambda x: apply(lambda y: y * y, x, name="name")))(3.0) == 5.0


def test_names_of_arguments_that_are_not_differentiated():
    f = fxad.custom_jvp(lambda x, name, y: x * y, nondiff_argnums=2, nondiff_argnames="name")
    f.defjvp(lambda name, y, primals, tangents: (f(*primals, name, y), y * len(name) * tangents[0]))
    assert fxad.grad(f)(2.0, "abc", 5.0) == 15.0
    assert fxad.grad(lambda x: f(x, y=5.0, name="abc"))(2.0) == 15.0
    with pytest.raises(ArgumentValueError, match=r"nondiff_argnames='z' .* \['x', 'name', 'y'\]"):
        fxad.custom_jvp(lambda x, name, y: x, nondiff_argnames="z")


def test_rules_get_default_arguments_by_position():
    jvp = fxad.custom_jvp(lambda x, y=3.0: x * y)
    jvp.defjvp(lambda p, t: (p[0] * p[1], 10.0 * p[1] * t[0] + 20.0 * t[1]))
    vjp = fxad.custom_vjp(lambda x, y=3.0: x * y)
    vjp.defvjp(lambda x, y: (x * y, y), lambda y, ct: (10.0 * y * ct, 20.0 * ct))
    power = fxad.custom_jvp(lambda x, n=2: x**n, nondiff_argnums=1)
    power.defjvp(lambda n, p, t: (p[0] ** n, 100.0 * n * t[0]))
    for f in (jvp, vjp):
        for wrap in (lambda f: f, fxad.jit, fxad.checkpoint):
            assert wrap(f)(2.0) == 6.0
            assert fxad.grad(wrap(lambda x, f=f: f(x)))(2.0) == 30.0
            assert fxad.grad(wrap(lambda x, f=f: f(y=x, x=x)))(2.0) == 20.0 + 20.0
    assert fxad.grad(power)(2.0) == fxad.grad(lambda x: power(x, 2))(2.0) == 200.0
    several = fxad.custom_jvp(lambda x, *rest: x + sum(rest))
    several.defjvp(lambda p, t: (sum(p), 10.0 * sum(t)))
    assert fxad.grad(lambda x: several(x, x, x))(1.0) == 30.0
    for function in (np.sin, fnp.sin, np.linalg.norm, abs):  # defaults of these are options
        f = fxad.custom_jvp(function)
        f.defjvp(lambda p, t, function=function: (function(p[0]), 10.0 * t[0].sum()))
        assert fxad.grad(f)(np.ones(1) if function is np.linalg.norm else np.ones(())) == 10.0


@pytest.mark.parametrize("derive", [lambda f: f, fxad.grad, fxad.jit], ids=["", "grad", "jit"])
def test_arguments_that_the_function_does_not_take(derive):
    f = fxad.custom_jvp(lambda x, y: x)
    f.defjvp(lambda p, t: (p[0], t[0]))
    for call in (lambda x: f(x), lambda x: f(x, x, x), lambda x: f(x, z=x)):
        with pytest.raises(ArgumentTypeError, match=r"do not fit the parameters \(x, y\)"):
            derive(call)(1.0)
    g = fxad.custom_jvp(lambda x, *, k=2.0: x * k)
    g.defjvp(lambda p, t: (p[0] * 2.0, 2.0 * t[0]))
    assert derive(lambda x: g(x))(1.0) == 2.0
    with pytest.raises(ArgumentTypeError, match=r"keyword-only arguments \['k'\]"):
        derive(lambda x: g(x, k=3.0))(1.0)


def test_a_batched_argument_that_is_not_differentiated():
    f = fxad.custom_jvp(lambda x, y: x * y, nondiff_argnums=(0,))
    f.defjvp(lambda x, primals, tangents: (f(x, *primals), 5.0 * tangents[0]))
    ones = np.ones(2)
    batched = lambda y: fxad.vmap(f)(np.array([2.0, 3.0]), y)  # noqa: E731
    out, tangent = fxad.jvp(batched, (ones,), (ones,))
    np.testing.assert_array_equal(out, [2.0, 3.0])
    np.testing.assert_array_equal(tangent, [5.0, 5.0])


def closes_over(x):
    """A function with a rule, both of which close over ``x``."""
    g = fxad.custom_jvp(lambda y: x * y)
    g.defjvp(lambda primals, tangents: (x * primals[0], 10.0 * x * tangents[0]))
    return g


def test_a_rule_may_close_over_batched_values():
    x = np.arange(3.0)
    for derivative in (
        lambda h: fxad.jvp(h, (2.0,), (1.0,))[1],
        lambda h: fxad.linearize(h, 2.0)[1](1.0),
        lambda h: fxad.jacrev(h)(2.0),
        lambda h: fxad.jacfwd(h)(2.0),
    ):
        # Neither the function's argument nor its tangent has the batch, only the closure has.
        np.testing.assert_array_equal(
            derivative(lambda z: fxad.vmap(lambda x: closes_over(x)(z))(x)), 10.0 * x
        )
        np.testing.assert_array_equal(
            derivative(lambda z: fxad.vmap(lambda x: closes_over(x)(z * x))(x)), 10.0 * x * x
        )
    nested = fxad.vmap(lambda a: fxad.vmap(lambda b: fxad.grad(closes_over(a * b))(1.0))(x))(x)
    np.testing.assert_array_equal(nested, 10.0 * np.outer(x, x))
    np.testing.assert_array_equal(
        fxad.vmap(lambda x: fxad.grad(closes_over(x))(2.0))(x), 10.0 * x
    )


def test_a_rule_that_names_the_axis():
    f = fxad.custom_jvp(lambda x: x)
    f.defjvp(lambda primals, tangents: (primals[0], tangents[0] * lax.psum(1.0, "i")))
    batched = fxad.vmap(f, axis_name="i")
    np.testing.assert_array_equal(fxad.jvp(batched, (np.ones(3),), (np.ones(3),))[1], [3.0] * 3)


def test_a_rule_that_names_the_axis_at_what_all_examples_share():
    f = fxad.custom_jvp(lambda y: y + 1.0)
    f.defjvp(lambda primals, tangents: (f(*primals), tangents[0] * (1 + lax.axis_index("i"))))
    shared = lambda y: fxad.vmap(lambda x: x * f(y), axis_name="i")(np.ones(3))  # noqa: E731
    np.testing.assert_array_equal(fxad.jvp(shared, (1.0,), (1.0,))[1], [1.0, 2.0, 3.0])
    np.testing.assert_array_equal(fxad.jacrev(shared)(1.0), [1.0, 2.0, 3.0])
    with pytest.raises(AxisNameError):  # staged as one for all: refused, not taken as equal
        fxad.jvp(fxad.jit(shared), (1.0,), (1.0,))


@pytest.mark.parametrize("wrap", [lambda f: f, fxad.jit, fxad.checkpoint], ids=["", "jit", "remat"])
def test_a_function_of_what_all_examples_share_may_name_the_axis(wrap):
    jvp = fxad.custom_jvp(lambda y: lax.psum(y, "i"))
    jvp.defjvp(lambda primals, tangents: (jvp(*primals), lax.psum(10.0 * tangents[0], "i")))
    vjp = fxad.custom_vjp(lambda y: lax.psum(y, "i"))
    vjp.defvjp(lambda y: (vjp(y), None), lambda _, ct: (lax.psum(10.0 * ct, "i"),))
    for f in (jvp, vjp):
        shared = fxad.vmap(wrap(lambda x, y, f=f: x * f(y)), (0, None), axis_name="i")
        np.testing.assert_array_equal(shared(np.arange(3.0), 2.0), [0.0, 6.0, 12.0])
        derivative = fxad.jvp(lambda y, shared=shared: shared(np.ones(3), y), (2.0,), (1.0,))[1]
        np.testing.assert_array_equal(derivative, [30.0] * 3)


def test_a_rule_may_apply_the_function_to_tangents():
    """Where it is linear: what it does to them is transposed."""
    f = fxad.custom_jvp(lambda x, y: x / y)
    f.defjvp(lambda primals, tangents: (f(*primals), f(tangents[0], primals[1])))
    for wrap in (lambda f: f, fxad.jit, fxad.checkpoint):
        assert fxad.grad(wrap(f))(1.0, 4.0) == 0.25
        assert fxad.jvp(lambda x, wrap=wrap: wrap(f)(x, 4.0), (1.0,), (2.0,))[1] == 0.5
    rows = np.array([2.0, 4.0])
    np.testing.assert_array_equal(fxad.vmap(fxad.grad(f), (None, 0))(1.0, rows), 1.0 / rows)


def test_one_rule_for_each_argument():
    f = fxad.custom_jvp(lambda x, y, z: x * y + z)
    f.defjvps(lambda t, out, x, y, z: y * t, None, lambda t, out, x, y, z: out * t)
    assert fxad.grad(f, argnums=(0, 1, 2))(2.0, 3.0, 4.0) == (3.0, 0.0, 10.0)


def test_methods():
    class Model:
        scale = 3.0

        @functools.partial(fxad.custom_jvp, nondiff_argnums=(0,))
        def apply(self, x):
            return self.scale * x

        @apply.defjvp
        def rule(self, primals, tangents):
            return self.apply(*primals), 7.0 * self.scale * tangents[0]

    assert Model().apply(2.0) == 6.0
    assert fxad.grad(Model().apply)(2.0) == 21.0


def test_integers_have_tangents_without_values():
    f = fxad.custom_jvp(lambda x, n: x * n)

    @f.defjvp
    def rule(primals, tangents):
        assert tangents[1].dtype == fxad.core.aval.float0
        return f(*primals), tangents[0] * primals[1]

    assert fxad.grad(f)(2.0, 3) == 3.0


@pytest.mark.parametrize(
    ("kind", "words", "rule"),
    [
        (StructureError, "returned float", lambda p, t: 1.0),
        (StructureError, "another structure", lambda p, t: (p[0], (t[0], t[0]))),
        (StructureError, r"tangent float64\[2\] for an output float64\[\]",
         lambda p, t: (p[0], np.ones(2))),
        (StructureError, "tangent complex128", lambda p, t: (p[0], 1j)),
        (StructureError, "tangent float32", lambda p, t: (p[0], np.float32(1.0))),
        (ArgumentTypeError, "output of type str", lambda p, t: ("text", t[0])),
        (NonDifferentiableError, "not linear", lambda p, t: (p[0], fxad.numpy.sin(t[0]))),
        (NonDifferentiableError, r"without a rule.*f.defjvp", None),
    ],
    ids=lambda x: x if isinstance(x, str) else "",
)
def test_rules_that_do_not_fit(kind, words, rule):
    @fxad.custom_jvp
    def f(x):
        return x

    if rule is not None:
        f.defjvp(rule)
    with pytest.raises(kind, match=rf"(?s){words}"):
        fxad.grad(f)(1.0)


def sine_with(rule):
    @fxad.custom_jvp
    def wave(x):
        return fnp.sin(x)

    wave.defjvp(rule)
    return wave


def jvp_rule_that_asks_for_the_number(primals, tangents):
    return fnp.sin(primals[0]), float(fnp.cos(primals[0])) * tangents[0]


def jvp_rule_that_needs_numpy(primals, tangents):
    return fnp.sin(primals[0]), np.asarray(fnp.cos(primals[0])) * tangents[0]


def jvp_rule_that_assigns(primals, tangents):
    factor = np.zeros(2) + fnp.cos(primals[0])
    factor[0] = 1.0
    return fnp.sin(primals[0]), factor[1] * tangents[0]


@pytest.mark.parametrize(
    ("rule", "kind", "why"),
    [
        (jvp_rule_that_asks_for_the_number, ConcretizationTypeError,
         r"\[float\] got a float64\[\].*differentiated.*would lose the derivative"),
        (jvp_rule_that_needs_numpy, TracerArrayConversionError, "wanted the numbers of an array"),
        (jvp_rule_that_assigns, TracerAssignmentError, "got an item assignment"),
    ],
)  # fmt: skip
def test_a_rule_that_cannot_be_differentiated_again_is_named(rule, kind, why):
    f = sine_with(rule)
    assert fxad.grad(f)(0.5) == pytest.approx(np.cos(0.5))
    first = rule.__code__.co_firstlineno
    where = (
        rf"At test_custom_jvp.py:\d+: .*In {rule.__name__} \(test_custom_jvp.py:{first}\), "
        r"the jvp rule of the custom_jvp function wave\."
    )
    for second in (fxad.grad(fxad.grad(f)), fxad.hessian(f), fxad.jacfwd(fxad.grad(f))):
        with pytest.raises(kind, match=rf"(?s){why}.*{where}"):
            second(0.5)
    assert fxad.grad(f)(0.5) == pytest.approx(np.cos(0.5))


def test_a_rule_that_is_not_linear_is_named_with_its_line():
    f = sine_with(lambda p, t: (fnp.sin(p[0]), fnp.exp(t[0])))
    with pytest.raises(
        NonDifferentiableError,
        match=r"(?s)\[exp\] got tangents in a way that is not linear.*test_custom_jvp.py.*"
        r"In <lambda> .*the jvp rule of the custom_jvp function wave",
    ):
        fxad.grad(f)(0.5)
    for program in (fxad.grad(fxad.jit(f)), fxad.jit(fxad.grad(f)), fxad.grad(fxad.checkpoint(f))):
        with pytest.raises(
            NonDifferentiableError,
            match=r"(?s)\[exp\] .*not linear.*In <lambda> \(test_custom_jvp.*function wave",
        ):
            program(0.5)
    constant = sine_with(lambda p, t: (fnp.sin(p[0]), 7.0))
    with pytest.raises(NonDifferentiableError, match="does not depend on the tangents"):
        fxad.grad(constant)(0.5)


@pytest.mark.parametrize(
    ("words", "out"),
    [
        (r"has another structure than the function's", lambda y: (y,)),
        (r"with an output float32\[\] where the function gives float64\[\]", np.float32),
        (r"with an output float64\[1\] where the function gives float64\[\]", lambda y: y[None]),
    ],
)
def test_a_rule_gives_what_the_function_gives(words, out):
    f = fxad.custom_jvp(lambda x: fnp.sin(x))
    f.defjvp(lambda p, t: (out(fnp.sin(p[0])), out(t[0])))
    if out is np.float32:
        f.defjvp(lambda p, t: (p[0].astype("float32"), t[0].astype("float32")))
    with pytest.raises(StructureError, match=rf"(?s)custom_jvp rule.*{words}.*In <lambda>"):
        fxad.grad(lambda x: fxad.tree.leaves(fxad.jit(f)(x))[0].sum())(np.ones(()))


def test_a_function_without_a_rule():
    f = fxad.custom_jvp(lambda x: x)
    for transform in (fxad.grad, fxad.jacfwd, lambda f: fxad.grad(fxad.jit(f))):
        with pytest.raises(MissingRuleError, match=r"(?s)without a rule.*\.defjvp"):
            transform(f)(1.0)
    assert not hasattr(f, "defvjp")


def test_rules_reach_the_function_inside_of_several_decorators():
    f = fxad.custom_vjp(fxad.custom_jvp(lambda x: x * x))
    f.defjvp(lambda p, t: (p[0] * p[0], 5.0 * t[0]))
    assert f(3.0) == 9.0
    with pytest.raises(MissingRuleError, match="custom_vjp function"):
        fxad.grad(f)(3.0)
    f.defvjp(lambda x: (f(x), None), lambda _, ct: (7.0 * ct,))
    assert fxad.grad(f)(3.0) == 7.0
    assert fxad.grad(f.fun)(3.0) == 5.0


@pytest.mark.parametrize("derive", [lambda f: f, fxad.grad, fxad.jit], ids=["", "grad", "jit"])
def test_arguments_that_are_no_arrays(derive):
    jvp = fxad.custom_jvp(lambda x, mode: x)
    jvp.defjvp(lambda p, t: (p[0], t[0]))
    vjp = fxad.custom_vjp(lambda x, mode: x)
    vjp.defvjp(lambda x, mode: (x, None), lambda _, ct: (ct, None))
    for f, kind in ((jvp, "custom_jvp"), (vjp, "custom_vjp")):
        with pytest.raises(
            ArgumentTypeError,
            match=rf"(?s)got str 'a' at argument 1 of a {kind} function, wanted .*nondiff_argnums",
        ):
            derive(lambda x, f=f: f(x, "a"))(1.0)
