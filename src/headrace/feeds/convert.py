"""Items of a stream as items of tensors: every array in them, however deep, and nothing else changed."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, TypeAlias

import numpy as np

from headrace.core.errors import SchemaError
from headrace.core.fields import Fields
from headrace.core.kinds import Nested
from headrace.core.naming import in_column
from headrace.core.ragged import Ragged
from headrace.core.tensors import from_array, is_tensor

Send: TypeAlias = Callable[[Any], Any]
"""Takes a tensor and returns it where it shall lie."""


def to_tensors(item: Any, send: Send, plain: bool = False) -> Any:
    """Return an item with tensors in the place of arrays and of NumPy's numbers.

    A Batch becomes a Batch (or a dict, see below), a mapping a dict, a tuple a tuple of its kind, a list a list, an
    ``xarray.DataArray`` a tensor without names. Text, objects and Python's own values stay as they are. In main memory
    tensors share the memory of arrays, but of those that cannot be written to, run backwards or have the other byte
    order: these are copied.

    Args:
        item: What a stream gives.
        send: Called with each tensor.
        plain: Whether a Batch becomes a dict and its columns of tuples tuples, for those who know containers of Python
            only, as the frameworks over torch do.

    Raises:
        SchemaError: torch has no dtype for an array, or rows differ in length; the column is named.

    >>> from headrace.core.batch import Batch
    >>> to_tensors((1, "text", [Batch({"name": ["a", "b"]})]), send=lambda tensor: tensor, plain=True)
    (1, 'text', [{'name': array(['a', 'b'], dtype=object)}])
    """
    if isinstance(item, np.ndarray):
        return item if item.dtype.kind in "OUST" else send(from_array(item))
    if is_tensor(item):
        return send(item)
    if isinstance(item, Nested):
        return _columns(item, send, plain)
    if isinstance(item, Ragged):
        raise SchemaError("torch has no ragged rows: fill them up, as by batch(n, pad=0)")
    if isinstance(item, np.generic):
        return item if item.dtype.kind in "OUS" else send(from_array(np.array(item)))
    if isinstance(item, Mapping):
        return {name: _named(name, value, send, plain) for name, value in item.items()}
    if isinstance(item, tuple):
        parts = [_named(str(place), value, send, plain) for place, value in enumerate(item)]
        return type(item)(*parts) if hasattr(item, "_fields") else tuple(parts)
    if isinstance(item, list):
        return [to_tensors(value, send, plain) for value in item]
    if hasattr(item, "dims") and hasattr(item, "to_numpy"):  # an array with names, such as xarray's
        return to_tensors(item.to_numpy(), send, plain)
    return item


def _columns(batch: Nested, send: Send, plain: bool) -> Any:
    columns = {name: _named(name, column, send, plain) for name, column in batch._columns.items()}
    if plain:
        return tuple(columns.values()) if isinstance(batch, Fields) else columns
    return batch._of(columns, len(batch))


def _named(name: Any, value: Any, send: Send, plain: bool) -> Any:
    try:
        return to_tensors(value, send, plain)
    except SchemaError:
        with in_column(str(name)):  # entered for nothing it would take as long as the conversion
            raise
