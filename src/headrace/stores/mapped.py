"""Files into columns: each mapped into memory, so that a gather reads what it takes and nothing else."""

from __future__ import annotations

import math
import pickle
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from headrace.core.batch import Batch
from headrace.core.columns import Column, objects
from headrace.core.errors import DamageError, MissingExtraError, StoreError
from headrace.core.fields import Fields
from headrace.core.kinds import Nested
from headrace.core.ragged import Ragged
from headrace.core.source import Indices
from headrace.stores.layout import Layout, check_pickles, file
from headrace.stores.names import stems


class Mapped(Protocol):
    """A column of a part."""

    def take(self, indices: Indices, /) -> Column:
        """Return rows, a copy; the indices are known to be right."""
        ...

    def whole(self) -> Column | None:
        """Return the column as it lies there, a read-only view; None where its rows must be made first."""
        ...


class AtHand(Protocol):
    """A file of a part that somebody has opened already, or holds in memory; ``str`` tells where it came from."""

    def array(self) -> NDArray[Any]:
        """Return what is in it, read-only.

        Raises:
            FileNotFoundError: There is no such file.
            ValueError: It is no ``.npy`` file.
        """
        ...


class Files(Protocol):
    """The files of a part that are at hand in other ways than in a folder."""

    def __truediv__(self, name: str, /) -> AtHand: ...


def open_columns(
    folder: Path | Files, layout: Layout, length: int, stem: str = "", allow_pickle: bool = False
) -> Table:
    """Map the columns of a part, or of a batch nested in it.

    Args:
        folder: Of the part, or its files.
        layout: Of the batch.
        length: How many rows the part has.
        stem: What the names of the batch's files begin with.
        allow_pickle: Whether objects may be unpickled.

    Raises:
        DamageError: A file is not there, or holds something else.
        StoreError: There are pickled objects, and they may not be read.
    """
    check_pickles(layout, allow_pickle)
    found = {
        name: _open(folder, below, layout.fields[name], length, allow_pickle)
        for name, below in stems(layout.fields, stem).items()
    }
    return Table(found, length, Fields if layout.kind == "tuple" else Batch)


def _open(folder: Path | Files, stem: str, layout: Layout, length: int, allow_pickle: bool) -> Mapped:
    if layout.nested:
        return open_columns(folder, layout, length, stem, allow_pickle)
    if layout.kind == "dense":
        return Dense(_array(folder / file(stem), layout.dtype, layout.shape, length))
    if layout.kind == "tensor":
        return Tensors(_array(folder / file(stem), "", layout.shape, length), layout.dtype == "torch.bfloat16", stem)
    ragged = layout.kind == "ragged"
    values = _array(folder / file(stem, "values"), layout.dtype or "uint8", layout.shape if ragged else ())
    rows = length if ragged else length * math.prod(layout.shape)
    offsets = _array(folder / file(stem, "offsets"), "int64", (), rows + 1)
    if offsets[0] != 0 or offsets[-1] != len(values):
        raise DamageError(f"{folder / file(stem, 'offsets')} does not fit the {len(values)} values beside it")
    return Uneven(Ragged._of(values, offsets)) if ragged else Text(values, offsets, layout)


def _array(path: Path | AtHand, dtype: str, item: tuple[int, ...], rows: int | None = None) -> NDArray[Any]:
    """Map a file, and make sure that it holds what it should; ``""`` for any dtype, None for any number of rows."""
    try:
        array: NDArray[Any] = np.asarray(_mapped(path) if isinstance(path, Path) else path.array())
    except FileNotFoundError as error:
        raise DamageError(f"{path} is missing") from error
    except (ValueError, EOFError) as error:
        raise DamageError(f"{path} is no .npy file: {error}") from error
    except OSError as error:
        raise StoreError(f"cannot map {path}: {error.strerror or error}") from error
    expected = (len(array) if rows is None else rows, *item)
    if array.shape != expected or (dtype and str(array.dtype) != dtype):
        raise DamageError(f"{path} holds {array.dtype} {array.shape}, expected {dtype} {expected}")
    return array


def _mapped(path: Path) -> NDArray[Any]:
    array: NDArray[Any] = np.load(path, mmap_mode="r", allow_pickle=False)
    return array


@dataclass(frozen=True)
class Dense:
    """Rows of one shape."""

    array: NDArray[Any]

    def take(self, indices: Indices, /) -> Column:
        return self.array.take(indices, 0, None, "clip")  # the default mode would check them again

    def whole(self) -> Column | None:
        return self.array


@dataclass(frozen=True)
class Tensors:
    """Rows of torch tensors; of bfloat16, which NumPy has not, the bits lie there."""

    array: NDArray[Any]
    bits: bool
    name: str

    def take(self, indices: Indices, /) -> Column:
        try:
            import torch
        except ImportError as error:
            raise MissingExtraError.of("PyTorch", "torch", f"column {self.name!r}, which is one of tensors,") from error
        tensor = torch.from_numpy(self.array.take(indices, 0, None, "clip"))
        return tensor.view(torch.bfloat16) if self.bits else tensor

    def whole(self) -> Column | None:
        return None  # torch has no read-only tensors


@dataclass(frozen=True)
class Uneven:
    """Rows that differ in length."""

    ragged: Ragged

    def take(self, indices: Indices, /) -> Column:
        return self.ragged._take(indices)

    def whole(self) -> Column | None:
        return self.ragged


@dataclass(frozen=True)
class Text:
    """Strings, bytes or pickled objects; where rows are arrays of them, these lie one after the other."""

    values: NDArray[np.uint8]
    offsets: Indices
    layout: Layout

    def take(self, indices: Indices, /) -> Column:
        shape, each = self.layout.shape, math.prod(self.layout.shape)
        places = (indices[:, None] * each + np.arange(each)).ravel() if shape else indices
        bounds = zip(self.offsets[places].tolist(), self.offsets[places + 1].tolist(), strict=True)
        stored = self.values.data
        rows = [stored[start:stop].tobytes() for start, stop in bounds]
        return objects(self._made(rows)).reshape(len(indices), *shape)

    def _made(self, rows: list[bytes]) -> list[Any]:
        if self.layout.kind == "string":
            return [row.decode("utf-8", "surrogatepass") for row in rows]
        return list(map(_unpickled, rows)) if self.layout.kind == "object" else rows

    def whole(self) -> Column | None:
        return None


def _unpickled(row: bytes) -> Any:
    try:
        return pickle.loads(row)
    except Exception as error:  # of whatever kind the object's own code raises
        raise StoreError(
            f"a pickled object cannot be made again: {type(error).__name__}: {error}. The modules that its class "
            "comes from must be there, as they were where it was written"
        ) from error


@dataclass(frozen=True)
class Table:
    """Named columns."""

    columns: Mapping[str, Mapped]
    length: int
    kind: type[Nested] = Batch

    def take(self, indices: Indices, /) -> Any:
        return self.kind._of({name: column.take(indices) for name, column in self.columns.items()}, len(indices))

    def whole(self) -> Any:
        """Return the columns as they lie there, read-only views; None where the rows of one must be made first."""
        found = {name: column.whole() for name, column in self.columns.items()}
        return None if any(column is None for column in found.values()) else self.kind._of(found, self.length)
