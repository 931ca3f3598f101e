"""Several nodes as one: one after the other, mixed by weights, or side by side."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import islice
from typing import Literal

import numpy as np

from headrace.core.address import At
from headrace.core.batch import Batch
from headrace.core.errors import ArgumentError, EndlessError, SchemaError
from headrace.core.fields import packed
from headrace.core.quotas import quotas
from headrace.core.records import Columns, Records, Rows
from headrace.core.schedule import Mixture
from headrace.core.schema import Field, Schema
from headrace.core.source import Indices
from headrace.nodes.ground import Slices, positions_of, shared_leaf
from headrace.nodes.leaf import Leaf
from headrace.nodes.merged import merged
from headrace.nodes.node import Context, Node
from headrace.nodes.search import ROUNDS, search


@dataclass(frozen=True, eq=False)
class Joined:
    """What is common to nodes over several others."""

    inputs: tuple[Node, ...]

    @cached_property
    def sources(self) -> tuple[Leaf, ...]:
        distinct: dict[int, Leaf] = {}
        for node in self.inputs:
            for leaf in node.sources:
                distinct.setdefault(id(leaf.source), leaf)
        return tuple(distinct.values())

    @property
    def universe(self) -> int:
        return sum(leaf.length for leaf in self.sources)

    @cached_property
    def _numbering(self) -> list[tuple[Indices, Indices]]:
        """For each input: where each of its sources begins in its own numbers, and how far ours are from these."""
        begins = np.cumsum([0, *(leaf.length for leaf in self.sources)])
        home = {id(leaf.source): int(begin) for leaf, begin in zip(self.sources, begins, strict=False)}
        numbering = []
        for node in self.inputs:
            own = np.cumsum([0, *(leaf.length for leaf in node.sources)], dtype=np.int64)
            ours = np.array([home[id(leaf.source)] for leaf in node.sources], np.int64)
            numbering.append((own, ours - own[:-1]))
        return numbering

    def _ids_of(self, place: int, at: At) -> Indices:
        """Return the source records under addresses of an input."""
        ids = self.inputs[place].ids(at)
        begins, shifts = self._numbering[place]
        numbered: Indices = ids + (shifts[0] if len(shifts) == 1 else shifts[begins.searchsorted(ids, "right") - 1])
        return numbered

    def _owners(self, record: int) -> Iterator[tuple[int, int]]:
        """Give each input that holds the source of a record, and the record's number there."""
        for place, (begins, shifts) in enumerate(self._numbering):
            for begin, end, shift in zip(begins.tolist(), begins[1:].tolist(), shifts.tolist(), strict=False):
                if begin <= record - shift < end:
                    yield place, record - shift

    @property
    def batched(self) -> bool:
        return any(node.batched for node in self.inputs)

    def code(self) -> tuple[str, ...]:
        lines: dict[str, None] = {}  # a function that all inputs share is one line
        for node in self.inputs:
            lines.update(dict.fromkeys(node.code()))
        return tuple(lines)

    def moves(self) -> str | None:
        return next((moved for moved in (node.moves() for node in self.inputs) if moved), None)

    @property
    def once(self) -> bool:
        apart = sum(len(node.sources) for node in self.inputs) == len(self.sources)
        return apart and all(node.once for node in self.inputs)

    def inputs_order(self) -> tuple[str, ...]:
        return tuple(f"{place}: {' | '.join(node.order())}" for place, node in enumerate(self.inputs))


class Switched(Joined):
    """Each position belongs to one of the inputs."""

    def route(self, at: At) -> tuple[Indices, Indices, Indices | int]:
        """Return which input each address belongs to, the position there and the epoch there: each shape (k,)."""
        raise TypeError(f"{type(self).__name__} does not say where its records lie")

    def _parts(self, at: At) -> list[tuple[int, Indices, At]]:
        """Group addresses by input: its place, the rows of the result that it fills, its addresses."""
        if not len(at.positions):
            return []
        places, positions, epochs = self.route(at)
        grouped = np.argsort(places, kind="stable")
        which, starts = np.unique(places[grouped], return_index=True)
        parts = []
        for place, rows in zip(which.tolist(), np.split(grouped, starts[1:]), strict=True):
            parts.append((place, rows, At(positions[rows], epochs if isinstance(epochs, int) else epochs[rows])))
        return parts

    def read(self, at: At, context: Context) -> Records:
        if len(at.positions) == 0:
            return self.inputs[0].read(At(at.positions), context)
        if self._slices is not None:
            places, positions, _ = self.route(at)
            return self._slices.leaf.read(At(self._slices.positions(places, positions)), context)
        parts = [(self.inputs[place], rows, below) for place, rows, below in self._parts(at)]
        if self._leaf is not None:
            return self._leaf.read(At(positions_of(parts, len(at.positions))), context)
        read = [node.read(below, context) for node, _, below in parts]
        return read[0] if len(parts) == 1 else merged(read, [rows for _, rows, _ in parts])

    @cached_property
    def _slices(self) -> Slices | None:
        return Slices.of(self.inputs)

    @cached_property
    def _leaf(self) -> Leaf | None:
        return shared_leaf(self.inputs)

    def ids(self, at: At) -> Indices:
        if self.batched and len(at.positions) > 1:  # each address has many ids
            epochs = np.broadcast_to(np.asarray(at.epochs, np.int64), at.positions.shape).tolist()
            steps = zip(np.split(at.positions, len(at.positions)), epochs, strict=True)
            return np.concatenate([self.ids(At(step, epoch)) for step, epoch in steps])
        if self._slices is not None and len(at.positions):  # of one source, whose own numbers are the ids
            places, positions, _ = self.route(at)
            return self._slices.positions(places, positions)
        parts = [(rows, self._ids_of(place, below)) for place, rows, below in self._parts(at)]
        if len(parts) == 1:
            return parts[0][1]
        result = np.empty(len(at.positions), np.int64)
        for rows, ids in parts:
            result[rows] = ids
        return result

    def schema(self) -> Schema | None:
        return check_alike(self.inputs, self.words())

    def words(self) -> str:
        return f"{type(self).__name__.lower()} of {len(self.inputs)}"


class Concat(Switched):
    """One after the other."""

    @cached_property
    def starts(self) -> Indices:
        """Where each input begins, and the end: shape (inputs + 1,)."""
        lengths: list[int] = []
        for place, node in enumerate(self.inputs):
            if node.length is None:
                raise EndlessError(f"concat: part {place} has no end, so nothing comes after it: take(n) of it first")
            lengths.append(node.length)
        return np.cumsum([0, *lengths], dtype=np.int64)

    @property
    def length(self) -> int:
        return int(self.starts[-1])

    def route(self, at: At) -> tuple[Indices, Indices, Indices | int]:
        places = np.searchsorted(self.starts, at.positions, side="right") - 1
        return places, at.positions - self.starts[places], at.epochs

    def find(self, record: int, epoch: int) -> int | None:
        for place, number in self._owners(record):
            found = self.inputs[place].find(number, epoch)
            if found is not None:
                return int(self.starts[place]) + found
        return None

    def order(self) -> tuple[str, ...]:
        return (*self.inputs_order(), "concat")

    def varies(self) -> str | None:
        return next((varied for varied in (node.varies() for node in self.inputs) if varied), None)


@dataclass(frozen=True, eq=False)
class Mix(Switched):
    """Mixed by exact quotas."""

    weights: tuple[float, ...]
    stop: Literal["first", "longest"]
    rounds: int | None = None

    def check(self) -> None:
        """Answer weights that do not fit now, and not at the first read; lengths are not asked for yet.

        Raises:
            ArgumentError: They are too many or too few, negative, not finite, or all 0; or ``stop`` is unknown.
        """
        if len(self.weights) != len(self.inputs):
            raise ArgumentError(f"mix: {len(self.inputs)} datasets need as many weights, got {len(self.weights)}")
        quotas(self.weights)
        if self.stop not in ("first", "longest"):
            raise ArgumentError(f"mix: stop must be 'first' or 'longest', got {self.stop!r}")

    @cached_property
    def mixture(self) -> Mixture:
        """Which input each position draws from."""
        return Mixture(tuple(node.length for node in self.inputs), self.weights, self.stop, self.rounds)

    @property
    def length(self) -> int | None:
        return self.mixture.length

    def route(self, at: At) -> tuple[Indices, Indices, Indices | int]:
        places, positions, epochs = self.mixture(at)
        return places, positions, at.epochs if self.stop == "first" else epochs

    def find(self, record: int, epoch: int) -> int | None:
        owners = list(self._owners(record))
        if self.stop == "longest" and not all(self.inputs[place].once for place, _ in owners):
            return search(self, record, epoch)
        found = [self._find_in(place, number, epoch) for place, number in owners]
        return min((position for position in found if position is not None), default=None)

    def _find_in(self, place: int, number: int, epoch: int) -> int | None:
        for below_epoch in islice(self.mixture.epochs(place, epoch), ROUNDS):
            position = self.inputs[place].find(number, below_epoch)
            found = None if position is None else self.mixture.find(place, position, below_epoch, epoch)
            if found is not None:
                return found
        return None

    @property
    def once(self) -> bool:
        return self.stop == "first" and super().once

    def order(self) -> tuple[str, ...]:
        return (*self.inputs_order(), self.mixture.text())

    def moves(self) -> str | None:
        return super().moves() or (self.words() if self.stop == "longest" else None)

    def varies(self) -> str | None:
        return self.words() if self.moves() is not None else None

    def words(self) -> str:
        return f"mix of {len(self.inputs)}"


class Zip(Joined):
    """Side by side: a record is a tuple with one of each; as long as the shortest."""

    @cached_property
    def length(self) -> int | None:
        lengths = [node.length for node in self.inputs]
        return min((length for length in lengths if length is not None), default=None)

    @property
    def sources(self) -> tuple[Leaf, ...]:
        return self.inputs[0].sources

    def read(self, at: At, context: Context) -> Records:
        read = [node.read(at, context) for node in self.inputs]
        if all(isinstance(records, Columns) for records in read):
            sides = [packed(records.unwrap()) for records in read if isinstance(records, Columns)]
            return Columns(
                Batch._of({str(place): side for place, side in enumerate(sides)}, len(at.positions)), "tuple"
            )
        return Rows(list(zip(*(records.rows() for records in read), strict=True)))

    def ids(self, at: At) -> Indices:
        return self.inputs[0].ids(at)

    def find(self, record: int, epoch: int) -> int | None:
        found = self.inputs[0].find(record, epoch)
        return found if found is not None and (self.length is None or found < self.length) else None

    @property
    def once(self) -> bool:
        return self.inputs[0].once

    def schema(self) -> Schema | None:
        sides: dict[str, Field] = {}
        for place, node in enumerate(self.inputs):
            known = node.schema()
            if known is None:
                return None
            nested = Field("", (), "tuple" if known.structure == "tuple" else "batch", known.fields)
            sides[str(place)] = known.fields["value"] if known.structure == "value" else nested
        return Schema("tuple", sides)

    def order(self) -> tuple[str, ...]:
        return (*self.inputs_order(), "zip")

    def varies(self) -> str | None:
        return self.words() if self.moves() is not None else None

    def words(self) -> str:
        return f"zip of {len(self.inputs)}"


def check_alike(nodes: Sequence[Node], what: str) -> Schema | None:
    """Return the schema that all nodes share; None where one is not known without reading.

    Raises:
        SchemaError: Two known schemas differ in structure, names, dtypes or row shapes.
    """
    first: Schema | None = None
    known = True
    for place, node in enumerate(nodes):
        schema = node.schema()
        if schema is None:
            known = False
        elif first is None:
            first = schema
        elif schema != first:
            raise SchemaError(
                f"{what}: records must be alike; part {place} has {schema}, an earlier one has {first}: "
                "select(), rename() or map() them to one schema first"
            )
    return first if known else None
