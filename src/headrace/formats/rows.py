"""Python objects that are looked up one by one: a list, a torch dataset, whatever has a length and an index."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np

from headrace.core import fingerprint
from headrace.core.errors import RecordError
from headrace.core.records import Rows
from headrace.core.source import Indices


@dataclass(frozen=True, eq=False)
class Sequence:
    """Anything with ``__len__`` and ``__getitem__`` as a source; its records stay the objects that they are.

    Arrays, tensors, and dicts, lists and tuples of them are handed out as copies, objects of other classes as they are.

    A method ``__getitems__`` that takes a list of indices, where there is one, is asked for many at once.
    """

    records: Any

    def __len__(self) -> int:
        return len(self.records)

    def read(self, indices: Indices, /) -> Rows:
        wanted = indices.tolist()
        many = getattr(self.records, "__getitems__", None)
        if many is not None:
            got = list(many(wanted))
            if len(got) != len(wanted):
                raise RecordError(
                    f"{self.words()}.__getitems__ was asked for {len(wanted)} records, returned {len(got)}"
                )
            return Rows(got, shared=True)
        rows: list[Any] = []
        try:
            for index in wanted:
                rows.append(self.records[index])
        except Exception as error:
            raise RecordError(
                f"{self.words()} failed to give record {wanted[len(rows)]} of {len(self)}: "
                f"{type(error).__name__}: {error}"
            ) from error
        return Rows(rows, shared=True)

    def fingerprint(self) -> str:
        return self._fingerprint

    @cached_property
    def _fingerprint(self) -> str:
        if not isinstance(self.records, list | tuple):
            return ""  # reading one may be dear, and may not be the same twice
        places = np.linspace(0, len(self) - 1, num=min(64, len(self)), dtype=np.int64).tolist()
        return fingerprint.of_record([self.records[place] for place in places])

    def words(self) -> str:
        return type(self.records).__name__


@dataclass(frozen=True)
class Counting:
    """The integers of a ``range``: no memory whatever the length.

    >>> Counting(range(10, 20, 2)).read(np.array([0, 3]))["value"].tolist()
    [10, 16]
    """

    numbers: range
    structure = "value"

    def __len__(self) -> int:
        return len(self.numbers)

    def read(self, indices: Indices, /) -> Any:
        return {"value": indices * self.numbers.step + self.numbers.start}

    def fingerprint(self) -> str:
        return self.words()

    def words(self) -> str:
        return repr(self.numbers)
