"""Rows of different lengths out of one array: joined one behind the other, or padded to one length.

A row of some hundred values is copied fastest by a loop of slices, at about 0.26 microseconds a row; short rows by
arithmetic on the places of single values, at about 1.3 nanoseconds a value. The two meet near 200 values a row.
"""

from __future__ import annotations

from collections.abc import Iterable
from contextlib import suppress
from functools import lru_cache
from typing import Any

import numpy as np
from numpy.typing import NDArray

from headrace.core.errors import ArgumentError, SchemaError
from headrace.core.source import Indices

_SHORT = 128  # mean length from which on a loop over rows is faster than arithmetic on values
_NARROW = 16  # padded length up to which a mask over the whole output is faster than a loop over rows


def joined(values: NDArray[Any], starts: Indices, stops: Indices) -> tuple[NDArray[Any], Indices]:
    """Return ``values[start:stop]`` of each pair, one behind the other, and the offsets of the rows; a copy."""
    lengths = stops - starts
    offsets = np.zeros(len(starts) + 1, np.int64)
    np.cumsum(lengths, out=offsets[1:])
    total = int(offsets[-1])
    if total < _SHORT * len(starts):
        places = np.arange(total)
        places += np.repeat(starts - offsets[:-1], lengths)
        return values.take(places, 0, None, "clip"), offsets
    out = np.empty((total, *values.shape[1:]), values.dtype)
    pieces = [values[start:stop] for start, stop in zip(starts.tolist(), stops.tolist(), strict=True)]
    if pieces:
        np.concatenate(pieces, out=out)
    return out, offsets


def promoted(dtypes: Iterable[np.dtype[Any]]) -> np.dtype[Any]:
    """Return the dtype that holds the values of all; one that all share stays as it is, byte order included.

    Stricter than ``np.result_type``, which would make text of numbers beside text, and a time span of a number.

    >>> promoted([np.dtype("int8"), np.dtype("int32")]), promoted([np.dtype(">i4")])
    (dtype('int32'), dtype('>i4'))

    Raises:
        SchemaError: They have none in common, such as dates and numbers.
    """
    different = set(dtypes)
    if len(different) == 1:
        return different.pop()
    kinds = {dtype.kind for dtype in different}
    if len(kinds) == 1 or kinds <= set("biufc") or "O" in kinds:
        with suppress(TypeError):  # of records of different fields
            return np.result_type(*different)
    raise SchemaError(f"{' and '.join(sorted(map(str, different)))} have no type in common")


def padded(values: NDArray[Any], starts: Indices, stops: Indices, length: int, value: Any) -> NDArray[Any]:
    """Return ``values[start:stop]`` of each pair as a row of ``length``, filled up behind with ``value``; a copy.

    Raises:
        ArgumentError: The dtype cannot hold ``value``.
    """
    plain = type(value) in (bool, int, float)
    filler = _known_filler(repr(value), value, values.dtype) if plain else _filler(value, values.dtype)
    shape = (len(starts), length, *values.shape[1:])
    out = np.zeros(shape, values.dtype) if _is_zero(filler) else np.full(shape, filler, values.dtype)
    if length <= _NARROW:
        inside = np.arange(length) < (stops - starts)[:, None]
        out[inside] = joined(values, starts, stops)[0]
        return out
    if values.dtype == object or not values.flags.c_contiguous or not out.size or not len(values):
        for row, start, stop in zip(out, starts.tolist(), stops.tolist(), strict=True):
            row[: stop - start] = values[start:stop]
    else:
        _copy_rows(values, starts, stops, out)
    return out


def _copy_rows(values: NDArray[Any], starts: Indices, stops: Indices, out: NDArray[Any]) -> None:
    """Copy rows as bytes: a slice of a memoryview costs half of what one of an array does."""
    item, width = values.nbytes // len(values), out.nbytes // len(out)
    source = values.reshape(-1).view(np.uint8).data
    target = out.reshape(-1).view(np.uint8).data
    place = 0
    for start, stop in zip((starts * item).tolist(), (stops * item).tolist(), strict=True):
        target[place : place + stop - start] = source[start:stop]
        place += width


@lru_cache(maxsize=64)
def _known_filler(_: str, value: Any, dtype: np.dtype[Any]) -> Any:  # told apart by their text: 0.0 and -0.0 are equal
    return _filler(value, dtype)


def _filler(value: Any, dtype: np.dtype[Any]) -> Any:
    """Return what to pad with, if the dtype holds exactly that value; a float may be rounded to the dtype."""
    if dtype.kind == "O":
        return value
    array = np.asarray(value)
    try:
        with np.errstate(all="ignore"):
            cast = array.astype(dtype)
        fits = array.ndim == 0 and (
            (array.dtype.kind in "biuf" and dtype.kind in "fc")
            or (array.dtype.kind == dtype.kind and dtype.kind in "fcmM")
            or (array.dtype.kind == dtype.kind and dtype.kind in "bSU" and bool(cast == array))
            or (array.dtype.kind in "biu" and dtype.kind in "biu" and bool(cast == array))
        )
    except (TypeError, ValueError):
        fits = False
    if not fits:
        raise ArgumentError(f"cannot pad {dtype} with {value!r}: the dtype cannot hold it")
    return cast


def _is_zero(filler: Any) -> bool:
    return isinstance(filler, np.ndarray) and filler.dtype.kind in "biufc" and not filler
