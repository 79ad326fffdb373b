"""``reduce_window`` against JAX, and as the pooling of images."""

import itertools

import numpy as np
import pytest

import fxad
from fxad import lax
from fxad.ops.pooling import Window
from fxad.test_util import check_grads
from tests.lax.parity import check, needs_jax

#: dimensions, strides, padding, base dilation, window dilation
PLANE = [
    ((4, 6), *case)
    for case in itertools.product(
        [(2, 1), (1, 2), (3, 2)],
        [(1, 1), (2, 1), (1, 2)],
        ["VALID", "SAME", "SAME_LOWER", [(0, 3), (1, 2)]],
        [(1, 1), (2, 3)],
        [(1, 1), (1, 2)],
    )
]
IMAGES = [
    ((3, 2, 4, 6), *case)
    for case in itertools.product(
        [(1, 1, 2, 1), (2, 1, 2, 1)],
        [(1, 2, 2, 1), (1, 1, 1, 1)],
        ["VALID", "SAME", [(0, 1), (1, 0), (2, 3), (0, 2)]],
        [(1, 1, 1, 1), (2, 1, 3, 2)],
        [(1, 1, 1, 1), (1, 2, 2, 1)],
    )
]
LONG = [
    ((40,), *case)
    for case in itertools.product(
        [(9,), (17,), (32,)], [(1,), (3,), (20,)], ["SAME", [(3, 5)]], [(1,), (2,)], [(1,), (2,)]
    )
]
#: A part of them, in which each value of each setting is.
CASES = [*PLANE[::11], *IMAGES[::7], *LONG[::7]]
INITIAL = {"add": 0.0, "max": -np.inf, "min": np.inf}


def elements(shape):
    size = int(np.prod(shape))
    return np.random.default_rng(size).permutation(size).reshape(shape) / 7 - 1


@needs_jax
@pytest.mark.parametrize("name", ["add", "max", "min"])
@pytest.mark.parametrize("case", CASES, ids=str)
def test_operations(name, case):
    shape, *slides = case
    # JAX has no derivative of the extrema of dilated windows.
    whole = name == "add" or all(d == 1 for d in slides[-1])
    check(
        lambda m: lambda x: m.reduce_window(x, INITIAL[name], getattr(m, name), *slides),
        elements(shape),
        derivatives=whole,
    )


@needs_jax
@pytest.mark.parametrize("case", CASES[::2], ids=str)
def test_any_function(case):
    """As a loop over the elements of each window: several arrays, any initial value."""
    shape, *slides = case
    x = elements(shape)

    def by(m, init, function):
        return lambda x: m.reduce_window(x, init, function, *slides)

    few = np.prod(slides[0]) <= 16
    check(lambda m: by(m, 1.0, lambda x, y: x * y), x / 2 + 1, derivatives=False, rtol=1e-9)
    check(lambda m: by(m, 0.3 if few else 0.0, lambda x, y: 0.0 * x + x + y), x, derivatives=False)

    def both(m):
        def function(x, y):
            return x[0] + y[0], m.max(x[1], y[1])

        return lambda x, y: m.reduce_window((x, y), (0.0, -np.inf), function, *slides)

    check(both, x, x[..., ::-1].copy(), derivatives=False)


@needs_jax
def test_dtypes():
    for dtype in (np.int8, np.uint8, np.int64, np.float32, np.float16):
        x = (7 * elements((4, 6))).astype(dtype)
        least = -np.inf if x.dtype.kind == "f" else np.iinfo(dtype).min
        for name, init in (("add", 0), ("mul", 1), ("max", least)):
            start = x.dtype.type(init)
            check(
                lambda m, n=name, i=start: lambda y: m.reduce_window(
                    y, i, getattr(m, n), (2, 2), (1, 2), "SAME"
                ),
                x,
                derivatives=False,
            )


@needs_jax
def test_negative_padding_takes_elements_away():
    for padding in ([(-5, 10)], [(10, -7)], [(-2, -4)], [(-1, -1)], [(-2, 1)]):
        for name in INITIAL:
            check(
                lambda m, p=padding, n=name: lambda x: m.reduce_window(
                    x, INITIAL[n], getattr(m, n), (2,), (1,), p
                ),
                elements((5,)),
                derivatives=False,
            )


@needs_jax
def test_the_first_of_equal_extrema_has_the_derivative():
    ties = np.array([[0.0, 1, 1, 0], [1, 0, 1, 1], [1, 1, 1, 1]])
    for name in ("max", "min"):
        for sizes, strides in (((2, 2), (1, 1)), ((3, 2), (1, 2)), ((1, 4), (1, 1))):
            check(
                lambda m, n=name, a=(sizes, strides): lambda x: m.reduce_window(
                    x, INITIAL[n], getattr(m, n), *a
                ),
                ties,
            )
    slope = fxad.grad(lambda x: lax.reduce_window(x, -np.inf, lax.max, (3,))[0])
    assert slope(np.array([1.0, np.nan, 2.0])).tolist() == [0, 1, 0]


def test_operations_are_recognised():
    x = np.ones((4, 4))
    for function, init, name in (
        (lambda x, y: y + x, 0, "reduce_window_sum"),
        (np.maximum, -np.inf, "reduce_window_max"),
        (lax.min, np.inf, "reduce_window_min"),
    ):
        staged = fxad.make_jaxpr(lambda x, a=(init, function): lax.reduce_window(x, *a, (2, 2)))(x)
        assert [str(eqn.primitive) for eqn in staged.eqns] == [name]


# Pooling ---------------------------------------------------------------------------------------


@pytest.fixture
def images(rng):
    return rng.normal(size=(2, 6, 8, 3))


def max_pool(x, k=2):
    return lax.reduce_window(x, -np.inf, lax.max, (1, k, k, 1), (1, k, k, 1))


def mean_pool(x, k=2):
    total, count = (
        lax.reduce_window(y, 0.0, lax.add, (1, k, k, 1), (1, k, k, 1), "SAME")
        for y in (x, np.ones(x.shape))
    )
    return total / count


def test_pooling(images):
    tiles = images.reshape(2, 3, 2, 4, 2, 3)
    np.testing.assert_array_equal(max_pool(images), tiles.max((2, 4)))
    np.testing.assert_allclose(mean_pool(images), tiles.mean((2, 4)), rtol=1e-13, atol=1e-15)


def test_pooling_at_the_border(images):
    """A window counts the elements it holds."""
    out = mean_pool(images, 5)
    assert out.shape == (2, 2, 2, 3)
    np.testing.assert_allclose(out[:, 0, 0], images[:, :3, :4].mean((1, 2)))
    np.testing.assert_allclose(out[:, 1, 1], images[:, 3:, 4:].mean((1, 2)))


def test_derivatives_of_pooling(images):
    check_grads(lambda x: np.tanh(max_pool(x)) + mean_pool(x), (images[:1, :4, :4],), 2)
    wins = fxad.grad(lambda x: max_pool(x).sum())(images)
    assert wins.sum() == max_pool(images).size
    np.testing.assert_array_equal(images[wins == 1].sum(), images[wins > 0].sum())
    np.testing.assert_allclose(np.sort(images[wins == 1]), np.sort(max_pool(images).ravel()))


def test_derivatives_by_everything(rng):
    """Operands, initial values, and what the function closes over."""
    x = rng.uniform(0.2, 0.6, (3, 3))

    def f(x, init, w):
        return lax.reduce_window(x, init, lambda a, b: lax.sin(w) * a * b + a + b, (2, 2))

    check_grads(f, (x, 0.3, 0.4), 2)
    check_grads(lambda x, i: lax.reduce_window(x, i, lax.add, (2, 2), padding="SAME"), (x, 0.3), 2)
    check_grads(lambda x, i: lax.reduce_window(x, i, lax.max, (2, 2)), (elements((3, 3)), 0.3), 2)
    y = rng.uniform(0.9, 1.1, 24)
    check_grads(lambda y: lax.reduce_window(y, 1.0, lambda a, b: a * b, (19,)), (y,), 2)


def test_composes(images):
    one = images[0]

    def pool(x):
        return lax.reduce_window(x, -np.inf, lax.max, (2, 3, 1), (2, 1, 1))

    wanted = np.stack([pool(x) for x in images])
    for f in (fxad.vmap(pool), fxad.jit(fxad.vmap(pool)), fxad.vmap(fxad.jit(pool))):
        np.testing.assert_array_equal(f(images), wanted)
    turned = fxad.vmap(pool, in_axes=2, out_axes=1)(np.moveaxis(images, 0, 2))
    np.testing.assert_array_equal(np.moveaxis(turned, 1, 0), wanted)
    forward, backward = fxad.jacfwd(pool)(one), fxad.jit(fxad.jacrev(pool))(one)
    np.testing.assert_array_equal(forward, backward)
    np.testing.assert_allclose(np.tensordot(forward, one, 3), pool(one))
    narrow = fxad.vmap(fxad.grad(lambda x: pool(x).sum()))(images.astype(np.float32))
    assert narrow.dtype == np.float32


def test_a_batch_of_functions_of_several_arrays():
    """The place of the longest row, with an initial value that no row reaches."""

    def longest(x):
        norms = np.sqrt((x * x).sum(-1))

        def best(a, b):
            first = a[0] >= b[0]
            return lax.select(first, a[0], b[0]), lax.select(first, a[1], b[1])

        rows = np.arange(x.shape[0])
        _, found = lax.reduce_window((norms, rows), (-np.inf, -1), best, (2,), (2,), ((0, 0),))
        return x[found]

    x = np.array([[1.0, 0, 1], [2, 2, 0], [3, 0, 1], [0, 1, 1]])
    out = fxad.vmap(longest)(x[None])
    np.testing.assert_array_equal(out, [[[2, 2, 0], [3, 0, 1]]])


@pytest.mark.parametrize("case", [*PLANE, *LONG], ids=str)
def test_windows_transposed_twice_are_the_same(case):
    """Their sums are one matrix and its transpose."""
    shape, sizes, strides, padding, base, dilation = case
    spans = [(k - 1) * d + 1 for k, d in zip(sizes, dilation, strict=True)]
    if isinstance(padding, str):
        padding = lax.padtype_to_pads(shape, spans, strides, padding)
    window = Window(sizes, strides, tuple(padding), base, dilation)
    assert window.transposed(shape).counts(window.counts(shape)) == shape


# Bad input -------------------------------------------------------------------------------------


def test_named_padding():
    assert lax.padtype_to_pads((5, 4), (2, 3), (1, 2), "same") == [(0, 1), (0, 1)]
    assert lax.padtype_to_pads((5,), (2,), (1,), lax.PaddingType.SAME_LOWER) == [(1, 0)]
    pairs = lax.padtype_to_pads(*np.array([[5, 4], [9, 3], [3, 2]]), "SAME")
    assert pairs == [(3, 4), (0, 1)]
    assert all(type(n) is int for pair in pairs for n in pair)
    assert lax.padtype_to_pads((5,), (2,), (2,), "VALID") == [(0, 0)]


def test_what_does_not_fit_is_refused():
    x = np.ones((4, 4), np.float32)
    for changes, kind, message in (
        ({"window_dimensions": (2,)}, TypeError, r"window_dimensions=\(2,\) for an operand of sha"),
        ({"window_dimensions": (0, 2)}, TypeError, "wanted every element to be at least 1"),
        ({"window_dimensions": 2}, TypeError, "window_dimensions=2, wanted a sequence"),
        ({"window_strides": (1, 0)}, TypeError, "wanted every element to be at least 1"),
        ({"window_strides": (1, 1, 1)}, TypeError, r"window_strides=\(1, 1, 1\) for an operand"),
        ({"base_dilation": (1,)}, TypeError, r"base_dilation=\(1,\) for an operand"),
        ({"window_dilation": (1, 1.5)}, TypeError, r"window_dilation=\(1, 1.5\), wanted a sequ"),
        ({"padding": "FULL"}, ValueError, "got padding='FULL', wanted 'VALID'"),
        ({"padding": [(0, 0)]}, TypeError, "wanted a pair for each axis"),
        ({"padding": (1, 1)}, TypeError, r"padding=\(1, 1\), wanted 'VALID'"),
        ({"init_value": np.zeros(1)}, TypeError, r"initial value of shape \(1,\)"),
        ({"init_value": np.float64(0)}, TypeError, "for an operand of float32, wanted one dtype"),
        ({"init_value": (0.0,)}, ValueError, "initial values of another structure"),
        ({"computation": lambda x, y: [x + y]}, ValueError, "of another structure"),
        ({"computation": lax.lt}, TypeError, "computation that makes bool"),
        ({"computation": None}, TypeError, "wanted a function"),
        ({"operand": ()}, ValueError, "got no operand"),
    ):
        call = {
            "operand": x,
            "init_value": 0.0,
            "computation": lax.add,
            "window_dimensions": (2, 2),
        }
        with pytest.raises(kind, match=message):
            lax.reduce_window(**call | changes)
