"""``jit``: what is traced when, which arguments are static or given away, what it may wrap."""

import functools
import gc
import pickle
import weakref

import numpy as np
import pytest

import fxad
from fxad.core.trace import Tracer
from fxad.errors import (
    ArgumentTypeError,
    ArgumentValueError,
    ConcretizationTypeError,
    TracerBoolConversionError,
)


class Counted:
    """A function and how often it has run: jitted, how often it has been traced."""

    def __init__(self, function):
        self.function, self.count = function, 0

    def __call__(self, *args, **kwargs):
        self.count += 1
        return self.function(*args, **kwargs)


def counted_jit(function, **options):
    counter = Counted(function)
    return fxad.jit(counter, **options), counter


# When it traces ----------------------------------------------------------------------------------


def test_one_trace_for_one_signature():
    f, counter = counted_jit(lambda x: x * 2.0)
    for value in (np.ones(3), np.zeros(3), np.arange(3.0)):
        np.testing.assert_array_equal(f(value), value * 2.0)
    assert counter.count == 1


@pytest.mark.parametrize(
    "second",
    [np.ones(4), np.ones((3, 1)), np.ones(3, np.float32), np.float64(1.0), 1.0, 1, True, 1j],
    ids=repr,
)
def test_another_signature_is_another_trace(second):
    f, counter = counted_jit(lambda x: x + x)
    f(np.ones(3))
    f(second)
    f(second)
    assert counter.count == 2


def test_structures_are_part_of_the_signature():
    f, counter = counted_jit(lambda tree: tree)
    for tree in ((1.0, 2.0), [1.0, 2.0], {"a": 1.0, "b": 2.0}, {"a": 1.0, "c": 2.0}, (1.0, (2.0,))):
        assert fxad.tree.structure(f(tree)) == fxad.tree.structure(tree)
        f(tree)
    assert counter.count == 5


@fxad.tree_util.register_pytree_node_class
class Scaled:
    """One array, and options that flattening gives away as they are."""

    def __init__(self, x, options):
        self.x, self.options = x, options

    def tree_flatten(self):
        return (self.x,), self.options

    @classmethod
    def tree_unflatten(cls, options, children):
        return cls(*children, options)


def test_auxiliary_data_without_a_hash_is_part_of_the_signature():
    f, counter = counted_jit(lambda tree: tree.x * 2 if tree.options["twice"] else tree.x)
    assert f(Scaled(3.0, {"twice": True})) == f(Scaled(3.0, {"twice": True})) == 6.0
    assert counter.count == 1
    options = {"twice": True}
    assert f(Scaled(5.0, options)) == 10.0
    options["twice"] = False
    assert f(Scaled(5.0, options)) == 5.0
    assert counter.count == 2
    options["twice"] = True
    assert f(Scaled(5.0, options)) == 10.0
    assert counter.count == 2


def test_auxiliary_data_of_outputs_is_the_callers_own():
    options = {"names": ["a"]}
    f, counter = counted_jit(lambda x: Scaled(2.0 * x, options))
    for x in (1.0, 2.0, 3.0):
        out = f(x)
        assert (out.x, out.options) == (2.0 * x, {"names": ["a"]})
        out.options["names"].append("b")
        options["names"] = ["c"]
    assert counter.count == 1


def test_names_of_keywords_are_part_of_the_signature():
    f, counter = counted_jit(lambda x, y=2.0: x - y)
    assert (f(1.0, 3.0), f(1.0, y=3.0), f(x=1.0, y=3.0), f(y=3.0, x=1.0)) == (-2.0,) * 4
    assert counter.count == 3


def test_settings_are_part_of_the_signature():
    f, counter = counted_jit(lambda x: x * fxad.numpy.ones(2))
    assert f(np.float32(1)).dtype == np.float64
    with fxad.config.override(default_float="float32"):
        assert f(np.float32(1)).dtype == np.float32
    f(np.float32(1))
    assert counter.count == 2


def test_an_inner_jit_is_traced_once_for_all_of_its_calls_and_callers():
    inner, counter = counted_jit(lambda x: x * 2.0)

    @fxad.jit
    def outer(x):
        return inner(inner(inner(x))) + x

    one = np.float64(1.0)
    assert outer(one) == 9.0
    assert inner(one) == 2.0
    assert fxad.jit(lambda x: inner(x))(one) == 2.0
    assert counter.count == 1


def test_jit_of_the_same_function_again_is_not_traced_again():
    count = 0

    def f(x, n):
        nonlocal count
        count += 1
        return x**n

    for _ in range(3):
        assert fxad.jit(f, static_argnums=1)(3.0, 2) == 9.0
    assert count == 1
    assert fxad.jit(f)(3.0, 2) == 9.0  # the same function, with other static arguments
    assert count == 2


def test_a_forgotten_function_is_traced_again():
    f, counter = counted_jit(lambda x: x + 1.0)
    f(1.0)
    f.clear_cache()
    f(1.0)
    fxad.clear_caches()
    f(1.0)
    assert counter.count == 3


def test_a_function_goes_though_its_programs_hold_it():
    def made():
        @fxad.custom_vjp
        def f(x):
            return 2 * x

        f.defvjp(lambda x: (f(x), None), lambda _, ct: (ct * step(1.0),))
        step = fxad.jit(lambda x: f(x))
        assert fxad.grad(step)(1.0) == 2.0
        return weakref.ref(step.__wrapped__)

    gone = made()
    gc.collect()
    assert gone() is None


def test_a_wrapper_has_programs_of_its_own():
    def f(x):
        return x + 1

    assert fxad.jit(f)(1.0) == 2.0

    @functools.wraps(f)
    def twice(x):
        return 2 * f(x)

    assert fxad.jit(twice)(1.0) == 4.0
    assert all(pickle.loads(pickle.dumps(kept)) == {} for kept in vars(f).values())


def test_derivatives_and_batches_do_not_trace_again():
    f, counter = counted_jit(lambda x: fxad.numpy.sin(x) * x)
    for _ in range(2):
        assert fxad.grad(f)(2.0) == pytest.approx(np.sin(2.0) + 2.0 * np.cos(2.0), rel=1e-15)
        fxad.vmap(f)(np.ones(3))
    assert counter.count <= 3  # a weak number, a strong one at most twice


def test_what_it_closes_over_is_read_when_it_is_traced():
    box = [2.0]
    f = fxad.jit(lambda x: x * box[0])
    assert f(1.0) == 2.0
    box[0] = 3.0
    assert f(1.0) == 2.0
    assert f(np.ones(1)) == [3.0]


# Static arguments --------------------------------------------------------------------------------


def test_static_arguments_are_values():
    def f(x, n, flag):
        assert not isinstance(n, Tracer)
        return x * n if flag else -x

    for options in (
        {"static_argnums": (1, 2)},
        {"static_argnums": (-2, -1)},
        {"static_argnames": ("n", "flag")},
        {"static_argnums": 1, "static_argnames": "flag"},
    ):
        g = fxad.jit(f, **options)
        assert (g(2.0, 3, flag=True), g(2.0, 3, flag=False)) == (6.0, -2.0)


def test_each_static_value_is_a_program():
    f, counter = counted_jit(lambda x, n: x * n, static_argnums=1)
    results = [f(2.0, n) for n in (1, 1.0, True, 1, 2)]
    assert results == [2.0, 2.0, 2.0, 2.0, 4.0]
    assert counter.count == 4  # 1, 1.0 and True are equal, and not the same


def test_either_way_to_name_a_static_argument_implies_the_other():
    for options in ({"static_argnums": 1}, {"static_argnames": "n"}):
        f = fxad.jit(lambda x, n: x * len(n), **options)
        assert f(2.0, "abc") == f(2.0, n="abc") == 6.0


def test_both_ways_together_are_taken_at_their_word():
    f = fxad.jit(lambda x, n: isinstance(n, Tracer), static_argnums=1, static_argnames=())
    assert not f(1.0, 2)
    assert f(1.0, n=2)


def test_a_static_argument_that_cannot_be_hashed():
    f = fxad.jit(lambda x, n: x, static_argnums=1)
    with pytest.raises(ArgumentValueError, match=r"(?s)\[jit\] got the static argument 1 of type "
                       r"list, which cannot be hashed.*test_jit.py.*a tuple for a list"):
        f(1.0, [1, 2])
    assert f(1.0, (1, 2)) == 1.0


def positional(a, b, c): ...
def open_ended(a, *args, **kwargs): ...
def nameless(a, /, b, **kwargs): ...


@pytest.mark.parametrize("kind", ["static", "donate"])
def test_arguments_that_the_function_does_not_have(kind):
    fxad.jit(positional, **{f"{kind}_argnums": (0, -3)})
    fxad.jit(open_ended, **{f"{kind}_argnums": (0, 7), f"{kind}_argnames": ("what",)})
    for argnums in (3, -4, (0, 3)):
        with pytest.raises(ArgumentValueError, match=rf"\[jit\] got {kind}_argnums=(3|-4) for"):
            fxad.jit(positional, **{f"{kind}_argnums": argnums})
    with pytest.raises(ArgumentValueError, match=rf"got {kind}_argnames='d' for"):
        fxad.jit(positional, **{f"{kind}_argnames": ("a", "d")})
    with pytest.raises(ArgumentValueError, match="where it is not passed by name"):
        fxad.jit(nameless, **{f"{kind}_argnames": "a"})
    with pytest.raises(ArgumentValueError, match="where it is not passed by name"):
        fxad.jit(open_ended, **{f"{kind}_argnames": "args"})
    with pytest.raises(ArgumentTypeError, match=rf"got {kind}_argnums=\['0'\], wanted integers"):
        fxad.jit(positional, **{f"{kind}_argnums": ("0",)})
    with pytest.raises(ArgumentTypeError, match=rf"got {kind}_argnames=\[0\], wanted strings"):
        fxad.jit(positional, **{f"{kind}_argnames": (0,)})


def test_an_argument_cannot_be_static_and_given_away():
    with pytest.raises(ArgumentValueError, match=r"both static and donated \('b', 1\)"):
        fxad.jit(positional, static_argnums=1, donate_argnames="b")


# What it may wrap --------------------------------------------------------------------------------


class Model:
    """A class with functions of every kind."""

    def __init__(self, scale):
        self.scale = scale

    def __call__(self, x):
        return x * self.scale

    def method(self, x):
        return x * self.scale

    @functools.partial(fxad.jit, static_argnums=0)
    def jitted(self, x):
        return x * self.scale

    @staticmethod
    @fxad.jit
    def static(x):
        return x * 5.0

    @classmethod
    def of_class(cls, x):
        return x * 7.0


def test_methods_partials_and_callable_objects():
    model = Model(3.0)
    assert fxad.jit(model)(2.0) == 6.0
    assert fxad.jit(model.method)(2.0) == 6.0
    assert fxad.jit(model.of_class)(2.0) == 14.0
    assert (model.jitted(2.0), model.static(2.0), Model.static(2.0)) == (6.0, 10.0, 10.0)
    assert Model(4.0).jitted(2.0) == 8.0
    assert fxad.jit(functools.partial(model.method))(2.0) == 6.0
    assert fxad.jit(functools.partial(lambda x, y: x - y, y=1.0))(2.0) == 1.0
    assert fxad.jit(fxad.grad(model))(2.0) == 3.0
    assert fxad.jit(fxad.tree_util.Partial(lambda x, y: x - y, 5.0))(2.0) == 3.0


def test_a_decorator_with_and_without_options():
    @fxad.jit
    def plain(x):
        """A text."""
        return x

    @fxad.jit(static_argnames="n")
    def with_options(x, n):
        return x * n

    assert (plain.__name__, plain.__doc__) == ("plain", "A text.")
    assert (plain(1.0), with_options(2.0, n=3)) == (1.0, 6.0)


def test_what_it_refuses():
    def generator(x):
        yield x

    with pytest.raises(ArgumentTypeError, match=r"\[jit\] got .*, wanted a function"):
        fxad.jit(3)
    with pytest.raises(ArgumentTypeError, match="got a generator function"):
        fxad.jit(generator)
    with pytest.raises(ArgumentTypeError, match="got a staticmethod"):
        fxad.jit(staticmethod(generator))
    with pytest.raises(ArgumentTypeError, match=r"output of type str"):
        fxad.jit(lambda x: "text")(1.0)
    with pytest.raises(ArgumentTypeError, match=r"argument\[0\]\[0\]"):
        fxad.jit(lambda x: x)("text")


def test_values_are_not_known_while_tracing():
    with pytest.raises(TracerBoolConversionError, match="static_argnums"):
        fxad.jit(lambda x: x if x > 0 else -x)(1.0)
    with pytest.raises(ConcretizationTypeError):
        fxad.jit(float)(1.0)


# Inputs and outputs ------------------------------------------------------------------------------


def test_results_are_the_callers_own():
    constant = np.ones(2)
    f = fxad.jit(lambda x: (x, x, constant, x[::-1]))
    x = np.arange(2.0)
    outs = f(x)
    arrays = [x, constant, *outs]
    for i, a in enumerate(arrays):
        for b in arrays[:i]:
            assert not np.shares_memory(a, b)
    for out in outs:
        out[:] = 7.0
    np.testing.assert_array_equal(f(x)[2], [1.0, 1.0])


@pytest.mark.parametrize("options", [{"donate_argnums": 0}, {"donate_argnames": "x"}], ids=str)
def test_arrays_given_away_may_come_back(options):
    f = fxad.jit(lambda x, y: (x, y), **options)
    x, y = np.ones(2), np.ones(2)
    for call in (lambda: f(x, y), lambda: f(x=x, y=y)):
        out_x, out_y = call()
        assert out_x is x
        assert out_y is not y


def test_inline_writes_the_operations_themselves():
    called = fxad.jit(lambda x: x + 1.0)
    inlined = fxad.jit(lambda x: x + 1.0, inline=True)
    one = np.float64(1.0)
    assert [str(e.primitive) for e in fxad.make_jaxpr(called)(one).eqns] == ["jit"]
    assert [str(e.primitive) for e in fxad.make_jaxpr(inlined)(one).eqns] == ["add"]
    assert inlined(1.0) == called(1.0) == 2.0


def test_disable_jit_runs_the_function_itself():
    f, counter = counted_jit(lambda x: x + 1.0)
    with fxad.disable_jit():
        for _ in range(3):
            assert f(1.0) == 2.0
    assert counter.count == 3
