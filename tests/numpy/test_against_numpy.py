"""Every function of fxad.numpy does on tracers what NumPy does on arrays."""

import itertools
import operator
import warnings
import zlib
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import pytest

import fxad
import fxad.numpy as fnp
from tests.numpy.samples import PARTIAL, SAMPLES
from tests.numpy.samples.call import Call

#: What NumPy does not ask tracers about: their other spellings in fxad.numpy work.
UNASKED = (
    "array",
    "asarray",
    "arange",
    "full",
    "full_like",
    "fromiter",
    "fromfunction",
    "apply_along_axis",
    "apply_over_axes",
    "on_arrays",
)

#: Where fxad differs from NumPy on purpose: of which functions, in which calls, and why.
DIFFERENCES: list[tuple[str, str, str]] = [
    ("mean var std", "(float64[], axis=", "numbers have an axis 0 as they have for sum"),
    ("var std nanvar nanstd", "dtype=<class 'int'>", "integer moments overflow: refused"),
    ("var std nanvar nanstd", "dtype=<class 'numpy.int", "integer moments overflow: refused"),
    ("var std nanvar nanstd", "dtype=<class 'numpy.uint", "integer moments overflow: refused"),
    ("polydiv", "(float32[4], float32[2])", "what rounding leaves of a zero is taken for zero"),
    ("put fill_diagonal", ", 2.7)", "values that an integer cannot hold are refused, not cut"),
    ("unique_values", "(complex", "in order, as unique gives them"),
    ("operator.pow", "(bool[3, 4], 2)", "x**2 is as wide as power(x, 2), not int8"),
    ("isscalar", "(float64[])", "an array without dimensions counts: tracers of both look alike"),
    ("repeat", "(float64[4], 1.5)", "half a repetition is refused, not rounded down"),
    ("trim_zeros", "(list(", "arrays, of lists with tracers too"),
    ("ndarray.__float__ ndarray.__complex__", "(float64[])", "Python's numbers have no derivative"),
    (
        "nanvar nanstd",
        "(float32[3, 4], dtype=<class",
        "NumPy rounds distances to float32 on the way",
    ),
]

#: The same where values are not known, under jit and vmap.
STAGED_DIFFERENCES = [
    ("nanargmax nanargmin", "(float64[3])", "no error where all is NaN"),
    ("nanargmax nanargmin", "(float64[2, 2], 1)", "no error where all is NaN"),
    ("poly", "(complex128[2])", "complex coefficients, though the zeros are in pairs"),
    ("polymul", "(int64[4], int64[2])", "zeros in front stay"),
    ("polydiv", "(float64[4], float64[])", "zeros but for rounding in front stay"),
    ("linalg.eig linalg.eigvals", "(", "complex, whatever the values"),
    ("roots", "(float64[3])", "complex"),
    ("roots", "(int64[3])", "complex"),
    ("roots", "(float64[7])", "a zero in front is divided by"),
]


def functions(ours: Any, theirs: Any) -> list[str]:
    """The public functions of a module that are not NumPy's own."""
    return [
        name
        for name in ours.__all__
        if callable(f := getattr(ours, name))
        and f is not getattr(theirs, name, None)
        and not (isinstance(f, type) and name != "vectorize")
    ]


FUNCTIONS = functions(fnp, np) + [f"linalg.{name}" for name in functions(fnp.linalg, np.linalg)]

#: What NumPy has under no name, with its own tests, and what is made of tracers as text.
ELSEWHERE = {"at", "array_repr", "array_str", "einsum_path", "from_dlpack", "frompyfunc"}

REFUSED = (
    TypeError, ValueError, IndexError, AttributeError, ArithmeticError, RuntimeError,
)  # fmt: skip


@pytest.fixture(autouse=True)
def _quietly():
    """NumPy warns where the traced function does as well."""
    with warnings.catch_warnings(), np.errstate(all="ignore"):
        warnings.simplefilter("ignore")
        yield


# Calls with some of their arrays in other hands -------------------------------------------------


def arrays_in(x: Any) -> Iterator[Any]:
    """The arrays among arguments and in lists and tuples of theirs."""
    if isinstance(x, np.ndarray | np.generic) and x.dtype.kind in "biufc":
        yield x
    elif type(x) in (list, tuple):
        for item in x:
            yield from arrays_in(item)
    elif type(x) is dict:
        yield from arrays_in(list(x.values()))


def replaced(x: Any, arrays: Iterator[Any]) -> Any:
    """The same arguments with other arrays in place of theirs."""
    if isinstance(x, np.ndarray | np.generic) and x.dtype.kind in "biufc":
        return next(arrays)
    if type(x) in (list, tuple):
        return type(x)(replaced(item, arrays) for item in x)
    if type(x) is dict:
        return {name: replaced(item, arrays) for name, item in x.items()}
    return x


def samples_of(name: str, staged: bool = False) -> list[Call]:
    """The samples of a function, without those in which fxad differs from NumPy."""
    table = DIFFERENCES + STAGED_DIFFERENCES if staged else DIFFERENCES
    apart = [text for names, text, _ in table if name in names.split()]
    return [s for s in SAMPLES[name] if not any(text in repr(s) for text in apart)]


def outcome(function: Callable[..., Any], sample: Call) -> Any:
    """What NumPy itself gives; None where it refuses."""
    try:
        return function(*sample.args, **sample.kwargs)
    except REFUSED:
        return None


class Traced:
    """A call as a function of some of its arrays."""

    def __init__(self, function: Callable[..., Any], sample: Call, places: tuple[int, ...]) -> None:
        self.function, self.sample, self.places = function, sample, places
        self.arrays = list(arrays_in([sample.args, sample.kwargs]))

    def __call__(self, *traced: Any) -> Any:
        arrays = list(self.arrays)
        for i, x in zip(self.places, traced, strict=True):
            arrays[i] = x
        args, kwargs = replaced((self.sample.args, self.sample.kwargs), iter(arrays))
        out = self.function(*args, **kwargs)
        self.container = container(out)
        return list(map(number, flat(out)))

    def hidden(self) -> bool:
        """Whether only items of lists are traced: NumPy itself does not look there."""
        args = self.sample.args
        return not any(x is y for x in args for y in self.traced)

    @property
    def traced(self) -> list[Any]:
        return [self.arrays[i] for i in self.places]


def number(x: Any) -> Any:
    """Text and dtypes as numbers, which can leave a transformation."""
    return zlib.crc32(str(x).encode()) if isinstance(x, str | np.dtype) else x


def flat(x: Any) -> list[Any]:
    """The leaves of a result."""
    return [y for item in x for y in flat(item)] if isinstance(x, list | tuple) else [x]


def container(x: Any) -> Any:
    """The lists and tuples of a result, by type."""
    if isinstance(x, list | tuple):
        return (type(x).__name__, *map(container, x))
    return None


def close(got: Any, wanted: Any, scale: float = 1.0) -> str | None:
    """What two results differ in."""
    if wanted is None or callable(wanted):
        return None if got is wanted else f"{got!r}, wanted {wanted!r}"
    got, wanted = np.asarray(got), np.asarray(wanted)
    if got.dtype != wanted.dtype:
        return f"dtype {got.dtype}, wanted {wanted.dtype}"
    if got.shape != wanted.shape:
        return f"shape {got.shape}, wanted {wanted.shape}"
    if wanted.dtype.kind not in "fc":
        return None if np.array_equal(got, wanted) else f"\n{got}\nwanted\n{wanted}"
    digits = np.finfo(wanted.dtype).eps * scale
    size = np.nanmax(np.abs(wanted), initial=0, where=np.isfinite(wanted))
    if np.allclose(got, wanted, 2000 * digits, 20 * digits * size, equal_nan=True):
        return None
    return f"\n{got}\nwanted\n{wanted}"


def same(got: list[Any], wanted: list[Any]) -> str | None:
    """What two results with several leaves differ in."""
    if len(got) != len(wanted):
        return f"{len(got)} results, wanted {len(wanted)}"
    return next(filter(None, map(close, got, wanted)), None)


def subsets(function: Any, places: list[int]) -> list[tuple[int, ...]]:
    """All places, and each alone where there are several."""
    each = [tuple(places)] + [(i,) for i in places if len(places) > 1]
    # The methods of NumPy's own arrays do not ask tracers among their arguments.
    own = function is operator.getitem or getattr(function, "__name__", "") == "on_array"
    return [chosen for chosen in each if 0 in chosen] if own else each


def floats(sample: Call, kinds: str = "fc") -> list[int]:
    """Which arrays of a call have a dtype of some kinds."""
    arrays = arrays_in([sample.args, sample.kwargs])
    return [i for i, x in enumerate(arrays) if x.dtype.kind in kinds]


# The ways to trace ------------------------------------------------------------------------------


def by_jvp(f: Traced) -> list[Any]:
    return fxad.jvp(f, f.traced, [np.ones_like(x) for x in f.traced])[0]


def by_jit(f: Traced) -> list[Any]:
    return fxad.jit(f)(*f.traced)


def check(mode: Callable[[Traced], Any], function: Any, reference: Any, sample: Call) -> Any:
    """Problems of one sample under one transformation."""
    wanted = outcome(reference, sample)
    kinds = "fc" if mode is by_jvp else "biufc"
    places = floats(sample, kinds)
    if not places or (sample.wrong and sample.by_value and mode is by_jit):
        return
    for chosen in subsets(function, places):
        f = Traced(function, sample, chosen)
        if function is reference and f.hidden():
            continue
        where = f"{sample!r}, traced {chosen}"
        try:
            got = mode(f)
        except REFUSED as e:
            clear = isinstance(e, fxad.errors.FxadError)
            unasked = function is reference and function.__name__ in UNASKED
            may = unasked or (sample.by_value and mode is by_jit)
            if wanted is not None and not (clear and may):
                yield f"{where}: {type(e).__name__}: {e}"
            continue
        if wanted is None:
            yield f"{where}: gave {got!r}, where NumPy refuses"
        elif sample.by_value and mode is by_jit and len(chosen) == len(places):
            yield f"{where}: gave {got!r}, whose shape depends on values"
        elif f.container != container(wanted):
            yield f"{where}: {f.container}, wanted {container(wanted)}"
        elif problem := same(got, list(map(number, flat(wanted)))):
            yield f"{where}: {problem}"


def batched(function: Any, reference: Any, sample: Call) -> Iterator[str]:
    """Problems of one sample under vmap."""
    places = floats(sample, "biufc")
    if sample.wrong or not places or (wanted := outcome(reference, sample)) is None:
        return
    for chosen in subsets(function, places):
        f = Traced(function, sample, chosen)
        others = f.traced if sample.alike else list(map(another, f.traced))
        try:
            second = Traced(reference, sample, chosen)(*others)
        except REFUSED:
            others, second = f.traced, list(map(number, flat(wanted)))
        where = f"{sample!r}, batched {chosen}"
        if sample.by_value and len(chosen) != len(places):
            continue
        try:
            got = fxad.vmap(f)(*map(np.stack, zip(f.traced, others, strict=True)))
        except REFUSED as e:
            if not sample.by_value or not isinstance(e, fxad.errors.FxadError):
                yield f"{where}: {type(e).__name__}: {e}"
            continue
        if sample.by_value:
            yield f"{where}: gave {got!r}, whose shape depends on values"
        for i, member in enumerate((list(map(number, flat(wanted))), second)):
            if problem := same([y[i] for y in got], member):
                yield f"{where}: member {i}: {problem}"


def another(x: Any) -> Any:
    """Another array that is valid wherever the first is: as positive, as ordered, as small."""
    return x * x.dtype.type(0.75) if x.dtype.kind in "fc" else np.flip(x, range(min(x.ndim, 1)))


def slope(function: Any, reference: Any, sample: Call) -> Iterator[str]:
    """Problems of the gradient in one direction beside a central difference."""
    places = floats(sample)
    if sample.rough or sample.wrong or not places or not subsets(function, places):
        return
    f, plain = (Traced(g, sample, tuple(places)) for g in (function, reference))
    wanted = outcome(reference, sample)
    doubles = all(x.dtype.itemsize >= 8 and x.dtype != np.complex64 for x in f.traced)
    if wanted is None or not doubles:
        return
    outs = [np.asarray(y) for y in flat(wanted)]
    active = [i for i, y in enumerate(outs) if y.dtype in (np.float64, np.complex128)]
    if not active or any(y.dtype in (np.float32, np.float16, np.complex64) for y in outs):
        return
    rng = np.random.default_rng(0)
    weights = [like(rng, outs[i]) for i in active]
    step = [like(rng, x) for x in f.traced]

    def loss(g: Any, *arrays: Any) -> Any:
        out = g(*arrays)
        return sum(fnp.real(fnp.sum(w * out[i])) for w, i in zip(weights, active, strict=True))

    def along(t: float) -> Any:
        return loss(plain, *(x + t * d for x, d in zip(plain.traced, step, strict=True)))

    h = 1e-5
    try:
        numeric = (8 * (along(h) - along(-h)) - (along(2 * h) - along(-2 * h))) / (12 * h)
    except REFUSED:
        numeric = np.nan
    if not np.isfinite(numeric):
        return
    try:
        gradient = fxad.grad(lambda *xs: loss(f, *xs), argnums=tuple(range(len(places))))(*f.traced)
    except REFUSED as e:
        yield f"{sample!r}: {type(e).__name__}: {e}"
        return
    found = sum(np.real(np.sum(g * d)) for g, d in zip(gradient, step, strict=True))
    if not abs(found - numeric) <= 1e-6 * (1 + abs(numeric)):
        yield f"{sample!r}: slope {found}, by differences {numeric}"


def like(rng: np.random.Generator, x: Any) -> Any:
    """Random numbers of the shape and kind of an array."""
    re, im = rng.normal(size=x.shape), rng.normal(size=x.shape)
    return re + 1j * im if x.dtype.kind == "c" else re


# The tests --------------------------------------------------------------------------------------


def report(problems: Any) -> None:
    problems = list(problems)
    assert not problems, f"{len(problems)} problems:\n" + "\n".join(map(str, problems))


def updated(function: Any) -> Any:
    """An update in place as a function that returns a new array, as fxad's do."""

    def on_copy(a: Any, *args: Any, **kwargs: Any) -> Any:
        a = np.array(a)
        function(a, *args, **kwargs)
        return a[()]

    return on_copy


def called(vectorize: Any) -> Any:
    """A vectorized function, called at once."""
    options = ("excluded", "signature", "otypes")

    def on_arrays(f: Any, *args: Any, **kwargs: Any) -> Any:
        chosen = {name: kwargs.pop(name) for name in options if name in kwargs}
        return vectorize(f, **chosen)(*args, **kwargs)

    return on_arrays


def spelled(name: str) -> Any:
    """A method or property of the first argument."""

    def on_array(a: Any, *args: Any, **kwargs: Any) -> Any:
        found = getattr(a, name)
        return found(*args, **kwargs) if callable(found) else found

    return on_array


IN_PLACE = ("put", "put_along_axis", "place", "fill_diagonal")


def of(name: str) -> tuple[Any, Any]:
    """fxad's function and NumPy's."""
    space, _, method = name.rpartition(".")
    if space == "ndarray":
        return (spelled(method),) * 2
    if space == "operator":
        return (getattr(operator, method),) * 2
    ours, theirs = (operator.attrgetter(name)(module) for module in (fnp, np))
    if name == "vectorize":
        return called(ours), called(theirs)
    return ours, updated(theirs) if name in IN_PLACE else theirs


def test_every_function_has_samples():
    assert not set(FUNCTIONS) - set(SAMPLES) - ELSEWHERE


def test_samples_do_as_they_say():
    for name, samples in SAMPLES.items():
        for sample in samples:
            if name not in PARTIAL:
                refused = outcome(of(name)[1], sample) is None
                assert refused == sample.wrong, f"{name}{sample!r}"


@pytest.mark.parametrize("name", SAMPLES)
def test_plain(name):
    function, reference = of(name)
    for sample in samples_of(name):
        wanted = outcome(reference, sample)
        if wanted is not None:
            got = function(*sample.args, **sample.kwargs)
            assert container(got) == container(wanted)
            assert not same(flat(got), flat(wanted))


@pytest.mark.parametrize("mode", [by_jvp, by_jit], ids=["jvp", "jit"])
@pytest.mark.parametrize("name", SAMPLES)
def test_traced(name, mode):
    samples = samples_of(name, staged=mode is by_jit)
    report(itertools.chain(*(check(mode, *of(name), sample) for sample in samples)))


@pytest.mark.parametrize(
    "name", [name for name in FUNCTIONS if name in SAMPLES and name not in IN_PLACE]
)
def test_numpys_own_name(name):
    _, reference = of(name)
    report(itertools.chain(*(check(by_jvp, reference, reference, s) for s in samples_of(name))))


@pytest.mark.parametrize("name", SAMPLES)
def test_batched(name):
    report(itertools.chain(*(batched(*of(name), s) for s in samples_of(name, staged=True))))


@pytest.mark.parametrize("name", SAMPLES)
def test_gradient(name):
    report(itertools.chain(*(slope(*of(name), sample) for sample in samples_of(name))))
