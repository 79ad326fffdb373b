"""Special functions on the CPU, which NumPy lacks: SciPy's where it is installed, loaded lazily.

All keep the dtype of their floating-point argument (float16 and float32 too) and take scalars,
0-d and empty arrays.
"""

import functools
import math
from collections.abc import Callable
from typing import Any

import numpy as np

from fxad.backends.optional import installed, optional


def _like(result: Any, *args: Any) -> Any:
    """`result` in the floating-point dtype that the arguments promote to."""
    dtype = np.result_type(*args)
    return result.astype(dtype) if dtype.kind in "fc" and result.dtype != dtype else result


@functools.cache
def _scipy(name: str, purpose: str) -> Any:
    return getattr(optional("scipy.special", purpose), name)


def _math_lgamma(x: float) -> float:
    if math.isfinite(x) and x <= 0 and x == math.floor(x):
        return math.inf
    try:
        return math.lgamma(x)
    except OverflowError:
        return math.inf


_STDLIB: dict[str, Callable[[float], float]] = {
    "erf": math.erf,
    "erfc": math.erfc,
    "gammaln": _math_lgamma,
}


@functools.cache
def _real(name: str) -> Callable[[Any], Any]:
    """SciPy's ufunc, or without SciPy the standard library's function on each element."""
    if installed("scipy"):
        return _scipy(name, name)  # type: ignore[no-any-return]
    each = np.frompyfunc(_STDLIB[name], 1, 1)

    def function(x: Any) -> Any:
        with np.errstate(over="ignore"):  # the C library's flag, raised beside its infinity
            return np.asarray(each(x), np.float64)

    return function


def erf(x: Any) -> Any:
    """The error function."""
    return _like(_real("erf")(x), x)


def erfc(x: Any) -> Any:
    """1 - erf(x), without cancellation."""
    return _like(_real("erfc")(x), x)


def lgamma(x: Any) -> Any:
    """The logarithm of the absolute value of the gamma function."""
    return _like(_real("gammaln")(x), x)


def digamma(x: Any) -> Any:
    """The derivative of lgamma."""
    return _like(_scipy("digamma", "digamma")(x), x)


def polygamma(n: Any, x: Any) -> Any:
    """The n-th derivative of digamma at x, in x's dtype."""
    return _like(np.asarray(_scipy("polygamma", "polygamma")(n, x))[()], x)


def zeta(x: Any, q: Any) -> Any:
    """Hurwitz's zeta function: the sum of (k + q)**-x over k = 0, 1, ..."""
    return _like(_scipy("zeta", "zeta")(x, q), x, q)


def logistic(x: Any) -> Any:
    """1 / (1 + exp(-x)), with no overflow at either end."""
    if np.iscomplexobj(x):
        return np.asarray(0.5, np.result_type(x))[()] * (1 + np.tanh(x / 2))
    e = np.exp(-np.abs(x))
    return np.where(np.signbit(x), e, 1).astype(e.dtype)[()] / (1 + e)


# M. B. Giles, "Approximating the erfinv function", GPU Computing Gems, Jade edition (2012),
# tables 5 (single precision) and 6 (double): erf_inv(x) = x p(w) with w = -log(1 - x**2), one
# polynomial in w - shift below the first bound, then in sqrt(w) - shift. Highest power first.
_Branches = tuple[tuple[float, float, tuple[float, ...]], ...]
_SINGLE: _Branches = (
    (5.0, 2.5, (
        2.81022636e-08, 3.43273939e-07, -3.5233877e-06, -4.39150654e-06, 0.00021858087,
        -0.00125372503, -0.00417768164, 0.246640727, 1.50140941,
    )),
    (math.inf, 3.0, (
        -0.000200214257, 0.000100950558, 0.00134934322, -0.00367342844, 0.00573950773,
        -0.0076224613, 0.00943887047, 1.00167406, 2.83297682,
    )),
)  # fmt: skip
_DOUBLE: _Branches = (
    (6.25, 3.125, (
        -3.6444120640178196996e-21, -1.685059138182016589e-19, 1.2858480715256400167e-18,
        1.115787767802518096e-17, -1.333171662854620906e-16, 2.0972767875968561637e-17,
        6.6376381343583238325e-15, -4.0545662729752068639e-14, -8.1519341976054721522e-14,
        2.6335093153082322977e-12, -1.2975133253453532498e-11, -5.4154120542946279317e-11,
        1.051212273321532285e-09, -4.1126339803469836976e-09, -2.9070369957882005086e-08,
        4.2347877827932403518e-07, -1.3654692000834678645e-06, -1.3882523362786468719e-05,
        0.0001867342080340571352, -0.00074070253416626697512, -0.0060336708714301490533,
        0.24015818242558961693, 1.6536545626831027356,
    )),
    (16.0, 3.25, (
        2.2137376921775787049e-09, 9.0756561938885390979e-08, -2.7517406297064545428e-07,
        1.8239629214389227755e-08, 1.5027403968909827627e-06, -4.013867526981545969e-06,
        2.9234449089955446044e-06, 1.2475304481671778723e-05, -4.7318229009055733981e-05,
        6.8284851459573175448e-05, 2.4031110387097893999e-05, -0.0003550375203628474796,
        0.00095328937973738049703, -0.0016882755560235047313, 0.0024914420961078508066,
        -0.0037512085075692412107, 0.005370914553590063617, 1.0052589676941592334,
        3.0838856104922207635,
    )),
    (math.inf, 5.0, (
        -2.7109920616438573243e-11, -2.5556418169965252055e-10, 1.5076572693500548083e-09,
        -3.7894654401267369937e-09, 7.6157012080783393804e-09, -1.4960026627149240478e-08,
        2.9147953450901080826e-08, -6.7711997758452339498e-08, 2.2900482228026654717e-07,
        -9.9298272942317002539e-07, 4.5260625972231537039e-06, -1.9681778105531670567e-05,
        7.5995277030017761139e-05, -0.00021503011930044477347, -0.00013871931833623122026,
        1.0103004648645343977, 4.8499064014085844221,
    )),
)  # fmt: skip


def _horner(coefficients: tuple[float, ...], x: Any) -> Any:
    total = np.full_like(x, coefficients[0])
    for coefficient in coefficients[1:]:
        total *= x
        total += x.dtype.type(coefficient)
    return total


def erf_inv(x: Any) -> Any:
    """The inverse of erf: infinite at -1 and 1, nan beyond."""
    given = np.asarray(x)
    dtype = given.dtype if given.dtype.kind == "f" else np.dtype(np.float64)
    wide = np.dtype(np.float32 if dtype.itemsize <= 4 else np.float64)
    z = given.astype(wide).ravel()
    branches = _SINGLE if wide == np.float32 else _DOUBLE
    with np.errstate(divide="ignore", invalid="ignore", over="ignore"):
        w = -np.log((1 - z) * (1 + z))
        bound, shift, coefficients = branches[0]
        p = _horner(coefficients, np.minimum(w, wide.type(bound)) - wide.type(shift))
        for upper, shift, coefficients in branches[1:]:
            tail = np.flatnonzero((w >= bound) & (w < upper))
            p[tail] = _horner(coefficients, np.sqrt(w[tail]) - wide.type(shift))
            bound = upper
        p[w == np.inf] = np.inf
        result = z * p
    return result.astype(dtype).reshape(given.shape)[()]
