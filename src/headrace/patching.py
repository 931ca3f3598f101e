"""The face of patches: windows of labelled arrays as a Dataset."""

from __future__ import annotations

import functools
import os
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Self, cast

import numpy as np

from headrace.core.address import At
from headrace.core.amounts import bytes_of
from headrace.core.arguments import whole
from headrace.core.collate import Pad
from headrace.core.errors import ArgumentError, ColumnError, EndlessError, KindError, OrderError
from headrace.core.seeds import check as check_seed
from headrace.core.source import Indices
from headrace.cubes.choosing.condition import as_condition
from headrace.cubes.choosing.keeper import Held
from headrace.cubes.cube import values_of
from headrace.cubes.dividing.artifact import settle
from headrace.cubes.dividing.region import sample_in
from headrace.cubes.dividing.splitting import Along, Blocks, Division, Groups, Plan, Report
from headrace.cubes.gathering.coordinates import Coords
from headrace.cubes.geometry import Fill, Geometry
from headrace.cubes.labelled import Labelled
from headrace.cubes.measuring.statistics import Statistics, kept_statistics
from headrace.cubes.points import centred
from headrace.cubes.reading.adopt import adopt
from headrace.cubes.source import PatchSource
from headrace.dataset import Dataset
from headrace.nodes import rewrite
from headrace.nodes.batched import Batched
from headrace.nodes.divide import subset
from headrace.nodes.kept import Chosen
from headrace.nodes.leaf import Leaf
from headrace.nodes.maps import Map
from headrace.nodes.node import Node
from headrace.nodes.picked import Picked
from headrace.parts import Parts
from headrace.remembering import Remembering


def patches(
    data: Any,
    sizes: Mapping[str, int],
    overlap: Mapping[str, int] | None = None,
    *,
    stride: Mapping[str, int] | None = None,
    offset: Mapping[str, int] | None = None,
    dilation: Mapping[str, int] | None = None,
    partial: Any = "drop",
    fill: Fill = float("nan"),
    batch_dims: str | Sequence[str] = (),
    centers: Mapping[str, Any] | None = None,
    variables: Sequence[str] | None = None,
    dims: Sequence[str] | None = None,
    coords: Coords | None = None,
    as_xarray: bool = False,
    chunk_cache: int | str = "256 MB",
) -> Patches:
    """Return the windows of a labelled array as a Dataset: a record is a patch, a mapping with an array per variable.

    Nothing is read, and it costs the same for ten patches and for a billion. Patches are numbered with the last
    dimension running fastest. Reading goes by the chunks in which the data is stored: those that a batch needs are
    read together, each is decoded once while it is held, and patches are copied right into the batch.

    Args:
        data: An ``xarray.Dataset`` or ``DataArray`` (of NumPy, Zarr, NetCDF or dask), a Zarr array or group, a NumPy or
            dask array with ``dims``, or the path or URL of a Zarr store or a NetCDF file.
        sizes: Elements of a patch along the dimensions that are cut. It has the whole of the others.
        overlap: Elements that neighbours share along a dimension, below the size; 0 where it is not named.
        stride: From one patch to the next, in the place of an overlap.
        offset: Where the first patch begins along a dimension.
        dilation: From one element of a patch to the next.
        partial: What becomes of patches that would run past the end, for all dimensions or by dimension: ``"drop"``
            leaves them out, ``"pad"`` fills them up, ``"shift"`` moves them back until they fit.
        fill: What they are filled up with: a value, or ``"reflect"`` for the mirror image.
        batch_dims: Dimensions that only number the patches: each has one element of them, and not the dimension.
        centers: By dimension one label for each patch: patches whose middle elements are the nearest to these, instead
            of a grid. In cut dimensions that are not named they lie on the grid, at each center.
        variables: Those that patches have; None for all.
        dims: The names of the dimensions, where the data does not name them.
        coords: Further columns: ``"values"`` for the labels along each dimension, ``(size,)`` a patch, ``"index"`` for
            the numbers of the elements, -1 past an end. ``"none"`` if None, or ``"values"`` with ``as_xarray``.
        as_xarray: Whether a batch is an ``xarray.Dataset`` (of a DataArray a DataArray) whose first dimension is
            ``sample``.
        chunk_cache: How many bytes of decoded chunks each process holds at most; a ``block_shuffle`` raises it to its
            memory.

    Raises:
        ArgumentError: Unknown dimensions, a size above the dimension's, an overlap not below the size, an empty cube
            and the like; the message names the dimension.
        KindError: The data is of a kind that has no named dimensions.
        MissingExtraError: It needs xarray, and this is not installed.

    >>> import xarray as xr
    >>> sst = xr.DataArray(np.arange(48.0).reshape(6, 8), dims=("lat", "lon"), name="sst")
    >>> squares = patches(sst, {"lat": 4, "lon": 4}, overlap={"lat": 2})
    >>> len(squares), squares[0]["sst"].shape, squares.batch(3)[0]["sst"].shape
    (4, (4, 4), (3, 4, 4))
    """
    cube = adopt(data, dims=None if dims is None else tuple(dims), variables=variables)
    geometry = Geometry.of(cube.lengths, sizes, overlap, stride, offset, dilation, partial, fill, batch_dims)
    if centers is not None:
        geometry = centred(cube, geometry, centers)
    columns: Coords = coords if coords is not None else "values" if as_xarray else "none"
    source = PatchSource(cube, geometry, columns, bytes_of(chunk_cache, "chunk_cache"))
    made = Patches._of(Leaf(source))
    made._drawn = made._node
    if as_xarray:
        alone = next(iter(cube.variables)) if len(cube.variables) == 1 and not _is_mapping(data) else None
        made._labelled = Labelled.of(source, alone)
    return made


def _is_mapping(data: Any) -> bool:
    """Say whether data names its variables itself, as a Dataset or a group does, and not a single array."""
    return hasattr(data, "data_vars") or hasattr(data, "arrays") or not hasattr(data, "dtype")


class Patches(Dataset):
    """Patches of a cube, in any order: what :func:`patches` returns, and what its methods make of it.

    Everything that a :class:`Dataset` can do; and choosing patches by where they lie and by what they hold.

    >>> squares = patches(np.zeros((8, 8)), {"y": 4, "x": 4}, dims=("y", "x"))
    >>> squares.dims, squares.shuffle(seed=0).take(2).geometry == squares.geometry
    ({'data': ('y', 'x')}, True)
    """

    __slots__ = ("_drawn", "_labelled", "_region")

    _drawn: Node | None  # itself, where nothing was chosen since a cube was cut or divided
    _labelled: Labelled | None
    _region: tuple[Division, str] | None  # the part of the cube that they lie in

    @classmethod
    def _of(cls, node: Node) -> Self:
        made = super()._of(node)
        made._drawn, made._labelled, made._region = None, None, None
        return made

    def _like(self, node: Node) -> Self:
        made = self._of(node)
        made._labelled, made._region = self._labelled, self._region
        return made

    @property
    def geometry(self) -> Geometry:
        """The windows that these patches were chosen from: :meth:`numbers` says which of them they are."""
        return source_of(self).geometry

    @property
    def dims(self) -> dict[str, tuple[str, ...]]:
        """The names of each column's axes after the first, which is that of samples: to go beside tensors."""
        return source_of(self).dims

    def numbers(self) -> Indices:
        """Return which windows of the geometry these are, in the order of epoch 0: int64 ``(len,)``, a new array."""
        return numbers_of(self, np.arange(len(records_of(self)), dtype=np.int64))

    # Choosing

    def where(self, condition: Any, store: Any = None) -> Self:
        """Keep the patches for which a condition holds; written after a shuffle, this is drawn over what is kept.

        What it takes is counted once, when a length or a patch is first asked for: of shares and means a table of sums
        over the whole cube, in which a patch of any size costs the same.

        Args:
            condition: Such as ``valid_fraction("sst") > 0.9``, combined by ``&``, ``|`` and ``~``; or a function that
                is given a batch of patches, as they are cut, and returns booleans, ``(n,)``.
            store: A ``headrace.Store`` in which the tables are kept, for the next run and for other patches of the same
                cube. Without one they are in memory, as long as this Dataset lives, up to 1 GB.

        Raises:
            ColumnError: There is no such variable.
            OrderError: The set of patches differs by epoch below.

        >>> import headrace as hr
        >>> field = np.where(np.arange(64).reshape(8, 8) < 20, np.nan, 1.0)
        >>> squares = patches(field, {"y": 4, "x": 4}, dims=("y", "x"))
        >>> len(squares.where(hr.valid_fraction("data") > 0.5)), len(squares)
        (2, 4)
        """
        chosen, source = as_condition(condition), source_of(self)
        says = f"where({chosen!r})"
        self._refuse_batches(says)
        chosen.keep(source, np.empty(0, np.int64))  # an unknown name is answered here, not at the first read
        choose = functools.partial(chosen.keep, source, keeper=Held() if store is None else Remembering(store))
        few = functools.partial(chosen.keep, source, keeper=Held(0))  # no room for a table, so patches are read
        place, kept = rewrite.still(self._node, says), cast("Any", chosen)

        def made(below: Node) -> Node:
            return Chosen(below, below, kept, says=says, _choose=choose, _few=few)

        return self._like(rewrite.rebuild(self._node, place, made))

    def split(  # type: ignore[override] # no part of a Dataset can be called by_blocks here
        self,
        *,
        seed: int | None = None,
        by: str | int | None = None,
        by_blocks: Mapping[str, int] | None = None,
        guard: Mapping[str, int] | None = None,
        artifact: str | os.PathLike[str] | None = None,
        grown: bool = False,
        **parts: float,
    ) -> Parts[Self]:
        """Divide the cube into parts, and give each the patches that lie in it alone: no element is in two parts.

        Patches that reach across a border, or into a guard band beside one, are in no part; ``report`` of what is
        returned counts them. Without ``by_blocks`` and ``by`` patches are dealt out one by one, as
        :meth:`Dataset.split` does: where they overlap, parts then share elements.

        Args:
            seed: Draws which block or group goes where; 0 if None.
            by: A dimension: parts follow each other along it, the first one first. Or a coordinate or variable with a
                label for each element along some dimensions: elements of one label stay together.
            by_blocks: Elements of a block along each dimension that is divided; whole blocks are dealt out.
            guard: How many elements lie at least between patches of different parts, by dimension.
            artifact: A file that keeps the division: written, or read if it is there, and then what is asked for here
                must be what it says. So the same elements stay held out, for other patches of the cube, too.
            grown: Whether the cube may have more elements along a divided dimension than the file says; old ones keep
                their part.
            **parts: Fractions that sum to 1.

        Raises:
            ArgumentError: Unknown dimensions, fractions that do not sum to 1, a part without patches.
            StateError: The file holds another division; the message says what differs.
            OrderError: The set of patches differs by epoch below.

        >>> field = np.zeros((40, 8, 8))
        >>> cubes = patches(field, {"time": 5, "y": 4, "x": 4}, dims=("time", "y", "x"))
        >>> train, val = cubes.split(by="time", train=0.75, val=0.25, guard={"time": 5})
        >>> len(cubes), len(train), len(val), train.geometry[train.numbers()[-1]]["time"]
        (32, 24, 4, slice(25, 30, None))
        """
        source = source_of(self)
        if by is not None and not isinstance(by, str | int):
            raise KindError(f"split: by must be the name of a dimension, a coordinate or a variable, got {by!r}")
        if by_blocks is not None and not isinstance(by_blocks, Mapping):
            raise KindError(
                f"split: by_blocks must be a mapping from dimension to length of a block, got {by_blocks!r}"
            )
        if by_blocks is None and (by is None or not _is_label(source, by)):
            if isinstance(by, str) and not any(isinstance(node, Map | Picked) for node in _chain(self._node)):
                known = dict.fromkeys((*source.cube.lengths, *source.cube.coords, *source.dims))
                raise ColumnError.missing(by, [*known])
            for name, given in (("guard", guard), ("artifact", artifact), ("grown", grown or None)):
                if given is not None:
                    raise ArgumentError(f"split: {name} is for a division of the cube: say by_blocks=, or by=, too")
            return super().split(seed=seed, by=by, **parts)
        self._refuse_batches("split(...)")
        if by_blocks is not None and by is not None:
            raise ArgumentError("split: by_blocks and by are two ways to divide a cube: give one of them")
        plan = Blocks(by_blocks) if by_blocks is not None else _plan(source, str(by))
        place = rewrite.still(self._node, "split")
        if place.length is None:
            raise EndlessError("split() needs an end, and these patches have none: take(n) first")
        numbers = place.ids(At(np.arange(place.length, dtype=np.int64)))
        labels = {dim: values_of(source.cube.coords[dim]) for dim in plan.dims if dim in source.cube.coords}
        drawn = 0 if seed is None else check_seed(seed)
        division = settle(artifact, plan, source.geometry, numbers, parts, drawn, guard, labels, grown)
        states = division.states(source.geometry, numbers)
        made = {
            name: self._part(place, np.flatnonzero(states == number), name, division)
            for number, name in enumerate(division.names)
        }
        return PatchParts(made, division.counted(states))

    def _refuse_batches(self, what: str) -> None:
        if self._node.batched:
            raise ArgumentError(f"{what} chooses patches, and these are batches of them: write it before batch()")

    def _part(self, place: Node, chosen: Indices, name: str, division: Division) -> Self:
        """Return the patches that lie in one part of the cube."""
        part = self._like(
            rewrite.rebuild(self._node, place, functools.partial(subset, indices=chosen, says=f"part({name})"))
        )
        part._drawn = part._node if self._node is self._drawn and self._region is None else None
        part._region = (division, name)
        return part

    def sample(self, n: int, seed: int, weights: Any = None, replace: bool = False, anywhere: bool = True) -> Self:
        """Return ``n`` patches that lie anywhere in the cube, not just on the grid; of a part of a split, in that part.

        They are drawn once, for all epochs.

        Args:
            n: How many.
            seed: A whole number, 0 or more.
            weights: For ``anywhere=False``, the chance of each patch, in proportion.
            replace: For ``anywhere=False``, whether a patch may be drawn more than once.
            anywhere: False draws some of these patches instead, as :meth:`Dataset.sample` does.

        Raises:
            OrderError: These are not all patches of a cube or a part: a condition was set, or some were chosen.
            ArgumentError: A part has no room for a patch.

        >>> squares = patches(np.zeros((100, 100)), {"y": 8, "x": 8}, dims=("y", "x"))
        >>> squares.sample(5, seed=0).geometry[0]
        {'y': slice(..., ..., None), 'x': slice(..., ..., None)}
        """
        if not anywhere:
            return super().sample(n, seed=seed, weights=weights, replace=replace)
        self._refuse_batches("sample(...)")
        if weights is not None or replace:
            raise ArgumentError("sample: weights and replace choose among these patches: say anywhere=False, too")
        count, drawn, source = whole(n, "n", 0), check_seed(seed), source_of(self)
        if self._node is not self._drawn:
            raise OrderError(
                "sample draws windows from all of a cube, or of a part of a split, and these patches were chosen or "
                "put in an order: write sample(...) before that, or sample(..., anywhere=False)"
            )
        if self._region is None:
            geometry = source.geometry.sample(count, drawn)
        else:
            division, part = self._region
            geometry = sample_in(division, part, source.geometry, count, drawn)
        made = self._like(Leaf(PatchSource(source.cube, geometry, source.coords, source.chunks.limit)))
        made._drawn, made._region = made._node, self._region
        return made

    # Looking at them

    def statistics(
        self, dims: Sequence[str] | None = None, variables: Sequence[str] | None = None, store: Any = None
    ) -> Statistics:
        """Return mean, standard deviation, extremes and number of the elements of these patches; all of them are read.

        NaN does not count. An element that lies in several patches counts as often. ``map(statistics.normalize)`` then
        makes patches of mean 0 and standard deviation 1.

        Args:
            dims: Over which dimensions; those that are left out are kept, such as levels. None: over all.
            variables: Of which; None for all.
            store: A ``headrace.Store`` in which they are kept, for the next run.

        Raises:
            OrderError: A map stands on the patches: statistics are of patches as they are cut.
            ArgumentError: There are no patches.

        >>> squares = patches(np.arange(64.0).reshape(8, 8), {"y": 4, "x": 4}, dims=("y", "x"))
        >>> float(squares.statistics().mean["data"])
        31.5
        """
        source = source_of(self)
        if any(isinstance(node, Map) for node in _chain(self._node)):
            raise OrderError("statistics() are of patches as they are cut: write it before map()")
        numbers = np.sort(self.numbers())
        if not len(numbers):
            raise ArgumentError("statistics() of no patches: there is nothing to measure")
        keeper = None if store is None else Remembering(store)
        return kept_statistics(source, numbers, dims, variables, keeper)

    def batch(self, size: int, drop_remainder: bool = False, collate: Any = None, pad: Pad = None) -> Self:
        made = super().batch(size, drop_remainder, collate, pad)
        return made if self._labelled is None else made.map(self._labelled)

    batch.__doc__ = Dataset.batch.__doc__


class PatchParts(Parts[Any]):
    """Parts of a cube, and how many patches lie in each, or in none.

    Args:
        parts: By name.
        report: ``print`` it: patches in each part, and those left out, with the reason.
    """

    def __init__(self, parts: Mapping[str, Any], report: Report) -> None:
        super().__init__(parts)
        self.report = report

    def __repr__(self) -> str:
        return f"{super().__repr__()}\n{self.report}"


def source_of(dataset: Dataset) -> PatchSource:
    """Return the source of patches that a Dataset reads from.

    Raises:
        KindError: It is no Dataset, or reads from something else.
        ArgumentError: It reads from several.
    """
    if not isinstance(dataset, Dataset):
        raise KindError(f"patches are needed, as hr.patches(...) gives them, got {type(dataset).__name__}")
    sources = [leaf.source for leaf in records_of(dataset)._node.sources]
    found = [source for source in sources if isinstance(source, PatchSource)]
    if len(found) != len(sources) or not found:
        raise KindError(f"patches are needed, as hr.patches(...) gives them, and this reads from {dataset!r}")
    if len(found) > 1:
        raise ArgumentError(f"these are patches of {len(found)} cubes: take those of one")
    return found[0]


def numbers_of(dataset: Dataset, positions: Indices) -> Indices:
    """Return which patch lies at positions of epoch 0; of records, where the Dataset is one of batches: a new array."""
    return records_of(dataset)._node.ids(At(positions)).copy()


def records_of(dataset: Dataset) -> Dataset:
    """Return a Dataset without the batches and maps on top."""
    node = dataset._node
    while isinstance(node, Map | Picked | Batched):
        node = node.input
    return Dataset._of(node)


def _chain(node: Node) -> Iterator[Node]:
    """Give a node and all that lie below it."""
    yield node
    for below in node.inputs:
        yield from _chain(below)


def _is_label(source: PatchSource, by: str | int) -> bool:
    """Say whether a split is by something of the cube, and not by a column of records."""
    cube = source.cube
    return isinstance(by, str) and (by in cube.lengths or by in cube.coords or by in cube.variables)


def _plan(source: PatchSource, by: str) -> Plan:
    cube = source.cube
    if by in cube.lengths:
        return Along(by)
    variable = cube.coords[by] if by in cube.coords else cube.variables[by]
    return Groups(by, variable.dims, values_of(variable))
