"""Writers that are killed: run as a program of its own, which forks a writer for each moment to die at.

``python dying.py ROOT SCENARIO`` kills at each file operation in turn, ``python dying.py ROOT SCENARIO TIMES`` at as
many random moments. After each death the store must be what a reader expects, and the next writer must go on.
"""

from __future__ import annotations

import os
import random
import shutil
import signal
import sys
import time
import traceback
from collections.abc import Callable, Iterator
from itertools import count
from pathlib import Path
from typing import Any

import numpy as np

from headrace.store import Store

OPERATIONS = {"os.link", "os.mkdir", "os.remove", "os.rename", "os.rmdir", "fcntl.flock"}
OLD = np.arange(300)
NEW = np.arange(3000) * 2


def records() -> Iterator[dict[str, Any]]:
    for number in NEW.tolist():
        yield {"x": number, "text": "t" * (number % 5)}


def submit(store: Store) -> None:
    store.submit(records(), "data", "new", part_bytes=25_000)


def replace(store: Store) -> None:
    store.submit(records(), "data", "old", replace=True)


def delete(store: Store) -> None:
    store.delete("data", "new")


SCENARIOS: dict[str, Callable[[Store], None]] = {"submit": submit, "replace": replace, "delete": delete}


def prepare(root: Path, scenario: str) -> None:
    """Make a store as the scenario finds it."""
    shutil.rmtree(root, ignore_errors=True)
    store = Store(root)
    store.submit({"x": OLD}, "data", "old")
    if scenario == "delete":
        submit(store)


def check(root: Path, scenario: str) -> None:
    """Look at the store as a reader does, then as the next writer."""
    store = Store(root)
    old = store.fetch("data", "old").collect()["x"]
    assert (old.shape == OLD.shape and (old == OLD).all()) or (scenario == "replace" and (old == NEW).all())
    if "new" in store.versions("data"):
        assert (store.fetch("data", "new").collect()["x"] == NEW).all()
    store.verify()
    assert store.submit({"x": [1]}, "data", "next")[0] == {"x": 1}
    assert os.listdir(root / "tmp") == [], "the next submit must clear away what dead writers left"
    store.verify()
    kept = {path.parent.name for path in (root / "objects").glob("*/*")}
    used = {part.digest for _, found in store._catalog.everything() for part in found.parts}  # type: ignore[union-attr]
    assert kept == used, "parts that no version needs were left"


def in_child(act: Callable[[], None]) -> int:
    """Fork, and return the child."""
    child = os.fork()
    if child:
        return child
    try:
        act()
    except BaseException:
        traceback.print_exc()
        os._exit(1)
    os._exit(0)


def outcome(child: int) -> bool:
    """Wait for a child; return whether it was killed before its end."""
    status = os.waitpid(child, 0)[1]
    if os.WIFSIGNALED(status):
        return True
    assert os.WEXITSTATUS(status) == 0, "the writer failed instead of being killed"
    return False


def dying_at(moment: int, act: Callable[[], None]) -> None:
    """Do something, and be killed right before the file operation of that number that changes anything."""
    seen = count()

    def hook(event: str, arguments: tuple[Any, ...]) -> None:
        writes = event == "open" and isinstance(arguments[2], int) and arguments[2] & (os.O_WRONLY | os.O_RDWR)
        if (writes or event in OPERATIONS) and next(seen) == moment:
            os.kill(os.getpid(), signal.SIGKILL)

    sys.addaudithook(hook)
    act()


def at_each_operation(root: Path, scenario: str) -> int:
    for moment in count():
        prepare(root, scenario)
        killed = outcome(in_child(lambda at=moment: dying_at(at, lambda: SCENARIOS[scenario](Store(root)))))  # type: ignore[misc]
        check(root, scenario)
        if not killed:
            return moment
    raise AssertionError("no end")


def at_random_moments(root: Path, scenario: str, times: int) -> int:
    kills, longest = 0, 0.1
    while kills < times:
        prepare(root, scenario)
        began = time.perf_counter()
        child = in_child(lambda: SCENARIOS[scenario](Store(root)))
        time.sleep(random.random() * longest)
        os.kill(child, signal.SIGKILL)
        if outcome(child):
            kills += 1
        else:
            longest = time.perf_counter() - began
        check(root, scenario)
    return kills


if __name__ == "__main__":
    folder, name, *rest = sys.argv[1:]
    died = at_random_moments(Path(folder), name, int(rest[0])) if rest else at_each_operation(Path(folder), name)
    print(died)
