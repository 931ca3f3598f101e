"""Batches without what files cannot hold, or would change: a Dataset of plain variables, and a note of what it was."""

from __future__ import annotations

from typing import Any

import pandas as pd
import xarray as xr

from headrace.core.errors import KindError

_DATA = "headrace_data"
_STORED = {"M": "i8", "m": "i8", "b": "u1"}  # by kind of dtype; conventions for these change with versions


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
    note["coords"] = [str(name) for name in batch.coords if name not in batch.dims]
    ds, dtypes = batch.drop_encoding().reset_coords(), {}
    for name, variable in [*ds.variables.items()]:
        if variable.dtype.kind in _STORED:
            dtypes[str(name)] = variable.dtype.str
            ds[name] = variable.dims, variable.data.astype(_STORED[variable.dtype.kind]), variable.attrs
        elif _is_calendar(variable):
            note.setdefault("times", []).append(str(name))
            continue
        ds.variables[name].encoding["_FillValue"] = None
    return ds, {**note, "dtypes": dtypes}


def _is_calendar(variable: xr.Variable) -> bool:
    """Say whether a variable has dates of a calendar of its own, which files hold by conventions."""
    return variable.dtype == object and variable.size > 0 and hasattr(variable.values.flat[0], "calendar")


def restored(ds: xr.Dataset, note: dict[str, Any]) -> Any:
    """Return the batch that :func:`plain` took apart."""
    for name, dtype in note["dtypes"].items():
        variable = ds.variables[name]
        ds[name] = variable.dims, variable.data.astype(dtype), variable.attrs
    if "times" in note:
        times = xr.coders.CFDatetimeCoder(use_cftime=True)
        decoded = xr.decode_cf(ds[note["times"]], decode_times=times, decode_timedelta=False)
        ds = ds.assign({name: decoded.variables[name] for name in note["times"]})
    ds = ds.set_coords(note["coords"])
    for names in note.get("levels", {}).values():
        ds = ds.set_xindex(names, xr.indexes.PandasMultiIndex)
    return ds[_DATA].rename(note["array"]) if "array" in note else ds
