"""Columns into files: rows of one kind after the other, in files that grow."""

from __future__ import annotations

import pickle
import sys
from collections.abc import Iterator, Mapping
from concurrent.futures import Executor
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from headrace.core.columns import Column, rows
from headrace.core.errors import SchemaError
from headrace.core.kinds import Nested, as_ragged, compact
from headrace.core.tensors import is_tensor
from headrace.stores.layout import Layout, file
from headrace.stores.names import stems
from headrace.stores.npy import NpyWriter


@dataclass(frozen=True)
class Place:
    """Where the files of a column go.

    Args:
        folder: Of the part.
        stem: What the names of the column's files begin with.
        beside: Where hashes are taken, and files brought to disk, beside the writing.
        known: Files of the folder that are there already, to go on with; None where the folder is yet to be made.
        durable: Whether files are brought to disk, and not only to the system.
    """

    folder: Path
    stem: str
    beside: Executor
    known: Mapping[str, NpyWriter] | None = None
    durable: bool = True

    def open(self, role: str, dtype: np.dtype[Any], item: tuple[int, ...] = ()) -> NpyWriter:
        """Begin a file of the column, or go on with it."""
        name = file(self.stem, role)
        if self.known is not None and name in self.known:
            return self.known[name]
        return NpyWriter(self.folder / name, dtype, item, self.beside, durable=self.durable)


class ColumnWriter(Protocol):
    """Takes the rows of a column."""

    def append(self, column: Column) -> None:
        """Write rows that fit the layout; nothing of them is held on to."""
        ...

    def fitted(self, layout: Layout) -> ColumnWriter:
        """Return a writer that goes on where this one is, for rows of a layout that this one's was joined with."""
        ...

    def files(self) -> Iterator[NpyWriter]:
        """Yield the files."""
        ...


def writer(place: Place, layout: Layout, column: Column | None) -> ColumnWriter:
    """Return a writer of a column's rows.

    Args:
        place: Where.
        layout: How the column is kept.
        column: Some of its rows; None where its files are known, which tell as much.
    """
    if layout.nested:
        return BatchWriter(place, layout, column)
    if layout.kind == "dense":
        return DenseWriter(place, _dtype(layout, column), layout.shape)
    if layout.kind == "tensor":
        return TensorWriter(place, _TOLD if column is None else host(column).dtype, layout.shape)
    if layout.kind == "ragged":
        return RaggedWriter(place.open("values", _dtype(layout, column), layout.shape), _offsets(place))
    if layout.kind == "object":
        return ObjectWriter(place)
    return TextWriter(place, encode=layout.kind == "string")


_TOLD = np.dtype("V1")  # stands where a known file tells its dtype


def _dtype(layout: Layout, column: Column | None) -> np.dtype[Any]:
    """Return the dtype of a column's files, which these rows need not have; the name of a structured one is no name."""
    if column is None:
        return _TOLD
    same = str(column.dtype) == layout.dtype
    dtype: np.dtype[Any] = column.dtype if same else np.dtype(layout.dtype)
    return dtype


class DenseWriter:
    """Rows of one shape: one file."""

    def __init__(self, place: Place, dtype: np.dtype[Any], item: tuple[int, ...]) -> None:
        self.place = place
        self.file = place.open("", dtype, item)

    def append(self, column: NDArray[Any]) -> None:
        self.file.append(column.astype(self.file.dtype, copy=False))

    def fitted(self, layout: Layout) -> ColumnWriter:
        if layout.kind == "ragged":
            return RaggedWriter.of_dense(self).fitted(layout)
        self.file.retype(layout.dtype)
        return self

    def files(self) -> Iterator[NpyWriter]:
        yield self.file


class TensorWriter(DenseWriter):
    """Rows of torch tensors, from wherever they are: kept as a dense column is."""

    def append(self, column: Any) -> None:
        super().append(host(column))

    def fitted(self, layout: Layout) -> ColumnWriter:
        return self


class RaggedWriter:
    """Rows that differ in length: a file of all values, and one of where rows begin."""

    def __init__(self, values: NpyWriter, offsets: NpyWriter) -> None:
        self.values = values
        self.offsets = offsets

    @classmethod
    def of_dense(cls, dense: DenseWriter) -> RaggedWriter:
        """Go on from dense rows: their file holds the same bytes, and where rows begin is arithmetic."""
        values, place = dense.file, dense.place
        (length, *item), rows = values.item, values.rows
        values.reshape(place.folder / file(place.stem, "values"), rows * length, tuple(item))
        offsets = _offsets(place)
        offsets.append(np.arange(1, rows + 1, dtype=np.int64) * length)
        return cls(values, offsets)

    def append(self, column: Column) -> None:
        ragged = as_ragged(column)
        self.offsets.append(ragged.offsets[1:] + self.values.rows)
        self.values.append(ragged.values.astype(self.values.dtype, copy=False))

    def fitted(self, layout: Layout) -> ColumnWriter:
        self.values.retype(layout.dtype)
        return self

    def files(self) -> Iterator[NpyWriter]:
        yield from (self.values, self.offsets)


class TextWriter:
    """Strings or bytes, in files like those of a ragged column of bytes."""

    def __init__(self, place: Place, encode: bool) -> None:
        self.encode = encode
        self.values = place.open("values", np.dtype(np.uint8))
        self.offsets = _offsets(place)

    def append(self, column: NDArray[Any]) -> None:
        texts = column.ravel().tolist()
        # A lone surrogate, which file names that are no UTF-8 bring along, comes back as it was.
        self.put([text.encode("utf-8", "surrogatepass") for text in texts] if self.encode else texts)

    def put(self, texts: list[bytes]) -> None:
        """Write rows of bytes."""
        lengths = np.fromiter(map(len, texts), np.int64, len(texts))
        self.offsets.append(np.cumsum(lengths) + self.values.rows)
        self.values.append(np.frombuffer(b"".join(texts), np.uint8))

    def fitted(self, layout: Layout) -> ColumnWriter:
        return self

    def files(self) -> Iterator[NpyWriter]:
        yield from (self.values, self.offsets)


class ObjectWriter(TextWriter):
    """Any objects, each pickled, in files like those of bytes. Rows of other kinds are objects, too."""

    def __init__(self, place: Place) -> None:
        super().__init__(place, encode=False)

    def append(self, column: Column) -> None:
        single = isinstance(column, np.ndarray) and column.dtype.kind == "O"
        values = column.ravel().tolist() if single else rows(column)
        made: list[bytes] = []
        try:
            for value in values:  # a tensor that is cut from a larger one would bring that along
                made.append(pickle.dumps(compact(value) if is_tensor(value) else value, protocol=5))
        except Exception as error:  # of whatever kind the object's own code raises
            row = len(made) * len(column) // len(values)
            raise PicklingError(f"a {type(values[len(made)]).__name__} cannot be pickled: {error}", row) from error
        self.put(made)


class PicklingError(SchemaError):
    """An object cannot be pickled; ``row`` tells which of those that were appended together."""

    def __init__(self, message: str, row: int) -> None:
        super().__init__(message)
        self.row = row


class BatchWriter:
    """Named columns of one length: the files of each, their names behind the batch's own."""

    def __init__(self, place: Place, layout: Layout, batch: Nested | None) -> None:
        some: Mapping[str, Column] = {} if batch is None else batch._columns
        self.columns = {
            name: writer(replace(place, stem=stem), layout.fields[name], some.get(name))
            for name, stem in stems(layout.fields, place.stem).items()
        }

    def append(self, column: Nested) -> None:
        for name, one in self.columns.items():
            try:
                one.append(column._columns[name])
            except PicklingError as error:
                raise PicklingError(f"column {name!r}: {error}", error.row) from error.__cause__

    def fitted(self, layout: Layout) -> ColumnWriter:
        self.columns = {name: one.fitted(layout.fields[name]) for name, one in self.columns.items()}
        return self

    def files(self) -> Iterator[NpyWriter]:
        for one in self.columns.values():
            yield from one.files()


def host(tensor: Any) -> NDArray[Any]:
    """Return a tensor's values as an array; a view where it lies in memory. Of bfloat16, which NumPy has not, the bits.

    Raises:
        SchemaError: NumPy has nothing like it.
    """
    torch = sys.modules["torch"]
    try:
        plain = tensor.detach().cpu().resolve_conj().resolve_neg()
        array: NDArray[Any] = (plain.view(torch.int16) if plain.dtype == torch.bfloat16 else plain).numpy()
    except (TypeError, RuntimeError) as error:
        raise SchemaError(f"a tensor of {tensor.dtype} cannot be kept: {error}") from error
    return array


def _offsets(place: Place) -> NpyWriter:
    offsets = place.open("offsets", np.dtype(np.int64))
    if not offsets.rows:
        offsets.append(np.zeros(1, np.int64))
    return offsets
