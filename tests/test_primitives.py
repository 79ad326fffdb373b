"""No primitive without its rules, and none without an entry in the table."""

import dis
import inspect
import itertools

import numpy as np
import pytest

import fxad
import fxad.lax.parallel
from fxad import lax
from fxad.core.aval import ShapedArray
from fxad.core.primitive import Primitive
from fxad.ops.rules import Computed, elementwise
from tests.documents import modules
from tests.opinfo import table

#: Elementwise primitives that no printer of codegen has an expression for: they are not fused.
NOT_FUSED = {"gcd", "lcm", "nextafter", "polygamma", "reduce_precision", "spacing"}

#: Primitives whose linear part another one carries.
PARTED = {"while", "while_record"}


def primitives() -> dict[str, Primitive]:
    found = {
        id(value): value
        for module in modules()
        for value in vars(module).values()
        if isinstance(value, Primitive)
    }
    names = [p.name for p in found.values()]
    assert len(set(names)) == len(names), {n for n in names if names.count(n) > 1}
    return {p.name: p for p in found.values()}


PRIMITIVES = primitives()
COVERED = {primitive for info in table() for primitive in info.primitives}
each = pytest.mark.parametrize("primitive", PRIMITIVES.values(), ids=PRIMITIVES.keys())


def missing_slots(primitive: Primitive) -> list[str]:
    """The rules that a primitive should have and has not."""
    needed = ["abstract", "impl", "batch", "cost"]
    if primitive.linearize or primitive.partials:
        needed.append("jvp")
    parts = primitive.split and not primitive.stage and primitive.name not in PARTED
    if primitive.multilinear or parts:
        needed.append("transpose")
    return [slot for slot in needed if not callable(getattr(primitive, slot))]


@each
def test_has_the_rules_that_apply(primitive):
    assert missing_slots(primitive) == []


@each
def test_partials_keep_no_more_than_they_read(primitive):
    """A parameter without an underscore in front is kept for the backward pass."""
    for partial in primitive.partials or ():
        if isinstance(partial, Computed):
            named = [n for n in inspect.signature(partial.rule).parameters if n[0] != "_"]
            code = list(dis.get_instructions(partial.rule))
            names = [i.argval if isinstance(i.argval, tuple) else (i.argval,) for i in code]
            assert set(named) <= set(itertools.chain(*names))


@each
def test_stands_in_the_table(primitive):
    """The table's tests then hold its rules: values, batches, derivatives to second order."""
    assert primitive in COVERED, f"no OpInfo in tests/opinfos/ names {primitive.name}_p"


#: Functions of lax whose results are no arrays, and collectives, whose entries make their vmap.
NO_ENTRY = {"axis_size", "broadcast_shapes", "padtype_to_pads"}


@pytest.mark.parametrize("name", [n for n in lax.__all__ if inspect.isfunction(getattr(lax, n))])
def test_functions_of_lax_stand_in_the_table(name):
    entries = {info.name for info in table()}
    collective = getattr(lax, name) is getattr(fxad.lax.parallel, name, None)
    assert f"lax.{name}" in entries or (collective and name in entries) or name in NO_ENTRY


ELEMENTWISE = {
    primitive
    for info in table()
    if info.elementwise
    for primitive in info.primitives
    if primitive.name not in NOT_FUSED
}


@pytest.mark.parametrize("primitive", sorted(ELEMENTWISE, key=repr), ids=repr)
def test_elementwise_primitives_can_be_fused(primitive):
    assert primitive.scalar, f"{primitive.name} has no scalar expression"


def test_a_missing_slot_is_found():
    broken = elementwise("broken", impl=lambda xp, x: x)
    assert missing_slots(broken) == []
    broken.batch = None
    assert missing_slots(broken) == ["batch"]
    assert broken not in COVERED


# The dtype law -----------------------------------------------------------------------------------

KINDS = ["bool", "int8", "int32", "int64", "uint8", "uint64", "float16", "float32", "float64"]
KINDS += ["complex64", "complex128"]
OPERANDS = [*(np.ones(2, kind) for kind in KINDS), np.float32(1), True, 1, 1.0, 1j]
BINARY = [info for info in table() if info.elementwise and len(info.primitives) == 1]
BINARY = [
    info
    for info in BINARY
    if len(next(iter(info.samples(np.random.default_rng(0), np.dtype(info.dtypes[-1])))).args) == 2
]


@pytest.mark.parametrize("info", BINARY, ids=str)
def test_promotes_as_numpy(info):
    """Eager, staged and abstract, two operands give the dtype of NumPy's ufunc, or its refusal."""
    for x, y in itertools.product(OPERANDS, repeat=2):
        if type(x) is type(y) is bool:
            continue  # Python's own sum of these is an integer, NumPy's a boolean
        with np.errstate(all="ignore"):
            wanted = _dtype_or_none(info.ref, x, y)
            eager = _dtype_or_none(info.op, x, y)
            staged = _dtype_or_none(lambda *xs: fxad.eval_shape(info.op, *xs), x, y)
            compiled = _dtype_or_none(fxad.jit(info.op), x, y)
        if wanted is None and eager is not None:
            continue  # more than NumPy has: complex numbers compared
        assert eager == staged == compiled == wanted, (info.name, x, y)


def _dtype_or_none(fun, *args):
    try:
        out = fun(*args)
    except TypeError:
        return None
    return out.dtype if hasattr(out, "dtype") else np.asarray(out).dtype


@pytest.mark.parametrize("kind", KINDS[6:])
def test_tangents_follow_the_primal_of_mixed_operands(kind):
    """A product of an array and a number or an integer array keeps one dtype throughout."""
    for other in (2, 2.0, np.ones(2, kind), np.ones(2, np.int8)):
        x = np.ones(2, kind)
        out, tangent = fxad.jvp(lambda x, y=other: x * y, (x,), (x,))
        (ct,) = fxad.vjp(lambda x, y=other: x * y, x)[1](out)
        assert (out.dtype, tangent.dtype, ct.dtype) == ((x * other).dtype,) * 2 + (x.dtype,)


def test_shaped_arrays_name_their_dtypes():
    assert str(ShapedArray((2, 3), np.dtype("float32"))) == "f32[2,3]"
