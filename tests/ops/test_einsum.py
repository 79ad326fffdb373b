"""Einstein summation against NumPy's, with derivatives and batches."""

import numpy as np
import pytest

import fxad.ops.einsum as module
from fxad.errors import ArgumentValueError, ShapeError
from fxad.ops.einsum import einsum
from fxad.transforms.linearize import vjp
from tests.ops.checks import check_abstract, check_op, check_vmap

CASES = [
    ("ij,jk->ik", (2, 3), (3, 4)), ("ij,jk", (2, 3), (3, 4)), ("ij,jk->ki", (2, 3), (3, 4)),
    ("ji", (2, 3)), ("ij->", (2, 3)), ("ij->j", (2, 3)), ("ii", (3, 3)), ("ii->i", (3, 3)),
    ("iij->ji", (3, 3, 2)), ("iii->i", (2, 2, 2)), ("iijj->ij", (2, 2, 3, 3)), ("i,i", (3,), (3,)),
    ("i,j->ij", (2,), (3,)), ("i,j->ji", (2,), (3,)), ("ij,ij->ij", (2, 3), (2, 3)),
    ("ij,ij->i", (2, 3), (2, 3)), ("bij,bjk->bik", (2, 3, 4), (2, 4, 2)),
    ("bij,bkj->bki", (2, 3, 4), (2, 2, 4)), ("ij,kl->", (2, 3), (2, 2)), ("i,i->i", (1,), (3,)),
    ("ij,jk->ik", (2, 1), (3, 2)), ("...ij,...jk->...ik", (2, 1, 2, 3), (3, 3, 2)),
    ("...ii->...i", (2, 3, 3)), ("...,...->...", (3, 1), (4,)), ("i...,i...->...", (3, 4), (3,)),
    ("...ij", (4, 2, 3)), ("b...a->a...", (2, 3, 4)), ("Ba", (2, 3)), ("", ()), (",->", (), ()),
    ("ij,jk,kl->il", (2, 3), (3, 4), (4, 2)), ("i,ij,j", (2,), (2, 3), (3,)),
    ("ij,jk,ki->", (2, 3), (3, 2), (2, 2)), ("ijk,jil->kl", (2, 3, 4), (3, 2, 2)),
    ("ij,j->ij", (2, 3), (3,)), ("ii,i->i", (3, 3), (3,)), ("i j , j k -> i k", (2, 3), (3, 4)),
    ("ij,jk->ik", (2, 0), (0, 3)), ("ii->i", (0, 0)), ("aab,bc->ac", (2, 2, 3), (3, 2)),
    ("i->i...", (3,)), ("ab,ac,ad->bcd", (2, 3), (2, 2), (2, 2)),
]  # fmt: skip


@pytest.mark.parametrize("text, shapes", [(c[0], c[1:]) for c in CASES], ids=str)
@pytest.mark.parametrize("optimize", [True, False])
def test_values_and_derivatives_are_numpys(text, shapes, optimize, rng):
    arrays = [rng.standard_normal(s) for s in shapes]

    def f(*arrays):
        return einsum(text, *arrays, optimize=optimize)

    wanted = np.einsum(text, *arrays)
    np.testing.assert_allclose(f(*arrays), wanted, rtol=1e-12, atol=1e-12)
    assert np.shape(f(*arrays)) == np.shape(wanted)
    check_abstract(f, arrays)
    if optimize:
        check_op(f, arrays)
        check_vmap(f, arrays)


def test_interleaved_operands(rng):
    x, y = rng.standard_normal((2, 3)), rng.standard_normal((3, 4))
    for args in [
        (x, [0, 1], y, [1, 2], [0, 2]), (x, [0, 1], y, [1, 2]), (x, [5, 2]), (x, [0, 1], [1]),
        (x, [..., 0], x, [..., 0], [...]), (x, [7, 50], y, [50, 3], [3, 7]), (x, (1, 0)),
    ]:  # fmt: skip
        np.testing.assert_allclose(einsum(*args), np.einsum(*args), rtol=1e-12)


@pytest.mark.parametrize("library", [True, False])
@pytest.mark.parametrize("optimize", [True, "greedy", "optimal", ("greedy", 100), False])
def test_orders_of_products(library, optimize, rng, monkeypatch):
    if library and not module.installed("opt_einsum"):
        pytest.skip("needs opt_einsum")
    monkeypatch.setattr(module, "installed", lambda name: library)
    module._path.cache_clear()
    arrays = [rng.standard_normal(s) for s in [(2, 9), (9, 8), (8, 3), (3, 2)]]
    text = "ij,jk,kl,lm->im"
    wanted = np.einsum(text, *arrays)
    np.testing.assert_allclose(einsum(text, *arrays, optimize=optimize), wanted, rtol=1e-12)
    module._path.cache_clear()
    path = np.einsum_path(text, *arrays)[0]
    np.testing.assert_allclose(einsum(text, *arrays, optimize=path), wanted, rtol=1e-12)
    steps = path[1:]  # as opt_einsum writes a path
    np.testing.assert_allclose(einsum(text, *arrays, optimize=steps), wanted, rtol=1e-12)
    for bad in ([(0, 1)], [(0, 9), (0, 1), (0, 1)], [(0, 0), (0, 1), (0, 1)], [*steps, (0, 1)]):
        with pytest.raises(ArgumentValueError, match=r"\[einsum\].*make one operand of 4"):
            einsum(text, *arrays, optimize=bad)
    with pytest.raises(ArgumentValueError, match="optimize='best'"):
        einsum(text, *arrays, optimize="best")
    module._path.cache_clear()


def test_the_order_is_a_cheap_one(rng):
    """A chain that is vast from the left and small from the right."""
    small = module._path(((0, 1), (1, 2), (2,)), (0,), ((100, 100), (100, 100), (100,)), True)
    assert set(small[0]) == {1, 2}


@pytest.mark.parametrize(
    "dtypes",
    [(np.float32, np.float32), (np.float32, np.float64), (np.complex64, np.float32),
     (np.int32, np.float32), (np.int8, np.int8), (np.bool_, np.bool_)],
)  # fmt: skip
def test_dtypes_are_numpys(dtypes, rng):
    x, y = (rng.integers(0, 2, (3, 3)).astype(d) for d in dtypes)
    for text in ("ij,jk->ik", "ij,ij->ij"):
        out, wanted = einsum(text, x, y), np.einsum(text, x, y)
        np.testing.assert_array_equal(out, wanted)
        assert out.dtype == wanted.dtype
    assert einsum("ii", x).dtype == x.dtype
    assert einsum("i,->i", np.ones(2, np.float32), 2.0).dtype == np.float64
    if x.dtype.kind in "fc":
        _, pull = vjp(lambda x: einsum("ij,jk->ik", x, y), x)
        assert pull(einsum("ij,jk->ik", x, y))[0].dtype == x.dtype
    big = np.full((1, 4), 100, np.int8)
    assert einsum("ij,kj->ik", big, big, preferred_element_type=np.int32)[0, 0] == 40000


def test_complex_derivatives(rng):
    x = rng.standard_normal((2, 3)) + 1j * rng.standard_normal((2, 3))
    check_op(lambda x, y: einsum("ij,kj->ik", x, y), (x, rng.standard_normal((2, 3))))


@pytest.mark.parametrize(
    "args, kind, words",
    [
        (("ij,jk->ik", np.ones((2, 3)), np.ones((2, 3))), ShapeError, "axis j has the lengths 3 a"),
        (("ij->i", np.ones(3)), ShapeError, r"'ij' for operand 0 of shape \(3,\), wanted one for"),
        (("...ijk->i", np.ones((2, 3))), ShapeError, r"'\.\.\.ijk' for operand 0"),
        (("ii->i", np.ones((2, 3))), ShapeError, "axis i has the lengths 2 and 3"),
        (("ii->i", np.ones((1, 3))), ShapeError, "axis i has the lengths 1 and 3"),
        (("i->j", np.ones(3)), ArgumentValueError, "output axis j, which no operand has"),
        (("i->ii", np.ones(3)), ArgumentValueError, "output axis i twice"),
        (("i1", np.ones((2, 3))), ArgumentValueError, "'1' in the subscripts 'i1'"),
        (("i.j", np.ones((2, 3))), ArgumentValueError, r"'\.' in the subscripts"),
        (("i->i->i", np.ones(3)), ArgumentValueError, "'-' in the subscripts"),
        (("i,i", np.ones(3)), ArgumentValueError, "subscripts for 2 operands and 1 operands"),
        (("...i->i", np.ones((2, 3))), ArgumentValueError, r"output without '\.\.\.'"),
        ((), ArgumentValueError, "no operands"),
    ],
)
def test_errors_say_what_does_not_fit(args, kind, words):
    with pytest.raises(kind, match=words) as e:
        einsum(*args)
    assert str(e.value).startswith("[einsum] got ")
    if args:
        with pytest.raises(ValueError):
            np.einsum(*args)
