"""Shapes, slices, new arrays and conversions against JAX's."""

import numpy as np
import pytest

import fxad
from fxad import lax
from fxad.errors import ArgumentValueError, DtypeError, ShapeError
from tests.lax.parity import check, needs_jax

M = np.arange(12.0).reshape(3, 4) / 7
V = np.linspace(-1, 1, 5)

CALLS = {
    "broadcast": [(V, {"sizes": (2, 3)}), (np.float32(1), {"sizes": (2,)})],
    "broadcast_in_dim": [
        (V, {"shape": (2, 5, 3), "broadcast_dimensions": (1,)}),
        (M[:, :1], {"shape": (3, 2, 4), "broadcast_dimensions": (0, 2)}),
    ],
    "collapse": [
        (M[None], {"start_dimension": 0, "stop_dimension": 2}),
        (M, {"start_dimension": 1, "stop_dimension": 1}),
        (M[None], {"start_dimension": 0, "stop_dimension": -1}),
    ],
    "convert_element_type": [
        (M, {"new_dtype": np.float32}),
        (M, {"new_dtype": np.int32}),
        (M, {"new_dtype": np.complex128}),
    ],
    "expand_dims": [(M, {"dimensions": (0, -1)})],
    "index_in_dim": [
        (M, {"index": -1}),
        (M, {"index": 2, "axis": 1, "keepdims": False}),
    ],
    "pad": [
        (M, np.float64(2), {"padding_config": ((1, 2, 1), (-1, 0, 0))}),
        (M, np.float64(2), {"padding_config": ((-1, -1, 3), (0, -2, 1))}),
    ],
    "reshape": [
        (M, {"new_sizes": (2, 6)}),
        (M, {"new_sizes": (2, 6), "dimensions": (1, 0)}),
    ],
    "rev": [(M, {"dimensions": (1,)}), (M, {"dimensions": (0, 1)})],
    "slice": [
        (M, {"start_indices": (1, 0), "limit_indices": (3, 4)}),
        (M, {"start_indices": (0, 1), "limit_indices": (3, 4), "strides": (2, 2)}),
    ],
    "slice_in_dim": [
        (M, {"start_index": 1, "limit_index": None}),
        (M, {"start_index": -3, "limit_index": -1, "stride": 2, "axis": -1}),
    ],
    "split": [(M, {"sizes": (1, 3), "axis": 1})],
    "squeeze": [(M[None, :, None], {"dimensions": (0, -2)})],
    "tile": [(M, {"reps": (2, 3)})],
    "transpose": [(M, {"permutation": (1, 0)}), (M[None], {"permutation": (2, 0, 1)})],
    "unstack": [(M, {"axis": 1})],
}


@needs_jax
@pytest.mark.parametrize("name", CALLS)
def test_shape_and_slice(name):
    for *args, kwargs in CALLS[name]:
        check(name, *args, **kwargs)


@needs_jax
@pytest.mark.parametrize("name", ["concatenate", "stack"])
def test_joining(name):
    for axis in (0, 1):
        check(lambda m, axis=axis: lambda x, y: getattr(m, name)([x, y], axis), M, M[::-1].copy())


@needs_jax
def test_slices_at_values():
    starts = np.array([2, -1])
    check("dynamic_slice", M, starts, slice_sizes=(2, 2))
    check(lambda m: lambda x, s: m.dynamic_slice(x, (s, 1), (1, 2)), M, np.int64(-1))
    check("dynamic_update_slice", M, M[:2, :2] + 5, starts)
    check("dynamic_slice_in_dim", V, np.int64(3), slice_size=3)
    check("dynamic_index_in_dim", M, np.int64(1), axis=1, keepdims=False)
    check("dynamic_update_slice_in_dim", V, V[:2] * 3, np.int64(-2), axis=0)
    check("dynamic_update_index_in_dim", M, V[:4], np.int64(9), axis=0)


@needs_jax
def test_broadcast_in_dim_in_any_order():
    for x, shape, dims in ((M[:1], (4, 3), (1, 0)), (M, (4, 2, 3), (2, 0))):
        arguments = {"shape": shape, "broadcast_dimensions": dims}
        check("broadcast_in_dim", x, derivatives=False, **arguments)  # JAX's own fail there


def test_negative_places_that_do_not_count_from_the_end():
    one = lax.dynamic_slice_in_dim(V, -1, 2, allow_negative_indices=False)
    assert one.tolist() == V[:2].tolist()
    for starts in ((-1, -1), np.array([-1, -1])):
        both = lax.dynamic_slice(M, starts, (2, 2), allow_negative_indices=False)
        assert both.tolist() == M[:2, :2].tolist()
        mixed = lax.dynamic_slice(M, starts, (2, 2), allow_negative_indices=(True, False))
        assert mixed.tolist() == M[1:, :2].tolist()
    updated = lax.dynamic_update_index_in_dim(V, 9.0, -2, 0, allow_negative_indices=False)
    assert updated.tolist() == [9.0, *V[1:]]


@needs_jax
def test_index_take_wraps():
    check(lambda m: lambda x, i: m.index_take(x, [i], (1,)), M, np.array([1, -1, 5]))
    check(
        lambda m: lambda x, i, j: m.index_take(x, [i, j], (0, 1)),
        M,
        np.array([0, 3, -2]),
        np.array([1, -1, 5]),
    )


@needs_jax
def test_new_arrays():
    check(lambda m: lambda: m.iota(np.int32, 4))
    check(lambda m: lambda: m.broadcasted_iota(np.float32, (2, 3), 1))
    check(lambda m: lambda: m.full((2, 3), 1.5))
    check(lambda m: lambda: m.full((2, 3), 1, np.float32))
    check(lambda m: lambda x: m.full((2, 3), x), np.float32(1))
    check(lambda m: lambda x: m.full_like(x, 7), M)
    check(lambda m: lambda x: m.full_like(x, 7, np.int32, (2,)), M)


@needs_jax
def test_bits_of_other_dtypes():
    for dtype in (np.int64, np.int32, np.uint8):
        check("bitcast_convert_type", M, new_dtype=dtype, batched=False)
    check("bitcast_convert_type", M.view(np.int32).reshape(3, 4, 2), new_dtype=np.float64)


def test_shapes_broadcast():
    assert lax.broadcast_shapes((2, 1), (3,), ()) == (2, 3)
    assert lax.broadcast_shapes() == ()


def test_barriers_change_nothing():
    values = {"x": M, "y": [V, 1.0]}
    same = lax.optimization_barrier(values)
    assert same["x"].tolist() == M.tolist()
    assert float(same["y"][1]) == 1.0
    gradient = fxad.grad(lambda x: np.sum(lax.optimization_barrier((x, V))[0] ** 2))(V)
    np.testing.assert_array_equal(gradient, 2 * V)
    assert "optimization_barrier" in str(fxad.make_jaxpr(lax.optimization_barrier)(V))


def test_constants_for_derivatives():
    def f(tree):
        fixed = lax.stop_gradient(tree)
        return tree["x"] * fixed["x"] + fixed["y"][0] ** 2

    assert fxad.grad(f)({"x": 3.0, "y": (2.0, None)}) == {"x": 3.0, "y": (0.0, None)}
    assert lax.stop_gradient(V).tolist() == V.tolist()


def test_misfits():
    with pytest.raises(ShapeError, match=r"\[broadcast_in_dim\] got .*\(0, 0\) for \(3, 4\)"):
        lax.broadcast_in_dim(M, (3, 4), (0, 0))
    with pytest.raises(ShapeError, match=r"\[broadcast_shapes\] got shapes \(2,\) and \(3,\)"):
        lax.broadcast_shapes((2,), (3,))
    with pytest.raises(ArgumentValueError, match=r"\[collapse\] got dimensions 1 to 0"):
        lax.collapse(M, 1, 0)
    with pytest.raises(ArgumentValueError, match=r"\[index_in_dim\] got axis 7"):
        lax.index_in_dim(M, 7)
    with pytest.raises(ArgumentValueError, match=r"\[index_take\] got 1 vectors"):
        lax.index_take(M, [np.array([0])], (0, 1))
    for fill in (lax.full((2,), 1.0), V):
        with pytest.raises(ShapeError, match=r"\[full_like\].*wanted one number"):
            lax.full_like(M, fill)


@pytest.mark.parametrize(
    ("value", "padding", "kind"),
    [
        (np.zeros(2), [(0, 0, 0)], ShapeError),
        (0.0, [(0, 0, 0), (0, 0, 0)], ArgumentValueError),
        (0.0, [(0, 1, 0), (0, 1, 0)], ArgumentValueError),
        (0.0, [(0, 1, -1)], ArgumentValueError),
        (0.0, [(-3, 0, 0)], ShapeError),
        (0.0, [(-4, 0, 1)], ShapeError),
    ],
)
def test_padding_that_does_not_fit(value, padding, kind):
    """Refused also where it would change nothing."""
    for pad in (lax.pad, fxad.jit(lax.pad, static_argnums=2)):
        with pytest.raises(kind, match=r"\[pad\] got"):
            pad(np.zeros(2), value, tuple(padding))


@pytest.mark.parametrize(
    ("name", "call"),
    [
        ("reshape", lambda x: lax.reshape(x, (-1,))),
        ("reshape", lambda x: lax.reshape(x, (-3, -4))),
        ("broadcast", lambda x: lax.broadcast(x, (-1,))),
        ("broadcast_in_dim", lambda x: lax.broadcast_in_dim(x, (3, -4), (0, 1))),
        ("broadcast_shapes", lambda x: lax.broadcast_shapes(x.shape, (-1,))),
        ("full", lambda x: lax.full((2, -1), x[0, 0])),
        ("full_like", lambda x: lax.full_like(x, 1, shape=(-1,))),
        ("iota", lambda x: lax.iota(int, -1)),
        ("broadcasted_iota", lambda x: lax.broadcasted_iota(int, (2, -1), 0)),
    ],
)
def test_every_length_is_given(name, call):
    """Under jit and without: -1 stands for no length, unlike in NumPy's reshape."""
    for run in (call, fxad.jit(call)):
        with pytest.raises(ShapeError, match=rf"\[{name}\] got the shape .*, wanted lengths"):
            run(M)


@pytest.mark.parametrize("order", [(-1, 0), (0,), (0, 0), (0, 2)])
def test_axes_are_a_permutation(order):
    for run in (lax.transpose, fxad.jit(lax.transpose, static_argnums=1)):
        with pytest.raises(ArgumentValueError, match=r"\[transpose\] got the axes"):
            run(M, order)
    with pytest.raises(ArgumentValueError, match=r"\[transpose\] got the axes"):
        lax.reshape(M, (12,), dimensions=order)


def test_numbers_stay_numbers():
    for dtype in (str, object, "datetime64[s]"):
        with pytest.raises(DtypeError, match=r"\[convert_element_type\] got .*dtype of numbers"):
            lax.convert_element_type(M, dtype)
