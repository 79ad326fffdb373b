"""``make_jaxpr``, ``eval_shape`` and ``ShapeDtypeStruct``: functions before there are values."""

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
)

STRUCT = fxad.ShapeDtypeStruct((2, 3), np.float32)


def refuses_to_run(x):
    assert isinstance(x, fxad.Array) and not isinstance(x, np.ndarray)
    return x


class Like:
    """Something with a shape and a dtype."""

    shape, dtype = (2, 3), np.dtype(np.float32)


# make_jaxpr --------------------------------------------------------------------------------------


@pytest.mark.parametrize("x", [STRUCT, np.ones((2, 3), np.float32), Like()])
def test_a_jaxpr_from_anything_with_a_shape_and_a_dtype(x):
    jaxpr = fxad.make_jaxpr(lambda x: fnp.sin(refuses_to_run(x)).sum())(x)
    assert [str(a) for a in jaxpr.in_avals] == ["f32[2,3]"]
    assert [str(a) for a in jaxpr.out_avals] == ["f32[]"]
    assert [str(e.primitive) for e in jaxpr.eqns] == ["sin", "reduce_sum"]


def test_a_jaxpr_runs_and_keeps_what_it_closes_over():
    table = np.arange(3.0)
    jaxpr = fxad.make_jaxpr(lambda x, n: {"y": x * table, "n": n + 1})(2.0, 3)
    assert len(jaxpr.consts) == 1 and jaxpr.consts[0] is table
    y, n = sorted(jaxpr(2.0, 3), key=np.size, reverse=True)
    np.testing.assert_array_equal(y, [0.0, 2.0, 4.0])
    assert n == 4


def test_the_shapes_of_the_output_beside_the_jaxpr():
    f = fxad.make_jaxpr(lambda x, n: (x[:n], {"n": n}), static_argnums=1, return_shape=True)
    _, shapes = f(np.ones(4), 2)
    assert shapes[0] == fxad.ShapeDtypeStruct((2,), np.float64)
    assert shapes[1]["n"] == fxad.ShapeDtypeStruct((), np.int64)


def test_axes_that_an_enclosing_map_would_have():
    f = lambda x: (lax.psum(x, ("i", "j")), lax.axis_index("j"))  # noqa: E731
    jaxpr = fxad.make_jaxpr(f, axis_env=[("i", 2), ("j", 3)])(1.0)
    assert [str(e.primitive) for e in jaxpr.eqns] == ["psum", "axis_index"]
    (size,) = fxad.make_jaxpr(lambda: lax.psum(1, "i"), axis_env=[("i", 5)])()()
    assert size == 5
    with pytest.raises(AxisNameError, match="'j'"):
        fxad.make_jaxpr(f, axis_env=[("i", 2)])(1.0)
    with pytest.raises(AxisNameError, match="'i'"):
        fxad.make_jaxpr(f)(1.0)


# eval_shape --------------------------------------------------------------------------------------


def test_shapes_of_outputs():
    def f(x, *, y):
        return {"dot": refuses_to_run(x) @ y, "both": (x.astype(int), 3.0), "none": None}

    out = fxad.eval_shape(f, STRUCT, y=np.ones((3, 4), np.float32))
    assert out["dot"] == fxad.ShapeDtypeStruct((2, 4), np.float32)
    assert out["both"][0] == fxad.ShapeDtypeStruct((2, 3), np.int64)
    assert out["both"][1] == fxad.ShapeDtypeStruct((), np.float64)
    assert out["none"] is None


def test_shapes_of_derivatives_and_batches():
    f = lambda x: (x**2).sum()  # noqa: E731
    assert fxad.eval_shape(fxad.grad(f), STRUCT) == STRUCT
    assert fxad.eval_shape(fxad.vmap(f), STRUCT) == fxad.ShapeDtypeStruct((2,), np.float32)
    assert fxad.eval_shape(fxad.hessian(f), STRUCT).shape == (2, 3, 2, 3)
    assert fxad.eval_shape(fxad.jit(f), STRUCT).shape == ()


def test_what_has_no_shape_is_refused():
    for name in ("eval_shape", "make_jaxpr"):
        call = fxad.eval_shape if name == "eval_shape" else lambda f, x: fxad.make_jaxpr(f)(x)
        with pytest.raises(ArgumentTypeError, match=rf"\[{name}\] got str 'no'"):
            call(lambda x: x, "no")
        with pytest.raises(ArgumentTypeError, match=rf"\[{name}\] got a function with an output"):
            call(lambda x: "text", 1.0)
        with pytest.raises(ConcretizationTypeError):
            call(lambda x: x if x > 0 else -x, 1.0)


# ShapeDtypeStruct --------------------------------------------------------------------------------


def test_structs_are_values():
    assert fxad.ShapeDtypeStruct([2, 3], "float32") == STRUCT
    assert hash(STRUCT) == hash(fxad.ShapeDtypeStruct((2, np.int64(3)), np.float32))
    for other in (fxad.ShapeDtypeStruct((3, 2), "f4"), fxad.ShapeDtypeStruct((2, 3), "f8"), (2, 3)):
        assert other != STRUCT
    assert (STRUCT.ndim, STRUCT.size, len(STRUCT)) == (2, 6, 2)
    assert fxad.tree_util.tree_leaves([STRUCT]) == [STRUCT]
    with pytest.raises(TypeError, match="0-d"):
        len(fxad.ShapeDtypeStruct((), float))


def test_structs_of_what_is_there():
    like = fxad.ShapeDtypeStruct.like
    assert like(np.ones((2, 3), np.float32)) == like(STRUCT) == STRUCT
    assert like(1) == fxad.ShapeDtypeStruct((), np.int64)
    assert fxad.vmap(lambda x: x * (like(x) == like(1.0)))(np.ones(2)).tolist() == [1.0, 1.0]
    with pytest.raises(ArgumentTypeError, match="wanted an array"):
        like("text")


def test_structs_that_no_array_has():
    for shape in ((-1,), (None, 2), (1.5,)):
        with pytest.raises(ArgumentValueError, match="lengths of at least 0"):
            fxad.ShapeDtypeStruct(shape, float)
    with pytest.raises(ArgumentTypeError, match="dtype=None"):
        fxad.ShapeDtypeStruct((), None)
