"""Stages stay when there is something to go on with, for a while, for who writes the same; others are cleared away."""

from __future__ import annotations

import os
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import pytest

from headrace.core.errors import ExistsError
from headrace.stores.building.journal import Journal
from headrace.stores.building.stages import KEPT, About
from headrace.stores.local import Folder

ABOUT = About("data", "1", "the same", 10)


@contextmanager
def failing(root: Path, about: About | None, error: BaseException | None = None, noted: bool = True) -> Iterator[Path]:
    with pytest.raises(BaseException), Folder(root).staging(about) as stage:  # noqa: B017
        yield stage
        if noted:
            Journal(stage, ABOUT.to_json()).add({"records": 3})
        raise error or KeyboardInterrupt


def left(root: Path) -> list[str]:
    return os.listdir(root / "tmp")


def test_a_stage_is_taken_over_by_who_writes_the_same(tmp_path: Path) -> None:
    with failing(tmp_path, ABOUT) as first:
        pass
    assert left(tmp_path) == [ABOUT.name]
    with Folder(tmp_path).staging(ABOUT) as second:
        assert second == first
        assert list(Journal(second, ABOUT.to_json()).lines()) == [{"records": 3}]
    assert left(tmp_path) == []


@pytest.mark.parametrize("change", [{"identity": "x"}, {"length": 11}, {"part_bytes": 7}, {"allow_pickle": True}])
def test_a_stage_of_something_else_goes_when_the_same_version_is_written(
    tmp_path: Path, change: dict[str, object]
) -> None:
    with failing(tmp_path, ABOUT):
        pass
    with Folder(tmp_path).staging(replace(ABOUT, **change)) as stage:  # type: ignore[arg-type]
        assert stage.name != ABOUT.name
        assert left(tmp_path) == [stage.name]


def test_a_stage_of_another_version_stays(tmp_path: Path) -> None:
    with failing(tmp_path, ABOUT):
        pass
    with Folder(tmp_path).staging(replace(ABOUT, version="2")), Folder(tmp_path).staging():
        assert len(left(tmp_path)) == 3
    assert left(tmp_path) == [ABOUT.name]


def test_two_that_write_the_same_have_a_stage_each(tmp_path: Path) -> None:
    with Folder(tmp_path).staging(ABOUT) as first, Folder(tmp_path).staging(ABOUT) as second:
        assert first != second
    assert left(tmp_path) == []


def test_a_stage_goes_if_nothing_was_noted_or_the_version_is_there_or_a_week_is_over(tmp_path: Path) -> None:
    with failing(tmp_path, ABOUT, noted=False):
        pass
    assert left(tmp_path) == []
    with failing(tmp_path, ABOUT, ExistsError("another was faster")):
        pass
    assert left(tmp_path) == []
    with failing(tmp_path, ABOUT) as stage:
        pass
    long_ago = time.time() - KEPT - 1
    os.utime(stage / "journal", (long_ago, long_ago))
    with Folder(tmp_path).staging():
        assert ABOUT.name not in left(tmp_path)


def test_facts_of_parts_are_noted_and_a_line_that_was_cut_is_not_read(tmp_path: Path) -> None:
    journal = Journal(tmp_path, {"id": "data"})
    assert not journal.begun
    assert journal.facts("d1") == {}
    journal.note("d1", uploaded=True)
    journal.note("d1", packed={"x.npy": [3, 4]})
    journal.note("d2", uploaded=False)
    with open(journal.path, "ab") as file:
        file.write(b'{"part":"d1","facts":{"uploaded":false}}')  # no end of line: it may be the half of one
    again = Journal(tmp_path, {"id": "data"})
    assert again.facts("d1") == {"uploaded": True, "packed": {"x.npy": [3, 4]}}
    again.note("d2", uploaded=True)
    assert Journal(tmp_path, {"id": "data"}).facts("d2") == {"uploaded": True}
    assert not Journal(tmp_path, {"id": "other"}).begun
    assert not journal.path.exists()
