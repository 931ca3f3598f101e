"""Builders that are killed, run as a program of its own, which forks one after the other.

``python dying.py ROOT random TIMES PART_BYTES`` kills at random moments, and lets another builder go on each time;
``python dying.py ROOT late WORKERS`` kills a builder with so many processes when nine tenths of the records are read.
``python dying.py ROOT end PART_BYTES`` kills one at each file operation that comes after the last record.
All print how many records were read, and how many there are.
"""

from __future__ import annotations

import os
import random
import signal
import sys
import time
import traceback
from collections.abc import Callable
from itertools import count
from pathlib import Path
from typing import Any

import numpy as np

from headrace.core.records import Records, Rows
from headrace.stores.building import pace, safety
from headrace.stores.building.build import build
from headrace.stores.building.stages import About
from headrace.stores.catalog import Catalog
from headrace.stores.local import Folder
from headrace.stores.manifest import Manifest
from headrace.stores.reader import Stored
from headrace.stores.verify import verify
from headrace.workers.inline import Inline
from headrace.workers.processes import Processes

OPERATIONS = {"os.link", "os.mkdir", "os.remove", "os.rename", "os.rmdir", "fcntl.flock"}
LENGTH = 600
EACH = 0.0008  # seconds that a record takes


def record(number: int, version: str) -> dict[str, Any]:
    """A record of each kind of column; one of them becomes ragged in the middle. Versions share nothing."""
    ragged = [number + int(version)] * (3 if number < LENGTH // 2 else number % 5)
    return {"x": np.full(200, number + LENGTH * int(version)), "text": version * (number % 7), "ragged": ragged}


class Slowly:
    """Reads records, and notes each in a file."""

    def __init__(self, log: Path, version: str) -> None:
        self.log = log
        self.version = version

    def __call__(self, start: int, stop: int) -> Records:
        rows = []
        for number in range(start, stop):
            time.sleep(EACH)
            rows.append(record(number, self.version))
            with open(self.log, "ab", buffering=0) as file:
                file.write(b".")
        return Rows(rows)


def submit(root: Path, version: str, workers: int, part_bytes: int | None) -> None:
    folder = Folder(root)
    about = About("data", version, "the same", LENGTH, part_bytes)
    with folder.staging(about) as stage:
        running = Processes(workers) if workers else Inline()
        built = build(stage, Slowly(root / "log", version), LENGTH, part_bytes, running, about)
        draft = Manifest("data", version, 0, built.structure, built.layout, built.parts, (), "2026", "0", "0")
        folder.publish(stage, draft)


def check(root: Path, version: str) -> bool:
    """Look at the store as a reader does; returns whether the version is there."""
    catalog: Catalog = Folder(root).catalog
    if version not in catalog.versions("data"):
        return False
    stored = Stored(Folder(root).shelf, catalog.find("data", version))
    assert len(stored) == LENGTH
    found = stored.read(np.arange(LENGTH))
    for number in range(LENGTH):
        expected = record(number, version)
        assert (found["x"][number] == expected["x"]).all()
        assert found["text"][number] == expected["text"]
        assert list(found["ragged"][number]) == expected["ragged"]
    verify(catalog, "data", version)
    kept = set(os.listdir(root / "objects"))
    used = {part.digest for _, found in catalog.everything() for part in found.parts}  # type: ignore[union-attr]
    assert kept == used, "parts that no version needs were left"
    return True


def in_child(act: Callable[[], None]) -> int:
    """Fork, and return the child, the first of a group of its own."""
    child = os.fork()
    if child:
        return child
    try:
        act()
    except BaseException:
        traceback.print_exc()
        os._exit(1)
    os._exit(0)


def killed(child: int) -> bool:
    """Wait for a child; return whether it was killed before its end."""
    status = os.waitpid(child, 0)[1]
    if os.WIFSIGNALED(status):
        return True
    assert os.WEXITSTATUS(status) == 0, "the builder failed instead of being killed"
    return False


def reads(root: Path) -> int:
    log = root / "log"
    return log.stat().st_size if log.exists() else 0


def at_random_moments(root: Path, times: int, part_bytes: int | None) -> tuple[int, int]:
    kills = versions = 0
    while kills < times:
        version = str(versions)
        child = in_child(lambda name=version: submit(root, name, 0, part_bytes))  # type: ignore[misc]
        time.sleep(random.random() * LENGTH * EACH)
        os.kill(child, signal.SIGKILL)
        kills += killed(child)
        versions += check(root, version)
    submit(root, str(versions), 0, part_bytes)
    assert check(root, str(versions))
    # Who is killed right after publishing leaves a journal, for a week, and no records.
    left = [str(path) for path in (root / "tmp").rglob("*.npy")]
    assert not left, left
    return reads(root), LENGTH * (versions + 1)


def late(root: Path, workers: int) -> tuple[int, int]:
    child = in_child(lambda: submit(root, "1", workers, None))
    until = time.monotonic() + 60
    while reads(root) < 0.9 * LENGTH:
        assert time.monotonic() < until, "nothing is read"
        time.sleep(0.002)
    os.kill(child, signal.SIGKILL)
    assert killed(child)
    assert not check(root, "1")
    time.sleep(0.2)  # its workers end
    submit(root, "1", workers, None)
    assert check(root, "1")
    assert not os.listdir(root / "tmp")
    return reads(root), LENGTH


def dying_at(moment: int, root: Path, version: str, part_bytes: int | None) -> None:
    """Write a version, and be killed before the file operation of that number after all records were read."""
    due = reads(root) + LENGTH
    seen = count()

    def hook(event: str, arguments: tuple[Any, ...]) -> None:
        writes = event == "open" and isinstance(arguments[2], int) and arguments[2] & (os.O_WRONLY | os.O_RDWR)
        if (writes or event in OPERATIONS) and reads(root) >= due and next(seen) == moment:
            os.kill(os.getpid(), signal.SIGKILL)

    sys.addaudithook(hook)
    submit(root, version, 0, part_bytes)


def at_the_end(root: Path, part_bytes: int | None) -> tuple[int, int]:
    """Kill at each operation; the builder that goes on is the next one to be killed, one operation later."""
    global EACH
    EACH, safety._SHORTEST, pace._SHORTEST = 0.0001, 0.0, 0.002
    versions = 0
    for moment in count():
        version = str(versions)
        if killed(in_child(lambda at=moment, name=version: dying_at(at, root, name, part_bytes))):  # type: ignore[misc]
            there = check(root, version)
            before = reads(root)
            if not there:
                submit(root, version, 0, part_bytes)
                assert check(root, version)
                again = reads(root) - before
                assert again < 0.25 * LENGTH, f"{again} records were read again after operation {moment}"
            versions += 1
        else:
            assert check(root, version)
            return reads(root), LENGTH * (versions + 1)
    raise AssertionError("no end")


if __name__ == "__main__":
    folder, scenario, *rest = sys.argv[1:]
    Path(folder).mkdir(exist_ok=True)
    if scenario == "late":
        print(*late(Path(folder), int(rest[0])))
    elif scenario == "end":
        print(*at_the_end(Path(folder), int(rest[0])))
    else:
        print(*at_random_moments(Path(folder), int(rest[0]), int(rest[1]) or None))
