"""Parts are the same whoever reads and however often a writer fails; an error is the one that a plain writer gives."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from headrace.core import columns
from headrace.core.batch import Batch
from headrace.core.errors import RecordError, SchemaError, StoreError, WorkerError
from headrace.core.ragged import Ragged
from headrace.core.records import Columns, Records, Rows, wrap
from headrace.stores.building import safety
from headrace.stores.building.build import Built, build
from headrace.stores.building.reading import Read
from headrace.stores.building.stages import About
from headrace.stores.manifest import Part
from headrace.stores.parts import Writer
from headrace.workers.inline import Inline
from headrace.workers.processes import Processes
from headrace.workers.threads import Threads
from headrace.workers.work import Workers
from tests.stores.drawn import records as drawn

WORKERS = {"inline": Inline(), "threads": Threads(2), "processes": Processes(2)}


def about(length: int, part_bytes: int | None = None, identity: str = "the same") -> About:
    return About("data", "1", identity, length, part_bytes)


def plain(folder: Path, read: Read, length: int, part_bytes: int | None = None) -> tuple[Part, ...]:
    """What a writer makes of all records at once."""
    stage = folder / "tmp" / "plain"
    stage.mkdir(parents=True)
    with Writer(stage, part_bytes=part_bytes) as writer:
        writer.append(read(0, length))
        return tuple(writer.finish())


def stage_in(folder: Path, name: str = "stage") -> Path:
    stage = folder / "tmp" / name
    stage.mkdir(parents=True, exist_ok=True)
    return stage


def rows(start: int, stop: int) -> Records:
    """Records of several kinds of columns; one becomes ragged at 300."""
    return Rows(
        [
            {
                "x": np.full(50, number, np.float32),
                "n": number,
                "text": "é" * (number % 9),
                "ragged": [number] * (2 if number < 300 else number % 4),
                "nested": {"a": number * 0.5, "b": b"b" * (number % 3)},
            }
            for number in range(start, stop)
        ]
    )


@pytest.mark.parametrize("workers", WORKERS.values(), ids=WORKERS)
@pytest.mark.parametrize("part_bytes", [None, 30_000])
def test_parts_are_the_same_whoever_reads(tmp_path: Path, workers: Workers, part_bytes: int | None) -> None:
    expected = plain(tmp_path, rows, 900, part_bytes)
    assert (len(expected) == 1) == (part_bytes is None)
    told: list[int] = []
    built = build(stage_in(tmp_path), rows, 900, part_bytes, workers, told=told.append)
    assert built.parts == expected
    assert sum(told) == 900
    assert all((tmp_path / "tmp" / "stage" / part.digest).is_dir() for part in expected)


@settings(max_examples=25, deadline=None)
@given(drawn(least=1), st.integers(1, 40), st.sampled_from([None, 1000]), st.data())
def test_a_writer_that_fails_is_gone_on_with_from_where_it_was(
    made: Columns, times: int, part_bytes: int | None, data: st.DataObject
) -> None:
    length = len(made) * times

    def read(start: int, stop: int) -> Records:
        taken: Any = columns.take(made.batch, np.arange(start, stop) % len(made))
        return Columns(taken, made.structure)

    failing = sorted(data.draw(st.lists(st.integers(0, length - 1), max_size=2)))
    with TemporaryDirectory() as name, pytest.MonkeyPatch.context() as patch:
        patch.setattr(safety, "_SHORTEST", 0.0)
        folder = Path(name)
        expected = plain(folder, read, length, part_bytes)
        kept = 0
        for failure in failing:

            def until(start: int, stop: int, failure: int = failure) -> Records:
                assert start >= kept
                if stop > failure:
                    raise RecordError("no more")
                return read(start, stop)

            stage = stage_in(folder)
            with pytest.raises(RecordError):
                build(stage, until, length, part_bytes, about=about(length, part_bytes))
        built = build(stage_in(folder), read, length, part_bytes, about=about(length, part_bytes))
        assert built.parts == expected


def test_what_is_safe_is_not_read_again(tmp_path: Path) -> None:
    asked: list[tuple[int, int]] = []

    def read(start: int, stop: int) -> Records:
        asked.append((start, stop))
        time.sleep(0.0005 * (stop - start))
        if stop > 550 and len(asked) < 1000 and not failed:
            failed.append(stop)
            raise ValueError("a record that fails once")
        return rows(start, stop)

    failed: list[int] = []
    with pytest.raises(ValueError, match="fails once"):
        build(stage_in(tmp_path), read, 600, 20_000, about=about(600, 20_000))
    before = asked[-1][0]
    asked.clear()
    told: list[int] = []
    built = build(stage_in(tmp_path), read, 600, 20_000, about=about(600, 20_000), told=told.append)
    assert built.kept == before == asked[0][0] == told[0]
    assert built.parts == plain(tmp_path, rows, 600, 20_000)


REFUSED: dict[str, tuple[Callable[[int], Any], str]] = {
    "another dtype": (
        lambda n: {"a": n if n < 700 else n + 0.5},
        r"record 700: column 'a': expected int64, got float64",
    ),
    "another column": (lambda n: {"a" if n != 800 else "b": n}, r"record 800: expected columns 'a', got 'b'"),
    "an object": (lambda n: {"a": 1 if n < 123 else object}, r"record 123: column 'a': objects of type type cannot be"),
    "among the first": (lambda n: (1,) if n != 5 else (1, 2), r"record 5: expected columns '0', got '0', '1'"),
}


@pytest.mark.parametrize("workers", WORKERS.values(), ids=WORKERS)
@pytest.mark.parametrize(("record", "message"), REFUSED.values(), ids=REFUSED)
def test_a_record_that_does_not_fit_is_named(
    tmp_path: Path, workers: Workers, record: Callable[[int], Any], message: str
) -> None:
    def read(start: int, stop: int) -> Records:
        return Rows([record(number) for number in range(start, stop)])

    with pytest.raises(SchemaError, match=message):
        build(stage_in(tmp_path), read, 1000, None, workers, about(1000))
    assert not (tmp_path / "tmp" / "stage" / "journal").exists()


def test_a_worker_that_dies_is_named_and_its_place_is_taken_by_the_next_build(tmp_path: Path) -> None:
    fine = tmp_path / "fine"

    def read(start: int, stop: int) -> Records:
        time.sleep(0.0002 * (stop - start))
        if stop > 800 and not fine.exists():
            os.kill(os.getpid(), signal.SIGKILL)
        return rows(start, stop)

    with pytest.raises(WorkerError, match=r"SIGKILL"):
        build(stage_in(tmp_path), read, 900, None, Processes(2), about(900))
    fine.touch()
    built = build(stage_in(tmp_path), read, 900, None, Threads(2), about(900))
    assert built.kept > 300
    assert built.parts == plain(tmp_path, rows, 900)


def failed_at(folder: Path, failure: int, length: int = 600) -> Path:
    """A stage whose writer failed at a record."""

    def read(start: int, stop: int) -> Records:
        time.sleep(0.0002 * (stop - start))
        if stop > failure:
            raise KeyboardInterrupt
        return rows(start, stop)

    stage = stage_in(folder)
    with pytest.raises(KeyboardInterrupt):
        build(stage, read, length, None, about=about(length))
    return stage


def resumed(folder: Path, identity: str = "the same") -> Built:
    built = build(stage_in(folder), rows, 600, None, about=about(600, identity=identity))
    assert built.parts == plain(folder, rows, 600)
    return built


def test_a_stage_of_something_else_is_not_used(tmp_path: Path) -> None:
    failed_at(tmp_path, 500)
    assert resumed(tmp_path, "another").kept == 0


@pytest.mark.parametrize("harm", ["shorter", "missing", "no part", "other digests", "a line of nonsense"])
def test_a_stage_that_is_damaged_is_begun_anew_or_from_what_is_whole(tmp_path: Path, harm: str) -> None:
    stage = failed_at(tmp_path, 500)
    file = stage / "part0" / "x.npy"
    if harm == "shorter":
        os.truncate(file, 4096)
    elif harm == "missing":
        file.unlink()
    elif harm == "no part":
        (stage / "part0").rename(tmp_path / "gone")
    elif harm == "other digests":
        (stage / "journal").write_text((stage / "journal").read_text().replace('"files":{"', '"files":{"y'))
    else:
        with open(stage / "journal", "ab") as journal:
            journal.write(b'{"records": 500, "par')
        assert resumed(tmp_path).kept > 300
        return
    assert resumed(tmp_path).kept == 0


@pytest.mark.parametrize("flipped", [False, True])
def test_sums_of_large_files_are_gone_on_with_and_their_last_piece_is_looked_at(tmp_path: Path, flipped: bool) -> None:
    content = np.random.default_rng(0).integers(0, 256, (100, 300_000), np.uint8)

    def read(start: int, stop: int) -> Records:
        return wrap({"x": content[start:stop]})

    def until(start: int, stop: int) -> Records:
        if stop > 90:
            raise RecordError("no more")
        return read(start, stop)

    for failing in (until, until):
        with pytest.raises(RecordError), pytest.MonkeyPatch.context() as patch:
            patch.setattr(safety, "_SHORTEST", 0.0)
            build(stage_in(tmp_path), failing, 100, about=about(100))
    if flipped:
        with open(tmp_path / "tmp" / "stage" / "part0" / "x.npy", "r+b") as file:
            file.seek(-1000, os.SEEK_END)
            file.write(bytes(1000))
    built = build(stage_in(tmp_path), read, 100, about=about(100))
    assert built.kept == 0 if flipped else built.kept >= 64
    assert built.parts == plain(tmp_path, read, 100)


def test_what_was_left_to_the_system_counts_until_it_is_started_anew(tmp_path: Path) -> None:
    stage = failed_at(tmp_path, 500)
    lines = [json.loads(line) for line in (stage / "journal").read_text().splitlines()]
    last = max(number for number, line in enumerate(lines) if "boot" in line)
    kept = lines[: last + 1]
    for line in kept:
        if "boot" in line:
            line["boot"] = "another"
    (stage / "journal").write_text("".join(json.dumps(line) + "\n" for line in kept))
    assert resumed(tmp_path).kept == 0


def test_a_column_that_became_ragged_after_the_last_note_is_found_under_its_new_name(tmp_path: Path) -> None:
    stage = failed_at(tmp_path, 290)
    folder = stage / "part0"
    (folder / "ragged.npy").rename(folder / "ragged.values.npy")
    (folder / "ragged.offsets.npy").touch()
    assert resumed(tmp_path).kept > 100


FULL = """
import resource, signal
from pathlib import Path
from tests.stores.building.test_build import about, rows, stage_in
from headrace.stores.building import safety
from headrace.stores.building.build import build
safety._SHORTEST = 0.0
signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
resource.setrlimit(resource.RLIMIT_FSIZE, (80_000, 80_000))
build(stage_in(Path({folder!r})), rows, 600, None, about=about(600))
"""


def test_a_full_disk_is_told_of_and_what_was_written_is_gone_on_with(tmp_path: Path) -> None:
    code = FULL.format(folder=str(tmp_path))
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60)
    assert "StoreError: cannot write" in done.stderr, done.stderr
    assert "nothing was published" in done.stderr
    assert resumed(tmp_path).kept > 100


def test_an_error_of_the_disk_is_one_of_the_store(tmp_path: Path) -> None:
    with pytest.raises(StoreError, match="gone"):
        build(tmp_path / "gone", rows, 10)


def test_no_records_have_columns_all_the_same(tmp_path: Path) -> None:
    def read(start: int, stop: int) -> Records:
        return wrap({"x": np.zeros((stop - start, 3))})

    built = build(stage_in(tmp_path), read, 0, None, Threads(2), about(0))
    assert list(built.layout.fields) == ["x"]
    assert [part.length for part in built.parts] == [0]


def test_first_records_that_come_apart_decide_together_what_the_columns_are(tmp_path: Path) -> None:
    """Lists that are all empty say nothing of what others hold, however few records come at once."""
    rows = [{"lists": np.zeros((number % 3, 3) if number % 3 else (0,), np.float32)} for number in range(20)]

    def read(start: int, stop: int) -> Records:
        time.sleep(0.02 * (stop - start))
        return wrap(Batch({"lists": Ragged.from_rows([row["lists"] for row in rows[start:stop]])}))

    built = build(tmp_path, read, len(rows))
    assert built.layout.fields["lists"].shape == (3,)
