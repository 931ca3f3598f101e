"""A user's program that ends streams in all ways, and looks after each for what is left of it.

``python -m tests.whole.endings WAY KIND`` prints a line for each thing that is left. With the way ``wait`` it prints
``ready`` in the middle of a run and goes on until it is killed.
"""

from __future__ import annotations

import gc
import os
import signal
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np

import headrace as hr
from headrace import RecordError, Stream, WorkerError
from tests.whole.living import listening

SOON = 2.0  # seconds
N = 400


def marked(record: dict[str, Any]) -> dict[str, Any]:
    time.sleep(0.0002)
    return {**record, "pid": os.getpid()}


def bad(record: dict[str, Any]) -> dict[str, Any]:
    if record["n"] == 333:
        raise ValueError("this record is bad")
    return marked(record)


KINDS: dict[str, dict[str, Any]] = {
    "processes": {"workers": 2},
    "views": {"workers": 2, "copy": False},
    "spawned": {"workers": hr.Processes(2, start_method="spawn")},
    "forked": {"workers": hr.Processes(2, start_method="fork")},
    "threads": {"workers": hr.Threads(2)},
    "auto": {"workers": "auto"},
    "background": {},
    "maps": {},
}


def built(kind: str, function: Callable[..., Any] = marked) -> Stream:
    ds = hr.Dataset(n=np.arange(N), x=np.zeros((N, 3000), np.float32)).map(function).batch(20)  # 240 kB a batch
    stream = ds.stream(epochs=1, **KINDS[kind])
    if kind == "maps":
        return stream.map(lambda batch: batch.with_columns(z=batch["n"] * 2), workers=2)
    return stream.background() if kind == "background" else stream


def to_the_end(kind: str) -> None:
    assert sum(len(batch) for batch in built(kind)) == N


def to_the_end_held(kind: str) -> Iterator[Any]:
    iterator = iter(built(kind))
    for _ in iterator:
        continue
    return iterator


def broken_off(kind: str) -> None:
    for number, _ in enumerate(built(kind)):
        if number == 3:
            break


def broken_off_at_once(kind: str) -> None:
    next(iter(built(kind)))


def left_by_with(kind: str) -> Any:
    iterator = iter(built(kind))
    with iterator:
        next(iterator)
    return iterator


def an_error_of_the_loop(kind: str) -> None:
    try:
        for batch in built(kind):
            raise KeyError(len(batch))
    except KeyError:
        pass


def an_error_of_a_map(kind: str) -> None:
    try:
        built(kind, bad).list()
    except RecordError as error:
        assert "this record is bad" in str(error)
        KEPT.append(error)  # and its traceback with it


def a_death(kind: str) -> Any:
    iterator = iter(built(kind))
    try:
        for batch in iterator:
            pid = int(batch["pid"][0])
            if pid == os.getpid():
                break  # no process to be killed
            os.kill(pid, signal.SIGKILL)
    except WorkerError:
        return iterator
    return None


def views_that_are_kept(kind: str) -> list[Any]:
    return built(kind).list()


WAYS: list[Callable[[str], Any]] = [
    to_the_end,
    to_the_end_held,
    broken_off,
    broken_off_at_once,
    left_by_with,
    an_error_of_the_loop,
    an_error_of_a_map,
    a_death,
    views_that_are_kept,
]


FEW = [to_the_end_held, broken_off, an_error_of_a_map, a_death]
"""For kinds of workers that differ little from others."""

KEPT: list[Exception] = []


def things() -> dict[str, Any]:
    """Return what a stream could leave behind."""
    tasks = Path("/proc/self/task").glob("*/children")
    numbers = [number for number in os.listdir("/proc/self/fd") if os.path.lexists(f"/proc/self/fd/{number}")]
    files = sorted(f"{number} {os.readlink(f'/proc/self/fd/{number}')}" for number in numbers)
    return {
        "children": "".join(path.read_text() for path in tasks),
        "threads": sorted(thread.name for thread in threading.enumerate()),
        "descriptors": [file for file in files if "memfd" not in file],
        "memory": [name for name in os.listdir("/dev/shm") if "headrace" in name],
        "files": os.listdir(tempfile.gettempdir()),
        "maps": [file for file in files if "memfd" in file],
    }


def check(way: Callable[[str], Any], kind: str) -> None:
    before = things()
    kept = way(kind)
    if way is not views_that_are_kept:
        gone(f"{way.__name__}, kept", {**before, **mapped(things())})  # what is kept holds data
    KEPT.clear()
    del kept
    gone(way.__name__, before)


def mapped(found: dict[str, Any]) -> dict[str, Any]:
    """Return how much memory is mapped that could be shared with workers."""
    return {"maps": found["maps"]}


def gone(what: str, before: dict[str, Any]) -> None:
    until = time.monotonic() + SOON
    while (after := things()) != before and time.monotonic() < until:
        time.sleep(0.01)
    gc.collect()  # what waits for this alone would be told
    for name, value in after.items():
        if value != before[name]:
            print(f"{what}: {name}: {before[name]} before, {value} after")


def wait(kind: str) -> None:
    """Be in the middle of a run until the end comes."""
    for number, _ in enumerate(built(kind).repeat()):
        if number == 5:
            tasks = Path("/proc/self/task").glob("*/children")
            children = [int(child) for path in tasks for child in path.read_text().split()]
            print("listens" if listening([os.getpid(), *children]) else "ready", flush=True)
        time.sleep(0.001)


if __name__ == "__main__":
    if sys.argv[1] == "wait":
        wait(sys.argv[2])
    else:
        hr.Dataset(range(4)).stream().list()  # loads what is loaded when it is first used
        built(sys.argv[2]).take(1).list()
        for way in FEW if sys.argv[2] in ("spawned", "forked", "maps") else WAYS:
            check(way, sys.argv[2])
