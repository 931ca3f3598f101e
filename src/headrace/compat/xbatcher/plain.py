"""Batches without what files cannot hold: a DataArray as a Dataset, several labels of one dimension side by side."""

from __future__ import annotations

from typing import Any

import pandas as pd
import xarray as xr

from headrace.core.errors import KindError

_DATA = "headrace_data"


def plain(batch: Any) -> tuple[xr.Dataset, dict[str, Any]]:
    """Return a batch as a plain Dataset, and a note, which JSON can hold, of what it was.

    Raises:
        KindError: It is no xarray object.
    """
    if not isinstance(batch, xr.Dataset | xr.DataArray):
        raise KindError(f"a batch that is kept is a Dataset or a DataArray, got {type(batch).__name__}")
    note: dict[str, Any] = {}
    if isinstance(batch, xr.DataArray):
        note["array"] = None if batch.name is None else str(batch.name)
        batch = batch.to_dataset(name=_DATA)
    levels = {
        str(dim): [str(name) for name in index.names]
        for dim, index in batch.indexes.items()
        if isinstance(index, pd.MultiIndex) and dim in batch.dims
    }
    if levels:
        note["levels"] = levels
        batch = batch.reset_index([*levels])
    return batch.drop_encoding(), note


def restored(ds: xr.Dataset, note: dict[str, Any]) -> Any:
    """Return the batch that :func:`plain` took apart."""
    for names in note.get("levels", {}).values():
        ds = ds.set_xindex(names, xr.indexes.PandasMultiIndex)
    return ds[_DATA].rename(note["array"]) if "array" in note else ds
