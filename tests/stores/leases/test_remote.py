"""Turns that are leases on a back end."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from headrace.core.errors import StoreError
from headrace.stores.backends.disk import Files
from headrace.stores.backends.protocol import Content, Entry
from headrace.stores.leases.generations import Generations
from headrace.stores.leases.remote import RemoteTurn, RemoteTurns
from headrace.stores.leases.turns import LostError, Turn, build_once, key_of

KEY = key_of("digits", "1")


@dataclass(frozen=True)
class Odd(Files):
    """A folder with a slow listing, times of its own, and a line that can be cut.

    Args:
        root: The folder.
        shown: How many leases the listing shows, the oldest first; None for all.
        times: When leases were written, by number.
        cut: Set while nothing can be reached.
    """

    shown: int | None = None
    times: dict[int, float] = field(default_factory=dict)
    cut: threading.Event = field(default_factory=threading.Event)

    def list(self, prefix: str = "") -> Iterator[Entry]:
        self._reach()
        leases = [entry for entry in super().list(prefix) if entry.key.rpartition("/")[2].isdecimal()]
        leases.sort(key=lambda entry: int(entry.key.rpartition("/")[2]))
        for entry in leases[: self.shown]:
            yield replace(entry, modified=self.times.get(int(entry.key.rpartition("/")[2]), 0.0))

    def put(self, key: str, content: Content) -> None:
        self._reach()
        super().put(key, content)

    def look(self, key: str) -> Entry | None:
        self._reach()
        return super().look(key)

    def _reach(self) -> None:
        if self.cut.is_set():
            raise StoreError("the line is cut")


def never() -> bool:
    return False


def leases(root: Path) -> list[int]:
    return sorted(int(path.name) for path in (root / "leases" / KEY).iterdir() if path.name.isdecimal())


@pytest.mark.parametrize("shown", [0, 1, 2])
def test_the_newest_lease_is_found_where_the_listing_lags(tmp_path: Path, shown: int) -> None:
    turns = RemoteTurns(Odd(tmp_path, shown), 30.0)
    fences = []
    for _ in range(4):
        with turns.turn("digits", "1", never) as turn:
            assert turn is not None
            turn.check()
            fences.append(turn.fence)
    assert fences == [1, 2, 3, 4]


def test_old_leases_are_cleared_away_and_no_number_comes_twice(tmp_path: Path) -> None:
    hours = {n: n * 1800.0 for n in range(1, 100)}  # a turn each half hour, by the place's clock
    turns = RemoteTurns(Odd(tmp_path, times=hours), 30.0)
    for n in range(1, 9):
        with turns.turn("digits", "1", never) as turn:
            assert turn is not None
            assert turn.fence == n
            limit = time.monotonic() + 10
            while min(leases(tmp_path)) < n - 3 and time.monotonic() < limit:  # the thread does it
                time.sleep(0.01)
            assert leases(tmp_path) == list(range(max(1, n - 3), n + 1))
    assert {path.name for path in (tmp_path / "leases" / KEY).iterdir()} == {
        name for n in (5, 6, 7, 8) for name in (f"{n}", f"{n}.beat")
    }


@settings(max_examples=30, deadline=None)
@given(st.lists(st.floats(0, 7200), min_size=1, max_size=12), st.floats(0, 3600))
def test_a_listing_that_lags_by_less_than_an_hour_leads_to_the_newest(
    tmp_path_factory: pytest.TempPathFactory, pauses: list[float], lag: float
) -> None:
    root = tmp_path_factory.mktemp("store")
    now, times = 0.0, {}
    for n, pause in enumerate(pauses, 1):
        now += pause
        times[n] = now
        assert Generations(Odd(root, times=times), KEY).claim(n, b"")
        Generations(Odd(root, times=times), KEY).clear(n)
        shown = sum(1 for m in leases(root) if times[m] <= now - lag)
        assert Generations(Odd(root, shown, times), KEY).newest() == n


def test_a_number_that_was_cleared_away_cannot_be_claimed_anew(tmp_path: Path) -> None:
    there = Generations(Files(tmp_path), KEY)
    for n in range(1, 9):
        assert there.claim(n, b"theirs")
    for n in range(1, 6):
        there.backend.delete(f"leases/{KEY}/{n}")
    assert not there.claim(4, b"ours, who slept for hours")
    assert there.newest() == 8
    assert not there.holds(2, b"ours, who built for hours")
    assert there.holds(8, b"theirs")
    assert not there.holds(8, b"ours, from before all was deleted")


def test_a_lease_that_vanished_is_put_back(tmp_path: Path) -> None:
    with RemoteTurns(Files(tmp_path), 30.0).turn("digits", "1", never) as turn:
        assert turn is not None
        Files(tmp_path).delete(f"leases/{KEY}/1")
        turn.check()
        assert leases(tmp_path) == [1]


def abandoned(backend: Files) -> Turn:
    """Take a turn as one who is stopped at once does: without a sign of life."""
    turn = RemoteTurns(backend, 0.4)._wait(Generations(backend, KEY), never, None)  # type: ignore[arg-type]
    assert isinstance(turn, RemoteTurn)
    return turn


def test_whoever_gives_no_sign_of_life_is_followed_by_another_but_keeps_its_turn_till_then(tmp_path: Path) -> None:
    first = abandoned(Files(tmp_path))
    time.sleep(0.5)
    first.check()
    began = time.monotonic()
    with RemoteTurns(Files(tmp_path), 0.4).turn("digits", "1", never) as second:
        assert second is not None
        assert second.fence == first.fence + 1
        assert 0.4 <= time.monotonic() - began < 3
        with pytest.raises(LostError, match=r"another builds or has built .* longer than the lease of 0\.4 s"):
            first.check()
        second.check()


def test_a_builder_that_was_cut_off_builds_no_more_where_another_does(tmp_path: Path) -> None:
    cut, ours = Odd(tmp_path), Files(tmp_path)
    built: list[str] = []

    def follow(turn: Turn) -> None:
        built.append("other")

    def build(turn: Turn) -> None:
        cut.cut.set()
        with pytest.raises(StoreError, match="the line is cut"):
            turn.check()
        other = threading.Thread(target=build_once, args=(RemoteTurns(ours, 0.4), "digits", "1", never, follow))
        other.start()
        other.join()
        cut.cut.clear()
        limit = time.monotonic() + 10
        while not turn._lost and time.monotonic() < limit:  # type: ignore[attr-defined]  # its thread finds out
            time.sleep(0.01)
        turn.check()
        built.append("we")

    assert not build_once(RemoteTurns(cut, 0.4), "digits", "1", lambda: bool(built), build)
    assert built == ["other"]


def test_a_turn_that_cannot_be_given_back_hides_no_other_error(tmp_path: Path) -> None:
    backend = Odd(tmp_path)
    turns = RemoteTurns(backend, 0.4)
    with pytest.raises(ValueError, match="mine"), turns.turn("digits", "1", never):
        backend.cut.set()
        raise ValueError("mine")
    backend.cut.clear()
    with turns.turn("digits", "2", never):
        backend.cut.set()  # published, but the line breaks right after
    backend.cut.clear()
    with turns.turn("digits", "2", never) as turn:  # after a lease's length
        assert turn is not None
        assert turn.fence == 2


def test_a_place_that_cannot_be_written_is_told(tmp_path: Path) -> None:
    (tmp_path / "store").write_text("")
    with pytest.raises(StoreError, match="cannot write to"):
        with RemoteTurns(Files(tmp_path / "store"), 1.0).turn("digits", "1", never):
            pytest.fail("a turn in a file")
