"""One process: what is fetched, what stays, what goes, and what happens when the folder is of no use."""

from __future__ import annotations

import gc
import os
import pickle
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path

import numpy as np
import pytest

from headrace.core.errors import DamageError, HeadraceWarning
from headrace.core.records import wrap
from headrace.stores.backends.disk import Files
from headrace.stores.fetched.cache import Cache
from headrace.stores.fetched.shelf import Fetched
from headrace.stores.files import File
from headrace.stores.manifest import Manifest
from headrace.stores.mapped import Table
from tests.stores.fetched.far import numbered, sent

PARTS = 8


@pytest.fixture(scope="module")
def far(tmp_path_factory: pytest.TempPathFactory) -> tuple[Files, Manifest]:
    return numbered(tmp_path_factory.mktemp("data"), PARTS)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return tmp_path / "cache"


@pytest.fixture(autouse=True)
def no_thread_stays() -> Iterator[None]:
    yield
    gc.collect()
    until(lambda: not any("headrace" in thread.name for thread in threading.enumerate()))


def until(true: Callable[[], bool], seconds: float = 10) -> None:
    """Wait for something."""
    ends = time.monotonic() + seconds
    while not true():
        assert time.monotonic() < ends, "it never came"
        time.sleep(0.005)


def reads(shelf: Fetched, manifest: Manifest, at: int) -> Table:
    """Open a part and make sure of what it holds."""
    part = manifest.parts[at]
    table = shelf.open(part, manifest.layout)
    batch = table.take(np.arange(part.length))
    assert (batch["x"] == np.arange(part.length) + at * part.length).all() and (batch["y"] == at).all()
    return table


def there(folder: Path, manifest: Manifest) -> list[int]:
    """Return the numbers of the parts in a cache folder."""
    digests = [part.digest for part in manifest.parts]
    return sorted(digests.index(name) for name in Cache(folder, None).digests())


def room_for(manifest: Manifest, parts: int) -> int:
    return max(part.size for part in manifest.parts) * parts


def test_a_part_is_fetched_once_and_goes_when_it_was_not_used_for_longest(
    far: tuple[Files, Manifest], folder: Path
) -> None:
    backend, manifest = far
    shelf = Fetched(backend, folder, room_for(manifest, 3))
    for at in (0, 1, 2, 0, 3):
        reads(shelf, manifest, at)
    assert there(folder, manifest) == [0, 2, 3]
    assert shelf.stats().fetched == 4 and shelf.stats().hits == 1 and shelf.stats().evicted == 1
    other = pickle.loads(pickle.dumps(shelf))
    reads(other, manifest, 3)
    assert other.stats().hits == 1 and other.stats().fetched == 0
    assert os.listdir(folder / "tmp") == os.listdir(folder / "locks") == []


def test_what_is_open_stays_until_the_last_view_of_it_goes(far: tuple[Files, Manifest], folder: Path) -> None:
    backend, manifest = far
    shelf = Fetched(backend, folder, room_for(manifest, 2))
    table = reads(shelf, manifest, 0)
    view = table.whole()["x"][10:20].reshape(2, 5)
    del table
    for at in (1, 2, 3):
        reads(shelf, manifest, at)
        assert there(folder, manifest) == sorted([0, at])
    assert view[0, 0] == 10 and not view.flags.writeable
    del view  # no collection of garbage is needed
    reads(shelf, manifest, 4)
    reads(shelf, manifest, 5)
    assert there(folder, manifest) == [4, 5]


def test_what_the_folder_cannot_take_is_held_in_memory(far: tuple[Files, Manifest], folder: Path) -> None:
    backend, manifest = far
    shelf = Fetched(backend, folder, room_for(manifest, 1))
    first = reads(shelf, manifest, 0).whole()
    with pytest.warns(HeadraceWarning, match=r"held in memory instead .* no room for a part of 9.26 kB"):
        second = reads(shelf, manifest, 1)
    reads(shelf, manifest, 2)  # is not said twice
    assert there(folder, manifest) == [0] and shelf.stats().held == 2
    del first
    assert (second.take(np.arange(3))["x"] == [1000, 1001, 1002]).all()
    reads(shelf, manifest, 3)
    assert there(folder, manifest) == [3]
    small = Fetched(backend, folder, 100)
    with pytest.warns(HeadraceWarning, match="a part has 9.26 kB, more than cache_bytes=100"):
        reads(small, manifest, 4)


def test_without_a_folder_parts_are_held_in_memory_up_to_the_limit(far: tuple[Files, Manifest]) -> None:
    backend, manifest = far
    shelf = Fetched(backend, None, room_for(manifest, 2))
    tables = [reads(shelf, manifest, at) for at in (0, 1, 0, 2, 0)]
    assert shelf.stats().fetched == 3
    for table, fetched in zip(tables[1:], (4, 4, 5, 5), strict=True):  # kept by a reader, they do not keep the memory
        table.take(np.arange(2))
        assert shelf.stats().fetched == fetched


def test_damage_in_the_folder_is_mended(far: tuple[Files, Manifest], folder: Path) -> None:
    backend, manifest = far
    reads(Fetched(backend, folder, None), manifest, 0)
    part = manifest.parts[0]
    path = folder / "parts" / part.digest / "x.npy"
    for cut in (True, False):
        os.truncate(path, 500) if cut else path.unlink()
        shelf = Fetched(backend, folder, None)
        reads(shelf, manifest, 0)
        assert shelf.stats().fetched == 1
    for asked in (True, False):
        with open(path, "r+b") as file:
            file.seek(-5, os.SEEK_END)
            file.write(b"!")
        assert not asked or Cache(folder, None).verify() == [part.digest]
        shelf = Fetched(backend, folder, None, verify=True)
        reads(shelf, manifest, 0)
        assert shelf.stats().fetched == 1
    assert Cache(folder, None).verify() == [] and Cache(folder, None).clear() == part.size
    assert there(folder, manifest) == []


def test_damage_in_the_far_place_is_told_and_leaves_nothing(tmp_path: Path, folder: Path) -> None:
    backend, manifest = numbered(tmp_path, 2)
    path = backend.root / File.of(manifest.parts[0], "x.npy").key
    content = bytearray(path.read_bytes())
    content[-1] ^= 1
    path.write_bytes(content)
    shelf = Fetched(backend, folder, None)
    shelf.expect(manifest.parts)
    with pytest.raises(DamageError, match=rf"{path} is damaged: .* expected {manifest.parts[0].files['x.npy'].sha256}"):
        shelf.open(manifest.parts[0], manifest.layout)
    reads(shelf, manifest, 1)
    assert there(folder, manifest) == [1] and os.listdir(folder / "tmp") == []
    path.unlink()
    with pytest.raises(DamageError, match=rf"{path} is missing"):
        shelf.check(manifest.parts)


def test_what_is_expected_comes_in_order_as_far_as_there_is_room(far: tuple[Files, Manifest], folder: Path) -> None:
    backend, manifest = far
    shelf = Fetched(backend, folder, room_for(manifest, 3))
    reads(shelf, manifest, 7)
    shelf.expect([manifest.parts[at] for at in range(7)])
    until(lambda: there(folder, manifest) == [0, 1, 2])
    time.sleep(0.05)
    assert there(folder, manifest) == [0, 1, 2], "what is wanted later must not push out what is wanted sooner"
    for at in range(7):
        until(lambda at=at: at in there(folder, manifest))  # type: ignore[misc]
        reads(shelf, manifest, at)
    stats = shelf.stats()
    assert stats.fetched == 8 and stats.held == 0 and stats.hits == 7


def test_tables_that_a_reader_keeps_are_closed_when_room_is_needed(far: tuple[Files, Manifest], folder: Path) -> None:
    backend, manifest = far
    shelf = Fetched(backend, folder, room_for(manifest, 3))
    tables = [reads(shelf, manifest, at) for at in range(4)]
    assert there(folder, manifest) == [1, 2, 3] and shelf.stats().held == 0
    shelf.expect(manifest.parts[2:6])
    until(lambda: there(folder, manifest) == [2, 3, 4])
    time.sleep(0.05)
    assert there(folder, manifest) == [2, 3, 4], "what is in use and named again must not go"
    assert tables[0].take(np.arange(2))["x"].tolist() == [0, 1]
    assert 0 in there(folder, manifest) and len(there(folder, manifest)) == 3


def test_a_new_expectation_replaces_the_old_one(far: tuple[Files, Manifest], folder: Path) -> None:
    backend, manifest = far
    shelf = Fetched(backend, folder, room_for(manifest, 2))
    shelf.expect(manifest.parts[:4])
    until(lambda: there(folder, manifest) == [0, 1])
    shelf.expect(manifest.parts[4:6])
    until(lambda: there(folder, manifest) == [4, 5])
    shelf.expect([])
    until(lambda: not any("headrace" in thread.name for thread in threading.enumerate()))


def test_what_was_expected_and_not_asked_for_ends_with_the_shelf(far: tuple[Files, Manifest], folder: Path) -> None:
    backend, manifest = far
    shelf = Fetched(backend, folder, room_for(manifest, 1))
    shelf.expect(manifest.parts)
    until(lambda: there(folder, manifest) == [0])
    assert any("headrace" in thread.name for thread in threading.enumerate())
    del shelf  # the threads end: see the fixture


def test_in_memory_too_what_is_expected_comes_ahead(far: tuple[Files, Manifest]) -> None:
    backend, manifest = far
    shelf = Fetched(backend, None, room_for(manifest, 4))
    shelf.expect(manifest.parts)
    until(lambda: shelf.stats().fetched == 4)
    for at in range(PARTS):
        reads(shelf, manifest, at)
    assert shelf.stats().fetched == PARTS


def test_maps_need_no_collection_of_garbage_and_hold_few_descriptors(far: tuple[Files, Manifest], folder: Path) -> None:
    backend, manifest = far
    shelf = Fetched(backend, folder, None)
    reads(shelf, manifest, 0)
    before = len(os.listdir("/proc/self/fd"))
    table = reads(shelf, manifest, 0)
    assert len(os.listdir("/proc/self/fd")) <= before + len(manifest.parts[0].files)
    gc.disable()
    try:
        del table
        assert len(os.listdir("/proc/self/fd")) == before
    finally:
        gc.enable()


def test_many_threads_fetch_a_part_once(far: tuple[Files, Manifest], folder: Path) -> None:
    backend, manifest = far
    for shelf in (Fetched(backend, folder, None), Fetched(backend, None, None)):
        with ThreadPoolExecutor(8) as pool:
            list(pool.map(partial(reads, shelf, manifest), [3] * 8))
        assert shelf.stats().fetched == 1


def test_rows_of_no_bytes(tmp_path: Path, folder: Path) -> None:
    backend = Files(tmp_path / "far")
    manifest = sent(backend, tmp_path / "stage", [wrap({"a": np.zeros((3, 0)), "b": np.array(["", "", ""])})])
    batch = Fetched(backend, folder, None).open(manifest.parts[0], manifest.layout).take(np.arange(3))
    assert batch["a"].shape == (3, 0) and batch["b"].tolist() == ["", "", ""]


def test_what_is_open_is_not_brought_and_costs_no_thread(far: tuple[Files, Manifest], folder: Path) -> None:
    backend, manifest = far
    shelf = Fetched(backend, folder, None)
    tables = [shelf.open(part, manifest.layout) for part in manifest.parts]
    shelf.expect(manifest.parts)
    assert not any("headrace-ahead" in thread.name for thread in threading.enumerate())
    assert len(tables) == PARTS


def test_each_of_two_readers_has_what_it_expects(far: tuple[Files, Manifest], folder: Path) -> None:
    backend, manifest = far
    shelf = Fetched(backend, folder, room_for(manifest, 4))
    shelf.expect(manifest.parts[:2], "one")
    shelf.expect(manifest.parts[4:], "another")
    until(lambda: there(folder, manifest) == [0, 1, 4, 5])
    shelf.expect([], "one")
    until(lambda: there(folder, manifest) == [4, 5, 6, 7])
    shelf.expect([], "another")
    until(lambda: not any("headrace" in thread.name for thread in threading.enumerate()))
