"""Batch: named columns of one length; what sources give, maps change and models are fed."""

from __future__ import annotations

from collections.abc import Callable, ItemsView, Iterator, KeysView, Mapping, Sequence, ValuesView
from typing import Any, NoReturn, overload

import numpy as np
from numpy.typing import ArrayLike, NDArray

from headrace.core import adopting, fitting, joining, kinds, stacking, table, tensors
from headrace.core.errors import ColumnError, KindError, SchemaError
from headrace.core.fields import unpacked
from headrace.core.indexing import checked, positions
from headrace.core.interop import Interop
from headrace.core.kinds import Column
from headrace.core.naming import check_name


class Batch(Interop):
    """Named columns of one length, like a small dataframe: ``len`` is rows, iteration gives names.

    A column is dense (an array whose first axis is the rows), a :class:`Ragged`, a nested Batch, an array of objects
    or a torch tensor. Which columns there are never changes: methods return a new Batch, which shares those columns
    that stay as they are.

    Args:
        columns: Names and columns, in order. Arrays are shared, not copied; lists become arrays, mappings nested
            Batches (see :func:`headrace.core.columns.as_column`).
        length: The number of rows, needed only where there are no columns.

    >>> batch = Batch({"x": [[1, 2], [3, 4]], "label": [0, 1]})
    >>> len(batch), list(batch), batch["x"].shape, batch[1]
    (2, ['x', 'label'], (2, 2), {'x': array([3, 4]), 'label': 1})

    Raises:
        SchemaError: The columns differ in length, or a name is empty.
        KindError: A name is no text, or a value cannot be a column.
    """

    __slots__ = ()
    __array_ufunc__ = None  # array == batch asks Batch, not NumPy row by row
    __hash__ = None  # type: ignore[assignment]  # equal by content, and the content can be written to

    def __init__(self, columns: Mapping[str, Any] | None = None, length: int | None = None) -> None:
        if columns is not None and not hasattr(columns, "keys"):
            raise KindError(f"a Batch is made of a mapping of names to columns, got {type(columns).__name__}")
        made = adopting.as_nested(columns or {}, Batch._of, length)
        self._columns = made._columns
        self._length = made._length

    @classmethod
    def from_rows(cls, rows: Sequence[Mapping[str, Any]]) -> Batch:
        """Stack records, each a mapping of the same names, into columns; a copy.

        >>> Batch.from_rows([{"n": 1, "text": "one"}, {"n": 2, "text": "two"}])["n"]
        array([1, 2])

        Raises:
            SchemaError: The records differ in their names.
            KindError: A record is no mapping.
        """
        records = list(rows)
        if not all(issubclass(kind, Mapping) for kind in set(map(type, records))):
            number, other = next((at, row) for at, row in enumerate(records) if not isinstance(row, Mapping))
            raise KindError(f"row {number} is a {type(other).__name__}; from_rows needs mappings of names to values")
        return stacking.stack_mappings(records, Batch._of) if records else Batch._of({}, 0)

    def keys(self) -> KeysView[str]:
        """Return the names of the columns, in order."""
        return self._columns.keys()

    def values(self) -> ValuesView[Column]:
        """Return the columns, in order."""
        return self._columns.values()

    def items(self) -> ItemsView[str, Column]:
        """Return names and columns, in order."""
        return self._columns.items()

    def __iter__(self) -> Iterator[str]:
        return iter(self._columns)

    def __contains__(self, name: object) -> bool:
        return name in self._columns

    @overload
    def __getitem__(self, key: str) -> Column: ...

    @overload
    def __getitem__(self, key: int | np.integer[Any]) -> dict[str, Any]: ...

    @overload
    def __getitem__(self, key: slice | Sequence[Any] | NDArray[Any]) -> Batch: ...

    def __getitem__(self, key: Any) -> Any:
        """Return a column by its name, a record by its number, or a Batch by a slice, list of names, numbers, or mask.

        A column and the arrays in a record and in a slice's columns are views; numbers and masks copy.

        >>> batch = Batch({"x": [10, 20, 30], "y": [1, 2, 3]})
        >>> batch["x"], batch[-1], batch[["y"]][0], batch[[2, 0]]["x"], batch[:2]["x"], batch[batch["x"] > 15]["y"]
        (array([10, 20, 30]), {'x': 30, 'y': 3}, {'y': 1}, array([30, 10]), array([10, 20]), array([2, 3]))

        Raises:
            ColumnError: There is no such column.
            IndexError: There is no such row, or a mask is too short or long.
        """
        if isinstance(key, str):
            try:
                return unpacked(self._columns[key])
            except KeyError:
                raise ColumnError.missing(key, self._columns) from None
        if isinstance(key, slice):
            return kinds.part(self, key)
        if isinstance(key, tuple):
            raise KindError(f"give several names or numbers as a list: batch[{list(key)!r}]")
        if isinstance(key, list) and key and all(isinstance(name, str) for name in key):
            return self.select(*key)
        if hasattr(key, "__len__") and getattr(key, "ndim", True):
            return kinds.take(self, positions(key, self._length))
        return kinds.row(self, checked(key, self._length))

    def __setitem__(self, key: object, value: object) -> None:
        if isinstance(key, str) and value is self._columns.get(key):
            return  # batch["x"] += 1 has changed the column in place, and hands it back here
        raise TypeError(f"a Batch's columns are fixed; make a new one: batch.with_columns({{{key!r}: ...}})")

    def __delitem__(self, key: object) -> NoReturn:
        raise TypeError(f"a Batch's columns are fixed; make a new one: batch.drop({key!r})")

    def rows(self) -> list[dict[str, Any]]:
        """Return the records, each a dict; arrays in them are views of the columns.

        >>> Batch({"x": [1, 2], "name": ["a", "b"]}).rows()
        [{'x': 1, 'name': 'a'}, {'x': 2, 'name': 'b'}]
        """
        return kinds.rows(self)

    def to_dict(self) -> dict[str, Column]:
        """Return names and columns as a dict of its own; the columns are shared."""
        return dict(self._columns)

    def take(self, indices: ArrayLike) -> Batch:
        """Return the rows asked for, in that order; a copy. A row may be asked for more than once.

        Raises:
            IndexError: There is no such row.
        """
        taken: Batch = kinds.take(self, positions(indices, self._length))
        return taken

    @staticmethod
    def concat(batches: Sequence[Batch]) -> Batch:
        """Return the rows of several Batches of the same names, one after the other; a copy.

        Number types are promoted; dense columns whose rows differ in length become ragged. The first Batch's order
        of names holds. A Batch without columns and rows adds nothing.

        Raises:
            ArgumentError: There is nothing to join.
            SchemaError: The names differ, or columns cannot be joined.
        """
        joined: Batch = joining.concat(list(batches))
        return joined

    def select(self, *names: str) -> Batch:
        """Return these columns only, in this order; shared.

        >>> list(Batch({"a": [1], "b": [2], "c": [3]}).select("c", "a"))
        ['c', 'a']

        Raises:
            ColumnError: There is no such column.
            SchemaError: A column is asked for twice.
        """
        if len(set(map(self._known, names))) < len(names):
            raise SchemaError(f"a column is asked for twice: {', '.join(map(repr, names))}")
        return Batch._of({name: self._columns[name] for name in names}, self._length)

    def drop(self, *names: str) -> Batch:
        """Return all columns but these; shared.

        Raises:
            ColumnError: There is no such column.
        """
        gone = set(map(self._known, names))
        return Batch._of({name: column for name, column in self._columns.items() if name not in gone}, self._length)

    def rename(self, names: Mapping[str, str]) -> Batch:
        """Return the same columns, some under new names; shared.

        >>> list(Batch({"a": [1], "b": [2]}).rename({"a": "x"}))
        ['x', 'b']

        Raises:
            ColumnError: There is no such column.
            SchemaError: Two columns would have the same name.
        """
        for name in names:
            self._known(name)
        renamed: dict[str, Column] = {}
        for name, column in self._columns.items():
            new = names.get(name, name)
            check_name(new)
            if new in renamed:
                raise SchemaError(f"two columns would be named {new!r}")
            renamed[new] = column
        return Batch._of(renamed, self._length)

    def with_columns(self, columns: Mapping[str, Any] | None = None, /, **named: Any) -> Batch:
        """Return the columns and these, which take the place of those of the same name; the others are shared.

        >>> list(Batch({"x": [1, 2]}).with_columns({"y": [3, 4]}, z=[5, 6]))
        ['x', 'y', 'z']

        Raises:
            SchemaError: A column has another number of rows.
        """
        new = adopting.as_nested({**(columns or {}), **named}, Batch._of)
        for name, column in new._columns.items():
            if len(column) != self._length and (self._columns or self._length):
                raise SchemaError(f"column {name!r} has {len(column)} rows, the batch has {self._length}")
        if not self._columns and not self._length:
            return Batch._of(new._columns, new._length)
        return Batch._of({**self._columns, **new._columns}, self._length)

    def merge(self, other: Batch) -> Batch:
        """Return the columns of both, row beside row; shared.

        Raises:
            SchemaError: The numbers of rows differ, or a name is in both.
        """
        if len(other) != self._length:
            raise SchemaError(f"cannot merge {len(other)} rows with {self._length}")
        both = [name for name in self._columns if name in other._columns]
        if both:
            raise SchemaError(f"both batches have {', '.join(map(repr, both))}; rename or drop one of them first")
        return Batch._of({**self._columns, **other._columns}, self._length)

    def map(self, function: Callable[[Column], Any]) -> Batch:
        """Return what ``function`` makes of each column, under the same names. It is called once per column.

        >>> Batch({"x": [1, 2], "y": [3, 4]}).map(lambda column: column * 10)["y"]
        array([30, 40])

        Raises:
            SchemaError: A column came back with another number of rows.
        """
        return self.with_columns({name: function(column) for name, column in self._columns.items()})

    def append(self, rows: Batch | Mapping[str, Any] | Sequence[Mapping[str, Any]]) -> Batch:
        """Return a Batch with rows added at the end: those of a Batch, one record, or several; a copy.

        Python's own numbers take on the column's dtype; NumPy's are promoted with it. To add often, use a
        :class:`BatchBuilder`, which does not copy what was there each time.

        >>> Batch({"x": np.array([1], np.uint8)}).append({"x": 2})["x"]
        array([1, 2], dtype=uint8)

        Raises:
            SchemaError: A row does not fit; the column is named, what it holds and what was given.
        """
        if not self._columns and not self._length:
            return rows if isinstance(rows, Batch) else Batch.from_rows([rows] if isinstance(rows, Mapping) else rows)
        if isinstance(rows, Batch):
            fitting.check(rows, self)
            return Batch.concat([self, rows])
        records = [rows] if isinstance(rows, Mapping) else list(rows)
        return Batch.concat([self, fitting.fit_rows(records, self, Batch._of)]) if records else self

    def __eq__(self, other: object) -> bool:
        """Say whether names, their order, dtypes and values are equal; NaN equals NaN."""
        return kinds.same(self, other) if isinstance(other, Batch) else NotImplemented

    def __reduce__(self) -> tuple[Any, ...]:
        # Arrays and Raggeds pickle only what they show; a tensor would carry the whole it is cut from.
        own = {name: kinds.compact(one) if tensors.is_tensor(one) else one for name, one in self._columns.items()}
        return Batch._of, (own, self._length)

    def __repr__(self) -> str:
        """Return a table of some rows from the front and the end."""
        return table.text(self)

    def _repr_html_(self) -> str:
        """Return the same as HTML, for notebooks."""
        return table.html(self)

    def _known(self, name: str) -> str:
        if not isinstance(name, str):
            raise KindError(f"columns are named one by one as text, such as 'a', 'b'; got {name!r}")
        if name not in self._columns:
            raise ColumnError.missing(name, self._columns)
        return name
