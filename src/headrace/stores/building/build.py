"""A version's parts, made from records that can be read by their numbers: by workers, and not twice."""

from __future__ import annotations

from collections.abc import Callable, Generator, Iterator
from dataclasses import dataclass
from pathlib import Path
from time import perf_counter

from headrace.core.errors import SchemaError
from headrace.core.records import Records, concat
from headrace.core.schema import Structure
from headrace.stores.building.journal import Journal
from headrace.stores.building.reading import FIRST, Block, Read, blocks
from headrace.stores.building.safety import Safety
from headrace.stores.building.stages import About
from headrace.stores.layout import Layout
from headrace.stores.manifest import Part
from headrace.stores.parts import Finished, Writer
from headrace.workers.inline import Inline
from headrace.workers.work import Workers

_FEWEST = 16  # of the first records decide what the columns are, where they are slow
_SLOW = 2.0  # seconds after which they are


@dataclass(frozen=True)
class Built:
    """What was written.

    Args:
        structure: What a record is.
        layout: Of the columns.
        parts: Where the records lie, each in a folder of the stage that has its digest for a name.
        kept: How many records another writer had written, which died.
    """

    structure: Structure
    layout: Layout
    parts: tuple[Part, ...]
    kept: int = 0


def build(
    stage: Path,
    read: Read,
    length: int,
    part_bytes: int | None = None,
    workers: Workers | None = None,
    about: About | None = None,
    told: Callable[[int], object] | None = None,
    allow_pickle: bool = False,
    finished: Finished | None = None,
) -> Built:
    """Write records into parts, reading none of those that are in the stage already.

    Workers read ahead; the records are written here, in order, so parts, files and errors are the same whoever reads.
    Every now and then what is written is made safe, and noted in the stage's journal: when this process dies, the next
    one that writes the same goes on from there. A few seconds of work are lost at most, and a few hundredths of it all.

    Args:
        stage: The folder, which is this writer's alone; see ``stages``.
        read: Gives records by their numbers.
        length: How many there are.
        part_bytes: About how large a part becomes; None for one part.
        workers: Who reads.
        about: What is written; None where another writer could not know whether it writes the same.
        told: Called with the number of records that have been written since the last call.
        allow_pickle: Whether objects that are nothing else are pickled.
        finished: Told of each part when the next one begins.

    Raises:
        SchemaError: A record does not fit those before it; it is named. What was written is of no use to anybody.
        StoreError: They cannot be written.
        WorkerError: A worker died.
        Exception: What ``read`` raised. What was written before is kept for the next one.
    """
    journal = None if about is None else Journal(stage, about.to_json())
    durable = journal is not None or finished is None  # what is sent elsewhere need not outlive this machine
    with Writer(stage, length, part_bytes, told, allow_pickle, finished, durable) as writer:
        safety = Safety(writer, journal)
        kept = safety.restore(told)
        reading = _whole_first(blocks(read, kept, length, workers or Inline()), length)
        try:
            while (block := _next(reading, safety)) is not None:
                _append(writer, block)
                del block  # it may be memory that a worker waits for
                safety.tick()
        except SchemaError:
            safety.drop()
            raise
        finally:
            reading.close()
        safety.seal()
        parts = tuple(writer.finish())
    return Built(writer.structure, writer.layout, parts, kept)


def _next(reading: Iterator[Block], safety: Safety) -> Block | None:
    """Return the next block; when there is an error instead, what is written is made safe first."""
    try:
        return next(reading, None)
    except BaseException:
        safety.save()
        raise


def _append(writer: Writer, block: Block) -> None:
    """Write a block. Records that workers made columns of are read again for a message that names the one at fault."""
    before = writer.length
    try:
        writer.append(block.records)
    except SchemaError:
        if block.read is not None and writer.length == before:
            again = block.read(*block.span)
            writer.append(again)
        raise


def _whole_first(reading: Iterator[Block], length: int) -> Generator[Block, None, None]:
    """Put the first records together, which decide what the columns are; fewer of them if they are slow."""
    first: list[Block] = []
    began = perf_counter()
    for block in reading:
        if block.span.start >= FIRST or (not first and block.span.start):
            yield block
            continue
        first.append(block)
        count = block.span.stop
        if count >= min(FIRST, length) or (count >= _FEWEST and perf_counter() - began > _SLOW):
            yield Block(first[0].span._replace(stop=count), _together(first), first[0].read)
            first = []


def _together(parts: list[Block]) -> Records:
    records: Records = concat([block.records for block in parts])
    return records
