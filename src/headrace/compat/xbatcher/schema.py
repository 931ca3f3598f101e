"""BatchSchema: how data is cut into patches, and which of them make a batch."""

from __future__ import annotations

import json
import os
import warnings
from collections.abc import Hashable, Mapping
from pathlib import Path
from typing import Any, cast

import xarray as xr

from headrace.compat.xbatcher.selectors import Selectors
from headrace.core.errors import ArgumentError
from headrace.cubes.axis import Axis
from headrace.cubes.geometry import Geometry


class UnknownDimensionError(ArgumentError, KeyError):
    """The data has no dimension of that name."""

    def __str__(self) -> str:  # KeyError would show the message quoted
        return str(self.args[0])


class BatchSchema:
    """The patches of data, and the batches that they make. The data itself is not held.

    Args:
        ds: The data, of which only the lengths of dimensions are looked at.
        input_dims: The size of a patch along each dimension, such as ``{"lat": 30, "lon": 30}``. A dimension that is
            in neither this nor ``batch_dims`` is not cut.
        input_overlap: How many elements neighbours share.
        batch_dims: The size of a batch along each dimension, such as ``{"time": 10}``. With ``concat_input_bins`` a
            dimension may be in both: then a batch has those patches that begin next to each other in it.
        concat_input_bins: Whether the patches of a batch are put together, along ``input_batch``; else each patch is
            a batch.
        preload_batch: Whether a batch is loaded into memory when it is made.

    Attributes:
        input_dims: As given, a copy.
        input_overlap: As given, a copy.
        batch_dims: As given, a copy.
        concat_input_dims: ``concat_input_bins`` as given.
        preload_batch: As given.
        selectors: The patches of each batch by its number: a mapping that takes no memory for them.

    Raises:
        ArgumentError: A size above the dimension's, an overlap not below the size, or the like (a ``ValueError``); or
            an unknown dimension (a ``KeyError``, too).

    >>> schema = BatchSchema(xr.DataArray(range(6), dims="x"), {"x": 3}, {"x": 2}, concat_input_bins=False)
    >>> len(schema.selectors), schema.selectors[1]
    (4, [{'x': slice(1, 4, None)}])
    """

    def __init__(
        self,
        ds: xr.Dataset | xr.DataArray,
        input_dims: Mapping[Hashable, int],
        input_overlap: Mapping[Hashable, int] | None = None,
        batch_dims: Mapping[Hashable, int] | None = None,
        concat_input_bins: bool = True,
        preload_batch: bool = True,
    ) -> None:
        self.input_dims = dict(input_dims)
        self.input_overlap = dict(input_overlap or {})
        self.batch_dims = dict(batch_dims or {})
        self.concat_input_dims = concat_input_bins
        self.preload_batch = preload_batch
        shared = {dim: size for dim, size in self.batch_dims.items() if dim in self.input_dims}
        if shared and not concat_input_bins:
            warnings.warn(
                f"batch_dims also has dimensions of input_dims, which count only with concat_input_dims=True: {shared}",
                stacklevel=3,
            )
        self.selectors = self._selectors(ds.sizes)

    def _selectors(self, lengths: Mapping[Hashable, int]) -> Selectors:
        """Return the patches of each batch, in the order of ``batch_dims`` and then of ``input_dims``."""
        only_batch = {dim: size for dim, size in self.batch_dims.items() if dim not in self.input_dims}
        axes, together, batches = [], [], []
        for dim, size in {**only_batch, **self.input_dims}.items():
            axis = _axis(dim, lengths, size, self.input_overlap.get(dim, 0))
            axes.append(axis)
            many, times = self._grouped(dim, axis, dim in only_batch)
            together.append(many)
            batches.append(times)
        return Selectors(Geometry(tuple(axes)), tuple(together), tuple(batches))

    def _grouped(self, dim: Hashable, axis: Axis, only_batch: bool) -> tuple[int, int]:
        """Return how many patches a batch has along a dimension, and how many batches there are."""
        if not self.concat_input_dims or only_batch:
            return 1, axis.count
        if dim not in self.batch_dims:
            return axis.count, 1
        size = self.batch_dims[dim]
        if not 0 < size <= axis.length:
            raise ArgumentError(f"batch_dims: {dim!r} has {axis.length} elements, so a batch has 1 to that, got {size}")
        together = -(-size // axis.stride)
        # whole batches alone, and none that has no patches: rounded up, patches run out before the batches do
        return together, min(axis.length // size, -(-axis.count // together))

    def to_json(self) -> str:
        """Return all of it as JSON: the arguments, and under ``"selector"`` a list of patches for each batch's number.

        >>> schema = BatchSchema(xr.DataArray(range(4), dims="x"), {"x": 4})
        >>> json.loads(schema.to_json())["selector"]
        {'0': [{'x': {'start': 0, 'stop': 4, 'step': None}}]}
        """
        document: dict[str, Any] = {
            name: getattr(self, name)
            for name in ("input_dims", "input_overlap", "batch_dims", "concat_input_dims", "preload_batch")
        }
        document["selector"] = {
            number: [
                {dim: {"start": part.start, "stop": part.stop, "step": part.step} for dim, part in patch.items()}
                for patch in patches
            ]
            for number, patches in self.selectors.items()
        }
        return json.dumps(document)

    def to_file(self, out_file_name: str | os.PathLike[str]) -> None:
        """Write what :meth:`to_json` returns to a file."""
        Path(out_file_name).write_text(self.to_json(), encoding="utf-8")


def _axis(dim: Hashable, lengths: Mapping[Hashable, int], size: int, overlap: int) -> Axis:
    if dim not in lengths:
        raise UnknownDimensionError(f"there is no dimension {dim!r}; there are {', '.join(map(repr, lengths))}")
    if size > lengths[dim]:
        raise ArgumentError(f"{dim!r} has {lengths[dim]} elements, and a patch would have {size}: take a smaller size")
    if overlap >= size:
        raise ArgumentError(f"input_overlap of {dim!r} must be below its size, got {overlap} of {size}")
    return Axis(cast(str, dim), int(lengths[dim]), int(size), int(size - overlap))
