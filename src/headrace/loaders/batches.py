"""What frameworks call a batch: arrays, tensors, and dicts, lists and tuples of these, at any depth."""

from __future__ import annotations

import sys
from collections.abc import Mapping
from typing import Any

import numpy as np

from headrace.core.batch import Batch
from headrace.core.columns import as_column, is_tensor
from headrace.core.errors import KindError
from headrace.core.fields import Fields
from headrace.core.naming import check_name, in_column
from headrace.core.records import Columns


def as_columns(batch: Any) -> Columns:
    """Return the rows of a batch. Lists and tuples of arrays are tuples, whatever else has a first axis is a column.

    >>> as_columns(([np.zeros((2, 3)), np.ones(2)], [0, 1])).rows()[0]
    ((array([0., 0., 0.]), 1.0), 0)

    Raises:
        KindError: Something in it is no column, such as None.
        SchemaError: Its columns differ in length.
    """
    if isinstance(batch, Mapping):
        return Columns(Batch({name: _column(value, name) for name, value in batch.items()}))
    if _is_several(batch):
        return Columns(Batch({str(at): _column(value, str(at)) for at, value in enumerate(batch)}), "tuple")
    return Columns(Batch({"value": _column(batch, "value")}), "value")


def _column(value: Any, name: str) -> Any:
    check_name(name)
    with in_column(name):
        if value is None:
            raise KindError("there is None, which has no rows: leave it out of the batch")
        if isinstance(value, Mapping):
            return Batch({inner: _column(one, inner) for inner, one in value.items()})
        if _is_several(value):
            made = Batch({str(at): _column(one, str(at)) for at, one in enumerate(value)})
            return Fields._of(made.to_dict(), len(made))
        return as_column(value)


def as_record(batch: Any) -> Any:
    """Return a whole batch as one record, its tensors as arrays: one that is shorter than the others then fits, too.

    >>> as_record([np.zeros((2, 3)), {"y": [0, 1]}])
    (array([[0., 0., 0.],
           [0., 0., 0.]]), {'y': [0, 1]})
    """
    if isinstance(batch, Mapping):
        return {name: as_record(value) for name, value in batch.items()}
    if _is_several(batch):
        return tuple(map(as_record, batch))
    if is_tensor(batch):
        return _array(batch)
    if hasattr(batch, "__array__") and not isinstance(batch, np.ndarray | np.generic):
        return np.asarray(batch)
    return batch


def _array(tensor: Any) -> Any:
    if tensor.dtype == sys.modules["torch"].bfloat16:  # NumPy has none
        return tensor
    return tensor.detach().cpu().resolve_conj().resolve_neg().numpy()


def _is_several(value: Any) -> bool:
    """Say whether a list or tuple holds columns, and is not one itself."""
    return isinstance(value, list | tuple) and any(
        one is None or isinstance(one, list | tuple | Mapping) or getattr(one, "ndim", 0) for one in value
    )
