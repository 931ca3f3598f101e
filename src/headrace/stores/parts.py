"""Parts: folders of files, written as records come, in as many as the wanted size asks for."""

from __future__ import annotations

import math
import os
import shutil
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from functools import partial
from pathlib import Path
from types import TracebackType
from typing import Any, Protocol, Self

import numpy as np

from headrace.core import columns
from headrace.core.batch import Batch
from headrace.core.errors import SchemaError
from headrace.core.kinds import objects
from headrace.core.records import Columns, Records, Rows, stacked, structure_of, to_columns
from headrace.core.schema import Structure
from headrace.core.source import Indices
from headrace.core.syncing import sync_folder
from headrace.stores.disk import speaking
from headrace.stores.layout import Layout, difference
from headrace.stores.manifest import Part
from headrace.stores.weights import weights
from headrace.stores.writers import BatchWriter, PicklingError, Place

CHUNK_BYTES = 32 << 20
"""How much is written at once: large enough for several threads to sum it up, small beside what is in memory."""

_ENDING = 4  # parts that are finished beside the writing of the next ones, at most
_SAMPLED = 1024  # rows that are looked at for their size


class PartWriter:
    """One part.

    Args:
        place: Its folder, which must not exist, unless its files are known.
        layout: Of its columns.
        sample: Some rows, for what a layout does not say; None where the files are known.
    """

    def __init__(self, place: Place, layout: Layout, sample: Batch | None) -> None:
        if place.known is None:
            place.folder.mkdir()
        self.place = place
        self.length = 0
        self.weight = 0
        """About how many bytes its records take, which is what decides whether more fit."""
        self.made: Part | None = None
        """What it is, once it is finished."""
        self.columns = BatchWriter(place, layout, sample)

    @property
    def size(self) -> int:
        """How many bytes its files have so far."""
        return sum(file.size for file in self.columns.files())

    def append(self, batch: Batch) -> None:
        """Write rows that fit."""
        self.columns.append(batch)
        self.length += len(batch)

    def fit(self, layout: Layout) -> None:
        """Go on with a layout that the one so far was joined with."""
        self.columns.fitted(layout)
        self.made = None

    def finish(self) -> Part:
        """Bring everything to disk and return what it is; at once, if nothing has changed since the last time."""
        if self.made is None:
            self.made = self._settle()
        return self.made

    def _settle(self) -> Part:
        files = list(self.columns.files())
        for file in files:
            file.seal()
        syncing = [self.place.beside.submit(file.sync) for file in files if self.place.durable]
        summing = [self.place.beside.submit(file.sum) for file in files]
        for sync in syncing:
            sync.result()
        sums = {file.path.name: sum.result() for file, sum in zip(files, summing, strict=True)}
        if self.place.durable:
            sync_folder(self.place.folder)
        return Part(self.length, sums)

    def close(self) -> None:
        """Let go of all files."""
        for file in self.columns.files():
            file.close()


class Finished(Protocol):
    """Who wants to know of parts that are finished."""

    def part(self, folder: Path, part: Part, /) -> None:
        """Take note of a part that lies in a folder, and stays as it is there until ``settle`` is called."""
        ...

    def settle(self) -> None:
        """Return when no folder is read from any more."""
        ...


class Writer:
    """Records in, parts out: in memory is what was given last, however many records there are.

    Args:
        stage: The folder in which the parts are prepared.
        rows: How many records are expected, or None; for what is said when the disk is full.
        part_bytes: About how large a part becomes; None for one part, which is gathered from fastest.
        told: Called with the number of records that have been written since the last call.
        allow_pickle: Whether objects that are nothing else are pickled.
        finished: Told of each part when the next one begins.
        durable: Whether parts are brought to disk, and not only to the system.
    """

    def __init__(
        self,
        stage: Path,
        rows: int | None = None,
        part_bytes: int | None = None,
        told: Callable[[int], object] | None = None,
        allow_pickle: bool = False,
        finished: Finished | None = None,
        durable: bool = True,
    ) -> None:
        self.stage = stage
        self.rows = rows
        self.part_bytes = part_bytes or math.inf
        self.told = told
        self.allow_pickle = allow_pickle
        self.finished = finished
        self.durable = durable
        self.length = 0
        self.structure: Structure = "mapping"
        self.layout = Layout("batch")
        self.parts: list[PartWriter] = []
        self.pool = ThreadPoolExecutor(4, thread_name_prefix="headrace-store")
        self._beside = ThreadPoolExecutor(2, thread_name_prefix="headrace-part")
        self._ending: deque[Future[None]] = deque()  # parts that are finished beside the writing of the next
        self._bound = False
        self._empty: Columns | None = None  # tells the columns, if no records come

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._beside.shutdown()
        for part in self.parts:
            part.close()
        self.pool.shutdown()

    def resume(self, structure: Structure, layout: Layout, parts: Iterable[PartWriter]) -> None:
        """Go on from parts that another writer has left; before anything is written."""
        self.structure, self.layout, self.parts = structure, layout, list(parts)
        self.length = sum(part.length for part in self.parts)

    def bind(self, structure: Structure, layout: Layout) -> None:
        """Take such records only as fit a layout that is given, and leave it as it is; before anything is written."""
        self.structure, self.layout, self._bound = structure, layout, True

    def append(self, records: Records) -> None:
        """Write records; they are free to be changed again afterwards.

        Raises:
            SchemaError: They do not fit those before; the first that does not is named, with its column.
            StoreError: They cannot be written, for lack of room for example.
        """
        if len(records):
            self._append(records)
        elif isinstance(records, Columns):
            self._empty = records

    def _append(self, records: Records) -> None:
        made = self._fitted(records)
        for batch in _chunks(made.batch, min(CHUNK_BYTES, self.part_bytes)):
            with speaking(self.stage.parent.parent, partial(self._needed, batch)):
                self._write(batch)

    def _fitted(self, records: Records) -> Columns:
        """Return records as columns, after making sure that they fit and that all parts go on with their layout."""
        try:
            made = self._whole(records, to_columns(records))
            layout = self._layout(made)
        except SchemaError as error:
            raise self._pointed(records, error) from error
        if not (self.parts or self._bound):
            self.structure, self.layout = made.structure, layout
        joined = self.layout.join(layout)
        if joined is None or (self._bound and joined != self.layout) or made.structure != self.structure:
            raise self._pointed(records, self._misfit(made))
        if joined != self.layout:
            self._settle()
            for part in self.parts:
                part.fit(joined)
        self.layout = joined
        return made

    def _whole(self, records: Records, made: Columns) -> Columns:
        """Return columns with objects as they came where objects are kept, though these may make an array by chance."""
        if not self.layout.pickled or not isinstance(records, Rows) or made.structure != self.structure:
            return made
        columns = dict(made.batch.items())
        for place, (name, one) in enumerate(self.layout.fields.items()):
            if one.kind == "object" and name in columns and not one.shape:
                key = {"mapping": name, "tuple": place}.get(self.structure)
                columns[name] = objects([row if key is None else row[key] for row in records.records])
        return Columns(Batch._of(columns, len(made)), made.structure)

    def _misfit(self, made: Columns) -> SchemaError:
        if made.structure != self.structure:
            return SchemaError(f"expected a {self.structure} as in the records before, got a {made.structure}")
        return SchemaError(difference(self.layout, self._layout(made)))

    def _layout(self, made: Columns) -> Layout:
        return Layout.of(made.batch, self.allow_pickle)

    def _pointed(self, records: Records, error: SchemaError) -> SchemaError:
        """Return the error with the number of the first record that is at fault, and what is wrong with it."""
        if isinstance(records, Rows):
            for number, row in enumerate(records.records):
                problem = self._problem(records.records[0], row)
                if problem:
                    return SchemaError(f"record {self.length + number}: {problem}")
        return SchemaError(f"record {self.length} and those that came with it: {error}")

    def _problem(self, first: Any, row: Any) -> SchemaError | None:
        """Return what is wrong with one record, beside those written already or else beside the first."""
        try:
            made = stacked([row])
            layout = self._layout(made)
            if self.parts or self._bound:
                joined = self.layout.join(layout)
                fits = made.structure == self.structure and joined is not None
                fits = fits and (not self._bound or joined == self.layout)
                return None if fits else self._misfit(made)
        except SchemaError as error:
            return error
        try:
            self._layout(stacked([first, row]))
        except SchemaError as error:
            if structure_of(row) != structure_of(first):
                return error
            return SchemaError(difference(self._layout(stacked([first])), layout))
        return None

    def _write(self, batch: Batch) -> None:
        ends = None if self.part_bytes == math.inf else np.cumsum(weights(batch, self.layout))
        start = 0
        while start < len(batch) or not self.parts:
            stop = start + self._fitting(ends, start, len(batch))
            if stop == start:
                self._begin(batch)
                continue
            part = self.parts[-1]
            try:
                part.append(batch if stop - start == len(batch) else batch[start:stop])
            except PicklingError as error:
                raise SchemaError(f"record {self.length + error.row}: {error}") from error.__cause__
            if ends is not None:
                part.weight += int(ends[stop - 1] - (ends[start - 1] if start else 0))
            self.length += stop - start
            start = stop
        if self.told is not None:
            self.told(len(batch))

    def _fitting(self, ends: Indices | None, start: int, stop: int) -> int:
        """Return how many of these rows the last part takes, given what they and those before weigh together."""
        if not self.parts:
            return 0
        if ends is None:
            return stop - start
        part = self.parts[-1]
        room = self.part_bytes - part.weight + (ends[start - 1] if start else 0)
        return max(int(np.searchsorted(ends[start:], room, side="right")), 0 if part.length else 1)

    def _begin(self, sample: Batch) -> None:
        if self.parts and self.durable:
            self._end(self.parts[-1])
        elif self.parts:
            self._ending.append(self._beside.submit(self._end, self.parts[-1]))
            if len(self._ending) > _ENDING:
                self._ending.popleft().result()
        place = Place(self.stage / f"part{len(self.parts)}", "", self.pool, durable=self.durable)
        self.parts.append(PartWriter(place, self.layout, sample))

    def _end(self, part: PartWriter) -> None:
        made = part.finish()
        if self.finished is not None:
            self.finished.part(part.place.folder, made)

    def _settle(self) -> None:
        """Wait until nobody else is busy with what was written."""
        while self._ending:
            self._ending.popleft().result()
        if self.finished is not None:
            self.finished.settle()

    @property
    def size(self) -> int:
        """How many bytes were written so far."""
        return sum(part.size for part in self.parts)

    def _needed(self, batch: Batch) -> str:
        """Say how much room the records need, as far as that is known."""
        written = self.size
        if self.rows is not None and self.length:
            return f"The data needs about {written * self.rows // self.length} bytes"
        return f"The data needs more than {written + columns.size_in_bytes(batch)} bytes"

    def finish(self) -> list[Part]:
        """Bring all parts to disk, each into a folder of the stage that has its digest for a name."""
        if self._empty is not None and not self.parts:
            self._append(self._empty)
        with speaking(self.stage.parent.parent):
            self._settle()
            made = [part.finish() for part in self.parts]
            for writer, part in zip(self.parts, made, strict=True):
                if (self.stage / part.digest).exists():  # of the same content as another
                    shutil.rmtree(writer.place.folder)
                else:
                    os.rename(writer.place.folder, self.stage / part.digest)
            sync_folder(self.stage)
        return made


def _chunks(batch: Batch, wanted: float) -> Iterator[Batch]:
    """Cut a batch into pieces of about as many bytes, as far as a sample of its rows tells; views."""
    rows = max(1, len(batch))
    sample = columns.part(batch, slice(None, None, -(-rows // _SAMPLED)))
    step = max(1, int(wanted * max(1, len(sample)) // max(1, columns.size_in_bytes(sample))))
    for start in range(0, rows, step):
        yield batch if step >= rows else batch[start : start + step]
