"""The records that a predicate keeps: looked at once, then a bitmap with random access."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from threading import Lock
from typing import Any

import numpy as np
from numpy.typing import NDArray

from headrace.core.address import At
from headrace.core.bitmap import Bitmap
from headrace.core.callables import code_of, failure, name_of
from headrace.core.errors import EndlessError, RecordError, SchemaError
from headrace.core.records import Records, to_columns
from headrace.core.source import Indices
from headrace.nodes.blocks import blocks
from headrace.nodes.node import Context, Node, Over
from headrace.nodes.search import search


@dataclass(frozen=True, eq=False)
class Kept(Over):
    """The records of the node below for which a predicate holds.

    The node below lies still (the same record at a position in every epoch), so one pass over it is enough. The pass
    runs when a length or a record is first asked for, in one thread while others wait for it.

    Args:
        input: The node below.
        content: What the predicate is shown: the node below with the maps that were written before the filter.
        predicate: Called with a record, or with a batch if ``batches``; then it returns a boolean array.
        batches: Whether the predicate looks at batches.
    """

    content: Node
    predicate: Callable[[Any], Any]
    batches: bool = False
    passes = True
    _memo: dict[str, Bitmap] = field(default_factory=dict, repr=False)
    _lock: Any = field(default_factory=Lock, repr=False)

    def __post_init__(self) -> None:
        code_of(self.predicate)  # asked for before it runs: what it closes over may change then

    @property
    def bitmap(self) -> Bitmap:
        """Which positions of the node below are kept."""
        if "bitmap" not in self._memo:
            with self._lock:
                if "bitmap" not in self._memo:
                    self._memo["bitmap"] = Bitmap(self._masks())
        return self._memo["bitmap"]

    @property
    def known(self) -> bool:
        """Whether the pass has run."""
        return "bitmap" in self._memo

    def _masks(self) -> Iterator[NDArray[np.bool_]]:
        length = self.content.length
        if length is None:
            raise EndlessError(
                f"{self.words()} cannot look at all records of an endless dataset: filter() before repeat()"
            )
        for at, records in blocks(self.content, length):
            yield self._of_batch(records, at) if self.batches else self._of_rows(records, at)

    def _of_rows(self, records: Records, at: At) -> NDArray[np.bool_]:
        verdicts: list[bool] = []
        try:
            for row in records.rows():
                verdicts.append(bool(self.predicate(row)))
        except Exception as error:
            record = int(self.content.ids(At(at.positions[len(verdicts) : len(verdicts) + 1]))[0])
            raise RecordError(failure(self.words(), self.predicate, f"record {record}", error)) from error
        return np.array(verdicts, np.bool_)

    def _of_batch(self, records: Records, at: At) -> NDArray[np.bool_]:
        try:
            mask = np.asarray(self.predicate(to_columns(records).unwrap()))
        except Exception as error:
            where = f"the batch of positions {at.positions[0]} to {at.positions[-1]}"
            raise RecordError(failure(self.words(), self.predicate, where, error)) from error
        if mask.dtype != np.bool_ or mask.shape != at.positions.shape:
            raise SchemaError(
                f"{self.words()} must return one boolean for each of {len(at.positions)} rows, "
                f"got {mask.dtype} of shape {mask.shape}"
            )
        return mask

    @property
    def length(self) -> int:
        return self.bitmap.count

    def below(self, at: At) -> At:
        return At(self.bitmap.select(at.positions), at.epochs)

    def read(self, at: At, context: Context) -> Records:
        return self.input.read(self.below(at), context)

    def ids(self, at: At) -> Indices:
        return self.input.ids(self.below(at))

    def find(self, record: int, epoch: int) -> int | None:
        if not self.input.once:
            return search(self, record, epoch)
        below = self.input.find(record, epoch)
        return None if below is None else self.bitmap.rank(below)

    def order(self) -> tuple[str, ...]:
        kept = self.bitmap
        return (*self.input.order(), f"filter keeps {kept.count} of {kept.length} {kept.digest}")

    def code(self) -> tuple[str, ...]:
        return (*self.input.code(), f"{self.words()} {code_of(self.predicate)}")

    def words(self) -> str:
        return f"filter({name_of(self.predicate)})"

    def __getstate__(self) -> dict[str, Any]:
        return {**self.__dict__, "_memo": {"bitmap": self.bitmap}, "_lock": None}  # workers share the parent's pass

    def __setstate__(self, state: dict[str, Any]) -> None:
        self.__dict__.update(state, _lock=Lock())


@dataclass(frozen=True, eq=False)
class Chosen(Kept):
    """The records that are chosen by their number in the source, whatever they hold.

    Args:
        says: The step as a chain shows it.
        _choose: Called with record numbers of the source, returns a boolean array; ``predicate`` is what it goes by.
        _few: The same, where it is asked of a few records alone, as a dry run does: it goes over no others.
    """

    says: str = "where()"
    _choose: Callable[[Indices], NDArray[np.bool_]] | None = None
    _few: Callable[[Indices], NDArray[np.bool_]] | None = None

    def _masks(self) -> Iterator[NDArray[np.bool_]]:
        length = self.input.length
        if length is None or self._choose is None:
            raise EndlessError(f"{self.words()} cannot look at all records without end: write it before repeat()")
        for start in range(0, length, _CHOSEN):
            yield self._choose(self.input.ids(At(np.arange(start, min(start + _CHOSEN, length), dtype=np.int64))))

    def _of_rows(self, records: Records, at: At) -> NDArray[np.bool_]:
        ask = self._few or self._choose
        assert ask is not None  # without it the bitmap is known
        return ask(self.input.ids(at))

    def words(self) -> str:
        return self.says

    def __getstate__(self) -> dict[str, Any]:
        return {**super().__getstate__(), "_choose": None, "_few": None}  # what it found travels instead


_CHOSEN = 1 << 20  # records that are looked at together: their numbers, and one answer for each
