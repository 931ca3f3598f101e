"""Where an output goes: into memory, or into a Zarr store as it is made."""

from __future__ import annotations

import os
import secrets
import shutil
import warnings
from collections.abc import Mapping
from dataclasses import dataclass
from math import prod
from pathlib import Path
from typing import Any, Protocol

import numpy as np
import xarray as xr
import zarr
from numpy.typing import NDArray

from headrace.core.arguments import whole
from headrace.core.errors import ArgumentError, ExistsError, KindError, StoreError
from headrace.cubes.cube import Cube
from headrace.cubes.stitching.blend import Place
from headrace.cubes.stitching.labels import Labels, labels_of
from headrace.cubes.stitching.layout import Layout

CHUNK = 4 << 20
"""Bytes of a chunk that is written, as near as doubling gets to it from below."""

UNFINISHED = "headrace_unfinished"
"""The attribute that a store has until all is written."""


@dataclass(frozen=True)
class Output:
    """A variable of an output.

    Args:
        name: Of it.
        layout: Its dimensions.
        dtype: Of its values.
        fill: What elements are that nothing is written to.
        tiled: The dtype by which its tiles were chosen.
    """

    name: str
    layout: Layout
    dtype: np.dtype[Any]
    fill: Any
    tiled: np.dtype[Any]


class Sink(Protocol):
    """Where an output goes."""

    folder: str | None
    """Where files may lie meanwhile; None for the system's folder for such files."""

    streams: bool
    """Whether it takes tiles as they are done."""

    def tile(self, layout: Layout, dtype: np.dtype[Any]) -> tuple[int, ...]:
        """Return the shape of the tiles it takes."""
        ...

    def begin(self, outputs: list[Output], cube: Cube) -> None:
        """Make ready for variables."""
        ...

    def write(self, name: str, place: Place, block: NDArray[Any]) -> None:
        """Take a tile, each once."""
        ...

    def end(self) -> xr.Dataset:
        """Return what was written."""
        ...

    def abandon(self, keep: bool) -> str | None:
        """End without a result, and return the name of what there is, if it is kept and has one."""
        ...


def labels_for(outputs: list[Output], cube: Cube) -> tuple[Labels, dict[str, dict[str, Any]]]:
    """Return the coordinates of all variables, and what the cube says of them.

    Raises:
        ArgumentError: A dimension has several lengths.
    """
    lengths: dict[str, tuple[int, str]] = {}
    found: Labels = {}
    for output in outputs:
        for along in output.layout.alongs:
            other, owner = lengths.setdefault(along.name, (along.length, output.name))
            if other != along.length:
                raise ArgumentError(
                    f"{along.name!r} has {other} elements in {owner!r} and {along.length} in {output.name!r}, so they "
                    "cannot be variables of one Dataset: stitch them one by one, by variables="
                )
    for layout in dict.fromkeys(output.layout for output in outputs):
        found.update(labels_of(cube, layout))
    return found, {name: dict(cube.variable_attrs.get(name, {})) for name in found}


def _coordinates(outputs: list[Output], cube: Cube) -> xr.Dataset:
    labels, attrs = labels_for(outputs, cube)
    return xr.Dataset(coords={name: (dims, values, attrs[name]) for name, (dims, values) in labels.items()})


class Memory:
    """An output in memory."""

    folder: str | None = None
    streams = False

    def __init__(self) -> None:
        self._made = xr.Dataset()
        self._dims: dict[str, tuple[str, ...]] = {}

    def tile(self, layout: Layout, dtype: np.dtype[Any]) -> tuple[int, ...]:
        return layout.shape

    def begin(self, outputs: list[Output], cube: Cube) -> None:
        self._made = _coordinates(outputs, cube)
        self._dims = {output.name: output.layout.dims for output in outputs}

    def write(self, name: str, place: Place, block: NDArray[Any]) -> None:
        self._made[name] = (self._dims[name], block)

    def end(self) -> xr.Dataset:
        return self._made

    def abandon(self, keep: bool) -> str | None:
        return None


class Zarr:
    """An output in a Zarr store, format 3, which has its name when all is there.

    A folder is written beside its place, under a name of its own, and renamed at the end. Another store is written
    where it is. Until the end both have an attribute that says that they are not finished.

    Args:
        out: A path, a URL, or a store of zarr's.
        overwrite: Whether what lies there is replaced.
        chunks: Elements of a chunk, by dimension; where a dimension is not named they are chosen.

    Raises:
        ExistsError: Something lies there.
        StoreError: The folder above is not there.
    """

    streams = True

    def __init__(self, out: Any, overwrite: bool = False, chunks: Mapping[str, int] | None = None) -> None:
        if isinstance(out, int | float | np.ndarray | xr.Dataset | xr.DataArray):
            raise KindError(f"out must be the path or URL of a Zarr store, or a store, got a {type(out).__name__}")
        local = isinstance(out, os.PathLike) or (isinstance(out, str) and "://" not in out)
        self._out = Path(out).absolute() if local else None
        self._overwrite = overwrite
        self._chunks = chunks or {}
        self._store: Any = out
        self._begun = False
        self.folder: str | None = None
        self._group: Any = None
        if self._out is not None:
            if self._out.exists() and not overwrite:
                raise ExistsError(f"{self._out} is there already: choose another name, or overwrite=True")
            if not self._out.parent.is_dir():
                raise StoreError(f"there is no folder {self._out.parent} to write {self._out.name} into")
            self.folder = str(self._out.parent)
            self._store = self._out.with_name(f"{self._out.name}.partial-{secrets.token_hex(4)}")

    def tile(self, layout: Layout, dtype: np.dtype[Any]) -> tuple[int, ...]:
        chunks = zip(chunks_of(layout, dtype.itemsize, self._chunks), layout.alongs, strict=True)
        return tuple(along.length if along.kind == "extra" else chunk for chunk, along in chunks)

    def begin(self, outputs: list[Output], cube: Cube) -> None:
        for output in outputs:
            if output.dtype.kind not in "biufc":
                raise KindError(f"{output.name!r}: {output.dtype} is not written to Zarr; stitch it into memory")
        labels = _coordinates(outputs, cube)
        if self._out is None and not self._overwrite and _lies_in(self._store):
            raise ExistsError(f"{self._store} is not empty: choose another place, or overwrite=True")
        self._begun = True
        for name, label in labels.coords.items():
            if label.dtype.kind == "U":  # Zarr has text of any length, and none of a fixed one
                labels = labels.assign_coords({name: label.astype(object)})
            elif label.dtype == object and label.size and isinstance(label.values.flat[0], tuple):
                labels = labels.drop_vars([name])  # of several levels, which are coordinates beside it
        labels.to_zarr(self._store, mode="w", zarr_format=3, consolidated=False)
        self._group = zarr.open_group(self._store, mode="r+")
        self._group.attrs[UNFINISHED] = True
        for output in outputs:
            self._group.create_array(
                output.name,
                shape=output.layout.shape,
                dtype=output.dtype,
                chunks=chunks_of(output.layout, output.tiled.itemsize, self._chunks),
                fill_value=output.fill,
                dimension_names=output.layout.dims,
            )

    def write(self, name: str, place: Place, block: NDArray[Any]) -> None:
        self._group[name][place] = block

    def end(self) -> xr.Dataset:
        del self._group.attrs[UNFINISHED]
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # that other readers may not know it; xarray looks for it
            zarr.consolidate_metadata(self._store)
        if self._out is None:
            return _opened(self._store)
        self._publish(self._out)
        return _opened(self._out)

    def _publish(self, out: Path) -> None:
        old = None
        if self._overwrite and out.exists():
            old = out.with_name(f"{out.name}.replaced-{secrets.token_hex(4)}")
            os.rename(out, old)
        elif out.exists():
            self._begun = False  # it is whole, and stays
            raise ExistsError(
                f"{out} has come to be there meanwhile: what was stitched is whole, and lies in {self._store}"
            )
        os.rename(self._store, out)
        if old is not None:
            shutil.rmtree(old) if old.is_dir() else old.unlink()

    def abandon(self, keep: bool) -> str | None:
        if not self._begun or (self._out is None and not keep):
            return None
        if keep:
            self._begun = False
            return str(self._store)
        shutil.rmtree(self._store, ignore_errors=True)
        return None


def chunks_of(layout: Layout, itemsize: int, wanted: Mapping[str, int]) -> tuple[int, ...]:
    """Return the shape of chunks: a prediction's, doubled along the last dimensions first, up to :data:`CHUNK` bytes.

    The first dimensions stay short, since patches come in the order of their first dimension: fewer are open at a time.

    Raises:
        ArgumentError: A dimension that is named is not there, or its chunk has no elements.
    """
    for dim in wanted:
        if dim not in layout.dims:
            raise ArgumentError(f"chunks: there is no dimension {dim!r}; there are {', '.join(map(repr, layout.dims))}")
    made = [
        min(along.length, whole(wanted.get(along.name, along.size), f"chunk of {along.name!r}", 1))
        for along in layout.alongs
    ]
    for place, along in reversed(list(enumerate(layout.alongs))):
        while along.name not in wanted and made[place] < along.length and 2 * prod(made) * itemsize <= CHUNK:
            made[place] = min(2 * made[place], along.length)
    return tuple(made)


def _lies_in(store: Any) -> bool:
    try:
        zarr.open(store, mode="r")
    except FileNotFoundError:
        return False
    return True


def _opened(store: Any) -> xr.Dataset:
    """Return what lies in a store, read when it is used."""
    found: xr.Dataset = xr.open_zarr(store, chunks=None, consolidated=True)
    return found
