"""The Datasets that the records of a mux come from, read together: which one of them, epoch and position of each."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from itertools import count
from typing import TYPE_CHECKING, Any, TypeAlias

import numpy as np

from headrace.core.address import At
from headrace.core.flow import State
from headrace.core.records import Records, Rows
from headrace.core.source import Indices
from headrace.mux.runs import Runs
from headrace.nodes.crossing import Crossing, first_epoch
from headrace.nodes.ground import Slices, slice_of
from headrace.nodes.maps import Map, has_policies
from headrace.nodes.merged import merged
from headrace.nodes.node import Context, Node
from headrace.nodes.picked import Picked
from headrace.nodes.sharded import Sharded
from headrace.nodes.stamps import check_files, files, leaves
from headrace.workers.inline import Inline

if TYPE_CHECKING:
    from headrace.mux.flow import MuxFlow


@dataclass(frozen=True, eq=False)
class Branch:
    """A mux over Datasets, or over other such muxes, and the numbers of the Datasets below.

    Args:
        flow: The mux.
        first: The number of the first Dataset below.
        place: Its number among all muxes below the root.
        inner: What each stream is: its number as a Dataset, or a branch.
    """

    flow: MuxFlow
    first: int
    place: int
    inner: tuple[int | Branch, ...]

    @cached_property
    def plain(self) -> bool:
        """Whether all streams are Datasets."""
        return all(isinstance(one, int) for one in self.inner)

    @cached_property
    def numbers(self) -> Indices:
        """The number of the first Dataset below each stream: int64 ``(streams,)``."""
        return np.array([one if isinstance(one, int) else one.first for one in self.inner], np.int64)

    @cached_property
    def streams(self) -> Indices:
        """Which stream each Dataset below belongs to, from the first on: int64 ``(datasets,)``."""
        sizes = [1 if isinstance(one, int) else len(one.streams) for one in self.inner]
        return np.repeat(np.arange(len(self.inner)), sizes)


Stamps: TypeAlias = dict[tuple[int, ...], dict[str, str]]
"""Of files, by the sources that lie in them."""

Drawn: TypeAlias = tuple[Indices, Indices, Indices]
"""Records by the number of the Dataset, the position in it and the epoch: int64 ``(n,)`` each."""


@dataclass(frozen=True, eq=False)
class Ground:
    """The Datasets below a mux.

    Args:
        root: The mux, and how its streams are numbered.
        crossings: The Datasets, as they are gone through.
    """

    root: Branch
    crossings: tuple[Crossing, ...]

    @classmethod
    def of(cls, flow: MuxFlow) -> Ground | None:
        """Return those below a mux, where all its records can be drawn by arithmetic; else None."""
        found: list[Crossing] = []
        root = _branch(flow, found, count())
        return None if root is None else cls(root, tuple(found))

    @cached_property
    def lengths(self) -> Indices:
        """How many records an epoch of each has; 2**62 without an end, and where only one epoch is gone through."""
        return np.array([1 << 62 if one.epochs == 1 else max(_length(one), 1) for one in self.crossings], np.int64)

    @cached_property
    def single(self) -> bool:
        """Whether each is gone through for one epoch only."""
        return all(crossing.epochs == 1 for crossing in self.crossings)

    @cached_property
    def shared(self) -> Slices | None:
        """All as slices of one source; None where they are not."""
        return Slices.of([crossing.node for crossing in self.crossings])

    @cached_property
    def runs(self) -> Runs | None:
        """The columns of all, where they are alike and at hand; None where they are not."""
        found = [slice_of(crossing.node) for crossing in self.crossings]
        return Runs.of([one for one in found if one is not None]) if all(found) else None

    def first_epoch(self, number: int, epoch: int) -> int:
        """Return the epoch with which an activation of a Dataset begins."""
        return first_epoch(epoch, self.crossings[number].epochs)

    def read(self, drawn: Drawn, context: Context, alike: bool = True) -> Records:
        """Return records in the order in which they were drawn, the caller's own.

        Args:
            drawn: Which ones.
            context: Of the reader.
            alike: Whether a read of columns that differ is refused, since it would make them the same.

        Raises:
            Differing: It was refused.
            SchemaError: The columns do not fit together.
        """
        numbers, positions, epochs = drawn
        if self.shared is not None:
            return self.shared.leaf.read(At(self.shared.positions(numbers, positions)), context)
        if self.runs is not None:
            return self.runs.read(numbers, positions, context)
        order = np.argsort(numbers, kind="stable")
        which, starts = np.unique(numbers[order], return_index=True)
        places = np.split(order, starts[1:])
        parts = [
            self.crossings[number].node.read(At(positions[rows], epochs[rows]), context)
            for number, rows in zip(which.tolist(), places, strict=True)
        ]
        if len(parts) == 1:
            return _in_order(parts[0], places[0])
        if len({_kind(part) for part in parts}) > 1:
            if alike:
                raise Differing
            if len({_names(part) for part in parts}) == 1:  # then they are what records stacked one by one are
                parts = [Rows(part.rows()) for part in parts]
        return merged(parts, places)

    def place(self, number: int, epoch: int, given: int, known: Stamps) -> State:
        """Return the place in a Dataset as its own state says it: behind an epoch's last record, not in the next.

        Args:
            number: Which Dataset.
            epoch: With which it began.
            given: How many records it has given since.
            known: What is known of files from other places of one state; written to.
        """
        rounds, step = divmod(given - 1, int(self.lengths[number]))
        state: State = {"epoch": epoch + rounds, "base": 0, "step": step + 1, "size": 1, "count": 1}
        stamps = self._stamps(number, known)
        return {**state, "files": stamps} if stamps else state

    def _stamps(self, number: int, known: Stamps) -> dict[str, str]:
        """Return the stamps of a Dataset's files: each source is looked at once, one without files never again."""
        sources = self._sources[number]
        if sources is None:
            sources = self._sources[number] = tuple(id(leaf.source) for leaf in leaves(self.crossings[number].node))
        if self._fileless.issuperset(sources):
            return {}
        if sources not in known:
            known[sources] = files(self.crossings[number].node)
            if not known[sources]:
                self._fileless.update(sources)
        return known[sources]

    @cached_property
    def _sources(self) -> list[tuple[int, ...] | None]:
        return [None] * len(self.crossings)

    @cached_property
    def _fileless(self) -> set[int]:
        return set()

    def check(self, number: int, place: Any) -> None:
        """Refuse a place in a Dataset whose files have changed.

        Raises:
            StateError: They have.
        """
        check_files(self.crossings[number].node, place.get("files", {}))


class Differing(Exception):
    """Records of one read have columns of different dtypes: read apart they would be others than read together."""


def _names(records: Records) -> Any:
    return None if isinstance(records, Rows) else (records.structure, frozenset(records.batch._columns))


def _kind(records: Records) -> Any:
    if isinstance(records, Rows):
        return None
    columns = records.batch._columns
    return records.structure, tuple((name, _dtype(column)) for name, column in columns.items())


def _dtype(column: Any) -> Any:
    dtype = getattr(column, "dtype", None)
    return type(column), str(dtype), getattr(column, "shape", (0,))[1:] if isinstance(column, np.ndarray) else ()


def _in_order(records: Records, rows: Indices) -> Records:
    """Return records that were read for some rows in the order of these."""
    if (rows[1:] > rows[:-1]).all():
        return records
    return merged([records], [rows])


def _branch(flow: MuxFlow, found: list[Crossing], places: Iterator[int]) -> Branch | None:
    """Number the Datasets below a mux; None where something else lies there."""
    first, place = len(found), next(places)
    inner: list[int | Branch] = []
    for stream in range(flow.count):
        below: Any = flow.upstreams[stream]
        if type(below) is Crossing and _is_plain(below):
            inner.append(len(found))
            found.append(below)
        elif getattr(below, "ground", None) is not None and flow.length_of(stream) is not None:
            branch = _branch(below, found, places)
            if branch is None:
                return None
            inner.append(branch)
        else:
            return None
    return Branch(flow, first, place, tuple(inner))


def _is_plain(crossing: Crossing) -> bool:
    """Say whether the records of a Dataset are found by their positions alone, by nobody but the reader."""
    return (
        type(crossing.workers) is Inline
        and crossing.on_error == "raise"
        and crossing.lane == (0, 1)
        and not crossing.node.batched
        and not _is_shared(crossing.node)
        and (crossing.epochs is not None or crossing.node.length != 0)
        and not has_policies(crossing.node)
    )


def _is_shared(node: Node) -> bool:
    """Say whether several readers share the records: a shard is on top, or below what can stand on one."""
    while isinstance(node, Map | Picked):
        node = node.input
    return isinstance(node, Sharded)


def _length(crossing: Crossing) -> int:
    length = crossing.node.length
    return 1 << 62 if length is None else length
