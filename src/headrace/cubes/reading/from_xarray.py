"""A Dataset of xarray as a cube: each variable by what lies under it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import partial
from typing import TYPE_CHECKING, Any

import numpy as np

from headrace.core.errors import ArgumentError, KindError
from headrace.cubes.cube import Cube
from headrace.cubes.once import Once
from headrace.cubes.reading import dask_chunks, identity
from headrace.cubes.reading.arrays import AtHand
from headrace.cubes.reading.assembling import KINDS, NAME, chosen, made
from headrace.cubes.reading.lazy import InChunks, foreign
from headrace.cubes.reading.unwrapping import View, unwrapped
from headrace.cubes.reading.zarr_chunks import ZarrChunks

if TYPE_CHECKING:
    import xarray as xr

_WRITTEN = ("units", "calendar")  # of labels, what they need to be written back as they were


def cube_of(data: Any, wanted: Sequence[str] | None = None) -> Cube:
    """Return the cube of a Dataset or a DataArray.

    Raises:
        KindError: Names are no text, or values objects.
        ArgumentError: There is nothing to cut patches from.
        ColumnError: There is no variable of a name that is wanted.
    """
    dataset = _dataset(data)
    for name in (*dataset.data_vars, *dataset.dims):
        if not isinstance(name, str):
            raise KindError(f"names of variables and dimensions are text, got {name!r}: rename it first")
    names = chosen([str(name) for name in dataset.data_vars], wanted)
    if not names:
        raise ArgumentError("the Dataset has no data variables; a coordinate becomes one by reset_coords()")
    variables = [_variable(name, dataset[name].variable) for name in names]
    coords = [_coordinate(str(name), coord.variable) for name, coord in dataset.coords.items()]
    if any(isinstance(variable, InChunks) and isinstance(variable.chunks, ZarrChunks) for variable in variables):
        # a store that was opened by listing it gives its variables in any order, which is not to reach the records
        variables.sort(key=lambda variable: str(variable.name))
        coords.sort(key=lambda coord: str(coord.name))
    labels = {str(name): coord.variable for name, coord in dataset.coords.items()}
    return made(
        variables,
        coords,
        attrs=dict(dataset.attrs),
        variable_attrs={name: dict(dataset[name].attrs) for name in (*names, *labels)},
        encoding={name: found for name, label in labels.items() if (found := _encoding(label.encoding))},
    )


def _dataset(data: Any) -> xr.Dataset:
    if hasattr(data, "data_vars"):
        return data  # type: ignore[no-any-return]
    name = NAME if data.name is None else data.name
    if name in data.coords:
        raise ArgumentError(f"the array is called {name!r} as one of its coordinates: give it a name by rename('...')")
    whole: xr.Dataset = data.to_dataset(name=name)
    whole.attrs = {}
    return whole


def _encoding(encoding: Mapping[Any, Any]) -> dict[str, Any]:
    return {key: encoding[key] for key in _WRITTEN if key in encoding}


def _coordinate(name: str, variable: xr.Variable) -> Any:
    if type(variable).__name__ == "IndexVariable" or variable.dtype.kind not in KINDS:  # objects are not read in chunks
        return AtHand(name, _dims(variable), np.asarray(variable.values))
    return _variable(name, variable)


def _dims(variable: xr.Variable) -> tuple[str, ...]:
    return tuple(map(str, variable.dims))


def _variable(name: str, variable: xr.Variable) -> Any:
    under = variable._data
    if isinstance(under, np.ndarray):
        return AtHand(name, _dims(variable), under)
    if _is_dask(under):
        return of_dask(name, _dims(variable), under, variable.encoding)
    if not _is_lazy(under):
        return AtHand(name, _dims(variable), np.asarray(variable.values))
    return _lazy(name, _dims(variable), np.dtype(variable.dtype), under, variable.encoding)


def of_dask(name: str, dims: tuple[str, ...], array: Any, encoding: Mapping[str, Any]) -> Any:
    """Return a variable over a dask array; over what the array reads where it does nothing else."""
    if any(np.isnan(size) for sizes in array.chunks for size in sizes):
        raise ArgumentError(f"variable {name!r} has chunks of unknown sizes: call compute_chunk_sizes() on it first")
    under = dask_chunks.unbroken(array)
    if under is not None and (_is_lazy(under) or _is_zarr(under)):
        return _lazy(name, dims, np.dtype(array.dtype), under, encoding)
    return dask_chunks.DaskChunks(name, dims, array, Once(partial(_known_dask, array)))


def _lazy(name: str, dims: tuple[str, ...], dtype: np.dtype[Any], data: Any, encoding: Mapping[str, Any]) -> Any:
    view = unwrapped(data)
    if isinstance(view.array, np.ndarray) and not view.decoders:
        return AtHand(name, dims, np.asarray(data))
    array = _zarr_under(view.array)
    if array is not None:
        chunks: Any = ZarrChunks(name, array)
    else:
        itemsize = np.dtype(getattr(view.array, "dtype", dtype)).itemsize
        whole = view.array is data  # a selection that cannot be seen through: chunks of the file say nothing
        where = str(encoding.get("source") or type(view.array).__name__)
        chunks = foreign(name, view.array, itemsize, {} if whole else encoding, where)
    under, taken = view.array if array is None else array, view.alone()
    known = Once(partial(_known, under, taken, encoding.get("source")))
    return InChunks(name, dims, dtype.newbyteorder("="), chunks, taken, known)


def _known(array: Any, view: View, source: Any = None) -> str:
    """Return the identity of what a view takes of an array: of Zarr, of NumPy, or of a file."""
    if _is_zarr(array):
        return identity.of_view(view, identity.of_zarr(array))
    if isinstance(array, np.ndarray):
        return identity.of_view(view, AtHand("", (), array).identity())
    return identity.of_view(view, identity.of_source(array, source))


def _known_dask(array: Any) -> str:
    views = [unwrapped(found) for found in dask_chunks.sources(array)]
    zarrs = [_zarr_under(view.array) for view in views]
    return identity.of_dask(
        array, [_known(view.array if found is None else found, view) for view, found in zip(views, zarrs)]
    )


def _zarr_under(array: Any) -> Any | None:
    """Return the ``zarr.Array`` that is read, where its values are taken as they are."""
    found: Any = getattr(array, "_array", None) if type(array).__name__ == "ZarrArrayWrapper" else array
    return found if _is_zarr(found) and found.dtype == array.dtype and found.dtype.kind in KINDS else None


def _is_zarr(data: object) -> bool:
    return any(kind.__name__ == "Array" and kind.__module__.startswith("zarr.") for kind in type(data).__mro__)


def _is_dask(data: object) -> bool:
    return any(kind.__name__ == "Array" and kind.__module__.startswith("dask.") for kind in type(data).__mro__)


def _is_lazy(data: object) -> bool:
    """Say whether it is one of xarray's arrays that read when they are asked."""
    return any(kind.__name__ == "ExplicitlyIndexed" for kind in type(data).__mro__) or hasattr(data, "indexer_cls")
