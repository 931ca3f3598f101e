"""A bar on what flows by: shown where asked, closed on every exit, never part of a state."""

from __future__ import annotations

import io
import threading
from typing import Any

import pytest

from headrace.core.errors import ArgumentError, KindError, RecordError
from headrace.core.flow import Flow
from headrace.core.iteration import StreamIterator
from headrace.stages.filter import Filter
from headrace.stages.iterate import Iterate
from headrace.stages.map import Map
from headrace.stages.progress import Progress
from headrace.testing.stages import StageTests


class TestProgress(StageTests):
    @pytest.fixture(params=["shown", "hidden"])
    def flow(self, request: pytest.FixtureRequest) -> Flow:
        return Progress.of(Iterate.of(range(7)), file=io.StringIO() if request.param == "shown" else None)

    def over(self, upstream: Flow) -> Flow:
        return Progress.of(upstream, file=io.StringIO())


@pytest.fixture
def file() -> io.StringIO:
    return io.StringIO()


def last_line(file: io.StringIO) -> str:
    return file.getvalue().split("\r")[-1]


def test_the_bar_counts_to_the_stream_s_length(file: io.StringIO) -> None:
    assert list(Progress.of(Iterate.of(range(5)), desc="reading", file=file).start()) == list(range(5))
    assert last_line(file).startswith("reading: 100%")
    assert "5/5" in last_line(file)


def test_the_bar_counts_to_a_given_total_or_without_one(file: io.StringIO) -> None:
    unknown = Filter.of(Iterate.of(range(5)), bool)
    list(Progress.of(unknown, total=8, file=file).start())
    assert "4/8" in last_line(file)
    list(Progress.of(unknown, file=file).start())
    assert last_line(file).startswith("4it")


def test_it_is_silent_where_nobody_sees_it(capfd: pytest.CaptureFixture[str]) -> None:
    assert list(Progress.of(Iterate.of(range(5))).start()) == list(range(5))
    assert capfd.readouterr() == ("", "")


def test_it_shows_on_a_terminal(monkeypatch: pytest.MonkeyPatch) -> None:
    class Terminal(io.StringIO):
        def isatty(self) -> bool:
            return True

    terminal = Terminal()
    monkeypatch.setattr("sys.stderr", terminal)
    list(Progress.of(Iterate.of(range(5))).start())
    assert "5/5" in last_line(terminal)


def test_it_lives_without_a_standard_error(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sys.stderr", None)
    assert list(Progress.of(Iterate.of(range(5))).start()) == list(range(5))


def ends(file: io.StringIO) -> bool:
    return file.getvalue().endswith("\n")


def test_the_bar_is_closed_at_the_end_at_an_error_and_early(file: io.StringIO) -> None:
    list(Progress.of(Iterate.of(range(5)), file=file).start())
    assert ends(file)
    failing = io.StringIO()
    with pytest.raises(RecordError):
        list(Progress.of(Map.of(Iterate.of([1, 0]), lambda x: 1 / x), file=failing).start())
    assert ends(failing)
    early = io.StringIO()
    cursor = Progress.of(Iterate.of(range(5)), file=early).start()
    next(cursor)
    assert not ends(early)
    cursor.close()
    assert ends(early)
    dropped = io.StringIO()
    iterator = StreamIterator(Progress.of(Iterate.of(range(5)), file=dropped))
    next(iterator)
    del iterator
    assert ends(dropped)


def test_it_leaves_no_thread(file: io.StringIO) -> None:
    before = threading.active_count()
    list(Progress.of(Iterate.of(range(5)), file=file).start())
    assert threading.active_count() == before


def test_a_state_passes_through_so_that_a_bar_may_come_and_go(file: io.StringIO) -> None:
    plain = Map.of(Iterate.of(range(5)), str)
    barred = Progress.of(plain, file=file)
    cursor = barred.start()
    next(cursor)
    assert list(plain.start(cursor.state())) == list(barred.start(cursor.state())) == ["1", "2", "3", "4"]
    assert (plain.order(), plain.code()) == (barred.order(), barred.code())


def test_after_a_resume_the_bar_claims_no_total_that_it_cannot_know(file: io.StringIO) -> None:
    barred = Progress.of(Iterate.of(range(5)), file=file)
    list(barred.start({"count": 3}))
    assert last_line(file).startswith("2it")


@pytest.mark.parametrize(("total", "error"), [(-1, ArgumentError), (1.5, KindError), ("3", KindError)])
def test_a_total_that_cannot_be_meant_is_refused(total: Any, error: type[Exception]) -> None:
    with pytest.raises(error, match="total"):
        Progress.of(Iterate.of([1]), total)
