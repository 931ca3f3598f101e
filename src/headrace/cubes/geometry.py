"""Which windows of a cube are its patches: arithmetic on the lengths of its dimensions, whatever lies in them."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from functools import cached_property
from math import prod
from typing import Any, TypeAlias, overload

import numpy as np

from headrace.core import seeds
from headrace.core.arguments import whole
from headrace.core.errors import ArgumentError, KindError
from headrace.core.source import Indices
from headrace.cubes.axis import Axis
from headrace.cubes.places import Anywhere, Places, Points

Fill: TypeAlias = float | int | str
"""What fills windows up past an end: a value, or ``"reflect"``."""

FORMAT = 1

FEW = 256
"""How many windows are few."""


@dataclass(frozen=True, repr=False)
class Geometry:
    """Windows of an n-dimensional cube, numbered: those of the last dimension next to each other.

    It takes no memory, however many there are, and knows no data. Number k is a window; ``geometry[k]`` is what
    ``xarray``'s ``isel`` takes.

    Args:
        axes: One for each dimension of the cube, in its order.
        fill: What fills patches up past an end: a value, or ``"reflect"``.
        places: Where windows lie in some dimensions, in the place of the grid there. Then they come first: all windows
            of the grid of the other dimensions at the first place, then at the second.

    >>> geometry = Geometry.of({"time": 6, "x": 8}, {"time": 2, "x": 4}, overlap={"x": 2})
    >>> geometry
    Geometry(9 patches: time 2 of 6, x 4 of 8 by 2)
    >>> len(geometry), geometry.shape, geometry[1]
    (9, (3, 3), {'time': slice(0, 2, None), 'x': slice(2, 6, None)})
    >>> Geometry.from_json(geometry.to_json()) == geometry
    True
    """

    axes: tuple[Axis, ...]
    fill: Fill = float("nan")
    places: Places | None = None

    def __post_init__(self) -> None:
        names = [axis.name for axis in self.axes]
        if len(set(names)) < len(names):
            raise ArgumentError(f"a dimension is named twice: {', '.join(map(repr, names))}")
        fill = self.fill.item() if isinstance(self.fill, np.generic) else self.fill
        if not isinstance(fill, int | float) and not (isinstance(fill, str) and fill == "reflect"):
            raise ArgumentError(f"fill must be a number or 'reflect', got {self.fill!r}")
        object.__setattr__(self, "fill", fill)  # Python's own, for JSON
        for dim in self.places.dims if self.places is not None else ():
            _known(dim, names, "places")

    @classmethod
    def of(
        cls,
        lengths: Mapping[str, int],
        sizes: Mapping[str, int],
        overlap: Mapping[str, int] | None = None,
        stride: Mapping[str, int] | None = None,
        offset: Mapping[str, int] | None = None,
        dilation: Mapping[str, int] | None = None,
        partial: Any = "drop",
        fill: Fill = float("nan"),
        batch_dims: Any = (),
    ) -> Geometry:
        """Return the grid of windows of a cube.

        Args:
            lengths: Of the cube's dimensions, in their order.
            sizes: Of a window. Dimensions that are not named are not cut: a window has the whole of them.
            overlap: How many elements neighbours share, below the size; 0 where it is not named.
            stride: From one window to the next, in the place of an overlap; the size where neither is named.
            offset: Where the first window begins; 0 where it is not named.
            dilation: From one element of a window to the next; 1 where it is not named.
            partial: What becomes of windows that would run past the end: ``"drop"``, ``"pad"`` or ``"shift"``, for all
                dimensions or by dimension.
            fill: What fills them up: a value, or ``"reflect"``.
            batch_dims: Dimensions that only number the windows, one element each, and are not in patches.

        Raises:
            ArgumentError: Unknown dimensions, a size above the dimension's, an overlap not below the size, and the
                like; the message names the dimension.
        """
        given = {
            "sizes": sizes,
            "overlap": overlap,
            "stride": stride,
            "offset": offset,
            "dilation": dilation,
            "partial": partial if isinstance(partial, Mapping) else None,
        }
        for what, named in given.items():
            if (named is not None or what == "sizes") and not isinstance(named, Mapping):
                raise KindError(f"{what} must be a mapping from dimension to number, got {named!r}")
            for dim in named or ():
                _known(dim, lengths, what)
        if not isinstance(batch_dims, Iterable):
            raise KindError(f"batch_dims must be the name of a dimension or several, got {batch_dims!r}")
        only = (batch_dims,) if isinstance(batch_dims, str) else tuple(batch_dims)
        for dim in only:
            _known(dim, lengths, "batch_dims")
            if dim in sizes:
                raise ArgumentError(f"{dim!r} is in sizes and in batch_dims: it is cut, or it only numbers patches")
        axes = []
        for dim, length in lengths.items():
            size = 1 if dim in only else whole(sizes.get(dim, max(length, 1)), f"size of {dim!r}", 1)
            axes.append(
                Axis(
                    dim,
                    int(length),
                    size,
                    _stride(dim, size, overlap or {}, stride or {}),
                    _integer((offset or {}).get(dim, 0), f"offset of {dim!r}"),
                    whole((dilation or {}).get(dim, 1), f"dilation of {dim!r}", 1),
                    partial.get(dim, "drop") if isinstance(partial, Mapping) else partial,
                    dim not in only,
                )
            )
        return cls(tuple(axes), fill)

    # What there is

    @cached_property
    def dims(self) -> tuple[str, ...]:
        """The cube's dimensions, in its order."""
        return tuple(axis.name for axis in self.axes)

    @cached_property
    def patch_dims(self) -> tuple[str, ...]:
        """Those that patches have."""
        return tuple(axis.name for axis in self.axes if axis.kept)

    @cached_property
    def sizes(self) -> dict[str, int]:
        """Elements of a patch along each of its dimensions."""
        return {axis.name: axis.size for axis in self.axes if axis.kept}

    def axis(self, dim: str) -> Axis:
        """Return one dimension.

        Raises:
            ArgumentError: There is no such dimension.
        """
        _known(dim, self.dims, "geometry")
        return self.axes[self.dims.index(dim)]

    @cached_property
    def grid(self) -> tuple[Axis, ...]:
        """The dimensions in which windows lie on a grid."""
        placed = () if self.places is None else self.places.dims
        return tuple(axis for axis in self.axes if axis.name not in placed)

    @cached_property
    def shape(self) -> tuple[int, ...]:
        """How many windows there are: places, where there are any, then along each dimension of the grid."""
        places = () if self.places is None else (self.places.count,)
        return (*places, *(axis.count for axis in self.grid))

    @cached_property
    def _columns(self) -> tuple[tuple[int, int, Axis], ...]:
        """Of each dimension of the grid, the last first, its place among all, how many windows, and itself."""
        return tuple((self.dims.index(axis.name), axis.count, axis) for axis in reversed(self.grid))

    def __len__(self) -> int:
        return prod(self.shape)

    def starts(self, numbers: Indices) -> Indices:
        """Return where windows begin: a new array, int64 ``(n, dimensions)``, in the cube's order of dimensions.

        Below 0, or past the last place at which a window fits, where it is filled up.
        """
        if self.places is None and len(numbers) <= FEW:
            return self._few(numbers)
        found = np.empty((len(numbers), len(self.axes)), np.int64)
        rest = np.asarray(numbers, np.int64)
        for column, count, axis in self._columns:
            if count > 1:
                rest, here = np.divmod(rest, count)
                found[:, column] = axis.starts(here)
            else:
                found[:, column] = axis.starts(np.zeros(1, np.int64))
        if self.places is not None:
            begins = self.places.starts(rest)
            for place, dim in enumerate(self.places.dims):
                axis = self.axis(dim)
                here = begins[:, place]
                found[:, self.dims.index(dim)] = np.clip(here, 0, axis.room) if axis.partial == "shift" else here
        return found

    def _few(self, numbers: Indices) -> Indices:
        """Return the same of a few windows of a grid: fewer calls, which a batch is mostly made of, and more work."""
        factors, counts, strides, offsets, tops = self._vectors
        found = np.asarray(numbers, np.int64)[:, None] // factors
        found %= counts
        found *= strides
        found += offsets
        return found if tops is None else np.minimum(found, tops, out=found)

    @cached_property
    def _vectors(self) -> tuple[Indices, Indices, Indices, Indices, Indices | None]:
        """By dimension: windows of all later ones together, its windows, strides, offsets, the last place if any."""
        counts = [axis.count for axis in self.axes]
        factors = [prod(counts[place + 1 :]) for place in range(len(counts))]
        known = [factors, counts, [axis.stride for axis in self.axes], [axis.offset for axis in self.axes]]
        shift = any(axis.partial == "shift" for axis in self.axes)
        tops = [axis.room if axis.partial == "shift" else axis.length for axis in self.axes] if shift else None
        first, second, third, fourth = (np.array(numbers, np.int64) for numbers in known)
        return first, second, third, fourth, None if tops is None else np.array(tops, np.int64)

    @cached_property
    def pads(self) -> bool:
        """Whether some windows may run past an end."""
        return bool(self.padded)

    @cached_property
    def padded(self) -> tuple[str, ...]:
        """The dimensions in which some windows may run past an end."""
        return tuple(axis.name for axis in self.axes if self._pads(axis))

    def _pads(self, axis: Axis) -> bool:
        if axis.partial != "pad":
            return False
        placed = self.places is not None and axis.name in self.places.dims
        return placed or axis.offset < 0 or int(axis.starts(np.array([axis.count - 1]))[0]) > axis.room

    @overload
    def __getitem__(self, key: int) -> dict[str, slice]: ...
    @overload
    def __getitem__(self, key: slice | Indices | list[int]) -> list[dict[str, slice]]: ...
    def __getitem__(self, key: Any) -> Any:
        """Return the elements of a window that are there, by dimension; of a slice or an array of numbers a list."""
        if isinstance(key, slice):
            numbers = np.array(range(len(self))[key], np.int64)
        elif isinstance(key, list | tuple | np.ndarray):
            numbers = np.asarray(key)
            if numbers.dtype == bool and numbers.shape == (len(self),):
                numbers = np.flatnonzero(numbers)
            if numbers.ndim != 1 or (numbers.size and numbers.dtype.kind not in "iu"):
                raise KindError(f"patches are chosen by whole numbers, got {numbers.dtype} of {numbers.shape}")
            numbers = numbers.astype(np.int64)
        else:
            return self[[_integer(key, "the number of a patch")]][0]
        wrong = numbers[(numbers < -len(self)) | (numbers >= len(self))]
        if len(wrong):
            raise IndexError(f"there is no patch {int(wrong[0])}: there are {len(self):,}")
        begins = self.starts(np.where(numbers < 0, numbers + len(self), numbers)).tolist()
        return [{axis.name: axis.window(start) for axis, start in zip(self.axes, row, strict=True)} for row in begins]

    def sample(self, count: int, seed: int) -> Geometry:
        """Return windows of the same kind that lie anywhere, not on the grid.

        Those of dimensions that are not cut stay what they are. Windows that are filled up lie within the cube here.

        Raises:
            ArgumentError: Windows lie at places already, or one does not fit into the cube.
        """
        if self.places is not None:
            raise ArgumentError("these patches lie at places of their own already: sample(...) the grid")
        cut = [axis for axis in self.axes if axis.size < axis.length]
        if not cut:
            cut = list(self.axes[:1])
        for axis in cut:
            if axis.room < 0:
                raise ArgumentError(
                    f"no window of {axis.size} fits into {axis.name!r}, which has {axis.length} elements"
                )
        dims, highs = tuple(axis.name for axis in cut), tuple(axis.room for axis in cut)
        return replace(self, places=Anywhere(dims, whole(count, "n", 0), seeds.check(seed), (0,) * len(cut), highs))

    def at(self, dims: tuple[str, ...], begins: Indices) -> Geometry:
        """Return windows of the same kind that begin where they are told.

        Args:
            dims: In which dimensions; in the others they lie on the grid.
            begins: Where, int64 ``(n, len(dims))``.

        Raises:
            ArgumentError: A window does not fit into the cube, and is neither filled up nor moved.
        """
        made = replace(self, places=Points(dims, np.ascontiguousarray(begins, np.int64)))
        for place, dim in enumerate(dims):
            axis, here = made.axis(dim), begins[:, place]
            if axis.partial == "drop":
                wrong = np.flatnonzero((here < 0) | (here > axis.room))
            elif axis.partial == "pad":
                wrong = np.flatnonzero((here <= -axis.span) | (here >= axis.length))
            else:
                wrong = np.empty(0, np.int64)
            if len(wrong):
                first = int(wrong[0])
                raise ArgumentError(
                    f"{len(wrong)} of {len(here)} points are too near to an end of {dim!r}: number {first} would begin "
                    f"at {int(here[first])} of {axis.length} and spans {axis.span}; leave them out, or take "
                    "partial='pad' or 'shift'"
                )
        return made

    # As text

    def to_json(self) -> str:
        """Return all of it as JSON."""
        document: dict[str, Any] = {
            "format": FORMAT,
            "fill": str(self.fill) if isinstance(self.fill, str) or self.fill != self.fill else self.fill,
            "axes": [vars(axis) for axis in self.axes],
        }
        if isinstance(self.places, Points):
            document["points"] = {"dims": list(self.places.dims), "starts": self.places.begins.tolist()}
        elif isinstance(self.places, Anywhere):
            document["anywhere"] = vars(self.places)
        return json.dumps(document)

    @classmethod
    def from_json(cls, text: str) -> Geometry:
        """Return what :meth:`to_json` wrote.

        Raises:
            ArgumentError: It is no such text.
        """
        try:
            document = json.loads(text)
            if document["format"] != FORMAT:
                raise ArgumentError(f"geometry: format {document['format']!r} is not known, only {FORMAT}")
            axes = tuple(Axis(**axis) for axis in document["axes"])
            fill = float("nan") if document["fill"] == "nan" else document["fill"]
            places: Places | None = None
            if "points" in document:
                dims = tuple(document["points"]["dims"])
                places = Points(dims, np.array(document["points"]["starts"], np.int64).reshape(-1, len(dims)))
            elif "anywhere" in document:
                known = document["anywhere"]
                places = Anywhere(
                    tuple(known["dims"]), known["count"], known["seed"], tuple(known["lows"]), tuple(known["highs"])
                )
        except (KeyError, TypeError, ValueError, AttributeError) as error:
            if isinstance(error, ArgumentError):
                raise
            raise ArgumentError(f"this is no geometry as to_json() writes it: {error}") from error
        return cls(axes, fill, places)

    @cached_property
    def text(self) -> str:
        """One line that stands for it, the same in every process."""
        axes = "; ".join(" ".join(str(value) for value in vars(axis).values()) for axis in self.axes)
        return f"{axes}; fill {self.fill}" + ("" if self.places is None else f"; {self.places.text()}")

    def __repr__(self) -> str:
        placed = () if self.places is None else self.places.dims
        dims = []
        for axis in self.axes:
            size = f"{axis.size} of {axis.length:,}" if axis.kept else f"each of {axis.length:,}"
            stride = "" if axis.name in placed or axis.stride == axis.size else f" by {axis.stride}"
            more = [f"from {axis.offset}"] if axis.offset else []
            more += [f"dilation {axis.dilation}"] if axis.dilation > 1 else []
            more += [axis.partial] if axis.partial != "drop" else []
            dims.append(" ".join([f"{axis.name} {size}{stride}", *more]))
        where = "" if self.places is None else f"; {self.places.text()}"
        return f"Geometry({len(self):,} patches: {', '.join(dims)}{where})"

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Geometry) and self.text == other.text

    def __hash__(self) -> int:
        return hash(self.text)


def _stride(dim: str, size: int, overlap: Mapping[str, int], stride: Mapping[str, int]) -> int:
    if dim in stride:
        if dim in overlap:
            raise ArgumentError(f"{dim!r} has an overlap and a stride: give one of the two")
        return whole(stride[dim], f"stride of {dim!r}", 1)
    shared = whole(overlap.get(dim, 0), f"overlap of {dim!r}", 0)
    if shared >= size:
        raise ArgumentError(f"overlap of {dim!r} must be below its size, got {shared} of {size}")
    return size - shared


def _integer(value: Any, what: str) -> int:
    if isinstance(value, bool | np.bool_) or not hasattr(value, "__index__"):
        raise KindError(f"{what} must be a whole number, got {value!r}")
    return int(value)


def _known(dim: object, names: Any, what: str) -> None:
    if dim not in names:
        raise ArgumentError(f"{what}: there is no dimension {dim!r}; there are {', '.join(map(repr, names))}")
