"""What writing a version would take: told from some of its records, before anything is written to the store."""

from __future__ import annotations

import math
import os
import tempfile
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from time import perf_counter, process_time

import numpy as np

from headrace.core import amounts, durations
from headrace.core.errors import SchemaError
from headrace.core.records import Records, concat, to_columns
from headrace.stores.building.pace import Pace
from headrace.stores.building.reading import FIRST, Read, Span, size_of
from headrace.stores.disk import speaking
from headrace.stores.layout import Layout, difference
from headrace.stores.npy import NpyWriter
from headrace.stores.parts import Writer
from headrace.workers.auto import cores
from headrace.workers.inline import Inline
from headrace.workers.processes import Processes
from headrace.workers.work import Workers

_GOLDEN = (math.sqrt(5) - 1) / 2  # of the dataset from one sample to the next, which spreads any number of them
_TRIAL = 32 << 20  # bytes that are written to see how fast that is
_STARTING = 0.5  # seconds that processes take to start


@dataclass(frozen=True, repr=False)
class Prediction:
    """What writing a version would take.

    Args:
        records: How many records there are.
        bytes: About how many bytes their files have.
        seconds: About how long it takes.
        parts: In about how many parts they lie.
        workers: Who reads, in words.

    >>> print(Prediction(50_000, 614_400_000, 12.3, 5, "2 processes"))
    50,000 records, 614 MB in 5 parts, about 12 s with 2 processes
    """

    records: int
    bytes: int
    seconds: float
    parts: int
    workers: str = "inline"

    def __repr__(self) -> str:
        records = "1 record" if self.records == 1 else f"{self.records:,} records"
        parts = "1 part" if self.parts == 1 else f"{self.parts:,} parts"
        beside = "" if self.workers == "inline" else f" with {self.workers}"
        return f"{records}, {amounts.text_of(self.bytes)} in {parts}, about {durations.text_of(self.seconds)}{beside}"


def predict(
    read: Read,
    length: int,
    folder: Path,
    part_bytes: int | None = None,
    workers: Workers | None = None,
    seconds: float = 2.0,
    allow_pickle: bool = False,
) -> Prediction:
    """Predict what ``build`` would take.

    The first records are read, and then some here and there, for as long as is given; they are written beside the
    store, to a folder that is removed again. Of threads it is taken that they run beside each other.

    Args:
        read: Gives records by their numbers.
        length: How many there are.
        folder: Where they would be written; it need not exist.
        part_bytes: About how large a part would become.
        workers: Who would read.
        seconds: How long records are read for, about.
        allow_pickle: Whether objects that are nothing else would be pickled.

    Raises:
        SchemaError: Records do not fit together, as far as they were looked at.
        StoreError: Nothing can be written there.
    """
    who = workers or Inline()
    with speaking(folder), _beside(folder) as scratch:
        sample = _sampled(read, length, scratch, seconds, allow_pickle)
        speed = _speed(scratch)
    nbytes = round(sample.bytes * length)
    reading, writing = sample.seconds * length, nbytes / speed
    if who.size:
        at_once = min(who.size, max(1.0, cores() / max(sample.busy, 1e-3)))
        taken = max(reading / at_once, writing) + (_STARTING if isinstance(who, Processes) else 0.0)
    else:
        taken = reading + writing
    parts = 1 if part_bytes is None else max(1, math.ceil(nbytes / part_bytes))
    return Prediction(length, nbytes, taken, parts, who.words())


@dataclass(frozen=True)
class _Sample:
    """What a record is like: its bytes, the seconds that it takes to read, and the part of these that it computes."""

    bytes: float
    seconds: float
    busy: float


class _Timed:
    """Reads records, and keeps count of what that takes."""

    def __init__(self, read: Read) -> None:
        self._read = read
        self._laps: list[tuple[int, float, float]] = []  # records, seconds, and those that were computed
        self.pace = Pace()
        self.count = 0

    def __call__(self, span: Span) -> Records:
        began, computing = perf_counter(), process_time()
        records = self._read(*span)
        taken = perf_counter() - began
        self._laps.append((len(records), taken, process_time() - computing))
        self.pace.seen(len(records), taken, size_of(records))
        self.count += len(records)
        return records

    def each(self) -> tuple[float, float]:
        """Return the seconds that a record takes, and which part of them is computed."""
        laps = self._laps[1:] or self._laps  # the first read opens files, and fills caches
        counts, taken, computed = (sum(column) for column in zip(*laps, strict=True)) if laps else (0, 0.0, 0.0)
        return taken / max(1, counts), min(1.0, computed / max(taken, 1e-9))


def _sampled(read: Read, length: int, scratch: Path, seconds: float, allow_pickle: bool) -> _Sample:
    timed = _Timed(read)
    until = perf_counter() + seconds
    with Writer(scratch, allow_pickle=allow_pickle) as writer:
        first: list[Records] = []
        while timed.count < min(FIRST, length) and (not first or perf_counter() < until):
            first.append(timed(Span(timed.count, min(timed.count + timed.pace.step(), FIRST, length))))
        if first:
            writer.append(concat(first))
        while timed.count < length and perf_counter() < until:
            count = min(timed.pace.step(), length)
            start = int(timed.count * _GOLDEN % 1.0 * (length - count + 1))
            span = Span(start, start + count)
            _append(writer, span, timed(span))
        files = [file.grown for part in writer.parts for file in part.columns.files()]
        nbytes = sum(file.size - file.header for file in files) / max(1, writer.length)
    return _Sample(nbytes, *timed.each())


def _append(writer: Writer, span: Span, records: Records) -> None:
    try:
        made = to_columns(records)
        layout = Layout.of(made.batch, writer.allow_pickle)
    except SchemaError as error:
        raise SchemaError(f"{span}: {error}") from error
    if made.structure != writer.structure or writer.layout.join(layout) is None:
        raise SchemaError(f"{span}: {difference(writer.layout, layout)}")
    writer.append(made)


def _speed(scratch: Path) -> float:
    """Return how many bytes can be written in a second, summed up and brought to disk."""
    content = np.random.default_rng(0).integers(0, 256, _TRIAL, np.uint8)
    with ThreadPoolExecutor(4) as pool:
        began = perf_counter()
        file = NpyWriter(scratch / "trial.npy", content.dtype, (), pool)
        try:
            file.append(content)
            file.seal()
            file.sync()
            file.sum()
        finally:
            file.close()
    return _TRIAL / (perf_counter() - began)


@contextmanager
def _beside(folder: Path) -> Iterator[Path]:
    """Give a folder on the same disk, which is removed again."""
    place = next(one for one in (folder, *folder.parents) if one.is_dir())
    where = place if os.access(place, os.W_OK) else None
    with tempfile.TemporaryDirectory(prefix=".headrace-", dir=where) as scratch:
        yield Path(scratch)
