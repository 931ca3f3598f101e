"""Rows into a column: what the values of many records have in common decides what kind of column they make.

A mapping makes a nested column. Which class that is, is handed down as ``nest``: a Batch, in all of Headrace.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from operator import attrgetter
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

from headrace.core import tensors
from headrace.core.errors import SchemaError
from headrace.core.fields import Fields
from headrace.core.gathering import promoted
from headrace.core.kinds import Column, objects
from headrace.core.naming import check_name, in_column, listed
from headrace.core.ragged import Ragged

Nest: TypeAlias = Callable[[dict[str, Any], int], Any]
"""Makes a nested column of columns and their length."""

New: TypeAlias = Callable[[tuple[int, ...], np.dtype[Any]], NDArray[Any]]
"""Gives an array of a shape and dtype to be filled: ``numpy.empty``, or ``Buffers.new``."""

PYTHONS: dict[type, type] = {bool: np.bool_, int: np.int64, float: np.float64, complex: np.complex128}
"""Python's own numbers, and what a column of them holds."""

_RANKS = {"b": 0, "u": 1, "i": 1, "f": 2, "c": 3}  # kinds of numbers: each holds those before it

_shape, _dtype = attrgetter("shape"), attrgetter("dtype")


def stack(rows: Sequence[Any], nest: Nest, new: New = np.empty) -> Column:
    """Return row values as one column; a copy, arrays of one shape in an array from ``new``.

    See ``columns.stack`` for the rule.
    """
    types = set(map(type, rows))
    if len(types) == 1:  # the common case, told apart by one look
        (only,) = types
        if only is np.ndarray:
            return _arrays(rows, new)
        if only in PYTHONS:
            return _numbers(rows, np.dtype(PYTHONS[only]))
        if only is str or only is bytes:
            return np.array(rows, object)
        if only is dict:
            return stack_mappings(rows, nest, new)
        if only is tuple and _of_fields(rows):
            return Fields.over([stack(values, nest, new) for values in zip(*rows, strict=True)])
    if not types:
        return np.empty(0, object)
    if all(issubclass(one, Mapping) for one in types):
        return stack_mappings(rows, nest, new)
    if types <= {str, np.str_}:
        return np.array(list(map(str, rows)), object)
    if types <= {bytes, np.bytes_}:
        return np.array(list(map(bytes, rows)), object)
    if all(one in PYTHONS or issubclass(one, np.generic) for one in types):
        return _scalars(rows)
    if all(map(tensors.is_tensor, rows)):
        return _tensors(rows)
    if all(issubclass(one, (list, tuple, np.ndarray)) for one in types):
        return _sequences(rows, new)
    return objects(rows)


def stack_mappings(rows: Sequence[Mapping[str, Any]], nest: Nest, new: New = np.empty) -> Any:
    """Return mappings of the same names, one or more, as a nested column, in the first one's order of names.

    Raises:
        SchemaError: The names differ; the first row that does is named.
        KindError: A name is no text.
    """
    names = list(rows[0])
    for name in names:
        check_name(name)
    try:
        if set(map(len, rows)) != {len(names)}:
            raise KeyError
        values = [[row[name] for row in rows] for name in names]
    except KeyError:
        for number, row in enumerate(rows):
            if row.keys() != rows[0].keys():
                raise SchemaError(f"row {number} has {listed(row)}; row 0 has {listed(names)}") from None
        raise
    columns = {}
    for name, of_name in zip(names, values, strict=True):
        with in_column(name):
            columns[name] = stack(of_name, nest, new)
    return nest(columns, len(rows))


def _of_fields(rows: Sequence[tuple[Any, ...]]) -> bool:
    """Say whether tuples are records of their own, and not vectors: something in them is no single number."""
    width = len(rows[0])
    return all(len(row) == width for row in rows) and not all(
        type(value) in PYTHONS or isinstance(value, np.generic) for value in rows[0]
    )


def _numbers(rows: Sequence[Any], dtype: np.dtype[Any]) -> NDArray[Any]:
    try:
        return np.array(rows, dtype)
    except OverflowError:  # an int beyond 64 bits stays exact as an object
        return objects(rows)


def _scalars(rows: Sequence[Any]) -> NDArray[Any]:
    """Stack numbers of several types; Python's own give way to NumPy's, unless they are too large for those."""
    numpys = {row.dtype for row in rows if isinstance(row, np.generic)}
    pythons = np.array([row for row in rows if not isinstance(row, np.generic)])
    if pythons.dtype.kind == "O":  # an int beyond 64 bits
        return objects(rows)
    try:
        dtype = promoted(numpys) if numpys else pythons.dtype
        return np.array(rows, weaker(pythons, dtype) if len(pythons) else dtype)
    except SchemaError:  # no type in common, such as of dates and numbers
        return objects(rows)


def weaker(pythons: NDArray[Any], dtype: np.dtype[Any]) -> np.dtype[Any]:
    """Return the dtype for Python's own numbers beside others of a dtype: that one, unless it cannot hold them.

    Args:
        pythons: What NumPy makes of numbers of Python's own.
        dtype: Of the others.

    >>> weaker(np.array([1, 2]), np.dtype("uint8")), weaker(np.array([-1]), np.dtype("uint8"))
    (dtype('uint8'), dtype('int64'))
    >>> weaker(np.array([0.5]), np.dtype("float32")), weaker(np.array([0.5]), np.dtype("int8"))
    (dtype('float32'), dtype('float64'))

    Raises:
        SchemaError: They have no type in common, such as dates and numbers.
    """
    both = promoted([dtype, pythons.dtype])
    fits = _RANKS[pythons.dtype.kind] <= _RANKS[dtype.kind] and _holds(dtype, pythons)
    return dtype if fits else both


def _holds(dtype: np.dtype[Any], numbers: NDArray[Any]) -> bool:
    if dtype.kind in "iu":
        bounds = np.iinfo(dtype)
        return numbers.size == 0 or bool(bounds.min <= numbers.min() and numbers.max() <= bounds.max)
    with np.errstate(over="ignore"):
        return dtype.kind not in "fc" or bool((np.isfinite(numbers.astype(dtype)) == np.isfinite(numbers)).all())


def _arrays(rows: Sequence[NDArray[Any]], new: New) -> Column:
    shape = rows[0].shape
    if len(set(map(_shape, rows))) > 1:
        return _uneven(rows)
    try:
        dtype = promoted(map(_dtype, rows))
    except SchemaError:  # no type in common
        return objects(rows)
    out = new((len(rows), *shape), dtype)
    if shape:  # one call for all rows: np.stack makes a view of each first
        np.concatenate(rows, out=out.reshape(len(rows) * shape[0], *shape[1:]))
    else:
        for index, row in enumerate(rows):
            out[index] = row[()]
    return out


def _uneven(rows: Sequence[NDArray[Any]]) -> Column:
    if any(row.ndim == 0 for row in rows) or len({row.shape[1:] for row in rows}) > 1:
        return objects(rows)
    try:
        return Ragged.from_rows(rows)
    except SchemaError:  # no type in common
        return objects(rows)


def _sequences(rows: Sequence[Any], new: New) -> Column:
    """Stack lists of numbers, alone or beside arrays, as arrays; lists of anything else as objects."""
    arrays = list(map(_numeric, rows))
    if any(array is None for array in arrays):
        return objects(rows)
    empty = [isinstance(row, (list, tuple)) and not len(row) for row in rows]
    if any(empty):  # an empty list says nothing of its dtype, nor of the shape of what could be in it
        first = next((array for array, nothing in zip(arrays, empty, strict=True) if not nothing), arrays[0])
        if not first.ndim:
            return objects(rows)
        arrays = [first[:0] if nothing else array for array, nothing in zip(arrays, empty, strict=True)]
    return _arrays(arrays, new)


def _numeric(row: Any) -> Any:
    """Return a list or tuple of numbers as an array, an array as it is; None for a list of anything else."""
    if isinstance(row, np.ndarray):
        return np.asarray(row)
    try:
        array = np.asarray(row)
    except ValueError:  # lists in it that differ in length
        return None
    return array if array.dtype.kind in "biufc" else None


def _tensors(rows: Sequence[Any]) -> Any:
    if len({(row.shape, row.device, row.dtype) for row in rows}) > 1:
        return objects(rows)
    return tensors.torch().stack(list(rows))
