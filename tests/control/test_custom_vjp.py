"""``custom_vjp``: when the rule is used, what it is given, forward mode through it, its errors."""

import collections
import functools

import numpy as np
import pytest

import fxad
import fxad.numpy as fnp
from fxad import lax
from fxad.core.aval import float0
from fxad.errors import (
    ArgumentTypeError,
    ArgumentValueError,
    ConcretizationTypeError,
    NonDifferentiableError,
    StructureError,
    TracerArrayConversionError,
    TracerAssignmentError,
    UnexpectedTracerError,
)

WRAPS = pytest.mark.parametrize(
    "wrap", [lambda f: f, fxad.jit, fxad.checkpoint], ids=["", "jit", "remat"]
)


def doubled_sine():
    """The sine, whose derivative claims to be twice the cosine: so that the rule is seen."""
    f = fxad.custom_vjp(fnp.sin)
    f.defvjp(lambda x: (f(x), fnp.cos(x)), lambda cos_x, ct: (2.0 * cos_x * ct,))
    return f


# When the rule is used ---------------------------------------------------------------------------


@WRAPS
def test_the_rule_is_used_in_every_mode(wrap):
    f, x = wrap(doubled_sine()), 0.5
    wanted = 2.0 * np.cos(x)
    assert f(x) == np.sin(x)
    assert fxad.grad(f)(x) == wanted
    assert fxad.value_and_grad(f)(x) == (np.sin(x), wanted)
    assert fxad.vjp(f, x)[1](3.0) == (3.0 * wanted,)
    assert fxad.jvp(f, (x,), (1.0,)) == (np.sin(x), wanted)
    assert fxad.linearize(f, x)[1](1.0) == wanted
    assert fxad.jacfwd(f)(x) == fxad.jacrev(f)(x) == wanted


@WRAPS
def test_every_example_has_its_rule(wrap):
    f, rows = wrap(doubled_sine()), np.arange(3.0)
    wanted = 2.0 * np.cos(rows)
    np.testing.assert_array_equal(fxad.vmap(f)(rows), np.sin(rows))
    np.testing.assert_array_equal(fxad.vmap(fxad.grad(f))(rows), wanted)
    np.testing.assert_array_equal(fxad.grad(lambda x: fxad.vmap(f)(x).sum())(rows), wanted)
    pushed = fxad.jvp(fxad.vmap(f), (rows,), (np.ones(3),))[1]
    np.testing.assert_array_equal(pushed, wanted)
    np.testing.assert_array_equal(fxad.vmap(lambda x: fxad.jvp(f, (x,), (1.0,))[1])(rows), wanted)


@WRAPS
def test_second_derivatives_are_those_of_the_rule(wrap):
    f, x = wrap(doubled_sine()), 0.5
    wanted = -2.0 * np.sin(x)
    for outer in (fxad.grad, fxad.jacfwd, fxad.jacrev):
        for inner in (fxad.grad, fxad.jacfwd, fxad.jacrev):
            assert np.isclose(outer(inner(f))(x), wanted), (outer, inner)
    for mode in ("forward-over-reverse", "reverse-over-reverse", "reverse-over-forward"):
        assert np.isclose(fxad.hvp(f, x, 3.0, mode=mode), 3.0 * wanted)


def test_third_derivatives():
    """The rule of a cube, written with the function itself, may be differentiated for ever."""
    cube = fxad.custom_vjp(lambda x: x**3)
    cube.defvjp(lambda x: (cube(x), x), lambda x, ct: (3.0 * cube(x) / x * ct,))
    assert fxad.grad(cube)(2.0) == 12.0
    assert fxad.grad(fxad.grad(cube))(2.0) == pytest.approx(12.0)
    assert fxad.grad(fxad.grad(fxad.grad(cube)))(2.0) == pytest.approx(6.0)
    assert fxad.jacfwd(fxad.grad(fxad.jacfwd(cube)))(2.0) == pytest.approx(6.0)


def test_without_a_derivative_no_rule_is_needed():
    f = fxad.custom_vjp(lambda x: x + 1.0)
    assert f(1.0) == fxad.jit(f)(1.0) == 2.0
    np.testing.assert_array_equal(fxad.vmap(f)(np.ones(2)), [2.0, 2.0])
    assert fxad.grad(lambda x: x * f(fxad.stop_gradient(x)))(3.0) == 4.0


def test_forward_runs_once_for_a_pullback_that_runs_often():
    calls = []
    f = fxad.custom_vjp(lambda x: x * x)
    f.defvjp(
        lambda x: (calls.append("fwd"), (x * x, x))[1],
        lambda x, ct: (calls.append("bwd"), (7.0 * x * ct,))[1],
    )
    y, pull = fxad.vjp(f, 3.0)
    assert (y, pull(1.0), pull(2.0)) == (9.0, (21.0,), (42.0,))
    assert calls == ["fwd", "bwd", "bwd"]


# What it is given --------------------------------------------------------------------------------


def test_trees_in_out_and_between():
    @fxad.custom_vjp
    def f(pair, scale):
        return {"sum": pair[0] + pair[1], "scaled": [pair[0] * scale]}

    def fwd(pair, scale):
        return f(pair, scale), {"scale": scale, "nothing": None, "pair": pair}

    def bwd(kept, ct):
        assert kept["nothing"] is None and set(ct) == {"sum", "scaled"}
        (a, _), scaled = kept["pair"], ct["scaled"][0]
        return (ct["sum"] + kept["scale"] * scaled, ct["sum"]), 10.0 * a * scaled

    f.defvjp(fwd, bwd)
    loss = lambda pair, scale: f(pair, scale)["sum"] + 2.0 * f(pair, scale)["scaled"][0]  # noqa: E731
    for wrap in (lambda f: f, fxad.jit):
        gradient = fxad.grad(wrap(loss), argnums=(0, 1))((2.0, 3.0), 4.0)
        assert gradient == ((9.0, 1.0), 40.0)


def test_outputs_that_nobody_uses_have_zero_cotangents():
    seen = []
    f = fxad.custom_vjp(lambda x: (x, 2.0 * x))
    f.defvjp(lambda x: (f(x), None), lambda _, cts: (seen.append(cts), (cts[0] + 2.0 * cts[1],))[1])
    assert fxad.grad(lambda x: f(x)[1])(np.float32(1.0)) == 2.0
    ((first, second),) = seen
    assert (first, second) == (0.0, 1.0)
    assert np.asarray(first).dtype == np.float32


@pytest.mark.parametrize("nothing", [None, 0.0])
def test_none_is_a_zero_cotangent(nothing):
    f = fxad.custom_vjp(lambda lo, hi, x: x)
    f.defvjp(
        lambda lo, hi, x: (x, (lo, hi)),
        lambda ends, ct: (nothing, nothing, fnp.clip(ct, *ends)),
    )
    assert fxad.grad(lambda x: 5.0 * f(-1.0, 1.0, x))(2.0) == 1.0
    gradient = fxad.grad(lambda *args: 5.0 * f(*args), argnums=(0, 1, 2))(-1.0, 1.0, 2.0)
    assert gradient == (0.0, 0.0, 1.0)


def test_none_for_a_whole_tree():
    f = fxad.custom_vjp(lambda tree, x: tree["a"] * x)
    f.defvjp(lambda tree, x: (f(tree, x), tree["a"]), lambda a, ct: (None, a * ct))
    tree = {"a": 3.0, "b": (np.ones(2),)}
    assert fxad.grad(f, argnums=1)(tree, 2.0) == 3.0
    gradient = fxad.grad(f)(tree, 2.0)
    assert gradient["a"] == 0.0 and gradient["b"][0].tolist() == [0.0, 0.0]


def test_integers_have_cotangents_without_values():
    f = fxad.custom_vjp(lambda x, n: (x * n, n + 1))

    def bwd(n, cts):
        assert cts[1].dtype == float0
        return n * cts[0], None

    f.defvjp(lambda x, n: (f(x, n), n), bwd)
    assert fxad.grad(lambda x: f(x, 3)[0])(2.0) == 3.0
    assert fxad.jvp(lambda x: f(x, 3)[0], (2.0,), (5.0,))[1] == 15.0
    assert fxad.jit(fxad.grad(lambda x: f(x, 3)[0]))(2.0) == 3.0


def test_arguments_that_are_not_differentiated():
    @functools.partial(fxad.custom_vjp, nondiff_argnums=(0, 2))
    def apply(f, x, name):
        return f(x)

    def bwd(f, name, x, ct):
        assert name == "name"
        return (5.0 * ct,)

    apply.defvjp(lambda f, x, name: (apply(f, x, name), x), bwd)
    square = lambda y: y * y  # noqa: E731
    assert apply(square, 3.0, "name") == 9.0
    assert fxad.grad(lambda x: apply(square, x, "name"))(3.0) == 5.0
    assert fxad.jit(fxad.grad(lambda x: apply(square, x, name="name")))(3.0) == 5.0
    assert fxad.jvp(lambda x: apply(square, x, "name"), (3.0,), (1.0,)) == (9.0, 5.0)


def test_names_of_arguments_that_are_not_differentiated():
    f = fxad.custom_vjp(lambda x, name: x, nondiff_argnames="name")
    f.defvjp(lambda x, name: (x, None), lambda name, _, ct: (len(name) * ct,))
    assert fxad.grad(f)(2.0, "abc") == fxad.grad(lambda x: f(x, name="abc"))(2.0) == 3.0
    with pytest.raises(ArgumentValueError, match=r"nondiff_argnames='z' .* \['x', 'name'\]"):
        fxad.custom_vjp(lambda x, name: x, nondiff_argnames="z")


def test_methods():
    class Model:
        scale = 3.0

        @functools.partial(fxad.custom_vjp, nondiff_argnums=(0,))
        def apply(self, x):
            return self.scale * x

        apply.defvjp(
            lambda self, x: (self.scale * x, None), lambda self, _, ct: (7.0 * self.scale * ct,)
        )

    assert Model().apply(2.0) == 6.0
    assert fxad.grad(Model().apply)(2.0) == 21.0


def test_it_keeps_the_functions_name_and_words():
    @fxad.custom_vjp
    def scaled(x):
        """Scales."""
        return x

    assert (scaled.__name__, scaled.__doc__) == ("scaled", "Scales.")


def test_programs_print_the_names_of_rules():
    def f_fwd(x):
        return x, None

    f = fxad.custom_vjp(lambda x: x)
    f.defvjp(f_fwd, lambda _, ct: (ct,))
    assert "fwd=f_fwd" in str(fxad.make_jaxpr(f)(1.0))
    g = fxad.custom_jvp(lambda x: x)
    g.defjvp(f_fwd)
    assert "rule=f_fwd" in str(fxad.make_jaxpr(g)(1.0))
    assert "rule=rule" in str(fxad.make_jaxpr(fxad.custom_jvp(lambda x: x))(1.0))


# Batches -----------------------------------------------------------------------------------------


@WRAPS
def test_cotangents_of_what_examples_share_are_summed(wrap):
    f = fxad.custom_vjp(lambda w, x: w * x)
    f.defvjp(lambda w, x: (w * x, (w, x)), lambda kept, ct: (10.0 * kept[1] * ct, kept[0] * ct))
    rows = np.array([1.0, 2.0, 4.0])
    loss = lambda w, x: fxad.vmap(wrap(f), in_axes=(None, 0))(w, x).sum()  # noqa: E731
    gradient = fxad.grad(loss, argnums=(0, 1))(3.0, rows)
    assert gradient[0] == 70.0
    np.testing.assert_array_equal(gradient[1], [3.0] * 3)


def test_batches_along_any_axis():
    f = fxad.custom_vjp(lambda m: fnp.sum(m**2, axis=0))
    f.defvjp(lambda m: (f(m), m), lambda m, ct: (5.0 * m * ct,))
    x = np.arange(24.0).reshape(2, 3, 4)
    for axis in (0, 1, 2, -1):
        batched = fxad.vmap(f, in_axes=axis)
        np.testing.assert_allclose(batched(x), np.sum(np.moveaxis(x, axis, 0) ** 2, axis=1))
        np.testing.assert_allclose(fxad.grad(lambda x, g=batched: g(x).sum())(x), 5.0 * x)


def test_a_rule_may_close_over_batched_values():
    def g(x):
        f = fxad.custom_vjp(lambda y: x * y)
        f.defvjp(lambda y: (x * y, None), lambda _, ct: (10.0 * x * ct,))
        return f

    x = np.arange(3.0)
    np.testing.assert_array_equal(fxad.vmap(lambda x: fxad.grad(g(x))(2.0))(x), 10.0 * x)
    np.testing.assert_array_equal(
        fxad.jvp(lambda z: fxad.vmap(lambda x: g(x)(z))(x), (2.0,), (1.0,))[1], 10.0 * x
    )


# Forward mode: the rule transposed ---------------------------------------------------------------


def test_forward_mode_of_a_map_between_spaces_of_different_sizes():
    matrix = np.arange(6.0).reshape(2, 3)
    f = fxad.custom_vjp(lambda x: matrix @ x)
    f.defvjp(lambda x: (f(x), None), lambda _, ct: (2.0 * (ct @ matrix),))
    x, v = np.ones(3), np.array([1.0, -2.0, 5.0])
    np.testing.assert_allclose(fxad.jvp(f, (x,), (v,))[1], 2.0 * matrix @ v)
    np.testing.assert_allclose(fxad.jacfwd(f)(x), fxad.jacrev(f)(x))
    np.testing.assert_allclose(fxad.jit(fxad.jacfwd(f))(x), 2.0 * matrix)
    np.testing.assert_allclose(fxad.hessian(lambda x: fnp.sum(f(x) ** 2))(x), 8 * matrix.T @ matrix)


def test_forward_mode_through_a_bwd_that_is_not_linear():
    f = fxad.custom_vjp(lambda x: x)
    f.defvjp(lambda x: (x, None), lambda _, ct: (fnp.clip(ct, -1.0, 1.0),))
    assert fxad.grad(lambda x: 5.0 * f(x))(2.0) == 1.0
    with pytest.raises(
        NonDifferentiableError,
        match=r"(?s)\[<lambda>\] got forward mode through a custom_vjp whose bwd is not linear"
        r".*test_custom_vjp.py.*give the function a custom_jvp rule",
    ):
        fxad.jvp(f, (2.0,), (1.0,))


# Mistakes ----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("kind", "words", "fwd", "bwd"),
    [
        (StructureError, r"a fwd that returned (float|Jax).*\(out, residuals\)", lambda x: x, None),
        (StructureError, r"a bwd that returned (float|Jax).*return \(ct,\)",
         None, lambda _, ct: ct),
        (StructureError, r"^\[<lambda>\] bwd\(\.\.\.\) does not fit.*tuple of 2.*test_custom_vjp",
         None, lambda _, ct: (ct, ct)),
        (StructureError, r"cotangent float64\[2\] for an argument float64\[\]",
         None, lambda _, ct: (np.ones(2),)),
        (StructureError, "cotangent complex128", None, lambda _, ct: (1j * ct,)),
        (StructureError, "cotangent float32", None, lambda _, ct: (np.float32(1.0),)),
        (ArgumentTypeError, "got str", None, lambda _, ct: ("text",)),
        (ArgumentTypeError, "output of type str", lambda x: ("text", None), None),
    ],
)  # fmt: skip
@pytest.mark.parametrize("wrap", [lambda f: f, fxad.jit], ids=["", "jit"])
def test_rules_that_do_not_fit(kind, words, fwd, bwd, wrap):
    f = fxad.custom_vjp(lambda x: x)
    f.defvjp(fwd or (lambda x: (x, None)), bwd or (lambda _, ct: (ct,)))
    with pytest.raises(kind, match=rf"(?s){words}"):
        fxad.grad(wrap(f))(1.0)


def test_no_rule():
    f = fxad.custom_vjp(lambda x: x)
    for transform in (fxad.grad, fxad.jacfwd, lambda f: fxad.grad(fxad.jit(f))):
        with pytest.raises(NonDifferentiableError, match=r"(?s)without a rule.*\.defvjp"):
            transform(f)(1.0)
    with pytest.raises(ArgumentTypeError, match=r"\[defvjp\] got float64\[\], wanted a function"):
        f.defvjp(1.0, lambda _, ct: (ct,))
    with pytest.raises(ArgumentTypeError, match=r"\[custom_vjp\] got float64\[\], wanted a func"):
        fxad.custom_vjp(1.0)


def test_a_derivative_by_what_it_closes_over_is_refused():
    def g(x):
        f = fxad.custom_vjp(lambda y: x * y)
        f.defvjp(lambda y: (x * y, None), lambda _, ct: (x * ct,))
        return f(3.0)

    for wrap in (lambda f: f, fxad.jit):
        with pytest.raises(UnexpectedTracerError, match="as an argument of its own"):
            fxad.grad(wrap(g))(2.0)


def test_a_derivative_by_what_is_not_differentiated_is_refused():
    f = fxad.custom_vjp(lambda x, y: x * y, nondiff_argnums=(0,))
    f.defvjp(lambda x, y: (f(x, y), y), lambda x, y, ct: (x * ct,))
    assert fxad.grad(f, argnums=1)(2.0, 3.0) == 2.0
    assert fxad.jit(f)(2.0, 3.0) == 6.0
    assert fxad.grad(fxad.jit(f), argnums=1)(2.0, 3.0) == 2.0
    for derivative in (fxad.grad(f), fxad.grad(fxad.jit(f))):
        with pytest.raises(UnexpectedTracerError, match=r"(?s)in nondiff_argnums.*test_custom_vjp"):
            derivative(2.0, 3.0)


def test_an_error_in_a_rule_passes_through_and_the_next_call_works():
    class Mine(Exception):
        pass

    fail = [True]

    def bwd(_, ct):
        if fail[0]:
            raise Mine
        return (3.0 * ct,)

    f = fxad.custom_vjp(lambda x: x)
    f.defvjp(lambda x: (x, None), bwd)
    with pytest.raises(Mine):
        fxad.grad(f)(1.0)
    fail[0] = False
    assert fxad.grad(f)(1.0) == 3.0


# Residuals and rules that are differentiated again -----------------------------------------------


@WRAPS
def test_residuals_of_any_pytree(wrap):
    """Pullbacks, named tuples, nothing, and leaves that are no arrays."""
    Kept = collections.namedtuple("Kept", ["pull", "name", "rest"])
    f = fxad.custom_vjp(lambda x: fnp.sin(x) * x)

    def fwd(x):
        y, pull = fxad.vjp(lambda x: fnp.sin(x) * x, x)
        return y, Kept(pull, "three", {"none": None, "shape": (), "list": [x, np.float32, 3]})

    def bwd(kept, ct):
        assert kept.name == "three" and kept.rest["none"] is None
        assert kept.rest["list"][1:] == [np.float32, 3] and kept.rest["shape"] == ()
        return (3.0 * kept.pull(ct)[0],)

    f.defvjp(fwd, bwd)
    g, x = wrap(f), 0.5
    first, second = np.sin(x) + x * np.cos(x), 2.0 * np.cos(x) - x * np.sin(x)
    np.testing.assert_allclose(fxad.grad(g)(x), 3.0 * first)
    np.testing.assert_allclose(fxad.jvp(g, (x,), (1.0,))[1], 3.0 * first)
    np.testing.assert_allclose(fxad.grad(fxad.grad(g))(x), 3.0 * second)
    np.testing.assert_allclose(fxad.hessian(g)(x), 3.0 * second)
    np.testing.assert_allclose(fxad.vmap(fxad.grad(g))(np.array([x, x])), [3.0 * first] * 2)


def bwd_that_asks_for_the_number(x, ct):
    return (float(x) * 2.0 * ct,)


def bwd_that_needs_numpy(x, ct):
    return (np.asarray(x) * 2.0 * ct,)


def bwd_that_assigns(x, ct):
    factor = np.zeros(2) + x
    factor[0] = 1.0
    return (factor[1] * 2.0 * ct,)


@pytest.mark.parametrize(
    ("bwd", "kind", "why"),
    [
        (bwd_that_asks_for_the_number, ConcretizationTypeError,
         r"\[float\] got a float64\[\].*differentiated.*would lose the derivative"),
        (bwd_that_needs_numpy, TracerArrayConversionError, "wanted the numbers of an array"),
        (bwd_that_assigns, TracerAssignmentError, "got an item assignment"),
    ],
)  # fmt: skip
def test_a_bwd_that_cannot_be_differentiated_again_is_named(bwd, kind, why):
    @fxad.custom_vjp
    def square(x):
        return x * x

    square.defvjp(lambda x: (x * x, x), bwd)
    assert fxad.grad(square)(3.0) == 6.0
    where = (
        rf"At test_custom_vjp.py:\d+: .*In {bwd.__name__} "
        rf"\(test_custom_vjp.py:{bwd.__code__.co_firstlineno}\), "
        r"the bwd rule of the custom_vjp function square\."
    )
    seconds = (fxad.grad(fxad.grad(square)), fxad.hessian(square), fxad.jacfwd(fxad.grad(square)))
    for second in seconds:
        with pytest.raises(kind, match=rf"(?s){why}.*{where}"):
            second(3.0)
    assert fxad.grad(square)(3.0) == 6.0


def test_a_fwd_that_cannot_be_differentiated_again_is_named():
    def fwd(x):
        return x * x, float(x)

    f = fxad.custom_vjp(lambda x: x * x)
    f.defvjp(fwd, lambda x, ct: (2.0 * x * ct,))
    assert fxad.grad(f)(3.0) == 6.0
    with pytest.raises(
        ConcretizationTypeError,
        match=r"(?s)\[float\].*return x \* x, float\(x\).*In fwd \(test_custom_vjp.py:\d+\), the "
        r"fwd rule of the custom_vjp function <lambda>",
    ):
        fxad.grad(fxad.grad(f))(3.0)


def test_forward_mode_through_a_bwd_that_forgets_its_cotangent():
    f = fxad.custom_vjp(lambda x: x * x)
    for constant in (7.0, np.float64(7.0), np.array(7.0)):
        f.defvjp(lambda x: (x * x, None), lambda _, ct, constant=constant: (constant,))
        with pytest.raises(
            NonDifferentiableError,
            match=r"(?s)forward mode through a custom_vjp whose bwd is not linear: .*"
            "does not depend on the tangents",
        ):
            fxad.jvp(f, (3.0,), (1.0,))


@pytest.mark.parametrize(
    ("words", "out"),
    [
        (r"another structure than the function's", lambda x: (x,)),
        (r"an output float32\[\] where the function gives float64\[\]",
         lambda x: x.astype("float32")),
        (r"an output float64\[1\] where the function gives float64\[\]", lambda x: x[None]),
    ],
)  # fmt: skip
def test_a_fwd_gives_what_the_function_gives(words, out):
    f = fxad.custom_vjp(lambda x: x * 2.0)
    f.defvjp(lambda x: (out(x), None), lambda _, ct: (ct,))
    with pytest.raises(StructureError, match=rf"(?s)got a fwd.*{words}.*fwd rule of the custom"):
        fxad.grad(lambda x: fxad.tree.leaves(fxad.jit(f)(x))[0].sum())(np.ones(()))


@pytest.mark.parametrize("wrap", [lambda f: f, fxad.jit], ids=["", "jit"])
def test_rules_that_return_nothing(wrap):
    f = fxad.custom_vjp(lambda x: x)
    f.defvjp(lambda x: None, lambda _, ct: (ct,))
    with pytest.raises(StructureError, match=r"fwd that returned NoneType, wanted \(out, resid"):
        fxad.grad(wrap(lambda x: f(x)))(1.0)
    f.defvjp(lambda x: (x, None), lambda _, ct: None)
    with pytest.raises(StructureError, match=r"bwd that returned NoneType, wanted a tuple"):
        fxad.grad(wrap(lambda x: f(x)))(1.0)
    f.defvjp(lambda x: (x, None, None), lambda _, ct: (ct,))
    with pytest.raises(StructureError, match=r"fwd that returned a tuple of 3, wanted"):
        fxad.grad(wrap(lambda x: f(x)))(1.0)


def test_checkpoint_runs_fwd_only_when_it_computes_again():
    calls = []
    f = fxad.custom_vjp(lambda x: (calls.append("fun"), x * x)[1])
    f.defvjp(
        lambda x: (calls.append("fwd"), (x * x, x))[1],
        lambda x, ct: (calls.append("bwd"), (7.0 * x * ct,))[1],
        optimize_remat=True,
    )
    assert fxad.grad(fxad.checkpoint(f))(3.0) == 21.0
    assert calls == ["fun", "fwd", "bwd"]


def test_a_program_that_a_rule_made_first_is_not_called_its_own():
    """What ``jit`` keeps of a function may be used where no rule runs."""
    step = fxad.jit(lambda x: fnp.sin(x))
    f = fxad.custom_vjp(lambda x: x)
    f.defvjp(lambda x: (x, x), lambda x, ct: (step(x) * ct,))
    assert fxad.grad(f)(1.0) == np.sin(1.0)
    with pytest.raises(NonDifferentiableError, match=r"\[sin\]") as found:
        fxad.linear_transpose(step, 1.0)(1.0)
    assert "bwd rule" not in str(found.value)


def test_a_program_made_of_a_rule_names_it_when_it_is_differentiated():
    """The rule has run when the program of it turns out not to be linear."""
    f = fxad.custom_vjp(lambda x: x)
    f.defvjp(lambda x: (x, x), lambda x, ct: (fnp.sin(ct) * x,))
    pull = fxad.make_jaxpr(lambda ct: fxad.vjp(f, 2.0)[1](ct)[0])(1.0)
    assert pull(0.5) == [2.0 * np.sin(0.5)]
    with pytest.raises(NonDifferentiableError, match=r"(?s)\[sin\].*In <lambda> .*the bwd rule of"):
        fxad.linear_transpose(lambda ct: pull(ct)[0], 1.0)(1.0)


def test_forward_mode_through_branches_and_loops_of_a_bwd_in_a_batch():
    """What the examples decide for themselves is transposed all the same."""
    f = fxad.custom_vjp(lambda x: fnp.where(x > 0.15, 2.0 * x, 3.0 * x))
    f.defvjp(
        lambda x: (fnp.where(x > 0.15, 2.0 * x, 3.0 * x), x),
        lambda x, ct: (lax.cond(x > 0.15, lambda c: 2.0 * c, lambda c: 3.0 * c, ct),),
    )
    g = fxad.custom_vjp(lambda x, n: fnp.sin(x) * 2.0**n)
    g.defvjp(
        lambda x, n: (fnp.sin(x) * 2.0**n, (x, n)),
        lambda kept, ct: (lax.fori_loop(0, kept[1], lambda i, c: 2.0 * c, fnp.cos(kept[0]) * ct),
                          None),
    )  # fmt: skip
    x, n = np.array([0.1, 0.2, 0.3]), np.array([0, 2, 3])
    for derive in (fxad.grad, fxad.jacfwd, fxad.jacrev):
        np.testing.assert_array_equal(fxad.vmap(derive(f))(x), [3.0, 2.0, 2.0])
        np.testing.assert_array_equal(fxad.vmap(fxad.vmap(derive(f)))(x[None]), [[3.0, 2.0, 2.0]])
        np.testing.assert_allclose(fxad.vmap(derive(g))(x, n), np.cos(x) * 2.0**n)
    np.testing.assert_array_equal(fxad.vmap(fxad.hessian(f))(x), np.zeros(3))
    np.testing.assert_allclose(fxad.vmap(fxad.hessian(g))(x, n), -np.sin(x) * 2.0**n)
