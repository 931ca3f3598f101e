"""Predictions of patches, one after another, into an output with the cube's labels."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import closing, nullcontext
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

import numpy as np
import xarray as xr
from numpy.typing import NDArray

from headrace.core.errors import ArgumentError, SchemaError
from headrace.core.naming import in_column
from headrace.cubes.cube import Cube
from headrace.cubes.geometry import Geometry
from headrace.cubes.stitching.blend import blend_of, fill_of
from headrace.cubes.stitching.layout import Layout
from headrace.cubes.stitching.predictions import Given, Predicted, Selection, batches_of, length_of
from headrace.cubes.stitching.sink import Output, Sink
from headrace.cubes.stitching.tiles import COUNTED, Index, Numbers, Room, Tiles, Tiling

PREDICTION = "prediction"
"""The name of an output that has none of its own."""

COVERAGE = "coverage"
"""The name, or its end, of the variable that says how many predictions met at each element."""


@dataclass(frozen=True, eq=False)
class Wish:
    """What a user asked for.

    Args:
        selection: Which variables.
        blend: How predictions that meet become one.
        dims: The axes of a prediction, or those by variable; None for those of a patch.
        scale: Elements of a prediction for one of a patch by dimension, or that by variable.
        coverage: Whether predictions are counted.
        memory: Bytes of unfinished tiles that lie in memory, where the output does not.
    """

    selection: Selection
    blend: Any = "mean"
    dims: Sequence[str] | Mapping[str, Sequence[str]] | None = None
    scale: Mapping[str, Any] | None = None
    coverage: bool = False
    memory: int = 10**9

    def check(self, names: Iterable[str]) -> None:
        """Refuse words that are for a variable that there is not.

        Raises:
            ArgumentError: There is none of that name.
        """
        known = [name or PREDICTION for name in names]
        for what, words in (("dims", self.dims), ("scale", self.scale if self._scales() else None)):
            for name in words if isinstance(words, Mapping) else ():
                if name not in known:
                    raise ArgumentError(f"{what}: there is no {name!r}; there are {', '.join(map(repr, known))}")

    def _scales(self) -> bool:
        """Say whether there is a scale for each of several variables."""
        return isinstance(self.scale, Mapping) and any(isinstance(one, Mapping) for one in self.scale.values())

    def dims_of(self, name: str) -> Sequence[str] | None:
        """Return the axes of a variable's predictions, where they were named."""
        return self.dims.get(name or PREDICTION) if isinstance(self.dims, Mapping) else self.dims

    def scale_of(self, name: str) -> Mapping[str, Any] | None:
        """Return the scale of a variable's predictions."""
        return self.scale.get(name or PREDICTION) if self.scale and self._scales() else self.scale


@dataclass(eq=False)
class Stitching:
    """An output in the making.

    Args:
        cube: What the patches are of.
        geometry: Which patches there are.
        numbers: Which of them predictions are for, in their order.
        wish: What is asked for.
        sink: Where the output goes.
    """

    cube: Cube
    geometry: Geometry
    numbers: Numbers
    wish: Wish
    sink: Sink
    _tiles: dict[str, Tiles] = field(default_factory=dict)
    _layouts: dict[str, Layout] = field(default_factory=dict)
    _dtypes: dict[str, np.dtype[Any]] = field(default_factory=dict)
    _alone: bool = False  # whether predictions are one array, not a mapping

    def run(self, predictions: Any, told: Callable[[int], object] | None = None) -> xr.DataArray | xr.Dataset:
        """Go through all predictions and return the output.

        Args:
            predictions: As :func:`~headrace.cubes.stitching.predictions.batches_of` takes them.
            told: Is told how many were added.

        Raises:
            ArgumentError: There are more or fewer than patches, or what was asked for cannot be meant.
            SchemaError: Shapes do not fit.
        """
        count = len(self.numbers)
        if not count:
            raise ArgumentError("there are no patches, so there is nothing to stitch")
        memory = self.wish.memory if self.sink.streams else 1 << 62
        given = batches_of(predictions, self.wish.selection, count)
        with Room(memory, self.sink.folder) as room, closing(given):
            try:
                done = self._take(given, room, told)
                if done < count:
                    raise self._short(done, count)
                for tiles in self._tiles.values():
                    tiles.end()
                return self._result(self.sink.end())
            except BaseException:
                self.sink.abandon(keep=False)
                raise

    def _take(self, given: Iterable[Predicted], room: Room, told: Callable[[int], object] | None) -> int:
        """Add all predictions and return how many there were."""
        done, count = 0, len(self.numbers)
        for number, (batch, alone) in enumerate(given):
            what = f"batch {number} of predictions"
            length = length_of(batch, what)
            if done + length > count:
                raise ArgumentError(
                    f"there are {count:,} patches, and {done + length:,} predictions or more: there must be one for "
                    "each, in the order of the patches"
                )
            if not self._tiles:
                self._alone = alone
                self._begin(batch, room)
            self._add(batch, done, what)
            done += length
            if told is not None:
                told(length)
        return done

    def _short(self, done: int, count: int) -> ArgumentError:
        """Return the error for too few predictions; what they were for is kept where the output has a name."""
        for tiles in self._tiles.values():
            tiles.end()
        kept = self.sink.abandon(keep=True) if self._tiles else None
        left = f"; what they cover lies in {kept}, and is not the whole" if kept else ""
        return ArgumentError(f"{done:,} predictions for {count:,} patches: there must be one for each{left}")

    def _begin(self, batch: dict[str, Given], room: Room) -> None:
        self.wish.check(batch)
        outputs = []
        for name, given in batch.items():
            shown = f"predictions of {name!r}" if name else "predictions"
            variable, dims = self.cube.variables.get(name), self.wish.dims_of(name)
            own = None if variable is None or dims is not None else variable.dims
            if dims is None and given.dims is not None:
                dims = given.dims
                own = None if own is None or {*dims} != {*own} & {*self.geometry.patch_dims} else own
            layout = Layout.of(
                self.geometry,
                given.values.shape[1:],
                dims,
                self.wish.scale_of(name),
                own,
                shown,
            )
            self._layouts[name], self._dtypes[name] = layout, given.values.dtype
            outputs += self._open(name, layout, given.values.dtype, room)
        self.sink.begin(outputs, self.cube)

    def _open(self, name: str, layout: Layout, dtype: np.dtype[Any], room: Room) -> list[Output]:
        meeting = layout.meeting if self._once else None
        fill = self.geometry.fill
        with in_column(name) if name else nullcontext():
            blend = blend_of(self.wish.blend, dtype, layout.thin, layout.cut, meeting, fill)
        tiling = Tiling(layout, self.sink.tile(layout, blend.result))
        outputs = [Output(name or PREDICTION, layout, blend.result, fill_of(blend.result, fill), blend.result)]
        if self.wish.coverage:
            counted = COVERAGE if self._alone else f"{name}_{COVERAGE}"
            outputs.append(Output(counted, layout, np.dtype(np.int32), np.int32(0), blend.result))

        def done(index: Index, values: NDArray[Any], met: NDArray[np.int32] | None) -> None:
            place = tiling.place(index)
            for output, block in zip(outputs, (values, met), strict=False):
                if block is not None:
                    self.sink.write(output.name, place, block)

        pending = tiling.pending(self.numbers) if self.sink.streams else None
        self._tiles[name] = Tiles(tiling, blend, room, done, pending, self.wish.coverage)
        return outputs

    def _add(self, batch: dict[str, Given], done: int, what: str) -> None:
        if batch.keys() != self._tiles.keys():
            raise SchemaError(f"{what} has {_listed(batch)}, the first has {_listed(self._tiles)}")
        for name, given in batch.items():
            layout, values = self._layouts[name], given.values
            shown = f"{what}, {name!r}" if name else what
            if values.shape[1:] != layout.given:
                raise SchemaError(
                    f"{shown}: shape {values.shape[1:]} after the sample axis, in the first batch it is {layout.given}"
                )
            if not np.can_cast(values.dtype, self._dtypes[name], "same_kind"):
                raise SchemaError(f"{shown}: {values.dtype}, in the first batch it is {self._dtypes[name]}")
            patches = values.reshape(len(values), *layout.patch)
            for start in range(0, len(patches), COUNTED):
                end = min(start + COUNTED, len(patches))
                self._tiles[name].add(patches[start:end], layout.begins(self.numbers[done + start : done + end]))

    @cached_property
    def _once(self) -> bool:
        """Whether every number comes once, as far as that is seen quickly."""
        if len(self.numbers) > 1 << 24:
            return False
        found = np.sort(self.numbers[:])
        return bool((found[1:] > found[:-1]).all())

    def _result(self, made: xr.Dataset) -> xr.DataArray | xr.Dataset:
        if not self._alone or self.wish.coverage:
            return made
        return made[next(iter(self._tiles)) or PREDICTION]


def _listed(names: Any) -> str:
    return ", ".join(repr(name) if name else "one array without a name" for name in names)
