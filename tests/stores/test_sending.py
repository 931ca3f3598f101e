"""Parts are sent while others are made, and what is published is the same as if they were not."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from concurrent.futures import wait
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from headrace.core.batch import Batch
from headrace.core.errors import StoreError
from headrace.core.records import Columns, Records, Rows
from headrace.stores.backends.disk import Files
from headrace.stores.backends.protocol import Content
from headrace.stores.bucket import Bucket
from headrace.stores.fetched.shelf import Fetched
from headrace.stores.manifest import Manifest
from headrace.stores.packing import Codec
from headrace.stores.parts import Writer
from headrace.stores.reader import Stored
from headrace.stores.sending import Sending


class Noting(Files):
    """Notes what is written; refuses objects of parts while it is told to."""

    def __init__(self, root: Path) -> None:
        super().__init__(root)
        object.__setattr__(self, "put_keys", [])
        object.__setattr__(self, "refusing", [])

    put_keys: list[str]
    refusing: list[bool]

    def put(self, key: str, content: Content) -> None:
        if self.refusing and key.startswith("objects/"):
            raise StoreError("not now")
        self.put_keys.append(key)
        super().put(key, content)


def bucket(folder: Path, compression: Codec | None = None) -> Bucket:
    backend = Noting(folder / "far")
    return Bucket(backend, Fetched(backend, folder / "cache", None), folder / "desk", compression)


@contextmanager
def writing(home: Bucket) -> Iterator[tuple[Writer, Sending, Path]]:
    with home.staging() as stage, home.sending(stage) as sending:
        with Writer(stage, part_bytes=8000, finished=sending, durable=False) as writer:
            yield writer, sending, stage


def publish(home: Bucket, writer: Writer, sending: Sending | None, stage: Path) -> Stored:
    parts = tuple(writer.finish())
    draft = Manifest("data", "1", 0, writer.structure, writer.layout, parts, (), "2026-01-01", "0", "2")
    return Stored(home.shelf, home.publish(stage, draft, sending=sending))


def numbers(start: int) -> Records:
    return Columns(Batch({"x": np.arange(start, start + 1000)}))


@pytest.mark.parametrize("compression", [None, "zstd"])
def test_all_parts_but_the_last_are_sent_before_the_end_and_none_twice(
    tmp_path: Path, compression: Codec | None
) -> None:
    home = bucket(tmp_path, compression)
    with writing(home) as (writer, sending, stage):
        for start in range(0, 5000, 1000):
            writer.append(numbers(start))
        wait(writer._ending)  # parts are ended beside the writing
        sending.settle()
        backend = home.backend
        assert isinstance(backend, Noting)
        assert len([key for key in backend.put_keys if key.startswith("objects/")]) == 4
        stored = publish(home, writer, sending, stage)
        sent = [key for key in backend.put_keys if key.startswith("objects/")]
    assert len(sent) == len(set(sent)) == 5, "each once, and no mark of its use beside"
    assert not any("headrace" in thread.name for thread in threading.enumerate())
    assert (stored.read(np.arange(5000))["x"] == np.arange(5000)).all()


def test_what_is_changed_after_it_was_sent_is_sent_as_it_is_in_the_end(tmp_path: Path) -> None:
    home = bucket(tmp_path)
    with writing(home) as (writer, sending, stage):
        rows = [Rows([{"x": np.arange(100) + row}]) for row in range(30)]
        for row in rows:
            writer.append(row)
        writer.append(Rows([{"x": np.arange(7)}]))  # and so all rows before are ragged, too
        stored = publish(home, writer, sending, stage)
    got = stored.read(np.arange(31))["x"]
    assert [len(row) for row in got] == [100] * 30 + [7]
    assert (got[29] == np.arange(100) + 29).all()
    home.check("data", "2", False)
    assert home._missing(stored.manifest.parts) == []


def test_what_could_not_be_sent_at_first_is_sent_in_the_end(tmp_path: Path) -> None:
    home = bucket(tmp_path)
    backend = home.backend
    assert isinstance(backend, Noting)
    with writing(home) as (writer, sending, stage):
        backend.refusing.append(True)
        for start in range(0, 4000, 1000):
            writer.append(numbers(start))
        sending.settle()
        backend.refusing.clear()
        stored = publish(home, writer, sending, stage)
    assert (stored.read(np.arange(4000))["x"] == np.arange(4000)).all()


def test_what_was_taken_away_after_it_was_sent_is_sent_again(tmp_path: Path) -> None:
    home = bucket(tmp_path)
    with writing(home) as (writer, sending, stage):
        for start in range(0, 4000, 1000):
            writer.append(numbers(start))
        sending.settle()
        for entry in list(home.backend.list("objects/")):
            home.backend.delete(entry.key)
        stored = publish(home, writer, sending, stage)
    assert (stored.read(np.arange(4000))["x"] == np.arange(4000)).all()


def test_a_writer_that_fails_ends_the_sending(tmp_path: Path) -> None:
    home = replace(bucket(tmp_path))
    with pytest.raises(ZeroDivisionError), writing(home) as (writer, _, _stage):
        for start in range(0, 4000, 1000):
            writer.append(numbers(start))
        raise ZeroDivisionError
    assert not any("headrace" in thread.name for thread in threading.enumerate())
    assert list(home.backend.list("datasets/")) == []
