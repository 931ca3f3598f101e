"""Hugging Face datasets, read by columns through Arrow."""

from __future__ import annotations

import sys
from collections.abc import Iterator, Mapping
from itertools import islice
from typing import Any

import numpy as np

from headrace.core.batch import Batch
from headrace.core.errors import KindError
from headrace.core.naming import in_column
from headrace.core.records import Columns
from headrace.core.source import Indices
from headrace.loaders.found import Found
from headrace.loaders.tables import column_of

_BLOCK = 1000  # records of what flows


class Rows:
    """The rows of a ``datasets.Dataset`` as a source.

    Args:
        data: The dataset; what it selects, shuffles and shards is kept, its format and transform are not used.
    """

    structure = "mapping"

    def __init__(self, data: Any) -> None:
        self.data = data
        self._tables = data.with_format("arrow")
        self._nullable = _nullable(data)

    def __len__(self) -> int:
        return len(self.data)

    def read(self, indices: Indices, /) -> Batch:
        first = int(indices[0]) if len(indices) else 0
        whole = len(indices) and bool((indices == np.arange(first, first + len(indices))).all())
        table = self._tables[first : first + len(indices)] if whole else self._tables[indices]
        return _batch(table, self.data.features, self._nullable)

    def fingerprint(self) -> str:
        return str(self.data._fingerprint)

    def words(self) -> str:
        return f"datasets.Dataset({', '.join(self.data.column_names)})"


def flowing(data: Any) -> Found:
    """Return the rows of a ``datasets.IterableDataset``: as its features say, where they are known."""
    features = data.features
    if features is None:
        return Found(lambda: data)
    made = sys.modules["datasets"].Dataset
    plain = data.with_format(None)

    def blocks() -> Iterator[Columns]:
        rows = iter(plain.decode(False) if hasattr(plain, "decode") else plain)  # pictures as the files that they are
        while some := list(islice(rows, _BLOCK)):
            table = made.from_list(some, features=features).with_format("arrow")[:]
            yield Columns(_batch(table, features, frozenset()))

    return Found(blocks)


def read_through(reader: Any) -> Found:
    """Return the rows of a ``pyarrow.RecordBatchReader``."""
    return Found(lambda: (Columns(Batch.from_arrow(batch)) for batch in reader))


def several(data: Mapping[str, Any]) -> KindError:
    """Say that a dict of splits is several datasets."""
    names = ", ".join(map(repr, data))
    return KindError(
        f"a {type(data).__name__} is several datasets ({names}): keep each under a name of its own, such as "
        f"submit(data[{next(iter(data), 'train')!r}], ...), or join them with datasets.concatenate_datasets"
    )


def _nullable(data: Any) -> frozenset[str]:
    """Return the columns in which something is missing anywhere, so that they look alike everywhere."""
    table, chosen = data.data, data._indices
    names = [name for name in data.column_names if table.column(name).null_count]
    if chosen is not None and names:
        places = chosen.column(0).to_numpy()
        names = [name for name in names if table.column(name).is_null().to_numpy()[places].any()]
    return frozenset(names)


def _batch(table: Any, features: Mapping[str, Any], nullable: frozenset[str]) -> Batch:
    columns = {}
    for name in table.column_names:
        with in_column(name):
            columns[name] = column_of(table.column(name), features.get(name), name in nullable)
    return Batch(columns, table.num_rows)
