"""Keras: datasets that are asked for batches by number."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from headrace.core.errors import EndlessError, HeadraceError, KindError
from headrace.core.records import Columns
from headrace.loaders.batches import as_columns, as_record
from headrace.loaders.found import Found


def records_of(data: Any, batches: bool) -> Found:
    """Return the rows of the batches, in order; or the batches, each a record of arrays.

    Raises:
        EndlessError: There is no number of batches.
    """
    count = data.num_batches if hasattr(type(data), "num_batches") else len(data)
    if count is None:
        raise EndlessError(f"{type(data).__name__}.num_batches is None: an endless dataset cannot be written")
    if batches:
        return Found(lambda: (as_record(data[number]) for number in range(count)), count)
    return Found(lambda: _rows(data, count))


def _rows(data: Any, count: int) -> Iterator[Columns]:
    for number in range(count):
        try:
            columns = as_columns(data[number])
        except HeadraceError as error:
            raise KindError(
                f"batch {number} of {type(data).__name__} cannot be taken apart into rows: {error}. "
                "With batches=True each batch is a record"
            ) from error
        yield columns
