"""Rows of parts, as digests: equal for equal rows of columns that are laid out alike."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterator, Sequence
from hashlib import blake2b
from itertools import pairwise
from typing import Any

import numpy as np
from numpy.typing import NDArray

from headrace.core.errors import ColumnError
from headrace.stores.mapped import Dense, Mapped, Table, Tensors, Text, Uneven
from headrace.stores.reader import Stored

DIGEST_BYTES = 16
_MOST_BYTES = 32 << 20  # of rows whose pieces are listed together


def digests(table: Table, names: Sequence[str]) -> NDArray[np.void]:
    """Return a digest of each row, as far as these columns go: shape (rows,), 16 bytes each.

    Two rows are equal here when their bytes are: NaN is equal to itself, and -0.0 differs from 0.0.
    """
    chosen = [table.columns[name] for name in names]
    found: list[bytes] = []
    for start, stop in _steps(table):
        listed = [_pieces(column, start, stop) for column in chosen]
        for pieces in zip(*listed, strict=True) if listed else ((),) * (stop - start):
            digest = blake2b(digest_size=DIGEST_BYTES)
            for piece in pieces:
                digest.update(piece)
            found.append(digest.digest())
    return np.array(found, f"V{DIGEST_BYTES}") if found else np.empty(0, f"V{DIGEST_BYTES}")


def _steps(table: Table) -> Iterator[tuple[int, int]]:
    each = max(1, _width(table))
    step = max(1, _MOST_BYTES // each)
    for start in range(0, table.length, step):
        yield start, min(start + step, table.length)


def _width(column: Mapped) -> int:
    """Return about how many bytes a row has."""
    if isinstance(column, Table):
        return sum(map(_width, column.columns.values()))
    if isinstance(column, Dense | Tensors):
        return column.array.nbytes // max(1, len(column.array))
    values = column.ragged.values if isinstance(column, Uneven) else column.values if isinstance(column, Text) else None
    rows = len(column.ragged) if isinstance(column, Uneven) else len(column.offsets) if isinstance(column, Text) else 1
    return 0 if values is None else int(values.nbytes) // max(1, rows)


def _pieces(column: Mapped, start: int, stop: int) -> list[bytes]:
    """Return the bytes of rows; where rows differ in length, with the length in front."""
    if isinstance(column, Dense | Tensors):
        return _even(column.array[start:stop])
    if isinstance(column, Uneven):
        ragged = column.ragged
        return _uneven(ragged.values, ragged.offsets[start : stop + 1])
    if isinstance(column, Text):
        each = math.prod(column.layout.shape)
        rows = _uneven(column.values, column.offsets[start * each : stop * each + 1])
        return rows if each == 1 else [b"".join(rows[at : at + each]) for at in range(0, (stop - start) * each, each)]
    assert isinstance(column, Table)
    listed = [_pieces(inner, start, stop) for inner in column.columns.values()]
    return [b"".join(pieces) for pieces in zip(*listed, strict=True)] if listed else [b""] * (stop - start)


def _even(rows: NDArray[Any]) -> list[bytes]:
    content = np.ascontiguousarray(rows).tobytes()
    size = len(content) // len(rows)
    return [content[at : at + size] for at in range(0, len(content), size)] if size else [b""] * len(rows)


def _uneven(values: NDArray[Any], offsets: NDArray[np.int64]) -> list[bytes]:
    first = int(offsets[0])
    content = np.ascontiguousarray(values[first : int(offsets[-1])]).tobytes()
    size = values.itemsize * math.prod(values.shape[1:])
    ends = ((offsets - first) * size).tolist()
    return [(end - begin).to_bytes(8, "little") + content[begin:end] for begin, end in pairwise(ends)]


class Keys:
    """The values of a key column of a version, and where each record lies.

    Args:
        source: The version.
        name: The column: whole numbers, strings or bytes, no value twice.

    Raises:
        ColumnError: There is no such column, or it is no key.
    """

    def __init__(self, source: Stored, name: str) -> None:
        if name not in source.manifest.layout.fields:
            raise ColumnError.missing(name, source.manifest.layout.fields)
        self.shown = f"column {name!r} of {source.manifest.id!r} {source.manifest.version!r}"
        layout = source.manifest.layout.fields[name]
        if layout.shape or (layout.kind not in ("string", "bytes") and not _is_key(layout.dtype)):
            raise ColumnError(f"{self.shown} holds {layout}, and a key is whole numbers, strings or bytes")
        self.values = [value for part in range(len(source.manifest.parts)) for value in _listed(source, part, name)]
        self.place: dict[Any, int] = dict(zip(self.values, range(len(self.values)), strict=True))
        if len(self.place) < len(self.values):
            twice, times = Counter(self.values).most_common(1)[0]
            raise ColumnError(f"{self.shown} is no key: {twice!r} is there {times} times")


def _is_key(dtype: str) -> bool:
    return bool(dtype) and not dtype.startswith("torch.") and np.dtype(dtype).kind in "iuUSM"


def _listed(source: Stored, part: int, name: str) -> list[Any]:
    table = source.part(part)
    column = table.columns[name].take(np.arange(table.length))
    values: list[Any] = np.asarray(column).tolist()
    return values
