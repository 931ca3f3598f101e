"""Versions and servers that go away while somebody reads."""

from __future__ import annotations

import pickle
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import pytest

from headrace.core.errors import DamageError, HeadraceError, NotFoundError, UnreachableError
from headrace.stores.backends.redis import Redis
from tests.servers.places import Place
from tests.servers.running import free_port, program
from tests.whole.stores.where import Where, check, content

FAR = [pytest.param(name, marks=pytest.mark.servers) for name in ("s3", "redis")]


@pytest.fixture(params=["folder", *FAR])
def where(request: pytest.FixtureRequest, tmp_path: Path) -> Where:
    if request.param == "folder":
        return Where.local(tmp_path)
    return Where.at(request.getfixturevalue(request.param), tmp_path)


def test_a_version_is_deleted_and_collected_while_others_read_it(where: Where, tmp_path: Path) -> None:
    store = where.open()
    store.submit(content(1), "data", "1", part_bytes=10_000)
    has_all, has_some = (where.cached(tmp_path / name).open().fetch("data", "1") for name in ("all", "some"))
    late = where.cached(tmp_path / "late").open().fetch("data", "1")
    sent = pickle.dumps(late.batch(50))
    check(has_all, 1)
    some = has_some.batch(10).stream()
    with iter(some) as iterator:
        first = next(iterator)["x"][:, 0].tolist()
        store.delete("data", "1")
        store.gc(dry_run=False, grace=0)
        check(has_all, 1)
        assert has_all.shuffle(0)[3]["x"][0] in range(1000, 1400)
        try:
            for batch in iterator:
                first += batch["x"][:, 0].tolist()
        except NotFoundError as error:
            assert "version '1' of 'data' was deleted" in str(error)
        else:
            assert len(first) == 400, "all was fetched ahead"
    assert first == (np.arange(len(first)) + 1000).tolist()
    with pytest.raises(NotFoundError, match=r"version '1' of 'data' was deleted from .* after it was fetched"):
        late.collect()
    with pytest.raises(HeadraceError, match="was deleted"):
        list(pickle.loads(sent).stream())
    with pytest.raises(HeadraceError, match="was deleted"):
        list(late.batch(50).stream(workers=2))
    with pytest.raises(NotFoundError, match="no dataset 'data'"):
        store.fetch("data", "1")
    store.submit(content(2), "data", "1")
    with pytest.raises(HeadraceError, match=r"version '1' of 'data' was deleted.*another .*has its name"):
        late.collect()
    check(store.fetch("data", "1"), 2)


def test_a_part_that_is_lost_is_no_deleted_version(where: Where, tmp_path: Path) -> None:
    store = where.open()
    ds = store.submit(content(1), "data", "1")
    backend = store._catalog.backend
    lost = next(entry.key for entry in backend.list("objects/") if entry.key.endswith("x.npy"))
    backend.delete(lost)
    with pytest.raises(DamageError, match=f"{lost} is missing"):
        ds.collect()


@pytest.mark.servers
def test_what_expires_is_not_there_and_what_is_read_lives_on(redis: Place, tmp_path: Path) -> None:
    where = Where.at(redis, tmp_path)
    store = where.open(ttl=1.5)
    store.submit(content(1), "data", "1")
    store.submit(content(2), "data", "2")
    kept, late = (where.cached(tmp_path / name).open(ttl=1.5).fetch("data", "1") for name in ("kept", "late"))
    check(kept, 1)
    until = time.monotonic() + 2.5
    while time.monotonic() < until:
        where.open(ttl=1.5).fetch("data", "2")
        time.sleep(0.2)
    assert store.versions("data") == ["2"]
    check(store.fetch("data"), 2)
    check(kept, 1)
    try:  # parts outlive their manifest by a minute
        check(late, 1)
    except NotFoundError as error:
        assert "was deleted" in str(error)
    with pytest.raises(NotFoundError, match="no version '1' of 'data'"):
        store.fetch("data", "1")
    check(store.submit(content(1), "data", "1"), 1)


@contextmanager
def server(port: int, folder: Path) -> Iterator[subprocess.Popen[bytes]]:
    """Run Redis that writes all to a file before it answers."""
    command = [program("redis-server"), "--port", str(port), "--bind", "127.0.0.1", "--dir", str(folder)]
    command += ["--appendonly", "yes", "--appendfsync", "always", "--save", ""]
    running = subprocess.Popen(command, stdout=subprocess.DEVNULL)
    try:
        yield running
    finally:
        running.kill()
        running.wait(30)


@pytest.mark.servers
def test_redis_is_killed_and_started_again_while_a_version_is_written_and_read(tmp_path: Path) -> None:
    port = free_port()
    options = {"deadline": "15", "timeout": "2"}
    where = Where(f"redis://127.0.0.1:{port}/0/x", None, options, str(tmp_path / "cache"))
    write = "import json, sys; from tests.whole.stores.where import *; where = Where(**json.loads(sys.argv[1]))\n"
    write += "for seed in range(2, 12):\n"
    write += "    check(where.open().submit(content(seed), 'data', str(seed)), seed); print(seed, flush=True)"
    with server(port, tmp_path):
        where.open().submit(content(1), "data", "1", part_bytes=10_000)
        ds = where.cached(tmp_path / "another").open().fetch("data", "1")
        stream = iter(ds.batch(10).stream())
        seen = next(stream)["x"][:, 0].tolist()
        writer = subprocess.Popen([sys.executable, "-c", write, where.text()], stdout=subprocess.PIPE, text=True)
        assert writer.stdout is not None and writer.stdout.readline() == "2\n"
    with pytest.raises(UnreachableError, match="Is the address right, and the server up"):
        Where(where.url, None, {"deadline": "0.3"}, where.cache).open()
    with server(port, tmp_path):
        seen += [int(x) for batch in stream for x in batch["x"][:, 0]]
        assert seen == (np.arange(400) + 1000).tolist()
        assert writer.wait(60) == 0
        writer.stdout.close()
        store = where.open()
        assert store.versions("data") == [str(seed) for seed in range(1, 12)]
        store.verify()


@pytest.mark.servers
def test_many_threads_begin_at_once(redis: Place) -> None:
    """Of the clients that they open none goes, with its connections, while another thread uses it."""
    url = redis.fresh()
    for _ in range(20):
        backend = Redis(url, redis.options)
        start = threading.Barrier(8)

        def ask(backend: Redis = backend, start: threading.Barrier = start) -> None:
            start.wait(30)
            for _ in range(5):
                assert backend.look("a") is None
                with pytest.raises(NotFoundError):
                    backend.get("a")

        with ThreadPoolExecutor(8) as pool:
            for done in [pool.submit(ask) for _ in range(8)]:
                done.result()
