"""Batches of patches as xarray objects: variables with named dimensions, and where each patch lies."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from headrace.core.errors import ArgumentError, MissingExtraError
from headrace.cubes.source import PatchSource

SAMPLE = "sample"
"""The dimension along which the patches of a batch stand."""


@dataclass(frozen=True)
class Labelled:
    """A map from a batch of patches to an ``xarray.Dataset``, or a DataArray where the cube was one.

    The first dimension of all is ``sample``, also of one patch. Columns of labels become coordinates over ``(sample,
    dim)``, since those of one patch are not those of the next; xarray wants them to have another name than the
    dimension, so they are called ``<dim>_label``, or ``<dim>_index``. Columns that a map has added have dimensions of
    their own, named after the column.

    Args:
        dims: The names of the axes of each column that patches have.
        coords: The columns that are coordinates, and the name that each has there.
        attrs: What the cube says of itself, and under their names what variables say.
        array: The name of the variable that stands for all; None for a Dataset.
    """

    dims: Mapping[str, tuple[str, ...]]
    coords: Mapping[str, str]
    attrs: Mapping[str, Mapping[str, Any]]
    array: str | None = None

    def __call__(self, batch: Any) -> Any:
        """Return a batch as an xarray object, which shares its memory."""
        import xarray as xr

        coords: dict[str, Any] = {}
        variables: dict[str, Any] = {}
        for name, column in batch.items():
            known = self.coords.get(name)
            (variables if known is None else coords)[known or name] = self._variable(name, column)
        made = xr.Dataset(variables, coords=coords, attrs=dict(self.attrs.get("", {})))
        return made[self.array] if self.array is not None and list(variables) == [self.array] else made

    @classmethod
    def of(cls, source: PatchSource, array: str | None) -> Labelled:
        """Return the map for patches of a source.

        Args:
            source: With what coordinates it has.
            array: The name of the variable that stands for all; None for a Dataset.

        Raises:
            MissingExtraError: xarray is not installed.
            ArgumentError: Two things would have one name, such as a dimension that is called ``sample``.
        """
        try:
            import xarray  # noqa: F401 - that batches need
        except ImportError as error:
            raise MissingExtraError.of("xarray", "xarray", "as_xarray=True") from error
        ending = {"index": "index", "values": "label"}.get(source.coords, "")
        coords = {}
        for name, dims in source.dims.items():
            if name not in source.cube.variables:
                coords[name] = f"{name}_{ending}" if name in dims else name
        names = [SAMPLE, *coords.values()]
        beside = {*source.cube.variables, *source.geometry.patch_dims}
        for name in names:
            if name in beside or names.count(name) > 1:
                raise ArgumentError(
                    f"as_xarray=True: two things would be called {name!r}, where samples are {SAMPLE!r} and labels of "
                    f"a dimension '<dim>_{ending or 'label'}': rename one of them"
                )
        attrs = {"": source.cube.attrs, **source.cube.variable_attrs}
        return cls(source.dims, coords, attrs, array)

    def _variable(self, name: str, column: Any) -> tuple[tuple[str, ...], Any, dict[str, Any]]:
        values = np.asarray(column)
        dims = self.dims.get(name)
        if dims is None or len(dims) != values.ndim - 1:
            dims = tuple(f"{name}_{place}" for place in range(1, values.ndim))
        return (SAMPLE, *dims), values, dict(self.attrs.get(name, {}))
