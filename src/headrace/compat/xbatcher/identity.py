"""What kept batches are made of: the data, the arguments of the generator, and the code of ``cache_preprocess``."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
import xarray as xr

from headrace.core.errors import ArgumentError, KindError
from headrace.core.fingerprint import of_array, of_function, of_record
from headrace.cubes.reading.adopt import adopt
from headrace.keys.contents import Contents
from headrace.keys.key import digest_of
from headrace.keys.reached import Reached


@dataclass(frozen=True)
class Identity:
    """What the batches of a generator are made of, in texts that are the same in every process.

    Args:
        data: Hexadecimal digits that stand for the data.
        arguments: Those of the generator that decide what a batch is, as JSON.
        preprocess: Digits that stand for what is done to batches before they are kept; empty where nothing is.
    """

    data: str
    arguments: str
    preprocess: str

    @property
    def digest(self) -> str:
        """Twenty hexadecimal digits that stand for all."""
        return digest_of([self.data, self.arguments, self.preprocess], 10)


def identity_of(generator: Any, strict: bool) -> Identity:
    """Return what a generator's batches are made of.

    Args:
        generator: A BatchGenerator.
        strict: Whether a ``cache_preprocess`` that holds what cannot be told to be the same in another process is
            refused; else it is told by its bytecode.

    Raises:
        ArgumentError: See ``strict``.
    """
    arguments: dict[str, Any] = {
        name: [[str(dim), int(size)] for dim, size in getattr(generator, name).items()]
        for name in ("input_dims", "input_overlap", "batch_dims")
    }
    arguments["concat_input_dims"] = bool(generator.concat_input_dims)
    # Data that is opened may have its dimensions in another order the next time, and is stacked in that.
    arguments["other_dims"] = [str(dim) for dim in generator.ds.sizes if dim not in generator.input_dims]
    return Identity(
        digest_of(_of_data(generator.ds)), json.dumps(arguments), _of_code(generator.cache_preprocess, strict)
    )


def _of_code(function: Any, strict: bool) -> str:
    if function is None:
        return ""
    reached = Reached(Contents())
    try:
        reached.add(function, ("cache_preprocess",))
    except ArgumentError:
        if strict:
            raise
        return of_function(function)
    return digest_of(f"{part.kind} {part.digest}" for part in reached.parts)


def _of_data(ds: xr.Dataset | xr.DataArray) -> Iterator[str]:
    contents = Contents()
    whole = ds.to_dataset(name="<data>") if isinstance(ds, xr.DataArray) else ds
    yield f"{type(ds).__name__} {ds.name!r}" if isinstance(ds, xr.DataArray) else "Dataset"
    yield of_record(dict(whole.attrs))
    lazy = []
    for name in sorted(whole.variables, key=str):  # what is opened has its variables in any order
        variable = whole.variables[name]
        yield f"{name} {variable.dims} {variable.dtype} {variable.shape} {name in whole.coords}"
        yield of_record(dict(variable.attrs))
        if isinstance(variable._data, np.ndarray) or name in whole.indexes:  # of what is in memory, all of it
            values = variable.values
            yield of_array(values) if values.dtype.hasobject else contents.of_array(values)
        else:
            lazy.append(name)
    if lazy:
        yield _of_lazy(whole.reset_coords()[lazy])


def _of_lazy(ds: xr.Dataset) -> str:
    """Return what stands for the content of variables that lie elsewhere, or are computed."""
    try:
        return adopt(ds).identity
    except KindError:  # Python objects, or an array of another kind: dask's have names that stand for what they compute
        parts = [getattr(variable.data, "name", None) for variable in ds.variables.values()]
        return str(parts if all(parts) else of_record({str(name): found.values for name, found in ds.items()}))
