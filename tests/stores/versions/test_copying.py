"""Versions that go from store to store, whatever happens on the way."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
import time
import uuid
from collections import Counter
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from itertools import pairwise
from pathlib import Path
from typing import Any
from urllib.parse import unquote

import numpy as np
import pytest

import headrace as hr
from headrace.stores.bucket import Bucket
from headrace.stores.local import Folder
from headrace.stores.versions.copying import copy
from tests.servers.faults import FaultProxy
from tests.servers.places import Place

PARTS = 9


def filled(store: hr.Store, version: str = "1") -> hr.Store:
    """Write a version of many parts."""
    numbers = np.random.default_rng(0).integers(0, 9, PARTS * 1000)
    store.submit({"x": numbers, "text": [f"number {at}" for at in numbers]}, "data", version, part_bytes=25_000)
    assert PARTS - 2 <= len(store.manifest("data", version).parts) <= PARTS + 9
    return store


def memory(**more: Any) -> hr.Store:
    return hr.Store(f"memory://{uuid.uuid4().hex}", **more)


def same(a: hr.Store, b: hr.Store, id: str = "data", version: str = "1") -> None:
    """Compare what two stores say of a version, but for where it stands among others, and read it."""
    first, second = a.manifest(id, version), b.manifest(id, version)
    assert first.fingerprint == second.fingerprint
    for name in ("id", "version", "created", "parents", "notes", "headrace", "numpy"):
        assert getattr(first, name) == getattr(second, name)
    assert b.verify(id, version, progress=False) == len({part.digest for part in first.parts})
    assert np.array_equal(a.fetch(id, version).collect()["x"], b.fetch(id, version).collect()["x"])


@pytest.fixture
def folder(tmp_path: Path) -> hr.Store:
    return filled(hr.Store(tmp_path / "store"))


@pytest.mark.filterwarnings("ignore:local.* has no step that writes a file only where there is none")
def test_a_version_goes_round_and_stays_the_same(folder: hr.Store, tmp_path: Path) -> None:
    @folder.cacheable("made", "1")
    def make() -> dict[str, Any]:
        return {"x": np.arange(5)}

    make()
    folder.derive("data", "1", "2", append={"x": [1], "text": ["one"]})
    packed, plain, other = memory(compression="zstd"), memory(), hr.Store(tmp_path / "other")
    fsspec = hr.Store(f"local://{tmp_path}/fsspec", cache=tmp_path / "cache", compression="zstd")
    for source, target in pairwise((folder, packed, plain, other, fsspec, memory(compression="zstd"))):
        for id, version in (("data", "1"), ("data", "2"), ("made", "1")):
            copied = source.copy(id, version, to=target)
            assert len(copied) == source.manifest(id, version).length
            same(folder, target, id, version)
        assert target.versions("data") == ["1", "2"]
        assert target.log("data")[0].parents == ("1",) or target is not other
    assert all(part.packed for part in packed.manifest("data", "1").parts)
    assert not any(part.packed for part in plain.manifest("data", "1").parts)
    assert folder.manifest("made").notes["code"]
    assert not list((tmp_path / "other" / "tmp").iterdir())


@pytest.mark.servers
def test_a_version_goes_round_the_clouds(
    folder: hr.Store, tmp_path: Path, s3: Place, gcs: Place, azure: Place, redis: Place
) -> None:
    def far(place: Place, compression: str | None = None) -> hr.Store:
        return hr.Store(
            place.fresh(),
            endpoint=place.endpoint,
            options=place.options,
            cache=tmp_path / "cache",
            compression=compression,
        )

    folder.tag("data", "1", "best")
    stores = [folder, far(s3, "zstd"), far(gcs), far(azure), far(redis, "zstd"), hr.Store(tmp_path / "back")]
    for source, target in pairwise(stores):
        source.copy("data", "best", to=target, tags=True)
        assert target.tags("data") == {"best": "1"}
    same(folder, stores[-1])
    assert not list((tmp_path / "cache" / "desk" / "tmp").iterdir())


@pytest.mark.parametrize("kind", ["folder", "memory"])
def test_what_is_there_is_not_touched(folder: hr.Store, tmp_path: Path, kind: str) -> None:
    target = hr.Store(tmp_path / "target") if kind == "folder" else memory()
    folder.copy("data", to=target)
    before = target.manifest("data").digest
    folder.copy("data", "1", to=target)
    folder.copy("data", "1", to=folder)
    assert target.manifest("data").digest == before
    target.submit([1, 2], "data", "2")
    folder.submit([1, 3], "data", "2")
    with pytest.raises(hr.ExistsError, match=r"version '2' of 'data' in .* holds other records: its fingerprint"):
        folder.copy("data", "2", to=target)
    with pytest.raises(hr.ArgumentError, match="upper and lower case"):
        filled(hr.Store(tmp_path / "third"), "1").copy("data", "1", to=_named_data(tmp_path / "fourth"))
    with pytest.raises(hr.NotFoundError, match="no version '3'"):
        folder.copy("data", "3", to=target)
    with pytest.raises(hr.ArgumentError, match="to= is the other store"):
        folder.copy("data", "1", to=str(tmp_path))  # type: ignore[arg-type]


def _named_data(path: Path) -> hr.Store:
    store = hr.Store(path)
    store.submit([1], "DATA", "1")
    return store


def test_pickles_go_only_where_they_may_be_read(tmp_path: Path) -> None:
    store = hr.Store(tmp_path / "store", allow_pickle=True)
    store.submit({"x": np.array([{1}, {2}], object)}, "data", "1")
    with pytest.raises(hr.StoreError, match="allow_pickle=True"):
        store.copy("data", to=memory())
    assert store.copy("data", to=memory(allow_pickle=True))[0] == {"x": {1}}


@pytest.mark.parametrize("kind", ["folder", "memory"])
def test_copies_at_once_do_no_harm(folder: hr.Store, tmp_path: Path, kind: str) -> None:
    target = hr.Store(tmp_path / "target") if kind == "folder" else memory()
    with ThreadPoolExecutor(4) as pool:
        running = [pool.submit(folder.copy, "data", "1", to=target) for _ in range(4)]
        assert {len(one.result(60)) for one in running} == {PARTS * 1000}
    same(folder, target)
    assert not list((tmp_path / "target" / "tmp").glob("*"))


@pytest.mark.parametrize("far", [False, True])
@pytest.mark.parametrize("onwards", ["folder", "memory"])
def test_a_damaged_source_is_found_and_nothing_appears(
    folder: hr.Store, tmp_path: Path, far: bool, onwards: str
) -> None:
    source = memory() if far else folder
    if far:
        folder.copy("data", to=source)
    digest = source.manifest("data").parts[3].digest
    backend, key = source._catalog.backend, f"objects/{digest}/x.npy"
    content = bytearray(backend.get(key))
    content[len(content) // 2] ^= 1
    if far:
        backend.put(key, bytes(content))
    else:
        (folder.path / key).write_bytes(content)
    target = hr.Store(tmp_path / "target") if onwards == "folder" else memory()
    with pytest.raises(hr.DamageError, match=f"{digest}/x.npy is damaged"):
        source.copy("data", to=target)
    assert target.ids() == []
    (folder.path / key).unlink()
    if not far:
        with pytest.raises(hr.DamageError, match=f"{digest}/x.npy is missing"):
            source.copy("data", to=target)


@pytest.mark.parametrize("kind", ["folder", "memory"])
def test_garbage_collected_meanwhile_is_not_what_the_copy_needs(folder: hr.Store, tmp_path: Path, kind: str) -> None:
    target = hr.Store(tmp_path / "target") if kind == "folder" else memory()
    target.submit([1], "other", "1")

    def collecting(done: int) -> None:
        assert target.gc(dry_run=False, grace=0).parts == 0

    copy(folder._home, folder.manifest("data"), target._home, collecting)
    same(folder, target)


def test_a_shared_part_that_is_deleted_meanwhile_is_brought_again(folder: hr.Store, tmp_path: Path) -> None:
    target = hr.Store(tmp_path / "target")
    folder.derive("data", "1", "2", append={"x": [1], "text": ["one"]})
    folder.copy("data", "1", to=target)
    told: list[int] = []

    def deleting(done: int) -> None:
        if not told:
            target.delete("data", "1")
        told.append(done)

    copy(folder._home, folder.manifest("data", "2"), target._home, deleting)
    same(folder, target, version="2")
    assert told[0] > 0.9 * folder.manifest("data", "2").size  # they were there when it began


COPY = """
import json, sys
import headrace as hr
source, target = (hr.Store(**json.loads(given)) for given in sys.argv[1:3])
source.copy("data", "1", to=target)
"""


def dying(source: dict[str, Any], target: dict[str, Any], is_time: Callable[[], bool]) -> None:
    """Copy in another process, and kill it when it is time."""
    command = [sys.executable, "-c", COPY, json.dumps(source), json.dumps(target)]
    with subprocess.Popen(command, stderr=subprocess.PIPE) as running:
        deadline = time.monotonic() + 40
        while not is_time():
            assert running.poll() is None, running.stderr and running.stderr.read()
            assert time.monotonic() < deadline, "the copy never came so far"
            time.sleep(0.02)
        os.kill(running.pid, signal.SIGKILL)
        running.wait()


def objects(proxy: FaultProxy, method: str) -> Counter[str]:
    """Return how often parts' files were asked for or sent."""
    found = (re.search(r"objects/\w+/[^?]+", unquote(path)) for how, path in proxy.log if how == method)
    return Counter(one[0] for one in found if one)


@pytest.mark.servers
def test_a_copy_to_a_bucket_that_was_killed_goes_on(
    folder: hr.Store, tmp_path: Path, s3: Place, s3_faults: FaultProxy
) -> None:
    target: dict[str, Any] = {
        "path": s3.fresh(),
        "endpoint": s3_faults.endpoint,
        "options": dict(s3.options),
        "cache": str(tmp_path / "cache"),
    }
    last = folder.manifest("data").parts[-1].digest
    s3_faults.fail("stall", times=None, method="PUT", path=last)
    files = 3 * (len(folder.manifest("data").parts) - 1)
    dying({"path": str(folder.path)}, target, lambda: len(objects(s3_faults, "PUT")) > files)
    store = hr.Store(**target)
    assert store.ids() == []
    s3_faults.heal()
    assert isinstance(store._home, Bucket)
    assert store.gc(dry_run=False, grace=0).parts == 0  # the dead one's note says what it needs
    folder.copy("data", "1", to=store)
    sent = objects(s3_faults, "PUT")
    assert {key: times for key, times in sent.items() if times > 1 and last not in key} == {}
    same(folder, store)


@pytest.mark.servers
def test_a_copy_into_a_folder_that_was_killed_goes_on(
    folder: hr.Store, tmp_path: Path, s3: Place, s3_faults: FaultProxy
) -> None:
    url = s3.fresh()
    direct = hr.Store(url, endpoint=s3.endpoint, options=s3.options, cache=tmp_path / "cache")
    folder.copy("data", "1", to=direct)
    source: dict[str, Any] = {
        "path": url,
        "endpoint": s3_faults.endpoint,
        "options": dict(s3.options),
        "cache": str(tmp_path / "cache"),
    }
    last = folder.manifest("data").parts[-1].digest
    s3_faults.fail("stall", times=None, method="GET", path=last)
    target = hr.Store(tmp_path / "target")
    whole = len(folder.manifest("data").parts) - 1

    def is_time() -> bool:
        names = [path.name for path in target.path.glob("tmp/*/*")]
        return sum(re.fullmatch("[0-9a-f]{64}", name) is not None for name in names) == whole

    dying(source, {"path": str(target.path)}, is_time)
    assert target.ids() == []
    target.submit([1], "other", "1")  # who writes clears away what is of no use
    s3_faults.heal()
    hr.Store(**source).copy("data", "1", to=target)
    fetched = objects(s3_faults, "GET")
    assert {key: times for key, times in fetched.items() if times > 1 and last not in key} == {}
    same(folder, target)
    assert isinstance(target._home, Folder)
    assert not list((target.path / "tmp").iterdir())
