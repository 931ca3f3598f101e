"""Functions of the user's, applied to records: one by one, or a batch at a time."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, ClassVar, NoReturn

import numpy as np

from headrace.core.address import At
from headrace.core.callables import code_of, failure, name_of
from headrace.core.errors import HeadraceError, RecordError, SchemaError
from headrace.core.owning import owned, share
from headrace.core.records import Records, Rows, to_columns, wrap
from headrace.core.rowgenerator import RowGenerator
from headrace.core.seeds import KeyedGenerator, key
from headrace.core.source import Indices
from headrace.nodes.batched import Batched
from headrace.nodes.node import Context, Node, Over
from headrace.nodes.picked import Picked
from headrace.nodes.sharded import Sharded


@dataclass(frozen=True, eq=False)
class Map(Over, ABC):
    """What is common to both kinds of map; abstract.

    Args:
        input: The node below.
        function: The user's.
        seed: With one, the function is given a generator, keyed by (seed, ``place``, epoch, position).
        place: How many maps lie below, so that two maps with one seed draw different numbers.
    """

    function: Callable[..., Any]
    seed: int | None
    place: int

    kind: ClassVar[str]

    def __post_init__(self) -> None:
        code_of(self.function)  # asked for before it runs: what it closes over may change then

    @abstractmethod
    def read(self, at: At, context: Context) -> Records:
        """Return what the function makes of the records below."""

    def words(self) -> str:
        seeded = "" if self.seed is None else f", seed={self.seed}"
        return f"{self.kind}({name_of(self.function)}{seeded})"

    def schema(self) -> None:
        return None

    def code(self) -> tuple[str, ...]:
        return (*self.input.code(), f"{self.words()} {code_of(self.function)}")

    def _fail(self, at: At, row: int, error: Exception) -> NoReturn:
        """Say on which record, where and in which step the user's function failed."""
        epoch, position = _each(at)[row], int(at.positions[row])
        ids = self.input.ids(At(at.positions[row : row + 1], epoch))
        if self.batched:
            where = f"batch {position} of epoch {epoch}, {_some(ids)}"
        else:
            where = f"record {int(ids[0])} (epoch {epoch}, position {position})"
        raise RecordError(failure(self.words(), self.function, where, error)) from error


class RecordMap(Map):
    """A function of one record."""

    kind = "map"

    def read(self, at: At, context: Context) -> Records:
        alone = len(at.positions) == 1
        made = self._made(at, context, copies=alone)
        if not alone and share(made[:2] + made[2:][-1:]):
            # a function that fills one array again and again: once more, keeping what it held each time
            made = self._made(at, context, copies=True)
        return Rows(made)

    def _made(self, at: At, context: Context, copies: bool = False) -> list[Any]:
        rows = self.input.read(at, context).rows()
        made: list[Any] = []
        try:
            if self.seed is None:
                for row in rows:
                    value = self.function(row)
                    made.append(owned(value) if copies else value)
            else:
                generator = KeyedGenerator(self.seed, "map", self.place)
                for row, epoch, position in zip(rows, _each(at), _keys(self.input, at).tolist(), strict=True):
                    value = self.function(row, generator.at(epoch, position))
                    made.append(owned(value) if copies else value)
        except Exception as error:
            self._fail(at, len(made), error)
        return made


class BatchMap(Map):
    """A function of a batch, row-wise by contract: what it makes of a row does not depend on the rows beside it."""

    kind = "map_batches"

    def read(self, at: At, context: Context) -> Records:
        if not len(at.positions):
            return Rows([])  # no function is asked what it makes of nothing
        batch = to_columns(self.input.read(at, context)).unwrap()
        try:
            if self.seed is None:
                made = self.function(batch)
            else:
                made = self.function(
                    batch, RowGenerator(key(self.seed, "map_batches", self.place), at.epochs, at.positions)
                )
        except Exception as error:
            where = f"a batch of {len(at.positions)} records, {_some(self.input.ids(at))}"
            raise RecordError(failure(self.words(), self.function, where, error)) from error
        try:
            columns = wrap(made)
        except HeadraceError as error:
            error.add_note(f"in what {self.words()} returned")
            raise
        if len(columns) != len(at.positions):
            raise SchemaError(
                f"{self.words()} was given {len(at.positions)} rows and returned {len(columns)}: it must return a row "
                "for each; use filter() to leave records out, stream().flat_map() to make several of one"
            )
        return columns


def _keys(node: Node, at: At) -> Indices:
    """Return what keys the random numbers of each item: its position, or, of a batch, that of its first record.

    The position is that before a shard: two readers number their batches alike, and would draw the same for both.
    """
    while isinstance(node, Map | Picked):
        node = node.input
    if not isinstance(node, Batched):
        return at.positions
    first, below = at.positions * node.size, node.input
    while isinstance(below, Picked):
        below = below.input
    return first * below.count + (below.base + below.index) if isinstance(below, Sharded) else first


def _each(at: At) -> list[int]:
    if isinstance(at.epochs, int):
        return [at.epochs] * len(at.positions)
    return [int(epoch) for epoch in np.asarray(at.epochs).tolist()]


def _some(ids: Indices) -> str:
    shown = ", ".join(map(str, ids[:5].tolist()))
    return f"{'record' if len(ids) == 1 else 'records'} {shown}{', ...' if len(ids) > 5 else ''}"
