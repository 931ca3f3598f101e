"""Turns that are locks in a folder."""

from __future__ import annotations

import os
import shutil
import tempfile
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from headrace.core.errors import StoreError
from headrace.stores.leases.local import LocalTurns
from headrace.stores.leases.turns import LostError, build_once
from headrace.stores.local import Folder

NOBODY = 65534


def never() -> bool:
    return False


def test_nothing_is_left_but_the_fence(tmp_path: Path) -> None:
    for _ in range(3):
        with LocalTurns(tmp_path).turn("digits", "1", never):
            assert len(list((tmp_path / "leases").iterdir())) == 2
    assert [path.name for path in (tmp_path / "leases").iterdir()] == ["fence"]


def test_writers_that_clear_up_leave_turns_alone(tmp_path: Path) -> None:
    with LocalTurns(tmp_path).turn("digits", "1", never) as turn:
        assert turn is not None
        with Folder(tmp_path).staging():
            pass
        turn.check()
        with pytest.raises(StoreError, match="asks for 'digits' 1"), LocalTurns(tmp_path).turn("digits", "1", never):
            pytest.fail("two at once")


@pytest.mark.parametrize("content", [b"", b"{", b"[1]", b'{"host": 1}', b"\xff"])
def test_a_lock_that_nobody_holds_is_taken_whatever_it_says(tmp_path: Path, content: bytes) -> None:
    with LocalTurns(tmp_path).turn("digits", "1", never):
        (lock,) = (tmp_path / "leases").glob("*.lock")
    lock.write_bytes(content)
    with LocalTurns(tmp_path).turn("digits", "1", never) as turn:
        assert turn is not None


def test_a_turn_whose_lock_was_removed_is_lost_once_another_has_one(tmp_path: Path) -> None:
    turns = LocalTurns(tmp_path, 20)
    with turns.turn("digits", "1", never) as first:
        assert first is not None
        shutil.rmtree(tmp_path / "leases")
        first.check()
        with turns.turn("digits", "1", never) as second:
            assert second is not None
            with pytest.raises(LostError, match="removed by hand"):
                first.check()
            second.check()


def test_progress_is_written_now_and_then_only(tmp_path: Path) -> None:
    with LocalTurns(tmp_path).turn("digits", "1", never) as turn:
        assert turn is not None
        (lock,) = (tmp_path / "leases").glob("*.lock")
        began = time.monotonic()
        for step in range(10_000):
            turn.say(f"{step} steps")
        if time.monotonic() - began < 0.4:
            assert '"0 steps"' in lock.read_text()


@pytest.fixture
def open_folder() -> Iterator[Path]:
    """Give a folder that every user may look into, as those of pytest are not."""
    with tempfile.TemporaryDirectory() as folder:
        os.chmod(folder, 0o755)
        yield Path(folder)


@pytest.mark.skipif(os.getuid() != 0, reason="only root can be another user for a while")
def test_whoever_may_not_write_can_wait_and_is_refused_when_it_would_build(open_folder: Path) -> None:
    turns = LocalTurns(open_folder / "store", 20)
    held, over = threading.Event(), threading.Event()

    def hold() -> None:
        with turns.turn("digits", "1", never):
            held.set()
            over.wait(20)

    other = threading.Thread(target=hold)
    other.start()
    assert held.wait(10)
    os.seteuid(NOBODY)
    try:
        later = time.monotonic() + 0.2
        assert not build_once(turns, "digits", "1", lambda: time.monotonic() > later, lambda turn: pytest.fail("built"))
        over.set()
        with pytest.raises(StoreError, match=r"cannot write to .*store: no permission"):
            build_once(turns, "digits", "1", never, lambda turn: pytest.fail("built"))
        with turns.turn("digits", "1", lambda: True) as turn:  # published and given back between two looks
            assert turn is None
    finally:
        os.seteuid(0)
        over.set()
        other.join()


def test_a_store_that_is_a_file_is_said_to_be_none(tmp_path: Path) -> None:
    (tmp_path / "store").write_text("")
    with pytest.raises(StoreError, match="cannot write to"), LocalTurns(tmp_path / "store").turn("digits", "1", never):
        pytest.fail("a turn in a file")
