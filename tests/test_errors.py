"""Errors by their text: the operation, what it got and wanted, the user's line, the way out."""

import inspect
import linecache
import math
import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import pytest

import fxad
import fxad.numpy as fnp
from fxad import errors, lax
from fxad.backends.registry import Device

X = np.array([1.0, 2.0, 3.0])
M = np.ones((3, 4))


@dataclass(frozen=True)
class Case:
    """A mistake, and what its message must say; ``way_out`` stands at the end."""

    name: str
    mistake: Callable[[], Any]
    error: type[Exception]
    operation: str
    got: str
    wanted: str
    way_out: str
    builtin: type[Exception] = TypeError
    line: str = ""  # what the named line holds, where it is not the mistake itself


def branches(x):
    if x > 0:
        return x
    return -x


def assigns(x):
    x[0] = 1.0
    return x


def leaks():
    kept = []
    fxad.grad(lambda x: kept.append(x) or x)(1.0)
    return kept[0] * 2.0


CASES = [
    # Shapes
    Case("matmul", lambda: fxad.jit(fnp.matmul)(M, np.ones((5, 6))), errors.ShapeError, "matmul",
         "(3, 4) and (5, 6)", "inner dimensions 4 and 5 differ", "", ValueError),
    Case("broadcasting", lambda: fxad.grad(lambda x: np.sum(x + M))(X), errors.ShapeError, "add",
         "shapes (3,) and (3, 4)", "two lengths must be equal or one of them 1", "", ValueError),
    Case("reshape", lambda: fxad.grad(lambda x: np.sum(x.reshape(2, 2)))(X), errors.ShapeError,
         "reshape", "(3,)", "(2, 2)", "", ValueError),
    Case("concatenate", lambda: fxad.grad(lambda x: np.sum(np.concatenate([x, M])))(X),
         errors.ShapeError, "concatenate", "(3,) and (3, 4)", "", "", ValueError),
    Case("axis", lambda: fxad.grad(lambda x: np.sum(np.sum(x, axis=1)))(X),
         errors.ArgumentValueError, "sum", "axis 1 for an array with 1 dimension",
         "-1 <= axis < 1", "", ValueError),
    # grad
    Case("grad of a vector", lambda: fxad.grad(lambda x: x * 2)(X), errors.NonScalarOutputError,
         "grad", "output is float64[3]", "one number of shape ()",
         "Reduce it with sum or mean, or use fxad.jacobian or fxad.vjp."),
    Case("grad of a tree", lambda: fxad.grad(lambda x: (x[0], x[1]))(X),
         errors.NonScalarOutputError, "grad", "pytree", "one number", "has_aux=True."),
    Case("grad by integers", lambda: fxad.grad(lambda x: x * 2.0)(3), errors.DtypeError,
         "grad", "int64[] to differentiate by", "real or complex numbers",
         "Pass floats (3.0 for 3), name other argnums, or set allow_int=True."),
    Case("grad of integers", lambda: fxad.grad(lambda x: np.sum(x > 0))(X), errors.DtypeError,
         "grad", "output is int64[]", "a real number", "for integers compute in floats."),
    Case("grad of complex", lambda: fxad.grad(lambda x: x * 1j)(1.0), errors.DtypeError,
         "grad", "output is complex128[]", "a real number", ""),
    Case("holomorphic real", lambda: fxad.grad(np.sin, holomorphic=True)(1.0), errors.DtypeError,
         "grad", "holomorphic=True and an argument float64[]", "complex ones",
         "Convert the argument to a complex dtype, or drop holomorphic."),
    Case("grad of a call", lambda: fxad.grad(3.0), errors.ArgumentTypeError, "grad", "float64[]",
         "a function", "fxad.grad(f)(x)."),
    Case("argnums", lambda: fxad.grad(lambda x: x, argnums=1)(1.0), errors.ArgumentTypeError,
         "grad", "argnums=1 for a call with 1 positional", "", "pass it by position."),
    Case("argnums of strings", lambda: fxad.grad(lambda x: x, argnums="x")(1.0),
         errors.ArgumentTypeError, "grad", "argnums='x'", "an integer or a tuple", "argnums=0"),
    Case("no aux", lambda: fxad.grad(lambda x: x, has_aux=True)(1.0), errors.ArgumentTypeError,
         "grad", "has_aux=True", "a pair (output, aux)", "drop has_aux."),
    Case("argument that is no array", lambda: fxad.grad(lambda x: x)("1.0"),
         errors.ArgumentTypeError, "grad", "str '1.0' at argument", "pytrees of arrays",
         "Close over what is not an array"),
    # Values that are not known
    Case("if", lambda: fxad.jit(branches)(1.0), errors.TracerBoolConversionError, "bool",
         "bool[] whose value is not known under jit", "a concrete value",
         "Use fnp.where or lax.cond to choose by value", line="if x > 0:"),
    Case("if under vmap", lambda: fxad.vmap(branches)(X), errors.TracerBoolConversionError, "bool",
         "bool[] whose value is not known under vmap", "a concrete value", "in_axes=None of vmap.",
         line="if x > 0:"),
    Case("if under grad of jit", lambda: fxad.grad(fxad.jit(branches))(1.0),
         errors.TracerBoolConversionError, "bool", "not known under jit", "a concrete value",
         "static_argnums of jit", line="if x > 0:"),
    Case("if under checkpoint", lambda: fxad.grad(fxad.checkpoint(branches))(1.0),
         errors.TracerBoolConversionError, "bool", "not known under checkpoint",
         "a concrete value", "static_argnums of jit and checkpoint", line="if x > 0:"),
    Case("float", lambda: fxad.jit(lambda x: float(x))(1.0), errors.ConcretizationTypeError,
         "float", "float64[] whose value is not known under jit", "a concrete value",
         "static_argnums of jit"),
    Case("int", lambda: fxad.jit(lambda x: int(x))(1), errors.ConcretizationTypeError,
         "int", "int64[] whose value is not known under jit", "a concrete value", ""),
    Case("range", lambda: fxad.jit(lambda n: sum(range(n)))(3),
         errors.TracerIntegerConversionError, "index", "int64[] whose value is not known",
         "a concrete value", "lax.fori_loop, lax.while_loop or lax.scan to loop"),
    Case("item", lambda: fxad.vmap(lambda x: x.item())(X), errors.ConcretizationTypeError,
         "item", "float64[] whose value is not known under vmap", "a concrete value", ""),
    Case("tolist", lambda: fxad.jit(lambda x: x.tolist())(X), errors.ConcretizationTypeError,
         "tolist", "float64[3] whose value is not known", "a concrete value", ""),
    Case("asarray", lambda: fxad.jit(lambda x: np.asarray(x))(X),
         errors.TracerArrayConversionError, "asarray", "a tracer of float64[3] under jit",
         "the numbers of an array", "Use the functions of fxad.numpy"),
    Case("asarray under grad", lambda: fxad.grad(lambda x: np.sum(np.asarray(x)))(X),
         errors.TracerArrayConversionError, "asarray", "a tracer of float64[3] under grad",
         "the numbers of an array", "Use the functions of fxad.numpy"),
    Case("cast by a dtype", lambda: fxad.jit(lambda x: np.float32(x))(1.0),
         errors.TracerArrayConversionError, "asarray", "a tracer of float64[] under jit",
         "the numbers of an array", "x.astype(dtype) casts"),
    Case("mask", lambda: fxad.jit(lambda x: x[x > 1])(X), errors.NonConcreteBooleanIndexError,
         "getitem", "bool[3]", "", "fnp.where", IndexError),
    Case("mask under vmap", lambda: fxad.vmap(lambda x: x[x > 1])(np.ones((2, 3))),
         errors.NonConcreteBooleanIndexError, "getitem", "bool[3]", "", "fnp.where", IndexError),
    # Assignment and leaks
    Case("assignment", lambda: fxad.grad(assigns)(X), errors.TracerAssignmentError, "setitem",
         "an item assignment to a traced float64[3]", "a pure function",
         "x.at[index].set(value)", line="x[0] = 1.0"),
    Case("in place", lambda: fxad.grad(lambda x: np.add(X, x, out=X.copy()).sum())(X),
         errors.TracerAssignmentError, "add", "out=", "", "Drop out= and use the result"),
    Case("leak", leaks, errors.UnexpectedTracerError, "mul",
         "float64[] that a grad which has ended left behind", "a value",
         "Return the value from the transformed function instead of storing it.",
         line="return kept[0] * 2.0"),
    # Tangents and cotangents
    Case("tangent structure", lambda: fxad.jvp(lambda p: p["w"], ({"w": X},), ({"v": X},)),
         errors.StructureError, "jvp", "tangents of another structure", "'w'", "the structure",
         ValueError),
    Case("tangent dtype", lambda: fxad.jvp(np.sin, (X,), (X.astype(np.float32),)),
         errors.StructureError, "jvp", "a tangent float32[3]", "float64[3] as its primal",
         "the shape and dtype of its primal.", ValueError),
    Case("tangent shape", lambda: fxad.jvp(np.sin, (X,), (1.0,)),
         errors.StructureError, "jvp", "a tangent float64[]", "float64[3]", "", ValueError),
    Case("tangent of an integer", lambda: fxad.jvp(lambda x: x, (3,), (1,)),
         errors.StructureError, "jvp", "a tangent int64[]", "float0[]", "", ValueError),
    Case("jvp of an array", lambda: fxad.jvp(np.sin, X, X), errors.ArgumentTypeError, "jvp",
         "primals of type ndarray", "two tuples or lists", "fxad.jvp(f, (x,), (v,))."),
    Case("cotangent", lambda: fxad.vjp(np.sin, X)[1](np.ones(2)), errors.StructureError, "vjp",
         "a cotangent float64[2]", "float64[3] as the output", "", ValueError),
    Case("cotangent structure", lambda: fxad.vjp(lambda x: (x, x), X)[1](X),
         errors.StructureError, "vjp", "the cotangent of another structure", "", "the structure",
         ValueError),
    Case("vector of hvp", lambda: fxad.hvp(np.sum, X, {"v": X}), errors.StructureError, "hvp",
         "the vector of another structure", "", "the structure", ValueError),
    Case("mode of hvp", lambda: fxad.hvp(np.sum, X, X, mode="forward"), errors.ArgumentValueError,
         "hvp", "mode='forward'", "'forward-over-reverse'", "", ValueError),
    Case("not linear", lambda: fxad.linear_transpose(lambda x: x * x, 1.0)(1.0),
         errors.NonDifferentiableError, "mul", "not linear", "a linear map",
         "must be linear in its tangents."),
    # vmap
    Case("in_axes of a number", lambda: fxad.vmap(lambda x, y: x)(X, 1.0),
         errors.ArgumentValueError, "vmap", "in_axes=0 for argument leaf 1, a single number",
         "no axis to map over", "Use in_axes=None", ValueError),
    Case("in_axes out of range", lambda: fxad.vmap(lambda x: x, in_axes=1)(X),
         errors.ArgumentValueError, "vmap", "in_axes=1 for argument leaf 0 of shape (3,)",
         "from -1 to 0", "Use in_axes=None", ValueError),
    Case("in_axes for other arguments", lambda: fxad.vmap(lambda x: x, in_axes=(0, 0))(X),
         errors.ArgumentValueError, "vmap", "in_axes with 2 entries for 1 positional", "",
         "Give one entry for each", ValueError),
    Case("in_axes of a string", lambda: fxad.vmap(lambda x: x, in_axes="0"),
         errors.ArgumentTypeError, "vmap", "in_axes='0'", "an integer, None, or a tuple",
         "For example in_axes="),
    Case("sizes", lambda: fxad.vmap(lambda x, y: x)(X, M.T), errors.ArgumentValueError, "vmap",
         "mapped axes of different sizes: argument[0] of shape (3,) has 3 along axis 0",
         "", "All mapped axes must have one size", ValueError),
    Case("nothing mapped", lambda: fxad.vmap(lambda x: x, in_axes=None)(X),
         errors.ArgumentValueError, "vmap", "no argument to map over", "at least one",
         "or axis_size.", ValueError),
    Case("out_axes", lambda: fxad.vmap(lambda x: x, out_axes=None)(X), errors.ArgumentValueError,
         "vmap", "out_axes=None for an output that differs", "", "or reduce over axis_name first.",
         ValueError),
    Case("axis name", lambda: fxad.vmap(lambda x: lax.psum(x, "j"), axis_name="i")(X),
         errors.AxisNameError, "psum", "the unbound axis name 'j'", "an enclosing vmap ('i')",
         "fxad.vmap(..., axis_name='j').", NameError),
    # jit
    Case("static list", lambda: fxad.jit(lambda x, n: x, static_argnums=1)(X, [1]),
         errors.ArgumentValueError, "jit", "the static argument 1 of type list",
         "a hashable value", "Pass a tuple for a list", ValueError),
    Case("static array", lambda: fxad.jit(lambda x, n: x, static_argnames="n")(X, n=X),
         errors.ArgumentValueError, "jit", "the static argument 'n' of type ndarray",
         "a hashable value", "do not make the argument static.", ValueError),
    Case("unknown static name", lambda: fxad.jit(lambda x: x, static_argnames="y"),
         errors.ArgumentValueError, "jit", "static_argnames='y'", "['x']", "", ValueError),
    Case("argument of jit", lambda: fxad.jit(lambda x, s: x)(X, "relu"), errors.ArgumentTypeError,
         "jit", "str 'relu' at argument", "arrays and numbers", "mark it static"),
    # Outputs that are no arrays
    *(
        Case(f"output of {name}", call, errors.ArgumentTypeError, name,
             "an output of type str ('yes')", "pytrees of arrays and numbers",
             "Return arrays only")
        for name, call in {
            "grad": lambda: fxad.grad(lambda x: "yes")(1.0),
            "jvp": lambda: fxad.jvp(lambda x: "yes", (1.0,), (1.0,)),
            "vjp": lambda: fxad.vjp(lambda x: "yes", 1.0),
            "linearize": lambda: fxad.linearize(lambda x: "yes", 1.0),
            "vmap": lambda: fxad.vmap(lambda x: "yes")(X),
            "jit": lambda: fxad.jit(lambda x: "yes")(1.0),
            "checkpoint": lambda: fxad.checkpoint(lambda x: "yes")(1.0),
            "make_jaxpr": lambda: fxad.make_jaxpr(lambda x: "yes")(1.0),
        }.items()
    ),
    # Memory
    Case("memory budget that cannot be met",
         lambda: fxad.grad(fxad.checkpoint(lambda x: fnp.sum(fnp.sin(x)), memory_budget=7))(X),
         errors.MemoryBudgetError, "checkpoint", "got memory_budget=7 (7 B)", "at least",
         "or more", ValueError),
    Case("memory budget of another kind",
         lambda: fxad.checkpoint(fnp.sin, memory_budget="1GB"),
         errors.ArgumentTypeError, "checkpoint", "got memory_budget='1GB'",
         "wanted a number of bytes", "2 * 2**30"),
    Case("memory budget beside a policy",
         lambda: fxad.checkpoint(fnp.sin, memory_budget=1,
                                 policy=fxad.checkpoint_policies.dots_saveable),
         errors.ArgumentValueError, "checkpoint", "a policy and a memory_budget",
         "wanted one of them", "", ValueError),
    # Devices
    Case("unknown device", lambda: fxad.device_put(X, "cpu:99"), errors.DeviceError, "device",
         "cpu:99", "", "", ValueError),
]  # fmt: skip


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_message(case):
    with pytest.raises(case.error) as caught:
        case.mistake()
    message = str(caught.value)
    assert message.startswith(f"[{case.operation}] got "), message
    assert case.got in message
    assert case.wanted in message
    assert case.way_out in message
    assert isinstance(caught.value, case.builtin)
    assert isinstance(caught.value, errors.FxadError)
    place = re.search(r"At test_errors\.py:(\d+): (.*)", message)
    assert place, message
    number, text = int(place[1]), place[2]
    assert text.startswith(linecache.getline(__file__, number).strip())
    if case.line:
        assert case.line in text
    else:
        lines, first = inspect.getsourcelines(case.mistake)
        assert first <= number < first + len(lines)


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_message_is_short(case):
    """Four sentences at most, none of them longer than a reader's patience."""
    with pytest.raises(case.error) as caught:
        case.mistake()
    assert len(str(caught.value)) < 600
    assert "\n\n" not in str(caught.value)


def test_a_value_known_under_jit_inside_grad_names_the_line_that_made_it():
    def f(x):
        y = x * x
        return float(y)

    with pytest.raises(errors.ConcretizationTypeError, match=r"made at test_errors\.py:\d+: y = x"):
        fxad.jit(f)(1.0)


@pytest.mark.parametrize("array", [np.zeros(3), np.zeros(3, np.float32), np.zeros(3, complex)])
@pytest.mark.parametrize("transform", [fxad.grad, fxad.jit, fxad.jacfwd])
def test_a_number_of_a_tracer_never_goes_into_an_array(array, transform):
    """NumPy would ask for a float, keep it and lose the derivative."""

    def fills(x):
        out = array.copy()
        for i in range(3):
            out[i] = x[i] * 2.0
        return np.sum(out)

    with pytest.raises((ValueError, TypeError)) as caught:
        transform(fills)(X)
    cause = caught.value if isinstance(caught.value, errors.FxadError) else caught.value.__cause__
    assert isinstance(cause, errors.TracerAssignmentError | errors.ConcretizationTypeError)
    assert "At test_errors.py:" in str(cause) and "out[i] = x[i] * 2.0" in str(cause)


def test_a_slice_of_an_array_refuses_tracers():
    def fills(x):
        out = np.zeros(3)
        out[:] = x
        return np.sum(out)

    with pytest.raises(errors.TracerArrayConversionError, match=r"under grad"):
        fxad.grad(fills)(X)


def test_eager_derivatives_know_their_values():
    """What is an error under jit and vmap is none here."""

    def f(x):
        n = int(x) + round(float(fxad.lax.stop_gradient(x)))
        return branches(x) * n * x.item() * [1.0, 2.0, 3.0][n - 2]

    assert fxad.grad(f)(1.0) == 2.0


CONSTANTS = {
    "float": lambda x: float(x) * x,
    "math": lambda x: math.sin(x),
    "complex": lambda x: complex(x).real,
    "fsum": lambda x: math.fsum([x, 1.0]),
}


@pytest.mark.parametrize("name", CONSTANTS)
def test_a_number_that_would_lose_the_derivative_is_refused(name):
    """The gradient would be that of a constant, which nobody notices."""
    f = CONSTANTS[name]
    ways = {
        "grad": fxad.grad(f),
        "jvp": lambda x: fxad.jvp(f, (x,), (1.0,)),
        "linearize": lambda x: fxad.linearize(f, x),
        "hessian": fxad.hessian(f),
    }
    for way in ways.values():
        with pytest.raises(errors.ConcretizationTypeError, match="lose the derivative") as caught:
            way(2.0)
        assert "fxad.lax.stop_gradient(x)" in str(caught.value)
    constant = fxad.lax.stop_gradient
    assert np.isfinite(fxad.grad(lambda x: f(constant(x)) + 0 * x)(2.0))


def test_an_array_filled_with_a_tracer_is_refused():
    def filled(x):
        buffer = np.zeros(2)
        buffer.fill(x)
        return np.sum(buffer)

    with pytest.raises(ValueError, match="an array element") as caught:  # NumPy's words for ours
        fxad.grad(filled)(2.0)
    assert "lose the derivative" in str(caught.value.__cause__)


def test_numbers_without_a_derivative_stay_numbers():
    assert fxad.grad(lambda x, n: x * float(n))(2.0, 3) == 3.0
    assert fxad.grad(lambda x: x * float(x > 1) * int(x))(2.5) == 2.0


def test_strict_devices_refuse_to_mix(monkeypatch):
    """Of two operands on different devices the message names both and the way out."""
    foreign = _fake_gpu_array(monkeypatch)
    with (
        fxad.config.override(strict_devices=True),
        pytest.raises(errors.DeviceError) as caught,
    ):
        fxad.lax.add(X, foreign)
    message = str(caught.value)
    assert message.startswith("[add] got operands on ")
    assert "cpu:0" in message and "cuda:0" in message
    assert "device_put" in message
    assert "At test_errors.py:" in message


def _fake_gpu_array(monkeypatch):
    """An array that claims to live on a GPU, with a backend for it."""

    class Foreign:
        shape, dtype = (3,), np.dtype(np.float64)

    class Backend:
        name, platform = "foreign", "gpu"
        xp = None

        def owns(self, kind):
            return kind is Foreign

        def count(self):
            return 1

        def current(self):
            return 0

        def device_of(self, x):
            return 0

    registry = inspect.getmodule(Device)
    monkeypatch.setitem(registry._backend_of_type, Foreign, Backend())
    return Foreign()


@pytest.mark.parametrize(
    ("axes", "at", "mistake"),
    [
        ("in_axes", "in_axes[0]",
         lambda: fxad.vmap(lambda d, y: d["a"], in_axes=({"b": 0}, None))({"a": X}, X)),
        ("in_axes", "in_axes[1]",
         lambda: fxad.vmap(lambda x, y, z: x, in_axes=[0, (0, 0)])(X, [X], z=X)),
        ("out_axes", "out_axes", lambda: fxad.vmap(lambda x: {"a": x}, out_axes={"b": 0})(X)),
    ],
)  # fmt: skip
def test_axes_of_another_structure_name_the_place_and_the_line(axes, at, mistake):
    with pytest.raises(errors.StructureError) as caught:
        mistake()
    message = str(caught.value)
    assert message.startswith(f"[vmap] {axes} does not fit the tree that it is for, at {at}: ")
    assert "At test_errors.py:" in message
    assert message.endswith("end earlier with one leaf for all that is below.")


def test_array_functions_without_a_rule_say_so():
    with pytest.raises(errors.ArgumentTypeError) as caught:
        fxad.grad(lambda x: np.busday_count(x, x))(X)
    message = str(caught.value)
    assert message.startswith("[busday_count] got float64[3]")
    assert "no rule for numpy.busday_count" in message
    assert "At test_errors.py:" in message


def test_every_error_class_explains_itself():
    """What it means, an example in backquotes, how to fix it; and a built-in class beside it."""
    for kind in vars(errors).values():
        if not (isinstance(kind, type) and issubclass(kind, errors.FxadError)):
            continue
        assert kind.__doc__ and kind.__doc__.strip().endswith("."), kind
        if kind is not errors.FxadError:
            builtins = [b for b in kind.__mro__ if b.__module__ == "builtins"]
            assert builtins[0] is not Exception, kind


def test_the_users_own_errors_pass_through_unchanged():
    class Mine(Exception):
        pass

    def f(x):
        raise Mine("mine")

    for transform in (fxad.grad, fxad.jit, fxad.checkpoint, fxad.jacfwd, fxad.hessian):
        with pytest.raises(Mine, match=r"^mine$"):
            transform(f)(1.0)


def test_mutation_between_forward_and_backward_is_noticed():
    x = X.copy()
    with fxad.config.override(check_mutation=True):
        _, pullback = fxad.vjp(lambda x: np.sin(x), x)
        x += 1
        with pytest.raises(errors.InputMutatedError) as caught:
            pullback(X)
    message = str(caught.value)
    assert message.startswith("[vjp] got an input array that was changed in place")
    assert "At test_errors.py:" in message
    assert "Change a copy, or call the derivative first." in message


def test_mutation_is_noticed_by_linearize():
    x = X.copy()
    with fxad.config.override(check_mutation=True):
        _, pushforward = fxad.linearize(lambda x: x * x, x)
        pushforward(X)
        x[0] = 5.0
        with pytest.raises(errors.InputMutatedError, match=r"\[linearize\].*changed in place"):
            pushforward(X)


def test_the_ways_out_of_a_value_that_is_not_known():
    """What the messages advise works: a static value, a shared one, a table that is an array."""
    assert fxad.jit(branches, static_argnums=0)(-2.0) == branches(-2.0)
    fixed = fxad.checkpoint(lambda x, n: x * sum(range(n)), static_argnums=1)
    assert fxad.grad(fixed)(2.0, 4) == 6.0
    shared = fxad.vmap(lambda x, n: x + branches(n) + sum(range(3)), in_axes=(0, None))
    np.testing.assert_array_equal(shared(X, 2.0), X + branches(2.0) + 3)
    table = np.arange(12.0).reshape(4, 3)
    rows = np.array([2, 0, -1])
    for transform in (fxad.vmap, fxad.jit, lambda f: fxad.jit(fxad.vmap(f))):
        looked_up = transform(lambda i: fxad.numpy.at(table)[i].get())(rows)
        np.testing.assert_array_equal(looked_up, table[rows])
    slope = fxad.vmap(fxad.grad(lambda x, i: x * fxad.numpy.at(table)[i, 1].get()))(X, rows)
    np.testing.assert_array_equal(slope, table[rows, 1])
    chosen = fxad.jit(lambda x: lax.cond(x > 0, lambda x: x, lambda x: -x, x))
    assert chosen(-2.0) == branches(-2.0)
    looped = fxad.jit(lambda n: lax.fori_loop(0, n, lambda i, total: total + i, 0))
    assert looped(5) == sum(range(5))
    on_host = fxad.jit(lambda x: fxad.pure_callback(lambda x: np.asarray(x) + 1, x, x))
    np.testing.assert_array_equal(on_host(X), X + 1)


def test_a_value_that_is_not_known_is_named_as_the_argument_that_it_is():
    @fxad.jit
    def f(params, n, *, flag=False):
        return params["w"][0] if flag else [params][n]

    with pytest.raises(errors.TracerBoolConversionError, match=r"\(the argument flag\)"):
        f({"w": [X]}, 0, flag=True)
    with pytest.raises(errors.TracerIntegerConversionError, match=r"\(the argument n\)"):
        f({"w": [X]}, 0)
    with pytest.raises(errors.TracerArrayConversionError, match=r"\(the argument p\['w'\]\[0\]\)"):
        fxad.make_jaxpr(lambda p: np.asarray(p["w"][0]))({"w": [X]})


@pytest.mark.parametrize("name", ["ptp", "median", "nanmedian", "percentile", "nanquantile", "std"])
def test_an_axis_out_of_bounds_names_the_function(name):
    """The one that was called, not those it is made of."""
    more = (0.5,) if name in ("percentile", "nanquantile") else ()
    with pytest.raises(errors.ArgumentValueError, match=rf"\[{name}\] got axis 2"):
        fxad.jit(lambda x: getattr(fnp, name)(x, *more, axis=2))(np.ones((2, 3)))
