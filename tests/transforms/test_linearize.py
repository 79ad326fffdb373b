"""``grad``, ``value_and_grad``, ``vjp``, ``linearize``, ``linear_transpose``: what they promise."""

import numpy as np
import pytest

import fxad
import fxad.numpy as fnp
from fxad.core.aval import float0
from fxad.errors import (
    ArgumentTypeError,
    ArgumentValueError,
    DtypeError,
    NonScalarOutputError,
    StructureError,
)


def product(x, y, z=4.0):
    return x * y * y * z


# grad --------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("argnums", "wanted"),
    [
        (0, 36.0),
        (1, 48.0),
        (-1, 48.0),
        ((0,), (36.0,)),
        ((0, 1), (36.0, 48.0)),
        ([1, 0], (48.0, 36.0)),
        ((-1, 0), (48.0, 36.0)),
        (np.int64(1), 48.0),
    ],
    ids=repr,
)
def test_argnums(argnums, wanted):
    assert fxad.grad(product, argnums=argnums)(2.0, 3.0) == wanted
    assert fxad.value_and_grad(product, argnums)(2.0, 3.0) == (72.0, wanted)


def test_keywords_are_not_differentiated_and_stay_keywords():
    assert fxad.grad(product)(2.0, 3.0, z=1.0) == 9.0
    assert fxad.grad(product, argnums=2)(2.0, 3.0, 1.0) == 18.0
    with pytest.raises(ArgumentTypeError, match=r"(?s)argnums=2 .*2 positional.*by position"):
        fxad.grad(product, argnums=2)(2.0, 3.0, z=1.0)


@pytest.mark.parametrize("argnums", [2, -3, (0, 5)])
def test_argnums_that_name_no_argument(argnums):
    with pytest.raises(ArgumentTypeError, match=r"\[grad\] got argnums=.*2 positional arguments"):
        fxad.grad(product, argnums)(1.0, 2.0)


@pytest.mark.parametrize("argnums", [(0, 0), (1, -1)])
def test_argnums_that_name_an_argument_twice(argnums):
    with pytest.raises(ArgumentValueError, match=r"\[grad\] got argnums=.*one position twice"):
        fxad.grad(product, argnums)(1.0, 2.0)


@pytest.mark.parametrize("argnums", ["0", 1.0, True, (0, "x"), None])
def test_argnums_that_are_no_integers(argnums):
    with pytest.raises(ArgumentTypeError, match="wanted an integer or a tuple of integers"):
        fxad.grad(product, argnums)(1.0, 2.0)


def test_auxiliary_results():
    def f(x):
        return fnp.sum(x**2), {"twice": 2.0 * x, "name": "text", "none": None}

    x = np.arange(3.0)
    gradient, aux = fxad.grad(f, has_aux=True)(x)
    (value, again), same = fxad.value_and_grad(f, has_aux=True)(x)
    np.testing.assert_array_equal(gradient, 2.0 * x)
    np.testing.assert_array_equal(same, 2.0 * x)
    assert value == 5.0
    for result in (aux, again):
        np.testing.assert_array_equal(result["twice"], 2.0 * x)
        assert (result["name"], result["none"]) == ("text", None)
    assert fxad.grad(lambda x: [x * x, "aux"], has_aux=True)(1.0) == (2.0, "aux")
    for bad in (lambda x: x, lambda x: (x,), lambda x: (x, x, x), lambda x: {"a": x, "b": x}):
        with pytest.raises(ArgumentTypeError, match=r"wanted a pair \(output, aux\)"):
            fxad.grad(bad, has_aux=True)(1.0)


def test_trees_of_arguments():
    tree = {"w": np.ones((2, 2)), "b": (np.ones(2), 3.0), "none": None}
    gradient = fxad.grad(lambda t: fnp.sum(t["w"] @ t["b"][0]) * t["b"][1])(tree)
    assert fxad.tree.structure(gradient) == fxad.tree.structure(tree)
    np.testing.assert_array_equal(gradient["w"], np.full((2, 2), 3.0))
    assert gradient["b"][1] == 4.0


def test_holomorphic_functions():
    z = 1.0 + 2.0j
    assert fxad.grad(lambda z: z**3, holomorphic=True)(z) == pytest.approx(3.0 * z**2, rel=1e-15)
    with pytest.raises(DtypeError, match=r"holomorphic=True and an argument float64"):
        fxad.grad(lambda z: z, holomorphic=True)(1.0)
    with pytest.raises(DtypeError, match="holomorphic"):
        fxad.grad(lambda z: z)(z)
    # Of a real function JAX's convention: df/dx - i df/dy.
    assert fxad.grad(lambda z: z.real**2 + 3.0 * z.imag)(z) == 2.0 - 3.0j


def test_integers():
    with pytest.raises(DtypeError, match=r"(?s)\[grad\].*int64.*"):
        fxad.grad(product)(2, 3.0)
    gradient, of_float = fxad.grad(product, (0, 1), allow_int=True)(2, 3.0)
    assert (gradient.dtype, gradient.shape, of_float) == (float0, (), 48.0)
    assert fxad.grad(product, allow_int=True)(True, 3.0).dtype == float0
    with pytest.raises(DtypeError):
        fxad.grad(lambda x: 3, allow_int=True)(1)


def test_integers_are_refused_before_the_function_runs():
    calls = []
    for transform in (fxad.grad, fxad.value_and_grad, lambda f: fxad.jit(fxad.grad(f))):
        with pytest.raises(DtypeError, match=r"int64\[2\] to differentiate by"):
            transform(calls.append)(np.array([1, 2]))
    assert calls == []


@pytest.mark.parametrize(
    "output", [np.ones(1), np.ones((2, 3)), (1.0, 2.0), {}, None, [1.0]], ids=repr
)
def test_outputs_that_are_not_one_number(output):
    with pytest.raises(NonScalarOutputError, match=r"\[grad\].*wanted one number"):
        fxad.grad(lambda x: fxad.tree.map(lambda y: y * x, output))(1.0)


@pytest.mark.parametrize("dtype", [np.float16, np.float32, np.float64, np.complex64], ids=str)
def test_gradients_have_the_dtypes_and_kinds_of_their_arguments(dtype):
    for x in (np.ones(2, dtype), np.ones((), dtype)):
        gradient = fxad.grad(lambda x: fnp.sum(fnp.real(x * x)))(x)
        assert (gradient.dtype, gradient.shape, type(gradient)) == (dtype, x.shape, np.ndarray)


def test_names_and_texts_are_the_functions_own():
    def f(x):
        """A text."""
        return x

    for transform in (fxad.grad, fxad.value_and_grad, fxad.jacfwd, fxad.hessian, fxad.vmap):
        assert (transform(f).__name__, transform(f).__doc__) == ("f", "A text.")
    with pytest.raises(ArgumentTypeError, match=r"\[grad\] got .*wanted a function"):
        fxad.grad(f(3.0))


def test_python_decides_by_values():
    def f(x):
        while x < 100.0:
            x = x * x if x > 1.0 else x + 1.0
        return x

    assert fxad.grad(f)(3.0) == 8.0 * 3.0**7  # 3, 9, 81, 6561: the eighth power


def test_the_function_runs_once():
    for derivative in (
        fxad.grad,
        fxad.value_and_grad,
        fxad.jacfwd,
        fxad.jacrev,
        lambda f: lambda x: fxad.vjp(f, x)[1](1.0),
        lambda f: lambda x: fxad.linearize(f, x)[1](1.0),
    ):
        calls = []
        derivative(lambda x, calls=calls: calls.append(x) or x * x)(3.0)
        assert len(calls) == 1


# vjp and linearize -------------------------------------------------------------------------------


def test_a_linearized_function_runs_once_for_many_tangents():
    calls = []

    def f(x):
        calls.append(x)
        return fnp.sin(x)

    out, push = fxad.linearize(f, 2.0)
    assert [out, push(1.0), push(3.0)] == [np.sin(2.0), np.cos(2.0), 3.0 * np.cos(2.0)]
    assert len(calls) == 1


def test_trees_in_and_out_of_both():
    def f(a, b):
        return {"sum": a["x"] + b, "product": a["x"] * b}

    point = ({"x": 2.0}, 3.0)
    out, pull = fxad.vjp(f, *point)
    same, push = fxad.linearize(f, *point)
    assert out == same == {"sum": 5.0, "product": 6.0}
    assert pull({"sum": 1.0, "product": 10.0}) == ({"x": 31.0}, 21.0)
    assert push({"x": 1.0}, 0.0) == {"sum": 1.0, "product": 3.0}


def test_auxiliary_results_of_both():
    f = lambda x: (x * x, ("aux", x + 1.0))  # noqa: E731
    out, pull, aux = fxad.vjp(f, 3.0, has_aux=True)
    assert (out, pull(1.0), aux) == (9.0, (6.0,), ("aux", 4.0))
    out, push, aux = fxad.linearize(f, 3.0, has_aux=True)
    assert (out, push(1.0), aux) == (9.0, 6.0, ("aux", 4.0))


def test_cotangents_and_tangents_that_do_not_fit():
    _, pull = fxad.vjp(lambda x: (x, x), np.ones(2))
    _, push = fxad.linearize(lambda x, n: x * n, np.ones(2), 3)
    for ct in (np.ones(2), [np.ones(2)] * 2, (np.ones(2),), (np.ones(2), np.ones(3)),
               (np.ones(2), np.ones(2, np.float32)), (np.ones(2), 1.0)):
        with pytest.raises(StructureError, match=r"\[vjp\]"):
            pull(ct)
    for tangents in ((np.ones(2),), (np.ones(3), np.zeros((), float0)), (np.ones(2), 1)):
        with pytest.raises(StructureError, match=r"\[linearize\]"):
            push(*tangents)


def test_complex_numbers_are_no_tangents_of_real_ones():
    refused = pytest.raises(StructureError, match=r"complex128\[\], wanted float(32|64)\[\]")
    for x in (2.0, np.float32(2.0)):
        with refused:
            fxad.vjp(fnp.square, x)[1](1j)
        with refused:
            fxad.linearize(fnp.square, x)[1](1j)
        with refused:
            fxad.linear_transpose(lambda x: 3.0 * x, x)(1j)
        assert fxad.vjp(fnp.square, x)[1](1)[0] == fxad.linearize(fnp.square, x)[1](1) == 4.0


def test_integers_have_derivatives_without_values():
    out, pull = fxad.vjp(lambda x, n: (x * n, n + 1), 2.0, 3)
    dx, dn = pull((1.0, np.zeros((), float0)))
    assert (out, dx, dn.dtype) == ((6.0, 4), 3.0, float0)
    _, push = fxad.linearize(lambda x, n: (x * n, n + 1), 2.0, 3)
    dy, dm = push(1.0, np.zeros((), float0))
    assert (dy, dm.dtype) == (3.0, float0)


# linear_transpose --------------------------------------------------------------------------------


def test_transposes_of_linear_functions():
    a = np.arange(6.0).reshape(2, 3)
    both = lambda x, y: {"out": a @ x + 2.0 * y}  # noqa: E731
    transposed = fxad.linear_transpose(both, np.ones(3), np.ones(2))
    dx, dy = transposed({"out": np.array([1.0, 10.0])})
    np.testing.assert_array_equal(dx, a.T @ [1.0, 10.0])
    np.testing.assert_array_equal(dy, [2.0, 20.0])
    abstract = fxad.linear_transpose(lambda x: x[::-1], fxad.ShapeDtypeStruct((3,), np.float32))
    (out,) = abstract(np.arange(3, dtype=np.float32))
    assert (out.tolist(), out.dtype) == ([2.0, 1.0, 0.0], np.float32)
    (zero,) = fxad.linear_transpose(lambda x: fnp.zeros(2), np.ones(3))(np.ones(2))
    np.testing.assert_array_equal(zero, np.zeros(3))


def test_transposes_of_functions_of_integers():
    f = lambda x: 3 * x[::-1].cumsum()  # noqa: E731
    transposed_matrix = np.stack([f(row) for row in np.eye(3, dtype=int)])
    (out,) = fxad.linear_transpose(f, np.arange(3))(np.array([1, 10, 100]))
    np.testing.assert_array_equal(out, transposed_matrix @ [1, 10, 100])
    assert out.dtype == int
    for fun, x, ct in (
        (lambda x: 2.0 * x, 1, 1.0),
        (lambda x: x.astype(int), 1.0, 1),
        (lambda x: x, True, True),
    ):
        with pytest.raises(DtypeError, match=r"\[linear_transpose\] got arg.* integers alone"):
            fxad.linear_transpose(fun, x)(ct)


def test_a_transpose_of_a_transpose_is_the_function():
    f = lambda x: fnp.cumsum(3.0 * x)  # noqa: E731
    x = np.array([1.0, 5.0, 2.0])
    once = fxad.linear_transpose(f, x)
    twice = fxad.linear_transpose(lambda ct: once(ct)[0], x)
    np.testing.assert_array_equal(twice(x)[0], f(x))


def test_cotangents_of_a_transpose_that_do_not_fit():
    transposed = fxad.linear_transpose(lambda x: (x, x), 1.0)
    for ct in (1.0, (1.0,), (1.0, np.ones(2))):
        with pytest.raises(StructureError, match=r"\[linear_transpose\]"):
            transposed(ct)


def test_a_pushforward_used_first_under_another_trace_is_not_kept_by_it():
    """What it reads was computed where the function ran, not where it is first asked for."""
    _, push = fxad.linearize(np.sin, 1.0)
    assert fxad.jit(lambda t: push(t))(2.0) == pytest.approx(2 * np.cos(1.0))
    assert push(2.0) == pytest.approx(2 * np.cos(1.0))
    x = np.array([1.0, 2.0])
    _, pull = fxad.vjp(np.sin, x)
    assert fxad.jit(lambda t: fxad.tree.leaves(pull)[0] * t)(x).shape == x.shape
    np.testing.assert_allclose(fxad.tree.leaves(pull)[0], np.cos(x))
