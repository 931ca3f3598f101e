"""Functions of the user's, applied to records: one by one, or a batch at a time."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from time import perf_counter
from typing import Any, ClassVar

import numpy as np

from headrace.core.address import At
from headrace.core.callables import code_of, failure, name_of
from headrace.core.errors import ArgumentError, HeadraceError, RecordError, SchemaError
from headrace.core.failures import SKIP, SKIP_RETURNED, OnError
from headrace.core.owning import owned, share
from headrace.core.records import Columns, Records, Rows, stacked, to_columns, wrap
from headrace.core.rowgenerator import RowGenerator
from headrace.core.seeds import KeyedGenerator, key
from headrace.core.source import Indices
from headrace.core.stacker import Stacker
from headrace.nodes.batched import Batched
from headrace.nodes.forgive import settle
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
        on_error: What becomes of records that it fails on; None for what the stream says.
    """

    function: Callable[..., Any]
    seed: int | None
    place: int
    on_error: OnError | None = None

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

    def _failed(self, at: At, error: Exception) -> RecordError:
        """Say on which record, where and in which step the user's function failed."""
        epoch, position = _each(at)[0], int(at.positions[0])
        ids = self.input.ids(at)
        if self.batched:
            where = f"batch {position} of epoch {epoch}, {_some(ids)}"
        else:
            where = f"record {int(ids[0])} (epoch {epoch}, position {position})"
        return RecordError(failure(self.words(), self.function, where, error))


class RecordMap(Map):
    """A function of one record."""

    kind = "map"

    def read(self, at: At, context: Context) -> Records:
        return self._kept([], self._made(at, context), at, context)

    def read_stacked(self, at: At, context: Context) -> Records:
        """Return the records as columns, each stacked as soon as it is made, where that can be done."""
        made = self._made(at, context)
        first = next(made)
        stacker = Stacker.of(len(at.positions), first, context.buffers.new)
        if stacker is None:
            return self._kept([first], made, at, context)
        stacker.add(first)
        del first  # its memory is there for those that follow
        for value in made:
            if not stacker.add(value):
                return Rows([*stacker.records(), owned(value), *map(owned, made)])
        return stacker.columns()

    def _kept(self, begun: list[Any], made: Iterator[Any], at: At, context: Context) -> Rows:
        """Return the records as they are, none of which shares memory with another one."""
        values = [*begun, *made]
        if len(values) == 1:
            return Rows([owned(values[0])])
        if share(values[:2] + values[2:][-1:]):
            # a function that fills one array again and again: once more, keeping what it held each time
            values = [owned(value) for value in self._made(at, context)]
        return Rows(values)

    def _made(self, at: At, context: Context) -> Iterator[Any]:
        """Give what the function makes of each record, as it is made."""
        rows = self.input.read(at, context).rows()
        began = perf_counter()
        if self.seed is None:
            for place, row in enumerate(rows):
                try:
                    value = self.function(row)
                    if value is SKIP:
                        raise ArgumentError(SKIP_RETURNED)
                except Exception as error:
                    value = self._settled(at, place, row, error, context)
                yield value
        else:
            generator = KeyedGenerator(self.seed, "map", self.place)
            keys = zip(_each(at), _keys(self.input, at).tolist(), strict=True)
            for place, (row, (epoch, position)) in enumerate(zip(rows, keys, strict=True)):
                try:
                    value = self.function(row, generator.at(epoch, position))
                    if value is SKIP:
                        raise ArgumentError(SKIP_RETURNED)
                except Exception as error:
                    value = self._settled(at, place, row, error, context)
                yield value
        context.lap(self, "map", len(rows), began)

    def _settled(self, at: At, place: int, row: Any, error: Exception, context: Context) -> Any:
        """Return what a policy puts in the place of a record that the function failed on."""
        one = At(at.positions[place : place + 1], _each(at)[place])
        policy = context.on_error if self.on_error is None else self.on_error
        if policy not in ("raise", "skip"):
            row = self.input.read(one, context).rows()[0]  # the function may have written to the one that it had

        def again() -> Any:
            fresh = self.input.read(one, context).rows()[0]
            if self.seed is None:
                return self.function(fresh)
            generator = KeyedGenerator(self.seed, "map", self.place)
            return self.function(fresh, generator.at(_each(one)[0], int(_keys(self.input, one)[0])))

        return settle(self, self.on_error, error, self._failed(one, error), one, context, row, again)


class BatchMap(Map):
    """A function of a batch, row-wise by contract: what it makes of a row does not depend on the rows beside it."""

    kind = "map_batches"

    def read(self, at: At, context: Context) -> Records:
        if not len(at.positions):
            return Rows([])  # no function is asked what it makes of nothing
        batch = to_columns(self.input.read(at, context)).unwrap()
        began = perf_counter()
        try:
            made = self._made(batch, at)
        except Exception as error:
            return self._settled(at, error, context)
        context.lap(self, "map", len(at.positions), began)
        return self._checked(made, at)

    def _made(self, batch: Any, at: At) -> Any:
        if self.seed is None:
            return self.function(batch)
        return self.function(batch, RowGenerator(key(self.seed, "map_batches", self.place), at.epochs, at.positions))

    def _settled(self, at: At, error: Exception, context: Context) -> Records:
        """Return what a policy puts in the place of records that the function failed on."""
        where = f"a batch of {len(at.positions)} records, {_some(self.input.ids(at))}"
        failed = RecordError(failure(self.words(), self.function, where, error))
        policy = context.on_error if self.on_error is None else self.on_error
        row = None if policy == "raise" or len(at.positions) > 1 else self.input.read(at, context).rows()[0]

        def again() -> Records:
            return self._checked(self._made(to_columns(self.input.read(at, context)).unwrap(), at), at)

        value = settle(self, self.on_error, error, failed, at, context, row, again)
        return value if isinstance(value, Columns) else stacked([value])

    def _checked(self, made: Any, at: At) -> Columns:
        """Return what the function made as columns."""
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


def has_policies(node: Node) -> bool:
    """Say whether a map in a chain has a policy of its own for records that it fails on."""
    return (isinstance(node, Map) and node.on_error is not None) or any(map(has_policies, node.inputs))
