"""What a user hands over to be written, as blocks of records."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np

from headrace.core.address import At
from headrace.core.batch import Batch
from headrace.core.errors import ArgumentError, EndlessError
from headrace.core.flow import Flow
from headrace.core.records import Columns, Records, wrap
from headrace.dataset import Dataset
from headrace.loaders.find import is_function, records_of
from headrace.loaders.found import Found
from headrace.nodes.crossing import Crossing
from headrace.nodes.leaf import Leaf
from headrace.nodes.node import Context, Node
from headrace.nodes.reading import Reading
from headrace.nodes.show import chain
from headrace.stages.batch import Batched
from headrace.stages.flat_map import FlatMap
from headrace.stages.stage import below, is_endless
from headrace.stages.unbatch import Unbatch
from headrace.stores.blocks import blocks
from headrace.stores.parts import CHUNK_BYTES, Writer
from headrace.stream import Stream
from headrace.workers.work import Place

_MOST_RECORDS = 1 << 16  # read together for writing, however small they are
_FIRST = 64  # records read to see how large they are


@dataclass(frozen=True)
class Feed:
    """Where records come from when they are written.

    Args:
        read: Gives them, once; is told the writer, to see how large they are.
        rows: How many there will be, where that is known beforehand.
        node: Gives them by their numbers, in any order and again; None where they only flow.
        at_hand: Whether they lie there as columns, so that reading them takes no work.
    """

    read: Callable[[Writer], Iterator[Records]]
    rows: int | None = None
    node: Node | None = None
    at_hand: bool = False

    def identity(self) -> str:
        """Return a digest of what the records are made of; empty where it cannot be told, or they are at hand."""
        if self.node is None or self.at_hand:
            return ""
        from headrace.keys import key_of  # with all that reads code

        try:
            return key_of(self.node).digest
        except ArgumentError:
            return ""


@dataclass(frozen=True)
class ByNumber:
    """Records of a node by their numbers, for workers.

    Args:
        node: What is read, in its epoch 0.
    """

    node: Node

    def __call__(self, start: int, stop: int) -> Records:
        return self.node.read(At(np.arange(start, stop, dtype=np.int64)), Context())

    def share(self, place: Place) -> None:
        """Hold the large arrays of the sources in memory that processes share."""
        Reading(self.node).share(place)

    def words(self) -> str:
        """Return the chain as text."""
        return chain(self.node)


def feed_of(data: Any, batches: bool = False) -> Feed:
    """Return how to read what was handed over.

    Args:
        data: A Dataset, a Stream, what a Dataset takes, a loader of another library, or a function that returns one.
        batches: Whether batches are records.
    """
    if is_function(data):
        return feed_of(data(), batches)
    if isinstance(data, Dataset):
        return _of_node(data._node, batches)
    if isinstance(data, Stream):
        return _of_stream(data, batches)
    data = records_of(data, batches)
    if isinstance(data, Found):
        found = data
        return Feed(lambda writer: blocks(found.items()), found.rows)
    if isinstance(data, tuple):
        if not data:
            raise ArgumentError("no data: the tuple has no columns")
        columns = wrap(data)
        return Feed(lambda writer: iter([columns]), len(columns))
    if isinstance(data, Iterable) and not hasattr(data, "__len__"):
        return Feed(lambda writer: blocks(data))
    return _of_node(Dataset(data)._node)


def _of_node(node: Node, batches: bool = False) -> Feed:
    length = node.length
    if length is None:
        raise EndlessError("an endless dataset cannot be written: take(n) of it first")
    if batches:
        _check_batches(node.batched)
        return Feed(lambda writer: blocks(map(_record, _batches(node, length))), length)
    if node.batched:
        return Feed(lambda writer: blocks(_batches(node, length), batched=True))
    if isinstance(node, Leaf) and node.columns is not None:
        columns = Columns(node.columns, node.structure)
        return Feed(lambda writer: iter([columns]), length, node, at_hand=True)
    return Feed(lambda writer: _read(node, length, writer), length, node)


def _batches(node: Node, length: int) -> Iterator[Any]:
    context = Context()
    for step in range(length):
        yield node.read(At(np.array([step], np.int64)), context).rows()[0]


def _read(node: Node, length: int, writer: Writer) -> Iterator[Records]:
    """Read records in order, as many together as make a good piece to write."""
    context = Context()
    start, step = 0, _FIRST
    while start < length or start == 0:  # of no records the columns are read all the same
        stop = min(start + step, length)
        yield node.read(At(np.arange(start, stop, dtype=np.int64)), context)
        start = max(stop, 1)
        if writer.size:
            step = min(max(1, CHUNK_BYTES * writer.length // writer.size), _MOST_RECORDS)


def _check_batches(batched: bool) -> None:
    if not batched:
        raise ArgumentError("batches=True, but there are no batches: batch(n) it first")


def _record(batch: Any) -> Any:
    """Return a batch as one record."""
    if isinstance(batch, Batch):
        return {name: _record(column) for name, column in batch.items()}
    return tuple(map(_record, batch)) if isinstance(batch, tuple) else batch


def _of_stream(stream: Stream, batches: bool = False) -> Feed:
    flow = stream._flow
    if is_endless(flow):
        raise EndlessError("an endless stream cannot be written: take(n) of it first")
    if batches:
        _check_batches(_gives_batches(flow))

    def read(writer: Writer) -> Iterator[Records]:
        with iter(stream) as items:
            if batches:
                yield from blocks(map(_record, items))
            else:
                yield from blocks(items, _gives_batches(flow))

    return Feed(read, None if _gives_batches(flow) and not batches else flow.length())


def _gives_batches(flow: Flow) -> bool:
    """Tell whether items are batches: they are after a ``batch``, until something takes them apart."""
    if isinstance(flow, Crossing):
        return flow.node.batched
    if isinstance(flow, Batched):
        return True
    return not isinstance(flow, Unbatch | FlatMap) and any(map(_gives_batches, below(flow)))
