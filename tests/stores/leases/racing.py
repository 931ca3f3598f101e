"""Builders that race, are killed and are stopped: run as a program of its own, which forks them.

``python racing.py SCENARIO PLACE FOLDER`` prints what came of it, as JSON. The place, in JSON too, says where turns are
given and the version is published: ``["local" or "remote", url, endpoint, options]``; the folder is for notes. Each
builder has a clock of its own, of which some are an hour off, in either direction.
"""

from __future__ import annotations

import json
import os
import signal
import sys
import time
import traceback
from collections.abc import Callable
from pathlib import Path

from headrace.stores.backends.opening import open_backend
from headrace.stores.backends.protocol import Backend
from headrace.stores.leases.local import LocalTurns
from headrace.stores.leases.remote import RemoteTurns
from headrace.stores.leases.turns import LostError, Turn, Turns, build_once

LEASE = 1.0
VERSION = "datasets/digits/1.0.json"


def opened(place: str) -> tuple[Turns, Backend]:
    """Return who gives turns at a place, and where the version appears."""
    kind, url, endpoint, options = json.loads(place)
    backend = open_backend(url, endpoint, options)
    return LocalTurns(Path(url)) if kind == "local" else RemoteTurns(backend, LEASE), backend


class Race:
    """Builders of one version, and their notes."""

    def __init__(self, place: str, folder: Path) -> None:
        self.place = place
        self.folder = folder
        self.children: list[int] = []

    def note(self, name: str, text: object) -> None:
        """Write a line, in one step."""
        with open(self.folder / name, "ab", buffering=0) as file:
            file.write(f"{text}\n".encode())

    def notes(self, name: str) -> list[str]:
        path = self.folder / name
        return path.read_text().split() if path.exists() else []

    def until(self, name: str, count: int = 1) -> None:
        """Wait until so many lines are there."""
        limit = time.monotonic() + 30
        while len(self.notes(name)) < count:
            assert time.monotonic() < limit, f"no {name}"
            time.sleep(0.01)

    def fork(self, act: Callable[[], None]) -> int:
        child = os.fork()
        if child:
            self.children.append(child)
            return child
        try:
            act()
        except BaseException:
            traceback.print_exc()
            os._exit(1)
        os._exit(0)

    def ends(self) -> list[int]:
        """Wait for all children; return how they ended."""
        return [os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) for child in self.children]

    def build(self, work: Callable[[], object]) -> None:
        """Be a builder, whose work is to do something."""
        shift = (os.getpid() % 3 - 1) * 3600.0
        real = time.time
        time.time = lambda: real() + shift
        turns, backend = opened(self.place)

        def build(turn: Turn) -> None:
            turn.say("half of it")
            self.note("builders", os.getpid())
            self.note("fences", turn.fence)
            work()
            try:
                turn.check()
            except LostError:
                self.note("lost", os.getpid())
                assert not backend.put_if_absent(VERSION, b"late"), "there is another's version"
                raise
            if backend.put_if_absent(VERSION, str(os.getpid()).encode()):
                self.note("published", os.getpid())

        def done() -> bool:
            return backend.look(VERSION) is not None

        if build_once(turns, "digits", "1.0", done, build, lambda text: self.note("told", text.replace(" ", "_"))):
            self.note("built", os.getpid())
        assert done()

    def outcome(self, **more: object) -> dict[str, object]:
        names = ("builders", "published", "built", "lost", "fences", "told")
        return {name: self.notes(name) for name in names} | more


def many(race: Race) -> dict[str, object]:
    """64 builders at once; on a back end fewer, of which the first builds for longer than a lease."""
    count, work = (64, 0.3) if json.loads(race.place)[0] == "local" else (8, 1.5 * LEASE)
    for _ in range(count):
        race.fork(lambda: race.build(lambda: time.sleep(work)))
    return race.outcome(ends=race.ends())


def killed(race: Race) -> dict[str, object]:
    """8 builders, of which the first is killed while it builds."""
    for _ in range(8):
        race.fork(lambda: race.build(lambda: time.sleep(30 if len(race.notes("builders")) == 1 else 0.1)))
    race.until("builders")
    time.sleep(0.2)
    os.kill(int(race.notes("builders")[0]), signal.SIGKILL)
    return race.outcome(ends=sorted(race.ends()))


def stopped(race: Race) -> dict[str, object]:
    """A builder that is stopped for longer than its lease, and another who takes over."""
    first = race.fork(lambda: race.build(lambda: race.until("continued")))
    race.until("builders")
    os.kill(first, signal.SIGSTOP)
    race.fork(lambda: race.build(lambda: None))
    race.until("published")
    race.note("continued", 1)
    os.kill(first, signal.SIGCONT)
    ends = race.ends()
    return race.outcome(ends=ends, content=bytes(opened(race.place)[1].get(VERSION)).decode())


def brief(race: Race) -> dict[str, object]:
    """4 builders that have many short turns, each alone."""

    def work() -> None:
        for _ in range(300):
            with opened(race.place)[0].turn("digits", "1.0", lambda: False) as turn:
                assert turn is not None
                os.close(os.open(race.folder / "inside", os.O_CREAT | os.O_EXCL))
                race.note("fences", turn.fence)
                os.unlink(race.folder / "inside")

    for _ in range(4):
        race.fork(work)
    return race.outcome(ends=race.ends())


def orphan(race: Race) -> dict[str, object]:
    """A builder is killed and leaves a child that it forked, which lives on."""

    def work() -> None:
        if not race.notes("orphan"):
            race.note("orphan", race.fork(lambda: time.sleep(30)))
            time.sleep(30)

    first = race.fork(lambda: race.build(work))
    race.until("orphan")
    os.kill(first, signal.SIGKILL)
    began = time.monotonic()
    race.fork(lambda: race.build(work))
    ends = race.ends()
    waited = time.monotonic() - began
    os.kill(int(race.notes("orphan")[0]), signal.SIGKILL)
    return race.outcome(ends=ends, waited=waited)


SCENARIOS = {act.__name__: act for act in (many, killed, stopped, brief, orphan)}

if __name__ == "__main__":
    scenario, at, notes = sys.argv[1:]
    print(json.dumps(SCENARIOS[scenario](Race(at, Path(notes)))))
