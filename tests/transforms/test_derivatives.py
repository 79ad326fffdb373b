"""Jacobians, Hessians and Hessian-vector products: shapes, trees, options, costs."""

import numpy as np
import pytest

import fxad
import fxad.numpy as fnp
from fxad.core.aval import float0
from fxad.errors import ArgumentValueError, DtypeError, StructureError

JACOBIANS = [fxad.jacfwd, fxad.jacrev, fxad.jacobian]
each = pytest.mark.parametrize("jac", JACOBIANS, ids=lambda jac: jac.__name__)
MODES = ["forward-over-reverse", "reverse-over-reverse", "reverse-over-forward"]


@each
def test_shapes_are_those_of_the_output_and_the_input(jac):
    a = np.arange(6.0).reshape(2, 3)
    np.testing.assert_array_equal(jac(lambda x: a @ x)(np.ones(3)), a)
    assert jac(lambda x: fnp.outer(a @ x, x))(np.ones(3)).shape == (2, 3, 3)
    assert jac(lambda x: x[0, 0] * 2.0)(a).shape == (2, 3)
    assert jac(lambda x: x * fnp.ones((4, 1)))(2.0).shape == (4, 1)
    assert jac(fnp.sin)(0.0) == 1.0
    assert jac(lambda x: x)(np.ones(2, np.float32)).dtype == np.float32


@each
def test_trees_of_inputs_and_outputs(jac):
    def f(tree):
        return {"sum": tree["x"] + tree["y"][0], "square": (tree["x"] ** 2,)}

    tree = {"x": np.array([1.0, 2.0]), "y": [3.0]}
    found = jac(f)(tree)
    assert fxad.tree.structure(found) == fxad.tree.structure({"sum": tree, "square": (tree,)})
    np.testing.assert_array_equal(found["sum"]["x"], np.eye(2))
    np.testing.assert_array_equal(found["sum"]["y"][0], np.ones(2))
    np.testing.assert_array_equal(found["square"][0]["x"], np.diag([2.0, 4.0]))
    np.testing.assert_array_equal(found["square"][0]["y"][0], np.zeros(2))


@each
def test_options(jac):
    f = lambda x, y, z=1.0: x * y * z  # noqa: E731
    x, y = np.array([1.0, 2.0]), np.array([3.0, 4.0])
    for argnums, wanted in ((0, y), (1, x), (-1, x), ((1, 0), (x, y))):
        found = jac(f, argnums=argnums)(x, y, z=2.0)
        pairs = zip(found, wanted, strict=True) if argnums == (1, 0) else [(found, wanted)]
        for a, b in pairs:
            np.testing.assert_array_equal(a, 2.0 * np.diag(b))
    found, aux = jac(lambda x: (x * x, "aux"), has_aux=True)(x)
    np.testing.assert_array_equal(found, np.diag(2.0 * x))
    assert aux == "aux"


@each
def test_complex_numbers(jac):
    z = np.array([1.0 + 2.0j, 3.0j])
    found = jac(lambda z: z**2, holomorphic=True)(z)
    np.testing.assert_allclose(found, np.diag(2.0 * z), rtol=1e-15)
    with pytest.raises(DtypeError, match=rf"\[{jac.__name__}\].*complex"):
        jac(lambda x: x, holomorphic=True)(1.0)
    with pytest.raises(DtypeError, match=rf"\[{jac.__name__}\]"):
        jac(lambda z: z)(z)


def test_integers():
    with pytest.raises(DtypeError, match=r"\[jacfwd\] got an argument int64"):
        fxad.jacfwd(lambda n: n * 1.0)(3)
    found = fxad.jacrev(lambda n: n * np.ones(2), allow_int=True)(3)
    assert (found.dtype, found.shape) == (float0, (2,))


def test_jacobian_goes_the_cheaper_way():
    def run(rows, columns):
        a = np.ones((rows, columns))
        closed = fxad.make_jaxpr(fxad.jacobian(lambda x: fnp.sin(a @ x)))(np.ones(columns))
        return {v.aval.shape for e in closed.eqns for v in e.outvars}

    assert (3, 50) in run(3, 50)
    assert (50, 50) not in run(3, 50) | run(50, 3)


def test_a_hessian_of_a_tree():
    f = lambda t: t["x"] ** 2 * t["y"]  # noqa: E731
    assert fxad.hessian(f)({"x": 3.0, "y": 5.0}) == {
        "x": {"x": 10.0, "y": 6.0}, "y": {"x": 6.0, "y": 0.0}
    }
    assert fxad.hessian(lambda x, y: x * y, argnums=(0, 1))(2.0, 3.0) == ((0.0, 1.0), (1.0, 0.0))
    found, aux = fxad.hessian(lambda x: (x**3, "aux"), has_aux=True)(2.0)
    assert (found, aux) == (12.0, "aux")


def test_slopes_of_powers_at_zero_and_their_own_slopes():
    """d/dx x**y is 0 at y = 0, and grows with y there."""
    f = lambda x, y: x**y  # noqa: E731
    wanted = ((0.0, 0.25), (0.25, np.log(4.0) ** 2))
    for inner in JACOBIANS:
        for outer in JACOBIANS:
            found = outer(inner(f, (0, 1)), (0, 1))(4.0, 0.0)
            np.testing.assert_allclose(found, wanted, rtol=1e-14)
    assert fxad.grad(f)(0.0, 0.0) == 0.0
    assert fxad.grad(f)(np.zeros(()), np.zeros(())) == 0.0


@pytest.mark.parametrize("mode", MODES)
def test_products_with_the_hessian(mode):
    f = lambda t: fnp.sum(t["x"] ** 3) * t["y"]  # noqa: E731
    point = {"x": np.array([1.0, 2.0]), "y": 3.0}
    found = fxad.hvp(f, point, {"x": np.array([1.0, 0.0]), "y": 1.0}, mode=mode)
    np.testing.assert_allclose(found["x"], [21.0, 12.0], rtol=1e-15)
    assert found["y"] == 3.0


def test_value_gradient_and_product_in_one_pass():
    calls = []

    def f(x):
        calls.append(x)
        return fnp.sum(x**3)

    value, gradient, product = fxad.value_grad_hvp(f, np.array([1.0, 2.0]), np.array([1.0, 1.0]))
    assert (value, gradient.tolist(), product.tolist()) == (9.0, [3.0, 12.0], [6.0, 12.0])
    assert len(calls) == 1


def test_products_never_form_the_hessian():
    n = 200_000
    closed = fxad.make_jaxpr(lambda x, v: fxad.hvp(lambda x: fnp.sum(x**4), x, v))(
        np.ones(n), np.ones(n)
    )
    assert max(v.aval.size for e in closed.eqns for v in e.outvars) == n


def test_vectors_and_modes_that_do_not_fit():
    with pytest.raises(StructureError, match=r"\[hvp\] got the vector of another structure"):
        fxad.hvp(lambda x: x[0], (1.0,), [1.0])
    with pytest.raises(ArgumentValueError, match="mode='sideways', wanted one of 'forward"):
        fxad.hvp(lambda x: x, 1.0, 1.0, mode="sideways")


@pytest.mark.parametrize(
    "outer", [lambda f: f, fxad.jit, fxad.checkpoint], ids=["eager", "jit", "checkpoint"]
)
@pytest.mark.parametrize(
    "inner",
    [
        fxad.grad(lambda y: y * y),
        fxad.grad(lambda y: 3.0),
        lambda y: fxad.value_and_grad(lambda y: 3.0)(y)[0],
        lambda y: fxad.jvp(lambda y: 2 * y, (y,), (1.0,))[1],
        lambda y: fxad.vjp(lambda y: 2 * y, y)[0],
        lambda y: fxad.vjp(lambda y: 2 * y, y)[1](1.0)[0],
        fxad.jit(lambda y: 2 * y),
        fxad.checkpoint(lambda y: 2 * y),
    ],
    ids=["grad", "zero", "value", "jvp", "vjp", "pull", "jit", "checkpoint"],
)
def test_what_comes_out_for_numbers_has_one_dtype_everywhere(outer, inner):
    """Inside another transformation it gave way to the dtypes beside it."""
    x = np.ones(2, np.float32)

    def f(x):
        y = inner(1.5)
        return x * y, fnp.where(~(y == 0), 1.0, 2.0)

    wanted = f(x)
    assert wanted[0].dtype == np.float64
    primal = fxad.vjp(lambda x: f(x)[0], x)[0]
    for got in (outer(f)(x), (fxad.jvp(lambda x: f(x)[0], (x,), (x,))[0], wanted[1]),
                (primal, wanted[1])):
        for a, b in zip(got, wanted, strict=True):
            np.testing.assert_array_equal(a, b, strict=True)
