"""Samples of continuous distributions."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

import fxad.numpy as fnp
from fxad.core.aval import DType, Shape
from fxad.ops.elementwise import add, div, max, min, mul, select, stop_gradient_p, sub
from fxad.ops.floats import nextafter
from fxad.ops.identity import bitcast_convert_type
from fxad.ops.logic import lt
from fxad.ops.random_bits import random_bits, random_split
from fxad.ops.special import erf, erf_inv
from fxad.random.arguments import Size, choose, float_dtype, one_key, parameter, sample_shape

# Parameters may be NumPy arrays beside a key on a GPU: where they meet the samples, primitives move
# them there, as Python's operators would not.


def _unit(key: Any, shape: Shape, dtype: DType) -> Any:
    """Uniform in [0, 1): random mantissas of numbers in [1, 2), less 1."""
    width = 8 * dtype.itemsize
    words = random_bits(key, width, shape)
    one = int(np.ones((), dtype).view(words.dtype))
    mantissas = words >> (width - np.finfo(dtype).nmant)
    return bitcast_convert_type(mantissas | one, dtype) - 1.0


def _between(key: Any, shape: Shape, dtype: DType, minval: Any, maxval: Any) -> Any:
    """Uniform in [minval, maxval), which are of the dtype."""
    return max(minval, add(mul(_unit(key, shape, dtype), sub(maxval, minval)), minval))


def _positive(key: Any, shape: Shape, dtype: DType) -> Any:
    """Uniform in [tiny, 1): fit for a logarithm."""
    return _between(key, shape, dtype, np.finfo(dtype).tiny, dtype.type(1))


def uniform(
    key: Any, shape: Size = (), dtype: Any = None, minval: Any = 0.0, maxval: Any = 1.0
) -> Any:
    """Samples uniform in ``[minval, maxval)``, differentiable in both.

    Args:
      key: ``uint32[2]``.
      shape: of the result.
      dtype: a float dtype; None is ``config.default_float``.
      minval: the smallest value, broadcast to the shape.
      maxval: the bound above, broadcast to the shape.

    Returns:
      An array of the shape and dtype.

    Raises:
      ShapeError: the bounds do not broadcast to the shape.

    Example:
      >>> import fxad
      >>> fxad.random.uniform(fxad.random.key(0), (3,)).round(4)
      array([0.4185, 0.2163, 0.9653])
    """
    one_key("uniform", key)
    dtype = float_dtype("uniform", dtype)
    shape = sample_shape("uniform", shape, minval, maxval)
    if type(minval) is type(maxval) is float and (minval, maxval) == (0.0, 1.0):
        return _unit(key, shape, dtype)
    low, high = (parameter("uniform", x, dtype) for x in (minval, maxval))
    return _between(key, shape, dtype, low, high)


def _normal(key: Any, shape: Shape, dtype: DType) -> Any:
    low = np.nextafter(dtype.type(-1), dtype.type(0), dtype=dtype)  # erf_inv(-1) is infinite
    return erf_inv(_between(key, shape, dtype, low, dtype.type(1))) * math.sqrt(2)


def normal(key: Any, shape: Size = (), dtype: Any = None) -> Any:
    """Samples of the standard normal distribution.

    The inverse of the distribution function at uniform samples. Complex samples have variance 1,
    half of it in each part.

    Args:
      key: ``uint32[2]``.
      shape: of the result.
      dtype: a float or complex dtype; None is ``config.default_float``.

    Returns:
      An array of the shape and dtype.

    Example:
      >>> import fxad
      >>> fxad.random.normal(fxad.random.key(0), (3,)).round(4)
      array([-0.2058, -0.7848,  1.8161])
    """
    one_key("normal", key)
    shape = sample_shape("normal", shape)
    if dtype is None or np.dtype(dtype).kind != "c":
        return _normal(key, shape, float_dtype("normal", dtype))
    part = np.empty((), dtype).real.dtype
    keys = random_split(key, (2,))
    return (_normal(keys[0], shape, part) + 1j * _normal(keys[1], shape, part)) / math.sqrt(2)


def truncated_normal(
    key: Any, lower: Any, upper: Any, shape: Size | None = None, dtype: Any = None
) -> Any:
    """Samples of the standard normal distribution given that they lie between two bounds.

    Args:
      key: ``uint32[2]``.
      lower: the bound below, broadcast to the shape.
      upper: the bound above, broadcast to the shape.
      shape: of the result; None is what the bounds broadcast to.
      dtype: a float dtype; None is ``config.default_float``.

    Returns:
      An array of values in the open interval, differentiable in the bounds.

    Raises:
      ShapeError: the bounds do not broadcast to the shape.

    Example:
      >>> import fxad
      >>> fxad.random.truncated_normal(fxad.random.key(0), -1.0, 1.0, (3,)).round(4)
      array([-0.14  , -0.5063,  0.9065])
    """
    one_key("truncated_normal", key)
    dtype = float_dtype("truncated_normal", dtype)
    shape = sample_shape("truncated_normal", shape, lower, upper)
    lower, upper = (parameter("truncated_normal", x, dtype) for x in (lower, upper))
    root = dtype.type(math.sqrt(2))
    u = _between(key, shape, dtype, erf(div(lower, root)), erf(div(upper, root)))
    out = erf_inv(u) * root
    # rounding must not reach a bound
    least = nextafter(stop_gradient_p.bind(lower), dtype.type(np.inf))
    most = nextafter(stop_gradient_p.bind(upper), dtype.type(-np.inf))
    return min(max(out, least), most)


def exponential(key: Any, shape: Size = (), dtype: Any = None) -> Any:
    """Samples of the exponential distribution with mean 1.

    Args:
      key: ``uint32[2]``.
      shape: of the result.
      dtype: a float dtype; None is ``config.default_float``.

    Returns:
      An array of values >= 0.

    Example:
      >>> import fxad
      >>> fxad.random.exponential(fxad.random.key(0), (3,)).round(4)
      array([0.5421, 0.2437, 3.3616])
    """
    one_key("exponential", key)
    dtype = float_dtype("exponential", dtype)
    return -fnp.log1p(-_unit(key, sample_shape("exponential", shape), dtype))


def gumbel(key: Any, shape: Size = (), dtype: Any = None, mode: str | None = None) -> Any:
    """Samples of the standard Gumbel distribution.

    Args:
      key: ``uint32[2]``.
      shape: of the result.
      dtype: a float dtype; None is ``config.default_float``.
      mode: ``"low"``, the default, or ``"high"``: from twice as many bits, so that rare large
        values are not cut off (at about 16 in float32).

    Returns:
      An array of the shape and dtype.

    Raises:
      ArgumentValueError: another mode.

    Example:
      >>> import fxad
      >>> fxad.random.gumbel(fxad.random.key(0), (3,)).round(4)
      array([ 0.1379, -0.426 ,  3.344 ])
    """
    one_key("gumbel", key)
    dtype = float_dtype("gumbel", dtype)
    shape = sample_shape("gumbel", shape)
    if choose("gumbel", "mode", mode or "low", ("low", "high")) == "low":
        return -fnp.log(-fnp.log(_positive(key, shape, dtype)))
    info = np.finfo(dtype)
    high, low = _unit(key, (2, *shape), dtype)
    u = fnp.where(high >= 0.5, high, high + low * 2.0**-info.nmant + info.tiny)
    return -fnp.log(-fnp.log1p(-u))


def laplace(key: Any, shape: Size = (), dtype: Any = None) -> Any:
    """Samples of the Laplace distribution with density ``exp(-abs(x)) / 2``.

    Args:
      key: ``uint32[2]``.
      shape: of the result.
      dtype: a float dtype; None is ``config.default_float``.

    Returns:
      An array of the shape and dtype.

    Example:
      >>> import fxad
      >>> fxad.random.laplace(fxad.random.key(0), (3,)).round(4)
      array([ 0.178 ,  0.838 , -2.6685])
    """
    one_key("laplace", key)
    dtype = float_dtype("laplace", dtype)
    low = dtype.type(-1 + np.finfo(dtype).epsneg)
    u = _between(key, sample_shape("laplace", shape), dtype, low, dtype.type(1))
    return fnp.sign(u) * fnp.log1p(-fnp.abs(u))


def logistic(key: Any, shape: Size = (), dtype: Any = None) -> Any:
    """Samples of the standard logistic distribution.

    Args:
      key: ``uint32[2]``.
      shape: of the result.
      dtype: a float dtype; None is ``config.default_float``.

    Returns:
      An array of the shape and dtype.

    Example:
      >>> import fxad
      >>> fxad.random.logistic(fxad.random.key(0), (3,)).round(4)
      array([-0.3291, -1.2874,  3.3263])
    """
    one_key("logistic", key)
    dtype = float_dtype("logistic", dtype)
    u = _positive(key, sample_shape("logistic", shape), dtype)
    return fnp.log(u) - fnp.log1p(-u)


def cauchy(key: Any, shape: Size = (), dtype: Any = None) -> Any:
    """Samples of the standard Cauchy distribution.

    Args:
      key: ``uint32[2]``.
      shape: of the result.
      dtype: a float dtype; None is ``config.default_float``.

    Returns:
      An array of the shape and dtype.

    Example:
      >>> import fxad
      >>> fxad.random.cauchy(fxad.random.key(0), (3,)).round(4)
      array([-0.2619, -1.2378,  9.1425])
    """
    one_key("cauchy", key)
    dtype = float_dtype("cauchy", dtype)
    shape = sample_shape("cauchy", shape)
    u = _between(key, shape, dtype, np.finfo(dtype).eps, dtype.type(1))
    return fnp.tan((u - 0.5) * math.pi)


def lognormal(key: Any, sigma: Any = 1.0, shape: Size | None = None, dtype: Any = None) -> Any:
    """Samples whose logarithm is normal with mean 0.

    Args:
      key: ``uint32[2]``.
      sigma: the standard deviation of the logarithm, broadcast to the shape.
      shape: of the result; None is that of sigma.
      dtype: a float dtype; None is ``config.default_float``.

    Returns:
      An array of values > 0, differentiable in sigma.

    Raises:
      ShapeError: sigma does not broadcast to the shape.

    Example:
      >>> import fxad
      >>> fxad.random.lognormal(fxad.random.key(0), 0.5, (3,)).round(4)
      array([0.9022, 0.6754, 2.4795])
    """
    one_key("lognormal", key)
    dtype = float_dtype("lognormal", dtype)
    shape = sample_shape("lognormal", shape, sigma)
    return fnp.exp(mul(_normal(key, shape, dtype), parameter("lognormal", sigma, dtype)))


def pareto(key: Any, b: Any, shape: Size | None = None, dtype: Any = None) -> Any:
    """Samples of the Pareto distribution with density ``b / x**(b + 1)`` for x >= 1.

    Args:
      key: ``uint32[2]``.
      b: the exponent, broadcast to the shape.
      shape: of the result; None is that of b.
      dtype: a float dtype; None is ``config.default_float``.

    Returns:
      An array of values >= 1, differentiable in b.

    Raises:
      ShapeError: b does not broadcast to the shape.

    Example:
      >>> import fxad
      >>> fxad.random.pareto(fxad.random.key(0), 2.0, (3,)).round(4)
      array([1.3113, 1.1296, 5.3699])
    """
    one_key("pareto", key)
    dtype = float_dtype("pareto", dtype)
    shape = sample_shape("pareto", shape, b)
    return fnp.exp(div(exponential(key, shape, dtype), parameter("pareto", b, dtype)))


def rayleigh(key: Any, scale: Any, shape: Size | None = None, dtype: Any = None) -> Any:
    """Samples of the Rayleigh distribution: the length of two normal samples.

    Args:
      key: ``uint32[2]``.
      scale: the standard deviation of each, broadcast to the shape.
      shape: of the result; None is that of the scale.
      dtype: a float dtype; None is ``config.default_float``.

    Returns:
      An array of values >= 0, differentiable in the scale.

    Raises:
      ShapeError: the scale does not broadcast to the shape.

    Example:
      >>> import fxad
      >>> fxad.random.rayleigh(fxad.random.key(0), 1.0, (3,)).round(4)
      array([1.32  , 1.7499, 0.2657])
    """
    one_key("rayleigh", key)
    dtype = float_dtype("rayleigh", dtype)
    shape = sample_shape("rayleigh", shape, scale)
    lengths = fnp.sqrt(-2.0 * fnp.log(_unit(key, shape, dtype)))
    return mul(lengths, parameter("rayleigh", scale, dtype))


def weibull_min(
    key: Any, scale: Any, concentration: Any, shape: Size = (), dtype: Any = None
) -> Any:
    """Samples of the Weibull distribution.

    Args:
      key: ``uint32[2]``.
      scale: broadcast to the shape.
      concentration: the exponent, broadcast to the shape.
      shape: of the result.
      dtype: a float dtype; None is ``config.default_float``.

    Returns:
      An array of values >= 0, differentiable in scale and concentration.

    Raises:
      ShapeError: the parameters do not broadcast to the shape.

    Example:
      >>> import fxad
      >>> fxad.random.weibull_min(fxad.random.key(0), 1.0, 2.0, (3,)).round(4)
      array([0.7363, 0.4937, 1.8335])
    """
    one_key("weibull_min", key)
    dtype = float_dtype("weibull_min", dtype)
    shape = sample_shape("weibull_min", shape, scale, concentration)
    power = 1 / parameter("weibull_min", concentration, dtype)
    spread = parameter("weibull_min", scale, dtype)
    return mul(fnp.power(exponential(key, shape, dtype), power), spread)


def maxwell(key: Any, shape: Size = (), dtype: Any = None) -> Any:
    """Samples of the Maxwell distribution: the length of three normal samples.

    Args:
      key: ``uint32[2]``.
      shape: of the result.
      dtype: a float dtype; None is ``config.default_float``.

    Returns:
      An array of values >= 0.

    Example:
      >>> import fxad
      >>> fxad.random.maxwell(fxad.random.key(0), (2,)).round(4)
      array([1.9891, 0.4246])
    """
    one_key("maxwell", key)
    dtype = float_dtype("maxwell", dtype)
    shape = sample_shape("maxwell", shape)
    return fnp.sqrt(fnp.sum(fnp.square(_normal(key, (*shape, 3), dtype)), axis=-1))


def triangular(
    key: Any, left: Any, mode: Any, right: Any, shape: Size | None = None, dtype: Any = None
) -> Any:
    """Samples whose density rises from left to the mode and falls to the right.

    Args:
      key: ``uint32[2]``.
      left: the smallest value, broadcast to the shape.
      mode: the most likely value, broadcast to the shape.
      right: the largest value, broadcast to the shape.
      shape: of the result; None is what the parameters broadcast to.
      dtype: a float dtype; None is ``config.default_float``.

    Returns:
      An array of values in [left, right], differentiable in the parameters.

    Raises:
      ShapeError: the parameters do not broadcast to the shape.

    Example:
      >>> import fxad
      >>> fxad.random.triangular(fxad.random.key(0), 0.0, 1.0, 3.0, (3,)).round(4)
      array([1.132 , 0.8055, 2.5439])
    """
    one_key("triangular", key)
    dtype = float_dtype("triangular", dtype)
    shape = sample_shape("triangular", shape, left, mode, right)
    left, mode, right = (parameter("triangular", x, dtype) for x in (left, mode, right))
    u, width = _unit(key, shape, dtype), sub(right, left)
    rising = add(left, fnp.sqrt(mul(mul(u, width), sub(mode, left))))
    falling = sub(right, fnp.sqrt(mul(mul(1.0 - u, width), sub(right, mode))))
    return select(lt(u, div(sub(mode, left), width)), rising, falling)
