"""What every kind of turn promises, in threads of one process."""

from __future__ import annotations

import os
import re
import signal
import threading
import time
from collections.abc import Callable, Iterator
from itertools import pairwise
from pathlib import Path

import pytest

from headrace.core.errors import ExistsError, StoreError
from headrace.stores.backends.disk import Files
from headrace.stores.leases.holder import Holder
from headrace.stores.leases.local import LocalTurns
from headrace.stores.leases.remote import RemoteTurns
from headrace.stores.leases.turns import LostError, Turn, Turns, build_once

Patient = Callable[[float | None], Turns]


@pytest.fixture(params=["local", "remote"])
def patient(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Patient]:
    """Give turns with some patience; look afterwards that no thread and no open file is left."""
    threads, files = threading.active_count(), len(os.listdir("/dev/fd"))
    root = tmp_path / "store"
    if request.param == "local":
        yield lambda patience: LocalTurns(root, patience)
    else:
        yield lambda patience: RemoteTurns(Files(root), 1.0, patience)
    assert threading.active_count() == threads
    assert len(os.listdir("/dev/fd")) == files


@pytest.fixture
def turns(patient: Patient) -> Turns:
    return patient(20)


def never() -> bool:
    return False


def test_one_turn_at_a_time_in_threads_and_fences_rise(turns: Turns) -> None:
    inside, most, fences = 0, 0, []

    def work() -> None:
        nonlocal inside, most
        for _ in range(3):
            with turns.turn("digits", "1", never) as turn:
                assert turn is not None
                inside += 1
                most = max(most, inside)
                fences.append(turn.fence)
                turn.say("é" * 10_000)
                turn.check()
                inside -= 1

    threads = [threading.Thread(target=work) for _ in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert most == 1
    assert len(fences) == 9
    assert fences == sorted(set(fences))


def test_versions_do_not_wait_for_each_other(turns: Turns) -> None:
    with turns.turn("digits", "1", never) as one, turns.turn("digits", "2", never) as two:
        assert one is not None
        assert two is not None
        with turns.turn("../é x", "1", never) as three:
            assert three is not None


@pytest.mark.parametrize("error", [ValueError, KeyboardInterrupt, SystemExit])
def test_a_builder_that_fails_lets_the_next_one_try(turns: Turns, error: type[BaseException]) -> None:
    def fails(turn: Turn) -> None:
        raise error("mine")

    with pytest.raises(error, match="mine"):
        build_once(turns, "digits", "1", never, fails)
    began = time.monotonic()
    built: list[int] = []
    assert build_once(turns, "digits", "1", lambda: bool(built), lambda turn: built.append(turn.fence))
    assert time.monotonic() - began < 0.9, "the next one waited for a lease's length"
    assert not build_once(turns, "digits", "1", lambda: bool(built), lambda turn: built.append(0))
    assert built[1:] == []


def test_what_is_there_when_the_turn_comes_is_not_built(turns: Turns) -> None:
    answers = iter([False, True])
    assert not build_once(turns, "digits", "1", lambda: next(answers), lambda turn: pytest.fail("built"))


def test_a_builder_that_lost_its_turn_waits_for_the_other(turns: Turns) -> None:
    tries: list[int] = []

    def build(turn: Turn) -> None:
        tries.append(turn.fence)
        if len(tries) == 1:
            raise LostError("lost")

    assert build_once(turns, "digits", "1", never, build)
    assert len(tries) == 2


def test_a_version_that_another_published_is_as_good_but_it_must_be_there(turns: Turns) -> None:
    there: list[bool] = []

    def late(turn: Turn) -> None:
        there.append(True)
        raise ExistsError("there")

    assert not build_once(turns, "digits", "1", lambda: bool(there), late)
    with pytest.raises(ExistsError):
        build_once(turns, "digits", "2", never, late)


def test_those_who_wait_see_who_builds_and_how_far_it_is_and_come_to_an_end(patient: Patient) -> None:
    held, over = threading.Event(), threading.Event()

    def hold() -> None:
        with patient(None).turn("digits", "1", never) as turn:
            assert turn is not None
            turn.say("34% of 50,000 records")
            held.set()
            over.wait(20)

    other = threading.Thread(target=hold)
    other.start()
    assert held.wait(10)
    told: list[tuple[float, str]] = []
    began = time.monotonic()
    with pytest.raises(
        StoreError, match=r"waited 1\.\d s, the patience given, and .* 34% of .* end that process"
    ) as no:
        with patient(1.3).turn("digits", "1", never, lambda text: told.append((time.monotonic(), text))):
            pytest.fail("two at once")
    assert 1.3 <= time.monotonic() - began < 5
    assert f"'digits' 1 is being built by process {os.getpid()} on {Holder.new().host}, watched for 1." in str(no.value)
    assert 1 <= len(told) <= 2
    assert all(later[0] - sooner[0] > 0.9 for sooner, later in pairwise(told))
    done_at = time.monotonic() + 0.2
    with patient(20).turn("digits", "1", lambda: time.monotonic() > done_at) as turn:
        assert turn is None
    over.set()
    other.join()


def test_whoever_would_wait_for_itself_is_told_so(turns: Turns) -> None:
    with pytest.raises(StoreError, match="'digits' 1 is built by a function that asks for 'digits' 1 itself"):
        build_once(turns, "digits", "1", never, lambda turn: build_once(turns, "digits", "1", never, lambda _: None))


def test_control_c_ends_a_wait(turns: Turns) -> None:
    held, over = threading.Event(), threading.Event()

    def hold() -> None:
        with turns.turn("digits", "1", never):
            held.set()
            over.wait(20)

    other = threading.Thread(target=hold)
    other.start()
    assert held.wait(10)
    threading.Timer(0.2, signal.raise_signal, [signal.SIGINT]).start()
    with pytest.raises(KeyboardInterrupt), turns.turn("digits", "1", never):
        pytest.fail("two at once")
    over.set()
    other.join()


@pytest.mark.filterwarnings("ignore:.*multi-threaded, use of fork:DeprecationWarning")
def test_a_forked_child_has_no_turn_and_ends_none(turns: Turns) -> None:
    with turns.turn("digits", "1", never) as turn:
        assert turn is not None
        child = os.fork()
        if child == 0:
            try:
                turn.say("nothing")
                turn.check()
            except StoreError as error:
                turn.leave()  # type: ignore[attr-defined]
                os._exit(0 if re.search("publishes, not the processes", str(error)) else 1)
            os._exit(2)
        assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
        turn.check()
        with pytest.raises(StoreError):
            with turns.turn("digits", "1", never):
                pytest.fail("two at once")
