"""Schema: the names, dtypes and shapes of records, which can be printed, compared and kept as JSON."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal, TypeAlias

from headrace.core import tensors
from headrace.core.kinds import Column, Nested
from headrace.core.ragged import Ragged

Structure: TypeAlias = Literal["mapping", "tuple", "value"]
"""What a record is: a mapping, a tuple (its columns are named "0", "1", ...), or a single value (column "value")."""

Kind: TypeAlias = Literal["dense", "ragged", "batch", "tuple", "object", "string", "tensor"]

_LOOKED_AT = 1000  # rows of an object column that decide whether it is one of strings


@dataclass(frozen=True)
class Field:
    """What one column holds in each row.

    Args:
        dtype: The name of the dtype, such as ``"uint8"``; ``""`` of a nested batch.
        shape: The shape of one row's value; None for an axis whose length differs from row to row.
        kind: ``"dense"``, ``"ragged"``, ``"batch"``, ``"tuple"``, ``"object"``, ``"string"`` or ``"tensor"``.
        fields: The columns of a nested batch.
    """

    dtype: str
    shape: tuple[int | None, ...] = ()
    kind: Kind = "dense"
    fields: Mapping[str, Field] = field(default_factory=dict)

    @classmethod
    def of(cls, column: Column) -> Field:
        """Describe a column. An object column is one of strings if its first 1,000 rows are all text."""
        if isinstance(column, Nested):
            fields = {name: cls.of(one) for name, one in column._columns.items()}
            return cls("", (), "tuple" if column._tuples else "batch", fields)
        if isinstance(column, Ragged):
            return cls(str(column.dtype), (None, *column.item), "ragged")
        shape = tuple(int(size) for size in column.shape[1:])
        if tensors.is_tensor(column):
            return cls(str(column.dtype), shape, "tensor")
        if column.dtype.kind in "UT":
            return cls("string", shape, "string")
        if column.dtype.kind == "O":
            some = column[:_LOOKED_AT].tolist() if column.ndim == 1 else []
            strings = bool(some) and all(type(value) is str for value in some)
            return cls("string", shape, "string") if strings else cls("object", shape, "object")
        return cls(str(column.dtype), shape, "dense")

    def __repr__(self) -> str:
        if self.kind == "batch":
            return "{" + ", ".join(f"{name}: {one!r}" for name, one in self.fields.items()) + "}"
        if self.kind == "tuple":
            return "(" + ", ".join(map(repr, self.fields.values())) + ("," if len(self.fields) == 1 else "") + ")"
        sizes = ", ".join("?" if size is None else str(size) for size in self.shape)
        return f"{self.dtype}[{sizes}]" if self.shape else self.dtype

    def to_json(self) -> dict[str, Any]:
        """Return the field as plain JSON."""
        plain: dict[str, Any] = {"dtype": self.dtype, "shape": list(self.shape), "kind": self.kind}
        if self.kind in ("batch", "tuple"):
            plain["fields"] = {name: one.to_json() for name, one in self.fields.items()}
        return plain

    @classmethod
    def from_json(cls, plain: Mapping[str, Any]) -> Field:
        """Return the field that ``to_json`` described."""
        fields = {name: cls.from_json(one) for name, one in plain.get("fields", {}).items()}
        return cls(plain["dtype"], tuple(plain["shape"]), plain["kind"], fields)


@dataclass(frozen=True)
class Schema:
    """What records look like.

    >>> import numpy as np
    >>> from headrace.core.batch import Batch
    >>> Schema.of(Batch({"image": np.zeros((2, 8, 8), np.uint8), "text": Ragged.from_rows([[1], [2, 3]])}))
    {image: uint8[8, 8], text: int64[?]}
    """

    structure: Structure
    fields: Mapping[str, Field]

    @classmethod
    def of(cls, columns: Nested | Mapping[str, Column], structure: Structure = "mapping") -> Schema:
        """Describe columns."""
        named = columns._columns if isinstance(columns, Nested) else columns
        return cls(structure, {name: Field.of(column) for name, column in named.items()})

    def __repr__(self) -> str:
        if self.structure == "value":
            return ", ".join(map(repr, self.fields.values()))
        if self.structure == "tuple":
            return "(" + ", ".join(map(repr, self.fields.values())) + ("," if len(self.fields) == 1 else "") + ")"
        return "{" + ", ".join(f"{name}: {one!r}" for name, one in self.fields.items()) + "}"

    def to_json(self) -> dict[str, Any]:
        """Return the schema as plain JSON; the order of the columns is kept."""
        return {"structure": self.structure, "fields": {name: one.to_json() for name, one in self.fields.items()}}

    @classmethod
    def from_json(cls, plain: Mapping[str, Any]) -> Schema:
        """Return the schema that ``to_json`` described.

        >>> schema = Schema("value", {"value": Field("int64")})
        >>> Schema.from_json(schema.to_json()) == schema
        True
        """
        fields = {name: Field.from_json(one) for name, one in plain["fields"].items()}
        return cls(plain["structure"], fields)
