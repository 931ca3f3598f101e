"""The columns of tuples that lie inside records: of pairs ``((image, mask), label)`` the columns of the inner pair."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np

from headrace.core.kinds import Column, Nested, is_tensor
from headrace.core.ragged import Ragged


class Fields(Nested):
    """Columns of one length that unpack like the tuple whose fields they are.

    It is how a batch keeps tuples inside records; who iterates a stream is given plain tuples of columns.

    >>> x, y = Fields.over([np.zeros(3), np.ones(3)])
    >>> x.shape
    (3,)
    """

    __slots__ = ()
    _tuples = True

    @classmethod
    def over(cls, columns: Sequence[Column]) -> Fields:
        """Make one of columns of equal length, at least one."""
        return cls._of({str(place): column for place, column in enumerate(columns)}, len(columns[0]))

    def __iter__(self) -> Iterator[Column]:
        return iter(self._columns.values())

    def __repr__(self) -> str:
        return f"Fields{tuple(self._columns.values())!r}"


def unpacked(column: Column) -> Any:
    """Return a column as a user sees it: fields as a tuple of columns, any other as it is."""
    return tuple(map(unpacked, column)) if isinstance(column, Fields) else column


def packed(column: Any) -> Any:
    """Return what a user gave as one column: a tuple of columns as fields, anything else as it is."""
    if not isinstance(column, tuple) or not column or not all(map(_is_column, column)):
        return column
    return Fields.over([packed(one) for one in column])


def _is_column(value: Any) -> bool:
    return isinstance(value, np.ndarray | Ragged | Nested | tuple) or is_tensor(value)
