"""Einstein summation: any product of arrays as a sequence of ``dot_general``."""

from __future__ import annotations

import functools
import operator
from collections.abc import Sequence
from typing import Any, NamedTuple, NoReturn, TypeAlias

import numpy as np

from fxad.backends.optional import installed, optional
from fxad.core.aval import Shape, aval_of, promote
from fxad.core.source import error
from fxad.errors import ArgumentValueError, ShapeError
from fxad.ops.base import convert, reduce_sum, reshape, shape_of, transpose
from fxad.ops.dot_general import dot_general_p
from fxad.ops.indexing import getitem

#: The labels of an operand's axes: a letter's code, a number, or for the axes of an ellipsis
#: -1, -2, ... from the right, so that those of several operands meet as in broadcasting.
Labels: TypeAlias = tuple[int, ...]

_ELLIPSIS = "..."


class _Terms(NamedTuple):
    """What was written: labels and at most one ellipsis for each operand, and for the output."""

    inputs: tuple[tuple[Any, ...], ...]
    output: tuple[Any, ...] | None


def einsum(
    *operands: Any, optimize: Any = True, precision: Any = None, preferred_element_type: Any = None
) -> Any:
    """A sum of products of the operands' elements, written with a letter for each axis.

    Args:
      *operands: a string such as ``"ij,jk->ik"`` (NumPy's syntax: ``...``, a letter twice for a
        diagonal, the output left out) and the arrays; or arrays each followed by a list of
        integers, and a list for the output.
      optimize: how the order of pairwise products is found: ``True`` (opt_einsum's choice where it
        is installed, else NumPy's greedy one), ``False`` (from left to right), the name of a
        method, or a path as ``numpy.einsum_path`` or opt_einsum return it.
      precision: as for ``dot_general``.
      preferred_element_type: the dtype to compute in and to return.

    Returns:
      The array with the output's axes.

    Raises:
      ArgumentValueError: the subscripts are malformed.
      ShapeError: they do not fit the operands' shapes.

    Source: the order of products is that of opt_einsum (Smith and Gray, 2018) or NumPy.

    Example:
      >>> import fxad.numpy as fnp
      >>> fnp.einsum("ij,j->i", fnp.ones((2, 3)), fnp.arange(3.0)).tolist()
      [3.0, 3.0]
    """
    terms, arrays = _read(operands)
    dtype = preferred_element_type
    dtype = promote([aval_of(a).strong() for a in arrays])[0] if dtype is None else np.dtype(dtype)
    arrays = [convert(a, dtype) for a in arrays]
    inputs, output = _label(terms, tuple(map(shape_of, arrays)))
    squeezed = _squeeze(arrays, inputs)
    all_labels = tuple(labels for _, labels in squeezed)
    path = _path(all_labels, output, tuple(shape_of(a) for a, _ in squeezed), _hashable(optimize))
    return _contract([_prepare(a, labels) for a, labels in squeezed], output, path, precision)


# Reading -----------------------------------------------------------------------------------------


def _wrong(problem: str) -> NoReturn:
    raise error(ArgumentValueError, "einsum", f"got {problem}")


def _read(operands: Sequence[Any]) -> tuple[_Terms, list[Any]]:
    """Both ways of writing as terms, and the arrays."""
    if not operands:
        _wrong("no operands, wanted subscripts and at least one array")
    if isinstance(operands[0], str):
        terms, arrays = _read_text(operands[0]), list(operands[1:])
    else:
        pairs = len(operands) // 2
        last = tuple(operands[-1]) if len(operands) % 2 else None
        arrays = list(operands[0 : 2 * pairs : 2])
        output = None if last is None else _numbers(last)
        terms = _Terms(tuple(_numbers(t) for t in operands[1 : 2 * pairs : 2]), output)
    if len(terms.inputs) != len(arrays):
        _wrong(f"subscripts for {len(terms.inputs)} operands and {len(arrays)} operands")
    return terms, arrays


def _numbers(term: Sequence[Any]) -> tuple[Any, ...]:
    return tuple(_ELLIPSIS if label is Ellipsis else operator.index(label) for label in term)


@functools.lru_cache(1024)
def _read_text(text: str) -> _Terms:
    inputs, arrow, output = text.replace(" ", "").partition("->")
    terms = tuple(_letters(text, term) for term in inputs.split(","))
    return _Terms(terms, _letters(text, output) if arrow else None)


def _letters(text: str, term: str) -> tuple[Any, ...]:
    before, dots, after = term.partition(_ELLIPSIS)
    for letter in before + after:
        if not (letter.isascii() and letter.isalpha()):
            _wrong(f"{letter!r} in the subscripts {text!r}, wanted letters, ',', '...' and '->'")
    return (*map(ord, before), *([_ELLIPSIS] if dots else []), *map(ord, after))


@functools.lru_cache(4096)
def _label(terms: _Terms, shapes: tuple[Shape, ...]) -> tuple[tuple[Labels, ...], Labels]:
    """A label for each axis of each operand and of the output."""
    pairs = zip(terms.inputs, shapes, strict=True)
    inputs = tuple(_expand(term, shape, i) for i, (term, shape) in enumerate(pairs))
    sizes: dict[int, int] = {}
    for labels, shape in zip(inputs, shapes, strict=True):
        own: dict[int, int] = {}
        for label, n in zip(labels, shape, strict=True):
            if own.setdefault(label, n) != n:
                raise _lengths(shapes, label, own[label], n)
        for label, n in own.items():
            known = sizes.get(label, 1)
            if known != n and 1 not in (known, n):
                raise _lengths(shapes, label, known, n)
            sizes[label] = n if known == 1 else known
    dots = sorted(label for label in sizes if label < 0)
    if terms.output is None:
        named = [label for term in terms.inputs for label in term if label != _ELLIPSIS]
        return inputs, (*dots, *sorted(label for label in named if named.count(label) == 1))
    if dots and _ELLIPSIS not in terms.output:
        _wrong("an output without '...', wanted it there too: operands have such axes")
    output = _place_dots(terms.output, dots)
    if len(set(output)) != len(output):
        _wrong(f"the output axis {_name(max(output, key=output.count))} twice")
    for label in output:
        if label not in sizes:
            _wrong(f"the output axis {_name(label)}, which no operand has")
    return inputs, output


def _lengths(shapes: tuple[Shape, ...], label: int, known: int, n: int) -> ShapeError:
    return error(
        ShapeError,
        "einsum",
        f"got shapes {' and '.join(map(str, shapes))}: the axis {_name(label)} has the lengths "
        f"{known} and {n}",
    )


def _expand(term: tuple[Any, ...], shape: Shape, position: int) -> Labels:
    ndim = len(shape)
    free = ndim - len(term) + 1 if _ELLIPSIS in term else 0
    if free < 0 or (_ELLIPSIS not in term and len(term) != ndim):
        raise error(
            ShapeError,
            "einsum",
            f"got the subscripts {''.join(map(_name, term))!r} for operand {position} of shape "
            f"{shape}, wanted one for each of its {ndim} dimensions",
        )
    return _place_dots(term, range(-free, 0))


def _place_dots(term: tuple[Any, ...], dots: Sequence[int]) -> Labels:
    if _ELLIPSIS not in term:
        return term
    at = term.index(_ELLIPSIS)
    return (*term[:at], *dots, *term[at + 1 :])


def _name(label: Any) -> str:
    if label == _ELLIPSIS or label < 0:
        return _ELLIPSIS
    return chr(label) if label >= ord("A") else str(label)


# Planning ----------------------------------------------------------------------------------------


def _hashable(optimize: Any) -> Any:
    return tuple(map(_hashable, optimize)) if isinstance(optimize, list | tuple) else optimize


@functools.lru_cache(4096)
def _path(
    inputs: tuple[Labels, ...], output: Labels, shapes: tuple[Shape, ...], optimize: Any
) -> tuple[tuple[int, ...], ...]:
    """Which operands meet in each step; the result of a step goes to the end of the list."""
    steps = optimize[optimize[:1] == ("einsum_path",) :] if isinstance(optimize, tuple) else ()
    if steps and all(isinstance(step, tuple) for step in steps):
        return _check_steps(steps, len(inputs))
    if len(inputs) <= 2 or optimize is False:
        return (tuple(range(len(inputs))),)
    if isinstance(optimize, tuple):
        optimize = optimize[0]  # ("greedy", memory limit)
    used = sorted({label for labels in inputs for label in labels})
    compact = {label: i for i, label in enumerate(used)}
    terms = [[compact[label] for label in labels] for labels in (*inputs, output)]
    method = optimize if isinstance(optimize, str) else None
    try:
        if installed("opt_einsum"):
            library = optional("opt_einsum", "einsum")
            symbols = ["".join(map(library.get_symbol, term)) for term in terms]
            text = ",".join(symbols[:-1]) + "->" + symbols[-1]
            path, _ = library.contract_path(text, *shapes, shapes=True, optimize=method or "auto")
        else:
            arrays = [np.broadcast_to(np.float64(0), shape) for shape in shapes]
            pairs = [v for pair in zip(arrays, terms[:-1], strict=True) for v in pair]
            find: Any = np.einsum_path
            path = find(*pairs, terms[-1], optimize=method or "greedy")[0][1:]
    except (KeyError, ValueError, TypeError) as e:
        _wrong(f"optimize={optimize!r}, which finds no order of the products ({e})")
    return tuple(tuple(step) for step in path)


def _check_steps(steps: Any, count: int) -> tuple[tuple[int, ...], ...]:
    """A path that the caller gives, if it makes one operand of all."""
    left = count
    for step in steps:
        if not step or len(set(step)) != len(step) or not all(0 <= i < left for i in step):
            break
        left -= len(step) - 1
    else:
        if left == 1:
            return tuple(tuple(map(operator.index, step)) for step in steps)
    _wrong(f"optimize={list(steps)}, wanted steps that make one operand of {count}")


# Computing ---------------------------------------------------------------------------------------


def _squeeze(arrays: Sequence[Any], inputs: Sequence[Labels]) -> list[tuple[Any, Labels]]:
    """Operands without the axes of length 1 that broadcast against longer ones."""
    sizes: dict[int, int] = {}
    for array, labels in zip(arrays, inputs, strict=True):
        for label, n in zip(labels, shape_of(array), strict=True):
            sizes[label] = n if sizes.get(label, 1) == 1 else sizes[label]
    out = []
    for array, labels in zip(arrays, inputs, strict=True):
        shape = shape_of(array)
        kept = [i for i, label in enumerate(labels) if shape[i] != 1 or sizes[label] == 1]
        if len(kept) != len(shape):
            array = reshape(array, tuple(shape[i] for i in kept))
            labels = tuple(labels[i] for i in kept)
        out.append((array, labels))
    return out


def _prepare(array: Any, labels: Labels) -> tuple[Any, Labels]:
    """An operand with the diagonal in the place of axes that have one label."""
    while len(set(labels)) != len(labels):
        label = max(labels, key=labels.count)
        first = labels.index(label)
        second = labels.index(label, first + 1)
        rest = [d for d in range(len(labels)) if d not in (first, second)]
        shape = shape_of(array)
        n = shape[first]
        flat = reshape(transpose(array, [*rest, first, second]), [*(shape[d] for d in rest), n * n])
        array = getitem(flat, (..., slice(None, None, n + 1)))
        labels = (*(labels[d] for d in rest), label)
    return array, labels


def _contract(operands: list[tuple[Any, Labels]], output: Labels, path: Any, precision: Any) -> Any:
    """Follows a path; more than two operands in a step meet from left to right."""
    for step in path:
        chosen = [operands[i] for i in step]
        operands = [o for i, o in enumerate(operands) if i not in step]
        while len(chosen) > 1:
            left, right, *chosen = chosen
            others = {label for _, labels in (*operands, *chosen) for label in labels}
            chosen.insert(0, _multiply(left, right, {*output, *others}, output, precision))
        operands += chosen
    ((array, labels),) = operands
    array, labels = _sum_out(array, labels, set(output))
    return transpose(array, [labels.index(label) for label in output])


def _sum_out(array: Any, labels: Labels, kept: set[int]) -> tuple[Any, Labels]:
    """The sum over the axes that nothing else has."""
    gone = [i for i, label in enumerate(labels) if label not in kept]
    return reduce_sum(array, gone), tuple(label for label in labels if label in kept)


def _multiply(
    left: tuple[Any, Labels],
    right: tuple[Any, Labels],
    kept: set[int],
    output: Labels,
    precision: Any,
) -> tuple[Any, Labels]:
    """The product of two operands, summed over what nothing else has."""
    x, x_labels = _sum_out(*left, kept | set(right[1]))
    y, y_labels = _sum_out(*right, kept | set(x_labels))
    labels = _labels_of_product(x_labels, y_labels, kept)
    swapped = _labels_of_product(y_labels, x_labels, kept)
    if labels != output and swapped == output:  # spares the final transposition
        x, y, x_labels, y_labels, labels = y, x, y_labels, x_labels, swapped
    both = [label for label in x_labels if label in y_labels]
    batch = [label for label in both if label in kept]
    contracted = [label for label in both if label not in kept]
    dims = tuple(
        tuple(tuple(map(one.index, chosen)) for one in (x_labels, y_labels))
        for chosen in (contracted, batch)
    )
    product = dot_general_p.bind(
        x, y, dimension_numbers=dims, precision=precision, preferred_element_type=None
    )
    return product, labels


def _labels_of_product(x: Labels, y: Labels, kept: set[int]) -> Labels:
    both = set(x) & set(y)
    return (
        *(label for label in x if label in both and label in kept),
        *(label for label in x if label not in both),
        *(label for label in y if label not in both),
    )
