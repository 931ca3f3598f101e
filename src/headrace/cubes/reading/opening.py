"""Paths, URLs and stores, opened through xarray: lazily, without dask."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING, Any

from headrace.core.errors import ArgumentError, KindError, MissingExtraError, NotFoundError, StoreError

if TYPE_CHECKING:
    import xarray as xr

PURPOSE = "opening a Zarr store or a NetCDF file"
_FILES = (".nc", ".nc3", ".nc4", ".cdf", ".h5", ".hdf5", ".he5", ".hdf", ".grib", ".grib2", ".grb")
_MAGIC = (b"CDF\x01", b"CDF\x02", b"CDF\x05", b"\x89HDF\r\n\x1a\n")


def opened(data: Any) -> Any:
    """Return what lies somewhere: a Dataset of xarray, or a ``zarr.Array`` where the path names an array.

    Args:
        data: A path, a URL, a ``zarr.Group``, or a store of Zarr, obstore or fsspec.

    Raises:
        NotFoundError: Nothing lies there.
        StoreError: It cannot be opened.
    """
    xarray = _xarray()
    if isinstance(data, str | os.PathLike):
        where = os.fspath(data)
        if not isinstance(where, str):
            raise KindError(f"a path is text, got {where!r}")
        if _is_file(where):
            return _opened(lambda: xarray.open_dataset(where, chunks=None), where)
        if "://" not in where and not Path(where).exists():
            raise NotFoundError(f"there is no Zarr store or NetCDF file at {where!r}")
    zarr = _zarr()
    if isinstance(data, zarr.Group):
        return _group(data, xarray)
    if isinstance(data, str | os.PathLike):
        store: Any = zarr.storage.ZipStore(where, mode="r") if _is_zip(where) else where
    else:
        where, store = repr(data), _store(data, zarr)
    found = _opened(lambda: zarr.open(store, mode="r"), where)
    return _group(found, xarray) if isinstance(found, zarr.Group) else found


def _xarray() -> Any:
    try:
        import xarray
    except ImportError as error:
        raise MissingExtraError.of("xarray", "xarray", PURPOSE) from error
    return xarray


def _zarr() -> Any:
    try:
        import zarr
    except ImportError as error:
        raise MissingExtraError.of("zarr", "xarray", PURPOSE) from error
    return zarr


def _store(data: Any, zarr: Any) -> Any:
    if type(data).__module__.startswith(("obstore.", "pyo3_object_store")):
        return zarr.storage.ObjectStore(data, read_only=True)
    if type(data).__name__ == "FSMap":
        return zarr.storage.FsspecStore.from_mapper(data, read_only=True)
    return data


def _group(group: Any, xarray: Any) -> xr.Dataset:
    consolidated = getattr(group.metadata, "consolidated_metadata", None) is not None
    where = str(group.store_path)

    def open_() -> xr.Dataset:
        dataset: xr.Dataset = xarray.open_zarr(
            group.store, group=group.path or None, chunks=None, consolidated=consolidated
        )
        return dataset

    found: xr.Dataset = _opened(open_, where)
    if not found.data_vars:
        names = sorted(group.group_keys())
        if names:
            raise ArgumentError(
                f"{where} holds no arrays, only groups ({', '.join(map(repr, names))}): open one of them, such as "
                f"zarr.open(...)[{names[0]!r}]"
            )
    return found


def _opened(open_: Any, where: str) -> Any:
    try:
        return open_()
    except (FileNotFoundError, KeyError) as error:
        if isinstance(error, KeyError):  # of xarray: arrays without names of dimensions
            raise StoreError(
                f"{where} cannot be opened as a Dataset: {error.args[0] if error.args else error}"
            ) from error
        raise NotFoundError(f"there is no Zarr store or NetCDF file at {where!r}: {error}") from error
    except Exception as error:
        raise StoreError(f"{where} cannot be opened: {type(error).__name__}: {error}") from error


def _is_file(where: str) -> bool:
    """Say whether a path names a file of NetCDF or HDF5: by its ending or its first bytes."""
    if where.lower().rstrip("/").endswith(_FILES):
        return "://" in where or Path(where).is_file()
    if "://" in where or not Path(where).is_file():
        return False
    with open(where, "rb") as file:
        return file.read(8).startswith(_MAGIC)


def _is_zip(where: str) -> bool:
    if "://" in where or not Path(where).is_file():
        return False
    with open(where, "rb") as file:
        return file.read(4) == b"PK\x03\x04"
