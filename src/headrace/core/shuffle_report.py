"""What an order fetches, and how random it is, for a person to read before anything is read."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import asdict, dataclass
from html import escape
from typing import Any

from headrace.core.amounts import text_of
from headrace.core.report import _aligned, _html_table
from headrace.core.shuffle_quality import Quality

_FIGURES = (
    "fetches of blocks",
    "fetches of each block",
    "blocks of one reader",
    "bytes fetched by one reader",
    "blocks held at once",
    "bytes held at once",
)
_MEASURES = ("spread: blocks in a batch", "displacement of records", "independence in a batch")


@dataclass(frozen=True)
class Fetching:
    """What readers fetch in an epoch, each through a cache of its own that holds whole blocks.

    Args:
        fetches: How often a block is fetched, all readers together.
        amplification: The same for each block, in the mean: 1 where each is fetched once.
        reader_blocks: How many different blocks one reader reads from, at most.
        reader_bytes: How many bytes one reader fetches, at most.
        held_blocks: How many blocks one reader holds at once, at most.
        held_bytes: How many bytes these have.
    """

    fetches: int
    amplification: float
    reader_blocks: int
    reader_bytes: int
    held_blocks: int
    held_bytes: int

    def figures(self) -> list[str]:
        """Return all of it as text."""
        return [
            f"{self.fetches:,}",
            f"{self.amplification:,.3g}" if self.amplification < 1000 else f"{self.amplification:,.0f}",
            f"{self.reader_blocks:,}",
            text_of(self.reader_bytes),
            f"{self.held_blocks:,}",
            text_of(self.held_bytes),
        ]


@dataclass(frozen=True)
class ShuffleReport:
    """An order before it runs: ``print`` it, show it in a notebook, or keep ``to_dict``.

    Args:
        order: What decides about it, as it is written.
        records: In an epoch.
        blocks: In which these lie.
        nbytes: That the blocks have.
        distinct: The same with what several blocks share counted once.
        largest: Bytes of the largest block.
        readers: Who share the epoch.
        batch: Records in a batch, for the measures.
        memory: Bytes that one reader holds at most.
        lanes: Of a block shuffle; None of other orders.
        windows: In an epoch, all lanes together.
        window_records: The most that a window has.
        window_bytes: The most that a window's blocks have.
        fetching: What is fetched.
        shuffled: What a true shuffle would fetch: an estimate, as if each record were drawn from all at random.
        quality: How random it is.
    """

    order: str
    records: int
    blocks: int
    nbytes: int
    distinct: int
    largest: int
    readers: int
    batch: int
    memory: int
    lanes: int | None
    windows: int | None
    window_records: int | None
    window_bytes: int | None
    fetching: Fetching
    shuffled: Fetching
    quality: Quality

    @property
    def read_amplification(self) -> float:
        """How often each byte is fetched, all readers together, in the mean: 1 where none is fetched twice."""
        if self.lanes is None:  # followed chunk by chunk
            return self.fetching.reader_bytes * self.readers / max(self.distinct, 1)
        return self.nbytes / max(self.distinct, 1) * self.fetching.amplification

    def lines(self) -> Iterator[str]:
        """Give what is to be said beside the table, a sentence each."""
        mean = text_of(self.nbytes / self.blocks) if self.blocks else "0 B"
        blocks = "1 block" if self.blocks == 1 else f"{self.blocks:,} blocks"
        yield (
            f"{self.records:,} records in {blocks} of {mean} ({text_of(self.nbytes)}), the largest "
            f"{text_of(self.largest)}."
        )
        if self.lanes is not None and self.windows and self.window_records and self.window_bytes is not None:
            lanes = "One lane" if self.lanes == 1 else f"{self.lanes} lanes in turns"
            yield (
                f"{lanes}, {self.windows:,} windows of up to {self.window_records:,} records "
                f"({text_of(self.window_bytes)})."
            )
            if self.lanes % self.readers:
                better = -(-self.lanes // self.readers) * self.readers
                yield (
                    f"{self.lanes} lanes cannot be shared evenly by {self.readers} readers, so each fetches nearly all "
                    f"blocks: with lanes={better} each has blocks of its own."
                )
        if self.distinct < self.nbytes:
            yield (
                f"Records lie across borders, so that blocks share some of what is fetched: {text_of(self.distinct)} "
                f"are there, and each byte is fetched {self.read_amplification:.3g} times."
            )
        if self.fetching.amplification > 2 * self.readers and self.lanes is None:
            yield "Blocks are fetched again and again: block_shuffle(memory=...) fetches each once."

    def table(self) -> list[list[str]]:
        """Return a row for each figure, of this order and of a true shuffle."""
        sides = zip(_FIGURES, self.fetching.figures(), self.shuffled.figures(), strict=True)
        rows = [["", "this order", "true shuffle"], *map(list, sides)]
        for words, measured in zip(_MEASURES, self.quality, strict=True):
            rows.append([words, "-" if measured is None else f"{round(measured, 2) + 0.0:.2f}", "1.00"])
        return rows

    @property
    def title(self) -> str:
        """The order, and for whom."""
        who = "one reader" if self.readers == 1 else f"{self.readers} readers, each"
        return f"{self.order}: {who} with {text_of(self.memory)}, batches of {self.batch:,}"

    def __str__(self) -> str:
        return "\n".join([self.title, *self.lines(), "", *_aligned(self.table())])

    def __repr__(self) -> str:
        return str(self)

    def html(self) -> str:
        """Return the report as HTML; names are escaped."""
        paragraphs = "".join(f"<p>{escape(line)}</p>" for line in self.lines())
        return f"<div>{paragraphs}{_html_table(self.title, self.table())}</div>"

    def _repr_html_(self) -> str:
        return self.html()

    def to_dict(self) -> dict[str, Any]:
        """Return everything as plain JSON."""
        return {**asdict(self), "quality": self.quality._asdict(), "read_amplification": self.read_amplification}
