"""Many processes, one cache folder: bounded at all times, each part fetched once, whoever dies or is locked out."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import pytest

from headrace.stores.backends.disk import Files
from headrace.stores.fetched.cache import Cache
from headrace.stores.fetched.shelf import Fetched
from headrace.stores.manifest import Manifest
from tests.stores.fetched.far import numbered
from tests.stores.fetched.test_shelf import reads, room_for, there, until

PARTS = 20
NOBODY = 65534


class Reader:
    """A process that reads when it is told to."""

    def __init__(self, plan: dict[str, Any]) -> None:
        command = [sys.executable, "-m", "tests.stores.fetched.reading", json.dumps(plan)]
        self.process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        assert self.process.stdout is not None and self.process.stdin is not None
        self._said, self._told = self.process.stdout, self.process.stdin

    def ready(self) -> None:
        """Wait until it has started."""
        assert self._said.readline() == "ready\n"

    def go(self) -> None:
        """Let it begin."""
        self._told.write("\n")
        self._told.flush()

    def done(self) -> dict[str, Any]:
        """Wait for its end, and return what it says."""
        said: dict[str, Any] = json.loads(self._said.readline() or "{}")
        assert self.process.wait(60) == 0
        return said

    def end(self) -> None:
        """Make sure that it is gone."""
        self.process.kill()
        self.process.wait()
        self._said.close()
        with suppress(BrokenPipeError):
            self._told.close()


@pytest.fixture(scope="module")
def far() -> Iterator[tuple[Files, Manifest, Path]]:
    with TemporaryDirectory() as folder:  # pytest's own folders are closed to other users
        os.chmod(folder, 0o755)
        backend, manifest = numbered(Path(folder), PARTS, 20_000)
        (Path(folder) / "manifest.json").write_bytes(manifest.encode())
        yield backend, manifest, Path(folder) / "manifest.json"


@pytest.fixture
def cache(tmp_path: Path) -> Path:
    return tmp_path / "cache"


@contextmanager
def reading(far: tuple[Files, Manifest, Path], cache: Path, *plans: dict[str, Any]) -> Iterator[list[Reader]]:
    """Start readers, all at once."""
    common = {"far": str(far[0].root), "manifest": str(far[2]), "cache": str(cache), "limit": None}
    readers = [Reader({**common, **plan}) for plan in plans]
    try:
        for reader in readers:
            reader.ready()
        for reader in readers:
            reader.go()
        yield readers
    finally:
        for reader in readers:
            reader.end()


def files(folder: Path) -> dict[int, int]:
    """Return the sizes of the files in a folder, by their numbers: one that is moved meanwhile may be seen twice."""
    found: dict[int, int] = {}
    with suppress(FileNotFoundError), os.scandir(folder) as entries:
        for entry in entries:
            with suppress(FileNotFoundError):
                found |= files(Path(entry.path)) if entry.is_dir() else {entry.inode(): entry.stat().st_size}
    return found


@contextmanager
def watching(folder: Path) -> Iterator[list[int]]:
    """Look at the size of a folder again and again; gives all that were seen."""
    seen: list[int] = []
    ended = threading.Event()

    def watch() -> None:
        while not ended.wait(0.001):
            seen.append(sum(files(folder).values()))

    watcher = threading.Thread(target=watch)
    watcher.start()
    try:
        yield seen
    finally:
        ended.set()
        watcher.join()


@pytest.mark.parametrize("expect", [False, True])
def test_eight_readers_share_what_five_parts_have_room_for(
    far: tuple[Files, Manifest, Path], cache: Path, expect: bool
) -> None:
    limit = room_for(far[1], 5)
    plan = {"limit": limit, "order": list(range(PARTS)), "expect": expect, "seconds": 0.002, "keep": True}
    with watching(cache) as seen, reading(far, cache, *[plan] * 8) as readers:
        done = [reader.done() for reader in readers]
    assert max(seen) <= limit and len(seen) > 20
    assert max(seen) > limit // 2
    assert sum(one["fetched"] for one in done) <= (4 if expect else 1.5) * PARTS
    assert os.listdir(cache / "tmp") == os.listdir(cache / "locks") == []


def test_each_part_is_fetched_by_one_of_eight(far: tuple[Files, Manifest, Path], cache: Path) -> None:
    orders = [list(range(PARTS))[::step] for step in (1, -1) * 4]
    with reading(far, cache, *[{"order": order, "seconds": 0.005} for order in orders]) as readers:
        done = [reader.done() for reader in readers]
    assert sum(one["fetched"] for one in done) == PARTS
    assert sum(one["waits"] for one in done) > 0 and all(not one["warned"] for one in done)


def test_who_dies_while_fetching_lets_go(far: tuple[Files, Manifest, Path], cache: Path) -> None:
    backend, manifest, _ = far
    limit = room_for(manifest, 1)
    with reading(far, cache, {"order": [0], "seconds": 60, "limit": limit}) as (reader,):
        until(lambda: (cache / "tmp").exists() and os.listdir(cache / "tmp") != [])
        began = time.monotonic()
        waiting = threading.Timer(0.2, reader.process.send_signal, [signal.SIGKILL])
        waiting.start()
        shelf = Fetched(backend, cache, limit)
        reads(shelf, manifest, 0)  # waits for the other, which dies
        waiting.join()
    assert 0.2 <= time.monotonic() - began < 5
    assert shelf.stats().fetched == 1
    with reading(far, cache, {"order": [1], "seconds": 60, "limit": None}) as (reader,):
        until(lambda: os.listdir(cache / "tmp") != [])
    reads(shelf, manifest, 2)  # what the dead have reserved counts no more
    assert there(cache, manifest) == [2] and os.listdir(cache / "tmp") == []


def test_who_hangs_while_fetching_is_passed_by(far: tuple[Files, Manifest, Path], cache: Path) -> None:
    with reading(far, cache, {"order": [0], "seconds": 60}):
        until(lambda: (cache / "tmp").exists() and os.listdir(cache / "tmp") != [])
        with reading(far, cache, {"order": [0], "patience": 0.3}) as (reader,):
            done = reader.done()
    assert done["held"] == 1 and "has not got on for" in done["warned"][0]


def test_a_fork_takes_along_no_lock_and_no_thread(far: tuple[Files, Manifest, Path], cache: Path) -> None:
    plan = {"order": [0], "fork": True, "limit": room_for(far[1], 3), "seconds": 0.01}
    with reading(far, cache, plan) as (reader,):
        reader.done()
    assert Cache(cache, None).clear() > 0 and os.listdir(cache / "parts") == []


def test_a_disk_that_is_full_stops_no_reader(far: tuple[Files, Manifest, Path], cache: Path) -> None:
    with reading(far, cache, {"order": [0, 1], "most_bytes": 50_000}) as (reader,):
        done = reader.done()
    assert done["held"] == 2 and len(done["warned"]) == 1
    assert "File too large" in done["warned"][0] and "held in memory" in done["warned"][0]
    assert os.listdir(cache / "tmp") == os.listdir(cache / "parts") == []


@pytest.mark.skipif(os.geteuid() != 0, reason="needs to mount a file system")
def test_a_small_disk_bounds_the_cache(far: tuple[Files, Manifest, Path], cache: Path) -> None:
    cache.mkdir()
    size = 3 * 4096 * (room_for(far[1], 1) // 4096 + 4)
    mounted = subprocess.run(["mount", "-t", "tmpfs", "-o", f"size={size}", "tmpfs", str(cache)], capture_output=True)
    if mounted.returncode:
        pytest.skip("may not mount")
    try:
        with reading(far, cache, {"order": [0, 1, 2, 3, 4, 0]}) as (reader,):
            done = reader.done()
        assert done["fetched"] == 6 and done["held"] == 0 and not done["warned"]
    finally:
        subprocess.run(["umount", str(cache)], check=True)


@pytest.mark.skipif(os.geteuid() != 0, reason="needs to become another user")
def test_another_user_reads_what_is_there_and_writes_nothing(far: tuple[Files, Manifest, Path]) -> None:
    backend, manifest, path = far
    cache = path.parent / "cache"
    with reading(far, cache, {"order": [0, 1]}) as (reader,):
        reader.done()
    plan = {"order": [0, 1, 2], "user": NOBODY}
    with reading(far, cache, plan) as (reader,):
        done = reader.done()
    assert done["hits"] == 2 and done["held"] == 1
    assert "Permission denied" in done["warned"][0] and str(cache) in done["warned"][0]
    assert there(cache, manifest) == [0, 1]
    os.chmod(cache / "parts", 0o700)  # not even this
    with reading(far, cache, plan) as (reader,):
        assert reader.done()["held"] == 3
    mine = cache.parent / "nobody's"
    mine.mkdir()
    os.chown(mine, NOBODY, NOBODY)
    with reading(far, mine, plan) as (reader,):
        assert reader.done()["fetched"] == 3
    path = mine / "parts" / manifest.parts[0].digest / "x.npy"
    path.write_bytes(path.read_bytes()[:-1] + b"!")
    shelf = Fetched(backend, mine, None)
    reads(shelf, manifest, 0)  # what belongs to another user is looked into, before it is believed
    assert shelf.stats().fetched == 1
