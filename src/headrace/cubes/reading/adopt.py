"""What a user hands over, as a cube: labelled arrays, plain ones, Zarr, dask, or a path to some of these."""

from __future__ import annotations

import os
from collections.abc import Iterable, Sequence
from functools import partial
from typing import Any

import numpy as np

from headrace.core.errors import ArgumentError, KindError
from headrace.cubes.cube import Cube
from headrace.cubes.once import Once
from headrace.cubes.reading import identity
from headrace.cubes.reading.arrays import AtHand
from headrace.cubes.reading.assembling import NAME, chosen, made
from headrace.cubes.reading.from_xarray import cube_of, of_dask
from headrace.cubes.reading.lazy import InChunks
from headrace.cubes.reading.opening import opened
from headrace.cubes.reading.unwrapping import View
from headrace.cubes.reading.zarr_chunks import ZarrChunks, dimension_names

ACCEPTED = (
    "a Dataset or DataArray of xarray, an array of NumPy, Zarr or dask (with dims=(...)), a Zarr group or store, or "
    "the path or URL of a Zarr store or NetCDF file"
)


def adopt(data: Any, dims: Sequence[str] | None = None, variables: str | Iterable[str] | None = None) -> Cube:
    """Return what a user hands over as a cube.

    Nothing is copied and no chunk is read or looked at: arrays in memory stay where they are, mapped files stay mapped,
    what lies in chunks is read when patches are. What the cube is known by, its identity, is made when it is first
    asked for, of the data as it is then. Coordinates that xarray holds in memory are at hand, others stay in chunks,
    too.

    Args:
        data: A Dataset or DataArray of xarray (its name, or ``"data"``), a ``zarr.Group``, a store of Zarr or obstore,
            or the path or URL of a Zarr store (a folder, a zip file, whatever fsspec opens) or of a NetCDF or HDF5
            file: these are opened through xarray, lazily and without dask, and decoded by CF conventions. Or one array:
            NumPy's, dask's, or a ``zarr.Array``, whose values are taken as they are stored.
        dims: The names of an array's dimensions; ``zarr.Array`` has its own where they were written.
        variables: Which are taken; all where it is None.

    Returns:
        The cube. Its dimensions come in the order in which they appear in its variables: those with most dimensions
        first, of these by name; so patches of ``a(time, y, x)`` and ``b(y, time)`` have the order of ``a``. Variables
        come in the order of the Dataset, but those of a Zarr store by name, since a store that has to be listed
        gives them in any order. Coordinates along other dimensions are left out.

    Raises:
        KindError: It is of another kind; names are no text; values are objects; an array is masked.
        ArgumentError: There is no variable, no dimension, or no element; dims do not fit.
        ColumnError: There is no such variable.
        NotFoundError: Nothing lies at a path.
        StoreError: It cannot be opened.
        MissingExtraError: xarray, Zarr or dask is needed, and not installed.

    >>> cube = adopt(np.zeros((6, 8)), dims=("time", "x"))
    >>> dict(cube.lengths), list(cube.variables)
    ({'time': 6, 'x': 8}, ['data'])
    """
    wanted = None if variables is None else [variables] if isinstance(variables, str) else list(variables)
    if isinstance(data, np.ndarray):
        return _alone(AtHand(NAME, _named(dims, data.shape), _unmasked(data)), wanted)
    if _is_a(data, "zarr", "Array"):
        return _alone(_zarr(data, dims), wanted)
    if _is_a(data, "dask", "Array"):
        return _alone(of_dask(NAME, _named(dims, data.shape), data, {}), wanted)
    if dims is not None:
        raise ArgumentError(f"dims are for arrays without names of dimensions, and {_kind(data)} has its own")
    if _is_a(data, "xarray", "Dataset") or _is_a(data, "xarray", "DataArray"):
        return cube_of(data, wanted)
    if isinstance(data, str | os.PathLike) or _is_store(data):
        return _opened(data, wanted)
    raise KindError(f"{_kind(data)} is no cube; give {ACCEPTED}{_mend(data)}")


def _alone(variable: Any, wanted: Sequence[str] | None) -> Cube:
    chosen([variable.name], wanted)
    return made([variable])


def _named(dims: Sequence[str] | None, shape: Sequence[int]) -> tuple[str, ...]:
    if dims is None:
        raise ArgumentError(
            f"an array of {len(shape)} dimensions does not say what they are called: give dims=(...), one name for each"
        )
    names = (dims,) if isinstance(dims, str) else tuple(dims)
    for name in names:
        if not isinstance(name, str):
            raise KindError(f"names of dimensions are text, got {name!r}")
    if len(names) != len(shape):
        raise ArgumentError(f"dims names {len(names)} dimensions, and the array has {len(shape)}: {tuple(shape)}")
    if len(set(names)) < len(names):
        raise ArgumentError(f"dims names a dimension twice: {_list(names)}")
    return names


def _unmasked(array: np.ndarray[Any, Any]) -> np.ndarray[Any, Any]:
    if isinstance(array, np.ma.MaskedArray):
        raise KindError(
            "a masked array would lose its mask: give array.filled(np.nan), or of whole numbers another value"
        )
    return array


def _zarr(array: Any, dims: Sequence[str] | None) -> Any:
    name = str(array.name or "").rpartition("/")[2] or NAME
    named = _named(dims if dims is not None else dimension_names(array), array.shape)
    chunks, known = ZarrChunks(name, array), Once(partial(identity.of_zarr, array))
    return InChunks(name, named, chunks.dtype, chunks, View.whole(chunks).alone(), known)


def _opened(data: Any, wanted: Sequence[str] | None) -> Cube:
    found = opened(data)
    return cube_of(found, wanted) if _is_a(found, "xarray", "Dataset") else adopt(found, None, wanted)


def _is_store(data: object) -> bool:
    """Say whether it is a Zarr group, or a store of Zarr, obstore or fsspec, without importing these."""
    zarr = _is_a(data, "zarr", "Group") or _is_a(data, "zarr", "Store")
    return zarr or type(data).__module__.startswith(("obstore.", "pyo3_object_store")) or _is_a(data, "fsspec", "FSMap")


def _is_a(data: object, package: str, name: str) -> bool:
    """Say whether it is of a class, or of one made from it, without importing the package."""
    return any(kind.__name__ == name and kind.__module__.partition(".")[0] == package for kind in type(data).__mro__)


def _kind(data: object) -> str:
    return f"a {type(data).__name__}" if not isinstance(data, type) else f"the class {data.__name__}"


def _mend(data: object) -> str:
    if _is_a(data, "pandas", "DataFrame") or _is_a(data, "pandas", "Series"):
        return "; a frame becomes a Dataset by to_xarray()"
    if _is_a(data, "xarray", "DataTree"):
        return "; of a tree one node, as tree['name'].to_dataset()"
    if isinstance(data, list | tuple):
        return "; a list of numbers becomes an array by numpy.asarray(...)"
    if _is_a(data, "headrace", "Dataset"):
        return "; a Dataset of Headrace has records already: cut those by map"
    return ""


def _list(names: Iterable[str]) -> str:
    return ", ".join(map(repr, names))
