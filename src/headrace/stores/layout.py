"""Layout: how the store keeps a column of each kind, in which files, and whether more rows fit."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from typing import Any, Literal, TypeAlias

import numpy as np

from headrace.core import columns
from headrace.core.columns import Column
from headrace.core.errors import SchemaError, StoreError
from headrace.core.kinds import Nested
from headrace.core.ragged import Ragged
from headrace.core.schema import Field, Schema, Structure
from headrace.stores.names import shortened, stems

Kind: TypeAlias = Literal["dense", "ragged", "string", "bytes", "object", "tensor", "batch", "tuple"]
"""``string`` and ``bytes`` are object columns of nothing else, kept like ragged rows of (UTF-8) bytes; of ``object``
columns, of anything else, each value is pickled, where the store allows that."""

_NUMBERS = frozenset("biufc")


@dataclass(frozen=True)
class Layout:
    """How a column is kept.

    Args:
        kind: Of column.
        dtype: Its name, as NumPy or torch has it; ``""`` of strings, bytes and batches.
        shape: Of one row; of a ragged column, of one value of a row.
        fields: The columns of a nested batch, or of tuples inside records.
        empty: Whether no row has a value, as with empty lists; such rows say nothing of the dtype.
    """

    kind: Kind
    dtype: str = ""
    shape: tuple[int, ...] = ()
    fields: Mapping[str, Layout] = field(default_factory=dict)
    empty: bool = field(default=False, compare=False)

    @classmethod
    def of(cls, column: Column, allow_pickle: bool = False) -> Layout:
        """Tell how a column is to be kept.

        Args:
            column: Some rows.
            allow_pickle: Whether objects other than strings and bytes may be pickled.

        Raises:
            SchemaError: It holds objects other than strings or bytes, and they may not be pickled.
        """
        if isinstance(column, Nested):
            fields = {name: _named(name, one, allow_pickle) for name, one in column._columns.items()}
            return cls("tuple" if column._tuples else "batch", fields=fields)
        if isinstance(column, Ragged):
            if column.dtype.hasobject:
                raise SchemaError("rows of objects cannot be kept; rows of numbers can")
            return cls("ragged", str(column.dtype), column.item, empty=not column.values.size)
        shape = tuple(int(size) for size in column.shape[1:])
        if columns.is_tensor(column):
            return cls("tensor", str(column.dtype), shape)
        if column.dtype.kind in "OT":
            return cls(_objects(column, allow_pickle), "", shape)
        return cls("dense", str(column.dtype), shape, empty=bool(shape) and not column.size)

    def __repr__(self) -> str:
        return "bytes" if self.kind == "bytes" else repr(self.field())

    def field(self) -> Field:
        """Return what the schema says of such a column."""
        if self.kind == "batch" or self.kind == "tuple":
            return Field("", (), self.kind, {name: one.field() for name, one in self.fields.items()})
        if self.kind == "ragged":
            return Field(self.dtype, (None, *self.shape), "ragged")
        if self.kind == "tensor":
            return Field(self.dtype, self.shape, "tensor")
        if self.kind in ("bytes", "object") or (self.kind == "string" and self.shape):
            return Field("object", self.shape, "object")
        if self.kind == "string" or self.dtype.lstrip("<>=").startswith("U"):
            return Field("string", self.shape, "string")
        return Field(self.dtype, self.shape)

    def files(self, stem: str) -> Iterator[str]:
        """Yield the names of a column's files; ``""`` is the stem of whole records.

        >>> list(Layout("batch", fields={"x": Layout("dense", "int64"), "text": Layout("string")}).files("a"))
        ['a.x.npy', 'a.text.values.npy', 'a.text.offsets.npy']
        """
        if self.nested:
            for name, inner in stems(self.fields, stem).items():
                yield from self.fields[name].files(inner)
        elif self.kind in ("dense", "tensor"):
            yield file(stem)
        else:
            yield from (file(stem, "values"), file(stem, "offsets"))

    def join(self, other: Layout) -> Layout | None:
        """Return the layout that keeps rows of this one and, after them, rows of another; None where there is none.

        Numbers of another type are converted where NumPy would promote them to this column's, as when records are
        stacked. Dense rows that differ in their first axis make the column a ragged one. A column of pickled objects
        takes whatever comes.
        """
        if self.kind == "object" and (not self.shape or self.shape == other.shape):
            return self
        if self.nested and self.kind == other.kind:
            if self.fields.keys() != other.fields.keys():
                return None
            joined = {name: one.join(other.fields[name]) for name, one in self.fields.items()}
            fitting = {name: one for name, one in joined.items() if one is not None}
            return Layout(self.kind, fields=fitting) if len(fitting) == len(joined) else None
        if not (other.empty or self.empty or _converts(other.dtype, self.dtype)):
            return None
        dtype = other.dtype if self.empty and not other.empty else self.dtype
        empty = self.empty and other.empty
        if (self.kind, self.shape) == (other.kind, other.shape):
            return replace(self, dtype=dtype, empty=empty)
        if self.item is None or self.item != other.item:
            return None
        return Layout("ragged", dtype, self.item, empty=empty)

    @property
    def pickled(self) -> bool:
        """Whether some column, at any depth, holds pickled objects."""
        return self.kind == "object" or any(one.pickled for one in self.fields.values())

    @property
    def nested(self) -> bool:
        """Whether the column has columns of its own."""
        return self.kind in ("batch", "tuple")

    @property
    def item(self) -> tuple[int, ...] | None:
        """The shape of one value of a row, where rows may come to differ in length; None where they may not."""
        if self.kind == "ragged":
            return self.shape
        return self.shape[1:] if self.kind == "dense" and self.shape else None

    def to_json(self) -> dict[str, Any]:
        """Return the layout as plain JSON."""
        plain: dict[str, Any] = {"kind": self.kind}
        if self.nested:
            return {**plain, "fields": {name: one.to_json() for name, one in self.fields.items()}}
        return {**plain, **({"dtype": self.dtype} if self.dtype else {}), "shape": list(self.shape)}

    @classmethod
    def from_json(cls, plain: Mapping[str, Any]) -> Layout:
        """Return the layout that ``to_json`` described."""
        fields = {name: cls.from_json(one) for name, one in plain.get("fields", {}).items()}
        return cls(plain["kind"], plain.get("dtype", ""), tuple(plain.get("shape", ())), fields)


def file(stem: str, role: str = "") -> str:
    """Return the name of a file of a column."""
    return f"{shortened(stem)}.{role}.npy" if role else f"{shortened(stem)}.npy"


def schema_of(layout: Layout, structure: Structure) -> Schema:
    """Return the schema of records whose columns are laid out as a batch of this layout."""
    return Schema(structure, {name: one.field() for name, one in layout.fields.items()})


def check_pickles(layout: Layout, allow_pickle: bool) -> None:
    """Make sure that pickled objects are read by who allows it only: they can run any code when they are read.

    Raises:
        StoreError: A column holds pickled objects, and they may not be read.
    """
    if layout.pickled and not allow_pickle:
        raise StoreError(
            f"{_pickled_names(layout)} pickled objects, which can run any code when they are read: if you trust "
            "whoever wrote them, open the store with Store(..., allow_pickle=True)"
        )


def _pickled_names(layout: Layout) -> str:
    names = [repr(name) for name, one in layout.fields.items() if one.pickled]
    return f"column {names[0]} holds" if len(names) == 1 else f"columns {', '.join(names)} hold"


def _named(name: str, column: Column, allow_pickle: bool) -> Layout:
    try:
        return Layout.of(column, allow_pickle)
    except SchemaError as error:
        raise SchemaError(f"column {name!r}: {error}") from None


def difference(expected: Layout, got: Layout, column: str = "") -> str:
    """Say why rows cannot be joined: the first column that differs, what was expected and what came.

    >>> x, y = Layout("dense", "int64"), Layout("string")
    >>> difference(Layout("batch", fields={"x": x}), Layout("batch", fields={"x": y}))
    "column 'x': expected int64, got string"
    """
    where = f"column {column!r}: " if column else ""
    if expected.nested and expected.kind == got.kind:
        if expected.fields.keys() != got.fields.keys():
            return f"{where}expected columns {_listed(expected)}, got {_listed(got)}"
        for name, one in expected.fields.items():
            if one.join(got.fields[name]) is None:
                return difference(one, got.fields[name], f"{column}.{name}" if column else name)
    return f"{where}expected {expected}, got {got}"


def _listed(layout: Layout) -> str:
    return ", ".join(map(repr, layout.fields)) or "none"


def _objects(column: Column, allow_pickle: bool) -> Kind:
    """Tell whether an object column is one of strings, of bytes or of others; one without rows counts as strings."""
    kinds = set(map(type, column.ravel().tolist()))
    if all(issubclass(kind, str) for kind in kinds):
        return "string"
    if all(issubclass(kind, bytes) for kind in kinds):
        return "bytes"
    if allow_pickle:
        return "object"
    found = ", ".join(sorted(kind.__name__ for kind in kinds))
    raise SchemaError(
        f"objects of type {found} cannot be kept; strings, bytes, numbers and arrays can. "
        "Convert them with map(...), leave the column out with drop(...), or have them pickled: "
        "Store(..., allow_pickle=True)"
    )


def _converts(dtype: str, wanted: str) -> bool:
    """Tell whether values of one dtype can be kept in a column of another."""
    if dtype == wanted:
        return True
    if not dtype or not wanted or dtype.startswith("torch.") or wanted.startswith("torch."):
        return False
    try:
        a, b = np.dtype(dtype), np.dtype(wanted)
    except TypeError:  # the names of structured dtypes are no names to NumPy
        return False
    alike = a.kind == b.kind or {a.kind, b.kind} <= _NUMBERS
    return alike and np.result_type(a, b) == b
